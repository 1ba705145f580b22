//! Smart HTTP on loopback, plain and with TLS.

use std::ffi::OsStr;
use std::fs;
use std::net::TcpListener;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use privlink::domain::commit::RefName;
use privlink::domain::failure::ErrorClass;
use privlink::domain::secret::Secret;
use privlink::git::{Access, GitError, Limits, Mirror, Push, RemoteUrl};

use super::server::Server;
use super::{Folder, branch, chain, commit, environment, git, put, url};

pub(super) fn token(password: &str) -> Access {
    Access { token: Some(Secret::new(password.to_owned())), ..Access::default() }
}

/// A folder with one served repository.
fn served() -> Option<(Folder, Server)> {
    let folder = Folder::new();
    folder.bare("remote.git");
    let server = Server::start(folder.0.clone())?;
    Some((folder, server))
}

impl Folder {
    pub(super) fn http(&self, address: &str, access: Access) -> Mirror {
        Mirror::open(&url(address), &self.join("cache-http"), access).unwrap()
    }
}

fn refusal(folder: &Folder, address: &str) -> GitError {
    folder.http(address, token("good")).list().unwrap_err()
}

#[test]
fn a_repository_is_listed_fetched_and_pushed() {
    let Some((folder, server)) = served() else { return };
    exercise(&folder, &url(&server.url("remote.git")), &token("good"));
}

/// Every operation, on an empty remote.
pub(super) fn exercise(folder: &Folder, remote: &RemoteUrl, access: &Access) {
    let main = branch("main");
    let lease: RefName = "refs/privlink/lease/prod".parse().unwrap();
    let mirror = Mirror::open(remote, &folder.join("cache-one"), access.clone()).unwrap();
    assert!(mirror.list().unwrap().is_empty());
    assert!(mirror.fetch(std::slice::from_ref(&main)).unwrap().is_empty());
    let one = commit(mirror.repository(), None, &[put("a/b", "1")]);
    let two = commit(mirror.repository(), Some(&one), &[put("a/b", "2")]);
    let three = commit(mirror.repository(), None, &[put("c", "3")]);
    let push = |reference, expected, new| mirror.push(reference, expected, new).unwrap();
    assert_eq!(push(&main, Some(&one), Some(&two)), Push::Moved);
    assert_eq!(push(&main, None, Some(&one)), Push::Done);
    assert_eq!(push(&main, None, Some(&two)), Push::Moved);
    assert_eq!(push(&main, Some(&one), Some(&two)), Push::Done);
    assert_eq!(push(&main, Some(&two), Some(&two)), Push::Done);
    assert_eq!(push(&main, Some(&one), Some(&three)), Push::Moved);
    assert_eq!(push(&lease, None, Some(&one)), Push::Done);
    assert_eq!(push(&lease, Some(&one), Some(&three)), Push::Done, "a lease is no line of descent");
    let refs: Vec<_> = mirror.list().unwrap().into_iter().collect();
    assert_eq!(refs, [(main.clone(), two.clone()), (lease.clone(), three.clone())]);

    let other = Mirror::open(remote, &folder.join("cache-two"), access.clone()).unwrap();
    let found = other.fetch(&[main.clone(), branch("gone"), lease.clone()]).unwrap();
    assert_eq!((found.len(), &found[&main], &found[&lease]), (2, &two, &three));
    assert_eq!(other.repository().snapshot(&two, &Limits::default()).unwrap().files.len(), 1);
    let next = commit(other.repository(), Some(&two), &[put("d", "4")]);
    assert_eq!(other.push(&main, Some(&two), Some(&next)).unwrap(), Push::Done);
    for round in ["what is new", "nothing"] {
        assert_eq!(mirror.fetch(std::slice::from_ref(&main)).unwrap()[&main], next, "brings {round}");
    }
    assert_eq!(push(&lease, Some(&one), None), Push::Moved);
    assert_eq!(push(&lease, Some(&three), None), Push::Done);
    assert_eq!(push(&lease, Some(&three), None), Push::Moved);
    assert_eq!(push(&lease, None, None), Push::Done);
    assert_eq!(mirror.list().unwrap().len(), 1);
}

