//! The clusters of a world.

use std::collections::BTreeMap;
use std::net::IpAddr;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use crate::domain::azure::{ResourceGroup, SubscriptionId};
use crate::sim::world::RoleAssignment;

/// An AKS cluster.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Cluster {
    /// Where it is.
    #[schemars(with = "String")]
    pub subscription: SubscriptionId,
    /// Its resource group.
    #[schemars(with = "String")]
    pub resource_group: ResourceGroup,
    /// Its name, which is also the name of its kubeconfig context.
    pub name: String,
    /// The group of its load balancers and machines.
    #[schemars(with = "String")]
    pub node_resource_group: ResourceGroup,
    /// The Kubernetes version.
    #[serde(default = "kubernetes_version")]
    pub version: String,
    /// The version of its cloud provider; the Kubernetes version if absent.
    #[serde(default)]
    pub cloud_provider_version: Option<String>,
    /// Who reconciles its Services of type LoadBalancer.
    #[serde(default)]
    pub cloud_provider: CloudProvider,
    /// The name of its virtual network, one of the world's.
    pub virtual_network: String,
    /// The resource group of the virtual network; the node resource group if absent.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub virtual_network_resource_group: Option<ResourceGroup>,
    /// The subnet of its nodes.
    pub subnet: String,
    /// The address families of its Services, the first one for who asks for none; both if absent.
    #[serde(default = "both_families")]
    pub ip_families: Vec<IpFamily>,
    /// Its nodes.
    #[serde(default)]
    pub nodes: Vec<Node>,
    /// How its load balancers know the nodes.
    #[serde(default)]
    pub backend_pool_type: BackendPoolType,
    /// True if its API server takes tokens of Entra, and Azure gives out no account of its own.
    #[serde(default)]
    pub entra: bool,
    /// Services that exist already, as manifests.
    #[serde(default)]
    pub services: Vec<Value>,
    /// What looks at every write of a Service before it is stored, as admission webhooks and policies do, in this order.
    #[serde(default)]
    pub admission: Vec<AdmissionRule>,
    /// Who else has a token for its API: each may do what its roles say, and has the context `<user>@<cluster>`.
    #[serde(default)]
    pub users: Vec<ClusterUser>,
    /// The roles of its cloud provider; contributor in the cluster's subscription if absent.
    #[serde(default)]
    pub assignments: Option<Vec<RoleAssignment>>,
}

/// Something that looks at every write of a Service before it is stored, dry runs included.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct AdmissionRule {
    /// Its name, as refusals name it.
    pub name: String,
    /// The namespaces whose Services it looks at; all if empty.
    #[serde(default)]
    pub namespaces: Vec<String>,
    /// The labels of the Services that it looks at; any if empty.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// What it makes of a Service: a merge patch (RFC 7386), such as
    /// `{ metadata: { annotations: { team: shop } }, spec: { externalTrafficPolicy: Local } }`.
    #[serde(default)]
    pub set: Option<Value>,
    /// Why it refuses every Service that it looks at; it refuses none if absent.
    #[serde(default)]
    pub refuse: Option<String>,
    /// True if it does more than to look, so that the API server refuses the dry run of what it would be asked about.
    #[serde(default)]
    pub has_side_effects: bool,
}

/// Somebody with a token for a cluster's API.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ClusterUser {
    /// The name of the user, such as `system:serviceaccount:ops:privlink`; of an application of Entra its object id.
    pub name: String,
    /// What the user may do: the manifests of the roles that are bound to it. A `ClusterRole` counts in every namespace, a
    /// `Role` in its own.
    #[serde(default)]
    pub roles: Vec<ClusterRole>,
}

/// A role of a cluster (`rbac.authorization.k8s.io/v1`).
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ClusterRole {
    /// `rbac.authorization.k8s.io/v1`.
    pub api_version: String,
    /// Whether it counts everywhere.
    pub kind: RoleKind,
    /// Its name, and the namespace of a `Role`.
    pub metadata: RoleMetadata,
    /// What it allows.
    #[serde(default)]
    pub rules: Vec<PolicyRule>,
}

/// Where a role counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum RoleKind {
    /// In every namespace, and for what has none.
    ClusterRole,
    /// In its namespace.
    Role,
}

/// The name of a role.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RoleMetadata {
    /// Its name.
    pub name: String,
    /// The namespace of a `Role`; `default` if absent.
    #[serde(default)]
    pub namespace: Option<String>,
}

/// Verbs on resources; `*` stands for all of a list.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct PolicyRule {
    /// API groups; the core group is the empty text.
    pub api_groups: Vec<String>,
    /// Resources by their plural, with a subresource as in `services/status`.
    pub resources: Vec<String>,
    /// Verbs.
    pub verbs: Vec<String>,
    /// The objects that are meant; all if empty.
    pub resource_names: Vec<String>,
}

/// An address family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum IpFamily {
    /// `IPv4`.
    IPv4,
    /// `IPv6`.
    IPv6,
}

impl IpFamily {
    /// As Azure and Kubernetes write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::IPv4 => "IPv4",
            Self::IPv6 => "IPv6",
        }
    }
}

fn both_families() -> Vec<IpFamily> {
    vec![IpFamily::IPv4, IpFamily::IPv6]
}

/// How load balancers know the nodes of a cluster (`loadBalancerBackendPoolConfigurationType`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum BackendPoolType {
    /// The network interfaces of the machines are members of the pool.
    #[default]
    NodeIpConfiguration,
    /// The pool lists the addresses of the nodes.
    NodeIp,
}

/// Who reconciles the Services of a cluster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CloudProvider {
    /// The simulator itself.
    #[default]
    Simulated,
    /// Nobody, or a real cloud provider that runs elsewhere.
    None,
}

fn kubernetes_version() -> String {
    "1.36.0".to_owned()
}

/// A node.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Node {
    /// Its name.
    pub name: String,
    /// Its address in the cluster's subnet.
    #[schemars(with = "String")]
    pub address: IpAddr,
}

impl Cluster {
    /// The resource group of the virtual network.
    pub fn network_group(&self) -> &ResourceGroup {
        self.virtual_network_resource_group.as_ref().unwrap_or(&self.node_resource_group)
    }

    /// The id of the managed cluster.
    pub fn id(&self) -> String {
        format!(
            "/subscriptions/{}/resourceGroups/{}/providers/Microsoft.ContainerService/managedClusters/{}",
            self.subscription, self.resource_group, self.name
        )
    }

    /// The id of the virtual network.
    pub fn network_id(&self) -> String {
        format!(
            "/subscriptions/{}/resourceGroups/{}/providers/Microsoft.Network/virtualNetworks/{}",
            self.subscription,
            self.network_group(),
            self.virtual_network
        )
    }
}
