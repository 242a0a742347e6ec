//! I15: whatever is delivered anywhere, announced as committed, or told to a client, is durable on a
//! quorum at that moment: of the newest ensemble that is committed, or of one that its leader goes by
//! already because it is in its log.

use zareba_model::{Ensemble, Zxid};

use crate::oracle::{Mirror, on_a_quorum};
use crate::violation::{Violation, hold};

/// Somebody is about to rely on that transaction.
pub(crate) fn check<'a>(
    mirrors: &[Mirror],
    mut in_force: impl Iterator<Item = &'a Ensemble>,
    zxid: Zxid,
    how: &str,
) -> Result<(), Violation> {
    hold!(
        in_force.any(|ensemble| on_a_quorum(mirrors, ensemble, zxid)),
        "acked_on_quorum",
        "{zxid} was {how} while no quorum had it durably: {:?}",
        mirrors
            .iter()
            .map(|it| it.has_durably(zxid))
            .collect::<Vec<_>>()
    );
    Ok(())
}
