//! Managed clusters and the frontends of load balancers: read only.

use serde_json::Value as Json;

use crate::azure::codec::Malformed;
use crate::azure::codec::items;
use crate::azure::codec::parsed;
use crate::azure::codec::required;
use crate::azure::codec::text;
use crate::domain::azure::ResourceId;
use crate::domain::cluster::LoadBalancerFrontend;
use crate::domain::cluster::ManagedCluster;

/// Reads a managed cluster. Without a subnet of its own network, `node_subnet` is left to the caller.
pub(crate) fn decode(body: &Json) -> Result<ManagedCluster, Malformed> {
    let subnet = |pool: &Json| parsed::<ResourceId>(pool, "/vnetSubnetID").transpose();
    let node_subnet = items(body, "/properties/agentPoolProfiles")?.iter().find_map(subnet).transpose()?;
    // The current version runs; the other one was asked for.
    let version = text(body, "/properties/currentKubernetesVersion")
        .or_else(|| text(body, "/properties/kubernetesVersion"))
        .map(ToOwned::to_owned);
    Ok(ManagedCluster {
        id: required(body, "/id")?,
        location: required(body, "/location")?,
        node_resource_group: required(body, "/properties/nodeResourceGroup")?,
        node_subnet,
        version,
    })
}

/// Reads the frontends of a load balancer.
pub(crate) fn frontends(body: &Json) -> Result<Vec<LoadBalancerFrontend>, Malformed> {
    let frontend = |item: &Json| {
        Ok(LoadBalancerFrontend {
            id: required(item, "/id")?,
            address: parsed(item, "/properties/privateIPAddress")?,
            subnet: parsed(item, "/properties/subnet/id")?,
        })
    };
    items(body, "/properties/frontendIPConfigurations")?.iter().map(frontend).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const GROUP: &str = "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/rg1/providers";

    #[test]
    fn a_cluster_tells_where_its_nodes_are() {
        let subnet = format!("{GROUP}/Microsoft.Network/virtualNetworks/v/subnets/nodes");
        let mut body = json!({"id": format!("{GROUP}/Microsoft.ContainerService/managedClusters/prod"),
            "location": "eastus2", "properties": {"nodeResourceGroup": "MC_rg1_prod_eastus2",
            "currentKubernetesVersion": "1.33.2", "kubernetesVersion": "1.33",
            "agentPoolProfiles": [{"name": "a"}, {"name": "b", "vnetSubnetID": subnet}]}});
        let cluster = decode(&body).unwrap();
        assert_eq!(cluster.virtual_network().unwrap().name(), "v");
        assert_eq!(cluster.version.as_deref(), Some("1.33.2"));
        body["properties"]["nodeResourceGroup"] = Json::Null;
        assert!(decode(&body).unwrap_err().0.contains("nodeResourceGroup"));
    }

    #[test]
    fn a_public_frontend_has_no_private_address() {
        let id = format!("{GROUP}/Microsoft.Network/loadBalancers/lb/frontendIPConfigurations/f");
        let body = json!({"properties": {"frontendIPConfigurations":
            [{"id": id, "properties": {"publicIPAddress": {"id": "x"}, "privateIPAllocationMethod": "Dynamic"}}]}});
        let frontends = frontends(&body).unwrap();
        assert_eq!((frontends[0].address, &frontends[0].subnet), (None, &None));
    }
}
