//! The one place that sends requests to a forge and reads what comes back.

use std::time::Duration;

use http::HeaderMap;
use http::HeaderName;
use http::HeaderValue;
use http::Method;
use http::header::AUTHORIZATION;
use jiff::Timestamp;
use reqwest::Url;
use serde_json::Value as Json;

use crate::domain::calls;
use crate::domain::calls::CallLog;
use crate::domain::failure::ErrorClass;
use crate::domain::patience;
use crate::domain::pull_request::ForgeKind;
use crate::forge::PAGE;
use crate::forge::error::ForgeError;
use crate::forge::error::Purpose;
use crate::forge::error::Refusal;
use crate::forge::error::shown;
use crate::forge::sign::Signer;

/// The largest body that is read. A page of comments is far smaller; more is a broken or hostile server.
const BODY_CAP: usize = 32 * 1024 * 1024;
/// How long a connection may take at most.
const CONNECT: Duration = Duration::from_secs(20);

/// The words that stand before the name of a repository in the forges' addresses, and how many parts the name has.
const NAMED: &[(&str, usize)] = &[("repos", 2), ("projects", 1), ("repositories", 1)];

/// What the addresses that are asked are made of, names and numbers aside.
const KINDS: &[&str] = &[
    "access_tokens",
    "app",
    "check-runs",
    "comments",
    "commits",
    "connectionData",
    "graphql",
    "installation",
    "installations",
    "issues",
    "iterations",
    "merge_requests",
    "notes",
    "pullRequests",
    "pulls",
    "repository",
    "reviews",
    "status",
    "statuses",
    "threads",
    "user",
    "users",
];

/// Whether a call may be sent again when nobody knows what became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// Twice is as good as once.
    Safe,
    /// It makes something new each time: whoever sent it has to look first.
    Never,
}

/// A request.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) purpose: Purpose,
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) body: Option<Json>,
    pub(crate) repeat: Repeat,
}

/// What came back, with a status of success.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) headers: HeaderMap,
    pub(crate) json: Json,
}

impl Answer {
    /// True if a header says that there is a next page.
    pub(crate) fn has_next(&self) -> bool {
        let text = |name: &str| self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        text("link").contains("rel=\"next\"") || !text("x-next-page").trim().is_empty()
    }

    /// The list that the answer is.
    pub(crate) fn list(self, purpose: &Purpose, key: Option<&str>) -> Result<Vec<Json>, ForgeError> {
        let mut json = self.json;
        let list = match key {
            Some(key) => json.get_mut(key).map(Json::take),
            None => Some(json),
        };
        match list {
            Some(Json::Array(list)) => Ok(list),
            _ => Err(ForgeError::unexpected(purpose, "a list was expected")),
        }
    }
}

/// Sends requests to one forge.
#[derive(Debug)]
pub(crate) struct Sender {
    pub(crate) client: reqwest::Client,
    pub(crate) forge: ForgeKind,
    pub(crate) signer: Signer,
    pub(crate) calls: CallLog,
}

impl Sender {
    /// Reads something.
    pub(crate) async fn get(&self, purpose: &Purpose, url: Url) -> Result<Answer, ForgeError> {
        let call = Call { purpose: purpose.clone(), method: Method::GET, url, body: None, repeat: Repeat::Safe };
        self.send(&call).await
    }

    /// Writes something, and answers what the forge made of it.
    pub(crate) async fn write(
        &self,
        purpose: &Purpose,
        (method, url, repeat): (Method, Url, Repeat),
        body: Json,
    ) -> Result<Json, ForgeError> {
        let call = Call { purpose: purpose.clone(), method, url, body: Some(body), repeat };
        Ok(self.send(&call).await?.json)
    }

    /// Reads all pages of a list, numbered as GitHub and GitLab do, up to a number of entries; false if there are more. `key` is
    /// where in an answer the list is.
    pub(crate) async fn pages(
        &self,
        purpose: &Purpose,
        (url, query): (Url, &[(&str, &str)]),
        (key, most): (Option<&str>, usize),
    ) -> Result<(Vec<Json>, bool), ForgeError> {
        let mut found = Vec::new();
        for page in 1.. {
            let mut url = url.clone();
            url.query_pairs_mut()
                .extend_pairs(query)
                .append_pair("per_page", &PAGE.to_string())
                .append_pair("page", &page.to_string());
            let answer = self.get(purpose, url).await?;
            let has_next = answer.has_next();
            found.extend(answer.list(purpose, key)?);
            if !has_next {
                return Ok((found, true));
            }
            if found.len() >= most {
                break;
            }
        }
        found.truncate(most);
        Ok((found, false))
    }

