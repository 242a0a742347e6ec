//! The one place where permissions are checked. Knows no node and no session.

use core::net::IpAddr;

use zareba_model::{Acl, ErrorCode, Fault, Permissions, Principal, SUPER_SCHEME};

/// Refuses unless an ACL gives a caller, by any of its identities, all that is wanted.
///
/// The open ACL allows everybody everything; `world:anyone` names every caller; `ip:10.0.0.0/8` names
/// every address of that network; any other entry names the identity that equals it in scheme and id.
/// Different permissions may come from different entries.
pub fn check(acl: &Acl, principals: &[Principal], wanted: Permissions) -> Result<(), Fault> {
    if acl.is_open() || principals.iter().any(|p| p.scheme == SUPER_SCHEME) {
        return Ok(());
    }
    let granted = acl
        .0
        .iter()
        .filter(|entry| names(&entry.principal, principals))
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

/// True if an entry's principal names a caller with these identities.
fn names(named: &Principal, principals: &[Principal]) -> bool {
    match named.scheme.as_str() {
        "world" => named.id == "anyone",
        "ip" => Network::parse(&named.id).is_some_and(|network| {
            let addresses = principals.iter().filter(|one| one.scheme == "ip");
            let mut addresses = addresses.filter_map(|one| one.id.parse::<IpAddr>().ok());
            addresses.any(|address| network.contains(address))
        }),
        _ => principals.contains(named),
    }
}

/// Addresses that begin with the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    bits: u128,
    /// How many of 128 bits count; an IPv4 address is one of 128 bits that begins as mapped ones do.
    prefix: u32,
}

impl Network {
    /// Reads `10.0.0.0/8`, `10.1.2.3`, `fd00::/8` or `::1`. Bits behind the prefix do not count.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let (own, before) = match address {
            IpAddr::V4(_) => (32, 96),
            IpAddr::V6(_) => (128, 0),
        };
        // `+8` is a number, and no prefix.
        let is_number = |text: &&str| text.bytes().all(|byte| byte.is_ascii_digit());
        let prefix = match prefix {
            Some(text) => Some(text).filter(is_number)?.parse().ok()?,
            None => own,
        };
        (prefix <= own).then(|| Self {
            bits: bits(address),
            prefix: before + prefix,
        })
    }

    /// True if the address is one of them.
    pub fn contains(self, address: IpAddr) -> bool {
        let differing = (self.bits ^ bits(address)).leading_zeros();
        differing >= self.prefix
    }
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits(),
    }
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

    #[test]
    fn a_network_names_its_addresses_and_no_others() {
        let cases = [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.0", false),
            ("10.1.2.3/31", "10.1.2.2", true),
            ("10.1.2.3", "10.1.2.3", true),
            ("10.1.2.3", "10.1.2.2", false),
            ("0.0.0.0/0", "255.1.1.1", true),
            ("0.0.0.0/0", "::1", false),
            ("10.0.0.0/8", "::ffff:10.1.1.1", true),
            ("fd00::/8", "fdff::1", true),
            ("fd00::/8", "fc00::1", false),
            ("::/0", "10.0.0.1", true),
        ];
        for (network, address, expected) in cases {
            let acl = acl(&[(Permissions::READ, principal("ip", network))]);
            let allowed = check(&acl, &[principal("ip", address)], Permissions::READ);
            assert_eq!(allowed.is_ok(), expected, "{address} in {network}");
        }
        for bad in [
            "",
            "10",
            "10.0.0.0/33",
            "10.0.0.0/-1",
            "10.0.0.0/+8",
            "10.0.0.0/",
            "::/129",
            "a/8",
        ] {
            assert_eq!(Network::parse(bad), None, "{bad}");
        }
    }
}
