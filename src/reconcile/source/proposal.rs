//! A change under review: two commits, and what merging them gives, whether or not that is possible.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use crate::config::Config;
use crate::diagnostic::FileName;
use crate::domain::commit::CommitId;
use crate::domain::commit::RefName;
use crate::domain::commit::RepoPath;
use crate::domain::commit::Snapshot;
use crate::git::Limits;
use crate::git::Merged;
use crate::reconcile::remote::Remote;
use crate::reconcile::source::LocalRepository;
use crate::reconcile::source::SETTINGS_FILE;
use crate::reconcile::source::Source;
use crate::reconcile::source::SourceError;
use crate::reconcile::source::Upstream;
use crate::reconcile::source::is_inside;
use crate::reconcile::source::reference;

/// A change that somebody asks to have merged.
#[derive(Clone, Debug)]
pub struct Proposal {
    /// The base with the change merged into it, under the authority of the base; the base alone where they conflict.
    pub source: Source,
    /// The files of the head: what people comment on has its lines.
    pub files: Snapshot,
    /// What it is merged into.
    pub base: CommitId,
    /// Its last commit.
    pub head: CommitId,
    /// The paths that both sides changed differently; `None` if it merges.
    pub conflicts: Option<Vec<RepoPath>>,
}

/// How a remote names a change: a branch, or another ref in full, such as `refs/pull/7/head`. The commit is meant where the ref
/// has more than the change: of a fork, Azure DevOps serves nothing but the merge that it made of it.
pub type Head<'a> = (&'a str, Option<&'a CommitId>);

/// Takes a change from a remote: nothing is checked out, and nothing of the head is believed. `base` is a branch.
///
/// # Errors
/// An unreachable remote, a ref that it does not have, two histories without a common commit.
pub async fn proposal_of_remote(remote: Remote, base: &str, head: Head<'_>) -> Result<Proposal, SourceError> {
    let (ground, tips) = Ground::fetch(remote, base, &[head]).await?;
    ground.proposal(head, &tips).await
}

/// Takes several changes to one base from a remote: it is asked once, and the base is read once.
///
/// # Errors
/// An unreachable remote, a base that it does not have; what is wrong with one change is its own answer.
pub async fn proposals_of_remote(
    remote: Remote,
    base: &str,
    heads: &[Head<'_>],
) -> Result<Vec<Result<Proposal, SourceError>>, SourceError> {
    let (ground, tips) = Ground::fetch(remote, base, heads).await?;
    let mut proposals = Vec::new();
    for head in heads {
        proposals.push(ground.proposal(*head, &tips).await);
    }
    Ok(proposals)
}

/// What changes are merged into.
struct Ground<'a> {
    remote: Remote,
    base: &'a str,
    branch: RefName,
    tip: CommitId,
    files: Arc<Snapshot>,
    settings: Option<(FileName, Vec<u8>)>,
}

type Tips = BTreeMap<RefName, CommitId>;

