//! The config repository's remote: a mirror in the cache folder, reached from async code.
//!
//! git2 blocks, so every use runs on the blocking pool; one at a time per mirror, because a fetch writes to it.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::Mutex;
use tracing::Span;

use crate::config::Config;
use crate::domain::commit::CommitId;
use crate::domain::commit::CommitSignature;
use crate::domain::commit::FileEdit;
use crate::domain::commit::RefName;
use crate::domain::commit::RepoPath;
use crate::domain::commit::Snapshot;
use crate::git::Access;
use crate::git::CommitText;
use crate::git::GitError;
use crate::git::History;
use crate::git::Limits;
use crate::git::Merged;
use crate::git::Mirror;
use crate::git::Push;
use crate::git::RemoteUrl;
use crate::git::Signing;
use crate::git::SigningKey;
use crate::reconcile::status_branch::Remembered;

tokio::task_local! {
    /// The span of the log that a pass runs in.
    pub static LOGGED: Span;
}

/// How many commits back a history is looked at.
const HISTORY: usize = 100_000;

/// A remote repository and its mirror.
#[derive(Clone, Debug)]
pub struct Remote {
    url: RemoteUrl,
    cache: PathBuf,
    access: Access,
    turn: Arc<Mutex<()>>,
    remembered: Arc<Remembered>,
}

impl Remote {
    /// Names a remote. Nothing is sent yet.
    pub fn new(url: RemoteUrl, config: &Config) -> Self {
        let (cache, access) = (config.cache_dir.clone(), config.git_access());
        Self { url, cache, access, turn: Arc::default(), remembered: Arc::default() }
    }

    /// The address, without secrets.
    pub fn url(&self) -> &RemoteUrl {
        &self.url
    }

    /// What its status branches held.
    pub(super) fn remembered(&self) -> &Remembered {
        &self.remembered
    }

