//! `privlink agent`: passes over a config repository, once or for ever.

pub(super) mod console;
mod fleet;
mod reviews;

use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use anyhow::bail;
use clap::Args;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::watch;

use crate::agent::Agent;
use crate::agent::ConfigBranch;
use crate::agent::board::Board;
use crate::agent::clusters::Clusters;
use crate::agent::daemon;
use crate::agent::daemon::Inlet;
use crate::agent::leader::Leadership;
use crate::agent::leader::Standing;
use crate::agent::page;
use crate::agent::probes;
use crate::agent::reviews::Rhythm;
use crate::agent::schedule::Sign;
use crate::agent::schedule::Timing;
use crate::agent::schedule::Why;
use crate::agent::vitals::Vitals;
use crate::agent::wake::Wake;
use crate::agent::webhook;
use crate::agent::webhook::Hook;
use crate::agent::webhook::SecretSource;
use crate::apply::engine::Settings;
use crate::cli::Exit;
use crate::cli::agent::console::Console;
use crate::cli::agent::fleet::FleetOptions;
use crate::cli::agent::reviews::ReviewOptions;
use crate::cli::interrupt;
use crate::cli::options::EnvironmentOptions;
use crate::cli::options::FloorOptions;
use crate::cli::options::LogFormat;
use crate::cli::options::duration;
use crate::cli::options::interval;
use crate::cli::printer::Printer;
use crate::cli::signals;
use crate::cli::signals::Signals;
use crate::config::Config;
use crate::domain::secret::Secret;
use crate::git::RemoteUrl;
use crate::reconcile::remote::Remote;

/// The wait after the first failure of an environment, and the longest.
const BACKOFF: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(10 * 60));

/// Reconcile a config repository: plan, wait for approval, apply, commit the status
#[derive(Debug, Args)]
pub struct AgentArguments {
    /// The config repository (file, https or ssh URL)
    #[arg(long, value_name = "URL")]
    repo: String,
    /// Its config branch; default: its main branch
    #[arg(long = "ref", value_name = "BRANCH")]
    reference: Option<String>,
    #[command(flatten)]
    environments: EnvironmentOptions,
    #[command(flatten)]
    fleet: FleetOptions,
    #[command(flatten)]
    floor: FloorOptions,
    /// Make one pass and end
    #[arg(long, conflicts_with_all = ["interval", "drift_interval", "debounce", "at_once"])]
    once: bool,
    /// The time between two looks at the repository: one small request if nothing moved
    #[arg(long, value_name = "TIME", value_parser = interval, default_value = "1m")]
    interval: Duration,
    /// The time after a pass until the next one if the repository does not move
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "5m")]
    drift_interval: Duration,
    /// How long a sign that something moved gathers others, before a pass is made
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "2s")]
    debounce: Duration,
    /// The most environments that are worked on at the same time
    #[arg(long, value_name = "COUNT", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..))]
    at_once: u16,
    /// How long a step may take to become ready
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "15m")]
    deadline: Duration,
    /// Serve /healthz, /readyz and /metrics here; a port alone means on loopback
    #[arg(long, value_name = "ADDRESS", value_parser = listener, conflicts_with = "once")]
    probes: Option<SocketAddr>,
    /// Serve a read-only web page here, to anybody who reaches it; a port alone means on loopback, which only this machine
    /// reaches
    #[arg(long, value_name = "ADDRESS", value_parser = listener, conflicts_with = "once")]
    listen: Option<SocketAddr>,
    /// Take deliveries of GitHub, GitLab, Azure DevOps, Bitbucket, Gitea and Forgejo here, signed with
    /// PRIVLINK_WEBHOOK_SECRET; a port alone means on loopback
    #[arg(long, value_name = "ADDRESS", value_parser = listener, conflicts_with = "once")]
    webhook: Option<SocketAddr>,
    #[command(flatten)]
    reviews: ReviewOptions,
    /// The secret of the webhook, instead of PRIVLINK_WEBHOOK_SECRET; read for each delivery
    #[arg(long, value_name = "FILE", requires = "webhook")]
    webhook_secret_file: Option<PathBuf>,
}