impl<'a> Ground<'a> {
    async fn fetch(remote: Remote, base: &'a str, heads: &[Head<'_>]) -> Result<(Self, Tips), SourceError> {
        let branch = reference(base)?;
        // What is no name of a ref is said of its own change.
        let heads = heads.iter().filter_map(|(head, _)| reference(head).ok());
        let refs: Vec<RefName> = std::iter::once(branch.clone()).chain(heads).collect();
        let tips = remote.fetch(&refs).await?;
        let tip = tip_of(&remote, &tips, base)?;
        let files = Arc::new(remote.snapshot(&tip, Limits::default()).await?);
        let settings: RepoPath = SETTINGS_FILE.parse().expect("a legal path");
        let bytes = remote.read_file(&tip, &settings).await?;
        let settings = bytes.map(|bytes| (FileName::from(&settings), bytes));
        Ok((Self { remote, base, branch, tip, files, settings }, tips))
    }

    async fn proposal(&self, (head, commit): Head<'_>, tips: &Tips) -> Result<Proposal, SourceError> {
        let Self { remote, base, branch, tip, files, settings } = self;
        let not_served = |commit: &CommitId| SourceError::NotServed {
            url: remote.url().to_string(),
            head: commit.short().to_owned(),
            merge: head.to_owned(),
            base: (*base).to_owned(),
        };
        let is_merge = head.starts_with("refs/pull/") && head.ends_with("/merge");
        let last = match (tip_of(remote, tips, head), commit) {
            (Err(SourceError::NoBranch { .. }), Some(commit)) if is_merge => return Err(not_served(commit)),
            (last, _) => last?,
        };
        let last = match commit {
            Some(commit) if *commit != last && remote.is_ancestor(commit, &last).await? => commit.clone(),
            Some(commit) if *commit != last && is_merge => return Err(not_served(commit)),
            _ => last,
        };
        let (merged, conflicts) = planned(remote.merge(tip, &last).await?, tip);
        let source = Source {
            snapshot: remote.snapshot(&merged, Limits::default()).await?,
            base: Some(Arc::clone(files)),
            authority: settings.clone(),
            authority_note: format!("{base} at {}", tip.short()),
            planned_note: format!("{head} ({}) merged into {base} ({})", last.short(), tip.short()),
            commit: None,
            upstream: Some(Upstream { remote: remote.clone(), branch: branch.clone(), tip: tip.clone() }),
        };
        let files = remote.snapshot(&last, Limits::default()).await?;
        Ok(Proposal { source, files, base: tip.clone(), head: last, conflicts })
    }
}

fn tip_of(remote: &Remote, tips: &Tips, name: &str) -> Result<CommitId, SourceError> {
    let missing = || SourceError::NoBranch { url: remote.url().to_string(), branch: name.to_owned() };
    tips.get(&reference(name)?).cloned().ok_or_else(missing)
}

/// Takes a change from the commits of a clone; its working tree is not looked at, and nor is its remote.
///
/// # Errors
/// A revision that is not there, a kubeconfig inside the folder.
pub fn proposal_of_folder(folder: &Path, base: &str, head: &str, config: &Config) -> Result<Proposal, SourceError> {
    if let Some(file) = config.kubeconfig.as_ref().filter(|file| is_inside(file, folder)) {
        return Err(SourceError::KubeconfigInside { file: file.clone() });
    }
    let local = LocalRepository::open(folder, None)?;
    let local = local.ok_or_else(|| SourceError::NoCommits { folder: folder.to_owned() })?;
    let (tip, last) = (local.resolve(base)?, local.resolve(head)?);
    let (merged, conflicts) = planned(local.repository.merge(&tip, &last)?, &tip);
    let files = |commit: &CommitId| -> Result<Snapshot, SourceError> {
        Ok(local.within(&local.repository.snapshot(commit, &local.limits())?))
    };
    let settings: RepoPath = SETTINGS_FILE.parse().expect("a legal path");
    let bytes = local.repository.read_file(&tip, &local.path_of(SETTINGS_FILE))?;
    let source = Source {
        snapshot: files(&merged)?,
        base: Some(Arc::new(files(&tip)?)),
        authority: bytes.map(|bytes| (FileName::from(&settings), bytes)),
        authority_note: format!("{base} at {}", tip.short()),
        planned_note: format!("{head} ({}) merged into {base} ({})", last.short(), tip.short()),
        commit: None,
        upstream: None,
    };
    Ok(Proposal { source, files: files(&last)?, base: tip, head: last, conflicts })
}

/// What is planned: the merge; where there is none, the base alone, with the paths that conflict.
fn planned(merged: Merged, base: &CommitId) -> (CommitId, Option<Vec<RepoPath>>) {
    match merged {
        Merged::Clean(commit) => (commit, None),
        Merged::Conflicts(paths) => (base.clone(), Some(paths)),
    }
}
