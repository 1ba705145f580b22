//! The one property of a subnet that privlink may change: its Private Link Service network policy.

use crate::domain::azure::ResourceId;
use crate::domain::cidr::Cidr;
use crate::domain::resource::Provisioning;
use crate::domain::resource::Seen;
use crate::value::Fields;
use crate::value::Value;

/// Says that a subnet shall take NAT addresses of Private Link Services: its policy is `Disabled`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubnetPolicy {
    /// The subnet.
    pub id: ResourceId,
}

impl SubnetPolicy {
    /// The comparable fields.
    pub fn fields(&self) -> Fields {
        let Self { id: _ } = self;
        policy_fields(false)
    }
}

/// A subnet as seen.
#[derive(Clone, Debug, PartialEq)]
pub struct LiveSubnet {
    /// The subnet.
    pub id: ResourceId,
    /// Its prefixes.
    pub prefixes: Vec<Cidr>,
    /// True if `privateLinkServiceNetworkPolicies` is anything but `Disabled`.
    pub policy_enabled: bool,
    /// Whether Azure is done with it.
    pub provisioning: Provisioning,
    /// Version and body.
    pub seen: Seen,
}

impl LiveSubnet {
    /// The comparable fields.
    pub fn fields(&self) -> Fields {
        policy_fields(self.policy_enabled)
    }
}

fn policy_fields(enabled: bool) -> Fields {
    let word = if enabled { "Enabled" } else { "Disabled" };
    Fields::from([("privateLinkServiceNetworkPolicies".to_owned(), Value::text(word))])
}
