//! The status branch under pressure: races, refusals, rewritten and deleted history, and nothing to say at all.

use std::thread;

use super::process::{Stage, example, small};

const BRANCH: &str = "privlink/status/prod";
const SOMEBODY: &str = "Somebody <somebody@example.com>";

/// The status files, without what another writer put beside them.
fn own_files(stage: &Stage) -> Vec<(String, String)> {
    stage.repo.files(BRANCH).into_iter().filter(|(path, _)| !path.starts_with("notes/")).collect()
}

#[test]
fn a_converged_repository_gets_no_commit_and_no_write_in_fifty_passes() {
    let stage = Stage::new(&example());
    stage.apply().ends(0);
    stage.apply().ends(0);
    let (commits, writes, files) = (stage.repo.count(BRANCH), stage.writes(), own_files(&stage));
    for _ in 0..50 {
        stage.run(&["agent", "--once"]).ends(0);
    }
    assert_eq!(stage.writes(), writes);
    assert_eq!(stage.repo.count(BRANCH), commits);
    assert_eq!(own_files(&stage), files);
}

#[test]
fn another_writer_of_the_branch_and_the_agent_lose_nothing() {
    let stage = Stage::new(&small());
    stage.apply().ends(0);
    let storefront = "environments/prod/services/storefront.yaml";
    let text = small().into_iter().find(|(path, _)| path == storefront).unwrap().1;
    for round in 0..20 {
        // Each round changes what the status says, while somebody else commits to the same branch.
        let text = text.replace("targetPort: 8443", &format!("targetPort: {}", 9000 + round));
        stage.repo.commit("main", "alice <alice@example.com>", &[(storefront.to_owned(), text)]);
        let before = stage.repo.count(BRANCH);
        let running = stage.start(&["apply", "--approve-plan", &"0".repeat(64)]);
        let plan = running.wait().ends(4);
        let id =
            plan.all().lines().find_map(|line| line.split("the plan now is ").nth(1).map(ToOwned::to_owned)).unwrap();
        let running = stage.start(&["apply", "--approve-plan", &id]);
        let repo = &stage.repo;
        thread::scope(|scope| {
            scope.spawn(move || {
                for note in 0..8 {
                    // A writer that does not look: it takes the tip, and moves the branch if it still is there.
                    repo.append(BRANCH, SOMEBODY, &format!("notes/{round}-{note}.txt"));
                }
            });
            running.wait().ends(0);
        });
        assert!(stage.repo.count(BRANCH) > before + 8, "round {round}: a commit is lost");
    }
    let notes = stage.repo.files(BRANCH).into_iter().filter(|(path, _)| path.starts_with("notes/")).count();
    assert_eq!(notes, 160, "the other writer's files are all there");
    stage.assert_converged();
}

#[test]
fn a_branch_that_refuses_is_told_and_what_was_applied_stays() {
    let folder_stage = Stage::new(&small());
    // A checked-out branch of a repository with a working tree may not be pushed to.
    let checkout = folder_stage.folder().join("origin");
    let repository = git2::build::RepoBuilder::new().branch("main").clone(&folder_stage.url(), &checkout).unwrap();
    let tip = repository.head().unwrap().peel_to_commit().unwrap();
    repository.branch(BRANCH, &tip, false).unwrap();
    repository.set_head(&format!("refs/heads/{BRANCH}")).unwrap();
    let url = format!("file://{}", checkout.display());
    let run = folder_stage.machine.run(&["apply", "--yes", "--repo", &url, "--ref", "main"]).ends(1);
    assert!(run.out.contains("Applied: "), "{}", run.out);
    assert!(run.errors().contains("the status was not pushed"), "{}", run.err);
    assert!(run.errors().contains(BRANCH) && run.errors().contains("let privlink push to it"), "{}", run.err);
    repository.set_head("refs/heads/main").unwrap();
    folder_stage.machine.run(&["apply", "--yes", "--repo", &url, "--ref", "main"]).ends(0).says("No changes");
}

#[test]
fn a_deleted_or_rewritten_branch_is_made_again() {
    let stage = Stage::new(&small());
    stage.apply().ends(0);
    let current = |stage: &Stage| -> Vec<String> {
        own_files(stage).into_iter().map(|(path, _)| path).filter(|path| !path.contains("/applied/")).collect()
    };
    let files = current(&stage);
    let branch = format!("refs/heads/{BRANCH}");
    stage.repo.open().find_reference(&branch).unwrap().delete().unwrap();
    stage.run(&["status"]).ends(0).says("no pass has written a status yet");
    stage.run(&["agent", "--once"]).ends(0);
    assert_eq!(current(&stage), files, "deleted");
    // Rewritten: a history that has nothing to do with the old one, and files that nobody can read.
    stage.repo.open().find_reference(&branch).unwrap().delete().unwrap();
    let nonsense = ["environment.yaml", "service/default/storefront.yaml", "applied/x.yaml"];
    let nonsense = nonsense.map(|path| (format!("status/prod/{path}"), "kind: [\n\u{0}".to_owned()));
    stage.repo.commit(BRANCH, SOMEBODY, &nonsense);
    stage.run(&["agent", "--once"]).ends(0);
    assert_eq!(current(&stage), files, "rewritten");
    stage.assert_converged();
    stage.run(&["status"]).ends(0).says("storefront");
    assert_eq!(stage.run(&["agent", "--once"]).ends(0).code, Some(0));
}
