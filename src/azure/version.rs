//! The api-version sent for each resource type.

/// Microsoft.Network. An older one would hide newer properties, such as `accessMode`, and a write would then drop them.
const NETWORK: &str = "2025-05-01";
/// Private DNS has versions of its own within Microsoft.Network.
const PRIVATE_DNS: &str = "2024-06-01";
/// Microsoft.ContainerService.
const CONTAINER_SERVICE: &str = "2024-09-01";

/// Microsoft.Authorization.
const AUTHORIZATION: &str = "2022-04-01";

/// Resource groups.
const RESOURCES: &str = "2021-04-01";

/// Resource Graph.
const RESOURCE_GRAPH: &str = "2021-03-01";

/// Subscriptions.
const SUBSCRIPTIONS: &str = "2022-12-01";

/// Returns the api-version for a resource type such as `microsoft.network/privateendpoints`, in lower case.
pub(crate) fn api_version(resource_type: &str) -> &'static str {
    if resource_type.starts_with("microsoft.network/privatednszones") {
        PRIVATE_DNS
    } else if resource_type.starts_with("microsoft.containerservice/") {
        CONTAINER_SERVICE
    } else if resource_type.starts_with("microsoft.authorization/") {
        AUTHORIZATION
    } else if resource_type.starts_with("microsoft.resourcegraph/") {
        RESOURCE_GRAPH
    } else if resource_type == "microsoft.resources/subscriptions" {
        SUBSCRIPTIONS
    } else if resource_type.starts_with("microsoft.resources/") {
        RESOURCES
    } else {
        NETWORK
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_provider_has_versions_of_its_own() {
        assert_eq!(api_version("microsoft.network/privatednszones/a"), PRIVATE_DNS);
        assert_eq!(api_version("microsoft.containerservice/managedclusters"), CONTAINER_SERVICE);
        assert_eq!(api_version("microsoft.network/privateendpoints"), NETWORK);
        assert_eq!(api_version("microsoft.authorization/permissions"), AUTHORIZATION);
        assert_eq!(api_version("microsoft.resources/resourcegroups"), RESOURCES);
        assert_eq!(api_version("microsoft.resources/subscriptions"), SUBSCRIPTIONS);
        assert_eq!(api_version("microsoft.resourcegraph/resources"), RESOURCE_GRAPH);
    }
}
