//! Reads the YAML that people write: strictly, with places, in our own words. The only file that names the YAML crates.
//!
//! Each document is walked once as events (granit-parser), which gives the index from key path to bytes and every refusal:
//! anchors, aliases, merge keys, tags, directives, duplicate keys, depth, numbers that would be rounded. Only a document
//! without any of these is read for its values (serde-saphyr, which sits on the same parser and has the same refusals
//! switched on, as a second fence).

use std::collections::BTreeMap;
use std::ops::{ControlFlow, Range};

use granit_parser::{ErrorKind, Event, Parser, ScalarStyle, ScanError, Span};
use serde_json::Value;

use crate::diagnostic::{Diagnostic, Diagnostics, FileName, Place, Step, dotted};
use crate::repo::code;
use crate::repo::source::{Entry, Index};
use crate::repo::split;

mod wording;

use wording::{UNFINISHED, indenting_tab, is_second_colon, visible, wording};

/// Levels of nesting; a Service needs six.
const MAX_DEPTH: usize = 32;
/// Scalars, lists and mappings in one document.
const MAX_NODES: usize = 20_000;
/// Refusals told about one document; more would only hide the first ones.
const MAX_REFUSALS: usize = 10;
/// Documents in one file.
const MAX_DOCUMENTS: usize = 1_000;

/// One document: where its entries are, and its value unless something in it was refused.
#[derive(Debug)]
pub(crate) struct Parsed {
    /// Where its entries are.
    pub(crate) index: Index,
    /// Its value.
    pub(crate) value: Option<Value>,
    /// Plain text that YAML 1.1, and so kubectl, would not read as text: `yes`, `017`, `1_000`.
    pub(crate) ambiguous: Vec<Vec<Step>>,
}

/// Reads every document of a file. Documents that hold nothing are left out; broken ones have no value.
pub(crate) fn parse(file: &FileName, text: &str, diagnostics: &mut Diagnostics) -> Vec<Parsed> {
    let documents = split::documents(text);
    if let Some(first) = documents.get(MAX_DOCUMENTS) {
        diagnostics.push(
            Diagnostic::error(code::TOO_COMPLEX, format!("{file} has more than {MAX_DOCUMENTS} documents"))
                .label(Place::bytes(file.clone(), first.clone()), "from here on nothing is read")
                .help("split it into several files"),
        );
    }
    let read = documents.into_iter().take(MAX_DOCUMENTS);
    read.filter_map(|range| parse_one(file, text, range, diagnostics)).collect()
}

fn parse_one(file: &FileName, text: &str, range: Range<usize>, diagnostics: &mut Diagnostics) -> Option<Parsed> {
    let chunk = &text[range.clone()];
    let mut walk = Walk::new(file, range.start, chunk);
    walk.run(chunk);
    let Walk { index, refusals, empty, ambiguous, .. } = walk;
    if empty && refusals.is_empty() {
        return None;
    }
    let refused = !refusals.is_empty();
    diagnostics.extend(refusals);
    let value = if refused { None } else { read_value(file, chunk, range.start, diagnostics) };
    Some(Parsed { index, value, ambiguous })
}

fn read_value(file: &FileName, chunk: &str, base: usize, diagnostics: &mut Diagnostics) -> Option<Value> {
    match serde_saphyr::from_str_with_options::<Value>(chunk, strict()) {
        Ok(value) => Some(value),
        Err(error) => {
            let offset = error.location().and_then(|location| location.span().byte_offset()).unwrap_or(0);
            let start = base + usize::try_from(offset).unwrap_or(0).min(chunk.len());
            diagnostics.push(
                Diagnostic::error(code::SYNTAX, "this value cannot be read")
                    .label(Place::bytes(file.clone(), start..start + 1), "not a value that can be kept exactly")
                    .help("put it in quotes if it is text"),
            );
            None
        }
    }
}

