//! Watches that stay, against a server that is told every word: what is told, to whom, once.

use futures::StreamExt;
use zareba_client::WatchStream;
use zareba_model::WatchOp;

use super::*;

fn add(at: &str, recursive: bool, since: Option<Zxid>) -> Op {
    Op::Watch(WatchOp::Add {
        path: path(at),
        recursive,
        since,
    })
}

fn remove(at: &str, kind: WatchKind) -> Op {
    let path = path(at);
    Op::Watch(WatchOp::Remove { path, kind })
}

fn spec(at: &str, kind: WatchKind) -> WatchSpec {
    WatchSpec {
        path: path(at),
        kind,
        absent: false,
    }
}

fn happened(at: &str, kind: EventKind, counter: u32) -> Event {
    Event {
        path: path(at),
        kind,
        zxid: Zxid::new(1, counter),
    }
}

fn tell(at: &str, kind: EventKind, counter: u32) -> ServerMessage {
    ServerMessage::Event(happened(at, kind, counter))
}

fn watching(missed: Vec<Event>) -> Outcome {
    Outcome::Watching {
        missed: Some(missed),
    }
}

fn answer(xid: u64, counter: u32, outcome: Outcome) -> ServerMessage {
    ServerMessage::Reply {
        xid: zareba_model::Xid(xid),
        zxid: Zxid::new(1, counter),
        answer: Ok(outcome),
    }
}

async fn told(stream: &mut WatchStream) -> String {
    let next = tokio::time::timeout(PATIENCE, stream.next()).await;
    let event = next.unwrap().unwrap().unwrap();
    format!("{:?} {} {}", event.kind, event.path, event.zxid.counter)
}

/// Everything that is there already.
fn all_told(stream: &mut WatchStream) -> Vec<String> {
    let events = std::iter::from_fn(|| stream.next().now_or_never().flatten());
    events
        .map(|event| event.unwrap())
        .map(|event| format!("{:?} {} {}", event.kind, event.path, event.zxid.counter))
        .collect()
}

/// Watches, as the server answers.
async fn watched(client: &Client, peer: &mut Peer, at: &str, recursive: bool) -> WatchStream {
    let serve = async {
        let (xid, _, op) = peer.request().await;
        assert_eq!(op, add(at, recursive, None));
        peer.reply(xid, Ok(watching(Vec::new()))).await;
    };
    let ask = async {
        match recursive {
            true => client.watch_recursive(at).await,
            false => client.watch(at).await,
        }
    };
    let ((), stream) = tokio::join!(serve, ask);
    stream.unwrap()
}

async fn synced(client: &Client, peer: &mut Peer, counter: u32) {
    let serve = async {
        let (xid, _, op) = peer.request().await;
        assert_eq!(op, Op::Sync);
        peer.send(&[answer(xid, counter, Outcome::Synced)]).await;
    };
    let ((), synced) = tokio::join!(serve, client.sync());
    synced.unwrap();
}

#[tokio::test]
async fn a_watch_that_stays_tells_again_and_again_and_before_the_answer() {
    let (client, mut peer, _server) = connected(LONG_MS).await;
    let mut stream = watched(&client, &mut peer, "/a", false).await;
    let serve = async {
        let (xid, ..) = peer.request().await;
        peer.send(&[
            tell("/a", EventKind::Changed, 10),
            tell("/a", EventKind::ChildrenChanged, 11),
            tell("/b", EventKind::Changed, 12),
            answer(xid, 12, Outcome::Set(Stat::default())),
        ])
        .await;
    };
    let ((), set) = tokio::join!(serve, client.set("/a", "1", None));
    set.unwrap();
    assert_eq!(
        all_told(&mut stream),
        ["Changed /a 10", "ChildrenChanged /a 11"]
    );
    peer.send(&[tell("/a", EventKind::Deleted, 13)]).await;
    // As a stream, too.
    let next = tokio::time::timeout(PATIENCE, StreamExt::next(&mut stream)).await;
    let event = next.unwrap().unwrap().unwrap();
    assert_eq!(event, happened("/a", EventKind::Deleted, 13));
}

