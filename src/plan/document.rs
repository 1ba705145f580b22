//! The plan id: a digest over the canonical JSON of everything that is approved.
//!
//! Inside: format version, owner and environment, the desired resources, the approval rules in force, the ordered steps
//! with the values they read and their consequences. Outside: etags, times, commits, file and line, messages, build. So a
//! comment, a reorder, a moved file or a status commit keeps the id, and one more consumer on a severed service changes it.

use std::fmt;

use serde_json::Value as Json;
use serde_json::json;
use sha2::Digest as _;

use crate::desired::policy::DriftRules;
use crate::desired::policy::OnDrift;
use crate::domain::key::PublisherKey;
use crate::domain::key::ResourceKey;
use crate::domain::name::InvalidName;
use crate::domain::name::text_newtype;
use crate::domain::resource::Resource;
use crate::domain::window::Calendar;
use crate::domain::window::Window;
use crate::plan::Plan;
use crate::plan::Step;
use crate::plan::change::Change;
use crate::plan::change::LeftOut;
use crate::plan::change::Reads;
use crate::plan::change::StoredOtherwise;
use crate::plan::draft::Draft;
use crate::value::Fields;
use crate::value::Value;

/// The version of every document that privlink writes.
pub const API_VERSION: &str = "privlink.dev/v1alpha1";

/// The version of the hashed format.
pub const FORMAT: u32 = 1;

text_newtype!(
    /// The full SHA-256 of a plan's canonical body: 64 lower-case hex digits. A prefix is never one.
    PlanId,
    |text| if is_digest(text) {
        Ok(text.to_owned())
    } else {
        Err(InvalidName::new("a plan id", text, "use all 64 lower-case hex digits"))
    }
);

text_newtype!(
    /// The SHA-256 of one change as approved: key, action, field differences and consequences.
    ChangeDigest,
    |text| if is_digest(text) {
        Ok(text.to_owned())
    } else {
        Err(InvalidName::new("a change digest", text, "use all 64 lower-case hex digits"))
    }
);

fn is_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

impl PlanId {
    /// The id that a plan with this canonical body has.
    pub fn of_body(body: &str) -> Self {
        Self(digest(body))
    }
}

