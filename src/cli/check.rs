//! `privlink check`: everything that can be said about the files alone, once or on every save, with or without repairs.

mod repair;
mod watch;

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::Args;
use clap::ValueEnum;

use crate::cli::Exit;
use crate::cli::printer::Printer;
use crate::cli::runner;
use crate::diagnostic::Code;
use crate::diagnostic::Diagnostics;
use crate::diagnostic::Severity;
use crate::domain::commit::Snapshot;
use crate::git::GitError;
use crate::git::Limits;
use crate::git::Repository;
use crate::reconcile::checking;
use crate::reconcile::checking::Checked;
use crate::reconcile::source::Loaded;
use crate::render;
use crate::render::Label;
use crate::render::count;
use crate::repo::source::Sources;

/// Check the files of a config repository; needs no network
#[derive(Debug, Args)]
pub struct CheckArguments {
    /// The config repository
    #[arg(default_value = ".")]
    folder: PathBuf,
    /// Tell remarks, too: what is true of many Services that work, and worth knowing
    #[arg(long)]
    remarks: bool,
    /// End with exit code 3 for warnings, too
    #[arg(long, value_enum, value_name = "WHAT")]
    deny: Option<Deny>,
    /// How the findings are written; all but `text` go to stdout
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Explain each rule that was broken
    #[arg(long, conflicts_with = "format")]
    explain: bool,
    /// Repair what needs no decision; comments and layout stay
    #[arg(long)]
    fix: bool,
    /// With --fix: show what it would change as a diff, and write nothing
    #[arg(long, requires = "fix", conflicts_with_all = ["format", "watch"])]
    dry_run: bool,
    /// Check again whenever a file is saved, until Ctrl-C
    #[arg(long)]
    watch: bool,
}

/// How findings are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// For programs: schemas/findings.json
    Json,
    /// SARIF 2.1.0, for code scanning
    Sarif,
    /// Workflow commands of GitHub Actions
    Github,
}

/// What is as bad as an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Deny {
    /// Whatever is probably not what was meant
    Warnings,
}

pub(super) async fn run(arguments: &CheckArguments, printer: &mut Printer<'_>) -> anyhow::Result<Exit> {
    if arguments.watch {
        return watch::run(arguments, printer).await;
    }
    let snapshot = snapshot(arguments)?;
    Ok(once(arguments, snapshot, printer).0)
}

fn snapshot(arguments: &CheckArguments) -> Result<Snapshot, GitError> {
    Repository::snapshot_folder(&arguments.folder, &Limits::default())
}

/// Checks the files once, and says how that ends and what they are then.
fn once(arguments: &CheckArguments, snapshot: Snapshot, printer: &mut Printer<'_>) -> (Exit, Checked) {
    let checked = checking::check(snapshot, arguments.remarks);
    if !arguments.fix {
        return (tell(arguments, &checked, printer), checked);
    }
    let as_it_is = end_of(arguments, &checked.diagnostics);
    let repaired = checking::repair(checked, arguments.remarks);
    if arguments.dry_run {
        return (repair::show(&repaired, as_it_is, printer), repaired.checked);
    }
    repair::write(arguments, repaired, printer)
}

/// Says what was found.
fn tell(arguments: &CheckArguments, checked: &Checked, printer: &mut Printer<'_>) -> Exit {
    let CheckArguments { format, explain, folder: _, remarks: _, deny: _, fix: _, dry_run: _, watch: _ } = arguments;
    let Checked { diagnostics, loaded } = checked;
    show(*format, diagnostics, checked.sources(), printer);
    let Ok(loaded) = loaded else { return Exit::Files };
    if *explain && *format == Format::Text {
        let codes: BTreeSet<Code> = diagnostics.iter().map(|diagnostic| diagnostic.code).collect();
        codes
            .into_iter()
            .filter_map(|code| render::explain::page(code.as_str()))
            .for_each(|page| printer.result(&page));
    }
    let end = end_of(arguments, diagnostics);
    if end == Exit::Done && *format == Format::Text {
        printer.line(Label::Added, format!("{}: no errors", extent(loaded)));
    }
    end
}

fn end_of(arguments: &CheckArguments, diagnostics: &Diagnostics) -> Exit {
    let denied = arguments.deny == Some(Deny::Warnings) && diagnostics.count(Severity::Warning) > 0;
    if diagnostics.has_errors() || denied { Exit::Files } else { Exit::Done }
}

fn show(format: Format, diagnostics: &Diagnostics, sources: &Sources, printer: &mut Printer<'_>) {
    let text = match format {
        Format::Text => return runner::show(diagnostics, sources, printer),
        Format::Json => render::findings::json(diagnostics, sources),
        Format::Sarif => render::findings::sarif(diagnostics, sources),
        Format::Github => render::findings::github(diagnostics, sources),
    };
    printer.raw_result(&text);
}

fn extent(loaded: &Loaded) -> String {
    let documents = count(loaded.reading.documents.len(), "document");
    let environments = count(loaded.settings.environments.len(), "environment");
    format!("{documents} in {environments}")
}
