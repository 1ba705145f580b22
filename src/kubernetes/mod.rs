//! One Kubernetes cluster: its Services by server-side apply, and the events that say why one does not get ready.
//!
//! Requests are built purely (`request`), sent here, and read by `codec`. What came too soon, and reads that failed, are sent
//! again a few times; nothing else is.

pub mod error;

mod codec;
mod connect;
mod lease;
mod namespace;
mod ownership;
mod request;
mod trial;
pub mod watch;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use http::HeaderValue;
use http::Request;
use http::Response;
use http::StatusCode;
use kube::Client;
use kube::client::Body;
use serde_json::Value as Json;

use crate::domain::calls::Call;
use crate::domain::calls::CallLog;
use crate::domain::cluster::ClusterEvent;
use crate::domain::kubernetes::Namespace;
use crate::domain::kubernetes::ObjectKey;
use crate::domain::kubernetes::ResourceVersion;
use crate::domain::kubernetes::Uid;
use crate::domain::patience;
use crate::domain::resource::service::Deployment;
use crate::domain::resource::service::LiveService;
use crate::domain::resource::service::Service;
use crate::domain::right::Access;
use crate::domain::secret::Secret;
use crate::kubernetes::error::ClusterError;
use crate::kubernetes::error::FieldConflict;
use crate::kubernetes::error::Refusal;
use crate::kubernetes::request::Mode;

/// The name under which we own fields.
pub const FIELD_MANAGER: &str = "privlink";

/// Why there is no token.
pub type TokenError = Box<dyn std::error::Error + Send + Sync>;

/// What gives the tokens of a cluster whose kubeconfig holds none.
pub trait Tokens: fmt::Debug + Send + Sync {
    /// A token that is good for a while, and another one than the one that was refused.
    fn token<'a>(
        &'a self,
        refused: Option<&'a Secret<String>>,
    ) -> Pin<Box<dyn Future<Output = Result<Secret<String>, TokenError>> + Send + 'a>>;
}

/// A way to one cluster.
pub struct Cluster {
    client: Client,
    /// Where tokens come from, if the client has no credentials of its own.
    tokens: Option<Arc<dyn Tokens>>,
    /// Server and context, for messages.
    place: String,
    /// Where calls are counted.
    calls: CallLog,
    /// How long an answer may take to begin.
    timeout: Duration,
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster").field("place", &self.place).finish_non_exhaustive()
    }
}

impl Cluster {
    /// Prepares a context of a kubeconfig, by default the current one. Nothing is sent yet.
    ///
    /// # Errors
    /// What is wrong with the kubeconfig. Relative paths in it are refused, because only its text is known.
    pub async fn connect(kubeconfig_text: &str, context: Option<&str>) -> Result<Self, ClusterError> {
        Ok(Self::of(connect::from_kubeconfig(kubeconfig_text, context).await?, None))
    }

    /// Prepares a managed cluster by the kubeconfig that Azure gives out. Nothing is sent yet.
    ///
    /// # Errors
    /// What is wrong with the kubeconfig.
    pub async fn from_azure(kubeconfig: &Secret<String>, tokens: Arc<dyn Tokens>) -> Result<Self, ClusterError> {
        let (connection, wants_tokens) = connect::from_azure(kubeconfig.expose()).await?;
        Ok(Self::of(connection, wants_tokens.then_some(tokens)))
    }

    fn of(connection: connect::Connection, tokens: Option<Arc<dyn Tokens>>) -> Self {
        let connect::Connection { client, place } = connection;
        Self { client, tokens, place, calls: CallLog::default(), timeout: connect::READ_TIMEOUT }
    }

    /// Prepares the cluster whose pod this is. Nothing is sent yet.
    ///
    /// # Errors
    /// If there is no service account.
    #[expect(clippy::unused_async, reason = "callers treat both ways to a cluster alike")]
    pub async fn in_cluster() -> Result<Self, ClusterError> {
        connect::from_pod().map(|connection| Self::of(connection, None))
    }

