//! A migration from an old Private Link Service to one beside it: who has moved, and what its end does to whom.

use std::collections::BTreeMap;

use privlink::domain::azure::ResourceId;
use privlink::domain::resource::connection::ConnectionStatus;
use privlink::plan::moved::migration;
use privlink::render::status::Clock;
use privlink::render::status::status;
use privlink::render::terminal;
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
