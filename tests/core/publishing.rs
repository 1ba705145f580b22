//! Publishing a Service and taking it back, and what that does to those who are connected.

use privlink::domain::resource::connection::ConnectionStatus;
use privlink::plan::Plan;
use privlink::plan::action::Action;
use privlink::plan::risk::NOT_ANALYSED;
use privlink::plan::risk::Risk;

use crate::support::case::CONSUMER;
use crate::support::case::Case;
use crate::support::case::STRANGER;
use crate::support::case::network;
use crate::support::converge::carry_out;
use crate::support::converge::converge;
use crate::support::say::blockers;
use crate::support::say::change;
use crate::support::say::comes_after;
use crate::support::say::fields;
use crate::support::say::notes;
use crate::support::say::plan_of;
use crate::support::say::steps;
use crate::support::world::World;

const PLS_CREATE: &str = "service.beta.kubernetes.io/azure-pls-create";

/// The shop with a Service that publishes itself by annotations.
fn annotated(value: &str) -> Case {
    let text = Case::shop().files["web.yaml"]
        .replace("  annotations:\n", &format!("  annotations:\n    {PLS_CREATE}: {value:?}\n"));
    Case::shop().with("web", &text)
}

fn assert_severing(plan: &Plan, key: &str, (rule, parties): (&str, &[&str])) {
    let change = change(plan, key);
    assert_eq!((change.risk, change.consequences.len()), (Risk::Severing, 1), "{key}");
    let consequence = &change.consequences[0];
    assert_eq!(consequence.rule, rule);
    let named: Vec<&str> = consequence.parties.iter().map(|party| party.endpoint.name()).collect();
    assert_eq!(named, parties, "{key}");
}

#[test]
fn what_ends_a_private_link_service_is_severing_and_names_the_parties() {
    let world = converge(&Case::shop().resolve());
    let plan = plan_of(&Case::shop().edit("orders", "10.224.0.25", "10.224.0.26").resolve(), &world);
    assert_severing(&plan, "service/shop/orders", ("CCM-FIP-ADDRESS", &["orders-pe"]));
    let party = change(&plan, "service/shop/orders").consequences[0].parties.first().unwrap().clone();
    let consumer = party.consumer.unwrap();
    assert_eq!((consumer.name.as_str(), consumer.contact.as_deref()), ("ACME trading", Some("net@acme.example")));
    assert_eq!(party.status, "Approved");
    let plan = plan_of(&Case::shop().without("orders").drop_document("endpoints", 0).resolve(), &world);
    assert_severing(&plan, "service/shop/orders", ("CCM-FIP-GONE", &["orders-pe"]));
}

#[test]
fn what_leaves_every_connection_alone_is_not_severing() {
    let world = converge(&Case::shop().resolve());
    let rated = |file: &str, key: &str, (from, to): (&str, &str)| {
        let plan = plan_of(&Case::shop().edit(file, from, to).resolve(), &world);
        assert_eq!(blockers(&plan), Vec::<String>::new());
        change(&plan, key).risk
    };
    let orders = |edit| rated("orders", "service/shop/orders", edit);
    assert_eq!(orders(("  name: orders\n", "  name: orders\n  labels: { a: b }\n")), Risk::Safe);
    assert_eq!(orders(("port: 80,", "port: 81,")), Risk::Disruptive);
    let more = "  - { name: http, port: 80, targetPort: 8080 }\n  - { name: more, port: 81, targetPort: 8081 }\n";
    assert_eq!(orders(("  - { name: http, port: 80, targetPort: 8080 }\n", more)), Risk::Notable);
    assert_eq!(
        orders(("azure-load-balancer-ipv4: 10.224.0.25", "azure-load-balancer-tcp-idle-timeout: \"4\"")),
        Risk::Notable
    );
    let payments = |key, edit| rated("payments", key, edit);
    assert_eq!(payments("service/shop/payments", ("port: 443", "port: 444")), Risk::Disruptive);
    assert_eq!(payments("privatelinkservice/pls-payments", ("count: 2", "count: 3")), Risk::Notable);
}

