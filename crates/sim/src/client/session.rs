//! A session from its client's side: what it waits for, what it has been shown, and its watches.

use std::collections::BTreeMap;

use zareba_model::{
    Acked, Answer, Event, EventKind, Op, Outcome, Password, Principal, Read, SessionId, WatchKind,
    WatchOp, Xid, Zxid,
};
use zareba_wire::{SessionKind, Welcome};

use crate::invariants::session_monotonicity;
use crate::invariants::watches::{Hearing, Watches, missed};
use crate::marks::{Mark, Marks};
use crate::oracle::Oracle;
use crate::violation::{Violation, hold};
use crate::workload::kernel::kind_of;

/// A server's own session has no timeout; its client still wants to hear from it.
const LOCAL_TIMEOUT_US: u64 = 4_000_000;

/// A request that is not answered.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    pub(super) op: Op,
    /// What was committed when it was sent first.
    pub(super) committed: Zxid,
    /// It was sent more than once.
    pub(super) again: bool,
    /// It was asked in a server's own session.
    pub(super) is_local: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Session {
    pub(super) id: SessionId,
    pub(super) kind: SessionKind,
    pub(super) password: Password,
    pub(super) timeout_us: u64,
    pub(super) next: Xid,
    pub(super) pending: BTreeMap<Xid, Pending>,
    /// The newest state that it was shown, by any message.
    pub(super) seen: Zxid,
    /// Up to here it has heard every event: no reply or pong leaves before them. It may have heard
    /// more, but cannot know whether that was all of it.
    pub(super) whole: Zxid,
    pub(super) watches: Watches,
    /// Where it was welcomed last: what an event tells from further on has just happened.
    welcomed_at: Zxid,
}

impl Session {
    pub(super) fn new(welcome: &Welcome) -> Self {
        let mut session = Self {
            id: welcome.session,
            kind: welcome.kind,
            password: welcome.password,
            timeout_us: 0,
            next: Xid(0),
            pending: BTreeMap::new(),
            seen: Zxid::ZERO,
            whole: Zxid::ZERO,
            watches: Watches::default(),
            welcomed_at: Zxid::ZERO,
        };
        session.becomes(welcome);
        session
    }

    pub(super) fn is_local(&self) -> bool {
        self.kind == SessionKind::Local
    }

    /// It has another name from now on.
    fn becomes(&mut self, welcome: &Welcome) {
        self.id = welcome.session;
        self.kind = welcome.kind;
        self.password = welcome.password;
        self.timeout_us = match welcome.kind {
            SessionKind::Full => u64::from(welcome.timeout_ms) * 1_000,
            SessionKind::Local => LOCAL_TIMEOUT_US,
        };
    }

    /// The client is in, over a new connection, at a server that remembers what came behind that.
    pub(super) fn enter(
        &mut self,
        welcome: &Welcome,
        remembers: Zxid,
        oracle: &Oracle,
    ) -> Result<(), Violation> {
        if welcome.kind == SessionKind::Local {
            // What was asked in another session is for nobody to answer.
            self.pending.clear();
            self.next = Xid(0);
            self.becomes(welcome);
        }
        session_monotonicity::check(self.id, self.seen, welcome.zxid, oracle.committed())?;
        let marks = &oracle.marks;
        let watches = !self.watches.is_empty() && self.whole > Zxid::ZERO;
        marks.reach_if(watches, Mark::WatchResumed);
        marks.reach_if(watches && self.is_local(), Mark::LocalResumed);
        (self.seen, self.welcomed_at) = (welcome.zxid, welcome.zxid);
        let (reference, at) = (&oracle.reference, (welcome.zxid, remembers));
        let remembered = self.watches.return_to(reference, self.whole, at)?;
        marks.reach_if(watches && !remembered, Mark::MemoryTooShort);
        Ok(())
    }

    /// Its server's own session becomes one of the ensemble, over the same connection.
    pub(super) fn upgrade(
        &mut self,
        welcome: &Welcome,
        principals: &[Principal],
        oracle: &Oracle,
    ) -> Result<(), Violation> {
        self.becomes(welcome);
        oracle.marks.reach(Mark::Upgraded);
        let watches = !self.watches.is_empty();
        oracle.marks.reach_if(watches, Mark::UpgradedWithWatches);
        let asked = !self.pending.is_empty();
        oracle.marks.reach_if(asked, Mark::UpgradedWithRequests);
        self.see(welcome.zxid, principals, oracle)
    }

