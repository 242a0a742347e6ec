//! The client against a server that is told every word: order, resending, watches, expiry.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a test stops at the first surprise, and measures how long it took"
)]

mod fake_server;
mod liveness;
mod local;
mod operations;
mod plugins;
mod relay;
mod sockets;
mod watches;

use std::time::{Duration, Instant};

use bytes::Bytes;
use fake_server::{Authority, FakeServer, PASSWORD, PATIENCE, Peer, SESSION, reply};
use futures::FutureExt;
use relay::Relay;
use zareba_client::{
    Client, ClientBuilder, CreateMode, Error, ErrorCode, Event, EventKind, Fault, Outcome, Profile,
    Stat, Status, WatchKind, ZnodePath, Zxid,
};
use zareba_model::{Op, Read, WatchSpec};
use zareba_wire::{ClientMessage, Hello, ServerMessage};

/// A timeout that no test lives to see.
const LONG_MS: u32 = 60_000;

fn builder(profile: Profile) -> ClientBuilder {
    let timeout = Duration::from_millis(LONG_MS.into());
    Client::builder().profile(profile).session_timeout(timeout)
}

/// A client of one server, and the server's side of it.
async fn connected(timeout_ms: u32) -> (Client, Peer, FakeServer) {
    let authority = Authority::new();
    let server = FakeServer::start(1, &authority);
    let connect = builder(authority.profile([&server])).connect();
    let (client, (peer, hello)) = tokio::join!(connect, server.welcome(timeout_ms));
    assert_eq!(
        hello,
        Hello::Open {
            timeout_ms: LONG_MS
        }
    );
    (client.unwrap(), peer, server)
}

fn path(text: &str) -> ZnodePath {
    ZnodePath::parse(text).unwrap()
}

fn got(data: &'static str) -> Outcome {
    Outcome::Got {
        data: Bytes::from(data),
        stat: Stat::default(),
    }
}

fn data_watch(node: &str, absent: bool) -> WatchSpec {
    WatchSpec {
        path: path(node),
        kind: WatchKind::Data,
        absent,
    }
}

fn attach(last_zxid: Zxid, watches: Vec<WatchSpec>) -> Hello {
    Hello::Attach {
        session: SESSION,
        password: PASSWORD,
        last_zxid,
        watches,
    }
}

fn event(node: &str, kind: EventKind) -> ServerMessage {
    ServerMessage::Event(Event {
        path: path(node),
        kind,
        zxid: Zxid::new(1, 50),
    })
}

fn goodbye(code: ErrorCode) -> ServerMessage {
    ServerMessage::Goodbye(Fault::new(code, "told so by the test"))
}

#[tokio::test]
async fn a_session_opens_and_a_request_is_answered() {
    let (client, mut peer, _server) = connected(LONG_MS).await;
    assert_eq!(client.session_id(), SESSION);
    assert!(matches!(*client.status().borrow(), Status::Attached(id) if id.0 == 1));
    let serve = async {
        let wanted = Op::Read(Read::Get {
            path: path("/a"),
            watch: false,
        });
        assert_eq!(peer.request().await, (1, 0, wanted));
        peer.reply(1, Ok(got("hello"))).await;
        let (xid, acked, _) = peer.request().await;
        assert_eq!((xid, acked), (2, 1));
        peer.reply(2, Err(Fault::new(ErrorCode::NoNode, "no /b")))
            .await;
    };
    let ask = async {
        assert_eq!(client.get("/a").await.unwrap().0, "hello");
        let refused = client.get("/b").await.unwrap_err();
        assert!(refused.is(ErrorCode::NoNode));
        assert!(refused.to_string().contains("no /b"));
    };
    tokio::join!(serve, ask);
    assert_eq!(client.last_zxid(), Zxid::new(1, 3));
    assert!(matches!(client.get("a").await, Err(Error::Path(_))));
}

