//! A disk in memory that loses what a real one may lose: tests and the simulator run on it.
//!
//! Deterministic: randomness is an argument of [`MemoryDisk::crash`]. Only pages that were written
//! take memory, so large preallocated files cost nothing. Must never know what the files hold.

use std::collections::BTreeMap;
use std::rc::Rc;

use bytes::Bytes;

use crate::disk::{Disk, DiskError};

/// The unit in which unsynced writes reach the disk or do not.
const PAGE_BYTES: usize = 4096;

/// The unit in which a single page can be torn.
const SECTOR_BYTES: usize = 512;

/// Shared by the copies of a disk until one of them writes.
type Page = Rc<[u8; PAGE_BYTES]>;

/// What happens to a disk call that was chosen to fail.
#[derive(Clone, Debug)]
enum Trap {
    /// The call fails with this error; a failed sync drops what it should have written.
    Fail(DiskError),
    /// The power goes during the call; every call fails until [`MemoryDisk::crash`].
    PowerOff,
}

/// One file. What is read is `phantom` over `dirty` over `durable`.
#[derive(Clone, Debug, Default)]
struct File {
    length: u64,
    durable_length: u64,
    durable: BTreeMap<u64, Page>,
    /// Written and not synced.
    dirty: BTreeMap<u64, Page>,
    /// Written, then lost by a failed sync: still read from the cache, never to reach the disk.
    phantom: BTreeMap<u64, Page>,
}

/// Something that was changed and not synced when the power went.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unsynced {
    /// The directory's entry of this name was made, removed, or made to mean another file.
    Name(String),
    /// One page of a file, by the file's number, which outlives its name.
    Page(u64, u64),
    /// The length of a file.
    Length(u64),
}

/// What a power cut makes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The disk has what was there before.
    Lost,
    /// The disk has the change.
    Kept,
    /// Of a page: those sectors of 512 bytes are new whose bit is set.
    Torn(u8),
    /// Of a page: so many bytes at its beginning are new.
    Cut(u16),
}

/// A directory of files in memory with a power switch.
#[derive(Clone, Debug, Default)]
pub struct MemoryDisk {
    files: BTreeMap<u64, File>,
    next_file: u64,
    names: BTreeMap<String, u64>,
    durable_names: BTreeMap<String, u64>,
    calls: u64,
    trap: Option<(u64, Trap)>,
    powered_off: bool,
}

impl MemoryDisk {
    /// An empty disk.
    pub fn new() -> Self {
        Self::default()
    }

    /// Changing calls made so far (create, write, sync, remove, sync of the directory).
    pub fn calls(&self) -> u64 {
        self.calls
    }

    /// Lets the changing call after the next `skip` ones fail, once.
    pub fn fail_after(&mut self, skip: u64, error: DiskError) {
        self.trap = Some((self.calls + skip, Trap::Fail(error)));
    }

    /// Cuts the power during the changing call after the next `skip` ones. From then on every
    /// call fails, until [`MemoryDisk::crash`] decides what has survived.
    pub fn power_off_after(&mut self, skip: u64) {
        self.trap = Some((self.calls + skip, Trap::PowerOff));
    }

    /// True once a [`MemoryDisk::power_off_after`] has struck.
    pub fn is_powered_off(&self) -> bool {
        self.powered_off
    }

    /// The power was cut, now it is back: of everything not synced, `random` chooses page by page
    /// what has reached the disk, whole, torn at a sector, or not at all, and name by name which
    /// creations and removals have. Takes armed faults off.
    pub fn crash(&mut self, random: &mut dyn FnMut() -> u64) {
        // One crash in four keeps everything, one in four nothing: the extremes of a subset of
        // many pages would otherwise hardly ever be seen.
        let style = random() % 4;
        self.crash_by(&mut |unsynced| {
            let is_kept = match style {
                0 => true,
                1 => false,
                _ => random().is_multiple_of(2),
            };
            match unsynced {
                _ if !is_kept => Fate::Lost,
                Unsynced::Page(..) if random().is_multiple_of(4) => Fate::Torn(random() as u8),
                _ => Fate::Kept,
            }
        });
    }

    /// What a power cut now would decide about, in the order in which [`MemoryDisk::crash_by`] asks
    /// if every name is kept.
    pub fn unsynced(&self) -> Vec<Unsynced> {
        let mut all = Vec::new();
        self.clone().crash_by(&mut |unsynced| {
            all.push(unsynced.clone());
            Fate::Kept
        });
        all
    }

