//! What Azure's error codes mean and what a person can do about them.

/// Codes of something that another call is changing: the same call succeeds once that has ended.
pub(crate) const BUSY: &[&str] = &[
    "AnotherOperationInProgress",
    "ConflictError",
    "ReferencedResourceNotProvisioned",
    "RetryableError",
    "RetryableErrorDueToAnotherOperation",
];

/// Codes of trouble that may be over soon, or of a call that was superseded: the same call may succeed later.
pub(crate) const PASSING: &[&str] = &[
    "Canceled",
    "CanceledAndSupersededDueToAnotherOperation",
    "GatewayTimeout",
    "InternalServerError",
    // A fresh alias or id is refused for a while; retries are bounded, so a wrong one ends soon enough.
    "InvalidPrivateLinkServiceId",
    "OperationPreempted",
    "ServiceUnavailable",
];

/// Codes of a missing right, wherever they turn up.
pub(crate) const DENIED: &[&str] =
    &["AuthorizationFailed", "LinkedAuthorizationFailed", "RequestDisallowedByPolicy", "ScopeLocked"];

/// Codes that no repetition and no fresh read can cure, although their status says conflict or not found.
pub(crate) const PERMANENT: &[&str] = &[
    "InvalidResourceNamespace",
    "InvalidResourceType",
    "MissingSubscriptionRegistration",
    "ReadOnlyDisabledSubscription",
    "SubscriptionNotFound",
];

/// The next step for a code; `None` where Azure's own message has to do.
pub(crate) fn next_step(code: &str) -> Option<&'static str> {
    Some(match code {
        "AnotherOperationInProgress" | "RetryableErrorDueToAnotherOperation" => {
            "another write to the same network is under way: wait for it and try again"
        }
        "AuthorizationFailed" => "ask for a role that holds the missing action on that scope",
        "CannotChangeSubnetOnExistingPrivateEndpoint" => "an endpoint cannot move: it has to be replaced",
        "CannotDeleteLoadBalancerWithPrivateLinkService" => "delete the Private Link Service on its frontend first",
        "Canceled" | "CanceledAndSupersededDueToAnotherOperation" | "OperationPreempted" => {
            "a newer write to the same network cancelled it: plan again"
        }
        "InUseSubnetCannotBeDeleted" => "remove what uses the subnet first",
        "InvalidAuthenticationToken" | "ExpiredAuthenticationToken" => {
            "a fresh token was refused too: check tenant, cloud and the clock of this machine"
        }
        "InvalidPrivateLinkServiceId" => {
            "the alias or id is wrong, not yet known in this region, or does not show itself to this subscription"
        }
        "LinkedAuthorizationFailed" => {
            "ask for the missing action on the linked resource, or request the connection manually"
        }
        "MissingSubscriptionRegistration" => "register the provider once: az provider register -n Microsoft.Network",
        "PreconditionFailed" => "somebody changed it since it was read: plan again",
        "PrivateIPAddressIsAllocated" | "PrivateIPAddressInUse" => "choose an address that is free in the subnet",
        "PrivateLinkServiceCannotBeCreatedInSubnetThatHasNetworkPoliciesEnabled" => {
            "switch the subnet's privateLinkServiceNetworkPolicies to Disabled"
        }
        "PrivateEndpointCannotBeCreatedInSubnetThatHasNetworkPoliciesEnabled" => {
            "switch the subnet's privateEndpointNetworkPolicies to Disabled"
        }
        "PrivateLinkServiceWithPrivateEndpointConnectionsCannotBeDeleted" => "delete its connections first",
        "ReadOnlyDisabledSubscription" => "the subscription is disabled: it has to be enabled first",
        "ReferencedResourceNotProvisioned" | "RetryableError" => {
            "something it depends on is being changed: try again shortly"
        }
        "RequestDisallowedByPolicy" => "an Azure Policy forbids it: see the assignment named in the message",
        "ScopeLocked" => "a resource lock forbids it: remove the lock first",
        "SubnetIsFull" => "choose a subnet with free addresses",
        "SubscriptionNotFound" => "check the subscription id, and that this identity belongs to its tenant",
        "SubscriptionRequestsThrottled" | "ResourceRequestsThrottled" | "TooManyRequests" => {
            "too many calls in this subscription: wait and try again"
        }
        _ => return None,
    })
}

/// The next step where only the status is known.
pub(crate) fn for_status(status: u16) -> Option<&'static str> {
    match status {
        401 => Some("the token was refused: check tenant, cloud and the clock of this machine"),
        403 => Some("ask for a role on this scope"),
        404 => Some("it is not there, or not visible to this identity"),
        409 | 412 => Some("somebody changed it since it was read: plan again"),
        429 => Some("too many calls: wait and try again"),
        500..=599 => Some("Azure is in trouble for the moment: try again"),
        _ => None,
    }
}
