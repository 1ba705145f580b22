//! The cases that the real cloud provider's own tests decide, and all known ways to break a load balancer: each is told by
//! `check`, by a plan, or by nobody for a reason.
//!
//! Of each case the table says what `check` tells of its manifests (`check`: exactly these errors and warnings, and these
//! remarks), which rule of a plan tells it where files alone cannot (`plan`, with the scope: D for an edit, E for what is
//! there), or why there is nothing to tell (`nothing`) or nobody who does (`untold`).

use privlink::cloud_provider::catalogue;
use privlink::cloud_provider::rule as provider;
use privlink::plan::preflight::rule as preflight;
use serde_json::Value;

use super::*;

const TABLE: &str = include_str!("../../cases/cloud-provider.json");
const PREFIX: &str = "service.beta.kubernetes.io/";

fn rows() -> Vec<Value> {
    serde_json::from_str(TABLE).unwrap()
}

fn rules_of(row: &Value) -> Vec<&str> {
    row["check"].as_array().into_iter().flatten().map(|rule| rule.as_str().unwrap()).collect()
}

/// The files of a row. Parsers are tried alone there; here a whole Service asks for what they read.
fn manifests(row: &Value) -> Vec<String> {
    if let Some(files) = row["files"].as_array() {
        let file = |(at, file): (usize, &Value)| service(&format!("test{at}"), &file["annotations"], &file["spec"]);
        return files.iter().enumerate().map(file).collect();
    }
    let mut annotations = serde_json::Map::new();
    let written = row["annotations"].as_object().cloned().unwrap_or_default();
    if written.keys().any(|key| key.starts_with("azure-pls-")) && !rules_of(row).contains(&"PLS001") {
        annotations.insert("azure-load-balancer-internal".into(), "true".into());
        annotations.insert("azure-pls-create".into(), "true".into());
    }
    annotations.extend(written);
    vec![service("test", &annotations.into(), &row["given"]["spec"])]
}

