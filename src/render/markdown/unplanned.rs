//! The comment where there is no plan: why, and at which lines.

use crate::diagnostic::Diagnostic;
use crate::diagnostic::Severity;
use crate::domain::name::EnvironmentName;
use crate::domain::pull_request::ForgeKind;
use crate::render::count;
use crate::render::markdown::block;
use crate::render::markdown::comment::Commits;
use crate::render::markdown::comment::budget;
use crate::render::markdown::fitting;
use crate::render::markdown::inert::code;
use crate::render::markdown::inert::inert;
use crate::render::shown;
use crate::repo::source::Sources;
use crate::review::foot::foot;
use crate::review::sticky::marker;

/// A change that cannot be planned.
#[derive(Clone, Copy)]
pub struct Unplanned<'a> {
    /// Whose Markdown it is.
    pub forge: ForgeKind,
    /// The environment.
    pub environment: &'a EnvironmentName,
    /// What tells this comment from an earlier one.
    pub key: &'a str,
    /// Why there is no plan, as a sentence.
    pub why: &'a str,
    /// What to do about it, as a sentence.
    pub help: Option<&'a str>,
    /// What is wrong in the files that the change touches, or is wrong because of it.
    pub findings: &'a [&'a Diagnostic],
    /// How many others there are.
    pub others: usize,
    /// The texts of the files.
    pub sources: &'a Sources,
    /// What was merged.
    pub commits: &'a Commits,
}

/// Writes why there is no plan, in at most [`budget`] bytes.
pub fn unplanned(it: &Unplanned<'_>) -> String {
    let Unplanned { forge, environment, key, why, help, findings, others, sources, commits } = it;
    let help = help.map(|help| format!("\n**Help:** {}\n", inert(help))).unwrap_or_default();
    let head = format!(
        "{}\n### privlink plan for {environment}: cannot be planned\n\n{}\n{help}",
        marker(environment, key),
        inert(why)
    );
    let foot = format!("\n{}\n", foot(&commits.base, &commits.head, None));
    let more = match others {
        0 => String::new(),
        number => format!("\nBeside these there are {} that this change did not bring.\n", count(*number, "finding")),
    };
    let mut budget = budget(*forge).saturating_sub(head.len() + foot.len() + more.len() + 400);
    let lines = findings.iter().map(|finding| line(finding, sources)).collect();
    let findings = fitting(block("What is wrong", lines), "what is wrong", &mut budget);
    [head, findings, more, foot].concat()
}

fn line(finding: &Diagnostic, sources: &Sources) -> String {
    let place = finding.place().map(|place| format!(" {}", code(&shown::location(sources, place)))).unwrap_or_default();
    let word = match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "remark",
    };
    let help = finding.help.as_ref().map(|help| format!("<br>help: {}", inert(help))).unwrap_or_default();
    format!("- **{word}**{place}: {} ({}){help}", inert(&finding.message), finding.code)
}
