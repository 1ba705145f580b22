//! `privlink migrate`: writes a second Service and Private Link Service beside published ones, so that consumers can move
//! before the first ones go. The documents are tried out before they are written.

use std::io::Write as _;
use std::net::IpAddr;
use std::path::Path;
use std::path::PathBuf;

use anyhow::Context as _;
use anyhow::bail;
use clap::Args;

use crate::cli::Exit;
use crate::cli::printer::Printer;
use crate::cli::runner;
use crate::desired::migrate;
use crate::desired::migrate::MigrateError;
use crate::desired::migrate::Migration;
use crate::desired::migrate::Wish;
use crate::diagnostic::Diagnostics;
use crate::domain::azure::AzureName;
use crate::domain::commit::File;
use crate::domain::commit::RepoPath;
use crate::domain::name::DocumentName;
use crate::domain::name::EnvironmentName;
use crate::reconcile::planning;
use crate::reconcile::source;
use crate::reconcile::source::Loaded;
use crate::render;
use crate::render::Label;
use crate::repo::document::Document;

/// Write a second way to a published Service, for consumers to move to before the first one goes
#[derive(Debug, Args)]
pub struct MigrateArguments {
    /// The PrivateLinkService, by the name of its document
    name: DocumentName,
    /// The config repository, as a folder to write into
    #[arg(default_value = ".")]
    folder: PathBuf,
    /// Its environment; needed if several have a document of that name
    #[arg(long, short = 'e', value_name = "NAME")]
    environment: Option<EnvironmentName>,
    /// The name of the second one, for document and Service; default: the old ones, counted on
    #[arg(long = "as", value_name = "NAME")]
    new_name: Option<DocumentName>,
    /// A static address for the second Service; default: Azure picks one
    #[arg(long, value_name = "IP")]
    address: Option<IpAddr>,
    /// The subnet of the second Service's address; default: the old one's
    #[arg(long, value_name = "NAME")]
    subnet: Option<AzureName>,
    /// Print the documents and write nothing
    #[arg(long)]
    dry_run: bool,
}

pub(super) fn run(arguments: MigrateArguments, printer: &mut Printer<'_>) -> anyhow::Result<Exit> {
    let MigrateArguments { name, folder, environment, new_name, address, subnet, dry_run } = arguments;
    let loaded = match runner::load(runner::offline(&folder)?, printer) {
        Ok(loaded) => loaded,
        Err(exit) => return Ok(exit),
    };
    if loaded.reading.diagnostics.has_errors() {
        return Ok(refused(&loaded.reading.diagnostics, &loaded, "the files have errors: repair them first", printer));
    }
    let environment = environment_of(&loaded, &name, environment.as_ref())?;
    let found = diagnose(&loaded, &environment)?;
    if found.has_errors() {
        return Ok(refused(&found, &loaded, "the files have errors: repair them first", printer));
    }
    let documents: Vec<&Document> =
        loaded.reading.documents.iter().filter(|document| document.environment == environment).collect();
    let wish = Wish { name: new_name, address, subnet };
    let migration = match migrate::migrate(&documents, &name, &wish) {
        Ok(migration) => migration,
        Err(error) => {
            if let MigrateError::ByAnnotations { document, beside, .. } = &error {
                printer.raw_result(&render::yaml::documents(std::slice::from_ref(document)));
                printer.line(Label::Dim, format!("a document for {beside}"));
            }
            return Err(error.into());
        }
    };
    let text = render::yaml::documents(&migration.documents);
    let path = beside(&migration)?;
    if let Some((found, after)) = tried_out(&loaded, &environment, (&path, &text))? {
        return Ok(refused(&found, &after, "nothing was written: the documents would have these errors", printer));
    }
    if dry_run {
        printer.raw_result(&text);
        printer.line(Label::Dim, format!("would write {path}"));
    } else {
        write(&folder.join(path.as_str()), &text)?;
        printer.line(Label::Added, format!("wrote {path}: {}", contents(&migration)));
    }
    let prune = planning::policy(&loaded, &environment)?.prune;
    guide(&migration, (&name, prune), printer);
    Ok(Exit::Done)
}

fn refused(found: &Diagnostics, loaded: &Loaded, why: &str, printer: &mut Printer<'_>) -> Exit {
    runner::show(found, &loaded.reading.sources, printer);
    printer.line(Label::Error, format!("error: {why}"));
    Exit::Files
}

