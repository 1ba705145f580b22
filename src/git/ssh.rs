//! The ssh transport: runs the person's own `ssh`, so that configuration, known hosts, agent and keys just work.
//!
//! It never asks: `BatchMode` turns every question into an error. What `ssh` writes to its standard error is the only
//! account of a failure there is, and is read when the stream ends early.

use std::io::{self, Read, Write};
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crate::git::access::Access;
use crate::git::error::{GitError, one_line};
use crate::git::session::{LARGEST_ANSWER, Session, lock};
use crate::git::url::{RemoteUrl, SshAddress};

/// The longest one exchange may take, fetching everything for the first time included.
const DEADLINE: Duration = Duration::from_secs(600);

/// How long `ssh` may take to end and say why, once its stream has ended.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// The most bytes of standard error that are kept.
const KEPT_ERRORS: usize = 16 << 10;

/// A running `ssh`.
pub(super) struct SshChild {
    child: Arc<Mutex<Child>>,
    errors: Arc<Mutex<Vec<u8>>>,
    reader: thread::JoinHandle<()>,
    overdue: Arc<AtomicBool>,
    /// Dropping it tells the watch that the exchange is over.
    _over: Sender<()>,
}

/// Both directions of the conversation with the program on the server.
pub(super) struct SshStream {
    input: ChildStdin,
    output: ChildStdout,
    left: u64,
    session: Arc<Session>,
}

/// Starts `ssh` with the program on the other side.
pub(super) fn open(session: &Arc<Session>, address: &SshAddress, program: &str) -> Result<SshStream, GitError> {
    let url = &session.endpoint.url;
    let mut command = command(&session.endpoint.access, address, program);
    let failed = |source| GitError::Program {
        program: command_name(&session.endpoint.access).to_owned(),
        url: url.to_string(),
        source,
    };
    let mut child = command.spawn().map_err(failed)?;
    let piped = "the three streams were piped";
    let (input, output) = (child.stdin.take().expect(piped), child.stdout.take().expect(piped));
    let errors = child.stderr.take().expect(piped);
    *lock(&session.child) = Some(SshChild::watch(child, errors));
    Ok(SshStream { input, output, left: LARGEST_ANSWER, session: Arc::clone(session) })
}

/// What is run, for messages: the words of `GIT_SSH_COMMAND` may hold anything.
fn command_name(access: &Access) -> &'static str {
    if access.variable("GIT_SSH_COMMAND").is_some() { "sh" } else { "ssh" }
}

fn command(access: &Access, address: &SshAddress, program: &str) -> Command {
    let SshAddress { user, host, port, path } = address;
    let mut command = access.program(command_name(access));
    if let Some(line) = access.variable("GIT_SSH_COMMAND") {
        // As git does: the line is the runner's own and may hold options, so a shell splits it.
        command.arg("-c").arg(format!("{line} \"$@\"")).arg(line);
    }
    for option in ["BatchMode=yes", "ConnectTimeout=10", "ServerAliveInterval=15", "ServerAliveCountMax=4"] {
        command.args(["-o", option]);
    }
    if let Some(port) = port {
        command.args(["-p", &port.to_string()]);
    }
    command.arg(user.as_ref().map_or_else(|| host.clone(), |user| format!("{user}@{host}")));
    // The other side's shell reads this; inside single quotes only a single quote means anything.
    command.arg(format!("{program} '{}'", path.replace('\'', r"'\''")));
    command.env("SSH_ASKPASS_REQUIRE", "never").env("LC_ALL", "C");
    // A group of its own: Ctrl-C in a terminal must not break off a push that we are finishing.
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

impl SshChild {
    fn watch(child: Child, stderr: ChildStderr) -> Self {
        let child = Arc::new(Mutex::new(child));
        let errors = Arc::new(Mutex::new(Vec::new()));
        let overdue = Arc::new(AtomicBool::new(false));
        let (over, ended) = channel::<()>();
        let reader = thread::spawn({
            let errors = Arc::clone(&errors);
            move || keep(stderr, &errors)
        });
        thread::spawn({
            let (child, overdue) = (Arc::clone(&child), Arc::clone(&overdue));
            move || {
                // An answer or a hang-up both mean that the exchange is over; only silence means that it hangs.
                if ended.recv_timeout(DEADLINE) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
                    overdue.store(true, Ordering::SeqCst);
                    // It may have ended by itself just now, and then there is nothing to end.
                    let _ = lock(&child).kill();
                }
            }
        });
        Self { child, errors, reader, overdue, _over: over }
    }

    /// Why `ssh` ended early; `None` if it did not.
    pub(super) fn failure(self, url: &RemoteUrl) -> Option<GitError> {
        if self.overdue.load(Ordering::SeqCst) {
            return Some(GitError::Timeout { url: url.to_string(), limit: DEADLINE });
        }
        let until = Instant::now() + LAST_WORDS;
        let ended = wait(until, || lock(&self.child).try_wait().ok().flatten())?;
        wait(until, || self.reader.is_finished().then_some(()));
        let errors = lock(&self.errors).clone();
        (!ended.success()).then(|| explain(url, &errors))
    }
}

