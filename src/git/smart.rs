//! Remotes behind a server: list, fetch and push over the smart protocol.
//!
//! The server compares a ref with the old value that the push carries, under its own lock. libgit2 takes that old value
//! from what the server advertised a moment before, so we check in the negotiation that it is the one expected.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use git2::transport::Service;

use crate::domain::commit::{CommitId, RefName};
use crate::git::advertisement::{self, AdvertisementError};
use crate::git::cache::unique;
use crate::git::error::{GitError, one_line};
use crate::git::http;
use crate::git::push::{Push, Update, rejected};
use crate::git::repository::{commit_id, is_absent};
use crate::git::session::{Endpoint, Server, Session, named};
use crate::git::ssh;
use crate::git::transport::{Registered, program};

/// The most of a server's messages that is kept, in bytes.
const KEPT_MESSAGES: usize = 8 << 10;

/// A remote behind https or ssh.
pub(super) struct SmartRemote(pub(super) Arc<Endpoint>);

impl SmartRemote {
    /// The refs, in one request and without libgit2.
    pub(super) fn list(&self) -> Result<BTreeMap<RefName, CommitId>, GitError> {
        let session = Arc::new(Session::new(Arc::clone(&self.0)));
        let service = Service::UploadPackLs;
        let refs = match &self.0.server {
            Server::Http(_) => advertisement::read(&mut http::advertisement(&session, service)?),
            Server::Ssh(address) => {
                let mut stream = ssh::open(&session, address, program(service))?;
                let refs = advertisement::read(&mut stream);
                // Says goodbye; a server that has gone already needs none.
                let _ = stream.write_all(b"0000");
                refs
            }
        };
        refs.map_err(|error| session.failure().unwrap_or_else(|| self.unreadable(error)))
    }

    fn unreadable(&self, error: AdvertisementError) -> GitError {
        let url = self.0.url.to_string();
        match error {
            AdvertisementError::Refused(server) => GitError::NoRepository { url, server },
            AdvertisementError::Shallow => GitError::CutOff { url },
            AdvertisementError::Malformed(why) => {
                GitError::NotGit { url, why: format!("its list of refs is odd: {why}") }
            }
            AdvertisementError::Io(source) => GitError::Unreachable { url, source: source.into() },
        }
    }

    /// Downloads what the refs lead to, and says which of them exist.
    pub(super) fn fetch(
        &self,
        mirror: &git2::Repository,
        refs: &[RefName],
    ) -> Result<BTreeMap<RefName, CommitId>, GitError> {
        let session = Arc::new(Session::new(Arc::clone(&self.0)));
        let operation = format!("fetch {} from", named(refs));
        // A place of our own: libgit2 does not say which refs the server lacks, so only what appears here was there.
        let incoming = |index: usize| format!("refs/privlink/incoming/{}-{index}", unique());
        let places: Vec<_> = refs.iter().enumerate().map(|(index, name)| (name, incoming(index))).collect();
        let specs: Vec<_> = places.iter().map(|(name, place)| format!("+{name}:{place}")).collect();
        let downloaded = download(mirror, &session, &specs);
        let found = downloaded.and_then(|()| arrived(mirror, &places));
        for (_, place) in &places {
            // What stays behind only keeps objects that we keep anyway.
            let _ = mirror.find_reference(place).and_then(|mut reference| reference.delete());
        }
        found.map_err(|error| session.explain(&operation, b"", error))
    }

    /// Moves one ref if it has the expected value.
    pub(super) fn push(&self, mirror: &git2::Repository, update: &Update<'_>) -> Result<Push, GitError> {
        let Update { reference, expected, new } = update;
        if expected.is_none() && new.is_none() {
            // There is nothing to delete; a server would call that an error.
            return Ok(if self.list()?.contains_key(*reference) { Push::Moved } else { Push::Done });
        }
        let session = Arc::new(Session::new(Arc::clone(&self.0)));
        let answer = Answer::default();
        let sent = send(mirror, &session, update, &answer);
        let Answer { moved, status, messages } = answer;
        let messages = messages.into_inner();
        match (sent, status.into_inner()) {
            _ if moved.get() => Ok(Push::Moved),
            (_, Some(Some(reason))) => Ok(rejected(&reason, &one_line(&messages), descends(mirror, update))),
            (Ok(()), Some(None)) => Ok(Push::Done),
            (Ok(()), None) => self.unreported(update),
            (Err(error), _) if error.code() == git2::ErrorCode::NotFastForward => Ok(Push::Moved),
            (Err(error), _) => Err(session.explain(&format!("push {reference} to"), &messages, error)),
        }
    }

