//! Who the client is to the servers. Knows no connection, and shows no secret.

use zareba_model::{Claim, Credential, Op, Outcome, Principal, Read};

use crate::client::unexpected;
use crate::{Client, Error};

impl Client {
    /// Proves one more identity, and returns it: `user:password` for the scheme `digest`, whose
    /// identity `user:HASH` is what access control lists name. What is asked behind it is asked with it, by all
    /// clones. It is kept and proved again to every server that the session comes to.
    ///
    /// A certificate of the [profile](crate::Profile) (scheme `x509`) and the address (`ip`) are proved by
    /// the connection itself.
    ///
    /// Refused with `AUTH_FAILED`, `TOO_LARGE` (32 identities).
    ///
    /// Cancellation: a dropped future may or may not have proved it; [`who_am_i`](Self::who_am_i) tells.
    pub async fn authenticate(
        &self,
        scheme: impl Into<String>,
        credential: impl Into<String>,
    ) -> Result<Principal, Error> {
        let claim = Claim {
            scheme: scheme.into(),
            credential: Credential(credential.into()),
        };
        match self.request(Op::Authenticate(claim)).await?.outcome {
            Outcome::Authenticated(principal) => Ok(principal),
            other => Err(unexpected("a proof of identity", &other)),
        }
    }

    /// Who the session has proved to be, as access control lists name it. Dropping the future leaves nothing.
    pub async fn who_am_i(&self) -> Result<Vec<Principal>, Error> {
        match self.request(Op::Read(Read::WhoAmI)).await?.outcome {
            Outcome::Identities(principals) => Ok(principals),
            other => Err(unexpected("a question of identity", &other)),
        }
    }
}
