//! One server's broadcast: the only door, and the way between the phases. Decides nothing itself.

use bytes::Bytes;
use zareba_model::{Ensemble, Epoch, ServerId, Zxid};

use crate::config::Config;
use crate::following::Following;
use crate::input::{Input, Now};
use crate::leading::{Leading, NotLeading};
use crate::looking::Looking;
use crate::member::{Knock, Member, Next, Recovered, send};
use crate::message::{Candidate, Message, Phase, Vote};
use crate::output::{Output, Role};

/// One server's part in the one order.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Zab {
    pub(crate) member: Member,
    pub(crate) state: State,
    /// As last reported.
    role: Role,
}

/// What the server is doing.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum State {
    Looking(Looking),
    Leading(Leading),
    Following(Following),
}

impl Zab {
    /// A server as recovered, without a link, looking. It acts at its first input.
    pub fn new(config: Config, recovered: Recovered, now: Now) -> Self {
        let mut member = Member::new(config, recovered, now);
        // Without links nothing is said; a server that is its own quorum settles at its first tick.
        let (looking, _) = Looking::start(&mut member, &mut Vec::new());
        Self {
            member,
            state: State::Looking(looking),
            role: Role::Looking,
        }
    }

    /// Takes one input. [`Zab::flush`] must follow, at the latest after the last of a batch.
    pub fn handle(&mut self, now: Now, input: Input, outputs: &mut Vec<Output>) {
        self.member.now = self.member.now.max(now);
        let next = match input {
            Input::Tick => self.on_tick(outputs),
            Input::PeerUp(peer) => self.on_peer_up(peer, outputs),
            Input::PeerDown(peer) => self.on_peer_down(peer, outputs),
            Input::Received { from, message } => self.on_message(from, message, outputs),
            Input::Persisted(token) => {
                self.member.writes.on_persisted(token);
                self.on_persisted(outputs)
            }
            Input::SnapshotInstalled { base, ensemble } => {
                self.on_snapshot_installed(base, ensemble, outputs)
            }
            Input::LogRead { to, after, result } => {
                if let State::Leading(leading) = &mut self.state {
                    leading.on_log_read(&self.member, to, (after, result), outputs);
                }
                Next::Stay
            }
        };
        self.turn(next, outputs);
    }

    /// Puts a transaction in the open batch and tells its id; [`Zab::flush`] sends it.
    pub fn propose(&mut self, payload: Bytes) -> Result<Zxid, NotLeading> {
        match &mut self.state {
            State::Leading(leading) => leading.propose(&self.member, payload),
            _ => Err(NotLeading),
        }
    }

    /// Closes the open batch and does what was put off for it: commits, acks, delivers.
    pub fn flush(&mut self, now: Now, outputs: &mut Vec<Output>) {
        self.member.now = self.member.now.max(now);
        let next = match &mut self.state {
            State::Leading(leading) => leading.flush(&mut self.member, outputs),
            State::Following(following) => {
                following.flush(&mut self.member, outputs);
                Next::Stay
            }
            State::Looking(_) => Next::Stay,
        };
        self.turn(next, outputs);
    }

    /// Asks, at an established leader, for proof that it still leads: once
    /// [`Zab::confirmed_round`] has reached the number returned, no other leader had been
    /// established when this was called. For reads that must not be stale.
    pub fn request_confirmation(&mut self) -> Result<u64, NotLeading> {
        match &mut self.state {
            State::Leading(leading) if leading.is_established() => {
                Ok(leading.request_confirmation())
            }
            _ => Err(NotLeading),
        }
    }

    /// The newest confirmed number of this reign; 0 if this server does not lead.
    pub fn confirmed_round(&self) -> u64 {
        match &self.state {
            State::Leading(leading) if leading.is_established() => {
                leading.confirmed_round(&self.member)
            }
            _ => 0,
        }
    }

    /// The id the next proposal gets; `None` if this server is not an established leader or the
    /// epoch's counter is used up.
    pub fn next_zxid(&self) -> Option<Zxid> {
        match &self.state {
            State::Leading(leading) => leading.next_zxid(&self.member),
            _ => None,
        }
    }

