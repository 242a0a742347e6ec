//! What this server has seen of its plugins: what each run took and came to, and what guests have logged.
//! For operators alone; nothing in here may ever decide what becomes of a request.

use std::collections::{BTreeMap, VecDeque};

use zareba_model::{
    ErrorCode, GuestCost, OpStats, PluginLogLine, ZnodePath, limits::PLUGIN_LOG_LINES_MAX,
};

use crate::plugin::{GuestAnswer, GuestEntry, GuestFailure};

/// The first runs of an operation are timed in every part, and then one of so many.
const SAMPLED: u64 = 16;

/// So many first runs.
const SAMPLED_FIRST: u64 = 64;

/// A plugin's log line: mount, level, text.
pub(crate) type LogLine = (ZnodePath, u8, String);

/// All of it.
#[derive(Debug, Default)]
pub(crate) struct PluginSeen {
    mounts: BTreeMap<ZnodePath, MountSeen>,
    /// Lines that the shell has not been given yet.
    fresh: Vec<LogLine>,
    kept: VecDeque<PluginLogLine>,
    last_line: u64,
    /// What guests have taken since that was asked last.
    spent: Vec<(ZnodePath, Spent)>,
}

/// What a mount's guests have done.
#[derive(Debug, Default)]
pub(crate) struct MountSeen {
    /// Commands refused because the plugin had its share.
    pub(crate) throttled: u64,
    ops: BTreeMap<String, OpStats>,
}

impl MountSeen {
    /// Each operation that ran, by name.
    pub(crate) fn ops(&self) -> Vec<OpStats> {
        self.ops.values().cloned().collect()
    }
}

/// What a run has taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Spent {
    /// Nanoseconds.
    pub(crate) ns: u64,
    /// True if one was ended because it ran too long.
    pub(crate) too_long: bool,
}

impl PluginSeen {
    /// A guest has run.
    pub(crate) fn ran(
        &mut self,
        mount: &ZnodePath,
        entry: &GuestEntry,
        (result, cost): (&Result<GuestAnswer, GuestFailure>, &GuestCost),
    ) {
        let GuestCost {
            instantiate_ns,
            guest_ns,
            ..
        } = *cost;
        let mut spent = Spent {
            ns: instantiate_ns.saturating_add(guest_ns),
            too_long: false,
        };
        let stats = self.op(mount, name_of(entry));
        note(stats, cost);
        match result {
            Ok(GuestAnswer::Done(_)) => {}
            Ok(GuestAnswer::Park { .. }) => stats.parked += 1,
            Err(GuestFailure::Fault(fault)) => {
                *stats.faults.entry(fault.code.number()).or_default() += 1;
            }
            Err(GuestFailure::Broken(fault)) => {
                *stats.traps.entry(fault.code.number()).or_default() += 1;
                spent.too_long = fault.code == ErrorCode::PluginDeadline;
            }
        }
        let is_query = matches!(entry, GuestEntry::Query { .. });
        if spent.ns > 0 && !is_query {
            self.spent.push((mount.clone(), spent));
        }
    }

    /// What commands and events have taken since that was asked last.
    pub(crate) fn take_spent(&mut self) -> Vec<(ZnodePath, Spent)> {
        std::mem::take(&mut self.spent)
    }

    fn op(&mut self, mount: &ZnodePath, op: &str) -> &mut OpStats {
        if !self.mounts.contains_key(mount) {
            self.mounts.insert(mount.clone(), MountSeen::default());
        }
        let mount = self.mounts.entry(mount.clone()).or_default();
        if !mount.ops.contains_key(op) {
            let stats = OpStats {
                op: op.to_owned(),
                ..OpStats::default()
            };
            mount.ops.insert(op.to_owned(), stats);
        }
        mount.ops.entry(op.to_owned()).or_default()
    }

    /// True if the next run of that operation is to be timed from its arrival to its commit.
    pub(crate) fn is_timed(&self, mount: &ZnodePath, op: &str) -> bool {
        let seen = self.mounts.get(mount).and_then(|it| it.ops.get(op));
        seen.is_none_or(|it| it.calls < SAMPLED_FIRST || it.calls.is_multiple_of(SAMPLED))
    }

    /// A command was timed: how long it waited in the leader's line, and until it was committed.
    pub(crate) fn timed(&mut self, mount: &ZnodePath, op: &str, queue_us: u64, commit_us: u64) {
        let known = self.mounts.get_mut(mount);
        if let Some(stats) = known.and_then(|it| it.ops.get_mut(op)) {
            stats.queue.add(queue_us.saturating_mul(1_000));
            stats.commit.add(commit_us.saturating_mul(1_000));
        }
    }

    /// A command was refused because the plugin had its share.
    pub(crate) fn throttled(&mut self, mount: &ZnodePath) {
        self.mounts.entry(mount.clone()).or_default().throttled += 1;
    }

    /// What is known of a mount.
    pub(crate) fn mount(&self, mount: &ZnodePath) -> Option<&MountSeen> {
        self.mounts.get(mount)
    }

    /// Forgets mounts that are none any more.
    pub(crate) fn retain(&mut self, is_mount: impl Fn(&ZnodePath) -> bool) {
        self.mounts.retain(|mount, _| is_mount(mount));
    }

    /// A guest has logged.
    pub(crate) fn logged(&mut self, mount: &ZnodePath, time: u64, (level, text): (u8, String)) {
        self.last_line += 1;
        if self.kept.len() >= PLUGIN_LOG_LINES_MAX {
            self.kept.pop_front();
        }
        self.kept.push_back(PluginLogLine {
            number: self.last_line,
            time,
            mount: mount.clone(),
            level,
            text: text.clone(),
        });
        self.fresh.push((mount.clone(), level, text));
    }

    /// Lines for the shell.
    pub(crate) fn take_fresh(&mut self) -> Vec<LogLine> {
        std::mem::take(&mut self.fresh)
    }

    /// Kept lines behind a number, at most so many, and the number to go on behind.
    pub(crate) fn lines(
        &self,
        after: u64,
        max: usize,
        wanted: impl Fn(&PluginLogLine) -> bool,
    ) -> (Vec<PluginLogLine>, u64) {
        let behind = self.kept.iter().filter(|line| line.number > after);
        let lines: Vec<_> = behind
            .filter(|line| wanted(line))
            .take(max)
            .cloned()
            .collect();
        let last = match lines.last() {
            Some(line) if lines.len() == max => line.number,
            _ => self.last_line,
        };
        (lines, last)
    }
}

fn note(stats: &mut OpStats, cost: &GuestCost) {
    stats.calls += 1;
    stats.instantiate.add(cost.instantiate_ns);
    stats.guest.add(cost.guest_ns);
    if let Some(ns) = cost.host_ns {
        stats.host.add(ns);
    }
    stats.host_calls += u64::from(cost.host_calls);
    stats.changes += u64::from(cost.changes);
    stats.bytes += cost.bytes;
    stats.memory_bytes_max = stats.memory_bytes_max.max(cost.memory_bytes);
}

fn name_of(entry: &GuestEntry) -> &str {
    match entry {
        GuestEntry::Query { op, .. } | GuestEntry::Command { op, .. } => op,
        GuestEntry::Event(_) => "on-event",
        GuestEntry::Migrate { .. } => "migrate",
    }
}
