//! What strikes: each kind at random times, until the run is to come to rest.

use zareba_model::ServerId;

use super::power::End;
use super::{Cluster, Event, id_of, place_of};
use crate::fault::Fault;
use crate::network::Pair;
use crate::server::Server;

impl Cluster {
    pub(super) fn schedule_faults(&mut self) {
        for fault in Fault::ALL {
            self.schedule_fault(fault);
        }
    }

    fn schedule_fault(&mut self, fault: Fault) {
        let mean = self.config.faults.every_ms(fault) * 1_000;
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
        let struck = match fault {
            Fault::PowerCut
            | Fault::PowerCutOfAll
            | Fault::Kill
            | Fault::Pause
            | Fault::Freeze
            | Fault::WallJump => self.strike_process(fault, server, until),
            Fault::Break
            | Fault::HalfOpen
            | Fault::Partition
            | Fault::Bridge
            | Fault::OneWay
            | Fault::Stall
            | Fault::SlowLink => self.strike_network(fault, server, until),
            Fault::Disconnect | Fault::SlowReader | Fault::Duplicate => {
                self.strike_client(fault, until)
            }
            Fault::SlowDisk
            | Fault::DiskSpike
            | Fault::DiskFull
            | Fault::DiskError
            | Fault::BitFlip
            | Fault::RottenImage
            | Fault::Wipe => self.strike_disk(fault, server, until),
        };
        if struck {
            self.counts.strikes(fault);
        }
        self.schedule_fault(fault);
    }

    fn strike_process(&mut self, fault: Fault, server: usize, until: u64) -> bool {
        match fault {
            Fault::PowerCut => self.doom(server),
            Fault::PowerCutOfAll => {
                for server in 0..self.servers.len() {
                    self.end(server, End::PowerCut);
                }
            }
            Fault::Kill => self.end(server, End::Kill),
            Fault::Pause => self.server(server).paused_until = until,
            Fault::Freeze => {
                let now = self.now;
                let it = self.server(server);
                it.paused_until = until;
                it.clock.missed += until - now;
            }
            _ => {
                // Some seconds, or a time zone.
                let far = if self.dice.once_in(4) {
                    7_200_000
                } else {
                    4_000
                };
                let jump = self.dice.below(2 * far) as i64 - far as i64;
                self.server(server).clock.wall_offset_ms += jump;
            }
        }
        true
    }

    /// The power goes now, between two outputs of the next batch, or amid a synchronization, which
    /// hardly ever is the next batch.
    fn doom(&mut self, server: usize) {
        match self.dice.below(10) {
            0..4 => self.end(server, End::PowerCut),
            4..7 => self.server(server).dies_cutting = true,
            _ => {
                let outputs = self.dice.below(8);
                self.server(server).dies_after = Some(outputs);
            }
        }
    }

    fn any_pair(&mut self) -> Option<Pair> {
        let pairs = self.network.pairs();
        self.dice.pick(&pairs)
    }

    fn strike_network(&mut self, fault: Fault, server: usize, until: u64) -> bool {
        let Some(pair) = self.any_pair() else {
            return false;
        };
        let end = self.dice.below(2) as usize;
        match fault {
            Fault::Break => self.break_often(pair),
            Fault::HalfOpen => return self.half_open(pair, end),
            Fault::Partition => self.partition(until),
            Fault::Bridge => self.bridge(server, until),
            Fault::OneWay => self.one_way(server, end, until),
            Fault::Stall => {
                self.trouble(pair, until);
                self.network.stall(pair, end, until);
            }
            _ => {
                let by = self.dice.between(5_000, 150_000);
                self.trouble(pair, until);
                self.network.slow(pair, by, until);
            }
        }
        true
    }

    /// A link breaks, and now and then again and again: at any moment of the synchronization that
    /// each return begins.
    fn break_often(&mut self, pair: Pair) {
        let times = match self.dice.once_in(4) {
            true => self.dice.between(2, 8),
            false => 0,
        };
        let mut at = self.now;
        for _ in 0..times {
            at += self.dice.between(5_000, 120_000);
            self.schedule.at(at, Event::BreakAgain(pair));
        }
        self.break_link(pair, None);
    }

    pub(super) fn break_again(&mut self, pair: Pair) {
        if !self.healed {
            self.break_link(pair, None);
        }
    }

