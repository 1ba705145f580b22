//! What each link of the chain would sign in with, as far as variables tell. Pure: nothing is opened or asked.
//!
//! A secret or a certificate in `AZURE_…` belongs to the application of `AZURE_CLIENT_ID`, and is never tried for another
//! that `privlink.toml` names. What a CI system or a cluster issues is bound to no application: Entra decides.

use std::path::PathBuf;

use crate::azure::cloud::Cloud;
use crate::azure::identity::Link;
use crate::azure::identity::NotHere;
use crate::azure::identity::SignIn;
use crate::azure::identity::managed::Place;
use crate::azure::identity::tool::Tool;
use crate::domain::azure::ClientId;
use crate::domain::azure::TenantId;
use crate::domain::secret::Secret;

/// An application in its tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Application {
    pub(crate) tenant: TenantId,
    pub(crate) client: ClientId,
}

/// Who issues assertions to a job, and what to show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Issuer {
    pub(crate) url: String,
    pub(crate) bearer: Secret<String>,
}

/// What a link signs in with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Means {
    Secret(Application, Secret<String>),
    Certificate { application: Application, file: PathBuf, sends_chain: bool },
    TokenFile(Application, PathBuf),
    Pipelines { application: Application, issuer: Issuer, connection: String },
    GitHub(Application, Issuer),
    Managed { client: Option<ClientId>, place: Place },
    Tool { tool: Tool, tenant: Option<TenantId> },
}

/// Why there is nothing to sign in with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Lack {
    /// The link is not meant.
    NotHere(NotHere),
    /// It is meant, and cannot work.
    Mistaken(String),
}

/// Nothing of what the link takes is there.
fn absent(reason: impl Into<String>, next: impl Into<String>) -> Lack {
    Lack::NotHere(NotHere { reason: reason.into(), next: next.into(), is_near: false })
}

/// Something is there, and it is not for this.
pub(crate) fn near(reason: impl Into<String>, next: impl Into<String>) -> NotHere {
    NotHere { reason: reason.into(), next: next.into(), is_near: true }
}

impl SignIn {
    pub(crate) fn variable(&self, name: &str) -> Option<&str> {
        self.environment.expose().get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
    }

    /// What a link signs in with.
    pub(crate) fn means(&self, link: Link) -> Result<Means, Lack> {
        match link {
            Link::ClientSecret => {
                let found = self.credential("CLIENT_SECRET", "the value of a secret of the application")?;
                Ok(Means::Secret(self.owner(&found)?, Secret::new(found.value.to_owned())))
            }
            Link::ClientCertificate => {
                let found = self.credential("CLIENT_CERTIFICATE_PATH", "a PEM file with certificate and key")?;
                let sends_chain = matches!(self.variable("AZURE_CLIENT_SEND_CERTIFICATE_CHAIN"), Some("1" | "true"));
                Ok(Means::Certificate { application: self.owner(&found)?, file: found.value.into(), sends_chain })
            }
            Link::FederatedTokenFile => {
                let name = format!("{}FEDERATED_TOKEN_FILE", self.prefix);
                let next = format!("set {name} to a file with a token that the application trusts");
                let file = self.variable(&name).ok_or_else(|| absent(format!("{name} is not set"), next))?;
                Ok(Means::TokenFile(self.application(&name, Default::default())?, file.into()))
            }
            Link::WorkloadIdentity => {
                const NAME: &str = "AZURE_FEDERATED_TOKEN_FILE";
                let next = "in AKS: label the pod azure.workload.identity/use=true and annotate its service account";
                let file = self.variable(NAME).ok_or_else(|| absent(format!("{NAME} is not set"), next))?;
                Ok(Means::TokenFile(self.application(NAME, Default::default())?, file.into()))
            }
            Link::AzurePipelines => self.pipelines(),
            Link::GitHubActions => self.github(),
            Link::ManagedIdentity => {
                let client = self.client.clone().map_or_else(|| self.client_id("AZURE_CLIENT_ID"), |own| Ok(Some(own)));
                Ok(Means::Managed { client: client?, place: Place::of(self)? })
            }
            Link::AzureCli => Ok(Means::Tool { tool: Tool::Az, tenant: self.wanted_tenant()? }),
            Link::AzureDeveloperCli => Ok(Means::Tool { tool: Tool::Azd, tenant: self.wanted_tenant()? }),
        }
    }

