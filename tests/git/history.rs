//! What a person's clone tells: head, revisions, history, merges, uncommitted changes.

use std::fs;
use std::path::{Path, PathBuf};

use privlink::domain::commit::{CommitId, RepoPath};
use privlink::git::{GitError, Limits, Merged, Repository};

use super::{Folder, commit, git, put, remove, skipped};

/// A commit, and two on top of it that each edit another file.
fn forked(repository: &Repository) -> [CommitId; 3] {
    let root = commit(repository, None, &[put("a", "1\n"), put("b", "1\n")]);
    let left = commit(repository, Some(&root), &[put("a", "2\n")]);
    let right = commit(repository, Some(&root), &[put("b", "2\n")]);
    [root, left, right]
}

#[test]
fn merges_are_clean_deterministic_or_name_their_conflicts() {
    let folder = Folder::new();
    let mirror = folder.mirror(&folder.bare("remote.git"));
    let repository = mirror.repository();
    let [root, left, right] = forked(repository);
    let other = commit(repository, Some(&root), &[put("a", "3\n"), put(".gitattributes", "* merge=union\n")]);

    let Merged::Clean(merged) = repository.merge(&left, &right).unwrap() else { unreachable!("no conflict") };
    assert_eq!(repository.merge(&left, &right).unwrap(), Merged::Clean(merged.clone()));
    assert_eq!(repository.read_file(&merged, &"a".parse().unwrap()).unwrap().unwrap(), b"2\n");
    assert_eq!(repository.read_file(&merged, &"b".parse().unwrap()).unwrap().unwrap(), b"2\n");
    // Both sides of one file, one of them under a new name.
    let lines = commit(repository, None, &[put("old", "1\n2\n3\n4\n5\n6\n7\n8\n")]);
    let moved = commit(repository, Some(&lines), &[remove("old"), put("new", "0\n2\n3\n4\n5\n6\n7\n8\n")]);
    let edited = commit(repository, Some(&lines), &[put("old", "1\n2\n3\n4\n5\n6\n7\n9\n")]);
    let Merged::Clean(both) = repository.merge(&moved, &edited).unwrap() else { unreachable!("no conflict") };
    let new = repository.read_file(&both, &"new".parse().unwrap()).unwrap().unwrap();
    assert_eq!(new, b"0\n2\n3\n4\n5\n6\n7\n9\n");
    assert!(repository.is_ancestor(&right, &merged).unwrap() && repository.is_ancestor(&left, &merged).unwrap());
    // A file under review cannot choose how it is merged.
    assert_eq!(repository.merge(&left, &other).unwrap(), Merged::Conflicts(vec!["a".parse().unwrap()]));
    assert_eq!(repository.merge(&root, &left).unwrap(), Merged::Clean(left.clone()));
    assert_eq!(repository.merge(&left, &root).unwrap(), Merged::Clean(left.clone()));
    let stranger = commit(repository, None, &[put("z", "")]);
    assert!(matches!(repository.merge(&left, &stranger).unwrap_err(), GitError::Unrelated { .. }));
}

#[test]
fn a_merge_is_plain_if_git_makes_it_by_itself() {
    let folder = Folder::new();
    let mirror = folder.mirror(&folder.bare("remote.git"));
    let repository = mirror.repository();
    let [root, left, right] = forked(repository);
    let Merged::Clean(plain) = repository.merge(&left, &right).unwrap() else { unreachable!("no conflict") };
    // The same parents, and something of somebody's own.
    let objects = git2::Repository::open_bare(bare_below(&folder.join("cache")).unwrap()).unwrap();
    let find = |id: &CommitId| objects.find_commit(id.as_str().parse().unwrap()).unwrap();
    let merge = |tree: &CommitId, parents: [&CommitId; 2]| -> CommitId {
        let (root, parents, tree) = (find(&root), parents.map(find), find(tree).tree().unwrap());
        let who = root.author();
        let id = objects.commit(None, &who, &who, "merge", &tree, &[&parents[0], &parents[1]]).unwrap();
        id.to_string().parse().unwrap()
    };
    let stranger = commit(repository, None, &[put("z", "")]);
    let merges = [
        plain.clone(),
        merge(&plain, [&right, &left]),
        // What was pushed before it was merged, as the button of a forge does it.
        merge(&left, [&root, &left]),
        merge(&root, [&left, &right]),
        merge(&left, [&left, &stranger]),
        left.clone(),
        root.clone(),
    ];
    let is_plain: Vec<bool> = merges.iter().map(|commit| repository.is_plain_merge(commit).unwrap()).collect();
    assert_eq!(is_plain, [true, true, true, false, false, false, false]);
}

