//! The rules of the nodes' security group that a Service causes.
//!
//! Rules are shared: one stands for a protocol, sources and ports, and lists the addresses of all Services that want
//! it. So a Service first takes its addresses out of every rule, then puts them where they belong now, and the group is
//! written only if that made a difference.

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::access::Access;
use super::annotation::{FLOATING_IP_OFF, SECURITY_RULE_OFF};
use super::azure::CloudError;
use super::cloud::{Cloud, list, list_mut, text};
use super::event::{AZURE_PROVIDER, Report};
use super::node::Node;
use super::service::{Family, Port, Service};
use super::sync::additional_addresses;

/// What the names of all rules start with.
const PREFIX: &str = "k8s-azure-lb_";
/// The priorities that the cloud provider uses; what allows counts up, what denies counts down.
const LOWEST_PRIORITY: u64 = 500;
const HIGHEST_PRIORITY: u64 = 4096;

/// Traffic to some addresses of one family.
struct Target<'a> {
    family: Family,
    addresses: &'a [String],
}

impl Cloud {
    /// Opens the security group for a Service. An internal one needs no rule unless it names its sources.
    pub(crate) async fn open_security_group(
        &self,
        service: &Service,
        addresses: &[String],
        nodes: &[Node],
    ) -> Result<(), CloudError> {
        let access = Access::of(service);
        access.check()?;
        let backends = self.group_and_backends(service, nodes).await?;
        let Some((before, backends)) = backends else { return Ok(()) };
        let floats = !service.annotations.is_true_in_any_case(FLOATING_IP_OFF);
        let targets = if floats { addresses } else { backends.as_slice() };
        let mut group = before.clone();
        withdraw(&mut group, &[addresses, &backends].concat());
        if !service.annotations.is_true_in_any_case(SECURITY_RULE_OFF) {
            admit(&mut group, service, (&access, targets, floats));
        }
        drop_empty(&mut group);
        self.write_security_group(&before, group).await
    }

    /// Takes the addresses of a Service that goes out of the security group.
    pub(crate) async fn close_security_group(&self, service: &Service, balancer: &Value) -> Result<(), CloudError> {
        let mut addresses = self.addresses(balancer, service).await?;
        addresses.extend(additional_addresses(service)?);
        self.report_ranges(service);
        let Some((before, _)) = self.group_and_backends(service, &[]).await? else { return Ok(()) };
        let mut group = before.clone();
        withdraw(&mut group, &addresses);
        drop_empty(&mut group);
        self.write_security_group(&before, group).await
    }

    /// The security group, and the addresses of the nodes behind the Service's load balancer.
    async fn group_and_backends(
        &self,
        service: &Service,
        nodes: &[Node],
    ) -> Result<Option<(Value, Vec<String>)>, CloudError> {
        let group = self.security_group().await?;
        let Some(balancer) = self.known_balancer(service).await? else { return Ok(None) };
        let backends = self.backend_addresses(&balancer, nodes).await?;
        Ok(Some((group, backends)))
    }

    async fn security_group(&self) -> Result<Value, CloudError> {
        let path = self.security_group_path();
        if let Some(known) = self.caches.security_groups.get(&path) {
            return Ok(known);
        }
        let missing = || CloudError::local(format!("network security group {} not found", self.config.security_group));
        let group = self.azure.get(&path).await?.ok_or_else(missing)?;
        self.caches.security_groups.put(&path, group.clone());
        Ok(group)
    }

    async fn write_security_group(&self, before: &Value, group: Value) -> Result<(), CloudError> {
        if sorted(before) == sorted(&group) {
            return Ok(());
        }
        let path = self.security_group_path();
        let etag = before["etag"].as_str().map(str::to_owned);
        let written = self.azure.put(&path, group, etag.as_deref()).await;
        self.caches.security_groups.forget(&path);
        written.map(drop)
    }

    /// The events about sources come when a Service goes, and only then; when it is made there are only log lines.
    fn report_ranges(&self, service: &Service) {
        let access = Access::of(service);
        let report = |reason: &str, message: String| {
            let message = message.as_str();
            self.recorder.record(service, &Report { component: AZURE_PROVIDER, is_warning: true, reason, message });
        };
        let (field, annotated) = &access.invalid;
        if !field.is_empty() {
            report("InvalidSourceRanges", format!("Found invalid LoadBalancerSourceRanges {field:?}, ignoring them."));
        }
        if !annotated.is_empty() {
            report("InvalidAllowedIPRanges", format!("Found invalid allowed IP ranges {annotated:?}, ignoring them."));
        }
        if access.is_contradictory() {
            let message = "Both spec.loadBalancerSourceRanges and the allowed IP ranges annotation are set.";
            report("ConflictConfiguration", message.to_owned());
        }
    }
}

/// Rules in any order are the same rules.
fn sorted(group: &Value) -> Vec<String> {
    let mut rules: Vec<String> = list(group, "securityRules").iter().map(ToString::to_string).collect();
    rules.sort();
    rules
}

fn is_ours(rule: &Value) -> bool {
    text(rule, "/name").starts_with(PREFIX)
}

