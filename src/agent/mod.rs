//! The agent: passes over a remote config repository, once or for ever.
//!
//! ```text
//!  push, webhook, SIGHUP, cluster ─ Sign ─▶ daemon ◀─▶ schedule      what is due, purely
//!  time ─────────────────────────────────▶   │  ▲       election        who leads, purely
//!  Lease ─────────────── leader ─ Standing ──┼──┘
//!                                            │  spawns
//!                                            ▼
//!                          Agent: look, pass ─ News ─▶ terminal, logs, metrics
//! ```
//!
//! A pass plans what the config branch asks for, applies it if it is approved, and commits the status. Everything it
//! believes comes from that branch, as it is when the pass begins: new settings need no restart.

pub mod board;
mod branch;
pub mod clusters;
pub mod daemon;
pub mod election;
pub mod leader;
pub mod memory;
mod metrics;
pub mod news;
pub mod page;
pub mod probes;
pub mod reviews;
pub mod schedule;
pub mod share;
pub mod vitals;
pub mod wake;
pub mod webhook;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;

use anyhow::Context as _;
use async_trait::async_trait;
use jiff::Timestamp;
use tokio::sync::watch;
use tracing::Instrument as _;

use crate::agent::clusters::Clusters;
use crate::agent::daemon::Duty;
use crate::agent::news::Audience;
use crate::agent::news::Ended;
use crate::agent::news::Herald;
use crate::agent::news::News;
use crate::agent::news::Reporter;
use crate::agent::schedule::End;
use crate::agent::schedule::Order;
use crate::agent::schedule::Sight;
use crate::agent::schedule::Why;
use crate::agent::share::Share;
use crate::config::Config;
use crate::domain::logged::TOLD;
use crate::domain::name::EnvironmentName;
use crate::reconcile::applying::ApplySettings;
use crate::reconcile::applying::Applying;
use crate::reconcile::attending::Attendant;
use crate::reconcile::pass;
use crate::reconcile::pass::PassEnd;
use crate::reconcile::pass::PassError;
use crate::reconcile::pass::Passing;
use crate::reconcile::remote::LOGGED;
use crate::reconcile::source::Loaded;
use crate::render::diagnostic;

pub use branch::ConfigBranch;
use branch::Contents;
use branch::Look;

/// An agent of one config branch.
#[derive(Debug)]
pub struct Agent {
    /// The config branch.
    pub branch: ConfigBranch,
    /// The environments it serves.
    pub share: Share,
    /// The runner.
    pub config: Config,
    /// How patient applies are.
    pub settings: ApplySettings,
    /// Set when passes shall stop: the agent is to end, or does not lead any more.
    pub cancel: watch::Receiver<bool>,
    /// What watches the clusters; nothing for an agent that makes one pass.
    pub clusters: Option<Clusters>,
    /// The way to pull requests, for an agent that looks at them.
    pub attendant: Option<Arc<Attendant>>,
}

impl Agent {
    /// Makes one pass over every environment, one after the other.
    ///
    /// # Errors
    /// If the config branch cannot be read at all.
    pub async fn once(&self, audience: &mut dyn Audience) -> anyhow::Result<()> {
        let (herald, mut news) = Herald::new();
        let look = self.read(&herald).await?;
        for environment in look.environments(&self.share) {
            let order = Order { environment, why: [Why::Asked].into() };
            let mut pass = std::pin::pin!(self.pass(&order, &herald));
            loop {
                tokio::select! {
                    _ = &mut pass => break,
                    Some(news) = news.recv() => audience.hear(&news),
                }
            }
        }
        while let Ok(news) = news.try_recv() {
            audience.hear(&news);
        }
        Ok(())
    }

    async fn read(&self, herald: &Herald) -> anyhow::Result<Look> {
        let look = self.branch.look().await?;
        if let (true, Contents::Unreadable(what)) = (look.is_new, &look.contents) {
            let why = diagnostic::render(&what.0, &what.1, false);
            let tip = look.tip.as_ref().map(tracing::field::display);
            tracing::error!(target: TOLD, tip, error = why.trim_end(), "the settings are wrong");
            herald.tell(News::Unreadable(Arc::clone(what)));
        }
        if let (true, Contents::Loaded(loaded), Some(clusters)) = (look.is_new, &look.contents, &self.clusters) {
            clusters.tend(loaded, &look.environments(&self.share));
        }
        herald.tell(News::Looked { environments: look.environments(&self.share) });
        Ok(look)
    }

