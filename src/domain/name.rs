//! Names people give: environments, documents, approvers, and the owner of a config repository.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A name that does not follow the rules of its kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{value:?} is not {kind}: {rule}")]
pub struct InvalidName {
    /// What the text should have been, with its article: "an environment name".
    pub kind: &'static str,
    /// What was written.
    pub value: String,
    /// The rule it breaks, in words.
    pub rule: &'static str,
}

impl InvalidName {
    /// Builds the error, shortening a value that would flood a terminal.
    pub fn new(kind: &'static str, value: &str, rule: &'static str) -> Self {
        let value =
            if value.chars().count() > 80 { value.chars().take(80).chain(['…']).collect() } else { value.to_owned() };
        Self { kind, value, rule }
    }
}

/// Declares a newtype over `String` that is validated by one function and round-trips through its text.
macro_rules! text_newtype {
    ($(#[$meta:meta])* $name:ident, $parse:expr) => {
        $(#[$meta])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::domain::name::InvalidName;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let parse: fn(&str) -> Result<String, $crate::domain::name::InvalidName> = $parse;
                parse(text).map(Self)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{:?}", self.0)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}
pub(crate) use text_newtype;

/// True for a DNS-1123 label: lower-case letters, digits and `-`, starting and ending with a letter or digit.
pub(crate) fn is_dns_label(text: &str, max: usize) -> bool {
    let alphanumeric = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = text.as_bytes();
    !bytes.is_empty()
        && bytes.len() <= max
        && bytes.iter().all(|&b| alphanumeric(b) || b == b'-')
        && alphanumeric(bytes[0])
        && alphanumeric(bytes[bytes.len() - 1])
}

text_newtype!(
    /// The name of an environment: one entry of `privlink.toml`. It is part of tags, labels, branches and paths.
    EnvironmentName,
    |text| if is_dns_label(text, 63) {
        Ok(text.to_owned())
    } else {
        Err(InvalidName::new(
            "an environment name",
            text,
            "use at most 63 lower-case letters, digits and '-', starting and ending with a letter or digit",
        ))
    }
);

text_newtype!(
    /// `metadata.name` of one of our own documents (DNS-1123 subdomain, at most 253 characters).
    DocumentName,
    |text| if text.len() <= 253 && text.split('.').all(|part| is_dns_label(part, 63)) {
        Ok(text.to_owned())
    } else {
        Err(InvalidName::new(
            "a document name",
            text,
            "use lower-case letters, digits, '-' and '.', each part starting and ending with a letter or digit",
        ))
    }
);

text_newtype!(
    /// Who may approve: a key of `[approvers]`.
    ApproverName,
    |text| if is_dns_label(text, 63) {
        Ok(text.to_owned())
    } else {
        Err(InvalidName::new(
            "an approver name",
            text,
            "use at most 63 lower-case letters, digits and '-', starting and ending with a letter or digit",
        ))
    }
);

text_newtype!(
    /// Who may sign changes without approving any: a key of `[committers]`.
    CommitterName,
    |text| if is_dns_label(text, 63) {
        Ok(text.to_owned())
    } else {
        Err(InvalidName::new(
            "a committer name",
            text,
            "use at most 63 lower-case letters, digits and '-', starting and ending with a letter or digit",
        ))
    }
);

/// The UUID that marks what belongs to one config repository; written by `privlink init`, never changed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OwnerId(uuid::Uuid);

impl OwnerId {
    /// Wraps a UUID made by the caller.
    pub fn new(uuid: uuid::Uuid) -> Self {
        Self(uuid)
    }
}

impl FromStr for OwnerId {
    type Err = InvalidName;
    fn from_str(text: &str) -> Result<Self, InvalidName> {
        uuid::Uuid::try_parse(text)
            .map(Self)
            .map_err(|_| InvalidName::new("an owner", text, "use the UUID that `privlink init` wrote"))
    }
}

impl fmt::Display for OwnerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Debug for OwnerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}
