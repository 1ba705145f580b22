//! What the agent knows, as pages for a browser: HTML that needs no script and loads nothing but its own style sheet.
//!
//! A page of an environment has two parts. Its body is written once after a pass: the plan and whom it hits, drift, the
//! picture, documents, history. Its head says how old that is, and is written for each request.

mod html;
mod pending;
mod picture;
mod record;
mod tables;
#[cfg(test)]
mod tests;
mod tone;
mod topology;

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::approval::Missing;
use crate::domain::commit::CommitId;
use crate::domain::commit::RepoPath;
use crate::domain::name::EnvironmentName;
use crate::plan::Plan;
use crate::render::affected;
use crate::render::age::age;
use crate::render::count;
use crate::render::shown::Details;
use crate::status::StatusDocument;
use crate::status::document::PendingPlan;
use html::Element;
pub use html::Html;
use html::el;
use tone::Tone;
use tone::badge;
use tone::time;

/// The style sheet of every page, at `/style.css`.
pub const STYLE: &str = include_str!("style.css");
/// The icon of every page, at `/icon.svg`.
pub const ICON: &str = "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 16 16\"><rect width=\"16\" height=\"16\" \
                        rx=\"3\" fill=\"#1f5f8b\"/><path d=\"M3 8h4M9 8h4\" stroke=\"#fff\" stroke-width=\"2\"/><circle \
                        cx=\"8\" cy=\"8\" r=\"2\" fill=\"#fff\"/></svg>\n";

/// How an environment is, in one word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// No pass has ended yet.
    #[default]
    Unseen,
    /// Everything is as the repository asks.
    Settled,
    /// A plan waits for approval.
    Waits,
    /// A plan lacks nothing but the time.
    Closed,
    /// The plan is incomplete, or nothing of it can be applied.
    Stuck,
    /// A plan is being applied.
    Applying,
    /// A plan was applied.
    Applied,
    /// Some steps of a plan were applied and some were not.
    InPart,
    /// The files have errors.
    Invalid,
    /// The pass failed.
    Failed,
}

impl State {
    fn badge(self) -> Element {
        let (tone, word) = match self {
            Self::Unseen => (Tone::Unknown, "no pass yet"),
            Self::Settled => (Tone::Good, "as Git says"),
            Self::Waits => (Tone::Warn, "waits for approval"),
            Self::Closed => (Tone::Note, "waits for its time"),
            Self::Stuck => (Tone::Warn, "stuck"),
            Self::Applying => (Tone::Note, "applying"),
            Self::Applied => (Tone::Good, "applied"),
            Self::InPart => (Tone::Warn, "applied in part"),
            Self::Invalid => (Tone::Bad, "files have errors"),
            Self::Failed => (Tone::Bad, "failed"),
        };
        badge(tone, word)
    }

    fn sentence(self) -> &'static str {
        match self {
            Self::Unseen => "No pass has ended since the agent was started.",
            Self::Settled => "Everything is as the repository asks.",
            Self::Waits => "A plan waits for approval: nothing is changed before.",
            Self::Closed => "A plan that is approved waits until changes are allowed again.",
            Self::Stuck => "Something could not be read, or nothing of the plan can be applied.",
            Self::Applying => "A plan is being applied; what is shown below was seen before.",
            Self::Applied => "A plan was applied.",
            Self::InPart => "A plan was applied in part: the history says which steps are missing.",
            Self::Invalid => "The files have errors: nothing is done before they are mended.",
            Self::Failed => "The last pass failed and is tried again.",
        }
    }
}

/// An environment at a glance.
#[derive(Clone, Debug, Default)]
pub struct Glance {
    /// How it is.
    pub state: State,
    /// What is wrong, in as many lines as it takes.
    pub problem: Option<String>,
    /// When its last pass ended.
    pub passed_at: Option<Timestamp>,
    /// The commit of that pass.
    pub commit: Option<CommitId>,
    /// When it was last applied something.
    pub applied_at: Option<Timestamp>,
    /// How many documents are ready, and how many there are.
    pub ready: (usize, usize),
    /// The plan that waits.
    pub pending: Option<PendingPlan>,
    /// In how many places it differs from Git without a commit that asks for it.
    pub drift: usize,
    /// How many areas could not be read.
    pub gaps: usize,
}

