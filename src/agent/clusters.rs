//! Watches the clusters of the environments, so that what somebody changes there is seen at once.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::PoisonError;

use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinHandle;

use crate::agent::schedule::Sign;
use crate::agent::schedule::Why;
use crate::config::Config;
use crate::domain::name::EnvironmentName;
use crate::reconcile::source::Loaded;
use crate::reconcile::watching;
use crate::reconcile::watching::Target;

/// A watch for each environment that has a cluster. They end with it.
#[derive(Debug)]
pub struct Clusters {
    config: Config,
    signs: UnboundedSender<Sign>,
    watches: Mutex<BTreeMap<EnvironmentName, (Target, Task)>>,
}

impl Clusters {
    /// Watches nothing yet; what is seen becomes a sign.
    pub fn new(config: Config, signs: UnboundedSender<Sign>) -> Self {
        Self { config, signs, watches: Mutex::default() }
    }

    /// Watches what the settings of now say: what is new begins, what is gone or reached otherwise ends.
    pub(super) fn tend(&self, loaded: &Loaded, environments: &BTreeSet<EnvironmentName>) {
        let mut watches = self.watches.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted = environments.iter().filter_map(|name| Some((name.clone(), Target::of(loaded, name)?)));
        let wanted: BTreeMap<EnvironmentName, Target> = wanted.collect();
        watches.retain(|name, (target, _)| wanted.get(name) == Some(target));
        for (name, target) in wanted {
            watches.entry(name.clone()).or_insert_with(|| {
                let task = Task(tokio::spawn(watch(self.config.clone(), (name, target.clone()), self.signs.clone())));
                (target, task)
            });
        }
    }
}

async fn watch(config: Config, (environment, target): (EnvironmentName, Target), signs: UnboundedSender<Sign>) {
    watching::watch(&config, &target, |service| {
        tracing::debug!(%environment, %service, "it changed in the cluster");
        // Nobody takes signs any more only when the agent is gone.
        let _ = signs.send(Sign::Wanted { environment: Some(environment.clone()), why: Why::Cluster });
    })
    .await;
}

/// A task that ends when nobody wants it any more.
#[derive(Debug)]
struct Task(JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}
