//! The Private Link Service: its name, its group, its NAT addresses, who is let in, whose it is.

use super::*;

#[test]
fn dif007_switching_the_link_off_changes_nothing() {
    let off = Case::new().with("azure-pls-create", "false").says();
    let gone = Case::new().without("azure-pls-create").says();
    insta::assert_snapshot!([off, gone].join("\n\n"), @r"
    nothing happens (CCM-PLS-STAYS)

    nothing happens (CCM-PLS-STAYS)
    ");
}

#[test]
fn dif008_and_009_a_name_is_for_ever_and_not_needed_any_more() {
    let renamed = Case::new().with("azure-pls-name", "pls-new").says();
    let dropped = Case::new().without("azure-pls-name").says();
    assert_eq!(dropped, "nothing happens (CCM-PLS-NAME-KEPT)");
    insta::assert_snapshot!(renamed, @"FAILS at the Private Link Service, after the load balancer is done: pls-orders cannot be renamed to pls-new [cannot change existing private link service name] (CCM-PLS-NAME)");
}

#[test]
fn dif010_another_resource_group_makes_a_second_one() {
    let moved = Case::new().with("azure-pls-resource-group", "rg-pls").says();
    let both = Case::new().with("azure-pls-resource-group", "rg-pls").with("azure-load-balancer-ipv4", "10.224.0.11");
    insta::assert_snapshot!([moved, both.says()].join("\n\n"), @"
    FAILS at the Private Link Service, after the load balancer is done: /subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/MC/providers/Microsoft.Network/privateLinkServices/pls-orders stands on the frontend, and the Service looks for it in rg-pls [] (CCM-PLS-GROUP)

    the frontend moves from 10.224.0.10 to 10.224.0.11 (CCM-FIP-ADDRESS)
    pls-orders stands on the frontend that moves: it is not proven that its connections survive (CCM-PLS-MOVED)
    FAILS at the Private Link Service, after the load balancer is done: /subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/MC/providers/Microsoft.Network/privateLinkServices/pls-orders stands on the frontend, and the Service looks for it in rg-pls [] (CCM-PLS-GROUP)
    ");
}

#[test]
fn dif011_nat_addresses_are_added_or_replaced_in_place() {
    let added = Case::new().with("azure-pls-ip-configuration-ip-address-count", "2").says();
    let moved = Case::new().with("azure-pls-ip-configuration-subnet", "apps").says();
    let fixed = Case::new().with("azure-pls-ip-configuration-ip-address", "10.224.0.40").says();
    let taken = Case::new().with("azure-pls-ip-configuration-ip-address", "10.224.0.20").says();
    let many = Case::new().with("azure-pls-ip-configuration-ip-address-count", "9").says();
    let mut held = Case::new().with("azure-pls-ip-configuration-ip-address", "10.224.0.40");
    let holder = held.live_link().service.id.clone();
    let address = "10.224.0.40".parse().unwrap();
    held.observed.held.insert(HeldAddress { subnet: subnet("nodes"), address, holder });
    insta::assert_snapshot!([added, moved, fixed, held.says(), taken, many].join("\n\n"), @r#"
    pls-orders gets more NAT addresses (CCM-PLS-NAT-ADD)

    the policy for Private Link Services of apps is switched off, for good (CCM-PLS-POLICY)
    the NAT addresses of pls-orders are written anew: connections through one that goes break (CCM-PLS-NAT)

    the NAT addresses of pls-orders are written anew: connections through one that goes break (CCM-PLS-NAT)

    allocation of NAT addresses of pls-orders change in place (CCM-PLS-TUNE)

    FAILS at the Private Link Service, after the load balancer is done: the NAT address 10.224.0.20 is taken by shop/other [PrivateIPAddressIsAllocated] (CCM-IP-TAKEN)

    FAILS at the Private Link Service, after the load balancer is done: service.beta.kubernetes.io/azure-pls-ip-configuration-ip-address-count is "9": write a whole number from 1 to 8 [] (CCM-PLS-REFUSED)
    "#);
}

#[test]
fn nat_addresses_of_an_earlier_edit_are_no_longer_free() {
    let small = || {
        let mut case = Case::new();
        case.observed.subnets.get_mut(&subnet("apps")).unwrap().prefixes = vec!["10.225.0.0/29".parse().unwrap()];
        case
    };
    let draws = |case: Case, count: &str| {
        case.with("azure-pls-create", "true")
            .with("azure-pls-ip-configuration-subnet", "apps")
            .with("azure-pls-ip-configuration-ip-address-count", count)
    };
    let pins = |case: Case| draws(case, "1").with("azure-pls-ip-configuration-ip-address", "10.225.0.5");
    let other = || small().on("other");
    let fits = draws(small(), "2").then(&draws(other(), "1"));
    let full = draws(small(), "2").then(&draws(other(), "2"));
    let taken = pins(small()).then(&pins(other()));
    insta::assert_snapshot!([fits, full, taken].join("\n\n"), @"
    pls-a2000000000004000800000000000000 is built (CCM-PLS-NEW)

    FAILS at the Private Link Service, after the load balancer is done: the subnet apps has room for 3 more, and 4 are asked for, 2 of them before this [SubnetIsFull] (CCM-IP-FULL)

    FAILS at the Private Link Service, after the load balancer is done: the NAT address 10.225.0.5 is taken by privatelinkservices/pls-orders in MC [PrivateIPAddressIsAllocated] (CCM-IP-TAKEN)
    ");
}

#[test]
fn dif012_and_013_proxy_protocol_and_visibility_change_in_place() {
    let proxy = Case::new().with("azure-pls-proxy-protocol", "true").says();
    let seen = Case::new().with("azure-pls-visibility", "*").with("azure-pls-fqdns", "a.example b.example").says();
    insta::assert_snapshot!([proxy, seen].join("\n\n"), @r"
    pls-orders begins to send PROXY protocol headers: backends and probes must follow (CCM-PLS-PROXY)

    fqdns, visibility of pls-orders change in place (CCM-PLS-TUNE)
    ");
}

#[test]
fn everybody_may_be_let_in_where_everybody_sees_the_service_and_nowhere_else() {
    let visible = "azure-pls-visibility";
    let open = Case::new().with("azure-pls-auto-approval", "*");
    insta::assert_snapshot!(
        format!("{}\n{}", Case::new().with(visible, "*").with("azure-pls-auto-approval", "*").says(), open.says()), @"
    visibility, auto-approval of pls-orders change in place (CCM-PLS-TUNE)
    FAILS at the Private Link Service, after the load balancer is done: everybody is approved without asking and cannot see the service [] (CCM-PLS-APPROVAL)
    "
    );
}

#[test]
fn dif014_a_sharer_must_not_tune() {
    let shares = Case::shared().on("other").with("azure-pls-create", "true");
    let tunes = Case::shared().on("other").with("azure-pls-create", "true").with("azure-pls-visibility", "");
    insta::assert_snapshot!([shares.says(), tunes.says()].join("\n\n"), @r"
    nothing happens (CCM-PLS-SHARED)

    FAILS at the Private Link Service, after the load balancer is done: service.beta.kubernetes.io/azure-pls-visibility tunes pls-orders, which belongs to the Service shop/orders [already has existing private link service] (CCM-PLS-OWNER)
    ");
}

#[test]
fn a_name_that_another_service_has_is_taken_over() {
    let case = Case::new().on("other").with("azure-pls-create", "true").with("azure-pls-name", "PLS-orders");
    let after = case.read(&case.manifest);
    let before = case.read(&case.live().manifest);
    let mut newer = State::of(&case.observed, Behaviour { refuses_taken_names: true }).unwrap();
    let refused = predict(&mut newer, Some(&before), Some(&after)).unwrap();
    assert_eq!(refused.failure.unwrap().rule, &rule::LINK_NAME_TAKEN);
    insta::assert_snapshot!(case.says(), @"pls-orders is taken from shop/orders: its consumers reach this Service instead (CCM-PLS-TAKEN)");
}

#[test]
fn the_ninth_link_and_a_foreign_one_are_refused() {
    let publishes = |case: Case| case.on("other").with("azure-pls-create", "true");
    let mut case = Case::new();
    for number in 0..7 {
        let link = link(&format!("pls-{number}"), "x/y", &format!("f{number}"));
        case.observed.private_link_services.insert(link.service.id.clone(), link);
    }
    let ninth = publishes(case).says();
    let mut case = Case::new();
    case.live_link().service.tags.clear();
    let foreign = case.with("azure-pls-fqdns", "a.example").says();
    insta::assert_snapshot!([ninth, foreign].join("\n\n"), @r"
    FAILS at the Private Link Service, after the load balancer is done: the load balancer carries 8 Private Link Services already [] (CCM-PLS-NINTH)

    FAILS at the Private Link Service, after the load balancer is done: /subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/MC/providers/Microsoft.Network/privateLinkServices/pls-orders stands on the frontend, and the cluster did not make it [already has unmanaged private link service] (CCM-PLS-UNMANAGED)
    ");
}

#[test]
fn a_link_in_another_group_is_not_seen_and_what_comes_of_it_is_not_proven() {
    let elsewhere = || {
        let mut case = Case::new();
        let mut link = case.live_link().clone();
        link.service.id = id("rg-pls", "privateLinkServices/pls-orders");
        link.service.tags.clear();
        case.observed.private_link_services = BTreeMap::from([(link.service.id.clone(), link)]);
        case.without("azure-pls-create")
    };
    let moved = elsewhere().with("azure-load-balancer-ipv4", "10.224.0.11").says();
    let renamed = elsewhere().with("azure-load-balancer-internal-subnet", "nodes").says();
    insta::assert_snapshot!([moved, renamed].join("\n\n"), @"
    the frontend moves from 10.224.0.10 to 10.224.0.11 (CCM-FIP-ADDRESS)
    pls-orders stands on the frontend that moves: it is not proven that its connections survive (CCM-PLS-MOVED)
    nothing happens (CCM-PLS-STAYS)

    FAILS when the load balancer is written: /subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-pls/providers/Microsoft.Network/privateLinkServices/pls-orders stands on the frontend that would go, and the Service looks for it in the resource group MC [InUseFrontendIPConfigurationCannotBeDeleted] (CCM-PLS-GROUP)
    ");
}
