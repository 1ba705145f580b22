//! A config repository as text, one line away from any other one.
//!
//! [`Case::shop`] has every kind once: a Service that its own document publishes, one that privlink publishes, one that
//! somebody else deploys, one that is not published at all; endpoints for each, one of them by a foreign alias; records.

use std::collections::BTreeMap;

use privlink::desired::Desired;
use privlink::desired::authority;
use privlink::desired::policy::Policy;
use privlink::desired::resolve::Source;
use privlink::desired::resolve::diagnose;
use privlink::desired::resolve::resolve;
use privlink::diagnostic::Diagnostics;
use privlink::domain::azure::ResourceId;
use privlink::domain::cluster::Balancing;
use privlink::domain::cluster::ManagedCluster;
use privlink::domain::commit::File;
use privlink::domain::commit::Snapshot;
use privlink::repo;
use privlink::repo::document::Document;
use privlink::repo::settings;

/// The provider's subscription.
pub(crate) const PROVIDER: &str = "00000000-0000-0000-0000-000000000001";
/// The consumer's subscription.
pub(crate) const CONSUMER: &str = "00000000-0000-0000-0000-000000000002";
/// Somebody else's subscription.
pub(crate) const STRANGER: &str = "00000000-0000-0000-0000-000000000003";

/// The time at which files are read: suspensions end.
const NOW: &str = "2026-06-01T12:00:00Z";

/// The settings of the repository.
pub(crate) const SETTINGS: &str = r#"version = 1
owner = "6f1c0000-0000-4000-8000-000000000001"

[consumers."00000000-0000-0000-0000-000000000002"]
name = "ACME trading"
contact = "net@acme.example"

[approvers.alice]
[approvers.bob]
[approvers.carol]

[environments.prod]
path = "environments/prod"
subscription = "00000000-0000-0000-0000-000000000001"
cluster = { aks = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-aks/providers/Microsoft.ContainerService/managedClusters/prod" }
scope = { subscriptions = ["00000000-0000-0000-0000-000000000001", "00000000-0000-0000-0000-000000000002"] }
prune = true
max-deletes = 20

[environments.test]
path = "environments/test"
subscription = "00000000-0000-0000-0000-000000000001"
"#;

const ORDERS: &str = r#"apiVersion: v1
kind: Service
metadata:
  name: orders
  namespace: shop
  annotations:
    service.beta.kubernetes.io/azure-load-balancer-internal: "true"
    service.beta.kubernetes.io/azure-load-balancer-ipv4: 10.224.0.25
spec:
  type: LoadBalancer
  ports:
  - { name: http, port: 80, targetPort: 8080 }
  selector: { app: orders }
---
apiVersion: privlink.dev/v1alpha1
kind: PrivateLinkService
metadata: { name: orders }
spec:
  service: { namespace: shop, name: orders }
  visibility: { mode: subscriptions, subscriptions: ["00000000-0000-0000-0000-000000000002"] }
  nat: { subnet: pls-subnet, addresses: ["10.225.1.8", "10.225.1.9"] }
  connections:
    approve: [{ subscription: "00000000-0000-0000-0000-000000000002" }]
"#;

const PAYMENTS: &str = r#"apiVersion: v1
kind: Service
metadata:
  name: payments
  namespace: shop
  annotations:
    service.beta.kubernetes.io/azure-load-balancer-internal: "true"
spec:
  type: LoadBalancer
  ports:
  - port: 443
  selector: { app: payments }
---
apiVersion: privlink.dev/v1alpha1
kind: PrivateLinkService
metadata: { name: payments }
spec:
  service: { namespace: shop, name: payments }
  managedBy: privlink
  resourceGroup: rg-pls
  visibility: { mode: subscriptions, subscriptions: ["00000000-0000-0000-0000-000000000001", "00000000-0000-0000-0000-000000000002"] }
  autoApproval: { subscriptions: ["00000000-0000-0000-0000-000000000001"] }
  nat: { subnet: pls-subnet, count: 2 }
"#;

const BILLING: &str = r#"apiVersion: privlink.dev/v1alpha1
kind: PrivateLinkService
metadata: { name: billing }
spec:
  service: { namespace: legacy, name: billing }
  visibility: { mode: role-based }
"#;

const WEB: &str = r#"apiVersion: v1
kind: Service
metadata:
  name: web
  annotations:
    service.beta.kubernetes.io/azure-load-balancer-internal: "true"
    service.beta.kubernetes.io/azure-load-balancer-internal-subnet: apps-subnet
spec:
  type: LoadBalancer
  ports:
  - port: 80
  selector: { app: web }
"#;

const ENDPOINTS: &str = r#"apiVersion: privlink.dev/v1alpha1
kind: PrivateEndpoint
metadata: { name: orders-pe }
spec:
  subscription: "00000000-0000-0000-0000-000000000002"
  resourceGroup: rg-consumer
  location: eastus2
  subnet: { virtualNetwork: consumer-vnet, name: pe-subnet }
  target: { privateLinkService: orders }
  connection: { request: manual, message: "please" }
  dns:
  - { resourceGroup: rg-dns, zone: orders.internal, record: api, links: ["/subscriptions/00000000-0000-0000-0000-000000000002/resourceGroups/rg-consumer/providers/Microsoft.Network/virtualNetworks/consumer-vnet"] }
---
apiVersion: privlink.dev/v1alpha1
kind: PrivateEndpoint
metadata: { name: payments-pe }
spec:
  resourceGroup: rg-pe
  location: eastus2
  subnet: { virtualNetwork: hub-vnet, name: pe-subnet }
  target: { privateLinkService: payments }
  ipAddress: 10.50.1.20
  tags: { team: shop }
---
apiVersion: privlink.dev/v1alpha1
kind: PrivateEndpoint
metadata: { name: billing-pe }
spec:
  resourceGroup: rg-pe
  location: eastus2
  subnet: { virtualNetwork: hub-vnet, name: pe-subnet }
  target: { service: { namespace: legacy, name: billing } }
---
apiVersion: privlink.dev/v1alpha1
kind: PrivateEndpoint
metadata: { name: foreign-pe }
spec:
  resourceGroup: rg-pe
  location: eastus2
  subnet: { virtualNetwork: hub-vnet, name: pe-subnet }
  target: { alias: foreign.11111111-1111-1111-1111-111111111111.eastus2.azure.privatelinkservice }
  connection: { request: manual }
"#;

/// A repository as text.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    /// `privlink.toml`.
    pub(crate) settings: String,
    /// Files below the folder of `prod`, by path.
    pub(crate) files: BTreeMap<String, String>,
    path_exists: bool,
}

