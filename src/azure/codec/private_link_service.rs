//! Private Link Services.

use std::collections::BTreeSet;

use serde_json::Value as Json;
use serde_json::json;

use crate::azure::codec::Incomplete;
use crate::azure::codec::Malformed;
use crate::azure::codec::base;
use crate::azure::codec::connection;
use crate::azure::codec::items;
use crate::azure::codec::nat;
use crate::azure::codec::parsed;
use crate::azure::codec::provisioning;
use crate::azure::codec::references;
use crate::azure::codec::required;
use crate::azure::codec::seen;
use crate::azure::codec::text;
use crate::azure::codec::text_map;
use crate::azure::codec::texts;
use crate::domain::azure::SubscriptionId;
use crate::domain::mark::Mark;
use crate::domain::resource::Seen;
use crate::domain::resource::private_link_service::AutoApproval;
use crate::domain::resource::private_link_service::Exposure;
use crate::domain::resource::private_link_service::Frontend;
use crate::domain::resource::private_link_service::LivePrivateLinkService;
use crate::domain::resource::private_link_service::PrivateLinkService;
use crate::domain::resource::private_link_service::Visibility;

/// The property that a service has in place of a load balancer's frontend.
const DESTINATION: &str = "/properties/destinationIPAddress";

/// True for a service that sends its traffic straight to an address: it has no frontend, and privlink never writes one.
pub(crate) fn is_direct(body: &Json) -> bool {
    text(body, DESTINATION).is_some()
}

/// Reads a Private Link Service with its connections.
pub(crate) fn decode(body: &Json) -> Result<LivePrivateLinkService, Malformed> {
    let frontends = references(body, "/properties/loadBalancerFrontendIpConfigurations")?;
    let id = required(body, "/id")?;
    let Some(frontend) = frontends.into_iter().next() else {
        let why = if is_direct(body) {
            "connects straight to an address, which privlink does not manage"
        } else {
            "has no frontend"
        };
        return Err(Malformed(format!("{id} {why}")));
    };
    let tags = text_map(body, "/tags");
    let connections = items(body, "/properties/privateEndpointConnections")?;
    Ok(LivePrivateLinkService {
        service: PrivateLinkService {
            id,
            location: required(body, "/location")?,
            frontend: Frontend::Id(frontend),
            exposure: exposure(body)?,
            tags: tags.clone(),
        },
        alias: parsed(body, "/properties/alias")?,
        connections: connections.iter().map(connection::decode).collect::<Result<_, _>>()?,
        provisioning: provisioning(body),
        mark: Mark::from_tags(&tags),
        seen: seen(body)?,
    })
}

fn exposure(body: &Json) -> Result<Exposure, Malformed> {
    let visible: Vec<String> = texts(body, "/properties/visibility/subscriptions")?;
    let visibility = if visible.iter().any(|id| id == "*") {
        Visibility::AnyoneWithAlias
    } else if visible.is_empty() {
        Visibility::RoleBased
    } else {
        Visibility::Subscriptions(subscriptions(&visible)?)
    };
    let approved: Vec<String> = texts(body, "/properties/autoApproval/subscriptions")?;
    let auto_approval = if approved.iter().any(|id| id == "*") {
        AutoApproval::Everybody
    } else {
        AutoApproval::Subscriptions(subscriptions(&approved)?)
    };
    Ok(Exposure {
        nat: nat::decode(body)?,
        visibility,
        auto_approval,
        fqdns: texts(body, "/properties/fqdns")?.into_iter().collect(),
        proxy_protocol: body.pointer("/properties/enableProxyProtocol").and_then(Json::as_bool).unwrap_or_default(),
    })
}

fn subscriptions(texts: &[String]) -> Result<BTreeSet<SubscriptionId>, Malformed> {
    texts.iter().map(|text| text.parse().map_err(|error| Malformed(format!("{error}")))).collect()
}

