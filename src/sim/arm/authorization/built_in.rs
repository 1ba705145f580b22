//! Azure's own roles, as far as they concern what is simulated. Their GUIDs are the same in every tenant.

use crate::sim::arm::authorization::role::RoleDefinition;

struct BuiltIn {
    id: &'static str,
    name: &'static str,
    description: &'static str,
    actions: &'static [&'static str],
    not_actions: &'static [&'static str],
}

const BUILT_IN: &[BuiltIn] = &[
    BuiltIn {
        id: "8e3af657-a8ff-443c-a75c-2fe8c4bcb635",
        name: "Owner",
        description: "Does everything, and decides who else may.",
        actions: &["*"],
        not_actions: &[],
    },
    BuiltIn {
        id: "b24988ac-6180-42a0-ab88-20f7382dd24c",
        name: "Contributor",
        description: "Does everything but decide who else may.",
        actions: &["*"],
        not_actions: &[
            "Microsoft.Authorization/*/Delete",
            "Microsoft.Authorization/*/Write",
            "Microsoft.Authorization/elevateAccess/Action",
        ],
    },
    BuiltIn {
        id: "acdd72a7-3385-48ef-bd42-f606fba81ae7",
        name: "Reader",
        description: "Sees everything and changes nothing.",
        actions: &["*/read"],
        not_actions: &[],
    },
    BuiltIn {
        id: "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9",
        name: "User Access Administrator",
        description: "Decides who may do what.",
        actions: &["*/read", "Microsoft.Authorization/*"],
        not_actions: &[],
    },
    BuiltIn {
        id: "4d97b98b-1d4f-4787-a291-c67834d212e7",
        name: "Network Contributor",
        description: "Manages networks, but not who may use them.",
        actions: &[
            "Microsoft.Authorization/*/read",
            "Microsoft.Network/*",
            "Microsoft.Resources/deployments/*",
            "Microsoft.Resources/subscriptions/resourceGroups/read",
        ],
        not_actions: &[],
    },
    BuiltIn {
        id: "b12aa53e-6015-4669-85d0-8515ebb3ae7f",
        name: "Private DNS Zone Contributor",
        description: "Manages private DNS zones, but not the networks they are linked to.",
        actions: &[
            "Microsoft.Authorization/*/read",
            "Microsoft.Network/privateDnsOperationResults/*",
            "Microsoft.Network/privateDnsOperationStatuses/*",
            "Microsoft.Network/privateDnsZones/*",
            "Microsoft.Network/virtualNetworks/join/action",
            "Microsoft.Network/virtualNetworks/read",
            "Microsoft.Resources/deployments/*",
            "Microsoft.Resources/subscriptions/resourceGroups/read",
        ],
        not_actions: &[],
    },
    BuiltIn {
        id: "4abbcc35-e782-43d8-92c5-2d3f1bd2253f",
        name: "Azure Kubernetes Service Cluster User Role",
        description: "Gets the user credential of a cluster.",
        actions: &[
            "Microsoft.ContainerService/managedClusters/listClusterUserCredential/action",
            "Microsoft.ContainerService/managedClusters/read",
        ],
        not_actions: &[],
    },
];

fn owned(list: &[&str]) -> Vec<String> {
    list.iter().map(|own| (*own).to_owned()).collect()
}

/// The roles that every tenant has.
pub(super) fn roles() -> Vec<RoleDefinition> {
    let role = |own: &BuiltIn| RoleDefinition {
        id: own.id.to_owned(),
        name: own.name.to_owned(),
        description: own.description.to_owned(),
        is_built_in: true,
        actions: owned(own.actions),
        not_actions: owned(own.not_actions),
    };
    BUILT_IN.iter().map(role).collect()
}

/// What they are called.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    BUILT_IN.iter().map(|own| own.name)
}