    /// The tenant of tools, which know one of their own.
    fn wanted_tenant(&self) -> Result<Option<TenantId>, Lack> {
        self.tenant.clone().map_or_else(|| self.tenant_id("AZURE_TENANT_ID"), |own| Ok(Some(own)))
    }

    fn pipelines(&self) -> Result<Means, Lack> {
        let Some(url) = self.variable("SYSTEM_OIDCREQUESTURI") else {
            return Err(absent("SYSTEM_OIDCREQUESTURI is not set", "it is, in a job of Azure Pipelines"));
        };
        let names = Fallback { tenant: "AZURESUBSCRIPTION_TENANT_ID", client: "AZURESUBSCRIPTION_CLIENT_ID" };
        let needed = |name: &str, next: &str| {
            let value = self.variable(name);
            value.ok_or_else(|| Lack::NotHere(near(format!("{name} is not set"), next)))
        };
        let connection = needed(
            "AZURESUBSCRIPTION_SERVICE_CONNECTION_ID",
            "run privlink in a task AzureCLI@2 with an azureSubscription, or set it to the id of the service connection",
        )?;
        let bearer =
            needed("SYSTEM_ACCESSTOKEN", "map it in the step: env: { SYSTEM_ACCESSTOKEN: $(System.AccessToken) }")?;
        Ok(Means::Pipelines {
            application: self.application("AZURESUBSCRIPTION_SERVICE_CONNECTION_ID", names)?,
            issuer: Issuer { url: url.to_owned(), bearer: Secret::new(bearer.to_owned()) },
            connection: connection.to_owned(),
        })
    }

    fn github(&self) -> Result<Means, Lack> {
        let url = self.variable("ACTIONS_ID_TOKEN_REQUEST_URL");
        let (Some(url), Some(bearer)) = (url, self.variable("ACTIONS_ID_TOKEN_REQUEST_TOKEN")) else {
            let reason = "ACTIONS_ID_TOKEN_REQUEST_URL is not set";
            return Err(absent(reason, "in GitHub Actions: give the job permissions: { id-token: write }"));
        };
        // A job may have the permission for something else.
        let application = self.application("ACTIONS_ID_TOKEN_REQUEST_URL", Default::default());
        let application = application.map_err(|lack| match lack {
            Lack::Mistaken(reason) => Lack::NotHere(near(reason, "name the application that trusts this repository")),
            other @ Lack::NotHere(_) => other,
        })?;
        Ok(Means::GitHub(application, Issuer { url: url.to_owned(), bearer: Secret::new(bearer.to_owned()) }))
    }

    /// What belongs to an application: the purpose's own variable, or the one that every Azure tool knows.
    fn credential(&self, suffix: &str, what: &str) -> Result<Found<'_>, Lack> {
        let (own, shared) = (format!("{}{suffix}", self.prefix), format!("AZURE_{suffix}"));
        if let Some(value) = self.variable(&own) {
            return Ok(Found { name: own, value, is_own: true });
        }
        if let Some(value) = self.variable(&shared) {
            return Ok(Found { name: shared, value, is_own: false });
        }
        Err(absent(format!("neither {own} nor {shared} is set"), format!("set {shared} to {what}")))
    }

    /// Whose credential it is that was found.
    fn owner(&self, found: &Found<'_>) -> Result<Application, Lack> {
        let runner = self.client_id("AZURE_CLIENT_ID")?;
        match (&self.client, runner, found.is_own) {
            (Some(named), Some(runner), false) if *named != runner => {
                let reason =
                    format!("{} belongs to {runner} (AZURE_CLIENT_ID), and privlink.toml names {named}", found.name);
                let own = found.name.replacen("AZURE_", self.prefix, 1);
                Err(Lack::NotHere(near(reason, format!("set {own} to that of {named}"))))
            }
            _ => self.application(&found.name, Default::default()),
        }
    }

    /// The application that the settings name, or the runner; `why` is the variable that made it necessary.
    fn application(&self, why: &str, names: Fallback) -> Result<Application, Lack> {
        let lacks = |what: &str, variable: &str, key: &str| {
            Lack::Mistaken(format!("{why} is set, and nothing says {what}: set {variable}, or {key} in privlink.toml"))
        };
        let client = match self.client.clone() {
            Some(client) => Some(client),
            None => {
                self.client_id("AZURE_CLIENT_ID")?.map_or_else(|| self.client_id(names.client), |own| Ok(Some(own)))?
            }
        };
        let tenant = match self.tenant.clone() {
            Some(tenant) => Some(tenant),
            None => {
                self.tenant_id("AZURE_TENANT_ID")?.map_or_else(|| self.tenant_id(names.tenant), |own| Ok(Some(own)))?
            }
        };
        let client = client.ok_or_else(|| lacks("for which application", "AZURE_CLIENT_ID", "a client id"))?;
        let tenant = tenant.ok_or_else(|| lacks("in which tenant", "AZURE_TENANT_ID", "identity.tenant"))?;
        Ok(Application { tenant, client })
    }

    fn client_id(&self, name: &str) -> Result<Option<ClientId>, Lack> {
        self.variable(name).map(|text| text.parse().map_err(|error| wrong(name, error))).transpose()
    }

    fn tenant_id(&self, name: &str) -> Result<Option<TenantId>, Lack> {
        self.variable(name).map(|text| text.parse().map_err(|error| wrong(name, error))).transpose()
    }
}

