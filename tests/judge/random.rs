//! Random worlds, each with many random edits one after the other.

use privlink::domain::kubernetes::ObjectKey;
use serde_json::json;

use super::chance::Chance;
use super::edit;
use super::setting;
use super::stage::Stage;
use super::tally::Tally;
use super::trial::Seen;
use super::trial::try_edits;
use crate::runner::worlds::NODE_GROUP;

/// How many edits a world lives for.
const EACH: usize = 40;
/// So many disagreements are told, and no more.
const TOLD: usize = 30;

/// Tries so many edits, and gives back the counts and every disagreement.
pub(crate) async fn run(seed: u64, edits: usize) -> (Tally, Vec<String>) {
    let (mut tally, mut problems) = (Tally::default(), Vec::new());
    let mut number = 0;
    while tally.edits < edits && problems.len() < TOLD {
        let mut chance = Chance::new(seed.wrapping_add(number));
        let end = (tally.edits + EACH).min(edits);
        let found = world(&mut chance, end, &mut tally).await;
        problems.extend(found.into_iter().map(|problem| format!("seed {}, {problem}", seed.wrapping_add(number))));
        number += 1;
    }
    (tally, problems)
}

async fn world(chance: &mut Chance, end: usize, tally: &mut Tally) -> Vec<String> {
    let mut stage = Stage::new(&setting::beginning(chance)).await;
    for (subnet, address) in edit::TAKEN {
        setting::take_address(&stage, subnet, address);
    }
    let mut problems = Vec::new();
    let mut seen = Seen::of(&stage).await;
    let mut failing: Vec<ObjectKey> = Vec::new();
    for edit in setting::first_services(chance) {
        let verdict = try_edits(&mut stage, &mut seen, &[edit], tally).await;
        problems.extend(verdict.problems);
        failing = verdict.failing;
    }
    let mut endpoints = 0;
    while tally.edits < end && problems.len() < TOLD {
        if befall(chance, &stage, &seen, &mut endpoints) {
            seen = Seen::of(&stage).await;
        }
        let edits = edit::next(chance, &stage, &failing);
        let verdict = try_edits(&mut stage, &mut seen, &edits, tally).await;
        problems.extend(verdict.problems);
        failing = verdict.failing;
    }
    stage.simulator.stop().await;
    problems
}

/// What others do between two edits: consumers connect, and Private Link Services are put on frontends by hand.
fn befall(chance: &mut Chance, stage: &Stage, seen: &Seen, endpoints: &mut usize) -> bool {
    let links: Vec<_> = seen.observed.private_link_services.values().collect();
    let mut happened = false;
    if let Some(link) = (!links.is_empty() && chance.once_in(3)).then(|| links[chance.below(links.len())])
        && link.connections.len() < 3
    {
        *endpoints += 1;
        stage.connect_endpoint(&format!("pe-{endpoints}"), &link.service.id.to_string());
        happened = true;
    }
    if chance.once_in(8) {
        let bare = |id: &str| !links.iter().any(|link| link.frontend().is_some_and(|own| own.to_string() == id));
        let frontends = seen.observed.frontends.values().filter(|frontend| frontend.address.is_some());
        let frontends: Vec<String> = frontends.map(|own| own.id.to_string()).filter(|id| bare(id)).collect();
        if !frontends.is_empty() {
            let group = if chance.once_in(2) { NODE_GROUP } else { "rg-pls" };
            let frontend = &frontends[chance.below(frontends.len())];
            happened = true;
            setting::put_link(stage, (group, "pls-foreign"), frontend, json!({}));
        }
    }
    happened
}
