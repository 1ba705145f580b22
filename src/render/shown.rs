//! Names and values of a plan in the words a reader knows: shorter where nothing is lost by it.
//!
//! An id of the environment's own subscription loses its beginning (`…/rg-apps/virtualNetworks/spoke`); every other id is
//! shown in full. An annotation of the cloud provider loses the prefix that all of them share.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use crate::diagnostic::Place;
use crate::domain::annotation;
use crate::domain::azure::ResourceId;
use crate::domain::azure::SubscriptionId;
use crate::domain::commit::CommitId;
use crate::plan::action::Action;
use crate::plan::action::Actor;
use crate::plan::change::Consequence;
use crate::plan::risk::Risk;
use crate::render::Label;
use crate::repo::source::Sources;
use crate::value::Value;

/// What a rendering needs to know beside the plan.
#[derive(Clone, Copy)]
pub struct Details<'a> {
    /// Turns a place into `environments/prod/orders.yaml:12`; `None` if it is not known here.
    pub locate: &'a dyn Fn(&Place) -> Option<String>,
    /// When privlink first saw the connection of an endpoint, from the status branch; `None` if there is no status.
    pub first_seen: Option<&'a BTreeMap<ResourceId, jiff::Timestamp>>,
}

impl Default for Details<'_> {
    /// Names the file and no line.
    fn default() -> Self {
        Self { locate: &|place| Some(place.file.as_str().to_owned()), first_seen: None }
    }
}

/// A place as people and editors read it: `environments/prod/orders.yaml:12`; the file alone if the line is not known.
pub fn location(sources: &Sources, place: &Place) -> String {
    match sources.line_column(place) {
        Some((line, _)) => format!("{}:{line}", place.file.as_str()),
        None => place.file.as_str().to_owned(),
    }
}

/// How names and values are shown in one environment.
#[derive(Clone, Debug)]
pub struct Shown {
    subscription: SubscriptionId,
}

impl Shown {
    /// Shortens ids of this subscription.
    pub fn new(subscription: SubscriptionId) -> Self {
        Self { subscription }
    }

    /// An id: the environment's subscription and the network provider go without saying.
    pub fn id(&self, id: &ResourceId) -> String {
        let network = id.resource_type().starts_with("microsoft.network/");
        if id.subscription() != self.subscription || !network {
            return id.to_string();
        }
        let rest: Vec<&str> = id.as_str().split('/').skip(7).collect();
        format!("…/{}/{}", id.resource_group(), rest.join("/"))
    }

    /// A value, on one line.
    pub fn value(&self, value: &Value) -> String {
        let items =
            |items: &mut dyn Iterator<Item = &String>| items.map(|item| self.text(item)).collect::<Vec<_>>().join(", ");
        match value {
            Value::Id(id) => self.id(id),
            Value::List(list) => format!("[{}]", items(&mut list.iter())),
            Value::Set(set) => format!("{{{}}}", items(&mut set.iter())),
            Value::Produced { known: Some(known), .. } => self.text(known),
            Value::Bool(_) | Value::Integer(_) | Value::Text(_) | Value::Produced { known: None, .. } => {
                one_line(&value.to_string())
            }
        }
    }

    /// Text that may be an id.
    pub fn text(&self, text: &str) -> String {
        text.parse::<ResourceId>().map_or_else(|_| one_line(text), |id| self.id(&id))
    }
}

/// The name of a field: `metadata.annotations[service.beta.kubernetes.io/azure-pls-name]` is `annotation azure-pls-name`.
pub fn field_name(name: &str) -> String {
    let bracketed = |kind: &str| name.strip_prefix(kind)?.strip_prefix('[')?.strip_suffix(']');
    let short = match (bracketed("metadata.annotations"), bracketed("metadata.labels")) {
        (Some(key), _) => {
            let cloud = key.strip_prefix(annotation::PREFIX).filter(|rest| rest.starts_with("azure-"));
            format!("annotation {}", cloud.unwrap_or(key))
        }
        (None, Some(key)) => format!("label {key}"),
        (None, None) => name.to_owned(),
    };
    one_line(&short)
}

