//! What can go wrong between privlink and a cluster, each with the call it happened in and the next step.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use crate::domain::failure::ErrorClass;

/// A boxed cause.
pub(crate) type Source = Box<dyn StdError + Send + Sync>;

/// What the API server said when it refused a call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status.
    pub code: u16,
    /// `reason`, a word such as `Forbidden`; empty where the server gave none.
    pub reason: String,
    /// `message`, a sentence.
    pub message: String,
    /// Who owns which field, where an apply was refused for that.
    pub conflicts: Vec<FieldConflict>,
    /// How long the server asked us to wait.
    pub retry_after: Option<Duration>,
    /// True for a write of an object, where a 500 without a reason means that the object is wrong.
    pub(crate) is_apply: bool,
}

/// A field that somebody else owns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldConflict {
    /// The field manager, such as `helm`.
    pub manager: String,
    /// The field, such as `.spec.type`.
    pub field: String,
}

impl fmt::Display for FieldConflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} owns {}", self.manager, self.field)
    }
}

impl Refusal {
    fn class(&self) -> ErrorClass {
        let retry_after = self.retry_after;
        match self.code {
            401 | 403 => ErrorClass::Denied,
            // A proxy's 404 is no Status and says nothing about the object.
            404 if !self.reason.is_empty() => ErrorClass::NotFound,
            404 => ErrorClass::Unknown,
            409 | 412 => ErrorClass::Conflict,
            // Server-side apply answers an unknown field or a wrong type with a 500 that has no reason.
            500 if self.is_apply && self.reason.is_empty() && !self.message.is_empty() => ErrorClass::Invalid,
            // 410: the page token of a list is too old.
            408 | 410 | 500..=599 => ErrorClass::Transient { retry_after },
            429 => ErrorClass::Throttled { retry_after },
            400..=499 => ErrorClass::Invalid,
            _ => ErrorClass::Unknown,
        }
    }

    fn next_step(&self) -> Option<&'static str> {
        if !self.conflicts.is_empty() {
            return Some("leave these fields to their manager, or let the plan take them over");
        }
        match self.code {
            401 => Some("sign in to the cluster again: the credentials of this context are missing or expired"),
            403 => Some("ask for a role that allows it in this namespace"),
            409 | 412 => Some("somebody changed it since it was read: plan again"),
            410 => Some("the list changed too fast: try again"),
            429 => Some("the API server is busy: wait and try again"),
            500 if self.class() == ErrorClass::Invalid => Some("correct the manifest"),
            500..=599 => Some("the API server is in trouble for the moment: try again"),
            _ => None,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { code, reason, message, conflicts, retry_after: _, is_apply: _ } = self;
        if reason.is_empty() {
            write!(f, "HTTP status {code}")?;
        } else {
            f.write_str(reason)?;
        }
        if !conflicts.is_empty() {
            let conflicts: Vec<String> = conflicts.iter().map(ToString::to_string).collect();
            write!(f, ": {}", conflicts.join("; "))?;
        } else if !message.is_empty() {
            write!(f, ": {}", message.trim_end_matches('.'))?;
        }
        self.next_step().map_or(Ok(()), |step| write!(f, "; {step}"))
    }
}

/// A failed call to a cluster.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// The kubeconfig cannot be used.
    #[error("the kubeconfig cannot be used: {reason}")]
    Kubeconfig {
        /// What is wrong, and what to do.
        reason: String,
        /// The cause, where there is one.
        #[source]
        source: Option<Source>,
    },
    /// There is no service account to use.
    #[error("privlink does not seem to run in a pod: no service account was found; use a kubeconfig context instead")]
    NotInCluster {
        /// What was missing.
        #[source]
        source: Source,
    },
    /// The credentials of the context could not be obtained.
    #[error("cannot {call}: the credentials of {place} could not be obtained; sign in again with its tool")]
    Credentials {
        /// The call.
        call: String,
        /// Server and context.
        place: String,
        /// What failed.
        #[source]
        source: Source,
    },
    /// No answer came.
    #[error("cannot {call}: {place} did not answer; {next}")]
    Unreachable {
        /// The call.
        call: String,
        /// Server and context.
        place: String,
        /// What to do.
        next: &'static str,
        /// What the network said.
        #[source]
        source: Source,
    },
    /// The API server answered with an error.
    #[error("{place} refused to {call}: {refusal}")]
    Refused {
        /// The call.
        call: String,
        /// Server and context.
        place: String,
        /// What it said.
        refusal: Box<Refusal>,
    },
    /// An answer that is not what Kubernetes documents.
    #[error("cannot {call}: {place} gave an answer that is not Kubernetes': {reason}")]
    Unexpected {
        /// The call.
        call: String,
        /// Server and context.
        place: String,
        /// What was found or missing.
        reason: String,
    },
    /// The call makes no sense as it is; nothing was sent.
    #[error("cannot {call}: {reason}")]
    Impossible {
        /// The call.
        call: String,
        /// What is wrong.
        reason: String,
    },
}

