//! What an identity may do, as far as Azure was asked, and what a user may do, as far as a cluster was.
//!
//! Both tell each caller its own rights and nobody else's. So they are those of whoever asked, and count as those of the
//! identity that applies only if the settings name it. The rights of the cluster's identity are put together from its roles.

use std::collections::BTreeMap;

use crate::domain::right::Access;
use crate::domain::right::Grantee;
use crate::domain::right::Permission;
use crate::domain::right::RightScope;

/// The rights of an identity, at the scopes that were asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rights {
    /// Whose they are.
    pub identity: Grantee,
    /// True if the settings say that this one applies; else another runner may apply as somebody else.
    pub is_named: bool,
    /// What is in force at each scope, inherited roles included. What could not be read is not here.
    pub at: BTreeMap<RightScope, Vec<Permission>>,
}

/// What is known about a right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// A role in force gives it.
    Held,
    /// No role in force gives it.
    Lacking,
    /// The scope that decides could not be read.
    Unknown,
}

impl Rights {
    /// Says whether an action is given at one of these scopes; the last one is the narrowest and decides.
    pub fn standing(&self, action: &str, scopes: &[RightScope]) -> Standing {
        let gives = |scope: &RightScope| self.at.get(scope).map(|roles| roles.iter().any(|role| role.gives(action)));
        if scopes.iter().any(|scope| gives(scope) == Some(true)) {
            return Standing::Held;
        }
        match scopes.last().and_then(gives) {
            Some(_) => Standing::Lacking,
            None => Standing::Unknown,
        }
    }
}

/// What the user that applies may do in the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserRights {
    /// The name of the user, as the API server knows it.
    pub user: String,
    /// True if the settings say that this one applies; else another runner may apply as somebody else.
    pub is_named: bool,
    /// The answers, by what was asked.
    pub answers: BTreeMap<Access, bool>,
}

impl UserRights {
    /// Says whether something is allowed: what is allowed in all namespaces is so in each.
    pub fn standing(&self, access: &Access) -> Standing {
        let everywhere = Access { namespace: None, ..access.clone() };
        let answer = |access: &Access| self.answers.get(access).copied();
        match answer(&everywhere).filter(|is_allowed| *is_allowed).or_else(|| answer(access)) {
            Some(true) => Standing::Held,
            Some(false) => Standing::Lacking,
            None => Standing::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_narrowest_scope_decides_and_any_scope_may_give() {
        let id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg/providers/Microsoft.Network/\
                  virtualNetworks/v/subnets/s";
        let subnet: crate::domain::azure::ResourceId = id.parse().unwrap();
        let scopes = [RightScope::group_of(&subnet), RightScope::Resource(subnet)];
        let role = |action: &str| vec![Permission { actions: vec![action.to_owned()], not_actions: Vec::new() }];
        let mut rights = Rights {
            identity: Grantee::Applier("00000000-0000-0000-0000-0000000000a2".parse().unwrap()),
            is_named: true,
            at: BTreeMap::new(),
        };
        assert_eq!(rights.standing("a/write", &scopes), Standing::Unknown);
        rights.at.insert(scopes[0].clone(), role("a/read"));
        assert_eq!(rights.standing("a/write", &scopes), Standing::Unknown);
        assert_eq!(rights.standing("a/read", &scopes), Standing::Held);
        rights.at.insert(scopes[1].clone(), role("*/write"));
        assert_eq!(rights.standing("a/write", &scopes), Standing::Held);
        assert_eq!(rights.standing("a/delete", &scopes), Standing::Lacking);
    }

    #[test]
    fn what_is_allowed_in_all_namespaces_is_allowed_in_each_and_what_is_not_may_still_be() {
        let access = |namespace: Option<&str>| Access {
            resource: "services",
            verb: "patch",
            namespace: namespace.map(|name| name.parse().unwrap()),
        };
        let mut rights = UserRights { user: "alice".to_owned(), is_named: true, answers: BTreeMap::new() };
        let (everywhere, shop) = (access(None), access(Some("shop")));
        assert_eq!(rights.standing(&shop), Standing::Unknown);
        rights.answers.insert(everywhere.clone(), false);
        assert_eq!((rights.standing(&shop), rights.standing(&everywhere)), (Standing::Unknown, Standing::Lacking));
        rights.answers.insert(shop.clone(), true);
        assert_eq!(rights.standing(&shop), Standing::Held);
        rights.answers.insert(shop.clone(), false);
        assert_eq!(rights.standing(&shop), Standing::Lacking);
        rights.answers.insert(everywhere, true);
        assert_eq!(rights.standing(&shop), Standing::Held);
    }
}
