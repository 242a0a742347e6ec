//! Samples of what changes the ensemble. Must never know how they are encoded.

use zareba_model::{
    Effect, Ensemble, EnsembleChange, EnsembleOp, JoinRequest, JoinToken, Member, MemberRole,
    Relay, ServerId, Sha256, TakenToken, Zxid,
};

use super::{SHA, fault};

/// A voter leaves and an observer has come.
pub(super) fn ensemble() -> Ensemble {
    let voters = Ensemble::of_voters([1, 2, 3].map(ServerId));
    let mut members = voters.members.clone();
    members.remove(&ServerId(3));
    let observer = Member {
        role: MemberRole::Observer,
        peer_address: "d.example.org:7401".to_owned(),
        client_address: "d.example.org:7400".to_owned(),
    };
    members.insert(ServerId(4), observer);
    Ensemble {
        version: 300,
        members,
        outgoing: Some(voters.members),
    }
}

pub(super) fn token() -> JoinToken {
    JoinToken {
        hash: SHA,
        voter: true,
        expires: 1_700_000_600_000,
        taken: Some(TakenToken {
            server: ServerId(4),
            key: Sha256([0xcd; 32]),
        }),
    }
}

pub(super) fn ensemble_ops() -> impl Iterator<Item = (&'static str, EnsembleOp)> {
    let server = ServerId(4);
    let address = "d.example.org:7401".to_owned();
    let changes = [
        (
            "add",
            EnsembleChange::Add {
                server,
                peer_address: address.clone(),
                client_address: address.clone(),
            },
        ),
        ("remove", EnsembleChange::Remove { server }),
        (
            "promote",
            EnsembleChange::Promote {
                server,
                weight: 1,
                group: 300,
            },
        ),
        ("demote", EnsembleChange::Demote { server }),
        (
            "replace",
            EnsembleChange::Replace {
                old: ServerId(3),
                new: server,
            },
        ),
        (
            "move",
            EnsembleChange::Move {
                server,
                peer_address: address.clone(),
                client_address: address,
            },
        ),
    ];
    let change = |(name, change)| {
        let version = Some(300);
        (name, EnsembleOp::Change { change, version })
    };
    let add_token = EnsembleOp::AddToken {
        token: token(),
        ttl_ms: 600_000,
    };
    let tokens = [("token", add_token)];
    changes.into_iter().map(change).chain(tokens)
}

pub(super) fn relays_of_the_ensemble() -> Vec<(&'static str, Relay)> {
    let join = Relay::Join {
        nonce: 11,
        request: JoinRequest {
            token: SHA,
            key: Sha256([0xcd; 32]),
            peer_address: "d.example.org:7401".to_owned(),
            client_address: "d.example.org:7400".to_owned(),
        },
    };
    let joining = |result| Relay::Joining {
        nonce: 11,
        result,
        after: Zxid::new(2, 9),
    };
    vec![
        ("confirm", Relay::Confirm { nonce: 300 }),
        (
            "confirmed",
            Relay::Confirmed {
                nonce: 300,
                zxid: Zxid::new(2, 9),
            },
        ),
        ("join", join),
        ("joining", joining(Ok(ServerId(4)))),
        ("not-joining", joining(Err(fault()))),
        ("removed", Relay::Removed { version: 300 }),
    ]
}

pub(super) fn ensemble_effects() -> [(&'static str, Effect); 3] {
    [
        ("set-ensemble", Effect::SetEnsemble(ensemble())),
        ("put-token", Effect::PutToken(token())),
        ("remove-token", Effect::RemoveToken { hash: SHA }),
    ]
}
