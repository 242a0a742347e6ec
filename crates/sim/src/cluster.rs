//! The event loop: servers, links, disks and clients in simulated time.
//!
//! Every step of a server is a batch of inputs, as its real loop takes them. `carry` carries out
//! what a server wants, `connections` are the clients', `faults` are what strikes.

mod carry;
mod connections;
mod ending;
mod faults;

use std::collections::BTreeMap;

use zareba_model::{ServerId, Sha256, Zxid};
use zareba_replica::{ConnectionId, Input, Output, Replica};
use zareba_wire::{ClientMessage, ServerMessage};

use self::connections::Connection;
use self::faults::Fault;
use crate::client::Client;
use crate::dice::Dice;
use crate::disk::Job;
use crate::invariants;
use crate::lock_plugin::{Plugins, describe};
use crate::network::{Network, Pair, Passage};
use crate::oracle::Oracle;
use crate::report::Counts;
use crate::schedule::Schedule;
use crate::seed::Config;
use crate::server::{Clock, Server};
use crate::trace::Trace;
use crate::violation::Violation;
use crate::workload::Plan;

/// Something that happens at some time.
#[derive(Debug)]
enum Event {
    Start(usize),
    Wake(usize, u64),
    Tick(usize, u64),
    Disk(usize, u64),
    Compiled(usize, u64, Sha256, Vec<u8>),
    Connect(Pair),
    Up(Passage),
    Down(Passage),
    Arrive(Passage, Box<Input>),
    Client(usize),
    ToServer(ConnectionId, Box<ClientMessage>),
    ToClient(ConnectionId, Box<ServerMessage>),
    ServerLeft(ConnectionId),
    ClientLeft(ConnectionId),
    Strike(Fault),
    Heal,
    Inspect,
}

/// A whole run.
pub(crate) struct Cluster {
    config: Config,
    dice: Dice,
    now: u64,
    schedule: Schedule<Event>,
    servers: Vec<Server>,
    network: Network,
    clients: Vec<Client>,
    connections: BTreeMap<ConnectionId, Connection>,
    next_connection: u64,
    oracle: Oracle,
    /// Faults are over and clients wind up.
    healed: bool,
    done: bool,
    pub(crate) trace: Trace,
    pub(crate) counts: Counts,
}

impl Cluster {
    pub(crate) fn new(config: Config, tracing: bool) -> Self {
        let mut dice = Dice::new(config.seed);
        let mut schedule = Schedule::new();
        let servers = (0..config.servers).map(|server| {
            schedule.at(dice.below(5_000), Event::Start(server));
            let clock = Clock {
                rate_ppm: dice.between(950_000, 1_050_000),
                wall_offset_ms: dice.below(2_000),
            };
            Server::new(config.segment_bytes, clock)
        });
        let servers = servers.collect();
        let clients = (0..config.clients).map(|client| {
            schedule.at(dice.below(300_000), Event::Client(client));
            let plan = Plan {
                calls_percent: config.calls_percent,
                reads_percent: config.reads_percent,
                deploys: client == 0 && config.calls_percent > 0,
            };
            let timeout_ms = dice.between(1_000, 2_500) as u32;
            Client::new(plan, config.in_flight, timeout_ms)
        });
        let clients = clients.collect();
        let network = Network::new(config.servers, config.delay_us);
        for pair in network.pairs() {
            schedule.at(5_000 + dice.below(20_000), Event::Connect(pair));
        }
        schedule.at(config.run_us, Event::Heal);
        let mut cluster = Self {
            oracle: Oracle::new(config.servers),
            dice,
            now: 0,
            schedule,
            servers,
            network,
            clients,
            connections: BTreeMap::new(),
            next_connection: 0,
            healed: false,
            done: false,
            trace: Trace::new(tracing),
            counts: Counts::default(),
            config,
        };
        cluster.schedule_faults();
        cluster
    }