fn strict() -> serde_saphyr::Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_anchors: 0,
            max_aliases: 0,
            max_merge_keys: 0,
            max_documents: 1,
            max_depth: MAX_DEPTH + 2,
            // The crate counts keys too.
            max_nodes: 3 * MAX_NODES,
            max_events: 6 * MAX_NODES,
        },
        duplicate_keys: serde_saphyr::options::DuplicateKeyPolicy::Error,
        merge_keys: serde_saphyr::options::MergeKeyPolicy::Error,
        strict_booleans: true,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
        reject_unsupported_tags: true,
        emit_comments: false,
        with_snippet: false,
    }
}

enum Frame {
    Mapping { seen: BTreeMap<String, Range<usize>>, key: Option<(String, Range<usize>)> },
    List { next: usize },
}

/// Walks the events of one document.
struct Walk<'a> {
    file: &'a FileName,
    base: usize,
    text: &'a str,
    index: Index,
    path: Vec<Step>,
    frames: Vec<Frame>,
    nodes: usize,
    empty: bool,
    ambiguous: Vec<Vec<Step>>,
    refusals: Vec<Diagnostic>,
}

impl<'a> Walk<'a> {
    fn new(file: &'a FileName, base: usize, text: &'a str) -> Self {
        Walk {
            file,
            base,
            text,
            index: Index::default(),
            path: Vec::new(),
            frames: Vec::new(),
            nodes: 0,
            empty: true,
            ambiguous: Vec::new(),
            refusals: Vec::new(),
        }
    }

    fn run(&mut self, text: &str) {
        let options = granit_parser::options! {
            disallow_directives: true,
            emit_comments: false,
            emit_anchor_events: true,
            emit_unresolved_aliases: true,
            flow_nesting_limit: MAX_DEPTH,
            block_nesting_limit: MAX_DEPTH,
        };
        for next in Parser::new_from_str_with_options(text, options) {
            match next {
                Ok((event, span)) => {
                    if self.event(event, &span).is_break() || self.refusals.len() >= MAX_REFUSALS {
                        return;
                    }
                }
                Err(error) => return self.syntax(&error),
            }
        }
    }

    fn event(&mut self, event: Event<'_>, span: &Span) -> ControlFlow<()> {
        let range = self.range(span);
        match event {
            Event::Scalar(text, style, _, _) => {
                self.refuse_tag(span);
                self.scalar(&text, style, range)
            }
            Event::SequenceStart(..) => {
                self.refuse_tag(span);
                self.open(Frame::List { next: 0 }, range)
            }
            Event::MappingStart(..) => {
                self.refuse_tag(span);
                self.open(Frame::Mapping { seen: BTreeMap::new(), key: None }, range)
            }
            Event::SequenceEnd | Event::MappingEnd => {
                self.close(range.end);
                ControlFlow::Continue(())
            }
            Event::Anchor(..) => {
                self.refuse("an anchor", range, "write the value out where it is used");
                ControlFlow::Continue(())
            }
            Event::Alias(_) | Event::UnresolvedAlias(_) => {
                self.refuse("an alias", range.clone(), "write the value out; text that starts with * needs quotes");
                self.scalar("*", ScalarStyle::DoubleQuoted, range)
            }
            // Starts and ends of the stream and of the document say nothing about what is in it.
            _ => ControlFlow::Continue(()),
        }
    }

    fn range(&self, span: &Span) -> Range<usize> {
        let range = span.byte_range().unwrap_or(0..0);
        self.base + range.start..self.base + range.end
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle, range: Range<usize>) -> ControlFlow<()> {
        if self.wants_key() {
            return self.key(text, style, range);
        }
        let plain = style == ScalarStyle::Plain;
        if self.frames.is_empty() && plain && matches!(text, "" | "~" | "null") {
            return ControlFlow::Continue(());
        }
        self.enter(range.clone(), false)?;
        if plain {
            self.check_plain(text, range);
        }
        self.path.pop();
        ControlFlow::Continue(())
    }

    fn check_plain(&mut self, text: &str, range: Range<usize>) {
        if rounds(text) {
            self.refusals.push(
                Diagnostic::error(code::NUMBER, format!("the number {} cannot be kept exactly", shortened(text)))
                    .label(Place::bytes(self.file.clone(), range), "it would be rounded")
                    .help("put it in quotes if it is text"),
            );
        } else if is_ambiguous(text) {
            self.ambiguous.push(self.path.clone());
        }
    }

