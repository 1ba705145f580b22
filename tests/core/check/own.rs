//! The rules about our own kinds: each once broken and once kept.

use super::Case;
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
    ]
}

fn told(documents: &[String]) -> (Vec<&'static str>, String) {
    let (_, diagnostics, shown) = Case::empty().with("all", &documents.join("---\n")).read();
    (diagnostics.iter().map(|it| it.code.as_str()).collect(), shown)
}

#[test]
fn every_rule_about_our_own_kinds_is_told_where_it_is_broken_and_only_there() {
    for (rule, broken, kept) in cases() {
        let (codes, shown) = told(&broken);
        assert_eq!(codes.as_slice(), [rule], "{shown}");
        let (codes, shown) = told(&kept);
        assert!(codes.is_empty(), "{rule} kept:\n{shown}");
    }
    let own = rules().map(|rule| rule.code.as_str()).filter(|code| code.starts_with("OWN"));
    let without: Vec<&str> = own.filter(|code| !cases().iter().any(|(rule, ..)| rule == code)).collect();
    assert!(without.is_empty(), "rules without a case: {without:?}");
}
