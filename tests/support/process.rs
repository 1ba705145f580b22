//! The real binary in a place of its own: a simulator, a bare config repository, a home, and nothing else of the machine.
//!
//! The simulator runs in the test's process and outlives whatever happens to the binary. Every run has a time limit, and
//! everything a run prints is searched for secrets and panics.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use privlink::sim::world::World;
use privlink::sim::{Options, Simulator};

use crate::kept::{KeptFolder, KeptRepository, KeptWorld};

/// How long a run may take before it counts as hung.
const PATIENCE: Duration = Duration::from_secs(120);

/// Words that must never be printed or written anywhere.
pub(crate) const PLAN_SECRET: &str = "pl4n-s3cret-0b5e";
/// The secret of the identity that applies.
pub(crate) const APPLY_SECRET: &str = "4pply-s3cret-77aa";
/// The token for Git remotes.
pub(crate) const GIT_TOKEN: &str = "g1t-t0ken-c0ffee";

/// The environment's name in the example repository.
pub(crate) const PROD: &str = "prod";

/// What a run came to.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Run {
    /// Both streams, messages first.
    pub(crate) fn all(&self) -> String {
        format!("{}{}", self.err, self.out)
    }

    /// Fails the test unless the run ended with this code.
    #[track_caller]
    pub(crate) fn ends(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "stderr:\n{}\nstdout:\n{}", self.err, self.out);
        self
    }

    /// Fails the test unless something printed contains the text.
    #[track_caller]
    pub(crate) fn says(self, text: &str) -> Self {
        assert!(self.all().contains(text), "{text:?} is not in\n{}", self.all());
        self
    }

    /// The lines on stderr that say what went wrong.
    pub(crate) fn errors(&self) -> String {
        let lines = self.err.lines().filter(|line| line.starts_with("error"));
        lines.collect::<Vec<_>>().join("\n")
    }
}

/// A process that runs.
pub(crate) struct Running {
    child: Child,
    out: thread::JoinHandle<String>,
    err: thread::JoinHandle<String>,
    secrets: Vec<String>,
}

fn reader(mut stream: impl std::io::Read + Send + 'static) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        // A killed process closes its end; what came before counts.
        let _ = stream.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

impl Running {
    /// Sends a signal by its name, such as `INT`.
    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status();
        assert!(status.unwrap().success(), "the process is gone already");
    }

    /// Ends it as a power failure would.
    pub(crate) fn kill(mut self) -> Run {
        let _ = self.child.kill();
        self.wait()
    }

    /// True if it has ended.
    pub(crate) fn is_over(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits until it ends by itself.
    pub(crate) fn wait(mut self) -> Run {
        let began = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            if began.elapsed() > PATIENCE {
                let _ = self.child.kill();
                let _ = self.child.wait();
                let (out, err) = (self.out.join().unwrap(), self.err.join().unwrap());
                assert!(began.elapsed() < PATIENCE, "it hangs; so far:\n{err}\n{out}");
                unreachable!();
            }
            thread::sleep(Duration::from_millis(5));
        };
        let run = Run { code: status.code(), out: self.out.join().unwrap(), err: self.err.join().unwrap() };
        assert!(!run.err.contains("panicked"), "{}", run.err);
        no_secrets("the output", &run.all(), &self.secrets);
        run
    }
}

/// Fails if a secret is in a text.
#[track_caller]
pub(crate) fn no_secrets(name: &str, text: &str, secrets: &[String]) {
    for secret in secrets {
        assert!(!text.contains(secret.as_str()), "a secret is in {name}:\n{text}");
    }
}

