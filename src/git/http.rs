//! The https transport: two requests of Git's smart protocol, sent with our own TLS, time limits and credentials.
//!
//! A token goes over https (or http to this machine) to the host of the address, and to no other: redirects are followed
//! by hand, only for the first request, and a redirect to another host goes on without credentials.

use std::io::{self, Cursor, Read, Write};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use git2::transport::Service;
use reqwest::blocking::{Client, RequestBuilder, Response};
use reqwest::{StatusCode, Url};

use crate::domain::secret::Secret;
use crate::git::access::Access;
use crate::git::credential;
use crate::git::error::{GitError, one_line};
use crate::git::session::{LARGEST_ANSWER, Server, Session, lock};
use crate::git::transport::program;
use crate::git::url::{HttpAddress, is_loopback};

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(10);
/// How long a server may be silent; pushing waits for its hooks.
const SILENCE: Duration = Duration::from_secs(60);
/// How long one answer may take as a whole.
const DEADLINE: Duration = Duration::from_secs(600);
/// The largest request we send, in bytes: a push is a few small files.
const LARGEST_REQUEST: usize = 64 << 20;
/// Renamed repositories need one; a chain is a mistake.
const MOST_REDIRECTS: usize = 5;

/// The client for one remote: connections, credentials and the address after redirects.
pub(super) struct HttpClient {
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
pub(super) struct Credentials {
    pub(super) user: String,
    pub(super) password: Secret<String>,
}

impl HttpClient {
    /// Takes the credentials of the address, else the token.
    pub(super) fn new(address: HttpAddress, access: &Access) -> Self {
        // GitHub, GitLab and Azure DevOps all take a token as the password of any user; an app's token needs this name.
        let user = || address.user.clone().unwrap_or_else(|| "x-access-token".to_owned());
        let password = address.password.clone().or_else(|| access.token.clone());
        let credentials = password.map(|password| Credentials { user: user(), password });
        let state = State { base: address.base.clone(), credentials, asked: false };
        Self { address, client: OnceLock::new(), state: Mutex::new(state) }
    }

    fn client(&self, session: &Session) -> Result<&Client, GitError> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let client = build(&self.address.base, session)?;
        Ok(self.client.get_or_init(|| client))
    }

    fn base(&self) -> Url {
        lock(&self.state).base.clone()
    }

    /// The credentials, unless the server redirected us to somebody else.
    fn credentials(&self, target: &Url) -> Option<Credentials> {
        if same_host(target, &self.address.base) { lock(&self.state).credentials.clone() } else { None }
    }

    /// Asks the credential helper, once, when there is nothing else to try.
    fn ask_helper(&self, session: &Session, target: &Url) -> Option<Credentials> {
        let mut state = lock(&self.state);
        if state.asked || state.credentials.is_some() || !same_host(target, &self.address.base) {
            return None;
        }
        state.asked = true;
        state.credentials = credential::fill(&session.endpoint.access, &self.address);
        state.credentials.clone()
    }
}

