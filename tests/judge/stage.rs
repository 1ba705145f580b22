//! A world that goes on: a simulator, the adapters that look at it, and the repository that its Services come from.

use std::collections::BTreeMap;
use std::sync::Arc;

use privlink::azure::Azure;
use privlink::azure::Settings;
use privlink::azure::cloud::Cloud;
use privlink::cloud_provider::version::Behaviour;
use privlink::desired::Desired;
use privlink::desired::authority;
use privlink::desired::policy::Policy;
use privlink::desired::resolve::Source;
use privlink::desired::resolve::resolve;
use privlink::domain::cluster::ManagedCluster;
use privlink::domain::commit::File;
use privlink::domain::commit::RepoPath;
use privlink::domain::commit::Snapshot;
use privlink::domain::kubernetes::ObjectKey;
use privlink::kubernetes::Cluster;
use privlink::observed::Observed;
use privlink::reconcile::observe::observe;
use privlink::reconcile::source;
use privlink::reconcile::source::Loaded;
use privlink::reconcile::world::World as Ways;
use privlink::repo;
use privlink::repo::settings;
use privlink::sim::Options;
use privlink::sim::Simulator;
use privlink::sim::kube;
use privlink::sim::world::World;
use serde_json::Value;
use serde_json::json;

use crate::adapters;
use crate::runner::worlds::CONSUMER;
use crate::runner::worlds::PROVIDER;

const CLUSTER: &str = "myAKSCluster";

/// The first version of the cloud provider that leaves the names of others alone.
const REFUSING: &str = "1.36.6";
/// The last one that takes them over.
const HIJACKING: &str = "1.36.5";

/// What a world and its repository begin with.
#[derive(Clone, Debug)]
pub(crate) struct Beginning {
    pub(crate) world: World,
    /// True if the cloud provider refuses a name that another Service's Private Link Service has.
    pub(crate) refuses_taken_names: bool,
    pub(crate) prune: bool,
}

pub(crate) struct Stage {
    pub(crate) simulator: Simulator,
    pub(crate) behaviour: Behaviour,
    /// The manifests of the repository.
    pub(crate) manifests: BTreeMap<ObjectKey, Value>,
    /// True if a manifest that goes takes its Service along.
    pub(crate) prune: bool,
    ways: Ways,
    policy: Policy,
    text: String,
    settings: settings::Settings,
    managed: ManagedCluster,
}

impl Stage {
    pub(crate) async fn new(beginning: &Beginning) -> Self {
        let mut world = beginning.world.clone();
        let version = if beginning.refuses_taken_names { REFUSING } else { HIJACKING };
        world.clusters[0].cloud_provider_version = Some(version.to_owned());
        // What fails is tried again only when somebody edits it: the world stands still between edits.
        world.controller.retry_milliseconds = 3_600_000;
        world.operations.polls = 0;
        let simulator = Simulator::start(&world, Options::default()).await.unwrap();
        let ways = connect(&simulator).await;
        let text = settings_text(beginning.prune, version);
        let settings = settings_of(&text);
        let policy = authority::policy(&settings, &"prod".parse().unwrap()).unwrap();
        let aks = &policy.cluster.as_ref().unwrap().aks;
        let managed = ways.azure.managed_cluster(aks).await.unwrap();
        let behaviour = Behaviour { refuses_taken_names: beginning.refuses_taken_names };
        Self {
            simulator,
            behaviour,
            manifests: BTreeMap::new(),
            prune: beginning.prune,
            ways,
            policy,
            text,
            settings,
            managed,
        }
    }

    /// The repository of these manifests, read with its settings.
    pub(crate) fn loaded(&self, manifests: &BTreeMap<RepoPath, String>) -> Loaded {
        let file = |(path, text): (&RepoPath, &String)| (path.clone(), File::Bytes(text.clone().into_bytes()));
        let keep = ("environments/prod/README.md".parse().unwrap(), File::Bytes(b"ours".to_vec()));
        let snapshot = Snapshot { files: manifests.iter().map(file).chain([keep]).collect(), ..Snapshot::default() };
        let name: RepoPath = "privlink.toml".parse().unwrap();
        let loaded = source::load(source::Source {
            snapshot,
            base: None,
            authority: Some(((&name).into(), self.text.clone().into_bytes())),
            authority_note: String::new(),
            planned_note: String::new(),
            commit: None,
            upstream: None,
        });
        loaded.map_err(|(diagnostics, _)| diagnostics).unwrap()
    }

    pub(crate) fn policy(&self) -> &Policy {
        &self.policy
    }

    pub(crate) fn cluster(&self) -> &Cluster {
        self.ways.cluster.as_ref().unwrap()
    }

    pub(crate) fn inside(&self) -> &kube::Cluster {
        self.simulator.cluster(CLUSTER).unwrap()
    }

