//! Long-running operations: which header to follow, where a token may go, and what a poll means.
//!
//! Azure prefers in this order: `Azure-AsyncOperation`, `Location`, the body's `provisioningState`, the status. A 200 with
//! a header is not done yet, and an operation that failed answers its poll with 200.

use std::time::Duration;

use http::HeaderMap;
use reqwest::Url;
use serde_json::Value as Json;

use crate::azure::error::AzureError;
use crate::azure::error::Purpose;
use crate::azure::send::Answer;
use crate::domain::azure::ResourceId;

/// How an operation tells that it has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OperationKind {
    /// A status document at its own URL.
    Status,
    /// 202 until it has ended.
    Location,
    /// `provisioningState` of the resource that was written.
    Resource,
    /// 404 of the resource that was deleted.
    Absence,
}

/// A write that Azure has accepted but not finished.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    pub(crate) purpose: Purpose,
    pub(crate) url: Url,
    pub(crate) kind: OperationKind,
    /// How long to wait before the first poll.
    pub retry_after: Duration,
    /// What was written.
    pub resource: ResourceId,
}

impl Operation {
    /// Where it is polled, and how; checked to be the resource manager's when it was read.
    pub fn address(&self) -> (&Url, OperationKind) {
        (&self.url, self.kind)
    }
}

/// How a write began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Started {
    /// It has already ended well.
    Done,
    /// It has to be polled.
    Operation(Operation),
}

/// What a poll found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// It ended well.
    Done,
    /// It goes on.
    Running {
        /// How long to wait before the next poll.
        retry_after: Duration,
    },
}

/// The write an answer belongs to.
pub(crate) struct Write<'a> {
    pub(crate) purpose: &'a Purpose,
    pub(crate) resource: &'a ResourceId,
    /// Where the resource itself is read.
    pub(crate) url: &'a Url,
    pub(crate) is_delete: bool,
}

/// What bounds an operation's URL and pace.
#[derive(Clone, Debug)]
pub(crate) struct Pace {
    pub(crate) resource_manager: Url,
    pub(crate) floor: Duration,
}

impl Pace {
    /// Honours the server's wish, but never polls faster than the floor; without a wish, five times the floor.
    fn wait(&self, wish: Option<Duration>) -> Duration {
        wish.unwrap_or(self.floor * 5).max(self.floor)
    }

    /// Reads what the answer to a write began.
    pub(crate) fn started(&self, write: &Write<'_>, answer: &Answer) -> Result<Started, AzureError> {
        let header = |name: &str| answer.headers.get(name).and_then(|value| value.to_str().ok());
        let (kind, url) = if let Some(address) = header("azure-asyncoperation") {
            (OperationKind::Status, self.trusted(write.purpose, address)?)
        } else if let (Some(address), 201 | 202) = (header("location"), answer.status) {
            (OperationKind::Location, self.trusted(write.purpose, address)?)
        } else {
            return self.started_without_header(write, answer);
        };
        Ok(self.operation(write, answer, (kind, url)))
    }

    fn started_without_header(&self, write: &Write<'_>, answer: &Answer) -> Result<Started, AzureError> {
        if write.is_delete {
            let kind = (OperationKind::Absence, write.url.clone());
            return Ok(if answer.status == 202 { self.operation(write, answer, kind) } else { Started::Done });
        }
        let kind = (OperationKind::Resource, write.url.clone());
        if answer.body.is_empty() {
            return Ok(if answer.status == 202 { self.operation(write, answer, kind) } else { Started::Done });
        }
        let body = answer.json(write.purpose)?;
        match resource_state(write.purpose, answer, &body)? {
            Some(false) => Ok(self.operation(write, answer, kind)),
            None if answer.status == 202 => Ok(self.operation(write, answer, kind)),
            Some(true) | None => Ok(Started::Done),
        }
    }

    fn operation(&self, write: &Write<'_>, answer: &Answer, (kind, url): (OperationKind, Url)) -> Started {
        Started::Operation(Operation {
            purpose: write.purpose.clone(),
            url,
            kind,
            retry_after: self.wait(retry_after(&answer.headers)),
            resource: write.resource.clone(),
        })
    }

    /// Reads what a poll found.
    pub(crate) fn progress(&self, operation: &Operation, answer: &Answer) -> Result<Progress, AzureError> {
        let running = Progress::Running { retry_after: self.wait(retry_after(&answer.headers)) };
        let purpose = &operation.purpose;
        match operation.kind {
            OperationKind::Status => {
                let ended = status_document(purpose, answer)?;
                Ok(if ended { Progress::Done } else { running })
            }
            OperationKind::Location => Ok(if answer.status == 202 { running } else { Progress::Done }),
            OperationKind::Absence => Ok(running),
            OperationKind::Resource => {
                let body = answer.json(purpose)?;
                Ok(match resource_state(purpose, answer, &body)? {
                    Some(true) => Progress::Done,
                    Some(false) => running,
                    None if matches!(answer.status, 201 | 202) => running,
                    None => Progress::Done,
                })
            }
        }
    }

