//! What only https has: certificates and proxies.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::sync::Arc;
use std::thread;

use privlink::domain::failure::ErrorClass;
use privlink::git::{Access, GitError, Mirror};

use super::http::{exercise, token};
use super::server::Server;
use super::{Folder, chain, url};

/// A certificate authority that nobody uses, so that clients can be built on machines without any.
fn authority() -> Vec<u8> {
    let key = rcgen::KeyPair::generate().unwrap();
    rcgen::CertificateParams::new(Vec::new()).unwrap().self_signed(&key).unwrap().pem().into_bytes()
}

#[test]
fn tls_needs_a_certificate_of_an_authority_we_were_given() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let folder = Folder::new();
    folder.bare("remote.git");
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().self_signed(&key).unwrap();
    let private = rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = rustls::ServerConfig::builder().with_no_client_auth();
    let config = Arc::new(config.with_single_cert(vec![certificate.der().clone()], private).unwrap());
    let wrap =
        move |stream| rustls::StreamOwned::new(rustls::ServerConnection::new(Arc::clone(&config)).unwrap(), stream);
    let Some(server) = Server::listen(folder.0.clone(), wrap) else { return };
    let address = url(&format!("https://{}/remote.git", server.address));
    let trusting = Access { ca_certificates: vec![certificate.pem().into_bytes()], ..token("good") };
    exercise(&folder, &address, &trusting);

    let other = Access { ca_certificates: vec![authority()], ..token("good") };
    let error = Mirror::open(&address, &folder.join("cache"), other).unwrap().list().unwrap_err();
    assert!(matches!(error, GitError::Untrusted { .. }) && error.class() == ErrorClass::Denied, "{}", chain(&error));
    let broken = Access { ca_certificates: vec![b"-----BEGIN CERTIFICATE-----\n!".to_vec()], ..token("good") };
    let error = Mirror::open(&address, &folder.join("cache"), broken).unwrap().list().unwrap_err();
    assert!(matches!(error, GitError::Settings { .. }), "{}", chain(&error));
}

#[test]
fn the_proxy_of_the_lent_environment_is_used_for_https_only() {
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = proxy.local_addr().unwrap();
    let asked = thread::spawn(move || {
        let (stream, _) = proxy.accept().unwrap();
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).unwrap();
        line
    });
    let folder = Folder::new();
    let mut access = Access { ca_certificates: vec![authority()], ..token("good") };
    access.environment.insert("https_proxy".to_owned(), format!("http://{address}"));
    access.environment.insert("NO_PROXY".to_owned(), "direct.invalid".to_owned());
    for direct in ["http://127.0.0.1:9/r.git", "https://direct.invalid/r.git"] {
        let error = folder.http(direct, access.clone()).list().unwrap_err();
        assert!(matches!(error, GitError::Unreachable { .. }), "{}", chain(&error));
    }
    let error = folder.http("https://git.invalid/r.git", access).list().unwrap_err();
    assert!(matches!(error, GitError::Unreachable { .. }), "{}", chain(&error));
    assert_eq!(asked.join().unwrap().trim_end(), "CONNECT git.invalid:443 HTTP/1.1");
}
