//! What comes of an edit, in words that the model's end state and the simulated one have in common.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use privlink::cloud_provider::Prediction;
use privlink::cloud_provider::effect::What;
use privlink::cloud_provider::state::State;
use privlink::domain::azure::ResourceId;
use privlink::domain::kubernetes::ObjectKey;
use privlink::observed::Observed;
use serde_json::Value;

/// A frontend: its address (`None` if nobody can know it before), and what listens on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frontend {
    pub(crate) address: Option<String>,
    pub(crate) rules: BTreeSet<String>,
}

/// What comes of an edit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// Endpoints whose connection is gone.
    pub(crate) cut: BTreeSet<String>,
    /// Aliases that no Private Link Service has any more.
    pub(crate) lost: BTreeSet<String>,
    /// The Private Link Services that there are, with what they are like.
    pub(crate) links: BTreeMap<String, String>,
    /// The frontends, by name with the Service for its uid.
    pub(crate) frontends: BTreeMap<String, Frontend>,
    /// Rules that were there before and say something else, with their probes.
    pub(crate) rewritten: BTreeSet<String>,
    /// Subnets that take no NAT addresses.
    pub(crate) enforcing: BTreeSet<String>,
    /// Services whose sync fails.
    pub(crate) failing: BTreeSet<String>,
}

/// Services by what the names of their parts begin with.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names(BTreeMap<String, String>);

impl Names {
    pub(crate) fn add(&mut self, observed: &Observed) {
        for live in observed.services.values() {
            let base: String = format!("a{}", live.uid.as_str().replace('-', "")).chars().take(32).collect();
            self.0.insert(base, live.key.to_string());
        }
    }

    /// A name with the Service in place of its uid; one that does not exist yet has its own name there already.
    fn plain(&self, name: &str) -> String {
        let name = name.to_ascii_lowercase();
        if let Some((base, key)) = self.0.iter().find(|(base, _)| name.contains(base.as_str())) {
            return name.replacen(base.as_str(), key, 1);
        }
        let Some((before, rest)) = name.split_once("a0new.") else { return name };
        let mut parts = rest.splitn(3, '.');
        let mut next = || parts.next().unwrap_or_default();
        format!("{before}{}/{}{}", next(), next(), next())
    }

    fn owner(&self, name: &str) -> String {
        let plain = self.plain(name);
        plain.split('-').next().unwrap_or_default().to_owned()
    }
}

/// What a state of the world is like.
pub(crate) fn of_state(state: &State, names: &Names) -> Outcome {
    let rule = |rule: &privlink::domain::cluster::BalancingRule| {
        format!("{} {}/{}", names.owner(&rule.name), rule.port, protocol(&rule.protocol))
    };
    let frontends = state.frontends().iter().map(|frontend| {
        let rules = frontend.rules.iter().map(rule).collect();
        (names.plain(&short(&frontend.id)), Frontend { address: frontend.address.map(|own| own.to_string()), rules })
    });
    let links = state.links().iter().map(|link| {
        let told = format!("on {} of {} {:?}", names.plain(&short(&link.frontend)), link.owner_tag, link.exposure);
        (names.plain(&format!("{}/{}", link.id.resource_group(), link.id.name())), told)
    });
    Outcome {
        links: links.collect(),
        frontends: frontends.collect(),
        enforcing: state.enforcing().map(|id| id.name().to_owned()).collect(),
        ..Outcome::default()
    }
}

fn short(frontend: &ResourceId) -> String {
    let balancer = frontend.parent().map(|balancer| balancer.name().to_owned()).unwrap_or_default();
    format!("{balancer} {}", frontend.name())
}

/// Azure has no word for SCTP: such rules take every protocol.
fn protocol(word: &str) -> String {
    let word = word.to_ascii_uppercase();
    if word == "SCTP" { "ALL".to_owned() } else { word }
}

/// Adds what a prediction says beside the state that it leads to.
pub(crate) fn tell(outcome: &mut Outcome, service: &ObjectKey, prediction: &Prediction) {
    for effect in &prediction.effects {
        match &effect.what {
            What::ConnectionCut { connection, .. } => {
                let endpoint = connection.endpoint.as_ref().unwrap_or(&connection.id);
                outcome.cut.insert(endpoint.name().to_owned());
            }
            What::AliasLost { alias } => {
                outcome.lost.insert(alias.to_string());
            }
            What::RulesChanged(ports) => {
                outcome.rewritten.extend(ports.iter().map(|port| {
                    let port = if port == "every port" { "0/ALL" } else { port };
                    format!("{service} {port}")
                }));
            }
            _ => {}
        }
    }
    if prediction.failure.is_some() {
        outcome.failing.insert(service.to_string());
    }
}

