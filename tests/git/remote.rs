//! Mirrors of folders: list, fetch, and the race for a ref.

use std::fs;
use std::thread;
use std::time::{Duration, SystemTime};

use privlink::domain::commit::{File, RefName};
use privlink::domain::failure::ErrorClass;
use privlink::git::{GitError, Limits, Push, Repository};

use super::{Folder, branch, chain, commit, git, put, skipped, text, url};

#[test]
fn twenty_writers_racing_for_one_branch_lose_nothing() {
    let folder = Folder::new();
    let remote = folder.bare("remote.git");
    let main = branch("main");
    thread::scope(|scope| {
        for writer in 0..20 {
            let (folder, remote, main) = (&folder, &remote, &main);
            scope.spawn(move || {
                // Half of them share one mirror, as processes with one cache folder do.
                let cache = if writer % 2 == 0 { "shared".to_owned() } else { format!("cache-{writer}") };
                let mirror = privlink::git::Mirror::open(remote, &folder.join(&cache), Default::default()).unwrap();
                for attempt in 0.. {
                    assert!(attempt < 200, "writer {writer} starves");
                    let tip = mirror.fetch(std::slice::from_ref(main)).unwrap().remove(main);
                    let new = commit(mirror.repository(), tip.as_ref(), &[put(&format!("files/{writer}"), "x")]);
                    match mirror.push(main, tip.as_ref(), Some(&new)).unwrap() {
                        Push::Done => break,
                        Push::Moved => {}
                        Push::Refused { reason } => unreachable!("{reason}"),
                    }
                }
            });
        }
    });
    let mirror = folder.mirror(&remote);
    let tip = &mirror.fetch(std::slice::from_ref(&main)).unwrap()[&main];
    let snapshot = mirror.repository().snapshot(tip, &Limits::default()).unwrap();
    assert_eq!(snapshot.files.len(), 20, "{:?}", snapshot.files.keys());
    let history = mirror.repository().history(None, tip, 100).unwrap();
    assert_eq!((history.commits.len(), history.complete), (20, true));
}

#[test]
fn an_empty_remote_and_a_missing_branch_are_answers_and_not_errors() {
    let folder = Folder::new();
    let remote = folder.bare("remote.git");
    let mirror = folder.mirror(&remote);
    assert!(mirror.list().unwrap().is_empty());
    assert!(mirror.fetch(&[branch("main")]).unwrap().is_empty());
    assert_eq!(mirror.repository().head().unwrap(), None);

    let new = commit(mirror.repository(), None, &[put("a", "1")]);
    assert_eq!(mirror.push(&branch("main"), None, Some(&new)).unwrap(), Push::Done);
    let found = mirror.fetch(&[branch("main"), branch("gone")]).unwrap();
    assert_eq!(found.into_iter().collect::<Vec<_>>(), [(branch("main"), new)]);
}

#[test]
fn a_ref_is_created_moved_and_deleted_only_from_the_expected_value() {
    let folder = Folder::new();
    let mirror = folder.mirror(&folder.bare("remote.git"));
    let lease: RefName = "refs/privlink/lease/prod".parse().unwrap();
    let one = commit(mirror.repository(), None, &[put("lease", "1")]);
    let two = commit(mirror.repository(), None, &[put("lease", "2")]);
    let push = |expected, new| mirror.push(&lease, expected, new).unwrap();

    assert_eq!(push(Some(&one), Some(&two)), Push::Moved);
    assert_eq!(push(None, None), Push::Done);
    assert_eq!(push(None, Some(&one)), Push::Done);
    assert_eq!(push(None, Some(&two)), Push::Moved);
    // Not a descendant: a lease is no line of descent.
    assert_eq!(push(Some(&one), Some(&two)), Push::Done);
    assert_eq!(push(Some(&one), None), Push::Moved);
    assert_eq!(push(None, None), Push::Moved);
    assert_eq!(mirror.list().unwrap()[&lease], two);
    assert_eq!(push(Some(&two), None), Push::Done);
    assert_eq!(push(Some(&two), None), Push::Moved);
    assert!(mirror.list().unwrap().is_empty());
}

#[test]
fn the_branch_that_somebody_works_on_is_not_moved() {
    let folder = Folder::new();
    let clone = git2::Repository::init(folder.join("work")).unwrap();
    clone.set_head("refs/heads/main").unwrap();
    let mirror = folder.mirror(&url(&format!("file://{}", folder.join("work").display())));
    let new = commit(mirror.repository(), None, &[put("a", "1")]);
    let Push::Refused { reason } = mirror.push(&branch("main"), None, Some(&new)).unwrap() else {
        unreachable!("the branch is checked out");
    };
    assert!(reason.contains("checked out in") && reason.contains("work"), "{reason}");
    assert_eq!(mirror.push(&branch("other"), None, Some(&new)).unwrap(), Push::Done);
}

