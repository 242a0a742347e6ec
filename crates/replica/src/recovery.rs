//! From what a disk holds to a server that can start: the image, then the log over it.
//!
//! The server and the simulator both come through here. The image is fuzzy: it holds the tree as
//! of `start`, with some nodes as of later transactions up to `consistent_at`; replaying the log
//! from `start` to there makes it exact. This file must never know a file.

use thiserror::Error;
use zareba_model::{DigestMark, Effect, Entry, Epoch, Zxid};
use zareba_tree::{Record, RestoreError, Tree, TreeBuilder};
use zareba_wire::{WireError, decode_txn};

use crate::bug::Bug;
use crate::event_history::EventHistory;
use crate::record;

/// Why a server cannot start from what its disk holds.
#[derive(Debug, Error)]
pub enum RecoveryError {
    /// A record or transaction cannot be decoded.
    #[error("{what} cannot be decoded: {source}; refill this server from its peers")]
    Undecodable {
        /// What it is.
        what: String,
        /// Why.
        source: WireError,
    },
    /// A record makes no sense.
    #[error("the image holds a record that makes no sense: {0}; refill this server from its peers")]
    Senseless(#[from] RestoreError),
    /// The log has a hole.
    #[error("the log jumps from {from} to {to}; refill this server from its peers")]
    Hole {
        /// The last transaction before it.
        from: Zxid,
        /// The first behind it.
        to: Zxid,
    },
    /// The tree is not what its digest says.
    #[error(
        "at {zxid} the tree's digest is {found:#018x}, but {expected:#018x} was written down; \
         refill this server from its peers"
    )]
    DigestMismatch {
        /// Where.
        zxid: Zxid,
        /// What was written down.
        expected: u64,
        /// What the tree has.
        found: u64,
    },
}

/// What the log's own recovery found.
#[derive(Clone, Debug, Default)]
pub struct RecoveredLog {
    /// From the epochs page.
    pub accepted_epoch: Epoch,
    /// From the epochs page.
    pub current_epoch: Epoch,
    /// The log's entries behind `tail_base`, in order, to the log's end.
    pub tail: Vec<Entry>,
    /// The zxid right before the first of them.
    pub tail_base: Zxid,
    /// False if damage was found: the server must be refilled before it votes.
    pub may_vote: bool,
}

/// A server ready to start.
pub struct Recovered {
    pub(crate) tree: Tree,
    pub(crate) zab: zareba_zab::Recovered,
    pub(crate) history: EventHistory,
}

impl Recovered {
    /// What is applied to the tree.
    pub fn applied(&self) -> Zxid {
        self.tree.applied()
    }
}

/// A recovery under way: records first, then entries.
pub struct Recovery {
    builder: Option<TreeBuilder>,
    tree: Tree,
    start: Zxid,
    consistent_at: Zxid,
    time: u64,
    history: EventHistory,
    expected: Option<DigestMark>,
    /// Planted on purpose; none in a build without the feature.
    bug: Option<Bug>,
}

impl Recovery {
    /// Starts with an image that begins at `start` and holds nothing newer than `consistent_at`.
    /// `expected` is the digest written down with it.
    pub fn new(start: Zxid, consistent_at: Zxid, expected: Option<DigestMark>) -> Self {
        Self {
            builder: Some(TreeBuilder::default()),
            tree: Tree::default(),
            start,
            consistent_at,
            time: 0,
            history: EventHistory::new(start),
            expected,
            bug: None,
        }
    }

    /// Plants a known bug.
    #[cfg(feature = "bugs")]
    pub fn plant(&mut self, bug: Option<Bug>) {
        self.bug = bug;
    }

    /// A record of the image.
    pub fn add_record(&mut self, key: &[u8], value: &[u8]) -> Result<(), RecoveryError> {
        let (key, record) = record::parse(key, value)
            .map_err(|source| undecodable("a record of the image".to_owned(), source))?;
        if let Record::Meta { time, .. } = &record {
            self.time = self.time.max(*time);
        }
        match &mut self.builder {
            Some(builder) => Ok(builder.add(key, record)?),
            None => Ok(()),
        }
    }

