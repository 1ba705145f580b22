//! Which branch of a remote is meant.

use std::collections::BTreeMap;

use crate::domain::commit::CommitId;
use crate::domain::commit::RefName;
use crate::reconcile::source::SourceError;

/// The ref of a branch that was named in short or in full; another ref in full, such as `refs/pull/7/head`.
pub(super) fn reference(branch: &str) -> Result<RefName, SourceError> {
    let is_other = branch.starts_with("refs/") && !branch.starts_with("refs/heads/");
    if let Some(other) = is_other.then(|| branch.parse().ok()).flatten() {
        return Ok(other);
    }
    let full = branch.strip_prefix("refs/heads/").unwrap_or(branch);
    RefName::branch(full).map_err(|_| SourceError::NoBranch { url: "the remote".to_owned(), branch: branch.to_owned() })
}

/// The config branch and its commit, of what a remote holds: the named one, or its main branch.
pub fn config_branch(refs: &BTreeMap<RefName, CommitId>, named: Option<&str>) -> Option<(RefName, CommitId)> {
    let name = reference(&named.map(ToOwned::to_owned).or_else(|| default_branch(refs))?).ok()?;
    let tip = refs.get(&name)?.clone();
    Some((name, tip))
}

/// `main` or `master`, or the only branch that is not ours.
pub(super) fn default_branch(refs: &BTreeMap<RefName, CommitId>) -> Option<String> {
    let names = refs.keys().filter_map(|name| name.as_str().strip_prefix("refs/heads/"));
    let ours = |name: &&str| !name.starts_with("privlink/");
    let names: Vec<&str> = names.filter(ours).collect();
    let found = ["main", "master"].into_iter().find(|name| names.contains(name));
    found.or(if names.len() == 1 { names.first().copied() } else { None }).map(ToOwned::to_owned)
}
