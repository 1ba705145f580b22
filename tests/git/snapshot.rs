//! Files of commits and folders, and commits made of edits.

use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;

use privlink::domain::commit::{CommitId, File, RepoPath};
use privlink::domain::failure::ErrorClass;
use privlink::git::{GitError, Limits, Repository};

use super::{Folder, commit, put, remove, text};

fn paths(files: &std::collections::BTreeMap<RepoPath, File>) -> Vec<&str> {
    files.keys().map(RepoPath::as_str).collect()
}

/// A commit whose tree holds everything that a checkout would have to fear.
fn hostile(folder: &Folder) -> CommitId {
    let raw = git2::Repository::open_bare(folder.join("remote.git")).unwrap();
    let odb = raw.odb().unwrap();
    let blob = raw.blob(b"content").unwrap();
    let large = raw.blob(&[b'x'; 2000]).unwrap();
    let entry = |mode: &str, name: &[u8], id: git2::Oid| [mode.as_bytes(), b" ", name, b"\0", id.as_bytes()].concat();
    let inner = odb.write(git2::ObjectType::Tree, &entry("100644", b"escape", blob)).unwrap();
    // Written byte by byte, since libgit2's own builder refuses such names.
    let tree = [
        entry("40000", b"..", inner),
        entry("40000", b".git", inner),
        entry("100644", b"a\\b", blob),
        entry("100644", b"caf\xe9", blob),
        entry("40000", b"env", inner),
        entry("100644", b"large", large),
        entry("120000", b"link", blob),
        entry("160000", b"module", git2::Oid::from_str(&"1".repeat(40)).unwrap()),
        entry("100755", b"run", blob),
    ];
    let tree = odb.write(git2::ObjectType::Tree, &tree.concat()).unwrap();
    let who = "A <a@example.com> 1 +0000";
    let text = format!("tree {tree}\nauthor {who}\ncommitter {who}\n\nhostile\n");
    odb.write(git2::ObjectType::Commit, text.as_bytes()).unwrap().to_string().parse().unwrap()
}

#[test]
fn a_hostile_tree_is_read_without_harm_and_nothing_is_lost() {
    let folder = Folder::new();
    folder.bare("remote.git");
    let id = hostile(&folder);
    let repository = Repository::discover(&folder.join("remote.git")).unwrap().unwrap();
    let limits = Limits { file_bytes: 1000, ..Limits::default() };
    let snapshot = repository.snapshot(&id, &limits).unwrap();
    assert_eq!(paths(&snapshot.files), ["env/escape", "large", "link", "module", "run"]);
    let file = |path: &str| &snapshot.files[&path.parse().unwrap()];
    assert_eq!(file("large"), &File::TooLarge { size: 2000 });
    assert_eq!(file("link"), &File::Symlink);
    assert_eq!(file("module"), &File::Submodule);
    assert_eq!(file("run"), &File::Bytes(b"content".to_vec()));
    assert_eq!(snapshot.unreadable.iter().collect::<Vec<_>>(), ["..", ".git", r"a\\b", r"caf\xe9"]);
    assert_eq!(repository.read_file(&id, &"link".parse().unwrap()).unwrap(), None);
    // An edit keeps what it does not touch, to the byte.
    let next = commit(&repository, Some(&id), &[put("env/new", "1")]);
    let after = repository.snapshot(&next, &limits).unwrap();
    assert_eq!(after.unreadable, snapshot.unreadable);
    assert_eq!(after.files.len(), snapshot.files.len() + 1);
}

#[test]
fn limits_stop_before_anything_is_read() {
    let folder = Folder::new();
    let mirror = folder.mirror(&folder.bare("remote.git"));
    let repository = mirror.repository();
    let id = commit(repository, None, &[put("a/1", "xx"), put("a/2", "xx"), put("b/1", "xx")]);
    for limits in [Limits { entries: 3, ..Limits::default() }, Limits { total_bytes: 5, ..Limits::default() }] {
        let error = repository.snapshot(&id, &limits).unwrap_err();
        assert!(matches!(error, GitError::OverLimit { .. }) && error.class() == ErrorClass::Invalid);
    }
    let only = |path: &str| Limits { paths: vec![path.parse().unwrap()], ..Limits::default() };
    assert_eq!(paths(&repository.snapshot(&id, &only("a")).unwrap().files), ["a/1", "a/2"]);
    assert_eq!(paths(&repository.snapshot(&id, &only("b/1")).unwrap().files), ["b/1"]);
    assert!(repository.snapshot(&id, &only("c")).unwrap().files.is_empty());
    let unknown: CommitId = "1".repeat(40).parse().unwrap();
    let error = repository.snapshot(&unknown, &Limits::default()).unwrap_err();
    assert!(error.to_string().contains("fetch first") && error.class() == ErrorClass::NotFound);
}

