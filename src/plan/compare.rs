//! What is different between two plans, in words: why the plan that somebody approved is stale.
//!
//! It compares canonical bodies, so a saved plan of another machine or day can be compared with the one of now.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use serde_json::Value as Json;

use crate::plan::document::key_name;

/// Tells the differences between two canonical bodies, most important first; nothing if they are the same.
///
/// A body that cannot be read is told as such: the caller has refused it already by its digest.
pub fn differences(old_body: &str, new_body: &str) -> Vec<String> {
    if old_body == new_body {
        return Vec::new();
    }
    let (Ok(old), Ok(new)) = (serde_json::from_str::<Json>(old_body), serde_json::from_str::<Json>(new_body)) else {
        return vec!["the two plans cannot be compared: one of them is not readable".to_owned()];
    };
    let mut told = heads(&old, &new);
    told.extend(steps(&old, &new));
    told.extend(rules(&old, &new));
    told.extend((old["drift"] != new["drift"]).then(|| "other rules for drift are in force than before".to_owned()));
    told.extend((old["loosens"] != new["loosens"]).then(|| "other rules are loosened than before".to_owned()));
    told.extend(omissions(&old, &new));
    // Wishes whose steps differ are told already; what is left changes the id and no step.
    if told.is_empty() {
        told.extend(wishes(&old, &new));
    }
    if told.is_empty() {
        told.push("the order of the steps is different".to_owned());
    }
    told
}

fn heads(old: &Json, new: &Json) -> Vec<String> {
    let of = |name: &str| (old[name] != new[name]).then(|| changed(name, &old[name], &new[name]));
    let version = (old["version"] != new["version"]).then(|| {
        format!("the format of plans changed from version {} to {}: plan again", old["version"], new["version"])
    });
    [version, of("owner"), of("environment")].into_iter().flatten().collect()
}

fn changed(what: &str, old: &Json, new: &Json) -> String {
    format!("{what} was {} and is {} now", show(old), show(new))
}

fn rules(old: &Json, new: &Json) -> Vec<String> {
    let names = ["safe", "notable", "disruptive", "severing", "signatures"];
    let (old, new) = (&old["approval"], &new["approval"]);
    let differing = names.into_iter().filter(|name| old[name] != new[name]);
    differing
        .map(|name| match name {
            "signatures" if new[name] == Json::Bool(true) => "approvals must be signed now".to_owned(),
            "signatures" => "approvals need no signature any more".to_owned(),
            risk => format!("the rule for {risk} changes was {} and is {} now", show(&old[risk]), show(&new[risk])),
        })
        .collect()
}

/// What was left out and is not any more, and the other way round.
fn omissions(old: &Json, new: &Json) -> Vec<String> {
    let keys = |body: &Json| -> BTreeSet<String> {
        let list = body["leftOut"].as_array().map(Vec::as_slice).unwrap_or_default();
        list.iter().filter_map(|left| Some(left["key"].as_str()?.to_owned())).collect()
    };
    let (before, after) = (keys(old), keys(new));
    if before == after {
        let is_told = old["leftOut"] != new["leftOut"];
        return is_told.then(|| "what is left out is left out for other reasons".to_owned()).into_iter().collect();
    }
    // What became a step, or was one, is told as such.
    let (was, is) = (by_key(old), by_key(new));
    let gone = before.difference(&after).filter(|key| !is.contains_key(key.as_str()));
    let come = after.difference(&before).filter(|key| !was.contains_key(key.as_str()));
    let gone = gone.map(|key| format!("not left out any more: {}", key_name(key)));
    gone.chain(come.map(|key| format!("left out now: {}", key_name(key)))).collect()
}

type Steps<'a> = BTreeMap<&'a str, &'a Json>;

fn steps(old: &Json, new: &Json) -> Vec<String> {
    let (old, new) = (by_key(old), by_key(new));
    let mut told = Vec::new();
    for (key, step) in &new {
        match old.get(key) {
            None => told.push(format!("new: {} {}", action(step), key_name(key))),
            Some(before) => told.extend(step_differences(&key_name(key), before, step)),
        }
    }
    let gone = old.iter().filter(|(key, _)| !new.contains_key(*key));
    told.extend(gone.map(|(key, step)| format!("not planned any more: {} {}", action(step), key_name(key))));
    told
}

fn by_key(body: &Json) -> Steps<'_> {
    let steps = body["steps"].as_array().map(Vec::as_slice).unwrap_or_default();
    steps.iter().filter_map(|step| Some((step["key"].as_str()?, step))).collect()
}

fn action(step: &Json) -> &str {
    step["action"].as_str().unwrap_or("change")
}

