//! Where documents and authority come from: a remote's commit, a merge of two, or a folder.
//!
//! A config repository is input. Which commit (or file) is believed about endpoints, identities, scopes, approvers and
//! rules is decided here, from what the runner said, and is printed with every plan.

use std::collections::BTreeMap;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use crate::config::Config;
use crate::desired::check;
use crate::diagnostic::Diagnostic;
use crate::diagnostic::Diagnostics;
use crate::diagnostic::FileName;
use crate::diagnostic::Place;
use crate::domain::commit::CommitId;
use crate::domain::commit::File;
use crate::domain::commit::RefName;
use crate::domain::commit::RepoPath;
use crate::domain::commit::Snapshot;
use crate::git::Limits;
use crate::git::Merged;
use crate::git::RemoteUrl;
use crate::git::Repository;
use crate::reconcile::remote::Remote;
use crate::repo;
use crate::repo::Reading;
use crate::repo::settings::Settings;
use crate::repo::source::Sources;

mod branch;
mod error;
mod proposal;

pub use branch::config_branch;
use branch::default_branch;
use branch::reference;
pub use error::SourceError;
pub use proposal::Head;
pub use proposal::Proposal;
pub use proposal::proposal_of_folder;
pub use proposal::proposal_of_remote;
pub use proposal::proposals_of_remote;

/// The settings file, at the root of a config repository.
pub const SETTINGS_FILE: &str = "privlink.toml";

/// The files to plan from, and whom to believe.
#[derive(Clone, Debug)]
pub struct Source {
    /// The documents' files.
    pub snapshot: Snapshot,
    /// The files of the base, where what is planned is a change to it under review.
    pub base: Option<Arc<Snapshot>>,
    /// The bytes of the settings in force, with the name to show for them; `None` if there are none.
    pub authority: Option<(FileName, Vec<u8>)>,
    /// Whom we believe, as half a sentence: "commit 1234567890 of main".
    pub authority_note: String,
    /// What is planned, as half a sentence.
    pub planned_note: String,
    /// The commit of the documents, where there is one on the config branch.
    pub commit: Option<CommitId>,
    /// The remote and its config branch, where there is one.
    pub upstream: Option<Upstream>,
}

/// A remote and its config branch.
#[derive(Clone, Debug)]
pub struct Upstream {
    /// The remote.
    pub remote: Remote,
    /// The config branch.
    pub branch: RefName,
    /// Its tip, as fetched.
    pub tip: CommitId,
}

/// Documents and settings, read.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The settings in force.
    pub settings: Settings,
    /// The documents and what is wrong with them.
    pub reading: Reading,
    /// Where they came from.
    pub source: Source,
    /// The day on which they were read: exceptions in files end.
    pub today: jiff::civil::Date,
}

/// What is wrong with settings, and their text.
pub type Unreadable = (Diagnostics, Sources);

/// How a folder is to be taken.
#[derive(Clone, Debug, Default)]
pub struct FolderOptions {
    /// Settings to believe instead of the folder's.
    pub authority: Option<PathBuf>,
    /// The revision to believe, and to merge into.
    pub base: Option<String>,
    /// True if the folder's own settings may be believed.
    pub trust: bool,
    /// True if it must be the committed, fetched tip of the config branch.
    pub committed: bool,
    /// True if the remote is needed: for the lease, approvals and the status.
    pub upstream: bool,
}

/// Takes a branch of a remote; with `base`, the merge of it into `base`, under the authority of `base`.
///
/// # Errors
/// An unreachable remote, a missing branch, a conflict.
pub async fn from_remote(remote: Remote, branch: Option<&str>, base: Option<&str>) -> Result<Source, SourceError> {
    let refs = remote.list().await?;
    from_refs(remote, &refs, branch, base).await
}

