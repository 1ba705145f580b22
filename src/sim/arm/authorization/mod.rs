//! Who may do what: roles, their assignments to principals at scopes, and what follows for one caller.
//!
//! ```text
//!  request ─ action ─▶ "Microsoft.Network/privateLinkServices/write" over the resource's id
//!                        │ allowed if one assignment at that scope or above has a role that matches
//!  assignments ─ grants ─┘ (wildcards in actions, minus the same role's notActions)
//!  body ─ linked ─▶ the same for every resource that the body refers to
//! ```
//! Nothing denies: what no assignment allows is refused. An assignment written over HTTP counts from the next request on.

pub(crate) mod action;
pub(crate) mod assignments;
mod built_in;
pub(crate) mod definitions;
mod filter;
mod grants;
pub(crate) mod linked;
pub(crate) mod permissions;
mod role;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub(crate) use crate::sim::arm::authorization::built_in::names as built_in_roles;
pub(crate) use crate::sim::arm::authorization::grants::{Grants, Readable};
pub(crate) use crate::sim::arm::authorization::role::RoleDefinition;

/// A role given to a principal at a scope.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Assignment {
    /// A GUID, which is also its name.
    pub(crate) id: String,
    /// A resource id, a group's or a subscription's.
    pub(crate) scope: String,
    /// The GUID of the role definition.
    pub(crate) role: String,
    /// The object id of the principal.
    pub(crate) principal: String,
    pub(crate) principal_type: String,
    pub(crate) description: Option<String>,
    /// Seconds since 1970.
    pub(crate) created_at: i64,
    /// The object id of who made it; empty for the platform.
    pub(crate) created_by: String,
}

/// All roles and all assignments.
#[derive(Clone, Debug)]
pub(crate) struct Authorization {
    roles: BTreeMap<String, Arc<RoleDefinition>>,
    assignments: BTreeMap<String, Assignment>,
    /// The object ids that the directory knows.
    principals: BTreeSet<String>,
}

impl Default for Authorization {
    fn default() -> Self {
        let roles = built_in::roles().into_iter().map(|role| (role.id.clone(), Arc::new(role))).collect();
        Self { roles, assignments: BTreeMap::new(), principals: BTreeSet::new() }
    }
}

impl Authorization {
    /// Adds a custom role.
    pub(crate) fn define(&mut self, role: RoleDefinition) {
        self.roles.insert(role.id.to_ascii_lowercase(), Arc::new(role));
    }

    pub(crate) fn role(&self, id: &str) -> Option<&Arc<RoleDefinition>> {
        self.roles.get(&id.to_ascii_lowercase())
    }

    pub(crate) fn role_named(&self, name: &str) -> Option<&Arc<RoleDefinition>> {
        self.roles.values().find(|role| role.name.eq_ignore_ascii_case(name))
    }

    /// Makes a principal known.
    pub(crate) fn admit(&mut self, principal: &str) {
        self.principals.insert(principal.to_ascii_lowercase());
    }

    fn knows(&self, principal: &str) -> bool {
        self.principals.contains(&principal.to_ascii_lowercase())
    }

    /// Adds an assignment.
    pub(crate) fn assign(&mut self, assignment: Assignment) {
        self.assignments.insert(assignment.id.to_ascii_lowercase(), assignment);
    }

    /// All assignments.
    pub(crate) fn assignments(&self) -> impl Iterator<Item = &Assignment> {
        self.assignments.values()
    }

    /// Forgets the assignments at a resource that is gone, and below it.
    pub(crate) fn scope_is_gone(&mut self, id: &str) {
        let id = fold(id);
        self.assignments.retain(|_, own| !is_at_or_above(&id, &fold(&own.scope)));
    }
}

/// The form of a scope that is compared.
fn fold(scope: &str) -> String {
    scope.trim_end_matches('/').to_ascii_lowercase()
}

/// True if a scope is the other one or above it. Both are folded.
fn is_at_or_above(scope: &str, other: &str) -> bool {
    other.strip_prefix(scope).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
