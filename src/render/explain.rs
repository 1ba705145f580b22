//! The pages of the rules, made from the rules themselves, so that no page can be missing or out of date.

use crate::cloud_provider::catalogue;
use crate::cloud_provider::rule as provider;
use crate::desired;
use crate::desired::check::Rule;
use crate::desired::check::rules;
use crate::diagnostic::Severity;
use crate::plan::preflight::rule as preflight;
use crate::plan::risk::NOT_ANALYSED;
use crate::render::Label;
use crate::render::Text;
use crate::render::table;
use crate::repo;

/// Characters of a line of prose.
const WIDTH: usize = 96;

/// The page of a rule or of another code; `None` if there is none of this name.
pub fn page(code: &str) -> Option<Text> {
    if let Some(rule) = rules().find(|rule| rule.code.as_str() == code) {
        return Some(page_of(rule));
    }
    let preflight = || preflight::ALL.iter().copied().find(|rule| rule.id == code);
    if let Some(rule) = provider::find(code).or_else(preflight) {
        return Some(page_of_provider(rule));
    }
    if let Some(entry) = entries().find(|entry| entry.id == code) {
        return Some(page_of_entry(entry));
    }
    let (code, meaning) = others().find(|(other, _)| *other == code)?;
    let mut text = Text::new();
    text.line(Label::Heading, code);
    prose(&mut text, meaning);
    text.end();
    Some(text)
}

/// Every code that has a page: the rules first.
pub fn codes() -> impl Iterator<Item = &'static str> {
    let foreseen = foreseen().map(|rule| rule.id);
    let entries = entries().map(|entry| entry.id);
    rules().map(|rule| rule.code.as_str()).chain(entries).chain(foreseen).chain(others().map(|(code, _)| code))
}

/// What people ask about and plans tell under the names of their rules.
fn entries() -> impl Iterator<Item = &'static catalogue::Entry> {
    catalogue::ALL.iter().chain(preflight::ENTRIES)
}

/// What plans say of the cloud provider and of Azure.
fn foreseen() -> impl Iterator<Item = &'static provider::Rule> {
    provider::ALL.iter().chain(preflight::ALL).copied()
}

/// Every rule in one line each: those of files, those of plans, then the other codes.
pub fn list() -> Text {
    let mut text = Text::new();
    text.line(Label::Heading, "What breaks a load balancer or a Private Link Service");
    let row = |rule: &Rule| vec![rule.code.to_string(), word(rule.severity).to_owned(), rule.title.to_owned()];
    lines(&mut text, &rules().map(row).collect::<Vec<_>>());
    text.end().line(Label::Heading, "Edits, and what only the cluster and Azure show: told by the rules below");
    let row = |entry: &catalogue::Entry| {
        let ids: Vec<&str> = entry.rules.iter().map(|rule| rule.id).collect();
        vec![entry.id.to_owned(), entry.title.to_owned(), ids.join(", ")]
    };
    lines(&mut text, &entries().map(row).collect::<Vec<_>>());
    text.end().line(Label::Heading, "What a plan foresees of the cloud provider and of Azure");
    let row = |rule: &provider::Rule| vec![rule.id.to_owned(), rule.evidence.to_string(), rule.title.to_owned()];
    lines(&mut text, &foreseen().map(row).collect::<Vec<_>>());
    text.end().line(Label::Heading, "What is wrong with a file, with a reference or with the settings");
    let row = |(code, meaning): (&str, &str)| vec![code.to_owned(), meaning.to_owned()];
    lines(&mut text, &others().map(row).collect::<Vec<_>>());
    text
}

fn lines(text: &mut Text, rows: &[Vec<String>]) {
    for line in table::aligned(rows) {
        text.line(Label::Plain, format!("  {line}"));
    }
}

fn others() -> impl Iterator<Item = (&'static str, &'static str)> {
    let all = repo::code::ALL.iter().chain(desired::code::ALL);
    all.map(|(code, meaning)| (code.as_str(), *meaning)).chain([(NOT_ANALYSED, NOT_ANALYSED_MEANS)])
}

const NOT_ANALYSED_MEANS: &str = "Something that decides about the consequences of a change could not be read. Nothing is guessed: the \
                                  change counts as severing, and everybody with a connection is named. The plan says what could not be read.";

fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "remark",
    }
}

fn page_of(rule: &Rule) -> Text {
    let label = match rule.severity {
        Severity::Error => Label::Error,
        Severity::Warning => Label::Warning,
        Severity::Info => Label::Hint,
    };
    let mut text = Text::new();
    text.push(label, format!("{} ({})", rule.code, word(rule.severity))).push(Label::Plain, ": ");
    text.line(Label::Heading, rule.title).end();
    section(&mut text, "What happens", rule.why);
    section(&mut text, "How to avoid it", rule.avoid);
    section(&mut text, "How we know", &format!("It is {}.", rule.evidence.in_words()));
    if let Some(versions) = rule.versions {
        section(&mut text, "Versions of the cloud provider", &format!("{}.", capitalised(versions)));
    }
    let told = match (rule.severity, rule.has_level()) {
        (_, false) => "Always: without it the document has no meaning.".to_owned(),
        (Severity::Info, true) => format!(
            "With `privlink check --remarks`, or `[check] levels = {{ {} = \"warning\" }}` in privlink.toml.",
            rule.code
        ),
        (_, true) => format!("Always, unless `[check] levels` of privlink.toml says {} = \"off\".", rule.code),
    };
    section(&mut text, "When it is told", &told);
    text
}

fn page_of_provider(rule: &provider::Rule) -> Text {
    let provider::Rule { id, title, happens, why, evidence, versions, avoid } = rule;
    let mut text = Text::new();
    text.push(Label::Warning, *id).push(Label::Plain, ": ");
    text.line(Label::Heading, *title).end();
    section(&mut text, "What happens", happens);
    section(&mut text, "Why", why);
    section(&mut text, "How to avoid it", avoid);
    section(&mut text, "How we know", &format!("It is {}.", evidence.in_words()));
    section(&mut text, "Versions of the cloud provider", &format!("{}.", capitalised(versions)));
    section(&mut text, "When it is told", "In a plan, beside the change that it follows from.");
    let known: Vec<&str> = entries().filter(|entry| entry.rules.contains(&rule)).map(|entry| entry.id).collect();
    if !known.is_empty() {
        section(&mut text, "What it is also asked for as", &format!("{}.", known.join(", ")));
    }
    text
}

/// What a person asks about, and the page of each rule by which a plan tells it.
fn page_of_entry(entry: &catalogue::Entry) -> Text {
    let catalogue::Entry { id, title, rules, field: _ } = entry;
    let mut text = Text::new();
    text.push(Label::Warning, *id).push(Label::Plain, ": ").line(Label::Heading, *title).end();
    let ids: Vec<&str> = rules.iter().map(|rule| rule.id).collect();
    section(&mut text, "In plans it is told by", &format!("{}.", ids.join(", ")));
    for rule in *rules {
        text.append(page_of_provider(rule));
    }
    text
}

fn capitalised(words: &str) -> String {
    let mut letters = words.chars();
    letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect()
}

fn section(text: &mut Text, heading: &str, words: &str) {
    text.line(Label::Dim, heading);
    prose(text, words);
    text.end();
}

fn prose(text: &mut Text, words: &str) {
    let mut line = String::new();
    for word in words.split(' ') {
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > WIDTH {
            text.line(Label::Plain, format!("  {line}"));
            line.clear();
        }
        line.push_str(if line.is_empty() { "" } else { " " });
        line.push_str(word);
    }
    text.line(Label::Plain, format!("  {line}"));
}
