//! Change windows as they are written: which days, from when to when, for which risks.

use jiff::civil::Date;
use schemars::JsonSchema;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use crate::domain::clock::{Clock, Days, Zone};
use crate::domain::window::Grade;

/// When changes may be applied. Outside, what is approved waits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Windows {
    /// The time zone of days and times, by its name in the IANA database, such as Europe/Zurich. Default: UTC.
    #[serde(deserialize_with = "parsed")]
    #[schemars(with = "String", extend("default" = "UTC"))]
    pub time_zone: Zone,
    /// When changes may be applied. A risk that no window here names may be applied at any time.
    pub allow: Vec<Window>,
    /// When they may not, whatever is allowed.
    pub deny: Vec<Window>,
}

/// A span of time that comes back on some days.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Window {
    /// The days on which it begins: `mon`, or `mon-fri`. Default: every day.
    #[serde(default)]
    pub days: Option<Vec<DaysItem>>,
    /// When it begins, such as 22:00. Default: at midnight.
    #[serde(default = "midnight", deserialize_with = "parsed")]
    #[schemars(with = "String", extend("default" = "00:00", "pattern" = CLOCK))]
    pub from: Clock,
    /// When it ends: on the next day, if that is not after `from`. Default: at the end of the day.
    #[serde(default = "end", deserialize_with = "parsed")]
    #[schemars(with = "String", extend("default" = "24:00", "pattern" = CLOCK))]
    pub to: Clock,
    /// The first day on which it begins, such as 2026-12-18. Default: it always did.
    #[serde(default, deserialize_with = "date")]
    #[schemars(with = "Option<String>", extend("format" = "date"))]
    pub first: Option<Date>,
    /// The last day on which it begins. Default: there is none.
    #[serde(default, deserialize_with = "date")]
    #[schemars(with = "Option<String>", extend("format" = "date"))]
    pub last: Option<Date>,
    /// The risks it is about. Default: all of them. *Exposing* counts as severing.
    #[serde(default)]
    pub risks: Option<Vec<RiskWord>>,
    /// Why, for whoever has to wait.
    pub reason: Option<String>,
}

const CLOCK: &str = "^([01][0-9]|2[0-3]):[0-5][0-9]$|^24:00$";

fn midnight() -> Clock {
    Clock::MIDNIGHT
}

fn end() -> Clock {
    Clock::END
}

/// `mon`, or `mon-fri`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline)]
pub struct DaysItem(
    #[serde(deserialize_with = "parsed")]
    #[schemars(with = "String", extend("pattern" = "^(mon|tue|wed|thu|fri|sat|sun)(-(mon|tue|wed|thu|fri|sat|sun))?$"))]
    pub Days,
);

/// A risk, as rules name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum RiskWord {
    /// Nobody notices.
    Safe,
    /// Something new, or something narrower.
    Notable,
    /// A short loss of service.
    Disruptive,
    /// Somebody is cut off, or something is opened.
    Severing,
}

impl RiskWord {
    /// What it stands for.
    pub fn grade(self) -> Grade {
        match self {
            Self::Safe => Grade::Safe,
            Self::Notable => Grade::Notable,
            Self::Disruptive => Grade::Disruptive,
            Self::Severing => Grade::Severing,
        }
    }
}

/// Reads a word of the domain.
fn parsed<'de, D: Deserializer<'de>, T: std::str::FromStr<Err: std::fmt::Display>>(
    deserializer: D,
) -> Result<T, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
}

/// Reads a day.
fn date<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Date>, D::Error> {
    let Some(text) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
    let wrong = || D::Error::custom("not a day: write year, month and day in quotes, such as \"2026-12-18\"");
    if text.len() != 10 {
        return Err(wrong());
    }
    text.parse().map(Some).map_err(|_| wrong())
}
