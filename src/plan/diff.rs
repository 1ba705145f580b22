//! Typed differences between what shall be and what is.

use std::collections::BTreeSet;

use crate::domain::resource::Provisioning;
use crate::domain::resource::service::LiveService;
use crate::domain::resource::service::Service;
use crate::plan::change::FieldChange;
use crate::value::Fields;
use crate::value::Value;

/// Azure's word for how far the last write of a resource is.
pub(super) const PROVISIONING_STATE: &str = "provisioningState";

/// Compares every field of both sides.
pub fn diff(before: &Fields, after: &Fields, immutable: &[&str]) -> Vec<FieldChange> {
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let changed = names.into_iter().filter(|name| before.get(*name) != after.get(*name));
    changed.map(|name| field(name, before, after, immutable)).collect()
}

/// Compares the fields that the desired side names: what it leaves open is the other party's choice.
pub fn diff_named(before: &Fields, after: &Fields) -> Vec<FieldChange> {
    let changed = after.iter().filter(|(name, value)| before.get(*name) != Some(value));
    changed.map(|(name, _)| field(name, before, after, &[])).collect()
}

/// Lists every field of something that is made.
pub fn all_new(after: &Fields) -> Vec<FieldChange> {
    after.keys().map(|name| field(name, &Fields::new(), after, &[])).collect()
}

/// Compares a Service: what the manifest says, and what we own that it does not say any more.
///
/// Everything else on the object belongs to the API server or to other managers.
pub fn diff_service(live: &LiveService, desired: &Service) -> Vec<FieldChange> {
    let before = live.fields();
    let after = desired.fields();
    let mut changes = diff_named(&before, &after);
    // What others hold too stays when we let go of it: that is no difference we could make.
    let gone = released(live, &after).filter(|name| !live.managers.contains_key(*name));
    changes.extend(gone.map(|name| field(name, &before, &after, &[])));
    for change in &mut changes {
        change.manager = live.managers.get(&change.name).cloned();
    }
    changes.sort_by(|a, b| a.name.cmp(&b.name));
    changes
}

/// What we hold and others hold too, and what the manifest does not say any more: field and manager.
pub fn held_by_others(live: &LiveService, desired: &Service) -> Vec<(String, String)> {
    let after = desired.fields();
    released(live, &after).filter_map(|name| Some((name.clone(), live.managers.get(name)?.clone()))).collect()
}

/// What we hold and do not ask for any more.
fn released<'a>(live: &'a LiveService, after: &Fields) -> impl Iterator<Item = &'a String> {
    let before = live.fields();
    live.owned.iter().filter(move |name| !after.contains_key(*name) && before.contains_key(*name))
}

/// The difference of a resource whose last write failed in Azure: it looks as asked for, and does not work.
pub fn failed(provisioning: &Provisioning) -> Option<FieldChange> {
    let state = |text: &str| Some(Value::Text(text.to_owned()));
    (*provisioning == Provisioning::Failed).then(|| FieldChange {
        name: PROVISIONING_STATE.to_owned(),
        before: state("Failed"),
        after: state("Succeeded"),
        forces_replacement: false,
        manager: None,
    })
}

fn field(name: &str, before: &Fields, after: &Fields, immutable: &[&str]) -> FieldChange {
    FieldChange {
        name: name.to_owned(),
        before: before.get(name).cloned(),
        after: after.get(name).cloned(),
        forces_replacement: immutable.contains(&name),
        manager: None,
    }
}
