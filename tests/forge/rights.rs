//! Tokens: what they may, whose they are, and that nobody sees them.

use privlink::domain::pull_request::ForgeKind;
use privlink::reconcile::posting::way as way_of;
use serde_json::json;

use super::fake::Trouble;
use super::fake_github;
use super::stage::KINDS;
use super::stage::ME;
use super::stage::NUMBER;
use super::stage::Stage;
use super::stage::TOKEN;
use super::stage::config;
use super::stage::waiting;
use super::stage::way;

/// What is told where the token lacks a right.
async fn without(kind: ForgeKind, right: &'static str) -> String {
    let stage = Stage::empty(kind).await;
    stage.fake.world().users[0].rights.remove(right);
    let posted = stage.post(&waiting("a1")).await;
    let shown = posted.to_string();
    assert!(!shown.contains(TOKEN), "{shown}");
    shown
}

#[test]
fn a_job_says_which_forge_it_is_of() {
    let kinds = ["GITHUB_ACTIONS", "GITLAB_CI", "TF_BUILD", "CI"].map(|name| config(&[(name, "true")]).ci_forge());
    assert_eq!(kinds, [Some(ForgeKind::GitHub), Some(ForgeKind::GitLab), Some(ForgeKind::AzureDevOps), None]);
}

#[tokio::test]
async fn a_missing_right_is_named_and_the_rest_is_done_all_the_same() {
    let said = [
        ("GitHub without pull-requests: write", without(ForgeKind::GitHub, "pull_requests").await),
        ("GitHub without statuses: write", without(ForgeKind::GitHub, "statuses").await),
        ("GitHub without checks: write", without(ForgeKind::GitHub, "checks").await),
        ("GitLab without api", without(ForgeKind::GitLab, "api").await),
        ("Azure DevOps without Contribute to pull requests", without(ForgeKind::AzureDevOps, "contribute").await),
    ];
    let said: String = said.iter().map(|(what, said)| format!("== {what}\n{said}")).collect();
    insta::assert_snapshot!(said);
}

