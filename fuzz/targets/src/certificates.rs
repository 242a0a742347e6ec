//! What strangers show when they connect or join: certificates and requests for one. Must never judge
//! whether they are to be trusted.

use rustls_pki_types::CertificateDer;
use zareba_transport::{SigningRequest, server_id, server_name};

use crate::memory::{Bound, within};

/// A list of the shortest names, each with its place.
const CERTIFICATE: Bound = Bound::per_byte(256);

/// A peer's certificate.
pub(crate) fn certificate(bytes: &[u8]) {
    let certificate = CertificateDer::from(bytes);
    let Ok(id) = within(CERTIFICATE, bytes.len(), || server_id(&certificate)) else {
        return;
    };
    let name = server_name(id);
    let mut places = bytes.windows(name.len());
    assert!(places.any(|place| place == name.as_bytes()), "{name}");
}

/// A request for a certificate: PEM, or behind a zero the DER that is put into one.
pub(crate) fn signing_request(bytes: &[u8]) {
    let wrapped;
    let pem = match bytes.split_first() {
        Some((0, der)) => {
            wrapped = pem(der);
            &wrapped
        }
        _ => match std::str::from_utf8(bytes) {
            Ok(text) => text,
            Err(_) => return,
        },
    };
    let parsed = within(CERTIFICATE, pem.len(), || SigningRequest::parse(pem));
    if let Ok(request) = parsed {
        assert!(!request.public_key().is_empty());
    }
}

fn pem(der: &[u8]) -> String {
    const KIND: &str = "CERTIFICATE REQUEST";
    format!(
        "-----BEGIN {KIND}-----\n{}\n-----END {KIND}-----\n",
        base64(der)
    )
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let byte = |index: usize| u32::from(group.get(index).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4 {
            let digit = (bits >> (18 - 6 * place) & 63) as usize;
            let is_padding = place > group.len();
            let digit = DIGITS.get(digit).filter(|_| !is_padding);
            text.push(digit.map_or('=', |digit| char::from(*digit)));
        }
    }
    text
}
