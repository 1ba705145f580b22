//! Flags of an agent that looks at pull requests.

use std::sync::Arc;
use std::time::Duration;

use clap::Args;

use crate::agent::reviews::Rhythm;
use crate::cli::options::interval;
use crate::cli::review::Forge;
use crate::config::Config;
use crate::reconcile::attending::Attendant;

/// The time after which a pull request that did not move is planned again: who is connected may have changed.
const AGAIN: Duration = Duration::from_secs(30 * 60);

#[derive(Debug, Args)]
pub(super) struct ReviewOptions {
    /// Look at the open pull requests of this forge, and write into each what merging it would do
    #[arg(long, value_enum, value_name = "FORGE", conflicts_with = "once")]
    forge: Option<Forge>,
    /// The time between two looks at the open pull requests
    #[arg(long, value_name = "TIME", value_parser = interval, default_value = "1m", requires = "forge")]
    review_interval: Duration,
    /// Plan the pull requests of forks too, whoever opens one; else a member starts that with `privlink review`
    #[arg(long, requires = "forge")]
    review_forks: bool,
}

impl ReviewOptions {
    /// The way to the forge, if there is to be one.
    pub(super) fn attendant(&self, config: &Config) -> anyhow::Result<Option<Arc<Attendant>>> {
        let attendant = self.forge.map(|kind| Attendant::new(config, Some(kind.into())));
        Ok(attendant.transpose()?.map(Arc::new))
    }

    pub(super) fn rhythm(&self) -> Rhythm {
        Rhythm { interval: self.review_interval, again: AGAIN, forks: self.review_forks }
    }
}