#[test]
fn history_is_newest_first_bounded_and_says_so() {
    let folder = Folder::new();
    let mirror = folder.mirror(&folder.bare("remote.git"));
    let repository = mirror.repository();
    let one = commit(repository, None, &[put("a", "1"), put("b/c", "1")]);
    let two = commit(repository, Some(&one), &[put("a", "2")]);
    let three = commit(repository, Some(&two), &[remove("b/c"), put("d", "3")]);
    let all = repository.history(None, &three, 10).unwrap();
    let shown: Vec<_> = all.commits.iter().map(|record| (&record.id, shown(&record.paths))).collect();
    assert_eq!(shown, [(&three, "b/c d".to_owned()), (&two, "a".to_owned()), (&one, "a b/c".to_owned())]);
    assert_eq!(all.commits[0].author.to_string(), "privlink <privlink@example.com>");
    assert_eq!(all.commits[0].committed_at.to_string(), "2026-01-02T03:04:05Z");
    assert_eq!(repository.history(Some(&one), &three, 10).unwrap().commits.len(), 2);
    assert!(!repository.history(None, &three, 2).unwrap().complete);
    assert!(repository.history(Some(&three), &three, 0).unwrap().complete);
    assert!(!repository.is_ancestor(&three, &one).unwrap());
    // Nor is one that was never fetched; of it nothing is known, so it is asked about in vain.
    let foreign = "f".repeat(40).parse().unwrap();
    assert!(!repository.is_ancestor(&foreign, &three).unwrap());
    assert!(matches!(repository.is_ancestor(&three, &foreign), Err(GitError::NoCommit { .. })));
}

#[test]
fn the_history_of_a_folder_has_the_commits_that_changed_it_and_nothing_else_of_them() {
    let folder = Folder::new();
    let mirror = folder.mirror(&folder.bare("remote.git"));
    let repository = mirror.repository();
    let one = commit(repository, None, &[put("a", "1"), put("b/c", "1")]);
    let two = commit(repository, Some(&one), &[put("a", "2"), put("bc", "2")]);
    let three = commit(repository, Some(&two), &[remove("b/c"), put("a", "3")]);
    let four = commit(repository, Some(&three), &[put("d", "4")]);
    let five = commit(repository, Some(&four), &[put("b/d/e", "5"), put("d", "5")]);
    let below = |limit| repository.history_below(&"b".parse().unwrap(), &five, limit).unwrap();
    let all = below(5);
    let told: Vec<_> = all.commits.iter().map(|record| (&record.id, shown(&record.paths))).collect();
    assert_eq!(told, [(&five, "b/d/e".to_owned()), (&three, "b/c".to_owned()), (&one, "b/c".to_owned())]);
    assert!(all.complete && !below(4).complete);
}

/// The bare repository somewhere below a folder.
fn bare_below(folder: &Path) -> Option<PathBuf> {
    if folder.join("objects").is_dir() {
        return Some(folder.to_owned());
    }
    let entries = fs::read_dir(folder).ok()?;
    entries.filter_map(|entry| bare_below(&entry.ok()?.path())).next()
}

fn shown(paths: &[RepoPath]) -> String {
    paths.iter().map(RepoPath::as_str).collect::<Vec<_>>().join(" ")
}

