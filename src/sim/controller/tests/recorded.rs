//! The order of the controller's requests against what the real one was recorded to send.
//!
//! Two sessions of cloud-controller-manager 1.36 against a stub of Azure: one life of two Services, and the edits that cut
//! consumers off. Each step below is an edit and the requests that followed it, reads included: method, resource, the
//! status of a write, and whether it had a precondition. Left out of both sides: looks at operations, tokens, discovery.
//!
//! `B` stands for the name that a Service's parts start with, `C` for a Service of the second name, and a connection's name
//! is cut, for they contain what is random.

use serde_json::{Value, json};

use super::*;
use crate::sim::log::LoggedRequest;

const FQDNS: &str = "service.beta.kubernetes.io/azure-pls-fqdns";
const COUNT: &str = "service.beta.kubernetes.io/azure-pls-ip-configuration-ip-address-count";
const NAT_ADDRESS: &str = "service.beta.kubernetes.io/azure-pls-ip-configuration-ip-address";
const PROXY: &str = "service.beta.kubernetes.io/azure-pls-proxy-protocol";
const VISIBILITY: &str = "service.beta.kubernetes.io/azure-pls-visibility";
const APPROVAL: &str = "service.beta.kubernetes.io/azure-pls-auto-approval";

const CREATE_FIRST: &str = "
    GET loadBalancers
    GET loadBalancers
    GET subnets/aks-subnet
    PUT loadBalancers/kubernetes-internal 201
    GET loadBalancers/kubernetes-internal
    GET loadBalancers/kubernetes-internal
    GET virtualMachineScaleSets
    GET virtualMachineScaleSets/vmss
    PUT virtualMachineScaleSets/vmss 200 If-Match
    GET virtualMachineScaleSets/vmss
    GET virtualMachineScaleSets
    GET virtualMachineScaleSets/vmss/virtualMachines
    PUT virtualMachineScaleSets/vmss/virtualMachines/0 200 If-Match
    GET virtualMachineScaleSets/vmss/virtualMachines/0
    GET networkSecurityGroups/aks-agentpool-nsg
    GET loadBalancers/kubernetes-internal
    GET virtualMachineScaleSets/vmss/virtualMachines
    GET privateLinkServices
    GET subnets/aks-subnet
    GET subnets/aks-subnet
    PUT subnets/aks-subnet 200
    GET subnets/aks-subnet
    PUT privateLinkServices/pls-B 201
    GET privateLinkServices/pls-B
    GET loadBalancers
    GET publicIPAddresses";

const TUNE: &str = "
    GET loadBalancers
    GET subnets/aks-subnet
    GET virtualMachineScaleSets
    GET loadBalancers/kubernetes-internal
    GET privateLinkServices
    GET subnets/aks-subnet
    GET subnets/aks-subnet
    PUT privateLinkServices/pls-B 200
    GET privateLinkServices/pls-B
    GET loadBalancers";

const CREATE_SECOND: &str = "
    GET loadBalancers
    GET subnets/apps-subnet
    PUT loadBalancers/kubernetes-internal 200 If-Match
    GET loadBalancers/kubernetes-internal
    GET loadBalancers/kubernetes-internal
    GET loadBalancers/kubernetes-internal
    GET privateLinkServices
    GET subnets/apps-subnet
    GET subnets/apps-subnet
    PUT subnets/apps-subnet 200
    GET subnets/apps-subnet
    PUT privateLinkServices/pls-two 201
    GET privateLinkServices/pls-two
    GET loadBalancers";

const ADD_PORT: &str = "
    GET loadBalancers
    GET subnets/aks-subnet
    PUT loadBalancers/kubernetes-internal 200 If-Match
    GET loadBalancers/kubernetes-internal
    GET loadBalancers/kubernetes-internal
    GET loadBalancers/kubernetes-internal
    GET privateLinkServices
    GET subnets/aks-subnet
    GET loadBalancers";

const DELETE_SECOND: &str = "
    GET loadBalancers
    GET loadBalancers
    GET loadBalancers
    GET privateLinkServices
    DELETE privateLinkServices/pls-two 202
    GET loadBalancers
    GET privateLinkServices
    PUT loadBalancers/kubernetes-internal 200 If-Match
    GET loadBalancers/kubernetes-internal
    GET loadBalancers/kubernetes-internal
    GET loadBalancers";

