//! What must always hold, by name, and what was seen instead. Knows no state.

use std::fmt;
use std::sync::Arc;

/// One property of every state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// An epoch has one established leader.
    Leadership,
    /// Any two servers agree on what is committed, up to the shorter.
    PrefixConsistency,
    /// What is committed is durable at a quorum, from then on.
    Durability,
    /// An established leader durably has all that was committed in older epochs.
    LeaderCompleteness,
    /// A follower that has answered NEWLEADER has its leader's history.
    ProcessConsistency,
    /// What a server says of its disk is so.
    Claims,
    /// The log in memory is the log on disk, with what is under way to it.
    MemoryIsDisk,
    /// A log has no hole and loses nothing that is committed; epochs do not go back.
    SoundWrites,
    /// What is delivered is committed, in order, each once.
    Delivery,
    /// No assertion of the core fails.
    Assertion,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Leadership,
        Self::PrefixConsistency,
        Self::Durability,
        Self::LeaderCompleteness,
        Self::ProcessConsistency,
        Self::Claims,
        Self::MemoryIsDisk,
        Self::SoundWrites,
        Self::Delivery,
        Self::Assertion,
    ];

    /// Its name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Leadership => "an epoch has one established leader",
            Self::PrefixConsistency => "servers agree on what is committed",
            Self::Durability => "what is committed is durable at a quorum",
            Self::LeaderCompleteness => "a leader has all that was committed before",
            Self::ProcessConsistency => "a follower has its leader's history",
            Self::Claims => "what a server says of its disk is so",
            Self::MemoryIsDisk => "memory and disk hold the same log",
            Self::SoundWrites => "writes leave no hole and lose nothing committed",
            Self::Delivery => "what is delivered is committed, in order, once",
            Self::Assertion => "no assertion of the core fails",
        }
    }
}

/// A property that does not hold, and why.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Violation {
    /// Which.
    pub kind: Kind,
    /// What was seen.
    pub what: Arc<str>,
}

impl Violation {
    /// `kind` does not hold, as `what` says.
    pub(crate) fn new(kind: Kind, what: impl Into<Arc<str>>) -> Self {
        Self {
            kind,
            what: what.into(),
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not so: {}: {}", self.kind.name(), self.what)
    }
}

/// Fails with `kind` unless `holds`.
pub(crate) fn ensure(
    holds: bool,
    kind: Kind,
    what: impl FnOnce() -> String,
) -> Result<(), Violation> {
    if holds {
        Ok(())
    } else {
        Err(Violation::new(kind, what()))
    }
}
