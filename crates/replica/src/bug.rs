//! Known bugs of other servers' request paths, planted on request where this one avoids them, to prove
//! that tests would find them. Must never matter in a build without the feature `bugs`.

/// One mistake each, named by what goes wrong, with the issues in which it was made.
#[cfg_attr(
    not(feature = "bugs"),
    allow(unreachable_pub, reason = "nobody can ask for one")
)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Bug {
    /// A checkpoint says that it stands for the tree at its end, though parts of it are older
    /// (ZK-3127).
    CheckpointClaimsItsEnd,
    /// Replaying a deletion whose node is gone already does not touch the parent (ZK-3125, 3145).
    ReplaySkipsVoidDeletions,
    /// The end of a session spares the ephemeral nodes that are still on their way (ZK-1208).
    CloseSparesNodesInFlight,
    /// A client that comes back with a session that is over silently gets a new one (Keeper 116690).
    NewSessionForAnOldOne,
    /// A leader that stood still counts that time as its clients' silence (etcd 15247).
    StallCountsAsSilence,
    /// Sessions expire by the time of day (ZK-1366).
    ExpiryByWallClock,
    /// The watches of a session that is gone stay (ZK-1382).
    WatchesOutliveSession,
    /// A watch is set when its read comes in, not when it is answered (Keeper 28197).
    WatchSetBeforeRead,
    /// An answer leaves before the events of the transaction that it reveals (ZK-1412).
    AnswersBeforeEvents,
    /// A watch that stays does not, when its client comes back.
    StayingWatchLostOnReturn,
    /// A recursive watch tells of nodes whose paths only begin like its own.
    RecursiveHearsNeighbours,
    /// The watches of a server's own session are lost when it becomes one of the ensemble.
    WatchesLostAtUpgrade,
    /// Events of transactions that a fuzzy image may hold already are remembered as replay saw them.
    RemembersHalfAnImage,
    /// What a transaction did is remembered only behind the answers that it lets go.
    RemembersBehindAnswers,
    /// A container ends though a child of it is on its way.
    ContainerEndsWithChildInFlight,
    /// A node with a TTL ends by the time of day, which jumps.
    TtlByWallClock,
    /// A hard limit is compared with what is applied, not with what is on its way.
    QuotaIgnoresInFlight,
    /// A permission is looked up in what is applied, not in what is on its way.
    AccessIgnoresInFlight,
    /// A client is told that its session lives by a server that has not asked the leader.
    RenewsAlone,
    /// A client's return is no sign of life before it is applied.
    ReturnIsNoSign,
}
