//! What two open pull requests both want: told to both before either is merged, because whoever comes second would fail.
//!
//! A plan claims addresses, ports, names, records and room in subnets. What stands alike in both plans is no overlap: it comes from
//! the base, which is not applied yet.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;

use crate::domain::azure::ResourceId;
use crate::domain::key::ResourceKey;
use crate::domain::resource::Resource;
use crate::domain::resource::private_link_service::Nat;
use crate::domain::resource::service::Service;
use crate::plan::Plan;
use crate::plan::Step;
use crate::plan::action::Action;
use crate::plan::change::Change;
use crate::plan::document::change_digest;

/// Something that only one can have, or that both change.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Shared {
    /// An address, in a subnet where that is known.
    Address(IpAddr, Option<ResourceId>),
    /// A port of a frontend.
    Port(IpAddr, String, u64),
    /// The name of a Private Link Service of the cluster.
    Name(String),
    /// Both change the same resource, and not alike.
    Resource(ResourceKey),
    /// Each fits into a subnet, and both together do not; why, as a sentence.
    Room(ResourceId, String),
}

impl fmt::Display for Shared {
    /// As it stands after "also wants".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address, Some(subnet)) => write!(f, "{address} of the subnet {}", subnet.name()),
            Self::Address(address, None) => write!(f, "{address}"),
            Self::Port(address, protocol, port) => write!(f, "port {port} ({protocol}) of {address}"),
            Self::Name(name) => write!(f, "the name {name} for a Private Link Service"),
            Self::Resource(key) => write!(f, "{key}, and not as it is here"),
            Self::Room(subnet, why) => {
                write!(f, "addresses of the subnet {}, which has no room for both: {why}", subnet.name())
            }
        }
    }
}

/// What somebody says of a pull request that wants the same; `other` is what people call it.
pub fn sentence(other: &str, shared: &Shared) -> String {
    format!("{other} also wants {shared}")
}

/// What one plan wants for itself.
#[derive(Default)]
struct Claims {
    addresses: BTreeMap<IpAddr, BTreeSet<Option<ResourceId>>>,
    ports: BTreeSet<(IpAddr, String, u64)>,
    names: BTreeSet<String>,
    room: BTreeMap<ResourceId, usize>,
}

/// Everything that both plans want; the same whichever comes first.
///
/// `shortage` says why so many more addresses of a subnet do not fit; `None` if they may.
pub fn shared(one: &Plan, other: &Plan, shortage: impl Fn(&ResourceId, usize) -> Option<String>) -> BTreeSet<Shared> {
    let alike: BTreeSet<_> = digests(one).intersection(&digests(other)).cloned().collect();
    let own = |plan: &'_ Plan| -> Vec<Step> {
        plan.steps.iter().filter(|step| !alike.contains(&change_digest(&step.change))).cloned().collect()
    };
    let (ours, theirs) = (own(one), own(other));
    let (a, b) = (claims(&ours), claims(&theirs));
    let mut all = BTreeSet::new();
    for (address, subnets) in &a.addresses {
        let Some(others) = b.addresses.get(address) else { continue };
        // Two networks may have the same addresses; where one side is not known, the reader has to look.
        let known = subnets.intersection(others).flatten().next();
        let is_unknown = subnets.contains(&None) || others.contains(&None);
        if known.is_some() || is_unknown {
            let subnet = known.or_else(|| subnets.iter().chain(others).flatten().next());
            all.insert(Shared::Address(*address, subnet.cloned()));
        }
    }
    let ports = a.ports.intersection(&b.ports);
    all.extend(ports.map(|(address, protocol, port)| Shared::Port(*address, protocol.clone(), *port)));
    all.extend(a.names.intersection(&b.names).cloned().map(Shared::Name));
    let keys = |steps: &[Step]| -> BTreeSet<ResourceKey> { steps.iter().map(|step| step.change.key.clone()).collect() };
    all.extend(keys(&ours).intersection(&keys(&theirs)).cloned().map(Shared::Resource));
    for (subnet, wanted) in &a.room {
        let Some(more) = b.room.get(subnet) else { continue };
        let fits_alone = shortage(subnet, *wanted).is_none() && shortage(subnet, *more).is_none();
        let why = shortage(subnet, wanted + more).filter(|_| fits_alone);
        all.extend(why.map(|why| Shared::Room(subnet.clone(), why)));
    }
    all
}

