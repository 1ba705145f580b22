//! A namespace that is made because a Service needs it: made once, with our mark, and never changed or deleted by us.

use std::collections::BTreeMap;

use crate::domain::kubernetes::Namespace;
use crate::value::Fields;
use crate::value::Value;

/// A namespace to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewNamespace {
    /// Its name.
    pub name: Namespace,
    /// Its labels: whose it is.
    pub labels: BTreeMap<String, String>,
}

impl NewNamespace {
    /// The comparable fields.
    pub fn fields(&self) -> Fields {
        let Self { name: _, labels } = self;
        fields(labels)
    }
}

/// A namespace as seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveNamespace {
    /// Its name.
    pub name: Namespace,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// True once somebody asked for its deletion: nothing is made in it any more.
    pub deleting: bool,
}

impl LiveNamespace {
    /// The comparable fields.
    pub fn fields(&self) -> Fields {
        let Self { name: _, labels, deleting: _ } = self;
        fields(labels)
    }
}

fn fields(labels: &BTreeMap<String, String>) -> Fields {
    labels.iter().map(|(name, text)| (format!("metadata.labels[{name}]"), Value::text(text))).collect()
}
