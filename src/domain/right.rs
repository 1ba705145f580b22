//! What an identity may do in Azure: roles give actions with wildcards at a scope, and everything below it.
//!
//! An action is allowed if one role in force allows it: one of its `actions` matches, and none of the same role's
//! `notActions` does. Nothing of another role takes it away again. Source: Azure's documentation of role definitions.

use std::fmt;

use crate::domain::azure::ClientId;
use crate::domain::azure::PrincipalId;
use crate::domain::azure::ResourceGroup;
use crate::domain::azure::ResourceId;
use crate::domain::azure::SubscriptionId;

/// What one role in force gives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Permission {
    /// Actions that it gives, `*` standing for any characters.
    pub actions: Vec<String>,
    /// Actions among them that it does not give after all.
    pub not_actions: Vec<String>,
}

impl Permission {
    /// True if it gives an action.
    pub fn gives(&self, action: &str) -> bool {
        let is_in = |patterns: &[String]| patterns.iter().any(|pattern| matches(pattern, action));
        is_in(&self.actions) && !is_in(&self.not_actions)
    }
}

/// True if a pattern stands for an action; case does not matter.
fn matches(pattern: &str, action: &str) -> bool {
    let (pattern, action) = (pattern.to_ascii_lowercase(), action.to_ascii_lowercase());
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == action };
    let Some(mut left) = action.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let last = parts.pop().unwrap_or_default();
    // Each part as early as it comes leaves the most for those behind it; the last one has to be the end.
    for part in parts {
        let Some(at) = left.find(part) else { return false };
        left = &left[at + part.len()..];
    }
    left.ends_with(last)
}

/// Who has rights or lacks them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grantee {
    /// The identity that applies plans, by its application.
    Applier(ClientId),
    /// A person who applies plans as themselves, by their object.
    Person(PrincipalId),
    /// The identity of a cluster, as which its cloud provider acts.
    Cluster(PrincipalId),
}

impl Grantee {
    /// The id by which roles are given to it.
    pub fn id(&self) -> &str {
        match self {
            Self::Applier(client) => client.as_str(),
            Self::Person(principal) | Self::Cluster(principal) => principal.as_str(),
        }
    }
}

impl fmt::Display for Grantee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Applier(client) => write!(f, "the identity {client}"),
            Self::Person(principal) => write!(f, "the person {principal}"),
            Self::Cluster(principal) => write!(f, "the cluster's identity {principal}"),
        }
    }
}

/// Where rights are asked for and given: what is given at a group holds for everything in it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RightScope {
    /// A subscription.
    Subscription(SubscriptionId),
    /// A resource group.
    Group(SubscriptionId, ResourceGroup),
    /// One resource.
    Resource(ResourceId),
}

impl RightScope {
    /// The group of a resource.
    pub fn group_of(id: &ResourceId) -> Self {
        Self::Group(id.subscription(), id.resource_group())
    }
}

impl fmt::Display for RightScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Subscription(subscription) => write!(f, "/subscriptions/{subscription}"),
            Self::Group(subscription, group) => write!(f, "/subscriptions/{subscription}/resourceGroups/{group}"),
            Self::Resource(id) => write!(f, "{id}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The definition, word for word: a `*` is any characters, everything else is itself.
    fn naive(pattern: &[u8], action: &[u8]) -> bool {
        match pattern {
            [] => action.is_empty(),
            [b'*', rest @ ..] => (0..=action.len()).any(|at| naive(rest, &action[at..])),
            [first, rest @ ..] => action.first() == Some(first) && naive(rest, &action[1..]),
        }
    }

    fn owned(list: &[&str]) -> Vec<String> {
        list.iter().map(|own| (*own).to_owned()).collect()
    }

    #[test]
    fn what_a_role_takes_out_of_its_own_actions_another_one_may_still_give() {
        let write = "Microsoft.Network/virtualNetworks/subnets/write";
        let role = Permission {
            actions: owned(&["microsoft.network/*"]),
            not_actions: owned(&["Microsoft.Network/virtualNetworks/*/Write"]),
        };
        assert!(!role.gives(write) && role.gives("Microsoft.Network/virtualNetworks/subnets/join/action"));
        assert!(!role.gives("Microsoft.Authorization/permissions/read"));
        let other = Permission { actions: owned(&["*/write"]), not_actions: Vec::new() };
        assert!([role, other].iter().any(|role| role.gives(write)));
        assert!(!Permission::default().gives(write));
    }

    proptest! {
        #[test]
        fn an_action_is_matched_as_the_definition_says(pattern in "[ab/*]{0,8}", action in "[ab/]{0,10}") {
            prop_assert_eq!(matches(&pattern, &action), naive(pattern.as_bytes(), action.as_bytes()));
        }

        #[test]
        fn a_role_gives_what_its_actions_give_without_what_it_takes_out(
            actions in prop::collection::vec("[ab/*]{0,5}", 0..3),
            not_actions in prop::collection::vec("[ab/*]{0,5}", 0..3),
            action in "[ab/]{0,6}",
        ) {
            let is_in = |list: &[String]| list.iter().any(|own| naive(own.as_bytes(), action.as_bytes()));
            let expected = is_in(&actions) && !is_in(&not_actions);
            prop_assert_eq!(Permission { actions: actions.clone(), not_actions }.gives(&action.to_uppercase()), expected);
        }
    }
}
