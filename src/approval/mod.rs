//! May this plan run? Answers by the rules in force, the approvals on file and the person at the keyboard.
//!
//! An [`Approval`] can only be made by [`decide`] or [`emergency::break_glass`], and names one plan. A plan may run if
//! every change has the consent its risk asks for. An approval covers a change if it is for this plan id, if it lists the
//! change's digest, or if the change is what is left of one in the plan that it is for: so the rest of an interrupted plan is
//! still approved.

#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

mod coverage;
pub mod emergency;
pub mod file;
mod objection;
mod part;
mod remainder;
pub mod signature;
pub mod used;
pub mod window;

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fmt;

use jiff::Timestamp;

use crate::desired::policy::Consent;
use crate::desired::policy::Freeze;
use crate::desired::policy::OnDrift;
use crate::domain::commit::CommitId;
use crate::domain::commit::Identity;
use crate::domain::name::ApproverName;
use crate::domain::window::Grade;
use crate::plan::Plan;
use crate::plan::Step;
use crate::plan::change::Cause;
use crate::plan::change::Change;
use crate::plan::document::ChangeDigest;
use crate::plan::document::PlanId;
use crate::plan::document::change_digest;
use crate::plan::document::key_text;
use crate::plan::document::loosening_digest;
use crate::plan::risk::Risk;
use coverage::Coverage;
use coverage::Covered;
use emergency::Emergency;
use file::ApprovalFile;
pub use part::in_part;
use signature::Signer;
use signature::Unverified;
use used::Used;
use window::Closed;

/// Permission to run one plan. Only [`decide`] and [`emergency::break_glass`] make one.
#[derive(Clone, Debug)]
pub struct Approval {
    plan: PlanId,
    approvers: BTreeSet<String>,
    emergency: Option<Emergency>,
}

impl Approval {
    /// The plan that may run.
    pub fn plan(&self) -> &PlanId {
        &self.plan
    }

    /// Who said yes; empty if nobody had to.
    pub fn approvers(&self) -> &BTreeSet<String> {
        &self.approvers
    }

    /// That the glass was broken for it.
    pub fn emergency(&self) -> Option<&Emergency> {
        self.emergency.as_ref()
    }
}

/// An approval file, and how it came into the repository.
#[derive(Clone, Debug)]
pub struct Evidence {
    /// Its contents.
    pub file: ApprovalFile,
    /// Author and committer of the commit that brought it in, as they are written there.
    pub brought_by: Vec<Identity>,
    /// Whose signature that commit has.
    pub signed_by: Result<Signer, Unverified>,
}

/// Who made the change that is to be applied.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Authors {
    /// Addresses of its authors and committers, in lower case, as they are written in its commits.
    pub addresses: BTreeSet<String>,
    /// Whose signatures its commits have. Only looked at where signatures are required.
    pub signers: BTreeSet<Signer>,
    /// Its commits that nobody known has signed, each with its reason. Only looked at where signatures are required.
    pub unsigned: Vec<String>,
    /// The commit that was applied last, if the history does not contain it: nobody can tell what came after it, so nothing
    /// counts as merged, and whoever wrote anything counts as an author.
    pub lost: Option<CommitId>,
}

/// What a local person said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LocalConsent {
    /// Nothing: only files count.
    None,
    /// `--yes`: what may be automatic or merged may run.
    Unattended,
    /// An answer at the prompt, or `--approve-plan` with the full id: counts as one person.
    Person,
}

/// Everything about this moment that the decision depends on.
#[derive(Clone, Debug)]
pub struct Circumstances {
    /// The time.
    pub now: Timestamp,
    /// When this repository was first seen; older approvals are void.
    pub first_seen: Option<Timestamp>,
    /// Who made the change: they never count.
    pub authors: Authors,
    /// Changes that were carried out under an approval already: they cannot be carried out under it again.
    pub used: Used,
    /// The canonical bodies of approved plans, as far as they were kept. One that is not what its id says counts for nothing.
    pub bodies: BTreeMap<PlanId, String>,
    /// What a local person said.
    pub local: LocalConsent,
}

/// The answer.
#[derive(Clone, Debug)]
pub enum Decision {
    /// It may run.
    Approved(Approval),
    /// It may not, and this is why.
    Missing(Missing),
}

/// What an apply still needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// What each unmet risk needs, and how many people have said yes to all of its changes.
    pub needs: BTreeMap<Risk, Need>,
    /// Approvals that do not count, and why.
    pub refused: Vec<Refused>,
    /// Commits of the change that nobody known has signed, where signatures are required: nobody can tell who made it.
    pub unsigned: Vec<String>,
    /// The commit that was applied last, if the history does not contain it: nobody can tell what was merged since, and by
    /// whom.
    pub lost: Option<CommitId>,
    /// What is new since people approved another plan of the same changes.
    pub news: Vec<News>,
    /// That nothing at all is applied now, whoever approves.
    pub frozen: Option<Freeze>,
    /// That the change windows are closed; of a frozen environment, when it thaws.
    pub closed: Option<Closed>,
}

