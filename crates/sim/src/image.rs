//! The image of a simulated server: what the real one promises, without its engine.
//!
//! A batch is all or nothing and may be lost until the next finish; a crash keeps the batches up
//! to some point. A snapshot comes in beside the image and replaces it in one step, together with
//! the word that the log's older segments are void. Must never know what a record means.

use std::collections::BTreeMap;

use bytes::Bytes;
use zareba_log::Origin;
use zareba_model::{DigestMark, Zxid};

use crate::dice::Dice;

/// What an image stands for: see the real one's, of the same name, in `storage`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ImageMeta {
    pub(crate) start: Zxid,
    pub(crate) end: Zxid,
    digest: Option<u64>,
    upto: Zxid,
    discard_segments_up_to: u64,
}

impl ImageMeta {
    /// What the log must hold and reach for this image: a snapshot's log has all that was acked
    /// from its start on, and need not reach its end yet.
    pub(crate) fn origin(&self) -> Origin {
        let is_snapshot = self.digest.is_none() && self.upto <= self.end;
        Origin {
            discard_up_to: self.discard_segments_up_to,
            base: self.start,
            durable: if is_snapshot {
                self.start
            } else {
                self.newest()
            },
        }
    }

    /// The newest transaction of which the image has any effect.
    pub(crate) fn newest(&self) -> Zxid {
        self.end.max(self.upto)
    }

    /// Pieces of a pass that was not finished are in it.
    pub(crate) fn is_amid_checkpoint(&self) -> bool {
        self.upto > self.end
    }

    /// The digest at `end`, unless a pass was under way or there was none yet.
    pub(crate) fn digest_mark(&self) -> Option<DigestMark> {
        let digest = self.digest.filter(|_| self.upto <= self.end)?;
        let zxid = self.end;
        Some(DigestMark { zxid, digest })
    }
}

type Records = BTreeMap<Bytes, Bytes>;
type Batch = Vec<(Bytes, Option<Bytes>)>;

/// The records of one server.
#[derive(Clone, Debug, Default)]
pub(crate) struct Image {
    durable: Records,
    meta: ImageMeta,
    /// Written and not durable, in order, each with its `upto`.
    pending: Vec<(Batch, Zxid)>,
    install: Option<Records>,
    /// It cannot be read any more, which the next opening notices.
    rotten: bool,
    /// A planted bug: a snapshot is written over the image, not beside it.
    in_place: bool,
}

impl Image {
    pub(crate) fn rot(&mut self) {
        self.rotten = true;
    }

    /// An image that cannot be read makes way for an empty one; the log says whether anything is
    /// missing.
    pub(crate) fn set_aside_if_rotten(&mut self) -> bool {
        let rotten = self.rotten;
        if rotten {
            *self = Self::default();
        }
        rotten
    }

    pub(crate) fn is_installing(&self) -> bool {
        self.install.is_some()
    }

    pub(crate) fn meta(&self) -> ImageMeta {
        self.meta
    }

    pub(crate) fn records(&self) -> impl Iterator<Item = (&Bytes, &Bytes)> {
        self.durable.iter()
    }

    pub(crate) fn write_batch(&mut self, records: Batch, upto: Zxid) {
        self.pending.push((records, upto));
    }

    pub(crate) fn finish_checkpoint(
        &mut self,
        start: Zxid,
        end: Zxid,
        digest: u64,
        marks_first: bool,
    ) {
        // The planted bug leaves the records to a later write.
        if !marks_first {
            self.keep(self.pending.len());
        }
        self.meta = ImageMeta {
            start,
            end,
            digest: Some(digest),
            upto: end,
            discard_segments_up_to: 0,
        };
    }

    pub(crate) fn begin_install(&mut self, in_place: bool) {
        self.install = Some(Records::new());
        self.in_place = in_place;
        if in_place {
            self.pending.clear();
            self.durable.clear();
        }
    }

    pub(crate) fn install_batch(&mut self, records: Vec<(Bytes, Bytes)>) {
        if let Some(install) = &mut self.install {
            if self.in_place {
                self.durable.extend(records.iter().cloned());
            }
            install.extend(records);
        }
    }

    pub(crate) fn abandon_install(&mut self) {
        self.install = None;
    }

    /// False if no snapshot is under way.
    pub(crate) fn finish_install(
        &mut self,
        base: Zxid,
        end: Zxid,
        discard_segments_up_to: u64,
    ) -> bool {
        let Some(install) = self.install.take() else {
            return false;
        };
        self.pending.clear();
        self.rotten = false;
        self.durable = install;
        self.meta = ImageMeta {
            start: base,
            end,
            digest: None,
            upto: end,
            discard_segments_up_to,
        };
        true
    }

    /// The power was cut: batches up to some point have survived.
    pub(crate) fn crash(&mut self, dice: &mut Dice) {
        self.keep(dice.below(self.pending.len() as u64 + 1) as usize);
        self.pending.clear();
        self.install = None;
    }

    fn keep(&mut self, batches: usize) {
        for (records, upto) in self.pending.drain(..batches) {
            for (key, value) in records {
                match value {
                    Some(value) => self.durable.insert(key, value),
                    None => self.durable.remove(&key),
                };
            }
            self.meta.upto = self.meta.upto.max(upto);
        }
    }
}
