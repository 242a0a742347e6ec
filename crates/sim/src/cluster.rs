//! The event loop: servers, links, disks and clients in simulated time.
//!
//! Every step of a server is a batch of inputs, as its real loop takes them. `carry` carries out
//! what a server wants, `writing` is its disk, `power` starts and stops it, `connections` are the
//! clients', `faults` are what strikes.

mod calm;
mod carry;
mod connections;
mod ending;
mod faults;
mod membership;
mod power;
mod writing;

use std::collections::BTreeMap;
use std::rc::Rc;

use zareba_model::{ServerId, Sha256, Zxid};
use zareba_replica::{ConnectionId, Input, Output};
use zareba_wire::{ClientMessage, ServerMessage};
use zareba_zab::Role;

use self::connections::Connection;
use crate::client::Client;
use crate::dice::Dice;
use crate::fault::Fault;
use crate::identity;
use crate::invariants;
use crate::invariants::caps::Streams;
use crate::invariants::election_in_time::Election;
use crate::invariants::expiry;
use crate::lock_plugin::describe;
use crate::marks::Mark;
use crate::network::{Arrival, Network, News, Pair, Passage};
use crate::oracle::Oracle;
use crate::recipe::{Court, Guest, Recipe};
use crate::report::Counts;
use crate::schedule::Schedule;
use crate::seed::Config;
use crate::server::{Clock, Server};
use crate::trace::Trace;
use crate::violation::Violation;
use crate::workload::{Plan, Style};

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
    /// A message, and what its server remembered from on when it said so.
    ToClient(ConnectionId, Box<ServerMessage>, Zxid),
    ServerLeft(ConnectionId),
    ClientLeft(ConnectionId),
    DiskHasRoom(usize),
    Strike(Fault),
    /// A link that flaps breaks once more.
    BreakAgain(Pair),
    /// A link ends if its ends are no peers any more.
    Part(Pair),
    Heal,
    Inspect,
}

/// A server whose clock was not looked at for so long stood still: it ticks much more often.
const STALL_US: u64 = 200_000;

/// A whole run.
pub(crate) struct Cluster {
    /// Until when faults strike a link, or since when it stands.
    troubled: BTreeMap<Pair, u64>,
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
    /// What the servers run in place of the sample plugin.
    guest: Option<Rc<dyn Guest>>,
    streams: Streams,
    election: Election,
    /// Faults are over and clients wind up.
    healed: bool,
    done: bool,
    pub(crate) trace: Trace,
    pub(crate) counts: Counts,
}

