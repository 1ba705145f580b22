//! The config repository in trouble: rewritten, deleted, cut off, closed to us. It is said plainly, nothing is taken for more
//! than it is, and reconciling goes on once the trouble is over.

use std::process::Command;

use super::probes::Probed;
use super::process::{Machine, Run, Stage, small, until};
use crate::git::server::{Server, Trouble};

const STATUS: &str = "privlink/status/prod";
const ALICE: &str = "alice <alice@example.com>";
const MALLORY: &str = "mallory <mallory@example.com>";
const LEDGER: &str = "environments/prod/consume/ledger.yaml";
const STOREFRONT: &str = "environments/prod/services/storefront.yaml";

type Files = Vec<(String, String)>;

/// The small example without its endpoint, which somebody adds later: a notable change, for which a merge is consent enough.
fn without_ledger() -> Files {
    small().into_iter().filter(|(path, _)| path != LEDGER).collect()
}

/// The small example with another label on a Service.
fn relabelled(label: &str) -> Files {
    let text = |(path, text): (String, String)| {
        let text = if path == STOREFRONT { text.replace("app: storefront", &format!("app: {label}")) } else { text };
        (path, text)
    };
    small().into_iter().map(text).collect()
}

/// A stage on which these files were applied.
fn applied(files: &Files) -> Stage {
    let stage = Stage::new(files);
    stage.apply().ends(0);
    stage.idle();
    stage.apply().ends(0);
    stage.assert_converged();
    stage
}

/// Replaces the history of the config branch by one commit, as a force-push does.
fn rewrite(stage: &Stage, author: &str, files: &Files) {
    stage.repo.open().find_reference("refs/heads/main").unwrap().delete().unwrap();
    stage.repo.commit("main", author, files);
}

/// The lines from the one that says that something is missing.
fn missing(run: &Run) -> String {
    let all = run.all();
    let lines = all.lines().skip_while(|line| !line.contains("waits for approval"));
    let text =
        lines.take_while(|line| !line.starts_with("Plan for ") && !line.is_empty()).collect::<Vec<_>>().join("\n");
    let commit = text.split("contain commit ").nth(1).map(|rest| rest[..rest.find(',').unwrap()].to_owned());
    commit.map_or(text.clone(), |commit| text.replace(&commit, "<commit>"))
}

