//! The scheduler of the agent: laws over random histories, and what each kind of event leads to.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::time::Duration;

use privlink::agent::schedule::{End, Scheduler, Sight, Sign, Start, Timing, Why};
use privlink::domain::commit::CommitId;
use privlink::domain::name::EnvironmentName;
use proptest::prelude::*;

const TIMING: Timing = Timing {
    interval: Duration::from_secs(60),
    drift: Duration::from_secs(600),
    debounce: Duration::from_secs(2),
    backoff: Duration::from_secs(5),
    longest_backoff: Duration::from_secs(600),
    at_once: 2,
};
const NAMES: [&str; 4] = ["dev", "prod", "qa", "staging"];

fn name(index: usize) -> EnvironmentName {
    NAMES[index].parse().unwrap()
}

fn commit(number: u8) -> CommitId {
    format!("{number:040x}").parse().unwrap()
}

fn sight(tip: u8, count: usize) -> Sight {
    Sight { tip: Some(commit(tip)), environments: (0..count).map(name).collect(), approvals: BTreeMap::new() }
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// A scheduler with its clock, that keeps what began.
struct Desk {
    scheduler: Scheduler,
    now: Duration,
    running: BTreeSet<EnvironmentName>,
    looks: bool,
    began: Vec<(Duration, EnvironmentName, BTreeSet<Why>)>,
}

impl Desk {
    fn new() -> Self {
        let scheduler = Scheduler::new(TIMING, 7);
        Self { scheduler, now: Duration::ZERO, running: BTreeSet::new(), looks: false, began: Vec::new() }
    }

    /// A desk with so many environments, each after its first pass.
    fn settled(count: usize) -> Self {
        let mut desk = Self::new();
        desk.turn();
        desk.look(Some(sight(1, count)));
        while !desk.running.is_empty() {
            desk.end_all(End::Settled);
        }
        desk.began.clear();
        desk
    }

    fn turn(&mut self) -> Vec<Start> {
        let starts = self.scheduler.starts(self.now);
        for start in &starts {
            match start {
                Start::Look => assert!(!std::mem::replace(&mut self.looks, true), "two looks at once"),
                Start::Pass(order) => {
                    assert!(self.running.insert(order.environment.clone()), "two passes of {}", order.environment);
                    self.began.push((self.now, order.environment.clone(), order.why.clone()));
                }
            }
        }
        assert!(self.running.len() <= TIMING.at_once, "too many at once: {:?}", self.running);
        assert!(self.scheduler.starts(self.now).is_empty(), "what is due begins at once, and once");
        starts
    }

    fn sign(&mut self, sign: Sign) {
        self.scheduler.sign(sign, self.now);
        self.turn();
    }

    fn want(&mut self, index: usize, why: Why) {
        self.sign(Sign::Wanted { environment: Some(name(index)), why });
    }

    fn look(&mut self, sight: Option<Sight>) {
        assert!(std::mem::replace(&mut self.looks, false), "nobody looked");
        self.scheduler.looked(sight, self.now);
        self.turn();
    }

    fn end(&mut self, index: usize, end: End) {
        assert!(self.running.remove(&name(index)), "{} does not run", name(index));
        self.scheduler.ended(&name(index), end, self.now);
        self.turn();
    }

    fn end_all(&mut self, end: End) {
        for environment in self.running.clone() {
            self.running.remove(&environment);
            self.scheduler.ended(&environment, end, self.now);
        }
        self.turn();
    }

    /// Lets time pass as a driver does: from one moment at which something is due to the next. Looks show nothing new.
    fn pass(&mut self, time: Duration, tip: u8, count: usize) {
        let until = self.now + time;
        while let Some(at) = self.scheduler.wakes_at().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            let starts = self.turn();
            assert!(!starts.is_empty() || self.scheduler.wakes_at() != Some(at), "it wakes for nothing, for ever");
            if self.looks {
                self.look(Some(sight(tip, count)));
            }
        }
        self.now = until;
    }

    /// When passes began, and of which environments and why, since the last question.
    fn told(&mut self) -> String {
        let line = |(at, name, why): (Duration, EnvironmentName, BTreeSet<Why>)| {
            let why: Vec<String> = why.iter().map(ToString::to_string).collect();
            format!("{}s {name}: {}", at.as_secs(), why.join(", "))
        };
        std::mem::take(&mut self.began).into_iter().map(line).collect::<Vec<_>>().join("\n")
    }
}

#[test]
fn who_begins_to_lead_looks_at_everything_whatever_failed_before() {
    let mut desk = Desk::settled(2);
    desk.now += seconds(1);
    desk.scheduler.begin_anew(desk.now);
    desk.turn();
    assert!(desk.looks, "at the repository, too");
    let began: BTreeSet<_> =
        desk.began.iter().rev().take(2).map(|(_, name, why)| (name.clone(), why.clone())).collect();
    assert_eq!(began, [(name(0), [Why::Start].into()), (name(1), [Why::Start].into())].into());
}

