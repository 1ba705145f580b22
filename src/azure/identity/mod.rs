//! Who signs in to Azure: a chain of ways, tried in one order, each of them visible.
//!
//! ```text
//! secret ─▶ certificate ─▶ token file ─▶ workload identity ─▶ Azure Pipelines ─▶ GitHub Actions ─▶ managed identity ─▶ az ─▶ azd
//! └──────── what was configured for this run, by variables ──────────────────┘   └── what the machine has ──┘
//! ```
//! What is not available here falls through to the next. An answer that refuses ends the chain: a wrong secret must not
//! quietly become another identity. `azure_identity` makes the requests of applications and runs the two tools; managed
//! identity is ours, because that crate reads the variables of the process and a constant address.

mod assertion;
mod certificate;
mod chain;
mod describe;
mod entra;
mod holder;
mod managed;
mod means;
mod tokens;
mod tool;

use std::collections::BTreeMap;
use std::fmt;

use crate::domain::azure::ClientId;
use crate::domain::azure::TenantId;
use crate::domain::failure::ErrorClass;
use crate::domain::secret::Secret;

pub(crate) use chain::Chain;
pub use holder::Holder;
pub(crate) use managed::ANSWER;
pub(crate) use managed::CONNECT;
pub(crate) use tokens::Tokens;
pub(crate) use tokens::challenge;

/// Who is to sign in, and what the runner brings for it.
#[derive(Clone, Debug)]
pub struct SignIn {
    /// The tenant, where the settings name one.
    pub tenant: Option<TenantId>,
    /// The application, where the settings name one: then nobody else signs in.
    pub client: Option<ClientId>,
    /// What the variables of this purpose begin with, such as `PRIVLINK_PLAN_`. They win over `AZURE_`.
    pub prefix: &'static str,
    /// The runner's variables.
    pub environment: Secret<BTreeMap<String, String>>,
}

/// A way to sign in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Link {
    /// A client secret in a variable.
    ClientSecret,
    /// A certificate and its key in a PEM file that a variable names.
    ClientCertificate,
    /// A token of another issuer, in a file that a variable of the purpose names.
    FederatedTokenFile,
    /// The token that AKS puts into a pod.
    WorkloadIdentity,
    /// The service connection of an Azure pipeline.
    AzurePipelines,
    /// The token of a job of GitHub Actions.
    GitHubActions,
    /// The identity of the virtual machine or App Service this runs on.
    ManagedIdentity,
    /// Whoever is signed in to `az`.
    AzureCli,
    /// Whoever is signed in to `azd`.
    AzureDeveloperCli,
}

impl Link {
    /// Every link, in the order in which they are tried.
    pub const ALL: [Self; 9] = [
        Self::ClientSecret,
        Self::ClientCertificate,
        Self::FederatedTokenFile,
        Self::WorkloadIdentity,
        Self::AzurePipelines,
        Self::GitHubActions,
        Self::ManagedIdentity,
        Self::AzureCli,
        Self::AzureDeveloperCli,
    ];

    /// What people call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::ClientSecret => "client secret",
            Self::ClientCertificate => "client certificate",
            Self::FederatedTokenFile => "federated token file",
            Self::WorkloadIdentity => "workload identity",
            Self::AzurePipelines => "Azure Pipelines",
            Self::GitHubActions => "GitHub Actions",
            Self::ManagedIdentity => "managed identity",
            Self::AzureCli => "Azure CLI",
            Self::AzureDeveloperCli => "Azure Developer CLI",
        }
    }
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What became of a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It gave a token.
    SignedIn(Box<Holder>),
    /// It is not available here.
    NotHere(NotHere),
    /// It answered, and refused: nothing after it is tried.
    Refused {
        /// What it said, and what to do.
        reason: String,
    },
    /// It was not asked, because an earlier one answered.
    NotAsked,
}

/// Why a link is not available here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotHere {
    /// Why.
    pub reason: String,
    /// What would make it available.
    pub next: String,
    /// True if somebody seems to have meant it all the same: some of what it takes is there.
    pub is_near: bool,
}

/// A link and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tried {
    /// The link.
    pub link: Link,
    /// What became of it.
    pub outcome: Outcome,
}

/// Why there is no token.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{reason}")]
pub(crate) struct Refusal {
    pub(crate) reason: String,
    pub(crate) class: ErrorClass,
    /// True if nobody took the connection: nobody will a second later.
    pub(crate) is_dead: bool,
}

impl Refusal {
    pub(crate) fn new(reason: impl Into<String>, class: ErrorClass) -> Self {
        Self { reason: reason.into(), class, is_dead: false }
    }

    /// No answer came.
    pub(crate) fn no_answer(reason: impl Into<String>, error: &reqwest::Error) -> Self {
        Self { is_dead: error.is_connect(), ..Self::new(reason, ErrorClass::Transient { retry_after: None }) }
    }

    /// What was brought along cannot be used.
    pub(crate) fn unusable(reason: impl Into<String>) -> Self {
        Self::new(reason, ErrorClass::Invalid)
    }
}
