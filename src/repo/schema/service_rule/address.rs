//! What the API server checks about the addresses of a Service and their families.

use std::net::IpAddr;

use super::Report;
use crate::domain::annotation;
use crate::repo::schema::service::IpFamily;
use crate::repo::schema::service::IpFamilyPolicy;
use crate::repo::schema::service::Service;
use crate::repo::schema::service::ServiceSpec;
use crate::repo::schema::service::ServiceType;

const RANGE: &str = "write it as address/prefix, for example 10.0.0.0/16";

impl Report<'_> {
    pub(super) fn addresses(&mut self, service: &Service) {
        let spec = &service.spec;
        self.source_ranges(service);
        self.external_addresses(spec);
        // An ExternalName has neither, which is said where its type is looked at.
        if spec.service_type != Some(ServiceType::ExternalName) {
            self.cluster_addresses(spec);
            self.families(spec);
        }
    }

    // The annotation is the older form of the field, and is only looked at without it.
    fn source_ranges(&mut self, service: &Service) {
        let is_range = |text: &str| text.trim().parse::<ipnet::IpNet>().is_ok();
        let field = service.spec.load_balancer_source_ranges.as_deref().unwrap_or_default();
        for (index, range) in field.iter().enumerate().filter(|(_, range)| !is_range(range)) {
            let place = self.at("spec.loadBalancerSourceRanges").child(index);
            self.say(place, format!("{range:?} is not an address range"), RANGE);
        }
        let annotations = service.metadata.annotations.as_ref().filter(|_| field.is_empty());
        let Some(text) = annotations.and_then(|all| all.get(annotation::SOURCE_RANGES)) else { return };
        let place = self.at("metadata.annotations").child(annotation::SOURCE_RANGES);
        if service.spec.service_type != Some(ServiceType::LoadBalancer) {
            let message = "this annotation needs `type: LoadBalancer`";
            self.say(place.on_key(), message, "");
        } else if !text.trim().is_empty() {
            let items = annotation::items(text);
            for item in items.filter(|item| !is_range(item.text)) {
                let place = if item.text.is_empty() { place.clone() } else { place.clone().part(item.range.clone()) };
                self.say(place, format!("{:?} is not an address range", item.text), RANGE);
            }
        }
    }

    fn external_addresses(&mut self, spec: &ServiceSpec) {
        for (index, text) in spec.external_ips.iter().flatten().enumerate() {
            let place = self.at("spec.externalIPs").child(index);
            match text.parse() {
                Err(_) => self.say(place, format!("{text:?} is not an IP address"), ""),
                Ok(address) if is_special(address) => {
                    self.say(place, format!("{text} reaches no node"), "write an address that is routed to the nodes");
                }
                Ok(_) => {}
            }
        }
    }

    fn cluster_addresses(&mut self, spec: &ServiceSpec) {
        let first = spec.cluster_ip.as_deref().unwrap_or_default();
        let all = spec.cluster_ips.as_deref().unwrap_or_default();
        let is_address = |text: &str| text == NONE || text.parse::<IpAddr>().is_ok();
        if !first.is_empty() && !is_address(first) {
            self.say(self.at("spec.clusterIP"), format!("{first:?} is not an IP address"), "");
        }
        let wrong = all.iter().enumerate().filter(|(_, text)| !is_address(text));
        for (index, text) in wrong {
            self.say(self.at("spec.clusterIPs").child(index), format!("{text:?} is not an IP address"), "");
        }
        if all.first().is_some_and(|text| text != first) {
            let message = "`clusterIPs` does not begin with `clusterIP`";
            self.say(self.at("spec.clusterIPs"), message, "write the same address in both, or `clusterIP` alone");
        }
        let families: Vec<Option<bool>> = all.iter().map(|text| Some(text.parse::<IpAddr>().ok()?.is_ipv4())).collect();
        let is_pair =
            |first: &Option<bool>, second: &Option<bool>| first.is_some() && second.is_some() && first != second;
        match families.as_slice() {
            [] | [_] => {}
            [first, second] if is_pair(first, second) => {}
            _ => self.say(self.at("spec.clusterIPs"), "`clusterIPs` has one address, or one of each family", ""),
        }
        let listed = all.iter().enumerate().zip(spec.ip_families.iter().flatten());
        for ((index, text), family) in listed {
            let Ok(address) = text.parse::<IpAddr>() else { continue };
            if address.is_ipv4() != (*family == IpFamily::IPv4) {
                let message = format!("{text} is not of the family that `ipFamilies` names for it");
                self.say(self.at("spec.clusterIPs").child(index), message, "");
            }
        }
    }

    fn families(&mut self, spec: &ServiceSpec) {
        let families = spec.ip_families.as_deref().unwrap_or_default();
        if families.len() > 2 || matches!(families, [first, second] if first == second) {
            let message = "`ipFamilies` names a family twice";
            self.say(self.at("spec.ipFamilies"), message, "name each family once");
        }
        if families.len() == 2 && spec.ip_family_policy == Some(IpFamilyPolicy::SingleStack) {
            let message = "`ipFamilyPolicy: SingleStack` takes one family";
            let help = "name one family, or write PreferDualStack or RequireDualStack";
            self.say(self.at("spec.ipFamilyPolicy"), message, help);
        }
    }
}

const NONE: &str = "None";

// ValidateNonSpecialIP of the API server.
fn is_special(address: IpAddr) -> bool {
    let link_local = match address {
        IpAddr::V4(address) => address.is_link_local() || address.octets()[..3] == [224, 0, 0],
        IpAddr::V6(address) => address.is_unicast_link_local() || address.segments()[0] & 0xff0f == 0xff02,
    };
    address.is_unspecified() || address.is_loopback() || link_local
}
