//! The machine that applies: driven by hand, with a scripted world and a clock that only moves when asked.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::time::Duration;

use privlink::apply::Done;
use privlink::apply::Failure;
use privlink::apply::Outputs;
use privlink::apply::Task;
use privlink::apply::Work;
use privlink::apply::engine::Engine;
use privlink::apply::engine::Settings;
use privlink::apply::report::News;
use privlink::apply::report::Outcome;
use privlink::apply::report::Report;
use privlink::domain::failure::ErrorClass;
use privlink::domain::key::PublisherKey;
use privlink::domain::key::ResourceKey;
use privlink::domain::resource::Resource;
use privlink::domain::resource::private_endpoint::Target;
use privlink::plan::Plan;
use privlink::plan::Step;
use privlink::plan::action::Action;
use privlink::plan::change::Change;
use privlink::plan::document::PlanId;
use proptest::prelude::*;

use crate::support::case::Case;
use crate::support::case::endpoint;
use crate::support::say::plan_of;
use crate::support::world::World;

type Answer = Result<Done, Failure>;

const SECOND: Duration = Duration::from_secs(1);

/// A plan of Services `s0`, `s1`, … without anything in common.
fn plan(steps: &[(Action, &[usize])]) -> Plan {
    let step = |(at, (action, after)): (usize, &(Action, &[usize]))| Step {
        change: Change::new(ResourceKey::Service(format!("shop/s{at}").parse().unwrap()), *action),
        after: after.to_vec(),
    };
    Plan {
        id: PlanId::of_body("x"),
        policy: Case::empty().resolve().policy,
        steps: steps.iter().enumerate().map(step).collect(),
        notes: Vec::new(),
        postponed: Default::default(),
        blockers: Vec::new(),
        left_out: Vec::new(),
        modes: Vec::new(),
        smaller_edits: Vec::new(),
        gaps: Vec::new(),
        unchanged: 0,
        body: String::new(),
    }
}

/// What happened: `+3s write 1` when work began, in the order of the clock.
#[derive(Default)]
struct Diary {
    begun: Vec<(Duration, usize, Task)>,
    most: usize,
    news: Vec<News>,
}

impl Diary {
    fn tasks(&self, step: usize) -> Vec<String> {
        self.begun.iter().filter(|(_, at, _)| *at == step).map(|(_, _, task)| word(task).to_owned()).collect()
    }

    fn when(&self, step: usize, wanted: &str) -> Vec<u64> {
        let matching = self.begun.iter().filter(|(_, at, task)| *at == step && word(task) == wanted);
        matching.map(|(now, _, _)| now.as_secs()).collect()
    }
}

fn word(task: &Task) -> &'static str {
    match task {
        Task::Remove => "remove",
        Task::Write { replaced: false } => "write",
        Task::Write { replaced: true } => "rewrite",
        Task::Poll { .. } => "poll",
        Task::CheckGone => "gone?",
        Task::CheckReady => "ready?",
    }
}

/// Runs an engine to its end; every piece of work takes a second. `cancel` is when a person asks to stop.
fn run(
    plan: &Plan,
    settings: Settings,
    cancel: Option<Duration>,
    mut world: impl FnMut(&Work, Duration) -> Answer,
) -> (Report, Diary) {
    let mut engine = Engine::new(plan, settings);
    let mut diary = Diary::default();
    let mut now = Duration::ZERO;
    let mut running: Vec<(Duration, usize, Answer)> = Vec::new();
    let mut cancel = cancel;
    for _ in 0..100_000 {
        for work in engine.start(now) {
            diary.begun.push((now, work.step, work.task.clone()));
            let answer = world(&work, now);
            running.push((now + SECOND, work.step, answer));
        }
        diary.most = diary.most.max(running.len());
        diary.news.extend(engine.take_news().into_iter().map(|progress| progress.news));
        if engine.is_finished() {
            return (engine.report(), diary);
        }
        let next = running.iter().map(|(at, _, _)| *at).chain(engine.wakes_at(now)).chain(cancel).min();
        now = next.expect("something must still happen").max(now);
        if cancel.is_some_and(|at| at <= now) {
            cancel = None;
            engine.cancel(now);
        }
        let (done, rest): (Vec<_>, Vec<_>) = running.into_iter().partition(|(at, _, _)| *at <= now);
        running = rest;
        for (_, step, answer) in done {
            engine.finish(step, answer, now);
        }
    }
    panic!("it never ends");
}

