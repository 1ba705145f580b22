//! What several commands do alike: load the files, pick environments, show diagnostics, end.

use std::path::Path;

use crate::cli::Exit;
use crate::cli::options::SourceOptions;
use crate::cli::printer::Printer;
use crate::config::Config;
use crate::diagnostic::Diagnostics;
use crate::domain::name::EnvironmentName;
use crate::git::Limits;
use crate::git::RemoteUrl;
use crate::git::Repository;
use crate::reconcile::checking;
use crate::reconcile::error_chain;
use crate::reconcile::pass::PassError;
use crate::reconcile::remote::Remote;
use crate::reconcile::source;
use crate::reconcile::source::FolderOptions;
use crate::reconcile::source::Loaded;
use crate::reconcile::source::Source;
use crate::render::Label;
use crate::render::diagnostic;
use crate::repo::source::Sources;

/// What a command needs of a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// Its files, as they are.
    Files,
    /// Its files, as they are, and its remote.
    Remote,
    /// That it is the committed, fetched tip of the config branch.
    Commit,
}

/// Finds the files that are meant.
///
/// # Errors
/// No such remote, branch or authority.
pub(super) async fn find(
    folder: &Path,
    options: &SourceOptions,
    need: Need,
    (config, printer): (&Config, &Printer<'_>),
) -> anyhow::Result<Source> {
    let SourceOptions { repo, reference, base, authority, trust_working_tree } = options;
    if let Some(url) = repo {
        let url: RemoteUrl = url.parse()?;
        let remote = Remote::new(url, config);
        return Ok(source::from_remote(remote, reference.as_deref(), base.as_deref()).await?);
    }
    let implied = printer.is_interactive() && !config.is_ci();
    let base = base.clone().or_else(|| config.ci_target_branch());
    let options = FolderOptions {
        authority: authority.clone(),
        base,
        trust: *trust_working_tree || implied,
        committed: need == Need::Commit,
        upstream: need != Need::Files,
    };
    Ok(source::from_folder(folder, options, config).await?)
}

/// Takes a folder as it is, for commands that look at the files alone.
///
/// # Errors
/// A folder that cannot be read.
pub(super) fn offline(folder: &Path) -> anyhow::Result<Source> {
    Ok(checking::alone(Repository::snapshot_folder(folder, &Limits::default())?))
}

/// Reads settings and documents, or shows what is wrong with the settings.
///
/// # Errors
/// The exit code, after the diagnostics were shown.
pub(super) fn load(source: Source, printer: &mut Printer<'_>) -> Result<Loaded, Exit> {
    source::load(source).map_err(|(diagnostics, sources)| {
        show(&diagnostics, &sources, printer);
        Exit::Files
    })
}

/// Shows diagnostics as messages.
pub(super) fn show(diagnostics: &Diagnostics, sources: &Sources, printer: &mut Printer<'_>) {
    if !diagnostics.is_empty() {
        let text = diagnostic::render(diagnostics, sources, printer.colours_err());
        printer.raw_message(&text);
    }
}

/// The environments that are meant: those named, or all.
pub(super) fn environments(named: &[EnvironmentName], loaded: &Loaded) -> Vec<EnvironmentName> {
    if named.is_empty() { loaded.settings.environments.keys().cloned().collect() } else { named.to_vec() }
}

/// Says why a pass failed, and how that ends.
pub(super) fn failed(
    environment: &EnvironmentName,
    error: &PassError,
    loaded: &Loaded,
    printer: &mut Printer<'_>,
) -> Exit {
    printer.end_live();
    if let PassError::Files(diagnostics) = error {
        show(diagnostics, &loaded.reading.sources, printer);
        return exit_of(error);
    }
    printer.line(Label::Error, format!("error: {environment}: {}", error_chain(error)));
    exit_of(error)
}

/// How a failed pass ends the program.
pub(super) fn exit_of(error: &PassError) -> Exit {
    if matches!(error, PassError::Files(_)) { Exit::Files } else { Exit::Failed }
}
