//! From a request path to what it addresses, without regard to case.
//!
//! Clients differ in spelling (`resourceGroups` and `resourcegroups`, `mc_…` for `MC_…`), Azure answers with its own.
//! A [`ResourcePath`] therefore keeps the spelling of names and folds only its key.

use crate::sim::arm::kind::Kind;
use crate::sim::arm::request::decode_segment;

/// The address of one resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ResourcePath {
    pub(crate) subscription: String,
    pub(crate) group: String,
    pub(crate) kind: Kind,
    /// `namespace/type[/type…]` in Azure's spelling.
    pub(crate) resource_type: &'static str,
    /// One name per type segment.
    pub(crate) names: Vec<String>,
}

impl ResourcePath {
    /// Reads a resource id or the path of a request.
    pub(crate) fn parse(id: &str) -> Option<Self> {
        match route(id) {
            Route::Resource(path) => Some(path),
            _ => None,
        }
    }

    /// The id in Azure's spelling of types and in the given spelling of names.
    pub(crate) fn id(&self) -> String {
        let mut segments = self.resource_type.split('/');
        // Ids are made for nearly every look-up: one allocation, not one a segment.
        let mut id = String::with_capacity(192);
        for (word, value) in [
            ("/subscriptions/", self.subscription.as_str()),
            ("/resourceGroups/", self.group.as_str()),
            ("/providers/", segments.next().unwrap_or_default()),
        ] {
            id.push_str(word);
            id.push_str(value);
        }
        for (segment, name) in segments.zip(&self.names) {
            for part in [segment, name] {
                id.push('/');
                id.push_str(part);
            }
        }
        id
    }

    /// The form that is compared.
    pub(crate) fn key(&self) -> String {
        let mut key = self.id();
        key.make_ascii_lowercase();
        key
    }

    pub(crate) fn name(&self) -> &str {
        self.names.last().map_or("", String::as_str)
    }

    /// The last segment of the type: the list of the parent in which a child lives.
    pub(crate) fn segment(&self) -> &'static str {
        self.resource_type.rsplit('/').next().unwrap_or_default()
    }

    pub(crate) fn parent(&self) -> Option<Self> {
        let (resource_type, _) = self.resource_type.rsplit_once('/')?;
        let (resource_type, kind) = Kind::find(resource_type)?;
        let names = self.names[..self.names.len() - 1].to_vec();
        Some(Self { kind, resource_type, names, ..self.clone() })
    }

    /// The address of a child.
    pub(crate) fn child(&self, segment: &str, name: &str) -> Option<Self> {
        let (resource_type, kind) = Kind::find(&format!("{}/{segment}", self.resource_type))?;
        let names = self.names.iter().cloned().chain([name.to_owned()]).collect();
        Some(Self { kind, resource_type, names, ..self.clone() })
    }
}

/// What a request addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    Tenants,
    Subscriptions,
    Subscription {
        subscription: String,
    },
    Locations {
        subscription: String,
    },
    Providers {
        subscription: String,
        namespace: Option<String>,
        registers: bool,
    },
    Groups {
        subscription: String,
    },
    Group {
        subscription: String,
        group: String,
    },
    /// `…/resources`: everything in a subscription or group.
    Everything {
        subscription: String,
        group: Option<String>,
    },
    /// All resources of one type in a subscription, a group, or a parent.
    List {
        subscription: String,
        group: Option<String>,
        parent: Option<ResourcePath>,
        resource_type: &'static str,
    },
    Resource(ResourcePath),
    /// A verb on a resource, such as `listClusterUserCredential`.
    Action {
        path: ResourcePath,
        action: String,
    },
    /// `…/locations/{location}/{action}`.
    LocationAction {
        subscription: String,
        action: String,
    },
    Operation {
        id: String,
        is_result: bool,
    },
    /// `{scope}/providers/Microsoft.Authorization/…` and `{scope}/providers/Microsoft.Resources/tags/default`.
    Extension {
        scope: String,
        name: String,
    },
    ResourceGraph,
    Unknown,
}

