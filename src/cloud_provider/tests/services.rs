//! Services that come and go, share an address, change their ports or their families.

use super::*;

#[test]
fn dif015_to_017_what_goes_with_a_service_and_what_stays_for_its_sharers() {
    let deleted = Case::new().deleted();
    let typed = Case::new().spec("type", json!("ClusterIP")).says();
    let owner = Case::shared().deleted();
    let sharer = Case::shared().on("other").deleted();
    // An address that it was never at: nothing is told of those who are.
    let elsewhere = Case::new().on("other").spec("type", json!("ClusterIP"));
    let elsewhere = elsewhere.with("azure-load-balancer-ipv4", "10.224.0.10").says();
    insta::assert_snapshot!([deleted, typed, owner, sharer, elsewhere].join("\n\n"), @"
    the connection of acme-pe to pls-orders is cut (CCM-FIP-GONE)
    pls-orders is deleted (CCM-FIP-GONE)
    the alias pls-orders.guid.eastus2.azure.privatelinkservice is lost for ever (CCM-FIP-GONE)
    the frontend at 10.224.0.10 goes (CCM-FIP-GONE)

    the connection of acme-pe to pls-orders is cut (CCM-FIP-TYPE)
    pls-orders is deleted (CCM-FIP-TYPE)
    the alias pls-orders.guid.eastus2.azure.privatelinkservice is lost for ever (CCM-FIP-TYPE)
    the frontend at 10.224.0.10 goes (CCM-FIP-TYPE)

    the frontend at 10.224.0.10 stays for shop/other (CCM-SHARE-STAY)
    pls-orders stays with the name of an owner that is gone (CCM-SHARE-OWNER)

    the frontend at 10.224.0.10 stays for shop/orders (CCM-SHARE-STAY)

    the frontend at 10.224.0.20 goes (CCM-FIP-TYPE)
    ");
}

#[test]
fn dif018_a_second_family_is_refused_beside_a_link() {
    insta::assert_snapshot!(Case::new().spec("ipFamilies", json!(["IPv4", "IPv6"])).says(), @"FAILS when the load balancer is written: an IPv6 frontend is asked for beside a Private Link Service [] (CCM-PLS-IPV6)");
}

#[test]
fn dif019_the_traffic_policy_changes_the_probe() {
    insta::assert_snapshot!(Case::new().spec("externalTrafficPolicy", json!("Local")).says(), @"rule or probe of 443/TCP is written anew (CCM-RULE-CHANGED)");
}

#[test]
fn dif020_labels_and_selectors_are_not_looked_at() {
    let mut case = Case::new().spec("selector", json!({"app": "x"}));
    case.manifest["metadata"]["labels"] = json!({"a": "b"});
    insta::assert_snapshot!(case.says(), @"nothing happens (CCM-NO-SYNC)");
}

#[test]
fn dif021_ports_come_and_go_by_name() {
    let port = |number: u16| json!({"port": number, "protocol": "TCP", "nodePort": 30000 + u32::from(number)});
    let more = Case::new().spec("ports", json!([port(443), port(8080)])).says();
    let other = Case::new().spec("ports", json!([port(444)])).says();
    let clash = Case::shared().spec("ports", json!([port(443), port(80)])).says();
    let probe = Case::new().with("azure-load-balancer-health-probe-protocol", "http").says();
    let path = Case::new().with("azure-load-balancer-health-probe-request-path", "/x").says();
    assert_eq!(path, "", "a tcp probe has no path");
    let idle = Case::new().with("azure-load-balancer-tcp-idle-timeout", "200").says();
    insta::assert_snapshot!([more, other, clash, probe, idle].join("\n\n"), @"
    8080/TCP opens (CCM-RULE-ADDED)

    444/TCP opens (CCM-RULE-ADDED)
    443/TCP closes (CCM-RULE-REMOVED)

    FAILS before anything is written: 80/TCP of 10.224.0.10 is shop/other's already [which is being referenced by an existing loadBalancing rule] (CCM-RULE-CLASH)

    rule or probe of 443/TCP is written anew (CCM-RULE-CHANGED)

    FAILS before anything is written: service.beta.kubernetes.io/azure-load-balancer-tcp-idle-timeout is 200: it must be 4 to 100 minutes [] (CCM-RULE-REFUSED)
    ");
}

#[test]
fn dif023_a_service_made_anew_gets_everything_anew() {
    let case = Case::new();
    let mut state = State::of(&case.observed, Behaviour::default()).unwrap();
    let before = case.read(&case.manifest);
    let gone = predict(&mut state, Some(&before), None).unwrap();
    let after = Service::read(&case.key(), None, &case.manifest, &[]);
    let made = predict(&mut state, None, Some(&after)).unwrap();
    insta::assert_snapshot!([words(&gone), words(&made)].join("\n\n"), @r"
    the connection of acme-pe to pls-orders is cut (CCM-FIP-GONE)
    pls-orders is deleted (CCM-FIP-GONE)
    the alias pls-orders.guid.eastus2.azure.privatelinkservice is lost for ever (CCM-FIP-GONE)
    the frontend at 10.224.0.10 goes (CCM-FIP-GONE)

    a frontend is made at 10.224.0.10 (CCM-FIP-NEW)
    443/TCP opens (CCM-RULE-ADDED)
    pls-orders is built (CCM-PLS-NEW)
    ");
}

#[test]
fn joining_and_leaving_a_shared_address_hurts_nobody() {
    let joins = Case::new().on("other").with("azure-load-balancer-ipv4", "10.224.0.10").says();
    let leaves = Case::shared().on("other").with("azure-load-balancer-ipv4", "10.224.0.20").says();
    insta::assert_snapshot!([joins, leaves].join("\n\n"), @r"
    the frontend at 10.224.0.20 goes (CCM-FIP-ADDRESS)
    it shares 10.224.0.10 with shop/orders (CCM-SHARE-JOIN)

    a frontend is made at 10.224.0.20 (CCM-FIP-NEW)
    it leaves 10.224.0.10 to shop/orders (CCM-SHARE-LEAVE)
    ");
}

#[test]
fn what_was_not_read_is_not_guessed() {
    let mut case = Case::new().with("azure-load-balancer-ipv4", "10.224.0.11");
    case.observed.subnets.clear();
    let area = Area::Networks(SUBSCRIPTION.parse().unwrap());
    case.observed.gaps.insert(Gap { area, reason: "403".to_owned() });
    insta::assert_snapshot!(case.says(), @"not known: whether 10.224.0.11 is free: the virtual network of the cluster could not be read");
}
