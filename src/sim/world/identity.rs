//! The part of a world that says who there is and what they may do: identities, roles, subscriptions.

use std::fmt;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::domain::azure::{ClientId, SubscriptionId, TenantId};

/// An application that can get a token.
///
/// `role` and `subscriptions` are shorthand for assignments at whole subscriptions; `assignments` may come in their
/// place or beside them. Without any of them it can sign in and sees nothing.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Identity {
    /// What people call it.
    pub name: String,
    /// The application id.
    #[schemars(with = "String")]
    pub client_id: ClientId,
    /// Its client secret; without one only federated assertions and the managed-identity endpoint work.
    #[serde(default)]
    pub secret: Option<String>,
    /// Its tenant; the world's if absent.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub tenant: Option<TenantId>,
    /// What it may do in `subscriptions`.
    #[serde(default)]
    pub role: Option<Role>,
    /// Where it has its `role`; in all subscriptions of its tenant if absent.
    #[serde(default)]
    #[schemars(with = "Option<Vec<String>>")]
    pub subscriptions: Option<Vec<SubscriptionId>>,
    /// Roles at any scope.
    #[serde(default)]
    pub assignments: Vec<RoleAssignment>,
    /// True if the managed-identity endpoint hands out its tokens to callers that name no client.
    #[serde(default)]
    pub managed: bool,
    /// Whose assertions it takes; any that looks like one if there is none here.
    #[serde(default)]
    pub federated: Vec<FederatedCredential>,
}

/// An issuer whose assertions an application takes, for one subject.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct FederatedCredential {
    /// Who issues them.
    pub issuer: String,
    /// For whom.
    pub subject: String,
}

impl Identity {
    /// The object id of its service principal: follows from its client id.
    pub(crate) fn object_id(&self) -> String {
        let name = format!("privlink-sim/principal/{}", self.client_id);
        uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_URL, name.as_bytes()).to_string()
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({}, {})", self.name, self.client_id)
    }
}

/// The shorthand of an identity's rights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Reads everything, and may ask for a cluster's user credential.
    Reader,
    /// Reads and writes everything but rights.
    Contributor,
}

impl Role {
    /// The names of the roles that it stands for.
    pub(crate) fn names(self) -> &'static [&'static str] {
        match self {
            Self::Reader => &["Reader", "Azure Kubernetes Service Cluster User Role"],
            Self::Contributor => &["Contributor"],
        }
    }
}

/// A role at a scope.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RoleAssignment {
    /// The name of the role: one of Azure's, or one of `role-definitions`.
    pub role: String,
    /// The id of a subscription, a resource group or a resource. It need not exist yet.
    pub scope: String,
}

impl RoleAssignment {
    /// The subscription of the scope.
    pub(crate) fn subscription(&self) -> Option<SubscriptionId> {
        let mut parts = self.scope.strip_prefix('/')?.split('/');
        parts.next().filter(|word| word.eq_ignore_ascii_case("subscriptions"))?;
        parts.next()?.parse().ok()
    }
}

/// A role of one's own.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RoleDefinition {
    /// Its name, which assignments use.
    pub name: String,
    /// What it is for.
    #[serde(default)]
    pub description: String,
    /// Patterns of actions, such as `Microsoft.Network/privateLinkServices/*`.
    pub actions: Vec<String>,
    /// What is taken off them.
    #[serde(default)]
    pub not_actions: Vec<String>,
}

/// A subscription.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Subscription {
    /// Its id.
    #[schemars(with = "String")]
    pub id: SubscriptionId,
    /// Its display name.
    pub name: String,
    /// Its tenant; the world's if absent.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub tenant: Option<TenantId>,
    /// Whether identities may write to it.
    #[serde(default)]
    pub state: SubscriptionState,
    /// Resource providers, such as `Microsoft.Network`, that it has to register before an identity makes anything of
    /// theirs.
    #[serde(default)]
    pub not_registered: Vec<String>,
}

/// Whether a subscription can be written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SubscriptionState {
    /// It can.
    #[default]
    Enabled,
    /// It can only be read.
    Disabled,
}