#[test]
fn a_service_under_a_private_link_service_of_ours_is_severing_too() {
    let world = converge(&Case::shop().resolve());
    let moved = "  annotations:\n    service.beta.kubernetes.io/azure-load-balancer-ipv4: 10.224.9.9\n";
    let plan = plan_of(&Case::shop().edit("payments", "  annotations:\n", moved).resolve(), &world);
    assert_severing(&plan, "service/shop/payments", ("CCM-PLS-MOVED", &["payments-pe"]));
}

#[test]
fn what_could_not_be_read_is_not_analysed_and_stays_severing() {
    let mut world = converge(&Case::shop().resolve());
    world.observed.subnets.clear();
    let area = privlink::observed::Area::Networks(crate::support::case::PROVIDER.parse().unwrap());
    world.observed.gaps.insert(privlink::observed::Gap { area, reason: "403".to_owned() });
    let plan = plan_of(&Case::shop().edit("orders", "10.224.0.25", "10.224.0.26").resolve(), &world);
    assert_severing(&plan, "service/shop/orders", (NOT_ANALYSED, &["orders-pe"]));
    assert!(change(&plan, "service/shop/orders").consequences[0].text.contains("could not be read"));
}

#[test]
fn a_private_link_service_of_the_cluster_changes_with_its_service() {
    let world = converge(&Case::shop().resolve());
    let case = Case::shop().edit(
        "orders",
        "mode: subscriptions, subscriptions: [\"00000000-0000-0000-0000-000000000002\"]",
        "mode: anyone-with-alias",
    );
    let plan = plan_of(&case.resolve(), &world);
    assert_eq!(
        steps(&plan),
        ["update service/shop/orders (exposing)", "update privatelinkservice/shop/orders (exposing)"]
    );
    assert_eq!(fields(change(&plan, "privatelinkservice/shop/orders")), ["visibility"]);
    assert_eq!(change(&plan, "privatelinkservice/shop/orders").consequences.len(), 0, "it changes in place");
}

#[test]
fn an_annotation_that_goes_takes_its_field_of_the_private_link_service_along() {
    let tuned = |lines: &str| {
        let text = annotated("true").files["web.yaml"].replace("  annotations:\n", &format!("  annotations:\n{lines}"));
        Case::shop().with("web", &text).resolve()
    };
    let fqdns = "    service.beta.kubernetes.io/azure-pls-fqdns: a.example b.example\n";
    let world = converge(&tuned(fqdns));
    assert_eq!(steps(&plan_of(&tuned(fqdns), &world)), Vec::<String>::new());
    let plan = plan_of(&tuned(""), &world);
    assert_eq!(fields(change(&plan, "privatelinkservice/default/web")), ["fqdns"]);
    let mut after = world.clone();
    assert!(carry_out(&plan, &mut after).is_empty());
    assert_eq!(steps(&plan_of(&tuned(""), &after)), Vec::<String>::new());
}

#[test]
fn a_private_link_service_that_differs_by_others_hands_is_left_alone_and_told() {
    let desired = Case::shop().resolve();
    let mut world = converge(&desired);
    world.link("shop/orders").service.exposure.proxy_protocol = true;
    let plan = plan_of(&desired, &world);
    assert_eq!(steps(&plan), Vec::<String>::new());
    let told = notes(&plan, "privatelinkservice/shop/orders");
    assert!(told[0].starts_with("left alone: proxyProtocol of pls-"), "{told:?}");
}

#[test]
fn a_service_that_is_no_load_balancer_changes_no_private_link_service() {
    let mut world = converge(&annotated("true").resolve());
    world.link("default/web").service.exposure.proxy_protocol = true;
    world.service("default/web").manifest["spec"]["type"] = "ClusterIP".into();
    let inside = annotated("true").edit("web", "type: LoadBalancer", "type: ClusterIP");
    let plan = plan_of(&inside.edit("web", "selector: { app: web }", "selector: { app: shop }").resolve(), &world);
    assert_eq!(steps(&plan), ["update service/default/web (notable)"]);
    let told = notes(&plan, "privatelinkservice/default/web");
    assert!(told[0].starts_with("left alone: proxyProtocol of pls-"), "{told:?}");
}

