//! Puts repairs into the texts of files, at their places: everything else stays byte for byte, comments and line ends too.
//!
//! A repair is only made where the value stands on one line, plain or in quotes. Of two that overlap the first is made.

use std::collections::BTreeSet;
use std::ops::Range;

use crate::diagnostic::{FileName, Fix, Place, Repair};
use crate::repo::source::Sources;

/// New text for some bytes of a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Edit {
    /// The first byte that goes.
    pub start: usize,
    /// The byte after the last one that goes.
    pub end: usize,
    /// What comes in their place.
    pub text: String,
}

/// The edit that makes a repair; `None` where the entry is not there, or spans lines.
pub fn edit(fix: &Fix, sources: &Sources) -> Option<Edit> {
    let Place { file, document, path, .. } = &fix.place;
    let source = sources.get(file)?;
    let entry = source.documents.get(*document)?.get(path)?;
    let (range, text) = match &fix.repair {
        Repair::Key(key) => {
            let range = trimmed(&source.text, entry.key.clone()?)?;
            let quote = quote_of(&source.text[range.clone()]).map(String::from).unwrap_or_default();
            (range, format!("{quote}{key}{quote}"))
        }
        Repair::Value(_) | Repair::Quote if entry.collection => return None,
        Repair::Value(text) => {
            let range = trimmed(&source.text, entry.value.clone())?;
            let text = written_like(&source.text[range.clone()], text);
            (range, text)
        }
        Repair::Quote => {
            let range = trimmed(&source.text, entry.value.clone())?;
            let raw = &source.text[range.clone()];
            let is_nothing = matches!(raw.to_ascii_lowercase().as_str(), "null" | "~");
            (range, (quote_of(raw).is_none() && !is_nothing).then(|| quoted(raw))?)
        }
    };
    Some(Edit { start: range.start, end: range.end, text })
}

/// The edits of all repairs, by file and place. Of two that overlap the first is taken.
pub fn edits<'a>(fixes: impl IntoIterator<Item = &'a Fix>, sources: &Sources) -> Vec<(FileName, Edit)> {
    let found = fixes.into_iter().filter_map(|fix| Some((fix.place.file.clone(), edit(fix, sources)?)));
    let sorted: BTreeSet<(FileName, Edit)> = found.collect();
    let mut kept: Vec<(FileName, Edit)> = Vec::new();
    for (file, edit) in sorted {
        if kept.last().is_none_or(|(last, before)| *last != file || before.end <= edit.start) {
            kept.push((file, edit));
        }
    }
    kept
}

/// A text with edits made that are sorted and do not overlap.
pub fn patched<'a>(text: &str, edits: impl IntoIterator<Item = &'a Edit>) -> String {
    let (mut out, mut at) = (String::with_capacity(text.len()), 0);
    for Edit { start, end, text: new } in edits {
        out.push_str(&text[at..*start]);
        out.push_str(new);
        at = *end;
    }
    out + &text[at..]
}

// What stands on one line, after its key or in a list: a block of text below its key has quotes of its own kind.
fn trimmed(text: &str, range: Range<usize>) -> Option<Range<usize>> {
    let raw = text.get(range.clone())?.trim_end();
    let line = text[..range.start].rfind('\n').map_or(0, |newline| newline + 1);
    let alone = text[line..range.start].trim().is_empty();
    let is_key = text[range.start + raw.len()..].starts_with(':');
    (!raw.is_empty() && !raw.contains('\n') && (!alone || is_key)).then(|| range.start..range.start + raw.len())
}

fn quote_of(raw: &str) -> Option<char> {
    raw.chars().next().filter(|first| matches!(first, '"' | '\''))
}

// As what stood there was written: a plain word stays plain if it cannot be taken for anything but text.
fn written_like(raw: &str, text: &str) -> String {
    match quote_of(raw) {
        Some('\'') if !text.contains(|c: char| c == '\'' || c.is_control()) => format!("'{text}'"),
        None if is_plain_word(text) => text.to_owned(),
        Some(_) | None => quoted(text),
    }
}

