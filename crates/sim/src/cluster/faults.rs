//! What strikes: each kind at random times, until the run is to come to rest.

use super::{Cluster, Event};
use crate::network::Pair;

/// Kinds of faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    Crash,
    CrashAll,
    Pause,
    Break,
    Partition,
    Stall,
    Slow,
    Disconnect,
    Disk,
    Clock,
}

const ALL: [Fault; 10] = [
    Fault::Crash,
    Fault::CrashAll,
    Fault::Pause,
    Fault::Break,
    Fault::Partition,
    Fault::Stall,
    Fault::Slow,
    Fault::Disconnect,
    Fault::Disk,
    Fault::Clock,
];

impl Cluster {
    fn mean_us(&self, fault: Fault) -> u64 {
        let of = &self.config.faults;
        let ms = match fault {
            Fault::Crash => of.crash_ms,
            Fault::CrashAll => of.crash_all_ms,
            Fault::Pause => of.pause_ms,
            Fault::Break => of.break_ms,
            Fault::Partition => of.partition_ms,
            Fault::Stall => of.stall_ms,
            Fault::Slow => of.slow_ms,
            Fault::Disconnect => of.disconnect_ms,
            Fault::Disk => of.disk_ms,
            Fault::Clock => of.clock_ms,
        };
        ms * 1_000
    }

    pub(super) fn schedule_faults(&mut self) {
        for fault in ALL {
            self.schedule_fault(fault);
        }
    }

    fn schedule_fault(&mut self, fault: Fault) {
        let mean = self.mean_us(fault);
        if mean == 0 || self.healed {
            return;
        }
        let at = self.now + self.dice.between(1, mean * 2);
        self.schedule.at(at, Event::Strike(fault));
    }

    pub(super) fn strike(&mut self, fault: Fault) {
        if self.healed {
            return;
        }
        let server = self.dice.below(self.servers.len() as u64) as usize;
        let until = self.now + self.dice.between(1_000, 900_000);
        self.trace.say(self.now, server, "fault", &fault);
        match fault {
            Fault::Crash => self.doom(server),
            Fault::CrashAll => {
                for server in 0..self.servers.len() {
                    self.crash(server);
                }
            }
            Fault::Pause => {
                self.counts.pauses += 1;
                self.server(server).paused_until = until;
            }
            Fault::Break => {
                if let Some(pair) = self.any_pair() {
                    self.counts.breaks += 1;
                    self.break_link(pair, None);
                }
            }
            Fault::Partition => self.partition(until),
            Fault::Stall => {
                if let Some(pair) = self.any_pair() {
                    self.counts.stalls += 1;
                    let end = self.dice.below(2) as usize;
                    self.network.stall(pair, end, until);
                }
            }
            Fault::Slow => {
                if let Some(pair) = self.any_pair() {
                    self.counts.slow_links += 1;
                    let by = self.dice.between(5_000, 150_000);
                    self.network.slow(pair, by, until);
                }
            }
            Fault::Disconnect => {
                self.counts.disconnects += 1;
                let client = self.dice.below(self.clients.len() as u64) as usize;
                self.leave(client);
            }
            Fault::Disk => {
                self.counts.slow_disks += 1;
                self.server(server).slow_disk_until = until;
            }
            Fault::Clock => {
                self.counts.clock_jumps += 1;
                let offset = self.dice.below(4_000);
                self.server(server).clock.wall_offset_ms = offset;
            }
        }
        self.schedule_fault(fault);
    }

    /// The power goes now, or between two outputs of the next batch.
    fn doom(&mut self, server: usize) {
        if self.dice.percent(50) {
            self.crash(server);
        } else {
            let outputs = self.dice.below(8);
            self.server(server).dies_after = Some(outputs);
        }
    }

    fn any_pair(&mut self) -> Option<Pair> {
        let pairs = self.network.pairs();
        self.dice.pick(&pairs)
    }

    /// Some servers are cut off from the others, or one from one.
    fn partition(&mut self, until: u64) {
        self.counts.partitions += 1;
        let side: Vec<bool> = (0..self.servers.len())
            .map(|_| self.dice.percent(50))
            .collect();
        let alone = self.dice.percent(30).then(|| self.any_pair()).flatten();
        for pair in self.network.pairs() {
            let cut = match alone {
                Some(alone) => alone == pair,
                None => side.get(pair.0) != side.get(pair.1),
            };
            if cut {
                self.network.block(pair, until);
                self.break_link(pair, None);
            }
        }
    }
}
