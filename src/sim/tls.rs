//! What the simulator's servers present: a certificate of its own authority, or one that was brought along.

use std::fmt;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde::{Deserialize, Serialize};
use tokio_rustls::TlsAcceptor;

use crate::sim::SimError;

/// A certificate with its key and with what clients have to trust, all in PEM.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Certificate {
    /// What clients trust.
    pub ca: String,
    /// The certificate, followed by those between it and the authority.
    pub chain: String,
    /// Its private key.
    pub key: String,
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certificate({} bytes)", self.chain.len())
    }
}

impl Certificate {
    /// Makes an authority and a certificate for the names of this machine.
    ///
    /// # Errors
    /// If no key can be made.
    pub fn generate() -> Result<Self, SimError> {
        let mut authority = CertificateParams::new(Vec::new()).map_err(SimError::Certificate)?;
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        authority.distinguished_name.push(DnType::CommonName, "privlink simulator");
        let key = KeyPair::generate().map_err(SimError::Certificate)?;
        let issuer = CertifiedIssuer::self_signed(authority, key).map_err(SimError::Certificate)?;
        let names = ["127.0.0.1", "localhost", "::1"].map(str::to_owned);
        let mut leaf = CertificateParams::new(names).map_err(SimError::Certificate)?;
        // Python and Go refuse a leaf that does not say whose key signed it.
        leaf.use_authority_key_identifier_extension = true;
        leaf.distinguished_name.push(DnType::CommonName, "localhost");
        let leaf_key = KeyPair::generate().map_err(SimError::Certificate)?;
        let certificate = leaf.signed_by(&leaf_key, &issuer).map_err(SimError::Certificate)?;
        Ok(Self { ca: issuer.pem(), chain: certificate.pem(), key: leaf_key.serialize_pem() })
    }

    /// A certificate that was brought along; clients are told to trust the chain as it is.
    pub fn brought(chain: String, key: String) -> Self {
        Self { ca: chain.clone(), chain, key }
    }
}

/// A certificate, ready for servers.
pub(crate) struct Tls {
    pub(crate) acceptor: TlsAcceptor,
}

impl Tls {
    pub(crate) fn of(certificate: &Certificate) -> Result<Self, SimError> {
        let bad = |what: &'static str| move |_| SimError::Pem { what };
        let chain = CertificateDer::pem_slice_iter(certificate.chain.as_bytes());
        let chain: Vec<CertificateDer<'static>> = chain.collect::<Result<_, _>>().map_err(bad("certificate"))?;
        if chain.is_empty() {
            return Err(SimError::Pem { what: "certificate" });
        }
        let key = PrivateKeyDer::from_pem_slice(certificate.key.as_bytes()).map_err(bad("key"))?;
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
            .map_err(SimError::Tls)?;
        Ok(Self { acceptor: TlsAcceptor::from(Arc::new(config)) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_has_to_be_one_and_its_key_has_to_fit() {
        let (own, other) = (Certificate::generate().unwrap(), Certificate::generate().unwrap());
        assert!(Tls::of(&own).is_ok());
        let fails = |chain: &str, key: &str| Tls::of(&Certificate::brought(chain.into(), key.into())).err().unwrap();
        assert!(matches!(fails("hello", &own.key), SimError::Pem { what: "certificate" }));
        assert!(matches!(fails(&own.chain, "hello"), SimError::Pem { what: "key" }));
        assert!(matches!(fails(&own.chain, &other.key), SimError::Tls(_)));
        assert!(!format!("{own:?}").contains("PRIVATE"));
    }
}