const DELETE_LAST: &str = "
    GET loadBalancers
    GET loadBalancers
    GET loadBalancers
    DELETE privateLinkServices/pls-B/privateEndpointConnections/… 202
    DELETE privateLinkServices/pls-B 202
    GET loadBalancers
    GET privateLinkServices
    GET virtualMachineScaleSets/vmss
    PUT virtualMachineScaleSets/vmss 200 If-Match
    GET virtualMachineScaleSets/vmss
    GET virtualMachineScaleSets
    PUT virtualMachineScaleSets/vmss/virtualMachines/0 200 If-Match
    GET virtualMachineScaleSets/vmss/virtualMachines/0
    DELETE loadBalancers/kubernetes-internal 202
    GET loadBalancers
    GET loadBalancers";

const NEW_ADDRESS: &str = "
    GET loadBalancers
    GET subnets/aks-subnet
    GET privateLinkServices
    DELETE privateLinkServices/pls-B/privateEndpointConnections/… 202
    DELETE privateLinkServices/pls-B 202
    GET loadBalancers
    GET subnets/aks-subnet
    GET privateLinkServices
    PUT loadBalancers/kubernetes-internal 200 If-Match
    GET loadBalancers/kubernetes-internal
    GET loadBalancers/kubernetes-internal
    GET virtualMachineScaleSets
    GET loadBalancers/kubernetes-internal
    GET subnets/aks-subnet
    GET subnets/aks-subnet
    PUT privateLinkServices/pls-B 201
    GET privateLinkServices/pls-B
    GET loadBalancers";

const SWITCH_OFF: &str = "
    GET loadBalancers
    GET subnets/aks-subnet
    GET loadBalancers/kubernetes-internal
    GET loadBalancers";

const NEW_SUBNET: &str = "
    GET loadBalancers
    GET subnets/apps-subnet
    GET privateLinkServices
    DELETE privateLinkServices/pls-B/privateEndpointConnections/… 202
    DELETE privateLinkServices/pls-B 202
    GET loadBalancers
    GET subnets/apps-subnet
    GET privateLinkServices
    PUT loadBalancers/kubernetes-internal 200 If-Match
    GET loadBalancers/kubernetes-internal
    GET loadBalancers/kubernetes-internal
    GET loadBalancers/kubernetes-internal
    GET privateLinkServices
    GET subnets/apps-subnet
    GET subnets/apps-subnet
    PUT subnets/apps-subnet 200
    GET subnets/apps-subnet
    PUT privateLinkServices/pls-B-apps-subnet 201
    GET privateLinkServices/pls-B-apps-subnet
    GET loadBalancers";

const WRONG_ADDRESS: &str = "
    GET loadBalancers
    GET subnets/apps-subnet
    GET privateLinkServices
    DELETE privateLinkServices/pls-B-apps-subnet/privateEndpointConnections/… 202
    DELETE privateLinkServices/pls-B-apps-subnet 202
    GET loadBalancers
    GET subnets/apps-subnet
    GET privateLinkServices
    PUT loadBalancers/kubernetes-internal 400 If-Match";

const TRIED_AGAIN: &str = "
    GET loadBalancers
    GET subnets/apps-subnet
    PUT loadBalancers/kubernetes-internal 400 If-Match";

const DELETE_WITHOUT_LINK_SERVICE: &str = "
    GET loadBalancers
    GET loadBalancers
    GET loadBalancers
    GET virtualMachineScaleSets/vmss
    PUT virtualMachineScaleSets/vmss 200 If-Match
    GET virtualMachineScaleSets/vmss
    GET virtualMachineScaleSets
    PUT virtualMachineScaleSets/vmss/virtualMachines/0 200 If-Match
    GET virtualMachineScaleSets/vmss/virtualMachines/0
    DELETE loadBalancers/kubernetes-internal 202
    GET loadBalancers
    GET loadBalancers";

/// What happened since the last look, with the random parts of names replaced.
struct Session {
    world: World,
    mark: usize,
    /// Text in names, and what it is shown as.
    words: Vec<(String, &'static str)>,
}

impl Session {
    async fn start() -> Self {
        // The recorded version does not look a name up before it writes under it.
        // Its machines had no IPv6.
        let world = World::with(|world| {
            world.clusters[0].cloud_provider_version = Some("1.36.2".to_owned());
            world.virtual_networks[0].subnets[0].prefixes.truncate(1);
        });
        let world = world.await;
        world.arm.log().keep_bodies();
        let words =
            vec![("aks-nodepool1-12345678-vmss".to_owned(), "vmss"), ("aks-vnet/subnets/".to_owned(), "subnets/")];
        let mark = world.mark();
        Self { world, mark, words }
    }

