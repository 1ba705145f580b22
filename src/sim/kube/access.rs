//! Who calls, and what roles let them do: the API server's RBAC.
//!
//! The administrator's token may do everything, as the admin kubeconfig of AKS. Every other user may do what its roles
//! allow, and what everybody who is signed in may: discovery, and questions about oneself.

use std::sync::Arc;

use serde_json::{Value, json};

use super::call::Call;
use super::status_error::ApiError;
use crate::sim::world::{ClusterRole, ClusterUser, PolicyRule, RoleKind};

/// The paths that everybody who is signed in may read (`system:discovery`).
const DISCOVERY: [&str; 7] = ["/api", "/apis", "/healthz", "/livez", "/openapi", "/readyz", "/version"];

/// The questions that everybody who is signed in may ask (`system:basic-user`).
const BASIC: [(&str, &str); 3] = [
    ("authentication.k8s.io", "selfsubjectreviews"),
    ("authorization.k8s.io", "selfsubjectaccessreviews"),
    ("authorization.k8s.io", "selfsubjectrulesreviews"),
];

/// Who calls.
#[derive(Clone, Debug, Default)]
pub(crate) enum Caller {
    /// The administrator.
    #[default]
    Admin,
    /// A user of this name who may do everything.
    Everything(String),
    /// A user with roles.
    User(Arc<ClusterUser>),
}

/// What somebody wants to do, as the authorizer sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Attributes {
    pub(crate) verb: String,
    pub(crate) group: String,
    /// The plural; empty for a path that is no resource.
    pub(crate) resource: String,
    pub(crate) subresource: String,
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) path: String,
}

impl Caller {
    /// What the server knows of the caller.
    pub(crate) fn user_info(&self) -> Value {
        let (name, group) = match self {
            Self::Admin => ("masterclient", Some("system:masters")),
            Self::Everything(name) => (name.as_str(), None),
            Self::User(user) => {
                let is_account = user.name.starts_with("system:serviceaccount:");
                (user.name.as_str(), is_account.then_some("system:serviceaccounts"))
            }
        };
        let groups: Vec<&str> = group.into_iter().chain(["system:authenticated"]).collect();
        json!({"username": name, "groups": groups})
    }

    /// Why something is allowed, in the words of the authorizer; `None` if it is not.
    pub(crate) fn allows(&self, wanted: &Attributes) -> Option<String> {
        let Self::User(user) = self else { return Some(String::new()) };
        if is_for_everybody(wanted) {
            return Some("RBAC: allowed by a role of everybody who is signed in".to_owned());
        }
        let role = user.roles.iter().find(|role| counts_in(role, &wanted.namespace) && gives(role, wanted))?;
        let (kind, name) = (role.kind, &role.metadata.name);
        Some(format!("RBAC: allowed by {kind:?}Binding \"{name}\" of {kind:?} \"{name}\" to User \"{}\"", user.name))
    }

