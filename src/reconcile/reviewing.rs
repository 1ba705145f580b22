//! From a change under review to what its pull request is told: plan the merge, with the authority of the base.

mod beside;
mod findings;
mod settings;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::OnceLock;

use crate::approval::Decision;
use crate::approval::LocalConsent;
use crate::config::Config;
use crate::desired::Desired;
use crate::desired::policy::Policy;
use crate::diagnostic::Diagnostic;
use crate::diagnostic::Diagnostics;
use crate::diagnostic::Place;
use crate::diagnostic::Severity;
use crate::domain::commit::CommitId;
use crate::domain::commit::RepoPath;
use crate::domain::commit::Snapshot;
use crate::domain::name::EnvironmentName;
use crate::domain::pull_request::CommitStatus;
use crate::domain::pull_request::ForgeKind;
use crate::domain::testimony::Testimony;
use crate::git::RemoteUrl;
use crate::observed::Observed;
use crate::plan::Plan;
use crate::plan::document::digest;
use crate::reconcile::deciding;
use crate::reconcile::error_chain;
use crate::reconcile::pass::PassError;
use crate::reconcile::planning;
use crate::reconcile::planning::Planned;
use crate::reconcile::source;
use crate::reconcile::source::Loaded;
use crate::reconcile::source::Proposal;
use crate::reconcile::source::Unreadable;
use crate::render::count;
use crate::render::findings::annotations;
use crate::render::markdown;
use crate::render::markdown::Commits;
use crate::render::markdown::Frame;
use crate::render::markdown::Unplanned;
use crate::render::shown::Details;
use crate::repo;
use crate::review::Told;
use crate::review::reviewers;
use crate::review::status;
use findings::Findings;
use findings::LinesInHead;
use settings::Proposed;

/// A change under review, read.
#[derive(Debug)]
pub struct Change {
    /// The base with the change merged into it, under the authority of the base.
    pub loaded: Loaded,
    before: Arc<Before>,
    /// The files of its last commit.
    files: Snapshot,
    base: CommitId,
    head: CommitId,
    conflicts: Option<Vec<RepoPath>>,
    /// The files that the change edits, adds or removes.
    touched: BTreeSet<RepoPath>,
}

/// What changes are merged into, read.
#[derive(Debug)]
struct Before {
    loaded: Loaded,
    /// What there is to say of it, in any environment; found out once.
    told: OnceLock<BTreeSet<findings::Kind>>,
}

/// Another open change to the same base.
#[derive(Clone, Debug)]
pub struct Other<'a> {
    /// What people call it.
    pub name: String,
    /// What it is.
    pub change: &'a Change,
}

/// How a review is asked for.
#[derive(Clone, Debug)]
pub struct Terms {
    /// Whose Markdown the comments are in.
    pub forge: ForgeKind,
    /// The flags by which a person finds the change again.
    pub source: Vec<String>,
    /// Whether a review in the forge counts as an approval.
    pub reviews: Reviews,
}

/// Whether a review in the forge counts as an approval.
#[derive(Clone, Debug)]
pub enum Reviews {
    /// None does: whoever applies does not ask the forge.
    Ignored,
    /// They do, where the rules let them. What the forge proves of them, if anybody approved.
    Counted(Option<Box<Testimony>>),
}

/// What became of one environment.
#[derive(Debug)]
pub enum Outcome {
    /// The change does not concern it.
    Untouched,
    /// There is a plan.
    Planned(Box<Planned>),
    /// The files have errors; these are told in the comment.
    Files(Diagnostics),
    /// The change breaks or deletes the settings; how, as a sentence.
    Settings(String),
    /// There is no plan for a reason outside the change, as a sentence.
    Failed(String),
    /// The change does not merge into its base; how, as a sentence.
    Conflict(String),
}

/// One environment of a change under review.
#[derive(Debug)]
pub struct Review {
    /// What became of it.
    pub outcome: Outcome,
    /// What the pull request is told. An environment that is not concerned has an empty body: it gets no comment.
    pub told: Told,
    /// What there is to say about the files of the change.
    pub findings: Diagnostics,
}

impl Terms {
    /// A change that is a ref of a remote; of its address nothing is kept that must not be shown.
    pub fn of_remote(forge: ForgeKind, url: &RemoteUrl, (base, head): (&str, &str)) -> Self {
        let flags = [("--repo", url.to_string()), ("--ref", head.to_owned()), ("--base", base.to_owned())];
        let source = flags.into_iter().flat_map(|(flag, value)| [flag.to_owned(), value]).collect();
        Self { forge, source, reviews: Reviews::Ignored }
    }

