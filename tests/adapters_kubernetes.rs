//! The Kubernetes adapter against the simulated API server, over real connections.
#![cfg(feature = "sim")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use axum::Router;
use axum::http::StatusCode;
use privlink::domain::failure::ErrorClass;
use privlink::domain::kubernetes::Namespace;
use privlink::domain::kubernetes::ObjectKey;
use privlink::domain::kubernetes::ResourceVersion;
use privlink::domain::kubernetes::Uid;
use privlink::domain::resource::service::Deployment;
use privlink::domain::resource::service::LiveService;
use privlink::domain::resource::service::Service;
use privlink::kubernetes::Cluster;
use privlink::kubernetes::error::ClusterError;
use privlink::sim::Options;
use privlink::sim::Simulator;
use privlink::sim::clock::Clock;
use privlink::sim::fault::Faults;
use privlink::sim::kube::Cluster as Simulated;
use privlink::sim::kube::ClusterOptions;
use privlink::sim::kube::Token;
use privlink::sim::log::RequestLog;
use privlink::sim::world::IpFamily;
use privlink::sim::world::World;
use serde_json::Value as Json;
use serde_json::json;

fn simulated() -> Simulated {
    Simulated::new(ClusterOptions {
        name: "prod".to_owned(),
        token: Token::new("token"),
        directory: None,
        seed: "1".to_owned(),
        version: "1.36.2".to_owned(),
        ip_families: vec![IpFamily::IPv4, IpFamily::IPv6],
        clock: Clock::start(),
        log: RequestLog::default(),
        faults: Faults::default(),
    })
}

async fn connect(router: Router, token: &str) -> Cluster {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async { axum::serve(listener, router).await });
    let kubeconfig = json!({
        "apiVersion": "v1", "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": {"token": token}}],
        "contexts": [{"name": "prod", "context": {"cluster": "c", "user": "u"}}]
    });
    Cluster::connect(&kubeconfig.to_string(), Some("prod")).await.unwrap()
}

fn key() -> ObjectKey {
    "default/orders".parse().unwrap()
}

fn whole(extra: &Json) -> Service {
    let mut manifest = json!({"apiVersion": "v1", "kind": "Service",
        "metadata": {"name": "orders", "namespace": "default", "labels": {"app": "orders"},
            "annotations": {"service.beta.kubernetes.io/azure-load-balancer-internal": "true"}},
        "spec": {"type": "LoadBalancer", "selector": {"app": "orders"}, "loadBalancerSourceRanges": ["10.0.0.0/8"],
            "ports": [{"port": 80, "targetPort": 8080}]}});
    for (name, value) in extra.as_object().into_iter().flatten() {
        manifest["spec"][name] = value.clone();
    }
    Service { key: key(), deployment: Deployment::Whole, manifest }
}

fn version_of(live: &LiveService) -> (Uid, ResourceVersion) {
    (live.uid.clone(), live.resource_version.clone())
}

#[tokio::test]
async fn a_service_is_applied_read_and_deleted() {
    let simulated = simulated();
    let cluster = connect(simulated.router(), "token").await;
    assert_eq!(cluster.version().await.unwrap(), "1.36.2");
    assert_eq!(cluster.service(&key()).await.unwrap(), None);

    cluster.dry_run(&whole(&json!({})), None, false).await.unwrap();
    assert_eq!(cluster.service(&key()).await.unwrap(), None, "a dry run leaves nothing");
    let created = cluster.apply(&whole(&json!({})), None, false).await.unwrap();
    let wanted = whole(&json!({})).fields();
    let lost: Vec<_> = wanted.iter().filter(|(name, value)| created.fields().get(*name) != Some(*value)).collect();
    assert!(lost.is_empty(), "{lost:?}");
    let owned: Vec<&String> = wanted.keys().collect();
    assert_eq!(created.owned.iter().collect::<Vec<_>>(), owned, "what we apply is what we own, by the same names");
    assert_eq!(cluster.service(&key()).await.unwrap().as_ref(), Some(&created));

    let again = cluster.apply(&whole(&json!({})), Some(&version_of(&created)), false).await.unwrap();
    assert_eq!(again.resource_version, created.resource_version, "an equal apply changes nothing");
    let namespace: Namespace = "default".parse().unwrap();
    let names = |services: &[LiveService]| services.iter().map(|service| service.key.to_string()).collect::<Vec<_>>();
    assert_eq!(names(&cluster.services(Some(&namespace)).await.unwrap()), ["default/kubernetes", "default/orders"]);
    assert_eq!(cluster.services(None).await.unwrap().len(), 2);

    let other: Uid = "another".parse().unwrap();
    let error = cluster.delete(&key(), &other).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Conflict, "{error}");
    cluster.delete(&key(), &created.uid).await.unwrap();
    assert_eq!(cluster.service(&key()).await.unwrap(), None);
    cluster.delete(&key(), &created.uid).await.unwrap();

    let error = cluster.apply(&whole(&json!({})), Some(&version_of(&created)), false).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Conflict, "an update must not create anew: {error}");
}