#[tokio::test]
async fn what_was_missed_comes_first_and_nothing_falls_in_between_or_comes_twice() {
    let (client, mut peer, _server) = connected(LONG_MS).await;
    let mut first = watched(&client, &mut peer, "/a", true).await;
    let since = Zxid::new(1, 7);
    let serve = async {
        let (xid, _, op) = peer.request().await;
        assert_eq!(op, add("/a", true, Some(since)));
        let missed = vec![
            happened("/a/b", EventKind::Created, 8),
            happened("/a/b", EventKind::Deleted, 10),
        ];
        // The last of them happened behind the question: those who watch already are told of it.
        peer.send(&[
            tell("/a/b", EventKind::Deleted, 10),
            answer(xid, 10, watching(missed)),
            tell("/a/c", EventKind::Created, 11),
        ])
        .await;
    };
    let ask = async { client.watch_recursive("/a").since(since).await };
    let ((), second) = tokio::join!(serve, ask);
    let mut second = second.unwrap();
    for expected in ["Created /a/b 8", "Deleted /a/b 10", "Created /a/c 11"] {
        assert_eq!(told(&mut second).await, expected);
    }
    for expected in ["Deleted /a/b 10", "Created /a/c 11"] {
        assert_eq!(told(&mut first).await, expected);
    }
}

#[tokio::test]
async fn a_past_that_nobody_remembers_is_a_resync() {
    let (client, mut peer, _server) = connected(LONG_MS).await;
    let serve = async {
        let (xid, ..) = peer.request().await;
        peer.send(&[answer(xid, 40, Outcome::Watching { missed: None })])
            .await;
    };
    let ask = async { client.watch("/a").since(Zxid::new(1, 1)).await };
    let ((), stream) = tokio::join!(serve, ask);
    assert_eq!(told(&mut stream.unwrap()).await, "Resync /a 40");
}

#[tokio::test]
async fn the_server_holds_one_watch_until_its_last_stream_is_dropped() {
    let (client, mut peer, _server) = connected(LONG_MS).await;
    let first = watched(&client, &mut peer, "/a", false).await;
    let mut second = watched(&client, &mut peer, "/a", false).await;
    let recursive = watched(&client, &mut peer, "/a", true).await;
    drop(first);
    synced(&client, &mut peer, 20).await;
    peer.send(&[tell("/a", EventKind::Changed, 21)]).await;
    assert_eq!(told(&mut second).await, "Changed /a 21");
    drop(recursive);
    let (xid, _, op) = peer.request().await;
    assert_eq!(op, remove("/a", WatchKind::Recursive));
    peer.reply(xid, Ok(Outcome::Unwatched)).await;
    drop(second);
    let (xid, _, op) = peer.request().await;
    assert_eq!(op, remove("/a", WatchKind::Persistent));
    peer.reply(xid, Ok(Outcome::Unwatched)).await;
    // Asked for again, behind its removal.
    let mut third = watched(&client, &mut peer, "/a", false).await;
    peer.send(&[tell("/a", EventKind::Changed, 30)]).await;
    assert_eq!(told(&mut third).await, "Changed /a 30");
}

#[tokio::test]
async fn a_watch_whose_asker_has_gone_is_taken_back() {
    let (client, mut peer, _server) = connected(LONG_MS).await;
    let mut dropped = client.watch("/a").into_future();
    assert!(dropped.as_mut().now_or_never().is_none());
    drop(dropped);
    let (xid, _, op) = peer.request().await;
    assert_eq!(op, add("/a", false, None));
    peer.reply(xid, Ok(watching(Vec::new()))).await;
    let (_, _, op) = peer.request().await;
    assert_eq!(op, remove("/a", WatchKind::Persistent));
}

