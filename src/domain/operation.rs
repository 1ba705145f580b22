//! What privlink and a cluster's cloud provider do in Azure and in a cluster, and the right that each takes: the one table.
//!
//! Plans look rights up in it beforehand, and `privlink rbac` prints roles from it. Source of the actions: Azure's list of
//! resource provider operations, and its linked access checks (every reference of a written body needs a right of its own).

use std::collections::BTreeSet;

/// Who does something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Party {
    /// The identity that plans: it only reads.
    Plan,
    /// The identity that applies.
    Apply,
    /// The cluster's identity, as which its cloud provider acts in a network outside the group of the nodes.
    Cluster,
}

/// What of an environment takes a right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Use {
    /// A cluster.
    Cluster,
    /// The way into a cluster that Azure gives.
    ClusterCredentials,
    /// A Private Link Service that the cloud provider builds.
    ClusterLink,
    /// One that it builds outside the resource group of the nodes.
    ClusterLinkElsewhere,
    /// A Private Link Service that privlink writes.
    OwnLink,
    /// A rule about connections.
    ConnectionRule,
    /// A private endpoint.
    Endpoint,
    /// A DNS record.
    Record,
    /// A virtual network link of a zone.
    ZoneLink,
}

impl Use {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Cluster,
        Self::ClusterCredentials,
        Self::ClusterLink,
        Self::ClusterLinkElsewhere,
        Self::OwnLink,
        Self::ConnectionRule,
        Self::Endpoint,
        Self::Record,
        Self::ZoneLink,
    ];
}

/// An action of Azure that somebody needs.
#[derive(Clone, Copy, Debug)]
pub struct Operation {
    /// The action, in Azure's spelling.
    pub action: &'static str,
    /// Who needs it.
    pub by: &'static [Party],
    /// For what; one of these is enough, and none means always.
    pub uses: &'static [Use],
    /// What is done with it, for people.
    pub why: &'static str,
}

/// To be let into a cluster.
pub const CLUSTER_CREDENTIALS: &str = "Microsoft.ContainerService/managedClusters/listClusterUserCredential/action";
/// To take addresses of a subnet.
pub const JOIN_SUBNET: &str = "Microsoft.Network/virtualNetworks/subnets/join/action";
/// To link a zone to a network.
pub const JOIN_NETWORK: &str = "Microsoft.Network/virtualNetworks/join/action";
/// To put a Private Link Service on a frontend.
pub const JOIN_FRONTEND: &str = "Microsoft.Network/loadBalancers/frontendIPConfigurations/join/action";
/// To write a subnet that refers to a network security group.
pub const JOIN_SECURITY_GROUP: &str = "Microsoft.Network/networkSecurityGroups/join/action";
/// To write a subnet that refers to a route table.
pub const JOIN_ROUTE_TABLE: &str = "Microsoft.Network/routeTables/join/action";
/// To write a subnet that refers to a NAT gateway.
pub const JOIN_NAT_GATEWAY: &str = "Microsoft.Network/natGateways/join/action";
/// To look at a subnet.
pub const READ_SUBNET: &str = "Microsoft.Network/virtualNetworks/subnets/read";
/// To switch a subnet's policy.
pub const WRITE_SUBNET: &str = "Microsoft.Network/virtualNetworks/subnets/write";
/// To look at Private Link Services.
pub const READ_LINK: &str = "Microsoft.Network/privateLinkServices/read";
/// To write a Private Link Service.
pub const WRITE_LINK: &str = "Microsoft.Network/privateLinkServices/write";
/// To delete a Private Link Service.
pub const DELETE_LINK: &str = "Microsoft.Network/privateLinkServices/delete";
/// To connect to a Private Link Service that does not approve by itself.
pub const APPROVE: &str = "Microsoft.Network/privateLinkServices/PrivateEndpointConnectionsApproval/action";
/// To answer a connection.
pub const WRITE_CONNECTION: &str = "Microsoft.Network/privateLinkServices/privateEndpointConnections/write";
/// To cut a connection.
pub const DELETE_CONNECTION: &str = "Microsoft.Network/privateLinkServices/privateEndpointConnections/delete";
/// To write a private endpoint.
pub const WRITE_ENDPOINT: &str = "Microsoft.Network/privateEndpoints/write";
/// To delete a private endpoint.
pub const DELETE_ENDPOINT: &str = "Microsoft.Network/privateEndpoints/delete";
/// To write a record.
pub const WRITE_RECORD: &str = "Microsoft.Network/privateDnsZones/A/write";
/// To delete a record.
pub const DELETE_RECORD: &str = "Microsoft.Network/privateDnsZones/A/delete";
/// To link a zone.
pub const WRITE_ZONE_LINK: &str = "Microsoft.Network/privateDnsZones/virtualNetworkLinks/write";
/// To unlink a zone.
pub const DELETE_ZONE_LINK: &str = "Microsoft.Network/privateDnsZones/virtualNetworkLinks/delete";

