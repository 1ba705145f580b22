//! Makes libgit2 speak to servers through us, without OpenSSL and libssh2.
//!
//! libgit2 finds a transport by the scheme of the address. We register one scheme of our own, `privlink://<number>`, and
//! keep a register from number to session: so the state of a call is found again without globals per call, two calls to
//! one server never share state, and no `url.*.insteadOf` can send a token elsewhere.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock};

use git2::transport::{Service, SmartSubtransport, SmartSubtransportStream, Transport};

use crate::git::error::GitError;
use crate::git::http::HttpStream;
use crate::git::session::{Server, Session, lock};
use crate::git::ssh;

const SCHEME: &str = "privlink";

/// The sessions that libgit2 may ask for.
struct Register {
    next: u64,
    sessions: BTreeMap<u64, Arc<Session>>,
}

static REGISTER: Mutex<Register> = Mutex::new(Register { next: 0, sessions: BTreeMap::new() });

/// A session that libgit2 can reach by its address, until this is dropped.
pub(super) struct Registered(u64);

impl Registered {
    /// Makes a session reachable.
    pub(super) fn new(session: Arc<Session>) -> Result<Self, git2::Error> {
        install()?;
        let mut register = lock(&REGISTER);
        let number = register.next;
        register.next += 1;
        register.sessions.insert(number, session);
        Ok(Self(number))
    }

    /// The address to give to libgit2.
    pub(super) fn address(&self) -> String {
        format!("{SCHEME}://{}", self.0)
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        lock(&REGISTER).sessions.remove(&self.0);
    }
}

/// Registers our scheme, once in the life of the process.
fn install() -> Result<(), git2::Error> {
    static INSTALLED: OnceLock<Result<(), String>> = OnceLock::new();
    let installed = INSTALLED.get_or_init(|| {
        #[expect(
            unsafe_code,
            reason = "registering must not race with the creation of another transport: the once-cell serialises it, \
                      and no transport is created before, since every remote of this program is made through `Registered`"
        )]
        let answer = unsafe { git2::transport::register(SCHEME, create) };
        answer.map_err(|error| error.message().to_owned())
    });
    installed.clone().map_err(|message| git2::Error::from_str(&message))
}

fn create(remote: &git2::Remote<'_>) -> Result<Transport, git2::Error> {
    let number = remote.url().ok().and_then(|url| url.strip_prefix(SCHEME)?.strip_prefix("://")?.parse::<u64>().ok());
    let session = number.and_then(|number| lock(&REGISTER).sessions.get(&number).cloned());
    let session = session.ok_or_else(|| git2::Error::from_str("the session of this address has ended"))?;
    let stateless = matches!(session.endpoint.server, Server::Http(_));
    Transport::smart(remote, stateless, Subtransport(session))
}

struct Subtransport(Arc<Session>);

impl SmartSubtransport for Subtransport {
    fn action(&self, _address: &str, service: Service) -> Result<Box<dyn SmartSubtransportStream>, git2::Error> {
        let session = &self.0;
        let stream: Result<Box<dyn SmartSubtransportStream>, GitError> = match &session.endpoint.server {
            Server::Http(_) => HttpStream::open(session, service).map(|stream| Box::new(stream) as _),
            Server::Ssh(address) => ssh::open(session, address, program(service)).map(|stream| Box::new(stream) as _),
        };
        stream.map_err(|error| {
            session.fail(error);
            git2::Error::from_str("the transport failed")
        })
    }

    fn close(&self) -> Result<(), git2::Error> {
        Ok(())
    }
}

/// The program on the server's side.
pub(super) fn program(service: Service) -> &'static str {
    match service {
        Service::UploadPackLs | Service::UploadPack => "git-upload-pack",
        Service::ReceivePackLs | Service::ReceivePack => "git-receive-pack",
    }
}
