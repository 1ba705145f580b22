//! Every call of an apply goes wrong, in every way: the end is that of an undisturbed run.
//!
//! A *scenario* is a change that waits for an agent and is approved. A *cell* is one pass over it in which one call to Azure,
//! to the cluster or to the Git remote meets one trouble; then passes follow until nothing is left to do. Nobody approves
//! anything again. Azure's and the cluster's calls are counted together, Git's by themselves.

use super::process::{Kept, Run, Running, Stage, example_with_approval, until, world_text};
use super::snapshot::{differences, everything};
use crate::git::server;
use crate::git::server::Server;
use privlink::sim::fault::Fault;

const CONSUMER: &str = "/subscriptions/00000000-0000-0000-0000-000000000002/resourceGroups";

/// What happens to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The program is killed before the call has an effect.
    CrashBefore,
    /// The program is killed after the call's effect, before it knows.
    CrashAfter,
    /// The server fails, and does nothing.
    Error,
    /// The server refuses.
    Refusal,
    /// The call has its effect, and the connection is cut.
    LostAnswer,
    /// The call has its effect, and no answer comes in time.
    Timeout,
    /// The answer is what was true when the pass began.
    Stale,
}

impl Trouble {
    pub(crate) const ALL: [Self; 7] =
        [Self::CrashBefore, Self::CrashAfter, Self::Error, Self::Refusal, Self::LostAnswer, Self::Timeout, Self::Stale];

    fn kills(self) -> bool {
        matches!(self, Self::CrashBefore | Self::CrashAfter)
    }

    /// As a fault of the simulator, for the call after so many.
    fn fault(self, after: u32) -> Fault {
        let mut fault = Fault { client: Some("privlink".to_owned()), after, times: Some(1), ..Fault::default() };
        match self {
            Self::CrashBefore => fault.hang = true,
            Self::CrashAfter | Self::Timeout => fault.withhold = true,
            Self::Error => (fault.status, fault.code) = (500, "InternalServerError".to_owned()),
            Self::Refusal => (fault.status, fault.code) = (403, "AuthorizationFailed".to_owned()),
            Self::LostAnswer => fault.drop_connection = true,
            Self::Stale => fault.stale = true,
        }
        fault
    }

    fn of_git(self) -> server::Trouble {
        match self {
            Self::CrashBefore => server::Trouble::Hang,
            Self::CrashAfter | Self::Timeout => server::Trouble::Withhold,
            Self::Error => server::Trouble::Unavailable,
            Self::Refusal => server::Trouble::Forbidden,
            Self::LostAnswer => server::Trouble::Cut,
            Self::Stale => server::Trouble::Stale,
        }
    }
}

/// To whom the calls go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whom {
    /// Azure, Entra ID and the cluster.
    World,
    /// The Git remote.
    Git,
}

/// A change of the example, from what was applied before.
#[derive(Clone, Copy)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    /// The change; without one the example is new.
    change: Option<fn(&Stage)>,
}

/// All scenarios.
pub(crate) const SCENARIOS: [Scenario; 5] = [
    Scenario { name: "the example is made", change: None },
    Scenario { name: "an address moves and takes its Private Link Service along", change: Some(moved) },
    Scenario { name: "much changes in place", change: Some(in_place) },
    Scenario { name: "what others took away is healed", change: Some(healed) },
    Scenario { name: "everything is taken away", change: Some(removed) },
];

fn replace(stage: &Stage, path: &str, edits: &[(&str, &str)]) {
    let files = stage.repo.files("main");
    let (_, mut text) = files.into_iter().find(|(own, _)| own == path).unwrap();
    for (from, to) in edits {
        assert!(text.contains(from), "{from} is not in {path}");
        text = text.replace(from, to);
    }
    stage.repo.commit("main", "carol <carol@example.com>", &[(path.to_owned(), text)]);
}

fn moved(stage: &Stage) {
    replace(stage, "environments/prod/services/orders.yaml", &[("10.224.0.200", "10.224.0.201")]);
}

fn in_place(stage: &Stage) {
    replace(stage, "environments/prod/services/storefront.yaml", &[("port: 443", "port: 444")]);
    replace(stage, "environments/prod/consume/orders.yaml", &[("ttl: 300", "ttl: 600")]);
    let narrower = "visibility:\n    mode: subscriptions\n    subscriptions: [";
    let wider = "visibility:\n    mode: subscriptions\n    subscriptions: [\"00000000-0000-0000-0000-000000000001\", ";
    replace(stage, "environments/prod/publish/orders.yaml", &[(narrower, wider)]);
    replace(stage, "environments/prod/publish/payments.yaml", &[(narrower, wider)]);
}

fn healed(stage: &Stage) {
    let network = format!("{CONSUMER}/myOtherResourceGroup/providers/Microsoft.Network");
    delete(stage, &format!("{network}/privateEndpoints/myOrdersPE?api-version=2025-05-01"));
    let zone = format!("{CONSUMER}/rg-dns/providers/Microsoft.Network/privateDnsZones/orders.internal");
    delete(stage, &format!("{zone}/A/api?api-version=2024-06-01"));
    // What somebody else writes into a Service is theirs until a person says otherwise; what they take away is made again.
    stage.simulator().cluster("myAKSCluster").unwrap().delete("Service", "default", "inventory").unwrap();
}

fn delete(stage: &Stage, path: &str) {
    let arm = stage.simulator().arm();
    let reply = arm.call("DELETE", path, &[], None);
    assert!(arm.settle(&reply).is_success(), "{path}: {}", reply.body);
}

