//! The cases that every API server has to meet: what the adapter sends, and what it understands of the answers.
//!
//! A case gets a server with a namespace of its own, and a way to act on it as somebody else, past the adapter.

use std::time::Duration;

use http::Request;
use kube::Client;
use kube::Config;
use kube::config::KubeConfigOptions;
use kube::config::Kubeconfig;
use privlink::domain::failure::ErrorClass;
use privlink::domain::kubernetes::Namespace;
use privlink::domain::kubernetes::ObjectKey;
use privlink::domain::kubernetes::ResourceVersion;
use privlink::domain::kubernetes::Uid;
use privlink::domain::lease::LeaseKey;
use privlink::domain::lease::LeaseRecord;
use privlink::domain::resource::namespace::LiveNamespace;
use privlink::domain::resource::namespace::NewNamespace;
use privlink::domain::resource::service::Deployment;
use privlink::domain::resource::service::LiveService;
use privlink::domain::resource::service::Service;
use privlink::domain::resource::service::Trial;
use privlink::domain::resource::service::leaves;
use privlink::domain::right::Access;
use privlink::kubernetes::Cluster;
use privlink::kubernetes::error::ClusterError;
use privlink::kubernetes::watch::Sign;
use privlink::kubernetes::watch::Watch;
use serde_json::Value as Json;
use serde_json::json;

/// The token, and the context, of somebody who may do everything.
pub(super) const ADMIN: &str = "admin";

/// The name, the token and the context of a user with [`limited_role`].
pub(super) const LIMITED: &str = "limited";

/// Calls a macro with the names of all cases.
macro_rules! for_each_case {
    ($with:ident) => {
        $with! {
            a_service_is_applied_read_and_deleted
            other_managers_are_named_and_forced_only_on_ours
            a_foreign_service_is_only_annotated
            what_the_server_refuses_is_invalid
            a_trial_says_what_would_be_stored_and_stores_nothing
            a_trial_names_who_holds_what_would_change
            a_trial_takes_the_rights_and_the_namespace_of_the_write
            warnings_and_syncs_are_told_by_the_events_of_a_service
            a_user_is_told_what_it_may_do_and_refused_the_rest
            a_namespace_is_made_with_its_labels_and_goes
            what_changes_is_told_as_it_happens
            a_lease_is_changed_only_as_it_was_seen
        }
    };
}
pub(super) use for_each_case;

/// A kubeconfig for a server, with a context for each of its users.
pub(super) fn kubeconfig(cluster: &Json) -> Json {
    let users = [ADMIN, LIMITED];
    json!({
        "apiVersion": "v1", "kind": "Config", "current-context": ADMIN,
        "clusters": [{"name": "c", "cluster": cluster}],
        "users": users.map(|user| json!({"name": user, "user": {"token": user}})),
        "contexts": users.map(|user| json!({"name": user, "context": {"cluster": "c", "user": user}})),
    })
}

/// What the limited user may do.
pub(super) fn limited_role() -> Json {
    json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": LIMITED},
        "rules": [{"apiGroups": [""], "resources": ["services"], "verbs": ["get", "list", "patch"]}]})
}

/// An API server.
pub(super) struct Server {
    /// The adapter, as somebody who may do everything.
    cluster: Cluster,
    /// The adapter, as the limited user.
    limited: Cluster,
    /// Somebody else's client.
    other: Client,
    /// The namespace of the case.
    namespace: String,
}

