//! What the controller makes of Services, and what stops it.

use serde_json::{Value, json};

use super::*;
use crate::sim::fault::Fault;

#[tokio::test]
async fn an_internal_service_gets_a_load_balancer_as_the_article_shows() {
    let world = World::new().await;
    let own = world.apply(&service("internal-app", &[(INTERNAL, "true")])).await;
    assert_eq!(address(&own), "10.224.0.4");
    assert_eq!(own["metadata"]["finalizers"], json!(["service.kubernetes.io/load-balancer-cleanup"]));
    let balancer = world.balancer();
    let frontend = &balancer["properties"]["frontendIPConfigurations"][0];
    assert_eq!(frontend["name"], json!(base(&own)));
    assert_eq!(frontend["properties"]["privateIPAllocationMethod"], "Dynamic");
    let rule = &balancer["properties"]["loadBalancingRules"][0];
    assert_eq!(rule["name"], json!(format!("{}-TCP-80", base(&own))));
    let expected = json!({"frontendPort": 80, "backendPort": 80, "enableFloatingIP": true, "enableTcpReset": true,
        "idleTimeoutInMinutes": 4, "loadDistribution": "Default", "protocol": "Tcp"});
    for (key, value) in expected.as_object().unwrap() {
        assert_eq!(&rule["properties"][key], value, "{key}");
    }
    let node_port = &own["spec"]["ports"][0]["nodePort"];
    assert_eq!(&balancer["properties"]["probes"][0]["properties"]["port"], node_port);
    assert_eq!(world.reasons("internal-app"), ["EnsuringLoadBalancer", "EnsuredLoadBalancer"]);
    assert_eq!(world.link_services().len(), 0);
}

fn in_article_subnet(world: &mut world::World) {
    world.clusters[0].subnet = "article-subnet".to_owned();
    world.clusters[0].nodes[0].address = "10.240.0.4".parse().unwrap();
}

#[tokio::test]
async fn the_other_manifests_of_the_article_do_what_it_says() {
    let world = World::with(in_article_subnet).await;
    let pinned = world.apply(&service("pinned", &[(INTERNAL, "true"), (IPV4, "10.240.0.25")])).await;
    assert_eq!(address(&pinned), "10.240.0.25");
    world.delete("pinned").await;
    let mut by_field = service("by-field", &[(INTERNAL, "true")]);
    by_field["spec"]["loadBalancerIP"] = json!("10.240.0.25");
    assert_eq!(address(&world.apply(&by_field).await), "10.240.0.25");
    let subnet = world.apply(&service("subnet", &[(INTERNAL, "true"), (SUBNET, "apps-subnet")])).await;
    assert!(address(&subnet).starts_with("10.225.0."), "{}", address(&subnet));
    let published = world.apply(&service("published", &[(INTERNAL, "true"), (CREATE, "true")])).await;
    let services = world.link_services();
    assert_eq!(services[0]["name"], json!(format!("pls-{}", base(&published))));
    assert_eq!(services[0]["tags"]["k8s-azure-owner-service"], "default/published");
    assert_eq!(services[0]["tags"]["k8s-azure-cluster-name"], "kubernetes");
    assert!(services[0]["properties"]["alias"].as_str().unwrap().ends_with(".eastus2.azure.privatelinkservice"));
    let subnet = world.get("virtualNetworks/aks-vnet/subnets/article-subnet").unwrap();
    assert_eq!(subnet["properties"]["privateLinkServiceNetworkPolicies"], "Disabled");
}

#[tokio::test]
async fn a_port_that_a_sharer_has_is_refused_before_any_write() {
    let world = World::new().await;
    world.apply(&service("first", &[(INTERNAL, "true"), (IPV4, "10.224.1.10")])).await;
    let mark = world.mark();
    let second = world.apply(&service("second", &[(INTERNAL, "true"), (IPV4, "10.224.1.10")])).await;
    assert_eq!(world.writes_since(mark), Vec::<String>::new());
    assert_eq!(address(&second), "");
    assert!(world.failure("second").contains("which is being referenced by an existing loadBalancing rule"));
}

#[tokio::test]
async fn the_ninth_private_link_service_of_a_load_balancer_fails_but_its_frontend_works() {
    let world = World::new().await;
    for number in 1..=8 {
        world.apply(&service(&format!("app{number}"), &[(INTERNAL, "true"), (CREATE, "true")])).await;
    }
    assert_eq!(world.link_services().len(), 8);
    let ninth = world.apply(&service("app9", &[(INTERNAL, "true"), (CREATE, "true")])).await;
    assert_eq!(address(&ninth), "", "the address stays unknown although the frontend works");
    assert_eq!(world.balancer()["properties"]["frontendIPConfigurations"].as_array().unwrap().len(), 9);
    assert!(world.failure("app9").contains("create or update PLS: PUT "), "{}", world.failure("app9"));
    // Room for one more makes the next try succeed; that something changed elsewhere does not make it come sooner.
    world.delete("app1").await;
    assert_eq!(address(&world.service("app9")), "");
    world.advance(5).await;
    assert_ne!(address(&world.service("app9")), "");
}

