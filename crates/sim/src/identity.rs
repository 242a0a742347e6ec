//! Who clients are: what a simulated server's door says of a connection and of the claims made over it.
//! Must never know what an identity may do.

use zareba_model::{Claim, Credential, ErrorCode, Fault, Principal};

/// The client that is always a superuser, so that no list locks a subtree for ever.
pub(crate) const SUPERUSER: usize = 1;

/// The password that is everybody's.
const PASSWORD: &str = "right";

/// Names that clients may claim.
pub(crate) const NAMES: [&str; 2] = ["ann", "bob"];

/// A claim to be `name`; a false one if it is not to be believed.
pub(crate) fn claim(name: &str, is_true: bool) -> Claim {
    let password = if is_true { PASSWORD } else { "wrong" };
    Claim {
        scheme: "digest".to_owned(),
        credential: Credential(format!("{name}:{password}")),
    }
}

/// What a list calls who has claimed that name.
pub(crate) fn named(name: &str) -> Principal {
    Principal {
        scheme: "digest".to_owned(),
        id: format!("{name}:hash"),
    }
}

/// What comes of a claim.
pub(crate) fn prove(claim: &Claim) -> Result<Principal, Fault> {
    match claim.credential.0.split_once(':') {
        Some((name, PASSWORD)) => Ok(named(name)),
        _ => {
            let why = "the password is another one";
            Err(Fault::new(ErrorCode::AuthFailed, why))
        }
    }
}

/// All that a client is, having claimed this.
pub(crate) fn principals(client: usize, claims: &[Claim]) -> Vec<Principal> {
    let mut principals = vec![Principal {
        scheme: "ip".to_owned(),
        id: format!("10.0.0.{client}"),
    }];
    if client == SUPERUSER {
        principals.push(Principal {
            scheme: "super".to_owned(),
            id: "operator".to_owned(),
        });
    }
    for proved in claims.iter().filter_map(|claim| prove(claim).ok()) {
        if !principals.contains(&proved) {
            principals.push(proved);
        }
    }
    principals
}