    /// Runs to the end.
    pub(crate) fn run(&mut self) -> Result<(), Violation> {
        while !self.done {
            let Some((time, event)) = self.schedule.next() else {
                return Err(Violation::new("liveness", "nothing is left to happen"));
            };
            self.now = self.now.max(time);
            self.happen(event)?;
        }
        self.counts.txns = self.oracle.len() as u64;
        Ok(())
    }

    fn happen(&mut self, event: Event) -> Result<(), Violation> {
        match event {
            Event::Start(server) => self.start(server)?,
            Event::Wake(server, boot) => self.wake(server, boot)?,
            Event::Tick(server, boot) => self.tick(server, boot),
            Event::Disk(server, boot) => self.disk_done(server, boot)?,
            Event::Compiled(server, boot, sha256, component) => {
                self.compiled(server, boot, sha256, &component);
            }
            Event::Connect(pair) => self.connect(pair),
            Event::Up(passage) => {
                let (server, peer) = passage.pair.ends(passage.end);
                if self.network.come_up(passage) {
                    self.give(server, Input::PeerUp(id_of(peer)));
                }
            }
            Event::Down(passage) => {
                let (server, peer) = passage.pair.ends(passage.end);
                if self.network.go_down(passage) {
                    self.give(server, Input::PeerDown(id_of(peer)));
                }
            }
            Event::Arrive(passage, input) => {
                if self.network.is_alive(passage) {
                    self.give(passage.pair.ends(passage.end).0, *input);
                }
            }
            Event::Client(client) => self.client_wakes(client),
            Event::ToServer(connection, message) => self.client_says(connection, *message),
            Event::ToClient(connection, message) => self.client_hears(connection, *message)?,
            Event::ServerLeft(connection) => self.server_left(connection),
            Event::ClientLeft(connection) => self.client_left(connection),
            Event::Strike(fault) => self.strike(fault),
            Event::Heal => self.heal(),
            Event::Inspect => self.inspect()?,
        }
        Ok(())
    }

    fn server(&mut self, server: usize) -> &mut Server {
        match self.servers.get_mut(server) {
            Some(server) => server,
            None => panic!("there must be a server {server}"),
        }
    }

    /// Something arrives at a server; if it is down, it is lost.
    fn give(&mut self, server: usize, input: Input) {
        let now = self.now;
        let soon = now + self.dice.below(60);
        let it = self.server(server);
        if it.replica.is_none() {
            return;
        }
        it.inbox.push(input);
        if !std::mem::replace(&mut it.waking, true) {
            let at = soon.max(it.paused_until);
            let boot = it.boot;
            self.schedule.at(at, Event::Wake(server, boot));
        }
    }

    fn tick(&mut self, server: usize, boot: u64) {
        if self.server(server).boot == boot && self.server(server).replica.is_some() {
            self.schedule
                .at(self.now + 10_000, Event::Tick(server, boot));
            self.give(server, Input::Tick);
        }
    }

    fn wake(&mut self, server: usize, boot: u64) -> Result<(), Violation> {
        let it = self.server(server);
        if it.boot != boot {
            return Ok(());
        }
        let until = it.paused_until;
        if until > self.now {
            self.schedule.at(until, Event::Wake(server, boot));
            return Ok(());
        }
        self.server(server).waking = false;
        self.take_inbox(server)
    }

    fn take_inbox(&mut self, server: usize) -> Result<(), Violation> {
        let inputs = std::mem::take(&mut self.server(server).inbox);
        self.batch(server, inputs)
    }

    /// One turn of a server's loop.
    fn batch(&mut self, server: usize, inputs: Vec<Input>) -> Result<(), Violation> {
        let now = self.now;
        let mut outputs = Vec::new();
        let Some(it) = self.servers.get_mut(server) else {
            return Ok(());
        };
        let clock = it.clock.read(now);
        let Some(replica) = &mut it.replica else {
            return Ok(());
        };
        for input in inputs {
            self.trace.input(now, server, &input);
            if let Input::Relay { relay, .. } = &input {
                it.heard.relay(relay, clock.monotonic.0);
            }
            if let Input::Compiled { sha256, .. } = &input {
                replica.plugins_mut().install(*sha256);
            }
            replica.handle(clock, input, &mut outputs);
        }
        replica.flush(clock, &mut outputs);
        self.after_batch(server, outputs)
    }

