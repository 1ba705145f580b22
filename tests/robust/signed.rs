//! Environments that require signatures: who signs a change, who signs approvals of it, and what counts.

use super::process::{Run, Stage, example_with_approval};
use crate::support::signing::{OpenPgp, Ssh, has};

pub(super) const ALICE: &str = "Alice <alice@example.com>";
pub(super) const BOB: &str = "Bob <bob@example.com>";
pub(super) const CAROL: &str = "Carol <carol@example.com>";

/// The branch on which signed approvals may live.
pub(super) const BRANCH: &str = "privlink/approvals/prod";

/// Alice and Bob have an SSH key, Carol an OpenPGP key.
pub(super) fn alice() -> Ssh {
    Ssh::of(1)
}

pub(super) fn bob() -> Ssh {
    Ssh::of(2)
}

pub(super) fn carol() -> OpenPgp {
    OpenPgp::of(3)
}

/// The quick part of the example, where what is not safe needs so many signed approvals.
pub(super) fn files(people: u32) -> Vec<(String, Option<Vec<u8>>)> {
    let wanted = ["privlink.toml", "services/storefront.yaml", "services/inventory.yaml"];
    let keys = format!(
        "[approvers.alice]\nssh = {:?}\n\n[approvers.bob]\nssh = {:?}\n\n[approvers.carol]\nopenpgp = '''\n{}'''\n",
        alice().public(),
        bob().public(),
        carol().public()
    );
    let signed = |text: &str| {
        text.replace("[approvers.alice]\n\n[approvers.bob]\n", &keys)
            .replace("prune = true", "prune = true\nsignatures = \"required\"")
            .replace("notable = 1", &format!("notable = {people}"))
            .replace("disruptive = 1", &format!("disruptive = {people}"))
            .replace("severing = 1", &format!("severing = {people}"))
    };
    let files = example_with_approval().into_iter();
    files
        .filter(|(path, _)| wanted.iter().any(|end| path.ends_with(end)))
        .map(|(path, text)| (path, Some(signed(&text).into_bytes())))
        .collect()
}

/// A stage whose files Alice wrote and signed.
pub(super) fn stage(people: u32) -> Stage {
    let stage = Stage::new(&[]);
    stage.repo.edit_signed(("main", ALICE), &files(people), Some(&|bytes| alice().sign("git", bytes)));
    stage
}

pub(super) fn agent(stage: &Stage) -> Run {
    stage.run(&["agent", "--once"])
}

/// The id of the plan that a run shows.
pub(super) fn plan_id(run: &Run) -> String {
    let line = run.all().lines().find_map(|line| Some(line.strip_prefix("Plan id: ")?.to_owned()));
    line.unwrap_or_else(|| panic!("there is no plan in\n{}", run.all()))
}

/// Approves by the program, with the key of a person that `ssh-keygen` uses.
pub(super) fn approve(stage: &Stage, (name, author): (&str, &str), plan: &str, key: &Ssh) -> Run {
    let file = stage.folder().join(format!("key-of-{name}"));
    key.write_to(&file);
    let key = file.to_str().unwrap();
    stage.run(&["approve", "--as", name, "--plan", plan, "--yes", "--author", author, "--signing-key", key])
}

/// The approval that is on the approvals branch, made another person's.
pub(super) fn as_another(stage: &Stage, from: &str, to: &str) -> (String, String) {
    let files = stage.repo.files(BRANCH);
    let (path, text) = files.into_iter().find(|(path, _)| path.ends_with(&format!("{from}.yaml"))).unwrap();
    (
        path.replace(&format!("{from}.yaml"), &format!("{to}.yaml")),
        text.replace(&format!("approver: {from}"), &format!("approver: {to}")),
    )
}

#[test]
fn two_people_sign_and_the_plan_runs() {
    if !has("ssh-keygen") {
        return;
    }
    let stage = stage(2);
    let id = plan_id(&agent(&stage).ends(4));
    approve(&stage, ("bob", BOB), &id, &bob()).ends(0).says(&format!("on {BRANCH}"));
    agent(&stage).ends(4).says("2 people, and 1 counts so far");
    assert_eq!(stage.writes(), 0);
    let (path, text) = as_another(&stage, "bob", "carol");
    let file = [(path, Some(text.into_bytes()))];
    stage.repo.edit_signed((BRANCH, CAROL), &file, Some(&|bytes| carol().sign_by_subkey(bytes)));
    agent(&stage).ends(0).says("Applied: 2 of 2 steps done");
    stage.idle();
    stage.assert_converged();
}

