//! The simulated cluster over real HTTPS, with kube-rs as the client.

use futures_util::StreamExt as _;
use k8s_openapi::api::core::v1::{Event, Service};
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, WatchEvent, WatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config, ResourceExt as _};
use privlink::sim::fault::Fault;
use privlink::sim::world::World;
use privlink::sim::{Options, Simulator};
use serde_json::{Value, json};

async fn start() -> (Simulator, Client) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let world = World::parse(include_str!("../examples/world.yaml")).unwrap();
    let simulator = Simulator::start(&world, Options::default()).await.unwrap();
    let client = client(&simulator.endpoints().kubeconfig()).await;
    (simulator, client)
}

async fn client(kubeconfig: &str) -> Client {
    let kubeconfig = Kubeconfig::from_yaml(kubeconfig).unwrap();
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
    config.default_retry = false;
    Client::try_from(config).unwrap()
}

fn internal_app() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": "internal-app", "annotations": {
            "service.beta.kubernetes.io/azure-load-balancer-internal": "true",
            "service.beta.kubernetes.io/azure-pls-create": "true",
        }},
        "spec": {"type": "LoadBalancer", "ports": [{"port": 80}], "selector": {"app": "internal-app"}},
    })
}

#[tokio::test]
async fn an_applied_service_gets_its_address_and_a_watch_sees_it_come() {
    let (simulator, client) = start().await;
    let services: Api<Service> = Api::default_namespaced(client.clone());
    let listed = services.list(&ListParams::default()).await.unwrap();
    let version = listed.metadata.resource_version.unwrap();
    let mut watch =
        services.watch(&WatchParams::default().fields("metadata.name=internal-app"), &version).await.unwrap().boxed();
    let params = PatchParams::apply("privlink").validation_strict();
    let applied = services.patch("internal-app", &params, &Patch::Apply(internal_app())).await.unwrap();
    assert_eq!(applied.spec.unwrap().external_traffic_policy.as_deref(), Some("Cluster"));
    let mut address = None;
    while address.is_none() {
        let event = watch.next().await.unwrap().unwrap();
        let (WatchEvent::Added(service) | WatchEvent::Modified(service)) = event else { panic!("{event:?}") };
        let ingress = service.status.and_then(|status| status.load_balancer).and_then(|balancer| balancer.ingress);
        address = ingress.and_then(|ingress| ingress.into_iter().next()).and_then(|ingress| ingress.ip);
    }
    assert!(address.unwrap().starts_with("10.224."));
    simulator.idle().await;
    let events: Api<Event> = Api::default_namespaced(client.clone());
    let about = ListParams::default().fields("involvedObject.name=internal-app");
    let reasons: Vec<String> =
        events.list(&about).await.unwrap().items.into_iter().filter_map(|event| event.reason).collect();
    assert!(reasons.contains(&"EnsuredLoadBalancer".to_owned()), "{reasons:?}");
    services.delete("internal-app", &DeleteParams::default()).await.unwrap();
    simulator.idle().await;
    assert!(services.get_opt("internal-app").await.unwrap().is_none());
    drop(watch);
    simulator.stop().await;
}

#[tokio::test]
async fn only_the_clients_of_a_cluster_count_as_writers() {
    let (simulator, client) = start().await;
    let services: Api<Service> = Api::default_namespaced(client);
    let before = simulator.writes().len();
    let params = PatchParams::apply("privlink");
    services.patch("internal-app", &params, &Patch::Apply(internal_app())).await.unwrap();
    simulator.idle().await;
    let writes = simulator.writes().split_off(before);
    assert_eq!(writes.len(), 1, "{writes:?}");
    assert_eq!(writes[0].method, "PATCH");
    let inner = simulator.requests();
    assert!(
        inner.iter().any(|request| request.is_internal && request.path.ends_with("/loadBalancers/kubernetes-internal"))
    );
    simulator.stop().await;
}

#[tokio::test]
async fn a_conflict_and_a_missing_token_come_as_status() {
    let (simulator, client) = start().await;
    let services: Api<Service> = Api::default_namespaced(client);
    let params = PatchParams::apply("privlink");
    services.patch("internal-app", &params, &Patch::Apply(internal_app())).await.unwrap();
    let cluster = simulator.cluster("myAKSCluster").unwrap();
    let key = "service.beta.kubernetes.io/azure-pls-create";
    cluster.annotate("default", "internal-app", &[(key, Some("false"))]).unwrap();
    let refused = services.patch("internal-app", &params, &Patch::Apply(internal_app())).await.unwrap_err();
    let kube::Error::Api(status) = refused else { panic!("{refused:?}") };
    assert_eq!((status.code, status.reason.as_str()), (409, "Conflict"));
    assert!(status.message.contains("kubectl-annotate") && status.message.contains(key), "{}", status.message);
    let token = &simulator.endpoints().clusters["myAKSCluster"].token;
    let stranger = self::client(&simulator.endpoints().kubeconfig().replace(token, "wrong")).await;
    let services: Api<Service> = Api::all(stranger);
    let kube::Error::Api(status) = services.list(&ListParams::default()).await.unwrap_err() else { panic!() };
    assert_eq!((status.code, status.reason.as_str()), (401, "Unauthorized"));
    simulator.stop().await;
}

