//! The rules about our own kinds: each once broken and once kept.

use privlink::desired::policy::Consumer;

use super::Case;
use super::Severity;
use super::rules;

const LINK: &str = "apiVersion: privlink.dev/v1alpha1\nkind: PrivateLinkService\nmetadata: { name: NAME }\nspec:\n  service: { namespace: shop, name: orders }\n  visibility: { mode: role-based }\n";
const ENDPOINT: &str = "apiVersion: privlink.dev/v1alpha1\nkind: PrivateEndpoint\nmetadata: { name: NAME }\nspec:\n  resourceGroup: rg-pe\n  location: eastus2\n  subnet: { virtualNetwork: hub-vnet, name: pe-subnet }\n";
const SERVICE: &str = "apiVersion: v1\nkind: Service\nmetadata:\n  name: orders\n  namespace: shop\n  annotations:\n    service.beta.kubernetes.io/azure-load-balancer-internal: \"true\"\nspec:\n  type: LoadBalancer\n  ports:\n  - port: 80\n";

fn link(name: &str, more: &str) -> String {
    format!("{}  {more}\n", LINK.replace("NAME", name))
}

fn endpoint(name: &str, more: &str) -> String {
    format!("{}  {more}\n", ENDPOINT.replace("NAME", name))
}

const ALIAS: &str = "target: { alias: foreign.11111111-1111-1111-1111-111111111111.eastus2.azure.privatelinkservice }\n  connection: { request: manual }";

/// A rule, documents that break it and nothing else, documents that keep it.
fn cases() -> Vec<(&'static str, Vec<String>, Vec<String>)> {
    let other = "target: { id: /subscriptions/00000000-0000-0000-0000-000000000003/resourceGroups/rg/providers/Microsoft.Network/privateLinkServices/x }";
    let at = |target: &str, address: &str| format!("{target}\n  ipAddress: {address}");
    let long = "a".repeat(60) + "." + &"b".repeat(40);
    vec![
        ("OWN001", vec![endpoint(&long, ALIAS)], vec![endpoint(&long, &format!("{ALIAS}\n  name: short"))]),
        (
            "OWN001",
            vec![link(&long, "managedBy: privlink\n  resourceGroup: rg-pls")],
            vec![link(&long, "nat: { count: 2 }")],
        ),
        (
            "OWN002",
            vec![link("a", "nat: { addresses: [\"224.0.0.1\"] }")],
            vec![link("a", "nat: { addresses: [\"10.225.1.8\"] }")],
        ),
        ("OWN002", vec![endpoint("a", &at(ALIAS, "168.63.129.16"))], vec![endpoint("a", &at(ALIAS, "168.63.129.17"))]),
        (
            "OWN003",
            vec![endpoint("a", &at(ALIAS, "10.50.1.20")), endpoint("b", &at(other, "10.50.1.20"))],
            vec![endpoint("a", &at(ALIAS, "10.50.1.20")), endpoint("b", &at(other, "10.50.1.21"))],
        ),
        (
            "OWN004",
            vec![endpoint("a", ALIAS), endpoint("b", ALIAS)],
            vec![endpoint("a", ALIAS), endpoint("b", ALIAS).replace("pe-subnet", "other-subnet")],
        ),
        (
            "OWN005",
            vec![SERVICE.to_owned(), link("a", "").replace("name: orders", "name: ordres")],
            vec![SERVICE.to_owned(), link("a", ""), link("b", "").replace("name: orders", "name: billing")],
        ),
        (
            "OWN005",
            vec![SERVICE.to_owned(), endpoint("a", "target: { service: { namespace: shp, name: orders } }")],
            vec![
                SERVICE.replace("orders", "web1"),
                endpoint("a", "target: { service: { namespace: shop, name: web2 } }"),
            ],
        ),
        (
            "OWN006",
            vec![link(
                "a",
                "connections: { approve: [{ subscription: 00000000-0000-0000-0000-000000000002 }], reject: [{ subscription: 00000000-0000-0000-0000-000000000002 }] }",
            )],
            vec![link(
                "a",
                "connections: { approve: [{ subscription: 00000000-0000-0000-0000-000000000002 }], reject: [{ subscription: 00000000-0000-0000-0000-000000000003 }] }",
            )],
        ),
        ("OWN007", vec![approved(SLIP)], vec![approved(ACME)]),
        ("OWN007", vec![annotated(SLIP)], vec![annotated(ACME)]),
        ("OWN008", vec![approved(NOBODY)], vec![approved(ACME)]),
        ("OWN008", vec![annotated(NOBODY)], vec![annotated(ACME)]),
        ("OWN009", vec![named(&long_record(58))], vec![named(&long_record(57))]),
        ("OWN009", vec![named(&long_record(58))], vec![named("\"@\"")]),
        (
            "OWN010",
            vec![link("orders-1", ""), blue_green("odrers-1")],
            vec![link("orders-1", ""), blue_green("orders-2")],
        ),
    ]
}

