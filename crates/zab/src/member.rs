//! What a server knows and has in every phase: its ensemble, links, history, epochs and writes.
//! Knows no phase and decides nothing.

use std::collections::{BTreeMap, BTreeSet};

use zareba_model::{Ensemble, Entry, Epoch, ServerId, Zxid};

use crate::config::{Bug, Config};
use crate::history::History;
use crate::input::Now;
use crate::membership::Membership;
use crate::message::{Candidate, Join, Message};
use crate::output::{Output, Token};
use crate::persistence::{Epochs, Writes};

/// What the disk holds when a server starts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Recovered {
    /// The newest epoch promised.
    pub accepted_epoch: Epoch,
    /// The newest epoch whose history is held.
    pub current_epoch: Epoch,
    /// All up to here was committed and is applied to the tree already.
    pub applied: Zxid,
    /// The log's end, in order, without a hole. It may begin before `applied`, which lets this
    /// server bring others level from memory.
    pub tail: Vec<Entry>,
    /// The ensemble of the tree at `applied`, if it names one.
    pub ensemble: Option<Ensemble>,
    /// The id right before `tail`.
    pub tail_base: Zxid,
    /// False if the log was damaged below its durable mark, so that entries this server has acked
    /// may be missing: it counts in no quorum until a leader has brought it level. Whoever keeps
    /// the mark of the damage takes it away at `Role::Following`, no earlier. False too while
    /// `current_epoch` is 0: the disk may be another than the one acked from
    /// ([`Config::may_begin`]).
    pub may_vote: bool,
}

/// A follower at the door of a server that does not lead yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Knock {
    pub(crate) join: Join,
    pub(crate) accepted_epoch: Epoch,
    pub(crate) may_vote: bool,
}

/// Where a phase wants to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Next {
    /// Nowhere.
    Stay,
    /// To an election.
    Look,
    /// To leading.
    Lead,
    /// To following that server.
    Follow(ServerId),
}

/// The part of a server that outlives its phases.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Member {
    pub(crate) config: Config,
    pub(crate) now: Now,
    /// Time that this server was awake, by which silence is measured. It goes on with the ticks,
    /// with each of them by a bounded step: a server that was asleep does not accuse its peers.
    pub(crate) awake: Now,
    ticked_at: Now,
    /// Servers to which a link stands.
    pub(crate) peers: BTreeSet<ServerId>,
    pub(crate) history: History,
    pub(crate) writes: Writes,
    /// As last written, durable or not.
    pub(crate) epochs: Epochs,
    /// False while the log is damaged, or empty for reasons not known.
    pub(crate) may_vote: bool,
    pub(crate) membership: Membership,
    /// The last election this server took part in.
    pub(crate) round: u64,
    /// How often this server has knocked.
    joins: u64,
    pub(crate) knocks: BTreeMap<ServerId, Knock>,
    /// What planted bugs leave undone.
    pub(crate) undone: Undone,
}

/// What planted bugs leave undone; nothing in a build without the feature.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Undone {
    /// In memory and not handed to the disk.
    pub(crate) unlogged: Vec<Entry>,
    /// Cut on the disk behind here and not in memory.
    pub(crate) truncation: Option<Zxid>,
    /// Left out of what others are sent.
    pub(crate) unlisted: BTreeSet<Zxid>,
}

impl Member {
    /// A server as recovered, without links.
    pub(crate) fn new(config: Config, recovered: Recovered, now: Now) -> Self {
        let history = History::new(recovered.tail_base, recovered.tail, recovered.applied);
        let writes = Writes::new(history.last(), config.is_careless());
        let mut membership = Membership::new(config.ensemble.clone(), recovered.ensemble);
        for entry in history.behind(recovered.tail_base) {
            membership.append(entry, config.ensemble_in);
        }
        membership.deliver(recovered.applied);
        Self {
            now,
            awake: now,
            ticked_at: now,
            peers: BTreeSet::new(),
            history,
            writes,
            epochs: Epochs {
                accepted: recovered.accepted_epoch,
                current: recovered.current_epoch,
            },
            may_vote: recovered.may_vote,
            membership,
            round: 0,
            joins: config.joins_from,
            knocks: BTreeMap::new(),
            undone: Undone::default(),
            config,
        }
    }

    /// The ensemble in force.
    pub(crate) fn ensemble(&self) -> &Ensemble {
        self.membership.current()
    }

    /// Time has passed, and this server was awake for all of it or stood still for a part.
    pub(crate) fn tick(&mut self) {
        let gap = self.now.0.saturating_sub(self.ticked_at.0);
        self.ticked_at = self.now;
        let longest = Now::default().after_ms(self.config.tick_gap_max_ms).0;
        self.awake.0 = self.awake.0.saturating_add(gap.min(longest));
    }

