//! `world.yaml`: what exists when a simulation starts.
//!
//! Names are kebab-case and an unknown key is an error that names its path. Everything is put into the simulated Azure
//! through the same rules as any client's request, so a world that could not exist does not start.

mod cluster;
mod identity;
mod operations;

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use crate::domain::azure::{Location, ResourceGroup, SubscriptionId, TenantId};
use crate::domain::cidr::Cidr;
use crate::sim::arm::{Throttling, built_in_roles};
use crate::sim::fault::Fault;
pub use crate::sim::world::cluster::{
    AdmissionRule, BackendPoolType, CloudProvider, Cluster, ClusterRole, ClusterUser, IpFamily, Node, PolicyRule,
    RoleKind, RoleMetadata,
};
pub use crate::sim::world::identity::{
    FederatedCredential, Identity, Role, RoleAssignment, RoleDefinition, Subscription, SubscriptionState,
};
pub use crate::sim::world::operations::{Length, Operations};

/// A world that cannot be read, or that contradicts itself.
#[derive(Debug, thiserror::Error)]
pub enum WorldError {
    /// The text is not a world.
    #[error("the world file cannot be read: correct the place that the cause names")]
    Syntax(#[source] serde_yaml::Error),
    /// A part of the world names something that the world does not have.
    #[error("the world file is inconsistent at {path}: {problem}")]
    Inconsistent {
        /// The path of keys, such as `virtual-networks[0].subscription`.
        path: String,
        /// What is wrong, and what to do.
        problem: String,
    },
}

/// Everything that exists at the start.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct World {
    /// Decides every GUID; equal seeds give equal aliases.
    #[serde(default)]
    pub seed: u64,
    /// The region of everything that names none.
    #[schemars(with = "String")]
    pub location: Location,
    /// The Entra tenant of every subscription that names none.
    #[schemars(with = "String")]
    pub tenant: TenantId,
    /// How long operations take.
    #[serde(default)]
    pub operations: Operations,
    /// What Azure's limits on the rate of requests do.
    #[serde(default)]
    pub throttling: Throttling,
    /// How the simulated cloud provider behaves.
    #[serde(default)]
    pub controller: Controller,
    /// Who can get a token.
    #[serde(default)]
    pub identities: Vec<Identity>,
    /// Roles beside Azure's own.
    #[serde(default)]
    pub role_definitions: Vec<RoleDefinition>,
    /// The subscriptions.
    pub subscriptions: Vec<Subscription>,
    /// The resource groups.
    #[serde(default)]
    pub resource_groups: Vec<Group>,
    /// The virtual networks.
    #[serde(default)]
    pub virtual_networks: Vec<VirtualNetwork>,
    /// The AKS clusters.
    #[serde(default)]
    pub clusters: Vec<Cluster>,
    /// The private DNS zones.
    #[serde(default)]
    pub private_dns_zones: Vec<PrivateDnsZone>,
    /// Anything else, as PUT bodies, in order.
    #[serde(default)]
    pub resources: Vec<RawResource>,
    /// Faults that are in force from the start.
    #[serde(default)]
    pub faults: Vec<Fault>,
}

/// How the simulated cloud provider behaves.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Controller {
    /// First wait after a failed reconcile before it is tried again, in milliseconds; doubles up to sixty times this.
    pub retry_milliseconds: u64,
    /// Wait before a changed Service is looked at, in milliseconds.
    pub delay_milliseconds: u64,
    /// How long it trusts what it has read of Azure, in seconds; 0 makes it read again every time.
    pub cache_seconds: u64,
}

impl Default for Controller {
    fn default() -> Self {
        Self { retry_milliseconds: 5000, delay_milliseconds: 0, cache_seconds: 120 }
    }
}

/// A resource group.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Group {
    /// Where it is.
    #[schemars(with = "String")]
    pub subscription: SubscriptionId,
    /// Its name.
    #[schemars(with = "String")]
    pub name: ResourceGroup,
    /// Its region; the world's if absent.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub location: Option<Location>,
}

/// A virtual network.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct VirtualNetwork {
    /// Where it is.
    #[schemars(with = "String")]
    pub subscription: SubscriptionId,
    /// Its resource group.
    #[schemars(with = "String")]
    pub resource_group: ResourceGroup,
    /// Its name.
    pub name: String,
    /// Its region; the world's if absent.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub location: Option<Location>,
    /// Its ranges.
    #[schemars(with = "Vec<String>")]
    pub address_space: Vec<Cidr>,
    /// Its subnets.
    #[serde(default)]
    pub subnets: Vec<Subnet>,
}

/// A subnet.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Subnet {
    /// Its name.
    pub name: String,
    /// Its ranges: one, or an IPv4 and an IPv6 one.
    #[schemars(with = "Vec<String>")]
    pub prefixes: Vec<Cidr>,
    /// `Enabled` (Azure's default) or `Disabled`.
    #[serde(default)]
    pub private_link_service_network_policies: Option<String>,
}

