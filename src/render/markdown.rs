//! A plan as a comment on a pull request, and a status as a table: Markdown in which nothing of the user's is alive.
//!
//! Names and values come from people's files and from Azure. They stand in code spans and fences longer than any back-tick
//! run in them, or are escaped: they never mention anybody, link anything, close a fence or start a command.

mod comment;
mod details;
mod inert;
mod people;
mod picture;
mod unplanned;

use crate::plan::Plan;
use crate::plan::Step;
use crate::plan::mode::Mode;
use crate::render::Text;
use crate::render::affected;
use crate::render::count;
use crate::render::left_out;
use crate::render::plan as words;
use crate::render::shown;
use crate::render::shown::Details;
use crate::render::shown::Shown;
use crate::render::step;
use crate::render::terminal;
pub use comment::Commits;
pub use comment::Frame;
pub use comment::budget;
pub use comment::comment;
pub use comment::headline;
use details::details_of;
use inert::cell;
pub(super) use inert::cell_code;
pub use inert::code;
use inert::fence;
pub use inert::inert;
pub use unplanned::Unplanned;
pub use unplanned::unplanned;

/// The most that GitHub takes in one comment (65,536 characters), less what a forge adds around it.
pub const GITHUB_LIMIT: usize = 64_000;

/// Writes any text as a fenced block.
pub fn text(text: &Text) -> String {
    fence("text", &terminal::render(text, false))
}

/// Writes a plan for a pull request: who is affected first; changes fold, worst first, while `limit` bytes last.
///
/// The first line is a comment that finds the plan of an environment again:
/// `<!-- privlink:v1 environment=prod plan=<id> -->`.
pub fn plan(plan: &Plan, details: Details<'_>, limit: usize) -> String {
    let environment = &plan.policy.mark.environment;
    let head = format!(
        "<!-- privlink:v1 environment={environment} plan={} -->\n{}",
        plan.id,
        head(plan, &words::verdict(plan))
    );
    let closing = closing(plan);
    // What is cut short says so; those lines need room too.
    let mut budget = limit.saturating_sub(head.len() + closing.len() + 400);
    let rules = fitting(rules(plan), "loosened rules", &mut budget);
    let people = people::affected(plan, details, budget);
    let affected = fitting(people, "who is affected", &mut budget);
    let left_out = fitting(left_out(plan, details), "what is left out", &mut budget);
    let modes = fitting(modes(plan), "how Private Link Services were made", &mut budget);
    let smaller = fitting(smaller_edits(plan), "smaller edits", &mut budget);
    let troubles = fitting(troubles(plan), "what stands in the way", &mut budget);
    let table = fitting(table(plan, details), "changes", &mut budget);
    let notes = fitting(notes(plan), "what to know", &mut budget);
    let folded = folded(plan, details, &mut budget, |_| true);
    [head, rules, affected, left_out, modes, smaller, table, folded, troubles, notes, closing].concat()
}

/// Lines while the budget lasts; the rest is counted.
fn fitting(lines: Vec<String>, what: &str, budget: &mut usize) -> String {
    let mut out = String::new();
    let total = lines.len();
    for (at, line) in lines.into_iter().enumerate() {
        if line.len() + 1 > *budget {
            out.push_str(&format!("\n_… and {} more lines about {what}: see the whole plan._\n", total - at));
            break;
        }
        *budget -= line.len() + 1;
        out.push_str(&line);
        out.push('\n');
    }
    out
}

fn head(plan: &Plan, verdict: &str) -> String {
    let environment = &plan.policy.mark.environment;
    if !plan.has_changes() {
        return format!("### privlink plan for {environment}\n\n{}\n", words::unchanged(plan));
    }
    let counts: Vec<String> = words::counts(plan)
        .into_iter()
        .map(|(action, number)| format!("`{}` {number} to {action}", action.symbol()))
        .collect();
    format!("### privlink plan for {environment}: {verdict}\n\n{}\n", counts.join(", "))
}

/// The rules that the commit loosens.
fn rules(plan: &Plan) -> Vec<String> {
    let rules = plan.loosening().iter().map(|rule| format!("- {}", inert(rule)));
    block("Loosened rules: in force once this is approved", rules.collect())
}

fn table(plan: &Plan, details: Details<'_>) -> Vec<String> {
    if !plan.has_changes() {
        return Vec::new();
    }
    let mut lines = vec![
        String::new(),
        "| | Resource | Action | Risk | Why | Affects |".to_owned(),
        "|---|---|---|---|---|---|".to_owned(),
    ];
    lines.extend(words::by_risk(plan).into_iter().map(|(_, step)| row(step, details)));
    lines
}

