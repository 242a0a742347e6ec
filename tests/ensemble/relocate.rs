//! A member moves to another address.

use harness::Ensemble;
use zareba_client::CreateMode;
use zareba_client::model::{EnsembleChange, ServerId};

#[tokio::test(flavor = "multi_thread")]
async fn a_member_is_found_at_its_new_address() {
    let mut ensemble = Ensemble::start(3).await;
    // The larger number dials: server 1 is the one that must be found.
    ensemble.stop(1).await;
    let peer_address = ensemble.move_peers(1);
    let client_address = ensemble.client_address(1);
    let moved = EnsembleChange::Move {
        server: ServerId(1),
        peer_address,
        client_address,
    };
    ensemble.change(moved).await.unwrap();
    ensemble.restart(1).await;
    ensemble.serving().await;
    let client = ensemble.client_of(1).await;
    let created = client.create("/here", "", CreateMode::Persistent).await;
    assert_eq!(created.unwrap().as_str(), "/here");
    ensemble.agree().await;
}
