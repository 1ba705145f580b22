//! What failures look like in events: the multi-line text of Azure's Go client.

use std::fmt;

use crate::sim::arm::Reply;

/// The host in the text, whatever address the simulator has this time.
const HOST: &str = "https://management.azure.com";

const RULE: &str = "--------------------------------------------------------------------------------";

/// Why a sync failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CloudError {
    text: String,
    /// The HTTP status, if Azure refused.
    pub(crate) status: Option<u16>,
}

impl std::error::Error for CloudError {}

impl fmt::Display for CloudError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl CloudError {
    /// A refusal by the provider itself, before any request.
    pub(crate) fn local(text: impl Into<String>) -> Self {
        Self { text: text.into(), status: None }
    }

    /// A request without an answer.
    pub(super) fn unanswered(method: &str, path: &str, why: &reqwest::Error) -> Self {
        Self::local(format!("{method} \"{HOST}{path}\": {}", root(why)))
    }

    /// Says what was tried, in front.
    #[must_use]
    pub(crate) fn while_doing(mut self, what: &str) -> Self {
        self.text = format!("{what}: {}", self.text);
        self
    }

    /// The text of Azure's Go client: request, status, code, body.
    pub(super) fn azure((method, path): (&str, &str), reply: &Reply) -> Self {
        let status = reply.status;
        let reason =
            http::StatusCode::from_u16(status).ok().and_then(|code| code.canonical_reason()).unwrap_or_default();
        let code = reply.error_code();
        let code = if code.is_empty() { "UNAVAILABLE" } else { code };
        let body = serde_json::to_string_pretty(&reply.body).unwrap_or_default();
        let text = format!(
            "{method} {HOST}{path}\n{RULE}\nRESPONSE {status}: {status} {reason}\nERROR CODE: {code}\n{RULE}\n{body}\n{RULE}\n"
        );
        Self { text, status: Some(status) }
    }
}

/// The innermost cause; the outer ones repeat the address of the simulator.
fn root(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
