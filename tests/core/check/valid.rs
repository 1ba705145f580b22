//! No false alarm: varied Services that work are told nothing.

use super::*;

/// One of several lines, or none.
fn maybe(lines: &[&'static str]) -> impl Strategy<Value = Option<&'static str>> + use<> {
    proptest::option::of(proptest::sample::select(lines.to_vec()))
}

fn frontend() -> impl Strategy<Value = Vec<Option<&'static str>>> {
    (
        maybe(&["azure-load-balancer-internal-subnet: apps-subnet", "azure-load-balancer-internal-subnet: \"apps\""]),
        maybe(&["azure-load-balancer-ipv4: 10.240.0.25", "azure-load-balancer-ipv4: 100.64.3.4"]),
        maybe(&["azure-load-balancer-tcp-idle-timeout: \"4\"", "azure-load-balancer-tcp-idle-timeout: \"5\""]),
        maybe(&["azure-load-balancer-disable-tcp-reset: \"true\"", "azure-load-balancer-disable-tcp-reset: \"False\""]),
        maybe(&["azure-load-balancer-health-probe-protocol: http", "azure-load-balancer-health-probe-protocol: TCP"]),
        maybe(&["azure-load-balancer-health-probe-request-path: /healthz"]),
        maybe(&[
            "azure-load-balancer-health-probe-interval: \"10\"",
            "azure-load-balancer-health-probe-interval: \"5\"",
        ]),
        maybe(&["azure-load-balancer-health-probe-num-of-probe: \"3\"", "port_443_health-probe_port: \"10256\""]),
        maybe(&["port_80_no_probe_rule: \"true\"", "port_443_health-probe_interval: \"30\""]),
        maybe(&["example.com/team: shop", "service.beta.kubernetes.io/aws-load-balancer-type: nlb"]),
    )
        .prop_map(|(a, b, c, d, e, f, g, h, i, j)| vec![a, b, c, d, e, f, g, h, i, j])
}

fn link() -> impl Strategy<Value = Vec<Option<&'static str>>> {
    let lists = proptest::sample::select(vec![
        vec![],
        vec!["azure-pls-visibility: \"00000000-0000-0000-0000-000000000002 00000000-0000-0000-0000-000000000003\""],
        vec![
            "azure-pls-visibility: 00000000-0000-0000-0000-000000000002",
            "azure-pls-auto-approval: 00000000-0000-0000-0000-000000000002",
        ],
        vec![
            "azure-pls-ip-configuration-ip-address: \"10.225.1.8 10.225.1.9\"",
            "azure-pls-ip-configuration-ip-address-count: \"4\"",
        ],
    ]);
    let rest = (
        maybe(&["azure-pls-name: my-pls", "azure-pls-name: \"p\""]),
        maybe(&["azure-pls-ip-configuration-subnet: pls-subnet"]),
        maybe(&["azure-pls-fqdns: \"fqdn1 fqdn2.example.com\""]),
        maybe(&["azure-pls-proxy-protocol: \"false\""]),
        maybe(&["azure-pls-resource-group: rg-pls"]),
    );
    let all = (lists, rest).prop_map(|(lists, (a, b, c, d, e))| {
        let lists = lists.into_iter().map(Some);
        [Some("azure-pls-create: \"true\""), a, b, c, d, e].into_iter().chain(lists).collect::<Vec<_>>()
    });
    proptest::option::of(all).prop_map(Option::unwrap_or_default)
}

fn spec() -> impl Strategy<Value = Vec<Option<&'static str>>> {
    (
        maybe(&["externalTrafficPolicy: Cluster", "externalTrafficPolicy: Local"]),
        maybe(&["sessionAffinity: ClientIP", "sessionAffinity: None"]),
        maybe(&["ipFamilies: [IPv4]", "ipFamilyPolicy: SingleStack", "ipFamilyPolicy: PreferDualStack"]),
        maybe(&["loadBalancerSourceRanges: [10.0.0.0/8, 192.168.0.0/16]"]),
        Just(Some("ports:\n- { name: web, port: 80 }\n- { name: tls, port: 443, appProtocol: https }")),
    )
        .prop_map(|(a, b, c, d, e)| vec![a, b, c, d, e])
}

fn lines(parts: Vec<Option<&'static str>>) -> String {
    parts.into_iter().flatten().collect::<Vec<_>>().join("\n")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn services_that_work_are_told_nothing(frontend in frontend(), link in link(), spec in spec()) {
        let annotations = lines([vec![Some("azure-load-balancer-internal: \"true\"")], frontend, link].concat());
        let text = manifest("web", (&annotations, &lines(spec)));
        let (_, diagnostics, shown) = Case::empty().with("web", &text).read();
        prop_assert!(diagnostics.is_empty(), "{text}\n{shown}");
    }
}

#[test]
fn the_annotations_of_the_documentation_are_all_known() {
    let values = BTreeMap::from([
        ("azure-pls-name", "my-pls"),
        ("azure-pls-ip-configuration-subnet", "pls-subnet"),
        ("azure-pls-ip-configuration-ip-address-count", "\"1\""),
        ("azure-pls-ip-configuration-ip-address", "10.0.0.7"),
        ("azure-pls-fqdns", "\"fqdn1 fqdn2\""),
        ("azure-pls-proxy-protocol", "\"false\""),
        ("azure-pls-visibility", CONSUMER),
        ("azure-pls-auto-approval", CONSUMER),
        ("azure-pls-resource-group", "rg"),
    ]);
    let lines: String = values.iter().map(|(key, value)| format!("\n{key}: {value}")).collect();
    let annotations = format!("azure-load-balancer-internal: \"true\"\nazure-pls-create: \"true\"{lines}");
    let (_, diagnostics, shown) = Case::empty().with("web", &manifest("web", (&annotations, ""))).read();
    assert!(diagnostics.is_empty(), "{shown}");
}
