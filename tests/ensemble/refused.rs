//! What would lose the quorum, or makes no sense, is refused, and the refusal says what to do.

use harness::Ensemble;
use zareba_client::ErrorCode;
use zareba_client::model::{EnsembleChange, ServerId};

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_would_lose_the_quorum_is_refused() {
    let mut ensemble = Ensemble::start(3).await;
    let leader = ensemble.leader().await;
    let mut others = (1..=3).filter(|id| *id != leader);
    let (dead, alive) = (others.next().unwrap(), others.next().unwrap());
    ensemble.kill(dead).await;
    // Until the leader has learned of a death, it counts on the dead one.
    harness::until("the leader has noticed the death", async || {
        let end = format!("link down peer={dead}");
        ensemble.log(leader).contains(&end).then_some(())
    })
    .await;

    // Two would be left, one of them dead.
    let server = ServerId(alive);
    let demote = EnsembleChange::Demote { server };
    for change in [EnsembleChange::Remove { server }, demote] {
        let refused = ensemble.change(change).await.unwrap_err();
        assert_eq!(refused.code(), Some(ErrorCode::NoQuorum), "{refused}");
        let why = refused.to_string();
        assert!(
            why.contains(&format!("server {dead} would not be level")),
            "{why}"
        );
    }

    // The dead one can go; then there is nobody dead to count on.
    let server = ServerId(dead);
    ensemble
        .change(EnsembleChange::Remove { server })
        .await
        .unwrap();
    ensemble.forget(dead);
    ensemble
        .settled(&[leader.min(alive), leader.max(alive)])
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_makes_no_sense_is_refused_by_its_reason() {
    let ensemble = Ensemble::start(1).await;
    let cases = [
        (
            EnsembleChange::Remove {
                server: ServerId(1),
            },
            ErrorCode::NoQuorum,
            "no voter would be left",
        ),
        (
            EnsembleChange::Remove {
                server: ServerId(9),
            },
            ErrorCode::NoNode,
            "server 9 is no member",
        ),
        (
            EnsembleChange::Promote {
                server: ServerId(1),
                weight: 1,
                group: 0,
            },
            ErrorCode::BadArguments,
            "server 1 is a voter already",
        ),
        (
            EnsembleChange::Move {
                server: ServerId(1),
                peer_address: "nowhere".to_owned(),
                client_address: "a:1".to_owned(),
            },
            ErrorCode::BadArguments,
            "is no address",
        ),
    ];
    for (change, code, why) in cases {
        let refused = ensemble.change(change).await.unwrap_err();
        assert_eq!(refused.code(), Some(code), "{refused}");
        assert!(refused.to_string().contains(why), "{refused}");
    }
    let client = ensemble.client().await;
    let add = EnsembleChange::Add {
        server: ServerId(2),
        peer_address: "127.0.0.1:1".to_owned(),
        client_address: "127.0.0.1:2".to_owned(),
    };
    let refused = client.change_ensemble(add, Some(77)).await.unwrap_err();
    assert_eq!(refused.code(), Some(ErrorCode::BadVersion), "{refused}");
}
