//! What follows from the resources and is asked for again and again: kinds, references, addresses, aliases.
//!
//! A world may hold tens of thousands of resources, and nearly every rule asks who else uses something. Each question
//! would be a walk over everything, so the answers are kept beside the resources and follow every write.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use serde_json::Value;

use crate::sim::arm::kind::Kind;
use crate::sim::arm::store::Resource;
use crate::sim::arm::view;

/// Addresses that are taken in one subnet, with the key of who has them. Behind a raw write two may have the same.
pub(crate) type Taken = Arc<BTreeSet<(IpAddr, String)>>;

/// The kept answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Index {
    by_kind: BTreeMap<Kind, BTreeSet<String>>,
    /// Folded id to the keys of the resources that name it.
    referrers: BTreeMap<String, BTreeSet<String>>,
    /// Folded id of a subnet to its taken addresses.
    addresses: BTreeMap<String, Taken>,
    /// Folded alias to the key of its service.
    aliases: BTreeMap<String, String>,
}

/// What one resource adds to the index.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Facts {
    references: BTreeSet<String>,
    addresses: Vec<(String, IpAddr)>,
    alias: Option<String>,
}

impl Facts {
    pub(crate) fn of(resource: &Resource) -> Self {
        let mut references = BTreeSet::new();
        for (name, value) in resource.body["properties"].as_object().into_iter().flatten() {
            // A connection belongs to its endpoint; the service does not depend on it.
            if name != "privateEndpointConnections" {
                collect(value, &mut references);
            }
        }
        Self { references, addresses: addresses(resource), alias: alias(resource) }
    }
}