/// Writes a Private Link Service, the whole wanted exposure always included: what is left out may be cleared or kept.
pub(crate) fn encode(service: &PrivateLinkService, seen: Option<&Seen>) -> Result<Json, Incomplete> {
    let PrivateLinkService { id: _, location, frontend, exposure, tags } = service;
    let Exposure { nat, visibility, auto_approval, fqdns, proxy_protocol } = exposure;
    let frontend = match frontend {
        Frontend::Id(id) | Frontend::OfService { known: Some(id), .. } => id,
        Frontend::OfService { service, known: None } => {
            return Err(Incomplete(format!(
                "the Service {service} has no frontend yet; wait until it has its address"
            )));
        }
    };
    let mut body = base(seen, &["alias", "networkInterfaces", "privateEndpointConnections"]);
    let configurations = nat::encode(nat, &body)?;
    let visible = match visibility {
        Visibility::RoleBased => json!([]),
        Visibility::AnyoneWithAlias => json!(["*"]),
        Visibility::Subscriptions(ids) => json!(ids),
    };
    let approved = match auto_approval {
        AutoApproval::Everybody => json!(["*"]),
        AutoApproval::Subscriptions(ids) => json!(ids),
    };
    body["location"] = json!(location);
    body["tags"] = json!(tags);
    let properties = &mut body["properties"];
    properties["loadBalancerFrontendIpConfigurations"] = json!([{ "id": frontend }]);
    properties["ipConfigurations"] = Json::Array(configurations);
    properties["visibility"] = json!({ "subscriptions": visible });
    properties["autoApproval"] = json!({ "subscriptions": approved });
    properties["fqdns"] = json!(fqdns);
    properties["enableProxyProtocol"] = json!(proxy_protocol);
    Ok(body)
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::domain::resource::Provisioning;
    use crate::domain::resource::connection::ConnectionStatus;
    use crate::domain::resource::private_link_service::Nat;

    const NETWORK: &str =
        "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/rg1/providers/Microsoft.Network";

    pub(crate) fn example() -> PrivateLinkService {
        let id = |tail: &str| format!("{NETWORK}/{tail}").parse().unwrap();
        PrivateLinkService {
            id: id("privateLinkServices/pls1"),
            location: "eastus2".parse().unwrap(),
            frontend: Frontend::Id(id("loadBalancers/lb1/frontendIPConfigurations/fe1")),
            exposure: Exposure {
                nat: Nat {
                    subnet: Some(id("virtualNetworks/vnet1/subnets/nat")),
                    count: 2,
                    addresses: vec!["10.0.1.8".parse().unwrap()],
                },
                visibility: Visibility::Subscriptions(
                    [NETWORK.split('/').nth(2).unwrap().parse().unwrap()].into_iter().collect(),
                ),
                auto_approval: AutoApproval::default(),
                fqdns: ["orders.example.com".to_owned()].into_iter().collect(),
                proxy_protocol: true,
            },
            tags: BTreeMap::from([("a".to_owned(), "b".to_owned())]),
        }
    }

    /// `pls-get-with-connection.json` of the wire samples, shortened.
    fn wire() -> Json {
        json!({
            "name": "pls1", "id": format!("{NETWORK}/privateLinkServices/pls1"), "etag": "W/\"2\"",
            "type": "Microsoft.Network/privateLinkServices", "location": "East US 2",
            "properties": {
                "provisioningState": "Succeeded", "resourceGuid": "g", "fqdns": [], "enableProxyProtocol": false,
                "accessMode": "Default",
                "alias": "pls1.dddddddd-0000-4000-8000-000000000005.eastus2.azure.privatelinkservice",
                "loadBalancerFrontendIpConfigurations":
                    [{"id": format!("{NETWORK}/loadBalancers/lb1/frontendIPConfigurations/fe1")}],
                "ipConfigurations": [{"name": "nat1", "etag": "W/\"2\"", "properties": {
                    "privateIPAllocationMethod": "Dynamic", "primary": true, "privateIPAddressVersion": "IPv4",
                    "subnet": {"id": format!("{NETWORK}/virtualNetworks/vnet1/subnets/nat")}}}],
                "privateEndpointConnections": [{
                    "name": "pe1.c", "id": format!("{NETWORK}/privateLinkServices/pls1/privateEndpointConnections/pe1.c"),
                    "properties": {"privateEndpoint": {"id": format!("{NETWORK}/privateEndpoints/pe1")},
                        "privateLinkServiceConnectionState": {"status": "Approved", "description": "Auto-Approved"},
                        "linkIdentifier": "520137877"}}],
                "networkInterfaces": [{"id": "nic"}]
            }
        })
    }

    #[test]
    fn the_wire_is_read_whole() {
        let live = decode(&wire()).unwrap();
        assert_eq!(live.service.location.as_str(), "eastus2");
        assert_eq!(live.service.exposure.nat.count, 1);
        assert_eq!(live.service.exposure.nat.addresses, Vec::<std::net::IpAddr>::new());
        assert_eq!(live.service.exposure.visibility, Visibility::RoleBased);
        assert_eq!(live.connections[0].status, ConnectionStatus::Approved);
        assert_eq!(live.connections[0].link_identifier.as_deref(), Some("520137877"));
        assert_eq!(live.provisioning, Provisioning::Succeeded);
        assert_eq!(live.seen.etag.unwrap().as_str(), "W/\"2\"");
    }

    #[test]
    fn what_is_written_reads_back() {
        let mut service = example();
        let body = encode(&service, None).unwrap();
        let mut answer = body.clone();
        answer["id"] = json!(service.id);
        assert_eq!(decode(&answer).unwrap().service, service);
        service.exposure.visibility = Visibility::AnyoneWithAlias;
        service.exposure.auto_approval = AutoApproval::Everybody;
        let mut open = encode(&service, None).unwrap();
        for list in ["visibility", "autoApproval"] {
            assert_eq!(open["properties"][list], json!({"subscriptions": ["*"]}));
        }
        open["id"] = json!(service.id);
        assert_eq!(decode(&open).unwrap().service, service);
        service.frontend = Frontend::OfService { service: "shop/orders".parse().unwrap(), known: None };
        assert!(encode(&service, None).unwrap_err().0.contains("shop/orders"));
    }

    #[test]
    fn an_update_keeps_what_it_does_not_know() {
        let live = decode(&wire()).unwrap();
        let body = encode(&live.service, Some(&live.seen)).unwrap();
        assert_eq!(body["properties"]["accessMode"], "Default");
        assert_eq!(body["properties"]["ipConfigurations"][0]["name"], "nat1");
        for computed in ["alias", "privateEndpointConnections", "networkInterfaces", "resourceGuid"] {
            assert!(body["properties"].get(computed).is_none(), "{computed}");
        }
        assert!(body.get("etag").is_none());
    }
}
