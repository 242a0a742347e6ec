//! A client whose process is killed loses its lock after its session timeout, not before.

use std::time::Duration;

use harness::{Ensemble, Process, plugin, within};
use tokio::time::Instant;

/// The killed client's session timeout.
const TIMEOUT: Duration = Duration::from_millis(3_000);

/// A client is heard of every third of its timeout, so its last word may be so old when it dies;
/// and servers pass it on to the leader in batches.
const SINCE_LAST_HEARD: Duration = Duration::from_millis(1_000 + 500);

/// Far later than a healthy ensemble ends the session on a busy machine.
const LATEST: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_client_loses_its_lock_after_its_session_timeout_and_not_before() {
    let ensemble = Ensemble::start(3).await;
    let client = ensemble.client().await;
    plugin::mount_lock(&client, "/locks").await;

    let profile = ensemble.profile_file();
    let timeout = TIMEOUT.as_millis().to_string();
    let arguments = [
        "--profile",
        profile.to_str().unwrap(),
        "--session-timeout-ms",
        &timeout,
        "lock",
        "db",
        "--",
        "sh",
        "-c",
        // Goes when its terminal's end does: the killed client cannot end it.
        "echo $ZAREBA_FENCING_TOKEN; exec tail --pid=$PPID -f /dev/null",
    ];
    let log = ensemble.folder().join("lock-log");
    let mut holder = Process::start("zareba lock", &arguments, &log);
    let line = holder.line().await;
    let token: u64 = line
        .unwrap_or_else(|| panic!("{}", read(&log)))
        .parse()
        .unwrap();

    let lock = client.lock("/locks", "db").unwrap();
    assert!(lock.try_acquire().await.unwrap().is_none());
    let waiter = tokio::spawn(async move {
        let guard = lock.acquire().await.unwrap();
        (Instant::now(), guard)
    });
    let killed = Instant::now();
    holder.kill().await;
    let (granted, guard) = within("the next waiter", waiter).await.unwrap();
    let waited = granted - killed;
    println!("client killed: the next waiter had the lock after {waited:?}");
    assert!(guard.token() > token);
    assert!(
        waited >= TIMEOUT - SINCE_LAST_HEARD,
        "too early: {waited:?}"
    );
    assert!(waited < LATEST, "too late: {waited:?}");
    guard.release().await.unwrap();
    client.close().await.unwrap();
}

fn read(log: &std::path::Path) -> String {
    std::fs::read_to_string(log).unwrap()
}
