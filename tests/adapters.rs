//! The adapters against the simulator, over real connections.
#![cfg(feature = "sim")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on stops")]

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::time::Duration;

use privlink::azure::Azure;
use privlink::azure::Settings;
use privlink::azure::cloud::Cloud;
use privlink::azure::error::AzureError;
use privlink::azure::identity::SignIn;
use privlink::azure::operation::Progress;
use privlink::azure::operation::Started;
use privlink::azure::traffic::Traffic;
use privlink::domain::azure::ResourceGroup;
use privlink::domain::azure::ResourceId;
use privlink::domain::azure::SubscriptionId;
use privlink::domain::calls::CallLog;
use privlink::domain::failure::ErrorClass;
use privlink::domain::key::PublisherKey;
use privlink::domain::resource::Provisioning;
use privlink::domain::resource::Resource;
use privlink::domain::resource::Seen;
use privlink::domain::resource::connection::Connection;
use privlink::domain::resource::connection::ConnectionStatus;
use privlink::domain::resource::connection::Verdict;
use privlink::domain::resource::dns::Addresses;
use privlink::domain::resource::dns::DnsLink;
use privlink::domain::resource::dns::DnsRecord;
use privlink::domain::resource::private_endpoint::PrivateEndpoint;
use privlink::domain::resource::private_endpoint::Request;
use privlink::domain::resource::private_endpoint::Target;
use privlink::domain::resource::private_link_service::AutoApproval;
use privlink::domain::resource::private_link_service::Exposure;
use privlink::domain::resource::private_link_service::Frontend;
use privlink::domain::resource::private_link_service::LivePrivateLinkService;
use privlink::domain::resource::private_link_service::Nat;
use privlink::domain::resource::private_link_service::PrivateLinkService;
use privlink::domain::resource::private_link_service::Visibility;
use privlink::domain::resource::subnet::SubnetPolicy;
use privlink::domain::secret::Secret;
use privlink::sim::Options;
use privlink::sim::Simulator;
use privlink::sim::fault::Fault;
use privlink::sim::world::World;
use serde_json::json;

const PROVIDER: &str = "00000000-0000-0000-0000-000000000001";
const CONSUMER: &str = "00000000-0000-0000-0000-000000000002";
const FOREIGN: &str = "00000000-0000-0000-0000-000000000003";
const NODE_GROUP: &str = "MC_myResourceGroup_myAKSCluster_eastus2";

async fn simulator() -> Simulator {
    let world = World::parse(include_str!("../examples/world.yaml")).unwrap();
    Simulator::start(&world, Options::default()).await.unwrap()
}

pub(crate) fn settings(simulator: &Simulator, (client, secret): (&str, &str)) -> Settings {
    let endpoints = simulator.endpoints();
    Settings {
        cloud: Cloud::custom(&format!("{},{}", endpoints.resource_manager, endpoints.authority)).unwrap(),
        sign_in: SignIn {
            tenant: Some("11111111-1111-1111-1111-111111111111".parse().unwrap()),
            client: Some(client.parse().unwrap()),
            prefix: "PRIVLINK_APPLY_",
            environment: Secret::new(BTreeMap::from([("PRIVLINK_APPLY_CLIENT_SECRET".to_owned(), secret.to_owned())])),
        },
        ca_certificates: vec![endpoints.ca_pem.clone().into_bytes()],
        poll_floor: Duration::from_millis(5),
        timeout: Duration::from_secs(10),
        user_agent: "privlink-test".to_owned(),
        traffic: Traffic::default(),
        calls: CallLog::default(),
    }
}

pub(crate) const PLANNER: (&str, &str) = ("00000000-0000-0000-0000-0000000000a1", "plan-secret");
const APPLIER: (&str, &str) = ("00000000-0000-0000-0000-0000000000a2", "apply-secret");

fn azure(simulator: &Simulator) -> Azure {
    Azure::new(settings(simulator, APPLIER)).unwrap()
}

fn subscription(text: &str) -> SubscriptionId {
    text.parse().unwrap()
}

fn network_id(subscription: &str, group: &str, tail: &str) -> ResourceId {
    format!("/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.Network/{tail}").parse().unwrap()
}

async fn finish(azure: &Azure, started: Result<Started, AzureError>) {
    let Started::Operation(operation) = started.unwrap() else { return };
    for _ in 0..50 {
        if azure.poll(&operation).await.unwrap() == Progress::Done {
            return;
        }
    }
    panic!("the operation does not end");
}

