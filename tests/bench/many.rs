//! `privlink plan` as a whole process against a world in which many others live: N private endpoints, and N Services of
//! which eight publish.
//!
//! The repository asks for eight published Services and an endpoint on each. What a plan costs is to read what is there: its
//! calls are pages of a thousand, not resources. Peak memory is read while a second process runs, which the first does not
//! pay for.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use privlink::cli::demo;
use privlink::sim::world::World;
use privlink::sim::{Options, Simulator};
use serde_json::json;

/// Services that publish: as many as one load balancer takes.
const PUBLISHED: usize = 8;
/// Endpoints in one virtual network: Azure's limit.
const PER_NETWORK: usize = 1_000;
const CONSUMER: &str = "00000000-0000-0000-0000-000000000002";
const ALIAS: &str = "foreign-ledger.5ca1ab1e-0000-4000-8000-00000000abcd.eastus2.azure.privatelinkservice";
const SETTINGS: &str = include_str!("../../examples/repo-layout/privlink.toml");

/// Prints the figures for each size.
pub(super) fn figures(sizes: &[usize]) {
    for size in sizes {
        figure(*size);
    }
}

fn figure(size: usize) {
    let text = world(size);
    let world = World::parse(&text).expect("the world is right");
    let runtime = tokio::runtime::Runtime::new().expect("threads can be started");
    let simulator = runtime.block_on(Simulator::start(&world, Options::default())).expect("the world can exist");
    let cluster = simulator.cluster("myAKSCluster").expect("it is in the world");
    for number in PUBLISHED..size {
        let manifest = json!({"apiVersion": "v1", "kind": "Service",
            "metadata": {"name": format!("other-{number}"), "namespace": "default"},
            "spec": {"type": "ClusterIP", "selector": {"app": "x"}, "ports": [{"port": 80}]}});
        cluster.apply_raw(&manifest).expect("it is a Service");
    }
    let folder = std::env::temp_dir().join(format!("privlink-bench-many-{}-{size}", std::process::id()));
    write(&folder, &world, &simulator);
    let rounds = if size > PER_NETWORK { 3 } else { 5 };
    let mut runs: Vec<(Duration, usize)> = (0..rounds).map(|_| timed(&folder, &world, &simulator)).collect();
    runs.sort();
    let (wall, calls) = runs[rounds / 2];
    let peak = peak(&folder, &world, &simulator)
        .map_or_else(|| "unknown".to_owned(), |bytes| format!("{:.1} MB", bytes / 1e6));
    let name = format!("plan among {size} endpoints, {size} Services");
    println!("{name:42} {:>9.2} ms   {calls:>3} calls to Azure   peak {peak:>9}", wall.as_secs_f64() * 1e3);
    fs::remove_dir_all(&folder).expect("the folder was written here");
    runtime.block_on(simulator.stop());
}

/// The example's world with pages of Azure's size, and the endpoints of others to a partner.
fn world(size: usize) -> String {
    let networks: String = (0..size.div_ceil(PER_NETWORK)).map(network).collect();
    let mut text = demo::WORLD
        .replace("{ polls: 2 }", "{ polls: 0, page-size: 1000 }")
        .replace("virtual-networks:\n", &format!("virtual-networks:\n{networks}"));
    assert!(text.contains("page-size: 1000") && text.contains("others-0"), "the example's world has changed");
    text.push('\n');
    for number in 0..size {
        let group =
            format!("/subscriptions/{CONSUMER}/resourceGroups/myOtherResourceGroup/providers/Microsoft.Network");
        let network = format!("{group}/virtualNetworks/others-{}", number / PER_NETWORK);
        let _ = write!(
            text,
            "  - id: {group}/privateEndpoints/other-{number}\n    body:\n      location: eastus2\n      properties:\n        \
             subnet: {{ id: {network}/subnets/s }}\n        manualPrivateLinkServiceConnections: [{{ name: c, properties: {{ \
             privateLinkServiceId: {ALIAS} }} }}]\n"
        );
    }
    text
}

fn network(number: usize) -> String {
    let prefix = format!("10.{}.0.0/16", 100 + number);
    format!(
        "  - subscription: {CONSUMER}\n    resource-group: myOtherResourceGroup\n    name: others-{number}\n    address-space: \
         [{prefix}]\n    subnets:\n      - {{ name: s, prefixes: [{prefix}] }}\n"
    )
}