fn removed(stage: &Stage) {
    let files = stage.repo.files("main").into_iter().filter(|(path, _)| path.starts_with("environments/"));
    let mut edits: Vec<(String, Option<Vec<u8>>)> = files.map(|(path, _)| (path, None)).collect();
    edits.push(("environments/prod/README.md".to_owned(), Some(b"a folder without documents is a wish\n".to_vec())));
    stage.repo.edit("main", "carol <carol@example.com>", &edits);
}

/// A scenario that is ready to run, and how it ends if nothing disturbs it.
pub(crate) struct Bench {
    stage: Stage,
    server: Server,
    kept: Kept,
    end: String,
}

impl Bench {
    /// Brings a scenario to where its change is approved; `None` without a Git server.
    pub(crate) fn new(scenario: &Scenario) -> Option<Self> {
        let many = |text: String| text.replace("prune = true", "prune = true\nmax-deletes = 50");
        let files: Vec<_> = example_with_approval().into_iter().map(|(path, text)| (path, many(text))).collect();
        let mut stage = Stage::new(&files);
        stage.machine = stage.machine.clone().with("PRIVLINK_GIT_TOKEN", "good");
        let server = Server::start(stage.folder().to_owned())?;
        let kept = stage.keep(&world_text());
        let mut bench = Self { stage, server, kept, end: String::new() };
        bench.approve();
        if let Some(change) = scenario.change {
            bench.settle().unwrap();
            change(&bench.stage);
            bench.stage.idle();
            bench.approve();
        }
        bench.kept = bench.stage.keep(&world_text());
        bench.settle().unwrap();
        bench.end = everything(&bench.stage);
        Some(bench)
    }

    fn start(&self, arguments: &[&str]) -> Running {
        let url = self.server.url("config.git");
        self.stage.machine.start(&[arguments, &["--repo", &url]].concat())
    }

    fn pass(&self) -> Run {
        self.start(&["agent", "--once"]).wait()
    }

    /// Somebody who changed nothing approves what the agent asks for.
    fn approve(&self) {
        let waits = self.pass().ends(4);
        let id = waits.out.lines().chain(waits.err.lines()).find_map(|line| line.strip_prefix("Plan id: "));
        let author = "Bob <bob@example.com>";
        self.start(&["approve", "--as", "bob", "--plan", id.unwrap(), "--yes", "--author", author]).wait().ends(0);
    }

    /// Makes passes until nothing is left to do, and two more: an operation that nobody follows ends after so many looks.
    /// Else what they said.
    fn settle(&self) -> Result<(), String> {
        let (mut said, mut idle) = (String::new(), 0);
        for _ in 0..8 {
            let run = self.pass();
            said.push_str(&run.all());
            idle = if run.code == Some(0) && run.all().contains("prod: no changes") { idle + 1 } else { 0 };
            if idle == 3 {
                return Ok(());
            }
            if run.code == Some(4) {
                return Err(format!("it asks again:\n{said}"));
            }
            self.stage.idle();
        }
        Err(format!("it does not come to an end:\n{said}"))
    }

    /// Runs one cell. Answers false if there is no such call, and what is wrong about the end.
    pub(crate) fn cell(&mut self, (whom, trouble, after): (Whom, Trouble, u32)) -> Result<bool, String> {
        self.stage.restore(&self.kept);
        match whom {
            Whom::World => self.stage.simulator().add_fault(trouble.fault(after)),
            Whom::Git => self.server.trouble(trouble.of_git(), after as usize),
        }
        let patience = if trouble == Trouble::Timeout { "400ms" } else { "1m" };
        let mut running = self.start(&["agent", "--once", "--request-timeout", patience]);
        let disturbed = if trouble.kills() {
            until("it meets its end", || self.is_hit(whom) || running.is_over());
            running.kill()
        } else {
            running.wait()
        };
        let is_hit = self.is_hit(whom);
        self.server.calm();
        self.stage.simulator().clear_faults();
        if !is_hit {
            return Ok(false);
        }
        let wrong =
            |what: &str| format!("{what}\nthe disturbed pass ended with {:?}:\n{}", disturbed.code, disturbed.all());
        self.stage.idle();
        self.settle().map_err(|said| wrong(&said))?;
        match differences(&everything(&self.stage), &self.end) {
            None => Ok(true),
            Some(differences) => Err(wrong(&format!("not everything is as it shall be:\n{differences}"))),
        }
    }

    fn is_hit(&self, whom: Whom) -> bool {
        match whom {
            Whom::World => self.stage.simulator().fault_hits() > 0,
            Whom::Git => self.server.is_hit(),
        }
    }
}

#[test]
fn a_call_that_goes_wrong_in_any_way_changes_nothing_about_the_end() {
    let scenario = &SCENARIOS[2];
    let Some(mut bench) = Bench::new(scenario) else { return };
    // The bench makes every call go wrong; here it is one of each, in the midst of the writes.
    for (number, trouble) in Trouble::ALL.into_iter().enumerate() {
        let number = u32::try_from(number).unwrap();
        for cell in [(Whom::World, trouble, 30 + 2 * number), (Whom::Git, trouble, 2 + number)] {
            let end = bench.cell(cell).map_err(|wrong| format!("{}, {cell:?}: {wrong}", scenario.name));
            assert_eq!(end, Ok(true));
        }
    }
}