/// What is worse about both together than about each, as sentences.
pub fn together(one: &Plan, other: &Plan, both: &Plan) -> Vec<String> {
    let unmet = |plan: &Plan| -> BTreeSet<ResourceKey> { plan.unmet().map(|left| left.key.clone()).collect() };
    let known: BTreeSet<ResourceKey> = unmet(one).union(&unmet(other)).cloned().collect();
    let mut worse: Vec<String> = unmet(both)
        .difference(&known)
        .map(|key| format!("with both merged {key} is bound to fail, and with either alone it is not"))
        .collect();
    let blocked = |plan: &Plan| -> BTreeSet<String> { plan.blockers.iter().map(|it| it.problem.clone()).collect() };
    let known: BTreeSet<String> = blocked(one).union(&blocked(other)).cloned().collect();
    worse.extend(
        blocked(both).difference(&known).map(|problem| format!("with both merged nothing can be applied: {problem}")),
    );
    if both.risk() > one.risk().max(other.risk()) {
        worse.push(format!("with both merged the plan is {}, and with either alone it is not", both.risk()));
    }
    worse
}

fn digests(plan: &Plan) -> BTreeSet<crate::plan::document::ChangeDigest> {
    plan.steps.iter().map(|step| change_digest(&step.change)).collect()
}

fn claims(steps: &[Step]) -> Claims {
    let mut claims = Claims::default();
    for Step { change, after: _ } in steps {
        if change.action == Action::Delete {
            continue;
        }
        match &change.resource {
            Some(Resource::Service(service)) => claims.of_service(service, change),
            Some(Resource::Publication(publication)) => {
                if is_about(change, "name") {
                    claims.names.extend(publication.name.as_ref().map(ToString::to_string));
                }
                claims.of_nat(&publication.exposure.nat, change);
            }
            Some(Resource::PrivateLinkService(service)) => claims.of_nat(&service.exposure.nat, change),
            Some(Resource::PrivateEndpoint(endpoint)) if change.action == Action::Create => {
                let address = endpoint.address;
                if let Some(address) = address {
                    claims.addresses.entry(address).or_default().insert(Some(endpoint.subnet.clone()));
                }
                *claims.room.entry(endpoint.subnet.clone()).or_default() += 1;
            }
            _ => {}
        }
    }
    claims
}

/// True if it is new, or this of it is.
fn is_about(change: &Change, field: &str) -> bool {
    change.action != Action::Update || change.fields.iter().any(|it| it.name.starts_with(field))
}

impl Claims {
    fn of_service(&mut self, service: &Service, change: &Change) {
        let addresses = service.pinned_addresses();
        let is_moved = is_about(change, "metadata.annotations[service.beta.kubernetes.io/azure-load-balancer-ip");
        for address in &addresses {
            if is_moved {
                self.addresses.entry(*address).or_default().insert(None);
            }
            if is_moved || is_about(change, "spec.ports") {
                let ports = service.manifest["spec"]["ports"].as_array().into_iter().flatten();
                let port = |port: &serde_json::Value| {
                    let protocol = port["protocol"].as_str().unwrap_or("TCP").to_owned();
                    Some((*address, protocol, port["port"].as_u64()?))
                };
                self.ports.extend(ports.filter_map(port));
            }
        }
    }

