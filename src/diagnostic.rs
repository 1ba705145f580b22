//! What we tell people about their files: data only, with symbolic places.
//!
//! A check names the file, the document in it and the path of keys (`spec.ports[0].port`); bytes are looked up when the
//! diagnostic is rendered. So a check on two resources can point into both files, and no type of the domain carries
//! byte ranges. Only trouble below the level of keys (a syntax error) holds a range of its own.

#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use crate::domain::commit::RepoPath;

mod collection;
mod fix;
mod suggest;

pub use collection::Diagnostics;
pub use fix::{Fix, Repair};
pub use suggest::{closest, did_you_mean};

/// The stable name of a rule, such as `REPO004`; `privlink explain` has a page for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Code(&'static str);

impl Code {
    /// Declares a code.
    pub const fn new(code: &'static str) -> Self {
        Self(code)
    }

    /// The text of the code.
    pub const fn as_str(self) -> &'static str {
        self.0
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Nothing is planned until it is repaired.
    Error,
    /// Probably not what was meant.
    Warning,
    /// Worth knowing.
    Info,
}

/// The name of a file that a person wrote: a path in the repository, or what the person called a file outside of it.
/// Every place holds one, so they share the text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileName(Arc<str>);

impl FileName {
    /// Names a file that is not in the repository, as it was given on the command line.
    pub fn outside(name: impl Into<String>) -> Self {
        Self(name.into().into())
    }

    /// The name as it is shown.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&RepoPath> for FileName {
    fn from(path: &RepoPath) -> Self {
        Self(path.as_str().into())
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One step of a path of keys.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// Into a mapping.
    Key(String),
    /// Into a list, from 0.
    Index(usize),
}

impl From<&str> for Step {
    fn from(key: &str) -> Self {
        Self::Key(key.to_owned())
    }
}

impl From<usize> for Step {
    fn from(index: usize) -> Self {
        Self::Index(index)
    }
}

/// Which part of an entry is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum On {
    /// Its key.
    Key,
    /// Its value.
    Value,
    /// Some bytes of its value's text, as it is read: without quotes, escapes resolved.
    Part(ByteRange),
    /// The document or file as a whole.
    Whole,
}

/// A place in somebody's file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The file.
    pub file: FileName,
    /// Which document of the file, from 0.
    pub document: usize,
    /// The keys that lead there; empty is the document itself.
    pub path: Vec<Step>,
    /// Which part of the entry.
    pub on: On,
    /// Bytes of the file, for trouble below the level of keys; wins over the path.
    pub span: Option<ByteRange>,
}

/// A range of bytes of a file that can be ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteRange {
    /// The first byte.
    pub start: usize,
    /// The byte after the last.
    pub end: usize,
}

impl From<Range<usize>> for ByteRange {
    fn from(range: Range<usize>) -> Self {
        Self { start: range.start, end: range.end }
    }
}

impl From<ByteRange> for Range<usize> {
    fn from(range: ByteRange) -> Self {
        range.start..range.end
    }
}

impl Place {
    /// A file as a whole.
    pub fn file(file: impl Into<FileName>) -> Self {
        Self::document(file, 0)
    }

    /// A document of a file as a whole.
    pub fn document(file: impl Into<FileName>, document: usize) -> Self {
        Self { file: file.into(), document, path: Vec::new(), on: On::Whole, span: None }
    }

    /// Bytes of a file.
    pub fn bytes(file: impl Into<FileName>, range: Range<usize>) -> Self {
        Self { span: Some(range.into()), ..Self::file(file) }
    }

    /// The value one step further in.
    #[must_use]
    pub fn child(mut self, step: impl Into<Step>) -> Self {
        self.path.push(step.into());
        self.on = On::Value;
        self
    }

