//! The https transport: two requests of Git's smart protocol, sent with our own TLS, time limits and credentials.
//!
//! A token goes over https (or http to this machine) to the host of the address, and to no other: redirects are followed
//! by hand, only for the first request, and a redirect to another host goes on without credentials.

mod client;
mod failure;

use std::io::{self, Cursor, Read, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use git2::transport::Service;
use reqwest::blocking::{RequestBuilder, Response};
use reqwest::{StatusCode, Url};

use crate::git::error::{GitError, one_line};
use crate::git::session::{LARGEST_ANSWER, Server, Session};
use crate::git::transport::program;
use crate::git::url::is_loopback;

pub(super) use client::Credentials;
pub(super) use client::HttpClient;
use failure::{broken, content_type, refused};

/// How long one answer may take as a whole.
const DEADLINE: Duration = Duration::from_secs(600);
/// The largest request we send, in bytes: a push is a few small files.
const LARGEST_REQUEST: usize = 64 << 20;
/// Renamed repositories need one; a chain is a mistake.
const MOST_REDIRECTS: usize = 5;

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
        http.settle(base);
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
