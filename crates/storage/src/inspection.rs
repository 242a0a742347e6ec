//! A stopped server's data, opened for looking only: not a byte of it is changed.
//!
//! The log is read where it is. The image's engine cannot open without writing, so a copy of the image
//! is opened, which goes when the inspection ends. Must never know what a record or an entry means.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use bytes::Bytes;
use tempfile::TempDir;
use zareba_log::{Disk, DiskError};

use crate::directory::{self, Directory};
use crate::disk::FileDisk;
use crate::error::StorageError;
use crate::image::Image;

/// A data directory that nobody uses while this value lives.
pub struct Inspected {
    /// The log's files; every call that would change them is refused.
    pub files: ReadOnly,
    directory: Directory,
    /// Holds the copy of the image; nobody else may look into it.
    copy: TempDir,
}

impl Inspected {
    /// Opens a data directory.
    pub fn open(path: &Path) -> Result<Self, StorageError> {
        let directory = Directory::inspect(path)?;
        let folder = std::env::temp_dir();
        let copy = tempfile::Builder::new()
            .prefix("zareba-image-")
            .permissions(Permissions::from_mode(0o700))
            .tempdir_in(&folder)
            .map_err(|error| directory::io_error("make a folder in", &folder, error))?;
        Ok(Self {
            files: ReadOnly(FileDisk::look_at(&directory.log())),
            directory,
            copy,
        })
    }

    /// The image, from a copy; none if there is none.
    pub fn image(&self) -> Result<Option<Image>, StorageError> {
        let image = self.directory.image();
        if !image.is_dir() {
            return Ok(None);
        }
        copy_folder(&image, self.copy.path())?;
        Image::open(self.copy.path()).map(Some)
    }
}

fn copy_folder(from: &Path, to: &Path) -> Result<(), StorageError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |error| directory::io_error("copy, to look at it,", &path, error)
    };
    fs::create_dir_all(to).map_err(failed(to))?;
    for entry in fs::read_dir(from).map_err(failed(from))? {
        let entry = entry.map_err(failed(from))?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if source.is_dir() {
            copy_folder(&source, &target)?;
        } else {
            fs::copy(&source, &target).map_err(failed(&source))?;
        }
    }
    Ok(())
}

/// Files that can only be read.
#[derive(Debug)]
pub struct ReadOnly(FileDisk);

fn refused<T>(name: &str) -> Result<T, DiskError> {
    Err(DiskError::Io(format!(
        "{name}: this disk is only looked at"
    )))
}

impl Disk for ReadOnly {
    fn list(&mut self) -> Result<Vec<String>, DiskError> {
        self.0.list()
    }

    fn len(&mut self, name: &str) -> Result<u64, DiskError> {
        self.0.len(name)
    }

    fn read(&mut self, name: &str, offset: u64, length: usize) -> Result<Bytes, DiskError> {
        self.0.read(name, offset, length)
    }

    fn create(&mut self, name: &str, _: u64) -> Result<(), DiskError> {
        refused(name)
    }

    fn write_at(&mut self, name: &str, _: u64, _: &[u8]) -> Result<(), DiskError> {
        refused(name)
    }

    fn sync(&mut self, name: &str) -> Result<(), DiskError> {
        refused(name)
    }

    fn remove(&mut self, name: &str) -> Result<(), DiskError> {
        refused(name)
    }

    fn sync_directory(&mut self) -> Result<(), DiskError> {
        refused("the directory")
    }
}
