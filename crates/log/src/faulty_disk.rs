//! A disk that fails or dawdles where it is told to, around any other.
//!
//! Tests and the simulator script it; the server has it only in builds that ask for it. Must never
//! know what the files hold, nor pass time itself: how that is done is told by its owner.

use std::str::FromStr;

use bytes::Bytes;
use thiserror::Error;

use crate::disk::{Disk, DiskError};

/// The calls of the trait [`Disk`], one for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DiskCall {
    /// [`Disk::list`].
    List,
    /// [`Disk::len`].
    Len,
    /// [`Disk::read`].
    Read,
    /// [`Disk::create`].
    Create,
    /// [`Disk::write_at`].
    Write,
    /// [`Disk::sync`].
    Sync,
    /// [`Disk::remove`].
    Remove,
    /// [`Disk::sync_directory`].
    SyncDirectory,
}

impl DiskCall {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::List,
        Self::Len,
        Self::Read,
        Self::Create,
        Self::Write,
        Self::Sync,
        Self::Remove,
        Self::SyncDirectory,
    ];

    /// Its name in a script.
    pub fn name(self) -> &'static str {
        match self {
            Self::List => "list",
            Self::Len => "len",
            Self::Read => "read",
            Self::Create => "create",
            Self::Write => "write",
            Self::Sync => "sync",
            Self::Remove => "remove",
            Self::SyncDirectory => "sync-directory",
        }
    }
}

/// What happens to a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It fails. A write has written half of its bytes by then.
    Fail(DiskError),
    /// It takes so many milliseconds longer.
    Delay(u64),
}

/// One line of the script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Which calls it waits for.
    pub call: DiskCall,
    /// Only on files whose name contains this.
    pub file: Option<String>,
    /// So many of them go well first.
    pub after: u64,
    /// Strikes at one call alone; otherwise at all from then on.
    pub once: bool,
    /// What happens then.
    pub effect: Effect,
}

/// Why a script makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "no disk fault can be read from {0:?}; expected CALL:EFFECT, then :after=N, :file=TEXT or :once as \
     wanted; CALL is list, len, read, create, write, sync, remove or sync-directory; EFFECT is EIO, \
     ENOSPC, ENOENT or delay=MILLISECONDS; example: sync:EIO:after=3:once"
)]
pub struct BadFault(String);

impl FromStr for Fault {
    type Err = BadFault;

    fn from_str(text: &str) -> Result<Self, BadFault> {
        parse(text).ok_or_else(|| BadFault(text.to_owned()))
    }
}

fn parse(text: &str) -> Option<Fault> {
    let mut words = text.trim().split(':');
    let name = words.next()?;
    let call = DiskCall::ALL.into_iter().find(|it| it.name() == name)?;
    let effect = match words.next()? {
        "EIO" => Effect::Fail(DiskError::Io(format!("input/output error in {name}"))),
        "ENOSPC" => Effect::Fail(DiskError::NoSpace(String::new())),
        "ENOENT" => Effect::Fail(DiskError::NotFound(String::new())),
        delay => Effect::Delay(delay.strip_prefix("delay=")?.parse().ok()?),
    };
    let mut fault = Fault {
        call,
        file: None,
        after: 0,
        once: false,
        effect,
    };
    for word in words {
        match word.split_once('=') {
            None if word == "once" => fault.once = true,
            Some(("after", count)) => fault.after = count.parse().ok()?,
            Some(("file", part)) => fault.file = Some(part.to_owned()),
            _ => return None,
        }
    }
    Some(fault)
}

/// A disk with a script of faults.
#[derive(Clone, Debug)]
pub struct FaultyDisk<D> {
    disk: D,
    faults: Vec<(Fault, u64)>,
    calls: Vec<DiskCall>,
    is_recording: bool,
    delay: Option<fn(u64)>,
    struck: u64,
}

impl<D> FaultyDisk<D> {
    /// Around `disk`, with these faults.
    pub fn new(disk: D, faults: impl IntoIterator<Item = Fault>) -> Self {
        Self {
            disk,
            faults: faults.into_iter().map(|fault| (fault, 0)).collect(),
            calls: Vec::new(),
            is_recording: false,
            delay: None,
            struck: 0,
        }
    }

    /// The same, with a way to let that many milliseconds pass.
    #[must_use]
    pub fn with_delay(mut self, delay: fn(u64)) -> Self {
        self.delay = Some(delay);
        self
    }

    /// The same, writing down every call from now on.
    #[must_use]
    pub fn recording(mut self) -> Self {
        self.is_recording = true;
        self
    }

    /// Adds a fault; it counts calls from now on.
    pub fn add(&mut self, fault: Fault) {
        self.faults.push((fault, 0));
    }

    /// The calls written down.
    pub fn calls(&self) -> &[DiskCall] {
        &self.calls
    }

