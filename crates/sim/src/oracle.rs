//! What may be observed: the one committed history, pieced together from what any server has
//! delivered, and what each server has of it.
//!
//! Knows everything and changes nothing; the properties themselves are in `invariants/`.

mod history;
mod mirror;

use std::collections::{BTreeMap, BTreeSet};

use zareba_model::{
    Answer, Cause, Effect, Ensemble, Entry, Epoch, Op, Principal, ServerId, SessionId, Txn, Xid,
    ZnodePath, Zxid,
};
use zareba_tree::{Changes, Tree};
use zareba_zab::{Message, Persist};

pub(crate) use self::history::History;
pub(crate) use self::mirror::{Mirror, on_a_quorum};
use crate::invariants::access::Request;
use crate::invariants::committed_log_monotonicity::Claims;
use crate::invariants::contiguous_log::Predecessors;
use crate::invariants::during_action::Conversations;
use crate::invariants::locks::Locks;
use crate::invariants::one_leader_established::Established;
use crate::invariants::one_leader_synchronizing::Leaders;
use crate::invariants::process_consistency::Foundations;
use crate::invariants::session_order::SessionOrder;
use crate::invariants::{self};
use crate::marks::{Mark, Marks};
use crate::recipe::Court;
use crate::reference::{RESERVED, Reference, Touched};
use crate::violation::{Violation, hold};

/// In place of a transaction that nobody has broadcast: no transaction is encoded so.
static NOTHING: bytes::Bytes = bytes::Bytes::from_static(b"nothing");

/// What happened to a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NodeEffect {
    Create,
    Set,
    SetAcl,
    Delete,
    /// Nothing that any change could have asked for.
    Wrong,
}

/// What a request came to.
#[derive(Clone, Debug)]
pub(crate) struct Executed {
    pub(crate) zxid: Zxid,
    pub(crate) answer: Option<Answer>,
    /// The nodes it has touched outside of the plugin's mount.
    pub(crate) nodes: Vec<(NodeEffect, ZnodePath)>,
}

/// The committed history and all that follows from it.
pub(crate) struct Oracle {
    pub(crate) mirrors: Vec<Mirror>,
    pub(crate) history: History,
    /// The newest ensemble that anybody has delivered.
    pub(crate) ensemble: Ensemble,
    /// All that were, by version.
    pub(crate) ensembles: BTreeMap<u64, Ensemble>,
    /// Newer ones that a leader has broadcast, and goes by.
    proposed: Vec<(Zxid, Ensemble)>,
    pub(crate) tree: Tree,
    pub(crate) reference: Reference,
    pub(crate) executed: BTreeMap<(SessionId, Xid), Executed>,
    /// Soft limits whose passing was told.
    pub(crate) warned: BTreeSet<usize>,
    /// What sessions have asked, and as whom.
    asked: BTreeMap<(SessionId, Xid), Request>,
    pub(crate) locks: Locks,
    /// Who judges the plugin under test, if there is one in place of the lock.
    pub(crate) court: Option<Court>,
    pub(crate) established: Established,
    pub(crate) foundations: Foundations,
    pub(crate) closed: BTreeMap<SessionId, Zxid>,
    /// Sessions that were ended for their silence since the cluster last looked.
    expired: Vec<(SessionId, u32)>,
    pub(crate) marks: Marks,
    leaders: Leaders,
    claims: Claims,
    predecessors: Predecessors,
    conversations: Conversations,
    sessions: SessionOrder,
    /// What was announced as committed is on a quorum up to here.
    announced: Zxid,
}

impl Oracle {
    pub(crate) fn new(places: usize, founding: Ensemble, court: Option<Court>) -> Self {
        Self {
            mirrors: vec![Mirror::default(); places],
            history: History::default(),
            ensembles: BTreeMap::from([(founding.version, founding.clone())]),
            ensemble: founding,
            proposed: Vec::new(),
            tree: Tree::default(),
            reference: Reference::new(),
            executed: BTreeMap::new(),
            warned: BTreeSet::new(),
            asked: BTreeMap::new(),
            locks: Locks::default(),
            court,
            established: Established::default(),
            foundations: Foundations::default(),
            closed: BTreeMap::new(),
            expired: Vec::new(),
            marks: Marks::new(),
            leaders: Leaders::default(),
            claims: Claims::default(),
            predecessors: Predecessors::default(),
            conversations: Conversations::default(),
            sessions: SessionOrder::default(),
            announced: Zxid::ZERO,
        }
    }

    /// The newest transaction that any server has delivered.
    pub(crate) fn committed(&self) -> Zxid {
        self.history.last()
    }

