//! The hallway: inputs come in, walk through the stages, and leave as outputs.
//!
//! Only this file and its parts know the stages; they stand below in the order in which a request
//! meets them.

mod apply;
mod components;
mod confirm;
mod duties;
mod entrance;
mod leading;
mod membership;
mod plugin_reads;
mod read;
mod reply;
mod route;
mod streams;

use std::collections::{BTreeMap, BTreeSet};

use zareba_model::{
    Epoch, ErrorCode, Fault, PluginDescription, Refused, Relay, ServerId, ServerStatus, SessionId,
    Sha256, Zxid,
};
use zareba_tree::Tree;
use zareba_wire::ServerMessage;
use zareba_zab::{Output as ZabOutput, Role, Zab};

use self::leading::Leading;
use self::membership::Newcomer;
use self::streams::ImageWrites;
use crate::bug::Bug;
use crate::checkpoint::Checkpoint;
use crate::config::Config;
use crate::confirming::Confirming;
use crate::entering::Entering;
use crate::event_history::EventHistory;
use crate::guest_call::StandIn;
use crate::held::HeldSessions;
use crate::input::{ConnectionId, Input, Now};
use crate::output::Output;
use crate::plugin::PluginRuntime;
use crate::plugin_seen::PluginSeen;
use crate::recovery::Recovered;
use crate::renewing::Renewing;
use crate::transfer::{Incoming, Outgoing};
use crate::watch::WatchTable;
use crate::world::World;

/// One server's brain.
pub struct Replica<P> {
    config: Config,
    me: ServerId,
    now: Now,
    zab: Zab,
    zab_outputs: Vec<ZabOutput>,
    /// Inputs that came while a snapshot was being made durable.
    zab_waiting: Vec<zareba_zab::Input>,
    role: Role,
    /// What this server is once its tree is whole: one that a snapshot left has effects of
    /// transactions that are still to be applied.
    role_to_come: Option<Role>,
    /// Since when there is no leader; `None` while there is one.
    leaderless_since: Option<zareba_zab::Now>,
    world: Box<World>,
    stand_in: StandIn,
    plugins: P,
    compiled: BTreeMap<Sha256, Result<PluginDescription, String>>,
    /// Components handed to the compiler.
    compiling: BTreeSet<Sha256>,
    held: HeldSessions,
    entering: Entering,
    watches: WatchTable,
    history: EventHistory,
    /// Sessions of this server's own that it ever had.
    local_sessions: u64,
    /// What clients are told once the transaction it may rest on is applied here.
    deferred: BTreeMap<Zxid, Vec<Deferred>>,
    touched: BTreeSet<SessionId>,
    touch_due: zareba_zab::Now,
    leading: Option<Leading>,
    checkpoint: Checkpoint,
    image_writes: ImageWrites,
    outgoing: Outgoing,
    incoming: Option<Incoming>,
    /// A snapshot's tree, until its image is durable.
    arrived: Option<(Zxid, Tree)>,
    seen: PluginSeen,
    confirming: Confirming,
    renewing: Renewing,
    /// Members as of the tree, to tell who is none any more.
    members: BTreeSet<ServerId>,
    /// Another server says that this one is no member any more.
    was_removed: bool,
    /// When a server that is no member any more stops.
    leaves_at: Option<zareba_zab::Now>,
    /// New servers that wait for their numbers, by this server's own number for each.
    newcomers: BTreeMap<u64, Newcomer>,
    last_newcomer: u64,
}

/// Something that is told later.
#[derive(Debug)]
enum Deferred {
    /// A request that becomes no transaction.
    Refused(Refused),
    /// A client that is not let in.
    NotAdmitted(u64, Fault),
    /// The leader's answer to a question.
    Confirmed(u64),
    /// The leader has heard of clients, by the number of that question.
    Touched(u64),
    /// A new server's number, or why it gets none.
    Joined(u64, Result<ServerId, Fault>),
}

