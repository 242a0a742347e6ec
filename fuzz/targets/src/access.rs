//! Who may do what, and who somebody is: lists and identities as messages and records hold them, the
//! networks and credentials that people write. Must never decide either.

use std::net::IpAddr;

use zareba_model::{Acl, Principal};
use zareba_tree::acl::{Network, check};
use zareba_wire::decode;

use crate::encoded;
use crate::memory::{Bound, within};

/// Nothing is kept of a network's text.
const NETWORK: Bound = Bound::per_byte(1);

/// A list, or an identity; and the list asked about those whom it names, whatever it then says.
pub(crate) fn acl(bytes: &[u8]) {
    encoded::plain::<Principal>(bytes);
    encoded::plain::<Acl>(bytes);
    let Ok(acl) = decode::<Acl>(bytes) else {
        return;
    };
    for entry in &acl.0 {
        let named = [entry.principal.clone()];
        let verdict = within(encoded::DECODED, bytes.len(), || {
            check(&acl, &named, entry.permissions)
        });
        assert!(verdict.is_ok() || !acl.is_open());
    }
}

/// The input's first line is a network, the second one an address that may be in it.
pub(crate) fn network(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let (text, address) = text.split_once('\n').unwrap_or((text, ""));
    let Some(network) = within(NETWORK, bytes.len(), || Network::parse(text)) else {
        assert!(text.parse::<IpAddr>().is_err(), "an address is a network");
        return;
    };
    let (own, prefix) = match text.split_once('/') {
        Some((own, prefix)) => (own, prefix.parse::<usize>().ok()),
        None => (text, None),
    };
    let Ok(own) = own.parse::<IpAddr>() else {
        panic!("{text:?} is no network without an address");
    };
    assert!(network.contains(own), "an address is in its own network");
    if let Ok(address) = address.parse::<IpAddr>()
        && address.is_ipv4() == own.is_ipv4()
    {
        let (own, other) = (binary(own), binary(address));
        let prefix = prefix.unwrap_or(own.len());
        assert!(prefix <= own.len(), "{text:?} has no such prefix");
        let expected = own.chars().zip(other.chars()).take(prefix);
        let expected = expected.into_iter().all(|(own, other)| own == other);
        assert_eq!(network.contains(address), expected, "{address} in {text:?}");
    }
}

/// An address digit by digit, so that nothing here is computed as the target computes it.
fn binary(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => format!("{:032b}", address.to_bits()),
        IpAddr::V6(address) => format!("{:0128b}", address.to_bits()),
    }
}

/// The input's first line is a scheme, what is behind it a credential.
#[cfg(feature = "server")]
pub(crate) fn credential(bytes: &[u8]) {
    use zareba_model::limits::IDENTITY_BYTES_MAX;
    use zareba_model::{Claim, Credential, ErrorCode};

    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let (scheme, credential) = text.split_once('\n').unwrap_or(("digest", text));
    let claim = Claim {
        scheme: scheme.to_owned(),
        credential: Credential(credential.to_owned()),
    };
    assert!(!format!("{claim:?}").contains("credential: Credential(\""));
    // The scheme is told again, each character in its longest spelling.
    let proved = within(Bound::per_byte(64), bytes.len(), || {
        zareba_server::prove(&claim)
    });
    match proved {
        Ok(Principal { scheme, id }) => {
            assert_eq!((&*scheme, &*claim.scheme), ("digest", "digest"));
            assert!(credential.len() <= IDENTITY_BYTES_MAX);
            let user = credential.split(':').next().unwrap_or_default();
            let hash = id.strip_prefix(user).and_then(|it| it.strip_prefix(':'));
            assert_eq!(hash.map(str::len), Some(28), "{user:?} is no user");
        }
        Err(fault) => {
            assert_eq!(fault.code, ErrorCode::AuthFailed);
            let known = scheme == "digest" && credential.len() <= IDENTITY_BYTES_MAX;
            let parts = credential.split_once(':').unwrap_or_default();
            assert!(!known || parts.0.is_empty() || parts.1.is_empty());
        }
    }
}
