//! Plugins, their calls, the lock and the servers' status, against a server that is told every
//! word. Knows no WebAssembly.

use std::collections::BTreeMap;

use zareba_client::{Limits, Sha256};
use zareba_model::limits::COMPONENT_CHUNK_BYTES_MAX;
use zareba_model::{PluginOp, Write};

use super::*;

/// Calls that a busy machine may disturb.
const TRIES: usize = 20;

fn not_ready() -> Fault {
    Fault::new(ErrorCode::PluginNotReady, "still being compiled")
}

fn called(output: &'static str) -> Outcome {
    Outcome::Called(Bytes::from(output))
}

/// The next request, which must be a call at `/locks`: its xid, operation and input.
async fn lock_call(peer: &mut Peer) -> (u64, String, serde_json::Value) {
    let (xid, _, op) = peer.request().await;
    let Op::Call { mount, op, input } = op else {
        panic!("a call was expected, not {op:?}");
    };
    assert_eq!(mount, path("/locks"));
    (xid, op, serde_json::from_slice(&input).unwrap())
}

async fn plugin_op(peer: &mut Peer) -> (u64, PluginOp) {
    match peer.request().await {
        (xid, _, Op::Write(Write::Plugin(op))) => (xid, op),
        other => panic!("a plugin operation was expected, not {other:?}"),
    }
}

#[tokio::test]
async fn a_component_comes_in_pieces_and_is_registered_once_it_is_compiled() {
    let (client, mut peer, _server) = connected(LONG_MS).await;
    let component = Bytes::from(vec![3; 2 * COMPONENT_CHUNK_BYTES_MAX + 5]);
    let total = component.len() as u64;
    let serve = async {
        let mut arrived = Vec::new();
        let mut address = None;
        nothing_has_come(&mut peer).await;
        while arrived.len() < component.len() {
            let (xid, op) = plugin_op(&mut peer).await;
            let PluginOp::PushChunk {
                name,
                sha256,
                total: announced,
                offset,
                data,
            } = op
            else {
                panic!("a chunk was expected, not {op:?}");
            };
            assert_eq!(name, "lock");
            assert_eq!((announced, offset), (total, arrived.len() as u64));
            assert_eq!(*address.get_or_insert(sha256), sha256);
            arrived.extend_from_slice(&data);
            peer.reply(xid, Ok(Outcome::PluginDone)).await;
        }
        assert_eq!(arrived, component);
        let sha256 = address.unwrap();
        let register = PluginOp::Register {
            name: "lock".to_owned(),
            sha256,
            signature: None,
        };
        for answer in [Err(not_ready()), Err(not_ready()), Ok(Outcome::PluginDone)] {
            let (xid, op) = plugin_op(&mut peer).await;
            assert_eq!(op, register);
            peer.reply(xid, answer).await;
        }
        sha256
    };
    let mut steps = Vec::new();
    let push = client.push_plugin("lock", component.clone(), |done, of| steps.push((done, of)));
    let (sha256, pushed) = tokio::join!(serve, push);
    assert_eq!(pushed, Ok(sha256));
    let chunk = COMPONENT_CHUNK_BYTES_MAX as u64;
    assert_eq!(
        steps,
        [
            (0, total),
            (chunk, total),
            (2 * chunk, total),
            (total, total)
        ]
    );
}

/// Answers the question how much of a component has come.
async fn nothing_has_come(peer: &mut Peer) {
    let (xid, _, op) = peer.request().await;
    assert!(matches!(op, Op::Read(Read::Get { .. })), "{op:?}");
    let none = Fault::new(ErrorCode::NoNode, "no such component");
    peer.reply(xid, Err(none)).await;
}

#[tokio::test]
async fn a_push_goes_on_where_the_ensemble_stands() {
    let (client, mut peer, _server) = connected(LONG_MS).await;
    let component = Bytes::from(vec![3; 100]);
    let serve = async {
        // Somebody pushes the same, and what has come is told; then the ensemble has let go of all of it.
        for (received, refusal) in [
            (40, Some(ErrorCode::BadArguments)),
            (60, Some(ErrorCode::BadArguments)),
            (100, None),
        ] {
            let (xid, _, op) = peer.request().await;
            assert!(matches!(op, Op::Read(Read::Get { .. })), "{op:?}");
            let data = format!("{{\"total\":100,\"received\":{received}}}").into();
            let stat = zareba_model::Stat::default();
            peer.reply(xid, Ok(Outcome::Got { data, stat })).await;
            let (xid, op) = plugin_op(&mut peer).await;
            match (op, refusal) {
                (PluginOp::PushChunk { offset, data, .. }, Some(code)) => {
                    assert_eq!((offset, data.len() as u64), (received, 100 - received));
                    peer.reply(xid, Err(Fault::new(code, "elsewhere"))).await;
                }
                (PluginOp::Register { .. }, None) => peer.reply(xid, Ok(Outcome::PluginDone)).await,
                (op, _) => panic!("{op:?}"),
            }
        }
    };
    let push = client.push_plugin("lock", component.clone(), |_, _| {});
    let ((), pushed) = tokio::join!(serve, push);
    assert!(pushed.is_ok(), "{pushed:?}");
}

