//! What a server says of itself to operators. Knows no way to find it out.

use serde::{Deserialize, Serialize};

use crate::{Ensemble, Epoch, ServerId, Zxid};

/// One server as it sees itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerStatus {
    /// Its number.
    pub server: ServerId,
    /// `leading`, `following` or `looking`.
    pub role: String,
    /// The leader it knows.
    pub leader: Option<ServerId>,
    /// The newest epoch it takes part in.
    pub epoch: Epoch,
    /// The last transaction applied to its tree.
    pub applied: Zxid,
    /// The digest of its tree then.
    pub digest: u64,
    /// Znodes in its tree.
    pub znodes: u64,
    /// Sessions of the ensemble.
    pub sessions: u64,
    /// Clients connected to this server.
    pub connections: u64,
    /// Transactions proposed here and not committed.
    pub outstanding: u64,
    /// Its process; several servers may share one.
    pub process: u32,
    /// CPU time the process has used so far, user and system, microseconds.
    pub cpu_us: u64,
    /// False while it counts in no quorum: its log was damaged and is not refilled yet.
    pub may_vote: bool,
    /// The ensemble as this server has it, with the change under way.
    pub ensemble: Ensemble,
}
