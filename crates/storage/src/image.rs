//! The image: the tree's records in fjall, with the place in the log that they stand for.
//!
//! Must never know what a record means.
//!
//! Records live in a keyspace, the **generation**; a second keyspace holds one record on which
//! generation is live and what it stands for. A checkpoint writes into the live generation, batch
//! by batch. A snapshot is installed into a new one, which becomes live in one atomic write; what
//! of it a crash leaves behind is removed when the image is next opened.

use bytes::Bytes;
use fjall::{Database, Keyspace, KeyspaceCreateOptions, KvPair, PersistMode};
use serde::{Deserialize, Serialize};
use zareba_log::Origin;
use zareba_model::{DigestMark, Zxid};

use crate::error::StorageError;

use std::path::Path;
use std::sync::mpsc::SyncSender;

/// What an image stands for.
///
/// It contains all effects up to `start`, and some of those behind it up to `end` and `upto`; so
/// the log is to be replayed from `start`, and the state is whole once both are reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageMeta {
    /// What was applied when the last complete pass began.
    pub start: Zxid,
    /// What was applied when it ended.
    pub end: Zxid,
    /// The tree's digest at `end`; none for a snapshot, or before the first pass.
    pub digest: Option<u64>,
    /// The newest transaction of which there is any effect, in a pass under way too.
    pub upto: Zxid,
    /// Log segments up to this number are of a past that a snapshot has replaced; 0 once a pass has
    /// ended behind it.
    pub discard_segments_up_to: u64,
}

impl ImageMeta {
    /// What the log must hold and reach for this image.
    ///
    /// An image of its own ends with what the log had durably. A snapshot ends behind it: its log
    /// begins at `start`, and what is missing up to `end` this server has never acked, for all that
    /// it had acked before is not above `start`.
    pub fn origin(&self) -> Origin {
        let is_snapshot = self.digest.is_none() && self.upto <= self.end;
        Origin {
            discard_up_to: self.discard_segments_up_to,
            base: self.start,
            durable: match is_snapshot {
                true => self.start,
                false => self.end.max(self.upto),
            },
        }
    }

    /// The digest that the tree must have when the log has been replayed up to there. None if a
    /// pass was under way: then the tree has effects from behind `end` before it is there.
    pub fn digest_mark(&self) -> Option<DigestMark> {
        let digest = self.digest.filter(|_| self.upto <= self.end)?;
        let zxid = self.end;
        Some(DigestMark { zxid, digest })
    }
}

/// The record of the image on itself.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Head {
    /// The live generation; 0 is the empty image of a new server.
    generation: u64,
    meta: ImageMeta,
}

/// The tree's records on disk.
pub struct Image {
    database: Database,
    heads: Keyspace,
    head: Head,
    live: Keyspace,
    install: Option<Install>,
}

/// A snapshot that is coming in.
struct Install {
    generation: u64,
    base: Zxid,
    keyspace: Keyspace,
}

impl Image {
    /// Opens the image, or makes an empty one, and removes what an abandoned installation left.
    pub fn open(path: &Path) -> Result<Self, StorageError> {
        let opened = Database::builder(path)
            .cache_size(CACHE_BYTES)
            .manual_journal_persist(true)
            .worker_threads(1)
            .open();
        let database = opened.map_err(|error| match error {
            fjall::Error::Locked => StorageError::InUse(path.to_owned()),
            error => image_error("open")(error),
        })?;
        let heads = keyspace(&database, HEADS)?;
        let head = match heads.get(HEAD_KEY).map_err(image_error("read"))? {
            Some(bytes) => decode_head(&bytes)?,
            None => Head::default(),
        };
        let name = generation_name(head.generation);
        // A live generation that is missing must not be taken for an empty one.
        if head.generation > 0 && !database.keyspace_exists(&name) {
            return Err(StorageError::ImageMeta);
        }
        let live = keyspace(&database, &name)?;
        let image = Self {
            database,
            heads,
            head,
            live,
            install: None,
        };
        image.remove_strays()?;
        Ok(image)
    }

    /// What the image stands for.
    pub fn meta(&self) -> ImageMeta {
        self.head.meta
    }