    /// The client is shown the state at `zxid`.
    pub(super) fn see(
        &mut self,
        zxid: Zxid,
        principals: &[Principal],
        oracle: &Oracle,
    ) -> Result<(), Violation> {
        session_monotonicity::check(self.id, self.seen, zxid, oracle.committed())?;
        (self.seen, self.whole) = (zxid, zxid);
        self.watches.reveal(&oracle.reference, principals, zxid)
    }

    /// A watch tells something.
    pub(super) fn hear(
        &mut self,
        event: &Event,
        principals: &[Principal],
        oracle: &Oracle,
    ) -> Result<(), Violation> {
        self.seen = self.seen.max(event.zxid);
        let heard = self.watches.hear(&oracle.reference, principals, event)?;
        let marks = &oracle.marks;
        let is_live = event.zxid > self.welcomed_at;
        marks.reach(match heard.hearing {
            Hearing::First if is_live => Mark::WatchFired,
            Hearing::First => Mark::WatchMissed,
            Hearing::Again => Mark::EventRepeated,
            Hearing::Guessed => Mark::EventGuessed,
        });
        marks.reach_if(event.kind == EventKind::Resync, Mark::Resync);
        marks.reach_if(heard.stays && is_live, Mark::PersistentFired);
        marks.reach_if(heard.stays && !is_live, Mark::PersistentMissed);
        marks.reach_if(heard.below, Mark::RecursiveFired);
        Ok(())
    }

    /// All answers but those of calls that may still be parked, and none behind the first other
    /// request that is not answered.
    pub(super) fn acked(&self) -> Acked {
        let missing = self.pending.iter().find(|(_, it)| !may_park(&it.op));
        let up_to = missing.map_or(self.next, |(xid, _)| Xid(xid.0 - 1));
        let except = self.pending.range(..=up_to).map(|(xid, _)| *xid).collect();
        Acked { up_to, except }
    }

    /// An answer has left a watch, or taken one back.
    pub(super) fn note_watch(
        &mut self,
        op: &Op,
        principals: &[Principal],
        (zxid, remembers): (Zxid, Zxid),
        answer: &Answer,
        oracle: &Oracle,
    ) -> Result<(), Violation> {
        match (op, answer) {
            (Op::Read(read) | Op::LinearizableRead(read), Ok(outcome)) => {
                self.note_one_time(read, outcome);
            }
            (Op::Watch(WatchOp::Remove { path, kind }), Ok(Outcome::Unwatched)) => {
                oracle.marks.reach(Mark::WatchRemoved);
                self.watches.remove(path, *kind);
            }
            (
                Op::Watch(WatchOp::Add {
                    path,
                    recursive,
                    since,
                }),
                Ok(Outcome::Watching { missed: told }),
            ) => {
                let kind = kind_of(*recursive);
                let since = since.unwrap_or(zxid);
                let (reference, watch) = (&oracle.reference, (path, kind));
                let right = missed(reference, principals, watch, (since, zxid));
                let right = (since >= remembers).then_some(right);
                hold!(
                    *told == right,
                    "watches",
                    "{op:?} at {zxid} was told {told:?} of the past; {right:?} had happened"
                );
                note_past(&oracle.marks, told.as_deref());
                self.watches.add(path.clone(), kind, false);
            }
            (Op::Watch(_), answer) => {
                let what = format!("{op:?} was answered {answer:?}");
                return Err(Violation::new("watches", what));
            }
            _ => {}
        }
        Ok(())
    }

    fn note_one_time(&mut self, read: &Read, outcome: &Outcome) {
        let (path, kind) = match read {
            Read::Get { path, watch: true } | Read::Exists { path, watch: true } => {
                (path, WatchKind::Data)
            }
            Read::Children {
                path, watch: true, ..
            } => (path, WatchKind::Children),
            _ => return,
        };
        let absent = *outcome == Outcome::Existence(None);
        self.watches.add(path.clone(), kind, absent);
    }
}

fn note_past(marks: &Marks, told: Option<&[Event]>) {
    marks.reach_if(told.is_none(), Mark::PastForgotten);
    let any = told.is_some_and(|events| !events.is_empty());
    marks.reach_if(any, Mark::PastTold);
}

/// What of it a request may say that is sent again.
pub(super) fn before(acked: &Acked, xid: Xid) -> Acked {
    let up_to = acked.up_to.min(Xid(xid.0 - 1));
    let except = acked.except.iter().filter(|it| **it <= up_to);
    let except = except.copied().collect();
    Acked { up_to, except }
}

/// True for requests whose answers may overtake others or come late.
pub(super) fn may_park(op: &Op) -> bool {
    let at_once = ["release", "spoil", "trap", "holder"];
    matches!(op, Op::Call { op, .. } if !at_once.contains(&op.as_str()))
}
