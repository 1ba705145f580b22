//! Pull requests: what `privlink review` tells them, and that nothing in them is believed.

use std::path::Path;
use std::path::PathBuf;

use privlink::cli::Exit;
use privlink::cli::demo::EXAMPLE;
use serde_json::Value;

use super::docs;
use crate::runner::Ran;
use crate::runner::Stage;
use crate::runner::worlds;

const SERVICE: &str = "environments/prod/web.yaml";
/// The example's edit that cuts its consumers, as the demonstration makes it.
const EDITED: &str = "environments/prod/services/orders.yaml";

/// A converged world in which a Service is published and consumed.
pub(crate) fn published() -> Stage {
    let stage = Stage::new();
    stage.repo.commit(&[
        ("privlink.toml", &worlds::settings()),
        (SERVICE, &docs::service("web", &[("azure-load-balancer-ipv4", "10.224.0.90")])),
        ("environments/prod/web-published.yaml", &docs::published("web")),
        ("environments/prod/web-endpoint.yaml", &docs::endpoint_with("web", &docs::dns("web"))),
    ]);
    stage.converge();
    stage
}

/// The edit that cuts the consumer of `web`.
fn moved() -> String {
    docs::service("web", &[("azure-load-balancer-ipv4", "10.224.0.91")])
}

fn review(stage: &Stage, arguments: &[&str]) -> Ran {
    let all = [&["--base", "main", "--head", "feature"], arguments].concat();
    stage.run_on_repo("review", &all)
}

/// Everything that is told, with the comment.
#[track_caller]
fn told(stage: &Stage, end: Exit) -> Value {
    let ran = review(stage, &["--format", "json"]).ends(end);
    let mut all: Value = serde_json::from_str(&ran.out).unwrap();
    all["environments"][0].take()
}

fn statuses(told: &Value) -> Vec<String> {
    let words = |it: &Value| {
        let word = |name: &str| it[name].as_str().unwrap().to_owned();
        format!("{} {}: {}", word("context"), word("state"), word("description"))
    };
    told["statuses"].as_array().unwrap().iter().map(words).collect()
}

fn comment(told: &Value) -> &str {
    told["comment"].as_str().unwrap()
}

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/ci").join(name)
}

/// What differs from one run to the next.
fn steady(comment: &str, stage: &Stage) -> String {
    let mut text = comment.replace(&stage.repo.url(), "https://git.example.com/network/config.git");
    // The day on which the connection was first seen is that of the test.
    let today = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date();
    for day in [today, today.yesterday().unwrap()] {
        text = text.replace(&format!(" {day} |"), " 2026-11-20 |");
    }
    for branch in ["main", "feature"] {
        let tip = stage.repo.tip(branch).unwrap();
        text = text.replace(&tip[..10], if branch == "main" { "1111111111" } else { "2222222222" });
    }
    text
}

#[test]
fn the_comments_in_the_examples_are_what_the_example_s_dangerous_edit_gives() {
    let stage = Stage::converged_example();
    let (_, text) = EXAMPLE.iter().find(|(path, _)| *path == EDITED).unwrap();
    let edited = text.replace("10.224.0.200", "10.224.0.201");
    assert_ne!(*text, edited);
    stage.repo.edit("main", "feature", &[(EDITED, Some(&edited))]);
    for (forge, name) in
        [("github", "comment.md"), ("gitlab", "comment.gitlab.md"), ("azure-devops", "comment.azure-devops.md")]
    {
        let ran = review(&stage, &["--format", "comment", "--forge", forge]).ends(Exit::Done);
        let is = steady(&ran.out, &stage);
        let file = example(name);
        if std::env::var("PRIVLINK_BLESS").is_ok() {
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(&file, &is).unwrap();
        }
        let written = std::fs::read_to_string(&file).unwrap_or_default();
        assert!(written == is, "PRIVLINK_BLESS=1 writes {}, which is not what is told:\n{is}", file.display());
    }
    assert!(stage.repo.tip("feature").is_some() && stage.writes() > 0);
}

