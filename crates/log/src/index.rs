//! Where in the files an entry is, roughly: one place in a quarter of a mebibyte.
//!
//! It makes reading from the middle of the log cheap, and tells what reading would cost. Must never
//! know a disk, nor be trusted for what is in the log: that is the history's part.

use zareba_model::Zxid;

use crate::history::Position;

/// Entries whose places are remembered lie at least so far from each other.
const DISTANCE_BYTES: u64 = 256 << 10;

/// Some entries of the log with their places.
///
/// Invariant: zxids and places both rise, for entries that are cut leave the index too.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Index(Vec<(Zxid, Position)>);

impl Index {
    /// The log's next entry stands at `at`.
    pub(crate) fn push(&mut self, zxid: Zxid, at: Position) {
        let near = |(_, (segment, offset)): &(Zxid, Position)| {
            *segment == at.0 && at.1 < offset + DISTANCE_BYTES
        };
        if !self.0.last().is_some_and(near) {
            self.0.push((zxid, at));
        }
    }

    /// What is behind `keep` was cut.
    pub(crate) fn cut(&mut self, keep: Zxid) {
        self.0.retain(|(zxid, _)| *zxid <= keep);
    }

    /// Segments below `number` are gone.
    pub(crate) fn purge(&mut self, number: u64) {
        self.0.retain(|(_, (segment, _))| *segment >= number);
    }

    /// A place at or before that of the first entry behind `after`, if one is remembered.
    pub(crate) fn before(&self, after: Zxid) -> Option<Position> {
        let behind = self.0.partition_point(|(zxid, _)| *zxid <= after);
        let (_, at) = self.0.get(behind.checked_sub(1)?)?;
        Some(*at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_before_an_entry_is_never_behind_it() {
        let mut index = Index::default();
        for counter in 1..=100 {
            index.push(Zxid::new(1, counter), (1, u64::from(counter) * 10_000));
        }
        assert!(index.0.len() < 10, "{} places", index.0.len());
        assert_eq!(index.before(Zxid::ZERO), None);
        for counter in 1..=100 {
            let (_, offset) = index.before(Zxid::new(1, counter)).unwrap();
            assert!(offset <= u64::from(counter) * 10_000);
        }
        index.cut(Zxid::new(1, 30));
        assert_eq!(index.before(Zxid::new(9, 9)), Some((1, 280_000)));
        index.purge(2);
        assert_eq!(index.before(Zxid::new(9, 9)), None);
    }
}
