//! Servers, disks and links in one thread. Time passes in steps of a millisecond.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use zareba_model::{Entry, ServerId, Zxid};
use zareba_zab::{Config, Input, LogRead, Message, Now, Output, Role, Zab};

use crate::disk::Disk;
use crate::membership::decode;
use crate::network::{Network, News};
use crate::oracle::Oracle;
use crate::rng::Rng;

/// No entry of a run is larger, with what it costs beside its payload.
const ENTRY_BYTES_MAX: usize = 300;

/// How rough the world is.
#[derive(Clone, Debug)]
pub struct Weather {
    pub delay_max: u64,
    pub fsync_max: u64,
    pub snapshot_max: u64,
    pub read_max: u64,
    /// The log is purged, or a snapshot is cheaper, once in so many reads; 0 is never.
    pub gone_one_in: u64,
    /// A server dies in the middle of its outputs, once in so many outputs; 0 is never.
    pub crash_one_in: u64,
}

impl Weather {
    pub const FAIR: Self = Self {
        delay_max: 1,
        fsync_max: 1,
        snapshot_max: 5,
        read_max: 1,
        gone_one_in: 0,
        crash_one_in: 0,
    };
}

#[derive(Default)]
pub struct Node {
    pub zab: Option<Zab>,
    pub disk: Disk,
    /// How many transactions it has delivered.
    pub delivered: usize,
    pub paused_until: u64,
    /// Snapshot streams it sends: to whom, from where.
    outgoing: BTreeMap<ServerId, Zxid>,
    /// The one it takes: from whom, base, when it is complete.
    incoming: Option<(ServerId, Zxid, u64)>,
    /// Its log is being read: until when, for whom, behind what, up to what, how many bytes.
    reads: VecDeque<(u64, ServerId, Zxid, Zxid, usize)>,
}

pub struct Cluster {
    pub nodes: BTreeMap<ServerId, Node>,
    /// The highest number ever given.
    newest: ServerId,
    pub network: Network,
    pub oracle: Oracle,
    pub rng: Rng,
    pub now: u64,
    pub weather: Weather,
    config: Config,
    /// What happened, for scripts and for people.
    pub trace: Vec<String>,
    pub tracing: bool,
    /// How often each kind of message was sent.
    pub seen: BTreeMap<String, u64>,
}

impl Cluster {
    /// The members of the ensemble.
    pub fn new(config: Config, seed: u64) -> Self {
        let members = config.ensemble.members.keys().copied().collect();
        Self::with_spares(config, members, seed)
    }

    /// Servers, some of which may become members later.
    pub fn with_spares(mut config: Config, servers: Vec<ServerId>, seed: u64) -> Self {
        config.ensemble_in = decode;
        let nodes = servers.into_iter().map(|id| (id, Node::default()));
        let nodes: BTreeMap<ServerId, Node> = nodes.collect();
        let newest = *nodes.keys().next_back().expect("a server");
        Self {
            nodes,
            newest,
            network: Network::default(),
            oracle: Oracle::new(config.ensemble.clone()),
            rng: Rng::new(seed),
            now: 0,
            weather: Weather::FAIR,
            config,
            trace: Vec::new(),
            tracing: false,
            seen: BTreeMap::new(),
        }
    }

    /// A server is gone for ever; an empty one with a new number is there instead.
    pub fn replace_by_new(&mut self, id: ServerId) {
        self.nodes.remove(&id);
        self.newest = ServerId(self.newest.0 + 1);
        self.nodes.insert(self.newest, Node::default());
    }

    pub fn ids(&self) -> Vec<ServerId> {
        self.nodes.keys().copied().collect()
    }

    pub fn node(&self, id: ServerId) -> &Node {
        &self.nodes[&id]
    }

    pub fn node_mut(&mut self, id: ServerId) -> &mut Node {
        self.nodes.get_mut(&id).expect("a server of the ensemble")
    }

    pub fn is_up(&self, id: ServerId) -> bool {
        self.node(id).zab.is_some()
    }

    /// The established leader of the newest epoch.
    pub fn leader(&self) -> Option<ServerId> {
        let leading = self.nodes.iter().filter_map(|(id, node)| {
            let zab = node.zab.as_ref()?;
            match zab.role() {
                Role::Leading { epoch } => Some((epoch, *id)),
                _ => None,
            }
        });
        leading.max().map(|(_, id)| id)
    }

    pub fn start(&mut self, id: ServerId) {
        let mut config = self.config.clone();
        config.me = id;
        let now = Now(self.now * 1000);
        let mut recovered = self.nodes[&id].disk.recover(&mut self.rng);
        self.log(|| {
            let (applied, last) = (recovered.applied, recovered.tail.last());
            let last = last.map_or(recovered.tail_base, |entry| entry.zxid);
            format!("{id} starts, applied {applied}, log ends {last}")
        });
        let image = self.node(id).disk.image.clone();
        self.node_mut(id).delivered = self.oracle.place(image.base);
        for entry in image.log.iter().filter(|e| e.zxid <= recovered.applied) {
            self.deliver(id, entry);
        }
        let applied = self.node(id).delivered;
        recovered.ensemble = Some(self.oracle.ensemble_at(applied).clone());
        let node = self.node_mut(id);
        node.paused_until = 0;
        node.zab = Some(Zab::new(config, recovered, now));
        for other in self.ids() {
            if other != id && self.is_up(other) {
                self.network.connect(id, other);
            }
        }
    }