/// A load balancer as the cloud provider makes it; returns its frontend.
fn load_balancer(simulator: &Simulator) -> ResourceId {
    let id = network_id(PROVIDER, NODE_GROUP, "loadBalancers/kubernetes-internal");
    let subnet = network_id(PROVIDER, NODE_GROUP, "virtualNetworks/aks-vnet/subnets/aks-subnet");
    let body = json!({"location": "eastus2", "sku": {"name": "Standard"}, "properties": {"frontendIPConfigurations": [
        {"name": "fe", "properties": {"privateIPAllocationMethod": "Dynamic", "subnet": {"id": subnet}}}]}});
    let arm = simulator.arm();
    let reply = arm.call("PUT", &format!("{id}?api-version=2025-05-01"), &[], Some(body));
    assert!(arm.settle(&reply).status < 300, "{:?}", reply.body);
    id.child("frontendIPConfigurations", "fe")
}

fn link_service(frontend: ResourceId) -> PrivateLinkService {
    PrivateLinkService {
        id: network_id(PROVIDER, "rg-pls", "privateLinkServices/pls-orders"),
        location: "eastus2".parse().unwrap(),
        frontend: Frontend::Id(frontend),
        exposure: Exposure {
            nat: Nat {
                subnet: Some(network_id(PROVIDER, NODE_GROUP, "virtualNetworks/aks-vnet/subnets/pls-subnet")),
                count: 2,
                addresses: vec!["10.225.1.8".parse().unwrap()],
            },
            visibility: Visibility::Subscriptions(BTreeSet::from([subscription(CONSUMER)])),
            auto_approval: AutoApproval::default(),
            fqdns: BTreeSet::new(),
            proxy_protocol: false,
        },
        tags: BTreeMap::from([("team".to_owned(), "shop".to_owned())]),
    }
}

fn endpoint(name: &str, target: Target, request: Request) -> PrivateEndpoint {
    PrivateEndpoint {
        id: network_id(CONSUMER, "myOtherResourceGroup", &format!("privateEndpoints/{name}")),
        location: "eastus2".parse().unwrap(),
        subnet: network_id(CONSUMER, "myOtherResourceGroup", "virtualNetworks/myOtherVNET/subnets/pe-subnet"),
        target,
        connection_name: "connectToMyK8sService".parse().unwrap(),
        request,
        address: None,
        network_interface_name: None,
        application_security_groups: BTreeSet::new(),
        tags: BTreeMap::new(),
    }
}

/// Publishes a load balancer's frontend; returns the service as it was then seen.
async fn publish(simulator: &Simulator, azure: &Azure) -> LivePrivateLinkService {
    let service = link_service(load_balancer(simulator));
    let subnet = azure.subnet(service.exposure.nat.subnet.as_ref().unwrap()).await.unwrap().unwrap();
    assert!(subnet.policy_enabled);
    let policy = Resource::Subnet(SubnetPolicy { id: subnet.id.clone() });
    finish(azure, azure.put(&policy, Some(&subnet.seen)).await).await;
    finish(azure, azure.put(&Resource::PrivateLinkService(service.clone()), None).await).await;
    azure.private_link_service(&service.id).await.unwrap().unwrap()
}

