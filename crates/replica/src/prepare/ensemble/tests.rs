//! What a leader answers to changes of the ensemble, over a world of its own. Knows no broadcast.

use std::collections::{BTreeMap, BTreeSet};

use zareba_model::{
    Cause, Effect, EnsembleChange, EnsembleOp, ErrorCode, Fault, JoinRequest, JoinToken, Outcome,
    ServerId, Sha256, Txn, Zxid,
};

use super::super::Prepare;
use crate::plugin::{Invocation, PluginRuntime, Ran, Stage};
use crate::plugin_seen::PluginSeen;
use crate::world::World;

struct NoPlugins;

impl PluginRuntime for NoPlugins {
    fn is_ready(&self, _: &Sha256) -> bool {
        false
    }

    fn invoke(&mut self, _: &Invocation, _: Box<dyn Stage>) -> Ran {
        unreachable!("no plugin is mounted")
    }
}

/// A leader's tree and what is in flight over it, and which servers are level.
struct Leader {
    world: Box<World>,
    level: BTreeSet<u64>,
    in_flight: Vec<Effect>,
    last: u32,
}

impl Leader {
    /// Of servers 1 to 3, voters all, who are level.
    fn of_three() -> Self {
        let mut leader = Self {
            world: Box::default(),
            level: BTreeSet::from([1, 2, 3]),
            in_flight: Vec::new(),
            last: 0,
        };
        let three = zareba_model::Ensemble::of_voters([1, 2, 3].map(ServerId));
        assert!(
            leader
                .stage(|prepare| Ok(prepare.found_ensemble(&three)))
                .unwrap()
        );
        leader.land();
        leader
    }

