//! Histories made by hand, legal and illegal, to know that the judge would notice.

use zareba_client::Zxid;

use crate::checker::{first_illegal, is_linearizable};
use crate::history::{End, Entry, Object};
use crate::order;
use crate::znode::{Answer, Call};

const OBJECT: Object = Object { round: 0, key: 0 };
const CREATE: Call = Call::Create { value: 1 };
const SET: Call = Call::Set {
    value: 2,
    version: None,
};

/// Asked and answered at these moments.
fn told(asked: u64, at: u64, call: Call, answer: Answer) -> Entry {
    numbered(asked, at, call, answer, None)
}

fn numbered(asked: u64, at: u64, call: Call, answer: Answer, mzxid: Option<u32>) -> Entry {
    let mzxid = mzxid.map(|counter| Zxid::new(1, counter));
    Entry {
        end: End::Answered { at, answer, mzxid },
        ..untold(asked, call)
    }
}

fn untold(asked: u64, call: Call) -> Entry {
    Entry {
        client: 0,
        object: OBJECT,
        call,
        asked,
        end: End::Unknown,
    }
}

fn shows(value: u64, version: u64) -> Answer {
    Answer::Data { value, version }
}

#[test]
fn a_stale_read_is_illegal() {
    let mut entries = vec![
        told(0, 1, CREATE, Answer::Version(0)),
        told(2, 3, SET, Answer::Version(1)),
        told(4, 5, Call::Get, shows(1, 0)),
    ];
    assert_eq!(first_illegal(&entries), Some(5));
    // While the set is under way, either may be seen.
    entries[1] = told(2, 6, SET, Answer::Version(1));
    assert_eq!(first_illegal(&entries), None);
    // But once the new is seen, the old is gone for everybody.
    entries.push(told(7, 8, Call::Get, shows(2, 1)));
    entries.push(told(9, 10, Call::Get, shows(1, 0)));
    assert_eq!(first_illegal(&entries), Some(10));
}

#[test]
fn a_lost_update_is_illegal() {
    let demanding = |value| Call::Set {
        value,
        version: Some(0),
    };
    let both_win = [
        told(0, 1, CREATE, Answer::Version(0)),
        told(2, 5, demanding(2), Answer::Version(1)),
        told(3, 4, demanding(3), Answer::Version(1)),
    ];
    assert_eq!(first_illegal(&both_win), Some(5));
    let forgotten = [
        told(0, 1, CREATE, Answer::Version(0)),
        told(2, 3, SET, Answer::Version(1)),
        told(4, 5, Call::Exists, Answer::Absent),
    ];
    assert_eq!(first_illegal(&forgotten), Some(5));
}

#[test]
fn a_doubled_create_is_illegal() {
    let twice = [
        told(0, 3, CREATE, Answer::Version(0)),
        told(1, 2, Call::Create { value: 2 }, Answer::Version(0)),
    ];
    assert_eq!(first_illegal(&twice), Some(3));
    // A create that was executed a second time, behind its own delete.
    let again = [
        told(0, 1, CREATE, Answer::Version(0)),
        told(2, 3, Call::Delete { version: None }, Answer::Done),
        told(4, 5, Call::Get, shows(1, 0)),
    ];
    assert_eq!(first_illegal(&again), Some(5));
}

#[test]
fn a_set_that_was_executed_twice_is_illegal() {
    let entries = [
        told(0, 1, CREATE, Answer::Version(0)),
        told(2, 3, SET, Answer::Version(1)),
        told(4, 5, Call::Get, shows(2, 2)),
    ];
    assert_eq!(first_illegal(&entries), Some(5));
}

#[test]
fn an_unknown_outcome_explains_either_and_not_both() {
    let seen = |asked, answer| told(asked, asked + 1, Call::Get, answer);
    let mut entries = vec![told(0, 1, CREATE, Answer::Version(0)), untold(2, SET)];
    assert!(is_linearizable(&entries));
    entries.push(seen(3, shows(1, 0)));
    assert!(is_linearizable(&entries), "not yet");
    entries.push(seen(5, shows(2, 1)));
    assert!(is_linearizable(&entries), "now");
    entries.push(seen(7, shows(1, 0)));
    assert_eq!(first_illegal(&entries), Some(8), "and undone");
    entries.pop();
    entries.push(seen(7, shows(2, 2)));
    assert_eq!(first_illegal(&entries), Some(8), "and again");
    // It cannot have happened before it was asked.
    let early = [
        told(0, 1, CREATE, Answer::Version(0)),
        seen(2, shows(2, 1)),
        untold(4, SET),
    ];
    assert_eq!(first_illegal(&early), Some(3));
}

#[test]
fn what_could_not_be_done_leaves_no_trace() {
    let delete = |version| Call::Delete { version };
    let mut entries = vec![
        told(0, 1, delete(None), Answer::NoNode),
        told(2, 3, CREATE, Answer::Version(0)),
        told(4, 5, CREATE, Answer::NodeExists),
        told(6, 7, delete(Some(1)), Answer::BadVersion),
        told(8, 9, Call::Check { version: Some(0) }, Answer::Done),
        told(10, 11, delete(Some(0)), Answer::Done),
        told(12, 13, Call::Exists, Answer::Absent),
    ];
    assert!(is_linearizable(&entries));
    entries[2] = told(4, 5, CREATE, Answer::NoNode);
    assert_eq!(first_illegal(&entries), Some(5));
}

#[test]
fn transactions_against_the_order_of_time_or_for_two_values_are_found() {
    let created = numbered(0, 1, CREATE, Answer::Version(0), Some(5));
    let set = |asked, at, mzxid| numbered(asked, at, SET, Answer::Version(1), Some(mzxid));
    assert_eq!(order::check(&[created, set(2, 3, 6)]), Ok(()));
    assert!(order::check(&[created, set(2, 3, 4)]).is_err());
    assert!(
        order::check(&[created, set(0, 3, 5)]).is_err(),
        "one for two"
    );
    let overlapping = numbered(0, 4, CREATE, Answer::Version(0), Some(5));
    assert_eq!(order::check(&[overlapping, set(2, 3, 4)]), Ok(()));
    let read = numbered(2, 3, Call::Get, shows(1, 0), Some(6));
    assert!(order::check(&[created, read]).is_err(), "two for one");
}
