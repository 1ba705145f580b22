//! Walks the links of the chain until one answers.

use std::sync::Arc;
use std::time::Instant;

use azure_core::credentials::TokenCredential;
use azure_identity::ClientAssertionCredential;
use azure_identity::ClientAssertionCredentialOptions;
use azure_identity::ClientSecretCredential;
use azure_identity::ClientSecretCredentialOptions;
use azure_identity::WorkloadIdentityCredential;
use azure_identity::WorkloadIdentityCredentialOptions;
use jiff::Timestamp;

use crate::azure::cloud::Cloud;
use crate::azure::cloud::Directory;
use crate::azure::error::AzureError;
use crate::azure::identity::Holder;
use crate::azure::identity::Link;
use crate::azure::identity::NotHere;
use crate::azure::identity::Outcome;
use crate::azure::identity::Refusal;
use crate::azure::identity::SignIn;
use crate::azure::identity::Tried;
use crate::azure::identity::assertion::FromJob;
use crate::azure::identity::assertion::System;
use crate::azure::identity::certificate::BySignature;
use crate::azure::identity::describe;
use crate::azure::identity::entra;
use crate::azure::identity::managed::Answered;
use crate::azure::identity::managed::Given;
use crate::azure::identity::means::Application;
use crate::azure::identity::means::Lack;
use crate::azure::identity::means::Means;
use crate::azure::identity::means::federation_audience;
use crate::azure::identity::means::near;
use crate::azure::patience::random;
use crate::domain::failure::ErrorClass;
use crate::domain::patience;
use crate::domain::secret::Secret;

/// Everything that links need.
#[derive(Clone, Debug)]
pub(crate) struct Chain {
    pub(crate) sign_in: SignIn,
    pub(crate) cloud: Cloud,
    /// What the tokens are for, if not for the resource manager.
    pub(crate) scope: Option<String>,
    /// Our client for the internet.
    pub(crate) http: reqwest::Client,
    /// Our client for this machine: no proxy, little patience.
    pub(crate) direct: reqwest::Client,
}

/// A token and the link that gave it.
#[derive(Debug)]
pub(crate) struct Issued {
    pub(crate) link: Link,
    pub(crate) given: Given,
}

impl Chain {
    /// Tries the links in their order, or the one that answered before. `claims` is what Azure wants to be proved.
    pub(crate) async fn walk(
        &self,
        before: Option<Link>,
        claims: Option<&str>,
    ) -> (Vec<Tried>, Result<Issued, AzureError>) {
        let mut tried = Vec::new();
        let directory = self.directory().await;
        let mut ended = None;
        for link in Link::ALL.into_iter().filter(|link| before.is_none_or(|before| before == *link)) {
            let outcome = match &ended {
                Some(_) => Outcome::NotAsked,
                None => match self.ask_patiently(link, directory.as_ref(), claims).await {
                    Answered::NotHere(lack) => Outcome::NotHere(lack),
                    Answered::Token(given) => {
                        let holder = Holder::of(given.text.expose(), Some(given.expires));
                        ended = Some(Ok(Issued { link, given }));
                        Outcome::SignedIn(Box::new(holder))
                    }
                    Answered::Refused(refusal) => {
                        let reason = refusal.reason.clone();
                        ended = Some(Err(self.refused(link, refusal)));
                        Outcome::Refused { reason }
                    }
                },
            };
            tried.push(Tried { link, outcome });
        }
        let result = ended.unwrap_or_else(|| Err(self.nobody(&tried)));
        (tried, result)
    }

    /// Who gives tokens in this cloud.
    async fn directory(&self) -> Result<Directory, Refusal> {
        if let Some(directory) = &self.cloud.directory {
            return Ok(directory.clone());
        }
        let mut retries = Retries::default();
        loop {
            let began = Instant::now();
            let described = describe::directory(&self.http, &self.cloud.resource_manager).await;
            let Err(refusal) = &described else { return described };
            if !retries.wait(refusal, began).await {
                return described;
            }
        }
    }

