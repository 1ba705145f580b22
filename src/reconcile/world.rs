//! The signed-in ways to Azure and to the cluster of one environment.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::azure::Azure;
use crate::azure::Settings;
use crate::azure::credentials::ClusterTokens;
use crate::azure::error::AzureError;
use crate::azure::identity::Holder;
use crate::azure::identity::SignIn;
use crate::config::Config;
use crate::config::ConfigError;
use crate::desired::policy::ClusterAccess;
use crate::desired::policy::ClusterReference;
use crate::desired::policy::IdentityReference;
use crate::desired::policy::Policy;
use crate::domain::right::Grantee;
use crate::domain::secret::Secret;
use crate::kubernetes::Cluster;
use crate::kubernetes::TokenError;
use crate::kubernetes::Tokens;
use crate::kubernetes::error::ClusterError;
use crate::reconcile::error_chain;

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
    /// Azure does not let us into the cluster.
    #[error("no way into the cluster")]
    Credentials(#[source] AzureError),
    /// The cluster's client cannot be built.
    #[error("no client for the cluster")]
    Cluster(#[source] ClusterError),
}

impl World {
    /// Prepares both ways. Nothing is sent yet, but where Azure is to say how the cluster is reached.
    ///
    /// # Errors
    /// An undefined cloud, an unusable kubeconfig, a cluster that Azure lets this identity not into.
    pub async fn connect(config: &Config, policy: &Policy, purpose: Purpose) -> Result<Self, WorldError> {
        let azure = azure(config, policy, purpose)?;
        let cluster = match &policy.cluster {
            None => None,
            Some(reference) => Some(Arc::new(cluster(config, policy, (&azure, reference, purpose)).await?)),
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
    pub identity: Grantee,
    /// True if the settings name it; else it is the runner's own, and another runner may apply as somebody else.
    pub is_named: bool,
}

impl World {
    /// The identity that applies, if this runner can sign in as it. This is the way to Azure of a [`Purpose::Plan`].
    ///
    /// # Errors
    /// Why it cannot, as a sentence.
    pub async fn applier(&self, config: &Config, policy: &Policy) -> Result<Applier, String> {
        let IdentityReference { tenant: _, plan, apply } = &policy.identity;
        let azure = if plan == apply {
            self.azure.clone()
        } else {
            let settings = azure_settings(config, policy, Purpose::Apply).map_err(|error| error.to_string())?;
            Arc::new(Azure::new(settings).map_err(|error| error.to_string())?)
        };
        let holder = azure.holder().await;
        if let Some(identity) = apply {
            return match holder {
                Ok(_) => Ok(Applier { azure, identity: Grantee::Applier(identity.clone()), is_named: true }),
                // Told alike on every runner: which of the ways is missing is not the plan's affair.
                Err(AzureError::Nobody { .. }) => {
                    let reason = "this runner cannot sign in as it, and Azure tells nobody the rights of others";
                    Err(format!("{identity} applies; {reason}"))
                }
                Err(error) => Err(error_chain(&error)),
            };
        }
        let Holder { application, object, is_person, .. } = holder.map_err(|error| error_chain(&error))?;
        let identity = match (application, object) {
            (Some(application), _) if !is_person => Some(Grantee::Applier(application)),
            (_, object) => object.map(Grantee::Person),
        };
        let identity = identity.ok_or_else(|| "the token does not tell whom it is for".to_owned())?;
        Ok(Applier { azure, identity, is_named: false })
    }
}

impl World {
    /// The way to the cluster as the user that applies, and whether the settings name that one; `None` without a cluster. This
    /// is a way of a [`Purpose::Plan`].
    ///
    /// # Errors
    /// Why this runner has no such way, as a sentence.
    pub async fn cluster_applier(
        &self,
        config: &Config,
        policy: &Policy,
    ) -> Result<Option<(Arc<Cluster>, bool)>, String> {
        let Some(reference) = &policy.cluster else { return Ok(None) };
        let own = |is_named| Ok(self.cluster.clone().map(|cluster| (cluster, is_named)));
        match &reference.access {
            ClusterAccess::InCluster | ClusterAccess::Kubeconfig { apply_context: None, .. } => own(false),
            ClusterAccess::Azure => {
                let Applier { azure, identity: _, is_named } = self.applier(config, policy).await?;
                if policy.has_one_cluster_user() {
                    return own(is_named);
                }
                let cluster = cluster(config, policy, (&azure, reference, Purpose::Apply)).await;
                cluster.map(|cluster| Some((Arc::new(cluster), is_named))).map_err(|error| error_chain(&error))
            }
            ClusterAccess::Kubeconfig { apply_context: Some(context), .. } => {
                let cluster = cluster(config, policy, (&self.azure, reference, Purpose::Apply)).await;
                let failed = |error: WorldError| format!("the context {context} applies: {}", error_chain(&error));
                cluster.map(|cluster| Some((Arc::new(cluster), true))).map_err(failed)
            }
        }
    }
}

/// The way to Azure of an environment, as the identity of a purpose. Nothing is sent yet.
///
/// # Errors
/// A cloud that the runner does not define, or TLS that does not start.
pub fn azure(config: &Config, policy: &Policy, purpose: Purpose) -> Result<Azure, WorldError> {
    Azure::new(azure_settings(config, policy, purpose)?).map_err(WorldError::Azure)
}

fn azure_settings(config: &Config, policy: &Policy, purpose: Purpose) -> Result<Settings, WorldError> {
    let identity = &policy.identity;
    let (client, prefix) = match purpose {
        Purpose::Plan => (identity.plan.clone(), "PRIVLINK_PLAN_"),
        Purpose::Apply => (identity.apply.clone(), "PRIVLINK_APPLY_"),
    };
    Ok(Settings {
        cloud: config.cloud(&policy.cloud)?,
        sign_in: SignIn {
            tenant: identity.tenant.clone(),
            client,
            prefix,
            environment: Secret::new(config.environment.clone()),
        },
        ca_certificates: config.ca_certificates.clone(),
        poll_floor: config.poll_interval,
        timeout: config.request_timeout,
        user_agent: concat!("privlink/", env!("CARGO_PKG_VERSION")).to_owned(),
        traffic: config.traffic.clone(),
        calls: config.calls.clone(),
    })
}

/// The tokens of Entra for the API server of a managed cluster.
#[derive(Debug)]
struct EntraTokens(ClusterTokens);

impl Tokens for EntraTokens {
    fn token<'a>(
        &'a self,
        refused: Option<&'a Secret<String>>,
    ) -> Pin<Box<dyn Future<Output = Result<Secret<String>, TokenError>> + Send + 'a>> {
        Box::pin(async move { self.0.token(refused).await.map_err(Into::into) })
    }
}

/// The way to the cluster of an environment, as the user of a purpose. Nothing is sent to it yet.
pub(super) async fn cluster(
    config: &Config,
    policy: &Policy,
    (azure, reference, purpose): (&Azure, &ClusterReference, Purpose),
) -> Result<Cluster, WorldError> {
    let cluster = match &reference.access {
        ClusterAccess::InCluster => Cluster::in_cluster().await,
        ClusterAccess::Azure => {
            let kubeconfig = azure.kubeconfig(&reference.aks).await.map_err(WorldError::Credentials)?;
            Cluster::from_azure(&kubeconfig, Arc::new(EntraTokens(azure.cluster_tokens()))).await
        }
        ClusterAccess::Kubeconfig { context, apply_context } => {
            let context = match purpose {
                Purpose::Plan => context.as_ref(),
                Purpose::Apply => apply_context.as_ref().or(context.as_ref()),
            };
            let Some(file) = &config.kubeconfig else {
                return Err(ConfigError::NoKubeconfig { environment: policy.mark.environment.to_string() }.into());
            };
            let text = std::fs::read_to_string(file)
                .map_err(|source| ConfigError::Kubeconfig { file: file.clone(), source })?;
            Cluster::connect(&text, context.map(String::as_str)).await
        }
    };
    let cluster = cluster.map_err(WorldError::Cluster)?;
    Ok(cluster.counted(config.calls.clone()).answering_within(config.request_timeout))
}
