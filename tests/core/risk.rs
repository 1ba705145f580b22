//! The table of risks, line by line.

use privlink::domain::key::ResourceKey;
use privlink::plan::action::Action;
use privlink::plan::action::Actor;
use privlink::plan::change::Change;
use privlink::plan::change::FieldChange;
use privlink::plan::risk::Risk;
use privlink::plan::risk::rate;
use privlink::value::Value;

use crate::support::case::Case;
use crate::support::case::PROVIDER;
use crate::support::case::endpoint;
use crate::support::case::network;
use crate::support::case::subnet;
use crate::support::converge::converge;
use crate::support::say::change;
use crate::support::say::plan_of;

fn key(kind: &str) -> ResourceKey {
    let publisher = privlink::domain::key::PublisherKey::Own(network(PROVIDER, "rg", "privateLinkServices/p"));
    match kind {
        "service" => ResourceKey::Service("shop/orders".parse().unwrap()),
        "subnet" => ResourceKey::Subnet(subnet("pls-subnet")),
        "pls" => ResourceKey::PrivateLinkService(publisher),
        "endpoint" => ResourceKey::PrivateEndpoint(endpoint("x")),
        "connection" => ResourceKey::Connection { publisher, endpoint: endpoint("x") },
        "record" => ResourceKey::DnsRecord(network(PROVIDER, "rg", "privateDnsZones/z.internal/A/a")),
        "link" => ResourceKey::DnsLink(network(PROVIDER, "rg", "privateDnsZones/z.internal/virtualNetworkLinks/l")),
        other => panic!("{other}"),
    }
}

type Field<'a> = (&'a str, Option<Value>, Option<Value>);

