//! What one caller may do, worked out once per request.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::sim::arm::authorization::role::RoleDefinition;
use crate::sim::arm::authorization::{Authorization, fold, is_at_or_above};
use crate::sim::arm::request::Caller;
use crate::sim::arm::route::ResourcePath;

/// The rights of a caller.
#[derive(Clone, Debug)]
pub(crate) enum Grants {
    /// The platform's: everything.
    Everything,
    /// A principal's: its roles, each with its folded scope.
    Held(Vec<(String, Arc<RoleDefinition>)>),
}

impl Grants {
    pub(crate) fn of(authorization: &Authorization, caller: &Caller) -> Self {
        let Caller::Identity(principal) = caller else { return Self::Everything };
        let own = authorization.assignments.values();
        let own = own.filter(|own| own.principal.eq_ignore_ascii_case(&principal.object_id));
        Self::Held(own.filter_map(|own| Some((fold(&own.scope), authorization.role(&own.role)?.clone()))).collect())
    }

    /// True if an action is allowed at a scope in any spelling.
    pub(crate) fn allows(&self, action: &str, scope: &str) -> bool {
        let scope = fold(scope);
        match self {
            Self::Everything => true,
            Self::Held(held) => held.iter().any(|(own, role)| is_at_or_above(own, &scope) && role.allows(action)),
        }
    }

    /// True if the caller has any role in a subscription, at whatever scope: without one it does not exist for it.
    pub(crate) fn reaches(&self, subscription: &str) -> bool {
        let subscription = format!("/subscriptions/{}", subscription.to_ascii_lowercase());
        match self {
            Self::Everything => true,
            Self::Held(held) => {
                held.iter().any(|(own, _)| is_at_or_above(&subscription, own) || is_at_or_above(own, &subscription))
            }
        }
    }

    /// The roles in force at a scope.
    pub(crate) fn at(&self, scope: &str) -> Vec<&RoleDefinition> {
        let scope = fold(scope);
        match self {
            Self::Everything => Vec::new(),
            Self::Held(held) => {
                held.iter().filter(|(own, _)| is_at_or_above(own, &scope)).map(|(_, role)| role.as_ref()).collect()
            }
        }
    }

    /// Where an action is allowed.
    pub(crate) fn places(&self, action: &str) -> Places {
        let Self::Held(held) = self else { return Places { everywhere: true, ..Places::default() } };
        let mut places = Places::default();
        for (scope, _) in held.iter().filter(|(_, role)| role.allows(action)) {
            match scope.strip_prefix("/subscriptions/") {
                _ if scope.is_empty() => places.everywhere = true,
                Some(subscription) if !subscription.contains('/') => {
                    places.subscriptions.insert(subscription.to_owned());
                }
                _ => places.narrower.push(scope.clone()),
            }
        }
        places
    }
}

/// The scopes at which an action is allowed, so that a long list asks each of its items one cheap question.
#[derive(Clone, Debug, Default)]
pub(crate) struct Places {
    everywhere: bool,
    subscriptions: BTreeSet<String>,
    narrower: Vec<String>,
}

impl Places {
    /// True if the action is allowed at a scope in this subscription; the scope is only built if that matters.
    pub(crate) fn cover(&self, subscription: &str, scope: impl FnOnce() -> String) -> bool {
        if self.everywhere || self.subscriptions.contains(subscription) {
            return true;
        }
        if self.narrower.is_empty() {
            return false;
        }
        let scope = fold(&scope());
        self.narrower.iter().any(|own| is_at_or_above(own, &scope))
    }

    /// True if the action is allowed at a scope in this subscription, or somewhere below it.
    pub(crate) fn touch(&self, subscription: &str, scope: &str) -> bool {
        let folded = fold(scope);
        self.cover(subscription, || scope.to_owned()) || self.narrower.iter().any(|own| is_at_or_above(&folded, own))
    }
}

/// Which resources a caller may read.
#[derive(Debug)]
pub(crate) struct Readable<'a> {
    grants: &'a Grants,
    by_type: BTreeMap<&'static str, Places>,
}

impl<'a> Readable<'a> {
    pub(crate) fn by(grants: &'a Grants) -> Self {
        Self { grants, by_type: BTreeMap::new() }
    }

    /// True if the caller may read a resource.
    pub(crate) fn shows(&mut self, path: &ResourcePath) -> bool {
        let grants = self.grants;
        let places = self
            .by_type
            .entry(path.resource_type)
            .or_insert_with(|| grants.places(&format!("{}/read", path.resource_type)));
        places.cover(&path.subscription, || path.id())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::arm::authorization::Assignment;
    use crate::sim::arm::request::Principal;

    const ONE: &str = "/subscriptions/00000000-0000-0000-0000-000000000001";
    const READ: &str = "Microsoft.Network/loadBalancers/read";

    fn grants(assignments: &[(&str, &str)]) -> Grants {
        let mut all = Authorization::default();
        for (index, (role, scope)) in assignments.iter().enumerate() {
            let role = all.role_named(role).unwrap().id.clone();
            all.assign(Assignment {
                id: index.to_string(),
                scope: (*scope).to_owned(),
                role,
                principal: "P".to_owned(),
                principal_type: "ServicePrincipal".to_owned(),
                description: None,
                created_at: 0,
                created_by: String::new(),
            });
        }
        let principal =
            Principal { name: "n".to_owned(), object_id: "p".to_owned(), tenant: "t".to_owned(), is_internal: false };
        Grants::of(&all, &Caller::Identity(principal))
    }

    #[test]
    fn a_role_counts_at_its_scope_and_below_but_not_beside_it() {
        let grants = grants(&[("Reader", &format!("{ONE}/resourceGroups/RG"))]);
        assert!(grants.allows(READ, &format!("{ONE}/resourcegroups/rg/providers/Microsoft.Network/loadBalancers/x")));
        assert!(!grants.allows(READ, &format!("{ONE}/resourceGroups/rg2/providers/Microsoft.Network/loadBalancers/x")));
        assert!(!grants.allows(READ, ONE));
        assert!(grants.reaches("00000000-0000-0000-0000-000000000001"));
        assert!(!grants.reaches("00000000-0000-0000-0000-000000000002"));
    }

    #[test]
    fn one_role_may_give_what_another_one_leaves_out() {
        let contributor = grants(&[("Contributor", ONE)]);
        assert!(!contributor.allows("Microsoft.Authorization/roleAssignments/write", ONE));
        let both = grants(&[("Contributor", ONE), ("User Access Administrator", ONE)]);
        assert!(both.allows("Microsoft.Authorization/roleAssignments/write", ONE));
    }

    #[test]
    fn the_places_of_an_action_say_the_same_as_its_grants() {
        let group = format!("{ONE}/resourceGroups/rg");
        let grants = grants(&[("Network Contributor", &group)]);
        let places = grants.places(READ);
        let subscription = "00000000-0000-0000-0000-000000000001";
        assert!(places.cover(subscription, || format!("{group}/providers/Microsoft.Network/loadBalancers/x")));
        assert!(!places.cover(subscription, || format!("{ONE}/resourceGroups/other")));
        assert!(places.touch(subscription, ONE) && !places.touch(subscription, &format!("{ONE}/resourceGroups/other")));
        assert!(!grants.places("Microsoft.Compute/virtualMachineScaleSets/read").touch(subscription, &group));
    }
}
