//! I28: a session's writes stand in the log in the order of its requests. Time does not go back
//! either.

use std::collections::BTreeMap;

use zareba_model::{Cause, SessionId, Txn, Xid, Zxid};

use crate::violation::{Violation, hold};

const NAME: &str = "session_order";

/// The newest request of each session in the log, and the newest time.
#[derive(Debug, Default)]
pub(crate) struct SessionOrder {
    newest: BTreeMap<SessionId, Xid>,
    time: u64,
}

impl SessionOrder {
    /// Judges a transaction.
    pub(crate) fn check(&mut self, zxid: Zxid, txn: &Txn) -> Result<(), Violation> {
        hold!(
            txn.time >= self.time,
            NAME,
            "time goes back from {} to {} at {zxid}",
            self.time,
            txn.time
        );
        self.time = txn.time;
        let Cause::Request { session, xid, .. } = &txn.cause else {
            return Ok(());
        };
        let newest = self.newest.entry(*session).or_default();
        hold!(
            *xid > *newest,
            NAME,
            "{zxid} is request {} of {session}, behind request {}",
            xid.0,
            newest.0
        );
        *newest = *xid;
        Ok(())
    }
}
