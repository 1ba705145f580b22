//! Remarks at lines: check runs of GitHub, one for each environment.

use privlink::domain::pull_request::ForgeKind;
use privlink::review::Told;
use serde_json::json;

use super::fake::Trouble;
use super::stage::Stage;
use super::stage::of;
use super::stage::remark;
use super::stage::waiting;

#[tokio::test]
async fn remarks_at_lines_go_in_batches_and_only_where_they_are_new() {
    let stage = Stage::converged(ForgeKind::GitHub).await;
    let mut many = waiting("a1");
    many.annotations = (1..=120).map(remark).collect();
    for _ in 0..2 {
        assert_eq!(stage.post(&many).await.failures(), Vec::<String>::new());
    }
    insta::assert_snapshot!(stage.writes().join("\n"), @"
    POST /repos/acme/config/check-runs 201
    PATCH /repos/acme/config/check-runs/1005 200
    PATCH /repos/acme/config/check-runs/1005 200
    ");
    assert_eq!(stage.fake.world().checks.last().unwrap().annotations.len(), 120);
}

#[tokio::test]
async fn remarks_that_were_written_half_are_written_again() {
    let stage = Stage::converged(ForgeKind::GitHub).await;
    let mut many = waiting("a1");
    many.annotations = (1..=60).map(remark).collect();
    stage.fake.trouble(
        "PATCH",
        "/check-runs/",
        Trouble::Answer(422, Vec::new(), json!({"message": "Invalid request."})),
    );
    let posted = stage.post(&many).await;
    insta::assert_snapshot!(posted.failures().join("\n"), @"GitHub refused to write remarks at lines of 0000000000: HTTP status 422, Invalid request.; if address and pull request are right, report this message as an error of privlink");
    assert_eq!(stage.post(&many).await.failures(), Vec::<String>::new());
    assert_eq!(stage.fake.world().checks.last().unwrap().annotations.len(), 60);
}

/// What is told of an environment with these remarks.
fn with(environment: &str, lines: &[u32]) -> Told {
    let mut told = of(environment, &waiting("a1"));
    told.annotations = lines.iter().map(|line| remark(*line)).collect();
    told
}

/// The check runs, with the lines of each.
fn runs(stage: &Stage) -> Vec<String> {
    let world = stage.fake.world();
    let lines = |own: &super::fake::Check| {
        own.annotations.iter().map(|own| own["start_line"].to_string()).collect::<Vec<_>>().join(" ")
    };
    world.checks.iter().map(|own| format!("{} of {}: {}", own.name, own.app, lines(own))).collect()
}

#[tokio::test]
async fn each_environment_has_its_own_check_run_and_what_several_say_is_said_once() {
    let stage = Stage::empty(ForgeKind::GitHub).await;
    // Nothing is posted of one that has nothing to say.
    let all = [with("prod", &[1, 3]), with("staging", &[]), with("test", &[1, 4])];
    stage.post_all(&all).await;
    assert_eq!(runs(&stage), ["privlink/prod of planner: 1 3", "privlink/test of planner: 4"]);
    let lists = |stage: &Stage| {
        stage.fake.world().log.iter().filter(|own| own.method == "GET" && own.path.ends_with("/check-runs")).count()
    };
    assert_eq!(lists(&stage), 1);
    // Whoever looks after one of them leaves the others alone.
    stage.post(&with("prod", &[1, 3])).await;
    stage.post_all(&all).await;
    assert_eq!((runs(&stage).len(), lists(&stage)), (2, 3));
    // What was said and is not any more is taken back, once.
    for _ in 0..2 {
        stage.post(&with("prod", &[])).await;
    }
    assert_eq!(runs(&stage)[2..], ["privlink/prod of planner: "]);
    assert_eq!(stage.fake.world().checks[2].conclusion, "success");
}

#[tokio::test]
async fn a_check_run_of_another_app_is_not_believed() {
    let stage = Stage::converged(ForgeKind::GitHub).await;
    let mut foreign = stage.fake.world().checks.remove(0);
    foreign.app = "mallory".to_owned();
    foreign.annotations.clear();
    // It says that everything is there.
    stage.fake.world().checks.push(foreign);
    stage.post(&waiting("a1")).await;
    assert_eq!(runs(&stage), ["privlink/prod of mallory: ", "privlink/prod of planner: 3"]);
}

#[tokio::test]
async fn what_fails_for_one_environment_is_told_and_the_others_are_written() {
    let stage = Stage::empty(ForgeKind::GitHub).await;
    let trouble = Trouble::Answer(422, Vec::new(), json!({"message": "Invalid request."}));
    stage.fake.trouble("POST", "/check-runs", trouble);
    let posted = stage.post_all(&[with("prod", &[1]), with("test", &[2])]).await;
    assert_eq!(posted.failures().len(), 1);
    assert_eq!(runs(&stage), ["privlink/test of planner: 2"]);
}