fn step_differences(key: &str, old: &Json, new: &Json) -> Vec<String> {
    if old == new {
        return Vec::new();
    }
    let mut told = party_differences(key, old, new);
    told.extend(read_differences(key, old, new));
    for name in ["action", "actor", "risk", "irreversible", "existing"] {
        if old[name] != new[name] {
            told.push(format!("{key}: {}", changed(name, &old[name], &new[name])));
        }
    }
    told.extend(field_differences(key, old, new));
    told.extend(stored_differences(key, old, new));
    // Positions move whenever a step comes or goes, and that is told by itself.
    if told.is_empty() && old["after"] == new["after"] {
        told.push(format!("{key}: its consequences are told differently"));
    }
    told
}

/// Endpoint to state.
fn parties(step: &Json) -> BTreeMap<String, String> {
    let consequences = step["consequences"].as_array().map(Vec::as_slice).unwrap_or_default();
    let parties = consequences.iter().filter_map(|consequence| consequence["parties"].as_array()).flatten();
    let party = |party: &Json| Some((party["endpoint"].as_str()?.to_owned(), show(&party["status"])));
    parties.filter_map(party).collect()
}

fn party_differences(key: &str, old: &Json, new: &Json) -> Vec<String> {
    let (old, new) = (parties(old), parties(new));
    let mut told = Vec::new();
    for (endpoint, status) in &new {
        match old.get(endpoint) {
            None => told.push(format!("{key}: one more is affected: {endpoint} ({status})")),
            Some(before) if before != status => {
                told.push(format!("{key}: the connection of {endpoint} was {before} and is {status} now"));
            }
            Some(_) => {}
        }
    }
    let gone = old.keys().filter(|endpoint| !new.contains_key(*endpoint));
    told.extend(gone.map(|endpoint| format!("{key}: {endpoint} is not affected any more")));
    told
}

fn read_differences(key: &str, old: &Json, new: &Json) -> Vec<String> {
    let (before, after) = (&old["reads"], &new["reads"]);
    let mut told = Vec::new();
    if before["exists"] != after["exists"] {
        let word = if after["exists"] == Json::Bool(true) { "exists now" } else { "does not exist any more" };
        told.push(format!("{key}: it {word}"));
    }
    told.extend(entries(&before["fields"], &after["fields"]).into_iter().map(|(name, old, new)| {
        format!("{key}: {name} was {} when that plan was made and is {} now", show(old), show(new))
    }));
    // A connection that is a party too is told there.
    let known: BTreeSet<String> = parties(old).into_keys().chain(parties(new).into_keys()).collect();
    let connections = entries(&before["connections"], &after["connections"]);
    told.extend(connections.into_iter().filter(|(name, ..)| !known.contains(*name)).map(|(endpoint, old, new)| {
        format!("{key}: the connection of {endpoint} was {} and is {} now", show(old), show(new))
    }));
    if before["publisher"] != after["publisher"] {
        told.push(format!("{key}: {}", changed("its Private Link Service", &before["publisher"], &after["publisher"])));
    }
    told
}

/// What the API server would store otherwise than before.
fn stored_differences(key: &str, old: &Json, new: &Json) -> Vec<String> {
    let (old, new) = (by_name(&old["storedOtherwise"]), by_name(&new["storedOtherwise"]));
    let told = |(name, _, new): (&str, &Json, &Json)| match new.is_null() {
        true => format!("{key}: the API server does not change {name} any more"),
        false => format!("{key}: the API server would store {name} as {} now", show(&new["stored"])),
    };
    entries(&old, &new).into_iter().map(told).collect()
}

/// The items of a list by their names.
fn by_name(items: &Json) -> Json {
    let items = items.as_array().cloned().unwrap_or_default();
    items.into_iter().filter_map(|item| Some((item["name"].as_str()?.to_owned(), item))).collect()
}

fn field_differences(key: &str, old: &Json, new: &Json) -> Vec<String> {
    let (old, new) = (by_name(&old["fields"]), by_name(&new["fields"]));
    let differing = entries(&old, &new);
    differing
        .into_iter()
        .filter_map(|(name, old, new)| match (old.is_null(), new.is_null()) {
            (true, _) => Some(format!("{key}: {name} would change too, to {}", show(&new["after"]))),
            (_, true) => Some(format!("{key}: {name} would not change any more")),
            _ if old["after"] != new["after"] => {
                Some(format!("{key}: {name} would become {} instead of {}", show(&new["after"]), show(&old["after"])))
            }
            _ if old["forcesReplacement"] != new["forcesReplacement"] => {
                Some(format!("{key}: whether {name} forces a replacement changed"))
            }
            // Another value before the change is a read, and told there.
            _ => None,
        })
        .collect()
}

fn wishes(old: &Json, new: &Json) -> Vec<String> {
    let (old, new) = (&old["desired"], &new["desired"]);
    let resources = entries(&old["resources"], &new["resources"]);
    let mut told: Vec<String> = resources
        .into_iter()
        .map(|(key, old, new)| (key_name(key), old, new))
        .map(|(key, old, new)| match (old.is_null(), new.is_null()) {
            (true, _) => format!("the repository asks for {key} now"),
            (_, true) => format!("the repository does not ask for {key} any more"),
            _ => format!("the repository asks for something else of {key}"),
        })
        .collect();
    let rules = entries(&old["connections"], &new["connections"]);
    told.extend(rules.into_iter().map(|(key, ..)| format!("the connection rules of {} changed", key_name(key))));
    told
}

