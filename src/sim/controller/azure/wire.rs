//! One HTTP exchange with the simulated Azure, and the token that goes with it.

use std::sync::{Arc, Mutex, PoisonError};

use reqwest::{Method, Url};
use serde_json::Value;

use super::error::CloudError;
use super::{AzureAccess, USER_AGENT};
use crate::sim::arm::Reply;
use crate::sim::clock::Clock;

/// How long before its end a token is replaced, in seconds.
const RENEW_BEFORE: i64 = 300;

/// One request.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) if_match: Option<String>,
    pub(super) body: Option<Value>,
}

impl Call {
    pub(super) fn get(url: Url) -> Self {
        Self { method: Method::GET, url, if_match: None, body: None }
    }
}

#[derive(Debug)]
struct Token {
    secret: String,
    expires_on: i64,
}

/// A connection with an identity; clones share connections and token.
#[derive(Clone, Debug)]
pub(super) struct Wire {
    http: reqwest::Client,
    access: Arc<AzureAccess>,
    clock: Clock,
    token: Arc<Mutex<Option<Token>>>,
}

impl Wire {
    pub(super) fn new(access: AzureAccess, clock: Clock) -> Self {
        // A client cannot be built without a provider, even for plain HTTP. The first one in a process stays.
        drop(rustls::crypto::ring::default_provider().install_default());
        // The proxy of whoever runs the simulator has no business on loopback.
        let http = reqwest::Client::builder().no_proxy().build().expect("a client without options can be built");
        Self { http, access: Arc::new(access), clock, token: Arc::default() }
    }

    /// A URL of the resource manager. Names in the path are escaped one by one: what a person wrote stays one segment.
    pub(super) fn url(&self, path: &str, query: &[(&str, &str)]) -> Url {
        let mut url = self.origin();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.clear().extend(path.trim_start_matches('/').split('/'));
        }
        url.query_pairs_mut().extend_pairs(query);
        url
    }

    fn origin(&self) -> Url {
        self.access.origin.parse().expect("the simulator knows its own address")
    }

    /// Sends a request with the token of the cluster's identity.
    ///
    /// # Errors
    /// If there is no answer.
    pub(super) async fn exchange(&self, call: &Call) -> Result<Reply, CloudError> {
        let token = match self.token() {
            Some(token) => token,
            None => self.fetch_token().await?,
        };
        let mut request = self.http.request(call.method.clone(), call.url.clone()).bearer_auth(token);
        if let Some(etag) = &call.if_match {
            request = request.header("If-Match", etag);
        }
        if let Some(body) = &call.body {
            request = request.json(body);
        }
        receive(request, call).await
    }

    fn token(&self) -> Option<String> {
        let token = self.token.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.unix_seconds();
        token.as_ref().filter(|token| now < token.expires_on - RENEW_BEFORE).map(|token| token.secret.clone())
    }

    /// Asks the managed-identity endpoint in the way of App Service.
    async fn fetch_token(&self) -> Result<String, CloudError> {
        let resource = format!("{}/", self.access.origin);
        let query = [("api-version", "2019-08-01"), ("client_id", &self.access.client_id), ("resource", &resource)];
        let call = Call::get(self.url("/msi/token", &query));
        let request = self.http.get(call.url.clone()).header("X-IDENTITY-HEADER", "privlink-simulator");
        let reply = receive(request, &call).await?;
        let expires_on = reply.body["expires_on"].as_str().and_then(|text| text.parse().ok());
        let (Some(secret), Some(expires_on), true) =
            (reply.body["access_token"].as_str(), expires_on, reply.is_success())
        else {
            let failed = CloudError::azure(("GET", "/msi/token"), &reply);
            return Err(failed.while_doing("ManagedIdentityCredential authentication failed"));
        };
        let token = Token { secret: secret.to_owned(), expires_on };
        *self.token.lock().unwrap_or_else(PoisonError::into_inner) = Some(token);
        Ok(secret.to_owned())
    }
}

async fn receive(request: reqwest::RequestBuilder, call: &Call) -> Result<Reply, CloudError> {
    let lost = |error: reqwest::Error| CloudError::unanswered(call.method.as_str(), call.url.path(), &error);
    let response = request.header("User-Agent", USER_AGENT).send().await.map_err(lost)?;
    let status = response.status().as_u16();
    let headers = response.headers().iter();
    let headers =
        headers.map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()));
    let headers = headers.collect();
    let text = response.text().await.map_err(lost)?;
    let body = match text.as_str() {
        "" => Value::Null,
        text => serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned())),
    };
    Ok(Reply { status, headers, body })
}
