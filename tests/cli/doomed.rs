//! Changes that are bound to fail: they are left out, the rest is applied, and Azure really refuses what was left out.

use privlink::cli::Exit;
use privlink::sim::world::BackendPoolType;
use serde_json::Value;
use serde_json::json;

use super::docs;
use crate::runner::Stage;
use crate::runner::worlds;
use crate::runner::worlds::CONSUMER;
use crate::runner::worlds::NODE_GROUP;
use crate::runner::worlds::PROVIDER;

const PINNED: &str = "azure-load-balancer-ipv4";

#[test]
fn what_does_not_need_a_doomed_change_is_applied_and_what_is_left_out_is_not_written() {
    let stage = Stage::in_world(worlds::example());
    stage.repo.commit(&[
        ("privlink.toml", &worlds::settings()),
        ("environments/prod/bad.yaml", &docs::service("bad", &[(PINNED, "10.9.9.9")])),
        ("environments/prod/bad-published.yaml", &docs::published("bad")),
        ("environments/prod/bad-endpoint.yaml", &docs::endpoint("bad")),
        ("environments/prod/good.yaml", &docs::service("good", &[(PINNED, "10.224.10.1")])),
    ]);
    let planned = stage
        .plan()
        .ends(Exit::Incomplete)
        .says("3 changes left out")
        .says("CCM-IP-OUTSIDE")
        .says("not applicable because it needs privatelinkservice/default/bad");
    let id = planned.plan_id();
    stage
        .run_on_repo("apply", &["--approve-plan", &id])
        .ends(Exit::Incomplete)
        .says("done     create service/default/good")
        .says("left out: service/default/bad");
    assert!(stage.cluster().get("services", "default", "good").is_some());
    assert!(stage.cluster().get("services", "default", "bad").is_none());
    // What is left alone is told by every later plan, and applied by none.
    let writes = stage.writes();
    stage.plan().ends(Exit::Incomplete).says("Nothing can be changed in prod before this is out of the way.");
    stage.run_on_repo("apply", &["--yes"]).ends(Exit::Incomplete);
    stage.pass().ends(Exit::Incomplete);
    assert_eq!(stage.writes(), writes);
    // The cure brings the rest.
    let free = docs::service("bad", &[(PINNED, "10.224.10.2")]);
    stage.repo.commit(&[("environments/prod/bad.yaml", &free)]);
    stage.converge();
}

#[test]
fn an_approval_holds_for_what_is_left_out_and_no_longer() {
    let stage = Stage::in_world(worlds::example());
    let bad = |address: &str| docs::service("bad", &[(PINNED, address)]);
    stage.repo.commit(&[
        ("privlink.toml", &worlds::settings()),
        ("environments/prod/bad.yaml", &bad("10.9.9.9")),
        ("environments/prod/good.yaml", &docs::service("good", &[(PINNED, "10.224.10.1")])),
    ]);
    let id = stage.plan().ends(Exit::Incomplete).plan_id();
    stage.repo.commit(&[("environments/prod/bad.yaml", &bad("10.224.10.2"))]);
    stage.run_on_repo("apply", &["--approve-plan", &id]).ends(Exit::Approval);
    assert_eq!(stage.cluster().get("services", "default", "bad"), None::<Value>);
}

const NETWORKS: &str = "/subscriptions/00000000-0000-0000-0000-000000000002/resourceGroups/myOtherResourceGroup/providers/Microsoft.Network";

/// The code with which Azure refuses an endpoint, asked behind privlink's back.
fn refused(stage: &Stage, (subnet, address): (&str, &str)) -> String {
    let link = format!(
        "/subscriptions/{PROVIDER}/resourceGroups/{NODE_GROUP}/providers/Microsoft.Network/privateLinkServices/pls-web"
    );
    let body = json!({"location": "eastus2", "properties": {
        "subnet": {"id": format!("{NETWORKS}/virtualNetworks/myOtherVNET/subnets/{subnet}")},
        "privateLinkServiceConnections": [{"name": "c", "properties": {"privateLinkServiceId": link}}],
        "ipConfigurations": [{"name": "i", "properties": {"privateIPAddress": address, "groupId": "", "memberName": ""}}],
    }});
    stage.azure_refuses("PUT", &format!("{NETWORKS}/privateEndpoints/pe-second"), Some(body))
}