    /// The power was cut, now it is back, and `fate` says what has become of everything that was
    /// not synced: names first, then the pages and lengths of the files that are left. Takes armed
    /// faults off.
    pub fn crash_by(&mut self, fate: &mut dyn FnMut(&Unsynced) -> Fate) {
        self.trap = None;
        self.powered_off = false;
        let mut names: Vec<String> = self.names.keys().cloned().collect();
        names.extend(self.durable_names.keys().cloned());
        names.sort_unstable();
        names.dedup();
        for name in names {
            let (now, durable) = (self.names.get(&name), self.durable_names.get(&name));
            if now == durable || fate(&Unsynced::Name(name.clone())) == Fate::Lost {
                continue;
            }
            match now.copied() {
                Some(file) => self.durable_names.insert(name, file),
                None => self.durable_names.remove(&name),
            };
        }
        self.names = self.durable_names.clone();
        let names = &self.names;
        self.files
            .retain(|id, _| names.values().any(|used| used == id));
        for (id, file) in &mut self.files {
            file.crash(*id, fate);
        }
    }

    /// A number for what is on the disk, names and bytes: equal disks have equal ones, and others
    /// hardly ever.
    pub fn fingerprint(&self) -> u64 {
        let mut sum = Fingerprint::default();
        for (name, id) in &self.names {
            sum.bytes(name.as_bytes());
            let Some(file) = self.files.get(id) else {
                continue;
            };
            sum.word(file.length);
            for (number, page) in &file.durable {
                // A page of zeros reads like one that was never written.
                if page.iter().any(|byte| *byte != 0) {
                    sum.word(*number);
                    sum.bytes(page.as_slice());
                }
            }
        }
        sum.0
    }

    /// What a process that dies leaves: everything written, for the machine is still up. Takes
    /// armed faults off.
    pub fn kill_process(&mut self) {
        self.trap = None;
        self.powered_off = false;
    }

    /// Something else cuts a file short, durably.
    pub fn cut_short(&mut self, name: &str, length: u64) {
        if let Some(file) = self.names.get(name).and_then(|id| self.files.get_mut(id)) {
            file.length = file.length.min(length);
            file.durable_length = file.durable_length.min(length);
        }
    }

    /// Flips one bit of a file, on the disk and in the cache. Does nothing beyond its end.
    pub fn flip_bit(&mut self, name: &str, offset: u64, bit: u8) {
        let Some(file) = self.names.get(name).and_then(|id| self.files.get_mut(id)) else {
            return;
        };
        if offset >= file.length {
            return;
        }
        let (page, at) = split(offset);
        file.durable.entry(page).or_insert_with(zero_page);
        for layer in [&mut file.durable, &mut file.dirty, &mut file.phantom] {
            if let Some(byte) = layer
                .get_mut(&page)
                .and_then(|page| Rc::make_mut(page).get_mut(at))
            {
                *byte ^= 1 << (bit % 8);
            }
        }
    }

    /// Counts a changing call; true if the power goes while it is carried out.
    fn enter(&mut self) -> Result<bool, DiskError> {
        self.powered()?;
        let call = self.calls;
        self.calls += 1;
        match self.trap.take_if(|(at, _)| *at == call) {
            None => Ok(false),
            Some((_, Trap::Fail(error))) => Err(error),
            Some((_, Trap::PowerOff)) => {
                self.powered_off = true;
                Ok(true)
            }
        }
    }

    fn powered(&self) -> Result<(), DiskError> {
        if self.powered_off {
            return Err(power_is_off());
        }
        Ok(())
    }

    fn file(&mut self, name: &str) -> Result<&mut File, DiskError> {
        self.names
            .get(name)
            .and_then(|id| self.files.get_mut(id))
            .ok_or_else(|| DiskError::NotFound(name.to_owned()))
    }
}

impl Disk for MemoryDisk {
    fn list(&mut self) -> Result<Vec<String>, DiskError> {
        self.powered()?;
        Ok(self.names.keys().cloned().collect())
    }

    fn len(&mut self, name: &str) -> Result<u64, DiskError> {
        self.powered()?;
        Ok(self.file(name)?.length)
    }

    fn read(&mut self, name: &str, offset: u64, length: usize) -> Result<Bytes, DiskError> {
        self.powered()?;
        Ok(self.file(name)?.read(offset, length))
    }

    fn create(&mut self, name: &str, length: u64) -> Result<(), DiskError> {
        if self.names.contains_key(name) {
            return Err(DiskError::Exists(name.to_owned()));
        }
        let power_goes = self.enter()?;
        let id = self.next_file;
        self.next_file += 1;
        let file = File {
            length,
            ..File::default()
        };
        self.files.insert(id, file);
        self.names.insert(name.to_owned(), id);
        finish(power_goes)
    }

    fn write_at(&mut self, name: &str, offset: u64, bytes: &[u8]) -> Result<(), DiskError> {
        let power_goes = self.enter()?;
        self.file(name)?.write(offset, bytes);
        finish(power_goes)
    }

    fn sync(&mut self, name: &str) -> Result<(), DiskError> {
        self.file(name)?;
        match self.enter() {
            Ok(false) => self.file(name)?.sync(),
            Ok(true) => return Err(power_is_off()),
            Err(error) => {
                // As Linux does: the pages are clean now, and a second sync would succeed.
                self.file(name)?.fail_sync();
                return Err(error);
            }
        }
        Ok(())
    }