impl<P: PluginRuntime> Replica<P> {
    /// Starts a server from what its disk held.
    pub fn new(
        mut config: Config,
        recovered: Recovered,
        plugins: P,
        now: Now,
        outputs: &mut Vec<Output>,
    ) -> Self {
        config.zab.ensemble_in = zareba_wire::ensemble_in;
        let zab = Zab::new(config.zab.clone(), recovered.zab, now.monotonic);
        let mut world = Box::<World>::default();
        world.tree = recovered.tree;
        world.planted = config.planted();
        let members = membership::members_of(&world.tree);
        let mut watches = WatchTable::default();
        watches.hears_neighbours = config.has_bug(Bug::RecursiveHearsNeighbours);
        let mut replica = Self {
            me: config.zab.me,
            config,
            now,
            zab,
            zab_outputs: Vec::new(),
            zab_waiting: Vec::new(),
            role: Role::Looking,
            role_to_come: None,
            leaderless_since: Some(now.monotonic),
            world,
            stand_in: None,
            plugins,
            compiled: BTreeMap::new(),
            compiling: BTreeSet::new(),
            held: HeldSessions::default(),
            entering: Entering::default(),
            watches,
            history: recovered.history,
            local_sessions: 0,
            deferred: BTreeMap::new(),
            touched: BTreeSet::new(),
            touch_due: now.monotonic,
            leading: None,
            checkpoint: Checkpoint::default(),
            image_writes: ImageWrites::default(),
            outgoing: Outgoing::default(),
            incoming: None,
            arrived: None,
            seen: PluginSeen::default(),
            confirming: Confirming::default(),
            renewing: Renewing::default(),
            members,
            was_removed: false,
            leaves_at: None,
            newcomers: BTreeMap::new(),
            last_newcomer: 0,
        };
        outputs.push(Output::Ensemble(replica.linked()));
        replica.compile_new(outputs);
        replica.handle(now, Input::Tick, outputs);
        replica
    }

    /// One thing happened. Outputs are appended, in order.
    pub fn handle(&mut self, now: Now, input: Input, outputs: &mut Vec<Output>) {
        self.now = self.config.clock(now);
        match input {
            Input::Tick => self.on_tick(outputs),
            Input::Hello {
                connection,
                hello,
                random,
                principals,
            } => {
                self.on_hello(connection, hello, random, principals, outputs);
            }
            Input::Request {
                connection,
                xid,
                acked,
                op,
            } => {
                self.on_request(connection, xid, acked, op, outputs);
            }
            Input::Identified {
                connection,
                xid,
                acked,
                result,
            } => {
                self.on_identified(connection, xid, acked, result, outputs);
            }
            Input::Ping { connection } => self.on_ping(connection, outputs),
            Input::Status { connection } => self.on_status(connection, outputs),
            Input::Join {
                connection,
                request,
            } => self.on_join(connection, request, outputs),
            Input::Disconnected { connection } => self.on_disconnected(connection),
            Input::PeerUp(peer) => self.zab(zareba_zab::Input::PeerUp(peer)),
            Input::PeerDown(peer) => {
                self.zab(zareba_zab::Input::PeerDown(peer));
                self.on_peer_down(peer);
            }
            Input::Zab { from, message } => {
                if matches!(message, zareba_zab::Message::FollowerInfo { .. }) {
                    self.forget_words_to(from);
                }
                self.zab(zareba_zab::Input::Received { from, message });
            }
            Input::Relay { from, relay } => self.on_relay(from, relay, outputs),
            Input::Persisted(token) => self.zab(zareba_zab::Input::Persisted(token)),
            Input::LogRead { to, after, result } => {
                self.zab(zareba_zab::Input::LogRead { to, after, result });
            }
            Input::ImageWritten => self.on_image_written(outputs),
            Input::SnapshotInstalled { base } => self.on_snapshot_installed(base, outputs),
            Input::Compiled { sha256, result } => self.on_compiled(sha256, result, outputs),
        }
        self.drain_zab(outputs);
    }

