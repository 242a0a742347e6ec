//! Which entries the log holds: runs of counters by epoch, and what was cut out of the files.
//!
//! Small whatever the log's size, for a log has no holes. Must never know a disk.

use zareba_model::Zxid;

/// The zxids of a log without holes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct History {
    base: Zxid,
    /// First and last entry of each epoch, in order.
    runs: Vec<(Zxid, Zxid)>,
}

impl History {
    /// The empty log behind `base`.
    pub(crate) fn new(base: Zxid) -> Self {
        Self {
            base,
            runs: Vec::new(),
        }
    }

    /// Adds an entry, which must follow.
    pub(crate) fn push(&mut self, zxid: Zxid) {
        assert!(
            zxid.follows(self.last()),
            "{zxid} leaves a hole behind {}",
            self.last()
        );
        match self.runs.last_mut() {
            Some((_, last)) if last.epoch == zxid.epoch => *last = zxid,
            _ => self.runs.push((zxid, zxid)),
        }
    }

    /// Drops what is behind `after`; returns the last entry left. Below the base nothing is left,
    /// and the log begins there.
    pub(crate) fn cut(&mut self, after: Zxid) -> Zxid {
        self.runs.retain(|(first, _)| *first <= after);
        if let Some((_, last)) = self.runs.last_mut() {
            *last = after.min(*last);
        } else {
            self.base = self.base.min(after);
        }
        self.last()
    }

    /// Forgets what is up to `upto`. The log begins behind an entry that it has held to the end: what a
    /// segment's header names may have been cut since, and whoever has it still must be told so.
    pub(crate) fn purge(&mut self, upto: Zxid) {
        let Some(base) = self.floor(upto).filter(|base| *base > self.base) else {
            return;
        };
        self.base = base;
        self.runs.retain(|(_, last)| *last > base);
        if let Some((first, _)) = self.runs.first_mut()
            && *first <= base
            && let Some(next) = base.next()
        {
            *first = next;
        }
    }

    /// The last entry at or below `zxid`, or the base; none if that is below the base too.
    pub(crate) fn floor(&self, zxid: Zxid) -> Option<Zxid> {
        if zxid < self.base {
            return None;
        }
        let run = self.runs.iter().rev().find(|(first, _)| *first <= zxid);
        Some(run.map_or(self.base, |(_, last)| zxid.min(*last)))
    }

    pub(crate) fn base(&self) -> Zxid {
        self.base
    }

    pub(crate) fn last(&self) -> Zxid {
        self.runs.last().map_or(self.base, |(_, last)| *last)
    }
}

/// A place in the files: segment number, then offset.
pub(crate) type Position = (u64, u64);

/// The cuts that still void something.
///
/// Invariant: positions and kept zxids both rise, for a cut that keeps no more than an earlier one
/// makes that one pointless.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cuts(Vec<(Position, Zxid)>);

impl Cuts {
    /// Entries before `at` and behind `keep` are void.
    pub(crate) fn push(&mut self, at: Position, keep: Zxid) {
        while self.0.pop_if(|(_, earlier)| *earlier >= keep).is_some() {}
        self.0.push((at, keep));
    }

    /// True if the entry that stands at `at` is still part of the log.
    pub(crate) fn spares(&self, at: Position, zxid: Zxid) -> bool {
        let next = self.0.partition_point(|(cut, _)| *cut < at);
        self.0.get(next).is_none_or(|(_, keep)| zxid <= *keep)
    }

    /// Segments below `number` are gone.
    pub(crate) fn purge(&mut self, number: u64) {
        self.0.retain(|((segment, _), _)| *segment >= number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_between_entries_keeps_the_last_one_before_it() {
        let mut history = History::new(Zxid::ZERO);
        for (epoch, counter) in [(1, 1), (1, 2), (1, 3), (3, 1), (3, 2)] {
            history.push(Zxid::new(epoch, counter));
        }
        assert_eq!(history.cut(Zxid::new(2, 9)), Zxid::new(1, 3));
        assert_eq!(history.cut(Zxid::new(1, 2)), Zxid::new(1, 2));
        assert_eq!(history.cut(Zxid::ZERO), Zxid::ZERO);
    }

    #[test]
    fn purging_moves_the_base_and_keeps_the_end() {
        let mut history = History::new(Zxid::ZERO);
        for counter in 1..=9 {
            history.push(Zxid::new(1, counter));
        }
        history.purge(Zxid::new(1, 4));
        assert_eq!(
            (history.base(), history.last()),
            (Zxid::new(1, 4), Zxid::new(1, 9))
        );
        assert_eq!(history.cut(Zxid::new(1, 4)), Zxid::new(1, 4));
    }

    #[test]
    fn purging_up_to_an_entry_that_was_cut_moves_the_base_to_the_one_before_the_cut() {
        let mut history = History::new(Zxid::ZERO);
        for counter in 1..=9 {
            history.push(Zxid::new(1, counter));
        }
        history.cut(Zxid::new(1, 5));
        history.push(Zxid::new(2, 1));
        history.purge(Zxid::new(1, 9));
        assert_eq!(history.base(), Zxid::new(1, 5));
        assert_eq!(history.floor(Zxid::new(1, 9)), Some(Zxid::new(1, 5)));
    }

    #[test]
    fn a_later_and_deeper_cut_replaces_an_earlier_one() {
        let mut cuts = Cuts::default();
        cuts.push((1, 100), Zxid::new(1, 5));
        cuts.push((1, 200), Zxid::new(1, 3));
        cuts.push((2, 80), Zxid::new(2, 4));
        assert!(cuts.spares((1, 64), Zxid::new(1, 3)));
        assert!(!cuts.spares((1, 64), Zxid::new(1, 4)));
        assert!(!cuts.spares((1, 150), Zxid::new(1, 4)));
        assert!(cuts.spares((1, 250), Zxid::new(2, 4)));
        assert!(!cuts.spares((1, 250), Zxid::new(2, 5)));
        assert!(cuts.spares((2, 90), Zxid::new(9, 9)));
    }
}