const READERS: &[Party] = &[Party::Plan, Party::Apply];
const LINKS: &[Use] = &[Use::ClusterLink, Use::OwnLink, Use::ConnectionRule];

const fn reads(action: &'static str, uses: &'static [Use], why: &'static str) -> Operation {
    Operation { action, by: READERS, uses, why }
}

const fn plans(action: &'static str, uses: &'static [Use], why: &'static str) -> Operation {
    Operation { action, by: &[Party::Plan], uses, why }
}

const fn applies(action: &'static str, uses: &'static [Use], why: &'static str) -> Operation {
    Operation { action, by: &[Party::Apply], uses, why }
}

/// What the cloud provider does in a group that is not the nodes'.
const fn builds(action: &'static str, why: &'static str) -> Operation {
    Operation { action, by: &[Party::Cluster], uses: &[Use::ClusterLinkElsewhere], why }
}

/// Everything that is done in Azure.
pub const OPERATIONS: &[Operation] = &[
    plans("Microsoft.ContainerService/managedClusters/read", &[Use::Cluster], "says where everything else is"),
    reads(CLUSTER_CREDENTIALS, &[Use::ClusterCredentials], "gets the way into the cluster"),
    reads("Microsoft.Network/loadBalancers/read", &[Use::Cluster], "finds the frontends of Services"),
    reads(READ_LINK, &[], "looks at Private Link Services and who is connected"),
    reads("Microsoft.Network/privateEndpoints/read", &[], "looks at private endpoints"),
    reads("Microsoft.Network/networkInterfaces/read", &[], "finds the addresses of private endpoints"),
    plans("Microsoft.Network/virtualNetworks/read", &[], "looks at networks, their subnets and the policies of these"),
    applies(READ_SUBNET, &[Use::OwnLink], "reads a subnet before it is written"),
    plans("Microsoft.Network/privateDnsZones/read", &[], "finds the zones"),
    reads("Microsoft.Network/privateDnsZones/A/read", &[], "looks at records"),
    reads("Microsoft.Network/privateDnsZones/virtualNetworkLinks/read", &[], "looks at the links of zones"),
    Operation {
        action: "Microsoft.Authorization/permissions/read",
        by: READERS,
        uses: &[],
        why: "lets plans say beforehand which right is lacking, and which list Azure cuts short",
    },
    plans(
        "Microsoft.Authorization/roleAssignments/read",
        &[Use::Cluster],
        "lets plans say beforehand which right the cluster's identity lacks",
    ),
    plans(
        "Microsoft.Authorization/roleDefinitions/read",
        &[Use::Cluster],
        "lets plans say beforehand which right the cluster's identity lacks",
    ),
    plans(
        "Microsoft.Network/virtualNetworks/checkIpAddressAvailability/read",
        &[],
        "lets plans say beforehand which address is taken",
    ),
    plans(
        "Microsoft.Resources/subscriptions/resourceGroups/read",
        &[],
        "lets plans say beforehand which resource group is missing",
    ),
    Operation {
        action: JOIN_SUBNET,
        by: &[Party::Apply],
        uses: &[Use::OwnLink, Use::Endpoint],
        why: "takes addresses of a subnet",
    },
    Operation { action: JOIN_SUBNET, by: &[Party::Cluster], uses: &[], why: "takes addresses of a subnet" },
    Operation { action: READ_SUBNET, by: &[Party::Cluster], uses: &[], why: "looks at the subnet of an address" },
    applies(JOIN_FRONTEND, &[Use::OwnLink], "puts a Private Link Service on a frontend"),
    applies(JOIN_NETWORK, &[Use::ZoneLink], "links a zone to a network"),
    applies(WRITE_SUBNET, &[Use::OwnLink], "switches off the policy of a subnet that refuses NAT addresses"),
    Operation {
        action: WRITE_SUBNET,
        by: &[Party::Cluster],
        uses: &[Use::ClusterLink],
        why: "switches off the policy of a subnet that refuses NAT addresses",
    },
    applies(JOIN_SECURITY_GROUP, &[Use::OwnLink], "writes a subnet with its network security group"),
    applies(JOIN_ROUTE_TABLE, &[Use::OwnLink], "writes a subnet with its route table"),
    applies(JOIN_NAT_GATEWAY, &[Use::OwnLink], "writes a subnet with its NAT gateway"),
    Operation {
        action: JOIN_SECURITY_GROUP,
        by: &[Party::Cluster],
        uses: &[Use::ClusterLink],
        why: "writes a subnet with its network security group",
    },
    Operation {
        action: JOIN_ROUTE_TABLE,
        by: &[Party::Cluster],
        uses: &[Use::ClusterLink],
        why: "writes a subnet with its route table",
    },
    Operation {
        action: JOIN_NAT_GATEWAY,
        by: &[Party::Cluster],
        uses: &[Use::ClusterLink],
        why: "writes a subnet with its NAT gateway",
    },
    builds(READ_LINK, "looks at Private Link Services and who is connected"),
    builds(WRITE_LINK, "writes a Private Link Service"),
    builds(DELETE_LINK, "deletes a Private Link Service whose frontend goes"),
    builds(DELETE_CONNECTION, "cuts connections before a Private Link Service goes"),
    applies(WRITE_LINK, &[Use::OwnLink], "writes a Private Link Service"),
    applies(DELETE_LINK, LINKS, "deletes a Private Link Service that is not asked for any more"),
    applies(WRITE_CONNECTION, &[Use::ConnectionRule], "answers connections by rule"),
    applies(DELETE_CONNECTION, LINKS, "cuts connections before a Private Link Service goes"),
    applies(WRITE_ENDPOINT, &[Use::Endpoint], "writes a private endpoint"),
    applies(DELETE_ENDPOINT, &[Use::Endpoint], "deletes or replaces a private endpoint"),
    applies(
        APPROVE,
        &[Use::Endpoint],
        "connects to a Private Link Service that does not let the subscription in by itself",
    ),
    applies(WRITE_RECORD, &[Use::Record], "writes a record"),
    applies(DELETE_RECORD, &[Use::Record], "deletes a record"),
    applies(WRITE_ZONE_LINK, &[Use::ZoneLink], "links a zone to a network"),
    applies(DELETE_ZONE_LINK, &[Use::ZoneLink], "deletes a link of a zone"),
];

