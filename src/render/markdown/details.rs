//! One change, folded: why, what it waits for, what follows, and its fields as a diff.

use crate::plan::Plan;
use crate::plan::Step;
use crate::plan::change::Cause;
use crate::render::markdown::inert::code;
use crate::render::markdown::inert::fence;
use crate::render::markdown::inert::html;
use crate::render::markdown::inert::inert;
use crate::render::shown;
use crate::render::shown::Details;
use crate::render::shown::Shown;
use crate::render::step;
use crate::value::Value;

/// Writes it; nothing is open after it.
pub(super) fn details_of(plan: &Plan, number: usize, step: &Step, details: Details<'_>) -> String {
    let change = &step.change;
    let drift = if change.cause == Cause::Drift { ", drift" } else { "" };
    // Markdown is not read inside a summary, so code spans would not help there.
    let title = html(&format!("{number}. {} {}", change.action.symbol(), step::title(change)));
    let mut out = format!("\n<details><summary><b>{title}</b> ({}{drift})</summary>\n\n", change.risk);
    if let Some(source) = step::source(change, details) {
        out.push_str(&format!("- asked for in {}\n", code(&source)));
    }
    for why in step::why(change) {
        out.push_str(&format!("- {}\n", inert(&why)));
    }
    let waits: Vec<String> = step.after.iter().map(|at| code(&plan.steps[*at].change.key.to_string())).collect();
    if !waits.is_empty() {
        out.push_str(&format!("- waits for {}\n", waits.join(", ")));
    }
    for consequence in &change.consequences {
        out.push_str(&format!("- {} ({})\n", inert(&consequence.text), inert(&shown::named(consequence))));
    }
    if let Some(cuts) = step::cuts(change) {
        out.push_str(&format!("- {}\n", inert(&cuts)));
    }
    let shown = Shown::new(plan.policy.subscription.clone());
    for line in step::stored_otherwise(change, &shown) {
        out.push_str(&format!("- {}\n", inert(&line)));
    }
    let diff = diff(step, &shown);
    if !diff.is_empty() {
        out.push('\n');
        out.push_str(&fence("diff", &diff));
    }
    out.push_str("\n</details>\n");
    out
}

/// The fields as a diff: the sign stands in column 0, so that no line begins with somebody's text.
fn diff(step: &Step, shown: &Shown) -> String {
    let mut lines = Vec::new();
    let fields = step::told_fields(&step.change);
    for field in fields.iter().filter(|field| !step::is_new_mark(field)) {
        let name = shown::field_name(&field.name);
        let remarks = step::remarks(field);
        if let (Some(Value::Set(before)), Some(Value::Set(after))) = (&field.before, &field.after) {
            lines.push(format!("! {name}{remarks}"));
            let (added, removed) = shown::set_change(before, after);
            lines.extend(added.into_iter().map(|item| format!("+   {}", shown.text(item))));
            lines.extend(removed.into_iter().map(|item| format!("-   {}", shown.text(item))));
            continue;
        }
        lines.extend(field.before.as_ref().map(|value| format!("- {name}: {}{remarks}", shown.value(value))));
        lines.extend(field.after.as_ref().map(|value| format!("+ {name}: {}{remarks}", shown.value(value))));
    }
    lines.join("\n")
}
