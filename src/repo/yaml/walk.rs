//! Walks the events of one document: its value, what is refused in it, and, if asked, where its entries are.

use std::ops::{ControlFlow, Range};

use granit_parser::{ErrorKind, Event, Parser, ScalarStyle, ScanError, Span};
use serde_json::{Map, Value};

use crate::diagnostic::{Diagnostic, FileName, Place, Step, dotted};
use crate::repo::code;
use crate::repo::source::{Entries, Entry};

use super::plain::{is_ambiguous, is_null, rounds, typed};
use super::wording::{UNFINISHED, indenting_tab, is_second_colon, visible, wording};
use super::{MAX_DEPTH, MAX_NODES, MAX_REFUSALS};

/// A collection that is not at its end.
enum Frame {
    Mapping { entries: Map<String, Value>, key: Option<Key> },
    List { items: Vec<Value> },
}

/// A key whose value is not complete.
struct Key {
    name: String,
    range: Range<usize>,
}

/// The state of one walk. Ranges of bytes are of the file.
pub(super) struct Walk<'a> {
    file: &'a FileName,
    base: usize,
    text: &'a str,
    frames: Vec<Frame>,
    nodes: usize,
    /// The value of the document, once it is complete.
    pub(super) root: Option<Value>,
    /// Where the entries are, if that was asked for.
    pub(super) entries: Option<Entries>,
    /// True as long as there was nothing.
    pub(super) empty: bool,
    /// Plain text that YAML 1.1 would not read as text.
    pub(super) ambiguous: Vec<Vec<Step>>,
    /// What is wrong.
    pub(super) refusals: Vec<Diagnostic>,
}

impl<'a> Walk<'a> {
    /// A walk for the value of a document.
    pub(super) fn new(file: &'a FileName, text: &'a str, range: Range<usize>) -> Self {
        Walk {
            file,
            base: range.start,
            text: &text[range],
            frames: Vec::new(),
            nodes: 0,
            root: None,
            entries: None,
            empty: true,
            ambiguous: Vec::new(),
            refusals: Vec::new(),
        }
    }

    /// The same, which also notes where the entries are.
    pub(super) fn with_entries(file: &'a FileName, text: &'a str, range: Range<usize>) -> Self {
        Walk { entries: Some(Entries::new()), ..Walk::new(file, text, range) }
    }