/// Waits until something is true.
#[track_caller]
pub(crate) fn until(what: &str, mut is_true: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_true() {
        assert!(began.elapsed() < PATIENCE, "waited in vain until {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// A folder that goes away with its owner.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("privlink-robust-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path.canonicalize().unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// One machine: a home, and the variables of its user.
#[derive(Clone, Debug)]
pub(crate) struct Machine {
    pub(crate) home: PathBuf,
    pub(crate) variables: std::collections::BTreeMap<String, String>,
    secrets: Vec<String>,
}

impl Machine {
    /// A machine that knows of no cloud.
    pub(crate) fn bare(home: &Path) -> Self {
        std::fs::create_dir_all(home).unwrap();
        let mut variables = std::collections::BTreeMap::new();
        let path = std::env::var("PATH").unwrap_or_default();
        for (name, value) in [("PATH", path.as_str()), ("HOSTNAME", "laptop"), ("PRIVLINK_GIT_TOKEN", GIT_TOKEN)] {
            variables.insert(name.to_owned(), value.to_owned());
        }
        variables.insert("HOME".to_owned(), home.display().to_string());
        variables.insert("GIT_CONFIG_NOSYSTEM".to_owned(), "1".to_owned());
        // The machine that tests run on may have an identity.
        variables.insert("AZURE_POD_IDENTITY_AUTHORITY_HOST".to_owned(), "http://127.0.0.1:1".to_owned());
        let secrets = [PLAN_SECRET, APPLY_SECRET, GIT_TOKEN].map(ToOwned::to_owned).to_vec();
        Self { home: home.to_owned(), variables, secrets }
    }

    /// Sets a variable.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.variables.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Makes a world known to it; the files for that lie in a folder.
    pub(crate) fn in_front_of(mut self, simulator: &Simulator, folder: &Path) -> Self {
        let endpoints = simulator.endpoints();
        let (ca, kubeconfig) = (folder.join("ca.pem"), folder.join("kubeconfig"));
        std::fs::write(&ca, &endpoints.ca_pem).unwrap();
        std::fs::write(&kubeconfig, endpoints.kubeconfig()).unwrap();
        self.secrets.extend(endpoints.clusters.values().map(|cluster| cluster.token.clone()));
        self.with("PRIVLINK_CLOUD_SIMULATOR", &format!("{},{}", endpoints.resource_manager, endpoints.authority))
            .with("SSL_CERT_FILE", ca.to_str().unwrap())
            .with("KUBECONFIG", kubeconfig.to_str().unwrap())
    }

    /// What it must never tell.
    pub(crate) fn secrets(&self) -> &[String] {
        &self.secrets
    }

    /// Takes a variable away.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.variables.remove(name);
        self
    }

    /// The binary with what this machine gives it.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_privlink"));
        command.args(arguments).env_clear().envs(&self.variables).current_dir(&self.home);
        command
    }

    /// Starts the binary.
    pub(crate) fn start(&self, arguments: &[&str]) -> Running {
        let mut command = self.command(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (out, err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        Running { child, out: reader(out), err: reader(err), secrets: self.secrets.clone() }
    }

    /// Runs the binary to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Run {
        self.start(arguments).wait()
    }
}

/// A stage put aside, to go back to any number of times.
pub(crate) struct Kept {
    world: KeptWorld,
    home: KeptFolder,
    repo: KeptRepository,
}

/// A simulator, a bare repository and a machine that knows both.
pub(crate) struct Stage {
    folder: Folder,
    runtime: tokio::runtime::Runtime,
    pub(crate) simulator: Option<Simulator>,
    pub(crate) machine: Machine,
    pub(crate) repo: BareRepository,
}

/// The text of the example world, with secrets that can be searched for.
pub(crate) fn world_text() -> String {
    let text = include_str!("../../examples/world.yaml");
    let text = format!("{text}\nthrottling: \"off\"\n");
    text.replace("secret: plan-secret", &format!("secret: {PLAN_SECRET}"))
        .replace("secret: apply-secret", &format!("secret: {APPLY_SECRET}"))
}

/// The files of the example repository, in a form that `--yes` may apply: merged is enough for notable changes.
pub(crate) fn example() -> Vec<(String, String)> {
    let files = privlink::cli::demo::EXAMPLE.iter();
    let merged = |text: &str| text.replace("notable = 1", "notable = \"merge\"");
    files.map(|(path, text)| ((*path).to_owned(), merged(text))).collect()
}

/// The example as it is: one person has to approve.
pub(crate) fn example_with_approval() -> Vec<(String, String)> {
    privlink::cli::demo::EXAMPLE.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect()
}

/// The part of the example that is quick: two Services, and an endpoint to a partner.
pub(crate) fn small() -> Vec<(String, String)> {
    let wanted = ["privlink.toml", "services/storefront.yaml", "services/inventory.yaml", "consume/ledger.yaml"];
    example().into_iter().filter(|(path, _)| wanted.iter().any(|end| path.ends_with(end))).collect()
}

impl Stage {
    /// Starts the example world with a repository of these files.
    pub(crate) fn new(files: &[(String, String)]) -> Self {
        Self::in_world(&world_text(), files)
    }

    /// Starts a world with a repository of these files.
    pub(crate) fn in_world(world: &str, files: &[(String, String)]) -> Self {
        let folder = Folder::new();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let world = World::parse(world).unwrap();
        let simulator = runtime.block_on(Simulator::start(&world, Options::default())).unwrap();
        let machine = Machine::bare(&folder.path().join("home"))
            .with("PRIVLINK_PLAN_CLIENT_SECRET", PLAN_SECRET)
            .with("PRIVLINK_APPLY_CLIENT_SECRET", APPLY_SECRET)
            .with("PRIVLINK_POLL_INTERVAL", "20ms")
            .in_front_of(&simulator, folder.path());
        let repo = BareRepository::new(&folder.path().join("config.git"));
        repo.commit("main", "alice <alice@example.com>", files);
        Self { folder, runtime, simulator: Some(simulator), machine, repo }
    }

    /// Puts aside what is there: the world, which began as this one, the machine's home, and the repository.
    pub(crate) fn keep(&self, world: &str) -> Kept {
        Kept {
            world: KeptWorld::of(self.simulator(), world),
            home: KeptFolder::of(&self.machine.home),
            repo: KeptRepository::of(&self.repo.path),
        }
    }

    /// Goes back to what was put aside.
    pub(crate) fn restore(&mut self, kept: &Kept) {
        kept.home.write_to(&self.machine.home);
        kept.repo.write_to(&self.repo.path);
        let simulator = self.runtime.block_on(kept.world.simulator());
        self.machine = self.machine.clone().in_front_of(&simulator, self.folder.path());
        if let Some(before) = self.simulator.replace(simulator) {
            self.runtime.block_on(before.stop());
        }
    }

    pub(crate) fn simulator(&self) -> &Simulator {
        self.simulator.as_ref().unwrap()
    }

    /// A second machine that knows the same cloud.
    pub(crate) fn another_machine(&self, name: &str) -> Machine {
        let mut machine = self.machine.clone();
        machine.home = self.folder.path().join(name);
        std::fs::create_dir_all(&machine.home).unwrap();
        let home = machine.home.display().to_string();
        machine.with("HOME", &home).with("HOSTNAME", name)
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn url(&self) -> String {
        self.repo.url()
    }

    /// Runs a command on the repository's URL.
    pub(crate) fn run(&self, arguments: &[&str]) -> Run {
        self.start(arguments).wait()
    }

    /// Starts a command on the repository's URL.
    pub(crate) fn start(&self, arguments: &[&str]) -> Running {
        self.machine.start(&self.on_repo(arguments))
    }

    fn on_repo<'a>(&self, arguments: &[&'a str]) -> Vec<&'a str> {
        let url: &'static str = Box::leak(self.url().into_boxed_str());
        let mut all = arguments.to_vec();
        all.extend(["--repo", url]);
        all
    }

    /// `apply --yes`.
    pub(crate) fn apply(&self) -> Run {
        self.run(&["apply", "--yes"])
    }

    /// `apply --yes` while the simulator's clock runs ahead: its buckets of writes, which hold back an apply of more than
    /// 200 steps as Azure's do, fill as fast as the apply empties them.
    pub(crate) fn apply_in_fast_time(&self) -> Run {
        let mut running = self.start(&["apply", "--yes"]);
        until("it has applied", || {
            self.simulator().advance(Duration::from_millis(100));
            running.is_over()
        });
        running.wait()
    }

    /// Fails the test unless there is nothing to do.
    #[track_caller]
    pub(crate) fn assert_converged(&self) {
        self.run(&["plan", "--detailed-exitcode"]).ends(0).says("No changes");
    }

    /// Waits for the simulated cloud provider.
    pub(crate) fn idle(&self) {
        self.runtime.block_on(self.simulator().idle());
    }

    /// How many writes were answered so far.
    pub(crate) fn writes(&self) -> usize {
        self.simulator().write_count()
    }

    /// Fails the test if a secret is in a file below the folder, or in the repository's objects.
    #[track_caller]
    pub(crate) fn assert_no_secret_on_disk(&self) {
        for (path, text) in self.repo.all_files() {
            no_secrets(&path, &text, &self.machine.secrets);
        }
        let mut folders = vec![self.folder.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if !path.ends_with("kubeconfig") {
                    let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
                    no_secrets(&path.display().to_string(), &text, &self.machine.secrets);
                }
            }
        }
    }
}

