//! New servers at the door: what they ask is checked here as far as it concerns certificates, and the
//! certificate is signed once the ensemble has taken them in. Must never decide whom it takes in.

use std::fmt;

use sha2::Digest;
use zareba_model::{ErrorCode, Fault, JoinRequest, Sha256};
use zareba_transport::{CertificateAuthority, SigningRequest, TlsError};
use zareba_wire::{JoinMessage, Joined};

/// What a server needs to give new ones their certificates.
pub(crate) struct Admission {
    /// Only a server that has the authority's key signs.
    authority: Option<CertificateAuthority>,
    ca_pem: String,
}

impl fmt::Debug for Admission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Admission({})", self.authority.is_some())
    }
}

/// A new server's request while the ensemble decides.
#[derive(Debug)]
pub(crate) struct Applicant {
    request: SigningRequest,
    host: Option<String>,
}

impl Admission {
    pub(crate) fn new(ca_pem: &str, ca_key_pem: Option<&str>) -> Result<Self, TlsError> {
        let authority = ca_key_pem.map(|key| CertificateAuthority::load(ca_pem, key));
        Ok(Self {
            authority: authority.transpose()?,
            ca_pem: ca_pem.to_owned(),
        })
    }

    /// Checks what a new server sends and says what the ensemble is asked.
    pub(crate) fn hear(&self, message: &JoinMessage) -> Result<(Applicant, JoinRequest), Fault> {
        if self.authority.is_none() {
            let why = "this server does not have the authority's key, so it cannot sign a new \
                       server's certificate; join by one whose configuration has `ca_key`";
            return Err(Fault::new(ErrorCode::NotServing, why));
        }
        let request = SigningRequest::parse(&message.request_pem).map_err(|error| {
            let why = format!("the certificate signing request is not valid: {error}");
            Fault::new(ErrorCode::BadArguments, why)
        })?;
        let asked = JoinRequest {
            token: hash(&message.secret),
            key: hash(request.public_key()),
            peer_address: message.peer_address.clone(),
            client_address: message.client_address.clone(),
        };
        let host = message.client_address.rsplit_once(':');
        let host = host.map(|(host, _)| host.trim_matches(['[', ']']).to_owned());
        Ok((Applicant { request, host }, asked))
    }

    /// Adds the certificate to what the ensemble has answered.
    pub(crate) fn sign(&self, applicant: &Applicant, joined: &mut Joined) -> Result<(), Fault> {
        let Some(authority) = &self.authority else {
            return Err(Fault::new(ErrorCode::SystemError, "there is no authority"));
        };
        let mut names = vec!["localhost".to_owned()];
        names.extend(applicant.host.clone().filter(|host| host != "localhost"));
        let signed = authority.sign_server(&applicant.request, joined.server, &names);
        joined.certificate_pem = signed.map_err(|error| {
            let why = format!("the certificate cannot be made: {error}");
            Fault::new(ErrorCode::SystemError, why)
        })?;
        joined.ca_pem.clone_from(&self.ca_pem);
        Ok(())
    }
}

fn hash(bytes: &[u8]) -> Sha256 {
    Sha256(sha2::Sha256::digest(bytes).into())
}
