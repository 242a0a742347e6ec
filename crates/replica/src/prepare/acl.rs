//! Access control lists as they come from clients: what is no list is refused, and `auth` becomes the
//! identities of who asks. Compares no list with anybody; [`zareba_tree::acl`] does.

use zareba_model::limits::ACL_ENTRIES_MAX;
use zareba_model::{
    Acl, AclEntry, Effect, ErrorCode, Fault, Outcome, Permissions, Principal, SUPER_SCHEME,
    ZnodePath,
};
use zareba_tree::acl::Network;

use super::Prepare;
use crate::change;
use crate::plugin::PluginRuntime;

impl<P: PluginRuntime> Prepare<'_, P> {
    /// Says who may administer the ensemble. The caller has made sure that the asker does.
    pub(super) fn set_administrators(
        &mut self,
        path: &ZnodePath,
        acl: Acl,
        version: Option<u64>,
    ) -> Result<Outcome, Fault> {
        let (_, found) = self.world.administrators();
        change::check_version_of("the access control list of ", path, found, version)?;
        let aversion = found + 1;
        self.world.stage_administrators(path.clone(), acl, aversion);
        let stat = zareba_model::Stat {
            aversion,
            ..zareba_model::Stat::default()
        };
        Ok(Outcome::Set(stat))
    }

    /// Says who may do what with a plugin. The caller has made sure that the asker may.
    pub(super) fn set_managers(
        &mut self,
        path: &ZnodePath,
        plugin: &str,
        acl: Acl,
        version: Option<u64>,
    ) -> Result<Outcome, Fault> {
        let mut record = self.known(plugin)?;
        change::check_version_of(
            "the access control list of ",
            path,
            record.aversion,
            version,
        )?;
        record.aversion += 1;
        record.acl = acl.clone();
        let aversion = record.aversion;
        self.world.stage_plugin(plugin.to_owned(), Some(record));
        self.world.stage_effect(Effect::SetAcl {
            path: path.clone(),
            acl,
            aversion,
        });
        let stat = zareba_model::Stat {
            aversion,
            ..zareba_model::Stat::default()
        };
        Ok(Outcome::Set(stat))
    }
}

/// The list to keep for one that `principals` asks for.
pub(super) fn fixed(acl: &Acl, principals: &[Principal]) -> Result<Acl, Fault> {
    let mut entries = Vec::with_capacity(acl.0.len());
    for entry in &acl.0 {
        if entry.permissions.0 & !Permissions::ALL.0 != 0 {
            let why = format!(
                "{:#b} is no set of the five permissions",
                entry.permissions.0
            );
            return Err(Fault::new(ErrorCode::InvalidAcl, why));
        }
        match entry.principal.scheme.as_str() {
            "auth" => entries.extend(own(entry.permissions, principals)?),
            _ => {
                check(&entry.principal)?;
                entries.push(entry.clone());
            }
        }
    }
    if entries.len() > ACL_ENTRIES_MAX {
        let why = format!(
            "{} entries, with one for each identity where \"auth\" stands; an access control list \
             has at most {ACL_ENTRIES_MAX}",
            entries.len()
        );
        return Err(Fault::new(ErrorCode::TooLarge, why));
    }
    Ok(Acl(entries))
}

/// An entry for each identity that the asker has proved.
fn own(permissions: Permissions, principals: &[Principal]) -> Result<Vec<AclEntry>, Fault> {
    let proved = |one: &&Principal| matches!(one.scheme.as_str(), "digest" | "x509");
    let entries: Vec<_> = principals
        .iter()
        .filter(proved)
        .map(|principal| AclEntry {
            permissions,
            principal: principal.clone(),
        })
        .collect();
    if entries.is_empty() {
        let why = "\"auth\" stands for the identities that the session has proved, and it has none; \
                   authenticate first, or name somebody";
        return Err(Fault::new(ErrorCode::InvalidAcl, why));
    }
    Ok(entries)
}

fn check(principal: &Principal) -> Result<(), Fault> {
    let Principal { scheme, id } = principal;
    let (fits, expected) = match scheme.as_str() {
        "world" => (id == "anyone", "the one identity \"anyone\""),
        "ip" => (
            Network::parse(id).is_some(),
            "an address or a network, such as \"10.1.0.0/16\"",
        ),
        "digest" => (
            id.split_once(':')
                .is_some_and(|(user, hash)| !user.is_empty() && !hash.is_empty()),
            "a user and the hash of user and password, \"USER:HASH\"",
        ),
        "x509" => (
            !id.is_empty(),
            "a certificate's subject, such as \"CN=app\"",
        ),
        SUPER_SCHEME => (
            false,
            "no entry: the superuser may do everything without one",
        ),
        _ => (false, "one of the schemes world, auth, digest, ip and x509"),
    };
    if fits {
        return Ok(());
    }
    let why = format!("{scheme}:{id} names nobody; {expected} is expected");
    Err(Fault::new(ErrorCode::InvalidAcl, why))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn principal(text: &str) -> Principal {
        let (scheme, id) = text.split_once(':').unwrap();
        Principal {
            scheme: scheme.to_owned(),
            id: id.to_owned(),
        }
    }

    fn list(of: &[&str]) -> Acl {
        let entry = |text: &&str| AclEntry {
            permissions: Permissions::READ,
            principal: principal(text),
        };
        Acl(of.iter().map(entry).collect())
    }

    #[test]
    fn auth_becomes_what_the_asker_has_proved_and_nothing_that_others_share() {
        let asker = ["ip:10.0.0.1", "digest:a:h", "x509:CN=app"].map(principal);
        let kept = fixed(&list(&["auth:", "world:anyone"]), &asker).unwrap();
        assert_eq!(kept, list(&["digest:a:h", "x509:CN=app", "world:anyone"]));
        let fault = fixed(&list(&["auth:"]), &asker[..1]).unwrap_err();
        assert_eq!(fault.code, ErrorCode::InvalidAcl);
    }

    #[test]
    fn what_auth_stands_for_counts_among_the_entries() {
        let asker: Vec<_> = (0..2)
            .map(|i| principal(&format!("digest:{i}:h")))
            .collect();
        let of = |entries| fixed(&list(&vec!["auth:"; entries]), &asker);
        assert_eq!(of(ACL_ENTRIES_MAX / 2).unwrap().0.len(), ACL_ENTRIES_MAX);
        let fault = of(ACL_ENTRIES_MAX / 2 + 1).unwrap_err();
        assert_eq!(fault.code, ErrorCode::TooLarge);
    }

    #[test]
    fn what_names_nobody_is_refused() {
        for good in [
            "world:anyone",
            "ip:10.0.0.0/8",
            "ip:::1",
            "digest:a:b",
            "x509:CN=a",
        ] {
            assert_eq!(fixed(&list(&[good]), &[]), Ok(list(&[good])), "{good}");
        }
        for bad in [
            "world:",
            "world:me",
            "ip:10",
            "digest:a",
            "digest::b",
            "x509:",
            "super:a",
            "sasl:a",
        ] {
            let fault = fixed(&list(&[bad]), &[]).unwrap_err();
            assert_eq!(fault.code, ErrorCode::InvalidAcl, "{bad}");
        }
        let mut too_much = list(&["world:anyone"]);
        too_much.0[0].permissions = Permissions(32);
        assert!(fixed(&too_much, &[]).is_err());
    }
}