#[tokio::test]
async fn all_concurrent_requests_are_in_flight_before_the_first_answer() {
    let (client, mut peer, _server) = connected(LONG_MS).await;
    let serve = async {
        for xid in 1..=500 {
            let (received, acked, _) = peer.request().await;
            assert_eq!((received, acked), (xid, 0));
        }
        let replies: Vec<_> = (1..=500).map(|xid| reply(xid, Ok(got("x")))).collect();
        peer.send(&replies).await;
    };
    let ask = futures::future::join_all((0..500).map(|_| client.get("/a")));
    let ((), answers) = tokio::join!(serve, ask);
    assert!(answers.iter().all(|answer| answer.is_ok()));
}

#[tokio::test]
async fn requests_beyond_the_limit_wait_for_answers() {
    let (client, mut peer, _server) = connected(LONG_MS).await;
    let serve = async {
        for xid in 1..=5000 {
            let (received, acked, _) = peer.request().await;
            assert_eq!(received, xid);
            assert!(acked < xid);
            peer.reply(xid, Ok(got("x"))).await;
        }
    };
    let ask = futures::future::join_all((0..5000).map(|_| client.get("/a")));
    let ((), answers) = tokio::join!(serve, ask);
    assert!(answers.iter().all(|answer| answer.is_ok()));
}

#[tokio::test]
async fn a_lost_connection_is_replaced_with_requests_resent_and_watches_kept() {
    let authority = Authority::new();
    let servers = [
        FakeServer::start(1, &authority),
        FakeServer::start(2, &authority),
    ];
    let either = || async {
        tokio::select! {
            entered = servers[0].welcome(LONG_MS) => entered,
            entered = servers[1].welcome(LONG_MS) => entered,
        }
    };
    let connect = builder(authority.profile(&servers)).connect();
    let (client, (mut peer, _)) = tokio::join!(connect, either());
    let client = client.unwrap();

    let watched = async {
        peer.request().await;
        peer.reply(1, Ok(got("v1"))).await;
        peer.request().await;
        peer.reply(2, Ok(Outcome::Existence(None))).await;
    };
    let ask = async {
        let (_, _, watch) = client.get_and_watch("/a").await.unwrap();
        let (stat, absent) = client.exists_and_watch("/b").await.unwrap();
        assert_eq!(stat, None);
        (watch, absent)
    };
    let ((), (watch, absent)) = tokio::join!(watched, ask);

    let serve = async {
        for xid in 3..=5 {
            assert_eq!(peer.request().await.0, xid);
        }
        peer.reply(4, Ok(got("parked calls may be overtaken")))
            .await;
        // The client must have read the reply before the connection breaks.
        let mut seen = false;
        while !seen {
            seen = client.last_zxid() == Zxid::new(1, 5);
            tokio::task::yield_now().await;
        }
        peer.cut();
        let (mut peer, hello) = either().await;
        let kept = vec![data_watch("/a", false), data_watch("/b", true)];
        let attach = attach(Zxid::new(1, 5), kept);
        assert_eq!(hello, attach);
        assert_eq!(peer.request().await.0, 3);
        let (xid, acked, op) = peer.request().await;
        assert_eq!((xid, acked), (5, 2));
        assert_eq!(
            op,
            Op::Read(Read::Get {
                path: path("/n5"),
                watch: false
            })
        );
        peer.reply(3, Ok(got("3"))).await;
        peer.reply(5, Ok(got("5"))).await;
        peer.send(&[
            event("/b", EventKind::Created),
            event("/a", EventKind::Changed),
        ])
        .await;
        peer
    };
    let names = ["/n3", "/n4", "/n5"];
    let ask = futures::future::join_all(names.map(|name| client.get(name)));
    let (_peer, answers) = tokio::join!(serve, ask);
    assert_eq!(answers[0].as_ref().unwrap().0, "3");
    assert_eq!(answers[2].as_ref().unwrap().0, "5");
    assert_eq!(watch.await.unwrap().kind, EventKind::Changed);
    assert_eq!(absent.await.unwrap().kind, EventKind::Created);
}