#[test]
fn a_lock_that_stays_is_told_with_its_file() {
    let folder = Folder::new();
    let mirror = folder.mirror(&folder.bare("remote.git"));
    fs::create_dir_all(folder.join("remote.git/refs/heads")).unwrap();
    fs::write(folder.join("remote.git/refs/heads/main.lock"), "").unwrap();
    let new = commit(mirror.repository(), None, &[put("a", "1")]);
    let error = mirror.push(&branch("main"), None, Some(&new)).unwrap_err();
    assert!(error.to_string().contains("refs/heads/main.lock"), "{error}");
    assert!(error.class().is_retryable());
}

#[test]
fn the_lock_of_a_writer_who_was_killed_holds_up_nobody_where_only_privlink_writes() {
    let folder = Folder::new();
    let mirror = folder.mirror(&folder.bare("remote.git"));
    let new = commit(mirror.repository(), None, &[put("a", "1")]);
    let locked = |name: &str, seconds: u64| {
        let lock = folder.join(&format!("remote.git/refs/{name}.lock"));
        fs::create_dir_all(lock.parent().unwrap()).unwrap();
        let left = SystemTime::now() - Duration::from_secs(seconds);
        fs::File::create(&lock).unwrap().set_modified(left).unwrap();
        mirror.push(&format!("refs/{name}").parse().unwrap(), None, Some(&new)).map_err(|error| error.to_string())
    };
    assert_eq!(locked("privlink/lease/prod", 60), Ok(Push::Done));
    assert_eq!(locked("heads/privlink/status/prod", 60), Ok(Push::Done));
    assert!(locked("privlink/lease/dev", 1).unwrap_err().contains("stays locked"), "it may be alive");
    assert!(locked("heads/main", 60).unwrap_err().contains("stays locked"), "it may be somebody else's");
}

#[test]
fn a_missing_repository_is_named() {
    let folder = Folder::new();
    let mirror = folder.mirror(&url(&format!("file://{}/nothing.git", folder.0.display())));
    let error = mirror.list().unwrap_err();
    assert!(matches!(&error, GitError::NoRepository { .. }), "{}", chain(&error));
    assert!(error.to_string().contains("nothing.git") && error.class() == ErrorClass::NotFound);
}

#[test]
fn a_damaged_cache_is_rebuilt() {
    let folder = Folder::new();
    let remote = folder.bare("remote.git");
    let main = branch("main");
    let new = {
        let mirror = folder.mirror(&remote);
        let new = commit(mirror.repository(), None, &[put("a", "1")]);
        assert_eq!(mirror.push(&main, None, Some(&new)).unwrap(), Push::Done);
        let other = folder.bare("other.git");
        assert!(folder.mirror(&other).list().unwrap().is_empty());
        mirror.fetch(std::slice::from_ref(&main)).unwrap();
        new
    };
    for entry in fs::read_dir(folder.join("cache")).unwrap() {
        let path = entry.unwrap().path();
        fs::remove_dir_all(path.join("objects")).unwrap();
        fs::create_dir(path.join("objects")).unwrap();
        fs::write(path.join("HEAD"), "rubbish").unwrap();
    }
    let mirror = folder.mirror(&remote);
    assert_eq!(mirror.fetch(std::slice::from_ref(&main)).unwrap()[&main], new);
    let file = mirror.repository().read_file(&new, &"a".parse().unwrap()).unwrap();
    assert_eq!(file.as_deref(), Some(b"1".as_slice()));
}

#[test]
fn damage_that_shows_late_is_told_and_mended_by_the_next_run() {
    let folder = Folder::new();
    let remote = folder.bare("remote.git");
    let main = branch("main");
    let writer = privlink::git::Mirror::open(&remote, &folder.join("writer"), Default::default()).unwrap();
    let one = commit(writer.repository(), None, &[put("a", "1"), put("b/c", "2")]);
    assert_eq!(writer.push(&main, None, Some(&one)).unwrap(), Push::Done);
    let mirror = folder.mirror(&remote);
    mirror.fetch(std::slice::from_ref(&main)).unwrap();
    drop(mirror);
    // The commit and its tree stay, the files go: nothing that opening looks at.
    let place = fs::read_dir(folder.join("cache")).unwrap().next().unwrap().unwrap().path();
    fs::remove_dir_all(place.join("objects/pack")).unwrap();
    let raw = git2::Repository::open_bare(&place).unwrap();
    let source = git2::Repository::open_bare(folder.join("remote.git")).unwrap();
    let kept = source.find_commit(git2::Oid::from_str(one.as_str()).unwrap()).unwrap();
    for (id, kind) in [(kept.id(), git2::ObjectType::Commit), (kept.tree_id(), git2::ObjectType::Tree)] {
        raw.odb().unwrap().write(kind, source.odb().unwrap().read(id).unwrap().data()).unwrap();
    }
    let mirror = folder.mirror(&remote);
    mirror.fetch(std::slice::from_ref(&main)).unwrap();
    let error = mirror.repository().snapshot(&one, &Limits::default()).unwrap_err();
    assert!(matches!(error, GitError::Damaged { .. }) && error.class().is_retryable(), "{}", chain(&error));
    let mirror = folder.mirror(&remote);
    mirror.fetch(std::slice::from_ref(&main)).unwrap();
    assert_eq!(mirror.repository().snapshot(&one, &Limits::default()).unwrap().files.len(), 2);
}

