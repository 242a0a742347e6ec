//! Watches that stay: what they tell, and that nothing is lost while a client is away.

use zareba_model::limits::EVENTS_REMEMBERED_MAX;
use zareba_model::{
    Acl, AclEntry, CreateMode, ErrorCode, Op, Outcome, Permissions, Read, WatchKind, WatchOp,
    WatchSpec, Zxid,
};
use zareba_replica::ConnectionId;

use super::solo::{Solo, create, create_with, delete, exists, path, principal, set};

fn add(at: &str, recursive: bool, since: Option<Zxid>) -> Op {
    Op::Watch(WatchOp::Add {
        path: path(at),
        recursive,
        since,
    })
}

fn spec(at: &str, kind: WatchKind, absent: bool) -> WatchSpec {
    WatchSpec {
        path: path(at),
        kind,
        absent,
    }
}

fn two(solo: &mut Solo) -> (ConnectionId, ConnectionId) {
    (solo.enter(&[]), solo.enter(&[]))
}

#[test]
fn a_watch_that_stays_tells_of_everything_in_order_until_it_is_removed() {
    let mut solo = Solo::start();
    let (watcher, other) = two(&mut solo);
    solo.done(watcher, add("/a", false, None));
    for op in [
        create("/a", CreateMode::Persistent),
        set("/a", "1"),
        create("/a/b", CreateMode::Persistent),
        delete("/a/b"),
        delete("/a"),
        create("/a", CreateMode::Persistent),
    ] {
        solo.done(other, op);
    }
    let expected = [
        "Created /a",
        "Changed /a",
        "ChildrenChanged /a",
        "ChildrenChanged /a",
        "Deleted /a",
        "Created /a",
    ];
    assert_eq!(solo.events(watcher), expected);
    let (at, kind) = (path("/a"), WatchKind::Persistent);
    solo.done(watcher, Op::Watch(WatchOp::Remove { path: at, kind }));
    solo.done(other, set("/a", "2"));
    assert!(solo.events(watcher).is_empty());
}

#[test]
fn a_recursive_watch_tells_of_all_below_it_and_of_no_sibling() {
    let mut solo = Solo::start();
    let (watcher, other) = two(&mut solo);
    solo.done(watcher, add("/a", true, None));
    for op in [
        create("/a", CreateMode::Persistent),
        create("/ab", CreateMode::Persistent),
        create("/a/b", CreateMode::Persistent),
        create("/a/b/c", CreateMode::Ephemeral),
        set("/a/b/c", "1"),
        set("/ab", "1"),
    ] {
        solo.done(other, op);
    }
    let expected = [
        "Created /a",
        "Created /a/b",
        "Created /a/b/c",
        "Changed /a/b/c",
    ];
    assert_eq!(solo.events(watcher), expected);
    solo.done(other, Op::Write(zareba_model::Write::CloseSession));
    assert_eq!(solo.events(watcher), ["Deleted /a/b/c"]);
}

#[test]
fn a_watch_can_begin_in_the_past() {
    let mut solo = Solo::start();
    let (watcher, other) = two(&mut solo);
    solo.done(other, create("/a", CreateMode::Persistent));
    let since = solo.tree().applied();
    solo.done(other, create("/a/b", CreateMode::Persistent));
    solo.done(other, delete("/a/b"));
    let Outcome::Watching {
        missed: Some(missed),
    } = solo.done(watcher, add("/a", true, Some(since)))
    else {
        panic!("it is remembered");
    };
    let shown: Vec<_> = missed
        .iter()
        .map(|event| format!("{:?} {}", event.kind, event.path))
        .collect();
    assert_eq!(shown, ["Created /a/b", "Deleted /a/b"]);
}

#[test]
fn what_happened_while_a_client_was_away_is_told_when_it_is_back_even_if_it_is_undone() {
    let mut solo = Solo::start();
    let (watcher, other) = two(&mut solo);
    solo.done(other, create("/here", CreateMode::Persistent));
    solo.done(watcher, exists("/gone", true));
    solo.done(watcher, add("/r", true, None));
    let last = solo.tree().applied();
    solo.leave(watcher);
    for op in [
        create("/gone", CreateMode::Persistent),
        delete("/gone"),
        create("/r", CreateMode::Persistent),
        set("/r", "1"),
        delete("/r"),
        set("/here", "1"),
    ] {
        solo.done(other, op);
    }
    let watches = vec![
        spec("/gone", WatchKind::Data, true),
        spec("/r", WatchKind::Recursive, false),
        spec("/here", WatchKind::Data, false),
        spec("/still", WatchKind::Data, true),
    ];
    let back = solo.come_back(watcher, last, watches, &[]);
    let expected = [
        "Created /gone",
        "Created /r",
        "Changed /r",
        "Deleted /r",
        "Changed /here",
    ];
    assert_eq!(solo.events(back), expected);
    // The one-time ones that have told are gone, the others in force.
    for op in [
        set("/here", "2"),
        create("/r", CreateMode::Persistent),
        create("/still", CreateMode::Persistent),
    ] {
        solo.done(other, op);
    }
    assert_eq!(solo.events(back), ["Created /r", "Created /still"]);
}