#[test]
fn a_severing_change_is_planned_told_and_waits_for_its_approval() {
    let stage = published();
    stage.repo.edit("main", "feature", &[(SERVICE, Some(&moved()))]);
    let writes = stage.writes();
    let told_now = told(&stage, Exit::Done);
    assert_eq!(
        statuses(&told_now),
        [
            "privlink/plan/prod success: 2 replace, 2 update: 1 connection cut, SEVERING",
            "privlink/approved/prod pending: severing: 0 of 1 approvals",
        ]
    );
    let annotation = &told_now["annotations"][0];
    assert_eq!((annotation["path"].as_str(), annotation["line"].as_u64()), (Some(SERVICE), Some(7)));
    assert_eq!(annotation["title"], "severing: service/default/web: update");
    // Another commit of the same change keeps the comment as it is.
    stage.repo.edit("feature", "feature", &[("docs/why.md", Some("because\n"))]);
    assert_eq!(told(&stage, Exit::Done)["key"], told_now["key"]);
    // Whoever approves the very plan that the comment names has approved what is merged.
    let command = comment(&told_now).lines().find(|line| line.starts_with("privlink approve ")).unwrap().to_owned();
    let words: Vec<&str> =
        command.split(' ').skip(1).map(|word| if word == "YOUR-NAME" { "alice" } else { word }).collect();
    stage.run(&[words, vec!["--yes", "--author", "alice <alice@example.com>"]].concat()).ends(Exit::Done);
    assert_eq!(statuses(&told(&stage, Exit::Done))[1], "privlink/approved/prod success: approved by alice");
    assert_eq!(stage.writes(), writes);
}

#[test]
fn the_author_of_a_change_does_not_approve_it() {
    let stage = published();
    stage.repo.edit("main", "feature", &[(SERVICE, Some(&moved()))]);
    let told_now = told(&stage, Exit::Done);
    let id = told_now["key"].as_str().unwrap();
    let repository = stage.repo.open();
    let author = repository.revparse_single("feature").unwrap().peel_to_commit().unwrap();
    let author = author.author();
    let author = format!("{} <{}>", author.name().unwrap(), author.email().unwrap());
    let arguments = ["--ref", "feature", "--base", "main", "--as", "alice", "--plan", id, "--yes", "--author", &author];
    stage.run_on_repo("approve", &arguments).ends(Exit::Done);
    assert_eq!(statuses(&told(&stage, Exit::Done))[1], "privlink/approved/prod pending: severing: 0 of 1 approvals");
}

#[test]
fn a_world_that_cannot_be_read_is_told_alike_each_time_and_without_what_belongs_to_the_runner() {
    let stage = published();
    stage.repo.edit("main", "feature", &[(SERVICE, Some(&moved()))]);
    let url = stage.repo.url();
    let run = |format: &str, port: &str| {
        let nowhere = format!("https://127.0.0.1:{port},https://127.0.0.1:{port}");
        let arguments = ["review", "--repo", &url, "--base", "main", "--head", "feature", "--format", format];
        stage.run_with(&arguments, &[("PRIVLINK_CLOUD_SIMULATOR", &nowhere)]).ends(Exit::Failed)
    };
    let comment = run("comment", "9").out;
    assert!(comment.contains("nothing of Azure could be read") && !comment.contains("127.0.0.1"), "{comment}");
    assert_eq!(run("comment", "10").out, comment);
    run("text", "9").says("127.0.0.1:9");
}

#[test]
fn a_change_does_not_bring_its_own_approval() {
    let stage = published();
    stage.repo.edit("main", "feature", &[(SERVICE, Some(&moved()))]);
    let id = told(&stage, Exit::Done)["key"].as_str().unwrap().to_owned();
    let main = stage.repo.tip("main").unwrap();
    let arguments = ["--ref", "feature", "--base", "main", "--as", "alice", "--plan", &id, "--yes"];
    let alice = [&arguments[..], &["--author", "alice <alice@example.com>"]].concat();
    stage.run_on_repo("approve", &alice).ends(Exit::Done);
    let (path, approval) = stage.repo.files("main").into_iter().find(|(path, _)| path.contains(&id)).unwrap();
    // The same file, by whoever made the change: as a commit of it that says to be alice's.
    let repository = stage.repo.open();
    repository.reference("refs/heads/main", main.parse().unwrap(), true, "taken back").unwrap();
    stage.repo.edit("feature", "feature", &[(&path, Some(&approval))]);
    let forged = repository.revparse_single("feature").unwrap().peel_to_commit().unwrap();
    let alice = git2::Signature::now("alice", "alice@example.com").unwrap();
    forged.amend(Some("refs/heads/feature"), Some(&alice), Some(&alice), None, None, None).unwrap();
    assert_eq!(statuses(&told(&stage, Exit::Done))[1], "privlink/approved/prod pending: severing: 0 of 1 approvals");
}

