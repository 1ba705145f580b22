//! The embedded simulator: Azure Resource Manager, Entra ID, Kubernetes and the cloud provider, on loopback.
//!
//! ```text
//!  world.yaml ─▶ World ─ seed ─▶ Arm ◀─ front ◀─ https, http     az, Terraform, azure_identity, privlink
//!                                 ▲      │  └ entra, metadata, admin
//!                                 └ Arm::call ─ controller ◀─ Kubernetes API ◀─ https     kubectl, privlink
//! ```
//! It shares identifier types with the rest of the program and nothing else: with our codecs or rules it would agree with
//! our mistakes. A program reaches it by base URLs and cannot tell.

mod admin;
pub mod arm;
mod chance;
pub mod clock;
mod cluster;
pub mod controller;
mod directory;
mod entra;
pub mod fault;
mod front;
pub mod kube;
pub mod log;
mod metadata;
mod seed;
mod server;
mod tls;
mod token;
pub mod world;

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::sim::admin::Admin;
use crate::sim::arm::{Arm, ArmOptions, ClusterAccess, Pace, Subscription, kubeconfig_entry};
use crate::sim::clock::Clock;
use crate::sim::cluster::RunningCluster;
use crate::sim::entra::Entra;
use crate::sim::fault::{Fault, Faults};
use crate::sim::front::Front;
use crate::sim::log::{LoggedRequest, RequestLog};
use crate::sim::server::Shutdown;
use crate::sim::tls::Tls;
use crate::sim::world::{SubscriptionState, World};

/// A simulator that cannot start.
#[derive(Debug, thiserror::Error)]
pub enum SimError {
    /// A port could not be opened.
    #[error("the simulator cannot listen on {address}: choose another port, or 0 for any")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A certificate could not be made.
    #[error("the simulator cannot make its certificates")]
    Certificate(#[source] rcgen::Error),
    /// The key of the certificate cannot be used.
    #[error("the simulator cannot use the key that it made for its certificate")]
    Key,
    /// TLS could not be set up.
    #[error("the simulator cannot set up TLS")]
    Tls(#[source] rustls::Error),
    /// A resource of the world breaks a rule of Azure.
    #[error("the world cannot exist: {id} is refused with {code}: {message}")]
    Seed {
        /// The resource.
        id: String,
        /// The error code.
        code: String,
        /// The error message.
        message: String,
    },
    /// A Service or node of the world breaks a rule of Kubernetes.
    #[error("the world cannot exist: cluster {cluster} refuses {object}: {message}")]
    Manifest {
        /// The cluster.
        cluster: String,
        /// Kind and name of the object.
        object: String,
        /// What the API server says.
        message: String,
    },
}

/// Where a simulator listens; 0 is any port.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// The port of Azure over plain HTTP, which also serves the admin API.
    pub azure_http_port: u16,
    /// The port of Azure over HTTPS.
    pub azure_https_port: u16,
    /// The port of the first cluster's API over HTTPS; each further cluster takes the next one.
    pub kubernetes_port: u16,
}

impl Options {
    fn cluster_port(&self, index: usize) -> u16 {
        match self.kubernetes_port {
            0 => 0,
            first => first.saturating_add(u16::try_from(index).unwrap_or(u16::MAX)),
        }
    }
}

/// How to reach one cluster.
#[derive(Clone)]
pub struct ClusterEndpoint {
    /// The base URL of its API.
    pub server: String,
    /// The bearer token that it accepts.
    pub token: String,
}

impl fmt::Debug for ClusterEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClusterEndpoint({})", self.server)
    }
}

/// How to reach a running simulator.
#[derive(Clone)]
pub struct Endpoints {
    /// Azure Resource Manager over HTTPS, without a slash at the end.
    pub resource_manager: String,
    /// The same over plain HTTP.
    pub resource_manager_http: String,
    /// Entra ID, over HTTPS.
    pub authority: String,
    /// The certificate authority to trust, in PEM.
    pub ca_pem: String,
    /// The clusters by name, which is also the name of their context.
    pub clusters: BTreeMap<String, ClusterEndpoint>,
    /// The admin API.
    pub admin_url: String,
    /// The token of the admin API; keep it in a file that only its user can read.
    pub admin_token: String,
}

impl fmt::Debug for Endpoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { resource_manager, clusters, .. } = self;
        f.debug_struct("Endpoints").field("resource_manager", resource_manager).field("clusters", clusters).finish()
    }
}

impl Endpoints {
    fn of_azure(http: SocketAddr, https: SocketAddr, ca_pem: &str) -> Self {
        Self {
            resource_manager: format!("https://{https}"),
            resource_manager_http: format!("http://{http}"),
            authority: format!("https://{https}"),
            ca_pem: ca_pem.to_owned(),
            clusters: BTreeMap::new(),
            admin_url: format!("http://{http}/_sim"),
            admin_token: random_hex(),
        }
    }

    /// A kubeconfig with one context per cluster, named like it.
    pub fn kubeconfig(&self) -> String {
        let entries: Vec<_> = self
            .clusters
            .iter()
            .map(|(name, endpoint)| kubeconfig_entry(name, &access(endpoint, &self.ca_pem)))
            .collect();
        let part = |key: &str| entries.iter().map(|entry| entry[key].clone()).collect::<Vec<_>>();
        let config = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "preferences": {},
            "current-context": self.clusters.keys().next().cloned().unwrap_or_default(),
            "clusters": part("cluster"),
            "users": part("user"),
            "contexts": part("context"),
        });
        serde_yaml::to_string(&config).expect("a JSON value of strings is YAML")
    }
}

