//! Single values of `privlink.toml` that are more than a name: the version, the cloud, a folder.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error as _, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};

use crate::domain::commit::{Identity, RepoPath};
use crate::domain::name::OwnerId;

/// The version of the format: 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version;

impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(VersionVisitor)
    }
}

struct VersionVisitor;

impl Visitor<'_> for VersionVisitor {
    type Value = Version;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("1, the only version this program knows")
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Version, E> {
        if number == 1 { Ok(Version) } else { Err(E::invalid_value(Unexpected::Unsigned(number), &self)) }
    }
}

impl JsonSchema for Version {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Version".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "const": 1 })
    }
}

/// The cloud an environment lives in.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cloud {
    /// Azure.
    #[default]
    Public,
    /// Azure Government of the United States.
    UsGovernment,
    /// Azure in China.
    China,
    /// One that the runner defines by `PRIVLINK_CLOUD_<NAME>`.
    Custom(String),
}

impl Cloud {
    /// The name as it is written.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Public => "public",
            Self::UsGovernment => "us-government",
            Self::China => "china",
            Self::Custom(name) => name,
        }
    }
}

impl<'de> Deserialize<'de> for Cloud {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match text.as_str() {
            "public" => Ok(Self::Public),
            "us-government" => Ok(Self::UsGovernment),
            "china" => Ok(Self::China),
            // A slip of the finger would otherwise be a cloud that nobody defined, found out much later.
            name if crate::diagnostic::closest(name, ["public", "us-government", "china"]).is_some() => {
                let near = crate::diagnostic::did_you_mean(name, ["public", "us-government", "china"]);
                Err(D::Error::custom(format!("{name:?} is not a cloud: {near}")))
            }
            name if crate::domain::name::is_dns_label(name, 63) => Ok(Self::Custom(text)),
            name => Err(D::Error::custom(format!(
                "{name:?} is not a cloud: use public, us-government, china, or a name of lower-case letters, digits and \
                 '-' that the runner defines by PRIVLINK_CLOUD_<NAME>"
            ))),
        }
    }
}

impl JsonSchema for Cloud {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Cloud".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "default": "public",
            "pattern": "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$",
            "examples": ["public", "us-government", "china"]
        })
    }
}

/// Reads `Name <address>`.
pub(super) fn author<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Identity, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
}

/// Reads the owner.
pub(super) fn owner<'de, D: Deserializer<'de>>(deserializer: D) -> Result<OwnerId, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
}

/// Reads a folder; a slash at its end is fine.
pub(super) fn folder<'de, D: Deserializer<'de>>(deserializer: D) -> Result<RepoPath, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.strip_suffix('/').unwrap_or(&text).parse().map_err(D::Error::custom)
}

/// Reads a moment.
pub(super) fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<jiff::Timestamp, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(|_| {
        D::Error::custom("not a moment: write date, time and offset in quotes, such as \"2026-12-28T08:00:00+01:00\"")
    })
}

/// Reads a version of three numbers.
pub(super) fn version<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let Some(text) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
    let parts: Vec<&str> = text.split('.').collect();
    if parts.len() == 3 && parts.iter().all(|part| part.parse::<u32>().is_ok()) {
        return Ok(Some(text));
    }
    Err(D::Error::custom("not a version: write three numbers, such as 1.36.2"))
}