fn rated(kind: &str, action: Action, fields: &[Field<'_>]) -> Risk {
    let mut change = Change::new(key(kind), action);
    change.fields = fields
        .iter()
        .map(|(name, before, after)| FieldChange {
            name: match name.strip_prefix('~') {
                Some(key) => format!("metadata.annotations[service.beta.kubernetes.io/{key}]"),
                None => (*name).to_owned(),
            },
            before: before.clone(),
            after: after.clone(),
            forces_replacement: false,
            manager: None,
        })
        .collect();
    rate(&change)
}

fn text(value: &str) -> Option<Value> {
    Some(Value::text(value))
}

fn set(items: &[&str]) -> Option<Value> {
    Some(Value::set(items))
}

fn list(items: &[&str]) -> Option<Value> {
    Some(Value::List(items.iter().map(|item| (*item).to_owned()).collect()))
}

const YES: Option<Value> = Some(Value::Bool(true));
const NO: Option<Value> = Some(Value::Bool(false));

#[track_caller]
fn updates(kind: &str, fields: &[Field<'_>], expected: Risk) {
    assert_eq!(rated(kind, Action::Update, fields), expected, "{kind} {fields:?}");
}

#[test]
fn every_action_has_its_line_of_the_table() {
    for kind in ["service", "pls", "endpoint", "record", "link"] {
        assert_eq!(rated(kind, Action::Create, &[]), Risk::Notable, "create {kind}");
        assert_eq!(rated(kind, Action::Delete, &[]), Risk::Severing, "delete {kind}");
        assert_eq!(rated(kind, Action::Adopt, &[("tags.privlink-owner", None, text("x"))]), Risk::Safe, "adopt {kind}");
    }
    let mut built = Change::new(key("pls"), Action::Create);
    built.actor = Actor::CloudProvider;
    assert_eq!(rate(&built), Risk::Safe, "it is rated at its Service");
    assert_eq!(rated("connection", Action::Delete, &[]), Risk::Severing);
    assert_eq!(rated("pls", Action::Replace, &[]), Risk::Severing);
    assert_eq!(rated("link", Action::Replace, &[]), Risk::Severing);
    assert_eq!(rated("endpoint", Action::Replace, &[]), Risk::Disruptive, "nobody is connected through it");
}

#[test]
fn safe_are_tags_and_marks() {
    for kind in ["pls", "endpoint", "link"] {
        updates(kind, &[("tags.team", text("a"), text("b"))], Risk::Safe);
    }
    updates("record", &[("metadata.privlink-document", text("a"), text("b"))], Risk::Safe);
    updates("service", &[("metadata.labels[app]", text("a"), text("b"))], Risk::Safe);
    updates("service", &[("metadata.annotations[example.com/x]", None, text("b"))], Risk::Safe);
}

#[test]
fn notable_are_narrower_lists_approvals_and_subnet_policies() {
    updates("subnet", &[("privateLinkServiceNetworkPolicies", text("Enabled"), text("Disabled"))], Risk::Notable);
    updates("connection", &[("state", text("Pending"), text("Approved"))], Risk::Notable);
    updates("pls", &[("visibility", set(&["a", "b"]), set(&["a"]))], Risk::Notable);
    updates("pls", &[("visibility", text("anyone-with-alias"), set(&["a"]))], Risk::Notable);
    updates("pls", &[("autoApproval", set(&["a"]), None)], Risk::Notable);
    updates("service", &[("~azure-pls-visibility", set(&["a", "b"]), set(&["b"]))], Risk::Notable);
    updates("service", &[("~azure-pls-auto-approval", set(&["a"]), None)], Risk::Notable);
    updates("pls", &[("nat.count", Some(Value::Integer(1)), Some(Value::Integer(2)))], Risk::Notable);
    let grows: Field<'_> = ("nat.count", Some(Value::Integer(1)), Some(Value::Integer(2)));
    updates("pls", &[grows, ("nat.addresses", list(&["10.0.0.4"]), list(&["10.0.0.4", "10.0.0.5"]))], Risk::Notable);
    updates("record", &[("ttl", Some(Value::Integer(300)), Some(Value::Integer(60)))], Risk::Notable);
}

#[test]
fn publishing_a_service_that_was_not_is_a_creation() {
    let create: Field<'_> = ("~azure-pls-create", None, YES);
    updates("service", &[create.clone(), ("~azure-pls-visibility", None, set(&["a"]))], Risk::Notable);
    updates("service", &[("~azure-pls-create", NO, YES)], Risk::Notable);
    updates("service", &[create, ("spec.selector.app", text("a"), text("b"))], Risk::Disruptive);
}

#[test]
fn disruptive_are_moves_of_traffic_without_a_private_link_service() {
    updates("service", &[("~azure-load-balancer-ipv4", text("10.0.0.4"), text("10.0.0.5"))], Risk::Disruptive);
    updates("service", &[("spec.ports[80/TCP]", None, text("open"))], Risk::Disruptive);
    updates("service", &[("~azure-load-balancer-health-probe-protocol", None, text("http"))], Risk::Disruptive);
    updates("service", &[("~azure-load-balancer-internal", NO, YES)], Risk::Disruptive);
    updates("service", &[("~azure-load-balancer-internal", text("True"), YES)], Risk::Disruptive);
    updates("service", &[("spec.loadBalancerSourceRanges", None, list(&["10.0.0.0/8"]))], Risk::Disruptive);
    updates(
        "service",
        &[("spec.loadBalancerSourceRanges", list(&["10.0.0.0/8"]), list(&["10.1.0.0/16"]))],
        Risk::Disruptive,
    );
    updates("pls", &[("nat.addresses", list(&["10.0.0.4"]), list(&["10.0.0.5"]))], Risk::Disruptive);
    updates("pls", &[("nat.addresses", None, list(&["10.0.0.5"]))], Risk::Disruptive);
    updates("pls", &[("proxyProtocol", NO, YES)], Risk::Disruptive);
    updates("record", &[("addresses", set(&["10.0.0.4"]), set(&["10.0.0.5"]))], Risk::Disruptive);
}

#[test]
fn severing_is_a_rejection_and_the_replacement_of_what_is_used() {
    updates("connection", &[("state", text("Approved"), text("Rejected"))], Risk::Severing);
    updates("connection", &[("state", text("Pending"), text("Rejected"))], Risk::Severing);
    let mut used = Change::new(key("endpoint"), Action::Replace);
    used.reads.connections.insert("x".to_owned(), "Approved".to_owned());
    assert_eq!(rate(&used), Risk::Severing);
}

#[test]
fn exposing_is_whatever_lets_in_who_was_kept_out() {
    updates("service", &[("~azure-load-balancer-internal", YES, None)], Risk::Exposing);
    updates("service", &[("~azure-load-balancer-internal", YES, text("True"))], Risk::Exposing);
    updates("service", &[("~azure-pls-visibility", set(&["a"]), set(&["*"]))], Risk::Exposing);
    updates("service", &[("~azure-pls-visibility", None, set(&["a"]))], Risk::Exposing);
    updates("service", &[("~azure-pls-auto-approval", set(&["a"]), set(&["a", "b"]))], Risk::Exposing);
    updates("pls", &[("visibility", text("role-based"), set(&["a"]))], Risk::Exposing);
    updates("pls", &[("autoApproval", None, set(&["a"]))], Risk::Exposing);
    updates("service", &[("spec.loadBalancerSourceRanges", list(&["10.0.0.0/8"]), None)], Risk::Exposing);
    updates(
        "service",
        &[("spec.loadBalancerSourceRanges", list(&["10.1.0.0/16"]), list(&["10.0.0.0/8"]))],
        Risk::Exposing,
    );
    updates(
        "service",
        &[("~azure-allowed-ip-ranges", text("10.0.0.0/8"), text("10.0.0.0/8,20.0.0.0/8"))],
        Risk::Exposing,
    );
    updates("service", &[("~azure-additional-public-ips", None, text("20.0.0.1"))], Risk::Exposing);
    updates("service", &[("~azure-deny-all-except-load-balancer-source-ranges", text("true"), None)], Risk::Exposing);
    assert!(Risk::Exposing > Risk::Severing && Risk::Severing > Risk::Disruptive);
}

#[test]
fn a_type_that_makes_a_service_public_exposes_it() {
    let internal = "    service.beta.kubernetes.io/azure-load-balancer-internal: \"true\"\n";
    let subnet = "    service.beta.kubernetes.io/azure-load-balancer-internal-subnet: apps-subnet\n";
    let inside = |case: Case| case.edit("web", "type: LoadBalancer", "type: ClusterIP");
    let public = Case::shop().edit("web", internal, "").edit("web", subnet, "").edit("web", "  annotations:\n", "");
    let world = converge(&inside(public.clone()).resolve());
    assert_eq!(change(&plan_of(&public.resolve(), &world), "service/default/web").risk, Risk::Exposing);
    let world = converge(&inside(Case::shop()).resolve());
    assert_eq!(change(&plan_of(&Case::shop().resolve(), &world), "service/default/web").risk, Risk::Notable);
}

#[test]
fn only_an_added_nat_address_is_irreversible() {
    let world = converge(&Case::shop().resolve());
    let irreversible = |from: &str, to: &str| {
        let plan = plan_of(&Case::shop().edit("payments", from, to).resolve(), &world);
        change(&plan, "privatelinkservice/pls-payments").irreversible
    };
    assert!(irreversible("count: 2", "count: 3"));
    assert!(!irreversible("count: 2", "count: 2, addresses: [\"10.225.1.4\"]"));
    assert!(!irreversible("count: 2", "count: 1"), "a replacement starts anew");
    assert!(!irreversible(
        "autoApproval: { subscriptions: [\"00000000-0000-0000-0000-000000000001\"] }",
        "fqdns: [a.example]"
    ));
}
