//! What a forge proves about who agreed to a pull request.

use privlink::domain::pull_request::ForgeKind;
use privlink::domain::pull_request::Review;
use privlink::domain::testimony::PostedStatus;
use privlink::domain::testimony::Testimony;

use super::fake::Verdict;
use super::fake::WHEN;
use super::stage::ANN;
use super::stage::BOB;
use super::stage::MALLORY;
use super::stage::ME;
use super::stage::NUMBER;
use super::stage::Stage;
use super::stage::head;
use super::stage::waiting;

/// A pull request with a second push and these verdicts, each of an account about a push.
async fn reviewed(kind: ForgeKind, said: &[(u64, &'static str, usize)]) -> Stage {
    let stage = Stage::converged(kind).await;
    stage.push();
    for &(user, state, push) in said {
        let verdict = Verdict { pull: NUMBER, user, state, commit: head(push), at: WHEN.to_owned() };
        stage.fake.world().verdicts.push(verdict);
    }
    stage
}

async fn testimony(stage: &Stage) -> Option<Testimony> {
    let pull = stage.forge.pull_request(NUMBER).await.unwrap();
    stage.forge.testimony(&pull).await.unwrap()
}

#[tokio::test]
async fn github_tells_who_reviewed_which_commit_who_made_it_and_what_our_status_said() {
    let said = [
        (BOB, "APPROVED", 1),
        (ANN, "COMMENTED", 2),
        (MALLORY, "APPROVED", 2),
        (MALLORY, "DISMISSED", 2),
        (ME, "APPROVED", 2),
    ];
    let stage = reviewed(ForgeKind::GitHub, &said).await;
    stage.post(&waiting("a1")).await;
    let Testimony { me, pull, reviews, statuses, contributors } = testimony(&stage).await.unwrap();
    assert_eq!((me.name.as_str(), pull.head.as_str()), ("planner[bot]", head(2).as_str()));
    let review = |own: &Review| {
        let of = if own.commit.as_ref() == Some(&pull.head) { "the head" } else { "another commit" };
        let bot = if own.reviewer.is_bot { " (bot)" } else { "" };
        format!("{}{bot}: {:?} of {of}, {}\n", own.reviewer.name, own.verdict, own.at.unwrap())
    };
    let status = |own: &PostedStatus| format!("{} by {}: {}\n", own.context, own.by.name, own.description);
    let reviews: String = reviews.iter().map(review).collect();
    let statuses: String = statuses.iter().map(status).collect();
    insta::assert_snapshot!([reviews, statuses, format!("{contributors:?}")].concat(), @r#"
    planner[bot] (bot): Approved of the head, 2026-11-20T10:00:00Z
    bob: Approved of another commit, 2026-11-20T10:00:00Z
    privlink/approved/prod by planner[bot]: 2 approvals are missing
    privlink/plan/prod by planner[bot]: 1 replace, severing
    Some(Contributors { accounts: {"2"}, emails: {"ann@example.com"} })
    "#);
}

#[tokio::test]
async fn where_nobody_approved_github_is_asked_no_more() {
    let stage = reviewed(ForgeKind::GitHub, &[(BOB, "CHANGES_REQUESTED", 2), (ANN, "COMMENTED", 2)]).await;
    assert_eq!(testimony(&stage).await, None);
    let asked: Vec<String> = stage.fake.world().log.iter().map(|own| own.path.clone()).collect();
    assert_eq!(asked, ["/repos/acme/config/pulls/7", "/repos/acme/config/pulls/7/reviews"]);
}

#[tokio::test]
async fn gitlab_and_azure_devops_prove_nothing_and_are_not_asked() {
    for kind in [ForgeKind::GitLab, ForgeKind::AzureDevOps] {
        let stage = reviewed(kind, &[(BOB, "APPROVED", 2)]).await;
        assert_eq!(testimony(&stage).await, None, "{kind}");
        assert_eq!(stage.fake.world().log.len(), 1, "{kind}: only the pull request was read");
        assert_eq!(stage.forge.merged_pull_requests("main").await.unwrap(), [], "{kind}");
    }
}
