//! How bad a change can be, by the table of the design: one function a kind of resource.

use std::collections::BTreeSet;
use std::fmt;

use serde::Deserialize;
use serde::Serialize;
use serde_json::Value as Json;

use crate::cloud_provider::Prediction;
use crate::cloud_provider::effect::Effect;
use crate::cloud_provider::effect::Stage;
use crate::cloud_provider::effect::What;
use crate::cloud_provider::rule;
use crate::domain::annotation;
use crate::domain::cidr::Cidr;
use crate::domain::key::ResourceKey;
use crate::domain::mark::is_mark_tag;
use crate::domain::resource::Resource;
use crate::domain::resource::service::Deployment;
use crate::domain::window::Grade;
use crate::plan::action::Action;
use crate::plan::action::Actor;
use crate::plan::change::Change;
use crate::plan::change::FieldChange;
use crate::value::Value;

/// How bad a change can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Risk {
    /// Nobody notices.
    Safe,
    /// Something new, or something narrower.
    Notable,
    /// Traffic is interrupted or moves.
    Disruptive,
    /// Somebody loses service until they act.
    Severing,
    /// Somebody who was kept out gets in. Ranks with severing.
    Exposing,
}

impl Risk {
    /// What rules about approval and time take it for.
    pub fn grade(self) -> Grade {
        match self {
            Self::Safe => Grade::Safe,
            Self::Notable => Grade::Notable,
            Self::Disruptive => Grade::Disruptive,
            Self::Severing | Self::Exposing => Grade::Severing,
        }
    }
}

impl fmt::Display for Risk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Safe => "safe",
            Self::Notable => "notable",
            Self::Disruptive => "disruptive",
            Self::Severing => "severing",
            Self::Exposing => "exposing",
        })
    }
}

/// The rule under which a change to something with a Private Link Service is reported, until its consequences are known.
pub const NOT_ANALYSED: &str = "CCM000";

/// Rates a change of a Service whose effects are foreseen: by them, and by what the cloud provider does not see.
pub fn foreseen(change: &Change, prediction: &Prediction) -> Risk {
    let effects = prediction.effects.iter().map(effect).max().unwrap_or(Risk::Safe);
    // What a sync that fails has destroyed by then is among its effects; the failure itself keeps the plan from being applied.
    let doomed = if prediction.failure.is_some() { Risk::Notable } else { Risk::Safe };
    let rest = match change.action {
        // The object stays until the load balancer is clean.
        Action::Delete if prediction.failure.is_some() => Risk::Notable,
        Action::Update | Action::Replace => unforeseen(change, is_let_in(prediction)),
        Action::Create | Action::Delete | Action::Adopt => rate_alone(change),
    };
    effects.max(doomed).max(rest)
}

/// How bad one effect is.
pub fn effect(effect: &Effect) -> Risk {
    match &effect.what {
        What::Nothing => Risk::Safe,
        What::FrontendCreated { .. }
        | What::FrontendJoined { .. }
        | What::RulesAdded(_)
        | What::LinkBuilt { .. }
        | What::NatAdded { .. }
        // Who is let in is rated by the field, which says whether that is wider or narrower.
        | What::LinkTuned { .. }
        | What::PolicySwitchedOff { .. }
        | What::OwnerGone { .. } => Risk::Notable,
        What::FrontendRemoved { .. } if [&rule::TYPE_GONE, &rule::SERVICE_GONE].contains(&effect.rule) => Risk::Severing,
        What::FrontendReaddressed { .. }
        | What::FrontendRenamed { .. }
        | What::FrontendRemoved { .. }
        // It stays for others; the Service itself is off it.
        | What::FrontendKept { .. }
        | What::FrontendLeft { .. }
        | What::PublicAddressReleased
        | What::RulesRemoved(_)
        | What::RulesChanged(_)
        | What::NeighboursMoved { .. }
        | What::NatReplaced { .. }
        | What::ProxySwitched { .. } => Risk::Disruptive,
        What::ConnectionCut { .. }
        | What::LinkDeleted { .. }
        | What::AliasLost { .. }
        | What::LinkRebuilt { .. }
        | What::LinkTakenOver { .. }
        | What::LinkUnproven { .. } => Risk::Severing,
        What::MadePublic => Risk::Exposing,
    }
}

