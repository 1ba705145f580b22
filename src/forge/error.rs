//! What can go wrong between privlink and a forge, each with the call it happened in and the next step.

use std::fmt;
use std::time::Duration;

use crate::domain::failure::ErrorClass;
use crate::domain::pull_request::ForgeKind;

/// The longest text of a forge that is repeated, in characters.
const LONGEST: usize = 300;

/// How long a forge is left alone that wants fewer calls and does not say for how long.
const REST: Duration = Duration::from_secs(60);

/// What a call is for, in words, and what it takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Purpose {
    /// The forge.
    pub(crate) forge: ForgeKind,
    /// `read the comments of pull request 7`.
    pub(crate) what: String,
    /// The right that the call takes, in the forge's words.
    pub(crate) right: &'static str,
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

/// A forge could not be asked, or did not do as it was asked.
#[derive(Debug, thiserror::Error)]
pub enum ForgeError {
    /// What the runner brought cannot be used.
    #[error("{reason}")]
    Configuration {
        /// What is wrong, and what to do.
        reason: String,
        /// Why.
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// No answer.
    #[error("cannot {purpose}: no answer from {host}; check the address, the proxy and the certificate authorities")]
    Unreachable {
        /// The call.
        purpose: Purpose,
        /// Who did not answer.
        host: String,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// The forge said no.
    #[error("{forge} refused to {purpose}: {refusal}{hint}", forge = .purpose.forge, hint = hint(.purpose, .refusal))]
    Refused {
        /// The call.
        purpose: Purpose,
        /// What it said.
        refusal: Refusal,
    },
    /// An answer that is none.
    #[error("cannot {purpose}: the answer of {forge} is not understood: {reason}", forge = .purpose.forge)]
    Unexpected {
        /// The call.
        purpose: Purpose,
        /// What is wrong with it.
        reason: String,
    },
}

/// What the forge said when it refused a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// Its words, on one line, shortened.
    pub message: String,
    /// True if it was for coming too soon.
    pub is_throttled: bool,
    /// How long it wants nothing more.
    pub retry_after: Option<Duration>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HTTP status {}", self.status)?;
        if self.message.is_empty() { Ok(()) } else { write!(f, ", {}", self.message) }
    }
}

impl ForgeError {
    pub(crate) fn unexpected(purpose: &Purpose, reason: impl Into<String>) -> Self {
        Self::Unexpected { purpose: purpose.clone(), reason: reason.into() }
    }

    pub(crate) fn configuration(reason: impl Into<String>) -> Self {
        Self::Configuration { reason: reason.into(), source: None }
    }

    /// What the failure means for what is done next.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Configuration { .. } => ErrorClass::Invalid,
            Self::Unreachable { .. } => ErrorClass::Transient { retry_after: None },
            Self::Unexpected { .. } => ErrorClass::Unknown,
            Self::Refused { refusal, .. } => refusal.class(),
        }
    }

    /// How long the forge wants nothing more, if it refused for coming too often; a minute where it does not say.
    pub fn wanted_rest(&self) -> Option<Duration> {
        match self.class() {
            ErrorClass::Throttled { retry_after } => Some(retry_after.unwrap_or(REST)),
            _ => None,
        }
    }

    /// True if the call may have had its effect all the same.
    pub(crate) fn is_in_doubt(&self) -> bool {
        match self {
            Self::Unreachable { source, .. } => !source.is_connect(),
            Self::Refused { refusal, .. } => !refusal.is_throttled && refusal.status >= 500,
            Self::Unexpected { .. } => true,
            Self::Configuration { .. } => false,
        }
    }
}

impl Refusal {
    pub(crate) fn class(&self) -> ErrorClass {
        let retry_after = self.retry_after;
        if self.is_throttled {
            return ErrorClass::Throttled { retry_after };
        }
        match self.status {
            401 | 403 => ErrorClass::Denied,
            404 => ErrorClass::NotFound,
            409 | 412 => ErrorClass::Conflict,
            408 | 500..=599 => ErrorClass::Transient { retry_after },
            400..=499 => ErrorClass::Invalid,
            _ => ErrorClass::Unknown,
        }
    }
}

/// The words of a forge as they may be shown: on one line, and not for ever.
pub(crate) fn shown(text: &str) -> String {
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LONGEST + 1).collect();
    if line.chars().count() > LONGEST {
        line.chars().take(LONGEST).chain(['…']).collect()
    } else {
        line.trim().to_owned()
    }
}

fn hint(purpose: &Purpose, refusal: &Refusal) -> String {
    let Purpose { forge, right, .. } = purpose;
    match refusal.class() {
        ErrorClass::Throttled { retry_after } => match retry_after {
            Some(wait) => format!("; it takes calls again in {} s", wait.as_secs()),
            None => "; it takes no more calls at present".to_owned(),
        },
        ErrorClass::Denied if refusal.status == 401 => {
            format!("; nobody is known by this token, or it has expired; it takes one with {right}")
        }
        ErrorClass::Denied => format!("; the token needs {right}"),
        ErrorClass::NotFound => {
            format!(
                "; it is not there, or the token may not see it: check the repository, and that the token has {right}"
            )
        }
        ErrorClass::Transient { .. } => format!("; {forge} is in trouble: try again later"),
        ErrorClass::Busy { .. } | ErrorClass::Conflict => "; it was changed meanwhile: run this again".to_owned(),
        ErrorClass::Invalid | ErrorClass::Unknown => {
            "; if address and pull request are right, report this message as an error of privlink".to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16, message: &str) -> String {
        let purpose = Purpose {
            forge: ForgeKind::GitHub,
            what: "set the status privlink/plan/prod of 0123456789".to_owned(),
            right: "the permission statuses: write",
        };
        let refusal = Refusal { status, message: shown(message), is_throttled: status == 429, retry_after: None };
        ForgeError::Refused { purpose, refusal }.to_string()
    }

    #[test]
    fn a_refusal_names_the_call_the_cause_and_the_next_step() {
        insta::assert_snapshot!(
            [
                refused(403, "Resource not accessible by integration"),
                refused(401, "Bad credentials"),
                refused(404, "Not Found"),
                refused(429, "slow\ndown"),
                refused(502, ""),
                refused(422, "No commit found"),
            ]
            .join("\n"),
            @"
            GitHub refused to set the status privlink/plan/prod of 0123456789: HTTP status 403, Resource not accessible by integration; the token needs the permission statuses: write
            GitHub refused to set the status privlink/plan/prod of 0123456789: HTTP status 401, Bad credentials; nobody is known by this token, or it has expired; it takes one with the permission statuses: write
            GitHub refused to set the status privlink/plan/prod of 0123456789: HTTP status 404, Not Found; it is not there, or the token may not see it: check the repository, and that the token has the permission statuses: write
            GitHub refused to set the status privlink/plan/prod of 0123456789: HTTP status 429, slow down; it takes no more calls at present
            GitHub refused to set the status privlink/plan/prod of 0123456789: HTTP status 502; GitHub is in trouble: try again later
            GitHub refused to set the status privlink/plan/prod of 0123456789: HTTP status 422, No commit found; if address and pull request are right, report this message as an error of privlink
            "
        );
        assert_eq!(shown(&"x".repeat(400)).chars().count(), 301);
    }
}
