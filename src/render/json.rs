//! The plan as JSON, version 1: structs of its own, frozen, never a dump of what the program holds inside.
//!
//! A program that reads this may rely on every name here. A change of meaning is a new `apiVersion`.

mod consequence;
mod field;
mod left_out;
mod mode;
mod value;
mod window;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use crate::desired::policy::OnDrift;
use crate::domain::commit::RepoPath;
use crate::plan::Plan;
use crate::plan::Step;
use crate::plan::action::Actor;
use crate::plan::change::Cause;
use crate::plan::change::Change;
use crate::plan::document;
use crate::plan::document::API_VERSION;
use crate::render::json::consequence::ConsequenceV1;
use crate::render::json::consequence::consequence;
use crate::render::json::field::FieldV1;
use crate::render::json::field::StoredOtherwiseV1;
use crate::render::json::left_out::LeftOutV1;
use crate::render::json::left_out::left_out;
use crate::render::json::mode::ModeV1;
use crate::render::json::mode::mode;
use crate::render::plan::consents;
use crate::render::shown::Details;
use crate::render::window::kept;
use crate::status::StatusDocument;
use window::WindowV1;
use window::window;

/// A plan for programs.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Plan")]
pub struct PlanV1 {
    /// `privlink.dev/v1alpha1`.
    pub api_version: &'static str,
    /// `Plan`.
    pub kind: &'static str,
    /// The full plan id: 64 lower-case hex digits.
    pub id: String,
    /// The environment.
    pub environment: String,
    /// The owner of the config repository.
    pub owner: String,
    /// True if everything that matters could be read.
    pub complete: bool,
    /// True if nothing forbids applying its steps; what is left out is no step.
    pub applicable: bool,
    /// The worst risk: `safe`, `notable`, `disruptive`, `severing` or `exposing`.
    pub risk: String,
    /// How many resources are as they shall be.
    pub unchanged: usize,
    /// The changes, each after everything it waits for.
    pub steps: Vec<StepV1>,
    /// How the Private Link Services were made whose frontends it changes, and what that means.
    pub modes: Vec<ModeV1>,
    /// Edits that would hurt less.
    pub smaller_edits: Vec<NoteV1>,
    /// What a reader should know beside the changes.
    pub notes: Vec<NoteV1>,
    /// What is asked for and not done: changes that are bound to fail, and what needs them. The steps do not need them.
    pub left_out: Vec<LeftOutV1>,
    /// What keeps it from being applied at all.
    pub blockers: Vec<BlockerV1>,
    /// What could not be read.
    pub gaps: Vec<GapV1>,
    /// The rules that the commit loosens: each is a severing change that has to be approved.
    pub loosens: Vec<String>,
    /// Who must say yes, for each risk that occurs.
    pub approval: Vec<ConsentV1>,
    /// The change windows that it has to keep to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub windows: Vec<WindowV1>,
}

/// One change with its place in the order.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "PlanStep")]
pub struct StepV1 {
    /// The full identity of the resource.
    pub key: String,
    /// Its kind: `service`, `privatelinkservice`, `privateendpoint`, …
    pub kind: String,
    /// Its short name.
    pub name: String,
    /// `create`, `update`, `replace`, `delete` or `adopt`.
    pub action: String,
    /// Who does it: `privlink` or `cloudProvider`.
    pub actor: &'static str,
    /// How bad it can be.
    pub risk: String,
    /// True if it cannot be undone.
    pub irreversible: bool,
    /// Why: `commit`, `rule` or `drift`.
    pub cause: &'static str,
    /// What happens to it: `heal` or `propose`; null if it is no drift.
    pub on_drift: Option<&'static str>,
    /// Why, in words, where the fields do not say it.
    pub reason: Option<String>,
    /// What differs.
    pub fields: Vec<FieldV1>,
    /// What the API server would store otherwise than is asked for.
    pub stored_otherwise: Vec<StoredOtherwiseV1>,
    /// What others will do or suffer.
    pub consequences: Vec<ConsequenceV1>,
    /// The keys of the steps it waits for.
    pub waits_for: Vec<String>,
    /// `file:line` where it was asked for.
    pub source: Option<String>,
    /// The digest under which this change is approved.
    pub digest: String,
}

/// Something to know.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(rename = "Note")]
pub struct NoteV1 {
    /// What it is about.
    pub subject: String,
    /// What it says.
    pub text: String,
}

/// Something in the way.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(rename = "Blocker")]
pub struct BlockerV1 {
    /// What it is about.
    pub subject: String,
    /// What is wrong.
    pub problem: String,
    /// What to do.
    pub help: String,
}

/// Something that could not be read.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(rename = "Gap")]
pub struct GapV1 {
    /// What.
    pub area: String,
    /// Why.
    pub reason: String,
}

/// Who must say yes to the changes of one risk.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(rename = "Consent")]
pub struct ConsentV1 {
    /// The risk.
    pub risk: String,
    /// True for drift of this risk, which has rules of its own.
    pub drift: bool,
    /// How many changes have it.
    pub changes: usize,
    /// `automatic`, `merge`, or so many people.
    pub consent: String,
}

/// Writes a plan for programs, with a line break at its end.
pub fn plan(plan: &Plan, details: Details<'_>) -> String {
    let mut text = serde_json::to_string_pretty(&of(plan, details)).expect("a plan has only text keys");
    text.push('\n');
    text
}