/// Writers racing for one branch: every file must be there in the end.
fn race(folder: &Folder, remote: &RemoteUrl, access: &Access, writers: usize) {
    let main = branch("main");
    thread::scope(|scope| {
        for writer in 0..writers {
            let (main, mirror) =
                (&main, Mirror::open(remote, &folder.join(&format!("cache-{writer}")), access.clone()));
            scope.spawn(move || {
                let mirror = mirror.unwrap();
                for attempt in 0.. {
                    assert!(attempt < 100, "writer {writer} starves");
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
    let mirror = Mirror::open(remote, &folder.join("cache-0"), access.clone()).unwrap();
    let tip = &mirror.fetch(std::slice::from_ref(&main)).unwrap()[&main];
    assert_eq!(mirror.repository().snapshot(tip, &Limits::default()).unwrap().files.len(), writers);
}

#[test]
fn writers_racing_over_http_lose_nothing() {
    let Some((folder, server)) = served() else { return };
    race(&folder, &url(&server.url("remote.git")), &token("good"), 8);
}

#[test]
fn the_server_decides_even_when_we_saw_the_expected_value() {
    let Some((folder, server)) = served() else { return };
    let mirror = folder.http(&server.url("remote.git"), token("good"));
    let main = branch("main");
    let one = commit(mirror.repository(), None, &[put("a", "1")]);
    let two = commit(mirror.repository(), Some(&one), &[put("a", "2")]);
    assert_eq!(mirror.push(&main, None, Some(&one)).unwrap(), Push::Done);
    // A hook that moves the branch after the comparison in the negotiation: the server's own comparison must count.
    let remote = folder.join("remote.git");
    let thief = git(&remote, &["commit-tree", "-m", "x", "main^{tree}"]).unwrap();
    hook(&remote, "update", &format!("git update-ref refs/heads/main {thief}"));
    assert_eq!(mirror.push(&main, Some(&one), Some(&two)).unwrap(), Push::Moved);
    assert_eq!(mirror.list().unwrap()[&main].as_str(), thief);
}

fn hook(repository: &Path, name: &str, script: &str) {
    let path = repository.join("hooks").join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn hooks_and_rules_of_the_server_refuse_in_their_own_words() {
    let Some((folder, server)) = served() else { return };
    let remote = folder.join("remote.git");
    let mirror = folder.http(&server.url("remote.git"), token("good"));
    let main = branch("main");
    let one = commit(mirror.repository(), None, &[put("a", "1")]);
    let stranger = commit(mirror.repository(), None, &[put("a", "2")]);
    hook(&remote, "pre-receive", "printf 'only \\033[31mrobots may push: cannot lock ref' >&2; exit 1");
    let Push::Refused { reason } = mirror.push(&main, None, Some(&one)).unwrap() else {
        unreachable!("a hook refuses")
    };
    assert!(reason.contains("pre-receive hook declined") && reason.contains("robots may push"), "{reason}");
    assert!(!reason.contains('\u{1b}'), "{reason:?}");

    hook(&remote, "pre-receive", "exit 0");
    assert_eq!(mirror.push(&main, None, Some(&one)).unwrap(), Push::Done);
    git(&remote, &["config", "receive.denyNonFastForwards", "true"]);
    let rewritten = mirror.push(&main, Some(&one), Some(&stranger)).unwrap();
    assert!(matches!(&rewritten, Push::Refused { reason } if reason.contains("non-fast-forward")), "{rewritten:?}");
}

#[test]
fn credentials_come_from_the_token_the_address_or_the_helper() {
    let Some((folder, server)) = served() else { return };
    let address = server.url("remote.git");
    for wrong in [token("hunter2"), Access { environment: environment(&folder.0), ..Access::default() }] {
        let had_token = wrong.token.is_some();
        let error = folder.http(&address, wrong).list().unwrap_err();
        assert_eq!(error.class(), ErrorClass::Denied);
        let text = chain(&error);
        assert!(text.contains("PRIVLINK_GIT_TOKEN") && !text.contains("hunter2"), "{text}");
        assert_eq!(text.contains("wrong or expired"), had_token, "{text}");
    }
    let named = address.replace("http://", "http://user:good@");
    assert!(folder.http(&named, Access::default()).list().unwrap().is_empty());

    let helper = format!(
        "[credential]\n\thelper = \"!f() {{ cat >>{0}/asked; echo username=user; echo password=good; }}; f\"\n",
        folder.0.display()
    );
    fs::write(folder.join(".gitconfig"), helper).unwrap();
    let mirror = folder.http(&address, Access { environment: environment(&folder.0), ..Access::default() });
    assert!(mirror.list().unwrap().is_empty());
    let one = commit(mirror.repository(), None, &[put("a", "1")]);
    assert_eq!(mirror.push(&branch("main"), None, Some(&one)).unwrap(), Push::Done);
    let asked = fs::read_to_string(folder.join("asked")).unwrap();
    assert_eq!(asked.matches("protocol=http\n").count(), 1, "asked once, and told nothing back: {asked}");
}

#[test]
fn a_redirect_is_followed_but_the_token_stays_at_home() {
    let Some((folder, server)) = served() else { return };
    let mirror = folder.http(&server.url("moved/remote.git"), token("good"));
    let one = commit(mirror.repository(), None, &[put("a", "1")]);
    assert_eq!(mirror.push(&branch("main"), None, Some(&one)).unwrap(), Push::Done);
    assert_eq!(mirror.fetch(&[branch("main")]).unwrap().len(), 1);

    let port = server.address.port();
    let before = server.seen().len();
    let error = refusal(&folder, &server.url(&format!("elsewhere/{port}/remote.git")));
    assert!(error.to_string().contains("redirects to localhost") && error.class() == ErrorClass::Denied, "{error}");
    let seen = server.seen().split_off(before);
    let sent: Vec<_> = seen.iter().map(|request| request.authorization.is_some()).collect();
    assert_eq!(sent, [true, false], "{seen:?}");

    for (trick, words) in [("login", "sign in"), ("clear", "without encryption"), ("page", "web page")] {
        let error = refusal(&folder, &server.url(&format!("{trick}/remote.git")));
        assert!(matches!(error, GitError::NotGit { .. }) && error.to_string().contains(words), "{error}");
    }
}

#[test]
fn every_failure_has_its_class_and_a_sentence() {
    let Some((folder, server)) = served() else { return };
    let seconds = |seconds| Some(Duration::from_secs(seconds));
    for (path, class, words) in [
        ("missing.git", ErrorClass::NotFound, "there is no repository at"),
        ("busy/r", ErrorClass::Throttled { retry_after: seconds(7) }, "fewer requests"),
        ("broken/r", ErrorClass::Transient { retry_after: seconds(3) }, "HTTP status 503 (it says: late)"),
        ("forbidden/r", ErrorClass::Denied, "(it says: SAML)"),
    ] {
        let error = refusal(&folder, &server.url(path));
        assert_eq!(error.class(), class, "{error}");
        let text = chain(&error);
        assert!(text.contains(words) && text.contains(path) && !text.contains("good"), "{text}");
        let fetched = folder.http(&server.url(path), token("good")).fetch(&[branch("main")]).unwrap_err();
        assert_eq!(chain(&fetched), text, "fetch says the same as list");
    }
}

#[test]
fn a_dead_port_fails_quickly_and_clearly() {
    let folder = Folder::new();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let begun = Instant::now();
    let address = format!("http://127.0.0.1:{port}/r.git");
    let mirror = folder.http(&address, token("good"));
    for error in [mirror.list().unwrap_err(), mirror.fetch(&[branch("main")]).unwrap_err()] {
        assert!(error.to_string().starts_with(&format!("cannot reach {address}: check")), "{}", chain(&error));
        assert!(chain(&error).contains("refused") && error.class().is_retryable(), "{}", chain(&error));
    }
    assert!(begun.elapsed() < Duration::from_secs(5));
}

#[test]
fn blocking_calls_work_on_a_blocking_thread_of_a_runtime() {
    let Some((folder, server)) = served() else { return };
    let address = server.url("remote.git");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let refs = runtime.block_on(async {
        let work = tokio::task::spawn_blocking(move || {
            let mirror = folder.http(&address, token("good"));
            let refs = mirror.list().unwrap();
            (folder, mirror, refs)
        });
        // The mirror and its client may be dropped anywhere.
        let (_folder, _mirror, refs) = work.await.unwrap();
        refs
    });
    assert!(refs.is_empty());
}

#[test]
fn a_ref_that_is_not_utf8_hurts_nobody() {
    let Some((folder, server)) = served() else { return };
    let mirror = folder.http(&server.url("remote.git"), token("good"));
    let one = commit(mirror.repository(), None, &[put("a", "1")]);
    assert_eq!(mirror.push(&branch("main"), None, Some(&one)).unwrap(), Push::Done);
    let heads = folder.join("remote.git/refs/heads");
    fs::write(heads.join(OsStr::from_bytes(b"caf\xe9")), format!("{one}\n")).unwrap();
    assert_eq!(mirror.list().unwrap().len(), 1);
    assert_eq!(mirror.fetch(&[branch("main")]).unwrap().len(), 1);
    let two = commit(mirror.repository(), Some(&one), &[put("a", "2")]);
    assert_eq!(mirror.push(&branch("main"), Some(&one), Some(&two)).unwrap(), Push::Done);
    let local = folder.mirror(&url(&format!("file://{}", folder.join("remote.git").display())));
    assert_eq!(local.list().unwrap().len(), 1);
}
