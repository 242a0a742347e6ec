//! Fast leader election: everybody votes for the best candidate it has heard of, until a quorum
//! agrees. Knows no history beyond the candidates' and writes nothing: a bad choice costs time, never
//! safety, because discovery and synchronization count promises and logs of their own.
//!
//! A server that stands behind an established (or forming) leader answers a vote with its own; who
//! hears the same leader from a quorum, itself counted, and from that leader, joins it at once.
//!
//! Every server with a sound log votes, also one that is no voter as far as it knows: its ensemble may
//! be an old one. Whose vote counts is for the counting server's ensemble to say. Only servers that may
//! lead, as far as they know, are candidates. A leader that knows a newer ensemble or a later epoch than
//! this server is joined on its own word, for this server could not tell a quorum of its ensemble.
//!
//! A server that never held a history cannot know what it has forgotten. It votes only once every other
//! voter has said that it has no transaction either: then none was ever committed.

use std::collections::{BTreeMap, BTreeSet};

use zareba_model::ServerId;

use crate::input::Now;
use crate::member::{Member, Next, send, send_all};
use crate::message::{Candidate, Message, Phase, Vote};
use crate::output::Output;
use crate::timer::Timer;

/// One server's election.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Looking {
    vote: Candidate,
    /// Votes of others in this round.
    votes: BTreeMap<ServerId, Candidate>,
    /// Servers that are not looking: behind whom they stand.
    standing: BTreeMap<ServerId, ServerId>,
    /// Who has said, over the link that stands, that it knows of no transaction.
    empty: BTreeSet<ServerId>,
    /// Since when a quorum agrees with this vote.
    agreed_since: Option<Now>,
    said_at: Now,
}

impl Looking {
    /// A new round with a vote for oneself.
    pub(crate) fn start(member: &mut Member, outputs: &mut Vec<Output>) -> (Self, Next) {
        // An ensemble of one has nobody to ask.
        member.may_vote |= member.begins_with(&BTreeSet::new());
        if member.candidate().may_lead {
            member.round += 1;
        }
        let mut looking = Self {
            vote: member.candidate(),
            votes: BTreeMap::new(),
            standing: BTreeMap::new(),
            empty: BTreeSet::new(),
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
        self.empty.remove(&peer);
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
        vote: Vote,
        outputs: &mut Vec<Output>,
    ) -> Next {
        let Vote {
            round, candidate, ..
        } = vote;
        if vote.knows_nothing() {
            self.empty.insert(from);
        } else {
            self.empty.remove(&from);
        }
        if !member.may_vote && member.begins_with(&self.empty) {
            member.may_vote = true;
            return Next::Look;
        }
        if vote.phase != Phase::Looking {
            return self.on_standing(member, from, vote);
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
        let mine = member.candidate();
        if candidate.server == mine.server && candidate > mine {
            // What this server has said before a crash took the end of its log, which was never
            // synced. It cannot live up to that, and nobody forgets it but in a new round.
            member.round = round + 1;
            return Next::Look;
        }
        let new_round = round > member.round;
        let own = if new_round {
            member.round = round;
            self.votes.clear();
            mine
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
    fn on_standing(&mut self, member: &Member, from: ServerId, vote: Vote) -> Next {
        let leader = vote.candidate.server;
        if (vote.phase == Phase::Leading) != (from == leader) {
            return Next::Stay;
        }
        let ensemble = member.ensemble();
        // A later epoch may have begun without the end of this server's log, and with it without the
        // ensemble that this server goes by.
        let is_ahead = vote.ensemble_version > ensemble.version
            || vote.candidate.current_epoch > member.epochs.current;
        if from == leader && is_ahead {
            return Next::Follow(leader);
        }
        self.votes.remove(&from);
        self.standing.insert(from, leader);
        let behind = |server| self.standing.get(&server) == Some(&leader);
        let me = member.may_vote.then_some(member.config.me);
        if behind(leader) && ensemble.is_quorum(|server| behind(server) || me == Some(server)) {
            return Next::Follow(leader);
        }
        self.tally(member)
    }

    fn tally(&mut self, member: &Member) -> Next {
        if !member.may_vote || !self.vote.may_lead {
            return Next::Stay;
        }
        // Whoever stands behind the favourite already is ahead of this server, whose ensemble may
        // ask for more votes than the other's.
        let stands = |server| self.standing.get(&server) == Some(&self.vote.server);
        let votes = |server| self.votes.get(&server) == Some(&self.vote);
        let agree = |server| server == member.config.me || votes(server) || stands(server);
        let ensemble = member.ensemble();
        if !ensemble.is_quorum(agree) {
            self.agreed_since = None;
            return Next::Stay;
        }
        let since = *self.agreed_since.get_or_insert(member.now);
        // Everybody in reach is waited for, not voters alone: a server that is to leave the ensemble,
        // or is none of it as far as this server knows, may be the best candidate.
        let mut in_reach = member.peers.iter().chain(self.votes.keys());
        let unanimous = in_reach.all(|server| agree(*server));
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
        Message::Vote(Vote {
            round: if member.may_vote { member.round } else { 0 },
            candidate: self.vote,
            phase: Phase::Looking,
            ensemble_version: member.ensemble().version,
        })
    }
}
