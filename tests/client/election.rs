//! The election on znodes: the next candidate takes over, everybody sees who leads, and a leader that
//! lost its office stops at once.

use harness::{Ensemble, until, within};
use zareba_client::recipes::Election;

use crate::LONG;

#[tokio::test(flavor = "multi_thread")]
async fn an_office_goes_to_the_next_candidate_while_the_ensembles_leader_is_killed() {
    let mut ensemble = Ensemble::start(3).await;
    let first = ensemble.client_from(1, LONG).await;
    let second = ensemble.client_from(2, LONG).await;
    let watcher = ensemble.client_from(3, LONG).await;
    let watcher = Election::new(&watcher.linearizable(), "/service/leader").unwrap();
    assert_eq!(watcher.leader().await.unwrap(), None);

    let election = Election::new(&first, "/service/leader").unwrap();
    let next = watcher.clone();
    let next = tokio::spawn(async move { next.next_leader(0).await });
    let office = election.campaign("first").await.unwrap();
    let elected = ("first".into(), office.token());
    assert_eq!(
        within("the first", next).await.unwrap(),
        Ok(elected.clone())
    );
    assert_eq!(watcher.leader().await.unwrap(), Some(elected));

    let election = Election::new(&second, "/service/leader").unwrap();
    let candidate = tokio::spawn(async move { election.campaign("second").await });
    until("the second stands", async || {
        let names = first.children("/service/leader").await.unwrap();
        (names.len() == 2).then_some(())
    })
    .await;
    let leader = ensemble.leader().await;
    ensemble.kill(leader).await;
    // The office outlives the server.
    assert_eq!(office.while_leading(first.sync()).await, Some(Ok(())));
    let token = office.token();
    let next = watcher.clone();
    let next = tokio::spawn(async move { next.next_leader(token).await });
    office.resign().await.unwrap();
    let office = within("the second", candidate).await.unwrap().unwrap();
    let elected = ("second".into(), office.token());
    assert_eq!(within("the next", next).await.unwrap(), Ok(elected));
    assert!(office.token() > token);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_whose_node_is_deleted_stops_its_work_at_once() {
    let ensemble = Ensemble::start(1).await;
    let client = ensemble.client().await;
    let election = Election::new(&client, "/leader").unwrap();
    let office = election.campaign("me").await.unwrap();
    let work =
        tokio::spawn(async move { office.while_leading(std::future::pending::<()>()).await });
    let names = client.children("/leader").await.unwrap();
    client
        .delete(format!("/leader/{}", names[0]), None)
        .await
        .unwrap();
    assert_eq!(within("the work's end", work).await.unwrap(), None);
}
