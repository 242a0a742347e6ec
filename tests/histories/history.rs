//! What was asked when, and answered when: written down by the clients while they work. Time is a
//! counter that all of them share, so that what was answered before something was asked has the
//! lower number. Knows no client.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use zareba_client::Zxid;

use crate::znode::{Answer, Call};

/// A znode that is used in one round and then left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Object {
    pub(crate) round: u64,
    pub(crate) key: u64,
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/histories/{:05}-{}", self.round, self.key)
    }
}

/// One operation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub(crate) client: usize,
    pub(crate) object: Object,
    pub(crate) call: Call,
    pub(crate) asked: u64,
    pub(crate) end: End,
}

/// How an operation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The client was never told: it may have happened at any time since, or never.
    Unknown,
    /// A leader without an office refused it: it has not happened.
    Refused,
    Answered {
        at: u64,
        answer: Answer,
        /// The transaction that last changed the data, if it was told.
        mzxid: Option<Zxid>,
    },
}

/// See the file's head.
#[derive(Debug, Default)]
pub(crate) struct History {
    moment: AtomicU64,
    entries: Mutex<Vec<Entry>>,
}

impl History {
    /// Notes a call that is about to be made, and returns its number.
    pub(crate) fn asks(&self, client: usize, object: Object, call: Call) -> usize {
        let mut entries = self.lock();
        entries.push(Entry {
            client,
            object,
            call,
            asked: self.tick(),
            end: End::Unknown,
        });
        entries.len() - 1
    }

    /// Notes that it was answered.
    pub(crate) fn is_answered(&self, entry: usize, answer: Answer, mzxid: Option<Zxid>) {
        let at = self.tick();
        self.lock()[entry].end = End::Answered { at, answer, mzxid };
    }

    /// Notes that it was refused without an effect.
    pub(crate) fn is_refused(&self, entry: usize) {
        self.lock()[entry].end = End::Refused;
    }

    /// All that was noted, in the order in which it was asked.
    pub(crate) fn entries(&self) -> Vec<Entry> {
        self.lock().clone()
    }

    fn tick(&self) -> u64 {
        self.moment.fetch_add(1, Ordering::SeqCst)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Entry>> {
        // A client that is killed leaves whole entries behind.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A history is linearizable if that of every object is (Herlihy and Wing, locality). What was refused
/// did not happen: if it did after all, nothing explains what others saw of it.
pub(crate) fn by_object(entries: &[Entry]) -> BTreeMap<Object, Vec<Entry>> {
    let mut objects: BTreeMap<Object, Vec<Entry>> = BTreeMap::new();
    for entry in entries.iter().filter(|it| it.end != End::Refused) {
        objects.entry(entry.object).or_default().push(*entry);
    }
    objects
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { client, asked, .. } = self;
        write!(f, "{asked:>8} client {client} asks {:?}: ", self.call)?;
        match self.end {
            End::Unknown => write!(f, "never told"),
            End::Refused => write!(f, "refused"),
            End::Answered { at, answer, mzxid } => {
                write!(f, "{answer:?} at {at}")?;
                mzxid.map_or(Ok(()), |mzxid| write!(f, ", mzxid {mzxid}"))
            }
        }
    }
}
