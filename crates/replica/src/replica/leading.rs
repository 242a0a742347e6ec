//! What only a leader does: turn requests into transactions, and propose them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use zareba_model::limits::{PROPOSALS_OUTSTANDING_MAX, SESSION_RESULTS_MAX, TXN_BYTES_MAX};
use zareba_model::{
    Cause, DigestMark, ErrorCode, Fault, Forward, Op, Password, Refused, Relay, ServerId,
    SessionId, Sha256, Txn, Xid, ZnodePath, Zxid,
};
use zareba_wire::encode_txn;

use super::Replica;
use super::confirm::Unconfirmed;
use crate::expiry::Expiry;
use crate::output::Output;
use crate::plugin::PluginRuntime;
use crate::prepare::Prepare;
use crate::share::Shares;
use crate::time_of_day::TimeOfDay;

/// A leader's own state; made anew with each reign.
#[derive(Default)]
pub(super) struct Leading {
    /// Proposed here and not delivered, so that they need not be decoded.
    own: VecDeque<(Zxid, Txn)>,
    /// Requests that wait until fewer transactions are in flight.
    waiting: VecDeque<(ServerId, Forward, zareba_zab::Now)>,
    /// Commands that are timed, until they are committed.
    timed: VecDeque<Timed>,
    pub(super) shares: Shares,
    pub(super) expiry: Expiry,
    pub(super) time: TimeOfDay,
    /// The last tick of the clock.
    pub(super) ticked: zareba_zab::Now,
    /// Which server can run which components.
    ready: BTreeMap<ServerId, BTreeSet<Sha256>>,
    /// When a mount's failed events are tried again.
    pub(super) retry_due: BTreeMap<ZnodePath, zareba_zab::Now>,
    /// The last digest shipped.
    marked: Zxid,
    pub(super) unconfirmed: Unconfirmed,
    /// Containers that were empty when they were looked at last, and when that was.
    pub(super) empty_containers: BTreeSet<ZnodePath>,
    pub(super) containers_looked_at: zareba_zab::Now,
}

/// A command that is timed.
#[derive(Debug)]
struct Timed {
    zxid: Zxid,
    mount: ZnodePath,
    op: String,
    arrived: zareba_zab::Now,
    ran: zareba_zab::Now,
}

impl Leading {
    /// The transaction `zxid`, if it was proposed here.
    pub(super) fn take_own(&mut self, zxid: Zxid) -> Option<Txn> {
        while self.own.front().is_some_and(|(own, _)| *own < zxid) {
            self.own.pop_front();
        }
        if self.own.front().is_some_and(|(own, _)| *own == zxid) {
            return self.own.pop_front().map(|(_, txn)| txn);
        }
        None
    }

    /// A server is gone: what it said of itself may not hold when it is back.
    pub(super) fn forget(&mut self, server: ServerId) {
        self.ready.remove(&server);
        self.unconfirmed.forget(server);
    }
}

impl<P: PluginRuntime> Replica<P> {
    pub(super) fn begin_to_lead(&mut self) {
        let mut leading = Leading {
            ticked: self.now.monotonic,
            containers_looked_at: self.now.monotonic,
            time: TimeOfDay::begin(self.world.tree.time(), self.now),
            ..Leading::default()
        };
        for session in self.world.tree.sessions() {
            leading
                .expiry
                .start(session.id, session.timeout_ms, self.now.monotonic);
        }
        self.leading = Some(leading);
    }

    /// The time of day, as this leader goes by it.
    pub(super) fn time(&mut self) -> u64 {
        let now = self.now;
        let leading = self.leading.as_mut();
        leading.map_or(now.wall_ms, |leading| leading.time.at(now))
    }

    /// A client's write, from this or another server.
    pub(super) fn on_forward(
        &mut self,
        from: ServerId,
        forward: Forward,
        outputs: &mut Vec<Output>,
    ) {
        let Some(leading) = &mut self.leading else {
            return;
        };
        leading.expiry.touch(forward.session, self.now.monotonic);
        if !leading.waiting.is_empty() || self.zab.outstanding() >= PROPOSALS_OUTSTANDING_MAX {
            let now = self.now.monotonic;
            return leading.waiting.push_back((from, forward, now));
        }
        self.prepare_forward(from, forward, self.now.monotonic, outputs);
    }

