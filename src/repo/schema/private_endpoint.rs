//! The wire form of `kind: PrivateEndpoint`: consumes a Private Link Service.

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::domain::azure::{Alias, AzureName, Location, ResourceGroup, ResourceId, SubscriptionId};
use crate::domain::kubernetes::ObjectKey;
use crate::domain::name::DocumentName;
use crate::repo::schema::own::{
    ApiVersion, LinkServiceId, Metadata, SecurityGroupId, ServiceReference, SubnetId, VirtualNetworkId, exactly_one,
};
use crate::repo::schema::word;

/// Consumes a Private Link Service through an Azure private endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(title = "PrivateEndpoint")]
pub struct PrivateEndpoint {
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
    PrivateEndpoint,
}

/// Where the endpoint is and what it connects to.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Spec {
    /// The subscription of the endpoint. Default: the environment's.
    #[schemars(with = "Option<word::Guid>")]
    pub subscription: Option<SubscriptionId>,
    /// The resource group of the endpoint.
    #[schemars(with = "word::Group")]
    pub resource_group: ResourceGroup,
    /// The region of the endpoint: that of its virtual network.
    #[schemars(with = "word::Region")]
    pub location: Location,
    /// The name of the Azure resource. Default: `metadata.name`.
    #[schemars(with = "Option<word::NetworkName>")]
    pub name: Option<AzureName>,
    /// The subnet the endpoint takes its address from.
    #[schemars(with = "SubnetWire")]
    pub subnet: Subnet,
    /// What it connects to.
    #[schemars(with = "TargetWire")]
    pub target: Target,
    /// How the connection is asked for.
    pub connection: Option<Connection>,
    /// A static address. Default: any free one.
    #[schemars(with = "Option<word::IpText>")]
    pub ip_address: Option<IpAddr>,
    /// The name of its network interface. Default: Azure's choice.
    #[schemars(with = "Option<word::NetworkName>")]
    pub network_interface_name: Option<AzureName>,
    /// Application security groups the endpoint belongs to, by full id.
    #[serde(default)]
    #[schemars(with = "Vec<word::Id>")]
    pub application_security_groups: Vec<SecurityGroupId>,
    /// Tags of the endpoint.
    #[serde(default)]
    pub tags: word::Tags,
    /// A records with the endpoint's address.
    #[serde(default)]
    pub dns: Vec<DnsRecord>,
}

/// A subnet.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "SubnetWire")]
pub enum Subnet {
    /// By name.
    Named {
        /// The resource group of the virtual network. Default: the endpoint's.
        resource_group: Option<ResourceGroup>,
        /// The virtual network.
        virtual_network: AzureName,
        /// The subnet.
        name: AzureName,
    },
    /// By full id.
    Id(ResourceId),
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(rename = "Subnet", description = "A subnet: `virtualNetwork` and `name`, or `id`.")]
#[schemars(extend("oneOf" = [{ "required": ["virtualNetwork", "name"] }, { "required": ["id"], "maxProperties": 1 }]))]
struct SubnetWire {
    /// The resource group of the virtual network. Default: the endpoint's.
    #[schemars(with = "Option<word::Group>")]
    resource_group: Option<ResourceGroup>,
    /// The virtual network.
    #[schemars(with = "Option<word::NetworkName>")]
    virtual_network: Option<AzureName>,
    /// The subnet.
    #[schemars(with = "Option<word::NetworkName>")]
    name: Option<AzureName>,
    /// The full id of the subnet.
    #[schemars(with = "Option<word::Id>")]
    id: Option<SubnetId>,
}

impl TryFrom<SubnetWire> for Subnet {
    type Error = String;

    fn try_from(wire: SubnetWire) -> Result<Self, String> {
        match wire {
            SubnetWire { id: Some(id), resource_group: None, virtual_network: None, name: None } => {
                Ok(Self::Id(id.into()))
            }
            SubnetWire { id: None, resource_group, virtual_network: Some(virtual_network), name: Some(name) } => {
                Ok(Self::Named { resource_group, virtual_network, name })
            }
            SubnetWire { id: Some(_), .. } => Err("`id` says everything: remove the other keys".to_owned()),
            SubnetWire { id: None, virtual_network: None, .. } => Err("`virtualNetwork` is missing".to_owned()),
            SubnetWire { id: None, name: None, .. } => Err("`name` is missing: which subnet of it?".to_owned()),
        }
    }
}

/// What an endpoint connects to.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "TargetWire")]
pub enum Target {
    /// A PrivateLinkService document of the same environment.
    PrivateLinkService(DocumentName),
    /// The Private Link Service of a Service, whoever built it.
    Service(ObjectKey),
    /// A Private Link Service by full id.
    Id(ResourceId),
    /// A Private Link Service by alias.
    Alias(Alias),
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(rename = "Target", description = "What the endpoint connects to: exactly one of these.")]
#[schemars(extend("minProperties" = 1, "maxProperties" = 1))]
struct TargetWire {
    /// A PrivateLinkService document of the same environment, by its name.
    #[schemars(with = "Option<word::DnsName>")]
    private_link_service: Option<DocumentName>,
    /// The Private Link Service of a Service, whoever built it.
    service: Option<ServiceReference>,
    /// A Private Link Service, by its full id.
    #[schemars(with = "Option<word::Id>")]
    id: Option<LinkServiceId>,
    /// A Private Link Service, by its alias; needs `connection.request: manual`.
    #[schemars(with = "Option<word::AliasText>")]
    alias: Option<Alias>,
}

impl TryFrom<TargetWire> for Target {
    type Error = String;

    fn try_from(wire: TargetWire) -> Result<Self, String> {
        exactly_one([
            ("privateLinkService", wire.private_link_service.map(Self::PrivateLinkService)),
            ("service", wire.service.map(|service| Self::Service(service.key()))),
            ("id", wire.id.map(|id| Self::Id(id.into()))),
            ("alias", wire.alias.map(Self::Alias)),
        ])
    }
}

/// How the connection is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Connection {
    /// The name of the connection. Default: the endpoint's.
    #[schemars(with = "Option<word::NetworkName>")]
    pub name: Option<AzureName>,
    /// Whether the provider's owner has to say yes.
    #[serde(default)]
    #[schemars(extend("default" = "automatic"))]
    pub request: Request,
    /// What the provider's owner reads; at most 140 characters (Azure's limit).
    pub message: Option<word::RequestMessage>,
}

/// Whether the provider's owner has to say yes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum Request {
    /// Our rights on the Private Link Service, or its auto-approval, suffice.
    #[default]
    Automatic,
    /// The provider approves.
    Manual,
}

/// An A record set in a private DNS zone.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct DnsRecord {
    /// The subscription of the zone. Default: the environment's.
    #[schemars(with = "Option<word::Guid>")]
    pub subscription: Option<SubscriptionId>,
    /// The resource group of the zone.
    #[schemars(with = "word::Group")]
    pub resource_group: ResourceGroup,
    /// The zone; it must exist.
    pub zone: word::ZoneName,
    /// The record, relative to the zone; `@` is the zone itself.
    pub record: word::RecordName,
    /// Seconds that a resolver may keep it. Default: 300.
    pub ttl: Option<word::Ttl>,
    /// Virtual networks that privlink links to the zone, by full id.
    #[serde(default)]
    #[schemars(with = "Vec<word::Id>")]
    pub links: Vec<VirtualNetworkId>,
}