    /// About how many records there are, for showing progress.
    pub fn approximate_len(&self) -> u64 {
        self.live.approximate_len() as u64
    }

    /// Calls `take` with every record, in the order of keys.
    ///
    /// A second thread reads ahead while `take` is at work.
    pub fn for_each(&self, mut take: impl FnMut(&[u8], &[u8])) -> Result<(), StorageError> {
        std::thread::scope(|scope| {
            let (sender, pieces) = std::sync::mpsc::sync_channel(PIECES_AHEAD);
            let reader = scope.spawn(move || self.read_pieces(&sender));
            for (key, value) in pieces.into_iter().flatten() {
                take(&key, &value);
            }
            match reader.join() {
                Ok(read) => read,
                Err(panic) => std::panic::resume_unwind(panic),
            }
        })
    }

    /// Reads all records, in order, until nobody wants them any more.
    fn read_pieces(&self, pieces: &SyncSender<Vec<KvPair>>) -> Result<(), StorageError> {
        let mut piece = Vec::with_capacity(PIECE_RECORDS);
        for record in self.live.iter() {
            piece.push(record.into_inner().map_err(image_error("read"))?);
            if piece.len() == PIECE_RECORDS {
                let full = std::mem::replace(&mut piece, Vec::with_capacity(PIECE_RECORDS));
                if pieces.send(full).is_err() {
                    return Ok(());
                }
            }
        }
        // Nobody who takes the rest is no error of the image's.
        drop(pieces.send(piece));
        Ok(())
    }

    /// Writes one piece of a checkpoint, all or nothing: records put, or removed if there is no
    /// value. `upto` is the newest transaction applied to the tree they are taken from, and must
    /// be durable in the log. Durable itself with [`Image::finish_checkpoint`] at the latest; a
    /// crash keeps the pieces up to some point.
    pub fn write_batch(
        &mut self,
        records: &[(Bytes, Option<Bytes>)],
        upto: Zxid,
    ) -> Result<(), StorageError> {
        let mut head = self.head;
        head.meta.upto = head.meta.upto.max(upto);
        let mut batch = self.database.batch();
        put(&mut batch, &self.live, records)?;
        batch.insert(&self.heads, HEAD_KEY, encode_head(&head)?);
        batch.commit().map_err(image_error("write to"))?;
        self.head = head;
        Ok(())
    }

    /// A pass is complete: durably moves the marks. From then on the log is needed from `start`.
    pub fn finish_checkpoint(
        &mut self,
        start: Zxid,
        end: Zxid,
        digest: u64,
    ) -> Result<(), StorageError> {
        assert!(start <= end, "a pass ends after it begins");
        let mut head = self.head;
        head.meta = ImageMeta {
            start,
            end,
            digest: Some(digest),
            upto: head.meta.upto,
            // The log was begun anew long ago: whoever misses its files now has lost them.
            discard_segments_up_to: 0,
        };
        self.write_head(head)
    }

    /// Begins to take in a snapshot whose stream began at `base`; one under way is abandoned.
    pub fn begin_install(&mut self, base: Zxid) -> Result<(), StorageError> {
        self.abandon_install()?;
        let generation = self.head.generation + 1;
        let keyspace = keyspace(&self.database, &generation_name(generation))?;
        self.install = Some(Install {
            generation,
            base,
            keyspace,
        });
        Ok(())
    }

    /// Takes in a piece of it.
    pub fn install_batch(&mut self, records: &[(Bytes, Bytes)]) -> Result<(), StorageError> {
        let install = self.install.as_ref().ok_or(StorageError::NoInstall)?;
        let mut batch = self.database.batch();
        for (key, value) in records {
            check_key(key)?;
            batch.insert(&install.keyspace, key.as_ref(), value.as_ref());
        }
        batch.commit().map_err(image_error("write to"))
    }

