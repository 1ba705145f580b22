//! From a request to the action that it needs, and the scope over which it needs it.

use crate::sim::arm::request::Request;
use crate::sim::arm::route::Route;

/// An action over a scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Needed {
    pub(crate) action: String,
    pub(crate) scope: String,
}

/// What a request needs; `None` if it needs nothing, or if its answer is cut down to what the caller may read.
///
/// A subscription itself, its regions and its resource providers can be read by whoever has any role in it: identities
/// of clusters read providers and have rights on single groups only.
pub(crate) fn needed(request: &Request, route: &Route) -> Option<Needed> {
    let verb = verb(&request.method);
    match route {
        Route::Resource(path) => Some(over(format!("{}/{verb}", path.resource_type), path.id())),
        Route::List { parent: Some(parent), resource_type, .. } => {
            Some(over(format!("{resource_type}/{verb}"), parent.id()))
        }
        Route::Action { path, .. } => {
            let name = last_segment(request);
            Some(over(format!("{}/{name}/{verb}", path.resource_type), path.id()))
        }
        Route::LocationAction { .. } => {
            let name = last_segment(request);
            let (scope, namespace) = split_at_provider(&request.path);
            Some(over(format!("{namespace}/locations/{name}/{verb}"), scope))
        }
        Route::Group { subscription, group } => Some(over(
            format!("Microsoft.Resources/subscriptions/resourceGroups/{verb}"),
            format!("/subscriptions/{subscription}/resourceGroups/{group}"),
        )),
        Route::Providers { subscription, namespace: Some(namespace), registers: true } => {
            Some(over(format!("{namespace}/register/action"), format!("/subscriptions/{subscription}")))
        }
        Route::Extension { scope, name } => extension(scope, name, verb),
        Route::Providers { .. }
        | Route::List { parent: None, .. }
        | Route::Groups { .. }
        | Route::Everything { .. }
        | Route::Tenants
        | Route::Subscriptions
        | Route::Subscription { .. }
        | Route::Locations { .. }
        | Route::Operation { .. }
        | Route::ResourceGraph
        | Route::Unknown => None,
    }
}

/// Roles are the same everywhere, so anybody may look at their definitions above all subscriptions.
fn extension(scope: &str, name: &str, verb: &str) -> Option<Needed> {
    let action = match name.split('/').next().unwrap_or_default() {
        "permissions" => format!("Microsoft.Authorization/permissions/{verb}"),
        "roleassignments" => format!("Microsoft.Authorization/roleAssignments/{verb}"),
        "roledefinitions" if scope.is_empty() && verb == "read" => return None,
        "roledefinitions" => format!("Microsoft.Authorization/roleDefinitions/{verb}"),
        "tags" => format!("Microsoft.Resources/tags/{verb}"),
        _ => return None,
    };
    Some(over(action, if scope.is_empty() { "/".to_owned() } else { scope.to_owned() }))
}

fn over(action: String, scope: String) -> Needed {
    Needed { action, scope }
}

fn verb(method: &str) -> &'static str {
    match method {
        "GET" | "HEAD" => "read",
        "POST" => "action",
        "DELETE" => "delete",
        _ => "write",
    }
}

/// Verbs keep the client's spelling, which is the one that it knows them by.
fn last_segment(request: &Request) -> &str {
    request.path.trim_end_matches('/').rsplit('/').next().unwrap_or_default()
}

/// What stands before `/providers/`, and the namespace behind it.
fn split_at_provider(path: &str) -> (String, String) {
    const WORD: &str = "/providers/";
    let at = path.to_ascii_lowercase().find(WORD).unwrap_or(path.len());
    let namespace = path.get(at + WORD.len()..).and_then(|rest| rest.split('/').next()).unwrap_or_default();
    (path[..at].to_owned(), namespace.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::arm::route::route;

    fn action_of(method: &str, path: &str) -> Option<(String, String)> {
        let request = Request::internal(method, path, &[], None);
        needed(&request, &route(path)).map(|needed| (needed.action, needed.scope))
    }

    #[test]
    fn every_request_has_the_action_that_azure_names() {
        let group = "/subscriptions/s/resourceGroups/rg";
        let cases = [
            ("PUT", "/privateLinkServices/p", "privateLinkServices/write", "/privateLinkServices/p"),
            ("PATCH", "/privateDnsZones/z/A/@", "privateDnsZones/A/write", "/privateDnsZones/z/A/@"),
            (
                "DELETE",
                "/privateLinkServices/p/privateEndpointConnections/c",
                "privateLinkServices/privateEndpointConnections/delete",
                "/privateLinkServices/p/privateEndpointConnections/c",
            ),
            ("GET", "/virtualNetworks/v/subnets", "virtualNetworks/subnets/read", "/virtualNetworks/v"),
            ("GET", "/privateDnsZones/z/ALL", "privateDnsZones/ALL/read", "/privateDnsZones/z"),
        ];
        for (method, path, action, scope) in cases {
            let network = format!("{group}/providers/Microsoft.Network");
            let found = action_of(method, &format!("{network}{path}"));
            assert_eq!(found, Some((format!("Microsoft.Network/{action}"), format!("{network}{scope}"))));
        }
        let tags = action_of("PATCH", &format!("{group}/providers/Microsoft.Resources/tags/default"));
        assert_eq!(tags, Some(("Microsoft.Resources/tags/write".to_owned(), group.to_owned())));
        let visibility = "providers/Microsoft.Network/locations/eastus2/checkPrivateLinkServiceVisibility";
        let visibility = action_of("POST", &format!("{group}/{visibility}"));
        let action = "Microsoft.Network/locations/checkPrivateLinkServiceVisibility/action";
        assert_eq!(visibility, Some((action.to_owned(), group.to_owned())));
        assert_eq!(action_of("GET", "/subscriptions/s"), None);
        assert_eq!(action_of("GET", &format!("{group}/providers/Microsoft.Network/loadBalancers")), None);
    }
}
