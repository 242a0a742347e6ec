//! The log's entries: an encoded [`Txn`] behind a format version byte, which tells at a glance whether
//! the transaction changes the ensemble. Must never know where the entry stands in the log, or what
//! its effects do.

use bytes::Bytes;
use zareba_model::limits::TXN_BYTES_MAX;
use zareba_model::{Ensemble, Txn};

use crate::WireError;
use crate::record::{decode_versioned, encode_versioned};

/// The format version of transactions that this build writes and reads.
pub const TXN_VERSION: u8 = 5;

/// The same of those that set the ensemble: broadcast asks this of every entry.
pub const ENSEMBLE_TXN_VERSION: u8 = 6;

/// Encodes a transaction for the log and the broadcast.
pub fn encode_txn(txn: &Txn) -> Result<Bytes, WireError> {
    let version = match txn.ensemble() {
        None => TXN_VERSION,
        Some(_) => ENSEMBLE_TXN_VERSION,
    };
    encode_versioned(txn, version, TXN_BYTES_MAX - 1)
}

/// Reads a transaction back.
pub fn decode_txn(bytes: &[u8]) -> Result<Txn, WireError> {
    let sets_ensemble = bytes.first() == Some(&ENSEMBLE_TXN_VERSION);
    let version = match sets_ensemble {
        true => ENSEMBLE_TXN_VERSION,
        false => TXN_VERSION,
    };
    let txn: Txn = decode_versioned(bytes, version)?;
    // Else broadcast and tree would not have the same members.
    if txn.ensemble().is_some() != sets_ensemble {
        return Err(WireError::OtherContent(version));
    }
    Ok(txn)
}

/// The ensemble that an encoded transaction sets; one comparison for all others. Bytes that are no
/// transaction set none: whoever applies them finds out.
pub fn ensemble_in(bytes: &[u8]) -> Option<Ensemble> {
    if bytes.first() != Some(&ENSEMBLE_TXN_VERSION) {
        return None;
    }
    decode_txn(bytes).ok()?.ensemble().cloned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use zareba_model::{Cause, Effect, ServerId};

    fn txn(effects: Vec<Effect>) -> Txn {
        Txn {
            time: 7,
            cause: Cause::System,
            effects,
            mark: None,
        }
    }

    #[test]
    fn the_ensemble_of_a_transaction_is_found_in_its_bytes() {
        let ensemble = Ensemble::of_voters([1, 2].map(ServerId));
        let setting = txn(vec![Effect::SetEnsemble(ensemble.clone())]);
        let bytes = encode_txn(&setting).unwrap();
        assert_eq!(ensemble_in(&bytes), Some(ensemble));
        assert_eq!(decode_txn(&bytes), Ok(setting));
        let other = encode_txn(&txn(Vec::new())).unwrap();
        assert_eq!(ensemble_in(&other), None);
        assert_eq!(ensemble_in(&[]), None);
    }

    #[test]
    fn a_transaction_that_is_not_what_its_version_says_is_refused() {
        let setting = txn(vec![Effect::SetEnsemble(Ensemble::default())]);
        for (txn, version) in [
            (setting, TXN_VERSION),
            (txn(Vec::new()), ENSEMBLE_TXN_VERSION),
        ] {
            let mut bytes = encode_txn(&txn).unwrap().to_vec();
            bytes[0] = version;
            assert_eq!(decode_txn(&bytes), Err(WireError::OtherContent(version)));
            assert_eq!(ensemble_in(&bytes), None);
        }
    }
}
