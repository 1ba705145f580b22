//! The kinds a cluster serves, and how a path names one.

use super::schema::Schema;
use super::schema::config_map::CONFIG_MAP;
use super::schema::endpoint::{ENDPOINT_SLICE, ENDPOINTS};
use super::schema::event::{EVENT, NEW_EVENT};
use super::schema::lease::LEASE;
use super::schema::namespace::NAMESPACE;
use super::schema::node::NODE;
use super::schema::service::SERVICE;

/// A kind of object.
#[derive(Debug)]
pub(crate) struct Kind {
    /// The API group; empty for the core group.
    pub(crate) group: &'static str,
    /// The version within it.
    pub(crate) version: &'static str,
    /// The plural, as in paths.
    pub(crate) plural: &'static str,
    /// The kind, as in manifests.
    pub(crate) name: &'static str,
    /// What kubectl accepts instead of the plural.
    pub(crate) short: &'static [&'static str],
    /// True if objects live in a namespace.
    pub(crate) is_namespaced: bool,
    /// True if there is a `/status` subresource.
    pub(crate) has_status: bool,
    /// The fields.
    pub(crate) schema: &'static Schema,
    /// True if its objects are those of the core kind of the same plural, with other names for some fields.
    pub(crate) is_spelling: bool,
}

const CORE: Kind = Kind {
    group: "",
    version: "v1",
    plural: "",
    name: "",
    short: &[],
    is_namespaced: true,
    has_status: false,
    schema: &EVENT,
    is_spelling: false,
};

const CLUSTER_WIDE: Kind = Kind { is_namespaced: false, has_status: true, ..CORE };

/// Everything a cluster serves, by group.
pub(crate) static KINDS: [Kind; 9] = [
    Kind { plural: "configmaps", name: "ConfigMap", short: &["cm"], schema: &CONFIG_MAP, ..CORE },
    Kind { plural: "endpoints", name: "Endpoints", short: &["ep"], schema: &ENDPOINTS, ..CORE },
    Kind { plural: "events", name: "Event", short: &["ev"], schema: &EVENT, ..CORE },
    Kind { plural: "namespaces", name: "Namespace", short: &["ns"], schema: &NAMESPACE, ..CLUSTER_WIDE },
    Kind { plural: "nodes", name: "Node", short: &["no"], schema: &NODE, ..CLUSTER_WIDE },
    Kind { plural: "services", name: "Service", short: &["svc"], has_status: true, schema: &SERVICE, ..CORE },
    Kind { group: "coordination.k8s.io", plural: "leases", name: "Lease", schema: &LEASE, ..CORE },
    Kind {
        group: "discovery.k8s.io",
        plural: "endpointslices",
        name: "EndpointSlice",
        schema: &ENDPOINT_SLICE,
        ..CORE
    },
    Kind {
        group: "events.k8s.io",
        plural: "events",
        name: "Event",
        short: &["ev"],
        schema: &NEW_EVENT,
        is_spelling: true,
        ..CORE
    },
];

impl Kind {
    /// `apiVersion` of its objects.
    pub(crate) fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.to_owned() } else { format!("{}/{}", self.group, self.version) }
    }

    /// Finds a kind by plural, singular, kind or short name.
    pub(crate) fn find(word: &str) -> Option<&'static Self> {
        KINDS
            .iter()
            .find(|kind| kind.plural == word || kind.name.eq_ignore_ascii_case(word) || kind.short.contains(&word))
    }

    /// What its objects are stored under.
    pub(crate) fn stored_name(&self) -> String {
        if self.is_spelling { self.plural.to_owned() } else { self.qualified() }
    }

    /// The kind whose objects are stored: itself, or the core kind that this one is another spelling of.
    pub(crate) fn stored(&'static self) -> &'static Self {
        let is_core = |kind: &&Self| kind.group.is_empty() && kind.plural == self.plural;
        if self.is_spelling { KINDS.iter().find(is_core).unwrap_or(self) } else { self }
    }

    /// The kind with its group, as messages about invalid objects name it.
    pub(crate) fn qualified_name(&self) -> String {
        if self.group.is_empty() { self.name.to_owned() } else { format!("{}.{}", self.name, self.group) }
    }

    pub(crate) fn is_service(&self) -> bool {
        self.plural == "services"
    }

    /// The plural with its group, as messages about a group's kinds name it.
    pub(crate) fn qualified(&self) -> String {
        if self.group.is_empty() { self.plural.to_owned() } else { format!("{}.{}", self.plural, self.group) }
    }
}

/// What a path under `/api` or `/apis` names.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) kind: &'static Kind,
    /// The namespace; `None` for all of them and for kinds without one.
    pub(crate) namespace: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) subresource: Option<String>,
}

/// Reads a path; `None` if it names nothing that is served.
pub(crate) fn target_of(path: &str) -> Option<Target> {
    let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
    let (group, version, rest) = match segments.as_slice() {
        ["api", version, rest @ ..] => ("", *version, rest),
        ["apis", group, version, rest @ ..] => (*group, *version, rest),
        _ => return None,
    };
    let (namespace, rest) = match rest {
        ["namespaces", namespace, rest @ ..] if !rest.is_empty() && !matches!(rest, ["status" | "finalize"]) => {
            (Some((*namespace).to_owned()), rest)
        }
        rest => (None, rest),
    };
    let [plural, rest @ ..] = rest else { return None };
    let kind = KINDS.iter().find(|kind| kind.group == group && kind.version == version && kind.plural == *plural)?;
    let at = |index: usize| rest.get(index).map(|segment| (*segment).to_owned());
    if rest.len() > 2 || (namespace.is_some() && !kind.is_namespaced) {
        return None;
    }
    Some(Target { kind, namespace, name: at(0), subresource: at(1) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_name_kinds_namespaces_and_subresources() {
        let show = |path: &str| {
            target_of(path).map(|target| {
                let Target { kind, namespace, name, subresource } = target;
                [Some(kind.plural.to_owned()), namespace, name, subresource].map(Option::unwrap_or_default).join("|")
            })
        };
        assert_eq!(show("/api/v1/services").unwrap(), "services|||");
        assert_eq!(show("/api/v1/namespaces/shop/services/web/status").unwrap(), "services|shop|web|status");
        assert_eq!(show("/api/v1/namespaces/shop").unwrap(), "namespaces||shop|");
        assert_eq!(show("/apis/coordination.k8s.io/v1/namespaces/a/leases/b").unwrap(), "leases|a|b|");
        assert_eq!(show("/api/v1/namespaces/shop/nodes"), None);
        assert_eq!(show("/apis/apps/v1/deployments"), None);
    }
}
