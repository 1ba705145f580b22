//! SARIF 2.1.0 (an OASIS standard): what GitHub code scanning and editors read.

use std::collections::BTreeSet;

use serde_json::Value;
use serde_json::json;

use crate::desired::check::Rule;
use crate::desired::check::rules;
use crate::diagnostic::Diagnostic;
use crate::diagnostic::Diagnostics;
use crate::diagnostic::Fix;
use crate::diagnostic::Label;
use crate::diagnostic::Severity;
use crate::render::findings::replacement;
use crate::repo::source::Region;
use crate::repo::source::Sources;

/// The findings as one run, with the rules that were broken.
pub fn sarif(diagnostics: &Diagnostics, sources: &Sources) -> String {
    let broken: Vec<&str> =
        diagnostics.iter().map(|it| it.code.as_str()).collect::<BTreeSet<_>>().into_iter().collect();
    let results: Vec<Value> = diagnostics.iter().map(|diagnostic| result(diagnostic, &broken, sources)).collect();
    let document = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "privlink",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": broken.iter().map(|code| descriptor(code)).collect::<Vec<_>>(),
            } },
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    });
    serde_json::to_string_pretty(&document).expect("text and numbers are JSON") + "\n"
}

fn descriptor(code: &str) -> Value {
    match rules().find(|rule| rule.code.as_str() == code) {
        Some(Rule { severity, title, why, avoid, .. }) => json!({
            "id": code,
            "shortDescription": { "text": title },
            "fullDescription": { "text": why },
            "help": { "text": avoid },
            "defaultConfiguration": { "level": level(*severity) },
        }),
        None => json!({ "id": code }),
    }
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "note",
    }
}

fn result(diagnostic: &Diagnostic, broken: &[&str], sources: &Sources) -> Value {
    let Diagnostic { code, severity, message, labels, help, fix } = diagnostic;
    let repair = fix.as_deref().and_then(|fix| repair(fix, sources));
    let help = help.as_ref().map(|help| format!("\n{help}")).unwrap_or_default();
    let mut all = labels.iter().map(|label| location(label, sources));
    let mut result = json!({
        "ruleId": code.as_str(),
        "ruleIndex": broken.iter().position(|it| *it == code.as_str()),
        "level": level(*severity),
        "message": { "text": format!("{message}{help}") },
        "locations": all.next().into_iter().collect::<Vec<_>>(),
    });
    let related: Vec<Value> = all.collect();
    if !related.is_empty() {
        result["relatedLocations"] = json!(related);
    }
    if let Some(repair) = repair {
        result["fixes"] = json!([repair]);
    }
    result
}

fn repair(fix: &Fix, sources: &Sources) -> Option<Value> {
    let (region, text) = replacement(fix, sources)?;
    Some(json!({
        "description": { "text": "as `privlink check --fix` does" },
        "artifactChanges": [{
            "artifactLocation": { "uri": uri(fix.place.file.as_str()) },
            "replacements": [{ "deletedRegion": lines_and_columns(region), "insertedContent": { "text": text } }],
        }],
    }))
}

fn lines_and_columns(region: Region) -> Value {
    json!({
        "startLine": region.line,
        "startColumn": region.column,
        "endLine": region.line,
        "endColumn": region.end_column,
    })
}

fn location(label: &Label, sources: &Sources) -> Value {
    let mut physical = json!({ "artifactLocation": { "uri": uri(label.place.file.as_str()) } });
    if let Some(region) = sources.region(&label.place) {
        physical["region"] = lines_and_columns(region);
    }
    let mut location = json!({ "physicalLocation": physical });
    if !label.text.is_empty() {
        location["message"] = json!({ "text": label.text });
    }
    location
}

// A relative reference: what is not unreserved in RFC 3986 is escaped, and a colon in it must not read as a scheme.
fn uri(path: &str) -> String {
    let keep = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    path.bytes().map(|byte| if keep(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_a_relative_reference() {
        assert_eq!(uri("environments/prod/a b:ü.yaml"), "environments/prod/a%20b%3A%C3%BC.yaml");
    }
}