#[tokio::test]
async fn a_goodbye_of_expiry_ends_everything_at_once() {
    let (client, mut peer, _server) = connected(LONG_MS).await;
    let serve = async {
        peer.request().await;
        peer.reply(1, Ok(got("v1"))).await;
        peer.request().await;
        peer.send(&[goodbye(ErrorCode::SessionExpired)]).await;
    };
    let ask = async {
        let (_, _, watch) = client.get_and_watch("/a").await.unwrap();
        assert_eq!(client.get("/b").await.unwrap_err(), Error::SessionExpired);
        assert_eq!(watch.await.unwrap_err(), Error::SessionExpired);
    };
    tokio::join!(serve, ask);
    assert_eq!(*client.status().borrow(), Status::Expired);
    assert_eq!(client.get("/c").await.unwrap_err(), Error::SessionExpired);
    assert_eq!(client.close().await, Ok(()));
}

#[tokio::test]
async fn a_server_that_does_not_serve_is_left_for_another() {
    let (client, mut peer, server) = connected(LONG_MS).await;
    let serve = async {
        peer.request().await;
        peer.send(&[goodbye(ErrorCode::NotServing)]).await;
        let mut refusing = server.accept().await;
        refusing.receive().await;
        refusing.send(&[goodbye(ErrorCode::NotServing)]).await;
        let (mut peer, hello) = server.welcome(LONG_MS).await;
        assert!(matches!(
            hello,
            Hello::Attach {
                session: SESSION,
                ..
            }
        ));
        assert_eq!(peer.request().await.0, 1);
        peer.reply(1, Ok(got("late"))).await;
        peer
    };
    let (_peer, answer) = tokio::join!(serve, client.get("/a"));
    assert_eq!(answer.unwrap().0, "late");
}

/// What servers say of where the members are.
fn members<'a>(version: u64, servers: impl IntoIterator<Item = &'a FakeServer>) -> ServerMessage {
    let addresses = servers.into_iter().map(|it| it.address.to_string());
    ServerMessage::Members {
        version,
        addresses: addresses.collect(),
    }
}

#[tokio::test]
async fn a_server_that_the_profile_does_not_name_is_learned_of_and_used() {
    let authority = Authority::new();
    let [known, former, new] = [1, 2, 3].map(|id| FakeServer::start(id, &authority));
    let connect = builder(authority.profile([&known])).connect();
    let (client, (mut peer, _)) = tokio::join!(connect, known.welcome(LONG_MS));
    let client = client.unwrap();
    // A word that comes late is no news.
    let words = [members(7, [&known, &new]), members(6, [&former])];
    peer.send(&words).await;
    let serve = async {
        peer.request().await;
        drop(known);
        peer.cut();
        let (mut peer, _) = new.welcome(LONG_MS).await;
        assert_eq!(peer.request().await.0, 1);
        peer.reply(1, Ok(got("found"))).await;
        peer
    };
    let (_peer, answer) = tokio::join!(serve, client.get("/a"));
    assert_eq!(answer.unwrap().0, "found");
    assert!(former.incoming().now_or_never().is_none());
}

#[tokio::test]
async fn a_client_that_keeps_to_its_profile_does_not_follow_the_members() {
    let authority = Authority::new();
    let [known, other] = [1, 2].map(|id| FakeServer::start(id, &authority));
    let connect = builder(authority.profile([&known]))
        .follow_members(false)
        .connect();
    let (client, (mut peer, _)) = tokio::join!(connect, known.welcome(LONG_MS));
    let client = client.unwrap();
    peer.send(&[members(7, [&other])]).await;
    let serve = async {
        peer.request().await;
        peer.cut();
        let (mut peer, _) = known.welcome(LONG_MS).await;
        assert_eq!(peer.request().await.0, 1);
        peer.reply(1, Ok(got("again"))).await;
        peer
    };
    let (_peer, answer) = tokio::join!(serve, client.get("/a"));
    assert_eq!(answer.unwrap().0, "again");
    assert!(other.incoming().now_or_never().is_none());
}

#[tokio::test]
async fn a_client_that_no_server_can_understand_is_told_so_at_once() {
    let authority = Authority::new();
    let server = FakeServer::start(1, &authority);
    let connect = builder(authority.profile([&server])).connect();
    let serve = async {
        let mut peer = server.accept().await;
        peer.receive().await;
        peer.send(&[goodbye(ErrorCode::BadArguments)]).await;
        peer
    };
    let (refused, _peer) = tokio::join!(connect, serve);
    assert!(refused.unwrap_err().is(ErrorCode::BadArguments));
}

