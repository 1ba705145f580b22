//! Managed clusters and the frontends of load balancers: read only.

use serde_json::Value as Json;

use crate::azure::codec::Malformed;
use crate::azure::codec::items;
use crate::azure::codec::parsed;
use crate::azure::codec::required;
use crate::azure::codec::text;
use crate::domain::azure::PrincipalId;
use crate::domain::azure::ResourceId;
use crate::domain::cluster::Balancing;
use crate::domain::cluster::BalancingRule;
use crate::domain::cluster::HealthProbe;
use crate::domain::cluster::IpFamily;
use crate::domain::cluster::LoadBalancerFrontend;
use crate::domain::cluster::ManagedCluster;
use crate::domain::cluster::RuleSettings;

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
        ip_families: families(body)?,
        balancing: balancing(body),
        principal: principal(body)?,
    })
}

/// The address families of Services, in the cluster's order; none where it does not say.
fn families(body: &Json) -> Result<Vec<IpFamily>, Malformed> {
    let given = items(body, "/properties/networkProfile/ipFamilies")?.iter();
    Ok(given.filter_map(Json::as_str).filter_map(IpFamily::read).collect())
}

/// The control plane's identity, which is the cloud provider's: the system's, or the only one that a user assigned.
fn principal(body: &Json) -> Result<Option<PrincipalId>, Malformed> {
    if let Some(own) = parsed(body, "/identity/principalId")? {
        return Ok(Some(own));
    }
    let assigned = body.pointer("/identity/userAssignedIdentities").and_then(Json::as_object);
    let mut assigned = assigned.into_iter().flat_map(|map| map.values());
    match (assigned.next(), assigned.next()) {
        (Some(only), None) => parsed(only, "/principalId"),
        _ => Ok(None),
    }
}

fn balancing(body: &Json) -> Balancing {
    let is = |place: &str, word: &str| text(body, place).is_some_and(|text| text.eq_ignore_ascii_case(word));
    Balancing {
        is_basic: is("/properties/networkProfile/loadBalancerSku", "basic"),
        by_address: is("/properties/networkProfile/loadBalancerProfile/backendPoolType", "NodeIP"),
    }
}

/// Reads the frontends of a load balancer, each with the rules on it.
pub(crate) fn frontends(body: &Json) -> Result<Vec<LoadBalancerFrontend>, Malformed> {
    let rules = rules(body)?;
    let frontend = |item: &Json| {
        let id: ResourceId = required(item, "/id")?;
        let own = rules.iter().filter(|(frontend, _)| *frontend == id).map(|(_, rule)| rule.clone());
        Ok(LoadBalancerFrontend {
            address: parsed(item, "/properties/privateIPAddress")?,
            subnet: parsed(item, "/properties/subnet/id")?,
            rules: own.collect(),
            id,
        })
    };
    items(body, "/properties/frontendIPConfigurations")?.iter().map(frontend).collect()
}

/// Every rule that listens on a frontend, with the frontend. Outbound rules listen to nothing.
fn rules(body: &Json) -> Result<Vec<(ResourceId, BalancingRule)>, Malformed> {
    let probes = items(body, "/properties/probes")?;
    let balancing =
        items(body, "/properties/loadBalancingRules")?.iter().map(|item| (item, Some(settings(item, probes))));
    let nat = items(body, "/properties/inboundNatRules")?.iter().map(|item| (item, None));
    let rule = |(item, settings): (&Json, Option<RuleSettings>)| {
        let rule = BalancingRule {
            name: text(item, "/name").unwrap_or_default().to_owned(),
            protocol: text(item, "/properties/protocol").unwrap_or_default().to_owned(),
            port: number(item, "/properties/frontendPort").unwrap_or_default(),
            settings,
        };
        let frontend = parsed(item, "/properties/frontendIPConfiguration/id")?;
        Ok(frontend.map(|frontend: ResourceId| (frontend, rule)))
    };
    balancing.chain(nat).filter_map(|item| rule(item).transpose()).collect()
}

