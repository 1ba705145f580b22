//! A storm: a tenth of all calls refused, a twentieth failing, some cut off after their effect, and operations that are slow.
//! An apply ends right all the same, with few calls more than in calm weather.

use std::collections::BTreeMap;

use privlink::sim::fault::{Fault, Probability};
use privlink::sim::log::LoggedRequest;
use serde_json::Value;

use super::large::{ENDPOINTS, large_repository, world};
use super::process::{Run, Stage, example};
use super::snapshot::{assert_same, everything};

/// Calls of an apply in a storm, in percent of those of a calm one.
const AT_MOST: usize = 130;

/// A fault of a share of the calls that come so far, in percent of all calls.
fn share(percent: f64, of_the_rest: f64, change: impl FnOnce(&mut Fault)) -> Fault {
    let probability = Probability::of(percent / of_the_rest);
    let mut fault = Fault { client: Some("privlink".to_owned()), probability, ..Fault::default() };
    change(&mut fault);
    fault
}

/// A fault hits what the ones before it let through, on Azure and on the cluster.
fn raise_storm(stage: &Stage) {
    for path in ["/subscriptions/", "/api/v1/"] {
        let faults = [
            share(10.0, 100.0, |own| {
                (own.status, own.code) = (429, "SubscriptionRequestsThrottled".to_owned());
                // Azure says whole seconds here; a test has no time for thousands of them.
                own.headers =
                    vec![("retry-after-ms".to_owned(), "10".to_owned()), ("retry-after".to_owned(), "0".to_owned())];
            }),
            share(5.0, 90.0, |own| (own.status, own.code) = (500, "InternalServerError".to_owned())),
            share(2.0, 85.0, |own| own.drop_connection = true),
            share(5.0, 83.0, |own| own.delay_milliseconds = 20),
        ];
        for fault in faults {
            stage.simulator().add_fault(Fault { path: path.to_owned(), ..fault });
        }
    }
}

/// The calls of the binary to Azure and to the cluster since a place in the log.
fn calls(stage: &Stage, since: usize) -> Vec<LoggedRequest> {
    let is_ours = |own: &LoggedRequest| {
        own.client.starts_with("privlink")
            && (own.path.starts_with("/subscriptions/") || own.path.starts_with("/api/v1/"))
    };
    stage.simulator().requests().split_off(since).into_iter().filter(is_ours).collect()
}

/// How many calls ended how, for whoever wants to know where they went.
fn told(calls: &[LoggedRequest]) -> String {
    let mut counts: BTreeMap<(&str, u16), usize> = BTreeMap::new();
    for call in calls {
        *counts.entry((&call.method, call.status)).or_default() += 1;
    }
    counts.iter().map(|((method, status), count)| format!("{count:6} {method} {status}\n")).collect()
}

/// Applies, and answers the run with its calls.
fn applied(stage: &Stage) -> (Run, Vec<LoggedRequest>) {
    let since = stage.simulator().requests().len();
    (stage.apply_in_fast_time(), calls(stage, since))
}

/// Fails the test if a write that had its effect was sent once more.
fn assert_nothing_twice(calls: &[LoggedRequest]) {
    let mut effects: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    // What is cut off had its effect, unless it would have been refused, such as for coming too soon after another write.
    for call in calls.iter().filter(|call| call.is_write && call.decided < 300) {
        *effects.entry((&call.method, &call.path)).or_default() += 1;
    }
    let twice: Vec<_> = effects.into_iter().filter(|(_, count)| *count > 1).map(|(write, _)| write).collect();
    let about = |call: &&LoggedRequest| twice.iter().any(|(_, path)| call.path.starts_with(path));
    let told: Vec<_> = calls.iter().filter(about).map(|call| format!("{call:?}")).collect();
    assert!(twice.is_empty(), "written twice: {twice:?}\n{}", told.join("\n"));
}