    /// Prepares what had to wait, as far as there is room.
    pub(super) fn prepare_waiting(&mut self, outputs: &mut Vec<Output>) {
        while self.zab.outstanding() < PROPOSALS_OUTSTANDING_MAX {
            let next = self
                .leading
                .as_mut()
                .and_then(|leading| leading.waiting.pop_front());
            let Some((from, forward, arrived)) = next else {
                return;
            };
            self.prepare_forward(from, forward, arrived, outputs);
        }
    }

    fn prepare_forward(
        &mut self,
        from: ServerId,
        forward: Forward,
        arrived: zareba_zab::Now,
        outputs: &mut Vec<Output>,
    ) {
        if let Some(refusal) = self.known_or_refused(&forward) {
            return self.refuse(from, &forward, refusal, outputs);
        }
        if let Err(fault) = self.admit_call(&forward) {
            return self.refuse(from, &forward, Some(fault), outputs);
        }
        let prepared = self.stage(|prepare| prepare.request(&forward));
        let Some(result) = prepared else { return };
        self.charge_guests();
        let ran = self.now.monotonic;
        let proposed = result.and_then(|answer| {
            self.world.stage_request(forward.session, forward.xid);
            self.propose(Cause::Request {
                session: forward.session,
                xid: forward.xid,
                acked: forward.acked.clone(),
                answer,
            })
        });
        match proposed {
            Ok(()) => self.time_call(&forward, arrived, ran),
            Err(fault) => {
                self.world.abort();
                self.refuse(from, &forward, Some(fault), outputs);
            }
        }
    }

    /// Refuses a call of a plugin that has had its share of this leader's time.
    fn admit_call(&mut self, forward: &Forward) -> Result<(), Fault> {
        let (Op::Call { mount, .. }, Some(leading)) = (&forward.op, &mut self.leading) else {
            return Ok(());
        };
        let percent = self.config.plugin_share_percent;
        let admitted = leading.shares.admit(mount, percent, self.now.monotonic);
        if admitted.is_err() {
            self.seen.throttled(mount);
        }
        admitted
    }

    /// Guests have run: their mounts pay for it.
    pub(super) fn charge_guests(&mut self) {
        let spent = self.seen.take_spent();
        let now = self.now.monotonic;
        if let Some(leading) = &mut self.leading {
            for (mount, spent) in spent {
                leading.shares.charge(&mount, spent, now);
            }
        }
    }

    /// A call is proposed: perhaps it is timed until it is committed.
    fn time_call(&mut self, forward: &Forward, arrived: zareba_zab::Now, ran: zareba_zab::Now) {
        let zxid = self.last_proposed();
        let (Op::Call { mount, op, .. }, Some(leading)) = (&forward.op, &mut self.leading) else {
            return;
        };
        if self.seen.is_timed(mount, op) {
            leading.timed.push_back(Timed {
                zxid,
                mount: mount.clone(),
                op: op.clone(),
                arrived,
                ran,
            });
        }
    }

    /// Transactions up to that one are committed.
    pub(super) fn note_commits(&mut self, zxid: Zxid) {
        let now = self.now.monotonic;
        let Some(leading) = &mut self.leading else {
            return;
        };
        while leading.timed.front().is_some_and(|it| it.zxid <= zxid) {
            let Some(it) = leading.timed.pop_front() else {
                return;
            };
            let queued = it.ran.0.saturating_sub(it.arrived.0);
            let took = now.0.saturating_sub(it.ran.0);
            self.seen.timed(&it.mount, &it.op, queued, took);
        }
    }

