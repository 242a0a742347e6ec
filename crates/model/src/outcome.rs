//! What a client is told: results, and faults with ZooKeeper's numbers.

#![allow(missing_docs, reason = "the variants say what their fields are")]

use std::fmt;

use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize};

use crate::{Acl, Event, Explained, MountStats, PluginLogLine, Principal, Stat, ZnodePath};

/// A request's result.
pub type Answer = Result<Outcome, Fault>;

/// A request that went well.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// The node's final path and stat.
    Created { path: ZnodePath, stat: Stat },
    /// The node's new stat.
    Set(Stat),
    /// It is gone.
    Deleted,
    /// It is as the check demanded.
    Checked,
    /// One outcome for each change, in order: the four kinds above, nothing else. Bytes that nest
    /// multis are refused, so that decoding needs no deeper a stack than honest values do.
    Multi(#[serde(deserialize_with = "changes")] Vec<Self>),
    /// Data and stat.
    Got { data: Bytes, stat: Stat },
    /// Stat, or nothing if there is no such node.
    Existence(Option<Stat>),
    /// Names in order, the parent's stat, and whether there are more behind the last one.
    Children {
        names: Vec<String>,
        stat: Stat,
        more: bool,
    },
    /// This server has caught up.
    Synced,
    /// What a plugin answered.
    Called(Bytes),
    /// A step of a plugin's life cycle is done.
    PluginDone,
    /// The session is closed.
    Closed,
    /// The change of the ensemble that makes it this version is in force; see
    /// `/zareba/ensemble` for whether it is settled.
    EnsembleChanged { version: u64 },
    /// The token can be used.
    TokenAdded,
    /// The node's access control list and stat.
    GotAcl { acl: Acl, stat: Stat },
    /// How many nodes are below it.
    Counted(u64),
    /// Paths in order, and whether there are more behind the last one.
    Paths { paths: Vec<ZnodePath>, more: bool },
    /// Who the session has proved to be.
    Identities(Vec<Principal>),
    /// One result for each read of a [`crate::Op::MultiRead`], in order.
    MultiRead(Vec<ReadAnswer>),
    /// The watch is in force. What it would have told since the transaction named; `None` if that
    /// is not remembered: read again what is watched.
    Watching { missed: Option<Vec<Event>> },
    /// There is no such watch any more.
    Unwatched,
    /// The session has this identity too.
    Authenticated(Principal),
    /// So many nodes are gone, and whether the node itself is still there with others below it.
    SubtreeDeleted { deleted: u64, more: bool },
    /// The quota holds.
    QuotaSet,
    /// The session is over.
    SessionKilled,
    /// What a call would come to.
    Explained(Box<Explained>),
    /// What this server has seen of its plugins.
    PluginStats(Vec<MountStats>),
    /// Lines in order, and the number to go on behind.
    PluginLog {
        lines: Vec<PluginLogLine>,
        last: u64,
    },
}

/// The result of one read of several.
pub type ReadAnswer = Result<ReadOutcome, Fault>;

/// A read that went well, as one of several: [`Outcome`]'s of the same name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReadOutcome {
    Got {
        data: Bytes,
        stat: Stat,
    },
    Existence(Option<Stat>),
    Children {
        names: Vec<String>,
        stat: Stat,
        more: bool,
    },
    GotAcl {
        acl: Acl,
        stat: Stat,
    },
    Counted(u64),
    Paths {
        paths: Vec<ZnodePath>,
        more: bool,
    },
    Identities(Vec<Principal>),
    PluginStats(Vec<MountStats>),
    PluginLog {
        lines: Vec<PluginLogLine>,
        last: u64,
    },
}

impl From<ReadOutcome> for Outcome {
    fn from(read: ReadOutcome) -> Self {
        match read {
            ReadOutcome::Got { data, stat } => Self::Got { data, stat },
            ReadOutcome::Existence(stat) => Self::Existence(stat),
            ReadOutcome::Children { names, stat, more } => Self::Children { names, stat, more },
            ReadOutcome::GotAcl { acl, stat } => Self::GotAcl { acl, stat },
            ReadOutcome::Counted(count) => Self::Counted(count),
            ReadOutcome::Paths { paths, more } => Self::Paths { paths, more },
            ReadOutcome::Identities(principals) => Self::Identities(principals),
            ReadOutcome::PluginStats(mounts) => Self::PluginStats(mounts),
            ReadOutcome::PluginLog { lines, last } => Self::PluginLog { lines, last },
        }
    }
}

