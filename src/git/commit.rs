//! Commits made in the object database: blobs, trees and a commit, without an index and without moving a ref.
//!
//! Trees are edited level by level, and an entry that is not edited keeps its exact id and mode.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::domain::commit::{CommitId, FileEdit, Identity, RepoPath};
use crate::git::access::Access;
use crate::git::error::GitError;
use crate::git::repository::{Repository, commit_id};
use crate::git::signature::SigningKey;

/// Who commits, when, and the message.
#[derive(Clone, Debug)]
pub struct CommitText {
    /// Who wrote the change.
    pub author: Identity,
    /// Who committed it.
    pub committer: Identity,
    /// The message; a closing line break is added.
    pub message: String,
    /// When; kept to the second, in UTC.
    pub time: Timestamp,
}

/// A key, and what is lent to the program that signs with it.
#[derive(Clone, Copy, Debug)]
pub struct Signing<'a> {
    /// The key.
    pub key: &'a SigningKey,
    /// The environment of the program.
    pub access: &'a Access,
}

/// The edits of one folder: by name, what becomes of the file or of what is below the folder.
type Edits<'a> = BTreeMap<&'a str, Edit<'a>>;

/// What becomes of one name.
enum Edit<'a> {
    /// A file with these bytes.
    Put(&'a [u8]),
    /// No file.
    Remove,
    /// A folder with these edits.
    Below(Edits<'a>),
}

impl Repository {
    /// Writes a commit with the edits on top of `parent` (on nothing for `None`), and moves no ref.
    ///
    /// The answer is `None` if the edits change nothing, and then no commit is written. A file keeps its mode; of two
    /// edits of one path the later counts. Removing a path that holds a folder does nothing.
    ///
    /// # Errors
    /// If the parent is not there, one path is both a file and a folder, or an identity is not legal in Git.
    pub fn commit(
        &self,
        parent: Option<&CommitId>,
        edits: &[FileEdit],
        text: &CommitText,
    ) -> Result<Option<CommitId>, GitError> {
        self.commit_as(parent, edits, text, None)
    }

    /// As [`Repository::commit`], with a signature.
    ///
    /// # Errors
    /// As there, and if the program that signs does not.
    pub fn commit_as(
        &self,
        parent: Option<&CommitId>,
        edits: &[FileEdit],
        text: &CommitText,
        signing: Option<Signing<'_>>,
    ) -> Result<Option<CommitId>, GitError> {
        let failed = || self.failed("write a commit");
        let parent = parent.map(|parent| self.find(parent)).transpose()?;
        let before = parent.as_ref().map(git2::Commit::tree).transpose().map_err(failed())?;
        let after = self.edited(before.as_ref(), &by_folder(edits)?).map_err(failed())?;
        let unchanged = match (&before, after) {
            (Some(before), Some(after)) => before.id() == after,
            (None, after) => after.is_none(),
            (Some(before), None) => before.is_empty(),
        };
        if unchanged {
            return Ok(None);
        }
        // A commit always has a tree: the empty one once everything is removed.
        let tree = match after {
            Some(tree) => tree,
            None => self.inner.treebuilder(None).and_then(|empty| empty.write()).map_err(failed())?,
        };
        self.write(tree, parent.as_ref(), text, signing).map(Some)
    }

    fn write(
        &self,
        tree: git2::Oid,
        parent: Option<&git2::Commit<'_>>,
        text: &CommitText,
        signing: Option<Signing<'_>>,
    ) -> Result<CommitId, GitError> {
        let failed = || self.failed("write a commit");
        let CommitText { author, committer, message, time } = text;
        let tree = self.inner.find_tree(tree).map_err(failed())?;
        let (author, committer) = (signature(author, *time)?, signature(committer, *time)?);
        let message = format!("{}\n", message.trim_end());
        let parents: Vec<_> = parent.into_iter().collect();
        let Some(Signing { key, access }) = signing else {
            let id = self.inner.commit(None, &author, &committer, &message, &tree, &parents).map_err(failed())?;
            return Ok(commit_id(id));
        };
        let bytes = self.inner.commit_create_buffer(&author, &committer, &message, &tree, &parents);
        let bytes = bytes.map_err(failed())?.to_vec();
        let made = key.sign(&bytes, access)?;
        let commit = String::from_utf8(bytes).expect("its names and message are text");
        let id = self.inner.commit_signed(&commit, made.trim_end(), None).map_err(failed())?;
        Ok(commit_id(id))
    }

    /// Writes the edited tree; `None` if nothing is left in it, since Git has no empty folders.
    fn edited(&self, before: Option<&git2::Tree<'_>>, edits: &Edits<'_>) -> Result<Option<git2::Oid>, git2::Error> {
        let mut builder = self.inner.treebuilder(before)?;
        for (name, edit) in edits {
            let (kind, mode, id) = match builder.get(name)? {
                Some(old) => (old.kind(), old.filemode(), Some(old.id())),
                None => (None, 0, None),
            };
            let is_folder = kind == Some(git2::ObjectType::Tree);
            let new = match edit {
                Edit::Put(bytes) => Some((self.inner.blob(bytes)?, file_mode(mode))),
                Edit::Remove if is_folder => continue,
                Edit::Remove => None,
                Edit::Below(below) => {
                    let folder = id.filter(|_| is_folder).map(|id| self.inner.find_tree(id)).transpose()?;
                    let after = self.edited(folder.as_ref(), below)?;
                    // A file must not go because somebody removes a path below it, which cannot exist.
                    if after.is_none() && !is_folder {
                        continue;
                    }
                    after.map(|tree| (tree, i32::from(git2::FileMode::Tree)))
                }
            };
            match new {
                Some((id, mode)) => drop(builder.insert(name, id, mode)?),
                None if id.is_some() => builder.remove(name)?,
                None => {}
            }
        }
        if builder.is_empty() { Ok(None) } else { builder.write().map(Some) }
    }
}

/// The mode of a written file: an executable stays one, anything else becomes a regular file.
fn file_mode(before: i32) -> i32 {
    let executable = i32::from(git2::FileMode::BlobExecutable);
    if before == executable { executable } else { i32::from(git2::FileMode::Blob) }
}

fn by_folder(edits: &[FileEdit]) -> Result<Edits<'_>, GitError> {
    let mut last: BTreeMap<&RepoPath, Option<&[u8]>> = BTreeMap::new();
    for edit in edits {
        match edit {
            FileEdit::Put(path, bytes) => last.insert(path, Some(bytes)),
            FileEdit::Remove(path) => last.insert(path, None),
        };
    }
    let mut root = Edits::new();
    // Puts come last, so that a removed file can become a folder.
    let (puts, removals): (Vec<_>, Vec<_>) = last.into_iter().partition(|(_, bytes)| bytes.is_some());
    for (path, bytes) in removals.into_iter().chain(puts) {
        place(&mut root, path.as_str(), bytes)
            .ok_or_else(|| GitError::Edit { why: format!("{path} is to be a file and a folder at once") })?;
    }
    Ok(root)
}

