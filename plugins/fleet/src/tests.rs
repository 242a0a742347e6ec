//! The recipe over the host in memory.

use serde_json::json;
use zareba_guest_sdk::testing::{MemoryHost, chaos, readme};
use zareba_guest_sdk::{Caller, code};

use super::Fleet;
use super::promise::OneMaster;

fn join(host: &mut MemoryHost, worker: &str) -> Caller {
    let who = host.open_session();
    let input = json!({ "worker": worker, "address": format!("{worker}:80") });
    host.call::<Fleet>(&who, "join", input).unwrap();
    who
}

fn healthy(host: &mut MemoryHost) -> Vec<String> {
    let who = host.open_session();
    let found = host.ask::<Fleet>(&who, "healthy", json!({})).unwrap();
    let mut names: Vec<String> = found
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["worker"].as_str().unwrap().to_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn only_the_master_hands_out_configurations_and_all_who_wait_have_them() {
    let mut host = MemoryHost::default();
    let [one, two, three] = std::array::from_fn(|_| host.open_session());
    let configure = json!({ "values": { "pages": 7 } });
    assert_eq!(
        host.call::<Fleet>(&one, "configure", configure.clone())
            .unwrap_err()
            .code,
        1
    );
    let first = host
        .call::<Fleet>(&one, "stand", json!({}))
        .unwrap()
        .answer();
    let next = host
        .call::<Fleet>(&two, "stand", json!({}))
        .unwrap()
        .parked();
    let waits = host
        .call::<Fleet>(&three, "config", json!({}))
        .unwrap()
        .parked();
    let handed = host
        .call::<Fleet>(&one, "configure", configure.clone())
        .unwrap()
        .answer();
    assert_eq!(host.answer(waits), Some(Ok(handed.clone())));
    assert_eq!(
        (&handed["term"], &handed["values"]["pages"]),
        (&first["term"], &json!(7))
    );
    host.end_session::<Fleet>(one.session).unwrap();
    assert!(host.answer(next).unwrap().unwrap()["term"].as_u64() > first["term"].as_u64());
    assert_eq!(
        host.call::<Fleet>(&one, "configure", configure)
            .unwrap_err()
            .code,
        1
    );
    let known = json!({ "after": handed["version"], "timeout_ms": 5 });
    let waits = host
        .call::<Fleet>(&three, "config", known)
        .unwrap()
        .parked();
    host.advance::<Fleet>(5).unwrap();
    assert_eq!(
        host.answer(waits).unwrap().unwrap_err().code,
        code::OPERATION_TIMEOUT
    );
}

#[test]
fn clients_find_those_who_said_lately_that_they_are_well() {
    let mut host = MemoryHost::default();
    let a = join(&mut host, "a");
    let b = join(&mut host, "b");
    let c = join(&mut host, "c");
    assert_eq!(healthy(&mut host), ["a", "b", "c"]);
    host.end_session::<Fleet>(c.session).unwrap();
    let ill = json!({ "worker": "b", "healthy": false, "status": "disk full" });
    host.call::<Fleet>(&b, "report", ill.clone()).unwrap();
    assert_eq!(host.call::<Fleet>(&a, "report", ill).unwrap_err().code, 3);
    assert_eq!(healthy(&mut host), ["a"]);
    host.advance::<Fleet>(10_000).unwrap();
    assert!(healthy(&mut host).is_empty());
    host.call::<Fleet>(&b, "report", json!({ "worker": "b", "healthy": true }))
        .unwrap();
    assert_eq!(healthy(&mut host), ["b"]);
    assert_eq!(
        host.call::<Fleet>(&b, "join", json!({ "worker": "a", "address": "" }))
            .unwrap_err()
            .code,
        2
    );
    host.call::<Fleet>(&a, "leave", json!({ "worker": "a" }))
        .unwrap();
    let all = host.ask::<Fleet>(&a, "workers", json!({})).unwrap();
    assert_eq!(all.as_array().unwrap().len(), 1);
}

#[test]
fn the_readme_says_what_the_plugin_says() {
    readme::check::<Fleet>(env!("CARGO_MANIFEST_DIR"));
}

#[test]
fn one_master_at_a_time_hands_out_configurations_whatever_happens() {
    chaos::check::<OneMaster>();
}
