//! A client that does what Azure's Go SDK does with an answer, and insists on every part of it.

use std::time::Duration;

use privlink::sim::world::World;
use privlink::sim::{Options, Simulator};
use reqwest::{Client, Method, Response};
use serde_json::{Value, json};

/// The subscription of everything that is replayed.
pub(super) const SUBSCRIPTION: &str = "/subscriptions/00000000-0000-0000-0000-000000000001";

/// A fresh simulator of the example's world, and somebody who talks to it.
pub(super) struct Replay {
    sim: Simulator,
    client: Client,
    origin: String,
    token: String,
}

/// What a client may send beside a body.
#[derive(Clone, Copy)]
pub(super) enum Condition<'a> {
    None,
    IfMatch(&'a Value),
}

impl Replay {
    /// Starts a simulator and signs nobody in.
    pub(super) async fn start(is_plain: bool) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let world = World::parse(include_str!("../../examples/world.yaml")).unwrap();
        let sim = Simulator::start(&world, Options { no_cloud_provider: true, ..Options::default() }).await.unwrap();
        let ca = reqwest::Certificate::from_pem(sim.endpoints().ca_pem.as_bytes()).unwrap();
        let client = Client::builder().tls_certs_only([ca]).timeout(Duration::from_secs(20)).build().unwrap();
        let endpoints = sim.endpoints();
        let origin = if is_plain { &endpoints.resource_manager_http } else { &endpoints.resource_manager }.clone();
        Self { client, origin, sim, token: String::new() }
    }

    /// What the client found out about the cloud, without signing in.
    pub(super) async fn metadata(&self, version: &str) -> Value {
        let url = format!("{}/metadata/endpoints?api-version={version}", self.origin);
        self.client.get(url).send().await.unwrap().json().await.unwrap()
    }

    /// Signs in through the managed-identity endpoint.
    pub(super) async fn sign_in_as_managed_identity(&mut self, audience: &str) {
        let url = format!(
            "{}/msi/token?api-version=2019-08-01&resource={audience}&client_id=00000000-0000-0000-0000-0000000000a2",
            self.origin
        );
        let answer = self.client.get(url).header("X-IDENTITY-HEADER", "any").send().await.unwrap();
        let body: Value = answer.json().await.unwrap();
        assert!(body["expires_on"].is_string(), "Go and Rust read text here: {body}");
        self.token = body["access_token"].as_str().unwrap().to_owned();
    }

    /// Signs in with a secret for a scope.
    pub(super) async fn sign_in(&mut self, login: &str, scope: &str) -> Value {
        let form = format!(
            "grant_type=client_credentials&client_id=00000000-0000-0000-0000-0000000000a2&client_secret=apply-secret&scope={scope}"
        );
        let url = format!("{login}/11111111-1111-1111-1111-111111111111/oauth2/v2.0/token");
        let request = self.client.post(url).header("Content-Type", "application/x-www-form-urlencoded").body(form);
        let body: Value = request.send().await.unwrap().json().await.unwrap();
        self.token = body["access_token"].as_str().unwrap().to_owned();
        body
    }

    async fn send(&self, method: Method, path: &str, condition: Condition<'_>, body: Option<&Value>) -> Response {
        let version = if path.contains('?') { "" } else { "?api-version=2025-05-01" };
        let mut request =
            self.client.request(method, format!("{}{path}{version}", self.origin)).bearer_auth(&self.token);
        if let Condition::IfMatch(etag) = condition {
            request = request.header("If-Match", etag.as_str().unwrap());
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        request.send().await.unwrap()
    }

    /// Reads what has to be there. A resource has an etag, in its body and as a header.
    pub(super) async fn get(&self, path: &str) -> Value {
        let response = self.send(Method::GET, path, Condition::None, None).await;
        assert_eq!(response.status(), 200, "GET {path}");
        let header = response.headers().get("etag").map(|etag| etag.to_str().unwrap().to_owned());
        let body: Value = response.json().await.unwrap();
        if let Some(header) = header {
            assert_eq!(body["etag"], json!(header), "GET {path}");
        }
        body
    }

    /// Reads a list.
    pub(super) async fn list(&self, path: &str) -> Vec<Value> {
        let body = self.get(path).await;
        body["value"].as_array().unwrap_or_else(|| panic!("GET {path} is no list: {body}")).clone()
    }

    /// Reads what must not be there; returns the code.
    pub(super) async fn missing(&self, path: &str) -> String {
        let response = self.send(Method::GET, path, Condition::None, None).await;
        assert_eq!(response.status(), 404, "GET {path}");
        let body: Value = response.json().await.unwrap();
        body["error"]["code"].as_str().unwrap().to_owned()
    }

    /// Writes a resource, polls as announced and returns it as it is then.
    pub(super) async fn put(&self, path: &str, (condition, body): (Condition<'_>, Value), status: u16) -> Value {
        let response = self.send(Method::PUT, path, condition, Some(&body)).await;
        let answered = response.status().as_u16();
        let operation = self.announced(&response);
        let first: Value = response.json().await.unwrap();
        assert_eq!(answered, status, "PUT {path}: {first}");
        // A success that is none yet: what Azure does, and what a client must not take for the end.
        assert_eq!(first["properties"]["provisioningState"], "Updating", "PUT {path}");
        assert_eq!(self.poll(&operation).await, "Succeeded", "PUT {path}");
        let settled = self.get(path).await;
        assert_eq!(settled["properties"]["provisioningState"], "Succeeded", "PUT {path}");
        assert_ne!(settled["etag"], first["etag"], "the etag changes in both phases: PUT {path}");
        settled
    }

    /// Writes what is done at once, such as a resource group.
    pub(super) async fn put_at_once(&self, path: &str, body: Value) -> Value {
        let response = self.send(Method::PUT, path, Condition::None, Some(&body)).await;
        assert!(matches!(response.status().as_u16(), 200 | 201), "PUT {path}: {}", response.status());
        response.json().await.unwrap()
    }

    /// Writes what is refused at once; returns the code.
    pub(super) async fn refused(&self, path: &str, (condition, body): (Condition<'_>, Value), status: u16) -> String {
        let response = self.send(Method::PUT, path, condition, Some(&body)).await;
        let answered = response.status().as_u16();
        let body: Value = response.json().await.unwrap();
        assert_eq!(answered, status, "PUT {path}: {body}");
        body["error"]["code"].as_str().unwrap().to_owned()
    }

    /// Deletes a resource and waits for the end, by the operation and by its result.
    pub(super) async fn delete(&self, path: &str) {
        let response = self.send(Method::DELETE, path, Condition::None, None).await;
        assert_eq!(response.status(), 202, "DELETE {path}");
        let location = response.headers()["location"].to_str().unwrap().to_owned();
        let operation = self.announced(&response);
        assert_eq!(response.text().await.unwrap(), "", "DELETE {path}");
        assert_eq!(self.poll(&operation).await, "Succeeded", "DELETE {path}");
        let result = self.client.get(location).bearer_auth(&self.token).send().await.unwrap();
        assert_eq!(result.status(), 204, "DELETE {path}");
    }

    /// Deletes a resource and asks for it until it is gone, which is how Terraform waits. Returns how often it asked.
    pub(super) async fn delete_and_look(&self, path: &str) -> usize {
        let response = self.send(Method::DELETE, path, Condition::None, None).await;
        assert!(matches!(response.status().as_u16(), 200 | 202), "DELETE {path}: {}", response.status());
        for asked in 1..20 {
            if self.send(Method::GET, path, Condition::None, None).await.status() == 404 {
                return asked;
            }
        }
        panic!("{path} is still there");
    }

    /// The absolute URL of the operation that a write started, on the origin that the client used.
    fn announced(&self, response: &Response) -> String {
        let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
        let operation = header("azure-asyncoperation");
        assert!(operation.starts_with(&format!("{}/subscriptions/", self.origin)), "{operation}");
        assert!(operation.contains("api-version="), "{operation}");
        assert!(header("retry-after").parse::<u32>().is_ok());
        assert!(operation.contains(&header("x-ms-request-id")), "the operation is named after its request");
        operation
    }

    async fn poll(&self, operation: &str) -> String {
        for _ in 0..20 {
            let response = self.client.get(operation).bearer_auth(&self.token).send().await.unwrap();
            assert_eq!(response.status(), 200);
            let body: Value = response.json().await.unwrap();
            match body["status"].as_str().unwrap() {
                "InProgress" => {}
                ended => return ended.to_owned(),
            }
        }
        panic!("{operation} does not end");
    }

    /// Stops the simulator.
    pub(super) async fn stop(self) {
        self.sim.stop().await;
    }
}
