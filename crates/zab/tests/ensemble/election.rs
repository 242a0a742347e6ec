//! An election as one server sees it, where the others' words are chosen.

use bytes::Bytes;
use zareba_model::{Entry, Epoch, ServerId, Zxid};
use zareba_zab::{
    Candidate, Config, Input, Join, Message, Now, Output, Phase, Recovered, Role, Vote, Zab,
};

/// Server 1 of three, with one entry in its log.
fn voter() -> Zab {
    let config = Config::new(ServerId(1), (1..=3).map(ServerId));
    let payload = Bytes::from_static(b"kept");
    let recovered = Recovered {
        accepted_epoch: Epoch(1),
        current_epoch: Epoch(1),
        tail: vec![Entry {
            zxid: Zxid::new(1, 1),
            payload,
        }],
        may_vote: true,
        ..Recovered::default()
    };
    Zab::new(config, recovered, Now::default())
}

fn vote_for(server: u64, counter: u32, round: u64) -> Message {
    Message::Vote(Vote {
        round,
        candidate: Candidate {
            may_lead: true,
            stays: true,
            current_epoch: Epoch(1),
            last_zxid: Zxid::new(1, counter),
            server: ServerId(server),
        },
        phase: Phase::Looking,
        ensemble_version: 0,
    })
}

/// The last vote that the server says to anybody.
fn last_vote(outputs: &[Output]) -> Vote {
    let votes = outputs.iter().filter_map(|output| match output {
        Output::Send {
            message: Message::Vote(vote),
            ..
        } => Some(*vote),
        _ => None,
    });
    votes.last().expect("it votes")
}

#[test]
fn a_restarted_server_does_not_stand_on_what_it_claimed_before_and_has_lost() {
    let mut zab = voter();
    let mut outputs = Vec::new();
    let now = Now::default();
    zab.handle(now, Input::PeerUp(ServerId(2)), &mut outputs);
    // In its former life it had three entries, of which two were never synced.
    for _ in 0..3 {
        let (from, message) = (ServerId(2), vote_for(1, 3, 5));
        zab.handle(now, Input::Received { from, message }, &mut outputs);
    }
    let vote = last_vote(&outputs);
    assert_eq!(vote.candidate.last_zxid, Zxid::new(1, 1));
    assert!(vote.round > 5, "the other forgets it in a new round alone");
    assert_eq!(zab.role(), Role::Looking);
    // The other takes the new round up, and they agree on what there is.
    let (from, message) = (ServerId(2), vote_for(1, 1, vote.round));
    zab.handle(now, Input::Received { from, message }, &mut outputs);
    let agreed = last_vote(&outputs);
    assert_eq!(
        (agreed.round, agreed.candidate),
        (vote.round, vote.candidate)
    );
}

/// Server 2 says to `zab` that it leads, with `current_epoch`; the number under which `zab` joins it.
fn hears_a_leader(zab: &mut Zab, current_epoch: Epoch) -> Option<Join> {
    let from = ServerId(2);
    let mut outputs = Vec::new();
    zab.handle(Now(1), Input::PeerUp(from), &mut outputs);
    let message = Message::Vote(Vote {
        round: 1,
        candidate: Candidate {
            may_lead: true,
            stays: true,
            current_epoch,
            server: from,
            ..Candidate::default()
        },
        phase: Phase::Leading,
        ensemble_version: 0,
    });
    zab.handle(Now(2), Input::Received { from, message }, &mut outputs);
    outputs.iter().find_map(|output| match output {
        Output::Send {
            message: Message::FollowerInfo { join, .. },
            ..
        } => Some(*join),
        _ => None,
    })
}

#[test]
fn a_new_process_numbers_its_attempts_from_where_it_is_told() {
    let (me, leader) = (ServerId(1), ServerId(2));
    let mut config = Config::new(me, [me, leader]);
    config.joins_from = 77;
    let recovered = Recovered {
        accepted_epoch: Epoch(1),
        current_epoch: Epoch(1),
        may_vote: true,
        ..Recovered::default()
    };
    let mut zab = Zab::new(config, recovered, Now(0));
    assert_eq!(hears_a_leader(&mut zab, Epoch(1)), Some(Join(78)));
}

#[test]
fn a_leader_of_a_later_epoch_is_joined_on_its_own_word() {
    // As far as this server knows, two of five are no quorum: the leader's ensemble may be an older
    // one, if the end of this server's log was never committed.
    let five = || {
        let config = Config::new(ServerId(1), (1..=5).map(ServerId));
        let recovered = Recovered {
            accepted_epoch: Epoch(1),
            current_epoch: Epoch(1),
            may_vote: true,
            ..Recovered::default()
        };
        Zab::new(config, recovered, Now(0))
    };
    assert_eq!(hears_a_leader(&mut five(), Epoch(1)), None);
    assert!(hears_a_leader(&mut five(), Epoch(2)).is_some());
}

#[test]
fn of_two_with_the_same_log_the_one_that_stays_is_preferred() {
    let candidate = |server, stays| Candidate {
        may_lead: true,
        stays,
        server: ServerId(server),
        ..Candidate::default()
    };
    assert!(candidate(1, true) > candidate(2, false));
    let ahead = Candidate {
        last_zxid: Zxid::new(1, 1),
        ..candidate(2, false)
    };
    assert!(
        ahead > candidate(1, true),
        "nobody else has the end of the change"
    );
}