/// Writes the status of an environment for programs: a list of the documents as they lie on the status branch.
pub fn status(documents: &BTreeMap<RepoPath, StatusDocument>) -> String {
    let item = |document: &StatusDocument| {
        let item = match document {
            StatusDocument::Service(status) => serde_json::to_value(status),
            StatusDocument::PrivateLinkService(status) => serde_json::to_value(status),
            StatusDocument::PrivateEndpoint(status) => serde_json::to_value(status),
            StatusDocument::Environment(status) => serde_json::to_value(status),
            StatusDocument::Applied(_)
            | StatusDocument::Overview(_)
            | StatusDocument::SavedPlan(_)
            | StatusDocument::PendingPlanText(_) => return None,
        };
        Some(item.expect("a status has only text keys"))
    };
    let items: Vec<serde_json::Value> = documents.values().filter_map(item).collect();
    let list = serde_json::json!({ "apiVersion": API_VERSION, "kind": "StatusList", "items": items });
    format!("{list:#}\n")
}

/// The frozen form of a plan.
pub fn of(plan: &Plan, details: Details<'_>) -> PlanV1 {
    let blocker = |blocker: &crate::plan::change::Blocker| BlockerV1 {
        subject: blocker.subject.clone(),
        problem: blocker.problem.clone(),
        help: blocker.help.clone(),
    };
    let note = |note: &crate::plan::change::Note| NoteV1 { subject: note.subject.clone(), text: note.text.clone() };
    let (notes, smaller_edits) = (plan.notes.iter().map(note), plan.smaller_edits.iter().map(note));
    let gaps = plan.gaps.iter().map(|gap| GapV1 { area: gap.area.to_string(), reason: gap.reason.clone() });
    let consents = consents(plan).into_iter();
    PlanV1 {
        api_version: API_VERSION,
        kind: "Plan",
        id: plan.id.to_string(),
        environment: plan.policy.mark.environment.to_string(),
        owner: plan.policy.mark.owner.to_string(),
        complete: plan.is_complete(),
        applicable: plan.is_applicable(),
        risk: plan.risk().to_string(),
        unchanged: plan.unchanged,
        steps: plan.steps.iter().map(|it| step(plan, it, details)).collect(),
        modes: plan.modes.iter().map(mode).collect(),
        smaller_edits: smaller_edits.collect(),
        notes: notes.collect(),
        left_out: plan.left_out.iter().map(|left| left_out(left, details)).collect(),
        blockers: plan.blockers.iter().map(blocker).collect(),
        gaps: gaps.collect(),
        loosens: plan.loosening().to_vec(),
        approval: consents
            .map(|asked| ConsentV1 {
                risk: asked.risk.to_string(),
                drift: asked.drift.is_some(),
                changes: asked.changes,
                consent: asked.consent.to_string(),
            })
            .collect(),
        windows: kept(plan).iter().map(window).collect(),
    }
}

fn step(plan: &Plan, step: &Step, details: Details<'_>) -> StepV1 {
    let change = &step.change;
    StepV1 {
        key: document::key_text(&change.key),
        kind: change.key.kind().to_owned(),
        name: change.key.short_name(),
        action: change.action.to_string(),
        actor: match change.actor {
            Actor::Privlink => "privlink",
            Actor::CloudProvider => "cloudProvider",
        },
        risk: change.risk.to_string(),
        irreversible: change.irreversible,
        cause: cause(change),
        on_drift: plan.on_drift(change).map(OnDrift::word),
        reason: change.reason.clone(),
        fields: change.fields.iter().map(field::field).collect(),
        stored_otherwise: change.stored.iter().map(field::stored_otherwise).collect(),
        consequences: change.consequences.iter().map(|it| consequence(it, details)).collect(),
        waits_for: step.after.iter().map(|index| document::key_text(&plan.steps[*index].change.key)).collect(),
        source: change.place.as_ref().and_then(details.locate),
        digest: document::change_digest(change).to_string(),
    }
}

fn cause(change: &Change) -> &'static str {
    match change.cause {
        Cause::Commit => "commit",
        Cause::Rule => "rule",
        Cause::Drift => "drift",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::fixture::World;

    #[test]
    fn a_plan_for_programs_has_the_frozen_names() {
        let json = serde_json::to_value(of(&World::empty().plan(), Details::default())).unwrap();
        let names: Vec<&String> = json.as_object().unwrap().keys().collect();
        insta::assert_snapshot!(format!("{names:?}"), @r#"["apiVersion", "applicable", "approval", "blockers", "complete", "environment", "gaps", "id", "kind", "leftOut", "loosens", "modes", "notes", "owner", "risk", "smallerEdits", "steps", "unchanged"]"#);
        insta::assert_snapshot!(serde_json::to_string_pretty(&json["steps"][1]).unwrap(), @r#"
        {
          "action": "create",
          "actor": "cloudProvider",
          "cause": "commit",
          "consequences": [],
          "digest": "b8417b83d1c92faf55ce546fdddfd5591ffe2b34f319301d233ccb5531ec4928",
          "fields": [
            {
              "after": "pls-orders",
              "before": null,
              "forcesReplacement": false,
              "manager": null,
              "name": "name"
            },
            {
              "after": 1,
              "before": null,
              "forcesReplacement": false,
              "manager": null,
              "name": "nat.count"
            },
            {
              "after": false,
              "before": null,
              "forcesReplacement": false,
              "manager": null,
              "name": "proxyProtocol"
            },
            {
              "after": "role-based",
              "before": null,
              "forcesReplacement": false,
              "manager": null,
              "name": "visibility"
            }
          ],
          "irreversible": false,
          "key": "privatelinkservice/shop/orders",
          "kind": "privatelinkservice",
          "name": "shop/orders",
          "onDrift": null,
          "reason": null,
          "risk": "safe",
          "source": "environments/prod/orders.yaml",
          "storedOtherwise": [],
          "waitsFor": [
            "service/shop/orders"
          ]
        }
        "#);
    }
}
