//! Azure identifiers: subscriptions, resource groups, locations, resource ids, aliases, etags.
//!
//! Azure compares names without regard to case and answers with a spelling of its own
//! (`frontendIpConfigurations` comes back as `frontendIPConfigurations`). So the types here keep the spelling that they
//! were given for people to read, and compare, order and hash the lower-cased form.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};

use crate::domain::name::{InvalidName, text_newtype};

fn guid(kind: &'static str, text: &str) -> Result<String, InvalidName> {
    // Azure accepts and returns the hyphenated form only; `Uuid` would also take braces and bare hex.
    match uuid::Uuid::try_parse(text) {
        Ok(uuid) if text.len() == 36 => Ok(uuid.hyphenated().to_string()),
        _ => Err(InvalidName::new(kind, text, "use a GUID such as 00000000-0000-0000-0000-000000000001")),
    }
}

text_newtype!(
    /// A subscription: a GUID in lower case.
    SubscriptionId,
    |text| guid("a subscription id", text)
);

text_newtype!(
    /// An Entra tenant: a GUID in lower case.
    TenantId,
    |text| guid("a tenant id", text)
);

text_newtype!(
    /// The application (client) id of an identity: a GUID in lower case.
    ClientId,
    |text| guid("a client id", text)
);

text_newtype!(
    /// The object id of an identity in the directory: a GUID in lower case.
    PrincipalId,
    |text| guid("an object id", text)
);

text_newtype!(
    /// A region in normal form: `East US 2` and `eastus2` are the same.
    Location,
    |text| {
        let normal: String = text.chars().filter(|c| *c != ' ').map(|c| c.to_ascii_lowercase()).collect();
        if !normal.is_empty() && normal.len() <= 64 && normal.bytes().all(|b| b.is_ascii_alphanumeric()) {
            Ok(normal)
        } else {
            Err(InvalidName::new("a location", text, "use a region name such as eastus2"))
        }
    }
);

text_newtype!(
    /// An entity tag as the server sent it; opaque.
    Etag,
    |text| if text.is_empty() {
        Err(InvalidName::new("an etag", text, "it is empty"))
    } else {
        Ok(text.to_owned())
    }
);