#[test]
fn what_we_push_is_sound_to_git() {
    let folder = Folder::new();
    let remote = folder.bare("remote.git");
    let main = branch("main");
    let mirror = folder.mirror(&remote);
    let mut tip = None;
    for round in 0..5 {
        let new = commit(mirror.repository(), tip.as_ref(), &[put(&format!("a/b/{round}"), "x"), put("same", "y")]);
        assert_eq!(mirror.push(&main, tip.as_ref(), Some(&new)).unwrap(), Push::Done);
        tip = Some(new);
    }
    let Some(_) = git(&folder.join("remote.git"), &["fsck", "--strict", "--full"]) else { return skipped("no git") };
    assert_eq!(git(&folder.join("remote.git"), &["rev-list", "--count", "main"]).unwrap(), "5");
    // Refs that git packed are listed, fetched and compared like others.
    git(&folder.join("remote.git"), &["pack-refs", "--all"]);
    let fresh = privlink::git::Mirror::open(&remote, &folder.join("fresh"), Default::default()).unwrap();
    assert_eq!(fresh.fetch(std::slice::from_ref(&main)).unwrap().get(&main), tip.as_ref());
    let next = fresh.repository().commit(tip.as_ref(), &[put("z", "z")], &text("next")).unwrap().unwrap();
    assert_eq!(fresh.push(&main, None, Some(&next)).unwrap(), Push::Moved);
    assert_eq!(fresh.push(&main, tip.as_ref(), Some(&next)).unwrap(), Push::Done);
    let snapshot = fresh.repository().snapshot(&next, &Limits::default()).unwrap();
    assert_eq!(snapshot.files[&"z".parse().unwrap()], File::Bytes(b"z".to_vec()));
}

#[test]
fn a_folder_of_another_owner_is_as_good_as_ours() {
    let folder = Folder::new();
    let root = folder.join("work");
    fs::create_dir_all(&root).unwrap();
    let Some(_) = git(&root, &["init", "-q", "-b", "main"]) else { return skipped("no git") };
    fs::write(root.join("a"), "1").unwrap();
    git(&root, &["add", "."]);
    git(&root, &["commit", "-q", "-m", "first"]);
    for path in [root.clone(), root.join(".git")] {
        if std::os::unix::fs::chown(&path, Some(12345), None).is_err() {
            return skipped("only root can give a folder away");
        }
    }
    let mirror = folder.mirror(&url(&format!("file://{}", root.display())));
    let tip = mirror.fetch(&[branch("main")]).unwrap().remove(&branch("main")).unwrap();
    let next = commit(mirror.repository(), Some(&tip), &[put("b", "2")]);
    assert_eq!(mirror.push(&branch("side"), None, Some(&next)).unwrap(), Push::Done);
    let found = Repository::discover(&root).unwrap().unwrap();
    assert_eq!(found.head().unwrap(), Some(tip));
    assert!(found.changes(&root).unwrap().is_empty());
}

#[test]
fn linked_worktrees_and_missing_suffixes_are_found_as_remotes() {
    let folder = Folder::new();
    folder.bare("remote.git");
    let short = folder.mirror(&url(&format!("file://{}/remote", folder.0.display())));
    assert!(short.list().unwrap().is_empty());
    let root = folder.join("work");
    fs::create_dir_all(&root).unwrap();
    let Some(_) = git(&root, &["init", "-q", "-b", "main"]) else { return skipped("no git") };
    git(&root, &["commit", "-q", "--allow-empty", "-m", "first"]);
    git(&root, &["worktree", "add", "-q", "-b", "side", "../side"]);
    let side = folder.mirror(&url(&format!("file://{}/side", folder.0.display())));
    let tip = side.fetch(&[branch("main")]).unwrap().remove(&branch("main")).unwrap();
    let next = commit(side.repository(), Some(&tip), &[put("a", "1")]);
    for busy in ["main", "side"] {
        let refused = side.push(&branch(busy), Some(&tip), Some(&next)).unwrap();
        assert!(
            matches!(&refused, Push::Refused { reason } if reason.contains("checked out in")),
            "{busy}: {refused:?}"
        );
    }
    // A bare repository inside a working tree is not that working tree.
    git2::Repository::init_bare(root.join("inner.git")).unwrap();
    assert_eq!(Repository::discover(&root.join("inner.git")).unwrap().unwrap().worktree(), None);
    assert_eq!(Repository::discover(&root.join(".git")).unwrap().unwrap().worktree(), None);
}
