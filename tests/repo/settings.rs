//! `privlink.toml`: defaults, mistakes at their places, and what must hold between values.

use privlink::diagnostic::{Diagnostics, FileName};
use privlink::domain::commit::RepoPath;
use privlink::repo::settings::{
    Approval, Cloud, Inventory, Level, Settings, Signatures, parse, read as read_bytes, source,
};
use privlink::repo::source::Sources;

const HEAD: &str = "version = 1\nowner = \"6f1c0000-0000-4000-8000-000000000001\"\n";
const PROD: &str = "[environments.prod]\npath = \"environments/prod\"\nsubscription = \
                    \"00000000-0000-0000-0000-000000000001\"\n";

fn sources(text: &str) -> Sources {
    let mut sources = Sources::new();
    sources.insert(FileName::outside("privlink.toml"), source(text));
    sources
}

fn read(text: &str) -> (Option<Settings>, Diagnostics, String) {
    let file: RepoPath = "privlink.toml".parse().unwrap();
    let (settings, diagnostics) = parse(&file, text);
    let sources = sources(text);
    let shown = privlink::render::diagnostic::render(&diagnostics, &sources, false);
    (settings, diagnostics, shown)
}

#[track_caller]
fn accepted(text: &str) -> Settings {
    let (settings, _, shown) = read(text);
    assert_eq!(shown, "");
    settings.unwrap()
}

/// `text` after the two head lines: positions count from its own first line.
#[track_caller]
fn only(text: &str, code: &str, line: usize, column: usize) {
    let all = format!("{HEAD}{text}");
    let (settings, diagnostics, shown) = read(&all);
    let sources = sources(&all);
    let found: Vec<_> = diagnostics
        .iter()
        .map(|it| (it.code.as_str(), it.place().and_then(|place| sources.line_column(place))))
        .collect();
    assert_eq!(found, [(code, Some((line + 2, column)))], "{shown}");
    assert_eq!(settings.is_none(), diagnostics.has_errors());
}

const DESIGN: &str = r#"
version = 1
owner = "6f1c0000-0000-4000-8000-000000000001"

[status]
branch = "privlink/status/{environment}"
author = "privlink <privlink@example.com>"

[approvers.alice]
ssh = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFKI7HRT8+ER8ZwZd9JBzJy7NDXn/WqRFgizAqyswDQy alice"

[approvers.bob]
ssh = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJmjkt6LnN1FP/QPWYygA24gE3tMkrpEchsMZBH6qkMP bob"

[consumers."00000000-0000-0000-0000-00000000000A"]
name = "ACME trading"
contact = "net@acme.example"

[check]
other-kinds = "error"

