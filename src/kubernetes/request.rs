//! Requests to the API server, built purely: nothing here sends.

use std::time::Duration;

use http::Method;
use http::Request;
use http::header;
use serde_json::Value as Json;
use serde_json::json;

use crate::domain::kubernetes::Namespace;
use crate::domain::kubernetes::ObjectKey;
use crate::domain::kubernetes::ResourceVersion;
use crate::domain::kubernetes::Uid;
use crate::domain::lease::LeaseKey;
use crate::domain::resource::namespace::NewNamespace;
use crate::domain::resource::service::Service;
use crate::domain::right::Access;
use crate::kubernetes::FIELD_MANAGER;
use crate::kubernetes::codec::SERVER_METADATA;

/// How many objects one page of a list holds.
const PAGE: &str = "500";

/// How an apply goes about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mode {
    /// Takes fields from their owners.
    pub(crate) force: bool,
    /// Stops before anything is stored.
    pub(crate) dry_run: bool,
}

/// One page of the Services of a namespace, or of all.
pub(crate) fn list(namespace: Option<&Namespace>, continuation: Option<&str>) -> Request<Vec<u8>> {
    let path = match namespace {
        Some(namespace) => format!("/api/v1/namespaces/{namespace}/services"),
        None => "/api/v1/services".to_owned(),
    };
    let mut query = vec![("limit", PAGE)];
    query.extend(continuation.map(|token| ("continue", token)));
    get(&path, &query)
}

/// Everything that happens to the Services of all namespaces from a version on, for so long.
pub(crate) fn watch(version: &str, term: Duration) -> Request<Vec<u8>> {
    let seconds = term.as_secs().to_string();
    let query = [
        ("watch", "true"),
        ("allowWatchBookmarks", "true"),
        ("resourceVersion", version),
        ("timeoutSeconds", &seconds),
    ];
    get("/api/v1/services", &query)
}

/// One Service.
pub(crate) fn read(key: &ObjectKey) -> Request<Vec<u8>> {
    get(&service_path(key), &[])
}

/// One namespace.
pub(crate) fn namespace(namespace: &Namespace) -> Request<Vec<u8>> {
    get(&format!("/api/v1/namespaces/{namespace}"), &[])
}

/// A namespace that is made, by server-side apply.
pub(crate) fn create_namespace(namespace: &NewNamespace) -> Request<Vec<u8>> {
    let NewNamespace { name, labels } = namespace;
    let body = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}});
    let query = [("fieldManager", FIELD_MANAGER), ("fieldValidation", "Strict")];
    let builder = builder(Method::PATCH, &format!("/api/v1/namespaces/{name}"), &query);
    build(builder.header(header::CONTENT_TYPE, "application/apply-patch+yaml"), body.to_string().into_bytes())
}

/// One Lease.
pub(crate) fn lease(key: &LeaseKey) -> Request<Vec<u8>> {
    get(&lease_path(key, true), &[])
}

/// A Lease that must not be there yet.
pub(crate) fn create_lease(key: &LeaseKey, spec: &Json) -> Request<Vec<u8>> {
    let metadata = json!({"namespace": key.namespace, "name": key.name});
    let body = json!({"apiVersion": LEASES, "kind": "Lease", "metadata": metadata, "spec": spec});
    let builder = builder(Method::POST, &lease_path(key, false), &LEASE_FIELDS);
    build(builder.header(header::CONTENT_TYPE, "application/json"), body.to_string().into_bytes())
}

/// A change of a Lease that is still as it was seen. A patch, because a replacement would drop what others noted on it.
pub(crate) fn update_lease(key: &LeaseKey, seen: &ResourceVersion, spec: &Json) -> Request<Vec<u8>> {
    let body = json!({"metadata": {"resourceVersion": seen}, "spec": spec});
    let builder = builder(Method::PATCH, &lease_path(key, true), &LEASE_FIELDS);
    build(builder.header(header::CONTENT_TYPE, "application/merge-patch+json"), body.to_string().into_bytes())
}

/// The API of Leases.
const LEASES: &str = "coordination.k8s.io/v1";
const LEASE_FIELDS: [(&str, &str); 2] = [("fieldManager", FIELD_MANAGER), ("fieldValidation", "Strict")];

fn lease_path(key: &LeaseKey, is_named: bool) -> String {
    let leases = format!("/apis/{LEASES}/namespaces/{}/leases", key.namespace);
    if is_named { format!("{leases}/{}", key.name) } else { leases }
}

/// What the server is.
pub(crate) fn version() -> Request<Vec<u8>> {
    get("/version", &[])
}

/// The Warning events of a Service.
pub(crate) fn warnings(key: &ObjectKey) -> Request<Vec<u8>> {
    let selector = format!("involvedObject.kind=Service,involvedObject.name={},type=Warning", key.name);
    get(&format!("/api/v1/namespaces/{}/events", key.namespace), &[("fieldSelector", &selector), ("limit", PAGE)])
}

