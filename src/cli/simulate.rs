//! `privlink simulate`: Azure, Entra ID and AKS clusters on loopback, for trying things out and for tests.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;

use crate::cli::Exit;
use crate::cli::printer::Printer;
use crate::config::Config;
use crate::render::Label;
use crate::sim::Endpoints;
use crate::sim::Options;
use crate::sim::Simulator;
use crate::sim::world::World;

/// Run Azure, Entra ID and AKS clusters on this machine
#[derive(Debug, Args)]
pub struct SimulateArguments {
    /// The world to start with
    #[arg(long, value_name = "FILE")]
    world: PathBuf,
    /// Where to write certificate, kubeconfig, admin token and env.sh; default: a folder in the state folder
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// The port of Azure over HTTPS; 0 is any
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    port: u16,
    /// The port of the first cluster; 0 is any
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    kubernetes_port: u16,
}

pub(super) async fn run(
    arguments: SimulateArguments,
    config: &Config,
    printer: &mut Printer<'_>,
) -> anyhow::Result<Exit> {
    let SimulateArguments { world, dir, port, kubernetes_port } = arguments;
    let text = std::fs::read_to_string(&world).with_context(|| format!("cannot read {}", world.display()))?;
    let mut parsed = World::parse(&text).with_context(|| format!("{} is not a world", world.display()))?;
    // Clients in Python and Go take "retry at once" for "no wish" and wait long.
    parsed.operations.retry_after_seconds = parsed.operations.retry_after_seconds.max(1);
    let options = Options { azure_https_port: port, kubernetes_port, ..Options::default() };
    let simulator = Simulator::start(&parsed, options).await?;
    let folder = dir.unwrap_or_else(|| config.state_dir.join("simulator"));
    let variables = write_files(&folder, &parsed, simulator.endpoints())?;
    let endpoints = simulator.endpoints();
    printer.line(Label::Heading, format!("Azure Resource Manager and Entra ID: {}", endpoints.resource_manager));
    for (name, cluster) in &endpoints.clusters {
        printer.line(Label::Heading, format!("Kubernetes API of {name}: {}", cluster.server));
    }
    printer.line(
        Label::Dim,
        format!("admin API: {}, token in {}", endpoints.admin_url, folder.join("admin-token").display()),
    );
    printer.line(Label::Hint, format!("in another shell: . {}", folder.join("env.sh").display()));
    for (name, value) in &variables {
        printer.raw_result(&format!("export {name}={}\n", quoted(value)));
    }
    tokio::signal::ctrl_c().await.context("cannot listen for Ctrl-C")?;
    simulator.stop().await;
    Ok(Exit::Done)
}

/// Writes what clients need into a folder, and answers the variables that point them there.
pub(super) fn write_files(
    folder: &Path,
    world: &World,
    endpoints: &Endpoints,
) -> anyhow::Result<Vec<(String, String)>> {
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
    let folder = folder.canonicalize().with_context(|| format!("cannot find {}", folder.display()))?;
    let (ca, kubeconfig) = (folder.join("ca.pem"), folder.join("kubeconfig"));
    write_private(&ca, &endpoints.ca_pem)?;
    write_private(&kubeconfig, &endpoints.kubeconfig())?;
    write_private(&folder.join("admin-token"), &endpoints.admin_token)?;
    let mut variables = vec![
        ("PRIVLINK_CLOUD_SIMULATOR".to_owned(), format!("{},{}", endpoints.resource_manager, endpoints.authority)),
        ("SSL_CERT_FILE".to_owned(), ca.display().to_string()),
        ("KUBECONFIG".to_owned(), kubeconfig.display().to_string()),
        ("AZURE_TENANT_ID".to_owned(), world.tenant.to_string()),
        ("PRIVLINK_POLL_INTERVAL".to_owned(), "100ms".to_owned()),
    ];
    // The convention of the example: the first reads, the last writes and is who everybody is by default.
    if let Some(last) = world.identities.last() {
        variables.push(("AZURE_CLIENT_ID".to_owned(), last.client_id.to_string()));
        variables.extend(last.secret.clone().map(|secret| ("AZURE_CLIENT_SECRET".to_owned(), secret)));
    }
    let planner = world.identities.first().and_then(|first| first.secret.clone());
    variables.extend(planner.map(|secret| ("PRIVLINK_PLAN_CLIENT_SECRET".to_owned(), secret)));
    let exports: String = variables.iter().map(|(name, value)| format!("export {name}={}\n", quoted(value))).collect();
    write_private(&folder.join("env.sh"), &exports)?;
    Ok(variables)
}

fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\'', r"'\''"))
}

/// Writes a file that only its user can read.
fn write_private(path: &Path, text: &str) -> anyhow::Result<()> {
    let failed = || format!("cannot write {}", path.display());
    // An old file would keep its old mode.
    let _ = std::fs::remove_file(path);
    let mut file = std::fs::File::options().write(true).create_new(true).mode(0o600).open(path).with_context(failed)?;
    file.write_all(text.as_bytes()).with_context(failed)
}
