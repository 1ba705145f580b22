//! What can go wrong between privlink and Azure, each with the call it happened in and the next step.

use std::fmt;
use std::time::Duration;

use crate::azure::hint;
use crate::domain::azure::ResourceId;
use crate::domain::failure::ErrorClass;

/// What a call is for, in words: `read the private endpoint …`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Purpose {
    verb: &'static str,
    subject: String,
}

impl Purpose {
    /// Names a call on one resource.
    pub(crate) fn on(verb: &'static str, id: &ResourceId) -> Self {
        let kind = match id.resource_type().as_str() {
            "microsoft.network/virtualnetworks/subnets" => "subnet",
            "microsoft.network/privatelinkservices" => "Private Link Service",
            "microsoft.network/privatelinkservices/privateendpointconnections" => "private endpoint connection",
            "microsoft.network/privateendpoints" => "private endpoint",
            "microsoft.network/networkinterfaces" => "network interface",
            "microsoft.network/privatednszones/a" => "DNS record",
            "microsoft.network/privatednszones/virtualnetworklinks" => "DNS zone link",
            "microsoft.containerservice/managedclusters" => "managed cluster",
            _ => "resource",
        };
        Self { verb, subject: format!("the {kind} {id}") }
    }

    /// Names a call on something that has no Azure id.
    pub(crate) fn other(verb: &'static str, subject: impl fmt::Display) -> Self {
        Self { verb, subject: subject.to_string() }
    }

    /// Names the wait for the end of a call.
    pub(crate) fn follow(call: &Self) -> Self {
        Self { verb: "follow the operation to", subject: call.to_string() }
    }

    /// Names a list.
    pub(crate) fn list(what: &str, of: impl fmt::Display) -> Self {
        Self { verb: "list", subject: format!("the {what} of {of}") }
    }
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.verb, self.subject)
    }
}

/// What Azure said when it refused a call or gave up on an operation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceError {
    /// The HTTP status; of an operation that failed, the status of the poll.
    pub status: u16,
    /// `error.code`; absent where a gateway answered.
    pub code: Option<String>,
    /// `error.message`.
    pub message: String,
    /// `error.target`: the property or resource it is about.
    pub target: Option<String>,
    /// Codes and messages of `error.details`.
    pub details: Vec<(String, String)>,
    /// `x-ms-request-id`, which Microsoft's support asks for.
    pub request_id: Option<String>,
    /// How long the server asked us to wait.
    pub retry_after: Option<Duration>,
}

impl ServiceError {
    /// True if the error, or one of its details, has this code.
    pub fn has_code(&self, code: &str) -> bool {
        self.codes().any(|given| given.eq_ignore_ascii_case(code))
    }

    /// Every code, the outer one first.
    pub(crate) fn codes(&self) -> impl Iterator<Item = &str> {
        self.code.as_deref().into_iter().chain(self.details.iter().map(|(code, _)| code.as_str()))
    }

    /// True if a read that ended so means "it is not there", and not "you asked the wrong place".
    pub(crate) fn means_absent(&self) -> bool {
        let code = self.code.as_deref().unwrap_or_default();
        let wrong_place = ["SubscriptionNotFound", "TenantNotFound", "LocationNotFound"];
        self.status == 404 && code.ends_with("NotFound") && !wrong_place.contains(&code)
    }

    /// True if something is being changed by another call, whatever the status: Azure says so with 429, too.
    pub(crate) fn is_busy(&self) -> bool {
        hint::BUSY.iter().any(|code| self.has_code(code))
    }

    /// The action that the caller lacks, where Azure's refusal names one: its message alone does, in these words
    /// (`AuthorizationFailed`, Azure RBAC's documentation on troubleshooting).
    pub fn lacking_action(&self) -> Option<&str> {
        let (_, rest) = self.message.split_once("authorization to perform action '")?;
        rest.split_once('\'').map(|(action, _)| action)
    }

    fn class(&self) -> ErrorClass {
        let retry_after = self.retry_after;
        if self.is_busy() {
            return ErrorClass::Busy { retry_after };
        }
        if hint::PASSING.iter().any(|code| self.has_code(code)) {
            return ErrorClass::Transient { retry_after };
        }
        if hint::DENIED.iter().any(|code| self.has_code(code)) {
            return ErrorClass::Denied;
        }
        if hint::PERMANENT.iter().any(|code| self.has_code(code)) {
            return ErrorClass::Invalid;
        }
        match self.status {
            401 | 403 => ErrorClass::Denied,
            // A gateway's 404 has no code and says nothing about the resource.
            404 if self.code.is_some() => ErrorClass::NotFound,
            404 => ErrorClass::Unknown,
            409 | 412 => ErrorClass::Conflict,
            408 | 500..=599 => ErrorClass::Transient { retry_after },
            429 => ErrorClass::Throttled { retry_after },
            400..=499 => ErrorClass::Invalid,
            _ => ErrorClass::Unknown,
        }
    }
}

