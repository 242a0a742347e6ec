//! What one session may have at once, and what its numbers may grow to.

use zareba_model::limits::{IDENTITIES_MAX, SESSION_OUTSTANDING_MAX, SESSION_RESULTS_MAX};
use zareba_model::{CreateMode, ErrorCode, Outcome, Zxid};
use zareba_tree::{Record, RecordKey};
use zareba_wire::encode_record;

use super::solo::{Solo, create, path, set};

#[test]
fn more_answers_than_are_kept_without_acknowledgement_are_throttled_until_some_are_acknowledged() {
    let mut solo = Solo::start();
    let client = solo.enter(&[]);
    solo.done(client, create("/n", CreateMode::Persistent));
    let before = SESSION_RESULTS_MAX as u64;
    for asked in 0..before {
        // The first answer has come, and none since.
        let xid = solo.send_acking(client, 1, set("/n", "x"));
        let answer = solo.told(client).answers.remove(&xid).unwrap();
        assert!(answer.is_ok(), "{asked}: {answer:?}");
    }
    let xid = solo.send_acking(client, 1, set("/n", "too much"));
    let refused = solo.told(client).answers.remove(&xid).unwrap();
    assert_eq!(refused.unwrap_err().code, ErrorCode::Throttled);
    let node = solo.tree().node("/n").unwrap();
    assert_eq!(node.stat().version, before, "it was not executed");
    // A request that brings an acknowledgement makes room for itself.
    let next = solo.send_acking(client, xid.0, set("/n", "y"));
    assert!(solo.told(client).answers[&next].is_ok());
    solo.done(client, set("/n", "z"));
}

#[test]
fn a_session_with_too_many_requests_in_flight_is_sent_away_and_none_of_them_is_lost() {
    let mut solo = Solo::start();
    let client = solo.enter(&[]);
    solo.done(client, create("/n", CreateMode::Persistent));
    solo.disk_waits = true;
    for _ in 0..SESSION_OUTSTANDING_MAX {
        solo.send(client, set("/n", "x"));
    }
    assert!(solo.told(client).goodbye.is_none());
    solo.send(client, set("/n", "too much"));
    let goodbye = solo.told(client).goodbye.take().unwrap();
    assert_eq!(goodbye.code, ErrorCode::Throttled);
    solo.write();
    solo.write();
    let node = solo.tree().node("/n").unwrap();
    assert_eq!(node.stat().version, SESSION_OUTSTANDING_MAX as u64);
    solo.disk_waits = false;
    let back = solo.come_back(client, Zxid::ZERO, Vec::new(), &[]);
    assert!(solo.told(back).welcome.is_some(), "its session lives");
}

#[test]
fn a_session_has_at_most_so_many_identities() {
    let mut solo = Solo::start();
    let client = solo.enter(&[]);
    for number in 0..IDENTITIES_MAX {
        solo.identify(client, &format!("digest:a:{number}"));
    }
    // One that it has takes no more room.
    solo.identify(client, "digest:a:0");
    let answer = solo.try_to_identify(client, "digest:a:more");
    assert_eq!(answer.unwrap_err().code, ErrorCode::TooLarge);
}

#[test]
fn names_of_sequential_nodes_grow_beyond_ten_digits() {
    let mut solo = Solo::start();
    let client = solo.enter(&[]);
    solo.done(client, create("/q", CreateMode::Persistent));
    let key = RecordKey::Node(path("/q"));
    let Some(Record::Node(mut node)) = solo.tree().record(&key) else {
        panic!("it is there");
    };
    node.created = 9_999_999_998;
    let record = encode_record(&Record::Node(node)).unwrap();
    solo.write_into_the_image(encode_record(&key).unwrap(), record);
    let client = solo.enter(&[]);
    let mut names = Vec::new();
    for _ in 0..3 {
        let created = solo.done(client, create("/q/n-", CreateMode::PersistentSequential));
        let Outcome::Created { path, .. } = created else {
            panic!("it is created");
        };
        names.push(path.to_string());
    }
    let expected = ["/q/n-9999999998", "/q/n-9999999999", "/q/n-10000000000"];
    assert_eq!(names, expected);
    assert_eq!(solo.tree().digest(), solo.tree().recomputed_digest());
}