/// Reads `9464` and `0.0.0.0:9464`.
pub(super) fn listener(text: &str) -> Result<SocketAddr, String> {
    let port = text.parse().map(|port: u16| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    port.or_else(|_| text.parse())
        .map_err(|_| format!("{text:?} is no port and no address with a port, such as 0.0.0.0:9464"))
}

impl AgentArguments {
    fn timing(&self) -> Timing {
        Timing {
            interval: self.interval,
            drift: self.drift_interval,
            debounce: self.debounce,
            backoff: BACKOFF.0,
            longest_backoff: BACKOFF.1,
            at_once: self.at_once.into(),
        }
    }
}

pub(super) async fn run(
    arguments: AgentArguments,
    log_format: LogFormat,
    config: &Config,
    printer: &mut Printer<'_>,
) -> anyhow::Result<Exit> {
    let timing = arguments.timing();
    let Some(config) = &arguments.floor.on(config, None, printer)? else { return Ok(Exit::Files) };
    let AgentArguments {
        repo,
        reference,
        environments,
        fleet,
        once,
        deadline,
        probes,
        listen,
        webhook,
        webhook_secret_file,
        reviews,
        ..
    } = arguments;
    let attendant = reviews.attendant(config)?;
    let url: RemoteUrl = repo.parse()?;
    let stop = until_stopped();
    let leadership = fleet.campaign(config, stop.clone()).await?;
    let cancel = leadership.as_ref().map_or_else(|| stop.clone(), |leadership| leadership.halt.clone());
    let settings = Settings { deadline, check_interval: config.poll_interval, ..Settings::default() };
    let agent = Agent {
        branch: ConfigBranch::new(Remote::new(url, config), reference.clone()),
        share: fleet.share(environments),
        config: config.clone(),
        settings,
        cancel,
        clusters: None,
        attendant,
    };
    if leadership.is_some() {
        agent.first_seen()?;
    }
    let mut console = Console::new(printer);
    console.is_quiet = log_format == LogFormat::Json;
    if once {
        agent.once(&mut console).await?;
        return Ok(console.exit);
    }
    let vitals = Arc::new(Vitals::new(config.calls.clone()));
    let (sender, signs) = mpsc::unbounded_channel();
    let mut listeners = Listeners::default();
    if let Some(address) = probes {
        let listener = bind(address, "probes").await?;
        listeners.spawn(probes::serve(listener, Arc::clone(&vitals)));
    }
    let board = match listen {
        Some(address) => Some(listeners.page(address).await?.1),
        None => None,
    };
    if let Some(address) = webhook {
        let hook = Hook::new(
            webhook_secret(webhook_secret_file, config)?,
            &agent.branch.remote().url().to_string(),
            reference.as_deref(),
        );
        let listener = bind(address, "webhook").await?;
        listeners.spawn(webhook::serve(listener, hook, (sender.clone(), Arc::clone(&vitals))));
    }
    serve(agent, (timing, Some(reviews.rhythm())), (sender, signs), (stop, leadership), (&mut console, vitals, board))
        .await;
    Ok(Exit::Done)
}

/// The secret of the webhook, which has to be there before anybody sends anything.
fn webhook_secret(file: Option<PathBuf>, config: &Config) -> anyhow::Result<SecretSource> {
    let (source, secret) = match (file, config.variable("PRIVLINK_WEBHOOK_SECRET")) {
        (Some(file), _) => {
            let text = std::fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
            (SecretSource::File(file), text.trim_end_matches(['\r', '\n']).to_owned())
        }
        (None, Some(secret)) => (SecretSource::Given(Secret::new(secret.to_owned())), secret.to_owned()),
        (None, None) => bail!("--webhook needs a secret: set PRIVLINK_WEBHOOK_SECRET or --webhook-secret-file"),
    };
    if secret.len() < webhook::SHORTEST_SECRET {
        bail!("the secret of the webhook can be guessed: give it {} characters or more", webhook::SHORTEST_SECRET);
    }
    Ok(source)
}

/// The servers beside the agent; they end with it.
#[derive(Default)]
pub(super) struct Listeners(tokio::task::JoinSet<()>);

impl Listeners {
    /// Serves the page; answers where, and what it shows.
    pub(super) async fn page(&mut self, address: SocketAddr) -> anyhow::Result<(SocketAddr, Arc<Board>)> {
        let (listener, board) = (bind(address, "listen").await?, Arc::new(Board::default()));
        let address = listener.local_addr()?;
        self.spawn(page::serve(listener, Arc::clone(&board)));
        Ok((address, board))
    }

    fn spawn(&mut self, server: impl Future<Output = ()> + Send + 'static) {
        self.0.spawn(server);
    }
}

async fn bind(address: SocketAddr, what: &'static str) -> anyhow::Result<TcpListener> {
    let listener = TcpListener::bind(address).await;
    let listener = listener.with_context(|| format!("cannot listen on {address} for --{what}"))?;
    tracing::info!(address = %listener.local_addr()?, what, "listening");
    Ok(listener)
}

/// Serves until `stop` is set; what leads a fleet then gives its Lease back.
pub(super) async fn serve(
    mut agent: Agent,
    (timing, rhythm): (Timing, Option<Rhythm>),
    (sender, signs): (UnboundedSender<Sign>, UnboundedReceiver<Sign>),
    (stop, leadership): (watch::Receiver<bool>, Option<Leadership>),
    (console, vitals, board): (&mut Console<'_, '_>, Arc<Vitals>, Option<Arc<Board>>),
) {
    let _wake = Wake::watch(agent.branch.remote(), sender.clone());
    agent.clusters = Some(Clusters::new(agent.config.clone(), sender.clone()));
    let asks = tokio::spawn(asked(sender));
    let standing = leadership.as_ref().map_or_else(Standing::alone, |leadership| leadership.standing.clone());
    let agent = Arc::new(agent);
    let reviewer = agent.attendant.clone().zip(rhythm).map(|(attendant, rhythm)| {
        let (ends, whose) = ((standing.clone(), stop.clone()), (Arc::clone(&agent), Arc::clone(&vitals)));
        tokio::spawn(crate::agent::reviews::serve(whose, attendant, rhythm, ends))
    });
    let inlet = Inlet { signs, cancel: stop, standing };
    daemon::serve(agent, timing, inlet, &mut (&mut (console, vitals), board)).await;
    asks.abort();
    if let Some(reviewer) = reviewer {
        reviewer.abort();
    }
    if let Some(leadership) = leadership {
        leadership.resign().await;
    }
}

/// Gives a sign whenever somebody asks for a pass now (SIGHUP).
async fn asked(signs: UnboundedSender<Sign>) {
    let Ok(mut hangup) = signals::hangup() else { return };
    while hangup.recv().await.is_some() {
        // Nobody takes signs any more only when the agent is gone.
        let _ = signs.send(Sign::Wanted { environment: None, why: Why::Asked });
    }
}

/// Set once somebody asks to stop; whoever asks twice does not want to wait for the writes in flight.
fn until_stopped() -> watch::Receiver<bool> {
    let (stop, cancel) = watch::channel(false);
    tokio::spawn(async move {
        stopped().await;
        stop.send_replace(true);
        stopped().await;
        interrupt::end();
    });
    cancel
}

/// Ctrl-C, or what a service manager sends.
async fn stopped() {
    match Signals::listen() {
        Ok(mut signals) => signals.stopped().await,
        Err(_) => drop(tokio::signal::ctrl_c().await),
    }
}
