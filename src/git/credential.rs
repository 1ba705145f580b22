//! Credentials from the person's Git credential helper.
//!
//! `git credential fill` is asked once, with everything turned off that could open a prompt or a window; nothing is
//! approved or rejected, so the helper's store never changes.

use std::io::{Read as _, Write as _};
use std::process::{Child, Stdio};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use crate::domain::secret::Secret;
use crate::git::access::Access;
use crate::git::http::Credentials;
use crate::git::url::HttpAddress;

/// How long a helper may take; some ask a service of the company.
const PATIENCE: Duration = Duration::from_secs(30);

/// The largest answer that is read, in bytes.
const LARGEST_ANSWER: u64 = 64 << 10;

/// Asks the helper; `None` if there is no git, no helper, or no answer.
pub(super) fn fill(access: &Access, address: &HttpAddress) -> Option<Credentials> {
    let mut git = access.program("git");
    // Outside every repository: its configuration could name a helper of somebody else.
    git.args(["-c", "credential.interactive=false", "credential", "fill"]).current_dir(std::path::Path::new("/"));
    git.env("GIT_TERMINAL_PROMPT", "0").env("GCM_INTERACTIVE", "never");
    // Empty beats `core.askPass` and `SSH_ASKPASS`, which unset would not.
    git.env("GIT_ASKPASS", "").env("LC_ALL", "C");
    git.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = git.spawn().ok()?;
    let answer = ask(&mut child, &question(address)?);
    if answer.is_none() {
        // It hangs, or its answer is of no use.
        let _ = child.kill();
    }
    let _ = child.wait();
    parse(&answer?)
}

fn question(address: &HttpAddress) -> Option<String> {
    let HttpAddress { base, user, password: _ } = address;
    let port = base.port().map(|port| format!(":{port}")).unwrap_or_default();
    let path = base.path().trim_start_matches('/');
    let mut text = format!("protocol={}\nhost={}{port}\npath={path}\n", base.scheme(), base.host_str()?);
    if let Some(user) = user {
        text.push_str(&format!("username={user}\n"));
    }
    text.push('\n');
    Some(text)
}

fn ask(child: &mut Child, question: &str) -> Option<String> {
    child.stdin.take()?.write_all(question.as_bytes()).ok()?;
    let output = child.stdout.take()?;
    let (done, answer) = channel();
    // A thread, because a pipe cannot be read with a time limit; it ends when the child does.
    thread::spawn(move || {
        let mut text = String::new();
        let read = output.take(LARGEST_ANSWER).read_to_string(&mut text);
        // Nobody waits any more when the time is over.
        let _ = done.send(read.map(|_| text));
    });
    answer.recv_timeout(PATIENCE).ok()?.ok()
}

fn parse(answer: &str) -> Option<Credentials> {
    let value = |key: &str| answer.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    let password = value("password").filter(|password| !password.is_empty())?;
    let user = value("username").unwrap_or("x-access-token");
    Some(Credentials { user: user.to_owned(), password: Secret::new(password.to_owned()) })
}
