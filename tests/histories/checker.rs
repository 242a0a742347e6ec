//! The judge of one object's history: todc-utils' checker after Wing, Gong and Lowe, and what it is
//! told. An operation whose outcome is unknown is given an answer that fits any state, behind
//! everything else: it may take its place anywhere since it was asked, or at the end, where nobody
//! sees it.

use todc_utils::Action::{Call as Asked, Response};
use todc_utils::{History, WGLChecker};

use crate::history::{End, Entry};
use crate::znode::{Specified, Told};

/// True if there is an order that explains what the callers of one object were told.
pub(crate) fn is_linearizable(entries: &[Entry]) -> bool {
    // The checker wants something to check.
    let Some(until) = entries.iter().map(last_moment).max() else {
        return true;
    };
    holds_until(entries, until)
}

/// The moment of the answer that no order explains, if there is one. The prefixes of a
/// linearizable history are linearizable, so that the first one that is not can be searched by
/// halves.
pub(crate) fn first_illegal(entries: &[Entry]) -> Option<u64> {
    if is_linearizable(entries) {
        return None;
    }
    let mut moments: Vec<_> = entries.iter().filter_map(answered).collect();
    moments.sort_unstable();
    let legal = moments.partition_point(|moment| holds_until(entries, *moment));
    moments.get(legal).copied()
}

fn holds_until(entries: &[Entry], until: u64) -> bool {
    let mut events = Vec::with_capacity(2 * entries.len());
    for (number, entry) in entries.iter().enumerate() {
        if entry.asked > until {
            continue;
        }
        let told = |answer| Told {
            call: entry.call,
            answer,
        };
        events.push((entry.asked, (number, Asked(told(None)))));
        match entry.end {
            End::Answered { at, answer, .. } if at <= until => {
                events.push((at, (number, Response(told(Some(answer))))));
            }
            // Reads that nobody was told of explain nothing, writes may.
            _ => events.push((u64::MAX, (number, Response(told(None))))),
        }
    }
    events.sort_by_key(|(moment, _)| *moment);
    let actions: Vec<_> = events.into_iter().map(|(_, action)| action).collect();
    actions.is_empty() || WGLChecker::<Specified>::is_linearizable(History::from_actions(actions))
}

fn answered(entry: &Entry) -> Option<u64> {
    match entry.end {
        End::Answered { at, .. } => Some(at),
        End::Unknown | End::Refused => None,
    }
}

fn last_moment(entry: &Entry) -> u64 {
    answered(entry).unwrap_or(entry.asked)
}
