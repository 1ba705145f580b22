//! From a cluster of the world to one that runs: its API, its nodes and Services, its cloud provider.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};

use crate::sim::arm::Arm;
use crate::sim::clock::Clock;
use crate::sim::controller::{AzureAccess, CloudConfig, Controller};
use crate::sim::entra::{Entra, cloud_provider};
use crate::sim::kube::status_error::ApiError;
use crate::sim::kube::{Cluster, ClusterOptions, Directory, SavedObjects, Token};
use crate::sim::machine::{Machine, machines, scale_set_id};
use crate::sim::seed;
use crate::sim::server::Shutdown;
use crate::sim::world::{self, ClusterUser, World};
use crate::sim::{ClusterEndpoint, SimError};

/// A cluster and what runs in it.
#[derive(Clone)]
pub(crate) struct RunningCluster {
    pub(crate) api: Cluster,
    /// The simulated cloud provider, unless a real one is to take its place.
    pub(crate) controller: Option<Controller>,
}

/// The clusters of a simulator by name, for those who were there before them.
#[derive(Clone, Default)]
pub(crate) struct Clusters(Arc<Mutex<BTreeMap<String, RunningCluster>>>);

impl Clusters {
    pub(crate) fn set(&self, clusters: BTreeMap<String, RunningCluster>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = clusters;
    }

    pub(crate) fn all(&self) -> BTreeMap<String, RunningCluster> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Makes the cloud providers try everything that failed again, now.
    pub(crate) fn resync(&self) {
        self.all().values().filter_map(|cluster| cluster.controller.as_ref()).for_each(Controller::resync);
    }
}

/// What a cluster starts with.
pub(crate) struct Beginning<'a> {
    /// Where it is reached, and by whom.
    pub(crate) endpoint: &'a ClusterEndpoint,
    /// What was in it when it was saved; without it the world's nodes and Services are made.
    pub(crate) saved: Option<&'a SavedObjects>,
    pub(crate) has_cloud_provider: bool,
    pub(crate) shutdown: Shutdown,
}

/// The Azure that a cluster is in, and the address at which its cloud provider reaches it.
pub(crate) struct AzurePlace<'a> {
    pub(crate) arm: &'a Arm,
    pub(crate) entra: &'a Arc<Entra>,
    pub(crate) clock: &'a Clock,
    pub(crate) origin: &'a str,
}

/// Starts a cluster. Its Services exist before its cloud provider looks at them for the first time.
pub(crate) fn start(
    world: &World,
    own: &world::Cluster,
    azure: &AzurePlace<'_>,
    beginning: Beginning<'_>,
) -> Result<RunningCluster, SimError> {
    let AzurePlace { arm, entra, clock, origin } = *azure;
    let Beginning { endpoint, saved, has_cloud_provider, shutdown } = beginning;
    let user = |user: &ClusterUser| Some((Token::new(endpoint.users.get(&user.name)?), Arc::new(user.clone())));
    let options = ClusterOptions {
        name: own.name.clone(),
        token: Token::new(&endpoint.token),
        users: own.users.iter().filter_map(user).collect(),
        directory: own.entra.then(|| directory(entra.clone())),
        seed: format!("{}/{}", world.seed, own.name),
        version: own.version.clone(),
        ip_families: own.ip_families.clone(),
        admission: own.admission.clone(),
        clock: clock.clone(),
        log: arm.log().clone(),
        faults: arm.faults().clone(),
    };
    let api = match saved {
        Some(saved) => Cluster::resume(options, saved),
        None => populate(Cluster::new(options), own)?,
    };
    let client_id = cloud_provider(world, own).client_id.to_string();
    let access = AzureAccess { origin: origin.to_owned(), client_id };
    let start = || Controller::start(api.clone(), access, cloud_config(world, own), shutdown);
    let controller = has_cloud_provider.then(start);
    Ok(RunningCluster { api, controller })
}

fn directory(entra: Arc<Entra>) -> Directory {
    Directory::new(move |token| entra.cluster_user(token))
}

/// Makes the world's nodes and Services.
fn populate(api: Cluster, own: &world::Cluster) -> Result<Cluster, SimError> {
    for machine in machines(own) {
        accept(&api, &node_manifest(own, &machine), Cluster::create_raw)?;
    }
    for service in &own.services {
        if let Some(namespace) = service["metadata"]["namespace"].as_str() {
            let manifest = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
            accept(&api, &manifest, Cluster::apply_raw)?;
        }
        accept(&api, service, Cluster::apply_raw)?;
    }
    Ok(api)
}

type Send = fn(&Cluster, &Value) -> Result<Value, ApiError>;

fn accept(api: &Cluster, manifest: &Value, send: Send) -> Result<(), SimError> {
    send(api, manifest).map(drop).map_err(|error| SimError::Manifest {
        cluster: api.name().to_owned(),
        object: format!(
            "{} {}",
            manifest["kind"].as_str().unwrap_or("an object without kind"),
            manifest["metadata"]["name"].as_str().unwrap_or("without a name")
        ),
        message: error.message,
    })
}

fn cloud_config(world: &World, own: &world::Cluster) -> CloudConfig {
    // A cluster that does not say which cloud provider it has gets the newest behaviour.
    let rejects = |version: &String| CloudConfig::version_rejects_foreign_names(version);
    CloudConfig {
        subscription: own.subscription.to_string(),
        // The real one folds this name when it reads its configuration, and no other.
        resource_group: own.node_resource_group.as_str().to_ascii_lowercase(),
        location: world.location.to_string(),
        network_group: own.network_group().to_string(),
        network: own.virtual_network.clone(),
        subnet: own.subnet.clone(),
        security_group_group: own.node_resource_group.to_string(),
        security_group: seed::SECURITY_GROUP.to_owned(),
        backend_pool_type: own.backend_pool_type,
        cluster_name: "kubernetes".to_owned(),
        rejects_foreign_names: own.cloud_provider_version.as_ref().is_none_or(rejects),
        retry: Duration::from_millis(world.controller.retry_milliseconds),
        delay: Duration::from_millis(world.controller.delay_milliseconds),
        cache: Duration::from_secs(world.controller.cache_seconds),
    }
}

fn node_manifest(own: &world::Cluster, machine: &Machine<'_>) -> Value {
    let Machine { scale_set, instance, node } = machine;
    json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": {"name": node.name, "labels": {
            "kubernetes.io/hostname": node.name,
            "kubernetes.azure.com/cluster": own.node_resource_group,
        }},
        "spec": {"providerID": format!("azure://{}/virtualMachines/{instance}", scale_set_id(own, scale_set))},
        "status": {
            "addresses": [
                {"type": "InternalIP", "address": node.address},
                {"type": "Hostname", "address": node.name},
            ],
            "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady"}],
            "nodeInfo": {"kubeletVersion": format!("v{}", own.version)},
        },
    })
}