/// Rates the fields of a Service whose effects are not the cloud provider's alone.
fn unforeseen(change: &Change, is_let_in: bool) -> Risk {
    let publishes = change.fields.iter().any(starts_publishing);
    let is_inert = !is_let_in || has_no_balancer(change);
    let rate = |field: &FieldChange| match annotation_of(field) {
        Some(key) if !key.starts_with(annotation::PREFIX) => Risk::Safe,
        Some(_) if is_inert => Risk::Notable,
        Some(key) if publishes && annotation::PLS_KEYS.contains(&key) => Risk::Notable,
        // Without a rule that denies the rest, whoever is in the network reaches an internal Service as before.
        Some(key) if LISTS_OF_CLIENTS.contains(&key) && field.before.is_none() && is_open_inside(change) => {
            Risk::Notable
        }
        Some(key) if RATED_BY_FIELD.contains(&key) => annotation_field(key, field),
        Some(_) => Risk::Notable,
        None => beside_the_balancer(field),
    };
    change.fields.iter().map(rate).max().unwrap_or(Risk::Safe)
}

/// True if the sync gets as far as to the rules about who is let in.
fn is_let_in(prediction: &Prediction) -> bool {
    prediction.failure.as_ref().is_none_or(|failure| failure.stage == Stage::PrivateLink)
}

/// True for a Service that has no load balancer and gets none: no annotation acts.
fn has_no_balancer(change: &Change) -> bool {
    let Some(Resource::Service(service)) = &change.resource else { return false };
    let kind = service.manifest.pointer("/spec/type").and_then(Json::as_str);
    let is_switched = change.fields.iter().any(|field| field.name == "spec.type");
    service.deployment == Deployment::Whole && kind != Some("LoadBalancer") && !is_switched
}

/// Rates what a field does in the cluster itself; what it does to the load balancer is among the effects.
fn beside_the_balancer(field: &FieldChange) -> Risk {
    let is_port = field.name.starts_with("spec.ports[") && field.name.ends_with(']');
    match field.name.as_str() {
        name if name.starts_with("metadata.") || name == "spec.loadBalancerSourceRanges" => service_field(field),
        // Whoever reaches the Service inside the cluster loses the port.
        _ if is_port && field.after.is_none() => Risk::Disruptive,
        _ => Risk::Notable,
    }
}

/// The annotations that let more clients in than those of the virtual network.
const LISTS_OF_CLIENTS: [&str; 2] =
    ["service.beta.kubernetes.io/azure-allowed-ip-ranges", "service.beta.kubernetes.io/azure-allowed-service-tags"];
const DENIES_THE_REST: &str = "service.beta.kubernetes.io/azure-deny-all-except-load-balancer-source-ranges";

/// True if the Service is internal, was so before, and lets everybody in the virtual network in.
fn is_open_inside(change: &Change) -> bool {
    let Some(Resource::Service(service)) = &change.resource else { return false };
    let annotations = service.annotations();
    let denies = annotations.get(DENIES_THE_REST).is_some_and(|text| text.trim().eq_ignore_ascii_case("true"));
    let changes = |key: &str| change.fields.iter().any(|field| annotation_of(field) == Some(key));
    let ranges = annotations.get(LISTS_OF_CLIENTS[0]).map(String::as_str).unwrap_or_default();
    // What is no range is dropped, and everybody is denied instead.
    let are_valid = ranges.split(',').all(|range| range.trim().parse::<Cidr>().is_ok());
    annotation::is_internal(&annotations) && !denies && are_valid && !changes(DENIES_THE_REST)
}

/// The annotations that say who is let in: the frontends and Private Link Services do not tell it.
const RATED_BY_FIELD: [&str; 6] = [
    annotation::PLS_VISIBILITY,
    annotation::PLS_AUTO_APPROVAL,
    "service.beta.kubernetes.io/azure-allowed-ip-ranges",
    "service.beta.kubernetes.io/azure-allowed-service-tags",
    "service.beta.kubernetes.io/azure-additional-public-ips",
    DENIES_THE_REST,
];

/// Rates a change.
pub fn rate(change: &Change) -> Risk {
    let not_analysed = change.consequences.iter().any(|consequence| consequence.rule == NOT_ANALYSED);
    let floor = if not_analysed { Risk::Severing } else { Risk::Safe };
    floor.max(rate_alone(change))
}

