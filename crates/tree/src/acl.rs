//! The one place where permissions are checked. Knows no node and no session.

use zareba_model::{Acl, ErrorCode, Fault, Permissions, Principal};

/// The scheme of a principal that may do everything.
pub const SUPER_SCHEME: &str = "super";

/// Refuses unless an ACL gives a caller, by any of its identities, all that is wanted.
///
/// The open ACL allows everybody everything; `world:anyone` names every caller; any other entry
/// names the identity that equals it in scheme and id. Different permissions may come from
/// different entries.
pub fn check(acl: &Acl, principals: &[Principal], wanted: Permissions) -> Result<(), Fault> {
    if acl.is_open() || principals.iter().any(|p| p.scheme == SUPER_SCHEME) {
        return Ok(());
    }
    let granted = acl
        .0
        .iter()
        .filter(|entry| is_anyone(&entry.principal) || principals.contains(&entry.principal))
        .fold(0, |granted, entry| granted | entry.permissions.0);
    if Permissions(granted).contains(wanted) {
        return Ok(());
    }
    let missing = name_of(Permissions(wanted.0 & !granted));
    Err(Fault::new(
        ErrorCode::NoAuth,
        format!("the node's ACL does not give you {missing}; ask someone with ADMIN on it"),
    ))
}

fn is_anyone(principal: &Principal) -> bool {
    principal.scheme == "world" && principal.id == "anyone"
}

fn name_of(permissions: Permissions) -> String {
    let names = [
        (Permissions::READ, "READ"),
        (Permissions::WRITE, "WRITE"),
        (Permissions::CREATE, "CREATE"),
        (Permissions::DELETE, "DELETE"),
        (Permissions::ADMIN, "ADMIN"),
    ];
    let named = names.iter().filter(|(one, _)| permissions.contains(*one));
    named.map(|(_, name)| *name).collect::<Vec<_>>().join("+")
}

#[cfg(test)]
mod tests {
    use super::*;
    use zareba_model::AclEntry;

    fn principal(scheme: &str, id: &str) -> Principal {
        Principal {
            scheme: scheme.to_owned(),
            id: id.to_owned(),
        }
    }

    fn acl(entries: &[(Permissions, Principal)]) -> Acl {
        let entry = |(permissions, principal): &(Permissions, Principal)| AclEntry {
            permissions: *permissions,
            principal: principal.clone(),
        };
        Acl(entries.iter().map(entry).collect())
    }

    #[test]
    fn the_open_acl_allows_everybody_everything() {
        assert_eq!(check(&Acl::open(), &[], Permissions::ALL), Ok(()));
    }

    #[test]
    fn only_the_named_identity_gets_what_its_entries_give_together() {
        let app = principal("x509", "CN=app");
        let acl = acl(&[
            (Permissions::READ, principal("world", "anyone")),
            (Permissions::WRITE, app.clone()),
        ]);
        assert_eq!(check(&acl, &[], Permissions::READ), Ok(()));
        assert_eq!(check(&acl, &[app], Permissions(3)), Ok(()));
        for other in [principal("x509", "CN=ap"), principal("ip", "CN=app")] {
            let fault = check(&acl, &[other], Permissions(3)).unwrap_err();
            assert_eq!(fault.code, ErrorCode::NoAuth);
            assert!(fault.message.contains("you WRITE;"), "{}", fault.message);
        }
    }

    #[test]
    fn the_superuser_may_do_what_the_acl_forbids() {
        let acl = acl(&[(Permissions(0), principal("world", "anyone"))]);
        let root = principal(SUPER_SCHEME, "admin");
        assert_eq!(check(&acl, &[root], Permissions::ALL), Ok(()));
        assert!(check(&acl, &[principal("world", "anyone")], Permissions::READ).is_err());
    }
}
