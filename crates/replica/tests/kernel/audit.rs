//! What is written down of requests: one record for each that may change anything, whatever came of it.

use bytes::Bytes;
use zareba_model::{
    Acl, Change, CreateMode, EnsembleOp, ErrorCode, JoinToken, Op, PluginOp, Quota, Read,
    SessionId, Sha256, Write,
};
use zareba_replica::plugin::{GuestAnswer, GuestEntry, GuestFailure, Invocation, Stage};

use super::guests::{activate, call, mount, plugin};
use super::solo::{Solo, change, create, delete, path, set};

fn guest(invocation: &Invocation, _: &mut dyn Stage) -> Result<GuestAnswer, GuestFailure> {
    match &invocation.entry {
        GuestEntry::Command { op, .. } if op == "wait" => Ok(GuestAnswer::Park {
            tag: "t".to_owned(),
            timeout_ms: Some(50),
        }),
        _ => Ok(GuestAnswer::Done(Bytes::new())),
    }
}

fn multi(changes: Vec<Change>) -> Op {
    Op::Write(Write::Multi(changes))
}

fn of(op: Op) -> Change {
    match op {
        Op::Write(Write::Change(change)) => change,
        other => panic!("{other:?} is no change"),
    }
}

/// A request, with its word, its place and why it is refused.
type Case = (Op, &'static str, &'static str, Option<ErrorCode>);

/// Every kind of request that changes something, in an order in which each but the refused ones goes
/// well.
fn requests() -> Vec<Case> {
    let mut all = changes();
    all.extend(of_everybodys());
    all
}

fn changes() -> Vec<Case> {
    let large = Op::Write(Write::Change(Change::Set {
        path: path("/a"),
        data: Bytes::from(vec![0; (1 << 20) + 1]),
        version: None,
    }));
    let set_acl = Change::SetAcl {
        path: path("/a"),
        acl: Acl::open(),
        version: None,
    };
    let check = Change::Check {
        path: path("/a"),
        version: None,
    };
    let two = vec![of(set("/a", "x")), of(delete("/none"))];
    vec![
        (create("/a", CreateMode::Persistent), "create", "/a", None),
        (
            create("/a", CreateMode::Persistent),
            "create",
            "/a",
            Some(ErrorCode::NodeExists),
        ),
        (set("/a", "x"), "set", "/a", None),
        (large, "set", "/a", Some(ErrorCode::TooLarge)),
        (set("/none", "x"), "set", "/none", Some(ErrorCode::NoNode)),
        (change(check), "check", "/a", None),
        (change(set_acl), "set-acl", "/a", None),
        (multi(two), "multi", "/a", Some(ErrorCode::NoNode)),
        (multi(vec![of(set("/a", "y"))]), "multi", "/a", None),
    ]
}

/// What concerns others too, the last of which ends the session.
fn of_everybodys() -> Vec<Case> {
    let quota = Quota {
        nodes_hard: Some(9),
        ..Quota::default()
    };
    let unmount = |at| plugin(PluginOp::Unmount { path: path(at) });
    let token = EnsembleOp::AddToken {
        token: JoinToken {
            hash: Sha256([1; 32]),
            voter: true,
            expires: 0,
            taken: None,
        },
        ttl_ms: 0,
    };
    vec![
        (
            Op::Write(Write::SetQuota {
                path: path("/a"),
                quota,
            }),
            "set-quota",
            "/a",
            None,
        ),
        (delete("/a"), "delete", "/a", None),
        (
            Op::Write(Write::DeleteSubtree { path: path("/a") }),
            "delete-subtree",
            "/a",
            Some(ErrorCode::NoNode),
        ),
        (
            Op::Write(Write::KillSession(SessionId(77))),
            "kill-session",
            "0x4d",
            Some(ErrorCode::NoNode),
        ),
        (
            Op::Write(Write::Ensemble(token)),
            "ensemble",
            "token",
            Some(ErrorCode::BadArguments),
        ),
        (call("/m", "command"), "call", "/m command", None),
        (
            call("/m", "nothing"),
            "call",
            "/m nothing",
            Some(ErrorCode::NoPlugin),
        ),
        (call("/m", "query"), "call", "/m query", None),
        (unmount("/m"), "plugin-unmount", "/m", None),
        (
            unmount("/m"),
            "plugin-unmount",
            "/m",
            Some(ErrorCode::NoPlugin),
        ),
        (Op::Write(Write::CloseSession), "close-session", "", None),
    ]
}

#[test]
fn every_write_call_and_proof_is_written_down_once_whatever_comes_of_it() {
    let mut solo = Solo::with_guest(Some(guest));
    let operator = solo.enter(&[]);
    activate(&mut solo, operator, 1);
    mount(&mut solo, operator, "/m");
    let words: Vec<_> = solo.audited.drain(..).map(|record| record.op).collect();
    let expected = [
        "plugin-push",
        "plugin-register",
        "plugin-activate",
        "plugin-mount",
    ];
    assert_eq!(words, expected);
    let client = solo.enter(&["x509:CN=app"]);
    let session = solo.session(client);
    for (op, word, place, refused) in requests() {
        let shown = format!("{word} {place}");
        let found = solo.ask(client, op).err().map(|fault| fault.code);
        assert_eq!(found, refused, "{shown}");
        let records: Vec<_> = solo.audited.drain(..).collect();
        assert_eq!(records.len(), 1, "{shown}: {records:?}");
        let record = &records[0];
        assert_eq!((record.op, &*record.path), (word, place));
        assert_eq!((record.session, record.refused), (session, refused));
        assert_eq!(record.principals.len(), 1, "{shown}");
        assert_eq!(record.zxid, solo.tree().applied(), "{shown}");
    }
}

#[test]
fn a_parked_call_is_written_down_when_it_is_answered() {
    let mut solo = Solo::with_guest(Some(guest));
    let client = solo.enter(&[]);
    activate(&mut solo, client, 1);
    mount(&mut solo, client, "/m");
    solo.audited.clear();
    let xid = solo.send(client, call("/m", "wait"));
    assert!(solo.audited.is_empty(), "nothing has come of it yet");
    solo.pass(100);
    assert!(solo.told(client).answers.contains_key(&xid));
    let records: Vec<_> = solo.audited.drain(..).collect();
    assert_eq!(records.len(), 1);
    assert_eq!(records[0].path, "/m wait");
    assert_eq!(records[0].refused, Some(ErrorCode::OperationTimeout));
}

#[test]
fn identities_are_written_down_and_what_changes_nothing_is_not() {
    let mut solo = Solo::start();
    let client = solo.enter(&[]);
    solo.identify(client, "digest:a:h");
    let words: Vec<_> = solo.audited.drain(..).map(|record| record.op).collect();
    assert_eq!(words, ["authenticate"]);
    solo.done(client, Op::Read(Read::WhoAmI));
    solo.done(client, Op::Sync);
    assert!(solo.audited.is_empty());
}
