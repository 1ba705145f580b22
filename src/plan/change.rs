//! One decision about one resource, with everything a reviewer and an apply need to know about it.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fmt;

use crate::cloud_provider::rule::Rule;
use crate::desired::policy::Consumer;
use crate::diagnostic::Place;
use crate::domain::azure::ResourceId;
use crate::domain::azure::SubscriptionId;
use crate::domain::key::ResourceKey;
use crate::domain::kubernetes::Namespace;
use crate::domain::resource::Resource;
use crate::domain::right::Grantee;
use crate::domain::right::RightScope;
use crate::plan::action::Action;
use crate::plan::action::Actor;
use crate::plan::preflight;
use crate::plan::risk::Risk;
use crate::value::Fields;
use crate::value::Output;
use crate::value::Value;

/// One decision about one resource.
#[derive(Clone, Debug)]
pub struct Change {
    /// Which resource.
    pub key: ResourceKey,
    /// What happens to it.
    pub action: Action,
    /// Who does it.
    pub actor: Actor,
    /// What differs, by field name.
    pub fields: Vec<FieldChange>,
    /// How bad it can be.
    pub risk: Risk,
    /// True if it cannot be undone, whatever its risk.
    pub irreversible: bool,
    /// What others will do or suffer because of it.
    pub consequences: Vec<Consequence>,
    /// The values the decision read: an apply refuses if they are not true any more.
    pub reads: Reads,
    /// What it needs from other resources.
    pub inputs: Vec<Input>,
    /// The resource as it shall be; `None` for a delete.
    pub resource: Option<Resource>,
    /// The Azure id to delete or replace, where it differs from the key (what the cloud provider named).
    pub existing: Option<ResourceId>,
    /// The change that takes away what is there, where that is not this one: of a replacement the second half is left.
    pub removed_by: Option<ResourceKey>,
    /// Where the API server would store something else than is asked for.
    pub stored: Vec<StoredOtherwise>,
    /// True if it takes fields of a Service from their managers: only where its document asks to adopt it.
    pub force: bool,
    /// Why it is done.
    pub cause: Cause,
    /// One line for people that says why, where the fields do not.
    pub reason: Option<String>,
    /// Where it was asked for.
    pub place: Option<Place>,
}

impl Change {
    /// True if the world moved away from what was asked for before.
    pub fn is_drift(&self) -> bool {
        self.cause == Cause::Drift
    }

    /// A change without differences, reads or consequences yet.
    pub fn new(key: ResourceKey, action: Action) -> Self {
        Self {
            key,
            action,
            actor: Actor::Privlink,
            fields: Vec::new(),
            risk: Risk::Safe,
            irreversible: false,
            consequences: Vec::new(),
            reads: Reads::default(),
            inputs: Vec::new(),
            resource: None,
            existing: None,
            removed_by: None,
            stored: Vec::new(),
            force: false,
            cause: Cause::Commit,
            reason: None,
            place: None,
        }
    }

    /// The fields that force a replacement.
    pub fn forcing(&self) -> impl Iterator<Item = &FieldChange> {
        self.fields.iter().filter(|field| field.forces_replacement)
    }

    /// The fields of a Service that it would take from another manager: to change them, not to let go of them.
    pub fn held(&self) -> impl Iterator<Item = (&FieldChange, &str)> {
        let held = self.fields.iter().filter(|field| field.before.is_some() && field.after.is_some());
        held.filter_map(|field| Some((field, field.manager.as_deref()?)))
    }
}

/// One field that differs.
#[derive(Clone, Debug)]
pub struct FieldChange {
    /// Its name.
    pub name: String,
    /// What is there; `None` if nothing.
    pub before: Option<Value>,
    /// What shall be there; `None` if nothing.
    pub after: Option<Value>,
    /// True if this difference cannot be made in place.
    pub forces_replacement: bool,
    /// The other field manager that holds the field now, where Kubernetes tells. Not part of what is approved.
    pub manager: Option<String>,
}

/// A field that the API server would store otherwise than is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredOtherwise {
    /// Its name.
    pub name: String,
    /// What is asked for; `None` if nothing.
    pub asked: Option<Value>,
    /// What would be stored; `None` if nothing.
    pub stored: Option<Value>,
}

/// The values a decision read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reads {
    /// Whether the resource was there.
    pub exists: bool,
    /// The fields that mattered, as they were.
    pub fields: Fields,
    /// Every connection that the change may cut: endpoint id to state.
    pub connections: BTreeMap<String, String>,
    /// The Private Link Service whose connections these are, where it is not the resource itself.
    pub publisher: Option<ResourceId>,
}

/// A value that another resource yields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// Who yields it.
    pub producer: ResourceKey,
    /// What.
    pub output: Output,
    /// The value, if the producer exists and stays as it is.
    pub known: Option<String>,
}

/// Why a change is done. `merge` as consent covers the first alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// A document changed since the last applied commit.
    Commit,
    /// A rule of the repository, unchanged since then, meets a new connection request.
    Rule,
    /// The world moved away from what is asked for.
    Drift,
}

/// What another party will do or suffer because of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consequence {
    /// The rule that predicts it.
    pub rule: &'static str,
    /// The entry of the catalogue for the kind of edit that brings it about, where it is one of those.
    pub edit: Option<&'static str>,
    /// The prediction, as a sentence.
    pub text: String,
    /// Who is affected.
    pub parties: BTreeSet<Party>,
}

