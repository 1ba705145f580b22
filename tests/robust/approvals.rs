//! Approval files that do not count, each with its reason; and one that counts once.

use privlink::sim::fault::Fault;
use serde_json::json;

use super::process::{Run, Stage, example_with_approval};

const BOB: &str = "Bob <bob@example.com>";

/// The part of the example that is quick, with one approval needed.
fn files() -> Vec<(String, String)> {
    let wanted = ["privlink.toml", "services/storefront.yaml", "services/inventory.yaml"];
    example_with_approval().into_iter().filter(|(path, _)| wanted.iter().any(|end| path.ends_with(end))).collect()
}

fn agent(stage: &Stage) -> Run {
    stage.run(&["agent", "--once"])
}

/// The id of the plan that a run shows.
fn plan_id(run: &Run) -> String {
    let line = run.all().lines().find_map(|line| Some(line.strip_prefix("Plan id: ")?.to_owned()));
    line.unwrap_or_else(|| panic!("there is no plan in\n{}", run.all()))
}

/// Lets the agent see the repository, and approves what it asks for. Answers path and text of the approval.
fn approved(stage: &Stage) -> (String, String) {
    let id = plan_id(&agent(stage).ends(4));
    let run = stage.run(&["approve", "--as", "bob", "--plan", &id, "--yes", "--author", BOB]);
    run.ends(0).says("approved until");
    let files = stage.repo.files("main");
    files.into_iter().find(|(path, _)| path.starts_with("approvals/")).unwrap()
}

/// Replaces the approval by another file, committed by somebody, and says what the agent makes of it.
fn instead(author: &str, change: impl Fn(&str, &str) -> (String, String)) -> String {
    let stage = Stage::new(&files());
    let (path, text) = approved(&stage);
    let (new_path, new_text) = change(&path, &text);
    stage.repo.edit("main", author, &[(path.clone(), None)]);
    stage.repo.edit("main", author, &[(new_path, Some(new_text.into_bytes()))]);
    let run = agent(&stage).ends(4);
    assert_eq!(stage.writes(), 0, "{}", run.all());
    stage.assert_no_secret_on_disk();
    run.err
}

/// A change of the text alone.
fn edited(author: &str, edit: impl Fn(&str) -> String) -> String {
    instead(author, |path, text| (path.to_owned(), edit(text)))
}

/// The text with one line of it replaced.
fn with_line(text: &str, key: &str, value: &str) -> String {
    let line = |line: &str| if line.starts_with(key) { format!("{key}: {value}\n") } else { format!("{line}\n") };
    text.lines().map(line).collect()
}

#[track_caller]
fn contains(text: &str, part: &str) {
    assert!(text.contains(part), "{part:?} is not in\n{text}");
}

#[test]
fn a_valid_approval_works_once() {
    let stage = Stage::new(&files());
    approved(&stage);
    agent(&stage).ends(0).says("Applied: 2 of 2 steps done");
    agent(&stage).ends(0);
    // Somebody deletes what was made: the approval said yes to making it, once.
    let cluster = stage.simulator().cluster("myAKSCluster").unwrap();
    cluster.delete("Service", "default", "storefront").unwrap();
    stage.idle();
    let run = agent(&stage).ends(4);
    contains(&run.err, "was used up when that was applied");
}

#[test]
fn a_prefix_of_the_id_approves_nothing() {
    let short = |text: &str| {
        let id = text.lines().find_map(|line| line.strip_prefix("plan: ")).unwrap();
        with_line(text, "plan", &id[..10])
    };
    let told = edited(BOB, short);
    contains(&told, "plan");
    contains(&told, "64");
}

#[test]
fn an_approval_of_another_environment_or_under_another_name_does_not_count() {
    contains(
        &edited(BOB, |text| with_line(text, "environment", "staging")),
        "what it says belongs to approvals/staging/",
    );
    let renamed = instead(BOB, |path, text| (path.replace("bob.yaml", "alice.yaml"), text.to_owned()));
    contains(&renamed, "this approval does not count: what it says belongs to approvals/prod/");
    contains(
        &edited(BOB, |text| with_line(text, "owner", "00000000-1111-4222-8333-444444444444")),
        "is for 00000000-1111",
    );
}

#[test]
fn an_approval_counts_within_its_time_only() {
    contains(&edited(BOB, |text| with_line(text, "expiresAt", "2020-01-01T00:00:00Z")), "it expired at 2020");
    contains(
        &edited(BOB, |text| with_line(text, "approvedAt", "2020-01-01T00:00:00Z")),
        "is older than the agent's first sight",
    );
    contains(&edited(BOB, |text| with_line(text, "approvedAt", "2999-01-01T00:00:00Z")), "which is in the future");
}

