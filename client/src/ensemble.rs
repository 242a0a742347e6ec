//! The ensemble's own life: its members are changed, and tokens let servers join. Knows nothing of how
//! the members agree.

use std::time::Duration;

use zareba_model::{EnsembleChange, EnsembleOp, JoinToken, Op, Outcome, Write};

use crate::client::unexpected;
use crate::{Client, Error, Invitation};

/// The node that shows the ensemble, as JSON; it can be watched.
pub const ENSEMBLE_PATH: &str = "/zareba/ensemble";

impl Client {
    /// Changes the ensemble, if it has the version named, and returns the version that is in force
    /// from now on. A change of voters is settled a little later, by a version of its own: watch
    /// [`ENSEMBLE_PATH`] for when it names no outgoing members.
    pub async fn change_ensemble(
        &self,
        change: EnsembleChange,
        version: Option<u64>,
    ) -> Result<u64, Error> {
        let op = EnsembleOp::Change { change, version };
        match self.ensemble_op(op).await? {
            Outcome::EnsembleChanged { version } => Ok(version),
            other => Err(unexpected("a change of the ensemble", &other)),
        }
    }

    /// Lets one server join with an invitation, once, within `ttl`; as a voter as soon as it is
    /// level, or as an observer. The ensemble keeps a hash of the secret only.
    pub async fn invite(
        &self,
        invitation: &Invitation,
        voter: bool,
        ttl: Duration,
    ) -> Result<(), Error> {
        let token = JoinToken {
            hash: invitation.hash(),
            voter,
            expires: 0,
            taken: None,
        };
        let ttl_ms = u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX);
        match self
            .ensemble_op(EnsembleOp::AddToken { token, ttl_ms })
            .await?
        {
            Outcome::TokenAdded => Ok(()),
            other => Err(unexpected("a token", &other)),
        }
    }

    async fn ensemble_op(&self, op: EnsembleOp) -> Result<Outcome, Error> {
        let reply = self.request(Op::Write(Write::Ensemble(op))).await?;
        Ok(reply.outcome)
    }
}
