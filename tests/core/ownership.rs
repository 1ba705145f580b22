//! What is ours, what is somebody else's, and how one becomes the other.

use privlink::domain::azure::ResourceId;
use privlink::domain::mark::Mark;

use crate::support::case::Case;
use crate::support::case::PROVIDER;
use crate::support::case::endpoint;
use crate::support::case::network;
use crate::support::converge::carry_out;
use crate::support::converge::converge;
use crate::support::say::blockers;
use crate::support::say::change;
use crate::support::say::fields;
use crate::support::say::notes;
use crate::support::say::plan_of;
use crate::support::say::steps;
use crate::support::world::World;

fn other() -> Mark {
    Mark { owner: "6f1c0000-0000-4000-8000-00000000000f".parse().unwrap(), environment: "prod".parse().unwrap() }
}

/// Takes our marks off an endpoint.
fn unmark(world: &mut World, name: &str, mark: Option<Mark>) {
    let live = world.endpoint(name);
    live.endpoint.tags.retain(|tag, _| !tag.starts_with("privlink-"));
    if let Some(mark) = &mark {
        live.endpoint.tags.insert("privlink-owner".to_owned(), mark.to_string());
    }
    live.mark = mark;
}

fn adopting(id: &ResourceId) -> Case {
    let annotated = format!("name: payments-pe, annotations: {{ privlink.dev/adopt: {id} }} }}");
    Case::shop().edit("endpoints", "name: payments-pe }", &annotated)
}

#[test]
fn what_nobody_marked_blocks_and_the_help_says_how_to_adopt_it() {
    let desired = Case::shop().resolve();
    let mut world = converge(&desired);
    unmark(&mut world, "payments-pe", None);
    let plan = plan_of(&desired, &world);
    assert_eq!(blockers(&plan), ["privateendpoint/payments-pe: it exists already and nobody's mark is on it"]);
    assert!(plan.left_out[0].refusals[0].help.ends_with(&format!("privlink.dev/adopt: {}", endpoint("payments-pe"))));
    assert_eq!(steps(&plan), Vec::<String>::new());
}

#[test]
fn an_adoption_without_a_difference_writes_the_mark_and_nothing_else() {
    let mut world = converge(&Case::shop().resolve());
    unmark(&mut world, "payments-pe", None);
    let desired = adopting(&endpoint("payments-pe")).resolve();
    let plan = plan_of(&desired, &world);
    assert_eq!(steps(&plan), ["adopt privateendpoint/payments-pe (safe)"]);
    assert_eq!(fields(change(&plan, "privateendpoint/payments-pe")), ["tags.privlink-document", "tags.privlink-owner"]);
    assert!(carry_out(&plan, &mut world).is_empty());
    let plan = plan_of(&desired, &world);
    assert_eq!(steps(&plan), Vec::<String>::new());
    assert_eq!(notes(&plan, "privateendpoint/payments-pe"), ["privlink.dev/adopt is not needed any more: it is ours"]);
}

#[test]
fn an_adoption_with_a_difference_is_refused() {
    let mut world = converge(&Case::shop().resolve());
    unmark(&mut world, "payments-pe", None);
    world.endpoint("payments-pe").endpoint.tags.insert("team".to_owned(), "else".to_owned());
    let plan = plan_of(&adopting(&endpoint("payments-pe")).resolve(), &world);
    assert_eq!(blockers(&plan), ["privateendpoint/payments-pe: it cannot be adopted: tags.team would change"]);
}

#[test]
fn an_adoption_is_of_exactly_the_named_resource() {
    let mut world = converge(&Case::shop().resolve());
    unmark(&mut world, "payments-pe", None);
    let plan = plan_of(&adopting(&endpoint("billing-pe")).resolve(), &world);
    assert_eq!(blockers(&plan).len(), 1);
    let shouted: ResourceId =
        endpoint("payments-pe").as_str().to_uppercase().replace("/SUBSCRIPTIONS", "/subscriptions").parse().unwrap();
    let plan = plan_of(&adopting(&shouted).resolve(), &world);
    assert_eq!(steps(&plan), ["adopt privateendpoint/payments-pe (safe)"]);
}

#[test]
fn another_repositorys_mark_blocks_even_an_adoption() {
    let mut world = converge(&Case::shop().resolve());
    unmark(&mut world, "payments-pe", Some(other()));
    let plan = plan_of(&adopting(&endpoint("payments-pe")).resolve(), &world);
    assert_eq!(blockers(&plan), [format!("privateendpoint/payments-pe: it exists already and belongs to {}", other())]);
}

