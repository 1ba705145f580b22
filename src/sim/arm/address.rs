//! Addresses in subnets: which are taken, which are free, which may be asked for.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde_json::Value;

use crate::domain::cidr::Cidr;
use crate::sim::arm::error::ArmError;
use crate::sim::arm::index::Taken;
use crate::sim::arm::route::ResourcePath;
use crate::sim::arm::store::Store;

/// A subnet while a resource in it is being written.
pub(crate) struct Pool {
    prefixes: Vec<Cidr>,
    /// Addresses of resources, with the key of their owner.
    taken: Taken,
    /// The keys of resources whose addresses count as free.
    ignored: BTreeSet<String>,
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
        let ignored = ignored.iter().map(ResourcePath::key).collect();
        Self { prefixes, taken: store.taken(subnet), ignored, claimed: BTreeSet::new() }
    }

    /// The key of whoever has an address.
    fn owner(&self, address: IpAddr) -> Option<&str> {
        let mut owners = self.taken.range((address, String::new())..).take_while(|(own, _)| *own == address);
        owners.find(|(_, owner)| !self.ignored.contains(owner)).map(|(_, owner)| owner.as_str())
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
        if let Some(owner) = self.owner(address) {
            let message = format!(
                "IP configuration of {} is using the private IP address {address} which is already allocated to resource {owner}.",
                by.id()
            );
            return Err(ArmError::invalid("PrivateIPAddressIsAllocated", message));
        }
        if !self.claimed.insert(address) {
            return Err(self.twice(text, by));
        }
        Ok(address)
    }

    /// The refusal of an address that two parts of one resource ask for.
    pub(crate) fn twice(&self, address: &str, by: &ResourcePath) -> ArmError {
        let message =
            format!("More than one IP configuration of {} requests the private IP address {address}.", by.id());
        ArmError::invalid("MultipleIpConfigsRequestSamePrivateIpAddress", message)
    }

    /// True if a part of the same resource asked for the address.
    pub(crate) fn is_claimed(&self, address: IpAddr) -> bool {
        self.claimed.contains(&address)
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
        (fits && self.owner(address).is_none() && self.claimed.insert(address)).then_some(address)
    }

    /// The first address that nobody has: taken ones are skipped in their order, so a full subnet costs one walk.
    fn first_free(&self, prefix: &Cidr) -> Option<IpAddr> {
        // The first four addresses are Azure's.
        let mut candidate = nth(prefix, 4)?;
        let mut taken = self.taken.range((candidate, String::new())..).peekable();
        loop {
            while taken.next_if(|(address, owner)| *address < candidate || self.ignored.contains(owner)).is_some() {}
            let is_taken = taken.peek().is_some_and(|(address, _)| *address == candidate);
            if !is_taken && !self.claimed.contains(&candidate) {
                return (!prefix.reserves(candidate)).then_some(candidate);
            }
            candidate = next(prefix, candidate)?;
        }
    }

    /// True if nobody has the address and Azure does not keep it for itself.
    pub(crate) fn is_free(&self, address: IpAddr) -> bool {
        let is_usable = self.prefixes.iter().any(|prefix| prefix.contains(address) && !prefix.reserves(address));
        is_usable && self.owner(address).is_none()
    }

    /// True if Azure keeps the address for itself.
    pub(crate) fn is_reserved(&self, address: IpAddr) -> bool {
        self.prefixes.iter().any(|prefix| prefix.reserves(address))
    }

    /// The first free IPv4 addresses, at most `count`.
    pub(crate) fn suggestions(&self, count: usize) -> Vec<IpAddr> {
        let every = |prefix| std::iter::successors(nth(prefix, 4), move |address| next(prefix, *address));
        let candidates = self.of_family(false).flat_map(every);
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

/// The address after another one, if it is inside.
fn next(prefix: &Cidr, address: IpAddr) -> Option<IpAddr> {
    let next = match address {
        IpAddr::V4(own) => IpAddr::V4(Ipv4Addr::from(u32::from(own).checked_add(1)?)),
        IpAddr::V6(own) => IpAddr::V6(Ipv6Addr::from(u128::from(own).checked_add(1)?)),
    };
    prefix.contains(next).then_some(next)
}
