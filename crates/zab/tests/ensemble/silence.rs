//! Whose silence counts: a server that stood still itself has heard nobody, and accuses nobody.

use zareba_model::ServerId;
use zareba_zab::{Config, Input, Now, Role, Zab};

use crate::cluster::Cluster;

/// A leader and a follower of an established ensemble of three, cut out of it, and the time.
fn leader_and_follower() -> (Zab, Zab, u64) {
    let mut cluster = Cluster::new(Config::new(ServerId(1), (1..=3).map(ServerId)), 1);
    cluster.ids().into_iter().for_each(|id| cluster.start(id));
    (0..1_000).for_each(|_| cluster.step());
    let leader = cluster.leader().unwrap();
    let follower = cluster.ids().into_iter().find(|id| *id != leader).unwrap();
    let zab_of = |id| cluster.node(id).zab.clone().unwrap();
    (zab_of(leader), zab_of(follower), cluster.now)
}

fn tick(zab: &mut Zab, now_ms: u64) -> Role {
    let now = Now(now_ms * 1000);
    zab.handle(now, Input::Tick, &mut Vec::new());
    zab.flush(now, &mut Vec::new());
    zab.check_invariants();
    zab.role()
}

/// How many milliseconds, ticked in time, until the server looks for another leader.
fn patience(zab: &mut Zab, now_ms: u64) -> u64 {
    let ticks = (1..=1_000).map(|n| n * 10);
    let mut gone = ticks.filter(|ms| tick(zab, now_ms + ms) == Role::Looking);
    gone.next().expect("a silent ensemble is left")
}

#[test]
fn a_server_that_was_itself_asleep_accuses_nobody() {
    let config = Config::new(ServerId(1), [ServerId(1)]);
    let (leader, follower, now) = leader_and_follower();
    for zab in [leader, follower] {
        let silent = patience(&mut zab.clone(), now);
        assert!(silent <= config.silence_max_ms + 10, "left after {silent}");

        let mut sleeper = zab;
        let now = now + 10 * config.silence_max_ms;
        assert_ne!(tick(&mut sleeper, now), Role::Looking);
        let more = patience(&mut sleeper, now);
        let spared = config.silence_max_ms - config.tick_gap_max_ms - config.heartbeat_ms;
        assert!(more >= spared, "left {more} after it woke up");
        assert!(more <= silent, "left only {more} after it woke up");
    }
}
