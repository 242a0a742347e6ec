//! A plugin's life on the command line: checked, pushed, planned, activated, rolled back, mounted, paused,
//! seen, signed and removed.

use harness::plugin;
use serde_json::Value;

use crate::local::Dev;

/// Does all of it with the plugin "odd", which is gone afterwards.
pub(crate) async fn life(dev: &Dev) {
    recipes_are_there(dev).await;
    let first = pushed_and_mounted(dev).await;
    what_breaks_callers_is_planned(dev, &first).await;
    rests_and_goes_on(dev).await;
    what_a_call_would_do(dev).await;
    what_it_did(dev).await;
    signed(dev).await;
    gone(dev).await;
}

fn fixtures() -> String {
    let path = plugin::component_path(plugin::FIXTURES);
    path.to_str().unwrap().to_owned()
}

/// Another component that could be a revision.
fn other() -> String {
    let path = plugin::component_path("../plugins/dist/counter.wasm");
    path.to_str().unwrap().to_owned()
}

async fn recipes_are_there(dev: &Dev) {
    let listed = dev.json_lines(&["plugin", "list"]).await;
    assert_eq!(listed.len(), 17, "the standard recipes");
    let lock = listed.iter().find(|it| it["name"] == "lock").unwrap();
    assert_eq!(lock["active"], true);
    assert_eq!(lock["mounts"][0]["path"], "/locks");
    let said = dev.ok(&["plugin", "describe", "lock"]).await;
    assert!(said.contains("acquire (may wait)"), "{said}");
    let said = dev.json(&["plugin", "describe", "lock"]).await;
    let ops = said["ops"].as_array().unwrap().iter();
    assert!(ops.clone().any(|op| op["name"] == "acquire"), "{said}");
}

async fn pushed_and_mounted(dev: &Dev) -> String {
    let wasi = plugin::component_path(plugin::WASI);
    let wasi = wasi.to_str().unwrap();
    for command in [
        &["plugin", "verify", wasi][..],
        &["plugin", "push", "wasi", wasi],
    ] {
        let refused = dev.run(command).await;
        assert_eq!(refused.code, 8, "{}", refused.errors);
        assert!(refused.errors.contains("wasi:cli"), "{}", refused.errors);
    }
    let missing = dev.run(&["plugin", "push", "odd", "/no/such.wasm"]).await;
    assert_eq!(missing.code, 2, "{}", missing.errors);
    let checked = dev.json(&["plugin", "verify", &fixtures()]).await;
    let planned = dev.ok(&["plugin", "plan", "odd", &fixtures()]).await;
    assert!(planned.contains("nothing -> "), "{planned}");
    let pushed = dev.json(&["plugin", "push", "odd", &fixtures()]).await;
    assert_eq!(pushed["sha256"], checked["sha256"]);
    let sha256 = pushed["sha256"].as_str().unwrap().to_owned();
    dev.ok(&["plugin", "activate", "odd", &sha256[..8]]).await;
    let mount = ["plugin", "mount", "odd", "/odd", "--config", "k=v"];
    assert_eq!(dev.ok(&mount).await, "/odd\n");
    assert_eq!(dev.ok(&["call", "/odd", "echo", "hello"]).await, "hello\n");
    let trapped = dev.run(&["call", "/odd", "trap", "x"]).await;
    assert_eq!(trapped.code, 8, "{}", trapped.errors);
    assert!(trapped.errors.contains("PLUGIN_TRAP"), "{}", trapped.errors);
    sha256
}

async fn what_breaks_callers_is_planned(dev: &Dev, first: &str) {
    let planned = dev.run(&["plugin", "plan", "odd", &other()]).await;
    assert_eq!(planned.code, 4, "{}", planned.errors);
    let said = planned.output;
    assert!(said.contains("BREAKS  operation echo goes"), "{said}");
    assert!(said.contains("mounted at /odd"), "{said}");
    let second = dev.json(&["plugin", "push", "odd", &other()]).await;
    let second = second["sha256"].as_str().unwrap().to_owned();
    let refused = dev.run(&["plugin", "activate", "odd"]).await;
    assert_eq!(refused.code, 4, "{}", refused.errors);
    assert!(
        refused.errors.contains("PLUGIN_BREAKING"),
        "{}",
        refused.errors
    );
    let activate = ["plugin", "activate", "odd", &second, "--allow-breaking"];
    dev.ok(&activate).await;
    assert_eq!(dev.run(&["call", "/odd", "echo", "hello"]).await.code, 8);
    let back = dev.json(&["plugin", "rollback", "odd"]).await;
    assert_eq!(back["active"], first);
    assert_eq!(dev.ok(&["call", "/odd", "echo", "hello"]).await, "hello\n");
    let listed = dev.json_lines(&["plugin", "list"]).await;
    let odd: Vec<_> = listed.iter().filter(|it| it["name"] == "odd").collect();
    assert_eq!(odd.len(), 2);
    assert_eq!(
        (&odd[0]["active"], &odd[1]["previous"]),
        (&true.into(), &true.into())
    );
    assert_eq!(dev.run(&["plugin", "remove", "odd", first]).await.code, 4);
    dev.ok(&["plugin", "remove", "odd", &second]).await;
    assert_eq!(
        dev.run(&["plugin", "activate", "odd", &second]).await.code,
        3
    );
}