/// The same, where the remote's refs were listed a moment ago.
///
/// # Errors
/// As [`from_remote`].
pub async fn from_refs(
    remote: Remote,
    refs: &BTreeMap<RefName, CommitId>,
    branch: Option<&str>,
    base: Option<&str>,
) -> Result<Source, SourceError> {
    if refs.is_empty() {
        return Ok(empty(&remote)); // An unborn branch is a repository without settings: the reader says so.
    }
    let default = default_branch(refs);
    let config_branch = base.or(default.as_deref()).or(branch).unwrap_or("main").to_owned();
    let head_branch = branch.unwrap_or(&config_branch).to_owned();
    let tips = remote.fetch(&[reference(&config_branch)?, reference(&head_branch)?]).await?;
    let tip_of = |name: &str| -> Result<CommitId, SourceError> {
        let found = reference(name).ok().and_then(|name| tips.get(&name).cloned());
        found.ok_or_else(|| SourceError::NoBranch { url: remote.url().to_string(), branch: name.to_owned() })
    };
    let (tip, head) = (tip_of(&config_branch)?, tip_of(&head_branch)?);
    let planned = match remote.merge(&tip, &head).await? {
        Merged::Clean(commit) => commit,
        Merged::Conflicts(paths) => return Err(conflicts(&paths)),
    };
    let snapshot = remote.snapshot(&planned, Limits::default()).await?;
    let settings: RepoPath = SETTINGS_FILE.parse().expect("a legal path");
    let bytes = remote.read_file(&tip, &settings).await?;
    let is_review = tip != head;
    let planned_note = if is_review {
        format!("{head_branch} ({}) merged into {config_branch} ({})", head.short(), tip.short())
    } else {
        format!("{config_branch} of {} at {}", remote.url(), tip.short())
    };
    let base = if is_review { Some(Arc::new(remote.snapshot(&tip, Limits::default()).await?)) } else { None };
    Ok(Source {
        snapshot,
        base,
        authority: bytes.map(|bytes| (FileName::from(&settings), bytes)),
        authority_note: format!("{config_branch} at {}", tip.short()),
        planned_note,
        commit: (!is_review).then_some(planned),
        upstream: Some(Upstream { remote: remote.clone(), branch: reference(&config_branch)?, tip }),
    })
}

fn empty(remote: &Remote) -> Source {
    Source {
        snapshot: Snapshot::default(),
        base: None,
        authority: None,
        authority_note: "nothing".to_owned(),
        planned_note: format!("{}, which has no commits", remote.url()),
        commit: None,
        upstream: None,
    }
}

fn conflicts(paths: &[RepoPath]) -> SourceError {
    let paths = paths.iter().take(5).map(ToString::to_string).collect::<Vec<_>>().join(", ");
    SourceError::Conflicts { paths: if paths.is_empty() { "some files".to_owned() } else { paths } }
}

/// Takes a folder: as it is, or, with a base, as the merge of its commit into the base.
///
/// # Errors
/// No authority, a dirty tree, a conflict, an unreachable remote.
pub async fn from_folder(folder: &Path, options: FolderOptions, config: &Config) -> Result<Source, SourceError> {
    if let Some(file) = config.kubeconfig.as_ref().filter(|file| is_inside(file, folder)) {
        return Err(SourceError::KubeconfigInside { file: file.clone() });
    }
    let local = LocalRepository::open(folder, options.base.as_deref())?;
    let upstream = match &local {
        Some(local) if options.upstream => upstream(local, config).await?,
        _ => None,
    };
    if options.committed {
        check_committed(folder, local.as_ref(), upstream.as_ref())?;
    }
    let settings_path: RepoPath = SETTINGS_FILE.parse().expect("a legal path");
    let merged = local.as_ref().and_then(|local| local.merged.clone());
    let (snapshot, planned_note, commit) = match (&merged, &local) {
        (Some(merged), Some(local)) => {
            let note = format!("the commit of {} merged into {}", folder.display(), merged.base_note);
            // A head that holds its base merges to itself: then it is the tip that is applied, and its status is published.
            let is_tip = |head: &CommitId| options.committed && merged.snapshot.commit.as_ref() == Some(head);
            (local.within(&merged.snapshot), note, local.head.clone().filter(is_tip))
        }
        (_, Some(local)) if options.committed => {
            let snapshot = local.within(&local.head_snapshot()?);
            (snapshot, format!("commit {} of {}", short(local.head.as_ref()), folder.display()), local.head.clone())
        }
        _ => {
            let snapshot = Repository::snapshot_folder(folder, &Limits::default())?;
            (snapshot, format!("the folder {} as it is, committed or not", folder.display()), None)
        }
    };
    let (authority, authority_note) = authority(folder, &options, merged.as_ref(), (&snapshot, &settings_path))?;
    let base = merged.as_ref().zip(local.as_ref()).map(|(merged, local)| Arc::new(local.within(&merged.base)));
    Ok(Source { snapshot, base, authority, authority_note, planned_note, commit, upstream })
}

fn is_inside(file: &Path, folder: &Path) -> bool {
    let inside = || Some(file.canonicalize().ok()?.starts_with(folder.canonicalize().ok()?));
    inside().unwrap_or(false)
}

type Authority = (Option<(FileName, Vec<u8>)>, String);