#[test]
fn fewer_nat_addresses_of_our_own_force_a_replacement_and_cut_every_connection_first() {
    let mut world = converge(&Case::shop().resolve());
    let guest = network(CONSUMER, "rg-guest", "privateEndpoints/guest");
    let id = network(crate::support::case::PROVIDER, "rg-pls", "privateLinkServices/pls-payments");
    world.connect(&id, &guest, ConnectionStatus::Approved);
    let desired = Case::shop().edit("payments", "count: 2", "count: 1").resolve();
    let plan = plan_of(&desired, &world);
    let replace = change(&plan, "privatelinkservice/pls-payments");
    assert_eq!((replace.action.to_string().as_str(), replace.risk), ("replace", Risk::Severing));
    assert_eq!(replace.forcing().map(|field| field.name.as_str()).collect::<Vec<_>>(), ["nat.count"]);
    assert_severing(&plan, "privatelinkservice/pls-payments", ("ARM-PLS-DELETED", &["payments-pe", "guest"]));
    let cut: Vec<_> = plan.steps.iter().filter(|step| step.change.key.kind() == "connection").collect();
    assert!(cut.iter().all(|step| step.change.existing.is_some()), "{:?}", steps(&plan));
    assert_eq!(cut.len(), 2);
    assert!(comes_after(&plan, "privateendpoint/payments-pe", "privatelinkservice/pls-payments"));
    // Its own connection ends before its turn comes: it must not take that for somebody else's doing.
    assert!(change(&plan, "privateendpoint/payments-pe").reads.connections.is_empty());
    assert!(carry_out(&plan, &mut world).is_empty());
    assert_eq!(steps(&plan_of(&desired, &world)), Vec::<String>::new());
}

#[test]
fn a_publication_taken_back_drops_annotations_then_connections_then_the_service() {
    let mut world = converge(&Case::shop().resolve());
    let desired = Case::shop().drop_document("orders", 1).drop_document("endpoints", 0).resolve();
    let plan = plan_of(&desired, &world);
    assert_eq!(
        steps(&plan),
        [
            "update service/shop/orders (notable)",
            "delete dnsrecord/api.orders.internal (severing)",
            "delete privateendpoint/orders-pe (severing)",
            "delete connection/orders-pe -> shop/orders (severing)",
            "delete privatelinkservice/shop/orders (severing)",
            "delete dnslink/orders.internal/privlink-consumer-vnet (severing)",
        ]
    );
    for (later, earlier) in [
        ("connection/orders-pe -> shop/orders", "service/shop/orders"),
        ("connection/orders-pe -> shop/orders", "privateendpoint/orders-pe"),
        ("privatelinkservice/shop/orders", "connection/orders-pe -> shop/orders"),
    ] {
        assert!(comes_after(&plan, later, earlier), "{later} after {earlier}");
    }
    assert!(carry_out(&plan, &mut world).is_empty());
    assert_eq!(steps(&plan_of(&desired, &world)), Vec::<String>::new());
    assert!(
        world
            .observed
            .publisher(&privlink::domain::key::PublisherKey::Cluster("shop/orders".parse().unwrap()))
            .is_none()
    );
}

#[test]
fn without_prune_a_publication_taken_back_goes_on_serving_and_every_plan_says_so() {
    let mut world = converge(&Case::shop().resolve());
    let desired = Case::shop().keeping().drop_document("orders", 1).drop_document("endpoints", 0).resolve();
    let plan = plan_of(&desired, &world);
    assert_eq!(steps(&plan), ["update service/shop/orders (notable)"]);
    assert!(carry_out(&plan, &mut world).is_empty());
    let plan = plan_of(&desired, &world);
    assert_eq!(steps(&plan), Vec::<String>::new());
    let told = notes(&plan, "privatelinkservice/shop/orders");
    assert!(told[0].starts_with("still published, 1 consumer: pls-"), "{told:?}");
}

