//! The way to Entra: carries the token requests of `azure_identity`, and reads the answers before it does.
//!
//! Our HTTP client carries them, so that certificate authorities, timeouts and proxy are the same as everywhere. Entra's
//! refusal is read here, whole: `azure_identity` cannot read every text of it. A claims challenge is answered here, too,
//! because its requests have no place for one.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use azure_core::cloud::CustomConfiguration;
use azure_core::error::ErrorKind;
use azure_core::http::AsyncRawResponse;
use azure_core::http::Body;
use azure_core::http::ClientOptions;
use azure_core::http::HttpClient;
use azure_core::http::RetryOptions;
use azure_core::http::Transport;
use azure_core::http::headers::Headers;
use reqwest::Url;
use serde_json::Value as Json;

use crate::azure::identity::Refusal;
use crate::azure::identity::managed::cause_of;
use crate::azure::operation::retry_after;
use crate::azure::send::read_capped;
use crate::domain::failure::ErrorClass;

/// A lifetime beyond a year, in seconds, is an error of the server; real tokens live for a day at most.
const LONGEST_LIFE: i64 = 366 * 86_400;

/// How a credential of `azure_identity` reaches an authority.
pub(crate) fn options(authority: &Url, http: &reqwest::Client, claims: Option<&str>) -> ClientOptions {
    let mut custom = CustomConfiguration::default();
    authority.as_str().clone_into(&mut custom.authority_host);
    let entra = Entra { http: http.clone(), claims: claims.map(ToOwned::to_owned) };
    ClientOptions {
        cloud: Some(Arc::new(custom.into())),
        // Its own retries would hold a plan for more than a minute when the authority is down.
        retry: RetryOptions::none(),
        transport: Some(Transport::new(Arc::new(entra))),
        ..ClientOptions::default()
    }
}

/// A refusal on its way through `azure_identity`, which hands it back as a cause.
pub(crate) fn carried(refusal: Refusal) -> azure_core::Error {
    azure_core::Error::with_error(ErrorKind::Credential, refusal, "no token was issued")
}

/// Reads why there is no token.
pub(crate) fn refusal_of(error: &azure_core::Error) -> Refusal {
    let chain = || std::iter::successors(Some(error as &dyn std::error::Error), |error| error.source());
    match chain().find_map(|error| error.downcast_ref::<Refusal>()) {
        Some(refusal) => refusal.clone(),
        None => {
            // The last cause says it; what is around it names types of that crate.
            let said = chain().last().map(ToString::to_string).unwrap_or_default();
            let line = said.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("without a reason");
            Refusal::new(line.trim_end_matches('.'), ErrorClass::Denied)
        }
    }
}

/// A text of a JSON object that is not empty.
pub(crate) fn text_of<'a>(json: &'a Json, name: &str) -> Option<&'a str> {
    json.get(name)?.as_str().map(str::trim).filter(|text| !text.is_empty())
}

#[derive(Debug)]
struct Entra {
    http: reqwest::Client,
    /// What Azure wants the next token to prove.
    claims: Option<String>,
}

#[async_trait]
impl HttpClient for Entra {
    async fn execute_request(&self, request: &azure_core::http::Request) -> azure_core::Result<AsyncRawResponse> {
        self.exchange(request).await.map_err(carried)
    }
}

impl Entra {
    async fn exchange(&self, request: &azure_core::http::Request) -> Result<AsyncRawResponse, Refusal> {
        let Body::Bytes(form) = request.body().clone() else {
            return Err(Refusal::new("the request for a token is not a form", ErrorClass::Unknown));
        };
        let form = with_claims(form.to_vec(), self.claims.as_deref());
        let mut builder = self.http.post(request.url().as_str()).body(form);
        for (name, value) in request.headers().iter().filter(|(name, _)| name.as_str() != "content-length") {
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

fn with_claims(mut form: Vec<u8>, claims: Option<&str>) -> Vec<u8> {
    if let Some(claims) = claims {
        let mut url = Url::parse("https://form.invalid").expect("it is a URL");
        url.query_pairs_mut().append_pair("claims", claims);
        form.push(b'&');
        form.extend_from_slice(url.query().unwrap_or_default().as_bytes());
    }
    form
}

/// No answer came.
pub(crate) fn unreachable(error: reqwest::Error) -> Refusal {
    let error = error.without_url();
    let reason = format!(
        "it did not answer ({}); check the network, the proxy and the certificate authorities of this machine",
        cause_of(&error)
    );
    Refusal::no_answer(reason, &error)
}

/// Reads the answer to a token request: a token with a lifetime, or why not.
fn check(status: u16, body: &[u8], retry_after: Option<Duration>) -> Result<(), Refusal> {
    let json: Json = serde_json::from_slice(body).unwrap_or_default();
    let text = |name: &str| text_of(&json, name);
    if status == 200 {
        let lifetime = json.get("expires_in").and_then(Json::as_i64);
        return match (text("access_token"), lifetime) {
            (Some(_), Some(1..=LONGEST_LIFE)) => Ok(()),
            (None, _) => {
                Err(Refusal::new("the answer holds no access token; check the authority", ErrorClass::Unknown))
            }
            (_, _) => Err(Refusal::new("the answer says no usable lifetime; check the authority", ErrorClass::Unknown)),
        };
    }
    let class = match status {
        429 => ErrorClass::Throttled { retry_after },
        408 | 500..=599 => ErrorClass::Transient { retry_after },
        _ => ErrorClass::Denied,
    };
    let Some(error) = text("error") else {
        return Err(Refusal::new(format!("it answered with status {status}; check the authority"), class));
    };
    // Entra appends trace ids on lines of their own.
    let description = text("error_description").unwrap_or(error).lines().next().unwrap_or_default();
    let said = description.trim_end_matches(['.', ' ']);
    Err(Refusal::new(format!("{said}; {}", next_step(description)), class))
}

/// The next step for an AADSTS code.
fn next_step(description: &str) -> &'static str {
    let is = |code: &str| description.contains(code);
    if is("AADSTS7000215") {
        "the client secret must be the value of a secret of this application, not its id"
    } else if is("AADSTS7000222") {
        "make a new secret for the application and put its value into AZURE_CLIENT_SECRET"
    } else if is("AADSTS700016") {
        "check AZURE_CLIENT_ID, and that the application is in this tenant"
    } else if is("AADSTS70021") || is("AADSTS700213") {
        "give the application a federated credential with this issuer, subject and audience"
    } else if is("AADSTS700024") || is("AADSTS700027") {
        "check that the application has this certificate, and the clock of this machine"
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
    fn a_challenge_goes_into_the_form() {
        let form = with_claims(b"a=b".to_vec(), Some(r#"{"access_token":{"nbf":{"essential":true}}}"#));
        let expected = "a=b&claims=%7B%22access_token%22%3A%7B%22nbf%22%3A%7B%22essential%22%3Atrue%7D%7D%7D";
        assert_eq!(String::from_utf8(form).unwrap(), expected);
        assert_eq!(with_claims(b"a=b".to_vec(), None), b"a=b");
    }
}