#[test]
fn a_service_is_adopted_by_namespace_and_name() {
    let mut world = converge(&Case::shop().resolve());
    let live = world.service("default/web");
    live.mark = None;
    live.manifest["metadata"].as_object_mut().unwrap().remove("labels");
    let case = Case::shop();
    assert_eq!(
        blockers(&plan_of(&case.resolve(), &world)),
        ["service/default/web: it exists already and nobody's mark is on it"]
    );
    let case = case.edit("web", "  annotations:\n", "  annotations:\n    privlink.dev/adopt: default/web\n");
    assert_eq!(steps(&plan_of(&case.resolve(), &world)), ["adopt service/default/web (safe)"]);
}

#[test]
fn who_else_deploys_a_service_is_named_and_so_is_the_place_where_its_annotations_are_written() {
    let mut world = converge(&Case::shop().resolve());
    world.service("default/web").manifest["metadata"]["labels"]["argocd.argoproj.io/instance"] = "front".into();
    let key = "service.beta.kubernetes.io/azure-pls-visibility";
    let live = world.service("legacy/billing");
    live.manifest["metadata"]["annotations"]["meta.helm.sh/release-name"] = "billing".into();
    live.manifest["metadata"]["annotations"][key] = "00000000-0000-0000-0000-000000000002".into();
    live.managers.insert(format!("metadata.annotations[{key}]"), "helm".to_owned());
    let case = Case::shop().edit("billing", "mode: role-based", "mode: anyone-with-alias");
    let plan = plan_of(&case.resolve(), &world);
    assert_eq!(
        notes(&plan, "service/default/web"),
        ["the Argo CD application front deploys it too and will write it back: let one of the two deploy it"]
    );
    let left = plan.left_out.iter().find(|left| left.key.to_string() == "service/legacy/billing").unwrap();
    assert_eq!(
        left.refusals[0].help,
        "privlink never takes a field of a Service that somebody else deploys: the Helm release billing deploys it; set its \
         annotations in the values of the chart, or leave them away there"
    );
}

#[test]
fn the_record_and_the_zone_link_of_an_endpoint_are_adopted_by_their_ids_beside_its_own() {
    let mut world = converge(&Case::shop().resolve());
    unmark(&mut world, "orders-pe", None);
    for live in world.observed.dns_records.values_mut() {
        (live.mark, live.record.metadata) = (None, [("cost".to_owned(), "shop".to_owned())].into());
    }
    for live in world.observed.dns_links.values_mut() {
        (live.mark, live.link.tags) = (None, std::collections::BTreeMap::new());
    }
    assert_eq!(
        blockers(&plan_of(&Case::shop().resolve(), &world)),
        [
            "dnslink/orders.internal/privlink-consumer-vnet: it exists already and nobody's mark is on it",
            "dnsrecord/api.orders.internal: it exists already and nobody's mark is on it",
            "privateendpoint/orders-pe: it exists already and nobody's mark is on it",
        ]
    );
    let zone = network(PROVIDER, "rg-dns", "privateDnsZones/orders.internal");
    let ids =
        [endpoint("orders-pe"), zone.child("A", "api"), zone.child("virtualNetworkLinks", "privlink-consumer-vnet")];
    let ids = ids.map(|id| id.to_string()).join(" ");
    let annotated = format!("name: orders-pe, annotations: {{ privlink.dev/adopt: \"{ids}\" }} }}");
    let desired = Case::shop().edit("endpoints", "name: orders-pe }", &annotated).resolve();
    let plan = plan_of(&desired, &world);
    assert_eq!(
        steps(&plan),
        [
            "adopt privateendpoint/orders-pe (safe)",
            "adopt dnsrecord/api.orders.internal (safe)",
            "adopt dnslink/orders.internal/privlink-consumer-vnet (safe)",
        ]
    );
    assert!(carry_out(&plan, &mut world).is_empty());
    assert_eq!(steps(&plan_of(&desired, &world)), Vec::<String>::new());
}

#[test]
fn two_repositories_with_one_environment_name_never_touch_each_others_resources() {
    let ours = Case::shop().resolve();
    let mut world = converge(&ours);
    let mut theirs = Case::empty().resolve();
    theirs.policy.mark = other();
    let plan = plan_of(&theirs, &world);
    assert!(plan.steps.is_empty() && plan.blockers.is_empty(), "{:?}", steps(&plan));
    // Nor does ours prune what is theirs.
    unmark(&mut world, "foreign-pe", Some(other()));
    let case = Case::shop().drop_document("endpoints", 3);
    assert_eq!(steps(&plan_of(&case.resolve(), &world)), Vec::<String>::new());
}

