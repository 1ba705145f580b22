//! The manifests of the AKS documentation's article on internal load balancers, as they stand, and every annotation of
//! its table of Private Link Service annotations.

use privlink::cli::Exit;
use serde_json::Value;

use super::docs;
use crate::runner::Ran;
use crate::runner::Stage;
use crate::runner::redact;
use crate::runner::worlds;
use crate::runner::worlds::CONSUMER;
use crate::runner::worlds::NODE_GROUP;
use crate::runner::worlds::PROVIDER;

const MANIFEST: &str = "environments/prod/internal-app.yaml";

/// One manifest of the article in its world, applied.
fn applied(manifest: &str) -> (Stage, Ran) {
    let stage = Stage::in_world(worlds::article());
    let ran = apply(&stage, manifest);
    (stage, ran)
}

fn apply(stage: &Stage, manifest: &str) -> Ran {
    stage.repo.commit(&[("privlink.toml", &worlds::settings()), (MANIFEST, manifest)]);
    let ran = stage.apply().ends(Exit::Done);
    stage.assert_converged();
    ran
}

fn frontends(stage: &Stage) -> Vec<Value> {
    let id = format!(
        "/subscriptions/{PROVIDER}/resourceGroups/{NODE_GROUP}/providers/Microsoft.Network/loadBalancers/kubernetes-internal"
    );
    let balancer = stage.azure(&id).expect("the internal load balancer is there");
    balancer["properties"]["frontendIPConfigurations"].as_array().unwrap().clone()
}

/// The only Private Link Service of the provider.
fn link(stage: &Stage) -> Value {
    let list = format!("/subscriptions/{PROVIDER}/providers/Microsoft.Network/privateLinkServices");
    let links = stage.azure(&list).unwrap()["value"].as_array().unwrap().clone();
    assert_eq!(links.len(), 1, "{links:?}");
    links[0].clone()
}

const INTERNAL: &str = r#"apiVersion: v1
kind: Service
metadata:
  name: internal-app
  annotations:
    service.beta.kubernetes.io/azure-load-balancer-internal: "true"
spec:
  type: LoadBalancer
  ports:
  - port: 80
  selector:
    app: internal-app
"#;