const NULL: &Json = &Json::Null;

/// The entries of two objects that differ, by name; null where there is none.
fn entries<'a>(old: &'a Json, new: &'a Json) -> Vec<(&'a str, &'a Json, &'a Json)> {
    let keys = |json: &'a Json| json.as_object().into_iter().flat_map(|map| map.keys().map(String::as_str));
    let names: BTreeSet<&str> = keys(old).chain(keys(new)).collect();
    let pair = |name: &'a str| (name, old.get(name).unwrap_or(NULL), new.get(name).unwrap_or(NULL));
    names.into_iter().map(pair).filter(|(_, old, new)| old != new).collect()
}

/// A value of the body as people read it.
fn show(json: &Json) -> String {
    let list = |items: &Json| {
        let items = items.as_array().map(Vec::as_slice).unwrap_or_default();
        items.iter().map(show).collect::<Vec<_>>().join(", ")
    };
    match json {
        Json::Null => "absent".to_owned(),
        Json::String(text) => text.clone(),
        Json::Object(map) => match (map.get("list"), map.get("set"), map.get("producedBy")) {
            (Some(items), ..) => format!("[{}]", list(items)),
            (_, Some(items), _) => format!("{{{}}}", list(items)),
            (.., Some(by)) => format!("what {} yields", show(by)),
            _ => json.to_string(),
        },
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::differences;
    use crate::desired::policy::Consent;
    use crate::domain::resource::connection::ConnectionStatus;
    use crate::plan::fixture;
    use crate::plan::fixture::World;
    use serde_json::json;

    fn moved() -> World {
        let mut world = World::converged();
        world.manifest()["metadata"]["annotations"]["service.beta.kubernetes.io/azure-load-balancer-ipv4"] =
            json!("10.224.10.40");
        world
    }

    #[test]
    fn one_more_consumer_is_told_as_one_more_affected() {
        let old = moved().plan();
        let mut world = moved();
        let new_one = fixture::connection(fixture::consumer(2, "acme-dr"), ConnectionStatus::Approved);
        world.live_link().connections.push(new_one);
        insta::assert_snapshot!(differences(&old.body, &world.plan().body).join("\n"), @r#"service/shop/orders: one more is affected: /subscriptions/00000000-0000-0000-0000-000000000002/resourcegroups/rg-consumer/providers/microsoft.network/privateendpoints/acme-dr (Approved)"#);
    }

    #[test]
    fn a_changed_value_a_new_step_and_a_changed_rule_are_told() {
        let old = moved().plan();
        let mut world = moved();
        world.live_service().manifest["metadata"]["annotations"]["service.beta.kubernetes.io/azure-load-balancer-ipv4"] =
            json!("10.224.10.39");
        world.observed.dns_records.clear();
        world.desired.policy.approval.severing = Consent::People(1);
        insta::assert_snapshot!(differences(&old.body, &world.plan().body).join("\n"), @"
        dnsrecord/api.orders.internal: it does not exist any more
        dnsrecord/api.orders.internal: addresses was {10.50.1.4} when that plan was made and is absent now
        dnsrecord/api.orders.internal: action was update and is create now
        dnsrecord/api.orders.internal: risk was disruptive and is notable now
        dnsrecord/api.orders.internal: metadata.privlink-document would change too, to privateendpoint/orders-pe
        dnsrecord/api.orders.internal: metadata.privlink-owner would change too, to 6f1c0000-0000-4000-8000-000000000001/prod
        dnsrecord/api.orders.internal: ttl would change too, to 300
        service/shop/orders: metadata.annotations[service.beta.kubernetes.io/azure-load-balancer-ipv4] was 10.224.10.224 when that plan was made and is 10.224.10.39 now
        the rule for severing changes was 2 people and is 1 person now
        ");
        assert_eq!(differences(&old.body, &old.body), Vec::<String>::new());
    }

    #[test]
    fn what_was_left_out_and_is_a_step_now_is_told_once() {
        let left = json!({"leftOut": [{"key": "service/shop/orders"}], "steps": []}).to_string();
        let done = json!({"leftOut": [], "steps": [{"key": "service/shop/orders", "action": "update"}]}).to_string();
        assert_eq!(differences(&left, &done), ["new: update service/shop/orders"]);
        assert_eq!(differences(&done, &left), ["not planned any more: update service/shop/orders"]);
    }

    #[test]
    fn a_wish_without_a_step_is_told() {
        let old = World::converged();
        let mut new = World::converged();
        new.desired
            .connections
            .insert(crate::domain::key::PublisherKey::Cluster(fixture::orders()), fixture::approving(2));
        insta::assert_snapshot!(differences(&old.plan().body, &new.plan().body).join("\n"), @r#"the connection rules of privatelinkservice/shop/orders changed"#);
    }
}
