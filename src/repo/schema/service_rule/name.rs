//! What the API server takes for a name in a Service.

use crate::domain::name::is_dns_label;

/// The help for a text that is not a qualified name.
pub(super) const QUALIFIED: &str =
    "use [prefix/]name: a name of at most 63 letters, digits, '-', '_' and '.', and a domain as prefix";

/// True for `name` and `prefix/name` (`IsQualifiedName` of the API server).
pub(super) fn is_qualified(key: &str) -> bool {
    match key.split_once('/') {
        None => is_part(key),
        Some((prefix, name)) => is_subdomain(prefix) && is_part(name),
    }
}

/// True for a label's value or the name of a qualified name.
pub(super) fn is_part(text: &str) -> bool {
    let bytes = text.as_bytes();
    let edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    bytes.len() <= 63
        && edge(bytes.first())
        && edge(bytes.last())
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}

/// True for a domain in lower case (`IsDNS1123Subdomain` of the API server).
pub(super) fn is_subdomain(text: &str) -> bool {
    text.len() <= 253 && text.split('.').all(|label| is_dns_label(label, 253))
}
