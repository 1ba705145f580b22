//! How Resource Graph refuses: `BadRequest`, and the reason in the details.
//!
//! `ParserFailure` with its place and `InvalidQueryLanguage` were seen in people's reports. Codes for names that do not
//! resolve and for requests that cannot be served are ours.

use serde_json::{Value, json};

use crate::sim::arm::Reply;

const INVALID: &str = "Query is invalid. Please refer to the documentation for the Azure Resource Graph service and fix the error before \
     retrying.";

/// A query or a request that is refused.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Failure {
    details: Vec<Value>,
}

impl Failure {
    /// The text stops making sense at a token.
    pub(super) fn parser(token: &str, (line, column): (usize, usize), expected: &str) -> Self {
        let detail = json!({
            "code": "ParserFailure",
            "message": "ParserFailure",
            "line": line,
            "characterPositionInLine": column,
            "token": token,
            "expectedToken": expected,
        });
        Self::query(detail)
    }

    /// The text makes sense, but not here: an operator or a function that is not served.
    pub(super) fn unsupported(token: &str) -> Self {
        Self::query(json!({
            "code": "InvalidQueryLanguage",
            "message": "InvalidQueryLanguage",
            "line": -1,
            "characterPositionInLine": -1,
            "token": token,
        }))
    }

    /// A name that is no column at this place of the query.
    pub(super) fn unresolved(operator: &str, name: &str) -> Self {
        let message = format!("'{operator}' operator: Failed to resolve column or scalar expression named '{name}'");
        Self::query(json!({ "code": "UnresolvedName", "message": message, "token": name }))
    }

    /// A table that is not there.
    pub(super) fn table(name: &str) -> Self {
        let message = format!("Table {name} is invalid, unsupported or disallowed.");
        Self::query(json!({ "code": "DisallowedLogicalTableName", "message": message, "token": name }))
    }

    /// The request around the query is wrong.
    pub(super) fn request(code: &str, message: &str) -> Self {
        Self { details: vec![json!({ "code": code, "message": message })] }
    }

    fn query(detail: Value) -> Self {
        Self { details: vec![json!({ "code": "InvalidQuery", "message": INVALID }), detail] }
    }

    pub(super) fn reply(&self, now: i64, correlation: &str) -> Reply {
        let now = jiff::Timestamp::from_second(now).map(|at| at.to_string()).unwrap_or_default();
        let message = format!(
            "Please provide below info when asking for support: timestamp = {now}, correlationId = {correlation}."
        );
        let body = json!({ "error": { "code": "BadRequest", "message": message, "details": self.details } });
        Reply { status: 400, headers: Vec::new(), body }
    }

    /// The code and the token of the last detail, which says the most.
    #[cfg(test)]
    pub(super) fn reason(&self) -> (String, String) {
        let last = self.details.last().cloned().unwrap_or_default();
        let text = |name: &str| last[name].as_str().unwrap_or_default().to_owned();
        (text("code"), text("token"))
    }
}
