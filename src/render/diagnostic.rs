//! Diagnostics as people read them: the sentence, the line of their file with a caret, what to do about it.
//!
//! Here, and only here, a symbolic place becomes bytes.

use std::collections::BTreeSet;
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Element, Level, Origin, Renderer, Snippet};

use crate::diagnostic::{Diagnostic, Diagnostics, FileName, Severity};
use crate::render::{count, visible};
use crate::repo;
use crate::repo::source::Sources;

/// Writes all diagnostics in file order, and a line that counts them. Nothing to tell is an empty string.
pub fn render(diagnostics: &Diagnostics, sources: &Sources, colour: bool) -> String {
    let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
    let sorted = diagnostics.clone().sorted_by_offset(|place| sources.offset(place));
    let mut out = String::new();
    for diagnostic in &sorted {
        out.push_str(&one(diagnostic, sources, &renderer));
        out.push_str("\n\n");
    }
    if !sorted.is_empty() {
        out.push_str(&summary(&sorted));
        out.push_str(&fixable(&sorted, sources));
        out.push('\n');
    }
    out
}

/// Counts diagnostics and the files they are in: "3 errors, 1 warning in 2 files".
pub fn summary(diagnostics: &Diagnostics) -> String {
    let of = |severity, noun| match diagnostics.count(severity) {
        0 => None,
        number => Some(count(number, noun)),
    };
    let counts = [of(Severity::Error, "error"), of(Severity::Warning, "warning"), of(Severity::Info, "remark")];
    let counts: Vec<String> = counts.into_iter().flatten().collect();
    let files: BTreeSet<&FileName> = diagnostics.iter().filter_map(|it| Some(&it.place()?.file)).collect();
    match files.len() {
        0 => counts.join(", "),
        number => format!("{} in {}", counts.join(", "), count(number, "file")),
    }
}

// How many of them need nobody to decide anything.
fn fixable(diagnostics: &Diagnostics, sources: &Sources) -> String {
    let fixes = diagnostics.iter().filter_map(|diagnostic| diagnostic.fix.as_deref());
    match fixes.filter(|fix| repo::fix::edit(fix, sources).is_some()).count() {
        0 => String::new(),
        number => format!("; {number} fixable with `privlink check --fix`"),
    }
}

fn one(diagnostic: &Diagnostic, sources: &Sources, renderer: &Renderer) -> String {
    let Diagnostic { code, severity, message, labels: _, help, fix: _ } = diagnostic;
    let level = match severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Info => Level::INFO,
    };
    let help = help.as_ref().map(|help| Element::from(Level::HELP.message(visible(help))));
    let group =
        level.primary_title(visible(message)).id(code.as_str()).elements(files(diagnostic, sources)).elements(help);
    renderer.render(&[group])
}

/// One annotation: bytes of a file, what is said there, and whether it is the main one.
struct Mark<'a> {
    range: Range<usize>,
    text: &'a str,
    kind: AnnotationKind,
}

// One element per file, that of the primary label first.
fn files<'a>(diagnostic: &'a Diagnostic, sources: &'a Sources) -> Vec<Element<'a>> {
    let mut files: Vec<(&FileName, Vec<Mark<'a>>)> = Vec::new();
    for (index, label) in diagnostic.labels.iter().enumerate() {
        let kind = if index == 0 { AnnotationKind::Primary } else { AnnotationKind::Context };
        let file = &label.place.file;
        let marks = sources.range(&label.place).map(|range| Mark { range, text: &label.text, kind });
        match files.iter_mut().find(|(name, _)| *name == file) {
            Some((_, all)) => all.extend(marks),
            None => files.push((file, marks.into_iter().collect())),
        }
    }
    files.into_iter().map(|(file, marks)| element(file, marks, sources)).collect()
}

/// Bytes of source for one diagnostic. The renderer looks at all it is given, and a megabyte takes it a second.
const MAX_WINDOW: usize = 16 * 1024;
/// Bytes of the longest line that is shown; a longer one (a file of one line) is only named.
const MAX_LINE: usize = 2_000;

fn element<'a>(file: &'a FileName, mut marks: Vec<Mark<'a>>, sources: &'a Sources) -> Element<'a> {
    let name = visible(file.as_str());
    let text = match sources.get(file) {
        Some(source) if !marks.is_empty() => &*source.text,
        _ => return Origin::path(name).into(),
    };
    if lines_around(text, &marks).len() > MAX_WINDOW {
        marks.truncate(1);
    }
    let lines = lines_around(text, &marks);
    let number = text[..lines.start].matches('\n').count() + 1;
    if text[lines.clone()].lines().any(|line| line.len() > MAX_LINE) {
        let column = text[lines.start..marks[0].range.start].chars().count() + 1;
        return Origin::path(name).line(number).char_column(column).into();
    }
    let annotations = marks.into_iter().map(|mark| {
        let text = (!mark.text.is_empty()).then(|| visible(mark.text));
        mark.kind.span(mark.range.start - lines.start..mark.range.end - lines.start).label(text)
    });
    Snippet::source(&text[lines.clone()]).line_start(number).path(name).annotations(annotations).into()
}

// The whole lines from the first mark to the last.
fn lines_around(text: &str, marks: &[Mark<'_>]) -> Range<usize> {
    let first = marks.iter().map(|mark| mark.range.start).min().unwrap_or(0);
    let last = marks.iter().map(|mark| mark.range.end).max().unwrap_or(0);
    let start = text[..first].rfind('\n').map_or(0, |newline| newline + 1);
    let end = text[last..].find('\n').map_or(text.len(), |newline| last + newline);
    start..end
}
