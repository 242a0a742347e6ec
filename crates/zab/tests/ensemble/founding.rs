//! How an ensemble begins: all voters have nothing, and say so. A server that has lost its disk
//! cannot pass for one of them.

use zareba_model::ServerId;
use zareba_zab::{Candidate, Config, Input, Message, Now, Phase, Recovered, Vote, Zab};

use crate::cluster::Cluster;
use crate::disk::Disk;

const ONE: ServerId = ServerId(1);
const TWO: ServerId = ServerId(2);
const THREE: ServerId = ServerId(3);

/// Long enough for every election.
const STEPS: usize = 20_000;

/// Three servers that have nothing, none of them started.
fn nobody_yet(seed: u64) -> Cluster {
    let mut config = Config::new(ONE, [ONE, TWO, THREE]);
    config.may_begin = true;
    let mut cluster = Cluster::new(config, seed);
    cluster
        .ids()
        .into_iter()
        .for_each(|id| wipe(&mut cluster, id));
    cluster
}

/// A disk as a server finds it that never held a history.
fn wipe(cluster: &mut Cluster, id: ServerId) {
    let mut disk = Disk::default();
    disk.image.damaged = true;
    cluster.node_mut(id).disk = disk;
}

fn steps(cluster: &mut Cluster, steps: usize) {
    (0..steps).for_each(|_| cluster.step());
}

/// Three servers that have begun, and one transaction that all of them have.
fn an_ensemble() -> Cluster {
    an_ensemble_of(1)
}

fn an_ensemble_of(seed: u64) -> Cluster {
    let mut cluster = nobody_yet(seed);
    cluster.ids().into_iter().for_each(|id| cluster.start(id));
    steps(&mut cluster, 1_000);
    let leader = cluster.leader().expect("an ensemble begins");
    cluster.propose(leader, "a".to_owned());
    cluster.flush(leader);
    steps(&mut cluster, 100);
    for id in cluster.ids() {
        assert_eq!(cluster.node(id).delivered, 1);
        // They have held a history.
        cluster.node_mut(id).disk.image.damaged = false;
    }
    cluster
}

#[test]
fn an_ensemble_begins_when_its_last_voter_is_there_and_not_before() {
    let mut cluster = nobody_yet(1);
    cluster.start(ONE);
    cluster.start(TWO);
    steps(&mut cluster, STEPS);
    assert_eq!(cluster.leader(), None);
    cluster.start(THREE);
    steps(&mut cluster, 1_000);
    assert!(cluster.leader().is_some());
}

#[test]
fn a_voter_that_has_begun_and_has_nothing_yet_does_not_keep_the_others_from_beginning() {
    let mut cluster = nobody_yet(1);
    // Its promise was written, then the power was cut.
    cluster.node_mut(TWO).disk.image.damaged = false;
    cluster.ids().into_iter().for_each(|id| cluster.start(id));
    steps(&mut cluster, 1_000);
    assert!(cluster.leader().is_some());
}

#[test]
fn a_server_alone_begins_alone() {
    let mut config = Config::new(ONE, [ONE]);
    config.may_begin = true;
    let mut cluster = Cluster::new(config, 1);
    wipe(&mut cluster, ONE);
    cluster.start(ONE);
    steps(&mut cluster, 100);
    assert_eq!(cluster.leader(), Some(ONE));
}

#[test]
fn a_wiped_server_and_one_that_never_took_part_are_no_quorum() {
    let mut cluster = an_ensemble();
    cluster.ids().into_iter().for_each(|id| cluster.crash(id));
    // The third one has the history; nobody else knows of it.
    wipe(&mut cluster, ONE);
    wipe(&mut cluster, TWO);
    cluster.start(ONE);
    cluster.start(TWO);
    steps(&mut cluster, STEPS);
    assert_eq!(cluster.leader(), None);
    // It is one of three, and says that there is something.
    cluster.start(THREE);
    steps(&mut cluster, STEPS);
    assert_eq!(cluster.leader(), None);
}

#[test]
fn a_wiped_server_is_refilled_by_a_quorum_and_votes_again() {
    let mut cluster = an_ensemble();
    cluster.crash(ONE);
    wipe(&mut cluster, ONE);
    cluster.start(ONE);
    steps(&mut cluster, STEPS);
    assert_eq!(cluster.node(ONE).delivered, 1);
    assert!(cluster.node(ONE).zab.as_ref().unwrap().may_vote());
}

#[test]
fn a_follower_is_level_only_once_it_knows_that_it_may_vote() {
    for seed in 1..=20 {
        let mut cluster = an_ensemble_of(seed);
        cluster.crash(ONE);
        wipe(&mut cluster, ONE);
        cluster.start(ONE);
        let is_level = |cluster: &Cluster| {
            let leader = cluster.leader().filter(|leader| *leader != ONE);
            leader.is_some_and(|leader| zab(cluster, leader).is_level(ONE))
        };
        // A leader may not have noticed yet that it was down.
        while is_level(&cluster) {
            cluster.step();
        }
        for _ in 0..STEPS {
            cluster.step();
            if is_level(&cluster) {
                assert!(zab(&cluster, ONE).may_vote(), "seed {seed}");
            }
        }
        assert!(is_level(&cluster), "seed {seed}: it is level at last");
    }
}

#[test]
fn who_stands_behind_a_leader_says_too_that_it_has_nothing() {
    let mut config = Config::new(ONE, [ONE, TWO, THREE]);
    config.may_begin = true;
    let mut outputs = Vec::new();
    let mut zab = Zab::new(config, Recovered::default(), Now(0));
    let mut handle = |zab: &mut Zab, input| zab.handle(Now(1), input, &mut outputs);
    for peer in [TWO, THREE] {
        handle(&mut zab, Input::PeerUp(peer));
    }
    for (from, phase) in [(TWO, Phase::Following), (THREE, Phase::Leading)] {
        assert!(!zab.may_vote());
        let message = Message::Vote(Vote {
            round: 0,
            candidate: Candidate {
                server: THREE,
                ..Candidate::default()
            },
            phase,
            ensemble_version: 0,
        });
        handle(&mut zab, Input::Received { from, message });
    }
    assert!(zab.may_vote());
}

fn zab(cluster: &Cluster, id: ServerId) -> &Zab {
    cluster.node(id).zab.as_ref().unwrap()
}