async fn rests_and_goes_on(dev: &Dev) {
    dev.ok(&["plugin", "pause", "/odd", "--reason", "moving house"])
        .await;
    let refused = dev.run(&["call", "/odd", "echo", "hello"]).await;
    assert_eq!(refused.code, 8, "{}", refused.errors);
    assert!(
        refused.errors.contains("moving house"),
        "{}",
        refused.errors
    );
    let table = dev.ok(&["plugin", "list"]).await;
    assert!(table.contains("/odd (paused: moving house)"), "{table}");
    dev.ok(&["plugin", "resume", "/odd"]).await;
    assert_eq!(dev.ok(&["call", "/odd", "echo", "hello"]).await, "hello\n");
    let configure = [
        "plugin",
        "configure",
        "/odd",
        "--config",
        "k=w",
        "--time-ms",
        "20",
        "--warm",
    ];
    dev.ok(&configure).await;
    let shown = dev.ok(&["get", "/zareba/mounts/%2Fodd"]).await;
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(shown["limits"]["time_ms_max"], 20);
    // Nothing is out of service; it does no harm to say that it may go on.
    dev.ok(&["plugin", "clear-quarantine", "/odd"]).await;
    assert_eq!(dev.run(&["plugin", "pause", "/nothing"]).await.code, 8);
}

async fn what_a_call_would_do(dev: &Dev) {
    let call = [
        "call",
        "/locks",
        "acquire",
        r#"{"name":"explained"}"#,
        "--explain",
    ];
    let told = dev.json(&call).await;
    assert_eq!(told["answer"]["done"]["name"], "explained");
    assert_eq!(told["transaction"][0]["does"], "create");
    assert_eq!(told["transaction"][0]["path"], "/locks/explained");
    assert!(told["host_calls"].as_u64() > Some(0), "{told}");
    let text = dev.ok(&call).await;
    assert!(
        text.contains("would       create /locks/explained"),
        "{text}"
    );
    assert_eq!(dev.ok(&["call", "/locks", "holders"]).await, "[]\n");
    let refused = dev
        .json(&["call", "/locks", "release", r#"{"name":"x"}"#, "--explain"])
        .await;
    assert_eq!(refused["answer"]["fault"]["code"], 2);
}

async fn what_it_did(dev: &Dev) {
    dev.ok(&["call", "/odd", "shout", "3"]).await;
    let seen = dev.json(&["plugin", "stats", "/odd"]).await;
    let ops = seen["ops"].as_array().unwrap();
    let op = |name: &str| ops.iter().find(|op| op["op"] == name).unwrap();
    assert_eq!(op("echo")["calls"], 3);
    assert_eq!(op("trap")["traps"]["-204"], 1);
    assert!(op("echo")["guest"]["p99_us"].as_u64() > Some(0), "{seen}");
    let table = dev
        .ok(&["plugin", "top", "/odd", "--every", "20ms", "--times", "2"])
        .await;
    assert_eq!(table.matches("/odd odd").count(), 2, "{table}");
    let lines = dev.json_lines(&["plugin", "logs", "/odd"]).await;
    assert_eq!(
        lines.iter().filter(|it| it["mount"] == "/odd").count(),
        lines.len()
    );
    assert!(lines.len() >= 3, "{lines:?}");
    let none = dev.ok(&["plugin", "logs", "/counters"]).await;
    assert_eq!(none, "");
}

async fn signed(dev: &Dev) {
    let folder = dev.profile.parent().unwrap();
    let key_file = folder.join("ann.pem");
    let key_file = key_file.to_str().unwrap();
    let key = dev.json(&["plugin", "publisher", "keygen", key_file]).await;
    let key = key["key"].as_str().unwrap();
    dev.ok(&["plugin", "publisher", "add", "ann", key]).await;
    dev.ok(&["plugin", "publisher", "require", "true"]).await;
    let shown = dev.json(&["plugin", "publisher", "list"]).await;
    assert_eq!(
        (&shown["required"], &shown["publishers"]["ann"]),
        (&true.into(), &key.into())
    );
    let refused = dev.run(&["plugin", "push", "odd", &other()]).await;
    assert_eq!(refused.code, 8, "{}", refused.errors);
    let file = other();
    let push = [
        "plugin",
        "push",
        "odd",
        &file,
        "--publisher",
        "ann",
        "--key-file",
        key_file,
    ];
    dev.ok(&push).await;
    let listed = dev.json_lines(&["plugin", "list"]).await;
    assert!(
        listed.iter().any(|it| it["publisher"] == "ann"),
        "{listed:?}"
    );
    dev.ok(&["plugin", "publisher", "require", "false"]).await;
    dev.ok(&["plugin", "publisher", "remove", "ann"]).await;
}

async fn gone(dev: &Dev) {
    assert_eq!(dev.run(&["plugin", "remove", "odd"]).await.code, 4);
    dev.ok(&["plugin", "unmount", "/odd"]).await;
    assert_eq!(dev.run(&["call", "/odd", "echo", "hello"]).await.code, 8);
    dev.ok(&["plugin", "remove", "odd"]).await;
    let listed = dev.json_lines(&["plugin", "list"]).await;
    assert_eq!(listed.len(), 17);
}