/// Outcomes of single changes, encoded like [`Outcome`]'s first four kinds.
#[derive(Deserialize)]
#[serde(rename = "Outcome")]
enum ChangeOutcome {
    Created { path: ZnodePath, stat: Stat },
    Set(Stat),
    Deleted,
    Checked,
}

fn changes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Outcome>, D::Error> {
    let changes = Vec::<ChangeOutcome>::deserialize(deserializer)?;
    let outcomes = changes.into_iter().map(|change| match change {
        ChangeOutcome::Created { path, stat } => Outcome::Created { path, stat },
        ChangeOutcome::Set(stat) => Outcome::Set(stat),
        ChangeOutcome::Deleted => Outcome::Deleted,
        ChangeOutcome::Checked => Outcome::Checked,
    });
    Ok(outcomes.collect())
}

/// A request that was refused or failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// What went wrong.
    pub code: ErrorCode,
    /// What was wrong, what was expected, what to do.
    pub message: String,
    /// Which change of a multi failed, counted from 0.
    pub index: Option<u32>,
}

impl Fault {
    /// A fault of one kind with its explanation.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            index: None,
        }
    }

    /// The same fault, naming the change of a multi it belongs to.
    #[must_use]
    pub fn at(mut self, index: usize) -> Self {
        self.index = u32::try_from(index).ok();
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(index) = self.index {
            write!(f, "change {index}: ")?;
        }
        write!(f, "{} ({})", self.message, self.code)
    }
}

impl std::error::Error for Fault {}

/// Kinds of faults. ZooKeeper's have its numbers, ours are below -200, a plugin's own are above 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ErrorCode {
    /// This server failed in a way that is its own fault.
    SystemError,
    /// A message could not be decoded.
    MarshallingError,
    /// Not offered.
    Unimplemented,
    /// A time limit passed.
    OperationTimeout,
    /// The request makes no sense.
    BadArguments,
    /// There is no such node.
    NoNode,
    /// The ACL does not allow it.
    NoAuth,
    /// The version named is not the node's.
    BadVersion,
    /// An ephemeral node cannot have children.
    NoChildrenForEphemerals,
    /// The node is there already.
    NodeExists,
    /// The node has children.
    NotEmpty,
    /// The session is unknown or over.
    SessionExpired,
    /// The session is attached to another server now.
    SessionMoved,
    /// Too much at once; try again later.
    Throttled,
    /// Something is larger than its limit.
    TooLarge,
    /// No plugin is mounted there, or it has no such operation.
    NoPlugin,
    /// The plugin is not compiled yet on the servers that need it; try again.
    PluginNotReady,
    /// The guest trapped; nothing of the call remains.
    PluginTrap,
    /// The guest ran out of time; nothing of the call remains.
    PluginDeadline,
    /// The guest went over a limit; nothing of the call remains.
    PluginLimit,
    /// The component was refused.
    PluginRefused,
    /// The plugin failed too often and is out of service.
    PluginQuarantined,
    /// The parked call was cancelled.
    CallCancelled,
    /// This server has no leader at the moment; try again.
    NotServing,
    /// The plugin's own fault, above 0.
    Plugin(i32),
    /// The change of the ensemble would lose the quorum.
    NoQuorum,
    /// Another change of the ensemble is under way.
    ReconfigInProgress,
    /// The access control list names nobody, or somebody in a way that no scheme knows.
    InvalidAcl,
    /// The credential does not prove the identity.
    AuthFailed,
    /// The quota of a node at or above the path does not allow it.
    QuotaExceeded,
    /// The session is a local one and cannot write: open one of the whole ensemble first.
    LocalSession,
    /// An operator has paused the plugin; try again later.
    PluginPaused,
    /// The revision would break callers of the present one.
    PluginBreaking,
}

