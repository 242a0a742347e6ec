//! Plugins as a client meets them: who may call them, what they may touch, and what becomes of one that
//! fails.

use bytes::Bytes;
use zareba_model::{Acl, AclEntry, Change, CreateMode, ErrorCode, Op, Outcome, Permissions, Write};
use zareba_replica::plugin::{GuestAnswer, GuestEntry, GuestFailure, Invocation, Stage};

use super::guests::{activate, call, mount, revision};
use super::solo::{Solo, change, create, create_with, delete, path, principal, set};

/// Commands write, events of the first revision fail, those of the second note that they came.
fn guest(invocation: &Invocation, stage: &mut dyn Stage) -> Result<GuestAnswer, GuestFailure> {
    match &invocation.entry {
        GuestEntry::Command { op, .. } if op == "wait" => Ok(GuestAnswer::Park {
            tag: "t".to_owned(),
            timeout_ms: None,
        }),
        GuestEntry::Command { .. } => {
            let (data, mode) = (Bytes::new(), CreateMode::PersistentSequential);
            let created = stage.create("n-", data, mode, None);
            created.map_err(GuestFailure::Fault)?;
            Ok(GuestAnswer::Done(Bytes::new()))
        }
        GuestEntry::Event(_) => {
            let (data, mode) = (Bytes::new(), CreateMode::Persistent);
            let told = stage.create("told", data, mode, None);
            told.map_err(GuestFailure::Fault)?;
            if invocation.revision == revision(1) {
                let fault = zareba_model::Fault::new(ErrorCode::PluginTrap, "it traps");
                return Err(GuestFailure::Broken(fault));
            }
            Ok(GuestAnswer::Done(Bytes::new()))
        }
        GuestEntry::Query { .. } | GuestEntry::Migrate { .. } => {
            Ok(GuestAnswer::Done(Bytes::new()))
        }
    }
}

fn only(permissions: Permissions, who: &str) -> Acl {
    Acl(vec![AclEntry {
        permissions,
        principal: principal(who),
    }])
}

fn set_acl(at: &str, acl: Acl) -> Op {
    change(Change::SetAcl {
        path: path(at),
        acl,
        version: None,
    })
}

/// A server with a plugin at `/m`.
fn mounted() -> (Solo, zareba_replica::ConnectionId) {
    let mut solo = Solo::with_guest(Some(guest));
    let operator = solo.enter(&["x509:CN=op"]);
    activate(&mut solo, operator, 1);
    mount(&mut solo, operator, "/m");
    (solo, operator)
}

#[test]
fn a_command_needs_write_and_a_query_read_on_the_mount_under_each_scheme() {
    let all = [
        Permissions::READ,
        Permissions::WRITE,
        Permissions::CREATE,
        Permissions::DELETE,
        Permissions::ADMIN,
    ];
    let schemes = [
        ("world:anyone", "ip:::1"),
        ("digest:app:h", "digest:app:h"),
        ("ip:10.0.0.0/8", "ip:10.2.3.4"),
        ("x509:CN=app", "x509:CN=app"),
    ];
    for (named, caller) in schemes {
        for permission in all {
            let (mut solo, operator) = mounted();
            solo.done(operator, set_acl("/m", only(permission, named)));
            let client = solo.enter(&[caller]);
            for (op, needed) in [
                ("command", Permissions::WRITE),
                ("query", Permissions::READ),
            ] {
                let found = solo.ask(client, call("/m", op)).err();
                let expected = (permission != needed).then_some(ErrorCode::NoAuth);
                let found = found.map(|fault| fault.code);
                assert_eq!(found, expected, "{op} with {permission:?} for {named}");
            }
            let nodes = solo.tree().node("/m").unwrap().stat().num_children;
            assert_eq!(nodes, u64::from(permission == Permissions::WRITE));
        }
    }
    let (mut solo, operator) = mounted();
    solo.done(
        operator,
        set_acl("/m", only(Permissions::ALL, "x509:CN=app")),
    );
    let (stranger, superuser) = (solo.enter(&["x509:CN=a"]), solo.enter(&["super:op"]));
    for op in ["command", "query"] {
        assert_eq!(solo.refused(stranger, call("/m", op)), ErrorCode::NoAuth);
        solo.done(superuser, call("/m", op));
    }
}

#[test]
fn who_administers_the_ensemble_sets_a_mounts_list_and_nobody_else_changes_what_is_a_plugins() {
    let (mut solo, operator) = mounted();
    let stranger = solo.enter(&[]);
    solo.done(operator, call("/m", "command"));
    solo.done(
        operator,
        set_acl("/zareba", only(Permissions::ADMIN, "x509:CN=op")),
    );
    let list = || set_acl("/m", only(Permissions::ALL, "x509:CN=app"));
    assert_eq!(solo.refused(stranger, list()), ErrorCode::NoAuth);
    solo.done(operator, list());
    let touched = [
        set("/m", "x"),
        delete("/m"),
        create("/m/own", CreateMode::Persistent),
        set("/m/n-0000000000", "x"),
        delete("/m/n-0000000000"),
        set_acl("/m/n-0000000000", Acl::open()),
        Op::Write(Write::DeleteSubtree { path: path("/m") }),
    ];
    let superuser = solo.enter(&["super:op"]);
    for op in touched {
        for client in [stranger, operator, superuser] {
            let refused = solo.refused(client, op.clone());
            assert_eq!(refused, ErrorCode::NoAuth, "{op:?}");
        }
    }
    let stat = solo.tree().node("/m").unwrap().stat();
    assert_eq!((stat.version, stat.num_children), (0, 1));
}

