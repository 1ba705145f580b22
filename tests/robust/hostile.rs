//! Approvals that somebody made up, moved, changed or used before: each is refused with its reason, and nothing is written.
//!
//! One signed approval is all that the plan needs, and each of these would be it if it counted: everything about it is
//! right but the one thing that its name says.

use jiff::SignedDuration;
use jiff::Timestamp;
use serde_json::Value;

use super::process::{Run, Stage};
use super::signed::{ALICE, BOB, BRANCH, agent, alice, bob, files, plan_id, stage};
use crate::support::signing::Ssh;

const STOREFRONT: &str = "environments/prod/services/storefront.yaml";
const OWNER: &str = "6f1c2b9e-4d3a-4c57-9a1e-0b7d5f8c2a10";
const MALLORY: &str = "Mallory <mallory@example.com>";

fn now() -> Timestamp {
    Timestamp::from_second(Timestamp::now().as_second()).unwrap()
}

/// The text of an approval that somebody gives now, for a day.
fn approval(plan: &str, approver: &str) -> String {
    let (at, until) = (now(), now() + SignedDuration::from_hours(24));
    format!(
        "apiVersion: privlink.dev/v1alpha1\nkind: Approval\nplan: {plan}\nenvironment: prod\nowner: {OWNER}\n\
         approver: {approver}\napprovedAt: {at}\nexpiresAt: {until}\n"
    )
}

/// Where it belongs.
fn place(plan: &str, approver: &str) -> String {
    format!("approvals/prod/{plan}/{approver}.yaml")
}

/// A tree object as its bytes are: libgit2 would refuse a name such as `..`.
fn tree(repository: &git2::Repository, mode: &str, name: &str, id: git2::Oid) -> git2::Oid {
    let bytes = [format!("{mode} {name}\0").as_bytes(), id.as_bytes()].concat();
    repository.odb().unwrap().write(git2::ObjectType::Tree, &bytes).unwrap()
}

/// Puts the approvals branch at a commit of this one file.
fn only(stage: &Stage, (path, mode, bytes): (&str, &str, &[u8]), author: &str, sign: &dyn Fn(&[u8]) -> Option<String>) {
    let repository = stage.repo.open();
    let mut parts = path.split('/').rev();
    let mut id = tree(&repository, mode, parts.next().unwrap(), repository.blob(bytes).unwrap());
    for folder in parts {
        id = tree(&repository, "40000", folder, id);
    }
    let tree = repository.find_tree(id).unwrap();
    let (name, mail) = author.split_once(" <").unwrap();
    let who = git2::Signature::now(name, mail.trim_end_matches('>')).unwrap();
    let commit = repository.commit_create_buffer(&who, &who, "approve", &tree, &[]).unwrap();
    let commit = match sign(&commit) {
        Some(signature) => repository.commit_signed(commit.as_str().unwrap(), signature.trim_end(), None).unwrap(),
        None => repository.commit(None, &who, &who, "approve", &tree, &[]).unwrap(),
    };
    repository.reference(&format!("refs/heads/{BRANCH}"), commit, true, "test").unwrap();
}

/// The same, signed by Bob.
fn by_bob(stage: &Stage, path: &str, text: &str) {
    only(stage, (path, "100644", text.as_bytes()), BOB, &|bytes| Some(bob().sign("git", bytes)));
}

/// What a person is told about approvals that do not count, without what differs from run to run.
fn told(run: &Run, plan: &str) -> String {
    let is_about =
        |line: &&str| line.contains("not count") || line.starts_with("error[") || line.contains("can tell who");
    let words = |line: &str| {
        let line = line.replace(plan, "<plan>").replace(&plan[..10], "<plan>");
        let is_time = |word: &str| word.starts_with("20") && word.contains('T') && word.contains('Z');
        let is_commit = |word: &str| word.len() == 10 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
        let masked = |word: &str| match word {
            word if is_time(word) => "<time>".to_owned(),
            word if is_commit(word) => "<commit>".to_owned(),
            word => word.to_owned(),
        };
        line.trim().split(' ').map(masked).collect::<Vec<_>>().join(" ")
    };
    run.err.lines().filter(is_about).map(|line| format!("    {}\n", words(line))).collect()
}

/// Makes a hostile approval of a plan that waits.
type Attack = fn(&Stage, &str);

