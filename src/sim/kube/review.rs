//! Reviews: questions about the caller that are answered and not kept.
//!
//! The only token belongs to somebody who may do everything, as with the admin kubeconfig of AKS.

use serde_json::{Value, json};

use super::call::{Answer, Call};
use super::status_error::ApiError;

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
    body["status"] = status(review.name);
    Some(Ok(Answer { status: 201, ..Answer::ok(body) }))
}

fn status(name: &str) -> Value {
    match name {
        "SelfSubjectAccessReview" => json!({"allowed": true}),
        "SelfSubjectRulesReview" => json!({
            "resourceRules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}],
            "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
            "incomplete": false,
        }),
        _ => json!({"userInfo": {"username": "masterclient", "groups": ["system:masters", "system:authenticated"]}}),
    }
}
