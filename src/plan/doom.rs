//! Changes that are bound to fail: they are left out of the plan, because what they destroy first stays destroyed.

use crate::cloud_provider::Prediction;
use crate::cloud_provider::effect::Failure;
use crate::cloud_provider::effect::What;
use crate::domain::key::ResourceKey;
use crate::plan::change::Refusal;
use crate::plan::consequence::Foreseen;
use crate::plan::draft::Draft;
use crate::plan::told;

/// Refuses every Service whose sync will fail for ever.
pub(super) fn refuse(draft: &mut Draft<'_>, foreseen: &Foreseen) {
    for (service, prediction) in foreseen {
        let Ok(prediction) = prediction else { continue };
        let Some(failure) = &prediction.failure else { continue };
        let key = ResourceKey::Service(service.clone());
        let help = failure.rule.avoid.to_owned();
        let change = draft.changes.get(&key);
        let edit = change.and_then(|change| {
            let rules = std::iter::once(failure.rule).chain(prediction.effects.iter().map(|effect| effect.rule));
            rules.filter_map(|rule| told::edit_by(change, rule)).next()
        });
        let problem = problem(prediction, failure, edit);
        draft.refuse_by(&key, Refusal { rule: Some(failure.rule.id), problem, help, right: None });
    }
}

fn problem(prediction: &Prediction, failure: &Failure, edit: Option<&'static str>) -> String {
    let code = (!failure.code.is_empty()).then(|| format!("{:?}", failure.code));
    let by = [Some(failure.rule.id.to_owned()), edit.map(ToOwned::to_owned), code];
    let by = by.into_iter().flatten().collect::<Vec<_>>().join(", ");
    let fails = format!("{}: every sync fails, {} ({by})", failure.problem, failure.stage);
    match destroyed(prediction) {
        Some(destroyed) => format!("consumers are cut first, then it fails: {fails}; by then {destroyed}"),
        None => fails,
    }
}

/// What is gone by the time the sync fails.
fn destroyed(prediction: &Prediction) -> Option<String> {
    let count = |wanted: fn(&What) -> bool| prediction.effects.iter().filter(|effect| wanted(&effect.what)).count();
    let links: Vec<&str> = prediction
        .effects
        .iter()
        .filter_map(|effect| match &effect.what {
            What::LinkDeleted { link } => Some(link.name()),
            _ => None,
        })
        .collect();
    if links.is_empty() {
        return None;
    }
    let cut = count(|what| matches!(what, What::ConnectionCut { .. }));
    let noun = if cut == 1 { "connection" } else { "connections" };
    Some(format!("{} is deleted with {cut} {noun}, and not built again", links.join(", ")))
}
