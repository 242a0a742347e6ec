//! Nodes that end by themselves: with a TTL, as an empty container, with a session.

use zareba_model::{CreateMode, ErrorCode, Op, Outcome, SessionId, Write};

use super::solo::{Solo, create, delete, set};

/// How far apart an empty container is looked at, with some room.
const LOOK_MS: u64 = 10_100;

#[test]
fn a_node_with_a_ttl_ends_when_nobody_has_set_it_for_so_long_and_not_before() {
    let mut solo = Solo::start();
    let client = solo.enter(&[]);
    solo.done(client, create("/t", CreateMode::Ttl(1_000)));
    solo.pass(900);
    solo.done(client, set("/t", "again"));
    let due = solo.wall_ms() + 1_000;
    while solo.tree().node("/t").is_some() {
        assert!(solo.wall_ms() < due + 100, "it ends at last");
        solo.pass(10);
    }
    assert!(solo.wall_ms() >= due, "it ends no earlier");
}

#[test]
fn a_node_with_a_ttl_lives_as_long_as_it_has_children() {
    let mut solo = Solo::start();
    let client = solo.enter(&[]);
    solo.done(client, create("/t", CreateMode::Ttl(100)));
    solo.done(client, create("/t/child", CreateMode::Persistent));
    solo.pass(1_000);
    assert!(solo.tree().node("/t").is_some());
    solo.done(client, delete("/t/child"));
    solo.pass(20);
    assert!(solo.tree().node("/t").is_none());
    for ttl in [0, 99, u64::MAX] {
        let refused = solo.refused(client, create("/u", CreateMode::Ttl(ttl)));
        assert_eq!(refused, ErrorCode::BadArguments, "{ttl}");
    }
    let Outcome::Created { path, .. } =
        solo.done(client, create("/s-", CreateMode::TtlSequential(100)))
    else {
        panic!("it is created");
    };
    assert_eq!(path.as_str(), "/s-0000000001");
    solo.pass(200);
    assert!(solo.tree().node(path.as_str()).is_none());
}

#[test]
fn a_container_ends_once_it_has_been_empty_for_a_while() {
    let mut solo = Solo::start();
    let client = solo.enter(&[]);
    solo.done(client, create("/fresh", CreateMode::Container));
    solo.done(client, create("/used", CreateMode::Container));
    solo.done(client, create("/used/a", CreateMode::Persistent));
    solo.pass(3 * LOOK_MS);
    assert!(solo.tree().node("/used").is_some(), "it has a child");
    solo.done(client, delete("/used/a"));
    solo.pass(LOOK_MS);
    // Looked at once at most: somebody may be about to use it again.
    solo.done(client, create("/used/b", CreateMode::Persistent));
    solo.done(client, delete("/used/b"));
    solo.pass(2 * LOOK_MS);
    assert!(solo.tree().node("/used").is_none());
    assert!(solo.tree().node("/fresh").is_some(), "it never had a child");
}

#[test]
fn an_operator_ends_anothers_session_and_its_nodes_with_it() {
    let mut solo = Solo::start();
    let (victim, operator) = (solo.enter(&[]), solo.enter(&[]));
    solo.done(victim, create("/e", CreateMode::Ephemeral));
    let kill = |session| Op::Write(Write::KillSession(session));
    let own = solo.session(operator);
    assert_eq!(solo.refused(operator, kill(own)), ErrorCode::BadArguments);
    assert_eq!(
        solo.refused(operator, kill(SessionId(77))),
        ErrorCode::NoNode
    );
    let session = solo.session(victim);
    assert_eq!(solo.done(operator, kill(session)), Outcome::SessionKilled);
    assert!(solo.tree().node("/e").is_none());
    let goodbye = solo.told(victim).goodbye.clone().unwrap();
    assert_eq!(goodbye.code, ErrorCode::SessionExpired);
}
