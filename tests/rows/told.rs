//! What a plan tells, read from its text as a person reads it, against what then happens.

use std::collections::BTreeSet;

use super::seen::Seen;

/// What a reader takes from a plan.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// Endpoints that lose their connection.
    cut: BTreeSet<String>,
    /// Everybody who is affected, cut or not.
    affected: BTreeSet<String>,
    /// Private Link Services that are deleted, with their alias.
    deleted: BTreeSet<String>,
    /// Where frontends come to stand, where that is told.
    addresses: BTreeSet<String>,
    /// What a sync that fails will say.
    fails: Option<String>,
    /// The worst risk.
    pub(super) risk: String,
}

/// Reads the text of a plan.
pub(super) fn read(plan: &str) -> Told {
    let mut told = Told::default();
    let mut cuts = false;
    for line in plan.lines() {
        if let Some(risk) = line.strip_prefix("Plan for prod: ") {
            told.risk = risk.split(',').next().unwrap().to_owned();
        }
        if let Some((_, rest)) = line.split_once(": every sync fails") {
            told.fails = Some(rest.split('"').nth(1).unwrap_or_default().to_owned());
        }
        if let Some((before, _)) = line.split_once(" is deleted with ") {
            told.deleted.insert(before.rsplit([' ']).next().unwrap().to_owned());
        }
        for (_, rest) in
            line.match_indices("the frontend moves from ").map(|(at, words)| (at, &line[at + words.len()..]))
        {
            let to = rest.split_whitespace().nth(2).unwrap_or_default().trim_end_matches(':');
            told.addresses.extend(to.starts_with("10.").then(|| to.to_owned()));
        }
        let reason = line.trim_start().starts_with("not applicable because ");
        if reason || line.starts_with("  ") && !line.starts_with("    ") {
            cuts = line.contains(" is deleted with ");
        }
        // A change that is left out has no number; how bad it would be stands beside it all the same.
        if let Some(risk) = left_out_risk(line).filter(|risk| told.risk.is_empty() || is_bad(risk)) {
            told.risk = risk.to_owned();
        }
        let row = line.trim_start().strip_prefix("would be hit: ").or_else(|| line.strip_prefix("    "));
        if let Some(row) = row.filter(|row| row.contains(" subscription 0000")) {
            let endpoint = row.split_whitespace().next().unwrap().to_owned();
            told.cut.extend(cuts.then(|| endpoint.clone()));
            told.affected.insert(endpoint);
        }
        // What privlink itself deletes stands among the steps.
        if let Some(name) = line.split_once(". - connection/").and_then(|(_, rest)| rest.split_once(" -> ")) {
            told.cut.insert(name.0.to_owned());
            told.affected.insert(name.0.to_owned());
        }
        if let Some(name) = line.split_once(". - privateendpoint/").and_then(|(_, rest)| rest.split_once(": ")) {
            told.cut.insert(name.0.to_owned());
        }
    }
    told
}

fn left_out_risk(line: &str) -> Option<&str> {
    let title = line.strip_prefix("  ").filter(|title| title.starts_with(['+', '~', '-']))?;
    title.strip_suffix(']')?.rsplit_once('[').map(|(_, risk)| risk)
}

fn is_bad(risk: &str) -> bool {
    ["severing", "exposing"].contains(&risk)
}

/// What was told and did not happen, and what happened and was not told.
pub(super) fn disagreements(told: &Told, before: &Seen, after: &Seen) -> Vec<String> {
    let mut wrong = Vec::new();
    let endpoints =
        |seen: &Seen| -> BTreeSet<String> { seen.connected.iter().map(|(endpoint, _)| endpoint.clone()).collect() };
    let cut: BTreeSet<String> = endpoints(before).difference(&endpoints(after)).cloned().collect();
    let lost: BTreeSet<String> = {
        let stays = |alias: &String| after.aliases.values().any(|other| other == alias);
        before.aliases.iter().filter(|(_, alias)| !stays(alias)).map(|(name, _)| name.clone()).collect()
    };
    // An endpoint that is replaced is connected again.
    let rebuilt = told.cut.iter().filter(|it| endpoints(after).contains(*it) && lost.is_empty()).count();
    if rebuilt > 0 || cut.iter().any(|endpoint| !told.cut.contains(endpoint)) {
        wrong.push(format!("told cut {:?}, and cut are {cut:?}", told.cut));
    }
    if told.cut.iter().any(|endpoint| !cut.contains(endpoint) && !endpoints(after).contains(endpoint)) {
        wrong.push(format!("told cut {:?}, and cut are {cut:?}", told.cut));
    }
    if told.deleted != lost {
        wrong.push(format!("told deleted {:?}, and lost are {lost:?}", told.deleted));
    }
    let elsewhere =
        before.connected.difference(&after.connected).filter(|(endpoint, _)| !told.affected.contains(endpoint));
    wrong.extend(
        elsewhere
            .map(|(endpoint, link)| format!("{endpoint} is not named, and {link} is not what it reaches any more")),
    );
    let fails = after.failures > before.failures;
    match &told.fails {
        Some(code) if fails && !after.said.contains(code) => {
            wrong.push(format!("told {code:?}, and it said\n{}", after.said));
        }
        Some(_) if !fails => wrong.push("told that the sync fails, and it did not".to_owned()),
        None if fails => wrong.push(format!("the sync fails, and nobody told:\n{}", after.said)),
        _ => {}
    }
    if told.fails.is_none() {
        let missing = told.addresses.iter().filter(|address| !after.addresses.contains(*address));
        wrong.extend(
            missing.map(|address| format!("told the address {address}, and frontends have {:?}", after.addresses)),
        );
    }
    if !(is_bad(&told.risk) || cut.is_empty() && lost.is_empty()) {
        wrong.push(format!("called {}, and {cut:?} were cut and {lost:?} lost", told.risk));
    }
    wrong
}