    pub fn crash(&mut self, id: ServerId) {
        self.log(|| format!("{id} crashes"));
        let mut rng = self.rng.clone();
        let node = self.node_mut(id);
        node.zab = None;
        node.disk.crash(&mut rng);
        node.outgoing.clear();
        node.incoming = None;
        node.reads.clear();
        self.rng = rng;
        for other in self.ids() {
            self.network.cut(id, other);
        }
        self.network.forget(id);
    }

    /// One millisecond.
    pub fn step(&mut self) {
        self.now += 1;
        for id in self.ids() {
            if !self.is_up(id) || self.node(id).paused_until > self.now {
                continue;
            }
            self.hear_of_links(id);
            self.hear_of_disk(id);
            self.hear_of_snapshot(id);
            self.hear_of_reads(id);
            self.hear_of_peers(id);
            self.input(id, Input::Tick);
            self.flush(id);
        }
    }

    pub fn propose(&mut self, id: ServerId, payload: String) {
        let Some(zab) = self.node_mut(id).zab.as_mut() else {
            return;
        };
        let payload = Bytes::from(payload);
        let expected = zab.next_zxid();
        let zxid = zab.propose(payload.clone()).ok();
        assert_eq!(expected, zxid);
        if let Some(zxid) = zxid {
            self.oracle.on_proposed(zxid, payload);
        }
    }

    pub fn flush(&mut self, id: ServerId) {
        let mut outputs = Vec::new();
        let now = Now(self.now * 1000);
        if let Some(zab) = self.node_mut(id).zab.as_mut() {
            zab.flush(now, &mut outputs);
            zab.check_invariants();
        }
        self.carry_out(id, outputs);
    }

    pub fn input(&mut self, id: ServerId, input: Input) {
        let mut outputs = Vec::new();
        let now = Now(self.now * 1000);
        if let Some(zab) = self.node_mut(id).zab.as_mut() {
            zab.handle(now, input, &mut outputs);
            zab.check_invariants();
        }
        self.carry_out(id, outputs);
    }

    pub fn log(&mut self, words: impl FnOnce() -> String) {
        if self.tracing {
            let line = words();
            if std::env::var_os("ZAB_TRACE").is_some() {
                println!("{:5} {line}", self.now);
            }
            self.trace.push(line);
        }
    }

    fn hear_of_links(&mut self, id: ServerId) {
        for other in self.ids() {
            if other == id {
                continue;
            }
            for news in self.network.look(id, other, self.now, &mut self.rng) {
                self.input(
                    id,
                    match news {
                        News::Up => Input::PeerUp(other),
                        News::Down => Input::PeerDown(other),
                    },
                );
            }
        }
    }

    fn hear_of_disk(&mut self, id: ServerId) {
        let now = self.now;
        if let Some(token) = self.node_mut(id).disk.complete(now) {
            self.input(id, Input::Persisted(token));
        }
    }

    fn hear_of_snapshot(&mut self, id: ServerId) {
        let Some((from, base, at)) = self.node(id).incoming else {
            return;
        };
        let sender = self.nodes.get(&from);
        let sends = sender.is_some_and(|it| it.outgoing.get(&id) == Some(&base));
        if at > self.now || !sends || !self.network.stands(id, from) {
            return;
        }
        self.log(|| format!("{id} installs snapshot {base}"));
        self.node_mut(from).outgoing.remove(&id);
        if let Some(token) = self.node_mut(id).disk.complete(u64::MAX) {
            self.input(id, Input::Persisted(token));
        }
        // The stream was fuzzy: it holds the ensemble of its end.
        let end = self.node(from).delivered;
        let ensemble = Some(self.oracle.ensemble_at(end).clone());
        let delivered = self.oracle.place(base);
        let node = self.node_mut(id);
        node.incoming = None;
        node.disk.install(base);
        node.delivered = delivered;
        self.input(id, Input::SnapshotInstalled { base, ensemble });
    }

    fn hear_of_reads(&mut self, id: ServerId) {
        let now = self.now;
        let is_due = |read: &mut (u64, ServerId, Zxid, Zxid, usize)| read.0 <= now;
        while let Some(read) = self.node_mut(id).reads.pop_front_if(is_due) {
            let (_, to, after, upto, bytes_max) = read;
            let gone = self.weather.gone_one_in;
            let result = if gone > 0 && self.rng.one_in(gone) {
                LogRead::Gone
            } else {
                self.node(id).disk.image.read(after, upto, bytes_max)
            };
            *self.seen.entry("log-read".to_owned()).or_default() += 1;
            self.log(|| {
                format!(
                    "{id} reads for {to}: {}",
                    crate::words::of_log_read(&result)
                )
            });
            let answer = Input::LogRead { to, after, result };
            self.input(id, answer);
        }
    }

