//! Who must say yes, by risk.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Unexpected, Visitor};
use serde::{Deserialize, Deserializer};

/// What a risk needs before it may happen. Later is stricter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Nothing.
    Automatic,
    /// That it follows from a merged change.
    Merge,
    /// That this many people approve.
    People(u32),
}

impl<'de> Deserialize<'de> for Level {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(LevelVisitor)
    }
}

struct LevelVisitor;

impl Visitor<'_> for LevelVisitor {
    type Value = Level;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"automatic\", \"merge\", or how many people must approve (1 to 9)")
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Level, E> {
        match u32::try_from(number) {
            Ok(people @ 1..=9) => Ok(Level::People(people)),
            _ => Err(E::invalid_value(Unexpected::Unsigned(number), &self)),
        }
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Level, E> {
        match text {
            "automatic" => Ok(Level::Automatic),
            "merge" => Ok(Level::Merge),
            _ => Err(E::invalid_value(Unexpected::Str(text), &self)),
        }
    }
}

impl JsonSchema for Level {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Level".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "`automatic`, `merge` (it follows from a merged change), or how many people must approve.",
            "oneOf": [{ "enum": ["automatic", "merge"] }, { "type": "integer", "minimum": 1, "maximum": 9 }]
        })
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Automatic => f.write_str("automatic"),
            Self::Merge => f.write_str("merge"),
            Self::People(number) => write!(f, "{number}"),
        }
    }
}

/// Who must say yes, by risk. *Exposing* counts as severing.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Approval {
    /// Tags, adopting without a difference. Default: `automatic`.
    #[schemars(extend("default" = "automatic"))]
    pub safe: Level,
    /// Creating, narrowing. Default: `merge`.
    #[schemars(extend("default" = "merge"))]
    pub notable: Level,
    /// A short loss of service. Default: 1.
    #[schemars(extend("default" = 1))]
    pub disruptive: Level,
    /// Somebody is cut off, or something is opened. Default: 2.
    ///
    /// 2 or more, when written, needs `signatures = "required"`.
    #[schemars(extend("default" = 2))]
    pub severing: Level,
}

impl Default for Approval {
    fn default() -> Self {
        Self { safe: Level::Automatic, notable: Level::Merge, disruptive: Level::People(1), severing: Level::People(2) }
    }
}