/// A world in which everything works at once.
fn fine(work: &Work) -> Answer {
    Ok(match work.task {
        Task::CheckReady => Done::Ready(Outputs::default()),
        _ => Done::Finished,
    })
}

fn fails(class: ErrorClass) -> Answer {
    Err(Failure { class, message: "it failed".to_owned(), stale: false })
}

fn outcomes(report: &Report) -> Vec<Outcome> {
    report.steps.iter().map(|step| step.outcome.clone()).collect()
}

const CREATE: Action = Action::Create;

#[test]
fn a_step_begins_when_everything_it_waits_for_has_ended_well() {
    let plan = plan(&[(CREATE, &[]), (CREATE, &[0]), (CREATE, &[0]), (CREATE, &[1, 2])]);
    let (report, diary) = run(&plan, Settings::default(), None, |work, _| fine(work));
    assert!(report.is_success());
    assert_eq!([0, 1, 2, 3].map(|step| diary.when(step, "write")[0]), [0, 2, 2, 4]);
    assert_eq!(diary.tasks(0), ["write", "ready?"]);
    assert_eq!(report.steps[3].took, 2 * SECOND);
}

#[test]
fn no_more_runs_at_a_time_than_allowed() {
    let plan = plan(&[(CREATE, &[][..]); 10]);
    for parallel in [1, 3, 8] {
        let settings = Settings { parallel, ..Settings::default() };
        let (report, diary) = run(&plan, settings, None, |work, _| fine(work));
        assert!(report.is_success() && diary.most == parallel, "{}", diary.most);
    }
    let (report, diary) = run(&plan, Settings { parallel: 0, ..Settings::default() }, None, |work, _| fine(work));
    assert!(report.is_success() && diary.most == 1);
}

#[test]
fn a_replace_removes_then_waits_until_it_is_gone_then_writes() {
    let plan = plan(&[(Action::Replace, &[]), (Action::Delete, &[])]);
    let (_, diary) = run(&plan, Settings::default(), None, |work, now| match work.task {
        Task::CheckGone if now < 5 * SECOND => Ok(Done::NotYet { reason: "Azure".to_owned() }),
        Task::Remove | Task::Write { .. } => Ok(Done::Operation { operation: "o".to_owned(), retry_after: 2 * SECOND }),
        _ => fine(work),
    });
    assert_eq!(diary.tasks(0), ["remove", "poll", "gone?", "gone?", "rewrite", "poll", "ready?"]);
    assert_eq!(diary.tasks(1), ["remove", "poll", "gone?", "gone?"]);
    assert_eq!(diary.when(0, "poll")[0], 3, "one second of work, two that the server asked for");
}

#[test]
fn only_the_class_decides_on_a_retry() {
    let plan = plan(&[(CREATE, &[])]);
    for (class, writes) in [
        (ErrorClass::Transient { retry_after: None }, 9),
        (ErrorClass::Throttled { retry_after: None }, 9),
        (ErrorClass::Conflict, 4),
        (ErrorClass::NotFound, 1),
        (ErrorClass::Denied, 1),
        (ErrorClass::Invalid, 1),
        (ErrorClass::Unknown, 1),
    ] {
        let (report, diary) = run(&plan, Settings::default(), None, |_, _| fails(class));
        assert_eq!(diary.tasks(0).len(), writes, "{class:?}");
        let expected = Outcome::Failed { message: "it failed".to_owned(), stale: false };
        assert_eq!(report.steps[0].outcome, expected);
    }
}

#[test]
fn the_servers_retry_after_is_kept_and_a_success_forgets_failures() {
    let plan = plan(&[(CREATE, &[])]);
    let mut failures = 0;
    let (report, diary) = run(&plan, Settings::default(), None, |work, _| {
        failures += 1;
        if failures == 1 { fails(ErrorClass::Throttled { retry_after: Some(30 * SECOND) }) } else { fine(work) }
    });
    assert!(report.is_success());
    assert_eq!(diary.when(0, "write"), [0, 31]);
    assert!(diary.news.contains(&News::Retries { message: "it failed".to_owned(), after: 30 * SECOND }));
}

#[test]
fn what_is_stale_is_never_tried_again() {
    let plan = plan(&[(CREATE, &[])]);
    let (report, diary) = run(&plan, Settings::default(), None, |_, _| {
        Err(Failure { class: ErrorClass::Conflict, message: "changed".to_owned(), stale: true })
    });
    assert_eq!(diary.tasks(0).len(), 1);
    assert_eq!(report.steps[0].outcome, Outcome::Failed { message: "changed".to_owned(), stale: true });
}

