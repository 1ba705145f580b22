//! Edits that cost somebody something: the four observed ones first.

use serde_json::json;

use super::*;

#[tokio::test]
async fn changing_the_address_cuts_every_consumer_and_makes_a_new_alias() {
    let world = World::new().await;
    world.apply(&service("app", &[(INTERNAL, "true"), (CREATE, "true"), (IPV4, "10.224.1.10")])).await;
    let before = world.link_services().remove(0);
    world.connect("consumer1");
    let mark = world.mark();
    let own = world.annotate("app", &[(IPV4, Some("10.224.1.11"))]).await;
    assert_eq!(
        world.writes_since(mark),
        [
            "DELETE privateEndpointConnections 202",
            "DELETE privateLinkServices 202",
            "PUT loadBalancers 200",
            "PUT privateLinkServices 201"
        ]
    );
    assert_eq!(address(&own), "10.224.1.11");
    let after = world.link_services().remove(0);
    assert_eq!(after["name"], before["name"]);
    assert_ne!(after["properties"]["alias"], before["properties"]["alias"]);
    assert_eq!(world.connections(), 0);
}

#[tokio::test]
async fn switching_publication_off_changes_nothing() {
    let world = World::new().await;
    world.apply(&service("app", &[(INTERNAL, "true"), (CREATE, "true")])).await;
    world.connect("consumer2");
    let mark = world.mark();
    world.annotate("app", &[(CREATE, Some("false"))]).await;
    assert_eq!(world.writes_since(mark), Vec::<String>::new());
    assert_eq!(world.connections(), 1);
}

#[tokio::test]
async fn moving_to_another_subnet_rebuilds_everything_under_a_new_name() {
    let world = World::new().await;
    let own = world.apply(&service("app", &[(INTERNAL, "true"), (CREATE, "true"), (IPV4, "10.224.1.10")])).await;
    world.connect("consumer3");
    let mark = world.mark();
    world.annotate("app", &[(SUBNET, Some("apps-subnet")), (IPV4, Some("10.225.0.30"))]).await;
    assert_eq!(
        world.writes_since(mark),
        [
            "DELETE privateEndpointConnections 202",
            "DELETE privateLinkServices 202",
            "PUT loadBalancers 200",
            "PUT subnets 200",
            "PUT privateLinkServices 201",
        ]
    );
    let service = world.link_services().remove(0);
    assert_eq!(service["name"], json!(format!("pls-{}-apps-subnet", base(&own))));
    assert_eq!(world.connections(), 0);
}

#[tokio::test]
async fn a_wrong_address_cuts_the_consumers_and_leaves_the_old_address_serving() {
    let world = World::new().await;
    world.apply(&service("app", &[(INTERNAL, "true"), (CREATE, "true"), (IPV4, "10.224.1.10")])).await;
    world.connect("consumer4");
    let mark = world.mark();
    let own = world.annotate("app", &[(IPV4, Some("10.99.0.1"))]).await;
    assert_eq!(
        world.writes_since(mark),
        ["DELETE privateEndpointConnections 202", "DELETE privateLinkServices 202", "PUT loadBalancers 400"]
    );
    assert_eq!(world.link_services().len(), 0);
    assert_eq!(address(&own), "10.224.1.10");
    let frontend = &world.balancer()["properties"]["frontendIPConfigurations"][0];
    assert_eq!(frontend["properties"]["privateIPAddress"], "10.224.1.10");
    let failure = world.failure("app");
    assert!(
        failure.starts_with("Error syncing load balancer: failed to ensure load balancer: PUT https://"),
        "{failure}"
    );
    assert!(
        failure.contains("\nRESPONSE 400: 400 Bad Request\nERROR CODE: PrivateIPAddressNotInSubnet\n"),
        "{failure}"
    );
    world.sim.resync();
    world.annotate("app", &[(IPV4, Some("10.224.1.12"))]).await;
    assert_eq!(address(&world.service("app")), "10.224.1.12");
    assert_eq!(world.link_services().len(), 1);
}

