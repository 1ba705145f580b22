//! `privlink import`: a repository for what is there, whoever made it.

use std::collections::BTreeMap;
use std::path::Path;
use std::path::PathBuf;

use privlink::cli::Exit;
use serde_json::Value;
use serde_json::json;

use super::docs;
use crate::runner::Ran;
use crate::runner::Stage;
use crate::runner::redact;
use crate::runner::worlds;
use crate::runner::worlds::CONSUMER;

/// A person's working copy of the config branch.
fn clone(stage: &Stage) -> PathBuf {
    let folder = stage.folder().join("work");
    stage.repo.clone_to(&folder);
    folder
}

#[track_caller]
fn import(stage: &Stage, folder: &Path, more: &[&str]) -> Ran {
    let all = [&["import", folder.to_str().unwrap(), "-e", "prod", "--trust-working-tree"], more].concat();
    stage.run(&all)
}

/// The documents of a working copy.
fn documents(folder: &Path) -> BTreeMap<String, String> {
    let (mut found, mut open) = (BTreeMap::new(), vec![folder.join("environments")]);
    while let Some(next) = open.pop() {
        for entry in std::fs::read_dir(&next).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "yaml") {
                let name = path.strip_prefix(folder).unwrap().display().to_string();
                found.insert(name, std::fs::read_to_string(&path).unwrap());
            }
        }
    }
    found
}

#[track_caller]
fn commit(stage: &Stage, documents: &BTreeMap<String, String>) {
    let files: Vec<(&str, &str)> = documents.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    stage.repo.commit(&files);
}

const KEEP: (&str, &str) = ("environments/prod/README.md", "a folder without documents is a wish\n");

