//! What a change does to its resource, and who does it.

use std::fmt;

use serde::Serialize;

/// What happens to a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// It is made.
    Create,
    /// It is changed in place.
    Update,
    /// It is deleted and made anew, because a field cannot change in place.
    Replace,
    /// It is deleted.
    Delete,
    /// It gets our mark and nothing else.
    Adopt,
}

impl Action {
    /// The sign in front of a change.
    pub fn symbol(self) -> &'static str {
        match self {
            Self::Create => "+",
            Self::Update => "~",
            Self::Replace => "-/+",
            Self::Delete => "-",
            Self::Adopt => "=",
        }
    }

    /// True if something that exists goes away.
    pub fn is_destructive(self) -> bool {
        match self {
            Self::Replace | Self::Delete => true,
            Self::Create | Self::Update | Self::Adopt => false,
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Replace => "replace",
            Self::Delete => "delete",
            Self::Adopt => "adopt",
        })
    }
}

/// Who carries a change out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Actor {
    /// privlink writes.
    Privlink,
    /// The cluster's cloud provider does it because of a Service; privlink waits until it is done.
    CloudProvider,
}
