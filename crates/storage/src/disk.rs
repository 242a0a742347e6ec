//! The log's `Disk` on a real directory.
//!
//! Must never know what the files hold.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use zareba_log::{Disk, DiskError};

use crate::directory;
use crate::spare::{SPARE_FILE, Spare, create_zeros};

/// Smaller files are made when they are needed.
const SPARE_BYTES_MIN: u64 = 1 << 20;

/// One directory of files, kept open.
#[derive(Debug)]
pub struct FileDisk {
    path: PathBuf,
    open: BTreeMap<String, Open>,
    spare: Option<Spare>,
    /// Files are opened for writing too.
    is_writable: bool,
}

#[derive(Debug)]
struct Open {
    file: File,
    length: u64,
}

impl FileDisk {
    /// The files of a directory, which must be there.
    pub fn open(path: &Path) -> Result<Self, DiskError> {
        match fs::remove_file(path.join(SPARE_FILE)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(disk_error(path, &error));
            }
            _ => {}
        }
        Ok(Self {
            path: path.to_owned(),
            open: BTreeMap::new(),
            spare: None,
            is_writable: true,
        })
    }

    /// The same for reading alone; not even a spare file is removed.
    pub(crate) fn look_at(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            open: BTreeMap::new(),
            spare: None,
            is_writable: false,
        }
    }

    fn file(&mut self, name: &str) -> Result<&mut Open, DiskError> {
        if !self.open.contains_key(name) {
            let path = self.path.join(name);
            let file = OpenOptions::new()
                .read(true)
                .write(self.is_writable)
                .open(&path);
            let file = file.map_err(|error| disk_error(&path, &error))?;
            let length = file
                .metadata()
                .map_err(|error| disk_error(&path, &error))?
                .len();
            self.open.insert(name.to_owned(), Open { file, length });
        }
        let open = self.open.get_mut(name);
        open.ok_or_else(|| DiskError::NotFound(name.to_owned()))
    }

    /// Half of a large file is written: the next one will be needed.
    fn prepare_spare(&mut self, length: u64) {
        if self.spare.is_none() {
            // Without a thread for it, the next file is made when it is needed.
            self.spare = Spare::begin(&self.path, length).ok();
        }
    }
}

impl Disk for FileDisk {
    fn list(&mut self) -> Result<Vec<String>, DiskError> {
        let entries = fs::read_dir(&self.path).map_err(|error| disk_error(&self.path, &error))?;
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|error| disk_error(&self.path, &error))?;
            if let Ok(name) = entry.file_name().into_string()
                && name != SPARE_FILE
            {
                names.push(name);
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    fn len(&mut self, name: &str) -> Result<u64, DiskError> {
        Ok(self.file(name)?.length)
    }

    fn read(&mut self, name: &str, offset: u64, length: usize) -> Result<Bytes, DiskError> {
        let path = self.path.join(name);
        let open = self.file(name)?;
        let available = open.length.saturating_sub(offset).min(length as u64);
        let mut bytes = vec![0; available as usize];
        open.file
            .read_exact_at(&mut bytes, offset)
            .map_err(|error| disk_error(&path, &error))?;
        Ok(bytes.into())
    }

    fn create(&mut self, name: &str, length: u64) -> Result<(), DiskError> {
        let path = self.path.join(name);
        let exists = path
            .try_exists()
            .map_err(|error| disk_error(&path, &error))?;
        if exists {
            return Err(DiskError::Exists(name.to_owned()));
        }
        let spare = match self.spare.take_if(|_| length >= SPARE_BYTES_MIN) {
            Some(spare) => spare.take(&path, length),
            None => Ok(None),
        };
        let file = match spare {
            Ok(Some(file)) => Ok(file),
            Ok(None) => {
                // One that has another length is in no one's way but its successor's.
                let _ = fs::remove_file(self.path.join(SPARE_FILE));
                create_zeros(&path, length)
            }
            Err(error) => Err(error),
        };
        let file = file.map_err(|error| disk_error(&path, &error))?;
        self.open.insert(name.to_owned(), Open { file, length });
        Ok(())
    }

    fn write_at(&mut self, name: &str, offset: u64, bytes: &[u8]) -> Result<(), DiskError> {
        let path = self.path.join(name);
        let open = self.file(name)?;
        open.file
            .write_all_at(bytes, offset)
            .map_err(|error| disk_error(&path, &error))?;
        let end = offset + bytes.len() as u64;
        open.length = open.length.max(end);
        let length = open.length;
        if length >= SPARE_BYTES_MIN && end > length / 2 {
            self.prepare_spare(length);
        }
        Ok(())
    }

    fn sync(&mut self, name: &str) -> Result<(), DiskError> {
        let path = self.path.join(name);
        let synced = self.file(name)?.file.sync_data();
        synced.map_err(|error| disk_error(&path, &error))
    }

    fn remove(&mut self, name: &str) -> Result<(), DiskError> {
        let path = self.path.join(name);
        self.open.remove(name);
        fs::remove_file(&path).map_err(|error| disk_error(&path, &error))
    }

    fn sync_directory(&mut self) -> Result<(), DiskError> {
        directory::sync_directory(&self.path).map_err(|error| disk_error(&self.path, &error))
    }
}

fn disk_error(path: &Path, error: &io::Error) -> DiskError {
    match error.kind() {
        io::ErrorKind::NotFound => DiskError::NotFound(path.display().to_string()),
        io::ErrorKind::AlreadyExists => DiskError::Exists(path.display().to_string()),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            DiskError::NoSpace(path.display().to_string())
        }
        _ => DiskError::Io(format!("{}: {error}", path.display())),
    }
}
