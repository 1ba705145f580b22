//! The effects that a reviewer is told, in the order in which they happen.
//!
//! What a Private Link Service takes along is one sentence, with everybody who is cut. What only carries out the fields
//! that the plan shows already (a rule for a new port, a frontend for a new Service) is not told again.

use crate::cloud_provider::Prediction;
use crate::cloud_provider::catalogue;
use crate::cloud_provider::effect::Effect;
use crate::cloud_provider::effect::What;
use crate::cloud_provider::rule;
use crate::cloud_provider::rule::Rule;
use crate::domain::azure::ResourceId;
use crate::domain::key::PublisherKey;
use crate::domain::key::ResourceKey;
use crate::domain::resource::connection::LiveConnection;
use crate::plan::action::Action;
use crate::plan::change::Change;
use crate::plan::change::Consequence;
use crate::plan::consequence;
use crate::plan::draft::Draft;
use crate::plan::retire;

/// The Private Link Services that go, or that come to serve somebody else.
pub(super) fn lost_links(prediction: &Prediction) -> Vec<&ResourceId> {
    prediction.effects.iter().filter_map(lost_link).collect()
}

fn lost_link(effect: &Effect) -> Option<&ResourceId> {
    match &effect.what {
        What::LinkDeleted { link } | What::LinkTakenOver { link, .. } | What::LinkUnproven { link, .. } => Some(link),
        _ => None,
    }
}

/// What a reviewer should know beside the consequences.
pub(super) fn notes(prediction: &Prediction) -> Vec<String> {
    let told = prediction.effects.iter().filter(|effect| matches!(effect.what, What::PolicySwitchedOff { .. }));
    told.map(|effect| format!("{} ({})", effect.what, effect.rule.id)).collect()
}

/// The consequences of a prediction.
pub(super) fn consequences(draft: &Draft<'_>, change: &Change, prediction: &Prediction) -> Vec<Consequence> {
    let told = prediction.effects.iter().filter_map(|effect| told(draft, change, prediction, effect));
    let mut all: Vec<Consequence> = Vec::new();
    for consequence in told {
        if !all.contains(&consequence) {
            all.push(consequence);
        }
    }
    all
}

fn told(draft: &Draft<'_>, change: &Change, prediction: &Prediction, effect: &Effect) -> Option<Consequence> {
    let edit = edit(change, effect);
    let plain = |text: String| Some(Consequence { rule: effect.rule.id, edit, text, parties: Default::default() });
    match &effect.what {
        What::LinkDeleted { link } => {
            let cut = prediction.effects.iter().filter_map(|effect| match &effect.what {
                What::ConnectionCut { link: of, connection } if of == link => Some(connection.as_ref()),
                _ => None,
            });
            let parties = consequence::parties(draft, cut);
            let text = loss(prediction, link) + put_again(draft, link) + &retire::told(draft, link);
            Some(Consequence { rule: effect.rule.id, edit, text, parties })
        }
        What::LinkTakenOver { connections, .. } | What::LinkUnproven { connections, .. } => {
            let parties = consequence::parties(draft, connections.iter().collect::<Vec<&LiveConnection>>());
            Some(Consequence { rule: effect.rule.id, edit, text: effect.what.to_string(), parties })
        }
        // They are part of the sentence about the Private Link Service.
        What::ConnectionCut { .. } | What::AliasLost { .. } | What::LinkRebuilt { .. } => None,
        What::FrontendReaddressed { .. } | What::FrontendRenamed { .. } | What::FrontendRemoved { .. }
            if !lost_links(prediction).is_empty() && effect.rule != &rule::SHARED_MOVES =>
        {
            None
        }
        What::FrontendCreated { .. } | What::LinkBuilt { .. } | What::RulesAdded(_) => None,
        What::LinkTuned { .. } | What::NatAdded { .. } => None,
        // It may be switched off already by the time the plan runs: it is a note, and not what is approved.
        What::PolicySwitchedOff { .. } => None,
        What::RulesRemoved(_) if change.action != Action::Delete && lost_links(prediction).is_empty() => {
            let ResourceKey::Service(service) = &change.key else { return plain(effect.what.to_string()) };
            // Their connection stays, and what they reached through the port is gone.
            let link = draft.observed.link_on_frontend_of(service);
            let parties = consequence::parties(draft, link.into_iter().flat_map(|link| &link.connections));
            Some(Consequence { rule: effect.rule.id, edit, text: effect.what.to_string(), parties })
        }
        // The change says so itself.
        What::FrontendRemoved { .. } if change.action == Action::Delete => None,
        What::RulesRemoved(_) if change.action == Action::Delete => None,
        What::Nothing if effect.rule == &rule::NO_SYNC => None,
        What::Nothing => plain(uncapitalised(effect.rule.title)),
        what => plain(what.to_string()),
    }
}

/// The kind of edit that brings an effect about, as the catalogue calls it.
fn edit(change: &Change, effect: &Effect) -> Option<&'static str> {
    edit_by(change, effect.rule)
}

/// The kind of edit that a rule speaks of, as the catalogue calls it.
pub(super) fn edit_by(change: &Change, rule: &Rule) -> Option<&'static str> {
    let fields = || change.fields.iter().map(|field| field.name.as_str());
    catalogue::edit_of(rule, fields).map(|entry| entry.id)
}

/// Half a sentence behind the end of a Private Link Service of ours that comes back in the same plan.
fn put_again(draft: &Draft<'_>, link: &ResourceId) -> &'static str {
    let key = ResourceKey::PrivateLinkService(PublisherKey::Own(link.clone()));
    let comes_back = draft.changes.get(&key).is_some_and(|change| change.removed_by.is_some());
    if comes_back { "; privlink puts it again, with another alias" } else { "" }
}

/// What becomes of a Private Link Service and its alias, and why.
fn loss(prediction: &Prediction, link: &ResourceId) -> String {
    let moves = prediction.effects.iter().find(|effect| {
        matches!(
            effect.what,
            What::FrontendReaddressed { .. } | What::FrontendRenamed { .. } | What::FrontendRemoved { .. }
        )
    });
    let rebuilt = prediction.effects.iter().find_map(|effect| match &effect.what {
        What::LinkRebuilt { old, name } if old == link => Some(name),
        _ => None,
    });
    let name = link.name();
    let end = match (rebuilt, &prediction.failure) {
        (_, Some(failure)) => format!(
            "{name} is deleted with every connection and its alias; then the sync fails {} and it is not built again",
            failure.stage
        ),
        (Some(new), None) if new.eq_ignore_ascii_case(name) => {
            format!("{name} is deleted with every connection and built anew with another alias")
        }
        (Some(new), None) => format!("{name} is deleted with every connection, and {new} is built with another alias"),
        (None, None) => format!("{name} is deleted with every connection and its alias"),
    };
    match moves {
        Some(effect) => format!("{}: {end}", effect.what),
        None => end,
    }
}

fn uncapitalised(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_lowercase().to_string()).unwrap_or_default();
    first + letters.as_str()
}
