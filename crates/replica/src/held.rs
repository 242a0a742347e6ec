//! The sessions this server holds: each with its connection and its requests in order.
//!
//! A session's answers leave in the order of its requests, except that a parked call leaves the
//! line when it parks and is answered when it ends. This file must never know what a request
//! means.

use std::collections::{BTreeMap, VecDeque};

use zareba_model::limits::IDENTITIES_MAX;
use zareba_model::{
    Acked, Answer, Attachment, ErrorCode, Fault, Op, Outcome, Principal, SessionId, Xid,
};
use zareba_zab::Now;

use crate::audit::Audited;
use crate::input::ConnectionId;
use crate::renewing::Renewal;

/// A request that is not answered yet.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) xid: Xid,
    pub(crate) state: State,
    /// What is written down of it when it is answered, if anything.
    pub(crate) audited: Option<Audited>,
}

/// What an unanswered request waits for.
#[derive(Debug)]
pub(crate) enum State {
    /// To become the first in line; then it is read here.
    Read(Op),
    /// For a quorum's word that the leader leads, asked for by the question of that number; then
    /// it is read.
    Unconfirmed(Op, u64),
    /// For the leader; kept so that it can be sent again to the next one.
    Forwarded(Op),
    /// To become the first in line; then it is sent.
    Settled(Answer),
}

/// One session held here.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) session: SessionId,
    pub(crate) attachment: Attachment,
    pub(crate) connection: ConnectionId,
    pub(crate) principals: Vec<Principal>,
    /// The answers that have reached the client.
    pub(crate) acked: Acked,
    /// The newest request.
    pub(crate) last_xid: Xid,
    pub(crate) line: VecDeque<Waiting>,
    pub(crate) parked: BTreeMap<Xid, Option<Audited>>,
    /// Reads are answered even while there is no leader.
    pub(crate) reads_alone: bool,
    /// How many requests and pings its connection has brought.
    pub(crate) heard: u64,
    /// The client is to be told that the leader has heard of it.
    pub(crate) renewal_due: bool,
    /// From then on it is told so when it asks anything, not only when it pings.
    pub(crate) renews_at: Now,
}

impl Held {
    /// A session that has just been attached.
    pub(crate) fn new(
        session: SessionId,
        attachment: Attachment,
        connection: ConnectionId,
        principals: Vec<Principal>,
    ) -> Self {
        Self {
            session,
            attachment,
            connection,
            principals,
            acked: Acked::default(),
            last_xid: Xid(0),
            line: VecDeque::new(),
            parked: BTreeMap::new(),
            reads_alone: false,
            heard: 0,
            renewal_due: false,
            renews_at: Now::default(),
        }
    }

    /// A request has come, or a ping.
    pub(crate) fn hear(&mut self, is_ping: bool, now: Now) {
        self.heard += 1;
        self.renewal_due |= is_ping || now >= self.renews_at;
    }

    /// What the client is to be told once the leader has heard of it, if it is to be told. A client that
    /// is busy is told so often that it need not ping.
    pub(crate) fn take_renewal(&mut self, now: Now, timeout_ms: u32) -> Option<Renewal> {
        if !std::mem::take(&mut self.renewal_due) {
            return None;
        }
        self.renews_at = now.after_ms(u64::from(timeout_ms / 4));
        Some(Renewal {
            session: self.session,
            attachment: self.attachment,
            heard: self.heard,
        })
    }

    /// One more identity, in the words of each scheme that knows it, unless there is no room for it.
    pub(crate) fn identify(&mut self, principals: Vec<Principal>) -> Answer {
        let known = |it: &Self, one: &Principal| it.principals.contains(one);
        let Some(first) = principals.first().cloned() else {
            let why = "the credential proves nothing";
            return Err(Fault::new(ErrorCode::AuthFailed, why));
        };
        for principal in principals {
            if known(self, &principal) {
                continue;
            }
            if self.principals.len() >= IDENTITIES_MAX {
                let why = format!("a session has at most {IDENTITIES_MAX} identities");
                return Err(Fault::new(ErrorCode::TooLarge, why));
            }
            self.principals.push(principal);
        }
        Ok(Outcome::Authenticated(first))
    }

    /// The leader's answer to a request has come. Writes are answered in order, so it is usually
    /// the first in line.
    pub(crate) fn settle(&mut self, xid: Xid, answer: Answer) {
        if let Some(waiting) = self.line.iter_mut().find(|waiting| waiting.xid == xid) {
            waiting.state = State::Settled(answer);
        }
    }

    /// The request has parked: it leaves the line.
    pub(crate) fn park(&mut self, xid: Xid) {
        if let Some(place) = self.line.iter().position(|waiting| waiting.xid == xid)
            && let Some(waiting) = self.line.remove(place)
        {
            self.parked.insert(xid, waiting.audited);
        }
    }

    /// The leader's answer to that question, and to all before it, holds here now.
    pub(crate) fn confirm(&mut self, question: u64) {
        for waiting in &mut self.line {
            match &waiting.state {
                State::Unconfirmed(op, asked) if *asked <= question => {
                    waiting.state = State::Read(op.clone());
                }
                _ => {}
            }
        }
    }

    /// Requests that the leader has to see, in order.
    pub(crate) fn forwarded(&self) -> impl DoubleEndedIterator<Item = (Xid, &Op)> {
        self.line.iter().filter_map(|waiting| match &waiting.state {
            State::Forwarded(op) => Some((waiting.xid, op)),
            State::Read(_) | State::Unconfirmed(..) | State::Settled(_) => None,
        })
    }
}

/// All sessions held here, found by session and by connection.
#[derive(Debug, Default)]
pub(crate) struct HeldSessions {
    by_session: BTreeMap<SessionId, Held>,
    by_connection: BTreeMap<ConnectionId, SessionId>,
}

impl HeldSessions {
    pub(crate) fn insert(&mut self, held: Held) {
        self.by_connection.insert(held.connection, held.session);
        self.by_session.insert(held.session, held);
    }

    pub(crate) fn remove(&mut self, session: SessionId) -> Option<Held> {
        let held = self.by_session.remove(&session)?;
        self.by_connection.remove(&held.connection);
        Some(held)
    }

    pub(crate) fn get(&self, session: SessionId) -> Option<&Held> {
        self.by_session.get(&session)
    }

    pub(crate) fn get_mut(&mut self, session: SessionId) -> Option<&mut Held> {
        self.by_session.get_mut(&session)
    }

    pub(crate) fn session_of(&self, connection: ConnectionId) -> Option<SessionId> {
        self.by_connection.get(&connection).copied()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Held> {
        self.by_session.values()
    }

    pub(crate) fn len(&self) -> usize {
        self.by_session.len()
    }

    /// Takes all of them.
    pub(crate) fn take(&mut self) -> Vec<Held> {
        self.by_connection.clear();
        std::mem::take(&mut self.by_session).into_values().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parked_request_leaves_the_line_and_others_keep_their_order() {
        let mut held = Held::new(SessionId(1), Attachment(1), ConnectionId(1), Vec::new());
        for xid in 1..=3 {
            held.line.push_back(Waiting {
                xid: Xid(xid),
                state: State::Forwarded(Op::Sync),
                audited: None,
            });
        }
        held.park(Xid(1));
        held.settle(Xid(3), Ok(Outcome::Synced));
        assert!(held.parked.contains_key(&Xid(1)));
        assert_eq!(
            held.forwarded().map(|(xid, _)| xid).collect::<Vec<_>>(),
            [Xid(2)]
        );
        assert!(matches!(held.line[1].state, State::Settled(_)));
    }
}