#[tokio::test]
async fn a_session_that_is_not_let_in_again_is_over() {
    let (client, mut peer, server) = connected(LONG_MS).await;
    let serve = async {
        peer.request().await;
        peer.cut();
        let mut peer = server.accept().await;
        peer.receive().await;
        // A wrong password is answered like an unknown session.
        peer.send(&[goodbye(ErrorCode::SessionExpired)]).await;
        peer
    };
    let (_peer, answer) = tokio::join!(serve, client.get("/a"));
    assert_eq!(answer.unwrap_err(), Error::SessionExpired);
    assert_eq!(*client.status().borrow(), Status::Expired);
}

#[tokio::test]
async fn a_parked_answer_may_come_late_and_is_not_acknowledged_before() {
    let (client, mut peer, _server) = connected(LONG_MS).await;
    let serve = async {
        assert_eq!(peer.request().await.0, 1);
        for xid in 2..=3 {
            let (received, acked, _) = peer.request().await;
            assert_eq!((received, acked), (xid, 0));
            peer.reply(xid, Ok(got("x"))).await;
        }
        peer.reply(1, Ok(Outcome::Called(Bytes::from("mine"))))
            .await;
        let (xid, acked, _) = peer.request().await;
        assert_eq!((xid, acked), (4, 3));
        peer.reply(4, Ok(Outcome::Synced)).await;
    };
    let ask = async {
        let mut parked = Box::pin(client.call("/locks", "acquire", "{}"));
        assert!(parked.as_mut().now_or_never().is_none());
        client.get("/a").await.unwrap();
        client.get("/b").await.unwrap();
        assert_eq!(parked.await.unwrap(), "mine");
        client.sync().await.unwrap();
    };
    tokio::join!(serve, ask);
}

#[tokio::test]
async fn an_event_is_told_before_the_reply_behind_it() {
    let (client, mut peer, _server) = connected(LONG_MS).await;
    let serve = async {
        peer.request().await;
        peer.reply(1, Ok(got("v1"))).await;
        peer.request().await;
        let set = reply(2, Ok(Outcome::Set(Stat::default())));
        peer.send(&[event("/a", EventKind::Changed), set]).await;
    };
    let ask = async {
        let (_, _, watch) = client.get_and_watch("/a").await.unwrap();
        client.set("/a", "v2", None).await.unwrap();
        let told = watch
            .now_or_never()
            .expect("the event came before the reply");
        assert_eq!(told.unwrap().kind, EventKind::Changed);
    };
    tokio::join!(serve, ask);
}

#[tokio::test]
async fn a_dropped_future_leaves_the_session_whole_and_is_acknowledged() {
    let (client, mut peer, _server) = connected(LONG_MS).await;
    let mut dropped = Box::pin(client.get("/a"));
    assert!(dropped.as_mut().now_or_never().is_none());
    drop(dropped);
    let serve = async {
        assert_eq!(peer.request().await.0, 1);
        peer.reply(1, Ok(got("nobody wants it"))).await;
        assert_eq!(peer.request().await.0, 2);
        peer.reply(2, Ok(Outcome::Synced)).await;
        let (xid, acked, _) = peer.request().await;
        assert_eq!((xid, acked), (3, 2));
        peer.reply(3, Ok(Outcome::Synced)).await;
    };
    let ask = async {
        client.sync().await.unwrap();
        client.sync().await.unwrap();
    };
    tokio::join!(serve, ask);
}

#[tokio::test]
async fn a_request_timeout_tells_its_caller_only() {
    let authority = Authority::new();
    let server = FakeServer::start(1, &authority);
    let builder = builder(authority.profile([&server]));
    let connect = builder.request_timeout(Duration::from_millis(50)).connect();
    let (client, (mut peer, _)) = tokio::join!(connect, server.welcome(LONG_MS));
    let client = client.unwrap();
    assert_eq!(client.get("/a").await.unwrap_err(), Error::Timeout);
    assert_eq!(peer.request().await.0, 1);
    peer.reply(1, Ok(got("late"))).await;
    let serve = async {
        assert_eq!(peer.request().await.0, 2);
        peer.reply(2, Ok(Outcome::Synced)).await;
    };
    let ((), synced) = tokio::join!(serve, client.sync());
    assert_eq!(synced, Ok(()));
}

