//! Git against real remotes: folders, `git http-backend` on loopback, and a private sshd where there is one.

#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "helpers of tests")]

mod history;
mod http;
mod remote;
pub(crate) mod server;
mod snapshot;
mod ssh;
#[cfg(feature = "sim")]
mod tls;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use privlink::domain::commit::{CommitId, FileEdit, Identity, RefName};
use privlink::git::{Access, CommitText, Mirror, RemoteUrl, Repository};

/// A folder that goes with its test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("privlink-git-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path.canonicalize().unwrap())
    }

    fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// A new bare repository.
    fn bare(&self, name: &str) -> RemoteUrl {
        let path = self.join(name);
        git2::Repository::init_bare(&path).unwrap();
        url(&format!("file://{}", path.display()))
    }

    fn mirror(&self, url: &RemoteUrl) -> Mirror {
        Mirror::open(url, &self.join("cache"), Access::default()).unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn url(text: &str) -> RemoteUrl {
    text.parse().unwrap()
}

fn branch(name: &str) -> RefName {
    RefName::branch(name).unwrap()
}

fn text(message: &str) -> CommitText {
    let identity: Identity = "privlink <privlink@example.com>".parse().unwrap();
    CommitText {
        author: identity.clone(),
        committer: identity,
        message: message.to_owned(),
        time: "2026-01-02T03:04:05Z".parse().unwrap(),
    }
}

fn put(path: &str, content: &str) -> FileEdit {
    FileEdit::Put(path.parse().unwrap(), content.as_bytes().to_vec())
}

fn remove(path: &str) -> FileEdit {
    FileEdit::Remove(path.parse().unwrap())
}

fn commit(repository: &Repository, parent: Option<&CommitId>, edits: &[FileEdit]) -> CommitId {
    repository.commit(parent, edits, &text("change")).unwrap().expect("the edits change something")
}

/// The whole chain of an error, as it is shown.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    text
}

/// The environment that is lent to programs.
fn environment(home: &Path) -> BTreeMap<String, String> {
    let path = std::env::var("PATH").unwrap_or_default();
    BTreeMap::from([("PATH".to_owned(), path), ("HOME".to_owned(), home.display().to_string())])
}

/// Runs the real git; `None` if there is none.
fn git(folder: &Path, arguments: &[&str]) -> Option<String> {
    let identity = ["-c", "user.name=Alice", "-c", "user.email=alice@example.com", "-c", "commit.gpgsign=false"];
    let mut command = Command::new("git");
    command.current_dir(folder).args(identity).args(arguments).env("GIT_CONFIG_NOSYSTEM", "1");
    let output = command.output().ok()?;
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn skipped(what: &str) {
    eprintln!("skipped: {what}");
}