impl Case {
    /// A repository without documents.
    pub(crate) fn empty() -> Self {
        Self { settings: SETTINGS.to_owned(), files: BTreeMap::new(), path_exists: true }
    }

    /// The shop: every kind once.
    pub(crate) fn shop() -> Self {
        let files = [("orders", ORDERS), ("payments", PAYMENTS), ("billing", BILLING), ("web", WEB)];
        let case = files.into_iter().fold(Self::empty(), |case, (name, text)| case.with(name, text));
        case.with("endpoints", ENDPOINTS)
    }

    /// Adds a file, or replaces it.
    #[must_use]
    pub(crate) fn with(mut self, name: &str, text: &str) -> Self {
        self.files.insert(format!("{name}.yaml"), text.to_owned());
        self
    }

    /// Removes a file.
    #[must_use]
    pub(crate) fn without(mut self, name: &str) -> Self {
        assert!(self.files.remove(&format!("{name}.yaml")).is_some(), "there is no file {name}");
        self
    }

    /// Replaces the first occurrence of a text in a file.
    #[must_use]
    pub(crate) fn edit(mut self, name: &str, from: &str, to: &str) -> Self {
        let text = self.files.get_mut(&format!("{name}.yaml")).expect("the file to edit exists");
        assert!(text.contains(from), "{name} does not say {from}");
        *text = text.replacen(from, to, 1);
        self
    }

    /// Removes the `number`-th document of a file.
    #[must_use]
    pub(crate) fn drop_document(mut self, name: &str, number: usize) -> Self {
        let text = self.files.get_mut(&format!("{name}.yaml")).expect("the file to edit exists");
        let mut documents: Vec<&str> = text.split("---\n").collect();
        documents.remove(number);
        *text = documents.join("---\n");
        self
    }

    /// Replaces a text in `privlink.toml`.
    #[must_use]
    pub(crate) fn rule(mut self, from: &str, to: &str) -> Self {
        assert!(self.settings.contains(from), "privlink.toml does not say {from}");
        self.settings = self.settings.replacen(from, to, 1);
        self
    }