    /// The rules that count in a namespace, and those for paths that are no resources.
    pub(crate) fn rules(&self, namespace: &str) -> (Vec<Value>, Value) {
        let Self::User(user) = self else {
            let all = json!({"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]});
            return (vec![all], json!({"verbs": ["*"], "nonResourceURLs": ["*"]}));
        };
        let roles = user.roles.iter().filter(|role| counts_in(role, namespace));
        let rule = |rule: &PolicyRule| {
            let PolicyRule { api_groups, resources, verbs, resource_names } = rule;
            let mut shown = json!({"verbs": verbs, "apiGroups": api_groups, "resources": resources});
            if !resource_names.is_empty() {
                shown["resourceNames"] = json!(resource_names);
            }
            shown
        };
        let basic =
            BASIC.map(|(group, plural)| json!({"verbs": ["create"], "apiGroups": [group], "resources": [plural]}));
        let paths = DISCOVERY.iter().flat_map(|root| [(*root).to_owned(), format!("{root}/*")]).collect::<Vec<_>>();
        let rules = roles.flat_map(|role| &role.rules).map(rule).chain(basic).collect();
        (rules, json!({"verbs": ["get"], "nonResourceURLs": paths}))
    }

    fn refusal(&self, wanted: &Attributes) -> ApiError {
        let Attributes { verb, group, resource, subresource, namespace, name, path } = wanted;
        let user = self.user_info()["username"].as_str().unwrap_or_default().to_owned();
        if resource.is_empty() {
            return ApiError::forbidden(("", ""), "", &format!("User \"{user}\" cannot {verb} path \"{path}\""));
        }
        let qualified = if group.is_empty() { resource.clone() } else { format!("{resource}.{group}") };
        let what = if name.is_empty() { qualified } else { format!("{qualified} \"{name}\"") };
        let whole = if subresource.is_empty() { resource.clone() } else { format!("{resource}/{subresource}") };
        let place = match namespace.as_str() {
            "" => "at the cluster scope".to_owned(),
            namespace => format!("in the namespace \"{namespace}\""),
        };
        let why = format!("User \"{user}\" cannot {verb} resource \"{whole}\" in API group \"{group}\" {place}");
        ApiError::forbidden((resource, name), &what, &why)
    }
}

/// Refuses what the caller may not do.
pub(crate) fn check(call: &Call) -> Result<(), ApiError> {
    check_as(call, attributes_of(call))
}

/// Refuses a write that would make an object, unless the caller may do that too.
///
/// The real server asks that late, in the middle of the write, and its refusal then carries the reason of the authorizer alone:
/// RBAC gives none.
pub(crate) fn check_creation(call: &Call) -> Result<(), ApiError> {
    let wanted = Attributes { verb: "create".to_owned(), ..attributes_of(call) };
    if call.caller.allows(&wanted).is_some() {
        return Ok(());
    }
    let Attributes { resource, name, .. } = &wanted;
    Err(ApiError::forbidden((resource, name), &format!("{resource} {name:?}"), ""))
}

fn check_as(call: &Call, wanted: Attributes) -> Result<(), ApiError> {
    call.caller.allows(&wanted).map(drop).ok_or_else(|| call.caller.refusal(&wanted))
}

fn is_for_everybody(wanted: &Attributes) -> bool {
    if wanted.resource.is_empty() {
        let is_below =
            |root: &&str| wanted.path.strip_prefix(*root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        return wanted.verb == "get" && (wanted.path == "/" || DISCOVERY.iter().any(is_below));
    }
    wanted.verb == "create" && BASIC.contains(&(wanted.group.as_str(), wanted.resource.as_str()))
}

fn counts_in(role: &ClusterRole, namespace: &str) -> bool {
    match role.kind {
        RoleKind::ClusterRole => true,
        RoleKind::Role => role.metadata.namespace.as_deref().unwrap_or("default") == namespace,
    }
}

fn gives(role: &ClusterRole, wanted: &Attributes) -> bool {
    role.rules.iter().any(|rule| is_met(rule, wanted))
}

fn is_met(rule: &PolicyRule, wanted: &Attributes) -> bool {
    let has = |list: &[String], word: &str| list.iter().any(|own| own == "*" || own == word);
    let Attributes { verb, group, resource, subresource, namespace: _, name, path: _ } = wanted;
    let is_meant = match subresource.as_str() {
        "" => has(&rule.resources, resource),
        part => has(&rule.resources, &format!("{resource}/{part}")) || rule.resources.contains(&format!("*/{part}")),
    };
    let is_named = rule.resource_names.is_empty() || rule.resource_names.contains(name);
    !resource.is_empty() && has(&rule.verbs, verb) && has(&rule.api_groups, group) && is_meant && is_named
}

/// What a request wants to do, whether anything of that is served or not: rights come first.
fn attributes_of(call: &Call) -> Attributes {
    let segments: Vec<&str> = call.path.trim_matches('/').split('/').collect();
    let (group, rest) = match segments.as_slice() {
        ["api", _, rest @ ..] if !rest.is_empty() => ("", rest),
        ["apis", group, _, rest @ ..] if !rest.is_empty() => (*group, rest),
        _ => {
            let (verb, path) = (call.method.to_ascii_lowercase(), call.path.clone());
            let verb = if verb == "head" { "get".to_owned() } else { verb };
            return Attributes { verb, path, ..Attributes::default() };
        }
    };
    let (namespace, rest) = match rest {
        ["namespaces", namespace, rest @ ..] if !rest.is_empty() && !matches!(rest, ["status" | "finalize"]) => {
            (*namespace, rest)
        }
        // A namespace is in itself.
        ["namespaces", namespace, ..] => (*namespace, rest),
        rest => ("", rest),
    };
    let at = |index: usize| rest.get(index).copied().unwrap_or_default().to_owned();
    let verb = verb(call, !at(1).is_empty()).to_owned();
    let (resource, name, subresource) = (at(0), at(1), at(2));
    let (group, namespace, path) = (group.to_owned(), namespace.to_owned(), String::new());
    Attributes { verb, group, resource, subresource, namespace, name, path }
}

fn verb(call: &Call, is_one: bool) -> &'static str {
    match (call.method.as_str(), is_one) {
        ("POST", _) => "create",
        ("PUT", _) => "update",
        ("PATCH", _) => "patch",
        ("DELETE", true) => "delete",
        ("DELETE", false) => "deletecollection",
        (_, _) if call.is_watch() => "watch",
        (_, true) => "get",
        (_, false) => "list",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(role: &Value) -> Caller {
        let role = serde_json::from_value(role.clone()).unwrap();
        Caller::User(Arc::new(ClusterUser { name: "x".to_owned(), roles: vec![role] }))
    }

    fn role(kind: &str, rule: &Value) -> Value {
        json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind,
            "metadata": {"name": "r", "namespace": if kind == "Role" { json!("shop") } else { Value::Null }},
            "rules": [rule]})
    }

    fn refused(caller: &Caller, method: &str, path: &str) -> String {
        let call = Call::new(method, path).caller(caller.clone());
        check(&call).map_or_else(|error| error.message, |()| "allowed".to_owned())
    }

    #[test]
    fn a_refusal_has_the_words_of_the_api_server() {
        let nobody = caller(&role("ClusterRole", &json!({})));
        let refused = |method: &str, path: &str| refused(&nobody, method, path);
        assert_eq!(
            refused("GET", "/api/v1/services"),
            r#"services is forbidden: User "x" cannot list resource "services" in API group "" at the cluster scope"#
        );
        assert_eq!(
            refused("PATCH", "/api/v1/namespaces/shop/services/web/status"),
            r#"services "web" is forbidden: User "x" cannot patch resource "services/status" in API group "" in the namespace "shop""#
        );
        assert_eq!(
            refused("GET", "/apis/apps/v1/namespaces/shop/deployments?watch=true"),
            r#"deployments.apps is forbidden: User "x" cannot watch resource "deployments" in API group "apps" in the namespace "shop""#
        );
        assert_eq!(refused("GET", "/metrics"), r#"forbidden: User "x" cannot get path "/metrics""#);
        for open in ["/version", "/api", "/apis/apps/v1", "/openapi/v3/api/v1", "/"] {
            assert_eq!(refused("GET", open), "allowed", "{open}");
        }
        assert_eq!(refused("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"), "allowed");
    }

    #[test]
    fn a_role_counts_in_its_namespace_and_a_cluster_role_everywhere() {
        let rule = json!({"apiGroups": [""], "resources": ["services"], "verbs": ["get", "list"]});
        let (own, everywhere) = (caller(&role("Role", &rule)), caller(&role("ClusterRole", &rule)));
        for (path, in_shop, in_all) in [
            ("/api/v1/namespaces/shop/services", true, true),
            ("/api/v1/namespaces/other/services", false, true),
            ("/api/v1/services", false, true),
            ("/api/v1/namespaces/shop/services/web/status", false, false),
            ("/api/v1/namespaces/shop/events", false, false),
        ] {
            assert_eq!(refused(&own, "GET", path) == "allowed", in_shop, "{path}");
            assert_eq!(refused(&everywhere, "GET", path) == "allowed", in_all, "{path}");
        }
        let wild = json!({"apiGroups": ["*"], "resources": ["*/status"], "verbs": ["*"], "resourceNames": ["web"]});
        let wild = caller(&role("ClusterRole", &wild));
        assert_eq!(refused(&wild, "PUT", "/api/v1/namespaces/shop/services/web/status"), "allowed");
        assert_ne!(refused(&wild, "PUT", "/api/v1/namespaces/shop/services/other/status"), "allowed");
        assert_ne!(refused(&wild, "PUT", "/api/v1/namespaces/shop/services/web"), "allowed");
    }
}
