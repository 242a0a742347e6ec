//! A plugin's life as operators steer it, and what they see of it.

use bytes::Bytes;
use ed25519_dalek::{Signer, SigningKey};
use zareba_model::limits::{
    COMPONENT_BYTES_MAX, COMPONENTS_LOOSE_BYTES_MAX, COMPONENTS_LOOSE_MAX, REVISIONS_KEPT_MAX,
};
use zareba_model::{
    Acl, AclEntry, Change, CreateMode, Effect, ErrorCode, ExplainedAnswer, Fault, MountStats, Op,
    Outcome, Permissions, PluginLogLine, PluginOp, PublisherKey, Read, Sha256, Signature,
    signed_text,
};
use zareba_replica::ConnectionId;
use zareba_replica::plugin::{GuestAnswer, GuestEntry, GuestFailure, Invocation, Stage};

use super::guests::{
    BREAKING, SLOW, activate, call, make_active, mount, plugin, push, register, revision,
};
use super::solo::{Solo, change, create, path, principal};

/// Commands write a node and log; one whose input is "fail" is refused; events of the first revision fail.
fn guest(invocation: &Invocation, stage: &mut dyn Stage) -> Result<GuestAnswer, GuestFailure> {
    let created = |stage: &mut dyn Stage, name: &str| {
        let (data, mode) = (Bytes::new(), CreateMode::PersistentSequential);
        stage
            .create(name, data, mode, None)
            .map_err(GuestFailure::Fault)
    };
    match &invocation.entry {
        GuestEntry::Command { op, .. } if op == "wait" => Ok(GuestAnswer::Park {
            tag: "t".to_owned(),
            timeout_ms: Some(50),
        }),
        GuestEntry::Command { input, .. } => {
            let name = created(stage, "n-")?;
            stage.log(3, &format!("made {name}"));
            if input.as_ref() == b"fail" {
                let fault = Fault::new(ErrorCode::Plugin(7), "as asked");
                return Err(GuestFailure::Fault(fault));
            }
            Ok(GuestAnswer::Done(Bytes::from(name)))
        }
        GuestEntry::Event(_) if invocation.revision == revision(1) => {
            let fault = Fault::new(ErrorCode::PluginTrap, "it traps");
            Err(GuestFailure::Broken(fault))
        }
        GuestEntry::Event(events) => {
            for _ in events {
                created(stage, "event-")?;
            }
            Ok(GuestAnswer::Done(Bytes::new()))
        }
        GuestEntry::Query { .. } | GuestEntry::Migrate { .. } => {
            Ok(GuestAnswer::Done(Bytes::new()))
        }
    }
}

/// A server with a revision at `/m`.
fn mounted(number: u8) -> (Solo, ConnectionId) {
    let mut solo = Solo::with_guest(Some(guest));
    let operator = solo.enter(&["x509:CN=op"]);
    activate(&mut solo, operator, number);
    mount(&mut solo, operator, "/m");
    (solo, operator)
}

fn names(solo: &Solo, prefix: &str) -> usize {
    let page = zareba_model::ChildrenPage {
        prefix: prefix.to_owned(),
        ..zareba_model::ChildrenPage::default()
    };
    let (path, watch) = (path("/m"), false);
    match solo.tree().read(&Read::Children { path, page, watch }) {
        Ok(Outcome::Children { names, .. }) => names.len(),
        other => panic!("{other:?}"),
    }
}

fn stats(solo: &mut Solo, client: ConnectionId) -> MountStats {
    let read = Read::PluginStats { mount: None };
    match solo.done(client, Op::Read(read)) {
        Outcome::PluginStats(mut mounts) => mounts.pop().unwrap(),
        other => panic!("{other:?}"),
    }
}

fn log(solo: &mut Solo, client: ConnectionId, after: u64) -> (Vec<PluginLogLine>, u64) {
    let mount = Some(path("/m"));
    match solo.done(client, Op::Read(Read::PluginLog { mount, after })) {
        Outcome::PluginLog { lines, last } => (lines, last),
        other => panic!("{other:?}"),
    }
}

fn with_input(input: &'static [u8]) -> Op {
    Op::Call {
        mount: path("/m"),
        op: "command".to_owned(),
        input: Bytes::from_static(input),
    }
}

