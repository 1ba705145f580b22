//! The files of a commit, read from its tree in the object database.
//!
//! Nothing is checked out: a link is not followed, a submodule is not opened, and a name that would be dangerous in a
//! checkout is only reported. Sizes are asked for before anything is read.

use std::collections::BTreeSet;

use crate::domain::commit::{CommitId, File, RepoPath, Snapshot};
use crate::git::error::GitError;
use crate::git::repository::Repository;

/// How much of a commit or folder to read.
#[derive(Clone, Debug)]
pub struct Limits {
    /// The files and folders to read; empty means all.
    pub paths: Vec<RepoPath>,
    /// A larger file becomes `File::TooLarge`, in bytes.
    pub file_bytes: u64,
    /// All files together must not be larger, in bytes.
    pub total_bytes: u64,
    /// There must not be more entries.
    pub entries: usize,
}

impl Default for Limits {
    /// Reads all: files up to 1 MiB, 256 MiB together, 50 000 entries; each far above a repository of documents.
    fn default() -> Self {
        Self { paths: Vec::new(), file_bytes: 1 << 20, total_bytes: 256 << 20, entries: 50_000 }
    }
}

/// Folders deeper than this are not ours: 4096 bytes of path hold fewer on any system that checks out.
pub(super) const DEEPEST: usize = 64;

/// The largest tree object we parse, in bytes: 50 000 entries need about 3 MiB.
const LARGEST_TREE: u64 = 16 << 20;

impl Repository {
    /// Reads the files of a commit.
    ///
    /// # Errors
    /// If the commit is not there, holds more than the limits allow, or an object is missing.
    pub fn snapshot(&self, commit: &CommitId, limits: &Limits) -> Result<Snapshot, GitError> {
        let tree = self.find(commit)?.tree_id();
        let intake = Intake::new(limits, format!("commit {}", commit.short()));
        let mut walk = Walk { repository: self, commit, intake };
        walk.folder(tree, "", 0)?;
        Ok(Snapshot { commit: Some(commit.clone()), ..walk.intake.snapshot })
    }
}

/// Collects entries under their limits; shared by commits and plain folders.
pub(super) struct Intake<'a> {
    limits: &'a Limits,
    place: String,
    bytes: u64,
    seen: usize,
    pub(super) snapshot: Snapshot,
}

impl<'a> Intake<'a> {
    pub(super) fn new(limits: &'a Limits, place: String) -> Self {
        Self { limits, place, bytes: 0, seen: 0, snapshot: Snapshot::default() }
    }

    /// True if the path, or something below it, was asked for.
    pub(super) fn wants_folder(&self, path: &RepoPath) -> bool {
        self.wants(path) || self.limits.paths.iter().any(|asked| asked.is_under(path))
    }

    /// True if the path itself was asked for.
    pub(super) fn wants(&self, path: &RepoPath) -> bool {
        self.limits.paths.is_empty() || self.limits.paths.iter().any(|asked| path.is_under(asked))
    }

    /// The path of an entry; one that cannot have a path is noted.
    pub(super) fn path(&mut self, folder: &str, name: &[u8]) -> Option<RepoPath> {
        let legal = std::str::from_utf8(name).ok().filter(|name| !name.contains('/'));
        match legal.and_then(|name| join(folder, name).parse().ok()) {
            Some(path) => Some(path),
            None => {
                self.refuse(folder, name);
                None
            }
        }
    }

    /// Notes an entry that cannot be read, if what was asked for includes its folder.
    pub(super) fn refuse(&mut self, folder: &str, name: &[u8]) {
        let inside = folder.parse().map_or(self.limits.paths.is_empty(), |path| self.wants(&path));
        if inside {
            let unreadable: &mut BTreeSet<String> = &mut self.snapshot.unreadable;
            unreadable.insert(join(folder, &name.escape_ascii().to_string()));
        }
    }

    /// Counts an entry, wanted or not, so that a huge folder is not walked for nothing.
    pub(super) fn count(&mut self) -> Result<(), GitError> {
        self.seen += 1;
        if self.seen > self.limits.entries {
            Err(self.over(format!("{} entries", self.limits.entries)))
        } else {
            Ok(())
        }
    }

    /// True if a file of this size may be read; it is then part of the total.
    pub(super) fn admits(&mut self, size: u64) -> Result<bool, GitError> {
        if size > self.limits.file_bytes {
            return Ok(false);
        }
        self.bytes += size;
        let limit = self.limits.total_bytes;
        if self.bytes > limit { Err(self.over(format!("{limit} bytes"))) } else { Ok(true) }
    }

    pub(super) fn over(&self, limit: String) -> GitError {
        GitError::OverLimit { place: self.place.clone(), limit }
    }

    pub(super) fn file_limit(&self) -> u64 {
        self.limits.file_bytes
    }
}

pub(super) fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

struct Walk<'a> {
    repository: &'a Repository,
    commit: &'a CommitId,
    intake: Intake<'a>,
}

impl Walk<'_> {
    fn folder(&mut self, tree: git2::Oid, folder: &str, depth: usize) -> Result<(), GitError> {
        if depth > DEEPEST {
            return Err(self.intake.over(format!("{DEEPEST} folders inside each other")));
        }
        if self.repository.size(tree).map_err(|e| self.failed(folder, e))? > LARGEST_TREE {
            return Err(self.intake.over(format!("{LARGEST_TREE} bytes of names in one folder")));
        }
        let tree = self.repository.inner.find_tree(tree).map_err(|e| self.failed(folder, e))?;
        for entry in &tree {
            self.intake.count()?;
            if let Some(path) = self.intake.path(folder, entry.name_bytes()) {
                self.entry(&entry, path, depth)?;
            }
        }
        Ok(())
    }

    fn entry(&mut self, entry: &git2::TreeEntry<'_>, path: RepoPath, depth: usize) -> Result<(), GitError> {
        if entry.kind() == Some(git2::ObjectType::Tree) {
            return if self.intake.wants_folder(&path) {
                self.folder(entry.id(), path.as_str(), depth + 1)
            } else {
                Ok(())
            };
        }
        if !self.intake.wants(&path) {
            return Ok(());
        }
        let file = match entry.filemode() {
            mode if mode == i32::from(git2::FileMode::Link) => File::Symlink,
            mode if mode == i32::from(git2::FileMode::Commit) => File::Submodule,
            _ => self.file(entry.id(), &path)?,
        };
        self.intake.snapshot.files.insert(path, file);
        Ok(())
    }

    fn file(&mut self, blob: git2::Oid, path: &RepoPath) -> Result<File, GitError> {
        let size = self.repository.size(blob).map_err(|e| self.failed(path.as_str(), e))?;
        if !self.intake.admits(size)? {
            return Ok(File::TooLarge { size });
        }
        let blob = self.repository.inner.find_blob(blob).map_err(|e| self.failed(path.as_str(), e))?;
        Ok(File::Bytes(blob.content().to_vec()))
    }

    fn failed(&self, path: &str, source: git2::Error) -> GitError {
        self.repository.failed(format!("read {path:?} of {}", self.commit.short()))(source)
    }
}
