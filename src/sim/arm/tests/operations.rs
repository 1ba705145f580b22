//! Long-running operations, preconditions and time.

use super::*;

#[test]
fn a_write_has_two_phases_and_two_etags() {
    let arm = example();
    let accepted = arm.call("PUT", &balancer(), &[], Some(with_frontends(&[frontend("a", "aks-subnet", None)])));
    assert_eq!((accepted.status, &accepted.body["properties"]["provisioningState"]), (201, &json!("Updating")));
    let url = accepted.header("Azure-AsyncOperation").unwrap().split(".invalid").nth(1).unwrap().to_owned();
    assert_eq!(get(&arm, &url)["status"], "InProgress");
    assert_eq!(get(&arm, &url)["status"], "Succeeded");
    let ended = get(&arm, &balancer());
    assert_eq!(ended["properties"]["provisioningState"], "Succeeded");
    assert_ne!(ended["etag"], accepted.body["etag"]);
    let again = arm.call("PUT", &balancer(), &[], Some(with_frontends(&[frontend("a", "aks-subnet", None)])));
    assert_eq!(again.status, 200, "an update is 200 and still not the end");
    assert!(again.header("azure-asyncoperation").is_some());
}

#[test]
fn a_resource_that_is_being_written_refuses_writes_and_lets_time_pass() {
    let arm = example();
    let body = with_frontends(&[frontend("a", "aks-subnet", None)]);
    arm.call("PUT", &balancer(), &[], Some(body.clone()));
    let busy = arm.call("PUT", &balancer(), &[], Some(body.clone()));
    refused(&busy, 429, "RetryableError");
    assert_eq!(busy.body["error"]["details"][0]["code"], "RetryableErrorDueToAnotherOperation");
    refused(&arm.call("DELETE", &balancer(), &[], None), 409, "AnotherOperationInProgress");
    assert_eq!(arm.call("PUT", &balancer(), &[], Some(body)).status, 200, "two refusals were two looks");
}

#[test]
fn a_client_that_polls_by_listing_sees_the_end() {
    let arm = example();
    arm.call("PUT", &balancer(), &[], Some(with_frontends(&[])));
    let list =
        || get(&arm, &network(NODE_GROUP, "loadBalancers"))["value"][0]["properties"]["provisioningState"].clone();
    assert_eq!([list(), list(), list()], ["Updating", "Updating", "Succeeded"]);
}

#[test]
fn a_reference_to_something_being_written_is_retryable() {
    let arm = example();
    put(&arm, &balancer(), with_frontends(&[frontend("a", "aks-subnet", None)]));
    policies_off(&arm);
    arm.call("PUT", &balancer(), &[], Some(with_frontends(&[frontend("a", "aks-subnet", None)])));
    let reply = arm.call("PUT", &service("orders"), &[], Some(service_on("a", json!({}))));
    refused(&reply, 429, "RetryableError");
    assert_eq!(reply.body["error"]["details"][0]["code"], "ReferencedResourceNotProvisioned");
}

#[test]
fn an_operation_can_fail_or_be_canceled_inside_a_200() {
    for (code, status) in
        [("AnotherOperationInProgress", "Failed"), ("CanceledAndSupersededDueToAnotherOperation", "Canceled")]
    {
        let arm = example();
        arm.faults().add(Fault {
            path: "loadBalancers".into(),
            method: Some("PUT".into()),
            code: code.into(),
            in_operation: true,
            times: Some(1),
            ..Fault::default()
        });
        let accepted = arm.call("PUT", &balancer(), &[], Some(with_frontends(&[])));
        let url = accepted.header("Azure-AsyncOperation").unwrap().split(".invalid").nth(1).unwrap().to_owned();
        get(&arm, &url);
        let ended = get(&arm, &url);
        assert_eq!((&ended["status"], &ended["error"]["code"]), (&json!(status), &json!(code)));
        assert_eq!(arm.settle(&accepted).error_code(), code);
        assert_eq!(get(&arm, &balancer())["properties"]["provisioningState"], status);
    }
}

