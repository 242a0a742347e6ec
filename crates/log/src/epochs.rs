//! The epochs page: two copies, each with its own checksum, written one after the other.
//!
//! A write tears at most the copy it is at, so the other one holds the promise before or the
//! promise after. Once a write has returned, either copy may rot and nothing is forgotten.
//! Must never know when a promise may be made.

use zareba_model::Epoch;

use crate::disk::{Disk, DiskError};
use crate::record::{u32_at, u64_at};

/// The file.
pub(crate) const EPOCHS_FILE: &str = "epochs";

const SLOT_BYTES: u64 = 4096;
const SLOTS: [u64; 2] = [0, SLOT_BYTES];
const USED_BYTES: usize = 40;
const MAGIC: [u8; 8] = *b"ZAREBAEP";
const FORMAT: u32 = 1;

/// The two promises of a server, written before they are spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Epochs {
    /// The newest epoch promised.
    pub accepted: Epoch,
    /// The newest epoch whose history is held.
    pub current: Epoch,
}

/// What the file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EpochsRead {
    /// There is no such file.
    Missing,
    /// There is one, and neither copy is good.
    Unreadable,
    /// A format of another version.
    Unknown { format: u32 },
    /// The newest good copy.
    Good(EpochsPage),
}

/// The page as it is on the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct EpochsPage {
    generation: u64,
    pub(crate) epochs: Epochs,
}

impl EpochsPage {
    /// Reads the page, and writes the newest good copy over both.
    pub(crate) fn open<D: Disk>(disk: &mut D) -> Result<EpochsRead, DiskError> {
        let (read, copies) = Self::read(disk)?;
        let EpochsRead::Good(newest) = read else {
            return Ok(read);
        };
        // What was found good may stand in the cache alone, and after a failed sync the kernel takes
        // it for clean: only bytes written once more are sure to be synced.
        // A good copy comes last: while it is written, the other one is good.
        for is_good in [false, true] {
            for (copy, offset) in copies.into_iter().zip(SLOTS) {
                if (copy == Some(newest)) == is_good {
                    newest.write_copy(disk, offset)?;
                }
            }
        }
        Ok(EpochsRead::Good(newest))
    }

    /// Reads the page and changes nothing; also returns both copies, as far as they are good.
    pub(crate) fn read<D: Disk>(
        disk: &mut D,
    ) -> Result<(EpochsRead, [Option<Self>; 2]), DiskError> {
        let mut copies = [None; 2];
        if !disk.list()?.iter().any(|name| name == EPOCHS_FILE) {
            return Ok((EpochsRead::Missing, copies));
        }
        for (copy, offset) in copies.iter_mut().zip(SLOTS) {
            match decode(&disk.read(EPOCHS_FILE, offset, USED_BYTES)?) {
                Some(Ok(page)) => *copy = Some(page),
                Some(Err(format)) => return Ok((EpochsRead::Unknown { format }, copies)),
                None => {}
            }
        }
        let newest = copies
            .into_iter()
            .flatten()
            .max_by_key(|page| page.generation);
        Ok((
            newest.map_or(EpochsRead::Unreadable, EpochsRead::Good),
            copies,
        ))
    }

    /// Makes the file of a fresh server.
    pub(crate) fn create<D: Disk>(disk: &mut D) -> Result<Self, DiskError> {
        if disk.list()?.iter().any(|name| name == EPOCHS_FILE) {
            disk.remove(EPOCHS_FILE)?;
        }
        disk.create(EPOCHS_FILE, 2 * SLOT_BYTES)?;
        let mut page = Self::default();
        page.write(disk, Epochs::default())?;
        disk.sync_directory()?;
        Ok(page)
    }

    /// Replaces the page, durably.
    pub(crate) fn write<D: Disk>(&mut self, disk: &mut D, epochs: Epochs) -> Result<(), DiskError> {
        self.generation += 1;
        self.epochs = epochs;
        for offset in SLOTS {
            self.write_copy(disk, offset)?;
        }
        Ok(())
    }

    /// A planted bug: the page is written and left to the cache.
    pub(crate) fn write_unsynced<D: Disk>(
        &mut self,
        disk: &mut D,
        epochs: Epochs,
    ) -> Result<(), DiskError> {
        self.generation += 1;
        self.epochs = epochs;
        for offset in SLOTS {
            disk.write_at(EPOCHS_FILE, offset, &self.encode())?;
        }
        Ok(())
    }

    fn write_copy<D: Disk>(&self, disk: &mut D, offset: u64) -> Result<(), DiskError> {
        disk.write_at(EPOCHS_FILE, offset, &self.encode())?;
        disk.sync(EPOCHS_FILE)
    }

    fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(USED_BYTES);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&FORMAT.to_le_bytes());
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(&self.generation.to_le_bytes());
        bytes.extend_from_slice(&self.epochs.accepted.0.to_le_bytes());
        bytes.extend_from_slice(&self.epochs.current.0.to_le_bytes());
        bytes.extend_from_slice(&[0; 4]);
        let checksum = crc32c::crc32c(&bytes);
        bytes.extend_from_slice(&checksum.to_le_bytes());
        bytes
    }
}

/// One copy; `Some(Err(format))` if it is good, but of another format.
fn decode(bytes: &[u8]) -> Option<Result<EpochsPage, u32>> {
    let (body, stored) = bytes.split_at_checked(USED_BYTES - 4)?;
    if !body.starts_with(&MAGIC) || u32_at(stored, 0) != crc32c::crc32c(body) {
        return None;
    }
    let format = u32_at(body, 8);
    if format != FORMAT {
        return Some(Err(format));
    }
    Some(Ok(EpochsPage {
        generation: u64_at(body, 16),
        epochs: Epochs {
            accepted: Epoch(u32_at(body, 24)),
            current: Epoch(u32_at(body, 28)),
        },
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory_disk::MemoryDisk;

    #[test]
    fn a_page_that_two_failed_syncs_have_left_in_the_cache_is_durable_once_it_is_opened() {
        let mut disk = MemoryDisk::new();
        let mut page = EpochsPage::create(&mut disk).expect("a new page");
        let epochs = Epochs {
            accepted: Epoch(3),
            current: Epoch(2),
        };
        // The sync of each copy fails, in the write and in the start behind it.
        disk.fail_after(1, DiskError::Io("EIO".to_owned()));
        page.write(&mut disk, epochs).expect_err("the sync fails");
        disk.kill_process();
        disk.fail_after(1, DiskError::Io("EIO".to_owned()));
        EpochsPage::open(&mut disk).expect_err("the sync fails");
        disk.kill_process();
        let opened = EpochsPage::open(&mut disk).expect("no fault");
        disk.crash(&mut || 1);
        assert_eq!(EpochsPage::open(&mut disk), Ok(opened));
        assert!(matches!(opened, EpochsRead::Good(page) if page.epochs == epochs));
    }
}