#[test]
fn an_agent_without_a_time_between_two_looks_is_refused() {
    let stage = Stage::new();
    let url = stage.repo.url();
    for flags in [["--forge", "github", "--review-interval", "0s"].as_slice(), &["--interval", "0ms"]] {
        let arguments = [&["agent", "--repo", &url], flags].concat();
        stage
            .run(&arguments)
            .ends(Exit::Failed)
            .says("write one above 0, such as 30s or 1m")
            .says(flags[flags.len() - 2]);
    }
}

#[test]
fn a_change_that_does_not_concern_an_environment_gets_no_comment() {
    let stage = published();
    let text = stage.repo.read(SERVICE);
    for edits in [("README.md", "hello\n".to_owned()), (SERVICE, format!("# Looked at by Dora.\n{text}"))] {
        stage.repo.edit("main", "feature", &[(edits.0, Some(&edits.1))]);
        let told = told(&stage, Exit::Done);
        assert_eq!(told["comment"], Value::Null);
        assert_eq!(
            statuses(&told),
            ["privlink/plan/prod success: nothing to do", "privlink/approved/prod success: nothing to do"]
        );
        review(&stage, &[]).ends(Exit::Done).says("prod: this change does not concern it: nothing to do");
    }
}

#[test]
fn a_change_with_errors_is_told_at_the_lines_of_its_head() {
    let stage = published();
    // The base moves on and shifts the lines; one error stands in the base already.
    let wrong = docs::service(
        "web",
        &[("azure-load-balancer-ipv4", "10.224.0.90"), ("azure-allowed-ip-ranges", "10.0.0.5/16")],
    );
    stage.repo.edit("main", "feature", &[(SERVICE, Some(&wrong))]);
    let text = stage.repo.read(SERVICE);
    stage.repo.commit(&[(SERVICE, &format!("# One.\n# Two.\n{text}"))]);
    let told = told(&stage, Exit::Files);
    assert_eq!(
        statuses(&told),
        [
            "privlink/plan/prod failure: the files have 1 error",
            "privlink/approved/prod pending: there is no plan to approve"
        ]
    );
    let line = wrong.lines().position(|line| line.contains("10.0.0.5/16")).unwrap() + 1;
    let annotation = &told["annotations"][0];
    assert_eq!((annotation["level"].as_str(), annotation["line"].as_u64()), (Some("failure"), Some(line as u64)));
    assert!(comment(&told).contains("### privlink plan for prod: cannot be planned"), "{told}");
    assert!(comment(&told).contains("(ACL002)"), "{told}");
    let commands = review(&stage, &["--format", "annotations"]).ends(Exit::Files).out;
    assert!(commands.starts_with(&format!("::error file={SERVICE},line={line},title=ACL002::")), "{commands}");
    let report = review(&stage, &["--format", "code-quality"]).ends(Exit::Files).out;
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!(
        (report[0]["severity"].as_str(), report[0]["location"]["path"].as_str()),
        (Some("blocker"), Some(SERVICE))
    );
}

