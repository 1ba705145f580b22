//! The rules in force: those of the authority, made as strict as those that were accepted last, and as the runner demands.
//!
//! The status branch says which commit's rules were accepted. It moves on with every apply and every converged pass, and both
//! need the consent that a loosening asks for. Rules that are gone with a rewritten history are not taken for equal.

use crate::config::Config;
use crate::desired::authority;
use crate::desired::loosening;
use crate::desired::policy::Policy;
use crate::domain::commit::CommitId;
use crate::domain::commit::File;
use crate::domain::logged::TOLD;
use crate::reconcile::pass::PassError;
use crate::reconcile::source::Loaded;
use crate::reconcile::source::SETTINGS_FILE;
use crate::reconcile::status_branch::StatusFiles;
use crate::repo;
use crate::repo::settings::Settings;

/// The rules in force, with what the commit, or the change under review, loosens of them.
///
/// # Errors
/// If the runner demands something of other environments only.
pub(super) async fn in_force(
    loaded: &Loaded,
    policy: Policy,
    (status, config): (&StatusFiles, &Config),
) -> Result<Policy, PassError> {
    let mut policy = match accepted(loaded, &policy, status).await {
        Ok(accepted) => loosening::in_force(policy, accepted.as_ref()),
        Err(commit) => loosening::unknown(policy, &commit),
    };
    // A change under review decides nothing, but whoever reads its plan has to see what its rules would be.
    if let Some(proposed) = proposed(loaded, &policy) {
        let more = loosening::loosening(&proposed, &policy).into_iter().filter(|rule| !policy.loosening.contains(rule));
        let more: Vec<String> = more.collect();
        policy.loosening.extend(more);
    }
    let Some(floors) = &config.approval_floor else { return Ok(policy) };
    match floors.get(&policy.mark.environment) {
        Some(floor) => Ok(loosening::raised(policy, floor)),
        None => Err(PassError::NoFloor(policy.mark.environment.clone())),
    }
}

/// The rules that were accepted last, if there are any.
///
/// # Errors
/// The commit that has them, if it is gone: the branch was rewritten, and no mirror kept what it was.
async fn accepted(loaded: &Loaded, policy: &Policy, status: &StatusFiles) -> Result<Option<Policy>, CommitId> {
    let commit = || {
        let (upstream, environment) = (loaded.source.upstream.as_ref()?, status.environment()?);
        let commit = environment.rules_commit.as_ref().or(environment.applied_commit.as_ref())?;
        Some((upstream, commit))
    };
    let Some((upstream, commit)) = commit() else { return Ok(None) };
    let path = SETTINGS_FILE.parse().expect("a legal path");
    match upstream.remote.read_file(commit, &path).await {
        Ok(bytes) => Ok(bytes.and_then(|bytes| of(policy, &bytes))),
        Err(error) => {
            tracing::warn!(target: TOLD, %commit, %error, "the rules that were accepted last cannot be read");
            Err(commit.clone())
        }
    }
}

/// The rules that a change under review would bring.
fn proposed(loaded: &Loaded, policy: &Policy) -> Option<Policy> {
    loaded.source.base.as_ref()?;
    match loaded.source.snapshot.files.get(&SETTINGS_FILE.parse().expect("a legal path"))? {
        File::Bytes(bytes) => of(policy, bytes),
        File::TooLarge { .. } | File::Symlink | File::Submodule => None,
    }
}

/// The rules of the same environment in other settings; `None` if it is not there, or they have errors.
fn of(policy: &Policy, bytes: &[u8]) -> Option<Policy> {
    let (settings, _, _): (Option<Settings>, _, _) =
        repo::settings::read(crate::diagnostic::FileName::outside(SETTINGS_FILE), bytes);
    authority::policy(&settings?, &policy.mark.environment)
}