/// Makes the signature of a commit's bytes.
type Sign<'a> = dyn Fn(&[u8]) -> String + 'a;

/// A bare repository, written without a checkout.
pub(crate) struct BareRepository {
    path: PathBuf,
}

fn person(text: &str) -> git2::Signature<'static> {
    let (name, mail) = text.split_once(" <").unwrap();
    git2::Signature::now(name, mail.trim_end_matches('>')).unwrap()
}

impl BareRepository {
    pub(crate) fn new(path: &Path) -> Self {
        git2::Repository::init_bare(path).unwrap();
        Self { path: path.to_owned() }
    }

    pub(crate) fn url(&self) -> String {
        format!("file://{}", self.path.display())
    }

    pub(crate) fn open(&self) -> git2::Repository {
        git2::Repository::open_bare(&self.path).unwrap()
    }

    /// Commits texts on top of a branch.
    pub(crate) fn commit(&self, branch: &str, author: &str, files: &[(String, String)]) -> String {
        let bytes = |(path, text): &(String, String)| (path.clone(), Some(text.clone().into_bytes()));
        self.edit(branch, author, &files.iter().map(bytes).collect::<Vec<_>>())
    }

    /// Commits edits on top of a branch; `None` removes a file.
    pub(crate) fn edit(&self, branch: &str, author: &str, files: &[(String, Option<Vec<u8>>)]) -> String {
        self.edit_signed((branch, author), files, None)
    }