#[test]
fn a_wait_has_a_deadline_and_says_what_it_waited_for() {
    let plan = plan(&[(CREATE, &[])]);
    let (report, diary) = run(&plan, Settings::default(), None, |work, _| match work.task {
        Task::CheckReady => Ok(Done::NotYet { reason: "the cloud provider to give it an address".to_owned() }),
        _ => fine(work),
    });
    let message = "not ready after 15 minutes: it waits for the cloud provider to give it an address".to_owned();
    assert_eq!(report.steps[0].outcome, Outcome::Failed { message, stale: false });
    assert!(report.steps[0].took >= Duration::from_secs(900) && report.steps[0].took < Duration::from_secs(910));
    let told = diary.news.iter().filter(|news| matches!(news, News::Waits { .. })).count();
    assert_eq!(told, 1, "the same reason is told once");
}

#[test]
fn an_operation_that_never_ends_has_the_same_deadline() {
    let plan = plan(&[(CREATE, &[])]);
    let settings = Settings { deadline: Duration::from_secs(90), ..Settings::default() };
    let (report, _) =
        run(&plan, settings, None, |_, _| Ok(Done::Operation { operation: "o".to_owned(), retry_after: 10 * SECOND }));
    let message = "not ready after 90 seconds: Azure's operation still runs".to_owned();
    assert_eq!(report.steps[0].outcome, Outcome::Failed { message, stale: false });
}

#[test]
fn what_another_write_keeps_busy_is_waited_for_as_long_as_the_step_may_take() {
    let plan = plan(&[(CREATE, &[])]);
    let settings = Settings { deadline: Duration::from_secs(90), ..Settings::default() };
    let busy = |until: u64| {
        move |work: &Work, now: Duration| {
            let is_busy = now < Duration::from_secs(until);
            if is_busy { fails(ErrorClass::Busy { retry_after: Some(SECOND) }) } else { fine(work) }
        }
    };
    let (report, _) = run(&plan, settings, None, busy(80));
    assert_eq!(outcomes(&report), [Outcome::Done], "far more than eight tries");
    let (report, _) = run(&plan, settings, None, busy(u64::MAX));
    let late = |message: &str| message.starts_with("not ready after 90 seconds: ");
    assert!(
        matches!(&report.steps[0].outcome, Outcome::Failed { message, .. } if late(message)),
        "{:?}",
        report.steps[0]
    );
}

#[test]
fn a_failure_blocks_what_waits_for_it_and_no_neighbour() {
    let plan = plan(&[(CREATE, &[]), (CREATE, &[0]), (CREATE, &[1]), (CREATE, &[]), (CREATE, &[3])]);
    let (report, _) =
        run(
            &plan,
            Settings::default(),
            None,
            |work, _| {
                if work.step == 0 { fails(ErrorClass::Denied) } else { fine(work) }
            },
        );
    let key = |at: usize| plan.steps[at].change.key.clone();
    let outcomes = outcomes(&report);
    assert_eq!(outcomes[1], Outcome::Blocked { by: vec![key(0)] });
    assert_eq!(outcomes[2], Outcome::Blocked { by: vec![key(1)] });
    assert_eq!(outcomes[3..], [Outcome::Done, Outcome::Done]);
    assert!(report.did_something() && !report.is_success());
}

#[test]
fn waiting_for_others_ends_a_step_well_unless_one_wants_to_hold() {
    let plan = plan(&[(CREATE, &[]), (CREATE, &[0])]);
    let waits = |work: &Work, now: Duration| match work.task {
        Task::CheckReady if work.step == 0 && now < Duration::from_secs(3600) => {
            Ok(Done::WaitsForOthers { reason: "approval".to_owned(), outputs: Outputs::default() })
        }
        _ => fine(work),
    };
    let (report, _) = run(&plan, Settings::default(), None, waits);
    assert_eq!(outcomes(&report), [Outcome::Waiting { reason: "approval".to_owned() }, Outcome::Done]);
    assert!(report.is_success());
    let (report, _) = run(&plan, Settings { wait_for_others: true, ..Settings::default() }, None, waits);
    assert_eq!(outcomes(&report), [Outcome::Done, Outcome::Done], "others have no deadline");
    assert!(report.steps[0].took > Duration::from_secs(3600));
}