const NUMBERS: [(ErrorCode, i32, &str); 32] = [
    (ErrorCode::SystemError, -1, "SYSTEM_ERROR"),
    (ErrorCode::MarshallingError, -5, "MARSHALLING_ERROR"),
    (ErrorCode::Unimplemented, -6, "UNIMPLEMENTED"),
    (ErrorCode::OperationTimeout, -7, "OPERATION_TIMEOUT"),
    (ErrorCode::BadArguments, -8, "BAD_ARGUMENTS"),
    (ErrorCode::NoNode, -101, "NO_NODE"),
    (ErrorCode::NoAuth, -102, "NO_AUTH"),
    (ErrorCode::BadVersion, -103, "BAD_VERSION"),
    (
        ErrorCode::NoChildrenForEphemerals,
        -108,
        "NO_CHILDREN_FOR_EPHEMERALS",
    ),
    (ErrorCode::NodeExists, -110, "NODE_EXISTS"),
    (ErrorCode::NotEmpty, -111, "NOT_EMPTY"),
    (ErrorCode::SessionExpired, -112, "SESSION_EXPIRED"),
    (ErrorCode::SessionMoved, -118, "SESSION_MOVED"),
    (ErrorCode::Throttled, -127, "THROTTLED"),
    (ErrorCode::TooLarge, -201, "TOO_LARGE"),
    (ErrorCode::NoPlugin, -202, "NO_PLUGIN"),
    (ErrorCode::PluginNotReady, -203, "PLUGIN_NOT_READY"),
    (ErrorCode::PluginTrap, -204, "PLUGIN_TRAP"),
    (ErrorCode::PluginDeadline, -205, "PLUGIN_DEADLINE"),
    (ErrorCode::PluginLimit, -206, "PLUGIN_LIMIT"),
    (ErrorCode::PluginRefused, -207, "PLUGIN_REFUSED"),
    (ErrorCode::PluginQuarantined, -208, "PLUGIN_QUARANTINED"),
    (ErrorCode::CallCancelled, -209, "CALL_CANCELLED"),
    (ErrorCode::NotServing, -210, "NOT_SERVING"),
    (ErrorCode::NoQuorum, -13, "NO_QUORUM"),
    (ErrorCode::ReconfigInProgress, -14, "RECONFIG_IN_PROGRESS"),
    (ErrorCode::InvalidAcl, -114, "INVALID_ACL"),
    (ErrorCode::AuthFailed, -115, "AUTH_FAILED"),
    (ErrorCode::QuotaExceeded, -125, "QUOTA_EXCEEDED"),
    (ErrorCode::LocalSession, -120, "LOCAL_SESSION"),
    (ErrorCode::PluginPaused, -211, "PLUGIN_PAUSED"),
    (ErrorCode::PluginBreaking, -212, "PLUGIN_BREAKING"),
];

impl ErrorCode {
    /// The number clients and guests see.
    pub fn number(self) -> i32 {
        match self {
            Self::Plugin(number) => number,
            known => NUMBERS
                .iter()
                .find(|(code, ..)| *code == known)
                .map_or(-1, |row| row.1),
        }
    }

    /// The kind a number stands for; an unknown negative number is a system error.
    pub fn from_number(number: i32) -> Self {
        if number > 0 {
            return Self::Plugin(number);
        }
        NUMBERS
            .iter()
            .find(|row| row.1 == number)
            .map_or(Self::SystemError, |row| row.0)
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plugin(number) => write!(f, "PLUGIN_{number}"),
            known => {
                let name = NUMBERS
                    .iter()
                    .find(|(code, ..)| code == known)
                    .map(|row| row.2);
                f.write_str(name.unwrap_or("SYSTEM_ERROR"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_comes_back_as_its_code() {
        for (code, number, _) in NUMBERS {
            assert_eq!(code.number(), number);
            assert_eq!(ErrorCode::from_number(number), code);
        }
        assert_eq!(ErrorCode::from_number(7), ErrorCode::Plugin(7));
        assert_eq!(ErrorCode::Plugin(7).number(), 7);
    }
}