#[tokio::test]
async fn a_token_of_nobody_is_told_and_never_shown() {
    let mut said = String::new();
    for kind in KINDS {
        let stage = Stage::empty(kind).await;
        stage.fake.world().users[0].token = "another";
        let error = stage.forge.me().await.unwrap_err();
        let shown = format!("{error} {error:?} {:?}", stage.forge);
        assert!(!shown.contains(TOKEN), "{shown}");
        said.push_str(&format!("{error}\n"));
    }
    insta::assert_snapshot!(said, @"
    GitHub refused to find out whose token it is: HTTP status 401, Bad credentials; nobody is known by this token, or it has expired; it takes one with the permission pull-requests: read
    GitLab refused to find out whose token it is: HTTP status 401, 401 Unauthorized; nobody is known by this token, or it has expired; it takes one with the scope read_api and the role Reporter
    Azure DevOps refused to find out whose token it is: HTTP status 401, TF400813: The user is not authorized to access this resource.; nobody is known by this token, or it has expired; it takes one with the permission Read of the repository (scope Code: Read)
    ");
}

#[tokio::test]
async fn whose_token_it_is_is_asked_of_the_forge() {
    for kind in KINDS {
        let stage = Stage::empty(kind).await;
        let me = stage.forge.me().await.unwrap();
        assert_eq!((me.name.as_str(), me.is_bot), ("planner[bot]", true), "{kind}");
        assert!(me.id.ends_with('1'), "{}", me.id);
    }
    // A person's token, too.
    let stage = Stage::empty(ForgeKind::GitHub).await;
    let ann = way(ForgeKind::GitHub, &stage.fake.address, &[("PRIVLINK_FORGE_TOKEN", "ann's")]);
    assert_eq!(ann.me().await.unwrap().name, "ann");
    let ann = way(
        ForgeKind::AzureDevOps,
        &Stage::empty(ForgeKind::AzureDevOps).await.fake.address,
        &[("PRIVLINK_FORGE_TOKEN", "ann's")],
    );
    assert_eq!(ann.me().await.map(|me| (me.name, me.is_bot)).unwrap(), ("ann".to_owned(), false));
}

fn app(stage: &Stage) -> privlink::forge::Forge {
    let variables = [("PRIVLINK_GITHUB_APP_ID", "12"), ("PRIVLINK_GITHUB_APP_KEY_FILE", fake_github::KEY_FILE)];
    way(ForgeKind::GitHub, &stage.fake.address, &variables)
}

/// How many tokens the app was given.
fn granted(stage: &Stage) -> usize {
    stage.fake.world().log.iter().filter(|own| own.path.ends_with("/access_tokens") && own.status == 201).count()
}

#[tokio::test]
async fn an_app_asks_for_one_token_and_for_the_next_before_it_ends() {
    let mut stage = Stage::empty(ForgeKind::GitHub).await;
    stage.forge = app(&stage);
    stage.post(&waiting("a1")).await;
    stage.post(&waiting("b2")).await;
    assert_eq!((stage.ours().len(), granted(&stage)), (1, 1));
    assert_eq!(stage.forge.me().await.unwrap().id, ME.to_string());

    // One that ends within the next minutes is not begun with.
    let stage = Stage::empty(ForgeKind::GitHub).await;
    stage.fake.world().expires_at = "2020-01-01T00:00:00Z".to_owned();
    let forge = app(&stage);
    for _ in 0..3 {
        forge.pull_request(NUMBER).await.unwrap();
    }
    assert_eq!(granted(&stage), 3);
}

#[tokio::test]
async fn a_token_that_was_taken_back_is_replaced_once() {
    let stage = Stage::empty(ForgeKind::GitHub).await;
    let forge = app(&stage);
    forge.pull_request(NUMBER).await.unwrap();
    stage.fake.world().installation_tokens.clear();
    forge.pull_request(NUMBER).await.unwrap();
    assert_eq!(granted(&stage), 2);
    for _ in 0..2 {
        let gone = Trouble::Answer(401, Vec::new(), json!({"message": "Bad credentials"}));
        stage.fake.trouble("GET", "/pulls/", gone);
    }
    assert!(forge.pull_request(NUMBER).await.is_err());
    assert_eq!(granted(&stage), 3);
}

#[tokio::test]
async fn an_app_that_cannot_be_used_says_why() {
    let stage = Stage::empty(ForgeKind::GitHub).await;
    let of = |id: &'static str, file: &'static str| {
        way(
            ForgeKind::GitHub,
            &stage.fake.address,
            &[("PRIVLINK_GITHUB_APP_ID", id), ("PRIVLINK_GITHUB_APP_KEY_FILE", file)],
        )
    };
    let missing = of("12", "/nowhere/key.pem").pull_request(NUMBER).await.unwrap_err();
    let foreign = of("13", fake_github::KEY_FILE).pull_request(NUMBER).await.unwrap_err();
    insta::assert_snapshot!(format!("{missing}\n{foreign}"), @"
    cannot read the private key of the app, /nowhere/key.pem, which PRIVLINK_GITHUB_APP_KEY_FILE names
    GitHub refused to find the installation of the app 13 for acme/config: HTTP status 401, Bad credentials; nobody is known by this token, or it has expired; it takes one with the private key of an app that is installed for the repository
    ");
}

#[tokio::test]
async fn a_redirect_never_carries_the_token_away() {
    for kind in KINDS {
        let stage = Stage::empty(kind).await;
        let other = Stage::empty(kind).await;
        let to = vec![("location", format!("{}/elsewhere", other.fake.address))];
        stage.fake.trouble("GET", "", Trouble::Answer(301, to, json!({"message": "Moved Permanently"})));
        let error = stage.forge.pull_request(NUMBER).await.unwrap_err().to_string();
        assert!(error.contains("if the repository was renamed or moved, give its new name"), "{error}");
        assert!(other.fake.world().log.is_empty(), "{kind}");
    }
}

#[test]
fn the_ci_system_says_which_forge_it_is() {
    let of = |variables: &[(&str, &str)]| way_of(&config(variables), None).map(|forge| forge.kind());
    let github = [("GITHUB_ACTIONS", "true"), ("GITHUB_REPOSITORY", "acme/config"), ("GITHUB_TOKEN", TOKEN)];
    assert_eq!(of(&github).unwrap(), ForgeKind::GitHub);
    let why = |variables: &[(&str, &str)]| of(variables).unwrap_err().to_string();
    let broken = [github.as_slice(), &[("GITHUB_TOKEN", "two\nlines")]].concat();
    let gitlab = [("GITLAB_CI", "true"), ("CI_PROJECT_ID", "7"), ("CI_JOB_TOKEN", TOKEN)];
    insta::assert_snapshot!([why(&[]), why(&gitlab), why(&broken)].join("\n"), @"
    nobody says which forge serves the repository: say --forge github, gitlab or azure-devops, or run in a job of its CI system
    there is no token for GitLab: set PRIVLINK_FORGE_TOKEN to a project access token with the scope api and the role Developer (GitLab lets the job's own token, CI_JOB_TOKEN, write neither comments nor statuses)
    the forge's token holds characters that no header can carry; check for a line break
    ");
}
