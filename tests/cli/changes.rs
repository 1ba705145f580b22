//! One change to a converged world at a time: what the plan says, what the world is like afterwards, and that nothing is
//! left to do.

use privlink::cli::Exit;
use privlink::sim::fault::Fault;
use serde_json::Value;
use serde_json::json;

use super::docs;
use crate::runner::Stage;
use crate::runner::redact;
use crate::runner::worlds;
use crate::runner::worlds::CONSUMER;
use crate::runner::worlds::NODE_GROUP;
use crate::runner::worlds::PROVIDER;

const SERVICE: &str = "environments/prod/web.yaml";
const PUBLISH: &str = "environments/prod/web-published.yaml";
const ENDPOINT: &str = "environments/prod/web-endpoint.yaml";
const ALONE: &str = "environments/prod/alone.yaml";

/// A published Service with an endpoint and a DNS record, and a Service of its own: applied.
fn converged() -> Stage {
    converged_with(&docs::published("web"))
}

fn converged_with(published: &str) -> Stage {
    let mut world = worlds::example();
    let spare = privlink::sim::world::Subnet {
        name: "spare-subnet".to_owned(),
        prefixes: vec!["10.50.2.0/24".parse().unwrap()],
        private_link_service_network_policies: None,
    };
    world.virtual_networks[1].subnets.push(spare);
    let stage = Stage::in_world(world);
    stage.repo.commit(&[
        ("privlink.toml", &worlds::settings()),
        (SERVICE, &docs::service("web", &[("azure-load-balancer-ipv4", "10.224.10.1")])),
        (PUBLISH, published),
        (ENDPOINT, &docs::endpoint_with("web", &docs::dns("web"))),
        (ALONE, &docs::service("alone", &[("azure-load-balancer-ipv4", "10.224.10.2")])),
    ]);
    stage.converge();
    stage
}

/// The plan that a change leads to, applied.
#[track_caller]
fn changed(stage: &Stage) -> String {
    let plan = stage.converge();
    // What was planned is shown without the head, which names commits.
    plan.split_once("\n\n").map_or(plan.clone(), |(_, steps)| steps.to_owned())
}

fn balancer(stage: &Stage) -> Option<Value> {
    stage.azure(&format!(
        "/subscriptions/{PROVIDER}/resourceGroups/{NODE_GROUP}/providers/Microsoft.Network/loadBalancers/kubernetes-internal"
    ))
}

fn links(stage: &Stage) -> Vec<Value> {
    let list = format!("/subscriptions/{PROVIDER}/providers/Microsoft.Network/privateLinkServices");
    stage.azure(&list).unwrap()["value"].as_array().unwrap().clone()
}

fn endpoint_id(name: &str) -> String {
    format!(
        "/subscriptions/{CONSUMER}/resourceGroups/myOtherResourceGroup/providers/Microsoft.Network/privateEndpoints/{name}"
    )
}

fn record_id(name: &str) -> String {
    format!(
        "/subscriptions/{CONSUMER}/resourceGroups/rg-dns/providers/Microsoft.Network/privateDnsZones/orders.internal/A/{name}"
    )
}

fn subnet_id(name: &str) -> String {
    format!(
        "/subscriptions/{CONSUMER}/resourceGroups/myOtherResourceGroup/providers/Microsoft.Network/virtualNetworks/myOtherVNET/subnets/{name}"
    )
}

fn service(stage: &Stage, name: &str) -> Value {
    stage.cluster().get("services", "default", name).expect("the Service is there")
}

