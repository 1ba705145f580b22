//! The NAT addresses of a Private Link Service: `ipConfigurations`.
//!
//! Azure lets a configuration be added but hardly removed, and its name and the primary one never change. So a write keeps
//! every configuration it can and gives new ones names of their own.

use std::collections::BTreeSet;
use std::net::IpAddr;

use serde_json::Value as Json;
use serde_json::json;

use crate::azure::codec::Incomplete;
use crate::azure::codec::Malformed;
use crate::azure::codec::items;
use crate::azure::codec::parsed;
use crate::azure::codec::required;
use crate::azure::codec::text;
use crate::domain::resource::private_link_service::Nat;

const LIST: &str = "/properties/ipConfigurations";

/// Reads the NAT side: how many addresses, and the static ones with the primary first.
pub(crate) fn decode(body: &Json) -> Result<Nat, Malformed> {
    let configurations = items(body, LIST)?;
    let (primary, others): (Vec<_>, Vec<_>) = configurations.iter().partition(|item| is_primary(item));
    let ordered = || primary.iter().chain(&others);
    let mut addresses = Vec::new();
    for item in ordered() {
        addresses.extend(static_address(item)?);
    }
    let subnet = ordered().next().map(|item| required(item, "/properties/subnet/id")).transpose()?;
    let count =
        u8::try_from(configurations.len()).map_err(|_| Malformed("it has more than 255 NAT addresses".into()))?;
    Ok(Nat { subnet, count, addresses })
}

fn is_primary(item: &Json) -> bool {
    item.pointer("/properties/primary").and_then(Json::as_bool).unwrap_or_default()
}

fn static_address(item: &Json) -> Result<Option<IpAddr>, Malformed> {
    let is_static =
        text(item, "/properties/privateIPAllocationMethod").is_some_and(|method| method.eq_ignore_ascii_case("Static"));
    if is_static { parsed(item, "/properties/privateIPAddress") } else { Ok(None) }
}

/// Writes `ipConfigurations`, starting from those in `body`, the body as it was seen.
pub(crate) fn encode(nat: &Nat, body: &Json) -> Result<Vec<Json>, Incomplete> {
    let existing = items(body, LIST).unwrap_or_default();
    let before = decode(body).ok();
    let is_same = |before: &Nat| {
        before.count == nat.count
            && before.addresses == nat.addresses
            && (nat.subnet.is_none() || nat.subnet == before.subnet)
    };
    if before.as_ref().is_some_and(is_same) {
        return Ok(existing.iter().map(without_computed).collect());
    }
    let live_subnet = before.and_then(|nat| nat.subnet);
    let moved = nat.subnet.is_some() && nat.subnet != live_subnet;
    let Some(subnet) = nat.subnet.as_ref().or(live_subnet.as_ref()) else {
        return Err(Incomplete("it names no subnet for its NAT addresses".to_owned()));
    };
    let mut list: Vec<Json> = assign(nat, existing).into_iter().collect();
    for item in &mut list {
        if moved || text(item, "/properties/subnet/id").is_none() {
            item["properties"]["subnet"] = json!({ "id": subnet });
        }
    }
    name_new(&mut list);
    mark_primary(nat, &mut list);
    Ok(list)
}

/// Gives each wanted address a configuration: the one that has it, else one that is free, else a new one.
fn assign(nat: &Nat, existing: &[Json]) -> Vec<Json> {
    let count = usize::from(nat.count).max(nat.addresses.len());
    let has = |item: &Json| static_address(item).ok().flatten().filter(|address| nat.addresses.contains(address));
    let mut missing: Vec<IpAddr> = nat.addresses.clone();
    for item in existing {
        missing.retain(|address| Some(*address) != has(item));
    }
    let mut dynamic = count - nat.addresses.len();
    let mut missing = missing.into_iter();
    let mut list = Vec::new();
    // The primary one is served first: it is the one that must not go away.
    let (primary, others): (Vec<_>, Vec<_>) = existing.iter().partition(|item| is_primary(item));
    for item in primary.into_iter().chain(others) {
        let mut item = without_computed(item);
        if has(&item).is_some() {
            list.push(item);
        } else if is_dynamic(&item) && dynamic > 0 {
            dynamic -= 1;
            list.push(item);
        } else if let Some(address) = missing.next() {
            set_static(&mut item, address);
            list.push(item);
        } else if dynamic > 0 {
            dynamic -= 1;
            set_dynamic(&mut item);
            list.push(item);
        }
    }
    for address in missing {
        let mut item = json!({"properties": {}});
        set_static(&mut item, address);
        list.push(item);
    }
    for _ in 0..dynamic {
        let mut item = json!({"properties": {}});
        set_dynamic(&mut item);
        list.push(item);
    }
    list
}

/// A configuration without what Azure computes, always an object with properties.
fn without_computed(item: &Json) -> Json {
    let mut item = if item.is_object() { item.clone() } else { json!({}) };
    if let Some(map) = item.as_object_mut() {
        map.remove("etag");
    }
    if !item["properties"].is_object() {
        item["properties"] = json!({});
    }
    if let Some(properties) = item["properties"].as_object_mut() {
        properties.remove("provisioningState");
    }
    item
}

fn is_dynamic(item: &Json) -> bool {
    static_address(item).is_ok_and(|address| address.is_none())
}

fn set_static(item: &mut Json, address: IpAddr) {
    item["properties"]["privateIPAllocationMethod"] = json!("Static");
    item["properties"]["privateIPAddress"] = json!(address.to_string());
    item["properties"]["privateIPAddressVersion"] = json!(if address.is_ipv4() { "IPv4" } else { "IPv6" });
}

