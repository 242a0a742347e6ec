//! The log's end in memory: what is committed, what is delivered, and a window of older entries for
//! followers that are a little behind. Knows no peer, no phase and no disk.
//!
//! ```text
//!      base          delivered      committed          last
//!  ... ] | entries ... | ............. | ............... |
//!        '-- window ---'               '-- uncommitted --'
//! ```
//!
//! Invariant: `base <= delivered <= committed <= last`; entries continue `base` without a hole.

use std::collections::VecDeque;

use zareba_model::{Entry, Zxid};

/// The known part of the one total order.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct History {
    base: Zxid,
    entries: VecDeque<Entry>,
    bytes: usize,
    committed: Zxid,
    delivered: Zxid,
}

impl History {
    /// The history as recovered; all up to `applied` is committed and delivered.
    pub(crate) fn new(base: Zxid, tail: Vec<Entry>, applied: Zxid) -> Self {
        let mut history = Self {
            base,
            entries: VecDeque::new(),
            bytes: 0,
            committed: applied,
            delivered: applied,
        };
        for entry in tail {
            history.append(entry);
        }
        assert!(
            history.contains(applied),
            "the recovered log {base}..{} does not reach {applied}, which is applied",
            history.last()
        );
        history
    }

    /// Appends the next entry.
    pub(crate) fn append(&mut self, entry: Entry) {
        let last = self.last();
        assert!(
            entry.zxid.follows(last),
            "{} does not continue the log, which ends at {last}",
            entry.zxid
        );
        self.bytes += entry.payload.len();
        self.entries.push_back(entry);
    }

    /// Drops everything behind `after`, which must be there.
    pub(crate) fn truncate(&mut self, after: Zxid) {
        assert!(
            after >= self.committed,
            "truncation to {after} would drop committed entries up to {}",
            self.committed
        );
        assert!(
            self.contains(after),
            "truncation to {after}, which is not in the log"
        );
        let keep = self.position(after);
        for entry in self.entries.drain(keep..) {
            self.bytes -= entry.payload.len();
        }
    }

    /// A snapshot has replaced everything.
    pub(crate) fn reset(&mut self, base: Zxid) {
        assert!(
            base >= self.committed,
            "a snapshot of {base} would drop committed entries up to {}",
            self.committed
        );
        *self = Self::new(base, Vec::new(), base);
    }

    /// All up to `zxid` is committed; older news are no news.
    pub(crate) fn commit(&mut self, zxid: Zxid) {
        assert!(
            zxid <= self.last(),
            "commit of {zxid} beyond the log's end {}",
            self.last()
        );
        self.committed = self.committed.max(zxid);
    }

    /// The next entries to deliver, given that the log is durable up to `durable`.
    pub(crate) fn deliver(&mut self, durable: Zxid) -> Vec<Entry> {
        let (from, to) = (
            self.position(self.delivered),
            self.position(self.committed.min(durable)),
        );
        let ready: Vec<Entry> = self.entries.range(from..to.max(from)).cloned().collect();
        if let Some(entry) = ready.last() {
            self.delivered = entry.zxid;
        }
        ready
    }

    /// Shrinks the window to these limits; what is not delivered stays.
    pub(crate) fn trim(&mut self, entries_max: usize, bytes_max: usize) {
        while self.entries.len() > entries_max || self.bytes > bytes_max {
            let Some(first) = self.entries.front() else {
                break;
            };
            if first.zxid > self.delivered {
                break;
            }
            self.bytes -= first.payload.len();
            self.base = first.zxid;
            self.entries.pop_front();
        }
    }

    /// The last entry, or the base.
    pub(crate) fn last(&self) -> Zxid {
        self.entries.back().map_or(self.base, |entry| entry.zxid)
    }

    /// Up to where it is committed.
    pub(crate) fn committed(&self) -> Zxid {
        self.committed
    }

    /// Up to where it is delivered.
    pub(crate) fn delivered(&self) -> Zxid {
        self.delivered
    }

    /// True if `zxid` is the base or an entry held.
    pub(crate) fn contains(&self, zxid: Zxid) -> bool {
        self.floor(zxid) == Some(zxid)
    }

    /// The largest known id that is not above `zxid`; `None` if that is below the base.
    pub(crate) fn floor(&self, zxid: Zxid) -> Option<Zxid> {
        if zxid < self.base {
            return None;
        }
        let before = self.position(zxid).checked_sub(1);
        Some(
            before
                .and_then(|place| self.entries.get(place))
                .map_or(self.base, |entry| entry.zxid),
        )
    }

