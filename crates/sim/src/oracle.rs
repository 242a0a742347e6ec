//! What may be observed: the one committed history, pieced together from what any server has
//! delivered, and what each server has of it.
//!
//! Knows everything and changes nothing; the properties themselves are in `invariants/`.

use std::collections::BTreeMap;

use bytes::Bytes;
use zareba_model::{Answer, Entry, Epoch, SessionId, Txn, Xid, Zxid};
use zareba_tree::{Changes, Tree};
use zareba_zab::Persist;

use crate::invariants::{self, locks::Locks, session_order::SessionOrder};
use crate::reference::Reference;
use crate::violation::{Violation, hold};

/// What one server's log holds, as far as it was told to write it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Mirror {
    pub(crate) base: Zxid,
    pub(crate) zxids: Vec<Zxid>,
    /// The last entry that is durable.
    pub(crate) durable: Zxid,
    /// The epochs page on its disk.
    pub(crate) epochs: zareba_log::Epochs,
    /// What its tree has applied.
    pub(crate) applied: Zxid,
}

impl Mirror {
    pub(crate) fn last(&self) -> Zxid {
        self.zxids.last().map_or(self.base, |last| *last)
    }

    /// True if the entry is durable here, in the log or in the image.
    pub(crate) fn has_durably(&self, zxid: Zxid) -> bool {
        zxid <= self.base || (zxid <= self.durable && self.zxids.binary_search(&zxid).is_ok())
    }

    /// Entries behind `after`, up to `until`.
    fn between(&self, after: Zxid, until: Zxid) -> &[Zxid] {
        let from = self.zxids.partition_point(|zxid| *zxid <= after);
        let to = self.zxids.partition_point(|zxid| *zxid <= until);
        self.zxids.get(from..to.max(from)).unwrap_or(&[])
    }
}

/// What a request came to.
#[derive(Clone, Debug)]
pub(crate) struct Executed {
    pub(crate) zxid: Zxid,
    pub(crate) answer: Option<Answer>,
}

/// The committed history and all that follows from it.
#[derive(Debug)]
pub(crate) struct Oracle {
    pub(crate) mirrors: Vec<Mirror>,
    /// Every entry that was ever to be written, anywhere.
    proposed: BTreeMap<Zxid, Bytes>,
    /// The committed history, with the digest behind each entry.
    history: Vec<(Zxid, u64)>,
    pub(crate) tree: Tree,
    pub(crate) reference: Reference,
    pub(crate) executed: BTreeMap<(SessionId, Xid), Executed>,
    pub(crate) sessions: SessionOrder,
    pub(crate) locks: Locks,
    pub(crate) leaders: BTreeMap<Epoch, usize>,
    /// The end of the history each epoch began with.
    pub(crate) initial: BTreeMap<Epoch, Zxid>,
    pub(crate) closed: BTreeMap<SessionId, Zxid>,
}

impl Oracle {
    pub(crate) fn new(servers: usize) -> Self {
        Self {
            mirrors: vec![Mirror::default(); servers],
            proposed: BTreeMap::new(),
            history: Vec::new(),
            tree: Tree::default(),
            reference: Reference::new(),
            executed: BTreeMap::new(),
            sessions: SessionOrder::default(),
            locks: Locks::default(),
            leaders: BTreeMap::new(),
            initial: BTreeMap::new(),
            closed: BTreeMap::new(),
        }
    }

    /// The newest transaction that any server has delivered.
    pub(crate) fn committed(&self) -> Zxid {
        self.tree.applied()
    }

    /// How many transactions were committed.
    pub(crate) fn len(&self) -> usize {
        self.history.len()
    }

    pub(crate) fn digest_at(&self, zxid: Zxid) -> Option<u64> {
        let place = self.history.binary_search_by_key(&zxid, |(at, _)| *at).ok();
        place.and_then(|place| self.history.get(place).map(|(_, digest)| *digest))
    }

    pub(crate) fn mirror(&mut self, server: usize) -> Result<&mut Mirror, Violation> {
        self.mirrors
            .get_mut(server)
            .ok_or_else(|| Violation::new("panic", format!("there is no server {server}")))
    }

    /// A server is told to write to its log.
    pub(crate) fn writes(&mut self, server: usize, write: &Persist) -> Result<(), Violation> {
        match write {
            Persist::Append { entries, .. } => {
                for entry in entries {
                    self.note_proposed(server, entry)?;
                    let mirror = self.mirror(server)?;
                    hold!(
                        entry.zxid.follows(mirror.last()),
                        "agreement",
                        "server {server} appends {} behind {}",
                        entry.zxid,
                        mirror.last()
                    );
                    mirror.zxids.push(entry.zxid);
                }
            }
            Persist::Truncate { after } => {
                let mirror = self.mirror(server)?;
                mirror.zxids.retain(|zxid| zxid <= after);
                mirror.durable = mirror.durable.min(*after);
            }
            Persist::Epochs { .. } => {}
        }
        Ok(())
    }

