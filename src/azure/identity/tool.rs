//! Whoever is signed in to `az` or `azd` on this machine.
//!
//! `azure_identity` knows how to ask them; the process is started here, so that it gets the runner's variables and no
//! others, and ends with a deadline.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io;
use std::process::Output;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use azure_core::credentials::TokenCredential;
use azure_identity::AzureCliCredential;
use azure_identity::AzureCliCredentialOptions;
use azure_identity::AzureDeveloperCliCredential;
use azure_identity::AzureDeveloperCliCredentialOptions;
use azure_identity::Executor;

use crate::azure::identity::NotHere;
use crate::domain::azure::TenantId;
use crate::domain::secret::Secret;

/// How long a tool may take: `az` starts slowly, and may have to ask Entra.
const PATIENCE: Duration = Duration::from_secs(60);

/// A tool that people sign in to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tool {
    Az,
    Azd,
}

impl Tool {
    fn program(self) -> &'static str {
        match self {
            Self::Az => "az",
            Self::Azd => "azd",
        }
    }

    pub(crate) fn sign_in(self) -> &'static str {
        match self {
            Self::Az => "az login",
            Self::Azd => "azd auth login",
        }
    }

    /// The credential that asks it.
    pub(crate) fn credential(
        self,
        tenant: Option<&TenantId>,
        environment: &Secret<BTreeMap<String, String>>,
    ) -> azure_core::Result<Arc<dyn TokenCredential>> {
        let executor: Option<Arc<dyn Executor>> = Some(Arc::new(Runner { environment: environment.clone() }));
        let tenant_id = tenant.map(ToString::to_string);
        Ok(match self {
            Self::Az => {
                let options = AzureCliCredentialOptions { tenant_id, executor, ..Default::default() };
                AzureCliCredential::new(Some(options))?
            }
            Self::Azd => {
                let options = AzureDeveloperCliCredentialOptions { tenant_id, executor };
                AzureDeveloperCliCredential::new(Some(options))?
            }
        })
    }

    /// Reads what a tool said when it gave no token: that it is not here or nobody is signed in, or else a refusal.
    pub(crate) fn lack(self, said: &str) -> Option<NotHere> {
        let program = self.program();
        if said.contains("not found on PATH") {
            let reason = format!("{program} is not on PATH");
            return Some(NotHere { reason, next: format!("install it, and {}", self.sign_in()), is_near: false });
        }
        // A sign-in that Entra does not take any more is an answer of Entra's.
        let is_answer = said.contains("AADSTS");
        let is_signed_out = ["az login", "azd auth login", "not logged in"].iter().any(|word| said.contains(word));
        (is_signed_out && !is_answer).then(|| NotHere {
            reason: format!("nobody is signed in to {program}"),
            next: self.sign_in().to_owned(),
            is_near: true,
        })
    }
}

#[derive(Debug)]
struct Runner {
    environment: Secret<BTreeMap<String, String>>,
}

#[async_trait]
impl Executor for Runner {
    async fn run(&self, program: &OsStr, arguments: &[&OsStr]) -> io::Result<Output> {
        let mut command = tokio::process::Command::new(program);
        command.args(arguments).env_clear().envs(self.environment.expose()).kill_on_drop(true);
        command.stdin(std::process::Stdio::null());
        let late = || io::Error::new(io::ErrorKind::TimedOut, format!("no answer within {} s", PATIENCE.as_secs()));
        tokio::time::timeout(PATIENCE, command.output()).await.map_err(|_| late())?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_tool_that_is_missing_or_signed_out_is_passed_over() {
        let said = |text: &str| Tool::Az.lack(text).map(|lack| format!("{}; {}", lack.reason, lack.next));
        insta::assert_debug_snapshot!(
            [
                said("az not found on PATH"),
                said("ERROR: Please run 'az login' to setup account."),
                said("ERROR: AADSTS50076: Due to a configuration change, you must use multi-factor authentication."),
            ],
            @r#"
        [
            Some(
                "az is not on PATH; install it, and az login",
            ),
            Some(
                "nobody is signed in to az; az login",
            ),
            None,
        ]
        "#
        );
    }
}
