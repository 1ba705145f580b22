//! Where leases are kept: a Git ref beside the config repository, or a locked file where there is no remote.

use std::fs::File;
use std::io::Read as _;
use std::io::Seek as _;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::apply::lease::LeaseRecord;
use crate::apply::lease::LeaseStore;
use crate::apply::lease::StoreError;
use crate::domain::commit::CommitId;
use crate::domain::commit::FileEdit;
use crate::domain::commit::Identity;
use crate::domain::commit::RefName;
use crate::domain::commit::RepoPath;
use crate::domain::mark::Mark;
use crate::domain::name::EnvironmentName;
use crate::git::CommitText;
use crate::git::Push;
use crate::reconcile::error_chain;
use crate::reconcile::remote::Remote;
use crate::reconcile::status_branch::text_files;
use crate::render::status_files::Files;

const RECORD: &str = "lease.json";

fn failed(error: &(dyn std::error::Error + 'static)) -> StoreError {
    StoreError(error_chain(error))
}

fn decode(bytes: &[u8]) -> Result<LeaseRecord, StoreError> {
    serde_json::from_slice(bytes).map_err(|error| StoreError(format!("the lease is not readable: {error}")))
}

fn encode(record: &LeaseRecord) -> Vec<u8> {
    serde_json::to_vec_pretty(record).expect("a lease is plain data")
}

/// The ref of an environment's lease.
pub(super) fn reference(environment: &EnvironmentName) -> RefName {
    format!("refs/privlink/lease/{environment}").parse().expect("a legal ref")
}

/// The records of applies that lie beside a lease until the status branch has them.
///
/// Whoever gives a lease back leaves the record of its apply there by the same write. So what was carried out, and which approvals
/// that used up, is known to the next one on any machine, whether the status could be pushed or not.
#[derive(Clone, Debug, Default)]
pub(super) struct Records {
    /// Those that the status branch has: they are not kept any longer.
    published: Files,
    left: Arc<Mutex<Files>>,
}

impl Records {
    /// Nothing is left yet.
    pub(super) fn new(published: Files) -> Self {
        Self { published, left: Arc::default() }
    }

    /// Leaves a record with the next write of the lease.
    pub(super) fn leave(&self, (path, text): (RepoPath, String)) {
        self.left.lock().expect("nobody panics while holding it").insert(path, text);
    }

    /// What lies beside the next lease, if these lie beside the one before.
    fn beside(&self, mut files: Files) -> Files {
        files.retain(|path, text| self.published.get(path) != Some(text));
        files.extend(self.left.lock().expect("nobody panics while holding it").clone());
        files
    }
}

/// A lease on `refs/privlink/lease/<environment>`.
#[derive(Clone, Debug)]
pub struct GitLease {
    remote: Remote,
    reference: RefName,
    environment: EnvironmentName,
    author: Identity,
    records: Records,
}

impl GitLease {
    /// Names the lease of an environment.
    pub(super) fn new(remote: Remote, mark: &Mark, (author, records): (Identity, Records)) -> Self {
        let environment = mark.environment.clone();
        Self { remote, reference: reference(&environment), environment, author, records }
    }
}

#[async_trait]
impl LeaseStore for GitLease {
    async fn read(&self) -> Result<Option<(String, LeaseRecord)>, StoreError> {
        let tips = self.remote.fetch(std::slice::from_ref(&self.reference)).await.map_err(|error| failed(&error))?;
        let Some(tip) = tips.get(&self.reference) else { return Ok(None) };
        let path: RepoPath = RECORD.parse().expect("a legal path");
        let bytes = self.remote.read_file(tip, &path).await.map_err(|error| failed(&error))?;
        let bytes = bytes.ok_or_else(|| StoreError(format!("{} holds no {RECORD}", self.reference)))?;
        Ok(Some((tip.to_string(), decode(&bytes)?)))
    }

    async fn swap(&self, version: Option<&str>, record: &LeaseRecord) -> Result<Option<String>, StoreError> {
        let expected: Option<CommitId> = match version {
            None => None,
            Some(text) => Some(text.parse().map_err(|error: crate::domain::name::InvalidName| failed(&error))?),
        };
        let before = match &expected {
            Some(tip) => text_files(&self.remote, tip, &self.environment).await.map_err(|error| failed(&error))?,
            None => Files::new(),
        };
        let records =
            self.records.beside(before).into_iter().map(|(path, text)| FileEdit::Put(path, text.into_bytes()));
        let lease = FileEdit::Put(RECORD.parse().expect("a legal path"), encode(record));
        let edits = records.chain([lease]).collect();
        let text = CommitText {
            author: self.author.clone(),
            committer: self.author.clone(),
            message: format!("lease {} by {}", record.fencing, record.writer),
            time: Timestamp::now(),
        };
        let (commit, push) = self
            .remote
            .replace(&self.reference, expected.as_ref(), edits, text)
            .await
            .map_err(|error| failed(&error))?;
        match push {
            Push::Done => Ok(Some(commit.to_string())),
            Push::Moved => Ok(None),
            Push::Refused { reason } => Err(StoreError(format!(
                "{} cannot be pushed: {reason}; let privlink push to refs/privlink/*, where it says that it alone writes",
                self.reference
            ))),
        }
    }
}

/// A lease in a file of the state folder: holds between processes of one machine only.
#[derive(Clone, Debug)]
pub struct FileLease {
    path: PathBuf,
}

impl FileLease {
    /// Names the lease of an environment.
    pub fn new(state_dir: &std::path::Path, mark: &Mark) -> Self {
        Self { path: state_dir.join("lease").join(mark.owner.to_string()).join(format!("{}.json", mark.environment)) }
    }

    /// Opens the file and locks it against other processes until it is closed.
    fn open(&self) -> Result<File, std::io::Error> {
        if let Some(folder) = self.path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let file = File::options().read(true).write(true).create(true).truncate(false).open(&self.path)?;
        file.lock()?;
        Ok(file)
    }

    fn current(file: &mut File) -> Result<Option<(String, LeaseRecord)>, StoreError> {
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(|error| failed(&error))?;
        if bytes.is_empty() {
            return Ok(None);
        }
        let record = decode(&bytes)?;
        Ok(Some((format!("{}@{}", record.fencing, record.expires_at), record)))
    }

    fn swap_now(&self, version: Option<&str>, record: &LeaseRecord) -> Result<Option<String>, StoreError> {
        let io = |error: std::io::Error| failed(&error);
        let mut file = self.open().map_err(io)?;
        let current = Self::current(&mut file)?;
        if current.as_ref().map(|(version, _)| version.as_str()) != version {
            return Ok(None);
        }
        file.rewind().map_err(io)?;
        file.set_len(0).map_err(io)?;
        file.write_all(&encode(record)).map_err(io)?;
        file.sync_all().map_err(io)?;
        Ok(Some(format!("{}@{}", record.fencing, record.expires_at)))
    }
}

#[async_trait]
impl LeaseStore for FileLease {
    async fn read(&self) -> Result<Option<(String, LeaseRecord)>, StoreError> {
        let mut file = self.open().map_err(|error| failed(&error))?;
        Self::current(&mut file)
    }

    async fn swap(&self, version: Option<&str>, record: &LeaseRecord) -> Result<Option<String>, StoreError> {
        self.swap_now(version, record)
    }
}
