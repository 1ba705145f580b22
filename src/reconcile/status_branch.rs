//! The status branch: read as a hint, written by one commit a pass, regenerated on the new tip when somebody was faster.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use jiff::Timestamp;

use crate::desired::policy::Policy;
use crate::domain::commit::CommitId;
use crate::domain::commit::File;
use crate::domain::commit::FileEdit;
use crate::domain::commit::Identity;
use crate::domain::commit::RefName;
use crate::domain::commit::RepoPath;
use crate::domain::name::EnvironmentName;
use crate::git::CommitText;
use crate::git::GitError;
use crate::git::Limits;
use crate::git::Push;
use crate::reconcile::lease_store;
use crate::reconcile::remote::Remote;
use crate::render::status_files;
use crate::render::status_files::Files;
use crate::status::StatusDocument;
use crate::status::document::AppliedRecord;
use crate::status::document::EnvironmentStatus;
use crate::status::path;

/// How often a push is regenerated when somebody else was faster.
const TRIES: u32 = 20;

/// The status branch of one environment.
#[derive(Clone, Debug)]
pub struct StatusBranch {
    remote: Remote,
    branch: RefName,
    environment: EnvironmentName,
    author: Identity,
}

/// What the branch holds.
#[derive(Clone, Debug, Default)]
pub struct StatusFiles {
    /// Its tip.
    pub tip: Option<CommitId>,
    /// The tip of the lease, beside which records of applies may lie.
    lease: Option<CommitId>,
    /// When the tip was committed.
    pub committed_at: Option<Timestamp>,
    /// The files below the environment's folder, as text.
    pub files: Files,
    /// The documents among them.
    pub documents: BTreeMap<RepoPath, StatusDocument>,
    /// Records of applies beside the lease that the branch has, too.
    pub(super) published: Files,
}

/// The status could not be written.
#[derive(Debug, thiserror::Error)]
pub enum StatusError {
    /// Git failed.
    #[error("the status was not pushed")]
    Git(#[from] GitError),
    /// The branch may not be pushed to.
    #[error(
        "the status was not pushed: {branch} is refused: {reason}; let privlink push to it, or name another branch in [status]"
    )]
    Refused {
        /// The branch.
        branch: RefName,
        /// The server's words.
        reason: String,
    },
    /// Others were always faster.
    #[error("the status was not pushed: {branch} moved {TRIES} times in a row; the next pass tries again")]
    Busy {
        /// The branch.
        branch: RefName,
    },
}

impl StatusFiles {
    /// The status of the environment as a whole.
    pub fn environment(&self) -> Option<&EnvironmentStatus> {
        self.documents.values().find_map(|document| match document {
            StatusDocument::Environment(status) => Some(status),
            _ => None,
        })
    }

    /// Adds the records of applies that lie beside the lease, where their own push failed or was never made: what they used up
    /// is used up, and the next status has them.
    fn add_records(&mut self, beside: Files) {
        for (path, document) in status_files::read(&beside).0 {
            let StatusDocument::Applied(record) = &document else { continue };
            let known = self.documents.get(&path);
            let is_published = matches!(known, Some(StatusDocument::Applied(it)) if it.applied_at >= record.applied_at);
            match beside.get(&path).filter(|_| is_published) {
                Some(text) => drop(self.published.insert(path, text.clone())),
                None => drop(self.documents.insert(path, document)),
            }
        }
    }

    /// The records of applies.
    pub fn applied(&self) -> impl Iterator<Item = &AppliedRecord> {
        self.documents.values().filter_map(|document| match document {
            StatusDocument::Applied(record) => Some(record),
            _ => None,
        })
    }
}

/// What the status branches of a remote held when they were last read. An agent reads the same again and again.
#[derive(Debug, Default)]
pub(super) struct Remembered(Mutex<BTreeMap<EnvironmentName, Arc<StatusFiles>>>);

impl Remembered {
    fn get(&self, environment: &EnvironmentName) -> Option<Arc<StatusFiles>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(environment).cloned()
    }

    fn put(&self, environment: EnvironmentName, status: Arc<StatusFiles>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(environment, status);
    }
}

impl StatusBranch {
    /// Names the status branch of an environment.
    pub fn new(remote: Remote, policy: &Policy) -> Self {
        let branch = RefName::branch(&policy.status.branch).expect("checked when privlink.toml was read");
        let environment = policy.mark.environment.clone();
        Self { remote, branch, environment, author: policy.status.author.clone() }
    }

