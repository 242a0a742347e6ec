//! Who belongs to the ensemble, as a replicated record, and the tokens that let servers join. Knows no
//! quorum and no clock.

use std::collections::BTreeMap;
use std::ops::Bound;

use serde::{Deserialize, Serialize};
use zareba_model::{Acl, Ensemble, JoinToken, ServerId, Sha256, Zxid};

use crate::digest::{self, Digest, Tag};

/// The ensemble, and what its node's stat says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnsembleRecord {
    /// The ensemble.
    pub ensemble: Ensemble,
    /// The highest number that any member ever had: a new server gets a higher one, so that a
    /// removed server that comes back is never taken for it.
    pub highest: ServerId,
    /// Transaction that last set it.
    pub mzxid: Zxid,
    /// Time of the last set.
    pub mtime: u64,
}

/// Who may administer the ensemble.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdministratorsRecord {
    /// ADMIN is what counts.
    pub acl: Acl,
    /// How often it was set.
    pub aversion: u64,
}

/// The records and the tokens.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Membership {
    record: Option<EnsembleRecord>,
    administrators: AdministratorsRecord,
    tokens: BTreeMap<Sha256, JoinToken>,
}

impl Membership {
    /// The ensemble is this from a transaction on.
    pub(crate) fn set(
        &mut self,
        ensemble: &Ensemble,
        (zxid, time): (Zxid, u64),
        digest: &mut Digest,
    ) {
        let before = self.record.as_ref();
        let highest = ensemble.everybody().into_keys().next_back();
        let record = EnsembleRecord {
            ensemble: ensemble.clone(),
            highest: highest
                .max(before.map(|before| before.highest))
                .unwrap_or_default(),
            mzxid: zxid,
            mtime: time,
        };
        self.put(record, digest);
    }

    pub(crate) fn put(&mut self, record: EnsembleRecord, digest: &mut Digest) {
        if let Some(before) = &self.record {
            digest.subtract(hash(before));
        }
        digest.add(hash(&record));
        self.record = Some(record);
    }

    pub(crate) fn record(&self) -> Option<&EnsembleRecord> {
        self.record.as_ref()
    }

    pub(crate) fn set_administrators(&mut self, record: AdministratorsRecord, digest: &mut Digest) {
        digest.subtract(hash_administrators(&self.administrators));
        digest.add(hash_administrators(&record));
        self.administrators = record;
    }

    pub(crate) fn administrators(&self) -> (&Acl, u64) {
        (&self.administrators.acl, self.administrators.aversion)
    }

    /// Nothing as long as nobody has set it.
    pub(crate) fn administrators_record(&self) -> Option<&AdministratorsRecord> {
        (self.administrators.aversion > 0).then_some(&self.administrators)
    }

    pub(crate) fn put_token(&mut self, token: JoinToken, digest: &mut Digest) {
        self.remove_token(&token.hash, digest);
        digest.add(hash_token(&token));
        self.tokens.insert(token.hash, token);
    }

    pub(crate) fn remove_token(&mut self, hash: &Sha256, digest: &mut Digest) {
        if let Some(token) = self.tokens.remove(hash) {
            digest.subtract(hash_token(&token));
        }
    }

    pub(crate) fn token(&self, hash: &Sha256) -> Option<&JoinToken> {
        self.tokens.get(hash)
    }

    pub(crate) fn tokens(&self) -> impl Iterator<Item = &JoinToken> {
        self.tokens.values()
    }

    /// The first token behind a hash.
    pub(crate) fn token_after(&self, after: Option<Sha256>) -> Option<Sha256> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut behind = self.tokens.range((start, Bound::Unbounded));
        behind.next().map(|(hash, _)| *hash)
    }

    pub(crate) fn hash(&self) -> u64 {
        let tokens = self.tokens.values().map(hash_token);
        let record = self.record.as_ref().map_or(0, hash);
        let administrators = hash_administrators(&self.administrators);
        tokens.fold(record.wrapping_add(administrators), u64::wrapping_add)
    }
}

fn hash(record: &EnsembleRecord) -> u64 {
    digest::hash_of(Tag::Ensemble, record)
}

fn hash_administrators(record: &AdministratorsRecord) -> u64 {
    match record.aversion {
        0 => 0,
        _ => digest::hash_of(Tag::Administrators, record),
    }
}

fn hash_token(token: &JoinToken) -> u64 {
    digest::hash_of(Tag::Token, token)
}
