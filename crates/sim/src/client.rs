//! One simulated client: the native protocol as its page demands, and a check of everything that
//! it is told. Must never know a server's inside.

use std::collections::BTreeMap;

use zareba_model::{
    Acked, Answer, Ensemble, ErrorCode, Event, EventKind, Fault, Op, Outcome, Password, Read, SessionId,
    WatchKind, Write, Xid, Zxid,
};
use zareba_replica::ConnectionId;
use zareba_wire::{ClientMessage, Hello, ServerMessage, Welcome};

use crate::dice::Dice;
use crate::invariants::replies::Asked;
use crate::invariants::watches::{Hearing, Watches, missed};
use crate::invariants::{replies, session_monotonicity};
use crate::marks::{Mark, Marks};
use crate::oracle::Oracle;
use crate::violation::{Violation, hold};
use crate::workload::{Plan, Workload};

/// What a client does.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// Breaks its connection, if any, and makes a new one to some server.
    Connect(Hello),
    Say(ClientMessage),
    /// Breaks its connection.
    Leave,
}

/// A request that is not answered.
#[derive(Clone, Debug)]
struct Pending {
    op: Op,
    /// What was committed when it was sent first.
    committed: Zxid,
    /// It was sent more than once.
    again: bool,
}

/// A session from the client's side.
#[derive(Clone, Debug)]
struct Session {
    id: SessionId,
    password: Password,
    timeout_us: u64,
    next: Xid,
    pending: BTreeMap<Xid, Pending>,
    /// The newest state that it was shown, by any message.
    seen: Zxid,
    /// Up to here it has heard every event: no reply or pong leaves before them. It may have heard
    /// more, but cannot know whether that was all of it.
    whole: Zxid,
    watches: Watches,
    /// Where it was welcomed last: what an event tells from further on has just happened.
    welcomed_at: Zxid,
}

#[derive(Clone, Debug)]
struct Connection {
    id: ConnectionId,
    welcomed: bool,
    heard: u64,
    said: u64,
    /// A request was said twice over it, which ends it.
    repeated: bool,
}

/// How far a client is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    Alive,
    /// It has asked for its session's end.
    Closing,
    /// It has closed its session, or died.
    Over,
}

/// One client.
#[derive(Debug)]
pub(crate) struct Client {
    session: Option<Session>,
    connection: Option<Connection>,
    /// When it tries to connect next.
    retry_at: u64,
    timeout_ms: u32,
    life: Life,
    pub(crate) workload: Workload,
    in_flight: usize,
    /// Requests answered.
    pub(crate) answered: u64,
}

/// A client gives up waiting for a server after so long, microseconds.
const PATIENCE_US: u64 = 700_000;

