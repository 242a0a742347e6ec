//! A server's disk at work: groups of writes, each done at some time, or failing.

use zareba_log::LogError;
use zareba_replica::Input;

use super::{Cluster, Event};
use crate::disk::Job;
use crate::implants::ShellBug;
use crate::invariants;
use crate::marks::Mark;
use crate::violation::Violation;

impl Cluster {
    /// A group of writes is durable.
    pub(super) fn disk_done(&mut self, server: usize, boot: u64) -> Result<(), Violation> {
        if self.server(server).boot != boot {
            return Ok(());
        }
        let swapping = self.server(server).storage.is_swapping();
        if swapping {
            let until = self.server(server).paused_until;
            if until > self.now {
                self.schedule.at(until, Event::Disk(server, boot));
                return Ok(());
            }
            // The swap and its input are one step: what has arrived before is taken before.
            self.take_inbox(server)?;
            if self.server(server).boot != boot {
                return Ok(());
            }
        }
        let clearing = self.server(server).storage.is_clearing();
        let ended = self.server(server).storage.end_group();
        self.power_may_go(server);
        let told = match ended {
            Ok(told) => told,
            Err(error) if is_mistaken(&error) => {
                let what = format!("server {server} asks its log for what it cannot do: {error}");
                return Err(Violation::new("contiguous_log", what));
            }
            Err(_) if self.config.planted().has(ShellBug::LivesWithoutDisk) => return Ok(()),
            Err(error) => {
                self.stops_by_its_disk(server, &error);
                return Ok(());
            }
        };
        self.judge_disk(server)?;
        if clearing {
            self.is_refilled(server)?;
        }
        for input in told {
            if let Input::SnapshotInstalled { base } = input {
                self.oracle.marks.reach(Mark::SnapshotInstalled);
                self.oracle.swapped(server, base)?;
                let it = self.server(server);
                it.remembers = it.remembers.max(base);
                self.batch(server, vec![input])?;
            } else {
                self.give(server, input);
            }
        }
        self.write_more(server);
        Ok(())
    }

    /// A machine whose disk has failed often loses its power soon. Strikes only who lives on.
    fn power_may_go(&mut self, server: usize) {
        if self.server(server).storage.has_failed() && self.dice.percent(50) {
            let outputs = self.dice.below(8);
            self.server(server).dies_after = Some(outputs);
        }
    }

    fn judge_disk(&mut self, server: usize) -> Result<(), Violation> {
        let storage = &self.server(server).storage;
        let (durable, epochs) = (storage.durable(), storage.epochs());
        let mirror = self.oracle.mirror(server)?;
        mirror.durable = durable;
        if let Some(mirror) = self.oracle.mirrors.get(server) {
            invariants::epochs::check(server, mirror, epochs, &self.oracle.foundations)?;
        }
        self.oracle.mirror(server)?.epochs = epochs;
        Ok(())
    }

    /// A quorum has refilled a server whose medium had failed: it is as good as any other.
    fn is_refilled(&mut self, server: usize) -> Result<(), Violation> {
        self.oracle.marks.reach(Mark::Refilled);
        let it = self.server(server);
        it.impaired = it.struck;
        self.oracle.mirror(server)?.excused = zareba_model::Zxid::ZERO;
        Ok(())
    }

    /// Begins the next group of writes, if there is one.
    pub(super) fn write_more(&mut self, server: usize) {
        let now = self.now;
        let it = self.server(server);
        let slow = if it.slow_disk_until > now { 100_000 } else { 0 };
        let spike = it.disk_spike_us;
        let time = 30 + self.dice.below(self.config.disk_us + slow) + spike;
        let at = self.now + time;
        let it = self.server(server);
        let boot = it.boot;
        if it.storage.begin_group() {
            it.disk_spike_us = 0;
            it.held_up_until = now + spike;
            self.schedule.at(at, Event::Disk(server, boot));
        }
    }

    pub(super) fn push_job(&mut self, server: usize, job: Job) {
        self.server(server).storage.push(job);
        self.write_more(server);
    }
}

/// True if the disk is not to blame.
fn is_mistaken(error: &LogError) -> bool {
    matches!(
        error,
        LogError::Hole { .. } | LogError::TooLarge { .. } | LogError::BelowBase { .. }
    )
}