#[test]
fn an_approval_by_a_stranger_or_by_the_author_does_not_count() {
    let stranger =
        instead(BOB, |path, text| (path.replace("bob.yaml", "mallory.yaml"), with_line(text, "approver", "mallory")));
    contains(&stranger, "the approval of mallory does not count: it is by somebody who is not in [approvers]");
    // The stage's change is alice's.
    let own = edited("Somebody <Alice@example.com>", ToOwned::to_owned);
    contains(&own, "who wrote or committed the change itself");
}

#[test]
fn an_approval_of_another_plan_counts_for_nothing_that_it_does_not_list() {
    let other = "0".repeat(64);
    let told = instead(BOB, |path, text| {
        let id = text.lines().find_map(|line| line.strip_prefix("plan: ")).unwrap().to_owned();
        let edited: String = with_line(text, "plan", &other)
            .lines()
            .map(|line| match line.split_once("digest: ") {
                Some((before, digest)) => format!("{before}digest: {}0\n", &digest[1..]),
                None => format!("{line}\n"),
            })
            .collect();
        (path.replace(&id, &other), edited)
    });
    contains(&told, "lists none of the changes of this one");
}

/// Applies the example, edits files of it in one commit, and somebody approves what follows.
fn edited_and_approved(edits: &[(&str, &str, &str)]) -> Stage {
    let files = super::process::example();
    let stage = Stage::new(&files);
    stage.apply().ends(0);
    let edited = |(path, from, to): &(&str, &str, &str)| {
        let (path, text) = files.iter().find(|(name, _)| name.ends_with(path)).unwrap();
        assert!(text.contains(from), "{path} does not say {from}");
        (path.clone(), Some(text.replace(from, to).into_bytes()))
    };
    let edited: Vec<_> = edits.iter().map(edited).collect();
    stage.repo.edit("main", "alice <alice@example.com>", &edited);
    approved(&stage);
    stage
}

/// One more consumer connects to the Private Link Service of `orders`.
fn connect_newcomer(stage: &Stage) {
    let id = "/subscriptions/00000000-0000-0000-0000-000000000002/resourceGroups/myOtherResourceGroup/providers/\
              Microsoft.Network/privateEndpoints/newcomer";
    let link = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/MC_myResourceGroup_myAKSCluster_eastus2/\
                providers/Microsoft.Network/privateLinkServices/pls-orders";
    let subnet = "/subscriptions/00000000-0000-0000-0000-000000000002/resourceGroups/myOtherResourceGroup/providers/\
                  Microsoft.Network/virtualNetworks/myOtherVNET/subnets/pe-subnet";
    let body = json!({"location": "eastus2", "properties": {"subnet": {"id": subnet},
        "privateLinkServiceConnections": [{"name": "c", "properties": {"privateLinkServiceId": link}}]}});
    let arm = stage.simulator().arm();
    let reply = arm.call("PUT", &format!("{id}?api-version=2025-05-01"), &[], Some(body));
    assert!(arm.settle(&reply).status < 300, "{:?}", reply.body);
}

const MOVED: (&str, &str, &str) = ("services/orders.yaml", "10.224.0.200", "10.224.9.9");

#[test]
fn one_more_consumer_of_a_severed_service_is_not_in_the_approval() {
    let stage = edited_and_approved(&[MOVED]);
    connect_newcomer(&stage);
    let writes = stage.writes();
    let run = agent(&stage).ends(4);
    assert_eq!(stage.writes(), writes);
    contains(&run.err, "since bob approved plan ");
    contains(&run.err, "one more is affected: ");
    contains(&run.err, "privateendpoints/newcomer (Approved)");
    // The branch says it too, as long as it is so, and does not change meanwhile.
    let table = |stage: &Stage| {
        let files = stage.repo.files("privlink/status/prod");
        files.into_iter().find(|(path, _)| path == "status/prod/README.md").unwrap().1
    };
    let told = table(&stage);
    contains(&told, "New since bob approved plan `");
    contains(&told, "privateendpoints/newcomer (Approved)");
    agent(&stage).ends(4);
    assert_eq!(table(&stage), told);
    let status = stage.run(&["status"]).ends(0);
    contains(&status.out, "new since bob approved plan ");
    contains(&status.out, "one more is affected: ");
}

