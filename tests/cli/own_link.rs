//! Private Link Services that privlink writes itself, when the frontend under them goes.

use privlink::cli::Exit;
use serde_json::Value;
use serde_json::json;

use super::docs;
use crate::runner::Stage;
use crate::runner::redact;
use crate::runner::worlds;
use crate::runner::worlds::CONSUMER;
use crate::runner::worlds::PROVIDER;

const SERVICE: &str = "environments/prod/web.yaml";
const PUBLISHED: &str = "environments/prod/published.yaml";
const ENDPOINT: &str = "environments/prod/endpoint.yaml";
const BY_US: &str = "  managedBy: privlink\n  resourceGroup: rg-pls\n  nat: { subnet: pls-subnet }\n";
const PINNED: (&str, &str) = ("azure-load-balancer-ipv4", "10.224.10.1");

fn theirs(rest: &str) -> String {
    format!("/subscriptions/{CONSUMER}/resourceGroups/myOtherResourceGroup/providers/Microsoft.Network/{rest}")
}

fn ours() -> String {
    format!("/subscriptions/{PROVIDER}/resourceGroups/rg-pls/providers/Microsoft.Network/privateLinkServices/pls-web")
}

/// A Service behind a Private Link Service of ours, an endpoint of this repository on it, and one of somebody else.
fn published() -> Stage {
    let stage = Stage::in_world(worlds::example());
    stage.repo.commit(&[
        ("privlink.toml", &worlds::settings()),
        (SERVICE, &docs::service("web", &[PINNED])),
        (PUBLISHED, &docs::published_with("web", BY_US)),
        (ENDPOINT, &docs::endpoint("web")),
    ]);
    stage.converge();
    let body = json!({"location": "eastus2", "properties": {
        "subnet": {"id": theirs("virtualNetworks/myOtherVNET/subnets/pe-subnet")},
        "privateLinkServiceConnections": [{"name": "guest", "properties": {"privateLinkServiceId": ours()}}],
    }});
    stage.azure_does("PUT", &theirs("privateEndpoints/guest"), Some(body));
    // The status takes note of the guest.
    stage.run_on_repo("apply", &["--yes"]).ends(Exit::Done);
    stage.assert_converged();
    stage
}

/// Somebody sends the cloud provider to the group of ours.
fn searched(stage: &Stage) {
    let patch = json!({"metadata": {"annotations": {
        "service.beta.kubernetes.io/azure-pls-resource-group": "rg-pls",
    }}});
    stage.cluster().patch_service("default", "web", (&patch, "kubectl")).unwrap();
    stage.idle();
    stage.assert_converged();
}

fn state(stage: &Stage, endpoint: &str) -> String {
    let body = stage.azure(&theirs(&format!("privateEndpoints/{endpoint}"))).expect("it is there");
    let connection = &body["properties"]["privateLinkServiceConnections"][0]["properties"];
    connection["privateLinkServiceConnectionState"]["status"].as_str().unwrap().to_owned()
}

fn frontend(stage: &Stage) -> String {
    let link: Value = stage.azure(&ours()).expect("it is there");
    let id = link["properties"]["loadBalancerFrontendIpConfigurations"][0]["id"].as_str().unwrap().to_owned();
    id.rsplit('/').next().unwrap().to_owned()
}

