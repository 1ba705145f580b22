//! How the Private Link Services were made whose frontends change.

use schemars::JsonSchema;
use serde::Serialize;

use crate::plan::mode::Maker;
use crate::plan::mode::Mode;

/// A Private Link Service whose frontend changes.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Mode")]
pub struct ModeV1 {
    /// Its id.
    pub private_link_service: String,
    /// Who made it: `cloudProvider`, `privlink` or `others`.
    pub made_by: &'static str,
    /// What that means for the change of its frontend.
    pub meaning: &'static str,
    /// The rule that says so.
    pub rule: &'static str,
    /// How that is known: `observed`, `code`, `documented` or `inferred`.
    pub evidence: String,
}

pub(super) fn mode(mode: &Mode) -> ModeV1 {
    let Mode { link, maker, meaning, rule } = mode;
    ModeV1 {
        private_link_service: link.to_string(),
        made_by: match maker {
            Maker::CloudProvider => "cloudProvider",
            Maker::Privlink => "privlink",
            Maker::Others => "others",
        },
        meaning,
        rule: rule.id,
        evidence: mode.evidence().to_string(),
    }
}
