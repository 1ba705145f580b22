//! `privlink demo`: the whole story on the embedded simulator, with the real agent and a real Git repository.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use anyhow::bail;
use clap::Args;
use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio::sync::watch;

use crate::agent::Agent;
use crate::agent::ConfigBranch;
use crate::agent::schedule::Timing;
use crate::agent::share::Share;
use crate::agent::vitals::Vitals;
use crate::apply::engine::Settings;
use crate::approval::file::ApprovalFile;
use crate::approval::file::Signing;
use crate::cli::Exit;
use crate::cli::agent::Listeners;
use crate::cli::agent::console::Console;
use crate::cli::agent::listener;
use crate::cli::printer::Printer;
use crate::cli::simulate;
use crate::config::Config;
use crate::domain::commit::CommitId;
use crate::domain::commit::FileEdit;
use crate::domain::commit::Identity;
use crate::domain::commit::RefName;
use crate::domain::name::EnvironmentName;
use crate::git::CommitText;
use crate::git::RemoteUrl;
use crate::git::Repository;
use crate::reconcile::planning;
use crate::reconcile::planning::Planned;
use crate::reconcile::remote::Remote;
use crate::reconcile::source;
use crate::reconcile::source::Loaded;
use crate::reconcile::status_branch::StatusBranch;
use crate::render::Label;
use crate::render::status::Clock;
use crate::render::yaml;
use crate::sim::Options;
use crate::sim::Simulator;
use crate::sim::world::World;

/// See privlink do its whole job on a simulated Azure; needs nothing
#[derive(Debug, Args)]
pub struct DemoArguments {
    /// Ask nothing
    #[arg(long, short = 'y')]
    yes: bool,
    /// Leave everything in this folder
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// Keep simulator and agent running
    #[arg(long)]
    serve: bool,
    /// Serve the agent's page here while it runs; a port alone means on loopback
    #[arg(long, value_name = "ADDRESS", value_parser = listener, requires = "serve")]
    listen: Option<SocketAddr>,
}

/// Declares the files of the example repository, embedded in the program.
macro_rules! example {
    ($($path:literal),+ $(,)?) => {
        /// The example repository: path and text of every file.
        pub const EXAMPLE: &[(&str, &str)] =
            &[$(($path, include_str!(concat!("../../examples/repo-layout/", $path)))),+];
    };
}

example!(
    "privlink.toml",
    "environments/prod/consume/ledger.yaml",
    "environments/prod/consume/my-aks-service-pe.yaml",
    "environments/prod/consume/orders.yaml",
    "environments/prod/consume/payments.yaml",
    "environments/prod/publish/orders.yaml",
    "environments/prod/publish/payments.yaml",
    "environments/prod/services/internal-app.yaml",
    "environments/prod/services/inventory.yaml",
    "environments/prod/services/orders.yaml",
    "environments/prod/services/payments.yaml",
    "environments/prod/services/reporting.yaml",
    "environments/prod/services/storefront.yaml",
);

/// The world the demo starts with.
pub const WORLD: &str = include_str!("../../examples/world.yaml");

/// The file that the last step edits.
const EDITED: &str = "environments/prod/services/orders.yaml";
/// What its edit replaces, and by what.
const EDITED_ADDRESSES: [&str; 2] = ["10.224.0.200", "10.224.0.201"];

/// How long an operation takes in the demo: long enough to be seen, in milliseconds.
const OPERATION_MILLISECONDS: u64 = 150;
/// How often the demo looks at operations.
const POLL: Duration = Duration::from_millis(100);

pub(super) async fn run(arguments: DemoArguments, config: Config, printer: &mut Printer<'_>) -> anyhow::Result<Exit> {
    let DemoArguments { yes, keep, serve, listen } = arguments;
    let folder = Folder::new(keep)?;
    if !yes && !printer.is_interactive() {
        bail!("the demo asks for your approval, and nobody is at the terminal: use --yes");
    }
    let demo = Demo::start(&folder.path, config, printer).await?;
    let exit = demo.story(yes, printer).await;
    if serve && matches!(exit, Ok(Exit::Done)) {
        demo.serve(listen, printer).await?;
    }
    demo.simulator.stop().await;
    if folder.kept {
        printer.line(Label::Hint, format!("everything is in {}", folder.path.display()));
    }
    exit
}

