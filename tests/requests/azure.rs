//! What goes to Azure's resource manager.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::time::Duration;

use privlink::azure::Azure;
use privlink::azure::Settings;
use privlink::azure::cloud::Cloud;
use privlink::azure::identity::SignIn;
use privlink::azure::operation::Started;
use privlink::azure::traffic::Traffic;
use privlink::domain::azure::ResourceId;
use privlink::domain::calls::CallLog;
use privlink::domain::key::PublisherKey;
use privlink::domain::resource::Resource;
use privlink::domain::resource::Seen;
use privlink::domain::resource::connection::Connection;
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
use privlink::domain::resource::private_link_service::Nat;
use privlink::domain::resource::private_link_service::PrivateLinkService;
use privlink::domain::resource::private_link_service::Visibility;
use privlink::domain::resource::subnet::SubnetPolicy;
use privlink::domain::right::RightScope;
use privlink::domain::secret::Secret;
use serde_json::Value as Json;
use serde_json::json;

use super::recorder::Answer;
use super::recorder::Book;
use super::recorder::Recorded;
use super::recorder::Recorder;
use super::recorder::TOKEN;
use super::recorder::declared;
use super::reference;

const SUBSCRIPTION: &str = "00000000-0000-0000-0000-000000000001";
const NETWORK: &str =
    "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg/providers/Microsoft.Network";
const OPERATION: &str = "/subscriptions/00000000-0000-0000-0000-000000000001/providers/Microsoft.Network/locations/eastus2/\
                         operations/5f0c?api-version=2025-05-01";
const ROLE: &str = "/subscriptions/00000000-0000-0000-0000-000000000001/providers/Microsoft.Authorization/roleDefinitions/\
                    4d97b98b-1d4f-4787-a291-c67834d212e7";
const AKS: &str = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg/providers/\
                   Microsoft.ContainerService/managedClusters/aks";

fn id(tail: &str) -> ResourceId {
    format!("{NETWORK}/{tail}").parse().unwrap()
}

/// An empty world with one cluster and one endpoint. Lists of Private Link Services have a second page, and deletions take
/// their time.
fn answer(method: &str, target: &str) -> Answer {
    let path = target.split('?').next().unwrap();
    let list = json!({"value": []});
    match (method, path) {
        (_, "/msi/token") => {
            (200, Vec::new(), json!({"access_token": TOKEN, "expires_on": "4102444800", "token_type": "Bearer"}))
        }
        ("DELETE", _) => (202, vec![("azure-asyncoperation", OPERATION.to_owned())], Json::Null),
        ("GET", AKS) => {
            (200, Vec::new(), json!({"id": AKS, "location": "eastus2", "properties": {"nodeResourceGroup": "MC_rg"}}))
        }
        ("GET", _) if path.ends_with("/privateEndpoints/pe") => (200, Vec::new(), live_endpoint()),
        ("GET", _) if path.ends_with("/privateLinkServices") && !target.contains("skipToken") => {
            (200, Vec::new(), json!({"value": [], "nextLink": format!("{target}&$skipToken=2")}))
        }
        _ => (200, Vec::new(), list),
    }
}

fn settings(address: &str) -> Settings {
    let identity = [("IDENTITY_ENDPOINT", format!("{address}/msi/token")), ("IDENTITY_HEADER", "header".to_owned())];
    let environment = identity.map(|(name, value)| (name.to_owned(), value));
    Settings {
        cloud: Cloud::custom(&format!("{address},https://127.0.0.1:1")).unwrap(),
        sign_in: SignIn {
            tenant: None,
            client: None,
            prefix: "PRIVLINK_APPLY_",
            environment: Secret::new(BTreeMap::from(environment)),
        },
        ca_certificates: Vec::new(),
        poll_floor: Duration::from_millis(5),
        timeout: Duration::from_secs(10),
        user_agent: "privlink-test".to_owned(),
        traffic: Traffic::default(),
        calls: CallLog::default(),
    }
}

