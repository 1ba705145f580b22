//! The wire form of `kind: PrivateLinkService`: publishes a Service.

use std::net::Ipv4Addr;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::domain::azure::{AzureName, ResourceGroup, ResourceId, SubscriptionId};
use crate::domain::name::DocumentName;
use crate::repo::schema::own::{ApiVersion, EndpointId, Metadata, ServiceReference, exactly_one};
use crate::repo::schema::word;

/// Publishes a Service through an Azure Private Link Service.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(title = "PrivateLinkService")]
pub struct PrivateLinkService {
    /// The version of this format.
    pub api_version: ApiVersion,
    /// The kind.
    pub kind: Kind,
    /// Names the document.
    pub metadata: Metadata,
    /// What is wanted.
    pub spec: Spec,
}

/// The kind of the document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[schemars(inline)]
pub enum Kind {
    /// The only one.
    PrivateLinkService,
}

/// What is published, to whom, and how.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Spec {
    /// The Service: in this repository, or only in the cluster.
    pub service: ServiceReference,
    /// Who builds the Private Link Service.
    #[serde(default)]
    #[schemars(extend("default" = "cluster"))]
    pub managed_by: ManagedBy,
    /// The name of the Azure resource. Default: as the cloud provider names it.
    #[schemars(with = "Option<word::NetworkName>")]
    pub name: Option<AzureName>,
    /// The resource group of the Azure resource. Required with `managedBy: privlink`.
    #[schemars(with = "Option<word::Group>")]
    pub resource_group: Option<ResourceGroup>,
    /// Who can see the service and ask for a connection.
    #[schemars(with = "VisibilityWire")]
    pub visibility: Visibility,
    /// Whose connections need no approval; each must also be visible.
    pub auto_approval: Option<AutoApproval>,
    /// The addresses behind which consumers appear to the pods.
    pub nat: Option<Nat>,
    /// Domain names that consumers are told.
    #[serde(default)]
    pub fqdns: Vec<word::Fqdn>,
    /// True to tell the pods the consumer's address by the proxy protocol.
    #[serde(default)]
    pub proxy_protocol: bool,
    /// What happens to requests from consumers.
    pub connections: Option<Connections>,
    /// The PrivateLinkService whose consumers move to this one: both serve until the other document is deleted.
    #[schemars(with = "Option<word::DnsName>")]
    pub replaces: Option<DocumentName>,
}

/// Who builds the Private Link Service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum ManagedBy {
    /// The cluster's cloud provider, from annotations of the Service.
    #[default]
    Cluster,
    /// Privlink itself.
    Privlink,
}

/// Who can see the service.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "VisibilityWire")]
pub enum Visibility {
    /// Only who has a role on it.
    RoleBased,
    /// These subscriptions.
    Subscriptions(Vec<SubscriptionId>),
    /// Anyone who knows the alias.
    AnyoneWithAlias,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Visibility", description = "Who can see the service and ask for a connection.")]
struct VisibilityWire {
    /// `role-based`: who has a role on it; `subscriptions`: those listed; `anyone-with-alias`: anyone who knows the alias.
    mode: VisibilityMode,
    /// The subscriptions, with `mode: subscriptions` only.
    #[schemars(with = "Option<Vec<word::Guid>>")]
    subscriptions: Option<Vec<SubscriptionId>>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
enum VisibilityMode {
    RoleBased,
    Subscriptions,
    AnyoneWithAlias,
}

impl TryFrom<VisibilityWire> for Visibility {
    type Error = &'static str;

    fn try_from(wire: VisibilityWire) -> Result<Self, &'static str> {
        match (wire.mode, wire.subscriptions) {
            (VisibilityMode::Subscriptions, Some(list)) if !list.is_empty() => Ok(Self::Subscriptions(list)),
            (VisibilityMode::Subscriptions, _) => {
                Err("`mode: subscriptions` needs a list `subscriptions` with at least one of them")
            }
            (VisibilityMode::RoleBased, None) => Ok(Self::RoleBased),
            (VisibilityMode::AnyoneWithAlias, None) => Ok(Self::AnyoneWithAlias),
            (VisibilityMode::RoleBased | VisibilityMode::AnyoneWithAlias, Some(_)) => {
                Err("`subscriptions` only goes with `mode: subscriptions`")
            }
        }
    }
}

/// Whose connections need no approval.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AutoApproval {
    /// Subscriptions, each also visible.
    #[schemars(with = "Vec<word::Guid>")]
    pub subscriptions: Vec<SubscriptionId>,
}

/// The addresses behind which consumers appear to the pods.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Nat {
    /// The subnet they are taken from, in the cluster's virtual network. Default: the load balancer's.
    #[schemars(with = "Option<word::NetworkName>")]
    pub subnet: Option<AzureName>,
    /// How many, 1 to 8. Default: as many as `addresses`, or 1.
    pub count: Option<word::NatCount>,
    /// Static ones; the first is the primary. The rest is given dynamically.
    #[serde(default)]
    #[schemars(with = "Vec<word::Ipv4Text>", extend("maxItems" = 8, "uniqueItems" = true))]
    pub addresses: Vec<Ipv4Addr>,
}

/// What happens to requests from consumers.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Connections {
    /// Requests to approve.
    #[serde(default)]
    #[schemars(with = "Vec<RequesterWire>")]
    pub approve: Vec<Requester>,
    /// Requests to reject.
    #[serde(default)]
    #[schemars(with = "Vec<RequesterWire>")]
    pub reject: Vec<Requester>,
    /// What happens to all others.
    #[serde(default)]
    #[schemars(extend("default" = "leave-pending"))]
    pub otherwise: Otherwise,
}

/// Who asks for a connection.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "RequesterWire")]
pub enum Requester {
    /// Any private endpoint of a subscription.
    Subscription(SubscriptionId),
    /// One private endpoint.
    Endpoint(ResourceId),
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Requester", description = "Who asks for a connection: exactly one of the two.")]
#[schemars(extend("minProperties" = 1, "maxProperties" = 1))]
struct RequesterWire {
    /// Any private endpoint of this subscription.
    #[schemars(with = "Option<word::Guid>")]
    subscription: Option<SubscriptionId>,
    /// One private endpoint, by its full id.
    #[schemars(with = "Option<word::Id>")]
    endpoint: Option<EndpointId>,
}

impl TryFrom<RequesterWire> for Requester {
    type Error = String;

    fn try_from(wire: RequesterWire) -> Result<Self, String> {
        exactly_one([
            ("subscription", wire.subscription.map(Self::Subscription)),
            ("endpoint", wire.endpoint.map(|it| Self::Endpoint(it.into()))),
        ])
    }
}

/// What happens to requests that no rule names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum Otherwise {
    /// They stay pending.
    #[default]
    LeavePending,
    /// They are rejected.
    Reject,
}