#[tokio::test]
async fn a_refused_watch_leaves_nothing() {
    let (client, mut peer, _server) = connected(LONG_MS).await;
    let serve = async {
        let (xid, ..) = peer.request().await;
        let fault = Fault::new(ErrorCode::Throttled, "too many");
        peer.reply(xid, Err(fault)).await;
    };
    let ask = async { client.watch("/a").await };
    let ((), refused) = tokio::join!(serve, ask);
    assert!(refused.unwrap_err().is(ErrorCode::Throttled));
    assert!(matches!(client.watch("a").await, Err(Error::Path(_))));
    synced(&client, &mut peer, 9).await;
}

#[tokio::test]
async fn a_new_server_is_told_of_the_watch_and_tells_what_was_missed_once() {
    let (client, mut peer, server) = connected(LONG_MS).await;
    let mut stream = watched(&client, &mut peer, "/r", true).await;
    synced(&client, &mut peer, 4).await;
    // The first half of a transaction.
    peer.send(&[tell("/r/a", EventKind::Created, 5)]).await;
    assert_eq!(told(&mut stream).await, "Created /r/a 5");
    assert_eq!(client.last_zxid(), Zxid::new(1, 5));
    peer.cut();

    let kept = vec![spec("/r", WatchKind::Recursive)];
    let (mut peer, hello) = server.welcome(LONG_MS).await;
    assert_eq!(hello, attach(Zxid::new(1, 4), kept.clone()));
    // Half of what was missed, and the connection breaks again.
    peer.send(&[
        tell("/r/a", EventKind::Created, 5),
        tell("/r/b", EventKind::Created, 5),
    ])
    .await;
    assert_eq!(peer.receive().await, ClientMessage::Ping);
    peer.cut();
    let (mut peer, hello) = server.welcome(LONG_MS).await;
    assert_eq!(hello, attach(Zxid::new(1, 4), kept.clone()));
    peer.send(&[
        tell("/r/a", EventKind::Created, 5),
        tell("/r/b", EventKind::Created, 5),
        tell("/r/b", EventKind::Deleted, 6),
    ])
    .await;
    assert_eq!(peer.receive().await, ClientMessage::Ping);
    let zxid = Zxid::new(1, 8);
    peer.send(&[
        ServerMessage::Pong { zxid },
        tell("/r", EventKind::Changed, 9),
    ])
    .await;
    for expected in ["Created /r/b 5", "Deleted /r/b 6", "Changed /r 9"] {
        assert_eq!(told(&mut stream).await, expected);
    }
    assert!(all_told(&mut stream).is_empty());
    peer.cut();
    let (_peer, hello) = server.welcome(LONG_MS).await;
    assert_eq!(hello, attach(zxid, kept));
}

#[tokio::test]
async fn a_watch_under_way_when_the_connection_breaks_is_asked_for_again() {
    let (client, mut peer, server) = connected(LONG_MS).await;
    let serve = async {
        assert_eq!(peer.request().await.0, 1);
        peer.cut();
        let (mut peer, hello) = server.welcome(LONG_MS).await;
        assert_eq!(hello, attach(Zxid::ZERO, Vec::new()));
        let (xid, _, op) = peer.request().await;
        assert_eq!((xid, op), (1, add("/a", false, None)));
        // Not for a stream that is not there yet.
        peer.send(&[
            tell("/a", EventKind::Changed, 2),
            answer(xid, 2, watching(Vec::new())),
            tell("/a", EventKind::Changed, 3),
        ])
        .await;
        peer
    };
    let ask = async { client.watch("/a").await };
    let (_peer, stream) = tokio::join!(serve, ask);
    assert_eq!(told(&mut stream.unwrap()).await, "Changed /a 3");
}

