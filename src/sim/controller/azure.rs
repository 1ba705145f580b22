//! The cloud provider's Azure client, and what its failures look like in events.

use std::fmt;

use serde_json::Value;

use crate::sim::arm::{Arm, Reply};

/// How the cloud provider introduces itself; the request log tells its calls apart by it.
pub(crate) const USER_AGENT: &str = "kubernetes-cloudprovider/v1.36.2";

/// The host in the multi-line text of a failure.
const HOST: &str = "https://management.azure.com";

/// How often Azure's Go client repeats a request that failed on the server's side. It waits in between; we do not.
const RETRIES: usize = 3;

const RULE: &str = "--------------------------------------------------------------------------------";

/// Why a sync failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CloudError {
    text: String,
    /// The HTTP status, if Azure refused.
    pub(crate) status: Option<u16>,
}

impl std::error::Error for CloudError {}

impl fmt::Display for CloudError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl CloudError {
    /// A refusal by the provider itself, before any request.
    pub(crate) fn local(text: impl Into<String>) -> Self {
        Self { text: text.into(), status: None }
    }

    /// Says what was tried, in front.
    #[must_use]
    pub(crate) fn while_doing(mut self, what: &str) -> Self {
        self.text = format!("{what}: {}", self.text);
        self
    }

    /// The text of Azure's Go client: request, status, code, body.
    fn azure((method, path): (&str, &str), reply: &Reply) -> Self {
        let status = reply.status;
        let reason =
            http::StatusCode::from_u16(status).ok().and_then(|code| code.canonical_reason()).unwrap_or_default();
        let code = reply.error_code();
        let code = if code.is_empty() { "UNAVAILABLE" } else { code };
        let body = serde_json::to_string_pretty(&reply.body).unwrap_or_default();
        let text = format!(
            "{method} {HOST}{path}\n{RULE}\nRESPONSE {status}: {status} {reason}\nERROR CODE: {code}\n{RULE}\n{body}\n{RULE}\n"
        );
        Self { text, status: Some(status) }
    }
}

/// Calls the resource manager and waits for its operations.
#[derive(Clone, Debug)]
pub(crate) struct Azure(Arm);

impl Azure {
    pub(crate) fn new(arm: Arm) -> Self {
        Self(arm)
    }

    fn send(
        &self,
        (method, path): (&str, &str),
        headers: &[(&str, &str)],
        body: Option<Value>,
    ) -> Result<Reply, CloudError> {
        let mut all = vec![("User-Agent", USER_AGENT)];
        all.extend_from_slice(headers);
        let mut reply = self.0.call(method, path, &all, body.clone());
        for _ in 0..RETRIES {
            if !matches!(reply.status, 408 | 500 | 502 | 503 | 504) {
                break;
            }
            reply = self.0.call(method, path, &all, body.clone());
        }
        let settled = if reply.is_success() { self.0.settle(&reply) } else { reply };
        if settled.is_success() { Ok(settled) } else { Err(CloudError::azure((method, path), &settled)) }
    }

    /// Reads a resource; `None` if it is not there.
    pub(crate) fn get(&self, path: &str) -> Result<Option<Value>, CloudError> {
        match self.send(("GET", path), &[], None) {
            Ok(reply) => Ok(Some(reply.body)),
            Err(error) if error.status == Some(404) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Reads all pages of a list.
    pub(crate) fn list(&self, path: &str) -> Result<Vec<Value>, CloudError> {
        let mut items = Vec::new();
        let mut next = Some(path.to_owned());
        while let Some(path) = next {
            let mut body = self.send(("GET", &path), &[], None)?.body;
            items.extend(body["value"].as_array_mut().map(std::mem::take).unwrap_or_default());
            // The link is absolute; in process only its path counts.
            next = body["nextLink"].as_str().and_then(|link| Some(link[link.find("/subscriptions")?..].to_owned()));
        }
        Ok(items)
    }

    /// Writes a resource and returns it as it is then.
    pub(crate) fn put(&self, path: &str, body: Value, if_match: Option<&str>) -> Result<Value, CloudError> {
        let headers: Vec<(&str, &str)> = if_match.map(|etag| ("If-Match", etag)).into_iter().collect();
        Ok(self.send(("PUT", path), &headers, Some(body))?.body)
    }

    /// Deletes a resource; one that is not there is fine.
    pub(crate) fn delete(&self, path: &str) -> Result<(), CloudError> {
        match self.send(("DELETE", path), &[], None) {
            Err(error) if error.status != Some(404) => Err(error),
            Ok(_) | Err(_) => Ok(()),
        }
    }
}