impl ClusterError {
    /// Says what the failure means for a retry.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Kubeconfig { .. } | Self::NotInCluster { .. } | Self::Impossible { .. } => ErrorClass::Invalid,
            Self::Credentials { .. } => ErrorClass::Denied,
            Self::Unreachable { .. } => ErrorClass::Transient { retry_after: None },
            Self::Refused { refusal, .. } => refusal.class(),
            Self::Unexpected { .. } => ErrorClass::Unknown,
        }
    }

    /// True if the object is not there. Only a Status of the API server says so; a proxy's 404 has no reason.
    pub(crate) fn means_absent(&self) -> bool {
        matches!(self, Self::Refused { refusal, .. } if refusal.code == 404 && refusal.reason == "NotFound")
    }

    /// The user that a refusal by the authorizer names, as in `User "x" cannot …`.
    pub(crate) fn user(&self) -> Option<&str> {
        let Self::Refused { refusal, .. } = self else { return None };
        let (_, rest) = refusal.message.split_once("User \"").filter(|_| refusal.code == 403)?;
        Some(rest.split_once("\" cannot ")?.0)
    }

    /// True if we may not do that, whatever the object: admission refuses with the same status for other reasons.
    ///
    /// Where an apply would create an object, the API server asks its authorizer late, and says no more than that one does:
    /// nothing with RBAC of Kubernetes, a sentence of its own with Azure's.
    pub fn is_lack_of_rights(&self) -> bool {
        let Self::Refused { refusal, .. } = self else { return false };
        let says_nothing = refusal.message.trim_end().ends_with("is forbidden:");
        let is_of_azure = refusal.message.contains("does not have access to the resource in Azure");
        self.user().is_some() || (refusal.code == 403 && (says_nothing || is_of_azure))
    }

    /// Who owns which field, where an apply was refused for that.
    pub fn conflicts(&self) -> &[FieldConflict] {
        match self {
            Self::Refused { refusal, .. } => &refusal.conflicts,
            Self::Kubeconfig { .. }
            | Self::NotInCluster { .. }
            | Self::Credentials { .. }
            | Self::Unreachable { .. }
            | Self::Unexpected { .. }
            | Self::Impossible { .. } => &[],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(code: u16, reason: &str) -> Refusal {
        Refusal { code, reason: reason.to_owned(), message: "why.".to_owned(), ..Refusal::default() }
    }

    #[test]
    fn class_follows_status_and_reason() {
        let transient = ErrorClass::Transient { retry_after: None };
        assert_eq!(refusal(409, "Conflict").class(), ErrorClass::Conflict);
        assert_eq!(refusal(404, "NotFound").class(), ErrorClass::NotFound);
        assert_eq!(refusal(404, "").class(), ErrorClass::Unknown);
        assert_eq!(refusal(422, "Invalid").class(), ErrorClass::Invalid);
        assert_eq!(refusal(410, "Expired").class(), transient);
        assert_eq!(refusal(500, "").class(), transient);
        assert_eq!(Refusal { is_apply: true, ..refusal(500, "") }.class(), ErrorClass::Invalid);
        assert_eq!(Refusal { is_apply: true, ..refusal(500, "InternalError") }.class(), transient);
        assert_eq!(refusal(429, "TooManyRequests").class(), ErrorClass::Throttled { retry_after: None });
    }

    #[test]
    fn a_conflict_names_the_owners() {
        let conflicts =
            vec![FieldConflict { manager: "kubectl-annotate".to_owned(), field: ".metadata.annotations.x".to_owned() }];
        let error = ClusterError::Refused {
            call: "apply the Service shop/orders".to_owned(),
            place: "https://prod (context prod)".to_owned(),
            refusal: Box::new(Refusal { conflicts, ..refusal(409, "Conflict") }),
        };
        insta::assert_snapshot!(error, @"https://prod (context prod) refused to apply the Service shop/orders: Conflict: kubectl-annotate owns .metadata.annotations.x; leave these fields to their manager, or let the plan take them over");
    }
}
