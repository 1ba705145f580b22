//! Every rule once broken and once kept, and manifests that break none.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use privlink::desired::check::rules;
use privlink::diagnostic::Severity;
use proptest::prelude::*;

use crate::support::case::CONSUMER;
use crate::support::case::Case;

mod own;
mod places;
mod recorded;
mod repair;
mod table;
mod valid;

/// A Service: lines of annotations without their prefix, and lines of its spec.
pub(super) type Manifest = (&'static str, &'static str);

/// The manifest of a Service of type `LoadBalancer`.
pub(super) fn manifest(name: &str, (annotations, spec): (&str, &str)) -> String {
    let lines = |text: &str, indent: &str| -> String { text.lines().map(|line| format!("{indent}{line}\n")).collect() };
    let prefixed: String = annotations
        .lines()
        .map(|line| {
            if line.contains('/') && !line.starts_with("azure-") {
                line.to_owned()
            } else {
                format!("service.beta.kubernetes.io/{line}")
            }
        })
        .map(|line| format!("    {line}\n"))
        .collect();
    let annotations = if prefixed.is_empty() { String::new() } else { format!("  annotations:\n{prefixed}") };
    let kind = if spec.contains("type:") { "" } else { "  type: LoadBalancer\n" };
    let ports = if spec.contains("ports:") { "" } else { "  ports:\n  - port: 80\n" };
    format!(
        "apiVersion: v1\nkind: Service\nmetadata:\n  name: {name}\n{annotations}spec:\n{kind}{ports}{}  selector: {{ app: {name} }}\n",
        lines(spec, "  ")
    )
}

/// The codes that Services are told, and the rendered text; remarks only if they are asked for.
pub(super) fn told(manifests: &[Manifest], remarks: bool) -> (Vec<&'static str>, String) {
    let case = manifests.iter().enumerate().fold(Case::empty(), |case, (at, text)| {
        let name = format!("s{at}");
        case.with(&name, &manifest(&name, *text))
    });
    let (_, diagnostics, shown) = case.read_with(|policy| policy.levels.remarks = remarks);
    let mut codes: Vec<&'static str> = diagnostics.iter().map(|diagnostic| diagnostic.code.as_str()).collect();
    codes.dedup();
    (codes, shown)
}

/// An address cannot be right for an internal and for a public load balancer at once.
const NEVER_ALONE: [&str; 1] = ["XS002"];

#[test]
fn every_rule_is_told_where_it_is_broken_and_only_there() {
    let mut wrong = Vec::new();
    for (rule, broken, kept) in table::cases() {
        let severity = rules().find(|it| it.code.as_str() == rule).map(|it| it.severity);
        let remark = severity == Some(Severity::Info);
        let (codes, shown) = told(&broken, remark);
        let found = if remark || NEVER_ALONE.contains(&rule) { codes.contains(&rule) } else { codes == [rule] };
        if !found {
            wrong.push(format!("{rule} broken tells {codes:?}\n{shown}"));
        }
        let (codes, shown) = told(&kept, remark);
        if codes.contains(&rule) {
            wrong.push(format!("{rule} kept tells {codes:?}\n{shown}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Needs two environments: `cli::check` has its cases.
const OF_ENVIRONMENTS: [&str; 1] = ["XS019"];

/// The rules about our own kinds have a table of their own.
fn elsewhere(rule: &str) -> bool {
    OF_ENVIRONMENTS.contains(&rule) || rule.starts_with("OWN")
}

#[test]
fn every_rule_has_its_two_cases_and_its_page() {
    let cases: BTreeSet<&str> = table::cases().into_iter().map(|(rule, ..)| rule).collect();
    let known: Vec<&str> = rules().map(|rule| rule.code.as_str()).collect();
    let missing: Vec<&&str> = known.iter().filter(|rule| !cases.contains(*rule) && !elsewhere(rule)).collect();
    assert!(missing.is_empty(), "rules without a case: {missing:?}");
    let unknown: Vec<&&str> = cases.iter().filter(|rule| !known.contains(*rule)).collect();
    assert!(unknown.is_empty(), "cases of no rule: {unknown:?}");
    assert_eq!(known.iter().collect::<BTreeSet<_>>().len(), known.len(), "a code is used twice");
    for rule in rules() {
        let texts = [rule.title, rule.why, rule.avoid];
        assert!(texts.iter().all(|text| text.len() > 12 && !text.contains("  ")), "{} says too little", rule.code);
        assert!(rule.why.ends_with('.') && rule.avoid.ends_with('.') && !rule.title.ends_with('.'), "{}", rule.code);
    }
}