#[test]
fn a_delete_is_202_then_gone_and_a_second_one_is_204() {
    let arm = example();
    put(&arm, &balancer(), with_frontends(&[]));
    let accepted = arm.call("DELETE", &balancer(), &[], None);
    assert_eq!((accepted.status, &accepted.body), (202, &Value::Null));
    let location = accepted.header("Location").unwrap().split(".invalid").nth(1).unwrap().to_owned();
    assert_eq!(arm.call("GET", &location, &[], None).status, 202);
    assert_eq!(get(&arm, &balancer())["properties"]["provisioningState"], "Deleting");
    assert_eq!(arm.call("GET", &location, &[], None).status, 204);
    refused(&arm.call("GET", &balancer(), &[], None), 404, "ResourceNotFound");
    assert_eq!(arm.call("DELETE", &balancer(), &[], None).status, 204);
}

#[test]
fn preconditions_hold_or_are_412() {
    let arm = example();
    let body = with_frontends(&[]);
    let held = put(&arm, &balancer(), body.clone());
    let etag = held["etag"].as_str().unwrap();
    refused(
        &arm.call("PUT", &balancer(), &[("If-Match", "W/\"stale\"")], Some(body.clone())),
        412,
        "PreconditionFailed",
    );
    refused(&arm.call("PUT", &balancer(), &[("If-None-Match", "*")], Some(body.clone())), 412, "PreconditionFailed");
    assert_eq!(arm.call("PUT", &balancer(), &[("If-Match", etag)], Some(body.clone())).status, 200);
    let absent = network(NODE_GROUP, "loadBalancers/other");
    refused(&arm.call("PUT", &absent, &[("If-Match", "*")], Some(body)), 412, "PreconditionFailed");
}

#[test]
fn wall_time_can_be_demanded_and_moved() {
    let text =
        include_str!("../../../../examples/world.yaml").replace("{ polls: 2 }", "{ polls: 1, milliseconds: 60000 }");
    let clock = Clock::start();
    let arm = crate::sim::resource_manager(&World::parse(&text).unwrap(), &clock).unwrap();
    let accepted = arm.call("PUT", &balancer(), &[], Some(with_frontends(&[])));
    let url = accepted.header("Azure-AsyncOperation").unwrap().split(".invalid").nth(1).unwrap().to_owned();
    assert_eq!(get(&arm, &url)["status"], "InProgress");
    clock.advance(std::time::Duration::from_secs(61));
    assert_eq!(get(&arm, &url)["status"], "Succeeded");
}

fn example_with(operations: &str) -> Arm {
    let text = include_str!("../../../../examples/world.yaml").replace("{ polls: 2 }", operations);
    crate::sim::resource_manager(&World::parse(&text).unwrap(), &Clock::start()).unwrap()
}

#[track_caller]
fn path_of(reply: &Reply, header: &str) -> String {
    reply.header(header).unwrap().split(".invalid").nth(1).unwrap().to_owned()
}

#[test]
fn an_operation_can_be_announced_by_location_alone() {
    let arm = example_with("{ polls: 2, style: location }");
    let accepted = arm.call("PUT", &balancer(), &[], Some(with_frontends(&[])));
    assert_eq!((accepted.status, accepted.header("Azure-AsyncOperation")), (201, None));
    let result = path_of(&accepted, "Location");
    assert_eq!(arm.call("GET", &result, &[], None).status, 202);
    let ended = arm.call("GET", &result, &[], None);
    assert_eq!((ended.status, &ended.body["name"]), (200, &json!("kubernetes-internal")));
    let accepted = arm.call("DELETE", &balancer(), &[], None);
    let result = path_of(&accepted, "Location");
    assert_eq!([202, 204], [(); 2].map(|()| arm.call("GET", &result, &[], None).status));
    arm.faults().add(Fault { in_operation: true, status: 409, code: "Conflict".into(), ..Fault::default() });
    let accepted = arm.call("PUT", &balancer(), &[], Some(with_frontends(&[])));
    let result = path_of(&accepted, "Location");
    assert_eq!(arm.call("GET", &result, &[], None).status, 202);
    refused(&arm.call("GET", &result, &[], None), 409, "Conflict");
}

