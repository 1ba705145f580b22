//! The controller against the simulated resource manager.

mod cases;
mod client;
mod destroys;
mod makes;
mod nodes;
mod recorded;
mod security;

use serde_json::{Value, json};

use crate::sim::arm::Arm;
use crate::sim::kube::Cluster;
use crate::sim::world;
use crate::sim::{Options, Simulator};

const SUBSCRIPTION: &str = "00000000-0000-0000-0000-000000000001";
const GROUP: &str = "MC_myResourceGroup_myAKSCluster_eastus2";
const INTERNAL: &str = "service.beta.kubernetes.io/azure-load-balancer-internal";
const SUBNET: &str = "service.beta.kubernetes.io/azure-load-balancer-internal-subnet";
const IPV4: &str = "service.beta.kubernetes.io/azure-load-balancer-ipv4";
const CREATE: &str = "service.beta.kubernetes.io/azure-pls-create";
const NAME: &str = "service.beta.kubernetes.io/azure-pls-name";

/// One cluster with one node, and a subnet for consumers. The node's address leaves the first ones of its subnet free.
const WORLD: &str = "
seed: 1
location: eastus2
tenant: 00000000-0000-0000-0000-0000000000aa
subscriptions: [{ id: 00000000-0000-0000-0000-000000000001, name: one }]
resource-groups:
  - { subscription: 00000000-0000-0000-0000-000000000001, name: myResourceGroup }
  - { subscription: 00000000-0000-0000-0000-000000000001, name: MC_myResourceGroup_myAKSCluster_eastus2 }
virtual-networks:
  - subscription: 00000000-0000-0000-0000-000000000001
    resource-group: MC_myResourceGroup_myAKSCluster_eastus2
    name: aks-vnet
    address-space: ['10.224.0.0/11', 'fd00:db8:deca::/48']
    subnets:
      - { name: aks-subnet, prefixes: ['10.224.0.0/16', 'fd00:db8:deca:deed::/64'] }
      - { name: apps-subnet, prefixes: [10.225.0.0/24] }
      - { name: pls-subnet, prefixes: [10.225.1.0/24] }
      - { name: pe-subnet, prefixes: [10.225.2.0/24] }
      - { name: article-subnet, prefixes: [10.240.0.0/24] }
clusters:
  - subscription: 00000000-0000-0000-0000-000000000001
    resource-group: myResourceGroup
    name: myAKSCluster
    node-resource-group: MC_myResourceGroup_myAKSCluster_eastus2
    version: 1.36.2
    cloud-provider-version: 1.36.6
    virtual-network: aks-vnet
    subnet: aks-subnet
    nodes: [{ name: aks-nodepool1-12345678-vmss000000, address: 10.224.0.250 }]
";

/// A cluster with its controller, its Azure, and a consumer's network.
struct World {
    sim: Simulator,
    arm: Arm,
    cluster: Cluster,
}

impl World {
    async fn new() -> Self {
        Self::with(|_| ()).await
    }

    async fn with(configure: impl FnOnce(&mut world::World)) -> Self {
        let mut world = world::World::parse(WORLD).unwrap();
        configure(&mut world);
        let sim = Simulator::start(&world, Options::default()).await.unwrap();
        let (arm, cluster) = (sim.arm().clone(), sim.cluster("myAKSCluster").unwrap().clone());
        Self { sim, arm, cluster }
    }

    /// Lets the simulator's time pass and waits for what was due.
    async fn advance(&self, seconds: u64) {
        self.sim.advance(std::time::Duration::from_secs(seconds));
        self.cluster.idle().await;
    }

    /// Applies a Service and waits; returns it as it is then.
    async fn apply(&self, service: &Value) -> Value {
        self.cluster.apply_raw(service).unwrap();
        self.cluster.idle().await;
        self.service(name_of(service))
    }

    async fn annotate(&self, service: &str, edits: &[(&str, Option<&str>)]) -> Value {
        self.cluster.annotate("default", service, edits).unwrap();
        self.cluster.idle().await;
        self.service(service)
    }