/// The SHA-256 of a text, as 64 lower-case hex digits.
pub fn digest(text: &str) -> String {
    sha2::Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The comparable fields of a desired resource.
pub fn fields_of(resource: &Resource) -> Fields {
    match resource {
        Resource::Namespace(namespace) => namespace.fields(),
        Resource::Service(service) => service.fields(),
        Resource::Subnet(subnet) => subnet.fields(),
        Resource::Publication(publication) => publication.fields(),
        Resource::PrivateLinkService(service) => service.fields(),
        Resource::PrivateEndpoint(endpoint) => endpoint.fields(),
        Resource::Connection(connection) => Fields::from([("state".to_owned(), Value::text(connection.verdict))]),
        Resource::DnsRecord(record) => record.fields(),
        Resource::DnsLink(link) => link.fields(),
    }
}

/// The digest of what is asked for of one resource.
pub fn wish_digest(resource: &Resource) -> String {
    digest(&canonical(&fields(&fields_of(resource))))
}

/// The digest under which one change is approved.
pub fn change_digest(change: &Change) -> ChangeDigest {
    ChangeDigest(digest(&canonical(&change_body(change))))
}

/// The same digest, of a step as the canonical body of a plan has it.
pub fn step_digest(step: &Json) -> ChangeDigest {
    let mut change = step.clone();
    if let Json::Object(fields) = &mut change {
        fields.retain(|name, _| !BESIDE_CHANGE.contains(&name.as_str()));
    }
    ChangeDigest(digest(&canonical(&change)))
}

/// The digest under which the loosening of a rule is approved.
pub fn loosening_digest(loosening: &str) -> ChangeDigest {
    ChangeDigest(digest(&canonical(&json!({ "loosens": loosening }))))
}

/// Closes a draft: composes the body and takes its digest.
pub(super) fn seal(draft: Draft<'_>, steps: Vec<Step>, left_out: Vec<LeftOut>) -> Plan {
    let policy = draft.desired.policy.clone();
    let mut body = json!({
        "version": FORMAT,
        "owner": policy.mark.owner,
        "environment": policy.mark.environment,
        "desired": desired(&draft),
        "approval": {
            "safe": policy.approval.safe.to_string(),
            "notable": policy.approval.notable.to_string(),
            "disruptive": policy.approval.disruptive.to_string(),
            "severing": policy.approval.severing.to_string(),
            "signatures": policy.approval.signatures_required,
        },
        "steps": steps.iter().map(step).collect::<Vec<_>>(),
    });
    // The usual follows from the rules above, and needs no words of its own.
    if policy.drift != DriftRules::of(&policy.approval) {
        let DriftRules { safe, notable, disruptive, severing } = &policy.drift;
        let word = |on: &OnDrift| on.word();
        body["drift"] = json!({ "safe": word(safe), "notable": word(notable), "disruptive": word(disruptive), "severing": word(severing) });
    }
    if !left_out.is_empty() {
        body["leftOut"] = left_out.iter().map(omission).collect();
    }
    if !policy.windows.is_empty() {
        body["approval"]["windows"] = policy.windows.iter().map(calendar).collect();
    }
    if policy.break_glass {
        body["approval"]["breakGlass"] = true.into();
    }
    if !policy.loosening.is_empty() {
        body["loosens"] = policy.loosening.clone().into();
    }
    let body = canonical(&body);
    let mut notes = draft.notes;
    notes.sort();
    notes.dedup();
    let (modes, smaller_edits) = (draft.modes, draft.smaller_edits);
    let mut blockers = draft.blockers;
    blockers.sort();
    Plan {
        id: PlanId::of_body(&body),
        policy,
        steps,
        notes,
        postponed: draft.postponed,
        blockers,
        left_out,
        modes,
        smaller_edits,
        gaps: draft.observed.gaps.iter().cloned().collect(),
        unchanged: draft.unchanged,
        body,
    }
}

/// The id and the body of a plan with these steps in the place of its own.
pub(super) fn seal_again(body: &str, steps: &[Step], left_out: &[LeftOut]) -> (PlanId, String) {
    let mut body: Json = serde_json::from_str(body).expect("the body of a plan is JSON");
    body["steps"] = steps.iter().map(step).collect();
    if !left_out.is_empty() {
        body["leftOut"] = left_out.iter().map(omission).collect();
    }
    let body = canonical(&body);
    (PlanId::of_body(&body), body)
}

/// The rule, never what the clock says of it: the same plan has one id at all times.
fn calendar(calendar: &Calendar) -> Json {
    let window = |window: &Window| {
        let grades = window.grades.iter().map(|grade| grade.as_str()).collect::<Vec<_>>();
        json!({ "when": window.to_string(), "risks": grades })
    };
    let all = |windows: &[Window]| windows.iter().map(window).collect::<Vec<_>>();
    json!({ "timeZone": calendar.zone.to_string(), "allow": all(&calendar.allow), "deny": all(&calendar.deny) })
}

fn desired(draft: &Draft<'_>) -> Json {
    let mut resources = serde_json::Map::new();
    for (key, intent) in &draft.desired.intents {
        resources.insert(key_text(key), fields(&fields_of(&intent.resource)));
    }
    let mut rules = serde_json::Map::new();
    for (publisher, rule) in &draft.desired.connections {
        let list = |set: &std::collections::BTreeSet<crate::desired::Requester>| {
            set.iter()
                .map(|requester| match requester {
                    crate::desired::Requester::Subscription(id) => json!({ "subscription": id }),
                    crate::desired::Requester::Endpoint(id) => json!({ "endpoint": id.folded() }),
                })
                .collect::<Vec<_>>()
        };
        let key = crate::domain::key::ResourceKey::PrivateLinkService(publisher.clone());
        let body =
            json!({ "approve": list(&rule.approve), "reject": list(&rule.reject), "rejectOthers": rule.reject_others });
        rules.insert(key_text(&key), body);
    }
    json!({ "resources": resources, "connections": rules })
}

/// What a step has beside its change: of the plan's id, and of no change's digest.
const BESIDE_CHANGE: [&str; 4] = ["irreversible", "reads", "after", "existing"];

fn step(step: &Step) -> Json {
    let change = &step.change;
    let mut body = change_body(change);
    body["irreversible"] = change.irreversible.into();
    body["reads"] = reads(&change.reads);
    body["after"] = step.after.clone().into();
    body["existing"] = change.existing.as_ref().map(crate::domain::azure::ResourceId::folded).into();
    body
}

fn change_body(change: &Change) -> Json {
    let mut body = json!({
        "key": key(change),
        "action": change.action,
        "actor": change.actor,
        "risk": change.risk,
        "fields": field_changes(change),
        "consequences": consequences(change),
    });
    note_rest(&mut body, change);
    body
}

/// What few changes have, and is part of what is approved where they have it: who takes away what is replaced, where it is
/// not the change itself, what the API server makes of it, and that fields are taken from their managers.
fn note_rest(body: &mut Json, change: &Change) {
    if let Some(remover) = &change.removed_by {
        body["removedBy"] = key_text(remover).into();
    }
    if !change.stored.is_empty() {
        let of = |other: &StoredOtherwise| {
            let StoredOtherwise { name, asked, stored } = other;
            json!({ "name": name, "asked": asked.as_ref().map(value), "stored": stored.as_ref().map(value) })
        };
        body["storedOtherwise"] = change.stored.iter().map(of).collect();
    }
    if change.force {
        body["force"] = true.into();
    }
}

/// What is left out is part of what is approved: its absence is. The words of the reasons are not.
fn omission(left: &LeftOut) -> Json {
    json!({
        "key": key_text(&left.key),
        "action": left.change.as_ref().map(|change| change.action),
        "rules": left.refusals.iter().map(|refusal| refusal.rule).collect::<Vec<_>>(),
        "needs": left.needs.iter().map(key_text).collect::<Vec<_>>(),
    })
}

fn key(change: &Change) -> String {
    key_text(&change.key)
}

/// The full identity of a resource as text; ids are folded because Azure's spelling is not ours.
pub fn key_text(key: &ResourceKey) -> String {
    let publisher_text = |publisher: &PublisherKey| match publisher {
        PublisherKey::Cluster(service) => service.to_string(),
        PublisherKey::Own(id) => id.folded(),
    };
    match key {
        ResourceKey::Namespace(name) => format!("namespace/{name}"),
        ResourceKey::Service(service) => format!("service/{service}"),
        ResourceKey::PrivateLinkService(publisher) => format!("privatelinkservice/{}", publisher_text(publisher)),
        ResourceKey::Connection { publisher, endpoint } => {
            format!("connection/{} -> {}", endpoint.folded(), publisher_text(publisher))
        }
        ResourceKey::Subnet(id)
        | ResourceKey::PrivateEndpoint(id)
        | ResourceKey::DnsRecord(id)
        | ResourceKey::DnsLink(id) => format!("{}/{}", key.kind(), id.folded()),
    }
}

/// The name by which people know the resource of a [`key_text`]; a text that is none stays as it is.
pub fn key_name(text: &str) -> String {
    read_key(text).map_or_else(|| text.to_owned(), |key| key.to_string())
}

fn read_key(text: &str) -> Option<ResourceKey> {
    let (kind, name) = text.split_once('/')?;
    let publisher = |text: &str| match text.starts_with('/') {
        true => text.parse().ok().map(PublisherKey::Own),
        false => text.parse().ok().map(PublisherKey::Cluster),
    };
    match kind {
        "privatelinkservice" => publisher(name).map(ResourceKey::PrivateLinkService),
        "connection" => {
            let (endpoint, by) = name.split_once(" -> ")?;
            Some(ResourceKey::Connection { publisher: publisher(by)?, endpoint: endpoint.parse().ok()? })
        }
        "subnet" => name.parse().ok().map(ResourceKey::Subnet),
        "privateendpoint" => name.parse().ok().map(ResourceKey::PrivateEndpoint),
        "dnsrecord" => name.parse().ok().map(ResourceKey::DnsRecord),
        "dnslink" => name.parse().ok().map(ResourceKey::DnsLink),
        // They are written as they are called.
        _ => None,
    }
}

fn field_changes(change: &Change) -> Vec<Json> {
    let of = |field: &crate::plan::change::FieldChange| {
        json!({
            "name": field.name,
            "before": field.before.as_ref().map(value),
            "after": field.after.as_ref().map(value),
            "forcesReplacement": field.forces_replacement,
        })
    };
    change.fields.iter().map(of).collect()
}

fn reads(reads: &Reads) -> Json {
    let Reads { exists, fields: read, connections, publisher } = reads;
    json!({
        "exists": exists,
        "fields": fields(read),
        "connections": connections,
        "publisher": publisher.as_ref().map(crate::domain::azure::ResourceId::folded),
    })
}

fn consequences(change: &Change) -> Vec<Json> {
    let of = |consequence: &crate::plan::change::Consequence| {
        let parties = consequence
            .parties
            .iter()
            .map(|party| json!({ "endpoint": party.endpoint.folded(), "status": party.status }));
        json!({ "rule": consequence.rule, "parties": parties.collect::<Vec<_>>() })
    };
    change.consequences.iter().map(of).collect()
}

fn fields(fields: &Fields) -> Json {
    Json::Object(fields.iter().map(|(name, field)| (name.clone(), value(field))).collect())
}

/// A value as hashed. A produced value is its producer, known or not: so the rest of an interrupted apply stays approved.
fn value(field: &Value) -> Json {
    match field {
        Value::Bool(flag) => json!(flag),
        Value::Integer(number) => json!(number),
        Value::Text(text) => json!(text),
        Value::Id(id) => json!(id.folded()),
        Value::List(items) => json!({ "list": items }),
        Value::Set(items) => json!({ "set": items }),
        Value::Produced { by, output, known: _ } => json!({ "producedBy": key_text(by), "output": output }),
    }
}

/// JSON in the canonical form of RFC 8785: keys sorted by UTF-16 code units, no blanks, shortest escapes.
///
/// Only whole numbers occur in a plan, so the number rules of the RFC are those of every JSON writer.
pub fn canonical(json: &Json) -> String {
    let mut text = String::new();
    write_canonical(json, &mut text).expect("writing to a string does not fail");
    text
}

fn write_canonical(json: &Json, out: &mut String) -> fmt::Result {
    use fmt::Write as _;
    match json {
        Json::Object(map) => {
            let mut entries: Vec<(&String, &Json)> = map.iter().collect();
            entries.sort_by(|a, b| a.0.encode_utf16().cmp(b.0.encode_utf16()));
            out.push('{');
            for (at, (key, value)) in entries.into_iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                write!(out, "{}:", Json::String(key.clone()))?;
                write_canonical(value, out)?;
            }
            out.push('}');
            Ok(())
        }
        Json::Array(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                write_canonical(item, out)?;
            }
            out.push(']');
            Ok(())
        }
        other => write!(out, "{other}"),
    }
}
