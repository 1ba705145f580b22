//! What addresses can be: private, public, or of no virtual network at all.

use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;

/// True for what Azure keeps out of every virtual network, or for itself in whichever subnet it lies.
///
/// Sources: "What address ranges can I use in my virtual networks?" and "Are there any restrictions on using IP addresses
/// within these subnets?" of Azure's virtual network FAQ. A subnet that holds the first address of a private range begins
/// with it, and its first four addresses and its last one are Azure's.
pub(super) fn is_impossible(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_impossible_v4(address),
        IpAddr::V6(address) => {
            address.is_multicast()
                || address.is_loopback()
                || address.is_unspecified()
                || address.is_unicast_link_local()
        }
    }
}

fn is_impossible_v4(address: Ipv4Addr) -> bool {
    let platform = Ipv4Addr::new(168, 63, 129, 16);
    let is_edge = |first: [u8; 4], last: [u8; 4]| {
        let (first, last) = (u32::from(Ipv4Addr::from(first)), Ipv4Addr::from(last));
        (first..first + 4).contains(&u32::from(address)) || address == last
    };
    address.is_multicast()
        || address.is_broadcast()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_unspecified()
        || address == platform
        || is_edge([10, 0, 0, 0], [10, 255, 255, 255])
        || is_edge([172, 16, 0, 0], [172, 31, 255, 255])
        || is_edge([192, 168, 0, 0], [192, 168, 255, 255])
}

/// True for addresses that do not belong to the public internet. Source: the IANA special-purpose registries.
pub(super) fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_private_v4(address),
        IpAddr::V6(address) => is_private_v6(address),
    }
}

fn is_private_v4(address: Ipv4Addr) -> bool {
    let [first, second, ..] = address.octets();
    let shared = first == 100 && (64..128).contains(&second);
    let benchmark = first == 198 && (second == 18 || second == 19);
    address.is_private() || address.is_loopback() || address.is_link_local() || shared || benchmark
}

fn is_private_v6(address: Ipv6Addr) -> bool {
    address.is_unique_local() || address.is_unicast_link_local() || address.is_loopback()
}
