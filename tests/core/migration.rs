//! A migration from an old Private Link Service to one beside it: who has moved, and what its end does to whom.

use std::collections::BTreeMap;

use privlink::desired::migrate::Wish;
use privlink::desired::migrate::migrate;
use privlink::domain::azure::ResourceId;
use privlink::domain::key::PublisherKey;
use privlink::domain::resource::connection::ConnectionStatus;
use privlink::plan::Plan;
use privlink::plan::moved::migration;
use privlink::render::status::Clock;
use privlink::render::status::status;
use privlink::render::terminal;
use privlink::repo::document::Document;
use privlink::status::Composition;
use privlink::status::compose;

use crate::support::case::CONSUMER;
use crate::support::case::Case;
use crate::support::case::PROVIDER;
use crate::support::case::STRANGER;
use crate::support::case::network;
use crate::support::converge::carry_out;
use crate::support::converge::converge;
use crate::support::say::change;
use crate::support::say::notes;
use crate::support::say::plan_of;
use crate::support::say::steps;
use crate::support::world::World;

const OLD: &str = "shop/orders";
const NEW: &str = "shop/orders-2";

/// The orders of the shop without a declared endpoint, and the same beside it under another name and address.
fn both() -> Case {
    let old = Case::shop().drop_document("endpoints", 0);
    let text = old.files["orders.yaml"].clone();
    let text = text.replace("name: orders", "name: orders-2").replace("10.224.0.25", "10.224.0.26");
    let text = text.replace(", addresses: [\"10.225.1.8\", \"10.225.1.9\"]", "");
    old.with("orders-2", &format!("{text}  replaces: orders\n"))
}

fn guest(subscription: &str, name: &str) -> ResourceId {
    network(subscription, "rg-guest", &format!("privateEndpoints/{name}"))
}

fn connect(world: &mut World, service: &str, endpoint: &ResourceId) {
    let link = world.link(service).service.id.clone();
    world.connect(&link, endpoint, ConnectionStatus::Approved);
}

/// Both serve, and two consumers are on the old one.
fn begun() -> World {
    let mut world = converge(&both().resolve());
    connect(&mut world, OLD, &guest(CONSUMER, "acme"));
    connect(&mut world, OLD, &guest(STRANGER, "partner"));
    world
}

fn retired() -> Case {
    both().without("orders")
}

fn told(case: &Case, world: &World) -> (String, Vec<String>) {
    let desired = case.resolve();
    let new = desired.replacements.keys().next().unwrap();
    let migration = migration(&desired, &world.observed, new).expect("the old one is there");
    let name = |id: &ResourceId| id.name().to_owned();
    let missing = migration.missing.iter().map(|it| it.endpoint.as_ref().map(name).unwrap()).collect();
    (migration.summary(), missing)
}

fn risk_of(world: &World, key: &str) -> String {
    change(&plan_of(&retired().resolve(), world), key).risk.to_string()
}

#[test]
fn the_second_one_comes_beside_the_first_and_cuts_nobody() {
    let mut world = converge(&Case::shop().drop_document("endpoints", 0).resolve());
    connect(&mut world, OLD, &guest(STRANGER, "partner"));
    let plan = plan_of(&both().resolve(), &world);
    assert_eq!(
        steps(&plan),
        ["create service/shop/orders-2 (notable)", "create privatelinkservice/shop/orders-2 (safe)"]
    );
    assert!(carry_out(&plan, &mut world).is_empty());
    assert_eq!(steps(&plan_of(&both().resolve(), &world)), Vec::<String>::new());
}

#[test]
fn retiring_the_old_one_is_severing_for_those_alone_who_have_not_moved() {
    let mut world = begun();
    assert_eq!(
        told(&both(), &world),
        ("0 of 2 consumers moved".to_owned(), vec!["acme".to_owned(), "partner".to_owned()])
    );
    connect(&mut world, NEW, &guest(CONSUMER, "acme-2"));
    assert_eq!(told(&both(), &world), ("1 of 2 consumers moved".to_owned(), vec!["partner".to_owned()]));
    // The old documents are gone: the old one is found by the pods behind it.
    assert_eq!(told(&retired(), &world), told(&both(), &world));
    let plan = plan_of(&retired().resolve(), &world);
    let gone = change(&plan, "service/shop/orders");
    assert_eq!(gone.risk.to_string(), "severing");
    let parties: Vec<&str> =
        gone.consequences.iter().flat_map(|it| &it.parties).map(|party| party.endpoint.name()).collect();
    assert_eq!(parties, ["partner"]);
    assert!(gone.consequences.iter().any(|it| it.text.contains("; 1 of 2 consumers moved to ")), "{gone:?}");

    connect(&mut world, NEW, &guest(STRANGER, "partner-2"));
    let plan = plan_of(&retired().resolve(), &world);
    assert_eq!(steps(&plan), ["delete service/shop/orders (disruptive)"]);
    assert!(carry_out(&plan, &mut world).is_empty());
    let rest = plan_of(&retired().resolve(), &world);
    assert_eq!(steps(&rest), Vec::<String>::new());
    let told = notes(&rest, "privatelinkservice/shop/orders-2");
    assert_eq!(told[0], "`replaces: orders` is not needed any more: nothing of it is left");
}

