//! A private sshd on loopback, and what `ssh` says when it fails.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use privlink::domain::failure::ErrorClass;
use privlink::git::{Access, GitError, Mirror, Push, RemoteUrl};

use super::{Folder, branch, chain, commit, environment, put, skipped, url};

/// An sshd of our own, with its own keys and configuration.
struct Sshd {
    folder: Folder,
    port: u16,
    child: Child,
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const SSHD: &str = "/usr/sbin/sshd";

impl Sshd {
    /// Starts one; `None` where a program is missing.
    fn start() -> Option<Self> {
        let present =
            |program: &str| Command::new(program).arg("-V").stderr(Stdio::null()).stdout(Stdio::null()).status();
        if !Path::new(SSHD).exists() || present("ssh").is_err() || present("git").is_err() {
            skipped("sshd, ssh or git is not installed");
            return None;
        }
        let folder = Folder::new();
        for name in ["host", "person", "stranger"] {
            let path = folder.join(name).display().to_string();
            let made = Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f", &path]).status();
            assert!(made.unwrap().success());
        }
        fs::copy(folder.join("person.pub"), folder.join("authorized")).unwrap();
        fs::set_permissions(folder.join("authorized"), fs::Permissions::from_mode(0o600)).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let root = folder.0.display();
        let config = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {root}/host\nAuthorizedKeysFile {root}/authorized\n\
             StrictModes no\nUsePAM no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nPidFile none\n"
        );
        fs::write(folder.join("sshd_config"), config).unwrap();
        // sshd insists on this folder, and some machines only make it when the service starts.
        let _ = fs::create_dir_all("/run/sshd");
        let mut command = Command::new(SSHD);
        command.args(["-D", "-e", "-f"]).arg(folder.join("sshd_config"));
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let mut sshd = Self { folder, port, child };
        sshd.trust(Some("host.pub"), "person");
        sshd.wait()
    }

    fn wait(mut self) -> Option<Self> {
        let until = Instant::now() + Duration::from_secs(5);
        while std::net::TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            if Instant::now() > until || self.child.try_wait().unwrap().is_some() {
                skipped("sshd does not start here");
                return None;
            }
            thread::sleep(Duration::from_millis(20));
        }
        Some(self)
    }

    /// Writes the person's ssh configuration: which host key is known, which key is theirs.
    fn trust(&mut self, host: Option<&str>, key: &str) {
        let root = self.folder.0.display();
        let known = host.map(|host| fs::read_to_string(self.folder.join(host)).unwrap()).unwrap_or_default();
        let line = if known.is_empty() { String::new() } else { format!("[127.0.0.1]:{} {known}", self.port) };
        fs::write(self.folder.join("known"), line).unwrap();
        let config =
            format!("Host *\n  UserKnownHostsFile {root}/known\n  IdentityFile {root}/{key}\n  IdentitiesOnly yes\n");
        fs::write(self.folder.join("ssh_config"), config).unwrap();
    }

    /// ssh finds the home folder by the user and not by HOME, so the configuration is named.
    fn access(&self) -> Access {
        let mut environment = environment(&self.folder.0);
        let line = format!("ssh -F {}", self.folder.join("ssh_config").display());
        environment.insert("GIT_SSH_COMMAND".to_owned(), line);
        Access { environment, ..Access::default() }
    }

    fn url(&self, name: &str) -> RemoteUrl {
        url(&format!("ssh://127.0.0.1:{}{}/{name}", self.port, self.folder.0.display()))
    }

    fn mirror(&self, name: &str) -> Mirror {
        Mirror::open(&self.url(name), &self.folder.join("cache"), self.access()).unwrap()
    }
}

