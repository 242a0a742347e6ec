//! What is asked about many nodes at once.

use std::time::Duration;

use harness::{Ensemble, until, within};
use zareba_client::{CreateMode, ErrorCode, MemberRole, Multi, PathsPage, Quota, ServerId, Usage};

const MODE: CreateMode = CreateMode::Persistent;

#[tokio::test(flavor = "multi_thread")]
async fn a_large_subtree_is_counted_and_deleted_in_several_transactions() {
    let ensemble = Ensemble::start(3).await;
    let client = ensemble.client().await;
    client.create("/big", "", MODE).await.unwrap();
    for half in 0..2 {
        let nodes = (0..6_000).map(|i| format!("/big/{half}-{i}"));
        let multi = nodes.fold(Multi::new(), |multi, node| multi.create(node, "", MODE));
        client.multi(multi).await.unwrap();
    }
    assert_eq!(client.count("/big").await.unwrap(), 12_000);
    assert_eq!(client.delete_all("/big").await.unwrap(), 12_001);
    assert_eq!(client.exists("/big").await.unwrap(), None);
    let again = client.delete_all("/big").await.unwrap_err();
    assert!(again.is(ErrorCode::NoNode));
    let root = client.delete_all("/").await.unwrap_err();
    assert!(root.is(ErrorCode::BadArguments));
}

#[tokio::test(flavor = "multi_thread")]
async fn several_reads_are_of_one_point_in_time() {
    let ensemble = Ensemble::start(3).await;
    let client = ensemble.client().await;
    client.create("/a", "0", MODE).await.unwrap();
    client.create("/b", "0", MODE).await.unwrap();
    let reader = ensemble.client().await;
    reader.sync().await.unwrap();
    let write = async {
        for number in 1..=100 {
            let number = number.to_string();
            let multi = Multi::new().set("/a", number.clone(), None);
            client.multi(multi.set("/b", number, None)).await.unwrap();
        }
    };
    let read = async {
        loop {
            let mut reads = reader.multi_read();
            let (a, b) = (reads.get("/a"), reads.get("/b"));
            let mut answers = reads.ask().await.unwrap();
            let (a, b) = (answers.take(a).unwrap(), answers.take(b).unwrap());
            assert_eq!((a.0.clone(), a.1.version), (b.0, b.1.version));
            if a.0 == "100" {
                return;
            }
        }
    };
    within("the last write to be read", async {
        tokio::join!(write, read)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ephemeral_nodes_are_listed_by_session_and_by_place() {
    let ensemble = Ensemble::start(1).await;
    let [one, other] = [ensemble.client().await, ensemble.client().await];
    for node in ["/a", "/b"] {
        one.create(node, "", MODE).await.unwrap();
    }
    for (client, node) in [(&one, "/a/1"), (&other, "/a/2"), (&one, "/b/3")] {
        client
            .create(node, "", CreateMode::Ephemeral)
            .await
            .unwrap();
    }
    let mine = one.ephemerals(Some(one.session_id()), "/").await.unwrap();
    let texts: Vec<_> = mine.iter().map(|path| path.as_str()).collect();
    assert_eq!(texts, ["/a/1", "/b/3"]);
    let below = one.chroot("/a").unwrap();
    let texts: Vec<_> = below.ephemerals(None, "/").await.unwrap();
    let texts: Vec<_> = texts.iter().map(|path| path.as_str()).collect();
    assert_eq!(texts, ["/1", "/2"]);
    let page = PathsPage {
        after: None,
        limit: 1,
    };
    let page = below.ephemerals_page(None, "/", page).await.unwrap();
    assert_eq!((page.paths.len(), page.more), (1, true));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quota_limits_shows_what_is_used_and_goes() {
    let ensemble = Ensemble::start(3).await;
    let client = ensemble.client().await;
    client.create("/q", "12", MODE).await.unwrap();
    assert_eq!(client.quota("/q").await.unwrap(), None);
    let quota = Quota {
        nodes_hard: Some(2),
        bytes_soft: Some(100),
        ..Quota::default()
    };
    client.set_quota("/q", quota).await.unwrap();
    client.create("/q/a", "3", MODE).await.unwrap();
    let beyond = client.create("/q/b", "", MODE).await.unwrap_err();
    assert!(beyond.is(ErrorCode::QuotaExceeded));
    let (nodes, bytes) = (2, 3);
    let used = Usage { nodes, bytes };
    assert_eq!(client.quota("/q").await.unwrap(), Some((quota, used)));
    client.remove_quota("/q").await.unwrap();
    client.create("/q/b", "", MODE).await.unwrap();
    let none = client.remove_quota("/q").await.unwrap_err();
    assert!(none.is(ErrorCode::NoNode));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ensemble_is_shown_as_its_servers_know_it() {
    let ensemble = Ensemble::start(3).await;
    let client = ensemble.client().await;
    let shown = until("the ensemble is shown", async || {
        let shown = client.ensemble().await.unwrap();
        (!shown.members.is_empty()).then_some(shown)
    })
    .await;
    let servers: Vec<_> = shown.members.keys().copied().collect();
    assert_eq!(servers, [1, 2, 3].map(ServerId));
    let is_voter = |role| matches!(role, MemberRole::Voter { .. });
    assert!(shown.members.values().all(|member| is_voter(member.role)));
    let (same, watch) = client.ensemble_and_watch().await.unwrap();
    assert_eq!(same, shown);
    let quiet = tokio::time::timeout(Duration::from_millis(50), watch).await;
    assert!(quiet.is_err());
}
