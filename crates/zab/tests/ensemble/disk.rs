//! A disk that keeps what was synced and loses what was not.

use std::collections::{BTreeSet, VecDeque};

use zareba_model::{Entry, Epoch, Zxid};
use zareba_zab::{LogRead, Persist, Recovered, Token};

use crate::rng::Rng;

/// What a crash leaves.
#[derive(Clone, Debug, Default)]
pub struct Image {
    pub accepted: Epoch,
    pub current: Epoch,
    pub base: Zxid,
    pub log: Vec<Entry>,
    /// Known to be committed.
    pub committed: Zxid,
    pub damaged: bool,
    /// Entries that rot has taken.
    pub rotten: BTreeSet<Zxid>,
}

#[derive(Clone, Debug, Default)]
pub struct Disk {
    pub image: Image,
    /// When it will be durable, its token, what.
    pub pending: VecDeque<(u64, Token, Persist)>,
}

impl Image {
    pub fn last(&self) -> Zxid {
        self.log.last().map_or(self.base, |entry| entry.zxid)
    }

    pub fn contains(&self, zxid: Zxid) -> bool {
        zxid <= self.base
            || self
                .log
                .binary_search_by_key(&zxid, |entry| entry.zxid)
                .is_ok()
    }

    /// What stands behind the largest id that is not above `after`.
    pub fn read(&self, after: Zxid, upto: Zxid, bytes_max: usize) -> LogRead {
        if after < self.base {
            return LogRead::Gone;
        }
        let place = self.log.partition_point(|entry| entry.zxid <= after);
        let floor = self.log[..place].last().map_or(self.base, |it| it.zxid);
        let mut bytes = 0;
        let wanted = self.log[place..].iter().take_while(|entry| {
            let first = bytes == 0;
            bytes += entry.payload.len() + 1;
            entry.zxid <= upto && (first || bytes <= bytes_max)
        });
        let entries = wanted.cloned().collect();
        LogRead::Entries { floor, entries }
    }

    pub fn write(&mut self, write: Persist) {
        match write {
            Persist::Append { entries, committed } => {
                for entry in entries {
                    assert!(entry.zxid.follows(self.last()), "a hole in the log");
                    self.log.push(entry);
                }
                self.committed = self.committed.max(committed);
            }
            Persist::Truncate { after } => {
                assert!(after >= self.committed, "committed entries were truncated");
                assert!(self.contains(after), "truncated to nowhere");
                self.log.retain(|entry| entry.zxid <= after);
            }
            Persist::Epochs { accepted, current } => {
                assert!(accepted >= self.accepted && current >= self.current);
                self.accepted = accepted;
                self.current = current;
            }
        }
    }
}

impl Disk {
    /// Completes what is due; the last token completed.
    pub fn complete(&mut self, now: u64) -> Option<Token> {
        let mut done = None;
        while self.pending.front().is_some_and(|(at, ..)| *at <= now) {
            let (_, token, write) = self.pending.pop_front()?;
            self.image.write(write);
            done = Some(token);
        }
        done
    }

    /// A power cut: of what is not synced, some first part may have reached the disk.
    pub fn crash(&mut self, rng: &mut Rng) {
        let survive = rng.below(self.pending.len() as u64 + 1) as usize;
        let mut pending = std::mem::take(&mut self.pending);
        for (_, _, write) in pending.drain(..survive) {
            self.image.write(write);
        }
        if let Some((
            _,
            _,
            Persist::Append {
                mut entries,
                committed,
            },
        )) = pending.pop_front()
            && rng.one_in(2)
        {
            entries.truncate(rng.below(entries.len() as u64 + 1) as usize);
            let known = entries.last().map_or(self.image.last(), |entry| entry.zxid);
            let committed = committed.min(known);
            self.image.write(Persist::Append { entries, committed });
        }
    }

    /// A snapshot takes the log's place.
    pub fn install(&mut self, base: Zxid) {
        assert!(self.pending.is_empty(), "a snapshot overtakes writes");
        assert!(
            base >= self.image.last(),
            "a snapshot took acked entries away"
        );
        self.image.log.clear();
        self.image.base = base;
        self.image.committed = base;
    }

    /// Rot: the log's end is unreadable.
    pub fn damage(&mut self, rng: &mut Rng) {
        let keep = rng.below(self.image.log.len() as u64 + 1) as usize;
        let rotten = self.image.log.drain(keep..).map(|entry| entry.zxid);
        self.image.rotten.extend(rotten);
        self.image.committed = self.image.committed.min(self.image.last());
        self.image.damaged = true;
    }

    /// As a server finds it: applied up to somewhere committed, with some window before that.
    pub fn recover(&self, rng: &mut Rng) -> Recovered {
        let image = &self.image;
        let mut places = vec![image.base];
        places.extend(image.log.iter().map(|entry| entry.zxid));
        let known = places
            .iter()
            .filter(|zxid| **zxid <= image.committed)
            .count();
        let applied = rng.below(known as u64) as usize;
        let base = rng.below(applied as u64 + 1) as usize;
        Recovered {
            accepted_epoch: image.accepted,
            current_epoch: image.current,
            applied: places[applied],
            ensemble: None,
            tail: image.log[base..].to_vec(),
            tail_base: places[base],
            may_vote: !image.damaged,
        }
    }
}
