//! Who may do what, and who somebody is. Must never decide either.
//!
//! Access control lists and identities as messages and records hold them are here. The texts of both,
//! as people write them (`digest:…`, `ip:…`, `x509:…`), get their function here too, beside
//! [`acl`], with a line in the table of targets.

use zareba_model::{Acl, Principal};
use zareba_tree::acl::check;
use zareba_wire::decode;

use crate::encoded;
use crate::memory::within;

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
