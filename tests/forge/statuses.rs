//! The statuses at every step of a change, on each forge.

use privlink::domain::pull_request::ForgeKind;
use privlink::domain::pull_request::StatusState;
use privlink::reconcile::posting::close;
use privlink::review::Told;
use serde_json::json;

use super::fake::Status;
use super::fake::Trouble;
use super::stage::KINDS;
use super::stage::NUMBER;
use super::stage::Stage;
use super::stage::of;
use super::stage::told;
use super::stage::waiting;

/// The statuses of the head, as the forge shows them: the last of each name.
fn shown(stage: &Stage) -> String {
    let world = stage.fake.world();
    let head = world.pull(NUMBER).unwrap();
    let is_of_head = |of: &(String, u64, u64)| match stage.kind {
        ForgeKind::GitHub | ForgeKind::GitLab => of.0 == head.head(),
        ForgeKind::AzureDevOps => of.2 == head.heads.len() as u64,
    };
    let last = |name: &str| {
        let of = |own: &&Status| own.context == name && is_of_head(&own.of);
        let found = world.statuses.iter().rev().find(of);
        found.map_or_else(|| "-".to_owned(), |own| format!("{} ({})", own.state, own.description.as_str().unwrap()))
    };
    format!("plan: {}; approved: {}", last("privlink/plan/prod"), last("privlink/approved/prod"))
}