/// Says that the history of the config branch does not explain what was applied last, and what follows.
pub fn lost(applied: &CommitId) -> String {
    let commit = applied.short();
    format!(
        "the history of the config branch does not contain commit {commit}, which was applied last: it was rewritten. \
         Nobody can tell what was merged since, and by whom: nothing counts as merged, and no approval by anybody who wrote \
         any commit of it"
    )
}

/// What helps then.
pub const WHEN_LOST: &str =
    "let somebody look at the plan and apply it once by `privlink apply`: what came before is not looked at again";

/// Text without line breaks: a value must not be able to forge a line of the plan.
pub fn one_line(text: &str) -> String {
    let text = text.replace('\r', "\\r").replace('\n', "\\n").replace(['\u{2028}', '\u{2029}'], "\\n");
    crate::render::visible(&text).into_owned()
}

/// What went into a set and what left it.
pub fn set_change<'a>(before: &'a BTreeSet<String>, after: &'a BTreeSet<String>) -> (Vec<&'a str>, Vec<&'a str>) {
    let text = |item: &'a String| item.as_str();
    (after.difference(before).map(text).collect(), before.difference(after).map(text).collect())
}

/// The label of a risk.
pub fn risk_label(risk: Risk) -> Label {
    match risk {
        Risk::Safe => Label::Safe,
        Risk::Notable => Label::Notable,
        Risk::Disruptive => Label::Disruptive,
        Risk::Severing | Risk::Exposing => Label::Severing,
    }
}

/// The label of an action.
pub fn action_label(action: Action) -> Label {
    match action {
        Action::Create => Label::Added,
        Action::Update | Action::Adopt => Label::Changed,
        Action::Replace | Action::Delete => Label::Removed,
    }
}

/// The names under which `explain` explains a prediction: its rule, and the kind of edit where that has one.
pub(super) fn named(consequence: &Consequence) -> String {
    let edit = consequence.edit.map(|edit| format!(", {edit}")).unwrap_or_default();
    format!("{}{edit}", consequence.rule)
}

/// Who does it, where that is not privlink itself.
pub fn actor(actor: Actor) -> &'static str {
    match actor {
        Actor::Privlink => "",
        Actor::CloudProvider => " by the cloud provider",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_goes_without_saying_is_left_out() {
        let shown = Shown::new(crate::plan::fixture::subscription(1));
        let own = crate::plan::fixture::id(1, "rg", "virtualNetworks/spoke/subnets/pe");
        let other = crate::plan::fixture::id(2, "rg", "virtualNetworks/spoke/subnets/pe");
        assert_eq!(shown.id(&own), "…/rg/virtualNetworks/spoke/subnets/pe");
        assert_eq!(shown.id(&other), other.to_string());
    }

    #[test]
    fn a_place_has_its_line_where_the_text_is_known() {
        let file = crate::diagnostic::FileName::outside("a.yaml");
        let mut sources = Sources::new();
        let text = "a: 1\nb: 2\n".into();
        sources.insert(file.clone(), crate::repo::source::Source { text, ..Default::default() });
        let place = |file| Place::bytes(file, 5..6);
        assert_eq!(location(&sources, &place(file)), "a.yaml:2");
        assert_eq!(location(&sources, &place(crate::diagnostic::FileName::outside("b.yaml"))), "b.yaml");
    }

    #[test]
    fn a_name_cannot_forge_a_line() {
        assert_eq!(field_name("metadata.labels[a\nb]"), "label a\\nb");
        assert_eq!(field_name("metadata.annotations[example.com/azure-x]"), "annotation example.com/azure-x");
        assert_eq!(
            field_name("metadata.annotations[service.beta.kubernetes.io/azure-pls-name]"),
            "annotation azure-pls-name"
        );
    }
}