impl Route {
    /// The subscription that the request is about, if it is about one.
    pub(crate) fn subscription(&self) -> Option<&str> {
        match self {
            Self::Subscription { subscription }
            | Self::Locations { subscription }
            | Self::Providers { subscription, .. }
            | Self::Groups { subscription }
            | Self::Group { subscription, .. }
            | Self::Everything { subscription, .. }
            | Self::List { subscription, .. }
            | Self::LocationAction { subscription, .. } => Some(subscription),
            Self::Resource(path) | Self::Action { path, .. } => Some(&path.subscription),
            Self::Extension { scope, .. } => scope.split('/').nth(2).filter(|part| !part.is_empty()),
            Self::Tenants | Self::Subscriptions | Self::Operation { .. } | Self::ResourceGraph | Self::Unknown => None,
        }
    }
}

fn is(part: Option<&String>, word: &str) -> bool {
    part.is_some_and(|part| part.eq_ignore_ascii_case(word))
}

/// Reads a path.
pub(crate) fn route(path: &str) -> Route {
    let parts: Vec<String> = path.split('/').filter(|part| !part.is_empty()).map(decode_segment).collect();
    if let Some(operation) = operation(&parts) {
        return operation;
    }
    if let Some(extension) = extension(&parts) {
        return extension;
    }
    if is(parts.first(), "tenants") && parts.len() == 1 {
        return Route::Tenants;
    }
    if is(parts.first(), "providers") && is(parts.get(1), "Microsoft.ResourceGraph") && is(parts.get(2), "resources") {
        return Route::ResourceGraph;
    }
    if !is(parts.first(), "subscriptions") {
        return Route::Unknown;
    }
    let Some(subscription) = parts.get(1).map(|id| id.to_ascii_lowercase()) else { return Route::Subscriptions };
    match parts.get(2).map(|part| part.to_ascii_lowercase()).as_deref() {
        None => Route::Subscription { subscription },
        Some("locations") => Route::Locations { subscription },
        Some("resources") => Route::Everything { subscription, group: None },
        Some("providers") => in_provider(subscription, None, &parts[3..]),
        Some("resourcegroups") => in_groups(subscription, &parts[3..]),
        Some(_) => Route::Unknown,
    }
}

fn in_groups(subscription: String, rest: &[String]) -> Route {
    match rest {
        [] => Route::Groups { subscription },
        [group] => Route::Group { subscription, group: group.clone() },
        [group, word] if word.eq_ignore_ascii_case("resources") => {
            Route::Everything { subscription, group: Some(group.clone()) }
        }
        [group, word, rest @ ..] if word.eq_ignore_ascii_case("providers") => {
            in_provider(subscription, Some(group.clone()), rest)
        }
        _ => Route::Unknown,
    }
}

/// What follows `providers/`: a namespace, then types and names in turn.
fn in_provider(subscription: String, group: Option<String>, rest: &[String]) -> Route {
    let Some((namespace, rest)) = rest.split_first() else {
        return Route::Providers { subscription, namespace: None, registers: false };
    };
    match rest {
        [] => return Route::Providers { subscription, namespace: Some(namespace.clone()), registers: false },
        [word] if word.eq_ignore_ascii_case("register") => {
            return Route::Providers { subscription, namespace: Some(namespace.clone()), registers: true };
        }
        [word, _, action] if word.eq_ignore_ascii_case("locations") => {
            return Route::LocationAction { subscription, action: action.to_ascii_lowercase() };
        }
        _ => {}
    }
    let types: Vec<&str> = rest.iter().step_by(2).map(String::as_str).collect();
    let found = Kind::find(&format!("{namespace}/{}", types.join("/")));
    if rest.len() % 2 == 0 {
        return match (found, group) {
            (Some((resource_type, kind)), Some(group)) => {
                let names = rest.iter().skip(1).step_by(2).cloned().collect();
                Route::Resource(ResourcePath { subscription, group, kind, resource_type, names })
            }
            _ => Route::Unknown,
        };
    }
    let parent_path = |group: &String| {
        let path = format!(
            "/subscriptions/{subscription}/resourceGroups/{group}/providers/{namespace}/{}",
            rest[..rest.len() - 1].join("/")
        );
        ResourcePath::parse(&path)
    };
    let parent = group.as_ref().and_then(parent_path);
    match (found, parent, rest.last()) {
        (Some((resource_type, _)), parent, _) => Route::List { subscription, group, parent, resource_type },
        (None, Some(path), Some(action)) => Route::Action { path, action: action.to_ascii_lowercase() },
        _ => Route::Unknown,
    }
}