    /// The next committed entry of the log. Those up to `start` are skipped.
    pub fn replay(&mut self, entry: &Entry) -> Result<(), RecoveryError> {
        self.build();
        if entry.zxid <= self.tree.applied() {
            return Ok(());
        }
        if !entry.zxid.follows(self.tree.applied()) {
            return Err(RecoveryError::Hole {
                from: self.tree.applied(),
                to: entry.zxid,
            });
        }
        let mut txn = decode_txn(&entry.payload)
            .map_err(|source| undecodable(format!("transaction {}", entry.zxid), source))?;
        if self.bug == Some(Bug::ReplaySkipsVoidDeletions) {
            txn.effects.retain(|effect| {
                !matches!(effect, Effect::DeleteNode { path } if self.tree.node(path.as_str()).is_none())
            });
        }
        // Of what the image may hold already, replay does not say all that happened.
        let was_whole = self.tree.is_consistent();
        let changes = self.tree.apply(entry.zxid, &txn);
        if let Some(diverged) = changes.diverged {
            return Err(RecoveryError::DigestMismatch {
                zxid: diverged.zxid,
                expected: diverged.expected,
                found: diverged.found,
            });
        }
        let pretends = self.bug == Some(Bug::RemembersHalfAnImage);
        let was_whole = was_whole || (pretends && self.tree.is_consistent());
        self.history.push(entry.zxid, changes.events, was_whole);
        self.check_digest()
    }

    /// What the tree has applied so far, for progress reports.
    pub fn applied(&mut self) -> Zxid {
        self.build();
        self.tree.applied()
    }

    /// All is replayed that is known to be committed.
    pub fn finish(mut self, log: RecoveredLog) -> Result<Recovered, RecoveryError> {
        self.build();
        self.check_digest()?;
        let zab = zareba_zab::Recovered {
            accepted_epoch: log.accepted_epoch,
            current_epoch: log.current_epoch,
            applied: self.tree.applied(),
            ensemble: self.tree.ensemble().cloned(),
            tail: log.tail,
            tail_base: log.tail_base,
            may_vote: log.may_vote,
        };
        Ok(Recovered {
            tree: self.tree,
            zab,
            history: self.history,
        })
    }

    fn build(&mut self) {
        if let Some(builder) = self.builder.take() {
            self.tree = builder.finish(self.start, self.consistent_at, self.time);
        }
    }

    fn check_digest(&mut self) -> Result<(), RecoveryError> {
        let Some(mark) = self
            .expected
            .filter(|mark| mark.zxid == self.tree.applied())
        else {
            return Ok(());
        };
        self.expected = None;
        let found = self.tree.digest();
        if found == mark.digest {
            return Ok(());
        }
        Err(RecoveryError::DigestMismatch {
            zxid: mark.zxid,
            expected: mark.digest,
            found,
        })
    }
}

fn undecodable(what: String, source: WireError) -> RecoveryError {
    RecoveryError::Undecodable { what, source }
}

#[cfg(test)]
mod tests {
    use zareba_model::{Cause, Txn};

    use super::*;

    #[test]
    fn what_an_image_may_hold_already_is_not_remembered() {
        let zxid = |counter| Zxid::new(1, counter);
        let mut recovery = Recovery::new(zxid(1), zxid(3), None);
        for counter in 2..=4 {
            let txn = Txn {
                time: 0,
                cause: Cause::System,
                effects: Vec::new(),
                mark: None,
            };
            let payload = zareba_wire::encode_txn(&txn).expect("it is small");
            let zxid = zxid(counter);
            recovery.replay(&Entry { zxid, payload }).expect("no hole");
        }
        let recovered = recovery.finish(RecoveredLog::default()).expect("whole");
        // The image may be of the tree behind 1.3: its changes may have left no trace in the replay.
        let remembers = |counter| recovered.history.behind(zxid(counter)).is_some();
        assert_eq!([1, 2, 3, 4].map(remembers), [false, false, true, true]);
    }
}