#[test]
fn the_status_says_who_has_not_moved() {
    let mut world = begun();
    connect(&mut world, NEW, &guest(CONSUMER, "acme-2"));
    let shown = |world: &World| {
        let desired = both().resolve();
        let plan = plan_of(&desired, world);
        let now = "2026-11-20T10:00:00Z".parse().unwrap();
        let documents = compose(&Composition {
            desired: &desired,
            observed: &world.observed,
            plan: &plan,
            previous: &BTreeMap::new(),
            applied: None,
            failures: &BTreeMap::new(),
            approved: None,
            news: &[],
            now,
        });
        let text = terminal::render(&status("prod", &documents, Clock { as_of: now, now }), false);
        let line = text.lines().skip_while(|line| *line != "Migrations").nth(1);
        line.expect("there is a migration").to_owned()
    };
    insta::assert_snapshot!(shown(&world), @"orders-2 replaces orders: 1 of 2 consumers moved (missing: partner of subscription 00000000-0000-0000-0000-000000000003)");
    connect(&mut world, NEW, &guest(STRANGER, "partner-2"));
    insta::assert_snapshot!(shown(&world), @"orders-2 replaces orders: 2 of 2 consumers moved; orders can go");
}

#[test]
fn of_two_endpoints_of_one_unseen_subscription_one_that_moved_frees_neither() {
    let mut world = begun();
    connect(&mut world, NEW, &guest(CONSUMER, "acme-2"));
    connect(&mut world, OLD, &guest(STRANGER, "partner-b"));
    connect(&mut world, NEW, &guest(STRANGER, "partner-c"));
    let missing = vec!["partner".to_owned(), "partner-b".to_owned()];
    assert_eq!(told(&both(), &world), ("2 of 3 consumers moved".to_owned(), missing));
    assert_eq!(risk_of(&world, "service/shop/orders"), "severing");
}

#[test]
fn a_request_that_waits_has_not_moved_and_other_pods_are_no_replacement() {
    let mut world = begun();
    let link = world.link(NEW).service.id.clone();
    world.connect(&link, &guest(CONSUMER, "acme-2"), ConnectionStatus::Pending);
    assert_eq!(told(&both(), &world).0, "0 of 2 consumers moved");
    for (subscription, name) in [(CONSUMER, "acme-2"), (STRANGER, "partner-2")] {
        connect(&mut world, NEW, &guest(subscription, name));
    }
    assert_eq!(risk_of(&world, "service/shop/orders"), "disruptive");
    world.service(NEW).manifest["spec"]["selector"]["app"] = "other".into();
    let plan = plan_of(&retired().resolve(), &world);
    assert_eq!(change(&plan, "service/shop/orders").risk.to_string(), "severing");
}

#[test]
fn what_the_consumers_moved_to_must_stay_in_the_same_plan() {
    let mut world = begun();
    for (subscription, name) in [(CONSUMER, "acme-2"), (STRANGER, "partner-2")] {
        connect(&mut world, NEW, &guest(subscription, name));
    }
    let desired = retired().edit("orders-2", "10.224.0.26", "10.224.0.27").resolve();
    let plan = plan_of(&desired, &world);
    assert_eq!(change(&plan, "service/shop/orders").risk.to_string(), "severing");
}

#[test]
fn an_old_one_of_our_own_is_found_by_its_mark() {
    let ours = |case: Case| {
        case.edit("orders", "  visibility", "  managedBy: privlink\n  resourceGroup: rg-pls\n  visibility")
    };
    let mut world = converge(&ours(both()).resolve());
    let old = network(PROVIDER, "rg-pls", "privateLinkServices/pls-orders");
    world.connect(&old, &guest(CONSUMER, "acme"), ConnectionStatus::Approved);
    connect(&mut world, NEW, &guest(CONSUMER, "acme-2"));
    let plan = plan_of(&both().drop_document("orders", 1).resolve(), &world);
    assert_eq!(
        steps(&plan),
        ["delete connection/acme -> pls-orders (disruptive)", "delete privatelinkservice/pls-orders (disruptive)"]
    );
}

#[test]
fn replaces_names_one_other_document_once() {
    let says = |case: &Case, message: &str| {
        let (_, diagnostics, shown) = case.read();
        assert!(diagnostics.iter().any(|it| it.code.as_str() == "DES012") && shown.contains(message), "{shown}");
    };
    says(&both().edit("orders-2", "replaces: orders", "replaces: orders-2"), "cannot replace itself");
    let billing = both().edit("billing", "  visibility", "  replaces: orders\n  visibility");
    says(&billing, "two documents replace orders");
}

