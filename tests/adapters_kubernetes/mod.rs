//! The Kubernetes adapter over real connections: against the simulated API server, and against a real one if there is one.
#![cfg(feature = "sim")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod cases;
mod real;

use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use privlink::domain::failure::ErrorClass;
use privlink::kubernetes::Cluster;
use privlink::kubernetes::watch::Sign;
use privlink::kubernetes::watch::Watch;
use privlink::sim::Options;
use privlink::sim::Simulator;
use privlink::sim::clock::Clock;
use privlink::sim::fault::Faults;
use privlink::sim::kube::Cluster as Simulated;
use privlink::sim::kube::ClusterOptions;
use privlink::sim::kube::Token;
use privlink::sim::log::RequestLog;
use privlink::sim::world::ClusterUser;
use privlink::sim::world::IpFamily;
use privlink::sim::world::World;
use serde_json::Value as Json;
use serde_json::json;

use cases::ADMIN;
use cases::LIMITED;
use cases::Server;
use cases::key_in;
use cases::whole;

fn simulated() -> Simulated {
    let limited =
        ClusterUser { name: LIMITED.to_owned(), roles: vec![serde_json::from_value(cases::limited_role()).unwrap()] };
    Simulated::new(ClusterOptions {
        name: "prod".to_owned(),
        token: Token::new(ADMIN),
        users: vec![(Token::new(LIMITED), Arc::new(limited))],
        directory: None,
        seed: "1".to_owned(),
        version: "1.36.2".to_owned(),
        ip_families: vec![IpFamily::IPv4, IpFamily::IPv6],
        admission: Vec::new(),
        clock: Clock::start(),
        log: RequestLog::default(),
        faults: Faults::default(),
    })
}

/// Serves a router on loopback, and answers a kubeconfig for it.
async fn serve(router: Router) -> Json {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async { axum::serve(listener, router).await });
    cases::kubeconfig(&json!({"server": server}))
}

async fn connect(router: Router, token: &str) -> Cluster {
    let mut kubeconfig = serve(router).await;
    kubeconfig["users"][0]["user"]["token"] = json!(token);
    Cluster::connect(&kubeconfig.to_string(), Some(ADMIN)).await.unwrap()
}

/// Each case on a simulated API server of its own.
mod on_the_simulator {
    use super::Server;
    use super::cases;
    use super::serve;
    use super::simulated;

    macro_rules! tests {
        ($($name:ident)*) => {
            $(
                #[tokio::test]
                async fn $name() {
                    let server = Server::connect(&serve(simulated().router()).await, "case").await;
                    cases::$name(&server).await;
                }
            )*
        };
    }

    super::cases::for_each_case!(tests);
}

#[tokio::test]
async fn a_cluster_over_tls_gives_addresses_and_says_what_it_could_not_do() {
    let world = World::parse(include_str!("../../examples/world.yaml")).unwrap();
    let simulator = Simulator::start(&world, Options::default()).await.unwrap();
    let cluster = Cluster::connect(&simulator.endpoints().kubeconfig(), Some("myAKSCluster")).await.unwrap();
    let orders = whole("default", &json!({}));
    cluster.apply(&orders, None, false).await.unwrap();
    let mut doomed = orders.clone();
    doomed.key = "default/doomed".parse().unwrap();
    doomed.manifest["metadata"]["annotations"]["service.beta.kubernetes.io/azure-load-balancer-internal-subnet"] =
        json!("no-such-subnet");
    cluster.apply(&doomed, None, false).await.unwrap();
    simulator.cluster("myAKSCluster").unwrap().idle().await;

    let ready = cluster.service(&key_in("default")).await.unwrap().unwrap();
    assert_eq!(ready.addresses.len(), 1, "{ready:?}");
    assert!(cluster.warnings(&key_in("default")).await.unwrap().is_empty());
    let warnings = cluster.warnings(&doomed.key).await.unwrap();
    assert_eq!(warnings[0].reason, "SyncLoadBalancerFailed", "{warnings:?}");
    assert!(warnings[0].message.contains("no-such-subnet") && warnings[0].last_seen.is_some(), "{warnings:?}");

    // The finalizer of the cloud provider holds the object until its load balancer is gone.
    cluster.delete(&key_in("default"), &ready.uid).await.unwrap();
    simulator.cluster("myAKSCluster").unwrap().idle().await;
    assert_eq!(cluster.service(&key_in("default")).await.unwrap(), None);
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
    assert!(answering(404, "<html>").await.service(&key_in("default")).await.is_err());
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
    let error = connect(simulated().router(), "wrong").await.services(None).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Denied);
    assert!(error.to_string().contains("(context admin)") && error.to_string().contains("sign in"), "{error}");
    let kubeconfig = json!({"apiVersion": "v1", "kind": "Config", "current-context": "admin",
        "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:1"}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
        "contexts": [{"name": "admin", "context": {"cluster": "c", "user": "u"}}]});
    let cluster = Cluster::connect(&kubeconfig.to_string(), None).await.unwrap();
    let error = cluster.services(None).await.unwrap_err();
    assert!(error.class().is_retryable());
    assert!(error.to_string().contains("http://127.0.0.1:1 (context admin) did not answer"), "{error}");
}

