//! A private endpoint's connection as the provider sees and answers it.

use std::fmt;

use crate::domain::azure::ResourceId;
use crate::domain::azure::SubscriptionId;
use crate::domain::key::PublisherKey;
use crate::domain::key::ResourceKey;
use crate::domain::resource::Seen;

/// What the provider shall answer to a connection request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Let it in.
    Approved,
    /// Turn it away.
    Rejected,
}

/// `privateLinkServiceConnectionState.status`: a free string in Azure's contract, with these values in use.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ConnectionStatus {
    /// Waits for the provider.
    Pending,
    /// Traffic flows.
    Approved,
    /// Turned away by the provider.
    Rejected,
    /// The provider removed it; the endpoint cannot be revived, only replaced.
    Disconnected,
    /// Anything else, as sent.
    Other(String),
}

impl ConnectionStatus {
    /// Reads the text of the wire; case does not matter.
    pub fn parse(text: &str) -> Self {
        match text.to_ascii_lowercase().as_str() {
            "pending" => Self::Pending,
            "approved" => Self::Approved,
            "rejected" => Self::Rejected,
            "disconnected" | "removed" => Self::Disconnected,
            _ => Self::Other(text.to_owned()),
        }
    }
}

impl fmt::Display for ConnectionStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pending => f.write_str("Pending"),
            Self::Approved => f.write_str("Approved"),
            Self::Rejected => f.write_str("Rejected"),
            Self::Disconnected => f.write_str("Disconnected"),
            Self::Other(text) => f.write_str(text),
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Approved => "Approved",
            Self::Rejected => "Rejected",
        })
    }
}

impl Verdict {
    /// True if a connection in this state already is as the verdict wants it.
    pub fn is_met_by(self, status: &ConnectionStatus) -> bool {
        matches!(
            (self, status),
            (Self::Approved, ConnectionStatus::Approved) | (Self::Rejected, ConnectionStatus::Rejected)
        )
    }
}

/// The answer that a rule of `connections` gives to one endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// The service asked for.
    pub publisher: PublisherKey,
    /// The endpoint that asks.
    pub endpoint: ResourceId,
    /// The answer.
    pub verdict: Verdict,
}

impl Connection {
    /// Its identity.
    pub fn key(&self) -> ResourceKey {
        ResourceKey::Connection { publisher: self.publisher.clone(), endpoint: self.endpoint.clone() }
    }
}

/// A connection as seen on a Private Link Service.
#[derive(Clone, Debug, PartialEq)]
pub struct LiveConnection {
    /// Id of the connection (child of the Private Link Service).
    pub id: ResourceId,
    /// The endpoint it comes from; `None` where Azure does not tell (the endpoint is gone).
    pub endpoint: Option<ResourceId>,
    /// Its state.
    pub status: ConnectionStatus,
    /// What somebody wrote beside the state; never compared.
    pub description: String,
    /// The number that PROXY protocol v2 carries for it.
    pub link_identifier: Option<String>,
    /// Version and body.
    pub seen: Seen,
}

impl LiveConnection {
    /// The subscription it comes from, where known.
    pub fn subscription(&self) -> Option<SubscriptionId> {
        self.endpoint.as_ref().map(ResourceId::subscription)
    }
}