/// An endpoint as Azure shows it, with a property that privlink does not know.
fn live_endpoint() -> Json {
    json!({"id": id("privateEndpoints/pe"), "name": "pe", "type": "Microsoft.Network/privateEndpoints", "location": "eastus2",
        "etag": "W/\"7\"", "extendedLocation": {"type": "EdgeZone", "name": "edge"}, "properties": {
            "provisioningState": "Succeeded", "resourceGuid": "5f0c", "customDnsConfigs": [{"fqdn": "a", "ipAddresses": []}],
            "subnet": {"id": id("virtualNetworks/v/subnets/s")}, "ipConfigurations": [],
            "networkInterfaces": [{"id": id("networkInterfaces/nic")}],
            "privateLinkServiceConnections": [{"name": "c", "id": id("privateEndpoints/pe/privateLinkServiceConnections/c"),
                "properties": {"privateLinkServiceId": id("privateLinkServices/pls"), "provisioningState": "Succeeded",
                    "privateLinkServiceConnectionState": {"status": "Approved", "description": ""}}}],
            "manualPrivateLinkServiceConnections": []}})
}

fn seen(body: Json) -> Seen {
    let etag = body["etag"].as_str().map(|etag| etag.parse().unwrap());
    Seen { etag, body }
}

fn tags() -> BTreeMap<String, String> {
    BTreeMap::from([("privlink-owner".to_owned(), "6f1c/prod".to_owned())])
}

fn endpoint(target: Target, request: Request) -> PrivateEndpoint {
    PrivateEndpoint {
        id: id("privateEndpoints/pe"),
        location: "eastus2".parse().unwrap(),
        subnet: id("virtualNetworks/v/subnets/s"),
        target,
        connection_name: "c".parse().unwrap(),
        request,
        address: Some("10.0.0.9".parse().unwrap()),
        network_interface_name: Some("nic".parse().unwrap()),
        application_security_groups: BTreeSet::from([id("applicationSecurityGroups/asg")]),
        tags: tags(),
    }
}

fn link_service() -> PrivateLinkService {
    PrivateLinkService {
        id: id("privateLinkServices/pls"),
        location: "eastus2".parse().unwrap(),
        frontend: Frontend::Id(id("loadBalancers/lb/frontendIPConfigurations/fe")),
        exposure: Exposure {
            nat: Nat {
                subnet: Some(id("virtualNetworks/v/subnets/nat")),
                count: 2,
                addresses: vec!["10.0.1.8".parse().unwrap()],
            },
            visibility: Visibility::Subscriptions(BTreeSet::from([SUBSCRIPTION.parse().unwrap()])),
            auto_approval: AutoApproval::Subscriptions(BTreeSet::from([SUBSCRIPTION.parse().unwrap()])),
            fqdns: BTreeSet::from(["orders.example.com".parse().unwrap()]),
            proxy_protocol: true,
        },
        tags: tags(),
    }
}

fn live_link_service() -> Json {
    json!({"id": id("privateLinkServices/pls"), "name": "pls", "location": "eastus2", "etag": "W/\"3\"", "properties": {
        "provisioningState": "Succeeded", "alias": "pls.5f0c.eastus2.azure.privatelinkservice", "accessMode": "Restricted",
        "networkInterfaces": [{"id": id("networkInterfaces/nat")}], "privateEndpointConnections": [],
        "ipConfigurations": [{"name": "first", "etag": "W/\"3\"", "id": id("privateLinkServices/pls/ipConfigurations/first"),
            "properties": {"primary": true, "provisioningState": "Succeeded", "privateIPAllocationMethod": "Static",
                "privateIPAddress": "10.0.1.8", "subnet": {"id": id("virtualNetworks/v/subnets/nat")}}}]}})
}

fn live_connection() -> Json {
    json!({"id": id("privateLinkServices/pls/privateEndpointConnections/pe.5f0c"), "name": "pe.5f0c", "etag": "W/\"4\"",
        "properties": {"provisioningState": "Succeeded", "linkIdentifier": "7",
            "privateEndpoint": {"id": id("privateEndpoints/pe")},
            "privateLinkServiceConnectionState": {"status": "Pending", "description": "please"}}})
}

