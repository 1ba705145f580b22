//! `privlink agent`: passes over a config repository, once or at an interval.

use std::time::Duration;

use clap::Args;
use tokio::sync::watch;

use crate::agent::Agent;
use crate::agent::wake::Wake;
use crate::apply::engine::Settings;
use crate::apply::report::Progress;
use crate::cli::Exit;
use crate::cli::apply::missing_text;
use crate::cli::interrupt;
use crate::cli::options::EnvironmentOptions;
use crate::cli::options::duration;
use crate::cli::plan;
use crate::cli::plan::Format;
use crate::cli::printer::Printer;
use crate::cli::runner;
use crate::cli::signals::Signals;
use crate::config::Config;
use crate::diagnostic::Diagnostics;
use crate::domain::name::EnvironmentName;
use crate::git::RemoteUrl;
use crate::reconcile::error_chain;
use crate::reconcile::pass::Listener;
use crate::reconcile::pass::PassEnd;
use crate::reconcile::pass::PassError;
use crate::reconcile::planning::Planned;
use crate::reconcile::remote::Remote;
use crate::reconcile::source::Loaded;
use crate::render;
use crate::render::Label;
use crate::repo::source::Sources;

/// Reconcile a config repository: plan, wait for approval, apply, commit the status
#[derive(Debug, Args)]
pub struct AgentArguments {
    /// The config repository (file, https or ssh URL)
    #[arg(long, value_name = "URL")]
    repo: String,
    /// Its config branch; default: its main branch
    #[arg(long = "ref", value_name = "BRANCH")]
    reference: Option<String>,
    #[command(flatten)]
    environments: EnvironmentOptions,
    /// Make one pass and end
    #[arg(long, conflicts_with = "interval")]
    once: bool,
    /// The time between two passes
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "1m")]
    interval: Duration,
    /// How long a step may take to become ready
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "15m")]
    deadline: Duration,
}

pub(super) async fn run(arguments: AgentArguments, config: &Config, printer: &mut Printer<'_>) -> anyhow::Result<Exit> {
    let AgentArguments { repo, reference, environments, once, interval, deadline } = arguments;
    let url: RemoteUrl = repo.parse()?;
    let (stop, cancel) = watch::channel(false);
    tokio::spawn(async move {
        stopped().await;
        stop.send_replace(true);
        // Whoever asks twice does not want to wait for the writes in flight.
        stopped().await;
        interrupt::end();
    });
    let settings = Settings { deadline, check_interval: config.poll_interval, ..Settings::default() };
    let agent = Agent {
        remote: Remote::new(url, config),
        branch: reference,
        environments: environments.environments,
        config,
        settings,
        cancel: cancel.clone(),
    };
    let mut console = Console { printer, exit: Exit::Done, shown: std::collections::BTreeMap::new() };
    if once {
        agent.pass(&mut console).await?;
        return Ok(console.exit);
    }
    watch_for_ever(&agent, interval, cancel, &mut console).await;
    Ok(Exit::Done)
}

/// Makes passes until it is told to stop: one per interval, and one whenever a repository on this machine moves.
pub(super) async fn watch_for_ever(
    agent: &Agent<'_>,
    interval: Duration,
    mut cancel: watch::Receiver<bool>,
    console: &mut Console<'_, '_>,
) {
    let mut wake = Wake::watch(&agent.remote);
    while !*cancel.borrow() {
        if let Err(error) = agent.pass(console).await {
            // Reconciling goes on: the next pass may find the remote again.
            console.printer.line(Label::Error, format!("error: {}", error_chain(error.as_ref())));
        }
        // What moved during the pass was moved by the pass, or is seen by the next one anyway.
        wake.forget();
        tokio::select! {
            () = tokio::time::sleep(interval) => {}
            () = wake.moved() => {}
            _ = cancel.wait_for(|stop| *stop) => {}
        }
    }
}

/// Ctrl-C, or what a service manager sends.
async fn stopped() {
    match Signals::listen() {
        Ok(mut signals) => signals.stopped().await,
        Err(_) => drop(tokio::signal::ctrl_c().await),
    }
}

/// Tells a person what the agent does, and says the same thing once only.
pub(super) struct Console<'a, 'p> {
    pub(super) printer: &'a mut Printer<'p>,
    pub(super) exit: Exit,
    pub(super) shown: std::collections::BTreeMap<EnvironmentName, String>,
}

impl Console<'_, '_> {
    /// True if this is news.
    fn is_news(&mut self, environment: &EnvironmentName, what: String) -> bool {
        self.shown.insert(environment.clone(), what.clone()) != Some(what)
    }
}

impl Listener for Console<'_, '_> {
    fn loaded(&mut self, loaded: &Loaded) {
        self.exit = Exit::Done;
        tracing::info!(authority = loaded.source.authority_note, "a pass begins");
    }

    fn unreadable(&mut self, diagnostics: &Diagnostics, sources: &Sources) {
        runner::show(diagnostics, sources, self.printer);
        self.exit = Exit::Files;
    }

    fn applies(&mut self, loaded: &Loaded, planned: &Planned) {
        // A plan that waited was printed when it began to wait.
        let environment = &planned.plan.policy.mark.environment;
        if self.is_news(environment, planned.plan.id.to_string()) {
            plan::print(loaded, planned, Format::Text, self.printer);
        }
        self.printer.line(Label::Heading, format!("applying plan {}", planned.plan.id));
    }

    fn progress(&mut self, progress: Progress) {
        self.printer.progress(&progress);
    }

    fn ended(&mut self, environment: &EnvironmentName, loaded: &Loaded, end: Result<&PassEnd, &PassError>) {
        self.printer.end_live();
        let exit = match end {
            Err(error) => runner::failed(environment, error, loaded, self.printer),
            Ok(PassEnd::Converged { postponed, status }) => {
                let names = postponed.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
                let is_news = self.is_news(environment, format!("converged {names}")) || status.is_some();
                if is_news && postponed.is_empty() {
                    self.printer.line(Label::Added, format!("{environment}: no changes"));
                } else if is_news {
                    let text = format!("{environment}: no changes yet: {names} wait for what others are still making");
                    self.printer.line(Label::Notable, text);
                }
                Exit::Done
            }
            Ok(PassEnd::Waits { planned, missing, diagnostics: (diagnostics, sources), status: _ }) => {
                if self.is_news(environment, planned.plan.id.to_string()) {
                    plan::print(loaded, planned, Format::Text, self.printer);
                    runner::show(diagnostics, sources, self.printer);
                    let mut waits = render::Text::new();
                    let what = match missing.needs.is_empty() {
                        true => "waits until the environment is not frozen any more",
                        false => "waits for approval: `privlink approve` shows the plan, asks, and commits one",
                    };
                    waits.line(Label::Notable, what);
                    waits.append(missing_text(missing));
                    self.printer.message(&waits);
                }
                Exit::Approval
            }
            Ok(PassEnd::Stuck { planned, status: _ }) => {
                if self.is_news(environment, format!("stuck {}", planned.plan.id)) {
                    plan::print(loaded, planned, Format::Text, self.printer);
                }
                Exit::Incomplete
            }
            Ok(PassEnd::Applied { planned, ended, status }) => {
                self.shown.remove(environment);
                self.printer.result(&render::apply::summary(&ended.report.steps));
                self.printer.result(&render::apply::left_out(&planned.plan));
                if let Some(commit) = status {
                    self.printer.line(Label::Dim, format!("{environment}: status commit {}", commit.short()));
                }
                Exit::of_apply(&ended.report, &planned.plan)
            }
        };
        self.exit = self.exit.or(exit);
    }
}
