//! What stands apart from what the commit asks for: drift, what rules bring about, and what is suspended.

use super::*;

#[test]
fn drift_stands_apart_and_names_the_field_manager() {
    let mut world = World::converged();
    world.live_service().manifest["spec"]["selector"]["app"] = json!("orders-canary");
    world.live_service().managers.insert("spec.selector.app".to_owned(), "kubectl-edit".to_owned());
    world.live_link().connections.clear();
    world.desired.intents.get_mut(&fixture::service_key()).unwrap().adopt = Some("shop/orders".to_owned());
    insta::assert_snapshot!(shown(&world.plan_of_drift()), @r#"
    Plan for prod: notable
    + 0 to create, ~ 1 to update, -/+ 0 to replace, - 0 to delete

    Drift: what changed outside Git and would be put back
      1. ~ service/shop/orders: update  [notable]
          asked for in environments/prod/orders.yaml
          drift: changed outside Git, by kubectl-edit
          takes over spec.selector.app from kubectl-edit, because the document adopts the Service
          ~ spec.selector.app  "orders-canary" -> "orders"  (held by kubectl-edit)

    Approval
      notable drift (1 change): 1 person who is neither author nor committer must approve

    Plan id: dccebab80653d486ad21ece216b3c8ca5b4d65b99e40bbb18473f0d47c1b50ae
    "#);
}

#[test]
fn a_rule_that_answers_a_request_stands_apart_too() {
    let mut world = World::converged();
    world.live_link().connections[1].status = ConnectionStatus::Pending;
    let publisher = crate::domain::key::PublisherKey::Cluster(fixture::orders());
    world.desired.connections.insert(publisher, fixture::approving(3));
    insta::assert_snapshot!(shown(&world.plan_of_drift()), @r#"
    Plan for prod: notable
    + 0 to create, ~ 1 to update, -/+ 0 to replace, - 0 to delete

    Connections answered by a rule
      1. ~ connection/beta-pe -> shop/orders: update  [notable]
          asked for in environments/prod/orders.yaml
          a connection rule of this repository answers a new request
          ~ state  "Pending" -> "Approved"

    Notes
      privatelinkservice/shop/orders: left alone: no rule permits acme-pe, orders-pe any more, and approved connections are not cut by that

    Approval
      notable (1 change): the merge of the commit is enough

    Plan id: 5ed19618dd2230af57a5e46e670f58a7c618524ad1da62030d11cb679ecd2a41
    "#);
}

#[test]
fn what_somebody_else_changes_back_every_time_is_not_put_back_any_more() {
    let mut world = World::converged();
    world.desired.policy.drift.notable = OnDrift::Heal;
    let told = "spec.selector.app was put back 3 times since 2026-11-20T10:00:00Z and changed again each time";
    world.desired.policy.contested.insert("service/shop/orders".to_owned(), told.to_owned());
    world.live_service().manifest["spec"]["selector"]["app"] = json!("orders-canary");
    insta::assert_snapshot!(shown(&world.plan_of_drift()), @r#"
    Nothing to change: 4 resources are as they shall be, 1 drifted resource only reported.

    Drift that is only reported: what changed outside Git and stays as it is
      ~ service/shop/orders: update  [notable]
          asked for in environments/prod/orders.yaml
          ~ spec.selector.app  "orders-canary" -> "orders"
          not put back because spec.selector.app was put back 3 times since 2026-11-20T10:00:00Z and changed again each time (PRE-DRIFT-CONTESTED)
          help: Find out who writes it, and have one of the two stop. Healing begins again once the resource is as the document says, or the document says something else of it.
    "#);
    // A person who approves may do it as often as they like.
    world.desired.policy.drift.notable = OnDrift::Propose;
    assert_eq!(world.plan_of_drift().steps.len(), 1);
}

#[test]
fn drift_that_is_healed_says_so_and_what_is_only_reported_stands_apart() {
    let mut world = World::converged();
    world.desired.policy.drift.notable = OnDrift::Heal;
    world.desired.policy.drift.disruptive = OnDrift::Report;
    world.live_service().manifest["spec"]["selector"]["app"] = json!("orders-canary");
    world
        .observed
        .dns_records
        .values_mut()
        .for_each(|live| live.record.addresses = Addresses::Known(["10.9.9.9".parse().unwrap()].into()));
    insta::assert_snapshot!(shown(&world.plan_of_drift()), @r#"
    Plan for prod: notable, 1 drifted resource only reported
    + 0 to create, ~ 1 to update, -/+ 0 to replace, - 0 to delete

    Drift that is only reported: what changed outside Git and stays as it is
      ~ dnsrecord/api.orders.internal: update  [disruptive]
          asked for in environments/prod/consumer.yaml
          ~ addresses  {10.9.9.9} -> 10.50.1.4
          not put back because drift of disruptive risk is only reported here (PRE-DRIFT-REPORTED)
          help: Put it back by hand, make the document say what is there, or say "propose" in the environment's drift settings.

    Drift: what changed outside Git and would be put back
      1. ~ service/shop/orders: update  [notable]
          asked for in environments/prod/orders.yaml
          drift: changed outside Git
          ~ spec.selector.app  "orders-canary" -> "orders"

    Approval
      notable drift (1 change): put back without asking

    Plan id: 461a34c482aae036eddfcc8153e643fc05766e8ce837c739e5e66a9d2772595d
    "#);
    world.desired.policy.drift.notable = OnDrift::Report;
    insta::assert_snapshot!(shown(&world.plan_of_drift()), @r#"
    Nothing to change: 3 resources are as they shall be, 2 drifted resources only reported.

    Drift that is only reported: what changed outside Git and stays as it is
      ~ service/shop/orders: update  [notable]
          asked for in environments/prod/orders.yaml
          ~ spec.selector.app  "orders-canary" -> "orders"
          not put back because drift of notable risk is only reported here (PRE-DRIFT-REPORTED)
          help: Put it back by hand, make the document say what is there, or say "propose" in the environment's drift settings.
      ~ dnsrecord/api.orders.internal: update  [disruptive]
          asked for in environments/prod/consumer.yaml
          ~ addresses  {10.9.9.9} -> 10.50.1.4
          not put back because drift of disruptive risk is only reported here (PRE-DRIFT-REPORTED)
          help: Put it back by hand, make the document say what is there, or say "propose" in the environment's drift settings.
    "#);
    let markdown = crate::render::markdown::plan(&world.plan_of_drift(), Details::default(), 60_000);
    insta::assert_snapshot!(markdown, @r#"
    <!-- privlink:v1 environment=prod plan=45b3448118243b183ccffdb548894bdaf7351d1461595ae68c0e330b9363cb2c -->
    ### privlink plan for prod

    Nothing to change: 3 resources are as they shall be, 2 drifted resources only reported.

    **Drift that is only reported: what changed outside Git and stays as it is**

    - `service/shop/orders` (update)<br>asked for in `environments/prod/orders.yaml`<br>not put back because drift of notable risk is only reported here (PRE-DRIFT-REPORTED)<br>help: Put it back by hand, make the document say what is there, or say "propose" in the environment's drift settings.
    - `dnsrecord/api.orders.internal` (update)<br>asked for in `environments/prod/consumer.yaml`<br>not put back because drift of disruptive risk is only reported here (PRE-DRIFT-REPORTED)<br>help: Put it back by hand, make the document say what is there, or say "propose" in the environment's drift settings.
    "#);
    let json = serde_json::to_value(crate::render::json::of(&world.plan_of_drift(), Details::default())).unwrap();
    let told = |left: &serde_json::Value| format!("{} {} {}", left["key"], left["cause"], left["reported"]);
    let told: Vec<String> = json["leftOut"].as_array().unwrap().iter().map(told).collect();
    insta::assert_snapshot!(told.join("\n"), @r#"
    "service/shop/orders" "drift" true
    "dnsrecord//subscriptions/00000000-0000-0000-0000-000000000001/resourcegroups/rg-dns/providers/microsoft.network/privatednszones/orders.internal/a/api" "drift" true
    "#);
}

#[test]
fn what_is_suspended_stands_apart_and_says_why_and_until_when() {
    let mut world = World::converged();
    let document = world.desired.intents[&fixture::service_key()].document.clone();
    let until = Some("2026-12-01T07:00:00Z".parse().unwrap());
    let reason = "INC-7: ACME moves its gateway".to_owned();
    world.desired.suspended.insert(document, crate::domain::suspension::Suspension { reason, until });
    world.manifest()["spec"]["ports"][0]["port"] = 8443.into();
    insta::assert_snapshot!(shown(&world.plan()), @r#"
    Nothing to change: 4 resources are as they shall be, 1 change suspended.

    Suspended: stays as it is for as long as its document says so
      ~ service/shop/orders: update  [notable]
          asked for in environments/prod/orders.yaml
          + spec.ports[8443/TCP]             "open"
          + spec.ports[8443/TCP].targetPort  8443
          not done because service/orders is suspended until 2026-12-01T07:00:00Z: INC-7: ACME moves its gateway (PRE-SUSPENDED)
          help: Remove privlink.dev/suspend from the document, or wait for its end.

    Notes
      service/orders: suspended until 2026-12-01T07:00:00Z: INC-7: ACME moves its gateway; what it asks for stays as it is
    "#);
}