/// What the body of a page is made from.
pub struct Known<'a> {
    /// The status documents.
    pub documents: &'a BTreeMap<RepoPath, StatusDocument>,
    /// The plan of the last pass.
    pub plan: Option<&'a Plan>,
    /// What it lacks.
    pub missing: Option<&'a Missing>,
    /// How its places are told.
    pub details: Details<'a>,
}

impl Glance {
    /// Takes the numbers from the status documents.
    pub fn learn(&mut self, documents: &BTreeMap<RepoPath, StatusDocument>) {
        let heads: Vec<_> = documents.values().filter_map(StatusDocument::head).collect();
        self.ready = (heads.iter().filter(|head| record::is_ready(head)).count(), heads.len());
        let status = record::environment(documents);
        self.pending = status.and_then(|status| status.pending.clone());
        self.gaps = status.map(|status| status.gaps.len()).unwrap_or_default();
        self.drift = record::drifted(documents).count();
        let applied = documents.values().filter_map(|document| match document {
            StatusDocument::Applied(record) => Some(record.applied_at),
            _ => None,
        });
        self.applied_at = applied.max();
    }
}

/// Writes what a pass found out about an environment.
pub fn body(known: &Known<'_>) -> Html {
    let Known { documents, plan, missing, details } = known;
    let hits = plan.map(affected::hits).unwrap_or_default();
    let parties = hits.iter().flat_map(|hit| &hit.consequence.parties);
    let hit: BTreeSet<String> = parties.map(|party| party.endpoint.to_string().to_ascii_lowercase()).collect();
    let picture =
        el("section").attr("aria-labelledby", "picture").child(el("h2").attr("id", "picture").text("Topology"));
    let mut out = Html::default();
    out.push(pending::pending(*plan, *missing, *details))
        .push(record::troubles(documents))
        .push(picture.child(picture::picture(&topology::chains(documents, &hit))))
        .push(record::drift(documents))
        .push(record::documents(documents))
        .push(record::history(documents));
    out
}

/// The page of all environments; `trouble` is why the agent knows nothing new, with a headline.
pub fn index(environments: &BTreeMap<EnvironmentName, Glance>, trouble: Option<(&str, &str)>, now: Timestamp) -> Html {
    let mut main: Html = el("h1").text("Environments").into();
    if let Some((headline, text)) = trouble {
        main.push(problem(headline, text));
    }
    if environments.is_empty() {
        main.push(el("p").text("The agent knows of no environment yet."));
    }
    main.push(el("ul").class("cards").children(environments.iter().map(|(name, glance)| card(name, glance, now))));
    frame("privlink", None, main)
}

/// The page of one environment.
pub fn environment(name: &EnvironmentName, (glance, body): (&Glance, &Html), now: Timestamp) -> Html {
    let title = el("h1").text(name.as_str()).text(" ").child(glance.state.badge());
    let mut main: Html = title.into();
    main.push(el("p").class("lead").text(glance.state.sentence()));
    if let Some(text) = &glance.problem {
        main.push(problem("What went wrong", text));
    }
    main.push(facts(glance, now));
    if !body.as_str().is_empty() {
        main.push(contents()).push(body.clone());
    }
    frame(&format!("{name} · privlink"), Some(name.as_str()), main)
}

/// The page of what is not there.
pub fn not_found() -> Html {
    let text = el("p").text("There is nothing here. ").child(el("a").attr("href", "/").text("All environments"));
    frame("Not found · privlink", None, [el("h1").text("Not found"), text].into_iter().collect())
}

fn problem(title: &str, text: &str) -> Element {
    let text = el("pre").attr("tabindex", "0").block(text.trim_end());
    el("div").class("panel bad").child(el("h2").text(title)).child(text)
}

