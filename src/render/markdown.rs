//! A plan as a comment on a pull request, and a status as a table: Markdown in which nothing of the user's is alive.
//!
//! Names and values come from people's files and from Azure. They stand in code spans and fences longer than any back-tick
//! run in them, or are escaped: they never mention anybody, link anything, close a fence or start a command.

use crate::plan::Plan;
use crate::plan::Step;
use crate::plan::change::Cause;
use crate::plan::mode::Mode;
use crate::render::Text;
use crate::render::affected;
use crate::render::affected::Hit;
use crate::render::count;
use crate::render::left_out;
use crate::render::plan as words;
use crate::render::shown;
use crate::render::shown::Details;
use crate::render::shown::Shown;
use crate::render::step;
use crate::render::terminal;
use crate::value::Value;

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
    let head = format!("<!-- privlink:v1 environment={environment} plan={} -->\n{}", plan.id, head(plan));
    let closing = closing(plan);
    // What is cut short says so; those lines need room too.
    let mut budget = limit.saturating_sub(head.len() + closing.len() + 400);
    // Never cut: where not every endpoint has room, every consumer has.
    let everyone = affected(plan, |hit| endpoints(plan, hit, details), details);
    let fits = everyone.iter().map(|line| line.len() + 1).sum::<usize>() <= budget;
    let people = if fits { everyone } else { affected(plan, |hit| consumers(plan, hit), details) };
    let rules = fitting(rules(plan), "loosened rules", &mut budget);
    let affected = fitting(people, "who is affected", &mut budget);
    let left_out = fitting(left_out(plan, details), "what is left out", &mut budget);
    let modes = fitting(modes(plan), "how Private Link Services were made", &mut budget);
    let smaller = fitting(smaller_edits(plan), "smaller edits", &mut budget);
    let troubles = fitting(troubles(plan), "what stands in the way", &mut budget);
    let table = fitting(table(plan, details), "changes", &mut budget);
    let notes = fitting(notes(plan), "what to know", &mut budget);
    let folded = folded(plan, details, &mut budget);
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

fn head(plan: &Plan) -> String {
    let environment = &plan.policy.mark.environment;
    if !plan.has_changes() {
        return format!("### privlink plan for {environment}\n\n{}\n", words::unchanged(plan));
    }
    let counts: Vec<String> = words::counts(plan)
        .into_iter()
        .map(|(action, number)| format!("`{}` {number} to {action}", action.symbol()))
        .collect();
    format!("### privlink plan for {environment}: {}\n\n{}\n", words::verdict(plan), counts.join(", "))
}

/// The rules that the commit loosens.
fn rules(plan: &Plan) -> Vec<String> {
    let rules = plan.loosening().iter().map(|rule| format!("- {}", inert(rule)));
    block("Loosened rules: in force once this is approved", rules.collect())
}