fn service(name: &str, annotations: &Value, spec: &Value) -> String {
    let annotations = annotations.as_object().into_iter().flatten();
    let annotations: serde_json::Map<String, Value> =
        annotations.map(|(key, value)| (format!("{PREFIX}{key}"), value.clone())).collect();
    let mut spec = spec.as_object().cloned().unwrap_or_default();
    spec.insert("type".into(), "LoadBalancer".into());
    let ports = spec.entry("ports").or_insert_with(|| serde_json::json!([{ "port": 80 }]));
    for port in ports.as_array_mut().unwrap() {
        port["name"] = format!("p{}", port["port"]).into();
    }
    let metadata = serde_json::json!({ "name": name, "annotations": annotations });
    serde_json::json!({ "apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec }).to_string()
}

#[test]
fn every_recorded_case_is_told_by_its_rules_and_no_others() {
    let mut wrong = Vec::new();
    for row in rows() {
        let files = manifests(&row);
        let case = files.iter().enumerate().fold(Case::empty(), |case, (at, text)| case.with(&format!("t{at}"), text));
        let (_, diagnostics, shown) = case.read_with(|policy| policy.levels.remarks = true);
        let expected: BTreeSet<&str> = rules_of(&row).into_iter().collect();
        let told = |it: &privlink::diagnostic::Diagnostic| {
            let code = it.code.as_str();
            (it.severity != Severity::Info || expected.contains(code)).then_some(code)
        };
        let found: BTreeSet<&str> = diagnostics.iter().filter_map(told).collect();
        if found != expected {
            wrong.push(format!("{}: {found:?}, not {expected:?}\n{shown}", row["name"]));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What the table says that a plan tells: the scope and the rule.
fn plan_of(row: &Value) -> Option<(&str, &str)> {
    Some((row["plan"]["scope"].as_str()?, row["plan"]["rule"].as_str()?))
}

#[test]
fn no_recorded_case_is_passed_over() {
    let mut untold = Vec::new();
    for row in &rows() {
        let name = row["name"].as_str().unwrap();
        assert!(row.get("plan").is_none() || plan_of(row).is_some(), "{name}: a plan's rule has a scope");
        let is_told = !rules_of(row).is_empty() || plan_of(row).is_some();
        let excuses: Vec<&str> = ["nothing", "untold"].into_iter().filter(|key| row[*key].is_string()).collect();
        assert_eq!(excuses.len(), usize::from(!is_told), "{name}: told {is_told}, and {excuses:?}");
        // What fails in the cloud provider is never nothing.
        assert!(row["expect"]["error"].is_null() || !excuses.contains(&"nothing"), "{name} fails, and nobody tells");
        untold.extend(excuses.contains(&"untold").then(|| name.to_owned()));
        for rule in rules_of(row) {
            assert!(rules().any(|known| known.code.as_str() == rule), "{name}: {rule} is no rule of check");
        }
        if let Some((scope, rule)) = plan_of(row) {
            assert!(matches!(scope, "D" | "E"), "{name}: {scope} is no scope of a plan");
            let mut known = provider::ALL.iter().chain(preflight::ALL);
            assert!(known.any(|known| known.id == rule), "{name}: {rule} is no rule of a plan");
        }
    }
    assert_eq!(untold, ["port-conflict-nat-pool-range"]);
}

/// The known ways to break a load balancer or a Private Link Service: families, and how many each has.
const WAYS: [(&str, usize); 9] =
    [("ANN", 18), ("ILB", 4), ("IP", 17), ("RUL", 16), ("PLS", 36), ("ACL", 9), ("XS", 20), ("DIF", 23), ("ENV", 9)];

/// Ways that nobody tells, and what would have to be known.
const UNTOLD: [(&str, &str); 12] = [
    ("IP007", "which subnets nodes and pods take their addresses from"),
    ("IP015", "whether the subnet has an IPv6 prefix"),
    ("RUL007", "that the load balancer is a Basic one, which Azure has retired"),
    ("PLS019", "that the cluster shares one probe, and whether its sidecar runs"),
    ("PLS030", "which features the subscription has registered"),
    ("XS017", "how many addresses of a subnet are free: a plan tells it of one Service at a time"),
    ("ENV003", "the cluster's cloud configuration"),
    ("ENV004", "the cluster's cloud configuration"),
    ("ENV005", "the cluster's cloud configuration"),
    ("ENV006", "which policies and locks there are"),
    ("ENV007", "which nodes there are"),
    ("ENV009", "what other people change by hand"),
];

#[test]
fn every_known_way_is_told_by_a_rule_of_check_or_of_a_plan() {
    let ids: Vec<String> =
        WAYS.iter().flat_map(|(family, number)| (1..=*number).map(move |at| format!("{family}{at:03}"))).collect();
    assert_eq!(ids.len(), 152);
    let by_plan = |id: &str| {
        let mut entries = catalogue::ALL.iter().chain(preflight::ENTRIES);
        entries.any(|entry| entry.id == id && !entry.rules.is_empty())
    };
    let told = |id: &str| rules().any(|rule| rule.code.as_str() == id) || by_plan(id);
    let untold: Vec<&str> = ids.iter().map(String::as_str).filter(|id| !told(id)).collect();
    let expected: Vec<&str> = UNTOLD.iter().map(|(id, _)| *id).collect();
    assert_eq!(untold, expected);
}

#[test]
fn explain_knows_every_id_that_a_recorded_case_names() {
    let rows = rows();
    let ids = rows.iter().flat_map(|row| rules_of(row).into_iter().chain(plan_of(row).map(|(_, rule)| rule)));
    let unknown: Vec<&str> = ids.filter(|id| privlink::render::explain::page(id).is_none()).collect();
    assert!(unknown.is_empty(), "ids without a page: {unknown:?}");
}
