//! Sessions of one server, against one that is told every word: what they cost, how they become the
//! ensemble's, and what becomes of them when the connection breaks.

use zareba_client::{SessionId, SessionKind};
use zareba_model::{Change, Claim, Credential, Write};

use super::*;

fn hello(last_zxid: Zxid, watches: Vec<WatchSpec>, read_only: bool) -> Hello {
    Hello::Local {
        last_zxid,
        watches,
        read_only,
    }
}

fn open() -> Hello {
    Hello::Open {
        timeout_ms: LONG_MS,
    }
}

/// A client of one server with a session of that server's own.
async fn locally_connected() -> (Client, Peer, FakeServer) {
    let authority = Authority::new();
    let server = FakeServer::start(1, &authority);
    let connect = builder(authority.profile([&server])).local().connect();
    let welcome = server.welcome_local(1, Zxid::new(1, 1));
    let (client, (peer, said)) = tokio::join!(connect, welcome);
    assert_eq!(said, hello(Zxid::ZERO, Vec::new(), false));
    (client.unwrap(), peer, server)
}

async fn answer_get(peer: &mut Peer, expected: u64) {
    let (xid, _, op) = peer.request().await;
    assert_eq!(xid, expected);
    assert!(matches!(op, Op::Read(Read::Get { .. })), "{op:?}");
    peer.reply(xid, Ok(got("x"))).await;
}

async fn answer_set(peer: &mut Peer, expected: u64) {
    let (xid, _, op) = peer.request().await;
    assert_eq!(xid, expected);
    assert!(matches!(op, Op::Write(Write::Change(Change::Set { .. }))));
    peer.reply(xid, Ok(Outcome::Set(Stat::default()))).await;
}

