//! How a server comes into the ensemble: by a token that one use takes. Knows hashes, never a secret.

use serde::{Deserialize, Serialize};

use crate::{ServerId, Sha256};

/// A token, as it is replicated: whoever shows what hashes to `hash` may join, once.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct JoinToken {
    /// Of the secret, which only the operator has.
    pub hash: Sha256,
    /// True if the server becomes a voter as soon as it is level.
    pub voter: bool,
    /// It is of no use from this transaction time on, milliseconds since the Unix epoch.
    pub expires: u64,
    /// Who has used it. Kept until it expires, so that a server whose answer was lost may ask again.
    pub taken: Option<TakenToken>,
}

/// The one use of a token.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TakenToken {
    /// The number it gave.
    pub server: ServerId,
    /// The hash of the server's public key: nobody else may ask again.
    pub key: Sha256,
}

/// What a server that wants in says.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct JoinRequest {
    /// The hash of the secret it has shown.
    pub token: Sha256,
    /// The hash of the public key that it wants a certificate for.
    pub key: Sha256,
    /// Where other servers will reach it, `host:port`.
    pub peer_address: String,
    /// Where clients will reach it, `host:port`.
    pub client_address: String,
}
