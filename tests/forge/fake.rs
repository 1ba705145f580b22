//! What the three fakes share: the world that they speak about, the server, and what goes wrong on order.
//!
//! The dialects are written from the documented endpoints, not from the adapter: a wrong path, verb, header or parameter is
//! refused as the real ones refuse it.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;

use axum::Router;
use axum::body::Body;
use axum::body::Bytes;
use axum::extract::Request;
use axum::extract::State;
use axum::response::Response;
use futures_util::stream;
use serde_json::Value as Json;

/// One moment for everything that has a time.
pub(crate) const WHEN: &str = "2026-11-20T10:00:00Z";

/// A user of the forge.
#[derive(Clone, Debug)]
pub(crate) struct User {
    pub(crate) id: u64,
    pub(crate) login: &'static str,
    pub(crate) is_bot: bool,
    /// What the token may, in the forge's words.
    pub(crate) rights: BTreeSet<&'static str>,
    pub(crate) token: &'static str,
}

#[derive(Clone, Debug)]
pub(crate) struct Pull {
    pub(crate) number: u64,
    pub(crate) author: u64,
    pub(crate) base: String,
    pub(crate) state: &'static str,
    pub(crate) is_fork: bool,
    /// The heads, the last one last.
    pub(crate) heads: Vec<String>,
}

impl Pull {
    pub(crate) fn head(&self) -> &str {
        self.heads.last().unwrap()
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Note {
    pub(crate) id: u64,
    pub(crate) pull: u64,
    pub(crate) author: u64,
    pub(crate) body: String,
    /// How many more requests come before anybody sees it.
    pub(crate) hidden_for: usize,
    /// How often it was written again.
    pub(crate) edits: usize,
}

#[derive(Clone, Debug)]
pub(crate) struct Status {
    pub(crate) id: u64,
    /// The commit, or the pull request and the push.
    pub(crate) of: (String, u64, u64),
    pub(crate) context: String,
    pub(crate) state: String,
    pub(crate) description: Json,
    pub(crate) target: Json,
    pub(crate) by: u64,
    pub(crate) at: String,
}

#[derive(Clone, Debug)]
pub(crate) struct Check {
    pub(crate) id: u64,
    pub(crate) name: String,
    /// The app that made it.
    pub(crate) app: String,
    pub(crate) sha: String,
    pub(crate) external_id: Json,
    pub(crate) conclusion: Json,
    pub(crate) annotations: Vec<Json>,
}

/// A review, in GitHub's words.
#[derive(Clone, Debug)]
pub(crate) struct Verdict {
    pub(crate) pull: u64,
    pub(crate) user: u64,
    pub(crate) state: &'static str,
    pub(crate) commit: String,
    pub(crate) at: String,
}

/// What goes wrong.
#[derive(Clone, Debug)]
pub(crate) enum Trouble {
    /// It is not carried out, and this is the answer.
    Answer(u16, Vec<(&'static str, String)>, Json),
    /// It is carried out, and the connection is cut in the answer.
    Cut,
    /// It is carried out, but nobody sees that before so many more requests; the answer is 502.
    Late(usize),
}

/// What one request asked, and what came of it.
#[derive(Clone, Debug)]
pub(crate) struct Exchange {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) body: Option<Json>,
    pub(crate) status: u16,
    pub(crate) answer: Json,
}

/// The world of a fake.
#[derive(Debug, Default)]
pub(crate) struct World {
    pub(crate) users: Vec<User>,
    pub(crate) pulls: Vec<Pull>,
    pub(crate) notes: Vec<Note>,
    pub(crate) statuses: Vec<Status>,
    pub(crate) checks: Vec<Check>,
    pub(crate) verdicts: Vec<Verdict>,
    /// Verb and part of the path of the request that meets it.
    pub(crate) troubles: Vec<(&'static str, &'static str, Trouble)>,
    pub(crate) log: Vec<Exchange>,
    /// Tokens of an installation that are good; asked for by the app's own assertion.
    pub(crate) installation_tokens: BTreeSet<String>,
    /// The commits that pull requests were merged as, where these are not their heads.
    pub(crate) merges: BTreeMap<u64, String>,
    /// The time, where it matters; else it is always the same.
    pub(crate) clock: Option<fn() -> String>,
    /// When the next token of an installation ends.
    pub(crate) expires_at: String,
    /// The last id that was given out, beyond 1000.
    pub(crate) next_id: u64,
}

impl World {
    /// The time.
    pub(crate) fn now(&self) -> String {
        self.clock.map_or_else(|| WHEN.to_owned(), |clock| clock())
    }

    pub(crate) fn fresh_id(&mut self) -> u64 {
        self.next_id += 1;
        1000 + self.next_id
    }

    pub(crate) fn user(&self, id: u64) -> &User {
        self.users.iter().find(|user| user.id == id).unwrap()
    }

    pub(crate) fn pull(&self, number: u64) -> Option<&Pull> {
        self.pulls.iter().find(|pull| pull.number == number)
    }

    pub(crate) fn pull_mut(&mut self, number: u64) -> &mut Pull {
        self.pulls.iter_mut().find(|pull| pull.number == number).unwrap()
    }

    /// The comments that anybody sees, in the order in which they were written.
    pub(crate) fn seen_notes(&self, pull: u64) -> impl Iterator<Item = &Note> {
        self.notes.iter().filter(move |note| note.pull == pull && note.hidden_for == 0)
    }

    pub(crate) fn write_note(&mut self, pull: u64, author: u64, body: &str) -> u64 {
        let id = self.fresh_id();
        self.notes.push(Note { id, pull, author, body: body.to_owned(), hidden_for: 0, edits: 0 });
        id
    }

    /// The requests that write.
    pub(crate) fn writes(&self) -> Vec<String> {
        let is_write = |own: &&Exchange| own.method != "GET" && !own.path.ends_with("/graphql");
        self.log.iter().filter(is_write).map(|own| format!("{} {} {}", own.method, own.path, own.status)).collect()
    }
}

/// A request as the dialects look at it.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) method: String,
    /// The segments of the path, decoded.
    pub(crate) path: Vec<String>,
    pub(crate) query: BTreeMap<String, String>,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Option<Json>,
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(String::as_str).unwrap_or_default()
    }

    pub(crate) fn param(&self, name: &str) -> &str {
        self.query.get(name).map(String::as_str).unwrap_or_default()
    }

    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        self.body.as_ref()?.get(key)?.as_str()
    }

