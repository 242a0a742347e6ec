//! I31: queues, messages and streams stay within their limits.

use std::collections::BTreeMap;

use zareba_model::limits::PROPOSALS_OUTSTANDING_MAX;
use zareba_model::{Relay, Zxid};
use zareba_replica::Replica;
use zareba_zab::Message;

use crate::lock_plugin::Plugins;
use crate::violation::{Violation, hold};

const NAME: &str = "caps";

/// Writes of a checkpoint under way at once.
const CHECKPOINT_WRITES_MAX: usize = 1;

/// Pieces sent and taken, by sender, receiver and stream.
#[derive(Debug, Default)]
pub(crate) struct Streams(BTreeMap<(usize, usize, Zxid), (u64, u64)>);

impl Streams {
    /// A message about clients' requests or a snapshot leaves.
    pub(crate) fn check(
        &mut self,
        (from, to): (usize, usize),
        relay: &Relay,
        window: u64,
    ) -> Result<(), Violation> {
        match relay {
            Relay::SnapshotChunk { base, sequence, .. } => {
                let (sent, taken) = self.0.entry((from, to, *base)).or_default();
                if *sequence == 0 {
                    *taken = 0;
                }
                *sent = *sequence + 1;
                hold!(
                    *sent - *taken <= window,
                    NAME,
                    "server {from} has {} pieces of a snapshot under way to {to}",
                    *sent - *taken
                );
            }
            Relay::SnapshotTaken { base, sequence } => {
                if let Some((sent, taken)) = self.0.get_mut(&(to, from, *base)) {
                    *taken = (*taken).max(*sequence + 1).min(*sent);
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// A broadcast message leaves.
pub(crate) fn of_message(
    server: usize,
    message: &Message,
    entries_max: usize,
) -> Result<(), Violation> {
    if let Message::Propose { entries, .. } = message {
        hold!(
            entries.len() <= entries_max,
            NAME,
            "server {server} sends {} entries in one message",
            entries.len()
        );
    }
    Ok(())
}

/// A server has taken a step.
pub(crate) fn of_server(
    server: usize,
    replica: &Replica<Plugins>,
    image_writes: usize,
    snapshot_window: u64,
) -> Result<(), Violation> {
    let outstanding = replica.broadcast().outstanding();
    let image_writes_max = CHECKPOINT_WRITES_MAX + snapshot_window as usize;
    hold!(
        outstanding <= PROPOSALS_OUTSTANDING_MAX && image_writes <= image_writes_max,
        NAME,
        "server {server} has {outstanding} proposals and {image_writes} writes of its image under way"
    );
    Ok(())
}
