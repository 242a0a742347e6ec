//! A plugin's life: pushed, activated, mounted, called, replaced, taken off.

use std::time::Duration;

use harness::{Ensemble, plugin, within};
use zareba_client::{Client, ErrorCode, Limits};

/// A busy machine must not end a call that is not meant to end.
fn patient() -> Limits {
    Limits {
        time_ms_max: 5_000,
        ..Limits::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_is_pushed_activated_mounted_called_on_every_server_and_taken_off() {
    let ensemble = Ensemble::start(3).await;
    let client = ensemble.client().await;
    let early = client.call("/odd", "echo", "x").await.unwrap_err();
    assert!(early.is(ErrorCode::NoPlugin), "{early}");
    let mounted = client.mount_plugin("odd", "/odd", [].into(), patient());
    let early = mounted.await.unwrap_err();
    assert!(early.is(ErrorCode::NoPlugin), "{early}");
    assert!(early.to_string().contains("push one first"), "{early}");

    let bytes = plugin::component(plugin::FIXTURES);
    let total = bytes.len() as u64;
    let mut steps = Vec::new();
    let pushed = client.push_plugin("odd", bytes, |sent, of| {
        assert_eq!(of, total);
        steps.push(sent);
    });
    let sha256 = pushed.await.unwrap();
    assert_eq!((steps.first(), steps.last()), (Some(&0), Some(&total)));
    assert!(steps.is_sorted(), "{steps:?}");
    let mounted = client.mount_plugin("odd", "/odd", [].into(), patient());
    let early = mounted.await.unwrap_err();
    assert!(early.to_string().contains("activate one first"), "{early}");
    plugin::activate(&client, "odd", sha256).await;
    let config = [("key".to_owned(), "value".to_owned())].into();
    client
        .mount_plugin("odd", "/odd", config, patient())
        .await
        .unwrap();

    for id in 1..=3 {
        let client = ensemble.client_of(id).await;
        client.sync().await.unwrap();
        let name = format!("by-{id}");
        let echoed = client.call("/odd", "echo", name.clone()).await.unwrap();
        assert_eq!(echoed, name);
        client.call("/odd", "write", name.clone()).await.unwrap();
        // Its nodes are ordinary ones to read, and queries see them on this server.
        let (data, _) = client.get(format!("/odd/{name}")).await.unwrap();
        assert_eq!(data, "written");
        assert_eq!(client.call("/odd", "read", name).await.unwrap(), "written");
        let about = client.call("/odd", "about", "").await.unwrap();
        let about: serde_json::Value = serde_json::from_slice(&about).unwrap();
        assert_eq!(about["config"], "value");
        assert_eq!(about["session"], client.session_id().0);
        client.close().await.unwrap();
    }
    client.unmount_plugin("/odd").await.unwrap();
    let late = client.call("/odd", "echo", "x").await.unwrap_err();
    assert!(late.is(ErrorCode::NoPlugin), "{late}");
    assert!(late.to_string().contains("/odd"), "{late}");
    let (data, _) = client.get("/odd/by-3").await.unwrap();
    assert_eq!(data, "written");
    client.delete("/odd/by-3", None).await.unwrap();
    ensemble.agree().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unmounted_plugins_parked_calls_are_cancelled_with_a_reason() {
    let ensemble = Ensemble::start(3).await;
    let client = ensemble.client().await;
    plugin::mount_lock(&client, "/locks").await;
    let guard = client
        .lock("/locks", "db")
        .unwrap()
        .acquire()
        .await
        .unwrap();
    let waiting = ensemble.client().await;
    let waiter = tokio::spawn(wait_for(waiting.clone(), "/locks"));
    parked(&client, "/locks", 1).await;
    client.unmount_plugin("/locks").await.unwrap();
    let cancelled = within("the waiter", waiter).await.unwrap().unwrap_err();
    assert!(cancelled.is(ErrorCode::CallCancelled), "{cancelled}");
    assert!(cancelled.to_string().contains("/locks"), "{cancelled}");
    let refused = guard.release().await.unwrap_err();
    assert!(refused.is(ErrorCode::NoPlugin), "{refused}");
    ensemble.agree().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn parked_calls_survive_an_upgrade_and_a_dead_leader() {
    let mut ensemble = Ensemble::start(3).await;
    let client = ensemble.client_from(1, Duration::from_secs(30)).await;
    plugin::mount_lock(&client, "/locks").await;
    let guard = client
        .lock("/locks", "db")
        .unwrap()
        .acquire()
        .await
        .unwrap();
    let first = ensemble.client_from(2, Duration::from_secs(30)).await;
    let first = tokio::spawn(wait_for(first, "/locks"));
    parked(&client, "/locks", 1).await;

    // The same recipe, built otherwise: another revision that reads the same nodes.
    let upgrade = upgraded(plugin::component(plugin::LOCK));
    plugin::deploy(&client, "lock", upgrade).await;
    let second = ensemble.client_from(3, Duration::from_secs(30)).await;
    let second = tokio::spawn(wait_for(second, "/locks"));
    parked(&client, "/locks", 2).await;
    let leader = ensemble.leader().await;
    ensemble.kill(leader).await;

    let token = guard.token();
    within("the release", guard.release()).await.unwrap();
    let (first, first_client) = within("the first waiter", first).await.unwrap().unwrap();
    assert!(first > token);
    assert!(!second.is_finished());
    let released = first_client.call("/locks", "release", DB);
    within("the second release", released).await.unwrap();
    let (second, _client) = within("the second waiter", second).await.unwrap().unwrap();
    assert!(second > first);
    ensemble.restart(leader).await;
    ensemble.serving().await;
    ensemble.agree().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_layout_is_migrated_and_an_older_revision_can_be_rolled_back_to() {
    let ensemble = Ensemble::start(3).await;
    let client = ensemble.client().await;
    let lock = plugin::deploy(&client, "mixed", plugin::component(plugin::LOCK)).await;
    let mounted = client.mount_plugin("mixed", "/mixed", [].into(), patient());
    mounted.await.unwrap();
    client.call("/mixed", "try", DB).await.unwrap();

    // Another layout under the same name: its code is told what it finds.
    plugin::deploy(&client, "mixed", plugin::component(plugin::FIXTURES)).await;
    assert_eq!(client.get("/mixed/migrated").await.unwrap().0, "2");
    assert_eq!(client.call("/mixed", "echo", "new").await.unwrap(), "new");
    let gone = client.call("/mixed", "try", DB).await.unwrap_err();
    assert!(gone.to_string().contains("it has echo"), "{gone}");

    plugin::activate(&client, "mixed", lock).await;
    let held = client.set("/mixed/db", "mine", None).await.unwrap_err();
    assert!(held.is(ErrorCode::NoAuth), "{held}");
    assert!(held.to_string().contains("use its operations"), "{held}");
    client.call("/mixed", "release", DB).await.unwrap();
    assert!(client.exists("/mixed/db").await.unwrap().is_none());
    assert!(client.exists("/mixed/migrated").await.unwrap().is_some());
    ensemble.agree().await;
}

const DB: &str = r#"{"name":"db"}"#;

/// Takes the lock by a plain call and keeps the session: the token and the client.
async fn wait_for(
    client: Client,
    mount: &'static str,
) -> Result<(u64, Client), zareba_client::Error> {
    let granted = client.call(mount, "acquire", DB).await?;
    let granted: serde_json::Value = serde_json::from_slice(&granted).unwrap();
    Ok((granted["token"].as_u64().unwrap(), client))
}

/// Waits until so many calls wait for the lock.
async fn parked(client: &Client, mount: &str, waiters: u64) {
    harness::until("calls have parked", async || {
        client.sync().await.unwrap();
        let holders = client.call(mount, "holders", DB).await.unwrap();
        let holders: serde_json::Value = serde_json::from_slice(&holders).unwrap();
        (holders[0]["waiters"] == waiters).then_some(())
    })
    .await;
}

/// The same component with one more custom section, which says nothing: another address.
fn upgraded(mut component: Vec<u8>) -> Vec<u8> {
    let name = b"built-again";
    component.extend([0, name.len() as u8 + 1, name.len() as u8]);
    component.extend(name);
    component
}