#[tokio::test]
async fn other_managers_are_named_and_forced_only_on_ours() {
    let simulated = simulated();
    let cluster = connect(simulated.router(), "token").await;
    cluster.apply(&whole(&json!({})), None, false).await.unwrap();
    let annotation = "service.beta.kubernetes.io/azure-load-balancer-internal";
    simulated.annotate("default", "orders", &[(annotation, Some("false"))]).unwrap();

    let drifted = cluster.service(&key()).await.unwrap().unwrap();
    let leaf = format!("metadata.annotations[{annotation}]");
    assert!(!drifted.owned.contains(&leaf));
    assert_eq!(drifted.managers.get(&leaf).map(String::as_str), Some("kubectl-annotate"));
    let error = cluster.apply(&whole(&json!({})), Some(&version_of(&drifted)), false).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Conflict, "{error}");
    assert_eq!(error.conflicts()[0].manager, "kubectl-annotate");
    assert!(error.to_string().contains("kubectl-annotate owns .metadata.annotations"), "{error}");
    let forced = cluster.apply(&whole(&json!({})), Some(&version_of(&drifted)), true).await.unwrap();
    assert!(forced.owned.contains(&leaf));
    let stale = cluster.apply(&whole(&json!({"type": "ClusterIP"})), Some(&version_of(&drifted)), false).await;
    assert_eq!(stale.unwrap_err().class(), ErrorClass::Conflict);
}

#[tokio::test]
async fn a_foreign_service_is_only_annotated() {
    let simulated = simulated();
    let cluster = connect(simulated.router(), "token").await;
    simulated.apply_raw(&whole(&json!({})).manifest).unwrap();
    let ours = Service {
        key: key(),
        deployment: Deployment::AnnotationsOnly,
        manifest: json!({"metadata": {"annotations": {"service.beta.kubernetes.io/azure-pls-create": "true"}}}),
    };
    let live = cluster.service(&key()).await.unwrap().unwrap();
    assert!(live.owned.is_empty());
    let error = cluster.apply(&ours, Some(&version_of(&live)), true).await.unwrap_err();
    assert!(error.to_string().contains("never taken by force"), "{error}");
    assert!(matches!(cluster.apply(&ours, None, false).await, Err(ClusterError::Impossible { .. })));
    let after = cluster.apply(&ours, Some(&version_of(&live)), false).await.unwrap();
    let owned: Vec<&str> = after.owned.iter().map(String::as_str).collect();
    assert_eq!(owned, ["metadata.annotations[service.beta.kubernetes.io/azure-pls-create]"]);
    assert_eq!(after.fields().get("spec.type"), live.fields().get("spec.type"));
    let none = Service { manifest: json!({}), ..ours };
    let after = cluster.apply(&none, Some(&version_of(&after)), false).await.unwrap();
    assert!(!after.annotations().contains_key("service.beta.kubernetes.io/azure-pls-create"), "what we drop is gone");
}