    #[tracing::instrument(target = "otel", name = "git", skip_all, fields(url = %self.url))]
    async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Mirror) -> Result<T, GitError> + Send + 'static,
    ) -> Result<T, GitError> {
        let _turn = self.turn.lock().await;
        let Self { url, cache, access, .. } = self.clone();
        let (logged, span) = (LOGGED.try_with(Span::clone).unwrap_or_else(|_| Span::none()), Span::current());
        // What is logged on the other thread is part of the same pass. The log knows nothing of the spans within it.
        let work = move || logged.in_scope(|| span.in_scope(|| work(&Mirror::open(&url, &cache, access)?)));
        let task = tokio::task::spawn_blocking(work);
        match task.await {
            Ok(result) => result,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }

    /// What the remote holds, by one small request.
    ///
    /// # Errors
    /// As every call to a remote.
    pub async fn list(&self) -> Result<BTreeMap<RefName, CommitId>, GitError> {
        self.with(Mirror::list).await
    }

    /// Fetches refs; one that the remote does not have is absent from the answer.
    ///
    /// # Errors
    /// As every call to a remote.
    pub async fn fetch(&self, refs: &[RefName]) -> Result<BTreeMap<RefName, CommitId>, GitError> {
        let refs = refs.to_vec();
        self.with(move |mirror| mirror.fetch(&refs)).await
    }

    /// The files of a fetched commit.
    ///
    /// # Errors
    /// If the mirror cannot be read.
    pub async fn snapshot(&self, commit: &CommitId, limits: Limits) -> Result<Snapshot, GitError> {
        let commit = commit.clone();
        self.with(move |mirror| mirror.repository().snapshot(&commit, &limits)).await
    }

    /// The commits between two, newest first; from the beginning without `from`.
    ///
    /// # Errors
    /// If the mirror cannot be read.
    pub async fn history(&self, from: Option<&CommitId>, to: &CommitId) -> Result<History, GitError> {
        let (from, to) = (from.cloned(), to.clone());
        self.with(move |mirror| mirror.repository().history(from.as_ref(), &to, HISTORY)).await
    }

    /// The commits that changed something below a folder of the root, newest first, from the beginning.
    ///
    /// # Errors
    /// If the mirror cannot be read.
    pub async fn history_below(&self, folder: &RepoPath, to: &CommitId) -> Result<History, GitError> {
        let (folder, to) = (folder.clone(), to.clone());
        self.with(move |mirror| mirror.repository().history_below(&folder, &to, HISTORY)).await
    }

    /// Whether one commit contains another.
    ///
    /// # Errors
    /// If the mirror cannot be read.
    pub async fn is_ancestor(&self, old: &CommitId, new: &CommitId) -> Result<bool, GitError> {
        let (old, new) = (old.clone(), new.clone());
        self.with(move |mirror| mirror.repository().is_ancestor(&old, &new)).await
    }

    /// When a fetched commit was made.
    ///
    /// # Errors
    /// If the mirror cannot be read.
    pub async fn committed_at(&self, commit: &CommitId) -> Result<jiff::Timestamp, GitError> {
        let commit = commit.clone();
        self.with(move |mirror| mirror.repository().committed_at(&commit)).await
    }

    /// The first line of a fetched commit's message.
    ///
    /// # Errors
    /// If the mirror cannot be read.
    pub async fn title(&self, commit: &CommitId) -> Result<String, GitError> {
        let commit = commit.clone();
        self.with(move |mirror| mirror.repository().title(&commit)).await
    }

    /// Merges two fetched commits in the object database.
    ///
    /// # Errors
    /// If the mirror cannot be read.
    pub async fn merge(&self, base: &CommitId, head: &CommitId) -> Result<Merged, GitError> {
        let (base, head) = (base.clone(), head.clone());
        self.with(move |mirror| mirror.repository().merge(&base, &head)).await
    }

    /// Those of some fetched commits that are merges as git makes them by itself.
    ///
    /// # Errors
    /// If the mirror cannot be read.
    pub async fn plain_merges(&self, commits: Vec<CommitId>) -> Result<BTreeSet<CommitId>, GitError> {
        self.with(move |mirror| {
            let mut plain = BTreeSet::new();
            for commit in commits {
                if mirror.repository().is_plain_merge(&commit)? {
                    plain.insert(commit);
                }
            }
            Ok(plain)
        })
        .await
    }

    /// Commits edits on top of `parent` and moves the ref there, if it still is where `parent` says.
    ///
    /// `None` says that the edits change nothing.
    ///
    /// # Errors
    /// As every call to a remote.
    pub async fn commit_and_push(
        &self,
        reference: &RefName,
        parent: Option<&CommitId>,
        edits: Vec<FileEdit>,
        text: CommitText,
    ) -> Result<Option<(CommitId, Push)>, GitError> {
        let (reference, parent) = (reference.clone(), parent.cloned());
        self.with(move |mirror| {
            let Some(commit) = mirror.repository().commit(parent.as_ref(), &edits, &text)? else { return Ok(None) };
            let push = mirror.push(&reference, parent.as_ref(), Some(&commit))?;
            Ok(Some((commit, push)))
        })
        .await
    }

    /// As [`Remote::commit_and_push`], with a signature that `accepts` has to take before anything is pushed.
    ///
    /// # Errors
    /// As there; what `accepts` says; if the program that signs does not.
    pub async fn sign_and_push(
        &self,
        reference: &RefName,
        parent: Option<&CommitId>,
        (edits, text): (Vec<FileEdit>, CommitText),
        (key, accepts): (SigningKey, impl Fn(Option<&CommitSignature>) -> Result<(), String> + Send + 'static),
    ) -> Result<Option<(CommitId, Push)>, GitError> {
        let (reference, parent, access) = (reference.clone(), parent.cloned(), self.access.clone());
        self.with(move |mirror| {
            let repository = mirror.repository();
            let signing = Signing { key: &key, access: &access };
            let commit = repository.commit_as(parent.as_ref(), &edits, &text, Some(signing))?;
            let Some(commit) = commit else { return Ok(None) };
            accepts(repository.signature(&commit)?.as_ref()).map_err(|why| GitError::Edit { why })?;
            let push = mirror.push(&reference, parent.as_ref(), Some(&commit))?;
            Ok(Some((commit, push)))
        })
        .await
    }

    /// The signatures of fetched commits; a commit without one has `None`.
    ///
    /// # Errors
    /// If the mirror cannot be read.
    pub async fn signatures(
        &self,
        commits: Vec<CommitId>,
    ) -> Result<BTreeMap<CommitId, Option<CommitSignature>>, GitError> {
        self.with(move |mirror| {
            let signature = |commit: CommitId| Ok((commit.clone(), mirror.repository().signature(&commit)?));
            commits.into_iter().map(signature).collect()
        })
        .await
    }

    /// Replaces a ref by a commit without parents, if it still is at `expected`: for leases, whose history nobody reads.
    ///
    /// # Errors
    /// As every call to a remote.
    pub async fn replace(
        &self,
        reference: &RefName,
        expected: Option<&CommitId>,
        edits: Vec<FileEdit>,
        text: CommitText,
    ) -> Result<(CommitId, Push), GitError> {
        let (reference, expected) = (reference.clone(), expected.cloned());
        self.with(move |mirror| {
            let commit = mirror.repository().commit(None, &edits, &text)?;
            let commit = commit.ok_or_else(|| GitError::Edit { why: "there is nothing to write".to_owned() })?;
            let push = mirror.push(&reference, expected.as_ref(), Some(&commit))?;
            Ok((commit, push))
        })
        .await
    }

    /// The bytes of one file of a fetched commit.
    ///
    /// # Errors
    /// If the mirror cannot be read.
    pub async fn read_file(&self, commit: &CommitId, path: &RepoPath) -> Result<Option<Vec<u8>>, GitError> {
        let (commit, path) = (commit.clone(), path.clone());
        self.with(move |mirror| mirror.repository().read_file(&commit, &path)).await
    }
}
