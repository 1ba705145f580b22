//! What happens to drift, by risk.

use schemars::JsonSchema;
use serde::Deserialize;

/// What happens to what changed outside Git. Later is stricter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum OnDrift {
    /// It is put back without asking.
    Heal,
    /// It is planned, and put back once a person has approved it.
    Propose,
    /// It is told, and left as it is.
    Report,
}

/// What happens to drift, by the risk of putting it back. *Exposing* counts as severing.
///
/// Where nothing is written, drift is healed if `approval` is `automatic` for its risk, and proposed otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Drift {
    /// Where nobody notices the repair. Default: `heal`, unless `approval` asks for people.
    pub safe: Option<OnDrift>,
    /// Where the repair makes or narrows something. Default: `propose`.
    pub notable: Option<OnDrift>,
    /// Where the repair interrupts service for a short time. Default: `propose`.
    pub disruptive: Option<OnDrift>,
    /// Where the repair cuts somebody off or opens something. Default: `propose`; never `heal`.
    pub severing: Option<OnDrift>,
}
