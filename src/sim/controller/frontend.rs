//! Frontends: whose they are, when one is replaced, and which address a new one asks for.
//!
//! A Service owns the frontends that carry its name (it is their primary) and, if it is internal, those that hold one of
//! its pinned addresses: that is how two Services share one address.

use std::net::IpAddr;

use serde_json::{Value, json};

use super::cloud::{list, text};
use super::name;
use super::service::{Family, Service};
use crate::domain::cidr::Cidr;

/// How a Service owns a frontend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ownership {
    /// The frontend was made for it.
    Primary,
    /// It shares the frontend by its address.
    Secondary,
    /// It has nothing to do with it.
    None,
}

/// Decides whose a frontend is. Names compare byte for byte, addresses as plain text without regard to case.
pub(crate) fn ownership(frontend: &Value, service: &Service) -> Ownership {
    if text(frontend, "/name").starts_with(&name::base(service)) {
        return Ownership::Primary;
    }
    let address = text(frontend, "/properties/privateIPAddress");
    let claims = || service.claimed_addresses().iter().any(|own| own.eq_ignore_ascii_case(address));
    if service.is_internal() && !address.is_empty() && claims() { Ownership::Secondary } else { Ownership::None }
}

/// The family of a frontend: by its name for a dual-stack Service, else that of the Service.
pub(crate) fn family(frontend: &Value, service: &Service) -> Family {
    match service.families.as_slice() {
        [only] => *only,
        _ if text(frontend, "/name").ends_with("-IPv6") => Family::V6,
        _ => Family::V4,
    }
}

/// The frontends of a Service on a load balancer, in its order.
pub(crate) fn owned<'a>(balancer: &'a Value, service: &Service) -> Vec<&'a Value> {
    let frontends = list(balancer, "frontendIPConfigurations").iter();
    frontends.filter(|frontend| ownership(frontend, service) != Ownership::None).collect()
}

/// The frontend that serves a family.
pub(crate) fn owned_of_family<'a>(balancer: &'a Value, service: &Service, wanted: Family) -> Option<&'a Value> {
    owned(balancer, service).into_iter().find(|frontend| family(frontend, service) == wanted)
}

/// True if an owned frontend has to be replaced.
pub(crate) fn is_outdated(frontend: &Value, service: &Service, subnet: Option<&Value>) -> bool {
    let expected = name::frontend(service, family(frontend, service));
    if !text(frontend, "/name").eq_ignore_ascii_case(&expected) {
        return ownership(frontend, service) == Ownership::Primary;
    }
    if !service.is_internal() {
        return false;
    }
    let id = text(frontend, "/properties/subnet/id");
    let other_subnet = subnet.is_some_and(|subnet| !id.eq_ignore_ascii_case(text(subnet, "/id")));
    if other_subnet && service.annotations.frontend_subnet().is_some() {
        return true;
    }
    let wanted = service.pinned(family(frontend, service));
    !wanted.is_empty() && !wanted.eq_ignore_ascii_case(text(frontend, "/properties/privateIPAddress"))
}

/// True if a public frontend has another address than the one pinned under its name.
pub(crate) fn is_repinned(frontend: &Value, pinned: &[(String, Value)]) -> bool {
    let own = text(frontend, "/properties/publicIPAddress/id");
    let other = |id: &Value| !id.as_str().unwrap_or_default().eq_ignore_ascii_case(own);
    pinned.iter().any(|(name, id)| text(frontend, "/name").eq_ignore_ascii_case(name) && other(id))
}

/// True if somebody else's rules still use a frontend.
pub(crate) fn is_used_by_others(balancer: &Value, frontend: &Value, service: &Service) -> bool {
    let id = text(frontend, "/id").to_ascii_lowercase();
    let base = name::base(service).to_ascii_lowercase();
    let uses = |rule: &Value| text(rule, "/properties/frontendIPConfiguration/id").eq_ignore_ascii_case(&id);
    let foreign = |rule: &&Value| !text(rule, "/name").to_ascii_lowercase().starts_with(&base);
    let rules = list(balancer, "loadBalancingRules").iter().filter(foreign);
    let nat = list(balancer, "inboundNatRules").iter().chain(list(balancer, "inboundNatPools"));
    let outbound = list(balancer, "outboundRules").iter().flat_map(|rule| list(rule, "frontendIPConfigurations"));
    rules.chain(nat).any(uses) || outbound.into_iter().any(|own| text(own, "/id").eq_ignore_ascii_case(&id))
}

/// What a new internal frontend is made from.
pub(crate) struct NewFrontend<'a> {
    pub(crate) balancer: &'a str,
    pub(crate) family: Family,
    pub(crate) subnet: &'a Value,
    /// Addresses that the load balancer gave to the Service before.
    pub(crate) previous: &'a [String],
    /// The zones of the frontend that it replaces, else all of the region.
    pub(crate) zones: Value,
}

