//! What a field may hold in a difference: a value, nothing, or something known only after apply.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::domain::azure::ResourceId;
use crate::domain::key::ResourceKey;

/// The fields of a resource by name; names read like the path in the document or manifest.
pub type Fields = BTreeMap<String, Value>;

/// What a step yields for the steps that wait for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Output {
    /// The full Azure resource id.
    Id,
    /// The private address.
    Address,
    /// The frontend IP configuration of a Service's address.
    Frontend,
    /// The alias of a Private Link Service.
    Alias,
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Id => "id",
            Self::Address => "address",
            Self::Frontend => "frontend",
            Self::Alias => "alias",
        })
    }
}

/// One value of one field.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Value {
    /// A truth value.
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// Text, compared byte for byte.
    Text(String),
    /// An Azure id, compared without regard to case.
    Id(ResourceId),
    /// Texts in an order that means something.
    List(Vec<String>),
    /// Texts in no order.
    Set(BTreeSet<String>),
    /// What another resource of the plan yields.
    Produced {
        /// Who yields it.
        by: ResourceKey,
        /// What it yields.
        output: Output,
        /// The value, where the producer already exists. Not part of what is approved: the producer is.
        known: Option<String>,
    },
}

impl Value {
    /// Text from anything that can be displayed.
    pub fn text(value: impl fmt::Display) -> Self {
        Self::Text(value.to_string())
    }

    /// A set of displayed items.
    pub fn set<T: fmt::Display>(items: impl IntoIterator<Item = T>) -> Self {
        Self::Set(items.into_iter().map(|item| item.to_string()).collect())
    }

    /// True if the value is known only after another step ran.
    pub fn is_unknown(&self) -> bool {
        matches!(self, Self::Produced { known: None, .. })
    }

    /// The value as compared: ids folded, produced values as what they are known to be.
    fn comparable(&self) -> (u8, String) {
        match self {
            Self::Bool(value) => (0, value.to_string()),
            Self::Integer(value) => (1, value.to_string()),
            Self::Text(value) => (2, value.clone()),
            Self::Id(id) => (2, id.folded()),
            Self::List(items) => (3, items.join("\n")),
            Self::Set(items) => (4, items.iter().map(String::as_str).collect::<Vec<_>>().join("\n")),
            Self::Produced { known: Some(known), .. } => (2, known.clone()),
            Self::Produced { by, output, known: None } => (5, format!("{by:?} {output}")),
        }
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        // What one resource yields, where a set may stand: the address of a record.
        if let (Self::Set(items), Self::Produced { known: Some(known), .. })
        | (Self::Produced { known: Some(known), .. }, Self::Set(items)) = (self, other)
        {
            return items.len() == 1 && items.contains(known);
        }
        let (kind, text) = self.comparable();
        let (other_kind, other_text) = other.comparable();
        let folds = matches!(self, Self::Id(_)) || matches!(other, Self::Id(_));
        kind == other_kind && (text == other_text || (folds && text.eq_ignore_ascii_case(&other_text)))
    }
}

impl Eq for Value {}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let join = |items: &mut dyn Iterator<Item = &String>| items.cloned().collect::<Vec<_>>().join(", ");
        match self {
            Self::Bool(value) => write!(f, "{value}"),
            Self::Integer(value) => write!(f, "{value}"),
            Self::Text(text) => write!(f, "{text:?}"),
            Self::Id(id) => write!(f, "{id}"),
            Self::List(items) => write!(f, "[{}]", join(&mut items.iter())),
            Self::Set(items) => write!(f, "{{{}}}", join(&mut items.iter())),
            Self::Produced { known: Some(known), .. } => write!(f, "{known}"),
            Self::Produced { by, output, known: None } => write!(f, "<{output}: known after {by}>"),
        }
    }
}
