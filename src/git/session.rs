//! One exchange with a server: what it may use, and why it failed.
//!
//! libgit2 carries only a number and a text out of a transport. So the transport leaves its own error here, and whoever
//! started the exchange looks here first.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::domain::commit::RefName;
use crate::git::access::Access;
use crate::git::error::{GitError, one_line};
use crate::git::http::HttpClient;
use crate::git::ssh::SshChild;
use crate::git::url::{HttpAddress, RemoteUrl, SshAddress};

/// Most bytes a server may send in one exchange: packs of small text files stay far below.
pub(super) const LARGEST_ANSWER: u64 = 512 << 20;

/// How to reach the server of a smart remote; lives as long as its mirror and keeps connections and credentials.
pub(super) enum Server {
    /// Smart HTTP.
    Http(Box<HttpClient>),
    /// ssh.
    Ssh(SshAddress),
}

/// A remote that speaks the smart protocol, and what may be used to reach it.
pub(super) struct Endpoint {
    pub(super) url: RemoteUrl,
    pub(super) access: Access,
    pub(super) server: Server,
}

impl Endpoint {
    /// Prepares https, without connecting.
    pub(super) fn http(url: RemoteUrl, address: HttpAddress, access: Access) -> Self {
        let server = Server::Http(Box::new(HttpClient::new(address, &access)));
        Self { url, access, server }
    }

    /// Prepares ssh, without connecting.
    pub(super) fn ssh(url: RemoteUrl, address: SshAddress, access: Access) -> Self {
        Self { url, access, server: Server::Ssh(address) }
    }
}

/// One exchange with an [`Endpoint`].
pub(super) struct Session {
    pub(super) endpoint: Arc<Endpoint>,
    failure: Mutex<Option<GitError>>,
    /// The running `ssh`, so that its last words can be read when libgit2 only sees the end of the stream.
    pub(super) child: Mutex<Option<SshChild>>,
}

impl Session {
    pub(super) fn new(endpoint: Arc<Endpoint>) -> Self {
        Self { endpoint, failure: Mutex::new(None), child: Mutex::new(None) }
    }

    /// Keeps the first failure; later ones only follow from it.
    pub(super) fn fail(&self, error: GitError) {
        lock(&self.failure).get_or_insert(error);
    }

    /// The failure of the transport, if it had one.
    pub(super) fn failure(&self) -> Option<GitError> {
        let own = lock(&self.failure).take();
        own.or_else(|| lock(&self.child).take().and_then(|child| child.failure(&self.endpoint.url)))
    }

    /// Turns libgit2's error into ours: the transport's own, else libgit2's with what the server said.
    pub(super) fn explain(&self, operation: &str, server: &[u8], error: git2::Error) -> GitError {
        self.failure().unwrap_or_else(|| GitError::Remote {
            url: self.endpoint.url.to_string(),
            operation: operation.to_owned(),
            server: one_line(server),
            source: Box::new(error),
        })
    }
}

/// Locks even if another thread panicked: what is inside is replaced whole, so it is never half written.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Names refs for a message.
pub(super) fn named(refs: &[RefName]) -> String {
    refs.iter().map(RefName::as_str).collect::<Vec<_>>().join(", ")
}
