//! Wrong repositories: every mistake is told with its place, all at once, and nothing is written anywhere.

use super::process::{PROD, Run, Stage, example};

/// A file of the environment.
fn document(name: &str, text: impl Into<Vec<u8>>) -> (String, Option<Vec<u8>>) {
    (format!("environments/{PROD}/{name}"), Some(text.into()))
}

fn service(name: &str, rest: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Service\nmetadata:\n  name: {name}\nspec:\n  type: LoadBalancer\n  ports:\n  - port: 80\n{rest}"
    )
}

/// Ten thousand times the same document nine levels deep.
fn alias_bomb() -> String {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..9 {
        let of = format!("*a{}", level - 1);
        text.push_str(&format!("a{level}: &a{level} [{}]\n", vec![of; 9].join(", ")));
    }
    text
}

/// Every kind of broken document, by file name: in the order in which they must be told.
fn mistakes() -> Vec<(String, Option<Vec<u8>>)> {
    let merge = "base: &base\n  name: a\napiVersion: v1\nkind: Service\nmetadata:\n  <<: *base\n";
    vec![
        document("a-unknown-key.yaml", service("unknown-key", "  prots: []\n")),
        document("b-wrong-type.yaml", service("wrong-type", "  selector: [a]\n")),
        document("c-duplicate-key.yaml", service("duplicate-key", "  type: ClusterIP\n")),
        document("d-same-identity-1.yaml", service("twice", "")),
        document("d-same-identity-2.yaml", service("twice", "")),
        document(
            "e-reference-to-nothing.yaml",
            "apiVersion: privlink.dev/v1alpha1\nkind: PrivateEndpoint\nmetadata:\n  name: lost\nspec:\n  resourceGroup: rg\n  location: eastus2\n  subnet: { virtualNetwork: v, name: s }\n  target:\n    privateLinkService: nobody\n",
        ),
        document("f-anchor.yaml", "apiVersion: &v v1\nkind: Service\nmetadata: { name: anchor }\n"),
        document("g-merge-key.yaml", merge),
        document(
            "h-deep.yaml",
            format!("apiVersion: v1\nkind: Service\nspec: {}1{}\n", "[".repeat(20_000), "]".repeat(20_000)),
        ),
        document("i-bomb.yaml", alias_bomb()),
        document("j-not-utf8.yaml", b"apiVersion: v1\nkind: Service\nmetadata: { name: caf\xe9 }\n".to_vec()),
        document("k-unknown-kind.yaml", "apiVersion: v1\nkind: Sevrice\nmetadata: { name: a }\n"),
        document("l-no-kind.yaml", "metadata: { name: a }\n"),
        document("m-scalar.yaml", "hello\n"),
        document("n-broken.yaml", "apiVersion: v1\nkind: [\n"),
        document("o-large.yaml", "# long\n".repeat((50 << 20) / 7)),
    ]
}

/// A stage whose repository has this on top of the example.
fn stage_with(edits: &[(String, Option<Vec<u8>>)]) -> Stage {
    let stage = Stage::new(&example());
    stage.repo.edit("main", "alice <alice@example.com>", edits);
    stage
}

/// Writes the files of the branch `main` into a folder, as a checkout would.
fn folder_with(stage: &Stage) -> std::path::PathBuf {
    let folder = stage.folder().join("checkout");
    git2::build::RepoBuilder::new().branch("main").clone(&stage.url(), &folder).unwrap();
    folder
}

/// All three ways to read a repository; each has to say the same about the files.
fn three_ways(stage: &Stage) -> [Run; 3] {
    let folder = folder_with(stage);
    let folder = folder.to_str().unwrap();
    let runs = [
        stage.machine.run(&["check", folder]),
        stage.machine.run(&["plan", folder, "--trust-working-tree"]),
        stage.run(&["plan"]),
    ];
    assert_eq!(stage.writes(), 0, "nothing is written");
    runs
}

/// The files named in diagnostics, in the order in which they were named.
fn files(run: &Run) -> Vec<String> {
    let arrows = run.err.lines().filter_map(|line| line.trim_start().strip_prefix("--> "));
    let mut files: Vec<String> = arrows.map(|place| place.split(':').next().unwrap().to_owned()).collect();
    files.dedup();
    files
}

#[test]
fn every_mistake_is_told_at_once_in_file_order() {
    let stage = stage_with(&mistakes());
    let [check, folder, url] = three_ways(&stage).map(|run| run.ends(3));
    let told = files(&check);
    for (path, _) in mistakes().iter().filter(|(path, _)| !path.ends_with("identity-1.yaml")) {
        assert!(told.contains(path), "{path} is not told: {told:#?}");
    }
    assert!(told.is_sorted(), "{told:#?}");
    assert!(check.err.contains("::: environments/prod/d-same-identity-1.yaml:1:1"), "both places: {}", check.err);
    assert!(check.err.lines().count() < 400, "{} lines are too many to read", check.err.lines().count());
    for other in [folder, url] {
        assert!(other.err.ends_with(&check.err), "the same mistakes, told otherwise:\n{}", other.err);
        assert_eq!(other.out, "", "there is no plan");
    }
}

