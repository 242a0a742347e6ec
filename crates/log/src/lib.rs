//! The transaction log and the epochs page, over one small [`Disk`] trait.
//!
//! Must never know a file system, a clock, a thread, or what an entry's payload means.

pub mod disk;
pub use disk::{Disk, DiskError};

pub mod error;
pub use error::{Damage, LogError};

mod record;
mod window;

mod history;

mod recovery;

mod damage_note;

pub mod epochs;
pub use epochs::Epochs;

pub mod log;
pub use log::{Config, Log, Origin, Recovered};

mod open;

mod replay;
pub use replay::Replay;

pub mod memory_disk;
pub use memory_disk::MemoryDisk;