fn live_subnet() -> Json {
    json!({"id": id("virtualNetworks/v/subnets/nat"), "name": "nat", "etag": "W/\"5\"", "properties": {
        "provisioningState": "Succeeded", "addressPrefix": "10.0.1.0/24", "privateLinkServiceNetworkPolicies": "Enabled",
        "networkSecurityGroup": {"id": id("networkSecurityGroups/nsg")}, "delegations": [],
        "ipConfigurations": [{"id": id("networkInterfaces/x/ipConfigurations/y")}]}})
}

fn record() -> DnsRecord {
    DnsRecord {
        id: id("privateDnsZones/orders.internal/A/api"),
        ttl: 300,
        addresses: Addresses::Known(BTreeSet::from(["10.0.0.9".parse().unwrap()])),
        metadata: tags(),
    }
}

fn live_record() -> Json {
    json!({"id": record().id, "name": "api", "etag": "8a1b", "properties": {"ttl": 60, "fqdn": "api.orders.internal.",
        "isAutoRegistered": false, "aRecords": [{"ipv4Address": "10.0.0.8"}], "metadata": {"team": "shop"}}})
}

fn link() -> DnsLink {
    DnsLink {
        id: id("privateDnsZones/orders.internal/virtualNetworkLinks/v"),
        virtual_network: id("virtualNetworks/v"),
        tags: tags(),
    }
}

fn live_link() -> Json {
    json!({"id": link().id, "name": "v", "location": "global", "etag": "\"9c\"", "tags": {"team": "shop"}, "properties": {
        "provisioningState": "Succeeded", "virtualNetworkLinkState": "Completed", "registrationEnabled": true,
        "resolutionPolicy": "Default", "virtualNetwork": {"id": id("virtualNetworks/v")}}})
}

/// Every operation of the adapter, each carried out once for every way it can go.
async fn book() -> Book {
    let recorder = Recorder::start(answer).await;
    let azure = Azure::new(settings(&recorder.address)).unwrap();
    let mut book = Book::new(recorder);
    note_lists(&mut book, &azure).await;
    note_questions(&mut book, &azure).await;
    note_reads(&mut book, &azure).await;
    note_puts(&mut book, &azure).await;
    note_removals(&mut book, &azure).await;
    book
}

async fn note_lists(book: &mut Book, azure: &Azure) {
    let (subscription, group, zone) =
        (SUBSCRIPTION.parse().unwrap(), "rg".parse().unwrap(), id("privateDnsZones/orders.internal"));
    drop(book.note("kubeconfig", "", azure.kubeconfig(&AKS.parse().unwrap())).await);
    drop(book.note("managed_cluster", "", azure.managed_cluster(&AKS.parse().unwrap())).await);
    drop(book.note("subnets", "", azure.subnets(&subscription)).await);
    let all = azure.load_balancer_frontends(&subscription, None);
    drop(book.note("load_balancer_frontends", "of a subscription", all).await);
    let some = azure.load_balancer_frontends(&subscription, Some(&group));
    drop(book.note("load_balancer_frontends", "of a group", some).await);
    drop(book.note("private_link_services", "of two pages", azure.private_link_services(&subscription)).await);
    drop(book.note("private_endpoints", "", azure.private_endpoints(&subscription)).await);
    drop(book.note("dns_zones", "", azure.dns_zones(&subscription)).await);
    drop(book.note("dns_records", "", azure.dns_records(&zone)).await);
    drop(book.note("dns_links", "", azure.dns_links(&zone)).await);
    drop(book.note("resource_groups", "", azure.resource_groups(&subscription)).await);
}

async fn note_questions(book: &mut Book, azure: &Azure) {
    let subscription = SUBSCRIPTION.parse().unwrap();
    let scope = RightScope::Resource(id("virtualNetworks/v"));
    let principal = "00000000-0000-0000-0000-0000000000c1".parse().unwrap();
    let address = "10.0.0.9".parse().unwrap();
    let group = "rg".parse().unwrap();
    drop(book.note("has_resource_group", "", azure.has_resource_group(&subscription, &group)).await);
    drop(book.note("reach", "", azure.reach()).await);
    drop(book.note("subscription", "", azure.subscription(&subscription)).await);
    drop(book.note("holders", "", azure.holders(&BTreeSet::from([subscription.clone()]))).await);
    let of_group = RightScope::Group(subscription.clone(), "rg".parse().unwrap());
    drop(book.note("permissions", "on a group", azure.permissions(&of_group)).await);
    drop(book.note("permissions", "on a resource", azure.permissions(&scope)).await);
    drop(book.note("roles_of", "", azure.roles_of(&principal, &scope)).await);
    drop(book.note("role", "", azure.role(ROLE)).await);
    drop(book.note("address", "", azure.address(&id("virtualNetworks/v"), address)).await);
}