/// A consumer that the settings name, one whose id is nearly the same, and one that nobody names.
const ACME: &str = "3f2b8c1e-90ab-4c57-9a1e-0b7d5f8c2a10";
const SLIP: &str = "3f2b8c1e-90ab-4c57-9a1e-0b7d5f8c2a01";
const NOBODY: &str = "a1e24b7d-5c3f-4e88-8d21-6f0c9b3e7d42";

fn approved(id: &str) -> String {
    link("a", &format!("connections: {{ approve: [{{ subscription: {id} }}] }}"))
}

fn annotated(id: &str) -> String {
    let annotations = format!(
        "annotations:\n    service.beta.kubernetes.io/azure-pls-create: \"true\"\n    service.beta.kubernetes.io/azure-pls-visibility: {id}"
    );
    SERVICE.replacen("annotations:", &annotations, 1)
}

fn named(record: &str) -> String {
    endpoint("a", &format!("{ALIAS}\n  dns: [{{ resourceGroup: rg-dns, zone: orders.internal, record: {record} }}]"))
}

/// With its zone a name of 196 characters and `last` ones.
fn long_record(last: usize) -> String {
    format!("{0}.{0}.{0}.{1}", "r".repeat(59), "r".repeat(last))
}

fn blue_green(replaces: &str) -> String {
    link("green", &format!("replaces: {replaces}")).replace("name: orders }", "name: billing }")
}

fn told(documents: &[String], remarks: bool) -> (Vec<&'static str>, String) {
    let (_, diagnostics, shown) = Case::empty().with("all", &documents.join("---\n")).read_with(|policy| {
        policy.levels.remarks = remarks;
        let consumer = Consumer { name: "ACME trading".to_owned(), contact: None, tenant: None };
        policy.consumers.insert(ACME.parse().unwrap(), consumer);
    });
    (diagnostics.iter().map(|it| it.code.as_str()).collect(), shown)
}

#[test]
fn every_rule_about_our_own_kinds_is_told_where_it_is_broken_and_only_there() {
    for (rule, broken, kept) in cases() {
        let remark = rules().any(|it| it.code.as_str() == rule && it.severity == Severity::Info);
        let (codes, shown) = told(&broken, remark);
        assert!(if remark { codes.contains(&rule) } else { codes == [rule] }, "{rule} broken:\n{shown}");
        let (codes, shown) = told(&kept, remark);
        assert!(if remark { !codes.contains(&rule) } else { codes.is_empty() }, "{rule} kept:\n{shown}");
    }
    let own = rules().map(|rule| rule.code.as_str()).filter(|code| code.starts_with("OWN"));
    let without: Vec<&str> = own.filter(|code| !cases().iter().any(|(rule, ..)| rule == code)).collect();
    assert!(without.is_empty(), "rules without a case: {without:?}");
}

#[test]
fn a_slip_in_an_id_is_told_with_who_is_meant() {
    insta::assert_snapshot!(told(&[approved(SLIP)], false).1, @"
    warning[OWN007]: 3f2b8c1e-90ab-4c57-9a1e-0b7d5f8c2a01 is named nowhere in privlink.toml
     --> environments/prod/all.yaml:7:44
      |
    7 |   connections: { approve: [{ subscription: 3f2b8c1e-90ab-4c57-9a1e-0b7d5f8c2a01 }] }
      |                                            ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ nearly ACME trading's
      |
      = help: did you mean `3f2b8c1e-90ab-4c57-9a1e-0b7d5f8c2a10`?

    1 warning in 1 file
    ");
    insta::assert_snapshot!(told(&[annotated(SLIP)], false).1, @"
    warning[OWN007]: 3f2b8c1e-90ab-4c57-9a1e-0b7d5f8c2a01 is named nowhere in privlink.toml
     --> environments/prod/all.yaml:8:54
      |
    8 |     service.beta.kubernetes.io/azure-pls-visibility: 3f2b8c1e-90ab-4c57-9a1e-0b7d5f8c2a01
      |                                                      ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ nearly ACME trading's
      |
      = help: did you mean `3f2b8c1e-90ab-4c57-9a1e-0b7d5f8c2a10`?

    1 warning in 1 file
    ");
}

#[test]
fn an_id_that_is_let_in_several_times_is_asked_about_once() {
    let twice = format!(
        "visibility: {{ mode: subscriptions, subscriptions: [{NOBODY}] }}\n  autoApproval: {{ subscriptions: [{NOBODY}] }}"
    );
    let document = link("a", &twice).replace("  visibility: { mode: role-based }\n", "");
    let (codes, shown) = told(&[document], true);
    assert_eq!(codes.iter().filter(|code| **code == "OWN008").count(), 1, "{shown}");
}

#[test]
fn more_subscriptions_than_azure_takes_are_told_of_a_field_as_of_an_annotation() {
    let ids: Vec<String> = (0..101).map(|at| format!("00000000-0000-0000-0000-{at:012}")).collect();
    let list = format!("visibility: {{ mode: subscriptions, subscriptions: [{}] }}", ids.join(", "));
    let document = link("a", &list).replace("  visibility: { mode: role-based }\n", "");
    assert_eq!(told(&[document], false).0, ["PLS026"]);
}