    async fn create(&mut self, manifest: &Value, word: &'static str) {
        let own = self.world.apply(manifest).await;
        self.words.push((base(&own), word));
    }

    /// The controller's requests since the last look.
    fn requests(&mut self) -> Vec<LoggedRequest> {
        let all = self.world.sim.requests().split_off(self.mark);
        self.mark += all.len();
        let own = all.into_iter().filter(|own| own.client.starts_with("kubernetes-cloudprovider"));
        own.filter(|own| own.path != "/msi/token" && !own.path.contains("/operations/")).collect()
    }

    fn line(&self, request: &LoggedRequest) -> String {
        let mut path = request.path.split("/providers/").nth(1).unwrap_or_default().to_owned();
        path = path.split_once('/').map_or(String::new(), |(_, rest)| rest.replace("virtualNetworks/", ""));
        for (text, word) in &self.words {
            path = path.replace(text, word);
        }
        if let Some((service, _)) = path.split_once("/privateEndpointConnections/") {
            path = format!("{service}/privateEndpointConnections/…");
        }
        let status = if request.method == "GET" { String::new() } else { format!(" {}", request.status) };
        let condition = if request.if_match.is_some() { " If-Match" } else { "" };
        format!("{} {path}{status}{condition}", request.method)
    }

    /// Compares what was sent since the last look, and returns the bodies of the writes.
    fn expect(&mut self, step: &str, expected: &str) -> Vec<Value> {
        let requests = self.requests();
        let lines: Vec<String> = requests.iter().map(|request| self.line(request)).collect();
        let expected: Vec<&str> = expected.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        assert_eq!(lines, expected, "{step}");
        requests.into_iter().filter(|own| own.method == "PUT").filter_map(|own| own.body).collect()
    }
}

/// True if `actual` has at least what `wanted` has. Lists agree element by element.
fn has(actual: &Value, wanted: &Value) -> bool {
    match (actual, wanted) {
        (Value::Object(_), Value::Object(wanted)) => wanted.iter().all(|(key, value)| has(&actual[key], value)),
        (Value::Array(actual), Value::Array(wanted)) => {
            actual.len() == wanted.len() && actual.iter().zip(wanted).all(|(actual, wanted)| has(actual, wanted))
        }
        _ => actual == wanted,
    }
}

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().into_iter().flatten().map(|(key, _)| key.as_str()).collect()
}

fn subnet_id(name: &str) -> String {
    network(&format!("virtualNetworks/aks-vnet/subnets/{name}"))
}

fn profile(pools: &Value) -> Value {
    json!([{
        "name": "aks-nodepool1-12345678-vmss",
        "properties": {
            "primary": true, "enableIPForwarding": true,
            "networkSecurityGroup": {"id": network("networkSecurityGroups/aks-agentpool-nsg")},
            "ipConfigurations": [{
                "name": "ipconfig1",
                "properties": {
                    "primary": true, "privateIPAddressVersion": "IPv4", "subnet": {"id": subnet_id("aks-subnet")},
                    "loadBalancerBackendAddressPools": pools,
                },
            }],
        },
    }])
}

