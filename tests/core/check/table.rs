//! The table: a rule, Services that break it and nothing else, Services that keep it.

use super::Manifest;

type Row = (&'static str, Vec<Manifest>, Vec<Manifest>);

/// Internal.
macro_rules! internal {
    ($($line:literal),*) => { concat!("azure-load-balancer-internal: \"true\"", $("\n", $line),*) };
}
/// Internal and published under a name, in a subnet of its own.
macro_rules! published {
    ($($line:literal),*) => {
        concat!(
            "azure-load-balancer-internal: \"true\"\nazure-pls-create: \"true\"",
            $("\n", $line),*
        )
    };
}

fn one(rule: &'static str, broken: Manifest, kept: Manifest) -> Row {
    (rule, vec![broken], vec![kept])
}

/// One annotation, right and wrong, of an otherwise plain Service.
fn notes(rule: &'static str, broken: &'static str, kept: &'static str) -> Row {
    one(rule, (broken, ""), (kept, ""))
}

/// Lines of the spec, right and wrong.
fn specs(rule: &'static str, annotations: &'static str, broken: &'static str, kept: &'static str) -> Row {
    one(rule, (annotations, broken), (annotations, kept))
}

pub(super) fn cases() -> Vec<Row> {
    [spelling(), inert(), addresses(), ports(), traffic(), links(), audiences(), accesses(), shared(), clusters()]
        .concat()
}

fn spelling() -> Vec<Row> {
    vec![
        notes("ANN001", "azure-load-balancer-internal: true", internal!()),
        notes("ANN002", "azure-load-balancer-internl: \"true\"", internal!()),
        notes("ANN003", "azure-load-balancer-internal: \"True\"", internal!()),
        notes("ANN004", "azure-load-balancer-internal: \"perhaps\"", "azure-load-balancer-internal: \"false\""),
        notes(
            "ANN005",
            internal!("azure-load-balancer-disable-tcp-reset: \"true \""),
            internal!("azure-load-balancer-disable-tcp-reset: \"True\""),
        ),
        notes("ANN006", internal!("azure-pls-create: \"yes\""), internal!("azure-pls-create: \"TRUE\"")),
        notes("ANN007", internal!("azure-pls-create: \"true \""), published!()),
        notes(
            "ANN008",
            published!("azure-pls-fqdns: a.example.com,b.example.com"),
            published!("azure-pls-fqdns: a.example.com b.example.com"),
        ),
        notes(
            "ANN009",
            internal!("azure-load-balancer-internal-subnet: \"apps \""),
            internal!("azure-load-balancer-internal-subnet: \"apps\""),
        ),
        notes(
            "ANN010",
            internal!("azure-load-balancer-internal-subnet: vnet/apps"),
            internal!("azure-load-balancer-internal-subnet: apps"),
        ),
        notes(
            "ANN011",
            published!("azure-pls-resource-group: /subscriptions/x/resourceGroups/rg"),
            published!("azure-pls-resource-group: rg"),
        ),
    ]
}

fn inert() -> Vec<Row> {
    vec![
        notes("ANN012", "azure-shared-securityrule: \"true\"", ""),
        specs("ANN013", internal!(), "type: ClusterIP", "type: LoadBalancer"),
        specs("ANN014", internal!(), "loadBalancerClass: example.com/lb", ""),
        notes("ANN015", "port_81_no_probe_rule: \"true\"", "port_80_no_probe_rule: \"true\""),
        notes("ANN016", internal!("azure-dns-label-name: shop"), "azure-dns-label-name: shop"),
        notes("ANN017", internal!("azure-load-balancer-resource-group: rg"), "azure-load-balancer-resource-group: rg"),
        notes("ANN018", internal!("azure-load-balancer-mode: __auto__"), internal!()),
        notes(
            "ILB001",
            "azure-load-balancer-internal-subnet: apps",
            internal!("azure-load-balancer-internal-subnet: apps"),
        ),
        notes(
            "ILB003",
            internal!("azure-load-balancer-internal-subnet: \" \""),
            internal!("azure-load-balancer-internal-subnet: apps"),
        ),
        notes(
            "ILB003",
            published!("azure-pls-ip-configuration-subnet: \" \""),
            published!("azure-pls-ip-configuration-subnet: pls"),
        ),
        notes(
            "ILB005",
            internal!("azure-load-balancer-internal-subnet: my apps"),
            internal!("azure-load-balancer-internal-subnet: my_apps"),
        ),
        notes(
            "ILB005",
            published!("azure-pls-ip-configuration-subnet: -pls"),
            published!("azure-pls-ip-configuration-subnet: pls"),
        ),
        notes(
            "ILB004",
            internal!("azure-load-balancer-internal-subnet: a2345678901234567890123456789012345678901234"),
            internal!("azure-load-balancer-internal-subnet: apps"),
        ),
    ]
}

fn addresses() -> Vec<Row> {
    let dual = "ipFamilyPolicy: RequireDualStack\nipFamilies: [IPv4, IPv6]";
    vec![
        notes(
            "IP001",
            internal!("azure-load-balancer-ipv4: 10.0.0.5/24"),
            internal!("azure-load-balancer-ipv4: 10.0.0.5"),
        ),
        one(
            "IP002",
            (internal!("azure-load-balancer-ipv4: fd00::5"), dual),
            (internal!("azure-load-balancer-ipv6: fd00::5"), dual),
        ),
        one(
            "IP003",
            (internal!("azure-load-balancer-ipv6: fd00::5"), "ipFamilies: [IPv4]"),
            (internal!("azure-load-balancer-ipv6: fd00::5"), dual),
        ),
        one("IP008", (internal!(), "loadBalancerIP: 10.0.0.5"), (internal!("azure-load-balancer-ipv4: 10.0.0.5"), "")),
        one(
            "IP009",
            (internal!("azure-load-balancer-ipv4: 10.0.0.5"), "loadBalancerIP: 10.0.0.6"),
            (internal!("azure-load-balancer-ipv4: 10.0.0.5"), ""),
        ),
        one(
            "IP010",
            (
                internal!("azure-load-balancer-ipv6: fd00::5"),
                "loadBalancerIP: 10.0.0.6\nipFamilyPolicy: RequireDualStack\nipFamilies: [IPv4, IPv6]",
            ),
            (internal!("azure-load-balancer-ipv6: fd00::5\nazure-load-balancer-ipv4: 10.0.0.6"), dual),
        ),
        specs("IP011", internal!(), "loadBalancerIP: 10.0.0.300", "loadBalancerIP: 10.0.0.30"),
        notes("IP012", "azure-load-balancer-ipv4: 10.0.0.5", "azure-load-balancer-ipv4: 20.50.1.5"),
        notes(
            "IP013",
            internal!("azure-load-balancer-ipv4: 20.50.1.5"),
            internal!("azure-load-balancer-ipv4: 100.64.0.5"),
        ),
        one(
            "IP014",
            (internal!("azure-load-balancer-ipv6: FD00:0::5"), dual),
            (internal!("azure-load-balancer-ipv6: fd00::5"), dual),
        ),
        one("IP017", (published!("azure-load-balancer-ipv6: fd00::5"), dual), (published!(), "")),
        notes(
            "IP018",
            internal!("azure-load-balancer-ipv4: 224.0.0.5"),
            internal!("azure-load-balancer-ipv4: 10.224.0.5"),
        ),
        notes(
            "IP018",
            internal!("azure-load-balancer-ipv4: 10.0.0.3"),
            internal!("azure-load-balancer-ipv4: 10.0.0.4"),
        ),
        notes(
            "IP018",
            internal!("azure-load-balancer-ipv4: 192.168.255.255"),
            internal!("azure-load-balancer-ipv4: 192.168.255.254"),
        ),
        notes("IP018", "azure-load-balancer-ipv4: 224.0.0.5", "azure-load-balancer-ipv4: 10.0.0.1"),
        one(
            "IP018",
            (internal!("azure-load-balancer-ipv6: \"ff02::1\""), dual),
            (internal!("azure-load-balancer-ipv6: fd00::1"), dual),
        ),
        notes(
            "IP018",
            published!("azure-pls-ip-configuration-ip-address: 169.254.0.5"),
            published!("azure-pls-ip-configuration-ip-address: 10.0.1.5"),
        ),
    ]
}

fn ports() -> Vec<Row> {
    let named = "ports:\n- { name: web, port: 80 }";
    vec![
        notes(
            "RUL001",
            internal!("azure-load-balancer-tcp-idle-timeout: \"3\""),
            internal!("azure-load-balancer-tcp-idle-timeout: \"100\""),
        ),
        notes(
            "RUL002",
            published!("azure-load-balancer-tcp-idle-timeout: \"30\""),
            published!("azure-load-balancer-tcp-idle-timeout: \"5\""),
        ),
        notes(
            "RUL003",
            internal!("port_80_health-probe_interval: \"60\""),
            internal!("port_80_health-probe_interval: \"59\""),
        ),
        one(
            "RUL004",
            (internal!("port_80_health-probe_port: wbe"), named),
            (internal!("port_80_health-probe_port: WEB"), named),
        ),
        notes(
            "RUL005",
            internal!("azure-load-balancer-health-probe-protocol: grpc"),
            internal!("azure-load-balancer-health-probe-protocol: Tcp"),
        ),
        notes(
            "RUL006",
            internal!("azure-load-balancer-health-probe-request-path: /healthy"),
            internal!(
                "azure-load-balancer-health-probe-protocol: http\nazure-load-balancer-health-probe-request-path: /healthy"
            ),
        ),
    ]
}

fn traffic() -> Vec<Row> {
    vec![
        specs("RUL008", "", "ports:\n- { port: 80, protocol: SCTP }", "ports:\n- { port: 80, protocol: UDP }"),
        specs(
            "RUL009",
            published!(),
            "ports:\n- { port: 80, protocol: SCTP }",
            "ports:\n- { port: 80, protocol: UDP }",
        ),
        notes(
            "RUL010",
            "azure-load-balancer-enable-high-availability-ports: \"true\"",
            internal!("azure-load-balancer-enable-high-availability-ports: \"true\""),
        ),
        (
            "RUL011",
            vec![
                (
                    internal!(
                        "azure-load-balancer-ipv4: 10.0.0.5",
                        "azure-load-balancer-enable-high-availability-ports: \"true\""
                    ),
                    "",
                ),
                (internal!("azure-load-balancer-ipv4: 10.0.0.5"), "ports:\n- port: 81"),
            ],
            vec![
                (internal!("azure-load-balancer-ipv4: 10.0.0.5"), ""),
                (internal!("azure-load-balancer-ipv4: 10.0.0.5"), "ports:\n- port: 81"),
            ],
        ),
        specs(
            "RUL012",
            internal!("azure-disable-load-balancer-floating-ip: \"true\""),
            "allocateLoadBalancerNodePorts: false",
            "allocateLoadBalancerNodePorts: false\nports:\n- { port: 80, nodePort: 30080 }",
        ),
        notes("RUL013", internal!("port_80_no_lb_rule: \"true\""), internal!("port_80_no_lb_rule: \"false\"")),
        specs("RUL014", internal!(), "ports:\n- { port: 53, protocol: UDP }", "ports:\n- { port: 53, protocol: TCP }"),
        one(
            "RUL015",
            (internal!(), "ports:\n- { port: 80, appProtocol: http }"),
            (
                internal!("azure-load-balancer-health-probe-request-path: /healthy"),
                "ports:\n- { port: 80, appProtocol: http }",
            ),
        ),
        specs(
            "RUL016",
            internal!("azure-load-balancer-health-probe-protocol: http"),
            "externalTrafficPolicy: Local",
            "externalTrafficPolicy: Cluster",
        ),
    ]
}

fn links() -> Vec<Row> {
    let dual = "ipFamilyPolicy: RequireDualStack\nipFamilies: [IPv4, IPv6]";
    vec![
        notes("PLS001", "azure-pls-create: \"true\"", published!()),
        notes("PLS002", internal!("azure-pls-name: shop"), published!("azure-pls-name: shop")),
        specs("PLS003", published!(), "ipFamilies: [IPv6]", "ipFamilies: [IPv4]"),
        specs("PLS004", published!(), dual, "ipFamilyPolicy: SingleStack"),
        notes(
            "PLS005",
            published!("azure-pls-ip-configuration-ip-address-count: \"9\""),
            published!("azure-pls-ip-configuration-ip-address-count: \"+8\""),
        ),
        notes(
            "PLS006",
            published!("azure-pls-ip-configuration-ip-address: 10.0.1.4 10.0.1.5"),
            published!(
                "azure-pls-ip-configuration-ip-address: 10.0.1.4 10.0.1.5",
                "azure-pls-ip-configuration-ip-address-count: \"2\""
            ),
        ),
        notes(
            "PLS007",
            published!("azure-pls-ip-configuration-ip-address: 010.0.1.4"),
            published!("azure-pls-ip-configuration-ip-address: 10.0.1.4"),
        ),
        notes(
            "PLS008",
            published!("azure-pls-ip-configuration-ip-address: 10.0.1.4 10.0.1.4"),
            published!("azure-pls-ip-configuration-ip-address: 10.0.1.4"),
        ),
        notes(
            "PLS010",
            published!("azure-load-balancer-ipv4: 10.0.1.4", "azure-pls-ip-configuration-ip-address: 10.0.1.4"),
            published!("azure-load-balancer-ipv4: 10.0.1.5", "azure-pls-ip-configuration-ip-address: 10.0.1.4"),
        ),
        notes("PLS011", published!("azure-pls-name: \" \""), published!()),
        notes("PLS012", published!("azure-pls-name: \"-x\""), published!("azure-pls-name: x_")),
        notes("PLS016", published!(), published!("azure-load-balancer-internal-subnet: apps")),
        one(
            "PLS017",
            (published!(), "externalTrafficPolicy: Local"),
            (published!("azure-pls-ip-configuration-subnet: pls"), "externalTrafficPolicy: Local"),
        ),
        one(
            "PLS018",
            (published!("azure-pls-proxy-protocol: \"true\""), "externalTrafficPolicy: Local"),
            (
                published!(
                    "azure-pls-proxy-protocol: \"true\"",
                    "port_80_health-probe_protocol: tcp",
                    "port_80_health-probe_port: \"80\""
                ),
                "externalTrafficPolicy: Local",
            ),
        ),
        notes(
            "PLS020",
            published!("azure-pls-proxy-protocol: \"true\"", "azure-load-balancer-health-probe-protocol: http"),
            published!("azure-pls-proxy-protocol: \"true\"", "azure-load-balancer-health-probe-protocol: tcp"),
        ),
        specs(
            "PLS031",
            published!("azure-pls-ip-configuration-ip-address: 10.0.1.4"),
            "loadBalancerSourceRanges: [10.1.0.0/16]",
            "loadBalancerSourceRanges: [10.1.0.0/16, 10.0.1.0/24]",
        ),
        specs("PLS032", published!(), "sessionAffinity: ClientIP", "sessionAffinity: None"),
        notes("PLS033", published!(), published!("azure-pls-name: shop")),
        notes("PLS036", published!(), published!("azure-pls-ip-configuration-ip-address-count: \"2\"")),
    ]
}

fn audiences() -> Vec<Row> {
    vec![
        notes(
            "PLS021",
            published!("azure-pls-visibility: everybody"),
            published!("azure-pls-visibility: 00000000-0000-0000-0000-000000000002"),
        ),
        notes(
            "PLS022",
            published!("azure-pls-visibility: \"00000000-0000-0000-0000-000000000002 *\""),
            published!("azure-pls-visibility: \"00000000-0000-0000-0000-000000000002\""),
        ),
        notes("PLS023", published!("azure-pls-visibility: \"*\""), published!()),
        notes(
            "PLS024",
            published!("azure-pls-visibility: 00000000-0000-0000-0000-000000000002", "azure-pls-auto-approval: \"*\""),
            published!(
                "azure-pls-visibility: 00000000-0000-0000-0000-000000000002",
                "azure-pls-auto-approval: 00000000-0000-0000-0000-000000000002"
            ),
        ),
        notes(
            "PLS025",
            published!("azure-pls-auto-approval: 00000000-0000-0000-0000-000000000002"),
            published!(
                "azure-pls-visibility: 00000000-0000-0000-0000-000000000002",
                "azure-pls-auto-approval: 00000000-0000-0000-0000-000000000002"
            ),
        ),
        ("PLS026", vec![(many(101), "")], vec![(many(100), "")]),
        notes(
            "PLS027",
            published!("azure-pls-visibility: 00000000-0000-0000-0000-00000000000A"),
            published!("azure-pls-visibility: 00000000-0000-0000-0000-00000000000a"),
        ),
        notes("PLS035", published!(), published!("azure-pls-visibility: 00000000-0000-0000-0000-000000000002")),
    ]
}

fn many(number: usize) -> &'static str {
    let ids: Vec<String> = (0..number).map(|at| format!("00000000-0000-0000-0000-{at:012}")).collect();
    let text = format!("{}\nazure-pls-visibility: {}", published!(), ids.join(" "));
    Box::leak(text.into_boxed_str())
}

