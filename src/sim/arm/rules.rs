//! Which file has the rules of which type.

use serde_json::Value;

use crate::sim::arm::Reply;
use crate::sim::arm::error::ArmError;
use crate::sim::arm::kind::Kind;
use crate::sim::arm::request::Request;
use crate::sim::arm::route::ResourcePath;
use crate::sim::arm::state::State;
use crate::sim::arm::store::Resource;
use crate::sim::arm::write::Draft;
use crate::sim::arm::{
    load_balancer, managed_cluster, network_interface, private_dns, private_endpoint, private_endpoint_connection,
    private_link_service, public_ip_address, scale_set, virtual_network,
};

/// Checks a resource that is to be written and fills in what the service computes.
pub(crate) fn prepare(state: &mut State, draft: &Draft, body: Value) -> Result<Value, ArmError> {
    match draft.path.kind {
        Kind::VirtualNetwork => virtual_network::prepare(state, draft, body),
        Kind::LoadBalancer => load_balancer::prepare(state, draft, body),
        Kind::PrivateLinkService => private_link_service::prepare(state, draft, body),
        Kind::PrivateEndpoint => private_endpoint::prepare(state, draft, body),
        Kind::NetworkInterface => network_interface::prepare(state, draft, body),
        Kind::PrivateDnsZone => private_dns::prepare_zone(draft, body),
        Kind::RecordSet => private_dns::prepare_record_set(draft, body),
        Kind::VirtualNetworkLink => private_dns::prepare_link(state, draft, body),
        Kind::PrivateDnsZoneGroup => private_dns::prepare_zone_group(state, draft, body),
        Kind::ScaleSet | Kind::ScaleSetVm => Ok(scale_set::prepare(draft, &body)),
        Kind::PublicIpAddress => public_ip_address::prepare(state, draft, body),
        Kind::ManagedCluster | Kind::Opaque => Ok(body),
        Kind::Deployment
        | Kind::Subnet
        | Kind::FrontendIpConfiguration
        | Kind::BackendAddressPool
        | Kind::LoadBalancerPart
        | Kind::PrivateEndpointConnection => Err(read_only(&draft.path)),
    }
}

/// The same for a resource that lives in the list of its parent.
pub(crate) fn prepare_child(state: &mut State, draft: &Draft, element: Value) -> Result<Value, ArmError> {
    match draft.path.kind {
        Kind::Subnet => virtual_network::prepare_subnet(state, draft, element),
        Kind::PrivateEndpointConnection => private_endpoint_connection::prepare(state, draft, &element),
        Kind::BackendAddressPool => Ok(element),
        _ => Err(read_only(&draft.path)),
    }
}

fn read_only(path: &ResourcePath) -> ArmError {
    let message = format!("{} is written through its parent.", path.id());
    ArmError::new(405, "MethodNotAllowed", message)
}

/// What other resources notice once a write is in the store.
pub(crate) fn after_put(state: &mut State, draft: &Draft) {
    match draft.path.kind {
        Kind::PrivateLinkService => private_link_service::after_put(state, draft),
        Kind::PrivateEndpoint => private_endpoint::after_put(state, draft),
        Kind::PrivateEndpointConnection => private_endpoint_connection::after_put(state, &draft.path),
        Kind::LoadBalancer => load_balancer::after_put(state, draft),
        Kind::PrivateDnsZone => private_dns::after_put_zone(state, draft),
        _ => {}
    }
}

/// Refuses the deletion of what is in use.
pub(crate) fn may_delete(state: &State, path: &ResourcePath) -> Result<(), ArmError> {
    match path.kind {
        Kind::VirtualNetwork => virtual_network::may_delete(state, path),
        Kind::Subnet => virtual_network::may_delete_subnet(state, path),
        Kind::LoadBalancer => load_balancer::may_delete(state, path),
        Kind::PrivateLinkService => private_link_service::may_delete(state, path),
        Kind::NetworkInterface => network_interface::may_delete(state, path),
        Kind::PublicIpAddress => public_ip_address::may_delete(state, path),
        Kind::PrivateDnsZone => private_dns::may_delete_zone(state, path),
        Kind::RecordSet => private_dns::may_delete_record_set(path),
        Kind::FrontendIpConfiguration | Kind::LoadBalancerPart => Err(read_only(path)),
        _ => Ok(()),
    }
}

/// What other resources notice once a resource is gone.
pub(crate) fn after_delete(state: &mut State, gone: &Resource) {
    match gone.path.kind {
        Kind::PrivateLinkService => private_link_service::after_delete(state, gone),
        Kind::PrivateEndpoint => private_endpoint::after_delete(state, gone),
        Kind::LoadBalancer => load_balancer::after_delete(state, gone),
        _ => {}
    }
}

/// The same for an element of a parent's list.
pub(crate) fn after_delete_child(state: &mut State, path: &ResourcePath, element: &Value) {
    if path.kind == Kind::PrivateEndpointConnection {
        private_endpoint_connection::after_delete(state, element);
    }
}

/// Verbs on a resource.
pub(crate) fn act(state: &State, request: &Request, path: &ResourcePath, action: &str) -> Result<Reply, ArmError> {
    let path = state.store.canonical(path);
    if !state.store.exists(&path) {
        return Err(ArmError::not_found(&path.id()));
    }
    match path.kind {
        Kind::ManagedCluster => managed_cluster::act(state, request, &path, action),
        _ => Err(ArmError::not_found(&format!("{}/{action}", path.id()))),
    }
}