#[test]
fn pls_create_false_unpublishes_what_is_ours() {
    let mut world = converge(&annotated("true").resolve());
    let desired = annotated("false").resolve();
    let plan = plan_of(&desired, &world);
    assert_eq!(
        steps(&plan),
        ["update service/default/web (notable)", "delete privatelinkservice/default/web (severing)"]
    );
    assert!(carry_out(&plan, &mut world).is_empty());
    assert_eq!(steps(&plan_of(&desired, &world)), Vec::<String>::new());
}

#[test]
fn a_publication_that_others_ask_for_is_not_taken_back() {
    let desired = Case::shop().resolve();
    let mut world = converge(&annotated("true").resolve());
    let live = world.service("default/web");
    let name = format!("metadata.annotations[{PLS_CREATE}]");
    live.owned.remove(&name);
    live.managers.insert(name, "kubectl-annotate".to_owned());
    let plan = plan_of(&desired, &world);
    assert_eq!(steps(&plan), Vec::<String>::new());
    let told = notes(&plan, "privatelinkservice/default/web");
    assert!(told.len() == 1 && told[0].contains("kubectl-annotate"), "{told:?}");
}

/// Lets a Service of somebody else publish through the address of `shop/orders`.
fn share(world: &mut World, key: &str) {
    let key = key.parse().unwrap();
    world.deploy_foreign(&key);
    let addresses = world.service("shop/orders").addresses.clone();
    let live = world.observed.services.get_mut(&key).unwrap();
    live.manifest["metadata"]["annotations"][PLS_CREATE] = "true".into();
    live.addresses = addresses;
}

#[test]
fn a_sharer_keeps_the_private_link_service() {
    let mut world = converge(&Case::shop().resolve());
    share(&mut world, "other/sharer");
    let desired = Case::shop().drop_document("orders", 1).drop_document("endpoints", 0).resolve();
    let plan = plan_of(&desired, &world);
    assert!(!steps(&plan).iter().any(|line| line.starts_with("delete privatelinkservice")), "{:?}", steps(&plan));
    assert_eq!(
        notes(&plan, "privatelinkservice/shop/orders"),
        ["still published: other/sharer publish through the same address"]
    );
}

#[test]
fn sharers_that_go_in_the_same_plan_do_not_keep_it() {
    let pin = "    service.beta.kubernetes.io/azure-load-balancer-ipv4: 10.224.0.40\n";
    let pinned = |name: &str| {
        let text = annotated("true").files["web.yaml"].replace("  annotations:\n", &format!("  annotations:\n{pin}"));
        let text =
            text.replace("    service.beta.kubernetes.io/azure-load-balancer-internal-subnet: apps-subnet\n", "");
        text.replace("name: web", &format!("name: {name}")).replace("app: web", &format!("app: {name}"))
    };
    let both = Case::empty().with("a", &pinned("a")).with("b", &pinned("b").replace("port: 80", "port: 81"));
    let mut world = converge(&both.resolve());
    assert_eq!(world.observed.private_link_services.len(), 1);
    let neither = both.edit("a", "azure-pls-create: \"true\"", "azure-pls-create: \"false\"").without("b").resolve();
    // Whose tag is on it owns it: the last one that was built for.
    world.link("default/a").service.tags.insert("k8s-azure-owner-service".to_owned(), "default/a".to_owned());
    let plan = plan_of(&neither, &world);
    assert!(
        steps(&plan).contains(&"delete privatelinkservice/default/a (severing)".to_owned()),
        "{:?} {:?}",
        steps(&plan),
        plan.notes
    );
}

#[test]
fn a_private_link_service_whose_tag_names_another_service_is_not_deleted() {
    let mut world = converge(&Case::shop().resolve());
    let tags = &mut world.link("shop/orders").service.tags;
    tags.insert("k8s-azure-owner-service".to_owned(), "other/owner".to_owned());
    let desired = Case::shop().drop_document("orders", 1).drop_document("endpoints", 0).resolve();
    let plan = plan_of(&desired, &world);
    assert!(!steps(&plan).iter().any(|line| line.contains("privatelinkservice")), "{:?}", steps(&plan));
}