fn accesses() -> Vec<Row> {
    vec![
        one(
            "ACL001",
            (
                internal!(
                    "azure-allowed-ip-ranges: 10.0.0.0/16",
                    "azure-deny-all-except-load-balancer-source-ranges: \"true\""
                ),
                "loadBalancerSourceRanges: [10.0.0.0/16]",
            ),
            (internal!(), "loadBalancerSourceRanges: [10.0.0.0/16]"),
        ),
        notes(
            "ACL002",
            "azure-allowed-ip-ranges: \"10.0.0.0/16, 10.1.0.1/16\"",
            "azure-allowed-ip-ranges: \"10.0.0.0/16, 10.1.0.0/16\"",
        ),
        notes(
            "ACL003",
            internal!("azure-allowed-ip-ranges: 10.0.0.0/16"),
            internal!(
                "azure-allowed-ip-ranges: 10.0.0.0/16",
                "azure-deny-all-except-load-balancer-source-ranges: \"true\""
            ),
        ),
        one(
            "ACL004",
            ("azure-deny-all-except-load-balancer-source-ranges: \"true\"", ""),
            ("azure-deny-all-except-load-balancer-source-ranges: \"true\"", "loadBalancerSourceRanges: [10.0.0.0/16]"),
        ),
        specs("ACL005", "azure-allowed-service-tags: AzureCloud", "loadBalancerSourceRanges: [10.0.0.0/16]", ""),
        notes("ACL006", "azure-allowed-service-tags: \"\"", "azure-allowed-service-tags: AzureCloud"),
        notes(
            "ACL007",
            "azure-additional-public-ips: 20.0.0.1, 20.0.0.2",
            "azure-additional-public-ips: 20.0.0.1,20.0.0.2",
        ),
        specs("ACL008", internal!(), "loadBalancerSourceRanges: [0.0.0.0/0]", "loadBalancerSourceRanges: [10.0.0.0/8]"),
        notes("ACL009", "azure-disable-load-balancer-nsg-rule: \"true\"", ""),
    ]
}

