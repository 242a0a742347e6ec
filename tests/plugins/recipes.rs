//! Every standard recipe as the built component that is shipped: what a session holds passes on when the leader is
//! killed and the session ends, and what was put is there.

use std::time::Duration;

use harness::{Ensemble, plugin, until, within};
use serde_json::{Value, json};
use zareba_client::{Client, Error};

/// A recipe that gives one thing to one session at a time.
struct Holding {
    name: &'static str,
    config: &'static [(&'static str, &'static str)],
    op: &'static str,
    input: &'static str,
    /// The fencing token in the answer.
    token: &'static str,
}

const HOLDING: [Holding; 8] = [
    holding("lock", &[], "acquire", r#"{"name":"x"}"#, "token"),
    holding(
        "rwlock",
        &[],
        "acquire",
        r#"{"name":"x","mode":"write"}"#,
        "token",
    ),
    holding(
        "semaphore",
        &[("permits", "1")],
        "acquire",
        r#"{"name":"x"}"#,
        "token",
    ),
    holding(
        "multilock",
        &[],
        "acquire",
        r#"{"names":["x","y"]}"#,
        "token",
    ),
    holding("election", &[], "stand", r#"{"name":"x"}"#, "term"),
    holding("queue", &[], "take", r#"{"queue":"x"}"#, "attempt"),
    holding("shards", &[], "stand", "{}", "term"),
    holding("fleet", &[], "stand", "{}", "term"),
];

const fn holding(
    name: &'static str,
    config: &'static [(&'static str, &'static str)],
    op: &'static str,
    input: &'static str,
    token: &'static str,
) -> Holding {
    Holding {
        name,
        config,
        op,
        input,
        token,
    }
}

async fn ask(client: &Client, mount: &str, op: &str, input: &str) -> Result<Value, Error> {
    let answer = client.call(mount, op, input.to_owned()).await?;
    Ok(serde_json::from_slice(&answer).unwrap())
}

/// Waits until so many calls are parked at the mounts, by what the servers show.
async fn parked(client: &Client, calls: usize) {
    until("the calls have parked", async || {
        client.sync().await.unwrap();
        let mut found = 0;
        for recipe in &HOLDING {
            let line = client.children(format!("/{}/@line", recipe.name)).await;
            found += line.map_or(0, |line| line.len());
        }
        (found == calls).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_session_holds_passes_on_though_the_leader_is_killed_meanwhile() {
    let mut ensemble = Ensemble::start(3).await;
    let leader = ensemble.leader().await;
    let other = leader % 3 + 1;
    let patience = Duration::from_secs(60);
    let first = ensemble.client_from(other, patience).await;
    let second = ensemble.client_from(other, patience).await;
    let mut firsts = Vec::new();
    for recipe in &HOLDING {
        let mount = format!("/{}", recipe.name);
        plugin::mount_recipe(&first, recipe.name, &mount, recipe.config).await;
        if recipe.name == "queue" {
            ask(&first, &mount, "put", r#"{"queue":"x","data":"work"}"#)
                .await
                .unwrap();
        }
        let granted = ask(&first, &mount, recipe.op, recipe.input).await.unwrap();
        firsts.push(granted[recipe.token].as_u64().unwrap());
    }
    let mut waiting = Vec::new();
    for recipe in &HOLDING {
        let second = second.clone();
        waiting.push(tokio::spawn(async move {
            let mount = format!("/{}", recipe.name);
            ask(&second, &mount, recipe.op, recipe.input).await
        }));
    }
    parked(&first, HOLDING.len()).await;
    ensemble.kill(leader).await;
    first.sync().await.unwrap();
    assert!(waiting.iter().all(|call| !call.is_finished()));
    first.close().await.unwrap();
    for ((recipe, call), before) in HOLDING.iter().zip(waiting).zip(firsts) {
        let granted = within(recipe.name, call).await.unwrap().unwrap();
        let token = granted[recipe.token].as_u64().unwrap();
        assert!(token > before, "{}: {token} after {before}", recipe.name);
    }
    ensemble.restart(leader).await;
    ensemble.serving().await;
    ensemble.agree().await;
}

/// An ensemble with these recipes, each mounted under its name.
async fn mounted(recipes: &[(&str, &[(&str, &str)])]) -> (Ensemble, Client) {
    let ensemble = Ensemble::start(3).await;
    let client = ensemble.client().await;
    for (name, config) in recipes {
        plugin::mount_recipe(&client, name, &format!("/{name}"), config).await;
    }
    (ensemble, client)
}

const NAME: &str = r#"{"name":"x"}"#;

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_for_others_goes_on_with_them() {
    let recipes = ["barrier", "double-barrier", "rendezvous", "lease"].map(|name| (name, &[][..]));
    let (ensemble, client) = mounted(&recipes).await;
    let ask = async |mount, op, input: &str| ask(&client, mount, op, input).await.unwrap();

    assert_eq!(
        ask("/barrier", "set", NAME).await,
        json!({ "changed": true })
    );
    let waits = ask("/barrier", "wait", NAME);
    let (waited, lifted) = tokio::join!(waits, ask("/barrier", "lift", NAME));
    assert_eq!((waited, lifted), (json!({}), json!({ "changed": true })));

    let enter = r#"{"name":"x","count":2}"#;
    let one = ask("/double-barrier", "enter", enter);
    let (one, two) = tokio::join!(one, ask("/double-barrier", "enter", enter));
    assert_eq!(one, two);

    let one = ask("/rendezvous", "exchange", r#"{"name":"x","value":7}"#);
    let two = ask("/rendezvous", "exchange", r#"{"name":"x","value":8}"#);
    let (one, two) = tokio::join!(one, two);
    assert_eq!((&one["value"], &two["value"]), (&json!(8), &json!(7)));

    // The second has it when the first's time is over.
    let first = ask("/lease", "acquire", r#"{"name":"x","ttl_ms":50}"#).await;
    let second = ask("/lease", "acquire", r#"{"name":"x","ttl_ms":50}"#).await;
    assert!(second["token"].as_u64() > first["token"].as_u64());
    ensemble.agree().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_counted_published_and_placed_is_there() {
    let rate = [("per_second", "1"), ("burst", "3")];
    let recipes: [(&str, &[(&str, &str)]); 5] = [
        ("counter", &[]),
        ("group", &[]),
        ("config", &[]),
        ("rate-limit", &rate),
        ("topics", &[]),
    ];
    let (ensemble, client) = mounted(&recipes).await;
    let ask = async |mount, op, input: &str| ask(&client, mount, op, input).await.unwrap();

    for value in 1..=20 {
        assert_eq!(
            ask("/counter", "add", NAME).await,
            json!({ "value": value })
        );
    }
    ask(
        "/group",
        "join",
        r#"{"group":"x","member":"a","data":"here"}"#,
    )
    .await;
    let members = ask("/group", "members", r#"{"group":"x"}"#).await;
    assert_eq!(members["members"][0]["data"], "here");

    let publish = r#"{"name":"x","values":{"a":1,"b":[2]}}"#;
    assert_eq!(
        ask("/config", "publish", publish).await,
        json!({ "version": 1 })
    );
    let whole = ask("/config", "get", NAME).await;
    assert_eq!(
        whole,
        json!({ "version": 1, "values": { "a": 1, "b": [2] } })
    );

    for _ in 0..3 {
        ask("/rate-limit", "take", NAME).await;
    }
    // A fourth comes with time.
    ask("/rate-limit", "take", r#"{"name":"x","wait":true}"#).await;

    ask("/topics", "join", r#"{"node":"a"}"#).await;
    let place = ask("/topics", "create", r#"{"topic":"x"}"#).await;
    assert_eq!(
        (&place["primary"], &place["backup"]),
        (&json!("a"), &Value::Null)
    );
    ensemble.agree().await;
}
