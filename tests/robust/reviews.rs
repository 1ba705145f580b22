//! The agent looks at open pull requests by itself, and writes into them.

use privlink::domain::pull_request::ForgeKind;
use privlink::sim::fault::Fault;

use super::probes::Probed;
use super::process::{Stage, example, until};
use crate::forge::fake::{Fake, Pull, Verdict};
use crate::forge::stage::{ANN, BOB, MALLORY, ME, TOKEN, dialect, world};

/// A pull request that moves the published Service of the example.
fn pull(stage: &Stage, number: u64, is_fork: bool) -> Pull {
    let branch = format!("change-{number}");
    let repository = stage.repo.open();
    let main = repository.refname_to_id("refs/heads/main").unwrap();
    repository.reference(&format!("refs/heads/{branch}"), main, true, "begun").unwrap();
    let files = stage.repo.files("main");
    let (path, text) = files.into_iter().find(|(path, _)| path.ends_with("services/orders.yaml")).unwrap();
    let moved = text.replace("10.224.0.200", &format!("10.224.0.2{number}"));
    assert_ne!(moved, text);
    let head = stage.repo.commit(&branch, "ann <ann@example.com>", &[(path, moved)]);
    repository.reference(&format!("refs/pull/{number}/head"), head.parse().unwrap(), true, "opened").unwrap();
    Pull { number, author: ANN, base: "main".to_owned(), state: "open", is_fork, heads: vec![head] }
}

fn signature(name: &str) -> git2::Signature<'static> {
    git2::Signature::now(name, &format!("{name}@example.com")).unwrap()
}

/// As forges tell it.
fn now() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// A converged world, and a forge with these pull requests.
struct Scene {
    stage: Stage,
    fake: Fake,
    _runtime: tokio::runtime::Runtime,
}

impl Scene {
    fn new() -> Self {
        Self::of(&example())
    }

    fn of(files: &[(String, String)]) -> Self {
        let stage = Stage::new(files);
        stage.apply().ends(0);
        stage.idle();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let fake = runtime.block_on(Fake::start(dialect(ForgeKind::GitHub), world()));
        fake.world().pulls.clear();
        Self { stage, fake, _runtime: runtime }
    }

    fn open(&self, number: u64, is_fork: bool) {
        let pull = pull(&self.stage, number, is_fork);
        self.fake.world().pulls.push(pull);
    }

    fn agent(&self) -> Probed {
        let machine = self.stage.machine.clone();
        let machine = machine
            .with("PRIVLINK_FORGE_URL", &self.fake.address)
            .with("PRIVLINK_FORGE_REPOSITORY", "acme/config")
            .with("PRIVLINK_FORGE_TOKEN", TOKEN);
        let url = self.stage.url();
        Probed::on(&machine, &url, &["--forge", "github", "--review-interval", "20ms"])
    }

    /// What the status says that a merge waits for.
    fn approved(&self) -> String {
        let world = self.fake.world();
        let last = world.statuses.iter().rev().find(|status| status.context == "privlink/approved/prod");
        last.map(|last| format!("{}: {}", last.state, last.description.as_str().unwrap_or_default()))
            .unwrap_or_default()
    }

    /// Somebody approves the head, some time after the last status: a forge tells seconds.
    fn review(&self, number: u64, user: u64) {
        let told = self.fake.world().statuses.last().unwrap().at.clone();
        until("a second has passed", || now() > told);
        let commit = self.fake.world().pull(number).unwrap().head().to_owned();
        let verdict = Verdict { pull: number, user, state: "APPROVED", commit, at: now() };
        self.fake.world().verdicts.push(verdict);
    }

    /// Bob merges a pull request, as the button of a forge does it.
    fn merge(&self, number: u64) {
        let head = self.fake.world().pull(number).unwrap().head().to_owned();
        let repository = self.stage.repo.open();
        let find = |name: &str| repository.revparse_single(name).unwrap().peel_to_commit().unwrap();
        let (main, head) = (find("refs/heads/main"), find(&head));
        let (bob, forge) = (signature("bob"), signature("noreply"));
        let tree = head.tree().unwrap();
        let merge = repository.commit(None, &bob, &forge, "Merge", &tree, &[&main, &head]).unwrap();
        let mut world = self.fake.world();
        world.merges.insert(number, merge.to_string());
        world.pull_mut(number).state = "merged";
        repository.reference("refs/heads/main", merge, true, "merged").unwrap();
    }

    /// What the agent wrote into a pull request.
    fn comments(&self, number: u64) -> Vec<String> {
        let world = self.fake.world();
        let own = world.notes.iter().filter(|note| note.author == ME && note.pull == number);
        own.map(|note| note.body.clone()).collect()
    }
}

#[test]
fn the_agent_tells_an_open_pull_request_what_it_would_do_and_how_it_ended() {
    let scene = Scene::new();
    scene.open(7, false);
    let agent = scene.agent();
    until("the pull request has its comment", || !scene.comments(7).is_empty());
    let said = scene.comments(7).concat();
    assert!(said.contains("Who is affected") && said.contains("Orders front office"), "{said}");
    // It leaves the list of those for the branch and comes back, and is told nothing; then it ends.
    scene.fake.world().pull_mut(7).base = "other".to_owned();
    let reads = || scene.fake.world().log.iter().filter(|asked| asked.path.ends_with("/pulls/7")).count();
    let before = reads();
    until("it was looked at", || reads() > before);
    scene.fake.world().pull_mut(7).base = "main".to_owned();
    until("it is open again for the agent", || reads() > before + 1);
    scene.fake.world().pull_mut(7).state = "closed";
    until("the comment says how it ended", || scene.comments(7)[0].contains("Closed"));
    assert_eq!(scene.comments(7).len(), 1);
    agent.stop();
}