pub(crate) fn endpoints(observed: &Observed) -> BTreeSet<String> {
    let connections = observed.private_link_services.values().flat_map(|live| &live.connections);
    connections.filter_map(|connection| connection.endpoint.as_ref()).map(|id| id.name().to_owned()).collect()
}

pub(crate) fn aliases(observed: &Observed) -> BTreeSet<String> {
    let links = observed.private_link_services.values();
    links.filter_map(|live| live.alias.as_ref()).map(ToString::to_string).collect()
}

/// What every rule of some load balancers says, with its probe: by Service and port, and by load balancer.
pub(crate) fn contents(balancers: &[Value], names: &Names) -> BTreeMap<String, BTreeMap<String, String>> {
    let mut contents: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    for balancer in balancers {
        let side = balancer["name"].as_str().unwrap_or_default();
        let parts = |list: &str| balancer["properties"][list].as_array().cloned().unwrap_or_default();
        let probes = parts("probes");
        for rule in parts("loadBalancingRules") {
            let own = &rule["properties"];
            let name = rule["name"].as_str().unwrap_or_default();
            let word = protocol(own["protocol"].as_str().unwrap_or_default());
            let family = if name.to_ascii_lowercase().ends_with("-ipv6") { " IPv6" } else { "" };
            let port = format!("{} {}/{word}{family}", names.owner(name), own["frontendPort"]);
            let probe = own["probe"]["id"].as_str().and_then(|id| id.rsplit('/').next());
            let probe = probes.iter().find(|one| one["name"].as_str() == probe).map(|one| &one["properties"]);
            let said = |from: &Value, keys: &[&str]| {
                keys.iter().map(|key| format!("{key} {}, ", from[*key])).collect::<String>()
            };
            let of_rule =
                ["backendPort", "enableFloatingIP", "idleTimeoutInMinutes", "enableTcpReset", "loadDistribution"];
            let of_probe = ["protocol", "port", "requestPath", "intervalInSeconds", "probeThreshold"];
            let text = said(own, &of_rule) + &probe.map_or_else(|| "no probe".to_owned(), |one| said(one, &of_probe));
            contents.entry(port).or_default().insert(side.to_owned(), text);
        }
    }
    contents
}

/// Where two outcomes differ, one line a place; addresses that nobody could know are taken as they came.
pub(crate) fn differences(foreseen: &Outcome, happened: &Outcome) -> Vec<String> {
    let mut lines = Vec::new();
    let mut sets = |what: &str, foreseen: &BTreeSet<String>, happened: &BTreeSet<String>| {
        lines.extend(foreseen.difference(happened).map(|one| format!("{what}: only foreseen: {one}")));
        lines.extend(happened.difference(foreseen).map(|one| format!("{what}: only happened: {one}")));
    };
    sets("cut", &foreseen.cut, &happened.cut);
    sets("alias lost", &foreseen.lost, &happened.lost);
    sets("rewritten", &foreseen.rewritten, &happened.rewritten);
    sets("policy on", &foreseen.enforcing, &happened.enforcing);
    sets("fails", &foreseen.failing, &happened.failing);
    let pairs = |links: &BTreeMap<String, String>| links.iter().map(|(id, told)| format!("{id} {told}")).collect();
    sets("link", &pairs(&foreseen.links), &pairs(&happened.links));
    let names: BTreeSet<&String> = foreseen.frontends.keys().chain(happened.frontends.keys()).collect();
    for name in names {
        match (foreseen.frontends.get(name), happened.frontends.get(name)) {
            (Some(one), Some(other)) => {
                let is_open = one.address.is_none();
                if !is_open && one.address != other.address || one.rules != other.rules {
                    lines.push(format!("frontend {name}:\n      foreseen {one:?}\n      happened {other:?}"));
                }
            }
            (Some(one), None) => lines.push(format!("frontend {name}: only foreseen: {one:?}")),
            (None, other) => lines.push(format!("frontend {name}: only happened: {other:?}")),
        }
    }
    lines
}
