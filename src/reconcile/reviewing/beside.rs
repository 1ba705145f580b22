//! Other open changes: what they want as well, and what both together would come to.

use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::domain::azure::ResourceId;
use crate::domain::commit::CommitId;
use crate::git::GitError;
use crate::git::Limits;
use crate::git::Merged;
use crate::observed::Observed;
use crate::reconcile::planning;
use crate::reconcile::planning::Planned;
use crate::reconcile::reviewing::Change;
use crate::reconcile::reviewing::Other;
use crate::reconcile::source;
use crate::reconcile::source::Source;
use crate::review::overlap;

/// What there is to say of the others, each a sentence. One that cannot be planned or merged is passed over: its own review
/// says why. So is one that is not about this environment: it leaves everything here as the base has it.
pub(super) async fn others(change: &Change, others: &[Other<'_>], planned: &Planned) -> Vec<String> {
    let environment = &planned.plan.policy.mark.environment;
    let is_about = |other: &&Other<'_>| other.change.environments().contains(environment);
    let mut told = Vec::new();
    for other in others.iter().filter(|other| other.change.conflicts.is_none()).filter(is_about) {
        match beside(change, planned, other).await {
            Ok(lines) => told.extend(lines),
            Err(why) => tracing::warn!(other = other.name, why, "another change cannot be compared with this one"),
        }
    }
    told
}

async fn beside(change: &Change, planned: &Planned, other: &Other<'_>) -> Result<Vec<String>, String> {
    let Other { name, change: Change { loaded, head, .. } } = other;
    let theirs = planning::plan_beside(loaded, planned).map_err(|error| error.to_string())?;
    let shortage = |subnet: &ResourceId, wanted: usize| shortage(&planned.observed, subnet, wanted);
    let shared = overlap::shared(&planned.plan, &theirs, shortage);
    let mut lines: Vec<String> = shared.iter().map(|it| overlap::sentence(name, it)).collect();
    let both = match merged(change, head).await.map_err(|error| error.to_string())? {
        Both::Conflict(paths) => {
            lines.push(format!("{name} does not merge with this one: both edit {paths}"));
            return Ok(lines);
        }
        Both::Source(source) => *source,
        Both::Unknown => return Ok(lines),
    };
    let both = source::load(both).map_err(|_| "the settings of the base cannot be read".to_owned())?;
    match planning::plan_beside(&both, planned) {
        Ok(both) => {
            let worse = overlap::together(&planned.plan, &theirs, &both);
            lines.extend(worse.into_iter().map(|line| format!("{name}: {line}")));
        }
        Err(error) => lines.push(format!("{name}: with both merged nothing can be planned: {error}")),
    }
    Ok(lines)
}

/// The base with both changes merged into it.
enum Both {
    Source(Box<Source>),
    /// The paths that both edit.
    Conflict(String),
    /// There is no remote to merge them in.
    Unknown,
}

async fn merged(change: &Change, head: &CommitId) -> Result<Both, GitError> {
    let source = &change.loaded.source;
    let (Some(upstream), Some(own)) = (&source.upstream, &source.snapshot.commit) else { return Ok(Both::Unknown) };
    let commit = match upstream.remote.merge(own, head).await? {
        Merged::Clean(commit) => commit,
        Merged::Conflicts(paths) => {
            let paths: Vec<String> = paths.iter().take(5).map(ToString::to_string).collect();
            return Ok(Both::Conflict(if paths.is_empty() { "the same files".to_owned() } else { paths.join(", ") }));
        }
    };
    let snapshot = upstream.remote.snapshot(&commit, Limits::default()).await?;
    Ok(Both::Source(Box::new(Source { snapshot, ..source.clone() })))
}

/// Why a subnet has no room for so many more, as far as was seen.
fn shortage(observed: &Observed, subnet: &ResourceId, wanted: usize) -> Option<String> {
    let frontends = observed.frontends.values().filter(|frontend| frontend.subnet.as_ref() == Some(subnet));
    let held = observed.held.iter().filter(|held| held.subnet == *subnet).map(|held| held.address);
    let taken: BTreeSet<IpAddr> = frontends.filter_map(|frontend| frontend.address).chain(held).collect();
    observed.subnets.get(subnet)?.shortage(&taken, wanted)
}
