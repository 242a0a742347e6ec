//! I26: once a session has ended, nothing of it is committed any more.

use std::collections::BTreeMap;

use zareba_model::{Cause, Effect, SessionId, Txn, Zxid};
use zareba_tree::Tree;

use crate::violation::{Violation, hold};

const NAME: &str = "session_end";

/// Judges a transaction before it is applied to `tree`.
pub(crate) fn check(
    tree: &Tree,
    closed: &BTreeMap<SessionId, Zxid>,
    zxid: Zxid,
    txn: &Txn,
) -> Result<(), Violation> {
    if let Cause::Request { session, xid, .. } = &txn.cause {
        hold!(
            tree.session(*session).is_some(),
            NAME,
            "{zxid} is request {} of {session}, which is not alive",
            xid.0
        );
    }
    for effect in &txn.effects {
        let of = match effect {
            Effect::AttachSession { session, .. } | Effect::CloseSession { session } => *session,
            Effect::CreateNode { lifetime, .. } => lifetime.owner(),
            Effect::OpenSession { session, .. } => {
                hold!(
                    session.0 == zxid.to_u64(),
                    NAME,
                    "{zxid} opens session {session}"
                );
                continue;
            }
            Effect::ParkCall(call) => call.session,
            _ => continue,
        };
        hold!(
            !closed.contains_key(&of),
            NAME,
            "{effect:?} at {zxid} is of a session that has ended before"
        );
    }
    Ok(())
}
