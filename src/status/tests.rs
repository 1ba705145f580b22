//! Status files over time: what stays, what changes, and when.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use super::*;
use crate::domain::resource::connection::ConnectionStatus;
use crate::observed::Area;
use crate::plan::fixture;
use crate::plan::fixture::World;
use crate::status::document::Condition;
use crate::status::document::ConditionStatus;
use crate::status::document::ConditionType;

type Documents = BTreeMap<RepoPath, StatusDocument>;

fn at(time: &str) -> jiff::Timestamp {
    format!("2026-11-20T{time}:00Z").parse().unwrap()
}

fn composed(world: &World, previous: &Documents, time: &str) -> Documents {
    let (plan, failures) = (world.plan(), BTreeMap::new());
    let World { desired, observed } = world;
    let now = at(time);
    compose(&Composition {
        desired,
        observed,
        plan: &plan,
        previous,
        applied: None,
        failures: &failures,
        approved: None,
        news: &[],
        now,
    })
}

fn service(documents: &Documents) -> &ServiceStatus {
    match &documents[&path::service(&fixture::mark().environment, &fixture::orders())] {
        StatusDocument::Service(status) => status,
        other => panic!("{other:?}"),
    }
}

fn endpoint(documents: &Documents) -> &PrivateEndpointStatus {
    match &documents[&"status/prod/privateendpoint/orders-pe.yaml".parse().unwrap()] {
        StatusDocument::PrivateEndpoint(status) => status,
        other => panic!("{other:?}"),
    }
}

fn environment(documents: &Documents) -> &EnvironmentStatus {
    match &documents[&path::environment(&fixture::mark().environment)] {
        StatusDocument::Environment(status) => status,
        other => panic!("{other:?}"),
    }
}

fn condition(head: &Head, kind: ConditionType) -> &Condition {
    head.conditions.iter().find(|condition| condition.kind == kind).unwrap()
}

