//! Samples of what sessions ask about watches, identities, lists and quotas, and of its effects.

use zareba_model::{
    Acl, Change, Claim, CreateMode, Credential, Effect, Event, EventKind, Fault, Lifetime, Op,
    Outcome, PathsPage, Quota, Read, ReadOutcome, SessionId, WatchKind, WatchOp, Write, Zxid,
};
use zareba_wire::Hello;

use super::{acl, data, fault, path, principal, stat};

pub(super) fn claim() -> Claim {
    Claim {
        scheme: "digest".to_owned(),
        credential: Credential("app:secret".to_owned()),
    }
}

pub(super) fn local() -> Hello {
    Hello::Local {
        last_zxid: Zxid::new(2, 9),
        watches: Vec::new(),
        read_only: true,
    }
}

fn quota() -> Quota {
    Quota {
        nodes_soft: Some(10),
        nodes_hard: None,
        bytes_soft: None,
        bytes_hard: Some(1 << 20),
    }
}

pub(super) fn ops() -> Vec<(&'static str, Op)> {
    let mut all = writes();
    all.extend(reads());
    all.extend(others());
    all
}

fn writes() -> Vec<(&'static str, Op)> {
    let write = |write| Op::Write(write);
    let create = |mode| {
        write(Write::Change(Change::Create {
            path: path("/a/c"),
            data: data(),
            mode,
            acl: Acl::open(),
        }))
    };
    vec![
        ("create-container", create(CreateMode::Container)),
        ("create-ttl", create(CreateMode::Ttl(60_000))),
        (
            "create-ttl-sequential",
            create(CreateMode::TtlSequential(60_000)),
        ),
        (
            "set-acl",
            write(Write::Change(Change::SetAcl {
                path: path("/a"),
                acl: acl(),
                version: Some(2),
            })),
        ),
        (
            "delete-subtree",
            write(Write::DeleteSubtree { path: path("/a") }),
        ),
        (
            "set-quota",
            write(Write::SetQuota {
                path: path("/a"),
                quota: quota(),
            }),
        ),
        ("kill-session", write(Write::KillSession(SessionId(9)))),
    ]
}

fn reads() -> Vec<(&'static str, Op)> {
    let read = |read| Op::Read(read);
    vec![
        ("acl", read(Read::Acl { path: path("/a") })),
        ("count", read(Read::Count { path: path("/a") })),
        (
            "ephemerals",
            read(Read::Ephemerals {
                session: Some(SessionId(9)),
                under: path("/a"),
                page: PathsPage {
                    after: Some(path("/a/b")),
                    limit: 100,
                },
            }),
        ),
        ("who-am-i", read(Read::WhoAmI)),
        (
            "multi-read",
            Op::MultiRead {
                reads: vec![Read::WhoAmI, Read::Count { path: path("/") }],
                linearizable: true,
            },
        ),
    ]
}

fn others() -> Vec<(&'static str, Op)> {
    vec![
        (
            "watch-add",
            Op::Watch(WatchOp::Add {
                path: path("/a"),
                recursive: true,
                since: Some(Zxid::new(2, 7)),
            }),
        ),
        (
            "watch-remove",
            Op::Watch(WatchOp::Remove {
                path: path("/a"),
                kind: WatchKind::Persistent,
            }),
        ),
        ("authenticate", Op::Authenticate(claim())),
    ]
}

pub(super) fn answers() -> Vec<(&'static str, Result<Outcome, Fault>)> {
    let missed = vec![Event {
        path: path("/a"),
        kind: EventKind::Resync,
        zxid: Zxid::new(2, 8),
    }];
    let paths = || vec![path("/a"), path("/b")];
    let reads = vec![
        Ok(ReadOutcome::Got {
            data: data(),
            stat: stat(),
        }),
        Ok(ReadOutcome::Existence(None)),
        Ok(ReadOutcome::Children {
            names: vec!["a".to_owned()],
            stat: stat(),
            more: false,
        }),
        Ok(ReadOutcome::GotAcl {
            acl: acl(),
            stat: stat(),
        }),
        Ok(ReadOutcome::Counted(7)),
        Ok(ReadOutcome::Paths {
            paths: paths(),
            more: true,
        }),
        Ok(ReadOutcome::Identities(vec![principal()])),
        Err(fault()),
    ];
    vec![
        (
            "got-acl",
            Ok(Outcome::GotAcl {
                acl: acl(),
                stat: stat(),
            }),
        ),
        ("counted", Ok(Outcome::Counted(300))),
        (
            "paths",
            Ok(Outcome::Paths {
                paths: paths(),
                more: false,
            }),
        ),
        ("identities", Ok(Outcome::Identities(vec![principal()]))),
        ("multi-read", Ok(Outcome::MultiRead(reads))),
        (
            "watching",
            Ok(Outcome::Watching {
                missed: Some(missed),
            }),
        ),
        ("watching-resync", Ok(Outcome::Watching { missed: None })),
        ("unwatched", Ok(Outcome::Unwatched)),
        ("authenticated", Ok(Outcome::Authenticated(principal()))),
        (
            "subtree-deleted",
            Ok(Outcome::SubtreeDeleted {
                deleted: 10_000,
                more: true,
            }),
        ),
        ("quota-set", Ok(Outcome::QuotaSet)),
        ("session-killed", Ok(Outcome::SessionKilled)),
    ]
}

pub(super) fn effects() -> Vec<(&'static str, Effect)> {
    let create = |lifetime| Effect::CreateNode {
        path: path("/a/c"),
        data: data(),
        acl: Acl::open(),
        lifetime,
        parent_created: 8,
    };
    vec![
        ("create-container", create(Lifetime::Container)),
        ("create-ttl", create(Lifetime::Ttl(60_000))),
        (
            "set-acl",
            Effect::SetAcl {
                path: path("/a"),
                acl: acl(),
                aversion: 3,
            },
        ),
        (
            "set-quota",
            Effect::SetQuota {
                path: path("/a"),
                quota: quota(),
            },
        ),
    ]
}