fn shared() -> Vec<Row> {
    const FIRST: Manifest = (internal!("azure-load-balancer-ipv4: 10.0.0.5"), "");
    const SECOND: Manifest = (internal!("azure-load-balancer-ipv4: 10.0.0.5"), "ports:\n- port: 81");
    const LINK: Manifest = (published!("azure-load-balancer-ipv4: 10.0.0.5"), "ports:\n- port: 81");
    const TUNED: Manifest = (published!("azure-load-balancer-ipv4: 10.0.0.5", "azure-pls-name: a"), "");
    vec![
        ("XS001", vec![FIRST, FIRST], vec![FIRST, SECOND]),
        (
            "XS002",
            vec![(internal!("azure-load-balancer-ipv4: 172.32.0.5"), ""), ("azure-load-balancer-ipv4: 172.32.0.5", "")],
            vec![FIRST, SECOND],
        ),
        (
            "XS005",
            vec![
                TUNED,
                (published!("azure-load-balancer-ipv4: 10.0.0.5", "azure-pls-fqdns: b.example"), "ports:\n- port: 81"),
            ],
            vec![TUNED, SECOND],
        ),
        ("XS006", vec![TUNED, LINK], vec![TUNED, SECOND]),
        (
            "XS007",
            vec![(published!("azure-load-balancer-ipv4: 10.0.0.5", "azure-pls-resource-group: rg"), ""), SECOND],
            vec![
                (published!("azure-load-balancer-ipv4: 10.0.0.5", "azure-pls-resource-group: rg"), ""),
                (
                    internal!(
                        "azure-load-balancer-ipv4: 10.0.0.5",
                        "azure-pls-create: \"true\"",
                        "azure-pls-resource-group: RG"
                    ),
                    "ports:\n- port: 81",
                ),
            ],
        ),
        ("XS008", vec![FIRST, LINK], vec![FIRST, SECOND]),
        (
            "XS009",
            vec![
                FIRST,
                (
                    internal!("azure-load-balancer-ipv4: 10.0.0.5", "azure-load-balancer-internal-subnet: apps"),
                    "ports:\n- port: 81",
                ),
            ],
            vec![FIRST, SECOND],
        ),
        (
            "XS010",
            vec![
                FIRST,
                (internal!("azure-load-balancer-ipv4: 10.0.0.5"), "externalTrafficPolicy: Local\nports:\n- port: 81"),
            ],
            vec![FIRST, SECOND],
        ),
        (
            "XS016",
            vec![FIRST, (internal!(), "")],
            vec![FIRST, (internal!("azure-load-balancer-internal-subnet: apps"), "")],
        ),
    ]
}

