//! The image kept up with the tree: what changed since the last pass, a batch at a time, while
//! transactions go on. Knows no disk; one batch is under way at a time.

use zareba_model::Zxid;
use zareba_tree::{RecordKey, Tree};

use crate::output::ImageWrite;
use crate::record;

/// The present pass, and how far the next one is.
#[derive(Debug, Default)]
pub(crate) struct Checkpoint {
    pass: Option<Pass>,
    writing: bool,
    txns: u64,
    bytes: u64,
}

#[derive(Debug)]
struct Pass {
    start: Zxid,
    /// Keys that were dirty when the pass began and are not written yet.
    left: usize,
}

impl Checkpoint {
    /// A transaction of so many bytes was applied.
    pub(crate) fn count(&mut self, bytes: usize) {
        self.txns += 1;
        self.bytes += bytes as u64;
    }

    /// The write handed out last is done.
    pub(crate) fn on_written(&mut self) {
        self.writing = false;
    }

    /// A snapshot has replaced the tree and the image together.
    pub(crate) fn restart(&mut self) {
        *self = Self {
            writing: self.writing,
            ..Self::default()
        };
    }

    /// The next write, if it is time for one.
    pub(crate) fn next_write(
        &mut self,
        tree: &mut Tree,
        batch: usize,
        txns_max: u64,
        bytes_max: u64,
    ) -> Option<ImageWrite> {
        if self.writing {
            return None;
        }
        if self.pass.is_none() && (self.txns >= txns_max || self.bytes >= bytes_max) {
            (self.txns, self.bytes) = (0, 0);
            self.pass = Some(Pass {
                start: tree.applied(),
                left: tree.dirty_len(),
            });
        }
        let pass = self.pass.as_mut()?;
        self.writing = true;
        if pass.left == 0 {
            let start = pass.start;
            self.pass = None;
            let (end, digest) = (tree.applied(), tree.digest());
            return Some(ImageWrite::Finish { start, end, digest });
        }
        let keys = tree.take_dirty(batch.min(pass.left));
        pass.left = if keys.is_empty() {
            0
        } else {
            pass.left.saturating_sub(keys.len())
        };
        // The time goes along with each batch, for the image of a tree that no log follows.
        let records = keys
            .iter()
            .chain([&RecordKey::Meta])
            .map(|key| {
                let value = tree.record(key).map(|record| record::value_bytes(&record));
                (record::key_bytes(key), value)
            })
            .collect();
        Some(ImageWrite::Batch {
            records,
            upto: tree.applied(),
        })
    }
}