    /// The verb and the path, for matching.
    pub(crate) fn route(&self) -> (&str, Vec<&str>) {
        (&self.method, self.path.iter().map(String::as_str).collect())
    }
}

/// What a fake says.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Json,
}

impl Answer {
    pub(crate) fn new(status: u16, body: Json) -> Self {
        Self { status, headers: Vec::new(), body }
    }
}

pub(crate) type Dialect = fn(&mut World, &Asked) -> Answer;

/// A server on loopback.
#[derive(Clone)]
pub(crate) struct Fake {
    pub(crate) address: String,
    world: Arc<Mutex<World>>,
}

#[derive(Clone)]
struct Desk {
    world: Arc<Mutex<World>>,
    dialect: Dialect,
}

impl Fake {
    pub(crate) async fn start(dialect: Dialect, world: World) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let world = Arc::new(Mutex::new(world));
        let router = Router::new().fallback(serve).with_state(Desk { world: Arc::clone(&world), dialect });
        tokio::spawn(async { axum::serve(listener, router).await });
        Self { address, world }
    }

    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }

    /// Lets the next request of this verb, with this in its path, go wrong.
    pub(crate) fn trouble(&self, method: &'static str, path: &'static str, trouble: Trouble) {
        self.world().troubles.push((method, path, trouble));
    }
}

fn decoded(text: &str) -> String {
    let url = reqwest::Url::parse(&format!("http://x/?x={}", text.replace('+', "%2B"))).unwrap();
    url.query_pairs().next().unwrap().1.into_owned()
}

async fn serve(State(desk): State<Desk>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let (path, query) = (parts.uri.path().to_owned(), parts.uri.query().unwrap_or_default().to_owned());
    let pair = |text: &str| {
        let (name, value) = text.split_once('=').unwrap_or((text, ""));
        (decoded(name), decoded(&value.replace('+', " ")))
    };
    let asked = Asked {
        method: parts.method.to_string(),
        path: path.split('/').skip(1).map(decoded).collect(),
        query: query.split('&').filter(|text| !text.is_empty()).map(pair).collect(),
        headers: parts
            .headers
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
            .collect(),
        body: if body.is_empty() { None } else { Some(serde_json::from_slice(&body).unwrap()) },
    };
    let mut world = desk.world.lock().unwrap();
    for note in &mut world.notes {
        note.hidden_for = note.hidden_for.saturating_sub(1);
    }
    let is_met = |own: &(&str, &str, Trouble)| own.0 == asked.method && path.contains(own.1);
    let met = world.troubles.iter().position(is_met).map(|at| world.troubles.remove(at).2);
    let mut is_cut = false;
    let answer = match met {
        Some(Trouble::Answer(status, headers, body)) => Answer { status, headers, body },
        Some(Trouble::Cut) => {
            is_cut = true;
            (desk.dialect)(&mut world, &asked)
        }
        Some(Trouble::Late(requests)) => {
            let before = world.notes.len();
            (desk.dialect)(&mut world, &asked);
            world.notes.iter_mut().skip(before).for_each(|note| note.hidden_for = requests + 1);
            Answer::new(502, Json::Null)
        }
        None => (desk.dialect)(&mut world, &asked),
    };
    let Answer { status, headers, body: answer } = answer;
    world.log.push(Exchange { method: asked.method, path, query, body: asked.body, status, answer: answer.clone() });
    let mut response = Response::builder().status(status).header("content-type", "application/json");
    for (name, value) in headers {
        response = response.header(name, value);
    }
    let body = match status {
        204 => Body::empty(),
        _ if is_cut => Body::from_stream(stream::once(async { Err::<Bytes, _>(std::io::Error::other("cut")) })),
        _ => Body::from(answer.to_string()),
    };
    response.body(body).unwrap()
}
