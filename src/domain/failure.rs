//! What a failed call means for what we do next. Every adapter's error answers with one of these; retry looks at nothing
//! else.

use std::time::Duration;

/// The class of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorClass {
    /// The other side or the network failed; the same call may succeed later.
    Transient {
        /// How long the server asked us to wait.
        retry_after: Option<Duration>,
    },
    /// Something that it needs is being changed by another call: it is waited for, as long as the step may take.
    Busy {
        /// How long the server asked us to wait.
        retry_after: Option<Duration>,
    },
    /// Too many calls.
    Throttled {
        /// How long the server asked us to wait.
        retry_after: Option<Duration>,
    },
    /// What we decided from is not true any more (409, 412).
    Conflict,
    /// The thing is not there.
    NotFound,
    /// We may not (401, 403).
    Denied,
    /// The request can never succeed as it is.
    Invalid,
    /// An answer we do not understand; never retried blindly.
    Unknown,
}

impl ErrorClass {
    /// True if the same call may be sent again.
    pub fn is_retryable(self) -> bool {
        matches!(self, Self::Transient { .. } | Self::Busy { .. } | Self::Throttled { .. })
    }
}
