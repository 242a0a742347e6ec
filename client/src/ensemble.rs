//! The ensemble's own life: its members are shown and changed, and tokens let servers join. Knows nothing
//! of how the members agree.

use std::time::Duration;

use serde::Deserialize;
use zareba_model::{
    Ensemble, EnsembleChange, EnsembleOp, JoinToken, Member, MemberRole, Members, Op, Outcome,
    ServerId, Write,
};

use crate::call::from_json;
use crate::client::unexpected;
use crate::{Client, Error, Invitation, Watch};

/// The node that shows the ensemble, as JSON; it can be watched.
pub const ENSEMBLE_PATH: &str = "/zareba/ensemble";

/// What the node holds.
#[derive(Deserialize)]
struct Shown {
    version: u64,
    members: Vec<ShownMember>,
    outgoing: Option<Vec<ShownMember>>,
}

#[derive(Deserialize)]
struct ShownMember {
    server: u64,
    role: String,
    weight: Option<u32>,
    group: Option<u32>,
    peer_address: String,
    client_address: String,
}

impl Client {
    /// Who belongs to the ensemble. Refused with `NO_AUTH`. Dropping the future leaves nothing.
    pub async fn ensemble(&self) -> Result<Ensemble, Error> {
        let (data, _) = self.whole().get(ENSEMBLE_PATH).await?;
        parse(&data)
    }

    /// The same, and a watch that tells when that changes.
    pub async fn ensemble_and_watch(&self) -> Result<(Ensemble, Watch), Error> {
        let (data, _, watch) = self.whole().get_and_watch(ENSEMBLE_PATH).await?;
        Ok((parse(&data)?, watch))
    }

    /// Changes the ensemble, if it has the version named, and returns the version that is in force
    /// from now on. A change of voters is settled a little later, by a version of its own: see
    /// [`ensemble_and_watch`](Self::ensemble_and_watch) for when it names no outgoing members.
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

fn parse(data: &[u8]) -> Result<Ensemble, Error> {
    let shown: Shown = from_json(data)?;
    Ok(Ensemble {
        version: shown.version,
        members: members(shown.members)?,
        outgoing: shown.outgoing.map(members).transpose()?,
    })
}

fn members(shown: Vec<ShownMember>) -> Result<Members, Error> {
    let members = shown.into_iter().map(|shown| {
        let role = match (shown.role.as_str(), shown.weight, shown.group) {
            ("voter", Some(weight), Some(group)) => MemberRole::Voter { weight, group },
            ("observer", ..) => MemberRole::Observer,
            (other, ..) => {
                let why = format!("a member with the role {other:?} in {ENSEMBLE_PATH}");
                return Err(Error::Protocol(why));
            }
        };
        let member = Member {
            role,
            peer_address: shown.peer_address,
            client_address: shown.client_address,
        };
        Ok((ServerId(shown.server), member))
    });
    members.collect()
}
