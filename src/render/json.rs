//! The plan as JSON, version 1: structs of its own, frozen, never a dump of what the program holds inside.
//!
//! A program that reads this may rely on every name here. A change of meaning is a new `apiVersion`.

mod field;
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
use crate::plan::change::Consequence;
use crate::plan::change::LeftOut;
use crate::plan::change::MissingAccess;
use crate::plan::change::MissingRight;
use crate::plan::change::Refusal;
use crate::plan::document;
use crate::plan::document::API_VERSION;
use crate::plan::mode::Maker;
use crate::plan::mode::Mode;
use crate::render::affected;
use crate::render::json::field::FieldV1;
use crate::render::json::field::StoredOtherwiseV1;
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

/// What another party will do or suffer.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Consequence")]
pub struct ConsequenceV1 {
    /// The rule that predicts it.
    pub rule: String,
    /// The entry of the catalogue for the kind of edit that brings it about; null where it is none of those.
    pub edit: Option<&'static str>,
    /// The prediction.
    pub text: String,
    /// Who is affected.
    pub parties: Vec<PartyV1>,
}

/// Somebody with a connection.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Party")]
pub struct PartyV1 {
    /// The endpoint, or the connection where Azure does not tell the endpoint.
    pub endpoint: String,
    /// Its subscription.
    pub subscription: String,
    /// The state of the connection.
    pub status: String,
    /// True if a document of this repository asks for the endpoint: then its repair is a step of the plan.
    pub declared: bool,
    /// Who is behind the subscription.
    pub consumer: Option<String>,
    /// Their Microsoft Entra tenant, where the settings say it.
    pub tenant: Option<String>,
    /// When privlink first saw the connection (RFC 3339), where the status branch says it.
    pub first_seen: Option<String>,
}

/// A Private Link Service whose frontend changes.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Mode")]
pub struct ModeV1 {
    /// Its id.
    pub private_link_service: String,
    /// Who made it: `cloudProvider`, `privlink` or `others`.
    pub made_by: &'static str,
    /// What that means for the change of its frontend.
    pub meaning: &'static str,
    /// The rule that says so.
    pub rule: &'static str,
    /// How that is known: `observed`, `code`, `documented` or `inferred`.
    pub evidence: String,
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

/// A change that is not made.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "LeftOut")]
pub struct LeftOutV1 {
    /// The full identity of the resource.
    pub key: String,
    /// Its short name.
    pub name: String,
    /// `create`, `update`, `replace`, `delete` or `adopt`; null where nothing could be decided.
    pub action: Option<String>,
    /// How bad it would be; null where nothing could be decided.
    pub risk: Option<String>,
    /// Why it would be made: `commit`, `rule` or `drift`; null where nothing could be decided.
    pub cause: Option<&'static str>,
    /// True for drift that is only reported: nothing but the settings keeps it from being put back.
    pub reported: bool,
    /// True if its document is suspended, or if it only waits for what is.
    pub suspended: bool,
    /// Why it would fail; empty if it only needs what is left out.
    pub refusals: Vec<RefusalV1>,
    /// The keys of what it needs that is left out too.
    pub needs: Vec<String>,
    /// What others would do or suffer if it were made all the same.
    pub consequences: Vec<ConsequenceV1>,
    /// `file:line` where it was asked for.
    pub source: Option<String>,
}

/// Why a change would fail.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Refusal")]
pub struct RefusalV1 {
    /// The rule, which `privlink explain` explains; null where privlink itself refuses.
    pub rule: Option<&'static str>,
    /// What is wrong.
    pub problem: String,
    /// What to do.
    pub help: String,
    /// The rights whose lack is the reason; null where something else is.
    pub right: Option<RightV1>,
    /// The verbs whose lack is the reason; null where something else is.
    pub access: Option<AccessV1>,
}

/// Rights that an identity lacks.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "MissingRight")]
pub struct RightV1 {
    /// The application id of the identity that applies, or the object id of the cluster's.
    pub identity: String,
    /// The actions.
    pub actions: Vec<&'static str>,
    /// The scope: a resource, or its group.
    pub scope: String,
    /// A role of Azure's that has them.
    pub role: &'static str,
}

/// Verbs that the user of a cluster lacks.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "MissingAccess")]
pub struct AccessV1 {
    /// The user, as the API server knows it.
    pub user: String,
    /// The verbs.
    pub verbs: Vec<&'static str>,
    /// The resource, of the core group.
    pub resource: &'static str,
    /// The namespace; null for all of them.
    pub namespace: Option<String>,
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

fn mode(mode: &Mode) -> ModeV1 {
    let Mode { link, maker, meaning, rule } = mode;
    ModeV1 {
        private_link_service: link.to_string(),
        made_by: match maker {
            Maker::CloudProvider => "cloudProvider",
            Maker::Privlink => "privlink",
            Maker::Others => "others",
        },
        meaning,
        rule: rule.id,
        evidence: mode.evidence().to_string(),
    }
}

fn left_out(left: &LeftOut, details: Details<'_>) -> LeftOutV1 {
    let LeftOut { key, change, refusals, needs, suspended } = left;
    let change = change.as_ref();
    let refusal = |refusal: &Refusal| RefusalV1 {
        rule: refusal.rule,
        problem: refusal.problem.clone(),
        help: refusal.help.clone(),
        right: refusal.right.as_ref().map(right),
        access: refusal.access.as_ref().map(access),
    };
    LeftOutV1 {
        key: document::key_text(key),
        name: key.short_name(),
        action: change.map(|change| change.action.to_string()),
        risk: change.map(|change| change.risk.to_string()),
        cause: change.map(cause),
        reported: left.is_reported(),
        suspended: *suspended,
        refusals: refusals.iter().map(refusal).collect(),
        needs: needs.iter().map(document::key_text).collect(),
        consequences: change
            .iter()
            .flat_map(|change| &change.consequences)
            .map(|it| consequence(it, details))
            .collect(),
        source: change.and_then(|change| change.place.as_ref()).and_then(details.locate),
    }
}

fn right(right: &MissingRight) -> RightV1 {
    let MissingRight { identity, actions, scope, role } = right;
    RightV1 { identity: identity.id().to_owned(), actions: actions.clone(), scope: scope.to_string(), role }
}

fn access(access: &MissingAccess) -> AccessV1 {
    let MissingAccess { user, verbs, resource, namespace } = access.clone();
    AccessV1 { user, verbs, resource, namespace: namespace.map(|name| name.to_string()) }
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

fn consequence(consequence: &Consequence, details: Details<'_>) -> ConsequenceV1 {
    let party = |party: &crate::plan::change::Party| PartyV1 {
        endpoint: party.endpoint.to_string(),
        subscription: party.subscription().to_string(),
        status: party.status.clone(),
        declared: party.is_declared,
        consumer: party.consumer.as_ref().map(affected::consumer),
        tenant: party.consumer.as_ref().and_then(|consumer| consumer.tenant.clone()),
        first_seen: details.first_seen.and_then(|seen| seen.get(&party.endpoint)).map(ToString::to_string),
    };
    ConsequenceV1 {
        rule: consequence.rule.to_owned(),
        edit: consequence.edit,
        text: consequence.text.clone(),
        parties: consequence.parties.iter().map(party).collect(),
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
