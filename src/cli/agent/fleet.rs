//! The agent as one of several: which environments it serves, and whether it leads.

use std::time::Duration;

use anyhow::bail;
use clap::Args;
use tokio::sync::watch;

use crate::agent::election::Candidate;
use crate::agent::election::Terms;
use crate::agent::leader::Leadership;
use crate::agent::share::Shard;
use crate::agent::share::Share;
use crate::cli::options::EnvironmentOptions;
use crate::cli::options::duration;
use crate::config::Config;
use crate::domain::lease::LeaseKey;
use crate::reconcile::electing::Electing;

/// Flags of an agent that is not alone.
#[derive(Debug, Args)]
pub(super) struct FleetOptions {
    /// Serve this share of the environments only, such as 0/3, 1/3 and 2/3 with three agents
    #[arg(long, value_name = "INDEX/COUNT", conflicts_with = "environments")]
    shard: Option<Shard>,
    /// Of several replicas only the leader works, elected by this Lease of the cluster the agent runs in, or of the
    /// kubeconfig's current context
    #[arg(long, value_name = "NAMESPACE/NAME", conflicts_with = "once")]
    leader_election_lease: Option<LeaseKey>,
    /// The name of this replica in the election, like no other's; default: its host name, which is the pod's
    #[arg(long, value_name = "NAME", requires = "leader_election_lease")]
    leader_election_id: Option<String>,
    /// How long the Lease lasts that nobody renews: a leader that died is replaced after so long
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "15s")]
    leader_election_duration: Duration,
}

impl FleetOptions {
    /// The environments it serves.
    pub(super) fn share(&self, named: EnvironmentOptions) -> Share {
        match self.shard {
            Some(shard) => Share::Shard(shard),
            None if named.environments.is_empty() => Share::All,
            None => Share::Named(named.environments.into_iter().collect()),
        }
    }

    /// Stands for election, if there is one.
    ///
    /// # Errors
    /// A time that the Lease cannot hold, or no way to the cluster.
    pub(super) async fn campaign(
        &self,
        config: &Config,
        stop: watch::Receiver<bool>,
    ) -> anyhow::Result<Option<Leadership>> {
        let Some(key) = self.leader_election_lease.clone() else { return Ok(None) };
        let duration = self.leader_election_duration;
        if duration < Terms::SHORTEST || duration.subsec_nanos() != 0 {
            let shortest = Terms::SHORTEST.as_secs();
            bail!("--leader-election-duration has to be in whole seconds, {shortest}s or more");
        }
        let terms = Terms::of(duration);
        let id = self.leader_election_id.clone().unwrap_or_else(|| config.host.clone());
        if id.is_empty() {
            bail!("--leader-election-id is empty: give each replica a name of its own");
        }
        let electing = Electing::connect(config, key, terms.deadline).await?;
        Ok(Some(Leadership::campaign(electing, Candidate::new(id, terms), stop)))
    }
}