    fn of_nat(&mut self, nat: &Nat, change: &Change) {
        if !is_about(change, "nat") {
            return;
        }
        for address in &nat.addresses {
            self.addresses.entry(*address).or_default().insert(nat.subnet.clone());
        }
        if let Some(subnet) = nat.subnet.as_ref().filter(|_| change.action == Action::Create) {
            *self.room.entry(subnet.clone()).or_default() += usize::from(nat.count);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::plan::fixture::World;

    const IPV4: &str = "service.beta.kubernetes.io/azure-load-balancer-ipv4";

    fn at(address: &str, port: u64) -> Plan {
        let mut world = World::converged();
        world.manifest()["metadata"]["annotations"][IPV4] = json!(address);
        world.manifest()["spec"]["ports"][0]["port"] = json!(port);
        world.plan()
    }

    fn endpoint(address: Option<&str>, name: &str) -> Plan {
        let mut world = World::empty();
        world.endpoint().address = address.map(|address| address.parse().unwrap());
        world.endpoint().connection_name = name.parse().unwrap();
        world.plan()
    }

    fn told(one: &Plan, other: &Plan, room: usize) -> Vec<String> {
        let shortage = |_: &ResourceId, wanted: usize| (wanted > room).then(|| format!("room for {room}"));
        let shared = super::shared(one, other, shortage);
        assert_eq!(shared, super::shared(other, one, shortage), "it matters who comes first");
        shared.iter().map(|it| sentence("#12", it)).collect()
    }

    #[test]
    fn two_that_want_the_same_address_and_port_name_each_other() {
        let told = told(&at("10.224.10.40", 443), &at("10.224.10.40", 443), 9);
        assert_eq!(told, [""; 0], "what stands alike in both comes from the base");
        let told = super::tests::told(&at("10.224.10.40", 443), &at("10.224.10.40", 8443), 9);
        assert_eq!(told[0], "#12 also wants 10.224.10.40");
        assert!(told.contains(&"#12 also wants service/shop/orders, and not as it is here".to_owned()), "{told:?}");
    }

    #[test]
    fn the_same_port_of_one_frontend_is_told() {
        let mut other = World::converged();
        other.manifest()["metadata"]["annotations"][IPV4] = json!("10.224.10.40");
        other.manifest()["metadata"]["annotations"]["service.beta.kubernetes.io/azure-pls-proxy-protocol"] =
            json!("true");
        let told = told(&at("10.224.10.40", 443), &other.plan(), 9);
        assert!(told.contains(&"#12 also wants port 443 (TCP) of 10.224.10.40".to_owned()), "{told:?}");
    }

    #[test]
    fn an_address_of_an_endpoint_is_told_with_its_subnet_and_room_only_where_both_do_not_fit() {
        let (one, other) = (endpoint(Some("10.50.1.9"), "one"), endpoint(Some("10.50.1.9"), "other"));
        let told_of = told(&one, &other, 9);
        assert!(told_of.contains(&"#12 also wants 10.50.1.9 of the subnet pe-subnet".to_owned()), "{told_of:?}");
        assert!(!told_of.iter().any(|line| line.contains("room for both")), "{told_of:?}");
        let told_of = told(&one, &other, 1);
        assert!(told_of.iter().any(|line| line.contains("pe-subnet, which has no room for both: room for 1")));
        assert!(!told(&one, &other, 0).iter().any(|line| line.contains("room for both")), "neither fits alone");
    }

    #[test]
    fn what_only_both_together_bring_about_is_told() {
        let (calm, severing) = (World::converged().plan(), at("10.224.10.40", 443));
        assert_eq!(
            together(&calm, &calm, &severing),
            ["with both merged the plan is severing, and with either alone it is not"]
        );
        let doomed = at("10.99.0.1", 443);
        let told = together(&calm, &calm, &doomed);
        assert!(told[0].contains("is bound to fail, and with either alone it is not"), "{told:?}");
        assert!(together(&calm, &severing, &severing).is_empty());
    }

    proptest::proptest! {
        #[test]
        fn nobody_is_named_for_what_only_one_wants(a in 40_u8..60, b in 60_u8..80, port in 1_u64..1000) {
            let (one, other) = (at(&format!("10.224.10.{a}"), port), World::converged().plan());
            proptest::prop_assert!(told(&one, &other, 9).is_empty());
            let other = at(&format!("10.224.10.{b}"), port);
            let told = told(&one, &other, 9);
            proptest::prop_assert!(told.iter().all(|line| !line.contains("10.224.10.")), "{:?}", told);
        }
    }
}
