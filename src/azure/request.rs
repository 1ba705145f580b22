//! Requests to the resource manager, built purely: nothing here sends.

use std::net::IpAddr;

use http::Method;
use http::Request;
use http::header;
use reqwest::Url;
use serde_json::Value as Json;

use crate::azure::version::api_version;
use crate::domain::azure::Etag;
use crate::domain::azure::PrincipalId;
use crate::domain::azure::ResourceGroup;
use crate::domain::azure::ResourceId;
use crate::domain::azure::SubscriptionId;
use crate::domain::right::RightScope;

/// What must still be true for a write to happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Guard {
    /// The resource has this version: `If-Match`.
    Unchanged(Etag),
    /// The resource does not exist: `If-None-Match: *`. Only private DNS knows it.
    Absent,
    /// Nothing.
    Unconditional,
}

/// What a list covers.
pub(crate) enum Reach<'a> {
    /// Everything of a subscription.
    Subscription(&'a SubscriptionId),
    /// One resource group.
    Group(&'a SubscriptionId, &'a ResourceGroup),
    /// The children of a resource.
    Parent(&'a ResourceId),
}

/// The URL of one resource.
pub(crate) fn resource_url(base: &Url, id: &ResourceId) -> Url {
    url(base, id.as_str().split('/'), &id.resource_type())
}

/// The URL of a list; `kind` is `namespace/type`, or for children the type alone.
pub(crate) fn list_url(base: &Url, reach: &Reach<'_>, kind: &str) -> Url {
    let (path, full_kind) = match reach {
        Reach::Subscription(subscription) => {
            (format!("/subscriptions/{subscription}/providers/{kind}"), kind.to_ascii_lowercase())
        }
        Reach::Group(subscription, group) => (
            format!("/subscriptions/{subscription}/resourceGroups/{group}/providers/{kind}"),
            kind.to_ascii_lowercase(),
        ),
        Reach::Parent(parent) => (format!("{parent}/{kind}"), parent.resource_type()),
    };
    url(base, path.split('/'), &full_kind)
}

/// The URL of the list of resource groups, or of one of them.
pub(crate) fn groups_url(base: &Url, subscription: &SubscriptionId, group: Option<&ResourceGroup>) -> Url {
    let mut path = format!("/subscriptions/{subscription}/resourceGroups");
    if let Some(group) = group {
        path.push_str(&format!("/{group}"));
    }
    url(base, path.split('/'), "microsoft.resources/resourcegroups")
}

/// The URL of what the caller may do at a scope.
pub(crate) fn permissions_url(base: &Url, scope: &RightScope) -> Url {
    const KIND: &str = "Microsoft.Authorization/permissions";
    let path = format!("{scope}/providers/{KIND}");
    url(base, path.split('/'), &KIND.to_ascii_lowercase())
}

/// The URL of the roles that an identity has at a scope or above it, by itself or by a group.
pub(crate) fn assignments_url(base: &Url, scope: &RightScope, principal: &PrincipalId) -> Url {
    const KIND: &str = "Microsoft.Authorization/roleAssignments";
    let path = format!("{scope}/providers/{KIND}");
    let mut url = url(base, path.split('/'), &KIND.to_ascii_lowercase());
    url.query_pairs_mut().append_pair("$filter", &format!("atScope() and assignedTo('{principal}')"));
    url
}

/// The URL of a subscription.
pub(crate) fn subscription_url(base: &Url, id: &SubscriptionId) -> Url {
    url(base, ["subscriptions", id.as_str()].into_iter(), "microsoft.resources/subscriptions")
}

/// The URL at which a cloud describes itself, to everybody.
pub(crate) fn metadata_url(base: &Url) -> Url {
    let mut url = base.clone();
    url.set_path("/metadata/endpoints");
    url.set_query(Some("api-version=2022-09-01"));
    url
}

/// The URL at which a managed cluster gives whoever may ask the way into it. The kubeconfig of a cluster that takes tokens
/// of Entra then names the tool that gets them, and no older way.
pub(crate) fn kubeconfig_url(base: &Url, cluster: &ResourceId) -> Url {
    let path = format!("{cluster}/listClusterUserCredential");
    let mut url = url(base, path.split('/'), &cluster.resource_type());
    url.query_pairs_mut().append_pair("format", "exec");
    url
}

/// The URL of a role definition, by its id.
pub(crate) fn role_url(base: &Url, id: &str) -> Url {
    url(base, id.split('/'), "microsoft.authorization/roledefinitions")
}

/// The URL of questions to Azure Resource Graph.
pub(crate) fn graph_url(base: &Url) -> Url {
    const KIND: &str = "Microsoft.ResourceGraph/resources";
    url(base, ["providers"].into_iter().chain(KIND.split('/')), &KIND.to_ascii_lowercase())
}

/// The URL of the question whether an address of a virtual network is free.
pub(crate) fn address_url(base: &Url, network: &ResourceId, address: IpAddr) -> Url {
    let path = format!("{network}/checkIPAddressAvailability");
    let mut url = url(base, path.split('/'), &network.resource_type());
    url.query_pairs_mut().append_pair("ipAddress", &address.to_string());
    url
}

/// The type of what a path of the resource manager is about, such as `Microsoft.Network/privateEndpoints`.
pub(crate) fn kind_of(path: &str) -> String {
    let last_provider = path.to_ascii_lowercase().rfind("/providers/").map(|at| &path[at + "/providers/".len()..]);
    let Some(rest) = last_provider else {
        // What has no provider is the resource manager's own: subscriptions, their groups, metadata.
        return path.split('/').filter(|part| !part.is_empty()).step_by(2).last().unwrap_or_default().to_owned();
    };
    let mut parts = rest.split('/').filter(|part| !part.is_empty());
    let namespace = parts.next().unwrap_or_default();
    let types = parts.step_by(2);
    std::iter::once(namespace).chain(types).collect::<Vec<_>>().join("/")
}

fn url<'a>(base: &Url, path: impl Iterator<Item = &'a str>, kind: &str) -> Url {
    let mut url = base.clone();
    // Each segment is percent-encoded on its own, so nothing in a name can become path or query.
    url.path_segments_mut()
        .expect("an https URL has a path")
        .clear()
        .extend(path.filter(|segment| !segment.is_empty()));
    url.query_pairs_mut().clear().append_pair("api-version", api_version(kind));
    url
}