#[tokio::test]
async fn a_world_is_observed_by_lists() {
    // One item a page, so that every list has to follow its links.
    let world = include_str!("../examples/world.yaml").replace("{ polls: 2 }", "{ polls: 2, page-size: 1 }");
    let simulator = Simulator::start(&World::parse(&world).unwrap(), Options::default()).await.unwrap();
    let azure = Azure::new(settings(&simulator, PLANNER)).unwrap();
    let provider = subscription(PROVIDER);
    let virtual_network = network_id(PROVIDER, "rg-pls", "virtualNetworks/second");
    let body = json!({"location": "eastus2", "properties": {"addressSpace": {"addressPrefixes": ["10.99.0.0/16"]},
        "subnets": [{"name": "s", "properties": {"addressPrefixes": ["10.99.0.0/24", "10.99.1.0/24"]}}]}});
    simulator.arm().call("PUT", &format!("{virtual_network}?api-version=2025-05-01"), &[], Some(body));
    let frontend = load_balancer(&simulator);
    let cluster = format!(
        "/subscriptions/{PROVIDER}/resourceGroups/myResourceGroup/providers/Microsoft.ContainerService/managedClusters/\
         myAKSCluster"
    );
    let cluster = azure.managed_cluster(&cluster.parse().unwrap()).await.unwrap();
    assert_eq!(cluster.node_resource_group.as_str(), NODE_GROUP);
    assert_eq!(cluster.node_subnet.unwrap().name(), "aks-subnet");
    assert_eq!(cluster.version.as_deref(), Some("1.36.2"));
    let subnets = azure.subnets(&provider).await.unwrap();
    assert_eq!(subnets.iter().map(|subnet| subnet.prefixes.len()).sum::<usize>(), 5);
    assert!(subnets.len() == 4 && subnets.iter().all(|subnet| subnet.policy_enabled));
    let group: ResourceGroup = NODE_GROUP.parse().unwrap();
    let frontends = azure.load_balancer_frontends(&provider, Some(&group)).await.unwrap();
    assert_eq!(frontends[0].id, frontend);
    assert_eq!(frontends[0].address, Some("10.224.0.5".parse().unwrap()));
    let zones = azure.dns_zones(&subscription(CONSUMER)).await.unwrap();
    assert_eq!(zones[0].name(), "orders.internal");
    assert!(azure.dns_records(&zones[0]).await.unwrap().is_empty());
    assert!(azure.dns_links(&zones[0]).await.unwrap().is_empty());
    assert!(azure.private_endpoints(&provider).await.unwrap().endpoints.is_empty());
    assert!(azure.read(&network_id(PROVIDER, "rg-none", "privateEndpoints/x")).await.unwrap().is_none());
    let error = azure.private_link_services(&subscription(FOREIGN)).await.unwrap_err();
    assert!(matches!(error.class(), ErrorClass::Invalid | ErrorClass::Denied), "{error}");
    let tokens =
        simulator.requests().into_iter().filter(|own| own.path.ends_with("/token") && !own.is_internal).count();
    assert_eq!(tokens, 1, "one token serves all");
    simulator.stop().await;
}

#[tokio::test]
async fn a_service_is_published_consumed_and_taken_down() {
    let simulator = simulator().await;
    let azure = azure(&simulator);
    let live = publish(&simulator, &azure).await;
    assert_eq!(live.service, link_service(live.frontend().unwrap().clone()), "a converged service has no difference");
    assert_eq!(live.provisioning, Provisioning::Succeeded);

    let manual = Request::Manual { message: "please".to_owned() };
    let wanted = endpoint("myAKSServicePE", Target::Alias(live.alias.clone().unwrap()), manual);
    finish(&azure, azure.put(&Resource::PrivateEndpoint(wanted.clone()), None).await).await;
    let consumer = azure.private_endpoints(&subscription(CONSUMER)).await.unwrap().endpoints.remove(0);
    assert_eq!(consumer.endpoint, wanted);
    assert_eq!(consumer.status, ConnectionStatus::Pending);
    assert_eq!(consumer.private_address, Some("10.50.1.4".parse().unwrap()));
    assert_eq!(Some(consumer.clone()), azure.private_endpoint(&wanted.id).await.unwrap());

    let services = azure.private_link_services(&subscription(PROVIDER)).await.unwrap();
    let request = &services[0].connections[0];
    assert_eq!(request.subscription(), Some(subscription(CONSUMER)));
    let answer = Connection {
        publisher: PublisherKey::Own(live.service.id.clone()),
        endpoint: wanted.id.clone(),
        verdict: Verdict::Approved,
    };
    finish(&azure, azure.put(&Resource::Connection(answer), Some(&request.seen)).await).await;
    let connection = azure.connection(&request.id).await.unwrap().unwrap();
    assert_eq!(connection.status, ConnectionStatus::Approved);
    assert!(connection.link_identifier.is_some());
    assert_eq!(azure.private_endpoint(&wanted.id).await.unwrap().unwrap().status, ConnectionStatus::Approved);

    let error = azure.delete(&live.service.id, None).await.unwrap_err();
    assert!(error.to_string().contains("delete its connections first"), "{error}");
    finish(&azure, azure.delete(&connection.id, None).await).await;
    assert_eq!(
        azure.private_endpoint(&wanted.id).await.unwrap().unwrap().status,
        ConnectionStatus::Disconnected,
        "the endpoint stays behind"
    );
    let fresh = azure.private_link_service(&live.service.id).await.unwrap().unwrap();
    finish(&azure, azure.delete(&live.service.id, fresh.seen.etag.as_ref()).await).await;
    assert!(azure.private_link_service(&live.service.id).await.unwrap().is_none());
    finish(&azure, azure.delete(&wanted.id, None).await).await;
    assert_eq!(azure.delete(&wanted.id, None).await.unwrap(), Started::Done, "what is gone is done");
    simulator.stop().await;
}