#[test]
fn what_was_approved_goes_on_although_something_else_waits_again() {
    let stage = edited_and_approved(&[MOVED, ("services/storefront.yaml", "port: 443", "port: 444")]);
    connect_newcomer(&stage);
    let run = agent(&stage).ends(6);
    contains(&run.all(), "1 of 1 step done");
    contains(&run.all(), "it is not what was approved any more: another change, or more follows from it");
    let cluster = stage.simulator().cluster("myAKSCluster").unwrap();
    let storefront = cluster.get("Service", "default", "storefront").unwrap();
    assert_eq!(storefront["spec"]["ports"][0]["port"], 444);
    // What is left is asked for, once more; the other one is not done twice.
    let writes = stage.writes();
    let rest = agent(&stage).ends(4);
    assert_eq!(stage.writes(), writes);
    contains(&rest.err, "privateendpoints/newcomer (Approved)");
}

/// Refuses the status, and lets everything else in.
const NO_STATUS: &str = "#!/bin/sh\nwhile read -r old new ref; do\n  case \"$ref\" in refs/heads/privlink/status/*)\n    \
                         echo 'GH006: Protected branch update failed' >&2; exit 1;;\n  esac\ndone\n";

#[test]
fn an_approval_works_once_even_if_nobody_could_publish_that_it_did() {
    use std::os::unix::fs::PermissionsExt as _;
    let stage = Stage::new(&files());
    let Some(server) = crate::git::server::Server::start(stage.folder().to_owned()) else { return };
    let machine = stage.machine.clone().with("PRIVLINK_GIT_TOKEN", "good");
    let url = server.url("config.git");
    let pass = || machine.run(&["agent", "--repo", &url, "--once"]);
    pass().ends(4);
    approved(&stage);
    let hook = stage.folder().join("config.git/hooks/pre-receive");
    std::fs::create_dir_all(hook.parent().unwrap()).unwrap();
    std::fs::write(&hook, NO_STATUS).unwrap();
    std::fs::set_permissions(&hook, std::fs::Permissions::from_mode(0o755)).unwrap();
    pass().ends(1).says("Applied: 2 of 2 steps done").says("GH006");
    let records = || {
        let files = stage.repo.files("privlink/status/prod");
        files.into_iter().filter(|(path, _)| path.contains("/applied/")).count()
    };
    assert_eq!(records(), 0);
    // Somebody deletes what was made, before anybody looked again.
    stage.idle();
    let cluster = stage.simulator().cluster("myAKSCluster").unwrap();
    cluster.delete("Service", "default", "storefront").unwrap();
    stage.idle();
    let writes = stage.writes();
    contains(&pass().err, "was used up when that was applied");
    std::fs::remove_file(&hook).unwrap();
    contains(&pass().ends(4).err, "was used up when that was applied");
    assert_eq!((stage.writes(), records()), (writes, 1), "the record is published as soon as it may be");
    contains(&pass().ends(4).err, "was used up when that was applied");
}

#[test]
fn what_was_left_of_a_replacement_is_done_once_under_its_approval() {
    let narrow = "visibility:\n    mode: subscriptions\n    subscriptions: [";
    let wide = &format!("{narrow}\"00000000-0000-0000-0000-000000000001\", ");
    let stage = edited_and_approved(&[MOVED, ("publish/payments.yaml", narrow, wide)]);
    let endpoint = "/privateEndpoints/myOrdersPE";
    let refuse = |path: &str| {
        let (method, client) = (Some("PUT".to_owned()), Some("privlink".to_owned()));
        let (path, code) = (path.to_owned(), "AuthorizationFailed".to_owned());
        stage.simulator().add_fault(Fault { method, path, client, status: 403, code, ..Fault::default() });
    };
    refuse(endpoint);
    refuse("/privateLinkServices/");
    agent(&stage).ends(5);
    stage.simulator().clear_faults();
    refuse("/privateLinkServices/");
    // Half of the replacement is left: nobody is asked.
    agent(&stage).ends(5).says("create privateendpoint/myOrdersPE");
    stage.simulator().clear_faults();
    stage.idle();
    // Somebody deletes it while the rest still waits: to make it once more was not approved.
    let id = format!(
        "/subscriptions/00000000-0000-0000-0000-000000000002/resourceGroups/myOtherResourceGroup/providers/Microsoft.Network{endpoint}?api-version=2025-05-01"
    );
    let arm = stage.simulator().arm();
    let reply = arm.call("DELETE", &id, &[], None);
    assert!(arm.settle(&reply).is_success(), "{}", reply.body);
    agent(&stage).ends(6).says("1 of 1 step done");
    agent(&stage).ends(4);
    assert_eq!(arm.call("GET", &id, &[], None).status, 404);
}