fn same_host(one: &Url, other: &Url) -> bool {
    one.origin() == other.origin()
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
        .timeout(SILENCE)
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

/// Asks for the refs of a service: the first request of every exchange.
pub(super) fn advertisement(session: &Arc<Session>, service: Service) -> Result<Body, GitError> {
    let http = server(session);
    let client = http.client(session)?;
    let query = format!("service={}", program(service));
    let mut base = http.base();
    for _ in 0..=MOST_REDIRECTS {
        let target = below(&base, "info/refs", Some(&query));
        let response = send(session, &target, || client.get(target.clone()))?;
        if response.status().is_redirection() {
            base = redirected(session, &target, &response)?;
            continue;
        }
        let expected = format!("application/x-{}-advertisement", program(service));
        let body = Body::of(session, response, &expected)?;
        lock(&http.state).base = base;
        return Ok(body);
    }
    Err(not_git(session, format!("it redirects more than {MOST_REDIRECTS} times")))
}

/// Sends a request of a service and returns its answer.
fn rpc(session: &Arc<Session>, service: Service, request: &[u8]) -> Result<Body, GitError> {
    let http = server(session);
    let client = http.client(session)?;
    let target = below(&http.base(), program(service), None);
    let response = send(session, &target, || {
        let post =
            client.post(target.clone()).header("content-type", format!("application/x-{}-request", program(service)));
        post.header("accept", format!("application/x-{}-result", program(service))).body(request.to_vec())
    })?;
    if response.status().is_redirection() {
        return Err(not_git(session, "it redirects a request that changes things".to_owned()));
    }
    Body::of(session, response, &format!("application/x-{}-result", program(service)))
}

fn server(session: &Session) -> &HttpClient {
    match &session.endpoint.server {
        Server::Http(http) => http,
        Server::Ssh(_) => unreachable!("this transport is chosen by the same value"),
    }
}

fn below(base: &Url, path: &str, query: Option<&str>) -> Url {
    let mut target = base.clone();
    target.set_path(&format!("{}/{path}", base.path().trim_end_matches('/')));
    target.set_query(query);
    target
}

/// Sends with the credentials we have; on 401 without any, asks the helper and sends once more.
fn send(session: &Session, target: &Url, request: impl Fn() -> RequestBuilder) -> Result<Response, GitError> {
    let http = server(session);
    let attempt = |credentials: Option<&Credentials>| {
        let request = match credentials {
            Some(Credentials { user, password }) => request().basic_auth(user, Some(password.expose())),
            None => request(),
        };
        request.send().map_err(|error| broken(session, error))
    };
    let credentials = http.credentials(target);
    let mut response = attempt(credentials.as_ref())?;
    if response.status() == StatusCode::UNAUTHORIZED
        && credentials.is_none()
        && let Some(credentials) = http.ask_helper(session, target)
    {
        response = attempt(Some(&credentials))?;
    }
    let usable = response.status() == StatusCode::OK || response.status().is_redirection();
    if usable { Ok(response) } else { Err(refused(session, target, response)) }
}

/// The base that a redirect leads to.
fn redirected(session: &Session, from: &Url, response: &Response) -> Result<Url, GitError> {
    let location = response.headers().get("location").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let target = from.join(location).map_err(|_| not_git(session, "it redirects to nowhere".to_owned()))?;
    let safe =
        target.scheme() == "https" || (target.scheme() == "http" && from.scheme() == "http" && is_loopback(&target));
    if !safe {
        return Err(not_git(session, "it redirects to an address without encryption".to_owned()));
    }
    let Some(path) = target.path().strip_suffix("/info/refs") else {
        let host = target.host_str().unwrap_or_default();
        let why =
            format!("it redirects to a page of {host}, perhaps to sign in; is the token valid, and the address right?");
        return Err(not_git(session, why));
    };
    let mut base = target.clone();
    base.set_path(path);
    base.set_query(None);
    base.set_fragment(None);
    // What a redirect puts before the host is not ours to send.
    let _ = base.set_username("").and_then(|()| base.set_password(None));
    Ok(base)
}

fn not_git(session: &Session, why: String) -> GitError {
    GitError::NotGit { url: session.endpoint.url.to_string(), why }
}

fn refused(session: &Session, target: &Url, response: Response) -> GitError {
    let url = session.endpoint.url.to_string();
    let status = response.status();
    let retry_after = retry_after(&response);
    let http = server(session);
    let had_credentials = http.credentials(target).is_some();
    let server = said(response);
    match status.as_u16() {
        401 if !same_host(target, &http.address.base) => {
            let host = target.host_str().unwrap_or_default();
            let next = format!("it redirects to {host}, which wants credentials; use that address if you trust it");
            GitError::Denied { url, next, server }
        }
        401 if had_credentials => {
            let next =
                "the credentials are wrong or expired; renew PRIVLINK_GIT_TOKEN or what the credential helper holds";
            GitError::Denied { url, next: next.to_owned(), server }
        }
        401 => {
            let next = "it wants credentials; set PRIVLINK_GIT_TOKEN, or configure a Git credential helper";
            GitError::Denied { url, next: next.to_owned(), server }
        }
        403 => {
            let next = "the account may not do this; give it read and write access to the repository";
            GitError::Denied { url, next: next.to_owned(), server }
        }
        404 | 410 => GitError::NoRepository { url, server },
        429 => GitError::Throttled { url, retry_after },
        status => GitError::Status { url, status, retry_after, server },
    }
}

fn retry_after(response: &Response) -> Option<Duration> {
    let value = response.headers().get("retry-after")?.to_str().ok()?;
    value.trim().parse().ok().map(Duration::from_secs)
}

/// The start of a text answer: a page of HTML says nothing to a reader of a terminal.
fn said(response: Response) -> String {
    let kind = content_type(&response);
    if kind != "text/plain" {
        return String::new();
    }
    let mut start = Vec::new();
    // A message that breaks off is better than none.
    let _ = response.take(2048).read_to_end(&mut start);
    one_line(&start)
}

fn content_type(response: &Response) -> String {
    let value = response.headers().get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// Sorts an error of the network.
fn broken(session: &Session, error: reqwest::Error) -> GitError {
    let url = session.endpoint.url.to_string();
    let error = error.without_url();
    if error.is_timeout() && !error.is_connect() {
        return GitError::Timeout { url, limit: SILENCE };
    }
    if is_certificate(&error) {
        let next = "add its certificate authority, or mend its certificate";
        return GitError::Untrusted { url, next, source: error.into() };
    }
    GitError::Unreachable { url, source: error.into() }
}

fn is_certificate(error: &reqwest::Error) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if matches!(error.downcast_ref(), Some(rustls::Error::InvalidCertificate(_))) {
            return true;
        }
        // The source of an io::Error is the source of what it wraps: the wrapped error itself would be skipped.
        let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        cause = wrapped.map(|wrapped| wrapped as _).or_else(|| error.source());
    }
    false
}

