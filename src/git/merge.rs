//! `merge(base, head)`, built in the object database: what a pull request would be once merged.
//!
//! The result depends on the two commits and nothing else: identity and time of the merge commit are fixed, renames are
//! always looked for, and neither configuration nor attributes are read (a merge driver chosen by a file under review
//! would decide what is planned).

use std::fs;
use std::path::PathBuf;

use crate::domain::commit::{CommitId, RepoPath};
use crate::git::cache::unique;
use crate::git::error::GitError;
use crate::git::repository::{Repository, commit_id, oid};

/// What merging two commits gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Merged {
    /// One of the two if it contains the other, else a merge commit that no ref names.
    Clean(CommitId),
    /// The paths that both sides changed differently.
    Conflicts(Vec<RepoPath>),
}

/// The most files compared to find a rename; git's own default.
const RENAME_CANDIDATES: u32 = 1000;

impl Repository {
    /// Merges `head` into `base`, without moving a ref.
    ///
    /// # Errors
    /// If a commit is not there, the two have no common ancestor, or a shallow clone does not hold it.
    pub fn merge(&self, base: &CommitId, head: &CommitId) -> Result<Merged, GitError> {
        let failed = || self.walk_failed(format!("merge {} into {}", head.short(), base.short()));
        let (ours, theirs) = (self.find(base)?, self.find(head)?);
        match self.inner.merge_base(ours.id(), theirs.id()) {
            Ok(common) if common == ours.id() => return Ok(Merged::Clean(head.clone())),
            Ok(common) if common == theirs.id() => return Ok(Merged::Clean(base.clone())),
            Ok(_) => {}
            Err(error) if error.code() != git2::ErrorCode::NotFound => return Err(failed()(error)),
            Err(_) if self.is_shallow() => return Err(GitError::Shallow { folder: self.folder() }),
            Err(_) => return Err(GitError::Unrelated { base: base.clone(), head: head.clone() }),
        }
        let tree = match self.merge_trees(base, head).map_err(failed())? {
            Merge::Tree(tree) => tree,
            Merge::Conflicts(paths) => return Ok(Merged::Conflicts(paths)),
        };
        let tree = self.inner.find_tree(tree).map_err(failed())?;
        let privlink =
            git2::Signature::new("privlink", "privlink@localhost", &git2::Time::new(0, 0)).map_err(failed())?;
        let message = format!("Merge {head} into {base}\n");
        let id = self.inner.commit(None, &privlink, &privlink, &message, &tree, &[&ours, &theirs]).map_err(failed())?;
        Ok(Merged::Clean(commit_id(id)))
    }

    /// True if a commit is the merge of two commits as git makes it by itself: whoever made it wrote nothing of what it holds.
    ///
    /// # Errors
    /// If a commit is not there.
    pub fn is_plain_merge(&self, commit: &CommitId) -> Result<bool, GitError> {
        let found = self.find(commit)?;
        let parents: Vec<CommitId> = found.parent_ids().map(commit_id).collect();
        let [ours, theirs] = &parents[..] else { return Ok(false) };
        match self.merge(ours, theirs) {
            Ok(Merged::Clean(plain)) => Ok(self.find(&plain)?.tree_id() == found.tree_id()),
            Ok(Merged::Conflicts(_)) | Err(GitError::Unrelated { .. } | GitError::Shallow { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn merge_trees(&self, base: &CommitId, head: &CommitId) -> Result<Merge, git2::Error> {
        let scratch = Scratch::new(&self.inner)?;
        let objects = &scratch.repository;
        let (ours, theirs) = (objects.find_commit(oid(base))?, objects.find_commit(oid(head))?);
        let mut options = git2::MergeOptions::new();
        options.find_renames(true).rename_threshold(50).target_limit(RENAME_CANDIDATES);
        let mut index = objects.merge_commits(&ours, &theirs, Some(&options))?;
        if !index.has_conflicts() {
            return index.write_tree_to(&self.inner).map(Merge::Tree);
        }
        let mut paths = Vec::new();
        for conflict in index.conflicts()? {
            let git2::IndexConflict { ancestor, our, their } = conflict?;
            let sides = [ancestor, our, their].into_iter().flatten();
            paths.extend(sides.filter_map(|side| std::str::from_utf8(&side.path).ok()?.parse().ok()));
        }
        paths.sort();
        paths.dedup();
        Ok(Merge::Conflicts(paths))
    }
}

/// The outcome before there is a commit.
enum Merge {
    Tree(git2::Oid),
    Conflicts(Vec<RepoPath>),
}

/// A repository for one merge: the objects of another, but configuration and attributes of its own.
///
/// It needs a folder, because `info/attributes` is the only place that beats `/etc/gitattributes` and the person's own
/// file, in which a line such as `* merge=union` would hide conflicts on one machine only.
struct Scratch {
    repository: git2::Repository,
    folder: PathBuf,
}

impl Scratch {
    fn new(original: &git2::Repository) -> Result<Self, git2::Error> {
        let folder = original.commondir().join(format!("privlink-merge-{}", unique()));
        let mut options = git2::RepositoryInitOptions::new();
        options.bare(true).no_reinit(true).external_template(false);
        let repository = git2::Repository::init_opts(&folder, &options)?;
        let scratch = Self { repository, folder };
        let attributes = scratch.folder.join("info");
        let written =
            fs::create_dir_all(&attributes).and_then(|()| fs::write(attributes.join("attributes"), "* merge\n"));
        written.map_err(|error| git2::Error::from_str(&format!("cannot write attributes: {error}")))?;
        scratch.repository.set_config(&git2::Config::new()?)?;
        // From a second handle: a database forgets its first repository when it is given to another.
        scratch.repository.set_odb(&git2::Repository::open_bare(original.path())?.odb()?)?;
        Ok(scratch)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // A folder that stays holds nothing, and Git does not look at it.
        let _ = fs::remove_dir_all(&self.folder);
    }
}
