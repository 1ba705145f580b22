//! Private Link Services: those that the cloud provider built go with their Service, those of nobody become ours.

use serde_json::Value as Json;
use serde_json::json;

use crate::desired::migrate::link;
use crate::domain::annotation::PrivateLinkAnnotations;
use crate::domain::azure::ResourceId;
use crate::domain::key::PublisherKey;
use crate::domain::key::ResourceKey;
use crate::domain::kubernetes::ObjectKey;
use crate::domain::mark::ADOPT_ANNOTATION;
use crate::domain::resource::private_link_service::AutoApproval;
use crate::domain::resource::private_link_service::LivePrivateLinkService;
use crate::domain::resource::service::LiveService;
use crate::import::Draft;
use crate::import::Importer;

const KIND: &str = "privatelinkservice";
const LETS_ALL_IN: &str = "it lets in every subscription without asking, which no document can say";

/// Writes documents for the Private Link Services that privlink can manage itself.
pub(super) fn import(importer: &mut Importer<'_>) {
    let observed = importer.observed();
    for live in observed.private_link_services.values() {
        if importer.is_meant(&live.service.id) {
            one(importer, live);
        }
    }
}

fn one(importer: &mut Importer<'_>, live: &LivePrivateLinkService) {
    let key = ResourceKey::PrivateLinkService(PublisherKey::Own(live.service.id.clone()));
    let subject = format!("Private Link Service {}", live.service.id.name());
    if importer.is_asked(&key) || importer.is_foreign(&subject, live.mark.as_ref()) {
        return;
    }
    match live.cluster_owner() {
        Some(owner) => built_by_cluster(importer, (live, &subject), &owner),
        None => match own(importer, live) {
            Ok(document) => importer.draft(document),
            Err(reason) => importer.leave(subject, reason),
        },
    }
}

/// The Service says it all, as long as one does.
fn built_by_cluster(importer: &mut Importer<'_>, (live, subject): (&LivePrivateLinkService, &str), owner: &ObjectKey) {
    let observed = importer.observed();
    let group = observed.cluster.as_ref().map(|cluster| &cluster.node_resource_group);
    if live.frontend().map(ResourceId::resource_group).as_ref() != group {
        return importer.leave(subject, format!("the cloud provider of another cluster built it, for {owner}"));
    }
    let asks = |live: &LiveService| matches!(PrivateLinkAnnotations::read(&live.annotations()), Ok(Some(_)) | Err(_));
    match observed.services.get(owner) {
        Some(service) if asks(service) => {
            let key = ResourceKey::Service(owner.clone());
            if !importer.is_documented(&key) {
                importer.leave(subject, format!("the cloud provider built it for {owner}, which gets no document"));
            }
        }
        Some(_) => importer.leave(subject, format!("it still serves, and {owner} does not ask for it any more")),
        None => importer.leave(subject, format!("the cloud provider built it for {owner}, which is not seen")),
    }
}

/// The document of one that privlink writes from now on.
fn own(importer: &mut Importer<'_>, live: &LivePrivateLinkService) -> Result<Draft, String> {
    let observed = importer.observed();
    let cluster =
        observed.cluster.as_ref().ok_or("the environment has no cluster, and it publishes a Service of one")?;
    let id = &live.service.id;
    if id.resource_group() == cluster.node_resource_group {
        return Err(
            "nobody's tags are on it, and it lies in the group of the nodes, where the cloud provider deletes it"
                .into(),
        );
    }
    if id.subscription() != cluster.id.subscription() {
        return Err("it is not in the subscription of the cluster".into());
    }
    let frontend = live.frontend();
    let is_behind = |key: &&ObjectKey| observed.frontend_of(key).map(|own| &own.id) == frontend;
    let service =
        observed.services.keys().find(is_behind).ok_or("it stands on no frontend of a Service of this cluster")?;
    let exposure = &live.service.exposure;
    if exposure.auto_approval == AutoApproval::Everybody {
        return Err(LETS_ALL_IN.into());
    }
    let subnet = exposure.nat.subnet.as_ref().ok_or("its NAT addresses are in several subnets")?;
    if subnet.parent() != cluster.virtual_network() {
        return Err("its NAT addresses are not in the cluster's network".into());
    }
    let key = ResourceKey::PrivateLinkService(live.service.key());
    let name = importer.names.of_resource(KIND, (&key, id.name()), &live.service.tags);
    let mut nat = json!({ "subnet": subnet.name(), "count": exposure.nat.count });
    if !exposure.nat.addresses.is_empty() {
        nat["addresses"] = json!(exposure.nat.addresses);
    }
    let mut spec = link::terms(exposure);
    spec.insert("nat".to_owned(), nat);
    spec.insert("service".to_owned(), link::reference(service));
    spec.insert("managedBy".to_owned(), json!("privlink"));
    spec.insert("name".to_owned(), json!(id.name()));
    spec.insert("resourceGroup".to_owned(), json!(id.resource_group()));
    let adopts = live.mark.is_none().then(|| id.to_string());
    let document = json!({
        "apiVersion": "privlink.dev/v1alpha1", "kind": "PrivateLinkService", "metadata": { "name": name }, "spec": spec,
    });
    Ok(draft(key, &name, (document, adopts)))
}

/// The document of a Service that somebody else deploys and this repository publishes.
pub(super) fn published_by_us(importer: &mut Importer<'_>, live: &LiveService) {
    let key = ResourceKey::Service(live.key.clone());
    let subject = format!("Service {}", live.key);
    let asked = match PrivateLinkAnnotations::read(&live.annotations()) {
        Ok(Some(asked)) => asked,
        Ok(None) => return importer.leave(subject, "it carries our mark and does not ask for a Private Link Service"),
        Err(errors) => {
            let first = errors.first().map(ToString::to_string).unwrap_or_default();
            return importer.leave(subject, format!("the cloud provider refuses its annotations: {first}"));
        }
    };
    if asked.auto_approval == AutoApproval::Everybody {
        return importer.leave(subject, LETS_ALL_IN);
    }
    let name = importer.names.of_resource(KIND, (&key, live.key.name.as_str()), &std::collections::BTreeMap::new());
    let document = link::said_by(&live.key, &name, &asked);
    importer.draft(draft(key, &name, (document, None)));
}

fn draft(key: ResourceKey, name: &str, (mut document, adopts): (Json, Option<String>)) -> Draft {
    if let Some(id) = &adopts {
        document["metadata"]["annotations"] = json!({ ADOPT_ANNOTATION: id });
    }
    Draft {
        key,
        file: format!("publish/{name}"),
        what: format!("PrivateLinkService {name}"),
        document,
        adopts: adopts.into_iter().collect(),
    }
}
