//! Figures: `cargo bench` prints them. Nothing is asserted on time: a busy machine is not a bug.
//!
//! The pure core on a repository of 1,000 internal Services in one file each, read, resolved and planned against a cluster
//! that has all of them, and against one that has none. Then the simulator: a world as large as it gets, plans among many
//! endpoints of others, the example repository.

#![expect(clippy::print_stdout, reason = "printing figures is what it is for")]

mod check;
#[cfg(feature = "sim")]
mod example;
#[cfg(feature = "sim")]
mod load;
#[cfg(feature = "sim")]
mod many;

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::{Duration, Instant};

use privlink::desired::authority;
use privlink::desired::policy::Policy;
use privlink::desired::resolve::{Source, resolve, unseen_cluster};
use privlink::desired::{Desired, Intent};
use privlink::domain::commit::{File, Snapshot};
use privlink::domain::resource::Resource;
use privlink::domain::resource::service::LiveService;
use privlink::observed::Observed;
use privlink::plan::document::PlanId;
use privlink::plan::plan;
use privlink::repo::settings::{self, Settings};
use privlink::repo::{Reading, read};

/// Documents in the repository.
const DOCUMENTS: usize = 1_000;
/// Times that a figure is taken.
const ROUNDS: usize = 20;

const SETTINGS: &str = r#"
version = 1
owner = "6f1c2b9e-4d3a-4c57-9a1e-0b7d5f8c2a10"
[environments.prod]
path = "environments/prod"
subscription = "00000000-0000-0000-0000-000000000001"
cluster = { aks = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/aks" }
"#;

fn main() {
    let settings = settings();
    let policy = authority::policy(&settings, &"prod".parse().expect("a name")).expect("it is in the settings");
    let snapshot = snapshot();
    let reading = figure("read 1,000 documents", || read(&snapshot, &settings));
    assert!(reading.diagnostics.is_empty(), "the documents are right");
    let desired = figure("resolve them", || resolved(&reading, &policy));
    let converged = converged(&desired);
    let nothing = figure("plan, converged", || plan(&desired, &converged, None));
    assert!(nothing.steps.is_empty() && nothing.blockers.is_empty(), "it is converged: {:?}", nothing.blockers);
    figure("resolve and plan, converged", || plan(&resolved(&reading, &policy), &converged, None));
    let everything = Observed { cluster: converged.cluster.clone(), ..Observed::default() };
    let create = figure("plan, all to create", || plan(&desired, &everything, None));
    assert_eq!(create.steps.len(), DOCUMENTS, "each is created");
    println!("{:32} {:>10} bytes", "  its canonical body", create.body.len());
    figure("plan id of that body", || PlanId::of_body(&create.body));
    check::figures(SETTINGS);
    #[cfg(feature = "sim")]
    {
        // The program makes this choice in its own main.
        let _ = rustls::crypto::ring::default_provider().install_default();
        // First, because it reads the highest memory of the whole process.
        load::figures();
        many::figures(&[100, 1_000, 10_000]);
        example::figures();
    }
}

/// Takes a figure and prints it: the median and the best of some rounds.
fn figure<T>(name: &str, mut work: impl FnMut() -> T) -> T {
    let mut last = work();
    let mut times: Vec<Duration> = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let begin = Instant::now();
        last = black_box(work());
        times.push(begin.elapsed());
    }
    times.sort();
    let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
    println!("{name:32} {:>9.2} ms   best {:>8.2} ms", milliseconds(times[ROUNDS / 2]), milliseconds(times[0]));
    last
}

fn settings() -> Settings {
    let path = "privlink.toml".parse().expect("a path");
    settings::parse(&path, SETTINGS).0.expect("the settings are right")
}

fn snapshot() -> Snapshot {
    let files: BTreeMap<_, _> = (0..DOCUMENTS)
        .map(|number| {
            let path = format!("environments/prod/team-{}/app-{number}.yaml", number % 20);
            (path.parse().expect("a path"), File::Bytes(document(number).into_bytes()))
        })
        .collect();
    Snapshot { files, ..Snapshot::default() }
}

// Two Services share an address: a load balancer has no more than 600 of them.
fn document(number: usize) -> String {
    let pair = number / 2;
    format!(
        "# Application {number}\napiVersion: v1\nkind: Service\nmetadata:\n  name: app-{number}\n  namespace: team-{}\n  \
         labels:\n    app: app-{number}\n  annotations:\n    service.beta.kubernetes.io/azure-load-balancer-internal: \
         \"true\"\n    service.beta.kubernetes.io/azure-load-balancer-ipv4: 10.{}.{}.{}\nspec:\n  type: LoadBalancer\n  \
         ports:\n  - name: http\n    port: {}\n    targetPort: 8080\n  selector:\n    app: app-{number}\n",
        number % 20,
        1 + pair / 65_536, // Azure keeps 10.0.0.0 to 10.0.0.3 for itself.
        pair / 256 % 256,
        pair % 256,
        80 + number % 2
    )
}

fn resolved(reading: &Reading, policy: &Policy) -> Desired {
    let aks = &policy.cluster.as_ref().expect("the settings name one").aks;
    let cluster = unseen_cluster(aks);
    let source = Source {
        documents: &reading.documents,
        policy,
        cluster: Some(&cluster),
        path_exists: true,
        now: jiff::Timestamp::UNIX_EPOCH,
    };
    let (desired, diagnostics) = resolve(source);
    assert!(diagnostics.is_empty(), "the documents agree");
    desired
}

/// The cluster as it is after everything was applied.
fn converged(desired: &Desired) -> Observed {
    let aks = &desired.policy.cluster.as_ref().expect("the settings name one").aks;
    let services = desired.intents.values().map(|intent| live(intent, desired)).map(|live| (live.key.clone(), live));
    Observed { cluster: Some(unseen_cluster(aks)), services: services.collect(), ..Observed::default() }
}

fn live(intent: &Intent, desired: &Desired) -> LiveService {
    let Resource::Service(service) = &intent.resource else { unreachable!("only Services are written") };
    LiveService {
        key: service.key.clone(),
        uid: "1".parse().expect("a uid"),
        resource_version: "1".parse().expect("a version"),
        owned: service.fields().into_keys().collect(),
        manifest: service.manifest.clone(),
        managers: BTreeMap::new(),
        addresses: Vec::new(),
        deleting: false,
        mark: Some(desired.policy.mark.clone()),
        published_by: None,
    }
}
