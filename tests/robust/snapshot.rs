//! What a world and a status branch look like, without what legitimately differs between two runs: times, guids, etags,
//! and addresses that nobody pinned.

use std::collections::BTreeMap;

use serde_json::Value;

use super::process::Stage;

const SUBSCRIPTIONS: [&str; 2] = ["00000000-0000-0000-0000-000000000001", "00000000-0000-0000-0000-000000000002"];
const KINDS: [&str; 5] =
    ["virtualNetworks", "loadBalancers", "privateLinkServices", "privateEndpoints", "networkInterfaces"];
/// Addresses that the example asks for by number, and those of the networks.
const PINNED: [&str; 10] = [
    "10.224.10.25",
    "10.225.1.8",
    "10.225.1.9",
    "10.50.1.20",
    "10.224.0.0",
    "10.225.0.0",
    "10.225.1.0",
    "10.50.0.0",
    "10.50.1.0",
    "10.224.0.4",
];

/// Everything a run leaves behind, as text that can be compared.
pub(super) fn everything(stage: &Stage) -> String {
    stage.idle();
    let mut parts = BTreeMap::new();
    for subscription in SUBSCRIPTIONS {
        for kind in KINDS {
            let list = list(stage, &format!("/subscriptions/{subscription}/providers/Microsoft.Network/{kind}"));
            parts.insert(format!("{subscription} {kind}"), list);
        }
    }
    let zone = "/subscriptions/00000000-0000-0000-0000-000000000002/resourceGroups/rg-dns/providers/Microsoft.Network/\
                privateDnsZones/orders.internal";
    for kind in ["A", "virtualNetworkLinks"] {
        parts.insert(format!("dns {kind}"), list(stage, &format!("{zone}/{kind}")));
    }
    let cluster = stage.simulator().cluster("myAKSCluster").unwrap();
    let services = Value::Array(cluster.list("Service", None));
    parts.insert("services".to_owned(), format!("{:#}", masked(services)));
    for (path, text) in stage.repo.files("privlink/status/prod") {
        // Each apply has a record of its own: two of them if the first was interrupted.
        if !path.contains("/applied/") {
            // Nor does a killed apply tell anybody its plan.
            let lines = text.lines().filter(|line| !line.starts_with("plan:"));
            parts.insert(path, lines.map(|line| mask(line) + "\n").collect());
        }
    }
    parts.into_iter().map(|(name, text)| format!("== {name}\n{text}\n")).collect()
}

/// What differs, if anything does.
pub(super) fn differences(found: &str, expected: &str) -> Option<String> {
    let differs = || similar::TextDiff::from_lines(expected, found).unified_diff().context_radius(4).to_string();
    (found != expected).then(differs)
}

/// Fails the test, with what differs, unless both are the same.
#[track_caller]
pub(super) fn assert_same(found: &str, expected: &str, what: &str) {
    if let Some(differences) = differences(found, expected) {
        panic!("after {what}, not everything is as it shall be:\n{differences}");
    }
}

fn list(stage: &Stage, path: &str) -> String {
    let version = if path.contains("privateDnsZones") { "2024-06-01" } else { "2025-05-01" };
    let reply = stage.simulator().arm().call("GET", &format!("{path}?api-version={version}"), &[], None);
    assert!(reply.status == 200, "{path}: {:?}", reply.body);
    format!("{:#}", masked(reply.body))
}

fn masked(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(mask(&text)),
        Value::Array(items) => {
            let mut items: Vec<Value> = items.into_iter().map(masked).collect();
            items.sort_by_key(ToString::to_string);
            Value::Array(items)
        }
        Value::Object(fields) => {
            let differs = |name: &str| {
                ["etag", "resourceVersion", "uid", "resourceGuid", "managedFields", "creationTimestamp", "clusterIP"]
                    .contains(&name)
                    || ["clusterIPs", "nodePort", "healthCheckNodePort", "generation", "linkIdentifier"].contains(&name)
            };
            let kept = fields.into_iter().filter(|(name, _)| !differs(name));
            Value::Object(kept.map(|(name, value)| (mask(&name), masked(value))).collect())
        }
        other => other,
    }
}

/// Replaces guids, hashes, times and unpinned addresses.
fn mask(text: &str) -> String {
    let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':');
    let mut out = String::new();
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
        out.push_str(&mask_word(&rest[..end]));
        rest = &rest[end..];
        let end = rest.find(is_word).unwrap_or(rest.len());
        out.push_str(&rest[..end]);
        rest = &rest[end..];
    }
    out
}

fn mask_word(word: &str) -> String {
    if word.ends_with('Z') && word.matches(':').count() == 2 {
        return "<time>".to_owned();
    }
    let bare = word.trim_end_matches('.');
    if bare.parse::<std::net::Ipv4Addr>().is_ok() && !PINNED.contains(&bare) {
        return "<address>".to_owned();
    }
    let is_hash = |part: &str| part.len() >= 20 && part.bytes().all(|b| b.is_ascii_hexdigit());
    let parts = word.split(['.', ':']).map(|part| {
        // Node ports and link ids.
        if part.parse::<u64>().is_ok_and(|number| number >= 30_000) {
            return "<number>";
        }
        let is_guid = part.len() >= 36 && part.matches('-').count() >= 4 && !part.starts_with("00000000-");
        if is_guid || part.split('-').any(is_hash) { "<id>" } else { part }
    });
    parts.collect::<Vec<_>>().join(".")
}
