//! From documents to intent: references, defaults, and every rule once broken and once kept.

use privlink::desired::Desired;
use privlink::domain::key::PublisherKey;
use privlink::domain::key::ResourceKey;
use privlink::domain::resource::Resource;
use privlink::domain::resource::private_endpoint::Request;
use privlink::domain::resource::private_link_service::Publication;
use privlink::domain::resource::private_link_service::Visibility;
use privlink::domain::resource::service::Deployment;

use crate::support::case::CONSUMER;
use crate::support::case::Case;
use crate::support::case::STRANGER;
use crate::support::case::endpoint;
use crate::support::case::subnet;

/// The codes that a repository is told, and the rendered text.
#[track_caller]
fn says(case: &Case, expected: &[&str], parts: &[&str]) {
    let (_, diagnostics, shown) = case.read();
    let codes: Vec<&str> = diagnostics.iter().map(|diagnostic| diagnostic.code.as_str()).collect();
    assert_eq!(codes, expected, "{shown}");
    for part in parts {
        assert!(shown.contains(part), "no {part:?} in\n{shown}");
    }
}

fn publication(desired: &Desired, service: &str) -> Publication {
    let key = ResourceKey::PrivateLinkService(PublisherKey::Cluster(service.parse().unwrap()));
    match &desired.intents[&key].resource {
        Resource::Publication(publication) => publication.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_shop_is_told_nothing() {
    says(&Case::shop(), &[], &[]);
    says(&Case::empty(), &[], &[]);
}

#[test]
fn every_manifest_of_the_article_resolves() {
    let manifest = |annotations: &str, spec: &str| {
        format!(
            "apiVersion: v1\nkind: Service\nmetadata:\n  name: internal-app\n  annotations:\n    service.beta.kubernetes.io/azure-load-balancer-internal: \"true\"\n{annotations}spec:\n  type: LoadBalancer\n{spec}  ports:\n  - port: 80\n  selector:\n    app: internal-app\n"
        )
    };
    let prefix = "    service.beta.kubernetes.io/";
    let resolve = |text: String, warnings: &[&str]| {
        let case = Case::empty().with("internal-app", &text);
        says(&case, warnings, &[]);
        case.resolve()
    };
    let plain = resolve(manifest("", ""), &[]);
    assert_eq!(plain.intents.len(), 1);
    let pinned = |desired: &Desired| match &desired.intents.values().next().unwrap().resource {
        Resource::Service(service) => service.pinned_addresses(),
        other => panic!("{other:?}"),
    };
    let expected: Vec<std::net::IpAddr> = vec!["10.240.0.25".parse().unwrap()];
    assert_eq!(
        pinned(&resolve(manifest(&format!("{prefix}azure-load-balancer-ipv4: 10.240.0.25\n"), ""), &[])),
        expected
    );
    assert_eq!(pinned(&resolve(manifest("", "  loadBalancerIP: 10.240.0.25\n"), &["IP008"])), expected);
    resolve(manifest(&format!("{prefix}azure-load-balancer-internal-subnet: \"apps-subnet\"\n"), ""), &[]);
    let published = resolve(manifest(&format!("{prefix}azure-pls-create: \"true\"\n"), ""), &[]);
    let link = publication(&published, "default/internal-app");
    assert_eq!((link.name, link.exposure.visibility), (None, Visibility::RoleBased));
    assert_eq!((link.exposure.nat.subnet, link.exposure.nat.count), (Some(subnet("aks-subnet")), 1));
}

#[test]
fn the_warning_of_the_deprecated_field_names_the_annotation() {
    let case = Case::shop().edit("web", "  ports:", "  loadBalancerIP: fd00::4\n  ports:");
    says(&case, &["IP008"], &["azure-load-balancer-ipv6: fd00::4", "web.yaml"]);
}

#[test]
fn a_document_becomes_the_annotations_of_the_table() {
    let desired = Case::shop().resolve();
    let Resource::Service(service) = &desired.intents[&ResourceKey::Service("shop/orders".parse().unwrap())].resource
    else {
        panic!("a Service");
    };
    let annotations = service.annotations();
    let of = |name: &str| annotations.get(&format!("service.beta.kubernetes.io/{name}")).map(String::as_str);
    assert_eq!(of("azure-pls-create"), Some("true"));
    assert_eq!(of("azure-pls-ip-configuration-subnet"), Some("pls-subnet"));
    assert_eq!(of("azure-pls-ip-configuration-ip-address-count"), Some("2"));
    assert_eq!(of("azure-pls-ip-configuration-ip-address"), Some("10.225.1.8 10.225.1.9"));
    assert_eq!(of("azure-pls-visibility"), Some(CONSUMER));
    assert_eq!(
        (of("azure-pls-auto-approval"), of("azure-pls-proxy-protocol"), of("azure-pls-name")),
        (None, None, None)
    );
    let link = publication(&desired, "shop/orders");
    assert_eq!((link.exposure.nat.subnet, link.exposure.nat.count), (Some(subnet("pls-subnet")), 2));
}

#[test]
fn what_is_absent_has_its_default() {
    let desired = Case::shop().resolve();
    let of = |name: &str| match &desired.intents[&ResourceKey::PrivateEndpoint(endpoint(name))].resource {
        Resource::PrivateEndpoint(endpoint) => endpoint.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(of("payments-pe").request, Request::Automatic);
    assert_eq!(of("payments-pe").connection_name.as_str(), "payments-pe");
    assert_eq!(of("foreign-pe").request, Request::Manual { message: "requested by foreign-pe".to_owned() });
    assert_eq!(of("orders-pe").subnet.resource_group().as_str(), "rg-consumer");
    let record = desired.intents.values().find_map(|intent| match &intent.resource {
        Resource::DnsRecord(record) => Some(record.clone()),
        _ => None,
    });
    assert_eq!(record.unwrap().ttl, 300);
    let Resource::Service(billing) =
        &desired.intents[&ResourceKey::Service("legacy/billing".parse().unwrap())].resource
    else {
        panic!("a Service");
    };
    assert_eq!(billing.deployment, Deployment::AnnotationsOnly);
    assert!(billing.manifest.get("spec").is_none(), "of somebody else's Service nothing but annotations is ours");
    assert_eq!(publication(&desired, "legacy/billing").exposure.nat.subnet, None, "its own annotations may say");
}

#[test]
fn one_resource_is_asked_for_once() {
    let twice = Case::shop().with("again", &Case::shop().files["web.yaml"]);
    says(&twice, &["DES001"], &["two documents are service/default/web", "again.yaml", "web.yaml"]);
    let second = "apiVersion: privlink.dev/v1alpha1\nkind: PrivateLinkService\nmetadata: { name: other }\nspec:\n  service: { namespace: shop, name: orders }\n  visibility: { mode: role-based }\n";
    says(
        &Case::shop().with("second", second),
        &["DES001"],
        &["two documents publish the Service shop/orders", "orders.yaml", "second.yaml"],
    );
    let own = second.replace("  visibility", "  managedBy: privlink\n  resourceGroup: rg-pls\n  visibility");
    for name in ["a-first", "z-last"] {
        says(&Case::shop().with(name, &own), &["DES001"], &["two documents publish the Service shop/orders"]);
    }
    let named =
        second.replace("name: other", "name: orders").replace("namespace: shop, name: orders", "namespace: x, name: y");
    says(
        &Case::shop().with("named", &named),
        &["DES001"],
        &["two PrivateLinkServices are named orders", "the first", "the second"],
    );
    let endpoint = Case::shop().edit("endpoints", "name: billing-pe", "name: payments-pe");
    says(&endpoint, &["DES001"], &["two PrivateEndpoints are named payments-pe"]);
}

#[test]
fn a_reference_to_nothing_says_what_was_probably_meant() {
    let case = Case::shop().edit("endpoints", "privateLinkService: orders", "privateLinkService: order");
    says(&case, &["DES002"], &["there is no PrivateLinkService named order", "orders"]);
    let case = Case::shop().edit("endpoints", "name: billing }", "name: web }").edit(
        "endpoints",
        "namespace: legacy",
        "namespace: default",
    );
    says(&case, &["DES002"], &["the Service default/web is not published", "azure-pls-create"]);
}

#[test]
fn a_field_and_an_annotation_that_disagree_name_both_places() {
    let annotated = |line: &str| {
        Case::shop().edit(
            "orders",
            "  annotations:\n",
            &format!("  annotations:\n    service.beta.kubernetes.io/{line}\n"),
        )
    };
    says(&annotated("azure-pls-ip-configuration-ip-address: \" 10.225.1.8  10.225.1.9\""), &[], &[]);
    says(
        &annotated("azure-pls-ip-configuration-ip-address: 10.225.1.9 10.225.1.8"),
        &["DES003"],
        &[
            "the Service shop/orders and its PrivateLinkService disagree",
            "the annotation says \"10.225.1.9 10.225.1.8\"",
            "the document means \"10.225.1.8 10.225.1.9\"",
        ],
    );
    says(&annotated("azure-pls-proxy-protocol: \"true\""), &["DES003"], &["the document leaves it away"]);
    let own = Case::shop().edit(
        "payments",
        "  annotations:\n",
        "  annotations:\n    service.beta.kubernetes.io/azure-pls-create: \"true\"\n",
    );
    says(&own, &["DES003"], &["a frontend carries one Private Link Service"]);
}

#[test]
fn what_lies_outside_the_scope_is_refused_where_it_stands() {
    let scoped = |scope: &str| Case::shop().rule("scope = { ", &format!("scope = {{ {scope}, "));
    says(&scoped("namespaces = [\"shop\", \"legacy\"]"), &["DES004"], &["namespace default is outside", "web.yaml"]);
    says(&scoped("resource-groups = [\"rg-pls\", \"rg-consumer\", \"rg-dns\"]"), &["DES004"; 3], &["rg-pe"]);
    says(&scoped("dns-zones = [\"*.example\"]"), &["DES004"; 2], &["orders.internal"]);
    // A Service that only lends its frontend is published all the same.
    let elsewhere =
        Case::shop().drop_document("payments", 0).edit("payments", "namespace: shop", "namespace: kube-system");
    says(&elsewhere, &["DES004"], &["namespace kube-system is outside", "published from here"]);
    let foreign = Case::shop().edit(
        "endpoints",
        &format!("subscription: \"{CONSUMER}\""),
        &format!("subscription: \"{STRANGER}\""),
    );
    says(&foreign, &["DES004"], &["orders-pe is outside"]);
}

#[test]
fn publishing_needs_a_cluster() {
    let cluster = "cluster = { aks = \"/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-aks/providers/Microsoft.ContainerService/managedClusters/prod\" }\n";
    let case =
        Case::shop().rule(cluster, "").without("endpoints").without("billing").without("payments").without("orders");
    says(&case, &["DES005"], &["environment prod has no cluster", "[environments.prod]"]);
    let consumer = Case::empty()
        .rule(cluster, "")
        .with("endpoints", Case::shop().files["endpoints.yaml"].split("---\n").last().unwrap());
    says(&consumer, &[], &[]);
}

#[test]
fn who_is_let_in_must_be_able_to_see() {
    let case = Case::shop().edit(
        "payments",
        "autoApproval: { subscriptions: [\"00000000-0000-0000-0000-000000000001\"] }",
        &format!("autoApproval: {{ subscriptions: [\"{STRANGER}\"] }}"),
    );
    says(&case, &["DES006"], &["cannot see the service", "not in `visibility`", "who can see it"]);
    let anyone = case.edit("payments", "{ mode: subscriptions, subscriptions: [\"00000000-0000-0000-0000-000000000001\", \"00000000-0000-0000-0000-000000000002\"] }", "{ mode: anyone-with-alias }");
    says(&anyone, &[], &[]);
}

#[test]
fn an_alias_needs_a_manual_request() {
    let case = Case::shop().edit(
        "endpoints",
        "privatelinkservice }\n  connection: { request: manual }",
        "privatelinkservice }",
    );
    says(&case, &["DES007"], &["an alias can only be connected to by a manual request"]);
}

#[test]
fn a_private_link_service_of_ours_needs_a_group_of_its_own() {
    says(
        &Case::shop().edit("payments", "  resourceGroup: rg-pls\n", "").without("endpoints"),
        &["DES008"],
        &["`managedBy: privlink` needs `resourceGroup`"],
    );
    says(&Case::shop().edit("payments", "rg-pls", "mc_PROD"), &["DES008"], &["the cluster's node resource group"]);
}

#[test]
fn nat_addresses_fit_into_their_count() {
    let case = Case::shop().edit("orders", "subnet: pls-subnet, ", "subnet: pls-subnet, count: 1, ");
    let (_, diagnostics, shown) = case.read();
    let codes: Vec<&str> = diagnostics.iter().map(|diagnostic| diagnostic.code.as_str()).collect();
    assert!(codes.contains(&"DES009"), "{shown}");
    says(&Case::shop().edit("orders", "subnet: pls-subnet, ", "subnet: pls-subnet, count: 3, "), &[], &[]);
}

#[test]
fn an_annotation_that_fails_for_ever_is_refused_at_its_place() {
    let annotated = |line: &str| {
        Case::shop().edit("web", "  annotations:\n", &format!("  annotations:\n    service.beta.kubernetes.io/azure-pls-create: \"true\"\n    service.beta.kubernetes.io/{line}\n"))
    };
    for (line, rule, help) in [
        ("azure-pls-ip-configuration-ip-address-count: \"9\"", "PLS005", "from 1 to 8"),
        ("azure-pls-ip-configuration-ip-address: \"10.225.1.8,10.225.1.9\"", "ANN008", "separated by blanks"),
        ("azure-pls-visibility: everybody", "PLS021", "is not the id of a subscription"),
        ("azure-pls-name: \"-x\"", "PLS012", "1-80 letters"),
    ] {
        let case = annotated(line);
        says(&case, &[rule], &[help, "web.yaml"]);
        // Without its rule the annotation still has no meaning.
        let (_, diagnostics, shown) = case.read_with(|policy| policy.levels.by_rule.extend([(rule.to_owned(), None)]));
        let codes: Vec<&str> = diagnostics.iter().map(|diagnostic| diagnostic.code.as_str()).collect();
        assert_eq!(codes, ["DES010"], "{shown}");
    }
    says(&annotated("azure-pls-visibility: \"*\""), &["PLS023"], &["anyone with the alias"]);
}

#[test]
fn only_an_internal_service_is_published() {
    let public = |name: &str| {
        Case::shop().edit(name, "azure-load-balancer-internal: \"true\"", "azure-load-balancer-internal: \"True\"")
    };
    for name in ["orders", "payments"] {
        says(&public(name).without("endpoints"), &["ANN003"], &["not `true` to the cloud provider"]);
    }
    says(&public("web"), &["ANN003"], &["the load balancer of default/web is public"]);
    let not = |name: &str| public(name).edit(name, "\"True\"", "\"false\"");
    let not_orders = not("orders").without("endpoints").edit(
        "orders",
        "    service.beta.kubernetes.io/azure-load-balancer-ipv4: 10.224.0.25\n",
        "",
    );
    says(&not_orders, &["PLS001"], &["needs an internal load balancer"]);
    says(&not("payments"), &["PLS001"], &["shop/payments has a public one"]);
}

#[test]
fn a_group_that_the_annotations_of_the_service_name_is_no_group_of_our_own() {
    let named = |group: &str| {
        let line = format!("  annotations:\n    service.beta.kubernetes.io/azure-pls-resource-group: {group}\n");
        Case::shop().edit("payments", "  annotations:\n", &line).read()
    };
    let (_, found, shown) = named("RG-PLS");
    assert!(found.has_errors() && shown.contains("send the cloud provider to this resource group"), "{shown}");
    let (_, found, shown) = named("rg-other");
    assert!(!found.has_errors(), "{shown}");
}
