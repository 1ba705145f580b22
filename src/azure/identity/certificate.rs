//! A certificate as a credential: the application signs that it is itself.
//!
//! The certificate credential of `azure_identity` needs OpenSSL, so the assertion is built here with the TLS stack that is
//! there anyway. Source of its form: Microsoft identity platform, application authentication certificate credentials.

use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use azure_core::http::ClientMethodOptions;
use azure_identity::ClientAssertion;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use reqwest::Url;
use rustls::SignatureScheme;
use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::sign::SigningKey;
use serde_json::Value as Json;
use serde_json::json;
use sha2::Digest as _;
use sha2::Sha256;

use crate::azure::identity::Refusal;
use crate::azure::identity::entra::carried;
use crate::azure::identity::means::Application;

/// How long an assertion is good for, in seconds: it is used at once.
const LIFE: i64 = 600;

/// What a certificate file holds.
#[derive(Debug)]
struct Certificate {
    /// The application's own first.
    chain: Vec<CertificateDer<'static>>,
    key: Arc<dyn SigningKey>,
}

/// Signs assertions with a certificate; the file is read each time, so that a renewed one counts.
#[derive(Debug)]
pub(crate) struct BySignature {
    pub(crate) application: Application,
    pub(crate) file: PathBuf,
    pub(crate) sends_chain: bool,
    /// The authority that it is shown to.
    pub(crate) authority: Url,
}

#[async_trait]
impl ClientAssertion for BySignature {
    async fn secret(&self, _: Option<ClientMethodOptions<'_>>) -> azure_core::Result<String> {
        let made = read(&self.file).and_then(|certificate| self.assertion(&certificate, Timestamp::now()));
        made.map_err(carried)
    }
}

impl BySignature {
    fn assertion(&self, certificate: &Certificate, now: Timestamp) -> Result<String, Refusal> {
        let mut header = json!({
            "alg": "PS256",
            "typ": "JWT",
            "x5t#S256": URL_SAFE_NO_PAD.encode(Sha256::digest(&certificate.chain[0])),
        });
        if self.sends_chain {
            header["x5c"] = certificate.chain.iter().map(|own| Json::from(STANDARD.encode(own))).collect();
        }
        let Application { tenant, client } = &self.application;
        let now = now.as_second();
        let claims = json!({
            "aud": format!("{}{tenant}/oauth2/v2.0/token", self.authority),
            "iss": client.as_str(),
            "sub": client.as_str(),
            "jti": uuid::Uuid::new_v4().to_string(),
            "nbf": now,
            "iat": now,
            "exp": now + LIFE,
        });
        let part = |json: &Json| URL_SAFE_NO_PAD.encode(json.to_string());
        let signed = format!("{}.{}", part(&header), part(&claims));
        let failed = || Refusal::unusable(format!("the key in {} cannot sign: Entra takes RSA", self.file.display()));
        let signer = certificate.key.choose_scheme(&[SignatureScheme::RSA_PSS_SHA256]).ok_or_else(failed)?;
        let signature = signer.sign(signed.as_bytes()).map_err(|_| failed())?;
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

/// Reads certificate and key.
fn read(file: &Path) -> Result<Certificate, Refusal> {
    let unusable = |why: String| Refusal::unusable(format!("the certificate {}: {why}", file.display()));
    let pem = std::fs::read(file).map_err(|error| unusable(format!("it cannot be read ({error})")))?;
    parse(&pem).map_err(|why| unusable(why.to_owned()))
}

fn parse(pem: &[u8]) -> Result<Certificate, &'static str> {
    const CONVERT: &str =
        "it is not PEM; turn a PKCS#12 file into one: openssl pkcs12 -nodes -in FILE.pfx -out FILE.pem";
    let text = String::from_utf8_lossy(pem);
    if !text.contains("-----BEGIN") {
        return Err(CONVERT);
    }
    if text.contains("ENCRYPTED") {
        return Err("its key has a password, which privlink does not take; decrypt it: openssl pkey -in FILE -out KEY");
    }
    let chain: Vec<_> = CertificateDer::pem_slice_iter(pem).filter_map(Result::ok).collect();
    if chain.is_empty() {
        return Err("it holds no certificate; put certificate and key into one file");
    }
    let key =
        PrivateKeyDer::from_pem_slice(pem).map_err(|_| "it holds no key; put certificate and key into one file")?;
    let key = any_supported_type(&key).map_err(|_| "its key is of a kind that nobody knows; Entra takes RSA")?;
    Ok(Certificate { chain, key })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A certificate and a key that were made for this test and open nothing.
    const PEM: &str = include_str!("../../../tests/data/certificate.pem");

    fn by_signature(sends_chain: bool) -> BySignature {
        BySignature {
            application: Application {
                tenant: "11111111-1111-1111-1111-111111111111".parse().unwrap(),
                client: "00000000-0000-0000-0000-0000000000a1".parse().unwrap(),
            },
            file: "/c.pem".into(),
            sends_chain,
            authority: Url::parse("https://login.example").unwrap(),
        }
    }

    fn decoded(part: &str) -> Json {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
    }

    #[test]
    fn an_assertion_is_signed_by_the_key_and_names_the_certificate() {
        let certificate = parse(PEM.as_bytes()).unwrap();
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let assertion = by_signature(true).assertion(&certificate, now).unwrap();
        let parts: Vec<&str> = assertion.split('.').collect();
        let (header, claims) = (decoded(parts[0]), decoded(parts[1]));
        // As `openssl x509 -fingerprint -sha256` tells it, in base64.
        assert_eq!(header["x5t#S256"], "cXW3ePeOekAAxyAM6eYkvvwOvStT563698Sb8_JGSEM");
        assert_eq!((&header["alg"], header["x5c"].as_array().map(Vec::len)), (&json!("PS256"), Some(1)));
        let audience = "https://login.example/11111111-1111-1111-1111-111111111111/oauth2/v2.0/token";
        assert_eq!((&claims["aud"], &claims["exp"]), (&json!(audience), &json!(1_800_000_600)));
        assert_eq!(claims["iss"], claims["sub"]);
        let spki = certificate.key.public_key().unwrap();
        // The algorithm and the frame of the bits come before an RSA key of 2,048 bits.
        let key = &spki.as_ref()[24..];
        let algorithms = rustls::crypto::ring::default_provider().signature_verification_algorithms;
        let (_, verifiers) =
            algorithms.mapping.iter().find(|(scheme, _)| *scheme == SignatureScheme::RSA_PSS_SHA256).unwrap();
        let signature = URL_SAFE_NO_PAD.decode(parts[2]).unwrap();
        let signed = format!("{}.{}", parts[0], parts[1]);
        assert!(verifiers[0].verify_signature(key, signed.as_bytes(), &signature).is_ok());
        assert!(verifiers[0].verify_signature(key, b"else", &signature).is_err());
    }

    #[test]
    fn a_file_that_is_no_credential_says_what_to_do() {
        let why = |pem: &str| parse(pem.as_bytes()).unwrap_err();
        let (key, certificate) = PEM.split_at(PEM.find("-----BEGIN CERTIFICATE").unwrap());
        insta::assert_snapshot!(
            [why("0\u{82}"), why(key), why(certificate), why("-----BEGIN ENCRYPTED PRIVATE KEY-----")].join("\n"),
            @"
        it is not PEM; turn a PKCS#12 file into one: openssl pkcs12 -nodes -in FILE.pfx -out FILE.pem
        it holds no certificate; put certificate and key into one file
        it holds no key; put certificate and key into one file
        its key has a password, which privlink does not take; decrypt it: openssl pkey -in FILE -out KEY
        "
        );
    }
}
