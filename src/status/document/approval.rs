//! What is remembered of signed approvals, because the branch they live on may be rewritten by anybody.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;

use crate::domain::commit::CommitId;
use crate::plan::document::PlanId;

/// A signed approval that a pass has seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SeenApproval {
    /// The commit that brought it in. Its signature covers it, so nobody can bring the same approval in by another one.
    #[schemars(with = "String")]
    pub commit: CommitId,
    /// Whose it is.
    pub approver: String,
    /// The plan.
    #[schemars(with = "String")]
    pub plan: PlanId,
    /// From when on it is void in any case, and forgotten.
    #[schemars(with = "String")]
    pub expires_at: Timestamp,
    /// True once a pass did not find it any more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub withdrawn: bool,
}

/// What is remembered after a look that found `present`: what is gone was taken back, and stays so if it returns.
pub fn remember(previous: &[SeenApproval], present: &[SeenApproval], now: Timestamp) -> Vec<SeenApproval> {
    let found = |commit: &CommitId| present.iter().any(|approval| approval.commit == *commit);
    let known = previous.iter().map(|approval| {
        let withdrawn = approval.withdrawn || !found(&approval.commit);
        SeenApproval { withdrawn, ..approval.clone() }
    });
    let new = present.iter().filter(|approval| previous.iter().all(|known| known.commit != approval.commit)).cloned();
    let all: BTreeMap<CommitId, SeenApproval> =
        known.chain(new).map(|approval| (approval.commit.clone(), approval)).collect();
    all.into_values().filter(|approval| now < approval.expires_at).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(digit: char) -> SeenApproval {
        SeenApproval {
            commit: digit.to_string().repeat(40).parse().unwrap(),
            approver: "bob".to_owned(),
            plan: PlanId::of_body("plan"),
            expires_at: "2026-11-21T10:00:00Z".parse().unwrap(),
            withdrawn: false,
        }
    }

    #[test]
    fn what_was_taken_back_stays_so_until_it_would_have_expired() {
        let now = "2026-11-20T10:00:00Z".parse().unwrap();
        let first = remember(&[], &[seen('a')], now);
        assert_eq!(first, [seen('a')]);
        assert_eq!(remember(&first, &[seen('a')], now), first, "a look that finds the same says nothing new");
        let gone = remember(&first, &[], now);
        assert!(gone[0].withdrawn);
        let back = remember(&gone, &[seen('a'), seen('b')], now);
        assert_eq!(back, [SeenApproval { withdrawn: true, ..seen('a') }, seen('b')]);
        assert!(remember(&back, &[seen('a')], seen('a').expires_at).is_empty());
    }
}
