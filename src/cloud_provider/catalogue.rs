//! The catalogue of edits and of what an environment can lack: by these ids `privlink explain` finds the rules that plans name.
//!
//! An entry is what a person asks about, such as another pinned address; a rule is one thing that then happens. Several
//! entries may lead to one rule, and one entry to several rules.

use crate::cloud_provider::rule;
use crate::cloud_provider::rule::Rule;

/// An entry of the catalogue.
#[derive(Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name, for ever.
    pub id: &'static str,
    /// What it is about.
    pub title: &'static str,
    /// The rules by which plans tell it.
    pub rules: &'static [&'static Rule],
    /// The field that such an edit changes, where other edits are told by the same rules.
    pub field: Option<&'static str>,
}

/// Makes an entry.
pub const fn entry(id: &'static str, title: &'static str, rules: &'static [&'static Rule]) -> Entry {
    Entry { id, title, rules, field: None }
}

/// Every entry that plans tell of: edits first, then what only the cluster and Azure show.
pub static ALL: &[Entry] = &[
    entry("DIF001", "Another pinned address", &[&rule::FRONTEND_ADDRESS]),
    entry(
        "DIF002",
        "Another pinned address that Azure refuses",
        &[&rule::IP_OUTSIDE, &rule::IP_RESERVED, &rule::IP_TAKEN, &rule::IP_SYNTAX],
    ),
    entry("DIF003", "Another subnet annotation, or none any more", &[&rule::FRONTEND_SUBNET]),
    entry("DIF004", "The first Service of a shared address moves", &[&rule::SHARED_MOVES, &rule::SHARED_DANGLES]),
    entry("DIF005", "An internal Service becomes public", &[&rule::MADE_PUBLIC, &rule::LINK_PUBLIC]),
    entry("DIF006", "A public Service becomes internal", &[&rule::MADE_INTERNAL]),
    entry("DIF007", "A Service does not ask for its Private Link Service any more", &[&rule::LINK_STAYS]),
    entry("DIF008", "Another name for the Private Link Service", &[&rule::LINK_NAME]),
    entry("DIF009", "No name for the Private Link Service any more", &[&rule::LINK_NAME_KEPT]),
    entry("DIF010", "Another resource group for the Private Link Service", &[&rule::LINK_ELSEWHERE]),
    entry("DIF011", "Other NAT addresses", &[&rule::NAT_ADDED, &rule::NAT_REPLACED, &rule::NAT_FEWER]),
    entry("DIF012", "PROXY protocol switched", &[&rule::LINK_PROXY]),
    entry("DIF013", "Other names, visibility or auto-approval", &[&rule::LINK_TUNED]),
    entry("DIF014", "A Service tunes the Private Link Service of another one", &[&rule::LINK_NOT_OWNER]),
    entry("DIF015", "A Service is deleted or renamed", &[&rule::SERVICE_GONE, &rule::SHARED_STAYS]),
    entry("DIF016", "A Service is no LoadBalancer any more", &[&rule::TYPE_GONE]),
    entry("DIF017", "The owner of a shared Private Link Service is deleted", &[&rule::OWNER_GONE]),
    entry("DIF018", "A published Service becomes dual-stack", &[&rule::LINK_IPV6]),
    Entry {
        field: Some("spec.externalTrafficPolicy"),
        ..entry("DIF019", "Another external traffic policy", &[&rule::RULES_CHANGED])
    },
    entry("DIF020", "Labels or selector alone", &[&rule::NO_SYNC]),
    entry("DIF021", "Other ports", &[&rule::RULES_ADDED, &rule::RULES_REMOVED, &rule::PORT_CLASH]),
    entry("DIF022", "A pin taken away", &[&rule::PIN_DROPPED]),
    entry(
        "DIF023",
        "A Service made anew under its name",
        &[&rule::SERVICE_GONE, &rule::LINK_BUILT, &rule::LINK_REPOINTED, &rule::LINK_TAKEN_OVER],
    ),
    entry("ILB002", "A subnet that the network of the nodes does not have", &[&rule::SUBNET_MISSING]),
    entry("IP004", "An address outside its subnet", &[&rule::IP_OUTSIDE]),
    entry("IP005", "An address that Azure keeps for itself", &[&rule::IP_RESERVED]),
    entry("IP006", "An address that somebody has", &[&rule::IP_TAKEN]),
    entry("IP016", "A subnet without room", &[&rule::SUBNET_FULL]),
    entry("PLS009", "A NAT address that Azure refuses", &[&rule::IP_OUTSIDE, &rule::IP_RESERVED, &rule::IP_TAKEN]),
    entry("PLS013", "A NAT subnet that the network of the nodes does not have", &[&rule::NAT_SUBNET_MISSING]),
    entry("PLS015", "The policy of a NAT subnet, which somebody else may declare", &[&rule::POLICY_OFF]),
];

/// The kind of edit (an entry `DIF`) that an effect of a rule follows from: the first one that fits, if one does.
///
/// `fields` are those that the edit changes.
pub fn edit_of<'f, I: Iterator<Item = &'f str>>(rule: &Rule, fields: impl Fn() -> I) -> Option<&'static Entry> {
    let fits = |entry: &&Entry| entry.field.is_none_or(|field| fields().any(|changed| changed == field));
    let edits = ALL.iter().filter(|entry| entry.id.starts_with("DIF"));
    edits.filter(|entry| entry.rules.iter().any(|own| own.id == rule.id)).find(fits)
}

/// The entry of this name; case does not matter.
pub fn find(id: &str) -> Option<&'static Entry> {
    ALL.iter().find(|entry| entry.id.eq_ignore_ascii_case(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_edit_has_its_entry_and_every_entry_a_rule() {
        let ids: std::collections::BTreeSet<&str> = ALL.iter().map(|entry| entry.id).collect();
        assert_eq!(ids.len(), ALL.len());
        let of = |rule: &Rule, field: &'static str| edit_of(rule, || [field].into_iter()).map(|entry| entry.id);
        assert_eq!(of(&rule::FRONTEND_ADDRESS, "spec.loadBalancerIP"), Some("DIF001"));
        assert_eq!(of(&rule::SERVICE_GONE, ""), Some("DIF015"), "what a plan deletes it does not make anew");
        assert_eq!(of(&rule::RULES_CHANGED, "spec.externalTrafficPolicy"), Some("DIF019"));
        assert_eq!(of(&rule::RULES_CHANGED, "spec.ports[80/TCP].appProtocol"), None);
        for number in 1..=23 {
            let id = format!("dif{number:03}");
            assert!(find(&id).is_some_and(|entry| !entry.rules.is_empty()), "{id} leads to no rule");
        }
    }
}
