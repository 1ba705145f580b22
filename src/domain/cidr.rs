//! Address ranges.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use serde::{Deserialize, Deserializer, Serialize};

/// A network in canonical form, such as `10.224.0.0/16`. Host bits are refused rather than cut off.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Cidr(IpNet);

/// Text that is not a canonical network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CidrError {
    /// Not `address/prefix`.
    #[error("{0:?} is not an address range: write it as address/prefix, for example 10.0.0.0/16")]
    Syntax(String),
    /// Bits are set below the prefix.
    #[error("{given:?} has bits set below its prefix: the network is {network}")]
    HostBits {
        /// What was written.
        given: String,
        /// The network that contains it.
        network: IpNet,
    },
}

impl Cidr {
    /// True if the address lies in this network; an address of the other family never does.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address)
    }

    /// True if the two networks share an address.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.0.contains(&other.0.network()) || other.0.contains(&self.0.network())
    }

    /// The wrapped network.
    pub fn network(&self) -> IpNet {
        self.0
    }

    /// True if Azure keeps the address for itself: the first four and the last of a subnet.
    ///
    /// Source: Microsoft's virtual network FAQ ("five reserved addresses per subnet").
    pub fn reserves(&self, address: IpAddr) -> bool {
        let offset = |base: IpAddr| match (address, base) {
            (IpAddr::V4(a), IpAddr::V4(b)) => Some(u128::from(u32::from(a).wrapping_sub(u32::from(b)))),
            (IpAddr::V6(a), IpAddr::V6(b)) => Some(u128::from(a).wrapping_sub(u128::from(b))),
            _ => None,
        };
        self.contains(address) && (offset(self.0.network()).is_some_and(|n| n < 4) || address == self.0.broadcast())
    }
}

impl FromStr for Cidr {
    type Err = CidrError;
    fn from_str(text: &str) -> Result<Self, CidrError> {
        let net: IpNet = text.parse().map_err(|_| CidrError::Syntax(text.to_owned()))?;
        if net.trunc() == net {
            Ok(Self(net))
        } else {
            Err(CidrError::HostBits { given: text.to_owned(), network: net.trunc() })
        }
    }
}

impl<'de> Deserialize<'de> for Cidr {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Debug for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}
