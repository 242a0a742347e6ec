//! A request is executed at most once, and a parked call is answered at most once.

use std::collections::BTreeMap;

use zareba_model::{SessionId, Xid, Zxid};

use crate::oracle::Executed;
use crate::violation::{Violation, hold};

const NAME: &str = "exactly_once";

/// A request was executed.
pub(crate) fn check(
    before: Option<&Executed>,
    session: SessionId,
    xid: Xid,
    zxid: Zxid,
) -> Result<(), Violation> {
    hold!(
        before.is_none(),
        NAME,
        "request {} of {session} was executed again at {zxid}",
        xid.0
    );
    Ok(())
}

/// A parked call ends.
pub(crate) fn of_parked(
    executed: &mut BTreeMap<(SessionId, Xid), Executed>,
    session: SessionId,
    xid: Xid,
) -> Result<Option<&mut Executed>, Violation> {
    let executed = executed.get_mut(&(session, xid));
    hold!(
        executed.as_ref().is_some_and(|it| it.answer.is_none()),
        NAME,
        "the parked request {} of {session} was answered twice, or never parked",
        xid.0
    );
    Ok(executed)
}
