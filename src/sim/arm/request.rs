//! A request as the resource manager sees it, whether it came over HTTP or from inside.

use std::collections::BTreeMap;

use serde_json::Value;

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Caller {
    /// The platform itself: the seed, tests. It may do everything.
    Platform,
    /// An identity with a token.
    Identity(Principal),
}

/// What a token stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Principal {
    pub(crate) name: String,
    pub(crate) object_id: String,
    pub(crate) tenant: String,
    /// True for the simulator's own cloud provider.
    pub(crate) is_internal: bool,
}

/// One request.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// Upper case.
    pub(crate) method: String,
    pub(crate) path: String,
    /// Keys in lower case, values decoded.
    pub(crate) query: BTreeMap<String, String>,
    /// Names in lower case.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Option<Value>,
    /// Scheme and host that the client used, for the absolute URLs of the answer.
    pub(crate) origin: String,
    pub(crate) caller: Caller,
}

impl Request {
    /// A request by the platform itself.
    pub(crate) fn internal(method: &str, path_and_query: &str, headers: &[(&str, &str)], body: Option<Value>) -> Self {
        let (path, query) = path_and_query.split_once('?').unwrap_or((path_and_query, ""));
        Self {
            method: method.to_ascii_uppercase(),
            path: path.to_owned(),
            query: parse_query(query),
            headers: headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), (*value).to_owned())).collect(),
            body,
            origin: "https://management.azure.invalid".to_owned(),
            caller: Caller::Platform,
        }
    }

    /// The api-version that the client asked for.
    pub(crate) fn api_version(&self) -> &str {
        self.query.get("api-version").map_or("2024-05-01", String::as_str)
    }

    /// The user agent.
    pub(crate) fn client(&self) -> String {
        self.headers.get("user-agent").cloned().unwrap_or_default()
    }
}

/// Splits a query; keys are folded, because `$skipToken` and `$skiptoken` are the same to Azure.
pub(crate) fn parse_query(query: &str) -> BTreeMap<String, String> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(key).to_ascii_lowercase(), decode(value))
        })
        .collect()
}

/// Undoes form encoding: a plus is a blank.
pub(crate) fn decode(text: &str) -> String {
    decode_segment(&text.replace('+', " "))
}

/// Undoes percent encoding, as in a segment of a path.
pub(crate) fn decode_segment(text: &str) -> String {
    if !text.contains('%') {
        return text.to_owned();
    }
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = text.get(at + 1..at + 3).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        let (byte, width) = match (bytes[at], hex) {
            (b'%', Some(byte)) => (byte, 3),
            (byte, _) => (byte, 1),
        };
        out.push(byte);
        at += width;
    }
    String::from_utf8_lossy(&out).into_owned()
}