/// A Service, its publication and an endpoint on it.
fn documents(number: usize) -> String {
    format!(
        "apiVersion: v1\nkind: Service\nmetadata:\n  name: web-{number}\n  annotations:\n    \
         service.beta.kubernetes.io/azure-load-balancer-internal: \"true\"\nspec:\n  type: LoadBalancer\n  ports:\n  - port: \
         80\n  selector:\n    app: web-{number}\n---\napiVersion: privlink.dev/v1alpha1\nkind: PrivateLinkService\nmetadata:\n  \
         name: web-{number}\nspec:\n  service: {{ name: web-{number} }}\n  name: pls-web-{number}\n  visibility:\n    mode: \
         subscriptions\n    subscriptions: [\"{CONSUMER}\"]\n---\napiVersion: privlink.dev/v1alpha1\nkind: \
         PrivateEndpoint\nmetadata:\n  name: pe-{number}\nspec:\n  subscription: \"{CONSUMER}\"\n  resourceGroup: \
         myOtherResourceGroup\n  location: eastus2\n  subnet: {{ virtualNetwork: myOtherVNET, name: pe-subnet }}\n  target: {{ \
         privateLinkService: web-{number} }}\n"
    )
}

/// Writes the repository, and what a person has who may plan it.
fn write(folder: &Path, world: &World, simulator: &Simulator) {
    let repository = folder.join("repository");
    let documents = (0..PUBLISHED).map(|number| (format!("environments/prod/web-{number}.yaml"), documents(number)));
    let endpoints = simulator.endpoints();
    let files = documents
        .chain([("privlink.toml".to_owned(), SETTINGS.to_owned())])
        .map(|(path, text)| (repository.join(path), text))
        .chain([
            (folder.join("ca.pem"), endpoints.ca_pem.clone()),
            (folder.join("kubeconfig"), endpoints.kubeconfig()),
        ]);
    for (path, text) in files {
        fs::create_dir_all(path.parent().expect("it lies in a folder")).expect("the temporary folder can be written");
        fs::write(path, text).expect("a new file can be written");
    }
    assert_eq!(world.identities.len(), 2, "one plans and one applies");
}

fn command(folder: &Path, world: &World, simulator: &Simulator) -> Command {
    let endpoints = simulator.endpoints();
    let secret = |at: usize| world.identities[at].secret.clone().expect("it signs in with a secret");
    let path = |name: &str| folder.join(name).display().to_string();
    let environment = BTreeMap::from([
        ("PRIVLINK_CLOUD_SIMULATOR", format!("{},{}", endpoints.resource_manager, endpoints.authority)),
        ("PRIVLINK_TRUST_WORKING_TREE", "true".to_owned()),
        ("PRIVLINK_PLAN_CLIENT_SECRET", secret(0)),
        ("PRIVLINK_APPLY_CLIENT_SECRET", secret(1)),
        ("SSL_CERT_FILE", path("ca.pem")),
        ("KUBECONFIG", path("kubeconfig")),
        ("HOME", path("home")),
    ]);
    let repository: PathBuf = folder.join("repository");
    let mut command = Command::new(env!("CARGO_BIN_EXE_privlink"));
    command.arg("plan").arg(repository).arg("--stats").env_clear().envs(environment);
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command
}

/// One plan: how long it took, and how many calls to Azure it told.
fn timed(folder: &Path, world: &World, simulator: &Simulator) -> (Duration, usize) {
    let mut command = command(folder, world, simulator);
    let begin = Instant::now();
    let ended = command.stderr(Stdio::piped()).output().expect("the program starts");
    let wall = begin.elapsed();
    let told = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{told}");
    let line = told.lines().find_map(|line| line.strip_prefix("stats: ")).expect("it was asked for its calls");
    let calls = line.split(' ').next().and_then(|word| word.parse().ok()).expect("a number comes first");
    (wall, calls)
}

/// The most memory it had, in bytes, as far as the kernel tells.
fn peak(folder: &Path, world: &World, simulator: &Simulator) -> Option<f64> {
    let child = command(folder, world, simulator).stderr(Stdio::null()).spawn().expect("the program starts");
    super::check::peak_of(child)
}
