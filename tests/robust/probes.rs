//! What the agent tells whoever supervises it: probes and metrics, by real requests.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

use privlink::sim::fault::Fault;

use super::process::{Machine, Run, Running, Stage, example, example_with_approval, small, until};

/// Passes over a converged repository.
const PASSES: f64 = 100.0;

/// An agent with probes.
pub(super) struct Probed {
    pub(super) agent: Running,
    address: String,
}

impl Probed {
    pub(super) fn start(stage: &Stage, arguments: &[&str]) -> Self {
        Self::on(&stage.machine, &stage.url(), arguments)
    }

    /// One of a machine, for a repository.
    pub(super) fn on(machine: &Machine, url: &str, arguments: &[&str]) -> Self {
        let address = free();
        let mut all = vec!["agent", "--repo", url, "--probes", address.as_str()];
        all.extend(arguments);
        let agent = machine.start(&all);
        until("it listens", || TcpStream::connect(&address).is_ok());
        Self { agent, address }
    }

    /// Status and body of an answer.
    pub(super) fn get(&self, path: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }

    pub(super) fn metrics(&self) -> Samples {
        let (status, text) = self.get("/metrics");
        assert_eq!(status, 200);
        Samples::parse(&text)
    }

    pub(super) fn stop(self) -> Run {
        self.agent.signal("TERM");
        self.agent.wait().ends(0)
    }

    pub(super) fn kill(self) -> Run {
        self.agent.kill()
    }
}

/// An address of loopback that nobody listens at.
fn free() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

/// The samples of an exposition, by name and labels as they are written.
pub(super) struct Samples(BTreeMap<String, f64>);

impl Samples {
    /// Reads an exposition strictly: each sample belongs to a family that was declared before, with its type's ending.
    fn parse(text: &str) -> Self {
        let mut kinds: BTreeMap<&str, &str> = BTreeMap::new();
        let mut samples = BTreeMap::new();
        let body = text.strip_suffix("# EOF\n").expect("an exposition ends with its mark");
        for line in body.lines() {
            if let Some(kind) = line.strip_prefix("# TYPE ") {
                let (name, kind) = kind.split_once(' ').unwrap();
                assert!(kinds.insert(name, kind).is_none(), "{name} is declared twice");
                continue;
            }
            if line.starts_with("# HELP ") || line.starts_with("# UNIT ") {
                continue;
            }
            let (sample, value) = line.rsplit_once(' ').unwrap();
            let name = sample.split('{').next().unwrap();
            let family = ["", "_total", "_sum", "_count", "_bucket"].iter().find_map(|end| {
                let kind = kinds.get(name.strip_suffix(end)?)?;
                let fits = match *kind {
                    "counter" => *end == "_total",
                    "gauge" => end.is_empty(),
                    _ => ["_sum", "_count", "_bucket"].contains(end),
                };
                fits.then_some(*kind)
            });
            assert!(family.is_some() && name.starts_with("privlink_"), "{line} belongs to no family");
            assert!(samples.insert(sample.to_owned(), value.parse().unwrap()).is_none(), "{sample} twice");
        }
        Self(samples)
    }

    pub(super) fn get(&self, sample: &str) -> f64 {
        self.0.get(sample).copied().unwrap_or_default()
    }

    /// The sum of all samples of a name.
    pub(super) fn sum(&self, name: &str) -> f64 {
        let of = |sample: &&String| sample.split('{').next() == Some(name);
        self.0.keys().filter(of).map(|sample| self.0[sample]).sum()
    }
}

fn quick(files: Vec<(String, String)>) -> Vec<(String, String)> {
    let small = small();
    files.into_iter().filter(|(path, _)| small.iter().any(|(wanted, _)| wanted == path)).collect()
}