#[tokio::test]
async fn bodies_and_answers_may_be_yaml() {
    let (simulator, _) = start().await;
    let endpoint = &simulator.endpoints().clusters["myAKSCluster"];
    let ca = reqwest::Certificate::from_pem(simulator.endpoints().ca_pem.as_bytes()).unwrap();
    let http = reqwest::Client::builder().tls_certs_merge([ca]).build().unwrap();
    let url = format!("{}/api/v1/namespaces/default/configmaps", endpoint.server);
    let yaml = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: settings\ndata:\n  answer: \"42\"\n";
    let post = |content_type: &str, body: &str| {
        let request = http.post(&url).bearer_auth(&endpoint.token).header("Content-Type", content_type);
        request.body(body.to_owned()).send()
    };
    assert_eq!(post("application/yaml", yaml).await.unwrap().status(), 201);
    assert_eq!(post("text/xml", "<x/>").await.unwrap().status(), 415);
    assert_eq!(post("application/vnd.kubernetes.protobuf", "nothing").await.unwrap().status(), 400);
    let shown = http.get(format!("{url}/settings")).bearer_auth(&endpoint.token).header("Accept", "application/yaml");
    assert!(shown.send().await.unwrap().text().await.unwrap().contains("answer: '42'"));
    simulator.stop().await;
}

#[tokio::test]
async fn a_watch_list_sends_what_there_is_and_then_says_so() {
    let (simulator, client) = start().await;
    let nodes: Api<k8s_openapi::api::core::v1::Node> = Api::all(client.clone());
    let params = WatchParams::default().initial_events();
    let mut watch = nodes.watch(&params, "").await.unwrap().boxed();
    let WatchEvent::Added(node) = watch.next().await.unwrap().unwrap() else { panic!("expected the node") };
    assert_eq!(node.name_any(), "aks-nodepool1-12345678-vmss000000");
    let WatchEvent::Bookmark(end) = watch.next().await.unwrap().unwrap() else { panic!("expected a bookmark") };
    assert_eq!(end.metadata.annotations["k8s.io/initial-events-end"], "true");
    drop(watch);
    simulator.stop().await;
}

#[tokio::test]
async fn an_old_watch_is_told_that_it_is_gone() {
    let (simulator, client) = start().await;
    simulator.cluster("myAKSCluster").unwrap().compact();
    let services: Api<Service> = Api::all(client);
    let mut watch = services.watch(&WatchParams::default(), "1").await.unwrap().boxed();
    let WatchEvent::Error(status) = watch.next().await.unwrap().unwrap() else { panic!("expected an error") };
    assert_eq!((status.code, status.reason.as_str()), (410, "Expired"));
    simulator.stop().await;
}

#[tokio::test]
async fn a_dry_run_shows_defaults_and_writes_nothing() {
    let (simulator, client) = start().await;
    let services: Api<Service> = Api::default_namespaced(client);
    let params = PatchParams { dry_run: true, ..PatchParams::apply("privlink") };
    let shown = services.patch("internal-app", &params, &Patch::Apply(internal_app())).await.unwrap();
    assert_eq!(shown.spec.unwrap().cluster_ip.as_deref(), Some("10.0.0.0"));
    assert!(services.get_opt("internal-app").await.unwrap().is_none());
    let listed = services.list(&ListParams::default()).await.unwrap();
    assert!(listed.items.iter().any(|own| own.name_any() == "kubernetes"));
    simulator.stop().await;
}

#[tokio::test]
async fn a_fault_hits_the_cluster_and_names_its_reason() {
    let (simulator, client) = start().await;
    let fault = Fault {
        method: Some("PATCH".to_owned()),
        path: "/services/".to_owned(),
        status: 503,
        code: "ServiceUnavailable".to_owned(),
        message: "etcd is away".to_owned(),
        times: Some(1),
        ..Fault::default()
    };
    simulator.add_fault(fault);
    let services: Api<Service> = Api::default_namespaced(client);
    let params = PatchParams::apply("privlink");
    let refused = services.patch("internal-app", &params, &Patch::Apply(internal_app())).await.unwrap_err();
    let kube::Error::Api(status) = refused else { panic!("{refused:?}") };
    assert_eq!((status.code, status.message.as_str()), (503, "etcd is away"));
    services.patch("internal-app", &params, &Patch::Apply(internal_app())).await.unwrap();
    simulator.stop().await;
}

#[tokio::test]
async fn services_of_the_world_have_settled_when_the_simulator_is_there() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut world = World::parse(include_str!("../examples/world.yaml")).unwrap();
    let mut published = internal_app();
    published["metadata"]["namespace"] = json!("shop");
    world.clusters[0].services.push(published);
    let simulator = Simulator::start(&world, Options::default()).await.unwrap();
    let service = simulator.cluster("myAKSCluster").unwrap().get("Service", "shop", "internal-app").unwrap();
    assert!(service["status"]["loadBalancer"]["ingress"][0]["ip"].is_string());
    let node = &simulator.cluster("myAKSCluster").unwrap().list("nodes", None)[0];
    assert_eq!(node["status"]["conditions"][0]["status"], "True");
    assert_eq!(simulator.writes().len(), 0, "nobody outside wrote anything");
    world.clusters[0].services[0]["spec"]["ports"] = json!([]);
    let error = Simulator::start(&world, Options::default()).await.err().unwrap();
    assert!(error.to_string().contains("cluster myAKSCluster refuses Service internal-app"), "{error}");
    simulator.stop().await;
}
