//! Thousands of passes of one agent, while people commit, others change the world, calls go wrong and the process is killed.
//!
//! The dice are seeded. Some of the time the simulator's clock jumps, so that tokens and leases run out. Every so often calm
//! is restored: the agent has to come to rest within a few passes, and then to write and to commit nothing.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::{Duration, Instant};

use privlink::agent::daemon::TURN;
use privlink::sim::fault::{Fault, Probability};
use serde_json::Value;

use super::agent::{Agent, Ended};
use super::process::{Stage, example_with_approval};

const PASSES: usize = 10_000;
const STATUS: &str = "privlink/status/prod";
/// Passes until calm is restored.
const STORM: usize = 40;
/// Passes of calm in which the agent has to come to rest.
const REST: usize = 20;
/// Memory is looked at after so many rests; the first look is not counted.
const RESTS: usize = 4;
const GROUP: &str = "/subscriptions/00000000-0000-0000-0000-000000000002/resourceGroups";

/// Dice: SplitMix64.
struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % sides
    }

    fn one_in(&mut self, sides: u64) -> bool {
        self.below(sides) == 0
    }

    fn one_of<T: Copy>(&mut self, choice: &[T]) -> T {
        choice[usize::try_from(self.below(choice.len() as u64)).unwrap()]
    }
}

/// What happened, and what was wrong about it.
#[derive(Default)]
struct Tally {
    passes: usize,
    commits: usize,
    drifts: usize,
    faults: usize,
    kills: usize,
    approvals: usize,
    applies: usize,
    rests: usize,
    /// Memory of the agents that lived longest, early and late in their lives, in MB.
    memory: Vec<(f64, f64)>,
    wrong: Vec<String>,
}

/// A list of a YAML document.
fn items(text: &str, name: &str) -> Vec<Value> {
    let document: Value = serde_yaml::from_str(text).unwrap();
    document[name].as_array().cloned().unwrap_or_default()
}

/// Runs it, prints what came of it, and answers how much is wrong.
pub(super) fn run(passes: Option<usize>, seed: u64) -> usize {
    let passes = passes.unwrap_or(PASSES);
    println!("soak: {passes} passes, seed {seed}");
    let began = Instant::now();
    let mut soak = Soak::new(seed);
    while soak.tally.passes < passes {
        soak.storm();
        soak.rest();
        // Half of the way through nobody kills any more: a long life shows what memory does.
        soak.kills = soak.tally.passes < passes / 2;
        if soak.tally.wrong.len() > 5 {
            break;
        }
    }
    soak.note_memory();
    soak.agent.kill();
    soak.look_back();
    let Tally { passes, commits, drifts, faults, kills, approvals, applies, rests, memory, wrong } = &soak.tally;
    println!(
        "  {passes} passes in {:.0} s: {commits} commits, {drifts} changes by others, {faults} passes with faults, {kills} kills, {approvals} approvals, {applies} applies, {rests} times at rest",
        began.elapsed().as_secs_f64()
    );
    for (early, late) in memory {
        println!("  memory {early:.1} MB early, {late:.1} MB late: {:+.1} %", 100.0 * (late - early) / early);
    }
    for told in wrong {
        println!("WRONG {told}");
    }
    wrong.len()
}

struct Soak {
    stage: Stage,
    agent: Agent,
    dice: Dice,
    kills: bool,
    tally: Tally,
    /// The plan that waits for somebody.
    waits: Option<String>,
    /// The plans that somebody approved.
    approved: BTreeSet<String>,
    /// Memory of this life, each time after a long rest.
    life: Vec<f64>,
}

impl Soak {
    fn new(seed: u64) -> Self {
        let many = |text: String| text.replace("prune = true", "prune = true\nmax-deletes = 50");
        let files: Vec<_> = example_with_approval().into_iter().map(|(path, text)| (path, many(text))).collect();
        let stage = Stage::new(&files);
        let agent = Agent::start(&stage, &stage.machine);
        let mut soak = Self {
            stage,
            agent,
            dice: Dice(seed),
            kills: true,
            tally: Tally::default(),
            waits: None,
            approved: BTreeSet::new(),
            life: Vec::new(),
        };
        let first = soak.agent.ended();
        soak.judge(&first, 0);
        soak
    }

    /// Passes in which something happens.
    fn storm(&mut self) {
        for _ in 0..STORM {
            if self.dice.one_in(5) {
                self.commit();
            }
            if self.dice.one_in(8) {
                self.drift();
            }
            if self.dice.one_in(50) {
                self.stage.simulator().advance(Duration::from_secs(60 * 40));
            }
            if self.dice.one_in(2) {
                self.approve();
            }
            let is_faulty = self.dice.one_in(6);
            if is_faulty {
                self.fault();
            }
            if self.kills && self.dice.one_in(25) {
                self.killed();
            } else {
                self.pass();
            }
            if is_faulty {
                self.stage.simulator().clear_faults();
            }
        }
    }

