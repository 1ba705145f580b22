//! What people said of a pull request, as far as each forge proves it.

use privlink::domain::pull_request::ForgeKind;
use privlink::domain::pull_request::Review;
use serde_json::Value as Json;
use serde_json::json;

use super::fake::Verdict;
use super::fake::WHEN;
use super::stage::ANN;
use super::stage::BOB;
use super::stage::MALLORY;
use super::stage::ME;
use super::stage::NUMBER;
use super::stage::Stage;
use super::stage::head;

async fn reviews(kind: ForgeKind, said: &[(u64, Json, usize)]) -> Vec<String> {
    let stage = Stage::converged(kind).await;
    stage.push();
    for (user, state, push) in said {
        let verdict =
            Verdict { pull: NUMBER, user: *user, state: state.clone(), commit: head(*push), at: WHEN.to_owned() };
        stage.fake.world().verdicts.push(verdict);
    }
    let pull = stage.forge.pull_request(NUMBER).await.unwrap();
    let shown = |own: &Review| {
        let commit =
            own.commit.as_ref().map(|commit| if *commit == pull.head { "of the head" } else { "of another commit" });
        let bot = if own.reviewer.is_bot { " (bot)" } else { "" };
        format!("{}{bot}: {:?} {}", own.reviewer.name, own.verdict, commit.unwrap_or("of nobody knows what"))
    };
    stage.forge.reviews(&pull).await.unwrap().iter().map(shown).collect()
}

#[tokio::test]
async fn github_tells_which_commit_was_reviewed() {
    let said = [
        (BOB, json!("APPROVED"), 1),
        (ANN, json!("COMMENTED"), 2),
        (MALLORY, json!("APPROVED"), 2),
        (MALLORY, json!("DISMISSED"), 2),
        (ME, json!("APPROVED"), 2),
    ];
    let found = reviews(ForgeKind::GitHub, &said).await;
    assert_eq!(found, ["planner[bot] (bot): Approved of the head", "bob: Approved of another commit"]);
}

#[tokio::test]
async fn gitlab_and_azure_devops_do_not() {
    let found = reviews(ForgeKind::GitLab, &[(BOB, Json::Null, 2), (ME, Json::Null, 2)]).await;
    assert_eq!(found, ["bob: Approved of nobody knows what", "planner[bot] (bot): Approved of nobody knows what"]);
    let said = [(BOB, json!(10), 2), (ANN, json!(5), 2), (MALLORY, json!(-10), 2), (ME, json!(0), 2)];
    let found = reviews(ForgeKind::AzureDevOps, &said).await;
    let expected = ["bob: Approved", "ann: Approved", "mallory: ChangesRequested"];
    assert_eq!(found, expected.map(|own| format!("{own} of nobody knows what")));
}
