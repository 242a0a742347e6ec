//! The ensemble's changes: one at a time, and none that would lose the quorum. Tokens, and the servers
//! that come by them.
//!
//! A change of voters takes two transactions: the joint ensemble, in which a quorum of the old and one
//! of the new members must agree, and behind it, by the leader's own doing, the settled one.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use zareba_model::limits::{JOIN_TOKEN_TTL_MS_MAX, JOIN_TOKENS_MAX};
use zareba_model::{
    Ensemble, EnsembleChange, EnsembleError, EnsembleOp, ErrorCode, Fault, JoinRequest, JoinToken,
    MemberRole, Outcome, ServerId, TakenToken,
};

use super::Prepare;
use crate::plugin::PluginRuntime;

impl<P: PluginRuntime> Prepare<'_, P> {
    /// What an operator asks.
    pub(super) fn ensemble_op(&mut self, op: &EnsembleOp) -> Result<Outcome, Fault> {
        match op {
            EnsembleOp::Change { change, version } => self.change_ensemble(change, *version),
            EnsembleOp::AddToken { token, ttl_ms } => self.add_token(token, *ttl_ms),
        }
    }

    fn change_ensemble(
        &mut self,
        change: &EnsembleChange,
        version: Option<u64>,
    ) -> Result<Outcome, Fault> {
        let ensemble = self.settled_ensemble()?;
        if version.is_some_and(|version| version != ensemble.version) {
            let why = format!(
                "the ensemble has version {}, not {}; look at it again and decide anew",
                ensemble.version,
                version.unwrap_or_default()
            );
            return Err(Fault::new(ErrorCode::BadVersion, why));
        }
        let version = self.stage_change(&ensemble, change)?;
        Ok(Outcome::EnsembleChanged { version })
    }

    /// The ensemble, unless a change of it is under way.
    fn settled_ensemble(&self) -> Result<Ensemble, Fault> {
        let Some(ensemble) = self.world.ensemble() else {
            let why =
                "the leader is about to write down the ensemble for the first time; try again";
            return Err(Fault::new(ErrorCode::NotServing, why));
        };
        if self.world.is_ensemble_in_flight() || ensemble.outgoing.is_some() {
            let why = "another change of the ensemble is under way; wait until `zareba ensemble \
                       status` shows none";
            return Err(Fault::new(ErrorCode::ReconfigInProgress, why));
        }
        Ok(ensemble.clone())
    }

    /// Stages what becomes of the ensemble, and says which version that is.
    fn stage_change(&mut self, ensemble: &Ensemble, change: &EnsembleChange) -> Result<u64, Fault> {
        let changed = ensemble.change(change).map_err(|error| explain(&error))?;
        if let EnsembleChange::Add { server, .. } = change {
            self.check_number_is_new(*server)?;
        }
        self.check_address_is_free(ensemble, change)?;
        if let EnsembleChange::Promote { server, .. }
        | EnsembleChange::Replace { new: server, .. } = change
        {
            self.check_level(*server)?;
        }
        // The members before must agree too, or the change would never be settled.
        if !changed.is_quorum(self.level) {
            return Err(no_quorum(&changed, self.level));
        }
        let version = changed.version;
        self.world.stage_ensemble(changed);
        Ok(version)
    }

    /// A number is not given twice: servers that were away count quorums in which its former owner,
    /// with all that it has acked, is remembered.
    fn check_number_is_new(&self, server: ServerId) -> Result<(), Fault> {
        let highest = self.world.tree.highest_server();
        if server > highest {
            return Ok(());
        }
        let why = format!(
            "number {server} may have been a member's before, and no number is given twice; the \
             next free one is {}",
            highest.0 + 1
        );
        Err(Fault::new(ErrorCode::BadArguments, why))
    }

    fn check_level(&self, server: ServerId) -> Result<(), Fault> {
        if (self.level)(server) {
            return Ok(());
        }
        let why = format!(
            "server {server} is not level with the leader, and as a voter would hold everybody up; \
             wait until `zareba ensemble status` shows no lag, or see its log if it is down"
        );
        Err(Fault::new(ErrorCode::NoQuorum, why))
    }

    fn check_address_is_free(
        &self,
        ensemble: &Ensemble,
        change: &EnsembleChange,
    ) -> Result<(), Fault> {
        let (EnsembleChange::Add {
            server,
            peer_address,
            ..
        }
        | EnsembleChange::Move {
            server,
            peer_address,
            ..
        }) = change
        else {
            return Ok(());
        };
        let taken = ensemble
            .members
            .iter()
            .find(|(other, member)| *other != server && member.peer_address == *peer_address);
        match taken {
            None => Ok(()),
            Some((other, _)) => {
                let why = format!("{peer_address} is the address of server {other} already");
                Err(Fault::new(ErrorCode::BadArguments, why))
            }
        }
    }

    fn add_token(&mut self, token: &JoinToken, ttl_ms: u64) -> Result<Outcome, Fault> {
        if ttl_ms == 0 || ttl_ms > JOIN_TOKEN_TTL_MS_MAX {
            let why =
                format!("a token lives 1 to {JOIN_TOKEN_TTL_MS_MAX} milliseconds, not {ttl_ms}");
            return Err(Fault::new(ErrorCode::BadArguments, why));
        }
        self.remove_useless_tokens();
        let known = self.world.tokens().len();
        if known >= JOIN_TOKENS_MAX {
            let why = format!("there are {known} tokens already; use them or let them expire");
            return Err(Fault::new(ErrorCode::Throttled, why));
        }
        self.world.stage_token(JoinToken {
            hash: token.hash,
            voter: token.voter,
            expires: self.world.time.saturating_add(ttl_ms),
            taken: None,
        });
        Ok(Outcome::TokenAdded)
    }

    /// Removes expired tokens but those whose server is still to be promoted.
    fn remove_useless_tokens(&mut self) {
        for token in self.world.tokens() {
            if token.expires <= self.world.time && !self.is_to_be_promoted(&token) {
                self.world.stage_token_gone(token.hash);
            }
        }
    }

    fn is_to_be_promoted(&self, token: &JoinToken) -> bool {
        let Some(taken) = token.taken.as_ref().filter(|_| token.voter) else {
            return false;
        };
        let members = self.world.ensemble().map(|ensemble| &ensemble.members);
        members
            .and_then(|members| members.get(&taken.server))
            .is_some_and(|member| member.role == MemberRole::Observer)
    }

    /// A new server shows a token: it becomes an observer, and the token is taken. Whoever has the
    /// same key may ask again: the first answer may have been lost.
    pub(crate) fn join(&mut self, request: &JoinRequest) -> Result<ServerId, Fault> {
        let mut token = self.world.token(&request.token).cloned().ok_or_else(|| {
            let why = "no such token is known: it was used, has expired, or is another ensemble's; \
                       make one with `zareba ensemble add`";
            Fault::new(ErrorCode::NoAuth, why)
        })?;
        if let Some(taken) = &token.taken {
            return self.join_again(taken, request);
        }
        if token.expires <= self.world.time {
            let why = "the token has expired; make another with `zareba ensemble add`";
            return Err(Fault::new(ErrorCode::NoAuth, why));
        }
        let ensemble = self.settled_ensemble()?;
        let highest = ensemble.members.keys().next_back().copied();
        let highest = highest.max(Some(self.world.tree.highest_server()));
        let server = ServerId(highest.map_or(0, |highest| highest.0) + 1);
        let change = EnsembleChange::Add {
            server,
            peer_address: request.peer_address.clone(),
            client_address: request.client_address.clone(),
        };
        self.stage_change(&ensemble, &change)?;
        token.taken = Some(TakenToken {
            server,
            key: request.key,
        });
        self.world.stage_token(token);
        Ok(server)
    }

    fn join_again(&self, taken: &TakenToken, request: &JoinRequest) -> Result<ServerId, Fault> {
        let server = taken.server;
        let is_member = self
            .world
            .ensemble()
            .is_some_and(|ensemble| ensemble.contains(server));
        if taken.key == request.key && is_member {
            return Ok(server);
        }
        let why = format!(
            "the token was used by server {server}; make another with `zareba ensemble add`"
        );
        Err(Fault::new(ErrorCode::NoAuth, why))
    }

    /// Writes down the ensemble that the servers were configured with. False if there is one.
    pub(crate) fn found_ensemble(&mut self, configured: &Ensemble) -> bool {
        if self.world.ensemble().is_some() {
            return false;
        }
        self.world.stage_ensemble(Ensemble {
            version: configured.version + 1,
            ..configured.clone()
        });
        true
    }

    /// Settles the change that is under way, once its joint ensemble is applied.
    pub(crate) fn settle_ensemble(&mut self) -> bool {
        if self.world.is_ensemble_in_flight() {
            return false;
        }
        let Some(settled) = self.world.tree.ensemble().and_then(Ensemble::settled) else {
            return false;
        };
        self.world.stage_ensemble(settled);
        true
    }

    /// Makes a voter of the first server that came by a token for voters and is level.
    pub(crate) fn promote_joined(&mut self) -> bool {
        let Ok(ensemble) = self.settled_ensemble() else {
            return false;
        };
        for token in self.world.tokens() {
            let Some(taken) = &token.taken else { continue };
            if !self.is_to_be_promoted(&token) || !(self.level)(taken.server) {
                continue;
            }
            let MemberRole::Voter { weight, group } = MemberRole::VOTER else {
                continue;
            };
            let change = EnsembleChange::Promote {
                server: taken.server,
                weight,
                group,
            };
            if self.stage_change(&ensemble, &change).is_ok() {
                self.world.stage_token_gone(token.hash);
                return true;
            }
        }
        false
    }
}