const ATTACKS: [(&str, Attack); 15] = [
    ("a prefix of the id", |stage, plan| {
        by_bob(stage, &place(plan, "bob"), &approval(&plan[..12], "bob"));
    }),
    ("another environment", |stage, plan| {
        by_bob(stage, &place(plan, "bob"), &approval(plan, "bob").replace("environment: prod", "environment: staging"));
    }),
    ("expired", |stage, plan| {
        let until = (now() - SignedDuration::from_secs(1)).to_string();
        let text = approval(plan, "bob");
        let line = text.lines().last().unwrap().to_owned();
        by_bob(stage, &place(plan, "bob"), &text.replace(&line, &format!("expiresAt: {until}")));
    }),
    ("by the author", |stage, plan| {
        let text = approval(plan, "alice");
        let file = (place(plan, "alice"), "100644", text.as_bytes());
        only(stage, (&file.0, file.1, file.2), ALICE, &|bytes| Some(alice().sign("git", bytes)));
    }),
    ("by somebody whom the change makes an approver", |stage, _| {
        let settings = String::from_utf8(files(1).remove(0).1.unwrap()).unwrap();
        let mallory = format!("[approvers.mallory]\nssh = {:?}\n\n[approvers.alice]", Ssh::of(66).public());
        let settings = settings.replace("[approvers.alice]", &mallory);
        let file = [("privlink.toml".to_owned(), Some(settings.into_bytes()))];
        stage.repo.edit_signed(("main", ALICE), &file, Some(&|bytes| alice().sign("git", bytes)));
        let plan = plan_id(&agent(stage).ends(4).says("mallory may approve"));
        let text = approval(&plan, "mallory");
        let path = place(&plan, "mallory");
        only(stage, (&path, "100644", text.as_bytes()), MALLORY, &|bytes| Some(Ssh::of(66).sign("git", bytes)));
    }),
    ("unsigned", |stage, plan| {
        only(stage, (&place(plan, "bob"), "100644", approval(plan, "bob").as_bytes()), BOB, &|_| None);
    }),
    ("signed by a stranger", |stage, plan| {
        let text = approval(plan, "bob");
        let sign = |bytes: &[u8]| Some(Ssh::of(66).sign("git", bytes));
        only(stage, (&place(plan, "bob"), "100644", text.as_bytes()), BOB, &sign);
    }),
    ("signed by another approver", |stage, plan| {
        let text = approval(plan, "bob");
        let sign = |bytes: &[u8]| Some(alice().sign("git", bytes));
        only(stage, (&place(plan, "bob"), "100644", text.as_bytes()), BOB, &sign);
    }),
    ("a replay: taken back, and put back with the signature of the old commit", |stage, plan| {
        let file = |text: Option<String>| [(place(plan, "bob"), text.map(String::into_bytes))];
        let (text, old) = (approval(plan, "bob"), std::cell::RefCell::new(String::new()));
        let sign = |bytes: &[u8]| bob().sign("git", bytes);
        let remembering = |bytes: &[u8]| old.replace(sign(bytes)) + &old.borrow();
        stage.repo.edit_signed((BRANCH, BOB), &file(Some(text.clone())), Some(&remembering));
        stage.repo.edit_signed((BRANCH, BOB), &file(None), Some(&sign));
        stage.repo.edit_signed((BRANCH, BOB), &file(Some(text)), Some(&|_| old.borrow().clone()));
    }),
    ("`..` in the path", |stage, plan| {
        by_bob(stage, &format!("approvals/prod/{plan}/../bob.yaml"), &approval(plan, "bob"));
    }),
    ("another folder", |stage, plan| {
        by_bob(stage, &format!("approvals/prod/{plan}/deeper/bob.yaml"), &approval(plan, "bob"));
    }),
    ("the folder of an environment that is none", |stage, plan| {
        by_bob(stage, &format!("approvals/Prod/{plan}/bob.yaml"), &approval(plan, "bob"));
    }),
    ("a symbolic link", |stage, plan| {
        let sign = |bytes: &[u8]| Some(bob().sign("git", bytes));
        only(stage, (&place(plan, "bob"), "120000", b"../../../elsewhere.yaml"), BOB, &sign);
    }),
    ("a huge file", |stage, plan| {
        let text = approval(plan, "bob") + &format!("# {}\n", "x".repeat(78)).repeat(30_000);
        by_bob(stage, &place(plan, "bob"), &text);
    }),
    ("not YAML", |stage, plan| {
        by_bob(stage, &place(plan, "bob"), &format!("{{{{{}", approval(plan, "bob")));
    }),
];

/// A converged stage with a change of a port that waits for one person, the plan, and the approval of the first one.
fn waiting() -> (Stage, String, (String, String)) {
    let stage = stage(1);
    let plan = plan_id(&agent(&stage).ends(4));
    let first = (place(&plan, "bob"), approval(&plan, "bob") + &changes(&stage));
    by_bob(&stage, &first.0, &first.1);
    agent(&stage).ends(0);
    stage.idle();
    stage.assert_converged();
    forget(&stage);
    let text = stage.repo.files("main").into_iter().find(|(path, _)| path == STOREFRONT).unwrap().1;
    let file = [(STOREFRONT.to_owned(), Some(text.replace("port: 443", "port: 444").into_bytes()))];
    stage.repo.edit_signed(("main", ALICE), &file, Some(&|bytes| alice().sign("git", bytes)));
    let plan = plan_id(&agent(&stage).ends(4));
    (stage, plan, first)
}

