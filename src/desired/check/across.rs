//! Environments that name the same thing: what no environment can see alone.

use std::collections::BTreeMap;

use crate::desired::check::Levels;
use crate::desired::check::rule::Findings;
use crate::desired::check::rule::Look;
use crate::desired::check::rule::Rule;
use crate::desired::check::subject::Subject;
use crate::desired::check::subject::subjects;
use crate::diagnostic::Diagnostics;
use crate::diagnostic::Place;
use crate::domain::annotation;
use crate::domain::azure::ResourceId;
use crate::domain::name::EnvironmentName;
use crate::repo::document::Document;
use crate::repo::settings::Settings;

pub(super) const RULES: &[Rule] = &[Rule::error(
    "XS019",
    "the Private Link Services of two clusters have the same name",
    Look::Across,
)
.because(
    "On AKS all clusters carry the same name in the tags of a Private Link Service: the second cluster takes over that of the \
     first, which loses its consumers without a word.",
    "Begin the names with the cluster's, or give each cluster a resource group of its own.",
)
.in_versions("since a breaking change of September 2026 the second is refused instead")];

/// A name, and the resource group and subscription it is used in.
type Name = (String, String, String);

/// What the documents of an environment take from the environments before it, in the order of their names.
pub fn check(documents: &[Document], settings: &Settings, (name, levels): (&EnvironmentName, &Levels)) -> Diagnostics {
    let mut found = Diagnostics::new();
    let Some(cluster) = cluster_of(settings, name) else { return found };
    let mut taken: BTreeMap<Name, (&EnvironmentName, Place)> = BTreeMap::new();
    for before in settings.environments.keys().take_while(|before| *before != name) {
        let Some(other) = cluster_of(settings, before).filter(|other| *other != cluster) else { continue };
        for (key, place) in names(documents, before, other) {
            taken.entry(key).or_insert((before, place));
        }
    }
    if taken.is_empty() {
        return found;
    }
    for rule in RULES {
        let Some(level) = levels.of(rule) else { continue };
        let mut findings = Findings::new(rule, level, &mut found);
        for (key, place) in names(documents, name, cluster) {
            let Some((before, there)) = taken.get(&key) else { continue };
            let message = format!("{} is the Private Link Service of environment {before}, too", key.2);
            let places = ((place, "takes it over"), (there.clone(), "loses its consumers"));
            findings.pair(message, places, "begin the names with the cluster's");
        }
    }
    found
}

fn cluster_of<'a>(settings: &'a Settings, name: &EnvironmentName) -> Option<&'a ResourceId> {
    Some(settings.environments.get(name)?.cluster.as_ref()?.id())
}

/// The names that an environment uses in groups that it names: the default group is each cluster's own.
fn names(documents: &[Document], name: &EnvironmentName, cluster: &ResourceId) -> Vec<(Name, Place)> {
    let documents: Vec<&Document> = documents.iter().filter(|document| document.environment == *name).collect();
    let built = |subject: &Subject<'_>| subject.is_balanced() && subject.is_built_by_cluster();
    let all = subjects(&documents);
    all.iter().filter(|subject| built(subject)).filter_map(|subject| named(subject, cluster)).collect()
}

fn named(subject: &Subject<'_>, cluster: &ResourceId) -> Option<(Name, Place)> {
    let text = |key| subject.asked(key).filter(|note| !note.is_blank());
    let (name, group) = (text(annotation::PLS_NAME)?, text(annotation::PLS_RESOURCE_GROUP)?);
    let folded = |text: &str| text.trim().to_ascii_lowercase();
    Some(((cluster.subscription().to_string(), folded(&group.text), folded(&name.text)), name.place()))
}
