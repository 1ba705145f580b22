//! The rules, one by one, through [`Arm::call`].

mod deployments;
mod load_balancers;
mod operations;
mod others;
mod private_dns;
mod private_endpoints;
mod private_link_services;
mod registrations;
mod requests;
mod rights;
mod role_assignments;
mod subnets;

use serde_json::{Value, json};

use super::{Arm, Caller, Principal, Reply, Request};
use crate::sim::clock::Clock;
use crate::sim::fault::Fault;
use crate::sim::world::World;

const PROVIDER: &str = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups";
const CONSUMER: &str = "/subscriptions/00000000-0000-0000-0000-000000000002/resourceGroups";
const FOREIGN: &str = "/subscriptions/00000000-0000-0000-0000-000000000003/resourceGroups";
const NODE_GROUP: &str = "MC_myResourceGroup_myAKSCluster_eastus2";

fn example() -> Arm {
    let world = World::parse(include_str!("../../../../examples/world.yaml")).unwrap();
    crate::sim::resource_manager(&world, &Clock::start()).unwrap()
}

/// A world whose identities have rights that a test chooses.
struct Azure {
    arm: Arm,
    world: World,
}

impl Azure {
    /// The example world, with more lines in it.
    fn with(lines: &str) -> Self {
        let text =
            include_str!("../../../../examples/world.yaml").replace("identities:\n", &format!("identities:\n{lines}"));
        let world = World::parse(&text).unwrap();
        Self { arm: crate::sim::resource_manager(&world, &Clock::start()).unwrap(), world }
    }

    fn object_id(&self, name: &str) -> String {
        self.world.identities.iter().find(|own| own.name == name).unwrap().object_id()
    }

    /// A request as it comes over HTTP, once the token of an identity is checked.
    fn call(&self, name: &str, (method, path): (&str, &str), body: Option<Value>) -> Reply {
        let path = if path.contains('?') { path.to_owned() } else { format!("{path}?api-version=2025-05-01") };
        let mut request = Request::internal(method, &path, &[], body);
        let (name, object_id, tenant) = (name.to_owned(), self.object_id(name), self.world.tenant.to_string());
        request.caller = Caller::Identity(Principal { name, object_id, tenant, is_internal: false });
        self.arm.answer(&request).into_json()
    }

    #[track_caller]
    fn get(&self, name: &str, path: &str) -> Value {
        let reply = self.call(name, ("GET", path), None);
        assert_eq!(reply.status, 200, "GET {path}: {reply:?}");
        reply.body
    }
}

fn network(group: &str, rest: &str) -> String {
    format!("{PROVIDER}/{group}/providers/Microsoft.Network/{rest}")
}

fn subnet(name: &str) -> String {
    network(NODE_GROUP, &format!("virtualNetworks/aks-vnet/subnets/{name}"))
}

fn balancer() -> String {
    network(NODE_GROUP, "loadBalancers/kubernetes-internal")
}

fn service(name: &str) -> String {
    network("rg-pls", &format!("privateLinkServices/{name}"))
}

fn endpoint(name: &str) -> String {
    format!("{CONSUMER}/myOtherResourceGroup/providers/Microsoft.Network/privateEndpoints/{name}")
}

fn consumer_subnet() -> Value {
    let network = "myOtherResourceGroup/providers/Microsoft.Network/virtualNetworks/myOtherVNET";
    json!({ "id": format!("{CONSUMER}/{network}/subnets/pe-subnet") })
}

#[track_caller]
fn put(arm: &Arm, id: &str, body: Value) -> Value {
    let accepted = arm.call("PUT", id, &[], Some(body));
    let settled = arm.settle(&accepted);
    assert!(settled.is_success(), "PUT {id}: {settled:?}");
    settled.body
}

#[track_caller]
fn get(arm: &Arm, id: &str) -> Value {
    let reply = arm.call("GET", id, &[], None);
    assert_eq!(reply.status, 200, "GET {id}: {reply:?}");
    reply.body
}

#[track_caller]
fn delete(arm: &Arm, id: &str) {
    let accepted = arm.call("DELETE", id, &[], None);
    let settled = arm.settle(&accepted);
    assert!(settled.is_success(), "DELETE {id}: {settled:?}");
}

#[track_caller]
fn refused(reply: &Reply, status: u16, code: &str) {
    assert_eq!((reply.status, reply.error_code()), (status, code), "{reply:?}");
}

fn frontend(name: &str, subnet_name: &str, address: Option<&str>) -> Value {
    let mut out = json!({ "name": name, "properties": { "subnet": { "id": subnet(subnet_name) } } });
    if let Some(address) = address {
        out["properties"]["privateIPAddress"] = address.into();
        out["properties"]["privateIPAllocationMethod"] = "Static".into();
    }
    out
}

fn with_frontends(frontends: &[Value]) -> Value {
    json!({ "location": "eastus2", "sku": { "name": "Standard" }, "properties": { "frontendIPConfigurations": frontends } })
}

fn policies_off(arm: &Arm) {
    let mut body = get(arm, &subnet("pls-subnet"));
    body["properties"]["privateLinkServiceNetworkPolicies"] = "Disabled".into();
    put(arm, &subnet("pls-subnet"), body);
}

fn service_on(frontend: &str, extra: Value) -> Value {
    let mut properties = json!({
        "loadBalancerFrontendIpConfigurations": [{ "id": format!("{}/frontendIPConfigurations/{frontend}", balancer()) }],
        "ipConfigurations": [{ "name": "nat-0", "properties": { "subnet": { "id": subnet("pls-subnet") } } }],
    });
    for (key, value) in extra.as_object().unwrap() {
        properties[key] = value.clone();
    }
    json!({ "location": "eastus2", "properties": properties })
}

/// A load balancer with frontend `a`, and service `orders` on it.
fn published(extra: Value) -> Arm {
    let arm = example();
    put(&arm, &balancer(), with_frontends(&[frontend("a", "aks-subnet", None)]));
    policies_off(&arm);
    put(&arm, &service("orders"), service_on("a", extra));
    arm
}

fn connect(list: &str, target: &str) -> Value {
    let connection = json!({
        "name": "orders",
        "properties": { "privateLinkServiceId": target, "requestMessage": "please" },
    });
    json!({ "location": "eastus2", "properties": { "subnet": consumer_subnet(), list: [connection] } })
}

const AUTOMATIC: &str = "privateLinkServiceConnections";
const MANUAL: &str = "manualPrivateLinkServiceConnections";

fn status_of(endpoint: &Value, list: &str) -> String {
    let state = &endpoint["properties"][list][0]["properties"]["privateLinkServiceConnectionState"]["status"];
    state.as_str().unwrap_or("none").to_owned()
}