#[test]
fn an_endpoint_that_azure_would_refuse_is_left_out_and_azure_does_refuse_it() {
    // What Azure says is looked at, and so the files are not stopped for wanting one address twice.
    let unchecked = format!("{}\n[check]\nlevels = {{ OWN003 = \"off\" }}\n", worlds::settings());
    let stage = Stage::in_world(worlds::example());
    stage.repo.commit(&[
        ("privlink.toml", &unchecked),
        ("environments/prod/web.yaml", &docs::service("web", &[(PINNED, "10.224.10.1")])),
        ("environments/prod/web-published.yaml", &docs::published("web")),
        ("environments/prod/web-endpoint.yaml", &docs::endpoint_with("web", "  ipAddress: 10.50.1.20\n")),
    ]);
    stage.converge();
    let cases = [
        (
            "typo",
            "10.50.1.21",
            "the network myOtherVNET has no subnet typo (PRE-SUBNET-MISSING)",
            "InvalidResourceReference",
        ),
        (
            "pe-subnet",
            "10.9.9.9",
            "the address 10.9.9.9 is outside the subnet pe-subnet (10.50.1.0/24) (PRE-IP-OUTSIDE)",
            "PrivateIPAddressNotInSubnet",
        ),
        (
            "pe-subnet",
            "10.50.1.3",
            "Azure keeps 10.50.1.3 of the subnet pe-subnet for itself (PRE-IP-RESERVED)",
            "PrivateIPAddressInReservedRange",
        ),
        (
            "pe-subnet",
            "10.50.1.20",
            "the address 10.50.1.20 is taken by privateendpoints/pe-web in myOtherResourceGroup (PRE-IP-TAKEN)",
            "PrivateIPAddressIsAllocated",
        ),
    ];
    for (subnet, address, says, code) in cases {
        let second = docs::endpoint_with("web", &format!("  ipAddress: {address}\n"));
        let second =
            second.replace("name: pe-web", "name: pe-second").replace("name: pe-subnet", &format!("name: {subnet}"));
        stage.repo.commit(&[("environments/prod/second.yaml", &second)]);
        let planned = stage.plan().ends(Exit::Incomplete).says(&format!("not applicable because {says}"));
        // What Azure offers in its place is free indeed.
        assert_eq!(planned.out.contains(" Azure offers 10.50.1."), subnet == "pe-subnet", "{}", planned.out);
        assert_eq!(refused(&stage, (subnet, address)), code);
    }
}

#[test]
fn a_cluster_whose_pools_list_addresses_publishes_nothing() {
    let mut world = worlds::example();
    for cluster in &mut world.clusters {
        cluster.backend_pool_type = BackendPoolType::NodeIp;
    }
    let stage = Stage::in_world(world);
    stage.repo.commit(&[
        ("privlink.toml", &worlds::settings()),
        ("environments/prod/web.yaml", &docs::service("web", &[(PINNED, "10.224.10.1")])),
        ("environments/prod/web-published.yaml", &docs::published("web")),
        ("environments/prod/alone.yaml", &docs::service("alone", &[(PINNED, "10.224.10.2")])),
    ]);
    let id = stage.plan().ends(Exit::Incomplete).says("PRE-POOL-NODE-IP").says("2 changes left out").plan_id();
    stage
        .run_on_repo("apply", &["--approve-plan", &id])
        .ends(Exit::Incomplete)
        .says("done     create service/default/alone");
    // The same, put there by somebody else: it never gets a Private Link Service, nor its address.
    let text = docs::service("web", &[(PINNED, "10.224.10.1"), ("azure-pls-create", "true")]);
    let mut live: Value = serde_yaml::from_str(&text).unwrap();
    live["metadata"]["namespace"] = json!("default");
    stage.cluster().apply_raw(&live).unwrap();
    stage.idle();
    let links = format!("/subscriptions/{PROVIDER}/providers/Microsoft.Network/privateLinkServices");
    assert_eq!(stage.azure(&links).unwrap()["value"], json!([]));
    assert_eq!(stage.cluster().get("services", "default", "web").unwrap()["status"]["loadBalancer"], json!({}));
}

