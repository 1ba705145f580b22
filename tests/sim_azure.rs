//! The simulated Azure over real HTTP: TLS, tokens, faults, the admin API, and a client of Microsoft's own.

#![expect(clippy::unwrap_used, reason = "clippy's exemption of tests does not cover the functions beside them")]

mod rights;

use std::sync::Arc;
use std::time::Duration;

use azure_core::cloud::{CloudConfiguration, CustomConfiguration};
use azure_core::credentials::{Secret, TokenCredential as _};
use azure_core::http::{ClientOptions, Transport};
use azure_identity::{ClientSecretCredential, ClientSecretCredentialOptions};
use privlink::sim::fault::Fault;
use privlink::sim::world::World;
use privlink::sim::{Options, Simulator};
use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};

const TENANT: &str = "11111111-1111-1111-1111-111111111111";
pub(crate) const PLAN: (&str, &str) = ("00000000-0000-0000-0000-0000000000a1", "plan-secret");
pub(crate) const APPLY: (&str, &str) = ("00000000-0000-0000-0000-0000000000a2", "apply-secret");
const SCOPE: &str = "https://management.azure.com/.default";
const NODE_GROUP: &str =
    "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/MC_myResourceGroup_myAKSCluster_eastus2";

pub(crate) struct Running {
    pub(crate) sim: Simulator,
    pub(crate) client: Client,
}

pub(crate) async fn start() -> Running {
    start_in(include_str!("../examples/world.yaml")).await
}

pub(crate) async fn start_in(world: &str) -> Running {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let world = World::parse(world).unwrap();
    let sim = Simulator::start(&world, Options::default()).await.unwrap();
    Running::of(sim)
}

impl Running {
    pub(crate) fn of(sim: Simulator) -> Self {
        let ca = reqwest::Certificate::from_pem(sim.endpoints().ca_pem.as_bytes()).unwrap();
        let client = Client::builder().tls_certs_only([ca]).timeout(Duration::from_secs(20)).build().unwrap();
        Self { sim, client }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        let version = if path.contains('?') { "" } else { "?api-version=2025-05-01" };
        format!("{}{path}{version}", self.sim.endpoints().resource_manager)
    }

