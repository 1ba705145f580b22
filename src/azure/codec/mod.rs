//! ARM JSON to resources in normal form and back, one file a kind.
//!
//! Reading: `null`, absent, `""` and `[]` are equal; ids and regions compare without case. Writing: the body as it was read
//! is the base, so that properties we do not know survive; only what Azure computes is taken out of it.

pub(crate) mod cluster;
pub(crate) mod connection;
pub(crate) mod dns;
pub(crate) mod nat;
pub(crate) mod private_endpoint;
pub(crate) mod private_link_service;
pub(crate) mod subnet;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde_json::Value as Json;
use serde_json::json;

use crate::domain::azure::ResourceId;
use crate::domain::resource::Provisioning;
use crate::domain::resource::Seen;

/// Says what is missing or wrong in a body that Azure sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Malformed(pub(crate) String);

/// Says what a resource lacks before it can be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Incomplete(pub(crate) String);

/// The text at a JSON pointer; empty text counts as absent.
pub(crate) fn text<'a>(body: &'a Json, pointer: &str) -> Option<&'a str> {
    body.pointer(pointer).and_then(Json::as_str).filter(|text| !text.is_empty())
}

/// The value at a JSON pointer, if there is one.
pub(crate) fn parsed<T>(body: &Json, pointer: &str) -> Result<Option<T>, Malformed>
where
    T: FromStr<Err: fmt::Display>,
{
    let Some(text) = text(body, pointer) else { return Ok(None) };
    text.parse().map(Some).map_err(|error| Malformed(format!("{} of {}: {error}", &pointer[1..], name(body))))
}

/// The value at a JSON pointer, which has to be there.
pub(crate) fn required<T>(body: &Json, pointer: &str) -> Result<T, Malformed>
where
    T: FromStr<Err: fmt::Display>,
{
    parsed(body, pointer)?.ok_or_else(|| Malformed(format!("{} has no {}", name(body), &pointer[1..])))
}

/// What to call a body in an error.
fn name(body: &Json) -> &str {
    text(body, "/id").or_else(|| text(body, "/name")).unwrap_or("an item")
}

/// The items of a list; absent means none.
pub(crate) fn items<'a>(body: &'a Json, pointer: &str) -> Result<&'a [Json], Malformed> {
    match body.pointer(pointer) {
        None | Some(Json::Null) => Ok(&[]),
        Some(Json::Array(items)) => Ok(items),
        Some(_) => Err(Malformed(format!("{} of {} is not a list", &pointer[1..], name(body)))),
    }
}

/// The parsed texts of a list.
pub(crate) fn texts<T>(body: &Json, pointer: &str) -> Result<Vec<T>, Malformed>
where
    T: FromStr<Err: fmt::Display>,
{
    let item = |item: &Json| {
        let text = item.as_str().unwrap_or_default();
        text.parse().map_err(|error| Malformed(format!("{} of {}: {error}", &pointer[1..], name(body))))
    };
    items(body, pointer)?.iter().map(item).collect()
}

/// The ids of a list of references.
pub(crate) fn references(body: &Json, pointer: &str) -> Result<Vec<ResourceId>, Malformed> {
    items(body, pointer)?.iter().map(|item| required(item, "/id")).collect()
}

/// A map of texts: tags or metadata.
pub(crate) fn text_map(body: &Json, pointer: &str) -> BTreeMap<String, String> {
    let map = body.pointer(pointer).and_then(Json::as_object).into_iter().flatten();
    map.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
}

/// Version and body, as a later write needs them.
pub(crate) fn seen(body: &Json) -> Result<Seen, Malformed> {
    Ok(Seen { etag: parsed(body, "/etag")?, body: body.clone() })
}

/// `provisioningState`; what has none is always settled.
pub(crate) fn provisioning(body: &Json) -> Provisioning {
    let state = text(body, "/properties/provisioningState").unwrap_or("Succeeded").to_ascii_lowercase();
    match state.as_str() {
        "succeeded" => Provisioning::Succeeded,
        "failed" | "canceled" => Provisioning::Failed,
        _ => Provisioning::Underway,
    }
}

/// What Azure computes on every resource.
const COMPUTED: [&str; 2] = ["provisioningState", "resourceGuid"];

/// The body a write starts from: as it was seen, without etags and without the properties that Azure computes.
///
/// Other clients send none of them, and the state of somebody else's connection is not ours to send.
pub(crate) fn base(seen: Option<&Seen>, computed: &[&str]) -> Json {
    let mut body = seen.map(|seen| seen.body.clone()).filter(Json::is_object).unwrap_or_else(|| json!({}));
    remove_etags(&mut body);
    if !body["properties"].is_object() {
        body["properties"] = json!({});
    }
    for name in COMPUTED.iter().chain(computed) {
        body["properties"].as_object_mut().and_then(|properties| properties.remove(*name));
    }
    body
}