    /// To ask for a token changes nothing, so it is done again where that may help.
    async fn ask_patiently(
        &self,
        link: Link,
        directory: Result<&Directory, &Refusal>,
        claims: Option<&str>,
    ) -> Answered {
        let directory = match directory {
            Ok(directory) => directory,
            Err(refusal) => return Answered::Refused(refusal.clone()),
        };
        let mut retries = Retries::default();
        loop {
            let began = Instant::now();
            let answered = self.ask(link, directory, claims).await;
            let Answered::Refused(refusal) = &answered else { return answered };
            if !retries.wait(refusal, began).await {
                return answered;
            }
        }
    }

    async fn ask(&self, link: Link, directory: &Directory, claims: Option<&str>) -> Answered {
        let scope = self.scope.clone().unwrap_or_else(|| directory.scope());
        let means = match self.sign_in.means(link) {
            Ok(means) => means,
            Err(Lack::NotHere(lack)) => return Answered::NotHere(lack),
            Err(Lack::Mistaken(reason)) => return Answered::Refused(Refusal::unusable(reason)),
        };
        let answered = match &means {
            Means::Managed { client, place } => {
                place.ask(&self.direct, scope.trim_end_matches("/.default"), client.as_ref()).await
            }
            _ => self.ask_credential(&means, (directory, &scope), claims).await,
        };
        match answered {
            Answered::Token(given) => self.accept(&means, given),
            other => other,
        }
    }

    async fn ask_credential(
        &self,
        means: &Means,
        (directory, scope): (&Directory, &str),
        claims: Option<&str>,
    ) -> Answered {
        let token = match self.credential(means, directory, claims) {
            Ok(credential) => credential.get_token(&[scope], None).await,
            Err(error) => Err(error),
        };
        match token {
            Ok(token) => Answered::Token(Given {
                text: Secret::new(token.token.secret().to_owned()),
                expires: Timestamp::from_second(token.expires_on.unix_timestamp()).unwrap_or_default(),
            }),
            Err(error) => {
                let refusal = entra::refusal_of(&error);
                let lack = match means {
                    Means::Tool { tool, .. } => tool.lack(&error.to_string()),
                    _ => None,
                };
                lack.map_or(Answered::Refused(refusal), Answered::NotHere)
            }
        }
    }

    /// A credential caches for itself and cannot be told to forget, so each token gets a new one.
    fn credential(
        &self,
        means: &Means,
        directory: &Directory,
        claims: Option<&str>,
    ) -> azure_core::Result<Arc<dyn TokenCredential>> {
        let client_options = entra::options(&directory.authority, &self.http, claims);
        let text = |own: &Application| (own.tenant.to_string(), own.client.to_string());
        Ok(match means {
            Means::Secret(application, secret) => {
                let (tenant, client) = text(application);
                let options = ClientSecretCredentialOptions { client_options };
                ClientSecretCredential::new(&tenant, client, secret.expose().clone().into(), Some(options))?
            }
            Means::TokenFile(application, file) => {
                let (tenant, client) = text(application);
                WorkloadIdentityCredential::new(Some(WorkloadIdentityCredentialOptions {
                    credential_options: ClientAssertionCredentialOptions { client_options },
                    client_id: Some(client),
                    tenant_id: Some(tenant),
                    token_file_path: Some(file.clone()),
                }))?
            }
            Means::Certificate { application, file, sends_chain } => {
                let (tenant, client) = text(application);
                let assertion = BySignature {
                    application: application.clone(),
                    file: file.clone(),
                    sends_chain: *sends_chain,
                    authority: directory.authority.clone(),
                };
                let options = ClientAssertionCredentialOptions { client_options };
                ClientAssertionCredential::new(tenant, client, assertion, Some(options))?
            }
            Means::GitHub(application, issuer) => {
                let (tenant, client) = text(application);
                let system = System::GitHub { audience: federation_audience(&self.cloud) };
                let assertion = FromJob { issuer: issuer.clone(), system, http: self.http.clone() };
                let options = ClientAssertionCredentialOptions { client_options };
                ClientAssertionCredential::new(tenant, client, assertion, Some(options))?
            }
            Means::Pipelines { application, issuer, connection } => {
                let (tenant, client) = text(application);
                let system = System::Pipelines { connection: connection.clone() };
                let assertion = FromJob { issuer: issuer.clone(), system, http: self.http.clone() };
                let options = ClientAssertionCredentialOptions { client_options };
                ClientAssertionCredential::new(tenant, client, assertion, Some(options))?
            }
            Means::Tool { tool, tenant } => tool.credential(tenant.as_ref(), &self.sign_in.environment)?,
            Means::Managed { .. } => unreachable!("it is asked without a credential"),
        })
    }

