//! What an environment may see and touch, and what of it has to be observed.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer};

use crate::domain::azure::ResourceGroup;
use crate::domain::azure::ResourceId;
use crate::domain::azure::SubscriptionId;
use crate::domain::key::PublisherKey;
use crate::domain::key::ResourceKey;
use crate::domain::kubernetes::Namespace;
use crate::domain::name::InvalidName;

/// A name in which `*` stands for any number of any characters.
///
/// ASCII case does not count: it never does in Azure, and names of Kubernetes have none.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pattern(String);

impl Pattern {
    /// The text as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// True if a name follows the pattern.
    pub fn matches(&self, name: &str) -> bool {
        meet(self.0.as_bytes(), name.as_bytes(), false)
    }

    /// True if there is a name that follows both patterns.
    pub fn overlaps(&self, other: &Self) -> bool {
        meet(self.0.as_bytes(), other.0.as_bytes(), true)
    }
}

// Dynamic programming over both texts: row[j] says whether a[..i] and b[..j] can mean the same. Backtracking would take
// exponential time on a hostile pattern.
fn meet(a: &[u8], b: &[u8], both: bool) -> bool {
    let star = |byte: u8| both && byte == b'*';
    let mut row: Vec<bool> = vec![true];
    for (j, byte) in b.iter().enumerate() {
        row.push(row[j] && star(*byte));
    }
    for &left in a {
        let mut next = vec![row[0] && left == b'*'];
        for (j, &right) in b.iter().enumerate() {
            let skips = next[j] || row[j + 1];
            let takes = left.eq_ignore_ascii_case(&right) || left == b'*';
            next.push(((left == b'*' || star(right)) && skips) || (takes && row[j]));
        }
        row = next;
    }
    row[b.len()]
}

impl FromStr for Pattern {
    type Err = InvalidName;
    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let illegal = |c: char| c.is_control() || "/?[]{} ".contains(c);
        if text.is_empty() || text.len() > 100 || text.contains(illegal) {
            let rule = "a pattern is a name of 1 to 100 characters, in which * stands for anything";
            return Err(InvalidName::new("a pattern", text, rule));
        }
        Ok(Self(text.to_owned()))
    }
}

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
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

    /// Why a write to this resource would leave the scope; `None` if it would not.
    ///
    /// What the cloud provider built is in scope by its Service: it lies in the cluster's own resource group. A subnet is by
    /// its subscription: its network may live in a group of its own.
    pub fn problem_with(&self, key: &ResourceKey) -> Option<String> {
        let namespace = |name: &Namespace| {
            (!self.has_namespace(name)).then(|| format!("namespace {name} is outside the environment's scope"))
        };
        match key {
            ResourceKey::Namespace(name) => namespace(name),
            ResourceKey::Service(service)
            | ResourceKey::PrivateLinkService(PublisherKey::Cluster(service))
            | ResourceKey::Connection { publisher: PublisherKey::Cluster(service), .. } => {
                namespace(&service.namespace)
            }
            ResourceKey::Subnet(id) => {
                let outside = !self.subscriptions.contains(&id.subscription());
                outside.then(|| format!("{id} is outside the environment's scope"))
            }
            ResourceKey::PrivateLinkService(PublisherKey::Own(id))
            | ResourceKey::Connection { publisher: PublisherKey::Own(id), .. }
            | ResourceKey::PrivateEndpoint(id)
            | ResourceKey::DnsRecord(id)
            | ResourceKey::DnsLink(id) => (!self.has(id)).then(|| format!("{id} is outside the environment's scope")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn matches(pattern: &str, name: &str, expected: bool) {
        assert_eq!(Pattern(pattern.to_owned()).matches(name), expected, "{pattern} {name}");
    }

    #[track_caller]
    fn overlaps(a: &str, b: &str, expected: bool) {
        let (a, b) = (Pattern(a.to_owned()), Pattern(b.to_owned()));
        assert_eq!((a.overlaps(&b), b.overlaps(&a)), (expected, expected), "{a} {b}");
    }

    #[test]
    fn a_star_stands_for_anything() {
        matches("team-*", "team-a", true);
        matches("team-*", "team-", true);
        matches("team-*", "teal-a", false);
        matches("RG-*", "rg-net", true);
        matches("*-prod", "a-prod-b", false);
        matches("a*b*c", "axxbyyc", true);
        matches("a", "a*", false);
        matches("*", "", true);
        matches(&"*a".repeat(40), &"a".repeat(39), false);
    }

    #[test]
    fn two_patterns_overlap_if_a_name_follows_both() {
        overlaps("team-*", "team-a", true);
        overlaps("team-*", "*-a", true);
        overlaps("team-a*", "team-b*", false);
        overlaps("a", "b", false);
        overlaps("*", "x", true);
        overlaps("a*c", "ab*", true);
    }
}
