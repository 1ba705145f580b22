//! The controller against the simulated resource manager: what it makes, and what it destroys.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::watch;

use super::{CloudConfig, Controller};
use crate::sim::arm::{Arm, ArmOptions, ConnectRights, Pace, Subscription};
use crate::sim::clock::Clock;
use crate::sim::fault::{Fault, Faults};
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
            pace: Pace { polls: 2, least: Duration::ZERO },
            page_size: 0,
            subscriptions: vec![Subscription {
                id: SUBSCRIPTION.to_owned(),
                name: "one".to_owned(),
                tenant: "00000000-0000-0000-0000-0000000000aa".to_owned(),
                rights: ConnectRights::SameTenant,
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

#[tokio::test]
async fn an_internal_service_gets_a_load_balancer_as_the_article_shows() {
    let world = World::new().await;
    let own = world.apply(&service("internal-app", &[(INTERNAL, "true")])).await;
    assert_eq!(address(&own), "10.224.0.4");
    assert_eq!(own["metadata"]["finalizers"], json!(["service.kubernetes.io/load-balancer-cleanup"]));
    let balancer = world.balancer();
    let frontend = &balancer["properties"]["frontendIPConfigurations"][0];
    assert_eq!(frontend["name"], json!(base(&own)));
    assert_eq!(frontend["properties"]["privateIPAllocationMethod"], "Dynamic");
    let rule = &balancer["properties"]["loadBalancingRules"][0];
    assert_eq!(rule["name"], json!(format!("{}-TCP-80", base(&own))));
    let expected = json!({"frontendPort": 80, "backendPort": 80, "enableFloatingIP": true, "enableTcpReset": true,
        "idleTimeoutInMinutes": 4, "loadDistribution": "Default", "protocol": "Tcp"});
    for (key, value) in expected.as_object().unwrap() {
        assert_eq!(&rule["properties"][key], value, "{key}");
    }
    let node_port = &own["spec"]["ports"][0]["nodePort"];
    assert_eq!(&balancer["properties"]["probes"][0]["properties"]["port"], node_port);
    assert_eq!(world.reasons("internal-app"), ["EnsuringLoadBalancer", "EnsuredLoadBalancer"]);
    assert_eq!(world.link_services().len(), 0);
}

#[tokio::test]
async fn the_other_manifests_of_the_article_do_what_it_says() {
    let world = World::with(|config| config.subnet = "article-subnet".to_owned()).await;
    let pinned = world.apply(&service("pinned", &[(INTERNAL, "true"), (IPV4, "10.240.0.25")])).await;
    assert_eq!(address(&pinned), "10.240.0.25");
    world.delete("pinned").await;
    let mut by_field = service("by-field", &[(INTERNAL, "true")]);
    by_field["spec"]["loadBalancerIP"] = json!("10.240.0.25");
    assert_eq!(address(&world.apply(&by_field).await), "10.240.0.25");
    let subnet = world.apply(&service("subnet", &[(INTERNAL, "true"), (SUBNET, "apps-subnet")])).await;
    assert!(address(&subnet).starts_with("10.225.0."), "{}", address(&subnet));
    let published = world.apply(&service("published", &[(INTERNAL, "true"), (CREATE, "true")])).await;
    let services = world.link_services();
    assert_eq!(services[0]["name"], json!(format!("pls-{}", base(&published))));
    assert_eq!(services[0]["tags"]["k8s-azure-owner-service"], "default/published");
    assert_eq!(services[0]["tags"]["k8s-azure-cluster-name"], "kubernetes");
    assert!(services[0]["properties"]["alias"].as_str().unwrap().ends_with(".eastus2.azure.privatelinkservice"));
    let subnet = world.get("virtualNetworks/aks-vnet/subnets/article-subnet").unwrap();
    assert_eq!(subnet["properties"]["privateLinkServiceNetworkPolicies"], "Disabled");
}

#[tokio::test]
async fn the_calls_of_a_create_come_in_the_recorded_order() {
    let world = World::new().await;
    let mark = world.mark();
    world.apply(&service("app", &[(INTERNAL, "true"), (CREATE, "true")])).await;
    let requests = world.log.requests();
    let calls: Vec<String> = requests[mark..]
        .iter()
        .map(|request| {
            let rest = request.path.split("Microsoft.Network/").nth(1).unwrap_or_default();
            format!("{} {}", request.method, rest.split('/').next().unwrap_or_default())
        })
        .collect();
    let expected = [
        "GET loadBalancers",
        "GET virtualNetworks",
        "PUT loadBalancers",
        "GET loadBalancers",
        "GET privateLinkServices",
        "GET virtualNetworks",
        // The name is looked up since pull request 10943.
        "GET privateLinkServices",
        "GET virtualNetworks",
        "PUT virtualNetworks",
        "PUT privateLinkServices",
        "GET loadBalancers",
        "GET publicIPAddresses",
    ];
    assert_eq!(calls, expected);
    let mark = world.mark();
    world.annotate("app", &[("example.com/note", Some("1"))]).await;
    assert_eq!(world.writes_since(mark), Vec::<String>::new(), "a sync of something unchanged writes nothing");
    assert!(world.mark() > mark, "but every annotation makes it look");
}

#[tokio::test]
async fn changing_the_address_cuts_every_consumer_and_makes_a_new_alias() {
    let world = World::new().await;
    world.apply(&service("app", &[(INTERNAL, "true"), (CREATE, "true"), (IPV4, "10.224.1.10")])).await;
    let before = world.link_services().remove(0);
    world.connect("consumer1");
    let mark = world.mark();
    let own = world.annotate("app", &[(IPV4, Some("10.224.1.11"))]).await;
    assert_eq!(
        world.writes_since(mark),
        [
            "DELETE privateEndpointConnections 202",
            "DELETE privateLinkServices 202",
            "PUT loadBalancers 200",
            "PUT privateLinkServices 201"
        ]
    );
    assert_eq!(address(&own), "10.224.1.11");
    let after = world.link_services().remove(0);
    assert_eq!(after["name"], before["name"]);
    assert_ne!(after["properties"]["alias"], before["properties"]["alias"]);
    assert_eq!(world.connections(), 0);
}

#[tokio::test]
async fn switching_publication_off_changes_nothing() {
    let world = World::new().await;
    world.apply(&service("app", &[(INTERNAL, "true"), (CREATE, "true")])).await;
    world.connect("consumer2");
    let mark = world.mark();
    world.annotate("app", &[(CREATE, Some("false"))]).await;
    assert_eq!(world.writes_since(mark), Vec::<String>::new());
    assert_eq!(world.connections(), 1);
}

#[tokio::test]
async fn moving_to_another_subnet_rebuilds_everything_under_a_new_name() {
    let world = World::new().await;
    let own = world.apply(&service("app", &[(INTERNAL, "true"), (CREATE, "true"), (IPV4, "10.224.1.10")])).await;
    world.connect("consumer3");
    let mark = world.mark();
    world.annotate("app", &[(SUBNET, Some("apps-subnet")), (IPV4, Some("10.225.0.30"))]).await;
    assert_eq!(
        world.writes_since(mark),
        [
            "DELETE privateEndpointConnections 202",
            "DELETE privateLinkServices 202",
            "PUT loadBalancers 200",
            "PUT subnets 200",
            "PUT privateLinkServices 201",
        ]
    );
    let service = world.link_services().remove(0);
    assert_eq!(service["name"], json!(format!("pls-{}-apps-subnet", base(&own))));
    assert_eq!(world.connections(), 0);
}

#[tokio::test]
async fn a_wrong_address_cuts_the_consumers_and_leaves_the_old_address_serving() {
    let world = World::new().await;
    world.apply(&service("app", &[(INTERNAL, "true"), (CREATE, "true"), (IPV4, "10.224.1.10")])).await;
    world.connect("consumer4");
    let mark = world.mark();
    let own = world.annotate("app", &[(IPV4, Some("10.99.0.1"))]).await;
    assert_eq!(
        world.writes_since(mark),
        ["DELETE privateEndpointConnections 202", "DELETE privateLinkServices 202", "PUT loadBalancers 400"]
    );
    assert_eq!(world.link_services().len(), 0);
    assert_eq!(address(&own), "10.224.1.10");
    let frontend = &world.balancer()["properties"]["frontendIPConfigurations"][0];
    assert_eq!(frontend["properties"]["privateIPAddress"], "10.224.1.10");
    let failure = world.failure("app");
    assert!(
        failure.starts_with("Error syncing load balancer: failed to ensure load balancer: PUT https://"),
        "{failure}"
    );
    assert!(
        failure.contains("\nRESPONSE 400: 400 Bad Request\nERROR CODE: PrivateIPAddressNotInSubnet\n"),
        "{failure}"
    );
    world.controller.resync();
    world.annotate("app", &[(IPV4, Some("10.224.1.12"))]).await;
    assert_eq!(address(&world.service("app")), "10.224.1.12");
    assert_eq!(world.link_services().len(), 1);
}

#[tokio::test]
async fn two_services_share_one_address_until_both_are_gone() {
    let world = World::new().await;
    let first = world.apply(&service("first", &[(INTERNAL, "true"), (IPV4, "10.224.1.10"), (CREATE, "true")])).await;
    let mut second = service("second", &[(INTERNAL, "true"), (IPV4, "10.224.1.10"), (CREATE, "true")]);
    second["spec"]["ports"] = json!([{"port": 443}]);
    let second = world.apply(&second).await;
    assert_eq!(address(&second), "10.224.1.10");
    assert_eq!(world.balancer()["properties"]["frontendIPConfigurations"].as_array().unwrap().len(), 1);
    assert_eq!(world.link_services().len(), 1, "the second shares the Private Link Service in silence");
    // A sharer that wants to tune it is refused, with only the presence of the annotation.
    world.annotate("second", &[("service.beta.kubernetes.io/azure-pls-fqdns", Some(""))]).await;
    assert!(
        world.failure("second").contains("already has existing private link service("),
        "{}",
        world.failure("second")
    );
    world.annotate("second", &[("service.beta.kubernetes.io/azure-pls-fqdns", None)]).await;
    world.delete("first").await;
    assert!(world.reasons("first").contains(&"DeletingFrontendIPConfiguration".to_owned()));
    let balancer = world.balancer();
    assert_eq!(balancer["properties"]["frontendIPConfigurations"][0]["name"], json!(base(&first)));
    assert_eq!(balancer["properties"]["loadBalancingRules"].as_array().unwrap().len(), 1);
    assert_eq!(world.link_services().len(), 1, "the Private Link Service outlives its owner");
    world.delete("second").await;
    assert_eq!(world.link_services().len(), 0);
    assert!(world.get("loadBalancers/kubernetes-internal").is_none());
}

#[tokio::test]
async fn a_port_that_a_sharer_has_is_refused_before_any_write() {
    let world = World::new().await;
    world.apply(&service("first", &[(INTERNAL, "true"), (IPV4, "10.224.1.10")])).await;
    let mark = world.mark();
    let second = world.apply(&service("second", &[(INTERNAL, "true"), (IPV4, "10.224.1.10")])).await;
    assert_eq!(world.writes_since(mark), Vec::<String>::new());
    assert_eq!(address(&second), "");
    assert!(world.failure("second").contains("which is being referenced by an existing loadBalancing rule"));
}

#[tokio::test]
async fn the_ninth_private_link_service_of_a_load_balancer_fails_but_its_frontend_works() {
    let world = World::new().await;
    for number in 1..=8 {
        world.apply(&service(&format!("app{number}"), &[(INTERNAL, "true"), (CREATE, "true")])).await;
    }
    assert_eq!(world.link_services().len(), 8);
    let ninth = world.apply(&service("app9", &[(INTERNAL, "true"), (CREATE, "true")])).await;
    assert_eq!(address(&ninth), "", "the address stays unknown although the frontend works");
    assert_eq!(world.balancer()["properties"]["frontendIPConfigurations"].as_array().unwrap().len(), 9);
    assert!(world.failure("app9").contains("create or update PLS: PUT "), "{}", world.failure("app9"));
    // Room for one more makes the next try succeed: something changed, so it comes at once.
    world.delete("app1").await;
    world.cluster.idle().await;
    assert_ne!(address(&world.service("app9")), "");
}

#[tokio::test]
async fn two_families_get_two_frontends() {
    let world = World::new().await;
    let mut dual = service("dual", &[(INTERNAL, "true")]);
    dual["spec"]["ipFamilyPolicy"] = json!("RequireDualStack");
    let own = world.apply(&dual).await;
    let ingress = own["status"]["loadBalancer"]["ingress"].as_array().unwrap().clone();
    assert_eq!(ingress.len(), 2, "{}", world.failure("dual"));
    assert!(ingress[0]["ip"].as_str().unwrap().starts_with("10.224."));
    assert!(ingress[1]["ip"].as_str().unwrap().starts_with("fd00:"));
    let balancer = world.balancer();
    let names: Vec<&Value> =
        balancer["properties"]["frontendIPConfigurations"].as_array().unwrap().iter().map(|own| &own["name"]).collect();
    assert_eq!(names, [&json!(base(&own)), &json!(format!("{}-IPv6", base(&own)))]);
}

#[tokio::test]
async fn the_last_service_takes_its_load_balancer_along() {
    let world = World::new().await;
    world.apply(&service("app", &[(INTERNAL, "true"), (CREATE, "true")])).await;
    world.connect("consumer");
    let mark = world.mark();
    world.delete("app").await;
    assert_eq!(
        world.writes_since(mark),
        ["DELETE privateEndpointConnections 202", "DELETE privateLinkServices 202", "DELETE loadBalancers 202"]
    );
    assert!(world.cluster.get("service", "default", "app").is_none());
    let reasons = world.reasons("app");
    assert!(reasons.ends_with(&["DeletingLoadBalancer".to_owned(), "DeletedLoadBalancer".to_owned()]), "{reasons:?}");
}

#[tokio::test]
async fn a_service_that_is_no_load_balancer_any_more_loses_everything() {
    let world = World::new().await;
    world.apply(&service("app", &[(INTERNAL, "true")])).await;
    let patch = json!({"spec": {"type": "ClusterIP"}});
    world.cluster.patch_service("default", "app", (&patch, "kubectl")).unwrap();
    world.cluster.idle().await;
    let own = world.service("app");
    assert_eq!(own["status"]["loadBalancer"], json!({}));
    assert_eq!(own["metadata"].get("finalizers"), None);
    assert!(world.get("loadBalancers/kubernetes-internal").is_none());
}

#[tokio::test]
async fn a_spelling_of_true_that_is_not_exact_makes_the_service_public() {
    let world = World::new().await;
    let own = world.apply(&service("app", &[(INTERNAL, "True")])).await;
    assert!(address(&own).starts_with("20."), "{}", world.failure("app"));
    assert!(world.get("loadBalancers/kubernetes").is_some());
    let own = world.annotate("app", &[(INTERNAL, Some("true"))]).await;
    assert!(address(&own).starts_with("10.224."));
    assert!(world.get("loadBalancers/kubernetes").is_none());
    assert_eq!(world.get("publicIPAddresses").unwrap()["value"], json!([]));
}

#[tokio::test]
async fn a_public_service_may_not_be_published_and_keeps_its_internal_half() {
    let world = World::new().await;
    world.apply(&service("app", &[(INTERNAL, "true"), (CREATE, "true")])).await;
    let own = world.annotate("app", &[(INTERNAL, None)]).await;
    assert!(world.failure("app").contains("must be internal or disable floating ip"));
    assert!(address(&own).starts_with("10.224."), "the status is only written after every step");
    assert_eq!(world.link_services().len(), 1);
    assert!(world.get("loadBalancers/kubernetes").is_some());
}

#[tokio::test]
async fn a_name_that_another_service_has_is_refused_or_taken_over_by_version() {
    for (rejects, owner) in [(true, "default/first"), (false, "default/second")] {
        let world = World::with(|config| config.rejects_foreign_names = rejects).await;
        world.apply(&service("first", &[(INTERNAL, "true"), (CREATE, "true"), (NAME, "pls-shared")])).await;
        world.apply(&service("second", &[(INTERNAL, "true"), (CREATE, "true"), (NAME, "pls-shared")])).await;
        let services = world.link_services();
        assert_eq!(services.len(), 1);
        assert_eq!(services[0]["tags"]["k8s-azure-owner-service"], owner, "{}", world.failure("second"));
        assert_eq!(world.failure("second").contains("already exists on another frontend"), rejects);
    }
}

#[tokio::test]
async fn an_unmanaged_private_link_service_blocks_and_a_renamed_one_too() {
    let world = World::new().await;
    world.apply(&service("app", &[(INTERNAL, "true"), (CREATE, "true"), (NAME, "pls-one")])).await;
    world.annotate("app", &[(NAME, Some("pls-two"))]).await;
    assert!(world.failure("app").contains("cannot change existing private link service name"));
    world.annotate("app", &[(NAME, None)]).await;
    let mut body = world.link_services().remove(0);
    body["tags"] = json!({});
    let reply = world.arm.call("PUT", &network("privateLinkServices/pls-one"), &[("User-Agent", "test")], Some(body));
    assert!(world.arm.settle(&reply).is_success());
    world.annotate("app", &[("example.com/note", Some("1"))]).await;
    assert!(world.failure("app").contains("already has unmanaged private link service"));
    // Deletion does not ask whose it is.
    world.delete("app").await;
    assert_eq!(world.link_services().len(), 0);
}

#[tokio::test]
async fn a_missing_subnet_is_named_before_anything_is_written() {
    let world = World::new().await;
    let mark = world.mark();
    world.apply(&service("app", &[(INTERNAL, "true"), (SUBNET, "nope")])).await;
    assert!(world.failure("app").contains("failed to get subnet: aks-vnet/nope"), "{}", world.failure("app"));
    assert_eq!(world.writes_since(mark), Vec::<String>::new());
}

#[tokio::test]
async fn a_failure_is_counted_and_tried_again_until_it_works() {
    let world = World::with(|config| config.retry = Duration::from_millis(5)).await;
    let path = "loadBalancers/kubernetes-internal".to_owned();
    let fault = Fault { method: Some("PUT".to_owned()), path, status: 409, times: Some(2), ..Fault::default() };
    world.arm.faults().add(fault);
    world.apply(&service("app", &[(INTERNAL, "true")])).await;
    let mut changes = world.cluster.changes();
    while address(&world.service("app")).is_empty() {
        changes.changed().await.unwrap();
    }
    let events = world.cluster.events("default", "app");
    let failed = events.iter().find(|event| event["reason"] == "SyncLoadBalancerFailed").unwrap();
    assert_eq!(failed["count"], 2);
}

#[tokio::test]
async fn moving_a_shared_frontend_fails_after_its_private_link_service_is_gone() {
    let world = World::new().await;
    world.apply(&service("first", &[(INTERNAL, "true"), (IPV4, "10.224.1.10"), (CREATE, "true")])).await;
    let mut second = service("second", &[(INTERNAL, "true"), (IPV4, "10.224.1.10")]);
    second["spec"]["ports"] = json!([{"port": 443}]);
    world.apply(&second).await;
    world.annotate("first", &[(SUBNET, Some("apps-subnet")), (IPV4, None)]).await;
    assert!(world.failure("first").contains("ERROR CODE: InvalidResourceReference"), "{}", world.failure("first"));
    assert_eq!(world.link_services().len(), 0);
    assert_eq!(address(&world.service("first")), "10.224.1.10");
}

#[tokio::test]
async fn a_new_address_of_a_shared_frontend_moves_the_sharer_in_silence() {
    let world = World::new().await;
    world.apply(&service("first", &[(INTERNAL, "true"), (IPV4, "10.224.1.10")])).await;
    let mut second = service("second", &[(INTERNAL, "true"), (IPV4, "10.224.1.10")]);
    second["spec"]["ports"] = json!([{"port": 443}]);
    world.apply(&second).await;
    world.annotate("first", &[(IPV4, Some("10.224.1.11"))]).await;
    assert_eq!(address(&world.service("second")), "10.224.1.10", "its status is stale");
    let balancer = world.balancer();
    assert_eq!(balancer["properties"]["frontendIPConfigurations"].as_array().unwrap().len(), 1);
    assert_eq!(balancer["properties"]["loadBalancingRules"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn becoming_public_without_floating_address_leaves_a_stale_frontend_behind() {
    let world = World::new().await;
    let off = "service.beta.kubernetes.io/azure-disable-load-balancer-floating-ip";
    world.apply(&service("app", &[(INTERNAL, "true"), (CREATE, "true"), (off, "true")])).await;
    world.connect("consumer");
    let own = world.annotate("app", &[(INTERNAL, None), (CREATE, None)]).await;
    assert!(address(&own).starts_with("20."), "{}", world.failure("app"));
    assert_eq!(world.link_services().len(), 0);
    assert_eq!(world.balancer()["properties"]["frontendIPConfigurations"].as_array().unwrap().len(), 1);
    world.annotate("app", &[("example.com/note", Some("1"))]).await;
    assert!(world.get("loadBalancers/kubernetes-internal").is_none(), "the next sync removes it");
}

#[tokio::test]
async fn another_group_for_the_private_link_service_is_refused_by_azure() {
    let world = World::new().await;
    let group = format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-pls");
    world.arm.call("PUT", &group, &[("User-Agent", "test")], Some(json!({"location": "eastus2"})));
    world.apply(&service("app", &[(INTERNAL, "true"), (CREATE, "true")])).await;
    world.annotate("app", &[("service.beta.kubernetes.io/azure-pls-resource-group", Some("rg-pls"))]).await;
    assert!(world.failure("app").contains("create or update PLS: PUT "), "{}", world.failure("app"));
    assert_eq!(world.link_services().len(), 1);
}

#[tokio::test]
async fn tuning_is_written_in_place_and_keeps_the_alias() {
    let world = World::new().await;
    world.apply(&service("app", &[(INTERNAL, "true"), (CREATE, "true")])).await;
    world.connect("consumer");
    let before = world.link_services().remove(0);
    let mark = world.mark();
    let tuning = [
        ("service.beta.kubernetes.io/azure-pls-ip-configuration-subnet", Some("pls-subnet")),
        ("service.beta.kubernetes.io/azure-pls-ip-configuration-ip-address-count", Some("2")),
        ("service.beta.kubernetes.io/azure-pls-ip-configuration-ip-address", Some("10.225.1.8")),
        ("service.beta.kubernetes.io/azure-pls-fqdns", Some("b.example a.example")),
        ("service.beta.kubernetes.io/azure-pls-visibility", Some("*")),
        ("service.beta.kubernetes.io/azure-pls-auto-approval", Some(SUBSCRIPTION)),
    ];
    world.annotate("app", &tuning).await;
    assert_eq!(
        world.writes_since(mark),
        ["PUT subnets 200", "PUT privateLinkServices 200"],
        "{}",
        world.failure("app")
    );
    let after = world.link_services().remove(0);
    assert_eq!(after["properties"]["alias"], before["properties"]["alias"]);
    assert_eq!(after["properties"]["ipConfigurations"].as_array().unwrap().len(), 2);
    assert_eq!(after["properties"]["visibility"]["subscriptions"], json!(["*"]));
    assert_eq!(world.connections(), 1);
    let mark = world.mark();
    world.annotate("app", &[("service.beta.kubernetes.io/azure-pls-fqdns", Some("a.example  b.example"))]).await;
    assert_eq!(world.writes_since(mark), Vec::<String>::new(), "order and blanks do not count");
    world
        .annotate("app", &[("service.beta.kubernetes.io/azure-pls-ip-configuration-ip-address-count", Some("9"))])
        .await;
    assert_eq!(world.writes_since(mark), Vec::<String>::new());
    assert!(world.failure("app").contains("the range is [1, 8]"));
}

#[tokio::test]
async fn a_second_look_writes_nothing_whatever_the_shape() {
    let internal = (INTERNAL, "true");
    let shapes: [(&[(&str, &str)], Value); 6] = [
        (&[], json!({})),
        (&[internal], json!({"ipFamilyPolicy": "RequireDualStack"})),
        (&[internal], json!({"externalTrafficPolicy": "Local", "sessionAffinity": "ClientIP"})),
        (
            &[internal],
            json!({"ports": [{"name": "dns", "port": 53, "protocol": "UDP"}, {"name": "x", "port": 99, "protocol": "SCTP"}]}),
        ),
        (
            &[internal, ("service.beta.kubernetes.io/azure-load-balancer-enable-high-availability-ports", "true")],
            json!({}),
        ),
        (
            &[
                internal,
                (CREATE, "true"),
                ("service.beta.kubernetes.io/azure-pls-proxy-protocol", "true"),
                ("service.beta.kubernetes.io/azure-load-balancer-health-probe-protocol", "http"),
            ],
            json!({}),
        ),
    ];
    for (annotations, spec) in shapes {
        let world = World::new().await;
        let mut shape = service("app", annotations);
        for (field, value) in spec.as_object().unwrap() {
            shape["spec"][field] = value.clone();
        }
        let own = world.apply(&shape).await;
        assert_ne!(address(&own), "", "{shape}: {}", world.failure("app"));
        let mark = world.mark();
        world.annotate("app", &[("example.com/note", Some("1"))]).await;
        assert_eq!(world.writes_since(mark), Vec::<String>::new(), "{shape}");
        world.delete("app").await;
        assert!(world.cluster.get("service", "default", "app").is_none(), "{shape}: {}", world.failure("app"));
        assert_eq!(world.get("loadBalancers").unwrap()["value"], json!([]), "{shape}");
        assert_eq!(world.get("publicIPAddresses").unwrap()["value"], json!([]), "{shape}");
    }
}

#[tokio::test]
async fn a_service_with_a_class_of_its_own_is_left_alone() {
    let world = World::new().await;
    let mut other = service("other", &[(INTERNAL, "true")]);
    other["spec"]["loadBalancerClass"] = json!("example.com/other");
    let own = world.apply(&other).await;
    assert_eq!(own["metadata"].get("finalizers"), None);
    assert_eq!(world.reasons("other"), Vec::<String>::new());
}
