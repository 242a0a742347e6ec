//! A handle whose paths all lie below a prefix.

use harness::{Ensemble, plugin, within};
use zareba_client::model::Outcome;
use zareba_client::recipes::Lock;
use zareba_client::{Client, CreateMode, Error, ErrorCode, EventKind, Multi};

const MODE: CreateMode = CreateMode::Persistent;

#[tokio::test(flavor = "multi_thread")]
async fn a_chroot_shows_its_part_of_the_tree_as_the_whole() {
    let ensemble = Ensemble::start(1).await;
    let client = ensemble.client().await;
    let app = client.chroot("/apps/shop").unwrap();
    assert_eq!(app.root().as_str(), "/apps/shop");
    assert_eq!(app.exists("/").await.unwrap(), None);
    let refused = app.create("/a", "", MODE).await.unwrap_err();
    assert!(refused.is(ErrorCode::NoNode));

    // Its own root comes with the first parents.
    let (path, _) = app.create_node("/a/b").data("1").parents().await.unwrap();
    assert_eq!(path.as_str(), "/a/b");
    let path = app
        .create("/a/n-", "", CreateMode::PersistentSequential)
        .await
        .unwrap();
    assert!(path.as_str().starts_with("/a/n-"), "{path}");
    assert!(
        client
            .exists(format!("/apps/shop{path}"))
            .await
            .unwrap()
            .is_some()
    );
    app.delete(&path, None).await.unwrap();
    assert_eq!(app.children("/").await.unwrap(), ["a"]);
    assert_eq!(app.children("/a").await.unwrap(), ["b"]);
    assert_eq!(client.get("/apps/shop/a/b").await.unwrap().0, "1");

    // Events.
    let (_, _, data) = app.get_and_watch("/a/b").await.unwrap();
    let (_, children) = app.children_and_watch("/").await.unwrap();
    let (_, whole) = client.exists_and_watch("/apps/shop/a/b").await.unwrap();
    client.set("/apps/shop/a/b", "2", None).await.unwrap();
    let event = within("the event", data).await.unwrap();
    assert_eq!(
        (event.path.as_str(), event.kind),
        ("/a/b", EventKind::Changed)
    );
    assert_eq!(
        within("the event", whole).await.unwrap().path.as_str(),
        "/apps/shop/a/b"
    );

    // Multis.
    let multi = Multi::new()
        .check("/a/b", Some(1))
        .create("/c", "", MODE)
        .set("/a/b", "3", None);
    let outcomes = app.multi(multi).await.unwrap();
    assert!(matches!(&outcomes[1], Outcome::Created { path, .. } if path.as_str() == "/c"));
    let event = within("the event", children).await.unwrap();
    assert_eq!(
        (event.path.as_str(), event.kind),
        ("/", EventKind::ChildrenChanged)
    );

    chroots_of_chroots(&client, &app).await;
}

/// And handles of other kinds, which share the session.
async fn chroots_of_chroots(client: &Client, app: &Client) {
    let inner = app.chroot("/a").unwrap();
    assert_eq!(inner.get("/b").await.unwrap().0, "3");
    assert_eq!(inner.linearizable().get("/b").await.unwrap().0, "3");
    assert_eq!(
        app.linearizable()
            .chroot("/a")
            .unwrap()
            .get("/b")
            .await
            .unwrap()
            .0,
        "3"
    );
    assert_eq!(
        app.chroot("/").unwrap().children("/").await.unwrap(),
        ["a", "c"]
    );
    assert_eq!(inner.session_id(), client.session_id());
    let lock = Lock::new(&inner, "/locks/l")
        .unwrap()
        .acquire()
        .await
        .unwrap();
    assert_eq!(
        client.children("/apps/shop/a/locks/l").await.unwrap().len(),
        1
    );
    lock.release().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_outside_a_chroot_can_be_named() {
    let ensemble = Ensemble::start(1).await;
    let client = ensemble.client().await;
    let app = client.chroot("/app").unwrap();
    client.create("/app", "", MODE).await.unwrap();
    client.create("/other", "", MODE).await.unwrap();
    for escape in [
        "/..",
        "/../other",
        "//other",
        "/x/../../other",
        "other",
        "../other",
        "/./../other",
    ] {
        assert!(
            matches!(app.get(escape).await, Err(Error::Path(_))),
            "{escape}"
        );
        assert!(
            matches!(app.chroot(escape), Err(Error::Path(_))),
            "{escape}"
        );
        let multi = app.multi(Multi::new().delete(escape, None)).await;
        assert!(matches!(multi, Err(Error::Path(_))), "{escape}");
    }
    assert!(app.get("/other").await.unwrap_err().is(ErrorCode::NoNode));
    assert!(app.get("/zareba").await.unwrap_err().is(ErrorCode::NoNode));
}

#[tokio::test(flavor = "multi_thread")]
async fn plugins_are_mounted_and_called_below_a_chroot() {
    let ensemble = Ensemble::start(1).await;
    let client = ensemble.client().await;
    let app = client.chroot("/app").unwrap();
    client.create("/app", "", MODE).await.unwrap();
    plugin::mount_lock(&app, "/locks").await;
    assert!(client.exists("/app/locks").await.unwrap().is_some());
    let guard = app.lock("/locks", "db").unwrap().acquire().await.unwrap();
    // The same lock, seen from elsewhere.
    let whole = client.lock("/app/locks", "db").unwrap();
    assert!(whole.try_acquire().await.unwrap().is_none());
    guard.release().await.unwrap();
    let guard = within("the lock", whole.acquire()).await.unwrap();
    guard.release().await.unwrap();
    app.unmount_plugin("/locks").await.unwrap();
}
