//! Who may do what: every operation, by each permission, under each scheme.

use bytes::Bytes;
use zareba_model::{
    Acl, AclEntry, Change, ChildrenPage, CreateMode, ErrorCode, Op, Outcome, PathsPage,
    Permissions, Quota, Read, SessionId, Write,
};
use zareba_replica::ConnectionId;

use super::solo::{Solo, change, create, create_with, path, principal};

const FIVE: [Permissions; 5] = [
    Permissions::READ,
    Permissions::WRITE,
    Permissions::CREATE,
    Permissions::DELETE,
    Permissions::ADMIN,
];

fn only(permissions: Permissions, who: &str) -> Acl {
    Acl(vec![AclEntry {
        permissions,
        principal: principal(who),
    }])
}

/// An operation on `/n` or its child `/n/c`, with the permissions on `/n` of which one is needed; none if
/// it needs none.
type Case = (&'static str, Op, &'static [Permissions]);

fn operations() -> Vec<Case> {
    let mut all = reads();
    all.extend(writes());
    all
}

fn reads() -> Vec<Case> {
    let n = || path("/n");
    let read = |read| Op::Read(read);
    vec![
        (
            "get",
            read(Read::Get {
                path: n(),
                watch: true,
            }),
            &[Permissions::READ],
        ),
        (
            "exists",
            read(Read::Exists {
                path: n(),
                watch: true,
            }),
            &[],
        ),
        (
            "children",
            read(Read::Children {
                path: n(),
                page: ChildrenPage::default(),
                watch: false,
            }),
            &[Permissions::READ],
        ),
        (
            "acl",
            read(Read::Acl { path: n() }),
            &[Permissions::READ, Permissions::ADMIN],
        ),
        (
            "count",
            read(Read::Count { path: n() }),
            &[Permissions::READ],
        ),
        (
            "ephemerals",
            read(Read::Ephemerals {
                session: None,
                under: n(),
                page: PathsPage::default(),
            }),
            &[Permissions::READ],
        ),
    ]
}

fn writes() -> Vec<Case> {
    let n = || path("/n");
    vec![
        (
            "set",
            change(Change::Set {
                path: n(),
                data: Bytes::new(),
                version: None,
            }),
            &[Permissions::WRITE],
        ),
        (
            "create a child",
            create("/n/new", CreateMode::Persistent),
            &[Permissions::CREATE],
        ),
        (
            "delete a child",
            change(Change::Delete {
                path: path("/n/c"),
                version: None,
            }),
            &[Permissions::DELETE],
        ),
        (
            "delete a child and what is below it",
            Op::Write(Write::DeleteSubtree { path: path("/n/c") }),
            &[Permissions::DELETE],
        ),
        (
            "check",
            change(Change::Check {
                path: n(),
                version: None,
            }),
            &[Permissions::READ],
        ),
        (
            "set the list",
            change(Change::SetAcl {
                path: n(),
                acl: Acl::open(),
                version: None,
            }),
            &[Permissions::ADMIN],
        ),
    ]
}

/// A server with a node that gives `who` exactly these permissions, and a client with that identity.
fn guarded(permissions: Permissions, named: &str, caller: &[&str]) -> (Solo, ConnectionId) {
    let mut solo = Solo::start();
    let keeper = solo.enter(&["super:keeper"]);
    solo.done(
        keeper,
        create_with("/n", CreateMode::Persistent, only(permissions, named)),
    );
    solo.done(keeper, create("/n/c", CreateMode::Persistent));
    let client = solo.enter(caller);
    (solo, client)
}

#[test]
fn each_operation_needs_its_permission_under_each_scheme_and_nothing_else() {
    let schemes: [(&str, &[&str]); 5] = [
        ("world:anyone", &[]),
        ("digest:app:h", &["digest:app:h"]),
        ("ip:10.0.0.0/8", &["ip:10.2.3.4"]),
        ("x509:CN=app", &["ip:::1", "x509:CN=app"]),
        ("digest:app:h", &["x509:CN=app", "digest:app:h"]),
    ];
    for (named, caller) in schemes {
        for permission in FIVE {
            for (name, op, needed) in operations() {
                let (mut solo, client) = guarded(permission, named, caller);
                let answer = solo.ask(client, op);
                let allowed = needed.is_empty() || needed.contains(&permission);
                let found = answer.as_ref().map(|_| ()).map_err(|fault| fault.code);
                let expected = match allowed {
                    true => Ok(()),
                    false => Err(ErrorCode::NoAuth),
                };
                assert_eq!(found, expected, "{name} with {permission:?} for {named}");
            }
        }
    }
}

#[test]
fn whoever_the_list_does_not_name_gets_nothing_and_the_superuser_everything() {
    let strangers: [(&str, &[&str]); 4] = [
        ("digest:app:h", &["digest:app:other", "x509:CN=app"]),
        ("ip:10.0.0.0/8", &["ip:11.0.0.1"]),
        ("x509:CN=app", &["x509:CN=ap"]),
        ("x509:CN=app", &[]),
    ];
    for (named, caller) in strangers {
        for (name, op, needed) in operations() {
            let (mut solo, client) = guarded(Permissions::ALL, named, caller);
            let is_done = solo.ask(client, op.clone()).is_ok();
            assert_eq!(is_done, needed.is_empty(), "{name} for {caller:?}");
            let (mut solo, client) = guarded(Permissions(0), named, &["super:op"]);
            assert!(solo.ask(client, op).is_ok(), "{name} for the superuser");
        }
    }
}

