//! The examples of how the agent is run: what they say to systemd, to Kubernetes and to the program is understood there.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Container, Namespace, PersistentVolumeClaim, Service, ServiceAccount};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

fn example(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(path)
}

fn read(path: &str) -> String {
    std::fs::read_to_string(example(path)).unwrap()
}

/// Reads a manifest as its type. Nothing of it may be lost on the way: Kubernetes' types pass over what they do not know.
fn manifest<T: DeserializeOwned + Serialize>(name: &str) -> T {
    let written: Value = serde_yaml::from_str(&read(&format!("kubernetes/{name}"))).unwrap();
    let typed: T = serde_json::from_value(written.clone()).unwrap();
    assert_eq!(serde_json::to_value(&typed).unwrap(), written, "{name} says something that Kubernetes does not know");
    typed
}

fn container() -> Container {
    let deployment: Deployment = manifest("deployment.yaml");
    let mut containers = deployment.spec.template.spec.unwrap().containers;
    assert_eq!(containers.len(), 1);
    containers.remove(0)
}

/// The flags that a command knows, from its own help.
fn flags(command: &str) -> BTreeSet<String> {
    let help = Command::new(env!("CARGO_BIN_EXE_privlink")).args([command, "--help"]).env_clear().output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let words = help.split(|c: char| c.is_whitespace() || "[],:=<".contains(c));
    words.filter(|word| word.starts_with("--")).map(ToOwned::to_owned).collect()
}

#[track_caller]
fn knows_all_flags(arguments: &[&str]) {
    let (command, rest) = arguments.split_first().unwrap();
    let known = flags(command);
    let used = rest.iter().filter(|word| word.starts_with("--")).map(|word| word.split('=').next().unwrap());
    let unknown: Vec<&str> = used.filter(|flag| !known.contains(*flag)).collect();
    assert!(unknown.is_empty(), "`privlink {command}` knows no {unknown:?}");
}

#[test]
fn the_flags_and_ports_of_the_deployment_are_those_of_the_program() {
    let container = container();
    let arguments = container.args.unwrap();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    knows_all_flags(&arguments);
    let ports: BTreeMap<String, i32> =
        container.ports.unwrap().into_iter().map(|port| (port.name.unwrap(), port.container_port)).collect();
    for (name, port) in &ports {
        assert!(arguments.contains(&format!("--{name}=0.0.0.0:{port}").as_str()), "nobody listens at {name}");
    }
    for (probe, path) in [(container.liveness_probe, "/healthz"), (container.readiness_probe, "/readyz")] {
        let get = probe.unwrap().http_get.unwrap();
        assert_eq!((get.path.as_deref(), get.port), (Some(path), IntOrString::String("probes".to_owned())));
    }
    let service: Service = manifest("service.yaml");
    for port in service.spec.unwrap().ports.unwrap() {
        assert_eq!(ports.get(&port.name.unwrap()), Some(&port.port));
    }
}

#[test]
fn the_pod_has_no_rights_that_it_does_not_need_and_writes_only_to_its_volumes() {
    let deployment: Deployment = manifest("deployment.yaml");
    let spec = deployment.spec;
    assert_eq!(
        spec.template.metadata.as_ref().unwrap().labels.as_ref().unwrap()["azure.workload.identity/use"],
        "true"
    );
    let pod = spec.template.spec.unwrap();
    let account: ServiceAccount = manifest("serviceaccount.yaml");
    assert_eq!(pod.service_account_name, account.metadata.name);
    assert!(account.metadata.annotations.unwrap().contains_key("azure.workload.identity/client-id"));
    assert_eq!(pod.security_context.unwrap().run_as_non_root, Some(true));
    let container = container();
    let security = container.security_context.unwrap();
    assert_eq!(security.read_only_root_filesystem, Some(true));
    assert_eq!(security.allow_privilege_escalation, Some(false));
    assert_eq!(security.capabilities.unwrap().drop, Some(vec!["ALL".to_owned()]));
    let arguments = container.args.unwrap();
    let mounts = container.volume_mounts.unwrap();
    for folder in ["--cache-dir=", "--state-dir="] {
        let folder = arguments.iter().find_map(|argument| argument.strip_prefix(folder)).unwrap();
        assert!(mounts.iter().any(|mount| mount.mount_path == folder && mount.read_only.is_none()), "{folder}");
    }
    let volumes: BTreeSet<String> = pod.volumes.unwrap().into_iter().map(|volume| volume.name).collect();
    assert_eq!(volumes, mounts.into_iter().map(|mount| mount.name).collect());
}