#[test]
fn a_repository_that_lost_its_documents_gets_them_back_and_has_nothing_to_do() {
    let stage = Stage::converged_example();
    let lost: Vec<String> =
        stage.repo.files("main").into_keys().filter(|path| path.starts_with("environments/")).collect();
    stage.repo.commit(&[KEEP]);
    stage.repo.remove(&lost.iter().map(String::as_str).collect::<Vec<_>>());
    let folder = clone(&stage);
    let writes = stage.writes();
    let ran = import(&stage, &folder, &[]).ends(Exit::Done);
    assert_eq!(stage.writes(), writes, "an import only reads");
    let written = documents(&folder);
    commit(&stage, &written);
    let plan = stage.plan().ends(Exit::Done);
    assert!(plan.out.contains("No changes"), "{}", plan.out);
    // Once more: everything is asked for.
    import(&stage, &folder, &[]).ends(Exit::Done).says("asked for by documents already");
    assert_eq!(documents(&folder), written);
    insta::assert_snapshot!(ran.err, @"
    wrote environments/prod/consume/ledger.yaml: PrivateEndpoint ledger
    wrote environments/prod/consume/my-aks-service-pe.yaml: PrivateEndpoint my-aks-service-pe
    wrote environments/prod/consume/orders.yaml: PrivateEndpoint orders
    wrote environments/prod/consume/payments.yaml: PrivateEndpoint payments
    wrote environments/prod/publish/payments.yaml: PrivateLinkService payments
    wrote environments/prod/services/internal-app.yaml: Service default/internal-app
    wrote environments/prod/services/inventory.yaml: Service default/inventory
    wrote environments/prod/services/orders.yaml: Service default/orders
    wrote environments/prod/services/payments.yaml: Service default/payments
    wrote environments/prod/services/reporting.yaml: Service default/reporting
    wrote environments/prod/services/storefront.yaml: Service default/storefront
    without a document:
      Services: 1 without an internal load balancer or a Private Link Service
    never looked at: endpoints of other Azure services, and Private Link Services that lead straight to an address
    ");
}

#[test]
fn a_document_reads_as_a_person_would_write_it() {
    let stage = Stage::converged_example();
    let url = stage.repo.url();
    let lost: Vec<String> =
        stage.repo.files("main").into_keys().filter(|path| path.starts_with("environments/")).collect();
    stage.repo.commit(&[KEEP]);
    stage.repo.remove(&lost.iter().map(String::as_str).collect::<Vec<_>>());
    let ran = stage.run(&["import", "--repo", &url, "-e", "prod", "--dry-run"]).ends(Exit::Done);
    let split = ran.out.split("---\n# ").filter_map(|part| part.split_once('\n'));
    let written: BTreeMap<&str, &str> = split.collect();
    insta::assert_snapshot!(written["environments/prod/consume/orders.yaml"], @"
    apiVersion: privlink.dev/v1alpha1
    kind: PrivateEndpoint
    metadata:
      name: orders
    spec:
      connection:
        name: connectToMyK8sService
      dns:
      - links:
        - /subscriptions/00000000-0000-0000-0000-000000000002/resourceGroups/myOtherResourceGroup/providers/Microsoft.Network/virtualNetworks/myOtherVNET
        record: api
        resourceGroup: rg-dns
        subscription: 00000000-0000-0000-0000-000000000002
        ttl: 300
        zone: orders.internal
      location: eastus2
      name: myOrdersPE
      resourceGroup: myOtherResourceGroup
      subnet:
        name: pe-subnet
        virtualNetwork: myOtherVNET
      subscription: 00000000-0000-0000-0000-000000000002
      target:
        service:
          name: orders
    ");
    insta::assert_snapshot!(written["environments/prod/services/orders.yaml"], @"
    apiVersion: v1
    kind: Service
    metadata:
      annotations:
        service.beta.kubernetes.io/azure-load-balancer-internal: 'true'
        service.beta.kubernetes.io/azure-load-balancer-ipv4: 10.224.0.200
        service.beta.kubernetes.io/azure-pls-auto-approval: 00000000-0000-0000-0000-000000000002
        service.beta.kubernetes.io/azure-pls-create: 'true'
        service.beta.kubernetes.io/azure-pls-ip-configuration-ip-address: 10.225.1.8 10.225.1.9
        service.beta.kubernetes.io/azure-pls-ip-configuration-ip-address-count: '2'
        service.beta.kubernetes.io/azure-pls-ip-configuration-subnet: pls-subnet
        service.beta.kubernetes.io/azure-pls-name: pls-orders
        service.beta.kubernetes.io/azure-pls-visibility: 00000000-0000-0000-0000-000000000002
      name: orders
    spec:
      ports:
      - name: https
        port: 443
        targetPort: 8443
      selector:
        app: orders
      type: LoadBalancer
    ");
}

const NETWORK: &str = "/subscriptions/00000000-0000-0000-0000-000000000002/resourceGroups/myOtherResourceGroup/providers/\
                       Microsoft.Network";

/// What a team has that never heard of privlink: a published Service, a Helm release, an endpoint with a record.
fn by_hand() -> Stage {
    let stage = Stage::in_world(worlds::example());
    stage.repo.commit(&[("privlink.toml", &worlds::settings()), KEEP]);
    let publish =
        [("azure-pls-create", "true"), ("azure-pls-visibility", CONSUMER), ("azure-pls-auto-approval", CONSUMER)];
    for (name, annotations, label) in [("web", &publish[..], ""), ("chart", &[][..], "Helm")] {
        let mut live: Value = serde_yaml::from_str(&docs::service(name, annotations)).unwrap();
        live["metadata"]["namespace"] = json!("default");
        if !label.is_empty() {
            live["metadata"]["labels"] =
                json!({"app.kubernetes.io/managed-by": label, "app.kubernetes.io/instance": name});
        }
        stage.cluster().apply_raw(&live).unwrap();
        stage.idle();
    }
    let list = format!("/subscriptions/{}/providers/Microsoft.Network/privateLinkServices", worlds::PROVIDER);
    let link = stage.azure(&list).unwrap()["value"][0]["id"].clone();
    let endpoint = stage.azure_does(
        "PUT",
        &format!("{NETWORK}/privateEndpoints/my_Web.PE"),
        Some(json!({"location": "eastus2", "tags": {"cost": "shop"}, "properties": {
            "subnet": {"id": format!("{NETWORK}/virtualNetworks/myOtherVNET/subnets/pe-subnet")},
            "privateLinkServiceConnections": [{"name": "to-web", "properties": {"privateLinkServiceId": link}}],
        }})),
    );
    let interface = stage.azure(endpoint["properties"]["networkInterfaces"][0]["id"].as_str().unwrap()).unwrap();
    let address = &interface["properties"]["ipConfigurations"][0]["properties"]["privateIPAddress"];
    let zone = format!(
        "/subscriptions/{CONSUMER}/resourceGroups/rg-dns/providers/Microsoft.Network/privateDnsZones/orders.internal"
    );
    stage.azure_does(
        "PUT",
        &format!("{zone}/A/web"),
        Some(json!({"properties": {"ttl": 60, "aRecords": [{"ipv4Address": address}]}})),
    );
    let network = json!({"location": "global", "properties": {
        "registrationEnabled": false, "virtualNetwork": {"id": format!("{NETWORK}/virtualNetworks/myOtherVNET")}}});
    stage.azure_does("PUT", &format!("{zone}/virtualNetworkLinks/privlink-myOtherVNET"), Some(network));
    stage
}

#[test]
fn what_a_team_made_by_hand_is_adopted_as_it_is_and_what_others_deploy_is_told() {
    let stage = by_hand();
    let folder = clone(&stage);
    let ran = import(&stage, &folder, &[]).ends(Exit::Done);
    insta::assert_snapshot!(ran.err, @"
    wrote environments/prod/consume/my-web.pe.yaml: PrivateEndpoint my-web.pe, 3 resources adopted
    wrote environments/prod/services/web.yaml: Service default/web, adopted
    without a document:
      Service default/chart: the Helm release chart deploys it and would write it back: set its annotations in the values of the chart
      Services: 1 without an internal load balancer or a Private Link Service
    never looked at: endpoints of other Azure services, and Private Link Services that lead straight to an address
    next: commit it; `privlink plan` shows adoptions and nothing else, `privlink apply` marks them
    ");
    let written = documents(&folder);
    insta::assert_snapshot!(written["environments/prod/consume/my-web.pe.yaml"], @"
    apiVersion: privlink.dev/v1alpha1
    kind: PrivateEndpoint
    metadata:
      annotations:
        privlink.dev/adopt: /subscriptions/00000000-0000-0000-0000-000000000002/resourceGroups/myOtherResourceGroup/providers/Microsoft.Network/privateEndpoints/my_Web.PE /subscriptions/00000000-0000-0000-0000-000000000002/resourceGroups/rg-dns/providers/Microsoft.Network/privateDnsZones/orders.internal/A/web /subscriptions/00000000-0000-0000-0000-000000000002/resourceGroups/rg-dns/providers/Microsoft.Network/privateDnsZones/orders.internal/virtualNetworkLinks/privlink-myOtherVNET
      name: my-web.pe
    spec:
      connection:
        name: to-web
      dns:
      - links:
        - /subscriptions/00000000-0000-0000-0000-000000000002/resourceGroups/myOtherResourceGroup/providers/Microsoft.Network/virtualNetworks/myOtherVNET
        record: web
        resourceGroup: rg-dns
        subscription: 00000000-0000-0000-0000-000000000002
        ttl: 60
        zone: orders.internal
      location: eastus2
      name: my_Web.PE
      resourceGroup: myOtherResourceGroup
      subnet:
        name: pe-subnet
        virtualNetwork: myOtherVNET
      subscription: 00000000-0000-0000-0000-000000000002
      tags:
        cost: shop
      target:
        service:
          name: web
    ");
    commit(&stage, &written);
    let plan = stage.plan().ends(Exit::Changes).out;
    redact::settings(&stage).bind(|| {
        insta::assert_snapshot!(plan, @"
        Plan for prod: safe
        + 0 to create, ~ 0 to update, -/+ 0 to replace, - 0 to delete, = 4 to adopt

        Changes
          1. = service/default/web: adopt  [safe]
              asked for in environments/prod/services/web.yaml:1
              + the marks that say whose it is
          2. = privateendpoint/my_Web.PE: adopt  [safe]
              asked for in environments/prod/consume/my-web.pe.yaml:1
              waits for service/default/web (1)
              + the marks that say whose it is
          3. = dnsrecord/web.orders.internal: adopt  [safe]
              asked for in environments/prod/consume/my-web.pe.yaml:11
              waits for privateendpoint/my_Web.PE (2)
              + the marks that say whose it is
          4. = dnslink/orders.internal/privlink-myOtherVNET: adopt  [safe]
              asked for in environments/prod/consume/my-web.pe.yaml:12
              + the marks that say whose it is

        Approval
          safe (4 changes): nobody has to say yes

        Plan id: [PLAN]
        ");
    });
    stage.converge();
}

#[test]
fn a_dry_run_prints_the_documents_and_writes_none() {
    let stage = by_hand();
    let folder = clone(&stage);
    let ran = import(&stage, &folder, &["--dry-run", "--resource-group", "myOtherResourceGroup"]).ends(Exit::Done);
    assert!(documents(&folder).is_empty());
    let printed: Vec<&str> = ran.out.lines().filter(|line| line.starts_with("# ")).collect();
    assert_eq!(printed, ["# environments/prod/consume/my-web.pe.yaml"], "only what lies in the group");
    ran.says("would write environments/prod/consume/my-web.pe.yaml");
    let url = stage.repo.url();
    stage.run(&["import", "--repo", &url, "-e", "prod"]).ends(Exit::Failed).says("use --dry-run with --repo");
    stage.run(&["import", "--repo", &url, "-e", "prod", "--dry-run"]).ends(Exit::Done).says("name: web");
}

#[test]
fn what_could_not_be_read_is_told_and_the_rest_is_imported() {
    let stage = by_hand();
    let folder = clone(&stage);
    let fault = privlink::sim::fault::Fault {
        path: "privateEndpoints".to_owned(),
        status: 403,
        code: "AuthorizationFailed".to_owned(),
        ..Default::default()
    };
    stage.simulator.add_fault(fault);
    let ran = import(&stage, &folder, &[]).ends(Exit::Incomplete);
    ran.says("could not be read, and nothing of it is here: private endpoints of subscription");
    assert_eq!(documents(&folder).into_keys().collect::<Vec<_>>(), ["environments/prod/services/web.yaml"]);
}