    /// Counts its calls here from now on.
    #[must_use]
    pub fn counted(self, calls: CallLog) -> Self {
        Self { calls, ..self }
    }

    /// Waits so long for an answer to begin, a minute at most.
    #[must_use]
    pub fn answering_within(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// Server and context, as messages name them.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// Reads the version of the API server, such as `1.36.2`.
    ///
    /// # Errors
    /// As every call.
    pub async fn version(&self) -> Result<String, ClusterError> {
        let call = "read the version of the API server";
        let body = self.send(call, request::version()).await?;
        codec::version(&body).ok_or_else(|| self.unexpected(call, "it has no gitVersion"))
    }

    /// Lists the Services of one namespace, or of all.
    ///
    /// # Errors
    /// As every call.
    pub async fn services(&self, namespace: Option<&Namespace>) -> Result<Vec<LiveService>, ClusterError> {
        let call = match namespace {
            Some(namespace) => format!("list the Services of namespace {namespace}"),
            None => "list the Services of all namespaces".to_owned(),
        };
        let mut services = Vec::new();
        let each = |item: &Json| {
            services.extend(self.listed(&call, item)?);
            Ok(())
        };
        self.pages(&call, namespace, each).await?;
        Ok(services)
    }

    /// Reads every page of the Services of one namespace, or of all, and answers the version that the list is of; empty
    /// where the server does not tell it.
    async fn pages(
        &self,
        call: &str,
        namespace: Option<&Namespace>,
        mut each: impl FnMut(&Json) -> Result<(), ClusterError> + Send,
    ) -> Result<String, ClusterError> {
        let mut continuation: Option<String> = None;
        loop {
            let page = self.send(call, request::list(namespace, continuation.as_deref())).await?;
            let Some(items) = page.get("items").and_then(Json::as_array) else {
                return Err(self.unexpected(call, "a page has no items"));
            };
            items.iter().try_for_each(&mut each)?;
            let text = |place: &str| page.pointer(place).and_then(Json::as_str).unwrap_or_default().to_owned();
            let next = Some(text("/metadata/continue")).filter(|token| !token.is_empty());
            if next.is_none() {
                return Ok(text("/metadata/resourceVersion"));
            }
            if next == continuation {
                return Err(self.unexpected(call, "a page names itself as the next one"));
            }
            continuation = next;
        }
    }

    /// Reads an item of a list. A name that no document can hold is nobody's we know: newer servers allow some.
    fn listed(&self, call: &str, item: &Json) -> Result<Option<LiveService>, ClusterError> {
        if let Err(reason) = codec::key(item) {
            tracing::warn!(%reason, "a Service is left out of the list");
            return Ok(None);
        }
        codec::service(item).map(Some).map_err(|reason| self.unexpected(call, &reason))
    }

    /// Reads one Service; `None` if it is not there.
    ///
    /// # Errors
    /// As every call.
    pub async fn service(&self, key: &ObjectKey) -> Result<Option<LiveService>, ClusterError> {
        let call = format!("read the Service {key}");
        match self.send(&call, request::read(key)).await {
            Ok(body) => codec::service(&body).map(Some).map_err(|reason| self.unexpected(&call, &reason)),
            Err(error) if error.means_absent() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Applies a Service as field manager [`FIELD_MANAGER`].
    ///
    /// `expected` is what an update saw; with it the server refuses to write another object, or another version of it, and
    /// refuses to create. `force` takes fields from their owners and is for Services that we deploy and that somebody said we adopt.
    ///
    /// # Errors
    /// Class `Conflict` if it changed or a field belongs to somebody else; else as every call.
    pub async fn apply(
        &self,
        service: &Service,
        expected: Option<&(Uid, ResourceVersion)>,
        force: bool,
    ) -> Result<LiveService, ClusterError> {
        let body = self.patch(service, expected, Mode { force, dry_run: false }).await?;
        codec::service(&body).map_err(|reason| self.unexpected(&format!("apply the Service {}", service.key), &reason))
    }

    async fn patch(
        &self,
        service: &Service,
        expected: Option<&(Uid, ResourceVersion)>,
        mode: Mode,
    ) -> Result<Json, ClusterError> {
        let verb = if mode.dry_run { "try to apply" } else { "apply" };
        let call = format!("{verb} the Service {}", service.key);
        if service.deployment == Deployment::AnnotationsOnly {
            let impossible = |reason: &str| ClusterError::Impossible { call: call.clone(), reason: reason.to_owned() };
            if mode.force {
                return Err(impossible("somebody else deploys it, and their fields are never taken by force"));
            }
            if expected.is_none() {
                return Err(impossible("somebody else deploys it, and it is not there; plan again once it is"));
            }
        }
        self.send(&call, request::apply(service, expected, mode)).await
    }

    /// Deletes exactly this Service; one that is already gone is done.
    ///
    /// # Errors
    /// Class `Conflict` if another object has its name by now; else as every call.
    pub async fn delete(&self, key: &ObjectKey, uid: &Uid) -> Result<(), ClusterError> {
        match self.send(&format!("delete the Service {key}"), request::delete(key, uid)).await {
            Err(error) if error.means_absent() => Ok(()),
            other => other.map(drop),
        }
    }

    /// Reads the Warning events of a Service, newest first.
    ///
    /// # Errors
    /// As every call.
    pub async fn warnings(&self, key: &ObjectKey) -> Result<Vec<ClusterEvent>, ClusterError> {
        let body = self.send(&format!("read the events of the Service {key}"), request::warnings(key)).await?;
        Ok(codec::warnings(&body, key))
    }

    /// Counts how often the service controller has synced a Service, by its events: the count grows with every sync.
    ///
    /// # Errors
    /// As every call.
    pub async fn syncs(&self, key: &ObjectKey) -> Result<u64, ClusterError> {
        let body = self.send(&format!("read the events of the Service {key}"), request::syncs(key)).await?;
        Ok(codec::syncs(&body, key))
    }

    /// Asks the API server whether it would let us do something.
    ///
    /// # Errors
    /// If it could not find that out; else as every call.
    pub async fn may(&self, access: &Access) -> Result<bool, ClusterError> {
        let call = "ask what it would allow";
        let body = self.send(call, request::may(access)).await?;
        let error = body.pointer("/status/evaluationError").and_then(Json::as_str).filter(|error| !error.is_empty());
        match (body.pointer("/status/allowed").and_then(Json::as_bool), error) {
            (Some(true), _) => Ok(true),
            // A part of the authorizers did not answer, and that part may be the one that allows it.
            (Some(false), Some(error)) => Err(self.unexpected(call, error)),
            (Some(false), None) => Ok(false),
            (None, _) => Err(self.unexpected(call, "it does not say whether it is allowed")),
        }
    }

    /// Asks the API server who we are to it: the name of the user.
    ///
    /// # Errors
    /// As every call. Servers before Kubernetes 1.28 know no such question, and name the user only where they refuse it.
    pub async fn user(&self) -> Result<String, ClusterError> {
        let call = "ask who is signed in";
        let body = match self.send(call, request::who()).await {
            Ok(body) => body,
            Err(error) => return error.user().map(ToOwned::to_owned).ok_or(error),
        };
        let name = body.pointer("/status/userInfo/username").and_then(Json::as_str);
        name.map(ToOwned::to_owned).ok_or_else(|| self.unexpected(call, "it does not name the user"))
    }

    /// Sends one request and reads JSON, or why there is none. What came too soon is sent again a few times, and so is a read
    /// that failed; of everything else whoever called decides by the class of the error.
    async fn send(&self, call: &str, request: Request<Vec<u8>>) -> Result<Json, ClusterError> {
        let is_read = request::is_read(&request);
        let mut attempt = 0;
        loop {
            let began = Instant::now();
            let error = match self.ask(call, request.clone()).await {
                Ok(json) => return Ok(json),
                Err(error) => error,
            };
            let wait = patience::before_next(error.class(), is_read, (attempt, random()));
            let Some(wait) = wait.filter(|_| began.elapsed() < patience::SLOW) else {
                return Err(error);
            };
            tracing::debug!(%error, ?wait, "the call is repeated");
            tokio::time::sleep(wait).await;
            attempt += 1;
        }
    }

    async fn ask(&self, call: &str, request: Request<Vec<u8>>) -> Result<Json, ClusterError> {
        let is_apply = request.method() == http::Method::PATCH;
        let response = self.exchange(call, request).await?;
        let status = response.status();
        let retry_after = retry_after(response.headers());
        let body = response.into_body().collect_bytes().await.map_err(|error| self.failed(call, error))?;
        let json: Option<Json> = serde_json::from_slice(&body).ok();
        if !status.is_success() {
            let mut refusal = refusal(status, json.as_ref().unwrap_or(&Json::Null));
            refusal.retry_after = refusal.retry_after.or(retry_after);
            refusal.is_apply = is_apply;
            let (call, place) = (call.to_owned(), self.place.clone());
            return Err(ClusterError::Refused { call, place, refusal: Box::new(refusal) });
        }
        json.ok_or_else(|| {
            let reason = format!("{} bytes that are not JSON; check that the address is the API server's", body.len());
            self.unexpected(call, &reason)
        })
    }

    /// Sends a request, with a token where the cluster wants one; a refused token is replaced once.
    async fn exchange(&self, call: &str, request: Request<Vec<u8>>) -> Result<Response<Body>, ClusterError> {
        let Some(tokens) = &self.tokens else { return self.send_once(call, request).await };
        let token = |refused| async move {
            let credentials = |source| self.without_credentials(call, source);
            tokens.token(refused).await.map_err(credentials)
        };
        let first = token(None).await?;
        let response = self.send_once(call, self.signed(call, request.clone(), &first)?).await?;
        if response.status() != StatusCode::UNAUTHORIZED {
            return Ok(response);
        }
        let second = token(Some(&first)).await?;
        self.send_once(call, self.signed(call, request, &second)?).await
    }

    fn signed(
        &self,
        call: &str,
        mut request: Request<Vec<u8>>,
        token: &Secret<String>,
    ) -> Result<Request<Vec<u8>>, ClusterError> {
        let value = HeaderValue::from_str(&format!("Bearer {}", token.expose()));
        let mut value = value.map_err(|_| self.unexpected(call, "the token holds what no header can carry"))?;
        value.set_sensitive(true);
        request.headers_mut().insert(http::header::AUTHORIZATION, value);
        Ok(request)
    }

    #[tracing::instrument(
        target = "otel",
        name = "call",
        skip_all,
        fields(otel.kind = "client", system = "Kubernetes", method, kind, status)
    )]
    async fn send_once(&self, call: &str, request: Request<Vec<u8>>) -> Result<Response<Body>, ClusterError> {
        let (method, kind) = (request.method().to_string(), request::kind_of(request.uri().path()));
        let span = tracing::Span::current();
        span.record("method", &method).record("kind", &kind);
        self.calls.count(Call { whom: "Kubernetes", method, kind });
        let sent = tokio::time::timeout(self.timeout, self.client.send(request.map(Body::from))).await;
        let answer = sent.map_err(|_| self.silent(call))?.map_err(|error| self.failed(call, error))?;
        span.record("status", answer.status().as_u16());
        if answer.status() == http::StatusCode::TOO_MANY_REQUESTS {
            self.calls.throttled("Kubernetes");
        }
        Ok(answer)
    }

    fn without_credentials(&self, call: &str, source: TokenError) -> ClusterError {
        ClusterError::Credentials { call: call.to_owned(), place: self.place.clone(), source }
    }

    fn unexpected(&self, call: &str, reason: &str) -> ClusterError {
        ClusterError::Unexpected { call: call.to_owned(), place: self.place.clone(), reason: reason.to_owned() }
    }

    fn failed(&self, call: &str, error: kube::Error) -> ClusterError {
        match error {
            kube::Error::Auth(source) => self.without_credentials(call, Box::new(source)),
            other => self.unreachable(call, Box::new(other)),
        }
    }

    fn silent(&self, call: &str) -> ClusterError {
        let limit = self.timeout.as_secs_f64();
        let silence =
            std::io::Error::new(std::io::ErrorKind::TimedOut, format!("there was no answer within {limit} s"));
        self.unreachable(call, Box::new(silence))
    }

    fn unreachable(&self, call: &str, source: error::Source) -> ClusterError {
        let next = if connect::is_private(&self.place) {
            "a private cluster answers only inside its network: run privlink there"
        } else {
            "check the network, and that the cluster runs"
        };
        ClusterError::Unreachable { call: call.to_owned(), place: self.place.clone(), next, source }
    }
}

fn random() -> u16 {
    let [high, low, ..] = uuid::Uuid::new_v4().into_bytes();
    u16::from_be_bytes([high, low])
}

fn retry_after(headers: &http::HeaderMap) -> Option<Duration> {
    let seconds = headers.get(http::header::RETRY_AFTER)?.to_str().ok()?.trim().parse::<u64>().ok()?;
    Some(Duration::from_secs(seconds.min(3600)))
}

/// Reads a `Status`; what is none leaves only the HTTP status.
fn refusal(status: StatusCode, body: &Json) -> Refusal {
    let text = |name: &str| body.get(name).and_then(Json::as_str).unwrap_or_default().to_owned();
    if body.get("kind").and_then(Json::as_str) != Some("Status") {
        return Refusal { code: status.as_u16(), ..Refusal::default() };
    }
    let causes = body.pointer("/details/causes").and_then(Json::as_array).into_iter().flatten();
    let conflict = |cause: &Json| {
        let text = |name: &str| cause.get(name).and_then(Json::as_str);
        // `conflict with "helm" using v1`
        let manager = text("message")?.split('"').nth(1)?.to_owned();
        (text("reason")? == "FieldManagerConflict")
            .then(|| FieldConflict { manager, field: text("field").unwrap_or_default().to_owned() })
    };
    let seconds = body.pointer("/details/retryAfterSeconds").and_then(Json::as_u64).filter(|seconds| *seconds > 0);
    Refusal {
        code: status.as_u16(),
        reason: text("reason"),
        message: text("message"),
        conflicts: causes.filter_map(conflict).collect(),
        retry_after: seconds.map(|seconds| Duration::from_secs(seconds.min(3600))),
        is_apply: false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_status_is_read_whole() {
        let body = json!({"kind": "Status", "reason": "Conflict", "message": "Apply failed with 1 conflict",
            "details": {"retryAfterSeconds": 2, "causes": [
                {"reason": "FieldManagerConflict", "message": "conflict with \"helm\" using v1", "field": ".spec.type"}]}});
        let refusal = refusal(StatusCode::CONFLICT, &body);
        assert_eq!(refusal.conflicts[0].to_string(), "helm owns .spec.type");
        assert_eq!(refusal.retry_after, Some(Duration::from_secs(2)));
    }

    #[test]
    fn writes_are_sent_again_only_if_they_came_too_soon() {
        let refused = |code: u16| {
            let refusal = Box::new(Refusal { code, ..Refusal::default() });
            ClusterError::Refused { call: "x".to_owned(), place: "y".to_owned(), refusal }
        };
        let wait = |code: u16, is_read: bool| patience::before_next(refused(code).class(), is_read, (0, 0));
        assert_eq!(wait(429, false), Some(patience::UNSAID));
        assert_eq!((wait(503, false), wait(503, true).is_some()), (None, true));
        assert_eq!(wait(403, true), None);
    }

    #[test]
    fn what_is_no_status_leaves_the_code() {
        assert_eq!(refusal(StatusCode::NOT_FOUND, &json!({"reason": "NotFound"})).reason, "");
        assert_eq!(refusal(StatusCode::BAD_GATEWAY, &Json::Null).code, 502);
    }
}
