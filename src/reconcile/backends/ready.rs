//! When a resource is ready: the design's list, one function a kind.
//!
//! A Service has its address; a Private Link Service its alias; an endpoint its address and an approved connection; a
//! record set holds the address; a link is complete.

use crate::apply::Done;
use crate::apply::Failure;
use crate::apply::Outputs;
use crate::domain::annotation;
use crate::domain::azure::ResourceId;
use crate::domain::key::PublisherKey;
use crate::domain::key::ResourceKey;
use crate::domain::kubernetes::ObjectKey;
use crate::domain::resource::Live;
use crate::domain::resource::Provisioning;
use crate::domain::resource::Resource;
use crate::domain::resource::connection::Connection;
use crate::domain::resource::connection::ConnectionStatus;
use crate::domain::resource::private_endpoint::LivePrivateEndpoint;
use crate::domain::resource::private_endpoint::PrivateEndpoint;
use crate::domain::resource::private_link_service::LivePrivateLinkService;
use crate::domain::resource::private_link_service::Publication;
use crate::domain::resource::service::LiveService;
use crate::domain::resource::service::Service;
use crate::plan::action::Action;
use crate::plan::change::Change;
use crate::plan::diff;
use crate::plan::private_links::published_fields;
use crate::reconcile::backends::Backends;
use crate::reconcile::backends::cluster_failure;
use crate::reconcile::backends::impossible;
use crate::value::Output;
use crate::value::Value;

fn not_yet(reason: impl Into<String>) -> Result<Done, Failure> {
    Ok(Done::NotYet { reason: reason.into() })
}

fn ready(outputs: Outputs) -> Result<Done, Failure> {
    Ok(Done::Ready(outputs))
}

