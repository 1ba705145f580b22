//! What is left of an approved plan: a change that it contained, although carrying out a part of it made another change of it.
//!
//! Half of a replacement is a creation, and an endpoint whose Private Link Service was rebuilt is disconnected: after an
//! interruption such a change has another digest than the approved one, and does nothing that was not approved. It asks for the
//! same resource, no action and no risk is new, and nobody is hurt who was not named. Both sides are canonical bodies of plans,
//! so the approved one may come from anywhere: its id proves it.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use serde_json::Value as Json;

use crate::plan::document::ChangeDigest;
use crate::plan::document::PlanId;
use crate::plan::document::step_digest;
use crate::plan::risk::Risk;

/// The body of a plan, taken apart.
#[derive(Debug)]
pub(super) struct Body {
    json: Json,
    /// What happens to whom: rule and endpoint to the state of the connection; a rule that hits nobody has an empty endpoint.
    consequences: BTreeMap<(String, String), String>,
}

impl Body {
    /// Reads the body of a plan; `None` if it is not the one that the id names.
    pub(super) fn of(id: &PlanId, text: &str) -> Option<Self> {
        if PlanId::of_body(text) != *id {
            return None;
        }
        let json: Json = serde_json::from_str(text).ok()?;
        let consequences = steps(&json).flat_map(consequences).collect();
        Some(Self { json, consequences })
    }

    /// Its risks, that of loosened rules among them; `None` if one is not known here.
    pub(super) fn risks(&self) -> Option<BTreeSet<Risk>> {
        let rules = (!self.json["loosens"].is_null()).then_some(Some(Risk::Severing));
        steps(&self.json).map(risk).chain(rules).collect()
    }

    fn step(&self, key: &str) -> Option<&Json> {
        steps(&self.json).find(|step| step["key"] == key)
    }

    /// What is asked for of a resource; null if nothing.
    fn desired(&self, key: &str) -> &Json {
        &self.json["desired"]["resources"][key]
    }
}

fn steps(body: &Json) -> impl Iterator<Item = &Json> {
    body["steps"].as_array().into_iter().flatten()
}

fn consequences(step: &Json) -> impl Iterator<Item = ((String, String), String)> {
    let text = |json: &Json| json.as_str().unwrap_or_default().to_owned();
    step["consequences"].as_array().into_iter().flatten().flat_map(move |consequence| {
        let rule = text(&consequence["rule"]);
        let whom = |party: &Json| ((text(&consequence["rule"]), text(&party["endpoint"])), text(&party["status"]));
        let parties: Vec<_> = consequence["parties"].as_array().into_iter().flatten().map(whom).collect();
        std::iter::once(((rule, String::new()), String::new())).chain(parties)
    })
}

/// What is as it was approved, or not there any more.
const SAME: [&str; 4] = ["actor", "storedOtherwise", "removedBy", "existing"];

/// The digest of the approved change of which the change of a resource in the plan of now is what is left; `None` if there is
/// none, or if this one does more.
pub(super) fn part_of(approved: &Body, now: &Body, key: &str) -> Option<ChangeDigest> {
    let (before, after) = (approved.step(key)?, now.step(key)?);
    let is_wish = approved.desired(key) == now.desired(key);
    let is_part = is_wish
        && is_action_within(before, after, now.desired(key))
        && risk(after)? <= risk(before)?
        && within(before, after, "irreversible")
        && within(before, after, "force")
        && SAME.into_iter().all(|name| after[name].is_null() || after[name] == before[name])
        && consequences(after).all(|(whom, status)| is_known(approved, &whom, &status));
    is_part.then(|| step_digest(before))
}

/// A replacement contains the creation, and every change of a field: the whole resource was to become what is asked for.
fn is_action_within(before: &Json, after: &Json, desired: &Json) -> bool {
    let is_whole = before["action"] == "replace" && !desired.is_null();
    if is_whole {
        return ["replace", "create", "update"].into_iter().any(|action| after["action"] == action);
    }
    let fields = |step: &Json| step["fields"].as_array().cloned().unwrap_or_default();
    let approved = fields(before);
    after["action"] == before["action"] && fields(after).iter().all(|field| approved.contains(field))
}

fn risk(step: &Json) -> Option<Risk> {
    serde_json::from_value(step["risk"].clone()).ok()
}

/// True if a flag is set only where it was.
fn within(before: &Json, after: &Json, flag: &str) -> bool {
    after[flag] != true || before[flag] == true
}

/// Whoever agreed to cut a connection that works agreed to cut it in any other state; not the other way round.
fn is_known(approved: &Body, whom: &(String, String), status: &str) -> bool {
    approved.consequences.get(whom).is_some_and(|known| known == status || known == "Approved")
}
