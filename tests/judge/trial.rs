//! Edits tried on both: the plan and the model say what will come of them, the simulator shows it, and both are compared.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use privlink::cloud_provider::Prediction;
use privlink::cloud_provider::effect::What;
use privlink::cloud_provider::predict;
use privlink::cloud_provider::rule;
use privlink::cloud_provider::service::Service;
use privlink::cloud_provider::state::State;
use privlink::domain::key::PublisherKey;
use privlink::domain::key::ResourceKey;
use privlink::domain::kubernetes::ObjectKey;
use privlink::domain::resource::Resource;
use privlink::observed::Observed;
use privlink::plan::Plan;
use privlink::plan::action::Action;
use privlink::plan::action::Actor;
use privlink::plan::plan;
use serde_json::Value;

use super::edit;
use super::edit::Edit;
use super::loss::judge_risk;
use super::loss::losses;
use super::outcome;
use super::outcome::Names;
use super::outcome::Outcome;
use super::setting;
use super::stage::Stage;
use super::tally::Tally;
use crate::runner::worlds::NODE_GROUP;

/// The world as it was seen last.
pub(crate) struct Seen {
    pub(crate) observed: Observed,
    pub(crate) balancers: Vec<Value>,
    pub(crate) security: BTreeMap<String, Value>,
    /// Where each Service is reached inside the cluster.
    pub(crate) clusters: BTreeSet<String>,
}

impl Seen {
    pub(crate) async fn of(stage: &Stage) -> Self {
        let group = setting::network(NODE_GROUP);
        let list = |kind: &str| {
            let body = stage.get(&format!("{group}/{kind}")).unwrap_or_default();
            body["value"].as_array().cloned().unwrap_or_default()
        };
        let rules = list("networkSecurityGroups")
            .into_iter()
            .flat_map(|group| group["properties"]["securityRules"].as_array().cloned().unwrap_or_default());
        let security = rules.map(|rule| {
            let own = &rule["properties"];
            let said = [
                "access",
                "sourceAddressPrefix",
                "sourceAddressPrefixes",
                "destinationAddressPrefixes",
                "destinationPortRanges",
            ];
            let said: Vec<&Value> = said.iter().map(|key| &own[*key]).collect();
            (rule["name"].as_str().unwrap_or_default().to_owned(), serde_json::json!(said))
        });
        let observed = stage.observe().await;
        let ips = observed.services.values().filter_map(|live| {
            let ip = live.manifest.pointer("/spec/clusterIP").and_then(Value::as_str)?;
            let ports = live.manifest.pointer("/spec/ports").and_then(Value::as_array)?;
            Some(ports.iter().map(move |port| format!("{} {ip}:{}/{}", live.key, port["port"], port["protocol"])))
        });
        let ips = ips.flatten();
        Self { balancers: list("loadBalancers"), security: security.collect(), clusters: ips.collect(), observed }
    }

    /// The addresses at which each Service is reached.
    pub(crate) fn reached(&self, names: &Names, state: &State) -> BTreeSet<String> {
        let outcome = outcome::of_state(state, names);
        let frontends = outcome.frontends.values();
        frontends
            .flat_map(|frontend| {
                let address = frontend.address.clone().unwrap_or_else(|| "a public address".to_owned());
                frontend.rules.iter().map(move |rule| format!("{rule} at {address}"))
            })
            .collect()
    }
}

/// What a trial found.
pub(crate) struct Verdict {
    /// Where model and simulator, or plan and simulator, do not agree.
    pub(crate) problems: Vec<String>,
    pub(crate) failing: Vec<ObjectKey>,
}

/// What is foreseen of a trial, edit by edit.
struct Foresight {
    planned: Plan,
    state: State,
    told: Outcome,
    problems: Vec<String>,
    /// True if something happened that nobody could foresee: the end is not compared then.
    is_open: bool,
    /// How often the syncs of the edited Services had failed before.
    failures: BTreeMap<ObjectKey, u64>,
}

impl Foresight {
    /// Asks the model about an edit that was made, and holds what it says against the events.
    fn edit(&mut self, stage: &Stage, key: &ObjectKey, services: [Option<&Service>; 2], tally: &mut Tally) {
        let [before, after] = services;
        let prediction = match predict(&mut self.state, before, after) {
            Ok(prediction) => prediction,
            Err(unknown) => return self.problems.push(format!("the model does not know: {unknown}")),
        };
        tally.count(&prediction);
        let (count, message) = stage.failures(key);
        // What follows upon what nobody could foresee, nobody can foresee either.
        self.is_open |= count > self.failures[key] && self.is_chance(&prediction, &message);
        if let Some(failure) = &prediction.failure
            && !self.is_open
            && !message.contains(failure.code)
            && !is_one_of_several(failure.code, &message)
        {
            self.problems.push(format!("fails with another code than {:?}: {}", failure.code, said(&message)));
        }
        outcome::tell(&mut self.told, key, &prediction);
        if prediction.failure.is_none() {
            retire(stage, &self.planned, key, (&mut self.state, &mut self.told, tally));
        }
    }

