//! Disk: the log on real files, the image in fjall, and their recovery as one.
//!
//! Must never know what a record or an entry means, nor decide what is durable enough to be told.
//! The log itself is `zareba-log`, which the simulator runs too; this room gives it a file system.

pub mod directory;
pub use directory::Directory;

pub mod disk;
pub use disk::FileDisk;

mod spare;

pub mod image;
pub use image::{Image, ImageMeta};

pub mod inspection;
pub use inspection::Inspected;

pub mod recovery;
pub use recovery::{Config, Store};

pub mod error;
pub use error::StorageError;

pub use zareba_log::{
    Config as LogConfig, Damage, Disk, DiskError, Epochs, Log, LogError, Origin, Recovered, Replay,
};
