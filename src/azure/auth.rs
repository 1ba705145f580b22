//! Tokens of a service principal with a client secret.
//!
//! `azure_identity` makes the request; our HTTP client carries it, so that certificate authorities, timeouts and proxy are
//! the same as everywhere, and so that Entra's refusal is read here, whole.

use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use async_trait::async_trait;
use azure_core::cloud::CustomConfiguration;
use azure_core::credentials::TokenCredential as _;
use azure_core::error::ErrorKind;
use azure_core::http::AsyncRawResponse;
use azure_core::http::Body;
use azure_core::http::ClientOptions;
use azure_core::http::HttpClient;
use azure_core::http::RetryOptions;
use azure_core::http::Transport;
use azure_core::http::headers::Headers;
use azure_identity::ClientSecretCredential;
use azure_identity::ClientSecretCredentialOptions;
use serde_json::Value as Json;
use tokio::sync::Mutex;

use crate::azure::cloud::Cloud;
use crate::azure::error::AzureError;
use crate::azure::operation::retry_after;
use crate::azure::send::read_capped;
use crate::domain::azure::ClientId;
use crate::domain::azure::TenantId;
use crate::domain::failure::ErrorClass;
use crate::domain::secret::Secret;

/// A token is replaced this long before it expires, or after half of its life if that is later.
const MARGIN: Duration = Duration::from_secs(300);

/// A lifetime beyond a year, in seconds, is an error of the server; real tokens live for a day at most.
const LONGEST_LIFE: i64 = 366 * 86_400;

/// Who signs in, and where.
#[derive(Clone, Debug)]
pub(crate) struct Principal {
    pub(crate) cloud: Cloud,
    pub(crate) tenant: TenantId,
    pub(crate) client: ClientId,
    pub(crate) secret: Secret<String>,
}

/// The current token.
#[derive(Debug)]
pub(crate) struct Tokens {
    principal: Principal,
    http: reqwest::Client,
    // Held while a token is fetched: callers that need one at the same time wait for the same answer.
    current: Mutex<Option<Token>>,
}

#[derive(Clone, Debug)]
struct Token {
    text: Secret<String>,
    refresh_at: Instant,
}

impl Tokens {
    pub(crate) fn new(principal: Principal, http: reqwest::Client) -> Self {
        Self { principal, http, current: Mutex::new(None) }
    }

    /// Returns a token that is still good for a while.
    pub(crate) async fn token(&self) -> Result<Secret<String>, AzureError> {
        let mut current = self.current.lock().await;
        if let Some(token) = current.as_ref()
            && Instant::now() < token.refresh_at
        {
            return Ok(token.text.clone());
        }
        self.fetch(&mut current).await
    }

    /// Returns a token other than the one that was refused.
    pub(crate) async fn replace(&self, refused: &Secret<String>) -> Result<Secret<String>, AzureError> {
        let mut current = self.current.lock().await;
        if let Some(token) = current.as_ref()
            && token.text != *refused
        {
            return Ok(token.text.clone());
        }
        self.fetch(&mut current).await
    }

    async fn fetch(&self, current: &mut Option<Token>) -> Result<Secret<String>, AzureError> {
        *current = None;
        // A credential caches for itself and cannot be told to forget, so each token gets a new one.
        let credential = self.credential().map_err(|error| self.failed(&error))?;
        let scope = self.principal.cloud.scope();
        let token = credential.get_token(&[&scope], None).await.map_err(|error| self.failed(&error))?;
        let life = token.expires_on - azure_core::time::OffsetDateTime::now_utc();
        let life = Duration::try_from(life).unwrap_or_default();
        let token = Token {
            text: Secret::new(token.token.secret().to_owned()),
            refresh_at: Instant::now() + life.saturating_sub(MARGIN).max(life / 2),
        };
        *current = Some(token.clone());
        Ok(token.text)
    }

    fn credential(&self) -> azure_core::Result<Arc<ClientSecretCredential>> {
        let Principal { cloud, tenant, client, secret } = &self.principal;
        let mut custom = CustomConfiguration::default();
        cloud.authority().as_str().clone_into(&mut custom.authority_host);
        let client_options = ClientOptions {
            cloud: Some(Arc::new(custom.into())),
            // Its own retries would hold a plan for more than a minute when the authority is down.
            retry: RetryOptions::none(),
            transport: Some(Transport::new(Arc::new(Entra { http: self.http.clone() }))),
            ..ClientOptions::default()
        };
        ClientSecretCredential::new(
            tenant.as_str(),
            client.to_string(),
            secret.expose().clone().into(),
            Some(ClientSecretCredentialOptions { client_options }),
        )
    }

    fn failed(&self, error: &azure_core::Error) -> AzureError {
        let refusal = find::<Refusal>(error);
        let (reason, class) = match refusal {
            Some(refusal) => (refusal.reason.clone(), refusal.class),
            None => (format!("{error}"), ErrorClass::Unknown),
        };
        let Principal { cloud, tenant, client, secret: _ } = &self.principal;
        AzureError::SignIn {
            authority: cloud.authority().origin().ascii_serialization(),
            client: client.to_string(),
            tenant: tenant.to_string(),
            reason,
            class,
        }
    }
}

/// Looks for a cause of this type in a chain of errors.
fn find<'a, E: std::error::Error + 'static>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a E> {
    std::iter::successors(Some(error), |error| error.source()).find_map(|error| error.downcast_ref())
}

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
#[error("{reason}")]
struct Refusal {
    reason: String,
    class: ErrorClass,
}

/// Carries the token request and reads a refusal before `azure_identity` does, which cannot read every text of Entra's.
#[derive(Debug)]
struct Entra {
    http: reqwest::Client,
}