    /// A server without status reports leaves only one way to know: look.
    fn unreported(&self, update: &Update<'_>) -> Result<Push, GitError> {
        let now = self.list()?.get(update.reference).map(crate::git::repository::oid);
        Ok(if now == update.new { Push::Done } else { Push::Moved })
    }
}

fn download(mirror: &git2::Repository, session: &Arc<Session>, specs: &[String]) -> Result<(), git2::Error> {
    let registered = Registered::new(Arc::clone(session))?;
    let mut remote = mirror.remote_anonymous(&registered.address())?;
    let mut options = git2::FetchOptions::new();
    options.download_tags(git2::AutotagOption::None).update_fetchhead(false);
    remote.fetch(specs, Some(&mut options), Some("fetch"))
}

fn arrived(
    mirror: &git2::Repository,
    places: &[(&RefName, String)],
) -> Result<BTreeMap<RefName, CommitId>, git2::Error> {
    let mut found = BTreeMap::new();
    for (name, place) in places {
        match mirror.find_reference(place) {
            Ok(reference) => {
                found.insert((*name).clone(), commit_id(reference.peel_to_commit()?.id()));
            }
            Err(error) if is_absent(&error) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

/// What a server answers to a push, collected from libgit2's callbacks.
#[derive(Default)]
struct Answer {
    /// The ref was not as expected, and nothing was sent.
    moved: Cell<bool>,
    /// The status of our ref: `Some(None)` is success, `Some(Some(reason))` a rejection.
    status: RefCell<Option<Option<String>>>,
    /// What the server printed.
    messages: RefCell<Vec<u8>>,
}

fn send(
    mirror: &git2::Repository,
    session: &Arc<Session>,
    update: &Update<'_>,
    answer: &Answer,
) -> Result<(), git2::Error> {
    let Update { reference, expected, new } = update;
    let registered = Registered::new(Arc::clone(session))?;
    let mut remote = mirror.remote_anonymous(&registered.address())?;
    let mut options = git2::PushOptions::new();
    options.remote_callbacks(callbacks(reference, expected.unwrap_or(git2::Oid::ZERO_SHA1), answer));
    // Forced, because the comparison with the expected value replaces the one with history: a lease is no line of
    // descent.
    let new = new.map(|new| new.to_string()).unwrap_or_default();
    let spec = format!("{}{new}:{reference}", if new.is_empty() { "" } else { "+" });
    // git2 panics where a server's status is not UTF-8.
    let pushed = catch_unwind(AssertUnwindSafe(|| remote.push(&[spec], Some(&mut options))));
    pushed.unwrap_or_else(|_| Err(git2::Error::from_str("the server's answer is not UTF-8")))
}

fn callbacks<'a>(reference: &'a RefName, expected: git2::Oid, answer: &'a Answer) -> git2::RemoteCallbacks<'a> {
    let mut callbacks = git2::RemoteCallbacks::new();
    callbacks.push_negotiation(move |updates| {
        if updates.iter().all(|update| update.src() == expected) {
            return Ok(());
        }
        answer.moved.set(true);
        Err(git2::Error::from_str("the ref is not as expected"))
    });
    callbacks.push_update_reference(move |name, status| {
        if name == reference.as_str() {
            *answer.status.borrow_mut() = Some(status.map(|status| one_line(status.as_bytes())));
        }
        Ok(())
    });
    callbacks.sideband_progress(move |bytes| {
        let mut messages = answer.messages.borrow_mut();
        let room = KEPT_MESSAGES.saturating_sub(messages.len());
        messages.extend_from_slice(&bytes[..bytes.len().min(room)]);
        true
    });
    callbacks
}

/// True if the new value contains the expected one, so that only a move could make it "non-fast-forward".
fn descends(mirror: &git2::Repository, update: &Update<'_>) -> bool {
    match (update.expected, update.new) {
        // An unknown expected value means that we did not fetch it, and so cannot build on it.
        (Some(old), Some(new)) => old == new || mirror.graph_descendant_of(new, old).unwrap_or(false),
        _ => true,
    }
}