    /// Prepares one transaction at a time of one second each, which is in flight from then on.
    fn stage<T>(
        &mut self,
        ask: impl FnOnce(&mut Prepare<'_, NoPlugins>) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let time = u64::from(self.last + 1) * 1_000;
        self.world.begin(Zxid::new(1, self.last + 1), time);
        let level = self.level.clone();
        let answer = ask(&mut Prepare {
            world: &mut self.world,
            stand_in: &mut None,
            plugins: &mut NoPlugins,
            compiled: &BTreeMap::new(),
            ready: &|_| false,
            level: &|server| level.contains(&server.0),
            seed: 0,
            seen: &mut PluginSeen::default(),
        });
        match answer.is_ok() && self.world.has_staged() {
            true => {
                self.world.commit();
                self.in_flight = self.world.take_effects();
                self.last += 1;
            }
            false => self.world.abort(),
        }
        answer
    }

    /// What is in flight is applied.
    fn land(&mut self) {
        let zxid = Zxid::new(1, self.last);
        let txn = Txn {
            time: u64::from(self.last) * 1_000,
            cause: Cause::System,
            effects: std::mem::take(&mut self.in_flight),
            mark: None,
        };
        self.world.tree.apply(zxid, &txn);
        self.world.prune(zxid);
    }

    fn change(&mut self, change: EnsembleChange, version: Option<u64>) -> Result<Outcome, Fault> {
        let op = EnsembleOp::Change { change, version };
        self.stage(|prepare| prepare.ensemble_op(&op))
    }

    /// A change that lands, and is settled if it has to be.
    fn changed(&mut self, change: EnsembleChange) {
        self.change(change, None).unwrap();
        self.land();
        if self.stage(|prepare| Ok(prepare.settle_ensemble())).unwrap() {
            self.land();
        }
    }

    fn join(&mut self, request: &JoinRequest) -> Result<ServerId, Fault> {
        self.stage(|prepare| prepare.join(request))
    }

    fn token(&mut self, hash: u8, voter: bool, ttl_ms: u64) {
        let token = JoinToken {
            hash: Sha256([hash; 32]),
            voter,
            expires: 0,
            taken: None,
        };
        let op = EnsembleOp::AddToken { token, ttl_ms };
        self.stage(|prepare| prepare.ensemble_op(&op)).unwrap();
        self.land();
    }

    fn voters(&self) -> Vec<u64> {
        let ensemble = self.world.tree.ensemble().unwrap();
        ensemble.voters().into_iter().map(|it| it.0).collect()
    }
}

fn remove(server: u64) -> EnsembleChange {
    EnsembleChange::Remove {
        server: ServerId(server),
    }
}

fn add(server: u64) -> EnsembleChange {
    EnsembleChange::Add {
        server: ServerId(server),
        peer_address: format!("host-{server}:1"),
        client_address: format!("host-{server}:2"),
    }
}

fn promote(server: u64) -> EnsembleChange {
    EnsembleChange::Promote {
        server: ServerId(server),
        weight: 1,
        group: 0,
    }
}

fn request(token: u8, key: u8) -> JoinRequest {
    JoinRequest {
        token: Sha256([token; 32]),
        key: Sha256([key; 32]),
        peer_address: format!("new-{key}:1"),
        client_address: format!("new-{key}:2"),
    }
}

#[test]
fn a_change_that_leaves_too_few_level_voters_is_refused_and_names_who_is_missing() {
    let mut leader = Leader::of_three();
    leader.level = BTreeSet::from([1, 2]);
    let fault = leader.change(remove(2), None).unwrap_err();
    assert_eq!(fault.code, ErrorCode::NoQuorum);
    assert!(
        fault.message.contains("server 3 would not be level"),
        "{fault}"
    );
    // Who is down can go.
    leader.changed(remove(3));
    assert_eq!(leader.voters(), [1, 2]);
}

#[test]
fn a_number_is_not_given_twice() {
    let mut leader = Leader::of_three();
    leader.changed(remove(3));
    let fault = leader.change(add(3), None).unwrap_err();
    assert_eq!(fault.code, ErrorCode::BadArguments);
    assert!(fault.message.contains("the next free one is 4"), "{fault}");
    leader.changed(add(4));
}

#[test]
fn the_next_change_waits_until_the_one_before_is_settled() {
    let mut leader = Leader::of_three();
    leader.change(remove(3), None).unwrap();
    let in_flight = leader.change(remove(2), None).unwrap_err();
    assert_eq!(in_flight.code, ErrorCode::ReconfigInProgress);
    leader.land();
    let joint = leader.change(remove(2), None).unwrap_err();
    assert_eq!(joint.code, ErrorCode::ReconfigInProgress);
    assert!(
        leader
            .stage(|prepare| Ok(prepare.settle_ensemble()))
            .unwrap()
    );
    leader.land();
    leader.changed(remove(2));
    assert_eq!(leader.voters(), [1]);
}

#[test]
fn a_change_that_rests_on_another_version_is_refused() {
    let mut leader = Leader::of_three();
    let version = leader.world.tree.ensemble().unwrap().version;
    let fault = leader.change(add(4), Some(version + 1)).unwrap_err();
    assert_eq!(fault.code, ErrorCode::BadVersion);
    leader.change(add(4), Some(version)).unwrap();
}

#[test]
fn only_an_observer_that_is_level_becomes_a_voter() {
    let mut leader = Leader::of_three();
    leader.changed(add(4));
    let replace = EnsembleChange::Replace {
        old: ServerId(3),
        new: ServerId(4),
    };
    for change in [promote(4), replace.clone()] {
        let fault = leader.change(change, None).unwrap_err();
        assert_eq!(fault.code, ErrorCode::NoQuorum, "{fault}");
    }
    leader.level.insert(4);
    leader.changed(replace);
    assert_eq!(leader.voters(), [1, 2, 4]);
}

#[test]
fn an_address_belongs_to_one_member() {
    let mut leader = Leader::of_three();
    leader.changed(add(4));
    let mut taken = add(5);
    if let EnsembleChange::Add { peer_address, .. } = &mut taken {
        *peer_address = "host-4:1".to_owned();
    }
    let fault = leader.change(taken, None).unwrap_err();
    assert_eq!(fault.code, ErrorCode::BadArguments);
    assert!(fault.message.contains("server 4"), "{fault}");
}

#[test]
fn a_token_is_taken_by_one_key_and_answers_that_key_again() {
    let mut leader = Leader::of_three();
    leader.token(7, false, 60_000);
    assert_eq!(leader.join(&request(7, 1)).unwrap(), ServerId(4));
    leader.land();
    assert_eq!(leader.join(&request(7, 1)).unwrap(), ServerId(4));
    let stolen = leader.join(&request(7, 2)).unwrap_err();
    assert_eq!(stolen.code, ErrorCode::NoAuth);
    assert_eq!(
        leader.join(&request(8, 1)).unwrap_err().code,
        ErrorCode::NoAuth
    );
}

#[test]
fn a_token_ends_with_its_time_and_a_number_is_given_out_once() {
    let mut leader = Leader::of_three();
    leader.token(7, false, 2_500);
    leader.token(8, false, 60_000);
    leader.changed(add(9));
    leader.changed(remove(9));
    let late = leader.join(&request(7, 1)).unwrap_err();
    assert!(late.message.contains("expired"), "{late}");
    assert_eq!(leader.join(&request(8, 1)).unwrap(), ServerId(10));
}

#[test]
fn a_server_that_came_to_vote_is_promoted_once_it_is_level() {
    let mut leader = Leader::of_three();
    leader.token(7, true, 60_000);
    leader.join(&request(7, 1)).unwrap();
    leader.land();
    assert!(
        !leader
            .stage(|prepare| Ok(prepare.promote_joined()))
            .unwrap()
    );
    leader.level.insert(4);
    assert!(
        leader
            .stage(|prepare| Ok(prepare.promote_joined()))
            .unwrap()
    );
    leader.land();
    assert_eq!(leader.voters(), [1, 2, 3, 4]);
    // Done once, and not again after the operator has decided otherwise.
    assert!(
        leader
            .stage(|prepare| Ok(prepare.settle_ensemble()))
            .unwrap()
    );
    leader.land();
    leader.changed(EnsembleChange::Demote {
        server: ServerId(4),
    });
    assert!(
        !leader
            .stage(|prepare| Ok(prepare.promote_joined()))
            .unwrap()
    );
}