    /// Resolves the address of an operation and refuses every host that our token was not made for.
    fn trusted(&self, purpose: &Purpose, address: &str) -> Result<Url, AzureError> {
        let url = self
            .resource_manager
            .join(address)
            .map_err(|error| AzureError::unexpected(purpose, format!("the operation's address is no URL ({error})")))?;
        if is_same_origin(&self.resource_manager, &url) || self.is_regional(&url) {
            return Ok(url);
        }
        Err(foreign(purpose, &url))
    }

    /// True for `https://<region>.<resource manager>`, which Azure uses for operations of regional resources.
    fn is_regional(&self, url: &Url) -> bool {
        let (Some(host), Some(base)) = (url.host_str(), self.resource_manager.domain()) else { return false };
        let region = host.strip_suffix(base).and_then(|prefix| prefix.strip_suffix('.')).unwrap_or_default();
        url.scheme() == "https"
            && has_no_credentials(url)
            && url.port_or_known_default() == self.resource_manager.port_or_known_default()
            && !region.is_empty()
            && region.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    }
}

fn has_no_credentials(url: &Url) -> bool {
    url.username().is_empty() && url.password().is_none()
}

/// True if a token for `base` may be sent to `url`.
pub(crate) fn is_same_origin(base: &Url, url: &Url) -> bool {
    base.scheme() == url.scheme()
        && base.host() == url.host()
        && base.port_or_known_default() == url.port_or_known_default()
        && has_no_credentials(url)
}

/// The refusal to follow an address; only scheme, host and port of it are shown.
pub(crate) fn foreign(purpose: &Purpose, url: &Url) -> AzureError {
    let address = url.origin().ascii_serialization();
    AzureError::ForeignAddress { purpose: purpose.clone(), address }
}

/// Reads a status document: true once it says `Succeeded`.
fn status_document(purpose: &Purpose, answer: &Answer) -> Result<bool, AzureError> {
    let body = answer.json(purpose)?;
    let Some(status) = body.get("status").and_then(Json::as_str) else {
        return Err(AzureError::unexpected(purpose, "the operation's status document has no status"));
    };
    ended(purpose, answer, (status, &body))
}

/// Reads `provisioningState`: `None` if there is none, true once it says `Succeeded`.
fn resource_state(purpose: &Purpose, answer: &Answer, body: &Json) -> Result<Option<bool>, AzureError> {
    match body.pointer("/properties/provisioningState").and_then(Json::as_str) {
        Some(state) => ended(purpose, answer, (state, body)).map(Some),
        None => Ok(None),
    }
}

fn ended(purpose: &Purpose, answer: &Answer, (status, body): (&str, &Json)) -> Result<bool, AzureError> {
    let cancelled = status.eq_ignore_ascii_case("Canceled");
    if cancelled || status.eq_ignore_ascii_case("Failed") {
        let mut error = answer.service_error(Some(body));
        // The pace of polling says nothing about when the write may be repeated.
        error.retry_after = None;
        if error.code.is_none() && error.message.is_empty() {
            "Azure gave no reason; see the resource's activity log".clone_into(&mut error.message);
            error.code = Some(status.to_owned());
        }
        return Err(AzureError::Failed { purpose: purpose.clone(), cancelled, error: Box::new(error) });
    }
    Ok(status.eq_ignore_ascii_case("Succeeded"))
}

/// Reads how long the server wants us to wait: milliseconds, seconds or an HTTP date; at most an hour.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let millis = || text("retry-after-ms").or_else(|| text("x-ms-retry-after-ms"))?.parse().ok();
    let wait = match millis() {
        Some(millis) => Duration::from_millis(millis),
        None => seconds_or_date(text("retry-after")?)?,
    };
    Some(wait.min(Duration::from_secs(3600)))
}