    /// Walks until the end, or until nothing more can be said.
    pub(super) fn run(&mut self) {
        let options = granit_parser::options! {
            disallow_directives: true,
            emit_comments: false,
            emit_anchor_events: true,
            emit_unresolved_aliases: true,
            flow_nesting_limit: MAX_DEPTH,
            block_nesting_limit: MAX_DEPTH,
        };
        for next in Parser::new_from_str_with_options(self.text, options) {
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
                self.scalar(text.into_owned(), style, range)
            }
            Event::SequenceStart(..) => {
                self.refuse_tag(span);
                self.open(Frame::List { items: Vec::new() }, range)
            }
            Event::MappingStart(..) => {
                self.refuse_tag(span);
                self.open(Frame::Mapping { entries: Map::new(), key: None }, range)
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
                self.scalar("*".to_owned(), ScalarStyle::DoubleQuoted, range)
            }
            // Starts and ends of the stream and of the document say nothing about what is in it.
            _ => ControlFlow::Continue(()),
        }
    }

    fn range(&self, span: &Span) -> Range<usize> {
        let range = span.byte_range().unwrap_or(0..0);
        self.base + range.start..self.base + range.end
    }

    fn scalar(&mut self, text: String, style: ScalarStyle, range: Range<usize>) -> ControlFlow<()> {
        if self.wants_key() {
            return self.key(text, style, range);
        }
        let plain = style == ScalarStyle::Plain;
        if self.frames.is_empty() && plain && matches!(text.as_str(), "" | "~" | "null") {
            return ControlFlow::Continue(());
        }
        self.enter(range.clone(), false)?;
        if plain {
            self.check_plain(&text, range);
        }
        self.put(if plain { typed(text) } else { Value::String(text) });
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
            self.ambiguous.push(self.path());
        }
    }

    fn wants_key(&self) -> bool {
        matches!(self.frames.last(), Some(Frame::Mapping { key: None, .. }))
    }

    fn key(&mut self, name: String, style: ScalarStyle, range: Range<usize>) -> ControlFlow<()> {
        let plain = style == ScalarStyle::Plain;
        if plain && name == "<<" {
            self.refuse("a merge key", range.clone(), "write the values out where they are used");
        } else if plain && is_null(&name) {
            self.refuse("an empty key", range.clone(), "give the value a name, or remove the ':'");
        }
        let Some(Frame::Mapping { entries, .. }) = self.frames.last() else { return ControlFlow::Break(()) };
        if entries.contains_key(&name) {
            self.duplicate(&name, range.clone());
        }
        if let Some(Frame::Mapping { key, .. }) = self.frames.last_mut() {
            *key = Some(Key { name, range });
        }
        ControlFlow::Continue(())
    }

    fn duplicate(&mut self, name: &str, second: Range<usize>) {
        let mut path = self.path();
        let inside = dotted(&path);
        let inside = if inside.is_empty() { String::new() } else { format!(" in `{inside}`") };
        path.push(name.into());
        let first = self.entries.as_ref().and_then(|entries| entries.get(&path)?.key.clone());
        let diagnostic =
            Diagnostic::error(code::DUPLICATE_KEY, format!("the key `{}` is written twice{inside}", shortened(name)))
                .label(Place::bytes(self.file.clone(), second), "the second")
                .help("keep one of the two; it is not clear which one is meant");
        self.refusals.push(match first {
            Some(first) => diagnostic.label(Place::bytes(self.file.clone(), first), "the first"),
            None => diagnostic,
        });
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
        if self.entries.is_some() {
            let path = self.path();
            let key = match self.frames.last() {
                Some(Frame::Mapping { key: Some(key), .. }) => Some(key.range.clone()),
                Some(Frame::Mapping { key: None, .. } | Frame::List { .. }) | None => None,
            };
            self.entries.get_or_insert_default().insert(path, Entry { key, value, collection });
        }
        ControlFlow::Continue(())
    }

    /// The keys that lead to the value that is walked.
    fn path(&self) -> Vec<Step> {
        let step = |frame: &Frame| match frame {
            Frame::Mapping { key, .. } => key.as_ref().map(|key| Step::Key(key.name.clone())),
            Frame::List { items } => Some(Step::Index(items.len())),
        };
        self.frames.iter().filter_map(step).collect()
    }

    /// Adds a complete value to the collection around it.
    fn put(&mut self, value: Value) {
        match self.frames.last_mut() {
            None => self.root = Some(value),
            Some(Frame::List { items }) => items.push(value),
            Some(Frame::Mapping { entries, key }) => {
                let Key { name, .. } = key.take().expect("a value of a mapping comes after its key");
                entries.insert(name, value);
            }
        }
    }

    fn close(&mut self, end: usize) {
        let value = match self.frames.pop() {
            Some(Frame::Mapping { entries, .. }) => Value::Object(entries),
            Some(Frame::List { items }) => Value::Array(items),
            None => return,
        };
        if self.entries.is_some() {
            let written = self.text[..end.saturating_sub(self.base).min(self.text.len())].trim_end().len();
            let path = self.path();
            if let Some(entry) = self.entries.as_mut().and_then(|entries| entries.get_mut(&path)) {
                entry.value.end = (self.base + written).max(entry.value.start);
            }
        }
        self.put(value);
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

fn shortened(text: &str) -> String {
    if text.chars().count() <= 60 { text.to_owned() } else { text.chars().take(60).chain(['…']).collect() }
}