/// Rates a change of a Private Link Service of which it is known that it takes no NAT address away.
pub fn rate_beside_nat(change: &Change) -> Risk {
    let mut rest = change.clone();
    rest.fields.retain(|field| !field.name.starts_with("nat."));
    rate(&rest).max(Risk::Notable)
}

fn rate_alone(change: &Change) -> Risk {
    match (change.action, change.actor) {
        (Action::Adopt, _) => Risk::Safe,
        // What the cloud provider makes because of a Service is rated at the Service.
        (Action::Create, Actor::CloudProvider) => Risk::Safe,
        (Action::Create, Actor::Privlink) => Risk::Notable,
        (Action::Delete, _) => Risk::Severing,
        (Action::Update | Action::Replace, _) => match &change.key {
            ResourceKey::Service(_) => service(change),
            ResourceKey::Namespace(_) | ResourceKey::Subnet(_) => Risk::Notable,
            ResourceKey::PrivateLinkService(_) => private_link(change).max(replaced(change, Risk::Severing)),
            ResourceKey::PrivateEndpoint(_) => endpoint(change),
            ResourceKey::Connection { .. } => connection(change),
            ResourceKey::DnsRecord(_) => worst(change, record_field),
            ResourceKey::DnsLink(_) => worst(change, tag_field).max(replaced(change, Risk::Severing)),
        },
    }
}

fn worst(change: &Change, rate: fn(&FieldChange) -> Risk) -> Risk {
    change.fields.iter().map(rate).max().unwrap_or(Risk::Safe)
}

fn replaced(change: &Change, risk: Risk) -> Risk {
    if change.action == Action::Replace { risk } else { Risk::Safe }
}

fn tag_field(field: &FieldChange) -> Risk {
    let is_tag = field.name.starts_with("tags.") || field.name.strip_prefix("metadata.").is_some_and(is_mark_tag);
    if is_tag { Risk::Safe } else { Risk::Notable }
}

fn record_field(field: &FieldChange) -> Risk {
    if field.name == "addresses" { Risk::Disruptive } else { tag_field(field) }
}

fn endpoint(change: &Change) -> Risk {
    let approved = change.reads.connections.values().any(|status| status == "Approved");
    match change.action {
        Action::Replace if approved => Risk::Severing,
        Action::Replace => Risk::Disruptive,
        _ => worst(change, tag_field),
    }
}

fn connection(change: &Change) -> Risk {
    let after = change.fields.iter().find(|field| field.name == "state").and_then(|field| field.after.clone());
    if after == Some(Value::text("Approved")) { Risk::Notable } else { Risk::Severing }
}

/// True if NAT addresses are added in place: Azure never takes one away again.
pub(super) fn adds_nat_address(change: &Change) -> bool {
    let grows = |field: &FieldChange| match (&field.before, &field.after) {
        (Some(Value::Integer(before)), Some(Value::Integer(after))) => after > before,
        _ => false,
    };
    change.action == Action::Update && change.fields.iter().any(|field| field.name == "nat.count" && grows(field))
}

fn private_link(change: &Change) -> Risk {
    let adds = adds_nat_address(change);
    let rate = |field: &FieldChange| match field.name.as_str() {
        "visibility" | "autoApproval" => reach_change(field, Reach::Nobody),
        "nat.count" if adds => Risk::Notable,
        "nat.addresses" if adds && is_extended(field) => Risk::Notable,
        "nat.addresses" | "nat.count" | "nat.subnet" | "proxyProtocol" => Risk::Disruptive,
        _ => tag_field(field),
    };
    change.fields.iter().map(rate).max().unwrap_or(Risk::Safe)
}

/// True for a list that keeps its beginning: the first NAT address is primary and may not move.
fn is_extended(field: &FieldChange) -> bool {
    match (&field.before, &field.after) {
        (Some(Value::List(before)), Some(Value::List(after))) => after.starts_with(before),
        _ => false,
    }
}

fn service(change: &Change) -> Risk {
    let publishes = change.fields.iter().any(starts_publishing);
    let rate = |field: &FieldChange| match annotation_of(field) {
        // A Private Link Service that was not there before is made: nobody loses anything.
        Some(key) if publishes && annotation::PLS_KEYS.contains(&key) => Risk::Notable,
        Some(key) => annotation_field(key, field),
        None => service_field(field),
    };
    let worst = change.fields.iter().map(rate).max().unwrap_or(Risk::Safe);
    if becomes_public(change) { Risk::Exposing } else { worst }
}

