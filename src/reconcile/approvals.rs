//! Approval files, with who brought each of them in, and who made the change they are for.
//!
//! Without signatures they count on the config branch alone, whose protection is trusted. With them the trust is the key and
//! not the branch, so they may also live on `privlink/approvals/<environment>`, which anybody may push to.

mod authors;
mod files;

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::approval::Authors;
use crate::approval::Evidence;
use crate::approval::Missing;
use crate::approval::Refused;
use crate::approval::file::ApprovalFile;
use crate::approval::signature::Signer;
use crate::approval::signature::Unverified;
use crate::approval::signature::signer;
use crate::desired::policy::Policy;
use crate::diagnostic::Diagnostic;
use crate::diagnostic::Diagnostics;
use crate::diagnostic::Place;
use crate::domain::commit::CommitId;
use crate::domain::commit::CommitRecord;
use crate::domain::commit::RefName;
use crate::domain::commit::RepoPath;
use crate::domain::name::ApproverName;
use crate::domain::name::EnvironmentName;
use crate::git::GitError;
use crate::git::Limits;
use crate::plan::document::PlanId;
use crate::reconcile::source::Upstream;
use crate::repo;
use crate::repo::source::Sources;
use crate::review::reviewers::Judged;
use crate::status::OnFile;
use crate::status::document::SeenApproval;

/// What the repository says about approval.
#[derive(Clone, Debug, Default)]
pub struct Approvals {
    /// The approval files of the environment.
    pub evidence: Vec<Evidence>,
    /// The signed ones among them by their commits, with those that were taken back and are there again; `None` where
    /// signatures are not required.
    pub present: Option<Vec<SeenApproval>>,
    /// Reviews in the forge that do not count, whatever they are for.
    pub refused: Vec<Refused>,
    /// The approvers whose reviews are among the evidence.
    pub reviewers: BTreeSet<ApproverName>,
    /// When the oldest was given that has not expired, whether it counts or not.
    pub oldest: Option<Timestamp>,
    /// Who made the change.
    pub authors: Authors,
    /// What is wrong with approval files; such a file does not count.
    pub diagnostics: Diagnostics,
    /// The texts of the files.
    pub sources: Sources,
}

impl Approvals {
    /// What the status has to know of them.
    pub fn on_file(&self) -> OnFile {
        OnFile { plans: self.plans(), since: self.oldest }
    }

    /// Adds what reviews in the forge say.
    pub fn add(&mut self, Judged { evidence, refused }: Judged) {
        self.reviewers.extend(evidence.iter().map(|evidence| evidence.file.approver.clone()));
        self.evidence.extend(evidence);
        self.refused.extend(refused);
    }

    /// Why reviews do not count, each a sentence.
    pub fn refused_reviews(&self, missing: &Missing) -> Vec<String> {
        let is_review =
            |refused: &&Refused| self.refused.contains(refused) || self.reviewers.contains(&refused.approver);
        let refused = missing.refused.iter().filter(is_review);
        refused.map(ToString::to_string).collect()
    }

    /// The plans that they are for.
    pub fn plans(&self) -> BTreeSet<PlanId> {
        self.evidence.iter().map(|evidence| evidence.file.plan.clone()).collect()
    }
}

/// What approvals are read for.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// The rules of the environment.
    pub policy: &'a Policy,
    /// All environments of the repository: a folder that is none of them belongs to nobody.
    pub environments: &'a BTreeSet<EnvironmentName>,
    /// The last applied commit: what came after it is the change.
    pub applied: Option<&'a CommitId>,
    /// The commits of signed approvals that were taken back: they do not count if somebody puts them back.
    pub withdrawn: &'a BTreeSet<CommitId>,
    /// The time: keys end.
    pub now: Timestamp,
}

/// The branch on which signed approvals of an environment may live.
pub fn branch(environment: &EnvironmentName) -> RefName {
    RefName::branch(&format!("privlink/approvals/{environment}"))
        .expect("an environment's name is a legal part of a ref")
}

/// Reads the approvals of an environment.
///
/// # Errors
/// If the mirror or the remote cannot be read.
pub async fn read(upstream: &Upstream, question: Question<'_>) -> Result<Approvals, GitError> {
    let present = question.policy.approval.signatures_required.then(Vec::new);
    let mut approvals = Approvals { present, ..Approvals::default() };
    collect(upstream, &upstream.tip, question, &mut approvals).await?;
    if question.policy.approval.signatures_required {
        let branch = branch(&question.policy.mark.environment);
        let tips = upstream.remote.fetch(std::slice::from_ref(&branch)).await?;
        if let Some(tip) = tips.get(&branch) {
            collect(upstream, tip, question, &mut approvals).await?;
        }
    }
    match authors::authors(upstream, question).await? {
        Some(authors) => approvals.authors = authors,
        None => forget(&mut approvals),
    }
    Ok(approvals)
}

