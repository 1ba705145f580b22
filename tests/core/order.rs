//! What waits for what.

use crate::support::case::Case;
use crate::support::case::endpoint;
use crate::support::converge::carry_out;
use crate::support::converge::converge;
use crate::support::say::blockers;
use crate::support::say::change;
use crate::support::say::comes_after;
use crate::support::say::plan_of;
use crate::support::say::steps;

#[test]
fn a_service_that_takes_over_an_address_waits_until_it_is_free() {
    let legacy = "  loadBalancerIP: 10.224.0.25\n  ports:";
    for (name, edit) in [
        ("annotation", ("azure-load-balancer-ipv4: 10.224.0.25", "azure-load-balancer-ipv4: 10.224.0.25")),
        ("spec", ("    service.beta.kubernetes.io/azure-load-balancer-ipv4: 10.224.0.25\n", "")),
    ] {
        let world = converge(&Case::shop().resolve());
        let case = Case::shop()
            .edit("orders", edit.0, edit.1)
            .edit("orders", "  name: orders\n", "  name: orders2\n")
            .edit("orders", "name: orders }\n  vis", "name: orders2 }\n  vis");
        let case = if name == "spec" { case.edit("orders", "  ports:", legacy) } else { case };
        let plan = plan_of(&case.resolve(), &world);
        assert_eq!(blockers(&plan), Vec::<String>::new());
        assert!(comes_after(&plan, "service/shop/orders2", "service/shop/orders"), "{name}: {:?}", steps(&plan));
    }
}

#[test]
fn a_service_that_takes_an_address_from_one_that_moves_waits_too() {
    let pinned = |orders: &str, web: &str| {
        let web = format!("    service.beta.kubernetes.io/azure-load-balancer-ipv4: {web}\n");
        Case::shop()
            .edit("orders", "10.224.0.25", orders)
            .edit("web", "    service.beta.kubernetes.io/azure-load-balancer-internal-subnet: apps-subnet\n", &web)
            .resolve()
    };
    let world = converge(&pinned("10.224.0.25", "10.224.0.30"));
    let plan = plan_of(&pinned("10.224.0.26", "10.224.0.25"), &world);
    assert!(comes_after(&plan, "service/default/web", "service/shop/orders"));
    // Two that swap wait for each other: nobody can do that in one go.
    let plan = plan_of(&pinned("10.224.0.30", "10.224.0.25"), &world);
    assert_eq!(blockers(&plan).len(), 1);
    assert!(blockers(&plan)[0].ends_with("wait for each other"), "{:?}", blockers(&plan));
    assert!(plan.blockers[0].help.contains("two commits"));
}

#[test]
fn an_endpoint_that_takes_over_a_static_address_waits() {
    let mut world = converge(&Case::shop().resolve());
    let case = Case::shop().edit("endpoints", "name: payments-pe }", "name: payments-two }");
    let plan = plan_of(&case.resolve(), &world);
    assert!(comes_after(&plan, "privateendpoint/payments-two", "privateendpoint/payments-pe"));
    assert!(carry_out(&plan, &mut world).is_empty());
    assert_eq!(steps(&plan_of(&case.resolve(), &world)), Vec::<String>::new());
}

#[test]
fn a_new_endpoint_waits_for_a_change_of_the_service_it_reaches() {
    let mut world = converge(&Case::shop().resolve());
    for name in ["orders-pe", "payments-pe"] {
        world.remove_endpoint(&endpoint(name));
    }
    let case = Case::shop().edit("orders", "port: 80,", "port: 81,").edit("payments", "port: 443", "port: 444");
    let plan = plan_of(&case.resolve(), &world);
    assert!(comes_after(&plan, "privateendpoint/orders-pe", "service/shop/orders"));
    assert!(comes_after(&plan, "privateendpoint/payments-pe", "service/shop/payments"));
}

#[test]
fn an_endpoint_that_leaves_a_deleted_service_expects_to_be_cut() {
    let mut world = converge(&Case::shop().resolve());
    let case = Case::shop()
        .without("orders")
        .edit("endpoints", "target: { privateLinkService: orders }", "target: { privateLinkService: payments }")
        .edit("endpoints", "request: manual, message: \"please\"", "request: automatic");
    let plan = plan_of(&case.resolve(), &world);
    assert_eq!(blockers(&plan), Vec::<String>::new());
    assert!(comes_after(&plan, "privateendpoint/orders-pe", "service/shop/orders"), "{:?}", steps(&plan));
    assert!(change(&plan, "privateendpoint/orders-pe").reads.connections.is_empty());
    assert!(comes_after(&plan, "dnsrecord/api.orders.internal", "privateendpoint/orders-pe"));
    assert!(carry_out(&plan, &mut world).is_empty());
    assert_eq!(steps(&plan_of(&case.resolve(), &world)), Vec::<String>::new());
}

#[test]
fn a_replaced_endpoint_re_points_its_record_after_it() {
    let world = converge(&Case::shop().resolve());
    let plan = plan_of(&Case::shop().edit("endpoints", "name: pe-subnet }", "name: other }").resolve(), &world);
    assert_eq!(
        steps(&plan),
        [
            "replace privateendpoint/orders-pe (severing)",
            "update connection/orders-pe -> shop/orders (notable)",
            "update dnsrecord/api.orders.internal (disruptive)",
        ]
    );
    assert!(comes_after(&plan, "dnsrecord/api.orders.internal", "connection/orders-pe -> shop/orders"));
}

#[test]
fn neighbours_do_not_wait_for_each_other() {
    let world = converge(&Case::shop().resolve());
    let case = Case::shop().edit("web", "port: 80", "port: 81").edit("payments", "port: 443", "port: 444");
    let plan = plan_of(&case.resolve(), &world);
    assert!(plan.steps.iter().all(|step| step.after.is_empty()), "{:?}", steps(&plan));
}
