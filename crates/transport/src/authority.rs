//! A private certificate authority: makes the certificates that name servers and clients.
//! Must never know where keys are kept; it takes and gives PEM texts only.

use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, PublicKeyData, SanType,
};
use zareba_model::ServerId;

use crate::error::TlsError;
use crate::identity::{SERVER_DOMAIN, server_name};

/// A certificate chain and its private key, as PEM. The key is a secret: `Debug` hides it.
#[derive(Clone)]
pub struct Credentials {
    /// The certificate, and the certificates between it and the authority.
    pub certificate_pem: String,
    /// Its private key.
    pub key_pem: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Credentials(redacted)")
    }
}

/// Who signs for an ensemble.
pub struct CertificateAuthority {
    issuer: Issuer<'static, KeyPair>,
    certificate_pem: String,
}

impl CertificateAuthority {
    /// A new authority with a new key.
    pub fn create() -> Result<Self, TlsError> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.distinguished_name = named("Zareba private CA");
        let certificate_pem = params.self_signed(&key)?.pem();
        Ok(Self {
            issuer: Issuer::new(params, key),
            certificate_pem,
        })
    }

    /// An authority that was created before, from its certificate and key.
    pub fn load(certificate_pem: &str, key_pem: &str) -> Result<Self, TlsError> {
        let key = KeyPair::from_pem(key_pem)?;
        Ok(Self {
            issuer: Issuer::from_ca_cert_pem(certificate_pem, key)?,
            certificate_pem: certificate_pem.to_owned(),
        })
    }

    /// A server's certificate, for its peers and its clients. `names` are the DNS names and IP
    /// addresses by which clients reach it.
    pub fn issue_server(&self, id: ServerId, names: &[String]) -> Result<Credentials, TlsError> {
        self.issue(Self::of_server(id, names)?)
    }

    /// The same for a key that stays where it is. Nothing of the request but its public key gets
    /// into the certificate, which is returned as PEM.
    pub fn sign_server(
        &self,
        request: &SigningRequest,
        id: ServerId,
        names: &[String],
    ) -> Result<String, TlsError> {
        let mut params = Self::of_server(id, names)?;
        finish(&mut params);
        let certificate = params.signed_by(&request.0.public_key, &self.issuer)?;
        Ok(certificate.pem())
    }

    fn of_server(id: ServerId, names: &[String]) -> Result<CertificateParams, TlsError> {
        let mut params = CertificateParams::new(names)?;
        // Peers ask for this very server; clients, for any server of the ensemble.
        for name in [server_name(id), SERVER_DOMAIN.to_owned()] {
            let name = SanType::DnsName(name.try_into()?);
            params.subject_alt_names.push(name);
        }
        params.distinguished_name = named(&format!("server-{id}"));
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        Ok(params)
    }

    /// A client's certificate; `name` is what access control lists call it.
    pub fn issue_client(&self, name: &str) -> Result<Credentials, TlsError> {
        let mut params = CertificateParams::default();
        params.distinguished_name = named(name);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.issue(params)
    }

    /// The authority's own certificate: what others must trust.
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// The authority's private key.
    pub fn key_pem(&self) -> String {
        self.issuer.key().serialize_pem()
    }

    fn issue(&self, mut params: CertificateParams) -> Result<Credentials, TlsError> {
        finish(&mut params);
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok(Credentials {
            certificate_pem: certificate.pem(),
            key_pem: key.serialize_pem(),
        })
    }
}

/// What all certificates but the authority's own have in common.
fn finish(params: &mut CertificateParams) {
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.use_authority_key_identifier_extension = true;
}

/// A new private key, as PEM. It is a secret.
pub fn generate_key() -> Result<String, TlsError> {
    Ok(KeyPair::generate()?.serialize_pem())
}

/// Asks for a certificate for a key, as PEM; the key stays where it is.
pub fn request_certificate(key_pem: &str) -> Result<String, TlsError> {
    let key = KeyPair::from_pem(key_pem)?;
    Ok(CertificateParams::default()
        .serialize_request(&key)?
        .pem()?)
}

/// Somebody asks for a certificate, and has shown to have the private key.
#[derive(Debug)]
pub struct SigningRequest(CertificateSigningRequestParams);

impl SigningRequest {
    /// Reads a request and checks its signature.
    pub fn parse(pem: &str) -> Result<Self, TlsError> {
        Ok(Self(CertificateSigningRequestParams::from_pem(pem)?))
    }

    /// The public key.
    pub fn public_key(&self) -> &[u8] {
        self.0.public_key.der_bytes()
    }
}

fn named(name: &str) -> rcgen::DistinguishedName {
    let mut distinguished = rcgen::DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}
