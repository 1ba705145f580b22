//! Two agents and a laptop on one repository: never two that write at a time, and no status is lost.
//!
//! Each reaches the simulator from an address of its own, so that its log says who wrote when; the commits of the lease say
//! who was allowed to.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use privlink::apply::lease::{LIFETIME, LeaseRecord};
use tokio::net::{TcpListener, TcpSocket};

use super::agent::Agent;
use super::process::{Machine, Stage, example};

const PASSES: usize = 1_000;
const NAMES: [&str; 3] = ["agent-1", "agent-2", "laptop"];

/// Runs it, prints what came of it, and answers how much is wrong.
pub(super) fn run(passes: Option<usize>) -> usize {
    let passes = passes.unwrap_or(PASSES);
    println!("rivals: {passes} passes of two agents and a laptop");
    let began = Instant::now();
    let stage = Stage::new(&example());
    let proxies = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let machines: Vec<Machine> = (0..3).map(|number| machine(&stage, number, &proxies)).collect();
    let (made, applied) = (AtomicUsize::new(0), Mutex::new(BTreeSet::new()));
    let is_over = || made.load(Ordering::SeqCst) >= passes;
    thread::scope(|scope| {
        for machine in &machines[..2] {
            scope.spawn(|| {
                let mut agent = Agent::start(&stage, machine);
                let mut ended = agent.ended();
                loop {
                    made.fetch_add(1, Ordering::SeqCst);
                    // Who was too late for the lease began to apply, and did not.
                    if ended.word.starts_with("applied") {
                        applied.lock().unwrap().extend(ended.applied);
                    }
                    if is_over() {
                        return agent.kill();
                    }
                    ended = agent.pass();
                }
            });
        }
        scope.spawn(|| {
            let url = stage.url();
            while !is_over() {
                machines[2].run(&["apply", "--yes", "--repo", &url]);
                made.fetch_add(1, Ordering::SeqCst);
            }
        });
        let mut number = 0;
        while !is_over() {
            number += 1;
            change(&stage, number);
            thread::sleep(Duration::from_millis(150));
        }
    });
    stage.idle();
    stage.apply().ends(0);
    stage.idle();
    let mut wrong = judge(&stage);
    let told = told(&stage);
    let applied = applied.into_inner().unwrap();
    let lost = applied.iter().filter(|plan| !told.contains(&format!("{plan}.yaml")));
    wrong.extend(lost.map(|plan| format!("nobody told of the apply of {plan}")));
    println!(
        "  {:.0} s; the agents applied {} plans, {} are told",
        began.elapsed().as_secs_f64(),
        applied.len(),
        told.len()
    );
    wrong.iter().for_each(|told| println!("WRONG {told}"));
    wrong.len()
}

/// The records of applies in the whole history of the status branch: its tip keeps the newest.
fn told(stage: &Stage) -> BTreeSet<String> {
    let repository = stage.repo.open();
    let mut walk = repository.revwalk().unwrap();
    walk.push_ref("refs/heads/privlink/status/prod").unwrap();
    let mut told = BTreeSet::new();
    for commit in walk {
        let tree = repository.find_commit(commit.unwrap()).unwrap().tree().unwrap();
        let Ok(entry) = tree.get_path(std::path::Path::new("status/prod/applied")) else { continue };
        let records = entry.to_object(&repository).unwrap().peel_to_tree().unwrap();
        told.extend(records.iter().map(|record| record.name().unwrap().to_owned()));
    }
    told
}

fn address(number: usize) -> IpAddr {
    Ipv4Addr::new(127, 0, 0, 2 + u8::try_from(number).unwrap()).into()
}

/// A machine that reaches the simulator from its own address.
fn machine(stage: &Stage, number: usize, runtime: &tokio::runtime::Runtime) -> Machine {
    let machine = stage.another_machine(NAMES[number]);
    let kubeconfig = machine.home.join("kubeconfig");
    let text = std::fs::read_to_string(&machine.variables["KUBECONFIG"]).unwrap();
    let cloud = machine.variables["PRIVLINK_CLOUD_SIMULATOR"].clone();
    let mut ports = BTreeMap::new();
    let own = |text: &str, ports: &mut BTreeMap<u16, u16>| {
        let mut pieces = text.split("127.0.0.1:");
        let mut out = pieces.next().unwrap().to_owned();
        for piece in pieces {
            let end = piece.find(|c: char| !c.is_ascii_digit()).unwrap_or(piece.len());
            let port = piece[..end].parse().unwrap();
            let ours = *ports.entry(port).or_insert_with(|| runtime.block_on(proxy(port, address(number))));
            out.push_str(&format!("127.0.0.1:{ours}{}", &piece[end..]));
        }
        out
    };
    std::fs::write(&kubeconfig, own(&text, &mut ports)).unwrap();
    let cloud = own(&cloud, &mut ports);
    machine.with("KUBECONFIG", kubeconfig.to_str().unwrap()).with("PRIVLINK_CLOUD_SIMULATOR", &cloud)
}

