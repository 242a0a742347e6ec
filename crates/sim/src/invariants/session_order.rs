//! A session's transactions stand in the log in the order of its requests, each once, and none
//! behind its end.

use std::collections::BTreeMap;

use zareba_model::{Cause, Effect, SessionId, Txn, Xid, Zxid};
use zareba_tree::Tree;

use crate::violation::{Violation, hold};

const NAME: &str = "session_order";

/// The newest request of each session in the log, and the newest time.
#[derive(Debug, Default)]
pub(crate) struct SessionOrder {
    newest: BTreeMap<SessionId, Xid>,
    time: u64,
}

impl SessionOrder {
    /// Judges a transaction before it is applied to `tree`.
    pub(crate) fn check(&mut self, tree: &Tree, zxid: Zxid, txn: &Txn) -> Result<(), Violation> {
        hold!(
            txn.time >= self.time,
            NAME,
            "time goes back from {} to {} at {zxid}",
            self.time,
            txn.time
        );
        self.time = txn.time;
        if let Cause::Request { session, xid, .. } = &txn.cause {
            hold!(
                tree.session(*session).is_some(),
                NAME,
                "{zxid} is request {} of {session}, which is not alive",
                xid.0
            );
            let newest = self.newest.entry(*session).or_default();
            hold!(
                *xid > *newest,
                NAME,
                "{zxid} is request {} of {session}, behind request {}",
                xid.0,
                newest.0
            );
            *newest = *xid;
        }
        for effect in &txn.effects {
            if let Effect::OpenSession { session, .. } = effect {
                hold!(
                    session.0 == zxid.to_u64(),
                    NAME,
                    "{zxid} opens session {session}"
                );
            }
        }
        Ok(())
    }
}