#[test]
fn an_approval_that_would_not_count_is_not_pushed() {
    if !has("ssh-keygen") {
        return;
    }
    let stage = stage(2);
    let id = plan_id(&agent(&stage).ends(4));
    let run = approve(&stage, ("bob", BOB), &id, &alice()).ends(1);
    assert!(run.err.contains("the key is that of alice, not of bob"), "{}", run.err);
    let run = approve(&stage, ("bob", BOB), &id, &Ssh::of(99)).ends(1);
    assert!(run.err.contains("is signed by a key that nobody here has (SHA256:"), "{}", run.err);
    let run = stage.run(&["approve", "--as", "bob", "--plan", &id, "--yes", "--author", BOB]).ends(1);
    assert!(run.err.contains("this environment takes signed approvals only"), "{}", run.err);
    assert_eq!(stage.repo.count(BRANCH), 0);
}

#[test]
fn a_change_that_nobody_known_signed_is_applied_by_hand_only() {
    let stage = Stage::new(&[]);
    stage.repo.edit("main", ALICE, &files(2));
    let run = agent(&stage).ends(4).says("nobody can tell who made the change: commit ");
    assert!(run.err.contains("by Alice <alice@example.com> is not signed"), "{}", run.err);
    assert_eq!(stage.writes(), 0);
}

#[test]
fn a_frozen_environment_waits_for_its_time_and_says_why() {
    let stage = Stage::new(&example_with_approval());
    let settings = example_with_approval().into_iter().find(|(path, _)| path == "privlink.toml").unwrap();
    let freeze = "prune = true\nfreeze = { reason = \"the yearly sale\", until = \"2999-01-01T00:00:00Z\" }";
    let text = settings.1.replace("prune = true", freeze).replace("notable = 1", "notable = \"merge\"");
    stage.repo.commit("main", ALICE, &[(settings.0, text)]);
    let told = "nothing is applied before 2999-01-01T00:00:00Z: the yearly sale";
    agent(&stage).ends(4).says("waits until the environment is not frozen any more").says(told);
    stage.run(&["apply", "--yes"]).ends(4).says(told);
    assert_eq!(stage.writes(), 0);
}

#[test]
fn outside_its_change_windows_a_plan_waits_and_says_when_they_open() {
    let stage = Stage::new(&example_with_approval());
    let settings = example_with_approval().into_iter().find(|(path, _)| path == "privlink.toml").unwrap();
    let within = |windows: &str| {
        let rules = format!("prune = true\nwindows = {{ time-zone = \"Europe/Zurich\", {windows} }}");
        settings.1.replace("prune = true", &rules).replace("notable = 1", "notable = \"merge\"")
    };
    let never = "deny = [{ first = \"2020-01-01\", last = \"2998-12-31\", reason = \"the long sale\" }]";
    stage.repo.commit("main", ALICE, &[(settings.0.clone(), within(never))]);
    let (denied, until) = (
        "no changes every day 00:00-24:00 from 2020-01-01 to 2998-12-31: the long sale",
        "until 2999-01-01 00:00 Europe/Zurich",
    );
    agent(&stage).ends(4).says("waits for its change window").says(denied).says(until);
    stage.run(&["apply", "--yes"]).ends(4).says("error: this is not the time to apply it").says(until);
    let files = stage.repo.files("privlink/status/prod");
    let (_, pending) = files.iter().find(|(path, _)| path.contains("/plans/") && path.ends_with(".md")).unwrap();
    let pending = pending.replace('\u{200b}', "");
    assert!(pending.contains("): every day 00:00-24:00 from 2020-01-01"), "{pending}");
    assert_eq!(stage.writes(), 0);
    // Nothing was accepted yet, so no window is loosened.
    stage.repo.commit("main", ALICE, &[(settings.0.clone(), within("allow = [{ days = [\"mon-sun\"] }]"))]);
    agent(&stage).ends(0).says("): every day 00:00-24:00, Europe/Zurich");
    stage.assert_converged();
}

