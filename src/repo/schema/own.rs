//! What our two kinds share: `apiVersion`, `metadata`, references.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use crate::domain::azure::ResourceId;
use crate::domain::kubernetes::{Namespace, ObjectKey, ServiceName};
use crate::domain::name::DocumentName;
use crate::repo::schema::word;

/// The API version of our kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[schemars(inline)]
pub enum ApiVersion {
    /// The first version.
    #[serde(rename = "privlink.dev/v1alpha1")]
    V1Alpha1,
}

/// Names the document.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Metadata {
    /// The name: unique per environment and kind.
    #[schemars(with = "word::DnsName")]
    pub name: DocumentName,
    /// What privlink is asked to do once.
    #[serde(default)]
    pub annotations: Annotations,
    /// Free labels for people and their tools; privlink does not read them.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
}

/// The annotations known on our kinds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Annotations {
    /// The full id of an existing resource that this document takes over; several, a record and a zone link among them, with
    /// blanks between.
    #[serde(default, rename = "privlink.dev/adopt")]
    #[schemars(with = "Option<word::Ids>")]
    pub adopt: Adopt,
    /// Why what this document asks for is left as it is for a while. Remove it to go on.
    #[serde(default, rename = "privlink.dev/suspend")]
    pub suspend: Option<String>,
    /// When that ends, with its offset: `2026-12-24T08:00:00+01:00`. Without it, the suspension lasts until it is removed.
    #[serde(default, rename = "privlink.dev/suspend-until")]
    pub suspend_until: Option<String>,
}

impl Annotations {
    /// The texts that suspend a document: the reason, and the end.
    pub fn suspension(&self) -> (Option<&str>, Option<&str>) {
        (self.suspend.as_deref(), self.suspend_until.as_deref())
    }
}

/// The existing resources that a document takes over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Adopt(Vec<ResourceId>);

impl Adopt {
    /// The text that names a resource, if one does.
    pub fn of(&self, id: &ResourceId) -> Option<String> {
        self.0.iter().find(|own| *own == id).map(ToString::to_string)
    }
}

impl<'de> Deserialize<'de> for Adopt {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let ids: Vec<ResourceId> =
            text.split_whitespace().map(str::parse).collect::<Result<_, _>>().map_err(D::Error::custom)?;
        if ids.is_empty() { Err(D::Error::custom("it names no resource")) } else { Ok(Self(ids)) }
    }
}

/// Names a Service of the environment's cluster.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServiceReference {
    /// Its namespace.
    #[serde(default = "Namespace::default_namespace")]
    #[schemars(with = "word::DnsLabel", extend("default" = "default"))]
    pub namespace: Namespace,
    /// Its name.
    #[schemars(with = "word::ServiceLabel")]
    pub name: ServiceName,
}

impl ServiceReference {
    /// Namespace and name as one key.
    pub fn key(&self) -> ObjectKey {
        ObjectKey { namespace: self.namespace.clone(), name: self.name.clone() }
    }
}

/// The names of the choices that were made, for "exactly one of" rules.
pub(crate) fn exactly_one<T, const N: usize>(choices: [(&str, Option<T>); N]) -> Result<T, String> {
    let all = choices.iter().map(|(name, _)| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let mut made: Vec<(&str, T)> = choices.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
    match (made.pop(), made.is_empty()) {
        (Some((_, value)), true) => Ok(value),
        (None, _) => Err(format!("one of {all} is needed")),
        (Some((last, _)), false) => {
            let names: Vec<String> =
                made.iter().map(|(name, _)| *name).chain([last]).map(|n| format!("`{n}`")).collect();
            Err(format!("only one of {all} may stand here, not {}", names.join(" and ")))
        }
    }
}

/// Declares the id of one type of resource, so that the id of another is refused where it stands.
macro_rules! typed_id {
    ($($(#[doc = $doc:literal])+ $name:ident, $resource_type:literal, $what:literal;)+) => {
        $(
            $(#[doc = $doc])+
            #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
            #[serde(try_from = "ResourceId")]
            pub struct $name(ResourceId);

            impl $name {
                /// The id.
                pub fn id(&self) -> &ResourceId {
                    &self.0
                }
            }

            impl TryFrom<ResourceId> for $name {
                type Error = String;
                fn try_from(id: ResourceId) -> Result<Self, String> {
                    id_of_type(&id, $resource_type, $what).map(|()| Self(id))
                }
            }

            impl From<$name> for ResourceId {
                fn from(id: $name) -> Self {
                    id.0
                }
            }
        )+
    };
}

typed_id! {
    /// The id of a private endpoint.
    EndpointId, "Microsoft.Network/privateEndpoints", "a private endpoint";
    /// The id of a Private Link Service.
    LinkServiceId, "Microsoft.Network/privateLinkServices", "a Private Link Service";
    /// The id of a subnet.
    SubnetId, "Microsoft.Network/virtualNetworks/subnets", "a subnet";
    /// The id of a virtual network.
    VirtualNetworkId, "Microsoft.Network/virtualNetworks", "a virtual network";
    /// The id of an application security group.
    SecurityGroupId, "Microsoft.Network/applicationSecurityGroups", "an application security group";
    /// The id of an AKS cluster.
    ClusterId, "Microsoft.ContainerService/managedClusters", "an AKS cluster";
}

/// Checks the type of an id, such as `microsoft.network/virtualnetworks`, and says what was expected otherwise.
fn id_of_type(id: &ResourceId, resource_type: &str, what: &str) -> Result<(), String> {
    if id.resource_type() == resource_type.to_ascii_lowercase() {
        Ok(())
    } else {
        Err(format!("this is not the id of {what} ({resource_type}) but of a {}", id.resource_type()))
    }
}
