//! Who may do what: access control lists and the identities they name. Decides nothing itself.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The scheme of an identity that may do everything.
pub const SUPER_SCHEME: &str = "super";

/// One identity of a caller, such as `x509:CN=app` or `world:anyone`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Principal {
    /// How the identity was proved.
    pub scheme: String,
    /// The identity itself.
    pub id: String,
}

/// What proves an identity. `Debug` hides it.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Credential(pub String);

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credential(redacted)")
    }
}

/// An identity that a client claims, with what proves it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Claim {
    /// How it is proved.
    pub scheme: String,
    /// The proof; `user:password` for the scheme `digest`.
    pub credential: Credential,
}

/// A set of permissions, with ZooKeeper's bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Permissions(pub u8);

impl Permissions {
    /// May read data and list children.
    pub const READ: Self = Self(1);
    /// May set data.
    pub const WRITE: Self = Self(2);
    /// May create children.
    pub const CREATE: Self = Self(4);
    /// May delete children.
    pub const DELETE: Self = Self(8);
    /// May set the ACL.
    pub const ADMIN: Self = Self(16);
    /// All five.
    pub const ALL: Self = Self(31);

    /// True if every permission of `wanted` is in this set.
    pub const fn contains(self, wanted: Self) -> bool {
        self.0 & wanted.0 == wanted.0
    }
}

/// What one identity may do.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AclEntry {
    /// What is allowed.
    pub permissions: Permissions,
    /// To whom.
    pub principal: Principal,
}

/// The access control list of one znode. The empty list means: open to everybody.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Acl(pub Vec<AclEntry>);

impl Acl {
    /// Everybody may do everything.
    pub const fn open() -> Self {
        Self(Vec::new())
    }

    /// True if there is nothing to check.
    pub fn is_open(&self) -> bool {
        self.0.is_empty()
    }
}
