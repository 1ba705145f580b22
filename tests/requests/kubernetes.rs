//! What goes to a cluster.

use std::collections::BTreeSet;

use privlink::domain::lease::LeaseRecord;
use privlink::domain::resource::namespace::NewNamespace;
use privlink::domain::resource::service::Deployment;
use privlink::domain::resource::service::Service;
use privlink::domain::right::Access;
use privlink::kubernetes::Cluster;
use privlink::kubernetes::error::ClusterError;
use privlink::kubernetes::watch::Watch;
use serde_json::json;

use super::recorder::Answer;
use super::recorder::Book;
use super::recorder::Recorder;
use super::recorder::TOKEN;
use super::recorder::declared;

/// An empty world whose first list of all Services has a second page.
fn answer(method: &str, target: &str) -> Answer {
    let more = if target == "/api/v1/services?limit=500" { "a=/b" } else { "" };
    let body = match (method, target) {
        ("GET", target) if target.contains("watch=true") => {
            json!({"type": "ERROR", "object": {"kind": "Status", "code": 500}})
        }
        ("GET", "/version") => json!({"gitVersion": "v1.36.2"}),
        ("POST", _) => json!({"status": {"allowed": true, "userInfo": {"username": "u"}}}),
        _ => json!({"metadata": {"continue": more, "resourceVersion": "41"}, "items": []}),
    };
    (200, Vec::new(), body)
}

/// Every operation of the adapter, each carried out once for every way it can go.
async fn book() -> Book {
    let recorder = Recorder::start(answer).await;
    let kubeconfig = json!({"apiVersion": "v1", "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": recorder.address}}],
        "users": [{"name": "u", "user": {"token": TOKEN}}],
        "contexts": [{"name": "prod", "context": {"cluster": "c", "user": "u"}}]});
    let cluster = Cluster::connect(&kubeconfig.to_string(), Some("prod")).await.unwrap();
    let mut book = Book::new(recorder);
    let key = "shop/orders".parse().unwrap();
    let manifest = json!({"metadata": {"name": "orders", "namespace": "shop", "labels": {"app": "orders"}},
        "spec": {"type": "LoadBalancer", "ports": [{"port": 80}]}, "status": {"loadBalancer": {}}});
    let whole = Service { key, deployment: Deployment::Whole, manifest };
    let annotations = json!({"metadata": {"annotations":
        {"service.beta.kubernetes.io/azure-pls-create": "true"}}});
    let ours = Service { key: whole.key.clone(), deployment: Deployment::AnnotationsOnly, manifest: annotations };
    let seen = ("6f1c2b9e".parse().unwrap(), "41".parse().unwrap());
    let key = &whole.key;
    let namespace = "shop".parse().unwrap();
    drop(book.note("version", "", cluster.version()).await);
    drop(book.note("services", "of all namespaces", cluster.services(None)).await);
    drop(book.note("services", "of one namespace", cluster.services(Some(&namespace))).await);
    drop(book.note("service", "", cluster.service(key)).await);
    let mut watch = Watch::new(&cluster);
    drop(book.note("next", "the first sign of a watch", async { Ok::<_, ClusterError>(watch.next().await) }).await);
    drop(book.note("warnings", "", cluster.warnings(key)).await);
    drop(book.note("syncs", "", cluster.syncs(key)).await);
    drop(book.note("namespace", "", cluster.namespace(&namespace)).await);
    let new = NewNamespace { name: "blue".parse().unwrap(), labels: [("a".to_owned(), "b".to_owned())].into() };
    drop(book.note("create_namespace", "", cluster.create_namespace(&new)).await);
    let everywhere = Access { resource: "services", verb: "patch", namespace: None };
    let there = Access { namespace: Some(namespace), ..everywhere.clone() };
    drop(book.note("may", "in all namespaces", cluster.may(&everywhere)).await);
    drop(book.note("may", "in one namespace", cluster.may(&there)).await);
    drop(book.note("user", "", cluster.user()).await);
    drop(book.note("apply", "a new Service", cluster.apply(&whole, None, true)).await);
    drop(book.note("apply", "our annotations on one", cluster.apply(&ours, Some(&seen), false)).await);
    drop(book.note("dry_run", "", cluster.dry_run(&whole, Some(&seen), true)).await);
    drop(book.note("delete", "", cluster.delete(key, &seen.0)).await);
    let lease = "privlink/agent".parse().unwrap();
    let at = Some("2026-11-20T10:00:00Z".parse().unwrap());
    let duration = std::time::Duration::from_secs(15);
    let record =
        LeaseRecord { holder: "agent-0".to_owned(), duration, acquired_at: at, renewed_at: at, transitions: 1 };
    drop(book.note("lease", "", cluster.lease(&lease)).await);
    drop(book.note("create_lease", "", cluster.create_lease(&lease, &record)).await);
    drop(book.note("update_lease", "", cluster.update_lease(&lease, &seen.1, &record)).await);
    book
}

#[tokio::test]
async fn every_request_to_a_cluster_goes_over_the_wire_like_this() {
    insta::assert_snapshot!(book().await.shown(&["GET", "POST", "PATCH", "DELETE"]));
}

#[tokio::test]
async fn every_operation_on_a_cluster_has_its_record() {
    // They prepare a client and send nothing.
    let silent = ["connect", "from_azure", "in_cluster"].map(ToOwned::to_owned);
    let book = book().await;
    let mut operations = declared("src/kubernetes/mod.rs", "pub async fn ");
    for file in ["lease", "namespace", "trial", "watch"] {
        operations.extend(declared(&format!("src/kubernetes/{file}.rs"), "pub async fn "));
    }
    operations.retain(|name| !silent.contains(name));
    assert_eq!(book.operations(), operations);
    // Every request that can be built: one that no operation sends would be dead, so each is one of an operation's.
    let mut built = declared("src/kubernetes/request.rs", "pub(crate) fn ");
    // They say something about a request.
    built.retain(|name| !["is_read", "kind_of"].contains(&name.as_str()));
    let sent = [
        "apply",
        "create_lease",
        "create_namespace",
        "delete",
        "lease",
        "list",
        "may",
        "namespace",
        "read",
        "syncs",
        "update_lease",
        "version",
        "warnings",
        "watch",
        "who",
    ];
    assert_eq!(built, BTreeSet::from(sent.map(ToOwned::to_owned)));
}
