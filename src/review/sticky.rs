//! One comment per environment and pull request: which one is ours, and whether it has to be written again.
//!
//! ```text
//! <!-- privlink:v1 environment=prod key=… -->      the marker: the first line
//! > **Merged.** …                                  only once the pull request has ended
//! …                                                the body
//!
//! <details><summary>History …                      the headlines before, newest first
//! <!-- privlink:record … -->                       the last line: the same for us, in base64
//! ```
//! A comment is ours if the marker says so **and** our own account wrote it: anybody may plant a marker. What we have to
//! read back is in the record only, whose letters cannot end a comment; what people read is never parsed.
//!
//! On every forge some people can edit what others wrote. So a comment is left only if all of it reads as it would be written
//! now; line ends, what is blank at the end, and the foot of the body (`review::foot`) aside.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde::Serialize;

use crate::domain::commit::CommitId;
use crate::domain::name::EnvironmentName;
use crate::domain::pull_request::Account;
use crate::domain::pull_request::Comment;
use crate::domain::pull_request::ForgeKind;
use crate::review::Told;
use crate::review::foot::above;

/// The most headlines that a comment keeps.
const KEPT: usize = 20;
/// The longest headline that is kept, in UTF-16 units. Cutting one could bring to life what it holds inert.
const LONGEST_HEADLINE: usize = 600;
/// What is left free for the line that a merge or close adds, in UTF-16 units.
const RESERVE: usize = 800;

const MARKER: &str = "<!-- privlink:v1 environment=";
const RECORD: &str = "<!-- privlink:record ";

/// What has to be done with the comment of one environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// There is none yet.
    Create {
        /// Its text.
        body: String,
    },
    /// It says something else.
    Edit {
        /// Which one.
        id: String,
        /// Its new text.
        body: String,
    },
    /// It says what is to be said already, or there is nothing to say.
    Leave,
}

/// What has to be done, and what was found beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sticky {
    /// What has to be done.
    pub act: Act,
    /// Further comments of ours for the same environment, by id. They come from a create whose answer was lost, or from two
    /// runs at once. They are left alone: a deletion cannot be undone, and somebody may have answered them.
    pub doubles: Vec<String>,
    /// Where a person reads the comment, if there was one.
    pub url: Option<String>,
}

/// How a pull request ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// It was merged.
    Merged {
        /// What it brought: the merge, or the head if nobody knows the merge.
        commit: CommitId,
    },
    /// It was closed and not merged.
    Closed,
}

/// What a comment says of itself, for us.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    /// The headline of what it shows now.
    headline: String,
    /// Those before, newest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    history: Vec<String>,
    /// How many older ones were dropped.
    #[serde(default, skip_serializing_if = "is_zero")]
    dropped: usize,
    /// The line that says how the pull request ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    end: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks by reference")]
fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// A comment of ours, taken apart.
#[derive(Clone, Debug)]
struct Parts {
    marker: String,
    body: String,
    record: Record,
}

/// Decides what becomes of the comment of an environment while the pull request is open.
///
/// `comments` are all of the pull request, oldest first; `me` is our own account.
pub fn next(forge: ForgeKind, comments: &[Comment], me: &Account, told: &Told) -> Sticky {
    let marker = marker(&told.environment, &told.key);
    let body = match told.body.split_once('\n') {
        Some((first, rest)) if first.starts_with(MARKER) => rest,
        _ if told.body.is_empty() => told.headline.as_str(),
        _ => told.body.as_str(),
    };
    let mut parts = Parts {
        marker,
        body: plain_lines(body).trim_start_matches('\n').trim_end().to_owned(),
        record: Record { headline: kept(&told.headline), ..Record::default() },
    };
    let (first, doubles) = ours(comments, me, &told.environment);
    let Some(first) = first else {
        // An environment that the change does not concern, and never did.
        if told.body.is_empty() {
            return Sticky { act: Act::Leave, doubles, url: None };
        }
        return Sticky { act: Act::Create { body: fitting(forge, parts) }, doubles, url: None };
    };
    let old = take_apart(&first.body);
    let Record { headline, history, dropped, end: _ } = old.record.clone();
    parts.record.dropped = dropped;
    // One that was opened again, or that somebody edited, says what it said before: that is no new plan.
    let is_earlier = old.marker != parts.marker && !headline.is_empty();
    parts.record.history = is_earlier.then_some(headline).into_iter().chain(history).collect();
    let body = fitting(forge, parts);
    let act = match take_apart(&body).reads_as(&old) {
        true => Act::Leave,
        false => Act::Edit { id: first.id.clone(), body },
    };
    Sticky { act, doubles, url: Some(first.url.clone()) }
}

/// Decides what becomes of the comment of an environment once the pull request has ended: one last edit. Where there is no
/// comment, none is made.
pub fn closed(
    forge: ForgeKind,
    comments: &[Comment],
    me: &Account,
    (environment, end): (&EnvironmentName, &End),
) -> Sticky {
    let (first, doubles) = ours(comments, me, environment);
    let Some(first) = first else { return Sticky { act: Act::Leave, doubles, url: None } };
    let url = Some(first.url.clone());
    let mut parts = take_apart(&first.body);
    let line = line(end);
    if parts.record.end.as_ref() == Some(&line) {
        return Sticky { act: Act::Leave, doubles, url };
    }
    parts.record.end = Some(line);
    Sticky { act: Act::Edit { id: first.id.clone(), body: fitting(forge, parts) }, doubles, url }
}

/// The environments that have a comment of ours.
pub fn environments(comments: &[Comment], me: &Account) -> BTreeSet<EnvironmentName> {
    let own = |comment: &Comment| {
        let (environment, _) = comment.body.strip_prefix(MARKER)?.split_once(" key=")?;
        environment.parse().ok()
    };
    comments.iter().filter(|comment| comment.author.id == me.id).filter_map(own).collect()
}

