//! Who a client has proved to be: by the certificate it showed, the address it came from, a password it
//! knows. Must never decide what it may do.

use std::net::SocketAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use quinn::Connection;
use rustls_pki_types::CertificateDer;
use sha1::{Digest as _, Sha1};
use x509_parser::prelude::{FromDer, X509Certificate};
use zareba_model::limits::IDENTITY_BYTES_MAX;
use zareba_model::{Claim, ErrorCode, Fault, Principal, SUPER_SCHEME};

/// What identities are compared with.
#[derive(Clone, Debug, Default)]
pub(crate) struct Identities {
    /// Who may do everything.
    superusers: Vec<Principal>,
}

impl Identities {
    pub(crate) fn new(superusers: Vec<Principal>) -> Self {
        Self { superusers }
    }

    /// What a connection proves by itself. TLS has checked the certificate.
    pub(crate) fn of_connection(&self, connection: &Connection) -> Vec<Principal> {
        let certificate = connection
            .peer_identity()
            .and_then(|identity| identity.downcast::<Vec<CertificateDer<'static>>>().ok());
        let named = certificate.and_then(|chain| chain.first().and_then(common_name));
        let mut principals = vec![of_address(connection.remote_address())];
        principals.extend(named);
        self.with_super(principals)
    }

    /// What a claim proves, the superuser's scheme among it if it is one.
    pub(crate) fn prove(&self, claim: &Claim) -> Result<Vec<Principal>, Fault> {
        let principal = prove(claim)?;
        Ok(self.with_super(vec![principal]))
    }

    fn with_super(&self, mut principals: Vec<Principal>) -> Vec<Principal> {
        let found = principals.iter().find(|one| self.superusers.contains(one));
        if let Some(found) = found {
            let id = found.id.clone();
            principals.push(Principal {
                scheme: SUPER_SCHEME.to_owned(),
                id,
            });
        }
        principals
    }
}

/// Whose session it is that somebody with these identities opens: the certificate's before a password's,
/// and the address's if there is neither.
pub(crate) fn strongest(principals: &[Principal]) -> Option<&Principal> {
    let of_scheme = |scheme: &str| principals.iter().find(|one| one.scheme == scheme);
    ["x509", "digest", "ip"].into_iter().find_map(of_scheme)
}

/// Without what a password could be guessed from.
pub(crate) fn shown(principal: &Principal) -> String {
    let id = match (principal.scheme.as_str(), principal.id.split_once(':')) {
        ("digest" | SUPER_SCHEME, Some((user, _))) => user,
        _ => &principal.id,
    };
    format!("{}:{id}", principal.scheme)
}

fn of_address(address: SocketAddr) -> Principal {
    Principal {
        scheme: "ip".to_owned(),
        id: address.ip().to_canonical().to_string(),
    }
}

fn common_name(certificate: &CertificateDer<'_>) -> Option<Principal> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    let name = parsed.subject().iter_common_name().next()?;
    Some(Principal {
        scheme: "x509".to_owned(),
        id: format!("CN={}", name.as_str().ok()?),
    })
}

/// Who somebody is who makes that claim, if it proves anything. Refused with `AUTH_FAILED`.
pub fn prove(Claim { scheme, credential }: &Claim) -> Result<Principal, Fault> {
    let refused = |why: String| Err(Fault::new(ErrorCode::AuthFailed, why));
    if scheme != "digest" {
        return refused(format!(
            "{scheme:?} is no scheme that a client can claim; \"digest\" is the one (x509 and ip are \
             proved by the connection itself)"
        ));
    }
    match credential.0.split_once(':') {
        Some((user, password)) if !user.is_empty() && !password.is_empty() => {
            if credential.0.len() > IDENTITY_BYTES_MAX {
                return refused(format!(
                    "user and password together have at most {IDENTITY_BYTES_MAX} bytes"
                ));
            }
            Ok(digest(user, &credential.0))
        }
        _ => refused("a user and a password are expected, \"USER:PASSWORD\"".to_owned()),
    }
}

/// As ZooKeeper's `DigestAuthenticationProvider` has it by default, so that lists mean the same to
/// clients of both protocols. The password is hashed together with the user; the list's keeper never
/// sees it. SHA-1's collisions do not help anybody here, but a weak password can be guessed from a list:
/// that is why only who administers a node is shown the hash.
fn digest(user: &str, credential: &str) -> Principal {
    let hash = BASE64.encode(Sha1::digest(credential.as_bytes()));
    Principal {
        scheme: "digest".to_owned(),
        id: format!("{user}:{hash}"),
    }
}

#[cfg(test)]
mod tests {
    use rustls_pki_types::pem::PemObject;
    use zareba_model::Credential;
    use zareba_transport::authority::CertificateAuthority;

    use super::*;

    fn claim(scheme: &str, credential: &str) -> Claim {
        Claim {
            scheme: scheme.to_owned(),
            credential: Credential(credential.to_owned()),
        }
    }

    #[test]
    fn a_client_is_who_its_certificate_names() {
        let authority = CertificateAuthority::create().unwrap();
        let credentials = authority.issue_client("billing").unwrap();
        let pem = credentials.certificate_pem;
        let certificate = CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
        let principal = common_name(&certificate).unwrap();
        assert_eq!(principal.scheme, "x509");
        assert_eq!(principal.id, "CN=billing");
    }

    #[test]
    fn a_password_proves_the_identity_that_zookeeper_derives_from_it() {
        // The value that ZooKeeper's documentation gives for super:admin.
        let proved = Identities::default().prove(&claim("digest", "super:admin"));
        let [principal] = proved.unwrap().try_into().unwrap();
        assert_eq!(principal.scheme, "digest");
        assert_eq!(principal.id, "super:xQJmxLMiHGwaqBvst5y6rkB6HQs=");
    }

    #[test]
    fn a_superuser_is_one_besides_what_it_is() {
        let admin = digest("admin", "admin:secret");
        let identities = Identities::new(vec![admin.clone()]);
        let proved = identities.prove(&claim("digest", "admin:secret")).unwrap();
        assert_eq!(proved[0], admin);
        assert_eq!((&*proved[1].scheme, proved.len()), (SUPER_SCHEME, 2));
        let other = identities.prove(&claim("digest", "admin:guess")).unwrap();
        assert_eq!(other.len(), 1);
    }

    #[test]
    fn what_proves_nothing_is_refused_without_repeating_it() {
        for bad in [
            claim("digest", "secret"),
            claim("digest", ":secret"),
            claim("x509", "secret"),
        ] {
            let fault = Identities::default().prove(&bad).unwrap_err();
            assert_eq!(fault.code, ErrorCode::AuthFailed);
            assert!(!fault.message.contains("secret"), "{fault}");
        }
    }

    #[test]
    fn a_certificate_is_worth_more_than_a_password_and_that_more_than_an_address() {
        let ip = of_address("10.0.0.1:7".parse().unwrap());
        let user = digest("app", "app:secret");
        let named = Principal {
            scheme: "x509".to_owned(),
            id: "CN=app".to_owned(),
        };
        let all = [ip.clone(), user.clone(), named.clone()];
        assert_eq!(strongest(&all), Some(&named));
        assert_eq!(strongest(&all[..2]), Some(&user));
        assert_eq!(strongest(&all[..1]), Some(&ip));
        assert_eq!(strongest(&[]), None);
    }

    #[test]
    fn an_address_is_the_same_in_both_notations() {
        let mapped = of_address("[::ffff:10.0.0.1]:7".parse().unwrap());
        assert_eq!(mapped.id, "10.0.0.1");
    }
}