    pub(crate) fn mirror(&mut self, server: usize) -> Result<&mut Mirror, Violation> {
        self.mirrors
            .get_mut(server)
            .ok_or_else(|| Violation::new("panic", format!("there is no server {server}")))
    }

    /// A server is told to write to its log, having applied `applied`.
    pub(crate) fn writes(
        &mut self,
        server: usize,
        write: &Persist,
        applied: Zxid,
    ) -> Result<(), Violation> {
        match write {
            Persist::Append { entries, .. } => {
                for entry in entries {
                    self.appends(server, entry, applied)?;
                }
            }
            Persist::Truncate { after } => {
                self.drops_behind(server, *after)?;
                self.mirror(server)?.truncate(*after);
            }
            Persist::Epochs { .. } => {}
        }
        Ok(())
    }

    fn appends(&mut self, server: usize, entry: &Entry, applied: Zxid) -> Result<(), Violation> {
        let zxid = entry.zxid;
        let last = self.mirror(server)?.last();
        self.predecessors.check(server, last, zxid)?;
        self.mirror(server)?.zxids.push(zxid);
        match self.history.first_payload(zxid) {
            Some(known) => {
                let both = (known, &entry.payload);
                invariants::prefix_consistency::of_content(server, zxid, both)?;
                // An earlier leader that knows nothing of its successor goes by its own ensemble.
                let newest = self.established.newest().map(|(epoch, _)| epoch);
                let is_old = newest.is_some_and(|newest| zxid.epoch < newest);
                let is_committed = || is_old || zxid <= self.announced || self.is_held(zxid);
                invariants::observers::check(self.in_force(), server, zxid, is_committed)
            }
            None => {
                invariants::integrity::of_first(self.leaders.of(zxid.epoch), server, zxid)?;
                let history = &self.history;
                invariants::primary_integrity::of_broadcast(history, server, zxid, applied)?;
                let first = (zxid, &entry.payload);
                self.history.broadcasts(server, first, applied);
                self.proposes(server, entry, applied)
            }
        }
    }

    fn drops_behind(&mut self, server: usize, after: Zxid) -> Result<(), Violation> {
        let Some(mirror) = self.mirrors.get(server) else {
            return Ok(());
        };
        let dropped = mirror.last() > after;
        self.marks.reach_if(dropped, Mark::ProposalsDropped);
        invariants::committed_log_durability::check(&self.history, server, mirror, after)
    }

    /// A server acts as leader of an epoch: it names its history, or is established.
    pub(crate) fn begins_to_lead(
        &mut self,
        server: usize,
        epoch: Epoch,
        last_zxid: Zxid,
    ) -> Result<(), Violation> {
        self.foundations.note(epoch, last_zxid);
        self.synchronizes(server, epoch)
    }

    /// A server brings others level with its history, as leader of an epoch.
    pub(crate) fn synchronizes(&mut self, server: usize, epoch: Epoch) -> Result<(), Violation> {
        self.leaders.check(server, epoch)?;
        let Some(mirror) = self.mirrors.get(server) else {
            return Ok(());
        };
        invariants::leader_log_completeness::check(&self.history, server, mirror, epoch)
    }

    /// An established leader takes all up to here for committed.
    pub(crate) fn leads(
        &mut self,
        server: usize,
        epoch: Epoch,
        committed: Zxid,
    ) -> Result<(), Violation> {
        self.claims.check(server, epoch, committed)
    }

    /// A broadcast message leaves a server.
    pub(crate) fn sends(
        &mut self,
        server: usize,
        to: impl Iterator<Item = usize>,
        message: &Message,
    ) -> Result<(), Violation> {
        if let Some(mirror) = self.mirrors.get(server) {
            invariants::durable_claims::check(server, mirror, message)?;
            if let Message::AckNewLeader {
                epoch, last_zxid, ..
            } = message
            {
                let taken = (*epoch, *last_zxid);
                self.foundations
                    .check(&self.history, server, mirror, taken)?;
            }
        }
        for to in to {
            self.conversations
                .check(&self.leaders, (server, to), message)?;
        }
        let committed = match message {
            Message::Propose { committed, .. }
            | Message::UpToDate { committed, .. }
            | Message::Ping { committed, .. } => *committed,
            Message::Commit { zxid, .. } => *zxid,
            _ => Zxid::ZERO,
        };
        if committed > self.announced {
            self.announced = committed;
            self.is_on_a_quorum(committed, "announced as committed")?;
        }
        Ok(())
    }

