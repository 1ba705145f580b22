//! A Private Link Service: written by privlink, or built by the cloud provider from annotations.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;

use crate::domain::azure::Alias;
use crate::domain::azure::AzureName;
use crate::domain::azure::Location;
use crate::domain::azure::ResourceId;
use crate::domain::azure::SubscriptionId;
use crate::domain::key::PublisherKey;
use crate::domain::key::ResourceKey;
use crate::domain::kubernetes::ObjectKey;
use crate::domain::mark::Mark;
use crate::domain::resource::Provisioning;
use crate::domain::resource::Seen;
use crate::domain::resource::connection::LiveConnection;
use crate::domain::resource::dns::insert_tags;
use crate::value::Fields;
use crate::value::Output;
use crate::value::Value;

/// The tag in which the cloud provider names its cluster.
pub const CLUSTER_TAG: &str = "k8s-azure-cluster-name";
/// The tag in which the cloud provider names the owning Service as `namespace/name`.
pub const SERVICE_TAG: &str = "k8s-azure-owner-service";

/// How many Private Link Services a Standard load balancer carries. Source: Microsoft's limits of Private Link.
pub const PER_LOAD_BALANCER: usize = 8;

/// Who may ask for a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Visibility {
    /// Only principals with rights on the service itself.
    RoleBased,
    /// These subscriptions. Azure takes at most 100.
    Subscriptions(BTreeSet<SubscriptionId>),
    /// Everybody who knows the alias.
    AnyoneWithAlias,
}

impl fmt::Display for Visibility {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RoleBased => f.write_str("role-based"),
            Self::AnyoneWithAlias => f.write_str("anyone-with-alias"),
            Self::Subscriptions(ids) => {
                write!(f, "{}", ids.iter().map(SubscriptionId::as_str).collect::<Vec<_>>().join(", "))
            }
        }
    }
}

impl Visibility {
    /// True if a subscription sees the service without a role on it.
    pub fn names(&self, subscription: &SubscriptionId) -> bool {
        match self {
            Self::AnyoneWithAlias => true,
            Self::Subscriptions(listed) => listed.contains(subscription),
            Self::RoleBased => false,
        }
    }

    /// True if somebody who was kept out by `before` is let in by `self`.
    pub fn is_wider_than(&self, before: &Self) -> bool {
        match (before, self) {
            (Self::AnyoneWithAlias, _) | (_, Self::RoleBased) => false,
            (_, Self::AnyoneWithAlias) => true,
            (Self::RoleBased, Self::Subscriptions(after)) => !after.is_empty(),
            (Self::Subscriptions(before), Self::Subscriptions(after)) => !after.is_subset(before),
        }
    }
}

/// Who is let in without asking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AutoApproval {
    /// These subscriptions, as far as they see the service. Azure takes at most 100.
    Subscriptions(BTreeSet<SubscriptionId>),
    /// Everybody who sees the service: `*`, which no document can say and Azure takes all the same.
    Everybody,
}

impl Default for AutoApproval {
    fn default() -> Self {
        Self::Subscriptions(BTreeSet::new())
    }
}

impl FromIterator<SubscriptionId> for AutoApproval {
    fn from_iter<I: IntoIterator<Item = SubscriptionId>>(ids: I) -> Self {
        Self::Subscriptions(ids.into_iter().collect())
    }
}

impl AutoApproval {
    /// True if a subscription that sees the service is let in without asking.
    pub fn names(&self, subscription: &SubscriptionId) -> bool {
        match self {
            Self::Everybody => true,
            Self::Subscriptions(listed) => listed.contains(subscription),
        }
    }

    /// Who is let in and does not see the service, which Azure refuses.
    pub fn outside(&self, visibility: &Visibility) -> Option<String> {
        match self {
            Self::Everybody => (*visibility != Visibility::AnyoneWithAlias).then(|| "everybody".to_owned()),
            Self::Subscriptions(listed) => {
                listed.iter().find(|subscription| !visibility.names(subscription)).map(ToString::to_string)
            }
        }
    }
}

/// The NAT side: the addresses from which backends see consumers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nat {
    /// The subnet the addresses come from; `None` leaves the choice to the cloud provider.
    pub subnet: Option<ResourceId>,
    /// How many addresses there are, 1-8.
    pub count: u8,
    /// The static ones; the first is primary.
    pub addresses: Vec<IpAddr>,
}

/// What is the same whoever builds the service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exposure {
    /// Its NAT addresses.
    pub nat: Nat,
    /// Who may ask.
    pub visibility: Visibility,
    /// Who is let in without asking.
    pub auto_approval: AutoApproval,
    /// Names shown to consumers.
    pub fqdns: BTreeSet<String>,
    /// Whether backends get PROXY protocol v2 headers.
    pub proxy_protocol: bool,
}

