//! The data directory: the names of everything in it, its format, and the lock on it.
//!
//! ```text
//! <data directory>/
//!   format        one line, see FORMAT; an unknown one is refused
//!   lock          held by the process that uses the directory
//!   log/          the transaction log (crates/log draws its files)
//!     log-<16 hex digits>   segments
//!     epochs                the epochs page
//!     damaged               left while acknowledged entries are missing; says which
//!     spare                 zeros for the next segment; worth nothing
//!   image/        fjall: the tree as of some zxid
//!   image.broken/  an image that could not be read, for whoever wants to know why
//!   plugins/      compiled plugins, rebuilt at will; the server's
//! ```
//!
//! Must never know what is in the files.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::error::StorageError;

/// What the file `format` says.
pub const FORMAT: &str = "zareba data 1";

const FORMAT_FILE: &str = "format";
const FORMAT_DRAFT: &str = "format.draft";
const IMAGE_ASIDE: &str = "image.broken";
const LOCK_FILE: &str = "lock";

/// A data directory that this process alone uses, as long as this value lives.
#[derive(Debug)]
pub struct Directory {
    path: PathBuf,
    /// Held, not read: the lock ends with the file.
    _lock: File,
}

impl Directory {
    /// Locks the directory, makes what is missing, and refuses what is not ours.
    pub fn open(path: &Path) -> Result<Self, StorageError> {
        fs::create_dir_all(path).map_err(|error| io_error("create", path, error))?;
        let had_files = has_files(path).map_err(|error| io_error("list", path, error))?;
        let lock = lock(path)?;
        check_format(path, had_files)?;
        let directory = Self {
            path: path.to_owned(),
            _lock: lock,
        };
        for part in [directory.log(), directory.image()] {
            fs::create_dir_all(&part).map_err(|error| io_error("create", &part, error))?;
        }
        sync_directory(path).map_err(|error| io_error("sync", path, error))?;
        Ok(directory)
    }

    /// Locks the directory for looking at it. Makes and changes nothing.
    pub(crate) fn inspect(path: &Path) -> Result<Self, StorageError> {
        let name = path.join(LOCK_FILE);
        let lock = match File::open(&name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(StorageError::Nothing(path.to_owned()));
            }
            opened => opened.map_err(|error| io_error("open", &name, error))?,
        };
        let lock = try_lock(lock, path)?;
        match fs::read_to_string(path.join(FORMAT_FILE)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(StorageError::Nothing(path.to_owned()));
            }
            read => check_format_text(path, read)?,
        }
        Ok(Self {
            path: path.to_owned(),
            _lock: lock,
        })
    }

    /// The data directory itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the log is.
    pub fn log(&self) -> PathBuf {
        self.path.join("log")
    }

    /// Where the image is.
    pub fn image(&self) -> PathBuf {
        self.path.join("image")
    }

    /// Moves an unreadable image out of the way, durably; an earlier one that was moved so goes.
    pub(crate) fn set_image_aside(&self) -> Result<(), StorageError> {
        let (image, aside) = (self.image(), self.path.join(IMAGE_ASIDE));
        let failed = |error| io_error("set aside", &image, error);
        match fs::remove_dir_all(&aside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        fs::rename(&image, &aside).map_err(failed)?;
        fs::create_dir(&image).map_err(failed)?;
        sync_directory(&self.path).map_err(failed)
    }

    /// Where compiled plugins are kept.
    pub fn plugins(&self) -> PathBuf {
        self.path.join("plugins")
    }
}

/// Makes creations, renames and removals in a directory durable.
pub(crate) fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

pub(crate) fn io_error(doing: &'static str, path: &Path, error: io::Error) -> StorageError {
    StorageError::Io {
        doing,
        path: path.to_owned(),
        error,
    }
}

fn lock(path: &Path) -> Result<File, StorageError> {
    let name = path.join(LOCK_FILE);
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&name)
        .map_err(|error| io_error("open", &name, error))?;
    try_lock(file, path)
}

fn try_lock(file: File, path: &Path) -> Result<File, StorageError> {
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StorageError::InUse(path.to_owned())),
        Err(TryLockError::Error(error)) => Err(io_error("lock", &path.join(LOCK_FILE), error)),
    }
}

/// What a crash in the middle of the first opening leaves is not somebody else's.
fn has_files(path: &Path) -> io::Result<bool> {
    for entry in fs::read_dir(path)? {
        let name = entry?.file_name();
        if name != LOCK_FILE && name != FORMAT_DRAFT && name != "lost+found" {
            return Ok(true);
        }
    }
    Ok(false)
}

fn check_format(path: &Path, had_files: bool) -> Result<(), StorageError> {
    let name = path.join(FORMAT_FILE);
    match fs::read_to_string(&name) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && had_files => {
            Err(StorageError::NotOurs(path.to_owned()))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            write_format(path).map_err(|error| io_error("write", &name, error))
        }
        read => check_format_text(path, read),
    }
}

fn check_format_text(path: &Path, read: io::Result<String>) -> Result<(), StorageError> {
    let text = read.map_err(|error| io_error("read", &path.join(FORMAT_FILE), error))?;
    if text.trim_end() == FORMAT {
        return Ok(());
    }
    Err(StorageError::UnknownFormat {
        path: path.to_owned(),
        found: text.trim_end().to_owned(),
        known: FORMAT,
    })
}

/// The name appears with its text or not at all.
fn write_format(path: &Path) -> io::Result<()> {
    let draft = path.join(FORMAT_DRAFT);
    let mut file = File::create(&draft)?;
    writeln!(file, "{FORMAT}")?;
    file.sync_all()?;
    fs::rename(&draft, path.join(FORMAT_FILE))?;
    sync_directory(path)
}