    /// What this server has to offer as a leader. It says what it has even if it may not lead: that
    /// a voter has nothing matters to those that begin an ensemble.
    pub(crate) fn candidate(&self) -> Candidate {
        let server = self.config.me;
        let may_lead = self.may_vote && self.membership.may_lead(server);
        let let_go = self.membership.lets_go(server).filter(|_| may_lead);
        Candidate {
            may_lead,
            current_epoch: self.epochs.current,
            last_zxid: let_go.unwrap_or_else(|| self.history.last()),
            stays: may_lead && let_go.is_none(),
            server,
        }
    }

    /// True if this server has nothing, may begin an ensemble with others that have nothing, and
    /// these are all the others whose votes count. A server that has lost its disk is kept out: what
    /// it acked and was committed is on a quorum, hence with one of those that it has to ask.
    pub(crate) fn begins_with(&self, empty: &BTreeSet<ServerId>) -> bool {
        let me = self.config.me;
        let mut voters = self.ensemble().voters().into_iter();
        self.config.may_begin
            && self.history.last() == Zxid::ZERO
            && self.ensemble().is_voter(me)
            && voters.all(|voter| voter == me || empty.contains(&voter))
    }

    /// A number for a new attempt to join a leader.
    pub(crate) fn next_join(&mut self) -> Join {
        self.joins += 1;
        Join(self.joins)
    }

    /// Writes the epochs page.
    pub(crate) fn write_epochs(&mut self, epochs: Epochs, outputs: &mut Vec<Output>) -> Token {
        assert!(
            epochs.accepted >= self.epochs.accepted && epochs.current >= self.epochs.current,
            "epochs never go back: {:?} after {:?}",
            epochs,
            self.epochs
        );
        self.epochs = epochs;
        self.writes.epochs(epochs, outputs)
    }

    /// Appends to the history and the log.
    pub(crate) fn append(&mut self, entries: Vec<Entry>, outputs: &mut Vec<Output>) {
        let mut changed = false;
        for entry in &entries {
            changed |= self.membership.append(entry, self.config.ensemble_in);
            self.history.append(entry.clone());
        }
        if changed {
            outputs.push(Output::Ensemble(self.ensemble().clone()));
        }
        let committed = self.history.committed();
        self.writes.append(entries, committed, outputs);
    }

    /// Drops everything behind `after`.
    pub(crate) fn truncate(&mut self, after: Zxid, outputs: &mut Vec<Output>) {
        self.history.truncate(after);
        if self.membership.truncate(after) {
            outputs.push(Output::Ensemble(self.ensemble().clone()));
        }
        let durable = self.writes.log();
        self.writes.truncate(after, outputs);
        self.undone.unlogged.retain(|entry| entry.zxid <= after);
        if self.config.has_bug(Bug::DurableSurvivesTruncation) {
            self.writes.claim(durable);
        }
    }

    /// What is sent in synchronization; the planted bug keeps it from the disk.
    pub(crate) fn append_synced(&mut self, entries: Vec<Entry>, outputs: &mut Vec<Output>) {
        if self.config.has_bug(Bug::SyncedMissingFromWindow) {
            let synced = entries.iter().map(|entry| entry.zxid);
            self.undone.unlisted.extend(synced);
        }
        if !self.config.has_bug(Bug::SyncedLoggedAtUpToDate) {
            return self.append(entries, outputs);
        }
        for entry in entries {
            self.history.append(entry.clone());
            self.undone.unlogged.push(entry);
        }
    }

    /// Does what a planted bug has put off until now.
    pub(crate) fn do_undone(&mut self, outputs: &mut Vec<Output>) {
        let unlogged = std::mem::take(&mut self.undone.unlogged);
        let committed = self.history.committed();
        self.writes.append(unlogged, committed, outputs);
    }

    /// Cuts in memory what a planted bug has cut on the disk alone.
    pub(crate) fn truncate_memory(&mut self) {
        if let Some(after) = self.undone.truncation.take() {
            self.history.truncate(after);
        }
    }

    /// A snapshot has replaced everything.
    pub(crate) fn install(
        &mut self,
        base: Zxid,
        ensemble: Option<Ensemble>,
        outputs: &mut Vec<Output>,
    ) {
        self.history.reset(base);
        self.writes.on_snapshot(base);
        let before = self.ensemble().clone();
        self.membership.install(ensemble);
        if *self.ensemble() != before {
            outputs.push(Output::Ensemble(self.ensemble().clone()));
        }
    }

    /// Delivers what is committed and durable, and lets go of old entries.
    pub(crate) fn deliver(&mut self, outputs: &mut Vec<Output>) {
        let durable = self.writes.log().value();
        let ready = self.history.deliver(durable);
        outputs.extend(ready.into_iter().map(Output::Deliver));
        self.membership.deliver(self.history.delivered());
        self.history
            .trim(self.config.window_entries, self.config.window_bytes);
    }
}

/// Sends to one server.
pub(crate) fn send(to: ServerId, message: Message, outputs: &mut Vec<Output>) {
    send_all(vec![to], message, outputs);
}

/// Sends the same words to several servers.
pub(crate) fn send_all(to: Vec<ServerId>, message: Message, outputs: &mut Vec<Output>) {
    if !to.is_empty() {
        outputs.push(Output::Send { to, message });
    }
}
