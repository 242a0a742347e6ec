//! What is used of a quota is the sum over the nodes, in every replica; nothing that is committed goes
//! beyond a hard limit; and each time a soft one is passed, the leader says so once, and nobody else.

use std::collections::BTreeSet;

use zareba_model::{Quota, Usage, ZnodePath, Zxid};
use zareba_replica::Output;
use zareba_tree::Tree;

use crate::reference::{Counted, Reference};
use crate::violation::{Violation, hold};

const NAME: &str = "quotas";

/// An effect has been applied that may have changed what is used.
pub(crate) fn of_effect(
    before: &[Counted],
    reference: &Reference,
    zxid: Zxid,
) -> Result<(), Violation> {
    for now in reference.quotas.now() {
        let earlier = before.iter().find(|it| it.path == now.path);
        let Some(earlier) = earlier.filter(|it| it.quota == now.quota) else {
            continue;
        };
        let (was, is) = (earlier.usage, now.usage);
        let grows = is.nodes > was.nodes || is.bytes > was.bytes;
        hold!(
            !grows || !is_beyond(now.quota, is),
            NAME,
            "at {zxid} {} grows from {was:?} to {is:?}, beyond {:?}",
            now.path,
            now.quota
        );
    }
    Ok(())
}

fn is_beyond(quota: Quota, usage: Usage) -> bool {
    quota.nodes_hard.is_some_and(|most| usage.nodes > most)
        || quota.bytes_hard.is_some_and(|most| usage.bytes > most)
}

/// What a replica has counted.
pub(crate) fn of_tree(reference: &Reference, tree: &Tree, whose: &str) -> Result<(), Violation> {
    if !tree.is_consistent() {
        return Ok(());
    }
    let known = reference.quotas.at(tree.applied());
    let known = known.iter().map(|it| (&it.path, it.quota, it.usage));
    hold!(
        tree.quotas().eq(known.clone()),
        NAME,
        "at {} {whose} has counted {:?}; the sums are {:?}",
        tree.applied(),
        tree.quotas().collect::<Vec<_>>(),
        known.collect::<Vec<_>>()
    );
    Ok(())
}

/// What a server that has applied what stands between says of soft limits. It leads all the while, or
/// not at all, or became or ceased to be a leader.
pub(crate) fn of_warnings(
    reference: &Reference,
    server: usize,
    (before, after): (Zxid, Zxid),
    leads: Option<bool>,
    outputs: &[Output],
) -> Result<Vec<usize>, Violation> {
    let of = |output: &Output| match output {
        Output::QuotaPassed { path, .. } => Some(path.clone()),
        _ => None,
    };
    let mut told: Vec<ZnodePath> = outputs.iter().filter_map(of).collect();
    if told.is_empty() && leads != Some(true) {
        return Ok(Vec::new());
    }
    let passed = reference.quotas.passed(before, after);
    let (places, mut passed): (Vec<usize>, Vec<&ZnodePath>) = passed.unzip();
    // One change may pass several.
    told.sort();
    passed.sort();
    let right = match leads {
        Some(true) => told.iter().eq(passed.iter().copied()),
        Some(false) => told.is_empty(),
        None => told.len() <= passed.len(),
    };
    hold!(
        right,
        NAME,
        "server {server}, which leads: {leads:?}, says that {told:?} have passed their soft limits \
         between {before} and {after}; {passed:?} have"
    );
    Ok(match leads {
        Some(true) => places,
        _ => Vec::new(),
    })
}

/// A leader has told of these; nobody did before.
pub(crate) fn of_first(warned: &mut BTreeSet<usize>, told: &[usize]) -> Result<(), Violation> {
    for place in told {
        hold!(
            warned.insert(*place),
            NAME,
            "the passing number {place} of a soft limit is told twice"
        );
    }
    Ok(())
}
