//! The kinds of faults, how often each may strike, and how often each did. Knows no victim.

use std::fmt;

use crate::dice::Dice;

macro_rules! faults {
    ($($(#[$doc:meta])* $name:ident: $text:literal, $low:literal..$high:literal ms, $percent:literal %;)+) => {
        /// One kind of fault.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Fault {
            $($(#[$doc])* $name,)+
        }

        impl Fault {
            /// Every kind.
            pub const ALL: [Self; [$(Self::$name),+].len()] = [$(Self::$name),+];

            /// In words.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)+
                }
            }

            /// The mean time between two, at least and at most, and in how many runs of a hundred
            /// there are any.
            const fn rate(self) -> (u64, u64, u64) {
                match self {
                    $(Self::$name => ($low, $high, $percent),)+
                }
            }
        }
    };
}

faults! {
    /// One server loses its power, now or between two outputs of its next batch.
    PowerCut: "power cuts", 300..3_000 ms, 60%;
    /// All servers lose their power.
    PowerCutOfAll: "power cuts of all servers", 1_500..5_000 ms, 20%;
    /// One process is killed; what it has written stays in the machine's cache.
    Kill: "killed processes", 400..3_000 ms, 40%;
    /// A server stands still, and finds the time gone.
    Pause: "pauses", 500..3_000 ms, 30%;
    /// A server stands still, and its monotonic clock with it.
    Freeze: "frozen clocks", 800..4_000 ms, 15%;
    /// A link between two servers breaks.
    Break: "broken links", 100..2_000 ms, 50%;
    /// A link breaks, and one end does not notice for long.
    HalfOpen: "half-open links", 500..3_000 ms, 30%;
    /// Servers are parted into two sides.
    Partition: "partitions", 700..3_000 ms, 35%;
    /// Two sides that reach each other over one server alone.
    Bridge: "bridges", 900..4_000 ms, 20%;
    /// Nothing that one server says arrives, or nothing arrives at it.
    OneWay: "one-way partitions", 900..4_000 ms, 20%;
    /// Nothing arrives in one direction of a link for a while.
    Stall: "stalled lanes", 500..3_000 ms, 30%;
    /// A link is slow.
    SlowLink: "slow links", 500..3_000 ms, 30%;
    /// A client loses its connection.
    Disconnect: "lost connections", 100..2_000 ms, 60%;
    /// A client reads nothing for a while.
    SlowReader: "slow readers", 500..3_000 ms, 30%;
    /// A client sends a request twice over one connection.
    Duplicate: "duplicate requests", 300..2_000 ms, 20%;
    /// A disk is slow.
    SlowDisk: "slow disks", 500..3_000 ms, 30%;
    /// One write takes up to seconds.
    DiskSpike: "latency spikes of a disk", 800..4_000 ms, 20%;
    /// A disk has no room for new files for a while.
    DiskFull: "full disks", 800..4_000 ms, 20%;
    /// One call to a disk fails, and the next would succeed.
    DiskError: "disk errors", 500..3_000 ms, 30%;
    /// A bit of what is durable flips, and nobody notices yet.
    BitFlip: "flipped bits", 800..4_000 ms, 20%;
    /// An image becomes unreadable, and nobody notices yet.
    RottenImage: "rotten images", 1_500..5_000 ms, 12%;
    /// A server comes back with an empty disk.
    Wipe: "wiped disks", 1_500..5_000 ms, 15%;
    /// The time of day jumps, either way.
    WallJump: "jumps of a wall clock", 500..3_000 ms, 25%;
}

/// How often each kind strikes in a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// The mean time between two, in milliseconds, by the order of [`Fault::ALL`]; 0 for never.
    every_ms: Vec<u64>,
}

impl Faults {
    /// A run's share of faults: some kinds, at its own rates.
    pub(crate) fn draw(dice: &mut Dice, servers: usize) -> Self {
        let draw = |fault: Fault| {
            let (low, high, percent) = fault.rate();
            let mean = dice.between(low, high);
            let strikes = dice.percent(percent) && (servers > 1 || !fault.needs_others());
            if strikes { mean } else { 0 }
        };
        Self {
            every_ms: Fault::ALL.into_iter().map(draw).collect(),
        }
    }

    /// The mean time between two of a kind, milliseconds; 0 for never.
    pub fn every_ms(&self, fault: Fault) -> u64 {
        self.every_ms.get(fault as usize).copied().unwrap_or(0)
    }

    /// The same with another rate of one kind.
    #[must_use]
    pub fn with(mut self, fault: Fault, every_ms: u64) -> Self {
        self.every_ms.resize(Fault::ALL.len(), 0);
        if let Some(slot) = self.every_ms.get_mut(fault as usize) {
            *slot = every_ms;
        }
        self
    }
}

impl Fault {
    /// True if it makes no sense for a server alone: there is no link, or nobody who could refill
    /// it.
    const fn needs_others(self) -> bool {
        matches!(
            self,
            Self::Break
                | Self::HalfOpen
                | Self::Partition
                | Self::Bridge
                | Self::OneWay
                | Self::Stall
                | Self::SlowLink
                | Self::BitFlip
                | Self::RottenImage
                | Self::Wipe
        )
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