fn told(head: &Head) -> String {
    let line = |it: &Condition| format!("{} {} {} {} {}", it.kind, it.status, it.reason, it.since, it.message);
    head.conditions.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_world_that_stands_still_gives_the_same_files() {
    let world = World::converged();
    let first = composed(&world, &Documents::new(), "10:00");
    assert_eq!(composed(&world, &first, "11:00"), first);
    let paths: Vec<&str> = first.keys().map(RepoPath::as_str).collect();
    insta::assert_snapshot!(paths.join("\n"), @r"
    status/prod/README.md
    status/prod/environment.yaml
    status/prod/privateendpoint/orders-pe.yaml
    status/prod/service/shop/orders.yaml
    ");
    insta::assert_snapshot!(told(&service(&first).head), @r"
    FrontendReady True AddressAssigned 2026-11-20T10:00:00Z 
    LinkServiceReady True Serving 2026-11-20T10:00:00Z 
    ConnectionApproved True NoRequestWaits 2026-11-20T10:00:00Z 
    Published True Published 2026-11-20T10:00:00Z
    ");
    insta::assert_snapshot!(told(&endpoint(&first).head), @r"
    EndpointReady True AddressAssigned 2026-11-20T10:00:00Z 
    ConnectionApproved True Approved 2026-11-20T10:00:00Z 
    DnsReady True Resolves 2026-11-20T10:00:00Z
    ");
}

#[test]
fn a_time_changes_only_with_its_status() {
    let mut world = World::converged();
    let first = composed(&world, &Documents::new(), "10:00");
    world.live_endpoint().status = ConnectionStatus::Pending;
    let second = composed(&world, &first, "11:00");
    world.live_endpoint().status = ConnectionStatus::Rejected;
    let third = composed(&world, &second, "12:00");
    let waiting = condition(&endpoint(&second).head, ConditionType::ConnectionApproved);
    let rejected = condition(&endpoint(&third).head, ConditionType::ConnectionApproved);
    assert_eq!((waiting.reason.as_str(), waiting.since), (reason::PENDING_APPROVAL, at("11:00")));
    assert_eq!((rejected.reason.as_str(), rejected.since), (reason::REJECTED, at("11:00")));
    assert_eq!(condition(&endpoint(&third).head, ConditionType::EndpointReady).since, at("10:00"));
}

#[test]
fn what_cannot_be_read_keeps_what_was_seen_and_says_so_once() {
    let mut world = World::converged();
    let first = composed(&world, &Documents::new(), "10:00");
    world.blind(Area::PrivateEndpoints(fixture::subscription(1)));
    world.observed.private_endpoints.clear();
    let second = composed(&world, &first, "11:00");
    let unread = condition(&endpoint(&second).head, ConditionType::EndpointReady);
    assert_eq!((unread.status, unread.reason.as_str()), (ConditionStatus::Unknown, reason::NOT_READ));
    assert_eq!(endpoint(&second).outputs, endpoint(&first).outputs);
    world.observed.gaps = world
        .observed
        .gaps
        .into_iter()
        .map(|gap| crate::observed::Gap { reason: "Azure answered 503".to_owned(), ..gap })
        .collect();
    assert_eq!(composed(&world, &second, "12:00"), second);
}

#[test]
fn a_lost_alias_is_remembered_with_the_time() {
    let mut world = World::converged();
    let first = composed(&world, &Documents::new(), "10:00");
    let new_alias = fixture::ALIAS.replace("8f0c6a1e", "deadbeef");
    world.live_link().alias = Some(new_alias.parse().unwrap());
    world.live_link().connections.truncate(1);
    let second = composed(&world, &first, "11:00");
    let link = service(&second).link_service.clone().unwrap();
    assert_eq!(link.alias.as_deref(), Some(new_alias.as_str()));
    assert_eq!(link.alias_history.len(), 1);
    assert_eq!((link.alias_history[0].alias.as_str(), link.alias_history[0].until), (fixture::ALIAS, at("11:00")));
    assert_eq!(link.connections[0].first_seen, at("10:00"));
    world.observed.private_link_services.clear();
    let third = service(&composed(&world, &second, "12:00")).link_service.clone().unwrap();
    assert_eq!((third.alias, third.alias_history.len()), (None, 2));
}

#[test]
fn what_nobody_wants_any_more_and_still_serves_is_told() {
    let mut world = World::converged();
    let first = composed(&world, &Documents::new(), "10:00");
    world.desired.intents.remove(&fixture::link_key());
    let second = composed(&world, &first, "11:00");
    let published = condition(&service(&second).head, ConditionType::Published);
    assert_eq!((published.status, published.reason.as_str()), (ConditionStatus::True, reason::STILL_PUBLISHED));
    assert_eq!(published.message, "nobody asks for it any more, and 3 consumers can still reach it");
    world.desired.intents.remove(&fixture::endpoint_key());
    let third = composed(&world, &second, "12:00");
    assert_eq!(endpoint(&third).head.drift, ["no document asks for it any more; it is left alone"]);
    world.observed.private_endpoints.clear();
    let fourth = composed(&world, &third, "13:00");
    assert!(!fourth.contains_key(&"status/prod/privateendpoint/orders-pe.yaml".parse().unwrap()));
}

#[test]
fn a_document_that_is_gone_keeps_its_file_while_it_serves() {
    let mut world = World::with_document();
    let first = composed(&world, &Documents::new(), "10:00");
    let path: RepoPath = "status/prod/privatelinkservice/orders.yaml".parse().unwrap();
    let link = |documents: &Documents| match &documents[&path] {
        StatusDocument::PrivateLinkService(status) => status.clone(),
        other => panic!("{other:?}"),
    };
    insta::assert_snapshot!(told(&link(&first).head), @r"
    FrontendReady True AddressAssigned 2026-11-20T10:00:00Z 
    LinkServiceReady True Serving 2026-11-20T10:00:00Z 
    ConnectionApproved True NoRequestWaits 2026-11-20T10:00:00Z 
    Published True Published 2026-11-20T10:00:00Z
    ");
    assert_eq!((link(&first).service.as_deref(), link(&first).outputs.connections.len()), (Some("shop/orders"), 3));
    assert!(!first.keys().any(|path| path.as_str().contains("/service/")), "somebody else deploys it");
    world.desired.intents.remove(&fixture::service_key());
    world.desired.intents.remove(&fixture::link_key());
    let second = composed(&world, &first, "11:00");
    assert_eq!(condition(&link(&second).head, ConditionType::Published).reason, reason::STILL_PUBLISHED);
    assert_eq!((link(&second).head.source, link(&second).outputs), (None, link(&first).outputs));
    let mut unread = world.clone();
    unread.blind(Area::Services);
    unread.observed.services.clear();
    assert!(composed(&unread, &second, "12:00").contains_key(&path), "nobody could look");
    world.observed.private_link_services.clear();
    assert!(!composed(&world, &second, "12:00").contains_key(&path));
}

#[test]
fn a_failed_step_is_blamed_until_it_is_not_to_do_any_more() {
    let mut world = World::converged();
    let first = composed(&world, &Documents::new(), "10:00");
    world.observed.private_endpoints.clear();
    let plan = world.plan();
    let mut record = document::AppliedRecord::new(&fixture::mark().environment, plan.id.clone(), at("11:00"));
    record.outcome = document::ApplyOutcome::Failed;
    let applied = Applied { commit: None, rules: None, record: Some(record) };
    let failures = BTreeMap::from([(fixture::endpoint_key(), "Azure answered 403".to_owned())]);
    let World { desired, observed } = &world;
    let input = Composition {
        desired,
        observed,
        plan: &plan,
        previous: &first,
        applied: Some(&applied),
        failures: &failures,
        approved: None,
        news: &[],
        now: at("11:00"),
    };
    let second = compose(&input);
    let ready = condition(&endpoint(&second).head, ConditionType::EndpointReady);
    assert_eq!((ready.reason.as_str(), ready.message.as_str()), (reason::APPLY_FAILED, "Azure answered 403"));
    assert!(endpoint(&second).head.pending[0].contains("the last try failed: Azure answered 403"));
    assert!(second.contains_key(&path::applied(&fixture::mark().environment, &plan.id)));
    // The next pass tries nothing: the failure stays, and so do all files.
    assert_eq!(composed(&world, &second, "12:00"), second);
    let healed = composed(&World::converged(), &second, "13:00");
    assert_eq!(condition(&endpoint(&healed).head, ConditionType::EndpointReady).reason, reason::ADDRESS_ASSIGNED);
    assert!(healed.contains_key(&path::applied(&fixture::mark().environment, &plan.id)));
}

/// The plans that are kept on the branch, when approvals for some are on file.
fn kept(world: &World, previous: &Documents, approved: Option<&OnFile>) -> (Documents, Vec<PlanId>) {
    let (plan, failures) = (world.plan(), BTreeMap::new());
    let World { desired, observed } = world;
    let now = at("10:00");
    let documents = compose(&Composition {
        desired,
        observed,
        plan: &plan,
        previous,
        applied: None,
        failures: &failures,
        approved,
        news: &[],
        now,
    });
    let plans = documents.values().filter_map(|document| match document {
        StatusDocument::SavedPlan(id) => Some(id.clone()),
        _ => None,
    });
    let plans = plans.collect();
    (documents, plans)
}

#[test]
fn an_approved_plan_is_kept_as_long_as_one_waits() {
    let mut world = World::converged();
    world.manifest()["spec"]["ports"][0]["port"] = 444.into();
    let first = world.plan().id;
    let (documents, _) = kept(&world, &BTreeMap::new(), None);
    world.manifest()["spec"]["ports"][0]["port"] = 445.into();
    let second = world.plan().id;
    let both = BTreeSet::from([first.clone(), second.clone()]);
    let on_file = |plans: BTreeSet<PlanId>| OnFile { plans, since: None };
    assert_eq!(kept(&world, &documents, Some(&OnFile::default())).1, std::slice::from_ref(&second));
    for approved in [None, Some(&on_file([first.clone()].into()))] {
        assert_eq!(BTreeSet::from_iter(kept(&world, &documents, approved).1), both);
    }
    // What was approved and never published is not made up.
    let both = on_file(both);
    assert_eq!(kept(&world, &BTreeMap::new(), Some(&both)).1, [second]);
    assert_eq!(kept(&World::converged(), &documents, Some(&both)).1, []);
}

#[test]
fn old_records_of_applies_go_once_no_approval_needs_them() {
    let environment = fixture::mark().environment;
    let record = |number: i64| {
        let plan = PlanId::of_body(&number.to_string());
        let path = path::applied(&environment, &plan);
        let at = at("10:00") + jiff::SignedDuration::from_mins(number);
        (path, StatusDocument::Applied(document::AppliedRecord::new(&environment, plan, at)))
    };
    let previous: Documents = (0..130).map(record).collect();
    let kept = |approved: Option<&OnFile>| {
        let documents = kept(&World::converged(), &previous, approved).0;
        (0..130).filter(|number| documents.contains_key(&record(*number).0)).collect::<Vec<i64>>()
    };
    let since = |number: i64| {
        Some(OnFile { since: Some(at("10:00") + jiff::SignedDuration::from_mins(number)), ..OnFile::default() })
    };
    assert_eq!(kept(None), Vec::from_iter(0..130), "nobody looked for approvals");
    assert_eq!(kept(Some(&OnFile::default())), Vec::from_iter(30..130));
    assert_eq!(kept(since(10).as_ref()), Vec::from_iter(10..130));
    assert_eq!(kept(since(90).as_ref()), Vec::from_iter(30..130));
}

/// The environment's status after a resource was healed at these times.
fn after_repairs(times: &[&str]) -> EnvironmentStatus {
    let world = World::converged();
    let plan = world.plan();
    let mut documents = Documents::new();
    for time in times {
        let mut record = AppliedRecord::new(&fixture::mark().environment, plan.id.clone(), at(time));
        record.steps.push(document::AppliedStep {
            key: "service/shop/orders".to_owned(),
            action: "update".to_owned(),
            digest: crate::plan::document::loosening_digest(""),
            healed: vec!["spec.selector.app".to_owned()],
            outcome: document::StepOutcome::Done,
            message: None,
        });
        let applied = Applied { commit: None, rules: None, record: Some(record) };
        let World { desired, observed } = &world;
        documents = compose(&Composition {
            desired,
            observed,
            plan: &plan,
            previous: &documents,
            applied: Some(&applied),
            failures: &BTreeMap::new(),
            approved: None,
            news: &[],
            now: at(time),
        });
    }
    environment(&documents).clone()
}

#[test]
fn three_repairs_within_an_hour_are_a_fight() {
    let desired = World::converged().desired;
    let told = |times: &[&str], now: &str| {
        let contested = contested(&after_repairs(times), &desired, at(now));
        contested.into_iter().map(|(key, told)| format!("{key}: {told}")).collect::<Vec<_>>().join("\n")
    };
    assert_eq!(told(&["10:00", "10:10"], "10:11"), "");
    assert_eq!(
        told(&["10:00", "10:10", "10:20"], "10:21"),
        "service/shop/orders: spec.selector.app was put back 3 times since 2026-11-20T10:00:00Z and changed again each time"
    );
    assert_eq!(told(&["10:00", "10:10", "11:05"], "11:06"), "", "the first is too long ago");
    assert_eq!(told(&["10:00", "10:10", "10:20"], "11:21"), "", "they left it alone for an hour");
}

#[test]
fn a_fight_is_over_when_the_wish_changes_or_the_drift_is_gone() {
    let mut world = World::converged();
    world.desired.policy.drift.notable = crate::desired::policy::OnDrift::Heal;
    let fight = after_repairs(&["10:00", "10:10", "10:20"]);
    world.desired.policy.contested = contested(&fight, &world.desired, at("10:21"));
    world.live_service().manifest["spec"]["selector"]["app"] = "other".into();
    let previous =
        Documents::from([(path::environment(&fixture::mark().environment), StatusDocument::Environment(fight))]);
    let composed = |world: &World| {
        let (plan, failures) = (world.plan_of_drift(), BTreeMap::new());
        let World { desired, observed } = world;
        let documents = compose(&Composition {
            desired,
            observed,
            plan: &plan,
            previous: &previous,
            applied: None,
            failures: &failures,
            approved: None,
            news: &[],
            now: at("10:21"),
        });
        environment(&documents).clone()
    };
    let status = composed(&world);
    assert_eq!(status.contested.len(), 1);
    // It goes on for as long as nothing changes.
    assert_eq!(contested(&status, &world.desired, at("23:00")).len(), 1);
    let mut other = world.clone();
    other.manifest()["spec"]["selector"]["app"] = "other".into();
    assert!(contested(&status, &other.desired, at("23:00")).is_empty());
    world.live_service().manifest["spec"]["selector"]["app"] = "orders".into();
    assert!(composed(&world).contested.is_empty());
}

#[test]
fn a_suspended_document_says_so_until_it_is_followed_again() {
    let mut world = World::converged();
    let intent = &world.desired.intents[&fixture::endpoint_key()];
    let suspension = crate::domain::suspension::Suspension { reason: "INC-7".to_owned(), until: None };
    world.desired.suspended.insert(intent.document.clone(), suspension);
    world.endpoint().tags.insert("team".to_owned(), "shop".to_owned());
    let first = composed(&world, &Documents::new(), "10:00");
    let head = &endpoint(&first).head;
    let reconciled = condition(head, ConditionType::Reconciled);
    assert_eq!((reconciled.status, reconciled.reason.as_str()), (ConditionStatus::False, "Suspended"));
    assert_eq!(reconciled.message, "suspended: INC-7");
    assert!(head.pending[0].starts_with("suspended: update privateendpoint/"), "{:?}", head.pending);
    assert_eq!(composed(&world, &first, "11:00"), first);
    world.desired.suspended.clear();
    let after = composed(&world, &first, "12:00");
    assert!(endpoint(&after).head.conditions.iter().all(|it| it.kind != ConditionType::Reconciled));
}