impl Cluster {
    pub(crate) fn new(config: Config, tracing: bool, recipe: Option<Recipe>) -> Self {
        let mut dice = Dice::new(config.seed);
        let mut schedule = Schedule::new();
        let founding = config.founding();
        let servers = (0..config.places()).map(|server| {
            let founds = server < config.founders();
            if founds {
                schedule.at(dice.below(5_000), Event::Start(server));
            }
            let clock = Clock {
                rate_ppm: dice.between(900_000, 1_100_000),
                wall_offset_ms: dice.below(2_000) as i64,
                missed: 0,
                shown: 0,
            };
            Server {
                bootstrap: founds.then(|| founding.clone()),
                founds,
                ..Server::new(config.segment_bytes, clock, config.planted())
            }
        });
        let servers = servers.collect();
        let clients = (0..config.clients).map(|client| {
            schedule.at(dice.below(300_000), Event::Client(client));
            client_of(client, &config, &mut dice)
        });
        let clients = clients.collect();
        let network = Network::new(config.places(), config.delay_us);
        for pair in network.pairs() {
            schedule.at(5_000 + dice.below(20_000), Event::Connect(pair));
        }
        schedule.at(config.run_us, Event::Heal);
        let mut cluster = Self {
            troubled: BTreeMap::new(),
            guest: recipe.as_ref().map(|recipe| Rc::clone(&recipe.guest)),
            oracle: Oracle::new(
                config.places(),
                founding,
                recipe.map(|recipe| Court::new(recipe.judge, config.seed)),
            ),
            streams: Streams::default(),
            election: Election::default(),
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
        Ok(())
    }

    /// What happened, however it ended.
    pub(crate) fn take_counts(&mut self) -> Counts {
        let mut counts = std::mem::take(&mut self.counts);
        counts.runs = 1;
        counts.steps = self.trace.steps;
        counts.txns = self.oracle.history.len() as u64;
        counts.answers = self.clients.iter().map(|it| it.answered).sum();
        counts.take_marks(self.oracle.marks.counts());
        counts
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
                let news = self.network.come_up(passage);
                self.trouble(passage.pair, self.now);
                if news == News::Replaced {
                    self.oracle.marks.reach(Mark::Replaced);
                    self.give(server, Input::PeerDown(id_of(peer)));
                }
                if news != News::Nothing {
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
                let arrival = self.network.arrive(passage);
                let marks = &self.oracle.marks;
                marks.reach_if(arrival == Arrival::Zombie, Mark::Zombie);
                marks.reach_if(arrival == Arrival::Drained, Mark::Drained);
                if matches!(arrival, Arrival::Good | Arrival::Drained) {
                    self.give(passage.pair.ends(passage.end).0, *input);
                }
            }
            Event::Client(client) => self.client_wakes(client),
            Event::ToServer(connection, message) => self.client_says(connection, *message),
            Event::ToClient(connection, message, remembers) => {
                self.client_hears(connection, *message, remembers)?;
            }
            Event::ServerLeft(connection) => self.server_left(connection),
            Event::ClientLeft(connection) => self.client_left(connection),
            Event::DiskHasRoom(server) => self.disk_has_room(server),
            Event::Strike(fault) => self.strike(fault),
            Event::BreakAgain(pair) => self.break_again(pair),
            Event::Part(pair) => self.part(pair),
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
            let next = self.now + self.config.tick_us;
            self.schedule.at(next, Event::Tick(server, boot));
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
        let seen = it.clock.shown;
        let clock = it.clock.read(now);
        let stood_still = clock.monotonic.0.saturating_sub(seen);
        if stood_still > STALL_US {
            it.heard.stood_still(stood_still - STALL_US / 10);
        }
        let Some(replica) = &mut it.replica else {
            return Ok(());
        };
        let before = replica.broadcast().role();
        let mut heard = Vec::new();
        for input in inputs {
            self.trace.input(now, server, &input);
            if let Input::Relay { relay, .. } = &input {
                heard.extend_from_slice(expiry::spoken_of(relay));
            }
            if let Input::Compiled { sha256, .. } = &input {
                replica.plugins_mut().install(*sha256);
            }
            replica.handle(clock, input, &mut outputs);
        }
        replica.flush(clock, &mut outputs);
        let after = replica.broadcast().role();
        if let Role::Leading { epoch } = before
            && after != before
        {
            self.judge_resignation(server, epoch)?;
        }
        self.after_batch(server, outputs)?;
        self.server(server).heard.hear(heard, clock.monotonic.0);
        Ok(())
    }

    /// Judges a server after a step, and carries out what it wants.
    fn after_batch(&mut self, server: usize, outputs: Vec<Output>) -> Result<(), Violation> {
        for output in &outputs {
            self.judge_output(server, output)?;
        }
        let before = self.oracle.mirror(server)?.applied;
        let Some(it) = self.servers.get(server) else {
            return Ok(());
        };
        let Some(replica) = &it.replica else {
            return Ok(());
        };
        let applied = replica.tree().applied();
        let broadcast = replica.broadcast();
        let state = (applied, broadcast.epoch());
        let version = self.oracle.ensemble.version;
        self.oracle.delivered(server, state, replica.tree())?;
        self.judge_warnings(server, (before, applied), &outputs)?;
        self.judge_expiries()?;
        if self.oracle.ensemble.version > version {
            self.welcome_members();
        }
        let Some(it) = self.servers.get_mut(server) else {
            return Ok(());
        };
        let Some(replica) = &it.replica else {
            return Ok(());
        };
        it.remembers = it.remembers.max(replica.tree().consistent_at());
        let broadcast = replica.broadcast();
        broadcast.check_invariants();
        if let Role::Leading { epoch } = broadcast.role() {
            self.oracle.leads(server, epoch, broadcast.committed())?;
        }
        invariants::watch_owners::check(server, replica)?;
        let (image_writes, window) = (it.storage.image_writes(), self.config.snapshot_window);
        invariants::caps::of_server(server, replica, image_writes, window)?;
        self.trace
            .mark(self.now, server, &(applied, replica.tree().digest()));
        self.carry_out(server, outputs)
    }

    fn judge_expiries(&mut self) -> Result<(), Violation> {
        for (session, timeout_ms) in self.oracle.take_expired() {
            for client in &self.clients {
                client.session_expires(session, timeout_ms, self.now)?;
            }
        }
        Ok(())
    }

    /// Breaks a link; both ends learn of it, at different times, but for one that is dead.
    fn break_link(&mut self, pair: Pair, dead: Option<usize>) {
        let passages = self.network.break_link(pair, &mut self.dice);
        if let Some(dead) = dead {
            self.network.forget(pair, dead);
        }
        for passage in passages.into_iter().flatten() {
            if dead == Some(passage.pair.ends(passage.end).0) {
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
        let ups = if up && self.are_peers(pair) {
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
            let result = describe(component, self.guest.as_deref());
            self.give(server, Input::Compiled { sha256, result });
        }
    }

    fn committed(&self) -> Zxid {
        self.oracle.committed()
    }
}

fn client_of(client: usize, config: &Config, dice: &mut Dice) -> Client {
    let plan = Plan {
        calls_percent: config.calls_percent,
        reads_percent: config.reads_percent,
        deploys: client == 0 && config.calls_percent > 0,
        changes_percent: if client == 1 {
            config.changes_percent
        } else {
            0
        },
        places: config.places(),
        style: style_of(client, dice),
    };
    let timeout_ms = dice.between(1_000, 2_500) as u32;
    let claims = match client {
        0 => vec![identity::claim("ann", true)],
        _ => Vec::new(),
    };
    Client::new(client, plan, claims, (config.in_flight, timeout_ms))
}

/// Who deploys and who changes the ensemble needs a session of it; the others may read first.
fn style_of(client: usize, dice: &mut Dice) -> Style {
    if client < 2 || dice.percent(40) {
        return Style::Full;
    }
    Style::Local {
        read_only: dice.percent(50),
        upgrades: dice.percent(60),
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
