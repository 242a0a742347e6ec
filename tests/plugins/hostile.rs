//! Guests that misbehave where nobody waits for an answer: they park for ever, fail in events and
//! migrations, are mounted everywhere. Each hurts its own mount alone, and native writes go on meanwhile.

use futures::stream::{self, StreamExt};
use harness::{Ensemble, Writer, plugin, until, within};
use serde_json::Value;
use zareba_client::{Client, ErrorCode, Limits};

use crate::misbehaving::{SLOWEST_WRITE, left_at};

/// A busy machine must not end a call that is not meant to end.
fn patient() -> Limits {
    Limits {
        time_ms_max: 5_000,
        ..Limits::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_that_park_without_end_are_so_many_and_go_with_their_sessions() {
    let ensemble = Ensemble::start(3).await;
    let client = ensemble.client().await;
    let limits = Limits {
        parked_calls_max: PARKED_MAX as u32,
        ..patient()
    };
    let bytes = plugin::component(plugin::FIXTURES);
    plugin::mount(&client, "odd", "/odd", bytes, limits).await;
    let mut writer = Writer::start(ensemble.client().await, "/log").await;

    let caller = ensemble.client().await;
    for number in 0..PARKED_MAX {
        let parking = caller.clone();
        tokio::spawn(async move { parking.call("/odd", "linger", "for ever").await });
        parked(&client, number + 1).await;
    }
    let refused = client.call("/odd", "linger", "too").await.unwrap_err();
    assert!(refused.is(ErrorCode::Throttled), "{refused}");
    let words = "too many calls are parked at /odd";
    assert!(refused.to_string().contains(words), "{refused}");
    parked(&client, PARKED_MAX).await;
    writer.goes_on(20).await;

    caller.close().await.unwrap();
    parked(&client, 0).await;
    let parking = client.clone();
    tokio::spawn(async move { parking.call("/odd", "linger", "there is room").await });
    parked(&client, 1).await;
    let written = writer.stop().await;
    written.verify(&client, "/log").await;
    ensemble.agree().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_that_traps_in_events_is_put_out_of_service_and_comes_back_cured() {
    fails_in_events("trap", "the fixture is poisoned: trap", patient()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_that_spins_in_events_is_put_out_of_service_and_comes_back_cured() {
    let limits = Limits {
        time_ms_max: 100,
        ..patient()
    };
    fails_in_events("spin", "time limit of 100 ms", limits).await;
}

async fn fails_in_events(how: &'static str, says: &str, limits: Limits) {
    let ensemble = Ensemble::start(3).await;
    let client = ensemble.client().await;
    let bytes = plugin::component(plugin::FIXTURES);
    plugin::mount(&client, "odd", "/odd", bytes.clone(), limits).await;
    let mut writer = Writer::start(ensemble.client().await, "/log").await;
    client.call("/odd", "poison", how).await.unwrap();

    // A session's end is the kernel's own: it is there, whatever the guest makes of it.
    let caller = ensemble.client().await;
    let session = format!("{:x}", caller.session_id().0);
    let parking = caller.clone();
    tokio::spawn(async move { parking.call("/odd", "linger", "for ever").await });
    parked(&client, 1).await;
    within("a session's end", caller.close()).await.unwrap();
    parked(&client, 0).await;
    let sessions = client.children("/zareba/sessions").await.unwrap();
    assert!(!sessions.contains(&session), "{session} in {sessions:?}");
    writer.goes_on(20).await;

    let why = until("it is out of service", async || {
        let called = client.call("/odd", "echo", "").await;
        called
            .err()
            .filter(|it| it.is(ErrorCode::PluginQuarantined))
    })
    .await;
    for words in ["/odd is out of service", "5 failures in a row", says] {
        assert!(why.to_string().contains(words), "{why}");
    }
    assert!(client.exists("/odd/seen").await.unwrap().is_none());
    // Queries write nothing, and stay.
    assert_eq!(client.call("/odd", "read", "poison").await.unwrap(), how);
    writer.goes_on(20).await;

    until("it is cured", async || {
        plugin::deploy(&client, "odd", bytes.clone()).await;
        client.call("/odd", "cure", "").await.ok()
    })
    .await;
    let seen = until("it was told what it missed", async || {
        client.get("/odd/seen").await.ok()
    })
    .await;
    let seen: Value = serde_json::from_slice(&seen.0).unwrap();
    assert_eq!(seen[4], "for ever", "{seen}");
    let written = writer.stop().await;
    assert!(written.slowest < SLOWEST_WRITE, "{:?}", written.slowest);
    written.verify(&client, "/log").await;
    ensemble.agree().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revision_that_fails_in_migrate_is_not_activated_and_the_old_one_goes_on() {
    let ensemble = Ensemble::start(3).await;
    let client = ensemble.client().await;
    let mut writer = Writer::start(ensemble.client().await, "/log").await;
    let cases = [
        (
            "trap",
            ErrorCode::PluginTrap,
            "the fixture is poisoned: trap",
        ),
        ("spin", ErrorCode::PluginDeadline, "time limit of 200 ms"),
    ];
    for (how, code, says) in cases {
        let (name, mount) = (format!("shifty-{how}"), format!("/shifty-{how}"));
        let lock = plugin::component(plugin::LOCK);
        // Little, for it is the leader's loop that is held for so long.
        let limits = Limits {
            time_ms_max: 200,
            ..Limits::default()
        };
        plugin::mount(&client, &name, &mount, lock, limits).await;
        // A lock's node holds what its holder said, and becomes the next revision's poison.
        let input = format!(r#"{{"name":"poison","data":"{how}"}}"#);
        client.call(&mount, "try", input).await.unwrap();
        let bytes = plugin::component(plugin::FIXTURES);
        let pushed = client.push_plugin(&name, bytes, |_, _| {}).await.unwrap();
        let before = left_at(&client, &mount).await;
        let refused = until("it is compiled everywhere", async || {
            let refused = client
                .activate_breaking_plugin(&name, pushed)
                .await
                .unwrap_err();
            (!refused.is(ErrorCode::PluginNotReady)).then_some(refused)
        })
        .await;
        assert!(refused.is(code), "{how} gave {refused}");
        assert!(refused.to_string().contains(says), "{refused}");
        assert_eq!(left_at(&client, &mount).await, before, "{how}");
        writer.goes_on(20).await;
        let release = r#"{"name":"poison"}"#;
        plugin::call(&client, &mount, "release", release)
            .await
            .unwrap();
        plugin::activate(&client, &name, pushed).await;
        let echoed = plugin::call(&client, &mount, "echo", "new").await.unwrap();
        assert_eq!(echoed, "new");
    }
    let written = writer.stop().await;
    assert!(written.slowest < SLOWEST_WRITE, "{:?}", written.slowest);
    written.verify(&client, "/log").await;
    ensemble.agree().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_mounts_are_served_and_leave_native_writes_alone() {
    let ensemble = Ensemble::start(3).await;
    let client = ensemble.client().await;
    let bytes = plugin::component(plugin::FIXTURES);
    plugin::deploy(&client, "odd", bytes).await;
    client
        .create("/crowd", "", zareba_client::CreateMode::Persistent)
        .await
        .unwrap();
    let mut writer = Writer::start(ensemble.client().await, "/log").await;
    let path = |number: usize| format!("/crowd/{number}");
    let mounting = stream::iter(0..MOUNTS).map(|number| {
        let config = [("key".to_owned(), number.to_string())].into();
        client.mount_plugin("odd", path(number), config, patient())
    });
    let mut mounting = mounting.buffer_unordered(200);
    while let Some(mounted) = within("a mount", mounting.next()).await {
        mounted.unwrap();
    }
    drop(mounting);
    writer.goes_on(20).await;
    for number in [0, MOUNTS / 2, MOUNTS - 1] {
        let about = client.call(path(number), "about", "").await.unwrap();
        let about: Value = serde_json::from_slice(&about).unwrap();
        assert_eq!(about["config"], number.to_string());
    }
    let nested = client.mount_plugin("odd", "/crowd/7/nested", [].into(), patient());
    let nested = nested.await.unwrap_err();
    assert!(nested.is(ErrorCode::NodeExists), "{nested}");
    assert!(
        nested.to_string().contains("mounted at /crowd/7"),
        "{nested}"
    );

    let unmounting = stream::iter(0..MOUNTS).map(|number| client.unmount_plugin(path(number)));
    let mut unmounting = unmounting.buffer_unordered(200);
    while let Some(unmounted) = within("an unmount", unmounting.next()).await {
        unmounted.unwrap();
    }
    drop(unmounting);
    client.sync().await.unwrap();
    let mounts = client.children("/zareba/mounts").await.unwrap();
    assert!(mounts.is_empty(), "{} mounts are left", mounts.len());
    let written = writer.stop().await;
    println!(
        "ten thousand mounts: {} writes meanwhile, the slowest took {:?}",
        written.acknowledged.len(),
        written.slowest
    );
    assert!(written.slowest < SLOWEST_WRITE, "{:?}", written.slowest);
    written.verify(&client, "/log").await;
    ensemble.agree().await;
}

/// Waits until so many calls wait for an answer, as a server shows them.
async fn parked(client: &Client, count: usize) {
    until("calls have parked or gone", async || {
        client.sync().await.unwrap();
        let calls = client.children("/zareba/calls").await.unwrap();
        (calls.len() == count).then_some(())
    })
    .await;
}

/// Calls that may be parked at the mount.
const PARKED_MAX: usize = 5;

/// Mounts of one plugin.
const MOUNTS: usize = 10_000;