/// A new internal frontend.
pub(crate) fn internal_frontend(service: &Service, new: &NewFrontend<'_>) -> Value {
    let name = name::frontend(service, new.family);
    let mut properties = json!({
        "privateIPAllocationMethod": "Dynamic",
        "subnet": {"id": text(new.subnet, "/id"), "name": text(new.subnet, "/name")},
    });
    if let Some(address) = address(service, new) {
        properties["privateIPAllocationMethod"] = json!("Static");
        properties["privateIPAddress"] = json!(address);
    }
    if new.family == Family::V6 {
        properties["privateIPAddressVersion"] = json!("IPv6");
    }
    let id = format!("{}/frontendIPConfigurations/{name}", new.balancer);
    let mut frontend = json!({"id": id, "name": name, "properties": properties});
    if new.zones.as_array().is_some_and(|zones| !zones.is_empty()) {
        frontend["zones"] = new.zones.clone();
    }
    frontend
}

/// The address to ask for: pinned, else one it had before if the subnet contains it, else whichever is free.
fn address(service: &Service, new: &NewFrontend<'_>) -> Option<String> {
    let pinned = service.pinned(new.family);
    if !pinned.is_empty() {
        return Some(pinned);
    }
    let prefixes = prefixes(new.subnet);
    let fits = |text: &&String| {
        let Ok(address) = text.parse::<IpAddr>() else { return false };
        address.is_ipv6() == (new.family == Family::V6) && prefixes.iter().any(|prefix| prefix.contains(address))
    };
    new.previous.iter().chain(&service.ingress).find(fits).cloned()
}

fn prefixes(subnet: &Value) -> Vec<Cidr> {
    let many = list(subnet, "addressPrefixes").iter().filter_map(Value::as_str);
    many.chain([text(subnet, "/properties/addressPrefix")]).filter_map(|text| text.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(uid: &str, annotations: &[(&str, &str)], spec: Value) -> Service {
        let annotations: serde_json::Map<String, Value> = annotations
            .iter()
            .map(|(key, value)| (format!("service.beta.kubernetes.io/{key}"), json!(value)))
            .collect();
        Service::of(&json!({"metadata": {"uid": uid, "annotations": annotations}, "spec": spec}))
    }

    const INTERNAL: (&str, &str) = ("azure-load-balancer-internal", "true");

    #[test]
    fn ownership_is_by_name_or_by_pinned_address() {
        let frontend = json!({"name": "auid", "properties": {"privateIPAddress": "4.3.2.1"}});
        assert_eq!(ownership(&frontend, &service("uid", &[], json!({}))), Ownership::Primary);
        assert_eq!(ownership(&frontend, &service("secondary", &[INTERNAL], json!({}))), Ownership::None);
        let pins = [INTERNAL, ("azure-load-balancer-ipv4", "4.3.2.1")];
        assert_eq!(ownership(&frontend, &service("secondary", &pins, json!({}))), Ownership::Secondary);
        let field = json!({"loadBalancerIP": "4.3.2.1"});
        assert_eq!(ownership(&frontend, &service("secondary", &[INTERNAL], field.clone())), Ownership::Secondary);
        // An annotation for either family hides the field.
        let other = [INTERNAL, ("azure-load-balancer-ipv6", "fd00::1")];
        assert_eq!(ownership(&frontend, &service("secondary", &other, field)), Ownership::None);
        assert_eq!(ownership(&frontend, &service("secondary", &pins[1..], json!({}))), Ownership::None);
    }

    #[test]
    fn a_frontend_is_replaced_for_its_name_its_subnet_or_its_address() {
        let subnet = json!({"id": "/s/apps", "name": "apps"});
        let frontend = |name: &str, address: &str| json!({"name": name, "properties": {"privateIPAddress": address, "subnet": {"id": "/S/apps"}}});
        let plain = service("test1", &[INTERNAL], json!({}));
        assert!(!is_outdated(&frontend("atest1", "1.1.1.1"), &plain, Some(&subnet)));
        assert!(is_outdated(&frontend("atest1-apps", "1.1.1.1"), &plain, Some(&subnet)));
        let pinned = service("test1", &[INTERNAL, ("azure-load-balancer-ipv4", "1.1.1.1")], json!({}));
        assert!(!is_outdated(&frontend("atest1", "1.1.1.1"), &pinned, Some(&subnet)));
        assert!(is_outdated(&frontend("atest1", "1.1.1.2"), &pinned, Some(&subnet)));
        let moved = service("test1", &[INTERNAL, ("azure-load-balancer-internal-subnet", "db")], json!({}));
        let named =
            json!({"name": "atest1-db", "properties": {"privateIPAddress": "1.1.1.1", "subnet": {"id": "/s/apps"}}});
        assert!(is_outdated(&named, &moved, Some(&json!({"id": "/s/db"}))));
    }

    #[test]
    fn an_address_it_had_is_asked_for_again_if_the_subnet_contains_it() {
        let spec = json!({"ipFamilies": ["IPv4", "IPv6"]});
        let mut own = service("test1", &[INTERNAL], spec);
        own.ingress = vec!["1.2.3.4".to_owned(), "2001::1".to_owned()];
        let subnet = json!({"properties": {"addressPrefixes": ["1.2.3.0/24", "2001::/64"]}});
        let new = |family| NewFrontend { balancer: "", family, subnet: &subnet, previous: &[], zones: Value::Null };
        assert_eq!(address(&own, &new(Family::V4)).as_deref(), Some("1.2.3.4"));
        assert_eq!(address(&own, &new(Family::V6)).as_deref(), Some("2001::1"));
        own.ingress = vec!["9.9.9.9".to_owned()];
        assert_eq!(address(&own, &new(Family::V4)), None);
    }
}
