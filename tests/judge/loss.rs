//! What somebody lost by an edit, as the simulator shows it, and whether the plan's risk is as bad as that.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use privlink::cloud_provider::rule::LINK_TAKEN_OVER;
use privlink::cloud_provider::state::State;
use privlink::domain::key::PublisherKey;
use privlink::domain::key::ResourceKey;
use privlink::domain::resource::private_link_service::Nat;
use privlink::domain::resource::service::LiveService;
use privlink::plan::Plan;
use privlink::plan::change::Change;
use privlink::plan::risk::Risk;
use serde_json::Value;

use super::edit::Edit;
use super::outcome::Names;
use super::outcome::Outcome;
use super::stage::Stage;
use super::tally::Tally;
use super::trial::Seen;

/// What somebody lost, as the simulator shows it.
pub(crate) struct Losses {
    pub(crate) severing: Vec<String>,
    pub(crate) disruptive: Vec<String>,
    /// Losses that justify a warning, and that the model is not asked to foresee.
    others: Vec<String>,
    is_public: bool,
    /// True if the security group has a rule that it had not.
    is_admitted: bool,
}

pub(crate) fn losses(stage: &Stage, (before, now): (&Seen, &Seen), names: &Names, happened: &Outcome) -> Losses {
    let state = |seen: &Seen| State::of(&seen.observed, stage.behaviour).unwrap();
    let (old, new) = (state(before), state(now));
    let reached = before.reached(names, &old);
    let still = now.reached(names, &new);
    let addresses = |state: &State| state.addresses();
    let left = addresses(&old).difference(&addresses(&new)).map(ToString::to_string).collect::<Vec<_>>();
    let released = |state: &State| {
        state
            .frontends()
            .iter()
            .filter(|own| own.address.is_none())
            .map(|own| own.id.name().to_owned())
            .collect::<BTreeSet<_>>()
    };
    let left: Vec<String> = left.into_iter().chain(released(&old).difference(&released(&new)).cloned()).collect();
    let held = |seen: &Seen| {
        seen.observed.held.iter().map(|held| format!("{} {}", held.holder, held.address)).collect::<BTreeSet<_>>()
    };
    let said = |state: &State| -> BTreeMap<String, (String, bool, Nat)> {
        state
            .links()
            .iter()
            .map(|link| {
                (
                    link.id.to_string(),
                    (link.frontend.to_string(), link.exposure.proxy_protocol, link.exposure.nat.clone()),
                )
            })
            .collect()
    };
    let (had, has) = (said(&old), said(&new));
    let (alone, shared): (Vec<_>, Vec<_>) = had
        .iter()
        .filter(|(id, (frontend, ..))| has.get(*id).is_some_and(|(now, ..)| now != frontend))
        .map(|(id, (frontend, ..))| (id.clone(), frontend))
        .partition(|(id, frontend)| is_alone(&old, id, frontend));
    let rules_before = rule_names(&before.balancers);
    let rules_after = rule_names(&now.balancers);
    let gone = rules_before.difference(&rules_after).map(|(_, name)| name.clone()).collect::<Vec<_>>();
    let renat = had.iter().filter(|(id, (_, _, nat))| has.get(*id).is_some_and(|(.., now)| is_replaced(nat, now)));
    let switched = had.iter().filter(|(id, (_, proxy, _))| has.get(*id).is_some_and(|(_, now, _)| now != proxy));
    let rules = before.security.iter().filter(|(name, said)| now.security.get(*name) != Some(*said));
    Losses {
        severing: happened
            .cut
            .iter()
            .chain(&happened.lost)
            .cloned()
            .chain(shared.into_iter().map(|(id, _)| id))
            .collect(),
        disruptive: reached.difference(&still).cloned().chain(happened.rewritten.iter().cloned()).collect(),
        others: switched
            .map(|(id, _)| id.clone())
            .chain(rules.map(|(name, _)| name.clone()))
            .chain(before.clusters.difference(&now.clusters).cloned())
            .chain(held(before).difference(&held(now)).cloned())
            .chain(left)
            .chain(gone)
            .chain(alone.into_iter().map(|(id, _)| id))
            .chain(renat.map(|(id, _)| id.clone()))
            .chain(reallotted((before, now), &old))
            .collect(),
        is_public: !released(&new).is_subset(&released(&old)),
        is_admitted: now.security.keys().any(|name| !before.security.contains_key(name)),
    }
}

/// True if nobody but the owner of a Private Link Service is on its frontend.
fn is_alone(state: &State, link: &str, frontend: &str) -> bool {
    let owner = state.links().iter().find(|own| own.id.to_string() == link).map(|own| own.owner_tag.as_str());
    let carried = state.frontends().iter().filter(|own| own.id.to_string() == frontend).flat_map(|own| &own.rules);
    carried.into_iter().all(|rule| Some(state.owner_of_rule(&rule.name).as_str()) == owner)
}

