//! The pending plan: who is affected first, then the changes, the worst first, and what they still need.

use crate::approval::Missing;
use crate::plan::Plan;
use crate::plan::Step;
use crate::plan::change::FieldChange;
use crate::plan::change::LeftOut;
use crate::plan::change::Note;
use crate::plan::change::Party;
use crate::render::affected;
use crate::render::affected::Hit;
use crate::render::count;
use crate::render::left_out;
use crate::render::page::html::Element;
use crate::render::page::html::Html;
use crate::render::page::html::el;
use crate::render::page::tables::table;
use crate::render::page::tone::Tone;
use crate::render::page::tone::badge;
use crate::render::plan as words;
use crate::render::shown;
use crate::render::shown::Details;
use crate::render::shown::Shown;
use crate::render::step;
use crate::value::Value;

/// The most changes that are shown, the worst first.
const MOST_CHANGES: usize = 100;

/// Writes the plan that waits, or why there is none.
pub(super) fn pending(plan: Option<&Plan>, missing: Option<&Missing>, details: Details<'_>) -> Element {
    let section = el("section").attr("aria-labelledby", "plan");
    let Some(plan) = plan else {
        let text = el("p").text("The last pass made none.");
        return section.child(el("h2").attr("id", "plan").text("Pending plan")).child(text);
    };
    let heading = el("h2").attr("id", "plan").text("Pending plan");
    if !plan.has_changes() {
        let section = section.child(heading).child(el("p").text(words::unchanged(plan)));
        return section.child(left_out(plan, details)).child(notes("A smaller edit", &plan.smaller_edits));
    }
    let counts: Vec<String> = words::counts(plan)
        .into_iter()
        .filter(|(_, number)| *number > 0)
        .map(|(action, number)| format!("{number} to {action}"))
        .collect();
    let verdict =
        el("p").child(badge(Tone::of_risk(plan.risk()), words::verdict(plan))).text(format!(" {}", counts.join(", ")));
    section
        .child(heading)
        .child(verdict)
        .child(affected(plan, details))
        .child(rules(plan))
        .child(notes("A smaller edit", &plan.smaller_edits))
        .child(changes(plan, details))
        .child(left_out(plan, details))
        .child(notes("Notes", &plan.notes))
        .child(consent(plan, missing))
}

fn affected(plan: &Plan, details: Details<'_>) -> Html {
    let hits = affected::hits(plan);
    if hits.is_empty() {
        return el("p").class("calm").text("Nobody's connection is affected.").into();
    }
    let title = format!("Who is affected: {}", affected::affected_count(plan));
    let panel = el("div").class("panel bad").child(el("h3").text(title));
    panel.children(hits.iter().map(|hit| self::hit(hit, plan, details))).into()
}

fn hit(hit: &Hit<'_>, plan: &Plan, details: Details<'_>) -> Html {
    let consequence = hit.consequence;
    let text = el("p").child(el("code").text(hit.keys().join(", "))).text(format!(": {} ", consequence.text));
    let mut out: Html = text.child(el("span").class("dim").text(format!("({})", shown::named(consequence)))).into();
    if let Some(why) = hit.why(plan, details) {
        out.push(el("p").child(el("strong").text("Why: ")).text(why));
    }
    let row = |party: &Party| {
        [
            el("td").text(affected::people(party, plan)),
            el("td").text(party.endpoint.name()),
            el("td").child(badge(Tone::of_connection(&party.status), &party.status)),
            el("td").child(el("code").text(party.subscription().to_string())),
            el("td").text(affected::first_seen(party, details).unwrap_or_default()),
        ]
    };
    let heads = ["Who", "Private endpoint", "Connection now", "Subscription", "First seen"];
    out.push(table("People and connections that are hit", &heads, consequence.parties.iter().map(row)));
    out
}

fn rules(plan: &Plan) -> Html {
    if plan.loosening().is_empty() {
        return Html::default();
    }
    let title = el("h3").text("Loosened rules: in force once this is approved");
    let list = el("ul").children(plan.loosening().iter().map(|rule| el("li").text(rule)));
    el("div").class("panel bad").child(title).child(list).into()
}

fn notes(title: &str, notes: &[Note]) -> Html {
    if notes.is_empty() {
        return Html::default();
    }
    let note = |note: &Note| el("li").child(el("code").text(&note.subject)).text(format!(": {}", note.text));
    [el("h3").text(title), el("ul").children(notes.iter().map(note))].into_iter().collect()
}

fn changes(plan: &Plan, details: Details<'_>) -> Html {
    let ordered = words::by_risk(plan);
    let mut out: Html = el("h3").text("Changes, the worst first").into();
    let shown = ordered.iter().take(MOST_CHANGES).map(|(number, step)| change(plan, (*number, step), details));
    out.push(el("ul").class("changes").children(shown));
    if let Some(rest) = ordered.get(MOST_CHANGES..).filter(|rest| !rest.is_empty()) {
        let text = format!("{} are not shown here; privlink plan shows all.", count(rest.len(), "more change"));
        out.push(el("p").class("dim").text(text));
    }
    out
}

