//! One value of every message and effect, by name. Must never know how they are encoded.
//!
//! The `match`es without a wildcard make a new variant fail to compile here until it has a sample.

mod ensemble;
mod kernel;
mod plugins;

use std::collections::BTreeMap;

use bytes::Bytes;
use zareba_model::plugin::GuestEvent;
use zareba_model::{
    Acked, Acl, AclEntry, Answer, Attachment, CallId, Cause, Change, ChildrenPage, CreateMode,
    DigestMark, Effect, EnsembleChange, EnsembleOp, Epoch, ErrorCode, Event, EventKind, Fault,
    Forward, Lifetime, Limits, Mount, Op, OpDescription, Outcome, ParkedCall, Password,
    Permissions, PluginDescription, PluginOp, Principal, Read, Refused, Relay, Revision, ServerId,
    ServerStatus, SessionId, Sha256, Stat, Timer, Txn, WatchDescription, WatchKind, WatchOp,
    WatchSpec, Write, Xid, ZnodePath, Zxid,
};
use zareba_wire::{ClientMessage, Hello, JoinMessage, Joined, ServerMessage, SessionKind, Welcome};

use ensemble::{ensemble, ensemble_effects, ensemble_ops, relays_of_the_ensemble};

const SESSION: SessionId = SessionId(0x0000_0002_0000_0007);
const SHA: Sha256 = Sha256([0xab; 32]);
const PASSWORD: Password = Password([0x5a; 16]);

pub(crate) fn path(text: &str) -> ZnodePath {
    ZnodePath::parse(text).unwrap()
}

fn data() -> Bytes {
    Bytes::from_static(b"data")
}

fn acl() -> Acl {
    Acl(vec![AclEntry {
        permissions: Permissions::ALL,
        principal: principal(),
    }])
}

fn principal() -> Principal {
    Principal {
        scheme: "x509".to_owned(),
        id: "CN=app".to_owned(),
    }
}

fn stat() -> Stat {
    Stat {
        czxid: Zxid::new(1, 2),
        mzxid: Zxid::new(2, 300),
        pzxid: Zxid::new(3, 70_000),
        ctime: 1_700_000_000_000,
        mtime: 1_700_000_000_001,
        version: 3,
        cversion: 4,
        aversion: 5,
        lifetime: Lifetime::Ephemeral(SESSION),
        data_length: 6,
        num_children: 7,
    }
}

fn fault() -> Fault {
    Fault::new(ErrorCode::BadVersion, "version 3 expected, 4 found").at(1)
}

fn config() -> BTreeMap<String, String> {
    BTreeMap::from([("ttl".to_owned(), "10".to_owned())])
}

pub(crate) fn client() -> Vec<(String, ClientMessage)> {
    let attach = Hello::Attach {
        session: SESSION,
        password: PASSWORD,
        last_zxid: Zxid::new(2, 9),
        watches: vec![WatchSpec {
            path: path("/w"),
            kind: WatchKind::Children,
            absent: true,
        }],
    };
    let hellos = [
        ("open", Hello::Open { timeout_ms: 30_000 }),
        ("attach", attach),
        ("local", kernel::local()),
    ];
    let mut samples = vec![
        ("client-ping".to_owned(), ClientMessage::Ping),
        ("client-status".to_owned(), ClientMessage::Status),
        ("client-join".to_owned(), ClientMessage::Join(join())),
    ];
    for (name, hello) in hellos {
        let message = ClientMessage::Hello {
            version: 1,
            hello,
            claims: vec![kernel::claim()],
        };
        samples.push((format!("client-hello-{name}"), message));
    }
    for (name, op) in ops() {
        let message = ClientMessage::Request {
            xid: Xid(300),
            acked: acked(),
            op,
        };
        samples.push((format!("client-request-{name}"), message));
    }
    for (_, sample) in &samples {
        match sample {
            ClientMessage::Hello { hello, .. } => match hello {
                Hello::Open { .. } | Hello::Attach { .. } | Hello::Local { .. } => {}
            },
            ClientMessage::Request { .. } | ClientMessage::Ping | ClientMessage::Status => {}
            ClientMessage::Join(_) => {}
        }
    }
    samples
}