    /// True for a failure that what was read does not tell before.
    fn is_chance(&self, prediction: &Prediction, message: &str) -> bool {
        let unproven = prediction.effects.iter().any(|effect| matches!(effect.what, What::LinkUnproven { .. }));
        // Azure may pick for a frontend the very address that a NAT configuration pins.
        let is_picked = self.state.frontends().iter().any(|own| own.subnet.is_some() && own.address.is_none());
        // Which resource groups there are, nobody has read.
        message.contains("ResourceGroupNotFound")
            || unproven && message.contains("InUseFrontendIPConfiguration")
            || is_picked && message.contains("privateLinkServices/") && message.contains("IsAllocated")
    }

    /// What the world should be like in the end.
    fn end(&self, stage: &Stage, names: &Names) -> Outcome {
        let mut foreseen = outcome::of_state(&self.state, names);
        let told = self.told.clone();
        (foreseen.cut, foreseen.lost, foreseen.failing) = (told.cut, told.lost, told.failing);
        // A rule that is gone by the end was not rewritten, whatever became of it in between.
        let stands = |rule: &String| {
            let key = rule.split(' ').next().and_then(|key| key.parse::<ObjectKey>().ok());
            let manifest = key.and_then(|key| stage.manifests.get(&key));
            let side = if manifest.is_some_and(edit::is_internal) { "kubernetes-internal " } else { "kubernetes " };
            foreseen.frontends.iter().any(|(name, own)| name.starts_with(side) && own.rules.contains(rule))
        };
        let rewritten: BTreeSet<String> = told.rewritten.into_iter().filter(stands).collect();
        foreseen.rewritten = rewritten;
        foreseen
    }
}

/// Makes the edits, one after the other, and compares.
pub(crate) async fn try_edits(stage: &mut Stage, seen: &mut Seen, edits: &[Edit], tally: &mut Tally) -> Verdict {
    let mut manifests = stage.manifests.clone();
    edits.iter().for_each(|edit| keep(&mut manifests, edit));
    let desired = stage.desired(&manifests);
    let planned = plan(&desired, &seen.observed, None);
    // As the plan has them: what comes first may decide about what comes later.
    let place = |edit: &&Edit| {
        let key = ResourceKey::Service(edit.key.clone());
        planned.steps.iter().position(|step| step.change.key == key).unwrap_or(usize::MAX)
    };
    let mut edits: Vec<&Edit> = edits.iter().collect();
    edits.sort_by_key(place);
    let mut foresight = Foresight {
        planned,
        state: State::of(&seen.observed, stage.behaviour).unwrap(),
        told: Outcome::default(),
        problems: Vec::new(),
        is_open: false,
        failures: BTreeMap::new(),
    };
    let mut tried = Vec::new();
    for edit in edits {
        let key = &edit.key;
        foresight.failures.insert(key.clone(), stage.failures(key).0);
        let Ok(after) = make(stage, edit, &desired, &seen.observed).await else {
            tally.refused += 1;
            continue;
        };
        stage.simulator.idle().await;
        if stage.failures(key).1.contains("PublicIPAddressCannotBeDeleted") {
            // Nobody has to do anything about it: the next try finds the address free.
            stage.poke(key);
            stage.simulator.idle().await;
        }
        keep(&mut stage.manifests, edit);
        tally.edits += 1;
        tried.push(edit);
        let before = seen.observed.services.get(key);
        let before = before.map(|live| Service::read(key, Some(&live.uid), &live.manifest, &live.addresses));
        foresight.edit(stage, key, [before.as_ref(), after.as_ref()], tally);
    }
    let now = Seen::of(stage).await;
    let failing = failing(stage, &now);
    let problems = if tried.is_empty() { Vec::new() } else { compare(stage, foresight, (seen, &now), &tried, tally) };
    *seen = now;
    Verdict { problems, failing }
}

fn keep(manifests: &mut BTreeMap<ObjectKey, Value>, edit: &Edit) {
    match &edit.manifest {
        Some(manifest) => drop(manifests.insert(edit.key.clone(), manifest.clone())),
        None => drop(manifests.remove(&edit.key)),
    }
}