async fn note_reads(book: &mut Book, azure: &Azure) {
    drop(book.note("read", "whatever it is", azure.read(&record().id)).await);
    drop(book.note("subnet", "", azure.subnet(&id("virtualNetworks/v/subnets/nat"))).await);
    drop(book.note("private_link_service", "", azure.private_link_service(&link_service().id)).await);
    let connection = id("privateLinkServices/pls/privateEndpointConnections/pe.5f0c");
    drop(book.note("connection", "", azure.connection(&connection)).await);
    drop(book.note("private_endpoint", "with its interface", azure.private_endpoint(&id("privateEndpoints/pe"))).await);
    drop(book.note("dns_record", "", azure.dns_record(&record().id)).await);
    drop(book.note("dns_link", "", azure.dns_link(&link().id)).await);
}

async fn note_puts(book: &mut Book, azure: &Azure) {
    let automatic = endpoint(Target::Id(id("privateLinkServices/pls")), Request::Automatic);
    let alias = "pls.00000000-0000-4000-8000-00000000abcd.eastus2.azure.privatelinkservice".parse().unwrap();
    let manual = endpoint(Target::Alias(alias), Request::Manual { message: "for orders".to_owned() });
    let subnet = SubnetPolicy { id: id("virtualNetworks/v/subnets/nat") };
    let connection = Connection {
        publisher: PublisherKey::Own(link_service().id),
        endpoint: automatic.id.clone(),
        verdict: Verdict::Approved,
    };
    let cases = [
        ("a subnet that is there", Resource::Subnet(subnet), Some(live_subnet())),
        ("a new Private Link Service", Resource::PrivateLinkService(link_service()), None),
        ("one that is there", Resource::PrivateLinkService(link_service()), Some(live_link_service())),
        ("a new endpoint", Resource::PrivateEndpoint(automatic.clone()), None),
        ("a new endpoint by alias", Resource::PrivateEndpoint(manual), None),
        ("one that is there", Resource::PrivateEndpoint(automatic), Some(live_endpoint())),
        ("the answer to a connection", Resource::Connection(connection), Some(live_connection())),
        ("a new record", Resource::DnsRecord(record()), None),
        ("one that is there", Resource::DnsRecord(record()), Some(live_record())),
        ("a new link", Resource::DnsLink(link()), None),
        ("one that is there", Resource::DnsLink(link()), Some(live_link())),
    ];
    for (case, resource, live) in cases {
        drop(book.note("put", case, azure.put(&resource, live.map(seen).as_ref())).await);
    }
}

async fn note_removals(book: &mut Book, azure: &Azure) {
    let etag = "W/\"7\"".parse().unwrap();
    let started = book.note("delete", "what was seen", azure.delete(&id("privateEndpoints/pe"), Some(&etag))).await;
    drop(book.note("delete", "whatever it is by now", azure.delete(&record().id, None)).await);
    let Started::Operation(operation) = started.unwrap() else { unreachable!("it takes its time") };
    drop(book.note("poll", "", azure.poll(&operation)).await);
}

#[tokio::test]
async fn every_read_of_azure_goes_over_the_wire_like_this() {
    insta::assert_snapshot!(book().await.shown(&["GET", "POST"]));
}

#[tokio::test]
async fn every_write_to_azure_goes_over_the_wire_like_this() {
    insta::assert_snapshot!(book().await.shown(&["PUT", "DELETE"]));
}

#[tokio::test]
async fn every_operation_on_azure_has_its_record() {
    // They sign in and ask the resource manager nothing.
    let silent = ["holder", "token", "try_links"].map(ToOwned::to_owned);
    let mut operations = declared("src/azure", "pub async fn ");
    operations.retain(|name| !silent.contains(name));
    assert_eq!(book().await.operations(), operations);
    // What is written differs by kind: each kind that Azure has is among the writes.
    let variants = declared_kinds();
    let written: BTreeSet<String> = puts(&book().await).iter().map(kind).collect();
    assert_eq!(written.len(), variants, "{written:?}");
}