impl Server {
    /// Connects to a server by a kubeconfig of [`kubeconfig`]'s form, and makes the namespace.
    pub(super) async fn connect(kubeconfig: &Json, namespace: &str) -> Self {
        let as_user = |user: &'static str| {
            let text = kubeconfig.to_string();
            async move { Cluster::connect(&text, Some(user)).await.unwrap() }
        };
        let parsed = Kubeconfig::from_yaml(&kubeconfig.to_string()).unwrap();
        let mut config = Config::from_custom_kubeconfig(parsed, &KubeConfigOptions::default()).await.unwrap();
        // A machine without certificate authorities speaks plain http all the same.
        config.root_cert.get_or_insert_default();
        let (cluster, limited) = (as_user(ADMIN).await, as_user(LIMITED).await);
        let other = Client::try_from(config).unwrap();
        let server = Self { cluster, limited, other, namespace: namespace.to_owned() };
        let manifest = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
        server.does("POST", "/api/v1/namespaces", ("application/json", &manifest)).await;
        server
    }

    /// True once the limited user may do what its role says.
    pub(super) async fn limited_may_list(&self) -> bool {
        self.limited.may(&Access { resource: "services", verb: "list", namespace: None }).await.unwrap()
    }

    fn key(&self) -> ObjectKey {
        key_in(&self.namespace)
    }

    fn whole(&self, extra: &Json) -> Service {
        whole(&self.namespace, extra)
    }

    /// Sends something past the adapter.
    pub(super) async fn does(&self, method: &str, path: &str, (content_type, body): (&str, &Json)) -> Json {
        let builder = Request::builder().method(method).uri(path).header("content-type", content_type);
        self.other.request(builder.body(body.to_string().into_bytes()).unwrap()).await.unwrap()
    }

    /// What `kubectl annotate --overwrite` does.
    async fn annotate(&self, annotation: &str, value: &str) {
        let path = format!("/api/v1/namespaces/{}/services/orders?fieldManager=kubectl-annotate", self.namespace);
        let patch = json!({"metadata": {"annotations": {annotation: value}}});
        self.does("PATCH", &path, ("application/merge-patch+json", &patch)).await;
    }

    /// What the event recorder of a controller does.
    async fn tell(&self, (name, kind, reason): (&str, &str, &str), message: &str) {
        let event = json!({"apiVersion": "v1", "kind": "Event", "metadata": {"name": name, "namespace": self.namespace},
            "involvedObject": {"kind": "Service", "name": "orders", "namespace": self.namespace},
            "type": kind, "reason": reason, "message": message, "count": 3, "source": {"component": "service-controller"},
            "firstTimestamp": "2026-01-01T00:00:00Z", "lastTimestamp": "2026-01-02T00:00:00Z"});
        self.does("POST", &format!("/api/v1/namespaces/{}/events", self.namespace), ("application/json", &event)).await;
    }
}

pub(super) fn key_in(namespace: &str) -> ObjectKey {
    format!("{namespace}/orders").parse().unwrap()
}

pub(super) fn whole(namespace: &str, extra: &Json) -> Service {
    let mut manifest = json!({"apiVersion": "v1", "kind": "Service",
        "metadata": {"name": "orders", "namespace": namespace, "labels": {"app": "orders"},
            "annotations": {"service.beta.kubernetes.io/azure-load-balancer-internal": "true"}},
        "spec": {"type": "LoadBalancer", "selector": {"app": "orders"}, "loadBalancerSourceRanges": ["10.0.0.0/8"],
            "ports": [{"port": 80, "protocol": "TCP", "targetPort": 8080}]}});
    for (name, value) in extra.as_object().into_iter().flatten() {
        manifest["spec"][name] = value.clone();
    }
    Service { key: key_in(namespace), deployment: Deployment::Whole, manifest }
}

fn version_of(live: &LiveService) -> (Uid, ResourceVersion) {
    (live.uid.clone(), live.resource_version.clone())
}

pub(super) async fn a_service_is_applied_read_and_deleted(server: &Server) {
    let (cluster, key) = (&server.cluster, server.key());
    let version = cluster.version().await.unwrap();
    assert!(version.split('.').count() == 3 && !version.starts_with('v'), "{version}");
    assert_eq!(cluster.service(&key).await.unwrap(), None);

    cluster.dry_run(&server.whole(&json!({})), None, false).await.unwrap();
    assert_eq!(cluster.service(&key).await.unwrap(), None, "a dry run leaves nothing");
    let created = cluster.apply(&server.whole(&json!({})), None, false).await.unwrap();
    let wanted = server.whole(&json!({})).fields();
    let lost: Vec<_> = wanted.iter().filter(|(name, value)| created.fields().get(*name) != Some(*value)).collect();
    assert!(lost.is_empty(), "{lost:?}");
    let owned: Vec<&String> = wanted.keys().collect();
    assert_eq!(created.owned.iter().collect::<Vec<_>>(), owned, "what we apply is what we own, by the same names");
    assert_eq!(cluster.service(&key).await.unwrap().as_ref(), Some(&created));

    let again = cluster.apply(&server.whole(&json!({})), Some(&version_of(&created)), false).await.unwrap();
    assert_eq!(again.resource_version, created.resource_version, "an equal apply changes nothing");
    let namespace: Namespace = server.namespace.parse().unwrap();
    let keys = |services: &[LiveService]| services.iter().map(|service| service.key.clone()).collect::<Vec<_>>();
    assert_eq!(keys(&cluster.services(Some(&namespace)).await.unwrap()), std::slice::from_ref(&key));
    let everywhere = keys(&cluster.services(None).await.unwrap());
    assert!(everywhere.contains(&key) && everywhere.contains(&"default/kubernetes".parse().unwrap()), "{everywhere:?}");

    let other: Uid = "another".parse().unwrap();
    let error = cluster.delete(&key, &other).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Conflict, "{error}");
    cluster.delete(&key, &created.uid).await.unwrap();
    assert_eq!(cluster.service(&key).await.unwrap(), None);
    cluster.delete(&key, &created.uid).await.unwrap();

    let error = cluster.apply(&server.whole(&json!({})), Some(&version_of(&created)), false).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Conflict, "an update must not create anew: {error}");
}

