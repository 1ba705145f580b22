//! Leases of a cluster (`coordination.k8s.io/v1`), by which replicas of a program elect the one that works.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::Timestamp;

use crate::domain::kubernetes::Namespace;
use crate::domain::kubernetes::ResourceVersion;
use crate::domain::name::InvalidName;
use crate::domain::name::is_dns_label;
use crate::domain::name::text_newtype;

text_newtype!(
    /// The name of a Lease (DNS-1123 subdomain, at most 253 characters).
    LeaseName,
    |text| if text.len() <= 253 && text.split('.').all(|part| is_dns_label(part, 63)) {
        Ok(text.to_owned())
    } else {
        Err(InvalidName::new(
            "the name of a Lease",
            text,
            "use lower-case letters, digits, '-' and '.', each part starting and ending with a letter or digit",
        ))
    }
);

/// Namespace and name of a Lease, written `namespace/name`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseKey {
    /// The namespace.
    pub namespace: Namespace,
    /// The name within it.
    pub name: LeaseName,
}

impl FromStr for LeaseKey {
    type Err = InvalidName;
    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let Some((namespace, name)) = text.split_once('/') else {
            return Err(InvalidName::new("a reference to a Lease", text, "write it as namespace/name"));
        };
        Ok(Self { namespace: namespace.parse()?, name: name.parse()? })
    }
}

impl fmt::Display for LeaseKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// What a Lease says (`spec`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseRecord {
    /// `holderIdentity`; empty if it was given back.
    pub holder: String,
    /// `leaseDurationSeconds`, in whole seconds: how long others have to wait after they have seen it change.
    pub duration: Duration,
    /// `acquireTime`, to the microsecond: when the holder got it, by the holder's clock.
    pub acquired_at: Option<Timestamp>,
    /// `renewTime`, to the microsecond: when the holder said last that it lives, by the holder's clock.
    pub renewed_at: Option<Timestamp>,
    /// `leaseTransitions`: how often it went to another holder.
    pub transitions: u32,
}

/// A Lease as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// What a write has to name, so that nothing is overwritten that was not seen.
    pub version: ResourceVersion,
    /// What it says.
    pub record: LeaseRecord,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_a_namespace_and_a_name() {
        let key: LeaseKey = "privlink/privlink-agent.0".parse().unwrap();
        assert_eq!(key.to_string(), "privlink/privlink-agent.0");
        for (text, word) in [("agent", "namespace/name"), ("privlink/", "the name of a Lease"), ("A/b", "a namespace")]
        {
            let error = text.parse::<LeaseKey>().unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
    }
}