#[tokio::test]
async fn what_the_cloud_provider_builds_names_its_service() {
    let simulator = simulator().await;
    let azure = Azure::new(settings(&simulator, PLANNER)).unwrap();
    let manifest = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "orders", "namespace": "default",
        "annotations": {"service.beta.kubernetes.io/azure-load-balancer-internal": "true",
            "service.beta.kubernetes.io/azure-pls-create": "true",
            "service.beta.kubernetes.io/azure-pls-ip-configuration-subnet": "pls-subnet",
            "service.beta.kubernetes.io/azure-pls-ip-configuration-ip-address-count": "2",
            "service.beta.kubernetes.io/azure-pls-ip-configuration-ip-address": "10.225.1.8",
            "service.beta.kubernetes.io/azure-pls-visibility": "*"}},
        "spec": {"type": "LoadBalancer", "selector": {"app": "orders"}, "ports": [{"port": 80}]}});
    simulator.cluster("myAKSCluster").unwrap().apply_raw(&manifest).unwrap();
    simulator.idle().await;
    let services = azure.private_link_services(&subscription(PROVIDER)).await.unwrap();
    assert_eq!(services[0].cluster_owner(), Some("default/orders".parse().unwrap()));
    assert!(services[0].alias.is_some() && services[0].mark.is_none());
    let Exposure { nat, visibility, .. } = &services[0].service.exposure;
    assert_eq!((nat.count, nat.addresses.len(), visibility), (2, 1, &Visibility::AnyoneWithAlias));
    let group: ResourceGroup = NODE_GROUP.parse().unwrap();
    let frontends = azure.load_balancer_frontends(&subscription(PROVIDER), Some(&group)).await.unwrap();
    assert_eq!(services[0].frontend(), Some(&frontends[0].id));
    simulator.stop().await;
}

#[tokio::test]
async fn an_update_is_guarded_and_keeps_the_rest() {
    let simulator = simulator().await;
    let azure = azure(&simulator);
    let live = publish(&simulator, &azure).await;
    let mut service = live.service.clone();
    service.exposure.auto_approval = [subscription(CONSUMER)].into_iter().collect();
    service.exposure.nat.count = 3;
    service.exposure.nat.addresses.push("10.225.1.9".parse().unwrap());
    finish(&azure, azure.put(&Resource::PrivateLinkService(service.clone()), Some(&live.seen)).await).await;
    let after = azure.private_link_service(&service.id).await.unwrap().unwrap();
    assert_eq!(after.service, service);
    assert_eq!(after.alias, live.alias, "an update keeps the alias");

    let stale = azure.put(&Resource::PrivateLinkService(service.clone()), Some(&live.seen)).await.unwrap_err();
    assert_eq!(stale.class(), ErrorClass::Conflict, "{stale}");
    let stale = azure.delete(&service.id, live.seen.etag.as_ref()).await.unwrap_err();
    assert_eq!(stale.class(), ErrorClass::Conflict, "{stale}");

    // Let in without asking, because the subscription is approved by now.
    let wanted = endpoint("pe-auto", Target::Id(service.id.clone()), Request::Automatic);
    let wanted = PrivateEndpoint {
        address: Some("10.50.1.20".parse().unwrap()),
        network_interface_name: Some("nic-pe".parse().unwrap()),
        ..wanted
    };
    finish(&azure, azure.put(&Resource::PrivateEndpoint(wanted.clone()), None).await).await;
    let seen = azure.private_endpoint(&wanted.id).await.unwrap().unwrap();
    assert_eq!(seen.endpoint, wanted);
    assert_eq!((seen.status, seen.private_address), (ConnectionStatus::Approved, wanted.address));
    let mut tagged = wanted;
    tagged.tags.insert("a".to_owned(), "b".to_owned());
    finish(&azure, azure.put(&Resource::PrivateEndpoint(tagged.clone()), Some(&seen.seen)).await).await;
    assert_eq!(azure.private_endpoint(&tagged.id).await.unwrap().unwrap().endpoint, tagged);
    simulator.stop().await;
}

