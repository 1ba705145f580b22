//! What the cloud provider of AKS will do about an edit of a Service, and what it will have destroyed if that fails.
//!
//! ```text
//! Observed ─▶ State ─┐
//! Service before ────┼─ predict ─▶ effects in their order, and perhaps how the sync fails for ever
//! Service after ─────┘
//! ```
//! The provider's algorithm is told again on values: frontends first, then rules, then the write of the load balancer,
//! then the Private Link Service. The order matters, because what is checked late has destroyed something by then.
//! Every effect names its [`rule::Rule`], with the evidence for it.

#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

mod access;
pub mod address;
mod balancing;
pub mod catalogue;
pub mod effect;
mod frontend;
mod link;
mod name;
pub mod rule;
pub mod service;
pub mod state;
mod sync;
#[cfg(test)]
mod tests;
pub mod version;

use effect::Effect;
use effect::Failure;
use service::Service;
use state::State;
use sync::Stop;
use sync::Sync;

/// What happens because of an edit.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Prediction {
    /// In the order in which they happen. Where the sync fails, these have happened by then.
    pub effects: Vec<Effect>,
    /// How the sync fails, again and again, until somebody edits the Service once more.
    pub failure: Option<Failure>,
}

/// Something that would have to be known for a prediction, and was not read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unknown(pub String);

/// Predicts what the cloud provider does when a Service becomes `after`, and makes `state` what it then is.
///
/// `before` is the Service as it is, `None` if there is none; `after` is `None` if it is deleted.
///
/// # Errors
/// What would have to be known and is not; `state` then stays as it was.
pub fn predict(state: &mut State, before: Option<&Service>, after: Option<&Service>) -> Result<Prediction, Unknown> {
    let mut next = state.clone();
    let prediction = sync(&mut next, before, after)?;
    *state = next;
    Ok(prediction)
}

/// As [`predict`], for an edit that is not made if it fails: `state` then stays as it was.
///
/// # Errors
/// As [`predict`].
pub fn predict_unless_it_fails(
    state: &mut State,
    before: Option<&Service>,
    after: Option<&Service>,
) -> Result<Prediction, Unknown> {
    let mut next = state.clone();
    let prediction = sync(&mut next, before, after)?;
    if prediction.failure.is_none() {
        *state = next;
    }
    Ok(prediction)
}

fn sync(state: &mut State, before: Option<&Service>, after: Option<&Service>) -> Result<Prediction, Unknown> {
    let mut sync = Sync::new(state, before);
    let end = match (before, after) {
        (Some(before), Some(after))
            if before.asks_the_same(after)
                || !(before.is_balanced() || after.is_balanced() || before.needs_cleanup()) =>
        {
            sync.nothing(&rule::NO_SYNC)
        }
        (_, Some(after)) => sync.ensure(after),
        (Some(before), None) => sync.remove(before),
        (None, None) => Ok(()),
    };
    let effects = sync.effects;
    match end {
        Ok(()) => Ok(Prediction { effects, failure: None }),
        Err(Stop::Fails(failure)) => Ok(Prediction { effects, failure: Some(*failure) }),
        Err(Stop::Unknown(unknown)) => Err(unknown),
    }
}
