//! The example repository on the simulator, by the commands a person types: applied once, then planned again and again.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io::{Write, empty};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use privlink::cli::printer::Io;
use privlink::cli::{Exit, demo, run};
use privlink::sim::world::World;
use privlink::sim::{Endpoints, Options, Simulator};

/// Prints how long a plan of the converged example takes.
pub(super) fn figures() {
    let runtime = tokio::runtime::Runtime::new().expect("threads can be started");
    let world = World::parse(demo::WORLD).expect("the example's world is right");
    let simulator = runtime.block_on(Simulator::start(&world, Options::default())).expect("loopback has ports");
    let session = Session::new(&world, simulator.endpoints());
    let (exit, planned) = session.privlink(&["plan"]);
    assert_eq!(exit, Exit::Done, "{planned}");
    let id = planned.trim_end().rsplit(' ').next().expect("a plan ends with its id").to_owned();
    let (exit, applied) = session.privlink(&["apply", "--allow-uncommitted", "--approve-plan", &id]);
    assert_eq!(exit, Exit::Done, "{applied}");
    let (_, again) = super::figure("privlink plan, example converged", || session.privlink(&["plan"]));
    assert!(again.starts_with("No changes"), "{again}");
    let began = Instant::now();
    let (exit, told) = session.run(["privlink", "demo", "--yes"].map(OsString::from).to_vec());
    assert_eq!(exit, Exit::Done, "{told}");
    println!("{:32} {:>10.1} ms, once", "privlink demo --yes", began.elapsed().as_secs_f64() * 1_000.0);
    runtime.block_on(simulator.stop());
}

/// A folder with the example, and the variables that point at the simulator.
struct Session {
    folder: PathBuf,
    environment: BTreeMap<String, String>,
}

impl Session {
    fn new(world: &World, endpoints: &Endpoints) -> Self {
        let folder = std::env::temp_dir().join(format!("privlink-bench-{}", std::process::id()));
        for (path, text) in demo::EXAMPLE {
            write(&folder.join("example").join(path), text);
        }
        let (ca, kubeconfig) = (folder.join("ca.pem"), folder.join("kubeconfig"));
        write(&ca, &endpoints.ca_pem);
        write(&kubeconfig, &endpoints.kubeconfig());
        let [planner, applier] = world.identities.as_slice() else { unreachable!("the world has two identities") };
        let secret = |of: &Option<String>| of.clone().expect("it signs in with a secret");
        let environment = [
            ("PRIVLINK_CLOUD_SIMULATOR", format!("{},{}", endpoints.resource_manager, endpoints.authority)),
            ("PRIVLINK_TRUST_WORKING_TREE", "true".to_owned()),
            ("PRIVLINK_POLL_INTERVAL", "10ms".to_owned()),
            ("SSL_CERT_FILE", ca.display().to_string()),
            ("KUBECONFIG", kubeconfig.display().to_string()),
            ("HOME", folder.display().to_string()),
            ("AZURE_TENANT_ID", world.tenant.to_string()),
            ("AZURE_CLIENT_ID", applier.client_id.to_string()),
            ("AZURE_CLIENT_SECRET", secret(&applier.secret)),
            ("PRIVLINK_PLAN_CLIENT_SECRET", secret(&planner.secret)),
        ];
        let environment = environment.map(|(name, value)| (name.to_owned(), value)).into();
        Self { folder, environment }
    }

    /// Runs a command on the example; answers how it ended and what it printed.
    fn privlink(&self, arguments: &[&str]) -> (Exit, String) {
        let folder = self.folder.join("example").into_os_string();
        let words = std::iter::once("privlink").chain(arguments.iter().copied()).map(OsString::from);
        self.run(words.chain([folder]).collect())
    }

    /// Runs a whole command line.
    fn run(&self, words: Vec<OsString>) -> (Exit, String) {
        let (out, err) = (Shared::default(), Shared::default());
        let mut io = Io {
            out: Box::new(out.clone()),
            err: Box::new(err.clone()),
            input: Box::new(empty()),
            out_is_terminal: false,
            err_is_terminal: false,
            input_is_terminal: false,
        };
        let exit = run(words, self.environment.clone(), &mut io);
        // A failure says why beside its results.
        let text = if exit == Exit::Done { out.text() } else { format!("{}{}", out.text(), err.text()) };
        (exit, text)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // Best effort: the system cleans its temporary folder anyway.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn write(path: &std::path::Path, text: &str) {
    fs::create_dir_all(path.parent().expect("it lies in a folder")).expect("the temporary folder can be written");
    fs::write(path, text).expect("the temporary folder can be written");
}

/// Bytes that the run writes and the bench reads.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Shared {
    fn text(&self) -> String {
        let bytes = self.0.lock().expect("nobody panics while writing").clone();
        String::from_utf8(bytes).expect("what people read is text")
    }
}

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("nobody panics while writing").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