/// A private DNS zone.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct PrivateDnsZone {
    /// Where it is.
    #[schemars(with = "String")]
    pub subscription: SubscriptionId,
    /// Its resource group.
    #[schemars(with = "String")]
    pub resource_group: ResourceGroup,
    /// Its name, such as `orders.internal`.
    pub name: String,
    /// A record sets: relative name to addresses.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, Vec<String>>")]
    pub records: BTreeMap<String, Vec<std::net::Ipv4Addr>>,
}

/// A resource as the body of a PUT.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RawResource {
    /// The full resource id.
    pub id: String,
    /// The body.
    pub body: Value,
    /// For a Private Link Service: the GUID of its alias, which is thereby known in advance.
    #[serde(default)]
    pub alias_guid: Option<String>,
}

impl World {
    /// Reads a world.
    ///
    /// # Errors
    /// If the text is not YAML of this shape, or if a part refers to something that is not there.
    pub fn parse(text: &str) -> Result<Self, WorldError> {
        let world: Self = serde_yaml::from_str(text).map_err(WorldError::Syntax)?;
        world.check()?;
        Ok(world)
    }

    /// The tenant of a subscription.
    pub(crate) fn tenant_of(&self, subscription: &Subscription) -> TenantId {
        subscription.tenant.clone().unwrap_or_else(|| self.tenant.clone())
    }

    fn check(&self) -> Result<(), WorldError> {
        let known: BTreeSet<&SubscriptionId> = self.subscriptions.iter().map(|own| &own.id).collect();
        if known.len() != self.subscriptions.len() {
            return Err(inconsistent("subscriptions", "two entries have the same id"));
        }
        for (index, group) in self.resource_groups.iter().enumerate() {
            known_subscription(&known, &group.subscription, || format!("resource-groups[{index}].subscription"))?;
        }
        for (index, identity) in self.identities.iter().enumerate() {
            for subscription in identity.subscriptions.iter().flatten() {
                known_subscription(&known, subscription, || format!("identities[{index}].subscriptions"))?;
            }
            for (place, assignment) in identity.assignments.iter().enumerate() {
                self.check_assignment(&known, assignment, || format!("identities[{index}].assignments[{place}]"))?;
            }
        }
        for (index, cluster) in self.clusters.iter().enumerate() {
            for (place, assignment) in cluster.assignments.iter().flatten().enumerate() {
                self.check_assignment(&known, assignment, || format!("clusters[{index}].assignments[{place}]"))?;
            }
        }
        self.check_places()?;
        self.check_clusters()
    }

    fn check_assignment(
        &self,
        known: &BTreeSet<&SubscriptionId>,
        assignment: &RoleAssignment,
        path: impl Fn() -> String,
    ) -> Result<(), WorldError> {
        let RoleAssignment { role, scope } = assignment;
        let Some(subscription) = assignment.subscription() else {
            let problem = format!("'{scope}' is not the id of a subscription, a resource group or a resource");
            return Err(inconsistent(&format!("{}.scope", path()), &problem));
        };
        known_subscription(known, &subscription, || format!("{}.scope", path()))?;
        let is_known = built_in_roles().any(|own| own.eq_ignore_ascii_case(role))
            || self.role_definitions.iter().any(|own| own.name.eq_ignore_ascii_case(role));
        if is_known {
            return Ok(());
        }
        let built_in: Vec<&str> = built_in_roles().collect();
        let problem =
            format!("there is no role {role}: add it to role-definitions, or use one of {}", built_in.join(", "));
        Err(inconsistent(&format!("{}.role", path()), &problem))
    }

    fn check_places(&self) -> Result<(), WorldError> {
        for (index, network) in self.virtual_networks.iter().enumerate() {
            self.known_group((&network.subscription, &network.resource_group), || {
                format!("virtual-networks[{index}]")
            })?;
        }
        for (index, zone) in self.private_dns_zones.iter().enumerate() {
            self.known_group((&zone.subscription, &zone.resource_group), || format!("private-dns-zones[{index}]"))?;
        }
        for (index, cluster) in self.clusters.iter().enumerate() {
            for group in [&cluster.resource_group, &cluster.node_resource_group] {
                self.known_group((&cluster.subscription, group), || format!("clusters[{index}]"))?;
            }
        }
        Ok(())
    }

    fn known_group(
        &self,
        (subscription, name): (&SubscriptionId, &ResourceGroup),
        path: impl Fn() -> String,
    ) -> Result<(), WorldError> {
        if self.resource_groups.iter().any(|own| own.subscription == *subscription && own.name == *name) {
            return Ok(());
        }
        Err(inconsistent(
            &path(),
            &format!("there is no resource group {name} in subscription {subscription}: add it to resource-groups"),
        ))
    }