#[test]
fn what_the_cloud_provider_deletes_of_ours_is_put_again_in_the_same_apply() {
    let stage = published();
    searched(&stage);
    stage.repo.replace(SERVICE, "10.224.10.1", "10.224.10.3");
    let plan = stage.converge();
    redact::settings(&stage).bind(|| insta::assert_snapshot!(plan, @r#"
    Plan for prod: severing
    + 0 to create, ~ 1 to update, -/+ 2 to replace, - 0 to delete

    Who is affected: 2 connections of 1 subscription
      service/default/web: the frontend moves from 10.224.10.1 to 10.224.10.3: pls-web is deleted with every connection and its alias; privlink puts it again, with another alias (CCM-FIP-ADDRESS, DIF001)
        why: environments/prod/web.yaml:7 changes annotation azure-load-balancer-ipv4 from "10.224.10.1" to "10.224.10.3"
        guest   Approved  unknown consumer                   subscription 00000000-0000-0000-0000-000000000002  first seen [DAY]
        pe-web  Approved  declared here, repaired by step 3  subscription 00000000-0000-0000-0000-000000000002  first seen [DAY]

    Private Link Services on a frontend that changes
      pls-web: made by privlink: the cloud provider finds it where the Service sends it, and deletes it with its frontend; privlink puts it again (CCM-FIP-ADDRESS, observed)

    A smaller edit
      service/default/web: keep the address as it is ("10.224.10.1"): then nobody is cut and nothing fails
      service/default/web: to move all the same, take that edit back and let `privlink migrate web --address 10.224.10.3` write a second Service beside it: consumers move one by one, and then the old one goes

    Changes
      1. ~ service/default/web: update  [severing]
          asked for in environments/prod/web.yaml:1
          ~ annotation azure-load-balancer-ipv4  "10.224.10.1" -> "10.224.10.3"
          2 connections affected (CCM-FIP-ADDRESS): see above
      2. -/+ privatelinkservice/pls-web: replace  [severing]
          asked for in environments/prod/published.yaml:1
          deleted by the cloud provider because of service/default/web, and put again by privlink
          waits for service/default/web (1)
          ~ alias  "pls-web.[GUID].eastus2.azure.privatelinkservice" -> <alias: known after privatelinkservice/pls-web>
      3. -/+ privateendpoint/pe-web: replace  [severing]
          asked for in environments/prod/endpoint.yaml:1
          replaced because target cannot change in place
          waits for privatelinkservice/pls-web (2)
          ~ target  …/rg-pls/privateLinkServices/pls-web -> <id: known after privatelinkservice/pls-web>  (forces the replacement)

    Approval
      severing (3 changes): 1 person who is neither author nor committer must approve

    Plan id: [PLAN]
    "#));
    assert_eq!((state(&stage, "pe-web").as_str(), state(&stage, "guest").as_str()), ("Approved", "Disconnected"));
}

#[test]
fn one_of_ours_comes_back_on_the_frontend_that_its_service_has_then() {
    let stage = published();
    searched(&stage);
    let before = frontend(&stage);
    stage.repo.replace(
        SERVICE,
        "    service.beta.kubernetes.io/azure-load-balancer-ipv4: \"10.224.10.1\"\n",
        "    service.beta.kubernetes.io/azure-load-balancer-internal-subnet: \"apps-subnet\"\n",
    );
    let plan = stage.converge();
    assert!(plan.contains("<frontend: known after service/default/web>"), "{plan}");
    assert_eq!(frontend(&stage), format!("{before}-apps-subnet"));
    assert_eq!(state(&stage, "pe-web"), "Approved");
}

#[test]
fn where_the_cloud_provider_does_not_look_azure_keeps_the_frontend_and_the_plan_leaves_the_edit_out() {
    let stage = published();
    stage.repo.replace(
        SERVICE,
        "    service.beta.kubernetes.io/azure-load-balancer-ipv4: \"10.224.10.1\"\n",
        "    service.beta.kubernetes.io/azure-load-balancer-internal-subnet: \"apps-subnet\"\n",
    );
    stage.plan().ends(Exit::Incomplete).says("CCM-PLS-GROUP");
    assert_eq!(state(&stage, "guest"), "Approved");
}

#[test]
fn one_of_ours_leaves_a_service_that_goes_for_another_one_in_one_apply() {
    let stage = published();
    stage.repo.edit(
        "main",
        "main",
        &[
            (SERVICE, None),
            (
                "environments/prod/next.yaml",
                Some(&docs::service("next", &[("azure-load-balancer-ipv4", "10.224.10.4")])),
            ),
            (PUBLISHED, Some(&docs::published_with("web", BY_US).replace("{ name: web }", "{ name: next }"))),
        ],
    );
    let plan = stage.converge();
    redact::settings(&stage).bind(|| insta::assert_snapshot!(plan, @r#"
    Plan for prod: severing
    + 1 to create, ~ 0 to update, -/+ 2 to replace, - 3 to delete

    Who is affected: 2 connections of 1 subscription
      privatelinkservice/pls-web: pls-web is deleted with its connections, and built anew with another alias (ARM-PLS-DELETED)
        why: environments/prod/published.yaml:5 changes frontend from …/MC_myResourceGroup_myAKSCluster_eastus2/loadBalancers/kubernetes-internal/frontendIPConfigurations/[FRONTEND] to <frontend: known after service/default/next>
        guest   Approved  unknown consumer                   subscription 00000000-0000-0000-0000-000000000002  first seen [DAY]
        pe-web  Approved  declared here, repaired by step 6  subscription 00000000-0000-0000-0000-000000000002  first seen [DAY]

    Worst first
      severing  2.  - connection/guest -> pls-web
      severing  3.  - connection/pe-web -> pls-web
      severing  4.  -/+ privatelinkservice/pls-web  2 connections  environments/prod/published.yaml:1
      severing  5.  - service/default/web
      severing  6.  -/+ privateendpoint/pe-web                     environments/prod/endpoint.yaml:1
      notable   1.  + service/default/next                         environments/prod/next.yaml:1

    Changes
      1. + service/default/next: create  [notable]
          asked for in environments/prod/next.yaml:1
          + annotation azure-load-balancer-internal  true
          + annotation azure-load-balancer-ipv4      "10.224.10.4"
          + spec.ports[80/TCP]                       "open"
          + spec.selector.app                        "next"
          + spec.type                                "LoadBalancer"
          + the marks that say whose it is
      2. - connection/guest -> pls-web: delete  [severing]
          no document asks for it any more
          - state  "Approved"
      3. - connection/pe-web -> pls-web: delete  [severing]
          no document asks for it any more
          - state  "Approved"
      4. -/+ privatelinkservice/pls-web: replace  [severing]
          asked for in environments/prod/published.yaml:1
          replaced because frontend cannot change in place
          waits for service/default/next (1), connection/guest -> pls-web (2), connection/pe-web -> pls-web (3)
          ~ frontend  …/MC_myResourceGroup_myAKSCluster_eastus2/loadBalancers/kubernetes-internal/frontendIPConfigurations/[FRONTEND] -> <frontend: known after service/default/next>  (forces the replacement)
          2 connections affected (ARM-PLS-DELETED): see above
      5. - service/default/web: delete  [severing]
          no document asks for it any more
          waits for privatelinkservice/pls-web (4)
      6. -/+ privateendpoint/pe-web: replace  [severing]
          asked for in environments/prod/endpoint.yaml:1
          replaced because target cannot change in place
          waits for service/default/web (5)
          ~ target  …/rg-pls/privateLinkServices/pls-web -> <id: known after privatelinkservice/pls-web>  (forces the replacement)

    Approval
      severing (5 changes): 1 person who is neither author nor committer must approve
      notable (1 change): 1 person who is neither author nor committer must approve

    Plan id: [PLAN]
    "#));
    assert_eq!((state(&stage, "pe-web").as_str(), state(&stage, "guest").as_str()), ("Approved", "Disconnected"));
}
