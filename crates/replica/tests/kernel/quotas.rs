//! How much a subtree may hold: counted exactly, whatever is in flight.

use bytes::Bytes;
use zareba_model::{Acl, Change, CreateMode, ErrorCode, Op, Outcome, Quota, Usage, Write};

use super::solo::{Solo, change, create, delete, path, set};

fn set_quota(at: &str, quota: Quota) -> Op {
    Op::Write(Write::SetQuota {
        path: path(at),
        quota,
    })
}

fn nodes(hard: u64) -> Quota {
    Quota {
        nodes_hard: Some(hard),
        ..Quota::default()
    }
}

#[test]
fn a_hard_limit_is_kept_by_what_is_in_flight_too() {
    let mut solo = Solo::start();
    let client = solo.enter(&[]);
    solo.done(client, create("/q", CreateMode::Persistent));
    solo.done(client, set_quota("/q", nodes(3)));
    solo.disk_waits = true;
    let sent: Vec<_> = (0..5)
        .map(|number| {
            solo.send(
                client,
                create(&format!("/q/{number}"), CreateMode::Persistent),
            )
        })
        .collect();
    solo.write();
    let answers = sent.iter().map(|xid| solo.told(client).answers.remove(xid));
    let codes: Vec<_> = answers
        .map(|answer| answer.unwrap().map_err(|fault| fault.code).map(|_| ()))
        .collect();
    let over = Err(ErrorCode::QuotaExceeded);
    assert_eq!(codes, [Ok(()), Ok(()), over, over, over]);
    solo.disk_waits = false;
    solo.done(client, delete("/q/0"));
    solo.done(client, create("/q/5", CreateMode::Persistent));
    let used = Usage {
        nodes: 3,
        bytes: 12,
    };
    assert_eq!(solo.tree().quota("/q"), Some((nodes(3), used)));
}

#[test]
fn bytes_count_as_they_are_set_and_less_is_always_allowed() {
    let mut solo = Solo::start();
    let client = solo.enter(&[]);
    solo.done(client, create("/q", CreateMode::Persistent));
    let quota = Quota {
        bytes_hard: Some(2),
        ..Quota::default()
    };
    // It holds more than it may already.
    solo.done(client, set_quota("/q", quota));
    assert_eq!(
        solo.refused(client, set("/q", "12345")),
        ErrorCode::QuotaExceeded
    );
    solo.done(client, set("/q", "123"));
    solo.done(client, set("/q", "1"));
    solo.done(client, set("/q", "12"));
    assert_eq!(
        solo.refused(client, set("/q", "123")),
        ErrorCode::QuotaExceeded
    );
}

#[test]
fn a_multi_is_counted_as_a_whole_and_a_refused_one_not_at_all() {
    let mut solo = Solo::start();
    let client = solo.enter(&[]);
    solo.done(client, create("/q", CreateMode::Persistent));
    solo.done(client, set_quota("/q", nodes(2)));
    let created = |at: &str| Change::Create {
        path: path(at),
        data: Bytes::new(),
        mode: CreateMode::Persistent,
        acl: Acl::open(),
    };
    let two = Op::Write(Write::Multi(vec![created("/q/a"), created("/q/b")]));
    let fault = solo.ask(client, two).unwrap_err();
    assert_eq!(
        (fault.code, fault.index),
        (ErrorCode::QuotaExceeded, Some(1))
    );
    solo.done(client, change(created("/q/a")));
    let swap = vec![
        Change::Delete {
            path: path("/q/a"),
            version: None,
        },
        created("/q/b"),
    ];
    solo.done(client, Op::Write(Write::Multi(swap)));
}

#[test]
fn a_soft_limit_warns_once_each_time_it_is_passed() {
    let mut solo = Solo::start();
    let client = solo.enter(&[]);
    solo.done(client, create("/q", CreateMode::Persistent));
    let quota = Quota {
        nodes_soft: Some(1),
        ..Quota::default()
    };
    solo.done(client, set_quota("/q", quota));
    for _ in 0..2 {
        solo.done(client, create("/q/a", CreateMode::Persistent));
        solo.done(client, create("/q/b", CreateMode::Persistent));
        solo.done(client, delete("/q/a"));
        solo.done(client, delete("/q/b"));
    }
    assert_eq!(solo.warned, ["/q", "/q"]);
}

#[test]
fn quotas_are_set_where_nodes_are_and_taken_away_again() {
    let mut solo = Solo::start();
    let client = solo.enter(&[]);
    assert_eq!(
        solo.refused(client, set_quota("/no", nodes(1))),
        ErrorCode::NoNode
    );
    assert_eq!(
        solo.refused(client, set_quota("/zareba/sessions", nodes(1))),
        ErrorCode::BadArguments
    );
    solo.done(client, create("/q", CreateMode::Persistent));
    let none = || set_quota("/q", Quota::default());
    assert_eq!(solo.refused(client, none()), ErrorCode::NoNode);
    // Counted with what is in flight behind the applied tree.
    solo.disk_waits = true;
    solo.send(client, create("/q/a", CreateMode::Persistent));
    solo.send(client, set_quota("/q", nodes(2)));
    let over = solo.send(client, create("/q/b", CreateMode::Persistent));
    solo.write();
    let answer = solo.told(client).answers.remove(&over).unwrap();
    assert_eq!(answer.unwrap_err().code, ErrorCode::QuotaExceeded);
    solo.disk_waits = false;
    assert_eq!(solo.done(client, none()), Outcome::QuotaSet);
    solo.done(client, create("/q/b", CreateMode::Persistent));
    assert!(!solo.tree().has_quotas());
}
