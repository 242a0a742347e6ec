//! Observers serve reads and pass writes on, count for nothing, and the ensemble's node tells who
//! watches it of every change.

use harness::{Ensemble, within};
use zareba_client::model::{EnsembleChange, ServerId};
use zareba_client::{CreateMode, ENSEMBLE_PATH, EventKind};

#[tokio::test(flavor = "multi_thread")]
async fn an_observer_serves_and_can_be_promoted_and_demoted() {
    let mut ensemble = Ensemble::start(1).await;
    let watcher = ensemble.client().await;
    let (_, before, changed) = watcher.get_and_watch(ENSEMBLE_PATH).await.unwrap();

    let observer = ensemble.join(false).await;
    let event = within("the watch", changed).await.unwrap();
    assert_eq!(event.kind, EventKind::Changed);
    let (_, after) = watcher.get(ENSEMBLE_PATH).await.unwrap();
    assert!(after.version > before.version && after.mzxid >= event.zxid);

    let client = ensemble.client_of(observer).await;
    let path = client.create("/by-observer", "1", CreateMode::Persistent);
    assert_eq!(path.await.unwrap().as_str(), "/by-observer");
    assert_eq!(client.get("/by-observer").await.unwrap().0, "1");
    client.sync().await.unwrap();
    let shown = ensemble.shown_by(observer).await;
    assert_eq!(shown["members"][1]["role"], "observer");

    // It counts in no quorum: the only voter goes on without it.
    ensemble.pause(observer);
    watcher.set("/by-observer", "2", None).await.unwrap();
    ensemble.resume(observer);

    let server = ServerId(observer);
    let promote = EnsembleChange::Promote {
        server,
        weight: 1,
        group: 0,
    };
    harness::until("the observer is level", async || {
        ensemble.change(promote.clone()).await.ok()
    })
    .await;
    ensemble.settled(&[1, observer]).await;
    ensemble
        .change(EnsembleChange::Demote { server })
        .await
        .unwrap();
    ensemble.settled(&[1]).await;
    ensemble.agree().await;
}
