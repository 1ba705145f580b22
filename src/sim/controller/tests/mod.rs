//! The controller against the simulated resource manager.

mod destroys;
mod makes;

use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::watch;

use super::{CloudConfig, Controller};
use crate::sim::arm::{Arm, ArmOptions, Pace, Subscription};
use crate::sim::clock::Clock;
use crate::sim::fault::Faults;
use crate::sim::kube::{Cluster, ClusterOptions, Token};
use crate::sim::log::RequestLog;

const SUBSCRIPTION: &str = "00000000-0000-0000-0000-000000000001";
const GROUP: &str = "MC_myResourceGroup_myAKSCluster_eastus2";
const INTERNAL: &str = "service.beta.kubernetes.io/azure-load-balancer-internal";
const SUBNET: &str = "service.beta.kubernetes.io/azure-load-balancer-internal-subnet";
const IPV4: &str = "service.beta.kubernetes.io/azure-load-balancer-ipv4";
const CREATE: &str = "service.beta.kubernetes.io/azure-pls-create";
const NAME: &str = "service.beta.kubernetes.io/azure-pls-name";

/// A cluster with its controller, its Azure, and a consumer's network.
struct World {
    arm: Arm,
    log: RequestLog,
    cluster: Cluster,
    controller: Controller,
    stop: watch::Sender<bool>,
}

impl World {
    async fn new() -> Self {
        Self::with(|_| ()).await
    }

    async fn with(configure: impl FnOnce(&mut CloudConfig)) -> Self {
        let (log, clock) = (RequestLog::default(), Clock::start());
        let arm = Arm::new(ArmOptions {
            seed: 1,
            location: "eastus2".to_owned(),
            pace: Pace { polls: 2, ..Pace::default() },
            throttling: Default::default(),
            page_size: 0,
            subscriptions: vec![Subscription {
                id: SUBSCRIPTION.to_owned(),
                name: "one".to_owned(),
                tenant: "00000000-0000-0000-0000-0000000000aa".to_owned(),
                is_disabled: false,
                unregistered: Default::default(),
                registering: Default::default(),
            }],
            clock: clock.clone(),
            faults: Faults::default(),
            log: log.clone(),
        });
        let cluster = Cluster::new(ClusterOptions {
            name: "myAKSCluster".to_owned(),
            token: Token::new("token"),
            seed: "1".to_owned(),
            version: "1.36.2".to_owned(),
            clock,
            log: log.clone(),
            faults: Faults::default(),
        });
        let mut config = CloudConfig {
            subscription: SUBSCRIPTION.to_owned(),
            resource_group: GROUP.to_owned(),
            location: "eastus2".to_owned(),
            network_group: GROUP.to_owned(),
            network: "aks-vnet".to_owned(),
            subnet: "aks-subnet".to_owned(),
            cluster_name: "kubernetes".to_owned(),
            rejects_foreign_names: true,
            // Long enough for no test to see a retry that it did not ask for.
            retry: Duration::from_secs(3600),
            delay: Duration::ZERO,
        };
        configure(&mut config);
        let (stop, stopped) = watch::channel(false);
        seed(&arm, &cluster);
        let controller = Controller::start(cluster.clone(), arm.clone(), config, stopped);
        let world = Self { arm, log, cluster, controller, stop };
        world.cluster.idle().await;
        world
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
        let requests = self.log.requests();
        let own = requests[mark..].iter().filter(|request| request.client.starts_with("kubernetes-cloudprovider"));
        let writes = own.filter(|request| request.method != "GET");
        writes.map(|request| format!("{} {} {}", request.method, kind_of(&request.path), request.status)).collect()
    }

    fn mark(&self) -> usize {
        self.log.requests().len()
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

impl Drop for World {
    fn drop(&mut self) {
        self.stop.send_replace(true);
    }
}

fn seed(arm: &Arm, cluster: &Cluster) {
    let put = |path: &str, body: Value| {
        let reply = arm.settle(&arm.call("PUT", path, &[("User-Agent", "test")], Some(body)));
        assert!(reply.is_success(), "{path}: {reply:?}");
    };
    put(&format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}"), json!({"location": "eastus2"}));
    let subnet = |name: &str, prefixes: &[&str]| json!({"name": name, "properties": {"addressPrefixes": prefixes}});
    let subnets = [
        subnet("aks-subnet", &["10.224.0.0/16", "fd00:db8:deca:deed::/64"]),
        subnet("apps-subnet", &["10.225.0.0/24"]),
        subnet("pls-subnet", &["10.225.1.0/24"]),
        subnet("pe-subnet", &["10.225.2.0/24"]),
        subnet("article-subnet", &["10.240.0.0/24"]),
    ];
    let body = json!({"location": "eastus2", "properties": {
        "addressSpace": {"addressPrefixes": ["10.224.0.0/11", "fd00:db8:deca::/48"]}, "subnets": subnets,
    }});
    put(&network("virtualNetworks/aks-vnet"), body);
    let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "aks-nodepool1-0"}});
    cluster.apply_raw(&node).unwrap();
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
