//! `privlink doctor`: what works from here and what is missing, with the next step; `doctor auth` for the sign-in alone.

mod auth;
mod show;

use std::path::PathBuf;

use clap::Args;
use clap::Subcommand;
use clap::ValueEnum;

use crate::cli::Exit;
use crate::cli::options::EnvironmentOptions;
use crate::cli::options::SourceOptions;
use crate::cli::printer::Printer;
use crate::cli::runner;
use crate::config::Config;
use crate::reconcile::doctor;
use crate::reconcile::doctor::Finding;
use crate::reconcile::doctor::State;
use crate::reconcile::source::Loaded;

/// Show what works from here and what is missing
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct DoctorArguments {
    #[command(subcommand)]
    part: Option<Part>,
    #[command(flatten)]
    wherever: Wherever,
}

#[derive(Debug, Subcommand)]
enum Part {
    /// Show every way to sign in to Azure, which one answers, and why the others do not
    Auth(Wherever),
}

/// What is looked at, and how it is told.
#[derive(Debug, Args)]
struct Wherever {
    /// The config repository
    #[arg(default_value = ".", conflicts_with = "repo")]
    folder: PathBuf,
    #[command(flatten)]
    source: SourceOptions,
    #[command(flatten)]
    environments: EnvironmentOptions,
    /// How to print
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    format: Format,
}

/// How it is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
}

pub(super) async fn run(
    arguments: DoctorArguments,
    config: &Config,
    printer: &mut Printer<'_>,
) -> anyhow::Result<Exit> {
    let DoctorArguments { part, wherever } = arguments;
    match part {
        Some(Part::Auth(wherever)) => {
            let Some(loaded) = load(&wherever, config, printer).await? else { return Ok(Exit::Files) };
            auth::run(&wherever, &loaded, (config, printer)).await
        }
        None => {
            let Some(loaded) = load(&wherever, config, printer).await? else { return Ok(Exit::Files) };
            examine(&wherever, &loaded, (config, printer)).await
        }
    }
}

/// Reads the repository as `plan` does; nothing, after it was said why, if its settings are in error.
async fn load(wherever: &Wherever, config: &Config, printer: &mut Printer<'_>) -> anyhow::Result<Option<Loaded>> {
    let found = runner::find(&wherever.folder, &wherever.source, runner::Need::Files, (config, printer)).await?;
    Ok(runner::load(found, printer).ok())
}

async fn examine(
    wherever: &Wherever,
    loaded: &Loaded,
    (config, printer): (&Config, &mut Printer<'_>),
) -> anyhow::Result<Exit> {
    let mut exit = Exit::Done;
    let mut all = Vec::new();
    for environment in runner::environments(&wherever.environments.environments, loaded) {
        printer.live(format!("looking at {environment}"));
        let findings = match doctor::examine(loaded, &environment, config).await {
            Ok(findings) => findings,
            Err(error) => {
                exit = exit.or(runner::failed(&environment, &error, loaded, printer));
                continue;
            }
        };
        printer.end_live();
        exit = exit.or(end_of(&findings));
        match wherever.format {
            Format::Text => printer.result(&show::findings(environment.as_str(), &findings)),
            Format::Json => all.push(show::findings_json(environment.as_str(), &findings)),
        }
    }
    if wherever.format == Format::Json {
        printer.raw_result(&show::document(all));
    }
    Ok(exit)
}

/// As a plan would end.
fn end_of(findings: &[Finding]) -> Exit {
    let is_of_files = |finding: &Finding| finding.subject == "repository" || finding.subject == "documents";
    match findings.iter().max_by_key(|finding| finding.state) {
        Some(Finding { state: State::Failed, .. }) => {
            let failed = findings.iter().filter(|finding| finding.state == State::Failed);
            if failed.clone().all(is_of_files) { Exit::Files } else { Exit::Failed }
        }
        Some(Finding { state: State::Lacking, .. }) => Exit::Incomplete,
        _ => Exit::Done,
    }
}
