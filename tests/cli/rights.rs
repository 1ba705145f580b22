//! The rights that the documentation asks for: they suffice, and without one of them the program says which it was.

use privlink::cli::Exit;
use privlink::sim::world::{RoleAssignment, RoleDefinition, World};

use crate::runner::Stage;
use crate::runner::worlds;
use crate::runner::worlds::{CONSUMER, PROVIDER};

/// What planning reads.
const PLAN: &[&str] = &[
    "Microsoft.Network/privateLinkServices/read",
    "Microsoft.Network/privateLinkServices/privateEndpointConnections/read",
    "Microsoft.Network/privateEndpoints/read",
    "Microsoft.Network/privateEndpoints/privateDnsZoneGroups/read",
    "Microsoft.Network/loadBalancers/read",
    "Microsoft.Network/loadBalancers/frontendIPConfigurations/read",
    "Microsoft.Network/virtualNetworks/read",
    "Microsoft.Network/virtualNetworks/subnets/read",
    "Microsoft.Network/networkInterfaces/read",
    "Microsoft.Network/privateDnsZones/read",
    "Microsoft.Network/privateDnsZones/*/read",
    "Microsoft.ContainerService/managedClusters/read",
    "Microsoft.Resources/subscriptions/resourceGroups/read",
];

/// What applying needs beside it.
const APPLY: &[&str] = &[
    "Microsoft.Network/privateLinkServices/write",
    "Microsoft.Network/privateLinkServices/delete",
    "Microsoft.Network/privateLinkServices/privateEndpointConnections/write",
    "Microsoft.Network/privateLinkServices/privateEndpointConnections/delete",
    APPROVAL,
    "Microsoft.Network/loadBalancers/frontendIPConfigurations/join/action",
    "Microsoft.Network/virtualNetworks/subnets/join/action",
    "Microsoft.Network/virtualNetworks/subnets/write",
    "Microsoft.Network/privateEndpoints/write",
    "Microsoft.Network/privateEndpoints/delete",
    "Microsoft.Network/privateDnsZones/A/write",
    "Microsoft.Network/privateDnsZones/A/delete",
    "Microsoft.Network/privateDnsZones/virtualNetworkLinks/write",
    "Microsoft.Network/privateDnsZones/virtualNetworkLinks/delete",
    "Microsoft.Network/virtualNetworks/join/action",
];

const APPROVAL: &str = "Microsoft.Network/privateLinkServices/PrivateEndpointConnectionsApproval/action";

fn role(name: &str, actions: &[&[&str]]) -> RoleDefinition {
    let actions = actions.iter().copied().flatten().map(|own| (*own).to_owned()).collect();
    RoleDefinition { name: name.to_owned(), description: String::new(), actions, not_actions: Vec::new() }
}

/// The example world, in which the two identities have these roles instead of reader and contributor.
fn world(plan: RoleDefinition, apply: RoleDefinition) -> World {
    let mut world = worlds::example();
    for (identity, role) in world.identities.iter_mut().zip([&plan, &apply]) {
        identity.role = None;
        let scopes = [PROVIDER, CONSUMER].map(|id| format!("/subscriptions/{id}"));
        identity.assignments = scopes.map(|scope| RoleAssignment { role: role.name.clone(), scope }).to_vec();
    }
    world.role_definitions = vec![plan, apply];
    world
}

#[test]
fn the_documented_rights_suffice_for_the_whole_example() {
    let stage = Stage::in_world(world(role("plan", &[PLAN]), role("apply", &[PLAN, APPLY])));
    stage.repo.commit(privlink::cli::demo::EXAMPLE);
    stage.converge();
}

#[test]
fn a_missing_right_is_named_and_nothing_else_is_blamed() {
    let apply: Vec<&str> = APPLY.iter().copied().filter(|own| *own != APPROVAL).collect();
    let stage = Stage::in_world(world(role("plan", &[PLAN]), role("apply", &[PLAN, &apply])));
    stage.repo.commit(privlink::cli::demo::EXAMPLE);
    stage
        .apply()
        .ends(Exit::Partial)
        .says("LinkedAuthorizationFailed")
        .says("PrivateEndpointConnectionsApproval/action");
}
