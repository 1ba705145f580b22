//! Faults and the small print of Azure's answers, over real HTTP.

use std::time::Duration;

use privlink::sim::fault::Fault;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::sim_azure::{APPLY, PLAN, Running, answer, load_balancer, start, start_in};

const EXAMPLE: &str = include_str!("../examples/world.yaml");
const HOUR: Duration = Duration::from_secs(3600);

fn on_balancers(change: impl FnOnce(&mut Fault)) -> Fault {
    let mut fault = Fault { path: "loadBalancers".into(), ..Fault::default() };
    change(&mut fault);
    fault
}

impl Running {
    async fn get(&self, path: &str) -> (u16, Value) {
        answer(self.request(Method::GET, path, PLAN).await).await
    }

    async fn put_balancer(&self) -> RequestBuilder {
        let body = json!({ "location": "eastus2", "properties": {} });
        self.request(Method::PUT, &load_balancer(), APPLY).await.json(&body)
    }

    /// Calls the Kubernetes API of the only cluster.
    fn cluster(&self, method: Method, path: &str) -> RequestBuilder {
        let endpoint = &self.sim.endpoints().clusters["myAKSCluster"];
        self.client.request(method, format!("{}{path}", endpoint.server)).bearer_auth(&endpoint.token)
    }
}

#[tokio::test]
async fn every_answer_has_its_ids_and_the_rest_of_its_limits() {
    let world = start().await;
    let asked = world.request(Method::GET, "/subscriptions", PLAN).await;
    let reply = asked.header("x-ms-correlation-request-id", "mine").header("x-ms-client-request-id", "own");
    let reply = reply.send().await.unwrap();
    let header = |name: &str| reply.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(
        (header("x-ms-correlation-request-id"), header("x-ms-client-request-id")),
        ("mine".into(), "own".into())
    );
    assert_eq!(header("x-ms-request-id").len(), 36);
    assert!(header("x-ms-routing-request-id").starts_with("EASTUS2:2"), "{}", header("x-ms-routing-request-id"));
    assert!(header("date").ends_with(" GMT"));
    assert_eq!(header("x-ms-ratelimit-remaining-tenant-reads"), "249");
    let accepted = world.put_balancer().await.send().await.unwrap();
    let id = accepted.headers()["x-ms-request-id"].to_str().unwrap();
    assert!(accepted.headers()["azure-asyncoperation"].to_str().unwrap().contains(id), "it names the operation");
    assert_eq!(accepted.headers()["x-ms-ratelimit-remaining-subscription-writes"], "199");
    assert_eq!(accepted.headers()["x-ms-ratelimit-remaining-subscription-global-writes"], "2999");
    assert!(accepted.headers().get("etag").is_none(), "only a single GET has one");
    let refused = world.client.get(format!("{}/subscriptions", world.sim.endpoints().resource_manager)).send().await;
    assert!(refused.unwrap().headers().contains_key("x-ms-request-id"), "a refusal as well");
}

#[tokio::test]
async fn enforced_limits_answer_429_and_say_how_long_to_wait() {
    let world = start_in(&format!("{EXAMPLE}\nthrottling: enforce\n")).await;
    let token = world.token(PLAN).await;
    let mut throttled = None;
    for _ in 0..600 {
        let request = world.client.get(world.url(&load_balancer())).bearer_auth(&token);
        let reply = request.send().await.unwrap();
        if reply.status() == 429 {
            throttled = Some(reply);
            break;
        }
    }
    let throttled = throttled.expect("600 reads are more than a bucket holds");
    assert_eq!(throttled.headers()["retry-after"], "1");
    let body: Value = throttled.json().await.unwrap();
    assert_eq!(body["error"]["code"], "SubscriptionRequestsThrottled");
    world.sim.advance(Duration::from_secs(2));
    assert_eq!(world.get(&load_balancer()).await.0, 404);
}

#[tokio::test]
async fn a_connection_is_dropped_before_or_after_the_effect() {
    let world = start().await;
    world.sim.add_fault(on_balancers(|own| (own.drop_request, own.times) = (true, Some(1))));
    assert!(world.put_balancer().await.send().await.is_err());
    assert_eq!(world.get(&load_balancer()).await.0, 404, "nothing happened");
    world.sim.add_fault(on_balancers(|own| (own.drop_connection, own.times) = (true, Some(1))));
    assert!(world.put_balancer().await.send().await.is_err());
    assert_eq!(world.get(&load_balancer()).await.0, 200, "it happened all the same");
    let cut: Vec<u16> = world.sim.writes().iter().map(|request| request.status).collect();
    assert_eq!(cut, [0, 0]);
}