pub(super) async fn other_managers_are_named_and_forced_only_on_ours(server: &Server) {
    let (cluster, key) = (&server.cluster, server.key());
    cluster.apply(&server.whole(&json!({})), None, false).await.unwrap();
    let annotation = "service.beta.kubernetes.io/azure-load-balancer-internal";
    server.annotate(annotation, "false").await;

    let drifted = cluster.service(&key).await.unwrap().unwrap();
    let leaf = format!("metadata.annotations[{annotation}]");
    assert!(!drifted.owned.contains(&leaf));
    assert_eq!(drifted.managers.get(&leaf).map(String::as_str), Some("kubectl-annotate"));
    let error = cluster.apply(&server.whole(&json!({})), Some(&version_of(&drifted)), false).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Conflict, "{error}");
    assert_eq!(error.conflicts()[0].manager, "kubectl-annotate");
    assert!(error.to_string().contains("kubectl-annotate owns .metadata.annotations"), "{error}");
    let forced = cluster.apply(&server.whole(&json!({})), Some(&version_of(&drifted)), true).await.unwrap();
    assert!(forced.owned.contains(&leaf));
    let stale =
        cluster.apply(&server.whole(&json!({"sessionAffinity": "ClientIP"})), Some(&version_of(&drifted)), false).await;
    assert_eq!(stale.unwrap_err().class(), ErrorClass::Conflict);
}

pub(super) async fn a_foreign_service_is_only_annotated(server: &Server) {
    let (cluster, key) = (&server.cluster, server.key());
    let path = format!("/api/v1/namespaces/{}/services/orders?fieldManager=kubectl", server.namespace);
    let manifest = server.whole(&json!({})).manifest;
    server.does("PATCH", &path, ("application/apply-patch+yaml", &manifest)).await;
    let ours = Service {
        key: key.clone(),
        deployment: Deployment::AnnotationsOnly,
        manifest: json!({"metadata": {"annotations": {"service.beta.kubernetes.io/azure-pls-create": "true"}}}),
    };
    let live = cluster.service(&key).await.unwrap().unwrap();
    assert!(live.owned.is_empty());
    let error = cluster.apply(&ours, Some(&version_of(&live)), true).await.unwrap_err();
    assert!(error.to_string().contains("never taken by force"), "{error}");
    assert!(matches!(cluster.apply(&ours, None, false).await, Err(ClusterError::Impossible { .. })));
    let after = cluster.apply(&ours, Some(&version_of(&live)), false).await.unwrap();
    let owned: Vec<&str> = after.owned.iter().map(String::as_str).collect();
    assert_eq!(owned, ["metadata.annotations[service.beta.kubernetes.io/azure-pls-create]"]);
    assert_eq!(after.fields().get("spec.type"), live.fields().get("spec.type"));
    let none = Service { manifest: json!({}), ..ours };
    let after = cluster.apply(&none, Some(&version_of(&after)), false).await.unwrap();
    assert!(!after.annotations().contains_key("service.beta.kubernetes.io/azure-pls-create"), "what we drop is gone");
}