fn card(name: &EnvironmentName, glance: &Glance, now: Timestamp) -> Element {
    let link = el("a").attr("href", format!("/environments/{name}")).text(name.as_str());
    let title = el("h2").child(link).text(" ").child(glance.state.badge());
    let card = el("li").class("card").child(title).child(el("p").text(glance.state.sentence()));
    card.child(facts(glance, now))
}

/// The numbers that matter, each with its word.
fn facts(glance: &Glance, now: Timestamp) -> Element {
    let fact = |word: &str, value: Element| el("div").child(el("dt").text(word)).child(value);
    let dated = |at: Option<Timestamp>, never: &str| match at {
        Some(at) => el("dd").child(time(at)).text(format!(", {}", ago(at, now))),
        None => el("dd").text(never),
    };
    let (ready, all) = glance.ready;
    let plan = match &glance.pending {
        None => el("dd").text("none"),
        Some(plan) => {
            let tone = match plan.risk.as_str() {
                "severing" | "exposing" => Tone::Bad,
                "disruptive" => Tone::Warn,
                _ => Tone::Note,
            };
            let text = format!(" {}, waits since ", count(plan.changes, "change"));
            el("dd").child(badge(tone, &plan.risk)).text(text).child(time(plan.since))
        }
    };
    let mut facts = vec![
        fact("Documents", el("dd").text(format!("{ready} of {all} ready"))),
        fact("Pending plan", plan),
        fact(
            "Drift",
            el("dd").text(if glance.drift == 0 { "none".to_owned() } else { count(glance.drift, "difference") }),
        ),
    ];
    if glance.gaps > 0 {
        facts.push(fact("Not read", el("dd").child(badge(Tone::Warn, count(glance.gaps, "area")))));
    }
    facts.push(fact("Last apply", dated(glance.applied_at, "never")));
    facts.push(fact("Last pass", dated(glance.passed_at, "none yet")));
    if let Some(commit) = &glance.commit {
        facts.push(fact("Commit", el("dd").child(el("code").attr("title", commit.to_string()).text(commit.short()))));
    }
    el("dl").class("facts").children(facts)
}

/// How long ago, to the minute: what is asked for twice within one is the same page.
fn ago(at: Timestamp, now: Timestamp) -> String {
    let minutes = now.duration_since(at).as_secs().max(0) / 60;
    match minutes {
        0 => "less than a minute ago".to_owned(),
        _ => format!("{} ago", age(at, at + jiff::SignedDuration::from_mins(minutes))),
    }
}

fn contents() -> Element {
    let parts = [
        ("#plan", "Pending plan"),
        ("#picture", "Topology"),
        ("#drift", "Drift"),
        ("#documents", "Documents"),
        ("#history", "History"),
    ];
    let item = |(href, text): (&str, &str)| el("li").child(el("a").attr("href", href).text(text));
    el("nav").class("contents").attr("aria-label", "On this page").child(el("ul").children(parts.map(item)))
}

/// What every page has around its main part.
fn frame(title: &str, here: Option<&str>, main: Html) -> Html {
    let meta = |name: &'static str, content: &str| el("meta").attr("name", name).attr("content", content);
    let head = el("head")
        .child(el("meta").attr("charset", "utf-8"))
        .child(el("title").text(title))
        .child(meta("viewport", "width=device-width, initial-scale=1"))
        .child(meta("color-scheme", "light dark"))
        .child(el("link").attr("rel", "icon").attr("href", "/icon.svg"))
        .child(el("link").attr("rel", "stylesheet").attr("href", "/style.css"));
    let home = el("li").child(el("a").attr("href", "/").text("privlink"));
    let place = here.map(|here| el("li").attr("aria-current", "page").text(here));
    let trail = el("nav").attr("aria-label", "Where you are").child(el("ol").child(home).children(place));
    let foot = el("footer").text("Read-only. Reload to see what is new; changes are made and approved in Git.");
    let body = el("body")
        .child(el("a").class("skip").attr("href", "#main").text("Skip to the content"))
        .child(el("header").child(trail))
        .child(el("main").attr("id", "main").attr("tabindex", "-1").child(main))
        .child(foot);
    Html::document(el("html").attr("lang", "en").child(head).child(body))
}
