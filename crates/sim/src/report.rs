//! What a run, or many, came to. Decides nothing.

use std::fmt;

use crate::violation::Violation;

/// What has happened in runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say what they count")]
pub struct Counts {
    pub steps: u64,
    pub txns: u64,
    pub answers: u64,
    pub reigns: u64,
    pub crashes: u64,
    pub mid_batch: u64,
    pub damaged: u64,
    pub pauses: u64,
    pub breaks: u64,
    pub partitions: u64,
    pub stalls: u64,
    pub slow_links: u64,
    pub slow_disks: u64,
    pub disconnects: u64,
    pub clock_jumps: u64,
    pub snapshots: u64,
    pub checkpoints: u64,
    pub expired: u64,
}

impl Counts {
    /// Every count with its name.
    pub fn each(&self) -> [(&'static str, u64); 18] {
        [
            ("steps", self.steps),
            ("transactions", self.txns),
            ("answers", self.answers),
            ("reigns", self.reigns),
            ("power cuts", self.crashes),
            ("of them amid outputs", self.mid_batch),
            ("damaged logs", self.damaged),
            ("pauses", self.pauses),
            ("broken links", self.breaks),
            ("partitions", self.partitions),
            ("stalls", self.stalls),
            ("slow links", self.slow_links),
            ("slow disks", self.slow_disks),
            ("disconnects", self.disconnects),
            ("clock jumps", self.clock_jumps),
            ("snapshots", self.snapshots),
            ("checkpoints", self.checkpoints),
            ("sessions expired", self.expired),
        ]
    }

    /// Adds another run's.
    pub fn add(&mut self, other: &Self) {
        self.steps += other.steps;
        self.txns += other.txns;
        self.answers += other.answers;
        self.reigns += other.reigns;
        self.crashes += other.crashes;
        self.mid_batch += other.mid_batch;
        self.damaged += other.damaged;
        self.pauses += other.pauses;
        self.breaks += other.breaks;
        self.partitions += other.partitions;
        self.stalls += other.stalls;
        self.slow_links += other.slow_links;
        self.slow_disks += other.slow_disks;
        self.disconnects += other.disconnects;
        self.clock_jumps += other.clock_jumps;
        self.snapshots += other.snapshots;
        self.checkpoints += other.checkpoints;
        self.expired += other.expired;
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, count) in self.each() {
            writeln!(f, "{count:>12} {name}")?;
        }
        Ok(())
    }
}

/// What one seed came to.
#[derive(Clone, Debug)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// The fingerprint of everything that happened.
    pub hash: u64,
    /// What happened.
    pub counts: Counts,
    /// What was wrong.
    pub violation: Option<Violation>,
    /// The steps, if they were asked for.
    pub lines: Vec<String>,
}