    fn remove(&mut self, name: &str) -> Result<(), DiskError> {
        self.file(name)?;
        let power_goes = self.enter()?;
        self.names.remove(name);
        finish(power_goes)
    }

    fn sync_directory(&mut self) -> Result<(), DiskError> {
        if self.enter()? {
            return Err(power_is_off());
        }
        self.durable_names = self.names.clone();
        let names = &self.names;
        self.files
            .retain(|id, _| names.values().any(|used| used == id));
        Ok(())
    }
}

impl File {
    fn read(&self, offset: u64, length: usize) -> Bytes {
        let end = self.length.min(offset.saturating_add(length as u64));
        let mut bytes = Vec::with_capacity(end.saturating_sub(offset) as usize);
        let mut position = offset;
        while position < end {
            let (page, at) = split(position);
            let count = (PAGE_BYTES - at).min((end - position) as usize);
            let layers = [&self.phantom, &self.dirty, &self.durable];
            match layers.iter().find_map(|layer| layer.get(&page)) {
                Some(page) => {
                    bytes.extend_from_slice(page.get(at..at + count).unwrap_or_default());
                }
                None => bytes.resize(bytes.len() + count, 0),
            }
            position += count as u64;
        }
        bytes.into()
    }

    fn write(&mut self, offset: u64, mut bytes: &[u8]) {
        let mut position = offset;
        self.length = self.length.max(offset + bytes.len() as u64);
        while !bytes.is_empty() {
            let (number, at) = split(position);
            let (now, rest) = bytes.split_at(bytes.len().min(PAGE_BYTES - at));
            if let Some(lost) = self.phantom.remove(&number) {
                self.dirty.insert(number, lost);
            }
            let durable = &self.durable;
            let page = self
                .dirty
                .entry(number)
                .or_insert_with(|| durable.get(&number).cloned().unwrap_or_else(zero_page));
            if let Some(old) = Rc::make_mut(page).get_mut(at..at + now.len()) {
                old.copy_from_slice(now);
            }
            position += now.len() as u64;
            bytes = rest;
        }
    }

    fn sync(&mut self) {
        self.durable.append(&mut self.dirty);
        self.durable_length = self.length;
    }

    fn fail_sync(&mut self) {
        self.phantom.append(&mut self.dirty);
    }

    fn crash(&mut self, id: u64, fate: &mut dyn FnMut(&Unsynced) -> Fate) {
        self.phantom.clear();
        for (number, new) in std::mem::take(&mut self.dirty) {
            match fate(&Unsynced::Page(id, number)) {
                Fate::Lost => {}
                Fate::Kept => {
                    self.durable.insert(number, new);
                }
                Fate::Torn(sectors) => {
                    let old = self.durable.entry(number).or_insert_with(zero_page);
                    for (index, (old, new)) in Rc::make_mut(old)
                        .chunks_mut(SECTOR_BYTES)
                        .zip(new.chunks(SECTOR_BYTES))
                        .enumerate()
                    {
                        if sectors >> index & 1 == 1 {
                            old.copy_from_slice(new);
                        }
                    }
                }
                Fate::Cut(bytes) => {
                    let old = self.durable.entry(number).or_insert_with(zero_page);
                    Rc::make_mut(old)
                        .iter_mut()
                        .zip(new.iter())
                        .take(usize::from(bytes))
                        .for_each(|(old, new)| *old = *new);
                }
            }
        }
        let is_longer = self.length != self.durable_length;
        if is_longer && fate(&Unsynced::Length(id)) == Fate::Lost {
            self.length = self.durable_length;
            let pages = self.length.div_ceil(PAGE_BYTES as u64);
            self.durable.retain(|number, _| *number < pages);
        }
        self.durable_length = self.length;
    }
}

/// Folds words into one by multiplying, as fast hashes do.
#[derive(Clone, Copy, Debug)]
struct Fingerprint(u64);

impl Default for Fingerprint {
    fn default() -> Self {
        Self(0x2d35_8dcc_aa6c_78a5)
    }
}

impl Fingerprint {
    fn word(&mut self, word: u64) {
        let product = u128::from(self.0 ^ word) * 0x9e37_79b9_7f4a_7c15_u128;
        self.0 = (product as u64) ^ ((product >> 64) as u64);
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.word(bytes.len() as u64);
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word.iter_mut()
                .zip(chunk)
                .for_each(|(to, from)| *to = *from);
            self.word(u64::from_le_bytes(word));
        }
    }
}

fn finish(power_goes: bool) -> Result<(), DiskError> {
    if power_goes {
        return Err(power_is_off());
    }
    Ok(())
}

fn power_is_off() -> DiskError {
    DiskError::Io("the power is off".to_owned())
}

fn zero_page() -> Page {
    Rc::new([0; PAGE_BYTES])
}

fn split(offset: u64) -> (u64, usize) {
    let page = PAGE_BYTES as u64;
    (offset / page, (offset % page) as usize)
}
