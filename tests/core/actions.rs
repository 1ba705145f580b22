//! One thing changes in a converged world: what the plan says about it.

use privlink::domain::key::ResourceKey;
use privlink::domain::resource::connection::ConnectionStatus;
use privlink::plan::action::Actor;
use privlink::plan::change::Cause;
use privlink::plan::plan;
use privlink::value::Output;
use privlink::value::Value;

use crate::support::case::Case;
use crate::support::case::endpoint;
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

/// The repository as it was converged, then edited: the plan of the edit.
fn edited(edit: impl Fn(Case) -> Case) -> privlink::plan::Plan {
    let world = converge(&Case::shop().resolve());
    plan_of(&edit(Case::shop()).resolve(), &world)
}

#[test]
fn a_converged_world_has_no_steps() {
    let desired = Case::shop().resolve();
    let world = converge(&desired);
    let plan = plan_of(&desired, &world);
    assert_eq!(steps(&plan), Vec::<String>::new());
    assert!(plan.blockers.is_empty() && plan.notes.is_empty(), "{:?} {:?}", plan.blockers, plan.notes);
    assert_eq!(plan.unchanged, desired.intents.len());
}

#[test]
fn in_an_empty_world_everything_is_created_in_order() {
    let desired = Case::shop().resolve();
    let mut world = World::new(desired.policy.mark.clone());
    world.prepare(&desired);
    let plan = plan_of(&desired, &world);
    assert_eq!(blockers(&plan), Vec::<String>::new());
    assert_eq!(
        steps(&plan),
        [
            "update subnet/aks-vnet/pls-subnet (notable)",
            "create service/default/web (notable)",
            "update service/legacy/billing (notable)",
            "create service/shop/orders (notable)",
            "create service/shop/payments (notable)",
            "create privatelinkservice/legacy/billing (safe)",
            "create privatelinkservice/shop/orders (safe)",
            "create privatelinkservice/pls-payments (notable)",
            "create privateendpoint/billing-pe (notable)",
            "create privateendpoint/foreign-pe (notable)",
            "create privateendpoint/payments-pe (notable)",
            "create privateendpoint/orders-pe (notable)",
            "update connection/orders-pe -> shop/orders (notable)",
            "create dnsrecord/api.orders.internal (notable)",
            "create dnslink/orders.internal/privlink-consumer-vnet (notable)",
        ]
    );
    assert!(comes_after(&plan, "dnsrecord/api.orders.internal", "service/shop/orders"));
    assert!(comes_after(&plan, "privatelinkservice/pls-payments", "subnet/aks-vnet/pls-subnet"));
    assert_eq!(change(&plan, "privatelinkservice/shop/orders").actor, Actor::CloudProvider);
    assert!(plan.steps.iter().enumerate().all(|(at, step)| step.after.iter().all(|after| *after < at)));
    assert!(carry_out(&plan, &mut world).is_empty());
    assert_eq!(steps(&plan_of(&desired, &world)), Vec::<String>::new());
}

#[test]
fn a_label_added_updates_one_service_in_place() {
    let plan = edited(|case| case.edit("web", "  name: web\n", "  name: web\n  labels: { team: shop }\n"));
    assert_eq!(steps(&plan), ["update service/default/web (safe)"]);
    assert_eq!(fields(change(&plan, "service/default/web")), ["metadata.labels[team]"]);
}

#[test]
fn a_field_taken_out_of_a_manifest_is_taken_out_of_the_cluster() {
    let world =
        converge(&Case::shop().edit("web", "  name: web\n", "  name: web\n  labels: { team: shop }\n").resolve());
    let desired = Case::shop().resolve();
    let plan = plan_of(&desired, &world);
    let label = &change(&plan, "service/default/web").fields[0];
    assert_eq!(
        (label.name.as_str(), &label.before, &label.after),
        ("metadata.labels[team]", &Some(Value::text("shop")), &None)
    );
}

#[test]
fn a_subnet_of_an_endpoint_forces_its_replacement_and_a_tag_does_not() {
    let plan = edited(|case| case.edit("endpoints", "team: shop", "team: orders"));
    assert_eq!(steps(&plan), ["update privateendpoint/payments-pe (safe)"]);
    let plan = edited(|case| case.edit("endpoints", "ipAddress: 10.50.1.20", "ipAddress: 10.50.1.21"));
    assert_eq!(steps(&plan), ["replace privateendpoint/payments-pe (severing)"]);
    let forcing: Vec<&str> =
        change(&plan, "privateendpoint/payments-pe").forcing().map(|field| field.name.as_str()).collect();
    assert_eq!(forcing, ["ipAddress"]);
}

#[test]
fn drift_names_who_holds_the_field_and_what_is_there() {
    let adopts = "  annotations:\n    privlink.dev/adopt: default/web\n";
    let desired = Case::shop().edit("web", "  annotations:\n", adopts).resolve();
    let mut world = converge(&desired);
    let live = world.service("default/web");
    live.manifest["spec"]["ports"][0]["targetPort"] = 9090.into();
    live.manifest["spec"]["selector"]["app"] = "other".into();
    live.owned.remove("spec.selector.app");
    live.managers.insert("spec.selector.app".to_owned(), "kubectl-edit".to_owned());
    let plan = plan(&desired, &world.observed, Some(&desired));
    let change = change(&plan, "service/default/web");
    assert_eq!((fields(change), change.cause), (vec!["spec.selector.app"], Cause::Drift));
    assert_eq!(change.fields[0].manager.as_deref(), Some("kubectl-edit"));
    assert!(change.force, "the document adopts the Service");
    assert_eq!(change.fields[0].before, Some(Value::text("other")));
}

