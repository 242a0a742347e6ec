//! Access control lists as people write them, an entry as `SCHEME:ID:PERMS`. Knows no node; whom an identity
//! names is the servers' to say.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zareba_client::model::{Acl, AclEntry, Permissions, Principal};

/// What an entry looks like, for errors and help.
const FORM: &str = "SCHEME:ID:PERMS is expected, such as x509:CN=app:rw, digest:USER:HASH:rwcda, \
                    ip:10.0.0.0/8:r, world:anyone:r or auth::rwcda; PERMS are letters of rwcda: read, \
                    write, create children, delete children, administer";

/// The permissions, in the order in which they are written.
const LETTERS: [(char, Permissions); 5] = [
    ('r', Permissions::READ),
    ('w', Permissions::WRITE),
    ('c', Permissions::CREATE),
    ('d', Permissions::DELETE),
    ('a', Permissions::ADMIN),
];

/// Bytes of the hash that stands for a password.
const HASH_BYTES: usize = 20;

/// What stands in the place of a hash for who may not see it.
const HIDDEN: &str = "x";

/// Reads one entry.
pub(crate) fn read_entry(text: &str) -> Result<AclEntry, String> {
    let parts = text.split_once(':').and_then(|(scheme, rest)| {
        let (id, letters) = rest.rsplit_once(':')?;
        Some((scheme, id, letters))
    });
    let Some((scheme, id, letters)) = parts else {
        return Err(FORM.to_owned());
    };
    if scheme == "digest" {
        check_hash(id)?;
    }
    Ok(AclEntry {
        permissions: read_permissions(letters)?,
        principal: Principal {
            scheme: scheme.to_owned(),
            id: id.to_owned(),
        },
    })
}

fn read_permissions(letters: &str) -> Result<Permissions, String> {
    let mut permissions = 0;
    for letter in letters.chars() {
        let Some((_, one)) = LETTERS.iter().find(|(known, _)| *known == letter) else {
            return Err(format!("{letter:?} is no permission; {FORM}"));
        };
        permissions |= one.0;
    }
    match permissions {
        0 => Err(format!("no permission is given; {FORM}")),
        some => Ok(Permissions(some)),
    }
}

/// A password in a list could be read by many and would let nobody in.
fn check_hash(id: &str) -> Result<(), String> {
    let advice = "`zareba acl digest USER` computes it";
    match id.split_once(':') {
        Some((user, HIDDEN)) => Err(format!(
            "the hash of {user} is hidden from who does not administer the node; {advice}"
        )),
        Some((user, hash)) if !user.is_empty() => match STANDARD.decode(hash) {
            Ok(bytes) if bytes.len() == HASH_BYTES => Ok(()),
            _ => Err(format!(
                "what follows the user is not the hash of user and password; {advice}"
            )),
        },
        _ => Err(FORM.to_owned()),
    }
}

/// Writes one entry as it is read.
pub(crate) fn write_entry(entry: &AclEntry) -> String {
    let letters = LETTERS
        .iter()
        .filter(|(_, one)| entry.permissions.contains(*one));
    let letters: String = letters.map(|(letter, _)| letter).collect();
    format!("{}:{letters}", write_principal(&entry.principal))
}

/// Writes an identity as entries name it.
pub(crate) fn write_principal(Principal { scheme, id }: &Principal) -> String {
    format!("{scheme}:{id}")
}

/// The entries of a list; the open one, which has none, as the entry that means the same.
pub(crate) fn entries(acl: &Acl) -> Vec<String> {
    if acl.is_open() {
        let anyone = Principal {
            scheme: "world".to_owned(),
            id: "anyone".to_owned(),
        };
        return vec![write_entry(&AclEntry {
            permissions: Permissions::ALL,
            principal: anyone,
        })];
    }
    acl.0.iter().map(write_entry).collect()
}

/// True if a part of the list was not shown, so that it cannot be written elsewhere.
pub(crate) fn hides_hashes(acl: &Acl) -> bool {
    acl.0.iter().any(|entry| {
        let Principal { scheme, id } = &entry.principal;
        scheme == "digest" && matches!(id.split_once(':'), Some((_, HIDDEN)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_come_back_as_they_were_written() {
        for text in [
            "x509:CN=operator:a",
            "world:anyone:r",
            "ip:10.0.0.0/8:rw",
            "ip:fd00::/8:rwcda",
            "auth::cd",
            "digest:app:xQJmxLMiHGwaqBvst5y6rkB6HQs=:rwc",
        ] {
            assert_eq!(write_entry(&read_entry(text).unwrap()), text);
        }
        let unordered = read_entry("world:anyone:adcwr").unwrap();
        assert_eq!(write_entry(&unordered), "world:anyone:rwcda");
        assert_eq!(entries(&Acl::open()), ["world:anyone:rwcda"]);
    }

    #[test]
    fn what_is_no_entry_is_refused_with_the_form() {
        for text in ["", "x509", "x509:CN=a", "world:anyone:", "world:anyone:rx"] {
            let error = read_entry(text).unwrap_err();
            assert!(error.contains("SCHEME:ID:PERMS is expected"), "{error}");
        }
    }

    #[test]
    fn a_password_in_the_place_of_its_hash_is_refused_without_repeating_it() {
        for text in ["digest:app:hunter2:r", "digest:app:x:r", "digest:app:r"] {
            let error = read_entry(text).unwrap_err();
            assert!(!error.contains("hunter2"), "{error}");
        }
        let hidden = read_entry("digest:app:x:r").unwrap_err();
        assert!(hidden.contains("hidden"), "{hidden}");
    }
}