/// Declares a name that keeps its spelling and compares without regard to ASCII case.
macro_rules! azure_name {
    ($(#[$meta:meta])* $name:ident, $check:expr) => {
        $(#[$meta])*
        #[derive(Clone, Serialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// The text as it was written.
            pub fn as_str(&self) -> &str {
                &self.0
            }
            /// The form that is compared.
            pub fn folded(&self) -> String {
                self.0.to_ascii_lowercase()
            }
        }

        impl FromStr for $name {
            type Err = InvalidName;
            fn from_str(text: &str) -> Result<Self, InvalidName> {
                let check: fn(&str) -> Result<(), InvalidName> = $check;
                check(text)?;
                Ok(Self(text.to_owned()))
            }
        }

        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                self.0.eq_ignore_ascii_case(&other.0)
            }
        }
        impl Eq for $name {}
        impl PartialOrd for $name {
            fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
                Some(self.cmp(other))
            }
        }
        impl Ord for $name {
            fn cmp(&self, other: &Self) -> Ordering {
                let fold = |text: &str| text.bytes().map(|b| b.to_ascii_lowercase()).collect::<Vec<_>>();
                fold(&self.0).cmp(&fold(&other.0))
            }
        }
        impl Hash for $name {
            fn hash<H: Hasher>(&self, state: &mut H) {
                self.folded().hash(state);
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", self.0)
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

azure_name!(
    /// A resource group: 1-90 letters, digits, `_ ( ) - .`, not ending in a dot.
    ResourceGroup,
    |text| {
        let allowed = |c: char| c.is_alphanumeric() || "_()-.".contains(c);
        if !text.is_empty() && text.chars().count() <= 90 && text.chars().all(allowed) && !text.ends_with('.') {
            Ok(())
        } else {
            Err(InvalidName::new(
                "a resource group name",
                text,
                "use 1-90 letters, digits and _ ( ) - . and do not end with a dot",
            ))
        }
    }
);

azure_name!(
    /// The name of a network resource: 1-80 characters, starting with a letter or digit, ending with one or `_`.
    ///
    /// The rule is the network resource provider's for Private Link Services, private endpoints, NAT configurations and
    /// connections (`^[A-Za-z0-9]([A-Za-z0-9._-]{0,78}[A-Za-z0-9_])?$`).
    AzureName,
    |text| {
        let bytes = text.as_bytes();
        let middle = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        let ok = !bytes.is_empty()
            && bytes.len() <= 80
            && bytes.iter().all(middle)
            && bytes[0].is_ascii_alphanumeric()
            && (bytes[bytes.len() - 1].is_ascii_alphanumeric() || (bytes.len() > 1 && bytes[bytes.len() - 1] == b'_'));
        if ok {
            Ok(())
        } else {
            let rule = if text.contains('/') {
                "write the name alone, without what stands before it in an id"
            } else {
                "use 1-80 letters, digits and . _ - starting with a letter or digit and ending with one or _"
            };
            Err(InvalidName::new("an Azure resource name", text, rule))
        }
    }
);

azure_name!(
    /// A Private Link Service alias: `<name>.<guid>.<region>.azure.privatelinkservice`.
    Alias,
    |text| if text.to_ascii_lowercase().ends_with(".azure.privatelinkservice") && text.split('.').count() >= 5 {
        Ok(())
    } else {
        Err(InvalidName::new(
            "a Private Link Service alias",
            text,
            "an alias looks like <name>.<guid>.<region>.azure.privatelinkservice",
        ))
    }
);

azure_name!(
    /// A full resource id: `/subscriptions/…/resourceGroups/…/providers/<namespace>/<type>/<name>[/<type>/<name>…]`.
    ResourceId,
    |text| {
        let parts: Vec<&str> = text.split('/').collect();
        let at = |index: usize, word: &str| parts.get(index).is_some_and(|part| part.eq_ignore_ascii_case(word));
        let shape = parts.len() >= 9
            && parts.len() % 2 == 1
            && parts[0].is_empty()
            && at(1, "subscriptions")
            && at(3, "resourceGroups")
            && at(5, "providers")
            && parts[1..].iter().all(|part| !part.is_empty() && *part != "." && *part != "..")
            && !text.contains(['?', '#', '%', '\\'])
            && text.chars().all(|c| !c.is_control() && c != ' ');
        if !shape {
            return Err(InvalidName::new(
                "an Azure resource id",
                text,
                "an id looks like /subscriptions/<id>/resourceGroups/<group>/providers/Microsoft.Network/<type>/<name>",
            ));
        }
        parts[2].parse::<SubscriptionId>()?;
        parts[4].parse::<ResourceGroup>().map(|_| ())
    }
);

impl ResourceId {
    /// Builds the id of a top-level resource, `resource_type` being `namespace/type`.
    pub fn new(subscription: &SubscriptionId, group: &ResourceGroup, resource_type: &str, name: &str) -> Self {
        Self(format!("/subscriptions/{subscription}/resourceGroups/{group}/providers/{resource_type}/{name}"))
    }

    /// Builds the id of a child resource.
    #[must_use]
    pub fn child(&self, child_type: &str, name: &str) -> Self {
        Self(format!("{}/{child_type}/{name}", self.0))
    }

    /// The resource this one is a child of, if it is one.
    pub fn parent(&self) -> Option<Self> {
        let parts: Vec<&str> = self.0.split('/').collect();
        (parts.len() > 9).then(|| Self(parts[..parts.len() - 2].join("/")))
    }

    fn part(&self, index: usize) -> &str {
        self.0.split('/').nth(index).expect("the shape was checked when the id was made")
    }

    /// The subscription it lives in.
    pub fn subscription(&self) -> SubscriptionId {
        self.part(2).parse().expect("the subscription was checked when the id was made")
    }

    /// The resource group it lives in.
    pub fn resource_group(&self) -> ResourceGroup {
        ResourceGroup(self.part(4).to_owned())
    }

    /// The full type, lower-cased: `microsoft.network/virtualnetworks/subnets`.
    pub fn resource_type(&self) -> String {
        let parts: Vec<&str> = self.0.split('/').collect();
        let types = parts[7..].iter().step_by(2).copied();
        std::iter::once(parts[6]).chain(types).collect::<Vec<_>>().join("/").to_ascii_lowercase()
    }

    /// `privateendpoints/x in rg`: enough to find it, and no line too long.
    pub fn short(&self) -> String {
        let kind = self.resource_type();
        let kind = kind.rsplit('/').next().unwrap_or_default();
        format!("{kind}/{} in {}", self.name(), self.resource_group())
    }

    /// The last name of the path.
    pub fn name(&self) -> &str {
        self.0.rsplit('/').next().expect("an id has a last part")
    }
}
