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
