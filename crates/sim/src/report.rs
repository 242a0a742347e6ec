//! What a run, or many, came to. Decides nothing.

use std::fmt;

use crate::fault::Fault;
use crate::marks::Mark;
use crate::violation::Violation;

/// What has happened in runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say what they count")]
pub struct Counts {
    pub runs: u64,
    pub steps: u64,
    pub txns: u64,
    pub answers: u64,
    pub reigns: u64,
    pub stranded: u64,
    faults: Vec<u64>,
    marks: Vec<u64>,
}

impl Counts {
    /// How often a kind of fault struck.
    pub fn of_fault(&self, fault: Fault) -> u64 {
        self.faults.get(fault as usize).copied().unwrap_or(0)
    }

    /// How often a mark was reached.
    pub fn of_mark(&self, mark: Mark) -> u64 {
        self.marks.get(mark as usize).copied().unwrap_or(0)
    }

    pub(crate) fn strikes(&mut self, fault: Fault) {
        self.faults.resize(Fault::ALL.len(), 0);
        if let Some(count) = self.faults.get_mut(fault as usize) {
            *count += 1;
        }
    }

    pub(crate) fn take_marks(&mut self, marks: impl Iterator<Item = u64>) {
        self.marks = marks.collect();
    }

    /// Adds another run's.
    pub fn add(&mut self, other: &Self) {
        self.runs += other.runs;
        self.steps += other.steps;
        self.txns += other.txns;
        self.answers += other.answers;
        self.reigns += other.reigns;
        self.stranded += other.stranded;
        add_each(&mut self.faults, &other.faults);
        add_each(&mut self.marks, &other.marks);
    }
}

fn add_each(to: &mut Vec<u64>, other: &[u64]) {
    to.resize(to.len().max(other.len()), 0);
    for (count, more) in to.iter_mut().zip(other) {
        *count += more;
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = |count: u64, name: &str| writeln!(f, "{count:>12} {name}");
        line(self.runs, "runs")?;
        line(self.steps, "steps")?;
        line(self.steps / self.runs.max(1), "steps in each")?;
        line(self.txns, "transactions")?;
        line(self.answers, "answers")?;
        line(self.reigns, "reigns")?;
        line(self.stranded, "runs ended for want of a quorum that votes")?;
        writeln!(f, "faults")?;
        let mut line = |count: u64, name: &str| writeln!(f, "{count:>12} {name}");
        for fault in Fault::ALL {
            line(self.of_fault(fault), fault.name())?;
        }
        writeln!(f, "marks")?;
        let mut line = |count: u64, name: &str| writeln!(f, "{count:>12} {name}");
        for mark in Mark::ALL {
            line(self.of_mark(mark), mark.name())?;
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
