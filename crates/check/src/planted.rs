//! The bugs that can be planted in the broadcast core, by name. Knows nothing of what they do.

use zareba_zab::Bug;

/// All of them.
pub const BUGS: [Bug; 19] = [
    Bug::AckBeforeFsync,
    Bug::CommitBelowQuorum,
    Bug::EpochBeforeHistory,
    Bug::AckNewLeaderBeforeHistory,
    Bug::UncommittedDeliveredAcrossElections,
    Bug::SyncedLoggedAtUpToDate,
    Bug::EarlyAckIsAnError,
    Bug::SyncedDeliveredAtNewLeader,
    Bug::EarlyCommitIsAnError,
    Bug::TruncatesMemoryLate,
    Bug::DurableSurvivesTruncation,
    Bug::EpochNamedBeforeDurable,
    Bug::CurrentEpochAtUpToDate,
    Bug::CounterCarriesIntoEpoch,
    Bug::EstablishedWithoutQuorum,
    Bug::SyncedMissingFromWindow,
    Bug::LowerEndIsAPrefix,
    Bug::HigherEndIsKept,
    Bug::ConfirmsWithoutQuorum,
];

/// The bug of that name, as the core's documentation writes it.
pub fn bug_named(name: &str) -> Result<Bug, String> {
    let mut bugs = BUGS.into_iter();
    bugs.find(|bug| format!("{bug:?}") == name).ok_or_else(|| {
        let names = BUGS.map(|bug| format!("{bug:?}"));
        format!("no such bug; there are {}", names.join(", "))
    })
}
