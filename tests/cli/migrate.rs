//! The move of consumers to a second way to a Service: written by `privlink migrate`, and seen through to its end.

use std::path::PathBuf;

use privlink::cli::Exit;
use serde_json::Value;
use serde_json::json;

use super::docs;
use crate::runner::Stage;
use crate::runner::redact;
use crate::runner::worlds;
use crate::runner::worlds::CONSUMER;
use crate::runner::worlds::NODE_GROUP;
use crate::runner::worlds::PROVIDER;

const OLD: &str = "environments/prod/web.yaml";
const NEW: &str = "environments/prod/web-2.yaml";

fn old() -> String {
    let lines =
        "  clusterIP: 10.0.7.7\n  ports:\n  - name: http\n    port: 80\n    targetPort: 8080\n    nodePort: 31080\n";
    let service = docs::service_with("web", &[("azure-load-balancer-ipv4", "10.224.10.1")], lines);
    let nat = "  nat: { subnet: pls-subnet, addresses: [\"10.225.1.40\", \"10.225.1.41\"] }\n";
    // A comment of a person, who need not find it again in the copy.
    format!("# ours\n{service}---\n{}", docs::published_with("web", nat))
}

/// A published Service, applied, with these files beside it.
fn published(more: &[(&str, &str)]) -> Stage {
    let stage = Stage::in_world(worlds::example());
    let old = old();
    let settings = worlds::settings();
    let files: Vec<(&str, &str)> =
        [("privlink.toml", settings.as_str()), (OLD, old.as_str())].into_iter().chain(more.iter().copied()).collect();
    stage.repo.commit(&files);
    stage.converge();
    stage
}

/// A person's working copy of the config branch.
fn clone(stage: &Stage) -> PathBuf {
    let folder = stage.folder().join("work");
    let _ = std::fs::remove_dir_all(&folder);
    stage.repo.clone_to(&folder);
    folder
}

fn endpoint_id(name: &str) -> String {
    format!(
        "/subscriptions/{CONSUMER}/resourceGroups/myOtherResourceGroup/providers/Microsoft.Network/privateEndpoints/{name}"
    )
}

/// A consumer connects, in a network of its own.
fn connect(stage: &Stage, name: &str, subnet: &str, link: &str) {
    let subnet = format!(
        "/subscriptions/{CONSUMER}/resourceGroups/myOtherResourceGroup/providers/Microsoft.Network/virtualNetworks/{subnet}/subnets/pe-subnet"
    );
    let link = format!(
        "/subscriptions/{PROVIDER}/resourceGroups/{NODE_GROUP}/providers/Microsoft.Network/privateLinkServices/{link}"
    );
    let body = json!({"location": "eastus2", "properties": {
        "subnet": {"id": subnet},
        "privateLinkServiceConnections": [{"name": name, "properties": {"privateLinkServiceId": link}}],
    }});
    stage.azure_does("PUT", &endpoint_id(name), Some(body));
}