    fn check_clusters(&self) -> Result<(), WorldError> {
        let mut names = BTreeSet::new();
        for (index, cluster) in self.clusters.iter().enumerate() {
            let path = format!("clusters[{index}]");
            if !names.insert(&cluster.name) {
                return Err(inconsistent(&path, "another cluster has the same name, which is also its context"));
            }
            let users: BTreeSet<&String> = cluster.users.iter().map(|user| &user.name).collect();
            if users.len() != cluster.users.len() {
                return Err(inconsistent(&format!("{path}.users"), "two users have the same name"));
            }
            let network = self.virtual_networks.iter().find(|own| {
                own.name.eq_ignore_ascii_case(&cluster.virtual_network)
                    && own.subscription == cluster.subscription
                    && own.resource_group == *cluster.network_group()
            });
            let Some(network) = network else {
                let problem = format!(
                    "there is no virtual network {} in resource group {}",
                    cluster.virtual_network,
                    cluster.network_group()
                );
                return Err(inconsistent(&path, &problem));
            };
            let Some(subnet) = network.subnets.iter().find(|own| own.name.eq_ignore_ascii_case(&cluster.subnet)) else {
                let problem = format!("virtual network {} has no subnet {}", network.name, cluster.subnet);
                return Err(inconsistent(&path, &problem));
            };
            for node in &cluster.nodes {
                if !subnet.prefixes.iter().any(|prefix| prefix.contains(node.address)) {
                    let problem = format!("node {} has the address {}, outside its subnet", node.name, node.address);
                    return Err(inconsistent(&path, &problem));
                }
            }
        }
        Ok(())
    }
}

/// Reads JSON or YAML, such as a manifest.
///
/// # Errors
/// If the text is neither.
pub fn parse_yaml(text: &str) -> Result<Value, WorldError> {
    serde_yaml::from_str(text).map_err(WorldError::Syntax)
}

fn known_subscription(
    known: &BTreeSet<&SubscriptionId>,
    id: &SubscriptionId,
    path: impl Fn() -> String,
) -> Result<(), WorldError> {
    if known.contains(id) {
        return Ok(());
    }
    Err(inconsistent(&path(), &format!("there is no subscription {id}: add it to subscriptions")))
}

fn inconsistent(path: &str, problem: &str) -> WorldError {
    WorldError::Inconsistent { path: path.to_owned(), problem: problem.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINIMAL: &str = "location: East US 2\ntenant: 00000000-0000-0000-0000-0000000000aa\nsubscriptions: \
                           [{id: 00000000-0000-0000-0000-000000000001, name: one}]\n";

    fn error(text: &str) -> String {
        let error = World::parse(text).unwrap_err();
        let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
        format!("{error}{cause}")
    }

    #[test]
    fn an_unknown_key_is_an_error_that_names_its_place() {
        let text = error(&format!("{MINIMAL}operations: {{ pols: 1 }}\n"));
        assert!(text.contains("operations") && text.contains("pols"), "{text}");
    }

    #[test]
    fn a_reference_to_nothing_is_an_error_that_names_its_place() {
        let text = error(&format!(
            "{MINIMAL}resource-groups: [{{subscription: 00000000-0000-0000-0000-000000000002, name: rg}}]\n"
        ));
        assert!(text.contains("resource-groups[0].subscription") && text.contains("add it to subscriptions"), "{text}");
    }

    #[test]
    fn a_secret_is_never_shown() {
        let world = World::parse(&format!(
            "{MINIMAL}identities: [{{name: p, client-id: 00000000-0000-0000-0000-0000000000b1, secret: hush, role: reader}}]"
        ))
        .unwrap();
        assert!(!format!("{world:?}").contains("hush"));
    }

    #[test]
    fn an_assignment_names_a_role_and_a_scope_that_exist() {
        let with = |role: &str, scope: &str| {
            error(&format!(
                "{MINIMAL}identities: [{{name: p, client-id: 00000000-0000-0000-0000-0000000000b1, assignments: \
                 [{{role: {role}, scope: {scope}}}]}}]"
            ))
        };
        let text = with("Nobody", "/subscriptions/00000000-0000-0000-0000-000000000001");
        assert!(text.contains("identities[0].assignments[0].role") && text.contains("Network Contributor"), "{text}");
        let text = with("Reader", "/subscriptions/00000000-0000-0000-0000-000000000002/resourceGroups/rg");
        assert!(text.contains("identities[0].assignments[0].scope") && text.contains("add it"), "{text}");
        assert!(with("Reader", "rg").contains("'rg' is not the id"));
    }

    #[test]
    fn the_rights_that_the_readme_shows_are_rights_of_a_world() {
        let readme = include_str!("../../README.md");
        let shown = readme.split("```").find(|own| own.starts_with("yaml\nrole-definitions:")).unwrap();
        let world = World::parse(&format!("{MINIMAL}{}", &shown["yaml\n".len()..])).unwrap();
        assert_eq!(world.identities[0].assignments[1].role, world.role_definitions[0].name);
    }

    #[test]
    fn the_example_is_a_world() {
        let world = World::parse(include_str!("../../examples/world.yaml")).unwrap();
        assert_eq!(world.clusters[0].name, "myAKSCluster");
    }
}
