//! Requests of consumers, and what the rules answer.

use privlink::domain::azure::ResourceId;
use privlink::domain::resource::connection::ConnectionStatus;
use privlink::plan::change::Cause;
use privlink::plan::plan;
use privlink::plan::risk::Risk;

use crate::support::case::CONSUMER;
use crate::support::case::Case;
use crate::support::case::STRANGER;
use crate::support::case::endpoint;
use crate::support::case::network;
use crate::support::converge::carry_out;
use crate::support::converge::converge;
use crate::support::say::blockers;
use crate::support::say::change;
use crate::support::say::notes;
use crate::support::say::plan_of;
use crate::support::say::steps;
use crate::support::world::World;

fn guest(subscription: &str) -> ResourceId {
    network(subscription, "rg-guest", "privateEndpoints/guest")
}

/// A world in which somebody asks for a connection to the shop's orders.
fn asking(subscription: &str, status: ConnectionStatus) -> World {
    let mut world = converge(&Case::shop().resolve());
    let link = world.link("shop/orders").service.id.clone();
    world.connect(&link, &guest(subscription), status);
    world
}

fn rules(rules: &str) -> Case {
    Case::shop().edit("orders", "approve: [{ subscription: \"00000000-0000-0000-0000-000000000002\" }]", rules)
}

fn answers(case: &Case, world: &World) -> Vec<String> {
    steps(&plan_of(&case.resolve(), world)).into_iter().filter(|line| line.contains("guest")).collect()
}

#[test]
fn a_rule_approves_by_subscription_or_by_endpoint() {
    let world = asking(CONSUMER, ConnectionStatus::Pending);
    let approve = ["update connection/guest -> shop/orders (notable)"];
    assert_eq!(answers(&Case::shop(), &world), approve);
    let by_endpoint = rules(&format!("approve: [{{ endpoint: {} }}]", guest(CONSUMER)));
    assert_eq!(answers(&by_endpoint, &world), approve);
    let world = asking(STRANGER, ConnectionStatus::Pending);
    assert_eq!(answers(&Case::shop(), &world), Vec::<String>::new());
}

#[test]
fn rejecting_is_stronger_and_cuts_even_what_is_approved() {
    let case = rules(&format!(
        "approve: [{{ subscription: \"{CONSUMER}\" }}]\n    reject: [{{ endpoint: {} }}]",
        guest(CONSUMER)
    ));
    for status in [ConnectionStatus::Pending, ConnectionStatus::Approved] {
        let world = asking(CONSUMER, status);
        assert_eq!(answers(&case, &world), ["update connection/guest -> shop/orders (severing)"]);
    }
    assert_eq!(answers(&case, &asking(CONSUMER, ConnectionStatus::Rejected)), Vec::<String>::new());
}

#[test]
fn otherwise_reject_turns_away_only_who_still_waits() {
    let case = rules("otherwise: reject\n    approve: [{ subscription: \"00000000-0000-0000-0000-000000000002\" }]");
    assert_eq!(
        answers(&case, &asking(STRANGER, ConnectionStatus::Pending)),
        ["update connection/guest -> shop/orders (severing)"]
    );
    assert_eq!(answers(&case, &asking(STRANGER, ConnectionStatus::Approved)), Vec::<String>::new());
    assert_eq!(answers(&case, &asking(STRANGER, ConnectionStatus::Disconnected)), Vec::<String>::new());
}

#[test]
fn a_removed_entry_cuts_nobody_and_is_told() {
    let world = converge(&Case::shop().resolve());
    let plan = plan_of(&rules("approve: []").resolve(), &world);
    assert_eq!(steps(&plan), Vec::<String>::new());
    assert_eq!(
        notes(&plan, "privatelinkservice/shop/orders"),
        ["left alone: no rule permits orders-pe any more, and approved connections are not cut by that"]
    );
}

#[test]
fn a_connection_that_was_rejected_can_be_approved_by_a_new_rule() {
    let mut world = converge(&Case::shop().resolve());
    world.answer(&endpoint("orders-pe"), &ConnectionStatus::Rejected);
    let plan = plan_of(&Case::shop().resolve(), &world);
    assert_eq!(steps(&plan), ["update connection/orders-pe -> shop/orders (notable)"], "the endpoint is not replaced");
    assert_eq!(
        notes(&plan, "connection/orders-pe -> shop/orders"),
        ["may stay rejected (PRE-CONNECTION-REJECTED): if so, the endpoint has to be made anew"]
    );
}