#[test]
fn a_conflict_a_deleted_privlink_toml_and_a_missing_base_are_told() {
    let stage = published();
    let other = docs::service("web", &[("azure-load-balancer-ipv4", "10.224.0.92")]);
    stage.repo.edit("main", "feature", &[(SERVICE, Some(&moved()))]);
    stage.repo.commit(&[(SERVICE, &other)]);
    let conflict = told(&stage, Exit::Failed);
    assert_eq!(
        statuses(&conflict)[0],
        "privlink/plan/prod failure: the change does not merge into its base: environments/prod/web.yaml conflict"
    );
    assert!(comment(&conflict).contains("**Help:** merge the base into the change, or rebase it"), "{conflict}");

    stage.repo.edit("main", "feature", &[("privlink.toml", None)]);
    let deleted = told(&stage, Exit::Files);
    assert!(statuses(&deleted)[0].starts_with("privlink/plan/prod failure: the change deletes privlink.toml"));
    stage.repo.edit("main", "feature", &[("privlink.toml", Some("version = 1\nownr = \"x\"\n"))]);
    let broken = told(&stage, Exit::Files);
    assert_eq!(statuses(&broken)[0], "privlink/plan/prod failure: privlink.toml of the change has errors");
    assert_eq!(broken["annotations"][0]["path"], "privlink.toml");

    let url = stage.repo.url();
    stage
        .run(&["review", "--repo", &url, "--base", "mian", "--head", "feature"])
        .ends(Exit::Failed)
        .says("has no branch mian");
    stage
        .run(&["review", "--repo", &url, "--base", "main", "--head", "gone"])
        .ends(Exit::Failed)
        .says("has no branch gone");
    stage.run(&["review"]).ends(Exit::Failed).says("name that branch with --base REF");
}

#[test]
fn a_ref_that_is_no_branch_is_reviewed_without_any_checkout() {
    let stage = published();
    stage.repo.edit("main", "feature", &[(SERVICE, Some(&moved()))]);
    let repository = stage.repo.open();
    let tip = repository.revparse_single("feature").unwrap().id();
    repository.reference("refs/pull/7/head", tip, true, "a forge's").unwrap();
    let url = stage.repo.url();
    let arguments = ["review", "--repo", &url, "--head", "refs/pull/7/head", "--format", "comment"];
    let ran = stage.run_with(&arguments, &[("CI", "true"), ("GITHUB_BASE_REF", "main")]).ends(Exit::Done);
    assert!(ran.out.contains("**Who is affected:** 1 connection of 1 subscription"), "{}", ran.out);
    assert!(ran.out.contains(" --ref refs/pull/7/head --base main -e prod --as YOUR-NAME"), "{}", ran.out);
    // Whose CI it runs in says whose Markdown is wanted, and where remarks at lines go.
    let in_ci = |name: &str| stage.run_with(&arguments, &[(name, "true"), ("PRIVLINK_BASE", "main")]).ends(Exit::Done);
    let azure = in_ci("TF_BUILD");
    assert!(azure.out.contains("\n::: mermaid\n") && !azure.err.contains("::warning"), "{}{}", azure.out, azure.err);
    let github = in_ci("GITHUB_ACTIONS");
    assert!(github.out.contains("\n```mermaid\n"), "{}", github.out);
    let remark = format!("\n::warning file={SERVICE},line=7,title=severing%3A service/default/web%3A update::");
    assert!(github.err.contains(&remark), "{}", github.err);
}

#[test]
fn a_clone_is_reviewed_by_its_commits_and_not_by_its_working_tree() {
    let stage = published();
    stage.repo.edit("main", "feature", &[(SERVICE, Some(&moved()))]);
    let folder = stage.folder().join("clone");
    stage.repo.clone_to(&folder);
    std::fs::write(folder.join(SERVICE), "not: a document\n").unwrap();
    let path = folder.to_str().unwrap();
    let out = stage.folder().join("out");
    let arguments = ["review", path, "--base", "main", "--head", "feature", "--out", out.to_str().unwrap()];
    let ran = stage.run(&arguments).ends(Exit::Done);
    assert!(ran.out.contains("1 connection cut, SEVERING"), "{}", ran.out);
    assert!(ran.out.contains("privlink/approved/prod: pending, approvals lie in the remote"), "{}", ran.out);
    let written = |name: &str| std::fs::read_to_string(out.join(name)).unwrap();
    assert!(written("prod.md").contains("**Who is affected:** 1 connection"));
    assert!(written("review.json").contains("\"privlink/plan/prod\"") && written("code-quality.json").starts_with('['));
}

/// The settings that a change edits, and what each edit would reach for.
const EDITS: [(&str, &str, &str); 6] = [
    ("the cloud's endpoints", "cloud = \"simulator\"", "cloud = \"evil\""),
    ("the tenant", worlds::TENANT, "99999999-9999-4999-8999-999999999999"),
    ("the context", "context = \"myAKSCluster\"", "context = \"elsewhere\""),
    ("the scope", "[environments.prod.scope]\n", "[environments.prod.scope]\nnamespaces = [\"*\"]\n"),
    ("the rules", "severing = 1", "severing = \"merge\""),
    ("the approvers", "[approvers.alice]\n", "[approvers.mallory]\n"),
];