/// The first line of a comment.
pub fn marker(environment: &EnvironmentName, key: &str) -> String {
    // A key of our own is hex digits; whatever else it were, it must not end the comment.
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._:".contains(c);
    let key: String = key.chars().map(|c| if is_plain(c) { c } else { '_' }).collect();
    format!("{MARKER}{environment} key={key} -->")
}

fn ours<'a>(
    comments: &'a [Comment],
    me: &Account,
    environment: &EnvironmentName,
) -> (Option<&'a Comment>, Vec<String>) {
    let beginning = format!("{MARKER}{environment} key=");
    let is_ours = |comment: &&Comment| comment.author.id == me.id && comment.body.starts_with(&beginning);
    let mut found = comments.iter().filter(is_ours);
    let first = found.next();
    (first, found.map(|double| double.id.clone()).collect())
}

impl Parts {
    /// True if nobody would want to have the one written over the other.
    fn reads_as(&self, other: &Self) -> bool {
        self.marker == other.marker && self.record == other.record && above(&self.body) == above(&other.body)
    }
}

/// The same with the line ends that we write. Forges may give back others.
fn plain_lines(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n")
}

fn take_apart(text: &str) -> Parts {
    let text = plain_lines(text);
    let text = text.trim_end();
    let (marker, rest) = text.split_once('\n').unwrap_or((text, ""));
    let (above, last) = rest.rsplit_once('\n').unwrap_or(("", rest));
    let (rest, record) = match read_record(last) {
        Some(record) => (above, record),
        // Somebody with more rights took the record away: then there is no history.
        None => (rest, Record::default()),
    };
    let rest = match &record.end {
        Some(line) => rest.strip_prefix(line.as_str()).unwrap_or(rest),
        None => rest,
    };
    let body = rest.strip_suffix(history(&record).as_str()).unwrap_or(rest);
    Parts { marker: marker.to_owned(), body: body.trim_matches('\n').to_owned(), record }
}

fn read_record(line: &str) -> Option<Record> {
    let text = line.strip_prefix(RECORD)?.strip_suffix(" -->")?;
    serde_json::from_slice(&STANDARD.decode(text).ok()?).ok()
}

fn put_together(parts: &Parts) -> String {
    let Parts { marker, body, record } = parts;
    let end = record.end.as_ref().map(|line| format!("{line}\n\n")).unwrap_or_default();
    let json = serde_json::to_string(record).unwrap_or_default();
    format!("{marker}\n{end}{body}\n{}\n{RECORD}{} -->\n", history(record), STANDARD.encode(json))
}

/// The folded list. It says as many headlines as the record holds.
fn history(record: &Record) -> String {
    let Record { history, dropped, .. } = record;
    let total = history.len() + dropped;
    if total == 0 {
        return String::new();
    }
    let plans = if total == 1 { "1 earlier plan" } else { &format!("{total} earlier plans") };
    // The number stands first, so that no headline begins a block of Markdown.
    let row = |(at, headline): (usize, &String)| format!("- ({}) {}\n", total - at, inert(headline));
    let rows: String = history.iter().enumerate().map(row).collect();
    let gone = if *dropped == 0 { String::new() } else { format!("- {dropped} older, not kept here\n") };
    format!("\n<details><summary>History: {plans}</summary>\n\n{rows}{gone}\n</details>")
}

/// A headline on one line, in which no HTML begins.
fn inert(headline: &str) -> String {
    headline.replace('<', "&lt;")
}

/// A headline as it is kept: on one line.
fn kept(headline: &str) -> String {
    let is_break = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    let line: String = headline.chars().map(|c| if is_break(c) { ' ' } else { c }).collect();
    let line = line.trim();
    if units(line) > LONGEST_HEADLINE { "(its headline is too long to be kept)".to_owned() } else { line.to_owned() }
}

fn line(end: &End) -> String {
    match end {
        End::Merged { commit } => {
            let what = "what is applied is on the status branch of the environment";
            format!("> **Merged** as `{}`; {what}.", commit.short())
        }
        End::Closed => "> **Closed without merging**: nothing of this was applied.".to_owned(),
    }
}

/// As forges count, or more: GitHub and GitLab count characters, Azure DevOps UTF-16 units, of which there are never fewer.
fn units(text: &str) -> usize {
    text.encode_utf16().count()
}

/// The text of a comment, with as much of the history as the forge takes: the oldest is dropped first.
fn fitting(forge: ForgeKind, mut parts: Parts) -> String {
    let reserve = if parts.record.end.is_some() { 0 } else { RESERVE };
    let limit = forge.comment_limit() - reserve;
    let drop = |record: &mut Record, kept: usize| {
        record.dropped += record.history.len().saturating_sub(kept);
        record.history.truncate(kept);
    };
    drop(&mut parts.record, KEPT);
    let body = std::mem::take(&mut parts.body);
    let room = limit.saturating_sub(units(&body));
    while units(&put_together(&parts)) > room && !parts.record.history.is_empty() {
        let fewer = parts.record.history.len() - 1;
        drop(&mut parts.record, fewer);
    }
    if units(&put_together(&parts)) <= room {
        parts.body = body;
        return put_together(&parts);
    }
    // Whoever composed the body kept to a budget of characters, and not of what this forge counts.
    parts.body = format!(
        "{}\n\nThe plan is longer than a comment of {forge} may be. `privlink plan` shows it whole.",
        inert(&parts.record.headline)
    );
    put_together(&parts)
}

#[cfg(test)]
mod tests;
