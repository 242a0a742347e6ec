//! One server's disk: what is durable, and the writes under way, which become durable in their order.
//! The real one syncs the log before it writes the epochs page and when it cuts the log, so a power
//! cut leaves some first part of the writes, and of an append some first entries. Knows no message.

use std::collections::VecDeque;

use zareba_model::{Ensemble, Entry, Epoch, Zxid};
use zareba_zab::{LogRead, Persist, Recovered, Token};

use crate::violation::{Kind, Violation, ensure};

/// What a power cut leaves.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Image {
    pub(crate) accepted: Epoch,
    pub(crate) current: Epoch,
    /// The log begins behind this; all up to it is in the tree.
    pub(crate) base: Zxid,
    pub(crate) log: Vec<Entry>,
    /// Known to be committed.
    pub(crate) committed: Zxid,
}

/// The image and what is on its way to it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Disk {
    pub(crate) image: Image,
    pub(crate) pending: VecDeque<(Token, Persist)>,
}

impl Image {
    /// The log's end.
    pub(crate) fn last(&self) -> Zxid {
        self.log.last().map_or(self.base, |entry| entry.zxid)
    }

    /// True if that very entry is in the log, or below its beginning.
    pub(crate) fn has(&self, entry: &Entry) -> bool {
        entry.zxid <= self.base || self.log.contains(entry)
    }

    /// True if an entry of that id is in the log, or below its beginning.
    pub(crate) fn reaches(&self, zxid: Zxid) -> bool {
        zxid <= self.base || self.log.iter().any(|entry| entry.zxid == zxid)
    }

    /// What stands behind the largest id not above `after`, up to `upto`.
    pub(crate) fn read(&self, after: Zxid, upto: Zxid) -> LogRead {
        if after < self.base {
            return LogRead::Gone;
        }
        let (before, behind): (Vec<&Entry>, Vec<&Entry>) =
            self.log.iter().partition(|entry| entry.zxid <= after);
        let wanted = behind.into_iter().filter(|entry| entry.zxid <= upto);
        let entries: Vec<Entry> = wanted.cloned().collect();
        if entries.is_empty() {
            return LogRead::Gone;
        }
        LogRead::Entries {
            floor: before.last().map_or(self.base, |entry| entry.zxid),
            entries,
        }
    }

    fn write(&mut self, write: &Persist) -> Result<(), Violation> {
        let unsound = |what: String| Err(Violation::new(Kind::SoundWrites, what));
        match write {
            Persist::Append { entries, committed } => {
                for entry in entries {
                    let last = self.last();
                    if !entry.zxid.follows(last) {
                        return unsound(format!("{} is appended behind {last}", entry.zxid));
                    }
                    self.log.push(entry.clone());
                }
                self.committed = self.committed.max(*committed);
            }
            Persist::Truncate { after } => {
                if *after < self.committed || !self.reaches(*after) {
                    let (last, committed) = (self.last(), self.committed);
                    return unsound(format!(
                        "a log that ends at {last}, committed up to {committed}, is cut to {after}"
                    ));
                }
                self.log.retain(|entry| entry.zxid <= *after);
            }
            Persist::Epochs { accepted, current } => {
                if *accepted < self.accepted || *current < self.current {
                    return unsound(format!("epochs {accepted:?} and {current:?} go back"));
                }
                (self.accepted, self.current) = (*accepted, *current);
            }
        }
        Ok(())
    }
}

impl Disk {
    /// The image once all that is under way is durable.
    pub(crate) fn promised(&self) -> Result<Image, Violation> {
        let mut image = self.image.clone();
        for (_, write) in &self.pending {
            image.write(write)?;
        }
        Ok(image)
    }

    /// The oldest write becomes durable.
    pub(crate) fn complete(&mut self) -> Result<Option<Token>, Violation> {
        let Some((token, write)) = self.pending.pop_front() else {
            return Ok(None);
        };
        self.image.write(&write)?;
        Ok(Some(token))
    }

    /// How many entries of the oldest write may survive a power cut that it does not survive whole.
    pub(crate) fn divisible(&self) -> usize {
        match self.pending.front() {
            Some((_, Persist::Append { entries, .. })) => entries.len().saturating_sub(1),
            _ => 0,
        }
    }

    /// A power cut.
    pub(crate) fn crash(&mut self, kept: usize) -> Result<(), Violation> {
        let oldest = self.pending.pop_front();
        self.pending.clear();
        if let Some((_, Persist::Append { entries, committed })) = oldest
            && kept > 0
        {
            let entries: Vec<Entry> = entries.into_iter().take(kept).collect();
            let end = entries.last().map_or(Zxid::ZERO, |entry| entry.zxid);
            let committed = committed.min(end);
            self.image.write(&Persist::Append { entries, committed })?;
        }
        Ok(())
    }

    /// A snapshot takes the log's place.
    pub(crate) fn install(&mut self, base: Zxid) -> Result<(), Violation> {
        ensure(self.pending.is_empty(), Kind::SoundWrites, || {
            "a snapshot overtakes writes".to_owned()
        })?;
        self.image.log.clear();
        self.image.base = base;
        self.image.committed = base;
        Ok(())
    }

    /// What a server finds when it starts: all that is known to be committed is applied, and that
    /// ensemble stands in the tree.
    pub(crate) fn recover(&self, ensemble: Option<Ensemble>) -> Recovered {
        let image = &self.image;
        Recovered {
            accepted_epoch: image.accepted,
            current_epoch: image.current,
            applied: image.committed,
            tail: image.log.clone(),
            tail_base: image.base,
            may_vote: true,
            ensemble,
        }
    }
}