    async fn delete(&self, service: &str) {
        self.cluster.delete("service", "default", service).unwrap();
        self.cluster.idle().await;
    }

    fn service(&self, name: &str) -> Value {
        self.cluster.get("service", "default", name).unwrap()
    }

    fn get(&self, path: &str) -> Option<Value> {
        let reply = self.arm.call("GET", &network(path), &[("User-Agent", "test")], None);
        reply.is_success().then_some(reply.body)
    }

    fn balancer(&self) -> Value {
        self.get("loadBalancers/kubernetes-internal").unwrap()
    }

    fn link_services(&self) -> Vec<Value> {
        self.get("privateLinkServices").unwrap()["value"].as_array().unwrap().clone()
    }

    /// Connects a consumer to the only Private Link Service.
    fn connect(&self, endpoint: &str) {
        let service = self.link_services().remove(0);
        let path = network(&format!("privateEndpoints/{endpoint}"));
        let reference = json!({"name": "c", "properties": {"privateLinkServiceId": service["id"]}});
        let body = json!({"location": "eastus2", "properties": {
            "subnet": {"id": network("virtualNetworks/aks-vnet/subnets/pe-subnet")},
            "privateLinkServiceConnections": [reference],
        }});
        let reply = self.arm.settle(&self.arm.call("PUT", &path, &[("User-Agent", "test")], Some(body)));
        assert!(reply.is_success(), "{reply:?}");
        assert_eq!(self.connections(), 1);
    }

    fn connections(&self) -> usize {
        let services = self.link_services();
        services.iter().map(|own| own["properties"]["privateEndpointConnections"].as_array().map_or(0, Vec::len)).sum()
    }

    /// The controller's writes since a mark: method and what was written.
    fn writes_since(&self, mark: usize) -> Vec<String> {
        let requests = self.sim.requests();
        let own = requests[mark..].iter().filter(|request| request.client.starts_with("kubernetes-cloudprovider"));
        let writes = own.filter(|request| request.method != "GET");
        writes.map(|request| format!("{} {} {}", request.method, kind_of(&request.path), request.status)).collect()
    }

    fn mark(&self) -> usize {
        self.sim.requests().len()
    }

    fn reasons(&self, service: &str) -> Vec<String> {
        let events = self.cluster.events("default", service);
        events.iter().map(|event| event["reason"].as_str().unwrap_or_default().to_owned()).collect()
    }

    fn failure(&self, service: &str) -> String {
        let events = self.cluster.events("default", service);
        let failed = events.iter().rfind(|event| event["reason"] == "SyncLoadBalancerFailed");
        failed.map(|event| event["message"].as_str().unwrap_or_default().to_owned()).unwrap_or_default()
    }
}

fn network(path: &str) -> String {
    format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}/providers/Microsoft.Network/{path}")
}

/// `loadBalancers`, `privateEndpointConnections`: the type of what a path names.
fn kind_of(path: &str) -> &str {
    path.rsplit('/').nth(1).unwrap_or_default()
}

fn name_of(service: &Value) -> &str {
    service["metadata"]["name"].as_str().unwrap()
}

fn service(name: &str, annotations: &[(&str, &str)]) -> Value {
    let annotations: serde_json::Map<String, Value> =
        annotations.iter().map(|(key, value)| ((*key).to_owned(), json!(value))).collect();
    json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": name, "namespace": "default", "annotations": annotations},
        "spec": {"type": "LoadBalancer", "ports": [{"port": 80}], "selector": {"app": name}},
    })
}

fn address(service: &Value) -> &str {
    service["status"]["loadBalancer"]["ingress"][0]["ip"].as_str().unwrap_or_default()
}

fn base(service: &Value) -> String {
    let uid = service["metadata"]["uid"].as_str().unwrap().replace('-', "");
    format!("a{uid}")[..32].to_owned()
}