/// What a rule says, with Azure's defaults for what it leaves out.
fn settings(rule: &Json, probes: &[Json]) -> RuleSettings {
    let is = |place: &str| rule.pointer(place).and_then(Json::as_bool).unwrap_or_default();
    let probe = text(rule, "/properties/probe/id").and_then(|id| id.rsplit('/').next());
    let probe = probe.and_then(|name| {
        probes.iter().find(|probe| text(probe, "/name").is_some_and(|own| own.eq_ignore_ascii_case(name)))
    });
    RuleSettings {
        backend_port: number(rule, "/properties/backendPort").unwrap_or_default(),
        floating_ip: is("/properties/enableFloatingIP"),
        idle_timeout: number(rule, "/properties/idleTimeoutInMinutes").unwrap_or(4),
        tcp_reset: is("/properties/enableTcpReset"),
        distribution: text(rule, "/properties/loadDistribution").unwrap_or("Default").to_owned(),
        probe: probe.map(health_probe),
    }
}

fn health_probe(probe: &Json) -> HealthProbe {
    let threshold = number(probe, "/properties/probeThreshold").or(number(probe, "/properties/numberOfProbes"));
    HealthProbe {
        protocol: text(probe, "/properties/protocol").unwrap_or_default().to_ascii_lowercase(),
        port: number(probe, "/properties/port").unwrap_or_default(),
        path: text(probe, "/properties/requestPath").map(ToOwned::to_owned),
        interval: number(probe, "/properties/intervalInSeconds").unwrap_or_default(),
        threshold: threshold.unwrap_or_default(),
    }
}

fn number<T: TryFrom<i64>>(body: &Json, place: &str) -> Option<T> {
    body.pointer(place).and_then(Json::as_i64).and_then(|number| T::try_from(number).ok())
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
        assert_eq!(cluster.balancing, Balancing::default());
        body["properties"]["networkProfile"] =
            json!({"loadBalancerSku": "Basic", "loadBalancerProfile": {"backendPoolType": "nodeIP"}});
        assert_eq!(decode(&body).unwrap().balancing, Balancing { is_basic: true, by_address: true });
        assert_eq!(decode(&body).unwrap().principal, None);
        let principal = "00000000-0000-0000-0000-0000000000c1";
        body["identity"] =
            json!({"type": "UserAssigned", "userAssignedIdentities": {"/x": {"principalId": principal}}});
        assert_eq!(decode(&body).unwrap().principal.unwrap().as_str(), principal);
        body["identity"]["userAssignedIdentities"]["/y"] = json!({"principalId": principal});
        assert_eq!(decode(&body).unwrap().principal, None, "which of two it is nobody tells");
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

    #[test]
    fn a_frontend_has_the_rules_that_listen_on_it() {
        let id = |name: &str| format!("{GROUP}/Microsoft.Network/loadBalancers/lb/frontendIPConfigurations/{name}");
        let rule = |name: &str, on: &str, port: u16| {
            json!({"name": name, "properties": {"protocol": "Tcp", "frontendPort": port,
                "frontendIPConfiguration": {"id": id(on)}}})
        };
        let body = json!({"properties": {
            "frontendIPConfigurations": [{"id": id("f")}, {"id": id("g")}],
            "loadBalancingRules": [rule("a-TCP-80", "F", 80), rule("b-TCP-81", "g", 81)],
            "inboundNatRules": [rule("ssh", "f", 22), {"name": "pool", "properties": {}}]}});
        let frontends = frontends(&body).unwrap();
        let names = |index: usize| frontends[index].rules.iter().map(|rule| rule.name.as_str()).collect::<Vec<_>>();
        assert_eq!((names(0), names(1)), (vec!["a-TCP-80", "ssh"], vec!["b-TCP-81"]));
        assert_eq!(frontends[0].balancer(), "lb");
    }
}