/// Ports that come back while their rule still stands: the node port is allotted anew, and only by luck the same.
fn reallotted((before, now): (&Seen, &Seen), state: &State) -> Vec<String> {
    let ports = |seen: &Seen| -> BTreeSet<String> {
        let of = |live: &LiveService| -> Vec<String> {
            let ports = live.manifest.pointer("/spec/ports").and_then(Value::as_array).into_iter().flatten();
            let name =
                |port: &Value| format!("{} {}/{}", live.key, port["port"], port["protocol"].as_str().unwrap_or("TCP"));
            ports.filter(|port| port["nodePort"].is_u64()).map(name).collect()
        };
        seen.observed.services.values().flat_map(of).collect()
    };
    let rules = state.frontends().iter().flat_map(|own| &own.rules);
    let stand: BTreeSet<String> = rules
        .map(|rule| format!("{} {}/{}", state.owner_of_rule(&rule.name), rule.port, rule.protocol.to_uppercase()))
        .collect();
    ports(now).difference(&ports(before)).filter(|port| stand.contains(*port)).cloned().collect()
}

/// True if a NAT configuration is written anew, and not only longer.
fn is_replaced(had: &Nat, has: &Nat) -> bool {
    had != has && (had.subnet != has.subnet || has.count <= had.count || !has.addresses.starts_with(&had.addresses))
}

/// The rules by load balancer and name.
fn rule_names(balancers: &[Value]) -> BTreeSet<(String, String)> {
    let name = |part: &Value| part["name"].as_str().unwrap_or_default().to_lowercase();
    let of = |one: &Value| -> Vec<(String, String)> {
        let rules = one["properties"]["loadBalancingRules"].as_array().into_iter().flatten();
        rules.map(|rule| (name(one), name(rule))).collect()
    };
    balancers.iter().flat_map(of).collect()
}

/// Who is let in is rated by what is asked for.
const EXPOSING: [&str; 5] =
    ["isibility", "auto-approval", "autoApproval", "azure-allowed-ip-ranges", "spec.loadBalancerSourceRanges"];
/// A list of clients that gets narrower cuts some off, in the cluster itself.
const NARROWING: [&str; 1] = ["spec.loadBalancerSourceRanges"];
/// Without floating IP the syncs of others take a Service's rule out of the security group, which no plan reads: where there
/// was none, its list of clients narrows nothing.
const NARROWING_A_RULE: [&str; 1] = ["azure-allowed-ip-ranges"];

pub(crate) fn judge_risk(planned: &Plan, tried: &[&Edit], (lost, tally): (&Losses, &mut Tally)) -> Option<String> {
    let is_of = |key: &ResourceKey, edit: &&&Edit| {
        *key == ResourceKey::Service(edit.key.clone())
            || *key == ResourceKey::PrivateLinkService(PublisherKey::Cluster(edit.key.clone()))
    };
    // What is bound to fail is left out of the plan, with its risk; here it is made all the same. What would have followed
    // is not.
    let left_out = planned.left_out.iter().filter_map(|left| left.change.as_ref());
    let is_left_out = |edit: &&Edit| left_out.clone().any(|change| is_of(&change.key, &edit));
    // Beside another edit it meets another world than the plan had in mind; and where edits wait for each other, none is made.
    if !planned.blockers.is_empty() || tried.len() > 1 && tried.iter().any(is_left_out) {
        return None;
    }
    let left_out = left_out.filter(|change| matches!(change.key, ResourceKey::Service(_)));
    let all = planned.steps.iter().map(|step| &step.change).chain(left_out);
    let steps: Vec<_> = all.filter(|change| tried.iter().any(|edit| is_of(&change.key, &edit))).collect();
    let risk = steps.iter().map(|change| change.risk).max().unwrap_or(Risk::Safe);
    *tally.risks.entry(risk.to_string()).or_default() += 1;
    let touches = |names: &[&str]| {
        let fields = steps.iter().flat_map(|change| &change.fields);
        fields.into_iter().any(|field| names.iter().any(|name| field.name.contains(name)))
    };
    let is_lost = !lost.severing.is_empty() || !lost.disruptive.is_empty();
    if !is_lost && lost.others.is_empty() {
        tally.harmless += 1;
    }
    let why = || {
        let why = steps.iter().map(|change| {
            let told: Vec<&str> = change.consequences.iter().map(|own| own.text.as_str()).collect();
            let fields: Vec<String> =
                change.fields.iter().map(|field| field.name.replace("metadata.annotations", "")).collect();
            format!("{} {}: {} | {}", change.key, change.risk, fields.join(", "), told.join("; "))
        });
        why.collect::<Vec<_>>().join("\n      ")
    };
    if !lost.severing.is_empty() && risk < Risk::Severing {
        return Some(format!("SILENCE: {risk}, and lost: {}\n      {}", lost.severing.join(", "), why()));
    }
    if !lost.disruptive.is_empty() && risk < Risk::Disruptive {
        return Some(format!("SILENCE: {risk}, and lost: {}\n      {}", lost.disruptive.join(", "), why()));
    }
    let is_fair = match risk {
        Risk::Safe | Risk::Notable => true,
        Risk::Exposing => lost.is_public || touches(&EXPOSING),
        Risk::Disruptive | Risk::Severing => {
            let may_narrow = touches(&NARROWING) || lost.is_admitted && touches(&NARROWING_A_RULE);
            // What one edit takes and the next one takes back was away in between.
            let takes = |change: &&&Change| change.consequences.iter().any(|own| own.rule == LINK_TAKEN_OVER.id);
            let is_returned = steps.iter().filter(takes).count() > 1;
            is_lost || !lost.others.is_empty() || may_narrow || is_returned
        }
    };
    (!is_fair).then(|| format!("FALSE ALARM: {risk}, and nobody lost anything\n      {}", why()))
}