#[tokio::test]
async fn two_families_get_two_frontends() {
    let world = World::new().await;
    let mut dual = service("dual", &[(INTERNAL, "true")]);
    dual["spec"]["ipFamilyPolicy"] = json!("RequireDualStack");
    let own = world.apply(&dual).await;
    let ingress = own["status"]["loadBalancer"]["ingress"].as_array().unwrap().clone();
    assert_eq!(ingress.len(), 2, "{}", world.failure("dual"));
    assert!(ingress[0]["ip"].as_str().unwrap().starts_with("10.224."));
    assert!(ingress[1]["ip"].as_str().unwrap().starts_with("fd00:"));
    let balancer = world.balancer();
    let names: Vec<&Value> =
        balancer["properties"]["frontendIPConfigurations"].as_array().unwrap().iter().map(|own| &own["name"]).collect();
    assert_eq!(names, [&json!(base(&own)), &json!(format!("{}-IPv6", base(&own)))]);
}

#[tokio::test]
async fn a_spelling_of_true_that_is_not_exact_makes_the_service_public() {
    let world = World::new().await;
    let own = world.apply(&service("app", &[(INTERNAL, "True")])).await;
    assert!(address(&own).starts_with("20."), "{}", world.failure("app"));
    assert!(world.get("loadBalancers/kubernetes").is_some());
    let own = world.annotate("app", &[(INTERNAL, Some("true"))]).await;
    assert!(address(&own).starts_with("10.224."));
    assert!(world.get("loadBalancers/kubernetes").is_none());
    assert_eq!(world.get("publicIPAddresses").unwrap()["value"], json!([]));
}

#[tokio::test]
async fn a_missing_subnet_is_named_before_anything_is_written() {
    let world = World::new().await;
    let mark = world.mark();
    world.apply(&service("app", &[(INTERNAL, "true"), (SUBNET, "nope")])).await;
    assert!(world.failure("app").contains("failed to get subnet: aks-vnet/nope"), "{}", world.failure("app"));
    assert_eq!(world.writes_since(mark), Vec::<String>::new());
}

#[tokio::test]
async fn a_failure_is_counted_and_tried_again_until_it_works() {
    let world = World::new().await;
    let path = "loadBalancers/kubernetes-internal".to_owned();
    let fault = Fault { method: Some("PUT".to_owned()), path, status: 409, times: Some(2), ..Fault::default() };
    world.sim.add_fault(fault);
    let mark = world.mark();
    world.apply(&service("app", &[(INTERNAL, "true")])).await;
    // Five seconds, then ten, then as often as it takes; no sooner.
    world.advance(2).await;
    assert_eq!(world.writes_since(mark), ["PUT loadBalancers 409"]);
    world.advance(3).await;
    world.advance(5).await;
    assert_eq!(world.writes_since(mark), ["PUT loadBalancers 409", "PUT loadBalancers 409"]);
    assert_eq!(address(&world.service("app")), "");
    world.advance(5).await;
    assert_ne!(address(&world.service("app")), "");
    let events = world.cluster.events("default", "app");
    let failed = events.iter().find(|event| event["reason"] == "SyncLoadBalancerFailed").unwrap();
    assert_eq!(failed["count"], 2);
}

#[tokio::test]
async fn another_group_for_the_private_link_service_is_refused_by_azure() {
    let world = World::new().await;
    let group = format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-pls");
    world.arm.call("PUT", &group, &[("User-Agent", "test")], Some(json!({"location": "eastus2"})));
    world.apply(&service("app", &[(INTERNAL, "true"), (CREATE, "true")])).await;
    world.annotate("app", &[("service.beta.kubernetes.io/azure-pls-resource-group", Some("rg-pls"))]).await;
    assert!(world.failure("app").contains("create or update PLS: PUT "), "{}", world.failure("app"));
    assert_eq!(world.link_services().len(), 1);
}

