//! How a new server comes into an ensemble: with one string that names servers, the authority to trust,
//! and a secret that is good for one use. Knows no certificate's contents.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use sha2::Digest;
use zareba_model::{ErrorCode, Fault, Sha256};
use zareba_wire::{JoinMessage, Joined};

use crate::connection::{DialError, Dialer};
use crate::{Error, Profile, clock};

/// What every invitation begins with: its form, so that a later one can differ.
const FORM: &str = "zareba1";

/// Waits between two rounds through all servers.
const ROUND: Duration = Duration::from_millis(300);

/// An invitation to join an ensemble, printed as one string. It is a secret: `Debug` hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct Invitation {
    secret: [u8; 32],
    /// The fingerprint of the ensemble's authority.
    authority: Sha256,
    endpoints: Vec<String>,
    server_name: String,
}

impl fmt::Debug for Invitation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Invitation({:?}, redacted)", self.endpoints)
    }
}

impl Invitation {
    /// A new one, with a fresh secret, that names the profile's servers. It is of use once
    /// [`Client::invite`](crate::Client::invite) has made it known.
    pub fn new(profile: &Profile) -> Result<Self, Error> {
        Ok(Self {
            secret: rand::random(),
            authority: fingerprint(&profile.ca_pem)?,
            endpoints: profile.endpoints.clone(),
            server_name: crate::SERVER_NAME.to_owned(),
        })
    }

    /// Names more servers: the new one may reach members where the profile's addresses lead nowhere,
    /// as those of a loopback do.
    #[must_use]
    pub fn at<E: Into<String>>(mut self, endpoints: impl IntoIterator<Item = E>) -> Self {
        for endpoint in endpoints.into_iter().map(Into::into) {
            if !self.endpoints.contains(&endpoint) {
                self.endpoints.push(endpoint);
            }
        }
        self
    }

    /// What the ensemble knows of the secret.
    pub(crate) fn hash(&self) -> Sha256 {
        Sha256(sha2::Sha256::digest(self.secret).into())
    }

    /// Shows the invitation to one server after the other, for as long as `patience`, until one
    /// takes the new server in. A refusal that another server or a later moment would not change
    /// is returned at once.
    pub async fn join(
        &self,
        request_pem: &str,
        peer_address: &str,
        client_address: &str,
        patience: Duration,
    ) -> Result<Joined, Error> {
        let dialer = Dialer::pinned(self.authority, &self.server_name)?;
        let message = JoinMessage {
            secret: self.secret,
            request_pem: request_pem.to_owned(),
            peer_address: peer_address.to_owned(),
            client_address: client_address.to_owned(),
        };
        let deadline = clock::now() + patience;
        let mut unreachable = None;
        let mut refused: Option<Fault> = None;
        loop {
            for endpoint in &self.endpoints {
                let asked = dialer.join(endpoint, &message);
                match tokio::time::timeout_at(deadline, asked).await {
                    Ok(Ok(joined)) => return self.checked(joined),
                    Ok(Err(DialError::Refused(fault))) if is_final(fault.code) => {
                        return Err(fault.into());
                    }
                    Ok(Err(DialError::Refused(fault))) => {
                        if refused.as_ref() != Some(&fault) {
                            tracing::warn!(%endpoint, %fault, "not let in yet");
                        }
                        refused = Some(fault);
                    }
                    Ok(Err(DialError::Unreachable(why))) => unreachable = Some(why),
                    Err(_) => {}
                }
            }
            if clock::now() + ROUND >= deadline {
                // What a server said tells more than that another was not there.
                return Err(refused.map_or_else(
                    || Error::Unreachable {
                        endpoints: self.endpoints.join(", "),
                        reason: unreachable.unwrap_or_else(|| "no answer".to_owned()),
                    },
                    Error::from,
                ));
            }
            tokio::time::sleep(ROUND).await;
        }
    }

    /// The authority that was sent must be the one that the invitation names.
    fn checked(&self, joined: Joined) -> Result<Joined, Error> {
        if fingerprint(&joined.ca_pem)? == self.authority {
            return Ok(joined);
        }
        Err(Error::Protocol(
            "the server sent another authority than the token names".to_owned(),
        ))
    }
}

/// False for what another server, or the same a little later, may answer otherwise.
fn is_final(code: ErrorCode) -> bool {
    !matches!(
        code,
        ErrorCode::NotServing | ErrorCode::ReconfigInProgress | ErrorCode::NoQuorum
    )
}

impl fmt::Display for Invitation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (secret, authority) = (Sha256(self.secret), self.authority);
        write!(
            f,
            "{FORM}.{secret}.{authority}.{}",
            self.endpoints.join(",")
        )
    }
}

impl FromStr for Invitation {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let not_one = || {
            Error::Configuration(
                "the token is not one that `zareba ensemble add` prints; copy all of its one line"
                    .to_owned(),
            )
        };
        let mut parts = text.trim().splitn(4, '.');
        let mut part = || parts.next().ok_or_else(not_one);
        let form = part()?;
        let secret = Sha256::parse(part()?).ok_or_else(not_one)?;
        let authority = Sha256::parse(part()?).ok_or_else(not_one)?;
        let endpoints: Vec<_> = part()?.split(',').map(str::to_owned).collect();
        if form != FORM || endpoints.iter().any(|endpoint| !endpoint.contains(':')) {
            return Err(not_one());
        }
        Ok(Self {
            secret: secret.0,
            authority,
            endpoints,
            server_name: crate::SERVER_NAME.to_owned(),
        })
    }
}

/// The fingerprint of the first certificate of a PEM text.
fn fingerprint(ca_pem: &str) -> Result<Sha256, Error> {
    let first = CertificateDer::pem_slice_iter(ca_pem.as_bytes()).next();
    match first {
        Some(Ok(certificate)) => Ok(Sha256(sha2::Sha256::digest(&certificate).into())),
        _ => Err(Error::Configuration(
            "the authority's certificate cannot be read".to_owned(),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invitation_survives_being_printed_and_shows_no_secret_by_accident() {
        let invitation = Invitation {
            secret: [7; 32],
            authority: Sha256([9; 32]),
            endpoints: vec!["a.example.org:7400".to_owned(), "[::1]:7400".to_owned()],
            server_name: crate::SERVER_NAME.to_owned(),
        };
        let text = invitation.to_string();
        assert_eq!(text.parse::<Invitation>(), Ok(invitation.clone()));
        assert!(!format!("{invitation:?}").contains("0707"));
        for broken in [
            "",
            "zareba1.00.11.a:1",
            &text.replace("zareba1", "other"),
            &text[..140],
        ] {
            assert!(broken.parse::<Invitation>().is_err(), "{broken}");
        }
    }
}