#[test]
fn stopping_finishes_what_was_sent_and_begins_nothing() {
    let plan = plan(&[(CREATE, &[]), (CREATE, &[0]), (Action::Replace, &[]), (CREATE, &[])]);
    let (report, diary) = run(&plan, Settings::default(), Some(SECOND / 2), |work, _| match (work.step, &work.task) {
        (3, _) => fails(ErrorClass::Transient { retry_after: None }),
        (0, Task::Write { .. }) => Ok(Done::Operation { operation: "o".to_owned(), retry_after: SECOND }),
        (0, Task::CheckReady) => Ok(Done::NotYet { reason: "an address".to_owned() }),
        _ => fine(work),
    });
    assert_eq!(diary.tasks(0), ["write", "poll", "ready?"]);
    assert_eq!(diary.tasks(2), ["remove", "gone?", "rewrite", "ready?"], "half a replacement would leave nothing");
    assert_eq!(diary.tasks(1), Vec::<String>::new());
    let expected = [
        Outcome::Interrupted { reason: "it was written".to_owned() },
        Outcome::Cancelled,
        Outcome::Done,
        Outcome::Failed { message: "it failed".to_owned(), stale: false },
    ];
    assert_eq!(outcomes(&report), expected);
}

/// The shop in an empty world.
fn shop() -> Plan {
    let desired = Case::shop().resolve();
    let mut world = World::new(desired.policy.mark.clone());
    world.prepare(&desired);
    plan_of(&desired, &world)
}

fn link_id() -> privlink::domain::azure::ResourceId {
    crate::support::case::network(crate::support::case::PROVIDER, "MC_prod", "privateLinkServices/built")
}

#[test]
fn what_a_step_yields_is_in_the_resources_of_those_who_wait_for_it() {
    let plan = shop();
    let mut written = BTreeMap::new();
    let (report, _) = run(&plan, Settings::default(), None, |work, _| {
        if let (Task::Write { .. }, Some(resource)) = (&work.task, &work.change.resource) {
            written.insert(work.change.key.to_string(), resource.clone());
        }
        let outputs = Outputs {
            id: Some(link_id()),
            address: Some("10.50.1.7".parse().unwrap()),
            frontend: Some(link_id().child("frontendIPConfigurations", "f")),
            alias: None,
        };
        if work.task == Task::CheckReady { Ok(Done::Ready(outputs)) } else { fine(work) }
    });
    assert!(report.is_success(), "{:?}", outcomes(&report));
    let Resource::PrivateEndpoint(endpoint) = &written["privateendpoint/orders-pe"] else { panic!("an endpoint") };
    let publisher = PublisherKey::Cluster("shop/orders".parse().unwrap());
    assert_eq!(endpoint.target, Target::Produced { publisher, known: Some(link_id()) });
    let unresolved: Vec<&String> = written
        .iter()
        .filter(|(_, resource)| format!("{resource:?}").contains("known: None"))
        .map(|(key, _)| key)
        .collect();
    assert_eq!(unresolved, Vec::<&String>::new());
}

#[test]
fn one_writes_at_a_time_to_a_network_and_to_a_private_link_service() {
    let plan = shop();
    let mut writing: BTreeMap<String, (Duration, Duration)> = BTreeMap::new();
    let (report, _) = run(&plan, Settings::default(), None, |work, now| {
        let key = work.change.key.to_string();
        let span = writing.entry(key).or_insert((now, now));
        let outputs =
            Outputs { id: Some(link_id()), address: Some("10.50.1.7".parse().unwrap()), ..Outputs::default() };
        match &work.task {
            Task::Write { .. } => Ok(Done::Operation { operation: "o".to_owned(), retry_after: 5 * SECOND }),
            Task::Poll { .. } => {
                span.1 = now + SECOND;
                Ok(Done::Finished)
            }
            _ => Ok(Done::Ready(outputs)),
        }
    });
    assert!(report.is_success());
    let apart = |one: &str, other: &str| {
        let ((a, b), (c, d)) = (writing[one], writing[other]);
        assert!(b <= c || d <= a, "{one} {:?} and {other} {:?}", writing[one], writing[other]);
    };
    // Three endpoints share hub-vnet.
    apart("privateendpoint/billing-pe", "privateendpoint/payments-pe");
    apart("privateendpoint/billing-pe", "privateendpoint/foreign-pe");
    apart("privateendpoint/foreign-pe", "privateendpoint/payments-pe");
    apart("subnet/aks-vnet/pls-subnet", "service/shop/orders");
}

