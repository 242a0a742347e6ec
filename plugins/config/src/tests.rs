//! The recipe over the host in memory.

use serde_json::{Value, json};
use zareba_guest_sdk::testing::{MemoryHost, chaos, readme};
use zareba_guest_sdk::{Caller, code};

use super::Config;
use super::promise::Whole;

fn publish(host: &mut MemoryHost, who: &Caller, values: Value) -> u64 {
    let input = json!({ "name": "web", "values": values });
    let published = host.call::<Config>(who, "publish", input).unwrap().answer();
    published["version"].as_u64().unwrap()
}

fn web() -> Value {
    json!({ "name": "web" })
}

#[test]
fn many_keys_are_one_version_and_who_follows_is_told_it_whole() {
    let mut host = MemoryHost::default();
    let [one, two] = std::array::from_fn(|_| host.open_session());
    assert_eq!(host.ask::<Config>(&one, "get", web()).unwrap_err().code, 2);
    let follows = host.call::<Config>(&two, "follow", web()).unwrap().parked();
    assert_eq!(
        publish(&mut host, &one, json!({ "port": 80, "host": "a" })),
        1
    );
    let whole = json!({ "version": 1, "values": { "host": "a", "port": 80 } });
    assert_eq!(host.answer(follows), Some(Ok(whole.clone())));
    assert_eq!(host.ask::<Config>(&one, "get", web()).unwrap(), whole);
    let known = json!({ "name": "web", "after": 1 });
    host.call::<Config>(&two, "follow", known).unwrap().parked();
    let ahead = json!({ "name": "web", "after": 9 });
    assert_eq!(
        host.call::<Config>(&two, "follow", ahead).unwrap_err().code,
        2
    );
}

#[test]
fn who_has_not_seen_the_last_version_does_not_overwrite_it() {
    let mut host = MemoryHost::default();
    let one = host.open_session();
    publish(&mut host, &one, json!({ "port": 80 }));
    let late = json!({ "name": "web", "values": {}, "expect": 0 });
    assert_eq!(
        host.call::<Config>(&one, "publish", late).unwrap_err().code,
        1
    );
    let merge = json!({ "name": "web", "values": { "host": "a", "port": null }, "merge": true, "expect": 1 });
    host.call::<Config>(&one, "publish", merge).unwrap();
    let now = host.ask::<Config>(&one, "get", web()).unwrap();
    assert_eq!(now, json!({ "version": 2, "values": { "host": "a" } }));
}

#[test]
fn an_older_version_is_published_again_and_the_oldest_are_forgotten() {
    let mut host = MemoryHost::default();
    host.config.insert("history".into(), "3".into());
    let one = host.open_session();
    for port in 1..=3 {
        publish(&mut host, &one, json!({ "port": port }));
    }
    let back = json!({ "name": "web", "version": 1, "note": "2 and 3 were wrong" });
    let version = host
        .call::<Config>(&one, "rollback", back)
        .unwrap()
        .answer();
    assert_eq!(version, json!({ "version": 4 }));
    let now = host.ask::<Config>(&one, "get", web()).unwrap();
    assert_eq!(now["values"], json!({ "port": 1 }));
    let history = host.ask::<Config>(&one, "history", web()).unwrap();
    let versions: Vec<&Value> = history
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["version"])
        .collect();
    assert_eq!(versions, [2, 3, 4]);
    assert_eq!(history[2]["note"], "2 and 3 were wrong");
    let gone = json!({ "name": "web", "version": 1 });
    assert_eq!(host.ask::<Config>(&one, "get", gone).unwrap_err().code, 2);
}

#[test]
fn a_version_that_is_too_large_is_refused() {
    let mut host = MemoryHost::default();
    let one = host.open_session();
    let input = json!({ "name": "web", "values": { "all": "x".repeat(256 << 10) } });
    let fault = host.call::<Config>(&one, "publish", input).unwrap_err();
    assert_eq!(fault.code, code::BAD_ARGUMENTS);
}

#[test]
fn the_readme_says_what_the_plugin_says() {
    readme::check::<Config>(env!("CARGO_MANIFEST_DIR"));
}

#[test]
fn every_reader_has_one_version_whole_whatever_happens() {
    chaos::check::<Whole>();
}