/// Takes addresses out of all rules of cloud providers. A rule without addresses stays for the moment, so that it keeps
/// its priority if it is wanted again.
fn withdraw(group: &mut Value, addresses: &[String]) {
    for rule in list_mut(group, "securityRules").iter_mut().filter(|rule| is_ours(rule)) {
        if let Some(own) = rule["properties"]["destinationAddressPrefixes"].as_array_mut() {
            own.retain(|own| {
                !addresses.iter().any(|gone| own.as_str().is_some_and(|own| own.eq_ignore_ascii_case(gone)))
            });
        }
    }
}

fn drop_empty(group: &mut Value) {
    let is_kept = |rule: &Value| !is_ours(rule) || !list(rule, "destinationAddressPrefixes").is_empty();
    list_mut(group, "securityRules").retain(is_kept);
}

/// Adds what a Service wants.
fn admit(group: &mut Value, service: &Service, (access, addresses, floats): (&Access, &[String], bool)) {
    for family in [Family::V4, Family::V6] {
        let fits = |address: &&String| address.contains(':') == (family == Family::V6);
        let own: Vec<String> = addresses.iter().filter(fits).cloned().collect();
        if own.is_empty() {
            continue;
        }
        let target = Target { family, addresses: &own };
        let mut sources: Vec<Vec<String>> = Vec::new();
        if access.is_open() {
            sources.push(vec!["Internet".to_owned()]);
        } else {
            sources.extend(access.tags.iter().map(|tag| vec![tag.clone()]));
            sources.extend(Some(access.ranges(family)).filter(|ranges| !ranges.is_empty()));
        }
        for (protocol, ports) in ports_by_protocol(&service.ports, floats) {
            for source in &sources {
                allow(group, &target, (protocol, source, &ports));
            }
        }
        if access.denies_the_rest() {
            deny(group, &target);
        }
    }
}

fn ports_by_protocol(ports: &[Port], floats: bool) -> Vec<(&'static str, Vec<String>)> {
    let mut all = Vec::new();
    for (protocol, word) in [("TCP", "Tcp"), ("UDP", "Udp"), ("SCTP", "*")] {
        let own = ports.iter().filter(|port| port.protocol == protocol);
        let mut numbers: Vec<u16> = own.map(|port| if floats { port.port } else { port.node_port }).collect();
        numbers.sort_unstable();
        numbers.dedup();
        if !numbers.is_empty() {
            all.push((word, numbers.iter().map(u16::to_string).collect()));
        }
    }
    all
}

fn family_word(family: Family) -> &'static str {
    if family == Family::V6 { "IPv6" } else { "IPv4" }
}

fn allow(group: &mut Value, target: &Target<'_>, (protocol, sources, ports): (&str, &[String], &[String])) {
    let id = format!("{protocol}_{}_{}", sources.join(","), ports.join(","));
    let digest: String = Sha256::digest(id.as_bytes()).iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    let name = format!("{PREFIX}allow_{}_{digest}", family_word(target.family));
    let is_tag = sources.iter().any(|source| !source.contains('/'));
    let mut properties = json!({
        "protocol": protocol, "access": "Allow", "direction": "Inbound", "sourcePortRange": "*",
        "destinationPortRanges": ports, "destinationAddressPrefixes": [],
    });
    match is_tag {
        true => properties["sourceAddressPrefix"] = json!(sources[0]),
        false => properties["sourceAddressPrefixes"] = json!(sources),
    }
    add(group, target, json!({"name": name, "properties": properties}));
}

fn deny(group: &mut Value, target: &Target<'_>) {
    let properties = json!({
        "protocol": "*", "access": "Deny", "direction": "Inbound", "sourcePortRange": "*", "sourceAddressPrefix": "*",
        "destinationPortRange": "*", "destinationAddressPrefixes": [],
    });
    let name = format!("{PREFIX}deny-all_{}", family_word(target.family));
    add(group, target, json!({"name": name, "properties": properties}));
}

/// Adds addresses to the rule of a name, which is made with a free priority if there is none.
fn add(group: &mut Value, target: &Target<'_>, mut new: Value) {
    let taken: Vec<u64> =
        list(group, "securityRules").iter().filter_map(|rule| rule["properties"]["priority"].as_u64()).collect();
    let is_free = |priority: &u64| !taken.contains(priority);
    let rules = list_mut(group, "securityRules");
    let index = match rules.iter().position(|rule| rule["name"] == new["name"]) {
        Some(index) => index,
        None => {
            let is_allowed = new["properties"]["access"] == "Allow";
            let mut all = LOWEST_PRIORITY..=HIGHEST_PRIORITY;
            let free = if is_allowed { all.find(is_free) } else { all.rev().find(is_free) };
            new["properties"]["priority"] = json!(free);
            rules.push(new);
            rules.len() - 1
        }
    };
    let own = list_mut(&mut rules[index], "destinationAddressPrefixes");
    own.extend(target.addresses.iter().map(|address| json!(address)));
    own.sort_by(|one, other| one.as_str().cmp(&other.as_str()));
    own.dedup();
}
