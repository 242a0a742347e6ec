//! I27: a session is never shown an older state than before, whichever server it is at, nor one that
//! was never committed.

use zareba_model::{SessionId, Zxid};

use crate::violation::{Violation, hold};

const NAME: &str = "session_monotonicity";

/// A session that has seen `seen` is shown `zxid`.
pub(crate) fn check(
    session: SessionId,
    seen: Zxid,
    zxid: Zxid,
    committed: Zxid,
) -> Result<(), Violation> {
    hold!(
        zxid >= seen,
        NAME,
        "session {session} was shown {zxid} after {seen}"
    );
    hold!(
        zxid <= committed,
        NAME,
        "session {session} was shown {zxid}, which was never committed"
    );
    Ok(())
}