impl fmt::Display for ServiceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { status, code, message, target, details, request_id, retry_after: _ } = self;
        match code {
            Some(code) => write!(f, "{code}")?,
            None => write!(f, "HTTP status {status}")?,
        }
        if !message.is_empty() {
            write!(f, ": {}", message.trim_end_matches('.'))?;
        }
        if let Some(target) = target {
            write!(f, " (about {target})")?;
        }
        for (code, message) in details {
            write!(f, "; {code}: {}", message.trim_end_matches('.'))?;
        }
        if let Some(request_id) = request_id {
            write!(f, " [request {request_id}]")?;
        }
        let step = self.codes().find_map(hint::next_step).or_else(|| hint::for_status(*status));
        step.map_or(Ok(()), |step| write!(f, "; {step}"))
    }
}

/// A failed call to Azure.
#[derive(Debug, thiserror::Error)]
pub enum AzureError {
    /// The client could not be built from its settings.
    #[error("the Azure client cannot be set up: {reason}")]
    Configuration {
        /// What is wrong, and what to do.
        reason: String,
        /// The cause, where there is one.
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// A way to sign in answered, and gave no token.
    #[error("cannot sign in {whom}: {reason}")]
    SignIn {
        /// By which way, and as whom.
        whom: String,
        /// What was said, and what to do.
        reason: String,
        /// What it means for a retry.
        class: ErrorClass,
    },
    /// There is no way to sign in.
    #[error("nothing here signs in to Azure{whom}: {reason} (`privlink doctor auth` tells every way)")]
    Nobody {
        /// As whom, where the settings name somebody.
        whom: String,
        /// What is missing, and what to do.
        reason: String,
    },
    /// No answer came.
    #[error("cannot {purpose}: {host} did not answer; check the network, the proxy and the certificate authorities")]
    Unreachable {
        /// The call.
        purpose: Purpose,
        /// Whom we asked.
        host: String,
        /// What the network said.
        #[source]
        source: reqwest::Error,
    },
    /// Azure answered with an error.
    #[error("Azure refused to {purpose}: {error}")]
    Refused {
        /// The call.
        purpose: Purpose,
        /// What it said.
        error: Box<ServiceError>,
    },
    /// A long-running operation ended badly.
    #[error("Azure began to {purpose}, but the operation {}: {error}", if *.cancelled { "was cancelled" } else { "failed" })]
    Failed {
        /// The call that began it.
        purpose: Purpose,
        /// True if it was cancelled, usually by a newer write to the same network.
        cancelled: bool,
        /// What Azure said.
        error: Box<ServiceError>,
    },
    /// An answer that is not what Azure documents.
    #[error("cannot {purpose}: the answer is not what Azure documents: {reason}")]
    Unexpected {
        /// The call.
        purpose: Purpose,
        /// What was found or missing.
        reason: String,
    },
    /// Azure named an address that our token must not be sent to.
    #[error(
        "cannot {purpose}: the answer points to {address}, which is not the resource manager that privlink signed in to; \
         no token was sent there; check the cloud's endpoints"
    )]
    ForeignAddress {
        /// The call.
        purpose: Purpose,
        /// Scheme and host of the address.
        address: String,
    },
    /// The call makes no sense as it is; nothing was sent.
    #[error("cannot {purpose}: {reason}")]
    Impossible {
        /// The call.
        purpose: Purpose,
        /// What it lacks, and what to do.
        reason: String,
    },
}

