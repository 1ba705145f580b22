//! The one place that sends requests to the resource manager and reads what comes back.

use std::time::Duration;

use http::HeaderMap;
use http::HeaderValue;
use http::Request;
use serde_json::Value as Json;

use crate::azure::error::AzureError;
use crate::azure::error::Purpose;
use crate::azure::error::ServiceError;
use crate::azure::identity::Tokens;
use crate::azure::identity::challenge;
use crate::azure::operation::retry_after;
use crate::azure::request::kind_of;
use crate::azure::traffic::Lane;
use crate::azure::traffic::Traffic;
use crate::domain::calls::Call;
use crate::domain::calls::CallLog;
use crate::domain::patience;
use crate::domain::secret::Secret;

/// The largest body that is read. A page of a list is far smaller; more is a broken or hostile server.
const BODY_CAP: usize = 16 * 1024 * 1024;

/// What the server answered, whatever its status.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// Reads the body as JSON.
    pub(crate) fn json(&self, purpose: &Purpose) -> Result<Json, AzureError> {
        serde_json::from_slice(&self.body).map_err(|_| {
            let kind = self.headers.get(http::header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
            let kind = kind.unwrap_or("no content type");
            let reason = format!(
                "the body ({} bytes, {kind}, status {}) is not JSON; check that the endpoint is the resource manager \
                 and that no proxy answers in its place",
                self.body.len(),
                self.status
            );
            AzureError::unexpected(purpose, reason)
        })
    }

    /// Reads the error of the body: wrapped in `error` as the wire has it, else flat as the specification has it.
    pub(crate) fn service_error(&self, body: Option<&Json>) -> ServiceError {
        let text = |json: &Json, key: &str| {
            json.get(key).and_then(Json::as_str).filter(|text| !text.is_empty()).map(ToOwned::to_owned)
        };
        let empty = Json::Null;
        let body = body.unwrap_or(&empty);
        let error = body.get("error").filter(|error| error.is_object()).unwrap_or(body);
        let details = error.get("details").and_then(Json::as_array).into_iter().flatten();
        let detail = |detail: &Json| Some((text(detail, "code")?, text(detail, "message").unwrap_or_default()));
        let id = self.headers.get("x-ms-request-id").and_then(|value| value.to_str().ok());
        ServiceError {
            status: self.status,
            code: text(error, "code"),
            message: text(error, "message").unwrap_or_default(),
            target: text(error, "target"),
            details: details.filter_map(detail).collect(),
            request_id: id.map(ToOwned::to_owned),
            retry_after: retry_after(&self.headers),
        }
    }

    /// How long Azure wants no more calls, if this one came too soon. A 429 may also mean that something is busy.
    fn too_soon(&self) -> Option<Duration> {
        if self.status != 429 {
            return None;
        }
        let error = self.service_error(serde_json::from_slice(&self.body).ok().as_ref());
        (!error.is_busy()).then(|| error.retry_after.unwrap_or(patience::UNSAID))
    }

    /// Turns every status but 2xx into an error.
    pub(crate) fn into_success(self, purpose: &Purpose) -> Result<Self, AzureError> {
        match self.status {
            200..=299 => Ok(self),
            300..=399 => Err(AzureError::unexpected(
                purpose,
                format!("it is a redirect (status {}), which privlink never follows with a token", self.status),
            )),
            _ => {
                let body = serde_json::from_slice(&self.body).ok();
                let error = self.service_error(body.as_ref());
                Err(AzureError::Refused { purpose: purpose.clone(), error: Box::new(error) })
            }
        }
    }
}

/// Sends, with a token and our correlation id on every request.
#[derive(Debug)]
pub(crate) struct Sender {
    pub(crate) client: reqwest::Client,
    pub(crate) tokens: Tokens,
    /// One value for the life of the client: Azure's activity log groups by it.
    pub(crate) correlation: HeaderValue,
    /// Whose calls Azure counts together.
    pub(crate) principal: String,
    pub(crate) traffic: Traffic,
    pub(crate) calls: CallLog,
}

impl Sender {
    /// Sends one request. A refused token is replaced once, and what Azure refused because it came too soon is sent again a
    /// few times: it had no effect, and looking whether it had would be calls more. Nothing else is repeated here.
    ///
    /// The caller has checked that the address is the resource manager's.
    pub(crate) async fn send(&self, purpose: &Purpose, request: Request<Vec<u8>>) -> Result<Answer, AzureError> {
        let mut attempt = 0;
        loop {
            let answer = self.send_signed(purpose, &request).await?;
            match answer.too_soon() {
                // Its lane holds the next one back as long as Azure asked for.
                Some(wait) if patience::sends_again(wait, attempt) => attempt += 1,
                Some(_) | None => return Ok(answer),
            }
        }
    }

    async fn send_signed(&self, purpose: &Purpose, request: &Request<Vec<u8>>) -> Result<Answer, AzureError> {
        let token = self.tokens.token().await?;
        let answer = self.send_with(purpose, request, &token).await?;
        if answer.status != 401 {
            return Ok(answer);
        }
        let token = self.tokens.replace(&token, challenge(&answer.headers).as_deref()).await?;
        self.send_with(purpose, request, &token).await
    }

    /// Sends a request that everybody may send.
    pub(crate) async fn send_openly(&self, purpose: &Purpose, request: Request<Vec<u8>>) -> Result<Answer, AzureError> {
        self.exchange(purpose, request).await
    }

    async fn send_with(
        &self,
        purpose: &Purpose,
        request: &Request<Vec<u8>>,
        token: &Secret<String>,
    ) -> Result<Answer, AzureError> {
        let mut request = request.clone();
        request.headers_mut().insert(http::header::AUTHORIZATION, bearer(purpose, token)?);
        self.exchange(purpose, request).await
    }

