//! The bank of historical bugs: each one's names, and the switch that plants it in the room where our
//! code avoids it.
//!
//! Must never know how a bug is found, nor change anything when none is asked for.

use std::cell::RefCell;
#[cfg(feature = "bugs")]
use std::fmt;
use std::rc::Rc;

use zareba_log::{Log, LogError, Origin, Recovered};
use zareba_replica::recovery::Recovery;

use crate::medium::Medium;

/// Mistakes of the shell, made by the simulator's own disk thread.
#[cfg_attr(
    not(feature = "bugs"),
    allow(dead_code, reason = "nobody can ask for one")
)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ShellBug {
    /// An election leaves the old disk thread at work: the new one overtakes what it still writes.
    TwoWriters,
    /// A snapshot replaces the image record by record instead of in one step.
    SnapshotInPlace,
    /// A snapshot is called installed while its image is in memory only.
    SnapshotInMemory,
    /// A server whose disk has failed goes on without it.
    LivesWithoutDisk,
    /// A server whose log is damaged counts in quorums.
    DamagedVotes,
    /// What a checkpoint stands for is written down before its records.
    MarkBeforeRecords,
}

/// Where a bug is planted.
#[cfg(feature = "bugs")]
#[derive(Clone, Copy, Debug)]
enum Switch {
    Zab(zareba_zab::Bug),
    Log(zareba_log::Bug),
    Replica(zareba_replica::Bug),
    Shell(ShellBug),
}

#[cfg(feature = "bugs")]
macro_rules! bank {
    ($($variant:ident $name:literal $id:literal $switch:ident $bug:path = $mistake:literal;)*) => {
        /// A bug that others have had, by its issue.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Implant {
            $(#[doc = $mistake] $variant,)*
        }

        impl Implant {
            /// All of them, in the order of the catalogue.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// Its issue, as `--bug` takes it.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            /// Its number in the catalogue of historical bugs.
            pub const fn id(self) -> &'static str {
                match self { $(Self::$variant => $id),* }
            }

            /// What goes wrong.
            pub const fn mistake(self) -> &'static str {
                match self { $(Self::$variant => $mistake),* }
            }

            /// The switch that plants it, as it is called in its room.
            pub fn place(self) -> String {
                match self.switch() {
                    Switch::Zab(bug) => format!("zab: `{bug:?}`"),
                    Switch::Log(bug) => format!("log: `{bug:?}`"),
                    Switch::Replica(bug) => format!("replica: `{bug:?}`"),
                    Switch::Shell(bug) => format!("disk thread: `{bug:?}`"),
                }
            }

            const fn switch(self) -> Switch {
                match self { $(Self::$variant => Switch::$switch($bug)),* }
            }
        }
    };
}

#[cfg(feature = "bugs")]
use {zareba_log::Bug as InLog, zareba_replica::Bug as InReplica, zareba_zab::Bug as InZab};

