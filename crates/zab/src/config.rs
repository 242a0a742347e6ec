//! The ensemble and the times and windows of broadcast. Defaults suit servers on one machine or
//! in one data centre.

#![allow(
    unpredictable_function_pointer_comparisons,
    reason = "configurations are compared only by a checker, which sets the function once"
)]

use zareba_model::{Ensemble, ServerId};

/// How one server takes part.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Config {
    /// This server.
    pub me: ServerId,
    /// The members, until the tree, a snapshot or the log tells of a newer ensemble.
    pub ensemble: Ensemble,
    /// The one question asked of a payload: does it change the ensemble, and to what? An ensemble
    /// with a higher version than all before it is in force as soon as its entry is in the log.
    pub ensemble_in: fn(&[u8]) -> Option<Ensemble>,
    /// True for a server that never held a history and may not vote for that: together with all
    /// other voters it may begin an ensemble, if none of them has a transaction.
    pub may_begin: bool,
    /// This process's attempts to join a leader are numbered from the next one on. Another for each
    /// process of a server, far from all earlier ones: what a leader still has to say to a process that
    /// is no more may reach the one that came after it.
    pub joins_from: u64,
    /// A leader pings so often, milliseconds.
    pub heartbeat_ms: u64,
    /// A follower that hears nothing from its leader for so long looks for another; a leader that
    /// hears from no quorum for so long steps down. Milliseconds.
    pub silence_max_ms: u64,
    /// Ticks further apart than this mean that this server itself stood still: what lies beyond
    /// counts as nobody's silence, for what was sent meanwhile may not have been read yet.
    /// Milliseconds, several times what lies between two ticks.
    pub tick_gap_max_ms: u64,
    /// Discovery and synchronization must end within this, snapshot streams apart, milliseconds.
    pub join_max_ms: u64,
    /// A quorum agrees, yet better votes may be on their way: wait so long, milliseconds.
    pub settle_ms: u64,
    /// A looking server repeats its vote so often, milliseconds.
    pub vote_repeat_ms: u64,
    /// Committed entries kept in memory for followers that are a little behind: how many.
    pub window_entries: usize,
    /// The same in bytes.
    pub window_bytes: usize,
    /// Entries in one `Propose` message at most.
    pub batch_entries_max: usize,
    /// Bytes in one `Propose` message, beyond which it is closed.
    pub batch_bytes_max: usize,
    /// A follower is sent no more while so many bytes are sent and not durable there; so at most
    /// these and one message are under way to it. Pings wait behind them, so a link should carry
    /// them in much less than the time of silence.
    pub feed_bytes_max: usize,
    /// A follower whose durable log ends at most so many entries behind what is committed is level:
    /// it may serve, and become a voter.
    pub lag_entries_max: usize,
    /// The last counter of an epoch; behind it the leader opens a new epoch.
    pub counter_max: u32,
    /// A bug planted on purpose, to prove that tests would find it.
    #[cfg(feature = "bugs")]
    pub bug: Option<Bug>,
}

