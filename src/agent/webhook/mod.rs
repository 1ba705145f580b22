//! The listener for forges: a push to the config branch gives a sign at once instead of at the next interval.
//!
//! A delivery decides nothing but when to look: what is believed is read from the repository. It must carry the secret, or
//! be signed with it; it is read up to a limit, and counts once. Answers tell a stranger nothing.

mod forge;
mod repository;

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::body::to_bytes;
use axum::extract::State;
use axum::http::Request;
use axum::http::StatusCode;
use axum::routing::post;
use sha2::Digest as _;
use sha2::Sha256;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::sync::mpsc::UnboundedSender;

use crate::agent::schedule::Sign;
use crate::agent::vitals::Vitals;
use crate::agent::vitals::lock;
use crate::domain::secret::Secret;
use forge::Delivery;
use forge::Forge;
use repository::Repository;

/// The largest delivery that is read, in bytes; a push of the largest number of commits that a forge lists is smaller.
pub const LARGEST: usize = 5 << 20;
/// How long a delivery may take to arrive.
const PATIENCE: Duration = Duration::from_secs(10);
/// How many deliveries are read at the same time.
const AT_ONCE: usize = 4;
/// How many deliveries are remembered, to refuse them when they come again.
const REMEMBERED: usize = 2_000;
/// A secret with fewer characters can be guessed.
pub const SHORTEST_SECRET: usize = 16;

/// Where the secret comes from.
#[derive(Debug)]
pub enum SecretSource {
    /// It was given.
    Given(Secret<String>),
    /// A file holds it, and is read for each delivery: a new secret needs no restart.
    File(PathBuf),
}

/// What a webhook is for.
#[derive(Debug)]
pub struct Hook {
    secret: SecretSource,
    repository: Repository,
    /// The config branch, in full; `None` means any branch that is not ours.
    branch: Option<String>,
    seen: Mutex<Seen>,
}

/// What becomes of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The repository is looked at.
    Wakes,
    /// It is genuine, and about something else.
    Ignored,
    /// It was taken before.
    Replayed,
    /// It is nobody's we know, or not what it says.
    Refused,
}

impl Verdict {
    /// One word of a bounded set.
    pub fn word(self) -> &'static str {
        match self {
            Self::Wakes => "wakes",
            Self::Ignored => "ignored",
            Self::Replayed => "replayed",
            Self::Refused => "refused",
        }
    }

    fn status(self) -> StatusCode {
        match self {
            Self::Wakes | Self::Ignored => StatusCode::ACCEPTED,
            Self::Replayed | Self::Refused => StatusCode::FORBIDDEN,
        }
    }
}

impl Hook {
    /// For pushes to a branch of the repository at an address.
    pub fn new(secret: SecretSource, url: &str, branch: Option<&str>) -> Self {
        let full = |branch: &str| format!("refs/heads/{}", branch.strip_prefix("refs/heads/").unwrap_or(branch));
        let (repository, branch) = (Repository::of(url), branch.map(full));
        Self { secret, repository, branch, seen: Mutex::default() }
    }

    /// Judges a delivery. One that is genuine is remembered.
    pub fn judge(&self, headers: &http::HeaderMap, body: &[u8]) -> Verdict {
        let (Some(forge), Some(secret)) = (Forge::of(headers), self.secret()) else { return Verdict::Refused };
        let delivery = Delivery { forge, headers, body };
        // Nothing of the body is read before it is known whose it is.
        if !delivery.is_genuine(&secret) {
            return Verdict::Refused;
        }
        let Some(push) = delivery.read() else { return Verdict::Refused };
        let Some(id) = push.id else { return Verdict::Refused };
        // An id in a header is not signed: who replays a delivery could change it, but not the body.
        let digest = Sha256::digest(body).to_vec();
        if !lock(&self.seen).takes([id.into_bytes(), digest]) {
            return Verdict::Replayed;
        }
        let is_ours = push.repositories.iter().any(|url| Repository::of(url) == self.repository);
        let is_meant = push.refs.iter().any(|name| self.is_meant(name));
        if is_ours && is_meant { Verdict::Wakes } else { Verdict::Ignored }
    }

    fn is_meant(&self, reference: &str) -> bool {
        if let Some(ours) = reference.strip_prefix("refs/heads/privlink/") {
            return ours.starts_with("approvals/");
        }
        match &self.branch {
            Some(branch) => branch == reference,
            None => reference.starts_with("refs/heads/"),
        }
    }

    fn secret(&self) -> Option<Secret<String>> {
        let secret = match &self.secret {
            SecretSource::Given(secret) => secret.expose().clone(),
            SecretSource::File(file) => match std::fs::read_to_string(file) {
                Ok(text) => text.trim_end_matches(['\r', '\n']).to_owned(),
                Err(error) => {
                    tracing::error!(%error, file = %file.display(), "the secret of the webhook cannot be read");
                    return None;
                }
            },
        };
        (secret.len() >= SHORTEST_SECRET).then(|| Secret::new(secret))
    }
}

/// What came in lately.
#[derive(Debug, Default)]
struct Seen(VecDeque<[Vec<u8>; 2]>);

impl Seen {
    /// True if nothing of it was seen before; it is seen from now on.
    fn takes(&mut self, delivery: [Vec<u8>; 2]) -> bool {
        let is_known = self.0.iter().any(|seen| seen[0] == delivery[0] || seen[1] == delivery[1]);
        if !is_known {
            self.0.push_back(delivery);
            self.0.drain(..self.0.len().saturating_sub(REMEMBERED));
        }
        !is_known
    }
}

#[derive(Debug)]
struct Desk {
    hook: Hook,
    signs: UnboundedSender<Sign>,
    vitals: Arc<Vitals>,
    places: Semaphore,
}

/// Serves until its task is aborted.
pub async fn serve(listener: TcpListener, hook: Hook, (signs, vitals): (UnboundedSender<Sign>, Arc<Vitals>)) {
    let desk = Arc::new(Desk { hook, signs, vitals, places: Semaphore::new(AT_ONCE) });
    let router = Router::new().route("/", post(deliver)).with_state(desk);
    if let Err(error) = axum::serve(listener, router).await {
        tracing::error!(%error, "the webhook is not served any more");
    }
}

async fn deliver(State(desk): State<Arc<Desk>>, request: Request<Body>) -> StatusCode {
    // Strangers can fill these places for a while only; meanwhile the interval counts.
    let Ok(_place) = desk.places.try_acquire() else { return StatusCode::SERVICE_UNAVAILABLE };
    let (parts, body) = request.into_parts();
    let body = match tokio::time::timeout(PATIENCE, to_bytes(body, LARGEST)).await {
        Ok(Ok(body)) => body,
        Ok(Err(_)) => return StatusCode::PAYLOAD_TOO_LARGE,
        Err(_) => return StatusCode::REQUEST_TIMEOUT,
    };
    let verdict = desk.hook.judge(&parts.headers, &body);
    tracing::info!(verdict = verdict.word(), "a delivery of the webhook");
    desk.vitals.delivered(verdict.word());
    if verdict == Verdict::Wakes {
        // Nobody takes signs any more only when the agent is gone.
        let _ = desk.signs.send(Sign::Moved);
    }
    verdict.status()
}