#[tokio::test]
async fn two_services_share_one_address_until_both_are_gone() {
    let world = World::new().await;
    let first = world.apply(&service("first", &[(INTERNAL, "true"), (IPV4, "10.224.1.10"), (CREATE, "true")])).await;
    let mut second = service("second", &[(INTERNAL, "true"), (IPV4, "10.224.1.10"), (CREATE, "true")]);
    second["spec"]["ports"] = json!([{"port": 443}]);
    let second = world.apply(&second).await;
    assert_eq!(address(&second), "10.224.1.10");
    assert_eq!(world.balancer()["properties"]["frontendIPConfigurations"].as_array().unwrap().len(), 1);
    assert_eq!(world.link_services().len(), 1, "the second shares the Private Link Service in silence");
    // A sharer that wants to tune it is refused, with only the presence of the annotation.
    world.annotate("second", &[("service.beta.kubernetes.io/azure-pls-fqdns", Some(""))]).await;
    assert!(
        world.failure("second").contains("already has existing private link service("),
        "{}",
        world.failure("second")
    );
    world.annotate("second", &[("service.beta.kubernetes.io/azure-pls-fqdns", None)]).await;
    world.delete("first").await;
    assert!(world.reasons("first").contains(&"DeletingFrontendIPConfiguration".to_owned()));
    let balancer = world.balancer();
    assert_eq!(balancer["properties"]["frontendIPConfigurations"][0]["name"], json!(base(&first)));
    assert_eq!(balancer["properties"]["loadBalancingRules"].as_array().unwrap().len(), 1);
    assert_eq!(world.link_services().len(), 1, "the Private Link Service outlives its owner");
    world.delete("second").await;
    assert_eq!(world.link_services().len(), 0);
    assert!(world.get("loadBalancers/kubernetes-internal").is_none());
}

#[tokio::test]
async fn the_last_service_takes_its_load_balancer_along() {
    let world = World::new().await;
    world.apply(&service("app", &[(INTERNAL, "true"), (CREATE, "true")])).await;
    world.connect("consumer");
    let mark = world.mark();
    world.delete("app").await;
    assert_eq!(
        world.writes_since(mark),
        [
            "DELETE privateEndpointConnections 202",
            "DELETE privateLinkServices 202",
            "PUT virtualMachineScaleSets 200",
            "PUT virtualMachines 200",
            "DELETE loadBalancers 202"
        ]
    );
    assert!(world.cluster.get("service", "default", "app").is_none());
    let reasons = world.reasons("app");
    assert!(reasons.ends_with(&["DeletingLoadBalancer".to_owned(), "DeletedLoadBalancer".to_owned()]), "{reasons:?}");
}

#[tokio::test]
async fn a_service_that_is_no_load_balancer_any_more_loses_everything() {
    let world = World::new().await;
    world.apply(&service("app", &[(INTERNAL, "true")])).await;
    let patch = json!({"spec": {"type": "ClusterIP"}});
    world.cluster.patch_service("default", "app", (&patch, "kubectl")).unwrap();
    world.cluster.idle().await;
    let own = world.service("app");
    assert_eq!(own["status"]["loadBalancer"], json!({}));
    assert_eq!(own["metadata"].get("finalizers"), None);
    assert!(world.get("loadBalancers/kubernetes-internal").is_none());
}

#[tokio::test]
async fn a_public_service_may_not_be_published_and_keeps_its_internal_half() {
    let world = World::new().await;
    world.apply(&service("app", &[(INTERNAL, "true"), (CREATE, "true")])).await;
    let own = world.annotate("app", &[(INTERNAL, None)]).await;
    assert!(world.failure("app").contains("must be internal or disable floating ip"));
    assert!(address(&own).starts_with("10.224."), "the status is only written after every step");
    assert_eq!(world.link_services().len(), 1);
    assert!(world.get("loadBalancers/kubernetes").is_some());
}

#[tokio::test]
async fn a_name_that_another_service_has_is_refused_or_taken_over_by_version() {
    for (version, owner) in [("1.36.6", "default/first"), ("1.36.5", "default/second")] {
        let world = World::with(|world| world.clusters[0].cloud_provider_version = Some(version.to_owned())).await;
        world.apply(&service("first", &[(INTERNAL, "true"), (CREATE, "true"), (NAME, "pls-shared")])).await;
        world.apply(&service("second", &[(INTERNAL, "true"), (CREATE, "true"), (NAME, "pls-shared")])).await;
        let services = world.link_services();
        assert_eq!(services.len(), 1);
        assert_eq!(services[0]["tags"]["k8s-azure-owner-service"], owner, "{}", world.failure("second"));
        assert_eq!(world.failure("second").contains("already exists on another frontend"), owner == "default/first");
    }
}

#[tokio::test]
async fn an_unmanaged_private_link_service_blocks_and_a_renamed_one_too() {
    let world = World::new().await;
    world.apply(&service("app", &[(INTERNAL, "true"), (CREATE, "true"), (NAME, "pls-one")])).await;
    world.annotate("app", &[(NAME, Some("pls-two"))]).await;
    assert!(world.failure("app").contains("cannot change existing private link service name"));
    world.annotate("app", &[(NAME, None)]).await;
    let mut body = world.link_services().remove(0);
    body["tags"] = json!({});
    let reply = world.arm.call("PUT", &network("privateLinkServices/pls-one"), &[("User-Agent", "test")], Some(body));
    assert!(world.arm.settle(&reply).is_success());
    world.annotate("app", &[("example.com/note", Some("1"))]).await;
    assert!(!world.failure("app").contains("unmanaged"), "what it has read is trusted for two minutes");
    world.advance(121).await;
    world.annotate("app", &[("example.com/note", Some("2"))]).await;
    assert!(world.failure("app").contains("already has unmanaged private link service"));
    // Deletion does not ask whose it is.
    world.delete("app").await;
    assert_eq!(world.link_services().len(), 0);
}

