//! What the API server refuses in a Service although each field is right alone.

use super::documents::read_text;

/// A Service of a type, with more lines of its metadata and its spec.
fn service(kind: &str, metadata: &str, spec: &str) -> String {
    let lines = |text: &str| text.lines().map(|line| format!("  {line}\n")).collect::<String>();
    let ports = if spec.contains("ports:") || kind == "ExternalName" { "" } else { "  ports:\n  - port: 80\n" };
    let (metadata, spec) = (lines(metadata), lines(spec));
    format!("apiVersion: v1\nkind: Service\nmetadata:\n  name: app\n{metadata}spec:\n  type: {kind}\n{ports}{spec}")
}

/// What is told: the text that is pointed at, and the message.
fn told(text: &str) -> Vec<(String, String)> {
    let reading = read_text(text);
    let pointed = |it: &privlink::diagnostic::Diagnostic| {
        assert_eq!(it.code.as_str(), "REPO017", "{it:?}\n{text}");
        let range = reading.sources.range(it.place().unwrap()).unwrap();
        (text[range].to_owned(), it.message.clone())
    };
    reading.diagnostics.iter().map(pointed).collect()
}

#[track_caller]
fn refused(kind: &str, (metadata, spec): (&str, &str), pointed: &str, message: &str) {
    let text = service(kind, metadata, spec);
    assert_eq!(told(&text), [(pointed.to_owned(), message.to_owned())], "{text}");
}

#[track_caller]
fn accepted(kind: &str, (metadata, spec): (&str, &str)) {
    let text = service(kind, metadata, spec);
    assert_eq!(told(&text), [], "{text}");
}

#[test]
fn ports_are_refused_that_clash_or_belong_to_the_node() {
    let balanced = |spec: &str, pointed: &str, message: &str| refused("LoadBalancer", ("", spec), pointed, message);
    balanced("ports: [{ port: 10250 }]", "10250", "port 10250 of every node is the kubelet's");
    accepted("ClusterIP", ("", "ports: [{ port: 10250 }]"));
    let ports =
        |second: &str| format!("ports: [{{ name: a, port: 80, nodePort: 30080 }}, {{ name: b, port: 81, {second} }}]");
    balanced(&ports("nodePort: 30080"), "30080", "node port 30080 is listed twice for the same protocol");
    accepted("LoadBalancer", ("", &ports("nodePort: 30080, protocol: UDP")));
    accepted("LoadBalancer", ("", &ports("nodePort: 30081")));
    balanced("ports: [{ port: 80, appProtocol: my app }]", "my app", "\"my app\" is not a protocol's name");
    accepted("LoadBalancer", ("", "ports: [{ port: 80, appProtocol: kubernetes.io/h2c }]"));
    refused(
        "ClusterIP",
        ("", "ports: [{ port: 80, nodePort: 30080 }]"),
        "nodePort",
        "`nodePort` needs `type: LoadBalancer` or `type: NodePort`",
    );
    balanced("loadBalancerClass: my class", "my class", "\"my class\" is not the name of a class");
    accepted("LoadBalancer", ("", "loadBalancerClass: example.com/internal"));
}

#[test]
fn a_service_that_is_only_a_name_has_no_addresses() {
    let name = "externalName: orders.example.com.";
    accepted("ExternalName", ("", name));
    for (line, field) in [
        ("clusterIP: 10.0.0.7", "clusterIP"),
        ("ipFamilies: [IPv4]", "ipFamilies"),
        ("ipFamilyPolicy: SingleStack", "ipFamilyPolicy"),
    ] {
        let message = format!("`{field}` cannot be set with `type: ExternalName`");
        refused("ExternalName", ("", &format!("{name}\n{line}")), field, &message);
    }
    refused("ExternalName", ("", "externalName: Orders_1"), "Orders_1", "\"Orders_1\" is not a domain");
    refused("ExternalName", ("", ""), "ExternalName", "`type: ExternalName` needs `externalName`");
}

