//! The second PrivateLinkService: everything the first one says, but for its names and its static NAT addresses.

use serde_json::Map;
use serde_json::Value as Json;
use serde_json::json;

use crate::domain::annotation::PrivateLinkAnnotations;
use crate::domain::azure::AzureName;
use crate::domain::azure::SubscriptionId;
use crate::domain::kubernetes::Namespace;
use crate::domain::kubernetes::ObjectKey;
use crate::domain::name::DocumentName;
use crate::domain::resource::private_link_service::AutoApproval;
use crate::domain::resource::private_link_service::Exposure;
use crate::domain::resource::private_link_service::Visibility;
use crate::repo::schema::private_link_service as wire;

/// The second document. Static NAT addresses can be on one Private Link Service alone: it gets as many that Azure picks.
pub(super) fn second(
    old: &wire::PrivateLinkService,
    (name, service, resource): (&DocumentName, &ObjectKey, Option<&AzureName>),
) -> Json {
    let wire::PrivateLinkService { api_version: _, kind: _, metadata, spec } = old;
    let wire::Spec {
        service: _,
        managed_by,
        name: _,
        resource_group,
        visibility,
        auto_approval,
        nat,
        fqdns,
        proxy_protocol,
        connections,
        replaces: _,
    } = spec;
    let mut new = Map::new();
    let mut put = |key: &str, value: Option<Json>| value.map(|value| new.insert(key.to_owned(), value));
    put("service", Some(reference(service)));
    put("managedBy", (*managed_by == wire::ManagedBy::Privlink).then(|| "privlink".into()));
    put("name", resource.map(|name| name.to_string().into()));
    put("resourceGroup", resource_group.as_ref().map(|group| group.to_string().into()));
    put("visibility", Some(self::visibility(visibility)));
    put("autoApproval", auto_approval.as_ref().map(|auto| json!({ "subscriptions": ids(&auto.subscriptions) })));
    put("nat", nat.as_ref().map(self::nat));
    put("fqdns", (!fqdns.is_empty()).then(|| fqdns.iter().map(|fqdn| fqdn.as_str()).collect()));
    put("proxyProtocol", proxy_protocol.then(|| true.into()));
    put("connections", connections.as_ref().map(self::connections));
    put("replaces", Some(metadata.name.as_str().into()));
    let mut head = json!({ "name": name.as_str() });
    if !metadata.labels.is_empty() {
        head["labels"] = json!(metadata.labels);
    }
    json!({ "apiVersion": "privlink.dev/v1alpha1", "kind": "PrivateLinkService", "metadata": head, "spec": new })
}

/// A Service as our kinds name one.
pub fn reference(service: &ObjectKey) -> Json {
    if service.namespace == Namespace::default_namespace() {
        return json!({ "name": service.name.as_str() });
    }
    json!({ "namespace": service.namespace.as_str(), "name": service.name.as_str() })
}

/// The document that asks for what the annotations of a Service ask for; one that lets in everybody cannot be said.
pub fn said_by(service: &ObjectKey, name: &str, asked: &PrivateLinkAnnotations) -> Json {
    let PrivateLinkAnnotations { name: resource, resource_group, subnet, count, addresses, .. } = asked;
    let mut spec = terms(&asked.clone().into_exposure(None));
    let mut put = |key: &str, value: Option<Json>| value.map(|value| spec.insert(key.to_owned(), value));
    put("service", Some(reference(service)));
    put("name", resource.as_ref().map(|name| name.to_string().into()));
    put("resourceGroup", resource_group.clone().map(Json::from));
    let mut nat = Map::new();
    let mut put_nat = |key: &str, value: Option<Json>| value.map(|value| nat.insert(key.to_owned(), value));
    put_nat("subnet", subnet.clone().map(Json::from));
    put_nat("count", (usize::from(*count) != addresses.len().max(1)).then(|| (*count).into()));
    put_nat("addresses", (!addresses.is_empty()).then(|| addresses.iter().map(ToString::to_string).collect()));
    put("nat", (!nat.is_empty()).then(|| nat.into()));
    let head = json!({ "name": name });
    json!({ "apiVersion": "privlink.dev/v1alpha1", "kind": "PrivateLinkService", "metadata": head, "spec": spec })
}

/// What consumers notice but for the NAT addresses, as a document says it; that everybody is let in, none can say.
pub fn terms(exposure: &Exposure) -> Map<String, Json> {
    let Exposure { nat: _, visibility, auto_approval, fqdns, proxy_protocol } = exposure;
    let mut spec = Map::new();
    let mut put = |key: &str, value: Option<Json>| value.map(|value| spec.insert(key.to_owned(), value));
    let visible = match visibility {
        Visibility::RoleBased => json!({ "mode": "role-based" }),
        Visibility::AnyoneWithAlias => json!({ "mode": "anyone-with-alias" }),
        Visibility::Subscriptions(ids) => json!({ "mode": "subscriptions", "subscriptions": ids }),
    };
    put("visibility", Some(visible));
    if let AutoApproval::Subscriptions(ids) = auto_approval {
        put("autoApproval", (!ids.is_empty()).then(|| json!({ "subscriptions": ids })));
    }
    put("fqdns", (!fqdns.is_empty()).then(|| json!(fqdns)));
    put("proxyProtocol", proxy_protocol.then(|| true.into()));
    spec
}

fn ids(subscriptions: &[SubscriptionId]) -> Vec<String> {
    subscriptions.iter().map(ToString::to_string).collect()
}

fn visibility(visibility: &wire::Visibility) -> Json {
    match visibility {
        wire::Visibility::RoleBased => json!({ "mode": "role-based" }),
        wire::Visibility::AnyoneWithAlias => json!({ "mode": "anyone-with-alias" }),
        wire::Visibility::Subscriptions(list) => json!({ "mode": "subscriptions", "subscriptions": ids(list) }),
    }
}

fn nat(nat: &wire::Nat) -> Json {
    let wire::Nat { subnet, count, addresses } = nat;
    let mut new = Map::new();
    if let Some(subnet) = subnet {
        new.insert("subnet".to_owned(), subnet.to_string().into());
    }
    let count = count.map_or(addresses.len(), |count| usize::from(count.get()));
    if count > 0 {
        new.insert("count".to_owned(), count.into());
    }
    new.into()
}

fn connections(rules: &wire::Connections) -> Json {
    let wire::Connections { approve, reject, otherwise } = rules;
    let list = |requesters: &[wire::Requester]| -> Json {
        let one = |requester: &wire::Requester| match requester {
            wire::Requester::Subscription(id) => json!({ "subscription": id.to_string() }),
            wire::Requester::Endpoint(id) => json!({ "endpoint": id.to_string() }),
        };
        requesters.iter().map(one).collect()
    };
    let mut new = Map::new();
    for (key, requesters) in [("approve", approve), ("reject", reject)] {
        if !requesters.is_empty() {
            new.insert(key.to_owned(), list(requesters));
        }
    }
    if *otherwise == wire::Otherwise::Reject {
        new.insert("otherwise".to_owned(), "reject".into());
    }
    new.into()
}