/// The next message that is no ping must say that the session is to become the ensemble's.
async fn expect_open(peer: &mut Peer) {
    loop {
        match peer.receive().await {
            ClientMessage::Ping => {
                let zxid = Zxid::new(1, 1);
                peer.send(&[ServerMessage::Pong { zxid }]).await;
            }
            ClientMessage::Hello { hello, .. } => return assert_eq!(hello, open()),
            other => panic!("a hello was expected, not {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_local_session_reads_and_becomes_a_full_one_before_its_first_write() {
    let (client, mut peer, _server) = locally_connected().await;
    assert_eq!(client.session_kind(), SessionKind::Local);
    assert_eq!(client.session_id(), SessionId::local(1));
    let serve = async {
        answer_get(&mut peer, 1).await;
        expect_open(&mut peer).await;
        // What is behind the write waits with it, and what was asked before is answered meanwhile.
        let quiet = peer.receive_within(Duration::from_millis(50)).await;
        assert!(
            matches!(quiet, None | Some(ClientMessage::Ping)),
            "{quiet:?}"
        );
        assert_eq!(client.session_kind(), SessionKind::Local);
        peer.send(&[peer.granted(LONG_MS)]).await;
        answer_set(&mut peer, 2).await;
        answer_get(&mut peer, 3).await;
        answer_set(&mut peer, 4).await;
    };
    let ask = async {
        let (a, b, c, d) = tokio::join!(
            client.get("/a"),
            client.set("/a", "1", None),
            client.get("/a"),
            client.set("/a", "2", None),
        );
        a.unwrap();
        b.unwrap();
        c.unwrap();
        d.unwrap();
    };
    tokio::join!(serve, ask);
    assert_eq!(client.session_kind(), SessionKind::Full);
    assert_eq!(client.session_id(), SESSION);
}

#[tokio::test]
async fn a_full_session_that_was_local_comes_back_as_a_full_one() {
    let (client, mut peer, server) = locally_connected().await;
    let serve = async {
        expect_open(&mut peer).await;
        peer.send(&[peer.granted(LONG_MS)]).await;
        answer_set(&mut peer, 1).await;
        peer
    };
    let (peer, set) = tokio::join!(serve, client.set("/a", "1", None));
    set.unwrap();
    peer.cut();
    let (_peer, said) = server.welcome(LONG_MS).await;
    assert_eq!(said, attach(Zxid::new(1, 2), Vec::new()));
}

#[tokio::test]
async fn a_local_session_is_begun_anew_with_its_watches_and_goes_back_behind_nothing() {
    let (client, mut peer, server) = locally_connected().await;
    let serve = async {
        let (xid, ..) = peer.request().await;
        peer.reply(xid, Ok(Outcome::Existence(None))).await;
        let (xid, ..) = peer.request().await;
        let missed = Some(Vec::new());
        peer.reply(xid, Ok(Outcome::Watching { missed })).await;
        // The client must have read it before the connection breaks.
        while client.last_zxid() < Zxid::new(1, 3) {
            tokio::task::yield_now().await;
        }
        peer.cut();
        let watches = vec![
            data_watch("/a", true),
            WatchSpec {
                path: path("/r"),
                kind: WatchKind::Recursive,
                absent: false,
            },
        ];
        let expected = hello(Zxid::new(1, 3), watches, false);
        // Its first answer comes from further behind than what was seen.
        let (_behind, said) = server.welcome_local(7, Zxid::new(1, 2)).await;
        assert_eq!(said, expected);
        let (mut peer, said) = server.welcome_local(8, Zxid::new(1, 9)).await;
        assert_eq!(said, expected);
        assert_eq!(peer.receive().await, ClientMessage::Ping);
        let zxid = Zxid::new(1, 50);
        peer.send(&[
            event("/a", EventKind::Created),
            event("/r/x", EventKind::Created),
            ServerMessage::Pong { zxid },
        ])
        .await;
        peer
    };
    let ask = async {
        let (_, watch) = client.exists_and_watch("/a").await.unwrap();
        let mut stream = client.watch_recursive("/r").await.unwrap();
        assert_eq!(watch.await.unwrap().kind, EventKind::Created);
        let event = stream.next().await.unwrap().unwrap();
        assert_eq!(event.path.as_str(), "/r/x");
        stream
    };
    let (_peer, _stream) = tokio::join!(serve, ask);
    assert_eq!(client.session_id(), SessionId::local(8));
    assert!(matches!(*client.status().borrow(), Status::Attached(_)));
}

#[tokio::test]
async fn nothing_is_written_before_the_session_is_full_however_often_the_connection_breaks() {
    let (client, mut peer, server) = locally_connected().await;
    let serve = async {
        expect_open(&mut peer).await;
        peer.cut();
        let (mut peer, said) = server.welcome_local(2, Zxid::new(1, 1)).await;
        assert_eq!(said, hello(Zxid::ZERO, Vec::new(), false));
        expect_open(&mut peer).await;
        peer.send(&[peer.granted(LONG_MS)]).await;
        answer_set(&mut peer, 1).await;
        peer
    };
    let (_peer, set) = tokio::join!(serve, client.set("/a", "1", None));
    set.unwrap();
}

#[tokio::test]
async fn a_server_that_cannot_make_the_session_a_full_one_is_left_for_another() {
    let authority = Authority::new();
    let server = FakeServer::start(1, &authority);
    let profile = authority.profile([&server]);
    let builder = Client::builder().profile(profile).read_only();
    // Half of its timeout is what the only server is given.
    let builder = builder.session_timeout(Duration::from_secs(4));
    let connect = builder.connect_timeout(PATIENCE).connect();
    let welcome = server.welcome_local(1, Zxid::new(1, 1));
    let (client, (mut peer, said)) = tokio::join!(connect, welcome);
    let client = client.unwrap();
    assert_eq!(said, hello(Zxid::ZERO, Vec::new(), true));
    let opened = |message: &ClientMessage| {
        matches!(
            message,
            ClientMessage::Hello {
                hello: Hello::Open { timeout_ms: 4_000 },
                ..
            }
        )
    };
    let serve = async {
        while !opened(&peer.receive().await) {}
        // It has no leader: it answers pings, and that is all.
        let pings = async {
            while let Some(message) = peer.next().await {
                let zxid = Zxid::new(1, 1);
                let pong = [ServerMessage::Pong { zxid }];
                if message == ClientMessage::Ping && peer.try_send(&pong).await.is_err() {
                    break;
                }
            }
            std::future::pending::<()>().await
        };
        let (mut other, _) = tokio::select! {
            entered = server.welcome_local(2, Zxid::new(1, 1)) => entered,
            () = pings => unreachable!("it answers for ever"),
        };
        while !opened(&other.receive().await) {}
        other.send(&[other.granted(LONG_MS)]).await;
        answer_set(&mut other, 1).await;
        other
    };
    let (_peer, set) = tokio::join!(serve, client.set("/a", "1", None));
    set.unwrap();
}

#[tokio::test]
async fn a_local_session_ends_without_a_word_once_all_is_answered() {
    let (client, mut peer, _server) = locally_connected().await;
    let serve = async {
        // The close has been asked for when this comes, and it is answered all the same.
        answer_get(&mut peer, 1).await;
        tokio::time::timeout(PATIENCE, peer.connection.closed())
            .await
            .unwrap();
    };
    let ask = async {
        let (got, closed) = tokio::join!(client.get("/a"), client.close());
        assert_eq!((got.unwrap().0, closed), (Bytes::from("x"), Ok(())));
    };
    tokio::join!(serve, ask);
    assert_eq!(*client.status().borrow(), Status::Closed);
    assert_eq!(client.get("/a").await.unwrap_err(), Error::Closed);
}

#[tokio::test]
async fn an_idle_local_session_closes_at_once() {
    let (client, peer, _server) = locally_connected().await;
    assert_eq!(client.close().await, Ok(()));
    tokio::time::timeout(PATIENCE, peer.connection.closed())
        .await
        .unwrap();
}

#[tokio::test]
async fn identities_are_proved_again_to_every_server() {
    let authority = Authority::new();
    let server = FakeServer::start(1, &authority);
    let builder = builder(authority.profile([&server])).local();
    let connect = builder.authenticate("digest", "me:secret").connect();
    let claim = |credential: &str| Claim {
        scheme: "digest".to_owned(),
        credential: Credential(credential.to_owned()),
    };
    let serve = async {
        let mut peer = server.accept().await;
        let (_, claims) = peer.hello().await;
        assert_eq!(claims, [claim("me:secret")]);
        peer.send(&[peer.granted_local(1, Zxid::new(1, 1))]).await;
        peer
    };
    let (client, mut peer) = tokio::join!(connect, serve);
    let client = client.unwrap();
    let serve = async {
        let (xid, _, op) = peer.request().await;
        assert_eq!(op, Op::Authenticate(claim("other:secret")));
        let principal = zareba_client::Principal {
            scheme: "digest".to_owned(),
            id: "other:hash".to_owned(),
        };
        let outcome = Outcome::Authenticated(principal);
        peer.reply(xid, Ok(outcome)).await;
        let (xid, _, op) = peer.request().await;
        assert_eq!(op, Op::Authenticate(claim("bad")));
        let fault = Fault::new(ErrorCode::AuthFailed, "no password");
        peer.reply(xid, Err(fault)).await;
        let (hello, claims) = peer.hello().await;
        let all = [claim("me:secret"), claim("other:secret")];
        assert_eq!((hello, &claims[..]), (open(), &all[..]));
        peer.cut();
        let mut peer = server.accept().await;
        assert_eq!(peer.hello().await.1, all);
        peer.send(&[goodbye(ErrorCode::AuthFailed)]).await;
        peer
    };
    let ask = async {
        let proved = client.authenticate("digest", "other:secret").await;
        assert_eq!(proved.unwrap().id, "other:hash");
        let refused = client.authenticate("digest", "bad").await.unwrap_err();
        assert!(refused.is(ErrorCode::AuthFailed));
        // A server that does not know who this is will not be asked again.
        let refused = client.set("/a", "1", None).await.unwrap_err();
        assert!(refused.is(ErrorCode::AuthFailed), "{refused}");
    };
    let (_peer, ()) = tokio::join!(serve, ask);
}
