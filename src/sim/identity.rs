//! What names an answer of the resource manager: its request, correlation and routing ids, and its time.
//!
//! People quote these ids to support, and clients keep them in their errors. Ids follow from the world's seed.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::sim::arm::{Arm, Reply};

/// Adds the headers that every answer has; what the reply says already stays.
pub(crate) fn stamp(arm: &Arm, (sent, region): (&BTreeMap<String, String>, &str), reply: &mut Reply) {
    let mut state = arm.state();
    let now = Timestamp::from_second(state.clock.unix_seconds()).unwrap_or_default();
    let request = reply.header("x-ms-request-id").map(str::to_owned);
    let request = request.unwrap_or_else(|| state.chance.guid("request").to_string());
    let correlation = sent.get("x-ms-correlation-request-id").cloned();
    let correlation = correlation.unwrap_or_else(|| state.chance.guid("correlation").to_string());
    let routing = state.chance.guid("routing");
    let routing = format!("{}:{}:{routing}", region.to_ascii_uppercase(), now.strftime("%Y%m%dT%H%M%SZ"));
    let mut headers = vec![
        ("Date", now.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()),
        ("x-ms-request-id", request),
        ("x-ms-correlation-request-id", correlation),
        ("x-ms-routing-request-id", routing),
    ];
    headers.extend(sent.get("x-ms-client-request-id").map(|own| ("x-ms-client-request-id", own.clone())));
    for (name, value) in headers {
        if reply.header(name).is_none() {
            reply.headers.push((name.to_owned(), value));
        }
    }
}
