//! Opens what is on the disk as one: first the image, then the log behind it.
//!
//! Must never know what a record or an entry means.
//!
//! # The order, and what a crash leaves
//!
//! | under way | a crash leaves | the next opening |
//! |---|---|---|
//! | append | a torn tail | cuts it: nobody was told |
//! | checkpoint | pieces of a pass, `upto` ahead of `end` | replays from the old `start`: txns are idempotent |
//! | purge | segments below `start` | purges them later |
//! | installation | a generation that is not live | removes it; image and log are the old ones |
//! | any write of the image | perhaps a journal that fjall refuses | sets it aside; the log covers it, or it is damage |
//! | between its flip and the log's reset | the new image, the old log | removes segments up to `discard_segments_up_to` |
//! | after the reset, before the entries up to `end` are in the log | a tree that is not whole | goes on: nothing that was acked is missing, and whoever leads has the rest |
//!
//! Then the owner loads [`Image::for_each`], replays [`Log::replay_after`]`(`[`Store::replay_from`]`)`,
//! compares [`crate::ImageMeta::digest_mark`] when it is there, and serves. A wrong digest, or a record
//! that makes no sense, means that the image is wrong: [`Store::without_image`].

use std::path::Path;

use zareba_log::{Config as LogConfig, Disk, Log, LogError, Recovered};
use zareba_model::Zxid;

use crate::directory::Directory;
use crate::disk::FileDisk;
use crate::error::StorageError;
use crate::image::Image;

/// How a data directory is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// The log's layout.
    pub log: LogConfig,
}

/// Everything a server has on its disk.
pub struct Store<D = FileDisk> {
    /// The log, open for appending, with the epochs page.
    pub log: Log<D>,
    /// The image.
    pub image: Image,
    /// What was found.
    pub recovered: Recovered,
    /// Why the image could not be read, if so: it was moved to `image.broken`, and an empty one
    /// stands in its place. Unless the log still reaches back to the beginning, there is damage.
    pub image_lost: Option<String>,
    /// Keeps other processes out; must live as long as the log and the image do.
    pub directory: Directory,
}

impl Store {
    /// Opens a data directory, making it if it is not there.
    pub fn open(path: &Path, config: Config) -> Result<Self, StorageError> {
        Self::open_on(path, config, |files| files)
    }
}

impl<D: Disk> Store<D> {
    /// The same with something around the log's files.
    pub fn open_on(
        path: &Path,
        config: Config,
        around: impl FnOnce(FileDisk) -> D,
    ) -> Result<Self, StorageError> {
        Self::open_in(Directory::open(path)?, config, around, None)
    }

    /// Opens it anew without its image, which turned out to be wrong: it is set aside, and the log
    /// makes up for it as far as it reaches back. If it does not, there is damage.
    pub fn without_image(
        self,
        config: Config,
        around: impl FnOnce(FileDisk) -> D,
        reason: String,
    ) -> Result<Self, StorageError> {
        let Self {
            image,
            directory,
            log,
            ..
        } = self;
        drop((image, log));
        directory.set_image_aside()?;
        Self::open_in(directory, config, around, Some(reason))
    }

    fn open_in(
        directory: Directory,
        config: Config,
        around: impl FnOnce(FileDisk) -> D,
        image_lost: Option<String>,
    ) -> Result<Self, StorageError> {
        let (image, unreadable) = match Image::open(&directory.image()) {
            Err(error) if error.is_broken_image() => {
                // The engine cannot tell a torn journal from a rotten one, so this is no reason to
                // stay down: the log says whether anything is missing, and the leader has it.
                directory.set_image_aside()?;
                (Image::open(&directory.image())?, Some(error.to_string()))
            }
            image => (image?, None),
        };
        let disk = FileDisk::open(&directory.log()).map_err(|error| LogError::Disk {
            doing: "open its directory",
            error,
        })?;
        let (log, recovered) = Log::open(around(disk), config.log, image.meta().origin())?;
        Ok(Self {
            log,
            image,
            recovered,
            image_lost: image_lost.or(unreadable),
            directory,
        })
    }

    /// Where replay begins: behind the image, or where a log that was cut short begins.
    pub fn replay_from(&self) -> Zxid {
        self.image.meta().start.max(self.log.base())
    }

    /// A checkpoint's pass is complete: moves the image's marks, then drops the log below it.
    pub fn finish_checkpoint(
        &mut self,
        start: Zxid,
        end: Zxid,
        digest: u64,
    ) -> Result<(), StorageError> {
        self.image.finish_checkpoint(start, end, digest)?;
        Ok(self.log.purge_below(start)?)
    }

    /// A snapshot is complete: it becomes the image, then the log begins anew behind its start.
    pub fn finish_install(&mut self, end: Zxid) -> Result<(), StorageError> {
        let discard = self.log.last_segment_number();
        self.image.finish_install(end, discard)?;
        Ok(self.log.reset(self.image.meta().start)?)
    }
}
