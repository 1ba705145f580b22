//! Kubernetes identifiers: namespaces, Service names, object keys, uids and versions.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::domain::name::{InvalidName, is_dns_label, text_newtype};

text_newtype!(
    /// A namespace (DNS-1123 label).
    Namespace,
    |text| if is_dns_label(text, 63) {
        Ok(text.to_owned())
    } else {
        Err(InvalidName::new(
            "a namespace",
            text,
            "use at most 63 lower-case letters, digits and '-', starting and ending with a letter or digit",
        ))
    }
);

text_newtype!(
    /// The name of a Service (RFC 1035 label: like a namespace, but starting with a letter).
    ServiceName,
    |text| if is_dns_label(text, 63) && text.as_bytes()[0].is_ascii_lowercase() {
        Ok(text.to_owned())
    } else {
        Err(InvalidName::new(
            "a Service name",
            text,
            "use at most 63 lower-case letters, digits and '-', starting with a letter and ending with a letter or digit",
        ))
    }
);

text_newtype!(
    /// `metadata.uid`: tells an object from its successor of the same name.
    Uid,
    |text| if text.is_empty() {
        Err(InvalidName::new("a uid", text, "it is empty"))
    } else {
        Ok(text.to_owned())
    }
);

text_newtype!(
    /// `metadata.resourceVersion`: opaque, compared for equality only.
    ResourceVersion,
    |text| if text.is_empty() {
        Err(InvalidName::new("a resourceVersion", text, "it is empty"))
    } else {
        Ok(text.to_owned())
    }
);

impl Namespace {
    /// The namespace of a manifest that names none.
    pub fn default_namespace() -> Self {
        Self("default".to_owned())
    }
}

/// Namespace and name of a Service, written `namespace/name`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ObjectKey {
    /// The namespace.
    pub namespace: Namespace,
    /// The name within it.
    pub name: ServiceName,
}

impl FromStr for ObjectKey {
    type Err = InvalidName;
    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let Some((namespace, name)) = text.split_once('/') else {
            return Err(InvalidName::new("a Service reference", text, "write it as namespace/name"));
        };
        Ok(Self { namespace: namespace.parse()?, name: name.parse()? })
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

impl fmt::Debug for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}
