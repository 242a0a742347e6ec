//! What the disk of one server holds, written at once: the log, the epochs and the image. Must never
//! know what a record or an entry means.

use std::collections::BTreeMap;

use bytes::Bytes;
use zareba_model::{DigestMark, Entry, Epoch, Zxid};
use zareba_replica::ImageWrite;
use zareba_replica::recovery::{Recovered, RecoveredLog, Recovery};
use zareba_zab::Persist;

#[derive(Debug, Default)]
pub(crate) struct Durable {
    pub(crate) log: Vec<Entry>,
    committed: Zxid,
    accepted: Epoch,
    current: Epoch,
    pub(crate) image: BTreeMap<Bytes, Bytes>,
    start: Zxid,
    /// Nothing newer is in the image.
    newest: Zxid,
    /// Of the last image that was finished.
    mark: Option<DigestMark>,
}

impl Durable {
    /// A write to the log or the epochs.
    pub(crate) fn persist(&mut self, write: Persist) {
        match write {
            Persist::Append { entries, committed } => {
                self.log.extend(entries);
                self.committed = self.committed.max(committed);
            }
            Persist::Truncate { after } => self.log.retain(|entry| entry.zxid <= after),
            Persist::Epochs { accepted, current } => {
                (self.accepted, self.current) = (accepted, current);
            }
        }
    }

    /// A write to the image.
    pub(crate) fn write_image(&mut self, write: ImageWrite) {
        match write {
            ImageWrite::Batch { records, upto } => {
                for (key, value) in records {
                    match value {
                        Some(value) => self.image.insert(key, value),
                        None => self.image.remove(&key),
                    };
                }
                self.newest = self.newest.max(upto);
                self.mark = None;
            }
            ImageWrite::Finish { start, end, digest } => {
                self.start = start;
                self.newest = self.newest.max(end);
                self.mark = Some(DigestMark { zxid: end, digest });
            }
            other => panic!("a server alone is sent no snapshot: {other:?}"),
        }
    }

    /// Another image, of the tree as it was at `at`.
    pub(crate) fn replace_image(&mut self, image: BTreeMap<Bytes, Bytes>, at: Zxid) {
        self.image = image;
        (self.start, self.newest, self.mark) = (at, at, None);
    }

    /// What a server finds that starts from this disk. Whoever is alone has committed all it holds.
    pub(crate) fn recover(&self) -> Recovered {
        let mut recovery = Recovery::new(self.start, self.newest, self.mark);
        for (key, value) in &self.image {
            recovery.add_record(key, value).unwrap();
        }
        for entry in &self.log {
            recovery.replay(entry).unwrap();
        }
        let found = RecoveredLog {
            accepted_epoch: self.accepted,
            current_epoch: self.current,
            tail: self.log.clone(),
            tail_base: Zxid::ZERO,
            may_vote: true,
        };
        recovery.finish(found).unwrap()
    }
}