fn seconds_or_date(text: &str) -> Option<Duration> {
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
    // A date in the past means: now.
    Some(Duration::try_from(date.duration_since(jiff::Timestamp::now())).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg/providers/\
                      Microsoft.Network/privateEndpoints/pe";

    fn pace() -> Pace {
        Pace {
            resource_manager: Url::parse("https://management.azure.com").unwrap(),
            floor: Duration::from_millis(100),
        }
    }

    fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(http::HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
        }
        Answer { status, headers: map, body: body.as_bytes().to_vec() }
    }

    fn start(is_delete: bool, answer: &Answer) -> Result<Started, AzureError> {
        let id: ResourceId = ID.parse().unwrap();
        let purpose = Purpose::on("write", &id);
        let url = Url::parse("https://management.azure.com/x").unwrap();
        pace().started(&Write { purpose: &purpose, resource: &id, url: &url, is_delete }, answer)
    }

    #[track_caller]
    fn operation(started: Result<Started, AzureError>) -> Operation {
        match started.unwrap() {
            Started::Operation(operation) => operation,
            Started::Done => panic!("it is not done"),
        }
    }

    const STATUS: &str = "https://management.azure.com/op?api-version=1";

    #[test]
    fn a_200_with_a_header_is_not_done() {
        let both = [("azure-asyncoperation", STATUS), ("location", "/result"), ("retry-after", "0")];
        let op = operation(start(false, &answer(200, &both, r#"{"properties":{"provisioningState":"Updating"}}"#)));
        assert_eq!((op.kind, op.url.as_str()), (OperationKind::Status, STATUS));
        assert_eq!(op.retry_after, Duration::from_millis(100));
        let op = operation(start(true, &answer(202, &[("location", "/result")], "")));
        assert_eq!((op.kind, op.url.as_str()), (OperationKind::Location, "https://management.azure.com/result"));
        assert_eq!(op.retry_after, Duration::from_millis(500));
    }

    #[test]
    fn without_a_header_the_body_decides() {
        let state = |state: &str| format!(r#"{{"properties":{{"provisioningState":"{state}"}}}}"#);
        assert_eq!(operation(start(false, &answer(201, &[], &state("Creating")))).kind, OperationKind::Resource);
        assert_eq!(start(false, &answer(200, &[], &state("Succeeded"))).unwrap(), Started::Done);
        assert_eq!(start(false, &answer(201, &[], "{}")).unwrap(), Started::Done);
        assert!(matches!(start(false, &answer(200, &[], &state("Failed"))), Err(AzureError::Failed { .. })));
        assert!(matches!(start(false, &answer(200, &[], "<html>")), Err(AzureError::Unexpected { .. })));
        assert_eq!(start(true, &answer(204, &[], "")).unwrap(), Started::Done);
        assert_eq!(operation(start(true, &answer(202, &[], ""))).kind, OperationKind::Absence);
    }

    #[test]
    fn a_token_goes_to_our_resource_manager_only() {
        for good in ["https://eastus2.management.azure.com/op", "https://management.azure.com:443/op", "/op"] {
            assert!(pace().trusted(&Purpose::list("x", "y"), good).is_ok(), "{good}");
        }
        for bad in [
            "https://management.azure.com.evil.example/op",
            "https://evil.example/op",
            "https://management.azure.com@evil.example/op",
            "https://user@management.azure.com/op",
            "https://evilmanagement.azure.com/op",
            "https://a.b.management.azure.com/op",
            "http://management.azure.com/op",
            "http://eastus.management.azure.com:443/op",
            "https://management.azure.com:444/op",
            "//evil.example/op",
            "javascript:alert(1)",
        ] {
            assert!(pace().trusted(&Purpose::list("x", "y"), bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn polls_read_every_ending() {
        let op = operation(start(false, &answer(201, &[("azure-asyncoperation", STATUS)], "")));
        let poll = |body: &str| pace().progress(&op, &answer(200, &[("retry-after", "7")], body));
        assert_eq!(
            poll(r#"{"status":"InProgress"}"#).unwrap(),
            Progress::Running { retry_after: Duration::from_secs(7) }
        );
        assert_eq!(poll(r#"{"status":"succeeded"}"#).unwrap(), Progress::Done);
        assert!(poll("{}").unwrap_err().to_string().contains("has no status"));
        let error = poll(r#"{"status":"Failed","error":{"code":"SubnetIsFull","message":"m"}}"#).unwrap_err();
        assert_eq!(error.class(), crate::domain::failure::ErrorClass::Invalid);
        let error = poll(
            r#"{"status":"Canceled","error":{"code":"Canceled","message":"m",
            "details":[{"code":"CanceledAndSupersededDueToAnotherOperation","message":"x"}]}}"#,
        );
        assert!(error.unwrap_err().class().is_retryable());
        assert!(poll(r#"{"status":"Failed"}"#).unwrap_err().to_string().contains("no reason"));
    }

    #[test]
    fn waits_are_read_from_every_header() {
        let wait = |name: &str, value: &str| retry_after(&answer(200, &[(name, value)], "").headers);
        assert_eq!(wait("retry-after", "3"), Some(Duration::from_secs(3)));
        assert_eq!(wait("retry-after-ms", "30"), Some(Duration::from_millis(30)));
        assert_eq!(wait("retry-after", "99999999"), Some(Duration::from_secs(3600)));
        assert_eq!(wait("retry-after", "Wed, 21 Oct 2015 07:28:00 GMT"), Some(Duration::ZERO));
        assert_eq!(wait("retry-after", "soon"), None);
    }
}
