//! Remarks at lines: of findings, and of changes that hurt. As values for a forge, as workflow commands of GitHub Actions, and as
//! the code quality report of GitLab.

use serde::Serialize;

use crate::diagnostic::Diagnostic;
use crate::diagnostic::Place;
use crate::diagnostic::Severity;
use crate::domain::commit::RepoPath;
use crate::domain::pull_request::Annotation;
use crate::domain::pull_request::AnnotationLevel;
use crate::plan::Plan;
use crate::plan::change::Change;
use crate::plan::document::digest;
use crate::plan::risk::Risk;
use crate::render::affected;
use crate::render::count;
use crate::render::findings::github::data;
use crate::render::findings::github::property;
use crate::render::shown;
use crate::render::step;

/// A finding at its line; `None` if that is not in the head.
pub fn of_finding(finding: &Diagnostic, line: impl Fn(&Place) -> Option<(RepoPath, u32)>) -> Option<Annotation> {
    let (path, line) = line(finding.place()?)?;
    let level = match finding.severity {
        Severity::Error => AnnotationLevel::Failure,
        Severity::Warning => AnnotationLevel::Warning,
        Severity::Info => AnnotationLevel::Notice,
    };
    let help = finding.help.as_ref().map(|help| format!("\nhelp: {help}")).unwrap_or_default();
    let message = lines(&format!("{}{help}", finding.message));
    Some(Annotation { path, line, level, title: finding.code.to_string(), message })
}

/// The changes of a plan that hurt, each where it was asked for.
pub fn of_plan(plan: &Plan, line: impl Fn(&Place) -> Option<(RepoPath, u32)>) -> Vec<Annotation> {
    let hurts = plan.steps.iter().map(|step| &step.change).filter(|it| it.risk >= Risk::Disruptive && !it.is_drift());
    hurts.filter_map(|change| of_change(change, &line)).collect()
}

fn of_change(change: &Change, line: &impl Fn(&Place) -> Option<(RepoPath, u32)>) -> Option<Annotation> {
    let document = change.place.as_ref()?;
    let field = change.fields.first().map(|field| affected::place_of(document, field));
    let (path, line) = field.and_then(|place| line(&place)).or_else(|| line(document))?;
    let told = change.consequences.iter().map(|it| {
        let hit = if it.parties.is_empty() {
            String::new()
        } else {
            format!(": {} affected", count(it.parties.len(), "connection"))
        };
        format!("{} ({}){hit}", it.text, shown::named(it))
    });
    let told: Vec<String> = told.chain(step::why(change)).chain(step::cuts(change)).collect();
    let message = if told.is_empty() { step::title(change) } else { told.join("\n") };
    let title = format!("{}: {}", change.risk, step::title(change));
    Some(Annotation { path, line, level: AnnotationLevel::Warning, title, message: lines(&message) })
}

/// Text of several lines whose control characters are shown.
fn lines(text: &str) -> String {
    text.lines().map(shown::one_line).collect::<Vec<_>>().join("\n")
}

/// One workflow command for each: GitHub Actions puts it beside its line.
pub fn commands(annotations: &[Annotation]) -> String {
    let command = |it: &Annotation| {
        let name = match it.level {
            AnnotationLevel::Notice => "notice",
            AnnotationLevel::Warning => "warning",
            AnnotationLevel::Failure => "error",
        };
        let (file, title) = (property(it.path.as_str()), property(&it.title));
        format!("::{name} file={file},line={},title={title}::{}\n", it.line, data(&it.message))
    };
    annotations.iter().map(command).collect()
}

/// One entry of GitLab's report. Source: the fields that its documentation on code quality reports requires.
#[derive(Serialize)]
struct Issue<'a> {
    description: String,
    check_name: &'a str,
    fingerprint: String,
    severity: &'static str,
    location: Location<'a>,
}

#[derive(Serialize)]
struct Location<'a> {
    path: &'a str,
    lines: Lines,
}

#[derive(Serialize)]
struct Lines {
    begin: u32,
}

/// The code quality report of GitLab.
///
/// GitLab tells new findings from old ones by the fingerprint alone. It has no line in it, so that a push which moves lines
/// makes no finding new; equal findings in one file are numbered.
pub fn code_quality(annotations: &[Annotation]) -> String {
    let mut seen: std::collections::BTreeMap<String, usize> = std::collections::BTreeMap::new();
    let mut issues = Vec::new();
    for Annotation { path, line, level, title, message } in annotations {
        let same = format!("{path}\n{title}\n{message}");
        let number = seen.entry(same.clone()).or_default();
        *number += 1;
        issues.push(Issue {
            description: if message.starts_with(title.as_str()) {
                message.clone()
            } else {
                format!("{title}: {message}")
            },
            check_name: title,
            fingerprint: digest(&format!("{same}\n{number}")),
            severity: match level {
                AnnotationLevel::Notice => "info",
                AnnotationLevel::Warning => "major",
                AnnotationLevel::Failure => "blocker",
            },
            location: Location { path: path.as_str(), lines: Lines { begin: *line } },
        });
    }
    serde_json::to_string_pretty(&issues).expect("text and numbers are JSON") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(line: u32, message: &str) -> Annotation {
        Annotation {
            path: "environments/prod/a,b:c.yaml".parse().unwrap(),
            line,
            level: AnnotationLevel::Failure,
            title: "ACL002".to_owned(),
            message: message.to_owned(),
        }
    }

    #[test]
    fn a_message_cannot_end_its_command_or_begin_another() {
        insta::assert_snapshot!(commands(&[at(3, "100%\n::error::x")]), @"::error file=environments/prod/a%2Cb%3Ac.yaml,line=3,title=ACL002::100%25%0A::error::x");
    }

    #[test]
    fn a_fingerprint_is_the_same_after_a_push_that_moves_lines_and_of_two_equal_findings_each_has_one() {
        let prints = |annotations: &[Annotation]| -> Vec<String> {
            let report: serde_json::Value = serde_json::from_str(&code_quality(annotations)).unwrap();
            let issues = report.as_array().unwrap().iter();
            issues.map(|issue| issue["fingerprint"].as_str().unwrap().to_owned()).collect()
        };
        let first = prints(&[at(3, "no"), at(9, "no"), at(9, "yes")]);
        assert_eq!(first, prints(&[at(5, "no"), at(12, "no"), at(1, "yes")]));
        assert_eq!(first.iter().collect::<std::collections::BTreeSet<_>>().len(), 3);
    }
}
