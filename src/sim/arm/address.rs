//! Addresses in subnets: which are taken, which are free, which may be asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde_json::Value;

use crate::domain::cidr::Cidr;
use crate::sim::arm::error::ArmError;
use crate::sim::arm::kind::Kind;
use crate::sim::arm::route::ResourcePath;
use crate::sim::arm::store::{Resource, Store};
use crate::sim::arm::view;

/// A subnet while a resource in it is being written.
pub(crate) struct Pool {
    prefixes: Vec<Cidr>,
    /// Addresses of other resources, with their owner.
    taken: BTreeMap<IpAddr, String>,
    /// Addresses that this very write has claimed.
    claimed: BTreeSet<IpAddr>,
}

/// The address prefixes of a subnet, whichever of the two properties holds them.
pub(crate) fn prefixes(subnet: &Value) -> Vec<Cidr> {
    let properties = &subnet["properties"];
    let many = properties["addressPrefixes"].as_array().into_iter().flatten();
    let one = std::iter::once(&properties["addressPrefix"]);
    let texts: BTreeSet<&str> = many.chain(one).filter_map(Value::as_str).collect();
    texts.into_iter().filter_map(|text| text.parse().ok()).collect()
}

impl Pool {
    /// The pool of an existing subnet; what the resources in `ignored` hold counts as free.
    pub(crate) fn of(store: &Store, subnet: &ResourcePath, ignored: &[ResourcePath]) -> Self {
        let prefixes = store.element(subnet).map(prefixes).unwrap_or_default();
        let ignored: BTreeSet<String> = ignored.iter().map(ResourcePath::key).collect();
        let mut taken = BTreeMap::new();
        for resource in store.all().filter(|own| !ignored.contains(&own.path.key())) {
            for address in addresses(resource) {
                if prefixes.iter().any(|prefix| prefix.contains(address)) && shares_network(store, resource, subnet) {
                    taken.insert(address, resource.path.id());
                }
            }
        }
        Self { prefixes, taken, claimed: BTreeSet::new() }
    }

    fn of_family(&self, v6: bool) -> impl Iterator<Item = &Cidr> {
        self.prefixes.iter().filter(move |prefix| prefix.network().addr().is_ipv6() == v6)
    }

    fn listed(&self) -> String {
        self.prefixes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    }

    /// Claims an address that was asked for.
    pub(crate) fn claim(&mut self, text: &str, by: &ResourcePath) -> Result<IpAddr, ArmError> {
        let Ok(address) = text.parse::<IpAddr>() else {
            let message = format!("Private static IP address {text} of {} is not an IP address.", by.id());
            return Err(ArmError::invalid("InvalidRequestFormat", message));
        };
        let Some(prefix) = self.prefixes.iter().find(|prefix| prefix.contains(address)) else {
            let message = format!(
                "Private static IP address {address} does not belong to the range of subnet prefix {}.",
                self.listed()
            );
            return Err(ArmError::invalid("PrivateIPAddressNotInSubnet", message));
        };
        if prefix.reserves(address) {
            let message = format!(
                "Private static IP address {address} falls within reserved IP range of subnet prefix {prefix}."
            );
            return Err(ArmError::invalid("PrivateIPAddressInReservedRange", message));
        }
        if let Some(owner) = self.taken.get(&address) {
            let message = format!(
                "IP configuration of {} is using the private IP address {address} which is already allocated to resource {owner}.",
                by.id()
            );
            return Err(ArmError::invalid("PrivateIPAddressIsAllocated", message));
        }
        if !self.claimed.insert(address) {
            let message =
                format!("More than one IP configuration of {} requests the private IP address {address}.", by.id());
            return Err(ArmError::invalid("MultipleIpConfigsRequestSamePrivateIpAddress", message));
        }
        Ok(address)
    }

