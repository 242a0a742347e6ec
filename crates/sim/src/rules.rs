//! An independent model of who may do what. As simple as can be; must never share code with the tree.

use zareba_model::{Acl, Permissions, Principal};

/// True if a list gives somebody who has proved these identities all that is wanted.
pub(crate) fn grants(acl: &Acl, principals: &[Principal], wanted: Permissions) -> bool {
    if acl.0.is_empty() || principals.iter().any(|one| one.scheme == "super") {
        return true;
    }
    let mut missing = wanted.0;
    for entry in &acl.0 {
        if principals.iter().any(|one| is_named(&entry.principal, one))
            || entry.principal.scheme == "world"
        {
            missing &= !entry.permissions.0;
        }
    }
    missing == 0
}

fn is_named(named: &Principal, one: &Principal) -> bool {
    if named.scheme != one.scheme {
        return false;
    }
    match (named.id.split_once('/'), named.scheme.as_str()) {
        (Some((network, bits)), "ip") => {
            let (Some(network), Some(address), Ok(bits)) =
                (number(network), number(&one.id), bits.parse::<u32>())
            else {
                return false;
            };
            bits == 0 || (network ^ address) >> (32 - bits.min(32)) == 0
        }
        _ => named.id == one.id,
    }
}

/// The number that a dotted address is.
fn number(address: &str) -> Option<u32> {
    let mut parts = address.split('.').map(|part| part.parse::<u8>().ok());
    parts.try_fold(0, |sum: u32, part| Some(sum << 8 | u32::from(part?)))
}

#[cfg(test)]
mod tests {
    use zareba_model::AclEntry;

    use super::*;

    fn principal(scheme: &str, id: &str) -> Principal {
        Principal {
            scheme: scheme.to_owned(),
            id: id.to_owned(),
        }
    }

    #[test]
    fn a_list_gives_what_its_entries_for_somebody_give_together() {
        let entry = |permissions, scheme, id| AclEntry {
            permissions,
            principal: principal(scheme, id),
        };
        let acl = Acl(vec![
            entry(Permissions::READ, "world", "anyone"),
            entry(Permissions::WRITE, "digest", "ann:x"),
            entry(Permissions::ADMIN, "ip", "10.0.0.0/30"),
        ]);
        let ann = [principal("digest", "ann:x")];
        let near = [principal("ip", "10.0.0.3"), principal("digest", "ann:x")];
        let far = [principal("ip", "10.0.0.4")];
        assert!(grants(&acl, &[], Permissions::READ) && !grants(&acl, &[], Permissions::WRITE));
        assert!(grants(&acl, &ann, Permissions(3)) && !grants(&acl, &ann, Permissions(19)));
        assert!(grants(&acl, &near, Permissions(19)) && !grants(&acl, &far, Permissions(17)));
        assert!(grants(&acl, &[principal("super", "s")], Permissions::ALL));
    }
}