#[test]
fn one_pull_request_that_is_gone_or_cannot_be_fetched_holds_up_no_other_and_forks_are_left_to_members() {
    let scene = Scene::new();
    scene.open(17, false);
    scene.open(18, true);
    let agent = scene.agent();
    let reviews = |result: &str| agent.metrics().get(&format!("privlink_reviews_total{{result=\"{result}\"}}"));
    until("the pull request is told", || reviews("told") >= 1.0);
    assert!(!scene.comments(17).is_empty());
    // One vanishes with its ref, one has a head that the repository does not serve; then another one comes.
    scene.fake.world().pulls.retain(|pull| pull.number != 17);
    scene.open(19, false);
    scene.stage.repo.open().find_reference("refs/pull/19/head").unwrap().delete().unwrap();
    scene.open(20, false);
    until("the newcomer has its comment", || !scene.comments(20).is_empty());
    assert_eq!((scene.comments(18), scene.comments(19)), (vec![], vec![]));
    until("the newcomer and its neighbour are counted", || reviews("told") >= 2.0 && reviews("failed") >= 1.0);
    assert_eq!(reviews("crashed"), 0.0);
    let metrics = agent.metrics();
    let calls = |method: &str, kind: &str| {
        metrics.get(&format!(r#"privlink_calls_total{{system="GitHub",method="{method}",kind="{kind}"}}"#))
    };
    assert_eq!(calls("POST", "issues/comments"), 2.0);
    assert!(calls("GET", "pulls") >= 2.0);
    agent.stop();
}

/// The example, in which bob approves by reviews.
fn reviewed() -> Vec<(String, String)> {
    let with_account = |text: &str| {
        text.replace(
            "[approvers.bob]\n",
            &format!("[approvers.bob]\ngithub-id = {BOB}\nemails = [\"bob@example.com\"]\n"),
        )
    };
    example().into_iter().map(|(path, text)| (path, with_account(&text))).collect()
}

#[test]
fn a_review_of_the_plan_that_the_status_named_approves_it_once_it_is_merged_and_what_is_left_of_it() {
    let scene = Scene::of(&reviewed());
    scene.fake.world().clock = Some(now);
    scene.open(7, false);
    let agent = scene.agent();
    until("the pull request has its status", || !scene.approved().is_empty());
    let waits = scene.approved();
    assert!(waits.starts_with("pending: severing: 0 of 1 approvals; plan "), "{waits}");
    let plan = waits.rsplit(' ').next().unwrap().to_owned();
    // Whoever is no approver changes nothing; then bob looks at it.
    scene.review(7, MALLORY);
    scene.review(7, BOB);
    until("the status says who approved", || scene.approved().starts_with("success"));
    assert_eq!(scene.approved(), format!("success: approved by bob; plan {plan}"));
    // The apply stops half way.
    let stage = &scene.stage;
    let writes = stage.writes();
    stage.simulator().add_fault(Fault {
        method: Some("PUT".to_owned()),
        path: "/privateEndpoints/myOrdersPE".to_owned(),
        client: Some("privlink".to_owned()),
        status: 403,
        code: "AuthorizationFailed".to_owned(),
        ..Fault::default()
    });
    scene.merge(7);
    let records = || -> Vec<String> {
        let files = stage.repo.files("privlink/status/prod");
        files.into_iter().filter(|(path, _)| path.contains("/applied/")).map(|(_, text)| text).collect()
    };
    let of_plan = || records().into_iter().find(|text| text.contains(&plan));
    until("the record of the apply is published", || of_plan().is_some());
    let record = of_plan().unwrap();
    assert!(record.contains("- bob") && record.contains("AuthorizationFailed"), "{record}");
    assert!(stage.writes() > writes);
    stage.simulator().clear_faults();
    stage.idle();
    agent.agent.signal("HUP");
    until("what was left is done", || records().len() > 2);
    stage.idle();
    stage.assert_converged();
    agent.stop();
}

#[test]
fn a_review_by_a_person_without_an_account_in_the_settings_approves_nothing() {
    let scene = Scene::new();
    scene.fake.world().clock = Some(now);
    scene.open(7, false);
    let agent = scene.agent();
    until("the pull request has its status", || !scene.approved().is_empty());
    assert_eq!(scene.approved(), "pending: severing: 0 of 1 approvals");
    scene.review(7, BOB);
    let writes = scene.stage.writes();
    scene.merge(7);
    let waits = || scene.stage.repo.files("privlink/status/prod").into_iter().any(|(path, _)| path.contains("/plans/"));
    until("the plan is published", waits);
    assert_eq!(scene.stage.writes(), writes);
    let asked = scene.fake.world().log.iter().any(|asked| asked.path.contains("reviews"));
    assert!(!asked, "nobody is asked for reviews where none counts");
    agent.stop();
}