#[test]
fn the_floor_of_the_runner_is_in_force_whatever_the_repository_says() {
    let stage = Stage::new(&example_with_approval());
    let settings = example_with_approval().into_iter().find(|(path, _)| path == "privlink.toml").unwrap();
    stage.repo.commit("main", ALICE, &[(settings.0, settings.1.replace("notable = 1", "notable = \"merge\""))]);
    let file = stage.folder().join("floor.toml");
    let floor = |text: &str| {
        std::fs::write(&file, text).unwrap();
        ["--approval-floor", file.to_str().unwrap()]
    };
    let with = |command: &[&str], text: &str| stage.run(&[command, &floor(text)].concat());
    with(&["agent", "--once"], "[environments.prod]\nsignature = \"required\"\n")
        .ends(3)
        .says("did you mean `signatures`");
    let other = "[environments.test]\n";
    with(&["agent", "--once"], other).ends(1).says("the approval floor does not name environment prod");
    let strict = "[environments.prod.approval]\nnotable = 1\n";
    with(&["agent", "--once"], strict).ends(4).says("notable changes need 1 person");
    assert_eq!(stage.writes(), 0);
    let plain = plan_id(&stage.run(&["plan"]).ends(0));
    let plan = plan_id(&with(&["plan"], strict).ends(0));
    assert_ne!(plan, plain, "the rules in force are in the id");
    with(&["approve", "--as", "bob", "--plan", &plan, "--yes", "--author", BOB], strict).ends(0);
    with(&["agent", "--once"], strict).ends(0);
    stage.assert_converged();
}

#[test]
fn an_approval_that_was_taken_back_does_not_return_by_a_rewritten_branch() {
    if !has("ssh-keygen") {
        return;
    }
    let stage = stage(2);
    let id = plan_id(&agent(&stage).ends(4));
    approve(&stage, ("bob", BOB), &id, &bob()).ends(0);
    agent(&stage).ends(4).says("2 people, and 1 counts so far");
    let tip = || stage.repo.open().find_reference(&format!("refs/heads/{BRANCH}")).unwrap().target().unwrap();
    let approved = tip();
    let (path, text) = as_another(&stage, "bob", "bob");
    stage.repo.edit_signed((BRANCH, BOB), &[(path, None)], Some(&|bytes| bob().sign("git", bytes)));
    assert!(!agent(&stage).ends(4).all().contains("so far"));
    // Anybody may push to the branch, and so rewrite it.
    stage.repo.open().reference(&format!("refs/heads/{BRANCH}"), approved, true, "test").unwrap();
    let run = agent(&stage).ends(4).says("it was taken back before, and is there again");
    assert!(!run.all().contains("so far"), "{}", run.all());
    let by_carol = |text: &str| text.replace("approver: bob", "approver: carol");
    let (path, _) = as_another(&stage, "bob", "carol");
    let file = [(path, Some(by_carol(&text).into_bytes()))];
    stage.repo.edit_signed((BRANCH, CAROL), &file, Some(&|bytes| carol().sign_by_subkey(bytes)));
    agent(&stage).ends(4).says("2 people, and 1 counts so far");
    assert_eq!(stage.writes(), 0);
    // A new approval is by another commit, and counts.
    let again = text.replace("approver: bob", "reason: once more\napprover: bob");
    let (path, _) = as_another(&stage, "bob", "bob");
    let file = [(path, Some(again.into_bytes()))];
    stage.repo.edit_signed((BRANCH, BOB), &file, Some(&|bytes| bob().sign("git", bytes)));
    agent(&stage).ends(0).says("Applied: 2 of 2 steps done");
}

#[test]
fn a_branch_that_goes_back_to_before_an_approval_takes_it_back_for_good() {
    if !has("ssh-keygen") {
        return;
    }
    let stage = stage(2);
    let id = plan_id(&agent(&stage).ends(4));
    approve(&stage, ("bob", BOB), &id, &bob()).ends(0);
    agent(&stage).ends(4).says("2 people, and 1 counts so far");
    let name = format!("refs/heads/{BRANCH}");
    let approved = stage.repo.open().find_reference(&name).unwrap().target().unwrap();
    stage.repo.open().find_reference(&name).unwrap().delete().unwrap();
    assert!(!agent(&stage).ends(4).all().contains("so far"));
    let commits = stage.repo.count("privlink/status/prod");
    agent(&stage).ends(4);
    assert_eq!(stage.repo.count("privlink/status/prod"), commits, "nothing new is nothing to say");
    stage.repo.open().reference(&name, approved, true, "test").unwrap();
    assert!(!agent(&stage).ends(4).all().contains("so far"));
    assert_eq!(stage.writes(), 0);
}
