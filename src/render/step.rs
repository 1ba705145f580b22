//! One step of a plan as lines: what, how bad, by whom, why, which fields, after what.

use std::borrow::Cow;

use crate::domain::mark;
use crate::plan::Plan;
use crate::plan::Step;
use crate::plan::action::Action;
use crate::plan::action::Actor;
use crate::plan::change::Cause;
use crate::plan::change::Change;
use crate::plan::change::FieldChange;
use crate::plan::change::StoredOtherwise;
use crate::plan::preflight::rule;
use crate::plan::risk::Risk;
use crate::render::Label;
use crate::render::Text;
use crate::render::count;
use crate::render::shown;
use crate::render::shown::Details;
use crate::render::shown::Shown;
use crate::value::Value;

const INDENT: &str = "      ";

/// Writes one step, `number` counting from 1.
pub(super) fn step(plan: &Plan, number: usize, details: Details<'_>) -> Text {
    let step = &plan.steps[number - 1];
    let change = &step.change;
    let shown = Shown::new(plan.policy.subscription.clone());
    let mut text = head(number, change);
    for line in context(plan, step, details) {
        text.plain(INDENT).line(Label::Dim, line);
    }
    text.append(fields(change, &shown));
    for line in effects(change).into_iter().chain(stored_otherwise(change, &shown)) {
        text.plain(INDENT).line(Label::Warning, line);
    }
    text
}

/// What the API server would store otherwise, one field a line.
pub(super) fn stored_otherwise(change: &Change, shown: &Shown) -> Vec<String> {
    let line = |other: &StoredOtherwise| {
        let name = shown::field_name(&other.name);
        let told = match (&other.asked, &other.stored) {
            (Some(asked), Some(stored)) => {
                format!("stores {name} as {} instead of {}", shown.value(stored), shown.value(asked))
            }
            (None, Some(stored)) => format!("adds {name}: {}", shown.value(stored)),
            (_, None) => format!("does not store {name}"),
        };
        format!("the API server {told} ({})", rule::STORED_OTHERWISE.id)
    };
    change.stored.iter().map(line).collect()
}

fn head(number: usize, change: &Change) -> Text {
    let mut text = Text::new();
    text.push(Label::Dim, format!("{number:>3}. "));
    text.push(shown::action_label(change.action), format!("{} {}", change.action.symbol(), title(change)));
    text.plain("  [").push(shown::risk_label(change.risk), change.risk.to_string());
    if change.irreversible {
        text.plain(", ").push(Label::Warning, "irreversible");
    }
    text.plain("]").end();
    text
}

/// What happens to which resource, by whom: `service/shop/orders: update`.
pub(super) fn title(change: &Change) -> String {
    format!("{}: {}{}", shown::one_line(&change.key.to_string()), change.action, shown::actor(change.actor))
}

/// Where it was asked for, why it is done, what it waits for.
fn context(plan: &Plan, step: &Step, details: Details<'_>) -> Vec<String> {
    let change = &step.change;
    let mut lines: Vec<String> = Vec::new();
    lines.extend(source(change, details).map(|source| format!("asked for in {source}")));
    lines.extend(why(change));
    lines.extend(waits_for(plan, step));
    lines
}

/// File and line of the wish.
pub(super) fn source(change: &Change, details: Details<'_>) -> Option<String> {
    change.place.as_ref().and_then(details.locate).map(|source| shown::one_line(&source))
}

/// Why it is done, where that is not simply what the fields say.
pub(super) fn why(change: &Change) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let forcing: Vec<String> = change.forcing().map(|field| shown::field_name(&field.name)).collect();
    if let Some(remover) = &change.removed_by {
        let remover = shown::one_line(&remover.to_string());
        lines.push(format!("deleted by the cloud provider because of {remover}, and put again by privlink"));
    } else if !forcing.is_empty() {
        lines.push(format!("replaced because {} cannot change in place", forcing.join(", ")));
    } else if change.action == Action::Replace && change.actor == Actor::CloudProvider {
        lines.push("deleted with its frontend and built anew".to_owned());
    } else if change.action == Action::Replace {
        lines.push("replaced because Azure cannot make this change in place".to_owned());
    }
    let asks = change.place.is_some() || change.action == Action::Create;
    if !asks && change.cause != Cause::Drift {
        lines.push("no document asks for it any more".to_owned());
    }
    match change.cause {
        Cause::Commit => {}
        Cause::Rule => lines.push("a connection rule of this repository answers a new request".to_owned()),
        Cause::Drift => lines.push(drift(change)),
    }
    lines.extend(change.reason.as_deref().map(shown::one_line));
    lines
}

fn drift(change: &Change) -> String {
    let managers: std::collections::BTreeSet<&str> =
        change.fields.iter().filter_map(|field| field.manager.as_deref()).collect();
    let by = managers.into_iter().map(shown::one_line).collect::<Vec<_>>().join(", ");
    let what = match change.action {
        Action::Create => "drift: it was deleted outside Git",
        Action::Delete => "drift: it is there, and neither this commit nor the last applied one asks for it",
        Action::Update | Action::Replace | Action::Adopt => "drift: changed outside Git",
    };
    if by.is_empty() { what.to_owned() } else { format!("{what}, by {by}") }
}

fn waits_for(plan: &Plan, step: &Step) -> Option<String> {
    // What a step before it waits for too goes without saying.
    let implied = |index: &usize| step.after.iter().any(|other| plan.steps[*other].after.contains(index));
    let names: Vec<String> = step
        .after
        .iter()
        .filter(|index| !implied(index))
        .map(|index| format!("{} ({})", shown::one_line(&plan.steps[*index].change.key.to_string()), index + 1))
        .collect();
    (!names.is_empty()).then(|| format!("waits for {}", names.join(", ")))
}

