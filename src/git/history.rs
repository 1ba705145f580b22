//! What happened between two commits, and whether one contains the other.

use jiff::Timestamp;

use crate::domain::commit::{CommitId, CommitRecord, Identity, RepoPath};
use crate::git::error::GitError;
use crate::git::repository::{Repository, commit_id, oid};

/// Commits, newest first, and whether they are all that was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct History {
    /// The commits; a child always stands before its parents.
    pub commits: Vec<CommitRecord>,
    /// False if the limit cut the list off. Who must not have written any of it cannot be told then.
    pub complete: bool,
}

impl Repository {
    /// Lists the commits that `to` contains and `from_excluded` does not, at most `limit` of them.
    ///
    /// The paths of a merge are those that differ from its first parent. A path that is no [`RepoPath`] is left out: no
    /// document can have it.
    ///
    /// # Errors
    /// If a commit is not there, or the history ends early because the clone is shallow.
    pub fn history(&self, from_excluded: Option<&CommitId>, to: &CommitId, limit: usize) -> Result<History, GitError> {
        let mut history = History { commits: Vec::new(), complete: true };
        for id in self.walk(from_excluded, to)? {
            if history.commits.len() == limit {
                history.complete = false;
                break;
            }
            let id = id.map_err(|error| self.unlisted(to, error))?;
            history.commits.push(self.record(id, None)?);
        }
        Ok(history)
    }

    /// Lists the commits of the history of `to` that changed something below a folder of the root, newest first, with those paths
    /// alone; at most `limit` commits are looked at. The others cost a look at two trees each, and no memory.
    ///
    /// # Errors
    /// As [`Repository::history`].
    pub fn history_below(&self, folder: &RepoPath, to: &CommitId, limit: usize) -> Result<History, GitError> {
        let mut history = History { commits: Vec::new(), complete: true };
        let mut known = None;
        for (looked_at, id) in self.walk(None, to)?.enumerate() {
            if looked_at == limit {
                history.complete = false;
                break;
            }
            let id = id.map_err(|error| self.unlisted(to, error))?;
            if self.changes_below(id, folder, &mut known).map_err(|error| self.unlisted(to, error))? {
                history.commits.push(self.record(id, Some(folder))?);
            }
        }
        Ok(history)
    }

    /// When a commit was made, as its committer's clock said.
    ///
    /// # Errors
    /// If it is not there.
    pub fn committed_at(&self, commit: &CommitId) -> Result<Timestamp, GitError> {
        Ok(committed_at(&self.find(commit)?))
    }

    /// True if a commit changed a folder of the root. `known` is what the parent that was looked at last has there: as a rule it
    /// comes next.
    fn changes_below(
        &self,
        id: git2::Oid,
        folder: &RepoPath,
        known: &mut Option<(git2::Oid, Option<git2::Oid>)>,
    ) -> Result<bool, git2::Error> {
        let at = |commit: &git2::Commit<'_>| -> Result<Option<git2::Oid>, git2::Error> {
            Ok(commit.tree()?.get_name(folder.as_str()).map(|entry| entry.id()))
        };
        let commit = self.inner.find_commit(id)?;
        let now = match *known {
            Some((last, entry)) if last == id => entry,
            _ => at(&commit)?,
        };
        let before = match commit.parent_count() {
            0 => None,
            _ => {
                let parent = commit.parent(0)?;
                let before = at(&parent)?;
                *known = Some((parent.id(), before));
                before
            }
        };
        Ok(now != before)
    }

    /// The commits that `to` contains and `from_excluded` does not; a child always stands before its parents.
    fn walk(&self, from_excluded: Option<&CommitId>, to: &CommitId) -> Result<git2::Revwalk<'_>, GitError> {
        self.find(to)?;
        if let Some(from) = from_excluded {
            self.find(from)?;
        }
        let begin = || {
            let mut walk = self.inner.revwalk()?;
            walk.set_sorting(git2::Sort::TOPOLOGICAL | git2::Sort::TIME)?;
            walk.push(oid(to))?;
            from_excluded.map(|from| walk.hide(oid(from))).transpose()?;
            Ok(walk)
        };
        begin().map_err(|error| self.unlisted(to, error))
    }

    /// Only what failed looks whether the clone is shallow: that is a look at a file.
    fn unlisted(&self, to: &CommitId, error: git2::Error) -> GitError {
        self.walk_failed(format!("list the commits up to {}", to.short()))(error)
    }

    /// What is told of a commit, with the paths below a folder, or all that it changed.
    fn record(&self, id: git2::Oid, folder: Option<&RepoPath>) -> Result<CommitRecord, GitError> {
        let failed = |error| self.walk_failed(format!("read the commit {id}"))(error);
        let commit = self.inner.find_commit(id).map_err(failed)?;
        Ok(CommitRecord {
            id: commit_id(id),
            author: identity(&commit.author()),
            committer: identity(&commit.committer()),
            committed_at: committed_at(&commit),
            paths: self.paths(&commit, folder).map_err(failed)?,
        })
    }

    fn paths(&self, commit: &git2::Commit<'_>, folder: Option<&RepoPath>) -> Result<Vec<RepoPath>, git2::Error> {
        // `parents()` silently leaves out a parent that a shallow clone lacks, and every file would seem to be new.
        let before = if commit.parent_count() == 0 { None } else { Some(commit.parent(0)?.tree()?) };
        let mut options = git2::DiffOptions::new();
        options.ignore_submodules(false).include_typechange(true);
        if let Some(folder) = folder {
            options.pathspec(folder.as_str()).disable_pathspec_match(true);
        }
        let diff = self.inner.diff_tree_to_tree(before.as_ref(), Some(&commit.tree()?), Some(&mut options))?;
        let sides = diff.deltas().flat_map(|delta| [delta.old_file().path_bytes(), delta.new_file().path_bytes()]);
        let text = sides.flatten().filter_map(|path| std::str::from_utf8(path).ok());
        let mut paths: Vec<RepoPath> = text.filter_map(|path| path.parse().ok()).collect();
        paths.sort();
        paths.dedup();
        Ok(paths)
    }

    /// True if `new` is `old` or contains it. What is not there at all is contained in nothing that is there whole.
    ///
    /// # Errors
    /// If `new` is not there, or a shallow clone cannot tell.
    pub fn is_ancestor(&self, old: &CommitId, new: &CommitId) -> Result<bool, GitError> {
        self.find(new)?;
        match self.find(old) {
            Err(GitError::NoCommit { .. }) if !self.is_shallow() => return Ok(false),
            found => drop(found?),
        }
        if old == new {
            return Ok(true);
        }
        let contains = self.inner.graph_descendant_of(oid(new), oid(old)).map_err(self.walk_failed(format!(
            "look for {} in {}",
            old.short(),
            new.short()
        )))?;
        if !contains && self.is_shallow() {
            return Err(GitError::Shallow { folder: self.folder() });
        }
        Ok(contains)
    }
}

fn committed_at(commit: &git2::Commit<'_>) -> Timestamp {
    Timestamp::from_second(commit.time().seconds()).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// Name and address as written, with what is not UTF-8 replaced.
fn identity(signature: &git2::Signature<'_>) -> Identity {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Identity { name: text(signature.name_bytes()), email: text(signature.email_bytes()) }
}
