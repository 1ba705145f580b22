//! A bare config repository, and the commits that people push to it.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::Path;
use std::path::PathBuf;

/// A bare repository with a branch `main`.
pub(crate) struct ConfigRepo {
    path: PathBuf,
    /// Commit times count up, so that histories have an order.
    clock: Cell<i64>,
}

/// What a commit does to one file.
pub(crate) type Edit<'a> = (&'a str, Option<&'a str>);

impl ConfigRepo {
    pub(crate) fn new(path: &Path) -> Self {
        let mut options = git2::RepositoryInitOptions::new();
        options.bare(true).initial_head("main");
        git2::Repository::init_opts(path, &options).unwrap();
        Self { path: path.to_owned(), clock: Cell::new(1_767_000_000) }
    }

    /// A repository that is there already.
    pub(crate) fn at(path: &Path) -> Self {
        let repo = Self { path: path.to_owned(), clock: Cell::new(0) };
        let newest = repo.open().head().unwrap().peel_to_commit().unwrap().time().seconds();
        repo.clock.set(newest);
        repo
    }

    pub(crate) fn url(&self) -> String {
        format!("file://{}", self.path.display())
    }

    pub(crate) fn open(&self) -> git2::Repository {
        git2::Repository::open_bare(&self.path).unwrap()
    }

    /// Writes files and commits them to `main` as Dora, who is nobody's approver.
    pub(crate) fn commit(&self, files: &[(&str, &str)]) -> String {
        let edits: Vec<Edit<'_>> = files.iter().map(|(path, text)| (*path, Some(*text))).collect();
        self.edit("main", "main", &edits)
    }

    /// Removes files in one commit on `main`.
    pub(crate) fn remove(&self, paths: &[&str]) -> String {
        let edits: Vec<Edit<'_>> = paths.iter().map(|path| (*path, None)).collect();
        self.edit("main", "main", &edits)
    }

    /// Commits edits on the tip of `from` and puts `branch` there.
    pub(crate) fn edit(&self, from: &str, branch: &str, edits: &[Edit<'_>]) -> String {
        let repository = self.open();
        let parent = self.tip(from).map(|id| repository.find_commit(id.parse().unwrap()).unwrap());
        let mut index = git2::Index::new().unwrap();
        if let Some(parent) = &parent {
            index.read_tree(&parent.tree().unwrap()).unwrap();
        }
        for (path, text) in edits {
            match text {
                Some(text) => index.add(&entry(path, repository.blob(text.as_bytes()).unwrap())).unwrap(),
                None => index.remove(Path::new(path), 0).unwrap(),
            }
        }
        let tree = repository.find_tree(index.write_tree_to(&repository).unwrap()).unwrap();
        self.clock.set(self.clock.get() + 60);
        let time = git2::Time::new(self.clock.get(), 0);
        let dora = git2::Signature::new("Dora", "dora@example.com", &time).unwrap();
        let parents: Vec<_> = parent.iter().collect();
        let id = repository.commit(None, &dora, &dora, "a change", &tree, &parents).unwrap();
        repository.reference(&format!("refs/heads/{branch}"), id, true, "test").unwrap();
        id.to_string()
    }

    /// The commit that a branch is at.
    pub(crate) fn tip(&self, branch: &str) -> Option<String> {
        let repository = self.open();
        let found = repository.find_reference(&format!("refs/heads/{branch}")).ok()?;
        Some(found.target().unwrap().to_string())
    }

    /// Every branch and where it is; the lease is no branch.
    pub(crate) fn tips(&self) -> BTreeMap<String, String> {
        let repository = self.open();
        let references = repository.references_glob("refs/heads/*").unwrap();
        let tip = |reference: git2::Reference<'_>| {
            (reference.name().unwrap().to_owned(), reference.target().unwrap().to_string())
        };
        references.map(|reference| tip(reference.unwrap())).collect()
    }

    /// The files of a branch.
    pub(crate) fn files(&self, branch: &str) -> BTreeMap<String, String> {
        let mut files = BTreeMap::new();
        let Some(tip) = self.tip(branch) else { return files };
        let repository = self.open();
        let tree = repository.find_commit(tip.parse().unwrap()).unwrap().tree().unwrap();
        tree.walk(git2::TreeWalkMode::PreOrder, |folder, entry| {
            if let Ok(blob) = repository.find_blob(entry.id()) {
                let path = format!("{folder}{}", entry.name().unwrap());
                files.insert(path, String::from_utf8(blob.content().to_vec()).unwrap());
            }
            git2::TreeWalkResult::Ok
        })
        .unwrap();
        files
    }

    /// The text of one file of `main`.
    #[track_caller]
    pub(crate) fn read(&self, path: &str) -> String {
        self.files("main").remove(path).expect("the file is there")
    }

    /// Replaces a text that occurs in a file of `main`, in a commit of its own.
    #[track_caller]
    pub(crate) fn replace(&self, path: &str, from: &str, to: &str) -> String {
        let text = self.read(path);
        assert!(text.contains(from), "{path} has no {from:?}:\n{text}");
        self.commit(&[(path, &text.replace(from, to))])
    }

    /// How many commits a branch has.
    pub(crate) fn count(&self, branch: &str) -> usize {
        let Some(tip) = self.tip(branch) else { return 0 };
        let repository = self.open();
        let mut walk = repository.revwalk().unwrap();
        walk.push(tip.parse().unwrap()).unwrap();
        walk.count()
    }

    /// Clones `main` into a folder, as a person's working copy.
    pub(crate) fn clone_to(&self, folder: &Path) -> git2::Repository {
        git2::Repository::clone(&self.url(), folder).unwrap()
    }
}

fn entry(path: &str, id: git2::Oid) -> git2::IndexEntry {
    let zero = git2::IndexTime::new(0, 0);
    git2::IndexEntry {
        ctime: zero,
        mtime: zero,
        dev: 0,
        ino: 0,
        mode: 0o100_644,
        uid: 0,
        gid: 0,
        file_size: 0,
        id,
        flags: 0,
        flags_extended: 0,
        path: path.as_bytes().to_vec(),
    }
}