#[test]
fn a_renamed_document_rewrites_at_most_a_tag() {
    let world = converge(&Case::shop().resolve());
    let case = Case::shop().edit(
        "endpoints",
        "name: payments-pe }\nspec:",
        "name: payments-two }\nspec:\n  name: payments-pe\n  connection: { name: payments-pe }",
    );
    let plan = plan_of(&case.resolve(), &world);
    assert_eq!(steps(&plan), ["update privateendpoint/payments-pe (safe)"]);
    assert_eq!(fields(change(&plan, "privateendpoint/payments-pe")), ["tags.privlink-document"]);
}

#[test]
fn tags_of_others_stay_on_what_has_no_field_for_tags() {
    let desired = Case::shop().resolve();
    let mut world = converge(&desired);
    let id = network(crate::support::case::PROVIDER, "rg-pls", "privateLinkServices/pls-payments");
    let tags = &mut world.observed.private_link_services.get_mut(&id).unwrap().service.tags;
    tags.insert("cost-center".to_owned(), "42".to_owned());
    assert_eq!(steps(&plan_of(&desired, &world)), Vec::<String>::new());
}

#[test]
fn on_a_service_of_others_only_our_annotations_are_touched() {
    let desired = Case::shop().resolve();
    let mut world = World::new(desired.policy.mark.clone());
    world.prepare(&desired);
    let plan = plan_of(&desired, &world);
    let update = change(&plan, "service/legacy/billing");
    assert_eq!(
        fields(update),
        [
            "metadata.annotations[privlink.dev/published-by]",
            "metadata.annotations[service.beta.kubernetes.io/azure-pls-create]",
        ]
    );
    let helm = world.service("legacy/billing");
    helm.manifest["spec"]["ports"][0]["port"] = 8443.into();
    assert_eq!(fields(change(&plan_of(&desired, &world), "service/legacy/billing")).len(), 2);
}

#[test]
fn an_annotation_that_others_hold_on_their_service_is_contested() {
    let desired = Case::shop().resolve();
    let mut world = converge(&desired);
    let key = "service.beta.kubernetes.io/azure-pls-create";
    let live = world.service("legacy/billing");
    live.manifest["metadata"]["annotations"][key] = "false".into();
    live.managers.insert(format!("metadata.annotations[{key}]"), "helm".to_owned());
    let plan = plan_of(&desired, &world);
    assert_eq!(
        blockers(&plan),
        [format!("service/legacy/billing: others set its annotations: metadata.annotations[{key}] is false by helm")]
    );
    assert!(!plan.steps.iter().any(|step| step.change.key.to_string() == "service/legacy/billing"));
}

#[test]
fn a_service_that_another_repository_publishes_is_left_to_it() {
    let desired = Case::shop().resolve();
    let mut world = converge(&desired);
    world.service("legacy/billing").published_by = Some(other());
    let plan = plan_of(&desired, &world);
    assert_eq!(blockers(&plan), [format!("service/legacy/billing: {} publishes it already", other())]);
}

#[test]
fn a_manifest_that_went_while_its_publication_stayed_blocks() {
    let world = converge(&Case::shop().resolve());
    let plan = plan_of(&Case::shop().drop_document("orders", 0).resolve(), &world);
    assert_eq!(blockers(&plan).len(), 1, "{:?}", blockers(&plan));
    assert!(blockers(&plan)[0].starts_with("service/shop/orders: the repository deployed it"));
}

#[test]
fn what_lies_outside_the_scope_is_neither_written_nor_pruned() {
    let world = converge(&Case::shop().resolve());
    let mut desired = Case::empty().resolve();
    desired.policy.scope.resource_groups = vec!["rg-nothing".parse().unwrap()];
    desired.policy.scope.namespaces = vec!["nothing".parse().unwrap()];
    let plan = plan_of(&desired, &world);
    assert_eq!((steps(&plan), blockers(&plan)), (Vec::new(), Vec::new()));
    // A scope that shrank after the documents were resolved blocks the writes.
    let mut desired = Case::shop().edit("web", "port: 80", "port: 81").resolve();
    desired.policy.scope.namespaces = vec!["shop".parse().unwrap()];
    desired.policy.scope.dns_zones = vec!["other.internal".parse().unwrap()];
    let mut world = world;
    world.observed.dns_records.clear();
    let plan = plan_of(&desired, &world);
    assert_eq!(blockers(&plan).len(), 2, "{:?}", blockers(&plan));
    assert!(blockers(&plan)[0].contains("dnsrecord/api.orders.internal"));
    assert_eq!(blockers(&plan)[1], "service/default/web: namespace default is outside the environment's scope");
}
