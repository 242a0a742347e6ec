//! What transaction numbers say of all objects together: writes are in one order that agrees with
//! time, each has a number of its own, and a read names the one that wrote what it shows.

use std::collections::BTreeMap;

use zareba_client::Zxid;

use crate::history::{End, Entry};
use crate::znode::{Answer, Call};

/// What is wrong with the numbers, if anything is.
pub(crate) fn check(entries: &[Entry]) -> Result<(), String> {
    in_time(entries)?;
    of_values(entries)
}

/// A write that was asked for after another was answered has the higher number.
fn in_time(entries: &[Entry]) -> Result<(), String> {
    let mut events = Vec::new();
    for entry in entries {
        if let Some((at, mzxid)) = written(entry) {
            events.push((entry.asked, entry, None));
            events.push((at, entry, Some(mzxid)));
        }
    }
    events.sort_by_key(|(moment, ..)| *moment);
    let mut newest = Zxid::ZERO;
    let mut bounds = BTreeMap::new();
    let mut writers: BTreeMap<Zxid, &Entry> = BTreeMap::new();
    for (_, entry, mzxid) in events {
        let Some(mzxid) = mzxid else {
            bounds.insert(entry.asked, newest);
            continue;
        };
        if bounds[&entry.asked] >= mzxid {
            let bound = bounds[&entry.asked];
            return Err(format!("{bound} was answered before was asked: {entry}"));
        }
        if let Some(other) = writers.insert(mzxid, entry) {
            return Err(format!("one transaction for two writes:\n{other}\n{entry}"));
        }
        newest = newest.max(mzxid);
    }
    Ok(())
}

/// Values are written once, so that each belongs to one transaction.
fn of_values(entries: &[Entry]) -> Result<(), String> {
    let mut writers: BTreeMap<u64, (Zxid, &Entry)> = BTreeMap::new();
    for entry in entries {
        let End::Answered {
            answer,
            mzxid: Some(mzxid),
            ..
        } = entry.end
        else {
            continue;
        };
        let value = match (entry.call, answer) {
            (Call::Create { value } | Call::Set { value, .. }, _) => value,
            (_, Answer::Data { value, .. }) => value,
            _ => continue,
        };
        let (first, other) = writers.entry(value).or_insert((mzxid, entry));
        if *first != mzxid {
            return Err(format!("two transactions for one value:\n{other}\n{entry}"));
        }
    }
    Ok(())
}

/// When a write that changed the data was answered, and its number.
fn written(entry: &Entry) -> Option<(u64, Zxid)> {
    match (entry.call, entry.end) {
        (
            Call::Create { .. } | Call::Set { .. },
            End::Answered {
                at,
                mzxid: Some(mzxid),
                ..
            },
        ) => Some((at, mzxid)),
        _ => None,
    }
}
