//! Approval files of the config branch, with who brought each of them in, and who wrote the change they are for.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use crate::approval::Evidence;
use crate::approval::file::ApprovalFile;
use crate::desired::policy::Policy;
use crate::diagnostic::Diagnostic;
use crate::diagnostic::Diagnostics;
use crate::diagnostic::Place;
use crate::domain::commit::CommitId;
use crate::domain::commit::CommitRecord;
use crate::domain::commit::File;
use crate::domain::commit::RepoPath;
use crate::git::GitError;
use crate::git::Limits;
use crate::reconcile::source::SETTINGS_FILE;
use crate::reconcile::source::Upstream;
use crate::repo;
use crate::repo::source::Sources;

/// What the config branch says about approval.
#[derive(Clone, Debug, Default)]
pub struct Approvals {
    /// The approval files of the environment.
    pub evidence: Vec<Evidence>,
    /// Addresses of the authors and committers of the change, in lower case.
    pub authors: BTreeSet<String>,
    /// What is wrong with approval files; such a file does not count.
    pub diagnostics: Diagnostics,
    /// The texts of the files.
    pub sources: Sources,
}

/// Reads the approvals of an environment. `applied` is the last applied commit: what came after it is the change.
///
/// # Errors
/// If the mirror cannot be read.
pub async fn read(upstream: &Upstream, policy: &Policy, applied: Option<&CommitId>) -> Result<Approvals, GitError> {
    let mut approvals = Approvals::default();
    let folder: RepoPath = format!("approvals/{}", policy.mark.environment).parse().expect("a legal path");
    let limits = Limits { paths: vec![folder.clone()], ..Limits::default() };
    let snapshot = upstream.remote.snapshot(&upstream.tip, limits).await?;
    let history = upstream.remote.history(None, &upstream.tip).await?;
    let brought = brought_in(&history.commits, &folder);
    for (path, file) in &snapshot.files {
        let Some(file) = read_file(path, file, &mut approvals) else { continue };
        // A file that the history does not explain (it is older than what was looked at) has no known author.
        let Some(commit) = brought.get(path) else { continue };
        let brought_by = vec![commit.author.clone(), commit.committer.clone()];
        approvals.evidence.push(Evidence { file, brought_by });
    }
    match authors(upstream, policy, applied).await? {
        Some(authors) => approvals.authors = authors,
        None => {
            approvals.evidence.clear();
            let message = "no approval counts: the history is too long to tell who wrote the change";
            let diagnostic = Diagnostic::warning(repo::code::MISPLACED, message).label(Place::file(&folder), "");
            approvals.diagnostics.push(diagnostic.help("apply once by hand: what came before is not looked at again"));
        }
    }
    Ok(approvals)
}

fn read_file(path: &RepoPath, file: &File, approvals: &mut Approvals) -> Option<ApprovalFile> {
    let File::Bytes(bytes) = file else { return None };
    if !matches!(path.extension(), Some("yaml" | "yml")) {
        return None;
    }
    let (read, diagnostics, sources) = repo::read_one::<ApprovalFile>(path, bytes);
    approvals.diagnostics.extend(diagnostics);
    approvals.sources.merge(sources);
    let read = read?;
    // The place is part of what is said: a file under another plan's or person's name is somebody's mistake or trick.
    let expected = read.path().ok()?;
    if expected != *path {
        let message = format!("this approval does not count: what it says belongs to {expected}");
        let diagnostic = Diagnostic::warning(repo::code::MISPLACED, message);
        approvals.diagnostics.push(diagnostic.label(Place::file(path), "").help("approve with `privlink approve`"));
        return None;
    }
    Some(read)
}

/// For each file below the folder, the newest commit that wrote it.
fn brought_in<'a>(commits: &'a [CommitRecord], folder: &RepoPath) -> BTreeMap<RepoPath, &'a CommitRecord> {
    let mut brought = BTreeMap::new();
    for commit in commits {
        for path in commit.paths.iter().filter(|path| path.is_under(folder)) {
            brought.entry(path.clone()).or_insert(commit);
        }
    }
    brought
}

/// Who wrote or committed what is to be applied: commits since the last apply that touch documents or settings.
/// `None` if the history was not looked at to its end.
async fn authors(
    upstream: &Upstream,
    policy: &Policy,
    applied: Option<&CommitId>,
) -> Result<Option<BTreeSet<String>>, GitError> {
    let known = match applied {
        Some(commit) if upstream.remote.is_ancestor(commit, &upstream.tip).await.unwrap_or(false) => Some(commit),
        _ => None,
    };
    let history = upstream.remote.history(known, &upstream.tip).await?;
    let is_change = |path: &RepoPath| path.is_under(&policy.path) || path.as_str() == SETTINGS_FILE;
    let changes = history.commits.iter().filter(|commit| commit.paths.iter().any(is_change));
    let people = changes.flat_map(|commit| [&commit.author, &commit.committer]);
    let people = people.map(|identity| identity.email.to_ascii_lowercase()).collect();
    Ok(history.complete.then_some(people))
}