/// Lists the events by which the service controller says that it has synced a Service.
pub(crate) fn syncs(key: &ObjectKey) -> Request<Vec<u8>> {
    let selector = format!("involvedObject.kind=Service,involvedObject.name={},reason={SYNCED}", key.name);
    get(&format!("/api/v1/namespaces/{}/events", key.namespace), &[("fieldSelector", &selector), ("limit", PAGE)])
}

/// The reason of those events.
pub(crate) const SYNCED: &str = "EnsuredLoadBalancer";

/// Asks whether the caller may do something.
pub(crate) fn may(access: &Access) -> Request<Vec<u8>> {
    let Access { resource, verb, namespace } = access;
    let mut attributes = json!({"group": "", "resource": resource, "verb": verb});
    if let Some(namespace) = namespace {
        attributes["namespace"] = json!(namespace);
    }
    let spec = json!({"resourceAttributes": attributes});
    review(("authorization.k8s.io", "selfsubjectaccessreviews", "SelfSubjectAccessReview"), &spec)
}

/// Asks who the caller is.
pub(crate) fn who() -> Request<Vec<u8>> {
    review(("authentication.k8s.io", "selfsubjectreviews", "SelfSubjectReview"), &json!({}))
}

/// True for what changes nothing: reads, questions about the caller, and trials.
pub(crate) fn is_read(request: &Request<Vec<u8>>) -> bool {
    let is_trial = request.uri().query().is_some_and(|query| query.split('&').any(|pair| pair == "dryRun=All"));
    request.method() == Method::GET || request.uri().path().ends_with("reviews") || is_trial
}

fn review((group, plural, kind): (&str, &str, &str), spec: &Json) -> Request<Vec<u8>> {
    let body = json!({"apiVersion": format!("{group}/v1"), "kind": kind, "spec": spec});
    let builder = builder(Method::POST, &format!("/apis/{group}/v1/{plural}"), &[]);
    build(builder.header(header::CONTENT_TYPE, "application/json"), body.to_string().into_bytes())
}

/// A server-side apply.
///
/// The version alone does not guard: the server ignores it where the object is gone and creates it anew. The uid does.
pub(crate) fn apply(service: &Service, expected: Option<&(Uid, ResourceVersion)>, mode: Mode) -> Request<Vec<u8>> {
    let mut query = vec![("fieldManager", FIELD_MANAGER), ("fieldValidation", "Strict")];
    if mode.force {
        query.push(("force", "true"));
    }
    if mode.dry_run {
        query.push(("dryRun", "All"));
    }
    // The server reads this body as YAML, of which JSON is a part.
    let builder = builder(Method::PATCH, &service_path(&service.key), &query)
        .header(header::CONTENT_TYPE, "application/apply-patch+yaml");
    build(builder, body(service, expected).to_string().into_bytes())
}

/// A removal of exactly this object.
pub(crate) fn delete(key: &ObjectKey, uid: &Uid) -> Request<Vec<u8>> {
    let options = json!({"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": uid}});
    let builder = builder(Method::DELETE, &service_path(key), &[]).header(header::CONTENT_TYPE, "application/json");
    build(builder, options.to_string().into_bytes())
}

/// The manifest as it is applied: without what the server writes, with what it is expected to be.
fn body(service: &Service, expected: Option<&(Uid, ResourceVersion)>) -> Json {
    let mut body = if service.manifest.is_object() { service.manifest.clone() } else { json!({}) };
    if let Some(map) = body.as_object_mut() {
        map.remove("status");
    }
    body["apiVersion"] = json!("v1");
    body["kind"] = json!("Service");
    if !body["metadata"].is_object() {
        body["metadata"] = json!({});
    }
    let metadata = &mut body["metadata"];
    for written_by_server in SERVER_METADATA {
        metadata.as_object_mut().and_then(|map| map.remove(written_by_server));
    }
    metadata["name"] = json!(service.key.name);
    metadata["namespace"] = json!(service.key.namespace);
    if let Some((uid, version)) = expected {
        metadata["uid"] = json!(uid);
        metadata["resourceVersion"] = json!(version);
    }
    body
}

fn service_path(key: &ObjectKey) -> String {
    format!("/api/v1/namespaces/{}/services/{}", key.namespace, key.name)
}

fn get(path: &str, query: &[(&str, &str)]) -> Request<Vec<u8>> {
    build(builder(Method::GET, path, query), Vec::new())
}

fn builder(method: Method, path: &str, query: &[(&str, &str)]) -> http::request::Builder {
    // The client puts its own server in front; this one only carries the query through the encoder.
    let mut url = reqwest::Url::parse("http://server").expect("it is a URL");
    url.set_path(path);
    if !query.is_empty() {
        url.query_pairs_mut().extend_pairs(query);
    }
    let uri = match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    };
    Request::builder()
        .method(method)
        .uri(uri)
        .header(header::ACCEPT, "application/json")
        .header(header::USER_AGENT, concat!("privlink/", env!("CARGO_PKG_VERSION")))
}

fn build(builder: http::request::Builder, body: Vec<u8>) -> Request<Vec<u8>> {
    builder.body(body).expect("names are validated and queries are encoded, so every part is valid")
}