    /// The same, in a commit with the signature that is made of its bytes.
    pub(crate) fn edit_signed(
        &self,
        (branch, author): (&str, &str),
        files: &[(String, Option<Vec<u8>>)],
        sign: Option<&Sign<'_>>,
    ) -> String {
        let repository = self.open();
        let name = format!("refs/heads/{branch}");
        let parent = repository.find_reference(&name).ok().map(|found| found.peel_to_commit().unwrap());
        let mut update = git2::build::TreeUpdateBuilder::new();
        for (path, bytes) in files {
            match bytes {
                Some(bytes) => {
                    update.upsert(path.as_str(), repository.blob(bytes).unwrap(), git2::FileMode::Blob);
                }
                None => {
                    update.remove(path.as_str());
                }
            }
        }
        let empty = repository.find_tree(repository.treebuilder(None).unwrap().write().unwrap()).unwrap();
        let before = parent.as_ref().map_or(empty, |commit| commit.tree().unwrap());
        let tree = repository.find_tree(update.create_updated(&repository, &before).unwrap()).unwrap();
        let who = person(author);
        let parents: Vec<&git2::Commit<'_>> = parent.iter().collect();
        let commit = match sign {
            None => repository.commit(None, &who, &who, "a change", &tree, &parents).unwrap(),
            Some(sign) => {
                let bytes = repository.commit_create_buffer(&who, &who, "a change", &tree, &parents).unwrap();
                repository.commit_signed(bytes.as_str().unwrap(), sign(&bytes).trim_end(), None).unwrap()
            }
        };
        repository.reference(&name, commit, true, "test").unwrap();
        commit.to_string()
    }

    /// Adds a small file on top of whatever the branch is at, again and again until nobody was faster.
    pub(crate) fn append(&self, branch: &str, author: &str, path: &str) {
        let repository = self.open();
        let name = format!("refs/heads/{branch}");
        let who = person(author);
        until("the branch takes a commit", || {
            let parent = repository.find_reference(&name).unwrap().peel_to_commit().unwrap();
            let mut update = git2::build::TreeUpdateBuilder::new();
            update.upsert(path, repository.blob(path.as_bytes()).unwrap(), git2::FileMode::Blob);
            let tree = update.create_updated(&repository, &parent.tree().unwrap()).unwrap();
            let tree = repository.find_tree(tree).unwrap();
            let commit = repository.commit(None, &who, &who, "a note", &tree, &[&parent]).unwrap();
            repository.reference_matching(&name, commit, true, parent.id(), "note").is_ok()
        });
    }

    /// The files of a branch.
    pub(crate) fn files(&self, branch: &str) -> Vec<(String, String)> {
        let repository = self.open();
        let Ok(found) = repository.find_reference(&format!("refs/heads/{branch}")) else { return Vec::new() };
        let mut files = Vec::new();
        let tree = found.peel_to_tree().unwrap();
        tree.walk(git2::TreeWalkMode::PreOrder, |folder, entry| {
            if entry.kind() == Some(git2::ObjectType::Blob) {
                let blob = repository.find_blob(entry.id()).unwrap();
                let path = format!("{folder}{}", entry.name().unwrap());
                files.push((path, String::from_utf8_lossy(blob.content()).into_owned()));
            }
            git2::TreeWalkResult::Ok
        })
        .unwrap();
        files
    }

    /// How many commits a branch has.
    pub(crate) fn count(&self, branch: &str) -> usize {
        let repository = self.open();
        let Ok(found) = repository.refname_to_id(&format!("refs/heads/{branch}")) else { return 0 };
        let mut walk = repository.revwalk().unwrap();
        walk.push(found).unwrap();
        walk.count()
    }

    /// Every blob of the repository, whatever reaches it.
    fn all_files(&self) -> Vec<(String, String)> {
        let repository = self.open();
        let odb = repository.odb().unwrap();
        let mut files = Vec::new();
        odb.foreach(|id| {
            let object = odb.read(*id).unwrap();
            files.push((format!("object {id}"), String::from_utf8_lossy(object.data()).into_owned()));
            true
        })
        .unwrap();
        files
    }
}
