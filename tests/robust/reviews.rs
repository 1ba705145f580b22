//! The agent looks at open pull requests by itself, and writes into them.

use privlink::domain::pull_request::ForgeKind;

use super::process::{Running, Stage, example, until};
use crate::forge::fake::{Fake, Pull};
use crate::forge::stage::{ANN, ME, TOKEN, dialect, world};

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

/// A converged world, and a forge with these pull requests.
struct Scene {
    stage: Stage,
    fake: Fake,
    _runtime: tokio::runtime::Runtime,
}

impl Scene {
    fn new() -> Self {
        let stage = Stage::new(&example());
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

    fn agent(&self) -> Running {
        let machine = self.stage.machine.clone();
        let machine = machine
            .with("PRIVLINK_FORGE_URL", &self.fake.address)
            .with("PRIVLINK_FORGE_REPOSITORY", "acme/config")
            .with("PRIVLINK_FORGE_TOKEN", TOKEN);
        let url = self.stage.url();
        machine.start(&["agent", "--repo", &url, "--forge", "github", "--review-interval", "20ms"])
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
    scene.fake.world().pull_mut(7).state = "closed";
    until("the comment says how it ended", || scene.comments(7)[0].contains("Closed"));
    assert_eq!(scene.comments(7).len(), 1);
    agent.signal("TERM");
    agent.wait().ends(0);
}

#[test]
fn one_pull_request_that_is_gone_or_cannot_be_fetched_holds_up_no_other_and_forks_are_left_to_members() {
    let scene = Scene::new();
    scene.open(17, false);
    scene.open(18, true);
    let agent = scene.agent();
    until("the pull request has its comment", || !scene.comments(17).is_empty());
    // One vanishes with its ref, one has a head that the repository does not serve; then another one comes.
    scene.fake.world().pulls.retain(|pull| pull.number != 17);
    scene.open(19, false);
    scene.stage.repo.open().find_reference("refs/pull/19/head").unwrap().delete().unwrap();
    scene.open(20, false);
    until("the newcomer has its comment", || !scene.comments(20).is_empty());
    assert_eq!((scene.comments(18), scene.comments(19)), (vec![], vec![]));
    agent.signal("TERM");
    agent.wait().ends(0);
}