#[test]
fn an_endpoint_that_our_own_rules_reject_is_not_replaced_for_ever() {
    let case = rules(&format!("reject: [{{ subscription: \"{CONSUMER}\" }}]"));
    let mut world = converge(&Case::shop().resolve());
    assert!(carry_out(&plan_of(&case.resolve(), &world), &mut world).is_empty());
    let plan = plan_of(&case.resolve(), &world);
    assert_eq!(steps(&plan), Vec::<String>::new());
    assert_eq!(
        notes(&plan, "privateendpoint/orders-pe"),
        ["left alone: its connection is rejected by a rule of this repository"]
    );
    // Nor if it names the service by id.
    let id = world.link("shop/orders").service.id.to_string();
    let by_id = case.edit("endpoints", "target: { privateLinkService: orders }", &format!("target: {{ id: {id} }}"));
    assert_eq!(steps(&plan_of(&by_id.resolve(), &world)), Vec::<String>::new());
}

#[test]
fn an_approval_is_announced_for_a_manual_endpoint_however_it_names_the_service() {
    let world = converge(&Case::shop().resolve());
    let live = world.clone().link("shop/orders").clone();
    for target in [
        "target: { privateLinkService: orders }".to_owned(),
        "target: { service: { namespace: shop, name: orders } }".to_owned(),
        format!("target: {{ id: {} }}", live.service.id),
        format!("target: {{ alias: {} }}", live.alias.unwrap()),
    ] {
        let mut world = world.clone();
        world.remove_endpoint(&endpoint("orders-pe"));
        let desired = Case::shop().edit("endpoints", "target: { privateLinkService: orders }", &target).resolve();
        let plan = plan_of(&desired, &world);
        let approval = change(&plan, "connection/orders-pe -> shop/orders");
        assert_eq!((approval.risk, approval.reads.exists), (Risk::Notable, false), "{target}");
        assert!(carry_out(&plan, &mut world).is_empty());
        assert_eq!(steps(&plan_of(&desired, &world)), Vec::<String>::new(), "{target}");
    }
}

#[test]
fn who_is_let_in_without_asking_needs_no_answer() {
    let mut world = converge(&Case::shop().resolve());
    world.remove_endpoint(&endpoint("payments-pe"));
    let case = Case::shop().edit(
        "payments",
        "  nat: {",
        "  connections: { approve: [{ subscription: \"00000000-0000-0000-0000-000000000001\" }] }\n  nat: {",
    );
    assert_eq!(steps(&plan_of(&case.resolve(), &world)), ["create privateendpoint/payments-pe (notable)"]);
    // Unless a rule turns away what the list lets in.
    let case = case.edit("payments", "approve:", "reject:");
    let plan = plan_of(&case.resolve(), &world);
    assert!(
        steps(&plan).contains(&"update connection/payments-pe -> pls-payments (severing)".to_owned()),
        "{:?}",
        steps(&plan)
    );
    assert!(carry_out(&plan, &mut world).is_empty());
    assert_eq!(steps(&plan_of(&case.resolve(), &world)), Vec::<String>::new());
}

#[test]
fn an_approval_goes_with_its_endpoint_when_that_has_to_wait() {
    let case = Case::shop()
        .edit("billing", "visibility: { mode: role-based }", &format!("visibility: {{ mode: subscriptions, subscriptions: [\"{CONSUMER}\", \"00000000-0000-0000-0000-000000000001\"] }}\n  connections: {{ approve: [{{ subscription: \"00000000-0000-0000-0000-000000000001\" }}] }}"));
    let desired = case.resolve();
    let mut world = converge(&desired);
    world.remove_endpoint(&endpoint("billing-pe"));
    world.remove_service(&"legacy/billing".parse().unwrap());
    let plan = plan_of(&desired, &world);
    assert_eq!((steps(&plan), blockers(&plan)), (Vec::new(), Vec::new()));
}

#[test]
fn a_new_request_that_a_merged_rule_permits_is_the_rules_doing() {
    let desired = Case::shop().resolve();
    let world = asking(CONSUMER, ConnectionStatus::Pending);
    let plan = plan(&desired, &world.observed, Some(&desired));
    assert_eq!(change(&plan, "connection/guest -> shop/orders").cause, Cause::Rule);
    let with_new_rule = privlink::plan::plan(&desired, &world.observed, Some(&rules("approve: []").resolve()));
    assert_eq!(change(&with_new_rule, "connection/guest -> shop/orders").cause, Cause::Commit);
}

#[test]
fn a_connection_that_is_cut_with_its_service_has_its_services_cause() {
    let before = Case::shop().resolve();
    let world = converge(&before);
    let after = Case::shop().without("billing").drop_document("endpoints", 2).resolve();
    let plan = plan(&after, &world.observed, Some(&before));
    assert_eq!(change(&plan, "connection/billing-pe -> legacy/billing").cause, Cause::Commit);
}
