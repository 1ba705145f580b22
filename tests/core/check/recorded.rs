//! The cases that the real cloud provider's own tests decide: what files can show of them has its finding, by rule.

use serde_json::Value;

use super::*;

const TABLE: &str = include_str!("../../cases/cloud-provider.json");

/// Rules about several Services: in these cases the other Service is only in the world.
const OF_SEVERAL: [&str; 2] = ["XS001", "XS005"];

/// The manifest of a row. Parsers are tried alone there; here a whole Service asks for what they read.
fn manifest_of(row: &Value) -> String {
    let written = row["annotations"].as_object().cloned().unwrap_or_default();
    let link = written.keys().any(|key| key.starts_with("azure-pls-"));
    let mut annotations = serde_json::Map::new();
    if link && row["static-check"] != "PLS001" {
        annotations.insert("service.beta.kubernetes.io/azure-load-balancer-internal".into(), "true".into());
        annotations.insert("service.beta.kubernetes.io/azure-pls-create".into(), "true".into());
    }
    annotations.extend(written.into_iter().map(|(key, value)| (format!("service.beta.kubernetes.io/{key}"), value)));
    let mut spec = row["given"]["spec"].as_object().cloned().unwrap_or_default();
    spec.insert("type".into(), "LoadBalancer".into());
    spec.entry("ports").or_insert_with(|| serde_json::json!([{ "port": 80 }]));
    let metadata = serde_json::json!({ "name": "test", "annotations": annotations });
    serde_json::json!({ "apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec }).to_string()
}

#[test]
fn what_files_can_show_of_the_recorded_cases_is_found() {
    let rows: Vec<Value> = serde_json::from_str(TABLE).unwrap();
    let mut found = 0;
    for row in &rows {
        let Some(rule) = row["static-check"].as_str() else { continue };
        // What needs the world or the Service as it was is no rule here.
        if OF_SEVERAL.contains(&rule) || !rules().any(|known| known.code.as_str() == rule) {
            continue;
        }
        let case = Case::empty().with("test", &manifest_of(row));
        let (_, diagnostics, shown) = case.read_with(|policy| policy.levels.remarks = true);
        assert!(diagnostics.iter().any(|it| it.code.as_str() == rule), "{}: no {rule} in\n{shown}", row["name"]);
        found += 1;
    }
    assert_eq!(found, 19, "rows of the table that one file shows");
}

#[test]
fn explain_knows_every_id_that_a_recorded_case_names() {
    let rows: Vec<Value> = serde_json::from_str(TABLE).unwrap();
    let ids = rows.iter().filter_map(|row| row["static-check"].as_str());
    let unknown: Vec<&str> = ids.filter(|id| privlink::render::explain::page(id).is_none()).collect();
    assert!(unknown.is_empty(), "ids without a page: {unknown:?}");
}