#[test]
fn private_dns_answers_202_when_only_location_tells() {
    let arm = example_with("{ polls: 1, style: location }");
    let zone = network("myResourceGroup", "privateDnsZones/some.internal");
    let accepted = arm.call("PUT", &zone, &[], Some(json!({ "location": "global" })));
    assert_eq!((accepted.status, &accepted.body), (202, &Value::Null));
    assert_eq!(get(&arm, &path_of(&accepted, "Location"))["name"], "some.internal");
}

#[test]
fn an_operation_can_be_told_by_the_state_of_its_resource_alone() {
    let arm = example_with("{ polls: 2, style: provisioning-state }");
    let state = || get(&arm, &balancer())["properties"]["provisioningState"].clone();
    let accepted = arm.call("PUT", &balancer(), &[], Some(with_frontends(&[])));
    assert_eq!((accepted.header("Azure-AsyncOperation"), accepted.header("Location")), (None, None));
    assert_eq!([state(), state(), state()], ["Updating", "Updating", "Succeeded"]);
    arm.faults().add(Fault { in_operation: true, canceled: true, times: Some(1), ..Fault::default() });
    arm.call("PUT", &balancer(), &[], Some(with_frontends(&[])));
    assert_eq!([state(), state(), state()], ["Updating", "Updating", "Canceled"]);
    assert_eq!(arm.call("DELETE", &balancer(), &[], None).status, 202);
    assert_eq!([state(), state()], ["Deleting", "Deleting"]);
    refused(&arm.call("GET", &balancer(), &[], None), 404, "ResourceNotFound");
}

#[test]
fn a_type_can_take_longer_than_others() {
    let arm = example_with("{ polls: 1, durations: { Microsoft.Network/LoadBalancers: { polls: 4 } } }");
    let looks = |id: &str, body: Value| {
        let accepted = arm.call("PUT", id, &[], Some(body));
        let url = path_of(&accepted, "Azure-AsyncOperation");
        (1..9).find(|_| get(&arm, &url)["status"] == "Succeeded")
    };
    assert_eq!(looks(&balancer(), with_frontends(&[])), Some(4));
    assert_eq!(looks(&subnet("pls-subnet"), get(&arm, &subnet("pls-subnet"))), Some(1));
}

#[test]
fn an_operation_can_fail_late() {
    let arm = example();
    arm.faults().add(Fault { in_operation: true, polls: Some(5), code: "Late".into(), ..Fault::default() });
    let accepted = arm.call("PUT", &balancer(), &[], Some(with_frontends(&[])));
    let url = path_of(&accepted, "Azure-AsyncOperation");
    let seen: Vec<Value> = (0..5).map(|_| get(&arm, &url)).collect();
    assert!(seen[..4].iter().all(|document| document["status"] == "InProgress"), "{seen:?}");
    assert_eq!((&seen[4]["status"], &seen[4]["error"]["code"]), (&json!("Failed"), &json!("Late")));
}

#[test]
fn a_group_whose_delete_failed_is_usable_again() {
    let arm = example();
    let group = format!("{PROVIDER}/rg-pls");
    arm.faults().add(Fault { in_operation: true, ..Fault::default() });
    let accepted = arm.call("DELETE", &group, &[], None);
    assert_eq!(get(&arm, &group)["properties"]["provisioningState"], "Deleting");
    assert_eq!(arm.settle(&accepted).status, 500);
    assert_eq!(get(&arm, &group)["properties"]["provisioningState"], "Succeeded");
}
