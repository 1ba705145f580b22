//! From the bytes of a commit to documents with places, and from `privlink.toml` to settings. Pure.
//!
//! ```text
//! Snapshot ─ layout ─▶ text ─ yaml ─▶ index + value ─ decode ─▶ wire struct ─▶ Document
//!                        └───────────────┴──── Sources (for rendering) ┘
//! ```
//!
//! Nothing is thrown: every stage adds diagnostics and goes on with what it can, so that one run shows everything that is
//! wrong in all files.

#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use std::num::NonZero;

use crate::diagnostic::{Diagnostic, Diagnostics, FileName, Fix, On, Place, Severity, Step};
use crate::domain::commit::{File, RepoPath, Snapshot};
use crate::domain::parallel;

pub mod code;
mod decode;
pub mod document;
pub mod fix;
mod layout;
pub mod schema;
pub mod settings;
pub mod source;
mod split;
mod yaml;

use document::{Body, Document, Manifest};
use settings::Settings;
use source::{Source, Sources};

/// Diagnostics told about one file.
const MAX_DIAGNOSTICS: usize = 100;

/// What was read from a commit.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    /// The documents that have a meaning, in the order of files and of documents in a file. There may be errors in them all the
    /// same: a Service in which only quotes are missing is read as if it had them, and one that the API server would refuse
    /// is looked at further, so that everything is told at once.
    pub documents: Vec<Document>,
    /// Everything there is to tell, in file order, then by position.
    pub diagnostics: Diagnostics,
    /// The texts, for rendering places.
    pub sources: Sources,
}

/// Files that are read at once; a few milliseconds of work.
const BLOCK: NonZero<usize> = NonZero::new(32).expect("not zero");

/// Reads every document below the folder of an environment.
pub fn read(snapshot: &Snapshot, settings: &Settings) -> Reading {
    let files: Vec<(&RepoPath, &File)> = snapshot.files.iter().collect();
    let parts = parallel::blocks(&files, BLOCK, |files| {
        let mut part = Reading::default();
        files.iter().for_each(|(path, file)| part.file(path, file, settings));
        part
    });
    let mut reading = Reading::default();
    for Reading { documents, diagnostics, sources } in parts {
        reading.documents.extend(documents);
        reading.diagnostics.extend(diagnostics);
        reading.sources.merge(sources);
    }
    reading.diagnostics.extend(layout::hidden_folders(snapshot, settings));
    reading.diagnostics.extend(layout::unreadable(snapshot, settings));
    let diagnostics = std::mem::take(&mut reading.diagnostics);
    reading.diagnostics = diagnostics.sorted_by_offset(|place| reading.sources.offset(place));
    reading
}

impl Reading {
    fn file(&mut self, path: &RepoPath, file: &File, settings: &Settings) {
        let Some(environment) = layout::environment_of(path, settings) else { return };
        let Some(text) = layout::text_of(path, file, &mut self.diagnostics) else { return };
        let file = FileName::from(path);
        let before = std::mem::take(&mut self.diagnostics);
        let parsed = yaml::parse(&file, &text, &mut self.diagnostics);
        let mut source = Source { text, documents: Vec::with_capacity(parsed.len()) };
        for (number, document) in parsed.into_iter().enumerate() {
            source.documents.push(document.index);
            let root = Place::document(file.clone(), number);
            let others = settings.check.other_kinds;
            let written = Manifest::new(source.text.clone(), document.range);
            let read = |value| document::read((value, written), &root, others, &mut self.diagnostics);
            let body = document.value.and_then(read);
            if let Some(body) = body {
                self.warn_of_ambiguous(&body, &root, document.ambiguous);
                let environment = environment.clone();
                self.documents.push(Document { file: path.clone(), number, environment, body });
            }
        }
        self.sources.insert(file, source);
        let found = std::mem::replace(&mut self.diagnostics, before);
        self.diagnostics.extend(self.shortened(found));
    }

    // A file of the wrong sort is wrong from end to end; the first mistakes say so.
    fn shortened(&self, found: Diagnostics) -> Diagnostics {
        let found = found.sorted_by_offset(|place| self.sources.offset(place));
        let mut all: Vec<Diagnostic> = found.into_iter().collect();
        let rest: Diagnostics = all.split_off(all.len().min(MAX_DIAGNOSTICS)).into_iter().collect();
        let mut kept: Diagnostics = all.into_iter().collect();
        if let Some(place) = rest.iter().find_map(Diagnostic::place) {
            let message = format!("{} more mistakes in {} are not shown", rest.len(), place.file);
            // What is not shown still counts: errors stop, warnings do not.
            let severity = if rest.has_errors() { Severity::Error } else { Severity::Warning };
            let remark = Diagnostic { severity, ..Diagnostic::error(code::TOO_COMPLEX, message) };
            kept.push(remark.label(place.clone(), "the next one"));
        }
        kept
    }

    // We read YAML 1.2. kubectl reads 1.1, in which these words are not text: the same file would mean something else.
    fn warn_of_ambiguous(&mut self, body: &Body, root: &Place, paths: Vec<Vec<Step>>) {
        if !matches!(body, Body::Service(_)) {
            return;
        }
        self.diagnostics.extend(paths.into_iter().map(|path| {
            let place = Place { path, on: On::Value, ..root.clone() };
            Diagnostic::warning(code::AMBIGUOUS, format!("`{}` is read as text here", place.dotted()))
                .label(place.clone(), "kubectl reads a boolean or a number")
                .help("put it in quotes, so that everybody reads the same")
                .fix(Fix::quote(place))
        }));
    }
}

/// Reads a file that is one document of a known type, such as an approval.
pub fn read_one<T: serde::de::DeserializeOwned>(path: &RepoPath, bytes: &[u8]) -> (Option<T>, Diagnostics, Sources) {
    let mut diagnostics = Diagnostics::new();
    let mut sources = Sources::new();
    let file = FileName::from(path);
    let entry = crate::domain::commit::File::Bytes(bytes.to_vec());
    let Some(text) = layout::text_of(path, &entry, &mut diagnostics) else { return (None, diagnostics, sources) };
    let mut parsed = yaml::parse(&file, &text, &mut diagnostics);
    let value = match (parsed.len(), parsed.first_mut().and_then(|document| document.value.take())) {
        (1, Some(value)) => {
            decode::decode(&value, decode::Nulls::Refused, &Place::document(file.clone(), 0), &mut diagnostics)
        }
        (1, None) => None,
        _ => {
            let message = "one document is needed in this file";
            diagnostics.push(
                Diagnostic::error(code::WRONG_TYPE, message).label(Place::file(file.clone()), "not one document"),
            );
            None
        }
    };
    let documents = parsed.into_iter().map(|document| document.index).collect();
    sources.insert(file, Source { text, documents });
    (value, diagnostics, sources)
}