#[test]
fn a_port_added_to_a_service_is_one_update() {
    let stage = converged();
    stage.repo.replace(ALONE, "  - port: 80\n", "  - port: 80\n    name: http\n  - port: 443\n    name: https\n");
    let plan = changed(&stage);
    redact::settings(&stage).bind(|| {
        insta::assert_snapshot!(plan, @r#"
        Changes
          1. ~ service/default/alone: update  [notable]
              asked for in environments/prod/alone.yaml:1
              + spec.ports[443/TCP]       "open"
              + spec.ports[443/TCP].name  "https"
              + spec.ports[80/TCP].name   "http"

        Approval
          notable (1 change): 1 person who is neither author nor committer must approve

        Plan id: [PLAN]
        "#);
    });
    let rules = balancer(&stage).unwrap()["properties"]["loadBalancingRules"].as_array().unwrap().clone();
    assert!(rules.iter().any(|rule| rule["properties"]["frontendPort"] == 443), "{rules:?}");
}

#[test]
fn a_deleted_service_takes_its_frontend_and_link_service_along_and_the_last_one_the_load_balancer() {
    let stage = converged();
    stage.repo.remove(&[SERVICE, PUBLISH, ENDPOINT]);
    let plan = changed(&stage);
    redact::settings(&stage).bind(|| insta::assert_snapshot!(plan, @r#"
    Who is affected: 1 connection of 1 subscription
      service/default/web: the frontend at 10.224.10.1 goes: pls-web is deleted with every connection and its alias (CCM-FIP-GONE, DIF015)
        pe-web  Approved  unknown consumer  subscription 00000000-0000-0000-0000-000000000002  first seen [DAY]

    Changes
      1. - dnsrecord/web.orders.internal: delete  [severing]
          no document asks for it any more
          - addresses                   {10.50.1.N}
          - metadata.privlink-document  "privateendpoint/pe-web"
          - metadata.privlink-owner     "6f1c2b9e-4d3a-4c57-9a1e-0b7d5f8c2a10/prod"
          - ttl                         300
      2. - privateendpoint/pe-web: delete  [severing]
          no document asks for it any more
          waits for dnsrecord/web.orders.internal (1)
          - subnet  /subscriptions/00000000-0000-0000-0000-000000000002/resourceGroups/myOtherResourceGroup/providers/Microsoft.Network/virtualNetworks/myOtherVNET/subnets/pe-subnet
          - target  …/MC_myResourceGroup_myAKSCluster_eastus2/privateLinkServices/pls-web
          may cut 1 connection: pe-web (Approved)
      3. - service/default/web: delete  [severing]
          no document asks for it any more
          waits for privateendpoint/pe-web (2)
          1 connection affected (CCM-FIP-GONE): see above

    Approval
      severing (3 changes): 1 person who is neither author nor committer must approve

    Plan id: [PLAN]
    "#));
    assert!(links(&stage).is_empty());
    assert!(stage.azure(&endpoint_id("pe-web")).is_none() && stage.azure(&record_id("web")).is_none());
    let frontends = balancer(&stage).unwrap()["properties"]["frontendIPConfigurations"].as_array().unwrap().len();
    assert_eq!(frontends, 1, "the other Service keeps its own");
    stage.repo.edit("main", "main", &[(ALONE, None), ("environments/prod/README.md", Some("nothing yet\n"))]);
    changed(&stage);
    assert!(balancer(&stage).is_none(), "the last Service takes the load balancer along");
}

#[test]
fn without_prune_a_deleted_document_leaves_everything_alone_and_says_so() {
    let stage = converged();
    stage.repo.replace("privlink.toml", "prune = true", "prune = false");
    stage.repo.remove(&[ALONE, ENDPOINT]);
    let plan = stage.plan().ends(Exit::Done);
    redact::settings(&stage).bind(|| {
        insta::assert_snapshot!(plan.out, @r#"
    No changes: 2 resources are as they shall be.

    Notes
      dnsrecord/web.orders.internal: left alone: no document asks for it any more, and prune is off
      privateendpoint/pe-web: left alone: no document asks for it any more, and prune is off
      service/default/alone: left alone: no document asks for it any more, and prune is off
    "#);
    });
}

#[test]
fn an_endpoint_that_moves_to_another_subnet_is_replaced_and_its_record_follows() {
    let stage = converged();
    stage.repo.replace(ENDPOINT, "pe-subnet", "spare-subnet");
    let plan = changed(&stage);
    redact::settings(&stage).bind(|| insta::assert_snapshot!(plan, @r#"
    Changes
      1. -/+ privateendpoint/pe-web: replace  [severing]
          asked for in environments/prod/web-endpoint.yaml:1
          replaced because subnet cannot change in place
          ~ subnet  /subscriptions/00000000-0000-0000-0000-000000000002/resourceGroups/myOtherResourceGroup/providers/Microsoft.Network/virtualNetworks/myOtherVNET/subnets/pe-subnet -> /subscriptions/00000000-0000-0000-0000-000000000002/resourceGroups/myOtherResourceGroup/providers/Microsoft.Network/virtualNetworks/myOtherVNET/subnets/spare-subnet  (forces the replacement)
          may cut 1 connection: pe-web (Approved)
      2. ~ dnsrecord/web.orders.internal: update  [disruptive]
          asked for in environments/prod/web-endpoint.yaml:12
          waits for privateendpoint/pe-web (1)
          ~ addresses  {10.50.1.N} -> <address: known after privateendpoint/pe-web>

    Approval
      severing (1 change): 1 person who is neither author nor committer must approve
      disruptive (1 change): 1 person who is neither author nor committer must approve

    Plan id: [PLAN]
    "#));
    let record = stage.azure(&record_id("web")).unwrap();
    assert_eq!(record["properties"]["aRecords"], json!([{"ipv4Address": "10.50.2.4"}]));
}

#[test]
fn an_existing_service_is_adopted_only_when_the_document_asks_and_nothing_would_change() {
    let stage = converged();
    let manifest = docs::service("legacy", &[]).replace("  name: legacy\n", "  name: legacy\n  namespace: default\n");
    let live: Value = serde_yaml::from_str(&manifest).unwrap();
    stage.cluster().apply_raw(&live).unwrap();
    stage.idle();
    stage.repo.commit(&[("environments/prod/legacy.yaml", &docs::service("legacy", &[]))]);
    stage.plan().ends(Exit::Incomplete).says("nobody's mark is on it").says("privlink.dev/adopt: default/legacy");
    let adopt = "  annotations:\n    privlink.dev/adopt: default/legacy\n";
    let other = docs::service("legacy", &[]).replace("  annotations:\n", adopt).replace("port: 80", "port: 81");
    stage.repo.commit(&[("environments/prod/legacy.yaml", &other)]);
    stage.plan().ends(Exit::Incomplete).says("it cannot be adopted");
    stage
        .repo
        .commit(&[("environments/prod/legacy.yaml", &docs::service("legacy", &[]).replace("  annotations:\n", adopt))]);
    let uid = service(&stage, "legacy")["metadata"]["uid"].clone();
    let plan = changed(&stage);
    redact::settings(&stage).bind(|| {
        insta::assert_snapshot!(plan, @r#"
    Changes
      1. = service/default/legacy: adopt  [safe]
          asked for in environments/prod/legacy.yaml:1
          + the marks that say whose it is

    Approval
      safe (1 change): nobody has to say yes

    Plan id: [PLAN]
    "#);
    });
    assert_eq!(service(&stage, "legacy")["metadata"]["uid"], uid);
    stage.plan().ends(Exit::Done).says("privlink.dev/adopt is not needed any more");
}

#[test]
fn an_existing_endpoint_is_adopted_as_it_is() {
    let stage = converged();
    let link = links(&stage)[0]["id"].as_str().unwrap().to_owned();
    let body = json!({"location": "eastus2", "tags": {"cost": "shop"}, "properties": {
        "subnet": {"id": subnet_id("pe-subnet")},
        "privateLinkServiceConnections": [{"name": "pe-old", "properties": {"privateLinkServiceId": link}}],
    }});
    stage.azure_does("PUT", &endpoint_id("pe-old"), Some(body));
    let document = docs::endpoint_with("web", "  tags: { cost: shop }\n").replace("pe-web", "pe-old");
    stage.repo.commit(&[("environments/prod/old.yaml", &document)]);
    stage.plan().ends(Exit::Incomplete).says("nobody's mark is on it");
    let adopt = format!("  name: pe-old\n  annotations:\n    privlink.dev/adopt: {}\n", endpoint_id("pe-old"));
    stage.repo.commit(&[("environments/prod/old.yaml", &document.replace("  name: pe-old\n", &adopt))]);
    let plan = changed(&stage);
    redact::settings(&stage).bind(|| {
        insta::assert_snapshot!(plan, @r#"
    Changes
      1. = privateendpoint/pe-old: adopt  [safe]
          asked for in environments/prod/old.yaml:1
          + the marks that say whose it is

    Approval
      safe (1 change): nobody has to say yes

    Plan id: [PLAN]
    "#);
    });
    let tags = stage.azure(&endpoint_id("pe-old")).unwrap()["tags"].clone();
    assert_eq!(
        (tags["cost"].as_str(), tags["privlink-document"].as_str()),
        (Some("shop"), Some("privateendpoint/pe-old"))
    );
}

#[test]
fn unpublishing_takes_annotations_then_connections_then_the_link_service() {
    let stage = converged();
    stage.repo.remove(&[PUBLISH, ENDPOINT]);
    let plan = changed(&stage);
    redact::settings(&stage).bind(|| insta::assert_snapshot!(plan, @r#"
    Who is affected: 1 connection of 1 subscription
      privatelinkservice/default/web: pls-web is deleted with its connections and the alias pls-web.[GUID].eastus2.azure.privatelinkservice is lost for ever (ARM-PLS-DELETED)
        pe-web  Approved  unknown consumer  subscription 00000000-0000-0000-0000-000000000002  first seen [DAY]

    Worst first
      severing  2.  - dnsrecord/web.orders.internal
      severing  3.  - privateendpoint/pe-web
      severing  4.  - connection/pe-web -> default/web
      severing  5.  - privatelinkservice/default/web    1 connection
      notable   1.  ~ service/default/web                             environments/prod/web.yaml:1

    Changes
      1. ~ service/default/web: update  [notable]
          asked for in environments/prod/web.yaml:1
          - annotation azure-pls-auto-approval  {00000000-0000-0000-0000-000000000002}
          - annotation azure-pls-create         true
          - annotation azure-pls-name           "pls-web"
          - annotation azure-pls-visibility     {00000000-0000-0000-0000-000000000002}
          a Private Link Service that is not asked for any more stays (CCM-PLS-STAYS, DIF007)
      2. - dnsrecord/web.orders.internal: delete  [severing]
          no document asks for it any more
          - addresses                   {10.50.1.N}
          - metadata.privlink-document  "privateendpoint/pe-web"
          - metadata.privlink-owner     "6f1c2b9e-4d3a-4c57-9a1e-0b7d5f8c2a10/prod"
          - ttl                         300
      3. - privateendpoint/pe-web: delete  [severing]
          no document asks for it any more
          waits for dnsrecord/web.orders.internal (2)
          - subnet  /subscriptions/00000000-0000-0000-0000-000000000002/resourceGroups/myOtherResourceGroup/providers/Microsoft.Network/virtualNetworks/myOtherVNET/subnets/pe-subnet
          - target  …/MC_myResourceGroup_myAKSCluster_eastus2/privateLinkServices/pls-web
          may cut 1 connection: pe-web (Approved)
      4. - connection/pe-web -> default/web: delete  [severing]
          no document asks for it any more
          waits for service/default/web (1), privateendpoint/pe-web (3)
          - state  "Approved"
      5. - privatelinkservice/default/web: delete  [severing]
          no document asks for it any more
          waits for connection/pe-web -> default/web (4)
          1 connection affected (ARM-PLS-DELETED): see above

    Approval
      severing (4 changes): 1 person who is neither author nor committer must approve
      notable (1 change): 1 person who is neither author nor committer must approve

    Plan id: [PLAN]
    "#));
    assert!(links(&stage).is_empty());
    let annotations = service(&stage, "web")["metadata"]["annotations"].clone();
    assert!(!annotations.to_string().contains("azure-pls-"), "{annotations}");
    assert!(stage.status().contains(" 10.224.10.1 "), "the Service itself serves on");
}

#[test]
fn unpublishing_cuts_a_foreign_consumer_by_name() {
    let stage = converged();
    stage.repo.remove(&[PUBLISH, ENDPOINT]);
    let link = links(&stage)[0]["id"].as_str().unwrap().to_owned();
    let body = json!({"location": "eastus2", "properties": {
        "subnet": {"id": subnet_id("pe-subnet")},
        "privateLinkServiceConnections": [{"name": "theirs", "properties": {"privateLinkServiceId": link}}],
    }});
    stage.azure_does("PUT", &endpoint_id("theirs"), Some(body));
    let plan = changed(&stage);
    redact::settings(&stage).bind(|| insta::assert_snapshot!(plan, @r#"
    Who is affected: 2 connections of 1 subscription
      privatelinkservice/default/web: pls-web is deleted with its connections and the alias pls-web.[GUID].eastus2.azure.privatelinkservice is lost for ever (ARM-PLS-DELETED)
        pe-web  Approved  unknown consumer  subscription 00000000-0000-0000-0000-000000000002  first seen [DAY]
        theirs  Approved  unknown consumer  subscription 00000000-0000-0000-0000-000000000002

    Worst first
      severing  2.  - connection/theirs -> default/web
      severing  3.  - dnsrecord/web.orders.internal
      severing  4.  - privateendpoint/pe-web
      severing  5.  - connection/pe-web -> default/web
      severing  6.  - privatelinkservice/default/web    2 connections
      notable   1.  ~ service/default/web                              environments/prod/web.yaml:1

    Changes
      1. ~ service/default/web: update  [notable]
          asked for in environments/prod/web.yaml:1
          - annotation azure-pls-auto-approval  {00000000-0000-0000-0000-000000000002}
          - annotation azure-pls-create         true
          - annotation azure-pls-name           "pls-web"
          - annotation azure-pls-visibility     {00000000-0000-0000-0000-000000000002}
          a Private Link Service that is not asked for any more stays (CCM-PLS-STAYS, DIF007)
      2. - connection/theirs -> default/web: delete  [severing]
          no document asks for it any more
          waits for service/default/web (1)
          - state  "Approved"
      3. - dnsrecord/web.orders.internal: delete  [severing]
          no document asks for it any more
          - addresses                   {10.50.1.N}
          - metadata.privlink-document  "privateendpoint/pe-web"
          - metadata.privlink-owner     "6f1c2b9e-4d3a-4c57-9a1e-0b7d5f8c2a10/prod"
          - ttl                         300
      4. - privateendpoint/pe-web: delete  [severing]
          no document asks for it any more
          waits for dnsrecord/web.orders.internal (3)
          - subnet  /subscriptions/00000000-0000-0000-0000-000000000002/resourceGroups/myOtherResourceGroup/providers/Microsoft.Network/virtualNetworks/myOtherVNET/subnets/pe-subnet
          - target  …/MC_myResourceGroup_myAKSCluster_eastus2/privateLinkServices/pls-web
          may cut 1 connection: pe-web (Approved)
      5. - connection/pe-web -> default/web: delete  [severing]
          no document asks for it any more
          waits for service/default/web (1), privateendpoint/pe-web (4)
          - state  "Approved"
      6. - privatelinkservice/default/web: delete  [severing]
          no document asks for it any more
          waits for connection/pe-web -> default/web (5), connection/theirs -> default/web (2)
          2 connections affected (ARM-PLS-DELETED): see above

    Approval
      severing (5 changes): 1 person who is neither author nor committer must approve
      notable (1 change): 1 person who is neither author nor committer must approve

    Plan id: [PLAN]
    "#));
    let theirs = stage.azure(&endpoint_id("theirs")).unwrap();
    let state =
        &theirs["properties"]["privateLinkServiceConnections"][0]["properties"]["privateLinkServiceConnectionState"];
    assert_eq!(state["status"], "Disconnected");
}

#[test]
fn without_prune_an_unpublished_service_is_still_published_and_the_plan_says_so() {
    let stage = converged();
    stage.repo.replace("privlink.toml", "prune = true", "prune = false");
    stage.repo.remove(&[PUBLISH, ENDPOINT]);
    stage.apply();
    stage.idle();
    stage.plan().ends(Exit::Done).says("still published, 1 consumer");
    assert_eq!(links(&stage).len(), 1);
    let status = stage.status();
    assert!(status.contains("StillPublished"), "{status}");
    assert_eq!(status.matches("pls-web.").count(), 1, "told once:\n{status}");
}

#[test]
fn a_foreign_service_gets_our_annotations_and_loses_only_them_again() {
    let stage = Stage::new();
    let theirs = json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": "helm", "namespace": "default", "annotations": {
            "service.beta.kubernetes.io/azure-load-balancer-internal": "true", "meta.helm.sh/release-name": "shop",
        }},
        "spec": {"type": "LoadBalancer", "ports": [{"port": 80, "protocol": "TCP"}], "selector": {"app": "helm"}},
    });
    stage.cluster().apply_raw(&theirs).unwrap();
    stage.idle();
    stage.repo.commit(&[("privlink.toml", &worlds::settings()), (PUBLISH, &docs::published("helm"))]);
    let plan = changed(&stage);
    redact::settings(&stage).bind(|| {
        insta::assert_snapshot!(plan, @r#"
        Changes
          1. ~ service/default/helm: update  [notable]
              asked for in environments/prod/web-published.yaml:6
              + annotation privlink.dev/published-by  "6f1c2b9e-4d3a-4c57-9a1e-0b7d5f8c2a10/prod"
              + annotation azure-pls-auto-approval    {00000000-0000-0000-0000-000000000002}
              + annotation azure-pls-create           true
              + annotation azure-pls-name             "pls-helm"
              + annotation azure-pls-visibility       {00000000-0000-0000-0000-000000000002}
          2. + privatelinkservice/default/helm: create by the cloud provider  [safe]
              asked for in environments/prod/web-published.yaml:1
              waits for service/default/helm (1)
              + autoApproval   {00000000-0000-0000-0000-000000000002}
              + name           "pls-helm"
              + nat.count      1
              + proxyProtocol  false
              + visibility     {00000000-0000-0000-0000-000000000002}

        Notes
          service/default/helm: the policy for Private Link Services of aks-subnet is switched off, for good (CCM-PLS-POLICY)

        Approval
          notable (1 change): 1 person who is neither author nor committer must approve
          safe (1 change): nobody has to say yes

        Plan id: [PLAN]
        "#);
    });
    assert_eq!(links(&stage).len(), 1);
    stage.repo.edit("main", "main", &[(PUBLISH, None), ("environments/prod/README.md", Some("nothing\n"))]);
    let plan = changed(&stage);
    redact::settings(&stage).bind(|| insta::assert_snapshot!(plan, @r#"
    Changes
      1. ~ service/default/helm: update  [notable]
          no document asks for it any more
          - annotation privlink.dev/published-by  "6f1c2b9e-4d3a-4c57-9a1e-0b7d5f8c2a10/prod"
          - annotation azure-pls-auto-approval    {00000000-0000-0000-0000-000000000002}
          - annotation azure-pls-create           true
          - annotation azure-pls-name             "pls-helm"
          - annotation azure-pls-visibility       {00000000-0000-0000-0000-000000000002}
          a Private Link Service that is not asked for any more stays (CCM-PLS-STAYS, DIF007)
      2. - privatelinkservice/default/helm: delete  [severing]
          no document asks for it any more
          waits for service/default/helm (1)
          pls-helm is deleted with its connections and the alias pls-helm.[GUID].eastus2.azure.privatelinkservice is lost for ever (ARM-PLS-DELETED)

    Approval
      severing (1 change): 1 person who is neither author nor committer must approve
      notable (1 change): 1 person who is neither author nor committer must approve

    Plan id: [PLAN]
    "#));
    assert!(links(&stage).is_empty());
    let annotations = service(&stage, "helm")["metadata"]["annotations"].clone();
    assert_eq!(annotations, theirs["metadata"]["annotations"], "theirs are as they were");
    assert!(service(&stage, "helm")["metadata"].get("labels").is_none());
}

#[test]
fn a_link_service_of_our_own_switches_the_policy_of_its_subnet_and_nothing_else_of_it() {
    let stage = converged();
    let managed = "  managedBy: privlink\n  resourceGroup: rg-pls\n  nat: { subnet: pls-subnet, count: 1 }\n";
    stage.repo.commit(&[("environments/prod/alone-published.yaml", &docs::published_with("alone", managed))]);
    let subnet = format!(
        "/subscriptions/{PROVIDER}/resourceGroups/{NODE_GROUP}/providers/Microsoft.Network/virtualNetworks/aks-vnet/subnets/pls-subnet"
    );
    let before = stage.azure(&subnet).unwrap();
    let plan = changed(&stage);
    redact::settings(&stage).bind(|| insta::assert_snapshot!(plan, @r#"
    Changes
      1. ~ subnet/aks-vnet/pls-subnet: update  [notable]
          asked for in environments/prod/alone-published.yaml:15
          ~ privateLinkServiceNetworkPolicies  "Enabled" -> "Disabled"
      2. + privatelinkservice/pls-alone: create  [notable]
          asked for in environments/prod/alone-published.yaml:1
          waits for subnet/aks-vnet/pls-subnet (1)
          + autoApproval   {00000000-0000-0000-0000-000000000002}
          + frontend       …/MC_myResourceGroup_myAKSCluster_eastus2/loadBalancers/kubernetes-internal/frontendIPConfigurations/[FRONTEND]
          + location       "eastus2"
          + nat.count      1
          + nat.subnet     …/MC_myResourceGroup_myAKSCluster_eastus2/virtualNetworks/aks-vnet/subnets/pls-subnet
          + proxyProtocol  false
          + visibility     {00000000-0000-0000-0000-000000000002}
          + the marks that say whose it is

    Approval
      notable (2 changes): 1 person who is neither author nor committer must approve

    Plan id: [PLAN]
    "#));
    let after = stage.azure(&subnet).unwrap();
    assert_eq!(after["properties"]["privateLinkServiceNetworkPolicies"], "Disabled");
    assert_eq!(after["properties"]["addressPrefix"], before["properties"]["addressPrefix"]);
    let link = links(&stage).into_iter().find(|link| link["name"] == "pls-alone").unwrap();
    assert!(link["id"].as_str().unwrap().contains("/rg-pls/"));
    stage.repo.remove(&["environments/prod/alone-published.yaml"]);
    changed(&stage);
    assert_eq!(links(&stage).len(), 1, "only the other one is left");
}

#[test]
fn a_request_of_a_foreign_consumer_is_approved_by_a_rule() {
    const FOREIGN: &str = "00000000-0000-0000-0000-000000000003";
    let rule =
        format!("  connections:\n    approve:\n    - subscription: \"{FOREIGN}\"\n    otherwise: leave-pending\n");
    let published = docs::published_with("web", &rule).replacen(
        &format!("subscriptions: [\"{CONSUMER}\"]"),
        &format!("subscriptions: [\"{CONSUMER}\", \"{FOREIGN}\"]"),
        1,
    );
    let stage = converged_with(&published);
    let alias = links(&stage)[0]["properties"]["alias"].as_str().unwrap().to_owned();
    let subnet = format!(
        "/subscriptions/{FOREIGN}/resourceGroups/rg-ledger/providers/Microsoft.Network/virtualNetworks/ledger-vnet/subnets/ledger-subnet"
    );
    let id = format!(
        "/subscriptions/{FOREIGN}/resourceGroups/rg-ledger/providers/Microsoft.Network/privateEndpoints/partner"
    );
    let body = json!({"location": "eastus2", "properties": {
        "subnet": {"id": subnet},
        "manualPrivateLinkServiceConnections": [{"name": "partner", "properties": {
            "privateLinkServiceId": alias, "requestMessage": "please",
        }}],
    }});
    stage.azure_does("PUT", &id, Some(body));
    let plan = changed(&stage);
    redact::settings(&stage).bind(|| {
        insta::assert_snapshot!(plan, @r#"
    Connections answered by a rule
      1. ~ connection/partner -> default/web: update  [notable]
          asked for in environments/prod/web-published.yaml:13
          a connection rule of this repository answers a new request
          ~ state  "Pending" -> "Approved"

    Approval
      notable (1 change): 1 person who is neither author nor committer must approve

    Plan id: [PLAN]
    "#);
    });
    let partner = stage.azure(&id).unwrap();
    let state = &partner["properties"]["manualPrivateLinkServiceConnections"][0]["properties"]["privateLinkServiceConnectionState"];
    assert_eq!(state["status"], "Approved");
}

#[test]
fn a_disconnected_endpoint_is_replaced() {
    let stage = converged();
    let connection = links(&stage)[0]["properties"]["privateEndpointConnections"][0]["id"].as_str().unwrap().to_owned();
    stage.azure_does("DELETE", &connection, None);
    let plan = changed(&stage);
    redact::settings(&stage).bind(|| {
        insta::assert_snapshot!(plan, @r#"
        Drift: what changed outside Git and would be put back
          1. -/+ privateendpoint/pe-web: replace  [disruptive]
              asked for in environments/prod/web-endpoint.yaml:1
              replaced because connection.state cannot change in place
              drift: changed outside Git
              ~ connection.state  "Disconnected" -> "Approved"  (forces the replacement)
          2. ~ dnsrecord/web.orders.internal: update  [disruptive]
              asked for in environments/prod/web-endpoint.yaml:12
              drift: changed outside Git
              waits for privateendpoint/pe-web (1)
              ~ addresses  {10.50.1.N} -> <address: known after privateendpoint/pe-web>

        Approval
          disruptive drift (2 changes): 1 person who is neither author nor committer must approve

        Plan id: [PLAN]
        "#);
    });
    let endpoint = stage.azure(&endpoint_id("pe-web")).unwrap();
    let state =
        &endpoint["properties"]["privateLinkServiceConnections"][0]["properties"]["privateLinkServiceConnectionState"];
    assert_eq!(state["status"], "Approved");
}

#[test]
fn drift_on_a_service_is_shown_with_who_did_it_and_healed_where_the_document_adopts_it() {
    let stage = converged();
    let adopt = "  annotations:\n    privlink.dev/adopt: default/alone\n";
    stage.repo.replace(ALONE, "  annotations:\n", adopt);
    stage.plan().ends(Exit::Done);
    let edits =
        [("service.beta.kubernetes.io/azure-load-balancer-ipv4", Some("10.224.10.99")), ("note", Some("theirs"))];
    stage.cluster().annotate("default", "alone", &edits).unwrap();
    stage.idle();
    let plan = changed(&stage);
    redact::settings(&stage).bind(|| {
        insta::assert_snapshot!(plan, @r#"
        Drift: what changed outside Git and would be put back
          1. ~ service/default/alone: update  [disruptive]
              asked for in environments/prod/alone.yaml:1
              drift: changed outside Git, by kubectl-annotate
              takes over metadata.annotations[service.beta.kubernetes.io/azure-load-balancer-ipv4] from kubectl-annotate, because the document adopts the Service
              ~ annotation azure-load-balancer-ipv4  "10.224.10.99" -> "10.224.10.2"  (held by kubectl-annotate)
              the frontend moves from 10.224.10.99 to 10.224.10.2 (CCM-FIP-ADDRESS, DIF001)

        Approval
          disruptive drift (1 change): 1 person who is neither author nor committer must approve

        Plan id: [PLAN]
        "#);
    });
    let annotations = service(&stage, "alone")["metadata"]["annotations"].clone();
    assert_eq!(annotations["service.beta.kubernetes.io/azure-load-balancer-ipv4"], "10.224.10.2");
    assert_eq!(annotations["note"], "theirs", "what we never said is not ours to remove");
}

#[test]
fn a_dns_record_edited_behind_our_back_is_healed() {
    let stage = converged();
    let mut record = stage.azure(&record_id("web")).unwrap();
    record["properties"]["aRecords"] = json!([{"ipv4Address": "10.9.9.9"}]);
    let body = json!({"properties": {"ttl": 60, "aRecords": record["properties"]["aRecords"], "metadata": record["properties"]["metadata"]}});
    stage.azure_does("PUT", &record_id("web"), Some(body));
    let plan = changed(&stage);
    redact::settings(&stage).bind(|| {
        insta::assert_snapshot!(plan, @"
        Drift: what changed outside Git and would be put back
          1. ~ dnsrecord/web.orders.internal: update  [disruptive]
              asked for in environments/prod/web-endpoint.yaml:12
              drift: changed outside Git
              ~ addresses  {10.9.9.9} -> 10.50.1.N
              ~ ttl        60 -> 300

        Approval
          disruptive drift (1 change): 1 person who is neither author nor committer must approve

        Plan id: [PLAN]
        ");
    });
}

#[test]
fn what_the_settings_let_be_healed_waits_for_nobody_and_what_is_only_reported_stays_as_it_is() {
    let stage = converged();
    let on_drift = |word: &str| {
        let settings = format!("{}\n[environments.prod.drift]\nnotable = \"{word}\"\n", worlds::settings());
        stage.repo.commit(&[("privlink.toml", &settings)]);
    };
    let ttl = || stage.azure(&record_id("web")).unwrap()["properties"]["ttl"].clone();
    let drifts = || {
        let mut properties = stage.azure(&record_id("web")).unwrap()["properties"].clone();
        properties["ttl"] = json!(60);
        stage.azure_does("PUT", &record_id("web"), Some(json!({ "properties": properties })));
    };
    on_drift("heal");
    let loosened = stage.converge();
    assert!(loosened.contains("notable drift is healed without asking instead of proposed"), "{loosened}");
    drifts();
    stage.run_on_repo("apply", &["--yes"]).ends(Exit::Done).says("notable drift (1 change): put back without asking");
    assert_eq!(ttl(), 300);
    on_drift("report");
    stage.run_on_repo("apply", &["--yes"]).ends(Exit::Done);
    drifts();
    let writes = stage.writes();
    stage.run_on_repo("apply", &["--yes"]).ends(Exit::Done).says("1 drifted resource only reported");
    assert_eq!((ttl(), stage.writes()), (json!(60), writes), "nobody wrote anything");
}

#[test]
fn yes_is_no_look_at_what_goes_beyond_notable() {
    let stage = converged();
    let settings = worlds::settings().replace("disruptive = 1", "disruptive = \"merge\"");
    stage.repo.commit(&[("privlink.toml", &settings)]);
    let loosened = stage.converge();
    assert!(loosened.contains("disruptive changes need merge instead of 1 person"), "{loosened}");
    stage.repo.commit(&[(ALONE, &docs::service("alone", &[("azure-load-balancer-ipv4", "10.224.10.3")]))]);
    let writes = stage.writes();
    let refused = stage.run_on_repo("apply", &["--yes"]).ends(Exit::Approval);
    insta::assert_snapshot!(refused.err.split_once("error: ").unwrap().1, @"
    --yes does not answer for changes above notable
      nobody has looked at service/default/alone (disruptive)
      help: answer at the prompt, or use --approve-plan with the full id
    ");
    assert_eq!(stage.writes(), writes, "a refused apply writes nothing");
    stage.converge();
}

#[test]
fn a_service_that_the_cloud_provider_cannot_clean_up_after_says_why_and_is_not_forgotten() {
    let stage = Stage::new();
    stage.repo.commit(&[
        ("privlink.toml", &worlds::settings()),
        ("environments/prod/README.md", "a folder without documents is a wish\n"),
        ("environments/prod/web.yaml", &docs::service("web", &[])),
        ("environments/prod/web-published.yaml", &docs::published("web")),
    ]);
    stage.converge();
    stage.simulator.add_fault(Fault {
        method: Some("DELETE".to_owned()),
        path: "privateLinkServices/pls-web".to_owned(),
        status: 409,
        code: "InUse".to_owned(),
        message: "Somebody holds it.".to_owned(),
        ..Fault::default()
    });
    stage.repo.remove(&["environments/prod/web.yaml", "environments/prod/web-published.yaml"]);
    let planned = stage.plan().ends(Exit::Changes);
    let applied = stage.run_on_repo("apply", &["--approve-plan", &planned.plan_id(), "--deadline", "1s"]);
    applied.ends(Exit::Failed).says("clean up (load balancer frontend, Private Link Service); its last warning is ");
    stage.plan().ends(Exit::Done).says("service/default/web: its deletion was begun; it is there until");
    stage.simulator.clear_faults();
    stage.simulator.resync();
    stage.idle();
    assert!(!stage.plan().ends(Exit::Done).out.contains("deletion was begun"));
}