    /// Sends a request in our name. A token that was refused is replaced once, where it can be.
    pub(crate) async fn send(&self, call: &Call) -> Result<Answer, ForgeError> {
        let answer = self.send_as(call, self.signer.headers(self).await?).await;
        match answer {
            Err(ForgeError::Refused { ref refusal, .. }) if refusal.status == 401 && self.signer.forget() => {
                self.send_as(call, self.signer.headers(self).await?).await
            }
            answer => answer,
        }
    }

    /// Sends a request with these credentials. What came too soon is sent again, and so is what may be repeated and failed, a
    /// few times each.
    pub(crate) async fn send_as(
        &self,
        call: &Call,
        credentials: (HeaderName, HeaderValue),
    ) -> Result<Answer, ForgeError> {
        let mut attempt = 0;
        loop {
            let failure = match self.exchange(call, credentials.clone()).await {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            let Some(wait) = before_next(&failure, call.repeat, attempt) else { return Err(failure) };
            tracing::debug!(%failure, ?wait, "sent again");
            tokio::time::sleep(wait).await;
            attempt += 1;
        }
    }

    #[tracing::instrument(
        target = "otel",
        name = "call",
        skip_all,
        fields(otel.kind = "client", system = %self.forge, method, kind, status)
    )]
    async fn exchange(&self, call: &Call, credentials: (HeaderName, HeaderValue)) -> Result<Answer, ForgeError> {
        let Call { purpose, method, url, body, .. } = call;
        let host = url.host_str().unwrap_or_default().to_owned();
        let unreachable = |source: reqwest::Error| ForgeError::Unreachable {
            purpose: purpose.clone(),
            host: host.clone(),
            source: source.without_url(),
        };
        let mut request = self.client.request(method.clone(), url.clone()).header(credentials.0, credentials.1);
        for (name, value) in standing(self.forge) {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        tracing::debug!(%method, path = url.path(), "request to {}", self.forge);
        let kind = kind_of(url.path());
        let span = tracing::Span::current();
        span.record("method", method.as_str()).record("kind", &kind);
        self.calls.count(calls::Call { whom: self.forge.name(), method: method.to_string(), kind });
        let mut response = request.send().await.map_err(unreachable)?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        span.record("status", status);
        tracing::debug!(status, "answer from {}", self.forge);
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
            if bytes.len() + chunk.len() > BODY_CAP {
                return Err(ForgeError::unexpected(purpose, format!("it is larger than {BODY_CAP} bytes")));
            }
            bytes.extend_from_slice(&chunk);
        }
        let answer = read(self.forge, purpose, (status, headers, &bytes));
        let is_throttled = |error: &ForgeError| matches!(error.class(), ErrorClass::Throttled { .. });
        if answer.as_ref().is_err_and(is_throttled) {
            self.calls.throttled(self.forge.name());
        }
        answer
    }
}

/// The words of an address that say what is asked about, such as `pulls/reviews`: numbers, names and commits are left out,
/// because what is counted has few values.
fn kind_of(path: &str) -> String {
    let parts: Vec<&str> = path.split('/').collect();
    let name_ends =
        |(at, part): (usize, &&str)| NAMED.iter().find(|(word, _)| word == part).map(|(_, long)| at + 1 + long);
    let after_name = parts.iter().enumerate().find_map(name_ends).unwrap_or(0);
    let words = parts.into_iter().skip(after_name).filter(|part| KINDS.contains(part));
    words.collect::<Vec<_>>().join("/")
}

