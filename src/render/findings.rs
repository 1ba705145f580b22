//! Findings for programs: JSON version 1, SARIF 2.1.0 for code scanning, workflow commands of GitHub Actions.
//!
//! The JSON is a format of our own: structs that are frozen, never a dump of what the program holds inside. The other two
//! belong to others.

pub mod annotations;
mod github;
mod sarif;

pub use github::github;
pub use sarif::sarif;

use schemars::JsonSchema;
use serde::Serialize;

use crate::diagnostic::Diagnostic;
use crate::diagnostic::Diagnostics;
use crate::diagnostic::Fix;
use crate::diagnostic::Label;
use crate::diagnostic::Place;
use crate::diagnostic::Severity;
use crate::repo;
use crate::repo::fix::Edit;
use crate::repo::source::Region;
use crate::repo::source::Sources;

/// What was found in the files.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Findings")]
pub struct FindingsV1 {
    /// `privlink.dev/v1alpha1`.
    pub api_version: &'static str,
    /// `Findings`.
    pub kind: &'static str,
    /// How many of them are errors.
    pub errors: usize,
    /// How many of them are warnings.
    pub warnings: usize,
    /// How many of them are remarks.
    pub remarks: usize,
    /// The findings, in the order of files and lines.
    pub findings: Vec<FindingV1>,
}

/// One finding.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Finding")]
pub struct FindingV1 {
    /// The rule; `privlink explain` has its page.
    pub rule: &'static str,
    /// `error`, `warning` or `remark`.
    pub severity: &'static str,
    /// The sentence.
    pub message: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// Where; the first is the primary place.
    pub places: Vec<PlaceV1>,
    /// The repair that `privlink check --fix` makes; absent where a person has to decide.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<FixV1>,
}

/// New text for a part of one line.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Fix")]
pub struct FixV1 {
    /// The file, as a path in the repository.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The column of the first character that goes, from 1.
    pub column: usize,
    /// The column after the last character that goes.
    pub end_column: usize,
    /// What comes in their place.
    pub text: String,
}

/// A place in a file.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Place")]
pub struct PlaceV1 {
    /// The file, as a path in the repository.
    pub file: String,
    /// The keys that lead there, as in `spec.ports[0].port`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// The line, from 1. Absent for a file that is no text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// The column of the first character, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<usize>,
    /// The column after the last character, on the same line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_column: Option<usize>,
    /// What is wrong there; may be empty.
    pub label: String,
}

/// The findings as JSON.
pub fn json(diagnostics: &Diagnostics, sources: &Sources) -> String {
    let document = FindingsV1 {
        api_version: crate::plan::document::API_VERSION,
        kind: "Findings",
        errors: diagnostics.count(Severity::Error),
        warnings: diagnostics.count(Severity::Warning),
        remarks: diagnostics.count(Severity::Info),
        findings: diagnostics.iter().map(|diagnostic| finding(diagnostic, sources)).collect(),
    };
    serde_json::to_string_pretty(&document).expect("text and numbers are JSON") + "\n"
}

fn finding(diagnostic: &Diagnostic, sources: &Sources) -> FindingV1 {
    let Diagnostic { code, severity, message, labels, help, fix } = diagnostic;
    FindingV1 {
        rule: code.as_str(),
        severity: word(*severity),
        message: message.clone(),
        help: help.clone(),
        places: labels.iter().map(|label| place(label, sources)).collect(),
        fix: fix.as_deref().and_then(|fix| repair(fix, sources)),
    }
}

fn repair(fix: &Fix, sources: &Sources) -> Option<FixV1> {
    let (region, text) = replacement(fix, sources)?;
    let Region { line, column, end_column } = region;
    Some(FixV1 { file: fix.place.file.to_string(), line, column, end_column, text })
}

/// The bytes of one line that a repair replaces, and what with.
fn replacement(fix: &Fix, sources: &Sources) -> Option<(Region, String)> {
    let Edit { start, end, text } = repo::fix::edit(fix, sources)?;
    Some((sources.region(&Place::bytes(fix.place.file.clone(), start..end))?, text))
}

fn place(label: &Label, sources: &Sources) -> PlaceV1 {
    let region = sources.region(&label.place);
    PlaceV1 {
        file: label.place.file.to_string(),
        path: label.place.dotted(),
        line: region.map(|region| region.line),
        column: region.map(|region| region.column),
        end_column: region.map(|region| region.end_column),
        label: label.text.clone(),
    }
}

fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "remark",
    }
}
