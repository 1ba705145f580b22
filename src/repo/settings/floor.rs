//! The approval floor: what a runner demands of environments, whatever their repository says.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::diagnostic::{Diagnostics, FileName, Place};
use crate::domain::name::EnvironmentName;
use crate::repo::decode::{Nulls, decode};
use crate::repo::layout;
use crate::repo::settings::{Level, Signatures, Windows, toml};
use crate::repo::source::Sources;

/// A runner's demands: tables as in `privlink.toml`. What is absent demands nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Floors {
    /// By environment. One that is not here is not served at all.
    pub environments: BTreeMap<EnvironmentName, Floor>,
}

/// What is demanded of one environment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Floor {
    /// Whether approvals must be signed.
    pub signatures: Signatures,
    /// Who must say yes at least, by risk.
    pub approval: FloorApproval,
    /// When changes may be applied at most.
    pub windows: Option<Windows>,
    /// False if the glass may not be broken.
    pub break_glass: Option<bool>,
}

/// Who must say yes at least.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FloorApproval {
    /// To safe changes.
    pub safe: Option<Level>,
    /// To notable ones.
    pub notable: Option<Level>,
    /// To disruptive ones.
    pub disruptive: Option<Level>,
    /// To severing and exposing ones.
    pub severing: Option<Level>,
}

/// Reads the file, or says everything that is wrong with it. The sources that come back render the diagnostics.
pub fn read(file: &FileName, bytes: &[u8]) -> (Option<Floors>, Diagnostics, Sources) {
    let mut diagnostics = Diagnostics::new();
    let Some(text) = layout::decode(file, bytes, &mut diagnostics) else {
        return (None, diagnostics, Sources::new());
    };
    let root = Place::document(file.clone(), 0);
    let value = toml::read(&root, &text, &mut diagnostics);
    let floors = value.and_then(|(value, _)| decode(&value, Nulls::Refused, &root, &mut diagnostics));
    (floors.filter(|_| !diagnostics.has_errors()), diagnostics, toml::sources(file, &text))
}
