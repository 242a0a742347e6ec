//! Known bugs of other logs, planted on request where this one avoids them, to prove that tests would
//! find them. Must never matter in a build without the feature `bugs`: there nobody can ask for one.

/// One mistake each, named by what goes wrong, with the issues in which it was made.
#[cfg_attr(
    not(feature = "bugs"),
    allow(dead_code, unreachable_pub, reason = "nobody can ask for one")
)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Bug {
    /// A new segment's name is not made durable (ClickHouse Keeper 116316).
    DirectoryNeverSynced,
    /// The epochs page counts as written before it is synced (ZK-1653, Keeper 113654).
    EpochsNeverSynced,
    /// A truncation drops one entry more than it was asked to (ZK-1156).
    TruncatesTooMuch,
    /// Behind a truncation the log goes on at the wrong offset (ZK-1489).
    AppendsBehindGap,
    /// What a truncation voids is still on the disk when it is reported done (Keeper 112101).
    TruncatesInMemoryOnly,
    /// A truncation that failed counts as done (ZK-3701).
    TruncationErrorIgnored,
    /// What could not be written is left out, and the log goes on behind it (ZK-4882).
    WriteErrorIgnored,
    /// A sync that failed is tried again, and believed (the fsyncgate of 2018).
    SyncTriedAgain,
    /// One unreadable record at the end costs the whole log (Keeper 56670).
    DropsLogForTornTail,
    /// A segment whose creation was cut short counts as damage (ZK-1621).
    RefusesUnbornSegment,
}