    /// The entries behind `after`, in order.
    pub(crate) fn behind(&self, after: Zxid) -> impl Iterator<Item = &Entry> {
        self.entries.range(self.position(after)..)
    }

    /// How many entries stand behind `after`, up to `upto`; `None` if that is below the window.
    pub(crate) fn count(&self, after: Zxid, upto: Zxid) -> Option<usize> {
        let count = || self.position(upto).saturating_sub(self.position(after));
        self.reaches(after).then(count)
    }

    /// True if all that stands behind `after` is in memory.
    pub(crate) fn reaches(&self, after: Zxid) -> bool {
        after >= self.base
    }

    /// Right before the first entry in memory. All up to here is delivered, hence durable.
    pub(crate) fn base(&self) -> Zxid {
        self.base
    }

    /// How many entries are not committed yet.
    pub(crate) fn uncommitted(&self) -> usize {
        self.entries.len() - self.position(self.committed)
    }

    /// Asserts what must hold after every step.
    pub(crate) fn check(&self) {
        assert!(
            self.base <= self.delivered,
            "the window was trimmed too far"
        );
        assert!(
            self.delivered <= self.committed,
            "delivered beyond the commit point"
        );
        assert!(
            self.committed <= self.last(),
            "committed beyond the log's end"
        );
        assert!(
            self.contains(self.delivered) && self.contains(self.committed),
            "delivered or committed what is not in the log"
        );
        if let Some(first) = self.entries.front() {
            assert!(first.zxid.follows(self.base), "a hole behind the base");
        }
    }

    /// How many entries are not above `zxid`.
    fn position(&self, zxid: Zxid) -> usize {
        // Most questions are about the newest or the oldest entries.
        match (self.entries.front(), self.entries.back()) {
            (_, Some(last)) if last.zxid <= zxid => self.entries.len(),
            (Some(first), _) if zxid < first.zxid => 0,
            _ => self.entries.partition_point(|entry| entry.zxid <= zxid),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(epoch: u32, counter: u32) -> Entry {
        Entry {
            zxid: Zxid::new(epoch, counter),
            payload: bytes::Bytes::from_static(b"xx"),
        }
    }

    fn history() -> History {
        History::new(
            Zxid::new(1, 3),
            vec![entry(1, 4), entry(1, 5), entry(3, 1), entry(3, 2)],
            Zxid::new(1, 4),
        )
    }

    #[test]
    fn floor_finds_the_largest_id_not_above() {
        let history = history();
        assert_eq!(history.floor(Zxid::new(1, 2)), None);
        assert_eq!(history.floor(Zxid::new(1, 3)), Some(Zxid::new(1, 3)));
        assert_eq!(history.floor(Zxid::new(2, 7)), Some(Zxid::new(1, 5)));
        assert_eq!(history.floor(Zxid::new(9, 9)), Some(Zxid::new(3, 2)));
        assert!(!history.contains(Zxid::new(2, 7)));
    }

    #[test]
    fn only_what_is_committed_and_durable_is_delivered_and_once() {
        let mut history = history();
        history.commit(Zxid::new(3, 1));
        assert_eq!(history.deliver(Zxid::new(1, 5)), vec![entry(1, 5)]);
        assert_eq!(history.deliver(Zxid::new(3, 2)), vec![entry(3, 1)]);
        assert_eq!(history.deliver(Zxid::new(3, 2)), vec![]);
        history.check();
    }

    #[test]
    fn trimming_keeps_what_is_not_delivered() {
        let mut history = history();
        history.trim(0, 0);
        assert_eq!(history.base, Zxid::new(1, 4));
        assert_eq!(history.behind(Zxid::new(1, 4)).count(), 3);
        assert_eq!(history.uncommitted(), 3);
        history.check();
    }

    #[test]
    #[should_panic(expected = "would drop committed")]
    fn truncating_committed_entries_stops_the_server() {
        let mut history = history();
        history.commit(Zxid::new(3, 1));
        history.truncate(Zxid::new(1, 5));
    }

    #[test]
    #[should_panic(expected = "does not continue the log")]
    fn a_hole_is_never_appended() {
        history().append(entry(3, 4));
    }
}