/// The ids below a value: whatever stands under `id`, `privateLinkServiceId` or `privateDnsZoneId`.
fn collect(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                match value {
                    Value::String(id) if is_reference(key, id) => drop(found.insert(id.to_ascii_lowercase())),
                    value => collect(value, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
        _ => {}
    }
}

fn is_reference(key: &str, id: &str) -> bool {
    matches!(key, "id" | "privateLinkServiceId" | "privateDnsZoneId") && id.starts_with("/subscriptions/")
}

/// The addresses that a resource holds, each with the subnet that it is from.
fn addresses(resource: &Resource) -> Vec<(String, IpAddr)> {
    let held = |configuration: &Value| {
        let properties = &configuration["properties"];
        let subnet = properties["subnet"]["id"].as_str()?.to_ascii_lowercase();
        Some((subnet, properties["privateIPAddress"].as_str()?.parse().ok()?))
    };
    match resource.path.kind {
        Kind::LoadBalancer => resource.list("frontendIPConfigurations").iter().filter_map(held).collect(),
        Kind::NetworkInterface => resource.list("ipConfigurations").iter().filter_map(held).collect(),
        Kind::ScaleSetVm => {
            view::machine_configurations(resource).into_iter().filter_map(|(_, own)| held(own)).collect()
        }
        _ => Vec::new(),
    }
}

fn alias(resource: &Resource) -> Option<String> {
    let is_service = resource.path.kind == Kind::PrivateLinkService;
    resource.property("alias").as_str().filter(|_| is_service).map(str::to_ascii_lowercase)
}

/// Takes a key out of the set under `from`, and an empty set out of the map.
fn forget<K: Ord>(map: &mut BTreeMap<K, BTreeSet<String>>, from: &K, key: &str) {
    let Some(keys) = map.get_mut(from) else { return };
    keys.remove(key);
    if keys.is_empty() {
        map.remove(from);
    }
}

impl Index {
    pub(crate) fn add(&mut self, (kind, key): (Kind, &str), facts: Facts) {
        self.by_kind.entry(kind).or_default().insert(key.to_owned());
        for reference in facts.references {
            self.referrers.entry(reference).or_default().insert(key.to_owned());
        }
        for (subnet, address) in facts.addresses {
            Arc::make_mut(self.addresses.entry(subnet).or_default()).insert((address, key.to_owned()));
        }
        if let Some(alias) = facts.alias {
            self.aliases.insert(alias, key.to_owned());
        }
    }

    pub(crate) fn remove(&mut self, (kind, key): (Kind, &str), facts: &Facts) {
        forget(&mut self.by_kind, &kind, key);
        for reference in &facts.references {
            forget(&mut self.referrers, reference, key);
        }
        for (subnet, address) in &facts.addresses {
            let Some(taken) = self.addresses.get_mut(subnet) else { continue };
            Arc::make_mut(taken).remove(&(*address, key.to_owned()));
            if taken.is_empty() {
                self.addresses.remove(subnet);
            }
        }
        // A service that was made behind everybody's back may have taken the alias over.
        if let Some(alias) = facts.alias.as_ref().filter(|alias| self.aliases.get(*alias).is_some_and(|own| own == key))
        {
            self.aliases.remove(alias);
        }
    }

    /// The keys of a kind that start with a prefix, in order.
    pub(crate) fn of_kind(&self, kind: Kind, prefix: String) -> impl Iterator<Item = &String> {
        let keys = self.by_kind.get(&kind).into_iter();
        let found = keys.flat_map({
            let start = prefix.clone();
            move |keys| keys.range(start.clone()..)
        });
        found.take_while(move |key| key.starts_with(&prefix))
    }

    /// The keys of the resources that name an id, in order.
    pub(crate) fn referrers(&self, folded_id: &str) -> impl Iterator<Item = &String> + use<'_> {
        self.referrers.get(folded_id).into_iter().flatten()
    }

    /// The same for every id that starts with a prefix.
    pub(crate) fn referrers_below(&self, prefix: String) -> impl Iterator<Item = &String> {
        let named = self.referrers.range(prefix.clone()..).take_while(move |(id, _)| id.starts_with(&prefix));
        named.flat_map(|(_, keys)| keys)
    }

    /// The taken addresses of a subnet.
    pub(crate) fn taken(&self, folded_subnet: &str) -> Taken {
        self.addresses.get(folded_subnet).cloned().unwrap_or_default()
    }

    /// The key of the service with an alias.
    pub(crate) fn by_alias(&self, alias: &str) -> Option<&String> {
        self.aliases.get(&alias.to_ascii_lowercase())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{Just, Strategy, prop_oneof, proptest};
    use serde_json::json;

    use super::*;
    use crate::sim::arm::route::ResourcePath;
    use crate::sim::arm::store::Store;

    const NETWORK: &str = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network";

    /// A resource of a few kinds that names one of a few subnets and has one of a few addresses.
    fn resource((kind, name, subnet, last): (&str, u8, u8, u8)) -> Resource {
        let path = ResourcePath::parse(&format!("{NETWORK}/{kind}/n{name}")).unwrap();
        let subnet = format!("{NETWORK}/virtualNetworks/v/subnets/{subnet}");
        let configuration =
            json!({"properties": {"subnet": {"id": subnet}, "privateIPAddress": format!("10.0.0.{last}")}});
        let body = json!({"properties": {
            "ipConfigurations": [configuration.clone()], "frontendIPConfigurations": [configuration],
            "alias": format!("n{name}.{last}"),
        }});
        Resource { path, etag: String::new(), state: String::new(), body }
    }

    fn any_resource() -> impl Strategy<Value = (&'static str, u8, u8, u8)> {
        let kind = prop_oneof![Just("loadBalancers"), Just("networkInterfaces"), Just("privateLinkServices")];
        (kind, 0..3_u8, 0..3_u8, 4..7_u8)
    }

    proptest! {
        #[test]
        fn the_index_is_what_the_resources_say_whatever_happened_before(
            steps in proptest::collection::vec((any_resource(), 0..3_u8), 0..40),
        ) {
            let mut store = Store::default();
            for (values, what) in steps {
                let resource = resource(values);
                let path = resource.path.clone();
                match what {
                    0 => drop(store.remove(&path)),
                    1 => drop(store.update(&path, |own| own.body = resource.body)),
                    _ => store.put(resource),
                }
            }
            let mut fresh = Store::default();
            store.below("").cloned().for_each(|own| fresh.put(own));
            assert_eq!(store.index(), fresh.index());
        }
    }
}
