//! Network interfaces of private endpoints and Private Link Services: made and removed with their owner, read-only.

use serde_json::{Value, json};

use crate::sim::arm::error::ArmError;
use crate::sim::arm::route::ResourcePath;
use crate::sim::arm::state::State;
use crate::sim::arm::store::Resource;
use crate::sim::arm::write::Draft;

/// An interface that a client brings itself: kept as it is, unless the platform owns it.
pub(crate) fn prepare(state: &State, draft: &Draft, body: Value) -> Result<Value, ArmError> {
    may_delete(state, &draft.path)?;
    Ok(body)
}

/// The platform's interfaces can be neither edited nor deleted by hand. The code is ours: none was ever recorded.
pub(crate) fn may_delete(state: &State, path: &ResourcePath) -> Result<(), ArmError> {
    let owner = state.store.get(path).and_then(|own| {
        let owners = [own.property("privateEndpoint"), own.property("privateLinkService")];
        owners.into_iter().find_map(|owner| owner["id"].as_str().map(str::to_owned))
    });
    match owner {
        None => Ok(()),
        Some(owner) => {
            let message = format!("Network interface {} is managed by {owner} and cannot be changed.", path.id());
            Err(ArmError::invalid("ManagedNetworkInterfaceCannotBeModified", message))
        }
    }
}

/// Puts an interface that belongs to `owner`; `owner_property` is `privateEndpoint` or `privateLinkService`.
pub(crate) fn place(state: &mut State, path: &ResourcePath, owner: (&str, &Resource), configurations: Vec<Value>) {
    let (owner_property, owner) = owner;
    let guid = match state.store.get(path) {
        Some(own) => own.property("resourceGuid").clone(),
        None => state.chance.guid("resource").to_string().into(),
    };
    let etag = state.next_etag(path);
    let body = json!({
        "location": owner.location(),
        "properties": {
            "resourceGuid": guid,
            "ipConfigurations": configurations,
            "dnsSettings": { "dnsServers": [], "appliedDnsServers": [] },
            "enableAcceleratedNetworking": false,
            "enableIPForwarding": false,
            "hostedWorkloads": [],
            "nicType": "Standard",
            owner_property: { "id": owner.path.id() },
        },
    });
    state.store.put(Resource { path: path.clone(), etag, state: "Succeeded".to_owned(), body });
}
