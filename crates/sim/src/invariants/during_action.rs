//! I14, what the specifications check during their actions, as far as messages show it: nobody
//! speaks as a leader but the epoch's own (stateInconsistent, messageIllegal); a follower's stream of
//! proposals has no hole (proposalInconsistent); a commit point is within what was proposed over the
//! same stream and never goes back (commitInconsistent); an ack is within what was sent, never goes
//! back, and answers what was asked (ackInconsistent).

use std::collections::BTreeMap;

use zareba_model::{Epoch, Zxid};
use zareba_zab::{Join, Message};

use super::one_leader_synchronizing::Leaders;
use crate::violation::{Violation, hold};

const NAME: &str = "during_action";

/// From a leader to a follower, over one attempt to join.
type Ends = (usize, usize);

/// What a leader has asked of a follower, and what it was told.
#[derive(Clone, Copy, Debug, Default)]
struct Attempt {
    join: Join,
    epoch: Epoch,
    /// The end of the follower's log, as it has said.
    promised: Option<Zxid>,
    /// The end of what the follower has, once all that was sent has arrived.
    fed: Option<Zxid>,
    /// The commit point it was told.
    committed: Zxid,
    /// The history it was told is whole up to here.
    whole: Option<Zxid>,
    acked: Zxid,
}

/// All attempts, the newest of each pair.
#[derive(Debug, Default)]
pub(crate) struct Conversations(BTreeMap<Ends, Attempt>);

impl Conversations {
    /// A message leaves; all before it has left before.
    pub(crate) fn check(
        &mut self,
        leaders: &Leaders,
        (from, to): (usize, usize),
        message: &Message,
    ) -> Result<(), Violation> {
        let right = match message {
            Message::Vote(_) | Message::FollowerInfo { .. } => true,
            Message::NewEpoch { join, epoch } => {
                let attempt = Attempt {
                    join: *join,
                    epoch: *epoch,
                    ..Attempt::default()
                };
                self.0.insert((from, to), attempt);
                true
            }
            Message::AckEpoch { .. }
            | Message::AckNewLeader { .. }
            | Message::Ack { .. }
            | Message::Pong { .. } => self
                .0
                .get_mut(&(to, from))
                .is_none_or(|it| it.hears_from_follower(message)),
            message => self.0.get_mut(&(from, to)).is_some_and(|it| {
                it.hears_from_leader(leaders.of(it.epoch) == Some(from), message)
            }),
        };
        hold!(
            right,
            NAME,
            "server {from} sends {message:?} to {to}, where they have come to {:?}",
            self.0.get(&(from, to)).or_else(|| self.0.get(&(to, from)))
        );
        Ok(())
    }
}

impl Attempt {
    fn is_of(&self, join: Join, epoch: Epoch) -> bool {
        self.join == join && self.epoch == epoch
    }

    /// A word of the leader; false if it cannot be said now.
    fn hears_from_leader(&mut self, is_leader: bool, message: &Message) -> bool {
        match message {
            Message::Diff { join, epoch } => {
                self.begins(is_leader && self.is_of(*join, *epoch), self.promised)
            }
            Message::Trunc { join, epoch, after } => {
                self.begins(is_leader && self.is_of(*join, *epoch), Some(*after))
            }
            Message::Snap { join, epoch, base } => {
                self.begins(is_leader && self.is_of(*join, *epoch), Some(*base))
            }
            Message::Propose {
                epoch,
                after,
                entries,
                committed,
            } => {
                let fits = self.epoch == *epoch && self.fed == Some(*after) && !entries.is_empty();
                self.fed = entries.last().map(|entry| entry.zxid);
                fits && is_leader && self.commits(*committed)
            }
            Message::Inform {
                epoch,
                after,
                entries,
            } => {
                let fits = self.epoch == *epoch && self.fed == Some(*after) && !entries.is_empty();
                self.fed = entries.last().map(|entry| entry.zxid);
                fits && is_leader
            }
            Message::NewLeader {
                join,
                epoch,
                last_zxid,
            } => {
                self.whole = Some(*last_zxid);
                is_leader && self.is_of(*join, *epoch) && self.fed == self.whole
            }
            Message::UpToDate {
                join,
                epoch,
                committed,
            } => {
                let told = self.is_of(*join, *epoch) && self.whole.is_some();
                is_leader && told && self.commits(*committed)
            }
            Message::Commit { epoch, zxid } => {
                is_leader && self.epoch == *epoch && self.commits(*zxid)
            }
            Message::Ping { epoch, .. } => self.epoch == *epoch,
            _ => true,
        }
    }

    fn begins(&mut self, may: bool, fed: Option<Zxid>) -> bool {
        let first = self.fed.is_none() && self.promised.is_some();
        self.fed = fed;
        may && first
    }

    fn commits(&mut self, zxid: Zxid) -> bool {
        let fits = self.fed.is_some_and(|fed| zxid <= fed) && zxid >= self.committed;
        self.committed = zxid;
        fits
    }

    /// A word of the follower; false if it cannot be said now. Words of an attempt that its leader
    /// has forgotten say nothing.
    fn hears_from_follower(&mut self, message: &Message) -> bool {
        match message {
            Message::AckEpoch {
                join,
                epoch,
                last_zxid,
                ..
            } if self.is_of(*join, *epoch) => {
                let first = self.promised.is_none();
                self.promised = Some(*last_zxid);
                first
            }
            Message::AckNewLeader {
                join,
                epoch,
                last_zxid,
            } if self.is_of(*join, *epoch) => self.whole == Some(*last_zxid),
            Message::Ack { epoch, zxid } if self.epoch == *epoch => {
                let fits = self.fed.is_none_or(|fed| *zxid <= fed) && *zxid >= self.acked;
                self.acked = *zxid;
                fits
            }
            _ => true,
        }
    }
}