    /// A change in a clone, where the person is already.
    pub fn of_folder(forge: ForgeKind, base: &str) -> Self {
        Self { forge, source: vec!["--base".to_owned(), base.to_owned()], reviews: Reviews::Ignored }
    }
}

impl Change {
    /// Reads the base's settings, and the files of the base and of the merge. What is known of the base from another change to
    /// the same commit is not found out again.
    ///
    /// # Errors
    /// What is wrong with the settings of the base: nobody can be believed without them.
    pub fn read(proposal: Proposal, known: Option<&Self>) -> Result<Self, Unreadable> {
        let Proposal { source, files, base, head, conflicts } = proposal;
        let loaded = source::load(source)?;
        let before = match known.filter(|known| known.base == base) {
            Some(known) => Arc::clone(&known.before),
            None => Arc::new(Before::of(&loaded)),
        };
        let touched = differing(&before.loaded.source.snapshot, &loaded.source.snapshot);
        Ok(Self { loaded, before, files, base, head, conflicts, touched })
    }

    /// The last commit of the change: what statuses and remarks are about.
    pub fn head(&self) -> &CommitId {
        &self.head
    }

    /// The commit that it is merged into.
    pub fn base(&self) -> &CommitId {
        &self.base
    }

    /// The environments whose files it edits, or whose settings it may: those that two changes may both be about.
    pub fn environments(&self) -> BTreeSet<EnvironmentName> {
        let is_of = |folder: &RepoPath| self.touched.iter().any(|path| path.is_under(folder));
        let all = self.loaded.settings.environments.iter();
        all.filter(|(_, own)| is_of(&own.path)).map(|(name, _)| name.clone()).collect()
    }

    fn commits(&self) -> Commits {
        Commits { base: self.base.clone(), head: self.head.clone() }
    }
}

/// The files that differ between two trees.
fn differing(before: &Snapshot, after: &Snapshot) -> BTreeSet<RepoPath> {
    let (before, after) = (&before.files, &after.files);
    let all = before.keys().chain(after.keys());
    all.filter(|path| before.get(*path) != after.get(*path)).cloned().collect()
}

impl Before {
    /// Reads the base, by the settings that are in force over a change to it.
    fn of(change: &Loaded) -> Self {
        let snapshot = change.source.base.as_deref().cloned().unwrap_or_default();
        let reading = repo::read(&snapshot, &change.settings);
        let source = source::Source { snapshot, base: None, ..change.source.clone() };
        let loaded = Loaded { reading, source, settings: change.settings.clone(), today: change.today };
        Self { loaded, told: OnceLock::new() }
    }
}

