//! Fast leader election: everybody votes for the best candidate it has heard of, until a quorum
//! agrees. Knows no history beyond the candidates' and writes nothing: a bad choice costs time, never
//! safety, because discovery and synchronization count promises and logs of their own.
//!
//! A server that stands behind an established (or forming) leader answers a vote with its own; who
//! hears the same leader from a quorum, itself counted, and from that leader, joins it at once.

use std::collections::BTreeMap;

use zareba_model::ServerId;

use crate::input::Now;
use crate::member::{Member, Next, send, send_all};
use crate::message::{Candidate, Message, Phase};
use crate::output::Output;
use crate::quorum::is_quorum;
use crate::timer::Timer;

/// One server's election.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Looking {
    vote: Candidate,
    /// Votes of others in this round.
    votes: BTreeMap<ServerId, Candidate>,
    /// Servers that are not looking: behind whom they stand.
    standing: BTreeMap<ServerId, ServerId>,
    /// Since when a quorum agrees with this vote.
    agreed_since: Option<Now>,
    said_at: Now,
}

impl Looking {
    /// A new round with a vote for oneself.
    pub(crate) fn start(member: &mut Member, outputs: &mut Vec<Output>) -> (Self, Next) {
        if member.may_vote {
            member.round += 1;
        }
        let mut looking = Self {
            vote: member.candidate(),
            votes: BTreeMap::new(),
            standing: BTreeMap::new(),
            agreed_since: None,
            said_at: member.now,
        };
        looking.say_to_all(member, outputs);
        let next = looking.tally(member);
        (looking, next)
    }

    pub(crate) fn on_tick(&mut self, member: &Member, outputs: &mut Vec<Output>) -> Next {
        if Timer::VoteRepeat.fired(&member.config, self.said_at, member.now) {
            self.say_to_all(member, outputs);
        }
        self.tally(member)
    }

    pub(crate) fn on_peer_up(&self, member: &Member, peer: ServerId, outputs: &mut Vec<Output>) {
        send(peer, self.words(member), outputs);
    }

    pub(crate) fn on_peer_down(&mut self, member: &Member, peer: ServerId) -> Next {
        self.votes.remove(&peer);
        self.standing.remove(&peer);
        if self.vote.server == peer {
            // The favourite is gone; a new round forgets it everywhere.
            return Next::Look;
        }
        self.tally(member)
    }

    pub(crate) fn on_vote(
        &mut self,
        member: &mut Member,
        from: ServerId,
        (round, candidate, phase): (u64, Candidate, Phase),
        outputs: &mut Vec<Output>,
    ) -> Next {
        if !member.config.voters.contains(&candidate.server) {
            return Next::Stay;
        }
        if phase != Phase::Looking {
            return self.on_standing(member, from, candidate.server, phase);
        }
        self.standing.remove(&from);
        if !member.may_vote {
            return Next::Stay;
        }
        if round < member.round {
            // Also the word of a server that may not vote, whose round is 0.
            send(from, self.words(member), outputs);
            return Next::Stay;
        }
        let new_round = round > member.round;
        let own = if new_round {
            member.round = round;
            self.votes.clear();
            member.candidate()
        } else {
            self.vote
        };
        let best = own.max(candidate);
        let news = new_round || best != self.vote;
        if news {
            self.vote = best;
            self.agreed_since = None;
        }
        self.votes.insert(from, candidate);
        if news {
            self.say_to_all(member, outputs);
        } else if candidate < self.vote {
            // It may have been elsewhere when this vote was said to all.
            send(from, self.words(member), outputs);
        }
        self.tally(member)
    }

    /// Somebody stands behind a leader, or leads.
    fn on_standing(
        &mut self,
        member: &Member,
        from: ServerId,
        leader: ServerId,
        phase: Phase,
    ) -> Next {
        if (phase == Phase::Leading) != (from == leader) {
            return Next::Stay;
        }
        self.votes.remove(&from);
        self.standing.insert(from, leader);
        let behind = |server: &ServerId| self.standing.get(server) == Some(&leader);
        let supporters = self.standing.keys().copied().filter(behind);
        let me = member.may_vote.then_some(member.config.me);
        if behind(&leader) && is_quorum(&member.config.voters, supporters.chain(me)) {
            return Next::Follow(leader);
        }
        Next::Stay
    }

    fn tally(&mut self, member: &Member) -> Next {
        if !member.may_vote {
            return Next::Stay;
        }
        let agree = |server: &ServerId| {
            *server == member.config.me || self.votes.get(server) == Some(&self.vote)
        };
        let voters = &member.config.voters;
        if !is_quorum(voters, voters.iter().copied().filter(agree)) {
            self.agreed_since = None;
            return Next::Stay;
        }
        let since = *self.agreed_since.get_or_insert(member.now);
        let known =
            |server: &ServerId| member.peers.contains(server) || self.votes.contains_key(server);
        let unanimous = voters.iter().filter(|v| known(v)).all(agree);
        if !unanimous && !Timer::Settle.fired(&member.config, since, member.now) {
            Next::Stay
        } else if self.vote.server == member.config.me {
            Next::Lead
        } else {
            Next::Follow(self.vote.server)
        }
    }

    fn say_to_all(&mut self, member: &Member, outputs: &mut Vec<Output>) {
        self.said_at = member.now;
        let all = member.peers.iter().copied().collect();
        send_all(all, self.words(member), outputs);
    }

    fn words(&self, member: &Member) -> Message {
        Message::Vote {
            round: if member.may_vote { member.round } else { 0 },
            candidate: self.vote,
            phase: Phase::Looking,
        }
    }
}