impl Backends<'_> {
    pub(super) async fn check_ready(&self, step: usize, change: &Change) -> Result<Done, Failure> {
        match &change.resource {
            None => ready(Outputs::default()),
            Some(Resource::Namespace(_)) => self.namespace_ready(change).await,
            Some(Resource::Service(service)) => self.service_ready(step, change, service).await,
            Some(Resource::Publication(publication)) => self.publication_ready(change, publication).await,
            Some(Resource::Connection(connection)) => self.connection_ready(connection).await,
            Some(
                Resource::Subnet(_)
                | Resource::PrivateLinkService(_)
                | Resource::PrivateEndpoint(_)
                | Resource::DnsRecord(_)
                | Resource::DnsLink(_),
            ) => self.azure_ready(change).await,
        }
    }

    async fn namespace_ready(&self, change: &Change) -> Result<Done, Failure> {
        match self.read(change).await? {
            Some(Live::Namespace(live)) if !live.deleting => ready(Outputs::default()),
            _ => Err(impossible(format!("{} is gone again: somebody deleted it", change.key))),
        }
    }

    async fn service_ready(&self, step: usize, change: &Change, service: &Service) -> Result<Done, Failure> {
        let kubernetes = self.kubernetes()?;
        let Some(live) = kubernetes.service(&service.key).await.map_err(|error| cluster_failure(&error))? else {
            return Err(impossible(format!("{} is gone again: somebody deleted it", change.key)));
        };
        if live.manifest.pointer("/spec/type").and_then(serde_json::Value::as_str) != Some("LoadBalancer") {
            return ready(Outputs::default());
        }
        if let Some(reason) = self.unsettled(step, change).await? {
            return not_yet(self.explained(reason, &service.key).await);
        }
        if !has_its_addresses(service, &live) {
            let events = kubernetes.warnings(&service.key).await.map_err(|error| cluster_failure(&error))?;
            let reason = events.first().map_or_else(
                || "the cloud provider to give it an address".to_owned(),
                |event| format!("the cloud provider, which says {}", event.summary()),
            );
            return not_yet(reason);
        }
        let address = live.addresses.first().copied();
        let frontend = if self.somebody_needs_frontend(&change.key) {
            let publisher = PublisherKey::Cluster(service.key.clone());
            let surroundings = self.surroundings(&publisher).await?;
            match surroundings.frontend_of(&service.key) {
                Some(frontend) => Some(frontend.id.clone()),
                None => return not_yet("its frontend to show at the load balancer"),
            }
        } else {
            None
        };
        ready(Outputs { address, frontend, ..Outputs::default() })
    }

    /// What a Service waits for, with the last warning about it where its events can be read.
    pub(super) async fn explained(&self, reason: String, key: &ObjectKey) -> String {
        let Ok(kubernetes) = self.kubernetes() else { return reason };
        let events = kubernetes.warnings(key).await.unwrap_or_default();
        match events.first() {
            Some(event) => format!("{reason}; its last warning is {}", event.summary()),
            None => reason,
        }
    }

    /// What comes next must not race the cloud provider's sync: the deletion of a Private Link Service whose annotations were
    /// taken away, or one of ours on a frontend that is only made by that sync.
    async fn unsettled(&self, step: usize, change: &Change) -> Result<Option<String>, Failure> {
        let ResourceKey::Service(key) = &change.key else { return Ok(None) };
        let publisher = ResourceKey::PrivateLinkService(PublisherKey::Cluster(key.clone()));
        let is_unpublished =
            self.plan.steps.iter().any(|step| step.change.key == publisher && step.change.action == Action::Delete);
        let is_awaited = is_unpublished || self.renews_frontend(change);
        if !is_awaited || change.action == Action::Delete {
            return Ok(None);
        }
        let before = self.syncs.lock().expect("nobody panics while holding it").get(&step).copied();
        let now = self.kubernetes()?.syncs(key).await.map_err(|error| cluster_failure(&error))?;
        let settled = before.is_none_or(|before| now > before);
        let reason = match is_unpublished {
            true => "the cloud provider to take note that it is not published any more",
            false => "the cloud provider to bring its frontend to what it asks for",
        };
        Ok((!settled).then(|| reason.to_owned()))
    }

    /// True for an edit by which the Private Link Service on the frontend goes, or after which the frontend is another one:
    /// what the Service shows before the sync is the old one.
    fn renews_frontend(&self, change: &Change) -> bool {
        let waits = |other: &Change| {
            other.removed_by.as_ref() == Some(&change.key)
                || other.inputs.iter().any(|input| {
                    input.producer == change.key && input.output == Output::Frontend && input.known.is_none()
                })
        };
        change.action == Action::Update && self.plan.steps.iter().any(|step| waits(&step.change))
    }

    fn somebody_needs_frontend(&self, key: &ResourceKey) -> bool {
        let needs = |change: &Change| {
            change.inputs.iter().any(|input| input.producer == *key && input.output == Output::Frontend)
        };
        self.plan.steps.iter().any(|step| needs(&step.change))
    }

    async fn publication_ready(&self, change: &Change, publication: &Publication) -> Result<Done, Failure> {
        let publisher = publication.key();
        let surroundings = self.surroundings(&publisher).await?;
        let Some(link) = surroundings.publisher(&publisher) else {
            let events =
                self.kubernetes()?.warnings(&publication.service).await.map_err(|error| cluster_failure(&error))?;
            return not_yet(events.first().map_or_else(
                || "the cloud provider to build it, which it does when it syncs the Service".to_owned(),
                |event| format!("the cloud provider, which says {}", event.summary()),
            ));
        };
        if link.is_shared_by(&publication.service) {
            // Somebody was first on the address: what this Service says of the settings never comes true.
            return link_ready(link);
        }
        let old = change.fields.iter().find(|field| field.name == "alias").and_then(|field| field.before.as_ref());
        if old.is_some() && old == link.alias.as_ref().map(Value::text).as_ref() {
            return not_yet("the cloud provider to build it anew");
        }
        let fields = published_fields(link);
        let differing = diff::diff_named(&fields, &publication.fields()).into_iter().map(|field| field.name);
        let withdrawn = change.fields.iter().filter(|field| field.after.is_none() && fields.contains_key(&field.name));
        if let Some(name) = differing.chain(withdrawn.map(|field| field.name.clone())).next() {
            return not_yet(format!("the cloud provider to change {name}"));
        }
        link_ready(link)
    }

    async fn connection_ready(&self, connection: &Connection) -> Result<Done, Failure> {
        let link = self.publisher(&connection.publisher).await?;
        let live = link.as_ref().and_then(|link| super::find_connection(link, &connection.endpoint));
        match live {
            Some(live) if connection.verdict.is_met_by(&live.status) => ready(Outputs::default()),
            Some(live) => {
                not_yet(format!("Azure to make the connection {}; it is {}", connection.verdict, live.status))
            }
            None => Err(impossible("the connection is gone: somebody deleted it")),
        }
    }

    async fn azure_ready(&self, change: &Change) -> Result<Done, Failure> {
        match self.read(change).await? {
            None => not_yet("Azure to show it"),
            Some(Live::Subnet(live)) if live.provisioning == Provisioning::Succeeded && !live.policy_enabled => {
                ready(Outputs::default())
            }
            Some(Live::Subnet(_)) => not_yet("Azure to change the policy"),
            Some(Live::PrivateLinkService(live)) => link_ready(&live),
            Some(Live::PrivateEndpoint(live)) => self.endpoint_ready(change, &live),
            Some(Live::DnsRecord(_)) => ready(Outputs::default()),
            Some(Live::DnsLink(live)) if live.completed && live.provisioning == Provisioning::Succeeded => {
                ready(Outputs::default())
            }
            Some(Live::DnsLink(_)) => not_yet("Azure to complete the link"),
            Some(Live::Namespace(_) | Live::Service(_) | Live::Connection(_)) => {
                Err(impossible("this is no Azure resource"))
            }
        }
    }

    fn endpoint_ready(&self, change: &Change, live: &LivePrivateEndpoint) -> Result<Done, Failure> {
        match live.provisioning {
            Provisioning::Underway => return not_yet("Azure to finish it"),
            Provisioning::Failed => return Err(impossible(format!("Azure failed to provision {}", change.key))),
            Provisioning::Succeeded => {}
        }
        let Some(address) = live.private_address else { return not_yet("its network interface to get an address") };
        let outputs = Outputs { id: Some(live.endpoint.id.clone()), address: Some(address), ..Outputs::default() };
        match &live.status {
            ConnectionStatus::Approved => ready(outputs),
            // The approval is a step of its own in this plan.
            ConnectionStatus::Pending if self.is_answered_here(&live.endpoint.id) => ready(outputs),
            ConnectionStatus::Pending => {
                let reason = format!("the owner of {} has to approve the connection", target(change));
                Ok(Done::WaitsForOthers { reason, outputs })
            }
            ConnectionStatus::Rejected | ConnectionStatus::Disconnected => {
                let said = if live.status_description.is_empty() { "" } else { ": " };
                Err(impossible(format!("the connection is {}{said}{}", live.status, live.status_description)))
            }
            ConnectionStatus::Other(status) => not_yet(format!("the connection, which is {status:?}")),
        }
    }

    fn is_answered_here(&self, endpoint: &ResourceId) -> bool {
        let answers = |key: &ResourceKey| matches!(key, ResourceKey::Connection { endpoint: of, .. } if of == endpoint);
        self.plan.steps.iter().any(|step| answers(&step.change.key))
    }
}