[environments.prod]
path = "environments/prod"
cloud = "public"
subscription = "00000000-0000-0000-0000-000000000001"
identity = { tenant = "00000000-0000-0000-0000-000000000002", plan-client-id = "00000000-0000-0000-0000-000000000003", apply-client-id = "00000000-0000-0000-0000-000000000004" }
cluster = { aks = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod" }
scope = { subscriptions = ["00000000-0000-0000-0000-000000000001"], resource-groups = ["rg-*"], namespaces = ["team-*"], dns-zones = ["*.internal"] }
prune = true
max-deletes = 3
signatures = "required"

[environments.prod.approval]
safe = "automatic"
notable = "merge"
disruptive = 1
severing = 2
"#;

#[test]
fn the_file_of_the_design_is_accepted() {
    let settings = accepted(DESIGN);
    let prod = &settings.environments[&"prod".parse().unwrap()];
    assert_eq!(prod.approval, Approval::default());
    let scope = privlink::desired::authority::policy(&settings, &"prod".parse().unwrap()).unwrap().scope;
    let has = |namespace: &str| scope.has_namespace(&namespace.parse().unwrap());
    assert!(prod.prune && has("team-a") && !has("shop"));
    assert_eq!(settings.status.branch_of(&"prod".parse().unwrap()), "privlink/status/prod");
    assert_eq!(settings.consumers.values().next().unwrap().name, "ACME trading");
}

#[test]
fn what_is_absent_has_its_default() {
    let settings = accepted(&format!("{HEAD}{PROD}"));
    let prod = &settings.environments[&"prod".parse().unwrap()];
    assert_eq!((prod.cloud.clone(), prod.prune, prod.max_deletes), (Cloud::Public, false, 3));
    assert_eq!(prod.inventory, Inventory::Lists);
    assert_eq!((prod.signatures, prod.approval.severing), (Signatures::Optional, Level::People(2)));
    let scope = privlink::desired::authority::policy(&settings, &"prod".parse().unwrap()).unwrap().scope;
    let has = |namespace: &str| scope.has_namespace(&namespace.parse().unwrap());
    assert!(has("shop") && !has("kube-system"));
    assert_eq!(prod.subscriptions(), std::slice::from_ref(&prod.subscription));
    accepted(HEAD);
}

#[test]
fn every_mistake_is_one_error_at_its_place() {
    let prod = |line: &str| format!("{PROD}{line}\n");
    only("a = \n", "REPO004", 1, 5);
    only("version = 1\n", "REPO006", 1, 1);
    only("[chek]\n", "REPO011", 1, 2);
    only("[check]\nlevel = {}\n", "REPO011", 2, 1);
    only("[check]\nlevels = { PLS023 = \"no\" }\n", "REPO014", 2, 21);
    only("[check\n", "REPO004", 1, 7);
    only("[check]\n[check]\n", "REPO006", 2, 2);
    only("[environments]\nprod = [1]\n", "REPO013", 2, 1);
    only("[check]\nother-kinds = true\n", "REPO013", 2, 15);
    only("[check]\nother-kinds = \"warn\"\n", "REPO014", 2, 15);
    only("[check]\nother-kinds = 2026-01-01\n", "REPO013", 2, 15);
    only("[status]\nauthor = \"nobody\"\n", "REPO014", 2, 10);
    only("[status]\nbranch = \"a b\"\n", "CONF007", 2, 10);
    only("[approvers.Alice]\n", "REPO014", 1, 12);
    only("[approvers.alice]\nssh = \"AAAA\"\n", "REPO014", 2, 7);
    only("[approvers.alice]\nssh = \"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFoo alice\"\n", "REPO014", 2, 7);
    only("[approvers.alice]\nopenpgp = \"AAAA\"\n", "REPO014", 2, 11);
    only("[approvers.alice]\nopenpgpkey = \"AAAA\"\n", "REPO011", 2, 1);
    only("[committers.forge]\nemails = []\n", "REPO011", 2, 1);
    only("[consumers.acme]\nname = \"x\"\n", "REPO014", 1, 12);
    only(
        "[environments.Prod]\npath = \"x\"\nsubscription = \"00000000-0000-0000-0000-000000000001\"\n",
        "REPO014",
        1,
        15,
    );
    only("[environments.prod]\npath = \"x\"\n", "REPO012", 1, 15);
    only(&PROD.replace("environments/prod\"", "../prod\""), "REPO014", 2, 8);
    only(&PROD.replace("environments/prod\"", "/prod\""), "REPO014", 2, 8);
    only(&PROD.replace("environments/prod\"", "approvals/prod\""), "CONF002", 2, 8);
    only(&prod("prune = \"yes\""), "REPO013", 4, 9);
    only(&prod("max-deletes = -1"), "REPO013", 4, 15);
    only(&prod("cloud = \"publik\""), "REPO014", 4, 9);
    only(&prod("freeze = { reason = \"sale\", until = \"tomorrow\" }"), "REPO014", 4, 37);
    only(&prod("freeze = { reason = \"sale\" }"), "REPO012", 4, 1);
    only(&prod("windows = { time-zone = \"Europe/Bern\" }"), "REPO014", 4, 25);
    only(&prod("windows = { allow = [{ days = [\"mon\", \"mno\"] }] }"), "REPO014", 4, 39);
    only(&prod("windows = { deny = [{ from = \"24:01\" }] }"), "REPO014", 4, 30);
    only(&prod("windows = { deny = [{ to = \"8:00\" }] }"), "REPO014", 4, 28);
    only(&prod("windows = { deny = [{ first = \"tomorrow\" }] }"), "REPO014", 4, 31);
    only(&prod("windows = { deny = [{ risks = [\"exposing\"] }] }"), "REPO014", 4, 32);
    only(&prod("windows = { deny = [{ first = \"2026-12-18\", last = \"2026-12-17\" }] }"), "REPO014", 4, 52);
    only(&prod("windows = { denied = [] }"), "REPO011", 4, 13);
    let many = vec!["{}"; 51].join(", ");
    only(&prod(&format!("windows = {{ allow = [{many}] }}")), "REPO014", 4, 13);
    only(&prod("kubernetes-version = \"1\""), "REPO011", 4, 1);
    only(&prod("cloud-provider-version = \"1\""), "REPO014", 4, 26);
    only(&prod("cluster = {}"), "REPO012", 4, 1);
    only(&prod("cluster = { aks = \"/subscriptions/x\" }"), "REPO014", 4, 19);
    only(&prod("scope = { namespaces = [\"a?\"] }"), "REPO014", 4, 25);
    only(&prod("scope = { namespaces = [\"a\"] }"), "REPO014", 4, 11);
    only(&prod("[environments.prod.approval]\nsevering = \"automatic\""), "CONF005", 5, 12);
    only(&prod("[environments.prod.drift]\nsevering = \"heal\""), "CONF005", 5, 12);
    only(&prod("[environments.prod.drift]\nnotable = \"fix\""), "REPO014", 5, 11);
    only(&prod("[environments.prod.approval]\nsevering = 2"), "CONF004", 5, 12);
    only(&prod("[environments.prod.approval]\nsafe = 0"), "REPO013", 5, 8);
    only(&prod("[environments.prod.approval]\nsafe = \"never\""), "REPO013", 5, 8);
    only(&format!("{PROD}{}", PROD.replace(".prod]", ".test]").replace("s/prod", "s/prod/test")), "CONF002", 5, 8);
    only(&format!("{PROD}{}[status]\nbranch = \"s\"\n", PROD.replace("prod", "test")), "CONF007", 8, 10);
}

#[test]
fn a_file_that_is_not_text_is_told() {
    let file = || FileName::outside("privlink.toml");
    let (settings, diagnostics, _) = read_bytes(file(), b"version = \xff");
    assert_eq!((settings.is_none(), diagnostics.len()), (true, 1));
    for text in [format!("a = {}", "[".repeat(200_000)), format!("[{}a]", "a.".repeat(200_000)), "{a=".repeat(99_000)] {
        assert!(read_bytes(file(), text.as_bytes()).1.has_errors());
    }
}

#[test]
fn a_missing_or_unknown_version_is_told() {
    let (settings, diagnostics, shown) = read("version = 2\n");
    assert!(settings.is_none());
    assert_eq!(diagnostics.iter().map(|it| it.code.as_str()).collect::<Vec<_>>(), ["CONF001"], "{shown}");
    let (_, diagnostics, shown) = read("[check]\n");
    assert_eq!(diagnostics.len(), 1, "{shown}");
}

#[test]
fn a_private_key_is_never_repeated() {
    let text = format!("{HEAD}[approvers.alice]\nssh = \"-----BEGIN OPENSSH PRIVATE KEY----- hunter2\"\n");
    let (_, diagnostics, _) = read(&text);
    assert!(diagnostics.has_errors() && !format!("{diagnostics:?}").contains("hunter2"));
}

#[test]
fn one_key_is_one_person() {
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFKI7HRT8+ER8ZwZd9JBzJy7NDXn/WqRFgizAqyswDQy";
    let (settings, _, shown) =
        read(&format!("{HEAD}[approvers.alice]\nssh = \"{key} alice\"\n[committers.forge]\nssh = \"{key} forge\"\n"));
    assert!(settings.is_none());
    insta::assert_snapshot!(shown, @r#"
    error[CONF009]: two people have the same key or account, and so are one person
     --> privlink.toml:6:7
      |
    4 | ssh = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFKI7HRT8+ER8ZwZd9JBzJy7NDXn/WqRFgizAqyswDQy alice"
      |       ---------------------------------------------------------------------------------------- is also here
    5 | [committers.forge]
    6 | ssh = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFKI7HRT8+ER8ZwZd9JBzJy7NDXn/WqRFgizAqyswDQy forge"
      |       ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ this one
      |
      = help: give each what is theirs alone

    1 error in 1 file
    "#);
}

#[test]
fn one_account_is_one_person() {
    let (settings, _, shown) =
        read(&format!("{HEAD}[approvers.alice]\ngithub-id = 583231\n[approvers.bob]\ngithub-id = 583231\n"));
    assert!(settings.is_none() && shown.contains("CONF009") && shown.contains("privlink.toml:6:"), "{shown}");
}

#[test]
fn two_environments_may_share_a_cluster_but_not_a_namespace() {
    let environment = |name: &str, scope: &str| {
        format!(
            "{}cluster = {{ aks = \"/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg/providers/\
             Microsoft.ContainerService/managedClusters/one\" }}\n{scope}\n",
            PROD.replace("prod", name)
        )
    };
    let pair = |a: &str, b: &str| format!("{HEAD}{}{}", environment("a", a), environment("b", b));
    accepted(&pair("scope = { namespaces = [\"a-*\"] }", "scope = { namespaces = [\"b-*\"] }"));
    accepted(&pair("", "scope = { namespaces = [\"kube-*\"] }"));
    let (_, diagnostics, _) = read(&pair("", "scope = { namespaces = [\"b-*\"] }"));
    assert_eq!(diagnostics.len(), 1);
    let (_, _, shown) = read(&pair("scope = { namespaces = [\"a-*\"] }", "scope = { namespaces = [\"*-b\"] }"));
    insta::assert_snapshot!(shown, @r#"
error[CONF003]: `a` and `b` manage the same namespaces of one cluster
  --> privlink.toml:12:11
   |
 7 | scope = { namespaces = ["a-*"] }
   |           ---------- and these
...
12 | scope = { namespaces = ["*-b"] }
   |           ^^^^^^^^^^ these namespaces
   |
   = help: give each a scope of its own: scope = { namespaces = ["…"] }

1 error in 1 file
"#);
}

#[test]
fn mistakes_read_as_in_documents() {
    let (_, _, shown) = read(&format!(
        "{HEAD}{PROD}signature = \"required\"\nprune = \"true\"\n[environments.prod.approval]\nsevring = 2\nsevering = 3\n"
    ));
    insta::assert_snapshot!(shown, @r#"
error[REPO011]: unknown key `signature` in `environments.prod`
 --> privlink.toml:6:1
  |
6 | signature = "required"
  | ^^^^^^^^^ nothing reads this
  |
  = help: did you mean `signatures`?

error[REPO013]: `environments.prod.prune` is the text "true" and must be true or false
 --> privlink.toml:7:9
  |
7 | prune = "true"
  |         ^^^^^^ not true or false
  |
  = help: write true or false

error[REPO011]: unknown key `sevring` in `environments.prod.approval`
 --> privlink.toml:9:1
  |
9 | sevring = 2
  | ^^^^^^^ nothing reads this
  |
  = help: did you mean `severing`?

3 errors in 1 file
"#);
}

#[test]
fn too_few_signing_approvers_are_a_warning() {
    let (settings, _, shown) = read(&format!("{HEAD}{PROD}signatures = \"required\"\n"));
    assert!(settings.is_some());
    insta::assert_snapshot!(shown, @r#"
    warning[CONF006]: 2 signed approvals are asked for, and no approver has a key
     --> privlink.toml:6:14
      |
    6 | signatures = "required"
      |              ^^^^^^^^^^ some changes can never be approved
      |
      = help: add [approvers.<name>] with ssh = "<public key>" or openpgp

    1 warning in 1 file
    "#);
}

proptest::proptest! {
    #[test]
    fn arbitrary_text_never_panics(text in "([a-z.\\[\\]{}=\"' \n#0-9é-]{0,6}(version = 1\n|\\[environments.a\\]\n|owner = )?){0,10}") {
        read(&text);
        read(&format!("{HEAD}{PROD}{text}"));
    }
}

#[test]
fn a_placeholder_that_stands_for_nothing_is_refused() {
    only(&format!("{PROD}[status]\nbranch = \"privlink/status/{{enviro.ment}}\"\n"), "CONF007", 5, 10);
}

#[test]
fn a_cluster_is_reached_in_one_way() {
    let id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg/providers/\
              Microsoft.ContainerService/managedClusters/prod";
    let text = |ways: &str| format!("{PROD}[environments.prod.cluster]\naks = \"{id}\"\n{ways}");
    for way in ["", "context = \"prod\"\n", "in-cluster = true\n", "get-credentials = true\n"] {
        accepted(&format!("{HEAD}{}", text(way)));
    }
    only(&text("context = \"prod\"\nin-cluster = true\n"), "REPO014", 7, 1);
    only(&text("get-credentials = true\ncontext = \"prod\"\n"), "REPO014", 6, 1);
}