#[tokio::test]
async fn what_the_server_refuses_is_invalid() {
    let simulated = simulated();
    let cluster = connect(simulated.router(), "token").await;
    for (extra, words) in [
        (json!({"prots": []}), "prots"),
        (json!({"ports": [{"port": 99999}]}), "port"),
        (json!({"ports": []}), "ports"),
        (json!({"sessionAffinity": "Sometimes"}), "sessionAffinity"),
    ] {
        let error = cluster.dry_run(&whole(&extra), None, false).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Invalid, "{error}");
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[tokio::test]
async fn a_cluster_over_tls_gives_addresses_and_says_what_it_could_not_do() {
    let world = World::parse(include_str!("../examples/world.yaml")).unwrap();
    let simulator = Simulator::start(&world, Options::default()).await.unwrap();
    let cluster = Cluster::connect(&simulator.endpoints().kubeconfig(), Some("myAKSCluster")).await.unwrap();
    cluster.apply(&whole(&json!({})), None, false).await.unwrap();
    let mut doomed = whole(&json!({}));
    doomed.key = "default/doomed".parse().unwrap();
    doomed.manifest["metadata"]["annotations"]["service.beta.kubernetes.io/azure-load-balancer-internal-subnet"] =
        json!("no-such-subnet");
    cluster.apply(&doomed, None, false).await.unwrap();
    simulator.cluster("myAKSCluster").unwrap().idle().await;

    let ready = cluster.service(&key()).await.unwrap().unwrap();
    assert_eq!(ready.addresses.len(), 1, "{ready:?}");
    assert!(cluster.warnings(&key()).await.unwrap().is_empty());
    let warnings = cluster.warnings(&doomed.key).await.unwrap();
    assert_eq!(warnings[0].reason, "SyncLoadBalancerFailed", "{warnings:?}");
    assert!(warnings[0].message.contains("no-such-subnet") && warnings[0].last_seen.is_some(), "{warnings:?}");

    // The finalizer of the cloud provider holds the object until its load balancer is gone.
    cluster.delete(&key(), &ready.uid).await.unwrap();
    simulator.cluster("myAKSCluster").unwrap().idle().await;
    assert_eq!(cluster.service(&key()).await.unwrap(), None);
    simulator.stop().await;
}

/// A server that gives one answer to everything.
async fn answering(status: u16, body: &'static str) -> Cluster {
    let answer = move || async move { (StatusCode::from_u16(status).unwrap(), [("Retry-After", "77")], body) };
    connect(Router::new().fallback(answer), "token").await
}

#[tokio::test]
async fn refusals_have_a_class_and_a_next_step() {
    // Longer than a read waits before it is told.
    let asked = Some(std::time::Duration::from_secs(77));
    let transient = ErrorClass::Transient { retry_after: asked };
    for (status, body, class, words) in [
        (403, r#"{"kind":"Status","reason":"Forbidden","message":"no"}"#, ErrorClass::Denied, "ask for a role"),
        (429, r#"{"kind":"Status","reason":"TooManyRequests"}"#, ErrorClass::Throttled { retry_after: asked }, "busy"),
        (500, r#"{"kind":"Status","reason":"InternalError","message":"m"}"#, transient, "InternalError: m"),
        (503, "<html>", transient, "HTTP status 503"),
        (404, "<html>", ErrorClass::Unknown, "HTTP status 404"),
        (200, "<html>", ErrorClass::Unknown, "not JSON"),
        (200, "{}", ErrorClass::Unknown, "no items"),
        (302, "", ErrorClass::Unknown, "HTTP status 302"),
    ] {
        let error = answering(status, body).await.services(None).await.unwrap_err();
        assert_eq!(error.class(), class, "{error}");
        assert!(error.to_string().contains(words), "{error}");
    }
    let looping = answering(200, r#"{"items":[],"metadata":{"continue":"x"}}"#).await;
    assert!(looping.services(None).await.unwrap_err().to_string().contains("names itself"));
    // A proxy's 404 is no absence.
    assert!(answering(404, "<html>").await.service(&key()).await.is_err());
}

#[tokio::test]
async fn every_page_of_a_list_is_read() {
    let page = |uri: axum::http::Uri| async move {
        let (name, next) = if uri.query().is_some_and(|query| query.contains("continue=second")) {
            ("b", "")
        } else {
            ("a", "second")
        };
        let metadata = json!({"name": name, "namespace": "default", "uid": "u", "resourceVersion": "1"});
        // A name that only newer servers allow, and that no document can hold.
        let odd = json!({"name": "1st", "namespace": "default", "uid": "u", "resourceVersion": "1"});
        json!({"metadata": {"continue": next}, "items": [{"metadata": metadata}, {"metadata": odd}]}).to_string()
    };
    let cluster = connect(Router::new().fallback(page), "token").await;
    let services = cluster.services(None).await.unwrap();
    assert_eq!(services.iter().map(|service| service.key.name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
}

#[tokio::test]
async fn sign_in_and_network_failures_name_the_place() {
    let simulated = simulated();
    let error = connect(simulated.router(), "wrong").await.services(None).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Denied);
    assert!(error.to_string().contains("(context prod)") && error.to_string().contains("sign in"), "{error}");
    let kubeconfig = json!({"apiVersion": "v1", "kind": "Config", "current-context": "prod",
        "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:1"}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
        "contexts": [{"name": "prod", "context": {"cluster": "c", "user": "u"}}]});
    let cluster = Cluster::connect(&kubeconfig.to_string(), None).await.unwrap();
    let error = cluster.services(None).await.unwrap_err();
    assert!(error.class().is_retryable());
    assert!(error.to_string().contains("http://127.0.0.1:1 (context prod) did not answer"), "{error}");
}