#[tokio::test]
async fn names_are_created_once_and_changed_by_version() {
    let simulator = simulator().await;
    let azure = azure(&simulator);
    let zone = network_id(CONSUMER, "rg-dns", "privateDnsZones/orders.internal");
    let record = |last: u8| DnsRecord {
        id: zone.child("A", "api"),
        ttl: 300,
        addresses: Addresses::Known(BTreeSet::from([[10, 50, 1, last].into()])),
        metadata: BTreeMap::from([("privlink-document".to_owned(), "privateendpoint/x".to_owned())]),
    };
    let put = async |record: DnsRecord, seen: Option<&Seen>| azure.put(&Resource::DnsRecord(record), seen).await;
    assert_eq!(put(record(4), None).await.unwrap(), Started::Done);
    let error = put(record(5), None).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Conflict, "{error}");
    let seen = azure.dns_record(&record(4).id).await.unwrap().unwrap();
    assert_eq!(seen.record, record(4));
    assert_eq!(put(record(5), Some(&seen.seen)).await.unwrap(), Started::Done);
    assert_eq!(put(record(6), Some(&seen.seen)).await.unwrap_err().class(), ErrorClass::Conflict);
    assert_eq!(azure.dns_records(&zone).await.unwrap()[0].record, record(5));

    let link = DnsLink {
        id: zone.child("virtualNetworkLinks", "other"),
        virtual_network: network_id(CONSUMER, "myOtherResourceGroup", "virtualNetworks/myOtherVNET"),
        tags: BTreeMap::new(),
    };
    finish(&azure, azure.put(&Resource::DnsLink(link.clone()), None).await).await;
    let seen = azure.dns_links(&zone).await.unwrap().remove(0);
    assert_eq!((seen.completed, &seen.link), (true, &link));
    finish(&azure, azure.delete(&link.id, seen.seen.etag.as_ref()).await).await;
    assert!(azure.dns_link(&link.id).await.unwrap().is_none());
    finish(&azure, azure.delete(&record(5).id, None).await).await;
    assert!(azure.dns_record(&record(5).id).await.unwrap().is_none());
    simulator.stop().await;
}

/// The error of one list under a fault.
async fn under(fault: Fault) -> AzureError {
    let simulator = simulator().await;
    let azure = azure(&simulator);
    simulator.add_fault(Fault { path: "virtualNetworks".to_owned(), ..fault });
    let error = azure.subnets(&subscription(PROVIDER)).await.unwrap_err();
    simulator.stop().await;
    error
}

#[track_caller]
fn says(error: &AzureError, class: ErrorClass, words: &str) {
    assert_eq!(error.class(), class, "{error}");
    assert!(error.to_string().contains(words), "{error}");
}

#[tokio::test]
async fn refusals_have_a_class_and_a_next_step() {
    let refusal = |status: u16, code: &str| Fault { status, code: code.to_owned(), ..Fault::default() };
    // Longer than a list is waited for: it fails at once.
    let wait = |fault: Fault| Fault { headers: vec![("Retry-After".to_owned(), "77".to_owned())], ..fault };
    let wish = Some(Duration::from_secs(77));
    let error = under(wait(refusal(429, "TooManyRequests"))).await;
    says(&error, ErrorClass::Throttled { retry_after: wish }, "too many calls");
    let error = under(wait(refusal(429, "RetryableError"))).await;
    says(&error, ErrorClass::Busy { retry_after: wish }, "is being changed");
    says(&under(refusal(503, "")).await, ErrorClass::Transient { retry_after: None }, "try again");
    says(&under(refusal(403, "AuthorizationFailed")).await, ErrorClass::Denied, "ask for a role");
    says(&under(refusal(401, "InvalidAuthenticationToken")).await, ErrorClass::Denied, "fresh token was refused");
    let cut = Fault { drop_connection: true, ..Fault::default() };
    says(&under(cut).await, ErrorClass::Transient { retry_after: None }, "did not answer");
}