impl Exposure {
    /// The comparable fields.
    pub fn fields(&self) -> Fields {
        let Self { nat: Nat { subnet, count, addresses }, visibility, auto_approval, fqdns, proxy_protocol } = self;
        let mut fields = Fields::from([
            ("nat.count".to_owned(), Value::Integer(i64::from(*count))),
            ("proxyProtocol".to_owned(), Value::Bool(*proxy_protocol)),
        ]);
        let visibility = match visibility {
            Visibility::Subscriptions(ids) => Value::set(ids),
            Visibility::RoleBased | Visibility::AnyoneWithAlias => Value::text(visibility),
        };
        fields.insert("visibility".to_owned(), visibility);
        if let Some(subnet) = subnet {
            fields.insert("nat.subnet".to_owned(), Value::Id(subnet.clone()));
        }
        if !addresses.is_empty() {
            let addresses = addresses.iter().map(ToString::to_string).collect();
            fields.insert("nat.addresses".to_owned(), Value::List(addresses));
        }
        match auto_approval {
            AutoApproval::Everybody => drop(fields.insert("autoApproval".to_owned(), Value::set(["*"]))),
            AutoApproval::Subscriptions(ids) if !ids.is_empty() => {
                fields.insert("autoApproval".to_owned(), Value::set(ids));
            }
            AutoApproval::Subscriptions(_) => {}
        }
        if !fqdns.is_empty() {
            fields.insert("fqdns".to_owned(), Value::set(fqdns));
        }
        fields
    }
}

/// A Private Link Service that the cloud provider shall build for a Service, as its annotations ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publication {
    /// The Service.
    pub service: ObjectKey,
    /// The name asked for; `None` leaves it to the cloud provider.
    pub name: Option<AzureName>,
    /// What the annotations ask for.
    pub exposure: Exposure,
}

impl Publication {
    /// Its identity: the Service's.
    pub fn key(&self) -> PublisherKey {
        PublisherKey::Cluster(self.service.clone())
    }

    /// The comparable fields; what the annotations leave open is not in them.
    pub fn fields(&self) -> Fields {
        let Self { service: _, name, exposure } = self;
        let mut fields = exposure.fields();
        if let Some(name) = name {
            fields.insert("name".to_owned(), Value::Text(name.folded()));
        }
        fields
    }
}

/// Where the service gets its traffic from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frontend {
    /// The frontend of this Service's address; `known` once it has one.
    OfService {
        /// The Service.
        service: ObjectKey,
        /// The frontend's id, if it exists.
        known: Option<ResourceId>,
    },
    /// A frontend by id.
    Id(ResourceId),
}

/// A Private Link Service that privlink writes itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrivateLinkService {
    /// Its id.
    pub id: ResourceId,
    /// The region of the load balancer.
    pub location: Location,
    /// Where its traffic comes out.
    pub frontend: Frontend,
    /// Everything consumers notice.
    pub exposure: Exposure,
    /// Tags, ours included.
    pub tags: BTreeMap<String, String>,
}

impl PrivateLinkService {
    /// The fields that force a replacement: a new alias, and every consumer has to connect anew.
    pub const IMMUTABLE: [&'static str; 3] = ["location", "frontend", "nat.subnet"];

    /// Its identity.
    pub fn key(&self) -> PublisherKey {
        PublisherKey::Own(self.id.clone())
    }

    /// The comparable fields.
    pub fn fields(&self) -> Fields {
        let Self { id: _, location, frontend, exposure, tags } = self;
        let mut fields = exposure.fields();
        fields.insert("location".to_owned(), Value::text(location));
        let frontend = match frontend {
            Frontend::Id(id) => Value::Id(id.clone()),
            Frontend::OfService { service, known } => Value::Produced {
                by: ResourceKey::Service(service.clone()),
                output: Output::Frontend,
                known: known.as_ref().map(ToString::to_string),
            },
        };
        fields.insert("frontend".to_owned(), frontend);
        insert_tags(&mut fields, "tags", tags);
        fields
    }
}

/// A Private Link Service as seen, whoever built it.
#[derive(Clone, Debug, PartialEq)]
pub struct LivePrivateLinkService {
    /// In normal form; the frontend is never `OfService`.
    pub service: PrivateLinkService,
    /// The alias, fixed for its life.
    pub alias: Option<Alias>,
    /// Every connection, whatever its state.
    pub connections: Vec<LiveConnection>,
    /// Whether Azure is done with it.
    pub provisioning: Provisioning,
    /// Whose it is.
    pub mark: Option<Mark>,
    /// Version and body.
    pub seen: Seen,
}

impl LivePrivateLinkService {
    /// The Service that the cloud provider's owner tag names; `None` where the tags are not the cloud provider's.
    pub fn cluster_owner(&self) -> Option<ObjectKey> {
        let tag = |wanted: &str| {
            self.service.tags.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value.trim())
        };
        tag(CLUSTER_TAG)?;
        tag(SERVICE_TAG)?.parse().ok()
    }

    /// True if the cloud provider built it for another Service than this one, which then has no say in its settings.
    pub fn is_shared_by(&self, service: &ObjectKey) -> bool {
        self.cluster_owner().is_some_and(|owner| owner != *service)
    }

    /// The frontend it stands on.
    pub fn frontend(&self) -> Option<&ResourceId> {
        match &self.service.frontend {
            Frontend::Id(id) => Some(id),
            Frontend::OfService { known, .. } => known.as_ref(),
        }
    }
}