/// Plans one environment of a change, and says what its pull request is told.
///
/// # Errors
/// Only that there is no such environment: why there is no plan is told to the pull request.
pub async fn review(
    (change, others): (&Change, &[Other<'_>]),
    environment: &EnvironmentName,
    (terms, config): (&Terms, &Config),
) -> Result<Review, PassError> {
    let policy = planning::policy(&change.loaded, environment)?;
    if let Some(paths) = &change.conflicts {
        return Ok(conflict(change, environment, terms, paths));
    }
    let proposed = Proposed::of(change, &policy);
    if let Some((why, help, findings)) = proposed.refusal() {
        let review = unplanned(change, environment, terms, (&why, Some(help)), findings);
        return Ok(Review { outcome: Outcome::Settings(why), ..review });
    }
    let findings = Findings::of(change, &policy);
    if proposed.is_same() && findings.brought.is_empty() && is_same(change, &policy) {
        return Ok(untouched(environment));
    }
    match planning::plan(&change.loaded, environment, config).await {
        Ok(planned) => {
            let findings = Findings::among(change, &planned.diagnostics);
            let others = beside::others(change, others, &planned).await;
            told(change, planned, (&proposed, findings, others), terms).await
        }
        Err(PassError::Files(diagnostics)) => {
            let findings = Findings::among(change, &diagnostics);
            let errors = diagnostics.count(Severity::Error);
            let why = format!("the files have {}", count(errors, "error"));
            let review = unplanned(change, environment, terms, (&why, None), findings);
            Ok(Review { outcome: Outcome::Files(*diagnostics), ..review })
        }
        Err(error) => {
            let help = "the log of this run has the whole reason; nothing was planned, and nothing was changed";
            let review = unplanned(change, environment, terms, (&public(&error), Some(help)), Findings::default());
            Ok(Review { outcome: Outcome::Failed(error_chain(&error)), ..review })
        }
    }
}

/// True if the documents ask for the same as before.
fn is_same(change: &Change, policy: &Policy) -> bool {
    if !change.touched.iter().any(|path| path.is_under(&policy.path)) {
        return true;
    }
    let (before, _) = planning::resolve_files(&change.before.loaded, policy, None);
    let (after, _) = planning::resolve_files(&change.loaded, policy, None);
    asks_the_same(&before, &after)
}

/// Compares wishes, not where they are written.
fn asks_the_same(before: &Desired, after: &Desired) -> bool {
    let Desired { policy: _, intents, connections, replacements, suspended, path_exists } = before;
    let nowhere = || Place::file(crate::diagnostic::FileName::outside(""));
    let is_alike = |one: &crate::desired::Intent, other: &crate::desired::Intent| {
        one.resource == other.resource && one.document == other.document && one.adopt == other.adopt
    };
    let rules = |all: &std::collections::BTreeMap<_, crate::desired::ConnectionRules>| {
        let place = |(key, rules): (&crate::domain::key::PublisherKey, &crate::desired::ConnectionRules)| {
            (key.clone(), crate::desired::ConnectionRules { place: nowhere(), ..rules.clone() })
        };
        all.iter().map(place).collect::<Vec<_>>()
    };
    intents.len() == after.intents.len()
        && intents.iter().all(|(key, one)| after.intents.get(key).is_some_and(|other| is_alike(one, other)))
        && rules(connections) == rules(&after.connections)
        && *replacements == after.replacements
        && *suspended == after.suspended
        && *path_exists == after.path_exists
}

fn untouched(environment: &EnvironmentName) -> Review {
    let told = Told {
        environment: environment.clone(),
        key: "untouched".to_owned(),
        headline: "this change does not concern it: nothing to do".to_owned(),
        body: String::new(),
        statuses: status::untouched(environment).into(),
        annotations: Vec::new(),
    };
    Review { outcome: Outcome::Untouched, told, findings: Diagnostics::new() }
}

fn conflict(change: &Change, environment: &EnvironmentName, terms: &Terms, paths: &[RepoPath]) -> Review {
    let names: Vec<&str> = paths.iter().take(5).map(RepoPath::as_str).collect();
    let more = paths.len().saturating_sub(names.len());
    let more = if more == 0 { String::new() } else { format!(" and {}", count(more, "more file")) };
    let names = if names.is_empty() { "some files".to_owned() } else { names.join(", ") };
    let why = format!("the change does not merge into its base: {names}{more} conflict");
    let help = "merge the base into the change, or rebase it; then it is planned again";
    let review = unplanned(change, environment, terms, (&why, Some(help)), Findings::default());
    Review { outcome: Outcome::Conflict(why), ..review }
}

/// Why there is no plan, as anybody may read it: without what differs from one try to the next, and without what belongs to the
/// runner alone, as its folders and the addresses that it could not reach.
fn public(error: &PassError) -> String {
    match error {
        PassError::World(_) => "there is no way to Azure or to the cluster".to_owned(),
        PassError::Blind(blind) => format!("nothing of {} could be read", blind.whom()),
        PassError::Git(_) => "the repository could not be read".to_owned(),
        PassError::Lease(_) | PassError::Status(_) => "the status branch could not be read".to_owned(),
        PassError::Files(_) | PassError::NoEnvironment { .. } | PassError::NoFloor(_) => error.to_string(),
    }
}

fn unplanned(
    change: &Change,
    environment: &EnvironmentName,
    terms: &Terms,
    (why, help): (&str, Option<&str>),
    findings: Findings,
) -> Review {
    let sources = findings.sources(change);
    let brought: Vec<&Diagnostic> = findings.brought.iter().collect();
    let lines: Vec<String> = brought.iter().map(|it| format!("{} {} {:?}", it.code, it.message, it.labels)).collect();
    let key = digest(&format!("{why}\n{}\n{}", lines.join("\n"), findings.others));
    let commits = change.commits();
    let body = markdown::unplanned(&Unplanned {
        forge: terms.forge,
        environment,
        key: &key,
        why,
        help,
        findings: &brought,
        others: findings.others,
        sources,
        commits: &commits,
    });
    let told = Told {
        environment: environment.clone(),
        headline: markdown::inert(&format!("cannot be planned: {why}")),
        body,
        statuses: status::unplanned(environment, why).into(),
        annotations: findings.annotations(&LinesInHead::of(change)),
        key,
    };
    Review { outcome: Outcome::Failed(why.to_owned()), told, findings: findings.brought }
}

async fn told(
    change: &Change,
    planned: Planned,
    (proposed, findings, others): (&Proposed, Findings, Vec<String>),
    terms: &Terms,
) -> Result<Review, PassError> {
    let plan = &planned.plan;
    let (approved, refused) = approved(change, &planned, &terms.reviews).await?;
    let remarks = [proposed.remarks(&plan.policy.mark.environment), findings.remarks(), refused].concat();
    let key = match (remarks.as_slice(), others.as_slice()) {
        ([], []) => plan.id.to_string(),
        _ => format!("{}-{}", plan.id, &digest(&[remarks.join("\n"), others.join("\n")].join("\n\n"))[..16]),
    };
    let first_seen = crate::status::first_seen(&planned.status.documents);
    let locate = |place: &Place| planning::locate(&change.loaded, place);
    let details = Details { locate: &locate, first_seen: Some(&first_seen) };
    let frame = Frame {
        forge: terms.forge,
        key: &key,
        details,
        commits: change.commits(),
        objects: objects(&planned.observed),
        remarks: &remarks,
        others: &others,
        source: &terms.source,
        reviews_hold: counts_reviews(plan, &terms.reviews).then(|| reviewers::GOOD_FOR.as_hours()),
    };
    let lines = LinesInHead::of(change);
    let mut remarks_at_lines = findings.annotations(&lines);
    remarks_at_lines.extend(annotations::of_plan(plan, |place| lines.find(place)));
    let told = Told {
        environment: plan.policy.mark.environment.clone(),
        headline: markdown::headline(plan),
        body: markdown::comment(plan, &frame),
        statuses: vec![status::planned(plan), approved],
        annotations: remarks_at_lines,
        key: key.clone(),
    };
    Ok(Review { outcome: Outcome::Planned(Box::new(planned)), told, findings: findings.brought })
}

/// The status that says whether a plan may be applied once it is merged, and what to say of reviews that do not count.
async fn approved(
    change: &Change,
    planned: &Planned,
    reviews: &Reviews,
) -> Result<(CommitStatus, Vec<String>), PassError> {
    let plan = &planned.plan;
    if change.loaded.source.upstream.is_none() {
        return Ok((status::not_looked_at(plan), Vec::new()));
    }
    let mut approvals = deciding::approvals_of_change(&change.loaded, planned, change.head()).await?;
    if let Reviews::Counted(Some(testimony)) = reviews {
        approvals.add(reviewers::judge(testimony, &plan.policy));
    }
    let decision = deciding::decide(planned, &approvals, LocalConsent::None, None);
    let refused = match &decision {
        Decision::Missing(missing) => approvals.refused_reviews(missing),
        Decision::Approved(_) => Vec::new(),
    };
    let status = status::approved(plan, &decision);
    Ok(match counts_reviews(plan, reviews) {
        true => (status::naming(status, &plan.id), refused),
        false => (status, refused),
    })
}

/// True if a review may approve this plan.
fn counts_reviews(plan: &Plan, reviews: &Reviews) -> bool {
    matches!(reviews, Reviews::Counted(_)) && plan.has_changes() && plan.may_run() && reviewers::count(&plan.policy)
}

/// How many objects of Azure and the cluster a plan was made from.
fn objects(observed: &Observed) -> usize {
    let balanced = observed.services.len() + observed.frontends.len() + observed.subnets.len();
    let links = observed.private_link_services.len() + observed.private_endpoints.len();
    balanced + links + observed.dns_zones.len() + observed.dns_records.len() + observed.dns_links.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_secret_of_an_address_gets_into_a_comment() {
        let url = "https://me:hunter2@git.example.com/config.git".parse().unwrap();
        let flags = Terms::of_remote(ForgeKind::GitHub, &url, ("main", "feature")).source;
        assert_eq!(flags, ["--repo", "https://git.example.com/config.git", "--ref", "feature", "--base", "main"]);
        assert_eq!(Terms::of_folder(ForgeKind::GitHub, "main").source, ["--base", "main"]);
    }
}