#[test]
fn a_connection_and_an_endpoint_of_one_service_take_turns_whoever_built_it() {
    let desired = Case::shop().resolve();
    let mut world = crate::support::converge::converge(&desired);
    world.remove_endpoint(&endpoint("orders-pe"));
    let link = world.link("shop/orders").service.id.clone();
    let guest = crate::support::case::network(crate::support::case::CONSUMER, "rg", "privateEndpoints/guest");
    world.connect(&link, &guest, privlink::domain::resource::connection::ConnectionStatus::Pending);
    let plan = plan_of(&desired, &world);
    let at = |key: &str| plan.steps.iter().position(|step| step.change.key.to_string() == key).unwrap();
    let (connection, endpoint) = (at("connection/guest -> shop/orders"), at("privateendpoint/orders-pe"));
    let (_, diary) = run(&plan, Settings::default(), None, |work, _| match work.task {
        Task::CheckReady => {
            Ok(Done::Ready(Outputs { address: Some("10.50.1.7".parse().unwrap()), ..Outputs::default() }))
        }
        _ => Ok(Done::Finished),
    });
    assert_ne!(diary.when(connection, "write"), diary.when(endpoint, "write"));
}

fn any_answer() -> impl Strategy<Value = u8> {
    prop_oneof![6 => Just(0_u8), 4 => 1_u8..10]
}

fn answer(work: &Work, roll: u8) -> Answer {
    match roll {
        1 => fails(ErrorClass::Transient { retry_after: Some(SECOND) }),
        2 => fails(ErrorClass::Conflict),
        3 => fails(ErrorClass::Denied),
        4 => Err(Failure { class: ErrorClass::Conflict, message: "changed".to_owned(), stale: true }),
        5 => Ok(Done::NotYet { reason: "something".to_owned() }),
        6 => Ok(Done::Operation { operation: "o".to_owned(), retry_after: SECOND }),
        7 if work.task == Task::CheckReady => {
            Ok(Done::WaitsForOthers { reason: "approval".to_owned(), outputs: Outputs::default() })
        }
        8 => fails(ErrorClass::Throttled { retry_after: None }),
        _ => fine(work),
    }
}

fn any_graph() -> impl Strategy<Value = Vec<(Action, Vec<usize>)>> {
    let action = prop::sample::select(vec![CREATE, Action::Update, Action::Replace, Action::Delete, Action::Adopt]);
    prop::collection::vec((action, prop::collection::vec(any::<prop::sample::Index>(), 0..3)), 1..12).prop_map(
        |steps| {
            let edge = |at: usize, after: Vec<prop::sample::Index>| -> Vec<usize> {
                let earlier: BTreeSet<usize> =
                    after.iter().filter(|_| at > 0).map(|index| index.index(at.max(1))).collect();
                earlier.into_iter().collect()
            };
            steps.into_iter().enumerate().map(|(at, (action, after))| (action, edge(at, after))).collect()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn it_always_ends_and_reports_each_step_once(
        graph in any_graph(),
        rolls in prop::collection::vec(any_answer(), 1..60),
        parallel in 1_usize..5,
        stop in prop::option::of(0_u64..30),
    ) {
        let steps: Vec<(Action, &[usize])> = graph.iter().map(|(action, after)| (*action, after.as_slice())).collect();
        let plan = plan(&steps);
        let mut at = 0;
        let mut ended: BTreeSet<usize> = BTreeSet::new();
        let settings = Settings { parallel, deadline: Duration::from_secs(60), ..Settings::default() };
        let (report, diary) = run(&plan, settings, stop.map(Duration::from_secs), |work, _| {
            at += 1;
            answer(work, rolls[at % rolls.len()])
        });
        prop_assert_eq!(report.steps.len(), plan.steps.len());
        let ends = diary.news.iter().filter(|news| matches!(news, News::Ended(_))).count();
        prop_assert_eq!(ends, plan.steps.len());
        prop_assert!(diary.most <= parallel);
        for (step, one) in plan.steps.iter().zip(&report.steps) {
            let began = diary.begun.iter().any(|(_, at, _)| plan.steps[*at].change.key == step.change.key);
            let all_well = step.after.iter().all(|after| report.steps[*after].outcome.is_success());
            prop_assert!(!began || all_well, "a step began before what it waits for ended well");
            if let Outcome::Blocked { by } = &one.outcome {
                prop_assert!(!began && !by.is_empty());
            }
            if one.outcome.is_success() || matches!(one.outcome, Outcome::Interrupted { .. }) {
                ended.insert(0);
            }
        }
        prop_assert_eq!(report.did_something(), !ended.is_empty());
    }
}