/// How many kinds of resources are written to Azure: those of the enum without the three of the cluster.
fn declared_kinds() -> usize {
    let text = include_str!("../../src/domain/resource/mod.rs");
    let body = text.split("pub enum Resource {").nth(1).unwrap().split("\n}").next().unwrap();
    let variants: Vec<&str> =
        body.lines().map(str::trim).filter(|line| !line.starts_with("//") && !line.is_empty()).collect();
    let of_cluster = ["Namespace(", "Service(", "Publication("];
    variants.iter().filter(|line| !of_cluster.iter().any(|own| line.starts_with(own))).count()
}

fn puts(book: &Book) -> Vec<Recorded> {
    let requests = book.records.iter().flat_map(|record| record.requests.clone());
    requests.filter(|own| own.method == "PUT").collect()
}

/// The last type in a path.
fn kind(request: &Recorded) -> String {
    request.parts().0.rsplit('/').nth(1).unwrap().to_owned()
}

#[tokio::test]
async fn every_request_is_one_of_an_operation_that_azure_documents() {
    // Azure names the address of an operation itself, and the metadata of a cloud are not the resource manager's.
    let elsewhere = ["poll", "reach"];
    let declared = reference::operations();
    for record in book().await.records.iter().filter(|record| !elsewhere.contains(&record.operation)) {
        for request in &record.requests {
            let (path, query) = request.parts();
            let names: Vec<String> = query.iter().map(|(name, _)| name.replace("%24", "$")).collect();
            // Azure's own links between the pages of a list.
            let names: Vec<String> = names.into_iter().filter(|name| name != "$skipToken").collect();
            assert!(names.contains(&"api-version".to_owned()), "{request:?}");
            let preconditions = ["if-match", "if-none-match"].into_iter().filter(|name| request.header(name).is_some());
            let preconditions: Vec<&str> = preconditions.collect();
            let call = (request.method.as_str(), path);
            let is_declared = declared.iter().any(|own| own.takes(call, &names, &preconditions));
            assert!(is_declared, "{} {} {names:?} {preconditions:?}", request.method, request.target);
        }
    }
}

#[tokio::test]
async fn bodies_hold_what_azures_models_hold_and_new_ones_nothing_that_azure_computes() {
    let shapes = reference::shapes();
    for put in puts(&book().await) {
        let (path, query) = put.parts();
        let shape = &shapes[&kind(&put)];
        let version = query.iter().find(|(name, _)| *name == "api-version").unwrap().1;
        let is_new = put.header("if-match").is_none();
        for property in reference::properties(&put.json().unwrap()) {
            let is_known = shape.settable.contains(&property) || (!is_new && shape.read_only.contains(&property));
            assert!(is_known, "{property} of {path} (new: {is_new})");
            let is_late = |(name, since): (&String, &String)| property.starts_with(name) && since.as_str() > version;
            assert!(!shape.since.iter().any(is_late), "{property} of {path} is newer than {version}");
        }
    }
}

#[tokio::test]
async fn what_the_official_examples_send_is_sent_or_left_out_for_a_reason() {
    let left_out = [
        // Of other kinds of services; a Private Link Service has neither groups nor members.
        "properties.privateLinkServiceConnections[].properties.groupIds[]",
        "properties.manualPrivateLinkServiceConnections[].properties.groupIds[]",
        // An automatic request is approved without anybody who could read it.
        "properties.privateLinkServiceConnections[].properties.requestMessage",
        // Azure ignores it: the endpoint of a connection is not the provider's to change.
        "properties.privateEndpoint.id",
    ];
    let mut sent: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for put in puts(&book().await) {
        sent.entry(kind(&put)).or_default().extend(reference::properties(&put.json().unwrap()));
    }
    let mut missing = BTreeSet::new();
    for (kind, shape) in reference::shapes() {
        missing.extend(shape.example.difference(&sent[&kind]).cloned());
    }
    assert_eq!(missing, left_out.map(ToOwned::to_owned).into());
}