#[test]
fn the_internal_load_balancer_gets_an_address_of_the_node_subnet() {
    let (stage, _) = applied(INTERNAL);
    redact::settings(&stage).bind(|| {
        insta::assert_snapshot!(stage.status(), @r#"
    Status of prod as of [TIME] ([AGE] ago)
    applied commit [COMMIT]

    Services in namespace default
    NAME           TYPE           CLUSTER-IP   EXTERNAL-IP   PORT(S)        AGE
    internal-app   LoadBalancer   10.0.9.195   10.240.0.N    80:3[NP]/TCP   0s
    "#);
    });
    assert!(frontends(&stage)[0]["properties"]["subnet"]["id"].as_str().unwrap().ends_with("/aks-subnet"));
}

#[test]
fn a_static_address_is_taken_from_the_ipv4_annotation() {
    let manifest = r#"apiVersion: v1
kind: Service
metadata:
  name: internal-app
  annotations:
    service.beta.kubernetes.io/azure-load-balancer-ipv4: 10.240.0.25
    service.beta.kubernetes.io/azure-load-balancer-internal: "true"
spec:
  type: LoadBalancer
  ports:
  - port: 80
  selector:
    app: internal-app
"#;
    let (stage, ran) = applied(manifest);
    redact::settings(&stage).bind(|| {
        insta::assert_snapshot!(stage.status(), @r#"
    Status of prod as of [TIME] ([AGE] ago)
    applied commit [COMMIT]

    Services in namespace default
    NAME           TYPE           CLUSTER-IP   EXTERNAL-IP   PORT(S)        AGE
    internal-app   LoadBalancer   10.0.9.195   10.240.0.25   80:3[NP]/TCP   0s
    "#);
    });
    assert!(!ran.err.contains("warning"), "{}", ran.err);
}

#[test]
fn the_deprecated_load_balancer_ip_works_with_a_warning_that_names_the_annotation() {
    let manifest = r#"apiVersion: v1
kind: Service
metadata:
  name: internal-app
  annotations:
    service.beta.kubernetes.io/azure-load-balancer-internal: "true"
spec:
  type: LoadBalancer
  loadBalancerIP: 10.240.0.25
  ports:
  - port: 80
  selector:
    app: internal-app
"#;
    let (stage, ran) = applied(manifest);
    assert!(stage.status().contains(" 10.240.0.25 "));
    let lines = ran.err.lines().skip_while(|line| !line.starts_with("warning")).take_while(|line| !line.is_empty());
    let warning = lines.collect::<Vec<_>>().join("\n");
    redact::settings(&stage).bind(|| {
        insta::assert_snapshot!(warning, @r#"
    warning[IP008]: spec.loadBalancerIP is deprecated
     --> environments/prod/internal-app.yaml:9:19
      |
    9 |   loadBalancerIP: 10.240.0.25
      |                   ^^^^^^^^^^^ works, and cannot say both families
      |
      = help: write the annotation instead: service.beta.kubernetes.io/azure-load-balancer-ipv4: 10.240.0.25
    "#);
    });
}

#[test]
fn the_subnet_annotation_takes_the_address_from_that_subnet() {
    let manifest = r#"apiVersion: v1
kind: Service
metadata:
  name: internal-app
  annotations:
    service.beta.kubernetes.io/azure-load-balancer-internal: "true"
    service.beta.kubernetes.io/azure-load-balancer-internal-subnet: "apps-subnet"
spec:
  type: LoadBalancer
  ports:
  - port: 80
  selector:
    app: internal-app
"#;
    let (stage, _) = applied(manifest);
    assert!(stage.status().contains(" 10.241.0."), "{}", stage.status());
    assert!(frontends(&stage)[0]["properties"]["subnet"]["id"].as_str().unwrap().ends_with("/apps-subnet"));
}

#[test]
fn the_pls_annotation_makes_a_private_link_service_with_an_alias() {
    let manifest = r#"apiVersion: v1
kind: Service
metadata:
  name: internal-app
  annotations:
    service.beta.kubernetes.io/azure-load-balancer-internal: "true"
    service.beta.kubernetes.io/azure-pls-create: "true"
spec:
  type: LoadBalancer
  ports:
  - port: 80
  selector:
    app: internal-app
"#;
    let (stage, _) = applied(manifest);
    redact::settings(&stage).bind(|| {
        insta::assert_snapshot!(stage.status(), @r#"
    Status of prod as of [TIME] ([AGE] ago)
    applied commit [COMMIT]

    Services in namespace default
    NAME           TYPE           CLUSTER-IP   EXTERNAL-IP   PORT(S)        AGE
    internal-app   LoadBalancer   10.0.9.195   10.240.0.N    80:3[NP]/TCP   0s

    Private Link Services
    Name                                  Alias
    ------------------------------------  [LINE]
    pls-[UID                          ]  pls-[UID                          ].[GUID].eastus2.azure.privatelinkservice
    "#);
    });
}

#[test]
fn the_article_s_endpoint_connects_to_the_article_s_service() {
    let stage = Stage::in_world(worlds::article());
    let endpoint = format!(
        "apiVersion: privlink.dev/v1alpha1\nkind: PrivateEndpoint\nmetadata: {{ name: my-aks-service-pe }}\nspec:\n  \
         subscription: \"{CONSUMER}\"\n  resourceGroup: myOtherResourceGroup\n  location: eastus2\n  name: myAKSServicePE\n  \
         subnet: {{ virtualNetwork: myOtherVNET, name: pe-subnet }}\n  target: {{ service: {{ name: internal-app }} }}\n  \
         connection: {{ name: connectToMyK8sService }}\n"
    );
    stage.repo.commit(&[("environments/prod/pe.yaml", &endpoint)]);
    apply(&stage, &docs::service("internal-app", &[("azure-pls-create", "true")]));
    let connection = &link(&stage)["properties"]["privateEndpointConnections"][0]["properties"];
    assert_eq!(connection["privateLinkServiceConnectionState"]["status"], "Approved", "{connection}");
    redact::settings(&stage).bind(|| insta::assert_snapshot!(stage.status(), @r#"
    Status of prod as of [TIME] ([AGE] ago)
    applied commit [COMMIT]

    Services in namespace default
    NAME           TYPE           CLUSTER-IP   EXTERNAL-IP   PORT(S)        AGE
    internal-app   LoadBalancer   10.0.9.195   10.240.0.N    80:3[NP]/TCP   0s

    Private Link Services
    Name                                  Alias
    ------------------------------------  [LINE]
    pls-[UID                          ]  pls-[UID                          ].[GUID].eastus2.azure.privatelinkservice

    Connections
    Service                               Endpoint        State     Consumer  Subscription                          LinkId     FirstSeen
    ------------------------------------  --------------  --------  --------  ------------------------------------  ---------  --------------------
    pls-[UID                          ]  myAKSServicePE  Approved            00000000-0000-0000-0000-000000000002  [LINK-ID]  [TIME]

    Private endpoints
    Name               Address    Connection  Target
    -----------------  ---------  ----------  ------------------------------------
    my-aks-service-pe  10.50.1.N  Approved    pls-[UID                          ]
    "#));
}

#[test]
fn the_ipv6_annotation_works_in_a_dual_stack_world() {
    let stage = Stage::in_world(worlds::dual_stack());
    let families = "  ipFamilyPolicy: RequireDualStack\n  ipFamilies: [IPv4, IPv6]\n  ports:\n  - port: 80\n";
    let annotations = [("azure-load-balancer-ipv4", "10.240.0.25"), ("azure-load-balancer-ipv6", "fd00:10::25")];
    apply(&stage, &docs::service_with("internal-app", &annotations, families));
    redact::settings(&stage).bind(|| {
        insta::assert_snapshot!(stage.status(), @r#"
    Status of prod as of [TIME] ([AGE] ago)
    applied commit [COMMIT]

    Services in namespace default
    NAME           TYPE           CLUSTER-IP   EXTERNAL-IP               PORT(S)        AGE
    internal-app   LoadBalancer   10.0.9.195   10.240.0.25,fd00:10::25   80:3[NP]/TCP   0s
    "#);
    });
    assert_eq!(frontends(&stage).len(), 2);
}

/// A published Service with these annotations beside `azure-pls-create`: the Private Link Service that comes of them.
fn published(annotations: &[(&str, &str)]) -> (Stage, Value) {
    let all: Vec<(&str, &str)> =
        std::iter::once(("azure-pls-create", "true")).chain(annotations.iter().copied()).collect();
    let (stage, _) = applied(&docs::service("internal-app", &all));
    let link = link(&stage);
    (stage, link)
}

fn nat(link: &Value) -> Vec<Value> {
    link["properties"]["ipConfigurations"].as_array().unwrap().clone()
}

#[test]
fn the_pls_name_annotation_names_it() {
    let (stage, link) = published(&[("azure-pls-name", "myServicePLS")]);
    assert_eq!(link["name"], "myServicePLS");
    assert!(stage.status().contains("\nmyServicePLS  myservicepls."), "{}", stage.status());
}

#[test]
fn the_pls_resource_group_annotation_places_it() {
    let (stage, link) = published(&[("azure-pls-resource-group", "rg-pls")]);
    assert!(link["id"].as_str().unwrap().contains("/resourceGroups/rg-pls/"), "{link}");
    assert!(stage.status().contains(".eastus2.azure.privatelinkservice"), "{}", stage.status());
}

#[test]
fn the_pls_subnet_annotation_says_where_its_nat_addresses_come_from() {
    let (_, link) = published(&[("azure-pls-ip-configuration-subnet", "pls-subnet")]);
    assert!(nat(&link)[0]["properties"]["subnet"]["id"].as_str().unwrap().ends_with("/subnets/pls-subnet"), "{link}");
}

#[test]
fn the_pls_address_count_annotation_gives_it_so_many_nat_addresses() {
    let (_, link) = published(&[("azure-pls-ip-configuration-ip-address-count", "3")]);
    assert_eq!(nat(&link).len(), 3);
}

#[test]
fn the_pls_address_annotation_gives_it_static_nat_addresses_the_first_of_them_primary() {
    let (_, link) = published(&[
        ("azure-pls-ip-configuration-subnet", "pls-subnet"),
        ("azure-pls-ip-configuration-ip-address-count", "2"),
        ("azure-pls-ip-configuration-ip-address", "10.241.1.9 10.241.1.8"),
    ]);
    let nat = nat(&link);
    let primary = nat.iter().find(|own| own["properties"]["primary"] == true).unwrap();
    assert_eq!(primary["properties"]["privateIPAddress"], "10.241.1.9");
    assert!(nat.iter().any(|own| own["properties"]["privateIPAddress"] == "10.241.1.8"));
}

#[test]
fn the_pls_fqdns_annotation_lists_names_for_consumers() {
    let (_, link) = published(&[("azure-pls-fqdns", "fqdn1.example.com fqdn2.example.com")]);
    assert_eq!(link["properties"]["fqdns"], serde_json::json!(["fqdn1.example.com", "fqdn2.example.com"]));
}

#[test]
fn the_pls_proxy_protocol_annotation_switches_it_on() {
    let (_, link) = published(&[("azure-pls-proxy-protocol", "true")]);
    assert_eq!(link["properties"]["enableProxyProtocol"], true);
}

#[test]
fn the_pls_visibility_annotation_says_who_may_ask() {
    let (_, link) = published(&[("azure-pls-visibility", CONSUMER)]);
    assert_eq!(link["properties"]["visibility"]["subscriptions"], serde_json::json!([CONSUMER]));
    let (_, link) = published(&[("azure-pls-visibility", "*")]);
    assert_eq!(link["properties"]["visibility"]["subscriptions"], serde_json::json!(["*"]));
}

#[test]
fn the_pls_auto_approval_annotation_says_who_is_let_in() {
    let (_, link) = published(&[("azure-pls-visibility", CONSUMER), ("azure-pls-auto-approval", CONSUMER)]);
    assert_eq!(link["properties"]["autoApproval"]["subscriptions"], serde_json::json!([CONSUMER]));
}