fn remove(number: Option<u8>) -> Op {
    plugin(PluginOp::Remove {
        name: "guest".to_owned(),
        sha256: number.map(revision),
    })
}

#[test]
fn the_last_revisions_are_kept_and_those_in_use_for_ever() {
    let (mut solo, operator) = mounted(1);
    activate(&mut solo, operator, 2);
    for number in 3..30 {
        solo.done(operator, plugin(push(number)));
        solo.done(operator, plugin(register(number, None)));
    }
    let kept: Vec<_> = solo.tree().plugin("guest").unwrap().revisions.clone();
    let kept: Vec<u8> = kept.iter().map(|it| it.sha256.0[0]).collect();
    assert_eq!(kept.len(), REVISIONS_KEPT_MAX);
    assert_eq!(kept[..2], [1, 2], "the active one and the one before it");
    assert_eq!(kept[2..], [22, 23, 24, 25, 26, 27, 28, 29]);
    // Their components are kept, and no others.
    assert_eq!(solo.tree().components().count(), REVISIONS_KEPT_MAX);
    solo.done(operator, plugin(make_active(1, false)));
    assert_eq!(
        solo.refused(operator, plugin(make_active(3, false))),
        ErrorCode::NoNode
    );
    // One that has gone can come again.
    activate(&mut solo, operator, 3);
    solo.done(operator, call("/m", "command"));
}

#[test]
fn components_that_become_nothing_make_room_for_others() {
    let mut solo = Solo::start();
    let operator = solo.enter(&[]);
    let address = |number: u8| Sha256([number; 32]);
    // The first pieces of the largest components, which are never completed.
    let begin = |number| {
        plugin(PluginOp::PushChunk {
            name: "guest".to_owned(),
            sha256: address(number),
            total: COMPONENT_BYTES_MAX,
            offset: 0,
            data: Bytes::from_static(b"x"),
        })
    };
    for number in 1..40 {
        solo.done(operator, begin(number));
    }
    let most = usize::try_from(COMPONENTS_LOOSE_BYTES_MAX / COMPONENT_BYTES_MAX).unwrap();
    assert_eq!(solo.tree().components().count(), most);
    for number in 0..=300_u16 {
        let mut sha256 = [0xff; 32];
        sha256[..2].copy_from_slice(&number.to_be_bytes());
        let push = PluginOp::PushChunk {
            name: "guest".to_owned(),
            sha256: Sha256(sha256),
            total: 1,
            offset: 0,
            data: Bytes::from_static(b"x"),
        };
        solo.done(operator, plugin(push));
    }
    assert_eq!(solo.tree().components().count(), COMPONENTS_LOOSE_MAX);
    // Who pushed one that had to go is told to do it again.
    let gone = (1..40).find(|number| solo.tree().component(&address(*number)).is_none());
    let gone = gone.unwrap();
    let refused = solo.refused(operator, plugin(register(gone, None)));
    assert_eq!(refused, ErrorCode::NoNode);
    solo.done(operator, plugin(push(gone)));
    solo.done(operator, plugin(register(gone, None)));
}

#[test]
fn what_breaks_callers_is_activated_only_on_demand() {
    let (mut solo, operator) = mounted(2);
    solo.done(operator, plugin(push(BREAKING)));
    solo.done(operator, plugin(register(BREAKING, None)));
    let refused = solo.ask(operator, plugin(make_active(BREAKING, false)));
    let refused = refused.unwrap_err();
    assert_eq!(refused.code, ErrorCode::PluginBreaking);
    assert!(refused.message.contains("operation wait goes"), "{refused}");
    solo.done(operator, plugin(make_active(BREAKING, true)));
    let record = solo.tree().plugin("guest").unwrap();
    assert_eq!(
        (record.active, record.previous),
        (Some(revision(BREAKING)), Some(revision(2)))
    );
    // Asked for again, nothing changes: neither does the way back.
    solo.done(operator, plugin(make_active(BREAKING, true)));
    let record = solo.tree().plugin("guest").unwrap();
    assert_eq!(record.previous, Some(revision(2)));
}