/// Holds what was foreseen against what happened.
fn compare(
    stage: &Stage,
    foresight: Foresight,
    (before, now): (&Seen, &Seen),
    tried: &[&Edit],
    tally: &mut Tally,
) -> Vec<String> {
    let mut names = Names::default();
    names.add(&before.observed);
    names.add(&now.observed);
    let foreseen = foresight.end(stage, &names);
    let happened = happened(stage, (before, now), &names, &foresight.failures);
    if is_lucky((&foreseen, &happened), (before, now), tried) {
        return Vec::new();
    }
    let mut problems = foresight.problems;
    if !foresight.is_open {
        problems.extend(outcome::differences(&foreseen, &happened));
        let said = |seen: &Seen, port: &String| outcome::contents(&seen.balancers, &names).remove(port);
        let disputed = foreseen.rewritten.symmetric_difference(&happened.rewritten);
        problems
            .extend(disputed.map(|port| format!("{port} said {:?}, says {:?}", said(before, port), said(now, port))));
        let lost = losses(stage, (before, now), &names, &happened);
        problems.extend(judge_risk(&foresight.planned, tried, (&lost, tally)));
    }
    let problems = problems.into_iter().map(|problem| format!("    {problem}")).collect::<Vec<_>>();
    if problems.is_empty() { Vec::new() } else { vec![account(stage, before, tried, &problems)] }
}

/// True if an address that Azure picked is one that an edit pins, or that a Service had and wants back: nobody could know.
fn is_lucky((foreseen, happened): (&Outcome, &Outcome), (before, now): (&Seen, &Seen), tried: &[&Edit]) -> bool {
    let nat = now.observed.held.difference(&before.observed.held).map(|held| held.address.to_string());
    let open = foreseen.frontends.iter().filter(|(_, own)| own.address.is_none());
    let picked = open.filter_map(|(name, _)| happened.frontends.get(name)?.address.clone());
    let pins = |address: String| {
        let told = format!("\"{address}\"");
        let had = |edit: &&&Edit| {
            let live = before.observed.services.get(&edit.key);
            live.is_some_and(|live| live.addresses.iter().any(|own| own.to_string() == address))
        };
        tried.iter().any(|edit| edit.manifest.as_ref().is_some_and(|it| it.to_string().contains(&told)) || had(&edit))
    };
    tried.len() > 1 && picked.chain(nat).any(pins)
}

/// Of several faults in one write of a load balancer Azure tells one, and nobody has recorded which.
fn is_one_of_several(code: &str, message: &str) -> bool {
    let told = [
        "InUseFrontendIPConfigurationCannotBeDeleted",
        "InvalidResourceReference",
        "MultipleIpConfigsRequestSamePrivateIpAddress",
        "PrivateIPAddressIsAllocated",
        "PrivateIPAddressNotInSubnet",
        "SubnetIsFull",
    ];
    message.contains("/loadBalancers/") && told.contains(&code) && told.iter().any(|other| message.contains(other))
}

/// Makes an edit as privlink would; the answer is the Service as the model is told it will be.
async fn make(
    stage: &Stage,
    edit: &Edit,
    desired: &privlink::desired::Desired,
    before: &Observed,
) -> Result<Option<Service>, String> {
    let key = &edit.key;
    let live = before.services.get(key);
    if edit.manifest.is_none() {
        let live = live.ok_or("there is no such Service")?;
        stage.cluster().delete(key, &live.uid).await.map_err(|error| error.to_string())?;
        return Ok(None);
    }
    let Some(Resource::Service(service)) =
        desired.intents.get(&ResourceKey::Service(key.clone())).map(|own| &own.resource)
    else {
        return Err("the document cannot be read".to_owned());
    };
    if live.is_some_and(|live| live.deleting) {
        return Err("it is being deleted".to_owned());
    }
    let after = stage.cluster().apply(service, None, true).await.map_err(|error| error.to_string())?;
    Ok(Some(match live {
        Some(live) => Service::read(key, Some(&live.uid), &after.manifest, &live.addresses),
        None => Service::read(key, None, &after.manifest, &[]),
    }))
}

/// Deletes what the plan says privlink itself deletes because of this Service.
fn retire(
    stage: &Stage,
    planned: &Plan,
    key: &ObjectKey,
    (state, told, tally): (&mut State, &mut Outcome, &mut Tally),
) {
    let own = ResourceKey::PrivateLinkService(PublisherKey::Cluster(key.clone()));
    let ends = planned.steps.iter().map(|step| &step.change);
    let mut ends =
        ends.filter(|change| change.key == own && change.action == Action::Delete && change.actor == Actor::Privlink);
    let Some(id) = ends.next().and_then(|change| change.existing.clone()) else { return };
    let Some(link) = state.links().iter().find(|link| link.id == id).cloned() else { return };
    for connection in &link.connections {
        stage.delete(&connection.id.to_string());
        let endpoint = connection.endpoint.as_ref().unwrap_or(&connection.id);
        told.cut.insert(endpoint.name().to_owned());
    }
    stage.delete(&id.to_string());
    told.lost.extend(link.alias.iter().map(ToString::to_string));
    state.drop_link(&id);
    tally.count_rule(rule::LINK_DELETED.id);
}

