//! The ensemble as this server follows it: what a leader has to do about a change, what a server does
//! that is no member any more, and servers that come in by a token.

use std::collections::BTreeSet;

use zareba_model::{Ensemble, ErrorCode, Fault, JoinRequest, Relay, ServerId};
use zareba_tree::Tree;
use zareba_wire::{Joined, ServerMessage};

use super::{Deferred, Replica};
use crate::admit;
use crate::input::ConnectionId;
use crate::output::Output;
use crate::plugin::PluginRuntime;

/// A new server that waits for its number here.
#[derive(Debug)]
pub(super) struct Newcomer {
    connection: ConnectionId,
    request: JoinRequest,
}

/// Everybody who belongs to the ensemble as it is applied.
pub(super) fn members_of(tree: &Tree) -> BTreeSet<ServerId> {
    let ensemble = tree.ensemble().into_iter();
    ensemble
        .flat_map(|ensemble| ensemble.everybody().into_keys())
        .collect()
}

impl<P: PluginRuntime> Replica<P> {
    /// What a leader owes the ensemble: its first record, the end of a change, promotions.
    pub(super) fn tend_ensemble(&mut self) {
        if self.leading.is_none() || self.world.is_ensemble_in_flight() {
            return;
        }
        match self.world.tree.ensemble() {
            None => {
                let configured = self.zab.ensemble().clone();
                self.by_the_system(|prepare| prepare.found_ensemble(&configured));
            }
            Some(ensemble) if ensemble.outgoing.is_some() => {
                self.by_the_system(|prepare| prepare.settle_ensemble());
            }
            Some(_) => {
                if self
                    .world
                    .tree
                    .join_tokens()
                    .any(|token| token.taken.is_some())
                {
                    self.by_the_system(|prepare| prepare.promote_joined());
                }
            }
        }
    }

    /// A transaction has set the ensemble. Whoever is no member any more may have lost its links
    /// before it could learn so from the log: the leader tells it.
    pub(super) fn follow_ensemble(&mut self, outputs: &mut Vec<Output>) {
        let Some(ensemble) = self.world.tree.ensemble() else {
            return;
        };
        let version = ensemble.version;
        let members = members_of(&self.world.tree);
        let before = std::mem::replace(&mut self.members, members);
        self.tell_members(outputs);
        if before != self.members {
            outputs.push(Output::Ensemble(self.linked()));
        }
        if self.leading.is_none() {
            return;
        }
        for gone in before
            .difference(&self.members)
            .filter(|it| **it != self.me)
        {
            outputs.push(Output::SendRelay {
                to: *gone,
                relay: Relay::Removed { version },
            });
        }
    }

    /// The ensemble in force, with those who leave by what is not applied here yet.
    pub(super) fn linked(&self) -> Ensemble {
        let in_force = self.zab.ensemble();
        match self.world.tree.ensemble() {
            Some(applied) => in_force.with_leavers_of(applied),
            None => in_force.clone(),
        }
    }

    /// Clients learn where else their session could go on.
    fn tell_members(&self, outputs: &mut Vec<Output>) {
        let Some(message) = self.members_message() else {
            return;
        };
        outputs.extend(self.held.iter().map(|held| Output::Send {
            connection: held.connection,
            message: message.clone(),
        }));
    }

    /// Where clients reach the members, as far as is known; a member on its way out is none.
    pub(super) fn members_message(&self) -> Option<ServerMessage> {
        let ensemble = self.world.tree.ensemble()?;
        let addresses = ensemble.members.values().map(|it| &it.client_address);
        Some(ServerMessage::Members {
            version: ensemble.version,
            addresses: addresses.filter(|it| !it.is_empty()).cloned().collect(),
        })
    }

    /// A leader says that this server is no member any more. Only a member may say so, and only of a
    /// later ensemble than this server knows.
    pub(super) fn on_removed(&mut self, from: ServerId, version: u64) {
        let ensemble = self.zab.ensemble();
        if ensemble.contains(from) && (version > ensemble.version || !ensemble.contains(self.me)) {
            self.was_removed = true;
        }
    }

