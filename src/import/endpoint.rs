//! Private endpoints, each with the records that answer with its address and the zone links beside them.

use std::collections::BTreeMap;

use serde_json::Map;
use serde_json::Value as Json;
use serde_json::json;

use crate::desired::migrate::link::reference;
use crate::domain::azure::ResourceId;
use crate::domain::key::PublisherKey;
use crate::domain::key::ResourceKey;
use crate::domain::mark::ADOPT_ANNOTATION;
use crate::domain::mark::is_mark_tag;
use crate::domain::resource::private_endpoint::LivePrivateEndpoint;
use crate::domain::resource::private_endpoint::PrivateEndpoint;
use crate::domain::resource::private_endpoint::Request;
use crate::domain::resource::private_endpoint::Target;
use crate::import::Draft;
use crate::import::Importer;
use crate::import::dns;
use crate::import::dns::Zones;

const KIND: &str = "privateendpoint";

/// Writes documents for the private endpoints.
pub(super) fn import(importer: &mut Importer<'_>) {
    let observed = importer.observed();
    let mut zones = Zones::of(importer);
    for live in observed.private_endpoints.values() {
        if importer.is_meant(&live.endpoint.id) {
            endpoint(importer, live, &mut zones);
        }
    }
    zones.tell_rest(importer);
}

fn endpoint(importer: &mut Importer<'_>, live: &LivePrivateEndpoint, zones: &mut Zones) {
    let id = &live.endpoint.id;
    let key = ResourceKey::PrivateEndpoint(id.clone());
    let subject = format!("private endpoint {}", id.name());
    if importer.is_asked(&key) || importer.is_foreign(&subject, live.mark.as_ref()) {
        return; // Records that a document leaves out are not ours to add to it.
    }
    let name = importer.names.of_resource(KIND, (&key, id.name()), &live.endpoint.tags);
    let mut spec = spec(importer, &live.endpoint, &name);
    let mut adopts: Vec<String> = live.mark.is_none().then(|| id.to_string()).into_iter().collect();
    let records = dns::records(importer, (live, &name), zones);
    if !records.is_empty() {
        adopts.extend(records.iter().flat_map(|record| record.adopts.clone()));
        spec.insert("dns".to_owned(), records.into_iter().map(|record| record.item).collect());
    }
    let mut metadata = json!({ "name": name });
    if !adopts.is_empty() {
        metadata["annotations"] = json!({ ADOPT_ANNOTATION: adopts.join(" ") });
    }
    importer.draft(Draft {
        key,
        file: format!("consume/{name}"),
        what: format!("PrivateEndpoint {name}"),
        document: json!({
            "apiVersion": "privlink.dev/v1alpha1", "kind": "PrivateEndpoint", "metadata": metadata, "spec": spec,
        }),
        adopts,
    });
}

fn spec(importer: &Importer<'_>, endpoint: &PrivateEndpoint, document: &str) -> Map<String, Json> {
    let PrivateEndpoint {
        id,
        location,
        subnet,
        target,
        connection_name,
        request,
        address,
        network_interface_name,
        application_security_groups,
        tags,
    } = endpoint;
    let tags: BTreeMap<&String, &String> = tags.iter().filter(|(name, _)| !is_mark_tag(name)).collect();
    let mut spec = Map::new();
    let mut put = |key: &str, value: Option<Json>| value.map(|value| spec.insert(key.to_owned(), value));
    put("subscription", Some(json!(id.subscription())));
    put("resourceGroup", Some(json!(id.resource_group())));
    put("location", Some(json!(location)));
    put("name", (id.name() != document).then(|| json!(id.name())));
    put("subnet", Some(self::subnet(subnet, id)));
    put("target", Some(self::target(importer, target)));
    put("connection", connection(request, (connection_name.as_str() != id.name()).then_some(connection_name.as_str())));
    put("ipAddress", address.map(|address| json!(address)));
    put("networkInterfaceName", network_interface_name.as_ref().map(|name| json!(name)));
    put(
        "applicationSecurityGroups",
        (!application_security_groups.is_empty()).then(|| json!(application_security_groups)),
    );
    put("tags", (!tags.is_empty()).then(|| json!(tags)));
    spec
}

/// By name where the network lies beside the endpoint.
fn subnet(subnet: &ResourceId, endpoint: &ResourceId) -> Json {
    match subnet.parent() {
        Some(network)
            if network.subscription() == endpoint.subscription()
                && network.resource_group() == endpoint.resource_group() =>
        {
            json!({ "virtualNetwork": network.name(), "name": subnet.name() })
        }
        _ => json!({ "id": subnet }),
    }
}

/// By document or Service where one of this environment publishes it: what is built anew is then followed.
fn target(importer: &Importer<'_>, target: &Target) -> Json {
    let id = match target {
        Target::Alias(alias) => return json!({ "alias": alias }),
        Target::Id(id) | Target::Produced { known: Some(id), .. } => id,
        Target::Produced { publisher: PublisherKey::Own(id), known: None } => id,
        Target::Produced { publisher: PublisherKey::Cluster(service), known: None } => {
            return json!({ "service": reference(service) });
        }
    };
    let own = ResourceKey::PrivateLinkService(PublisherKey::Own(id.clone()));
    if let Some(name) = importer.source.desired.intents.get(&own).map(|intent| intent.document.name.to_string()) {
        return json!({ "privateLinkService": name });
    }
    if let Some(draft) = importer.found.drafts.iter().find(|draft| draft.key == own) {
        return json!({ "privateLinkService": draft.document["metadata"]["name"] });
    }
    let observed = importer.observed();
    let owner = observed.private_link_services.get(id).and_then(|live| live.cluster_owner());
    let is_its = |owner: &crate::domain::kubernetes::ObjectKey| {
        let publisher = PublisherKey::Cluster(owner.clone());
        let is_found = observed.publisher(&publisher).is_some_and(|live| live.service.id == *id);
        is_found && importer.is_documented(&ResourceKey::Service(owner.clone()))
    };
    match owner.filter(is_its) {
        Some(owner) => json!({ "service": reference(&owner) }),
        None => json!({ "id": id }),
    }
}

fn connection(request: &Request, name: Option<&str>) -> Option<Json> {
    let mut connection = Map::new();
    connection.extend(name.map(|name| ("name".to_owned(), json!(name))));
    if let Request::Manual { message } = request {
        connection.insert("request".to_owned(), json!("manual"));
        connection.insert("message".to_owned(), json!(message));
    }
    (!connection.is_empty()).then(|| connection.into())
}