/// Known bugs of other implementations, planted on request.
#[cfg_attr(
    not(feature = "bugs"),
    allow(dead_code, unreachable_pub, reason = "nobody can ask for one")
)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Bug {
    /// What is written counts as durable at once.
    AckBeforeFsync,
    /// One server's log is enough to commit.
    CommitBelowQuorum,
    /// A follower writes the new current epoch before the history it belongs to.
    EpochBeforeHistory,
    /// A follower answers NEWLEADER before the history it was sent is durable (ZOOKEEPER-3911).
    AckNewLeaderBeforeHistory,
    /// A server that looks for a leader anew takes all of its log for committed
    /// (ZOOKEEPER-2845).
    UncommittedDeliveredAcrossElections,
    /// What a follower is sent in synchronization is logged only once it may serve
    /// (ZOOKEEPER-3911, in its own words).
    SyncedLoggedAtUpToDate,
    /// A leader takes an ack that comes before the one of NEWLEADER for an error (ZOOKEEPER-4685).
    EarlyAckIsAnError,
    /// A follower delivers what it was sent in synchronization before the reign is established
    /// (ZOOKEEPER-3023).
    SyncedDeliveredAtNewLeader,
    /// A commit point between NEWLEADER and UPTODATE is an error (ZOOKEEPER-4394).
    EarlyCommitIsAnError,
    /// TRUNC cuts the disk at once, the memory only when the history behind it comes
    /// (ZOOKEEPER-5094).
    TruncatesMemoryLate,
    /// What is known to be durable is not taken back with a truncation (ClickHouse Keeper 102629).
    DurableSurvivesTruncation,
    /// A leader names its epoch before it has promised it durably itself (ZOOKEEPER-1291).
    EpochNamedBeforeDurable,
    /// The current epoch is written at UPTODATE, not before NEWLEADER is acked (ZOOKEEPER-1282).
    CurrentEpochAtUpToDate,
    /// A counter that is used up carries into the epoch (ZOOKEEPER-1277).
    CounterCarriesIntoEpoch,
    /// A leader takes its log for committed without a quorum that has it (ZOOKEEPER-790).
    EstablishedWithoutQuorum,
    /// What a server has received in synchronization is left out when it leads and brings others
    /// level itself (ZOOKEEPER-4925).
    SyncedMissingFromWindow,
    /// A log that ends below the leader's own counts as a prefix of it (ZOOKEEPER-1549, 2832).
    LowerEndIsAPrefix,
    /// A log that ends above the leader's own is not truncated (ZOOKEEPER-1154).
    HigherEndIsKept,
    /// A leader confirms that it leads without asking anybody (etcd 20418).
    ConfirmsWithoutQuorum,
}

impl Config {
    /// Defaults for an ensemble of equal voters that never changes.
    pub fn new(me: ServerId, voters: impl IntoIterator<Item = ServerId>) -> Self {
        Self {
            me,
            ensemble: Ensemble::of_voters(voters),
            ensemble_in: |_| None,
            may_begin: false,
            joins_from: 0,
            heartbeat_ms: 50,
            silence_max_ms: 400,
            tick_gap_max_ms: 30,
            join_max_ms: 5_000,
            settle_ms: 20,
            vote_repeat_ms: 100,
            window_entries: 20_000,
            window_bytes: 64 << 20,
            batch_entries_max: 1_000,
            batch_bytes_max: 1 << 20,
            feed_bytes_max: 4 << 20,
            lag_entries_max: 10_000,
            counter_max: u32::MAX,
            #[cfg(feature = "bugs")]
            bug: None,
        }
    }
}

impl Config {
    /// True if one log is enough to commit; only as a planted bug.
    pub(crate) fn commits_below_quorum(&self) -> bool {
        #[cfg(feature = "bugs")]
        if self.bug == Some(Bug::CommitBelowQuorum) {
            return true;
        }
        false
    }

    /// True if writes are to be taken for durable at once; only as a planted bug.
    pub(crate) fn is_careless(&self) -> bool {
        #[cfg(feature = "bugs")]
        if self.bug == Some(Bug::AckBeforeFsync) {
            return true;
        }
        false
    }

    /// True if NEWLEADER is to be answered at once; only as a planted bug.
    pub(crate) fn acks_history_early(&self) -> bool {
        #[cfg(feature = "bugs")]
        if self.bug == Some(Bug::AckNewLeaderBeforeHistory) {
            return true;
        }
        false
    }

    /// True if all of the log is to be taken for committed by an election; only as a planted bug.
    pub(crate) fn delivers_uncommitted(&self) -> bool {
        #[cfg(feature = "bugs")]
        if self.bug == Some(Bug::UncommittedDeliveredAcrossElections) {
            return true;
        }
        false
    }

    /// True if the current epoch is to be written before its history; only as a planted bug.
    pub(crate) fn writes_epoch_first(&self) -> bool {
        #[cfg(feature = "bugs")]
        if self.bug == Some(Bug::EpochBeforeHistory) {
            return true;
        }
        false
    }

    /// True if that bug was planted; in a build without the feature none can be.
    #[cfg(feature = "bugs")]
    pub(crate) fn has_bug(&self, bug: Bug) -> bool {
        self.bug == Some(bug)
    }

    /// True if that bug was planted; in a build without the feature none can be.
    #[cfg(not(feature = "bugs"))]
    pub(crate) const fn has_bug(&self, _: Bug) -> bool {
        false
    }
}
