//! Azure Resource Manager: lists, fresh reads, guarded writes, long-running operations.
//!
//! ```text
//! domain resource ─ codec ─▶ JSON ─ request ─▶ http::Request ─ send ─▶ Azure
//!                                       identity ─▶ token, correlation id, one retry after 401
//! domain resource ◀─ codec ─ JSON ◀──────────────────────┘   operation: what is still going on
//! ```
//! `traffic` holds calls back before Azure has to. What came too soon all the same is sent again, and so are reads that failed
//! (`patience`), a few times each; of everything else whoever called decides by the class of the error.

pub mod cloud;
pub mod credentials;
pub mod error;
pub mod identity;
pub mod list;
pub mod operation;
pub mod traffic;

pub mod ask;
mod codec;
mod hint;
mod inventory;
mod patience;
mod read;
mod request;
mod send;
mod version;
mod write;

use std::time::Duration;

use http::HeaderValue;

use crate::azure::cloud::Cloud;
use crate::azure::error::AzureError;
use crate::azure::identity::Chain;
use crate::azure::identity::Holder;
use crate::azure::identity::SignIn;
use crate::azure::identity::Tokens;
use crate::azure::identity::Tried;
use crate::azure::operation::Pace;
use crate::azure::send::ClientSettings;
use crate::azure::send::Sender;
use crate::azure::send::build_client;
use crate::azure::traffic::Traffic;
use crate::domain::calls::CallLog;

/// How fast operations are polled at most, unless a setting says otherwise.
pub const POLL_FLOOR: Duration = Duration::from_secs(1);
/// How long one request may take, unless a setting says otherwise.
pub const TIMEOUT: Duration = Duration::from_secs(60);
/// How long a connection may take at most.
const CONNECT: Duration = Duration::from_secs(20);

/// What the runner says about the way to Azure; nothing of it comes from a config repository under review.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The endpoints.
    pub cloud: Cloud,
    /// Who signs in.
    pub sign_in: SignIn,
    /// Certificate authorities to trust beside the machine's, each a PEM file.
    pub ca_certificates: Vec<Vec<u8>>,
    /// The shortest time between two polls of an operation.
    pub poll_floor: Duration,
    /// The longest time one request may take.
    pub timeout: Duration,
    /// What we call ourselves.
    pub user_agent: String,
    /// What all ways to Azure of this process share.
    pub traffic: Traffic,
    /// Where calls are counted.
    pub calls: CallLog,
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
        let Settings { cloud, sign_in, ca_certificates, poll_floor, timeout, user_agent, traffic, calls } = settings;
        let far = ClientSettings {
            ca_certificates: &ca_certificates,
            timeout,
            connect_timeout: timeout.min(CONNECT),
            user_agent: &user_agent,
            is_local: cloud.is_local(),
        };
        let client = build_client(&far)?;
        let direct = build_client(&ClientSettings {
            timeout: identity::ANSWER,
            connect_timeout: identity::CONNECT,
            is_local: true,
            ..far
        })?;
        let correlation = HeaderValue::from_str(&uuid::Uuid::new_v4().to_string()).expect("a UUID is ASCII");
        let pace = Pace { resource_manager: cloud.resource_manager.clone(), floor: poll_floor };
        let who = sign_in.client.as_ref().map_or("the runner", |client| client.as_str());
        let principal = format!("{} {who}", cloud.resource_manager);
        let tokens = Tokens::new(Chain { sign_in, cloud, scope: None, http: client.clone(), direct });
        Ok(Self { sender: Sender { client, tokens, correlation, principal, traffic, calls }, pace })
    }

    /// Whom we are signed in as; signs in if that was not done yet.
    ///
    /// # Errors
    /// If nobody can be signed in.
    pub async fn holder(&self) -> Result<Holder, AzureError> {
        self.sender.tokens.holder().await
    }

    /// Tries every way to sign in until one answers, and tells what became of each.
    pub async fn try_links(&self) -> Vec<Tried> {
        self.sender.tokens.try_links().await
    }
}
