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
}

impl Medium {
    /// One of the next calls fails, once.
    pub(crate) fn fail_soon(&mut self, dice: &mut Dice) {
        let error = DiskError::Io("the medium has failed, this once".to_owned());
        self.disk.fail_after(dice.below(6), error);
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
        self.disk.write_at(name, offset, bytes)
    }

    fn sync(&mut self, name: &str) -> Result<(), DiskError> {
        self.disk.sync(name)
    }

    fn remove(&mut self, name: &str) -> Result<(), DiskError> {
        self.disk.remove(name)
    }

    fn sync_directory(&mut self) -> Result<(), DiskError> {
        self.disk.sync_directory()
    }
}