/// The connections that a severing change may cut, where no consequence names them.
pub(super) fn cuts(change: &Change) -> Option<String> {
    let named = change.consequences.iter().any(|consequence| !consequence.parties.is_empty());
    if change.risk < Risk::Severing || named || change.reads.connections.is_empty() {
        return None;
    }
    let name = |id: &str| shown::one_line(id.rsplit('/').next().unwrap_or(id));
    let of = |(id, state): (&String, &String)| format!("{} ({})", name(id), shown::one_line(state));
    let names: Vec<String> = change.reads.connections.iter().map(of).collect();
    Some(format!("may cut {}: {}", count(names.len(), "connection"), names.join(", ")))
}

/// The consequences that name nobody; those with parties stand in the block of who is affected.
fn effects(change: &Change) -> Vec<String> {
    let line = |consequence: &crate::plan::change::Consequence| match consequence.parties.len() {
        0 => format!("{} ({})", shown::one_line(&consequence.text), shown::named(consequence)),
        number => format!("{} affected ({}): see above", count(number, "connection"), consequence.rule),
    };
    change.consequences.iter().map(line).chain(cuts(change)).collect()
}

pub(super) fn fields(change: &Change, shown: &Shown) -> Text {
    let all = told_fields(change);
    let (marks, told): (Vec<&FieldChange>, Vec<&FieldChange>) = all.iter().partition(|it| is_new_mark(it));
    let names: Vec<String> = told.iter().map(|field| shown::field_name(&field.name)).collect();
    let width = names.iter().map(|name| name.chars().count()).max().unwrap_or_default();
    let mut text = Text::new();
    for (field, name) in told.iter().zip(&names) {
        text.plain(INDENT).push(label(field), format!("{} {name:<width$}", sign(field)));
        for (at, row) in rows(field, shown).into_iter().enumerate() {
            if at > 0 {
                text.plain(format!("{INDENT}  {:width$}", ""));
            }
            text.plain("  ").push(row.label, row.text);
            if at == 0 {
                text.push(Label::Warning, remarks(field));
            }
            text.end();
        }
    }
    if !marks.is_empty() {
        text.plain(INDENT).line(Label::Dim, "+ the marks that say whose it is");
    }
    text
}

/// The fields that are told: what differs, and for a delete what was read and will be gone.
pub(super) fn told_fields(change: &Change) -> Cow<'_, [FieldChange]> {
    if change.action != Action::Delete || !change.fields.is_empty() {
        return Cow::Borrowed(&change.fields);
    }
    let gone = |(name, value): (&String, &Value)| FieldChange {
        name: name.clone(),
        before: Some(value.clone()),
        after: None,
        forces_replacement: false,
        manager: None,
    };
    Cow::Owned(change.reads.fields.iter().map(gone).collect())
}

/// True for a tag or label of ours that appears: every resource gets them, and a reviewer need not read them each time.
pub(super) fn is_new_mark(field: &FieldChange) -> bool {
    let labels = [mark::OWNER_LABEL, mark::ENVIRONMENT_LABEL].map(|label| format!("metadata.labels[{label}]"));
    let tag = field.name.strip_prefix("tags.").or_else(|| field.name.strip_prefix("metadata."));
    field.before.is_none() && (tag.is_some_and(mark::is_mark_tag) || labels.contains(&field.name))
}

/// The sign of a field: `+` for new, `-` for gone, `~` for different.
pub(super) fn sign(field: &FieldChange) -> &'static str {
    match (&field.before, &field.after) {
        (None, _) => "+",
        (Some(_), None) => "-",
        (Some(_), Some(_)) => "~",
    }
}

fn label(field: &FieldChange) -> Label {
    match (&field.before, &field.after) {
        (None, _) => Label::Added,
        (Some(_), None) => Label::Removed,
        (Some(_), Some(_)) => Label::Changed,
    }
}

/// What is said about a field beside its values.
pub(super) fn remarks(field: &FieldChange) -> String {
    let forces = if field.forces_replacement { "  (forces the replacement)" } else { "" };
    let manager = field.manager.as_deref().map(|manager| format!("  (held by {})", shown::one_line(manager)));
    format!("{forces}{}", manager.unwrap_or_default())
}

/// A line of a field's values.
pub(super) struct Row {
    pub(super) label: Label,
    pub(super) text: String,
}

/// The values of a field: one line, or for a set one line per item that came or went.
pub(super) fn rows(field: &FieldChange, shown: &Shown) -> Vec<Row> {
    let row = |label: Label, text: String| vec![Row { label, text }];
    match (&field.before, &field.after) {
        (Some(Value::Set(before)), Some(Value::Set(after))) => {
            let (added, removed) = shown::set_change(before, after);
            let added = added.into_iter().map(|item| (Label::Added, format!("+ {}", shown.text(item))));
            let removed = removed.into_iter().map(|item| (Label::Removed, format!("- {}", shown.text(item))));
            added.chain(removed).map(|(label, text)| Row { label, text }).collect()
        }
        (Some(before), Some(after)) => row(Label::Plain, format!("{} -> {}", shown.value(before), shown.value(after))),
        (Some(only), None) | (None, Some(only)) => row(Label::Plain, shown.value(only)),
        (None, None) => Vec::new(),
    }
}