    /// What the leader has sent to a follower and not seen acked is bounded, hence what is on its way.
    fn check_bytes_under_way(&self, from: ServerId, to: ServerId) {
        let config = &self.config;
        let bytes = self.network.entry_bytes(from, to);
        let bound = config.feed_bytes_max + config.batch_bytes_max.max(ENTRY_BYTES_MAX);
        assert!(
            bytes <= bound,
            "{bytes} bytes of entries from {from} to {to}, {bound} at most"
        );
    }

    fn hear_of_peers(&mut self, id: ServerId) {
        for from in self.ids() {
            // A few at a time, so that batches differ.
            for _ in 0..20 {
                let Some(message) = self.network.receive(from, id, self.now) else {
                    break;
                };
                self.input(id, Input::Received { from, message });
            }
        }
    }

    fn carry_out(&mut self, id: ServerId, outputs: Vec<Output>) {
        for output in outputs {
            if !self.is_up(id) {
                return;
            }
            self.carry_out_one(id, output);
            let risk = self.weather.crash_one_in;
            if risk > 0 && self.rng.one_in(risk) {
                self.crash(id);
            }
        }
    }

    fn carry_out_one(&mut self, id: ServerId, output: Output) {
        match output {
            Output::Send { to, message } => {
                let image = &self.nodes[&id].disk.image;
                self.oracle.on_sent(id, &message, image);
                self.log_sent(id, &to, &message);
                for to in to {
                    let at = self.now + 1 + self.rng.below(self.weather.delay_max);
                    self.network.send(id, to, at, message.clone());
                    if let Message::Propose { .. } | Message::Inform { .. } = &message {
                        self.check_bytes_under_way(id, to);
                    }
                }
            }
            Output::Persist { token, write } => {
                self.log(|| format!("{id} writes {}", crate::words::of_write(&write)));
                let at = self.now + self.rng.below(self.weather.fsync_max + 1);
                let disk = &mut self.node_mut(id).disk;
                let at = disk.pending.back().map_or(at, |last| last.0.max(at));
                disk.pending.push_back((at, token, write));
            }
            Output::Deliver(entry) => self.deliver(id, &entry),
            Output::Role(role) => {
                self.log(|| format!("{id} is {}", crate::words::of_role(role)));
                let node = self.node_mut(id);
                let delivered = node.delivered;
                match role {
                    Role::Leading { epoch } => self.oracle.on_leading(id, epoch, delivered),
                    Role::Following { .. } => node.disk.image.damaged = false,
                    Role::Looking => {}
                }
            }
            Output::Ensemble(ensemble) => {
                self.log(|| {
                    format!(
                        "{id} is in ensemble {}",
                        crate::membership::encode(&ensemble)
                    )
                });
            }
            Output::ReadLog {
                to,
                after,
                upto,
                bytes_max,
            } => {
                let at = self.now + 1 + self.rng.below(self.weather.read_max);
                let reads = &mut self.node_mut(id).reads;
                let at = reads.back().map_or(at, |last| last.0.max(at));
                reads.push_back((at, to, after, upto, bytes_max));
            }
            Output::SendSnapshot { to, base } => {
                self.log(|| format!("{id} streams snapshot {base} to {to}"));
                assert_eq!(self.oracle.place(base), self.node(id).delivered);
                self.node_mut(id).outgoing.insert(to, base);
            }
            Output::ReceiveSnapshot { from, base } => {
                let at = self.now + 1 + self.rng.below(self.weather.snapshot_max);
                self.node_mut(id).incoming = Some((from, base, at));
            }
            Output::AbandonSnapshot { peer } => {
                self.log(|| format!("{id} abandons the snapshot with {peer}"));
                let node = self.node_mut(id);
                node.outgoing.remove(&peer);
                if node.incoming.is_some_and(|(from, ..)| from == peer) {
                    node.incoming = None;
                }
            }
        }
    }

    fn deliver(&mut self, id: ServerId, entry: &Entry) {
        self.log(|| format!("{id} delivers {}", crate::words::of_entry(entry)));
        let place = self.nodes[&id].delivered;
        let images = self.nodes.iter().map(|(id, node)| (*id, &node.disk.image));
        self.oracle
            .on_delivered(id, place, entry, &images.collect());
        self.node_mut(id).delivered += 1;
    }

    fn log_sent(&mut self, id: ServerId, to: &[ServerId], message: &zareba_zab::Message) {
        if let Some(words) = crate::words::of_message(message) {
            let kind = words.split(' ').next().unwrap_or_default();
            *self.seen.entry(kind.to_owned()).or_default() += 1;
            let to: Vec<String> = to.iter().map(ToString::to_string).collect();
            self.log(|| format!("{id} -> {}: {words}", to.join(",")));
        }
    }
}