#[test]
fn what_is_not_remembered_is_a_resync_and_never_silence() {
    let mut solo = Solo::start();
    let watcher = solo.enter(&[]);
    solo.done(watcher, create("/here", CreateMode::Persistent));
    let last = solo.tree().applied();
    for round in 0..EVENTS_REMEMBERED_MAX / 5_000 + 1 {
        let sets = (0..5_000).map(|_| zareba_model::Change::Set {
            path: path("/here"),
            data: bytes::Bytes::new(),
            version: None,
        });
        let op = Op::Write(zareba_model::Write::Multi(sets.collect()));
        assert!(
            matches!(solo.done(watcher, op), Outcome::Multi(_)),
            "round {round}"
        );
    }
    let outcome = solo.done(watcher, add("/here", false, Some(last)));
    assert_eq!(outcome, Outcome::Watching { missed: None });
    solo.leave(watcher);
    let watches = vec![
        spec("/here", WatchKind::Recursive, false),
        spec("/here", WatchKind::Data, false),
        spec("/never", WatchKind::Data, true),
    ];
    let back = solo.come_back(watcher, last, watches, &[]);
    let expected = ["Resync /here", "Changed /here", "Resync /never"];
    assert_eq!(solo.events(back), expected);
    solo.done(back, create("/here/a", CreateMode::Persistent));
    assert_eq!(
        solo.events(back),
        ["Created /here/a"],
        "the one that stays is in force"
    );
}

#[test]
fn an_event_is_told_only_to_who_may_read_the_node() {
    let mut solo = Solo::start();
    let (stranger, owner) = (solo.enter(&[]), solo.enter(&["digest:a:h"]));
    let acl = Acl(vec![AclEntry {
        permissions: Permissions::ALL,
        principal: principal("digest:a:h"),
    }]);
    for watcher in [stranger, owner] {
        solo.done(watcher, add("/", true, None));
        solo.done(watcher, exists("/a", true));
    }
    solo.done(owner, create_with("/a", CreateMode::Persistent, acl));
    solo.done(owner, set("/a", "1"));
    assert_eq!(solo.events(owner), ["Created /a", "Changed /a"]);
    assert!(solo.events(stranger).is_empty());
    let get = || {
        Op::Read(Read::Get {
            path: path("/a"),
            watch: false,
        })
    };
    assert_eq!(solo.refused(stranger, get()), ErrorCode::NoAuth);
    solo.done(stranger, exists("/a", false));
    solo.identify(stranger, "digest:a:h");
    solo.done(stranger, get());
    solo.done(owner, delete("/a"));
    assert_eq!(solo.events(stranger), ["Deleted /a"]);
}

#[test]
fn an_event_comes_before_the_answer_that_reveals_it() {
    let mut solo = Solo::start();
    let (watcher, other) = two(&mut solo);
    solo.done(watcher, add("/a", false, None));
    solo.disk_waits = true;
    solo.send(other, create("/a", CreateMode::Persistent));
    let read = solo.send(watcher, exists("/a", false));
    let early = solo.told(watcher).answers.remove(&read);
    assert!(matches!(early, Some(Ok(Outcome::Existence(None)))));
    solo.write();
    assert_eq!(solo.events(watcher), ["Created /a"]);
    let late = solo.send(watcher, exists("/a", false));
    let answer = solo.told(watcher).answers.remove(&late);
    assert!(matches!(answer, Some(Ok(Outcome::Existence(Some(_))))));
}

#[test]
fn a_watch_that_waited_in_line_behind_a_write_is_told_of_it() {
    let mut solo = Solo::start();
    let watcher = solo.enter(&[]);
    let before = solo.tree().applied();
    solo.disk_waits = true;
    let write = solo.send(watcher, create("/a", CreateMode::Persistent));
    let watch = solo.send(watcher, add("/a", false, Some(before)));
    solo.write();
    let answers = &mut solo.told(watcher).answers;
    assert!(matches!(answers.remove(&write), Some(Ok(_))));
    let Some(Ok(Outcome::Watching {
        missed: Some(missed),
    })) = answers.remove(&watch)
    else {
        panic!("the watch is in force");
    };
    let missed: Vec<_> = missed.iter().map(|event| event.path.as_str()).collect();
    assert_eq!(missed, ["/a"]);
}