impl Missing {
    /// When the time alone changes what may run: all of the plan if it lacks nothing else, or a part that is approved.
    pub fn changes_at(&self) -> Option<Timestamp> {
        let thaws = || self.frozen.as_ref().map(|freeze| freeze.until);
        self.closed.as_ref().map_or_else(thaws, |closed| closed.opens.as_ref().map(|opening| opening.at))
    }
}

/// What is new since somebody approved another plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct News {
    /// Who approved.
    pub approver: ApproverName,
    /// What they approved.
    pub plan: PlanId,
    /// What differs from it now, each as a line.
    pub differences: Vec<String>,
}

/// What one risk still needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    /// The rule.
    pub consent: Consent,
    /// How many people's approvals count for the change that has the fewest.
    pub have: u32,
    /// The changes that lack it.
    pub changes: Vec<String>,
}

/// An approval that does not count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Whose it is.
    pub approver: ApproverName,
    /// Why, as half a sentence after "its approval".
    pub reason: String,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { approver, reason } = self;
        write!(f, "the approval of {approver} does not count: it {reason}")
    }
}

/// Decides whether the plan may run.
pub fn decide(plan: &Plan, evidence: &[Evidence], circumstances: &Circumstances) -> Decision {
    let (valid, mut refused) = valid(plan, evidence, circumstances);
    let coverage = Coverage::of(plan, circumstances);
    let mut needs: BTreeMap<Risk, Need> = BTreeMap::new();
    let mut approvers = BTreeSet::new();
    for item in items(plan) {
        let people = people(plan, &coverage, &item, &valid);
        let consent = item.consent;
        let have = counted(&people, circumstances.local);
        if !is_met(consent, item.is_merged, have, circumstances) {
            let need = needs.entry(item.risk).or_insert(Need { consent, have: u32::MAX, changes: Vec::new() });
            need.consent = need.consent.max(consent);
            need.have = need.have.min(have);
            need.changes.push(item.name);
        }
        approvers.extend(people.iter().map(ToString::to_string));
    }
    let frozen = plan.policy.freeze.clone().filter(|freeze| circumstances.now < freeze.until);
    let thaws = frozen.as_ref().map_or(circumstances.now, |freeze| freeze.until);
    let closed = window::closed(&plan.policy.windows, &grades(plan), thaws);
    if !needs.is_empty() || frozen.is_some() || closed.is_some() {
        refused.extend(valid.iter().filter_map(|file| uncovering(plan, &coverage, file)));
        let Authors { unsigned, lost, .. } = circumstances.authors.clone();
        let news = valid.iter().filter_map(|file| since(plan, &coverage, file)).collect();
        return Decision::Missing(Missing { needs, refused, unsigned, lost, news, frozen, closed });
    }
    if circumstances.local == LocalConsent::Person {
        approvers.insert("local".to_owned());
    }
    Decision::Approved(Approval { plan: plan.id.clone(), approvers, emergency: None })
}

/// The approvals that count, whatever they are for, and those that do not.
fn valid<'a>(
    plan: &Plan,
    evidence: &'a [Evidence],
    circumstances: &Circumstances,
) -> (Vec<&'a ApprovalFile>, Vec<Refused>) {
    let (mut valid, mut refused) = (Vec::new(), Vec::new());
    for evidence in evidence {
        match objection::objection(plan, evidence, circumstances) {
            None => valid.push(&evidence.file),
            // What was carried out under it is over, and it grows old with that.
            Some(_) if circumstances.used.is_whole(&evidence.file) => {}
            Some(reason) => {
                let refusal = Refused { approver: evidence.file.approver.clone(), reason };
                if !refused.contains(&refusal) {
                    refused.push(refusal);
                }
            }
        }
    }
    (valid, refused)
}

/// The consent that a change asks for: that of its risk, and of drift what the settings say about drift.
pub fn required(plan: &Plan, change: &Change) -> Consent {
    let consent = of_risk(plan, change.risk);
    match plan.on_drift(change) {
        None => consent,
        Some(OnDrift::Heal) => Consent::Automatic,
        // Drift is nobody's commit; somebody has to want its repair.
        Some(OnDrift::Propose | OnDrift::Report) => consent.max(Consent::People(1)),
    }
}

/// The consent that a risk asks for.
pub fn of_risk(plan: &Plan, risk: Risk) -> Consent {
    let rules = &plan.policy.approval;
    match risk.grade() {
        Grade::Safe => rules.safe,
        Grade::Notable => rules.notable,
        Grade::Disruptive => rules.disruptive,
        Grade::Severing => rules.severing,
    }
}

/// The grades of everything in a plan that somebody has to agree to.
pub fn grades(plan: &Plan) -> BTreeSet<Grade> {
    items(plan).into_iter().map(|item| item.risk.grade()).collect()
}