#[async_trait]
impl HttpClient for Entra {
    async fn execute_request(&self, request: &azure_core::http::Request) -> azure_core::Result<AsyncRawResponse> {
        self.exchange(request)
            .await
            .map_err(|refusal| azure_core::Error::with_error(ErrorKind::Credential, refusal, "no token was issued"))
    }
}

impl Entra {
    async fn exchange(&self, request: &azure_core::http::Request) -> Result<AsyncRawResponse, Refusal> {
        let Body::Bytes(form) = request.body().clone() else {
            return Err(refusal("the request for a token is not a form", ErrorClass::Unknown));
        };
        let mut builder = self.http.post(request.url().as_str()).body(form);
        for (name, value) in request.headers().iter() {
            builder = builder.header(name.as_str(), value.as_str());
        }
        let response = builder.send().await.map_err(unreachable)?;
        let status = response.status().as_u16();
        let wait = retry_after(response.headers());
        let body = read_capped(response).await.map_err(unreachable)?.unwrap_or_default();
        check(status, &body, wait)?;
        Ok(AsyncRawResponse::from_bytes(status.into(), Headers::new(), body))
    }
}

fn refusal(reason: impl Into<String>, class: ErrorClass) -> Refusal {
    Refusal { reason: reason.into(), class }
}

fn unreachable(error: reqwest::Error) -> Refusal {
    let error = error.without_url();
    let cause = std::iter::successors(Some(&error as &dyn std::error::Error), |error| error.source()).last();
    let cause = cause.map(ToString::to_string).unwrap_or_default();
    let reason = format!(
        "it did not answer ({cause}); check the network, the proxy and the certificate authorities of this machine"
    );
    refusal(reason, ErrorClass::Transient { retry_after: None })
}

/// Reads the answer to a token request: a token with a lifetime, or why not.
fn check(status: u16, body: &[u8], retry_after: Option<Duration>) -> Result<(), Refusal> {
    let json: Option<Json> = serde_json::from_slice(body).ok();
    let text = |key: &str| json.as_ref()?.get(key)?.as_str().map(str::trim).filter(|text| !text.is_empty());
    if status == 200 {
        let lifetime = json.as_ref().and_then(|json| json.get("expires_in")).and_then(Json::as_i64);
        return match (text("access_token"), lifetime) {
            (Some(_), Some(1..=LONGEST_LIFE)) => Ok(()),
            (None, _) => Err(refusal("the answer holds no access token; check the authority", ErrorClass::Unknown)),
            (_, _) => Err(refusal("the answer says no usable lifetime; check the authority", ErrorClass::Unknown)),
        };
    }
    let class = match status {
        429 => ErrorClass::Throttled { retry_after },
        408 | 500..=599 => ErrorClass::Transient { retry_after },
        _ => ErrorClass::Denied,
    };
    let Some(error) = text("error") else {
        return Err(refusal(format!("it answered with status {status}; check the authority"), class));
    };
    // Entra appends trace ids on lines of their own.
    let description = text("error_description").unwrap_or(error).lines().next().unwrap_or_default();
    let said = description.trim_end_matches(['.', ' ']);
    Err(refusal(format!("{said}; {}", sign_in_step(description)), class))
}

/// The next step for an AADSTS code.
fn sign_in_step(description: &str) -> &'static str {
    let is = |code: &str| description.contains(code);
    if is("AADSTS7000215") {
        "the client secret must be the value of a secret of this application, not its id"
    } else if is("AADSTS7000222") {
        "make a new secret for the application and put its value into AZURE_CLIENT_SECRET"
    } else if is("AADSTS700016") {
        "check AZURE_CLIENT_ID, and that the application is in this tenant"
    } else if is("AADSTS90002") || is("AADSTS900023") {
        "check AZURE_TENANT_ID and the cloud"
    } else if is("AADSTS500011") {
        "the tenant does not know the resource manager: check the cloud"
    } else if is("AADSTS53003") || is("AADSTS53000") {
        "a Conditional Access policy forbids it: ask its owner"
    } else {
        "check AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(status: u16, body: &str) -> String {
        check(status, body.as_bytes(), None).unwrap_err().to_string()
    }

    #[test]
    fn refusals_keep_the_code_and_say_what_next() {
        insta::assert_snapshot!(
            said(401, r#"{"error":"invalid_client","error_description":"AADSTS7000215: Invalid client secret provided.\r\nTrace ID: x"}"#),
            @"AADSTS7000215: Invalid client secret provided; the client secret must be the value of a secret of this application, not its id"
        );
        insta::assert_snapshot!(said(400, r#"{"error":"invalid_request"}"#), @"invalid_request; check AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET");
        insta::assert_snapshot!(said(502, "<html>"), @"it answered with status 502; check the authority");
        insta::assert_snapshot!(said(200, r#"{"access_token":"","expires_in":1}"#), @"the answer holds no access token; check the authority");
        insta::assert_snapshot!(said(200, r#"{"access_token":"x","expires_in":"1"}"#), @"the answer says no usable lifetime; check the authority");
        assert!(check(200, br#"{"access_token":"x","expires_in":1}"#, None).is_ok());
        assert!(check(503, b"", None).unwrap_err().class.is_retryable());
    }

    #[test]
    fn nothing_shows_the_secret() {
        let principal = Principal {
            cloud: Cloud::public(),
            tenant: "00000000-0000-0000-0000-000000000001".parse().unwrap(),
            client: "00000000-0000-0000-0000-000000000002".parse().unwrap(),
            secret: Secret::new("hunter2".to_owned()),
        };
        assert!(!format!("{principal:?}").contains("hunter2"));
    }
}
