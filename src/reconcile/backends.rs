//! From a piece of work to calls of the adapters: the only place that knows both plans and adapters.
//!
//! Before every write the resource is read again: the values the plan read must still be there, and the write carries the
//! version that was just seen.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;

use crate::apply::Done;
use crate::apply::Execute;
use crate::apply::Failure;
use crate::apply::Task;
use crate::apply::Work;
use crate::azure::error::AzureError;
use crate::azure::operation::Operation;
use crate::azure::operation::Progress;
use crate::azure::operation::Started;
use crate::desired::policy::Policy;
use crate::domain::azure::ResourceId;
use crate::domain::cluster::ManagedCluster;
use crate::domain::failure::ErrorClass;
use crate::domain::key::PublisherKey;
use crate::domain::key::ResourceKey;
use crate::domain::resource::Live;
use crate::domain::resource::Resource;
use crate::domain::resource::Seen;
use crate::domain::resource::connection::LiveConnection;
use crate::domain::resource::private_link_service::LivePrivateLinkService;
use crate::domain::resource::service::LiveService;
use crate::kubernetes::error::ClusterError;
use crate::observed::Observed;
use crate::plan::Plan;
use crate::plan::action::Action;
use crate::plan::change::Change;
use crate::plan::reads;
use crate::reconcile::error_chain;
use crate::reconcile::world::World;

mod ready;

/// Carries out the work of one plan on one world.
pub struct Backends<'a> {
    world: &'a World,
    plan: &'a Plan,
    policy: &'a Policy,
    cluster: Option<ManagedCluster>,
    /// Operations under way, by the text the engine knows them by.
    operations: Mutex<BTreeMap<String, Operation>>,
    /// How often the cloud provider had synced each Service before we wrote to it.
    syncs: Mutex<BTreeMap<usize, u64>>,
    /// The steps whose removal was sent, whatever became of the answer.
    removals: Mutex<BTreeSet<usize>>,
}

impl<'a> Backends<'a> {
    /// Prepares to carry out a plan.
    pub fn new(world: &'a World, plan: &'a Plan, cluster: Option<ManagedCluster>) -> Self {
        Self {
            world,
            plan,
            policy: &plan.policy,
            cluster,
            operations: Mutex::default(),
            syncs: Mutex::default(),
            removals: Mutex::default(),
        }
    }
}

#[async_trait]
impl Execute for Backends<'_> {
    async fn execute(&self, work: Work) -> Result<Done, Failure> {
        let Work { step, change, task } = work;
        match task {
            Task::Remove => self.remove(step, &change).await,
            Task::Write { replaced } => self.write(step, &change, replaced).await,
            Task::Poll { operation } => self.poll(operation).await,
            Task::CheckGone => self.check_gone(&change).await,
            Task::CheckReady => self.check_ready(step, &change).await,
        }
    }
}

/// The world is not what the plan read.
fn stale(change: &Change, difference: &reads::Stale) -> Failure {
    let message = format!("{} is not what the plan read: {difference}; make a new plan", change.key);
    Failure { class: ErrorClass::Conflict, message, stale: true }
}

fn azure_failure(error: &AzureError) -> Failure {
    Failure { class: error.class(), message: error_chain(error), stale: false }
}

fn cluster_failure(error: &ClusterError) -> Failure {
    Failure { class: error.class(), message: error_chain(error), stale: false }
}

fn impossible(message: impl Into<String>) -> Failure {
    Failure { class: ErrorClass::Invalid, message: message.into(), stale: false }
}