#[tokio::test]
async fn tuning_is_written_in_place_and_keeps_the_alias() {
    let world = World::new().await;
    world.apply(&service("app", &[(INTERNAL, "true"), (CREATE, "true")])).await;
    world.connect("consumer");
    let before = world.link_services().remove(0);
    let mark = world.mark();
    let tuning = [
        ("service.beta.kubernetes.io/azure-pls-ip-configuration-subnet", Some("pls-subnet")),
        ("service.beta.kubernetes.io/azure-pls-ip-configuration-ip-address-count", Some("2")),
        ("service.beta.kubernetes.io/azure-pls-ip-configuration-ip-address", Some("10.225.1.8")),
        ("service.beta.kubernetes.io/azure-pls-fqdns", Some("b.example a.example")),
        ("service.beta.kubernetes.io/azure-pls-visibility", Some("*")),
        ("service.beta.kubernetes.io/azure-pls-auto-approval", Some(SUBSCRIPTION)),
    ];
    world.annotate("app", &tuning).await;
    assert_eq!(
        world.writes_since(mark),
        ["PUT subnets 200", "PUT privateLinkServices 200"],
        "{}",
        world.failure("app")
    );
    let after = world.link_services().remove(0);
    assert_eq!(after["properties"]["alias"], before["properties"]["alias"]);
    assert_eq!(after["properties"]["ipConfigurations"].as_array().unwrap().len(), 2);
    assert_eq!(after["properties"]["visibility"]["subscriptions"], json!(["*"]));
    assert_eq!(world.connections(), 1);
    let mark = world.mark();
    world.annotate("app", &[("service.beta.kubernetes.io/azure-pls-fqdns", Some("a.example  b.example"))]).await;
    assert_eq!(world.writes_since(mark), Vec::<String>::new(), "order and blanks do not count");
    world
        .annotate("app", &[("service.beta.kubernetes.io/azure-pls-ip-configuration-ip-address-count", Some("9"))])
        .await;
    assert_eq!(world.writes_since(mark), Vec::<String>::new());
    assert!(world.failure("app").contains("the range is [1, 8]"));
}

#[tokio::test]
async fn a_new_node_runs_the_same_steps_under_another_name() {
    let world = World::new().await;
    world.apply(&service("app", &[(INTERNAL, "true"), (CREATE, "true")])).await;
    let mark = world.mark();
    let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "aks-nodepool1-1"}});
    world.cluster.create_raw(&node).unwrap();
    world.cluster.idle().await;
    assert_eq!(world.writes_since(mark), Vec::<String>::new());
    assert_eq!(world.reasons("app").last().unwrap(), "UpdatedLoadBalancer");
}

#[tokio::test]
async fn a_second_look_writes_nothing_whatever_the_shape() {
    let internal = (INTERNAL, "true");
    let shapes: [(&[(&str, &str)], Value); 6] = [
        (&[], json!({})),
        (&[internal], json!({"ipFamilyPolicy": "RequireDualStack"})),
        (&[internal], json!({"externalTrafficPolicy": "Local", "sessionAffinity": "ClientIP"})),
        (
            &[internal],
            json!({"ports": [{"name": "dns", "port": 53, "protocol": "UDP"}, {"name": "x", "port": 99, "protocol": "SCTP"}]}),
        ),
        (
            &[internal, ("service.beta.kubernetes.io/azure-load-balancer-enable-high-availability-ports", "true")],
            json!({}),
        ),
        (
            &[
                internal,
                (CREATE, "true"),
                ("service.beta.kubernetes.io/azure-pls-proxy-protocol", "true"),
                ("service.beta.kubernetes.io/azure-load-balancer-health-probe-protocol", "http"),
            ],
            json!({}),
        ),
    ];
    for (annotations, spec) in shapes {
        let world = World::new().await;
        let mut shape = service("app", annotations);
        for (field, value) in spec.as_object().unwrap() {
            shape["spec"][field] = value.clone();
        }
        let own = world.apply(&shape).await;
        assert_ne!(address(&own), "", "{shape}: {}", world.failure("app"));
        let mark = world.mark();
        world.annotate("app", &[("example.com/note", Some("1"))]).await;
        assert_eq!(world.writes_since(mark), Vec::<String>::new(), "{shape}");
        world.delete("app").await;
        assert!(world.cluster.get("service", "default", "app").is_none(), "{shape}: {}", world.failure("app"));
        assert_eq!(world.get("loadBalancers").unwrap()["value"], json!([]), "{shape}");
        assert_eq!(world.get("publicIPAddresses").unwrap()["value"], json!([]), "{shape}");
    }
}

#[tokio::test]
async fn a_service_with_a_class_of_its_own_is_left_alone() {
    let world = World::new().await;
    let mut other = service("other", &[(INTERNAL, "true")]);
    other["spec"]["loadBalancerClass"] = json!("example.com/other");
    let own = world.apply(&other).await;
    assert_eq!(own["metadata"].get("finalizers"), None);
    assert_eq!(world.reasons("other"), Vec::<String>::new());
}
