//! Repairs: never a new finding, nothing but what they are about, and never the same twice.

use privlink::domain::commit::File;
use privlink::domain::commit::Snapshot;
use privlink::reconcile::checking;
use privlink::reconcile::checking::Checked;

use super::*;

/// What is wrong with a line and has one right text, and lines about which a person decides.
const LINES: [&str; 34] = [
    "azure-load-balancer-internal: true",
    "azure-load-balancer-internal: 'True'",
    "azure-load-balancer-internal: \"yes\"",
    "azure-load-balancer-internl: \"true\"",
    "azure-load-balancer-internal-subnet: \" apps \"",
    "azure-load-balancer-internal-subnet: /subscriptions/x/resourceGroups/y/providers/Microsoft.Network/virtualNetworks/v/subnets/apps",
    "azure-load-balancer-ipv4: \"10.224.0.25/16\"",
    "azure-load-balancer-ipv4: fd00::25",
    "azure-load-balancer-ipv6: FD00::25",
    "azure-load-balancer-ipv6: \"10.224.0.25\"",
    "azure-load-balancer-tcp-idle-timeout: 5",
    "azure-load-balancer-tcp-idle-timeout: \"500\"",
    "azure-load-balancer-disable-tcp-reset: \" TRUE \"",
    "azure-load-balancer-disable-tcp-reset: maybe",
    "azure-load-balancer-health-probe-protcol: http",
    "azure-load-balancer-health-probe-interval: 10",
    "azure-pls-create: true",
    "azure-pls-create: \"True \"",
    "azure-pls-create: perhaps",
    "azure-pls-nmae: shop",
    "azure-pls-name: null",
    "azure-pls-ip-configuration-ip-address: 10.225.1.8,10.225.1.9",
    "azure-pls-ip-configuration-ip-address: \"10.225.1.8 10.225.1.8; 10.225.1.9\"",
    "azure-pls-ip-configuration-ip-address-count: 2",
    "azure-pls-ip-configuration-ip-address-count: \"1\"",
    "azure-pls-visibility: \"00000000-0000-0000-0000-00000000000A 00000000-0000-0000-0000-00000000000a\"",
    "azure-pls-auto-approval: \"00000000-0000-0000-0000-00000000000B\"",
    "azure-pls-visibility: \"*\"",
    "azure-pls-proxy-protocol: \" true\"",
    "azure-allowed-ip-ranges: 10.0.0.1",
    "azure-allowed-ip-ranges: \"10.0.0.1/8, 10.1.0.0/16\"",
    "azure-additional-public-ips: \"20.0.0.1 20.0.0.2\"",
    "azure-shared-securityrule: \"true\"",
    "port_80_no_lb_rule: False",
];

/// What follows each line of a file, so that whatever is lost or moved shows.
const COMMENT: &str = "  # ü 😀 keep";

fn text(lines: &[&str], spec: &str, line_end: &str) -> String {
    let mut keys = BTreeSet::new();
    let once = lines.iter().filter(|line| keys.insert(line.split(':').next())).copied();
    let annotations: Vec<String> = once.map(|line| format!("{line}{COMMENT}")).collect();
    manifest("web", (&annotations.join("\n"), spec)).replace('\n', line_end)
}

fn checked(files: &[(&str, &str)]) -> Checked {
    let settings = crate::support::case::SETTINGS;
    let all = files.iter().copied().chain([("privlink.toml", settings)]);
    let bytes = |(path, text): (&str, &str)| (path.parse().unwrap(), File::Bytes(text.as_bytes().to_vec()));
    checking::check(Snapshot { files: all.map(bytes).collect(), ..Snapshot::default() }, false)
}

fn repaired(text: &str) -> (String, Checked, Checked) {
    let before = checked(&[("environments/prod/web.yaml", text)]);
    let repaired = checking::repair(before.clone(), false);
    let file = repaired.files.values().next();
    let after = file.map_or_else(|| text.to_owned(), |(_, after)| String::from_utf8(after.clone()).unwrap());
    (after, before, repaired.checked)
}

fn counted(checked: &Checked) -> BTreeMap<(&'static str, Severity), usize> {
    let mut counted = BTreeMap::new();
    for diagnostic in &checked.diagnostics {
        *counted.entry((diagnostic.code.as_str(), diagnostic.severity)).or_default() += 1;
    }
    counted
}

/// True if two lines have the same beginning and the same end, and differ in their key or value at most.
fn differ_in_their_entry(old: &str, new: &str) -> bool {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let comment = |line: &str| line.rfind(COMMENT).map(|at| line[at..].to_owned());
    indent(old) == indent(new) && comment(old) == comment(new) && comment(old).is_some()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_repair_never_brings_a_finding_and_touches_nothing_else(
        lines in proptest::sample::subsequence(LINES.to_vec(), 0..=9).prop_shuffle(),
        spec in proptest::sample::select(vec!["", "ports:\n- { port: 80, protocol: tcp }  # ü 😀 keep"]),
        line_end in proptest::sample::select(vec!["\n", "\r\n"]),
        mark in proptest::sample::select(vec!["", "\u{feff}"]),
    ) {
        let text = format!("{mark}{}", text(&lines, spec, line_end));
        let (after, was, is) = repaired(&text);
        let (old, new) = (counted(&was), counted(&is));
        for (what, number) in &new {
            prop_assert!(old.get(what).is_some_and(|before| number <= before), "{what:?} is new:\n{text}\n{after}");
        }
        prop_assert_eq!(text == after, old.values().sum::<usize>() == new.values().sum::<usize>(), "{}\n{}", text, after);
        let (lines, new_lines): (Vec<&str>, Vec<&str>) = (text.split('\n').collect(), after.split('\n').collect());
        prop_assert_eq!(lines.len(), new_lines.len());
        for (old, new) in lines.into_iter().zip(new_lines) {
            prop_assert!(old == new || differ_in_their_entry(old, new), "{old}\n{new}");
        }
        prop_assert_eq!(repaired(&after).0, after);
    }
}