#[tokio::test]
async fn a_plugin_is_activated_mounted_and_unmounted_as_asked() {
    let (client, mut peer, _server) = connected(LONG_MS).await;
    let sha256 = Sha256([9; 32]);
    let name = || "lock".to_owned();
    let config = BTreeMap::from([("fair".to_owned(), "yes".to_owned())]);
    let limits = Limits::default();
    let expected = [
        PluginOp::Activate {
            name: name(),
            sha256,
            breaking: false,
        },
        PluginOp::Mount {
            name: name(),
            path: path("/locks"),
            config: config.clone(),
            limits,
        },
        PluginOp::Unmount {
            path: path("/locks"),
        },
    ];
    let serve = async {
        for expected in expected {
            let (xid, op) = plugin_op(&mut peer).await;
            assert_eq!(op, expected);
            peer.reply(xid, Ok(Outcome::PluginDone)).await;
        }
    };
    let ask = async {
        client.activate_plugin("lock", sha256).await.unwrap();
        let mounted = client.mount_plugin("lock", "/locks", config, limits).await;
        mounted.unwrap();
        client.unmount_plugin("/locks").await.unwrap();
    };
    tokio::join!(serve, ask);
}

#[tokio::test]
async fn a_call_is_sent_again_while_the_plugin_is_compiled() {
    let (client, mut peer, _server) = connected(LONG_MS).await;
    let serve = async {
        for xid in 1..=3 {
            let (received, op, input) = lock_call(&mut peer).await;
            let count = serde_json::json!({"n": 1});
            assert_eq!((received, op.as_str(), input), (xid, "count", count));
            let answer = if xid < 3 {
                Err(not_ready())
            } else {
                Ok(called("2"))
            };
            peer.reply(xid, answer).await;
        }
        let (xid, ..) = lock_call(&mut peer).await;
        let held = Fault::new(ErrorCode::Plugin(1), "held");
        peer.reply(xid, Err(held)).await;
    };
    let ask = async {
        let input = serde_json::json!({"n": 1});
        assert_eq!(client.call_json("/locks", "count", &input).await, Ok(2));
        // Other faults are the caller's at once.
        let refused = client.call("/locks", "try", "{}").await.unwrap_err();
        assert!(refused.is(ErrorCode::Plugin(1)));
    };
    tokio::join!(serve, ask);
}

#[tokio::test]
async fn a_call_is_not_sent_again_beyond_the_request_timeout() {
    let authority = Authority::new();
    let server = FakeServer::start(1, &authority);
    let builder = builder(authority.profile([&server]));
    let connect = builder.request_timeout(Duration::from_secs(1)).connect();
    let (client, (mut peer, _)) = tokio::join!(connect, server.welcome(LONG_MS));
    let client = client.unwrap();
    let serve = async {
        loop {
            let (xid, ..) = lock_call(&mut peer).await;
            peer.reply(xid, Err(not_ready())).await;
        }
    };
    let ask = async {
        // Where the machine holds up the answer to the last attempt until the time is over, nobody
        // knows what came of it, and the call says so. A client that never stops by itself never says
        // anything else.
        for _ in 0..TRIES {
            let refused = client.call("/locks", "acquire", "{}").await.unwrap_err();
            if refused.is(ErrorCode::PluginNotReady) {
                return;
            }
            assert!(matches!(refused, Error::Timeout), "{refused}");
        }
        panic!("{TRIES} calls ended with nothing but their timeout");
    };
    tokio::select! {
        () = ask => {}
        () = serve => unreachable!("it answers for ever"),
    }
}

