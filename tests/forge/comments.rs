//! One comment per environment, whatever happens.

use privlink::domain::name::EnvironmentName;
use privlink::domain::pull_request::ForgeKind;
use privlink::domain::pull_request::PullRequestState;
use privlink::reconcile::posting::Posted;
use privlink::reconcile::posting::Withheld;
use privlink::reconcile::posting::close;
use privlink::reconcile::posting::post;
use privlink::review::sticky::marker;
use serde_json::Value as Json;

use super::fake::Trouble;
use super::stage::KINDS;
use super::stage::MALLORY;
use super::stage::ME;
use super::stage::NUMBER;
use super::stage::Stage;
use super::stage::head;
use super::stage::of;
use super::stage::waiting;

fn prod() -> EnvironmentName {
    "prod".parse().unwrap()
}

#[tokio::test]
async fn twenty_pushes_make_one_comment() {
    for kind in KINDS {
        let stage = Stage::empty(kind).await;
        for push in 0..20 {
            let posted = stage.post(&waiting(&format!("plan{push}"))).await;
            assert_eq!(posted.failures(), Vec::<String>::new(), "{kind}");
            stage.push();
        }
        let ours = stage.ours();
        assert_eq!((ours.len(), stage.fake.world().notes[0].edits), (1, 19), "{kind}");
        assert!(ours[0].contains("### privlink plan plan19"), "{}", ours[0]);
        assert!(ours[0].contains("History: 19 earlier plans") && ours[0].contains("- (1) plan plan0\n"), "{}", ours[0]);
    }
}

#[tokio::test]
async fn an_unchanged_plan_is_no_edit_and_no_status() {
    for kind in KINDS {
        let stage = Stage::converged(kind).await;
        let posted = stage.post(&waiting("a1")).await;
        assert_eq!((posted.failures(), stage.writes()), (Vec::new(), Vec::new()), "{kind}");
    }
    let stage = Stage::converged(ForgeKind::GitHub).await;
    insta::assert_snapshot!(stage.post(&waiting("a1")).await, @"
    prod: comment left as it is
    prod: status privlink/plan/prod left as it is
    prod: status privlink/approved/prod left as it is
    ");
}

#[tokio::test]
async fn a_push_with_the_same_plan_sets_the_statuses_of_the_new_head_and_leaves_the_comment() {
    for kind in KINDS {
        let stage = Stage::converged(kind).await;
        stage.push();
        stage.post(&waiting("a1")).await;
        let writes = stage.writes();
        assert_eq!(writes.iter().filter(|own| own.contains("statuses")).count(), 2, "{kind}: {writes:?}");
        assert!(
            !writes.iter().any(|own| own.contains("omments") || own.contains("notes") || own.contains("threads")),
            "{writes:?}"
        );
    }
}

#[tokio::test]
async fn a_marker_that_another_planted_is_ignored() {
    for kind in KINDS {
        let stage = Stage::empty(kind).await;
        let planted = format!("{}\nNothing will happen.", marker(&prod(), "a1"));
        stage.fake.world().write_note(NUMBER, MALLORY, &planted);
        stage.post(&waiting("a1")).await;
        stage.post(&waiting("b2")).await;
        let world = stage.fake.world();
        assert_eq!((world.notes.len(), &world.notes[0].body, world.notes[0].edits), (2, &planted, 0), "{kind}");
    }
}

#[tokio::test]
async fn our_comment_is_found_behind_pages_of_others() {
    for kind in KINDS {
        let stage = Stage::empty(kind).await;
        for number in 0..250 {
            stage.fake.world().write_note(NUMBER, MALLORY, &format!("comment {number}"));
        }
        stage.post(&waiting("a1")).await;
        stage.post(&waiting("b2")).await;
        assert_eq!(stage.ours().len(), 1, "{kind}");
        let pull = stage.forge.pull_request(NUMBER).await.unwrap();
        let read = stage.forge.comments(&pull).await.unwrap();
        assert_eq!((read.len(), read[0].body.as_str()), (251, "comment 0"), "{kind}");
    }
}

#[tokio::test]
async fn nothing_is_written_once_the_pull_request_has_moved_on() {
    for kind in KINDS {
        let stage = Stage::converged(kind).await;
        let pull = stage.forge.pull_request(NUMBER).await.unwrap();
        stage.push();
        let posted = post(&stage.forge, &pull, &[waiting("b2")]).await;
        let moved =
            format!("nothing was written: the head is {} now, and that is for its own run to tell\n", &head(2)[..10]);
        assert_eq!((posted.to_string(), stage.writes()), (moved, Vec::new()), "{kind}");

        let pull = stage.forge.pull_request(NUMBER).await.unwrap();
        stage.fake.world().pull_mut(NUMBER).state = "merged";
        let posted = post(&stage.forge, &pull, &[waiting("b2")]).await;
        let is_merged = matches!(posted, Posted::Nothing(Withheld::Became(PullRequestState::Merged)));
        assert!(is_merged && stage.writes().is_empty(), "{kind}: {posted}");
    }
}

#[tokio::test]
async fn the_end_is_one_edit_and_a_reopened_one_goes_on() {
    for kind in KINDS {
        for (state, said) in [("merged", "> **Merged** as `0000000000`"), ("closed", "> **Closed without merging**")] {
            let stage = Stage::converged(kind).await;
            stage.fake.world().pull_mut(NUMBER).state = state;
            let pull = stage.forge.pull_request(NUMBER).await.unwrap();
            for _ in 0..2 {
                let posted = close(&stage.forge, &pull, &|_| true).await;
                assert_eq!(posted.failures(), Vec::<String>::new(), "{kind}");
            }
            assert_eq!(stage.writes().len(), 1, "{kind}: {:?}", stage.writes());
            assert!(stage.ours()[0].contains(said), "{kind}: {}", stage.ours()[0]);
            stage.fake.world().pull_mut(NUMBER).state = "open";
            stage.post(&waiting("a1")).await;
            assert!(!stage.ours()[0].contains("**"), "{kind}: {}", stage.ours()[0]);
        }
    }
}

#[tokio::test]
async fn a_merge_request_that_is_just_being_merged_is_told_as_an_open_one() {
    let stage = Stage::converged(ForgeKind::GitLab).await;
    stage.fake.world().pull_mut(NUMBER).state = "locked";
    let pull = stage.forge.pull_request(NUMBER).await.unwrap();
    assert_eq!(pull.state, PullRequestState::Open);
    // It left the list of the open ones, so whoever looks there may think that it has ended.
    assert_eq!(stage.forge.open_pull_requests("main").await.unwrap().found, []);
    let posted = close(&stage.forge, &pull, &|_| true).await;
    assert_eq!(posted.to_string(), "nothing was written: it is open, so it has not ended\n");
    assert_eq!(stage.writes(), Vec::<String>::new());
    // What is said of its plan is said all the same.
    stage.post(&waiting("b2")).await;
    assert!(stage.ours()[0].contains("### privlink plan b2"), "{}", stage.ours()[0]);
    stage.fake.world().pull_mut(NUMBER).state = "merged";
    let pull = stage.forge.pull_request(NUMBER).await.unwrap();
    assert_eq!(close(&stage.forge, &pull, &|_| true).await.to_string(), "prod: comment edited\n");
    assert!(stage.ours()[0].contains("> **Merged** as"), "{}", stage.ours()[0]);
}

#[tokio::test]
async fn what_somebody_else_made_of_our_comment_is_put_right_and_what_the_forge_did_to_it_is_left() {
    for kind in KINDS {
        let stage = Stage::converged(kind).await;
        let own = stage.ours()[0].clone();
        stage.fake.world().notes[0].body = own.replace('\n', "\r\n").trim_end().to_owned();
        stage.post(&waiting("a1")).await;
        assert_eq!(stage.writes(), Vec::<String>::new(), "{kind}");
        // The marker stays, and with it what is said of the plan.
        stage.fake.world().notes[0].body = own.replace("### privlink plan a1", "### nothing to do");
        assert_ne!(stage.ours()[0], own);
        stage.post(&waiting("a1")).await;
        assert_eq!((stage.ours(), stage.writes().len()), (vec![own], 1), "{kind}: {:?}", stage.writes());
    }
}

#[tokio::test]
async fn only_environments_that_are_wanted_are_told_the_end() {
    let stage = Stage::converged(ForgeKind::GitHub).await;
    stage.post(&of("test", &waiting("a1"))).await;
    stage.fake.world().pull_mut(NUMBER).state = "closed";
    let pull = stage.forge.pull_request(NUMBER).await.unwrap();
    let posted = close(&stage.forge, &pull, &|name| *name == prod()).await;
    assert_eq!(posted.to_string(), "prod: comment edited\n");
    let posted = close(&stage.forge, &pull, &|_| true).await;
    assert_eq!(posted.to_string(), "prod: comment left as it is\ntest: comment edited\n");
}

/// Where a comment of the pull request is created.
fn creation(kind: ForgeKind) -> &'static str {
    match kind {
        ForgeKind::GitHub => "/comments",
        ForgeKind::GitLab => "/notes",
        ForgeKind::AzureDevOps => "/threads",
    }
}