fn row(step: &Step, details: Details<'_>) -> String {
    let change = &step.change;
    let why = step::why(change).first().map(|why| cell(&inert(why)));
    let why = why.or_else(|| step::source(change, details).map(|source| cell_code(&source))).unwrap_or_default();
    let parties = affected::number_of_parties(change);
    let affects = if parties == 0 { String::new() } else { count(parties, "connection") };
    let irreversible = if change.irreversible { ", irreversible" } else { "" };
    let key = cell_code(&change.key.to_string());
    let by = shown::actor(change.actor);
    let drift = if change.is_drift() { ", drift" } else { "" };
    format!(
        "| `{}` | {key} | {}{by}{drift} | {}{irreversible} | {why} | {affects} |",
        change.action.symbol(),
        change.action,
        change.risk
    )
}

fn folded(plan: &Plan, details: Details<'_>, budget: &mut usize, which: impl Fn(&Step) -> bool) -> String {
    let mut out = String::new();
    let mut left_out = 0;
    for (number, step) in words::by_risk(plan).into_iter().filter(|(_, step)| which(step)) {
        let block = details_of(plan, number, step, details);
        if block.len() > *budget {
            left_out += 1;
            continue;
        }
        *budget -= block.len();
        out.push_str(&block);
    }
    if left_out > 0 {
        out.push_str(&format!(
            "\n_The fields of {} do not fit here: see the whole plan._\n",
            count(left_out, "change")
        ));
    }
    out
}

fn block(title: &str, lines: Vec<String>) -> Vec<String> {
    if lines.is_empty() {
        return lines;
    }
    let head = [String::new(), format!("**{title}**"), String::new()];
    head.into_iter().chain(lines).collect()
}

fn troubles(plan: &Plan) -> Vec<String> {
    let blockers = plan.blockers.iter().map(|blocker| {
        let subject = code(&blocker.subject);
        format!("- {subject}: {}<br>help: {}", inert(&blocker.problem), inert(&blocker.help))
    });
    let gaps = plan.gaps.iter().map(|gap| format!("- {}: {}", inert(&gap.area.to_string()), inert(&gap.reason)));
    [block("Cannot be applied", blockers.collect()), block("Could not be read", gaps.collect())].concat()
}

fn left_out(plan: &Plan, details: Details<'_>) -> Vec<String> {
    let item = |left: &crate::plan::change::LeftOut| {
        let action = left.change.as_ref().map(|change| format!(" ({})", change.action)).unwrap_or_default();
        let source = left.change.as_ref().and_then(|change| step::source(change, details));
        let source = source.map(|source| format!("<br>asked for in {}", code(&source))).unwrap_or_default();
        let shown = Shown::new(plan.policy.subscription.clone());
        let refused = left.change.iter().filter(|_| !left.refusals.is_empty());
        let stored = refused.flat_map(|change| step::stored_otherwise(change, &shown));
        let because = stored.chain(left_out::because(left)).collect::<Vec<_>>();
        let because = because.iter().map(|line| format!("<br>{}", inert(line))).collect::<String>();
        let cures = left_out::cures(left).iter().map(|cure| format!("<br>help: {}", inert(cure))).collect::<String>();
        let hit = left_out::hit(left, plan, details).into_iter().map(|row| row.join(" "));
        let hit = hit.map(|row| format!("<br>would be hit: {}", inert(&row))).collect::<String>();
        format!("- {}{action}{source}{because}{hit}{cures}", code(&left.key.to_string()))
    };
    left_out::groups(plan)
        .into_iter()
        .flat_map(|(title, left)| block(title, left.into_iter().map(item).collect()))
        .collect()
}

fn modes(plan: &Plan) -> Vec<String> {
    let mode = |mode: &Mode| {
        let told = inert(&words::mode_words(mode));
        format!("- {}: {told} ({}, {})", code(mode.link.name()), mode.rule.id, mode.evidence())
    };
    block(words::MODES, plan.modes.iter().map(mode).collect())
}

fn smaller_edits(plan: &Plan) -> Vec<String> {
    let offers = plan.smaller_edits.iter().map(|offer| format!("- {}: {}", code(&offer.subject), inert(&offer.text)));
    block("A smaller edit", offers.collect())
}

fn notes(plan: &Plan) -> Vec<String> {
    let notes = plan.notes.iter().map(|note| format!("- {}: {}", code(&note.subject), inert(&note.text)));
    block("Notes", notes.collect())
}

fn closing(plan: &Plan) -> String {
    if !plan.has_changes() {
        return String::new();
    }
    let consents = words::consents(plan).into_iter().map(|asked| format!("- {}", asked.line()));
    let remarks = words::remarks(plan).into_iter().map(|remark| format!("- {}", inert(&remark)));
    let lines = block("Approval", consents.chain(remarks).collect());
    format!("{}\n\nPlan id: `{}`\n", lines.join("\n"), plan.id)
}

#[cfg(test)]
mod tests;