    /// Judges a server after a step, and carries out what it wants.
    fn after_batch(&mut self, server: usize, outputs: Vec<Output>) -> Result<(), Violation> {
        for output in &outputs {
            if let Output::Persist { write, .. } = output {
                self.judge_write(server, write)?;
            }
        }
        let Some(it) = self.servers.get(server) else {
            return Ok(());
        };
        let Some(replica) = &it.replica else {
            return Ok(());
        };
        let applied = replica.tree().applied();
        self.oracle.delivered(server, applied, replica.tree())?;
        replica.broadcast().check_invariants();
        invariants::sessions_held::check(server, replica)?;
        self.trace
            .mark(self.now, server, &(applied, replica.tree().digest()));
        self.carry_out(server, outputs)
    }

    /// Starts a server from its disk.
    fn start(&mut self, server: usize) -> Result<(), Violation> {
        let now = self.now;
        let config = self.replica_config(server);
        let it = self.server(server);
        if it.replica.is_some() {
            return Ok(());
        }
        let opened = it.storage.open().map_err(|error| {
            let what = format!("server {server} cannot start: {error}");
            Violation::new("recovery", what)
        })?;
        it.boot += 1;
        it.damaged = opened.damaged;
        it.waking = false;
        it.dies_after = None;
        let boot = it.boot;
        let clock = it.clock.read(now);
        let applied = opened.recovered.applied();
        let mut outputs = Vec::new();
        let replica = Replica::new(
            config,
            opened.recovered,
            Plugins::default(),
            clock,
            &mut outputs,
        );
        self.trace
            .say(now, server, "starts at", &(applied, opened.damaged));
        if opened.damaged {
            self.counts.damaged += 1;
        }
        let before = self.oracle.mirror(server)?.clone();
        if !opened.damaged {
            invariants::durability::of_restart(server, &before, opened.base, &opened.entries)?;
        }
        invariants::durability::of_epochs(server, &before, opened.epochs, &BTreeMap::new())?;
        self.oracle.started(
            server,
            opened.base,
            &opened.entries,
            applied,
            replica.tree(),
        )?;
        self.oracle.mirror(server)?.epochs = opened.epochs;
        self.server(server).replica = Some(replica);
        self.schedule.at(now + 1, Event::Tick(server, boot));
        self.after_batch(server, outputs)
    }

    fn replica_config(&self, server: usize) -> zareba_replica::Config {
        let of = &self.config;
        let voters = (0..of.servers).map(id_of);
        let mut zab = zareba_zab::Config::new(id_of(server), voters);
        zab.window_entries = of.window_entries;
        zab.batch_entries_max = of.batch_entries;
        zab.counter_max = of.counter_max;
        #[cfg(feature = "bugs")]
        {
            zab.bug = of.bug;
        }
        let mut config = zareba_replica::Config::new(zab);
        config.checkpoint_txns = of.checkpoint_txns;
        config.checkpoint_batch = of.checkpoint_batch;
        config.snapshot_chunk_bytes = of.snapshot_chunk_bytes;
        config.snapshot_window = of.snapshot_window;
        config.leaderless_grace_ms = 1_000;
        config.seed = of.seed;
        config
    }

    /// A server loses its power.
    fn crash(&mut self, server: usize) {
        let now = self.now;
        let Some(it) = self.servers.get_mut(server) else {
            return;
        };
        if it.replica.take().is_none() {
            return;
        }
        self.counts.crashes += 1;
        self.trace.say(now, server, "loses its power", &());
        it.inbox.clear();
        it.waking = false;
        it.boot += 1;
        it.paused_until = 0;
        it.storage.crash(&mut self.dice);
        for pair in self.network.pairs() {
            if pair.0 == server || pair.1 == server {
                self.break_link(pair, Some(server));
            }
        }
        self.drop_connections_of(server);
        let down = match self.dice.below(3) {
            0 => self.dice.below(20_000),
            1 => self.dice.below(300_000),
            _ => self.dice.below(1_500_000),
        };
        self.schedule.at(now + down, Event::Start(server));
    }