pub(super) async fn what_the_server_refuses_is_invalid(server: &Server) {
    let cluster = &server.cluster;
    for (extra, words) in [
        (json!({"prots": []}), "prots"),
        (json!({"ports": [{"port": 99999}]}), "port"),
        (json!({"ports": []}), "ports"),
        (json!({"sessionAffinity": "Sometimes"}), "sessionAffinity"),
    ] {
        let error = cluster.apply(&server.whole(&extra), None, false).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Invalid, "{error}");
        assert!(error.to_string().contains(words), "{error}");
        let tried = cluster.dry_run(&server.whole(&extra), None, false).await.unwrap();
        assert!(matches!(&tried, Trial::Refused(said) if said.contains(words)), "{tried:?}");
    }
}

/// What would be stored, where nothing is wrong.
fn stored(trial: Trial) -> Json {
    match trial {
        Trial::Stored(manifest) => manifest,
        other => unreachable!("nothing is wrong with it: {other:?}"),
    }
}

pub(super) async fn a_trial_says_what_would_be_stored_and_stores_nothing(server: &Server) {
    let (cluster, key) = (&server.cluster, server.key());
    let made = stored(cluster.dry_run(&server.whole(&json!({})), None, false).await.unwrap());
    assert_eq!(made["spec"]["sessionAffinity"], "None", "defaults are filled in");
    assert_eq!(made["spec"]["ports"][0]["targetPort"], 8080);
    assert_eq!(cluster.service(&key).await.unwrap(), None);
    let created = cluster.apply(&server.whole(&json!({})), None, false).await.unwrap();
    let changed = server.whole(&json!({"sessionAffinity": "ClientIP"}));
    let changed = stored(cluster.dry_run(&changed, Some(&version_of(&created)), false).await.unwrap());
    assert_eq!(changed["spec"]["sessionAffinityConfig"]["clientIP"]["timeoutSeconds"], 10_800);
    assert_eq!(cluster.service(&key).await.unwrap().unwrap().resource_version, created.resource_version);
    // Of what is left open the server's choice is the same as before, so that it is told apart from a difference.
    let same = server.whole(&json!({}));
    let kept = stored(cluster.dry_run(&same, Some(&version_of(&created)), false).await.unwrap());
    assert_eq!(leaves(&kept), created.fields());
}

pub(super) async fn a_trial_names_who_holds_what_would_change(server: &Server) {
    let cluster = &server.cluster;
    cluster.apply(&server.whole(&json!({})), None, false).await.unwrap();
    let annotation = "service.beta.kubernetes.io/azure-load-balancer-internal";
    server.annotate(annotation, "false").await;
    let drifted = cluster.service(&server.key()).await.unwrap().unwrap();
    let whole = server.whole(&json!({}));
    let held = cluster.dry_run(&whole, Some(&version_of(&drifted)), false).await.unwrap();
    let field = format!(".metadata.annotations.{annotation}");
    assert_eq!(held, Trial::Held([(field, "kubectl-annotate".to_owned())].into()));
    let forced = cluster.dry_run(&whole, Some(&version_of(&drifted)), true).await.unwrap();
    assert!(matches!(&forced, Trial::Stored(stored) if stored["metadata"]["annotations"][annotation] == "true"));
    assert_eq!(cluster.service(&server.key()).await.unwrap().unwrap(), drifted);
}

pub(super) async fn a_trial_takes_the_rights_and_the_namespace_of_the_write(server: &Server) {
    let error = server.limited.dry_run(&server.whole(&json!({})), None, false).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Denied, "{error}");
    assert!(error.is_lack_of_rights(), "{error}");
    let created = server.cluster.apply(&server.whole(&json!({})), None, false).await.unwrap();
    let tried = server.limited.dry_run(&server.whole(&json!({})), Some(&version_of(&created)), false).await.unwrap();
    assert!(matches!(tried, Trial::Stored(_)), "to change it takes patch alone: {tried:?}");
    let nowhere = whole("nowhere", &json!({}));
    assert_eq!(server.cluster.dry_run(&nowhere, None, false).await.unwrap(), Trial::NoNamespace { is_leaving: false });
    server.does("DELETE", &format!("/api/v1/namespaces/{}", server.namespace), ("application/json", &json!({}))).await;
    let mut other = server.whole(&json!({}));
    other.key = format!("{}/other", server.namespace).parse().unwrap();
    let tried = server.cluster.dry_run(&other, None, false).await.unwrap();
    assert!(matches!(tried, Trial::NoNamespace { .. }), "{tried:?}");
}

