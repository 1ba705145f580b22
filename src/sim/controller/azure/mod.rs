//! The cloud provider's Azure client: the simulated resource manager over HTTP, as any client reaches it.
//!
//! It behaves as Azure's Go client: it repeats what failed on the server's side, polls operations, reads a resource once
//! more after a write, follows the pages of a list, and keeps still for a while after a 429. Only it does not wait where
//! waiting would merely cost time.

mod error;
mod throttle;
mod wire;

use std::time::Duration;

use reqwest::{Method, Url};
use serde_json::Value;

pub(crate) use self::error::CloudError;
use self::throttle::Throttle;
use self::wire::{Call, Wire};
use crate::sim::arm::Reply;
use crate::sim::clock::Clock;

/// How the cloud provider introduces itself; the request log tells its calls apart by it.
pub(crate) const USER_AGENT: &str = "kubernetes-cloudprovider/v1.36.2";

/// How often Azure's Go client repeats a request that failed on the server's side. It waits in between; we do not.
const RETRIES: usize = 3;

/// How many looks at an operation come without a pause.
const PROMPT_LOOKS: u32 = 3;

/// The longest time between two looks at an operation, in the simulator's time.
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

/// Where a cluster's cloud provider finds Azure, and who it is there.
#[derive(Clone, Debug)]
pub struct AzureAccess {
    /// The base URL of resource manager and managed-identity endpoint, without a slash at the end.
    pub origin: String,
    /// The client id of the cluster's managed identity.
    pub client_id: String,
}

/// Calls the resource manager and waits for its operations.
#[derive(Clone, Debug)]
pub(crate) struct Azure {
    wire: Wire,
    clock: Clock,
    throttle: Throttle,
}

impl Azure {
    pub(crate) fn new(access: AzureAccess, clock: Clock) -> Self {
        Self { wire: Wire::new(access, clock.clone()), clock, throttle: Throttle::default() }
    }

    fn url(&self, path: &str, more: &[(&str, &str)]) -> Url {
        let mut query = vec![("api-version", api_version(path))];
        query.extend_from_slice(more);
        self.wire.url(path, &query)
    }

    /// One request with its repetitions. Any answer but one of trouble on the server's side is a result.
    async fn ask(&self, call: &Call) -> Result<Reply, CloudError> {
        let method = call.method.as_str();
        let mut failures = 0;
        loop {
            self.throttle.check(method, self.clock.elapsed())?;
            let answered = self.wire.exchange(call).await;
            let is_final = match &answered {
                Ok(reply) => !matches!(reply.status, 408 | 500 | 502 | 503 | 504),
                Err(_) => false,
            };
            if is_final || failures == RETRIES {
                let reply = answered?;
                self.throttle.note(method, &reply, self.clock.elapsed());
                return Ok(reply);
            }
            failures += 1;
        }
    }

    /// A request that has to succeed.
    async fn send(&self, call: &Call) -> Result<Reply, CloudError> {
        let reply = self.ask(call).await?;
        let tried = (call.method.as_str(), call.url.path());
        if reply.is_success() { Ok(reply) } else { Err(CloudError::azure(tried, &reply)) }
    }

    /// Follows an accepted write to its end, however that is announced, and returns the resource as it is then.
    async fn settle(&self, call: &Call, accepted: Reply) -> Result<Value, CloudError> {
        let announced = |name: &str| accepted.header(name).and_then(|url| url.parse::<Url>().ok()).map(Call::get);
        let resource = Call::get(call.url.clone());
        let is_delete = call.method == Method::DELETE;
        if let Some(operation) = announced("Azure-AsyncOperation") {
            self.follow(&operation, operation_end).await?;
            return if is_delete { Ok(Value::Null) } else { Ok(self.send(&resource).await?.body) };
        }
        if let Some(result) = announced("Location") {
            return self.follow(&result, result_end).await;
        }
        match (is_delete, accepted.status) {
            (true, 202) => self.follow(&resource, absence).await,
            (true, _) => Ok(Value::Null),
            (false, _) if state_end(&accepted).is_none() => self.follow(&resource, state_end).await,
            (false, _) => Ok(accepted.body),
        }
    }