#[tokio::test]
async fn moving_a_shared_frontend_fails_after_its_private_link_service_is_gone() {
    let world = World::new().await;
    world.apply(&service("first", &[(INTERNAL, "true"), (IPV4, "10.224.1.10"), (CREATE, "true")])).await;
    let mut second = service("second", &[(INTERNAL, "true"), (IPV4, "10.224.1.10")]);
    second["spec"]["ports"] = json!([{"port": 443}]);
    world.apply(&second).await;
    world.annotate("first", &[(SUBNET, Some("apps-subnet")), (IPV4, None)]).await;
    assert!(world.failure("first").contains("ERROR CODE: InvalidResourceReference"), "{}", world.failure("first"));
    assert_eq!(world.link_services().len(), 0);
    assert_eq!(address(&world.service("first")), "10.224.1.10");
}

#[tokio::test]
async fn a_new_address_of_a_shared_frontend_moves_the_sharer_in_silence() {
    let world = World::new().await;
    world.apply(&service("first", &[(INTERNAL, "true"), (IPV4, "10.224.1.10")])).await;
    let mut second = service("second", &[(INTERNAL, "true"), (IPV4, "10.224.1.10")]);
    second["spec"]["ports"] = json!([{"port": 443}]);
    world.apply(&second).await;
    world.annotate("first", &[(IPV4, Some("10.224.1.11"))]).await;
    assert_eq!(address(&world.service("second")), "10.224.1.10", "its status is stale");
    let balancer = world.balancer();
    assert_eq!(balancer["properties"]["frontendIPConfigurations"].as_array().unwrap().len(), 1);
    assert_eq!(balancer["properties"]["loadBalancingRules"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn becoming_public_without_floating_address_leaves_a_stale_frontend_behind() {
    let world = World::new().await;
    let off = "service.beta.kubernetes.io/azure-disable-load-balancer-floating-ip";
    world.apply(&service("app", &[(INTERNAL, "true"), (CREATE, "true"), (off, "true")])).await;
    world.connect("consumer");
    let own = world.annotate("app", &[(INTERNAL, None), (CREATE, None)]).await;
    assert!(address(&own).starts_with("20."), "{}", world.failure("app"));
    assert_eq!(world.link_services().len(), 0);
    assert_eq!(world.balancer()["properties"]["frontendIPConfigurations"].as_array().unwrap().len(), 1);
    world.annotate("app", &[("example.com/note", Some("1"))]).await;
    assert!(world.get("loadBalancers/kubernetes-internal").is_none(), "the next sync removes it");
}

#[tokio::test]
async fn a_bad_additional_address_breaks_the_sync_and_the_deletion() {
    let world = World::new().await;
    let additional = "service.beta.kubernetes.io/azure-additional-public-ips";
    world.apply(&service("app", &[(INTERNAL, "true")])).await;
    world.annotate("app", &[(additional, Some("20.0.0.1, 20.0.0.2"))]).await;
    assert!(world.failure("app").contains("is not a valid IP address"), "{}", world.failure("app"));
    world.delete("app").await;
    assert!(world.failure("app").contains("failed to delete load balancer"), "{}", world.failure("app"));
    world.cluster.annotate("default", "app", &[(additional, None)]).unwrap();
    world.cluster.idle().await;
    assert!(world.cluster.get("service", "default", "app").is_none());
}

#[tokio::test]
async fn a_port_of_a_nat_pool_is_refused_before_any_write() {
    let world = World::new().await;
    world.apply(&service("app", &[(INTERNAL, "true")])).await;
    let mut balancer = world.balancer();
    let frontend = balancer["properties"]["frontendIPConfigurations"][0]["id"].clone();
    balancer["properties"]["inboundNatPools"] = json!([{"name": "ssh", "properties": {
        "frontendIPConfiguration": {"id": frontend}, "protocol": "Tcp",
        "frontendPortRangeStart": 8000, "frontendPortRangeEnd": 8100, "backendPort": 22}}]);
    assert!(world.arm.raw_put(&network("loadBalancers/kubernetes-internal"), balancer));
    let mark = world.mark();
    let ports = json!({"spec": {"ports": [{"name": "http", "port": 80}, {"name": "more", "port": 8080}]}});
    world.cluster.patch_service("default", "app", (&ports, "kubectl")).unwrap();
    world.cluster.idle().await;
    assert!(world.failure("app").contains("existing inbound NAT pool ssh"), "{}", world.failure("app"));
    assert_eq!(world.writes_since(mark), Vec::<String>::new());
}