impl Client {
    pub(crate) fn new(plan: Plan, in_flight: usize, timeout_ms: u32) -> Self {
        Self {
            session: None,
            connection: None,
            retry_at: 0,
            timeout_ms,
            life: Life::Alive,
            workload: Workload::new(plan),
            in_flight,
            answered: 0,
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.life == Life::Over
    }

    /// What it still waits for, for people.
    pub(crate) fn waits_for(&self) -> String {
        let pending = self.session.as_ref().map(|session| &session.pending);
        format!("{:?}, {:?}, {pending:?}", self.life, self.connection)
    }

    /// The connection that [`Act::Connect`] has led to.
    pub(crate) fn connected(&mut self, id: ConnectionId, now: u64) {
        self.connection = Some(Connection {
            id,
            welcomed: false,
            heard: now,
            said: now,
            repeated: false,
        });
    }

    /// The client is no more; it says nothing of it.
    pub(crate) fn die(&mut self) {
        self.life = Life::Over;
        self.connection = None;
    }

    /// The connection is gone.
    pub(crate) fn disconnected(&mut self, id: ConnectionId, now: u64, dice: &mut Dice) {
        if self.is_mine(id) {
            self.connection = None;
            self.retry_at = now + dice.below(50_000);
        }
    }

    fn is_mine(&self, id: ConnectionId) -> bool {
        self.connection.as_ref().is_some_and(|it| it.id == id)
    }

    /// Some time has passed.
    pub(crate) fn wake(
        &mut self,
        now: u64,
        ending: bool,
        (committed, ensemble): (Zxid, &Ensemble),
        dice: &mut Dice,
    ) -> Vec<Act> {
        if self.life == Life::Over {
            return Vec::new();
        }
        let Some(connection) = &mut self.connection else {
            return self.enter(now, ending);
        };
        let quiet = now.saturating_sub(connection.heard);
        let timeout = self.session.as_ref().map_or(u64::MAX, |it| it.timeout_us);
        if quiet > PATIENCE_US.min(timeout / 2) + 300_000 {
            self.connection = None;
            self.retry_at = now;
            return vec![Act::Leave];
        }
        if !connection.welcomed {
            return Vec::new();
        }
        let mut acts = Vec::new();
        if now.saturating_sub(connection.said) > (timeout / 4).min(200_000) {
            connection.said = now;
            acts.push(Act::Say(ClientMessage::Ping));
        }
        acts.extend(self.ask((now, ending), (committed, ensemble), dice));
        acts
    }

    fn enter(&mut self, now: u64, ending: bool) -> Vec<Act> {
        if now < self.retry_at {
            return Vec::new();
        }
        let hello = match &self.session {
            None if ending => {
                self.life = Life::Over;
                return Vec::new();
            }
            None => Hello::Open {
                timeout_ms: self.timeout_ms,
            },
            Some(session) => Hello::Attach {
                session: session.id,
                password: session.password,
                last_zxid: session.whole,
                watches: session.watches.specs(),
            },
        };
        vec![Act::Connect(hello)]
    }

    fn ask(
        &mut self,
        (now, ending): (u64, bool),
        (committed, ensemble): (Zxid, &Ensemble),
        dice: &mut Dice,
    ) -> Option<Act> {
        let session = self.session.as_mut()?;
        if self.life == Life::Closing || session.pending.len() >= self.in_flight {
            return None;
        }
        let op = if ending {
            let op = self.workload.wind_up();
            match op {
                Some(op) => op,
                None if session.pending.is_empty() => {
                    self.life = Life::Closing;
                    Op::Write(Write::CloseSession)
                }
                None => return None,
            }
        } else {
            self.workload.next(ensemble, dice)?
        };
        let acked = session.acked();
        session.next = Xid(session.next.0 + 1);
        let xid = session.next;
        let pending = Pending {
            op: op.clone(),
            committed,
            again: false,
        };
        session.pending.insert(xid, pending);
        if let Some(connection) = &mut self.connection {
            connection.said = now;
        }
        Some(Act::Say(ClientMessage::Request { xid, acked, op }))
    }

    /// A request that waits for its answer, to be sent a second time over the same connection.
    pub(crate) fn repeat(&mut self) -> Option<ClientMessage> {
        let connection = self.connection.as_mut().filter(|it| it.welcomed)?;
        let session = self.session.as_mut()?;
        let acked = session.acked();
        let (xid, pending) = session.pending.last_key_value()?;
        connection.repeated = true;
        Some(ClientMessage::Request {
            xid: *xid,
            acked: before(&acked, *xid),
            op: pending.op.clone(),
        })
    }

    /// A server speaks.
    pub(crate) fn hear(
        &mut self,
        id: ConnectionId,
        message: ServerMessage,
        (now, remembers): (u64, Zxid),
        oracle: &Oracle,
    ) -> Result<Vec<Act>, Violation> {
        if !self.is_mine(id) || self.life == Life::Over {
            return Ok(Vec::new());
        }
        if let Some(connection) = &mut self.connection {
            connection.heard = now;
        }
        match message {
            ServerMessage::Welcome(welcome) => {
                return self.welcome(&welcome, (now, remembers), oracle);
            },
            ServerMessage::Reply { xid, zxid, answer } => {
                self.reply(xid, (zxid, remembers), answer, oracle)?;
            }
            ServerMessage::Event(event) => {
                if let Some(session) = &mut self.session {
                    session.hear(&event, oracle)?;
                }
            }
            ServerMessage::Pong { zxid } => {
                if let Some(session) = &mut self.session {
                    session.see(zxid, oracle)?;
                }
            }
            ServerMessage::Goodbye(fault) => {
                self.goodbye(&fault, now, oracle)?;
            }
            ServerMessage::Status(_) | ServerMessage::Joined(_) | ServerMessage::Members { .. } => {
            }
        }
        Ok(Vec::new())
    }

    fn welcome(
        &mut self,
        welcome: &Welcome,
        (now, remembers): (u64, Zxid),
        oracle: &Oracle,
    ) -> Result<Vec<Act>, Violation> {
        let Some(connection) = &mut self.connection else {
            return Ok(Vec::new());
        };
        hold!(
            !connection.welcomed,
            "replies",
            "session {} was welcomed twice over one connection",
            welcome.session
        );
        connection.welcomed = true;
        connection.said = now;
        let session = self.session.get_or_insert_with(|| Session::new(welcome));
        hold!(
            session.id == welcome.session,
            "replies",
            "session {} was welcomed as {}",
            session.id,
            welcome.session
        );
        let committed = oracle.committed();
        session_monotonicity::check(session.id, session.seen, welcome.zxid, committed)?;
        oracle
            .marks
            .reach_if(!session.watches.is_empty(), Mark::WatchResumed);
        (session.seen, session.welcomed_at) = (welcome.zxid, welcome.zxid);
        let (reference, from) = (&oracle.reference, (welcome.zxid, remembers));
        let remembered = session.watches.return_to(reference, session.whole, from)?;
        oracle.marks.reach_if(!remembered, Mark::MemoryTooShort);
        let acked = session.acked();
        let again = session.pending.iter_mut().map(|(xid, pending)| {
            pending.again = true;
            Act::Say(ClientMessage::Request {
                xid: *xid,
                acked: before(&acked, *xid),
                op: pending.op.clone(),
            })
        });
        Ok(again.collect())
    }

    fn reply(
        &mut self,
        xid: Xid,
        (zxid, remembers): (Zxid, Zxid),
        answer: Answer,
        oracle: &Oracle,
    ) -> Result<(), Violation> {
        let Some(session) = &mut self.session else {
            return Ok(());
        };
        session.see(zxid, oracle)?;
        let Some(pending) = session.pending.remove(&xid) else {
            let what = format!("request {} of {} was answered twice", xid.0, session.id);
            return Err(Violation::new("replies", what));
        };
        let earlier = session
            .pending
            .range(..xid)
            .find(|(_, it)| !may_park(&it.op));
        hold!(
            may_park(&pending.op) || earlier.is_none(),
            "replies",
            "request {} of {} was answered before {earlier:?}",
            xid.0,
            session.id
        );
        let asked = Asked {
            session: session.id,
            xid,
            op: &pending.op,
            committed: pending.committed,
        };
        replies::check(oracle, &asked, zxid, &answer)?;
        note_marks(&oracle.marks, &pending, &answer);
        self.answered += 1;
        session.note_watch(&pending.op, &answer);
        self.workload.answered(&pending.op, &answer);
        if answer == Ok(Outcome::Closed) {
            self.life = Life::Over;
        }
        Ok(())
    }

    fn goodbye(&mut self, fault: &Fault, now: u64, oracle: &Oracle) -> Result<(), Violation> {
        let connection = self.connection.take();
        let repeated = connection.is_some_and(|it| it.repeated);
        self.retry_at = now + 20_000;
        match fault.code {
            ErrorCode::SessionExpired => {
                if let Some(session) = self.session.take() {
                    hold!(
                        oracle.closed.contains_key(&session.id),
                        "replies",
                        "session {} was told that it is over, but it is not: {fault}",
                        session.id
                    );
                }
                self.workload.session_lost();
                if self.life == Life::Closing {
                    self.life = Life::Over;
                }
            }
            ErrorCode::NotServing | ErrorCode::SessionMoved => {}
            ErrorCode::BadArguments if repeated => oracle.marks.reach(Mark::DuplicateRefused),
            _ => {
                let what = format!("a client was sent away: {fault}");
                return Err(Violation::new("replies", what));
            }
        }
        Ok(())
    }
}

fn note_marks(marks: &Marks, pending: &Pending, answer: &Answer) {
    marks.reach_if(pending.again, Mark::ResentAnswered);
    marks.reach_if(answer.is_err(), Mark::Refused);
    if let (Op::Write(Write::Ensemble(_)), Err(fault)) = (&pending.op, answer) {
        marks.reach_if(fault.code == ErrorCode::NoQuorum, Mark::ChangeRefused);
    }
    match (&pending.op, answer.is_ok()) {
        (Op::Write(Write::Multi(_)), true) => marks.reach(Mark::MultiDone),
        (Op::Write(Write::Multi(_)), false) => marks.reach(Mark::MultiRefused),
        (Op::Sync, true) => marks.reach(Mark::SyncDone),
        _ => {}
    }
}

/// What of it a request may say that is sent again.
fn before(acked: &Acked, xid: Xid) -> Acked {
    let up_to = acked.up_to.min(Xid(xid.0 - 1));
    let except = acked.except.iter().filter(|it| **it <= up_to);
    let except = except.copied().collect();
    Acked { up_to, except }
}

/// True for requests whose answers may overtake others or come late.
fn may_park(op: &Op) -> bool {
    matches!(op, Op::Call { op, .. } if op == "acquire")
}

impl Session {
    fn new(welcome: &Welcome) -> Self {
        Self {
            id: welcome.session,
            password: welcome.password,
            timeout_us: u64::from(welcome.timeout_ms) * 1_000,
            next: Xid(0),
            pending: BTreeMap::new(),
            seen: Zxid::ZERO,
            whole: Zxid::ZERO,
            watches: Watches::default(),
            welcomed_at: Zxid::ZERO,
        }
    }

