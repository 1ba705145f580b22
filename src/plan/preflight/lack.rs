//! The rights that the identity that applies, or the cluster's, lacks.
//!
//! What Azure tells is what roles give; deny assignments, locks and policies may still refuse. So a lack is known, and its
//! absence is not.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use crate::domain::key::ResourceKey;
use crate::domain::operation::built_in_role;
use crate::domain::right::RightScope;
use crate::observed::rights::Rights;
use crate::observed::rights::Standing;
use crate::plan::change::MissingRight;
use crate::plan::change::Refusal;
use crate::plan::draft::Draft;
use crate::plan::preflight::cluster;
use crate::plan::preflight::right::Needed;
use crate::plan::preflight::right::needed;
use crate::plan::preflight::right::needed_by_cluster;
use crate::plan::preflight::rule;

/// What a change lacks, by the scope at which it would be given: the actions, and the role that gives them.
pub fn lacks(rights: &Rights, needed: &BTreeSet<Needed>) -> Vec<MissingRight> {
    let mut found: BTreeMap<(&RightScope, &'static str), Vec<&'static str>> = BTreeMap::new();
    for Needed { action, scopes } in needed {
        let (Standing::Lacking, Some(scope)) = (rights.standing(action, scopes), scopes.last()) else { continue };
        found.entry((scope, built_in_role(action))).or_default().push(action);
    }
    let missing = found.into_iter().map(|((scope, role), actions)| MissingRight {
        identity: rights.identity.clone(),
        actions,
        scope: scope.clone(),
        role,
    });
    missing.collect()
}

/// Refuses what the cloud provider will try for ever, because the cluster's identity may not do it.
pub(super) fn check_cluster(draft: &mut Draft<'_>) {
    let Some(rights) = &draft.observed.cluster_rights else { return };
    let mut found: Vec<(ResourceKey, MissingRight)> = Vec::new();
    for change in draft.changes.values() {
        let needed = needed_by_cluster(change, draft.desired, draft.observed);
        let key = cluster::syncing(draft, &change.key);
        found.extend(lacks(rights, &needed).into_iter().map(|right| (key.clone(), right)));
    }
    found.sort();
    found.dedup();
    for (key, right) in found {
        let problem = format!("{right}: every sync fails");
        let by = Refusal::by(&rule::CLUSTER_RIGHT, problem);
        let refusal = Refusal { help: right.grant(), right: Some(right), ..by };
        draft.refuse_by(&key, refusal);
    }
}

/// Refuses a change for a lack of who is named as the one that applies; of another it is a warning.
pub(super) fn tell(draft: &mut Draft<'_>, key: &ResourceKey, (refusal, is_named): (Refusal, bool)) {
    if is_named {
        return draft.refuse_by(key, refusal);
    }
    let Refusal { rule, problem, help, .. } = refusal;
    let rule = rule.map(|rule| format!(" ({rule})")).unwrap_or_default();
    draft.note(key, format!("bound to be refused if nobody else applies: {problem}; {help}{rule}"));
}

/// Refuses what the identity that applies may not do. Where nobody can know which one applies, says it and refuses nothing.
pub(super) fn check(draft: &mut Draft<'_>) {
    let Some(rights) = &draft.observed.rights else { return };
    let changes = draft.changes.values();
    let found: Vec<(ResourceKey, Vec<MissingRight>)> = changes
        .map(|change| (change.key.clone(), lacks(rights, &needed(change, draft.desired, draft.observed))))
        .filter(|(_, missing)| !missing.is_empty())
        .collect();
    for (key, missing) in found {
        for right in missing {
            let by = Refusal::by(&rule::RIGHT_LACKING, right.to_string());
            tell(draft, &key, (Refusal { help: right.grant(), right: Some(right), ..by }, rights.is_named));
        }
    }
}
