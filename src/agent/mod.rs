//! The agent: passes over a remote config repository, once or for ever.
//!
//! A pass plans what the config branch asks for, applies it if it is approved, and commits the status. Everything it
//! believes comes from that branch.

pub mod wake;

use std::path::PathBuf;

use anyhow::Context as _;
use jiff::Timestamp;
use tokio::sync::watch;

use crate::apply::engine::Settings;
use crate::apply::report::Progress;
use crate::approval::Decision;
use crate::approval::LocalConsent;
use crate::approval::Missing;
use crate::config::Config;
use crate::diagnostic::Diagnostics;
use crate::domain::commit::CommitId;
use crate::domain::name::EnvironmentName;
use crate::plan::document::PlanId;
use crate::reconcile::pass;
use crate::reconcile::pass::Applying;
use crate::reconcile::pass::Done;
use crate::reconcile::pass::Ended;
use crate::reconcile::pass::PassError;
use crate::reconcile::pass::Planned;
use crate::reconcile::remote::Remote;
use crate::reconcile::source;
use crate::reconcile::source::Loaded;
use crate::repo::source::Sources;

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
    pub settings: Settings,
    /// Set when it shall stop.
    pub cancel: watch::Receiver<bool>,
}

/// What happened to one environment in one pass.
#[derive(Debug)]
pub enum PassEnd {
    /// Nothing had to be done.
    Converged {
        /// The status commit, if the status changed.
        status: Option<CommitId>,
    },
    /// A plan waits for approval.
    Waits {
        /// What was planned.
        planned: Box<Planned>,
        /// What it still needs.
        missing: Missing,
        /// What is wrong with approval files.
        diagnostics: (Diagnostics, Sources),
        /// The status commit, if the status changed.
        status: Option<CommitId>,
    },
    /// The plan is incomplete or not applicable.
    Stuck {
        /// What was planned.
        planned: Box<Planned>,
        /// The status commit, if the status changed.
        status: Option<CommitId>,
    },
    /// A plan was applied.
    Applied {
        /// The plan.
        plan: PlanId,
        /// How it ended.
        ended: Box<Ended>,
        /// The status commit, if the status changed.
        status: Option<CommitId>,
    },
}

/// Hears what a pass does.
pub trait Listener {
    /// The files were read.
    fn loaded(&mut self, loaded: &Loaded);
    /// The settings are wrong: there is no pass.
    fn unreadable(&mut self, diagnostics: &Diagnostics, sources: &Sources);
    /// A plan is about to be applied.
    fn applies(&mut self, loaded: &Loaded, planned: &Planned);
    /// News of a running apply.
    fn progress(&mut self, progress: Progress);
    /// A pass over one environment ended.
    fn ended(&mut self, environment: &EnvironmentName, loaded: &Loaded, end: Result<&PassEnd, &PassError>);
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
            let end = self.environment(&loaded, environment, first_seen, listener).await;
            listener.ended(environment, &loaded, end.as_ref());
        }
        Ok(())
    }

    async fn environment(
        &self,
        loaded: &Loaded,
        environment: &EnvironmentName,
        first_seen: Timestamp,
        listener: &mut (dyn Listener + Send),
    ) -> Result<PassEnd, PassError> {
        let planned = pass::plan(loaded, environment, self.config).await?;
        if !planned.plan.is_applicable() || !planned.plan.is_complete() {
            let status = pass::publish(loaded, &planned, Done::default()).await?;
            return Ok(PassEnd::Stuck { planned: Box::new(planned), status });
        }
        if !planned.plan.has_changes() {
            let status = pass::publish(loaded, &planned, Done { ended: None, converged: true }).await?;
            return Ok(PassEnd::Converged { status });
        }
        let approvals = pass::approvals(loaded, &planned).await?;
        let approval = match pass::decide(&planned, &approvals, LocalConsent::None, Some(first_seen)) {
            Decision::Approved(approval) => approval,
            Decision::Missing(missing) => {
                let status = pass::publish(loaded, &planned, Done::default()).await?;
                let diagnostics = (approvals.diagnostics, approvals.sources);
                return Ok(PassEnd::Waits { planned: Box::new(planned), missing, diagnostics, status });
            }
        };
        listener.applies(loaded, &planned);
        let applying = Applying { config: self.config, settings: self.settings, cancel: self.cancel.clone() };
        let mut hear = |progress| listener.progress(progress);
        let ended = pass::apply((loaded, &planned), &approval, applying, &mut hear).await?;
        let after = pass::look_again(loaded, &planned, self.config).await?;
        let converged = ended.report.is_success();
        let status = pass::publish(loaded, &after, Done { ended: Some(&ended), converged }).await?;
        Ok(PassEnd::Applied { plan: planned.plan.id, ended: Box::new(ended), status })
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