#[test]
fn each_part_of_a_multi_is_checked_and_the_one_that_is_not_allowed_is_named() {
    let (mut solo, client) = guarded(Permissions::CREATE, "world:anyone", &[]);
    let changes = vec![
        Change::Create {
            path: path("/n/x"),
            data: Bytes::new(),
            mode: CreateMode::Persistent,
            acl: Acl::open(),
        },
        Change::Delete {
            path: path("/n/x"),
            version: None,
        },
    ];
    let fault = solo
        .ask(client, Op::Write(Write::Multi(changes)))
        .unwrap_err();
    assert_eq!((fault.code, fault.index), (ErrorCode::NoAuth, Some(1)));
    assert!(solo.tree().node("/n/x").is_none());
}

#[test]
fn a_list_in_flight_counts_already() {
    let mut solo = Solo::start();
    let (keeper, client) = (solo.enter(&["digest:k:h"]), solo.enter(&[]));
    solo.done(keeper, create("/n", CreateMode::Persistent));
    solo.disk_waits = true;
    solo.send(
        keeper,
        change(Change::SetAcl {
            path: path("/n"),
            acl: only(Permissions::ALL, "digest:k:h"),
            version: Some(0),
        }),
    );
    let late = solo.send(
        client,
        change(Change::Set {
            path: path("/n"),
            data: Bytes::new(),
            version: None,
        }),
    );
    solo.write();
    let answer = solo.told(client).answers.remove(&late).unwrap();
    assert_eq!(answer.unwrap_err().code, ErrorCode::NoAuth);
}

#[test]
fn a_list_has_a_version_and_auth_stands_for_who_asks() {
    let mut solo = Solo::start();
    let client = solo.enter(&["ip:::1", "digest:me:h"]);
    let auth = only(Permissions::ALL, "auth:");
    solo.done(
        client,
        create_with("/n", CreateMode::Persistent, auth.clone()),
    );
    let set = |version| {
        change(Change::SetAcl {
            path: path("/n"),
            acl: only(Permissions::ALL, "digest:me:h"),
            version,
        })
    };
    assert_eq!(solo.refused(client, set(Some(1))), ErrorCode::BadVersion);
    let Outcome::Set(stat) = solo.done(client, set(Some(0))) else {
        panic!("a list is set");
    };
    assert_eq!((stat.aversion, stat.version), (1, 0));
    let Outcome::GotAcl { acl, stat } = solo.done(client, Op::Read(Read::Acl { path: path("/n") }))
    else {
        panic!("a list is read");
    };
    assert_eq!(
        (acl, stat.aversion),
        (only(Permissions::ALL, "digest:me:h"), 1)
    );
    let nobody = solo.enter(&[]);
    let refused = solo.refused(nobody, create_with("/m", CreateMode::Persistent, auth));
    assert_eq!(refused, ErrorCode::InvalidAcl);
}

#[test]
fn who_does_not_administer_a_node_sees_no_hash_of_a_password() {
    let mut solo = Solo::start();
    let (keeper, reader) = (solo.enter(&["digest:k:hash"]), solo.enter(&[]));
    let mut acl = only(Permissions::ALL, "digest:k:hash");
    acl.0.extend(only(Permissions::READ, "world:anyone").0);
    solo.done(
        keeper,
        create_with("/n", CreateMode::Persistent, acl.clone()),
    );
    let read = || Op::Read(Read::Acl { path: path("/n") });
    let Outcome::GotAcl { acl: shown, .. } = solo.done(reader, read()) else {
        panic!("a list is read");
    };
    assert_eq!(shown.0[0].principal, principal("digest:k:x"));
    let Outcome::GotAcl { acl: shown, .. } = solo.done(keeper, read()) else {
        panic!("a list is read");
    };
    assert_eq!(shown, acl);
}

#[test]
fn the_ensemble_is_administered_by_whom_its_own_list_names() {
    let mut solo = Solo::start();
    let (operator, anybody) = (solo.enter(&["x509:CN=op"]), solo.enter(&[]));
    let at = path("/zareba");
    let lock = |acl| {
        change(Change::SetAcl {
            path: at.clone(),
            acl,
            version: None,
        })
    };
    // Open until somebody says otherwise.
    solo.done(anybody, lock(only(Permissions::ADMIN, "x509:CN=op")));
    solo.done(anybody, create("/n", CreateMode::Persistent));
    let quota = Quota {
        nodes_hard: Some(9),
        ..Quota::default()
    };
    let administrative = [
        lock(Acl::open()),
        Op::Write(Write::SetQuota {
            path: path("/n"),
            quota,
        }),
        Op::Write(Write::KillSession(SessionId(1))),
        Op::Write(Write::Plugin(zareba_model::PluginOp::Unmount {
            path: path("/n"),
        })),
    ];
    for op in administrative {
        assert_eq!(
            solo.refused(anybody, op.clone()),
            ErrorCode::NoAuth,
            "{op:?}"
        );
        if let Err(fault) = solo.ask(operator, op) {
            assert_ne!(fault.code, ErrorCode::NoAuth, "{fault}");
        }
        solo.done(operator, lock(only(Permissions::ADMIN, "x509:CN=op")));
    }
}

#[test]
fn an_identity_proved_later_counts_from_then_on() {
    let (mut solo, client) = guarded(Permissions::ALL, "digest:app:h", &[]);
    let set = || {
        change(Change::Set {
            path: path("/n"),
            data: Bytes::new(),
            version: None,
        })
    };
    assert_eq!(solo.refused(client, set()), ErrorCode::NoAuth);
    solo.identify(client, "digest:app:h");
    solo.done(client, set());
    let Outcome::Identities(who) = solo.done(client, Op::Read(Read::WhoAmI)) else {
        panic!("identities are told");
    };
    assert_eq!(who, [principal("digest:app:h")]);
}
