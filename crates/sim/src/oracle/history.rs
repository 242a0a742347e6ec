//! The one committed history, and what every leader has broadcast. Judges nothing.

use std::collections::BTreeMap;

use bytes::Bytes;
use rustc_hash::FxHashMap;
use zareba_model::{Epoch, Zxid};

/// What one leader has broadcast in its reign.
#[derive(Clone, Debug)]
pub(crate) struct Primary {
    pub(crate) server: usize,
    /// What it had delivered when it began.
    pub(crate) delivered: Zxid,
    /// In its order.
    pub(crate) broadcast: Vec<Zxid>,
    /// How many of them are committed.
    pub(crate) committed: usize,
}

/// The committed history and what it was chosen from.
#[derive(Debug, Default)]
pub(crate) struct History {
    /// Every entry that was ever to be written, anywhere; never iterated over.
    payloads: FxHashMap<Zxid, Bytes>,
    /// The committed entries, with the digest behind each.
    entries: Vec<(Zxid, u64)>,
    pub(crate) primaries: BTreeMap<Epoch, Primary>,
    /// The newest transaction that was committed in each reign.
    reigns: BTreeMap<Epoch, Zxid>,
}

impl History {
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn last(&self) -> Zxid {
        self.entries.last().map_or(Zxid::ZERO, |(zxid, _)| *zxid)
    }

    /// A transaction is committed, in the reign of that epoch.
    pub(crate) fn push(&mut self, zxid: Zxid, digest: u64, reign: Epoch) {
        self.entries.push((zxid, digest));
        self.reigns.insert(reign, zxid);
    }

    /// The newest transaction that was committed before the reign of that epoch.
    pub(crate) fn committed_before(&self, reign: Epoch) -> Zxid {
        let before = self.reigns.range(..reign).map(|(_, zxid)| *zxid);
        before.max().unwrap_or_default()
    }

    /// The newest transaction that was committed in the reign of that epoch or before.
    pub(crate) fn committed_until(&self, reign: Epoch) -> Zxid {
        let until = self.reigns.range(..=reign).map(|(_, zxid)| *zxid);
        until.max().unwrap_or_default()
    }

    /// The transaction at a place.
    pub(crate) fn at(&self, place: usize) -> Option<Zxid> {
        self.entries.get(place).map(|(zxid, _)| *zxid)
    }

    /// How many transactions the history has up to this one, if it is in it.
    pub(crate) fn position(&self, zxid: Zxid) -> Option<usize> {
        if zxid == Zxid::ZERO {
            return Some(0);
        }
        let place = self.entries.binary_search_by_key(&zxid, |(at, _)| *at).ok();
        place.map(|place| place + 1)
    }

    pub(crate) fn digest_at(&self, zxid: Zxid) -> Option<u64> {
        let place = self.position(zxid)?.checked_sub(1)?;
        self.entries.get(place).map(|(_, digest)| *digest)
    }

    /// The newest transaction of an older epoch.
    pub(crate) fn last_before(&self, epoch: Epoch) -> Zxid {
        let behind = self.entries.partition_point(|(zxid, _)| zxid.epoch < epoch);
        behind
            .checked_sub(1)
            .and_then(|place| self.at(place))
            .unwrap_or_default()
    }

    /// What was to be written under this number first, anywhere.
    pub(crate) fn first_payload(&self, zxid: Zxid) -> Option<&Bytes> {
        self.payloads.get(&zxid)
    }

    pub(crate) fn payload(&self, zxid: Zxid) -> Bytes {
        self.payloads.get(&zxid).cloned().unwrap_or_default()
    }

    /// A leader is the first to write an entry: it broadcasts it.
    pub(crate) fn broadcasts(
        &mut self,
        server: usize,
        (zxid, payload): (Zxid, &Bytes),
        delivered: Zxid,
    ) {
        self.payloads.insert(zxid, payload.clone());
        let primary = self.primaries.entry(zxid.epoch).or_insert(Primary {
            server,
            delivered,
            broadcast: Vec::new(),
            committed: 0,
        });
        primary.broadcast.push(zxid);
    }
}
