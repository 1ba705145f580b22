//! A plan as a reviewer reads it: who is affected, what happens in which order, what stands in the way, who must say yes.
//!
//! A reader can stop at any line: the worst comes first. The full plan id closes the text, because that is what an approval
//! names.

use std::collections::BTreeMap;

use crate::approval;
use crate::desired::policy::Consent;
use crate::desired::policy::OnDrift;
use crate::plan::Plan;
use crate::plan::Step;
use crate::plan::action::Action;
use crate::plan::change::Cause;
use crate::plan::mode::Mode;
use crate::plan::risk::Risk;
use crate::render::Label;
use crate::render::Text;
use crate::render::affected;
use crate::render::count;
use crate::render::left_out;
use crate::render::shown;
use crate::render::shown::Details;
use crate::render::step;
use crate::render::table;
use crate::render::window;

/// From how many changes on the table says more than the changes themselves.
const TABLE_FROM: usize = 5;

/// Writes a plan for people.
pub fn plan(plan: &Plan, details: Details<'_>) -> Text {
    let mut text = Text::new();
    if plan.has_changes() {
        text.append(head(plan))
            .append(rules(plan))
            .append(affected(plan, details))
            .append(left_out::text(plan, details))
            .append(modes(plan))
            .append(smaller_edits(plan))
            .append(table(plan, details))
            .append(steps(plan, details));
    } else {
        text.line(Label::Heading, unchanged(plan)).append(left_out::text(plan, details));
        text.append(modes(plan)).append(smaller_edits(plan));
    }
    text.append(notes(plan)).append(blockers(plan)).append(gaps(plan));
    if plan.has_changes() {
        text.append(approval(plan)).end().plain("Plan id: ").line(Label::Id, plan.id.as_str());
    }
    text
}

/// The one line of a plan without changes.
pub(super) fn unchanged(plan: &Plan) -> String {
    let verb = if plan.unchanged == 1 { "is" } else { "are" };
    let resources = count(plan.unchanged, "resource");
    let environment = &plan.policy.mark.environment;
    let waiting = waiting(plan);
    match (plan.is_applicable() && plan.is_whole(), plan.is_complete()) {
        (true, true) if !waiting.is_empty() => {
            format!("Nothing to change: {resources} {verb} as {} shall be{waiting}.", they(plan.unchanged))
        }
        (true, true) => format!("No changes: {resources} {verb} as {} shall be.", they(plan.unchanged)),
        (false, _) => format!("Nothing can be changed in {environment} before this is out of the way."),
        (true, false) => {
            format!("No changes as far as could be read: {resources} {verb} as {} shall be.", they(plan.unchanged))
        }
    }
}

/// `, 2 changes suspended, 1 drifted resource only reported`; empty where nothing is.
fn waiting(plan: &Plan) -> String {
    let mut words = String::new();
    let (suspended, reported) = (plan.suspended().count(), plan.reported().count());
    if suspended > 0 {
        words.push_str(&format!(", {} suspended", count(suspended, "change")));
    }
    if reported > 0 {
        words.push_str(&format!(", {} only reported", count(reported, "drifted resource")));
    }
    words
}

fn they(number: usize) -> &'static str {
    if number == 1 { "it" } else { "they" }
}

/// `prod: severing, incomplete`.
pub(super) fn verdict(plan: &Plan) -> String {
    let mut words = plan.risk().to_string();
    if !plan.is_complete() {
        words.push_str(", incomplete");
    }
    if !plan.is_applicable() {
        words.push_str(", cannot be applied");
    }
    if !plan.is_whole() {
        words.push_str(&format!(", {} left out", count(plan.unmet().count(), "change")));
    }
    words + &waiting(plan)
}

/// How many changes of each action; adoptions only where there are some.
pub(super) fn counts(plan: &Plan) -> Vec<(Action, usize)> {
    let of = |action: Action| plan.steps.iter().filter(|step| step.change.action == action).count();
    let all = [Action::Create, Action::Update, Action::Replace, Action::Delete, Action::Adopt];
    all.into_iter()
        .map(|action| (action, of(action)))
        .filter(|(action, n)| *action != Action::Adopt || *n > 0)
        .collect()
}

fn head(plan: &Plan) -> Text {
    let mut text = Text::new();
    text.push(Label::Heading, format!("Plan for {}: ", plan.policy.mark.environment));
    text.push(shown::risk_label(plan.risk()), verdict(plan)).end();
    for (at, (action, number)) in counts(plan).into_iter().enumerate() {
        let label = if number == 0 { Label::Dim } else { shown::action_label(action) };
        text.plain(if at == 0 { "" } else { ", " });
        text.push(label, format!("{} {number} to {action}", action.symbol()));
    }
    text.end();
    text
}