    /// Claims the first free address of a family.
    pub(crate) fn allocate(&mut self, v6: bool, by: &ResourcePath) -> Result<IpAddr, ArmError> {
        if self.of_family(v6).next().is_none() {
            let message = format!(
                "{} asks for an {} address, but the subnet has only the prefixes {}.",
                by.id(),
                if v6 { "IPv6" } else { "IPv4" },
                self.listed()
            );
            return Err(ArmError::invalid("NetcfgInvalidSubnet", message));
        }
        let free = self.of_family(v6).find_map(|prefix| self.first_free(prefix));
        let Some(address) = free else {
            let message = format!(
                "Subnet with address prefix {} does not have enough capacity for 1 IP addresses.",
                self.listed()
            );
            return Err(ArmError::invalid("SubnetIsFull", message));
        };
        self.claimed.insert(address);
        Ok(address)
    }

    /// Keeps an address that was allocated before, unless somebody else has it by now.
    pub(crate) fn keep(&mut self, text: &str) -> Option<IpAddr> {
        let address: IpAddr = text.parse().ok()?;
        let fits = self.prefixes.iter().any(|prefix| prefix.contains(address));
        (fits && !self.taken.contains_key(&address) && self.claimed.insert(address)).then_some(address)
    }

    fn first_free(&self, prefix: &Cidr) -> Option<IpAddr> {
        // The first four addresses are Azure's; far more than any test allocates is never searched.
        (4..70_000).map_while(|offset| nth(prefix, offset)).find(|address| {
            !prefix.reserves(*address) && !self.taken.contains_key(address) && !self.claimed.contains(address)
        })
    }

    /// True if nobody has the address and Azure does not keep it for itself.
    pub(crate) fn is_free(&self, address: IpAddr) -> bool {
        let is_usable = self.prefixes.iter().any(|prefix| prefix.contains(address) && !prefix.reserves(address));
        is_usable && !self.taken.contains_key(&address)
    }

    /// True if Azure keeps the address for itself.
    pub(crate) fn is_reserved(&self, address: IpAddr) -> bool {
        self.prefixes.iter().any(|prefix| prefix.reserves(address))
    }

    /// The first free IPv4 addresses, at most `count`.
    pub(crate) fn suggestions(&self, count: usize) -> Vec<IpAddr> {
        let candidates = self.of_family(false).flat_map(|prefix| (4..70_000).map_while(|offset| nth(prefix, offset)));
        candidates.filter(|address| self.is_free(*address)).take(count).collect()
    }
}

/// The address at an offset from the network address, if it is inside.
fn nth(prefix: &Cidr, offset: u32) -> Option<IpAddr> {
    let address = match prefix.network().addr() {
        IpAddr::V4(base) => IpAddr::V4(Ipv4Addr::from(u32::from(base).checked_add(offset)?)),
        IpAddr::V6(base) => IpAddr::V6(Ipv6Addr::from(u128::from(base).checked_add(u128::from(offset))?)),
    };
    prefix.contains(address).then_some(address)
}

/// The addresses that a resource holds.
fn addresses(resource: &Resource) -> Vec<IpAddr> {
    configurations(resource)
        .into_iter()
        .filter_map(|configuration| configuration["properties"]["privateIPAddress"].as_str()?.parse().ok())
        .collect()
}

fn configurations(resource: &Resource) -> Vec<&Value> {
    match resource.path.kind {
        Kind::LoadBalancer => resource.list("frontendIPConfigurations").iter().collect(),
        Kind::NetworkInterface => resource.list("ipConfigurations").iter().collect(),
        Kind::ScaleSetVm => view::machine_configurations(resource).into_iter().map(|(_, own)| own).collect(),
        _ => Vec::new(),
    }
}

/// Addresses of different virtual networks do not meet, even when they are equal.
fn shares_network(store: &Store, resource: &Resource, subnet: &ResourcePath) -> bool {
    let network = Store::holder_path(subnet).key();
    configurations(resource).into_iter().any(|configuration| {
        let own = configuration["properties"]["subnet"]["id"].as_str().unwrap_or_default();
        let path = ResourcePath::parse(own).map(|path| store.canonical(&path));
        path.is_some_and(|path| Store::holder_path(&path).key() == network)
    })
}