#[cfg(feature = "bugs")]
bank! {
    Zk3911 "zk-3911" "A1" Zab InZab::SyncedLoggedAtUpToDate =
        "A follower acks NEWLEADER before it has logged what it was sent.";
    Zk4646 "zk-4646" "A2" Zab InZab::AckNewLeaderBeforeHistory =
        "The ack of NEWLEADER leaves while the history is still on its way to the disk.";
    Zk4643 "zk-4643" "A3" Zab InZab::EpochBeforeHistory =
        "The current epoch is written before the history that it stands for.";
    Zk4685 "zk-4685" "A4" Zab InZab::EarlyAckIsAnError =
        "A leader gives up because an ack came before the one of NEWLEADER.";
    Zk3023 "zk-3023" "A5" Zab InZab::SyncedDeliveredAtNewLeader =
        "A follower delivers what it was sent in synchronization before a quorum has it.";
    Zk4394 "zk-4394" "A6" Zab InZab::EarlyCommitIsAnError =
        "A follower gives up because a commit came between NEWLEADER and UPTODATE.";
    Zk4712 "zk-4712" "A7" Shell ShellBug::TwoWriters =
        "An election leaves the old disk thread at work: two write one log.";
    Zk4925 "zk-4925" "A9" Zab InZab::SyncedMissingFromWindow =
        "What a server received in synchronization is missing when it brings others level.";
    Zk5094 "zk-5094" "A10" Zab InZab::TruncatesMemoryLate =
        "TRUNC cuts the disk at once, the memory only when more comes.";
    Zk3642 "zk-3642" "A11" Shell ShellBug::SnapshotInMemory =
        "A snapshot is taken over in memory and the log goes on behind it; the image is not written.";
    Zk2872 "zk-2872" "A12" Shell ShellBug::SnapshotInPlace =
        "A snapshot that was cut short is taken for whole.";
    Zk2845 "zk-2845" "A14" Zab InZab::UncommittedDeliveredAcrossElections =
        "An election leaves uncommitted transactions applied in memory.";
    Zk1549 "zk-1549" "A15" Zab InZab::LowerEndIsAPrefix =
        "A log with an uncommitted tail is taken for a prefix of the leader's and not truncated.";
    Zk1154 "zk-1154" "A16" Zab InZab::HigherEndIsKept =
        "A log that ends above the leader's gets a DIFF instead of a TRUNC.";
    Zk1156 "zk-1156" "A16" Log InLog::TruncatesTooMuch =
        "A truncation drops more than it was asked to.";
    Zk1489 "zk-1489" "A17" Log InLog::AppendsBehindGap =
        "Behind a truncation the log goes on at the wrong offset.";
    Zk3701 "zk-3701" "A18" Log InLog::TruncationErrorIgnored =
        "A truncation fails, and the server goes on as if it had not.";
    Zk4882 "zk-4882" "A21" Log InLog::WriteErrorIgnored =
        "An entry that could not be written is committed in memory and missing in the log.";
    Zk1653 "zk-1653" "A22" Log InLog::EpochsNeverSynced =
        "The epochs page is changed in memory first and not made durable.";
    Zk1282 "zk-1282" "A23" Zab InZab::CurrentEpochAtUpToDate =
        "The current epoch is written at UPTODATE, not at NEWLEADER.";
    Zk1291 "zk-1291" "A23" Zab InZab::EpochNamedBeforeDurable =
        "A leader proposes an epoch that it has not accepted durably itself.";
    Zk1277 "zk-1277" "A24" Zab InZab::CounterCarriesIntoEpoch =
        "A counter that is used up rolls over into the epoch.";
    Zk790 "zk-790" "A25" Zab InZab::EstablishedWithoutQuorum =
        "A leader takes its log for committed before a quorum has it.";
    Zk2247 "zk-2247" "A28" Shell ShellBug::LivesWithoutDisk =
        "A leader that cannot write its log any more keeps its reign.";
    Etcd13766 "etcd-13766" "A31" Shell ShellBug::MarkBeforeRecords =
        "How far the image goes is written apart from, and before, what it holds.";
    Etcd14370 "etcd-14370" "A32" Zab InZab::AckBeforeFsync =
        "What is written counts as durable before its sync.";
    Etcd20418 "etcd-20418" "A35" Zab InZab::ConfirmsWithoutQuorum =
        "A leader answers linearizable reads without asking whether it still leads.";
    Keeper102629 "keeper-102629" "A38" Zab InZab::DurableSurvivesTruncation =
        "The durable mark is not taken back with a truncation.";
    Keeper116316 "keeper-116316" "A40" Log InLog::DirectoryNeverSynced =
        "A new segment's directory entry is not synced.";
    Keeper112101 "keeper-112101" "A41" Log InLog::TruncatesInMemoryOnly =
        "A truncation is reported done while the old tail is still on the disk.";
    Keeper56670 "keeper-56670" "A43" Log InLog::DropsLogForTornTail =
        "One unreadable entry at the end costs the whole log.";
    Nuraft185 "nuraft-185" "A44" Shell ShellBug::DamagedVotes =
        "A server with a damaged log rejoins and votes.";
    Zk3127 "zk-3127" "B46" Replica InReplica::CheckpointClaimsItsEnd =
        "A checkpoint claims transactions of which it holds only a part.";
    Zk3125 "zk-3125" "B47" Replica InReplica::ReplaySkipsVoidDeletions =
        "Replaying a deletion is not idempotent: the parent's stat goes back.";
    Zk1208 "zk-1208" "C59" Replica InReplica::CloseSparesNodesInFlight =
        "An ephemeral that is on its way when its session is closed lives for ever.";
    Keeper116690 "keeper-116690" "C63" Replica InReplica::NewSessionForAnOldOne =
        "A client whose session is over silently gets a new one.";
    Etcd15247 "etcd-15247" "C65" Replica InReplica::StallCountsAsSilence =
        "A leader that stood still ends sessions whose signs of life wait in its queue.";
    Zk1412 "zk-1412" "C67" Replica InReplica::AnswersBeforeEvents =
        "A client sees a change before the event of its watch.";
    Zk1382 "zk-1382" "C69" Replica InReplica::WatchesOutliveSession =
        "The watches of a session that is gone stay.";
    Keeper28197 "keeper-28197" "C70" Replica InReplica::WatchSetBeforeRead =
        "A watch fires before the answer to the read that set it.";
    Fsyncgate "fsyncgate" "D73" Log InLog::SyncTriedAgain =
        "A sync that failed is tried again and believed, though its pages are dropped.";
    Zk1621 "zk-1621" "D74" Log InLog::RefusesUnbornSegment =
        "A segment whose creation was cut short keeps the server from starting whole.";
    Zk1366 "zk-1366" "D76" Replica InReplica::ExpiryByWallClock =
        "Sessions expire by the time of day, which jumps.";
    ReturnLosesWatch "ours-1" "ours" Replica InReplica::StayingWatchLostOnReturn =
        "A watch that stays does not, when its client comes back.";
    NeighbourHeard "ours-2" "ours" Replica InReplica::RecursiveHearsNeighbours =
        "A recursive watch on /a tells of /ab.";
    UpgradeLosesWatch "ours-3" "ours" Replica InReplica::WatchesLostAtUpgrade =
        "A server's own session loses its watches when it becomes one of the ensemble.";
    HalfAnImage "ours-4" "ours" Replica InReplica::RemembersHalfAnImage =
        "Replay over a fuzzy image passes for all that happened.";
    PastBehindAnswers "ours-5" "ours" Replica InReplica::RemembersBehindAnswers =
        "A watch that waited in line begins between a transaction and the memory of it.";
    ChildInFlight "ours-6" "ours" Replica InReplica::ContainerEndsWithChildInFlight =
        "A container ends though a child of it is on its way.";
    TtlJumps "ours-7" "ours" Replica InReplica::TtlByWallClock =
        "A node with a TTL ends by the time of day, which jumps.";
    QuotaInFlight "ours-8" "ours" Replica InReplica::QuotaIgnoresInFlight =
        "A hard limit is compared with what is applied, not with what is on its way.";
    AccessInFlight "ours-9" "ours" Replica InReplica::AccessIgnoresInFlight =
        "A permission is looked up in what is applied, not in what is on its way.";
    RenewsAlone "ours-10" "ours" Replica InReplica::RenewsAlone =
        "A client is told that its session lives by a server that has not asked the leader.";
    ReturnIsNoSign "ours-11" "ours" Replica InReplica::ReturnIsNoSign =
        "A session ends for silence right behind its client's return, which was on its way.";
}