#[test]
fn a_change_is_a_commits_if_the_last_applied_commit_asked_for_something_else() {
    let before = Case::shop().resolve();
    let after = Case::shop().edit("web", "port: 80", "port: 81").resolve();
    let world = converge(&before);
    let plan = plan(&after, &world.observed, Some(&before));
    assert_eq!(change(&plan, "service/default/web").cause, Cause::Commit);
}

#[test]
fn what_follows_from_a_commit_elsewhere_is_a_commits_too() {
    let before = Case::shop().resolve();
    let after = Case::shop().edit("endpoints", "name: orders-pe }", "name: orders-pe-2 }");
    let after = after.edit("endpoints", "name: pe-subnet }", "name: other-subnet }").resolve();
    let before_world = converge(&before);
    let plan = plan(&after, &before_world.observed, Some(&before));
    assert_eq!(change(&plan, "dnsrecord/api.orders.internal").cause, Cause::Commit);
}

#[test]
fn a_lost_connection_replaces_its_endpoint() {
    let desired = Case::shop().resolve();
    for status in [ConnectionStatus::Disconnected, ConnectionStatus::Rejected] {
        let mut world = converge(&desired);
        world.endpoint("billing-pe").status = status.clone();
        let plan = plan_of(&desired, &world);
        assert_eq!(steps(&plan), ["replace privateendpoint/billing-pe (disruptive)"], "{status}");
        assert_eq!(fields(change(&plan, "privateendpoint/billing-pe")), ["connection.state"]);
    }
}

#[test]
fn what_is_known_only_after_apply_names_its_producer() {
    let desired = Case::shop().resolve();
    let mut world = World::new(desired.policy.mark.clone());
    world.prepare(&desired);
    let plan = plan_of(&desired, &world);
    let target = |key: &str, name: &str| {
        let change = change(&plan, key);
        let field = change.fields.iter().find(|field| field.name == name).unwrap();
        field.after.as_ref().unwrap().to_string()
    };
    assert_eq!(target("privateendpoint/orders-pe", "target"), "<id: known after privatelinkservice/shop/orders>");
    assert_eq!(target("privatelinkservice/pls-payments", "frontend"), "<frontend: known after service/shop/payments>");
    assert_eq!(
        target("dnsrecord/api.orders.internal", "addresses"),
        "<address: known after privateendpoint/orders-pe>"
    );
    let input = &change(&plan, "privateendpoint/orders-pe").inputs[0];
    assert_eq!((input.producer.to_string().as_str(), input.output), ("privatelinkservice/shop/orders", Output::Id));
}

#[test]
fn what_a_producer_yields_already_is_filled_in() {
    let desired = Case::shop().resolve();
    let mut world = converge(&desired);
    world.remove_endpoint(&endpoint("orders-pe"));
    let link = world.link("shop/orders").service.id.to_string();
    let plan = plan_of(&desired, &world);
    assert_eq!(change(&plan, "privateendpoint/orders-pe").inputs[0].known.as_ref(), Some(&link));
    // The endpoint is made anew: what its record says now will not hold.
    assert!(change(&plan, "dnsrecord/api.orders.internal").fields[0].after.as_ref().unwrap().is_unknown());
}

#[test]
fn what_nobody_in_the_plan_yields_is_waited_for() {
    let desired = Case::shop().resolve();
    let mut world = World::new(desired.policy.mark.clone());
    world.prepare(&desired);
    world.observed.services.remove(&"legacy/billing".parse().unwrap());
    let plan = plan_of(&desired, &world);
    let mentions = |key: &ResourceKey| key.to_string().contains("billing");
    assert!(!plan.steps.iter().any(|step| mentions(&step.change.key)), "{:?}", steps(&plan));
    assert_eq!(notes(&plan, "privateendpoint/billing-pe"), ["waits for the id of privatelinkservice/legacy/billing"]);
    assert_eq!(notes(&plan, "service/legacy/billing").len(), 1);
}

#[test]
fn a_service_that_is_being_deleted_is_left_alone_with_what_hangs_on_it() {
    let desired = Case::shop().resolve();
    let mut world = converge(&desired);
    let link = world.link("shop/orders").service.id.clone();
    world.remove_link(&link);
    world.observed.private_endpoints.remove(&endpoint("orders-pe"));
    world.service("shop/orders").deleting = true;
    let plan = plan_of(&desired, &world);
    assert_eq!(steps(&plan), Vec::<String>::new(), "{:?}", plan.notes);
    assert_eq!(notes(&plan, "service/shop/orders"), ["not planned: it is being deleted; the next plan makes it anew"]);
}

#[test]
fn a_zone_or_a_subnet_that_is_not_there_blocks() {
    let desired = Case::shop().resolve();
    let mut world = converge(&desired);
    world.observed.dns_zones.clear();
    world.observed.dns_records.clear();
    world.observed.subnets.remove(&crate::support::case::subnet("pls-subnet"));
    let plan = plan_of(&desired, &world);
    let blocked = blockers(&plan);
    assert!(!plan.is_whole() && blocked.len() == 3, "{blocked:?}");
    assert!(
        blocked[0].starts_with("dnslink/orders.internal/privlink-consumer-vnet: the private DNS zone"),
        "{blocked:?}"
    );
    assert!(blocked[2].starts_with("subnet/aks-vnet/pls-subnet: the subnet"), "{blocked:?}");
}

#[test]
fn a_record_that_azure_registered_is_never_taken() {
    let desired = Case::shop().resolve();
    let mut world = converge(&desired);
    world.observed.dns_records.values_mut().for_each(|live| {
        live.auto_registered = true;
        live.mark = None;
    });
    let plan = plan_of(&desired, &world);
    assert_eq!(blockers(&plan), ["dnsrecord/api.orders.internal: Azure registered this record for a virtual machine"]);
}
