//! Failures of the Kubernetes API as clients see them: `Status` objects.

use serde_json::{Value, json};

/// A refusal. Clients decide by `code` and `reason`; people read the message.
#[derive(Clone, Debug, PartialEq)]
pub struct ApiError {
    /// The HTTP status.
    pub code: u16,
    /// The machine-readable reason; empty where the real server gives none.
    pub reason: &'static str,
    /// The sentence for people.
    pub message: String,
    /// `details` of the Status: the thing and the causes.
    pub details: Value,
}

/// One field that breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cause {
    reason: &'static str,
    field: String,
    message: String,
}

impl Cause {
    pub(crate) fn required(field: impl Into<String>, why: &str) -> Self {
        let message = if why.is_empty() { "Required value".to_owned() } else { format!("Required value: {why}") };
        Self { reason: "FieldValueRequired", field: field.into(), message }
    }

    pub(crate) fn invalid(field: impl Into<String>, value: &Value, why: &str) -> Self {
        Self { reason: "FieldValueInvalid", field: field.into(), message: format!("Invalid value: {value}: {why}") }
    }

    pub(crate) fn duplicate(field: impl Into<String>, value: &Value) -> Self {
        Self { reason: "FieldValueDuplicate", field: field.into(), message: format!("Duplicate value: {value}") }
    }

    pub(crate) fn forbidden(field: impl Into<String>, why: &str) -> Self {
        Self { reason: "FieldValueForbidden", field: field.into(), message: format!("Forbidden: {why}") }
    }

    pub(crate) fn unsupported(field: impl Into<String>, value: &Value, supported: &[&str]) -> Self {
        let list = supported.iter().map(|word| format!("{word:?}")).collect::<Vec<_>>().join(", ");
        let message = format!("Unsupported value: {value}: supported values: {list}");
        Self { reason: "FieldValueNotSupported", field: field.into(), message }
    }

    fn to_value(&self) -> Value {
        json!({"reason": self.reason, "message": self.message, "field": self.field})
    }
}

impl ApiError {
    fn of(code: u16, reason: &'static str, message: String) -> Self {
        Self { code, reason, message, details: Value::Null }
    }

    fn about(mut self, plural: &str, name: &str) -> Self {
        self.details = json!({"name": name, "kind": plural});
        self
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::of(400, "BadRequest", message.into())
    }

    pub(crate) fn unauthorized() -> Self {
        Self::of(401, "Unauthorized", "Unauthorized".to_owned())
    }

    /// `what` is what is asked for, such as `services "web"`; empty for a path that is no resource.
    pub(crate) fn forbidden((plural, name): (&str, &str), what: &str, why: &str) -> Self {
        let message = format!("{what}{}forbidden: {why}", if what.is_empty() { "" } else { " is " });
        let mut error = Self::of(403, "Forbidden", message);
        let named = [("name", name), ("kind", plural)].into_iter().filter(|(_, text)| !text.is_empty());
        error.details = named.map(|(key, text)| (key.to_owned(), Value::from(text))).collect();
        error
    }

    pub(crate) fn not_found(plural: &str, name: &str) -> Self {
        Self::of(404, "NotFound", format!("{plural} \"{name}\" not found")).about(plural, name)
    }

    pub(crate) fn unknown_path() -> Self {
        let mut error = Self::of(404, "NotFound", "the server could not find the requested resource".to_owned());
        error.details = json!({});
        error
    }

    pub(crate) fn method_not_allowed() -> Self {
        Self::of(405, "MethodNotAllowed", "the server does not allow this method on the requested resource".to_owned())
    }

    pub(crate) fn already_exists(plural: &str, name: &str) -> Self {
        Self::of(409, "AlreadyExists", format!("{plural} \"{name}\" already exists")).about(plural, name)
    }

    pub(crate) fn conflict(plural: &str, name: &str, why: &str) -> Self {
        let message = format!("Operation cannot be fulfilled on {plural} \"{name}\": {why}");
        Self::of(409, "Conflict", message).about(plural, name)
    }

    /// Another field manager owns what an apply wants to change.
    pub(crate) fn apply_conflict(message: String, causes: Vec<Value>) -> Self {
        let mut error = Self::of(409, "Conflict", message);
        error.details = json!({"causes": causes});
        error
    }

    pub(crate) fn expired(message: impl Into<String>) -> Self {
        Self::of(410, "Expired", message.into())
    }

    pub(crate) fn not_acceptable() -> Self {
        let why = "only the following media types are accepted: application/json, application/yaml";
        Self::of(406, "NotAcceptable", why.to_owned())
    }

    pub(crate) fn unsupported_media_type(content_type: &str, accepted: &str) -> Self {
        Self::of(
            415,
            "UnsupportedMediaType",
            format!(
                "the body of the request was in an unknown format - accepted media types include: {accepted} (sent was \
                 {content_type:?})"
            ),
        )
    }

    pub(crate) fn invalid(kind: &str, name: &str, causes: &[Cause]) -> Self {
        let lines: Vec<String> = causes.iter().map(|cause| format!("{}: {}", cause.field, cause.message)).collect();
        let text = if lines.len() == 1 { lines[0].clone() } else { format!("[{}]", lines.join(", ")) };
        let mut error = Self::of(422, "Invalid", format!("{kind} \"{name}\" is invalid: {text}"));
        let causes: Vec<Value> = causes.iter().map(Cause::to_value).collect();
        error.details = json!({"name": name, "kind": kind, "causes": causes});
        error
    }

    /// What the real server answers to an apply patch that does not fit the schema: 500 without a reason.
    pub(crate) fn untyped_patch(message: String) -> Self {
        Self::of(500, "", message)
    }

    /// The `Status` object.
    pub fn to_value(&self) -> Value {
        let mut status = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {},
            "status": "Failure", "message": self.message, "code": self.code,
        });
        if !self.reason.is_empty() {
            status["reason"] = json!(self.reason);
        }
        if !self.details.is_null() {
            status["details"] = self.details.clone();
        }
        status
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_causes_are_listed_in_brackets() {
        let causes = [Cause::required("spec.ports", ""), Cause::duplicate("spec.ports[1].name", &json!("web"))];
        let error = ApiError::invalid("Service", "shop", &causes);
        let expected =
            "Service \"shop\" is invalid: [spec.ports: Required value, spec.ports[1].name: Duplicate value: \"web\"]";
        assert_eq!(error.message, expected);
        assert_eq!(error.to_value()["details"]["causes"][1]["field"], "spec.ports[1].name");
    }
}
