//! A change window, for programs.

use schemars::JsonSchema;
use serde::Serialize;

use crate::render::window::Kept;

/// A change window.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "ChangeWindow")]
pub struct WindowV1 {
    /// True if nothing is applied in it.
    pub denies: bool,
    /// Its days, times and dates, such as `mon-fri 22:00-04:00`.
    pub when: String,
    /// The time zone of these, as the IANA database names it.
    pub time_zone: String,
    /// Those risks of the plan that it is about: `safe`, `notable`, `disruptive`, `severing`.
    pub risks: Vec<&'static str>,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The frozen form of a window.
pub(super) fn window(Kept { calendar, window, denies, grades }: &Kept<'_>) -> WindowV1 {
    WindowV1 {
        denies: *denies,
        when: window.to_string(),
        time_zone: calendar.zone.to_string(),
        risks: grades.iter().map(|grade| grade.as_str()).collect(),
        reason: window.reason.clone(),
    }
}
