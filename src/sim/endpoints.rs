//! How to reach a running simulator.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::sim::arm::{ClusterAccess, kubeconfig_entry};

/// How to reach one cluster.
#[derive(Clone)]
pub struct ClusterEndpoint {
    /// The base URL of its API.
    pub server: String,
    /// The bearer token of somebody who may do everything.
    pub token: String,
    /// The tokens of its other users, by their names.
    pub users: BTreeMap<String, String>,
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
    pub(super) fn of_azure(http: SocketAddr, https: SocketAddr, ca_pem: &str) -> Self {
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

    /// A kubeconfig with one context per cluster, named like it, and one for each of its users, `<user>@<cluster>`.
    pub fn kubeconfig(&self) -> String {
        let own =
            |(name, endpoint): (&String, &ClusterEndpoint)| kubeconfig_entry(name, &access(endpoint, &self.ca_pem));
        let entries = self.clusters.iter().map(own);
        let users = self.clusters.iter().flat_map(|(name, endpoint)| {
            endpoint.users.iter().map(move |(user, token)| user_entry(name, (user, token)))
        });
        let entries: Vec<Value> = entries.chain(users).collect();
        let part = |key: &str| entries.iter().filter_map(|entry| entry.get(key).cloned()).collect::<Vec<_>>();
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

/// The parts of a kubeconfig for one more user of a cluster.
fn user_entry(cluster: &str, (user, token): (&str, &str)) -> Value {
    let name = format!("{user}@{cluster}");
    json!({
        "user": { "name": name, "user": { "token": token } },
        "context": { "name": name, "context": { "cluster": cluster, "user": name } },
    })
}

pub(super) fn access(endpoint: &ClusterEndpoint, ca_pem: &str) -> ClusterAccess {
    ClusterAccess { server: endpoint.server.clone(), ca_pem: ca_pem.to_owned(), token: endpoint.token.clone() }
}

fn random_hex() -> String {
    format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple())
}
