//! One state of the whole ensemble, and what each action makes of it. Knows no exploring.

use bytes::Bytes;
use zareba_model::ServerId;
use zareba_zab::{Input, LogRead, Message, Output, Role};

use crate::action::Action;
use crate::change::version_in;
use crate::disk::Disk;
use crate::ghost::{Ghost, check_claim, check_process};
use crate::hashed::Hashed;
use crate::link::{End, Half, Link, News};
use crate::scope::{SERVERS, Scope};
use crate::server::Server;
use crate::violation::Violation;

/// The payloads: each transaction is told from each other.
static PAYLOADS: &[u8] = b"abcdefghijklmnopqrstuvwxyz";

/// What may still happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Budget {
    pub(crate) txns: u8,
    pub(crate) crashes: u8,
    pub(crate) breaks: u8,
    pub(crate) timeouts: u8,
}

/// One state.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct World {
    servers: [Hashed<Server>; 3],
    /// Between 1 and 2, 1 and 3, 2 and 3.
    links: [Hashed<Link>; 3],
    pub(crate) ghost: Hashed<Ghost>,
    pub(crate) left: Budget,
    pub(crate) violation: Option<Violation>,
}

/// Every pair, in the order of `World::links`.
const PAIRS: [(ServerId, ServerId); 3] = [
    (ServerId(1), ServerId(2)),
    (ServerId(1), ServerId(3)),
    (ServerId(2), ServerId(3)),
];

impl World {
    /// What does not hold here, if anything.
    pub fn violation(&self) -> Option<&Violation> {
        self.violation.as_ref()
    }

    /// Fresh disks, no links.
    pub(crate) fn cold(scope: &Scope) -> Self {
        let server = |me| Hashed::new(Server::start(scope, me, Disk::default(), (0, None)));
        let link = Hashed::new(Link::new());
        Self {
            servers: SERVERS.map(server),
            links: [link.clone(), link.clone(), link],
            ghost: Hashed::new(Ghost::default()),
            left: Budget {
                txns: scope.txns,
                crashes: scope.crashes,
                breaks: scope.breaks,
                timeouts: scope.timeouts,
            },
            violation: None,
        }
    }

    /// A server.
    pub(crate) fn server(&self, id: ServerId) -> &Server {
        let [first, second, third] = &self.servers;
        match id.0 {
            1 => first,
            2 => second,
            3 => third,
            other => panic!("there is no server {other}"),
        }
    }

    /// The newest epoch that any server has promised.
    pub(crate) fn newest_epoch(&self) -> u32 {
        let epochs = SERVERS.map(|id| self.server(id).zab.accepted_epoch().0);
        epochs.into_iter().fold(0, u32::max)
    }

    /// Servers that neither lead nor follow.
    pub(crate) fn looking(&self) -> Vec<ServerId> {
        let role = |id: &ServerId| self.server(*id).zab.role();
        let mut servers = SERVERS.to_vec();
        servers.retain(|id| role(id) == Role::Looking);
        servers
    }

    /// All that can happen next, always in the same order.
    pub(crate) fn actions(&self, scope: &Scope, actions: &mut Vec<Action>) {
        if self.violation.is_some() {
            return;
        }
        for (link, (low, high)) in self.links.iter().zip(PAIRS) {
            for (at, of, at_low) in [(low, high, true), (high, low, false)] {
                match link.news(at_low) {
                    Some(_) => actions.push(Action::Hear { at, of }),
                    None if !link.halves(at_low).0.arriving.is_empty() => {
                        actions.push(Action::Deliver { from: of, to: at });
                    }
                    None => {}
                }
            }
        }
        for id in SERVERS {
            let server = self.server(id);
            if !server.disk.pending.is_empty() {
                actions.push(Action::Persist(id));
            }
            if self.may_install(id) {
                actions.push(Action::Install(id));
            }
            if !server.reads.is_empty() {
                actions.extend([false, true].map(|gone| Action::Read { server: id, gone }));
            }
            if self.left.txns > 0 && server.zab.next_zxid().is_some() {
                actions.push(Action::Propose(id));
            }
            if self.next_change(scope, id).is_some() {
                actions.push(Action::Change(id));
            }
        }
        self.faults(actions);
    }