#[tokio::test]
async fn one_life_of_two_services_is_as_recorded() {
    let mut session = Session::start().await;
    session.create(&service("internal-app", &[(INTERNAL, "true"), (CREATE, "true")]), "B").await;
    let bodies = session.expect("the first Service", CREATE_FIRST);
    first_bodies(&session, &bodies);
    session.world.connect("myAKSServicePE");
    let tuning = [
        (COUNT, Some("2")),
        (FQDNS, Some("fqdn1 fqdn2")),
        (PROXY, Some("true")),
        (VISIBILITY, Some("*")),
        (APPROVAL, Some(SUBSCRIPTION)),
    ];
    session.world.annotate("internal-app", &tuning).await;
    let bodies = session.expect("tuning", TUNE);
    tuned_body(&bodies[0]);
    let mut second = service(
        "internal-app2",
        &[
            (INTERNAL, "true"),
            (SUBNET, "apps-subnet"),
            (IPV4, "10.225.0.25"),
            (CREATE, "true"),
            (NAME, "pls-two"),
            (NAT_ADDRESS, "10.225.0.30"),
        ],
    );
    second["spec"]["ports"] = json!([{"name": "http", "port": 80}, {"name": "https", "port": 443}]);
    session.create(&second, "C").await;
    let bodies = session.expect("the second Service", CREATE_SECOND);
    second_bodies(&bodies);
    let ports = json!({"spec": {"ports": [{"name": "http", "port": 80}, {"name": "more", "port": 8080}]}});
    session.world.cluster.patch_service("default", "internal-app", (&ports, "kubectl")).unwrap();
    session.world.cluster.idle().await;
    let bodies = session.expect("a port more", ADD_PORT);
    assert_eq!(bodies[0]["properties"]["loadBalancingRules"].as_array().unwrap().len(), 4);
    session.world.delete("internal-app2").await;
    let bodies = session.expect("the second Service goes", DELETE_SECOND);
    assert_eq!(bodies[0]["properties"]["frontendIPConfigurations"].as_array().unwrap().len(), 1);
    session.world.delete("internal-app").await;
    let bodies = session.expect("the last Service goes", DELETE_LAST);
    let model = &bodies[0]["properties"]["virtualMachineProfile"]["networkProfile"]["networkInterfaceConfigurations"];
    let machine = &bodies[1]["properties"]["networkProfileConfiguration"]["networkInterfaceConfigurations"];
    assert!(has(model, &profile(&json!([]))), "{model}");
    assert!(has(machine, &profile(&json!([]))), "{machine}");
}

/// Load balancer, scale set, machine, subnet, Private Link Service.
fn first_bodies(session: &Session, bodies: &[Value]) {
    let [balancer, scale_set, machine, subnet, link_service] = bodies else { panic!("{bodies:?}") };
    let own = session.world.service("internal-app");
    let (base, node_port) = (base(&own), &own["spec"]["ports"][0]["nodePort"]);
    // The provider folds the name of its resource group, so ids of parts that it makes up are spelled in lower case.
    let folded = network("loadBalancers/kubernetes-internal").replace(GROUP, &GROUP.to_ascii_lowercase());
    let pool = json!({"id": format!("{folded}/backendAddressPools/kubernetes")});
    let frontend = format!("{folded}/frontendIPConfigurations/{base}");
    let rule = json!({"name": format!("{base}-TCP-80"), "properties": {
        "backendAddressPool": pool, "backendPort": 80, "disableOutboundSnat": false, "enableFloatingIP": true,
        "enableTcpReset": true, "frontendIPConfiguration": {"id": frontend}, "frontendPort": 80,
        "idleTimeoutInMinutes": 4, "loadDistribution": "Default",
        "probe": {"id": format!("{folded}/probes/{base}-TCP-80")}, "protocol": "Tcp",
    }});
    let subnet_reference = json!({"id": subnet_id("aks-subnet"), "name": "aks-subnet"});
    assert_eq!(
        *balancer,
        json!({"location": "eastus2", "name": "kubernetes-internal", "sku": {"name": "Standard"}, "properties": {
            "backendAddressPools": [{"name": "kubernetes", "properties": {}}],
            "frontendIPConfigurations": [{"id": frontend, "name": base, "zones": ["1", "2", "3"],
                "properties": {"privateIPAllocationMethod": "Dynamic", "subnet": subnet_reference}}],
            "loadBalancingRules": [rule],
            "probes": [{"name": format!("{base}-TCP-80"), "properties": {
                "intervalInSeconds": 5, "port": node_port, "probeThreshold": 2, "protocol": "Tcp"}}],
        }})
    );
    assert_eq!(keys(scale_set), ["etag", "location", "properties"]);
    let model = &scale_set["properties"]["virtualMachineProfile"]["networkProfile"]["networkInterfaceConfigurations"];
    assert_eq!(*model, profile(&json!([pool])));
    assert_eq!(keys(machine), ["etag", "location", "properties"]);
    let interfaces = &machine["properties"]["networkProfileConfiguration"]["networkInterfaceConfigurations"];
    assert!(has(interfaces, &profile(&json!([pool]))), "{interfaces}");
    assert!(subnet["etag"].is_string(), "the etag is in the body, and there is no precondition");
    assert_eq!(subnet["properties"]["privateLinkServiceNetworkPolicies"], "Disabled");
    let configuration = json!({"name": format!("aks-subnet-pls-{base}-dynamic-0"), "properties": {
        "primary": true, "privateIPAddressVersion": "IPv4", "privateIPAllocationMethod": "Dynamic",
        "subnet": {"id": subnet_id("aks-subnet")}}});
    let frontend = network(&format!("loadBalancers/kubernetes-internal/frontendIPConfigurations/{base}"));
    assert_eq!(
        *link_service,
        json!({"etag": "", "location": "eastus2", "name": format!("pls-{base}"),
        "tags": {"k8s-azure-cluster-name": "kubernetes", "k8s-azure-owner-service": "default/internal-app"},
        "properties": {
            "ipConfigurations": [configuration],
            "loadBalancerFrontendIpConfigurations": [{"id": frontend}],
        }})
    );
}

