//! A private endpoint: one consumer's way to one service.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::domain::azure::Alias;
use crate::domain::azure::AzureName;
use crate::domain::azure::Location;
use crate::domain::azure::ResourceId;
use crate::domain::key::PublisherKey;
use crate::domain::key::ResourceKey;
use crate::domain::mark::Mark;
use crate::domain::resource::Provisioning;
use crate::domain::resource::Seen;
use crate::domain::resource::connection::ConnectionStatus;
use crate::domain::resource::dns::insert_tags;
use crate::value::Fields;
use crate::value::Output;
use crate::value::Value;

/// What an endpoint connects to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A Private Link Service of this plan; `known` once it exists.
    Produced {
        /// Whose it is.
        publisher: PublisherKey,
        /// Its id, if it exists.
        known: Option<ResourceId>,
    },
    /// A Private Link Service by id.
    Id(ResourceId),
    /// A Private Link Service by alias: possible with a manual request only.
    Alias(Alias),
}

/// How the connection is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Approved at once if the service approves our subscription or we may approve on it.
    Automatic,
    /// Waits for the provider; the message is at most 140 characters.
    Manual {
        /// What the provider reads.
        message: String,
    },
}

/// A private endpoint in normal form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrivateEndpoint {
    /// Its id.
    pub id: ResourceId,
    /// The region of its virtual network.
    pub location: Location,
    /// The subnet its address comes from.
    pub subnet: ResourceId,
    /// What it reaches.
    pub target: Target,
    /// The name of the connection.
    pub connection_name: AzureName,
    /// How it asks.
    pub request: Request,
    /// A static address; `None` lets Azure choose.
    pub address: Option<IpAddr>,
    /// A name for its network interface; `None` lets Azure choose.
    pub network_interface_name: Option<AzureName>,
    /// Application security groups, in no order.
    pub application_security_groups: BTreeSet<ResourceId>,
    /// Tags, ours included.
    pub tags: BTreeMap<String, String>,
}

impl PrivateEndpoint {
    /// The fields that Azure refuses to change on an existing endpoint: a difference in one forces a replacement.
    ///
    /// Source: `CannotChangeSubnetOnExistingPrivateEndpoint` and the force-new list that real clients keep.
    pub const IMMUTABLE: [&'static str; 7] =
        ["location", "subnet", "target", "connection.name", "connection.request", "ipAddress", "networkInterfaceName"];

    /// The comparable fields.
    pub fn fields(&self) -> Fields {
        let Self {
            id: _,
            location,
            subnet,
            target,
            connection_name,
            request,
            address,
            network_interface_name,
            application_security_groups,
            tags,
        } = self;
        let mut fields = Fields::from([
            ("location".to_owned(), Value::text(location)),
            ("subnet".to_owned(), Value::Id(subnet.clone())),
            ("target".to_owned(), target.value()),
            ("connection.name".to_owned(), Value::text(connection_name)),
        ]);
        match request {
            Request::Automatic => fields.insert("connection.request".to_owned(), Value::text("automatic")),
            Request::Manual { message } => {
                fields.insert("connection.message".to_owned(), Value::Text(message.clone()));
                fields.insert("connection.request".to_owned(), Value::text("manual"))
            }
        };
        if let Some(address) = address {
            fields.insert("ipAddress".to_owned(), Value::text(address));
        }
        if let Some(name) = network_interface_name {
            fields.insert("networkInterfaceName".to_owned(), Value::text(name));
        }
        if !application_security_groups.is_empty() {
            let groups = application_security_groups.iter().map(ResourceId::folded);
            fields.insert("applicationSecurityGroups".to_owned(), Value::set(groups));
        }
        insert_tags(&mut fields, "tags", tags);
        fields
    }
}

impl Target {
    fn value(&self) -> Value {
        match self {
            Self::Id(id) => Value::Id(id.clone()),
            Self::Alias(alias) => Value::Text(alias.folded()),
            Self::Produced { publisher, known } => Value::Produced {
                by: ResourceKey::PrivateLinkService(publisher.clone()),
                output: Output::Id,
                known: known.as_ref().map(ToString::to_string),
            },
        }
    }
}

/// A private endpoint as seen.
#[derive(Clone, Debug, PartialEq)]
pub struct LivePrivateEndpoint {
    /// In normal form; the target is never `Produced`.
    pub endpoint: PrivateEndpoint,
    /// What the provider answered.
    pub status: ConnectionStatus,
    /// What the provider wrote beside it.
    pub status_description: String,
    /// Its private address, once its network interface has one.
    pub private_address: Option<IpAddr>,
    /// Its network interface.
    pub network_interface: Option<ResourceId>,
    /// Whether Azure is done with it.
    pub provisioning: Provisioning,
    /// Whose it is.
    pub mark: Option<Mark>,
    /// Version and body.
    pub seen: Seen,
}