fn wrong(name: &str, error: impl std::fmt::Display) -> Lack {
    Lack::Mistaken(format!("{name} is wrong: {error}"))
}

struct Found<'a> {
    name: String,
    value: &'a str,
    is_own: bool,
}

/// Variables that say tenant and application where the usual ones do not; empty names are set nowhere.
#[derive(Clone, Copy, Default)]
struct Fallback {
    tenant: &'static str,
    client: &'static str,
}

/// For whom other issuers have to make their tokens, so that Entra takes them. Source: Microsoft's documentation of
/// workload identity federation, which names one for each cloud.
pub(crate) fn federation_audience(cloud: &Cloud) -> &'static str {
    if *cloud == Cloud::us_government() {
        "api://AzureADTokenExchangeUSGov"
    } else if *cloud == Cloud::china() {
        "api://AzureADTokenExchangeChina"
    } else {
        "api://AzureADTokenExchange"
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    const A1: &str = "00000000-0000-0000-0000-0000000000a1";
    const A2: &str = "00000000-0000-0000-0000-0000000000a2";
    const TENANT: &str = "11111111-1111-1111-1111-111111111111";

    fn sign_in(client: Option<&str>, variables: &[(&str, &str)]) -> SignIn {
        let variables: BTreeMap<String, String> =
            variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        SignIn {
            tenant: None,
            client: client.map(|id| id.parse().unwrap()),
            prefix: "PRIVLINK_PLAN_",
            environment: Secret::new(variables),
        }
    }

    /// One line for each link that variables say something about.
    fn told(sign_in: &SignIn) -> String {
        let line = |link: Link| match sign_in.means(link) {
            Ok(Means::Tool { .. }) | Err(Lack::NotHere(NotHere { is_near: false, .. })) => None,
            Ok(Means::Secret(own, _) | Means::TokenFile(own, _) | Means::GitHub(own, _))
            | Ok(Means::Certificate { application: own, .. } | Means::Pipelines { application: own, .. }) => {
                Some(format!("{link}: as {} of {}", own.client, own.tenant))
            }
            Ok(Means::Managed { client: None, .. }) => None,
            Ok(Means::Managed { client: Some(client), .. }) => Some(format!("{link}: as {client}")),
            Err(Lack::NotHere(NotHere { reason, next, .. })) => Some(format!("{link}: not here: {reason}; {next}")),
            Err(Lack::Mistaken(reason)) => Some(format!("{link}: MISTAKEN: {reason}")),
        };
        Link::ALL.into_iter().filter_map(line).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn a_secret_is_never_tried_for_another_application() {
        let runner = [("AZURE_TENANT_ID", TENANT), ("AZURE_CLIENT_ID", A2), ("AZURE_CLIENT_SECRET", "s")];
        insta::assert_snapshot!(told(&sign_in(None, &runner)), @"
        client secret: as 00000000-0000-0000-0000-0000000000a2 of 11111111-1111-1111-1111-111111111111
        managed identity: as 00000000-0000-0000-0000-0000000000a2
        ");
        insta::assert_snapshot!(told(&sign_in(Some(A1), &runner)), @"
        client secret: not here: AZURE_CLIENT_SECRET belongs to 00000000-0000-0000-0000-0000000000a2 (AZURE_CLIENT_ID), and privlink.toml names 00000000-0000-0000-0000-0000000000a1; set PRIVLINK_PLAN_CLIENT_SECRET to that of 00000000-0000-0000-0000-0000000000a1
        managed identity: as 00000000-0000-0000-0000-0000000000a1
        ");
        let own = [&runner[..], &[("PRIVLINK_PLAN_CLIENT_SECRET", "p")]].concat();
        insta::assert_snapshot!(told(&sign_in(Some(A1), &own)), @"
        client secret: as 00000000-0000-0000-0000-0000000000a1 of 11111111-1111-1111-1111-111111111111
        managed identity: as 00000000-0000-0000-0000-0000000000a1
        ");
    }

    #[test]
    fn what_a_cluster_or_a_ci_system_issues_is_for_whom_the_settings_name() {
        let job = [
            ("AZURE_TENANT_ID", TENANT),
            ("AZURE_CLIENT_ID", A2),
            ("AZURE_FEDERATED_TOKEN_FILE", "/token"),
            ("ACTIONS_ID_TOKEN_REQUEST_URL", "https://issuer"),
            ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "t"),
        ];
        insta::assert_snapshot!(told(&sign_in(Some(A1), &job)), @"
        workload identity: as 00000000-0000-0000-0000-0000000000a1 of 11111111-1111-1111-1111-111111111111
        GitHub Actions: as 00000000-0000-0000-0000-0000000000a1 of 11111111-1111-1111-1111-111111111111
        managed identity: as 00000000-0000-0000-0000-0000000000a1
        ");
        let pipeline = [
            ("SYSTEM_OIDCREQUESTURI", "https://issuer"),
            ("SYSTEM_ACCESSTOKEN", "t"),
            ("AZURESUBSCRIPTION_SERVICE_CONNECTION_ID", "c"),
            ("AZURESUBSCRIPTION_CLIENT_ID", A1),
            ("AZURESUBSCRIPTION_TENANT_ID", TENANT),
        ];
        insta::assert_snapshot!(told(&sign_in(None, &pipeline)), @"Azure Pipelines: as 00000000-0000-0000-0000-0000000000a1 of 11111111-1111-1111-1111-111111111111");
        insta::assert_snapshot!(told(&sign_in(None, &pipeline[..1])), @"Azure Pipelines: not here: AZURESUBSCRIPTION_SERVICE_CONNECTION_ID is not set; run privlink in a task AzureCLI@2 with an azureSubscription, or set it to the id of the service connection");
    }

    #[test]
    fn what_was_meant_and_cannot_work_is_a_mistake_and_not_passed_over() {
        insta::assert_snapshot!(told(&sign_in(None, &[("AZURE_CLIENT_SECRET", "s")])), @"client secret: MISTAKEN: AZURE_CLIENT_SECRET is set, and nothing says for which application: set AZURE_CLIENT_ID, or a client id in privlink.toml");
        insta::assert_snapshot!(told(&sign_in(Some(A1), &[("PRIVLINK_PLAN_FEDERATED_TOKEN_FILE", "/t")])), @"
        federated token file: MISTAKEN: PRIVLINK_PLAN_FEDERATED_TOKEN_FILE is set, and nothing says in which tenant: set AZURE_TENANT_ID, or identity.tenant in privlink.toml
        managed identity: as 00000000-0000-0000-0000-0000000000a1
        ");
        let wrong = [("AZURE_CLIENT_ID", "me"), ("AZURE_CLIENT_CERTIFICATE_PATH", "/c.pem")];
        insta::assert_snapshot!(told(&sign_in(None, &wrong)), @r#"
        client certificate: MISTAKEN: AZURE_CLIENT_ID is wrong: "me" is not a client id: use a GUID such as 00000000-0000-0000-0000-000000000001
        managed identity: MISTAKEN: AZURE_CLIENT_ID is wrong: "me" is not a client id: use a GUID such as 00000000-0000-0000-0000-000000000001
        "#);
    }

    #[test]
    fn nothing_shows_a_secret() {
        let sign_in = sign_in(Some(A1), &[("PRIVLINK_PLAN_CLIENT_SECRET", "hunter2"), ("AZURE_TENANT_ID", TENANT)]);
        let text = format!("{sign_in:?} {:?}", sign_in.means(Link::ClientSecret));
        assert!(!text.contains("hunter2"), "{text}");
    }
}
