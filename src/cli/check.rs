//! `privlink check`: everything that can be said about the files alone.

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
use crate::reconcile::planning;
use crate::reconcile::source;
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

pub(super) fn run(arguments: &CheckArguments, printer: &mut Printer<'_>) -> anyhow::Result<Exit> {
    let CheckArguments { folder, remarks, deny, format, explain } = arguments;
    let source = runner::offline(folder)?;
    let loaded = match source::load(source) {
        Ok(loaded) => loaded,
        Err((diagnostics, sources)) => {
            show(*format, &diagnostics, &sources, printer);
            return Ok(Exit::Files);
        }
    };
    let mut diagnostics = loaded.reading.diagnostics.clone();
    for name in loaded.settings.environments.keys() {
        let mut policy = planning::policy(&loaded, name)?;
        policy.levels.remarks = *remarks;
        diagnostics.extend(planning::diagnose_files(&loaded, &policy));
    }
    let diagnostics = diagnostics.sorted_by_offset(|place| loaded.reading.sources.offset(place));
    show(*format, &diagnostics, &loaded.reading.sources, printer);
    if *explain && *format == Format::Text {
        let codes: BTreeSet<Code> = diagnostics.iter().map(|diagnostic| diagnostic.code).collect();
        codes
            .into_iter()
            .filter_map(|code| render::explain::page(code.as_str()))
            .for_each(|page| printer.result(&page));
    }
    let denied = *deny == Some(Deny::Warnings) && diagnostics.count(Severity::Warning) > 0;
    if diagnostics.has_errors() || denied {
        return Ok(Exit::Files);
    }
    if *format == Format::Text {
        say_so(&loaded, printer);
    }
    Ok(Exit::Done)
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

fn say_so(loaded: &Loaded, printer: &mut Printer<'_>) {
    let documents = count(loaded.reading.documents.len(), "document");
    let environments = count(loaded.settings.environments.len(), "environment");
    printer.line(Label::Added, format!("{documents} in {environments}: no errors"));
}
