//! The rows that a query is about: only of the subscriptions it names, only what the caller may read.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::sim::arm::authorization::{Grants, Readable};
use crate::sim::arm::kind::Kind;
use crate::sim::arm::resource_graph::evaluate::Row;
use crate::sim::arm::resource_graph::query::{Comparison, Predicate, Query, Scalar, Step, Table};
use crate::sim::arm::route::ResourcePath;
use crate::sim::arm::state::State;
use crate::sim::arm::store::{Group, Resource, Store};
use crate::sim::arm::{subscription, view};

/// Columns whose absence is an empty text instead of null.
const TEXTS: [&str; 2] = ["kind", "managedBy"];
const COPIED: [&str; 9] = ["kind", "location", "managedBy", "sku", "plan", "properties", "tags", "identity", "zones"];

/// Makes the rows of a query's table.
pub(super) fn rows(state: &State, query: &Query, subscriptions: &BTreeSet<String>, grants: &Grants) -> Vec<Row> {
    match query.table {
        Table::Resources => resources(state, query, subscriptions, grants),
        Table::ResourceContainers => containers(state, subscriptions, grants),
    }
}

fn resources(state: &State, query: &Query, subscriptions: &BTreeSet<String>, grants: &Grants) -> Vec<Row> {
    let types = types(query);
    let mut readable = Readable::by(grants);
    let mut rows = Vec::new();
    for subscription in subscriptions {
        for own in candidates(&state.store, &format!("/subscriptions/{subscription}/"), types.as_ref()) {
            if is_tracked(&own.path) && readable.shows(&own.path) {
                let shown = view::present(&state.store, own);
                rows.push(row(state, (subscription, &own.path.group), &shown));
            }
        }
    }
    rows
}

/// The resources below a prefix, of these types or of all.
fn candidates<'a>(store: &'a Store, prefix: &str, types: Option<&BTreeSet<String>>) -> Vec<&'a Resource> {
    let Some(types) = types else { return store.below(prefix).collect() };
    let known = types.iter().filter_map(|own| Kind::find(own));
    let of_type = known.flat_map(|(resource_type, kind)| {
        store.of_kind_below(kind, prefix).filter(move |own| own.path.resource_type == resource_type)
    });
    of_type.collect()
}

/// Children are part of their parents' rows; links of zones are the only ones that Azure tracks on their own. Deployments
/// it does not track at all.
fn is_tracked(path: &ResourcePath) -> bool {
    path.kind != Kind::Deployment && (path.parent().is_none() || path.kind == Kind::VirtualNetworkLink)
}

/// The types, in lower case, to which the conditions before anything else limit a query. Showing a resource costs much
/// more than a look at its type.
fn types(query: &Query) -> Option<BTreeSet<String>> {
    let conditions = query.steps.iter().map_while(|step| match step {
        Step::Where(predicate) => Some(predicate),
        _ => None,
    });
    conditions.filter_map(types_of).reduce(|left, right| left.intersection(&right).cloned().collect())
}

fn types_of(predicate: &Predicate) -> Option<BTreeSet<String>> {
    let is_type = |scalar: &Scalar| {
        let inner = if let Scalar::ToLower(inner) | Scalar::ToText(inner) = scalar { inner } else { scalar };
        matches!(inner, Scalar::Path { column, parts } if column == "type" && parts.is_empty())
    };
    let folded = |value: &Value| value.as_str().map(str::to_ascii_lowercase);
    match predicate {
        Predicate::Compare {
            left,
            how: Comparison::Equal | Comparison::EqualFolded,
            right: Scalar::Literal(value),
        } if is_type(left) => Some(folded(value).into_iter().collect()),
        Predicate::OneOf { value, list, .. } if is_type(value) => Some(list.iter().filter_map(folded).collect()),
        Predicate::All(all) => {
            all.iter().filter_map(types_of).reduce(|left, right| left.intersection(&right).cloned().collect())
        }
        _ => None,
    }
}

fn row(state: &State, (subscription, group): (&str, &str), shown: &Value) -> Row {
    let tenant = state.subscriptions.get(subscription).map_or("", |own| own.tenant.as_str());
    let mut row = Row::new();
    for (name, value) in [
        ("id", shown["id"].clone()),
        ("name", shown["name"].clone()),
        ("type", shown["type"].as_str().unwrap_or_default().to_ascii_lowercase().into()),
        ("tenantId", tenant.into()),
        ("resourceGroup", group.to_ascii_lowercase().into()),
        ("subscriptionId", subscription.into()),
    ] {
        row.insert(name.to_owned(), value);
    }
    for name in COPIED {
        let value = match &shown[name] {
            Value::Null if TEXTS.contains(&name) => "".into(),
            value => value.clone(),
        };
        row.insert(name.to_owned(), value);
    }
    row
}

fn containers(state: &State, subscriptions: &BTreeSet<String>, grants: &Grants) -> Vec<Row> {
    let own = state.subscriptions.values().filter(|own| subscriptions.contains(&own.id.to_ascii_lowercase()));
    let mut rows: Vec<Row> = own
        .map(|own| {
            let shown = json!({
                "id": format!("/subscriptions/{}", own.id),
                "name": own.name,
                "type": "microsoft.resources/subscriptions",
                "location": "",
                "properties": {
                    "state": own.state(),
                    "managedByTenants": [],
                    "subscriptionPolicies": subscription::policies(),
                },
            });
            row(state, (&own.id, ""), &shown)
        })
        .collect();
    let readable = grants.places("Microsoft.Resources/subscriptions/resourceGroups/read");
    let shows = |own: &&Group| {
        let subscription = own.subscription.to_ascii_lowercase();
        subscriptions.contains(&subscription) && readable.cover(&subscription, || own.id())
    };
    rows.extend(state.store.groups().filter(shows).map(|own| {
        let shown = json!({
            "id": own.id(),
            "name": own.name,
            "type": "microsoft.resources/subscriptions/resourcegroups",
            "location": own.location,
            "properties": { "provisioningState": if own.is_deleting { "Deleting" } else { "Succeeded" } },
            "tags": own.tags,
        });
        row(state, (&own.subscription, &own.name), &shown)
    }));
    rows
}