    /// The snapshot is complete: durably, and at once, it becomes the image. The log's segments up
    /// to the given one are void with the same write; call `Log::reset` with the base next.
    pub fn finish_install(
        &mut self,
        end: Zxid,
        discard_segments_up_to: u64,
    ) -> Result<(), StorageError> {
        let install = self.install.take().ok_or(StorageError::NoInstall)?;
        assert!(install.base <= end, "a snapshot ends after it begins");
        let meta = ImageMeta {
            start: install.base,
            end,
            digest: None,
            upto: end,
            discard_segments_up_to,
        };
        // The records must be durable before the head names them, whatever part of the journal
        // a crash leaves.
        self.persist()?;
        self.write_head(Head {
            generation: install.generation,
            meta,
        })?;
        let old = std::mem::replace(&mut self.live, install.keyspace);
        self.delete(old)
    }

    /// Forgets a snapshot that will not come to its end. Nothing of it is left.
    pub fn abandon_install(&mut self) -> Result<(), StorageError> {
        match self.install.take() {
            Some(install) => self.delete(install.keyspace),
            None => Ok(()),
        }
    }

    fn write_head(&mut self, head: Head) -> Result<(), StorageError> {
        let mut batch = self.database.batch();
        batch.insert(&self.heads, HEAD_KEY, encode_head(&head)?);
        batch.commit().map_err(image_error("write to"))?;
        self.persist()?;
        self.head = head;
        Ok(())
    }

    fn persist(&self) -> Result<(), StorageError> {
        let persisted = self.database.persist(PersistMode::SyncAll);
        persisted.map_err(image_error("sync"))
    }

    fn delete(&self, keyspace: Keyspace) -> Result<(), StorageError> {
        let deleted = self.database.delete_keyspace(keyspace);
        deleted.map_err(image_error("remove an old generation of"))
    }

    fn remove_strays(&self) -> Result<(), StorageError> {
        let live = generation_name(self.head.generation);
        for name in self.database.list_keyspace_names() {
            if name.starts_with(GENERATION) && *name != *live {
                self.delete(keyspace(&self.database, &name)?)?;
            }
        }
        Ok(())
    }
}

/// The tree is in memory: the image is read once, at start, so a cache would only take memory.
const CACHE_BYTES: u64 = 4 << 20;

/// Records that wait in memory to be written as one table. The tree has them too, so that the engine's usual
/// 64 MiB, which take more than their size, would only be held twice; a start reads as many again from its
/// journal.
const MEMTABLE_BYTES: u64 = 8 << 20;

/// Records handed over at once, and such pieces read ahead.
const PIECE_RECORDS: usize = 1_000;
const PIECES_AHEAD: usize = 8;

const HEADS: &str = "head";
const HEAD_KEY: &[u8] = b"head";
const GENERATION: &str = "generation-";

/// The longest key that the engine takes.
const KEY_BYTES_MAX: usize = u16::MAX as usize;

fn generation_name(generation: u64) -> String {
    format!("{GENERATION}{generation}")
}

fn keyspace(database: &Database, name: &str) -> Result<Keyspace, StorageError> {
    let options = || {
        KeyspaceCreateOptions::default()
            .manual_journal_persist(true)
            .max_memtable_size(MEMTABLE_BYTES)
    };
    database
        .keyspace(name, options)
        .map_err(image_error("open"))
}

fn put(
    batch: &mut fjall::OwnedWriteBatch,
    keyspace: &Keyspace,
    records: &[(Bytes, Option<Bytes>)],
) -> Result<(), StorageError> {
    for (key, value) in records {
        check_key(key)?;
        match value {
            Some(value) => batch.insert(keyspace, key.as_ref(), value.as_ref()),
            None => batch.remove(keyspace, key.as_ref()),
        }
    }
    Ok(())
}

fn check_key(key: &[u8]) -> Result<(), StorageError> {
    if key.is_empty() || key.len() > KEY_BYTES_MAX {
        return Err(StorageError::Key(key.len()));
    }
    Ok(())
}

fn encode_head(head: &Head) -> Result<Vec<u8>, StorageError> {
    postcard::to_stdvec(head).map_err(|_| StorageError::ImageMeta)
}

fn decode_head(bytes: &[u8]) -> Result<Head, StorageError> {
    match postcard::take_from_bytes(bytes) {
        Ok((head, [])) => Ok(head),
        Ok(_) | Err(_) => Err(StorageError::ImageMeta),
    }
}

fn image_error(doing: &'static str) -> impl FnOnce(fjall::Error) -> StorageError {
    move |error| StorageError::Image { doing, error }
}