fn links(stage: &Stage) -> Vec<String> {
    let list = format!("/subscriptions/{PROVIDER}/providers/Microsoft.Network/privateLinkServices");
    let found = stage.azure(&list).unwrap()["value"].as_array().unwrap().clone();
    found.iter().map(|link: &Value| link["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_second_one_is_written_beside_the_first_and_what_comes_next_is_told() {
    let stage = published(&[("environments/prod/web-endpoint.yaml", &docs::endpoint("web"))]);
    let folder = clone(&stage);
    let folder = folder.to_str().unwrap();
    let wrote = stage.run(&["migrate", "web", folder, "--address", "10.224.10.2"]).ends(Exit::Done);
    insta::assert_snapshot!(wrote.err, @"
    wrote environments/prod/web-2.yaml: Service default/web-2, PrivateLinkService web-2
    not copied, because it is the old Service's own: clusterIP 10.0.7.7, azure-load-balancer-ipv4 10.224.10.1, nodePort
    next:
      commit it; `privlink plan` shows that nobody is cut, `privlink apply` builds it
      tell the consumers the alias of web-2, which `privlink status` shows
      move pe-web when it suits: `target: { privateLinkService: web-2 }` in environments/prod/web-endpoint.yaml
      wait until `privlink status` says that all have moved
      then delete PrivateLinkService web (environments/prod/web.yaml) and Service default/web (environments/prod/web.yaml)
      and, when they are gone, `replaces: web` in web-2: until then it says who has moved
    ");
    let written = std::fs::read_to_string(std::path::Path::new(folder).join(NEW)).unwrap();
    insta::assert_snapshot!(written, @"
    apiVersion: v1
    kind: Service
    metadata:
      annotations:
        service.beta.kubernetes.io/azure-load-balancer-internal: 'true'
        service.beta.kubernetes.io/azure-load-balancer-ipv4: 10.224.10.2
      name: web-2
    spec:
      ports:
      - name: http
        port: 80
        targetPort: 8080
      selector:
        app: web
      type: LoadBalancer
    ---
    apiVersion: privlink.dev/v1alpha1
    kind: PrivateLinkService
    metadata:
      name: web-2
    spec:
      autoApproval:
        subscriptions:
        - 00000000-0000-0000-0000-000000000002
      name: pls-web-2
      nat:
        count: 2
        subnet: pls-subnet
      replaces: web
      service:
        name: web-2
      visibility:
        mode: subscriptions
        subscriptions:
        - 00000000-0000-0000-0000-000000000002
    ");
}

#[test]
fn consumers_move_one_by_one_to_a_second_frontend_and_the_first_goes_without_a_cut() {
    let stage = published(&[]);
    for name in ["guest-a", "guest-b"] {
        connect(&stage, name, "myOtherVNET", "pls-web");
    }
    let folder = clone(&stage);
    let folder = folder.to_str().unwrap();
    stage.run(&["migrate", "web", folder, "--address", "10.224.10.2"]).ends(Exit::Done);
    let written = std::fs::read_to_string(std::path::Path::new(folder).join(NEW)).unwrap();
    stage.repo.commit(&[(NEW, &written)]);
    let both = stage.converge();
    assert!(
        both.starts_with("Plan for prod: notable\n+ 2 to create, ~ 0 to update, -/+ 0 to replace, - 0 to delete\n"),
        "{both}"
    );
    assert_eq!(links(&stage), ["pls-web", "pls-web-2"]);

    connect(&stage, "guest-a-2", "myOtherVNET", "pls-web-2");
    stage.run_on_repo("status", &["--live"]).ends(Exit::Done).says("web-2 replaces web: 1 of 2 consumers moved");
    stage.repo.remove(&[OLD]);
    let early = stage.plan().ends(Exit::Changes);
    redact::settings(&stage).bind(|| insta::assert_snapshot!(early.out, @"
    Plan for prod: severing
    + 0 to create, ~ 0 to update, -/+ 0 to replace, - 1 to delete

    Who is affected: 1 connection of 1 subscription
      service/default/web: the frontend at 10.224.10.1 goes: pls-web is deleted with every connection and its alias; 1 of 2 consumers moved to pls-web-2 (CCM-FIP-GONE, DIF015)
        guest-b  Approved  unknown consumer  subscription 00000000-0000-0000-0000-000000000002  first seen [DAY]

    Changes
      1. - service/default/web: delete  [severing]
          no document asks for it any more
          1 connection affected (CCM-FIP-GONE): see above

    Approval
      severing (1 change): 1 person who is neither author nor committer must approve

    Plan id: [PLAN]
    "));
    stage.repo.commit(&[(OLD, &old())]);

    connect(&stage, "guest-b-2", "myOtherVNET", "pls-web-2");
    stage.run_on_repo("status", &["--live"]).ends(Exit::Done).says("web-2 replaces web: 2 of 2 consumers moved");
    stage.repo.remove(&[OLD]);
    let last = stage.converge();
    redact::settings(&stage).bind(|| insta::assert_snapshot!(last, @"
    Plan for prod: disruptive
    + 0 to create, ~ 0 to update, -/+ 0 to replace, - 1 to delete

    Changes
      1. - service/default/web: delete  [disruptive]
          no document asks for it any more
          the frontend at 10.224.10.1 goes: pls-web is deleted with every connection and its alias; 2 of 2 consumers moved to pls-web-2 (CCM-FIP-GONE, DIF015)

    Approval
      disruptive (1 change): 1 person who is neither author nor committer must approve

    Plan id: [PLAN]
    "));
    assert_eq!(links(&stage), ["pls-web-2"]);
    stage.plan().ends(Exit::Done).says("`replaces: web` is not needed any more");
}

#[test]
fn nothing_is_overwritten_and_a_dry_run_writes_nothing() {
    let stage = published(&[("environments/prod/web-3.yaml", &docs::service("other", &[]))]);
    let folder = clone(&stage);
    let path = folder.to_str().unwrap();
    let shown = stage.run(&["migrate", "web", path, "--dry-run"]).ends(Exit::Done);
    assert!(shown.out.contains("replaces: web") && !folder.join(NEW).exists(), "{}", shown.out);
    let taken = stage.run(&["migrate", "web", path, "--as", "web-3"]).ends(Exit::Failed);
    taken.says("environments/prod/web-3.yaml exists already: nothing is overwritten");
    let before = stage.repo.read("environments/prod/web-3.yaml");
    assert_eq!(std::fs::read_to_string(folder.join("environments/prod/web-3.yaml")).unwrap(), before);
    stage.run(&["migrate", "web", path]).ends(Exit::Done);
    assert_eq!(std::fs::read_to_string(folder.join(NEW)).unwrap(), shown.out);
    stage.run(&["migrate", "web", path]).ends(Exit::Failed).says("web-2 replaces web already");
}

#[test]
fn what_cannot_be_migrated_is_told_and_why() {
    let stage = published(&[]);
    let folder = clone(&stage);
    let path = folder.to_str().unwrap();
    let says = |arguments: &[&str], exit: Exit, text: &str| {
        let all: Vec<&str> = ["migrate"].into_iter().chain(arguments.iter().copied()).chain([path]).collect();
        stage.run(&all).ends(exit).says(text);
        assert!(!folder.join(NEW).exists());
    };
    says(&["--address", "10.224.10.1", "web"], Exit::Failed, "default/web has the address 10.224.10.1");
    says(&["wbe"], Exit::Failed, "no environment has a PrivateLinkService that is called wbe");
    says(&["-e", "prod", "wbe"], Exit::Failed, "no PrivateLinkService is called wbe; there are web");
    says(&["-e", "test", "web"], Exit::Failed, "there is no environment test");
    says(&["--as", "web", "web"], Exit::Failed, "PrivateLinkService web is there already");
    std::fs::write(folder.join(OLD), old().replace("nodePort", "nodeProt")).unwrap();
    says(&["web"], Exit::Files, "the files have errors: repair them first");
}

#[test]
fn what_annotations_alone_publish_gets_a_document_first_that_changes_nothing() {
    let annotated = |name: &str| {
        let own = [
            ("azure-load-balancer-ipv4", "10.224.10.1"),
            ("azure-pls-create", "true"),
            ("azure-pls-name", "pls-web"),
            ("azure-pls-visibility", CONSUMER),
            ("azure-pls-auto-approval", CONSUMER),
            ("azure-pls-ip-configuration-subnet", "pls-subnet"),
            ("azure-pls-ip-configuration-ip-address-count", "3"),
            ("azure-pls-ip-configuration-ip-address", "10.225.1.40 10.225.1.41"),
            ("azure-pls-fqdns", "web.example.com"),
        ];
        docs::service(name, &own)
    };
    let stage = Stage::in_world(worlds::example());
    stage.repo.commit(&[("privlink.toml", &worlds::settings()), (OLD, &annotated("web"))]);
    stage.converge();
    let refused = stage.run(&["migrate", "web", clone(&stage).to_str().unwrap()]).ends(Exit::Failed);
    insta::assert_snapshot!(refused.out, @"
    apiVersion: privlink.dev/v1alpha1
    kind: PrivateLinkService
    metadata:
      name: web
    spec:
      autoApproval:
        subscriptions:
        - 00000000-0000-0000-0000-000000000002
      fqdns:
      - web.example.com
      name: pls-web
      nat:
        addresses:
        - 10.225.1.40
        - 10.225.1.41
        count: 3
        subnet: pls-subnet
      service:
        name: web
      visibility:
        mode: subscriptions
        subscriptions:
        - 00000000-0000-0000-0000-000000000002
    ");
    insta::assert_snapshot!(refused.err, @"
    a document for environments/prod/web.yaml
    error: default/web is published by annotations alone: commit the document above first, which asks for what the annotations ask for and changes nothing, then migrate web
    ");
    stage.repo.commit(&[("environments/prod/web-published.yaml", &refused.out)]);
    stage.plan().ends(Exit::Done);
    let wrote = stage.run(&["migrate", "web", clone(&stage).to_str().unwrap(), "--dry-run"]).ends(Exit::Done);
    assert!(wrote.out.contains("replaces: web") && wrote.out.contains("name: pls-web-2"), "{}", wrote.out);
    stage.repo.commit(&[("environments/prod/web-2.yaml", &wrote.out)]);
    let both = stage.converge();
    assert!(both.contains("+ 2 to create, ~ 0 to update, -/+ 0 to replace, - 0 to delete"), "{both}");
}

#[test]
fn a_service_that_somebody_else_deploys_gets_a_document_and_a_word_for_them() {
    let stage = published(&[("environments/prod/sold.yaml", &docs::published("sold"))]);
    let folder = clone(&stage);
    let path = folder.to_str().unwrap();
    let told = stage.run(&["migrate", "sold", path, "--dry-run"]).ends(Exit::Done);
    assert!(told.out.starts_with("apiVersion: privlink.dev/v1alpha1\n"), "{}", told.out);
    told.says("deploy default/sold-2 where the old Service is deployed from");
    let pinned = stage.run(&["migrate", "sold", path, "--address", "10.224.10.9"]).ends(Exit::Failed);
    pinned.says("default/sold is not in this repository: give --address to the Service where it is deployed from");
}

#[test]
fn privlink_takes_a_private_link_service_over_and_gives_it_back_by_building_it_anew() {
    const BY_US: &str = "  managedBy: privlink\n  resourceGroup: rg-pls\n";
    let stage = Stage::in_world(worlds::example());
    let published = "environments/prod/web-published.yaml";
    let endpoint = "environments/prod/web-endpoint.yaml";
    stage.repo.commit(&[
        ("privlink.toml", &worlds::settings()),
        (OLD, &docs::service("web", &[("azure-load-balancer-ipv4", "10.224.10.1")])),
        (published, &docs::published_with("web", &format!("{BY_US}  nat: {{ subnet: pls-subnet }}\n"))),
        (endpoint, &docs::endpoint("web")),
    ]);
    stage.converge();
    let group = || {
        let list = format!("/subscriptions/{PROVIDER}/providers/Microsoft.Network/privateLinkServices");
        let found = stage.azure(&list).unwrap()["value"].as_array().unwrap().clone();
        assert_eq!(found.len(), 1, "a frontend carries one");
        found[0]["id"].as_str().unwrap().split('/').nth(4).unwrap().to_owned()
    };
    assert_eq!(group(), "rg-pls");

    stage.repo.replace(published, "  nat:", "  fqdns: [web.example.com]\n  nat:");
    let update = stage.converge();
    assert!(update.contains("~ privatelinkservice/pls-web: update") && !update.contains("severing"), "{update}");

    stage.repo.replace(OLD, "10.224.10.1", "10.224.10.3");
    stage
        .plan()
        .ends(Exit::Changes)
        .says("Plan for prod: severing")
        .says("it is not proven that its connections survive");
    stage.repo.replace(OLD, "10.224.10.3", "10.224.10.1");

    stage.repo.replace(published, BY_US, "");
    let given_back = stage.converge();
    assert!(given_back.contains("pls-web cannot pass to the cloud provider as it is"), "{given_back}");
    assert!(given_back.contains("-/+ privateendpoint/pe-web: replace  [severing]"), "{given_back}");
    assert!(given_back.contains("let `privlink migrate web` write a second one beside it"), "{given_back}");
    assert_eq!(group(), NODE_GROUP);

    stage.repo.replace(published, "  nat:", &format!("{BY_US}  nat:"));
    let taken_over = stage.converge();
    assert!(taken_over.contains("pls-web cannot pass to privlink as it is"), "{taken_over}");
    assert_eq!(group(), "rg-pls");

    stage.repo.remove(&[published, endpoint]);
    stage.converge();
    assert_eq!(links(&stage), Vec::<String>::new());
}