    pub(crate) fn is_on_a_quorum(&self, zxid: Zxid, how: &str) -> Result<(), Violation> {
        invariants::acked_on_quorum::check(&self.mirrors, self.in_force(), zxid, how)
    }

    fn is_held(&self, zxid: Zxid) -> bool {
        self.in_force()
            .any(|ensemble| on_a_quorum(&self.mirrors, ensemble, zxid))
    }

    /// The ensembles that a leader may go by: the newest committed one, and those behind it.
    pub(crate) fn in_force(&self) -> impl Iterator<Item = &Ensemble> {
        let proposed = self.proposed.iter().map(|(_, ensemble)| ensemble);
        std::iter::once(&self.ensemble).chain(proposed)
    }

    /// The ensemble before the newest committed one.
    pub(crate) fn ensemble_before(&self) -> Option<&Ensemble> {
        let version = self.ensemble.version.checked_sub(1)?;
        self.ensembles.get(&version)
    }

    /// A leader broadcasts a transaction; it may change the ensemble.
    fn proposes(&mut self, server: usize, entry: &Entry, applied: Zxid) -> Result<(), Violation> {
        let Some(ensemble) = zareba_wire::ensemble_in(&entry.payload) else {
            return Ok(());
        };
        let zxid = entry.zxid;
        // What this server has applied in this very step is noted behind its writes.
        let applied = self.proposed.iter().filter(|(at, _)| *at <= applied);
        let known = applied.map(|(_, it)| it).chain(self.ensembles.values());
        invariants::one_change_at_a_time::of_broadcast(known, server, zxid, &ensemble)?;
        if ensemble.version > self.ensemble.version {
            self.proposed.push((zxid, ensemble));
        }
        Ok(())
    }

    /// A transaction that changes the ensemble is delivered for the first time.
    fn follow_ensemble(&mut self, zxid: Zxid, txn: &Txn) -> Result<(), Violation> {
        let Some(ensemble) = txn.ensemble() else {
            return Ok(());
        };
        invariants::one_change_at_a_time::of_commit(&self.ensemble, zxid, ensemble)?;
        let votes = |it: &ServerId| self.ensemble.is_voter(*it);
        let promoted = !ensemble.voters().iter().all(votes);
        self.marks.reach_if(promoted, Mark::Promoted);
        let leader = self.established.newest().map(|(_, place)| place as u64 + 1);
        let removed = leader.is_some_and(|leader| {
            let leader = ServerId(leader);
            self.ensemble.contains(leader) && !ensemble.contains(leader)
        });
        self.marks.reach_if(removed, Mark::LeaderRemoved);
        self.ensemble = ensemble.clone();
        self.ensembles.insert(ensemble.version, ensemble.clone());
        self.proposed
            .retain(|(_, it)| it.version > ensemble.version);
        Ok(())
    }

    /// A server has started with these entries in its log.
    pub(crate) fn started(
        &mut self,
        server: usize,
        base: Zxid,
        entries: &[Entry],
        (applied, reign): (Zxid, Epoch),
        tree: &Tree,
    ) -> Result<(), Violation> {
        let mut last = base;
        for entry in entries {
            let zxid = entry.zxid;
            let known = self.history.first_payload(zxid);
            let both = (known.unwrap_or(&NOTHING), &entry.payload);
            invariants::prefix_consistency::of_content(server, zxid, both)?;
            self.predecessors.check(server, last, zxid)?;
            last = zxid;
        }
        let position = self.position_of(server, base)?;
        let mirror = self.mirror(server)?;
        mirror.base = base;
        mirror.zxids = entries.iter().map(|entry| entry.zxid).collect();
        mirror.durable = mirror.last();
        (mirror.applied, mirror.position) = (base, position);
        self.delivered(server, (applied, reign), tree)
    }

    /// A server's state was replaced by a snapshot that began at `base`.
    pub(crate) fn swapped(&mut self, server: usize, base: Zxid) -> Result<(), Violation> {
        self.drops_behind(server, base)?;
        let position = self.position_of(server, base)?;
        let mirror = self.mirror(server)?;
        (mirror.base, mirror.durable, mirror.applied) = (base, base, base);
        mirror.position = position;
        mirror.zxids.clear();
        Ok(())
    }

    fn position_of(&self, server: usize, base: Zxid) -> Result<usize, Violation> {
        self.history.position(base).ok_or_else(|| {
            let what = format!("server {server} has an image of {base}, which was never committed");
            Violation::new("prefix_consistency", what)
        })
    }