fn authority(
    folder: &Path,
    options: &FolderOptions,
    merged: Option<&MergedFolder>,
    (snapshot, settings): (&Snapshot, &RepoPath),
) -> Result<Authority, SourceError> {
    if let Some(file) = &options.authority {
        if is_inside(file, folder) {
            return Err(SourceError::AuthorityInside { file: file.clone() });
        }
        let bytes = std::fs::read(file).map_err(|source| SourceError::AuthorityFile { file: file.clone(), source })?;
        let name = FileName::outside(file.display().to_string());
        return Ok((Some((name, bytes)), format!("the file {}", file.display())));
    }
    if let Some(merged) = merged {
        let bytes = merged.settings.clone();
        return Ok((bytes.map(|bytes| (FileName::from(settings), bytes)), merged.base_note.clone()));
    }
    if !options.trust {
        return Err(SourceError::NoAuthority { folder: folder.to_owned() });
    }
    let bytes = match snapshot.files.get(settings) {
        Some(File::Bytes(bytes)) => Some((FileName::from(settings), bytes.clone())),
        _ => None,
    };
    Ok((bytes, format!("the folder {} itself", folder.display())))
}

/// The Git repository that a folder lies in.
struct LocalRepository {
    repository: Repository,
    /// The folder inside the repository; `None` for its root.
    prefix: Option<RepoPath>,
    head: Option<CommitId>,
    merged: Option<MergedFolder>,
    folder: PathBuf,
}

#[derive(Clone)]
struct MergedFolder {
    snapshot: Snapshot,
    base: Snapshot,
    settings: Option<Vec<u8>>,
    base_note: String,
}

impl LocalRepository {
    fn open(folder: &Path, base: Option<&str>) -> Result<Option<Self>, SourceError> {
        let Some(repository) = Repository::discover(folder)? else {
            return match base {
                Some(_) => Err(SourceError::NoRepository { folder: folder.to_owned() }),
                None => Ok(None),
            };
        };
        let prefix = prefix(folder, repository.worktree());
        let head = repository.head()?;
        let mut local = Self { repository, prefix, head, merged: None, folder: folder.to_owned() };
        if let Some(base) = base {
            local.merged = Some(local.merge(base)?);
        }
        Ok(Some(local))
    }

    fn merge(&self, base: &str) -> Result<MergedFolder, SourceError> {
        let base_commit = self.resolve(base)?;
        let head = self.head.clone().ok_or_else(|| self.missing("HEAD"))?;
        let merged = match self.repository.merge(&base_commit, &head)? {
            Merged::Clean(commit) => commit,
            Merged::Conflicts(paths) => return Err(conflicts(&paths)),
        };
        let snapshot = self.repository.snapshot(&merged, &self.limits())?;
        let before = self.repository.snapshot(&base_commit, &self.limits())?;
        let settings = self.repository.read_file(&base_commit, &self.path_of(SETTINGS_FILE))?;
        Ok(MergedFolder { snapshot, base: before, settings, base_note: format!("{base} at {}", base_commit.short()) })
    }

    fn missing(&self, revision: &str) -> SourceError {
        SourceError::NoRevision { folder: self.folder.clone(), revision: revision.to_owned() }
    }

    fn resolve(&self, revision: &str) -> Result<CommitId, SourceError> {
        match self.repository.resolve(revision)? {
            Some(commit) => Ok(commit),
            // CI checkouts have the target branch as a remote one only.
            None => self.repository.resolve(&format!("origin/{revision}"))?.ok_or_else(|| self.missing(revision)),
        }
    }

    fn limits(&self) -> Limits {
        Limits { paths: self.prefix.iter().cloned().collect(), ..Limits::default() }
    }

    fn path_of(&self, file: &str) -> RepoPath {
        let path = self.prefix.as_ref().map_or_else(|| file.to_owned(), |prefix| format!("{prefix}/{file}"));
        path.parse().expect("a legal path below a legal path")
    }

    fn head_snapshot(&self) -> Result<Snapshot, SourceError> {
        match &self.head {
            Some(head) => Ok(self.repository.snapshot(head, &self.limits())?),
            None => Ok(Snapshot::default()),
        }
    }

    /// The part of a snapshot that lies in the folder, with paths relative to it.
    fn within(&self, snapshot: &Snapshot) -> Snapshot {
        let Some(prefix) = &self.prefix else { return snapshot.clone() };
        let relative = |path: &str| path.strip_prefix(prefix.as_str())?.strip_prefix('/').map(ToOwned::to_owned);
        let files = snapshot.files.iter();
        Snapshot {
            commit: snapshot.commit.clone(),
            files: files
                .filter_map(|(path, file)| Some((relative(path.as_str())?.parse().ok()?, file.clone())))
                .collect(),
            unreadable: snapshot.unreadable.iter().filter_map(|name| relative(name)).collect(),
        }
    }
}