#[test]
fn what_one_repair_brings_along_moves_nothing_under_the_others() {
    let lines = [
        "azure-load-balancer-internal-subnet: /subscriptions/x/resourceGroups/y/providers/Microsoft.Network/virtualNetworks/v/subnets/apps",
        "azure-load-balancer-internal: 'True'",
        "azure-pls-create: \"True \"",
        "azure-pls-nmae: shop",
        "azure-load-balancer-health-probe-interval: 10",
        "azure-pls-proxy-protocol: \" true\"",
    ];
    let (after, _, _) = repaired(&text(&lines, "ports:\n- { port: 80, protocol: tcp }  # ü 😀 keep", "\n"));
    assert!(after.contains("azure-pls-name: shop") && after.contains("protocol: TCP"), "{after}");
    assert_eq!(repaired(&after).0, after);
}

#[test]
fn what_has_one_right_text_is_repaired() {
    let wrong = [
        "azure-load-balancer-internal: 'True'",
        "azure-load-balancer-health-probe-protcol: http",
        "azure-load-balancer-tcp-idle-timeout: 5",
        "azure-load-balancer-ipv4: 10.224.0.25/16",
        "azure-pls-create: true",
        "azure-pls-ip-configuration-ip-address: 10.225.1.8,10.225.1.9",
        "azure-pls-ip-configuration-ip-address-count: 1",
    ];
    let (after, _, is) = repaired(&text(&wrong, "", "\n"));
    insta::assert_snapshot!(after.replace(COMMENT, ""), @r#"
    apiVersion: v1
    kind: Service
    metadata:
      name: web
      annotations:
        service.beta.kubernetes.io/azure-load-balancer-internal: 'true'
        service.beta.kubernetes.io/azure-load-balancer-health-probe-protocol: http
        service.beta.kubernetes.io/azure-load-balancer-tcp-idle-timeout: "5"
        service.beta.kubernetes.io/azure-load-balancer-ipv4: "10.224.0.25"
        service.beta.kubernetes.io/azure-pls-create: "true"
        service.beta.kubernetes.io/azure-pls-ip-configuration-ip-address: "10.225.1.8 10.225.1.9"
        service.beta.kubernetes.io/azure-pls-ip-configuration-ip-address-count: "2"
    spec:
      type: LoadBalancer
      ports:
      - port: 80
      selector: { app: web }
    "#);
    assert!(is.diagnostics.is_empty(), "{:?}", is.diagnostics);
}

#[test]
fn words_and_keys_of_our_own_kinds_are_repaired_and_their_order_stays() {
    let document = "# who consumes\napiVersion: privlink.dev/v1\nkind: PrivateLinkService\nmetadata: { name: web }\nspec:\n  service: { namespace: default, nmae: web } # the shop\n  visibility: { mode: Role-Based }\n";
    let (after, ..) = repaired(document);
    insta::assert_snapshot!(after, @"
    # who consumes
    apiVersion: privlink.dev/v1alpha1
    kind: PrivateLinkService
    metadata: { name: web }
    spec:
      service: { namespace: default, name: web } # the shop
      visibility: { mode: role-based }
    ");
}

#[test]
fn what_is_wrong_besides_keeps_nothing_from_being_repaired() {
    let wrong = [
        "azure-load-balancer-internal: 'True'",
        "azure-load-balancer-internal-subnet: my apps",
        "azure-pls-create: true",
        "azure-pls-visibility: 3f2b8c1e-90ab-4c57-9a1e-0b7d5f8c2a10,3f2b8c1e-90ab-4c57-9a1e-0b7d5f8c2a11",
    ];
    let (after, was, is) = repaired(&text(&wrong, "ports: [{ port: 10250 }]", "\n"));
    assert!(
        after.contains("internal: 'true'") && after.contains("create: \"true\"") && after.contains("2a10 3f2b"),
        "{after}"
    );
    let codes = |checked: &Checked| Vec::from_iter(checked.diagnostics.iter().map(|it| it.code.as_str()));
    assert_eq!(
        (codes(&was), codes(&is)),
        (vec!["ANN003", "ILB005", "ANN001", "ANN008", "REPO017"], vec!["ILB005", "REPO017"])
    );
}

#[test]
fn a_repair_that_would_uncover_another_mistake_is_left_to_a_person() {
    let wrong = ["azure-load-balancer-internal: \"true\"", "azure-load-balancer-tcp-idle-timeout: \"500\""];
    let old = text(&wrong, "ports:\n- { port: 80, protocol: tcp }", "\n");
    let before = checked(&[
        ("environments/prod/web.yaml", &old),
        (
            "environments/prod/app.yaml",
            &manifest("app", ("azure-pls-create: true\nazure-load-balancer-internal: \"true\"", "")),
        ),
    ]);
    let repaired = checking::repair(before, false);
    let files: Vec<&str> = repaired.files.keys().map(|path| path.as_str()).collect();
    assert_eq!(files, ["environments/prod/app.yaml"]);
    let left: Vec<String> =
        repaired.left.iter().map(|left| format!("{}:{} {:?}", left.file, left.line, left.why)).collect();
    insta::assert_snapshot!(left.join("\n"), @r#"environments/prod/web.yaml:11 NewFinding(Code("RUL001"))"#);
}
