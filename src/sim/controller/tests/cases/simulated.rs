//! Parts of the controller that need no Azure, and the cases that need all of it.

use serde_json::{Value, json};

use super::super::super::frontend::{self, NewFrontend, Ownership, internal_frontend};
use super::super::super::load_balancer::check_port_clashes;
use super::super::super::private_link::{is_managed, link_service_name, owner, tune};
use super::super::super::rule::{self, Ends, Expected};
use super::super::super::service::Family;
use super::super::super::{name, nat};
use super::super::World;
use super::Case;

const ENDS: Ends<'_> = Ends { balancer: "/lb", frontend: "/lb/f", pool: "/lb/p" };

/// Runs one part for a case.
pub(super) fn run(case: &Case, part: &str) -> Result<Value, String> {
    let (service, given) = (case.service(), case.given());
    let value = match part {
        "nat" => return nat_configurations(case),
        "tune" => return Ok(tuned(case)),
        "rules" => return rules(case),
        "clash" => {
            let clash = check_port_clashes(&given["balancer"], &given["frontend"], &service);
            return clash.map(|()| json!({})).map_err(|error| error.to_string());
        }
        "link-service-name" => {
            let existing = given["existing"].as_str().map(|name| json!({ "name": name }));
            let frontend = json!({"name": given["frontend"]});
            json!(link_service_name(&service, &frontend, existing.as_ref()).map_err(|error| error.to_string())?)
        }
        "is-managed" => json!(is_managed(given, given["cluster"].as_str().unwrap())),
        "owner" => json!(owner(given)),
        "frontend-names" => {
            json!(service.families.iter().map(|family| name::frontend(&service, *family)).collect::<Vec<_>>())
        }
        "rule-name" => {
            let port = &service.ports[0];
            json!(name::rule(&service, case.family(), (&port.protocol, port.port)))
        }
        "balancer-name" => json!(name::load_balancer(given["cluster"].as_str().unwrap(), &service)),
        "frontend-outdated" => json!(frontend::is_outdated(&given["frontend"], &service, None)),
        "frontend-family" => json!(word(frontend::family(&given["frontend"], &service))),
        "families" => json!(service.families.iter().map(|family| word(*family)).collect::<Vec<_>>()),
        "pinned-address" => json!(service.pinned(case.family())),
        "ownership" => json!(match frontend::ownership(&given["frontend"], &service) {
            Ownership::Primary => "primary",
            Ownership::Secondary => "secondary",
            Ownership::None => "none",
        }),
        "new-frontends" => new_frontends(case),
        other => panic!("{}: nothing runs {other}", case.name()),
    };
    Ok(json!({ "value": value }))
}

fn word(family: Family) -> &'static str {
    if family == Family::V6 { "IPv6" } else { "IPv4" }
}

/// The short form of a NAT configuration in the table.
pub(super) fn short(configuration: &Value) -> Value {
    let own = &configuration["properties"];
    let subnet = own["subnet"]["id"].as_str().unwrap();
    let subnet = if subnet.ends_with("/subnets/subnet") { "subnetID" } else { subnet };
    let mut short = json!({"name": configuration["name"], "method": own["privateIPAllocationMethod"],
        "primary": own["primary"], "subnet": subnet});
    if let Some(address) = own.get("privateIPAddress") {
        short["address"] = address.clone();
    }
    assert_eq!(own["privateIPAddressVersion"], "IPv4");
    short
}

fn long(short: &Value) -> Value {
    let mut own = json!({"privateIPAllocationMethod": short["method"], "primary": short["primary"],
        "subnet": {"id": short["subnet"]}, "privateIPAddressVersion": "IPv4"});
    if let Some(address) = short.get("address") {
        own["privateIPAddress"] = address.clone();
    }
    json!({"name": short["name"], "properties": own})
}

