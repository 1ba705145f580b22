//! Single values of `privlink.toml` that are more than a name: the version, the cloud, a public key, a folder.

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

/// A public SSH key: `<type> <base64> [comment]`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ssh(String);

impl Ssh {
    /// Type, key and comment, as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Key types that `ssh-keygen -Y verify` takes.
const KEY_TYPES: [&str; 7] = [
    "ssh-ed25519",
    "ssh-rsa",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
];

impl<'de> Deserialize<'de> for Ssh {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        // The value is never repeated: it might be a private key.
        if text.contains("PRIVATE KEY") {
            return Err(D::Error::custom(
                "this is a private key: remove it, replace the key pair, and write the public key",
            ));
        }
        let mut parts = text.split_ascii_whitespace();
        let base64 = |key: &str| {
            key.len() >= 16 && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte))
        };
        match (parts.next(), parts.next()) {
            (Some(kind), Some(key)) if KEY_TYPES.contains(&kind) && base64(key) && !text.contains('\n') => {
                Ok(Self(text))
            }
            (Some(kind), _) if KEY_TYPES.contains(&kind) => {
                Err(D::Error::custom("the key after its type is not base64"))
            }
            _ => Err(D::Error::custom(
                "not a public SSH key: write the line of the .pub file, such as ssh-ed25519 AAAA… name",
            )),
        }
    }
}

impl JsonSchema for Ssh {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Ssh".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^(ssh|ecdsa|sk)-[^ ]+ +[A-Za-z0-9+/=]{16,}" })
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

/// Reads a version of three numbers.
pub(super) fn version<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let Some(text) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
    let parts: Vec<&str> = text.split('.').collect();
    if parts.len() == 3 && parts.iter().all(|part| part.parse::<u32>().is_ok()) {
        return Ok(Some(text));
    }
    Err(D::Error::custom("not a version: write three numbers, such as 1.36.2"))
}
