//! The one property of a subnet that privlink may change: its Private Link Service network policy.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;

use crate::domain::azure::ResourceId;
use crate::domain::cidr::Cidr;
use crate::domain::resource::Provisioning;
use crate::domain::resource::Seen;
use crate::value::Fields;
use crate::value::Value;

/// Says that a subnet shall take NAT addresses of Private Link Services: its policy is `Disabled`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubnetPolicy {
    /// The subnet.
    pub id: ResourceId,
}

impl SubnetPolicy {
    /// The comparable fields.
    pub fn fields(&self) -> Fields {
        let Self { id: _ } = self;
        policy_fields(false)
    }
}

/// A subnet as seen.
#[derive(Clone, Debug, PartialEq)]
pub struct LiveSubnet {
    /// The subnet.
    pub id: ResourceId,
    /// Its prefixes.
    pub prefixes: Vec<Cidr>,
    /// True if `privateLinkServiceNetworkPolicies` is anything but `Disabled`.
    pub policy_enabled: bool,
    /// Whether Azure is done with it.
    pub provisioning: Provisioning,
    /// Version and body.
    pub seen: Seen,
}

/// Why Azure gives nobody an address of a subnet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unusable {
    /// It lies in none of the prefixes.
    Outside,
    /// Azure keeps it for itself.
    Reserved,
}

/// How many addresses of a prefix Azure keeps for itself. Source: Microsoft's virtual network FAQ.
const RESERVED: usize = 5;

impl LiveSubnet {
    /// The comparable fields.
    pub fn fields(&self) -> Fields {
        policy_fields(self.policy_enabled)
    }

    /// Why nobody can have an address, with a sentence about it; `words` say what it is wanted for (`the NAT address`).
    pub fn unusable(&self, address: IpAddr, words: &str) -> Option<(Unusable, String)> {
        let name = self.id.name();
        let Some(prefix) = self.prefixes.iter().find(|prefix| prefix.contains(address)) else {
            let prefixes: Vec<String> = self.prefixes.iter().map(ToString::to_string).collect();
            let problem = format!("{words} {address} is outside the subnet {name} ({})", prefixes.join(", "));
            return Some((Unusable::Outside, problem));
        };
        let problem = || format!("Azure keeps {address} of the subnet {name} for itself");
        prefix.reserves(address).then(|| (Unusable::Reserved, problem()))
    }

    /// A sentence, if `wanted` more IPv4 addresses surely do not fit beside those of `taken`: what is not seen may take more.
    pub fn shortage(&self, taken: &BTreeSet<IpAddr>, wanted: usize) -> Option<String> {
        let v4 = self.prefixes.iter().map(|prefix| prefix.network()).filter(|network| network.addr().is_ipv4());
        let size = |network: IpNet| 2_usize.saturating_pow(32_u32.saturating_sub(u32::from(network.prefix_len())));
        let room: usize = v4.map(|network| size(network).saturating_sub(RESERVED)).sum();
        let free = room.saturating_sub(taken.iter().filter(|address| address.is_ipv4()).count());
        let problem = || format!("the subnet {} has room for {free} more, and {wanted} are asked for", self.id.name());
        (wanted > free).then(problem)
    }
}

fn policy_fields(enabled: bool) -> Fields {
    let word = if enabled { "Enabled" } else { "Disabled" };
    Fields::from([("privateLinkServiceNetworkPolicies".to_owned(), Value::text(word))])
}