/// Passes connections on to a port, from an address. Answers its own port.
async fn proxy(port: u16, from: IpAddr) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let own = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            tokio::spawn(async move {
                let socket = TcpSocket::new_v4().unwrap();
                socket.bind(SocketAddr::new(from, 0)).unwrap();
                if let Ok(mut server) = socket.connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await {
                    // Either side may hang up.
                    let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
                }
            });
        }
    });
    own
}

/// Somebody commits what needs no more than the branch's protection.
fn change(stage: &Stage, number: usize) {
    let path = "environments/prod/services/inventory.yaml";
    let files = stage.repo.files("main");
    let (_, text) = files.iter().find(|(own, _)| own == path).unwrap();
    let line = |line: &str| {
        if line.starts_with("    app: ") { format!("    app: stock-{number}\n") } else { format!("{line}\n") }
    };
    let text = text.lines().map(line).collect();
    stage.repo.commit("main", "carol <carol@example.com>", &[(path.to_owned(), text)]);
}

/// The time in which somebody may write.
#[derive(Debug)]
struct Tenure {
    host: String,
    from: Timestamp,
    until: Timestamp,
}

/// Compares who wrote with who was allowed to.
fn judge(stage: &Stage) -> Vec<String> {
    let tenures = tenures(stage);
    let mut wrong = Vec::new();
    for pair in tenures.windows(2) {
        if pair[0].until > pair[1].from {
            wrong.push(format!("two may write at a time: {pair:?}"));
        }
    }
    let writes = stage.simulator().writes();
    let mut by: BTreeMap<&str, usize> = BTreeMap::new();
    for write in &writes {
        let Some(number) = (0..3).find(|number| write.peer == Some(address(*number))) else { continue };
        *by.entry(NAMES[number]).or_default() += 1;
        let at = Timestamp::try_from(write.at).unwrap();
        let is_allowed = |tenure: &Tenure| tenure.host == NAMES[number] && tenure.from <= at && at <= tenure.until;
        if !tenures.iter().any(is_allowed) {
            wrong.push(format!("{} wrote {} {} at {at} without the lease", NAMES[number], write.method, write.path));
        }
    }
    println!("  {} tenures; writes {by:?}", tenures.len());
    if by.len() < 2 {
        wrong.push("there were no rivals".to_owned());
    }
    wrong
}

/// Every lease that was ever held, by its commits.
fn tenures(stage: &Stage) -> Vec<Tenure> {
    let repository = stage.repo.open();
    let odb = repository.odb().unwrap();
    let mut records: Vec<LeaseRecord> = Vec::new();
    odb.foreach(|id| {
        let commit = repository.find_commit(*id).ok();
        let entry = commit.and_then(|commit| Some(commit.tree().ok()?.get_name("lease.json")?.id()));
        let blob = entry.and_then(|entry| repository.find_blob(entry).ok());
        records.extend(blob.and_then(|blob| serde_json::from_slice(blob.content()).ok()));
        true
    })
    .unwrap();
    let mut tenures: BTreeMap<(u64, uuid::Uuid), Vec<LeaseRecord>> = BTreeMap::new();
    for record in records {
        tenures.entry((record.fencing, record.holder)).or_default().push(record);
    }
    // A commit of somebody who was too late lies about, too: who never gave the lease back did not have it.
    let released = tenures.into_values().filter(|records| records.len() > 1);
    let tenure = |mut records: Vec<LeaseRecord>| {
        // It is taken for its whole life, and runs out when it is given back.
        records.sort_by_key(|record| record.expires_at);
        let (back, taken) = (&records[0], &records[records.len() - 1]);
        Tenure { host: taken.host.clone(), from: taken.expires_at - LIFETIME, until: back.expires_at }
    };
    let mut tenures: Vec<Tenure> = released.map(tenure).collect();
    tenures.sort_by_key(|tenure| tenure.from);
    tenures
}