#[test]
fn the_replicas_elect_a_leader_by_a_lease_that_their_account_may_write() {
    let deployment: Deployment = manifest("deployment.yaml");
    assert!(deployment.spec.replicas >= Some(2), "a leader alone needs no election");
    let arguments = container().args.unwrap();
    let lease = arguments.iter().find_map(|argument| argument.strip_prefix("--leader-election-lease=")).unwrap();
    let (namespace, name) = lease.split_once('/').unwrap();
    let (role, binding): (Role, RoleBinding) = (manifest("role.yaml"), manifest("rolebinding.yaml"));
    let rules = role.rules.unwrap();
    let may = |verb: &str| {
        let allows = |rule: &k8s_openapi::api::rbac::v1::PolicyRule| {
            let has = |list: &Option<Vec<String>>, word: &str| list.iter().flatten().any(|own| own == word);
            let is_named = rule.resource_names.is_none() || has(&rule.resource_names, name);
            has(&rule.api_groups, "coordination.k8s.io")
                && has(&rule.resources, "leases")
                && rule.verbs.iter().any(|own| own == verb)
                && is_named
        };
        rules.iter().any(allows)
    };
    assert!(["get", "create", "patch"].into_iter().all(may) && !may("delete"));
    let account: ServiceAccount = manifest("serviceaccount.yaml");
    let kustomization: Value = serde_yaml::from_str(&read("kubernetes/kustomization.yaml")).unwrap();
    assert_eq!(kustomization["namespace"], namespace);
    let subject = &binding.subjects.unwrap()[0];
    assert_eq!((Some(&subject.name), subject.namespace.as_deref()), (account.metadata.name.as_ref(), Some(namespace)));
    assert_eq!((Some(binding.role_ref.name), binding.role_ref.kind.as_str()), (role.metadata.name, "Role"));
    // What they remember has to be there for whoever leads.
    let volume: PersistentVolumeClaim = manifest("volume.yaml");
    assert_eq!(volume.spec.unwrap().access_modes, Some(vec!["ReadWriteMany".to_owned()]));
}