/// The folder of the demo; deleted at the end unless it is to be kept.
struct Folder {
    path: PathBuf,
    kept: bool,
}

impl Folder {
    fn new(keep: Option<PathBuf>) -> anyhow::Result<Self> {
        let kept = keep.is_some();
        let path = keep.unwrap_or_else(|| std::env::temp_dir().join(format!("privlink-demo-{}", uuid::Uuid::new_v4())));
        if kept && path.read_dir().is_ok_and(|mut entries| entries.next().is_some()) {
            bail!("{} is not empty: name a new folder", path.display());
        }
        std::fs::create_dir_all(&path).with_context(|| format!("cannot make the folder {}", path.display()))?;
        Ok(Self { path: path.canonicalize()?, kept })
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !self.kept {
            // Best effort: the system cleans its temporary folder anyway.
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}

/// Everything that runs.
struct Demo {
    simulator: Simulator,
    config: Config,
    remote: Remote,
    variables: Vec<(String, String)>,
    url: String,
}

fn heading(number: u32, title: &str, printer: &mut Printer<'_>) {
    printer.end_live();
    let mut text = crate::render::Text::new();
    text.end().line(Label::Heading, format!("{number}. {title}"));
    printer.result(&text);
}

impl Demo {
    async fn start(folder: &Path, mut config: Config, printer: &mut Printer<'_>) -> anyhow::Result<Self> {
        heading(1, "A simulated Azure and an AKS cluster start on this machine", printer);
        let mut world = World::parse(WORLD)?;
        world.operations.milliseconds = OPERATION_MILLISECONDS;
        let simulator = Simulator::start(&world, Options::default()).await?;
        let variables = simulate::write_files(&folder.join("simulator"), &world, simulator.endpoints())?;
        let endpoints = simulator.endpoints();
        printer.raw_result(&format!("   Azure and Entra ID  {}\n", endpoints.resource_manager));
        for (name, cluster) in &endpoints.clusters {
            printer.raw_result(&format!("   Kubernetes          {} ({name})\n", cluster.server));
        }
        config.environment.extend(variables.iter().cloned());
        config.ca_certificates = vec![endpoints.ca_pem.clone().into_bytes()];
        config.kubeconfig = Some(folder.join("simulator").join("kubeconfig"));
        config.poll_interval = POLL;
        config.cache_dir = folder.join("cache");
        config.state_dir = folder.join("state");

        heading(2, "The config repository is made from the example", printer);
        let bare = folder.join("config.git");
        Repository::init_bare(&bare)?;
        let url = format!("file://{}", bare.display());
        let remote = Remote::new(url.parse::<RemoteUrl>()?, &config);
        let commit = commit_example(&remote).await?;
        let files = crate::render::count(EXAMPLE.len(), "file");
        printer.raw_result(&format!("   {url}\n   main is at {} with {files}; the agent clones it\n", commit.short()));
        Ok(Self { simulator, config, remote, variables, url })
    }

    fn agent(&self, cancel: watch::Receiver<bool>) -> Agent {
        Agent {
            branch: ConfigBranch::new(self.remote.clone(), Some("main".to_owned())),
            share: Share::All,
            config: self.config.clone(),
            settings: Settings { check_interval: POLL, ..Settings::default() },
            cancel,
            clusters: None,
            attendant: None,
        }
    }

    async fn story(&self, yes: bool, printer: &mut Printer<'_>) -> anyhow::Result<Exit> {
        let (_keep, cancel) = watch::channel(false);
        let agent = self.agent(cancel);
        let mut shown = BTreeMap::new();
        heading(3, "The agent plans", printer);
        let exit = pass_once(&agent, &mut shown, printer).await?;
        if exit != Exit::Approval {
            bail!("the first plan was expected to wait for approval, and ended with {exit:?}");
        }

        heading(4, "Somebody approves", printer);
        if !yes && !printer.confirm("Approve this plan as alice?") {
            printer.line(Label::Plain, "Not approved: nothing was changed.");
            return Ok(Exit::Approval);
        }
        let (loaded, planned) = self.plan().await?;
        let commit = self.approve(&loaded, &planned).await?;
        printer.raw_result(&format!("   alice's approval of plan {} is commit {}\n", planned.plan.id, commit.short()));

        heading(5, "The agent's next pass applies and commits the status", printer);
        let exit = pass_once(&agent, &mut shown, printer).await?;
        if exit != Exit::Done {
            return Ok(exit);
        }

        heading(6, "privlink status, and the history of the status branch", printer);
        self.show_status(&loaded, &planned, printer).await?;

        heading(7, "One more pass", printer);
        let writes = self.simulator.writes().len();
        let exit = pass_once(&agent, &mut shown, printer).await?;
        let written = self.simulator.writes().len() - writes;
        printer.raw_result(&format!("   {} to Azure and the cluster\n", crate::render::count(written, "write")));
        if written != 0 {
            return Ok(Exit::Failed);
        }
        Ok(exit.or(self.dangerous_edit(&agent, &mut shown, printer).await?))
    }

    /// The edit that every other tool shows as one changed string.
    async fn dangerous_edit(
        &self,
        agent: &Agent,
        shown: &mut BTreeMap<EnvironmentName, String>,
        printer: &mut Printer<'_>,
    ) -> anyhow::Result<Exit> {
        heading(8, "Somebody pushes another address for orders, whose consumers nobody asked", printer);
        let commit = self.push_edit().await?;
        let [old, new] = EDITED_ADDRESSES;
        printer.raw_result(&format!("   {} changes {old} to {new} in {EDITED}\n\n", commit.short()));
        let writes = self.simulator.writes().len();
        let exit = pass_once(agent, shown, printer).await?;
        let written = self.simulator.writes().len() - writes;
        printer.end_live();
        printer.raw_result(&format!(
            "\n   {} to Azure and the cluster: nobody approved it, so nobody was cut\n",
            crate::render::count(written, "write")
        ));
        Ok(if exit == Exit::Approval && written == 0 { Exit::Done } else { Exit::Failed })
    }

    async fn push_edit(&self) -> anyhow::Result<CommitId> {
        let found = source::from_remote(self.remote.clone(), Some("main"), Some("main")).await?;
        let upstream = found.upstream.as_ref().context("a remote source has an upstream")?;
        let [old, new] = EDITED_ADDRESSES;
        let (_, before) = EXAMPLE.iter().find(|(path, _)| *path == EDITED).context("the example has the file")?;
        let edits = vec![FileEdit::Put(EDITED.parse()?, before.replace(old, new).into_bytes())];
        let text = text("Carol <carol@example.com>", "orders: move to a nicer address".to_owned())?;
        let pushed = self.remote.commit_and_push(&upstream.branch, Some(&upstream.tip), edits, text).await?;
        pushed.map(|(commit, _)| commit).context("the edit changes nothing")
    }

    async fn plan(&self) -> anyhow::Result<(Loaded, Planned)> {
        let found = source::from_remote(self.remote.clone(), Some("main"), Some("main")).await?;
        let loaded = source::load(found).map_err(|_| anyhow::anyhow!("the example's settings have errors"))?;
        let environment: EnvironmentName = "prod".parse()?;
        let planned = planning::plan(&loaded, &environment, &self.config).await?;
        Ok((loaded, planned))
    }

    /// What `privlink approve --as alice` does.
    async fn approve(&self, loaded: &Loaded, planned: &Planned) -> anyhow::Result<CommitId> {
        let upstream = loaded.source.upstream.as_ref().context("a remote source has an upstream")?;
        let now = Timestamp::now();
        let signing = Signing {
            approver: "alice".parse()?,
            at: now,
            expires_at: now + jiff::SignedDuration::from_hours(24),
            reason: Some("the demo".to_owned()),
        };
        let file = ApprovalFile::of(&planned.plan, signing);
        let edits = vec![FileEdit::Put(file.path()?, yaml::write(&file).into_bytes())];
        let text = text("Alice <alice@example.com>", format!("approve plan {}", planned.plan.id))?;
        let pushed = self.remote.commit_and_push(&upstream.branch, Some(&upstream.tip), edits, text).await?;
        pushed.map(|(commit, _)| commit).context("the approval is there already")
    }

    async fn show_status(&self, loaded: &Loaded, planned: &Planned, printer: &mut Printer<'_>) -> anyhow::Result<()> {
        let policy = &planned.plan.policy;
        let branch = StatusBranch::new(self.remote.clone(), policy);
        let files = branch.read().await?;
        let as_of = files.committed_at.context("the agent wrote no status")?;
        let environment = policy.mark.environment.as_str();
        let clock = Clock { as_of, now: Timestamp::now() };
        printer.result(&crate::render::status::status(environment, &files.documents, clock));
        let tip = files.tip.clone().context("the status branch has a tip")?;
        let history = loaded
            .source
            .upstream
            .as_ref()
            .context("a remote source has an upstream")?
            .remote
            .history(None, &tip)
            .await?;
        printer.raw_result(&format!("\n   git log --stat {}\n", policy.status.branch));
        for commit in history.commits {
            let title = self.remote.title(&commit.id).await?;
            printer.raw_result(&format!("   {} {title}\n", commit.id.short()));
            for path in &commit.paths {
                printer.raw_result(&format!("      {path}\n"));
            }
        }
        Ok(())
    }

    async fn serve(&self, listen: Option<SocketAddr>, printer: &mut Printer<'_>) -> anyhow::Result<()> {
        let (stop, cancel) = watch::channel(false);
        let agent = self.agent(cancel);
        printer.line(Label::Heading, "\nSimulator and agent keep running; Ctrl-C ends them. In another shell:");
        for (name, value) in &self.variables {
            printer.line(Label::Plain, format!("export {name}='{value}'"));
        }
        printer.line(Label::Plain, format!("git clone {} config", self.url));
        let mut listeners = Listeners::default();
        let board = match listen {
            Some(address) => {
                let (address, board) = listeners.page(address).await?;
                printer.line(Label::Plain, format!("and in a browser: http://{address}/"));
                Some(board)
            }
            None => None,
        };
        tokio::spawn(async move {
            let _ = tokio::signal::ctrl_c().await;
            stop.send_replace(true);
            stop.closed().await;
        });
        let seconds = Duration::from_secs;
        let timing = Timing {
            interval: seconds(5),
            drift: seconds(5),
            debounce: Duration::from_millis(100),
            backoff: seconds(1),
            longest_backoff: seconds(30),
            at_once: 1,
        };
        let vitals = Arc::new(Vitals::new(self.config.calls.clone()));
        let signs = mpsc::unbounded_channel();
        let stop = (agent.cancel.clone(), None);
        crate::cli::agent::serve(agent, (timing, None), signs, stop, (&mut Console::new(printer), vitals, board)).await;
        Ok(())
    }
}

/// One pass; `shown` is what was said already.
async fn pass_once(
    agent: &Agent,
    shown: &mut BTreeMap<EnvironmentName, String>,
    printer: &mut Printer<'_>,
) -> anyhow::Result<Exit> {
    let mut console = Console::new(printer);
    console.shown = std::mem::take(shown);
    agent.once(&mut console).await?;
    *shown = console.shown;
    Ok(console.exit)
}

async fn commit_example(remote: &Remote) -> anyhow::Result<CommitId> {
    let mut edits = Vec::new();
    for (path, text) in EXAMPLE {
        edits.push(FileEdit::Put(path.parse()?, text.as_bytes().to_vec()));
    }
    let text = text("Platform team <platform@example.com>", "publish the shop's services".to_owned())?;
    let pushed = remote.commit_and_push(&RefName::branch("main")?, None, edits, text).await?;
    pushed.map(|(commit, _)| commit).context("the example repository is empty")
}

fn text(author: &str, message: String) -> anyhow::Result<CommitText> {
    let author: Identity = author.parse()?;
    Ok(CommitText { author: author.clone(), committer: author, message, time: Timestamp::now() })
}
