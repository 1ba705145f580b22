//! Signatures of commits: read as they are, and made by the person's own programs.
//!
//! Whether a signature is good, and whose it is, is not decided here. Making one needs the private key, which is with
//! `ssh-keygen` (and an agent or security key behind it) or with `gpg`; they are run as git runs them.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::domain::commit::{CommitId, CommitSignature};
use crate::git::access::Access;
use crate::git::error::{GitError, one_line};
use crate::git::repository::{Repository, oid};

/// What a person signs commits with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SigningKey {
    /// The file of an SSH key; the public half is enough where an agent has the other.
    Ssh(PathBuf),
    /// An OpenPGP key, as `gpg` finds it; `None` is its default.
    OpenPgp(Option<String>),
}

impl SigningKey {
    /// The key that git would sign with (`user.signingKey`, `gpg.format`); `None` if none is named.
    pub fn configured(environment: &BTreeMap<String, String>) -> Option<Self> {
        let config = git2::Config::open_default().ok()?;
        let key = config.get_string("user.signingkey").ok().filter(|key| !key.is_empty())?;
        match config.get_string("gpg.format").as_deref().unwrap_or("openpgp") {
            "ssh" => Some(Self::Ssh(at_home(&key, environment))),
            "openpgp" => Some(Self::OpenPgp(Some(key))),
            _ => None,
        }
    }

    /// Signs the bytes of a commit.
    pub(super) fn sign(&self, bytes: &[u8], access: &Access) -> Result<String, GitError> {
        let (program, mut command) = match self {
            Self::Ssh(file) => {
                let mut command = access.program("ssh-keygen");
                command.args(["-Y", "sign", "-n", "git", "-f"]).arg(file);
                ("ssh-keygen", command)
            }
            Self::OpenPgp(key) => {
                let mut command = access.program("gpg");
                command.args(["--detach-sign", "--armor"]);
                command.args(key.iter().flat_map(|key| ["--local-user", key.as_str()]));
                ("gpg", command)
            }
        };
        fed(&mut command, bytes).map_err(|why| GitError::Sign { program, why })
    }
}

/// A path that may begin with `~/`, as git writes it.
fn at_home(path: &str, environment: &BTreeMap<String, String>) -> PathBuf {
    match (path.strip_prefix("~/"), environment.get("HOME")) {
        (Some(rest), Some(home)) => Path::new(home).join(rest),
        _ => PathBuf::from(path),
    }
}

/// Runs a program on these bytes, and answers what it prints.
fn fed(command: &mut Command, bytes: &[u8]) -> Result<String, String> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| error.to_string())?;
    let mut input = child.stdin.take().expect("its input is piped");
    // A program that ends early says why itself.
    let _ = input.write_all(bytes);
    drop(input);
    let ended = child.wait_with_output().map_err(|error| error.to_string())?;
    if ended.status.success() && !ended.stdout.is_empty() {
        return String::from_utf8(ended.stdout).map_err(|error| error.to_string());
    }
    Err(one_line(&ended.stderr))
}

impl Repository {
    /// The signature of a commit; `None` if it has none.
    ///
    /// # Errors
    /// If the commit is not there, or holds bytes that no signature has.
    pub fn signature(&self, commit: &CommitId) -> Result<Option<CommitSignature>, GitError> {
        self.find(commit)?;
        match self.inner.extract_signature(&oid(commit), None) {
            Ok((armored, signed)) => {
                let armored = String::from_utf8_lossy(&armored).into_owned();
                Ok(Some(CommitSignature { armored, signed: signed.to_vec() }))
            }
            Err(error) if error.code() == git2::ErrorCode::NotFound => Ok(None),
            Err(error) => Err(self.failed(format!("read the signature of {}", commit.short()))(error)),
        }
    }
}
