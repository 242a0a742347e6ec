//! Guests that spin, allocate, recurse, trap, flood or want more than they may: each is told so clearly,
//! leaves no effect, and native writes go on meanwhile. What a guest does where nobody has called it is in
//! `hostile.rs`.

use std::collections::BTreeSet;
use std::time::Duration;

use harness::{Ensemble, Writer, plugin};
use zareba_client::{Client, ErrorCode, Limits};

/// A guest may hold the leader's loop for its own time limit, never for longer; the rest is a busy
/// machine's.
pub(crate) const SLOWEST_WRITE: Duration = Duration::from_secs(10);

/// One fault, and what its caller is told.
struct Case {
    name: &'static str,
    op: &'static str,
    input: &'static str,
    code: ErrorCode,
    says: &'static [&'static str],
}

const CASES: [Case; 13] = [
    Case {
        name: "spin",
        op: "spin",
        input: "",
        code: ErrorCode::PluginDeadline,
        says: &["time limit of 100 ms", "do less in one call"],
    },
    Case {
        name: "allocate",
        op: "allocate",
        input: "",
        code: ErrorCode::PluginLimit,
        says: &["memory limit of 8388608", "mount it with a higher limit"],
    },
    Case {
        name: "recurse",
        op: "recurse",
        input: "",
        code: ErrorCode::PluginTrap,
        says: &["trapped", "call stack exhausted"],
    },
    Case {
        name: "trap",
        op: "trap",
        input: "pepper",
        code: ErrorCode::PluginTrap,
        says: &["trapped", "as asked: pepper", "fixtures/src/lib.rs"],
    },
    Case {
        name: "flood host calls",
        op: "flood",
        input: "calls",
        code: ErrorCode::PluginLimit,
        says: &["host-call limit of 1000", "do less in one call"],
    },
    Case {
        name: "flood changes",
        op: "flood",
        input: "ops",
        code: ErrorCode::PluginLimit,
        says: &["op limit of 100", "do less in one call"],
    },
    Case {
        name: "flood bytes",
        op: "flood",
        input: "bytes",
        code: ErrorCode::PluginLimit,
        says: &["byte limit of 65536", "do less in one call"],
    },
    Case {
        name: "flood the log",
        op: "flood",
        input: "log",
        code: ErrorCode::PluginLimit,
        says: &["host-call limit of 1000", "do less in one call"],
    },
    Case {
        name: "a huge result",
        op: "answer",
        input: "65537",
        code: ErrorCode::PluginLimit,
        says: &["answer limit of 65536", "do less in one call"],
    },
    Case {
        name: "a result larger than all that a call may hand over",
        op: "answer",
        input: "4194304",
        code: ErrorCode::PluginTrap,
        says: &["trapped", "too much data is being copied"],
    },
    Case {
        name: "an undescribed park",
        op: "sulk",
        input: "tag",
        code: ErrorCode::PluginTrap,
        says: &["\"sulk\" parked", "does not say that it may"],
    },
    Case {
        name: "a fault of its own",
        op: "fault",
        input: "no luck",
        code: ErrorCode::Plugin(7),
        says: &["no luck"],
    },
    Case {
        name: "an operation that there is not",
        op: "nothing",
        input: "",
        code: ErrorCode::NoPlugin,
        says: &["has no operation \"nothing\"", "it has echo"],
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
        bytes_max: 64 << 10,
        ..Limits::default()
    };
    let bytes = plugin::component(plugin::FIXTURES);
    plugin::mount(&client, "odd", "/odd", bytes, limits).await;
    let before = left_at(&client, "/odd").await;

    let mut writer = Writer::start(ensemble.client().await, "/log").await;
    writer.goes_on(20).await;
    for id in 1..=3 {
        let client = ensemble.client_of(id).await;
        for case in &CASES {
            let error = plugin::call(&client, "/odd", case.op, case.input)
                .await
                .unwrap_err();
            assert!(error.is(case.code), "{} gave {error}", case.name);
            for words in case.says {
                let text = error.to_string();
                assert!(text.contains(words), "{} said only: {text}", case.name);
            }
            let left = left_at(&client, "/odd").await;
            assert_eq!(left, before, "{} has left something", case.name);
            writer.goes_on(3).await;
        }
        let sneaked = plugin::call(&client, "/odd", "sneak", "")
            .await
            .unwrap_err();
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
    assert_eq!(left_at(&client, "/odd").await, before);
    written.verify(&client, "/log").await;

    // It is as good as new.
    let (echo, kept) = tokio::join!(
        plugin::call(&client, "/odd", "echo", "fine"),
        plugin::call(&client, "/odd", "undo", "")
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
        (
            plugin::component(plugin::WRONG_TYPES),
            "does not export zareba:plugin/guest@1.0.0 as this server knows it",
        ),
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

#[tokio::test(flavor = "multi_thread")]
async fn input_of_wrong_types_is_refused_with_what_was_expected() {
    let ensemble = Ensemble::start(3).await;
    let client = ensemble.client().await;
    plugin::mount_lock(&client, "/locks").await;
    let before = left_at(&client, "/locks").await;
    let cases = [
        (r#"{"name":7}"#, "expected a string"),
        (r#"{"name":"db","timeout_ms":"soon"}"#, "expected u64"),
        (r#"{"nom":"db"}"#, "unknown field `nom`"),
        ("[", "EOF"),
        ("\u{0}\u{1}", "expected value"),
    ];
    for (input, says) in cases {
        let refused = client.call("/locks", "acquire", input).await.unwrap_err();
        assert!(
            refused.is(ErrorCode::BadArguments),
            "{input} gave {refused}"
        );
        assert!(refused.to_string().contains(says), "{refused}");
        assert_eq!(left_at(&client, "/locks").await, before, "{input}");
    }
    let lock = client.lock("/locks", "db").unwrap();
    lock.acquire().await.unwrap().release().await.unwrap();
    ensemble.agree().await;
}

/// What is below a mount, the calls that wait and the timers that are set: all that a call can leave behind.
pub(crate) async fn left_at(client: &Client, mount: &str) -> BTreeSet<String> {
    client.sync().await.unwrap();
    let nodes = client.children(mount).await.unwrap();
    let calls = client.children("/zareba/calls").await.unwrap();
    let (timers, _) = client.get("/zareba/timers").await.unwrap();
    let timers = String::from_utf8(timers.to_vec()).unwrap();
    nodes.into_iter().chain(calls).chain([timers]).collect()
}