/// A pull request with an edit of the settings, and files that try to get out of the environment's folder.
fn with_tricks(stage: &Stage, settings: &str) {
    let inside = docs::service("evil", &[]);
    stage.repo.edit(
        "main",
        "feature",
        &[
            (SERVICE, Some(&moved())),
            ("privlink.toml", Some(settings)),
            ("environments/prod.yaml", Some(&inside)),
            ("environments/prod-2/evil.yaml", Some(&inside)),
            ("Environments/prod/evil.yaml", Some(&inside)),
            ("environments/prod/..data/README", Some("no document\n")),
        ],
    );
}

#[test]
fn a_pull_request_that_edits_the_settings_changes_nothing_in_its_own_plan() {
    let stage = published();
    stage.repo.edit("main", "feature", &[(SERVICE, Some(&moved()))]);
    let id = told(&stage, Exit::Done)["key"].as_str().unwrap().to_owned();
    let settings = worlds::settings();
    for (what, from, to) in EDITS {
        assert!(settings.contains(from), "{what}");
        with_tricks(&stage, &settings.replace(from, to));
        let told = told(&stage, Exit::Done);
        let text = comment(&told);
        assert!(
            text.contains("it edits the settings of prod in privlink.toml: none of that is believed here"),
            "{text}"
        );
        assert!(!text.contains("evil"), "{what}: {text}");
        let is_told = matches!(what, "the approvers" | "the rules");
        let is_same = text.contains(&format!("plan `{id}` - base"));
        assert!(is_same != is_told, "{what}: {text}");
        // What loosens rules is told, and only that.
        assert_eq!(text.contains("**Loosened rules: in force once this is approved**"), is_told, "{what}: {text}");
        assert!(!text.contains("who may: mallory") && text.contains("alice"), "{what}: {text}");
        assert_eq!(statuses(&told)[1], "privlink/approved/prod pending: severing: 0 of 1 approvals", "{what}");
    }
    with_tricks(&stage, &settings.replace("[environments.prod", "[environments.other"));
    let gone = told(&stage, Exit::Done);
    assert!(comment(&gone).contains("it takes prod out of privlink.toml"), "{gone}");
    assert!(comment(&gone).contains(&format!("plan `{id}` - base")), "{gone}");
}

#[test]
fn two_open_pull_requests_that_want_the_same_address_name_each_other() {
    let stage = published();
    let new = |name: &str| docs::service(name, &[("azure-load-balancer-ipv4", "10.224.0.99")]);
    stage.repo.edit("main", "feature", &[("environments/prod/one.yaml", Some(&new("one")))]);
    stage.repo.edit("main", "other", &[("environments/prod/other.yaml", Some(&new("other")))]);
    let alone = told(&stage, Exit::Done);
    let url = stage.repo.url();
    let beside = |head: &str, also: &str| {
        let arguments =
            ["review", "--repo", &url, "--base", "main", "--head", head, "--also", also, "--format", "json"];
        let all: Value = serde_json::from_str(&stage.run(&arguments).ends(Exit::Done).out).unwrap();
        all["environments"][0].clone()
    };
    for (head, also) in [("feature", "other"), ("other", "feature")] {
        let told = beside(head, also);
        assert!(comment(&told).contains("**Other pull requests want the same**"), "{told}");
        assert!(comment(&told).contains(&format!("- {also} also wants 10.224.0.99\n")), "{told}");
        assert!(comment(&told).contains(&format!("- {also} also wants port 80 (TCP) of 10.224.0.99\n")), "{told}");
    }
    assert_ne!(beside("feature", "other")["key"], alone["key"], "what is said of another is news");
    stage.repo.edit("main", "other", &[("environments/prod/other.yaml", Some(&docs::service("other", &[])))]);
    assert_eq!(beside("feature", "other")["key"], alone["key"], "one that wants nothing of it is not told");
    stage.repo.edit("main", "other", &[("environments/prod/one.yaml", Some(&docs::service("one", &[])))]);
    let told = beside("feature", "other");
    let text = comment(&told);
    assert!(text.contains("does not merge with this one: both edit environments/prod/one.yaml"), "{text}");
}