fn set_dynamic(item: &mut Json) {
    item["properties"]["privateIPAllocationMethod"] = json!("Dynamic");
    item["properties"]["privateIPAddressVersion"] = json!("IPv4");
    if let Some(properties) = item["properties"].as_object_mut() {
        properties.remove("privateIPAddress");
    }
}

/// Names new configurations `nat-<n>` with the lowest numbers that are free.
fn name_new(list: &mut [Json]) {
    let mut taken: BTreeSet<String> =
        list.iter().filter_map(|item| text(item, "/name")).map(str::to_ascii_lowercase).collect();
    let mut numbers = 1_u32..;
    for item in list.iter_mut().filter(|item| text(item, "/name").is_none()) {
        let name = numbers.by_ref().map(|number| format!("nat-{number}")).find(|name| !taken.contains(name));
        let name = name.expect("of infinitely many names one is free");
        item["name"] = json!(name);
        taken.insert(name);
    }
}

/// Makes exactly one configuration primary: that of the first static address, else the one that was, else the first.
fn mark_primary(nat: &Nat, list: &mut [Json]) {
    let first = nat.addresses.first();
    let wanted = list
        .iter()
        .position(|item| first.is_some() && static_address(item).ok().flatten().as_ref() == first)
        .or_else(|| list.iter().position(is_primary))
        .unwrap_or(0);
    for (index, item) in list.iter_mut().enumerate() {
        item["properties"]["primary"] = json!(index == wanted);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUBNET: &str = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg/providers/\
                          Microsoft.Network/virtualNetworks/v/subnets/nat";

    fn configuration(name: &str, address: &str, primary: bool) -> Json {
        let mut item = json!({"name": name, "etag": "1", "properties": {"subnet": {"id": SUBNET}, "primary": primary,
            "privateIPAllocationMethod": "Dynamic", "provisioningState": "Succeeded"}});
        if !address.is_empty() {
            item["properties"]["privateIPAllocationMethod"] = json!("Static");
            item["properties"]["privateIPAddress"] = json!(address);
        }
        item
    }

    fn body(items: &[Json]) -> Json {
        json!({"properties": {"ipConfigurations": items}})
    }

    fn nat(count: u8, addresses: &[&str]) -> Nat {
        let addresses = addresses.iter().map(|text| text.parse().unwrap()).collect();
        Nat { subnet: Some(SUBNET.parse().unwrap()), count, addresses }
    }

    /// `name=address` for each configuration, `*` before the primary one.
    fn shown(list: &[Json]) -> Vec<String> {
        let show = |item: &Json| {
            let star = if is_primary(item) { "*" } else { "" };
            let address = text(item, "/properties/privateIPAddress").unwrap_or("dynamic");
            format!("{star}{}={address}", text(item, "/name").unwrap())
        };
        list.iter().map(show).collect()
    }

    #[track_caller]
    fn case(before: &[Json], after: &Nat, expected: &[&str]) {
        let list = encode(after, &body(before)).unwrap();
        assert_eq!(shown(&list), expected);
        assert_eq!(decode(&body(&list)).unwrap(), *after, "what is written reads back as what was wanted");
    }

    #[test]
    fn configurations_keep_their_names() {
        let (a, b) = (configuration("first", "10.0.1.8", true), configuration("second", "10.0.1.9", false));
        let dynamic = configuration("first", "", true);
        case(&[], &nat(2, &["10.0.1.8"]), &["*nat-1=10.0.1.8", "nat-2=dynamic"]);
        case(&[], &nat(1, &[]), &["*nat-1=dynamic"]);
        case(std::slice::from_ref(&a), &nat(2, &["10.0.1.8", "10.0.1.9"]), &["*first=10.0.1.8", "nat-1=10.0.1.9"]);
        case(std::slice::from_ref(&dynamic), &nat(2, &[]), &["*first=dynamic", "nat-1=dynamic"]);
        case(&[dynamic], &nat(1, &["10.0.1.8"]), &["*first=10.0.1.8"]);
        case(&[a.clone(), b.clone()], &nat(2, &["10.0.1.8", "10.0.1.7"]), &["*first=10.0.1.8", "second=10.0.1.7"]);
        case(&[a.clone(), b.clone()], &nat(1, &["10.0.1.9"]), &["*second=10.0.1.9"]);
        case(std::slice::from_ref(&a), &nat(1, &[]), &["*first=dynamic"]);
        case(
            &[configuration("nat-1", "10.0.1.8", true)],
            &nat(2, &["10.0.1.8"]),
            &["*nat-1=10.0.1.8", "nat-2=dynamic"],
        );
        let swapped = nat(2, &["10.0.1.9", "10.0.1.8"]);
        case(&[a, b], &swapped, &["first=10.0.1.8", "*second=10.0.1.9"]);
    }

    #[test]
    fn an_equal_list_is_left_alone() {
        // Dynamic primary and static second: writing another primary would rebuild the service.
        let before = [configuration("x", "", true), configuration("y", "10.0.1.8", false)];
        case(&before, &nat(2, &["10.0.1.8"]), &["*x=dynamic", "y=10.0.1.8"]);
        let list = encode(&nat(2, &["10.0.1.8"]), &body(&before)).unwrap();
        assert!(list[0].get("etag").is_none() && list[0].pointer("/properties/provisioningState").is_none());
    }

    #[test]
    fn a_new_list_needs_a_subnet() {
        let nat = Nat { subnet: None, count: 1, addresses: Vec::new() };
        assert!(encode(&nat, &json!({})).is_err());
    }
}
