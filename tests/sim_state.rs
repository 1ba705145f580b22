//! A world that goes on after a restart, with certificates and cloud providers of one's own.

#![expect(clippy::unwrap_used, reason = "clippy's exemption of tests does not cover the functions beside them")]

use privlink::sim::saved::Saved;
use privlink::sim::tls::Certificate;
use privlink::sim::world::World;
use privlink::sim::{Options, Simulator};
use reqwest::{Client, Method};
use serde_json::{Value, json};

use crate::sim_azure::{APPLY, Running, answer, load_balancer, start};

const EXAMPLE: &str = include_str!("../examples/world.yaml");

async fn resume(saved: &Saved) -> Running {
    let world = World::parse(saved.world()).unwrap();
    let sim = Simulator::resume(&world, Options::default(), saved).await.unwrap();
    Running::of(sim)
}

#[tokio::test]
async fn clients_in_the_middle_of_something_go_on_after_a_restart() {
    let before = start().await;
    let token = before.token(APPLY).await;
    let put = before.client.put(before.url(&load_balancer())).bearer_auth(&token);
    let accepted = put.json(&json!({ "location": "eastus2" })).send().await.unwrap();
    let poll = accepted.headers()["azure-asyncoperation"].to_str().unwrap().to_owned();
    let service = before.sim.cluster("myAKSCluster").unwrap().get("services", "default", "kubernetes").unwrap();
    before.sim.add_fault(privlink::sim::fault::Fault { path: "nowhere".into(), status: 500, ..Default::default() });
    let saved = before.sim.save(EXAMPLE);
    let endpoints = before.sim.endpoints().clone();
    before.sim.stop().await;

    let after = resume(&Saved::parse(&saved.text()).unwrap()).await;
    let now = after.sim.endpoints();
    assert_eq!(
        (&now.resource_manager, &now.admin_url, &now.ca_pem),
        (&endpoints.resource_manager, &endpoints.admin_url, &endpoints.ca_pem)
    );
    assert_eq!(now.kubeconfig(), endpoints.kubeconfig());
    for expected in ["InProgress", "Succeeded"] {
        let (status, body) = answer(before.client.get(&poll).bearer_auth(&token)).await;
        assert_eq!((status, &body["status"]), (200, &json!(expected)), "with the token and the authority of before");
    }
    let cluster = after.sim.cluster("myAKSCluster").unwrap();
    assert_eq!(cluster.get("services", "default", "kubernetes").unwrap(), service);
    assert_eq!(answer(after.admin(Method::GET, "faults")).await.1["value"][0]["fault"]["path"], "nowhere");
    let shown = format!("{saved:?}");
    assert!(!shown.contains("PRIVATE") && !shown.contains(&now.clusters["myAKSCluster"].token));
}

#[tokio::test]
async fn a_revision_changes_with_what_happens_and_only_then() {
    let world = start().await;
    let still = world.sim.revision();
    assert_eq!(world.sim.revision(), still);
    world.sim.cluster("myAKSCluster").unwrap().annotate("default", "kubernetes", &[("a", Some("b"))]).unwrap();
    let changed = world.sim.revision();
    assert_ne!(changed, still);
    world.sim.advance(std::time::Duration::from_secs(1));
    assert_ne!(world.sim.revision(), changed);
}

#[tokio::test]
async fn a_certificate_of_ones_own_is_presented_to_all() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let made = Certificate::generate().unwrap();
    let options = Options { certificate: Some(made.clone()), ..Options::default() };
    let sim = Simulator::start(&World::parse(EXAMPLE).unwrap(), options).await.unwrap();
    assert_eq!(sim.endpoints().ca_pem, made.ca);
    let ca = reqwest::Certificate::from_pem(made.ca.as_bytes()).unwrap();
    let client = Client::builder().tls_certs_only([ca]).build().unwrap();
    for base in [&sim.endpoints().resource_manager, &sim.endpoints().clusters["myAKSCluster"].server] {
        assert!(client.get(base).send().await.is_ok(), "{base}");
    }
}

#[tokio::test]
async fn without_a_cloud_provider_services_wait_for_a_real_one() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let knob = EXAMPLE.replace("    name: myAKSCluster\n", "    name: myAKSCluster\n    cloud-provider: none\n");
    assert_ne!(knob, EXAMPLE);
    let option = Options { no_cloud_provider: true, ..Options::default() };
    for (world, options) in [(EXAMPLE, option), (knob.as_str(), Options::default())] {
        let sim = Simulator::start(&World::parse(world).unwrap(), options).await.unwrap();
        let cluster = sim.cluster("myAKSCluster").unwrap();
        let service = json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": "web", "namespace": "default" },
            "spec": { "type": "LoadBalancer", "ports": [{ "port": 80 }] } });
        cluster.apply_raw(&service).unwrap();
        sim.idle().await;
        let service = cluster.get("services", "default", "web").unwrap();
        let ingress = service.pointer("/status/loadBalancer/ingress").unwrap_or(&Value::Null);
        assert_eq!((ingress, sim.requests().len()), (&Value::Null, 0));
    }
}