#[test]
fn edits_become_a_commit_and_no_change_becomes_none() {
    let folder = Folder::new();
    let mirror = folder.mirror(&folder.bare("remote.git"));
    let repository = mirror.repository();
    let files = |id: &CommitId| {
        let snapshot = repository.snapshot(id, &Limits::default()).unwrap();
        paths(&snapshot.files).join(" ")
    };
    assert_eq!(repository.commit(None, &[], &text("nothing")).unwrap(), None);
    assert_eq!(repository.commit(None, &[remove("a")], &text("nothing")).unwrap(), None);
    let one = commit(repository, None, &[put("a", "1"), put("b/c/d", "2"), put("b/e", "3")]);
    assert_eq!(files(&one), "a b/c/d b/e");
    assert_eq!(commit(repository, None, &[put("b/e", "3"), put("b/c/d", "2"), put("a", "1")]), one, "deterministic");
    for same in [vec![put("a", "1")], vec![], vec![remove("b/c"), remove("a/x"), remove("q/r")]] {
        assert_eq!(repository.commit(Some(&one), &same, &text("same")).unwrap(), None, "{same:?}");
    }
    assert_eq!(files(&commit(repository, Some(&one), &[remove("b/c/d")])), "a b/e", "no empty folder stays");
    assert_eq!(files(&commit(repository, Some(&one), &[remove("a"), put("a/x", "")])), "a/x b/c/d b/e");
    assert_eq!(files(&commit(repository, Some(&one), &[put("b", ""), remove("b/e")])), "a b");
    assert_eq!(files(&commit(repository, Some(&one), &[put("q", ""), remove("q"), put("r", "")])), "a b/c/d b/e r");
    let empty = commit(repository, Some(&one), &[remove("a"), remove("b/e"), remove("b/c/d")]);
    assert_eq!(files(&empty), "");
    let error = repository.commit(Some(&one), &[put("x", ""), put("x/y", "")], &text("both")).unwrap_err();
    assert!(error.to_string().contains("file and a folder"), "{error}");
}

#[test]
fn a_plain_folder_reads_like_a_commit() {
    let folder = Folder::new();
    let root = folder.join("plain");
    for name in ["env/sub", ".git/objects", "module/.git"] {
        fs::create_dir_all(root.join(name)).unwrap();
    }
    fs::write(root.join("env/sub/a.yaml"), "a").unwrap();
    fs::write(root.join("env/large"), vec![0; 2000]).unwrap();
    fs::write(root.join(".git/config"), "").unwrap();
    fs::write(root.join("module/inside"), "").unwrap();
    fs::write(root.join(std::ffi::OsStr::from_bytes(b"caf\xe9")), "").unwrap();
    symlink("/etc", root.join("link")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(root.join("env/socket")).unwrap();
    let limits = Limits { file_bytes: 1000, ..Limits::default() };
    let snapshot = Repository::snapshot_folder(&root, &limits).unwrap();
    assert_eq!(snapshot.commit, None);
    assert_eq!(paths(&snapshot.files), ["env/large", "env/sub/a.yaml", "link", "module"]);
    assert_eq!(snapshot.files[&"link".parse().unwrap()], File::Symlink);
    assert_eq!(snapshot.files[&"module".parse().unwrap()], File::Submodule);
    assert_eq!(snapshot.files[&"env/large".parse().unwrap()], File::TooLarge { size: 2000 });
    assert_eq!(snapshot.unreadable.iter().collect::<Vec<_>>(), [r"caf\xe9", "env/socket"]);
    let missing = Repository::snapshot_folder(&folder.join("missing"), &limits).unwrap_err();
    assert!(missing.to_string().contains("missing") && missing.class() == ErrorClass::NotFound);
}
