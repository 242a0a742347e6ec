//! What operators and users write: configuration files, profiles, invitations. Must never open what
//! they name.

use std::path::Path;

use zareba_client::{Invitation, Profile};
use zareba_model::Sha256;

use crate::memory::{Bound, within};

/// A table of one key and no value, and the text once more in an error.
const TOML: Bound = Bound::per_byte(1024);

/// A list of the shortest endpoints.
const INVITATION: Bound = Bound::per_byte(128);

/// A client's profile.
pub(crate) fn profile(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let parsed = within(TOML, bytes.len(), || {
        Profile::parse(text, Path::new("client.toml"), |ca| {
            Ok(ca.to_string_lossy().into_owned())
        })
    });
    if let Err(error) = parsed {
        assert!(error.to_string().contains("client.toml"), "{error}");
    }
}

/// A server's configuration.
#[cfg(feature = "server")]
pub(crate) fn server_config(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let parsed = within(TOML, bytes.len(), || {
        zareba_server::ServerConfig::parse(text, Path::new("/srv"))
    });
    match parsed {
        Ok(config) => {
            assert!(config.id.0 > 0 && config.ensemble.members.contains_key(&config.id));
            assert!(config.timing.silence_max_ms >= 3 * config.timing.heartbeat_ms);
            assert!(config.limits.connections_max > 0 && config.limits.handshakes_max > 0);
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// An invitation to join, and the hashes in it.
pub(crate) fn invitation(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Some(hash) = Sha256::parse(text) {
        assert_eq!(Sha256::parse(&hash.to_string()), Some(hash));
    }
    let parsed = within(INVITATION, bytes.len(), || text.parse::<Invitation>());
    let Ok(invitation) = parsed else { return };
    let printed = invitation.to_string();
    assert_eq!(printed.len(), text.trim().len());
    assert_eq!(printed.parse::<Invitation>(), Ok(invitation));
}
