//! What must happen in some run, for the runs to have meant anything: I35. Decides nothing.

use std::cell::Cell;
use std::fmt;

macro_rules! marks {
    ($($name:ident: $text:literal;)+) => {
        /// Something that many runs together must have reached.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[allow(missing_docs, reason = "the words beside the variants say what they are")]
        pub enum Mark {
            $($name,)+
        }

        impl Mark {
            /// Every mark.
            pub const ALL: [Self; [$(Self::$name),+].len()] = [$(Self::$name),+];

            /// In words.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)+
                }
            }
        }
    };
}

marks! {
    Diff: "followers brought level from memory";
    Trunc: "followers told to truncate";
    Snap: "followers sent a snapshot";
    SnapshotInstalled: "snapshots installed";
    SnapshotAbandoned: "snapshots abandoned on their way";
    InstallCut: "power cut while a snapshot came in";
    Reelected: "leaders that were elected again";
    TwoLeaders: "old leaders unaware of a new one";
    CommittedByLaterReign: "transactions committed by a later reign";
    ProposalsDropped: "proposals that came to nothing";
    CounterUsedUp: "epochs whose counter was used up";
    CutAmidOutputs: "power cuts amid the outputs of a batch";
    TornTail: "torn tails cut";
    Damage: "logs found damaged";
    ImageSetAside: "unreadable images set aside";
    StoppedByDisk: "servers stopped by their disk";
    StartRefusedByDisk: "starts refused by a disk";
    Refilled: "servers refilled that did not vote";
    RecoveredTwice: "recoveries made twice";
    ReplayedOverImage: "recoveries from an image and a log";
    CheckpointCut: "power cuts amid a checkpoint";
    Checkpoint: "checkpoints";
    Purged: "logs purged";
    Drained: "messages that arrived over a broken link";
    Zombie: "messages of an old link refused";
    Replaced: "half-open links replaced by new ones";
    SessionExpired: "sessions expired";
    SessionMoved: "sessions moved";
    ResentAnswered: "requests sent again and answered once";
    DuplicateRefused: "duplicates refused";
    Refused: "requests refused";
    MultiDone: "multis done";
    MultiRefused: "multis refused";
    Parked: "calls parked";
    ParkedAnswered: "parked calls answered";
    ParkedOutlivedLeader: "parked calls answered by a later reign";
    ParkedCancelled: "parked calls cancelled";
    TimerRang: "timers rung";
    EventKept: "events kept for another try";
    RevisionChanged: "revisions activated";
    WatchFired: "watches fired";
    WatchResumed: "watches resumed elsewhere";
    WatchMissed: "changes missed and told on return";
    EventRepeated: "events told again because their client could not say that it had heard them";
    MemoryTooShort: "clients whose past a server did not remember";
    EventGuessed: "events guessed from the nodes";
    Resync: "clients told to read again";
    PersistentFired: "watches that stay fired";
    PersistentMissed: "changes missed by watches that stay, and told on return";
    RecursiveFired: "watches told of nodes below theirs";
    WatchRemoved: "watches taken back";
    PastTold: "watches that began in the past and were told of it";
    PastForgotten: "watches that began in a past that nobody remembered";
    LocalOpened: "sessions of one server opened";
    LocalResumed: "sessions of one server resumed with their watches at another";
    LocalBehind: "sessions of one server that found another behind what they had heard";
    LocalRefused: "writes refused in sessions of one server";
    ReadAlone: "reads answered by servers without a leader";
    Upgraded: "sessions of one server that became the ensemble's";
    UpgradedWithWatches: "the same, with watches";
    UpgradedWithRequests: "the same, with requests under way";
    Identified: "identities proved amid a session";
    ClaimRefused: "false claims refused";
    WriteForbidden: "writes refused by a list";
    ReadForbidden: "reads refused by a list";
    AclSet: "lists replaced";
    AclShown: "lists shown";
    AdministratorsSet: "administrators changed";
    QuotaSet: "quotas set";
    QuotaKept: "writes refused by a quota";
    QuotaWarned: "soft limits passed and told";
    ContainerEnded: "containers ended";
    TtlEnded: "nodes ended by their TTL";
    SubtreeDeleted: "subtrees deleted";
    SessionKilled: "sessions killed";
    MultiRead: "reads of one point in time";
    EphemeralsListed: "lists of ephemeral nodes";
    Counted: "subtrees counted";
    SyncDone: "syncs done";
    Joined: "servers that joined an ensemble";
    Promoted: "observers promoted";
    LeaderRemoved: "leaders removed";
    Left: "servers that left an ensemble";
    ChangeRefused: "changes of an ensemble refused for want of a quorum";
    JointElection: "leaders elected amid a change of the ensemble";
    SnapToObserver: "observers sent a snapshot";
}

/// How often each mark was reached in one run.
#[derive(Debug)]
pub(crate) struct Marks([Cell<u64>; Mark::ALL.len()]);

impl Marks {
    pub(crate) fn new() -> Self {
        Self([const { Cell::new(0) }; Mark::ALL.len()])
    }

    /// This has happened.
    pub(crate) fn reach(&self, mark: Mark) {
        if let Some(cell) = self.0.get(mark as usize) {
            cell.set(cell.get() + 1);
        }
    }

    pub(crate) fn reach_if(&self, reached: bool, mark: Mark) {
        if reached {
            self.reach(mark);
        }
    }

    pub(crate) fn counts(&self) -> impl Iterator<Item = u64> {
        self.0.iter().map(Cell::get)
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
