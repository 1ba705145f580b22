//! Events in their two spellings: `v1` is stored, `events.k8s.io/v1` is the same with other names.

use serde_json::{Map, Value, json};

use super::status_error::Cause;

/// Names in `events.k8s.io/v1` and in `v1`.
const NAMES: [(&str, &str); 7] = [
    ("regarding", "involvedObject"),
    ("note", "message"),
    ("reportingController", "reportingComponent"),
    ("deprecatedSource", "source"),
    ("deprecatedFirstTimestamp", "firstTimestamp"),
    ("deprecatedLastTimestamp", "lastTimestamp"),
    ("deprecatedCount", "count"),
];

/// Translates an event, or a patch of one, from `events.k8s.io/v1` into `v1`.
pub(crate) fn to_core(event: &Value) -> Value {
    translate(event, "v1", |name| NAMES.iter().find(|(new, _)| *new == name).map(|(_, old)| *old))
}

/// Translates an event from `v1` into `events.k8s.io/v1`.
pub(crate) fn from_core(event: &Value) -> Value {
    translate(event, "events.k8s.io/v1", |name| NAMES.iter().find(|(_, old)| *old == name).map(|(new, _)| *new))
}

fn translate(event: &Value, version: &str, other: impl Fn(&str) -> Option<&'static str>) -> Value {
    let Some(fields) = event.as_object() else { return event.clone() };
    let renamed = fields.iter().map(|(name, value)| (other(name).unwrap_or(name).to_owned(), value.clone()));
    let mut translated: Map<String, Value> = renamed.collect();
    if translated.contains_key("apiVersion") {
        translated.insert("apiVersion".to_owned(), json!(version));
    }
    Value::Object(translated)
}

/// The API server's rules for a new event; those of the newer spelling are stricter.
pub(crate) fn validate(event: &Value, is_new_spelling: bool) -> Vec<Cause> {
    let mut causes = Vec::new();
    let text = |name: &str| event[name].as_str().unwrap_or_default();
    let about = event["involvedObject"]["namespace"].as_str().unwrap_or("default");
    if event["metadata"]["namespace"].as_str().is_some_and(|own| own != about) {
        let given = &event["involvedObject"]["namespace"];
        causes.push(Cause::invalid("involvedObject.namespace", given, "does not match event.namespace"));
    }
    if !is_new_spelling {
        return causes;
    }
    if event["eventTime"].is_null() {
        causes.push(Cause::required("eventTime", ""));
    }
    for (stored, sent) in
        [("reportingComponent", "reportingController"), ("reportingInstance", ""), ("action", ""), ("reason", "")]
    {
        if text(stored).is_empty() {
            causes.push(Cause::required(if sent.is_empty() { stored } else { sent }, ""));
        }
    }
    if !["Normal", "Warning"].contains(&text("type")) {
        causes.push(Cause::invalid("type", &json!(text("type")), "has invalid value"));
    }
    causes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spellings_translate_into_each_other() {
        let new =
            json!({"apiVersion": "events.k8s.io/v1", "note": "hello", "regarding": {"name": "web"}, "reason": "Made"});
        let core = to_core(&new);
        let expected =
            json!({"apiVersion": "v1", "message": "hello", "involvedObject": {"name": "web"}, "reason": "Made"});
        assert_eq!(core, expected);
        assert_eq!(from_core(&core), new);
    }
}