    /// A server's tree has come to `applied`, in the reign that it follows.
    pub(crate) fn delivered(
        &mut self,
        server: usize,
        (applied, reign): (Zxid, Epoch),
        tree: &Tree,
    ) -> Result<(), Violation> {
        let mirror = self.mirror(server)?;
        let (mut last, mut place) = (mirror.applied, mirror.position);
        if applied == last {
            return Ok(());
        }
        hold!(
            applied > last,
            "total_order",
            "server {server} went back from {last} to {applied}"
        );
        let fresh = mirror.between(last, applied).to_vec();
        hold!(
            fresh.last() == Some(&applied),
            "durable_claims",
            "server {server} delivered {applied}, which is not in its log"
        );
        for zxid in fresh {
            if place == self.history.len() {
                self.commit(zxid, server, reign)?;
            }
            let history = &self.history;
            invariants::prefix_consistency::check(history, server, place, zxid)?;
            invariants::total_order::check(history, server, place, (last, zxid))?;
            invariants::digests::check(history, server, tree, zxid)?;
            (last, place) = (zxid, place + 1);
        }
        let mirror = self.mirror(server)?;
        (mirror.applied, mirror.position) = (last, place);
        invariants::quotas::of_tree(&self.reference, tree, "a server")?;
        invariants::agreement::check(&self.history, &self.mirrors, server)
    }

    /// Nobody has delivered this entry before.
    fn commit(&mut self, zxid: Zxid, server: usize, reign: Epoch) -> Result<(), Violation> {
        let last = self.committed();
        self.is_on_a_quorum(zxid, "delivered")?;
        invariants::integrity::check(&self.history, server, zxid)?;
        invariants::local_primary_order::check(&mut self.history, zxid)?;
        invariants::global_primary_order::check(last, zxid)?;
        invariants::primary_integrity::of_commit(&self.history, zxid)?;
        let txn = zareba_wire::decode_txn(&self.history.payload(zxid))
            .map_err(|error| Violation::new("integrity", format!("{zxid}: {error}")))?;
        self.follow_ensemble(zxid, &txn)?;
        invariants::session_end::check(&self.tree, &self.closed, zxid, &txn)?;
        self.sessions.check(zxid, &txn)?;
        self.note_expired(&txn);
        let changes = self.tree.apply(zxid, &txn);
        invariants::digests::of_mark(zxid, &changes)?;
        self.history.push(zxid, self.tree.digest(), reign);
        let later = zxid.epoch < reign;
        self.marks.reach_if(later, Mark::CommittedByLaterReign);
        self.judge_state(zxid, &txn, &changes)?;
        match &mut self.court {
            Some(court) => court
                .commits(&txn, &changes, &self.tree)
                .map_err(|why| Violation::new("promise", format!("at {zxid}: {why}")))?,
            None => self.locks.check(zxid, &txn)?,
        }
        self.note_marks(&txn, &changes);
        self.note_answers(zxid, &txn, &changes)
    }

    fn judge_state(&mut self, zxid: Zxid, txn: &Txn, changes: &Changes) -> Result<(), Violation> {
        let touched = self.judge_effects(zxid, txn)?;
        let (tree, reference) = (&self.tree, &self.reference);
        invariants::quotas::of_tree(reference, tree, "the history")?;
        invariants::reference_model::check(tree, reference, &touched.paths)?;
        invariants::stats::check(tree, reference, &touched.paths)?;
        let ended = changes.sessions_closed.iter().copied();
        let sessions: BTreeSet<SessionId> = touched.owners.into_iter().chain(ended).collect();
        invariants::ephemerals::check(tree, reference, &sessions, zxid)
    }

    /// Every effect, where it stands in the history.
    fn judge_effects(&mut self, zxid: Zxid, txn: &Txn) -> Result<Touched, Violation> {
        let (request, answer) = match &txn.cause {
            Cause::System => (None, None),
            Cause::Request {
                session,
                xid,
                answer,
                ..
            } => (self.asked.get(&(*session, *xid)), answer.as_ref()),
        };
        if let Some(request) = request {
            invariants::access::of_request(&self.reference, request, zxid, answer)?;
            invariants::subtrees::check(&self.reference, &request.op, (zxid, txn), answer)?;
        }
        let closing = invariants::lifetimes::closing(txn);
        let mut touched = Touched::default();
        for effect in &txn.effects {
            let (reference, marks) = (&self.reference, &self.marks);
            invariants::lifetimes::of_effect(reference, (zxid, txn), &closing, effect, marks)?;
            if let Some(request) = request {
                invariants::access::of_effect(reference, request, zxid, effect)?;
            }
            let counted = reference.quotas.now().to_vec();
            self.reference.apply(zxid, txn, effect, &mut touched);
            invariants::quotas::of_effect(&counted, &self.reference, zxid)?;
        }
        Ok(touched)
    }