fn access(endpoint: &ClusterEndpoint, ca_pem: &str) -> ClusterAccess {
    ClusterAccess { server: endpoint.server.clone(), ca_pem: ca_pem.to_owned(), token: endpoint.token.clone() }
}

/// A running simulator.
pub struct Simulator {
    endpoints: Endpoints,
    arm: Arm,
    clock: Clock,
    clusters: BTreeMap<String, RunningCluster>,
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
        let tls = Tls::generate()?;
        let (stop, shutdown) = watch::channel(false);
        let (http, http_address) = server::listen(options.azure_http_port).await?;
        let (https, https_address) = server::listen(options.azure_https_port).await?;
        let endpoints = Endpoints::of_azure(http_address, https_address, &tls.ca_pem);
        let front = Arc::new(Front {
            arm: arm.clone(),
            entra: Entra::new(world, random_key(), clock.clone()),
            admin: Admin { token: endpoints.admin_token.clone(), arm: arm.clone(), clock: clock.clone() },
            origins: vec![endpoints.resource_manager.clone(), endpoints.resource_manager_http.clone()],
            locations: vec![world.location.to_string()],
        });
        let running = vec![
            tokio::spawn(server::serve(front::router(front.clone(), true), http, None, shutdown.clone())),
            tokio::spawn(server::serve(
                front::router(front, false),
                https,
                Some(tls.acceptor.clone()),
                shutdown.clone(),
            )),
        ];
        let mut simulator = Self { endpoints, arm, clock, clusters: BTreeMap::new(), stop, running };
        simulator.start_clusters(world, options, (&tls, shutdown)).await?;
        // What the world's Services need is there before anybody looks.
        simulator.idle().await;
        Ok(simulator)
    }

    /// Opens the API of every cluster of the world and starts its cloud provider.
    async fn start_clusters(
        &mut self,
        world: &World,
        options: Options,
        (tls, shutdown): (&Tls, Shutdown),
    ) -> Result<(), SimError> {
        for (index, own) in world.clusters.iter().enumerate() {
            let (listener, address) = server::listen(options.cluster_port(index)).await?;
            let token = self.arm.state().chance.guid(&format!("token {}", own.name)).simple().to_string();
            let endpoint = ClusterEndpoint { server: format!("https://{address}"), token };
            self.arm.set_cluster_access(&own.id(), access(&endpoint, &self.endpoints.ca_pem));
            let cluster = cluster::start(world, own, (&self.arm, &self.clock, &endpoint.token), shutdown.clone())?;
            let served = server::serve(cluster.api.router(), listener, Some(tls.acceptor.clone()), shutdown.clone());
            self.running.push(tokio::spawn(served));
            self.endpoints.clusters.insert(own.name.clone(), endpoint);
            self.clusters.insert(own.name.clone(), cluster);
        }
        Ok(())
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
        self.clusters.values().for_each(|cluster| cluster.controller.resync());
    }

    /// Every request so far, those of the simulated cloud provider included.
    pub fn requests(&self) -> Vec<LoggedRequest> {
        self.arm.log().requests()
    }

    /// The writes of clients outside: on Azure and on the clusters.
    pub fn writes(&self) -> Vec<LoggedRequest> {
        self.arm.log().writes()
    }

    /// Makes requests fail from now on.
    pub fn add_fault(&self, fault: Fault) {
        self.arm.faults().add(fault);
    }

    /// Ends all faults.
    pub fn clear_faults(&self) {
        self.arm.faults().clear();
    }

    /// Moves the simulator's clock, so that operations that take wall time end and tokens expire.
    pub fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    /// Stops serving, lets answers in flight finish, and closes the ports.
    pub async fn stop(self) {
        let _ = self.stop.send(true);
        // A watch would hold its connection open for ever.
        self.clusters.values().for_each(|cluster| cluster.api.close());
        for server in self.running {
            // A server that panicked has stopped as well.
            let _ = server.await;
        }
    }
}

/// Makes a resource manager and everything that a world lists, without opening a port.
///
/// # Errors
/// If the world breaks a rule of Azure.
pub fn resource_manager(world: &World, clock: &Clock) -> Result<Arm, SimError> {
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
        // What exists from the start took no time to make.
        pace: Pace { polls: 0, least: Duration::ZERO, retry_after: 0 },
        page_size: world.operations.page_size,
        subscriptions: world.subscriptions.iter().map(subscription).collect(),
        clock: clock.clone(),
        faults: Faults::default(),
        log: RequestLog::default(),
    });
    seed::sow(&arm, world)?;
    arm.state().pace = Pace {
        polls: world.operations.polls,
        least: Duration::from_millis(world.operations.milliseconds),
        retry_after: world.operations.retry_after_seconds,
    };
    arm.log().clear();
    world.faults.iter().for_each(|fault| arm.faults().add(fault.clone()));
    Ok(arm)
}

fn random_key() -> [u8; 32] {
    let mut key = [0; 32];
    key[..16].copy_from_slice(uuid::Uuid::new_v4().as_bytes());
    key[16..].copy_from_slice(uuid::Uuid::new_v4().as_bytes());
    key
}

fn random_hex() -> String {
    format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple())
}
