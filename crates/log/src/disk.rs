//! The few calls the log makes of a disk, as a trait, so that a simulated disk can stand in.
//!
//! Must never know what the files hold, nor which disk it is.

use std::cell::RefCell;
use std::rc::Rc;

use bytes::Bytes;
use thiserror::Error;

/// Why a disk call failed. The log stops at the first one and never tries again: after a failed
/// sync nobody can say what is on the disk.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DiskError {
    /// There is no such file.
    #[error("no file named {0}")]
    NotFound(String),
    /// There is already such a file.
    #[error("a file named {0} is already there")]
    Exists(String),
    /// The disk is full, or the user's share of it.
    #[error("no space is left on the disk for {0}")]
    NoSpace(String),
    /// Anything else; the text says what and where.
    #[error("{0}")]
    Io(String),
}

/// One flat directory of files.
///
/// What is written is durable after [`Disk::sync`] of its file; that a file is there, or is gone,
/// is durable after [`Disk::sync_directory`]. Until then a crash may keep any part of it.
pub trait Disk {
    /// The names of all files, in order.
    fn list(&mut self) -> Result<Vec<String>, DiskError>;

    /// The length of a file.
    fn len(&mut self, name: &str) -> Result<u64, DiskError>;

    /// The bytes from `offset` on, at most `length`; fewer only at the end of the file.
    fn read(&mut self, name: &str, offset: u64, length: usize) -> Result<Bytes, DiskError>;

    /// A new file of `length` zeros, really allocated, so that writing into it later neither
    /// fails for want of space nor changes metadata. The zeros are durable once it is synced; until
    /// then a crash leaves all of its length or none.
    fn create(&mut self, name: &str, length: u64) -> Result<(), DiskError>;

    /// Replaces the bytes from `offset` on.
    fn write_at(&mut self, name: &str, offset: u64, bytes: &[u8]) -> Result<(), DiskError>;

    /// Makes everything written to the file durable.
    fn sync(&mut self, name: &str) -> Result<(), DiskError>;

    /// Removes a file.
    fn remove(&mut self, name: &str) -> Result<(), DiskError>;

    /// Makes creations and removals durable.
    fn sync_directory(&mut self) -> Result<(), DiskError>;
}

/// A disk behind a pointer is a disk.
macro_rules! forward_disk {
    ($pointer:ty, $disk:ident => $inner:expr) => {
        impl<D: Disk> Disk for $pointer {
            fn list(&mut self) -> Result<Vec<String>, DiskError> {
                let $disk = self;
                $inner.list()
            }

            fn len(&mut self, name: &str) -> Result<u64, DiskError> {
                let $disk = self;
                $inner.len(name)
            }

            fn read(&mut self, name: &str, offset: u64, length: usize) -> Result<Bytes, DiskError> {
                let $disk = self;
                $inner.read(name, offset, length)
            }

            fn create(&mut self, name: &str, length: u64) -> Result<(), DiskError> {
                let $disk = self;
                $inner.create(name, length)
            }

            fn write_at(&mut self, name: &str, offset: u64, bytes: &[u8]) -> Result<(), DiskError> {
                let $disk = self;
                $inner.write_at(name, offset, bytes)
            }

            fn sync(&mut self, name: &str) -> Result<(), DiskError> {
                let $disk = self;
                $inner.sync(name)
            }

            fn remove(&mut self, name: &str) -> Result<(), DiskError> {
                let $disk = self;
                $inner.remove(name)
            }

            fn sync_directory(&mut self) -> Result<(), DiskError> {
                let $disk = self;
                $inner.sync_directory()
            }
        }
    };
}

forward_disk!(&mut D, disk => (**disk));
// The simulator keeps a hand on the disk that a log owns, to cut its power.
forward_disk!(Rc<RefCell<D>>, disk => disk.borrow_mut());