    /// The client is shown the state at `zxid`.
    fn see(&mut self, zxid: Zxid, oracle: &Oracle) -> Result<(), Violation> {
        session_monotonicity::check(self.id, self.seen, zxid, oracle.committed())?;
        (self.seen, self.whole) = (zxid, zxid);
        self.watches.reveal(&oracle.reference, &[], zxid)
    }

    /// A watch tells something.
    fn hear(&mut self, event: &Event, oracle: &Oracle) -> Result<(), Violation> {
        self.seen = self.seen.max(event.zxid);
        let hearing = self.watches.hear(&oracle.reference, &[], event)?;
        let marks = &oracle.marks;
        let is_live = event.zxid > self.welcomed_at;
        marks.reach(match hearing {
            Hearing::First if is_live => Mark::WatchFired,
            Hearing::First => Mark::WatchMissed,
            Hearing::Again => Mark::EventRepeated,
            Hearing::Guessed => Mark::EventGuessed,
        });
        marks.reach_if(event.kind == EventKind::Resync, Mark::Resync);
        Ok(())
    }

    /// All answers but those of calls that may still be parked, and none behind the first other
    /// request that is not answered.
    fn acked(&self) -> Acked {
        let missing = self.pending.iter().find(|(_, it)| !may_park(&it.op));
        let up_to = missing.map_or(self.next, |(xid, _)| Xid(xid.0 - 1));
        let except = self.pending.range(..=up_to).map(|(xid, _)| *xid).collect();
        Acked { up_to, except }
    }

    fn note_watch(&mut self, op: &Op, answer: &Answer) {
        let (Op::Read(read) | Op::LinearizableRead(read)) = op else {
            return;
        };
        let Ok(outcome) = answer else { return };
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