/// What an admission plugin refuses, which only a real server has: a quota, whose status we set as its controller would.
pub(super) async fn a_trial_is_refused_by_a_quota_in_the_words_of_the_server(server: &Server) {
    let path = format!("/api/v1/namespaces/{}/resourcequotas", server.namespace);
    let hard = json!({"services": "0"});
    let mut quota =
        json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "none"}, "spec": {"hard": hard}});
    server.does("POST", &path, ("application/json", &quota)).await;
    quota["status"] = json!({"hard": hard, "used": {"services": "0"}});
    server.does("PUT", &format!("{path}/none/status"), ("application/json", &quota)).await;
    let started = std::time::Instant::now();
    loop {
        // The plugin reads quotas by a watch.
        match server.cluster.dry_run(&server.whole(&json!({})), None, false).await.unwrap() {
            Trial::Refused(words) if words.contains("exceeded quota: none") => return,
            other => assert!(started.elapsed() < std::time::Duration::from_secs(30), "{other:?}"),
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
}

pub(super) async fn warnings_and_syncs_are_told_by_the_events_of_a_service(server: &Server) {
    let (cluster, key) = (&server.cluster, server.key());
    assert_eq!((cluster.warnings(&key).await.unwrap(), cluster.syncs(&key).await.unwrap()), (Vec::new(), 0));
    server.tell(("orders.1", "Warning", "SyncLoadBalancerFailed"), "no such subnet").await;
    server.tell(("orders.2", "Normal", "EnsuredLoadBalancer"), "Ensured load balancer").await;
    server.tell(("orders.3", "Normal", "EnsuringLoadBalancer"), "Ensuring load balancer").await;
    let warnings = cluster.warnings(&key).await.unwrap();
    assert_eq!(warnings.iter().map(|event| event.message.as_str()).collect::<Vec<_>>(), ["no such subnet"]);
    assert!(warnings[0].last_seen.is_some());
    assert_eq!(cluster.syncs(&key).await.unwrap(), 3, "events are aggregated, and each counts as often as it says");
}

pub(super) async fn a_user_is_told_what_it_may_do_and_refused_the_rest(server: &Server) {
    let (limited, key) = (&server.limited, server.key());
    let access = |verb: &'static str| {
        let namespace = Some(server.namespace.parse().unwrap());
        Access { resource: "services", verb, namespace }
    };
    for (verb, is_allowed) in [("get", true), ("patch", true), ("create", false), ("delete", false)] {
        assert_eq!(limited.may(&access(verb)).await.unwrap(), is_allowed, "{verb}");
        let everywhere = Access { namespace: None, ..access(verb) };
        assert_eq!(limited.may(&everywhere).await.unwrap(), is_allowed, "{verb}");
        assert!(server.cluster.may(&everywhere).await.unwrap(), "{verb}");
    }
    assert_eq!(limited.user().await.unwrap(), LIMITED);
    let error = limited.apply(&server.whole(&json!({})), None, false).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Denied, "to apply what is not there is to create it: {error}");
    let created = server.cluster.apply(&server.whole(&json!({})), None, false).await.unwrap();
    limited.apply(&server.whole(&json!({})), Some(&version_of(&created)), false).await.unwrap();
    let error = limited.delete(&key, &created.uid).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Denied);
    let words = format!(
        "services \"orders\" is forbidden: User \"limited\" cannot delete resource \"services\" in API group \"\" in the \
         namespace \"{}\"",
        server.namespace
    );
    assert!(error.to_string().contains(&words), "{error}");
}

pub(super) async fn a_namespace_is_made_with_its_labels_and_goes(server: &Server) {
    let own: Namespace = server.namespace.parse().unwrap();
    let is_leaving = |live: Option<LiveNamespace>| live.map(|live| live.deleting);
    assert_eq!(is_leaving(server.cluster.namespace(&own).await.unwrap()), Some(false));
    let error = server.limited.namespace(&own).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Denied, "{error}");
    let name: Namespace = format!("{own}-new").parse().unwrap();
    assert_eq!(server.cluster.namespace(&name).await.unwrap(), None);
    let labels = [("privlink.dev/environment".to_owned(), "prod".to_owned())].into();
    let new = NewNamespace { name: name.clone(), labels };
    let error = server.limited.create_namespace(&new).await.unwrap_err();
    assert!(error.is_lack_of_rights(), "{error}");
    server.cluster.create_namespace(&new).await.unwrap();
    let live = server.cluster.namespace(&name).await.unwrap().unwrap();
    assert_eq!(live.labels.get("privlink.dev/environment").map(String::as_str), Some("prod"));
    server.cluster.apply(&whole(name.as_str(), &json!({})), None, false).await.unwrap();
    for name in [&own, &name] {
        server.does("DELETE", &format!("/api/v1/namespaces/{name}"), ("application/json", &json!({}))).await;
    }
    assert_ne!(is_leaving(server.cluster.namespace(&own).await.unwrap()), Some(false), "it goes, or is gone");
}

