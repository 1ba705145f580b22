//! Whose signature it is: SSH and OpenPGP, by people of the authority, by strangers, and over other bytes.

use std::path::Path;
use std::process::Command;
use std::process::Stdio;

use jiff::Timestamp;
use privlink::approval::signature::signer;
use privlink::desired::policy::Approver;
use privlink::desired::policy::Keys;
use privlink::desired::policy::Policy;
use privlink::domain::commit::CommitSignature;

use crate::support::case::Case;
use crate::support::signing::OpenPgp;
use crate::support::signing::Ssh;
use crate::support::signing::has;
use crate::support::signing::over;

const COMMIT: &[u8] = b"tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n\nan approval\n";

/// Alice has an SSH key, Bob an OpenPGP key, and a forge may sign changes.
fn policy() -> Policy {
    let mut policy = Case::shop().resolve().policy;
    let person = |keys: Keys| Approver { keys, ..Approver::default() };
    let alice = Keys { ssh: Some(format!("{} alice", Ssh::of(1).public())), openpgp: None };
    let bob = Keys { ssh: None, openpgp: Some(OpenPgp::of(2).public()) };
    policy.approvers = [("alice".parse().unwrap(), person(alice)), ("bob".parse().unwrap(), person(bob))].into();
    let forge = Keys { ssh: Some(Ssh::of(3).public()), openpgp: None };
    policy.committers = [("forge".parse().unwrap(), forge)].into();
    policy
}

/// What is said of a commit with this signature.
fn told(signature: Option<&CommitSignature>) -> String {
    told_by(&policy(), signature, Timestamp::now())
}

fn told_by(policy: &Policy, signature: Option<&CommitSignature>, now: Timestamp) -> String {
    match signer(signature, policy, now) {
        Ok(signer) => format!("is signed by {signer}"),
        Err(why) => why.to_string(),
    }
}

#[test]
fn a_signature_tells_who_made_a_commit() {
    let told = |armored: String| told(over(COMMIT, armored).as_ref());
    assert_eq!(told(Ssh::of(1).sign("git", COMMIT)), "is signed by alice");
    assert_eq!(told(Ssh::of(3).sign("git", COMMIT)), "is signed by forge");
    assert_eq!(told(OpenPgp::of(2).sign(COMMIT)), "is signed by bob");
    assert_eq!(told(OpenPgp::of(2).sign_by_subkey(COMMIT)), "is signed by bob");
}

#[test]
fn a_signature_that_tells_nothing_says_why() {
    let other = b"tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n\nanother one\n";
    let told_of = |armored: String| told(over(COMMIT, armored).as_ref());
    let fingerprint = "SHA256:";
    assert_eq!(told(None), "is not signed");
    assert!(told_of(Ssh::of(9).sign("git", COMMIT)).contains(fingerprint));
    assert!(told_of(OpenPgp::of(9).sign(COMMIT)).starts_with("is signed by a key that nobody here has ("));
    let wrong = "has a signature of alice that does not fit what it holds";
    assert_eq!(told_of(Ssh::of(1).sign("git", other)), wrong);
    assert_eq!(told_of(OpenPgp::of(2).sign(other)), wrong.replace("alice", "bob"));
    let file = "has a signature of alice that was made for \"file\", not for git";
    assert_eq!(told_of(Ssh::of(1).sign("file", COMMIT)), file);
    for armored in ["", "-----BEGIN SIGNED MESSAGE-----\nMIIC\n-----END SIGNED MESSAGE-----\n"] {
        assert_eq!(told_of(armored.to_owned()), "has a signature that is neither SSH's nor OpenPGP's");
    }
}

#[test]
fn no_byte_of_a_signed_commit_can_be_changed_without_notice() {
    for armored in [Ssh::of(1).sign("git", COMMIT), OpenPgp::of(2).sign(COMMIT)] {
        for at in 0..COMMIT.len() {
            let mut changed = COMMIT.to_vec();
            changed[at] ^= 1;
            let told = told(over(&changed, armored.clone()).as_ref());
            assert!(told.ends_with("that does not fit what it holds"), "{at}: {told}");
        }
    }
}

#[test]
fn no_letter_of_a_signature_itself_can_be_changed_without_notice() {
    let armored = Ssh::of(1).sign("git", COMMIT);
    let end = armored.rfind("=\n-----END").unwrap();
    // 64 bytes at the end are the signature proper.
    for at in (end - 84..end - 1).filter(|at| armored.as_bytes()[*at].is_ascii_alphanumeric()) {
        let mut changed = armored.clone().into_bytes();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        let told = told(over(COMMIT, String::from_utf8(changed).unwrap()).as_ref());
        assert!(!told.starts_with("is signed by alice"), "{at}: {told}");
    }
}

