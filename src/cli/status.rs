//! `privlink status`: what the last pass found, from the status branch; with `--live`, what is there now.

use std::path::PathBuf;

use anyhow::bail;
use clap::Args;
use jiff::Timestamp;

use crate::cli::Exit;
use crate::cli::options::EnvironmentOptions;
use crate::cli::options::SourceOptions;
use crate::cli::printer::Printer;
use crate::cli::runner;
use crate::config::Config;
use crate::domain::name::EnvironmentName;
use crate::reconcile::planning;
use crate::reconcile::source::Loaded;
use crate::reconcile::status_branch::StatusBranch;
use crate::render::Label;
use crate::render::status::Clock;
use crate::render::status::status;
use crate::status::Composition;
use crate::status::compose;

/// Show what the last pass found
#[derive(Debug, Args)]
pub struct StatusArguments {
    /// A clone of the config repository
    #[arg(default_value = ".", conflicts_with = "repo")]
    folder: PathBuf,
    #[command(flatten)]
    source: SourceOptions,
    #[command(flatten)]
    environments: EnvironmentOptions,
    /// Look at Azure and the cluster instead of the status branch
    #[arg(long)]
    live: bool,
}

pub(super) async fn run(
    arguments: StatusArguments,
    config: &Config,
    printer: &mut Printer<'_>,
) -> anyhow::Result<Exit> {
    let StatusArguments { folder, mut source, environments, live } = arguments;
    // Reading a branch sends no credentials anywhere but to the remote that the folder came from.
    source.trust_working_tree |= !live && source.repo.is_none() && source.base.is_none() && source.authority.is_none();
    let need = if live { runner::Need::Files } else { runner::Need::Remote };
    let found = runner::find(&folder, &source, need, (config, printer)).await?;
    let loaded = match runner::load(found, printer) {
        Ok(loaded) => loaded,
        Err(exit) => return Ok(exit),
    };
    let mut exit = Exit::Done;
    for environment in runner::environments(&environments.environments, &loaded) {
        exit = exit.or(if live {
            live_status(&environment, &loaded, (config, printer)).await?
        } else {
            branch_status(&environment, &loaded, printer).await?
        });
    }
    Ok(exit)
}

async fn branch_status(
    environment: &EnvironmentName,
    loaded: &Loaded,
    printer: &mut Printer<'_>,
) -> anyhow::Result<Exit> {
    let policy = planning::policy(loaded, environment)?;
    let Some(upstream) = &loaded.source.upstream else {
        bail!("there is no remote with a status branch: use --repo URL, a clone with a remote `origin`, or --live");
    };
    let files = StatusBranch::new(upstream.remote.clone(), &policy).read().await?;
    let Some(as_of) = files.committed_at else {
        printer.line(Label::Dim, format!("{environment}: no pass has written a status yet ({})", policy.status.branch));
        return Ok(Exit::Done);
    };
    printer.result(&status(environment.as_str(), &files.documents, Clock { as_of, now: Timestamp::now() }));
    Ok(Exit::Done)
}

async fn live_status(
    environment: &EnvironmentName,
    loaded: &Loaded,
    (config, printer): (&Config, &mut Printer<'_>),
) -> anyhow::Result<Exit> {
    let planned = match planning::plan(loaded, environment, config).await {
        Ok(planned) => planned,
        Err(error) => return Ok(runner::failed(environment, &error, loaded, printer)),
    };
    let now = Timestamp::now();
    let documents = compose(&Composition {
        desired: &planned.desired,
        observed: &planned.observed,
        plan: &planned.plan,
        previous: &planned.status.documents,
        applied: None,
        failures: &std::collections::BTreeMap::new(),
        approved: None,
        news: &[],
        now,
    });
    printer.result(&status(environment.as_str(), &documents, Clock { as_of: now, now }));
    Ok(if planned.plan.is_complete() { Exit::Done } else { Exit::Incomplete })
}