fn target(change: &Change) -> String {
    match &change.resource {
        Some(Resource::PrivateEndpoint(PrivateEndpoint { target, .. })) => match target {
            crate::domain::resource::private_endpoint::Target::Produced { publisher, .. } => publisher.to_string(),
            crate::domain::resource::private_endpoint::Target::Id(id) => id.to_string(),
            crate::domain::resource::private_endpoint::Target::Alias(alias) => alias.to_string(),
        },
        _ => "the service".to_owned(),
    }
}

fn link_ready(link: &LivePrivateLinkService) -> Result<Done, Failure> {
    match (&link.provisioning, &link.alias) {
        (Provisioning::Failed, _) => Err(impossible(format!("Azure failed to provision {}", link.service.id))),
        (Provisioning::Succeeded, Some(alias)) => {
            ready(Outputs { id: Some(link.service.id.clone()), alias: Some(alias.clone()), ..Outputs::default() })
        }
        (Provisioning::Succeeded | Provisioning::Underway, _) => not_yet("Azure to finish it"),
    }
}

/// True if the Service shows an address, and the one it pins.
fn has_its_addresses(service: &Service, live: &LiveService) -> bool {
    let annotations = live.annotations();
    let mut pinned = annotation::pinned_addresses(&annotations);
    if !annotations.contains_key(annotation::IPV4) {
        let legacy = service.manifest.pointer("/spec/loadBalancerIP").and_then(serde_json::Value::as_str);
        pinned.extend(legacy.and_then(|text| text.parse::<std::net::IpAddr>().ok()));
    }
    let families = live.manifest.pointer("/spec/ipFamilies").and_then(serde_json::Value::as_array).map_or(1, Vec::len);
    live.addresses.len() >= families.max(1) && pinned.iter().all(|address| live.addresses.contains(address))
}