    /// One end learns at once, the other one after a long time.
    fn half_open(&mut self, pair: Pair, late: usize) -> bool {
        let Some(passages) = self.network.break_link(pair, &mut self.dice) else {
            return false;
        };
        for passage in passages {
            let wait = if passage.end == late {
                self.dice.between(300_000, 3_000_000)
            } else {
                self.dice.below(2_000)
            };
            self.schedule.at(self.now + wait, Event::Down(passage));
        }
        true
    }

    fn cut(&mut self, pair: Pair, until: u64) {
        self.network.block(pair, until);
        self.break_link(pair, None);
    }

    /// Some servers are cut off from the others, or one from one.
    fn partition(&mut self, until: u64) {
        let side: Vec<bool> = (0..self.servers.len())
            .map(|_| self.dice.percent(50))
            .collect();
        let alone = self.dice.percent(30).then(|| self.any_pair()).flatten();
        for pair in self.network.pairs() {
            let apart = match alone {
                Some(alone) => alone == pair,
                None => side.get(pair.0) != side.get(pair.1),
            };
            if apart {
                self.cut(pair, until);
            }
        }
    }

    /// Two halves that reach each other over one server alone.
    fn bridge(&mut self, bridge: usize, until: u64) {
        for pair in self.network.pairs() {
            let across = pair.0 % 2 != pair.1 % 2;
            if across && !pair.has(bridge) || self.servers.len() == 3 && !pair.has(bridge) {
                self.cut(pair, until);
            }
        }
    }

    /// Nothing arrives at a server, or nothing that it says; its links may break of it.
    fn one_way(&mut self, server: usize, direction: usize, until: u64) {
        let breaks = self.dice.percent(50);
        for pair in self.network.pairs() {
            if !pair.has(server) {
                continue;
            }
            let own = pair.end_of(server);
            let end = if direction == 0 { own } else { 1 - own };
            self.trouble(pair, until);
            self.network.stall(pair, end, until);
            if breaks {
                self.break_link(pair, None);
            }
        }
    }

    fn strike_client(&mut self, fault: Fault, until: u64) -> bool {
        let client = self.dice.below(self.clients.len() as u64) as usize;
        match fault {
            Fault::Disconnect => {
                self.leave(client);
                true
            }
            Fault::SlowReader => self.reads_slowly(client, until),
            _ => self.repeats(client),
        }
    }

    fn strike_disk(&mut self, fault: Fault, server: usize, until: u64) -> bool {
        match fault {
            Fault::SlowDisk => self.server(server).slow_disk_until = until,
            Fault::DiskSpike => {
                let spike = self.dice.between(200_000, 3_000_000);
                self.server(server).disk_spike_us = spike;
            }
            Fault::DiskFull => {
                let it = self.server(server);
                it.full_disk_until = it.full_disk_until.max(until);
                it.storage.set_full(true);
                self.schedule.at(until, Event::DiskHasRoom(server));
            }
            Fault::DiskError => {
                if let Some(it) = self.servers.get_mut(server) {
                    it.storage.fail_soon(&mut self.dice);
                }
            }
            _ => return self.destroy(fault, server),
        }
        true
    }

    pub(super) fn disk_has_room(&mut self, server: usize) {
        let now = self.now;
        let it = self.server(server);
        if it.full_disk_until <= now {
            it.storage.set_full(false);
        }
    }

    /// Destroys something that is durable, but never on more than a minority: beyond it, nothing can
    /// be promised.
    fn destroy(&mut self, fault: Fault, server: usize) -> bool {
        let sound = |id: ServerId| {
            let it = self.servers.get(place_of(id));
            id != id_of(server) && it.is_some_and(|it| !it.impaired)
        };
        let is_here = |it: &Server| it.boot > 0 && !it.retired;
        if !self.servers.get(server).is_some_and(is_here)
            || !self.oracle.in_force().all(|it| it.is_quorum(sound))
        {
            return false;
        }
        let Some(it) = self.servers.get_mut(server) else {
            return false;
        };
        match fault {
            Fault::BitFlip => {
                if it.boot == 0 || !it.storage.flip(&mut self.dice) {
                    return false;
                }
                (it.impaired, it.struck) = (true, true);
            }
            Fault::RottenImage => {
                it.storage.rot_image();
                (it.impaired, it.struck) = (true, true);
            }
            _ => {
                // Not one that is about to come back by itself, nor one that never was there.
                if !self.stop(server, End::PowerCut) {
                    return false;
                }
                return self.replace_disk(server).is_ok();
            }
        }
        true
    }
}
