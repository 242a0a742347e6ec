//! Who a client has proved to be, from the certificate it showed. Must never decide what it may do.

use quinn::Connection;
use rustls_pki_types::CertificateDer;
use x509_parser::prelude::{FromDer, X509Certificate};
use zareba_model::Principal;

/// The client's identities; none if it showed no certificate. TLS has checked the certificate.
pub(crate) fn principals(connection: &Connection) -> Vec<Principal> {
    let Some(identity) = connection.peer_identity() else {
        return Vec::new();
    };
    let Ok(chain) = identity.downcast::<Vec<CertificateDer<'static>>>() else {
        return Vec::new();
    };
    chain.first().and_then(common_name).into_iter().collect()
}

fn common_name(certificate: &CertificateDer<'_>) -> Option<Principal> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    let name = parsed.subject().iter_common_name().next()?;
    Some(Principal {
        scheme: "x509".to_owned(),
        id: format!("CN={}", name.as_str().ok()?),
    })
}

#[cfg(test)]
mod tests {
    use rustls_pki_types::pem::PemObject;
    use zareba_transport::authority::CertificateAuthority;

    use super::*;

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
}