#[test]
fn a_working_clone_is_found_and_its_changes_are_listed() {
    let folder = Folder::new();
    let root = folder.join("work");
    fs::create_dir_all(root.join("env/prod")).unwrap();
    assert!(Repository::discover(&root).unwrap().is_none_or(|outer| outer.worktree() != Some(root.as_path())));
    let Some(_) = git(&root, &["init", "-q", "-b", "main"]) else { return skipped("no git") };
    let unborn = Repository::discover(&root).unwrap().unwrap();
    assert_eq!((unborn.head().unwrap(), unborn.resolve("HEAD").unwrap()), (None, None));

    fs::write(root.join("env/prod/a.yaml"), "a").unwrap();
    fs::write(root.join(".gitignore"), "*.log\n").unwrap();
    git(&root, &["add", "."]);
    git(&root, &["commit", "-q", "-m", "first"]);
    git(&root, &["tag", "-a", "v1", "-m", "one"]);
    git(&root, &["remote", "add", "origin", "https://example.com/r.git"]);
    let repository = Repository::discover(&root.join("env/prod")).unwrap().unwrap();
    assert_eq!(repository.worktree(), Some(root.as_path()));
    let head = repository.head().unwrap().unwrap();
    for revision in ["HEAD", "main", "v1", head.as_str(), head.short()] {
        assert_eq!(repository.resolve(revision).unwrap().as_ref(), Some(&head), "{revision}");
    }
    assert_eq!(repository.resolve("HEAD~1").unwrap(), None);
    assert_eq!(repository.resolve("nonsense").unwrap(), None);
    assert!(repository.resolve("a..b").is_err());
    assert_eq!(repository.remote_url("origin").unwrap().as_deref(), Some("https://example.com/r.git"));
    assert_eq!(repository.remote_url("upstream").unwrap(), None);

    assert!(repository.changes(&root).unwrap().is_empty());
    fs::write(root.join("env/prod/a.yaml"), "b").unwrap();
    fs::write(root.join("env/prod/new.yaml"), "b").unwrap();
    fs::write(root.join("env/prod/x.log"), "b").unwrap();
    fs::write(root.join("README"), "b").unwrap();
    assert_eq!(repository.changes(&root.join("env")).unwrap(), ["env/prod/a.yaml", "env/prod/new.yaml"]);
    assert_eq!(repository.changes(&root).unwrap().len(), 3);
    let snapshot = repository.snapshot(&head, &Limits::default()).unwrap();
    assert_eq!(snapshot.files.len(), 2, "an uncommitted file does not leak in");
    assert!(repository.changes(&folder.0).is_err());
}

#[test]
fn linked_worktrees_and_shallow_clones_are_understood() {
    let folder = Folder::new();
    let root = folder.join("work");
    fs::create_dir_all(&root).unwrap();
    let Some(_) = git(&root, &["init", "-q", "-b", "main"]) else { return skipped("no git") };
    let mut ids: Vec<CommitId> = Vec::new();
    for round in ["1", "2", "3"] {
        fs::write(root.join("a"), round).unwrap();
        git(&root, &["add", "."]);
        git(&root, &["commit", "-q", "-m", round]);
        ids.push(git(&root, &["rev-parse", "HEAD"]).unwrap().parse().unwrap());
    }
    git(&root, &["worktree", "add", "-q", "-b", "side", "../side", "HEAD~1"]);
    let side = Repository::discover(&folder.join("side")).unwrap().unwrap();
    assert_eq!(side.head().unwrap().as_ref(), Some(&ids[1]));
    assert!(side.changes(&folder.join("side")).unwrap().is_empty());
    fs::write(folder.join("side/a"), "changed").unwrap();
    assert_eq!(side.changes(&folder.join("side")).unwrap(), ["a"]);

    let source = format!("file://{}", root.display());
    git(&folder.0, &["clone", "-q", "--depth", "2", &source, "shallow"]);
    let shallow = Repository::discover(&folder.join("shallow")).unwrap().unwrap();
    assert_eq!(shallow.snapshot(&ids[2], &Limits::default()).unwrap().files.len(), 1);
    let error = shallow.history(None, &ids[2], 100).unwrap_err();
    assert!(matches!(error, GitError::Shallow { .. }) && error.to_string().contains("--unshallow"), "{error}");
    assert!(matches!(shallow.history(Some(&ids[0]), &ids[2], 100), Err(GitError::NoCommit { .. })));
}