    fn note_proposed(&mut self, server: usize, entry: &Entry) -> Result<(), Violation> {
        let known = self
            .proposed
            .entry(entry.zxid)
            .or_insert_with(|| entry.payload.clone());
        hold!(
            *known == entry.payload,
            "agreement",
            "server {server} has another transaction at {} than somebody else",
            entry.zxid
        );
        Ok(())
    }

    /// A server has started with these entries in its log.
    pub(crate) fn started(
        &mut self,
        server: usize,
        base: Zxid,
        entries: &[Entry],
        applied: Zxid,
        tree: &Tree,
    ) -> Result<(), Violation> {
        for entry in entries {
            self.note_proposed(server, entry)?;
        }
        let mirror = self.mirror(server)?;
        mirror.base = base;
        mirror.zxids = entries.iter().map(|entry| entry.zxid).collect();
        mirror.durable = mirror.last();
        mirror.applied = base;
        hold!(
            base == Zxid::ZERO || self.digest_at(base).is_some(),
            "agreement",
            "server {server} recovered an image of {base}, which was never committed"
        );
        self.delivered(server, applied, tree)
    }

    /// A server's state was replaced by a snapshot that began at `base`.
    pub(crate) fn swapped(&mut self, server: usize, base: Zxid) -> Result<(), Violation> {
        hold!(
            base == Zxid::ZERO || self.digest_at(base).is_some(),
            "agreement",
            "server {server} installed a snapshot of {base}, which was never committed"
        );
        let mirror = self.mirror(server)?;
        (mirror.base, mirror.durable, mirror.applied) = (base, base, base);
        mirror.zxids.clear();
        Ok(())
    }

    /// A server's tree has come to `applied`.
    pub(crate) fn delivered(
        &mut self,
        server: usize,
        applied: Zxid,
        tree: &Tree,
    ) -> Result<(), Violation> {
        let mirror = self.mirror(server)?;
        let before = mirror.applied;
        if applied == before {
            return Ok(());
        }
        hold!(
            applied > before,
            "agreement",
            "server {server} went back from {before} to {applied}"
        );
        let fresh = mirror.between(before, applied).to_vec();
        hold!(
            fresh.last() == Some(&applied),
            "agreement",
            "server {server} delivered {applied}, which is not in its log"
        );
        mirror.applied = applied;
        for zxid in fresh {
            if zxid > self.committed() {
                self.commit(zxid, server)?;
            }
            let expected = self.digest_at(zxid);
            hold!(
                expected.is_some(),
                "agreement",
                "server {server} delivered {zxid}, which is not in the committed history"
            );
            let found = tree.digest_at(zxid);
            hold!(
                found.is_none() || found == expected,
                "digest",
                "server {server} has digest {found:x?} at {zxid}, expected {expected:x?}"
            );
        }
        Ok(())
    }

    /// Nobody has delivered this entry before.
    fn commit(&mut self, zxid: Zxid, server: usize) -> Result<(), Violation> {
        let last = self.committed();
        hold!(
            zxid.follows(last),
            "agreement",
            "server {server} delivered {zxid} right behind {last}"
        );
        invariants::durability::on_a_quorum(&self.mirrors, zxid)?;
        let payload = self.proposed.get(&zxid).cloned().unwrap_or_default();
        let txn = zareba_wire::decode_txn(&payload)
            .map_err(|error| Violation::new("agreement", format!("{zxid}: {error}")))?;
        self.sessions.check(&self.tree, zxid, &txn)?;
        let changes = self.tree.apply(zxid, &txn);
        hold!(
            changes.diverged.is_none(),
            "digest",
            "the leader's mark in {zxid} is wrong: {:x?}",
            changes.diverged
        );
        self.history.push((zxid, self.tree.digest()));
        let touched = self.reference.apply(zxid, &txn);
        invariants::reference_model::check(&self.tree, &self.reference, &touched)?;
        invariants::ephemerals::check(&self.tree, &self.reference, zxid)?;
        self.locks.check(zxid, &txn)?;
        self.note_answers(zxid, &txn, &changes)
    }

    fn note_answers(&mut self, zxid: Zxid, txn: &Txn, changes: &Changes) -> Result<(), Violation> {
        for session in &changes.sessions_closed {
            self.closed.insert(*session, zxid);
        }
        if let zareba_model::Cause::Request {
            session,
            xid,
            answer,
            ..
        } = &txn.cause
        {
            let answer = answer.clone();
            let executed = Executed { zxid, answer };
            let before = self.executed.insert((*session, *xid), executed);
            hold!(
                before.is_none(),
                "exactly_once",
                "request {} of {session} was executed again at {zxid}",
                xid.0
            );
        }
        for (call, answer) in &changes.calls_ended {
            let executed = self.executed.get_mut(&(call.session, call.xid));
            hold!(
                executed.as_ref().is_some_and(|it| it.answer.is_none()),
                "exactly_once",
                "the parked request {} of {} was answered twice, or never parked",
                call.xid.0,
                call.session
            );
            if let Some(executed) = executed {
                executed.zxid = zxid;
                executed.answer = Some(answer.clone());
            }
        }
        Ok(())
    }
}