/// A published Service with an endpoint whose connection the provider then rejected.
fn rejected(published: &str) -> Stage {
    let stage = Stage::in_world(worlds::example());
    stage.repo.commit(&[
        ("privlink.toml", &worlds::settings()),
        ("environments/prod/web.yaml", &docs::service("web", &[(PINNED, "10.224.10.1")])),
        ("environments/prod/web-published.yaml", published),
        ("environments/prod/web-endpoint.yaml", &docs::endpoint("web")),
    ]);
    stage.converge();
    let links = stage.azure(&format!("/subscriptions/{PROVIDER}/providers/Microsoft.Network/privateLinkServices"));
    let mut connection = links.unwrap()["value"][0]["properties"]["privateEndpointConnections"][0].clone();
    connection["properties"]["privateLinkServiceConnectionState"]["status"] = json!("Rejected");
    let id = connection["id"].as_str().unwrap().to_owned();
    stage.azure_does("PUT", &id, Some(connection));
    stage
}

#[test]
fn a_rejected_connection_of_ours_is_not_revived_by_another_write_and_so_its_endpoint_is_replaced() {
    let stage = rejected(&docs::published("web"));
    stage
        .plan()
        .ends(Exit::Changes)
        .says("-/+ privateendpoint/pe-web: replace")
        .says("~ connection.state  \"Rejected\" -> \"Approved\"  (forces the replacement)");
    let id = format!("{NETWORKS}/privateEndpoints/pe-web");
    let again = stage.azure_does("PUT", &id, stage.azure(&id));
    let state = "/properties/privateLinkServiceConnections/0/properties/privateLinkServiceConnectionState/status";
    assert_eq!(again.pointer(state), Some(&json!("Rejected")));
    stage.converge();
    assert_eq!(stage.azure(&id).unwrap().pointer(state), Some(&json!("Approved")));
}

#[test]
fn a_rule_that_approves_what_was_rejected_tries_and_warns() {
    let rule = format!("  connections:\n    approve:\n    - subscription: \"{CONSUMER}\"\n");
    let stage = rejected(&docs::published_with("web", &rule));
    stage
        .plan()
        .ends(Exit::Changes)
        .says("~ state  \"Rejected\" -> \"Approved\"")
        .says("may stay rejected (PRE-CONNECTION-REJECTED): if so, the endpoint has to be made anew");
    stage.converge();
}

#[test]
fn a_private_link_service_of_a_name_that_somebody_has_is_left_out() {
    let stage = Stage::in_world(worlds::example());
    let managed = "  managedBy: privlink\n  resourceGroup: rg-pls\n  nat: { subnet: pls-subnet, count: 1 }\n";
    stage.repo.commit(&[
        ("privlink.toml", &worlds::settings()),
        ("environments/prod/web.yaml", &docs::service("web", &[(PINNED, "10.224.10.1")])),
        ("environments/prod/other.yaml", &docs::service("other", &[(PINNED, "10.224.10.2")])),
        ("environments/prod/other-published.yaml", &docs::published_with("other", managed)),
    ]);
    stage.converge();
    let theirs = format!(
        "/subscriptions/{PROVIDER}/resourceGroups/rg-pls/providers/Microsoft.Network/privateLinkServices/pls-other"
    );
    let mut body = stage.azure(&theirs).unwrap();
    body["tags"] = json!({});
    stage.azure_does("PUT", &theirs, Some(body));
    let taken = docs::published_with("web", managed).replace("name: pls-web", "name: pls-other");
    stage.repo.edit(
        "main",
        "main",
        &[("environments/prod/other-published.yaml", None), ("environments/prod/web-published.yaml", Some(&taken))],
    );
    stage
        .plan()
        .ends(Exit::Incomplete)
        .says("not applicable because it exists already and nobody's mark is on it (PRE-FOREIGN)")
        .says("privlink.dev/adopt: ");
}