/// The body of an answer, limited in size and time.
pub(super) struct Body {
    response: Response,
    left: u64,
    until: Instant,
    session: Arc<Session>,
}

impl Body {
    fn of(session: &Arc<Session>, response: Response, expected: &str) -> Result<Self, GitError> {
        let kind = content_type(&response);
        if kind != expected {
            let why = match kind.as_str() {
                "text/html" => {
                    "it answers with a web page; is the address that of a repository, and the token valid?".to_owned()
                }
                _ => format!("it answers with content of type {:?}", one_line(kind.as_bytes())),
            };
            return Err(not_git(session, why));
        }
        let until = Instant::now() + DEADLINE;
        Ok(Self { response, left: LARGEST_ANSWER, until, session: Arc::clone(session) })
    }

    fn checked(&mut self, buffer: &mut [u8]) -> Result<usize, GitError> {
        let url = || self.session.endpoint.url.to_string();
        if self.left == 0 {
            return Err(GitError::TooLarge { url: url(), limit: LARGEST_ANSWER });
        }
        if Instant::now() > self.until {
            return Err(GitError::Timeout { url: url(), limit: DEADLINE });
        }
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let unreachable = |source: io::Error| GitError::Unreachable { url: url(), source: source.into() };
        let count = self.response.read(&mut buffer[..most]).map_err(unreachable)?;
        self.left -= count as u64;
        Ok(count)
    }
}

impl Read for Body {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.checked(buffer).map_err(|error| {
            self.session.fail(error);
            io::Error::other("the connection broke")
        })
    }
}

/// What libgit2 writes to and reads from: the request is sent when reading starts.
pub(super) struct HttpStream {
    session: Arc<Session>,
    service: Service,
    request: Cursor<Vec<u8>>,
    answer: Option<Body>,
}

impl HttpStream {
    /// Starts a request; the one for refs has no body and is sent at once.
    pub(super) fn open(session: &Arc<Session>, service: Service) -> Result<Self, GitError> {
        let answer = match service {
            Service::UploadPackLs | Service::ReceivePackLs => Some(advertisement(session, service)?),
            Service::UploadPack | Service::ReceivePack => None,
        };
        Ok(Self { session: Arc::clone(session), service, request: Cursor::default(), answer })
    }
}

impl Read for HttpStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.answer.is_none() {
            let answer = rpc(&self.session, self.service, self.request.get_ref());
            self.answer = Some(answer.map_err(|error| {
                self.session.fail(error);
                io::Error::other("the request failed")
            })?);
        }
        self.answer.as_mut().expect("it was put there above").read(buffer)
    }
}

impl Write for HttpStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.request.get_ref().len() + bytes.len() > LARGEST_REQUEST {
            let url = self.session.endpoint.url.to_string();
            self.session.fail(GitError::TooLarge { url, limit: LARGEST_REQUEST as u64 });
            return Err(io::Error::other("the request is too large"));
        }
        self.request.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
