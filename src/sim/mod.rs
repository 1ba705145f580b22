//! The embedded simulator: Azure Resource Manager, Entra ID, Kubernetes and the cloud provider, on loopback.
//!
//! ```text
//!  world.yaml ─▶ World ─ seed ─▶ Arm ◀─ front ◀─ https, http     az, Terraform, azure_identity, privlink
//!                                         ▲ └ entra, metadata, admin
//!                                         └ http ─ controller ◀─ Kubernetes API ◀─ https      kubectl, privlink
//! ```
//! It shares identifier types with the rest of the program and nothing else: with our codecs or rules it would agree with
//! our mistakes. A program reaches it by base URLs and cannot tell.

mod admin;
pub mod arm;
mod challenge;
mod chance;
pub mod clock;
mod cluster;
pub mod controller;
mod directory;
mod endpoints;
mod entra;
mod error;
pub mod fault;
mod front;
mod identity;
pub mod kube;
pub mod log;
mod machine;
mod metadata;
pub mod saved;
mod seed;
mod server;
pub mod tls;
mod token;
pub mod world;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::sim::admin::Admin;
use crate::sim::arm::{Arm, ArmOptions, Subscription};
use crate::sim::challenge::Challenges;
use crate::sim::clock::Clock;
use crate::sim::cluster::{AzurePlace, Beginning, Clusters, RunningCluster};
use crate::sim::endpoints::access;
pub use crate::sim::endpoints::{ClusterEndpoint, Endpoints};
use crate::sim::entra::Entra;
pub use crate::sim::error::SimError;
use crate::sim::fault::{Fault, Faults};
use crate::sim::front::Front;
use crate::sim::log::{LoggedRequest, RequestLog};
use crate::sim::saved::{Ports, Saved, SavedEndpoint};
use crate::sim::server::Shutdown;
use crate::sim::tls::{Certificate, Tls};
use crate::sim::world::{CloudProvider, ClusterUser, SubscriptionState, World};

/// Where a simulator listens, and as what; port 0 is any.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The port of Azure over plain HTTP, which also serves the admin API.
    pub azure_http_port: u16,
    /// The port of Azure over HTTPS.
    pub azure_https_port: u16,
    /// The port of the first cluster's API over HTTPS; each further cluster takes the next one.
    pub kubernetes_port: u16,
    /// What its servers present; made anew if absent.
    pub certificate: Option<Certificate>,
    /// Run no cloud provider, so that a real one can take its place.
    pub no_cloud_provider: bool,
}

impl Options {
    fn cluster_port(&self, index: usize) -> u16 {
        match self.kubernetes_port {
            0 => 0,
            first => first.saturating_add(u16::try_from(index).unwrap_or(u16::MAX)),
        }
    }
}

/// A running simulator.
pub struct Simulator {
    endpoints: Endpoints,
    ports: Ports,
    arm: Arm,
    clock: Clock,
    certificate: Certificate,
    signing_key: [u8; 32],
    challenges: Challenges,
    clusters: BTreeMap<String, RunningCluster>,
    shared: Clusters,
    stop: watch::Sender<bool>,
    running: Vec<JoinHandle<()>>,
}

impl Simulator {
    /// Makes the world and opens the ports.
    ///
    /// # Errors
    /// If the world breaks a rule of Azure or a port is taken.
    pub async fn start(world: &World, options: Options) -> Result<Self, SimError> {
        let clock = Clock::start();
        let arm = resource_manager(world, &clock)?;
        Self::open(world, options, (arm, clock), None).await
    }

    /// Goes on with a world as it was when it was saved, at the ports it had unless the options name others.
    ///
    /// # Errors
    /// If a port is taken, or if the saved world is not this one.
    pub async fn resume(world: &World, options: Options, saved: &Saved) -> Result<Self, SimError> {
        let clock = Clock::resume(saved.clock);
        let arm = empty_resource_manager(world, &clock);
        arm.restore(&saved.arm).map_err(|id| SimError::Saved { id })?;
        arm.faults().restore(saved.faults.clone());
        Self::open(world, options, (arm, clock), Some(saved)).await
    }

