//! What a plan leaves out, as lines: the change that is not made, why, the cure, and who would have been hit.

use std::collections::BTreeSet;

use crate::plan::Plan;
use crate::plan::change::LeftOut;
use crate::plan::change::Party;
use crate::render::Label;
use crate::render::Text;
use crate::render::affected::party_row;
use crate::render::shown;
use crate::render::shown::Details;
use crate::render::shown::Shown;
use crate::render::step;
use crate::render::table;

/// The heading of the block.
const TITLE: &str = "Left out: bound to fail, or of no use without what is";

/// The heading of drift that is only told.
const REPORTED: &str = "Drift that is only reported: what changed outside Git and stays as it is";

/// The heading of what suspended documents ask for.
const SUSPENDED: &str = "Suspended: stays as it is for as long as its document says so";

/// What is left out, by its headings, the worst first.
pub(super) fn groups(plan: &Plan) -> [(&'static str, Vec<&LeftOut>); 3] {
    [(TITLE, plan.unmet().collect()), (SUSPENDED, plan.suspended().collect()), (REPORTED, plan.reported().collect())]
}

/// Writes everything that is left out; nothing if nothing is.
pub(super) fn text(plan: &Plan, details: Details<'_>) -> Text {
    let mut text = Text::new();
    for (heading, left_out) in groups(plan) {
        if !left_out.is_empty() {
            let label = if heading == TITLE { Label::Error } else { Label::Heading };
            text.end().line(label, heading);
        }
        for left in left_out {
            text.append(one(left, plan, details));
        }
    }
    text
}

fn one(left: &LeftOut, plan: &Plan, details: Details<'_>) -> Text {
    let mut text = Text::new();
    text.plain("  ");
    match &left.change {
        Some(change) => {
            let title = format!("{} {}", change.action.symbol(), step::title(change));
            text.push(shown::action_label(change.action), title);
            text.plain("  [").push(shown::risk_label(change.risk), change.risk.to_string()).line(Label::Plain, "]");
        }
        None => drop(text.line(Label::Plain, shown::one_line(&left.key.to_string()))),
    }
    let source = left.change.as_ref().and_then(|change| step::source(change, details));
    if let Some(source) = source {
        text.plain("      ").line(Label::Dim, format!("asked for in {source}"));
    }
    // A change that only waits is told in one line: its fields come with the plan that makes it.
    if let Some(change) = left.change.as_ref().filter(|_| !left.refusals.is_empty()) {
        let shown = Shown::new(plan.policy.subscription.clone());
        text.append(step::fields(change, &shown));
        for line in step::stored_otherwise(change, &shown) {
            text.plain("      ").line(Label::Warning, line);
        }
    }
    for line in because(left) {
        text.plain("      ").line(Label::Warning, line);
    }
    text.append(parties(left, plan, details)).append(helps(left));
    text
}

/// Why it is not applicable, one reason a line.
pub(super) fn because(left: &LeftOut) -> Vec<String> {
    let rule = |rule: Option<&'static str>| rule.map(|rule| format!(" ({rule})")).unwrap_or_default();
    let verdict = match (left.suspended, left.is_reported()) {
        (true, _) => "not done",
        (false, true) => "not put back",
        (false, false) => "not applicable",
    };
    let refused = left.refusals.iter().map(|refusal| {
        let named = if refusal.rule.is_some_and(|rule| refusal.problem.contains(rule)) { None } else { refusal.rule };
        format!("{verdict} because {}{}", shown::one_line(&refusal.problem), rule(named))
    });
    let needs: Vec<String> = left.needs.iter().map(|key| shown::one_line(&key.to_string())).collect();
    let waits = (!needs.is_empty()).then(|| format!("{verdict} because it needs {}", needs.join(", ")));
    refused.chain(waits).collect()
}

/// What to do about it, each cure once.
pub(super) fn cures(left: &LeftOut) -> Vec<String> {
    let mut cures: Vec<String> = left.refusals.iter().map(|refusal| shown::one_line(&refusal.help)).collect();
    cures.dedup();
    cures
}

fn helps(left: &LeftOut) -> Text {
    let mut text = Text::new();
    for cure in cures(left) {
        text.plain("      ").push(Label::Hint, "help: ").line(Label::Plain, cure);
    }
    text
}

/// Who would lose service if it were made all the same, each once, as rows.
pub(super) fn hit(left: &LeftOut, plan: &Plan, details: Details<'_>) -> Vec<Vec<String>> {
    let consequences = left.change.iter().flat_map(|change| &change.consequences);
    let parties: BTreeSet<&Party> = consequences.flat_map(|consequence| &consequence.parties).collect();
    parties.into_iter().map(|party| party_row(party, plan, details)).collect()
}

fn parties(left: &LeftOut, plan: &Plan, details: Details<'_>) -> Text {
    let mut text = Text::new();
    for line in table::aligned(&hit(left, plan, details)) {
        text.plain("      would be hit: ").line(Label::Severing, line);
    }
    text
}
