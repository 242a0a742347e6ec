//! The transaction log and the epochs page, over one small [`Disk`] trait.
//!
//! Must never know a file system, a clock, a thread, or what an entry's payload means.

pub mod disk;
pub use disk::{Disk, DiskError};

pub mod error;
pub use error::{Damage, LogError};

pub mod log;
pub use log::{Config, Epochs, Log, Origin, Recovered, Replay};

pub mod memory_disk;
pub use memory_disk::MemoryDisk;
