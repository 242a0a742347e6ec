//! I15: whatever is delivered anywhere, announced as committed, or told to a client, is durable on a
//! quorum at that moment.

use zareba_model::{Ensemble, Zxid};

use crate::oracle::{Mirror, on_a_quorum};
use crate::violation::{Violation, hold};

/// Somebody is about to rely on that transaction.
pub(crate) fn check(
    mirrors: &[Mirror],
    ensemble: &Ensemble,
    zxid: Zxid,
    how: &str,
) -> Result<(), Violation> {
    hold!(
        on_a_quorum(mirrors, ensemble, zxid),
        "acked_on_quorum",
        "{zxid} was {how} while no quorum had it durably: {:?}",
        mirrors
            .iter()
            .map(|it| it.has_durably(zxid))
            .collect::<Vec<_>>()
    );
    Ok(())
}