fn failing(stage: &Stage, now: &Seen) -> Vec<ObjectKey> {
    let all = stage.manifests.keys().filter(|key| now.observed.services.contains_key(*key));
    all.filter(|key| has_failed(stage, key)).cloned().collect()
}

/// True if the last thing that was said of a Service is that its sync failed.
fn has_failed(stage: &Stage, key: &ObjectKey) -> bool {
    let events = stage.inside().events(key.namespace.as_str(), key.name.as_str());
    events.last().is_some_and(|event| event["reason"] == "SyncLoadBalancerFailed")
}

fn happened(
    stage: &Stage,
    (before, now): (&Seen, &Seen),
    names: &Names,
    failures: &BTreeMap<ObjectKey, u64>,
) -> Outcome {
    let state = State::of(&now.observed, stage.behaviour).unwrap();
    let mut happened = outcome::of_state(&state, names);
    let gone = |of: fn(&Observed) -> BTreeSet<String>| -> BTreeSet<String> {
        of(&before.observed).difference(&of(&now.observed)).cloned().collect()
    };
    happened.cut = gone(outcome::endpoints);
    happened.lost = gone(outcome::aliases);
    let said = outcome::contents(&before.balancers, names);
    let says = outcome::contents(&now.balancers, names);
    // On the load balancer that its Service was on, or on the one that it comes from.
    let owner = |port: &String| port.split(' ').next().unwrap_or_default().to_owned();
    let was_on = |port: &String, side: &String| {
        said.iter().any(|(other, sides)| owner(other) == owner(port) && sides.contains_key(side))
    };
    let other = |(port, texts): &(&String, &BTreeMap<String, String>)| {
        let Some(before) = said.get(*port) else { return false };
        let had = |side: &String| if was_on(port, side) { before.get(side) } else { before.values().next() };
        texts.iter().any(|(side, text)| had(side).is_some_and(|had| had != text))
    };
    let plain = |port: &String| port.trim_end_matches(" IPv6").to_owned();
    happened.rewritten = says.iter().filter(other).map(|(port, _)| plain(port)).collect();
    let fails = |(key, before): &(&ObjectKey, &u64)| stage.failures(key).0 > **before && has_failed(stage, key);
    happened.failing = failures.iter().filter(fails).map(|(key, _)| key.to_string()).collect();
    happened
}

/// The first line of an event, and Azure's code and words if it has them.
fn said(message: &str) -> String {
    let is_told =
        |line: &&str| line.starts_with("Error") || line.contains("ERROR CODE") || line.contains("\"message\"");
    let lines: Vec<&str> = message.lines().filter(is_told).map(str::trim).collect();
    lines.join(" ").replace(&format!("https://management.azure.com{}", setting::network(NODE_GROUP)), "")
}

/// World, edit and problems, as short as they can be told.
fn account(stage: &Stage, seen: &Seen, tried: &[&Edit], problems: &[String]) -> String {
    let mut lines = Vec::new();
    for edit in tried {
        lines.push(format!("- {}: {}", edit.key, edit.what));
        if let Some(live) = seen.observed.services.get(&edit.key) {
            lines.push(format!("    was {}", edit::told(&live.manifest)));
        }
        if let Some(manifest) = &edit.manifest {
            lines.push(format!("    is  {}", edit::told(manifest)));
        }
        lines.push(format!("    said {}", said(&stage.failures(&edit.key).1)));
    }
    let mut names = Names::default();
    names.add(&seen.observed);
    let state = State::of(&seen.observed, stage.behaviour).unwrap();
    let before = outcome::of_state(&state, &names);
    let edited: Vec<String> = tried.iter().map(|edit| edit.key.to_string()).collect();
    let concerns = |text: &String| edited.iter().any(|key| text.contains(key.as_str()));
    lines.extend(
        before
            .frontends
            .iter()
            .filter(|(name, own)| concerns(name) || own.rules.iter().any(concerns))
            .map(|(name, own)| format!("    stood {name} {:?} {:?}", own.address, own.rules)),
    );
    lines.extend(
        before
            .links
            .iter()
            .filter(|(name, told)| concerns(name) || concerns(told))
            .map(|(name, told)| format!("    stood {name} {told}")),
    );
    lines.extend(problems.iter().cloned());
    let text = lines.join("\n");
    text.replace(&format!("{}/virtualNetworks/aks-vnet/", setting::network(NODE_GROUP)), "")
}