    /// `Some(None)` if the request was executed before, `Some(Some(_))` if its session may not
    /// ask, `None` if it is to be prepared.
    fn known_or_refused(&self, forward: &Forward) -> Option<Option<Fault>> {
        let (session, xid) = (forward.session, forward.xid);
        let Some(live) = self.world.session(session) else {
            let why = format!("session {session} is over");
            return Some(Some(Fault::new(ErrorCode::SessionExpired, why)));
        };
        if live.attachment != forward.attachment {
            let why = format!("session {session} goes on over a newer connection");
            return Some(Some(Fault::new(ErrorCode::SessionMoved, why)));
        }
        let tree = &self.world.tree;
        if self.world.is_in_flight(session, xid)
            || tree.result(session, xid).is_some()
            || tree.parked_of_request(session, xid).is_some()
        {
            return Some(None);
        }
        if let Some(fault) = self.too_many_kept(forward) {
            return Some(Some(fault));
        }
        if xid <= tree.acked(session) {
            let why = format!("request {} was answered and acknowledged before", xid.0);
            return Some(Some(Fault::new(ErrorCode::BadArguments, why)));
        }
        // A session's requests come in order, so this one was seen before and refused. Executing
        // it now would put it behind its successors.
        if self.world.has_later(session, xid) {
            let why = format!(
                "request {} was refused before; the answer was lost with its reason, so ask anew",
                xid.0
            );
            return Some(Some(Fault::new(ErrorCode::SystemError, why)));
        }
        None
    }

    /// A refusal if the session has too many answers that its client has not acknowledged, with this
    /// request neither: an acknowledgement that is refused with its request would never be known.
    fn too_many_kept(&self, forward: &Forward) -> Option<Fault> {
        let results = &self.world.tree.session(forward.session)?.results;
        if results.len() < SESSION_RESULTS_MAX {
            return None;
        }
        let waits = |xid: &&Xid| !forward.acked.contains(**xid);
        let kept = results.keys().filter(waits).count();
        if kept < SESSION_RESULTS_MAX {
            return None;
        }
        let session = forward.session;
        let why = format!("{kept} answers of session {session} are not acknowledged yet");
        Some(Fault::new(ErrorCode::Throttled, why))
    }

    fn refuse(
        &mut self,
        to: ServerId,
        forward: &Forward,
        fault: Option<Fault>,
        outputs: &mut Vec<Output>,
    ) {
        // A refusal may rest on anything proposed so far.
        let after = self.last_proposed();
        let is_refusal = fault.is_some();
        let relay = Relay::Refused(Refused {
            session: forward.session,
            xid: forward.xid,
            fault,
            after,
        });
        if is_refusal {
            // And on the state of a leader that may have a successor by now, which would not refuse.
            let client = Some((forward.session, forward.attachment));
            self.say_once_confirmed(to, relay, client);
        } else {
            self.answer_server(to, relay, outputs);
        }
    }

    /// The newest transaction of this reign, or what the log ends with. The log alone does not tell:
    /// it gets a batch of proposals at its end.
    pub(super) fn last_proposed(&self) -> Zxid {
        let own = self.leading.as_ref().and_then(|leading| leading.own.back());
        own.map_or(self.zab.last_logged(), |(zxid, _)| *zxid)
    }

    pub(super) fn lead_open(
        &mut self,
        from: ServerId,
        nonce: u64,
        password: Password,
        timeout_ms: u32,
        outputs: &mut Vec<Output>,
    ) {
        let opened = self.stage(|prepare| prepare.open_session(password, timeout_ms, from));
        let Some(session) = opened else { return };
        match self.propose(Cause::System) {
            Ok(()) => self.answer_server(from, Relay::Opening { nonce, session }, outputs),
            // The client's server asks again when there is a leader.
            Err(_) => self.world.abort(),
        }
    }

    pub(super) fn lead_attach(
        &mut self,
        from: ServerId,
        nonce: u64,
        session: SessionId,
        password: Password,
        outputs: &mut Vec<Output>,
    ) {
        if self.config.has_bug(crate::bug::Bug::NewSessionForAnOldOne)
            && self.world.session(session).is_none()
        {
            return self.lead_open(from, nonce, password, 2_000, outputs);
        }
        let attached = self.stage(|prepare| prepare.attach_session(session, password, from));
        let Some(result) = attached else { return };
        let result = result.and_then(|attachment| {
            self.propose(Cause::System)?;
            Ok(attachment)
        });
        let is_refusal = result.is_err();
        if !is_refusal && !self.config.has_bug(crate::bug::Bug::ReturnIsNoSign) {
            // Its end must not overtake its return: who comes in time lives for a whole timeout more.
            self.lead_touch(&[session]);
        }
        let relay = Relay::Attaching {
            nonce,
            result,
            after: self.last_proposed(),
        };
        // A session unknown to a leader that has a successor may be the successor's.
        self.answer_or_refuse(from, relay, is_refusal, outputs);
    }

