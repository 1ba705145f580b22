//! The questions that every kind's status asks of a composition.

use std::collections::BTreeMap;

use crate::desired::Intent;
use crate::domain::key::PublisherKey;
use crate::domain::key::ResourceKey;
use crate::domain::name::EnvironmentName;
use crate::observed::Gap;
use crate::plan::action::Actor;
use crate::plan::change::Cause;
use crate::plan::change::Change;
use crate::plan::document::API_VERSION;
use crate::plan::document::key_text;
use crate::status::Composition;
use crate::status::StatusDocument;
use crate::status::condition::Finding;
use crate::status::condition::settle;
use crate::status::document::ConditionType;
use crate::status::document::FailingStep;
use crate::status::document::Head;
use crate::status::document::Metadata;
use crate::status::document::StepOutcome;
use crate::status::path;
use crate::status::reason;

/// A composition with what follows from it for all documents.
pub(super) struct View<'a> {
    pub(super) input: &'a Composition<'a>,
    pub(super) environment: &'a EnvironmentName,
    /// Step to error: of this pass, and of earlier ones where the step is still to do.
    pub(super) failures: BTreeMap<String, String>,
}

/// Whose head it is.
pub(super) struct Subject<'a> {
    pub(super) kind: &'static str,
    pub(super) metadata: Metadata,
    /// The wish; `None` once no document asks for it.
    pub(super) intent: Option<&'a Intent>,
    /// Every resource that belongs to the document.
    pub(super) keys: Vec<ResourceKey>,
}

impl<'a> View<'a> {
    pub(super) fn new(input: &'a Composition<'a>) -> Self {
        let environment = &input.desired.policy.mark.environment;
        Self { input, environment, failures: failures(input, environment) }
    }

    pub(super) fn gap(&self, key: &ResourceKey) -> Option<&'a Gap> {
        self.input.observed.gap_for(key)
    }

    pub(super) fn failure(&self, key: &ResourceKey) -> Option<&str> {
        self.failures.get(&key_text(key)).map(String::as_str)
    }

    /// The resources that follow from the same document.
    pub(super) fn siblings(&self, intent: &Intent) -> Vec<ResourceKey> {
        let intents = self.input.desired.intents.iter();
        intents.filter(|(_, other)| other.document == intent.document).map(|(key, _)| key.clone()).collect()
    }

    /// The head of a document's status.
    pub(super) fn head(&self, subject: Subject<'_>, findings: Vec<Finding>, previous: Option<&Head>) -> Head {
        let Subject { kind, metadata, intent, keys } = subject;
        let before = previous.map(|head| head.conditions.as_slice()).unwrap_or_default();
        let suspension = intent.and_then(|intent| self.input.desired.suspended.get(&intent.document));
        let suspended = suspension
            .map(|suspension| Finding::no(ConditionType::Reconciled, reason::SUSPENDED, suspension.to_string()));
        let last = self.last_change(&keys);
        let applied = self.input.applied.and_then(|applied| applied.commit.clone());
        let (mut pending, mut drift) = (Vec::new(), Vec::new());
        for step in &self.input.plan.steps {
            if belongs(&step.change.key, &keys) {
                let list = if step.change.cause == Cause::Drift { &mut drift } else { &mut pending };
                list.push(self.words(&step.change));
            }
        }
        let waiting = self.input.plan.suspended().filter_map(|left| left.change.as_ref());
        let waiting = waiting.filter(|change| belongs(&change.key, &keys));
        pending.extend(waiting.map(|change| format!("suspended: {}", self.words(change))));
        let reported = self.input.plan.reported().filter_map(|left| left.change.as_ref());
        let reported = reported.filter(|change| belongs(&change.key, &keys));
        drift.extend(reported.map(|change| format!("only reported: {}", self.words(change))));
        if intent.is_none() && pending.is_empty() {
            drift.push("no document asks for it any more; it is left alone".to_owned());
        }
        Head {
            api_version: API_VERSION.to_owned(),
            kind: kind.to_owned(),
            metadata,
            source: intent.map(|intent| intent.place.file.as_str().to_owned()),
            applied_commit: match (&last, previous) {
                (Some(_), _) | (None, None) => applied,
                (None, Some(previous)) => previous.applied_commit.clone().or(applied),
            },
            plan: last.or_else(|| previous.and_then(|previous| previous.plan.clone())),
            conditions: settle(findings.into_iter().chain(suspended).collect(), before, self.input.now),
            pending,
            drift,
        }
    }

    /// The plan of this pass, if it changed one of these resources.
    fn last_change(&self, keys: &[ResourceKey]) -> Option<crate::plan::document::PlanId> {
        let record = self.input.applied?.record.as_ref()?;
        let texts: Vec<String> = keys.iter().map(key_text).collect();
        let wrote = |outcome: StepOutcome| {
            matches!(outcome, StepOutcome::Done | StepOutcome::Waiting | StepOutcome::Interrupted)
        };
        let changed = record.steps.iter().any(|step| wrote(step.outcome) && texts.contains(&step.key));
        changed.then(|| record.plan.clone())
    }

    fn words(&self, change: &Change) -> String {
        let by = match change.actor {
            Actor::Privlink => "",
            Actor::CloudProvider => " by the cloud provider",
        };
        let mut text = format!("{} {}{by} ({})", change.action, change.key, change.risk);
        // Everything of a new resource is new: its name says enough.
        let names: Vec<&str> = change.fields.iter().map(|field| field.name.as_str()).collect();
        if !names.is_empty() && change.action != crate::plan::action::Action::Create {
            text.push_str(&format!(": {}", names.join(", ")));
        }
        if let Some(failure) = self.failure(&change.key) {
            text.push_str(&format!("; the last try failed: {failure}"));
        }
        text
    }
}

/// True if a step is about one of the resources, or about a connection to one of them.
fn belongs(key: &ResourceKey, keys: &[ResourceKey]) -> bool {
    let of = |publisher: &PublisherKey| keys.contains(&ResourceKey::PrivateLinkService(publisher.clone()));
    keys.contains(key) || matches!(key, ResourceKey::Connection { publisher, .. } if of(publisher))
}

fn failures(input: &Composition<'_>, environment: &EnvironmentName) -> BTreeMap<String, String> {
    let mut failures: BTreeMap<String, String> = BTreeMap::new();
    let tried = input.applied.is_some_and(|applied| applied.record.is_some());
    if let (false, Some(StatusDocument::Environment(previous))) =
        (tried, input.previous.get(&path::environment(environment)))
    {
        let to_do: Vec<String> = input.plan.steps.iter().map(|step| key_text(&step.change.key)).collect();
        let still = previous.failing.iter().filter(|FailingStep { key, .. }| to_do.contains(key));
        failures.extend(still.map(|FailingStep { key, error }| (key.clone(), error.clone())));
    }
    failures.extend(input.failures.iter().map(|(key, error)| (key_text(key), error.clone())));
    failures
}
