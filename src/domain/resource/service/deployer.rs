//! Who deploys a Service, by the marks that deployment tools leave on what they write.
//!
//! Such a tool writes its own manifest again, sooner or later: what somebody else changes there does not last.

use std::fmt;

use serde_json::Value as Json;

use crate::domain::resource::service::LiveService;

/// A tool, or a controller, that keeps a Service as it wants it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Deployer {
    /// Helm. Source: the labels and annotations that Helm 3 adopts objects by, and its field manager.
    Helm {
        /// The release, where something tells it.
        release: Option<String>,
    },
    /// An application of Argo CD. Source: its resource tracking by annotation and by label.
    ArgoCd {
        /// The application.
        application: String,
    },
    /// A kustomization or a Helm release of Flux. Source: the labels that its controllers set.
    Flux {
        /// Which, with its kind.
        name: String,
    },
    /// An object of the cluster that owns it.
    Owner {
        /// Kind and name.
        name: String,
    },
}

impl Deployer {
    /// Reads who deploys a Service; `None` where nothing tells.
    pub(super) fn of(live: &LiveService) -> Option<Self> {
        let (labels, annotations) = (live.labels(), live.annotations());
        let label = |key: &str| labels.get(key).filter(|text| !text.is_empty()).cloned();
        let annotation = |key: &str| annotations.get(key).filter(|text| !text.is_empty()).cloned();
        let is_argo = live.managers.values().any(|manager| manager.starts_with("argocd"));
        let tracked = annotation("argocd.argoproj.io/tracking-id");
        let tracked = tracked.and_then(|text| Some(text.split_once(':')?.0.to_owned()));
        let application = tracked
            .or_else(|| label("argocd.argoproj.io/instance"))
            .or_else(|| label("app.kubernetes.io/instance").filter(|_| is_argo));
        if let Some(application) = application {
            return Some(Self::ArgoCd { application });
        }
        for (kind, key) in
            [("kustomization", "kustomize.toolkit.fluxcd.io/name"), ("Helm release", "helm.toolkit.fluxcd.io/name")]
        {
            if let Some(name) = label(key) {
                return Some(Self::Flux { name: format!("{kind} {name}") });
            }
        }
        let release = annotation("meta.helm.sh/release-name");
        let is_helm = label("app.kubernetes.io/managed-by").is_some_and(|text| text == "Helm")
            || live.managers.values().any(|manager| manager == "helm");
        if is_helm || release.is_some() {
            return Some(Self::Helm { release: release.or_else(|| label("app.kubernetes.io/instance")) });
        }
        let owner = live.manifest.pointer("/metadata/ownerReferences/0")?;
        let text = |name: &str| owner.get(name).and_then(Json::as_str).unwrap_or_default();
        Some(Self::Owner { name: format!("{} {}", text("kind"), text("name")) })
    }

    /// What to do in order to have it done there, as the end of a sentence.
    pub fn advice(&self) -> &'static str {
        match self {
            Self::Helm { .. } => "set its annotations in the values of the chart",
            Self::ArgoCd { .. } | Self::Flux { .. } => "set its annotations in the repository that it is deployed from",
            Self::Owner { .. } => "set its annotations where that is described",
        }
    }
}

impl fmt::Display for Deployer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Helm { release: Some(release) } => write!(f, "the Helm release {release}"),
            Self::Helm { release: None } => f.write_str("Helm"),
            Self::ArgoCd { application } => write!(f, "the Argo CD application {application}"),
            Self::Flux { name } => write!(f, "Flux's {name}"),
            Self::Owner { name } => write!(f, "the {name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::*;

    fn told(metadata: &Json, manager: &str) -> Option<String> {
        let live = LiveService {
            key: "shop/orders".parse().unwrap(),
            uid: "u".parse().unwrap(),
            resource_version: "1".parse().unwrap(),
            manifest: json!({ "metadata": metadata, "spec": {} }),
            owned: BTreeSet::new(),
            managers: BTreeMap::from([("spec.type".to_owned(), manager.to_owned())]),
            addresses: Vec::new(),
            deleting: false,
            mark: None,
            published_by: None,
        };
        live.deployer().map(|deployer| deployer.to_string())
    }

    #[test]
    fn a_tool_is_known_by_what_it_leaves_on_an_object_and_kubectl_is_none() {
        let label = |key: &str, text: &str| json!({ "labels": { key: text } });
        let annotation = |key: &str, text: &str| json!({ "annotations": { key: text } });
        let cases = [
            (annotation("meta.helm.sh/release-name", "web"), "kubectl", Some("the Helm release web")),
            (label("app.kubernetes.io/managed-by", "Helm"), "kubectl", Some("Helm")),
            (json!({}), "helm", Some("Helm")),
            (
                annotation("argocd.argoproj.io/tracking-id", "shop:/Service:shop/orders"),
                "kubectl",
                Some("the Argo CD application shop"),
            ),
            (label("app.kubernetes.io/instance", "shop"), "argocd-controller", Some("the Argo CD application shop")),
            (label("app.kubernetes.io/instance", "shop"), "kubectl", None),
            (label("kustomize.toolkit.fluxcd.io/name", "apps"), "x", Some("Flux's kustomization apps")),
            (json!({ "ownerReferences": [{ "kind": "Gateway", "name": "g" }] }), "x", Some("the Gateway g")),
            (json!({}), "kubectl-client-side-apply", None),
        ];
        for (metadata, manager, expected) in cases {
            assert_eq!(told(&metadata, manager).as_deref(), expected, "{metadata} {manager}");
        }
    }
}