#[test]
fn every_manifest_is_listed_and_selects_the_pods_of_the_deployment() {
    let deployment: Deployment = manifest("deployment.yaml");
    let selector = deployment.spec.selector;
    let policy: NetworkPolicy = manifest("networkpolicy.yaml");
    assert_eq!(policy.spec.unwrap().pod_selector, Some(selector.clone()));
    let budget: PodDisruptionBudget = manifest("poddisruptionbudget.yaml");
    let budget = budget.spec.unwrap();
    assert_eq!((budget.selector, budget.max_unavailable), (Some(selector), Some(IntOrString::Int(1))));
    let _: (Namespace, PersistentVolumeClaim) = (manifest("namespace.yaml"), manifest("volume.yaml"));
    let kustomization: Value = serde_yaml::from_str(&read("kubernetes/kustomization.yaml")).unwrap();
    let listed: BTreeSet<&str> =
        kustomization["resources"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    let names: Vec<_> = std::fs::read_dir(example("kubernetes")).unwrap().map(|it| it.unwrap().file_name()).collect();
    let there: BTreeSet<&str> =
        names.iter().map(|name| name.to_str().unwrap()).filter(|name| *name != "kustomization.yaml").collect();
    assert_eq!(listed, there);
}

/// The words of the unit's command line, the program left out.
fn command(unit: &str) -> Vec<String> {
    let joined = unit.replace("\\\n", " ");
    let line = joined.lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap();
    line.split_whitespace().skip(1).map(ToOwned::to_owned).collect()
}

#[test]
fn the_unit_is_one_that_systemd_takes_and_its_flags_are_those_of_the_program() {
    let unit = read("systemd/privlink-agent.service");
    let words = command(&unit);
    knows_all_flags(&words.iter().map(String::as_str).collect::<Vec<_>>());
    let folder = std::env::temp_dir().join(format!("privlink-unit-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("privlink-agent.service");
    // The program is not installed here, and systemd looks for it.
    std::fs::write(&file, unit.replace("/usr/local/bin/privlink", env!("CARGO_BIN_EXE_privlink"))).unwrap();
    let verified = Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(&file).output();
    std::fs::remove_dir_all(&folder).unwrap();
    let Ok(verified) = verified else {
        eprintln!("skipped: systemd-analyze is not installed");
        return;
    };
    let told = String::from_utf8_lossy(&verified.stderr).into_owned();
    let about_ours: Vec<&str> = told.lines().filter(|line| line.contains("privlink-agent.service")).collect();
    assert!(verified.status.success() && about_ours.is_empty(), "{told}");
}

#[test]
fn the_image_is_built_without_the_simulator_and_does_not_run_as_root() {
    let text = read("Dockerfile");
    let (build, image) = text.split_once("\nFROM scratch\n").expect("the image holds nothing but what is copied");
    assert!(build.contains("--no-default-features") && build.contains("--locked"));
    let user = image.lines().find_map(|line| line.strip_prefix("USER ")).unwrap();
    assert_eq!(user, "65532:65532");
    let deployment: Deployment = manifest("deployment.yaml");
    let context = deployment.spec.template.spec.unwrap().security_context.unwrap();
    assert_eq!(context.run_as_user, Some(65_532), "the pod runs as the image does");
    let rust = env!("CARGO_PKG_RUST_VERSION");
    assert!(build.contains(&format!("FROM rust:{rust}-")), "Rust {rust} is needed");
}

/// The commands of privlink in a file, split as a shell splits them without quotes that hold blanks.
fn commands(text: &str) -> Vec<Vec<String>> {
    let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
    let commands = lines.filter_map(|line| line.split_once("privlink review").map(|(_, rest)| rest));
    commands
        .map(|rest| std::iter::once("review").chain(rest.split_whitespace()).map(ToOwned::to_owned).collect())
        .collect()
}

#[test]
fn the_workflows_for_pull_requests_are_yaml_and_their_flags_are_those_of_the_program() {
    for name in ["github.yml", "gitlab-ci.yml", "azure-pipelines.yml"] {
        let text = read(&format!("ci/{name}"));
        let _: Value = serde_yaml::from_str(&text).unwrap();
        let commands = commands(&text);
        assert_eq!(commands.len(), 1, "{name} plans once");
        let words: Vec<&str> = commands[0].iter().map(String::as_str).collect();
        knows_all_flags(&words);
        // A clone would be the head's; by the remote nothing of it is checked out.
        assert!(["--repo", "--pull-request", "--forge"].iter().all(|flag| words.contains(flag)), "{name}: {words:?}");
        // Whoever opens a pull request chooses its branch, and with it whose privlink.toml would be believed.
        assert!(words.windows(2).any(|pair| pair == ["--base", "main"]), "{name}: {words:?}");
        // What another run left is not shown.
        assert!(text.contains("rm -rf"), "{name}");
        assert!(!text.contains("secrets.") && !text.contains("actions/checkout"), "{name}");
    }
}

#[test]
fn the_workflow_of_github_asks_for_no_more_than_it_needs_and_is_not_run_with_the_rights_of_the_base() {
    let workflow: Value = serde_yaml::from_str(&read("ci/github.yml")).unwrap();
    assert_eq!(workflow["permissions"], serde_json::json!({}));
    let job = &workflow["jobs"]["review"];
    let asked = serde_json::json!({
        "contents": "read", "id-token": "write", "pull-requests": "write", "statuses": "write", "checks": "write"
    });
    assert_eq!(job["permissions"], asked);
    let triggers: Vec<&String> = workflow["on"].as_object().unwrap().keys().collect();
    assert_eq!(triggers, ["pull_request", "workflow_dispatch"]);
    assert_eq!(workflow["on"]["pull_request"]["branches"], serde_json::json!(["main"]));
    for step in job["steps"].as_array().unwrap() {
        let run = step["run"].as_str().unwrap();
        assert!(!run.contains("${{"), "what people write would be part of a script: {run}");
    }
    let gitlab: Value = serde_yaml::from_str(&read("ci/gitlab-ci.yml")).unwrap();
    assert_eq!(gitlab["privlink"]["variables"]["GIT_STRATEGY"], "none");
    assert_eq!(gitlab["privlink"]["artifacts"]["reports"]["codequality"], "review/code-quality.json");
    let rule = gitlab["privlink"]["rules"][0]["if"].as_str().unwrap();
    assert!(rule.contains("$CI_MERGE_REQUEST_TARGET_BRANCH_NAME == \"main\""), "{rule}");
    let azure: Value = serde_yaml::from_str(&read("ci/azure-pipelines.yml")).unwrap();
    assert_eq!(azure["steps"][0]["checkout"], "none");
}

/// An empty folder that is gone with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("privlink-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// Runs a script as the step of a CI system does; answers its code and what it said.
    fn run(&self, script: &str, variables: &[(&str, &str)]) -> (Option<i32>, String) {
        let mut command = Command::new("bash");
        command.args(["-e", "-c", script]).current_dir(&self.0).envs(variables.iter().copied());
        let done = command.output().unwrap();
        (done.status.code(), String::from_utf8(done.stdout).unwrap())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn the_step_that_shows_plans_on_azure_devops_succeeds_where_there_are_none() {
    let azure: Value = serde_yaml::from_str(&read("ci/azure-pipelines.yml")).unwrap();
    let show = azure["steps"].as_array().unwrap().iter().find(|step| step["displayName"] == "Show").unwrap();
    let script = show["bash"].as_str().unwrap();
    let folder = Folder::new("ci-azure");
    let variables = [("AGENT_TEMPDIRECTORY", folder.0.to_str().unwrap())];
    assert_eq!(folder.run(script, &variables), (Some(0), String::new()));
    let file = folder.0.join("review/prod.md");
    std::fs::create_dir(file.parent().unwrap()).unwrap();
    std::fs::write(&file, "### a plan\n").unwrap();
    let said = format!("##vso[task.uploadsummary]{}\n", file.display());
    assert_eq!(folder.run(script, &variables), (Some(0), said));
}

#[test]
fn the_job_on_gitlab_leaves_no_identity_behind_and_shows_nothing_of_another_job() {
    use std::os::unix::fs::PermissionsExt as _;

    let gitlab: Value = serde_yaml::from_str(&read("ci/gitlab-ci.yml")).unwrap();
    let lines = gitlab["privlink"]["script"].as_array().unwrap();
    let script: String = lines.iter().map(|line| format!("{}\n", line.as_str().unwrap())).collect();
    let folder = Folder::new("ci-gitlab");
    // A stand-in says which identity it was given, and fails as a plan with errors does.
    let stand_in = folder.0.join("privlink");
    std::fs::write(&stand_in, "#!/bin/sh\ncat \"$PRIVLINK_PLAN_FEDERATED_TOKEN_FILE\"\nexit 3\n").unwrap();
    std::fs::set_permissions(&stand_in, std::fs::Permissions::from_mode(0o755)).unwrap();
    let (stale, temporary) = (folder.0.join("review"), folder.0.join("tmp"));
    std::fs::create_dir(&stale).unwrap();
    std::fs::create_dir(&temporary).unwrap();
    let path = format!("{}:{}", folder.0.display(), std::env::var("PATH").unwrap());
    let variables = [("PATH", path.as_str()), ("TMPDIR", temporary.to_str().unwrap()), ("AZURE_IDENTITY", "eyJ0")];
    assert_eq!(folder.run(&script, &variables), (Some(3), "eyJ0".to_owned()));
    assert!(!stale.exists());
    assert_eq!(std::fs::read_dir(&temporary).unwrap().count(), 0);
}
