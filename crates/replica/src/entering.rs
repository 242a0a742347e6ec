//! Clients between their hello and their welcome: a session has to be opened or attached by a
//! transaction first. Knows nothing of how the leader decides.

use std::collections::BTreeMap;

use zareba_model::{Attachment, Password, Principal, SessionId, WatchSpec, Zxid};
use zareba_wire::Hello;

use crate::input::ConnectionId;

/// One client that wants in.
#[derive(Clone, Debug)]
pub(crate) struct Entrant {
    pub(crate) connection: ConnectionId,
    pub(crate) principals: Vec<Principal>,
    pub(crate) wish: Wish,
    /// What the leader has promised; it holds once its transaction is applied here.
    pub(crate) promised: Option<(SessionId, Attachment)>,
}

/// What it wants.
#[derive(Clone, Debug)]
pub(crate) enum Wish {
    /// A new session with this password.
    Open { password: Password, timeout_ms: u32 },
    /// Its session back.
    Attach {
        session: SessionId,
        password: Password,
        last_zxid: Zxid,
        watches: Vec<WatchSpec>,
    },
    /// A session of this server alone.
    Local {
        last_zxid: Zxid,
        watches: Vec<WatchSpec>,
        read_only: bool,
    },
}

impl Wish {
    /// A client's hello, with fresh random bytes for a new session's password.
    pub(crate) fn new(hello: Hello, random: [u8; 16]) -> Self {
        match hello {
            Hello::Open { timeout_ms } => Self::Open {
                password: Password(random),
                timeout_ms,
            },
            Hello::Attach {
                session,
                password,
                last_zxid,
                watches,
            } => Self::Attach {
                session,
                password,
                last_zxid,
                watches,
            },
            Hello::Local {
                last_zxid,
                watches,
                read_only,
            } => Self::Local {
                last_zxid,
                watches,
                read_only,
            },
        }
    }
}

/// All clients that want in, by this server's own number for each.
#[derive(Debug, Default)]
pub(crate) struct Entering {
    entrants: BTreeMap<u64, Entrant>,
    last: u64,
}

impl Entering {
    pub(crate) fn insert(&mut self, entrant: Entrant) -> u64 {
        self.last += 1;
        self.entrants.insert(self.last, entrant);
        self.last
    }

    pub(crate) fn get_mut(&mut self, nonce: u64) -> Option<&mut Entrant> {
        self.entrants.get_mut(&nonce)
    }

    pub(crate) fn remove(&mut self, nonce: u64) -> Option<Entrant> {
        self.entrants.remove(&nonce)
    }

    pub(crate) fn remove_connection(&mut self, connection: ConnectionId) {
        self.entrants
            .retain(|_, entrant| entrant.connection != connection);
    }

    pub(crate) fn has(&self, connection: ConnectionId) -> bool {
        self.entrants
            .values()
            .any(|entrant| entrant.connection == connection)
    }

    /// The client to whom this attachment was promised.
    pub(crate) fn take_promised(
        &mut self,
        session: SessionId,
        attachment: Attachment,
    ) -> Option<Entrant> {
        let promised = Some((session, attachment));
        let (nonce, _) = self
            .entrants
            .iter()
            .find(|(_, entrant)| entrant.promised == promised)?;
        let nonce = *nonce;
        self.entrants.remove(&nonce)
    }

    /// Forgets promises of a leader that is no more, and lists who has to ask again.
    pub(crate) fn ask_again(&mut self) -> Vec<u64> {
        for entrant in self.entrants.values_mut() {
            entrant.promised = None;
        }
        self.entrants.keys().copied().collect()
    }

    /// Takes all of them.
    pub(crate) fn take(&mut self) -> Vec<Entrant> {
        std::mem::take(&mut self.entrants).into_values().collect()
    }
}