    /// What can go wrong next.
    fn faults(&self, actions: &mut Vec<Action>) {
        for id in SERVERS {
            if self.left.crashes > 0 {
                let kept = 0..=self.server(id).disk.divisible();
                actions.extend(kept.map(|kept| Action::Crash {
                    server: id,
                    kept: u8::try_from(kept).unwrap_or(u8::MAX),
                }));
            }
            if self.left.timeouts > 0 {
                actions.push(Action::Timeout(id));
            }
        }
        if self.left.breaks > 0 {
            for (link, (low, high)) in self.links.iter().zip(PAIRS) {
                if link.news(true).is_none() || link.news(false).is_none() {
                    actions.push(Action::Break { low, high });
                }
            }
        }
    }

    /// Does it, and what comes with it.
    pub(crate) fn step(&mut self, scope: &Scope, action: Action) -> Result<(), Violation> {
        self.act(scope, action)?;
        while scope.prompt_votes
            && let Some((from, to)) = self.next_vote()
        {
            self.act(scope, Action::Deliver { from, to })?;
        }
        Ok(())
    }

    /// The first vote that can arrive now: from whom, to whom.
    fn next_vote(&self) -> Option<(ServerId, ServerId)> {
        let ends = self
            .links
            .iter()
            .zip(PAIRS)
            .flat_map(|(link, (low, high))| [(&link.low, (high, low)), (&link.high, (low, high))]);
        let arrives = |half: &Half| {
            half.end == End::Up && matches!(half.arriving.front(), Some(Message::Vote { .. }))
        };
        ends.into_iter()
            .find_map(|(half, way)| arrives(half).then_some(way))
    }

    fn act(&mut self, scope: &Scope, action: Action) -> Result<(), Violation> {
        match action {
            Action::Deliver { from, to } => {
                let message = self.change_link(from, to, |link, to_low| {
                    link.halves_mut(to_low).0.arriving.pop_front()
                });
                match message {
                    Some(message) => self.input(scope, to, Input::Received { from, message }),
                    None => Ok(()),
                }
            }
            Action::Hear { at, of } => {
                let news = self.change_link(of, at, |link, at_low| {
                    let news = link.news(at_low);
                    link.learn(at_low);
                    news
                });
                match news {
                    Some(News::Up) => self.input(scope, at, Input::PeerUp(of)),
                    Some(News::Down) => self.input(scope, at, Input::PeerDown(of)),
                    None => Ok(()),
                }
            }
            Action::Persist(id) => self.persist(scope, id),
            Action::Install(id) => self.install(scope, id),
            Action::Read { server, gone } => self.read(scope, server, gone),
            Action::Propose(id) => {
                let number = usize::from(scope.txns - self.left.txns) % PAYLOADS.len();
                self.left.txns -= 1;
                let payload = PAYLOADS.get(number..=number).unwrap_or_default();
                self.propose(scope, id, Bytes::from_static(payload))
            }
            Action::Change(id) => match self.next_change(scope, id) {
                Some(payload) => self.propose(scope, id, payload),
                None => Ok(()),
            },
            Action::Crash { server, kept } => self.crash(scope, server, kept.into()),
            Action::Break { low, high } => {
                self.left.breaks -= 1;
                self.change_link(low, high, |link, _| link.cut());
                Ok(())
            }
            Action::Timeout(id) => {
                self.left.timeouts -= 1;
                let mut server = self.server(id).clone();
                let outputs = server.timeout(scope);
                self.carry_out(scope, id, server, outputs)
            }
        }
    }

