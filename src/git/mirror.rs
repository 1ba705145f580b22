//! The mirror of a remote in the cache folder: fetch into it, read and commit in it, push from it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use crate::domain::commit::{CommitId, RefName};
use crate::git::access::Access;
use crate::git::cache;
use crate::git::error::GitError;
use crate::git::local::LocalRemote;
use crate::git::push::{Push, Update};
use crate::git::repository::{Repository, is_damage, oid};
use crate::git::session::Endpoint;
use crate::git::smart::SmartRemote;
use crate::git::url::{Address, RemoteUrl};

/// A remote and its mirror. Open one per pass: that is when a damaged or overgrown cache is replaced.
///
/// Every method blocks, for minutes at worst, and must not run on an async worker.
pub struct Mirror {
    repository: Repository,
    remote: Remote,
    url: RemoteUrl,
}

enum Remote {
    Local(LocalRemote),
    Smart(SmartRemote),
}

impl Mirror {
    /// Opens the mirror in the cache folder, or makes it. Nothing is sent yet.
    ///
    /// # Errors
    /// If the cache folder cannot be written.
    pub fn open(url: &RemoteUrl, cache: &Path, access: Access) -> Result<Self, GitError> {
        let repository = cache::open(cache, url)?;
        let remote = match &url.0 {
            Address::Folder(folder) => Remote::Local(LocalRemote { url: url.clone(), folder: folder.clone() }),
            Address::Http(address) => {
                Remote::Smart(SmartRemote(Arc::new(Endpoint::http(url.clone(), address.clone(), access))))
            }
            Address::Ssh(address) => {
                Remote::Smart(SmartRemote(Arc::new(Endpoint::ssh(url.clone(), address.clone(), access))))
            }
        };
        Ok(Self { repository, remote, url: url.clone() })
    }

    /// The remote.
    pub fn url(&self) -> &RemoteUrl {
        &self.url
    }

    /// The local copy, to read and to commit in.
    pub fn repository(&self) -> &Repository {
        &self.repository
    }

    /// Lists the remote's refs in one small request; an empty repository has none.
    ///
    /// # Errors
    /// If the remote cannot be reached, refuses, or does not exist.
    pub fn list(&self) -> Result<BTreeMap<RefName, CommitId>, GitError> {
        match &self.remote {
            Remote::Local(local) => local.list(),
            Remote::Smart(smart) => smart.list(),
        }
    }

    /// Fetches refs, whatever they were before, and says what each leads to; one that the remote lacks is absent.
    ///
    /// # Errors
    /// If the remote cannot be reached, refuses, or does not exist, or if the mirror turns out to be damaged.
    pub fn fetch(&self, refs: &[RefName]) -> Result<BTreeMap<RefName, CommitId>, GitError> {
        let found = match &self.remote {
            Remote::Local(local) => local.fetch(&self.repository.inner, refs),
            Remote::Smart(smart) => smart.fetch(&self.repository.inner, refs),
        };
        let found = found.map_err(|error| self.blamed(error))?;
        for name in refs {
            self.remember(name, found.get(name)).map_err(|source| self.damaged(source))?;
        }
        Ok(found)
    }

    /// Tells a damage of the mirror from a failure of the remote: what we claim to have decides what the remote sends.
    fn blamed(&self, error: GitError) -> GitError {
        match error {
            GitError::Remote { url, operation, server, source } => match source.downcast::<git2::Error>() {
                Ok(source) if is_damage(&source) => self.damaged(*source),
                Ok(source) => GitError::Remote { url, operation, server, source },
                Err(source) => GitError::Remote { url, operation, server, source },
            },
            error => error,
        }
    }

    fn damaged(&self, source: git2::Error) -> GitError {
        let folder = self.repository.folder();
        cache::condemn(&folder);
        GitError::Damaged { folder, source }
    }

    /// Keeps what a ref leads to reachable, and makes sure that it is really there.
    fn remember(&self, name: &RefName, commit: Option<&CommitId>) -> Result<(), git2::Error> {
        let inner = &self.repository.inner;
        let place = cache::fetched(name.as_str());
        let Some(commit) = commit else {
            // A leftover only keeps objects.
            let _ = inner.find_reference(&place).and_then(|mut reference| reference.delete());
            return Ok(());
        };
        inner.find_commit(oid(commit))?.tree()?;
        match inner.reference(&place, oid(commit), true, "fetch") {
            // Another process fetches the same ref, and one of the two values is as good as the other.
            Err(error) if error.code() == git2::ErrorCode::Locked => Ok(()),
            other => other.map(drop),
        }
    }

    /// Moves a ref of the remote from `expected` to `new`, by compare-and-swap; `None` is "does not exist", so `new`
    /// `None` deletes.
    ///
    /// The commit and everything it contains must be in the mirror. After an error the ref may or may not have moved:
    /// list it again before deciding anything.
    ///
    /// # Errors
    /// If the remote cannot be reached or refuses access, or the commit is not in the mirror.
    pub fn push(
        &self,
        reference: &RefName,
        expected: Option<&CommitId>,
        new: Option<&CommitId>,
    ) -> Result<Push, GitError> {
        if let Some(new) = new {
            self.repository.find(new)?;
        }
        let update = Update { reference, expected: expected.map(oid), new: new.map(oid) };
        match &self.remote {
            Remote::Local(local) => local.push(&self.repository.inner, &update),
            Remote::Smart(smart) => smart.push(&self.repository.inner, &update),
        }
    }
}
