//! Edits that move a frontend, or seem to: another address, another subnet, public or internal.

use super::*;

#[test]
fn dif001_another_pinned_address_destroys_and_rebuilds() {
    insta::assert_snapshot!(Case::new().with("azure-load-balancer-ipv4", "10.224.0.11").says(), @r"
    the connection of acme-pe to pls-orders is cut (CCM-FIP-ADDRESS)
    pls-orders is deleted (CCM-FIP-ADDRESS)
    the alias pls-orders.guid.eastus2.azure.privatelinkservice is lost for ever (CCM-FIP-ADDRESS)
    the frontend moves from 10.224.0.10 to 10.224.0.11 (CCM-FIP-ADDRESS)
    pls-orders is built anew, with another alias and without connections (CCM-FIP-ADDRESS)
    ");
}

#[test]
fn dif001_the_deprecated_field_does_the_same() {
    let case = Case::new().without("azure-load-balancer-ipv4").spec("loadBalancerIP", json!("10.224.0.11"));
    insta::assert_snapshot!(case.says(), @r"
    the connection of acme-pe to pls-orders is cut (CCM-FIP-ADDRESS)
    pls-orders is deleted (CCM-FIP-ADDRESS)
    the alias pls-orders.guid.eastus2.azure.privatelinkservice is lost for ever (CCM-FIP-ADDRESS)
    the frontend moves from 10.224.0.10 to 10.224.0.11 (CCM-FIP-ADDRESS)
    pls-orders is built anew, with another alias and without connections (CCM-FIP-ADDRESS)
    ");
}

#[test]
fn dif002_an_address_that_azure_refuses_destroys_first() {
    let mut case = Case::new();
    let holder = id("rg", "privateEndpoints/somebody");
    let held = HeldAddress { subnet: subnet("nodes"), address: "10.224.0.30".parse().unwrap(), holder };
    case.observed.held.insert(held);
    let mut said = Vec::new();
    for address in ["10.9.9.9", "10.224.0.3", "10.224.0.30", "10.224.0.300"] {
        let all =
            Case { observed: case.observed.clone(), ..Case::new() }.with("azure-load-balancer-ipv4", address).says();
        said.push(all);
    }
    insta::assert_snapshot!(said.join("\n\n"), @r#"
    the connection of acme-pe to pls-orders is cut (CCM-FIP-ADDRESS)
    pls-orders is deleted (CCM-FIP-ADDRESS)
    the alias pls-orders.guid.eastus2.azure.privatelinkservice is lost for ever (CCM-FIP-ADDRESS)
    FAILS when the load balancer is written: the address 10.9.9.9 is outside the subnet nodes (10.224.0.0/24) [PrivateIPAddressNotInSubnet] (CCM-IP-OUTSIDE)

    the connection of acme-pe to pls-orders is cut (CCM-FIP-ADDRESS)
    pls-orders is deleted (CCM-FIP-ADDRESS)
    the alias pls-orders.guid.eastus2.azure.privatelinkservice is lost for ever (CCM-FIP-ADDRESS)
    FAILS when the load balancer is written: Azure keeps 10.224.0.3 of the subnet nodes for itself [PrivateIPAddressInReservedRange] (CCM-IP-RESERVED)

    the connection of acme-pe to pls-orders is cut (CCM-FIP-ADDRESS)
    pls-orders is deleted (CCM-FIP-ADDRESS)
    the alias pls-orders.guid.eastus2.azure.privatelinkservice is lost for ever (CCM-FIP-ADDRESS)
    FAILS when the load balancer is written: the address 10.224.0.30 is taken by privateendpoints/somebody in rg [PrivateIPAddressIsAllocated] (CCM-IP-TAKEN)

    the connection of acme-pe to pls-orders is cut (CCM-FIP-ADDRESS)
    pls-orders is deleted (CCM-FIP-ADDRESS)
    the alias pls-orders.guid.eastus2.azure.privatelinkservice is lost for ever (CCM-FIP-ADDRESS)
    FAILS when the load balancer is written: the address "10.224.0.300" is no address [InvalidRequestFormat] (CCM-IP-SYNTAX)
    "#);
}

#[test]
fn a_full_subnet_is_found_out_after_the_deletion() {
    let mut case = Case::new();
    let apps = case.observed.subnets.get_mut(&subnet("apps")).unwrap();
    apps.prefixes = vec!["10.225.0.0/29".parse().unwrap()];
    for last in 4..7 {
        let holder = id("rg", &format!("networkInterfaces/n{last}"));
        let address = format!("10.225.0.{last}").parse().unwrap();
        case.observed.held.insert(HeldAddress { subnet: subnet("apps"), address, holder });
    }
    let nat = Case { observed: case.observed.clone(), ..Case::new() }.with("azure-pls-ip-configuration-subnet", "apps");
    let mut pinned = Case { observed: case.observed.clone(), ..Case::new() }
        .with("azure-pls-ip-configuration-subnet", "apps")
        .with("azure-pls-ip-configuration-ip-address-count", "2")
        .with("azure-pls-ip-configuration-ip-address", "10.225.0.6");
    // Room for one: the one that is pinned, and not for the second as well.
    pinned.observed.held.retain(|held| held.address.to_string() != "10.225.0.6");
    let moved = case.with("azure-load-balancer-internal-subnet", "apps").without("azure-load-balancer-ipv4").says();
    insta::assert_snapshot!([nat.says(), pinned.says(), moved].join("\n\n"), @"
    the policy for Private Link Services of apps is switched off, for good (CCM-PLS-POLICY)
    FAILS at the Private Link Service, after the load balancer is done: the subnet apps has room for 0 more, and 1 are asked for [SubnetIsFull] (CCM-IP-FULL)

    the policy for Private Link Services of apps is switched off, for good (CCM-PLS-POLICY)
    FAILS at the Private Link Service, after the load balancer is done: the subnet apps has room for 1 more, and 2 are asked for [SubnetIsFull] (CCM-IP-FULL)

    the connection of acme-pe to pls-orders is cut (CCM-FIP-SUBNET)
    pls-orders is deleted (CCM-FIP-SUBNET)
    the alias pls-orders.guid.eastus2.azure.privatelinkservice is lost for ever (CCM-FIP-SUBNET)
    FAILS when the load balancer is written: the subnet apps has room for 0 more, and 1 are asked for [SubnetIsFull] (CCM-IP-FULL)
    ");
}

#[test]
fn dif003_a_subnet_annotation_replaces_the_frontend_even_where_the_address_stays() {
    let same = Case::new().with("azure-load-balancer-internal-subnet", "nodes").says();
    let moved =
        Case::new().with("azure-load-balancer-internal-subnet", "apps").without("azure-load-balancer-ipv4").says();
    let both =
        Case::new().with("azure-load-balancer-internal-subnet", "apps").with("azure-load-balancer-ipv4", "10.225.0.9");
    let missing = Case::new().with("azure-load-balancer-internal-subnet", "nowhere").says();
    insta::assert_snapshot!([same, moved, both.says(), missing].join("\n\n"), @r"
    the connection of acme-pe to pls-orders is cut (CCM-FIP-SUBNET)
    pls-orders is deleted (CCM-FIP-SUBNET)
    the alias pls-orders.guid.eastus2.azure.privatelinkservice is lost for ever (CCM-FIP-SUBNET)
    the frontend is replaced and keeps 10.224.0.10 (CCM-FIP-SUBNET)
    pls-orders is built anew, with another alias and without connections (CCM-FIP-SUBNET)

    the connection of acme-pe to pls-orders is cut (CCM-FIP-SUBNET)
    pls-orders is deleted (CCM-FIP-SUBNET)
    the alias pls-orders.guid.eastus2.azure.privatelinkservice is lost for ever (CCM-FIP-SUBNET)
    the frontend at 10.224.0.10 is replaced by one at an address that Azure picks (CCM-FIP-SUBNET)
    the policy for Private Link Services of apps is switched off, for good (CCM-PLS-POLICY)
    pls-orders is built anew, with another alias and without connections (CCM-FIP-SUBNET)

    the connection of acme-pe to pls-orders is cut (CCM-FIP-SUBNET)
    pls-orders is deleted (CCM-FIP-SUBNET)
    the alias pls-orders.guid.eastus2.azure.privatelinkservice is lost for ever (CCM-FIP-SUBNET)
    the frontend at 10.224.0.10 is replaced by one at 10.225.0.9 (CCM-FIP-SUBNET)
    the policy for Private Link Services of apps is switched off, for good (CCM-PLS-POLICY)
    pls-orders is built anew, with another alias and without connections (CCM-FIP-SUBNET)

    FAILS before anything is written: the network v has no subnet nowhere [failed to get subnet] (CCM-FIP-NO-SUBNET)
    ");
}

#[test]
fn dif004_who_shares_the_address_moves_along_or_is_left_dangling() {
    let moved = Case::shared().with("azure-load-balancer-ipv4", "10.224.0.11").says();
    let renamed = Case::shared().with("azure-load-balancer-internal-subnet", "nodes").says();
    insta::assert_snapshot!([moved, renamed].join("\n\n"), @r"
    the connection of acme-pe to pls-orders is cut (CCM-FIP-ADDRESS)
    pls-orders is deleted (CCM-FIP-ADDRESS)
    the alias pls-orders.guid.eastus2.azure.privatelinkservice is lost for ever (CCM-FIP-ADDRESS)
    the frontend moves from 10.224.0.10 to 10.224.0.11 (CCM-FIP-ADDRESS)
    shop/other moves along to 10.224.0.11 without having asked (CCM-SHARE-MOVE)
    pls-orders is built anew, with another alias and without connections (CCM-FIP-ADDRESS)

    the connection of acme-pe to pls-orders is cut (CCM-FIP-SUBNET)
    pls-orders is deleted (CCM-FIP-SUBNET)
    the alias pls-orders.guid.eastus2.azure.privatelinkservice is lost for ever (CCM-FIP-SUBNET)
    FAILS when the load balancer is written: shop/other still uses the frontend that would go [InvalidResourceReference] (CCM-SHARE-DANGLE)
    ");
}

#[test]
fn dif005_internal_to_public_exposes_and_fails_where_a_link_is_still_asked_for() {
    let kept = Case::new().without("azure-load-balancer-ipv4").without("azure-load-balancer-internal").says();
    let dropped = Case::new()
        .without("azure-load-balancer-ipv4")
        .with("azure-load-balancer-internal", "True")
        .without("azure-pls-create")
        .says();
    let pinned = Case::new().without("azure-load-balancer-internal").says();
    insta::assert_snapshot!([kept, dropped, pinned].join("\n\n"), @r"
    the Service gets a public address: the internet reaches it (CCM-FIP-PUBLIC)
    FAILS at the Private Link Service, after the load balancer is done: a Private Link Service is asked for on a public Service [must be internal or disable floating ip] (CCM-PLS-PUBLIC)

    the Service gets a public address: the internet reaches it (CCM-FIP-PUBLIC)
    the connection of acme-pe to pls-orders is cut (CCM-FIP-PUBLIC)
    pls-orders is deleted (CCM-FIP-PUBLIC)
    the alias pls-orders.guid.eastus2.azure.privatelinkservice is lost for ever (CCM-FIP-PUBLIC)

    FAILS before anything is written: the private address 10.224.0.10 is pinned on a Service that would be public [cannot use non-public LoadBalancer IP] (CCM-FIP-PUBLIC-PIN)
    ");
}

#[test]
fn dif006_public_to_internal_releases_the_public_address() {
    let mut case = Case::new().on("other");
    case.observed.frontends.remove(&frontend_id(&base("other")));
    let public = id("MC", &format!("loadBalancers/kubernetes/frontendIPConfigurations/{}", base("other")));
    let rules = vec![BalancingRule {
        name: format!("{}-TCP-80", base("other")),
        protocol: "Tcp".to_owned(),
        port: 80,
        settings: None,
    }];
    let frontend = LoadBalancerFrontend { id: public.clone(), address: None, subnet: None, rules };
    case.observed.frontends.insert(public, frontend);
    let live = case.observed.services.get_mut(&"shop/other".parse().unwrap()).unwrap();
    live.manifest["metadata"]["annotations"] = json!({});
    insta::assert_snapshot!(case.says(), @r"
    a frontend is made at 10.224.0.20 (CCM-FIP-NEW)
    the public address is released (CCM-FIP-INTERNAL)
    ");
}

#[test]
fn dif022_a_pin_that_goes_changes_nothing() {
    insta::assert_snapshot!(Case::new().without("azure-load-balancer-ipv4").says(), @"nothing happens (CCM-FIP-UNPINNED)");
}

#[test]
fn free_addresses_are_looked_for_around_the_wanted_one() {
    let state = State::of(&Case::new().observed, Behaviour::default()).unwrap();
    let near = address::nearest_free(&state, &subnet("nodes"), "10.224.0.10".parse().unwrap(), 3);
    assert_eq!(near.iter().map(ToString::to_string).collect::<Vec<_>>(), ["10.224.0.11", "10.224.0.9", "10.224.0.12"]);
    let near = address::nearest_free(&state, &subnet("nodes"), "10.224.0.2".parse().unwrap(), 1);
    assert_eq!(near[0].to_string(), "10.224.0.4", "the first four are Azure's");
}