    /// Breaks a link; both ends learn of it, at different times, but for one that is dead.
    fn break_link(&mut self, pair: Pair, dead: Option<usize>) {
        let Some(passages) = self.network.break_link(pair) else {
            if let Some(dead) = dead {
                self.network.forget(pair, dead);
            }
            return;
        };
        for passage in passages {
            if dead == Some(passage.pair.ends(passage.end).0) {
                self.network.go_down(passage);
                continue;
            }
            let late = match self.dice.below(4) {
                0 => self.dice.below(600_000),
                _ => self.dice.below(5_000),
            };
            self.schedule.at(self.now + late, Event::Down(passage));
        }
    }

    fn connect(&mut self, pair: Pair) {
        let both = [pair.0, pair.1];
        let up = both.iter().all(|server| {
            self.servers
                .get(*server)
                .is_some_and(|it| it.replica.is_some())
        });
        let ups = if up {
            self.network.connect(pair, self.now, &mut self.dice)
        } else {
            None
        };
        for (passage, at) in ups.into_iter().flatten() {
            self.schedule.at(at, Event::Up(passage));
        }
        // Also the heartbeat that finds a link broken later.
        let again = self.now + self.dice.between(10_000, 60_000);
        self.schedule.at(again, Event::Connect(pair));
    }

    fn compiled(&mut self, server: usize, boot: u64, sha256: Sha256, component: &[u8]) {
        if self.server(server).boot == boot {
            let result = describe(component);
            self.give(server, Input::Compiled { sha256, result });
        }
    }

    /// A group of writes is durable.
    fn disk_done(&mut self, server: usize, boot: u64) -> Result<(), Violation> {
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
        let told = self.server(server).storage.end_group();
        let told = told.map_err(|error| {
            Violation::new(
                "durability",
                format!("server {server} cannot write: {error}"),
            )
        })?;
        self.judge_disk(server)?;
        for input in told {
            if let Input::SnapshotInstalled { base } = input {
                self.counts.snapshots += 1;
                self.oracle.swapped(server, base)?;
                self.batch(server, vec![input])?;
            } else {
                self.give(server, input);
            }
        }
        self.write_more(server);
        Ok(())
    }

    fn judge_disk(&mut self, server: usize) -> Result<(), Violation> {
        let storage = &self.server(server).storage;
        let (durable, epochs) = (storage.durable(), storage.epochs());
        let initial = self.oracle.initial.clone();
        let mirror = self.oracle.mirror(server)?;
        mirror.durable = durable;
        invariants::durability::of_epochs(server, mirror, epochs, &initial)?;
        mirror.epochs = epochs;
        Ok(())
    }

    /// Begins the next group of writes, if there is one.
    fn write_more(&mut self, server: usize) {
        let slow = if self.server(server).slow_disk_until > self.now {
            100_000
        } else {
            0
        };
        let time = 30 + self.dice.below(self.config.disk_us + slow);
        let at = self.now + time;
        let it = self.server(server);
        let boot = it.boot;
        if it.storage.begin_group() {
            self.schedule.at(at, Event::Disk(server, boot));
        }
    }

    fn push_job(&mut self, server: usize, job: Job) {
        self.server(server).storage.push(job);
        self.write_more(server);
    }

    fn committed(&self) -> Zxid {
        self.oracle.committed()
    }
}

/// The server at a place.
fn id_of(server: usize) -> ServerId {
    ServerId(server as u64 + 1)
}

/// The inverse of [`id_of`].
fn place_of(server: ServerId) -> usize {
    (server.0 as usize).saturating_sub(1)
}

/// Fails unless the state is one that a run may end in.
fn same<T: PartialEq>(mut of: impl Iterator<Item = T>) -> bool {
    let first = of.next();
    of.all(|it| Some(it) == first)
}