/// One thing that somebody has to agree to.
struct Item<'a> {
    /// The change; there is none to rules.
    change: Option<&'a Change>,
    /// As plans and approvals spell it; the rules have none.
    key: Option<String>,
    name: String,
    risk: Risk,
    consent: Consent,
    digest: ChangeDigest,
    /// True if it follows from a merged commit.
    is_merged: bool,
}

/// Everything in a plan that somebody has to agree to.
fn items(plan: &Plan) -> Vec<Item<'_>> {
    let rules = plan.loosening().iter().map(|rule| Item {
        change: None,
        key: None,
        name: format!("the rules ({rule})"),
        risk: Risk::Severing,
        consent: of_risk(plan, Risk::Severing),
        digest: loosening_digest(rule),
        is_merged: true,
    });
    let steps = plan.steps.iter().map(|Step { change, after: _ }| Item {
        change: Some(change),
        key: Some(key_text(&change.key)),
        name: change.key.to_string(),
        risk: change.risk,
        consent: required(plan, change),
        digest: change_digest(change),
        is_merged: matches!(change.cause, Cause::Commit | Cause::Rule),
    });
    rules.chain(steps).collect()
}

fn is_met(consent: Consent, is_merged: bool, have: u32, circumstances: &Circumstances) -> bool {
    match consent {
        Consent::Automatic => true,
        // What anybody may have pushed is nobody's merge, and what was merged cannot be told without the commit to tell it from.
        Consent::Merge => {
            let Authors { unsigned, lost, .. } = &circumstances.authors;
            (is_merged && unsigned.is_empty() && lost.is_none()) || have > 0
        }
        Consent::People(needed) => have >= needed,
    }
}

/// How many people said yes. Who sits here may be one of those who signed, and so adds nobody to them.
fn counted(people: &BTreeSet<&ApproverName>, local: LocalConsent) -> u32 {
    let files = u32::try_from(people.len()).unwrap_or(u32::MAX);
    files.max(u32::from(local == LocalConsent::Person))
}

/// The people whose approval covers this change.
fn people<'a>(
    plan: &Plan,
    coverage: &Coverage<'_>,
    item: &Item<'_>,
    valid: &[&'a ApprovalFile],
) -> BTreeSet<&'a ApproverName> {
    let covering = valid.iter().copied().filter(|file| coverage.of_item(file, item) == Covered::Yes);
    signatories(plan, covering)
}

/// Who gave some approvals. Without signatures one counts at most: a file names whom it likes.
fn signatories<'a>(plan: &Plan, files: impl Iterator<Item = &'a ApprovalFile>) -> BTreeSet<&'a ApproverName> {
    let mut people: BTreeSet<&ApproverName> = files.map(|file| &file.approver).collect();
    if !plan.policy.approval.signatures_required {
        people = people.into_iter().take(1).collect();
    }
    people
}

/// What is new since an approval that holds was given for another plan, as far as its list of changes tells; `None` if it
/// was for other resources, or is used up.
fn since(plan: &Plan, coverage: &Coverage<'_>, file: &ApprovalFile) -> Option<News> {
    let resources = |is_used: bool| -> BTreeSet<&str> {
        let changes = file.changes.iter().filter(|change| coverage.is_used(file, &change.digest) == is_used);
        changes.map(|change| change.resource.as_str()).collect()
    };
    let (open, done) = (resources(false), resources(true));
    let steps = items(plan).into_iter().filter_map(|item| Some((item.key.clone()?, item)));
    let steps: Vec<(String, Item<'_>)> = steps.collect();
    let is_about = steps.iter().any(|(key, _)| open.contains(key.as_str()));
    let differs = |(key, item): &(String, Item<'_>)| match (open.contains(key.as_str()), done.contains(key.as_str())) {
        (false, false) => Some(format!("new: {} {}", item.change?.action, item.name)),
        (true, _) if coverage.of_item(file, item) == Covered::No => {
            Some(format!("{}: its change, or what follows from it, is not what was approved", item.name))
        }
        _ => None,
    };
    let differences: Vec<String> = steps.iter().filter_map(differs).collect();
    let is_news = file.plan != plan.id && is_about && !differences.is_empty();
    is_news.then(|| News { approver: file.approver.clone(), plan: file.plan.clone(), differences })
}

/// Why an approval that holds by itself does not help this plan; `None` if it covers some of its changes.
fn uncovering(plan: &Plan, coverage: &Coverage<'_>, file: &ApprovalFile) -> Option<Refused> {
    let covered: BTreeSet<Covered> = items(plan).iter().map(|item| coverage.of_item(file, item)).collect();
    let short = &file.plan.as_str()[..10];
    let reason = match covered.last() {
        Some(Covered::Yes) => return None,
        Some(Covered::No) | None if coverage.is_used_up(file) => return None,
        Some(Covered::Before) => format!("is for plan {short}…, and was used up when that was applied"),
        Some(Covered::No) | None => format!("is for plan {short}…, and lists none of the changes of this one"),
    };
    Some(Refused { approver: file.approver.clone(), reason })
}