/// Operation URLs live under whatever provider started them; only the last two parts matter.
fn operation(parts: &[String]) -> Option<Route> {
    let [.., word, id] = parts else { return None };
    let says = |words: &[&str]| words.iter().any(|own| own.eq_ignore_ascii_case(word));
    let is_result = says(&["operationResults", "privateDnsOperationResults"]);
    if !is_result && !says(&["operations", "operationStatuses", "privateDnsOperationStatuses"]) {
        return None;
    }
    (parts.len() > 3).then(|| Route::Operation { id: id.clone(), is_result })
}

fn extension(parts: &[String]) -> Option<Route> {
    let at = parts.iter().rposition(|part| part.eq_ignore_ascii_case("providers"))?;
    let namespace = parts.get(at + 1)?;
    let name = || parts[at + 2..].join("/").to_ascii_lowercase();
    let known = namespace.eq_ignore_ascii_case("Microsoft.Authorization")
        || (namespace.eq_ignore_ascii_case("Microsoft.Resources") && name().starts_with("tags/"));
    if !known || parts.len() == at + 2 {
        return None;
    }
    let scope = parts[..at].iter().map(|part| format!("/{part}")).collect();
    Some(Route::Extension { scope, name: name() })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GROUP: &str = "/subscriptions/S/resourcegroups/mc_rg/providers";

    #[test]
    fn a_path_is_read_without_regard_to_case_and_answered_in_azures_spelling() {
        let path =
            ResourcePath::parse(&format!("{GROUP}/microsoft.network/LOADBALANCERS/lb/frontendIpConfigurations/F"))
                .unwrap();
        assert_eq!(
            path.id(),
            "/subscriptions/s/resourceGroups/mc_rg/providers/Microsoft.Network/loadBalancers/lb/frontendIPConfigurations/F"
        );
        assert_eq!(path.parent().unwrap().name(), "lb");
    }

    #[test]
    fn lists_actions_and_operations_are_told_apart() {
        let list = route(&format!("{GROUP}/Microsoft.Network/virtualNetworks/v/subnets"));
        assert!(matches!(list, Route::List { parent: Some(_), .. }), "{list:?}");
        let action = route(&format!("{GROUP}/Microsoft.ContainerService/managedClusters/c/listClusterUserCredential"));
        assert!(
            matches!(action, Route::Action { ref action, .. } if action == "listclusterusercredential"),
            "{action:?}"
        );
        let operation = route("/subscriptions/S/providers/Microsoft.Network/locations/eastus2/operations/42");
        assert_eq!(operation, Route::Operation { id: "42".into(), is_result: false });
        let extension = route(&format!(
            "{GROUP}/Microsoft.Network/virtualNetworks/v/providers/Microsoft.Authorization/permissions"
        ));
        assert!(matches!(extension, Route::Extension { ref name, .. } if name == "permissions"), "{extension:?}");
    }

    #[test]
    fn the_apex_record_set_may_be_percent_encoded() {
        let path = ResourcePath::parse(&format!("{GROUP}/Microsoft.Network/privateDnsZones/z/a/%40")).unwrap();
        assert_eq!((path.name(), path.resource_type), ("@", "Microsoft.Network/privateDnsZones/A"));
    }
}