    /// The value at the end of a path such as `spec.ports[0].port`.
    ///
    /// A key that contains a dot (an annotation) cannot be written this way: use [`Place::child`] for it.
    #[must_use]
    pub fn at(self, path: &str) -> Self {
        path.split('.').filter(|part| !part.is_empty()).fold(self, |place, part| {
            let mut pieces = part.split('[');
            let place = match pieces.next() {
                Some(key) if !key.is_empty() => place.child(key),
                _ => place,
            };
            pieces
                .filter_map(|piece| piece.strip_suffix(']')?.parse::<usize>().ok())
                .fold(place, |place, index| place.child(index))
        })
    }

    /// The same place, pointing at the key instead of the value.
    #[must_use]
    pub fn on_key(mut self) -> Self {
        self.on = On::Key;
        self
    }

    /// The same place, pointing at some bytes of the text that is its value.
    #[must_use]
    pub fn part(mut self, range: Range<usize>) -> Self {
        self.on = On::Part(range.into());
        self
    }

    /// The path as people write it: `spec.ports[0].port`; empty for a whole document.
    pub fn dotted(&self) -> String {
        dotted(&self.path)
    }
}

/// Writes a path of keys as `spec.ports[0].port`; a key that would be misread that way stands in brackets and quotes.
pub fn dotted(path: &[Step]) -> String {
    let mut text = String::new();
    for step in path {
        match step {
            Step::Index(index) => text.push_str(&format!("[{index}]")),
            Step::Key(key) if key.contains(['.', '[', ']', ' ', '/']) || key.is_empty() => {
                text.push_str(&format!("[{key:?}]"));
            }
            Step::Key(key) => {
                if !text.is_empty() {
                    text.push('.');
                }
                text.push_str(key);
            }
        }
    }
    text
}

/// A place and what is said there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Label {
    /// Where.
    pub place: Place,
    /// What is wrong there, a few words; may be empty.
    pub text: String,
}

/// Something to tell a person about their files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// The rule.
    pub code: Code,
    /// How bad it is.
    pub severity: Severity,
    /// The sentence: names the thing and what is wrong with it.
    pub message: String,
    /// Where; the first is the primary one.
    pub labels: Vec<Label>,
    /// What to do about it.
    pub help: Option<String>,
    /// The repair, where it follows from the finding alone.
    pub fix: Option<Box<Fix>>,
}

impl Diagnostic {
    /// Starts an error.
    pub fn error(code: Code, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, code, message)
    }

    /// Starts a warning.
    pub fn warning(code: Code, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, code, message)
    }

    /// Starts a remark.
    pub fn info(code: Code, message: impl Into<String>) -> Self {
        Self::new(Severity::Info, code, message)
    }

    fn new(severity: Severity, code: Code, message: impl Into<String>) -> Self {
        Self { code, severity, message: message.into(), labels: Vec::new(), help: None, fix: None }
    }

    /// Adds a place; the first one added is the primary one.
    #[must_use]
    pub fn label(mut self, place: Place, text: impl Into<String>) -> Self {
        self.labels.push(Label { place, text: text.into() });
        self
    }

    /// Says what to do about it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Says how it is repaired, if that follows from the finding alone.
    #[must_use]
    pub fn fix(mut self, fix: impl Into<Option<Fix>>) -> Self {
        self.fix = fix.into().map(Box::new);
        self
    }

    /// The primary place, if there is one.
    pub fn place(&self) -> Option<&Place> {
        self.labels.first().map(|label| &label.place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn case(path: &str, steps: &[Step]) {
        let place = Place::file(FileName::outside("f")).at(path);
        assert_eq!(place.path, steps);
        assert_eq!(place.dotted(), path);
    }

    #[test]
    fn a_path_reads_as_it_is_written() {
        case("", &[]);
        case("spec", &["spec".into()]);
        case("spec.ports[0].port", &["spec".into(), "ports".into(), 0.into(), "port".into()]);
        case("a[1][2]", &["a".into(), 1.into(), 2.into()]);
    }

    #[test]
    fn a_key_with_a_dot_stands_in_brackets() {
        let place = Place::file(FileName::outside("f")).at("metadata.annotations").child("x.io/y");
        assert_eq!(place.dotted(), r#"metadata.annotations["x.io/y"]"#);
    }
}
