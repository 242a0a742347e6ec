//! One simulated client: the native protocol as its page demands, and a check of everything that
//! it is told. Must never know a server's inside.

mod session;

use zareba_model::{
    Answer, Claim, ErrorCode, Fault, Op, Outcome, Principal, SessionId, Write, Xid, Zxid,
};
use zareba_replica::ConnectionId;
use zareba_wire::{ClientMessage, Hello, ServerMessage, SessionKind, Welcome};

use self::session::{Pending, Session, before, may_park};
use crate::dice::Dice;
use crate::identity;
use crate::invariants::leases::Lease;
use crate::invariants::replies::{self, Asked};
use crate::marks::{Mark, Marks};
use crate::oracle::Oracle;
use crate::violation::{Violation, hold};
use crate::workload::{Plan, Style, View, Workload};

/// What a client does.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// Breaks its connection, if any, and makes a new one to some server.
    Connect(ClientMessage),
    Say(ClientMessage),
    /// Asks the same in a session with another name.
    Rename,
    /// Breaks its connection.
    Leave,
}

#[derive(Clone, Debug)]
struct Connection {
    id: ConnectionId,
    /// When it said hello.
    entered: u64,
    welcomed: bool,
    heard: u64,
    said: u64,
    /// A request was said twice over it, which ends it.
    repeated: bool,
    /// It has asked for its session to become one of the ensemble.
    upgrading: bool,
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
    style: Style,
    place: usize,
    /// What it has proved.
    claims: Vec<Claim>,
    /// Who it is by that.
    principals: Vec<Principal>,
    session: Option<Session>,
    connection: Option<Connection>,
    /// What it knows of its session's time.
    lease: Lease,
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
    pub(crate) fn new(
        place: usize,
        plan: Plan,
        claims: Vec<Claim>,
        (in_flight, timeout_ms): (usize, u32),
    ) -> Self {
        Self {
            style: plan.style,
            place,
            principals: identity::principals(place, &claims),
            claims,
            session: None,
            connection: None,
            lease: Lease::default(),
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

    /// Its session, and who it is.
    pub(crate) fn identity(&self) -> Option<(SessionId, &[Principal])> {
        let session = self.session.as_ref()?;
        Some((session.id, &self.principals))
    }

    /// What is not answered.
    pub(crate) fn unanswered(&self) -> impl Iterator<Item = (Xid, &Op)> {
        let pending = self.session.iter().flat_map(|session| &session.pending);
        pending.map(|(xid, pending)| (*xid, &pending.op))
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
            entered: now,
            welcomed: false,
            heard: now,
            said: now,
            repeated: false,
            upgrading: false,
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

    /// It says something.
    pub(crate) fn says(&mut self, message: &ClientMessage, now: u64) {
        if matches!(message, ClientMessage::Request { .. } | ClientMessage::Ping) {
            self.lease.says(now);
        }
    }

    /// A session is ended for its client's silence: if it is this one's, it must know by now.
    pub(crate) fn session_expires(
        &self,
        session: SessionId,
        timeout_ms: u32,
        now: u64,
    ) -> Result<(), Violation> {
        let is_mine = self.session.as_ref().is_some_and(|it| it.id == session);
        if !is_mine || self.is_over() {
            return Ok(());
        }
        self.lease.ends(session, u64::from(timeout_ms) * 1_000, now)
    }

    /// Some time has passed.
    pub(crate) fn wake(
        &mut self,
        now: u64,
        ending: bool,
        oracle: &Oracle,
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
        if ending && self.session.as_ref().is_some_and(Session::is_local) {
            // Nobody has to be asked for the end of a server's own session.
            self.die();
            return vec![Act::Leave];
        }
        acts.extend(self.upgrade(dice));
        acts.extend(self.ask((now, ending), oracle, dice));
        acts
    }

    fn hello(&self, hello: Hello) -> ClientMessage {
        ClientMessage::Hello {
            version: zareba_wire::client::VERSION,
            hello,
            claims: self.claims.clone(),
        }
    }

    fn enter(&mut self, now: u64, ending: bool) -> Vec<Act> {
        if now < self.retry_at {
            return Vec::new();
        }
        let local = |session: Option<&Session>, read_only| Hello::Local {
            last_zxid: session.map_or(Zxid::ZERO, |it| it.whole),
            watches: session.map_or_else(Vec::new, |it| it.watches.specs()),
            read_only,
        };
        let hello = match (&self.session, self.style) {
            (None, _) if ending => {
                self.life = Life::Over;
                return Vec::new();
            }
            (Some(session), _) if ending && session.is_local() => {
                self.life = Life::Over;
                return Vec::new();
            }
            (Some(session), Style::Local { read_only, .. }) if session.is_local() => {
                local(Some(session), read_only)
            }
            (Some(session), _) => Hello::Attach {
                session: session.id,
                password: session.password,
                last_zxid: session.whole,
                watches: session.watches.specs(),
            },
            (None, Style::Local { read_only, .. }) => local(None, read_only),
            (None, Style::Full) => Hello::Open {
                timeout_ms: self.timeout_ms,
            },
        };
        vec![Act::Connect(self.hello(hello))]
    }

    /// A server's own session is to become one of the ensemble, sooner or later.
    fn upgrade(&mut self, dice: &mut Dice) -> Option<Act> {
        let upgrades = matches!(self.style, Style::Local { upgrades: true, .. });
        let is_local = self.session.as_ref().is_some_and(Session::is_local);
        if !upgrades || !is_local || !dice.percent(4) {
            return None;
        }
        let hello = self.hello(Hello::Open {
            timeout_ms: self.timeout_ms,
        });
        let connection = self.connection.as_mut()?;
        let first = !std::mem::replace(&mut connection.upgrading, true);
        first.then_some(Act::Say(hello))
    }

    fn ask(&mut self, (now, ending): (u64, bool), oracle: &Oracle, dice: &mut Dice) -> Option<Act> {
        let session = self.session.as_mut()?;
        if self.life == Life::Closing || session.pending.len() >= self.in_flight {
            return None;
        }
        let proves = |op: &Op| matches!(op, Op::Authenticate(_));
        let mut pending = session.pending.values();
        if pending.any(|it| proves(&it.op)) {
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
            let view = View {
                ensemble: &oracle.ensemble,
                tree: &oracle.tree,
                watches: &session.watches,
                whole: session.whole,
                is_local: session.is_local(),
                client: self.place,
                court: oracle.court.as_ref(),
            };
            self.workload.next(&view, dice)?
        };
        // Nothing is under way while an identity is proved, so that it is plain who asks what: it counts
        // as soon as it has arrived, but its answer waits in line.
        if proves(&op) && !session.pending.is_empty() {
            return None;
        }
        let committed = oracle.committed();
        let acked = session.acked();
        session.next = Xid(session.next.0 + 1);
        let xid = session.next;
        let pending = Pending {
            op: op.clone(),
            committed,
            again: false,
            is_local: session.is_local(),
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
            }
            ServerMessage::Reply { xid, zxid, answer } => {
                self.reply(xid, (zxid, remembers), answer, oracle)?;
            }
            ServerMessage::Event(event) => {
                if let Some(session) = &mut self.session {
                    session.hear(&event, &self.principals, oracle)?;
                }
            }
            ServerMessage::Pong { zxid } => {
                if let Some(session) = &mut self.session {
                    session.see(zxid, &self.principals, oracle)?;
                }
            }
            ServerMessage::Renewed { heard } => self.lease.renewed(heard)?,
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
        if connection.welcomed {
            return self.is_upgraded(welcome, oracle);
        }
        let is_local = welcome.kind == SessionKind::Local;
        if is_local
            && self
                .session
                .as_ref()
                .is_some_and(|it| welcome.zxid < it.seen)
        {
            // It has heard an event of what this server does not know yet.
            oracle.marks.reach(Mark::LocalBehind);
            self.connection = None;
            self.retry_at = now + 20_000;
            return Ok(vec![Act::Leave]);
        }
        connection.welcomed = true;
        connection.said = now;
        self.lease.enters(connection.entered);
        let session = self.session.get_or_insert_with(|| Session::new(welcome));
        hold!(
            (session.is_local() && is_local) || session.id == welcome.session,
            "replies",
            "session {} was welcomed as {}",
            session.id,
            welcome.session
        );
        oracle.marks.reach_if(is_local, Mark::LocalOpened);
        session.enter(welcome, remembers, oracle)?;
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

    /// The session is one of the ensemble from now on.
    fn is_upgraded(&mut self, welcome: &Welcome, oracle: &Oracle) -> Result<Vec<Act>, Violation> {
        let asked = self.connection.as_mut().is_some_and(|it| {
            // Once more would be once too often.
            std::mem::replace(&mut it.upgrading, false)
        });
        let session = self.session.as_mut().filter(|it| asked && it.is_local());
        let Some(session) = session.filter(|_| welcome.kind == SessionKind::Full) else {
            let what = format!(
                "session {} was welcomed twice over one connection",
                welcome.session
            );
            return Err(Violation::new("replies", what));
        };
        session.upgrade(welcome, &self.principals, oracle)?;
        if let Some(connection) = &self.connection {
            self.lease.proves(connection.entered);
        }
        Ok(vec![Act::Rename])
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
        session.see(zxid, &self.principals, oracle)?;
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
            principals: &self.principals,
            is_local: session.is_local(),
            was_local: pending.is_local,
        };
        replies::check(oracle, &asked, zxid, &answer)?;
        if let Some(court) = &oracle.court {
            court.hears(self.place, (session.id, xid));
        }
        note_marks(&oracle.marks, &pending, &answer);
        self.answered += 1;
        let at = (zxid, remembers);
        session.note_watch(&pending.op, &self.principals, at, &answer, oracle)?;
        if let (Op::Authenticate(claim), Ok(_)) = (&pending.op, &answer) {
            self.claims.push(claim.clone());
            self.principals = identity::principals(self.place, &self.claims);
        }
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
    let refused = |code| matches!(answer, Err(fault) if fault.code == code);
    let is_write = matches!(pending.op, Op::Write(_));
    marks.reach_if(is_write && refused(ErrorCode::NoAuth), Mark::WriteForbidden);
    marks.reach_if(!is_write && refused(ErrorCode::NoAuth), Mark::ReadForbidden);
    marks.reach_if(refused(ErrorCode::QuotaExceeded), Mark::QuotaKept);
    marks.reach_if(refused(ErrorCode::LocalSession), Mark::LocalRefused);
    marks.reach_if(refused(ErrorCode::AuthFailed), Mark::ClaimRefused);
    if let (Op::Write(Write::Ensemble(_)), Err(fault)) = (&pending.op, answer) {
        marks.reach_if(fault.code == ErrorCode::NoQuorum, Mark::ChangeRefused);
    }
    match (&pending.op, answer) {
        (Op::Write(Write::Multi(_)), Ok(_)) => marks.reach(Mark::MultiDone),
        (Op::Write(Write::Multi(_)), Err(_)) => marks.reach(Mark::MultiRefused),
        (Op::Write(Write::KillSession(_)), Ok(_)) => marks.reach(Mark::SessionKilled),
        (Op::Write(Write::SetQuota { .. }), Ok(_)) => marks.reach(Mark::QuotaSet),
        (Op::Write(_), Ok(Outcome::SubtreeDeleted { deleted, .. })) => {
            marks.reach_if(*deleted > 1, Mark::SubtreeDeleted);
        }
        (Op::MultiRead { reads, .. }, Ok(_)) => marks.reach_if(reads.len() > 1, Mark::MultiRead),
        (Op::Authenticate(_), Ok(_)) => marks.reach(Mark::Identified),
        (_, Ok(Outcome::Paths { paths, .. })) => {
            marks.reach_if(!paths.is_empty(), Mark::EphemeralsListed);
        }
        (_, Ok(Outcome::Counted(count))) => marks.reach_if(*count > 0, Mark::Counted),
        (_, Ok(Outcome::GotAcl { acl, .. })) => {
            marks.reach_if(!acl.is_open(), Mark::AclShown);
        }
        (Op::Sync, Ok(_)) => marks.reach(Mark::SyncDone),
        _ => {}
    }
}