/// The rules that the commit loosens.
fn rules(plan: &Plan) -> Text {
    let mut text = Text::new();
    if !plan.loosening().is_empty() {
        text.end().push(Label::Severing, "Loosened rules").line(Label::Plain, ": in force once this is approved");
        for rule in plan.loosening() {
            text.plain("  ").line(Label::Plain, shown::one_line(rule));
        }
    }
    text
}

fn affected(plan: &Plan, details: Details<'_>) -> Text {
    let mut text = Text::new();
    let hits = affected::hits(plan);
    if hits.is_empty() {
        return text;
    }
    text.end().push(Label::Severing, "Who is affected").plain(": ");
    text.plain(affected::affected_count(plan)).end();
    for hit in hits {
        let consequence = hit.consequence;
        text.plain(format!("  {}: ", shown::one_line(&hit.keys().join(", "))));
        text.plain(shown::one_line(&consequence.text)).line(Label::Dim, format!(" ({})", shown::named(consequence)));
        if let Some(why) = hit.why(plan, details) {
            text.plain("    why: ").line(Label::Plain, why);
        }
        let row = |party| affected::party_row(party, plan, details);
        let rows: Vec<Vec<String>> = consequence.parties.iter().map(row).collect();
        for line in table::aligned(&rows) {
            text.plain("    ").line(Label::Severing, line);
        }
    }
    text
}

/// The heading over how Private Link Services were made.
pub(super) const MODES: &str = "Private Link Services on a frontend that changes";

fn modes(plan: &Plan) -> Text {
    let mut text = Text::new();
    if !plan.modes.is_empty() {
        text.end().line(Label::Heading, MODES);
    }
    for mode in &plan.modes {
        text.plain(format!("  {}: ", shown::one_line(mode.link.name()))).plain(mode_words(mode));
        text.line(Label::Dim, format!(" ({}, {})", mode.rule.id, mode.evidence()));
    }
    text
}

/// Who made it, and what that means.
pub(super) fn mode_words(mode: &Mode) -> String {
    format!("made by {}: {}", mode.maker, mode.meaning)
}

fn smaller_edits(plan: &Plan) -> Text {
    let mut text = Text::new();
    if !plan.smaller_edits.is_empty() {
        text.end().line(Label::Heading, "A smaller edit");
    }
    for offer in &plan.smaller_edits {
        text.plain(format!("  {}: ", shown::one_line(&offer.subject))).line(Label::Hint, shown::one_line(&offer.text));
    }
    text
}

/// The changes as a table, worst first; the numbers are those of the steps below.
fn table(plan: &Plan, details: Details<'_>) -> Text {
    let mut text = Text::new();
    if plan.steps.len() < TABLE_FROM {
        return text;
    }
    let ordered = by_risk(plan);
    let rows: Vec<Vec<String>> = ordered.iter().map(|(number, step)| row(*number, step, details)).collect();
    text.end().line(Label::Heading, "Worst first");
    for (line, (_, step)) in table::aligned(&rows).into_iter().zip(ordered) {
        text.plain("  ").line(shown::risk_label(step.change.risk), line);
    }
    text
}

fn row(number: usize, step: &Step, details: Details<'_>) -> Vec<String> {
    let change = &step.change;
    let parties = affected::number_of_parties(change);
    let affects = if parties == 0 { String::new() } else { count(parties, "connection") };
    vec![
        change.risk.to_string(),
        format!("{number}."),
        format!("{} {}", change.action.symbol(), shown::one_line(&change.key.to_string())),
        affects,
        step::source(change, details).unwrap_or_default(),
    ]
}

/// The steps with their numbers, worst first.
pub(super) fn by_risk(plan: &Plan) -> Vec<(usize, &Step)> {
    let mut steps: Vec<(usize, &Step)> = plan.steps.iter().enumerate().map(|(at, step)| (at + 1, step)).collect();
    steps.sort_by_key(|(number, step)| (std::cmp::Reverse(step.change.risk), *number));
    steps
}

fn steps(plan: &Plan, details: Details<'_>) -> Text {
    let mut text = Text::new();
    for (cause, title) in [
        (Cause::Commit, "Changes"),
        (Cause::Rule, "Connections answered by a rule"),
        (Cause::Drift, "Drift: what changed outside Git and would be put back"),
    ] {
        let numbers = numbers_of(plan, cause);
        if !numbers.is_empty() {
            text.end().line(Label::Heading, title);
        }
        for number in numbers {
            text.append(step::step(plan, number, details));
        }
    }
    text
}