    fn wants_key(&self) -> bool {
        matches!(self.frames.last(), Some(Frame::Mapping { key: None, .. }))
    }

    fn key(&mut self, text: &str, style: ScalarStyle, range: Range<usize>) -> ControlFlow<()> {
        let plain = style == ScalarStyle::Plain;
        if plain && text == "<<" {
            self.refuse("a merge key", range.clone(), "write the values out where they are used");
        } else if plain && matches!(text, "" | "~" | "null") {
            self.refuse("an empty key", range.clone(), "give the value a name, or remove the ':'");
        }
        let Some(Frame::Mapping { seen, key }) = self.frames.last_mut() else {
            return ControlFlow::Break(());
        };
        *key = Some((text.to_owned(), range.clone()));
        if let Some(first) = seen.insert(text.to_owned(), range.clone()) {
            let inside = dotted(&self.path);
            let inside = if inside.is_empty() { String::new() } else { format!(" in `{inside}`") };
            self.refusals.push(
                Diagnostic::error(
                    code::DUPLICATE_KEY,
                    format!("the key `{}` is written twice{inside}", shortened(text)),
                )
                .label(Place::bytes(self.file.clone(), range), "the second")
                .label(Place::bytes(self.file.clone(), first), "the first")
                .help("keep one of the two; it is not clear which one is meant"),
            );
        }
        ControlFlow::Continue(())
    }

    fn open(&mut self, frame: Frame, range: Range<usize>) -> ControlFlow<()> {
        if self.wants_key() {
            self.refuse("a list or mapping as a key", range, "use plain text as the key");
            return ControlFlow::Break(());
        }
        self.enter(range.clone(), true)?;
        self.frames.push(frame);
        if self.frames.len() > MAX_DEPTH {
            self.too_deep(range.start..range.start + 1);
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }

    fn enter(&mut self, value: Range<usize>, collection: bool) -> ControlFlow<()> {
        self.empty = false;
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            self.too_complex(value, format!("this document has more than {MAX_NODES} values"));
            return ControlFlow::Break(());
        }
        let mut range = None;
        match self.frames.last_mut() {
            None => {}
            Some(Frame::List { next }) => {
                self.path.push(Step::Index(*next));
                *next += 1;
            }
            Some(Frame::Mapping { key, .. }) => {
                let (name, at) = key.take().expect("a value of a mapping comes after its key");
                self.path.push(Step::Key(name));
                range = Some(at);
            }
        }
        self.index.insert(self.path.clone(), Entry { key: range, value, collection });
        ControlFlow::Continue(())
    }

    fn close(&mut self, end: usize) {
        let written = self.text[..end.saturating_sub(self.base).min(self.text.len())].trim_end().len();
        self.index.end(&self.path, self.base + written);
        self.frames.pop();
        self.path.pop();
    }

    fn refuse_tag(&mut self, span: &Span) {
        if let Some(tag) = span.tag_span() {
            let range = self.range(&tag);
            self.refuse("a tag", range, "remove it; write text in quotes and numbers without");
        }
    }

    fn refuse(&mut self, what: &str, range: Range<usize>, help: &str) {
        self.empty = false;
        let range = range.start..range.end.max(range.start + 1);
        self.refusals.push(
            Diagnostic::error(code::REFUSED_YAML, format!("{what} is not accepted here"))
                .label(Place::bytes(self.file.clone(), range), "what a reviewer reads must be what is applied")
                .help(help),
        );
    }

    fn tab(&mut self, at: usize) {
        self.refusals.push(
            Diagnostic::error(code::SYNTAX, "a tab is used for indentation")
                .label(Place::bytes(self.file.clone(), at..at + 1), "a tab")
                .help("indent with spaces"),
        );
    }

    fn too_deep(&mut self, range: Range<usize>) {
        self.too_complex(range, format!("this document is nested more than {MAX_DEPTH} levels deep"));
    }

