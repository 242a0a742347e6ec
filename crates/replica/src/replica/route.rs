//! Where a request goes: into its session's line, and from there to the leader or to the tree here.

use zareba_model::limits::SESSION_OUTSTANDING_MAX;
use zareba_model::{
    Acked, ErrorCode, Fault, Forward, Op, Principal, Read, Relay, SessionId, WatchKind, Xid,
};

use super::Replica;
use crate::admit;
use crate::audit::Audited;
use crate::bug::Bug;
use crate::held::{State, Waiting};
use crate::input::ConnectionId;
use crate::output::Output;
use crate::plugin::PluginRuntime;

impl<P: PluginRuntime> Replica<P> {
    pub(super) fn on_request(
        &mut self,
        connection: ConnectionId,
        xid: Xid,
        acked: Acked,
        op: Op,
        outputs: &mut Vec<Output>,
    ) {
        let Some(session) = self.next_request(connection, xid, acked, outputs) else {
            return;
        };
        let audited = match self.config.audits {
            true => Audited::of(&op),
            false => None,
        };
        let state = self.state_of(session, op);
        if self.config.has_bug(Bug::WatchSetBeforeRead)
            && let State::Read(Op::Read(
                Read::Get { path, watch: true } | Read::Exists { path, watch: true },
            )) = &state
        {
            let path = path.clone();
            self.watches.add(session, path, WatchKind::Data);
        }
        let forwarded = matches!(state, State::Forwarded(_));
        if let Some(held) = self.held.get_mut(session) {
            held.line.push_back(Waiting {
                xid,
                state,
                audited,
            });
        }
        if forwarded && self.is_serving() {
            self.forward(session, xid, outputs);
        }
        self.pump(session, outputs);
    }

    /// A client proves one more identity, or fails to. What it asks behind that is asked with it.
    pub(super) fn on_identified(
        &mut self,
        connection: ConnectionId,
        xid: Xid,
        acked: Acked,
        result: Result<Vec<Principal>, Fault>,
        outputs: &mut Vec<Output>,
    ) {
        let Some(session) = self.next_request(connection, xid, acked, outputs) else {
            return;
        };
        let audits = self.config.audits;
        let Some(held) = self.held.get_mut(session) else {
            return;
        };
        let audited = audits.then(|| Audited {
            op: "authenticate",
            path: String::new(),
        });
        let answer = result.and_then(|principals| held.identify(principals));
        held.line.push_back(Waiting {
            xid,
            state: State::Settled(answer),
            audited,
        });
        self.pump(session, outputs);
    }

    /// Notes that a request has come, if its session is held here and may ask.
    fn next_request(
        &mut self,
        connection: ConnectionId,
        xid: Xid,
        acked: Acked,
        outputs: &mut Vec<Output>,
    ) -> Option<SessionId> {
        // A connection that has just been sent away may still ask; its goodbye is on the way.
        let session = self.held.session_of(connection)?;
        self.touch(session);
        let now = self.now.monotonic;
        let held = self.held.get_mut(session)?;
        held.hear(false, now);
        if xid <= held.last_xid || held.line.len() >= SESSION_OUTSTANDING_MAX {
            let fault = if xid <= held.last_xid {
                let why = format!("request {} came behind {}", xid.0, held.last_xid.0);
                Fault::new(ErrorCode::BadArguments, why)
            } else {
                let why = format!("at most {SESSION_OUTSTANDING_MAX} requests wait at once");
                Fault::new(ErrorCode::Throttled, why)
            };
            self.held.remove(session);
            self.watches.remove_session(session);
            Self::goodbye(connection, fault, outputs);
            return None;
        }
        held.last_xid = xid;
        held.acked = acked;
        Some(session)
    }

    /// What a request waits for, to begin with.
    fn state_of(&mut self, session: SessionId, op: Op) -> State {
        let Some(held) = self.held.get(session) else {
            return State::Read(op);
        };
        if let Err(fault) = admit::check(&op, &held.acked) {
            return State::Settled(Err(fault));
        }
        match op {
            Op::Sync
            | Op::LinearizableRead(_)
            | Op::MultiRead {
                linearizable: true, ..
            } => State::Unconfirmed(op, self.confirming.wait(session)),
            // The shell tells what came of it instead.
            Op::Authenticate(_) => {
                let why = "identities are proved at the server's door";
                State::Settled(Err(Fault::new(ErrorCode::BadArguments, why)))
            }
            _ if self.is_read(&op) => State::Read(op),
            _ if session.is_local() => {
                let why =
                    "a session of one server reads and watches; open one of the ensemble to write";
                State::Settled(Err(Fault::new(ErrorCode::LocalSession, why)))
            }
            _ => State::Forwarded(op),
        }
    }

    /// True for what this server answers by itself: reads, and queries of plugins it knows.
    fn is_read(&self, op: &Op) -> bool {
        match op {
            Op::Read(_) | Op::MultiRead { .. } | Op::Watch(_) | Op::Explain { .. } => true,
            Op::Call { mount, op, .. } => self.query_mount(mount, op).is_some(),
            Op::Write(_) | Op::LinearizableRead(_) | Op::Sync | Op::Authenticate(_) => false,
        }
    }

    /// Sends a request to the leader, unless its result is known already.
    fn forward(&mut self, session: SessionId, xid: Xid, outputs: &mut Vec<Output>) {
        let Some(held) = self.held.get_mut(session) else {
            return;
        };
        if let Some(answer) = self.world.tree.result(session, xid) {
            return held.settle(xid, answer.clone());
        }
        if self.world.tree.parked_of_request(session, xid).is_some() {
            return held.park(xid);
        }
        // A request usually goes out as soon as it has come in, so it is near the end.
        let Some((_, op)) = held.forwarded().rev().find(|(waiting, _)| *waiting == xid) else {
            return;
        };
        let forward = Forward {
            session,
            attachment: held.attachment,
            xid,
            acked: held.acked.clone(),
            principals: held.principals.clone(),
            op: op.clone(),
        };
        self.tell_leader(Relay::Forward(forward), outputs);
    }

    /// There is a new leader: it has to see every request that is not answered, in order.
    pub(super) fn forward_again(&mut self, session: SessionId, outputs: &mut Vec<Output>) {
        let Some(held) = self.held.get_mut(session) else {
            return;
        };
        let xids: Vec<_> = held.forwarded().map(|(xid, _)| xid).collect();
        for xid in xids {
            self.forward(session, xid, outputs);
        }
    }
}
