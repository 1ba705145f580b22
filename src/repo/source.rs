//! The texts people wrote, with an index from key path to bytes: what a symbolic place is resolved with.
//!
//! ```text
//! Place { file, document 1, spec.nat.count, on its value }  ──Sources──▶  bytes 93..94 of the file ──▶ line 7, column 10
//! ```

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use crate::diagnostic::{FileName, On, Place, Step};
use crate::repo::yaml;

mod scalar;

/// Where entries are, by path of keys.
pub(crate) type Entries = BTreeMap<Vec<Step>, Entry>;

/// Where the entries of one document are, by path of keys. Ranges are bytes of the file.
///
/// The entries of a YAML document are looked up in its text when the first of them is asked for: nobody points into most
/// documents, and the index of one is ten times its text.
#[derive(Clone, Debug, Default)]
pub struct Index {
    entries: OnceLock<Entries>,
    document: Option<(Arc<str>, Range<usize>)>,
}

impl PartialEq for Index {
    fn eq(&self, other: &Self) -> bool {
        self.entries() == other.entries()
    }
}

impl Eq for Index {}

/// Where one entry is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The key; an item of a list and the document itself have none.
    pub key: Option<Range<usize>>,
    /// The value.
    pub value: Range<usize>,
    /// True for a mapping or list.
    pub collection: bool,
}

impl Index {
    /// The index of a YAML document: the bytes of it in its file's text.
    pub(crate) fn of_document(text: Arc<str>, range: Range<usize>) -> Self {
        Self { entries: OnceLock::new(), document: Some((text, range)) }
    }

    /// An index that is known.
    pub(crate) fn of_entries(entries: Entries) -> Self {
        Self { entries: entries.into(), document: None }
    }

    fn entries(&self) -> &Entries {
        self.entries.get_or_init(|| match &self.document {
            Some((text, range)) => yaml::entries(text, range.clone()),
            None => Entries::new(),
        })
    }

    /// The entry at a path.
    pub fn get(&self, path: &[Step]) -> Option<&Entry> {
        self.entries().get(path)
    }

    /// True if something was written at the path.
    pub fn contains(&self, path: &[Step]) -> bool {
        self.entries().contains_key(path)
    }

    /// The bytes to point at: of the entry, or of the nearest one around it that exists.
    fn range(&self, path: &[Step], on: On) -> Option<Range<usize>> {
        let depth = (0..=path.len()).rev().find(|depth| self.contains(&path[..*depth]))?;
        let entry = self.get(&path[..depth])?;
        // The value of a collection may be a screen long: its key says as much in one line.
        let by_key = depth < path.len() || on == On::Key || entry.collection || entry.value.is_empty();
        match &entry.key {
            Some(key) if by_key => Some(key.clone()),
            _ => Some(entry.value.clone()),
        }
    }
}

/// One file's text and the indexes of its documents.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// The text; empty if it could not be read as text.
    pub text: Arc<str>,
    /// One per document, in order.
    pub documents: Vec<Index>,
}

/// The texts of all files that were read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sources {
    files: BTreeMap<FileName, Source>,
}

impl Sources {
    /// No files.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a file, or replaces it.
    pub fn insert(&mut self, file: FileName, source: Source) {
        self.files.insert(file, source);
    }

    /// Adds all files of another collection.
    pub fn merge(&mut self, other: Self) {
        self.files.extend(other.files);
    }

    /// Every file and its source, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&FileName, &Source)> {
        self.files.iter()
    }

    /// The source of a file.
    pub fn get(&self, file: &FileName) -> Option<&Source> {
        self.files.get(file)
    }

    /// The bytes a place stands for; one line at most, never past the text. `None` for a file without text.
    pub fn range(&self, place: &Place) -> Option<Range<usize>> {
        let source = self.files.get(&place.file).filter(|source| !source.text.is_empty())?;
        let range = match (place.span, source.documents.get(place.document)) {
            (Some(span), _) => span.into(),
            (None, Some(index)) => {
                let whole = index.range(&place.path, place.on).unwrap_or(0..0);
                match place.on {
                    On::Part(part) if index.contains(&place.path) => part_of(&source.text, whole, part.into()),
                    On::Part(_) | On::Key | On::Value | On::Whole => whole,
                }
            }
            (None, None) => 0..0,
        };
        Some(one_line(&source.text, range))
    }

    /// The first byte a place stands for; 0 when it is not known. Orders diagnostics of one file.
    pub fn offset(&self, place: &Place) -> usize {
        self.range(place).map_or(0, |range| range.start)
    }

    /// The line of a place and its columns.
    pub fn region(&self, place: &Place) -> Option<Region> {
        let range = self.range(place)?;
        let (line, column) = self.line_column(place)?;
        let width = self.files.get(&place.file)?.text[range].chars().count();
        Some(Region { line, column, end_column: column + width.max(1) })
    }

    /// Line and column of a place, both from 1, the column in characters.
    pub fn line_column(&self, place: &Place) -> Option<(usize, usize)> {
        let start = self.range(place)?.start;
        let before = &self.files.get(&place.file)?.text[..start];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Some((before.matches('\n').count() + 1, before[line_start..].chars().count() + 1))
    }
}

/// A place on one line; everything counts from 1, columns in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    /// The line.
    pub line: usize,
    /// The column of the first character.
    pub column: usize,
    /// The column after the last one.
    pub end_column: usize,
}

// Text that spans lines was folded: then the value as a whole is pointed at.
fn part_of(text: &str, whole: Range<usize>, part: Range<usize>) -> Range<usize> {
    let raw = text.get(whole.clone()).unwrap_or("");
    let range = scalar::written(raw, part).map(|range| whole.start + range.start..whole.start + range.end);
    range.unwrap_or(whole)
}

// Cuts a range to the text, to whole characters and to its first line.
fn one_line(text: &str, range: Range<usize>) -> Range<usize> {
    let start = floor(text, range.start);
    let end = floor(text, range.end.max(start));
    let line_end = text[start..end].find(['\n', '\r']).map_or(end, |newline| start + newline);
    start..start + text[start..line_end].trim_end().len()
}

fn floor(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}