#[test]
fn an_applied_commit_is_counted_by_action_and_risk_and_by_its_way_to_ready() {
    let stage = Stage::new(&quick(example()));
    let agent = Probed::start(&stage, &["--interval", "50ms", "--drift-interval", "1h"]);
    until("it is converged", || agent.metrics().get(r#"privlink_converged{environment="prod"}"#) > 0.0);
    assert_eq!(agent.get("/readyz"), (200, "ok\n".to_owned()));
    assert_eq!(agent.get("/healthz"), (200, "ok\n".to_owned()));
    assert_eq!(agent.get("/anything").0, 404);
    let metrics = agent.metrics();
    let created = |outcome: &str| {
        let labels = format!(r#"environment="prod",action="create",risk="notable",outcome="{outcome}""#);
        metrics.get(&format!("privlink_changes_total{{{labels}}}"))
    };
    assert_eq!((created("done"), created("waiting"), created("failed")), (2.0, 1.0, 0.0));
    assert_eq!(metrics.get(r#"privlink_passes_total{environment="prod",end="applied"}"#), 1.0);
    assert_eq!(metrics.get(r#"privlink_commit_to_ready_seconds_count{environment="prod"}"#), 1.0);
    assert_eq!(metrics.get(r#"privlink_pending_changes{environment="prod",risk="notable"}"#), 0.0);
    assert!(metrics.get(r#"privlink_looks_total{result="read"}"#) >= 1.0);
    assert!(metrics.get(r#"privlink_last_pass_timestamp_seconds{environment="prod"}"#) > 1.7e9);
    let passes = metrics.sum("privlink_passes_total");
    assert_eq!(metrics.get(r#"privlink_pass_duration_seconds_count{environment="prod"}"#), passes);
    // What was counted is what the world was asked, by method and type.
    let put = r#"privlink_calls_total{system="Azure",method="PUT",kind="Microsoft.Network/privateEndpoints"}"#;
    assert_eq!(metrics.get(put), 1.0, "{:?}", metrics.0.keys());
    assert!(!metrics.0.keys().any(|name| name.contains("myLedgerPE") || name.contains("storefront")));
    agent.stop();
}

#[test]
fn a_plan_that_waits_is_counted_with_its_age() {
    let stage = Stage::new(&quick(example_with_approval()));
    let agent = Probed::start(&stage, &["--interval", "1h", "--drift-interval", "50ms"]);
    until("it has waited a while", || {
        agent.metrics().get(r#"privlink_passes_total{environment="prod",end="waits"}"#) >= 3.0
    });
    let metrics = agent.metrics();
    assert_eq!(metrics.get(r#"privlink_pending_approvals{environment="prod",risk="notable"}"#), 3.0);
    assert_eq!(metrics.get(r#"privlink_pending_changes{environment="prod",risk="notable"}"#), 3.0);
    assert!(metrics.0.contains_key(r#"privlink_pending_approval_age_seconds{environment="prod"}"#));
    assert_eq!(agent.get("/readyz").0, 200, "to wait for people is no trouble of the agent's");
    agent.stop();
}

#[test]
fn suspended_documents_are_counted() {
    let suspend =
        |text: &str| text.replacen("annotations:\n", "annotations:\n    privlink.dev/suspend: the spring sale\n", 1);
    let files = quick(example()).into_iter().map(|(path, text)| match path.ends_with("services/storefront.yaml") {
        true => (path, suspend(&text)),
        false => (path, text),
    });
    let stage = Stage::new(&files.collect::<Vec<_>>());
    let agent = Probed::start(&stage, &["--interval", "1h", "--drift-interval", "1h"]);
    until("it is counted", || agent.metrics().get(r#"privlink_suspended_documents{environment="prod"}"#) > 0.0);
    assert_eq!(agent.metrics().sum("privlink_suspended_documents"), 1.0);
    agent.stop();
}

#[test]
fn an_agent_without_its_repository_lives_and_is_not_ready() {
    let stage = Stage::new(&small());
    let missing = format!("{}-missing", stage.url());
    let address = free();
    let agent = stage.machine.start(&["agent", "--repo", &missing, "--interval", "10ms", "--probes", &address]);
    until("it listens", || TcpStream::connect(&address).is_ok());
    let agent = Probed { agent, address };
    until("it has looked", || agent.metrics().get(r#"privlink_looks_total{result="failed"}"#) >= 1.0);
    assert_eq!(agent.get("/healthz").0, 200);
    assert_eq!(agent.get("/readyz"), (503, "the repository was not read yet\n".to_owned()));
    agent.stop();
}

#[test]
fn an_agent_for_an_environment_that_does_not_exist_is_not_ready() {
    let stage = Stage::new(&quick(example()));
    let agent = Probed::start(&stage, &["--interval", "1h", "--drift-interval", "1h", "--environment", "prodd"]);
    let passes = r#"privlink_passes_total{environment="prodd",end="invalid"}"#;
    until("it has looked for it", || agent.metrics().get(passes) >= 1.0);
    assert_eq!(agent.get("/readyz"), (503, "prodd: no pass has got through yet\n".to_owned()));
    agent.stop().says("there is no environment prodd");
}

#[test]
fn a_world_that_throttles_is_counted_and_an_environment_that_never_got_through_is_not_ready() {
    let stage = Stage::new(&quick(example()));
    stage.simulator().add_fault(Fault { client: Some("privlink".to_owned()), status: 429, ..Fault::default() });
    let agent = Probed::start(&stage, &["--interval", "1h", "--drift-interval", "1h"]);
    until("it was refused", || agent.metrics().sum("privlink_throttled_calls_total") >= 1.0);
    assert!(agent.get("/readyz").1.contains("prod: no pass has got through yet"));
    stage.simulator().clear_faults();
    agent.agent.kill();
}

#[test]
fn many_passes_over_a_converged_repository_write_and_commit_nothing() {
    let stage = Stage::new(&quick(example()));
    stage.apply().ends(0);
    stage.idle();
    stage.apply().ends(0);
    stage.assert_converged();
    let agent = Probed::start(&stage, &["--interval", "1ms", "--drift-interval", "0ms", "--debounce", "0ms"]);
    let converged = r#"privlink_passes_total{environment="prod",end="converged"}"#;
    until("it made its first pass", || agent.metrics().get(converged) >= 1.0);
    let before = (stage.writes(), stage.repo.count("privlink/status/prod"));
    until("it made many passes", || agent.metrics().get(converged) >= PASSES);
    let metrics = agent.metrics();
    agent.stop();
    assert_eq!((stage.writes(), stage.repo.count("privlink/status/prod")), before);
    assert_eq!(metrics.get(converged), metrics.sum("privlink_passes_total"), "every pass ended like this");
}