/// A read.
pub(crate) fn get(url: &Url) -> Result<Request<Vec<u8>>, http::Error> {
    Request::builder().method(Method::GET).uri(url.as_str()).header(header::ACCEPT, "application/json").body(Vec::new())
}

/// A question that changes nothing and is asked by POST.
pub(crate) fn post(url: &Url) -> Result<Request<Vec<u8>>, http::Error> {
    let request = Request::builder().method(Method::POST).uri(url.as_str()).header(header::ACCEPT, "application/json");
    // Front doors refuse a POST without a length.
    request.header(header::CONTENT_LENGTH, "0").body(Vec::new())
}

/// A question that changes nothing and whose words are a body.
pub(crate) fn question(url: &Url, body: &Json) -> Result<Request<Vec<u8>>, http::Error> {
    let request = Request::builder().method(Method::POST).uri(url.as_str()).header(header::ACCEPT, "application/json");
    request.header(header::CONTENT_TYPE, "application/json").body(body.to_string().into_bytes())
}

/// A write of the whole resource.
pub(crate) fn put(url: &Url, body: &Json, guard: &Guard) -> Result<Request<Vec<u8>>, http::Error> {
    let builder = Request::builder()
        .method(Method::PUT)
        .uri(url.as_str())
        .header(header::ACCEPT, "application/json")
        .header(header::CONTENT_TYPE, "application/json");
    guarded(builder, guard).body(body.to_string().into_bytes())
}

/// A removal.
pub(crate) fn delete(url: &Url, guard: &Guard) -> Result<Request<Vec<u8>>, http::Error> {
    let builder =
        Request::builder().method(Method::DELETE).uri(url.as_str()).header(header::ACCEPT, "application/json");
    guarded(builder, guard).body(Vec::new())
}