    /// What this server is, as last reported.
    pub fn role(&self) -> Role {
        self.role
    }

    /// The newest epoch whose history this server holds.
    pub fn epoch(&self) -> Epoch {
        self.member.epochs.current
    }

    /// The newest epoch this server has promised.
    pub fn accepted_epoch(&self) -> Epoch {
        self.member.epochs.accepted
    }

    /// Up to where entries were delivered.
    pub fn delivered(&self) -> Zxid {
        self.member.history.delivered()
    }

    /// Up to where entries are known to be committed.
    pub fn committed(&self) -> Zxid {
        self.member.history.committed()
    }

    /// The end of the log, durable or not.
    pub fn last_logged(&self) -> Zxid {
        self.member.history.last()
    }

    /// The established leader, if one is known.
    pub fn leader(&self) -> Option<ServerId> {
        match self.role {
            Role::Looking => None,
            Role::Following { leader, .. } => Some(leader),
            Role::Leading { .. } => Some(self.member.config.me),
        }
    }

    /// How many transactions are proposed, flushed or not, and not yet committed.
    pub fn outstanding(&self) -> usize {
        match &self.state {
            State::Leading(leading) => self.member.history.uncommitted() + leading.batched(),
            _ => 0,
        }
    }

    /// True if this server is an established leader and `server` has joined this very reign:
    /// whatever comes from it now was sent in this reign, because links keep their order.
    pub fn is_followed_by(&self, server: ServerId) -> bool {
        match &self.state {
            State::Leading(leading) => leading.is_established() && leading.has_joined(server),
            _ => false,
        }
    }

    /// False while this server counts in no quorum: its log is damaged, or it is no voter.
    pub fn may_vote(&self) -> bool {
        let member = &self.member;
        member.may_vote && member.ensemble().is_voter(member.config.me)
    }

    /// The ensemble in force: the newest that this server's log names, committed or not.
    pub fn ensemble(&self) -> &Ensemble {
        self.member.ensemble()
    }

    /// True if this server is an established leader and `server` serves in this reign, its durable
    /// log at most [`Config::lag_entries_max`] entries behind: it would hold nothing up as a voter.
    pub fn is_level(&self, server: ServerId) -> bool {
        match &self.state {
            State::Leading(leading) if leading.is_established() => {
                leading.is_level(&self.member, server)
            }
            _ => false,
        }
    }

    /// Up to where `server` has the log durably, as far as this server, leading, has been told.
    pub fn acked(&self, server: ServerId) -> Option<Zxid> {
        match &self.state {
            State::Leading(leading) => leading.acked(&self.member, server),
            _ => None,
        }
    }

    fn on_tick(&mut self, outputs: &mut Vec<Output>) -> Next {
        self.member.tick();
        match &mut self.state {
            State::Looking(looking) => looking.on_tick(&self.member, outputs),
            State::Leading(leading) => leading.on_tick(&self.member, outputs),
            State::Following(following) => following.on_tick(&self.member),
        }
    }

    fn on_peer_up(&mut self, peer: ServerId, outputs: &mut Vec<Output>) -> Next {
        if self.member.peers.contains(&peer) {
            // A new link without news of the old one's end.
            let next = self.on_peer_down(peer, outputs);
            self.turn(next, outputs);
        }
        self.member.peers.insert(peer);
        match &mut self.state {
            State::Looking(looking) => looking.on_peer_up(&self.member, peer, outputs),
            State::Following(following) => following.on_peer_up(&mut self.member, peer, outputs),
            State::Leading(_) => {}
        }
        Next::Stay
    }

    fn on_peer_down(&mut self, peer: ServerId, outputs: &mut Vec<Output>) -> Next {
        self.member.peers.remove(&peer);
        self.member.knocks.remove(&peer);
        match &mut self.state {
            State::Looking(looking) => looking.on_peer_down(&self.member, peer),
            State::Leading(leading) => {
                leading.on_peer_down(peer, outputs);
                Next::Stay
            }
            State::Following(following) => following.on_peer_down(peer),
        }
    }