fn join() -> JoinMessage {
    JoinMessage {
        secret: [7; 32],
        request_pem: "request".to_owned(),
        peer_address: "d.example.org:7401".to_owned(),
        client_address: "d.example.org:7400".to_owned(),
    }
}

fn ops() -> Vec<(String, Op)> {
    let mut samples = vec![
        ("sync".to_owned(), Op::Sync),
        (
            "call".to_owned(),
            Op::Call {
                mount: path("/locks"),
                op: "acquire".to_owned(),
                input: Bytes::from_static(br#"{"name":"db"}"#),
            },
        ),
        (
            "multi".to_owned(),
            Op::Write(Write::Multi(changes().map(|c| c.1).collect())),
        ),
        ("close-session".to_owned(), Op::Write(Write::CloseSession)),
    ];
    samples.extend(reads().map(|(name, read)| (name.to_owned(), Op::Read(read))));
    let change = |(name, change): (&str, _)| (name.to_owned(), Op::Write(Write::Change(change)));
    samples.extend(changes().map(change));
    let plugin = |(name, op): (&str, _)| (name.to_owned(), Op::Write(Write::Plugin(op)));
    samples.extend(plugin_ops().map(plugin));
    let linearizable = |(name, read): (&str, _)| {
        let op = Op::LinearizableRead(read);
        (format!("linearizable-{name}"), op)
    };
    samples.extend(reads().take(1).map(linearizable));
    let on_ensemble = |(name, op): (&str, _)| {
        let op = Op::Write(Write::Ensemble(op));
        (format!("ensemble-{name}"), op)
    };
    samples.extend(ensemble_ops().map(on_ensemble));
    let kernel = kernel::ops().into_iter().chain(plugins::reads());
    samples.extend(kernel.map(|(name, op)| (name.to_owned(), op)));
    for (_, sample) in &samples {
        match sample {
            Op::LinearizableRead(_) => {}
            Op::Write(Write::Ensemble(EnsembleOp::Change { change, .. })) => match change {
                EnsembleChange::Add { .. } | EnsembleChange::Remove { .. } => {}
                EnsembleChange::Promote { .. } | EnsembleChange::Demote { .. } => {}
                EnsembleChange::Replace { .. } | EnsembleChange::Move { .. } => {}
            },
            Op::Write(Write::Ensemble(EnsembleOp::AddToken { .. })) => {}
            Op::Read(Read::Get { .. } | Read::Exists { .. } | Read::Children { .. }) => {}
            Op::Read(Read::Acl { .. } | Read::Count { .. } | Read::Ephemerals { .. }) => {}
            Op::Read(Read::WhoAmI) | Op::MultiRead { .. } | Op::Authenticate(_) => {}
            Op::Read(Read::PluginStats { .. } | Read::PluginLog { .. }) | Op::Explain { .. } => {}
            Op::Watch(WatchOp::Add { .. } | WatchOp::Remove { .. }) => {}
            Op::Write(Write::DeleteSubtree { .. } | Write::SetQuota { .. }) => {}
            Op::Write(Write::KillSession(_)) => {}
            Op::Write(Write::Change(change)) => match change {
                Change::Create { .. } | Change::Set { .. } => {}
                Change::Delete { .. } | Change::Check { .. } => {}
                Change::SetAcl { .. } => {}
            },
            Op::Write(Write::Plugin(op)) => match op {
                PluginOp::PushChunk { .. } | PluginOp::Register { .. } => {}
                PluginOp::Activate { .. } | PluginOp::Mount { .. } => {}
                PluginOp::Unmount { .. } | PluginOp::Configure { .. } => {}
                PluginOp::Pause { .. } | PluginOp::Resume { .. } => {}
                PluginOp::ClearQuarantine { .. } | PluginOp::Remove { .. } => {}
                PluginOp::SetPublisher { .. } | PluginOp::RequireSignatures(_) => {}
            },
            Op::Write(Write::Multi(_) | Write::CloseSession) | Op::Sync | Op::Call { .. } => {}
        }
    }
    samples
}

fn reads() -> impl Iterator<Item = (&'static str, Read)> {
    let page = ChildrenPage {
        after: Some("b".to_owned()),
        prefix: "lock-".to_owned(),
        limit: 1000,
    };
    let get = Read::Get {
        path: path("/a"),
        watch: true,
    };
    let exists = Read::Exists {
        path: path("/"),
        watch: false,
    };
    let children = Read::Children {
        path: path("/a"),
        page,
        watch: true,
    };
    [("get", get), ("exists", exists), ("children", children)].into_iter()
}

fn changes() -> impl Iterator<Item = (&'static str, Change)> {
    let create = Change::Create {
        path: path("/a/b-"),
        data: data(),
        mode: CreateMode::EphemeralSequential,
        acl: acl(),
    };
    let set = Change::Set {
        path: path("/a"),
        data: data(),
        version: Some(3),
    };
    let delete = Change::Delete {
        path: path("/a"),
        version: None,
    };
    let check = Change::Check {
        path: path("/ä"),
        version: Some(u64::MAX),
    };
    [
        ("create", create),
        ("set", set),
        ("delete", delete),
        ("check", check),
    ]
    .into_iter()
}

fn plugin_ops() -> impl Iterator<Item = (&'static str, PluginOp)> {
    let name = || "lock".to_owned();
    let push = PluginOp::PushChunk {
        name: name(),
        sha256: SHA,
        total: 1000,
        offset: 500,
        data: data(),
    };
    let register = PluginOp::Register {
        name: name(),
        sha256: SHA,
        signature: Some(plugins::signature()),
    };
    let activate = PluginOp::Activate {
        name: name(),
        sha256: SHA,
        breaking: true,
    };
    let mount = PluginOp::Mount {
        name: name(),
        path: path("/locks"),
        config: config(),
        limits: Limits::default(),
    };
    let unmount = PluginOp::Unmount {
        path: path("/locks"),
    };
    [
        ("push-chunk", push),
        ("register", register),
        ("activate", activate),
        ("mount", mount),
        ("unmount", unmount),
    ]
    .into_iter()
    .chain(plugins::ops())
}

pub(crate) fn server() -> Vec<(String, ServerMessage)> {
    let joined = Joined {
        server: ServerId(4),
        certificate_pem: "certificate".to_owned(),
        ca_pem: "ca".to_owned(),
        ensemble: ensemble(),
    };
    let welcome = ServerMessage::Welcome(Welcome {
        version: 1,
        session: SESSION,
        password: PASSWORD,
        kind: SessionKind::Full,
        timeout_ms: 30_000,
        server: ServerId(3),
        zxid: Zxid::new(2, 9),
    });
    let event = ServerMessage::Event(Event {
        path: path("/a"),
        kind: EventKind::ChildrenChanged,
        zxid: Zxid::new(2, 10),
    });
    let pong = ServerMessage::Pong {
        zxid: Zxid::new(2, 10),
    };
    let goodbye = ServerMessage::Goodbye(Fault::new(ErrorCode::NotServing, "no leader"));
    let members = ServerMessage::Members {
        version: 5,
        addresses: vec!["a:7181".to_owned(), "b:7181".to_owned()],
    };
    let mut samples = vec![
        ("server-welcome".to_owned(), welcome),
        ("server-event".to_owned(), event),
        ("server-pong".to_owned(), pong),
        ("server-goodbye".to_owned(), goodbye),
        ("server-status".to_owned(), ServerMessage::Status(status())),
        ("server-joined".to_owned(), ServerMessage::Joined(joined)),
        ("server-members".to_owned(), members),
        (
            "server-renewed".to_owned(),
            ServerMessage::Renewed { heard: 300 },
        ),
    ];
    for (name, answer) in answers() {
        let message = ServerMessage::Reply {
            xid: Xid(300),
            zxid: Zxid::new(2, 11),
            answer,
        };
        samples.push((format!("server-reply-{name}"), message));
    }
    for (_, sample) in &samples {
        match sample {
            ServerMessage::Welcome(_) | ServerMessage::Reply { .. } => {}
            ServerMessage::Event(_) | ServerMessage::Pong { .. } => {}
            ServerMessage::Goodbye(_) | ServerMessage::Status(_) => {}
            ServerMessage::Joined(_) | ServerMessage::Members { .. } => {}
            ServerMessage::Renewed { .. } => {}
        }
    }
    samples
}

fn status() -> ServerStatus {
    ServerStatus {
        server: ServerId(3),
        role: "leading".to_owned(),
        leader: Some(ServerId(3)),
        epoch: Epoch(2),
        applied: Zxid::new(2, 9),
        digest: 0x0123_4567_89ab_cdef,
        znodes: 1_000_000,
        sessions: 50,
        connections: 20,
        outstanding: 3,
        process: 4242,
        cpu_us: 1_500_000,
        may_vote: true,
        ensemble: ensemble(),
    }
}

fn answers() -> Vec<(&'static str, Answer)> {
    let created = Outcome::Created {
        path: path("/a/b-0000000001"),
        stat: stat(),
    };
    let multi = vec![
        created.clone(),
        Outcome::Set(stat()),
        Outcome::Deleted,
        Outcome::Checked,
    ];
    let got = Outcome::Got {
        data: data(),
        stat: stat(),
    };
    let children = Outcome::Children {
        names: vec!["a".to_owned(), "b".to_owned()],
        stat: stat(),
        more: true,
    };
    let mut samples = vec![
        ("created", Ok(created)),
        ("set", Ok(Outcome::Set(stat()))),
        ("deleted", Ok(Outcome::Deleted)),
        ("checked", Ok(Outcome::Checked)),
        ("multi", Ok(Outcome::Multi(multi))),
        ("got", Ok(got)),
        ("existence", Ok(Outcome::Existence(Some(stat())))),
        ("absence", Ok(Outcome::Existence(None))),
        ("children", Ok(children)),
        ("synced", Ok(Outcome::Synced)),
        ("called", Ok(Outcome::Called(data()))),
        ("plugin-done", Ok(Outcome::PluginDone)),
        ("closed", Ok(Outcome::Closed)),
        (
            "ensemble-changed",
            Ok(Outcome::EnsembleChanged { version: 300 }),
        ),
        ("token-added", Ok(Outcome::TokenAdded)),
        ("fault", Err(fault())),
        (
            "plugin-fault",
            Err(Fault::new(ErrorCode::Plugin(409), "held")),
        ),
    ];
    samples.extend(kernel::answers());
    samples.extend(plugins::answers());
    for outcome in samples
        .iter()
        .filter_map(|(_, answer)| answer.as_ref().ok())
    {
        match outcome {
            Outcome::Created { .. } | Outcome::Set(_) | Outcome::Deleted | Outcome::Checked => {}
            Outcome::Multi(_) | Outcome::Got { .. } | Outcome::Existence(_) => {}
            Outcome::Children { .. } | Outcome::Synced | Outcome::Called(_) => {}
            Outcome::PluginDone | Outcome::Closed => {}
            Outcome::EnsembleChanged { .. } | Outcome::TokenAdded => {}
            Outcome::GotAcl { .. } | Outcome::Counted(_) | Outcome::Paths { .. } => {}
            Outcome::Identities(_) | Outcome::MultiRead(_) | Outcome::Watching { .. } => {}
            Outcome::Unwatched | Outcome::Authenticated(_) | Outcome::QuotaSet => {}
            Outcome::SubtreeDeleted { .. } | Outcome::SessionKilled => {}
            Outcome::Explained(_) | Outcome::PluginStats(_) | Outcome::PluginLog { .. } => {}
        }
    }
    samples
}

fn every_relay_has_a_sample(samples: &[(&str, Relay)]) {
    for (_, sample) in samples {
        match sample {
            Relay::Forward(_) | Relay::Refused(_) | Relay::Open { .. } => {}
            Relay::Opening { .. } | Relay::Attach { .. } | Relay::Attaching { .. } => {}
            Relay::Touch { .. } | Relay::Touched { .. } | Relay::Ready { .. } => {}
            Relay::SnapshotChunk { .. } | Relay::SnapshotTaken { .. } => {}
            Relay::Confirm { .. } | Relay::Confirmed { .. } => {}
            Relay::Join { .. } | Relay::Joining { .. } | Relay::Removed { .. } => {}
        }
    }
}

fn relays_of_sessions() -> Vec<(&'static str, Relay)> {
    let open = Relay::Open {
        nonce: 9,
        password: PASSWORD,
        timeout_ms: 30_000,
    };
    let opening = Relay::Opening {
        nonce: 9,
        session: SESSION,
    };
    let attach = Relay::Attach {
        nonce: 10,
        session: SESSION,
        password: PASSWORD,
    };
    let attaching = |result| Relay::Attaching {
        nonce: 10,
        result,
        after: Zxid::new(2, 9),
    };
    let touch = |question| Relay::Touch {
        sessions: vec![SESSION, SessionId(1)],
        question,
    };
    let touched = Relay::Touched {
        question: 3,
        after: Zxid::new(2, 9),
    };
    vec![
        ("open", open),
        ("opening", opening),
        ("attach", attach),
        ("attaching", attaching(Ok(Attachment(3)))),
        ("not-attaching", attaching(Err(fault()))),
        ("touch", touch(None)),
        ("touch-and-ask", touch(Some(3))),
        ("touched", touched),
    ]
}

pub(crate) fn relays() -> Vec<(String, Relay)> {
    let forward = Relay::Forward(Forward {
        session: SESSION,
        attachment: Attachment(2),
        xid: Xid(300),
        acked: acked(),
        principals: vec![principal()],
        op: Op::Sync,
    });
    let refused = Relay::Refused(Refused {
        session: SESSION,
        xid: Xid(300),
        fault: Some(fault()),
        after: Zxid::new(2, 9),
    });
    let ready = Relay::Ready {
        server: ServerId(2),
        revisions: vec![SHA],
    };
    let chunk = Relay::SnapshotChunk {
        base: Zxid::new(2, 9),
        sequence: 4,
        records: data(),
        end: Some(Zxid::new(2, 9)),
    };
    let taken = Relay::SnapshotTaken {
        base: Zxid::new(2, 9),
        sequence: 4,
    };
    let mut samples = vec![
        ("forward", forward),
        ("refused", refused),
        ("ready", ready),
        ("snapshot-chunk", chunk),
        ("snapshot-taken", taken),
    ];
    samples.extend(relays_of_sessions());
    samples.extend(relays_of_the_ensemble());
    every_relay_has_a_sample(&samples);
    let named = |(name, relay): (&str, Relay)| (format!("relay-{name}"), relay);
    samples.into_iter().map(named).collect()
}

fn mark() -> DigestMark {
    DigestMark {
        zxid: Zxid::new(2, 8),
        digest: 0xfeed_beef,
    }
}

pub(crate) fn txns() -> Vec<(String, Txn)> {
    let txn = |cause, effects, mark| Txn {
        time: 1_700_000_000_000,
        cause,
        effects,
        mark,
    };
    let request = |answer| Cause::Request {
        session: SESSION,
        xid: Xid(300),
        acked: acked(),
        answer,
    };
    let mut samples = vec![
        ("txn-empty".to_owned(), txn(Cause::System, vec![], None)),
        (
            "txn-parked".to_owned(),
            txn(request(None), vec![], Some(mark())),
        ),
        (
            "txn-answered".to_owned(),
            txn(request(Some(Ok(Outcome::Deleted))), vec![], None),
        ),
    ];
    let effects = node_effects().into_iter().chain(plugin_effects());
    let effects = effects.chain(kernel::effects()).chain(plugins::effects());
    for (name, effect) in effects.chain(ensemble_effects()) {
        match &effect {
            Effect::CreateNode { .. } | Effect::SetNode { .. } | Effect::DeleteNode { .. } => {}
            Effect::SetAcl { .. } | Effect::SetQuota { .. } => {}
            Effect::OpenSession { .. } | Effect::AttachSession { .. } => {}
            Effect::CloseSession { .. } | Effect::ParkCall(_) | Effect::EndCall { .. } => {}
            Effect::SetTimer(_) | Effect::ClearTimer { .. } | Effect::StoreChunk { .. } => {}
            Effect::RegisterRevision { .. } | Effect::ActivateRevision { .. } => {}
            Effect::PutMount(_) | Effect::RemoveMount { .. } => {}
            Effect::SetEnsemble(_) | Effect::PutToken(_) | Effect::RemoveToken { .. } => {}
            Effect::RemoveRevision { .. } | Effect::RemovePlugin { .. } => {}
            Effect::RemoveComponent { .. } | Effect::SetPublishers(_) => {}
        }
        let sample = txn(Cause::System, vec![effect], None);
        samples.push((format!("txn-{name}"), sample));
    }
    samples
}

fn node_effects() -> Vec<(&'static str, Effect)> {
    let create = Effect::CreateNode {
        path: path("/a/b"),
        data: data(),
        acl: acl(),
        lifetime: Lifetime::Ephemeral(SESSION),
        parent_created: 4,
    };
    let set = Effect::SetNode {
        path: path("/a/b"),
        data: data(),
        version: 2,
    };
    let open = Effect::OpenSession {
        session: SESSION,
        password: PASSWORD,
        timeout_ms: 30_000,
        server: ServerId(1),
    };
    let attach = Effect::AttachSession {
        session: SESSION,
        attachment: Attachment(2),
        server: ServerId(1),
    };
    vec![
        ("create-node", create),
        ("set-node", set),
        ("delete-node", Effect::DeleteNode { path: path("/a/b") }),
        ("open-session", open),
        ("attach-session", attach),
        ("close-session", Effect::CloseSession { session: SESSION }),
    ]
}

fn plugin_effects() -> Vec<(&'static str, Effect)> {
    let park = Effect::ParkCall(ParkedCall {
        id: CallId(0x0000_0002_0000_0009),
        session: SESSION,
        xid: Xid(300),
        mount: path("/locks"),
        op: "acquire".to_owned(),
        tag: "db".to_owned(),
        since: 1_700_000_000_000,
        deadline: Some(1_700_000_010_000),
    });
    let end = Effect::EndCall {
        call: CallId(0x0000_0002_0000_0009),
        answer: Ok(Outcome::Called(data())),
    };
    let set_timer = Effect::SetTimer(Timer {
        mount: path("/locks"),
        tag: "lease".to_owned(),
        due: 1_700_000_010_000,
    });
    let clear_timer = Effect::ClearTimer {
        mount: path("/locks"),
        tag: "lease".to_owned(),
    };
    let store = Effect::StoreChunk {
        sha256: SHA,
        total: 1000,
        offset: 500,
        data: data(),
    };
    let register = Effect::RegisterRevision {
        name: "lock".to_owned(),
        revision: revision(),
    };
    let activate = Effect::ActivateRevision {
        name: "lock".to_owned(),
        sha256: SHA,
        previous: Some(SHA),
    };
    vec![
        ("park-call", park),
        ("end-call", end),
        ("set-timer", set_timer),
        ("clear-timer", clear_timer),
        ("store-chunk", store),
        ("register-revision", register),
        ("activate-revision", activate),
        ("put-mount", Effect::PutMount(mount())),
        (
            "remove-mount",
            Effect::RemoveMount {
                path: path("/locks"),
            },
        ),
    ]
}

fn revision() -> Revision {
    let op = OpDescription {
        name: "acquire".to_owned(),
        read_only: false,
        may_park: true,
        doc: "Takes the lock.".to_owned(),
        input: "{name}".to_owned(),
        output: "{fence}".to_owned(),
    };
    let watch = WatchDescription {
        pattern: "*/holder".to_owned(),
        kinds: 4,
    };
    Revision {
        sha256: SHA,
        size: 25_000,
        registered: Zxid::new(2, 5),
        description: PluginDescription {
            state_version: 1,
            doc: "Locks.".to_owned(),
            ops: vec![op],
            watches: vec![watch],
        },
        publisher: Some("ann".to_owned()),
    }
}

fn mount() -> Mount {
    let backlog = vec![
        GuestEvent::Created {
            path: "db".to_owned(),
        },
        GuestEvent::Changed {
            path: "db".to_owned(),
        },
        GuestEvent::Deleted {
            path: "db/holder".to_owned(),
            session: SESSION,
            data: data(),
        },
        GuestEvent::Cancelled {
            call: CallId(9),
            session: SESSION,
            tag: "db".to_owned(),
        },
        GuestEvent::Timer {
            tag: "lease".to_owned(),
        },
    ];
    Mount {
        path: path("/locks"),
        plugin: "lock".to_owned(),
        revision: SHA,
        config: config(),
        limits: Limits::default(),
        backlog,
        failures: 2,
        quarantined: Some("trapped".to_owned()),
        paused: Some("moving".to_owned()),
    }
}

fn acked() -> Acked {
    Acked {
        up_to: Xid(299),
        except: vec![Xid(7), Xid(290)],
    }
}
