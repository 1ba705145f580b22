//! Remotes on this machine: objects go from one database to the other as a pack, and refs move by compare-and-swap.
//!
//! libgit2's own push to `file://` reads the old value, then writes without comparing, so two writers both succeed and
//! one is lost. Its fetch refuses a folder of another owner. Hooks and `receive.*` settings of the target are not
//! obeyed, as with libgit2; the one rule that is kept is never to move a branch that is checked out.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use crate::domain::commit::{CommitId, RefName};
use crate::git::error::GitError;
use crate::git::push::{Push, Update};
use crate::git::repository::{commit_id, is_absent};
use crate::git::url::RemoteUrl;

/// How often a locked ref is tried again; another writer holds it for a few milliseconds.
const ATTEMPTS: u32 = 50;
/// How long to wait in between.
const PAUSE: Duration = Duration::from_millis(20);
/// From when on the lock of a ref of ours is that of a writer who was killed: a living one holds it for a few milliseconds.
const ABANDONED: Duration = Duration::from_secs(10);
/// Where refs lie that nobody else writes.
const OURS: [&str; 2] = ["refs/privlink/", "refs/heads/privlink/"];

/// A repository in a folder of this machine.
pub(super) struct LocalRemote {
    pub(super) url: RemoteUrl,
    pub(super) folder: PathBuf,
}

impl LocalRemote {
    /// Opens it anew each time, as a server would: what is cached in a handle is never out of date.
    fn open(&self) -> Result<git2::Repository, GitError> {
        let mut candidates = vec![self.folder.join(".git"), self.folder.clone(), with_suffix(&self.folder)];
        if candidates[0].is_file() {
            // The working tree of a linked worktree or submodule: the file names its Git folder.
            let linked = git2::Repository::discover_path(&self.folder, std::iter::empty::<&Path>());
            candidates.extend(linked.ok());
        }
        let mut last = None;
        for candidate in candidates.iter().filter(|candidate| candidate.is_dir()) {
            match git2::Repository::open_bare(candidate) {
                Ok(repository) => return Ok(repository),
                Err(error) => last = Some(error),
            }
        }
        match last {
            Some(error) if !is_absent(&error) => Err(self.failed("open", error)),
            _ => Err(GitError::NoRepository { url: self.url.to_string(), server: String::new() }),
        }
    }

    fn failed(&self, operation: &str, source: git2::Error) -> GitError {
        let url = self.url.to_string();
        if source.class() == git2::ErrorClass::Os && source.message().contains("ermission denied") {
            let next = "its files belong to somebody else; make the folder writable for this user".to_owned();
            return GitError::Denied { url, next, server: source.message().to_owned() };
        }
        GitError::Remote { url, operation: operation.to_owned(), server: String::new(), source: source.into() }
    }

    /// The refs that lead to a commit.
    pub(super) fn list(&self) -> Result<BTreeMap<RefName, CommitId>, GitError> {
        let repository = self.open()?;
        if repository.is_shallow() {
            return Err(GitError::CutOff { url: self.url.to_string() });
        }
        tips(&repository).map_err(|error| self.failed("list the refs of", error))
    }

    /// Copies what the refs lead to, and says which of them exist.
    pub(super) fn fetch(
        &self,
        mirror: &git2::Repository,
        refs: &[RefName],
    ) -> Result<BTreeMap<RefName, CommitId>, GitError> {
        let failed = |error| self.failed("fetch from", error);
        let source = self.open()?;
        let mut found = BTreeMap::new();
        for name in refs {
            let reference = match source.find_reference(name.as_str()) {
                Ok(reference) => reference,
                Err(error) if is_absent(&error) => continue,
                Err(error) => return Err(failed(error)),
            };
            let commit = reference.peel_to_commit().map_err(failed)?;
            let known = mirror.references().map_err(failed)?.flatten().filter_map(|known| known.target());
            copy(&source, mirror, commit.id(), known).map_err(failed)?;
            found.insert(name.clone(), commit_id(commit.id()));
        }
        Ok(found)
    }

    /// Moves one ref if it has the expected value.
    pub(super) fn push(&self, mirror: &git2::Repository, update: &Update<'_>) -> Result<Push, GitError> {
        let operation = format!("push {} to", update.reference);
        let failed = |error| self.failed(&operation, error);
        let target = self.open()?;
        let lock = target.commondir().join(format!("{}.lock", update.reference));
        if OURS.iter().any(|folder| update.reference.as_str().starts_with(folder)) {
            remove_abandoned(&lock);
        }
        if let Some(place) = checked_out(&target, update.reference) {
            let reason = format!(
                "{} is checked out in {}; push to a bare repository, or check out another branch there",
                update.reference,
                place.display()
            );
            return Ok(Push::Refused { reason });
        }
        if current(&target, update.reference).map_err(failed)? != update.expected {
            return Ok(Push::Moved);
        }
        if let Some(new) = update.new {
            let known = tips(&target).map_err(failed)?.into_values().map(|commit| crate::git::repository::oid(&commit));
            copy(mirror, &target, new, known).map_err(failed)?;
        }
        for _ in 0..ATTEMPTS {
            match swap(&target, update) {
                Ok(push) => return Ok(push),
                Err(error) if error.code() == git2::ErrorCode::Locked => thread::sleep(PAUSE),
                Err(error) => return Err(failed(error)),
            }
        }
        Err(GitError::Locked {
            reference: update.reference.to_string(),
            url: self.url.to_string(),
            lock: lock.display().to_string(),
        })
    }
}

