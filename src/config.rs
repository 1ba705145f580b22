//! The runner's own settings: what its environment variables and flags say. Read once, never deeper in.
//!
//! Nothing here comes from a config repository: where credentials go is the runner's to say.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use crate::azure::cloud::Cloud;
use crate::azure::cloud::InvalidCloud;
use crate::azure::traffic::Traffic;
use crate::desired::policy::CloudName;
use crate::desired::policy::Floor;
use crate::domain::calls::CallLog;
use crate::domain::name::EnvironmentName;
use crate::domain::pull_request::ForgeKind;
use crate::domain::secret::Secret;
use crate::git::Access;

/// What the runner brings along.
#[derive(Clone, Debug)]
pub struct Config {
    /// The environment variables the program was started with.
    pub environment: BTreeMap<String, String>,
    /// Where mirrors of config repositories are kept. Losing it costs a fetch.
    pub cache_dir: PathBuf,
    /// Where locks and first sights are kept.
    pub state_dir: PathBuf,
    /// Certificate authorities to trust beside the machine's, each a PEM file.
    pub ca_certificates: Vec<Vec<u8>>,
    /// The kubeconfig; read when a cluster is reached.
    pub kubeconfig: Option<PathBuf>,
    /// The shortest time between two looks at an operation or at readiness.
    pub poll_interval: Duration,
    /// How long one request to Azure, a cluster or a Git remote may take.
    pub request_timeout: Duration,
    /// What all ways to Azure of this run share.
    pub traffic: Traffic,
    /// What the runner demands of environments at least; then of each that it serves.
    pub approval_floor: Option<BTreeMap<EnvironmentName, Floor>>,
    /// Where the calls of this run are counted.
    pub calls: CallLog,
    /// The name of this machine.
    pub host: String,
    /// Who we are in leases and logs: host and process.
    pub writer: String,
}

/// Something the runner has to bring along is missing or wrong.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A custom cloud without endpoints.
    #[error(
        "cloud {name:?} has no endpoints: set {variable} to <resource manager url>, or to <resource manager url>,<authority url>"
    )]
    UnknownCloud {
        /// The cloud.
        name: String,
        /// The variable that would define it.
        variable: String,
    },
    /// Endpoints that are none.
    #[error("{variable} does not define a cloud")]
    InvalidCloud {
        /// The variable.
        variable: String,
        /// What is wrong.
        #[source]
        source: InvalidCloud,
    },
    /// A kubeconfig that cannot be read.
    #[error("cannot read the kubeconfig {file}", file = .file.display())]
    Kubeconfig {
        /// The file.
        file: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// No kubeconfig.
    #[error(
        "environment {environment} has a cluster and there is no kubeconfig: set KUBECONFIG or --kubeconfig, or \
         get-credentials = true in privlink.toml to ask Azure for it"
    )]
    NoKubeconfig {
        /// The environment.
        environment: String,
    },
}

impl Config {
    /// The value of a variable, if it is set to something.
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.environment.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The endpoints of a cloud. Those of a custom one are defined by the runner alone.
    ///
    /// # Errors
    /// A custom cloud that is not defined, or not properly.
    pub fn cloud(&self, name: &CloudName) -> Result<Cloud, ConfigError> {
        match name {
            CloudName::Public => Ok(Cloud::public()),
            CloudName::UsGovernment => Ok(Cloud::us_government()),
            CloudName::China => Ok(Cloud::china()),
            CloudName::Custom(name) => {
                let variable = format!("PRIVLINK_CLOUD_{}", name.to_ascii_uppercase().replace('-', "_"));
                let Some(text) = self.variable(&variable) else {
                    return Err(ConfigError::UnknownCloud { name: name.clone(), variable });
                };
                Cloud::custom(text).map_err(|source| ConfigError::InvalidCloud { variable, source })
            }
        }
    }

    /// What reaching a Git remote needs.
    pub fn git_access(&self) -> Access {
        Access {
            token: self.variable("PRIVLINK_GIT_TOKEN").map(|token| Secret::new(token.to_owned())),
            ca_certificates: self.ca_certificates.clone(),
            environment: self.environment.clone(),
            timeout: self.request_timeout,
        }
    }

    /// True where no person sits at the terminal.
    pub fn is_ci(&self) -> bool {
        ["CI", "TF_BUILD", "GITHUB_ACTIONS", "GITLAB_CI"]
            .iter()
            .any(|name| self.variable(name).is_some_and(|value| !value.eq_ignore_ascii_case("false")))
    }

    /// The forge whose CI system this is.
    pub fn ci_forge(&self) -> Option<ForgeKind> {
        let forges = [
            ("GITHUB_ACTIONS", ForgeKind::GitHub),
            ("GITLAB_CI", ForgeKind::GitLab),
            ("TF_BUILD", ForgeKind::AzureDevOps),
        ];
        forges.into_iter().find(|(name, _)| self.variable(name).is_some()).map(|(_, forge)| forge)
    }

    /// The branch that a pull request of a known CI system is to be merged into.
    pub fn ci_target_branch(&self) -> Option<String> {
        let names = ["GITHUB_BASE_REF", "CI_MERGE_REQUEST_TARGET_BRANCH_NAME", "SYSTEM_PULLREQUEST_TARGETBRANCH"];
        let found = names.iter().find_map(|name| self.variable(name))?;
        Some(found.strip_prefix("refs/heads/").unwrap_or(found).to_owned())
    }
}
