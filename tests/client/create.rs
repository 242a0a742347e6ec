//! Creating nodes with options.

use std::time::Duration;

use harness::{Ensemble, within};
use zareba_client::{Acl, Client, CreateMode, ErrorCode, EventKind, Lifetime};

#[tokio::test(flavor = "multi_thread")]
async fn a_node_is_created_as_its_options_say_with_all_its_parents() {
    let ensemble = Ensemble::start(3).await;
    let client = ensemble.client().await;
    let (path, stat) = client.create_node("/plain").data("x").await.unwrap();
    assert_eq!(path.as_str(), "/plain");
    assert_eq!(client.get("/plain").await.unwrap(), ("x".into(), stat));

    let orphan = client.create_node("/a/b/c/d").await.unwrap_err();
    assert!(orphan.is(ErrorCode::NoNode));
    let create = client.create_node("/a/b/c/w-").ephemeral().sequential();
    let (path, stat) = create.acl(Acl::open()).parents().await.unwrap();
    assert!(path.as_str().starts_with("/a/b/c/w-0"), "{path}");
    assert_eq!(stat.lifetime, Lifetime::Ephemeral(client.session_id()));
    // The parents stay when the session goes.
    client.close().await.unwrap();
    let client = ensemble.client().await;
    assert!(client.children("/a/b/c").await.unwrap().is_empty());
    let (path, _) = client.create_node("/a/b/c/d").parents().await.unwrap();
    assert_eq!(path.as_str(), "/a/b/c/d");
    let again = client.create_node("/a/b/c/d").parents().await.unwrap_err();
    assert!(again.is(ErrorCode::NodeExists));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parent_that_cannot_be_is_the_reason_that_is_told() {
    let ensemble = Ensemble::start(1).await;
    let client = ensemble.client().await;
    client
        .create("/e", "", CreateMode::Ephemeral)
        .await
        .unwrap();
    let refused = client.create_node("/e/x/y").parents().await.unwrap_err();
    assert!(refused.is(ErrorCode::NoChildrenForEphemerals), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_create_below_the_same_missing_parents_at_once() {
    let ensemble = Ensemble::start(3).await;
    let mut clients: Vec<Client> = Vec::new();
    for id in 1..=3 {
        clients.push(ensemble.client_of(id).await);
    }
    let creates = (0..30).map(|i| {
        let client = &clients[i % 3];
        client
            .create_node(format!("/x/y/z/n{i}"))
            .parents()
            .into_future()
    });
    for created in futures::future::join_all(creates).await {
        created.unwrap();
    }
    clients[0].sync().await.unwrap();
    assert_eq!(clients[0].children("/x/y/z").await.unwrap().len(), 30);
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_end_by_themselves_when_their_time_is_over_or_they_are_empty() {
    let ensemble = Ensemble::start(3).await;
    let client = ensemble.client().await;
    let mut events = client.watch_recursive("/n").await.unwrap();
    client.create_node("/n").await.unwrap();
    let ttl = Duration::from_millis(500);
    let (path, stat) = client.create_node("/n/t").ttl(ttl).await.unwrap();
    assert_eq!((path.as_str(), stat.lifetime), ("/n/t", Lifetime::Ttl(500)));
    let (_, stat) = client.create_node("/n/c").container().await.unwrap();
    assert_eq!(stat.lifetime, Lifetime::Container);
    client.create_node("/n/c/x").await.unwrap();
    client.delete("/n/c/x", None).await.unwrap();
    let mut ended = Vec::new();
    while ended.len() < 3 {
        let event = within("an end", events.next()).await.unwrap().unwrap();
        if event.kind == EventKind::Deleted {
            ended.push(event.path.to_string());
        }
    }
    ended.sort_unstable();
    assert_eq!(ended, ["/n/c", "/n/c/x", "/n/t"]);
}
