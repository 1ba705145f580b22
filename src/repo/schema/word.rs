//! The words of the wire structs: bounded numbers, checked texts, and how domain names look in a JSON Schema.
//!
//! The domain's types know no schema crate. So a field says `#[schemars(with = "schema::Guid")]`, and the markers here
//! carry pattern, example and description.

use std::collections::BTreeMap;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error as _, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};

/// How a domain name looks in a schema. Only used as `#[schemars(with = …)]`.
macro_rules! shapes {
    ($($(#[doc = $doc:literal])+ $name:ident { $($schema:tt)+ })+) => {
        $(
            $(#[doc = $doc])+
            #[derive(Debug)]
            pub struct $name;
            impl JsonSchema for $name {
                fn schema_name() -> std::borrow::Cow<'static, str> {
                    stringify!($name).into()
                }
                fn inline_schema() -> bool {
                    true
                }
                fn json_schema(_: &mut SchemaGenerator) -> Schema {
                    json_schema!({ "type": "string", $($schema)+ })
                }
            }
        )+
    };
}

shapes! {
    /// A GUID: subscription, tenant or client id.
    Guid {
        "format": "uuid",
        "pattern": "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$",
        "examples": ["00000000-0000-0000-0000-000000000001"]
    }
    /// A resource group.
    Group { "minLength": 1, "maxLength": 90, "pattern": "^[^/<>%&\\\\?#]*[^./<>%&\\\\?#]$", "examples": ["rg-network"] }
    /// The name of a network resource.
    NetworkName {
        "minLength": 1, "maxLength": 80, "pattern": "^[A-Za-z0-9]([A-Za-z0-9._-]{0,78}[A-Za-z0-9_])?$",
        "examples": ["pls-orders"]
    }
    /// A full resource id.
    Id {
        "pattern": "^/[sS]ubscriptions/[^/]+/[rR]esource[gG]roups/[^/]+/providers/[^/]+(/[^/]+/[^/]+)+$",
        "examples": ["/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/hub"]
    }
    /// Full resource ids, with blanks between.
    Ids {
        "pattern": "^/[sS]ubscriptions/[^/\\s]+/[rR]esource[gG]roups/[^/\\s]+/providers/[^/\\s]+(/[^/\\s]+/[^/\\s]+)+(\\s+/[sS]ubscriptions/\\S+)*$",
        "examples": ["/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg/providers/Microsoft.Network/privateEndpoints/old"]
    }
    /// A region.
    Region { "minLength": 1, "maxLength": 64, "examples": ["eastus2"] }
    /// An alias of a Private Link Service.
    AliasText {
        "pattern": "\\.[aA][zZ][uU][rR][eE]\\.[pP][rR][iI][vV][aA][tT][eE][lL][iI][nN][kK][sS][eE][rR][vV][iI][cC][eE]$",
        "examples": ["orders.00000000-0000-0000-0000-000000000001.eastus2.azure.privatelinkservice"]
    }
    /// A DNS label.
    DnsLabel { "minLength": 1, "maxLength": 63, "pattern": "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$", "examples": ["shop"] }
    /// The name of a Service.
    ServiceLabel { "minLength": 1, "maxLength": 63, "pattern": "^[a-z]([a-z0-9-]*[a-z0-9])?$", "examples": ["orders"] }
    /// The name of a document.
    DnsName {
        "minLength": 1, "maxLength": 253,
        "pattern": "^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$", "examples": ["orders"]
    }
    /// An IPv4 address.
    Ipv4Text { "format": "ipv4", "examples": ["10.225.1.8"] }
    /// An IPv4 or IPv6 address.
    IpText { "anyOf": [{ "format": "ipv4" }, { "format": "ipv6" }], "examples": ["10.50.1.20"] }
    /// A path inside the repository.
    Folder { "pattern": "^[^/\\\\]+(/[^/\\\\]+)*/?$", "examples": ["environments/prod"] }
    /// A name in which `*` stands for anything.
    NamePattern { "minLength": 1, "maxLength": 100, "examples": ["team-*"] }
    /// A person with an address.
    Author { "pattern": "^[^<]+<[^<>]+>$", "examples": ["privlink <privlink@example.com>"] }
}

/// Declares a whole number with bounds.
macro_rules! bounded {
    ($($(#[doc = $doc:literal])+ $name:ident($integer:ty), $min:literal to $max:literal, $expected:literal;)+) => {
        $(
            $(#[doc = $doc])+
            #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
            pub struct $name($integer);

            impl $name {
                /// The number.
                pub fn get(self) -> $integer {
                    self.0
                }
            }

            impl<'de> Deserialize<'de> for $name {
                fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                    let number = deserializer.deserialize_any(Whole { min: $min, max: $max, expected: $expected })?;
                    Ok(Self(<$integer>::try_from(number).expect("the bounds lie inside the type")))
                }
            }

            impl JsonSchema for $name {
                fn schema_name() -> std::borrow::Cow<'static, str> {
                    stringify!($name).into()
                }
                fn inline_schema() -> bool {
                    true
                }
                fn json_schema(_: &mut SchemaGenerator) -> Schema {
                    json_schema!({ "type": "integer", "minimum": $min, "maximum": $max })
                }
            }
        )+
    };
}

bounded! {
    /// A TCP, UDP or SCTP port.
    Port(u16), 1 to 65535, "a port number from 1 to 65535";
    /// How many NAT addresses a Private Link Service has; the limit is Azure's.
    NatCount(u8), 1 to 8, "a whole number from 1 to 8";
    /// Seconds that a resolver may keep a record; the limit is DNS's (RFC 2181).
    Ttl(u32), 1 to 2147483647, "a number of seconds from 1 to 2147483647";
    /// Seconds that a client sticks to a pod; the limit is Kubernetes'.
    StickySeconds(u32), 1 to 86400, "a number of seconds from 1 to 86400";
}

struct Whole {
    min: u64,
    max: u64,
    expected: &'static str,
}

impl Visitor<'_> for Whole {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expected)
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<u64, E> {
        if (self.min..=self.max).contains(&number) {
            Ok(number)
        } else {
            Err(E::invalid_value(Unexpected::Unsigned(number), &self))
        }
    }
}

/// Declares a text with a rule; the rule returns what is wrong.
macro_rules! checked {
    ($($(#[doc = $doc:literal])+ $name:ident, $rule:expr, { $($schema:tt)+ };)+) => {
        $(
            $(#[doc = $doc])+
            #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
            pub struct $name(String);

            impl $name {
                /// The text.
                pub fn as_str(&self) -> &str {
                    &self.0
                }
            }

            impl<'de> Deserialize<'de> for $name {
                fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                    let text = String::deserialize(deserializer)?;
                    let rule: fn(&str) -> Result<(), &'static str> = $rule;
                    rule(&text).map_err(D::Error::custom)?;
                    Ok(Self(text))
                }
            }

            impl JsonSchema for $name {
                fn schema_name() -> std::borrow::Cow<'static, str> {
                    stringify!($name).into()
                }
                fn inline_schema() -> bool {
                    true
                }
                fn json_schema(_: &mut SchemaGenerator) -> Schema {
                    json_schema!({ "type": "string", $($schema)+ })
                }
            }
        )+
    };
}

fn rule(holds: bool, message: &'static str) -> Result<(), &'static str> {
    if holds { Ok(()) } else { Err(message) }
}

fn is_host(text: &str) -> bool {
    let label = |label: &str| {
        let bytes = label.as_bytes();
        !bytes.is_empty()
            && bytes.len() <= 63
            && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
            && bytes[0] != b'-'
            && bytes[bytes.len() - 1] != b'-'
    };
    text.len() <= 253 && text.split('.').all(label)
}

checked! {
    /// A fully qualified domain name, without a dot at its end.
    Fqdn, |text| rule(
        is_host(text) && text.contains('.'),
        "a domain name has at least two parts of letters, digits and '-', such as orders.example.com",
    ), { "maxLength": 253, "pattern": "^[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?)+$", "examples": ["orders.example.com"] };
    /// The name of a private DNS zone.
    ZoneName, |text| rule(
        is_host(text) && text.contains('.'),
        "a zone name has at least two parts of letters, digits and '-', such as orders.internal",
    ), { "maxLength": 253, "examples": ["orders.internal"] };
    /// The name of a record set, relative to its zone; `@` is the zone itself.
    RecordName, |text| rule(
        text == "@" || text == "*" || is_host(text.strip_prefix("*.").unwrap_or(text)),
        "a record name is relative to its zone: letters, digits, '-' and '.', or @ for the zone itself",
    ), { "minLength": 1, "maxLength": 253, "examples": ["api", "@"] };
    /// What the provider of a service reads with a request for a connection.
    RequestMessage, |text| rule(
        text.chars().count() <= 140,
        "Azure keeps at most 140 characters of a request message",
    ), { "maxLength": 140 };
}

/// Tags of an Azure resource.
///
/// Limits are Azure Resource Manager's: 50 tags (two are ours), names up to 512 and values up to 256 characters, and none
/// of `< > % & \ ? /` in a name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tags(pub BTreeMap<String, String>);

impl<'de> Deserialize<'de> for Tags {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let tags = BTreeMap::<TagName, TagValue>::deserialize(deserializer)?;
        if tags.len() > 48 {
            return Err(D::Error::custom("a resource has at most 50 tags, and two of them are ours"));
        }
        let mut folded = std::collections::BTreeSet::new();
        if let Some(name) = tags.keys().find(|name| !folded.insert(name.0.to_lowercase())) {
            let name = &name.0;
            return Err(D::Error::custom(format!(
                "the tag {name:?} is written twice: Azure ignores case in tag names"
            )));
        }
        Ok(Self(tags.into_iter().map(|(name, value)| (name.0, value.0)).collect()))
    }
}

impl JsonSchema for Tags {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Tags".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "maxProperties": 48,
            "propertyNames": { "minLength": 1, "maxLength": 512, "pattern": "^[^<>%&\\\\?/]+$" },
            "additionalProperties": { "type": "string", "maxLength": 256 }
        })
    }
}

checked! {
    /// The name of a tag.
    TagName, |text| {
        rule(!text.is_empty() && text.chars().count() <= 512, "a tag name has 1 to 512 characters")?;
        rule(!text.contains(['<', '>', '%', '&', '\\', '?', '/']), "a tag name contains none of < > % & \\ ? /")?;
        rule(
            !text.to_ascii_lowercase().starts_with("privlink-"),
            "tags that start with privlink- are written by privlink itself",
        )
    }, { "maxLength": 512 };
    /// The value of a tag.
    TagValue, |text| rule(text.chars().count() <= 256, "a tag value has at most 256 characters"), { "maxLength": 256 };
}
