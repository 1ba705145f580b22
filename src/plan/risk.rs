//! How bad a change can be, by the table of the design: one function a kind of resource.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;

use crate::domain::annotation;
use crate::domain::key::ResourceKey;
use crate::domain::mark::is_mark_tag;
use crate::plan::action::Action;
use crate::plan::action::Actor;
use crate::plan::change::Change;
use crate::plan::change::FieldChange;
use crate::value::Value;

/// How bad a change can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
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

/// Rates a change.
pub fn rate(change: &Change) -> Risk {
    let not_analysed = change.consequences.iter().any(|consequence| consequence.rule == NOT_ANALYSED);
    let floor = if not_analysed { Risk::Severing } else { Risk::Safe };
    floor.max(rate_alone(change))
}

fn rate_alone(change: &Change) -> Risk {
    match (change.action, change.actor) {
        (Action::Adopt, _) => Risk::Safe,
        // What the cloud provider makes because of a Service is rated at the Service.
        (Action::Create, Actor::CloudProvider) => Risk::Safe,
        (Action::Create, Actor::Privlink) => Risk::Notable,
        (Action::Delete, _) => Risk::Severing,
        (Action::Update | Action::Replace, _) => match &change.key {
            ResourceKey::Service(_) => worst(change, service_field),
            ResourceKey::Subnet(_) => Risk::Notable,
            ResourceKey::PrivateLinkService(_) => {
                worst(change, private_link_field).max(replaced(change, Risk::Severing))
            }
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

fn private_link_field(field: &FieldChange) -> Risk {
    match field.name.as_str() {
        "visibility" => reach_change(field, Reach::Nobody),
        "autoApproval" => reach_change(field, Reach::Nobody),
        "nat.addresses" if is_addition(field) => Risk::Notable,
        "nat.count" if is_addition(field) => Risk::Notable,
        "nat.addresses" | "nat.count" | "nat.subnet" | "proxyProtocol" => Risk::Disruptive,
        _ => tag_field(field),
    }
}

fn service_field(field: &FieldChange) -> Risk {
    if let Some(key) = field.name.strip_prefix("metadata.annotations[").and_then(|rest| rest.strip_suffix(']')) {
        return annotation_field(key, field);
    }
    if field.name.starts_with("metadata.") {
        return Risk::Safe;
    }
    match field.name.as_str() {
        "spec.loadBalancerSourceRanges" => reach_change(field, Reach::Everybody),
        // A pod is added to or taken from the backends: traffic moves.
        _ => Risk::Disruptive,
    }
}

fn annotation_field(key: &str, field: &FieldChange) -> Risk {
    let is_true = |value: &Option<Value>| *value == Some(Value::Bool(true));
    match key {
        annotation::INTERNAL if is_true(&field.before) => Risk::Exposing,
        annotation::PLS_VISIBILITY | annotation::PLS_AUTO_APPROVAL => reach_change(field, Reach::Nobody),
        _ if key.ends_with("azure-allowed-ip-ranges") || key.ends_with("azure-allowed-service-tags") => {
            reach_change(field, Reach::Everybody)
        }
        _ if key.ends_with("azure-additional-public-ips") => Risk::Exposing,
        _ if key.starts_with(annotation::PREFIX) => Risk::Disruptive,
        _ => Risk::Safe,
    }
}

fn is_addition(field: &FieldChange) -> bool {
    match (&field.before, &field.after) {
        (None, Some(_)) => true,
        (Some(Value::Integer(before)), Some(Value::Integer(after))) => after > before,
        // The first address is primary: it may not move.
        (Some(Value::List(before)), Some(Value::List(after))) => after.starts_with(before),
        _ => false,
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
            (Self::These(items), Self::These(others)) => items.is_subset(others),
            (Self::These(items), Self::Nobody) => items.is_empty(),
            (Self::Everybody, _) => false,
        }
    }
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