    /// Closes the batch: proposals leave, streams move on. Called after each batch of inputs.
    pub fn flush(&mut self, now: Now, outputs: &mut Vec<Output>) {
        self.now = self.config.clock(now);
        self.prepare_waiting(outputs);
        self.tend_ensemble();
        self.ask_for_confirmation(outputs);
        if self.arrived.is_none() {
            self.zab.flush(now.monotonic, &mut self.zab_outputs);
            self.drain_zab(outputs);
        }
        self.say_confirmed(outputs);
        self.move_streams(outputs);
        outputs.extend(
            self.seen
                .take_fresh()
                .into_iter()
                .map(|(mount, level, message)| Output::PluginLog {
                    mount,
                    level,
                    message,
                }),
        );
    }

    /// The runtime of guests, for installing what was compiled.
    pub fn plugins_mut(&mut self) -> &mut P {
        &mut self.plugins
    }

    /// The replicated state, for reading.
    pub fn tree(&self) -> &Tree {
        &self.world.tree
    }

    /// The broadcast's state, for reading.
    pub fn broadcast(&self) -> &Zab {
        &self.zab
    }

    /// What this server is.
    pub fn role(&self) -> Role {
        self.role
    }

    /// Sessions held here, for invariant checks.
    pub fn held_sessions(&self) -> impl Iterator<Item = SessionId> {
        self.held.iter().map(|held| held.session)
    }

    /// Sessions with watches here, for invariant checks.
    pub fn watching_sessions(&self) -> impl Iterator<Item = SessionId> {
        self.watches.sessions()
    }

    /// This server as it sees itself; the shell adds what it alone knows of the process.
    pub fn status(&self) -> ServerStatus {
        let (role, leader) = match self.role {
            Role::Looking => ("looking", None),
            Role::Following { leader, .. } => ("following", Some(leader)),
            Role::Leading { .. } => ("leading", Some(self.me)),
        };
        let tree = &self.world.tree;
        ServerStatus {
            server: self.me,
            role: role.to_owned(),
            leader,
            epoch: self.epoch(),
            applied: tree.applied(),
            digest: tree.digest(),
            znodes: tree.node_count() as u64,
            sessions: tree.session_count() as u64,
            connections: self.held.len() as u64,
            outstanding: self.zab.outstanding() as u64,
            process: 0,
            cpu_us: 0,
            may_vote: self.zab.may_vote(),
            ensemble: self.zab.ensemble().clone(),
        }
    }

    fn epoch(&self) -> Epoch {
        match self.role {
            Role::Looking => self.zab.epoch(),
            Role::Following { epoch, .. } | Role::Leading { epoch } => epoch,
        }
    }

    /// True if reads may be answered here: there is an established leader, and this server has
    /// what it had when it was established.
    fn is_serving(&self) -> bool {
        self.role != Role::Looking
    }

    /// True if reads may be answered here to those who take what is old: the tree is whole, and no
    /// other is on its way.
    fn can_read_alone(&self) -> bool {
        self.world.tree.is_consistent() && self.incoming.is_none() && self.arrived.is_none()
    }

    fn zab(&mut self, input: zareba_zab::Input) {
        // From the order to flip to a snapshot until it is done, disk and broadcast would disagree
        // about the log: the flip cannot be taken back, so everything else waits for it.
        if self.arrived.is_some() {
            return self.zab_waiting.push(input);
        }
        self.zab
            .handle(self.now.monotonic, input, &mut self.zab_outputs);
    }

    fn drain_zab(&mut self, outputs: &mut Vec<Output>) {
        while !self.zab_outputs.is_empty() {
            for output in std::mem::take(&mut self.zab_outputs) {
                match output {
                    ZabOutput::Send { to, message } => {
                        outputs.push(Output::SendZab { to, message });
                    }
                    ZabOutput::Persist { token, write } => {
                        outputs.push(Output::Persist { token, write });
                    }
                    ZabOutput::Deliver(entry) => self.deliver(&entry, outputs),
                    ZabOutput::Role(role) => self.on_role(role, outputs),
                    ZabOutput::Ensemble(_) => outputs.push(Output::Ensemble(self.linked())),
                    ZabOutput::SendSnapshot { to, base } => {
                        assert_eq!(base, self.world.tree.applied(), "streams start at the tree");
                        self.outgoing.start(to, base);
                    }
                    ZabOutput::ReceiveSnapshot { from, base } => {
                        self.receive_snapshot(from, base, outputs);
                    }
                    ZabOutput::AbandonSnapshot { peer } => self.abandon_snapshot(peer, outputs),
                    ZabOutput::ReadLog {
                        to,
                        after,
                        upto,
                        bytes_max,
                    } => {
                        outputs.push(Output::ReadLog {
                            to,
                            after,
                            upto,
                            bytes_max,
                            worth_max: self.worth_of_reading(to, after),
                        });
                    }
                }
            }
        }
    }

