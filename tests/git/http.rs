//! Smart HTTP on loopback: `git http-backend` behind a server of a few lines, plain and with TLS.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use privlink::domain::commit::RefName;
use privlink::domain::failure::ErrorClass;
use privlink::domain::secret::Secret;
use privlink::git::{Access, GitError, Limits, Mirror, Push, RemoteUrl};

use super::{Folder, branch, chain, commit, environment, git, put, skipped, url};

/// What a request looked like, as far as tests care.
#[derive(Clone, Debug, PartialEq)]
struct Seen {
    target: String,
    authorization: Option<String>,
}

/// A server of the repositories in a folder. It wants the password `good`, and plays tricks by the first folder of the
/// path. Its threads end with the test process.
struct Server {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Server {
    /// Starts one; `None` without git.
    fn start(root: PathBuf) -> Option<Self> {
        Self::listen(root, |stream| stream)
    }

    fn listen<S: Read + Write>(root: PathBuf, wrap: impl Fn(TcpStream) -> S + Clone + Send + 'static) -> Option<Self> {
        let Ok(output) = Command::new("git").args(["http-backend"]).env_clear().output() else {
            skipped("git is not installed");
            return None;
        };
        if String::from_utf8_lossy(&output.stderr).contains("not a git command") {
            skipped("git http-backend is not installed");
            return None;
        }
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&seen);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (root, log, wrap) = (root.clone(), Arc::clone(&log), wrap.clone());
                thread::spawn(move || {
                    let mut stream = BufReader::new(wrap(stream.unwrap()));
                    // A client that hangs up is part of some tests.
                    let _ = answer(&root, &mut stream, &log);
                });
            }
        });
        Some(Self { address, seen })
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.address)
    }

    fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

fn answer<S: Read + Write>(root: &Path, stream: &mut BufReader<S>, log: &Mutex<Vec<Seen>>) -> std::io::Result<()> {
    let mut line = String::new();
    stream.read_line(&mut line)?;
    let mut words = line.split_whitespace();
    let (Some(method), Some(target)) = (words.next(), words.next()) else { return Ok(()) };
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    let authorization = headers.get("authorization").cloned();
    log.lock().unwrap().push(Seen { target: target.to_owned(), authorization: authorization.clone() });

    let answer = match trick(target) {
        Some(answer) => answer,
        // user:good and x-access-token:good
        None if !matches!(
            authorization.as_deref(),
            Some("Basic dXNlcjpnb29k" | "Basic eC1hY2Nlc3MtdG9rZW46Z29vZA==")
        ) =>
        {
            "401 Unauthorized\r\nwww-authenticate: Basic realm=\"x\"\r\ncontent-length: 0\r\n\r\n"
                .to_owned()
                .into_bytes()
        }
        None => backend(root, method, target, (&headers, &body)),
    };
    let out = stream.get_mut();
    out.write_all(b"HTTP/1.1 ")?;
    // Every answer closes the connection, which spares this server the framing.
    let split = answer.windows(2).position(|pair| pair == b"\r\n").unwrap() + 2;
    out.write_all(&answer[..split])?;
    out.write_all(b"connection: close\r\n")?;
    out.write_all(&answer[split..])?;
    out.flush()
}

fn trick(target: &str) -> Option<Vec<u8>> {
    let rest = |first: &str| target.strip_prefix(first);
    let text = if let Some(rest) = rest("/moved/") {
        format!("302 Found\r\nlocation: /{rest}\r\ncontent-length: 0\r\n\r\n")
    } else if let Some(rest) = rest("/elsewhere/") {
        // `localhost` is the same server under another name, which is another host to whoever holds a token.
        let (port, rest) = rest.split_once('/')?;
        format!("302 Found\r\nlocation: http://localhost:{port}/{rest}\r\ncontent-length: 0\r\n\r\n")
    } else if rest("/login/").is_some() {
        "302 Found\r\nlocation: /signin?return=1\r\ncontent-length: 0\r\n\r\n".to_owned()
    } else if rest("/clear/").is_some() {
        "302 Found\r\nlocation: http://example.com/r/info/refs\r\ncontent-length: 0\r\n\r\n".to_owned()
    } else if rest("/page/").is_some() {
        "200 OK\r\ncontent-type: text/html; charset=utf-8\r\ncontent-length: 6\r\n\r\n<html>".to_owned()
    } else if rest("/busy/").is_some() {
        "429 Too Many\r\nretry-after: 7\r\ncontent-length: 0\r\n\r\n".to_owned()
    } else if rest("/broken/").is_some() {
        "503 Broken\r\nretry-after: 3\r\ncontent-type: text/plain\r\ncontent-length: 4\r\n\r\nlate".to_owned()
    } else if rest("/forbidden/").is_some() {
        "403 No\r\ncontent-type: text/plain\r\ncontent-length: 4\r\n\r\nSAML".to_owned()
    } else {
        return None;
    };
    Some(text.into_bytes())
}

