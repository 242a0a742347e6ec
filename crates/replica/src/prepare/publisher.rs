//! Whose word makes a component a revision: publishers' keys, and their signatures (ed25519, RFC 8032).
//! Knows nothing of what a component does.

use ed25519_dalek::{SIGNATURE_LENGTH, VerifyingKey};
use zareba_model::limits::PUBLISHERS_MAX;
use zareba_model::{
    ErrorCode, Fault, PublisherKey, Publishers, Revision, Sha256, Signature, signed_text,
};

use super::Prepare;
use super::lifecycle::check_name;
use crate::plugin::PluginRuntime;

impl<P: PluginRuntime> Prepare<'_, P> {
    /// Sets a publisher's key, or forgets the publisher.
    pub(super) fn set_publisher(
        &mut self,
        name: &str,
        key: Option<PublisherKey>,
    ) -> Result<(), Fault> {
        check_name("a publisher", name)?;
        let mut publishers = self.world.publishers().clone();
        match key {
            None => {
                if publishers.keys.remove(name).is_none() {
                    let why = format!("there is no publisher {name}");
                    return Err(Fault::new(ErrorCode::NoNode, why));
                }
            }
            Some(key) => {
                verifying(&key).ok_or_else(|| {
                    let why = format!(
                        "{key} is no ed25519 public key; 64 hexadecimal digits of one are expected"
                    );
                    Fault::new(ErrorCode::BadArguments, why)
                })?;
                publishers.keys.insert(name.to_owned(), key);
                if publishers.keys.len() > PUBLISHERS_MAX {
                    let why = format!("there are {PUBLISHERS_MAX} publishers; remove one first");
                    return Err(Fault::new(ErrorCode::TooLarge, why));
                }
            }
        }
        self.world.stage_publishers(publishers);
        Ok(())
    }

    /// From now on every revision must be signed, or need not be.
    pub(super) fn require_signatures(&mut self, required: bool) {
        let mut publishers = self.world.publishers().clone();
        publishers.required = required;
        self.world.stage_publishers(publishers);
    }
}

/// Who has signed; refused if the signature is none, or if there is none and one is required.
pub(super) fn check(
    publishers: &Publishers,
    name: &str,
    sha256: &Sha256,
    signature: Option<&Signature>,
) -> Result<Option<String>, Fault> {
    let Some(signature) = signature else {
        return match publishers.required {
            false => Ok(None),
            true => {
                let why = format!(
                    "a revision of {name} must be signed by a publisher; push it with a key"
                );
                Err(Fault::new(ErrorCode::PluginRefused, why))
            }
        };
    };
    let Some(key) = publishers.keys.get(&signature.publisher) else {
        let why = format!(
            "{:?} is no publisher; an administrator has to add the key first",
            signature.publisher
        );
        return Err(Fault::new(ErrorCode::PluginRefused, why));
    };
    let bytes: Option<&[u8; SIGNATURE_LENGTH]> = signature.bytes.as_ref().try_into().ok();
    let signed = bytes.map(ed25519_dalek::Signature::from_bytes);
    let holds = verifying(key).zip(signed).is_some_and(|(key, signed)| {
        key.verify_strict(&signed_text(name, sha256), &signed)
            .is_ok()
    });
    if holds {
        return Ok(Some(signature.publisher.clone()));
    }
    let why = format!(
        "this is not {}'s signature of {sha256} as a revision of {name}; sign it with the key that \
         belongs to {key}",
        signature.publisher
    );
    Err(Fault::new(ErrorCode::PluginRefused, why))
}

/// Refuses to put a revision to use whose publisher is none any more, if every one must be signed.
pub(super) fn check_known(
    publishers: &Publishers,
    name: &str,
    revision: &Revision,
) -> Result<(), Fault> {
    let known = revision.publisher.as_ref();
    if !publishers.required || known.is_some_and(|known| publishers.keys.contains_key(known)) {
        return Ok(());
    }
    let sha256 = revision.sha256;
    let why = match known {
        None => format!("{sha256} of {name} is not signed; push it again with a publisher's key"),
        Some(publisher) => format!(
            "{sha256} of {name} was signed by {publisher}, who is no publisher any more; push it \
             again with a publisher's key"
        ),
    };
    Err(Fault::new(ErrorCode::PluginRefused, why))
}

fn verifying(key: &PublisherKey) -> Option<VerifyingKey> {
    let key = VerifyingKey::from_bytes(&key.0).ok()?;
    (!key.is_weak()).then_some(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ed25519_dalek::{Signer, SigningKey};

    fn sign(key: &SigningKey, name: &str, sha256: &Sha256) -> Signature {
        Signature {
            publisher: "ann".to_owned(),
            bytes: key
                .sign(&signed_text(name, sha256))
                .to_bytes()
                .to_vec()
                .into(),
        }
    }

    fn known(key: &SigningKey, required: bool) -> Publishers {
        let public = PublisherKey(key.verifying_key().to_bytes());
        Publishers {
            required,
            keys: [("ann".to_owned(), public)].into(),
        }
    }

    #[test]
    fn a_signature_holds_for_one_component_of_one_plugin_by_one_key() {
        let (key, other) = (
            SigningKey::from_bytes(&[1; 32]),
            SigningKey::from_bytes(&[2; 32]),
        );
        let (a, b) = (Sha256([1; 32]), Sha256([2; 32]));
        let publishers = known(&key, true);
        let signature = sign(&key, "lock", &a);
        let check = |name, sha256, signature| check(&publishers, name, sha256, signature);
        assert_eq!(
            check("lock", &a, Some(&signature)),
            Ok(Some("ann".to_owned()))
        );
        let others = sign(&other, "lock", &a);
        for (name, sha256, signature) in [
            ("lock", &b, Some(&signature)),
            ("queue", &a, Some(&signature)),
            ("lock", &a, Some(&others)),
            ("lock", &a, None),
        ] {
            let refused = check(name, sha256, signature).unwrap_err();
            assert_eq!(refused.code, ErrorCode::PluginRefused, "{name} {sha256}");
        }
        let short = Signature {
            bytes: signature.bytes.slice(1..),
            ..signature.clone()
        };
        assert!(check("lock", &a, Some(&short)).is_err());
        let stranger = Signature {
            publisher: "bob".to_owned(),
            ..signature.clone()
        };
        assert!(check("lock", &a, Some(&stranger)).is_err());
    }

    #[test]
    fn nobody_has_to_sign_unless_it_is_required() {
        let key = SigningKey::from_bytes(&[1; 32]);
        let sha256 = Sha256([1; 32]);
        assert_eq!(check(&known(&key, false), "lock", &sha256, None), Ok(None));
        // A false signature is never taken for none.
        let false_one = sign(&key, "queue", &sha256);
        assert!(check(&known(&key, false), "lock", &sha256, Some(&false_one)).is_err());
    }

    #[test]
    fn who_is_no_publisher_any_more_has_no_say() {
        let key = SigningKey::from_bytes(&[1; 32]);
        let revision = |publisher: Option<&str>| Revision {
            sha256: Sha256([1; 32]),
            size: 1,
            registered: zareba_model::Zxid::ZERO,
            description: zareba_model::PluginDescription::default(),
            publisher: publisher.map(str::to_owned),
        };
        let of =
            |required, publisher| check_known(&known(&key, required), "lock", &revision(publisher));
        assert!(of(true, Some("ann")).is_ok());
        assert!(of(true, Some("bob")).is_err());
        assert!(of(true, None).is_err());
        assert!(of(false, None).is_ok());
    }
}
