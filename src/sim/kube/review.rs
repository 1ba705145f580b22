//! Reviews: questions about the caller that are answered and not kept.

use serde_json::{Value, json};

use super::access::{Attributes, Caller};
use super::call::{Answer, Call};
use super::status_error::{ApiError, Cause};

/// A question that the cluster answers.
pub(crate) struct Review {
    pub(crate) group: &'static str,
    pub(crate) plural: &'static str,
    pub(crate) name: &'static str,
}

/// All questions, all of version v1.
pub(crate) const REVIEWS: [Review; 3] = [
    Review { group: "authentication.k8s.io", plural: "selfsubjectreviews", name: "SelfSubjectReview" },
    Review { group: "authorization.k8s.io", plural: "selfsubjectaccessreviews", name: "SelfSubjectAccessReview" },
    Review { group: "authorization.k8s.io", plural: "selfsubjectrulesreviews", name: "SelfSubjectRulesReview" },
];

/// Answers a request for a review; `None` if it is for something else.
pub(crate) fn answer(call: &Call) -> Option<Result<Answer, ApiError>> {
    let segments: Vec<&str> = call.path.trim_matches('/').split('/').collect();
    let ["apis", group, "v1", plural] = segments.as_slice() else { return None };
    let review = REVIEWS.iter().find(|own| own.group == *group && own.plural == *plural)?;
    if call.method != "POST" {
        return Some(Err(ApiError::method_not_allowed()));
    }
    let mut body = if call.body.is_object() { call.body.clone() } else { json!({}) };
    body["apiVersion"] = json!(format!("{}/v1", review.group));
    body["kind"] = json!(review.name);
    let status = match review.name {
        "SelfSubjectAccessReview" => may(&call.caller, &body["spec"]),
        "SelfSubjectRulesReview" => Ok(rules(&call.caller, &body["spec"])),
        _ => Ok(json!({"userInfo": call.caller.user_info()})),
    };
    Some(status.map(|status| {
        body["status"] = status;
        Answer { status: 201, ..Answer::ok(body) }
    }))
}

fn may(caller: &Caller, spec: &Value) -> Result<Value, ApiError> {
    let text = |attributes: &Value, name: &str| attributes[name].as_str().unwrap_or_default().to_owned();
    let (resource, path) = (&spec["resourceAttributes"], &spec["nonResourceAttributes"]);
    let wanted = match (resource.is_object(), path.is_object()) {
        (true, false) => Attributes {
            verb: text(resource, "verb"),
            group: text(resource, "group"),
            resource: text(resource, "resource"),
            subresource: text(resource, "subresource"),
            namespace: text(resource, "namespace"),
            name: text(resource, "name"),
            path: String::new(),
        },
        (false, true) => Attributes { verb: text(path, "verb"), path: text(path, "path"), ..Attributes::default() },
        _ => {
            let why = "exactly one of nonResourceAttributes or resourceAttributes must be specified";
            let cause = Cause::invalid("spec.resourceAttributes", resource, why);
            return Err(ApiError::invalid("SelfSubjectAccessReview.authorization.k8s.io", "", &[cause]));
        }
    };
    Ok(match caller.allows(&wanted) {
        Some(reason) if reason.is_empty() => json!({"allowed": true}),
        Some(reason) => json!({"allowed": true, "reason": reason}),
        None => json!({"allowed": false}),
    })
}

fn rules(caller: &Caller, spec: &Value) -> Value {
    let (resources, paths) = caller.rules(spec["namespace"].as_str().unwrap_or_default());
    json!({"resourceRules": resources, "nonResourceRules": [paths], "incomplete": false})
}