/// Reads the approvals that an environment would have with a change merged, and whoever made it among the authors. Those that
/// the change itself brings are among them where signatures are required: else its author could write them in any name, and
/// nothing but the review of the merge stands against that.
///
/// # Errors
/// As [`read`].
pub async fn read_proposed(
    upstream: &Upstream,
    head: &CommitId,
    question: Question<'_>,
) -> Result<Approvals, GitError> {
    let mut approvals = read(upstream, question).await?;
    if question.policy.approval.signatures_required {
        collect(upstream, head, question, &mut approvals).await?;
    }
    if !authors::add_proposed(upstream, head, question, &mut approvals.authors).await? {
        forget(&mut approvals);
    }
    Ok(approvals)
}

fn forget(approvals: &mut Approvals) {
    approvals.evidence.clear();
    let message = "no approval counts: the history is too long to tell who wrote the change";
    let diagnostic = Diagnostic::warning(repo::code::MISPLACED, message).label(Place::file(&files::root()), "");
    approvals.diagnostics.push(diagnostic.help("apply once by hand: what came before is not looked at again"));
}

/// Adds the approvals of one branch.
async fn collect(
    upstream: &Upstream,
    tip: &CommitId,
    question: Question<'_>,
    approvals: &mut Approvals,
) -> Result<(), GitError> {
    let limits = Limits { paths: vec![files::root()], ..Limits::default() };
    let snapshot = upstream.remote.snapshot(tip, limits).await?;
    let found = files::read(&snapshot, question, approvals);
    let unexpired = found.iter().filter(|(_, _, file)| file.expires_at > question.now);
    approvals.oldest = unexpired.map(|(_, _, file)| file.approved_at).chain(approvals.oldest).min();
    if found.is_empty() {
        return Ok(());
    }
    let history = upstream.remote.history_below(&files::root(), tip).await?;
    let wrote = writers(&history.commits);
    for (path, bytes, file) in found {
        // A file that the history does not explain (it is older than what was looked at) has no known author.
        let Some(commits) = wrote.get(&path) else { continue };
        let commits = vouching(upstream, (&path, &bytes), commits).await?;
        if let Some((commit, signed_by)) = voucher(upstream, &file, &commits, question).await? {
            let is_proved = signed_by == Ok(Signer::Approver(file.approver.clone()));
            if let Some(present) = approvals.present.as_mut().filter(|_| is_proved) {
                present.push(seen(&file, &commit.id));
            }
            if question.withdrawn.contains(&commit.id) {
                files::refuse_returned(approvals, &path);
                continue;
            }
            let brought_by = vec![commit.author.clone(), commit.committer.clone()];
            approvals.evidence.push(Evidence { file, brought_by, signed_by });
        }
    }
    Ok(())
}

/// What is remembered of a signed approval.
fn seen(file: &ApprovalFile, commit: &CommitId) -> SeenApproval {
    SeenApproval {
        commit: commit.clone(),
        approver: file.approver.to_string(),
        plan: file.plan.clone(),
        expires_at: file.expires_at,
        withdrawn: false,
    }
}

/// For each approval file, the commits that wrote it, newest first: of commits that tell of approval files alone.
fn writers(commits: &[CommitRecord]) -> BTreeMap<RepoPath, Vec<&CommitRecord>> {
    let mut wrote: BTreeMap<RepoPath, Vec<&CommitRecord>> = BTreeMap::new();
    for commit in commits {
        for path in &commit.paths {
            wrote.entry(path.clone()).or_default().push(commit);
        }
    }
    wrote
}

/// The newest commits that wrote the file as it is now, a merge and what it merged. Whoever took an approval back, or changed
/// it, ends what older commits say: otherwise anybody could put it back.
async fn vouching<'a>(
    upstream: &Upstream,
    (path, bytes): (&RepoPath, &[u8]),
    commits: &[&'a CommitRecord],
) -> Result<Vec<&'a CommitRecord>, GitError> {
    let mut vouching = Vec::new();
    for commit in commits {
        if upstream.remote.read_file(&commit.id, path).await?.as_deref() != Some(bytes) {
            break;
        }
        vouching.push(*commit);
    }
    Ok(vouching)
}

type Voucher<'a> = (&'a CommitRecord, Result<Signer, Unverified>);

/// The commit that brought a file in, and whose signature it has: the one that its approver signed, or else the newest.
async fn voucher<'a>(
    upstream: &Upstream,
    file: &ApprovalFile,
    commits: &[&'a CommitRecord],
    question: Question<'_>,
) -> Result<Option<Voucher<'a>>, GitError> {
    let signatures = upstream.remote.signatures(commits.iter().map(|commit| commit.id.clone()).collect()).await?;
    let signed_by = |commit: &CommitRecord| {
        let signature = signatures.get(&commit.id).and_then(Option::as_ref);
        signer(signature, question.policy, question.now)
    };
    let mut all: Vec<Voucher<'a>> = commits.iter().map(|commit| (*commit, signed_by(commit))).collect();
    let theirs = Ok(Signer::Approver(file.approver.clone()));
    // Without signatures the newest commit is the one whose author brought the file to the branch.
    let proved = all.iter().position(|(_, signed_by)| *signed_by == theirs);
    let chosen = proved.filter(|_| question.policy.approval.signatures_required).unwrap_or(0);
    Ok(if all.is_empty() { None } else { Some(all.swap_remove(chosen)) })
}
