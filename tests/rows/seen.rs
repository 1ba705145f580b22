//! What there is, one line a thing, so that two looks can be compared like two versions of a file.
//!
//! Uids and the ids inside aliases differ from run to run: names that hold the uid of a Service show the Service, and
//! aliases are numbered as they come.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde_json::Value;

use crate::runner::Stage;
use crate::runner::worlds::CONSUMER;
use crate::runner::worlds::NODE_GROUP;
use crate::runner::worlds::PROVIDER;

/// Names of what depends on chance.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    /// Uids as names of Azure hold them, and what they are shown as.
    uids: Vec<(String, String)>,
    /// Ids inside aliases, in the order in which they came.
    aliases: Vec<String>,
}

impl Names {
    /// A text without what depends on chance.
    pub(super) fn clean(&self, text: &str) -> String {
        let text = self.uids.iter().fold(text.to_owned(), |text, (uid, shown)| text.replace(uid, shown));
        self.aliases.iter().zip(1..).fold(text, |text, (id, number)| text.replace(id, &format!("[ID {number}]")))
    }

    fn learn(&mut self, stage: &Stage) {
        for service in stage.cluster().list("services", Some("default")) {
            let uid: String =
                format!("a{}", text(&service, "/metadata/uid").replace('-', "")).chars().take(32).collect();
            if !self.uids.iter().any(|(known, _)| *known == uid) {
                let name = text(&service, "/metadata/name").to_owned();
                let again = self.uids.iter().filter(|(_, shown)| shown.trim_matches(['[', ']', '\'']) == name).count();
                self.uids.push((uid, format!("[{name}{}]", "'".repeat(again))));
            }
        }
        for link in links(stage) {
            // Name, id, region.
            let id = text(&link, "/properties/alias").split('.').nth(1).unwrap_or_default().to_owned();
            if !id.is_empty() && !self.aliases.contains(&id) {
                self.aliases.push(id);
            }
        }
    }
}

/// What there is at one time.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    pub(super) lines: Vec<String>,
    /// Endpoints with a connection, by the Private Link Service and the frontend that it stands on.
    pub(super) connected: BTreeSet<(String, String)>,
    /// Aliases by the Private Link Service.
    pub(super) aliases: BTreeMap<String, String>,
    /// The private addresses of frontends.
    pub(super) addresses: BTreeSet<String>,
    /// How often syncs failed.
    pub(super) failures: u64,
    /// What the failed syncs said.
    pub(super) said: String,
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn list<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn last(id: &str) -> &str {
    id.rsplit('/').next().unwrap_or_default()
}

fn all(stage: &Stage, subscription: &str, kind: &str) -> Vec<Value> {
    let found = stage.azure(&format!("/subscriptions/{subscription}/providers/Microsoft.Network/{kind}")).unwrap();
    list(&found, "/value").to_vec()
}

fn links(stage: &Stage) -> Vec<Value> {
    all(stage, PROVIDER, "privateLinkServices")
}

impl Seen {
    /// Looks at everything that matters.
    pub(super) fn look(stage: &Stage, names: &mut Names) -> Self {
        names.learn(stage);
        let mut seen = Self::default();
        for balancer in all(stage, PROVIDER, "loadBalancers") {
            seen.balancer(&balancer);
        }
        links(stage).iter().for_each(|link| seen.link(link));
        for (subscription, network) in [(PROVIDER, "aks-vnet")] {
            let networks = all(stage, subscription, "virtualNetworks");
            let subnets = networks
                .iter()
                .filter(|it| text(it, "/name") == network)
                .flat_map(|it| list(it, "/properties/subnets"));
            for subnet in subnets.filter(|it| text(it, "/properties/privateLinkServiceNetworkPolicies") == "Disabled") {
                seen.lines.push(format!("subnet {}: policy off", text(subnet, "/name")));
            }
        }
        for endpoint in all(stage, CONSUMER, "privateEndpoints") {
            let connection = list(&endpoint, "/properties/privateLinkServiceConnections").first().cloned();
            let state =
                connection.as_ref().map_or("", |it| text(it, "/properties/privateLinkServiceConnectionState/status"));
            seen.lines.push(format!("endpoint {}: {state}", text(&endpoint, "/name")));
        }
        for service in stage.cluster().list("services", Some("default")) {
            seen.service(stage, &service);
        }
        seen.lines = seen.lines.iter().map(|line| names.clean(line)).collect();
        seen.lines.sort();
        seen
    }

    fn service(&mut self, stage: &Stage, service: &Value) {
        let name = text(service, "/metadata/name");
        if text(service, "/spec/type") == "LoadBalancer" {
            let addresses = list(service, "/status/loadBalancer/ingress").iter().map(|entry| text(entry, "/ip"));
            let addresses: Vec<&str> = addresses.collect();
            let shown = if addresses.is_empty() { "<pending>".to_owned() } else { addresses.join(" ") };
            // Which public address somebody gets is chance.
            let shown = if shown.starts_with("10.") || shown.contains(['<', ':']) {
                shown
            } else {
                "a public address".to_owned()
            };
            self.lines.push(format!("service {name}: {shown}"));
        }
        for event in stage.cluster().events("default", name) {
            if event["reason"] == "SyncLoadBalancerFailed" {
                self.failures += event["count"].as_u64().unwrap_or(1);
                writeln!(self.said, "{}", text(&event, "/message")).unwrap();
            }
        }
    }