fn nat_configurations(case: &Case) -> Result<Value, String> {
    let subnet = json!({"id": "subnetID", "name": "subnet"});
    let wanted = nat::wanted(&case.service(), &subnet, case.given()["link-service"].as_str().unwrap())?;
    let existing = case.given()["existing"].as_array();
    let existing: Vec<Value> = existing.into_iter().flatten().map(long).collect();
    let is_changed = nat::differs(&existing, &wanted);
    let result = if is_changed { &wanted } else { &existing };
    Ok(json!({"changed": is_changed, "configurations": result.iter().map(short).collect::<Vec<_>>()}))
}

fn tuned(case: &Case) -> Value {
    let existing = match case.given() {
        Value::Null => json!({}),
        given => given.clone(),
    };
    let mut properties = existing.clone();
    tune(&mut properties, &case.service());
    json!({"changed": properties != existing, "properties": properties})
}

fn rules(case: &Case) -> Result<Value, String> {
    let built = rule::expected(&case.service(), Family::V4, &ENDS).map_err(|error| error.to_string())?;
    let Expected { rules, probes } = built;
    let mut actual = json!({ "probes": probes });
    if case.expected().get("ports").is_some() {
        let probe = format!("/lb/probes/{}", probes[0]["name"].as_str().unwrap());
        let uses = rules.iter().filter(|rule| rule["properties"]["probe"]["id"] == json!(probe));
        actual["ports"] = uses.map(|rule| rule["properties"]["frontendPort"].clone()).collect();
    }
    Ok(actual)
}

/// Only what the case is about is shown.
fn new_frontends(case: &Case) -> Value {
    let (service, given) = (case.service(), case.given());
    let subnet = json!({"properties": {"addressPrefixes": given["prefixes"]}});
    let frontends = service.families.iter().map(|family| {
        let zones = given["zones"].clone();
        let new = NewFrontend { balancer: "/lb", family: *family, subnet: &subnet, previous: &[], zones };
        let made = internal_frontend(&service, &new);
        if given.get("zones").is_some() {
            return json!({"zones": made["zones"]});
        }
        let own = &made["properties"];
        json!({"properties": {"privateIPAllocationMethod": own["privateIPAllocationMethod"],
            "privateIPAddress": own["privateIPAddress"]}})
    });
    frontends.collect()
}

/// Applies a Service to a whole simulator and looks at its Private Link Service.
pub(super) async fn whole(case: &Case) {
    let world = World::new().await;
    let annotation = |(key, value): (&String, &Value)| {
        (format!("service.beta.kubernetes.io/{key}"), value.as_str().unwrap().to_owned())
    };
    let annotations: Vec<(String, String)> =
        case.0["annotations"].as_object().into_iter().flatten().map(annotation).collect();
    let pairs: Vec<(&str, &str)> = annotations.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    world.apply(&super::super::service("app", &pairs)).await;
    let before = world.link_services().remove(0);
    for (key, value) in case.given()["then"].as_object().into_iter().flatten().map(annotation) {
        world.annotate("app", &[(&key, Some(&value))]).await;
    }
    let own = world.link_services().remove(0);
    assert_eq!(own["properties"]["alias"], before["properties"]["alias"], "{}", case.name());
    for (key, value) in case.expected()["properties"].as_object().unwrap() {
        assert_eq!(own["properties"][key], *value, "{}: {}", case.name(), world.failure("app"));
    }
    let configurations = own["properties"]["ipConfigurations"].as_array().unwrap();
    if let Some(count) = case.expected()["count"].as_u64() {
        assert_eq!(configurations.len() as u64, count, "{}", case.name());
    }
    if let Some(subnet) = case.expected()["subnet"].as_str() {
        let id = configurations[0]["properties"]["subnet"]["id"].as_str().unwrap();
        assert!(id.ends_with(&format!("/{subnet}")), "{}: {id}", case.name());
    }
    if let Some(address) = case.expected()["address"].as_str() {
        let own = &configurations[0]["properties"];
        assert_eq!((&own["privateIPAllocationMethod"], &own["privateIPAddress"]), (&json!("Static"), &json!(address)));
    }
}