#[tokio::test]
async fn a_session_expires_here_when_no_server_is_found_in_its_timeout() {
    let (client, mut peer, server) = connected(400).await;
    let cut = async {
        assert_eq!(peer.request().await.0, 1);
        peer.cut();
        drop(server);
    };
    let ((), answer) = tokio::join!(cut, client.get("/a"));
    assert_eq!(answer.unwrap_err(), Error::SessionExpired);
    assert_eq!(*client.status().borrow(), Status::Expired);
}

#[tokio::test]
async fn an_idle_session_pings_and_leaves_a_server_that_stays_silent() {
    let (client, mut peer, server) = connected(3_000).await;
    assert_eq!(peer.receive().await, ClientMessage::Ping);
    let told = peer.pong(Zxid::new(3, 3));
    peer.send(&told).await;
    assert_eq!(peer.receive().await, ClientMessage::Ping);
    // From here on the server is silent, although its connection lives.
    let (_peer, hello) = server.welcome(LONG_MS).await;
    let Hello::Attach {
        session: SESSION,
        last_zxid,
        ..
    } = hello
    else {
        panic!("the session must come back, not {hello:?}");
    };
    assert_eq!(last_zxid, Zxid::new(3, 3));
    let mut status = client.status();
    let attached = status.wait_for(|status| matches!(status, Status::Attached(_)));
    let attached = tokio::time::timeout(PATIENCE, attached).await;
    drop(attached.unwrap().unwrap());
}

/// A client of one server behind a relay, with another server that lets it in only later.
async fn behind_a_relay(
    authority: &Authority,
    timeout_ms: u32,
) -> (Client, Peer, Relay, FakeServer, FakeServer) {
    let doomed = FakeServer::start(1, authority);
    let survivor = FakeServer::start(2, authority);
    let relay = Relay::start(doomed.address).await;
    let endpoints = [relay.address.to_string(), survivor.address.to_string()];
    let profile = Profile::new(endpoints, authority.pem.clone());
    let refuse = async {
        loop {
            let mut peer = survivor.accept().await;
            peer.receive().await;
            peer.send(&[goodbye(ErrorCode::NotServing)]).await;
        }
    };
    let enter = async {
        let (client, (peer, _)) =
            tokio::join!(builder(profile).connect(), doomed.welcome(timeout_ms));
        (client.unwrap(), peer)
    };
    let (client, peer) = tokio::select! {
        entered = enter => entered,
        () = refuse => unreachable!("it refuses for ever"),
    };
    (client, peer, relay, doomed, survivor)
}

/// A process that is killed says nothing; only its host tells that nobody listens there.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_killed_server_is_left_within_a_moment() {
    let authority = Authority::new();
    let (client, mut peer, relay, _doomed, survivor) = behind_a_relay(&authority, LONG_MS).await;
    let serve = async {
        assert_eq!(peer.request().await.0, 1);
        relay.close().await;
        let killed = Instant::now();
        let (mut peer, _) = survivor.welcome(LONG_MS).await;
        // Silence alone would take the client away after six seconds.
        assert!(killed.elapsed() < Duration::from_secs(3));
        assert_eq!(peer.request().await.0, 1);
        peer.reply(1, Ok(got("answered"))).await;
        peer
    };
    let (_peer, answer) = tokio::join!(serve, client.get("/a"));
    assert_eq!(answer.unwrap().0, "answered");
}

/// A host that is cut off, or a process that is stopped, says nothing at all.
#[tokio::test]
async fn a_silent_host_is_left_long_before_the_timeout() {
    let authority = Authority::new();
    let (client, mut peer, relay, _doomed, survivor) = behind_a_relay(&authority, 10_000).await;
    let serve = async {
        assert_eq!(peer.request().await.0, 1);
        relay.drop_everything();
        let cut = Instant::now();
        let (mut peer, _) = survivor.welcome(LONG_MS).await;
        // A tenth of this session's timeout; two thirds would be more than six seconds.
        let silence = Duration::from_secs(1);
        assert!((silence..5 * silence).contains(&cut.elapsed()));
        assert_eq!(peer.request().await.0, 1);
        peer.reply(1, Ok(got("answered"))).await;
        peer
    };
    let (_peer, answer) = tokio::join!(serve, client.get("/a"));
    assert_eq!(answer.unwrap().0, "answered");
}

