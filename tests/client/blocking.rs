//! The client for programs without asynchronous tasks.

use std::thread;
use std::time::Duration;

use harness::{Ensemble, PATIENCE, plugin};
use zareba_client::model::Outcome;
use zareba_client::recipes;
use zareba_client::{CreateMode, Error, ErrorCode, EventKind, Multi, Profile, Status, blocking};

const MODE: CreateMode = CreateMode::Persistent;

fn connect(profile: Profile) -> Result<blocking::Client, Error> {
    let builder = zareba_client::Client::builder().profile(profile);
    blocking::Client::connect(builder.connect_timeout(PATIENCE))
}

#[test]
fn a_program_without_a_runtime_does_all_that_an_asynchronous_one_does() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut ensemble = runtime.block_on(Ensemble::start(3));
    let client = connect(ensemble.profile()).unwrap();
    assert!(matches!(client.status(), Status::Attached(_)));
    assert_eq!(client.create("/a", "1", MODE).unwrap().as_str(), "/a");
    let (path, _) = client
        .create_node("/b/c-", |node| {
            node.data("x").ephemeral().sequential().parents()
        })
        .unwrap();
    assert_eq!(client.get(&path).unwrap().0, "x");
    let stat = client.set("/a", "2", Some(0)).unwrap();
    assert_eq!(client.exists("/a").unwrap(), Some(stat));
    client.check("/a", Some(1)).unwrap();
    assert!(
        client
            .set("/a", "3", Some(0))
            .unwrap_err()
            .is(ErrorCode::BadVersion)
    );
    let multi = Multi::new().set("/a", "3", None).create("/d", "", MODE);
    assert!(matches!(client.multi(multi).unwrap()[0], Outcome::Set(_)));
    assert_eq!(client.chroot("/b").unwrap().children("/").unwrap().len(), 1);
    assert_eq!(client.linearizable().get("/a").unwrap().0, "3");

    // Threads ask at the same time, while the leader is killed.
    let threads: Vec<_> = (0..8)
        .map(|i| {
            let client = client.resending(PATIENCE);
            thread::spawn(move || {
                for n in 0..20 {
                    client.create(format!("/a/{i}-{n}"), "", MODE).unwrap();
                }
            })
        })
        .collect();
    runtime.block_on(async {
        let leader = ensemble.leader().await;
        ensemble.kill(leader).await;
    });
    for thread in threads {
        thread.join().unwrap();
    }
    client.sync().unwrap();
    assert_eq!(client.children("/a").unwrap().len(), 160);
    client.close().unwrap();
    assert_eq!(client.status(), Status::Closed);
    assert_eq!(client.get("/a").unwrap_err(), Error::Closed);
}

#[test]
fn watches_are_waited_for_with_and_without_a_limit() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let ensemble = runtime.block_on(Ensemble::start(1));
    let client = connect(ensemble.profile()).unwrap();
    client.create("/a", "1", MODE).unwrap();
    let (data, _, mut watch) = client.get_and_watch("/a").unwrap();
    assert_eq!(data, "1");
    assert_eq!(watch.next_within(Duration::from_millis(30)), Ok(None));
    client.set("/a", "2", None).unwrap();
    let event = watch.next_within(PATIENCE).unwrap().unwrap();
    assert_eq!(
        (event.path.as_str(), event.kind),
        ("/a", EventKind::Changed)
    );
    assert_eq!(watch.next_within(PATIENCE), Err(Error::Closed));
    assert_eq!(watch.next(), None);

    // An iterator blocks until the event is there.
    let (stat, watch) = client.exists_and_watch("/b").unwrap();
    assert_eq!(stat, None);
    let (tell, told) = std::sync::mpsc::channel();
    let reader = thread::spawn(move || {
        for event in watch {
            tell.send(event.unwrap().kind).unwrap();
        }
    });
    assert!(told.try_recv().is_err());
    client.create("/b", "", MODE).unwrap();
    assert_eq!(told.recv_timeout(PATIENCE), Ok(EventKind::Created));
    reader.join().unwrap();
    let (names, watch) = client.children_and_watch("/b").unwrap();
    assert!(names.is_empty());
    client.delete("/b", None).unwrap();
    assert_eq!(watch.wait().unwrap().kind, EventKind::Deleted);
}

#[test]
fn locks_of_the_plugin_and_of_znodes_are_held_by_threads() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let ensemble = runtime.block_on(Ensemble::start(1));
    let client = connect(ensemble.profile()).unwrap();
    let mounted = plugin::mount_lock(client.asynchronous(), "/locks");
    client.wait(mounted).unwrap();
    let lock = client.lock("/locks", "db").unwrap();
    let guard = lock.acquire().unwrap();
    let short = Duration::from_millis(30);
    assert!(!guard.is_lost_within(short).unwrap());
    let other = connect(ensemble.profile()).unwrap();
    let others = other.lock("/locks", "db").unwrap();
    assert!(others.try_acquire().unwrap().is_none());
    assert!(others.acquire_within(short).unwrap().is_none());
    let token = guard.token();
    guard.release().unwrap();
    assert!(others.acquire().unwrap().token() > token);

    let lock = recipes::Lock::new(client.asynchronous(), "/own").unwrap();
    let guard = client.wait(lock.acquire()).unwrap().unwrap();
    let others = recipes::Lock::new(other.asynchronous(), "/own").unwrap();
    assert!(other.wait(others.try_acquire()).unwrap().unwrap().is_none());
    client.wait(guard.release()).unwrap().unwrap();
    assert!(other.wait(others.try_acquire()).unwrap().unwrap().is_some());
}

#[test]
fn a_dropped_client_closes_its_session_in_the_background() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let ensemble = runtime.block_on(Ensemble::start(1));
    let builder = zareba_client::Client::builder().profile(ensemble.profile());
    let builder = builder.session_timeout(5 * PATIENCE);
    let client = blocking::Client::connect(builder).unwrap();
    let other = connect(ensemble.profile()).unwrap();
    client.create("/e", "", CreateMode::Ephemeral).unwrap();
    let (_, mut watch) = other.exists_and_watch("/e").unwrap();
    drop(client);
    // Long before its timeout.
    let event = watch.next_within(PATIENCE).unwrap().unwrap();
    assert_eq!(event.kind, EventKind::Deleted);
}

#[test]
fn a_blocking_call_inside_an_asynchronous_task_is_refused_and_beside_one_it_is_not() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let ensemble = runtime.block_on(Ensemble::start(1));
    let client = connect(ensemble.profile()).unwrap();
    runtime.block_on(async {
        assert_eq!(client.get("/").unwrap_err(), Error::InsideAsync);
        assert_eq!(client.close(), Err(Error::InsideAsync));
        let connected = connect(ensemble.profile());
        assert_eq!(connected.unwrap_err(), Error::InsideAsync);
        let theirs = client.clone();
        let beside = tokio::task::spawn_blocking(move || theirs.get("/"));
        beside.await.unwrap().unwrap();
    });
    client.get("/").unwrap();
}
