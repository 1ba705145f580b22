//! `git http-backend` behind a web server of a few lines.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use super::skipped;

/// What a request looked like, as far as tests care.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Seen {
    pub(crate) target: String,
    pub(super) authorization: Option<String>,
}

/// How one request goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// It is not served, and there is no answer.
    Hang,
    /// It is served, and there is no answer.
    Withhold,
    /// It is served, and the connection is cut.
    Cut,
    /// The server is in trouble.
    Unavailable,
    /// The server does not let us.
    Forbidden,
    /// The refs are those that were there when the trouble was made.
    Stale,
    /// From now on the credentials are of nobody any more.
    Expired,
    /// From now on the account may not do this any more.
    Revoked,
}

impl Trouble {
    /// True if it stays until somebody ends it.
    fn lasts(self) -> bool {
        matches!(self, Self::Expired | Self::Revoked)
    }
}

/// A trouble in waiting.
#[derive(Debug, Default)]
struct Ahead {
    /// What happens, to which request from now on.
    trouble: Option<(Trouble, usize)>,
    seen: usize,
    is_hit: bool,
    /// The first answer to each target.
    first: BTreeMap<String, Vec<u8>>,
}

impl Ahead {
    /// What happens to the next request.
    fn next(&mut self) -> Option<Trouble> {
        let (trouble, at) = self.trouble?;
        self.seen += 1;
        let is_hit = self.seen == at + 1 || (trouble.lasts() && self.seen > at);
        self.is_hit |= is_hit;
        is_hit.then_some(trouble)
    }
}

/// A server of the repositories in a folder. It wants the password `good`, and plays tricks by the first folder of the
/// path. Its threads end with the test process.
pub(crate) struct Server {
    pub(super) address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    ahead: Arc<Mutex<Ahead>>,
}

impl Server {
    /// Starts one; `None` without git.
    pub(crate) fn start(root: PathBuf) -> Option<Self> {
        Self::listen(root, |stream| stream)
    }

    pub(super) fn listen<S: Read + Write>(
        root: PathBuf,
        wrap: impl Fn(TcpStream) -> S + Clone + Send + 'static,
    ) -> Option<Self> {
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
        let ahead = Arc::new(Mutex::new(Ahead::default()));
        let kept = (Arc::clone(&seen), Arc::clone(&ahead));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (root, kept, wrap) = (root.clone(), kept.clone(), wrap.clone());
                thread::spawn(move || {
                    let mut stream = BufReader::new(wrap(stream.unwrap()));
                    // A client that hangs up is part of some tests.
                    let _ = answer(&root, &mut stream, (&kept.0, &kept.1));
                });
            }
        });
        Some(Self { address, seen, ahead })
    }

    /// Lets a request go wrong: as many from now on come before it.
    pub(crate) fn trouble(&self, trouble: Trouble, after: usize) {
        *self.ahead.lock().unwrap() = Ahead { trouble: Some((trouble, after)), ..Ahead::default() };
    }

    /// Ends the trouble; true if a request met it.
    pub(crate) fn calm(&self) -> bool {
        std::mem::take(&mut *self.ahead.lock().unwrap()).is_hit
    }

    /// True if a request met the trouble.
    pub(crate) fn is_hit(&self) -> bool {
        self.ahead.lock().unwrap().is_hit
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.address)
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

fn answer<S: Read + Write>(
    root: &Path,
    stream: &mut BufReader<S>,
    (log, ahead): (&Mutex<Vec<Seen>>, &Mutex<Ahead>),
) -> std::io::Result<()> {
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

    let trouble = ahead.lock().unwrap().next();
    match trouble {
        // Until the client is gone.
        Some(Trouble::Hang) => return stream.read(&mut [0]).map(drop),
        Some(Trouble::Unavailable) => return send(stream, b"503 Broken\r\ncontent-length: 0\r\n\r\n"),
        Some(Trouble::Expired) => {
            let answer = b"401 Unauthorized\r\nwww-authenticate: Basic realm=\"x\"\r\ncontent-length: 0\r\n\r\n";
            return send(stream, answer);
        }
        Some(Trouble::Forbidden | Trouble::Revoked) => return send(stream, b"403 No\r\ncontent-length: 0\r\n\r\n"),
        _ => {}
    }
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
    let first = if method == "GET" && !answer.starts_with(b"401") {
        ahead.lock().unwrap().first.entry(target.to_owned()).or_insert_with(|| answer.clone()).clone()
    } else {
        answer.clone()
    };
    match trouble {
        Some(Trouble::Withhold) => stream.read(&mut [0]).map(drop),
        Some(Trouble::Cut) => Ok(()),
        Some(Trouble::Stale) => send(stream, &first),
        _ => send(stream, &answer),
    }
}

fn send<S: Read + Write>(stream: &mut BufReader<S>, answer: &[u8]) -> std::io::Result<()> {
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
