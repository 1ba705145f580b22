//! A pull request that says what it has to say already: what tests begin with and change one thing of.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use privlink::azure::traffic::Traffic;
use privlink::config::Config;
use privlink::domain::calls::CallLog;
use privlink::domain::pull_request::Annotation;
use privlink::domain::pull_request::AnnotationLevel;
use privlink::domain::pull_request::CommitStatus;
use privlink::domain::pull_request::ForgeKind;
use privlink::domain::pull_request::StatusState;
use privlink::forge::Forge;
use privlink::reconcile::posting;
use privlink::reconcile::posting::Posted;
use privlink::reconcile::posting::post;
use privlink::review::Told;
use privlink::review::sticky::marker;

use super::fake::Dialect;
use super::fake::Fake;
use super::fake::Pull;
use super::fake::User;
use super::fake::World;
use super::fake_azure;
use super::fake_github;
use super::fake_gitlab;

pub(crate) const KINDS: [ForgeKind; 3] = [ForgeKind::GitHub, ForgeKind::GitLab, ForgeKind::AzureDevOps];
/// The token of the account that privlink writes with, on every forge.
pub(crate) const TOKEN: &str = "s3cret-t0ken";
/// The pull request.
pub(crate) const NUMBER: u64 = 7;
/// Accounts by their ids.
pub(crate) const ME: u64 = 1;
pub(crate) const ANN: u64 = 2;
pub(crate) const MALLORY: u64 = 3;
pub(crate) const BOB: u64 = 4;

/// A forge with one pull request, and our way to it.
pub(crate) struct Stage {
    pub(crate) kind: ForgeKind,
    pub(crate) fake: Fake,
    pub(crate) forge: Forge,
}

/// The head after a number of pushes.
pub(crate) fn head(pushes: usize) -> String {
    format!("{pushes:040x}")
}

/// The people of the forge, and one pull request.
pub(crate) fn world() -> World {
    let rights = ["pull_requests", "statuses", "checks", "api", "contribute"];
    let user = |id: u64, login: &'static str, is_bot: bool, token: &'static str| User {
        id,
        login,
        is_bot,
        rights: if is_bot { BTreeSet::from(rights) } else { BTreeSet::new() },
        token,
    };
    World {
        users: vec![
            user(ME, "planner[bot]", true, TOKEN),
            user(ANN, "ann", false, "ann's"),
            user(MALLORY, "mallory", false, "mallory's"),
            user(BOB, "bob", false, "bob's"),
        ],
        pulls: vec![Pull {
            number: NUMBER,
            author: ANN,
            base: "main".to_owned(),
            state: "open",
            is_fork: false,
            heads: vec![head(1)],
        }],
        expires_at: "2199-01-01T00:00:00Z".to_owned(),
        ..World::default()
    }
}

/// The way to a fake, with what a CI system would say and these variables besides.
pub(crate) fn way(kind: ForgeKind, address: &str, more: &[(&str, &str)]) -> Forge {
    let url = match kind {
        ForgeKind::GitHub => address.to_owned(),
        ForgeKind::GitLab => format!("{address}/api/v4"),
        ForgeKind::AzureDevOps => format!("{address}/acme/"),
    };
    let said: &[(&str, &str)] = match kind {
        ForgeKind::GitHub => &[("GITHUB_REPOSITORY", "acme/config"), ("GITHUB_API_URL", &url), ("GITHUB_TOKEN", TOKEN)],
        ForgeKind::GitLab => {
            &[("PRIVLINK_FORGE_REPOSITORY", "acme/config"), ("CI_API_V4_URL", &url), ("PRIVLINK_FORGE_TOKEN", TOKEN)]
        }
        ForgeKind::AzureDevOps => &[
            ("SYSTEM_COLLECTIONURI", &url),
            ("SYSTEM_TEAMPROJECT", "net work"),
            ("BUILD_REPOSITORY_ID", "config"),
            ("SYSTEM_ACCESSTOKEN", TOKEN),
        ],
    };
    posting::way(&config(&[said, more].concat()), Some(kind)).unwrap()
}