#[tokio::test]
async fn stale_reads_show_what_was_there_when_the_fault_began() {
    let world = start().await;
    world.sim.add_fault(on_balancers(|own| (own.stale, own.times) = (true, Some(2))));
    world.sim.arm().settle(&world.sim.arm().call("PUT", &load_balancer(), &[], Some(json!({ "location": "eastus2" }))));
    let list = load_balancer().replace("/kubernetes-internal", "");
    assert_eq!(world.get(&load_balancer()).await.0, 404);
    assert_eq!(world.get(&list).await.1["value"], json!([]));
    assert_eq!(world.get(&load_balancer()).await.0, 200, "two reads were stale, and writes never are");
    world.sim.add_fault(on_balancers(|own| (own.stale, own.for_milliseconds) = (true, Some(3_600_000))));
    assert_eq!(answer(world.request(Method::DELETE, &load_balancer(), APPLY).await).await.0, 202);
    for _ in 0..4 {
        let (status, body) = world.get(&load_balancer()).await;
        assert_eq!((status, &body["properties"]["provisioningState"]), (200, &json!("Succeeded")));
    }
    world.sim.advance(2 * HOUR);
    assert_eq!(world.get(&load_balancer()).await.1["properties"]["provisioningState"], "Deleting");
}

#[tokio::test]
async fn stale_reads_of_a_cluster_do_not_touch_its_writes_and_watches() {
    let world = start().await;
    let cluster = world.sim.cluster("myAKSCluster").unwrap().clone();
    world.sim.add_fault(Fault { path: "/api/v1/namespaces".into(), stale: true, ..Fault::default() });
    let manifest = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "late"}});
    let (status, _) = answer(world.cluster(Method::POST, "/api/v1/namespaces").json(&manifest)).await;
    assert_eq!((status, cluster.get("namespaces", "", "late").is_some()), (201, true));
    assert_eq!(answer(world.cluster(Method::GET, "/api/v1/namespaces/late")).await.0, 404);
    let old = world.cluster(Method::GET, "/api/v1/namespaces?watch=true&resourceVersion=0&timeoutSeconds=1");
    assert!(answer(old).await.1.to_string().contains("late"), "a watch tells what comes");
    world.sim.clear_faults();
    assert_eq!(answer(world.cluster(Method::GET, "/api/v1/namespaces/late")).await.0, 200);
}

#[tokio::test]
async fn a_request_to_a_cluster_can_be_dropped_before_its_effect() {
    let world = start().await;
    world.sim.add_fault(Fault { path: "/api/v1/namespaces".into(), drop_request: true, ..Fault::default() });
    let manifest = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "late"}});
    assert!(world.cluster(Method::POST, "/api/v1/namespaces").json(&manifest).send().await.is_err());
    assert!(world.sim.cluster("myAKSCluster").unwrap().get("namespaces", "", "late").is_none());
}

#[tokio::test]
async fn moving_the_clock_ends_a_delay() {
    let world = start().await;
    world.sim.add_fault(on_balancers(|own| own.delay_milliseconds = 3_600_000));
    let request = world.request(Method::GET, &load_balancer(), PLAN).await;
    let slow = tokio::spawn(answer(request));
    while answer(world.admin(Method::GET, "faults")).await.1["value"][0]["hits"] != 1 {}
    world.sim.advance(2 * HOUR);
    assert_eq!(slow.await.unwrap().0, 404);
}

#[tokio::test]
async fn chance_hits_the_same_requests_in_every_run() {
    let mut runs = Vec::new();
    for _ in 0..2 {
        let world = start().await;
        let half = privlink::sim::fault::Probability::of(0.5);
        world.sim.add_fault(on_balancers(|own| (own.status, own.probability) = (503, half)));
        let token = world.token(PLAN).await;
        let mut run = Vec::new();
        for _ in 0..20 {
            run.push(answer(world.client.get(world.url(&load_balancer())).bearer_auth(&token)).await.0);
        }
        runs.push(run);
    }
    assert_eq!(runs[0], runs[1]);
    assert!(runs[0].contains(&503) && runs[0].contains(&404), "{:?}", runs[0]);
}
