//! Every option of a run, derived from its seed. Must never know how a run goes.

use std::fmt;

use zareba_model::Ensemble;

use crate::dice::Dice;
use crate::fault::Faults;
use crate::founding::{self, Votes};
#[cfg(feature = "bugs")]
use crate::implants::Implant;
use crate::implants::Planted;

/// Every option of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Where it all comes from.
    pub seed: u64,
    /// Voters in the beginning.
    pub servers: usize,
    /// Observers in the beginning.
    pub observers: usize,
    /// Servers that are no members in the beginning.
    pub spares: usize,
    /// How voters' words count in the beginning.
    pub votes: Votes,
    /// Out of a hundred requests of one client, how many change the ensemble.
    pub changes_percent: u64,
    /// Clients.
    pub clients: usize,
    /// How long faults strike and clients ask, microseconds.
    pub run_us: u64,
    /// How long everything may take to settle afterwards, microseconds.
    pub settle_us: u64,
    /// Faults.
    pub faults: Faults,
    /// Size of a log segment.
    pub segment_bytes: u64,
    /// A checkpoint begins after so many transactions.
    pub checkpoint_txns: u64,
    /// Records in one image write.
    pub checkpoint_batch: usize,
    /// Entries a server keeps in memory for others.
    pub window_entries: usize,
    /// Bytes in one piece of a snapshot.
    pub snapshot_chunk_bytes: usize,
    /// Pieces of a snapshot under way.
    pub snapshot_window: u64,
    /// Entries in one message.
    pub batch_entries: usize,
    /// Last counter of an epoch.
    pub counter_max: u32,
    /// Requests a client has under way at most.
    pub in_flight: usize,
    /// Mean time between two requests of a client, microseconds.
    pub think_us: u64,
    /// Out of a hundred requests, how many are plugin calls.
    pub calls_percent: u64,
    /// Out of a hundred requests, how many are reads.
    pub reads_percent: u64,
    /// Longest delay of a good link, microseconds.
    pub delay_us: u64,
    /// Longest time of a good disk, microseconds.
    pub disk_us: u64,
    /// Between two ticks of a server's clock, microseconds.
    pub tick_us: u64,
    /// A bug planted on purpose.
    #[cfg(feature = "bugs")]
    pub implant: Option<Implant>,
}

impl Config {
    /// The options of a seed.
    pub fn of(seed: u64) -> Self {
        let mut dice = Dice::new(seed ^ 0x5eed);
        let servers = dice.pick(&[1, 3, 3, 3, 3, 3, 3, 5, 5]).unwrap_or(3);
        let changes = servers > 1 && dice.percent(40);
        Self {
            seed,
            servers,
            observers: usize::from(servers > 1 && dice.percent(20)),
            spares: if changes {
                dice.between(1, 3) as usize
            } else {
                0
            },
            votes: match dice.below(8) {
                0 if servers > 1 => Votes::Weighted,
                1 if servers > 1 => Votes::Grouped,
                _ => Votes::Equal,
            },
            changes_percent: if changes { dice.between(5, 40) } else { 0 },
            clients: dice.between(2, 5) as usize,
            run_us: dice.between(2_500_000, 5_000_000),
            settle_us: 30_000_000,
            faults: Faults::draw(&mut dice, servers),
            segment_bytes: dice.pick(&[2_048, 8_192, 65_536]).unwrap_or(8_192),
            checkpoint_txns: dice.pick(&[10, 40, 200, 100_000]).unwrap_or(40),
            checkpoint_batch: dice.pick(&[1, 5, 50]).unwrap_or(5),
            window_entries: dice.pick(&[0, 3, 20, 20_000]).unwrap_or(20),
            snapshot_chunk_bytes: dice.pick(&[1, 300, 65_536]).unwrap_or(300),
            snapshot_window: dice.between(1, 4),
            batch_entries: dice.pick(&[1, 3, 1_000]).unwrap_or(3),
            counter_max: dice.pick(&[u32::MAX, u32::MAX, u32::MAX, 60]).unwrap_or(60),
            in_flight: dice.between(1, 8) as usize,
            think_us: dice.pick(&[5_000, 20_000, 60_000]).unwrap_or(20_000),
            calls_percent: dice.pick(&[0, 20, 50]).unwrap_or(20),
            reads_percent: dice.between(10, 60),
            delay_us: dice.pick(&[200, 2_000, 15_000]).unwrap_or(2_000),
            disk_us: dice.pick(&[200, 2_000, 20_000]).unwrap_or(2_000),
            // Both less than what broadcast takes for a gap.
            tick_us: dice.pick(&[10_000, 20_000]).unwrap_or(10_000),
            #[cfg(feature = "bugs")]
            implant: None,
        }
    }

    /// The ensemble in the beginning.
    pub(crate) fn founding(&self) -> Ensemble {
        founding::ensemble(self.servers, self.observers, self.votes)
    }

    /// Members in the beginning.
    pub(crate) fn founders(&self) -> usize {
        self.servers + self.observers
    }

    /// Servers that may ever be.
    pub(crate) fn places(&self) -> usize {
        self.founders() + self.spares
    }

    /// The bug that is planted, if any.
    pub(crate) fn planted(&self) -> Planted {
        Planted {
            #[cfg(feature = "bugs")]
            implant: self.implant,
        }
    }

    /// The same without any fault.
    pub fn calm(seed: u64) -> Self {
        Self {
            faults: Faults::default(),
            ..Self::of(seed)
        }
    }
}

impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cargo xtask sim --seed {}", self.seed)?;
        #[cfg(feature = "bugs")]
        if let Some(implant) = self.implant {
            write!(f, " --bug {implant}")?;
        }
        Ok(())
    }
}