/// What a runner with these variables brings.
pub(crate) fn config(variables: &[(&str, &str)]) -> Config {
    Config {
        environment: variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        cache_dir: PathBuf::new(),
        state_dir: PathBuf::new(),
        // A machine without a store of its own has to reach itself all the same.
        ca_certificates: vec![include_bytes!("../data/certificate.pem").to_vec()],
        kubeconfig: None,
        poll_interval: Duration::ZERO,
        request_timeout: Duration::from_secs(30),
        traffic: Traffic::default(),
        approval_floor: None,
        calls: CallLog::default(),
        host: String::new(),
        writer: String::new(),
    }
}

/// How a forge speaks.
pub(crate) fn dialect(kind: ForgeKind) -> Dialect {
    match kind {
        ForgeKind::GitHub => fake_github::answer,
        ForgeKind::GitLab => fake_gitlab::answer,
        ForgeKind::AzureDevOps => fake_azure::answer,
    }
}

impl Stage {
    /// A pull request that nothing was said in yet.
    pub(crate) async fn empty(kind: ForgeKind) -> Self {
        let fake = Fake::start(dialect(kind), world()).await;
        let forge = way(kind, &fake.address, &[]);
        Self { kind, fake, forge }
    }

    /// The same, after the plan was told.
    pub(crate) async fn converged(kind: ForgeKind) -> Self {
        let stage = Self::empty(kind).await;
        let posted = stage.post(&waiting("a1")).await;
        assert_eq!(posted.failures(), Vec::<String>::new());
        stage.fake.world().log.clear();
        stage
    }

    /// Tells it to the pull request as it is now.
    pub(crate) async fn post(&self, told: &Told) -> Posted {
        self.post_all(std::slice::from_ref(told)).await
    }

    /// The same of several environments at once.
    pub(crate) async fn post_all(&self, told: &[Told]) -> Posted {
        let pull = self.forge.pull_request(NUMBER).await.unwrap();
        post(&self.forge, &pull, told).await
    }

    pub(crate) fn push(&self) {
        let mut world = self.fake.world();
        let pull = world.pull_mut(NUMBER);
        pull.heads.push(head(pull.heads.len() + 1));
    }

    /// The comments that we wrote.
    pub(crate) fn ours(&self) -> Vec<String> {
        let world = self.fake.world();
        world.notes.iter().filter(|note| note.author == ME).map(|note| note.body.clone()).collect()
    }

    /// What was written since the stage was set.
    pub(crate) fn writes(&self) -> Vec<String> {
        self.fake.world().writes()
    }
}

fn status(name: &str, state: StatusState, description: &str) -> CommitStatus {
    let context = format!("privlink/{name}/prod");
    CommitStatus { context, state, description: description.to_owned(), target_url: None }
}

/// What is told about a plan.
pub(crate) fn told(key: &str, plan: (StatusState, &str), approved: (StatusState, &str)) -> Told {
    let environment = "prod".parse().unwrap();
    Told {
        body: format!("{}\n### privlink plan {key}", marker(&environment, key)),
        environment,
        key: key.to_owned(),
        headline: format!("plan {key}"),
        statuses: vec![status("plan", plan.0, plan.1), status("approved", approved.0, approved.1)],
        annotations: vec![remark(3)],
    }
}

/// A plan that waits for approvals.
pub(crate) fn waiting(key: &str) -> Told {
    told(key, (StatusState::Success, "1 replace, severing"), (StatusState::Pending, "2 approvals are missing"))
}

/// The same, told of another environment.
pub(crate) fn of(environment: &str, told: &Told) -> Told {
    let mut told = told.clone();
    told.environment = environment.parse().unwrap();
    told.body = format!("{}\n### privlink plan {}", marker(&told.environment, &told.key), told.key);
    for status in &mut told.statuses {
        status.context = status.context.replace("/prod", &format!("/{environment}"));
    }
    told
}

pub(crate) fn remark(line: u32) -> Annotation {
    Annotation {
        path: "environments/prod/orders.yaml".parse().unwrap(),
        line,
        level: AnnotationLevel::Warning,
        title: "7 connections are cut".to_owned(),
        message: "the frontend is replaced".to_owned(),
    }
}