    fn on_tick(&mut self, outputs: &mut Vec<Output>) {
        self.zab(zareba_zab::Input::Tick);
        self.drain_zab(outputs);
        self.send_touches(outputs);
        self.lead_by_the_clock(outputs);
        self.leave_if_removed(outputs);
        let grace = self.config.leaderless_grace_ms;
        if self
            .leaderless_since
            .is_some_and(|since| since.after_ms(grace) <= self.now.monotonic)
        {
            self.dismiss("this server has no leader; try another", true, outputs);
        }
    }

    /// A client was heard of. Its session's leader wants to know; a session of this server's own has
    /// none.
    fn touch(&mut self, session: SessionId) {
        if !session.is_local() {
            self.touched.insert(session);
        }
    }

    fn on_role(&mut self, role: Role, outputs: &mut Vec<Output>) {
        self.role_to_come = None;
        if role != Role::Looking && !self.world.tree.is_consistent() {
            self.role_to_come = Some(role);
            return;
        }
        self.role = role;
        self.world.clear();
        self.deferred.clear();
        self.leading = None;
        outputs.push(Output::Role(role));
        match role {
            Role::Looking => {
                // Not when a reign is established: streams begin before, in synchronization.
                self.outgoing.clear();
                self.leaderless_since.get_or_insert(self.now.monotonic);
                return;
            }
            Role::Following { .. } => {}
            Role::Leading { .. } => self.begin_to_lead(),
        }
        self.leaderless_since = None;
        self.announce_ready(outputs);
        self.confirming.ask_again();
        self.renewing.forget();
        self.ask_to_join_again(outputs);
        for nonce in self.entering.ask_again() {
            self.ask_to_enter(nonce, outputs);
        }
        let sessions: Vec<_> = self.held.iter().map(|held| held.session).collect();
        for session in sessions {
            if let Some(held) = self.held.get_mut(session) {
                // What was to be told of it may have been lost with the former leader.
                held.renewal_due = true;
            }
            self.touch(session);
            self.forward_again(session, outputs);
            self.pump(session, outputs);
        }
    }

    fn on_relay(&mut self, from: ServerId, relay: Relay, outputs: &mut Vec<Output>) {
        match relay {
            Relay::SnapshotTaken { base, sequence } => {
                self.outgoing.on_taken(from, base, sequence);
            }
            Relay::SnapshotChunk {
                base,
                sequence,
                records,
                end,
            } => {
                self.on_snapshot_piece(from, base, sequence, &records, end, outputs);
            }
            Relay::Removed { version } => self.on_removed(from, version),
            Relay::Refused(_)
            | Relay::Opening { .. }
            | Relay::Attaching { .. }
            | Relay::Confirmed { .. }
            | Relay::Touched { .. }
            | Relay::Joining { .. } => self.on_leaders_word(from, relay, outputs),
            Relay::Touch { .. }
            | Relay::Forward(_)
            | Relay::Open { .. }
            | Relay::Attach { .. }
            | Relay::Ready { .. }
            | Relay::Confirm { .. }
            | Relay::Join { .. } => self.on_question(from, relay, outputs),
        }
    }

