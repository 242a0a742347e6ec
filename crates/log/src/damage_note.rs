//! The file that remembers damage over restarts, until a quorum has refilled this server.
//!
//! Without it, a server that has lost acknowledged entries would look whole at its second start,
//! and vote. Its text is for people. Must never know how damage is found.

use crate::disk::{Disk, DiskError};

/// The file.
pub(crate) const DAMAGE_FILE: &str = "damaged";

const NOTE_BYTES: u64 = 4096;

/// The text, if damage was found before.
pub(crate) fn read<D: Disk>(disk: &mut D) -> Result<Option<String>, DiskError> {
    if !disk.list()?.iter().any(|name| name == DAMAGE_FILE) {
        return Ok(None);
    }
    let bytes = disk.read(DAMAGE_FILE, 0, NOTE_BYTES as usize)?;
    let text = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
    // That the file is there says everything; a torn text is still a note.
    Ok(Some(String::from_utf8_lossy(text).into_owned()))
}

/// Leaves the note, durably.
pub(crate) fn write<D: Disk>(disk: &mut D, text: &str) -> Result<(), DiskError> {
    if !disk.list()?.iter().any(|name| name == DAMAGE_FILE) {
        disk.create(DAMAGE_FILE, NOTE_BYTES)?;
    }
    let bytes = text.as_bytes();
    let kept = bytes.get(..NOTE_BYTES as usize).unwrap_or(bytes);
    disk.write_at(DAMAGE_FILE, 0, kept)?;
    disk.sync(DAMAGE_FILE)?;
    disk.sync_directory()
}

/// Takes the note away, durably.
pub(crate) fn clear<D: Disk>(disk: &mut D) -> Result<(), DiskError> {
    if disk.list()?.iter().any(|name| name == DAMAGE_FILE) {
        disk.remove(DAMAGE_FILE)?;
        disk.sync_directory()?;
    }
    Ok(())
}