    /// Adds lines to the table of `prod`.
    #[must_use]
    pub(crate) fn also(self, lines: &str) -> Self {
        self.rule("max-deletes = 20\n", &format!("max-deletes = 20\n{lines}\n"))
    }

    /// Turns prune off.
    #[must_use]
    pub(crate) fn keeping(self) -> Self {
        self.rule("prune = true", "prune = false")
    }

    /// The folder of the environment is not in the tree.
    #[must_use]
    pub(crate) fn without_folder(mut self) -> Self {
        self.path_exists = false;
        self.files.clear();
        self
    }

    /// The settings, read.
    pub(crate) fn settings(&self) -> settings::Settings {
        let path: privlink::domain::commit::RepoPath = "privlink.toml".parse().unwrap();
        let (settings, diagnostics) = settings::parse(&path, &self.settings);
        settings.unwrap_or_else(|| panic!("{diagnostics:?}"))
    }

    /// Reads and resolves; what is said comes rendered too.
    pub(crate) fn read(&self) -> (Desired, Diagnostics, String) {
        self.read_with(|_| {})
    }

    /// The same under other rules.
    pub(crate) fn read_with(&self, change: impl FnOnce(&mut Policy)) -> (Desired, Diagnostics, String) {
        let settings = self.settings();
        let reading = self.reading(&settings);
        let mut policy = authority::policy(&settings, &"prod".parse().unwrap()).unwrap();
        change(&mut policy);
        let cluster = cluster();
        let source = Source {
            documents: &reading.documents,
            policy: &policy,
            cluster: policy.cluster.as_ref().map(|_| &cluster),
            path_exists: self.path_exists,
            now: NOW.parse().unwrap(),
        };
        let (desired, mut diagnostics) = resolve(source);
        assert_eq!(diagnose(source), diagnostics, "`check` says what `plan` says");
        diagnostics.extend(reading.diagnostics.clone());
        let shown = privlink::render::diagnostic::render(&diagnostics, &reading.sources, false);
        (desired, diagnostics, shown)
    }

    fn reading(&self, settings: &settings::Settings) -> repo::Reading {
        let file = |(name, text): (&String, &String)| {
            (format!("environments/prod/{name}").parse().unwrap(), File::Bytes(text.clone().into_bytes()))
        };
        let snapshot = Snapshot { files: self.files.iter().map(file).collect(), ..Snapshot::default() };
        repo::read(&snapshot, settings)
    }

    /// The documents, unresolved.
    pub(crate) fn documents(&self) -> Vec<Document> {
        self.reading(&self.settings()).documents
    }

    /// Resolves a repository without errors.
    #[track_caller]
    pub(crate) fn resolve(&self) -> Desired {
        let (desired, diagnostics, shown) = self.read();
        assert!(!diagnostics.has_errors(), "{shown}");
        desired
    }
}

/// The managed cluster of `prod`.
pub(crate) fn cluster() -> ManagedCluster {
    ManagedCluster {
        id: format!(
            "/subscriptions/{PROVIDER}/resourceGroups/rg-aks/providers/Microsoft.ContainerService/managedClusters/prod"
        )
        .parse()
        .unwrap(),
        location: "eastus2".parse().unwrap(),
        node_resource_group: "MC_prod".parse().unwrap(),
        node_subnet: Some(subnet("aks-subnet")),
        version: Some("1.36.2".to_owned()),
        ip_families: Vec::new(),
        balancing: Balancing::default(),
        principal: None,
    }
}

/// A subnet of the cluster's network.
pub(crate) fn subnet(name: &str) -> ResourceId {
    network(PROVIDER, "rg-aks", "virtualNetworks/aks-vnet").child("subnets", name)
}

/// The id of a network resource: `group`, and `type/name` in it.
pub(crate) fn network(subscription: &str, group: &str, rest: &str) -> ResourceId {
    format!("/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.Network/{rest}").parse().unwrap()
}

/// The id of a private endpoint of the shop.
pub(crate) fn endpoint(name: &str) -> ResourceId {
    let (subscription, group) = if name == "orders-pe" { (CONSUMER, "rg-consumer") } else { (PROVIDER, "rg-pe") };
    network(subscription, group, &format!("privateEndpoints/{name}"))
}
