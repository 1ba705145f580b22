//! Azure Resource Manager: lists, fresh reads, guarded writes, long-running operations.
//!
//! ```text
//! domain resource ─ codec ─▶ JSON ─ request ─▶ http::Request ─ send ─▶ Azure
//!                                                     token, correlation id, one retry after 401
//! domain resource ◀─ codec ─ JSON ◀──────────────────────┘   operation: what is still going on
//! ```
//! Nothing here decides to try again: every error has a class, and whoever called decides.

pub mod cloud;
pub mod error;
pub mod list;
pub mod operation;

pub mod ask;
mod auth;
mod codec;
mod hint;
mod read;
mod request;
mod send;
mod version;
mod write;

use std::time::Duration;

use http::HeaderValue;

use crate::azure::auth::Principal;
use crate::azure::auth::Tokens;
use crate::azure::cloud::Cloud;
use crate::azure::error::AzureError;
use crate::azure::operation::Pace;
use crate::azure::send::ClientSettings;
use crate::azure::send::Sender;
use crate::azure::send::build_client;
use crate::domain::azure::ClientId;
use crate::domain::azure::TenantId;
use crate::domain::secret::Secret;

/// How fast operations are polled at most, unless a setting says otherwise.
pub const POLL_FLOOR: Duration = Duration::from_secs(1);
/// How long one request may take, unless a setting says otherwise.
pub const TIMEOUT: Duration = Duration::from_secs(60);

/// What the runner says about the way to Azure; nothing of it comes from a config repository under review.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The endpoints.
    pub cloud: Cloud,
    /// The tenant to sign in to.
    pub tenant: TenantId,
    /// The application to sign in as.
    pub client_id: ClientId,
    /// Its secret.
    pub client_secret: Secret<String>,
    /// Certificate authorities to trust beside the machine's, each a PEM file.
    pub ca_certificates: Vec<Vec<u8>>,
    /// The shortest time between two polls of an operation.
    pub poll_floor: Duration,
    /// The longest time one request may take.
    pub timeout: Duration,
    /// What we call ourselves.
    pub user_agent: String,
}

/// A signed-in way to one Azure cloud.
#[derive(Debug)]
pub struct Azure {
    sender: Sender,
    pace: Pace,
}

impl Azure {
    /// Builds the client. Nothing is sent yet: the first call signs in.
    ///
    /// # Errors
    /// A certificate that is none, or a machine on which TLS does not start.
    pub fn new(settings: Settings) -> Result<Self, AzureError> {
        let Settings { cloud, tenant, client_id, client_secret, ca_certificates, poll_floor, timeout, user_agent } =
            settings;
        let client = build_client(&ClientSettings {
            ca_certificates: &ca_certificates,
            timeout,
            user_agent: &user_agent,
            is_local: cloud.is_local(),
        })?;
        let correlation = HeaderValue::from_str(&uuid::Uuid::new_v4().to_string()).expect("a UUID is ASCII");
        let pace = Pace { resource_manager: cloud.resource_manager.clone(), floor: poll_floor };
        let principal = Principal { cloud, tenant, client: client_id, secret: client_secret };
        let tokens = Tokens::new(principal, client.clone());
        Ok(Self { sender: Sender { client, tokens, correlation }, pace })
    }
}