/// Turns every status but success into an error.
fn read(
    forge: ForgeKind,
    purpose: &Purpose,
    (status, headers, body): (u16, HeaderMap, &[u8]),
) -> Result<Answer, ForgeError> {
    let json: Option<Json> = serde_json::from_slice(body).ok();
    match status {
        // Azure DevOps shows its page to sign in, as a success, to whoever has no valid token.
        203 if forge == ForgeKind::AzureDevOps => {
            let message = "it wants somebody to sign in".to_owned();
            let refusal = Refusal { status: 401, message, is_throttled: false, retry_after: None };
            Err(ForgeError::Refused { purpose: purpose.clone(), refusal })
        }
        204 => Ok(Answer { headers, json: Json::Null }),
        200..=299 => match json {
            Some(json) => Ok(Answer { headers, json }),
            None => Err(ForgeError::unexpected(
                purpose,
                format!(
                    "{} bytes with status {status} are no JSON; check the address, and that no proxy answers in its place",
                    body.len()
                ),
            )),
        },
        300..=399 => Err(ForgeError::unexpected(
            purpose,
            format!(
                "it is a redirect (status {status}), which privlink never follows with a token; if the repository was renamed or \
                 moved, give its new name"
            ),
        )),
        _ => {
            let refusal = refusal(status, &headers, json.as_ref(), Timestamp::now());
            Err(ForgeError::Refused { purpose: purpose.clone(), refusal })
        }
    }
}

/// What a forge says when it refuses. GitHub says `message` and `errors`, GitLab `message` or `error`, Azure DevOps `message`.
fn refusal(status: u16, headers: &HeaderMap, json: Option<&Json>, now: Timestamp) -> Refusal {
    let words = |json: &Json| match json {
        Json::String(text) => text.clone(),
        other => other.to_string(),
    };
    let message =
        json.and_then(|json| json.get("message").or_else(|| json.get("error"))).map(words).unwrap_or_default();
    let errors = json
        .and_then(|json| json.get("errors"))
        .filter(|errors| errors.as_array().is_some_and(|list| !list.is_empty()));
    let message = match errors {
        Some(errors) => format!("{message}: {errors}"),
        None => message,
    };
    let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<i64>().ok();
    let asked = number("retry-after").and_then(|seconds| u64::try_from(seconds).ok());
    let is_used_up = number("x-ratelimit-remaining") == Some(0);
    // GitHub answers 403 for its limits, too; then it says so in one of three ways.
    let is_limited = status == 403 && (is_used_up || asked.is_some() || message.contains("rate limit"));
    let reset = number("x-ratelimit-reset").filter(|_| is_used_up).or_else(|| number("ratelimit-reset"));
    let until_reset = reset.map(|at| u64::try_from(at - now.as_second()).unwrap_or(0));
    let is_throttled = status == 429 || is_limited;
    // GitHub wants a minute where it names none.
    let unsaid = message.contains("secondary rate limit").then_some(60);
    let retry_after = asked.or(until_reset.or(unsaid).filter(|_| is_throttled)).map(Duration::from_secs);
    Refusal { status, message: shown(&message), is_throttled, retry_after }
}

/// What goes with every request to a forge.
fn standing(forge: ForgeKind) -> &'static [(&'static str, &'static str)] {
    match forge {
        ForgeKind::GitHub => &[("accept", "application/vnd.github+json"), ("x-github-api-version", "2022-11-28")],
        ForgeKind::GitLab => &[("accept", "application/json")],
        // Without the second it answers with a page to sign in at.
        ForgeKind::AzureDevOps => &[("accept", "application/json"), ("x-tfs-fedauthredirect", "Suppress")],
    }
}

fn before_next(failure: &ForgeError, repeat: Repeat, attempt: u32) -> Option<Duration> {
    // A host that does not even take a connection will not do so a second later.
    let is_out_of_reach = matches!(failure, ForgeError::Unreachable { source, .. } if source.is_connect());
    let [high, low, ..] = uuid::Uuid::new_v4().into_bytes();
    let random = u16::from_be_bytes([high, low]);
    // What came too soon had no effect, and so may be sent again whatever it does.
    let is_safe = repeat == Repeat::Safe || matches!(failure.class(), ErrorClass::Throttled { .. });
    if is_out_of_reach { None } else { patience::before_next(failure.class(), is_safe, (attempt, random)) }
}

/// A header with a bearer token that no log shows.
pub(crate) fn bearer(token: &str) -> Result<(HeaderName, HeaderValue), ForgeError> {
    secret_header(AUTHORIZATION, &format!("Bearer {token}"))
}