/// The numbers, from 1, of the steps of one cause.
pub(super) fn numbers_of(plan: &Plan, cause: Cause) -> Vec<usize> {
    let steps = plan.steps.iter().enumerate();
    steps.filter(|(_, step)| step.change.cause == cause).map(|(index, _)| index + 1).collect()
}

fn notes(plan: &Plan) -> Text {
    let mut text = Text::new();
    if !plan.notes.is_empty() {
        text.end().line(Label::Heading, "Notes");
    }
    for note in &plan.notes {
        text.plain(format!("  {}: ", shown::one_line(&note.subject))).line(Label::Plain, shown::one_line(&note.text));
    }
    text
}

fn blockers(plan: &Plan) -> Text {
    let mut text = Text::new();
    if !plan.blockers.is_empty() {
        text.end().line(Label::Error, "Cannot be applied");
    }
    for blocker in &plan.blockers {
        text.plain(format!("  {}: ", shown::one_line(&blocker.subject)));
        text.line(Label::Plain, shown::one_line(&blocker.problem));
        text.plain("    ").push(Label::Hint, "help: ").line(Label::Plain, shown::one_line(&blocker.help));
    }
    text
}

fn gaps(plan: &Plan) -> Text {
    let mut text = Text::new();
    if !plan.gaps.is_empty() {
        text.end().line(Label::Warning, "Could not be read");
    }
    for gap in &plan.gaps {
        text.plain(format!("  {}: ", gap.area)).line(Label::Plain, shown::one_line(&gap.reason));
    }
    text
}

/// The consent that the changes of one risk need.
pub(super) struct Asked {
    pub(super) risk: Risk,
    /// What happens to them, if they are drift.
    pub(super) drift: Option<OnDrift>,
    pub(super) changes: usize,
    pub(super) consent: Consent,
}

impl Asked {
    /// `notable drift (2 changes)`.
    pub(super) fn after_risk(&self) -> String {
        let drift = if self.drift.is_some() { " drift" } else { "" };
        format!("{drift} ({})", count(self.changes, "change"))
    }

    /// What is needed, as a sentence.
    pub(super) fn words(&self) -> String {
        match self.drift {
            Some(OnDrift::Heal) => "put back without asking".to_owned(),
            Some(OnDrift::Propose | OnDrift::Report) | None => consent_words(self.consent),
        }
    }

    /// The whole line.
    pub(super) fn line(&self) -> String {
        format!("{}{}: {}", self.risk, self.after_risk(), self.words())
    }
}

/// What a plan needs before it may run: the rule of each risk that occurs in it, worst first, and for drift apart.
pub(super) fn consents(plan: &Plan) -> Vec<Asked> {
    let mut by_risk: BTreeMap<(Risk, Option<OnDrift>), (usize, Consent)> = BTreeMap::new();
    if !plan.loosening().is_empty() {
        let rules = (plan.loosening().len(), approval::of_risk(plan, Risk::Severing));
        by_risk.insert((Risk::Severing, None), rules);
    }
    for Step { change, after: _ } in &plan.steps {
        let consent = approval::required(plan, change);
        by_risk.entry((change.risk, plan.on_drift(change))).or_insert((0, consent)).0 += 1;
    }
    let all = by_risk.into_iter().rev();
    all.map(|((risk, drift), (changes, consent))| Asked { risk, drift, changes, consent }).collect()
}

/// A rule as a sentence.
fn consent_words(consent: Consent) -> String {
    match consent {
        Consent::Automatic => "nobody has to say yes".to_owned(),
        Consent::Merge => "the merge of the commit is enough".to_owned(),
        Consent::People(0) => "nobody has to say yes".to_owned(),
        Consent::People(1) => "1 person who is neither author nor committer must approve".to_owned(),
        Consent::People(number) => format!("{number} people who are neither author nor committer must approve"),
    }
}

/// What a reader should know about the approval beside the rules.
pub(super) fn remarks(plan: &Plan) -> Vec<String> {
    let many = consents(plan).iter().any(|asked| matches!(asked.consent, Consent::People(number) if number > 1));
    let mut lines = Vec::new();
    if many && !plan.policy.approval.signatures_required {
        lines.push("signatures are not required here, so one approval counts at most".to_owned());
    }
    lines.extend(window::remarks(plan));
    lines
}

fn approval(plan: &Plan) -> Text {
    let mut text = Text::new();
    text.end().line(Label::Heading, "Approval");
    for asked in consents(plan) {
        text.plain("  ").push(shown::risk_label(asked.risk), asked.risk.to_string());
        text.line(Label::Plain, format!("{}: {}", asked.after_risk(), asked.words()));
    }
    for line in remarks(plan) {
        text.plain("  ").line(Label::Hint, line);
    }
    text
}

#[cfg(test)]
mod tests;