#[tokio::test]
async fn closing_waits_for_the_server_and_refuses_what_comes_later() {
    let (client, mut peer, _server) = connected(LONG_MS).await;
    let serve = async {
        let (xid, _, op) = peer.request().await;
        assert_eq!(op, Op::Write(zareba_model::Write::CloseSession));
        assert_eq!(client.get("/a").await.unwrap_err(), Error::Closed);
        peer.reply(xid, Ok(Outcome::Closed)).await;
    };
    let ((), closed) = tokio::join!(serve, client.close());
    assert_eq!(closed, Ok(()));
    assert_eq!(*client.status().borrow(), Status::Closed);
    assert_eq!(client.close().await, Ok(()));
}

#[tokio::test]
async fn dropping_the_last_clone_closes_the_session() {
    let (client, mut peer, _server) = connected(LONG_MS).await;
    drop(client.clone());
    drop(client);
    let (xid, _, op) = peer.request().await;
    assert_eq!((xid, op), (1, Op::Write(zareba_model::Write::CloseSession)));
    peer.reply(1, Ok(Outcome::Closed)).await;
    tokio::time::timeout(PATIENCE, peer.connection.closed())
        .await
        .unwrap();
}

#[tokio::test]
async fn an_ensemble_that_does_not_answer_is_named_in_the_error() {
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let profile = Profile::new([address.clone()], Authority::new().pem);
    let connect = builder(profile)
        .connect_timeout(Duration::from_millis(200))
        .connect();
    let error = connect.await.unwrap_err();
    assert!(matches!(&error, Error::Unreachable { endpoints, .. } if *endpoints == address));
}

#[tokio::test]
async fn a_server_of_another_authority_is_not_spoken_to() {
    let server = FakeServer::start(1, &Authority::new());
    let profile = Authority::new().profile([&server]);
    let connect = builder(profile)
        .connect_timeout(Duration::from_millis(200))
        .connect();
    let serve = async {
        loop {
            assert!(server.incoming().await.await.is_err());
        }
    };
    let error = tokio::select! {
        connected = connect => connected.unwrap_err(),
        () = serve => unreachable!("it waits for ever"),
    };
    assert!(error.to_string().contains("certificate"), "{error}");
    let none = builder(Profile::new(["127.0.0.1:1"], "no certificate"))
        .connect()
        .await;
    assert!(matches!(none, Err(Error::Configuration(_))));
}

#[tokio::test]
async fn a_request_that_no_frame_can_hold_is_refused_before_it_is_sent() {
    let (client, mut peer, _server) = connected(LONG_MS).await;
    let data = Bytes::from(vec![0; 9 << 20]);
    let refused = client.create("/a", data, CreateMode::Persistent).await;
    assert!(matches!(refused, Err(Error::TooLarge { .. })));
    let serve = async {
        assert_eq!(peer.request().await.0, 1);
        peer.reply(1, Ok(Outcome::Synced)).await;
    };
    let ((), synced) = tokio::join!(serve, client.sync());
    assert_eq!(synced, Ok(()));
}

#[tokio::test]
async fn a_long_list_of_children_is_put_together_from_pages() {
    let (client, mut peer, _server) = connected(LONG_MS).await;
    let page = |names: &[&str], more| Outcome::Children {
        names: names.iter().map(|name| (*name).to_owned()).collect(),
        stat: Stat::default(),
        more,
    };
    let serve = async {
        peer.request().await;
        peer.reply(1, Ok(page(&["a", "b"], true))).await;
        let (_, _, op) = peer.request().await;
        let Op::Read(Read::Children {
            page: asked,
            watch: false,
            ..
        }) = op
        else {
            panic!("a page was expected, not {op:?}");
        };
        assert_eq!(asked.after.as_deref(), Some("b"));
        peer.reply(2, Ok(page(&["c"], false))).await;
    };
    let ((), names) = tokio::join!(serve, client.children("/a"));
    assert_eq!(names.unwrap(), ["a", "b", "c"]);
}