    fn too_complex(&mut self, range: Range<usize>, message: String) {
        self.refusals.push(
            Diagnostic::error(code::TOO_COMPLEX, message).label(Place::bytes(self.file.clone(), range), "up to here"),
        );
    }

    fn syntax(&mut self, error: &ScanError) {
        let offset = error.marker().byte_offset().unwrap_or(0);
        if let ErrorKind::DirectiveDisallowed = error.kind() {
            let range = self.base + offset..self.base + offset + 1;
            return self.refuse("a YAML directive", range, "remove the line that starts with %");
        }
        let at = self.base + visible(self.text, offset);
        if let ErrorKind::RecursionLimitExceeded = error.kind() {
            return self.too_deep(at..at + 1);
        }
        if let Some(tab) = indenting_tab(self.text, offset) {
            return self.tab(self.base + tab);
        }
        let (message, label, help) = match error.kind() {
            ErrorKind::MappingValueNotAllowed if !is_second_colon(self.text, offset) => UNFINISHED,
            kind => wording(kind),
        };
        let diagnostic =
            Diagnostic::error(code::SYNTAX, message).label(Place::bytes(self.file.clone(), at..at + 1), label);
        self.refusals.push(if help.is_empty() { diagnostic } else { diagnostic.help(help) });
    }
}

// Numbers that JSON, and so the cloud, would not get as they are written.
fn rounds(text: &str) -> bool {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if matches!(digits.to_ascii_lowercase().as_str(), ".inf" | ".nan") {
        return true;
    }
    let all_digits = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if all_digits {
        let leading_zero = digits.len() > 1 && digits.starts_with('0');
        let text = text.strip_prefix('+').unwrap_or(text);
        return !leading_zero && text.parse::<i64>().is_err() && text.parse::<u64>().is_err();
    }
    digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') && text.parse::<f64>().is_ok_and(f64::is_infinite)
}

fn is_ambiguous(text: &str) -> bool {
    const YAML_1_1: [&str; 6] = ["y", "n", "yes", "no", "on", "off"];
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let number = digits.starts_with(|c: char| c.is_ascii_digit())
        && digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_')
        && (digits.contains('_') || (digits.len() > 1 && digits.starts_with('0')));
    number || YAML_1_1.contains(&text.to_ascii_lowercase().as_str())
}

fn shortened(text: &str) -> String {
    if text.chars().count() <= 60 { text.to_owned() } else { text.chars().take(60).chain(['…']).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> Option<Value> {
        parse(&FileName::outside("f"), text, &mut Diagnostics::new()).remove(0).value
    }

    proptest::proptest! {
        // Two readers, one text: where we give a value, the other YAML crate reads the same.
        #[test]
        fn a_mapping_reads_as_in_the_other_yaml_crate(
            words in proptest::collection::btree_map("[a-z]{1,5}", "[a-zA-Z0-9][a-zA-Z0-9 .:/-]{0,8}[a-z]", 1..5),
            numbers in proptest::collection::btree_map("[A-Z]{1,5}", proptest::num::i64::ANY, 0..5),
        ) {
            let words = words.iter().map(|(key, value)| format!("{key}: \"{value}\"\n"));
            let text: String = words.chain(numbers.iter().map(|(key, value)| format!("{key}: [{value}]\n"))).collect();
            let other: Value = serde_yaml::from_str(&text).unwrap();
            proptest::prop_assert_eq!(value(&text), Some(other));
        }
    }

    #[test]
    fn plain_values_are_typed_by_the_core_schema_of_yaml_1_2() {
        let text =
            "[1, -1, 0, 1.5, 1e3, 0x1F, 0o17, 017, 1_0, true, True, NO, yes, null, ~, 12:30:45, .5, +1, 2026-01-01]";
        let found = serde_json::to_string(&value(text)).unwrap();
        insta::assert_snapshot!(found, @r#"
[1,-1,0,1.5,1000.0,31,15,"017","1_0",true,true,"NO","yes",null,null,"12:30:45",0.5,1,"2026-01-01"]
"#);
    }
}