    /// Stops this server if it is no member any more, a little later, so that its peers learn first
    /// what it knows.
    pub(super) fn leave_if_removed(&mut self, outputs: &mut Vec<Output>) {
        let ensemble = self.zab.ensemble();
        let applied = self.world.tree.ensemble();
        let by_the_log = !ensemble.contains(self.me)
            && applied.is_some_and(|applied| applied.version >= ensemble.version);
        if !by_the_log && !self.was_removed {
            return self.leaves_at = None;
        }
        let version = applied.map_or(ensemble.version, |applied| applied.version);
        let grace = self.config.removed_grace_ms;
        let now = self.now.monotonic;
        if *self.leaves_at.get_or_insert(now.after_ms(grace)) > now {
            return;
        }
        // Once: the shell stops.
        self.leaves_at = Some(zareba_zab::Now(u64::MAX));
        self.dismiss(
            "this server has left the ensemble; use another",
            false,
            outputs,
        );
        outputs.push(Output::Removed { version });
    }

    /// A new server asks this one for a number.
    pub(super) fn on_join(
        &mut self,
        connection: ConnectionId,
        request: JoinRequest,
        outputs: &mut Vec<Output>,
    ) {
        let addresses = admit::check_address(&request.peer_address)
            .and_then(|()| admit::check_address(&request.client_address));
        if let Err(fault) = addresses {
            return Self::goodbye(connection, fault, outputs);
        }
        // One at a time: nobody has shown a token yet, and this is kept until there is a leader.
        self.forget_newcomer(connection);
        self.last_newcomer += 1;
        let nonce = self.last_newcomer;
        let newcomer = Newcomer {
            connection,
            request,
        };
        self.newcomers.insert(nonce, newcomer);
        self.ask_to_join(nonce, outputs);
    }

    fn ask_to_join(&mut self, nonce: u64, outputs: &mut Vec<Output>) {
        if let Some(newcomer) = self.newcomers.get(&nonce) {
            let request = newcomer.request.clone();
            self.tell_leader(Relay::Join { nonce, request }, outputs);
        }
    }

    /// There is a new leader, who has to see every new server that has no answer.
    pub(super) fn ask_to_join_again(&mut self, outputs: &mut Vec<Output>) {
        let nonces: Vec<_> = self.newcomers.keys().copied().collect();
        for nonce in nonces {
            self.ask_to_join(nonce, outputs);
        }
    }

    pub(super) fn forget_newcomer(&mut self, connection: ConnectionId) {
        self.newcomers
            .retain(|_, newcomer| newcomer.connection != connection);
    }

    /// Takes the connections of all new servers that wait.
    pub(super) fn take_newcomers(&mut self) -> Vec<ConnectionId> {
        let newcomers = std::mem::take(&mut self.newcomers);
        newcomers.into_values().map(|it| it.connection).collect()
    }

    /// A leader decides on a new server.
    pub(super) fn lead_join(
        &mut self,
        from: ServerId,
        nonce: u64,
        request: &JoinRequest,
        outputs: &mut Vec<Output>,
    ) {
        let Some(joined) = self.stage(|prepare| prepare.join(request)) else {
            return;
        };
        let is_news = self.world.has_staged();
        let result = joined.and_then(|server| {
            if is_news {
                self.propose(zareba_model::Cause::System)?;
            }
            Ok(server)
        });
        let is_refusal = result.is_err();
        let relay = Relay::Joining {
            nonce,
            result,
            after: self.last_proposed(),
        };
        self.answer_or_refuse(from, relay, is_refusal, outputs);
    }

    pub(super) fn on_joining(
        &mut self,
        nonce: u64,
        result: Result<ServerId, Fault>,
        after: zareba_model::Zxid,
        outputs: &mut Vec<Output>,
    ) {
        self.defer(after, Deferred::Joined(nonce, result), outputs);
    }

    /// The leader's decision holds here. The shell adds the certificate.
    pub(super) fn welcome_server(
        &mut self,
        nonce: u64,
        result: Result<ServerId, Fault>,
        outputs: &mut Vec<Output>,
    ) {
        let Some(newcomer) = self.newcomers.remove(&nonce) else {
            return;
        };
        let connection = newcomer.connection;
        let ensemble = self.world.tree.ensemble().cloned();
        let joined = result.and_then(|server| {
            let ensemble = ensemble.filter(|ensemble| ensemble.contains(server));
            let gone = || {
                let why = format!("server {server} was removed again meanwhile; ask anew");
                Fault::new(ErrorCode::NotServing, why)
            };
            Ok(Joined {
                server,
                certificate_pem: String::new(),
                ca_pem: String::new(),
                ensemble: ensemble.ok_or_else(gone)?,
            })
        });
        match joined {
            Err(fault) => Self::goodbye(connection, fault, outputs),
            Ok(joined) => {
                outputs.push(Output::Send {
                    connection,
                    message: ServerMessage::Joined(joined),
                });
                outputs.push(Output::Close { connection });
            }
        }
    }
}
