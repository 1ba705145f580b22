//! `privlink simulate`: Azure, Entra ID and AKS clusters on loopback, for trying things out and for tests.

pub mod ctl;
mod environment;
mod state;

use std::path::Path;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use clap::Subcommand;
use serde_json::Value;

use crate::cli::Exit;
use crate::cli::printer::Printer;
use crate::cli::signals::Signals;
use crate::config::Config;
use crate::render::Label;
use crate::sim::Endpoints;
use crate::sim::Options;
use crate::sim::Simulator;
use crate::sim::saved::Saved;
use crate::sim::tls::Certificate;
use crate::sim::world::World;
pub(super) use environment::write_files;
use state::StateFile;

/// Run Azure, Entra ID and AKS clusters on this machine
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct SimulateArguments {
    #[command(flatten)]
    serve: ServeArguments,
    #[command(subcommand)]
    command: Option<SimulateCommand>,
}

#[derive(Debug, Subcommand)]
enum SimulateCommand {
    Ctl(ctl::CtlArguments),
}

#[derive(Debug, Args)]
struct ServeArguments {
    /// The world to start with; not needed to go on with a state
    #[arg(long, value_name = "FILE")]
    world: Option<PathBuf>,
    /// Keep the world in this file across runs
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// Where to write certificate, kubeconfig, admin token and env.sh; default: PRIVLINK_SIMULATOR_DIR, or a folder in the
    /// state folder
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// The port of Azure over HTTPS; 0 is any, or the one of the state
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    port: u16,
    /// The port of Azure over plain HTTP, which has the admin API; 0 is any, or the one of the state
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    http_port: u16,
    /// The port of the first cluster; 0 is any, or the one of the state
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    kubernetes_port: u16,
    /// Present this certificate, in PEM, instead of one of an authority made for the purpose
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The private key of the certificate, in PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Leave Services alone, so that a real cloud provider can reconcile them
    #[arg(long)]
    no_cloud_provider: bool,
    /// Print shell lines that point az, Terraform, kubectl, SDKs and privlink at it
    #[arg(long)]
    print_env: bool,
}

/// The JSON Schema of a world.
pub(super) fn schema() -> Value {
    schemars::schema_for!(World).to_value()
}

pub(super) async fn run(
    arguments: SimulateArguments,
    config: &Config,
    printer: &mut Printer<'_>,
) -> anyhow::Result<Exit> {
    let SimulateArguments { serve, command } = arguments;
    match command {
        Some(SimulateCommand::Ctl(arguments)) => ctl::run(arguments, config, printer).await,
        None => self::serve(serve, config, printer).await,
    }
}

async fn serve(arguments: ServeArguments, config: &Config, printer: &mut Printer<'_>) -> anyhow::Result<Exit> {
    let ServeArguments {
        world,
        state,
        dir,
        port,
        http_port,
        kubernetes_port,
        tls_cert,
        tls_key,
        no_cloud_provider,
        print_env,
    } = arguments;
    let options = Options {
        azure_http_port: http_port,
        azure_https_port: port,
        kubernetes_port,
        certificate: certificate(tls_cert.as_deref(), tls_key.as_deref())?,
        no_cloud_provider,
    };
    // Listened for before anybody can know that it runs, so that no stop is too early to be a clean one.
    let mut signals = Signals::listen().context("cannot listen for signals")?;
    let saved = state.as_deref().map(state::load).transpose()?.flatten();
    let text = state::world_text(world.as_deref(), state.as_deref().zip(saved.as_ref()))?;
    let (parsed, mut simulator) = start(&text, options, saved.as_ref()).await?;
    let mut file = state.map(|path| StateFile::new(path, text));
    if let Some(file) = &mut file {
        file.save_changes(&simulator)?;
    }
    let folder = folder(dir, config);
    let variables = write_files(&folder, &parsed, simulator.endpoints())?;
    say_where(simulator.endpoints(), &folder, printer);
    if print_env {
        printer.raw_result(&environment::lines(&variables));
    }
    until_stopped(&mut signals, (&simulator, file.as_mut()), printer).await;
    simulator.close().await;
    file.as_mut().map_or(Ok(()), |file| file.save_changes(&simulator))?;
    Ok(Exit::Done)
}

/// Starts a world, or goes on with a saved one.
async fn start(text: &str, options: Options, saved: Option<&Saved>) -> anyhow::Result<(World, Simulator)> {
    let mut world = World::parse(text).context("this is not a world")?;
    // Clients in Python and Go take "retry at once" for "no wish" and wait long.
    world.operations.retry_after_seconds = world.operations.retry_after_seconds.max(1);
    let simulator = match saved {
        Some(saved) => Simulator::resume(&world, options, saved).await?,
        None => Simulator::start(&world, options).await?,
    };
    Ok((world, simulator))
}

fn certificate(chain: Option<&Path>, key: Option<&Path>) -> anyhow::Result<Option<Certificate>> {
    let (Some(chain), Some(key)) = (chain, key) else { return Ok(None) };
    let read = |path: &Path| std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()));
    Ok(Some(Certificate::brought(read(chain)?, read(key)?)))
}

/// The folder through which a simulator is found.
fn folder(flag: Option<PathBuf>, config: &Config) -> PathBuf {
    let variable = || config.variable("PRIVLINK_SIMULATOR_DIR").map(PathBuf::from);
    flag.or_else(variable).unwrap_or_else(|| config.state_dir.join("simulator"))
}

fn say_where(endpoints: &Endpoints, folder: &Path, printer: &mut Printer<'_>) {
    printer.line(Label::Heading, format!("Azure Resource Manager and Entra ID: {}", endpoints.resource_manager));
    printer.line(Label::Heading, format!("the same over plain HTTP: {}", endpoints.resource_manager_http));
    for (name, cluster) in &endpoints.clusters {
        printer.line(Label::Heading, format!("Kubernetes API of {name}: {}", cluster.server));
    }
    let file = |name: &str| folder.join(name).display().to_string();
    printer.line(Label::Dim, format!("to trust: {}; kubeconfig: {}", file("ca.pem"), file("kubeconfig")));
    printer.line(Label::Dim, format!("admin API: {}, token in {}", endpoints.admin_url, file("admin-token")));
    printer.line(Label::Hint, format!("in another shell: . {}", file("env.sh")));
}

/// Serves until Ctrl-C or SIGTERM, and keeps the state file up to date meanwhile.
async fn until_stopped(
    signals: &mut Signals,
    (simulator, mut file): (&Simulator, Option<&mut StateFile>),
    printer: &mut Printer<'_>,
) {
    let mut is_failing = false;
    loop {
        let pause = file.as_ref().map_or(state::IDLE, |file| file.pause());
        tokio::select! {
            () = signals.stopped() => return,
            () = tokio::time::sleep(pause) => {}
        }
        let Some(file) = file.as_mut() else { continue };
        // A full disk may have room again later; the clients of the simulator should not suffer from it.
        match file.save_changes(simulator) {
            Err(error) if !is_failing => {
                printer.line(Label::Warning, format!("warning: {error:#}"));
                is_failing = true;
            }
            saved => is_failing = saved.is_err(),
        }
    }
}
