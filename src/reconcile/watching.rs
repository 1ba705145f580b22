//! Who changes the cluster of an environment, while nobody makes a pass.

use std::fmt::Display;

use crate::config::Config;
use crate::desired::policy::Policy;
use crate::domain::kubernetes::ObjectKey;
use crate::domain::name::EnvironmentName;
use crate::domain::patience;
use crate::kubernetes::Cluster;
use crate::kubernetes::watch::Sign;
use crate::kubernetes::watch::Watch;
use crate::reconcile::error_chain;
use crate::reconcile::planning;
use crate::reconcile::source::Loaded;
use crate::reconcile::world::Purpose;
use crate::reconcile::world::World;

/// A cluster, and how an environment reaches it. Two that are equal are watched by one watch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target(Policy);

impl Target {
    /// The cluster of an environment; `None` if it has none.
    pub fn of(loaded: &Loaded, environment: &EnvironmentName) -> Option<Self> {
        planning::policy(loaded, environment).ok().filter(|policy| policy.cluster.is_some()).map(Self)
    }
}

/// Tells for ever which Services in scope change, those without a load balancer aside. What goes wrong is logged once, and
/// tried again: without a watch the agent's interval still counts.
pub async fn watch(config: &Config, target: &Target, tell: impl Fn(&ObjectKey) + Send + Sync) {
    let policy = &target.0;
    let mut failures = 0;
    loop {
        match World::connect(config, policy, Purpose::Plan).await.map(|world| world.cluster) {
            Ok(Some(cluster)) => follow(&cluster, policy, &tell).await,
            Ok(None) => return,
            Err(error) if failures == 0 => lost(policy, error_chain(&error)),
            Err(_) => {}
        }
        tokio::time::sleep(patience::for_ever(failures, u16::MAX)).await;
        failures += 1;
    }
}

async fn follow(cluster: &Cluster, policy: &Policy, tell: &(impl Fn(&ObjectKey) + Send + Sync)) {
    let mut watch = Watch::new(cluster);
    loop {
        match watch.next().await {
            Sign::Changed(key) if policy.scope.has_namespace(&key.namespace) => tell(&key),
            Sign::Changed(_) => {}
            Sign::Lost(error) => lost(policy, error_chain(&error)),
            Sign::Back => tracing::info!(environment = %policy.mark.environment, "the cluster is watched again"),
        }
    }
}

fn lost(policy: &Policy, error: impl Display) {
    let environment = &policy.mark.environment;
    tracing::warn!(%environment, %error, "the cluster cannot be watched: what is changed there is seen an interval later");
}