impl Drop for SshChild {
    fn drop(&mut self) {
        // Its stream is closed by now, so it ends by itself once the server's hooks have run; one that does not would
        // stay for ever.
        if wait(Instant::now() + LAST_WORDS, || lock(&self.child).try_wait().ok().flatten()).is_none() {
            let mut child = lock(&self.child);
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn wait<T>(until: Instant, mut ready: impl FnMut() -> Option<T>) -> Option<T> {
    loop {
        match ready() {
            Some(value) => return Some(value),
            None if Instant::now() >= until => return None,
            None => thread::sleep(Duration::from_millis(10)),
        }
    }
}

/// Keeps the start of what `ssh` says, and drains the rest so that it never blocks.
fn keep(mut stderr: ChildStderr, errors: &Mutex<Vec<u8>>) {
    let mut buffer = [0; 1024];
    while let Ok(count @ 1..) = stderr.read(&mut buffer) {
        let mut errors = lock(errors);
        let room = KEPT_ERRORS.saturating_sub(errors.len());
        errors.extend_from_slice(&buffer[..count.min(room)]);
    }
}

/// How OpenSSH, GitHub, GitLab and Azure DevOps say that this key may not do that.
const REFUSALS: [&str; 7] = [
    "Permission denied",
    "Too many authentication failures",
    "ccess denied",
    "denied to ",
    "not granted",
    "not allowed",
    "read only",
];

/// Reads the words of OpenSSH and of the Git servers behind it.
fn explain(url: &RemoteUrl, errors: &[u8]) -> GitError {
    let server = one_line(errors);
    let says = |words: &[&str]| words.iter().any(|word| server.contains(word));
    let (shown, source) = (url.to_string(), || server.clone().into());
    if says(&["Host key verification failed", "REMOTE HOST IDENTIFICATION HAS CHANGED"]) {
        let next = "compare its host key with the one its owner publishes, and put that into known_hosts";
        return GitError::Untrusted { url: shown, next, source: source() };
    }
    if says(&["does not appear to be a git repository", "epository not found", "could not be found", "not exist"]) {
        return GitError::NoRepository { url: shown, server };
    }
    if says(&REFUSALS) {
        let next = "load a key that the server knows into the ssh agent, or name it in ~/.ssh/config".to_owned();
        return GitError::Denied { url: shown, next, server };
    }
    if says(&["ommand not found", "git-upload-pack: not found", "git-receive-pack: not found"]) {
        let why = format!("its server said: {server}");
        return GitError::NotGit { url: shown, why };
    }
    GitError::Unreachable { url: shown, source: source() }
}

impl Read for SshStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            let url = self.session.endpoint.url.to_string();
            self.session.fail(GitError::TooLarge { url, limit: LARGEST_ANSWER });
            return Err(io::Error::other("the answer is too large"));
        }
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let count = self.output.read(&mut buffer[..most])?;
        self.left -= count as u64;
        Ok(count)
    }
}

impl Write for SshStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.input.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.input.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::failure::ErrorClass;
    use crate::git::url::Address;

    #[test]
    fn the_command_asks_nothing_and_quotes_the_path() {
        let url: RemoteUrl = "ssh://git@host:2222/a'b;rm%20-rf".parse().unwrap();
        let Address::Ssh(address) = url.0 else { unreachable!("an ssh address") };
        let command = command(&Access::default(), &address, "git-upload-pack");
        let arguments: Vec<_> = command.get_args().filter_map(|argument| argument.to_str()).collect();
        assert_eq!(arguments[..2], ["-o", "BatchMode=yes"]);
        assert_eq!(arguments[8..], ["-p", "2222", "git@host", r"git-upload-pack '/a'\''b;rm -rf'"]);
    }

    #[test]
    fn the_words_of_servers_are_sorted() {
        let url: RemoteUrl = "git@host:r.git".parse().unwrap();
        let transient = ErrorClass::Transient { retry_after: None };
        for (words, class) in [
            ("git@host: Permission denied (publickey).", ErrorClass::Denied),
            ("ERROR: Permission to o/r.git denied to bob.", ErrorClass::Denied),
            ("ERROR: Write access to repository not granted.", ErrorClass::Denied),
            ("Host key verification failed.", ErrorClass::Denied),
            ("ERROR: Repository not found.", ErrorClass::NotFound),
            ("fatal: '/r' does not appear to be a git repository", ErrorClass::NotFound),
            ("bash: line 1: git-upload-pack: command not found", ErrorClass::Invalid),
            ("ssh: Could not resolve hostname host: Name or service not known", transient),
            ("kex_exchange_identification: Connection closed by remote host", transient),
        ] {
            assert_eq!(explain(&url, words.as_bytes()).class(), class, "{words}");
        }
    }
}
