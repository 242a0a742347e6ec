//! Servers start from their disks and stop: by a power cut, a kill, or an error of the disk.

use zareba_log::LogError;
use zareba_replica::Replica;

use super::{Cluster, Event, id_of};
use crate::disk::{OpenError, Opened};
use crate::invariants;
use crate::lock_plugin::Plugins;
use crate::marks::Mark;
use crate::oracle::Mirror;
use crate::violation::Violation;

/// What ends a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The machine loses its power.
    PowerCut,
    /// The process is killed; the machine goes on.
    Kill,
}

/// A wiped server stays away so long that everybody has noticed; so does one whose disk an operator
/// has to replace.
const REPLACED_US: u64 = 1_500_000;

impl Cluster {
    /// Starts a server from its disk.
    pub(super) fn start(&mut self, server: usize) -> Result<(), Violation> {
        let now = self.now;
        let it = self.server(server);
        if it.replica.is_some() || it.retired {
            return Ok(());
        }
        let opened = match it.storage.open() {
            Ok(opened) => opened,
            Err(error) => return self.cannot_start(server, &error),
        };
        self.judge_recovery(server, &opened)?;
        let mut config = self.replica_config(server);
        let it = self.server(server);
        config.zab.may_begin = it.founds && opened.is_new && opened.damage.is_none();
        it.boot += 1;
        it.started_at = now;
        it.damaged = opened.damaged;
        it.waking = false;
        it.dies_after = None;
        it.dies_cutting = false;
        // Every record was read; if none was bad, nothing was destroyed.
        it.impaired = opened.damaged;
        it.struck = false;
        let boot = it.boot;
        let clock = it.clock.read(now);
        let applied = opened.recovered.applied();
        let mut outputs = Vec::new();
        let replica = Replica::new(
            config,
            opened.recovered,
            Plugins::new(self.guest.clone()),
            clock,
            &mut outputs,
        );
        self.trace
            .say(now, server, "starts at", &(applied, opened.damaged));
        self.oracle.started(
            server,
            opened.base,
            &opened.entries,
            (applied, opened.epochs.current),
            replica.tree(),
        )?;
        self.oracle.mirror(server)?.epochs = opened.epochs;
        let it = self.server(server);
        it.remembers = opened.base;
        it.role = zareba_zab::Role::Looking;
        it.replica = Some(replica);
        self.schedule.at(now + 1, Event::Tick(server, boot));
        self.after_batch(server, outputs)
    }

    fn judge_recovery(&mut self, server: usize, opened: &Opened) -> Result<(), Violation> {
        let marks = &self.oracle.marks;
        marks.reach_if(opened.damaged, Mark::Damage);
        marks.reach_if(opened.torn_bytes > 0, Mark::TornTail);
        marks.reach_if(opened.image_lost, Mark::ImageSetAside);
        marks.reach_if(opened.amid_checkpoint, Mark::CheckpointCut);
        let replayed = opened.base > zareba_model::Zxid::ZERO && !opened.entries.is_empty();
        marks.reach_if(replayed, Mark::ReplayedOverImage);
        let impaired = self.servers.get(server).is_some_and(|it| it.impaired);
        invariants::recovery::finds_only_real_damage(server, impaired, opened)?;
        if opened.damaged {
            self.oracle.mirror(server)?.excuse();
        } else {
            let mirror = self.oracle.mirror(server)?;
            invariants::recovery::keeps_what_was_durable(
                server,
                mirror,
                opened.base,
                &opened.entries,
            )?;
            mirror.excused = zareba_model::Zxid::ZERO;
        }
        if let Some(before) = self.oracle.mirrors.get(server) {
            let foundations = &self.oracle.foundations;
            if opened.epochs.current == before.epochs.current {
                invariants::epochs::check(server, before, opened.epochs, foundations)?;
            }
        }
        if self.dice.percent(50) {
            self.recover_again(server, opened)?;
        }
        Ok(())
    }

    /// Once more, from a copy of the disk, behind a power cut or not.
    fn recover_again(&mut self, server: usize, opened: &Opened) -> Result<(), Violation> {
        self.oracle.marks.reach(Mark::RecoveredTwice);
        let cut = self.dice.percent(50);
        let Some(it) = self.servers.get(server) else {
            return Ok(());
        };
        let again = it.storage.open_again(cut.then_some(&mut self.dice));
        let again = again.map_err(|error| {
            let what = format!("server {server} cannot start from the same disk again: {error}");
            Violation::new("recovery", what)
        })?;
        invariants::recovery::is_idempotent(server, opened, &again)
    }