    /// Something for a leader.
    fn on_question(&mut self, from: ServerId, relay: Relay, outputs: &mut Vec<Output>) {
        // What a follower has sent to an earlier reign of this server may come late; taken now, it
        // would overtake what was lost with that reign.
        let to_this_reign = from == self.me || self.zab.is_followed_by(from);
        match relay {
            // A sign of life is one, to whichever reign it was given.
            Relay::Touch { sessions, question } => {
                self.lead_touch(&sessions);
                if let Some(question) = question.filter(|_| to_this_reign) {
                    self.prove_touched(from, question);
                }
            }
            Relay::Forward(forward) if !to_this_reign => self.lead_touch(&[forward.session]),
            _ if !to_this_reign => {}
            Relay::Forward(forward) => self.on_forward(from, forward, outputs),
            Relay::Open {
                nonce,
                password,
                timeout_ms,
            } => {
                self.lead_open(from, nonce, password, timeout_ms, outputs);
            }
            Relay::Attach {
                nonce,
                session,
                password,
            } => {
                self.lead_attach(from, nonce, session, password, outputs);
            }
            Relay::Ready { server, revisions } if server == from => {
                self.lead_ready(server, revisions);
            }
            Relay::Confirm { nonce } => self.lead_confirm(from, nonce),
            Relay::Join { nonce, request } => self.lead_join(from, nonce, &request, outputs),
            // In another's name.
            _ => {}
        }
    }

    /// A leader's answer, unless it comes from a server that led when it was sent.
    fn on_leaders_word(&mut self, from: ServerId, relay: Relay, outputs: &mut Vec<Output>) {
        let epoch = self.epoch();
        let leader = from;
        if self.role == (Role::Following { leader, epoch }) {
            self.hear_answer(relay, outputs);
        }
    }

    /// The leader's answer, also if that is this server.
    fn hear_answer(&mut self, relay: Relay, outputs: &mut Vec<Output>) {
        match relay {
            Relay::Refused(refused) => {
                self.defer(refused.after, Deferred::Refused(refused), outputs);
            }
            Relay::Opening { nonce, session } => self.on_opening(nonce, session),
            Relay::Attaching {
                nonce,
                result,
                after,
            } => {
                self.on_attaching(nonce, result, after, outputs);
            }
            Relay::Confirmed { nonce, zxid } => self.on_confirmed(nonce, zxid, outputs),
            Relay::Touched { question, after } => {
                self.defer(after, Deferred::Touched(question), outputs);
            }
            Relay::Joining {
                nonce,
                result,
                after,
            } => {
                self.on_joining(nonce, result, after, outputs);
            }
            other => panic!("no leader ever answers with {other:?}"),
        }
    }

    /// Sends to the leader, who may be this server itself.
    fn tell_leader(&mut self, relay: Relay, outputs: &mut Vec<Output>) {
        match self.role {
            Role::Looking => {}
            Role::Following { leader, .. } => {
                outputs.push(Output::SendRelay { to: leader, relay });
            }
            Role::Leading { .. } => self.on_relay(self.me, relay, outputs),
        }
    }

    fn on_status(&self, connection: ConnectionId, outputs: &mut Vec<Output>) {
        let message = ServerMessage::Status(self.status());
        outputs.push(Output::Send {
            connection,
            message,
        });
    }

    fn goodbye(connection: ConnectionId, fault: Fault, outputs: &mut Vec<Output>) {
        outputs.push(Output::Send {
            connection,
            message: ServerMessage::Goodbye(fault),
        });
        outputs.push(Output::Close { connection });
    }

    /// Sends clients away to another server; their sessions live on. Those that asked to read from a
    /// server without a leader may be spared.
    fn dismiss(&mut self, why: &str, spares_readers: bool, outputs: &mut Vec<Output>) {
        let (spared, held): (Vec<_>, Vec<_>) = self
            .held
            .take()
            .into_iter()
            .partition(|held| spares_readers && held.reads_alone);
        for session in &held {
            self.watches.remove_session(session.session);
        }
        for held in spared {
            self.held.insert(held);
        }
        let connections = held.into_iter().map(|held| held.connection);
        let entrants = self
            .entering
            .take()
            .into_iter()
            .map(|entrant| entrant.connection);
        let newcomers = self.take_newcomers();
        for connection in connections.chain(entrants).chain(newcomers) {
            Self::goodbye(connection, Fault::new(ErrorCode::NotServing, why), outputs);
        }
    }
}