#[cfg(feature = "bugs")]
impl Implant {
    /// The one of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|it| it.name() == name)
    }
}

#[cfg(feature = "bugs")]
impl fmt::Display for Implant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What is planted in a run; nothing in a build without the feature.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Planted {
    #[cfg(feature = "bugs")]
    pub(crate) implant: Option<Implant>,
}

#[cfg(feature = "bugs")]
impl Planted {
    fn switch(self) -> Option<Switch> {
        self.implant.map(Implant::switch)
    }

    /// True if the disk thread makes that mistake.
    pub(crate) fn has(self, bug: ShellBug) -> bool {
        matches!(self.switch(), Some(Switch::Shell(planted)) if planted == bug)
    }

    /// Plants it in a server's request path or broadcast, if it belongs there.
    pub(crate) fn configure(self, config: &mut zareba_replica::Config) {
        match self.switch() {
            Some(Switch::Zab(bug)) => config.zab.bug = Some(bug),
            Some(Switch::Replica(bug)) => config.bug = Some(bug),
            Some(Switch::Log(_) | Switch::Shell(_)) | None => {}
        }
    }

    /// Plants it in a recovery, if it belongs there.
    pub(crate) fn recovery(self, recovery: &mut Recovery) {
        if let Some(Switch::Replica(bug)) = self.switch() {
            recovery.plant(Some(bug));
        }
    }

    /// Opens a log, with the bug in it if it belongs there.
    pub(crate) fn open_log(
        self,
        device: Device,
        layout: zareba_log::Config,
        origin: Origin,
    ) -> Result<(Log<Device>, Recovered), LogError> {
        let bug = match self.switch() {
            Some(Switch::Log(bug)) => Some(bug),
            _ => None,
        };
        Log::open_with_bug(device, layout, origin, bug)
    }
}

#[cfg(not(feature = "bugs"))]
impl Planted {
    /// Nothing is planted.
    pub(crate) const fn has(self, _: ShellBug) -> bool {
        false
    }

    /// Nothing is planted.
    pub(crate) const fn configure(self, _: &mut zareba_replica::Config) {}

    /// Nothing is planted.
    pub(crate) const fn recovery(self, _: &mut Recovery) {}

    /// Opens a log.
    pub(crate) fn open_log(
        self,
        device: Device,
        layout: zareba_log::Config,
        origin: Origin,
    ) -> Result<(Log<Device>, Recovered), LogError> {
        Log::open(device, layout, origin)
    }
}

/// A simulated server's disk.
pub(crate) type Device = Rc<RefCell<Medium>>;
