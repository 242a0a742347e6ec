//! A reign lasts: a leader that a quorum follows over good links does not give it up, unless its
//! counter is used up or somebody has promised a newer epoch.

use zareba_model::Epoch;

use crate::violation::{Violation, hold};

/// A server leads no more; is there anything that explains it?
pub(crate) fn check(server: usize, epoch: Epoch, is_explained: bool) -> Result<(), Violation> {
    hold!(
        is_explained,
        "steadfastness",
        "server {server} gives up epoch {epoch}, though a quorum follows it over good links"
    );
    Ok(())
}