/// The type of what a path of the API is about, such as `services`.
pub(crate) fn kind_of(path: &str) -> String {
    let mut parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let prefix = match parts.first() {
        Some(&"api") => 2,
        Some(&"apis") => 3,
        _ => 0,
    };
    parts.drain(..prefix.min(parts.len()));
    match parts.as_slice() {
        ["namespaces", _, kind, ..] | [kind, ..] => (*kind).to_owned(),
        [] => "versions".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::resource::service::Deployment;

    fn key() -> ObjectKey {
        "shop/orders".parse().unwrap()
    }

    #[test]
    fn an_apply_says_who_what_and_which() {
        let manifest = json!({"metadata": {"name": "wrong", "uid": "stale", "labels": {"a": "b"}, "managedFields": []},
            "spec": {"type": "LoadBalancer"}, "status": {}});
        let service = Service { key: key(), deployment: Deployment::Whole, manifest };
        let expected = ("u".parse().unwrap(), "7".parse().unwrap());
        let request = apply(&service, Some(&expected), Mode { force: true, dry_run: true });
        assert_eq!(
            request.uri(),
            "/api/v1/namespaces/shop/services/orders?fieldManager=privlink&fieldValidation=Strict&force=true&dryRun=All"
        );
        assert_eq!(request.method(), "PATCH");
        assert!(is_read(&request));
        assert_eq!(request.headers()["content-type"], "application/apply-patch+yaml");
        let body: Json = serde_json::from_slice(request.body()).unwrap();
        assert_eq!(
            body,
            json!({"apiVersion": "v1", "kind": "Service", "spec": {"type": "LoadBalancer"}, "metadata":
                {"name": "orders", "namespace": "shop", "uid": "u", "resourceVersion": "7", "labels": {"a": "b"}}})
        );
        let request = apply(&service, None, Mode { force: false, dry_run: false });
        let body: Json = serde_json::from_slice(request.body()).unwrap();
        assert!(body["metadata"].get("uid").is_none() && !request.uri().to_string().contains("force"));
    }

    #[test]
    fn lists_are_paged_and_encoded() {
        assert_eq!(list(None, None).uri(), "/api/v1/services?limit=500");
        let namespace = "shop".parse().unwrap();
        let uri = list(Some(&namespace), Some("a=/b")).uri().to_string();
        assert_eq!(uri, "/api/v1/namespaces/shop/services?limit=500&continue=a%3D%2Fb");
        assert!(warnings(&key()).uri().to_string().contains("involvedObject.name%3Dorders%2Ctype%3DWarning"));
    }

    #[test]
    fn a_question_about_all_namespaces_names_none() {
        let all = Access { resource: "services", verb: "list", namespace: None };
        let request = may(&all);
        assert_eq!(request.uri(), "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews");
        assert!(is_read(&request) && !is_read(&delete(&key(), &"u".parse().unwrap())));
        let body: Json = serde_json::from_slice(request.body()).unwrap();
        assert_eq!(
            body,
            json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
                "spec": {"resourceAttributes": {"group": "", "resource": "services", "verb": "list"}}})
        );
        let one = Access { namespace: Some("shop".parse().unwrap()), ..all };
        let body: Json = serde_json::from_slice(may(&one).body()).unwrap();
        assert_eq!(body["spec"]["resourceAttributes"]["namespace"], "shop");
    }

    #[test]
    fn a_lease_is_changed_as_it_was_seen_and_made_only_where_there_is_none() {
        let key: LeaseKey = "privlink/agent".parse().unwrap();
        let request = update_lease(&key, &"7".parse().unwrap(), &json!({"holderIdentity": "a"}));
        assert_eq!(
            request.uri(),
            "/apis/coordination.k8s.io/v1/namespaces/privlink/leases/agent?fieldManager=privlink&fieldValidation=Strict"
        );
        let body: Json = serde_json::from_slice(request.body()).unwrap();
        assert_eq!(body, json!({"metadata": {"resourceVersion": "7"}, "spec": {"holderIdentity": "a"}}));
        let request = create_lease(&key, &json!({}));
        assert_eq!((request.method(), kind_of(request.uri().path())), (&Method::POST, "leases".to_owned()));
        assert!(!is_read(&request));
    }

    #[test]
    fn a_delete_means_one_object() {
        let request = delete(&key(), &"u".parse().unwrap());
        assert_eq!(request.uri(), "/api/v1/namespaces/shop/services/orders");
        let body: Json = serde_json::from_slice(request.body()).unwrap();
        assert_eq!(body["preconditions"], json!({"uid": "u"}));
    }

    #[test]
    fn a_path_tells_the_type_of_what_it_is_about() {
        for path in ["/api/v1/services", "/api/v1/namespaces/shop/services/orders"] {
            assert_eq!(kind_of(path), "services");
        }
        assert_eq!(kind_of("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"), "selfsubjectaccessreviews");
        assert_eq!((kind_of("/version"), kind_of("/api")), ("version".to_owned(), "versions".to_owned()));
    }
}
