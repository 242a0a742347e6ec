//! The recipe over the host in memory.

use serde_json::{Value, json};
use zareba_guest_sdk::code;
use zareba_guest_sdk::testing::{MemoryHost, chaos, readme};

use super::Group;
use super::promise::Truthful;

fn web(member: &str, data: &str) -> Value {
    json!({ "group": "web", "member": member, "data": data })
}

fn names(members: &Value) -> Vec<&str> {
    let members = members["members"].as_array().unwrap();
    members
        .iter()
        .map(|it| it["member"].as_str().unwrap())
        .collect()
}

#[test]
fn a_member_belongs_until_it_leaves_or_its_session_ends() {
    let mut host = MemoryHost::default();
    let [one, two] = std::array::from_fn(|_| host.open_session());
    host.call::<Group>(&one, "join", web("a", "10.0.0.1"))
        .unwrap();
    host.call::<Group>(&two, "join", web("b", "10.0.0.2"))
        .unwrap();
    let members = host
        .ask::<Group>(&one, "members", json!({ "group": "web" }))
        .unwrap();
    assert_eq!(names(&members), ["a", "b"]);
    assert_eq!(members["members"][0]["data"], "10.0.0.1");
    assert_eq!(
        host.call::<Group>(&two, "join", web("a", ""))
            .unwrap_err()
            .code,
        1
    );
    let a = json!({ "group": "web", "member": "a" });
    assert_eq!(
        host.call::<Group>(&two, "leave", a.clone())
            .unwrap_err()
            .code,
        2
    );
    host.end_session::<Group>(two.session).unwrap();
    let members = host
        .ask::<Group>(&one, "members", json!({ "group": "web" }))
        .unwrap();
    assert_eq!(names(&members), ["a"]);
    host.call::<Group>(&one, "leave", a).unwrap();
    assert!(host.paths().is_empty());
}

#[test]
fn joins_and_leaves_are_told_in_order_to_who_follows() {
    let mut host = MemoryHost::default();
    let [one, two, three] = std::array::from_fn(|_| host.open_session());
    let joined = host
        .call::<Group>(&one, "join", web("a", "x"))
        .unwrap()
        .answer();
    let follow = |after: &Value| json!({ "group": "web", "after": after });
    let call = host
        .call::<Group>(&three, "follow", follow(&joined["version"]))
        .unwrap()
        .parked();
    host.call::<Group>(&two, "join", web("b", "y")).unwrap();
    let first = host.answer(call).unwrap().unwrap();
    assert_eq!(
        (&first["changes"][0]["member"], &first["changes"][0]["kind"]),
        (&json!("b"), &json!("joined"))
    );
    host.call::<Group>(&one, "join", web("a", "z")).unwrap();
    host.end_session::<Group>(two.session).unwrap();
    let rest = host
        .call::<Group>(&three, "follow", follow(&first["version"]))
        .unwrap()
        .answer();
    let kinds: Vec<&Value> = rest["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["kind"])
        .collect();
    assert_eq!(kinds, ["updated", "left"]);
    assert_eq!(rest["complete"], true);
}

#[test]
fn who_was_away_for_too_long_is_told_so() {
    let mut host = MemoryHost::default();
    let one = host.open_session();
    let first = host
        .call::<Group>(&one, "join", web("a", ""))
        .unwrap()
        .answer();
    for turn in 0..70 {
        host.call::<Group>(&one, "join", web("a", &turn.to_string()))
            .unwrap();
    }
    let follow = json!({ "group": "web", "after": first["version"] });
    let rest = host.call::<Group>(&one, "follow", follow).unwrap().answer();
    assert_eq!(rest["complete"], false);
    let ahead = json!({ "group": "web", "after": u64::MAX });
    assert_eq!(
        host.call::<Group>(&one, "follow", ahead).unwrap_err().code,
        code::BAD_ARGUMENTS
    );
}

#[test]
fn a_thousand_followers_are_all_told() {
    let mut host = MemoryHost::default();
    let one = host.open_session();
    let first = host
        .call::<Group>(&one, "join", web("a", ""))
        .unwrap()
        .answer();
    let follow = json!({ "group": "web", "after": first["version"] });
    let calls: Vec<u64> = (0..1_000)
        .map(|_| {
            let session = host.open_session();
            host.call::<Group>(&session, "follow", follow.clone())
                .unwrap()
                .parked()
        })
        .collect();
    host.end_session::<Group>(one.session).unwrap();
    host.advance::<Group>(0).unwrap();
    assert!(
        calls
            .iter()
            .all(|call| host.answer(*call).is_some_and(|it| it.is_ok()))
    );
}

#[test]
fn the_readme_says_what_the_plugin_says() {
    readme::check::<Group>(env!("CARGO_MANIFEST_DIR"));
}

#[test]
fn members_are_whose_sessions_live_and_followers_miss_nothing_whatever_happens() {
    chaos::check::<Truthful>();
}