/// The Service that the next sign is about.
async fn changed(watch: &mut Watch<'_>) -> ObjectKey {
    let sign = tokio::time::timeout(Duration::from_secs(20), watch.next()).await.unwrap();
    let Sign::Changed(key) = sign else { unreachable!("{sign:?}") };
    key
}

/// Passes over what is told of the Services of others.
async fn changed_in(watch: &mut Watch<'_>, namespace: &str) -> ObjectKey {
    loop {
        let key = changed(watch).await;
        if key.namespace.as_str() == namespace {
            return key;
        }
    }
}

pub(super) async fn what_changes_is_told_as_it_happens(server: &Server) {
    let cluster = &server.cluster;
    let orders = cluster.apply(&server.whole(&json!({})), None, false).await.unwrap();
    let mut watch = Watch::new(cluster);
    // What is there at first is no change, so nothing is told until something happens.
    let early = tokio::time::timeout(Duration::from_millis(500), changed_in(&mut watch, &server.namespace)).await;
    assert!(early.is_err(), "{early:?}");
    server.annotate("team", "shop").await;
    assert_eq!(changed_in(&mut watch, &server.namespace).await, orders.key);
    // An equal write is told to nobody; the next sign is of what follows it.
    server.annotate("team", "shop").await;
    let second = Service { key: format!("{}/second", server.namespace).parse().unwrap(), ..server.whole(&json!({})) };
    cluster.apply(&second, None, false).await.unwrap();
    assert_eq!(changed_in(&mut watch, &server.namespace).await, second.key);
    cluster.delete(&orders.key, &orders.uid).await.unwrap();
    assert_eq!(changed_in(&mut watch, &server.namespace).await, orders.key);
    // Whoever may not watch is told so once, and asked to wait.
    let mut limited = Watch::new(&server.limited);
    let sign = limited.next().await;
    let Sign::Lost(error) = sign else { unreachable!("{sign:?}") };
    assert_eq!(error.class(), ErrorClass::Denied, "{error}");
    assert!(error.to_string().contains("watch"), "{error}");
}

pub(super) async fn a_lease_is_changed_only_as_it_was_seen(server: &Server) {
    let cluster = &server.cluster;
    let key: LeaseKey = format!("{}/privlink-agent", server.namespace).parse().unwrap();
    assert_eq!(cluster.lease(&key).await.unwrap(), None);
    let at = Some("2026-01-02T03:04:05.000070Z".parse().unwrap());
    let record = |holder: &str| LeaseRecord {
        holder: holder.to_owned(),
        duration: Duration::from_secs(15),
        acquired_at: at,
        renewed_at: at,
        transitions: 2,
    };
    let first = cluster.create_lease(&key, &record("a")).await.unwrap().unwrap();
    assert_eq!(first.record, record("a"), "it says what was written, to the microsecond");
    assert_eq!(cluster.create_lease(&key, &record("b")).await.unwrap(), None, "there is one already");
    let second = cluster.update_lease(&key, &first.version, &record("b")).await.unwrap().unwrap();
    assert_ne!(second.version, first.version);
    assert_eq!(cluster.update_lease(&key, &first.version, &record("a")).await.unwrap(), None, "it was stale");
    assert_eq!(cluster.lease(&key).await.unwrap(), Some(second.clone()));
    // Given back: nobody holds it, and it is still there.
    let free = cluster.update_lease(&key, &second.version, &record("")).await.unwrap().unwrap();
    assert_eq!(free.record.holder, "");
    let path = format!("/apis/coordination.k8s.io/v1/namespaces/{}/leases/privlink-agent", server.namespace);
    server.does("DELETE", &path, ("application/json", &json!({}))).await;
    assert_eq!(cluster.update_lease(&key, &free.version, &record("a")).await.unwrap(), None, "it is gone");
    let error = server.limited.lease(&key).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Denied, "{error}");
}