    /// How often a fault has struck.
    pub fn struck(&self) -> u64 {
        self.struck
    }

    /// The disk without its faults.
    pub fn into_inner(self) -> D {
        self.disk
    }

    fn enter(&mut self, call: DiskCall, file: &str) -> Result<(), DiskError> {
        if self.is_recording {
            self.calls.push(call);
        }
        for (fault, seen) in &mut self.faults {
            let is_meant = fault.file.as_deref().is_none_or(|part| file.contains(part));
            if fault.call != call || !is_meant {
                continue;
            }
            *seen += 1;
            if *seen <= fault.after || (fault.once && *seen > fault.after + 1) {
                continue;
            }
            self.struck += 1;
            match &fault.effect {
                Effect::Fail(error) => return Err(on_file(error, file)),
                Effect::Delay(milliseconds) => {
                    if let Some(delay) = self.delay {
                        delay(*milliseconds);
                    }
                }
            }
        }
        Ok(())
    }
}

/// The error as a real disk words it, with the file's name.
fn on_file(error: &DiskError, file: &str) -> DiskError {
    match error {
        DiskError::NotFound(_) => DiskError::NotFound(file.to_owned()),
        DiskError::Exists(_) => DiskError::Exists(file.to_owned()),
        DiskError::NoSpace(_) => DiskError::NoSpace(file.to_owned()),
        DiskError::Io(text) => DiskError::Io(format!("{file}: {text}")),
    }
}

impl<D: Disk> Disk for FaultyDisk<D> {
    fn list(&mut self) -> Result<Vec<String>, DiskError> {
        self.enter(DiskCall::List, "")?;
        self.disk.list()
    }

    fn len(&mut self, name: &str) -> Result<u64, DiskError> {
        self.enter(DiskCall::Len, name)?;
        self.disk.len(name)
    }

    fn read(&mut self, name: &str, offset: u64, length: usize) -> Result<Bytes, DiskError> {
        self.enter(DiskCall::Read, name)?;
        self.disk.read(name, offset, length)
    }

    fn create(&mut self, name: &str, length: u64) -> Result<(), DiskError> {
        self.enter(DiskCall::Create, name)?;
        self.disk.create(name, length)
    }

    fn write_at(&mut self, name: &str, offset: u64, bytes: &[u8]) -> Result<(), DiskError> {
        let entered = self.enter(DiskCall::Write, name);
        if entered.is_err() {
            let half = bytes.get(..bytes.len() / 2).unwrap_or_default();
            self.disk.write_at(name, offset, half)?;
        }
        entered?;
        self.disk.write_at(name, offset, bytes)
    }

    fn sync(&mut self, name: &str) -> Result<(), DiskError> {
        self.enter(DiskCall::Sync, name)?;
        self.disk.sync(name)
    }

    fn remove(&mut self, name: &str) -> Result<(), DiskError> {
        self.enter(DiskCall::Remove, name)?;
        self.disk.remove(name)
    }

    fn sync_directory(&mut self) -> Result<(), DiskError> {
        self.enter(DiskCall::SyncDirectory, "")?;
        self.disk.sync_directory()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory_disk::MemoryDisk;

    #[test]
    fn a_script_is_read_or_refused_with_its_grammar() {
        let fault: Fault = "sync:EIO:after=3:file=log-:once".parse().unwrap();
        assert_eq!(
            (fault.call, fault.after, fault.once),
            (DiskCall::Sync, 3, true)
        );
        assert_eq!(fault.file.as_deref(), Some("log-"));
        let slow: Fault = "write:delay=20".parse().unwrap();
        assert_eq!(slow.effect, Effect::Delay(20));
        for bad in [
            "",
            "sync",
            "sync:EBAD",
            "sync:EIO:after=x",
            "sink:EIO",
            "sync:EIO:twice",
        ] {
            let error = bad.parse::<Fault>().unwrap_err();
            assert!(error.to_string().contains("sync:EIO:after=3:once"));
        }
    }

    #[test]
    fn a_fault_strikes_at_its_call_and_file_once_or_from_then_on() {
        let faults = ["write:ENOSPC:after=1:once:file=b", "sync:EIO:after=1"];
        let faults = faults.map(|fault| fault.parse().unwrap());
        let mut disk = FaultyDisk::new(MemoryDisk::new(), faults);
        disk.create("a", 8).unwrap();
        disk.create("b", 8).unwrap();
        let mut write = |name| disk.write_at(name, 0, b"0123");
        write("a").unwrap();
        write("a").unwrap();
        write("b").unwrap();
        assert_eq!(write("b"), Err(DiskError::NoSpace("b".to_owned())));
        write("b").unwrap();
        disk.sync("a").unwrap();
        for _ in 0..2 {
            let error = disk.sync("a").unwrap_err().to_string();
            assert_eq!(error, "a: input/output error in sync");
        }
        assert_eq!(disk.struck(), 3);
    }
}