    /// Calm: the agent comes to rest, and then does nothing.
    fn rest(&mut self) {
        let (mut said, mut words) = (String::new(), Vec::new());
        for _ in 0..REST {
            self.stage.idle();
            self.approve();
            let ended = self.pass();
            if ended.word == "converged" {
                // An operation that nobody follows ends after so many looks.
                self.pass();
                self.pass();
                let (writes, tip) = (self.stage.writes(), self.tip());
                let last = self.pass();
                let is_still = (self.stage.writes(), self.tip()) == (writes, tip) && last.word == "converged";
                self.expect(is_still, &format!("at rest it wrote or committed something:\n{}", last.log));
                self.tally.rests += 1;
                if !self.kills && self.tally.rests.is_multiple_of(RESTS) {
                    // It gives memory back once it has rested for a turn.
                    std::thread::sleep(3 * TURN);
                    self.life.push(self.agent.memory());
                }
                self.tidy();
                return;
            }
            said = ended.log;
            words.push(ended.word);
        }
        let plan = self.stage.run(&["plan"]).all();
        self.expect(false, &format!("it does not come to rest ({}):\n{said}\n{plan}", words.join(", ")));
    }

    fn pass(&mut self) -> Ended {
        // What the agent began by itself meanwhile is not taken for the pass that is asked for.
        while let Some(ended) = self.agent.ended_within(Duration::ZERO) {
            let writes = self.stage.writes();
            self.judge(&ended, writes);
        }
        let writes = self.stage.writes();
        let ended = self.agent.pass();
        self.judge(&ended, writes);
        ended
    }

    /// A pass that is cut short, and a new life.
    fn killed(&mut self) {
        let writes = self.stage.writes();
        self.agent.wake();
        let moment = Duration::from_millis(self.dice.below(120));
        if let Some(ended) = self.agent.ended_within(moment) {
            self.judge(&ended, writes);
        }
        self.tally.kills += 1;
        self.note_memory();
        // What the one that is killed still sent is not the next one's.
        self.agent.kill();
        std::thread::sleep(Duration::from_millis(50));
        let writes = self.stage.writes();
        self.agent = Agent::start(&self.stage, &self.stage.machine);
        let ended = self.agent.ended();
        self.judge(&ended, writes);
    }

    fn judge(&mut self, ended: &Ended, writes_before: usize) {
        self.tally.passes += 1;
        let writes = self.stage.writes() - writes_before;
        self.expect(writes == 0 || !ended.applied.is_empty(), &format!("{writes} writes of no plan:\n{}", ended.log));
        for plan in &ended.applied {
            self.tally.applies += 1;
            let is_approved = self.approved.contains(plan) || self.is_rest_of_approved(plan);
            self.expect(is_approved, &format!("nobody approved {plan}:\n{}", ended.log));
        }
        self.waits = ended.plan.clone().filter(|_| ended.word == "waits");
    }

    /// True if each change of an applied plan is in an approval file, or is what is left of one that is: what remained of an apply
    /// that was cut short, or of a plan that something new came to.
    fn is_rest_of_approved(&self, plan: &str) -> bool {
        let records = self.stage.repo.files(STATUS);
        let Some((_, record)) = records.iter().find(|(path, _)| path.ends_with(&format!("applied/{plan}.yaml"))) else {
            return false;
        };
        let files = self.stage.repo.files("main");
        let approvals = files.iter().filter(|(path, _)| path.starts_with("approvals/"));
        let approved: Vec<Value> = approvals.flat_map(|(_, text)| items(text, "changes")).collect();
        let is_approved = |step: &Value| {
            let is_rest = |change: &Value| {
                let contains = change["action"] == step["action"] || change["action"] == "replace";
                change["resource"] == step["key"] && contains
            };
            approved.iter().any(|change| change["digest"] == step["digest"] || is_rest(change))
        };
        let unapproved: Vec<Value> = items(record, "steps").into_iter().filter(|step| !is_approved(step)).collect();
        unapproved.iter().for_each(|step| println!("  nobody approved {step}"));
        unapproved.is_empty()
    }

    fn expect(&mut self, is_right: bool, told: &str) {
        if !is_right {
            let pass = self.tally.passes;
            self.tally.wrong.push(format!("after pass {pass}: {told}"));
        }
    }

    fn tip(&self) -> Option<String> {
        let name = format!("refs/heads/{STATUS}");
        self.stage.repo.open().refname_to_id(&name).ok().map(|id| id.to_string())
    }

    /// Bob approves the plan that waits.
    fn approve(&mut self) {
        let Some(plan) = self.waits.take() else { return };
        let author = "Bob <bob@example.com>";
        let run = self.stage.run(&["approve", "--as", "bob", "--plan", &plan, "--yes", "--author", author]);
        // The world may have moved: then there is no such plan any more.
        if run.code == Some(0) {
            self.tally.approvals += 1;
            self.approved.insert(plan);
        }
    }