fn annotation_of(field: &FieldChange) -> Option<&str> {
    field.name.strip_prefix("metadata.annotations[")?.strip_suffix(']')
}

fn says_true(value: Option<&Value>) -> bool {
    match value {
        Some(Value::Bool(flag)) => *flag,
        Some(Value::Text(text)) => text.trim().eq_ignore_ascii_case("true"),
        _ => false,
    }
}

fn starts_publishing(field: &FieldChange) -> bool {
    let is_switch = annotation_of(field) == Some(annotation::PLS_CREATE);
    is_switch && says_true(field.after.as_ref()) && !says_true(field.before.as_ref())
}

/// True if a Service gets a load balancer that is not internal.
fn becomes_public(change: &Change) -> bool {
    let Some(Resource::Service(service)) = &change.resource else { return false };
    let balanced = |field: &FieldChange| field.name == "spec.type" && field.after == Some(Value::text("LoadBalancer"));
    change.fields.iter().any(balanced) && !annotation::is_internal(&service.annotations())
}

fn service_field(field: &FieldChange) -> Risk {
    if field.name.starts_with("metadata.") {
        return Risk::Safe;
    }
    match field.name.as_str() {
        // Who was let in and is not any more is cut off.
        "spec.loadBalancerSourceRanges" => reach_change(field, Reach::Everybody).max(Risk::Disruptive),
        // A pod is added to or taken from the backends: traffic moves.
        _ => Risk::Disruptive,
    }
}

fn annotation_field(key: &str, field: &FieldChange) -> Risk {
    let exposes_if = |exposes: bool| if exposes { Risk::Exposing } else { Risk::Disruptive };
    match key.strip_prefix(annotation::PREFIX) {
        None => Risk::Safe,
        Some(_) if key == annotation::INTERNAL => exposes_if(field.before == Some(Value::Bool(true))),
        Some("azure-pls-visibility" | "azure-pls-auto-approval") => reach_change(field, Reach::Nobody),
        Some("azure-allowed-ip-ranges" | "azure-allowed-service-tags") => {
            reach_change(field, Reach::Everybody).max(Risk::Disruptive)
        }
        Some("azure-additional-public-ips") => exposes_if(field.after.is_some()),
        Some("azure-deny-all-except-load-balancer-source-ranges") => exposes_if(says_true(field.before.as_ref())),
        Some(_) => Risk::Disruptive,
    }
}

/// Who is let in by a list.
enum Reach {
    Nobody,
    These(BTreeSet<String>),
    Everybody,
}

impl Reach {
    fn of(value: Option<&Value>, absent: Self) -> Self {
        match value {
            None => absent,
            Some(Value::Set(items)) if items.contains("*") => Self::Everybody,
            Some(Value::Set(items)) => Self::These(items.clone()),
            Some(Value::List(items)) => Self::These(items.iter().cloned().collect()),
            Some(Value::Text(text)) if text == "anyone-with-alias" => Self::Everybody,
            Some(Value::Text(text)) if text == "role-based" => Self::Nobody,
            Some(Value::Text(text)) => Self::These(text.split(',').map(|item| item.trim().to_owned()).collect()),
            Some(_) => Self::Everybody,
        }
    }

    fn is_within(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Nobody, _) | (_, Self::Everybody) => true,
            (Self::These(items), Self::These(others)) => items.iter().all(|item| is_covered(item, others)),
            (Self::These(items), Self::Nobody) => items.is_empty(),
            (Self::Everybody, _) => false,
        }
    }
}

/// True if a list names the item itself, or an address range around it.
fn is_covered(item: &str, others: &BTreeSet<String>) -> bool {
    let range = |text: &str| text.parse::<Cidr>().ok().map(|range| range.network());
    others.contains(item)
        || range(item)
            .is_some_and(|inner| others.iter().filter_map(|other| range(other)).any(|outer| outer.contains(&inner)))
}

fn reach_change(field: &FieldChange, absent: Reach) -> Risk {
    let absent_too = match absent {
        Reach::Everybody => Reach::Everybody,
        _ => Reach::Nobody,
    };
    let before = Reach::of(field.before.as_ref(), absent);
    let after = Reach::of(field.after.as_ref(), absent_too);
    if after.is_within(&before) { Risk::Notable } else { Risk::Exposing }
}
