//! The disk under a simulated log: the one in memory, which may be full, fail once, or rot. Knows no
//! log.

use bytes::Bytes;
use zareba_log::{Disk, DiskError, MemoryDisk};

use crate::dice::Dice;

/// One server's disk.
#[derive(Clone, Debug, Default)]
pub(crate) struct Medium {
    pub(crate) disk: MemoryDisk,
    /// There is no room for another file.
    pub(crate) full: bool,
    /// The next sync of a segment fails, once.
    pub(crate) fails_sync: bool,
    /// The next truncation fails, once, at that call of it.
    pub(crate) fails_truncation: Option<u64>,
    /// A call has failed since this was asked.
    failed: bool,
}

impl Medium {
    /// One of the next calls fails, once: any of them, a sync, or one of a truncation, which few are.
    pub(crate) fn fail_soon(&mut self, dice: &mut Dice) {
        match dice.below(3) {
            0 => self.disk.fail_after(dice.below(6), failure()),
            1 => self.fails_sync = true,
            _ => self.fails_truncation = Some(dice.below(2)),
        }
    }

    /// A truncation begins.
    pub(crate) fn is_truncated(&mut self) {
        if let Some(call) = self.fails_truncation.take() {
            self.disk.fail_after(call, failure());
        }
    }

    /// True if a call has failed since this was asked last.
    pub(crate) fn has_failed(&mut self) -> bool {
        std::mem::take(&mut self.failed)
    }

    /// Flips a bit of what has been durable for a while: of one copy of the epochs page, or of a
    /// segment that two others stand behind. What was synced last has no mark on the disk yet, and
    /// recovery cannot tell its rot from a torn write. False if there is nothing to flip.
    pub(crate) fn flip(&mut self, dice: &mut Dice) -> bool {
        let Ok(names) = self.disk.list() else {
            return false;
        };
        let is_segment = |name: &&String| name.starts_with("log-");
        let segments: Vec<&String> = names.iter().filter(is_segment).collect();
        let old = segments.len().saturating_sub(2);
        let name = match segments.get(..old) {
            Some(old) if !old.is_empty() && dice.percent(85) => {
                dice.pick(old).map(|name| (*name).clone())
            }
            _ => names.iter().find(|name| *name == "epochs").cloned(),
        };
        let Some(name) = name else {
            return false;
        };
        let length = self.disk.len(&name).unwrap_or(0);
        let used = if name == "epochs" { 40 } else { length };
        self.disk
            .flip_bit(&name, dice.below(used), dice.below(8) as u8);
        used > 0
    }
}

impl Disk for Medium {
    fn list(&mut self) -> Result<Vec<String>, DiskError> {
        self.disk.list()
    }

    fn len(&mut self, name: &str) -> Result<u64, DiskError> {
        self.disk.len(name)
    }

    fn read(&mut self, name: &str, offset: u64, length: usize) -> Result<Bytes, DiskError> {
        self.disk.read(name, offset, length)
    }

    fn create(&mut self, name: &str, length: u64) -> Result<(), DiskError> {
        if self.full {
            return Err(DiskError::NoSpace(format!("there is no room for {name}")));
        }
        self.disk.create(name, length)
    }

    fn write_at(&mut self, name: &str, offset: u64, bytes: &[u8]) -> Result<(), DiskError> {
        let written = self.disk.write_at(name, offset, bytes);
        self.failed |= written.is_err();
        written
    }

    fn sync(&mut self, name: &str) -> Result<(), DiskError> {
        if std::mem::take(&mut self.fails_sync) {
            self.disk.fail_after(0, failure());
        }
        let synced = self.disk.sync(name);
        self.failed |= synced.is_err();
        synced
    }

    fn remove(&mut self, name: &str) -> Result<(), DiskError> {
        self.disk.remove(name)
    }

    fn sync_directory(&mut self) -> Result<(), DiskError> {
        self.disk.sync_directory()
    }
}

fn failure() -> DiskError {
    DiskError::Io("the medium has failed, this once".to_owned())
}