    fn balancer(&mut self, balancer: &Value) {
        for frontend in list(balancer, "/properties/frontendIPConfigurations") {
            let address = text(frontend, "/properties/privateIPAddress");
            let subnet = last(text(frontend, "/properties/subnet/id"));
            let place = if address.is_empty() { "public".to_owned() } else { format!("{address} in {subnet}") };
            if !address.is_empty() {
                self.addresses.insert(address.to_owned());
            }
            self.lines.push(format!("frontend {}: {place}", text(frontend, "/name")));
        }
        for rule in list(balancer, "/properties/loadBalancingRules") {
            let is_probe = |it: &&Value| last(text(rule, "/properties/probe/id")) == text(it, "/name");
            let probe = list(balancer, "/properties/probes").iter().find(is_probe);
            let number = |value: &Value, name: &str| value["properties"][name].as_u64().unwrap_or_default();
            let probe = probe.map_or_else(
                || "no probe".to_owned(),
                |it| {
                    let path = text(it, "/properties/requestPath");
                    let seconds = number(it, "intervalInSeconds");
                    format!("{}{path} every {seconds} s", text(it, "/properties/protocol"))
                },
            );
            let idle = match number(rule, "idleTimeoutInMinutes") {
                4 => String::new(),
                minutes => format!(", idle {minutes} min"),
            };
            let on = last(text(rule, "/properties/frontendIPConfiguration/id"));
            let ports = format!("{} {}", text(rule, "/properties/protocol"), number(rule, "frontendPort"));
            self.lines.push(format!("rule {} on {on}: {ports}, probe {probe}{idle}", text(rule, "/name")));
        }
    }

    fn link(&mut self, link: &Value) {
        let name = text(link, "/name");
        let on = last(
            list(link, "/properties/loadBalancerFrontendIpConfigurations").first().map_or("", |it| text(it, "/id")),
        );
        let group = text(link, "/id").split('/').nth(4).unwrap_or_default();
        let group = if group.eq_ignore_ascii_case(NODE_GROUP) { String::new() } else { format!(" of {group}") };
        let nat = list(link, "/properties/ipConfigurations");
        let subnet = nat.first().map_or("", |it| last(text(it, "/properties/subnet/id")));
        let pinned = nat.iter().filter(|it| text(it, "/properties/privateIPAllocationMethod") == "Static");
        let pinned: String = pinned.map(|it| format!(" {}", text(it, "/properties/privateIPAddress"))).collect();
        let owner = text(link, "/tags/k8s-azure-owner-service");
        self.aliases.insert(name.to_owned(), text(link, "/properties/alias").to_owned());
        let alias = text(link, "/properties/alias").split('.').nth(1).unwrap_or_default();
        let mut more = String::new();
        for (word, pointer) in [
            ("visible to", "/properties/visibility/subscriptions"),
            ("approves", "/properties/autoApproval/subscriptions"),
        ] {
            let who: Vec<&str> = list(link, pointer)
                .iter()
                .filter_map(Value::as_str)
                .map(|id| id.trim_start_matches(['0', '-']))
                .collect();
            if !who.is_empty() {
                write!(more, ", {word} {}", who.join(" ")).unwrap();
            }
        }
        if link["properties"]["enableProxyProtocol"] == true {
            more.push_str(", PROXY protocol");
        }
        for name in list(link, "/properties/fqdns").iter().filter_map(Value::as_str) {
            write!(more, ", {name}").unwrap();
        }
        self.lines.push(format!(
            "link {name}{group} on {on}: alias {alias}, tagged {owner:?}, {} NAT{pinned} in {subnet}{more}",
            nat.len()
        ));
        for connection in list(link, "/properties/privateEndpointConnections") {
            let endpoint = last(text(connection, "/properties/privateEndpoint/id"));
            let state = text(connection, "/properties/privateLinkServiceConnectionState/status");
            self.connected.insert((endpoint.to_owned(), format!("{name} on {on}")));
            self.lines.push(format!("connection {endpoint} to {name}: {state}"));
        }
    }
}

/// What went and what came.
pub(super) fn difference(before: &Seen, after: &Seen) -> String {
    let gone = before.lines.iter().filter(|line| !after.lines.contains(line)).map(|line| ('-', line));
    let new = after.lines.iter().filter(|line| !before.lines.contains(line)).map(|line| ('+', line));
    let mut all: Vec<(char, &String)> = gone.chain(new).collect();
    all.sort_by(|(sign, line), (other_sign, other)| subject(line).cmp(subject(other)).then(other_sign.cmp(sign)));
    let mut text: String = all.iter().map(|(sign, line)| format!("{sign} {line}\n")).collect();
    if after.failures > before.failures {
        text.push_str("! the sync fails\n");
    }
    if text.is_empty() { "nothing\n".to_owned() } else { text }
}

fn subject(line: &str) -> &str {
    line.split_once(':').map_or(line, |(subject, _)| subject)
}