    /// Carol takes away the approvals of what is done, as people do now and then. The repository is packed, as a server does it:
    /// each push leaves a pack, and thousands of them make every look-up slow.
    fn tidy(&mut self) {
        let path = self.stage.repo.open().path().to_owned();
        let packed = Command::new("git")
            .arg("-C")
            .arg(path)
            .args(["-c", "gc.autoDetach=false", "gc", "--auto", "--quiet"])
            .status();
        assert!(packed.unwrap().success(), "git packs the repository");
        let files = self.stage.repo.files("main").into_iter();
        let approvals = files.filter(|(path, _)| path.starts_with("approvals/")).map(|(path, _)| (path, None));
        let approvals: Vec<_> = approvals.collect();
        if !approvals.is_empty() {
            self.stage.repo.edit("main", "carol <carol@example.com>", &approvals);
        }
    }

    fn commit(&mut self) {
        let edits: [(&str, &str, &[&str]); 5] = [
            ("services/orders.yaml", "load-balancer-ipv4: ", &["10.224.0.200", "10.224.0.201", "10.224.0.202"]),
            ("services/storefront.yaml", "    port: ", &["443", "444", "445"]),
            ("consume/orders.yaml", "    ttl: ", &["300", "600", "900"]),
            ("services/inventory.yaml", "    app: ", &["inventory", "stock"]),
            ("consume/payments.yaml", "  ipAddress: ", &["10.50.1.20", "10.50.1.21"]),
        ];
        let (file, key, values) = self.dice.one_of(&edits);
        let value = self.dice.one_of(values);
        let path = format!("environments/prod/{file}");
        let files = self.stage.repo.files("main");
        let (_, before) = files.iter().find(|(own, _)| *own == path).unwrap();
        let line = |line: &str| match line.find(key) {
            Some(at) => format!("{}{value}\n", &line[..at + key.len()]),
            None => format!("{line}\n"),
        };
        let after: String = before.lines().map(line).collect();
        if after != *before {
            self.stage.repo.commit("main", "carol <carol@example.com>", &[(path, after)]);
            self.tally.commits += 1;
        }
    }

    fn drift(&mut self) {
        let network = format!("{GROUP}/myOtherResourceGroup/providers/Microsoft.Network");
        let zone = format!("{GROUP}/rg-dns/providers/Microsoft.Network/privateDnsZones/orders.internal");
        let arm = self.stage.simulator().arm();
        // A field of a Service that somebody else holds is theirs until a person says otherwise, so it is not among these.
        match self.dice.below(3) {
            0 => drop(arm.call("DELETE", &format!("{zone}/A/api?api-version=2024-06-01"), &[], None)),
            endpoint => {
                let name = ["myOrdersPE", "myPaymentsPE"][usize::try_from(endpoint).unwrap() - 1];
                let path = format!("{network}/privateEndpoints/{name}?api-version=2025-05-01");
                let reply = arm.call("DELETE", &path, &[], None);
                drop(arm.settle(&reply));
            }
        }
        self.tally.drifts += 1;
    }

    /// For one pass some of the calls go wrong.
    fn fault(&mut self) {
        let client = Some("privlink".to_owned());
        let mut fault = Fault { client, probability: Probability::of(0.1), ..Fault::default() };
        match self.dice.below(6) {
            0 => (fault.status, fault.code) = (500, "InternalServerError".to_owned()),
            1 => {
                (fault.status, fault.code) = (429, "TooManyRequests".to_owned());
                fault.headers = vec![("retry-after-ms".to_owned(), "5".to_owned())];
            }
            2 => fault.drop_request = true,
            3 => fault.drop_connection = true,
            4 => (fault.stale, fault.probability) = (true, Probability::of(0.5)),
            _ => (fault.status, fault.code) = (403, "AuthorizationFailed".to_owned()),
        }
        self.stage.simulator().add_fault(fault);
        self.tally.faults += 1;
    }

    /// Keeps the memory of this life, if it was long enough.
    fn note_memory(&mut self) {
        let life = std::mem::take(&mut self.life);
        if life.len() > 6 {
            let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len() as f64;
            let (early, late) = (mean(&life[1..4]), mean(&life[life.len() - 3..]));
            self.tally.memory.push((early, late));
            self.expect(
                (late - early).abs() <= 0.05 * early,
                &format!("memory went from {early:.1} MB to {late:.1} MB"),
            );
        }
    }

    /// Every commit of the status branch changed something.
    fn look_back(&mut self) {
        let repository = self.stage.repo.open();
        let mut walk = repository.revwalk().unwrap();
        walk.push_ref(&format!("refs/heads/{STATUS}")).unwrap();
        let commits: Vec<_> = walk.map(|id| repository.find_commit(id.unwrap()).unwrap()).collect();
        let same =
            commits.iter().filter(|commit| commit.parent(0).is_ok_and(|parent| parent.tree_id() == commit.tree_id()));
        let (same, count) = (same.count(), commits.len());
        println!("  {count} commits of status, {same} without a change");
        self.expect(same == 0, "a commit changes nothing");
    }
}
