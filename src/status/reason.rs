//! The reasons of conditions: one word each, named once, because people write alerts on them.

/// The Service or the endpoint has its address.
pub const ADDRESS_ASSIGNED: &str = "AddressAssigned";
/// It exists and has no address yet.
pub const ADDRESS_PENDING: &str = "AddressPending";
/// It is not there.
pub const NOT_CREATED: &str = "NotCreated";
/// Somebody asked for its deletion.
pub const DELETING: &str = "Deleting";
/// Azure is still at work.
pub const PROVISIONING: &str = "Provisioning";
/// Azure's last operation on it failed.
pub const PROVISIONING_FAILED: &str = "ProvisioningFailed";
/// The last apply failed on it.
pub const APPLY_FAILED: &str = "ApplyFailed";
/// The document is suspended: what it asks for stays as it is.
pub const SUSPENDED: &str = "Suspended";
/// The area could not be read; the rest of the file is what was seen last.
pub const NOT_READ: &str = "NotRead";
/// The Private Link Service serves.
pub const SERVING: &str = "Serving";
/// It exists and has no alias yet.
pub const ALIAS_PENDING: &str = "AliasPending";
/// Consumers can reach it, as asked for.
pub const PUBLISHED: &str = "Published";
/// Nobody can reach it yet.
pub const NOT_PUBLISHED: &str = "NotPublished";
/// Nobody asks for it any more, and it still serves.
pub const STILL_PUBLISHED: &str = "StillPublished";
/// The provider let the endpoint in.
pub const APPROVED: &str = "Approved";
/// The provider has not answered.
pub const PENDING_APPROVAL: &str = "PendingApproval";
/// The provider turned the endpoint away.
pub const REJECTED: &str = "Rejected";
/// The provider removed the connection; the endpoint must be replaced.
pub const DISCONNECTED: &str = "Disconnected";
/// Azure reports a state that privlink does not know.
pub const UNKNOWN_STATE: &str = "UnknownState";
/// No request waits for us.
pub const NO_REQUEST_WAITS: &str = "NoRequestWaits";
/// Requests wait for us.
pub const REQUESTS_WAIT: &str = "RequestsWait";
/// Records and links are as asked for.
pub const RESOLVES: &str = "Resolves";
/// A record is not there.
pub const RECORD_MISSING: &str = "RecordMissing";
/// A record answers something else.
pub const RECORD_DIFFERS: &str = "RecordDiffers";
/// A virtual network link is not there.
pub const LINK_MISSING: &str = "LinkMissing";
/// A virtual network link is not complete.
pub const LINK_PENDING: &str = "LinkPending";
