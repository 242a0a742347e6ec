//! Which server a certificate names. Must never know whether the certificate is to be trusted:
//! rustls has checked that before anybody asks here.

use rustls_pki_types::CertificateDer;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};
use zareba_model::ServerId;

use crate::error::TlsError;

/// Below this name every server has one of its own. It exists in certificates only, never in DNS.
pub const SERVER_DOMAIN: &str = "zareba.internal";

/// The DNS name that stands for a server in its certificate.
pub fn server_name(id: ServerId) -> String {
    format!("server-{id}.{SERVER_DOMAIN}")
}

/// The one server that a certificate names.
pub fn server_id(certificate: &CertificateDer<'_>) -> Result<ServerId, TlsError> {
    let unnamed = || TlsError::NoServerId(SERVER_DOMAIN);
    let (_, parsed) = X509Certificate::from_der(certificate).map_err(|_| unnamed())?;
    let names = parsed
        .subject_alternative_name()
        .map_err(|_| unnamed())?
        .ok_or_else(unnamed)?;
    let mut ids = names
        .value
        .general_names
        .iter()
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => parse(name),
            _ => None,
        });
    match (ids.next(), ids.next()) {
        (Some(id), None) => Ok(id),
        _ => Err(unnamed()),
    }
}

fn parse(name: &str) -> Option<ServerId> {
    let digits = name
        .strip_suffix(SERVER_DOMAIN)?
        .strip_suffix('.')?
        .strip_prefix("server-")?;
    let id = ServerId(digits.parse().ok()?);
    // One server, one name: "server-+3" and "server-03" are nobody's.
    (server_name(id) == name).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_has_exactly_one_name() {
        assert_eq!(parse(&server_name(ServerId(3))), Some(ServerId(3)));
        for name in [
            "server-03.zareba.internal",
            "server-+3.zareba.internal",
            "server-3.zareba.internal.",
            "server-3zareba.internal",
            "server-.zareba.internal",
            "server-3",
            "x.server-3.zareba.internal",
        ] {
            assert_eq!(parse(name), None, "{name}");
        }
    }
}