fn is_plain_word(text: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/');
    let taken = ["true", "false", "yes", "no", "on", "off", "y", "n", "null"];
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(word)
        && !taken.contains(&text.to_ascii_lowercase().as_str())
}

// JSON's escapes are a part of YAML's.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::commit::{File, Snapshot};
    use crate::repo::settings;

    const SETTINGS: &str = "version = 1\nowner = \"6f1c0000-0000-4000-8000-000000000001\"\n\
        [environments.prod]\npath = \"e\"\nsubscription = \"00000000-0000-0000-0000-000000000001\"\n";

    fn sources(text: &str) -> (FileName, Sources) {
        let settings = settings::parse(FileName::outside("privlink.toml"), SETTINGS).0.unwrap();
        let path = "e/a.yaml".parse().unwrap();
        let name = FileName::from(&path);
        let files = [(path, File::Bytes(text.as_bytes().to_vec()))].into();
        (name, crate::repo::read(&Snapshot { files, ..Snapshot::default() }, &settings).sources)
    }

    #[track_caller]
    fn case(text: &str, fixes: impl Fn(Place) -> Vec<Fix>, expected: Option<&str>) {
        let (file, sources) = sources(text);
        let edits = edits(&fixes(Place::file(file.clone())), &sources);
        assert!(edits.iter().all(|(named, _)| *named == file));
        let new = (!edits.is_empty()).then(|| patched(text, edits.iter().map(|(_, edit)| edit)));
        assert_eq!(new.as_deref(), expected);
    }

    #[test]
    fn only_the_value_changes() {
        let value = |root: Place| vec![Fix::value(root.at("a.b"), "true")];
        case("a:\r\n  b: True  # why\r\nc: d\r\n", value, Some("a:\r\n  b: \"true\"  # why\r\nc: d\r\n"));
        case("a: { b: 'True', c: 1 }\n", value, Some("a: { b: 'true', c: 1 }\n"));
        case("# ü 😀\na: { b: \"True\" }", value, Some("# ü 😀\na: { b: \"true\" }"));
    }

    #[test]
    fn what_spans_lines_or_is_not_there_is_left_alone() {
        let value = |root: Place| vec![Fix::value(root.at("a"), "true")];
        for text in
            ["a: |\n  True\n", "a: >-\n  Tr\n  ue\n", "a: \"Tr\n  ue\"\n", "a:\n  True\n", "a: [True]\n", "b: c\n"]
        {
            case(text, value, None);
        }
    }

    #[test]
    fn quotes_are_put_around_what_is_written() {
        let quote = |root: Place| vec![Fix::quote(root.clone().at("a")), Fix::quote(root.at("b[1]"))];
        case("a: 017 # x\nb: [1, yes]\n", quote, Some("a: \"017\" # x\nb: [1, \"yes\"]\n"));
        case("a: \"1\"\nb: [1]\n", quote, None);
        case("a: null\nb: [1, ~]\n", quote, None);
    }

    #[test]
    fn what_cannot_be_mistaken_keeps_its_style() {
        let value = |text: &'static str| move |root: Place| vec![Fix::value(root.at("a"), text)];
        case("a: TCp\n", value("TCP"), Some("a: TCP\n"));
        case("a: 1\n", value("10.0.0.1"), Some("a: \"10.0.0.1\"\n"));
        case("a: 'b '\n", value("b"), Some("a: 'b'\n"));
        case("a: 'b'\n", value("it's"), Some("a: \"it's\"\n"));
    }

    #[test]
    fn a_key_keeps_its_quotes() {
        let key = |root: Place| vec![Fix::key(root.at("old"), "new")];
        case("old: 1\n", key, Some("new: 1\n"));
        case("x: y\n\"old\": 1\n", key, Some("x: y\n\"new\": 1\n"));
    }

    #[test]
    fn of_two_repairs_of_one_value_one_is_made() {
        let both = |root: Place| vec![Fix::value(root.clone().at("a"), "p"), Fix::value(root.at("a"), "q")];
        case("a: b\n", both, Some("a: p\n"));
    }
}