/// A header that no log shows.
pub(crate) fn secret_header(name: HeaderName, text: &str) -> Result<(HeaderName, HeaderValue), ForgeError> {
    let mut value = HeaderValue::from_str(text).map_err(|_| {
        ForgeError::configuration("the forge's token holds characters that no header can carry; check for a line break")
    })?;
    value.set_sensitive(true);
    Ok((name, value))
}

/// Builds the HTTP client: our certificate authorities beside the machine's, no redirects, no proxy for loopback.
pub(crate) fn build_client(
    certificates: &[Vec<u8>],
    (timeout, user_agent): (Duration, &str),
    is_local: bool,
) -> Result<reqwest::Client, ForgeError> {
    // Whoever was first has installed a provider already; either is ring.
    drop(rustls::crypto::ring::default_provider().install_default());
    let failed = |reason: &str, source: reqwest::Error| ForgeError::Configuration {
        reason: reason.to_owned(),
        source: Some(Box::new(source)),
    };
    let mut builder = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .timeout(timeout)
        .connect_timeout(timeout.min(CONNECT))
        .user_agent(user_agent);
    let mut found = Vec::new();
    for pem in certificates {
        let bundle = reqwest::Certificate::from_pem_bundle(pem);
        found.extend(bundle.map_err(|error| failed("a CA certificate file is not PEM", error))?);
    }
    builder = builder.tls_certs_merge(found);
    if is_local {
        builder = builder.no_proxy();
    }
    builder.build().map_err(|error| {
        failed("TLS does not start; install the machine's CA certificates or set SSL_CERT_FILE to a bundle", error)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(status: u16, pairs: &[(&'static str, &'static str)], body: &Json) -> Refusal {
        let headers = pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        refusal(status, &headers, Some(body), Timestamp::from_second(1_000).unwrap())
    }

    #[test]
    fn an_address_tells_what_is_asked_about_and_no_names() {
        assert_eq!(kind_of("/repos/acme/comments/issues/7/comments"), "issues/comments");
        assert_eq!(kind_of("/api/v3/repos/acme/app/commits/1f2e/check-runs"), "commits/check-runs");
        assert_eq!(kind_of("/app/installations/42/access_tokens"), "app/installations/access_tokens");
        assert_eq!(kind_of("/api/v4/projects/acme%2Fnotes/merge_requests/7/notes/9"), "merge_requests/notes");
        let azure = "/acme/Net%20work/_apis/git/repositories/threads/pullRequests/7/statuses";
        assert_eq!(kind_of(azure), "pullRequests/statuses");
    }

    #[test]
    fn limits_are_told_from_missing_rights() {
        let limited = |refusal: Refusal| (refusal.is_throttled, refusal.retry_after.map(|wait| wait.as_secs()));
        let right = json!({"message": "Resource not accessible by integration"});
        let secondary = json!({"message": "You have exceeded a secondary rate limit."});
        assert_eq!(
            limited(of(403, &[("x-ratelimit-remaining", "4999"), ("x-ratelimit-reset", "1060")], &right)),
            (false, None)
        );
        assert_eq!(
            limited(of(403, &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1060")], &right)),
            (true, Some(60))
        );
        assert_eq!(limited(of(403, &[("retry-after", "7")], &secondary)), (true, Some(7)));
        assert_eq!(limited(of(403, &[("x-ratelimit-remaining", "40")], &secondary)), (true, Some(60)));
        assert_eq!(limited(of(429, &[("ratelimit-reset", "1005")], &json!({}))), (true, Some(5)));
        // A reset that is over.
        assert_eq!(limited(of(429, &[("ratelimit-reset", "900")], &json!({}))), (true, Some(0)));
        assert_eq!(limited(of(503, &[("retry-after", "3")], &json!({}))), (false, Some(3)));
    }

    #[test]
    fn the_words_of_all_three_are_read() {
        let message = |body: Json| of(422, &[], &body).message;
        assert_eq!(
            message(json!({"message": "Validation Failed", "errors": [{"code": "custom"}]})),
            r#"Validation Failed: [{"code":"custom"}]"#
        );
        assert_eq!(message(json!({"message": {"note": ["is too long"]}})), r#"{"note":["is too long"]}"#);
        assert_eq!(message(json!({"error": "insufficient_scope"})), "insufficient_scope");
        assert_eq!(message(json!({"message": "TF401027", "errors": []})), "TF401027");
    }
}
