//! Who is affected: the block that is never cut. Where it does not fit, its rows become coarser until it does.

use crate::plan::Plan;
use crate::render::affected;
use crate::render::affected::Hit;
use crate::render::count;
use crate::render::markdown::inert::cell_code;
use crate::render::markdown::inert::code;
use crate::render::markdown::inert::inert;
use crate::render::shown;
use crate::render::shown::Details;

/// The block, as fine as `budget` allows: every endpoint; else every consumer of each prediction; else every consumer once, under
/// a line for each prediction; else every consumer alone.
pub(super) fn affected(plan: &Plan, details: Details<'_>, budget: usize) -> Vec<String> {
    let finer: [&dyn Fn() -> Vec<String>; 3] = [
        &|| by_prediction(plan, |hit| endpoints(plan, hit, details), details),
        &|| by_prediction(plan, |hit| consumers(plan, hit), details),
        &|| [by_prediction(plan, |_| Vec::new(), details), everybody(plan)].concat(),
    ];
    let fits = |lines: &Vec<String>| lines.iter().map(|line| line.len() + 1).sum::<usize>() <= budget;
    finer.iter().map(|lines| lines()).find(fits).unwrap_or_else(|| {
        let predictions = count(affected::hits(plan).len(), "prediction");
        let head = format!("**Who is affected:** {}, by {predictions}", affected::affected_count(plan));
        [vec![String::new(), head, String::new()], everybody(plan)].concat()
    })
}

/// A row for every consumer that is hit by anything, each connection counted once.
fn everybody(plan: &Plan) -> Vec<String> {
    table(affected::everybody(plan))
}

fn by_prediction(plan: &Plan, rows: impl Fn(&Hit<'_>) -> Vec<String>, details: Details<'_>) -> Vec<String> {
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
    table(affected::by_consumer(hit.consequence, plan))
}

fn table(consumers: Vec<affected::Hits>) -> Vec<String> {
    let head = ["| Consumer | Subscription | Connections |".to_owned(), "|---|---|---|".to_owned()];
    let row = |(people, id, number): &affected::Hits| format!("| {} | `{id}` | {number} |", cell_code(people));
    head.into_iter().chain(consumers.iter().map(row)).collect()
}