/// Puts entries into the tree that no editor writes: symlinks, submodules, odd names.
fn with_entries(stage: &Stage, entries: &[(&str, git2::Oid, i32)]) {
    let repository = stage.repo.open();
    let parent = repository.find_reference("refs/heads/main").unwrap().peel_to_commit().unwrap();
    let root = parent.tree().unwrap();
    let tree_of = |tree: &git2::Tree<'_>, name: &str| repository.find_tree(tree.get_name(name).unwrap().id()).unwrap();
    let environments = tree_of(&root, "environments");
    let mut prod = repository.treebuilder(Some(&tree_of(&environments, PROD))).unwrap();
    for (name, id, mode) in entries {
        prod.insert(*name, *id, *mode).unwrap();
    }
    let mut above = repository.treebuilder(Some(&environments)).unwrap();
    above.insert(PROD, prod.write().unwrap(), 0o040_000).unwrap();
    let mut top = repository.treebuilder(Some(&root)).unwrap();
    top.insert("environments", above.write().unwrap(), 0o040_000).unwrap();
    let tree = repository.find_tree(top.write().unwrap()).unwrap();
    let who = git2::Signature::now("alice", "alice@example.com").unwrap();
    repository.commit(Some("refs/heads/main"), &who, &who, "odd", &tree, &[&parent]).unwrap();
}

#[test]
fn symlinks_submodules_and_odd_names_of_a_commit_are_never_followed() {
    let stage = Stage::new(&example());
    let repository = stage.repo.open();
    let link = repository.blob(b"../../../../etc/passwd").unwrap();
    let text = repository.blob(service("odd", "").as_bytes()).unwrap();
    let main = repository.refname_to_id("refs/heads/main").unwrap();
    with_entries(
        &stage,
        &[("link.yaml", link, 0o120_000), ("module", main, 0o160_000), ("back\\slash.yaml", text, 0o100_644)],
    );
    let run = stage.run(&["plan"]).ends(3);
    for name in ["link.yaml", "module", "slash.yaml"] {
        assert!(run.err.contains(name), "{name} is not told:\n{}", run.err);
    }
    assert!(!run.all().contains("root:"), "somebody followed the link");
    insta::assert_snapshot!(
        run.err.lines().filter(|line| !line.starts_with("planning")).collect::<Vec<_>>().join("\n")
    );
}

#[test]
fn a_symlink_in_a_folder_is_not_followed() {
    let stage = Stage::new(&example());
    let folder = folder_with(&stage);
    std::os::unix::fs::symlink("/etc/passwd", folder.join("environments/prod/link.yaml")).unwrap();
    std::os::unix::fs::symlink("/etc", folder.join("environments/prod/etc")).unwrap();
    let run = stage.machine.run(&["check", folder.to_str().unwrap()]).ends(3);
    assert!(run.err.contains("environments/prod/link.yaml"), "{}", run.err);
    assert!(!run.all().contains("root:") && !run.err.contains("etc/passwd"), "{}", run.err);
}

/// Everything a folder and a repository say, where both have to end with 3.
#[track_caller]
fn both(stage: &Stage) -> String {
    let folder = folder_with(stage);
    let check = stage.machine.run(&["check", folder.to_str().unwrap()]).ends(3);
    let plan = stage.run(&["plan"]).ends(3);
    assert_eq!(check.err, plan.err);
    assert_eq!(stage.writes(), 0);
    plan.err
}

#[test]
fn without_settings_there_is_nothing_to_plan() {
    let stage = Stage::new(&[("README.md".to_owned(), "hello".to_owned())]);
    insta::assert_snapshot!(both(&stage));
}

#[test]
fn broken_settings_are_told_with_their_places() {
    let broken = "version = 1\nowner = \"me\"\n[environments.prod]\npath = \"../..\"\ncluod = \"public\"\nprune = \"yes\"\n\
                  max-deletes = -1\nmax-deletes = 3\n";
    let stage = Stage::new(&[("privlink.toml".to_owned(), broken.to_owned())]);
    insta::assert_snapshot!(both(&stage));
    let wrong = "version = 1\nowner = \"me\"\n[environments.prod]\npath = \"../..\"\ncluod = \"public\"\nprune = \"yes\"\n\
                 max-deletes = -1\n[environments.prod.approval]\nsevering = 2\nnotable = \"perhaps\"\n";
    let stage = Stage::new(&[("privlink.toml".to_owned(), wrong.to_owned())]);
    insta::assert_snapshot!(both(&stage));
    let stage = Stage::new(&example());
    let bytes = b"version = 1\nowner = \"\xff\"\n".to_vec();
    stage.repo.edit("main", "alice <a@example.com>", &[("privlink.toml".to_owned(), Some(bytes))]);
    insta::assert_snapshot!(both(&stage));
}

#[test]
fn an_empty_repository_and_an_unborn_branch_are_repositories_without_settings() {
    let stage = Stage::new(&example());
    stage.repo.open().find_reference("refs/heads/main").unwrap().delete().unwrap();
    let run = stage.run(&["plan"]).ends(3);
    assert!(run.err.contains("there is no privlink.toml"), "{}", run.err);
    let folder = stage.folder().join("unborn");
    git2::Repository::init(&folder).unwrap();
    for arguments in [["check", "unborn", "--log=off"], ["plan", "unborn", "--trust-working-tree"]] {
        let arguments = arguments.map(|word| if word == "unborn" { folder.to_str().unwrap() } else { word });
        let run = stage.machine.run(&arguments).ends(3);
        assert!(run.err.contains("there is no privlink.toml"), "{}", run.err);
    }
}

#[test]
fn a_folder_that_is_not_there_is_one_sentence() {
    let stage = Stage::new(&example());
    for command in ["check", "plan", "apply", "status"] {
        let run = stage.machine.run(&[command, "/nowhere/at/all"]).ends(1);
        assert_eq!(run.errors().lines().count(), 1, "{}", run.err);
        assert!(run.errors().contains("/nowhere/at/all"), "{command}: {}", run.err);
    }
}
