//! What one server's disk and tree hold, as far as they were told. Judges nothing.

use zareba_log::Epochs;
use zareba_model::{Ensemble, ServerId, Zxid};

/// What one server's log holds, as far as it was told to write it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Mirror {
    pub(crate) base: Zxid,
    pub(crate) zxids: Vec<Zxid>,
    /// The last entry that is durable.
    pub(crate) durable: Zxid,
    /// The epochs page on its disk.
    pub(crate) epochs: Epochs,
    /// What its tree has applied.
    pub(crate) applied: Zxid,
    /// How many transactions of the committed history that is.
    pub(crate) position: usize,
    /// What it had durably until a fault of its medium, from which nobody has refilled it yet, took
    /// it away: at most a minority of servers has any such.
    pub(crate) excused: Zxid,
}

impl Mirror {
    pub(crate) fn last(&self) -> Zxid {
        self.zxids.last().map_or(self.base, |last| *last)
    }

    /// True if the entry is in the log as told, durable or not, or in the image.
    pub(crate) fn holds(&self, zxid: Zxid) -> bool {
        zxid <= self.base || self.zxids.binary_search(&zxid).is_ok()
    }

    /// True if the entry is durable here, in the log or in the image.
    pub(crate) fn has_durably(&self, zxid: Zxid) -> bool {
        zxid <= self.base || (zxid <= self.durable && self.zxids.binary_search(&zxid).is_ok())
    }

    /// Entries behind `after`, up to `until`.
    pub(crate) fn between(&self, after: Zxid, until: Zxid) -> &[Zxid] {
        let from = self.zxids.partition_point(|zxid| *zxid <= after);
        let to = self.zxids.partition_point(|zxid| *zxid <= until);
        self.zxids.get(from..to.max(from)).unwrap_or(&[])
    }

    /// Entries behind `after`.
    pub(crate) fn behind(&self, after: Zxid) -> &[Zxid] {
        let from = self.zxids.partition_point(|zxid| *zxid <= after);
        self.zxids.get(from..).unwrap_or(&[])
    }

    pub(crate) fn truncate(&mut self, after: Zxid) {
        let keep = self.zxids.partition_point(|zxid| *zxid <= after);
        self.zxids.truncate(keep);
        self.durable = self.durable.min(after);
    }

    /// A fault of the medium has destroyed what is here.
    pub(crate) fn excuse(&mut self) {
        self.excused = self.excused.max(self.durable).max(self.base);
    }
}

/// True if a quorum has the entry durably, or had it until its medium failed.
pub(crate) fn on_a_quorum(mirrors: &[Mirror], ensemble: &Ensemble, zxid: Zxid) -> bool {
    ensemble.is_quorum(|ServerId(number)| {
        let place = (number as usize).saturating_sub(1);
        mirrors
            .get(place)
            .is_some_and(|it| it.has_durably(zxid) || zxid <= it.excused)
    })
}
