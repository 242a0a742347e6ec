//! The nouns that cross walls: plain, valid-by-construction data that at least two rooms speak of.
//!
//! This room must never know bytes on a wire, a clock, a disk, a socket or how any decision is made.

pub mod zxid;
pub use zxid::{Epoch, ServerId, Zxid};

pub mod path;
pub use path::{PathError, ZnodePath};

pub mod acl;
pub use acl::{Acl, AclEntry, Claim, Credential, Permissions, Principal, SUPER_SCHEME};

pub mod stat;
pub use stat::{Lifetime, Stat};

pub mod session;
pub use session::{Acked, Attachment, Password, SessionId, Xid};

pub mod ensemble;
pub use ensemble::{Ensemble, EnsembleChange, EnsembleError, Member, MemberRole, Members};

pub mod join;
pub use join::{JoinRequest, JoinToken, TakenToken};

pub mod op;
pub use op::{
    Change, ChildrenPage, CreateMode, EnsembleOp, Op, PathsPage, PluginOp, Read, WatchOp, Write,
};

pub mod plugin;
pub use plugin::{
    CallId, GuestEvent, Limits, Mount, OpDescription, ParkedCall, PluginDescription, PublisherKey,
    Publishers, Revision, Sha256, Signature, Timer, WatchDescription, signed_text,
};

pub mod plugin_stats;
pub use plugin_stats::{GuestCost, GuestMetric, Latency, MountStats, OpStats, PluginLogLine};

pub mod explained;
pub use explained::{Explained, ExplainedAnswer};

pub mod evolution;
pub use evolution::{Difference, differences};

pub mod outcome;
pub use outcome::{Answer, ErrorCode, Fault, Outcome, ReadAnswer, ReadOutcome};

pub mod quota;
pub use quota::{Quota, Usage};

pub mod txn;
pub use txn::{Cause, DigestMark, Effect, Entry, Txn};

pub mod event;
pub use event::{Event, EventKind, WatchKind, WatchSpec};

pub mod relay;
pub use relay::{Forward, Refused, Relay};

pub mod status;
pub use status::ServerStatus;

pub mod limits;