    async fn open(
        world: &World,
        options: Options,
        (arm, clock): (Arm, Clock),
        saved: Option<&Saved>,
    ) -> Result<Self, SimError> {
        let certificate = options.certificate.clone().or_else(|| saved.map(|saved| saved.certificate.clone()));
        let certificate = certificate.map_or_else(Certificate::generate, Ok)?;
        let tls = Tls::of(&certificate)?;
        let signing_key = saved.map_or_else(random_key, |saved| saved.signing_key);
        let ports = saved.map(|saved| saved.ports).unwrap_or_default().or(&options);
        let (stop, shutdown) = watch::channel(false);
        let (http, http_address) = server::listen(ports.http).await?;
        let (https, https_address) = server::listen(ports.https).await?;
        let endpoints = Endpoints::of_azure(http_address, https_address, &certificate.ca);
        let (shared, challenges) = (Clusters::default(), Challenges::default());
        let entra = Arc::new(Entra::new(world, signing_key, (clock.clone(), challenges.clone())));
        let front = Arc::new(Front {
            arm: arm.clone(),
            entra: entra.clone(),
            admin: Admin {
                token: endpoints.admin_token.clone(),
                arm: arm.clone(),
                clock: clock.clone(),
                clusters: shared.clone(),
            },
            clock: clock.clone(),
            origins: vec![endpoints.resource_manager.clone(), endpoints.resource_manager_http.clone()],
            locations: vec![world.location.to_string()],
        });
        let plain = server::serve(front::router(front.clone(), true), http, None, shutdown.clone());
        let secure = front::router(front, false);
        let secure = server::serve(secure, https, Some(tls.acceptor.clone()), shutdown.clone());
        let running = vec![tokio::spawn(plain), tokio::spawn(secure)];
        let ports = Ports { http: http_address.port(), https: https_address.port() };
        let clusters = BTreeMap::new();
        let mut simulator = Self {
            endpoints,
            ports,
            arm,
            clock,
            certificate,
            signing_key,
            challenges,
            clusters,
            shared,
            stop,
            running,
        };
        simulator.start_clusters(world, &options, (&tls, shutdown, saved), &entra).await?;
        // What the world's Services need is there before anybody looks.
        simulator.idle().await;
        Ok(simulator)
    }

    /// Opens the API of every cluster of the world and starts its cloud provider.
    async fn start_clusters(
        &mut self,
        world: &World,
        options: &Options,
        (tls, shutdown, saved): (&Tls, Shutdown, Option<&Saved>),
        entra: &Arc<Entra>,
    ) -> Result<(), SimError> {
        for (index, own) in world.clusters.iter().enumerate() {
            let saved = saved.and_then(|saved| saved.clusters.get(&own.name));
            let port = match options.cluster_port(index) {
                0 => saved.map_or(0, |saved| saved.port),
                port => port,
            };
            let (listener, address) = server::listen(port).await?;
            let new = |whose: &str| self.arm.state().chance.guid(&format!("token {whose}")).simple().to_string();
            let token = saved.map_or_else(|| new(&own.name), |saved| saved.token.clone());
            let token_of = |user: &ClusterUser| {
                let kept = saved.and_then(|saved| saved.users.get(&user.name).cloned());
                (user.name.clone(), kept.unwrap_or_else(|| new(&format!("{}@{}", user.name, own.name))))
            };
            let users = own.users.iter().map(token_of).collect();
            let endpoint = ClusterEndpoint { server: format!("https://{address}"), token, users };
            self.arm.set_cluster_access(&own.id(), access(&endpoint, &self.endpoints.ca_pem));
            let beginning = Beginning {
                endpoint: &endpoint,
                saved: saved.map(|saved| &saved.objects),
                has_cloud_provider: own.cloud_provider == CloudProvider::Simulated && !options.no_cloud_provider,
                shutdown: shutdown.clone(),
            };
            let origin = &self.endpoints.resource_manager_http;
            let azure = AzurePlace { arm: &self.arm, entra, clock: &self.clock, origin };
            let cluster = cluster::start(world, own, &azure, beginning)?;
            let served = server::serve(cluster.api.router(), listener, Some(tls.acceptor.clone()), shutdown.clone());
            self.running.push(tokio::spawn(served));
            self.endpoints.clusters.insert(own.name.clone(), endpoint);
            self.clusters.insert(own.name.clone(), cluster);
        }
        let stale = self.arm.faults().list().into_iter().filter(|rule| rule.fault.stale);
        for rule in stale {
            self.clusters.values().for_each(|cluster| cluster.api.keep_for(rule.id));
        }
        self.shared.set(self.clusters.clone());
        Ok(())
    }

    /// Everything that a later start needs to go on from here. `world` is the text of the world's file.
    pub fn save(&self, world: &str) -> Saved {
        let endpoint = |(name, cluster): (&String, &RunningCluster)| {
            let ClusterEndpoint { server, token, users } = self.endpoints.clusters[name].clone();
            let port = server.rsplit(':').next().and_then(|port| port.parse().ok()).unwrap_or(0);
            (name.clone(), SavedEndpoint { port, token, users, objects: cluster.api.save() })
        };
        let mut faults = self.arm.faults().list();
        // What was there when they began is not kept, so stale reads end with the process.
        faults.retain(|rule| !rule.fault.stale);
        Saved {
            world: world.to_owned(),
            ports: self.ports,
            clock: self.clock.reading(),
            certificate: self.certificate.clone(),
            signing_key: self.signing_key,
            arm: self.arm.save(),
            clusters: self.clusters.iter().map(endpoint).collect(),
            faults,
        }
    }