// Every operation takes a login, so this is a short form of what the tests of http do.
#[test]
fn a_repository_is_listed_fetched_and_pushed() {
    let Some(sshd) = Sshd::start() else { return };
    sshd.folder.bare("it's.git");
    let main = branch("main");
    let mirror = sshd.mirror("it's.git");
    assert!(mirror.list().unwrap().is_empty());
    let one = commit(mirror.repository(), None, &[put("a/b", "1")]);
    let two = commit(mirror.repository(), None, &[put("a/b", "2")]);
    assert_eq!(mirror.push(&main, None, Some(&one)).unwrap(), Push::Done);
    assert_eq!(mirror.push(&main, None, Some(&two)).unwrap(), Push::Moved);
    assert_eq!(mirror.push(&main, Some(&one), Some(&two)).unwrap(), Push::Done);
    assert_eq!(mirror.list().unwrap()[&main], two);
    let fresh = Mirror::open(mirror.url(), &sshd.folder.join("fresh"), sshd.access()).unwrap();
    assert_eq!(
        fresh.fetch(&[main.clone(), branch("gone")]).unwrap().into_iter().collect::<Vec<_>>(),
        [(main.clone(), two.clone())]
    );
    let file = fresh.repository().read_file(&two, &"a/b".parse().unwrap()).unwrap();
    assert_eq!(file.as_deref(), Some(b"2".as_slice()));
    assert_eq!(fresh.push(&main, Some(&two), None).unwrap(), Push::Done);
}

#[test]
fn failures_of_ssh_are_told_apart() {
    let Some(mut sshd) = Sshd::start() else { return };
    sshd.folder.bare("remote.git");
    let missing = sshd.mirror("missing.git").list().unwrap_err();
    assert!(matches!(missing, GitError::NoRepository { .. }), "{}", chain(&missing));
    let missing = sshd.mirror("missing.git").fetch(&[branch("main")]).unwrap_err();
    assert!(matches!(missing, GitError::NoRepository { .. }), "{}", chain(&missing));

    sshd.trust(Some("host.pub"), "stranger");
    let denied = sshd.mirror("remote.git").list().unwrap_err();
    assert!(matches!(denied, GitError::Denied { .. }) && denied.class() == ErrorClass::Denied, "{}", chain(&denied));

    for host in [None, Some("stranger.pub")] {
        sshd.trust(host, "person");
        let untrusted = sshd.mirror("remote.git").list().unwrap_err();
        assert!(matches!(untrusted, GitError::Untrusted { .. }), "{}", chain(&untrusted));
    }
}

#[test]
fn a_refusing_hook_is_quoted() {
    let Some(sshd) = Sshd::start() else { return };
    sshd.folder.bare("remote.git");
    let hook = sshd.folder.join("remote.git/hooks/pre-receive");
    fs::create_dir_all(hook.parent().unwrap()).unwrap();
    fs::write(&hook, "#!/bin/sh\necho 'no robots' >&2\nexit 1\n").unwrap();
    fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).unwrap();
    let mirror = sshd.mirror("remote.git");
    let one = commit(mirror.repository(), None, &[put("a", "1")]);
    let refused = mirror.push(&branch("main"), None, Some(&one)).unwrap();
    assert!(matches!(&refused, Push::Refused { reason } if reason.contains("no robots")), "{refused:?}");
}

#[test]
fn a_dead_port_and_a_missing_program_fail_quickly() {
    let folder = Folder::new();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let dead = url(&format!("ssh://127.0.0.1:{port}/r.git"));
    let begun = Instant::now();
    let access = Access { environment: environment(&folder.0), ..Access::default() };
    let error = Mirror::open(&dead, &folder.join("cache"), access).unwrap().list().unwrap_err();
    if matches!(error, GitError::Program { .. }) {
        return skipped("ssh is not installed");
    }
    assert!(matches!(error, GitError::Unreachable { .. }) && error.class().is_retryable(), "{}", chain(&error));
    let mut access = Access::default();
    access.environment.insert("PATH".to_owned(), folder.0.display().to_string());
    let error = Mirror::open(&dead, &folder.join("cache"), access).unwrap().list().unwrap_err();
    assert!(error.to_string().contains("`ssh`") && error.to_string().contains("install"), "{}", chain(&error));
    assert!(begun.elapsed() < Duration::from_secs(5));
}
