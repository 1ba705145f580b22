//! Changes that are bound to fail: they are left out, the rest is applied, and Azure really refuses what was left out.

use privlink::cli::Exit;
use privlink::sim::world::BackendPoolType;
use serde_json::Value;
use serde_json::json;

use super::docs;
use crate::runner::Stage;
use crate::runner::worlds;
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
        stage.plan().ends(Exit::Incomplete).says(&format!("not applicable because {says}"));
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