/// Runs `git http-backend` as a web server would.
fn backend(root: &Path, method: &str, target: &str, request: (&BTreeMap<String, String>, &[u8])) -> Vec<u8> {
    let (headers, body) = request;
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut child = Command::new("git")
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("REMOTE_USER", "user")
        .env("PATH_INFO", path)
        .env("QUERY_STRING", query)
        .env("REQUEST_METHOD", method)
        .env("CONTENT_TYPE", headers.get("content-type").cloned().unwrap_or_default())
        .env("CONTENT_LENGTH", body.len().to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let body = body.to_vec();
    // It may not read what it refuses.
    let writer = thread::spawn(move || input.write_all(&body));
    let output = child.wait_with_output().unwrap().stdout;
    let _ = writer.join();
    let status = match output.strip_prefix(b"Status: ") {
        Some(rest) => return rest.to_vec(),
        None => b"200 OK\r\n",
    };
    [status.as_slice(), &output].concat()
}

fn token(password: &str) -> Access {
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
    fn http(&self, address: &str, access: Access) -> Mirror {
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
    hook(&remote, "pre-receive", "echo 'only \033[31mrobots may push: cannot lock ref' >&2; exit 1");
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
    for address in [format!("http://127.0.0.1:{port}/r.git"), format!("https://127.0.0.1:{port}/r.git")] {
        let access = Access { ca_certificates: vec![authority()], ..token("good") };
        let mirror = folder.http(&address, access);
        for error in [mirror.list().unwrap_err(), mirror.fetch(&[branch("main")]).unwrap_err()] {
            assert!(error.to_string().starts_with(&format!("cannot reach {address}: check")), "{}", chain(&error));
            assert!(chain(&error).contains("refused") && error.class().is_retryable(), "{}", chain(&error));
        }
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

/// A certificate authority that nobody uses, so that clients can be built on machines without any.
fn authority() -> Vec<u8> {
    let key = rcgen::KeyPair::generate().unwrap();
    rcgen::CertificateParams::new(Vec::new()).unwrap().self_signed(&key).unwrap().pem().into_bytes()
}

#[test]
fn tls_needs_a_certificate_of_an_authority_we_were_given() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let folder = Folder::new();
    folder.bare("remote.git");
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().self_signed(&key).unwrap();
    let private = rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = rustls::ServerConfig::builder().with_no_client_auth();
    let config = Arc::new(config.with_single_cert(vec![certificate.der().clone()], private).unwrap());
    let wrap =
        move |stream| rustls::StreamOwned::new(rustls::ServerConnection::new(Arc::clone(&config)).unwrap(), stream);
    let Some(server) = Server::listen(folder.0.clone(), wrap) else { return };
    let address = url(&format!("https://{}/remote.git", server.address));
    let trusting = Access { ca_certificates: vec![certificate.pem().into_bytes()], ..token("good") };
    exercise(&folder, &address, &trusting);

    let other = Access { ca_certificates: vec![authority()], ..token("good") };
    let error = Mirror::open(&address, &folder.join("cache"), other).unwrap().list().unwrap_err();
    assert!(matches!(error, GitError::Untrusted { .. }) && error.class() == ErrorClass::Denied, "{}", chain(&error));
    let broken = Access { ca_certificates: vec![b"-----BEGIN CERTIFICATE-----\n!".to_vec()], ..token("good") };
    let error = Mirror::open(&address, &folder.join("cache"), broken).unwrap().list().unwrap_err();
    assert!(matches!(error, GitError::Settings { .. }), "{}", chain(&error));
}

#[test]
fn the_proxy_of_the_lent_environment_is_used_for_https_only() {
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = proxy.local_addr().unwrap();
    let asked = thread::spawn(move || {
        let (stream, _) = proxy.accept().unwrap();
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).unwrap();
        line
    });
    let folder = Folder::new();
    let mut access = Access { ca_certificates: vec![authority()], ..token("good") };
    access.environment.insert("https_proxy".to_owned(), format!("http://{address}"));
    access.environment.insert("NO_PROXY".to_owned(), "direct.invalid".to_owned());
    for direct in ["http://127.0.0.1:9/r.git", "https://direct.invalid/r.git"] {
        let error = folder.http(direct, access.clone()).list().unwrap_err();
        assert!(matches!(error, GitError::Unreachable { .. }), "{}", chain(&error));
    }
    let error = folder.http("https://git.invalid/r.git", access).list().unwrap_err();
    assert!(matches!(error, GitError::Unreachable { .. }), "{}", chain(&error));
    assert_eq!(asked.join().unwrap().trim_end(), "CONNECT git.invalid:443 HTTP/1.1");
}