    /// What a machine or a person's tool gives counts only if it is for whom the settings name.
    fn accept(&self, means: &Means, given: Given) -> Answered {
        if !matches!(means, Means::Managed { .. } | Means::Tool { .. }) {
            return Answered::Token(given);
        }
        let holder = Holder::of(given.text.expose(), Some(given.expires));
        let is_other = |lack: NotHere| Answered::NotHere(lack);
        if let Some(named) = &self.sign_in.client
            && (holder.is_person || holder.application.as_ref() != Some(named))
        {
            let reason = format!("it is signed in as {}, and privlink.toml names {named}", whom(&holder));
            let next =
                "sign in as that one, or leave the client id out of privlink.toml where everybody is to be themselves";
            return is_other(near(reason, next));
        }
        match (&self.sign_in.tenant, &holder.tenant) {
            (Some(named), Some(tenant)) if named != tenant => {
                let reason = format!("it is of tenant {tenant}, and privlink.toml names {named}");
                is_other(near(reason, "sign in to that tenant"))
            }
            _ => Answered::Token(given),
        }
    }

    fn refused(&self, link: Link, refusal: Refusal) -> AzureError {
        let authority = match &self.cloud.directory {
            Some(directory) => directory.authority.origin().ascii_serialization(),
            None => format!("the directory of {}", self.cloud.resource_manager.origin().ascii_serialization()),
        };
        let whom = match self.sign_in.means(link) {
            Ok(
                Means::Secret(own, _)
                | Means::TokenFile(own, _)
                | Means::GitHub(own, _)
                | Means::Certificate { application: own, .. }
                | Means::Pipelines { application: own, .. },
            ) => format!("to {authority} as client {} of tenant {}", own.client, own.tenant),
            Ok(Means::Managed { .. }) => "with the managed identity of this machine".to_owned(),
            Ok(Means::Tool { .. }) => format!("by the {link}"),
            Err(_) => format!("by {link}"),
        };
        AzureError::SignIn { whom, reason: refusal.reason, class: refusal.class }
    }

    /// No link answered: told are those that somebody seems to have meant.
    fn nobody(&self, tried: &[Tried]) -> AzureError {
        let near = tried.iter().filter_map(|tried| match &tried.outcome {
            Outcome::NotHere(NotHere { reason, next, is_near: true }) => {
                Some(format!("{}: {reason}: {next}", tried.link))
            }
            _ => None,
        });
        let near: Vec<String> = near.collect();
        let reason = if near.is_empty() {
            "there is no secret, certificate or token of an application, no managed identity, and nobody is signed in to az \
             or azd"
                .to_owned()
        } else {
            near.join("; ")
        };
        let whom = self.sign_in.client.as_ref().map(|client| format!(" as {client}")).unwrap_or_default();
        AzureError::Nobody { whom, reason }
    }

    /// Asking once more gave what was refused.
    pub(crate) fn refused_again(&self, link: Link) -> AzureError {
        let reason = "it gives the token again that Azure just refused; sign in again".to_owned();
        self.refused(link, Refusal::new(reason, ErrorClass::Denied))
    }
}

/// How often something was asked for again.
#[derive(Default)]
struct Retries(u32);

impl Retries {
    /// Waits as long as it takes before another try, and says whether there is one.
    async fn wait(&mut self, refusal: &Refusal, began: Instant) -> bool {
        let may_help = !refusal.is_dead && began.elapsed() < patience::SLOW;
        let wait = patience::before_next(refusal.class, true, (self.0, random()));
        let Some(wait) = wait.filter(|_| may_help) else { return false };
        tracing::debug!(%refusal, ?wait, "the request for a token is repeated");
        tokio::time::sleep(wait).await;
        self.0 += 1;
        true
    }
}

/// A holder in a sentence.
fn whom(holder: &Holder) -> String {
    let id = || holder.object.as_ref().map(ToString::to_string);
    match (holder.is_person, &holder.name, &holder.application) {
        (true, Some(name), _) => name.clone(),
        (false, _, Some(application)) => application.to_string(),
        _ => id().unwrap_or_else(|| "somebody whom the token does not tell".to_owned()),
    }
}