impl Backends<'_> {
    fn kubernetes(&self) -> Result<&crate::kubernetes::Cluster, Failure> {
        self.world.cluster.as_deref().ok_or_else(|| impossible("the environment has no cluster"))
    }

    /// Checks the scope once more, right before a write.
    fn check_scope(&self, change: &Change) -> Result<(), Failure> {
        self.policy.scope.problem_with(&change.key).map_or(Ok(()), |problem| Err(impossible(problem)))
    }

    /// Reads the resource of a change afresh.
    async fn read(&self, change: &Change) -> Result<Option<Live>, Failure> {
        match &change.key {
            ResourceKey::Namespace(name) => {
                let live = self.kubernetes()?.namespace(name).await.map_err(|error| cluster_failure(&error))?;
                Ok(live.map(Live::Namespace))
            }
            ResourceKey::Service(key) => {
                let live = self.kubernetes()?.service(key).await.map_err(|error| cluster_failure(&error))?;
                Ok(live.map(Live::Service))
            }
            ResourceKey::Connection { publisher, endpoint } => {
                let link = self.publisher(publisher).await?;
                let found = link.and_then(|link| find_connection(&link, endpoint));
                Ok(found.map(Live::Connection))
            }
            ResourceKey::PrivateLinkService(PublisherKey::Cluster(_)) => match &change.existing {
                Some(id) => self.world.azure.read(id).await.map_err(|error| azure_failure(&error)),
                None => Ok(None),
            },
            ResourceKey::Subnet(id)
            | ResourceKey::PrivateLinkService(PublisherKey::Own(id))
            | ResourceKey::PrivateEndpoint(id)
            | ResourceKey::DnsRecord(id)
            | ResourceKey::DnsLink(id) => self.world.azure.read(id).await.map_err(|error| azure_failure(&error)),
        }
    }

    /// The Private Link Service of an identity, read afresh.
    async fn publisher(&self, publisher: &PublisherKey) -> Result<Option<LivePrivateLinkService>, Failure> {
        match publisher {
            PublisherKey::Own(id) => {
                self.world.azure.private_link_service(id).await.map_err(|error| azure_failure(&error))
            }
            PublisherKey::Cluster(_) => Ok(self.surroundings(publisher).await?.publisher(publisher).cloned()),
        }
    }

    /// As much of the world as it takes to find what the cloud provider built for a Service.
    async fn surroundings(&self, publisher: &PublisherKey) -> Result<Observed, Failure> {
        let mut observed = Observed { cluster: self.cluster.clone(), ..Observed::default() };
        let (PublisherKey::Cluster(service), Some(cluster)) = (publisher, &self.cluster) else { return Ok(observed) };
        let subscription = cluster.id.subscription();
        let azure = &self.world.azure;
        let (live, frontends, links) = tokio::join!(
            self.kubernetes()?.service(service),
            azure.load_balancer_frontends(&subscription, Some(&cluster.node_resource_group)),
            azure.private_link_services(&subscription),
        );
        if let Some(live) = live.map_err(|error| cluster_failure(&error))? {
            observed.services.insert(service.clone(), live);
        }
        let frontends = frontends.map_err(|error| azure_failure(&error))?;
        observed.frontends = frontends.into_iter().map(|frontend| (frontend.id.clone(), frontend)).collect();
        let links = links.map_err(|error| azure_failure(&error))?;
        observed.private_link_services = links.into_iter().map(|live| (live.service.id.clone(), live)).collect();
        Ok(observed)
    }

    /// Reads again, and refuses if what the plan read is not there any more.
    async fn verify(&self, change: &Change) -> Result<Option<Live>, Failure> {
        self.check_scope(change)?;
        let live = self.read(change).await?;
        let publisher = match &change.reads.publisher {
            Some(id) => self.world.azure.private_link_service(id).await.map_err(|error| azure_failure(&error))?,
            None => None,
        };
        if change.action == Action::Delete && live.is_none() {
            return Ok(None); // Gone already is what was wanted.
        }
        reads::verify(&change.reads, live.as_ref(), publisher.as_ref()).map_err(|error| stale(change, &error))?;
        Ok(live)
    }

    async fn remove(&self, step: usize, change: &Change) -> Result<Done, Failure> {
        let is_repeated = !self.removals.lock().expect("nobody panics while holding it").insert(step);
        let live = match self.verify(change).await {
            // The answer to an earlier try was lost, and the try was not.
            Err(failure) if failure.stale && is_repeated => {
                let live = self.read(change).await?;
                return if live.as_ref().is_none_or(is_going) { Ok(Done::Finished) } else { Err(failure) };
            }
            other => other?,
        };
        // What is on its way is not sent there again: that is waited for.
        let Some(live) = live.filter(|live| !is_going(live)) else { return Ok(Done::Finished) };
        let (id, seen) = match &live {
            Live::Service(live) => {
                let result = self.kubernetes()?.delete(&live.key, &live.uid).await;
                return result.map(|()| Done::Finished).map_err(|error| cluster_failure(&error));
            }
            Live::Namespace(_) => return Err(impossible("a namespace is never deleted")),
            Live::Subnet(_) => return Err(impossible("a subnet is never deleted")),
            Live::PrivateLinkService(live) => (&live.service.id, &live.seen),
            Live::PrivateEndpoint(live) => (&live.endpoint.id, &live.seen),
            Live::Connection(live) => (&live.id, &live.seen),
            Live::DnsRecord(live) => (&live.record.id, &live.seen),
            Live::DnsLink(live) => (&live.link.id, &live.seen),
        };
        let started = self.world.azure.delete(id, seen.etag.as_ref()).await.map_err(|error| azure_failure(&error))?;
        Ok(self.started(started))
    }

    async fn write(&self, step: usize, change: &Change, replaced: bool) -> Result<Done, Failure> {
        let Some(resource) = &change.resource else { return Err(impossible("there is nothing to write")) };
        let live = match self.before_write(change, replaced).await {
            // The answer to an earlier try was lost, and the try was not.
            Err(failure) if failure.stale && self.is_written(change, resource).await? => return Ok(Done::Finished),
            other => other?,
        };
        if let Resource::Namespace(namespace) = resource {
            let result = self.kubernetes()?.create_namespace(namespace).await;
            return result.map(|()| Done::Finished).map_err(|error| cluster_failure(&error));
        }
        if let Resource::Service(service) = resource {
            let live = match live {
                Some(Live::Service(live)) => Some(live),
                _ => None,
            };
            return self.write_service((step, change.force), service, live.as_ref()).await;
        }
        if let (Resource::Connection(connection), Some(Live::Connection(live))) = (resource, &live)
            && connection.verdict.is_met_by(&live.status)
        {
            return Ok(Done::Finished); // Azure, or somebody, answered it meanwhile as we would have.
        }
        let seen = live.as_ref().and_then(seen_of);
        let started = self.world.azure.put(resource, seen).await.map_err(|error| azure_failure(&error))?;
        Ok(self.started(started))
    }

    /// Reads before a write. A connection is not there when the plan is made if its endpoint is a step of the plan too.
    async fn before_write(&self, change: &Change, replaced: bool) -> Result<Option<Live>, Failure> {
        if replaced {
            // What was there was checked before it was removed, unless somebody else removed it.
            self.check_scope(change)?;
            return Ok(None);
        }
        let announced = matches!(change.key, ResourceKey::Connection { .. }) && !change.reads.exists;
        if !announced {
            return self.verify(change).await;
        }
        self.check_scope(change)?;
        match self.read(change).await? {
            Some(live) => Ok(Some(live)),
            None => Err(Failure {
                class: ErrorClass::Transient { retry_after: Some(Duration::from_secs(1)) },
                message: format!("{} does not show at the service yet", change.key),
                stale: false,
            }),
        }
    }

    async fn is_written(&self, change: &Change, resource: &Resource) -> Result<bool, Failure> {
        Ok(self.read(change).await?.is_some_and(|live| reads::is_as_wanted((resource, &change.stored), &live)))
    }

    async fn write_service(
        &self,
        (step, force): (usize, bool),
        service: &crate::domain::resource::service::Service,
        live: Option<&LiveService>,
    ) -> Result<Done, Failure> {
        let kubernetes = self.kubernetes()?;
        let syncs = kubernetes.syncs(&service.key).await.map_err(|error| cluster_failure(&error))?;
        self.syncs.lock().expect("nobody panics while holding it").insert(step, syncs);
        let expected = live.map(|live| (live.uid.clone(), live.resource_version.clone()));
        let result = kubernetes.apply(service, expected.as_ref(), force).await;
        result.map(|_| Done::Finished).map_err(|error| cluster_failure(&error))
    }

    fn started(&self, started: Started) -> Done {
        match started {
            Started::Done => Done::Finished,
            Started::Operation(operation) => {
                let retry_after = operation.retry_after;
                let mut operations = self.operations.lock().expect("nobody panics while holding it");
                let name = format!("{} #{}", operation.resource, operations.len());
                operations.insert(name.clone(), operation);
                Done::Operation { operation: name, retry_after }
            }
        }
    }

    async fn poll(&self, name: String) -> Result<Done, Failure> {
        let operation = self.operations.lock().expect("nobody panics while holding it").get(&name).cloned();
        let Some(operation) = operation else { return Err(impossible("the operation is not known")) };
        let result = self.world.azure.poll(&operation).await.map_err(|error| match &error {
            // An operation that is over stays as it ended: asking again is no retry, the next plan is.
            AzureError::Failed { .. } => Failure { class: ErrorClass::Unknown, ..azure_failure(&error) },
            _ => azure_failure(&error),
        });
        match result? {
            Progress::Done => Ok(Done::Finished),
            Progress::Running { retry_after } => Ok(Done::Operation { operation: name, retry_after }),
        }
    }

    async fn check_gone(&self, change: &Change) -> Result<Done, Failure> {
        let waits = |reason: &str| Ok(Done::NotYet { reason: reason.to_owned() });
        match self.read(change).await? {
            None => Ok(Done::Finished),
            Some(Live::Namespace(_)) => waits("the cluster to finish the deletion"),
            Some(Live::Service(live)) => {
                let events = self.kubernetes()?.warnings(&live.key).await.map_err(|error| cluster_failure(&error))?;
                let says = events.first().map(|event| format!(", which says {}", event.summary())).unwrap_or_default();
                let what = "to clean up (load balancer frontend, Private Link Service)";
                waits(&format!("the cloud provider {what}{says}"))
            }
            Some(_) if change.removed_by.is_some() => waits("the cloud provider to delete it with its frontend"),
            Some(_) => waits("Azure to finish the deletion"),
        }
    }
}

fn find_connection(link: &LivePrivateLinkService, endpoint: &ResourceId) -> Option<LiveConnection> {
    // A connection whose endpoint Azure does not tell, or which shares its endpoint with a newer one, goes by its own id.
    let matches =
        |connection: &&LiveConnection| connection.endpoint.as_ref() == Some(endpoint) || connection.id == *endpoint;
    link.connections.iter().find(matches).cloned()
}

/// True if its deletion was begun.
fn is_going(live: &Live) -> bool {
    match live {
        Live::Namespace(live) => live.deleting,
        Live::Service(live) => live.deleting,
        other => seen_of(other).is_some_and(Seen::is_being_deleted),
    }
}

fn seen_of(live: &Live) -> Option<&Seen> {
    match live {
        Live::Namespace(_) | Live::Service(_) => None,
        Live::Subnet(live) => Some(&live.seen),
        Live::PrivateLinkService(live) => Some(&live.seen),
        Live::PrivateEndpoint(live) => Some(&live.seen),
        Live::Connection(live) => Some(&live.seen),
        Live::DnsRecord(live) => Some(&live.seen),
        Live::DnsLink(live) => Some(&live.seen),
    }
}
