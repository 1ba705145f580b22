//! The names that the cloud provider gives: by them it knows again what it made.
//!
//! Source: cloud-provider-azure at 7b31c76ce, names of frontends, rules and Private Link Services.

use crate::domain::kubernetes::ObjectKey;
use crate::domain::kubernetes::Uid;

/// What AKS calls every cluster, in tags and in the names of load balancers.
pub(super) const CLUSTER: &str = "kubernetes";
/// The load balancer of all internal Services.
pub(super) const INTERNAL: &str = "kubernetes-internal";

/// Load balancer parts have 80 characters at most, and `-IPv6` may follow.
const ROOM: usize = 75;
/// How the names of a Service begin that is not there yet. No uid has such a letter.
const NEW: &str = "a0new.";
/// The base loses the last digit of the uid.
const BASE: usize = 32;

/// What every name of a Service begins with. A Service that is not there yet has no uid: nothing has its name.
pub(super) fn base(key: &ObjectKey, uid: Option<&Uid>) -> String {
    match uid {
        Some(uid) => format!("a{}", uid.as_str().replace('-', "")).chars().take(BASE).collect(),
        None => format!("{NEW}{}.{}.", key.namespace, key.name),
    }
}

/// The Service, as `namespace/name`, whose parts a name belongs to, if it is one that is not there yet.
pub(super) fn not_there_yet(name: &str) -> Option<String> {
    let (namespace, rest) = name.strip_prefix(NEW)?.split_once('.')?;
    let (service, _) = rest.split_once('.')?;
    Some(format!("{namespace}/{service}"))
}

/// The frontend of a Service; `subnet` is its annotation.
pub(super) fn frontend(base: &str, subnet: Option<&str>) -> String {
    let Some(subnet) = subnet else { return base.to_owned() };
    let name = format!("{base}-{subnet}");
    if name.chars().count() <= ROOM {
        return name;
    }
    let mut name: String = name.chars().take(ROOM).collect();
    if !name.ends_with(|last: char| last.is_alphabetic() || last == '_') {
        name.pop();
        name.push('_');
    }
    name
}

/// What the names of the IPv6 half of a dual-stack Service end with.
pub(super) const V6: &str = "-IPv6";

/// The name of a part of a Service, of its IPv6 half if that is one.
pub(super) fn of_half(name: String, is_v6_half: bool) -> String {
    if is_v6_half { name + V6 } else { name }
}

/// True for the name of a part of the IPv6 half of a dual-stack Service; Azure keeps case, and does not look at it.
pub(super) fn is_of_v6_half(name: &str) -> bool {
    name.to_ascii_lowercase().ends_with(&V6.to_ascii_lowercase())
}

/// A load-balancing rule.
pub(super) fn rule(base: &str, subnet: Option<&str>, port: &str) -> String {
    let Some(subnet) = subnet else { return format!("{base}-{port}") };
    let room = ROOM.saturating_sub(base.len() + port.len() + 2);
    let subnet: String = subnet.chars().take(room).collect();
    format!("{base}-{subnet}-{port}")
}

/// A Private Link Service whose Service names none.
pub(super) fn link(frontend: &str) -> String {
    format!("pls-{frontend}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_cut_so_that_azure_takes_them() {
        let key: ObjectKey = "shop/orders".parse().unwrap();
        let uid: Uid = "0b8a7c6d-1111-4222-8333-444455556666".parse().unwrap();
        let base = base(&key, Some(&uid));
        assert_eq!(base, "a0b8a7c6d11114222833344445555666");
        assert_eq!(frontend(&base, Some("apps")), format!("{base}-apps"));
        let long = "s".repeat(41) + "--";
        assert_eq!(frontend(&base, Some(&long)), format!("{base}-{}_", "s".repeat(41)));
        assert_eq!(rule(&base, Some(&long), "TCP-443").chars().count(), ROOM);
        assert_eq!(link(&base), format!("pls-{base}"));
    }
}