fn guarded(builder: http::request::Builder, guard: &Guard) -> http::request::Builder {
    match guard {
        Guard::Unchanged(etag) => builder.header(header::IF_MATCH, etag.as_str()),
        Guard::Absent => builder.header(header::IF_NONE_MATCH, "*"),
        Guard::Unconditional => builder,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLS: &str = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg/providers/\
                       Microsoft.Network/privateLinkServices/pls";

    fn base() -> Url {
        Url::parse("https://management.azure.com").unwrap()
    }

    #[test]
    fn urls_carry_the_api_version_of_their_type() {
        let id: ResourceId = PLS.parse().unwrap();
        assert_eq!(
            resource_url(&base(), &id).as_str(),
            format!("https://management.azure.com{PLS}?api-version=2025-05-01")
        );
        let subscription = id.subscription();
        let group: ResourceGroup = "rg(ü)".parse().unwrap();
        let url = list_url(&base(), &Reach::Group(&subscription, &group), "Microsoft.Network/loadBalancers");
        assert_eq!(
            url.path(),
            "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg(%C3%BC)/providers/\
             Microsoft.Network/loadBalancers"
        );
        let zone: ResourceId = PLS.replace("privateLinkServices/pls", "privateDnsZones/a.internal").parse().unwrap();
        let url = list_url(&base(), &Reach::Parent(&zone), "A");
        assert!(url.as_str().ends_with("/privateDnsZones/a.internal/A?api-version=2024-06-01"), "{url}");
    }

    #[test]
    fn questions_are_asked_of_a_scope_or_of_a_network() {
        let id: ResourceId = PLS.parse().unwrap();
        let url = permissions_url(&base(), &RightScope::Resource(id.clone()));
        let rest = "/providers/Microsoft.Authorization/permissions?api-version=2022-04-01";
        assert_eq!(url.as_str(), format!("https://management.azure.com{PLS}{rest}"));
        let url = permissions_url(&base(), &RightScope::group_of(&id));
        assert!(url.as_str().ends_with(&format!("/resourceGroups/rg{rest}")), "{url}");
        let principal = "00000000-0000-0000-0000-0000000000c1".parse().unwrap();
        let url = assignments_url(&base(), &RightScope::group_of(&id), &principal);
        let filter: Vec<(String, String)> = url.query_pairs().into_owned().collect();
        assert_eq!(filter[1], ("$filter".to_owned(), format!("atScope() and assignedTo('{principal}')")));
        let network: ResourceId = PLS.replace("privateLinkServices/pls", "virtualNetworks/v").parse().unwrap();
        let url = address_url(&base(), &network, "10.0.0.9".parse().unwrap());
        let end = "/v/checkIPAddressAvailability?api-version=2025-05-01&ipAddress=10.0.0.9";
        assert!(url.as_str().ends_with(end), "{url}");
    }

    #[test]
    fn a_path_tells_the_type_of_what_it_is_about() {
        assert_eq!(kind_of(PLS), "Microsoft.Network/privateLinkServices");
        assert_eq!(
            kind_of(&format!("{PLS}/privateEndpointConnections/c")),
            "Microsoft.Network/privateLinkServices/privateEndpointConnections"
        );
        assert_eq!(
            kind_of(&format!("{PLS}/providers/Microsoft.Authorization/permissions")),
            "Microsoft.Authorization/permissions"
        );
        assert_eq!(
            kind_of("/subscriptions/s/providers/Microsoft.Network/locations/l/operations/o"),
            "Microsoft.Network/locations/operations"
        );
        assert_eq!((kind_of("/subscriptions/s"), kind_of("/")), ("subscriptions".to_owned(), String::new()));
        assert_eq!(kind_of("/subscriptions/s/resourceGroups"), "resourceGroups");
    }

    #[test]
    fn writes_carry_their_guard() {
        let url = base();
        let request = put(&url, &serde_json::json!({"a": 1}), &Guard::Unchanged("W/\"1\"".parse().unwrap())).unwrap();
        assert_eq!(request.method(), "PUT");
        assert_eq!(request.headers()["if-match"], "W/\"1\"");
        assert_eq!(request.headers()["content-type"], "application/json");
        assert_eq!(request.body(), b"{\"a\":1}");
        let request = put(&url, &Json::Null, &Guard::Absent).unwrap();
        assert_eq!(request.headers()["if-none-match"], "*");
        let request = delete(&url, &Guard::Unconditional).unwrap();
        assert!(request.body().is_empty() && !request.headers().contains_key("if-match"));
        // An etag that no header can hold is an error, not a panic.
        assert!(delete(&url, &Guard::Unchanged("a\nb".parse().unwrap())).is_err());
    }
}
