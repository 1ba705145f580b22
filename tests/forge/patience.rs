//! Limits of the forges, and their bad moments.

use privlink::domain::failure::ErrorClass;
use privlink::domain::pull_request::ForgeKind;
use privlink::domain::pull_request::PullRequestState;
use serde_json::Value as Json;
use serde_json::json;

use super::fake::Pull;
use super::fake::Trouble;
use super::stage::ANN;
use super::stage::KINDS;
use super::stage::NUMBER;
use super::stage::Stage;
use super::stage::head;
use super::stage::waiting;

fn refused(status: u16, headers: &[(&'static str, &str)], message: &str) -> Trouble {
    let headers = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    Trouble::Answer(status, headers, json!({"message": message}))
}

#[tokio::test]
async fn what_came_too_soon_is_sent_again_whatever_it_does() {
    let secondary = "You have exceeded a secondary rate limit.";
    let limits = [
        refused(403, &[("retry-after", "0")], secondary),
        refused(429, &[("retry-after", "0")], secondary),
        refused(403, &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1")], "API rate limit exceeded"),
    ];
    for limit in limits {
        let stage = Stage::empty(ForgeKind::GitHub).await;
        stage.fake.trouble("POST", "/comments", limit.clone());
        stage.fake.trouble("POST", "/statuses", limit.clone());
        stage.fake.trouble("GET", "/pulls/", limit);
        let posted = stage.post(&waiting("a1")).await;
        assert_eq!((posted.failures(), stage.ours().len()), (Vec::new(), 1));
    }
    for kind in [ForgeKind::GitLab, ForgeKind::AzureDevOps] {
        let stage = Stage::empty(kind).await;
        stage.fake.trouble("POST", "", refused(429, &[("retry-after", "0")], "Retry later"));
        assert_eq!((stage.post(&waiting("a1")).await.failures(), stage.ours().len()), (Vec::new(), 1), "{kind}");
    }
}

#[tokio::test]
async fn a_limit_that_lasts_is_told_and_not_waited_for() {
    let stage = Stage::converged(ForgeKind::GitHub).await;
    stage.fake.trouble("PATCH", "/comments", refused(403, &[("retry-after", "3000")], "secondary rate limit"));
    let posted = stage.post(&waiting("b2")).await;
    insta::assert_snapshot!(posted.failures().join("\n"), @"GitHub refused to edit the comment 1001: HTTP status 403, secondary rate limit; it takes calls again in 3000 s");
}

#[tokio::test]
async fn reads_and_edits_outlive_a_bad_moment() {
    for kind in KINDS {
        let stage = Stage::converged(kind).await;
        let edit = if kind == ForgeKind::GitLab { "PUT" } else { "PATCH" };
        for (method, trouble) in [
            ("GET", Trouble::Answer(503, vec![("retry-after", "0".to_owned())], Json::Null)),
            ("GET", Trouble::Cut),
            (edit, Trouble::Answer(502, vec![("retry-after", "0".to_owned())], Json::Null)),
            (edit, Trouble::Cut),
        ] {
            stage.fake.trouble(method, "", trouble);
        }
        let posted = stage.post(&waiting("b2")).await;
        assert_eq!((posted.failures(), stage.ours().len()), (Vec::new(), 1), "{kind}");
        assert!(
            stage.ours()[0].contains("plan b2") && stage.ours()[0].contains("1 earlier plan"),
            "{}",
            stage.ours()[0]
        );
    }
}

#[tokio::test]
async fn a_pull_request_of_nobody_is_not_there() {
    for kind in KINDS {
        let stage = Stage::empty(kind).await;
        let error = stage.forge.pull_request(99).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::NotFound, "{kind}");
        assert!(error.to_string().contains("check the repository, and that the token has the"), "{error}");
    }
}

#[tokio::test]
async fn a_page_that_is_none_of_the_forge_is_told() {
    let stage = Stage::empty(ForgeKind::GitHub).await;
    stage.fake.trouble("GET", "/pulls/", Trouble::Answer(200, Vec::new(), json!(["hello"])));
    let error = stage.forge.pull_request(NUMBER).await.unwrap_err();
    insta::assert_snapshot!(error, @"cannot read pull request 7: the answer of GitHub is not understood: it is no pull request: it has no fields; check the address, and that no proxy answers in its place");
}

#[tokio::test]
async fn open_pull_requests_are_read_newest_first_up_to_a_number_and_only_those_for_the_branch() {
    for kind in KINDS {
        let stage = Stage::empty(kind).await;
        let add = |number: u64, base: &str, state: &'static str| {
            let pull =
                Pull { number, author: ANN, base: base.to_owned(), state, is_fork: number == 8, heads: vec![head(1)] };
            stage.fake.world().pulls.push(pull);
        };
        add(8, "main", "open");
        add(9, "release", "open");
        add(10, "main", "merged");
        let found = stage.forge.open_pull_requests("main").await.unwrap();
        let shown: Vec<(u64, bool)> = found.found.iter().map(|own| (own.number, own.is_fork)).collect();
        assert_eq!((shown, found.is_complete), (vec![(8, true), (7, false)], true), "{kind}");
        // Opened a moment ago, and nothing is known of its head; GitHub always knows.
        if kind != ForgeKind::GitHub {
            add(11, "main", "open");
            stage.fake.world().pull_mut(11).heads.clear();
        }
        assert_eq!(stage.forge.open_pull_requests("main").await.unwrap().found.len(), 2, "{kind}");
        stage.fake.world().pulls.retain(|pull| pull.number != 11);
        (11..=250).for_each(|number| add(number, "main", "open"));
        let found = stage.forge.open_pull_requests("main").await.unwrap();
        assert_eq!((found.found.len(), found.is_complete), (242, true), "{kind}");
        (251..=400).for_each(|number| add(number, "main", "open"));
        let found = stage.forge.open_pull_requests("main").await.unwrap();
        assert_eq!((found.found.len(), found.is_complete), (300, false), "{kind}");
        // The oldest are left out.
        let numbers: Vec<u64> = found.found.iter().map(|own| own.number).collect();
        assert_eq!(numbers, (101..=400).rev().collect::<Vec<u64>>(), "{kind}");
    }
}

#[tokio::test]
async fn a_merge_request_that_is_just_being_merged_has_not_ended() {
    let stage = Stage::empty(ForgeKind::GitLab).await;
    let state = |word: &'static str| {
        stage.fake.world().pull_mut(NUMBER).state = word;
        stage.forge.pull_request(NUMBER)
    };
    assert_eq!(state("locked").await.unwrap().state, PullRequestState::Open);
    assert_eq!(state("closed").await.unwrap().state, PullRequestState::Closed);
    assert_eq!(state("merged").await.unwrap().state, PullRequestState::Merged);
}