    /// A disk that is full or fails is tried again later. What cannot be read because a fault of the
    /// medium has struck it is replaced, as the error tells the operator; anything else is wrong.
    fn cannot_start(&mut self, server: usize, error: &OpenError) -> Result<(), Violation> {
        let now = self.now;
        let impaired = self.server(server).impaired;
        self.trace.say(now, server, "cannot start", error);
        match error {
            OpenError::Log(LogError::Disk { .. }) => {
                self.oracle.marks.reach(Mark::StartRefusedByDisk);
                if let Some(it) = self.servers.get_mut(server) {
                    it.storage.kill(&mut self.dice);
                }
                self.schedule.at(now + 200_000, Event::Start(server));
            }
            _ if impaired => self.replace_disk(server)?,
            error => {
                let what = format!("server {server} cannot start: {error}");
                return Err(Violation::new("recovery", what));
            }
        }
        Ok(())
    }

    /// The server's disk is replaced by an empty one; it comes back later.
    pub(super) fn replace_disk(&mut self, server: usize) -> Result<(), Violation> {
        let it = self.server(server);
        it.storage.wipe();
        it.impaired = true;
        let mirror = self.oracle.mirror(server)?;
        mirror.excuse();
        *mirror = Mirror {
            excused: mirror.excused,
            ..Mirror::default()
        };
        let at = self.now + self.dice.between(REPLACED_US, 2 * REPLACED_US);
        self.schedule.at(at, Event::Start(server));
        Ok(())
    }

    fn replica_config(&self, server: usize) -> zareba_replica::Config {
        let of = &self.config;
        let mut zab = zareba_zab::Config::new(id_of(server), []);
        if let Some(it) = self.servers.get(server) {
            zab.ensemble = it.bootstrap.clone().unwrap_or_default();
            zab.joins_from = it.boot << 32;
        }
        zab.window_entries = of.window_entries;
        zab.batch_entries_max = of.batch_entries;
        zab.counter_max = of.counter_max;
        let mut config = zareba_replica::Config::new(zab);
        of.planted().configure(&mut config);
        config.checkpoint_txns = of.checkpoint_txns;
        config.checkpoint_batch = of.checkpoint_batch;
        config.snapshot_chunk_bytes = of.snapshot_chunk_bytes;
        config.snapshot_window = of.snapshot_window;
        config.leaderless_grace_ms = 1_000;
        config.seed = of.seed;
        config.container_check_ms = 200;
        config
    }

    /// The first error of the disk ends the process.
    pub(super) fn stops_by_its_disk(&mut self, server: usize, error: &LogError) {
        self.trace.say(self.now, server, "is stopped by", error);
        self.oracle.marks.reach(Mark::StoppedByDisk);
        self.end(server, End::Kill);
    }

    /// A server's process ends, and comes back after a while.
    pub(super) fn end(&mut self, server: usize, how: End) {
        if !self.stop(server, how) {
            return;
        }
        let down = match self.dice.below(3) {
            0 => self.dice.below(20_000),
            1 => self.dice.below(300_000),
            _ => self.dice.below(1_500_000),
        };
        self.schedule.at(self.now + down, Event::Start(server));
    }

    /// The same, without a way back; false if it is down already.
    pub(super) fn stop(&mut self, server: usize, how: End) -> bool {
        let now = self.now;
        let Some(it) = self.servers.get_mut(server) else {
            return false;
        };
        if it.replica.take().is_none() {
            return false;
        }
        self.trace.say(now, server, "ends by", &how);
        it.inbox.clear();
        it.waking = false;
        it.boot += 1;
        it.paused_until = 0;
        let installing = it.storage.is_installing();
        self.oracle.marks.reach_if(installing, Mark::InstallCut);
        match how {
            End::PowerCut => it.storage.crash(&mut self.dice),
            End::Kill => it.storage.kill(&mut self.dice),
        }
        for pair in self.network.pairs() {
            if pair.has(server) {
                self.break_link(pair, Some(server));
            }
        }
        self.drop_connections_of(server);
        true
    }
}