/// The whole object goes back, with what is read-only and with the changes.
fn tuned_body(body: &Value) {
    assert_eq!(body["etag"], "");
    for field in ["id", "name", "location", "tags", "type"] {
        assert!(!body[field].is_null(), "{field}: {body}");
    }
    let properties = &body["properties"];
    for field in ["alias", "networkInterfaces", "privateEndpointConnections", "provisioningState"] {
        assert!(!properties[field].is_null(), "{field}: {body}");
    }
    let tuned = json!({
        "enableProxyProtocol": true, "fqdns": ["fqdn1", "fqdn2"], "visibility": {"subscriptions": ["*"]},
        "autoApproval": {"subscriptions": [SUBSCRIPTION]},
    });
    assert!(has(properties, &tuned), "{properties}");
    let configurations = properties["ipConfigurations"].as_array().unwrap();
    let primary: Vec<bool> = configurations.iter().map(|own| own["properties"]["primary"] == true).collect();
    assert_eq!(primary, [true, false]);
    assert!(configurations.iter().all(|own| own.get("id").is_none()), "the list is built anew: {properties}");
}

/// Load balancer, subnet, Private Link Service.
fn second_bodies(bodies: &[Value]) {
    let [balancer, subnet, link_service] = bodies else { panic!("{bodies:?}") };
    assert!(balancer["etag"].is_string());
    let frontends = balancer["properties"]["frontendIPConfigurations"].as_array().unwrap();
    assert_eq!(frontends.len(), 2);
    let added = json!({"zones": ["1", "2", "3"], "properties": {
        "privateIPAddress": "10.225.0.25", "privateIPAllocationMethod": "Static",
        "subnet": {"id": subnet_id("apps-subnet"), "name": "apps-subnet"}}});
    assert!(has(&frontends[1], &added), "{}", frontends[1]);
    assert_eq!(keys(&frontends[1]), ["id", "name", "properties", "zones"]);
    assert_eq!(subnet["properties"]["privateLinkServiceNetworkPolicies"], "Disabled");
    let configuration = json!({"name": "apps-subnet-pls-two-static-10.225.0.30", "properties": {
        "primary": true, "privateIPAddress": "10.225.0.30", "privateIPAddressVersion": "IPv4",
        "privateIPAllocationMethod": "Static", "subnet": {"id": subnet_id("apps-subnet")}}});
    assert_eq!(link_service["properties"]["ipConfigurations"], json!([configuration]));
    assert_eq!(keys(&link_service["properties"]), ["ipConfigurations", "loadBalancerFrontendIpConfigurations"]);
}

#[tokio::test]
async fn the_edits_that_cut_consumers_off_are_as_recorded() {
    let mut session = Session::start().await;
    let manifest = service("a", &[(INTERNAL, "true"), (CREATE, "true"), (IPV4, "10.224.1.10")]);
    session.create(&manifest, "B").await;
    session.expect("the Service", CREATE_FIRST);
    session.world.connect("consumer1");
    session.world.annotate("a", &[(IPV4, Some("10.224.1.11"))]).await;
    session.expect("another address", NEW_ADDRESS);
    session.world.connect("consumer2");
    session.world.annotate("a", &[(CREATE, Some("false"))]).await;
    session.expect("publication switched off", SWITCH_OFF);
    let edits = [(CREATE, Some("true")), (SUBNET, Some("apps-subnet")), (IPV4, Some("10.225.0.40"))];
    session.world.annotate("a", &edits).await;
    session.expect("another subnet", NEW_SUBNET);
    session.world.connect("consumer3");
    session.world.annotate("a", &[(IPV4, Some("10.226.0.9"))]).await;
    session.expect("an address outside the subnet", WRONG_ADDRESS);
    session.world.advance(5).await;
    session.expect("tried again after 5 s", TRIED_AGAIN);
    session.world.advance(10).await;
    session.expect("tried again after 10 s", TRIED_AGAIN);
    session.world.delete("a").await;
    session.expect("the Service goes", DELETE_WITHOUT_LINK_SERVICE);
}
