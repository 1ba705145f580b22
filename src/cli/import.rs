//! `privlink import`: documents for what is there already. The documents are tried out on a plan before they are written.

use std::path::Path;
use std::path::PathBuf;

use anyhow::Context as _;
use anyhow::bail;
use clap::Args;

use crate::cli::Exit;
use crate::cli::options::SourceOptions;
use crate::cli::printer::Printer;
use crate::cli::runner;
use crate::config::Config;
use crate::domain::azure::ResourceGroup;
use crate::domain::commit::RepoPath;
use crate::domain::name::EnvironmentName;
use crate::reconcile::importing;
use crate::reconcile::importing::Imported;
use crate::reconcile::importing::Imports;
use crate::reconcile::importing::Wish;
use crate::render::Label;
use crate::render::count;

/// Write documents for internal load balancers, Private Link Services, endpoints and records that are there already
#[derive(Debug, Args)]
pub struct ImportArguments {
    /// The config repository, as a folder to write into
    #[arg(default_value = ".", conflicts_with = "repo")]
    folder: PathBuf,
    #[command(flatten)]
    source: SourceOptions,
    /// The environment whose subscriptions and cluster are looked at
    #[arg(long, short = 'e', value_name = "NAME")]
    environment: EnvironmentName,
    /// Only what lies in this resource group; Services are in that of the nodes
    #[arg(long, short = 'g', value_name = "NAME")]
    resource_group: Option<ResourceGroup>,
    /// Write what documents ask for already once more, as it is now, over files that hold nothing else
    #[arg(long)]
    overwrite: bool,
    /// Print the documents and write nothing
    #[arg(long)]
    dry_run: bool,
}

pub(super) async fn run(
    arguments: ImportArguments,
    config: &Config,
    printer: &mut Printer<'_>,
) -> anyhow::Result<Exit> {
    let ImportArguments { folder, source, environment, resource_group, overwrite, dry_run } = arguments;
    if source.repo.is_some() && !dry_run {
        bail!("documents are written into a folder: use --dry-run with --repo, or name a clone");
    }
    let found = runner::find(&folder, &source, runner::Need::Files, (config, printer)).await?;
    let loaded = match runner::load(found, printer) {
        Ok(loaded) => loaded,
        Err(exit) => return Ok(exit),
    };
    let wish = Wish { group: resource_group, overwrite };
    let imported = match importing::import(&loaded, &environment, config, &wish).await {
        Ok(imported) => imported,
        Err(error) => return Ok(runner::failed(&environment, &error, &loaded, printer)),
    };
    for (path, imports) in &imported.files {
        if dry_run {
            printer.raw_result(&format!("---\n# {path}\n{}", imports.text));
            printer.line(Label::Dim, format!("would write {path}: {}", contents(imports)));
        } else {
            write(&folder, path, imports)?;
            printer.line(Label::Added, format!("wrote {path}: {}", contents(imports)));
        }
    }
    tell(&imported, printer);
    Ok(if imported.gaps.is_empty() { Exit::Done } else { Exit::Incomplete })
}

fn contents(imports: &Imports) -> String {
    match imports.adopts {
        0 => imports.what.clone(),
        1 => format!("{}, adopted", imports.what),
        several => format!("{}, {several} resources adopted", imports.what),
    }
}

/// Writes a file; one that came meanwhile is not written over, and no link leads out of the folder.
fn write(folder: &Path, path: &RepoPath, imports: &Imports) -> anyhow::Result<()> {
    let target = folder.join(path.as_str());
    let parent = target.parent().context("a document lies in a folder")?;
    std::fs::create_dir_all(parent).with_context(|| format!("cannot make the folder {}", parent.display()))?;
    if !parent.canonicalize()?.starts_with(folder.canonicalize()?) {
        bail!("{} leads out of the repository: nothing is written there", parent.display());
    }
    let failed = || format!("cannot write {}", target.display());
    let mut options = std::fs::OpenOptions::new();
    options.write(true);
    if imports.replaces {
        if target.symlink_metadata().with_context(failed)?.is_symlink() {
            bail!("{} is a link: nothing is written through it", target.display());
        }
        options.truncate(true);
    } else {
        options.create_new(true);
    }
    let mut file = options.open(&target).with_context(failed)?;
    std::io::Write::write_all(&mut file, imports.text.as_bytes()).with_context(failed)
}

/// What is not in the files, and what to do next.
fn tell(imported: &Imported, printer: &mut Printer<'_>) {
    let Imported { files, left, asked, gaps } = imported;
    if *asked > 0 {
        printer.line(Label::Dim, format!("{} asked for by documents already", count(*asked, "resource")));
    }
    for gap in gaps {
        printer.line(
            Label::Warning,
            format!("could not be read, and nothing of it is here: {}: {}", gap.area, gap.reason),
        );
    }
    if !left.is_empty() {
        printer.line(Label::Warning, "without a document:");
    }
    for one in left {
        printer.line(Label::Plain, format!("  {}: {}", one.subject, one.reason));
    }
    printer.line(
        Label::Dim,
        "never looked at: endpoints of other Azure services, and Private Link Services that lead straight to an address",
    );
    if files.values().any(|imports| imports.adopts > 0) {
        printer.line(
            Label::Hint,
            "next: commit it; `privlink plan` shows adoptions and nothing else, `privlink apply` marks them",
        );
    }
}
