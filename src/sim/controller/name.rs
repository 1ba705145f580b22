//! The names the cloud provider gives to what it makes.

use super::service::{Family, Service};

/// Azure's limit for a load balancer's parts, less the room for `-IPv6`.
const PART_LIMIT: usize = 75;
/// Azure's limit for the name of an IP configuration.
const CONFIGURATION_LIMIT: usize = 80;

/// The base of all names of a Service: `a` and its uid without dashes, cut to 32 characters.
pub(crate) fn base(service: &Service) -> String {
    cut(&format!("a{}", service.uid.replace('-', "")), 32)
}

/// The load balancer of a Service.
pub(crate) fn load_balancer(cluster: &str, service: &Service) -> String {
    if service.is_internal() { format!("{cluster}-internal") } else { cluster.to_owned() }
}

/// The backend pool of a family.
pub(crate) fn backend_pool(cluster: &str, family: Family) -> String {
    match family {
        Family::V4 => cluster.to_owned(),
        Family::V6 => format!("{cluster}-IPv6"),
    }
}

/// The frontend of a family.
pub(crate) fn frontend(service: &Service, family: Family) -> String {
    let base = base(service);
    let name = match service.annotations.frontend_subnet() {
        Some(subnet) => shorten(&format!("{base}-{subnet}")),
        None => base,
    };
    with_family(service, family, name)
}

/// Cutting may leave a character at the end that Azure refuses there.
fn shorten(name: &str) -> String {
    if name.len() <= PART_LIMIT {
        return name.to_owned();
    }
    let mut short = cut(name, PART_LIMIT);
    if short.chars().last().is_some_and(|last| !last.is_alphabetic() && last != '_') {
        short.pop();
        short.push('_');
    }
    short
}

/// A rule, and the probe of the same name.
pub(crate) fn rule(service: &Service, family: Family, (protocol, port): (&str, u16)) -> String {
    let base = base(service);
    let end = format!("{protocol}-{port}");
    let name = match service.annotations.frontend_subnet() {
        Some(subnet) => {
            let room = PART_LIMIT.saturating_sub(base.len() + end.len() + 2);
            format!("{base}-{}-{end}", cut(subnet, room))
        }
        None => format!("{base}-{end}"),
    };
    with_family(service, family, name)
}

fn with_family(service: &Service, family: Family, name: String) -> String {
    if service.is_dual_stack() && family == Family::V6 { format!("{name}-IPv6") } else { name }
}

/// A Private Link Service without a name of its own.
pub(crate) fn link_service(frontend: &str) -> String {
    format!("pls-{frontend}")
}

/// A NAT configuration: `<subnet>-<service>` cut so that the whole fits, and what tells it apart.
pub(crate) fn nat_configuration((subnet, link_service): (&str, &str), end: &str) -> String {
    let start = format!("{subnet}-{link_service}");
    format!("{}-{end}", cut(&start, CONFIGURATION_LIMIT.saturating_sub(end.len() + 1)))
}

/// The public address of a public Service.
pub(crate) fn public_address(cluster: &str, service: &Service, family: Family) -> String {
    with_family(service, family, format!("{cluster}-{}", base(service)))
}

/// A plain byte cut, moved back to the start of a character.
fn cut(text: &str, limit: usize) -> String {
    let mut end = limit.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn service(subnet: &str, is_internal: bool, families: &[&str]) -> Service {
        Service::of(&json!({
            "metadata": {"uid": "257b9655-5137-4ad2-b091-ef3f07043ad3", "annotations": {
                "service.beta.kubernetes.io/azure-load-balancer-internal": is_internal.to_string(),
                "service.beta.kubernetes.io/azure-load-balancer-internal-subnet": subnet,
            }},
            "spec": {"ipFamilies": families},
        }))
    }

    const B: &str = "a257b965551374ad2b091ef3f07043ad";
    const LONG: &str = "averylonnnngggnnnnnnnnnnnnnnnnnnnnnngggggggggggggggggggggggggggggggggggggsubet";

    #[test]
    fn frontends_are_named_after_uid_and_subnet() {
        let name = |subnet: &str, internal: bool| frontend(&service(subnet, internal, &["IPv4"]), Family::V4);
        assert_eq!(name("", true), B);
        assert_eq!(name("shortsubnet", true), format!("{B}-shortsubnet"));
        assert_eq!(name("shortsubnet", false), B);
        assert_eq!(name(LONG, true), format!("{B}-{}", &LONG[..42]));
        let dashes = format!("a{}z", "-".repeat(50));
        assert_eq!(name(&dashes, true), format!("{B}-a{}_", "-".repeat(40)));
        let dual = service("shortsubnet", true, &["IPv4", "IPv6"]);
        assert_eq!(frontend(&dual, Family::V6), format!("{B}-shortsubnet-IPv6"));
        assert_eq!(frontend(&service("", true, &["IPv6"]), Family::V6), B);
    }

    #[test]
    fn rules_leave_room_for_their_family() {
        let name = |subnet: &str, internal: bool, family: Family| {
            rule(&service(subnet, internal, &["IPv4", "IPv6"]), family, ("TCP", 9000))
        };
        assert_eq!(name("shortsubnet", true, Family::V4), format!("{B}-shortsubnet-TCP-9000"));
        assert_eq!(name("shortsubnet", true, Family::V6), format!("{B}-shortsubnet-TCP-9000-IPv6"));
        assert_eq!(name(LONG, true, Family::V4), format!("{B}-averylonnnngggnnnnnnnnnnnnnnnnnnn-TCP-9000"));
        assert_eq!(name("shortsubnet", false, Family::V6), format!("{B}-TCP-9000-IPv6"));
    }

    #[test]
    fn nat_configurations_fit_into_eighty_characters() {
        let long = "12345678".repeat(10);
        assert_eq!(
            nat_configuration(("subnet", &long), "static-10.2.0.5"),
            "subnet-123456781234567812345678123456781234567812345678123456781-static-10.2.0.5"
        );
        assert_eq!(
            nat_configuration(("subnet", &long), "dynamic-0"),
            "subnet-123456781234567812345678123456781234567812345678123456781234567-dynamic-0"
        );
    }
}
