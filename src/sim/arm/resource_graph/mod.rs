//! Azure Resource Graph: one query over everything that the caller may read.
//!
//! ```text
//!  body.query ─ lexer ─ parser ─▶ Query ┐
//!  store ─ table (subscriptions, rights) ─▶ rows ─ evaluate ─▶ output ─▶ page of it
//! ```
//! The language is a small part of Azure's, understood properly: what is not understood is refused by name, never
//! ignored. One thing is better than in Azure: the index is never behind.

mod evaluate;
mod failure;
mod lexer;
mod page;
mod parser;
mod query;
mod quota;
mod table;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use serde_json::Value;

use crate::sim::arm::Reply;
use crate::sim::arm::authorization::Grants;
use crate::sim::arm::error::ArmError;
use crate::sim::arm::request::{Caller, Request};
use crate::sim::arm::resource_graph::failure::Failure;
use crate::sim::arm::resource_graph::page::Page;
pub(crate) use crate::sim::arm::resource_graph::quota::Quota;
use crate::sim::arm::state::State;

/// Answers a query.
pub(crate) fn answer(state: &mut State, request: &Request, grants: &Grants) -> Result<Reply, ArmError> {
    let now = state.clock.elapsed();
    let headers = match &request.caller {
        Caller::Platform => Vec::new(),
        Caller::Identity(principal) => state.quota.take(&principal.object_id, now)?,
    };
    let mut reply = match run(state, request, grants) {
        Ok(body) => Reply::ok(body),
        Err(failure) => {
            let correlation = state.chance.guid("correlation").to_string();
            failure.reply(state.clock.unix_seconds(), &correlation)
        }
    };
    reply.headers.extend(headers);
    Ok(reply)
}

fn run(state: &State, request: &Request, grants: &Grants) -> Result<Value, Failure> {
    let body = request.body.clone().unwrap_or_default();
    let text = body["query"].as_str().unwrap_or_default();
    if text.trim().is_empty() {
        return Err(Failure::request("QueryIsNullOrEmpty", "The query is missing or empty."));
    }
    let version = request.query.get("api-version").map(String::as_str).unwrap_or_default();
    let page = Page::read(&body["options"], version, state.page_size)?;
    let subscriptions = subscriptions(state, &body, grants)?;
    let query = parser::parse(text)?;
    let rows = table::rows(state, &query, &subscriptions, grants);
    let output = evaluate::run(&query, rows);
    Ok(page.cut(&query, output))
}

/// The subscriptions that a query is about, in lower case: those listed, or all. What the caller does not see is left out.
fn subscriptions(state: &State, body: &Value, grants: &Grants) -> Result<BTreeSet<String>, Failure> {
    let listed = |name: &str| body[name].as_array().into_iter().flatten().filter_map(Value::as_str).collect::<Vec<_>>();
    let (wanted, groups) = (listed("subscriptions"), listed("managementGroups"));
    // The only management group is the root of a tenant, which is named like it.
    let all = wanted.is_empty() && groups.is_empty();
    let is_meant = |id: &str, tenant: &str| {
        let is = |own: &&str, other: &str| own.eq_ignore_ascii_case(other);
        all || wanted.iter().any(|own| is(own, id)) || groups.iter().any(|own| is(own, tenant))
    };
    let known = state.subscriptions.values();
    let seen: BTreeSet<String> = known
        .filter(|own| is_meant(&own.id, &own.tenant) && grants.reaches(&own.id))
        .map(|own| own.id.to_ascii_lowercase())
        .collect();
    if seen.is_empty() {
        let given: Vec<&str> = wanted.into_iter().chain(groups).collect();
        let message = format!(
            "There must be at least one subscription that is eligible to contain resources. Given: '{}'.",
            given.join(", ")
        );
        return Err(Failure::request("NoValidSubscriptionsInQueryRequest", &message));
    }
    Ok(seen)
}