/// The one environment that is meant.
fn environment_of(
    loaded: &Loaded,
    name: &DocumentName,
    named: Option<&EnvironmentName>,
) -> anyhow::Result<EnvironmentName> {
    if let Some(named) = named {
        if !loaded.settings.environments.contains_key(named) {
            bail!("there is no environment {named}");
        }
        return Ok(named.clone());
    }
    let is_meant = |document: &&Document| {
        document.private_link_service().is_some_and(|link| link.metadata.name == *name)
            || migrate::is_published_by_annotations(document, name)
    };
    let mut found: Vec<&EnvironmentName> =
        loaded.reading.documents.iter().filter(is_meant).map(|document| &document.environment).collect();
    found.sort();
    found.dedup();
    match found.as_slice() {
        [] => {
            bail!("no environment has a PrivateLinkService that is called {name}, and no Service publishes itself so")
        }
        [only] => Ok((*only).clone()),
        several => {
            let names: Vec<&str> = several.iter().map(|name| name.as_str()).collect();
            bail!("{} have a PrivateLinkService {name}: say which with --environment", names.join(" and "))
        }
    }
}

fn diagnose(loaded: &Loaded, environment: &EnvironmentName) -> anyhow::Result<Diagnostics> {
    let mut found = loaded.reading.diagnostics.clone();
    found.extend(planning::diagnose_files(loaded, &planning::policy(loaded, environment)?));
    Ok(found)
}

/// The new file: in the folder of the old document.
fn beside(migration: &Migration) -> anyhow::Result<RepoPath> {
    let old = migration.old.first().map(|(_, file)| file.as_str()).unwrap_or_default();
    let folder = old.rsplit_once('/').map(|(folder, _)| format!("{folder}/")).unwrap_or_default();
    Ok(format!("{folder}{}.yaml", migration.name).parse()?)
}

/// Reads the files as they would be; what is wrong with them, if anything is.
fn tried_out(
    loaded: &Loaded,
    environment: &EnvironmentName,
    (path, text): (&RepoPath, &str),
) -> anyhow::Result<Option<(Diagnostics, Loaded)>> {
    let mut source = loaded.source.clone();
    let there = source.snapshot.files.insert(path.clone(), File::Bytes(text.as_bytes().to_vec()));
    if there.is_some() {
        bail!("{path} exists already: nothing is overwritten; name the second one with --as");
    }
    let after = source::load(source).map_err(|_| anyhow::anyhow!("the settings no longer read"))?;
    let found = diagnose(&after, environment)?;
    Ok(found.has_errors().then_some((found, after)))
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(path)
        .with_context(|| format!("cannot write {}", path.display()))?;
    file.write_all(text.as_bytes()).with_context(|| format!("cannot write {}", path.display()))
}

fn contents(migration: &Migration) -> String {
    let service = if migration.has_service() { format!("Service {}, ", migration.service) } else { String::new() };
    format!("{service}PrivateLinkService {}", migration.name)
}

/// What to do next, in the order in which it is done.
fn guide(migration: &Migration, (old, prune): (&DocumentName, bool), printer: &mut Printer<'_>) {
    let Migration { name, service, documents: _, not_copied, old: olds, endpoints } = migration;
    if !not_copied.is_empty() {
        printer.line(Label::Dim, format!("not copied, because it is the old Service's own: {}", not_copied.join(", ")));
    }
    printer.line(Label::Hint, "next:");
    if !migration.has_service() {
        let text = format!(
            "  deploy {service} where the old Service is deployed from: same pods and ports, an address of its own"
        );
        printer.line(Label::Hint, text);
    }
    printer.line(Label::Hint, "  commit it; `privlink plan` shows that nobody is cut, `privlink apply` builds it");
    printer.line(Label::Hint, format!("  tell the consumers the alias of {name}, which `privlink status` shows"));
    for one in endpoints {
        let text = format!("  move {} when it suits: `target: {}` in {}", one.endpoint, one.target, one.file);
        printer.line(Label::Hint, text);
    }
    printer.line(Label::Hint, "  wait until `privlink status` says that all have moved");
    let names: Vec<String> = olds.iter().map(|(name, file)| format!("{name} ({file})")).collect();
    printer.line(Label::Hint, format!("  then delete {}", names.join(" and ")));
    printer.line(
        Label::Hint,
        format!("  and, when they are gone, `replaces: {old}` in {name}: until then it says who has moved"),
    );
    if !prune {
        printer
            .line(Label::Hint, "  with `prune = false` what they stand for stays all the same, and the plan says so");
    }
}