#[test]
fn a_rewritten_history_takes_the_word_of_nobody_and_says_so() {
    let stage = applied(&without_ledger());
    let writes = stage.writes();
    rewrite(&stage, MALLORY, &small());
    let run = stage.run(&["agent", "--once"]).ends(4);
    insta::assert_snapshot!(missing(&run), @r#"
    prod: waits for approval: `privlink approve` shows the plan, asks, and commits one
      notable changes need merge: privateendpoint/myLedgerPE
      the history of the config branch does not contain commit <commit>, which was applied last: it was rewritten. Nobody can tell what was merged since, and by whom: nothing counts as merged, and no approval by anybody who wrote any commit of it
      help: let somebody look at the plan and apply it once by `privlink apply`: what came before is not looked at again
    "#);
    stage.run(&["apply", "--yes"]).ends(4).says("nothing counts as merged");
    assert_eq!(stage.writes(), writes, "nothing was written");
    // Whoever looked at it may still say yes, and from then on the new history is the history.
    let plan = stage.run(&["apply", "--approve-plan", &"0".repeat(64)]).ends(4);
    let id = plan.all().lines().find_map(|line| line.split("the plan now is ").nth(1).map(ToOwned::to_owned)).unwrap();
    stage.run(&["apply", "--approve-plan", &id]).ends(0);
    stage.idle();
    stage.apply().ends(0);
    stage.repo.commit("main", MALLORY, &relabelled("shop"));
    stage.run(&["agent", "--once"]).ends(0);
    assert!(stage.writes() > writes);
}

#[test]
fn rules_that_are_gone_with_the_history_have_to_be_agreed_to_anew() {
    let stage = applied(&without_ledger());
    let writes = stage.writes();
    rewrite(&stage, MALLORY, &without_ledger());
    std::fs::remove_dir_all(stage.machine.home.join(".cache")).unwrap();
    let run = stage.run(&["agent", "--once"]).ends(4);
    assert!(missing(&run).contains("are gone with the history of the branch"), "{}", run.all());
    assert_eq!(stage.writes(), writes);
}

#[test]
fn a_deleted_branch_is_waited_for_and_no_other_takes_its_place() {
    let stage = Stage::new(&small());
    let agent = Probed::start(&stage, &["--interval", "20ms", "--drift-interval", "1h", "--debounce", "1ms"]);
    until("it has applied", || agent.get("/readyz").0 == 200 && stage.repo.count(STATUS) >= 1);
    stage.idle();
    stage.repo.commit("feature", MALLORY, &relabelled("mallory"));
    let tip = stage.repo.open().refname_to_id("refs/heads/main").unwrap();
    stage.repo.open().find_reference("refs/heads/main").unwrap().delete().unwrap();
    let failed = || agent.metrics().get(r#"privlink_looks_total{result="failed"}"#);
    let before = failed();
    until("it has missed the branch", || failed() >= before + 1.0);
    stage.repo.open().reference("refs/heads/main", tip, false, "restored").unwrap();
    stage.repo.commit("main", ALICE, &relabelled("shop"));
    let label = || {
        let cluster = stage.simulator().cluster("myAKSCluster").unwrap();
        cluster.get("service", "default", "storefront").unwrap()["spec"]["selector"]["app"].clone()
    };
    until("it goes on", || label() == "shop");
    let told = agent.stop();
    insta::assert_snapshot!(told.errors().replace(&stage.url(), "<url>"), @"error: <url> has no branch main: push it, or name another one");
}

#[test]
fn a_pointer_of_git_lfs_is_named_with_the_way_out() {
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n";
    let mut files = small();
    files.retain(|(path, _)| path != STOREFRONT);
    files.push((STOREFRONT.to_owned(), pointer.to_owned()));
    let stage = Stage::new(&files);
    let run = stage.run(&["agent", "--once"]).ends(3);
    let diagnostic = &run.err[run.err.find("error[").unwrap()..];
    insta::assert_snapshot!(diagnostic, @r#"
    error[REPO019]: environments/prod/services/storefront.yaml is a pointer of Git LFS, and what it stands for is not here
    --> environments/prod/services/storefront.yaml
     = help: commit the text itself: take the pattern that matches it out of .gitattributes, run `git add --renormalize environments/prod/services/storefront.yaml`, and commit

    1 error in 1 file
    "#);
    assert_eq!(stage.writes(), 0, "a file that is not here is no wish to delete");
}

/// An agent of a repository behind a server, where it has applied.
fn served(stage: &Stage) -> Option<(Server, Probed)> {
    let server = Server::start(stage.folder().to_owned())?;
    let machine: Machine = stage.machine.clone().with("PRIVLINK_GIT_TOKEN", "good");
    let calm = ["--interval", "50ms", "--drift-interval", "1h", "--debounce", "1ms"];
    let agent = Probed::on(&machine, &server.url("config.git"), &calm);
    until("it has applied", || agent.get("/readyz").0 == 200 && stage.repo.count(STATUS) >= 1);
    stage.idle();
    Some((server, agent))
}

#[test]
fn a_token_that_lost_its_rights_is_told_once_and_when_it_has_them_again_the_agent_goes_on() {
    let mut told = String::new();
    for trouble in [Trouble::Expired, Trouble::Revoked] {
        let stage = Stage::new(&small());
        let Some((server, agent)) = served(&stage) else { return };
        let failed = || agent.metrics().get(r#"privlink_looks_total{result="failed"}"#);
        let before = failed();
        server.trouble(trouble, 0);
        until("it was refused", || failed() >= before + 1.0);
        let writes = stage.writes();
        stage.repo.commit("main", ALICE, &relabelled("shop"));
        assert_eq!(agent.get("/healthz").0, 200, "to start it anew helps nobody");
        server.calm();
        until("it goes on", || stage.writes() > writes);
        let run = agent.stop();
        // A pass may have met it as well as a look.
        let first = run.errors().lines().find(|line| !line.contains("prod: ")).unwrap_or_default().to_owned();
        told += &first.replace(&server.url("config.git"), "<url>");
        told.push('\n');
        assert!(run.err.matches(&first).count() <= 2, "said again and again: {}", run.err);
    }
    insta::assert_snapshot!(told, @r#"
    error: <url> refuses access: the credentials are wrong or expired; renew PRIVLINK_GIT_TOKEN or what the credential helper holds
    error: <url> refuses access: the account may not do this; give it read and write access to the repository
    "#);
}

/// Makes a hook that refuses refs.
fn refuse(stage: &Stage, refs: &str) -> std::path::PathBuf {
    let hook = stage.folder().join("config.git/hooks/pre-receive");
    std::fs::create_dir_all(hook.parent().unwrap()).unwrap();
    let script = format!(
        "#!/bin/sh\nwhile read old new ref; do case $ref in {refs}) echo \"$ref is protected\"; exit 1;; esac; done\n"
    );
    std::fs::write(&hook, script).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&hook, mode).unwrap();
    hook
}

#[test]
fn a_protected_status_branch_is_told_and_what_is_merged_is_applied_all_the_same() {
    let stage = Stage::new(&small());
    let Some((_server, agent)) = served(&stage) else { return };
    let hook = refuse(&stage, "refs/heads/privlink/status/*");
    let commits = stage.repo.count(STATUS);
    for label in ["one", "two"] {
        let writes = stage.writes();
        stage.repo.commit("main", ALICE, &relabelled(label));
        until("it is applied", || stage.writes() > writes);
    }
    let failures = || agent.metrics().sum("privlink_status_push_failures_total");
    until("it has tried to say so", || failures() >= 1.0);
    assert_eq!(stage.repo.count(STATUS), commits);
    std::fs::remove_file(hook).unwrap();
    agent.agent.signal("HUP");
    until("the status is told later", || stage.repo.count(STATUS) > commits);
    let run = agent.stop();
    let warning = run.err.lines().find(|line| line.starts_with("warning: ")).unwrap();
    insta::assert_snapshot!(warning, @"warning: prod: the status was not pushed: refs/heads/privlink/status/prod is refused: pre-receive hook declined: refs/heads/privlink/status/prod is protected; let privlink push to it, or name another branch in [status]");
}

#[test]
fn a_token_that_may_not_push_at_all_applies_nothing_and_says_what_it_lacks() {
    let stage = Stage::new(&small());
    let Some(server) = Server::start(stage.folder().to_owned()) else { return };
    refuse(&stage, "*");
    let machine = stage.machine.clone().with("PRIVLINK_GIT_TOKEN", "good");
    let url = server.url("config.git");
    let run = machine.run(&["agent", "--once", "--repo", &url]).ends(1);
    insta::assert_snapshot!(run.errors().replace(&url, "<url>"), @"error: prod: the lease could not be read or written: refs/privlink/lease/prod cannot be pushed: pre-receive hook declined: refs/privlink/lease/prod is protected; let privlink push to refs/privlink/*, where it says that it alone writes");
    assert_eq!(stage.writes(), 0, "without the lease nobody writes");
}

#[test]
fn a_server_with_a_cut_history_is_one_sentence_behind_every_address() {
    let stage = Stage::new(&without_ledger());
    stage.repo.commit("main", ALICE, &small());
    let Some(server) = Server::start(stage.folder().to_owned()) else { return };
    let cut = stage.folder().join("cut.git");
    let path = std::env::var("PATH").unwrap_or_default();
    let mut clone = Command::new("git");
    clone.args(["clone", "--quiet", "--bare", "--branch", "main", "--depth", "1", &stage.url(), cut.to_str().unwrap()]);
    assert!(clone.env_clear().env("PATH", path).status().unwrap().success());
    let machine = stage.machine.clone().with("PRIVLINK_GIT_TOKEN", "good");
    let told = [format!("file://{}", cut.display()), server.url("cut.git")].map(|url| {
        let run = machine.run(&["agent", "--once", "--repo", &url]).ends(1);
        run.errors().replace(&url, "<url>")
    });
    assert_eq!(told[0], told[1]);
    insta::assert_snapshot!(told[0], @"error: the history of <url> is cut off, because it is a shallow clone: give privlink the repository it was cloned from, or complete it by `git fetch --unshallow` there; who wrote a change is told by its history");
}
