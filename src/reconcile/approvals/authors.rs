//! Who made the change: the commits since the last apply that touch documents or settings.

use crate::approval::Authors;
use crate::approval::signature::signer;
use crate::domain::commit::CommitId;
use crate::domain::commit::CommitRecord;
use crate::domain::commit::RepoPath;
use crate::domain::logged::TOLD;
use crate::git::GitError;
use crate::reconcile::approvals::Question;
use crate::reconcile::source::SETTINGS_FILE;
use crate::reconcile::source::Upstream;

/// Who made the change. `None` if the history was not looked at to its end.
pub(super) async fn authors(upstream: &Upstream, question: Question<'_>) -> Result<Option<Authors>, GitError> {
    let (known, lost) = match question.applied {
        None => (None, None),
        Some(commit) if upstream.remote.is_ancestor(commit, &upstream.tip).await.unwrap_or(false) => {
            (Some(commit), None)
        }
        // Somebody rewrote the branch: its history may show other authors than those of the change, so all of it counts.
        Some(commit) => {
            tracing::warn!(target: TOLD, %commit, "the history does not contain what was applied last: nothing counts as merged");
            (None, Some(commit))
        }
    };
    let history = upstream.remote.history(known, &upstream.tip).await?;
    if !history.complete {
        return Ok(None);
    }
    let mut authors = Authors { lost: lost.cloned(), ..Authors::default() };
    add(upstream, question, &history.commits, &mut authors).await?;
    Ok(Some(authors))
}

/// Adds whoever made a change that is not merged yet: the commits of `head` that the config branch does not have. Answers
/// whether the history was looked at to its end.
pub(super) async fn add_proposed(
    upstream: &Upstream,
    head: &CommitId,
    question: Question<'_>,
    authors: &mut Authors,
) -> Result<bool, GitError> {
    let history = upstream.remote.history(Some(&upstream.tip), head).await?;
    add(upstream, question, &history.commits, authors).await?;
    Ok(history.complete)
}

async fn add(
    upstream: &Upstream,
    Question { policy, now, .. }: Question<'_>,
    commits: &[CommitRecord],
    authors: &mut Authors,
) -> Result<(), GitError> {
    let is_change = |path: &RepoPath| path.is_under(&policy.path) || path.as_str() == SETTINGS_FILE;
    let changes = commits.iter().filter(|commit| commit.paths.iter().any(is_change));
    let changes: Vec<&CommitRecord> = changes.collect();
    // Who pushes the button of a merge is no author of what is merged, unless they put something of their own into it.
    let plain = upstream.remote.plain_merges(changes.iter().map(|commit| commit.id.clone()).collect()).await?;
    let wrote = changes.iter().filter(|commit| !plain.contains(&commit.id));
    let people = wrote.flat_map(|commit| [&commit.author, &commit.committer]);
    authors.addresses.extend(people.map(|identity| identity.email.to_ascii_lowercase()));
    if policy.approval.signatures_required {
        let ids = changes.iter().map(|commit| commit.id.clone()).collect();
        let signatures = upstream.remote.signatures(ids).await?;
        for commit in changes {
            match signer(signatures.get(&commit.id).and_then(Option::as_ref), policy, now) {
                Ok(signer) => drop(authors.signers.insert(signer)),
                Err(why) => authors.unsigned.push(format!("commit {} by {} {why}", commit.id.short(), commit.author)),
            }
        }
    }
    Ok(())
}