    pub(crate) async fn observe(&self) -> Observed {
        let observed = observe(&self.ways, &self.policy, (Some(&self.managed), None), &self.policy.scope.subscriptions)
            .await
            .unwrap();
        assert!(observed.gaps.is_empty(), "{:?}", observed.gaps);
        observed
    }

    /// What the repository asks for with these manifests, whatever `privlink check` says about them.
    pub(crate) fn desired(&self, manifests: &BTreeMap<ObjectKey, Value>) -> Desired {
        let file = |(key, manifest): (&ObjectKey, &Value)| {
            let path = format!("environments/prod/{}.yaml", key.name).parse().unwrap();
            (path, File::Bytes(manifest.to_string().into_bytes()))
        };
        let snapshot = Snapshot { files: manifests.iter().map(file).collect(), ..Snapshot::default() };
        let reading = repo::read(&snapshot, &self.settings);
        let cluster = Some(&self.managed);
        let source = Source {
            documents: &reading.documents,
            policy: &self.policy,
            cluster,
            path_exists: true,
            now: jiff::Timestamp::UNIX_EPOCH,
        };
        resolve(source).0
    }

    /// Makes the cloud provider look at a Service once more.
    pub(crate) fn poke(&self, service: &ObjectKey) {
        let patch = json!({"metadata": {"annotations": {"judge.example/again": self.failures(service).0.to_string()}}});
        let key = (service.namespace.as_str(), service.name.as_str());
        // One that is gone by now needs it no more.
        drop(self.inside().patch_service(key.0, key.1, (&patch, "somebody")));
    }

    /// The body of a resource that exists.
    pub(crate) fn get(&self, id: &str) -> Option<Value> {
        let reply = self.simulator.arm().call("GET", id, &[], None);
        reply.is_success().then_some(reply.body)
    }

    pub(crate) fn put(&self, id: &str, body: Value) -> bool {
        let arm = self.simulator.arm();
        arm.settle(&arm.call("PUT", id, &[], Some(body))).is_success()
    }

    pub(crate) fn delete(&self, id: &str) {
        let arm = self.simulator.arm();
        arm.settle(&arm.call("DELETE", id, &[], None));
    }

    /// Connects an endpoint of the consumer to a Private Link Service.
    pub(crate) fn connect_endpoint(&self, name: &str, link: &str) {
        let theirs =
            format!("/subscriptions/{CONSUMER}/resourceGroups/myOtherResourceGroup/providers/Microsoft.Network");
        let body = json!({"location": "eastus2", "properties": {
            "subnet": {"id": format!("{theirs}/virtualNetworks/myOtherVNET/subnets/pe-subnet")},
            "privateLinkServiceConnections": [{"name": name, "properties": {"privateLinkServiceId": link}}],
        }});
        self.put(&format!("{theirs}/privateEndpoints/{name}"), body);
    }

    /// How often the syncs of a Service failed, and the words of the last failure.
    pub(crate) fn failures(&self, service: &ObjectKey) -> (u64, String) {
        let events = self.inside().events(service.namespace.as_str(), service.name.as_str());
        let failed = || events.iter().filter(|event| event["reason"] == "SyncLoadBalancerFailed");
        let count = failed().map(|event| event["count"].as_u64().unwrap_or(1)).sum();
        let last = failed().next_back().and_then(|event| event["message"].as_str()).unwrap_or_default();
        (count, last.to_owned())
    }
}

async fn connect(simulator: &Simulator) -> Ways {
    let endpoints = simulator.endpoints();
    let cloud = Cloud::custom(&format!("{},{}", endpoints.resource_manager_http, endpoints.authority)).unwrap();
    let azure = Azure::new(Settings { cloud, ..adapters::settings(simulator, adapters::PLANNER) });
    let cluster = Cluster::connect(&endpoints.kubeconfig(), Some(CLUSTER)).await;
    Ways { azure: Arc::new(azure.unwrap()), cluster: Some(Arc::new(cluster.unwrap())) }
}

fn settings_of(text: &str) -> settings::Settings {
    let (settings, diagnostics) = settings::parse(&"privlink.toml".parse().unwrap(), text);
    assert!(settings.is_some(), "{diagnostics:?}");
    settings.unwrap()
}

fn settings_text(prune: bool, version: &str) -> String {
    format!(
        r#"version = 1
owner = "6f1c2b9e-4d3a-4c57-9a1e-0b7d5f8c2a10"
[environments.prod]
path = "environments/prod"
cloud = "simulator"
subscription = "{PROVIDER}"
cloud-provider-version = "{version}"
prune = {prune}
max-deletes = 100
[environments.prod.cluster]
aks = "/subscriptions/{PROVIDER}/resourceGroups/myResourceGroup/providers/Microsoft.ContainerService/managedClusters/{CLUSTER}"
"#
    )
}