    async fn ask_for_token(&self, (id, secret): (&str, &str)) -> (u16, Value) {
        let form = format!("grant_type=client_credentials&client_id={id}&client_secret={secret}&scope={SCOPE}");
        let url = format!("{}/{TENANT}/oauth2/v2.0/token", self.sim.endpoints().authority);
        let request = self.client.post(url).header("content-type", "application/x-www-form-urlencoded").body(form);
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap())
    }

    pub(crate) async fn token(&self, identity: (&str, &str)) -> String {
        let (_, body) = self.ask_for_token(identity).await;
        body["access_token"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn request(&self, method: Method, path: &str, identity: (&str, &str)) -> RequestBuilder {
        let token = self.token(identity).await;
        self.client.request(method, self.url(path)).bearer_auth(token)
    }

    pub(crate) fn admin(&self, method: Method, path: &str) -> RequestBuilder {
        let endpoints = self.sim.endpoints();
        self.client.request(method, format!("{}/{path}", endpoints.admin_url)).bearer_auth(&endpoints.admin_token)
    }
}

pub(crate) async fn answer(request: RequestBuilder) -> (u16, Value) {
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

pub(crate) fn load_balancer() -> String {
    format!("{NODE_GROUP}/providers/Microsoft.Network/loadBalancers/kubernetes-internal")
}

#[tokio::test]
async fn azure_identity_gets_a_token_that_the_resource_manager_accepts() {
    let world = start().await;
    let mut cloud = CustomConfiguration::default();
    cloud.authority_host = world.sim.endpoints().authority.clone();
    let credential = |secret: &str| {
        let client_options = ClientOptions {
            cloud: Some(Arc::new(CloudConfiguration::Custom(cloud.clone()))),
            transport: Some(Transport::new(Arc::new(world.client.clone()))),
            ..ClientOptions::default()
        };
        let options = ClientSecretCredentialOptions { client_options };
        ClientSecretCredential::new(TENANT, PLAN.0.to_owned(), Secret::new(secret.to_owned()), Some(options)).unwrap()
    };
    let token = credential(PLAN.1).get_token(&[SCOPE], None).await.unwrap();
    let request =
        world.client.get(world.url(&format!("{NODE_GROUP}/providers/Microsoft.Network/virtualNetworks/aks-vnet")));
    let (status, body) = answer(request.bearer_auth(token.token.secret())).await;
    assert_eq!((status, &body["name"]), (200, &json!("aks-vnet")));
    let refusal = format!("{:?}", credential("wrong").get_token(&[SCOPE], None).await.unwrap_err());
    assert!(refusal.contains("AADSTS7000215"), "the client reads our description: {refusal}");
    world.sim.stop().await;
}

#[tokio::test]
async fn a_request_needs_a_token_of_this_simulator() {
    let world = start().await;
    let response = world.client.get(world.url("/subscriptions")).send().await.unwrap();
    assert_eq!(response.status(), 401);
    assert!(response.headers()["www-authenticate"].to_str().unwrap().contains(TENANT));
    let body: Value = response.json().await.unwrap();
    assert_eq!(body["error"]["code"], "InvalidAuthenticationToken");
    let other = start().await;
    let foreign = other.token(APPLY).await;
    let (status, _) = answer(world.client.get(world.url("/subscriptions")).bearer_auth(foreign)).await;
    assert_eq!(status, 401);
    let late = world.token(APPLY).await;
    world.sim.advance(Duration::from_secs(100_000));
    let (status, body) = answer(world.client.get(world.url("/subscriptions")).bearer_auth(late)).await;
    assert_eq!((status, &body["error"]["code"]), (401, &json!("ExpiredAuthenticationToken")));
}

#[tokio::test]
async fn roles_and_subscriptions_limit_what_an_identity_does() {
    let world = start().await;
    let (_, list) = answer(world.request(Method::GET, "/subscriptions", PLAN).await).await;
    assert_eq!(list["value"].as_array().unwrap().len(), 2, "the foreign one is not ours to see");
    let put = world.request(Method::PUT, &load_balancer(), PLAN).await.json(&json!({ "location": "eastus2" }));
    let (status, body) = answer(put).await;
    assert_eq!((status, &body["error"]["code"]), (403, &json!("AuthorizationFailed")));
    let foreign = "/subscriptions/00000000-0000-0000-0000-000000000003/resourceGroups/rg-ledger";
    let (status, body) = answer(world.request(Method::GET, foreign, APPLY).await).await;
    assert_eq!((status, &body["error"]["code"]), (404, &json!("SubscriptionNotFound")));
    let (status, body) = world.ask_for_token((PLAN.0, "wrong")).await;
    assert_eq!((status, &body["error"]), (401, &json!("invalid_client")));
    let permissions = format!("{NODE_GROUP}/providers/Microsoft.Authorization/permissions");
    let (_, body) = answer(world.request(Method::GET, &permissions, PLAN).await).await;
    assert_eq!(body["value"][0]["actions"][0], "*/read");
    assert_eq!(world.sim.writes().len(), 1, "the refused PUT is a write that was tried");
}

#[tokio::test]
async fn an_operation_is_polled_at_the_address_the_client_used() {
    let world = start().await;
    let token = world.token(APPLY).await;
    let url = world.url(&load_balancer()).replace("127.0.0.1", "localhost");
    let body = json!({ "location": "eastus2", "properties": {} });
    let accepted = world.client.put(url).bearer_auth(&token).json(&body).send().await.unwrap();
    assert_eq!(accepted.status(), 201);
    let poll = accepted.headers()["azure-asyncoperation"].to_str().unwrap().to_owned();
    assert!(poll.starts_with("https://localhost:"), "{poll}");
    assert_eq!(accepted.headers()["retry-after"], "0");
    for expected in ["InProgress", "Succeeded"] {
        let (_, body) = answer(world.client.get(&poll).bearer_auth(&token)).await;
        assert_eq!(body["status"], expected);
    }
    let got = world.client.get(world.url(&load_balancer())).bearer_auth(&token).send().await.unwrap();
    let etag = got.headers()["etag"].to_str().unwrap().to_owned();
    let body: Value = got.json().await.unwrap();
    assert_eq!((&body["etag"], &body["properties"]["provisioningState"]), (&json!(etag), &json!("Succeeded")));
    let logged = world.sim.writes();
    assert_eq!(logged.len(), 1);
    assert!(!logged[0].is_internal && logged[0].status == 201);
}

#[tokio::test]
async fn faults_look_like_a_bad_day_of_azure() {
    let world = start().await;
    let id = load_balancer();
    let get = || async { world.request(Method::GET, &id, PLAN).await };
    let fault = |change: fn(&mut Fault)| {
        let mut fault = Fault { path: "loadBalancers".into(), times: Some(1), ..Fault::default() };
        change(&mut fault);
        world.sim.add_fault(fault);
    };
    fault(|own| {
        (own.status, own.code) = (429, "SubscriptionRequestsThrottled".into());
        own.headers = vec![("Retry-After".into(), "7".into())];
    });
    let throttled = get().await.send().await.unwrap();
    assert_eq!((throttled.status().as_u16(), &throttled.headers()["retry-after"]), (429, &"7".parse().unwrap()));
    fault(|own| (own.status, own.body) = (503, Some("<html>Our services aren't available right now</html>".into())));
    let (status, body) = answer(get().await).await;
    assert!(status == 503 && body.is_string(), "{body}");
    fault(|own| own.drop_connection = true);
    assert!(get().await.send().await.is_err());
    fault(|own| own.hang = true);
    assert!(get().await.timeout(Duration::from_millis(300)).send().await.unwrap_err().is_timeout());
    fault(|own| own.delay_milliseconds = 50);
    assert_eq!(answer(get().await).await.0, 404, "late, but served");
    fault(|own| own.status = 500);
    world.sim.clear_faults();
    assert_eq!(answer(get().await).await.0, 404);
    let stopped = tokio::time::timeout(Duration::from_secs(5), world.sim.stop());
    stopped.await.expect("a hanging answer does not keep the simulator from stopping");
}

#[tokio::test]
async fn the_admin_api_is_not_for_web_pages_and_needs_its_token() {
    let world = start().await;
    let from_page = world.admin(Method::GET, "requests").header("Origin", "http://evil.example");
    assert_eq!(answer(from_page).await.0, 403);
    let url = format!("{}/requests", world.sim.endpoints().admin_url);
    assert_eq!(answer(world.client.get(&url)).await.0, 401);
    assert_eq!(answer(world.client.get(&url).bearer_auth(world.token(APPLY).await)).await.0, 401);
    let https = url.replace(&world.sim.endpoints().resource_manager_http, &world.sim.endpoints().resource_manager);
    assert_eq!(
        answer(world.client.get(https).bearer_auth(&world.sim.endpoints().admin_token)).await.0,
        401,
        "http only"
    );
    let rebound = world.admin(Method::GET, "requests").header("Host", "rebound.example");
    assert_eq!(answer(rebound).await.0, 403, "a stranger's name that points at loopback");
    let by_name = world.admin(Method::GET, "requests").header("Host", "localhost:80");
    assert_eq!(answer(by_name).await.0, 200);
    assert_eq!(answer(world.admin(Method::GET, "requests")).await.0, 200);
}

#[tokio::test]
async fn the_admin_api_changes_things_behind_our_back() {
    let world = start().await;
    let resource = format!("resources{}", load_balancer());
    assert_eq!(answer(world.admin(Method::GET, &resource)).await.0, 404);
    let body = json!({ "location": "eastus2", "properties": { "frontendIPConfigurations": [] } });
    assert_eq!(answer(world.admin(Method::PUT, &resource).json(&body)).await.0, 200);
    assert_eq!(answer(world.request(Method::GET, &load_balancer(), PLAN).await).await.0, 200);
    assert_eq!(answer(world.admin(Method::DELETE, &resource)).await.0, 200);
    assert_eq!(answer(world.request(Method::GET, &load_balancer(), PLAN).await).await.0, 404);
    let change = json!({ "tags": { "owner": "me" }, "properties": { "frontendIPConfigurations": null } });
    assert_eq!(answer(world.admin(Method::PATCH, &resource).json(&change)).await.0, 404);
    answer(world.admin(Method::PUT, &resource).json(&body)).await;
    let (_, changed) = answer(world.admin(Method::PATCH, &resource).json(&change)).await;
    assert_eq!(
        (&changed["tags"]["owner"], &changed["properties"]["frontendIPConfigurations"]),
        (&json!("me"), &Value::Null)
    );
    let (_, listed) = answer(world.admin(Method::GET, "resources?type=loadBalancers")).await;
    assert!(listed["value"].as_array().unwrap().iter().any(|own| own["name"] == "kubernetes-internal"));
    answer(world.admin(Method::DELETE, &resource)).await;
    let fault = json!({ "path": "loadBalancers", "status": 500, "code": "InternalServerError" });
    assert_eq!(answer(world.admin(Method::POST, "faults").json(&fault)).await.0, 200);
    assert_eq!(answer(world.request(Method::GET, &load_balancer(), PLAN).await).await.0, 500);
    assert_eq!(answer(world.admin(Method::POST, "faults").json(&json!({ "staus": 1 }))).await.0, 400);
    assert_eq!(answer(world.admin(Method::DELETE, "faults")).await.0, 200);
    assert_eq!(answer(world.request(Method::GET, &load_balancer(), PLAN).await).await.0, 404);
    assert!(world.sim.writes().is_empty(), "none of that was a client's write");
}

#[tokio::test]
async fn the_admin_api_changes_clusters_as_kubectl_would() {
    let world = start().await;
    let service = json!({ "kind": "Service", "apiVersion": "v1", "spec": { "type": "LoadBalancer",
        "ports": [{ "port": 80 }] }, "metadata": { "annotations":
        { "service.beta.kubernetes.io/azure-load-balancer-internal": "true" } } });
    let path = "objects/service/fresh/web";
    assert_eq!(answer(world.admin(Method::GET, path)).await.0, 404);
    let (status, body) = answer(world.admin(Method::PUT, path).json(&service)).await;
    assert_eq!((status, &body["metadata"]["namespace"]), (200, &json!("fresh")), "{body}");
    world.sim.idle().await;
    let (_, body) = answer(world.admin(Method::GET, path)).await;
    assert!(body["status"]["loadBalancer"]["ingress"][0]["ip"].is_string(), "{body}");
    let patch = json!({ "metadata": { "annotations": { "mine": "yes" } } });
    let (_, body) = answer(world.admin(Method::PATCH, path).json(&patch)).await;
    assert_eq!(body["metadata"]["annotations"]["mine"], "yes");
    assert_eq!(
        answer(world.admin(Method::PUT, "objects/service/fresh/bad").json(&json!({ "spec": { "type": "Nonsense" } })))
            .await
            .0,
        422
    );
    assert_eq!(answer(world.admin(Method::GET, "objects/service/web")).await.0, 404);
    assert_eq!(answer(world.admin(Method::GET, "objects?cluster=other")).await.0, 404);
    assert_eq!(answer(world.admin(Method::DELETE, path)).await.0, 200);
    assert_eq!(answer(world.admin(Method::POST, "resync")).await.0, 200);
    world.sim.idle().await;
    assert_eq!(answer(world.admin(Method::GET, path)).await.0, 404);
}

#[tokio::test]
async fn the_admin_api_tells_of_faults_clock_requests_and_everything() {
    let world = start().await;
    let fault = json!({ "path": "loadBalancers", "status": 500 });
    let (_, list) = answer(world.admin(Method::POST, "faults").json(&fault)).await;
    assert_eq!(list["value"], json!([{ "id": 1, "seen": 0, "hits": 0, "fault": fault }]));
    answer(world.request(Method::GET, &load_balancer(), PLAN).await).await;
    assert_eq!(answer(world.admin(Method::GET, "faults")).await.1["value"][0]["hits"], 1);
    assert_eq!(answer(world.admin(Method::DELETE, "faults/9")).await.0, 404);
    assert_eq!(answer(world.admin(Method::DELETE, "faults/1")).await.1["value"], json!([]));
    let (_, clock) = answer(world.admin(Method::POST, "clock?advance-milliseconds=5000")).await;
    assert_eq!((&clock["ahead-milliseconds"], clock["now"].is_string()), (&json!(5000), true));
    let (_, seen) = answer(world.admin(Method::GET, "requests?client=nobody")).await;
    assert_eq!(seen["value"], json!([]));
    let (_, seen) = answer(world.admin(Method::GET, "requests?writes=true")).await;
    assert_eq!(seen["value"], json!([]));
    let (_, seen) = answer(world.admin(Method::GET, "requests?since=1")).await;
    assert_eq!(seen["value"][0]["sequence"], 2);
    let (_, state) = answer(world.admin(Method::GET, "state")).await;
    assert!(state["azure"]["resources"].as_array().unwrap().len() > 5 && state["clusters"]["myAKSCluster"].is_object());
    let text = state.to_string();
    let endpoints = world.sim.endpoints();
    assert!(!text.contains("PRIVATE KEY") && !text.contains(&endpoints.clusters["myAKSCluster"].token));
}

#[tokio::test]
async fn metadata_comes_in_three_shapes_and_without_a_token() {
    let world = start().await;
    let get = |version: &str| world.client.get(world.url(&format!("//metadata/endpoints?api-version={version}")));
    let (_, one) = answer(get("2022-09-01")).await;
    assert_eq!(one["authentication"]["loginEndpoint"], world.sim.endpoints().authority);
    assert_eq!(answer(get("2019-05-01")).await.1, json!([one]));
    assert!(answer(get("2018-01-01")).await.1["cloudEndpoint"].is_object());
    let discovery = format!("/{TENANT}/v2.0/.well-known/openid-configuration?x=");
    let (_, document) = answer(world.client.get(world.url(&discovery))).await;
    let endpoint = format!("{}/{TENANT}/oauth2/v2.0/token", world.sim.endpoints().authority);
    assert_eq!(document["token_endpoint"], endpoint);
}

#[tokio::test]
async fn a_managed_identity_works_over_plain_http() {
    let world = start().await;
    let base = &world.sim.endpoints().resource_manager_http;
    let url = format!("{base}/msi/token?api-version=2019-08-01&resource=https://management.azure.com/");
    assert_eq!(answer(world.client.get(&url)).await.0, 400, "without the header it may be a web page that asks");
    let (status, body) = answer(world.client.get(&url).header("X-IDENTITY-HEADER", "any")).await;
    assert_eq!((status, body["expires_on"].is_string()), (200, true));
    let token = body["access_token"].as_str().unwrap();
    let list = world.client.get(format!("{base}/subscriptions?api-version=2022-12-01")).bearer_auth(token);
    assert_eq!(answer(list).await.0, 200);
}

#[tokio::test]
async fn a_reader_gets_the_credential_of_a_cluster() {
    use base64::Engine as _;
    let world = start().await;
    let cluster = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/myResourceGroup/providers/\
                   Microsoft.ContainerService/managedClusters/myAKSCluster";
    let action = format!("{cluster}/listClusterUserCredential");
    let (status, body) = answer(world.request(Method::POST, &action, PLAN).await).await;
    assert_eq!(status, 200);
    let config = base64::engine::general_purpose::STANDARD.decode(body["kubeconfigs"][0]["value"].as_str().unwrap());
    let config: Value = serde_yaml::from_slice(&config.unwrap()).unwrap();
    let endpoint = &world.sim.endpoints().clusters["myAKSCluster"];
    assert_eq!(config["clusters"][0]["cluster"]["server"], endpoint.server);
    let whole: Value = serde_yaml::from_str(&world.sim.endpoints().kubeconfig()).unwrap();
    assert_eq!((&whole["users"], &whole["current-context"]), (&config["users"], &json!("myAKSCluster")));
    let admin = format!("{cluster}/listClusterAdminCredential");
    assert_eq!(answer(world.request(Method::POST, &admin, PLAN).await).await.0, 403);
    assert!(world.sim.writes().is_empty(), "asking for a credential is a read");
}

#[tokio::test]
async fn a_taken_port_is_an_error_that_says_so() {
    let world = start().await;
    let port = world.sim.endpoints().resource_manager.rsplit(':').next().unwrap().parse().unwrap();
    let yaml = World::parse(include_str!("../examples/world.yaml")).unwrap();
    let options = Options { azure_https_port: port, ..Options::default() };
    let error = Simulator::start(&yaml, options).await.err().unwrap().to_string();
    assert!(error.contains(&port.to_string()) && error.contains("another port"), "{error}");
}

#[tokio::test]
async fn a_world_that_azure_would_refuse_does_not_start() {
    let text =
        include_str!("../examples/world.yaml").replace("privateIPAddress: 10.80.0.10", "privateIPAddress: 10.80.0.1");
    let error = Simulator::start(&World::parse(&text).unwrap(), Options::default()).await.err().unwrap().to_string();
    assert!(error.contains("ledger-lb") && error.contains("PrivateIPAddressInReservedRange"), "{error}");
}

#[tokio::test]
async fn no_token_is_ever_shown() {
    let world = start().await;
    let endpoints = world.sim.endpoints();
    let shown = format!("{endpoints:?} {:?}", world.sim.arm());
    for secret in [&endpoints.admin_token, &endpoints.clusters["myAKSCluster"].token, &PLAN.1.to_owned()] {
        assert!(!shown.contains(secret.as_str()));
    }
}
