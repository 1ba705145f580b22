//! A repository whose objects we read and write; no index, no checkout, no configuration that could run a program.

use std::path::{Path, PathBuf};
use std::sync::Once;

use crate::domain::commit::{CommitId, RepoPath};
use crate::git::cache;
use crate::git::error::GitError;

/// A Git repository: the mirror of a remote, or the one a person works in.
///
/// It is always opened as bare, by the path of its Git folder: that needs no `safe.directory` when the folder belongs
/// to somebody else (as in CI containers), and no hook, filter or driver of its configuration is ever run.
pub struct Repository {
    pub(super) inner: git2::Repository,
    /// Where its files are checked out, if anywhere.
    worktree: Option<PathBuf>,
    /// True for a mirror, which can be fetched again when an object is missing or broken.
    disposable: bool,
}

impl Repository {
    /// Finds the repository that a folder lies in.
    ///
    /// # Errors
    /// If there is one and it cannot be opened.
    pub fn discover(folder: &Path) -> Result<Option<Self>, GitError> {
        let failed = |source| GitError::Repository {
            operation: "open the Git repository".to_owned(),
            folder: folder.to_owned(),
            source,
        };
        let git_folder = match git2::Repository::discover_path(folder, std::iter::empty::<&Path>()) {
            Ok(path) => path,
            Err(error) if error.code() == git2::ErrorCode::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        let start = folder.canonicalize().map_err(|source| GitError::Folder { path: folder.to_owned(), source })?;
        keep_nothing();
        let inner = git2::Repository::open_bare(&git_folder).map_err(failed)?;
        readable(&inner).map_err(failed)?;
        // Someone may stand inside `.git` itself, or in a bare repository that lies in somebody's working tree.
        let own = |root: &&Path| {
            let found = git2::Repository::discover_path(root, std::iter::empty::<&Path>());
            found.is_ok_and(|found| found == git_folder) && !start.starts_with(inner.path())
        };
        let worktree = start.ancestors().find(|root| root.join(".git").exists()).filter(own).map(Path::to_owned);
        Ok(Some(Self { inner, worktree, disposable: false }))
    }

    /// Makes an empty bare repository.
    ///
    /// # Errors
    /// If the folder cannot be written.
    pub fn init_bare(folder: &Path) -> Result<Self, GitError> {
        let options = || {
            let mut options = git2::RepositoryInitOptions::new();
            options.bare(true).initial_head("main").external_template(false).no_reinit(true);
            options
        };
        let inner = git2::Repository::init_opts(folder, &options()).map_err(|source| GitError::Repository {
            operation: "make a bare Git repository".to_owned(),
            folder: folder.to_owned(),
            source,
        })?;
        Ok(Self { inner, worktree: None, disposable: false })
    }

    /// The first line of a commit's message.
    ///
    /// # Errors
    /// If the commit is not there.
    pub fn title(&self, commit: &CommitId) -> Result<String, GitError> {
        Ok(self.find(commit)?.summary().ok().flatten().unwrap_or_default().to_owned())
    }

    /// Opens the mirror in a folder of the cache.
    pub(super) fn open_mirror(folder: &Path) -> Result<Self, git2::Error> {
        keep_nothing();
        Ok(Self { inner: git2::Repository::open_bare(folder)?, worktree: None, disposable: true })
    }

    /// The folder in which its files are checked out; `None` for a bare repository.
    pub fn worktree(&self) -> Option<&Path> {
        self.worktree.as_deref()
    }

    /// The commit that is checked out; `None` before the first commit.
    ///
    /// # Errors
    /// If HEAD cannot be read.
    pub fn head(&self) -> Result<Option<CommitId>, GitError> {
        let head = match self.inner.head() {
            Ok(head) => head,
            Err(error) if is_absent(&error) => return Ok(None),
            Err(error) => return Err(self.failed("read HEAD")(error)),
        };
        let commit = head.peel_to_commit().map_err(self.failed("read the commit of HEAD"))?;
        Ok(Some(commit_id(commit.id())))
    }

    /// Finds the commit of a branch, tag, abbreviated id or expression such as `HEAD~1`; `None` if there is none.
    ///
    /// # Errors
    /// If the text is ambiguous or no revision at all.
    pub fn resolve(&self, revision: &str) -> Result<Option<CommitId>, GitError> {
        let operation = || format!("find the revision {revision:?}");
        let object = match self.inner.revparse_single(revision) {
            Ok(object) => object,
            Err(error) if is_absent(&error) => return Ok(None),
            Err(error) => return Err(self.failed(operation())(error)),
        };
        let commit = object.peel_to_commit().map_err(self.failed(operation()))?;
        Ok(Some(commit_id(commit.id())))
    }

    /// Reads one file of a commit; `None` if there is no regular file at that path.
    ///
    /// # Errors
    /// If the commit is not there, the file is larger than 16 MiB, or the repository is damaged.
    pub fn read_file(&self, commit: &CommitId, path: &RepoPath) -> Result<Option<Vec<u8>>, GitError> {
        let failed = || self.failed(format!("read {path} of {}", commit.short()));
        let tree = self.find(commit)?.tree().map_err(failed())?;
        let entry = match tree.get_path(Path::new(path.as_str())) {
            Ok(entry) => entry,
            Err(error) if is_absent(&error) => return Ok(None),
            Err(error) => return Err(failed()(error)),
        };
        if entry.kind() != Some(git2::ObjectType::Blob) || entry.filemode() == i32::from(git2::FileMode::Link) {
            return Ok(None);
        }
        let size = self.size(entry.id()).map_err(failed())?;
        if size > LARGEST_FILE {
            let place = format!("{path} of {}", commit.short());
            return Err(GitError::OverLimit { place, limit: format!("{LARGEST_FILE} bytes") });
        }
        Ok(Some(self.inner.find_blob(entry.id()).map_err(failed())?.content().to_vec()))
    }

    /// The address of a configured remote such as `origin`; it may contain a token, so show it as a `RemoteUrl` only.
    ///
    /// # Errors
    /// If the configuration cannot be read.
    pub fn remote_url(&self, name: &str) -> Result<Option<String>, GitError> {
        match self.inner.find_remote(name) {
            Ok(remote) => Ok(remote.url().ok().map(str::to_owned)),
            Err(error) if matches!(error.code(), git2::ErrorCode::NotFound | git2::ErrorCode::InvalidSpec) => Ok(None),
            Err(error) => Err(self.failed(format!("read the remote {name:?}"))(error)),
        }
    }

    /// Lists what differs from the commit that is checked out, or is not in it, below a folder of the working tree.
    ///
    /// Paths are relative to the working tree and spelled for people. Ignored files do not count, nor does what is
    /// inside a submodule: neither is in the commit.
    ///
    /// # Errors
    /// If the repository has no working tree, the folder is outside it, or the index cannot be read.
    pub fn changes(&self, folder: &Path) -> Result<Vec<String>, GitError> {
        let failed = || self.failed("list uncommitted changes");
        let missing = |why: &str| failed()(git2::Error::from_str(why));
        let worktree = self.worktree.as_deref().ok_or_else(|| missing("it has no working tree"))?;
        let folder = folder.canonicalize().map_err(|source| GitError::Folder { path: folder.to_owned(), source })?;
        let below = folder.strip_prefix(worktree).map_err(|_| missing("the folder is outside the working tree"))?;
        // A second handle: the first stays bare, so that nothing else of ours can read the working tree.
        let checked_out = git2::Repository::open_bare(self.inner.path()).map_err(failed())?;
        checked_out.set_workdir(worktree, false).map_err(failed())?;
        let mut options = git2::StatusOptions::new();
        options.include_untracked(true).recurse_untracked_dirs(true).include_ignored(false);
        options.exclude_submodules(true).disable_pathspec_match(true);
        if !below.as_os_str().is_empty() {
            options.pathspec(below);
        }
        let statuses = checked_out.statuses(Some(&mut options)).map_err(failed())?;
        Ok(statuses.iter().map(|entry| String::from_utf8_lossy(entry.path_bytes()).into_owned()).collect())
    }

    /// The commit, or the error that says it is not here.
    pub(super) fn find(&self, commit: &CommitId) -> Result<git2::Commit<'_>, GitError> {
        self.inner.find_commit(oid(commit)).map_err(|error| match error.code() {
            git2::ErrorCode::NotFound => GitError::NoCommit { commit: commit.clone(), folder: self.folder() },
            _ => self.failed(format!("read the commit {commit}"))(error),
        })
    }

