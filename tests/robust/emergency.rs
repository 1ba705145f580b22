//! Breaking the glass, with the program: what it writes, and what it leaves for everybody to see.

use super::process::{Stage, example_with_approval};
use super::signed::{ALICE, agent, plan_id};

const REASON: &str = "INC-4711: the gateway is down";

/// The example, frozen for long, where every change needs one person.
fn frozen(rules: &str) -> Vec<(String, String)> {
    let rules =
        format!("prune = true\n{rules}\nfreeze = {{ reason = \"the yearly sale\", until = \"2999-01-01T00:00:00Z\" }}");
    let files = example_with_approval().into_iter();
    files.map(|(path, text)| (path, text.replace("prune = true", &rules))).collect()
}

fn status_file(stage: &Stage, name: &str) -> String {
    let files = stage.repo.files("privlink/status/prod");
    let found = files.iter().find(|(path, _)| path.contains(name));
    found.unwrap_or_else(|| panic!("no {name} in {:?}", files.iter().map(|it| &it.0).collect::<Vec<_>>())).1.clone()
}

#[test]
fn the_glass_is_broken_with_a_yes_and_everybody_sees_it() {
    let stage = Stage::new(&frozen("break-glass = true"));
    let waiting = agent(&stage).ends(4);
    // Nobody is there to say yes.
    stage.run(&["apply", "--break-glass", REASON]).ends(4).says("breaking the glass: this is not waited for");
    stage.run(&["apply", "--break-glass", "  no "]).ends(1).says("why this cannot wait");
    assert_eq!(stage.writes(), 0);
    stage
        .run(&["apply", "--break-glass", REASON, "--yes"])
        .ends(0)
        .says("nothing is applied before 2999-01-01T00:00:00Z: the yearly sale")
        .says("changes need 1 person");
    stage.assert_converged();
    let record = status_file(&stage, &plan_id(&waiting));
    assert!(record.contains("breakGlass:") && record.contains(REASON), "{record}");
    assert!(record.contains("- frozen until 2999-01-01T00:00:00Z"), "{record}");
    let readme = status_file(&stage, "status/prod/README.md");
    assert!(readme.contains("**Break-glass**: the glass was broken 1 time, the last time at"), "{readme}");
    stage.run(&["status"]).ends(0).says("the glass was broken 1 time").says(REASON);
    // There is nothing to break it for any more, and it stays told.
    stage.run(&["apply", "--break-glass", REASON, "--yes"]).ends(0);
    agent(&stage).ends(0);
    stage.run(&["status"]).ends(0).says("the glass was broken 1 time");
    stage.idle();
}

#[test]
fn where_it_is_off_or_only_just_allowed_nothing_is_written() {
    let stage = Stage::new(&frozen(""));
    let off = "error: the rules in force do not let anybody break the glass";
    stage.run(&["apply", "--break-glass", REASON, "--yes"]).ends(4).says(off);
    assert_eq!(stage.writes(), 0);
    // Once something was accepted, a commit cannot allow it to itself.
    let thawed =
        |text: &str| text.replace("until = \"2999", "until = \"2019").replace("notable = 1", "notable = \"merge\"");
    let files: Vec<_> = frozen("").into_iter().map(|(path, text)| (path, thawed(&text))).collect();
    stage.repo.commit("main", ALICE, &files);
    agent(&stage).ends(0);
    let written = stage.writes();
    let changed = |text: &str| text.replace("port: 80\n", "port: 8080\n");
    let files = frozen("break-glass = true").into_iter().map(|(path, text)| (path, changed(&text))).collect::<Vec<_>>();
    stage.repo.commit("main", ALICE, &files);
    stage.run(&["apply", "--break-glass", REASON, "--yes"]).ends(4).says(off).says("the glass may be broken");
    assert_eq!(stage.writes(), written);
}

#[test]
fn what_the_commit_loosens_stays_unapproved() {
    let open =
        |text: &str| text.replace("until = \"2999", "until = \"2019").replace("notable = 1", "notable = \"merge\"");
    let all = |edit: &dyn Fn(&str) -> String| -> Vec<(String, String)> {
        frozen("break-glass = true").into_iter().map(|(path, text)| (path, edit(&text))).collect()
    };
    let stage = Stage::new(&all(&open));
    agent(&stage).ends(0);
    let looser = |text: &str| {
        open(text).replace("notable = \"merge\"", "notable = \"automatic\"").replace("port: 80\n", "port: 8080\n")
    };
    stage.repo.commit("main", ALICE, &all(&looser));
    stage.run(&["apply", "--break-glass", REASON, "--yes"]).ends(0);
    agent(&stage).ends(4).says("notable changes need automatic instead of merge");
}