#[test]
fn a_service_of_others_gets_back_what_we_put_on_it() {
    let case = Case::shop().without("billing").drop_document("endpoints", 2);
    let mut world = converge(&Case::shop().resolve());
    let plan = plan_of(&case.resolve(), &world);
    assert_eq!(
        steps(&plan),
        [
            "update service/legacy/billing (notable)",
            "delete privateendpoint/billing-pe (severing)",
            "delete connection/billing-pe -> legacy/billing (severing)",
            "delete privatelinkservice/legacy/billing (severing)",
        ]
    );
    assert!(carry_out(&plan, &mut world).is_empty());
    assert_eq!(steps(&plan_of(&case.resolve(), &world)), Vec::<String>::new());
    let annotations = world.service("legacy/billing").annotations();
    assert_eq!(
        annotations.into_keys().collect::<Vec<_>>(),
        ["service.beta.kubernetes.io/azure-load-balancer-internal"]
    );
}

#[test]
fn an_endpoint_of_what_is_taken_back_waits_instead_of_reaching_nothing() {
    let mut world = converge(&Case::shop().resolve());
    let desired = Case::shop().without("billing").resolve();
    let plan = plan_of(&desired, &world);
    assert!(!steps(&plan).iter().any(|line| line.contains("privateendpoint")), "{:?}", steps(&plan));
    assert!(carry_out(&plan, &mut world).is_empty());
    let plan = plan_of(&desired, &world);
    assert_eq!(steps(&plan), Vec::<String>::new());
    assert_eq!(
        notes(&plan, "privateendpoint/billing-pe"),
        ["left alone: waits for the id of privatelinkservice/legacy/billing"]
    );
}

#[test]
fn who_builds_a_private_link_service_can_change_and_one_frontend_never_carries_two() {
    let by_cluster = "service: { namespace: shop, name: orders }\n";
    let by_us = format!("{by_cluster}  managedBy: privlink\n  resourceGroup: rg-pls\n");
    for (before, after) in [(by_cluster, by_us.as_str()), (by_us.as_str(), by_cluster)] {
        let case = |text: &str| Case::shop().edit("orders", by_cluster, text).resolve();
        let mut world = converge(&case(before));
        let plan = plan_of(&case(after), &world);
        assert_eq!(blockers(&plan), Vec::<String>::new());
        assert!(carry_out(&plan, &mut world).is_empty());
        let rest = plan_of(&case(after), &world);
        assert_eq!(steps(&rest), Vec::<String>::new(), "after {:?}", steps(&plan));
        let deletes: Vec<_> = steps(&plan).into_iter().filter(|line| line.starts_with("delete privatelink")).collect();
        assert_eq!(deletes.len(), 1);
    }
}

#[test]
fn a_frontend_that_moves_makes_room_for_one_of_ours_without_prune() {
    let by_us = "  service: { namespace: shop, name: orders }\n  managedBy: privlink\n  resourceGroup: rg-pls\n";
    let taken = Case::shop().keeping().edit("orders", "  service: { namespace: shop, name: orders }\n", by_us);
    let mut world = converge(&Case::shop().keeping().resolve());
    let stays = plan_of(&taken.resolve(), &world);
    assert!(blockers(&stays).iter().any(|text| text.contains("a frontend carries one")), "{:?}", blockers(&stays));
    let desired = taken.edit("orders", "10.224.0.25", "10.224.0.26").resolve();
    let plan = plan_of(&desired, &world);
    assert_eq!(blockers(&plan), Vec::<String>::new());
    assert!(comes_after(&plan, "privatelinkservice/pls-orders", "service/shop/orders"));
    assert_severing(&plan, "service/shop/orders", ("CCM-FIP-ADDRESS", &["orders-pe"]));
    assert!(carry_out(&plan, &mut world).is_empty());
    assert_eq!(steps(&plan_of(&desired, &world)), Vec::<String>::new());
}

