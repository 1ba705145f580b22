//! Changes that are bound to fail: they are left out of the plan, because what they destroy first stays destroyed.

use crate::cloud_provider::Prediction;
use crate::cloud_provider::effect::Failure;
use crate::cloud_provider::effect::What;
use crate::domain::key::ResourceKey;
use crate::plan::change::Refusal;
use crate::plan::consequence::Foreseen;
use crate::plan::draft::Draft;

/// Refuses every Service whose sync will fail for ever.
pub(super) fn refuse(draft: &mut Draft<'_>, foreseen: &Foreseen) {
    for (service, prediction) in foreseen {
        let Ok(prediction) = prediction else { continue };
        let Some(failure) = &prediction.failure else { continue };
        let key = ResourceKey::Service(service.clone());
        draft.refuse_by(&key, Refusal::by(failure.rule, problem(prediction, failure)));
    }
}

fn problem(prediction: &Prediction, failure: &Failure) -> String {
    let code = if failure.code.is_empty() { String::new() } else { format!(", {:?}", failure.code) };
    let fails = format!("{}: every sync fails, {} ({}{code})", failure.problem, failure.stage, failure.rule.id);
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
