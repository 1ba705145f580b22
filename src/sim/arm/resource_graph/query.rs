//! A query, understood: a table and steps that its rows go through.

use serde_json::Value;

/// A whole query.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Query {
    pub(super) table: Table,
    pub(super) steps: Vec<Step>,
    /// The columns of the result, in their order.
    pub(super) columns: Vec<String>,
}

/// What rows come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Table {
    Resources,
    /// Subscriptions and resource groups.
    ResourceContainers,
}

impl Table {
    /// Table names have no case.
    pub(super) fn find(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().as_str() {
            "resources" => Some(Self::Resources),
            "resourcecontainers" => Some(Self::ResourceContainers),
            _ => None,
        }
    }
}

/// The columns of both tables.
pub(super) const COLUMNS: [&str; 15] = [
    "id",
    "name",
    "type",
    "tenantId",
    "kind",
    "location",
    "resourceGroup",
    "subscriptionId",
    "managedBy",
    "sku",
    "plan",
    "properties",
    "tags",
    "identity",
    "zones",
];

/// One operator.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Step {
    Where(Predicate),
    Project(Vec<(String, Scalar)>),
    Extend(Vec<(String, Scalar)>),
    Distinct(Vec<(String, Scalar)>),
    Order(Vec<Key>),
    Limit(usize),
    Count,
}

/// One key of an order.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Key {
    pub(super) value: Scalar,
    pub(super) is_descending: bool,
    pub(super) nulls_first: bool,
}

/// A condition.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Predicate {
    All(Vec<Self>),
    Any(Vec<Self>),
    Not(Box<Self>),
    Compare {
        left: Scalar,
        how: Comparison,
        right: Scalar,
    },
    OneOf {
        value: Scalar,
        list: Vec<Value>,
        folds_case: bool,
    },
    /// A value that is true or false itself.
    Holds(Scalar),
}

/// How two values are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    EqualFolded,
    NotEqual,
    NotEqualFolded,
    Contains,
    StartsWith,
    /// As a whole term, which ends where letters and digits end.
    Has,
}

/// A value of a row.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Scalar {
    Literal(Value),
    Path { column: String, parts: Vec<Part> },
    ToText(Box<Self>),
    ToLower(Box<Self>),
}

impl Scalar {
    /// The name that a column gets if nobody names it.
    pub(super) fn own_name(&self) -> Option<String> {
        match self {
            Self::Literal(_) => None,
            Self::ToText(inner) | Self::ToLower(inner) => inner.own_name(),
            Self::Path { column, parts } => {
                let parts = parts.iter().map(|part| match part {
                    Part::Key(key) => key.clone(),
                    Part::Index(index) => index.to_string(),
                });
                Some(std::iter::once(column.clone()).chain(parts).collect::<Vec<_>>().join("_"))
            }
        }
    }
}

/// A step into an object or a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Key(String),
    Index(usize),
}
