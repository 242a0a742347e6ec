//! A used-up epoch: the same leader goes on in a new one, without an election.

use zareba_model::{Epoch, ServerId};
use zareba_zab::Config;

use crate::cluster::{Cluster, Weather};

/// From the last proposal of the old epoch: it is sent and acked (2 messages); the followers knock
/// again and promise (4) and adopt the new epoch (2).
const MESSAGES: u64 = 8;
/// The last proposal; the promise, at the leader and then at the followers; the adoption.
const WRITES: u64 = 4;

#[test]
fn a_new_epoch_opens_without_an_election_within_a_few_messages_and_writes() {
    let mut config = Config::new(ServerId(1), (1..=5).map(ServerId));
    config.counter_max = 3;
    let mut cluster = Cluster::new(config, 1);
    cluster.ids().into_iter().for_each(|id| cluster.start(id));
    (0..1_000).for_each(|_| cluster.step());
    let leader = cluster.leader().unwrap();
    let next = |cluster: &Cluster| cluster.node(leader).zab.as_ref().unwrap().next_zxid();

    for epoch in 1..=4 {
        assert_eq!(next(&cluster).unwrap().epoch, Epoch(epoch));
        (0..3).for_each(|n| cluster.propose(leader, format!("{epoch}.{n}")));
        assert_eq!(next(&cluster), None, "the counter is used up");
        cluster.flush(leader);
        let began_at = cluster.now;
        while next(&cluster).is_none() {
            cluster.step();
            assert!(cluster.now - began_at < 1_000, "no new epoch");
        }
        let Weather {
            delay_max,
            fsync_max,
            ..
        } = cluster.weather;
        let lasted = cluster.now - began_at;
        assert!(
            lasted <= MESSAGES * delay_max + WRITES * fsync_max,
            "{lasted} ms"
        );
    }
    assert_eq!(cluster.leader(), Some(leader));
    (0..10).for_each(|_| cluster.step());
    assert_eq!(cluster.node(leader).delivered, 12);
}
