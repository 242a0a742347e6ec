//! The replicated session table: who is connected where, and what each session's requests were
//! answered, kept until the client has seen it. Knows no clock: whether a session is late is not
//! replicated state.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use zareba_model::{Acked, Answer, Attachment, CallId, Password, ServerId, SessionId, Xid};

use crate::digest::{self, Digest, Tag};

/// A session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Its name.
    pub id: SessionId,
    /// What a client shows to come back to it.
    pub password: Password,
    /// How long it lives without a sign of life, milliseconds.
    pub timeout_ms: u32,
    /// The server that holds it.
    pub server: ServerId,
    /// How often it has been attached; [`Session::FIRST_ATTACHMENT`] when it begins.
    pub attachment: Attachment,
    /// The client has seen all answers up to this one.
    pub acked: Xid,
    /// Answers it may not have seen yet, all behind `acked`.
    pub results: BTreeMap<Xid, Answer>,
    /// Requests that are parked. Kept with the session too, because an end of a call must find its
    /// session even if an image of the state has the session before that end and the call after.
    pub parked: BTreeMap<Xid, CallId>,
}

impl Session {
    /// The attachment of a session that has just been opened.
    pub const FIRST_ATTACHMENT: Attachment = Attachment(1);

    pub(crate) fn open(
        id: SessionId,
        password: Password,
        timeout_ms: u32,
        server: ServerId,
    ) -> Self {
        Self {
            id,
            password,
            timeout_ms,
            server,
            attachment: Self::FIRST_ATTACHMENT,
            acked: Xid(0),
            results: BTreeMap::new(),
            parked: BTreeMap::new(),
        }
    }

    /// Every write changes `acked`, so this one is worth a faster way than an encoder.
    fn core_hash(&self) -> u64 {
        let password = u128::from_le_bytes(self.password.0);
        digest::hash_words(&[
            Tag::Session as u64,
            self.id.0,
            password as u64,
            (password >> 64) as u64,
            u64::from(self.timeout_ms),
            self.server.0,
            self.attachment.0,
            self.acked.0,
        ])
    }

    fn result_hash(&self, xid: Xid, answer: &Answer) -> u64 {
        digest::hash_of(Tag::Result, &(self.id, xid, answer))
    }

    fn hash(&self) -> u64 {
        let results = self
            .results
            .iter()
            .map(|(xid, answer)| self.result_hash(*xid, answer));
        results.fold(self.core_hash(), u64::wrapping_add)
    }
}

/// All sessions, by id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sessions {
    by_id: BTreeMap<SessionId, Session>,
    /// The inverse of all `Session::parked`.
    owners: BTreeMap<CallId, (SessionId, Xid)>,
}

impl Sessions {
    pub(crate) fn put(&mut self, session: Session, digest: &mut Digest) {
        self.remove(session.id, digest);
        digest.add(session.hash());
        for (xid, call) in &session.parked {
            self.owners.insert(*call, (session.id, *xid));
        }
        self.by_id.insert(session.id, session);
    }

    /// True if it was there.
    pub(crate) fn remove(&mut self, id: SessionId, digest: &mut Digest) -> bool {
        let Some(session) = self.by_id.remove(&id) else {
            return false;
        };
        digest.subtract(session.hash());
        for call in session.parked.values() {
            self.owners.remove(call);
        }
        true
    }

    /// True if it is there.
    pub(crate) fn attach(
        &mut self,
        id: SessionId,
        attachment: Attachment,
        server: ServerId,
        digest: &mut Digest,
    ) -> bool {
        let Some(session) = self.by_id.get_mut(&id) else {
            return false;
        };
        digest.subtract(session.core_hash());
        session.attachment = attachment;
        session.server = server;
        digest.add(session.core_hash());
        true
    }

    /// Forgets the answers the client has seen. True if the session is there.
    pub(crate) fn acknowledge(
        &mut self,
        id: SessionId,
        acked: &Acked,
        digest: &mut Digest,
    ) -> bool {
        let Some(session) = self.by_id.get_mut(&id) else {
            return false;
        };
        if acked.up_to > session.acked {
            digest.subtract(session.core_hash());
            session.acked = acked.up_to;
            digest.add(session.core_hash());
        }
        // Only calls that parked for long lie behind an exception, so there are few to look at.
        let seen = session.results.range(..=acked.up_to).map(|(xid, _)| *xid);
        let seen: Vec<_> = seen.filter(|xid| acked.contains(*xid)).collect();
        for xid in seen {
            if let Some(answer) = session.results.remove(&xid) {
                digest.subtract(session.result_hash(xid, &answer));
            }
        }
        true
    }

    /// Keeps a request's answer: its client is waiting for it, however much it has acknowledged of
    /// what came behind. True if the session is there.
    pub(crate) fn keep(
        &mut self,
        id: SessionId,
        xid: Xid,
        answer: &Answer,
        digest: &mut Digest,
    ) -> bool {
        let Some(session) = self.by_id.get_mut(&id) else {
            return false;
        };
        digest.add(session.result_hash(xid, answer));
        if let Some(old) = session.results.insert(xid, answer.clone()) {
            digest.subtract(session.result_hash(xid, &old));
        }
        true
    }

    /// Notes that a request is parked. True if the session is there.
    pub(crate) fn park(&mut self, id: SessionId, xid: Xid, call: CallId) -> bool {
        let Some(session) = self.by_id.get_mut(&id) else {
            return false;
        };
        session.parked.insert(xid, call);
        self.owners.insert(call, (id, xid));
        true
    }

    /// Notes that a call is over, and says whose request it was.
    pub(crate) fn unpark(&mut self, call: CallId) -> Option<(SessionId, Xid)> {
        let (id, xid) = self.owners.remove(&call)?;
        if let Some(session) = self.by_id.get_mut(&id)
            && session.parked.get(&xid) == Some(&call)
        {
            session.parked.remove(&xid);
        }
        Some((id, xid))
    }

    pub(crate) fn get(&self, id: SessionId) -> Option<&Session> {
        self.by_id.get(&id)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Session> {
        self.by_id.values()
    }

    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }

    /// The first session behind `id`.
    pub(crate) fn after(&self, id: Option<SessionId>) -> Option<SessionId> {
        let next = id.map_or(Some(0), |id| id.0.checked_add(1))?;
        self.by_id
            .range(SessionId(next)..)
            .next()
            .map(|(id, _)| *id)
    }

    pub(crate) fn hash(&self) -> u64 {
        self.by_id
            .values()
            .map(Session::hash)
            .fold(0, u64::wrapping_add)
    }
}
