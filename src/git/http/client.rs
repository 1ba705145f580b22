//! The client of one https remote: TLS, proxy, time limits, and which credentials go where.

use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use reqwest::Url;
use reqwest::blocking::Client;

use crate::domain::secret::Secret;
use crate::git::access::Access;
use crate::git::credential;
use crate::git::error::GitError;
use crate::git::session::{Session, lock};
use crate::git::url::HttpAddress;

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(10);

/// The client for one remote: connections, credentials and the address after redirects.
pub(in crate::git) struct HttpClient {
    address: HttpAddress,
    // Built on first use: building fails on a machine without certificates, and starts a thread.
    client: OnceLock<Client>,
    state: Mutex<State>,
}

struct State {
    /// Where requests go: the address, or where it redirects to.
    base: Url,
    credentials: Option<Credentials>,
    /// True once the credential helper was asked: it is asked once.
    asked: bool,
}

/// What is sent as basic authentication.
#[derive(Clone)]
pub(in crate::git) struct Credentials {
    pub(in crate::git) user: String,
    pub(in crate::git) password: Secret<String>,
}

impl HttpClient {
    /// Takes the credentials of the address, else the token.
    pub(in crate::git) fn new(address: HttpAddress, access: &Access) -> Self {
        // GitHub, GitLab and Azure DevOps all take a token as the password of any user; an app's token needs this name.
        let user = || address.user.clone().unwrap_or_else(|| "x-access-token".to_owned());
        let password = address.password.clone().or_else(|| access.token.clone());
        let credentials = password.map(|password| Credentials { user: user(), password });
        let state = State { base: address.base.clone(), credentials, asked: false };
        Self { address, client: OnceLock::new(), state: Mutex::new(state) }
    }

    /// The client, built on first use.
    pub(super) fn client(&self, session: &Session) -> Result<&Client, GitError> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let client = build(&self.address.base, session)?;
        Ok(self.client.get_or_init(|| client))
    }

    /// Where requests go.
    pub(super) fn base(&self) -> Url {
        lock(&self.state).base.clone()
    }

    /// Keeps where a redirect led, for the requests that follow.
    pub(super) fn settle(&self, base: Url) {
        lock(&self.state).base = base;
    }

    /// True if the target is the server that the address names, by scheme, host and port.
    pub(super) fn is_home(&self, target: &Url) -> bool {
        target.origin() == self.address.base.origin()
    }

    /// The credentials, unless the server redirected us to somebody else.
    pub(super) fn credentials(&self, target: &Url) -> Option<Credentials> {
        if self.is_home(target) { lock(&self.state).credentials.clone() } else { None }
    }

    /// Asks the credential helper, once, when there is nothing else to try.
    pub(super) fn ask_helper(&self, session: &Session, target: &Url) -> Option<Credentials> {
        let mut state = lock(&self.state);
        if state.asked || state.credentials.is_some() || !self.is_home(target) {
            return None;
        }
        state.asked = true;
        state.credentials = credential::fill(&session.endpoint.access, &self.address);
        state.credentials.clone()
    }
}

fn build(base: &Url, session: &Session) -> Result<Client, GitError> {
    // kube and azure_core may have installed it already, and then this is the same one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let failed = |what: &str, source: reqwest::Error| GitError::Settings {
        url: session.endpoint.url.to_string(),
        what: what.to_owned(),
        source: source.into(),
    };
    let mut builder = Client::builder()
        .user_agent(concat!("git/2.0 (privlink ", env!("CARGO_PKG_VERSION"), ")"))
        .connect_timeout(CONNECT)
        .timeout(session.endpoint.access.timeout)
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .no_proxy();
    if base.scheme() == "http" {
        // No store of certificates is needed, and a machine without one must still reach itself.
        builder = builder.tls_certs_only([]);
    } else {
        let mut certificates = Vec::new();
        for pem in &session.endpoint.access.ca_certificates {
            let bundle = reqwest::Certificate::from_pem_bundle(pem);
            certificates.extend(bundle.map_err(|e| failed("a certificate authority is not PEM", e))?);
        }
        builder = builder.tls_certs_merge(certificates);
        if let Some(address) = proxy(&session.endpoint.access) {
            // The address may hold a password, so it is not repeated.
            let proxy =
                reqwest::Proxy::https(address).map_err(|e| failed("HTTPS_PROXY is not an address", e.without_url()))?;
            let except = session.endpoint.access.variable("NO_PROXY").and_then(reqwest::NoProxy::from_string);
            builder = builder.proxy(proxy.no_proxy(except));
        }
    }
    builder.build().map_err(|e| failed("there may be no certificate store; SSL_CERT_FILE can name one", e))
}

fn proxy(access: &Access) -> Option<&str> {
    access.variable("HTTPS_PROXY").or_else(|| access.variable("ALL_PROXY"))
}
