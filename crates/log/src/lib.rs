//! The transaction log and the epochs page, over one small [`Disk`] trait.
//!
//! Must never know a file system, a clock, a thread, or what an entry's payload means.
//!
//! # A segment
//!
//! ```text
//! header  magic · format · length of the file · number · previous segment, where it ends
//!         · last entry before · committed · crc32c
//! ENTR    crc32c · kind · length · zxid · previous zxid · payload · padding to 8 bytes
//! MARK    crc32c · kind ·        · last zxid · committed zxid
//! CUT!    crc32c · kind ·        · zxid kept · last zxid before the cut
//! zeros   up to the file's preallocated length
//! ```
//!
//! A record's checksum covers its segment's number and its offset too. All numbers are
//! little-endian. Bytes are only added: a truncation is a `CUT!`, a roll is a new segment that links
//! to the one before, a reset is a new segment that links to none. Each is one atomic step.
//!
//! # What recovery can tell, exactly
//!
//! A mark is written right after a sync has returned and says by its place: everything before me is
//! durable. A segment's header says the same of the segment before. Marks are not synced themselves;
//! the next batch's sync takes each along, and the kernel's write-back does when nothing follows.
//!
//! - Bad bytes before a good mark, or before the end that the next header names, are **damage**:
//!   acknowledged entries are missing. [`Recovered::damage`] says which, and is remembered in the
//!   file `damaged` until [`Log::clear_damage`]. So are a segment whose file is shorter than it was
//!   made, a missing segment, a log that does not meet the image, and a lost log.
//! - Bad bytes that no mark is behind are a **torn tail**: they are cut and zeroed.
//! - The gap: a synced batch whose mark has not reached the disk yet (the power went before the next
//!   sync or write-back) and whose own bytes have then also rotted looks like a torn tail. It takes
//!   a power cut and a bad medium in the same last batch. [`Log::seal`] closes it: the owner calls
//!   it when the log is idle and when it ends. The loss of the newest segment's file as a whole is
//!   noticed only if the image is ahead of what is left.
//!
//! The first disk error stops the log. At the next opening, everything that no mark proves is
//! written again and synced before it counts as durable: it may be in the cache alone, and after a
//! failed sync the kernel would not write it by itself.

pub mod disk;
pub use disk::{Disk, DiskError};

pub mod error;
pub use error::{Damage, LogError};

mod bug;
#[cfg(feature = "bugs")]
pub use bug::Bug;

mod record;
mod window;

mod history;

mod index;

mod recovery;

mod damage_note;

pub mod epochs;
pub use epochs::Epochs;

pub mod log;
pub use log::{Config, Log, Origin, Recovered};

mod open;

pub mod inspection;
pub use inspection::{Inspection, Place, inspect};

mod replay;
pub use replay::Replay;

mod slice;
pub use slice::LogSlice;

pub mod memory_disk;
pub use memory_disk::{Fate, MemoryDisk, Unsynced};

pub mod faulty_disk;
pub use faulty_disk::{DiskCall, Effect, Fault, FaultyDisk};