#[test]
fn families_and_addresses_agree() {
    let balanced = |spec: &str, pointed: &str, message: &str| refused("LoadBalancer", ("", spec), pointed, message);
    accepted("LoadBalancer", ("", "ipFamilies: [IPv4, IPv6]"));
    balanced("ipFamilies: [IPv4, IPv4]", "ipFamilies", "`ipFamilies` names a family twice");
    balanced(
        "ipFamilyPolicy: SingleStack\nipFamilies: [IPv4, IPv6]",
        "SingleStack",
        "`ipFamilyPolicy: SingleStack` takes one family",
    );
    accepted("ClusterIP", ("", "clusterIP: 10.0.0.7\nclusterIPs: [10.0.0.7, \"fd00::7\"]"));
    accepted("ClusterIP", ("", "clusterIP: None\nclusterIPs: [None]"));
    let other = "`clusterIPs` does not begin with `clusterIP`";
    refused("ClusterIP", ("", "clusterIPs: [10.0.0.7]"), "clusterIPs", other);
    refused("ClusterIP", ("", "clusterIP: 10.0.0.8\nclusterIPs: [10.0.0.7]"), "clusterIPs", other);
    let pair = "`clusterIPs` has one address, or one of each family";
    refused("ClusterIP", ("", "clusterIP: 10.0.0.7\nclusterIPs: [10.0.0.7, 10.0.0.8]"), "clusterIPs", pair);
    refused("ClusterIP", ("", "clusterIP: None\nclusterIPs: [None, 10.0.0.8]"), "clusterIPs", pair);
    let family = "10.0.0.7 is not of the family that `ipFamilies` names for it";
    refused("ClusterIP", ("", "clusterIP: 10.0.0.7\nclusterIPs: [10.0.0.7]\nipFamilies: [IPv6]"), "10.0.0.7", family);
    refused("ClusterIP", ("", "clusterIP: 10.0.0"), "10.0.0", "\"10.0.0\" is not an IP address");
    refused("LoadBalancer", ("", "externalIPs: [127.0.0.1]"), "127.0.0.1", "127.0.0.1 reaches no node");
    refused("LoadBalancer", ("", "externalIPs: [224.0.0.9]"), "224.0.0.9", "224.0.0.9 reaches no node");
    accepted("LoadBalancer", ("", "externalIPs: [20.50.1.5]"));
}

#[test]
fn what_needs_a_load_balancer_is_refused_without_one() {
    const RANGES: &str = "service.beta.kubernetes.io/load-balancer-source-ranges";
    let annotated = |text: &str| format!("annotations:\n  {RANGES}: \"{text}\"");
    accepted("LoadBalancer", (&annotated("10.0.0.0/8, 10.1.0.0/16"), ""));
    refused("ClusterIP", (&annotated("10.0.0.0/8"), ""), RANGES, "this annotation needs `type: LoadBalancer`");
    refused(
        "LoadBalancer",
        (&annotated("10.0.0.0/8, 10.1.0.0"), ""),
        "10.1.0.0",
        "\"10.1.0.0\" is not an address range",
    );
    accepted("LoadBalancer", (&annotated("10.1.0.0"), "loadBalancerSourceRanges: [10.0.0.0/8]"));
    refused(
        "ClusterIP",
        ("", "allocateLoadBalancerNodePorts: false"),
        "allocateLoadBalancerNodePorts",
        "`allocateLoadBalancerNodePorts` needs `type: LoadBalancer`",
    );
    refused(
        "ClusterIP",
        ("", "externalTrafficPolicy: Local"),
        "externalTrafficPolicy",
        "`externalTrafficPolicy` needs a Service that is reached from outside",
    );
    refused(
        "LoadBalancer",
        ("", "healthCheckNodePort: 30001"),
        "healthCheckNodePort",
        "`healthCheckNodePort` needs `type: LoadBalancer` and `externalTrafficPolicy: Local`",
    );
    refused(
        "LoadBalancer",
        ("", "sessionAffinityConfig: { clientIP: { timeoutSeconds: 60 } }"),
        "sessionAffinityConfig",
        "`sessionAffinityConfig` needs `sessionAffinity: ClientIP`",
    );
    refused(
        "LoadBalancer",
        ("", "clusterIP: None"),
        "None",
        "a headless Service (`clusterIP: None`) cannot have a load balancer or node ports",
    );
}

#[test]
fn what_metadata_says_is_checked_like_the_api_server_does() {
    let balanced =
        |metadata: &str, pointed: &str, message: &str| refused("LoadBalancer", (metadata, ""), pointed, message);
    accepted("LoadBalancer", ("finalizers: [example.com/wait, orphan]", ""));
    balanced("finalizers: [wait]", "wait", "\"wait\" is not a finalizer");
    let owner = |name: &str| format!("{{ apiVersion: v1, kind: A, name: {name}, uid: u, controller: true }}");
    accepted("LoadBalancer", (&format!("ownerReferences: [{}]", owner("a")), ""));
    balanced(
        &format!("ownerReferences: [{}, {}]", owner("a"), owner("b")),
        "ownerReferences",
        "two owners say that they are the controller",
    );
    let modes = |hints: &str| {
        format!(
            "annotations:\n  service.kubernetes.io/topology-mode: Auto\n  service.kubernetes.io/topology-aware-hints: {hints}"
        )
    };
    accepted("LoadBalancer", (&modes("Auto"), ""));
    balanced(
        &modes("Disabled"),
        "Auto",
        "service.kubernetes.io/topology-mode and service.kubernetes.io/topology-aware-hints must agree",
    );
    balanced("labels: { \"a b\": c }", "\"a b\"", "\"a b\" is not a label key");
}
