//! Words of Git: commits, refs, paths, and the files of one commit as bytes.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::name::{InvalidName, text_newtype};

text_newtype!(
    /// A full commit id: 40 lower-case hex digits.
    CommitId,
    |text| if text.len() == 40 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)) {
        Ok(text.to_owned())
    } else {
        Err(InvalidName::new("a commit id", text, "use the full 40 hex digits"))
    }
);

impl CommitId {
    /// The first ten digits, for people.
    pub fn short(&self) -> &str {
        &self.as_str()[..10]
    }
}

text_newtype!(
    /// A full ref name, such as `refs/heads/main`.
    RefName,
    |text| {
        let bad = |c: char| c.is_control() || " ~^:?*[\\".contains(c);
        let ok = text.starts_with("refs/")
            && text.split('/').all(|part| !part.is_empty() && !part.starts_with('.') && !part.ends_with(".lock"))
            && !text.contains("..")
            && !text.contains("@{")
            && !text.ends_with('.')
            && !text.chars().any(bad);
        if ok {
            Ok(text.to_owned())
        } else {
            Err(InvalidName::new("a ref", text, "use a full ref name such as refs/heads/main"))
        }
    }
);

impl RefName {
    /// The ref of a branch.
    ///
    /// # Errors
    /// If the branch name is not a legal ref name.
    pub fn branch(name: &str) -> Result<Self, InvalidName> {
        format!("refs/heads/{name}").parse()
    }
}

text_newtype!(
    /// A path inside a repository: `/` between parts, no `.`, `..`, empty or `.git` part, never absolute.
    RepoPath,
    |text| {
        let part_ok = |part: &str| !part.is_empty() && part != "." && part != ".." && !part.eq_ignore_ascii_case(".git");
        if text.split('/').all(part_ok) && !text.contains(['\0', '\\']) {
            Ok(text.to_owned())
        } else {
            Err(InvalidName::new("a repository path", text, "use a relative path with / between its parts"))
        }
    }
);

impl RepoPath {
    /// True if this path is `folder` or lies below it.
    pub fn is_under(&self, folder: &Self) -> bool {
        self.0.strip_prefix(folder.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// The text after the last dot of the file name, if any.
    pub fn extension(&self) -> Option<&str> {
        self.0.rsplit('/').next()?.rsplit_once('.').map(|(_, extension)| extension)
    }
}

/// One entry of a tree, read without a checkout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum File {
    /// The bytes of a regular file.
    Bytes(Vec<u8>),
    /// A file over the size limit; its bytes were not read.
    TooLarge {
        /// Size in bytes.
        size: u64,
    },
    /// A symbolic link; it is never followed.
    Symlink,
    /// A submodule; it is never opened.
    Submodule,
}

/// The files of one commit (or of one plain folder), by path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// The commit; `None` for a plain folder.
    pub commit: Option<CommitId>,
    /// Every entry that was asked for.
    pub files: BTreeMap<RepoPath, File>,
    /// Entries that have no [`RepoPath`] (not UTF-8, `..`, `.git`, a backslash) or are neither file, folder nor link.
    /// They are spelled for people; nothing below them was read.
    pub unreadable: BTreeSet<String>,
}

/// Name and e-mail address of an author or committer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Identity {
    /// The name.
    pub name: String,
    /// The address, as written; compared in lower case.
    pub email: String,
}

impl std::str::FromStr for Identity {
    type Err = InvalidName;
    /// Reads `Name <address>`.
    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let wrong = || InvalidName::new("an author", text, "write it as: Name <address>");
        let (name, rest) = text.split_once('<').ok_or_else(wrong)?;
        let email = rest.trim_end().strip_suffix('>').ok_or_else(wrong)?;
        let (name, email) = (name.trim(), email.trim());
        if name.is_empty() || email.is_empty() || text.contains(['\n', '\0']) || email.contains(['<', '>']) {
            return Err(wrong());
        }
        Ok(Self { name: name.to_owned(), email: email.to_owned() })
    }
}

impl std::fmt::Display for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} <{}>", self.name, self.email)
    }
}

/// One commit of a history, as far as approval needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitRecord {
    /// Its id.
    pub id: CommitId,
    /// Who wrote it.
    pub author: Identity,
    /// Who committed it.
    pub committer: Identity,
    /// When it was committed.
    pub committed_at: jiff::Timestamp,
    /// The paths that differ from its first parent (from nothing, for a root).
    pub paths: Vec<RepoPath>,
}

/// The signature of a commit, as it stands in it, and the bytes that it is over: all of the commit but the signature.
#[derive(Clone, PartialEq, Eq)]
pub struct CommitSignature {
    /// The signature in its armor: SSH's, OpenPGP's or another.
    pub armored: String,
    /// The signed bytes.
    pub signed: Vec<u8>,
}

impl std::fmt::Debug for CommitSignature {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { armored, signed } = self;
        f.debug_struct("CommitSignature").field("armored", armored).field("signed", &signed.len()).finish()
    }
}

/// One edit of a tree: new bytes for a path, or its removal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileEdit {
    /// Write these bytes.
    Put(RepoPath, Vec<u8>),
    /// Remove the file; absent is fine.
    Remove(RepoPath),
}
