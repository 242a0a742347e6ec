//! Many clients contend for a lock and the leader is killed: writes go on soon, nothing that was
//! acknowledged is lost, no two hold the lock at once, and the killed server comes back.

use std::time::Duration;

use harness::{Ensemble, Writer, plugin, within};
use tokio::sync::watch;
use tokio::time::Instant;
use zareba_client::{Client, CreateMode, Error, ErrorCode, LockGuard};

/// Clients that want the lock.
const CLIENTS: u64 = 30;

/// Grants before the leader is killed, and again after.
const GRANTS: usize = 60;

/// Far longer than a healthy ensemble needs on a busy machine: about half a second.
const GAP_MAX: Duration = Duration::from_secs(10);

/// One client's time with the lock.
#[derive(Clone, Copy, Debug)]
struct Tenure {
    token: u64,
    from: Instant,
    to: Instant,
}

#[derive(Debug, Default)]
struct Contender {
    tenures: Vec<Tenure>,
    created: Vec<String>,
    refused: u64,
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contended_lock_survives_the_leaders_death() {
    let mut ensemble = Ensemble::start(3).await;
    let client = ensemble.client().await;
    plugin::mount_lock(&client, "/locks").await;
    client
        .create("/made", "", CreateMode::Persistent)
        .await
        .unwrap();

    let (stop, stopped) = watch::channel(false);
    let (granted, mut grants) = watch::channel(0_usize);
    let mut contenders = Vec::new();
    for i in 0..CLIENTS {
        let timeout = Duration::from_secs(30);
        let client = ensemble.client_from(i % 3 + 1, timeout).await;
        let (stopped, granted) = (stopped.clone(), granted.clone());
        contenders.push(tokio::spawn(contend(client, stopped, granted)));
    }
    let mut writer = Writer::start(ensemble.client().await, "/log").await;
    let enough = |grants: &usize| *grants >= GRANTS;
    within("grants before", grants.wait_for(enough))
        .await
        .unwrap();

    let killed = ensemble.leader().await;
    let asked = Instant::now();
    ensemble.kill(killed).await;
    writer.goes_on(2).await;
    let gap = asked.elapsed();
    let before = *grants.borrow();
    let enough = |grants: &usize| *grants >= before + GRANTS;
    within("grants after", grants.wait_for(enough))
        .await
        .unwrap();
    ensemble.restart(killed).await;
    stop.send_replace(true);

    let mut tenures = Vec::new();
    let mut created = Vec::new();
    let mut refused = 0;
    for contender in contenders {
        let contender = within("a contender", contender).await.unwrap();
        tenures.extend(contender.tenures);
        created.extend(contender.created);
        refused += contender.refused;
    }
    let written = writer.stop().await;
    println!(
        "leader killed: writes went on after {gap:?}, slowest write {:?}; {} grants; \
         refused and asked again: {refused} by contenders, {} by the writer",
        written.slowest,
        tenures.len(),
        written.refused
    );
    assert!(gap < GAP_MAX, "no write for {gap:?}");
    verify_tenures(tenures);
    verify_nodes(&client, created).await;
    written.verify(&client, "/log").await;
    client.close().await.unwrap();
    ensemble.serving().await;
    ensemble.agree().await;
}

/// Takes the lock, writes something while holding it, gives it back, and begins anew.
async fn contend(
    client: Client,
    stopped: watch::Receiver<bool>,
    granted: watch::Sender<usize>,
) -> Contender {
    let mut contender = Contender::default();
    let lock = client.lock("/locks", "db").unwrap();
    while !*stopped.borrow() {
        let guard: LockGuard = match lock.acquire().await {
            Ok(guard) => guard,
            Err(error) => {
                contender.refused += refusal(error);
                continue;
            }
        };
        let (token, from) = (guard.token(), Instant::now());
        granted.send_modify(|grants| *grants += 1);
        match client
            .create("/made/n-", "", CreateMode::PersistentSequential)
            .await
        {
            Ok(path) => contender.created.push(path.to_string()),
            Err(error) => contender.refused += refusal(error),
        }
        let to = Instant::now();
        contender.tenures.push(Tenure { token, from, to });
        if let Err(error) = guard.release().await {
            contender.refused += refusal(error);
        }
    }
    client.close().await.unwrap();
    contender
}

/// A leader that lost its office may refuse a request, which then has had no effect.
fn refusal(error: Error) -> u64 {
    assert!(error.is(ErrorCode::NotServing), "{error}");
    1
}

fn verify_tenures(mut tenures: Vec<Tenure>) {
    tenures.sort_by_key(|tenure| tenure.from);
    for pair in tenures.windows(2) {
        let [earlier, later] = [pair[0], pair[1]];
        assert!(
            earlier.token < later.token,
            "tokens fall: {earlier:?} {later:?}"
        );
        assert!(
            earlier.to <= later.from,
            "two hold at once: {earlier:?} {later:?}"
        );
    }
}

async fn verify_nodes(client: &Client, mut created: Vec<String>) {
    client.sync().await.unwrap();
    let names = client.children("/made").await.unwrap();
    let mut found: Vec<_> = names.into_iter().map(|it| format!("/made/{it}")).collect();
    created.sort();
    found.sort();
    assert_eq!(created, found, "reported and found differ");
}
