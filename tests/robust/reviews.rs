//! The agent looks at open pull requests by itself, and writes into them.

use privlink::domain::pull_request::ForgeKind;

use super::process::{Stage, example, until};
use crate::forge::fake::{Fake, Pull};
use crate::forge::stage::{ANN, ME, TOKEN, dialect, world};

const NUMBER: u64 = 7;

/// A pull request that moves the published Service of the example.
fn open(stage: &Stage, fake: &Fake) {
    let files = stage.repo.files("main");
    let (path, text) = files.into_iter().find(|(path, _)| path.ends_with("services/orders.yaml")).unwrap();
    let moved = text.replace("10.224.0.200", "10.224.0.210");
    assert_ne!(moved, text);
    let head = stage.repo.commit("change", "ann <ann@example.com>", &[(path, moved)]);
    let repository = stage.repo.open();
    repository.reference(&format!("refs/pull/{NUMBER}/head"), head.parse().unwrap(), true, "opened").unwrap();
    let pull =
        Pull { number: NUMBER, author: ANN, base: "main".to_owned(), state: "open", is_fork: false, heads: vec![head] };
    fake.world().pulls = vec![pull];
}

#[test]
fn the_agent_tells_an_open_pull_request_what_it_would_do_and_how_it_ended() {
    let stage = Stage::new(&example());
    stage.apply().ends(0);
    stage.idle();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let fake = runtime.block_on(Fake::start(dialect(ForgeKind::GitHub), world()));
    // The branch of the change begins where the config branch is.
    let main = stage.repo.open().refname_to_id("refs/heads/main").unwrap();
    stage.repo.open().reference("refs/heads/change", main, true, "begun").unwrap();
    open(&stage, &fake);
    let machine = stage
        .machine
        .clone()
        .with("PRIVLINK_FORGE_URL", &fake.address)
        .with("PRIVLINK_FORGE_REPOSITORY", "acme/config")
        .with("PRIVLINK_FORGE_TOKEN", TOKEN);
    let url = stage.url();
    let agent = machine.start(&["agent", "--repo", &url, "--forge", "github", "--review-interval", "20ms"]);
    let comments = || {
        let world = fake.world();
        world.notes.iter().filter(|note| note.author == ME).map(|note| note.body.clone()).collect::<Vec<_>>()
    };
    until("the pull request has its comment", || !comments().is_empty());
    assert!(
        comments()[0].contains("Who is affected") && comments()[0].contains("Orders front office"),
        "{}",
        comments()[0]
    );
    fake.world().pull_mut(NUMBER).state = "closed";
    until("the comment says how it ended", || comments()[0].contains("Closed"));
    assert_eq!(comments().len(), 1);
    agent.signal("TERM");
    agent.wait().ends(0);
}
