//! The agent: passes over a remote config repository, once or for ever.
//!
//! A pass plans what the config branch asks for, applies it if it is approved, and commits the status. Everything it
//! believes comes from that branch.

pub mod wake;

use std::path::PathBuf;

use anyhow::Context as _;
use jiff::Timestamp;
use tokio::sync::watch;

use crate::config::Config;
use crate::domain::name::EnvironmentName;
use crate::reconcile::applying::ApplySettings;
use crate::reconcile::applying::Applying;
use crate::reconcile::pass::Listener;
use crate::reconcile::pass::Passing;
use crate::reconcile::pass::pass;
use crate::reconcile::remote::Remote;
use crate::reconcile::source;

/// An agent of one config branch.
#[derive(Debug)]
pub struct Agent<'a> {
    /// The config repository.
    pub remote: Remote,
    /// Its config branch; `None` means its main branch.
    pub branch: Option<String>,
    /// The environments it serves; none means all.
    pub environments: Vec<EnvironmentName>,
    /// The runner.
    pub config: &'a Config,
    /// How patient applies are.
    pub settings: ApplySettings,
    /// Set when it shall stop.
    pub cancel: watch::Receiver<bool>,
}

impl Agent<'_> {
    /// Makes one pass over every environment.
    ///
    /// # Errors
    /// If the config branch cannot be read at all.
    pub async fn pass(&self, listener: &mut (dyn Listener + Send)) -> anyhow::Result<()> {
        let branch = self.branch.as_deref();
        let found = source::from_remote(self.remote.clone(), branch, branch).await?;
        let first_seen = self.first_seen()?;
        let loaded = match source::load(found) {
            Ok(loaded) => loaded,
            Err((diagnostics, sources)) => {
                listener.unreadable(&diagnostics, &sources);
                return Ok(());
            }
        };
        listener.loaded(&loaded);
        let all = loaded.settings.environments.keys().cloned().collect();
        let environments: Vec<EnvironmentName> =
            if self.environments.is_empty() { all } else { self.environments.clone() };
        for environment in &environments {
            let applying = Applying { config: self.config, settings: self.settings, cancel: self.cancel.clone() };
            let end = pass(&loaded, environment, Passing { applying, first_seen }, listener).await;
            listener.ended(environment, &loaded, end.as_ref());
        }
        Ok(())
    }

    /// When this agent first saw the repository: approvals that are older were not made for it.
    fn first_seen(&self) -> anyhow::Result<Timestamp> {
        let file = self.first_seen_file();
        if let Ok(text) = std::fs::read_to_string(&file)
            && let Ok(seen) = text.trim().parse()
        {
            return Ok(seen);
        }
        // Approval files carry whole seconds: one of the same second is not older.
        let now = Timestamp::from_second(Timestamp::now().as_second())?;
        let write = || {
            if let Some(folder) = file.parent() {
                std::fs::create_dir_all(folder)?;
            }
            std::fs::write(&file, format!("{now}\n"))
        };
        write().with_context(|| format!("cannot write {}: choose another folder with --state-dir", file.display()))?;
        Ok(now)
    }

    fn first_seen_file(&self) -> PathBuf {
        // A digest, because a URL is not a file name.
        let name = uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_URL, self.remote.url().to_string().as_bytes());
        self.config.state_dir.join("first-seen").join(name.to_string())
    }
}