    fn on_message(&mut self, from: ServerId, message: Message, outputs: &mut Vec<Output>) -> Next {
        match message {
            Message::Vote(vote) => self.on_vote(from, vote, outputs),
            Message::FollowerInfo {
                join,
                accepted_epoch,
                may_vote,
                ..
            } => {
                let knock = Knock {
                    join,
                    accepted_epoch,
                    may_vote,
                };
                self.on_knock(from, knock, outputs)
            }
            message => match &mut self.state {
                State::Looking(_) => Next::Stay,
                State::Leading(leading) => {
                    leading.on_message(&mut self.member, from, message, outputs)
                }
                State::Following(following) => {
                    following.on_message(&mut self.member, from, message, outputs)
                }
            },
        }
    }

    fn on_vote(&mut self, from: ServerId, vote: Vote, outputs: &mut Vec<Output>) -> Next {
        if let State::Following(following) = &self.state
            && following.is_left_by(from, vote.phase)
        {
            self.turn(Next::Look, outputs);
        }
        let (server, phase) = match &mut self.state {
            State::Looking(looking) => {
                return looking.on_vote(&mut self.member, from, vote, outputs);
            }
            State::Leading(_) => (self.member.config.me, Phase::Leading),
            State::Following(following) => (following.leader(), Phase::Following),
        };
        if vote.phase == Phase::Looking {
            let words = Message::Vote(Vote {
                round: self.member.round,
                candidate: Candidate {
                    server,
                    ..self.member.candidate()
                },
                phase,
                ensemble_version: self.member.ensemble().version,
            });
            send(from, words, outputs);
        }
        Next::Stay
    }

    fn on_knock(&mut self, from: ServerId, knock: Knock, outputs: &mut Vec<Output>) -> Next {
        match &mut self.state {
            State::Leading(leading) => {
                leading.on_follower_info(&mut self.member, from, knock, outputs)
            }
            State::Looking(_) | State::Following(_) => {
                // Its election was faster than this server's own.
                self.member.knocks.insert(from, knock);
                Next::Stay
            }
        }
    }

    fn on_persisted(&mut self, outputs: &mut Vec<Output>) -> Next {
        match &mut self.state {
            State::Looking(_) => Next::Stay,
            State::Leading(leading) => leading.advance(&mut self.member, outputs),
            State::Following(following) => {
                following.on_persisted(&self.member, outputs);
                Next::Stay
            }
        }
    }

    fn on_snapshot_installed(
        &mut self,
        base: Zxid,
        ensemble: Option<Ensemble>,
        outputs: &mut Vec<Output>,
    ) -> Next {
        match &mut self.state {
            State::Following(following) => {
                following.on_snapshot_installed(&mut self.member, (base, ensemble), outputs)
            }
            _ => panic!("a snapshot was installed that nobody waits for"),
        }
    }

    /// Goes where a phase wants to go, and reports the role if it is another one now.
    fn turn(&mut self, mut next: Next, outputs: &mut Vec<Output>) {
        while next != Next::Stay {
            match &mut self.state {
                State::Looking(_) => {}
                State::Leading(leading) => leading.end(outputs),
                State::Following(following) => following.end(outputs),
            }
            let member = &mut self.member;
            (self.state, next) = match next {
                Next::Look | Next::Stay => {
                    if member.config.delivers_uncommitted() {
                        member.history.commit(member.history.last());
                        member.deliver(outputs);
                    }
                    let (looking, next) = Looking::start(member, outputs);
                    (State::Looking(looking), next)
                }
                Next::Lead => {
                    let (leading, next) = Leading::start(member, outputs);
                    (State::Leading(leading), next)
                }
                Next::Follow(leader) => {
                    let (following, next) = Following::start(member, leader, outputs);
                    (State::Following(following), next)
                }
            };
        }
        let role = self.present_role();
        if role != self.role {
            self.role = role;
            outputs.push(Output::Role(role));
        }
    }

    fn present_role(&self) -> Role {
        match &self.state {
            State::Leading(leading) if leading.is_established() => Role::Leading {
                epoch: leading.epoch(),
            },
            State::Following(following) if following.is_broadcasting() => Role::Following {
                leader: following.leader(),
                epoch: following.epoch(),
            },
            _ => Role::Looking,
        }
    }
}