/// Removes every `etag`: in a body it would act as a precondition of its own. Tags may well be called so and stay.
fn remove_etags(json: &mut Json) {
    match json {
        Json::Object(map) => {
            map.remove("etag");
            for (key, value) in map.iter_mut() {
                if key != "tags" && key != "metadata" {
                    remove_etags(value);
                }
            }
        }
        Json::Array(items) => items.iter_mut().for_each(remove_etags),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {}
    }
}

/// Finds the item of a list that has this name, without regard to case.
pub(crate) fn item_named<'a>(items: &'a [Json], wanted: &str) -> Option<&'a Json> {
    items.iter().find(|item| text(item, "/name").is_some_and(|name| name.eq_ignore_ascii_case(wanted)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::azure::AzureName;

    #[test]
    fn a_base_keeps_what_it_does_not_know() {
        let body = json!({"etag": "1", "tags": {"etag": "mine"}, "properties": {
            "provisioningState": "Succeeded", "alias": "a", "future": {"x": 1}, "list": [{"etag": "2", "name": "n"}]}});
        let seen = Seen { etag: None, body };
        assert_eq!(
            base(Some(&seen), &["alias"]),
            json!({"tags": {"etag": "mine"}, "properties": {"future": {"x": 1}, "list": [{"name": "n"}]}})
        );
        assert_eq!(base(None, &[]), json!({"properties": {}}));
    }

    #[test]
    fn what_is_missing_is_named() {
        let body = json!({"id": "x", "properties": {"n": "-"}});
        assert_eq!(required::<AzureName>(&body, "/properties/m").unwrap_err().0, "x has no properties/m");
        let error = required::<AzureName>(&body, "/properties/n").unwrap_err().0;
        assert!(error.starts_with("properties/n of x: \"-\" is not an Azure resource name"), "{error}");
    }

    /// JSON made of the names and values that the codecs look for, in any wrong place.
    fn any_body() -> impl Strategy<Value = Json> {
        const ID: &str = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg/providers/\
                          Microsoft.Network/privateLinkServices/x";
        let leaf = prop_oneof![
            Just(Json::Null),
            any::<bool>().prop_map(Json::from),
            any::<i64>().prop_map(Json::from),
            "[a-z0-9./ ]{0,12}".prop_map(Json::from),
            Just(Json::from(ID)),
            Just(Json::from("10.0.0.4")),
            Just(Json::from("10.0.0.0/24")),
            Just(Json::from("eastus2")),
            Just(Json::from("Static")),
        ];
        let key = prop::sample::select(vec![
            "id",
            "name",
            "etag",
            "tags",
            "location",
            "properties",
            "subnets",
            "subnet",
            "addressPrefixes",
            "ttl",
            "ipConfigurations",
            "privateIPAddress",
            "primary",
            "privateIPAllocationMethod",
            "visibility",
            "subscriptions",
            "fqdns",
            "loadBalancerFrontendIpConfigurations",
            "privateEndpointConnections",
            "manualPrivateLinkServiceConnections",
            "privateLinkServiceConnections",
            "privateLinkServiceId",
            "aRecords",
            "ipv4Address",
            "metadata",
            "virtualNetwork",
            "agentPoolProfiles",
            "nodeResourceGroup",
            "applicationSecurityGroups",
            "frontendIPConfigurations",
            "privateLinkServiceConnectionState",
        ]);
        leaf.prop_recursive(5, 64, 6, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
                prop::collection::btree_map(key.clone(), inner, 0..10)
                    .prop_map(|map| map.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()),
            ]
        })
    }

    proptest! {
        #[test]
        fn no_body_makes_a_codec_panic(body in any_body()) {
            drop(subnet::of_network(&body));
            drop(subnet::decode(&body));
            drop(connection::decode(&body));
            drop(private_link_service::decode(&body));
            drop(private_endpoint::decode(&body));
            drop(private_endpoint::addresses_of_interface(&body));
            drop(dns::decode_record(&body));
            drop(dns::decode_link(&body));
            drop(cluster::decode(&body));
            drop(cluster::frontends(&body));
            let seen = Seen { etag: None, body };
            drop(private_link_service::encode(&private_link_service::tests::example(), Some(&seen)));
            drop(private_endpoint::encode(&private_endpoint::tests::example(), Some(&seen)));
            drop(subnet::encode(&seen));
            drop(dns::encode_record(&dns::tests::example(), Some(&seen)));
        }
    }
}