#[test]
fn a_plugin_in_use_is_not_removed() {
    let (mut solo, operator) = mounted(1);
    activate(&mut solo, operator, 2);
    assert_eq!(solo.refused(operator, remove(None)), ErrorCode::NotEmpty);
    assert_eq!(solo.refused(operator, remove(Some(2))), ErrorCode::NotEmpty);
    assert_eq!(solo.refused(operator, remove(Some(3))), ErrorCode::NoNode);
    solo.done(operator, remove(Some(1)));
    assert!(solo.tree().component(&revision(1)).is_none());
    solo.done(operator, plugin(PluginOp::Unmount { path: path("/m") }));
    solo.done(operator, remove(None));
    assert!(solo.tree().plugin("guest").is_none());
    assert_eq!(solo.tree().components().count(), 0);
    assert_eq!(solo.refused(operator, remove(None)), ErrorCode::NoPlugin);
    // And comes again.
    activate(&mut solo, operator, 2);
}

#[test]
fn a_paused_plugin_answers_queries_and_takes_its_events_later() {
    let (mut solo, operator) = mounted(2);
    let waiting = solo.send(operator, call("/m", "wait"));
    solo.done(
        operator,
        plugin(PluginOp::Pause {
            path: path("/m"),
            reason: "moving house".to_owned(),
        }),
    );
    let refused = solo.ask(operator, call("/m", "command")).unwrap_err();
    assert_eq!(refused.code, ErrorCode::PluginPaused);
    assert!(refused.message.contains("moving house"), "{refused}");
    solo.done(operator, call("/m", "query"));
    // The call's time passes; its plugin hears of it when it is resumed.
    solo.pass(1_000);
    assert!(
        solo.told(operator)
            .answers
            .remove(&waiting)
            .unwrap()
            .is_err()
    );
    assert_eq!(names(&solo, "event-"), 0);
    solo.done(operator, plugin(PluginOp::Resume { path: path("/m") }));
    assert_eq!(names(&solo, "event-"), 1);
    solo.done(operator, call("/m", "command"));
}

#[test]
fn a_plugin_out_of_service_is_put_back_with_its_events_or_without() {
    for drop_events in [false, true] {
        let (mut solo, operator) = mounted(1);
        solo.send(operator, call("/m", "wait"));
        solo.pass(60_000);
        assert_eq!(
            solo.refused(operator, call("/m", "command")),
            ErrorCode::PluginQuarantined
        );
        let clear = plugin(PluginOp::ClearQuarantine {
            path: path("/m"),
            drop_events,
        });
        solo.done(operator, clear);
        solo.done(operator, call("/m", "command"));
        solo.pass(60_000);
        // What it could not take it still cannot take.
        let answer = solo.ask(operator, call("/m", "command"));
        assert_eq!(answer.is_ok(), drop_events, "{answer:?}");
    }
}

#[test]
fn a_mount_is_configured_anew_while_it_runs() {
    let (mut solo, operator) = mounted(2);
    let limits = zareba_model::Limits {
        warm: true,
        ..zareba_model::Limits::default()
    };
    let configure = |value: String| {
        plugin(PluginOp::Configure {
            path: path("/m"),
            config: [("k".to_owned(), value)].into(),
            limits,
        })
    };
    solo.done(operator, configure("v".to_owned()));
    let mount = solo.tree().mount("/m").unwrap();
    assert_eq!((mount.config["k"].as_str(), mount.limits.warm), ("v", true));
    let refused = solo.refused(operator, configure("v".repeat(1 << 20)));
    assert_eq!(refused, ErrorCode::TooLarge);
}