impl AzureError {
    /// Says what the failure means for a retry.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Configuration { .. } | Self::Impossible { .. } => ErrorClass::Invalid,
            Self::SignIn { class, .. } => *class,
            Self::Nobody { .. } => ErrorClass::Denied,
            Self::Unreachable { .. } => ErrorClass::Transient { retry_after: None },
            Self::Refused { error, .. } => error.class(),
            Self::Failed { cancelled: true, error, .. } => ErrorClass::Transient { retry_after: error.retry_after },
            // The poll itself answered 200: only the code can tell, and an unknown one is not repeated.
            Self::Failed { cancelled: false, error, .. } => match error.class() {
                ErrorClass::Unknown => ErrorClass::Invalid,
                known => known,
            },
            Self::Unexpected { .. } | Self::ForeignAddress { .. } => ErrorClass::Unknown,
        }
    }

    /// What Azure said, where it said something.
    pub fn service_error(&self) -> Option<&ServiceError> {
        match self {
            Self::Refused { error, .. } | Self::Failed { error, .. } => Some(error),
            Self::Configuration { .. }
            | Self::SignIn { .. }
            | Self::Nobody { .. }
            | Self::Unreachable { .. }
            | Self::Unexpected { .. }
            | Self::ForeignAddress { .. }
            | Self::Impossible { .. } => None,
        }
    }

    pub(crate) fn unexpected(purpose: &Purpose, reason: impl fmt::Display) -> Self {
        Self::Unexpected { purpose: purpose.clone(), reason: reason.to_string() }
    }

    pub(crate) fn impossible(purpose: &Purpose, reason: impl fmt::Display) -> Self {
        Self::Impossible { purpose: purpose.clone(), reason: reason.to_string() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16, code: &str) -> AzureError {
        let id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg/providers/\
                  Microsoft.Network/privateEndpoints/pe";
        AzureError::Refused {
            purpose: Purpose::on("delete", &id.parse().unwrap()),
            error: Box::new(ServiceError {
                status,
                code: (!code.is_empty()).then(|| code.to_owned()),
                message: "because.".to_owned(),
                ..ServiceError::default()
            }),
        }
    }

    #[test]
    fn class_follows_code_before_status() {
        let transient = ErrorClass::Transient { retry_after: None };
        let busy = ErrorClass::Busy { retry_after: None };
        for (status, code, class) in [
            (429, "RetryableError", busy),
            (429, "SubscriptionRequestsThrottled", ErrorClass::Throttled { retry_after: None }),
            (409, "AnotherOperationInProgress", busy),
            (409, "Whatever", ErrorClass::Conflict),
            (409, "ReadOnlyDisabledSubscription", ErrorClass::Invalid),
            (412, "PreconditionFailed", ErrorClass::Conflict),
            (403, "LinkedAuthorizationFailed", ErrorClass::Denied),
            (404, "ResourceNotFound", ErrorClass::NotFound),
            (400, "SubnetIsFull", ErrorClass::Invalid),
            (503, "", transient),
            (302, "", ErrorClass::Unknown),
            (404, "", ErrorClass::Unknown),
        ] {
            assert_eq!(refused(status, code).class(), class, "{status} {code}");
        }
    }

    #[test]
    fn a_message_says_what_why_and_what_next() {
        insta::assert_snapshot!(
            refused(409, "AnotherOperationInProgress"),
            @"Azure refused to delete the private endpoint /subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg/providers/Microsoft.Network/privateEndpoints/pe: AnotherOperationInProgress: because; another write to the same network is under way: wait for it and try again"
        );
        insta::assert_snapshot!(
            refused(502, ""),
            @"Azure refused to delete the private endpoint /subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg/providers/Microsoft.Network/privateEndpoints/pe: HTTP status 502: because; Azure is in trouble for the moment: try again"
        );
    }

    #[test]
    fn a_refusal_names_the_action_that_is_lacking_only_in_the_documented_words() {
        let error = |message: &str| ServiceError { message: message.to_owned(), ..ServiceError::default() };
        let documented = "The client 'ann' with object id '1' does not have authorization to perform action \
                          'Microsoft.Network/privateEndpoints/read' over scope '/subscriptions/2' or the scope is invalid.";
        assert_eq!(error(documented).lacking_action(), Some("Microsoft.Network/privateEndpoints/read"));
        assert_eq!(error("denied by the policy 'perform action'").lacking_action(), None);
        assert_eq!(error("authorization to perform action 'cut").lacking_action(), None);
    }

    #[test]
    fn only_a_documented_404_means_absent() {
        let error = |code: Option<&str>| ServiceError {
            status: 404,
            code: code.map(ToOwned::to_owned),
            ..ServiceError::default()
        };
        assert!(error(Some("ResourceGroupNotFound")).means_absent());
        assert!(error(Some("NotFound")).means_absent());
        assert!(!error(Some("SubscriptionNotFound")).means_absent());
        assert!(!error(Some("InvalidResourceType")).means_absent());
        assert!(!error(None).means_absent());
    }
}