/// A change that makes no sense, as an operator is told.
fn explain(error: &EnsembleError) -> Fault {
    let code = match error {
        EnsembleError::UnderWay => ErrorCode::ReconfigInProgress,
        EnsembleError::NoMember(_) => ErrorCode::NoNode,
        EnsembleError::IsMember(_) => ErrorCode::NodeExists,
        EnsembleError::NoVoter => ErrorCode::NoQuorum,
        EnsembleError::IsVoter(_) | EnsembleError::IsObserver(_) => ErrorCode::BadArguments,
    };
    let advice = match error {
        EnsembleError::UnderWay => "",
        EnsembleError::NoMember(_) => "; `zareba ensemble status` lists the members",
        EnsembleError::IsMember(_) => "; to change its address, move it",
        EnsembleError::NoVoter => "; add and promote another server first",
        EnsembleError::IsVoter(_) => "; an observer is expected",
        EnsembleError::IsObserver(_) => "; a voter is expected",
    };
    Fault::new(code, format!("{error}{advice}"))
}

fn no_quorum(changed: &Ensemble, level: impl Fn(ServerId) -> bool) -> Fault {
    let missing: BTreeSet<_> = changed
        .voters()
        .into_iter()
        .filter(|server| !level(*server))
        .map(|server| server.to_string())
        .collect();
    let missing: Vec<_> = missing.into_iter().collect();
    let why = format!(
        "the ensemble would have no quorum: of its voters, server {} would not be level with the \
         leader; start what is down and wait, or add and promote another server first",
        missing.join(" and server ")
    );
    Fault::new(ErrorCode::NoQuorum, why)
}