#[test]
fn a_guest_reaches_nothing_outside_its_mount_whoever_calls_it() {
    fn reaching(_: &Invocation, stage: &mut dyn Stage) -> Result<GuestAnswer, GuestFailure> {
        for outside in ["/secret", "../secret", "a/../../secret", "..", "/m2"] {
            let (data, mode) = (Bytes::new(), CreateMode::Persistent);
            let refused = [
                stage.get(outside).is_err(),
                stage.exists(outside).is_err(),
                stage.children(outside, None, 9).is_err(),
                stage.set(outside, Bytes::new(), None).is_err(),
                stage.delete(outside, None).is_err(),
                stage.create(outside, data, mode, None).is_err(),
                stage.check(outside, None).is_err(),
            ];
            assert_eq!(refused, [true; 7], "{outside}");
        }
        Ok(GuestAnswer::Done(Bytes::new()))
    }
    let mut solo = Solo::with_guest(Some(reaching));
    let client = solo.enter(&["super:op"]);
    solo.done(client, create("/secret", CreateMode::Persistent));
    solo.done(client, create("/m2", CreateMode::Persistent));
    activate(&mut solo, client, 1);
    mount(&mut solo, client, "/m");
    let done = solo.done(client, call("/m", "command"));
    assert_eq!(done, Outcome::Called(Bytes::new()));
    assert_eq!(solo.tree().node("/secret").unwrap().stat().version, 0);
}

#[test]
fn a_mount_whose_events_fail_five_times_in_a_row_is_out_of_service_until_it_is_mended() {
    let (mut solo, operator) = mounted();
    let waiting = solo.enter(&[]);
    solo.send(waiting, call("/m", "wait"));
    solo.done(waiting, Op::Write(Write::CloseSession));
    let failures = |solo: &Solo| solo.tree().mount("/m").unwrap().failures;
    // The session is over although its event failed, and the mount goes on serving for now.
    assert_eq!(failures(&solo), 1);
    solo.done(operator, call("/m", "command"));
    while failures(&solo) < 5 {
        let before = failures(&solo);
        solo.done(operator, call("/m", "command"));
        solo.pass(10);
        assert!(solo.wall_ms() < 1_700_000_060_000, "{before} failures");
    }
    let refused = solo.refused(operator, call("/m", "command"));
    assert_eq!(refused, ErrorCode::PluginQuarantined);
    solo.done(operator, call("/m", "query"));
    solo.pass(10_000);
    assert_eq!(failures(&solo), 5, "it is left alone");
    assert!(
        solo.tree().node("/m/told").is_none(),
        "what failed left nothing"
    );
    activate(&mut solo, operator, 2);
    solo.done(operator, call("/m", "command"));
    solo.pass(10_000);
    assert!(
        solo.tree().node("/m/told").is_some(),
        "what waited was told"
    );
    assert!(solo.tree().mount("/m").unwrap().backlog.is_empty());
}

#[test]
fn a_mount_that_fails_now_and_then_stays_in_service() {
    fn moody(invocation: &Invocation, _: &mut dyn Stage) -> Result<GuestAnswer, GuestFailure> {
        match &invocation.entry {
            GuestEntry::Command { op, .. } if op == "wait" => Ok(GuestAnswer::Park {
                tag: "t".to_owned(),
                timeout_ms: None,
            }),
            // The seed differs from call to call.
            GuestEntry::Event(_) if invocation.seed.is_multiple_of(2) => {
                let fault = zareba_model::Fault::new(ErrorCode::PluginTrap, "it traps");
                Err(GuestFailure::Broken(fault))
            }
            _ => Ok(GuestAnswer::Done(Bytes::new())),
        }
    }
    let mut solo = Solo::with_guest(Some(moody));
    let operator = solo.enter(&[]);
    activate(&mut solo, operator, 1);
    mount(&mut solo, operator, "/m");
    let mut failed = 0;
    for _ in 0..12 {
        let waiting = solo.enter(&[]);
        solo.send(waiting, call("/m", "wait"));
        solo.done(waiting, Op::Write(Write::CloseSession));
        failed += solo.tree().mount("/m").unwrap().failures;
        solo.pass(10_000);
        assert!(solo.tree().mount("/m").unwrap().quarantined.is_none());
        assert_eq!(solo.tree().mount("/m").unwrap().failures, 0);
    }
    assert!(failed > 0, "it did fail");
}

#[test]
fn nodes_beside_a_mount_are_guarded_by_their_own_lists_only() {
    let (mut solo, operator) = mounted();
    let list = only(Permissions::ALL, "x509:CN=op");
    solo.done(operator, create_with("/n", CreateMode::Persistent, list));
    let stranger = solo.enter(&[]);
    assert_eq!(solo.refused(stranger, set("/n", "x")), ErrorCode::NoAuth);
    solo.done(stranger, call("/m", "command"));
}
