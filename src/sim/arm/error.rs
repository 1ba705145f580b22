//! What Azure answers when it refuses.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::sim::arm::Reply;

/// A refusal in Azure's shape: `{"error":{"code","message","details"}}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ArmError {
    pub(crate) status: u16,
    pub(crate) code: String,
    pub(crate) message: String,
    /// `details[0].code`, which is where Azure says why it is busy.
    pub(crate) detail: Option<String>,
    pub(crate) headers: Vec<(String, String)>,
}

impl ArmError {
    pub(crate) fn new(status: u16, code: &str, message: impl Into<String>) -> Self {
        Self { status, code: code.to_owned(), message: message.into(), detail: None, headers: Vec::new() }
    }

    pub(crate) fn invalid(code: &str, message: impl Into<String>) -> Self {
        Self::new(400, code, message)
    }

    pub(crate) fn body_is_not_an_object() -> Self {
        Self::invalid("InvalidRequestContent", "The request content was invalid and could not be deserialized.")
    }

    /// A resource that another one names is not there.
    pub(crate) fn dangling(reference: &str, by: &str) -> Self {
        Self::invalid(
            "InvalidResourceReference",
            format!(
                "Resource {reference} referenced by resource {by} was not found. Please make sure that the referenced \
                 resource exists, and that both resources are in the same region."
            ),
        )
    }

    pub(crate) fn not_found(id: &str) -> Self {
        Self::new(404, "ResourceNotFound", format!("The Resource '{id}' was not found."))
    }

    /// A child that the network resource provider itself looks for: another code than ARM's own 404.
    pub(crate) fn child_not_found(id: &str) -> Self {
        Self::new(404, "NotFound", format!("Resource {id} not found."))
    }

    pub(crate) fn precondition(id: &str) -> Self {
        Self::new(412, "PreconditionFailed", format!("The condition on '{id}' is not met: its etag is another one."))
    }

    /// Azure's answer to a write on something that is being written: 429, which is not throttling.
    pub(crate) fn busy(id: &str) -> Self {
        let mut error = Self::new(
            429,
            "RetryableError",
            format!("A retryable error occurred. Another operation on {id} is in progress."),
        );
        error.detail = Some("RetryableErrorDueToAnotherOperation".to_owned());
        error
    }

    /// A referenced resource is being written.
    pub(crate) fn referenced_not_provisioned(id: &str) -> Self {
        let mut error = Self::new(
            429,
            "RetryableError",
            format!("A retryable error occurred. The referenced resource {id} is not in Succeeded state."),
        );
        error.detail = Some("ReferencedResourceNotProvisioned".to_owned());
        error
    }

    pub(crate) fn immutable(property: &str, id: &str) -> Self {
        Self::invalid("PropertyChangeNotAllowed", format!("Changing property '{property}' of {id} is not allowed."))
    }

    pub(crate) fn body(&self) -> Value {
        let details: Vec<Value> =
            self.detail.iter().map(|code| json!({ "code": code, "message": self.message })).collect();
        json!({ "code": self.code, "message": self.message, "details": details })
    }

    pub(crate) fn reply(&self) -> Reply {
        let mut headers = self.headers.clone();
        if self.code == "ResourceGroupNotFound" || self.code == "ResourceNotFound" {
            headers.push(("x-ms-failure-cause".to_owned(), "gateway".to_owned()));
        }
        Reply { status: self.status, headers, body: json!({ "error": self.body() }) }
    }
}