/// The shop, with somebody who sends the cloud provider to the group of ours.
fn searched() -> World {
    let mut world = converge(&Case::shop().resolve());
    let group = "service.beta.kubernetes.io/azure-pls-resource-group";
    world.service("shop/payments").manifest["metadata"]["annotations"][group] = "rg-pls".into();
    world
}

#[test]
fn one_of_ours_that_the_cloud_provider_deletes_is_put_again_and_asks_for_no_deletion_of_its_own() {
    let mut world = searched();
    let moved = "  annotations:\n    service.beta.kubernetes.io/azure-load-balancer-internal-subnet: apps-subnet\n";
    let desired = Case::shop().edit("payments", "  annotations:\n", moved).resolve();
    let plan = plan_of(&desired, &world);
    assert_eq!(
        steps(&plan),
        [
            "update service/shop/payments (severing)",
            "replace privatelinkservice/pls-payments (severing)",
            "replace privateendpoint/payments-pe (severing)",
        ]
    );
    let again = change(&plan, "privatelinkservice/pls-payments");
    assert_eq!(fields(again), ["frontend", "alias"]);
    assert_eq!(again.removed_by.as_ref().map(ToString::to_string).as_deref(), Some("service/shop/payments"));
    assert!(again.consequences.is_empty(), "its end is told at the Service");
    assert!(comes_after(&plan, "privatelinkservice/pls-payments", "service/shop/payments"));
    assert!(comes_after(&plan, "privateendpoint/payments-pe", "privatelinkservice/pls-payments"));
    assert!(carry_out(&plan, &mut world).is_empty());
    assert_eq!(steps(&plan_of(&desired, &world)), Vec::<String>::new());
}

#[test]
fn one_of_ours_whose_document_goes_is_not_put_again() {
    let world = searched();
    let moved = "  annotations:\n    service.beta.kubernetes.io/azure-load-balancer-ipv4: 10.224.9.9\n";
    let case = Case::shop().edit("payments", "  annotations:\n", moved).drop_document("payments", 1);
    let plan = plan_of(&case.drop_document("endpoints", 1).resolve(), &world);
    let last = steps(&plan).into_iter().rfind(|line| line.contains("pls-payments"));
    assert_eq!(last.as_deref(), Some("delete privatelinkservice/pls-payments (severing)"));
}

#[test]
fn one_more_consumer_of_a_severed_service_changes_the_plan_and_a_disconnected_one_is_no_party() {
    let mut world = converge(&Case::shop().resolve());
    let desired = Case::shop().edit("orders", "10.224.0.25", "10.224.0.26").resolve();
    let first = plan_of(&desired, &world);
    let link = world.link("shop/orders").service.id.clone();
    world.connect(&link, &network(STRANGER, "rg-s", "privateEndpoints/new"), ConnectionStatus::Approved);
    let second = plan_of(&desired, &world);
    assert_ne!(first.id, second.id);
    assert_severing(&second, "service/shop/orders", ("CCM-FIP-ADDRESS", &["orders-pe", "new"]));
    world.connect(&link, &network(STRANGER, "rg-s", "privateEndpoints/new"), ConnectionStatus::Disconnected);
    assert_severing(&plan_of(&desired, &world), "service/shop/orders", ("CCM-FIP-ADDRESS", &["orders-pe"]));
}

#[test]
fn a_private_link_service_left_by_a_service_that_is_gone_is_not_taken_for_the_new_one() {
    let case = Case::shop();
    let mut world = converge(&case.resolve());
    world.observed.services.remove(&"shop/orders".parse().unwrap());
    let plan = plan_of(&case.edit("orders", "10.224.0.25", "10.224.0.26").resolve(), &world);
    assert_eq!(blockers(&plan), Vec::<String>::new());
    let built = change(&plan, "privatelinkservice/shop/orders");
    assert_eq!((built.action, built.risk), (Action::Create, Risk::Safe));
    let left = notes(&plan, "privatelinkservice/shop/orders");
    assert_eq!(left.len(), 1, "{left:?}");
    assert!(left[0].contains("is left from a Service of this name that is gone"), "{left:?}");
}
