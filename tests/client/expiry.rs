//! A session's end is noticed while no server answers, by everything that depends on it.

use std::time::Duration;

use harness::{Ensemble, until, within};
use tokio::time::Instant;
use zareba_client::recipes::{Election, Lock};
use zareba_client::{Client, Error, RetryPolicy, Status};

const TIMEOUT: Duration = Duration::from_millis(2_000);

/// Far later than a healthy client notices on a busy machine.
const LATEST: Duration = Duration::from_secs(15);

#[tokio::test(flavor = "multi_thread")]
async fn a_session_expires_by_the_clients_own_clock_when_all_servers_are_gone() {
    let mut ensemble = Ensemble::start(3).await;
    let begun = Instant::now();
    let client = ensemble.client_from(1, TIMEOUT).await;
    let lock = Lock::new(&client, "/lock").unwrap();
    let guard = lock.acquire().await.unwrap();
    let token = guard.token();
    let election = Election::new(&client, "/leader").unwrap();
    let office = election.campaign("me").await.unwrap();
    let (_, watch) = client.exists_and_watch("/nothing").await.unwrap();
    let waiting = Lock::new(&client, "/lock").unwrap();
    let waiting = tokio::spawn(async move { waiting.acquire().await });
    until("the second is in line", async || {
        let line = client.children("/lock").await.unwrap();
        (line.len() == 2).then_some(())
    })
    .await;
    let work =
        tokio::spawn(async move { office.while_leading(std::future::pending::<()>()).await });
    let mut status = client.status();

    client.sync().await.unwrap();
    for id in 1..=3 {
        ensemble.kill(id).await;
    }
    let gone = Instant::now();
    let expired = status.wait_for(|status| *status == Status::Expired);
    drop(within("the session's end", expired).await.unwrap());
    let (age, since_gone) = (begun.elapsed(), gone.elapsed());
    println!("all servers killed: the session of {TIMEOUT:?} expired here after {since_gone:?}");
    assert!(age >= TIMEOUT, "too early: {age:?} after its beginning");
    assert!(since_gone < LATEST, "too late: {since_gone:?}");
    within("the holder to be told", guard.lost()).await;
    assert_eq!(within("the work's end", work).await.unwrap(), None);
    assert_eq!(
        within("the watch's end", watch).await,
        Err(Error::SessionExpired)
    );
    let waiting = within("the waiter's end", waiting).await.unwrap();
    assert_eq!(waiting.unwrap_err(), Error::SessionExpired);
    assert_eq!(guard.release().await, Err(Error::SessionExpired));
    assert_eq!(client.sync().await, Err(Error::SessionExpired));

    // What the session held is another's once there are servers to say so.
    for id in 1..=3 {
        ensemble.restart(id).await;
    }
    let client = ensemble.client().await;
    let lock = Lock::new(&client, "/lock").unwrap();
    let guard = within("the next holder", lock.acquire()).await.unwrap();
    assert!(guard.token() > token);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_gives_up_when_its_retry_policy_says_so() {
    let mut ensemble = Ensemble::start(1).await;
    let policy = RetryPolicy {
        give_up: Some(Duration::from_millis(1_000)),
        ..RetryPolicy::default()
    };
    let builder = Client::builder().profile(ensemble.profile()).retry(policy);
    let builder = builder.session_timeout(Duration::from_secs(120));
    let client = builder.connect().await.unwrap();
    client.sync().await.unwrap();
    ensemble.kill(1).await;
    let refused = within("the client to give up", client.sync()).await;
    assert!(
        matches!(refused, Err(Error::Unreachable { .. })),
        "{refused:?}"
    );
    assert_eq!(*client.status().borrow(), Status::Closed);
}
