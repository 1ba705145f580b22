//! What Services do to the security group of the nodes.

use serde_json::{Value, json};

use super::*;

const RANGES: &str = "service.beta.kubernetes.io/azure-allowed-ip-ranges";
const TAGS: &str = "service.beta.kubernetes.io/azure-allowed-service-tags";
const DENY: &str = "service.beta.kubernetes.io/azure-deny-all-except-load-balancer-source-ranges";
const RULE_OFF: &str = "service.beta.kubernetes.io/azure-disable-load-balancer-nsg-rule";
const FLOATING_OFF: &str = "service.beta.kubernetes.io/azure-disable-load-balancer-floating-ip";

fn rules(world: &World) -> Vec<Value> {
    let group = world.get("networkSecurityGroups/aks-agentpool-nsg").unwrap();
    group["properties"]["securityRules"].as_array().unwrap().iter().map(|rule| rule["properties"].clone()).collect()
}

#[tokio::test]
async fn a_public_service_is_open_to_the_internet_until_it_goes() {
    let world = World::new().await;
    let mark = world.mark();
    let own = world.apply(&service("app", &[])).await;
    assert!(world.writes_since(mark).contains(&"PUT networkSecurityGroups 200".to_owned()));
    let opened = rules(&world);
    assert_eq!(opened.len(), 1);
    let expected = json!({"access": "Allow", "direction": "Inbound", "protocol": "Tcp", "sourceAddressPrefix": "Internet",
        "destinationPortRanges": ["80"], "destinationAddressPrefixes": [address(&own)], "priority": 500});
    for (key, value) in expected.as_object().unwrap() {
        assert_eq!(&opened[0][key], value, "{key}");
    }
    let mark = world.mark();
    world.annotate("app", &[("example.com/note", Some("1"))]).await;
    assert_eq!(world.writes_since(mark), Vec::<String>::new());
    world.delete("app").await;
    assert_eq!(rules(&world), Vec::<Value>::new());
}

#[tokio::test]
async fn an_internal_service_opens_nothing_unless_it_names_its_sources() {
    let world = World::new().await;
    let own = world.apply(&service("app", &[(INTERNAL, "true")])).await;
    assert_eq!(rules(&world), Vec::<Value>::new());
    world.annotate("app", &[(RANGES, Some("10.9.0.0/16, 10.8.0.0/16")), (TAGS, Some("AzureCloud"))]).await;
    let named = rules(&world);
    assert_eq!(named.len(), 2);
    assert_eq!(named[0]["sourceAddressPrefix"], "AzureCloud");
    assert_eq!(named[1]["sourceAddressPrefixes"], json!(["10.8.0.0/16", "10.9.0.0/16"]));
    assert_eq!(named[1]["destinationAddressPrefixes"], json!([address(&own)]));
    world.annotate("app", &[(DENY, Some("True")), (TAGS, None)]).await;
    let denied = rules(&world);
    let found: Vec<(&Value, &Value)> = denied.iter().map(|rule| (&rule["access"], &rule["priority"])).collect();
    assert_eq!(found, [(&json!("Allow"), &json!(501)), (&json!("Deny"), &json!(4096))]);
}

#[tokio::test]
async fn services_with_the_same_ports_and_sources_share_a_rule() {
    let world = World::new().await;
    let first = world.apply(&service("first", &[])).await;
    let second = world.apply(&service("second", &[])).await;
    let shared = rules(&world);
    assert_eq!((shared.len(), shared[0]["destinationAddressPrefixes"].as_array().unwrap().len()), (1, 2));
    world.delete("first").await;
    assert_ne!(address(&first), address(&second));
    assert_eq!(rules(&world)[0]["destinationAddressPrefixes"], json!([address(&second)]));
}

#[tokio::test]
async fn without_floating_address_the_nodes_are_the_destination() {
    let world = World::new().await;
    let own = world.apply(&service("app", &[(FLOATING_OFF, "true")])).await;
    let opened = rules(&world);
    assert_eq!(opened[0]["destinationAddressPrefixes"], json!(["10.224.0.250"]));
    let node_port = own["spec"]["ports"][0]["nodePort"].to_string();
    assert_eq!(opened[0]["destinationPortRanges"], json!([node_port]));
}

#[tokio::test]
async fn the_break_glass_annotation_adds_no_rule_and_takes_the_old_ones_away() {
    let world = World::new().await;
    world.apply(&service("app", &[])).await;
    assert_eq!(rules(&world).len(), 1);
    world.annotate("app", &[(RULE_OFF, Some("true"))]).await;
    assert_eq!(rules(&world), Vec::<Value>::new());
}

#[tokio::test]
async fn ranges_in_two_places_stop_before_the_private_link_service() {
    let world = World::new().await;
    let mut both = service("app", &[(INTERNAL, "true"), (CREATE, "true"), (RANGES, "10.0.0.0/8")]);
    both["spec"]["loadBalancerSourceRanges"] = json!(["10.0.0.0/8"]);
    world.apply(&both).await;
    assert!(world.failure("app").contains("cannot set both"), "{}", world.failure("app"));
    assert_eq!(world.link_services().len(), 0);
}

#[tokio::test]
async fn an_invalid_range_closes_the_door_and_is_told_of_only_at_the_end() {
    let world = World::new().await;
    world.apply(&service("app", &[(INTERNAL, "true"), (RANGES, "10.0.0.1/8")])).await;
    let denied = rules(&world);
    assert_eq!((denied.len(), &denied[0]["access"]), (1, &json!("Deny")));
    assert!(!world.reasons("app").contains(&"InvalidAllowedIPRanges".to_owned()));
    world.delete("app").await;
    assert!(world.reasons("app").contains(&"InvalidAllowedIPRanges".to_owned()), "{:?}", world.reasons("app"));
}

#[tokio::test]
async fn without_its_security_group_a_service_gets_no_private_link_service() {
    let world = World::new().await;
    assert!(world.arm.raw_delete(&network("networkSecurityGroups/aks-agentpool-nsg")));
    let own = world.apply(&service("app", &[(INTERNAL, "true"), (CREATE, "true")])).await;
    assert!(world.failure("app").contains("aks-agentpool-nsg not found"), "{}", world.failure("app"));
    assert_eq!((address(&own), world.link_services().len()), ("", 0));
    assert!(world.get("loadBalancers/kubernetes-internal").is_some());
}