#[test]
fn a_plan_that_waits_for_its_window_is_looked_at_when_that_opens() {
    let mut desk = Desk::settled(1);
    desk.want(0, Why::Asked);
    desk.end(0, End::Opens(seconds(300)));
    desk.began.clear();
    desk.pass(seconds(299), 1, 1);
    assert_eq!(desk.told(), "");
    desk.pass(seconds(2), 1, 1);
    insta::assert_snapshot!(desk.told(), @"300s dev: window");
    // Drift does not wait for a window that opens next week.
    desk.end(0, End::Opens(seconds(604_800)));
    desk.pass(seconds(670), 1, 1);
    assert!(desk.told().ends_with("dev: drift"));
}

#[test]
fn an_idle_agent_looks_every_interval_and_makes_no_pass_before_the_drift_interval() {
    let mut desk = Desk::settled(2);
    desk.pass(seconds(599), 1, 2);
    assert_eq!(desk.told(), "");
    // Up to a tenth more, so that not all environments ask Azure at the same moment.
    desk.pass(seconds(61), 1, 2);
    insta::assert_snapshot!(desk.told(), @"
    606s dev: drift
    610s prod: drift
    ");
}

#[test]
fn a_commit_wakes_every_environment_and_an_approval_only_its_own() {
    let mut desk = Desk::settled(2);
    desk.pass(seconds(59), 1, 2);
    desk.now = seconds(60);
    desk.turn();
    desk.look(Some(sight(2, 2)));
    desk.end_all(End::Settled);
    desk.now = seconds(120);
    desk.turn();
    let approved = Sight { approvals: BTreeMap::from([(name(1), commit(9))]), ..sight(2, 2) };
    desk.look(Some(approved));
    insta::assert_snapshot!(desk.told(), @"
    60s dev: commit
    60s prod: commit
    120s prod: approval
    ");
}

#[test]
fn signs_gather_for_a_moment_and_lead_to_one_pass() {
    let mut desk = Desk::settled(1);
    for _ in 0..50 {
        desk.want(0, Why::Cluster);
    }
    assert_eq!(desk.told(), "");
    desk.pass(seconds(30), 1, 1);
    insta::assert_snapshot!(desk.told(), @"2s dev: cluster");
}

#[test]
fn a_sign_during_a_pass_is_answered_by_another_one() {
    let mut desk = Desk::settled(1);
    desk.want(0, Why::Cluster);
    desk.pass(seconds(10), 1, 1);
    desk.want(0, Why::Cluster);
    desk.pass(seconds(10), 1, 1);
    assert_eq!(desk.running.len(), 1);
    desk.end(0, End::Settled);
    insta::assert_snapshot!(desk.told(), @"
    2s dev: cluster
    20s dev: cluster
    ");
}

#[test]
fn a_person_who_asks_does_not_wait() {
    let mut desk = Desk::settled(2);
    desk.sign(Sign::Wanted { environment: None, why: Why::Asked });
    assert!(desk.looks, "the repository is looked at, too");
    insta::assert_snapshot!(desk.told(), @"
    0s dev: asked
    0s prod: asked
    ");
}

#[test]
fn failures_wait_longer_each_time_and_a_commit_ends_the_wait() {
    let mut desk = Desk::settled(1);
    desk.want(0, Why::Asked);
    let mut waits = Vec::new();
    for _ in 0..9 {
        let at = desk.now;
        desk.end(0, End::Failed);
        // Whatever changes in the cluster: it is not hammered.
        desk.want(0, Why::Cluster);
        while desk.running.is_empty() {
            desk.pass(seconds(1), 1, 1);
        }
        waits.push((desk.now - at).as_secs());
    }
    // Each wait is more than half of a ceiling that doubles until it is at its longest.
    assert!(waits[..8].windows(2).all(|pair| pair[0] <= pair[1] + 1), "{waits:?}");
    assert!(waits[0] <= 6 && (300..=601).contains(waits.last().unwrap()), "{waits:?}");
    desk.end(0, End::Failed);
    desk.told();
    let at = desk.now;
    while !desk.looks {
        desk.now += seconds(1);
        desk.turn();
    }
    desk.look(Some(sight(2, 1)));
    assert!(desk.now - at <= seconds(61));
    assert!(desk.told().ends_with("dev: commit"), "a commit may be the cure");
}

#[test]
fn a_repository_that_cannot_be_read_is_asked_less_and_less_often() {
    let mut desk = Desk::new();
    desk.turn();
    let mut asked = Vec::new();
    for _ in 0..8 {
        desk.look(None);
        desk.now = desk.scheduler.wakes_at().unwrap();
        desk.turn();
        asked.push(desk.now.as_secs());
    }
    let waits: Vec<u64> = asked.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(waits[0] == 60 && waits.iter().all(|wait| (60..=600).contains(wait)), "{waits:?}");
    assert!(*waits.last().unwrap() > 120, "{waits:?}");
    desk.look(Some(sight(1, 1)));
    assert_eq!(desk.running.len(), 1, "and goes on as soon as it can be read");
}

#[test]
fn an_environment_that_is_taken_out_of_the_settings_ends_with_its_pass() {
    let mut desk = Desk::settled(2);
    desk.want(1, Why::Asked);
    desk.now = seconds(60);
    desk.turn();
    desk.look(Some(sight(2, 1)));
    desk.end(1, End::Failed);
    desk.end(0, End::Settled);
    desk.told();
    desk.pass(seconds(3_600), 2, 1);
    assert!(!desk.told().contains("prod"));
}

#[test]
fn a_slow_environment_holds_up_nobody() {
    let mut desk = Desk::settled(4);
    desk.want(0, Why::Asked);
    for index in [1, 2, 3, 1, 2, 3] {
        desk.want(index, Why::Asked);
        desk.end(index, End::Settled);
    }
    assert_eq!(desk.running, BTreeSet::from([name(0)]));
}

/// Something that happens to an agent.
#[derive(Clone, Debug)]
enum Happens {
    Time(u64),
    Moved,
    Wanted(usize, Why),
    All(Why),
    Looks(Option<(u8, usize)>),
    Ends(usize, End),
}

fn happens() -> impl Strategy<Value = Happens> {
    let why = prop_oneof![Just(Why::Cluster), Just(Why::Asked)];
    let end = prop_oneof![Just(End::Settled), Just(End::Unfinished), Just(End::Failed)];
    prop_oneof![
        (0..400_u64).prop_map(Happens::Time),
        Just(Happens::Moved),
        (0..4_usize, why.clone()).prop_map(|(index, why)| Happens::Wanted(index, why)),
        why.prop_map(Happens::All),
        prop::option::of((0..3_u8, 1..=4_usize)).prop_map(Happens::Looks),
        (0..4_usize, end).prop_map(|(index, end)| Happens::Ends(index, end)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(500) })]

    /// `Desk` fails if two passes of an environment run at once, or too many together, or if something due does not begin.
    #[test]
    fn no_sign_is_lost_and_no_environment_has_two_passes(history in prop::collection::vec(happens(), 1..80)) {
        let mut desk = Desk::new();
        desk.turn();
        let mut served = BTreeSet::new();
        // When each environment was last given a reason to look.
        let mut wanted: BTreeMap<EnvironmentName, Duration> = BTreeMap::new();
        let mut tip = None;
        for event in history {
            match event {
                Happens::Time(time) => {
                    desk.now += seconds(time);
                    desk.turn();
                }
                Happens::Moved => desk.sign(Sign::Moved),
                Happens::Wanted(index, why) => {
                    wanted.extend(served.contains(&name(index)).then(|| (name(index), desk.now)));
                    desk.want(index, why);
                }
                Happens::All(why) => {
                    wanted.extend(served.iter().map(|name| (EnvironmentName::clone(name), desk.now)));
                    desk.sign(Sign::Wanted { environment: None, why });
                }
                Happens::Looks(seen) if desk.looks => {
                    if let Some((new, count)) = seen {
                        let now: BTreeSet<_> = (0..count).map(name).collect();
                        let moved = tip.replace(new) != Some(new);
                        let fresh = now.iter().filter(|name| moved || !served.contains(*name)).cloned();
                        wanted.extend(fresh.map(|name| (name, desk.now)));
                        wanted.retain(|name, _| now.contains(name));
                        served = now;
                    }
                    desk.look(seen.map(|(tip, count)| sight(tip, count)));
                }
                Happens::Ends(index, end) if desk.running.contains(&name(index)) => desk.end(index, end),
                Happens::Looks(_) | Happens::Ends(..) => {}
            }
        }
        // Then everything goes well for a while.
        let seen = tip.map(|tip| sight(tip, served.len()));
        for _ in 0..2_000 {
            if desk.looks {
                desk.look(seen.clone());
            }
            desk.end_all(End::Settled);
            desk.now += seconds(1);
            desk.turn();
        }
        for (name, at) in wanted {
            let answered = desk.began.iter().any(|(began, of, _)| *of == name && *began >= at);
            prop_assert!(answered, "{name} was wanted at {at:?}: {:?}", desk.began);
        }
    }

    #[test]
    fn the_time_to_wake_is_never_later_than_what_is_due(history in prop::collection::vec(happens(), 1..60)) {
        let mut desk = Desk::settled(3);
        for event in history {
            match event {
                Happens::Wanted(index, why) => desk.want(index, why),
                Happens::Ends(index, end) if desk.running.contains(&name(index)) => desk.end(index, end),
                Happens::Looks(seen) if desk.looks => desk.look(seen.map(|(tip, count)| sight(tip, count))),
                Happens::Time(time) => {
                    let wakes = desk.scheduler.wakes_at();
                    // A moment before the time nothing begins.
                    if let Some(before) = wakes.and_then(|at| at.checked_sub(Duration::from_nanos(1))) {
                        let then = (desk.now + seconds(time)).min(before).max(desk.now);
                        prop_assert!(then > before || desk.scheduler.starts(then).is_empty());
                    }
                    desk.now += seconds(time);
                    desk.turn();
                }
                _ => {}
            }
        }
    }
}
