//! I33: once the faults are over, all members come to the same transaction and the same tree, which
//! is the newest there is.

use zareba_model::{ServerId, Zxid};
use zareba_replica::Replica;
use zareba_zab::Role;

use super::Missing;
use crate::lock_plugin::Plugins;

const NAME: &str = "convergence";

/// What is still missing at the members.
pub(crate) fn check<'a>(
    missing: &mut Missing,
    replicas: impl Iterator<Item = (usize, Option<&'a Replica<Plugins>>)>,
    committed: Zxid,
) {
    let mut leaders = 0;
    for (place, replica) in replicas {
        let Some(replica) = replica else {
            missing.note(NAME, || format!("server {place} is down"));
            continue;
        };
        let applied = replica.tree().applied();
        missing.unless(replica.role() != Role::Looking, NAME, || {
            format!("server {place} is looking")
        });
        missing.unless(applied == committed, NAME, || {
            format!("server {place} has {applied}, but {committed} was delivered")
        });
        let is_voter = replica
            .broadcast()
            .ensemble()
            .is_voter(ServerId(place as u64 + 1));
        missing.unless(!is_voter || replica.broadcast().may_vote(), NAME, || {
            format!("server {place} was not refilled")
        });
        leaders += usize::from(matches!(replica.role(), Role::Leading { .. }));
    }
    missing.unless(leaders == 1, NAME, || format!("{leaders} servers lead"));
}