#[test]
fn who_may_do_what_with_a_plugin_is_said_by_its_list() {
    let (mut solo, operator) = mounted(2);
    let entry = |permissions, who| AclEntry {
        permissions,
        principal: principal(who),
    };
    let set = |at: &str, acl| {
        let (path, version) = (path(at), None);
        change(Change::SetAcl { path, acl, version })
    };
    let list = Acl(vec![
        entry(Permissions::CREATE, "x509:CN=builder"),
        entry(Permissions::WRITE, "x509:CN=releaser"),
        entry(Permissions::ADMIN, "x509:CN=keeper"),
    ]);
    solo.done(
        operator,
        set(
            "/zareba",
            Acl(vec![entry(Permissions::ADMIN, "x509:CN=op")]),
        ),
    );
    let people = ["x509:CN=builder", "x509:CN=releaser", "x509:CN=keeper"];
    let people = people.map(|who| solo.enter(&[who]));
    let steps = || {
        [
            vec![plugin(push(3)), plugin(register(3, None))],
            vec![plugin(make_active(3, true)), plugin(make_active(2, true))],
            vec![
                plugin(PluginOp::Pause {
                    path: path("/m"),
                    reason: String::new(),
                }),
                plugin(PluginOp::Resume { path: path("/m") }),
                set("/zareba/plugins/guest", list.clone()),
            ],
        ]
    };
    for person in people {
        for op in steps().into_iter().flatten() {
            assert_eq!(solo.refused(person, op), ErrorCode::NoAuth);
        }
    }
    solo.done(operator, set("/zareba/plugins/guest", list.clone()));
    for (may, ops) in steps().into_iter().enumerate() {
        for op in ops {
            for (index, person) in people.into_iter().enumerate() {
                if index != may {
                    assert_eq!(
                        solo.refused(person, op.clone()),
                        ErrorCode::NoAuth,
                        "{op:?}"
                    );
                }
            }
            solo.done(people[may], op);
        }
    }
    // What is not about this plugin is not theirs.
    for person in people {
        let required = plugin(PluginOp::RequireSignatures(true));
        assert_eq!(solo.refused(person, required), ErrorCode::NoAuth);
    }
    let acl = Read::Acl {
        path: path("/zareba/plugins/guest"),
    };
    let Outcome::GotAcl { acl, stat } = solo.done(operator, Op::Read(acl)) else {
        panic!("a list is read");
    };
    assert_eq!((acl, stat.aversion), (list, 2));
}

#[test]
fn where_signatures_are_required_nothing_else_is_put_to_use() {
    let (mut solo, operator) = mounted(2);
    let key = SigningKey::from_bytes(&[5; 32]);
    let publisher = |key| {
        plugin(PluginOp::SetPublisher {
            name: "ann".to_owned(),
            key,
        })
    };
    let public = PublisherKey(key.verifying_key().to_bytes());
    solo.done(operator, publisher(Some(public)));
    solo.done(operator, plugin(PluginOp::RequireSignatures(true)));
    // What runs goes on; what was not signed is not activated again.
    solo.done(operator, call("/m", "command"));
    assert_eq!(
        solo.refused(operator, plugin(make_active(2, false))),
        ErrorCode::PluginRefused
    );
    solo.done(operator, plugin(push(3)));
    assert_eq!(
        solo.refused(operator, plugin(register(3, None))),
        ErrorCode::PluginRefused
    );
    let sign = |number| Signature {
        publisher: "ann".to_owned(),
        bytes: key
            .sign(&signed_text("guest", &revision(number)))
            .to_bytes()
            .to_vec()
            .into(),
    };
    let wrong = plugin(register(3, Some(sign(2))));
    assert_eq!(solo.refused(operator, wrong), ErrorCode::PluginRefused);
    solo.done(operator, plugin(register(3, Some(sign(3)))));
    solo.done(operator, plugin(make_active(3, false)));
    // A signature can be brought later.
    solo.done(operator, plugin(register(2, Some(sign(2)))));
    solo.done(operator, plugin(make_active(2, false)));
    solo.done(operator, publisher(None));
    assert_eq!(
        solo.refused(operator, plugin(make_active(3, false))),
        ErrorCode::PluginRefused
    );
    assert_eq!(solo.refused(operator, publisher(None)), ErrorCode::NoNode);
    let weak = publisher(Some(PublisherKey([0; 32])));
    assert_eq!(solo.refused(operator, weak), ErrorCode::BadArguments);
}