/// What somebody needs for these uses, by action.
pub fn of(party: Party, uses: &BTreeSet<Use>) -> Vec<&'static Operation> {
    let is_used = |own: &&Operation| own.uses.is_empty() || own.uses.iter().any(|one| uses.contains(one));
    let mut found: Vec<&Operation> = OPERATIONS.iter().filter(|own| own.by.contains(&party)).filter(is_used).collect();
    found.sort_by_key(|own| own.action);
    found
}

/// The narrowest of Azure's own roles that gives an action.
pub fn built_in_role(action: &str) -> &'static str {
    if action.starts_with("Microsoft.Network/privateDnsZones/") {
        "Private DNS Zone Contributor"
    } else {
        "Network Contributor"
    }
}

/// A right in a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClusterRight {
    /// The resource, in the core group.
    pub resource: &'static str,
    /// The verb.
    pub verb: &'static str,
    /// Who needs it.
    pub by: &'static [Party],
    /// What is done with it, for people.
    pub why: &'static str,
}

/// Everything that is done in a cluster; `plan/preflight/access.rs` says which change takes which of it.
pub const CLUSTER_RIGHTS: &[ClusterRight] = &[
    ClusterRight { resource: "services", verb: "list", by: &[Party::Plan], why: "looks at Services" },
    ClusterRight {
        resource: "namespaces",
        verb: "get",
        by: &[Party::Plan],
        why: "lets plans say beforehand which namespace is missing",
    },
    ClusterRight {
        resource: "services",
        verb: "get",
        by: &[Party::Apply],
        why: "reads a Service before it is written",
    },
    ClusterRight { resource: "services", verb: "create", by: &[Party::Apply], why: "applies a Service that is new" },
    ClusterRight { resource: "services", verb: "patch", by: &[Party::Apply], why: "applies a Service" },
    ClusterRight { resource: "services", verb: "delete", by: &[Party::Apply], why: "deletes a Service" },
    ClusterRight {
        resource: "events",
        verb: "list",
        by: &[Party::Plan, Party::Apply],
        why: "says what a Service waits for",
    },
];

