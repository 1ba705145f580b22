//! Role definitions, and whether one allows an action.

/// A role: a name for a set of actions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RoleDefinition {
    /// A GUID, which is also its `name` on the wire.
    pub(crate) id: String,
    /// `roleName`, such as `Network Contributor`.
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) is_built_in: bool,
    /// Patterns of actions; `*` stands for any text, slashes included.
    pub(crate) actions: Vec<String>,
    /// What is taken off `actions`. It denies nothing that another role allows.
    pub(crate) not_actions: Vec<String>,
}

impl RoleDefinition {
    /// True if the role allows an action, in any spelling.
    pub(crate) fn allows(&self, action: &str) -> bool {
        let any = |patterns: &[String]| patterns.iter().any(|pattern| matches(pattern.as_bytes(), action.as_bytes()));
        any(&self.actions) && !any(&self.not_actions)
    }
}

/// Matches a pattern with `*`, greedily: on a mismatch the last star takes one byte more.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut seen) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while seen < text.len() {
        match (pattern.get(at), star) {
            (Some(b'*'), _) => {
                star = Some((at, seen));
                at += 1;
            }
            (Some(own), _) if own.eq_ignore_ascii_case(&text[seen]) => {
                at += 1;
                seen += 1;
            }
            (_, Some((place, taken))) => {
                star = Some((place, taken + 1));
                at = place + 1;
                seen = taken + 1;
            }
            (_, None) => return false,
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn role(actions: &[&str], not_actions: &[&str]) -> RoleDefinition {
        let own = |list: &[&str]| list.iter().map(|action| (*action).to_owned()).collect();
        RoleDefinition {
            id: "r".to_owned(),
            name: "r".to_owned(),
            description: String::new(),
            is_built_in: false,
            actions: own(actions),
            not_actions: own(not_actions),
        }
    }

    #[test]
    fn a_star_stands_for_any_text_and_case_does_not_count() {
        let reader = role(&["*/read"], &[]);
        assert!(reader.allows("Microsoft.Network/virtualNetworks/subnets/READ"));
        assert!(!reader.allows("Microsoft.Network/virtualNetworks/write"));
        assert!(!reader.allows("Microsoft.Network/virtualNetworks/read/action"));
        let inner = role(&["Microsoft.Network/*/join/action"], &[]);
        assert!(inner.allows("microsoft.network/virtualNetworks/subnets/join/action"));
        assert!(!inner.allows("Microsoft.Network/join/action"));
        assert!(role(&["Microsoft.Network/loadBalancers/*"], &[]).allows("Microsoft.Network/loadBalancers/write"));
        assert!(!role(&[], &[]).allows("Microsoft.Network/loadBalancers/read"));
    }

    #[test]
    fn not_actions_take_off_what_the_same_role_gives() {
        let role = role(&["*"], &["Microsoft.Authorization/*/Write"]);
        assert!(role.allows("Microsoft.Network/privateEndpoints/write"));
        assert!(role.allows("Microsoft.Authorization/roleAssignments/read"));
        assert!(!role.allows("Microsoft.Authorization/roleAssignments/write"));
    }
}