/// The offers of a plan, one line each.
fn offers(plan: &Plan) -> String {
    let lines: Vec<String> = plan.smaller_edits.iter().map(|it| format!("{}: {}", it.subject, it.text)).collect();
    lines.join("\n")
}

fn severing(plan: &Plan) -> Vec<String> {
    steps(plan).into_iter().filter(|line| line.ends_with("(severing)")).collect()
}

/// What `privlink migrate` writes for a document of a case, as a case of its own.
fn migrated(case: Case, wish: &Wish) -> Case {
    let documents = case.documents();
    let documents: Vec<&Document> = documents.iter().collect();
    let second = migrate(&documents, &"orders".parse().unwrap(), wish).unwrap();
    case.with("orders-2", &privlink::render::yaml::documents(&second.documents))
}

const PIN: &str = "10.224.0.25";

fn shop() -> Case {
    Case::shop().drop_document("endpoints", 0)
}

/// The shop, converged, with a consumer of the orders.
fn consumed() -> World {
    let mut world = converge(&shop().resolve());
    connect(&mut world, OLD, &guest(STRANGER, "partner"));
    world
}

#[test]
fn another_address_is_offered_beside_the_old_one_and_that_cuts_nobody() {
    let world = consumed();
    let edited = plan_of(&shop().edit("orders", PIN, "10.224.0.77").resolve(), &world);
    assert_eq!(
        severing(&edited),
        ["update service/shop/orders (severing)", "replace privatelinkservice/shop/orders (severing)"]
    );
    insta::assert_snapshot!(offers(&edited), @r#"
    service/shop/orders: keep the address as it is ("10.224.0.25"): then nobody is cut and nothing fails
    service/shop/orders: to move all the same, take that edit back and let `privlink migrate orders --address 10.224.0.77` write a second Service beside it: consumers move one by one, and then the old one goes
    "#);
    let wish = Wish { address: Some("10.224.0.77".parse().unwrap()), ..Wish::default() };
    let plan = plan_of(&migrated(shop(), &wish).resolve(), &world);
    assert_eq!(severing(&plan), Vec::<String>::new());
    assert_eq!(
        steps(&plan),
        ["create service/shop/orders-2 (notable)", "create privatelinkservice/shop/orders-2 (safe)"]
    );
}

#[test]
fn address_and_subnet_changed_in_one_edit_are_kept_together_and_offered_together() {
    let world = consumed();
    let annotation = "    service.beta.kubernetes.io/azure-load-balancer-ipv4: ";
    let subnet = "    service.beta.kubernetes.io/azure-load-balancer-internal-subnet: apps-subnet\n";
    let both = format!("{subnet}{annotation}10.225.0.9");
    let case = shop().edit("orders", &format!("{annotation}{PIN}"), &both).edit("orders", "port: 80,", "port: 81,");
    insta::assert_snapshot!(offers(&plan_of(&case.resolve(), &world)), @r#"
    service/shop/orders: keep the address as it is ("10.224.0.25") and the subnet annotation as it is: then nobody is cut and nothing fails; the other 6 fields can change without it, in a commit of their own
    service/shop/orders: to move all the same, take that edit back and let `privlink migrate orders --subnet apps-subnet --address 10.225.0.9` write a second Service beside it: consumers move one by one, and then the old one goes
    "#);
    let rest = plan_of(&shop().edit("orders", "port: 80,", "port: 81,").resolve(), &world);
    assert_eq!(severing(&rest), Vec::<String>::new());
    let wish = Wish {
        address: Some("10.225.0.9".parse().unwrap()),
        subnet: Some("apps-subnet".parse().unwrap()),
        ..Wish::default()
    };
    let plan = plan_of(&migrated(shop(), &wish).resolve(), &world);
    assert_eq!((severing(&plan), plan.left_out.len()), (Vec::<String>::new(), 0));
}

#[test]
fn a_second_one_is_not_offered_where_it_would_not_help() {
    let is_offered = |world: &World, address: &str| {
        let plan = plan_of(&shop().edit("orders", PIN, address).resolve(), world);
        offers(&plan).contains("privlink migrate")
    };
    let world = consumed();
    assert!(is_offered(&world, "10.224.0.77"));
    assert!(!is_offered(&world, "10.99.0.1"), "no Service can have an address outside the subnet");
    let alone = converge(&shop().resolve());
    assert!(!is_offered(&alone, "10.224.0.77"), "there is nobody to move");
}

#[test]
fn a_name_for_what_is_named_already_is_offered_as_it_is() {
    let world = consumed();
    let named = |name: &str| shop().edit("orders", "  visibility", &format!("  name: {name}\n  visibility")).resolve();
    let name =
        world.observed.publisher(&PublisherKey::Cluster(OLD.parse().unwrap())).unwrap().service.id.name().to_owned();
    let plan = plan_of(&named("pls-new"), &world);
    assert!(!plan.left_out.is_empty(), "a Private Link Service cannot be renamed");
    let told = offers(&plan);
    assert!(told.contains(&format!("keep the name of the Private Link Service as it is ({name:?})")), "{told}");
    let kept = plan_of(&named(&name), &world);
    assert_eq!((severing(&kept), kept.left_out.len()), (Vec::<String>::new(), 0));
}

#[test]
fn a_change_of_who_builds_it_says_that_it_goes_and_offers_the_way_beside() {
    let by_us = |case: Case, file: &str| {
        case.edit(file, "  visibility", "  managedBy: privlink\n  resourceGroup: rg-pls\n  visibility")
    };
    let world = consumed();
    let plan = plan_of(&by_us(shop(), "orders").resolve(), &world);
    assert_eq!(severing(&plan).len(), 2, "{:?}", steps(&plan));
    insta::assert_snapshot!(offers(&plan), @"privatelinkservice/pls-orders: take that edit back, let `privlink migrate orders` write a second one beside it, and give that one `managedBy: privlink` and its `resourceGroup`: consumers move one by one, and then the old one goes");
    let told = notes(&plan, "privatelinkservice/pls-orders");
    insta::assert_snapshot!(told.join("\n"), @"pls-a0000000900004000800000000000000 cannot pass to privlink as it is: it goes, and one with another alias is built");
    let beside = plan_of(&by_us(migrated(shop(), &Wish::default()), "orders-2").resolve(), &world);
    assert_eq!((severing(&beside), beside.left_out.len()), (Vec::<String>::new(), 0));
    assert!(
        steps(&beside).contains(&"create privatelinkservice/pls-orders-2 (notable)".to_owned()),
        "{:?}",
        steps(&beside)
    );

    let mut world = converge(&by_us(shop(), "orders").resolve());
    let link = network(PROVIDER, "rg-pls", "privateLinkServices/pls-orders");
    world.connect(&link, &guest(STRANGER, "partner"), ConnectionStatus::Approved);
    let back = plan_of(&shop().resolve(), &world);
    assert_eq!(severing(&back).len(), 2, "{:?}", steps(&back));
    insta::assert_snapshot!(offers(&back), @"privatelinkservice/shop/orders: take that edit back, let `privlink migrate orders` write a second one beside it, and give that one no `managedBy` and no `resourceGroup`: consumers move one by one, and then the old one goes");
}

#[test]
fn the_second_one_says_everything_the_first_one_says_but_what_is_its_own() {
    let more = "  autoApproval: { subscriptions: [\"00000000-0000-0000-0000-000000000002\"] }\n  fqdns: [orders.example.com]\n  proxyProtocol: true\n  name: pls-orders\n  resourceGroup: rg-pls\n  managedBy: privlink\n  visibility";
    let case = shop()
        .edit("orders", "  visibility", more)
        .edit(
            "orders",
            "{ name: http, port: 80, targetPort: 8080 }",
            "{ name: http, port: 80, targetPort: 8080, nodePort: 31080 }",
        )
        .edit(
            "orders",
            "  type: LoadBalancer",
            "  type: LoadBalancer\n  externalTrafficPolicy: Local\n  healthCheckNodePort: 31081\n  clusterIP: 10.0.3.4",
        );
    let written = migrated(case, &Wish::default()).files["orders-2.yaml"].clone();
    insta::assert_snapshot!(written, @"
    apiVersion: v1
    kind: Service
    metadata:
      annotations:
        service.beta.kubernetes.io/azure-load-balancer-internal: 'true'
      name: orders-2
      namespace: shop
    spec:
      externalTrafficPolicy: Local
      ports:
      - name: http
        port: 80
        targetPort: 8080
      selector:
        app: orders
      type: LoadBalancer
    ---
    apiVersion: privlink.dev/v1alpha1
    kind: PrivateLinkService
    metadata:
      name: orders-2
    spec:
      autoApproval:
        subscriptions:
        - 00000000-0000-0000-0000-000000000002
      connections:
        approve:
        - subscription: 00000000-0000-0000-0000-000000000002
      fqdns:
      - orders.example.com
      managedBy: privlink
      name: pls-orders-2
      nat:
        count: 2
        subnet: pls-subnet
      proxyProtocol: true
      replaces: orders
      resourceGroup: rg-pls
      service:
        name: orders-2
        namespace: shop
      visibility:
        mode: subscriptions
        subscriptions:
        - 00000000-0000-0000-0000-000000000002
    ");
}