/// Removes the lock that a writer left behind who was killed while he moved the ref: nobody else would ever write it again.
fn remove_abandoned(lock: &Path) {
    let age = fs::metadata(lock).and_then(|lock| lock.modified()).ok().and_then(|made| made.elapsed().ok());
    if age.is_some_and(|age| age >= ABANDONED) {
        tracing::warn!(lock = %lock.display(), ?age, "removing the lock of a writer who is gone");
        // Somebody else may have been faster.
        let _ = fs::remove_file(lock);
    }
}

fn with_suffix(folder: &Path) -> PathBuf {
    let mut name = folder.as_os_str().to_owned();
    name.push(".git");
    name.into()
}

/// Every ref with a usable name that leads to a commit.
fn tips(repository: &git2::Repository) -> Result<BTreeMap<RefName, CommitId>, git2::Error> {
    let mut tips = BTreeMap::new();
    for reference in repository.references()? {
        // A ref may vanish, or its name be unusable, while others are read: it is not one we could name.
        let Ok(reference) = reference else { continue };
        let name = std::str::from_utf8(reference.name_bytes()).ok().and_then(|name| name.parse().ok());
        if let (Some(name), Ok(commit)) = (name, reference.peel_to_commit()) {
            tips.insert(name, commit_id(commit.id()));
        }
    }
    Ok(tips)
}

/// Writes a pack of what `tip` needs and the receiver lacks. Objects come first and refs last, so that a reader never
/// sees a ref to something missing.
fn copy(
    from: &git2::Repository,
    to: &git2::Repository,
    tip: git2::Oid,
    known: impl Iterator<Item = git2::Oid>,
) -> Result<(), git2::Error> {
    let receiver = to.odb()?;
    if receiver.exists(tip) {
        return Ok(());
    }
    let mut walk = from.revwalk()?;
    walk.push(tip)?;
    for known in known {
        // What we have never seen cannot be left out.
        if from.find_commit(known).is_ok() {
            walk.hide(known)?;
        }
    }
    let mut builder = from.packbuilder()?;
    builder.insert_walk(&mut walk)?;
    let mut pack = git2::Buf::new();
    builder.write_buf(&mut pack)?;
    let mut writer = receiver.packwriter()?;
    writer.write_all(&pack).map_err(|_| git2::Error::last_error(-1))?;
    writer.commit()?;
    Ok(())
}

/// The value of a ref; `None` if it does not exist.
fn current(repository: &git2::Repository, reference: &RefName) -> Result<Option<git2::Oid>, git2::Error> {
    match repository.refname_to_id(reference.as_str()) {
        Ok(id) => Ok(Some(id)),
        Err(error) if is_absent(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Compares and swaps under the lock of the ref.
fn swap(target: &git2::Repository, update: &Update<'_>) -> Result<Push, git2::Error> {
    let Update { reference, expected, new } = update;
    let name = reference.as_str();
    let swapped = match new {
        Some(new) => {
            let expected = expected.unwrap_or(git2::Oid::ZERO_SHA1);
            target.reference_matching(name, *new, true, expected, "push by privlink").map(drop)
        }
        // Deleting compares with the value that this handle was read with.
        None => match target.find_reference(name) {
            Ok(old) if old.target() != *expected => return Ok(Push::Moved),
            Ok(mut old) => old.delete(),
            Err(error) if is_absent(&error) && expected.is_none() => Ok(()),
            Err(error) => Err(error),
        },
    };
    match swapped {
        Ok(()) => Ok(Push::Done),
        Err(error) if error.code() == git2::ErrorCode::Modified || is_absent(&error) => Ok(Push::Moved),
        Err(error) => Err(error),
    }
}

/// The working tree in which a branch is checked out.
fn checked_out(repository: &git2::Repository, reference: &RefName) -> Option<PathBuf> {
    let is_here = |head: &Path| fs::read_to_string(head).is_ok_and(|text| text.trim() == format!("ref: {reference}"));
    let main = repository.commondir();
    let declared = repository.config().and_then(|config| config.get_bool("core.bare"));
    let bare = declared.unwrap_or_else(|_| main.file_name().is_none_or(|name| name != ".git"));
    if !bare && is_here(&main.join("HEAD")) {
        return main.parent().map(Path::to_owned);
    }
    let linked = fs::read_dir(main.join("worktrees")).into_iter().flatten().flatten();
    let here = linked.map(|entry| entry.path()).find(|worktree| is_here(&worktree.join("HEAD")))?;
    let link = fs::read_to_string(here.join("gitdir")).ok()?;
    Path::new(link.trim()).parent().map(Path::to_owned)
}