fn prefix(folder: &Path, worktree: Option<&Path>) -> Option<RepoPath> {
    let (folder, root) = (folder.canonicalize().ok()?, worktree?.canonicalize().ok()?);
    let relative = folder.strip_prefix(&root).ok()?;
    let parts: Vec<&str> = relative.components().filter_map(|part| part.as_os_str().to_str()).collect();
    parts.join("/").parse().ok()
}

fn short(commit: Option<&CommitId>) -> &str {
    commit.map_or("(no commit)", CommitId::short)
}

/// The remote named `origin` and its config branch. Without a remote there is none.
async fn upstream(local: &LocalRepository, config: &Config) -> Result<Option<Upstream>, SourceError> {
    if local.prefix.is_some() {
        return Ok(None); // A folder inside another repository has no status branch of its own there.
    }
    let Some(url) = local.repository.remote_url("origin")? else { return Ok(None) };
    let remote = Remote::new(remote_url(&url, local)?, config);
    let refs = remote.list().await?;
    let Some(branch) = default_branch(&refs) else { return Ok(None) };
    let reference = reference(&branch)?;
    let tips = remote.fetch(std::slice::from_ref(&reference)).await?;
    let tip = tips.get(&reference).cloned();
    Ok(tip.map(|tip| Upstream { remote, branch: reference, tip }))
}

/// The address of a remote; git also takes a path for one, absolute or from the root of the clone.
fn remote_url(text: &str, local: &LocalRepository) -> Result<RemoteUrl, SourceError> {
    let is_path = text.starts_with(['/', '.']);
    let root = local.repository.worktree().unwrap_or(&local.folder);
    let path = || root.join(text).canonicalize().ok().map(|path| format!("file://{}", path.display()));
    let text = if is_path { path().unwrap_or_else(|| format!("file://{text}")) } else { text.to_owned() };
    text.parse().map_err(|source| SourceError::Remote { folder: local.folder.clone(), source })
}

fn check_committed(
    folder: &Path,
    local: Option<&LocalRepository>,
    upstream: Option<&Upstream>,
) -> Result<(), SourceError> {
    let Some(local) = local else { return Err(SourceError::NoRepository { folder: folder.to_owned() }) };
    let changes = local.repository.changes(folder)?;
    if !changes.is_empty() {
        let shown = changes.iter().take(5).cloned().collect::<Vec<_>>().join(", ");
        return Err(SourceError::Dirty { folder: folder.to_owned(), changes: shown });
    }
    match upstream {
        Some(upstream) if local.head.as_ref() != Some(&upstream.tip) => Err(SourceError::NotTip {
            folder: folder.to_owned(),
            head: short(local.head.as_ref()).to_owned(),
            branch: upstream.branch.as_str().trim_start_matches("refs/heads/").to_owned(),
            url: upstream.remote.url().to_string(),
            tip: upstream.tip.short().to_owned(),
        }),
        _ => Ok(()),
    }
}

/// Reads settings and documents.
///
/// # Errors
/// What is wrong with the settings: nothing can be said about documents without them.
pub fn load(source: Source) -> Result<Loaded, Unreadable> {
    let Some((name, bytes)) = &source.authority else {
        let mut diagnostics = Diagnostics::new();
        let place = Place::file(FileName::outside(SETTINGS_FILE));
        diagnostics.push(
            Diagnostic::error(repo::code::NO_SETTINGS, format!("there is no {SETTINGS_FILE}"))
                .label(place, "")
                .help("`privlink init` writes a starter repository"),
        );
        return Err((diagnostics, Sources::new()));
    };
    let (settings, mut diagnostics, sources) = repo::settings::read(name.clone(), bytes);
    let Some(settings) = settings else { return Err((diagnostics, sources)) };
    diagnostics.extend(check::unread_levels(&settings, name));
    let mut reading = repo::read(&source.snapshot, &settings);
    reading.sources.merge(sources);
    diagnostics.extend(std::mem::take(&mut reading.diagnostics));
    reading.diagnostics = diagnostics;
    Ok(Loaded { settings, reading, source, today: today() })
}

/// The day by which exceptions in files end.
pub fn today() -> jiff::civil::Date {
    jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date()
}
