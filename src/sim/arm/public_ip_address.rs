//! Public IP addresses: one from a made-up range, kept for as long as the resource lives.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use serde_json::Value;

use crate::sim::arm::error::ArmError;
use crate::sim::arm::kind::Kind;
use crate::sim::arm::route::ResourcePath;
use crate::sim::arm::state::State;
use crate::sim::arm::store::{Resource, Store, properties_mut};
use crate::sim::arm::write::Draft;

/// The first address handed out. The range belongs to Azure, so nobody takes a simulated address for a private one.
const FIRST: Ipv4Addr = Ipv4Addr::new(20, 0, 0, 4);

pub(crate) fn prepare(state: &mut State, draft: &Draft, mut body: Value) -> Result<Value, ArmError> {
    let (guid, address) = match &draft.before {
        Some(before) => (before.property("resourceGuid").clone(), before.property("ipAddress").clone()),
        None => (state.chance.guid("resource").to_string().into(), next_address(&state.store).to_string().into()),
    };
    let properties = properties_mut(&mut body);
    properties.remove("ipConfiguration");
    properties.insert("resourceGuid".to_owned(), guid);
    properties.insert("ipAddress".to_owned(), address);
    properties.entry("publicIPAllocationMethod").or_insert("Static".into());
    properties.entry("publicIPAddressVersion").or_insert("IPv4".into());
    properties.entry("idleTimeoutInMinutes").or_insert(4.into());
    Ok(body)
}

fn next_address(store: &Store) -> Ipv4Addr {
    let taken: BTreeSet<&str> =
        store.of_kind(Kind::PublicIpAddress).filter_map(|own| own.property("ipAddress").as_str()).collect();
    let candidates = (0..).map(|offset: u32| Ipv4Addr::from(u32::from(FIRST) + offset));
    candidates.into_iter().find(|own| !taken.contains(own.to_string().as_str())).unwrap_or(FIRST)
}

/// The frontend that uses the address.
pub(crate) fn user(store: &Store, path: &ResourcePath) -> Option<String> {
    let uses = |balancer: &Resource| {
        let frontends = balancer.list("frontendIPConfigurations").iter();
        frontends.into_iter().find_map(|own| {
            let id = own["properties"]["publicIPAddress"]["id"].as_str()?;
            let name = own["name"].as_str()?;
            let is_this = id.eq_ignore_ascii_case(&path.id());
            is_this.then(|| format!("{}/frontendIPConfigurations/{name}", balancer.path.id()))
        })
    };
    store.referrers(&path.id(), Kind::LoadBalancer).find_map(uses)
}

pub(crate) fn may_delete(state: &State, path: &ResourcePath) -> Result<(), ArmError> {
    match user(&state.store, path) {
        None => Ok(()),
        Some(user) => {
            let message = format!(
                "Public IP address {} can not be deleted since it is still allocated to resource {user}.",
                path.id()
            );
            Err(ArmError::invalid("PublicIPAddressCannotBeDeleted", message))
        }
    }
}
