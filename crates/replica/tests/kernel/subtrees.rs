//! What is asked about a node and all below it at once.

use zareba_model::limits::SUBTREE_DELETE_MAX;
use zareba_model::{
    Acl, AclEntry, Change, CreateMode, ErrorCode, Op, Outcome, Permissions, Read, ReadOutcome,
    Write,
};

use super::solo::{Solo, create, create_with, path, principal};

fn delete_subtree(at: &str) -> Op {
    Op::Write(Write::DeleteSubtree { path: path(at) })
}

#[test]
fn a_subtree_goes_in_one_transaction_its_leaves_first() {
    let mut solo = Solo::start();
    let client = solo.enter(&[]);
    for at in ["/a", "/a/b", "/a/b/c", "/a/d", "/ab"] {
        solo.done(client, create(at, CreateMode::Persistent));
    }
    solo.done(client, create("/a/e", CreateMode::Ephemeral));
    let before = solo.tree().applied();
    let outcome = solo.done(client, delete_subtree("/a"));
    let (deleted, more) = (5, false);
    assert_eq!(outcome, Outcome::SubtreeDeleted { deleted, more });
    assert_eq!(solo.tree().applied(), before.next().unwrap());
    assert!(solo.tree().node("/a").is_none() && solo.tree().node("/ab").is_some());
    assert_eq!(
        solo.refused(client, delete_subtree("/a")),
        ErrorCode::NoNode
    );
    assert_eq!(
        solo.refused(client, delete_subtree("/")),
        ErrorCode::BadArguments
    );
    assert_eq!(
        solo.refused(client, delete_subtree("/zareba")),
        ErrorCode::NoAuth
    );
}

#[test]
fn a_large_subtree_goes_piece_by_piece() {
    let mut solo = Solo::start();
    let client = solo.enter(&[]);
    solo.done(client, create("/a", CreateMode::Persistent));
    let total = SUBTREE_DELETE_MAX + 500;
    for chunk in (0..total).collect::<Vec<_>>().chunks(5_000) {
        let changes = chunk.iter().map(|number| Change::Create {
            path: path(&format!("/a/{number}")),
            data: bytes::Bytes::new(),
            mode: CreateMode::Persistent,
            acl: Acl::open(),
        });
        solo.done(client, Op::Write(Write::Multi(changes.collect())));
    }
    let outcome = solo.done(client, delete_subtree("/a"));
    let (deleted, more) = (SUBTREE_DELETE_MAX as u64, true);
    assert_eq!(outcome, Outcome::SubtreeDeleted { deleted, more });
    let outcome = solo.done(client, delete_subtree("/a"));
    let (deleted, more) = (501, false);
    assert_eq!(outcome, Outcome::SubtreeDeleted { deleted, more });
}

#[test]
fn a_subtree_of_which_a_part_may_not_be_deleted_stays_whole() {
    let mut solo = Solo::start();
    let (client, owner) = (solo.enter(&[]), solo.enter(&["digest:a:h"]));
    let kept = Acl(vec![AclEntry {
        permissions: Permissions(31 & !Permissions::DELETE.0),
        principal: principal("world:anyone"),
    }]);
    solo.done(owner, create("/a", CreateMode::Persistent));
    solo.done(owner, create_with("/a/b", CreateMode::Persistent, kept));
    solo.done(owner, create("/a/b/c", CreateMode::Persistent));
    solo.done(owner, create("/a/z", CreateMode::Persistent));
    assert_eq!(
        solo.refused(client, delete_subtree("/a")),
        ErrorCode::NoAuth
    );
    for at in ["/a", "/a/b", "/a/b/c", "/a/z"] {
        assert!(solo.tree().node(at).is_some(), "{at}");
    }
}

#[test]
fn several_reads_see_one_point_in_time_and_each_has_its_own_result() {
    let mut solo = Solo::start();
    let client = solo.enter(&["digest:me:h"]);
    solo.done(client, create("/a", CreateMode::Persistent));
    let get = |at: &str| Read::Get {
        path: path(at),
        watch: false,
    };
    let reads = vec![
        get("/a"),
        get("/no"),
        Read::Count { path: path("/") },
        Read::WhoAmI,
    ];
    for linearizable in [false, true] {
        let reads = reads.clone();
        let Outcome::MultiRead(answers) = solo.done(
            client,
            Op::MultiRead {
                reads,
                linearizable,
            },
        ) else {
            panic!("several answers come");
        };
        let [
            Ok(ReadOutcome::Got { data, .. }),
            Err(fault),
            Ok(ReadOutcome::Counted(1)),
            Ok(who),
        ] = answers.as_slice()
        else {
            panic!("each has its own: {answers:?}");
        };
        assert_eq!((&data[..], fault.code), (&b"data"[..], ErrorCode::NoNode));
        assert_eq!(
            *who,
            ReadOutcome::Identities(vec![principal("digest:me:h")])
        );
    }
    let watching = Op::MultiRead {
        reads: vec![Read::Exists {
            path: path("/a"),
            watch: true,
        }],
        linearizable: false,
    };
    assert_eq!(solo.refused(client, watching), ErrorCode::BadArguments);
}