#[test]
fn what_a_call_would_do_is_told_and_not_done() {
    let (mut solo, operator) = mounted(2);
    let before = solo.tree().digest();
    let explain = |op: &str, input: &'static [u8]| Op::Explain {
        mount: path("/m"),
        op: op.to_owned(),
        input: Bytes::from_static(input),
    };
    let mut ask = |op, input| match solo.done(operator, explain(op, input)) {
        Outcome::Explained(explained) => *explained,
        other => panic!("{other:?}"),
    };
    let told = ask("command", b"");
    let name = Bytes::from_static(b"n-0000000000");
    assert_eq!(told.answer, Ok(ExplainedAnswer::Done(name)));
    assert!(
        matches!(&told.effects[..], [Effect::CreateNode { path, .. }] if path.as_str() == "/m/n-0000000000")
    );
    assert_eq!(told.log, [(3, "made n-0000000000".to_owned())]);
    let refused = ask("command", b"fail");
    assert_eq!(refused.answer.unwrap_err().code, ErrorCode::Plugin(7));
    assert!(refused.effects.is_empty());
    let parks = ask("wait", b"");
    assert!(matches!(parks.answer, Ok(ExplainedAnswer::Parks { .. })));
    assert!(matches!(
        ask("query", b"").answer,
        Ok(ExplainedAnswer::Done(_))
    ));
    assert_eq!(solo.tree().digest(), before);
    assert!(log(&mut solo, operator, 0).0.is_empty());
    assert!(stats(&mut solo, operator).ops.is_empty());
    assert_eq!(
        solo.refused(operator, explain("nothing", b"")),
        ErrorCode::NoPlugin
    );
    // The same permissions as for the call itself.
    let acl = Acl(vec![AclEntry {
        permissions: Permissions::READ,
        principal: principal("world:anyone"),
    }]);
    let (at, version) = (path("/m"), None);
    solo.done(
        operator,
        change(Change::SetAcl {
            path: at,
            acl,
            version,
        }),
    );
    assert_eq!(
        solo.refused(operator, explain("command", b"")),
        ErrorCode::NoAuth
    );
    // And what is asked next comes out as told.
    solo.done(operator, create("/n", CreateMode::Persistent));
}

#[test]
fn what_a_plugin_does_is_counted_and_its_log_is_kept() {
    let (mut solo, operator) = mounted(1);
    for input in [&b""[..], b"", b"fail"] {
        let _answer = solo.ask(operator, with_input(input));
    }
    solo.done(operator, call("/m", "query"));
    solo.send(operator, call("/m", "wait"));
    let seen = stats(&mut solo, operator);
    assert_eq!((seen.parked, seen.ready), (1, true));
    assert!(seen.oldest_parked.is_some());
    let op = |name: &str| {
        let found = seen.ops.iter().find(|op| op.op == name);
        found.unwrap_or_else(|| panic!("{name} was called"))
    };
    assert_eq!(op("command").calls, 3);
    assert_eq!(op("command").faults, [(7, 1)].into());
    assert_eq!(op("command").commit.count, 2);
    assert_eq!((op("query").calls, op("wait").parked), (1, 1));
    let (lines, last) = log(&mut solo, operator, 0);
    let lines: Vec<_> = lines
        .iter()
        .map(|it| (it.number, it.text.as_str()))
        .collect();
    // What is refused takes back its nodes, not its words.
    assert_eq!(
        lines,
        [
            (1, "made n-0000000000"),
            (2, "made n-0000000001"),
            (3, "made n-0000000002")
        ]
    );
    assert_eq!(last, 3);
    assert_eq!(log(&mut solo, operator, 2).0.len(), 1);
    // Its event traps, for the call's time is over.
    solo.pass(60_000);
    let seen = stats(&mut solo, operator);
    let events = seen.ops.iter().find(|op| op.op == "on-event").unwrap();
    assert_eq!(events.traps, [(ErrorCode::PluginTrap.number(), 5)].into());
    solo.done(operator, plugin(PluginOp::Unmount { path: path("/m") }));
    let read = Read::PluginStats { mount: None };
    assert_eq!(
        solo.done(operator, Op::Read(read)),
        Outcome::PluginStats(Vec::new())
    );
}

#[test]
fn a_plugin_that_had_its_share_waits_and_nobody_else_does() {
    let (mut solo, operator) = mounted(2);
    mount(&mut solo, operator, "/n");
    solo.done(operator, with_input(SLOW));
    let refused = solo.ask(operator, call("/m", "command")).unwrap_err();
    assert_eq!(refused.code, ErrorCode::Throttled);
    assert!(refused.message.contains("50 %"), "{refused}");
    solo.done(operator, call("/n", "command"));
    solo.done(operator, call("/m", "query"));
    solo.done(operator, create("/o", CreateMode::Persistent));
    let read = Read::PluginStats {
        mount: Some(path("/m")),
    };
    let Outcome::PluginStats(seen) = solo.done(operator, Op::Read(read)) else {
        panic!("what was seen is read");
    };
    assert_eq!(seen[0].throttled, 1);
    // It has had 50 ms too much, which is half of 100.
    solo.pass(100);
    solo.done(operator, call("/m", "command"));
}