/// Puts an edit in its place; `None` if a file stands where a folder is needed, or the reverse.
fn place<'a>(edits: &mut Edits<'a>, path: &'a str, bytes: Option<&'a [u8]>) -> Option<()> {
    let Some((folder, rest)) = path.split_once('/') else {
        return match (edits.get(path), bytes) {
            // Removing a file where others put a folder changes nothing: the folder replaces it.
            (Some(Edit::Below(below)), Some(bytes)) if below.values().all(is_removal) => {
                edits.insert(path, Edit::Put(bytes));
                Some(())
            }
            (Some(Edit::Below(_)), Some(_)) => None,
            (Some(Edit::Below(_)), None) => Some(()),
            (_, bytes) => {
                edits.insert(path, bytes.map_or(Edit::Remove, Edit::Put));
                Some(())
            }
        };
    };
    let entry = edits.entry(folder).or_insert_with(|| Edit::Below(Edits::new()));
    if matches!(entry, Edit::Remove) {
        *entry = Edit::Below(Edits::new());
    }
    match entry {
        Edit::Below(below) => place(below, rest, bytes),
        Edit::Put(_) | Edit::Remove => None,
    }
}

fn is_removal(edit: &Edit<'_>) -> bool {
    match edit {
        Edit::Put(_) => false,
        Edit::Remove => true,
        Edit::Below(below) => below.values().all(is_removal),
    }
}

fn signature(identity: &Identity, time: Timestamp) -> Result<git2::Signature<'static>, GitError> {
    let Identity { name, email } = identity;
    git2::Signature::new(name, email, &git2::Time::new(time.as_second(), 0))
        .map_err(|_| GitError::Edit { why: format!("Git does not accept {:?} as an author", identity.to_string()) })
}