    /// One pass, within its span.
    async fn attend(&self, order: &Order, herald: &Herald) -> End {
        let why = order.why.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        tracing::info!(why, "a pass begins");
        let begun = match self.read(herald).await {
            Ok(look) => self.first_seen().map(|first_seen| (look, first_seen)),
            Err(error) => Err(error),
        };
        let (look, first_seen) = match begun {
            Ok(begun) => begun,
            Err(error) => {
                unreachable(error, herald);
                return End::Failed;
            }
        };
        // Somebody broke the settings since the pass was ordered; the look said so.
        let Contents::Loaded(loaded) = look.contents else { return End::Settled };
        let environment = &order.environment;
        let Some(ended) = self.unless_stopped(&loaded, (environment, first_seen), herald).await else {
            tracing::info!(
                "the pass was given up before it wrote anything, because the agent is to stop, or does not lead any more"
            );
            herald.tell(News::Left(environment.clone()));
            return End::Unfinished;
        };
        ended.log();
        ended.trace();
        let end = ended.end();
        herald.tell(News::Ended(Box::new(ended)));
        if end == End::Failed {
            self.branch.forget().await;
        }
        end
    }

    /// A pass, or nothing if the agent is to stop and the pass has not begun to write.
    async fn unless_stopped(
        &self,
        loaded: &Arc<Loaded>,
        (environment, first_seen): (&EnvironmentName, Timestamp),
        herald: &Herald,
    ) -> Option<Ended> {
        let writes = AtomicBool::new(false);
        let mut reporter = Reporter { herald, loaded, environment, writes: &writes };
        let applying = Applying { config: &self.config, settings: self.settings, cancel: self.cancel.clone() };
        let began = Instant::now();
        let passing = Passing { applying, first_seen, attendant: self.attendant.as_deref() };
        let pass = pass::pass(loaded, environment, passing, &mut reporter);
        let end = tokio::select! {
            biased;
            end = pass => end,
            () = stopped(self.cancel.clone(), &writes) => return None,
        };
        let ready_after = self.ready_after(loaded, &end).await;
        Some(Ended {
            environment: environment.clone(),
            loaded: Arc::clone(loaded),
            end,
            took: began.elapsed(),
            ready_after,
        })
    }

    /// How old the commit is, if this pass is the first that leaves everything there that it asks for.
    async fn ready_after(&self, loaded: &Loaded, end: &Result<PassEnd, PassError>) -> Option<Duration> {
        let planned = match end {
            Ok(PassEnd::Converged { planned, postponed, .. }) if postponed.is_empty() => planned,
            Ok(PassEnd::Applied { planned, converged: true, .. }) => planned,
            _ => return None,
        };
        let commit = loaded.source.commit.as_ref()?;
        let before = planned.status.environment().and_then(|status| status.applied_commit.as_ref());
        if before == Some(commit) {
            return None;
        }
        let committed = self.branch.remote().committed_at(commit).await.ok()?;
        // A clock that is behind the committer's makes no negative age.
        Duration::try_from(Timestamp::now().duration_since(committed)).ok()
    }

    /// When this agent first saw the repository: approvals that are older were not made for it. The first call decides: a
    /// replica that stands by asks when it begins, or what was approved before it leads would have to be approved again.
    ///
    /// # Errors
    /// A state folder that cannot be written.
    pub fn first_seen(&self) -> anyhow::Result<Timestamp> {
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
        let url = self.branch.remote().url().to_string();
        let name = uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_URL, url.as_bytes());
        self.config.state_dir.join("first-seen").join(name.to_string())
    }
}

#[async_trait]
impl Duty for Agent {
    async fn look(&self, herald: &Herald) -> Option<Sight> {
        match self.read(herald).await {
            Ok(look) => {
                tracing::debug!(moved = look.is_new, "looked at the repository");
                Some(look.sight(&self.share))
            }
            Err(error) => {
                unreachable(error, herald);
                None
            }
        }
    }

    async fn pass(&self, order: &Order, herald: &Herald) -> End {
        // Of the highest level, so that no filter takes it away from the lines of a pass.
        let id = uuid::Uuid::new_v4();
        let span = tracing::error_span!("pass", pass_id = %id, environment = %order.environment);
        let trace = tracing::info_span!(
            target: "otel",
            "pass",
            pass_id = %id,
            environment = %order.environment,
            plan_id = tracing::field::Empty,
            outcome = tracing::field::Empty,
            otel.status_code = tracing::field::Empty,
        );
        // The one for the log is around the other, which the log does not know.
        let attended = async {
            let end = self.attend(order, herald).instrument(trace.clone()).await;
            if end == End::Failed {
                trace.record("otel.status_code", "ERROR");
            }
            end
        };
        LOGGED.scope(span.clone(), attended).instrument(span).await
    }
}

/// Tells that no pass can begin: for want of the repository, or of the agent's own folder.
fn unreachable(error: anyhow::Error, herald: &Herald) {
    tracing::error!(target: TOLD, error = format!("{error:#}"), "no pass can begin");
    herald.tell(News::Unreachable(error));
}

/// Resolves when the agent is to stop and nothing is being written.
async fn stopped(mut cancel: watch::Receiver<bool>, writes: &AtomicBool) {
    let asked = cancel.wait_for(|stop| *stop).await.is_ok();
    if !asked || writes.load(Ordering::SeqCst) {
        std::future::pending::<()>().await;
    }
}
