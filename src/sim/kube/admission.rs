//! Admission: what webhooks and policies of a cluster make of a Service, and what they refuse.
//!
//! Changes come before validation and checks after it, as in the real server. Who changes a field so does not own it: the
//! ownership was decided before. A status is nobody's affair here.

use serde_json::Value;

use super::patch;
use super::status_error::ApiError;
use super::write::Write;
use crate::sim::world::AdmissionRule;

/// Lets every rule change the object.
pub(super) fn change(rules: &[AdmissionRule], write: &Write, object: &mut Value) -> Result<(), ApiError> {
    for rule in rules {
        if !looks_at(rule, write, object) {
            continue;
        }
        if rule.has_side_effects && write.dry_run {
            let why = format!("admission webhook {:?} does not support dry run", rule.name);
            return Err(ApiError::bad_request(why));
        }
        if let Some(set) = &rule.set {
            let managed = object["metadata"]["managedFields"].clone();
            *object = patch::merge_patch(object, set);
            object["metadata"]["managedFields"] = managed;
        }
    }
    Ok(())
}

/// Lets every rule refuse the object.
pub(super) fn check(rules: &[AdmissionRule], write: &Write, object: &Value) -> Result<(), ApiError> {
    let mut refusing = rules.iter().filter(|rule| looks_at(rule, write, object));
    let Some((name, why)) = refusing.find_map(|rule| Some((&rule.name, rule.refuse.as_ref()?))) else { return Ok(()) };
    let message = format!("admission webhook {name:?} denied the request: {why}");
    Err(ApiError { code: 403, reason: "Forbidden", message, details: Value::Null })
}

fn looks_at(rule: &AdmissionRule, write: &Write, object: &Value) -> bool {
    let metadata = &object["metadata"];
    let is_namespace = |namespace: &String| metadata["namespace"] == namespace.as_str();
    let has_label = |(name, value): (&String, &String)| metadata["labels"][name] == value.as_str();
    write.kind.is_service()
        && !write.is_status
        && (rule.namespaces.is_empty() || rule.namespaces.iter().any(is_namespace))
        && rule.labels.iter().all(has_label)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::sim::kube::Cluster;
    use crate::sim::kube::call::Call;
    use crate::sim::world::AdmissionRule;

    fn cluster(rule: AdmissionRule) -> Cluster {
        crate::sim::kube::tests::cluster_with(vec![rule])
    }

    fn apply(cluster: &Cluster, query: &str) -> (u16, serde_json::Value) {
        let body = json!({"metadata": {"annotations": {"team": "mine"}, "labels": {"app": "web"}},
            "spec": {"ports": [{"port": 80}]}});
        let path = format!("/api/v1/namespaces/default/services/web?fieldManager=me{query}");
        let answer = cluster.call(&Call::new("PATCH", &path).content_type("application/apply-patch+yaml").body(body));
        (answer.status, answer.body)
    }

    #[test]
    fn a_rule_changes_what_is_stored_and_owns_nothing_of_it() {
        let set = json!({"metadata": {"annotations": {"team": "shop", "cost": "1"}}});
        let cluster = cluster(AdmissionRule { set: Some(set), ..AdmissionRule::default() });
        let (status, tried) = apply(&cluster, "&dryRun=All");
        assert_eq!((status, &tried["metadata"]["annotations"]["team"]), (201, &json!("shop")));
        assert_eq!(cluster.get("services", "default", "web"), None);
        let (_, stored) = apply(&cluster, "");
        assert_eq!(stored["metadata"]["annotations"], json!({"team": "shop", "cost": "1"}));
        let owned = stored["metadata"]["managedFields"].to_string();
        assert!(owned.contains("f:team") && !owned.contains("f:cost"), "{owned}");
        let (_, again) = apply(&cluster, "");
        assert_eq!(again["metadata"]["resourceVersion"], stored["metadata"]["resourceVersion"], "nothing is written");
    }

    #[test]
    fn a_rule_refuses_what_it_looks_at_and_nothing_else() {
        let refusing = |labels: &[(&str, &str)], namespaces: &[&str]| AdmissionRule {
            name: "policy.example.com".to_owned(),
            labels: labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
            namespaces: namespaces.iter().map(|name| (*name).to_owned()).collect(),
            refuse: Some("no owner".to_owned()),
            ..AdmissionRule::default()
        };
        let (status, body) = apply(&cluster(refusing(&[("app", "web")], &["default"])), "");
        assert_eq!(status, 403);
        assert_eq!(body["message"], "admission webhook \"policy.example.com\" denied the request: no owner");
        assert_eq!(apply(&cluster(refusing(&[("app", "other")], &[])), "").0, 201);
        assert_eq!(apply(&cluster(refusing(&[], &["other"])), "").0, 201);
    }

    #[test]
    fn a_rule_with_side_effects_is_asked_about_no_dry_run() {
        let rule = AdmissionRule { name: "x".to_owned(), has_side_effects: true, ..AdmissionRule::default() };
        let cluster = cluster(rule);
        let (status, body) = apply(&cluster, "&dryRun=All");
        assert_eq!((status, &body["message"]), (400, &json!("admission webhook \"x\" does not support dry run")));
        assert_eq!(apply(&cluster, "").0, 201);
    }
}