    fn input(&mut self, scope: &Scope, id: ServerId, input: Input) -> Result<(), Violation> {
        let mut server = self.server(id).clone();
        let outputs = server.input(scope, input);
        self.carry_out(scope, id, server, outputs)
    }

    fn persist(&mut self, scope: &Scope, id: ServerId) -> Result<(), Violation> {
        let mut server = self.server(id).clone();
        let Some(token) = server.disk.complete()? else {
            return Ok(());
        };
        let outputs = server.input(scope, Input::Persisted(token));
        self.carry_out(scope, id, server, outputs)
    }

    fn read(&mut self, scope: &Scope, id: ServerId, gone: bool) -> Result<(), Violation> {
        let mut server = self.server(id).clone();
        let Some((to, after, upto)) = server.reads.pop_front() else {
            return Ok(());
        };
        let result = if gone {
            LogRead::Gone
        } else {
            server.disk.image.read(after, upto)
        };
        let outputs = server.input(scope, Input::LogRead { to, after, result });
        self.carry_out(scope, id, server, outputs)
    }

    /// What an established leader proposes to change the ensemble: one half at a time, the second
    /// behind the first.
    fn next_change(&self, scope: &Scope, id: ServerId) -> Option<Bytes> {
        let change = scope.change?;
        let server = self.server(id);
        server.zab.next_zxid()?;
        let now = server.zab.ensemble().version;
        let is_level = |peer| peer == id || server.zab.is_level(peer);
        (now == self.ghost.version_at(server.delivered))
            .then(|| change.payload(scope.version_after(now), is_level))
            .flatten()
    }

    fn propose(&mut self, scope: &Scope, id: ServerId, payload: Bytes) -> Result<(), Violation> {
        if let Some(version) = version_in(&payload)
            && version > self.ghost.proposed
        {
            let mut ghost = Ghost::clone(&self.ghost);
            ghost.proposed = version;
            self.ghost = Hashed::new(ghost);
        }
        let mut server = self.server(id).clone();
        let mut outputs = Vec::new();
        if server.zab.propose(payload).is_ok() {
            server.flush(scope, &mut outputs);
        }
        self.carry_out(scope, id, server, outputs)
    }

    fn crash(&mut self, scope: &Scope, id: ServerId, kept: usize) -> Result<(), Violation> {
        self.left.crashes -= 1;
        let mut disk = self.server(id).disk.clone();
        disk.crash(kept)?;
        let delivered = self.ghost.place(disk.image.committed);
        let tree = (delivered, self.ghost.ensemble_at(scope, delivered));
        let server = Server::start(scope, id, disk, tree);
        for other in SERVERS.into_iter().filter(|other| *other != id) {
            self.change_link(other, id, |link, id_is_low| link.restart(id_is_low));
        }
        self.carry_out(scope, id, server, Vec::new())
    }

    /// True if a whole snapshot can have arrived.
    fn may_install(&self, id: ServerId) -> bool {
        let Some((from, base)) = self.server(id).incoming else {
            return false;
        };
        let stands = PAIRS
            .iter()
            .zip(&self.links)
            .any(|(pair, link)| *pair == (from.min(id), from.max(id)) && link.stands());
        stands && self.server(from).outgoing.contains(&(id, base))
    }

    fn install(&mut self, scope: &Scope, id: ServerId) -> Result<(), Violation> {
        while !self.server(id).disk.pending.is_empty() {
            self.persist(scope, id)?;
        }
        let Some((from, base)) = self.server(id).incoming else {
            return Ok(());
        };
        let mut sender = self.server(from).clone();
        sender.abandon(id);
        self.replace(from, sender);
        let mut server = self.server(id).clone();
        server.incoming = None;
        server.disk.install(base)?;
        server.delivered = self.ghost.place(base);
        let installed = Input::SnapshotInstalled {
            base,
            ensemble: self.ghost.ensemble_at(scope, server.delivered),
        };
        let outputs = server.input(scope, installed);
        self.carry_out(scope, id, server, outputs)
    }