    #[tracing::instrument(
        target = "otel",
        name = "call",
        skip_all,
        fields(otel.kind = "client", system = "Azure", method, kind, status)
    )]
    async fn exchange(&self, purpose: &Purpose, mut request: Request<Vec<u8>>) -> Result<Answer, AzureError> {
        request.headers_mut().insert("x-ms-correlation-request-id", self.correlation.clone());
        let host = request.uri().authority().map(ToString::to_string).unwrap_or_default();
        let unreachable = |source: reqwest::Error| AzureError::Unreachable {
            purpose: purpose.clone(),
            host: host.clone(),
            // Addresses of operations carry signatures that belong in no log.
            source: source.without_url(),
        };
        let request = reqwest::Request::try_from(request).map_err(unreachable)?;
        tracing::debug!(method = %request.method(), path = request.url().path(), "request to Azure");
        let turn = self.traffic.admit(Lane::of(&self.principal, request.method(), request.url().path())).await;
        let call = call(&request);
        let span = tracing::Span::current();
        span.record("method", &call.method).record("kind", &call.kind);
        self.calls.count(call);
        let response = self.client.execute(request).await.map_err(unreachable)?;
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        span.record("status", status);
        tracing::debug!(status, "answer from Azure");
        match read_capped(response).await {
            Ok(Some(body)) => {
                let answer = Answer { status, headers, body };
                let too_soon = answer.too_soon();
                if too_soon.is_some() {
                    self.calls.throttled("Azure");
                }
                turn.end(&answer.headers, too_soon);
                Ok(answer)
            }
            Ok(None) => Err(AzureError::unexpected(purpose, format!("it is larger than {BODY_CAP} bytes"))),
            Err(error) => Err(unreachable(error)),
        }
    }
}

fn call(request: &reqwest::Request) -> Call {
    Call { whom: "Azure", method: request.method().to_string(), kind: kind_of(request.url().path()) }
}

fn bearer(purpose: &Purpose, token: &Secret<String>) -> Result<HeaderValue, AzureError> {
    let mut value = HeaderValue::from_str(&format!("Bearer {}", token.expose()))
        .map_err(|_| AzureError::unexpected(purpose, "the access token holds characters that no header can carry"))?;
    value.set_sensitive(true);
    Ok(value)
}

/// Reads a body up to the cap; `None` if there is more.
pub(crate) async fn read_capped(mut response: reqwest::Response) -> Result<Option<Vec<u8>>, reqwest::Error> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > BODY_CAP {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body))
}

/// How the HTTP client is built.
pub(crate) struct ClientSettings<'a> {
    pub(crate) ca_certificates: &'a [Vec<u8>],
    pub(crate) timeout: Duration,
    pub(crate) connect_timeout: Duration,
    pub(crate) user_agent: &'a str,
    /// True if an endpoint is on this machine.
    pub(crate) is_local: bool,
}

/// Builds the HTTP client: our certificate authorities beside the machine's, no redirects, no proxy for loopback.
pub(crate) fn build_client(settings: &ClientSettings<'_>) -> Result<reqwest::Client, AzureError> {
    // Whoever was first has installed a provider already; either is ring.
    drop(rustls::crypto::ring::default_provider().install_default());
    let failed = |reason: &str, source: reqwest::Error| AzureError::Configuration {
        reason: reason.to_owned(),
        source: Some(Box::new(source)),
    };
    let mut certificates = Vec::new();
    for pem in settings.ca_certificates {
        let found = reqwest::Certificate::from_pem_bundle(pem)
            .map_err(|error| failed("a CA certificate file is not PEM", error))?;
        if found.is_empty() {
            let reason = "a CA certificate file holds no certificate; give it in PEM".to_owned();
            return Err(AzureError::Configuration { reason, source: None });
        }
        certificates.extend(found);
    }
    let mut builder = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .timeout(settings.timeout)
        .connect_timeout(settings.connect_timeout)
        .user_agent(settings.user_agent)
        .tls_certs_merge(certificates);
    if settings.is_local {
        builder = builder.no_proxy();
    }
    builder.build().map_err(|error| {
        failed("TLS does not start; install the machine's CA certificates or set SSL_CERT_FILE to a bundle", error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        Answer { status, headers: HeaderMap::new(), body: body.as_bytes().to_vec() }
    }

    fn refused(status: u16, body: &str) -> String {
        answer(status, body).into_success(&Purpose::list("subnets", "x")).unwrap_err().to_string()
    }

    #[test]
    fn errors_are_read_wrapped_flat_or_not_at_all() {
        let wrapped = r#"{"error":{"code":"A","message":"m","target":"t","details":[{"code":"B","message":"n"},{}]}}"#;
        insta::assert_snapshot!(refused(400, wrapped), @"Azure refused to list the subnets of x: A: m (about t); B: n");
        insta::assert_snapshot!(refused(400, r#"{"code":"A","message":"m"}"#), @"Azure refused to list the subnets of x: A: m");
        insta::assert_snapshot!(refused(404, "<html>"), @"Azure refused to list the subnets of x: HTTP status 404; it is not there, or not visible to this identity");
        insta::assert_snapshot!(refused(400, r#"{"error":"x"}"#), @"Azure refused to list the subnets of x: HTTP status 400");
        assert!(refused(302, "").contains("redirect"));
    }

    #[test]
    fn a_broken_certificate_is_a_sentence() {
        let settings = ClientSettings {
            ca_certificates: &[b"not pem".to_vec()],
            timeout: Duration::from_secs(1),
            connect_timeout: Duration::from_secs(1),
            user_agent: "test",
            is_local: true,
        };
        let error = build_client(&settings).unwrap_err().to_string();
        assert!(error.contains("CA certificate"), "{error}");
    }
}