    pub(super) fn lead_touch(&mut self, sessions: &[SessionId]) {
        let Some(leading) = &mut self.leading else {
            return;
        };
        for session in sessions {
            leading.expiry.touch(*session, self.now.monotonic);
        }
    }

    /// Tells a server, once that is sure, that this leader has heard of the clients that it named.
    pub(super) fn prove_touched(&mut self, from: ServerId, question: u64) {
        let after = self.last_proposed();
        self.say_once_confirmed(from, Relay::Touched { question, after }, None);
    }

    pub(super) fn lead_ready(&mut self, server: ServerId, revisions: Vec<Sha256>) {
        if let Some(leading) = &mut self.leading {
            leading
                .ready
                .insert(server, revisions.into_iter().collect());
        }
    }

    pub(super) fn answer_server(&mut self, to: ServerId, relay: Relay, outputs: &mut Vec<Output>) {
        if to != self.me {
            return outputs.push(Output::SendRelay { to, relay });
        }
        self.hear_answer(relay, outputs);
    }

    /// Stages a transaction; `None` if this server does not lead.
    pub(super) fn stage<R>(&mut self, work: impl FnOnce(&mut Prepare<'_, P>) -> R) -> Option<R> {
        let zxid = self.zab.next_zxid()?;
        let time = self.time();
        let leading = self.leading.as_ref()?;
        let ensemble = self.zab.ensemble();
        let me = self.me;
        let ready = |sha256: &Sha256| {
            let can = |server: &ServerId| {
                leading
                    .ready
                    .get(server)
                    .is_some_and(|revisions| revisions.contains(sha256))
            };
            can(&me) && ensemble.is_quorum(|server| can(&server))
        };
        let zab = &self.zab;
        let level = |server: ServerId| server == me || zab.is_level(server);
        self.world.begin(zxid, time);
        Some(work(&mut Prepare {
            world: &mut self.world,
            stand_in: &mut self.stand_in,
            plugins: &mut self.plugins,
            compiled: &self.compiled,
            ready: &ready,
            level: &level,
            seed: self.config.seed,
            seen: &mut self.seen,
        }))
    }

    /// Proposes what is staged. On an error nothing is proposed, and the caller aborts.
    pub(super) fn propose(&mut self, cause: Cause) -> Result<(), Fault> {
        let zxid = self.world.zxid;
        let applied = self.world.tree.applied();
        let Some(leading) = &mut self.leading else {
            return Err(lost_leadership());
        };
        let mark = (leading.marked < applied).then(|| DigestMark {
            zxid: applied,
            digest: self.world.tree.digest(),
        });
        let txn = Txn {
            time: self.world.time,
            cause,
            effects: self.world.take_effects(),
            mark,
        };
        let payload = encode_txn(&txn)
            .map_err(|error| Fault::new(ErrorCode::MarshallingError, error.to_string()))?;
        if payload.len() > TXN_BYTES_MAX {
            let why = format!(
                "the transaction would have {} bytes; the limit is {TXN_BYTES_MAX}",
                payload.len()
            );
            return Err(Fault::new(ErrorCode::TooLarge, why));
        }
        let Ok(proposed) = self.zab.propose(payload) else {
            return Err(lost_leadership());
        };
        assert_eq!(
            proposed, zxid,
            "a transaction is proposed under the zxid it was staged for"
        );
        self.world.commit();
        leading.marked = applied;
        leading.own.push_back((zxid, txn));
        Ok(())
    }
}

fn lost_leadership() -> Fault {
    Fault::new(
        ErrorCode::NotServing,
        "this server leads no more; the request will be sent again",
    )
}