#[tokio::test]
async fn tasks_that_share_a_session_hold_a_lock_in_turn() {
    let (client, mut peer, _server) = connected(LONG_MS).await;
    let lock = client.lock("/locks", "db").unwrap();
    let name = serde_json::json!({"name": "db"});
    let serve = async {
        for token in [r#"{"token": 7}"#, r#"{"token": 8}"#] {
            let (xid, op, input) = lock_call(&mut peer).await;
            assert_eq!((op.as_str(), &input), ("acquire", &name));
            peer.reply(xid, Ok(called(token))).await;
            let (xid, op, input) = lock_call(&mut peer).await;
            assert_eq!((op.as_str(), &input), ("release", &name));
            // The next task asks only after a release that was done.
            peer.reply(xid, Err(not_ready())).await;
            let (xid, op, _) = lock_call(&mut peer).await;
            assert_eq!(op, "release");
            peer.reply(xid, Ok(called("null"))).await;
        }
    };
    let first = async {
        let guard = lock.acquire().await.unwrap();
        assert_eq!(guard.token(), 7);
        assert!(lock.try_acquire().await.unwrap().is_none());
        guard.release().await.unwrap();
    };
    let second = async {
        let guard = lock.acquire().await.unwrap();
        assert_eq!(guard.token(), 8);
        drop(guard);
    };
    tokio::join!(serve, first, second);
}

#[tokio::test]
async fn a_lock_that_is_held_or_does_not_come_in_time_is_no_error() {
    let (client, mut peer, _server) = connected(LONG_MS).await;
    let lock = client.lock("/locks", "db").unwrap();
    let serve = async {
        let (xid, op, _) = lock_call(&mut peer).await;
        assert_eq!(op, "try");
        let held = Fault::new(ErrorCode::Plugin(1), "held");
        peer.reply(xid, Err(held)).await;
        let (xid, op, input) = lock_call(&mut peer).await;
        assert_eq!(op, "acquire");
        let patience = input["timeout_ms"].as_u64().unwrap();
        assert!((1..=5_000).contains(&patience));
        let late = Fault::new(ErrorCode::OperationTimeout, "too late");
        peer.reply(xid, Err(late)).await;
    };
    let ask = async {
        assert!(lock.try_acquire().await.unwrap().is_none());
        let patience = Duration::from_secs(5);
        assert!(lock.acquire_within(patience).await.unwrap().is_none());
    };
    tokio::join!(serve, ask);
}

#[tokio::test]
async fn a_lock_granted_to_a_dropped_future_is_released() {
    let (client, mut peer, _server) = connected(LONG_MS).await;
    let lock = client.lock("/locks", "db").unwrap();
    let mut given_up = Box::pin(lock.acquire());
    assert!(given_up.as_mut().now_or_never().is_none());
    drop(given_up);
    let (xid, op, _) = lock_call(&mut peer).await;
    assert_eq!(op, "acquire");
    peer.reply(xid, Ok(called(r#"{"token": 7}"#))).await;
    let (xid, op, _) = lock_call(&mut peer).await;
    assert_eq!(op, "release");
    peer.reply(xid, Ok(called("null"))).await;
}

#[tokio::test]
async fn a_guard_learns_that_its_session_is_over() {
    let (client, mut peer, _server) = connected(LONG_MS).await;
    let lock = client.lock("/locks", "db").unwrap();
    let serve = async {
        let (xid, ..) = lock_call(&mut peer).await;
        peer.reply(xid, Ok(called(r#"{"token": 7}"#))).await;
        peer.send(&[goodbye(ErrorCode::SessionExpired)]).await;
    };
    let hold = async {
        let guard = lock.acquire().await.unwrap();
        guard.lost().await;
        assert_eq!(guard.release().await, Err(Error::SessionExpired));
    };
    tokio::join!(serve, hold);
}

#[tokio::test]
async fn each_server_tells_its_status_or_why_it_does_not() {
    let authority = Authority::new();
    let server = FakeServer::start(1, &authority);
    let gone = Relay::start(server.address).await;
    let endpoints = [server.address.to_string(), gone.address.to_string()];
    gone.close().await;
    let profile = Profile::new(endpoints.clone(), authority.pem.clone());
    let status = zareba_client::ServerStatus {
        server: zareba_client::ServerId(1),
        role: "leading".to_owned(),
        leader: Some(zareba_client::ServerId(1)),
        epoch: zareba_model::Epoch(3),
        applied: Zxid::new(3, 4),
        digest: 5,
        znodes: 6,
        sessions: 7,
        connections: 8,
        outstanding: 9,
        process: 10,
        cpu_us: 11,
        may_vote: true,
        ensemble: zareba_model::Ensemble::default(),
    };
    let serve = async {
        let mut peer = server.accept().await;
        assert_eq!(peer.receive().await, ClientMessage::Status);
        peer.send(&[ServerMessage::Status(status.clone())]).await;
        peer
    };
    let (answers, _peer) = tokio::join!(profile.server_status(Duration::from_secs(5)), serve);
    let answers = answers.unwrap();
    assert_eq!(answers[0], Ok(status));
    let silent = answers[1].as_ref().unwrap_err();
    assert!(matches!(silent, Error::Unreachable { endpoints: e, .. } if *e == endpoints[1]));
}