/// The next sign, which is about to come.
async fn sign(watch: &mut Watch<'_>) -> Sign {
    tokio::time::timeout(std::time::Duration::from_secs(20), watch.next()).await.unwrap()
}

#[tokio::test]
async fn what_changed_since_a_version_that_the_server_has_forgotten_is_found_by_a_new_list() {
    let api = simulated();
    let cluster = connect(api.router(), ADMIN).await;
    let mut watch = Watch::new(&cluster);
    let early = tokio::time::timeout(std::time::Duration::from_millis(300), watch.next()).await;
    assert!(early.is_err(), "{early:?}");
    // Nobody reads in between: when the watch asks, what it asks for is forgotten.
    for name in ["first", "second"] {
        let mut manifest = whole("default", &json!({})).manifest;
        manifest["metadata"]["name"] = json!(name);
        api.apply_raw(&manifest).unwrap();
    }
    api.compact();
    let mut told = Vec::new();
    for _ in 0..2 {
        let Sign::Changed(key) = sign(&mut watch).await else { unreachable!("nothing is wrong") };
        told.push(key.to_string());
    }
    assert_eq!(told, ["default/first", "default/second"]);
}

#[tokio::test]
async fn a_watch_that_is_lost_says_so_once_and_goes_on_where_it_was() {
    let asked = Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = Arc::clone(&asked);
    let answer = move |uri: axum::http::Uri| async move {
        let query = uri.query().unwrap_or_default().to_owned();
        if !query.contains("watch=true") {
            return (StatusCode::OK, json!({"metadata": {"resourceVersion": "7"}, "items": []}).to_string());
        }
        let mut asked = seen.lock().unwrap();
        asked.push(query.split('&').find(|part| part.starts_with("resourceVersion")).unwrap().to_owned());
        let object = |version: &str| {
            json!({"apiVersion": "v1", "kind": "Service",
            "metadata": {"name": "orders", "namespace": "default", "resourceVersion": version, "labels": {"v": version}},
            "spec": {"type": "LoadBalancer"}})
        };
        let event = match asked.len() {
            1 => json!({"type": "ADDED", "object": object("8")}),
            2 => {
                json!({"type": "BOOKMARK", "object": {"apiVersion": "v1", "kind": "Service", "metadata": {"resourceVersion": "19"}}})
            }
            3 | 4 => return (StatusCode::SERVICE_UNAVAILABLE, String::new()),
            _ => json!({"type": "MODIFIED", "object": object("20")}),
        };
        (StatusCode::OK, format!("{event}\n"))
    };
    let cluster = connect(Router::new().fallback(answer), "token").await;
    let mut watch = Watch::new(&cluster);
    let mut told = Vec::new();
    for _ in 0..4 {
        told.push(match sign(&mut watch).await {
            Sign::Changed(key) => key.to_string(),
            Sign::Lost(error) => error.class().is_retryable().to_string(),
            Sign::Back => "back".to_owned(),
        });
    }
    assert_eq!(told, ["default/orders", "true", "back", "default/orders"]);
    let from = ["7", "8", "19", "19", "19"].map(|version| format!("resourceVersion={version}"));
    assert_eq!(asked.lock().unwrap()[..5], from);
}
