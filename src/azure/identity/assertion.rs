//! Assertions that a CI system issues to a job, by which its application signs in without a secret.
//!
//! `azure_identity` has Azure Pipelines, but only by the variables of the process; GitHub Actions it has not. Both are a
//! request with the job's own token, which goes over https only.

use async_trait::async_trait;
use azure_core::http::ClientMethodOptions;
use azure_identity::ClientAssertion;
use reqwest::Url;
use serde_json::Value as Json;

use crate::azure::cloud::is_loopback;
use crate::azure::identity::Refusal;
use crate::azure::identity::entra::carried;
use crate::azure::identity::entra::text_of;
use crate::azure::identity::entra::unreachable;
use crate::azure::identity::means::Issuer;
use crate::azure::send::read_capped;
use crate::domain::failure::ErrorClass;

/// Which CI system, with what its request says beside the token.
#[derive(Clone, Debug)]
pub(crate) enum System {
    /// GitHub Actions: whom the assertion is for.
    GitHub { audience: &'static str },
    /// Azure Pipelines: the service connection.
    Pipelines { connection: String },
}

/// Asks a CI system for an assertion.
#[derive(Clone, Debug)]
pub(crate) struct FromJob {
    pub(crate) issuer: Issuer,
    pub(crate) system: System,
    pub(crate) http: reqwest::Client,
}

#[async_trait]
impl ClientAssertion for FromJob {
    async fn secret(&self, _: Option<ClientMethodOptions<'_>>) -> azure_core::Result<String> {
        self.fetch().await.map_err(carried)
    }
}

impl FromJob {
    fn name(&self) -> &'static str {
        match self.system {
            System::GitHub { .. } => "GitHub",
            System::Pipelines { .. } => "Azure Pipelines",
        }
    }

    fn request(&self) -> Result<reqwest::RequestBuilder, Refusal> {
        let url = Url::parse(&self.issuer.url).ok();
        let url = url.filter(|url| url.scheme() == "https" || is_loopback(url));
        let Some(mut url) = url else {
            return Err(Refusal::unusable(format!(
                "the address that {} gives for its tokens is not https",
                self.name()
            )));
        };
        let bearer = self.issuer.bearer.expose();
        Ok(match &self.system {
            System::GitHub { audience } => {
                url.query_pairs_mut().append_pair("audience", audience);
                self.http.get(url).bearer_auth(bearer)
            }
            System::Pipelines { connection } => {
                url.query_pairs_mut().append_pair("api-version", "7.1").append_pair("serviceConnectionId", connection);
                // Without the header it answers with a page to sign in at.
                let request = self.http.post(url).bearer_auth(bearer).header("x-tfs-fedauthredirect", "Suppress");
                request.header(http::header::CONTENT_LENGTH, "0")
            }
        })
    }

    async fn fetch(&self) -> Result<String, Refusal> {
        let response = self.request()?.send().await.map_err(unreachable)?;
        let status = response.status().as_u16();
        let body = read_capped(response).await.map_err(unreachable)?.unwrap_or_default();
        let json: Json = serde_json::from_slice(&body).unwrap_or_default();
        let key = match self.system {
            System::GitHub { .. } => "value",
            System::Pipelines { .. } => "oidcToken",
        };
        if let (200, Some(assertion)) = (status, text_of(&json, key)) {
            return Ok(assertion.to_owned());
        }
        let class = match status {
            429 | 500..=599 => ErrorClass::Transient { retry_after: None },
            _ => ErrorClass::Denied,
        };
        let reason =
            format!("{} issued no token for the job (status {status}); check the job's permissions", self.name());
        Err(Refusal::new(reason, class))
    }
}
