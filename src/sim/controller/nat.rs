//! The NAT addresses of a Private Link Service: what is wanted, and whether what is there will do.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::cloud::text;
use super::name;
use super::service::Service;

/// Builds the whole list: static addresses first, the rest dynamic; the first one is primary.
///
/// # Errors
/// If the count or an address is invalid, or if there are more addresses than the count allows.
pub(crate) fn wanted(service: &Service, subnet: &Value, link_service: &str) -> Result<Vec<Value>, String> {
    let count = service.annotations.nat_count()?;
    let addresses = service.annotations.nat_addresses()?;
    if count < addresses.len() {
        return Err(format!(
            "private link service ip config count must be no smaller than number of static ip addresses specified: {count} < {}",
            addresses.len()
        ));
    }
    let names = (text(subnet, "/name"), link_service);
    let configuration = |end: String, is_primary: bool, address: Option<&String>| {
        let mut properties = json!({
            "primary": is_primary, "privateIPAddressVersion": "IPv4", "subnet": {"id": text(subnet, "/id")},
            "privateIPAllocationMethod": if address.is_some() { "Static" } else { "Dynamic" },
        });
        if let Some(address) = address {
            properties["privateIPAddress"] = json!(address);
        }
        json!({"name": name::nat_configuration(names, &end), "properties": properties})
    };
    let fixed = addresses.iter().enumerate();
    let mut all: Vec<Value> =
        fixed.map(|(index, address)| configuration(format!("static-{address}"), index == 0, Some(address))).collect();
    for index in 0..count - addresses.len() {
        all.push(configuration(format!("dynamic-{index}"), addresses.is_empty() && index == 0, None));
    }
    Ok(all)
}

/// True if the existing configurations differ from the wanted ones. Names and order do not count.
pub(crate) fn differs(existing: &[Value], wanted: &[Value]) -> bool {
    if existing.len() != wanted.len() {
        return true;
    }
    let subnet = wanted.first().map(|own| text(own, "/properties/subnet/id")).unwrap_or_default();
    let is_elsewhere = |own: &Value| !text(own, "/properties/subnet/id").eq_ignore_ascii_case(subnet);
    existing.iter().any(is_elsewhere)
        || static_addresses(existing) != static_addresses(wanted)
        || primary(existing) != primary(wanted)
}

fn is_static(configuration: &Value) -> bool {
    text(configuration, "/properties/privateIPAllocationMethod").eq_ignore_ascii_case("Static")
}

fn static_addresses(configurations: &[Value]) -> BTreeSet<&str> {
    let fixed = configurations.iter().filter(|own| is_static(own));
    fixed.map(|own| text(own, "/properties/privateIPAddress")).collect()
}

/// The primary static address; dynamic ones are all alike.
fn primary(configurations: &[Value]) -> Option<&str> {
    let primary = configurations.iter().find(|own| own["properties"]["primary"] == true);
    primary.filter(|own| is_static(own)).map(|own| text(own, "/properties/privateIPAddress"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(count: Option<&str>, addresses: Option<&str>) -> Service {
        let mut service = Service::of(&json!({}));
        service.annotations.set(super::super::annotation::PLS_COUNT, count);
        service.annotations.set(super::super::annotation::PLS_ADDRESSES, addresses);
        service
    }

    fn build(count: Option<&str>, addresses: Option<&str>, subnet: &str) -> Vec<Value> {
        wanted(&service(count, addresses), &json!({"id": subnet, "name": "subnet"}), "testpls").unwrap()
    }

    #[test]
    fn statics_come_first_and_the_first_is_primary() {
        let all = build(Some("3"), Some("10.2.0.4 10.2.0.5"), "subnetID");
        let names: Vec<&str> = all.iter().map(|own| text(own, "/name")).collect();
        assert_eq!(
            names,
            ["subnet-testpls-static-10.2.0.4", "subnet-testpls-static-10.2.0.5", "subnet-testpls-dynamic-0"]
        );
        let primaries: Vec<&Value> = all.iter().map(|own| &own["properties"]["primary"]).collect();
        assert_eq!(primaries, [&json!(true), &json!(false), &json!(false)]);
        assert!(wanted(&service(Some("1"), Some("10.2.0.4 10.2.0.5")), &json!({}), "p").is_err());
    }

    #[test]
    fn only_real_differences_count() {
        let dynamic = build(None, None, "subnetID");
        assert!(!differs(&dynamic, &build(None, None, "SUBNETID")));
        assert!(differs(&dynamic, &build(None, None, "other")));
        let fixed = build(None, Some("10.2.0.5"), "subnetID");
        assert!(differs(&dynamic, &fixed));
        assert!(differs(&fixed, &dynamic));
        assert!(!differs(&fixed, &fixed));
        assert!(differs(
            &build(Some("2"), Some("10.2.0.4 10.2.0.5"), "s"),
            &build(Some("2"), Some("10.2.0.5 10.2.0.4"), "s")
        ));
    }
}
