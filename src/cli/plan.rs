//! `privlink plan`: what would happen, and to whom.

use std::path::PathBuf;

use anyhow::Context as _;
use anyhow::bail;
use clap::Args;
use clap::ValueEnum;

use crate::cli::Exit;
use crate::cli::options::EnvironmentOptions;
use crate::cli::options::FloorOptions;
use crate::cli::options::SourceOptions;
use crate::cli::printer::Printer;
use crate::cli::runner;
use crate::config::Config;
use crate::reconcile::planning;
use crate::reconcile::planning::Planned;
use crate::reconcile::source::Loaded;
use crate::render;
use crate::render::Label;
use crate::render::saved_plan::Provenance;
use crate::render::saved_plan::saved_plan;
use crate::render::shown::Details;

/// Show what would happen, and to whom
#[derive(Debug, Args)]
pub struct PlanArguments {
    /// The config repository
    #[arg(default_value = ".", conflicts_with = "repo")]
    folder: PathBuf,
    #[command(flatten)]
    source: SourceOptions,
    #[command(flatten)]
    environments: EnvironmentOptions,
    #[command(flatten)]
    floor: FloorOptions,
    /// Save the plan for `privlink apply FILE`; needs a single environment
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// How to print
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    format: Format,
    /// Exit with 2 if changes are pending
    #[arg(long)]
    detailed_exitcode: bool,
    /// Say at the end how many calls it took, by method and type
    #[arg(long)]
    stats: bool,
}

/// How a plan is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For a terminal.
    #[default]
    Text,
    /// For a pull request.
    Markdown,
    /// For programs.
    Json,
}

pub(super) async fn run(arguments: PlanArguments, config: &Config, printer: &mut Printer<'_>) -> anyhow::Result<Exit> {
    let PlanArguments { folder, source, environments, floor, out, format, detailed_exitcode, stats } = arguments;
    let reviewed = source.repo.is_none().then_some(folder.as_path());
    let Some(config) = &floor.on(config, reviewed, printer)? else { return Ok(Exit::Files) };
    let found = runner::find(&folder, &source, runner::Need::Files, (config, printer)).await?;
    let loaded = match runner::load(found, printer) {
        Ok(loaded) => loaded,
        Err(exit) => return Ok(exit),
    };
    say_whom_we_believe(&loaded, printer);
    let environments = runner::environments(&environments.environments, &loaded);
    if out.is_some() && environments.len() != 1 {
        bail!("--out saves one plan, and {} environments are planned: name one with --environment", environments.len());
    }
    let mut exit = Exit::Done;
    for environment in &environments {
        printer.live(format!("reading the world of {environment}"));
        let planned = match planning::plan(&loaded, environment, config).await {
            Ok(planned) => planned,
            Err(error) => {
                exit = exit.or(runner::failed(environment, &error, &loaded, printer));
                continue;
            }
        };
        printer.end_live();
        runner::show(&planned.diagnostics, &loaded.reading.sources, printer);
        print(&loaded, &planned, format, printer);
        if let Some(file) = &out {
            let text = saved_plan(&planned.plan, provenance(&loaded, &folder, &source));
            std::fs::write(file, text).with_context(|| format!("cannot write the plan to {}", file.display()))?;
            printer.line(Label::Dim, format!("saved: privlink apply {}", file.display()));
        }
        exit = exit.or(end_of(&planned, detailed_exitcode));
    }
    if stats {
        printer.message(&render::stats::stats(&config.calls.counts()));
    }
    Ok(exit)
}

/// Says which files are planned and whose settings are in force.
pub(super) fn say_whom_we_believe(loaded: &Loaded, printer: &mut Printer<'_>) {
    let source = &loaded.source;
    printer.line(
        Label::Dim,
        format!("planning {}, under the authority of {}", source.planned_note, source.authority_note),
    );
}

/// Prints a plan.
pub(super) fn print(loaded: &Loaded, planned: &Planned, format: Format, printer: &mut Printer<'_>) {
    let locate = |place: &crate::diagnostic::Place| planning::locate(loaded, place);
    let first_seen = crate::status::first_seen(&planned.status.documents);
    let details = Details { locate: &locate, first_seen: Some(&first_seen) };
    match format {
        Format::Text => printer.result(&render::plan::plan(&planned.plan, details)),
        Format::Markdown => {
            printer.raw_result(&render::markdown::plan(&planned.plan, details, render::markdown::GITHUB_LIMIT));
        }
        Format::Json => printer.raw_result(&render::json::plan(&planned.plan, details)),
    }
}

/// Where a plan comes from, so that a saved one finds its files again.
fn provenance(loaded: &Loaded, folder: &std::path::Path, source: &SourceOptions) -> Provenance {
    // As the remote tells its address: what was typed may hold a token.
    let url = loaded.source.upstream.as_ref().map(|upstream| upstream.remote.url().to_string());
    let source = match (url.filter(|_| source.repo.is_some()), &source.reference) {
        (Some(url), Some(reference)) => format!("{url} {reference}"),
        (Some(url), None) => url,
        (None, _) => folder.canonicalize().unwrap_or_else(|_| folder.to_owned()).display().to_string(),
    };
    Provenance {
        commit: loaded.source.commit.clone(),
        source,
        created_at: jiff::Timestamp::now(),
        build: env!("CARGO_PKG_VERSION").to_owned(),
    }
}

fn end_of(planned: &Planned, detailed: bool) -> Exit {
    let plan = &planned.plan;
    if !plan.is_sound() {
        Exit::Incomplete
    } else if detailed && plan.has_changes() {
        Exit::Changes
    } else {
        Exit::Done
    }
}