    /// Carries out what a server asked for, and checks all that may have changed by it.
    fn carry_out(
        &mut self,
        scope: &Scope,
        id: ServerId,
        mut server: Server,
        outputs: Vec<Output>,
    ) -> Result<(), Violation> {
        let mut ghost = Ghost::clone(&self.ghost);
        for output in &outputs {
            if let Output::Persist { token, write } = output {
                server.disk.pending.push_back((*token, write.clone()));
            }
        }
        ghost.learn_committed(id, &server, scope.checks_claims)?;
        for output in outputs {
            match output {
                // Links stand to everybody, members or not.
                Output::Persist { .. } | Output::Ensemble(_) => {}
                Output::Send { to, message } => {
                    self.send(scope, id, &server, &to, &message)?;
                }
                Output::Deliver(entry) => {
                    ghost.check_delivery(server.delivered, &entry)?;
                    server.delivered += 1;
                }
                Output::Role(Role::Leading { epoch }) => {
                    ghost.on_established(id, epoch, &server.disk.image)?;
                }
                Output::Role(Role::Following { .. } | Role::Looking) => {}
                Output::SendSnapshot { to, base } => server.outgoing.push((to, base)),
                Output::ReceiveSnapshot { from, base } => server.incoming = Some((from, base)),
                Output::AbandonSnapshot { peer } => server.abandon(peer),
                Output::ReadLog {
                    to, after, upto, ..
                } => server.reads.push_back((to, after, upto)),
            }
        }
        self.replace(id, server);
        if ghost != *self.ghost {
            self.ghost = Hashed::new(ghost);
        }
        let disks = SERVERS.map(|id| &self.server(id).disk.image);
        self.ghost.check_durability(scope, &disks)
    }

    fn send(
        &mut self,
        scope: &Scope,
        from: ServerId,
        sender: &Server,
        to: &[ServerId],
        message: &Message,
    ) -> Result<(), Violation> {
        if scope.checks_claims {
            check_claim(from, message, &sender.disk.image)?;
        }
        for to in to {
            let words = message.clone();
            let sent = self.change_link(from, *to, |link, to_low| link.send(!to_low, words));
            if let Message::AckNewLeader {
                epoch, last_zxid, ..
            } = message
                && sent
                && scope.checks_claims
            {
                let leader = self.server(*to);
                check_process((from, &sender.disk.image), leader, *epoch, *last_zxid)?;
            }
        }
        Ok(())
    }

    fn replace(&mut self, id: ServerId, server: Server) {
        let mut places = self.servers.iter_mut().zip(SERVERS);
        if let Some((place, _)) = places.find(|(_, of)| *of == id) {
            *place = Hashed::new(server);
        }
    }

    /// Changes the link between two servers; the closure is told whether `to` is the lower end.
    fn change_link<T>(
        &mut self,
        from: ServerId,
        to: ServerId,
        change: impl FnOnce(&mut Link, bool) -> T,
    ) -> T {
        let pair = (from.min(to), from.max(to));
        let mut links = self.links.iter_mut().zip(PAIRS);
        let Some((place, _)) = links.find(|(_, of)| *of == pair) else {
            panic!("there is no link between {from} and {to}");
        };
        let mut link = Link::clone(place);
        let result = change(&mut link, to == pair.0);
        *place = Hashed::new(link);
        result
    }

    /// True if a leader reads its log on disk for a follower.
    pub(crate) fn is_reading(&self) -> bool {
        self.servers.iter().any(|server| !server.reads.is_empty())
    }

    /// True if some message on its way fits.
    pub(crate) fn is_said(&self, fits: impl Fn(&Message) -> bool) -> bool {
        let halves = self.links.iter().flat_map(|link| [&link.low, &link.high]);
        halves.flat_map(|half| &half.arriving).any(fits)
    }
}