#[test]
fn a_key_of_nobody_and_a_damaged_signature_are_no_person() {
    let policy = Policy { approvers: [].into(), committers: [].into(), ..policy() };
    let signature = over(COMMIT, Ssh::of(1).sign("git", COMMIT));
    assert!(told_by(&policy, signature.as_ref(), Timestamp::now()).contains("nobody here has"));
}

#[test]
fn what_ssh_keygen_signs_is_verified() {
    if !has("ssh-keygen") {
        return;
    }
    let folder = Scratch::new("ssh");
    for kind in [["ed25519", ""], ["ecdsa", "256"], ["ecdsa", "384"], ["ecdsa", "521"], ["rsa", "3072"]] {
        let key = folder.path().join(kind.concat());
        let mut make = Command::new("ssh-keygen");
        make.args(["-q", "-t", kind[0], "-N", "", "-C", "carol", "-f"]).arg(&key);
        if !kind[1].is_empty() {
            make.args(["-b", kind[1]]);
        }
        assert!(make.status().unwrap().success());
        let public = std::fs::read_to_string(key.with_extension("pub")).unwrap();
        let mut policy = policy();
        let keys = Keys { ssh: Some(public.trim().to_owned()), openpgp: None };
        policy.approvers.insert("carol".parse().unwrap(), Approver { keys, ..Approver::default() });
        let armored = fed(Command::new("ssh-keygen").args(["-q", "-Y", "sign", "-n", "git", "-f"]).arg(&key));
        let told = told_by(&policy, over(COMMIT, armored).as_ref(), Timestamp::now());
        assert_eq!(told, "is signed by carol", "{kind:?}");
    }
}

#[test]
fn what_gpg_signs_is_verified_until_the_key_ends() {
    if !has("gpg") {
        return;
    }
    let folder = Scratch::new("gpg");
    let gpg = || {
        let mut command = Command::new("gpg");
        command.arg("--homedir").arg(folder.path()).args(["--batch", "--quiet", "--passphrase", "", "--armor"]);
        command
    };
    let made = gpg().args(["--quick-generate-key", "Carol <carol@example.com>", "ed25519", "sign", "2d"]).status();
    assert!(made.unwrap().success());
    let public = String::from_utf8(gpg().args(["--export", "carol@example.com"]).output().unwrap().stdout).unwrap();
    let armored = fed(gpg().args(["--detach-sign", "--local-user", "carol@example.com"]));
    let mut policy = policy();
    let keys = Keys { ssh: None, openpgp: Some(public) };
    policy.approvers.insert("carol".parse().unwrap(), Approver { keys, ..Approver::default() });
    let signature = over(COMMIT, armored);
    let now = Timestamp::now();
    assert_eq!(told_by(&policy, signature.as_ref(), now), "is signed by carol");
    let later = now + jiff::SignedDuration::from_hours(49);
    assert_eq!(told_by(&policy, signature.as_ref(), later), "is signed by a key of carol that is expired");
    let public = revoked(&folder, &gpg);
    policy.approvers.get_mut(&"carol".parse().unwrap()).unwrap().keys.openpgp = Some(public);
    assert_eq!(told_by(&policy, signature.as_ref(), now), "is signed by a key of carol that is revoked");
    // The agent that gpg started ends with its folder's socket.
    let _ = Command::new("gpgconf").arg("--homedir").arg(folder.path()).args(["--kill", "all"]).status();
}

/// The public key, once the certificate that gpg made beside it is used.
fn revoked(folder: &Scratch, gpg: &dyn Fn() -> Command) -> String {
    let certificates = std::fs::read_dir(folder.path().join("openpgp-revocs.d")).unwrap();
    let certificate = certificates.map(|entry| entry.unwrap().path()).next().unwrap();
    // gpg puts a colon before the armor, so that nobody uses it by mistake.
    let text = std::fs::read_to_string(&certificate).unwrap().replace(":-----BEGIN", "-----BEGIN");
    std::fs::write(&certificate, text).unwrap();
    assert!(gpg().arg("--import").arg(&certificate).status().unwrap().success());
    String::from_utf8(gpg().args(["--export", "carol@example.com"]).output().unwrap().stdout).unwrap()
}

/// Runs a program that signs the commit.
fn fed(command: &mut Command) -> String {
    use std::io::Write as _;
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(COMMIT).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

/// A folder with a short name, as sockets of an agent need, that goes with its test.
struct Scratch(std::path::PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("privlink-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        #[cfg(unix)]
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
        Self(path)
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
