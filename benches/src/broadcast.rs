//! Three broadcast cores on one thread, wired to each other, with a disk that writes at once.
//! Must never know what they broadcast.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use zareba_model::ServerId;
use zareba_zab::{Config, Input, Message, Now, Output, Recovered, Role, Zab};

/// An ensemble with an established leader.
#[derive(Debug)]
pub struct Broadcast {
    servers: BTreeMap<ServerId, Zab>,
    leader: ServerId,
    now: Now,
    mail: VecDeque<(ServerId, ServerId, Message)>,
    outputs: Vec<Output>,
    delivered: u64,
}

const SERVERS: u64 = 3;

/// Steps of a hundredth of a second within which a leader must be found.
const ELECTION_STEPS_MAX: usize = 1_000;

impl Broadcast {
    /// Starts the servers and waits until one leads and the others follow.
    pub fn established() -> Self {
        let ids: Vec<_> = (1..=SERVERS).map(ServerId).collect();
        let servers = ids.iter().map(|id| {
            let recovered = Recovered {
                may_vote: true,
                ..Recovered::default()
            };
            let config = Config::new(*id, ids.iter().copied());
            (*id, Zab::new(config, recovered, Now::default()))
        });
        let mut ensemble = Self {
            servers: servers.collect(),
            leader: ServerId(0),
            now: Now::default(),
            mail: VecDeque::new(),
            outputs: Vec::new(),
            delivered: 0,
        };
        for id in &ids {
            for peer in ids.iter().filter(|peer| *peer != id) {
                ensemble.give(*id, Input::PeerUp(*peer));
            }
        }
        for _ in 0..ELECTION_STEPS_MAX {
            ensemble.now = ensemble.now.after_ms(10);
            for id in &ids {
                ensemble.give(*id, Input::Tick);
            }
            ensemble.settle();
            if let Some(leader) = ensemble.leader() {
                ensemble.leader = leader;
                return ensemble;
            }
        }
        panic!("three servers that hear each other must find a leader");
    }

    /// Proposes the payloads as one batch, and goes on until every server has delivered them.
    pub fn broadcast(&mut self, payloads: &[Bytes]) {
        let expected = self.delivered + SERVERS * payloads.len() as u64;
        if let Some(leader) = self.servers.get_mut(&self.leader) {
            for payload in payloads {
                leader.propose(payload.clone()).expect("the leader leads");
            }
        }
        self.flush(self.leader);
        self.settle();
        assert_eq!(self.delivered, expected, "all servers deliver all of it");
    }

    fn leader(&self) -> Option<ServerId> {
        let leads = |(id, server): (&ServerId, &Zab)| match server.role() {
            Role::Leading { .. } => Some(*id),
            _ => None,
        };
        let settled = |server: &Zab| server.role() != Role::Looking;
        let all = self.servers.values().all(settled);
        self.servers.iter().find_map(leads).filter(|_| all)
    }

    /// Until nobody has anything to say: each server takes all that came, then closes its batch.
    fn settle(&mut self) {
        while !self.mail.is_empty() {
            let mut reached = Vec::with_capacity(self.servers.len());
            for (from, to, message) in std::mem::take(&mut self.mail) {
                self.give(to, Input::Received { from, message });
                if !reached.contains(&to) {
                    reached.push(to);
                }
            }
            for server in reached {
                self.flush(server);
            }
        }
    }

    fn give(&mut self, to: ServerId, input: Input) {
        let Some(server) = self.servers.get_mut(&to) else {
            return;
        };
        server.handle(self.now, input, &mut self.outputs);
        self.carry_out(to);
    }

    fn flush(&mut self, server: ServerId) {
        if let Some(server) = self.servers.get_mut(&server) {
            server.flush(self.now, &mut self.outputs);
        }
        self.carry_out(server);
    }

    /// Writes are durable at once, and reported when the outputs before them are carried out.
    fn carry_out(&mut self, from: ServerId) {
        while !self.outputs.is_empty() {
            let mut written = None;
            for output in std::mem::take(&mut self.outputs) {
                match output {
                    Output::Send { to, message } => {
                        let mail = to.into_iter().map(|to| (from, to, message.clone()));
                        self.mail.extend(mail);
                    }
                    Output::Persist { token, .. } => written = Some(token),
                    Output::Deliver(_) => self.delivered += 1,
                    Output::Role(_) | Output::Ensemble(_) => {}
                    Output::SendSnapshot { .. }
                    | Output::ReadLog { .. }
                    | Output::ReceiveSnapshot { .. }
                    | Output::AbandonSnapshot { .. } => {
                        panic!("servers that begin empty have no snapshots to send")
                    }
                }
            }
            let (Some(token), Some(server)) = (written, self.servers.get_mut(&from)) else {
                continue;
            };
            server.handle(self.now, Input::Persisted(token), &mut self.outputs);
            server.flush(self.now, &mut self.outputs);
        }
    }
}
