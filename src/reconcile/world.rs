//! The signed-in ways to Azure and to the cluster of one environment.

use std::sync::Arc;

use crate::azure::Azure;
use crate::azure::Settings;
use crate::azure::TIMEOUT;
use crate::azure::error::AzureError;
use crate::config::Config;
use crate::config::ConfigError;
use crate::desired::policy::ClusterAccess;
use crate::desired::policy::Policy;
use crate::domain::azure::ClientId;
use crate::kubernetes::Cluster;
use crate::kubernetes::error::ClusterError;

/// What an environment's signs-in are for. Plans read; only applies write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To plan: the environment's read-only identity.
    Plan,
    /// To apply.
    Apply,
}

/// The ways to the world of one environment.
#[derive(Clone, Debug)]
pub struct World {
    /// Azure.
    pub azure: Arc<Azure>,
    /// The cluster, if the environment has one.
    pub cluster: Option<Arc<Cluster>>,
}

/// There is no way to the world.
#[derive(Debug, thiserror::Error)]
pub enum WorldError {
    /// The runner lacks something.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Azure's client cannot be built.
    #[error("no client for Azure")]
    Azure(#[source] AzureError),
    /// The cluster's client cannot be built.
    #[error("no client for the cluster")]
    Cluster(#[source] ClusterError),
}

impl World {
    /// Prepares both ways. Nothing is sent yet.
    ///
    /// # Errors
    /// A missing credential, an undefined cloud, an unusable kubeconfig.
    pub async fn connect(config: &Config, policy: &Policy, purpose: Purpose) -> Result<Self, WorldError> {
        let azure = Azure::new(azure_settings(config, policy, purpose)?).map_err(WorldError::Azure)?;
        let cluster = match &policy.cluster {
            None => None,
            Some(reference) => Some(Arc::new(cluster(config, policy, &reference.access).await?)),
        };
        Ok(Self { azure: Arc::new(azure), cluster })
    }
}

/// A way to Azure as the identity that applies.
#[derive(Clone, Debug)]
pub struct Applier {
    /// The way.
    pub azure: Arc<Azure>,
    /// Who that is.
    pub identity: ClientId,
    /// True if the settings name it; else it is the runner's own, and another runner may apply as somebody else.
    pub is_named: bool,
}

impl World {
    /// The identity that applies, if this runner can sign in as it. This is the way to Azure of a [`Purpose::Plan`].
    ///
    /// Credentials of one identity are never tried for another.
    ///
    /// # Errors
    /// Why it cannot, as a sentence.
    pub fn applier(&self, config: &Config, policy: &Policy) -> Result<Applier, String> {
        let runner = config.client_id().ok();
        let planner = policy.identity.plan.clone().or_else(|| runner.clone());
        let named = policy.identity.apply.clone();
        let is_named = named.is_some();
        let Some(identity) = named.or_else(|| runner.clone()) else {
            return Err("nobody says which identity applies".to_owned());
        };
        if planner.as_ref() == Some(&identity) {
            return Ok(Applier { azure: self.azure.clone(), identity, is_named });
        }
        let is_brought =
            config.variable("PRIVLINK_APPLY_CLIENT_SECRET").is_some() || runner.as_ref() == Some(&identity);
        if !is_brought {
            let reason = "this runner cannot sign in as it, and Azure tells nobody the rights of others";
            return Err(format!("{identity} applies; {reason}"));
        }
        let settings = azure_settings(config, policy, Purpose::Apply).map_err(|error| error.to_string())?;
        let azure = Azure::new(settings).map_err(|error| error.to_string())?;
        Ok(Applier { azure: Arc::new(azure), identity, is_named })
    }
}

fn azure_settings(config: &Config, policy: &Policy, purpose: Purpose) -> Result<Settings, WorldError> {
    let identity = &policy.identity;
    let (client, secret) = match purpose {
        Purpose::Plan => (identity.plan.clone(), "PRIVLINK_PLAN_CLIENT_SECRET"),
        Purpose::Apply => (identity.apply.clone(), "PRIVLINK_APPLY_CLIENT_SECRET"),
    };
    Ok(Settings {
        cloud: config.cloud(&policy.cloud)?,
        tenant: identity.tenant.clone().map_or_else(|| config.tenant(), Ok)?,
        client_id: client.map_or_else(|| config.client_id(), Ok)?,
        client_secret: config.client_secret(secret)?,
        ca_certificates: config.ca_certificates.clone(),
        poll_floor: config.poll_interval,
        timeout: TIMEOUT,
        user_agent: concat!("privlink/", env!("CARGO_PKG_VERSION")).to_owned(),
    })
}

async fn cluster(config: &Config, policy: &Policy, access: &ClusterAccess) -> Result<Cluster, WorldError> {
    match access {
        ClusterAccess::InCluster => Cluster::in_cluster().await.map_err(WorldError::Cluster),
        ClusterAccess::Kubeconfig { context } => {
            let Some(file) = &config.kubeconfig else {
                return Err(ConfigError::NoKubeconfig { environment: policy.mark.environment.to_string() }.into());
            };
            let text = std::fs::read_to_string(file)
                .map_err(|source| ConfigError::Kubeconfig { file: file.clone(), source })?;
            Cluster::connect(&text, context.as_deref()).await.map_err(WorldError::Cluster)
        }
    }
}
