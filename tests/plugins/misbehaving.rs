//! Guests that spin, allocate, trap or want more than they may: each is told so clearly, leaves no
//! effect, and native writes go on meanwhile.

use std::collections::BTreeSet;
use std::time::Duration;

use harness::{Ensemble, Writer, plugin};
use zareba_client::{Client, ErrorCode, Limits};

/// A guest may hold the leader's loop for its own time limit, never for longer; the rest is a busy
/// machine's.
const SLOWEST_WRITE: Duration = Duration::from_secs(10);

/// One fault, and what its caller is told.
struct Case {
    op: &'static str,
    input: &'static str,
    code: ErrorCode,
    says: &'static [&'static str],
}

const CASES: [Case; 6] = [
    Case {
        op: "spin",
        input: "",
        code: ErrorCode::PluginDeadline,
        says: &["time limit of 100 ms", "do less in one call"],
    },
    Case {
        op: "allocate",
        input: "",
        code: ErrorCode::PluginLimit,
        says: &["memory limit of 8388608", "mount it with a higher limit"],
    },
    Case {
        op: "trap",
        input: "pepper",
        code: ErrorCode::PluginTrap,
        says: &["trapped", "as asked: pepper", "fixtures/src/lib.rs"],
    },
    Case {
        op: "flood",
        input: "calls",
        code: ErrorCode::PluginLimit,
        says: &["host-call limit of 1000", "do less in one call"],
    },
    Case {
        op: "flood",
        input: "ops",
        code: ErrorCode::PluginLimit,
        says: &["op limit of 100", "do less in one call"],
    },
    Case {
        op: "fault",
        input: "no luck",
        code: ErrorCode::Plugin(7),
        says: &["no luck"],
    },
];

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_that_misbehaves_hurts_nobody_but_itself() {
    let ensemble = Ensemble::start(3).await;
    let client = ensemble.client().await;
    let limits = Limits {
        memory_bytes_max: 8 << 20,
        time_ms_max: 100,
        host_calls_max: 1_000,
        ops_max: 100,
        ..Limits::default()
    };
    let bytes = plugin::component(plugin::FIXTURES);
    plugin::mount(&client, "odd", "/odd", bytes, limits).await;
    let before = nodes(&client).await;

    let mut writer = Writer::start(ensemble.client().await, "/log").await;
    writer.goes_on(20).await;
    for id in 1..=3 {
        let client = ensemble.client_of(id).await;
        for case in &CASES {
            let error = client.call("/odd", case.op, case.input).await.unwrap_err();
            assert!(error.is(case.code), "{} gave {error}", case.op);
            for words in case.says {
                let text = error.to_string();
                assert!(text.contains(words), "{} said only: {text}", case.op);
            }
            writer.goes_on(3).await;
        }
        let sneaked = client.call("/odd", "sneak", "").await.unwrap_err();
        assert!(
            sneaked.to_string().contains("a query writes nothing"),
            "{sneaked}"
        );
        client.close().await.unwrap();
    }
    let written = writer.stop().await;
    println!(
        "misbehaving guests: {} writes meanwhile, the slowest took {:?}",
        written.acknowledged.len(),
        written.slowest
    );
    assert!(written.slowest < SLOWEST_WRITE, "{:?}", written.slowest);
    client.sync().await.unwrap();
    assert_eq!(
        nodes(&client).await,
        before,
        "a failed call has left something"
    );
    written.verify(&client, "/log").await;

    // It is as good as new.
    let (echo, kept) = tokio::join!(
        client.call("/odd", "echo", "fine"),
        client.call("/odd", "undo", "")
    );
    assert_eq!(echo.unwrap(), "fine");
    assert_eq!(kept.unwrap(), r#"["kept"]"#);
    ensemble.agree().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_that_wants_more_than_the_contract_is_refused_at_push() {
    let ensemble = Ensemble::start(3).await;
    let client = ensemble.client().await;
    let mut writer = Writer::start(ensemble.client().await, "/log").await;
    writer.goes_on(20).await;
    let cases = [
        (plugin::component(plugin::WASI), "wasi:cli/environment"),
        (b"not a component".to_vec(), "not a component"),
    ];
    for (bytes, says) in cases {
        let refused = client
            .push_plugin("odd", bytes, |_, _| {})
            .await
            .unwrap_err();
        assert!(refused.is(ErrorCode::PluginRefused), "{refused}");
        println!("refused at push: {refused}");
        assert!(refused.to_string().contains(says), "{refused}");
        writer.goes_on(3).await;
    }
    let written = writer.stop().await;
    println!(
        "a refused push: the slowest write took {:?}",
        written.slowest
    );
    let plugins = client.children("/zareba/plugins").await.unwrap();
    assert!(plugins.is_empty(), "{plugins:?}");
    written.verify(&client, "/log").await;
    ensemble.agree().await;
}

/// What is below the mount.
async fn nodes(client: &Client) -> BTreeSet<String> {
    client.children("/odd").await.unwrap().into_iter().collect()
}