fn change(plan: &Plan, (number, step): (usize, &Step), details: Details<'_>) -> Element {
    let change = &step.change;
    let parties = affected::number_of_parties(change);
    let words = [
        Some(badge(Tone::of_risk(change.risk), change.risk.to_string())),
        Some(el("code").text(change.key.to_string())),
        Some(el("span").text(format!("{}{}", change.action, shown::actor(change.actor)))),
        change.irreversible.then(|| badge(Tone::Warn, "irreversible")),
        change.is_drift().then(|| badge(Tone::Warn, "drift")),
        (parties > 0).then(|| el("span").text(format!("affects {}", count(parties, "connection")))),
    ];
    // The blanks are for who copies or hears it.
    let summary = words.into_iter().flatten().fold(el("summary"), |summary, word| summary.child(word).text(" "));
    let after: Vec<String> = step.after.iter().map(|at| plan.steps[*at].change.key.to_string()).collect();
    let told = step::source(change, details).map(|source| format!("asked for in {source}"));
    let waits = (!after.is_empty()).then(|| format!("waits for {}", after.join(", ")));
    let effects = change.consequences.iter().map(|it| format!("{} ({})", it.text, shown::named(it)));
    let lines = std::iter::once(format!("step {number} of {}", plan.steps.len()))
        .chain(told)
        .chain(step::why(change))
        .chain(waits)
        .chain(effects)
        .chain(step::cuts(change));
    let shown = Shown::new(plan.policy.subscription.clone());
    let stored = step::stored_otherwise(change, &shown);
    let list = el("ul").children(lines.chain(stored).map(|line| el("li").text(line)));
    let details = el("details").child(summary).child(list).child(fields(step, &shown));
    el("li").child(details)
}

fn fields(step: &Step, shown: &Shown) -> Html {
    let all = step::told_fields(&step.change);
    let told: Vec<&FieldChange> = all.iter().filter(|field| !step::is_new_mark(field)).collect();
    if told.is_empty() {
        return Html::default();
    }
    let row = |field: &&FieldChange| {
        let (before, after) = match (&field.before, &field.after) {
            (Some(Value::Set(before)), Some(Value::Set(after))) => {
                let (added, removed) = shown::set_change(before, after);
                let signed = |sign: &str, items: &[&str]| {
                    items.iter().map(|item| format!("{sign} {}", shown.text(item))).collect::<Vec<_>>().join(", ")
                };
                (signed("−", &removed), signed("+", &added))
            }
            (before, after) => {
                let text = |value: &Option<Value>| value.as_ref().map(|value| shown.value(value)).unwrap_or_default();
                (text(before), text(after))
            }
        };
        [
            el("td").text(shown::field_name(&field.name)).text(step::remarks(field)),
            el("td").child(el("del").text(before)),
            el("td").child(el("ins").text(after)),
        ]
    };
    table("Fields that change", &["Field", "Now", "After"], told.iter().map(row))
}

fn left_out(plan: &Plan, details: Details<'_>) -> Html {
    let item = |left: &LeftOut| {
        let lines = left_out::because(left).into_iter();
        let hit = left_out::hit(left, plan, details).into_iter().map(|row| format!("would be hit: {}", row.join(" ")));
        let cures = left_out::cures(left).into_iter().map(|cure| format!("help: {cure}"));
        let lines = lines.chain(hit).chain(cures).map(|line| el("li").text(line));
        el("li").child(el("code").text(left.key.to_string())).child(el("ul").children(lines))
    };
    let panel = |(title, left): (&str, Vec<&LeftOut>)| {
        let list = el("ul").children(left.into_iter().map(item));
        el("div").class("panel warn").child(el("h3").text(title)).child(list)
    };
    let groups = left_out::groups(plan).into_iter().filter(|(_, left)| !left.is_empty());
    groups.map(panel).collect()
}

/// What it needs, what it has, and how to give it.
fn consent(plan: &Plan, missing: Option<&Missing>) -> Html {
    let mut out: Html = el("h3").text("Approval").into();
    let rule = |asked: words::Asked| {
        let words = format!("{}: {}", asked.after_risk(), asked.words());
        el("li").child(badge(Tone::of_risk(asked.risk), asked.risk.to_string())).text(words)
    };
    let rules = words::consents(plan).into_iter().map(rule);
    let remarks = words::remarks(plan).into_iter().map(|remark| el("li").text(remark));
    out.push(el("ul").children(rules.chain(remarks).chain(missing.into_iter().flat_map(lacks))));
    let environment = &plan.policy.mark.environment;
    let command = format!("privlink approve --environment {environment} --as YOUR-NAME --plan {}", plan.id);
    out.push(el("p").text("Plan id: ").child(el("code").class("id").text(plan.id.as_str())));
    if missing.is_some_and(|missing| !missing.needs.is_empty()) {
        out.push(el("p").text("In a clone of the config repository: ").child(el("code").class("id").text(command)));
    }
    out
}

/// What keeps it from being applied although rules and approvals are there, a line each.
fn lacks(missing: &Missing) -> Vec<Element> {
    let frozen = missing.frozen.iter().map(|it| format!("nothing is applied before {}: {}", it.until, it.reason));
    let have = missing.needs.iter().filter(|(_, need)| need.have > 0);
    let have = have.map(|(risk, need)| format!("{} counts so far for the {risk} changes", count_of(need.have)));
    let refused = missing.refused.iter().map(ToString::to_string);
    let news = missing.news.iter().flat_map(|news| {
        news.differences.iter().map(move |it| format!("new since {} approved another plan: {it}", news.approver))
    });
    let unsigned = missing.unsigned.iter().map(|commit| format!("nobody can tell who made the change {commit}"));
    let lost = missing.lost.iter().map(shown::lost);
    frozen.chain(have).chain(refused).chain(news).chain(unsigned).chain(lost).map(|line| el("li").text(line)).collect()
}

fn count_of(have: u32) -> String {
    if have == 1 { "1 approval".to_owned() } else { format!("{have} approvals") }
}