fn affected(plan: &Plan, rows: impl Fn(&Hit<'_>) -> Vec<String>, details: Details<'_>) -> Vec<String> {
    let hits = affected::hits(plan);
    if hits.is_empty() {
        return Vec::new();
    }
    let mut lines = vec![String::new(), format!("**Who is affected:** {}", affected::affected_count(plan))];
    for hit in hits {
        let consequence = hit.consequence;
        let keys: Vec<String> = hit.keys().iter().map(|key| code(key)).collect();
        lines.push(String::new());
        lines.push(format!(
            "{}: {} ({})",
            keys.join(", "),
            inert(&consequence.text),
            inert(&shown::named(consequence))
        ));
        if let Some(why) = hit.why(plan, details) {
            lines.push(String::new());
            lines.push(format!("**Why:** {}", inert(&why)));
        }
        lines.push(String::new());
        lines.extend(rows(&hit));
    }
    lines
}

/// A row for every endpoint that is hit; the last column only where somebody was seen before.
fn endpoints(plan: &Plan, hit: &Hit<'_>, details: Details<'_>) -> Vec<String> {
    let parties = &hit.consequence.parties;
    let dated = parties.iter().any(|party| affected::first_seen(party, details).is_some());
    let (title, line) = if dated { (" First seen |", "---|") } else { ("", "") };
    let head = [format!("| Endpoint | State | Consumer | Subscription |{title}"), format!("|---|---|---|---|{line}")];
    let rows = parties.iter().map(|party| {
        let people = affected::people(party, plan);
        let [endpoint, status, people] = [party.endpoint.name(), &party.status, &people].map(cell_code);
        let seen = affected::first_seen(party, details).unwrap_or_default();
        let seen = if dated { format!(" {seen} |") } else { String::new() };
        format!("| {endpoint} | {status} | {people} | `{}` |{seen}", party.subscription())
    });
    head.into_iter().chain(rows).collect()
}

/// A row for every consumer that is hit.
fn consumers(plan: &Plan, hit: &Hit<'_>) -> Vec<String> {
    let head = ["| Consumer | Subscription | Connections |".to_owned(), "|---|---|---|".to_owned()];
    let consumers = affected::by_consumer(hit.consequence, plan);
    let row = |(people, id, number): &(String, _, usize)| format!("| {} | `{id}` | {number} |", cell_code(people));
    head.into_iter().chain(consumers.iter().map(row)).collect()
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
    format!(
        "| `{}` | {key} | {}{by} | {}{irreversible} | {why} | {affects} |",
        change.action.symbol(),
        change.action,
        change.risk
    )
}

fn folded(plan: &Plan, details: Details<'_>, budget: &mut usize) -> String {
    let mut out = String::new();
    let mut left_out = 0;
    for (number, step) in words::by_risk(plan) {
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

fn details_of(plan: &Plan, number: usize, step: &Step, details: Details<'_>) -> String {
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

/// A code span that no back-tick in the text can close.
pub fn code(text: &str) -> String {
    let text = shown::one_line(text);
    let ticks = "`".repeat(longest_run(&text) + 1);
    // A span that begins or ends with a back-tick needs a blank, which Markdown takes away again.
    let pad = if text.starts_with('`') || text.ends_with('`') || text.is_empty() { " " } else { "" };
    format!("{ticks}{pad}{text}{pad}{ticks}")
}

/// A code span inside a table.
pub(super) fn cell_code(text: &str) -> String {
    cell(&code(text))
}

/// A table ends a cell at every `|`, in code spans too.
fn cell(markdown: &str) -> String {
    // `inert` escapes it already; a second backslash would set it free again.
    markdown.replace("\\|", "|").replace('|', "\\|")
}

/// A fenced block that no back-tick run in the text can close.
fn fence(language: &str, text: &str) -> String {
    let ticks = "`".repeat((longest_run(text) + 1).max(3));
    format!("{ticks}{language}\n{}\n{ticks}\n", text.trim_end_matches('\n'))
}

fn longest_run(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or_default()
}

/// Prose that means nothing to Markdown, HTML or a forge.
pub fn inert(text: &str) -> String {
    let mut out = String::new();
    let text = shown::one_line(text);
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '&' => out.push_str("&amp;\u{200b}"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' => {
                out.push('\\');
                out.push(c);
            }
            // A forge looks for people, issues, requests, labels, milestones and snippets in the text that is left.
            '@' | '#' | '!' | '~' | '%' | '$' | ':' => {
                if matches!(c, '~' | '$') {
                    out.push('\\');
                }
                out.push(c);
                if rest.peek().is_some_and(|next| *next != ' ') {
                    out.push('\u{200b}');
                }
            }
            c => out.push(c),
        }
    }
    out.replace("GH-", "GH-\u{200b}").replace("gh-", "gh-\u{200b}").replace("www.", "www\u{200b}.")
}

/// Text inside an HTML element, where Markdown is not read and a backslash would be seen.
fn html(text: &str) -> String {
    let escaped = |c: char| {
        if c.is_ascii_punctuation() && !"-/.,:() ".contains(c) { format!("&#{};", u32::from(c)) } else { c.to_string() }
    };
    let text: String = shown::one_line(text).chars().map(escaped).collect();
    // A forge looks for references after it has read the entities.
    ["&#64;", "&#35;", "&#33;"].into_iter().fold(text, |text, sign| text.replace(sign, &format!("{sign}\u{200b}")))
}

#[cfg(test)]
mod tests;