    /// The size of an object, without reading it.
    pub(super) fn size(&self, object: git2::Oid) -> Result<u64, git2::Error> {
        self.inner.odb()?.read_header(object).map(|(size, _)| u64::try_from(size).unwrap_or(u64::MAX))
    }

    /// The folder that messages name.
    pub(super) fn folder(&self) -> PathBuf {
        self.worktree.clone().unwrap_or_else(|| self.inner.path().to_owned())
    }

    /// True if the clone lacks older commits.
    pub(super) fn is_shallow(&self) -> bool {
        std::fs::metadata(self.inner.commondir().join("shallow")).is_ok_and(|file| file.len() > 0)
    }

    /// Like [`Repository::failed`], but a commit that is missing from a shallow clone is told as such.
    pub(super) fn walk_failed<T: Into<String>>(&self, operation: T) -> impl FnOnce(git2::Error) -> GitError + use<T> {
        let shallow = self.is_shallow().then(|| GitError::Shallow { folder: self.folder() });
        let failed = self.failed(operation);
        move |source| match shallow {
            Some(shallow) if source.code() == git2::ErrorCode::NotFound => shallow,
            _ => failed(source),
        }
    }

    /// Wraps an error of libgit2 with what we were doing.
    pub(super) fn failed<T: Into<String>>(&self, operation: T) -> impl FnOnce(git2::Error) -> GitError + use<T> {
        let (operation, folder) = (operation.into(), self.folder());
        let disposable = self.disposable;
        move |source| {
            if disposable && is_damage(&source) {
                cache::condemn(&folder);
                return GitError::Damaged { folder, source };
            }
            GitError::Repository { operation, folder, source }
        }
    }
}