    /// Changes whenever something may have changed that is worth saving.
    pub fn revision(&self) -> Revision {
        Revision {
            requests: self.arm.log().count(),
            objects: self.clusters.values().map(|cluster| cluster.api.newest()).sum(),
            ahead: self.clock.ahead(),
        }
    }

    /// How to reach it.
    pub fn endpoints(&self) -> &Endpoints {
        &self.endpoints
    }

    /// Its resource manager, for calls from inside.
    pub fn arm(&self) -> &Arm {
        &self.arm
    }

    /// A cluster's Kubernetes API, for calls from inside.
    pub fn cluster(&self, name: &str) -> Option<&kube::Cluster> {
        self.clusters.get(name).map(|cluster| &cluster.api)
    }

    /// Resolves when no cluster's cloud provider has anything left to do; what failed and waits for a retry does not count.
    pub async fn idle(&self) {
        for cluster in self.clusters.values() {
            cluster.api.idle().await;
        }
    }

    /// Makes the cloud providers try everything that failed again, now.
    pub fn resync(&self) {
        self.shared.resync();
    }

    /// Every request so far, those of the simulated cloud provider included.
    pub fn requests(&self) -> Vec<LoggedRequest> {
        self.arm.log().requests()
    }

    /// The writes of clients outside: on Azure and on the clusters.
    pub fn writes(&self) -> Vec<LoggedRequest> {
        self.arm.log().writes()
    }

    /// How many of these there were, also where the log has forgotten the first ones.
    pub fn write_count(&self) -> usize {
        self.arm.log().write_count()
    }

    /// Makes requests fail from now on.
    pub fn add_fault(&self, fault: Fault) {
        let is_stale = fault.stale;
        let id = self.arm.add_fault(fault);
        if is_stale {
            self.clusters.values().for_each(|cluster| cluster.api.keep_for(id));
        }
    }

    /// Ends all faults.
    pub fn clear_faults(&self) {
        self.arm.faults().clear();
    }

    /// How many requests the faults in force have hit.
    pub fn fault_hits(&self) -> u32 {
        self.arm.faults().list().iter().map(|rule| rule.hits).sum()
    }

    /// Moves the simulator's clock, so that operations that take wall time end and tokens expire.
    pub fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    /// Refuses the tokens that an application has, and wants the claims of the refusal in its next request for one.
    pub fn challenge(&self, client_id: &str) {
        self.challenges.begin(client_id, self.clock.unix_seconds());
    }

    /// Stops serving, lets answers in flight finish, and closes the ports.
    pub async fn stop(mut self) {
        self.close().await;
    }

    /// Like [`Simulator::stop`], but what it holds can still be saved.
    pub async fn close(&mut self) {
        let _ = self.stop.send(true);
        // A watch would hold its connection open for ever.
        self.clusters.values().for_each(|cluster| cluster.api.close());
        for server in self.running.drain(..) {
            // A server that panicked has stopped as well.
            let _ = server.await;
        }
    }
}

/// What tells whether anything happened since a world was saved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Revision {
    requests: u64,
    objects: u64,
    ahead: Duration,
}

/// Makes a resource manager and everything that a world lists, without opening a port.
///
/// # Errors
/// If the world breaks a rule of Azure.
pub fn resource_manager(world: &World, clock: &Clock) -> Result<Arm, SimError> {
    let arm = empty_resource_manager(world, clock);
    // What exists from the start took no time to make.
    let pace = std::mem::take(&mut arm.state().pace);
    seed::sow(&arm, world)?;
    arm.state().pace = pace;
    arm.log().clear();
    for fault in &world.faults {
        arm.add_fault(fault.clone());
    }
    Ok(arm)
}

/// Makes a resource manager with the subscriptions, roles and principals of a world, and nothing else.
fn empty_resource_manager(world: &World, clock: &Clock) -> Arm {
    let subscription = |own: &world::Subscription| Subscription {
        id: own.id.to_string(),
        name: own.name.clone(),
        tenant: world.tenant_of(own).to_string(),
        is_disabled: own.state == SubscriptionState::Disabled,
        unregistered: own.not_registered.iter().map(|namespace| namespace.to_ascii_lowercase()).collect(),
        registering: Default::default(),
    };
    let arm = Arm::new(ArmOptions {
        seed: world.seed,
        location: world.location.to_string(),
        pace: world.operations.pace(),
        throttling: world.throttling,
        page_size: world.operations.page_size,
        subscriptions: world.subscriptions.iter().map(subscription).collect(),
        clock: clock.clone(),
        faults: Faults::new(world.seed, clock.clone()),
        log: RequestLog::default(),
    });
    seed::directory(&arm, world);
    arm
}

fn random_key() -> [u8; 32] {
    let mut key = [0; 32];
    key[..16].copy_from_slice(uuid::Uuid::new_v4().as_bytes());
    key[16..].copy_from_slice(uuid::Uuid::new_v4().as_bytes());
    key
}
