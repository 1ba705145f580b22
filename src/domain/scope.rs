//! What an environment may see and touch, and what of it has to be observed.

use std::collections::BTreeSet;

use serde::{Deserialize, Deserializer, Serialize};

use crate::domain::azure::ResourceGroup;
use crate::domain::azure::ResourceId;
use crate::domain::azure::SubscriptionId;
use crate::domain::kubernetes::Namespace;
use crate::domain::name::InvalidName;

/// A pattern in which `*` stands for any run of characters; compared without regard to ASCII case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Pattern(String);

impl std::str::FromStr for Pattern {
    type Err = InvalidName;
    fn from_str(text: &str) -> Result<Self, InvalidName> {
        if text.is_empty() || text.chars().any(|c| c.is_control() || c == '/') {
            return Err(InvalidName::new("a pattern", text, "use a name, or part of one with * for the rest"));
        }
        Ok(Self(text.to_ascii_lowercase()))
    }
}

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl std::fmt::Display for Pattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl Pattern {
    /// True if the whole name matches.
    pub fn matches(&self, name: &str) -> bool {
        let name = name.to_ascii_lowercase();
        let mut parts = self.0.split('*');
        let first = parts.next().unwrap_or_default();
        let Some(mut rest) = name.strip_prefix(first) else { return false };
        let mut parts: Vec<&str> = parts.collect();
        let Some(last) = parts.pop() else { return rest.is_empty() };
        for part in parts {
            match rest.find(part) {
                Some(at) => rest = &rest[at + part.len()..],
                None => return false,
            }
        }
        rest.ends_with(last)
    }

    /// True if some name matches both patterns, as far as can be told: an error on the safe side.
    pub fn may_overlap(&self, other: &Self) -> bool {
        match (self.0.contains('*'), other.0.contains('*')) {
            (false, _) => other.matches(&self.0),
            (_, false) => self.matches(&other.0),
            (true, true) => {
                let head = |text: &str| text.split('*').next().unwrap_or_default().to_owned();
                let (a, b) = (head(&self.0), head(&other.0));
                a.starts_with(&b) || b.starts_with(&a)
            }
        }
    }
}

/// The limits of an environment. A write outside them is an error, checked when planning and again just before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    /// The subscriptions it may touch; all of them are observed.
    pub subscriptions: BTreeSet<SubscriptionId>,
    /// Resource groups; empty means all.
    pub resource_groups: Vec<Pattern>,
    /// Namespaces; empty means all but `kube-*` and `gatekeeper-*`.
    pub namespaces: Vec<Pattern>,
    /// Private DNS zones; empty means all.
    pub dns_zones: Vec<Pattern>,
}

impl Scope {
    /// True if Services of this namespace may be touched.
    pub fn has_namespace(&self, namespace: &Namespace) -> bool {
        let name = namespace.as_str();
        if self.namespaces.is_empty() {
            return !name.starts_with("kube-") && !name.starts_with("gatekeeper-");
        }
        self.namespaces.iter().any(|pattern| pattern.matches(name))
    }

    /// True if resources of this subscription and group may be touched.
    pub fn has_group(&self, subscription: &SubscriptionId, group: &ResourceGroup) -> bool {
        self.subscriptions.contains(subscription)
            && (self.resource_groups.is_empty()
                || self.resource_groups.iter().any(|pattern| pattern.matches(group.as_str())))
    }

    /// True if the resource may be touched; for what lies in a DNS zone the zone counts too.
    pub fn has(&self, id: &ResourceId) -> bool {
        self.has_group(&id.subscription(), &id.resource_group())
            && self.zone_of(id).is_none_or(|zone| self.has_zone(&zone))
    }

    fn zone_of(&self, id: &ResourceId) -> Option<String> {
        let in_zone = id.resource_type().starts_with("microsoft.network/privatednszones/");
        in_zone.then(|| id.parent().map(|zone| zone.name().to_owned()))?
    }

    /// True if records of this zone may be touched.
    pub fn has_zone(&self, zone: &str) -> bool {
        self.dns_zones.is_empty() || self.dns_zones.iter().any(|pattern| pattern.matches(zone))
    }
}