#[tokio::test]
async fn statuses_are_right_at_every_step() {
    let failing = told("f", (StatusState::Failure, "PLS012: 8th address"), (StatusState::Pending, "there is no plan"));
    let approved =
        told("a1", (StatusState::Success, "1 replace, severing"), (StatusState::Success, "bob and cy approved it"));
    let mut said = String::new();
    for kind in KINDS {
        let stage = Stage::empty(kind).await;
        let mut note = |step: &str| said.push_str(&format!("{kind}, {step}: {}\n", shown(&stage)));
        note("before");
        let steps: [(&str, &Told); 3] =
            [("the plan fails", &failing), ("waits", &waiting("a1")), ("approved", &approved)];
        for (step, told) in steps {
            if step == "waits" {
                // The author mends it.
                stage.push();
                note("pushed");
            }
            assert_eq!(stage.post(told).await.failures(), Vec::<String>::new(), "{kind}, {step}");
            note(step);
        }
        // Nothing is added to what was approved once it is merged.
        stage.fake.world().pull_mut(NUMBER).state = "merged";
        let pull = stage.forge.pull_request(NUMBER).await.unwrap();
        assert_eq!(close(&stage.forge, &pull, &|_| true).await.failures(), Vec::<String>::new());
        note("merged");
        stage.fake.world().pull_mut(NUMBER).state = "open";
        stage.push();
        note("opened and pushed again");
        stage.post(&waiting("b2")).await;
        note("waits again");
    }
    insta::assert_snapshot!(said, @"
    GitHub, before: plan: -; approved: -
    GitHub, the plan fails: plan: failure (PLS012: 8th address); approved: pending (there is no plan)
    GitHub, pushed: plan: -; approved: -
    GitHub, waits: plan: success (1 replace, severing); approved: pending (2 approvals are missing)
    GitHub, approved: plan: success (1 replace, severing); approved: success (bob and cy approved it)
    GitHub, merged: plan: success (1 replace, severing); approved: success (bob and cy approved it)
    GitHub, opened and pushed again: plan: -; approved: -
    GitHub, waits again: plan: success (1 replace, severing); approved: pending (2 approvals are missing)
    GitLab, before: plan: -; approved: -
    GitLab, the plan fails: plan: failed (PLS012: 8th address); approved: pending (there is no plan)
    GitLab, pushed: plan: -; approved: -
    GitLab, waits: plan: success (1 replace, severing); approved: pending (2 approvals are missing)
    GitLab, approved: plan: success (1 replace, severing); approved: success (bob and cy approved it)
    GitLab, merged: plan: success (1 replace, severing); approved: success (bob and cy approved it)
    GitLab, opened and pushed again: plan: -; approved: -
    GitLab, waits again: plan: success (1 replace, severing); approved: pending (2 approvals are missing)
    Azure DevOps, before: plan: -; approved: -
    Azure DevOps, the plan fails: plan: failed (PLS012: 8th address); approved: pending (there is no plan)
    Azure DevOps, pushed: plan: -; approved: -
    Azure DevOps, waits: plan: succeeded (1 replace, severing); approved: pending (2 approvals are missing)
    Azure DevOps, approved: plan: succeeded (1 replace, severing); approved: succeeded (bob and cy approved it)
    Azure DevOps, merged: plan: succeeded (1 replace, severing); approved: succeeded (bob and cy approved it)
    Azure DevOps, opened and pushed again: plan: -; approved: -
    Azure DevOps, waits again: plan: succeeded (1 replace, severing); approved: pending (2 approvals are missing)
    ");
}

#[tokio::test]
async fn gitlab_takes_no_new_words_for_what_waits_already() {
    let stage = Stage::converged(ForgeKind::GitLab).await;
    let fewer =
        told("a1", (StatusState::Success, "1 replace, severing"), (StatusState::Pending, "1 approval is missing"));
    let posted = stage.post(&fewer).await.to_string();
    let line = posted.lines().find(|line| line.contains("approved")).unwrap();
    insta::assert_snapshot!(line, @"prod: status privlink/approved/prod left as it is: GitLab takes no new words for a status that is pending already");
    assert_eq!(stage.writes(), Vec::<String>::new());
}

#[tokio::test]
async fn a_long_description_is_cut_to_what_every_forge_takes() {
    for kind in KINDS {
        let stage = Stage::converged(kind).await;
        let long = "é".repeat(200);
        let told = told("a1", (StatusState::Failure, &long), (StatusState::Pending, "2 approvals are missing"));
        assert_eq!(stage.post(&told).await.failures(), Vec::<String>::new(), "{kind}");
        let cut = stage.fake.world().statuses.last().unwrap().description.as_str().unwrap().to_owned();
        assert_eq!((cut.chars().count(), cut.ends_with('…')), (140, true), "{kind}");
        // What was cut is not taken for another one.
        stage.fake.world().log.clear();
        stage.post(&told).await;
        assert_eq!(stage.writes(), Vec::<String>::new(), "{kind}");
    }
}

#[tokio::test]
async fn what_is_set_is_read_once_for_all_environments() {
    let mut said = String::new();
    for kind in KINDS {
        let stage = Stage::converged(kind).await;
        let all = ["prod", "staging", "test"].map(|name| of(name, &waiting("a1")));
        assert_eq!(stage.post_all(&all).await.failures(), Vec::<String>::new(), "{kind}");
        let world = stage.fake.world();
        let is_asked = |path: &str| path.contains("/status") || path.ends_with("/iterations");
        let reads = world.log.iter().filter(|own| own.method == "GET" && is_asked(&own.path));
        let reads: Vec<&str> = reads.map(|own| own.path.as_str()).collect();
        said.push_str(&format!("{kind}: {}\n", reads.join(" ")));
        assert_eq!(world.statuses.len(), 6, "{kind}");
    }
    insta::assert_snapshot!(said, @"
    GitHub: /repos/acme/config/commits/0000000000000000000000000000000000000001/status
    GitLab: /api/v4/projects/acme%2Fconfig/repository/commits/0000000000000000000000000000000000000001/statuses
    Azure DevOps: /acme/net%20work/_apis/git/repositories/config/pullRequests/7/iterations /acme/net%20work/_apis/git/repositories/config/pullRequests/7/statuses
    ");
}

#[tokio::test]
async fn statuses_that_cannot_be_read_are_a_failure_of_each_that_is_said_once_and_the_comments_are_written() {
    for kind in KINDS {
        let stage = Stage::empty(kind).await;
        let refused = Trouble::Answer(403, Vec::new(), json!({"message": "not today"}));
        stage.fake.trouble("GET", "/status", refused);
        let posted = stage.post_all(&[waiting("a1"), of("test", &waiting("a1"))]).await;
        let failures = posted.failures();
        assert!(failures.len() == 1 && failures[0].contains("read the statuses of"), "{kind}: {failures:?}");
        let shown = posted.to_string();
        assert_eq!(shown.lines().filter(|line| line.contains(": no status privlink/")).count(), 4, "{kind}: {shown}");
        assert_eq!((stage.ours().len(), stage.fake.world().statuses.len()), (2, 0), "{kind}");
    }
}

/// Where each status leads, by context.
fn targets(stage: &Stage) -> String {
    let world = stage.fake.world();
    let line = |own: &Status| format!("{}: {}\n", own.context, own.target.as_str().unwrap_or("-"));
    world.statuses.iter().map(line).collect()
}

#[tokio::test]
async fn a_status_leads_to_the_comment_and_without_one_to_the_pull_request() {
    let mut said = String::new();
    for kind in KINDS {
        let stage = Stage::converged(kind).await;
        // An environment that the change does not concern gets no comment.
        let mut untouched = of("test", &waiting("a1"));
        untouched.body.clear();
        assert_eq!(stage.post_all(&[waiting("a1"), untouched.clone()]).await.failures(), Vec::<String>::new());
        let address = stage.fake.address.clone();
        said.push_str(&format!("{kind}\n{}", targets(&stage).replace(&address, "https://azure.example")));
        // Another edit of the same comment does not move it.
        stage.post_all(&[waiting("b2"), untouched]).await;
        assert_eq!(stage.fake.world().statuses.len(), 4, "{kind}");
    }
    insta::assert_snapshot!(said, @"
    GitHub
    privlink/plan/prod: https://github.example/acme/config/pull/7#issuecomment-1001
    privlink/approved/prod: https://github.example/acme/config/pull/7#issuecomment-1001
    privlink/plan/test: https://github.example/acme/config/pull/7
    privlink/approved/test: https://github.example/acme/config/pull/7
    GitLab
    privlink/plan/prod: https://gitlab.example/acme/config/-/merge_requests/7#note_1001
    privlink/approved/prod: https://gitlab.example/acme/config/-/merge_requests/7#note_1001
    privlink/plan/test: https://gitlab.example/acme/config/-/merge_requests/7
    privlink/approved/test: https://gitlab.example/acme/config/-/merge_requests/7
    Azure DevOps
    privlink/plan/prod: https://azure.example/acme/net%20work/_git/config/pullrequest/7?discussionId=1001
    privlink/approved/prod: https://azure.example/acme/net%20work/_git/config/pullrequest/7?discussionId=1001
    privlink/plan/test: https://azure.example/acme/net%20work/_git/config/pullrequest/7
    privlink/approved/test: https://azure.example/acme/net%20work/_git/config/pullrequest/7
    ");
    // Nor is there one where it was refused.
    let stage = Stage::empty(ForgeKind::GitHub).await;
    stage.fake.world().users[0].rights.remove("pull_requests");
    stage.post(&waiting("a1")).await;
    let shown = targets(&stage);
    assert!(shown.lines().count() == 2 && shown.lines().all(|line| line.ends_with("/pull/7")), "{shown}");
}

#[tokio::test]
async fn the_statuses_of_others_are_left_alone_and_read_in_pages() {
    for kind in KINDS {
        let stage = Stage::converged(kind).await;
        let own = stage.fake.world().statuses.clone();
        let others = (0..250).map(|number| Status { id: number, context: format!("ci/job{number}"), ..own[0].clone() });
        stage.fake.world().statuses.splice(0..0, others);
        stage.post(&waiting("a1")).await;
        assert_eq!(stage.writes(), Vec::<String>::new(), "{kind}");
    }
}

#[tokio::test]
async fn a_fork_has_its_comment_and_where_its_statuses_are_refused_that_is_told() {
    let mut said = String::new();
    for kind in KINDS {
        let stage = Stage::empty(kind).await;
        stage.fake.world().pull_mut(NUMBER).is_fork = true;
        let pull = stage.forge.pull_request(NUMBER).await.unwrap();
        let posted = stage.post(&waiting("a1")).await;
        assert_eq!((pull.is_fork, stage.ours().len()), (true, 1), "{kind}");
        said.push_str(&format!(
            "{kind}, {}: {}\n",
            pull.head_ref,
            posted.failures().first().map_or("-", String::as_str)
        ));
    }
    insta::assert_snapshot!(said, @"
    GitHub, refs/pull/7/head: -
    GitLab, refs/merge-requests/7/head: GitLab refused to read the statuses of 0000000000: HTTP status 403, 403 Forbidden; the token needs the scope api and the role Developer in the fork, where GitLab keeps the statuses of its commits
    Azure DevOps, refs/pull/7/merge: -
    ");
}