#[tokio::test]
async fn answers_that_are_not_azures_are_told_apart() {
    let body = |status: u16, text: &str| Fault { status, body: Some(text.to_owned()), ..Fault::default() };
    says(&under(body(200, "<html>hello</html>")).await, ErrorClass::Unknown, "is not JSON");
    says(&under(body(200, "{}")).await, ErrorClass::Unknown, "no list named value");
    says(&under(body(200, r#"{"value":[{"properties":{"subnets":[{}]}}]}"#)).await, ErrorClass::Unknown, "has no id");
    let foreign = r#"{"value":[],"nextLink":"https://evil.example/steal"}"#;
    says(&under(body(200, foreign)).await, ErrorClass::Unknown, "points to https://evil.example");
    let redirect = Fault { headers: vec![("Location".to_owned(), "https://evil.example".to_owned())], ..body(302, "") };
    says(&under(redirect).await, ErrorClass::Unknown, "redirect");

    let simulator = simulator().await;
    let azure = azure(&simulator);
    simulator.add_fault(Fault { path: "privateEndpoints".to_owned(), ..body(404, "<html>nothing here</html>") });
    let error = azure.private_endpoint(&network_id(CONSUMER, "rg", "privateEndpoints/pe")).await.unwrap_err();
    says(&error, ErrorClass::Unknown, "HTTP status 404");
    simulator.stop().await;
}

#[tokio::test]
async fn every_page_is_read_and_none_twice() {
    let simulator = simulator().await;
    let azure = azure(&simulator);
    let origin = simulator.endpoints().resource_manager.clone();
    let page = |path: &str, number: u8, next: &str| Fault {
        path: path.to_owned(),
        status: 200,
        body: Some(format!(r#"{{"value":[{{"id":"{}"}}],"nextLink":"{next}"}}"#, zone(number))),
        ..Fault::default()
    };
    fn zone(number: u8) -> ResourceId {
        network_id(CONSUMER, "rg-dns", &format!("privateDnsZones/zone{number}.internal"))
    }
    simulator.add_fault(page("/privateDnsZones", 1, &format!("{origin}/second?page=2")));
    simulator.add_fault(page("/second", 2, "/third"));
    simulator.add_fault(page("/third", 3, ""));
    assert_eq!(azure.dns_zones(&subscription(CONSUMER)).await.unwrap(), [zone(1), zone(2), zone(3)]);
    simulator.clear_faults();
    simulator.add_fault(page("/privateDnsZones", 1, &format!("{origin}/second")));
    simulator.add_fault(page("/second", 2, &format!("{origin}/second")));
    let error = azure.dns_zones(&subscription(CONSUMER)).await.unwrap_err();
    says(&error, ErrorClass::Unknown, "names an earlier page");
    simulator.stop().await;
}

#[tokio::test]
async fn endless_answers_end() {
    let huge = Fault { status: 200, body: Some(" ".repeat(17 * 1024 * 1024)), ..Fault::default() };
    says(&under(huge).await, ErrorClass::Unknown, "larger than");

    let simulator = simulator().await;
    let impatient = Settings { timeout: Duration::from_millis(300), ..settings(&simulator, APPLIER) };
    simulator.add_fault(Fault { path: "virtualNetworks".to_owned(), hang: true, ..Fault::default() });
    let error = Azure::new(impatient).unwrap().subnets(&subscription(PROVIDER)).await.unwrap_err();
    says(&error, ErrorClass::Transient { retry_after: None }, "did not answer");
    simulator.stop().await;
}

#[tokio::test]
async fn a_resource_manager_on_loopback_may_be_plain() {
    let simulator = simulator().await;
    let endpoints = simulator.endpoints();
    let plain = Cloud::custom(&format!("{},{}", endpoints.resource_manager_http, endpoints.authority)).unwrap();
    let azure = Azure::new(Settings { cloud: plain, ..settings(&simulator, APPLIER) }).unwrap();
    let id = network_id(PROVIDER, NODE_GROUP, "virtualNetworks/aks-vnet/subnets/pls-subnet");
    let subnet = azure.subnet(&id).await.unwrap().unwrap();
    finish(&azure, azure.put(&Resource::Subnet(SubnetPolicy { id: id.clone() }), Some(&subnet.seen)).await).await;
    assert!(!azure.subnet(&id).await.unwrap().unwrap().policy_enabled);
    simulator.stop().await;
}

#[tokio::test]
async fn a_refused_token_is_replaced_once() {
    let simulator = simulator().await;
    let azure = azure(&simulator);
    simulator.add_fault(Fault {
        path: "virtualNetworks".to_owned(),
        status: 401,
        code: "ExpiredAuthenticationToken".to_owned(),
        times: Some(1),
        ..Fault::default()
    });
    assert_eq!(azure.subnets(&subscription(PROVIDER)).await.unwrap().len(), 3);
    let tokens =
        simulator.requests().into_iter().filter(|own| own.path.ends_with("/token") && !own.is_internal).count();
    assert_eq!(tokens, 2);
    simulator.stop().await;
}

#[tokio::test]
async fn a_failed_operation_is_an_error_of_its_write() {
    let simulator = simulator().await;
    let azure = azure(&simulator);
    for (code, class) in [
        ("SubnetIsFull", ErrorClass::Invalid),
        ("CanceledAndSupersededDueToAnotherOperation", ErrorClass::Transient { retry_after: None }),
    ] {
        simulator.add_fault(Fault {
            method: Some("PUT".to_owned()),
            path: "subnets".to_owned(),
            code: code.to_owned(),
            in_operation: true,
            times: Some(1),
            ..Fault::default()
        });
        let id = network_id(PROVIDER, NODE_GROUP, "virtualNetworks/aks-vnet/subnets/pls-subnet");
        let subnet = azure.subnet(&id).await.unwrap().unwrap();
        let started = azure.put(&Resource::Subnet(SubnetPolicy { id }), Some(&subnet.seen)).await.unwrap();
        let Started::Operation(operation) = started else { panic!("it takes a while") };
        let error = loop {
            match azure.poll(&operation).await {
                Ok(Progress::Running { .. }) => {}
                Ok(Progress::Done) => panic!("it was to fail"),
                Err(error) => break error,
            }
        };
        says(&error, class, "Azure began to update the subnet");
    }
    simulator.stop().await;
}

#[tokio::test]
async fn signing_in_fails_in_sentences() {
    let simulator = simulator().await;
    let sign_in =
        async |settings: Settings| Azure::new(settings).unwrap().subnets(&subscription(PROVIDER)).await.unwrap_err();
    let error = sign_in(settings(&simulator, (APPLIER.0, "not-the-secret"))).await;
    says(&error, ErrorClass::Denied, "AADSTS7000215");
    assert!(error.to_string().contains("client secret") && !error.to_string().contains("not-the-secret"));
    let error = sign_in(settings(&simulator, ("00000000-0000-0000-0000-0000000000ff", "x"))).await;
    says(&error, ErrorClass::Denied, "AADSTS700016");

    simulator.add_fault(Fault {
        path: "/token".to_owned(),
        status: 200,
        body: Some("{}".to_owned()),
        ..Fault::default()
    });
    says(&sign_in(settings(&simulator, APPLIER)).await, ErrorClass::Unknown, "no access token");
    simulator.clear_faults();
    let html = Some("<html>".to_owned());
    simulator.add_fault(Fault { path: "/token".to_owned(), status: 503, body: html, ..Fault::default() });
    says(&sign_in(settings(&simulator, APPLIER)).await, ErrorClass::Transient { retry_after: None }, "status 503");

    let dead = Settings {
        cloud: Cloud::custom(&format!("{},https://127.0.0.1:1", simulator.endpoints().resource_manager)).unwrap(),
        ..settings(&simulator, APPLIER)
    };
    says(&sign_in(dead).await, ErrorClass::Transient { retry_after: None }, "did not answer");
    // The authority of another simulator, so that the test does not depend on what the machine trusts.
    let other = self::simulator().await;
    let untrusting = Settings {
        ca_certificates: vec![other.endpoints().ca_pem.clone().into_bytes()],
        ..settings(&simulator, APPLIER)
    };
    other.stop().await;
    says(&sign_in(untrusting).await, ErrorClass::Transient { retry_after: None }, "invalid peer certificate");
    simulator.stop().await;
}

#[tokio::test]
async fn a_reader_may_not_write() {
    let simulator = simulator().await;
    let azure = Azure::new(settings(&simulator, PLANNER)).unwrap();
    let id = network_id(CONSUMER, "rg-dns", "privateDnsZones/orders.internal/A/api");
    let addresses = Addresses::Known(BTreeSet::new());
    let record = DnsRecord { id, ttl: 300, addresses, metadata: BTreeMap::new() };
    let error = azure.put(&Resource::DnsRecord(record), None).await.unwrap_err();
    says(&error, ErrorClass::Denied, "AuthorizationFailed");
    simulator.stop().await;
}