/// Lets libgit2 keep no commits and trees that it has read. It would keep each as long as its repository is open: of a history
/// these are thousands, and hardly one is read a second time.
fn keep_nothing() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| git2::opts::enable_caching(false));
}

/// Refuses formats that `open_bare` would misread without a word: it skips the check that `open` makes.
fn readable(repository: &git2::Repository) -> Result<(), git2::Error> {
    let config = repository.config()?;
    for (key, expected) in [("extensions.objectformat", "sha1"), ("extensions.refstorage", "files")] {
        let value = config.get_string(key).unwrap_or_else(|_| expected.to_owned());
        if !value.eq_ignore_ascii_case(expected) {
            return Err(git2::Error::from_str(&format!("it has {key} = {value}, and only {expected} can be read")));
        }
    }
    Ok(())
}

/// The largest file that [`Repository::read_file`] reads: far above any document or status file.
const LARGEST_FILE: u64 = 16 << 20;

/// True if an object is missing or broken, which no remote does to us.
pub(super) fn is_damage(error: &git2::Error) -> bool {
    use git2::ErrorClass::{Indexer, Object, Odb, Tree, Zlib};
    matches!(error.class(), Odb | Object | Zlib | Indexer | Tree)
}

/// True if the error only says that the thing is not there.
pub(super) fn is_absent(error: &git2::Error) -> bool {
    matches!(error.code(), git2::ErrorCode::NotFound | git2::ErrorCode::UnbornBranch)
}

/// The id of a commit, as libgit2 gave it.
pub(super) fn commit_id(oid: git2::Oid) -> CommitId {
    oid.to_string().parse().expect("libgit2 is built for SHA-1, whose ids are 40 hex digits")
}

/// The id of a commit, for libgit2.
pub(super) fn oid(commit: &CommitId) -> git2::Oid {
    git2::Oid::from_str(commit.as_str()).expect("a commit id is 40 hex digits")
}