/// Takes the approvals branch away.
fn forget(stage: &Stage) {
    if let Ok(mut branch) = stage.repo.open().find_reference(&format!("refs/heads/{BRANCH}")) {
        branch.delete().unwrap();
    }
}

#[test]
fn hostile_approvals_are_refused_with_their_reasons_and_write_nothing() {
    let (stage, plan, first) = waiting();
    let (writes, main) = (stage.writes(), stage.repo.open().refname_to_id("refs/heads/main").unwrap());
    let mut table = String::new();
    for (name, attack) in ATTACKS {
        attack(&stage, &plan);
        let run = agent(&stage).ends(4);
        let reason = told(&run, &plan_id(&run));
        assert!(!reason.is_empty(), "{name}: no reason is told\n{}", run.err);
        assert_eq!(stage.writes(), writes, "{name}: something was written\n{}", run.all());
        table += &format!("{name}\n{reason}");
        forget(&stage);
        stage.repo.open().reference("refs/heads/main", main, true, "test").unwrap();
    }
    // All that was wrong with them was what their names say.
    by_bob(&stage, &place(&plan, "bob"), &approval(&plan, "bob"));
    agent(&stage).ends(0).says("Applied: 1 of 1 step done");
    stage.idle();
    stage.assert_converged();
    table += &format!("a replay of one that is used up\n{}", used(&stage, &first.0[15..79], &first));
    insta::assert_snapshot!(table, @r#"
    a prefix of the id
        error[REPO014]: `plan`: "<plan>dd" is not a plan id
    another environment
        warning[REPO016]: this approval does not count: what it says belongs to approvals/staging/<plan>/bob.yaml
    expired
        the approval of bob does not count: it expired at <time>
    by the author
        the approval of alice does not count: it is by alice, who signed the change itself
    by somebody whom the change makes an approver
        the approval of mallory does not count: it is by somebody whom the change itself puts into [approvers], or gives another key
    unsigned
        the approval of bob does not count: it is not proved: its commit is not signed
    signed by a stranger
        the approval of bob does not count: it is not proved: its commit is signed by a key that nobody here has (SHA256:ZsrOVCtcb1bouzun0GIHz5vL5oCjVhVIQ3jfIBIgZ8g)
    signed by another approver
        the approval of bob does not count: it is signed by alice
    a replay: taken back, and put back with the signature of the old commit
        the approval of bob does not count: it is not proved: its commit has a signature of bob that does not fit what it holds
    `..` in the path
        warning[REPO001]: this approval does not count: its path has `..`, `.git` or a backslash, or is not UTF-8
    another folder
        warning[REPO016]: this approval does not count: what it says belongs to approvals/prod/<plan>/bob.yaml
    the folder of an environment that is none
        warning[REPO016]: this approval does not count: there is no environment "Prod"
    a symbolic link
        warning[REPO001]: this approval does not count: it is a link, and links are not followed
    a huge file
        warning[REPO002]: this approval does not count: it has 2430261 bytes, and an approval has a few thousand
    not YAML
        error[REPO004]: a bracket is opened and never closed
    a replay of one that is used up
        the approval of bob does not count: it is for plan <plan>…, and was used up when that was applied
    "#);
}

/// The changes of the plan that waits, as an approval lists them.
fn changes(stage: &Stage) -> String {
    let plans: Value = serde_json::from_str(&stage.run(&["plan", "--format", "json"]).out).unwrap();
    let steps = plans.pointer("/plans/0/steps").or_else(|| plans.pointer("/steps"));
    let steps = steps.and_then(Value::as_array).unwrap_or_else(|| panic!("no steps in {plans:#}"));
    let digests = steps.iter().map(|step| step["digest"].as_str().unwrap());
    let changes = digests.map(|digest| format!("- resource: service\n  action: create\n  digest: {digest}\n"));
    format!("changes:\n{}", changes.collect::<String>())
}

/// Somebody deletes what an approved plan made, and the commit of that approval is put back.
fn used(stage: &Stage, plan: &str, first: &(String, String)) -> String {
    by_bob(stage, &first.0, &first.1);
    stage.simulator().cluster("myAKSCluster").unwrap().delete("Service", "default", "inventory").unwrap();
    stage.idle();
    let writes = stage.writes();
    let run = agent(stage).ends(4);
    assert_eq!(stage.writes(), writes, "{}", run.all());
    told(&run, plan)
}
