//! The simulator's own certificate authority, made anew at every start.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::PrivateKeyDer;
use tokio_rustls::TlsAcceptor;

use crate::sim::SimError;

/// What clients trust, and what servers present.
pub(crate) struct Tls {
    pub(crate) ca_pem: String,
    pub(crate) acceptor: TlsAcceptor,
}

impl Tls {
    /// Makes an authority and a certificate for the names of this machine.
    pub(crate) fn generate() -> Result<Self, SimError> {
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
        let key = PrivateKeyDer::try_from(leaf_key.serialize_der()).map_err(|_| SimError::Key)?;
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(vec![certificate.der().clone()], key))
            .map_err(SimError::Tls)?;
        Ok(Self { ca_pem: issuer.pem(), acceptor: TlsAcceptor::from(Arc::new(config)) })
    }
}
