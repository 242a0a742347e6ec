//! Sessions of one server: they cost no transaction, and become the ensemble's when they need to.

use zareba_model::{
    CreateMode, ErrorCode, Op, Outcome, Password, Read, WatchKind, WatchSpec, Zxid,
};
use zareba_wire::{Hello, SessionKind};

use super::solo::{Solo, create, exists, path, principal};

fn local() -> Hello {
    Hello::Local {
        last_zxid: Zxid::ZERO,
        watches: Vec::new(),
        read_only: false,
    }
}

#[test]
fn a_session_of_one_server_reads_and_watches_without_a_transaction() {
    let mut solo = Solo::start();
    let writer = solo.enter(&[]);
    let before = solo.tree().applied();
    let reader = solo.come(local(), &[]);
    assert_eq!(solo.tree().applied(), before);
    let welcome = solo.told(reader).welcome.clone().unwrap();
    assert_eq!((welcome.kind, welcome.timeout_ms), (SessionKind::Local, 0));
    assert!(welcome.session.is_local() && welcome.password == Password([0; 16]));
    assert_eq!(
        solo.done(reader, exists("/a", true)),
        Outcome::Existence(None)
    );
    solo.done(writer, create("/a", CreateMode::Persistent));
    assert_eq!(solo.events(reader), ["Created /a"]);
    let refused = solo.refused(reader, create("/b", CreateMode::Persistent));
    assert_eq!(refused, ErrorCode::LocalSession);
    solo.pass(60_000);
    assert!(solo.told(reader).goodbye.is_none(), "nobody expires it");
}

#[test]
fn it_becomes_one_of_the_ensemble_and_keeps_its_watches() {
    let mut solo = Solo::start();
    let writer = solo.enter(&[]);
    let client = solo.come(local(), &[]);
    solo.done(client, exists("/a", true));
    solo.say_hello(client, Hello::Open { timeout_ms: 5_000 }, &[]);
    let welcome = solo.told(client).welcome.clone().unwrap();
    assert_eq!(welcome.kind, SessionKind::Full);
    assert!(!welcome.session.is_local());
    solo.done(writer, create("/a", CreateMode::Persistent));
    assert_eq!(solo.events(client), ["Created /a"]);
    solo.done(client, create("/b", CreateMode::Ephemeral));
    solo.say_hello(client, Hello::Open { timeout_ms: 5_000 }, &[]);
    let goodbye = solo.told(client).goodbye.clone().unwrap();
    assert_eq!(goodbye.code, ErrorCode::BadArguments);
}

#[test]
fn requests_asked_while_it_becomes_one_are_answered_in_their_order() {
    let mut solo = Solo::start();
    let client = solo.come(local(), &[]);
    solo.disk_waits = true;
    solo.say_hello(client, Hello::Open { timeout_ms: 5_000 }, &[]);
    let read = solo.send(client, exists("/a", true));
    let synced = solo.send(client, zareba_model::Op::Sync);
    solo.write();
    let welcome = solo.told(client).welcome.clone().unwrap();
    assert_eq!(welcome.kind, SessionKind::Full);
    let answers = &mut solo.told(client).answers;
    assert!(matches!(
        answers.remove(&read),
        Some(Ok(Outcome::Existence(None)))
    ));
    assert!(matches!(answers.remove(&synced), Some(Ok(Outcome::Synced))));
}

#[test]
fn a_client_that_comes_back_is_told_what_its_watches_missed() {
    let mut solo = Solo::start();
    let writer = solo.enter(&[]);
    let last_zxid = solo.tree().applied();
    solo.done(writer, create("/a", CreateMode::Persistent));
    let watches = vec![WatchSpec {
        path: path("/"),
        kind: WatchKind::Recursive,
        absent: false,
    }];
    let back = |last_zxid| Hello::Local {
        last_zxid,
        watches: watches.clone(),
        read_only: true,
    };
    let client = solo.come(back(last_zxid), &[]);
    assert_eq!(solo.events(client), ["Created /a"]);
    let ahead = Zxid::new(99, 1);
    let refused = solo.come(back(ahead), &[]);
    let goodbye = solo.told(refused).goodbye.clone().unwrap();
    assert_eq!(
        goodbye.code,
        ErrorCode::NotServing,
        "this server is behind it"
    );
}

#[test]
fn an_identity_proved_while_it_becomes_one_is_kept() {
    let mut solo = Solo::start();
    let client = solo.come(local(), &["ip:10.0.0.1"]);
    solo.disk_waits = true;
    let open = Hello::Open { timeout_ms: 5_000 };
    solo.say_hello(client, open, &["ip:10.0.0.1"]);
    solo.identify(client, "digest:a:h");
    solo.write();
    let welcome = solo.told(client).welcome.clone().unwrap();
    assert_eq!(welcome.kind, SessionKind::Full);
    let who = solo.done(client, Op::Read(Read::WhoAmI));
    let all = ["ip:10.0.0.1", "digest:a:h"].map(principal);
    assert_eq!(who, Outcome::Identities(all.to_vec()));
}
