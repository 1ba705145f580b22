//! The status of an environment as a whole, and the table for people.

use std::collections::BTreeMap;

use crate::domain::commit::RepoPath;
use crate::plan::Plan;
use crate::plan::document::API_VERSION;
use crate::status::StatusDocument;
use crate::status::contest;
use crate::status::document::AppliedRecord;
use crate::status::document::BlockerRecord;
use crate::status::document::BrokenGlass;
use crate::status::document::ConditionStatus;
use crate::status::document::EnvironmentStatus;
use crate::status::document::FailingStep;
use crate::status::document::GapRecord;
use crate::status::document::Overview;
use crate::status::document::OverviewRow;
use crate::status::document::PendingPlan;
use crate::status::path;
use crate::status::view::View;

/// Composes the status of the environment.
pub(super) fn compose(view: &View<'_>, previous: Option<&EnvironmentStatus>) -> EnvironmentStatus {
    let input = view.input;
    let applied = input.applied;
    let record = applied.and_then(|applied| applied.record.as_ref());
    let applied_commit = applied
        .and_then(|applied| applied.commit.clone())
        .or_else(|| previous.and_then(|previous| previous.applied_commit.clone()));
    let accepted = applied.and_then(|applied| applied.rules.clone());
    let rules_commit = accepted.or_else(|| {
        let previous = previous?;
        previous.rules_commit.clone().or_else(|| previous.applied_commit.clone())
    });
    let failing = view.failures.iter().map(|(key, error)| FailingStep { key: key.clone(), error: error.clone() });
    EnvironmentStatus {
        api_version: API_VERSION.to_owned(),
        kind: "EnvironmentStatus".to_owned(),
        environment: view.environment.to_string(),
        rules_commit: rules_commit.filter(|commit| Some(commit) != applied_commit.as_ref()),
        applied_commit,
        plan: record.map(|record| record.plan.clone()).or_else(|| previous.and_then(|previous| previous.plan.clone())),
        break_glass: broken_glass(record, previous),
        pending: pending(view, previous),
        healed: contest::healed(record, previous),
        contested: contest::records(input.plan, input.desired),
        gaps: gaps(view, previous),
        blockers: blockers(input.plan),
        failing: failing.collect(),
        approvals: previous.map(|previous| previous.approvals.clone()).unwrap_or_default(),
    }
}

fn broken_glass(record: Option<&AppliedRecord>, previous: Option<&EnvironmentStatus>) -> Option<BrokenGlass> {
    let before = previous.and_then(|previous| previous.break_glass.clone());
    let Some((record, glass)) = record.and_then(|record| Some((record, record.break_glass.as_ref()?))) else {
        return before;
    };
    Some(BrokenGlass {
        uses: before.map_or(0, |before| before.uses) + 1,
        plan: record.plan.clone(),
        at: record.applied_at,
        by: glass.by.clone(),
        reason: glass.reason.clone(),
    })
}

/// What keeps the plan, or some of its changes, from being applied.
fn blockers(plan: &Plan) -> Vec<BlockerRecord> {
    let whole = plan.blockers.iter().map(|blocker| BlockerRecord {
        subject: blocker.subject.clone(),
        problem: blocker.problem.clone(),
        help: blocker.help.clone(),
    });
    let refused = plan.unmet().flat_map(|left| left.refusals.iter().map(|refusal| (&left.key, refusal)));
    let refused = refused.map(|(key, refusal)| BlockerRecord {
        subject: key.to_string(),
        problem: refusal.problem.clone(),
        help: refusal.help.clone(),
    });
    whole.chain(refused).collect()
}

fn pending(view: &View<'_>, previous: Option<&EnvironmentStatus>) -> Option<PendingPlan> {
    let plan = view.input.plan;
    let before = previous.and_then(|previous| previous.pending.as_ref()).filter(|before| before.id == plan.id);
    plan.has_changes().then(|| PendingPlan {
        id: plan.id.clone(),
        risk: plan.risk().to_string(),
        changes: plan.steps.len(),
        since: before.map_or(view.input.now, |before| before.since),
        since_approved: view.input.news.to_vec(),
    })
}

fn gaps(view: &View<'_>, previous: Option<&EnvironmentStatus>) -> Vec<GapRecord> {
    let before = previous.map(|previous| previous.gaps.as_slice()).unwrap_or_default();
    let record = |gap: &crate::observed::Gap| {
        let area = gap.area.to_string();
        // The words of a failing call may change with every try: the first ones stay.
        before.iter().find(|record| record.area == area).cloned().unwrap_or_else(|| GapRecord {
            area,
            reason: gap.reason.clone(),
            since: view.input.now,
        })
    };
    view.input.observed.gaps.iter().map(record).collect()
}

/// Composes the table from the other documents.
pub(super) fn overview(
    view: &View<'_>,
    environment: EnvironmentStatus,
    documents: &BTreeMap<RepoPath, StatusDocument>,
) -> Overview {
    let folder = format!("{}/", path::folder(view.environment));
    let row = |(path, document): (&RepoPath, &StatusDocument)| {
        let head = document.head()?;
        let (kind, outputs, connections) = match document {
            StatusDocument::Service(status) => {
                let link = status.link_service.as_ref();
                let alias = link.and_then(|link| link.alias.clone());
                let outputs = status.outputs.addresses.iter().cloned().chain(alias).collect();
                ("Service", outputs, link.map(|link| link.connections.len()))
            }
            StatusDocument::PrivateLinkService(status) => (
                "PrivateLinkService",
                Vec::from_iter(status.outputs.alias.clone()),
                Some(status.outputs.connections.len()),
            ),
            StatusDocument::PrivateEndpoint(status) => {
                ("PrivateEndpoint", Vec::from_iter(status.outputs.address.clone()), None)
            }
            StatusDocument::Environment(_)
            | StatusDocument::Applied(_)
            | StatusDocument::Overview(_)
            | StatusDocument::SavedPlan(_)
            | StatusDocument::PendingPlanText(_) => return None,
        };
        let name = match &head.metadata.namespace {
            Some(namespace) => format!("{namespace}/{}", head.metadata.name),
            None => head.metadata.name.clone(),
        };
        let troubles = head.conditions.iter().filter(|condition| condition.status != ConditionStatus::True);
        let file = path.as_str().strip_prefix(&folder).unwrap_or(path.as_str()).to_owned();
        Some(OverviewRow { kind, name, troubles: troubles.cloned().collect(), outputs, connections, file })
    };
    Overview { environment, rows: documents.iter().filter_map(row).collect() }
}