/// Somebody with a connection.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Party {
    /// The endpoint, or the connection where Azure does not tell the endpoint.
    pub endpoint: ResourceId,
    /// The state of the connection.
    pub status: String,
    /// True if a document of this repository asks for the endpoint. Not part of what is approved.
    pub is_declared: bool,
    /// Who is behind the subscription, from `[consumers]`. Not part of what is approved.
    pub consumer: Option<Consumer>,
}

impl Party {
    /// The subscription of the endpoint.
    pub fn subscription(&self) -> SubscriptionId {
        self.endpoint.subscription()
    }
}

/// Something a reader of the plan should know that is not a change.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Note {
    /// What it is about.
    pub subject: String,
    /// What it says.
    pub text: String,
}

/// Something that keeps the plan from being applied.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Blocker {
    /// What it is about.
    pub subject: String,
    /// What is wrong, as a sentence.
    pub problem: String,
    /// What to do about it.
    pub help: String,
}

/// Why a change would fail.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Refusal {
    /// The rule that says so; `None` where privlink itself refuses (a foreign resource, the scope).
    pub rule: Option<&'static str>,
    /// What is wrong, as a sentence.
    pub problem: String,
    /// What to do about it.
    pub help: String,
    /// The right whose lack is the reason, where one is.
    pub right: Option<MissingRight>,
    /// The same in the cluster.
    pub access: Option<MissingAccess>,
}

impl Refusal {
    /// By a rule, with its cure.
    pub fn by(rule: &'static Rule, problem: String) -> Self {
        let help = rule.avoid.to_owned();
        Self { rule: Some(rule.id), problem, help, right: None, access: None }
    }
}

/// Rights at one scope that an identity would need.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MissingRight {
    /// Who lacks them.
    pub identity: Grantee,
    /// The actions, in Azure's spelling.
    pub actions: Vec<&'static str>,
    /// Where.
    pub scope: RightScope,
    /// The narrowest of Azure's own roles that has them.
    pub role: &'static str,
}

impl MissingRight {
    /// The command that gives them, as the end of a sentence.
    pub fn grant(&self) -> String {
        format!("grant it with: {}", self.command())
    }

    /// The command that gives them.
    pub fn command(&self) -> String {
        let Self { identity, actions: _, scope, role } = self;
        format!("az role assignment create --assignee {} --role \"{role}\" --scope {scope}", identity.id())
    }
}

/// Verbs that the user of a cluster would need.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MissingAccess {
    /// The name of the user, as the API server knows it.
    pub user: String,
    /// The verbs.
    pub verbs: Vec<&'static str>,
    /// The resource, of the core group.
    pub resource: &'static str,
    /// The namespace; `None` for all of them.
    pub namespace: Option<Namespace>,
}

impl MissingAccess {
    /// The commands that give them, as the end of a sentence.
    pub fn grant(&self) -> String {
        format!("grant it with: {}", self.command())
    }

    /// The commands that give them: a role with just these verbs, and its binding.
    pub fn command(&self) -> String {
        let Self { user, verbs, resource, namespace } = self;
        let (prefix, place) = match namespace {
            Some(namespace) => ("", format!(" --namespace {namespace}")),
            None => ("cluster", String::new()),
        };
        let name = format!("privlink-{}-{resource}", verbs.join("-"));
        let subject = match user.strip_prefix("system:serviceaccount:") {
            Some(account) => format!("--serviceaccount {}", quoted(account)),
            None => format!("--user {}", quoted(user)),
        };
        format!(
            "kubectl create {prefix}role {name}{place} --verb {} --resource {resource} && kubectl create {prefix}rolebinding \
             {name}{place} --{prefix}role {name} {subject}",
            verbs.join(",")
        )
    }
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_.:@/".contains(letter);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

impl fmt::Display for MissingAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { user, verbs, resource, namespace } = self;
        write!(f, "the cluster's user {user} lacks {} on {resource} in ", verbs.join(" and "))?;
        match namespace {
            Some(namespace) => write!(f, "the namespace {namespace}"),
            None => f.write_str("all namespaces"),
        }
    }
}

impl fmt::Display for MissingRight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { identity, actions, scope, role: _ } = self;
        write!(f, "{identity} lacks {} on {scope}", actions.join(" and "))
    }
}

/// What this plan does not do, although it is asked for.
#[derive(Clone, Debug)]
pub struct LeftOut {
    /// Which resource.
    pub key: ResourceKey,
    /// The change that is not made; `None` where nothing could be decided.
    pub change: Option<Change>,
    /// Why it would fail; empty if it only needs what is left out.
    pub refusals: Vec<Refusal>,
    /// What it needs that is left out too.
    pub needs: BTreeSet<ResourceKey>,
    /// True if its document is suspended, or if it only waits for what is.
    pub suspended: bool,
}

impl LeftOut {
    /// True for drift that is only told: nothing keeps it from being put back but the settings.
    pub fn is_reported(&self) -> bool {
        let reported = [preflight::rule::DRIFT_REPORTED.id, preflight::rule::DRIFT_CONTESTED.id];
        let is_withheld = |refusal: &Refusal| refusal.rule.is_some_and(|rule| reported.contains(&rule));
        !self.suspended && self.change.as_ref().is_some_and(Change::is_drift) && self.refusals.iter().all(is_withheld)
    }
}