#[tokio::test]
async fn a_resync_is_told_to_its_own_watch_and_fires_one_time_watches_of_the_node() {
    let (client, mut peer, _server) = connected(LONG_MS).await;
    let mut own = watched(&client, &mut peer, "/a", false).await;
    let mut above = watched(&client, &mut peer, "/", true).await;
    let serve = async {
        let (xid, ..) = peer.request().await;
        peer.send(&[
            answer(xid, 9, Outcome::Existence(None)),
            tell("/a", EventKind::Resync, 10),
            tell("/a", EventKind::Created, 11),
        ])
        .await;
    };
    let ((), watch) = tokio::join!(serve, client.exists_and_watch("/a"));
    let (_, watch) = watch.unwrap();
    assert_eq!(watch.await.unwrap().kind, EventKind::Resync);
    assert_eq!(told(&mut own).await, "Resync /a 10");
    assert_eq!(told(&mut own).await, "Created /a 11");
    assert_eq!(told(&mut above).await, "Created /a 11");
}

#[tokio::test]
async fn a_chroot_is_shown_the_paths_that_it_knows() {
    let (client, mut peer, _server) = connected(LONG_MS).await;
    let app = client.chroot("/app").unwrap();
    let serve = async {
        let (xid, _, op) = peer.request().await;
        assert_eq!(op, add("/app", true, None));
        let missed = vec![happened("/app/x", EventKind::Created, 2)];
        peer.reply(xid, Ok(watching(missed))).await;
        peer.send(&[tell("/app", EventKind::Changed, 5)]).await;
    };
    let ask = async { app.watch_recursive("/").await };
    let ((), stream) = tokio::join!(serve, ask);
    let mut stream = stream.unwrap();
    assert_eq!(told(&mut stream).await, "Created /x 2");
    assert_eq!(told(&mut stream).await, "Changed / 5");
}

#[tokio::test]
async fn a_stream_ends_with_its_session_and_says_why() {
    let (client, mut peer, _server) = connected(LONG_MS).await;
    let mut stream = watched(&client, &mut peer, "/a", false).await;
    peer.send(&[
        tell("/a", EventKind::Changed, 5),
        goodbye(ErrorCode::SessionExpired),
    ])
    .await;
    assert_eq!(told(&mut stream).await, "Changed /a 5");
    let last = tokio::time::timeout(PATIENCE, stream.next()).await;
    assert_eq!(last.unwrap(), Some(Err(Error::SessionExpired)));
    assert_eq!(stream.next().await, None);
    let refused = client.watch("/a").await;
    assert_eq!(refused.unwrap_err(), Error::SessionExpired);
}

#[tokio::test]
async fn a_thread_waits_for_events_with_and_without_a_limit() {
    let authority = Authority::new();
    let server = FakeServer::start(1, &authority);
    let profile = authority.profile([&server]);
    let thread = tokio::task::spawn_blocking(move || {
        let client = zareba_client::blocking::Client::connect(builder(profile)).unwrap();
        let mut stream = client.watch("/a").unwrap();
        let patience = Duration::from_millis(30);
        assert_eq!(stream.next_within(patience), Ok(None));
        client.sync().unwrap();
        let mut kinds = vec![stream.next_within(PATIENCE).unwrap().unwrap().kind];
        let rest: Vec<_> = stream.by_ref().collect();
        kinds.extend(rest.iter().flatten().map(|event| event.kind));
        assert_eq!(rest.last(), Some(&Err(Error::SessionExpired)));
        assert_eq!(stream.next_within(PATIENCE), Err(Error::Closed));
        kinds
    });
    let (mut peer, _) = server.welcome(LONG_MS).await;
    let (xid, ..) = peer.request().await;
    peer.reply(xid, Ok(watching(Vec::new()))).await;
    let (xid, ..) = peer.request().await;
    peer.send(&[
        answer(xid, 4, Outcome::Synced),
        tell("/a", EventKind::Changed, 5),
        tell("/a", EventKind::Deleted, 6),
        goodbye(ErrorCode::SessionExpired),
    ])
    .await;
    let kinds = tokio::time::timeout(PATIENCE, thread)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(kinds, [EventKind::Changed, EventKind::Deleted]);
}
