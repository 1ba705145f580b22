//! The annotations of the AKS cloud provider: keys, parsers and encoders.
//!
//! The parsers follow the cloud provider's, oddities included (source: cloud-provider-azure at 7b31c76ce): booleans come in
//! three strictnesses, lists split at U+0020 only, and a lone `*` in a visibility list replaces the whole list.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::net::Ipv4Addr;

use crate::domain::azure::AzureName;
use crate::domain::azure::ResourceId;
use crate::domain::azure::SubscriptionId;
use crate::domain::resource::private_link_service::AutoApproval;
use crate::domain::resource::private_link_service::Exposure;
use crate::domain::resource::private_link_service::Nat;
use crate::domain::resource::private_link_service::Visibility;
use crate::value::Value;

/// The prefix of every key here.
pub const PREFIX: &str = "service.beta.kubernetes.io/";

mod parse;

pub use parse::Token;
pub use parse::int32;
pub use parse::is_boolean_folded;
pub use parse::is_true_exact;
pub use parse::is_true_folded;
pub use parse::is_true_trimmed;
pub use parse::items;
pub use parse::port_key;
pub use parse::tokens;

macro_rules! keys {
    ($($(#[doc = $doc:literal])+ $name:ident = $key:literal;)*) => {
        $($(#[doc = $doc])+ pub const $name: &str = concat!("service.beta.kubernetes.io/", $key);)*

        /// Every key that the cloud provider reads from a Service, but for those that begin with `port_`.
        pub const KNOWN: &[&str] = &[$($name),*];

        /// Every such key and what it means, for who writes it.
        pub const MEANINGS: &[(&str, &str)] = &[$(($name, concat!($($doc),+))),*];
    };
}

keys! {
    /// `"true"`, byte for byte, makes the load balancer internal; anything else leaves it public.
    INTERNAL = "azure-load-balancer-internal";
    /// The subnet, by name, that the frontend's address comes from.
    INTERNAL_SUBNET = "azure-load-balancer-internal-subnet";
    /// A static IPv4 address for the frontend.
    IPV4 = "azure-load-balancer-ipv4";
    /// A static IPv6 address for the frontend.
    IPV6 = "azure-load-balancer-ipv6";
    /// Asks for a Private Link Service.
    PLS_CREATE = "azure-pls-create";
    /// Its name; cannot change once built.
    PLS_NAME = "azure-pls-name";
    /// Its resource group.
    PLS_RESOURCE_GROUP = "azure-pls-resource-group";
    /// The subnet, by name, of its NAT addresses.
    PLS_SUBNET = "azure-pls-ip-configuration-subnet";
    /// How many NAT addresses it has, 1-8.
    PLS_ADDRESS_COUNT = "azure-pls-ip-configuration-ip-address-count";
    /// Its static NAT addresses.
    PLS_ADDRESSES = "azure-pls-ip-configuration-ip-address";
    /// The names it shows to consumers.
    PLS_FQDNS = "azure-pls-fqdns";
    /// Whether backends get PROXY protocol headers.
    PLS_PROXY_PROTOCOL = "azure-pls-proxy-protocol";
    /// Who may ask for a connection.
    PLS_VISIBILITY = "azure-pls-visibility";
    /// Who is let in without asking.
    PLS_AUTO_APPROVAL = "azure-pls-auto-approval";
    /// The set of machines behind a Basic load balancer.
    MODE = "azure-load-balancer-mode";
    /// The load balancers of a cluster that has several.
    CONFIGURATIONS = "azure-load-balancer-configurations";
    /// The resource group of public addresses.
    LOAD_BALANCER_RESOURCE_GROUP = "azure-load-balancer-resource-group";
    /// One rule for all ports.
    HA_PORTS = "azure-load-balancer-enable-high-availability-ports";
    /// Sends traffic to node ports instead of to the frontend's own address and port.
    DISABLE_FLOATING_IP = "azure-disable-load-balancer-floating-ip";
    /// Minutes after which an idle connection is forgotten, 4-100.
    IDLE_TIMEOUT = "azure-load-balancer-tcp-idle-timeout";
    /// Forgets idle connections without a word.
    DISABLE_TCP_RESET = "azure-load-balancer-disable-tcp-reset";
    /// How health is probed: tcp, http or https.
    PROBE_PROTOCOL = "azure-load-balancer-health-probe-protocol";
    /// The path that http and https probes ask for.
    PROBE_PATH = "azure-load-balancer-health-probe-request-path";
    /// Seconds between probes, 5 or more.
    PROBE_INTERVAL = "azure-load-balancer-health-probe-interval";
    /// Failed probes after which a node gets no traffic, 2 or more.
    PROBE_COUNT = "azure-load-balancer-health-probe-num-of-probe";
    /// Clients that the network security group lets in.
    ALLOWED_RANGES = "azure-allowed-ip-ranges";
    /// The same, by its older name.
    SOURCE_RANGES = "load-balancer-source-ranges";
    /// Azure services that the network security group lets in.
    ALLOWED_TAGS = "azure-allowed-service-tags";
    /// Denies everybody who is not in the ranges.
    DENY_ALL = "azure-deny-all-except-load-balancer-source-ranges";
    /// Leaves the network security group alone.
    DISABLE_NSG_RULE = "azure-disable-load-balancer-nsg-rule";
    /// More public addresses that lead here.
    ADDITIONAL_PUBLIC_IPS = "azure-additional-public-ips";
    /// The public address, by name.
    PIP_NAME = "azure-pip-name";
    /// The public IPv6 address, by name.
    PIP_NAME_IPV6 = "azure-pip-name-ipv6";
    /// The prefix the public address is taken from.
    PIP_PREFIX = "azure-pip-prefix-id";
    /// The prefix the public IPv6 address is taken from.
    PIP_PREFIX_IPV6 = "azure-pip-prefix-id-ipv6";
    /// Tags of the public address.
    PIP_TAGS = "azure-pip-tags";
    /// IP tags of the public address.
    PIP_IP_TAGS = "azure-pip-ip-tags";
    /// The DNS label of the public address.
    DNS_LABEL = "azure-dns-label-name";
    /// Documented, and read by nobody.
    SHARED_RULE = "azure-shared-securityrule";
}

/// What follows `port_<number>_` in the keys of single ports.
pub const PORT_SUFFIXES: [&str; 7] = [
    "no_lb_rule",
    "no_probe_rule",
    "health-probe_protocol",
    "health-probe_port",
    "health-probe_interval",
    "health-probe_num-of-probe",
    "health-probe_request-path",
];

/// The keys that tune a Private Link Service: their mere presence makes a Service claim it as its own.
pub const PLS_TUNING: [&str; 8] = [
    PLS_NAME,
    PLS_SUBNET,
    PLS_ADDRESS_COUNT,
    PLS_ADDRESSES,
    PLS_FQDNS,
    PLS_PROXY_PROTOCOL,
    PLS_VISIBILITY,
    PLS_AUTO_APPROVAL,
];

/// Every annotation that shapes the Private Link Service, `azure-pls-create` first.
pub const PLS_KEYS: [&str; 10] = [
    PLS_CREATE,
    PLS_NAME,
    PLS_RESOURCE_GROUP,
    PLS_SUBNET,
    PLS_ADDRESS_COUNT,
    PLS_ADDRESSES,
    PLS_FQDNS,
    PLS_PROXY_PROTOCOL,
    PLS_VISIBILITY,
    PLS_AUTO_APPROVAL,
];

/// True only for `true`, byte for byte: what decides between an internal and a public load balancer.
pub fn is_internal(annotations: &BTreeMap<String, String>) -> bool {
    annotations.get(INTERNAL).is_some_and(|text| is_true_exact(text))
}

/// True for a spelling of yes that the cloud provider does not take for one where it counts: `True`, `yes`, `1`.
pub fn is_misspelt_internal(text: &str) -> bool {
    !is_true_exact(text)
        && ["true", "yes", "y", "1", "on", "enabled"].contains(&text.trim().to_ascii_lowercase().as_str())
}

/// True if a Private Link Service is asked for: blanks and case do not matter here.
pub fn wants_private_link(annotations: &BTreeMap<String, String>) -> bool {
    annotations.get(PLS_CREATE).is_some_and(|text| is_true_trimmed(text))
}

/// The resource group that is named for the Private Link Service; `None` means the group of the nodes.
pub fn private_link_group(annotations: &BTreeMap<String, String>) -> Option<&str> {
    annotations.get(PLS_RESOURCE_GROUP).map(|name| name.trim()).filter(|name| !name.is_empty())
}

/// Splits at U+0020 only and trims each token: a comma or a tab stays inside its token.
pub fn split_list(text: &str) -> Vec<String> {
    tokens(text).map(|token| token.text.to_owned()).collect()
}

/// What the annotations of one Service ask of its Private Link Service, in the provider's reading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrivateLinkAnnotations {
    /// The name asked for.
    pub name: Option<AzureName>,
    /// The resource group asked for, by name.
    pub resource_group: Option<String>,
    /// The NAT subnet asked for, by name.
    pub subnet: Option<String>,
    /// How many NAT addresses.
    pub count: u8,
    /// The static ones, primary first, duplicates dropped.
    pub addresses: Vec<Ipv4Addr>,
    /// Names shown to consumers.
    pub fqdns: BTreeSet<String>,
    /// PROXY protocol.
    pub proxy_protocol: bool,
    /// Who may ask.
    pub visibility: Visibility,
    /// Who is let in.
    pub auto_approval: AutoApproval,
}

/// An annotation the cloud provider (or Azure behind it) will refuse.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key} is {value:?}: {rule}")]
pub struct InvalidAnnotation {
    /// The full key.
    pub key: &'static str,
    /// What was written.
    pub value: String,
    /// What would be right.
    pub rule: String,
}

fn invalid(key: &'static str, value: &str, rule: impl Into<String>) -> InvalidAnnotation {
    InvalidAnnotation { key, value: value.to_owned(), rule: rule.into() }
}

impl PrivateLinkAnnotations {
    /// Reads the annotations of a Service; `None` if no Private Link Service is asked for.
    ///
    /// # Errors
    /// Every annotation with which the cloud provider's sync would fail for ever.
    pub fn read(annotations: &BTreeMap<String, String>) -> Result<Option<Self>, Vec<InvalidAnnotation>> {
        if !wants_private_link(annotations) {
            return Ok(None);
        }
        let mut errors = Vec::new();
        let get = |key: &str| annotations.get(key).map(String::as_str);
        let text = |key: &str| get(key).map(str::trim).filter(|text| !text.is_empty()).map(ToOwned::to_owned);
        let name = get(PLS_NAME).and_then(|text| match text.trim().parse() {
            Ok(name) => Some(name),
            Err(error) => {
                let error: crate::domain::name::InvalidName = error;
                errors.push(invalid(PLS_NAME, text, error.rule));
                None
            }
        });
        let addresses = read_addresses(get(PLS_ADDRESSES), &mut errors);
        let count = read_count(get(PLS_ADDRESS_COUNT), addresses.len(), &mut errors);
        let visibility = read_visibility(get(PLS_VISIBILITY), &mut errors);
        let auto_approval = read_approval(get(PLS_AUTO_APPROVAL), &mut errors);
        if !errors.is_empty() {
            return Err(errors);
        }
        Ok(Some(Self {
            name,
            resource_group: text(PLS_RESOURCE_GROUP),
            subnet: text(PLS_SUBNET),
            count,
            addresses,
            fqdns: split_list(get(PLS_FQDNS).unwrap_or_default()).into_iter().collect(),
            proxy_protocol: get(PLS_PROXY_PROTOCOL).is_some_and(is_true_trimmed),
            visibility,
            auto_approval,
        }))
    }

    /// The same in normal form, with the NAT subnet that the name stands for, where that is known.
    pub fn into_exposure(self, nat_subnet: Option<ResourceId>) -> Exposure {
        let addresses = self.addresses.into_iter().map(IpAddr::V4).collect();
        Exposure {
            nat: Nat { subnet: nat_subnet, count: self.count, addresses },
            visibility: self.visibility,
            auto_approval: self.auto_approval,
            fqdns: self.fqdns,
            proxy_protocol: self.proxy_protocol,
        }
    }
}

fn read_addresses(text: Option<&str>, errors: &mut Vec<InvalidAnnotation>) -> Vec<Ipv4Addr> {
    let mut addresses: Vec<Ipv4Addr> = Vec::new();
    let Some(text) = text else { return addresses };
    for token in split_list(text) {
        match token.parse::<Ipv4Addr>() {
            Ok(address) if !addresses.contains(&address) => addresses.push(address),
            Ok(_) => {}
            Err(_) => {
                errors.push(invalid(
                    PLS_ADDRESSES,
                    text,
                    format!("{token:?} is not an IPv4 address; separate by spaces"),
                ));
            }
        }
    }
    addresses
}

fn read_count(text: Option<&str>, statics: usize, errors: &mut Vec<InvalidAnnotation>) -> u8 {
    let count = match text {
        None => 1,
        Some(text) => match int32(text) {
            Some(count @ 1..=8) => u8::try_from(count).expect("1 to 8 fits"),
            _ => {
                errors.push(invalid(PLS_ADDRESS_COUNT, text, "write a whole number from 1 to 8"));
                return 1;
            }
        },
    };
    if statics > usize::from(count) {
        let shown = text.unwrap_or("absent, which means 1");
        errors.push(invalid(
            PLS_ADDRESS_COUNT,
            shown,
            format!("{statics} static addresses are given: raise the count to {statics}"),
        ));
    }
    count
}

fn read_visibility(text: Option<&str>, errors: &mut Vec<InvalidAnnotation>) -> Visibility {
    let tokens = split_list(text.unwrap_or_default());
    if tokens.iter().any(|token| token == "*") {
        return Visibility::AnyoneWithAlias;
    }
    let ids = read_subscriptions(PLS_VISIBILITY, text, errors);
    if ids.is_empty() { Visibility::RoleBased } else { Visibility::Subscriptions(ids) }
}

/// The cloud provider hands the list on as it is, and Azure takes a `*` in it.
fn read_approval(text: Option<&str>, errors: &mut Vec<InvalidAnnotation>) -> AutoApproval {
    let tokens = split_list(text.unwrap_or_default());
    if tokens.iter().any(|token| token == "*") {
        return AutoApproval::Everybody;
    }
    read_subscriptions(PLS_AUTO_APPROVAL, text, errors).into_iter().collect()
}

fn read_subscriptions(
    key: &'static str,
    text: Option<&str>,
    errors: &mut Vec<InvalidAnnotation>,
) -> BTreeSet<SubscriptionId> {
    let text = text.unwrap_or_default();
    let mut ids = BTreeSet::new();
    for token in split_list(text) {
        match token.parse() {
            Ok(id) => {
                ids.insert(id);
            }
            Err(_) => {
                errors.push(invalid(key, text, format!("{token:?} is not a subscription id; separate by spaces")));
            }
        }
    }
    ids
}

/// Decodes one annotation for a difference: lists, numbers and exact booleans get their type, the rest stays text.
pub fn decode(key: &str, text: &str) -> Value {
    match key {
        PLS_FQDNS | PLS_VISIBILITY | PLS_AUTO_APPROVAL => Value::Set(split_list(text).into_iter().collect()),
        PLS_ADDRESSES => Value::List(split_list(text)),
        PLS_ADDRESS_COUNT => text.trim().parse().map_or_else(|_| Value::text(text), Value::Integer),
        INTERNAL | PLS_CREATE | PLS_PROXY_PROTOCOL if text == "true" || text == "false" => Value::Bool(text == "true"),
        _ => Value::text(text),
    }
}

/// What a `PrivateLinkService` document with `managedBy: cluster` says, as annotations.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Encoder {
    annotations: BTreeMap<String, String>,
}

impl Encoder {
    /// Starts with `azure-pls-create: "true"`.
    pub fn new() -> Self {
        Self { annotations: BTreeMap::from([(PLS_CREATE.to_owned(), "true".to_owned())]) }
    }

    /// Adds text if there is some.
    #[must_use]
    pub fn text(mut self, key: &str, value: Option<impl std::fmt::Display>) -> Self {
        if let Some(value) = value {
            self.annotations.insert(key.to_owned(), value.to_string());
        }
        self
    }

    /// Adds a list, separated by spaces, if it has items.
    #[must_use]
    pub fn list<T: std::fmt::Display>(self, key: &str, items: impl IntoIterator<Item = T>) -> Self {
        let text = items.into_iter().map(|item| item.to_string()).collect::<Vec<_>>().join(" ");
        self.text(key, (!text.is_empty()).then_some(text))
    }

    /// Adds who may ask; role-based is what an absent annotation means.
    #[must_use]
    pub fn visibility(self, visibility: &Visibility) -> Self {
        match visibility {
            Visibility::RoleBased => self,
            Visibility::AnyoneWithAlias => self.text(PLS_VISIBILITY, Some("*")),
            Visibility::Subscriptions(ids) => self.list(PLS_VISIBILITY, ids),
        }
    }

    /// The annotations.
    pub fn finish(self) -> BTreeMap<String, String> {
        self.annotations
    }
}

/// The static frontend address that the annotations pin, of either family.
pub fn pinned_addresses(annotations: &BTreeMap<String, String>) -> Vec<IpAddr> {
    [IPV4, IPV6].iter().filter_map(|key| annotations.get(*key)?.parse().ok()).collect()
}