    /// A session asks.
    pub(crate) fn asks(
        &mut self,
        (client, session): (usize, SessionId),
        xid: Xid,
        op: &Op,
        principals: &[Principal],
    ) {
        if let Some(court) = &mut self.court {
            court.asks(client, session, xid, op);
        }
        self.asked.entry((session, xid)).or_insert_with(|| Request {
            op: op.clone(),
            principals: principals.to_vec(),
        });
    }

    /// All states from one transaction up to another.
    pub(crate) fn during(&self, from: Zxid, until: Zxid) -> impl Iterator<Item = Zxid> {
        let place = |zxid| self.history.position(zxid).unwrap_or(0);
        let behind = (place(from)..place(until)).filter_map(|place| self.history.at(place));
        std::iter::once(from).chain(behind)
    }

    fn note_expired(&mut self, txn: &Txn) {
        if txn.cause != Cause::System {
            return;
        }
        for effect in &txn.effects {
            if let Effect::CloseSession { session } = effect
                && let Some(record) = self.tree.session(*session)
            {
                self.expired.push((*session, record.timeout_ms));
            }
        }
    }

    /// Sessions that have just been ended for their silence, with their timeouts.
    pub(crate) fn take_expired(&mut self) -> Vec<(SessionId, u32)> {
        std::mem::take(&mut self.expired)
    }

    fn note_answers(&mut self, zxid: Zxid, txn: &Txn, changes: &Changes) -> Result<(), Violation> {
        for session in &changes.sessions_closed {
            self.closed.insert(*session, zxid);
        }
        if let Cause::Request {
            session,
            xid,
            answer,
            ..
        } = &txn.cause
        {
            let executed = Executed {
                zxid,
                answer: answer.clone(),
                nodes: touched_nodes(txn),
            };
            let before = self.executed.insert((*session, *xid), executed);
            invariants::exactly_once::check(before.as_ref(), *session, *xid, zxid)?;
        }
        for (call, answer) in &changes.calls_ended {
            let (session, xid) = (call.session, call.xid);
            let executed = &mut self.executed;
            if let Some(executed) = invariants::exactly_once::of_parked(executed, session, xid)? {
                let later = executed.zxid.epoch < zxid.epoch;
                self.marks.reach_if(later, Mark::ParkedOutlivedLeader);
                self.marks.reach(match answer {
                    Ok(_) => Mark::ParkedAnswered,
                    Err(_) => Mark::ParkedCancelled,
                });
                executed.zxid = zxid;
                executed.answer = Some(answer.clone());
            }
        }
        Ok(())
    }

    fn note_marks(&self, txn: &Txn, changes: &Changes) {
        let system = txn.cause == Cause::System;
        let expired = system && !changes.sessions_closed.is_empty();
        self.marks.reach_if(expired, Mark::SessionExpired);
        for effect in &txn.effects {
            match effect {
                Effect::AttachSession { .. } => self.marks.reach(Mark::SessionMoved),
                Effect::ParkCall(_) => self.marks.reach(Mark::Parked),
                Effect::SetAcl { path, .. } => self.marks.reach(match path.as_str() {
                    RESERVED => Mark::AdministratorsSet,
                    _ => Mark::AclSet,
                }),
                Effect::ClearTimer { .. } => self.marks.reach_if(system, Mark::TimerRang),
                Effect::ActivateRevision { .. } => self.marks.reach(Mark::RevisionChanged),
                Effect::PutMount(mount) => {
                    self.marks
                        .reach_if(!mount.backlog.is_empty(), Mark::EventKept);
                }
                _ => {}
            }
        }
    }
}

/// The nodes that a transaction has touched, but for the plugin's own.
fn touched_nodes(txn: &Txn) -> Vec<(NodeEffect, ZnodePath)> {
    let of = |effect: &Effect| match effect {
        Effect::CreateNode { path, .. } => Some((NodeEffect::Create, path.clone())),
        Effect::SetNode { path, .. } => Some((NodeEffect::Set, path.clone())),
        Effect::SetAcl { path, .. } => Some((NodeEffect::SetAcl, path.clone())),
        Effect::DeleteNode { path } => Some((NodeEffect::Delete, path.clone())),
        _ => None,
    };
    let all = txn.effects.iter().filter_map(of);
    all.filter(|(_, path)| !path.as_str().starts_with(invariants::locks::MOUNT))
        .collect()
}
