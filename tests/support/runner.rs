//! One simulator, one bare config repository, and the program run in-process as a person would run it.
//!
//! A [`Stage`] owns a folder, a simulator and a bare repository that holds nothing yet. Every run of the program gets a
//! scrubbed environment that points at them, and its output is captured. Nothing here sleeps: `idle` waits for the
//! simulated cloud provider.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on should stop")]

pub(crate) mod config_repo;
pub(crate) mod redact;
pub(crate) mod worlds;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::Cursor;
use std::io::Write;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering;

use privlink::cli;
use privlink::cli::Exit;
use privlink::cli::printer::Io;
use privlink::sim::Options;
use privlink::sim::Simulator;
use privlink::sim::kube::Cluster;
use privlink::sim::world::World;
use serde_json::Value;

use config_repo::ConfigRepo;

use crate::kept::KeptRepository;
use crate::kept::KeptWorld;

/// A folder that goes with its test.
#[derive(Debug)]
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("privlink-stage-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path.canonicalize().unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// What one run of the program came to.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) exit: Exit,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    /// Stops the test, with everything the program said, unless it ended like this.
    #[track_caller]
    pub(crate) fn ends(self, exit: Exit) -> Self {
        assert!(
            self.exit == exit,
            "expected {exit:?}, got {:?}\n--- stdout\n{}\n--- stderr\n{}",
            self.exit,
            self.out,
            self.err
        );
        self
    }

    /// Stops the test unless stdout or stderr holds this text.
    #[track_caller]
    pub(crate) fn says(self, text: &str) -> Self {
        assert!(
            self.out.contains(text) || self.err.contains(text),
            "nobody said {text:?}\n--- stdout\n{}\n--- stderr\n{}",
            self.out,
            self.err
        );
        self
    }

    /// The plan id that was printed last.
    #[track_caller]
    pub(crate) fn plan_id(&self) -> String {
        let found = self.out.lines().rev().find_map(|line| line.strip_prefix("Plan id: "));
        found.unwrap_or_else(|| panic!("no plan id in\n{}\n{}", self.out, self.err)).trim().to_owned()
    }
}

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Captured {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Runs the program with nothing but this environment.
pub(crate) fn run(arguments: &[&str], environment: &BTreeMap<String, String>) -> Ran {
    let (out, err) = (Captured::default(), Captured::default());
    let mut io = Io {
        out: Box::new(out.clone()),
        err: Box::new(err.clone()),
        input: Box::new(Cursor::new(Vec::new())),
        out_is_terminal: false,
        err_is_terminal: false,
        input_is_terminal: false,
    };
    let arguments: Vec<OsString> =
        std::iter::once("privlink").chain(arguments.iter().copied()).map(Into::into).collect();
    let environment = environment.clone();
    let exit = cli::run(arguments, environment, &mut io);
    Ran { exit, out: out.text(), err: err.text() }
}

/// A stage put aside, to be taken up any number of times.
pub(crate) struct Kept {
    world: KeptWorld,
    repo: KeptRepository,
}

/// A simulator, a config repository, and whoever runs the program.
pub(crate) struct Stage {
    pub(crate) repo: ConfigRepo,
    pub(crate) simulator: Simulator,
    environment: BTreeMap<String, String>,
    folder: Scratch,
    runtime: tokio::runtime::Runtime,
}

impl Stage {
    /// Starts the world of the example with an empty config repository.
    pub(crate) fn new() -> Self {
        Self::in_world(worlds::example())
    }

    /// Starts a world with an empty config repository.
    pub(crate) fn in_world(world: World) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let runtime = runtime();
        let simulator = runtime.block_on(Simulator::start(&world, Options::default())).unwrap();
        let folder = Scratch::new();
        let repo = ConfigRepo::new(&folder.path().join("config.git"));
        Self::of((runtime, simulator), folder, repo)
    }

    /// Gives every run of the program these variables; an empty one is like none.
    pub(crate) fn with_variables(mut self, variables: &[(&str, &str)]) -> Self {
        self.environment.extend(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        self
    }

    fn of((runtime, simulator): (tokio::runtime::Runtime, Simulator), folder: Scratch, repo: ConfigRepo) -> Self {
        let environment = environment(folder.path(), &simulator);
        Self { repo, simulator, environment, folder, runtime }
    }

    /// Puts the stage of the example's world aside: what is there, and the config repository.
    pub(crate) fn keep(self) -> Kept {
        let world = KeptWorld::of(&self.simulator, privlink::cli::demo::WORLD);
        Kept { world, repo: KeptRepository::of(&self.folder.path().join("config.git")) }
    }

    /// Goes on from a stage that was put aside.
    pub(crate) fn resume(kept: &Kept) -> Self {
        let runtime = runtime();
        let simulator = runtime.block_on(kept.world.simulator());
        let folder = Scratch::new();
        let path = folder.path().join("config.git");
        kept.repo.write_to(&path);
        Self::of((runtime, simulator), folder, ConfigRepo::at(&path))
    }

    /// The world and the repository of the example, nothing applied yet.
    pub(crate) fn example() -> Self {
        let stage = Self::new();
        stage.repo.commit(privlink::cli::demo::EXAMPLE);
        stage
    }

    /// The example, applied.
    pub(crate) fn converged_example() -> Self {
        let stage = Self::example();
        stage.converge();
        stage
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The simulated cluster.
    pub(crate) fn cluster(&self) -> &Cluster {
        self.simulator.cluster("myAKSCluster").unwrap()
    }

    /// Waits until the simulated cloud provider has nothing left to do.
    pub(crate) fn idle(&self) {
        self.runtime.block_on(self.simulator.idle());
    }

    /// How many writes of the program the world has seen.
    pub(crate) fn writes(&self) -> usize {
        self.simulator.writes().len()
    }

    /// Runs the program.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        run(arguments, &self.environment)
    }

    /// Runs the program with some variables more.
    pub(crate) fn run_with(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Ran {
        let mut environment = self.environment.clone();
        environment.extend(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        run(arguments, &environment)
    }

    /// Runs a command on the config repository: `--repo` and `-e prod` are added.
    pub(crate) fn run_on_repo(&self, command: &str, arguments: &[&str]) -> Ran {
        let url = self.repo.url();
        let mut all = vec![command, "--repo", url.as_str()];
        if !arguments.contains(&"-e") {
            all.extend(["-e", "prod"]);
        }
        all.extend(arguments);
        self.run(&all)
    }

    /// Plans the tip of the config branch.
    pub(crate) fn plan(&self) -> Ran {
        self.run_on_repo("plan", &["--detailed-exitcode"])
    }

    /// One pass of the agent over every environment.
    pub(crate) fn pass(&self) -> Ran {
        let url = self.repo.url();
        self.run(&["agent", "--repo", url.as_str(), "--once"])
    }

    /// Plans, approves the plan by its full id, and applies it.
    #[track_caller]
    pub(crate) fn apply(&self) -> Ran {
        let planned = self.plan();
        let planned = if planned.exit == Exit::Done { return planned } else { planned.ends(Exit::Changes) };
        self.run_on_repo("apply", &["--approve-plan", &planned.plan_id()])
    }

    /// Applies, and checks that nothing is left to do and that doing it again writes nothing. Answers the plan's text.
    #[track_caller]
    pub(crate) fn converge(&self) -> String {
        let planned = self.plan().ends(Exit::Changes);
        self.run_on_repo("apply", &["--approve-plan", &planned.plan_id()]).ends(Exit::Done);
        self.assert_converged();
        planned.out
    }

    /// Checks that nothing is left to do, and that doing it writes and commits nothing.
    #[track_caller]
    pub(crate) fn assert_converged(&self) {
        self.idle();
        self.plan().ends(Exit::Done);
        let (writes, tips) = (self.writes(), self.repo.tips());
        self.run_on_repo("apply", &["--yes"]).ends(Exit::Done);
        let done: Vec<_> = self.simulator.writes().into_iter().skip(writes).collect();
        assert!(done.is_empty(), "a converged apply wrote {done:?}");
        assert_eq!(self.repo.tips(), tips, "a converged apply committed something");
    }

    /// Approves a plan as somebody, with an identity of their own.
    pub(crate) fn approve(&self, plan: &str, who: &str) -> Ran {
        let author = format!("{who} <{who}@example.com>");
        let reason = "reviewed";
        self.run_on_repo("approve", &["--as", who, "--plan", plan, "--yes", "--author", &author, "--reason", reason])
    }

    /// What `privlink status` prints.
    #[track_caller]
    pub(crate) fn status(&self) -> String {
        self.run_on_repo("status", &[]).ends(Exit::Done).out
    }

    /// Reads an Azure resource past the program.
    pub(crate) fn azure(&self, id: &str) -> Option<Value> {
        let reply = self.simulator.arm().call("GET", id, &[], None);
        (reply.status == 200).then_some(reply.body)
    }

    /// Changes an Azure resource past the program, and waits until that is done.
    #[track_caller]
    pub(crate) fn azure_does(&self, method: &str, id: &str, body: Option<Value>) -> Value {
        let reply = self.simulator.arm().call(method, id, &[], body);
        assert!(reply.is_success(), "{method} {id}: {} {}", reply.status, reply.body);
        let settled = self.simulator.arm().settle(&reply);
        assert!(settled.is_success(), "{method} {id}: {} {}", settled.status, settled.body);
        settled.body
    }

    /// Asks Azure for something past the program that it refuses, and answers the code.
    #[track_caller]
    pub(crate) fn azure_refuses(&self, method: &str, id: &str, body: Option<Value>) -> String {
        let reply = self.simulator.arm().call(method, id, &[], body);
        assert!(!reply.is_success(), "{method} {id}: {} {}", reply.status, reply.body);
        reply.body["error"]["code"].as_str().unwrap_or_default().to_owned()
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// What the runner brings along, and nothing of the machine the tests run on.
fn environment(folder: &Path, simulator: &Simulator) -> BTreeMap<String, String> {
    let endpoints = simulator.endpoints();
    let write = |name: &str, text: &str| {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let home = folder.join("home");
    std::fs::create_dir_all(&home).unwrap();
    let pairs = [
        ("HOME", home.display().to_string()),
        ("HOSTNAME", "test-machine".to_owned()),
        ("PRIVLINK_CLOUD_SIMULATOR", format!("{},{}", endpoints.resource_manager, endpoints.authority)),
        ("SSL_CERT_FILE", write("ca.pem", &endpoints.ca_pem)),
        ("KUBECONFIG", write("kubeconfig", &endpoints.kubeconfig())),
        ("AZURE_TENANT_ID", worlds::TENANT.to_owned()),
        ("AZURE_CLIENT_ID", "00000000-0000-0000-0000-0000000000a2".to_owned()),
        ("AZURE_CLIENT_SECRET", "apply-secret".to_owned()),
        ("PRIVLINK_PLAN_CLIENT_SECRET", "plan-secret".to_owned()),
        ("PRIVLINK_POLL_INTERVAL", "5ms".to_owned()),
        // The machine that tests run on may have an identity, and somebody may be signed in to its tools.
        ("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://127.0.0.1:1".to_owned()),
        ("PATH", home.join("no-tools").display().to_string()),
    ];
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