/// What is done in a cluster beside that, where the settings let namespaces be created.
pub const NAMESPACE_RIGHTS: &[ClusterRight] = &[
    ClusterRight {
        resource: "namespaces",
        verb: "get",
        by: &[Party::Apply],
        why: "reads a namespace before it is created",
    },
    ClusterRight {
        resource: "namespaces",
        verb: "create",
        by: &[Party::Apply],
        why: "creates a namespace that is missing",
    },
    ClusterRight {
        resource: "namespaces",
        verb: "patch",
        by: &[Party::Apply],
        why: "creates a namespace that is missing",
    },
];

/// How a cluster is used, as far as rights depend on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClusterUse {
    /// True if one user plans and applies: then the rights to apply are all of them.
    pub has_one_user: bool,
    /// True if a namespace that is missing is created.
    pub creates_namespaces: bool,
}

/// What somebody needs in a cluster.
pub fn in_cluster(party: Party, how: ClusterUse) -> impl Iterator<Item = &'static ClusterRight> {
    let ClusterUse { has_one_user, creates_namespaces } = how;
    let is_needed = move |right: &&ClusterRight| {
        right.by.contains(&party) || (has_one_user && party == Party::Apply && right.by.contains(&Party::Plan))
    };
    let of_namespaces = NAMESPACE_RIGHTS.iter().filter(move |_| creates_namespaces);
    // Whoever plans as well reads namespaces anyway.
    let is_new = move |right: &&ClusterRight| right.verb != "get" || !has_one_user;
    CLUSTER_RIGHTS.iter().chain(of_namespaces.filter(is_new)).filter(is_needed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_needs_an_action_twice_and_a_plan_writes_nothing() {
        let all: BTreeSet<Use> = Use::ALL.into();
        for party in [Party::Plan, Party::Apply, Party::Cluster] {
            let actions: Vec<&str> = of(party, &all).into_iter().map(|own| own.action).collect();
            let distinct: BTreeSet<&&str> = actions.iter().collect();
            assert_eq!(distinct.len(), actions.len(), "{party:?}: {actions:?}");
            let changes = |action: &str| !action.ends_with("/read") && action != CLUSTER_CREDENTIALS;
            assert!(party != Party::Plan || !actions.iter().copied().any(changes), "{actions:?}");
        }
    }
}