/// How many endpoints the consumer has, and how many connections the Private Link Services.
fn counted(stage: &Stage) -> (usize, usize) {
    let list = |subscription: &str, kind: &str| {
        let path = format!("/subscriptions/{subscription}/providers/Microsoft.Network/{kind}?api-version=2025-05-01");
        let reply = stage.simulator().arm().call("GET", &path, &[], None);
        reply.body["value"].as_array().unwrap().clone()
    };
    let endpoints = list("00000000-0000-0000-0000-000000000002", "privateEndpoints").len();
    let services = list("00000000-0000-0000-0000-000000000001", "privateLinkServices");
    let connections = |own: &Value| own["properties"]["privateEndpointConnections"].as_array().map_or(0, Vec::len);
    (endpoints, services.iter().map(connections).sum())
}

#[test]
fn in_a_storm_a_thousand_endpoints_end_as_in_calm_weather_with_few_calls_more() {
    let files = large_repository();
    let stage = Stage::in_world(&world(), &files);
    let (run, calm) = applied(&stage);
    run.ends(0);
    let expected = everything(&stage);
    assert_eq!(counted(&stage), (ENDPOINTS, ENDPOINTS));
    drop(stage);

    let stage = Stage::in_world(&world(), &files);
    raise_storm(&stage);
    let (run, storm) = applied(&stage);
    stage.simulator().clear_faults();
    run.ends(0);
    assert_nothing_twice(&storm);
    assert_eq!(counted(&stage), (ENDPOINTS, ENDPOINTS));
    assert_same(&everything(&stage), &expected, "a storm");
    stage.assert_converged();

    let share = |status: u16| storm.iter().filter(|call| call.status == status).count() * 1000 / storm.len();
    let hit = [share(429), share(500), share(0)];
    assert!(
        (80..120).contains(&hit[0]) && (40..60).contains(&hit[1]) && (12..28).contains(&hit[2]),
        "no storm: {hit:?}"
    );
    assert!(
        storm.len() * 100 <= calm.len() * AT_MOST,
        "{} calls instead of {}\ncalm:\n{}\nstorm:\n{}",
        storm.len(),
        calm.len(),
        told(&calm),
        told(&storm)
    );
}

/// Loses the answer to every write of the binary; the write has its effect.
fn lose_answers(stage: &Stage) {
    for method in ["PUT", "PATCH", "DELETE", "POST"] {
        for path in ["/subscriptions/", "/api/v1/"] {
            let method = Some(method.to_owned());
            let lost = Fault { path: path.to_owned(), method, drop_connection: true, ..Fault::default() };
            stage.simulator().add_fault(Fault { client: Some("privlink".to_owned()), ..lost });
        }
    }
}

/// Plans, approves the plan and applies it; answers the calls.
fn approved(stage: &Stage) -> Vec<LoggedRequest> {
    let plan = stage.run(&["plan"]).ends(0);
    let id = plan.out.lines().rev().find_map(|line| line.strip_prefix("Plan id: ")).unwrap().trim().to_owned();
    let since = stage.simulator().requests().len();
    stage.run(&["apply", "--approve-plan", &id]).ends(0);
    calls(stage, since)
}

/// Edits that take an endpoint with its record and its link away, and a Service.
fn taken_away() -> Vec<(String, Option<Vec<u8>>)> {
    let gone = ["environments/prod/consume/orders.yaml", "environments/prod/services/reporting.yaml"];
    let settings = example()[0].1.replace("prune = true", "prune = true\nmax-deletes = 9");
    let mut edits: Vec<_> = gone.iter().map(|path| ((*path).to_owned(), None)).collect();
    edits.push(("privlink.toml".to_owned(), Some(settings.into_bytes())));
    edits
}

#[test]
fn writes_whose_answers_are_lost_are_found_done_and_not_sent_again() {
    let calm = Stage::new(&example());
    let stage = Stage::new(&example());
    lose_answers(&stage);
    for edits in [Vec::new(), taken_away()] {
        for stage in [&calm, &stage] {
            stage.repo.edit("main", "alice <alice@example.com>", &edits);
            let calls = approved(stage);
            assert!(calls.iter().filter(|call| call.is_write).count() >= 4);
            assert_nothing_twice(&calls);
            stage.assert_converged();
        }
        assert_same(&everything(&stage), &everything(&calm), "lost answers");
    }
    let answered = stage.simulator().writes().iter().filter(|call| call.status != 0).count();
    assert_eq!(answered, 0);
}