#[tokio::test]
async fn a_create_whose_answer_is_lost_is_looked_for_before_it_is_repeated() {
    let troubles = [
        Trouble::Cut,
        Trouble::Late(0),
        Trouble::Answer(502, Vec::new(), Json::Null),
        Trouble::Answer(503, Vec::new(), Json::Null),
    ];
    for kind in KINDS {
        for trouble in &troubles {
            let stage = Stage::empty(kind).await;
            stage.fake.trouble("POST", creation(kind), trouble.clone());
            let posted = stage.post(&waiting("a1")).await;
            assert_eq!((posted.failures(), stage.ours().len()), (Vec::new(), 1), "{kind}, {trouble:?}");
        }
    }
}

#[tokio::test]
async fn a_create_that_shows_late_makes_a_double_that_is_told_and_left_alone() {
    let stage = Stage::empty(ForgeKind::GitHub).await;
    stage.fake.trouble("POST", "/comments", Trouble::Late(8));
    stage.post(&waiting("a1")).await;
    assert_eq!(stage.ours().len(), 2);
    stage.fake.world().notes.iter_mut().for_each(|note| note.hidden_for = 0);
    let posted = stage.post(&waiting("b2")).await;
    let shown = posted.to_string();
    let line = shown.lines().find(|line| line.contains("further comments")).unwrap();
    insta::assert_snapshot!(line, @"prod: there are further comments of ours that are left alone (1002); delete them if they are in the way");
    let world = stage.fake.world();
    assert_eq!(world.notes.iter().map(|note| (note.author, note.edits)).collect::<Vec<_>>(), [(ME, 1), (ME, 0)]);
}