    /// Fetches and reads the branch; nothing if it does not exist yet. What did not move since it was last read is remembered.
    ///
    /// # Errors
    /// As every call to a remote.
    pub async fn read(&self) -> Result<Arc<StatusFiles>, GitError> {
        let lease = lease_store::reference(&self.environment);
        let tips = self.remote.fetch(&[self.branch.clone(), lease.clone()]).await?;
        let (tip, lease) = (tips.get(&self.branch), tips.get(&lease));
        if let Some(known) = self.remote.remembered().get(&self.environment)
            && (known.tip.as_ref(), known.lease.as_ref()) == (tip, lease)
        {
            return Ok(known);
        }
        let mut status = StatusFiles { tip: tip.cloned(), lease: lease.cloned(), ..StatusFiles::default() };
        if let Some(tip) = tip {
            status.files = text_files(&self.remote, tip, &self.environment).await?;
            status.committed_at = Some(self.remote.committed_at(tip).await?);
        }
        let (documents, errors) = status_files::read(&status.files);
        status.documents = documents;
        for error in errors {
            tracing::warn!(%error, "a status file is not readable and is written anew");
        }
        if let Some(tip) = lease {
            status.add_records(text_files(&self.remote, tip, &self.environment).await?);
        }
        let status = Arc::new(status);
        self.remote.remembered().put(self.environment.clone(), Arc::clone(&status));
        Ok(status)
    }

    /// Writes the files that `compose` makes of what is there. Answers the commit, or `None` if nothing changed.
    ///
    /// # Errors
    /// If the branch is refused, or too busy.
    pub async fn write(
        &self,
        message: &str,
        compose: &(dyn Fn(&StatusFiles) -> Files + Send + Sync),
    ) -> Result<Option<CommitId>, StatusError> {
        for attempt in 0..TRIES {
            let previous = self.read().await?;
            let edits = edits(&previous.files, compose(&previous));
            if edits.is_empty() {
                return Ok(None);
            }
            let text = CommitText {
                author: self.author.clone(),
                committer: self.author.clone(),
                message: message.to_owned(),
                time: Timestamp::now(),
            };
            let pushed = self.remote.commit_and_push(&self.branch, previous.tip.as_ref(), edits, text).await?;
            match pushed {
                None => return Ok(None),
                Some((commit, Push::Done)) => return Ok(Some(commit)),
                Some((_, Push::Moved)) => tokio::time::sleep(pause(attempt)).await,
                Some((_, Push::Refused { reason })) => {
                    return Err(StatusError::Refused { branch: self.branch.clone(), reason });
                }
            }
        }
        Err(StatusError::Busy { branch: self.branch.clone() })
    }
}

/// The files of an environment's status in a fetched commit, as text.
pub(super) async fn text_files(
    remote: &Remote,
    commit: &CommitId,
    environment: &EnvironmentName,
) -> Result<Files, GitError> {
    let limits = Limits { paths: vec![path::folder(environment)], ..Limits::default() };
    let snapshot = remote.snapshot(commit, limits).await?;
    let text = |(path, file): (RepoPath, File)| match file {
        File::Bytes(bytes) => Some((path, String::from_utf8(bytes).ok()?)),
        File::TooLarge { .. } | File::Symlink | File::Submodule => None,
    };
    Ok(snapshot.files.into_iter().filter_map(text).collect())
}

/// Spreads writers that race: up to 50 ms, doubling, at most 5 s.
fn pause(attempt: u32) -> Duration {
    let ceiling = 50_u64.saturating_mul(1 << attempt.min(7)).min(5_000);
    let noise = uuid::Uuid::new_v4().as_u128() % u128::from(ceiling);
    Duration::from_millis(u64::try_from(noise).unwrap_or(ceiling))
}

fn edits(before: &Files, after: Files) -> Vec<FileEdit> {
    let gone = before.keys().filter(|path| !after.contains_key(*path)).cloned().map(FileEdit::Remove);
    let mut edits: Vec<FileEdit> = gone.collect();
    let changed = after.into_iter().filter(|(path, text)| before.get(path) != Some(text));
    edits.extend(changed.map(|(path, text)| FileEdit::Put(path, text.into_bytes())));
    edits
}
