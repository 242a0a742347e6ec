//! A file of zeros made in the background, so that the log need not wait for its next segment.
//!
//! Zeros are really written: overwriting them later changes no metadata, which makes each
//! fdatasync about a third faster than one that also grows the file.
//! Must never know what the file is for.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};

/// The file, until it gets its name.
pub(crate) const SPARE_FILE: &str = "spare";

static ZEROS: [u8; 1 << 20] = [0; 1 << 20];

/// The making of one spare file.
#[derive(Debug)]
pub(crate) struct Spare {
    length: u64,
    path: PathBuf,
    maker: Option<JoinHandle<io::Result<File>>>,
}

impl Spare {
    /// Begins to make one.
    pub(crate) fn begin(directory: &Path, length: u64) -> io::Result<Self> {
        let path = directory.join(SPARE_FILE);
        let file = path.clone();
        let maker = thread::Builder::new()
            .name("zareba-spare".to_owned())
            .spawn(move || create_zeros(&file, length))?;
        Ok(Self {
            length,
            path,
            maker: Some(maker),
        })
    }

    /// Gives it a name, once it is made; `None` if it has another length or could not be made.
    pub(crate) fn take(mut self, path: &Path, length: u64) -> io::Result<Option<File>> {
        let file = match self.maker.take().map(JoinHandle::join) {
            Some(Ok(Ok(file))) if self.length == length => file,
            // The caller makes one itself, and reports what stands in the way.
            _ => return Ok(None),
        };
        fs::rename(&self.path, path)?;
        Ok(Some(file))
    }
}

impl Drop for Spare {
    fn drop(&mut self) {
        if let Some(maker) = self.maker.take() {
            // The thread must not outlive the lock on the directory; its result is worth nothing.
            let _ = maker.join();
        }
    }
}

/// A new file of zeros, synced; nothing is left of it if that fails.
pub(crate) fn create_zeros(path: &Path, length: u64) -> io::Result<File> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .open(path)?;
    let written = write_zeros(&file, length).and_then(|()| file.sync_all());
    if let Err(error) = written {
        // The disk is most likely full: give back what was taken. The first error is the one told.
        let _ = fs::remove_file(path);
        return Err(error);
    }
    Ok(file)
}

fn write_zeros(mut file: &File, length: u64) -> io::Result<()> {
    let mut left = length;
    while left > 0 {
        let count = left.min(ZEROS.len() as u64);
        file.write_all(ZEROS.get(..count as usize).unwrap_or(&ZEROS))?;
        left -= count;
    }
    Ok(())
}