fn clusters() -> Vec<Row> {
    const A: Manifest = (published!("azure-pls-name: a"), "");
    const PLAIN: Manifest = (published!(), "");
    const PROXY: Manifest = (published!("azure-pls-proxy-protocol: \"true\""), "");
    const DUAL: Manifest = (internal!(), "ipFamilyPolicy: RequireDualStack\nipFamilies: [IPv4, IPv6]");
    const NAT: Manifest = (published!("azure-pls-ip-configuration-ip-address: 10.0.1.4"), "");
    vec![
        (
            "XS003",
            vec![A, (published!("azure-pls-name: A"), "")],
            vec![A, (published!("azure-pls-name: a", "azure-pls-resource-group: rg"), "")],
        ),
        notes(
            "XS004",
            published!("azure-pls-name: pls-a0123456789abcdef0123456789abcde"),
            published!("azure-pls-name: pls-apples"),
        ),
        ("XS011", vec![PLAIN; 9], vec![PLAIN; 8]),
        ("XS012", vec![PROXY, PLAIN], vec![PROXY, PROXY]),
        (
            "XS013",
            vec![PROXY, (internal!(), "ports:\n- { port: 80, appProtocol: http }")],
            vec![PROXY, (internal!(), "ports:\n- { port: 80 }")],
        ),
        ("XS014", vec![PLAIN, DUAL], vec![PLAIN, (internal!(), "")]),
        ("XS015", vec![NAT, NAT], vec![NAT, PLAIN]),
        ("XS018", vec![(internal!(), ""); 601], vec![(internal!(), ""); 600]),
        one(
            "XS020",
            (published!("argocd.argoproj.io/sync-options: Replace=true"), ""),
            (published!("argocd.argoproj.io/sync-options: ServerSideApply=true"), ""),
        ),
    ]
}