    /// Looks at something until its end. The first looks come at once: the simulator's operations end when they are looked
    /// at. Only one that takes time as well is waited for.
    async fn follow(&self, call: &Call, end: fn(&Reply) -> Option<bool>) -> Result<Value, CloudError> {
        let mut looks: u32 = 0;
        loop {
            let reply = self.ask(call).await?;
            match end(&reply) {
                Some(true) => return Ok(reply.body),
                Some(false) => return Err(CloudError::azure(("GET", call.url.path()), &reply)),
                None => {}
            }
            looks += 1;
            if looks > PROMPT_LOOKS {
                let pause = Duration::from_millis(2_u64.saturating_pow((looks - PROMPT_LOOKS).min(8)));
                self.clock.sleep(pause.min(LONGEST_PAUSE)).await;
            }
        }
    }

    /// Reads a resource; `None` if it is not there.
    pub(crate) async fn get(&self, path: &str) -> Result<Option<Value>, CloudError> {
        match self.send(&Call::get(self.url(path, &[]))).await {
            Ok(reply) => Ok(Some(reply.body)),
            Err(error) if error.status == Some(404) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Reads all pages of a list.
    pub(crate) async fn list(&self, path: &str) -> Result<Vec<Value>, CloudError> {
        self.list_with(path, &[]).await
    }

    /// The same with more in the query than the version.
    pub(crate) async fn list_with(&self, path: &str, query: &[(&str, &str)]) -> Result<Vec<Value>, CloudError> {
        let mut items = Vec::new();
        let mut next = Some(self.url(path, query));
        while let Some(url) = next {
            let mut body = self.send(&Call::get(url)).await?.body;
            items.extend(body["value"].as_array_mut().map(std::mem::take).unwrap_or_default());
            next = body["nextLink"].as_str().and_then(|link| link.parse().ok());
        }
        Ok(items)
    }

    /// Writes a resource and returns it as it is then.
    pub(crate) async fn put(&self, path: &str, body: Value, if_match: Option<&str>) -> Result<Value, CloudError> {
        let call = Call {
            method: Method::PUT,
            url: self.url(path, &[]),
            if_match: if_match.map(str::to_owned),
            body: Some(body),
        };
        let accepted = self.send(&call).await?;
        self.settle(&call, accepted).await
    }

    /// Deletes a resource; one that is not there is fine.
    pub(crate) async fn delete(&self, path: &str) -> Result<(), CloudError> {
        let call = Call { method: Method::DELETE, url: self.url(path, &[]), if_match: None, body: None };
        match self.send(&call).await {
            Ok(accepted) => self.settle(&call, accepted).await.map(drop),
            Err(error) if error.status == Some(404) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// How an operation ended: well or not; `None` if it has not.
fn operation_end(reply: &Reply) -> Option<bool> {
    match reply.body["status"].as_str() {
        _ if !reply.is_success() => Some(false),
        Some("Succeeded") => Some(true),
        Some("Failed" | "Canceled") => Some(false),
        _ => None,
    }
}

/// The same by the address of its result, which is not there yet while it runs.
fn result_end(reply: &Reply) -> Option<bool> {
    (reply.status != 202).then(|| reply.is_success())
}

/// The same by what the resource says of itself.
fn state_end(reply: &Reply) -> Option<bool> {
    match reply.body["properties"]["provisioningState"].as_str() {
        _ if !reply.is_success() => Some(false),
        None | Some("Succeeded") => Some(true),
        Some("Failed" | "Canceled") => Some(false),
        Some(_) => None,
    }
}

/// A deletion has ended when there is nothing any more.
fn absence(reply: &Reply) -> Option<bool> {
    match reply.status {
        404 => Some(true),
        _ if reply.is_success() => None,
        _ => Some(false),
    }
}

fn api_version(path: &str) -> &'static str {
    if path.contains("/providers/Microsoft.Compute/") {
        "2025-04-01"
    } else if path.ends_with("/providers/Microsoft.Compute") {
        "2021-04-01"
    } else {
        "2025-05-01"
    }
}
