//! Where the repository is and who writes, from the runner's variables. Nothing of it comes from a config repository.
//!
//! Explicit settings (`PRIVLINK_FORGE…`, or the flags behind them) win over what the CI system says of itself.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use reqwest::Url;

use crate::domain::pull_request::ForgeKind;
use crate::domain::secret::Secret;

/// The repository, in the words of its forge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A repository of GitHub.
    GitHub {
        /// `https://api.github.com`, or `https://<host>/api/v3` of an Enterprise Server.
        api: ApiUrl,
        /// The account that it belongs to.
        owner: String,
        /// Its name.
        repository: String,
    },
    /// A project of GitLab.
    GitLab {
        /// `https://gitlab.com/api/v4`, or the same of another host.
        api: ApiUrl,
        /// Its number, or its path `group/project`.
        project: String,
    },
    /// A repository of Azure DevOps.
    AzureDevOps {
        /// `https://dev.azure.com/<organization>`, or a collection of a server.
        collection: ApiUrl,
        /// The project's name or id.
        project: String,
        /// The repository's name or id.
        repository: String,
    },
}

/// An address that a token may be sent to: https, or this machine.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiUrl(Url);

impl fmt::Debug for ApiUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Who writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credentials {
    /// A token of GitHub (a workflow's, or one of a person or app), or the job's token of Azure Pipelines.
    Bearer(Secret<String>),
    /// A personal, group or project access token of GitLab.
    PrivateToken(Secret<String>),
    /// A personal access token of Azure DevOps.
    Basic(Secret<String>),
    /// An app of GitHub, which asks for tokens of its installation.
    App {
        /// Its id or client id.
        id: String,
        /// Its private key, PEM. The file is read each time, so that a renewed one counts.
        key_file: PathBuf,
    },
}

/// What the runner would have to bring, or what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unusable(String);

/// The variables that are looked at, where a setting of privlink wins over the CI system's.
struct Variables<'a>(&'a BTreeMap<String, String>);

impl Variables<'_> {
    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
    }

    fn first(&self, names: &[&str]) -> Option<&str> {
        names.iter().find_map(|name| self.get(name))
    }

    fn need(&self, forge: ForgeKind, what: &str, names: &[&str]) -> Result<String, Unusable> {
        self.first(names)
            .map(ToOwned::to_owned)
            .ok_or_else(|| Unusable(format!("nobody says {what} of {forge}: set {}", names.join(" or "))))
    }

    fn url(&self, (names, default): (&[&str], Option<&str>), forge: ForgeKind) -> Result<ApiUrl, Unusable> {
        match (names.iter().find_map(|name| Some((*name, self.get(name)?))), default) {
            (Some((name, text)), _) => ApiUrl::parse(text).map_err(|why| Unusable(format!("{name} {why}"))),
            (None, Some(default)) => ApiUrl::parse(default).map_err(|why| Unusable(format!("{default} {why}"))),
            (None, None) => Err(Unusable(format!("nobody says the address of {forge}: set {}", names.join(" or ")))),
        }
    }
}

impl ApiUrl {
    /// Reads an address.
    ///
    /// # Errors
    /// If it is none, has a password in it, or is http to another machine: a token would be readable on the way.
    pub fn parse(text: &str) -> Result<Self, String> {
        // The text may hold a password, so it is not repeated.
        let url = Url::parse(text).map_err(|_| "is no address: write https://<host>/<path>".to_owned())?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            return Err("is no address: write https://<host>/<path>".to_owned());
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("holds credentials: give the token in a variable of its own".to_owned());
        }
        if url.scheme() == "http" && !is_loopback(&url) {
            return Err(format!(
                "is http to {}: a token goes over http only to this machine; use https",
                url.host_str().unwrap_or_default()
            ));
        }
        Ok(Self(url))
    }

    /// The address below this one, of these path segments; each is escaped.
    pub(crate) fn join(&self, segments: &[&str]) -> Url {
        let mut url = self.0.clone();
        url.set_query(None);
        url.set_fragment(None);
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        url
    }

    /// True if it is this machine.
    pub(crate) fn is_local(&self) -> bool {
        is_loopback(&self.0)
    }

    /// The address itself.
    pub(crate) fn url(&self) -> &Url {
        &self.0
    }
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host.eq_ignore_ascii_case("localhost") || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

impl Address {
    /// Which forge it is.
    pub fn kind(&self) -> ForgeKind {
        match self {
            Self::GitHub { .. } => ForgeKind::GitHub,
            Self::GitLab { .. } => ForgeKind::GitLab,
            Self::AzureDevOps { .. } => ForgeKind::AzureDevOps,
        }
    }
}

/// The repository and who writes into it, from the runner's variables.
///
/// # Errors
/// If a variable is missing or cannot be used; the error names it.
pub fn from_variables(
    kind: ForgeKind,
    environment: &BTreeMap<String, String>,
) -> Result<(Address, Credentials), Unusable> {
    let variables = Variables(environment);
    match kind {
        ForgeKind::GitHub => Ok((github(&variables)?, github_credentials(&variables)?)),
        ForgeKind::GitLab => Ok((gitlab(&variables)?, gitlab_credentials(&variables)?)),
        ForgeKind::AzureDevOps => Ok((azure_devops(&variables)?, azure_devops_credentials(&variables)?)),
    }
}

const REPOSITORY: &str = "PRIVLINK_FORGE_REPOSITORY";
const URL: &str = "PRIVLINK_FORGE_URL";
const TOKEN: &str = "PRIVLINK_FORGE_TOKEN";
const APP: &str = "PRIVLINK_GITHUB_APP_ID";
const APP_KEY: &str = "PRIVLINK_GITHUB_APP_KEY_FILE";

fn github(variables: &Variables<'_>) -> Result<Address, Unusable> {
    let names = [REPOSITORY, "GITHUB_REPOSITORY"];
    let text = variables.need(ForgeKind::GitHub, "the repository", &names)?;
    let (owner, repository) = text
        .split_once('/')
        .filter(|(owner, name)| is_segment(owner) && is_segment(name))
        .ok_or_else(|| Unusable(format!("{text:?} is no repository of GitHub: write owner/name")))?;
    let api = variables.url((&[URL, "GITHUB_API_URL"], Some("https://api.github.com")), ForgeKind::GitHub)?;
    Ok(Address::GitHub { api, owner: owner.to_owned(), repository: repository.to_owned() })
}

fn github_credentials(variables: &Variables<'_>) -> Result<Credentials, Unusable> {
    match (variables.get(APP), variables.get(APP_KEY)) {
        (Some(id), Some(file)) => Ok(Credentials::App { id: id.to_owned(), key_file: file.into() }),
        (Some(_), None) => {
            Err(Unusable(format!("{APP} is set and {APP_KEY} is not: name the file of the app's private key")))
        }
        (None, Some(_)) => Err(Unusable(format!("{APP_KEY} is set and {APP} is not: give the app's id"))),
        (None, None) => match variables.first(&[TOKEN, "GITHUB_TOKEN"]) {
            Some(token) => Ok(Credentials::Bearer(Secret::new(token.to_owned()))),
            None => Err(Unusable(format!(
                "there is no token for GitHub: give the step env: GITHUB_TOKEN: ${{{{ github.token }}}}, or set {TOKEN}, or {APP} and \
                 {APP_KEY}"
            ))),
        },
    }
}

fn gitlab(variables: &Variables<'_>) -> Result<Address, Unusable> {
    let project = variables.need(ForgeKind::GitLab, "the project", &[REPOSITORY, "CI_PROJECT_ID"])?;
    if !project.split('/').all(is_segment) {
        return Err(Unusable(format!(
            "{project:?} is no project of GitLab: write its number or its path group/project"
        )));
    }
    let api = variables.url((&[URL, "CI_API_V4_URL"], Some("https://gitlab.com/api/v4")), ForgeKind::GitLab)?;
    Ok(Address::GitLab { api, project })
}

fn gitlab_credentials(variables: &Variables<'_>) -> Result<Credentials, Unusable> {
    if let Some(token) = variables.get(TOKEN) {
        return Ok(Credentials::PrivateToken(Secret::new(token.to_owned())));
    }
    let job = if variables.get("CI_JOB_TOKEN").is_some() {
        " (GitLab lets the job's own token, CI_JOB_TOKEN, write neither comments nor statuses)"
    } else {
        ""
    };
    Err(Unusable(format!(
        "there is no token for GitLab: set {TOKEN} to a project access token with the scope api and the role Developer{job}"
    )))
}

fn azure_devops(variables: &Variables<'_>) -> Result<Address, Unusable> {
    let forge = ForgeKind::AzureDevOps;
    let (project, repository) = match variables.get(REPOSITORY) {
        Some(text) => {
            let parts = text.split_once('/').filter(|(project, name)| is_segment(project) && is_segment(name));
            let (project, name) = parts
                .ok_or_else(|| Unusable(format!("{text:?} is no repository of {forge}: write project/repository")))?;
            (project.to_owned(), name.to_owned())
        }
        None => (
            variables.need(forge, "the project", &["SYSTEM_TEAMPROJECT", REPOSITORY])?,
            variables.need(forge, "the repository", &["BUILD_REPOSITORY_ID", REPOSITORY])?,
        ),
    };
    let collection = variables.url((&[URL, "SYSTEM_COLLECTIONURI"], None), forge)?;
    Ok(Address::AzureDevOps { collection, project, repository })
}

fn azure_devops_credentials(variables: &Variables<'_>) -> Result<Credentials, Unusable> {
    let secret = |text: &str| Secret::new(text.to_owned());
    match (variables.get(TOKEN), variables.get("SYSTEM_ACCESSTOKEN")) {
        (Some(token), _) => Ok(Credentials::Basic(secret(token))),
        (None, Some(token)) => Ok(Credentials::Bearer(secret(token))),
        (None, None) => Err(Unusable(format!(
            "there is no token for Azure DevOps: give the step env: SYSTEM_ACCESSTOKEN: $(System.AccessToken), or set {TOKEN} \
             to a personal access token with Code (Read & Write)"
        ))),
    }
}

/// True for one segment of a path that stays where it is.
fn is_segment(text: &str) -> bool {
    !text.is_empty()
        && text != "."
        && text != ".."
        && !text.contains(['/', '\\'])
        && !text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(kind: ForgeKind, pairs: &[(&str, &str)]) -> Result<(Address, Credentials), Unusable> {
        let variables = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        from_variables(kind, &variables)
    }

    fn why(kind: ForgeKind, pairs: &[(&str, &str)]) -> String {
        of(kind, pairs).unwrap_err().to_string()
    }

    fn secret(text: &str) -> Secret<String> {
        Secret::new(text.to_owned())
    }

    #[test]
    fn a_ci_system_says_where_it_is() {
        let github = [("GITHUB_REPOSITORY", "acme/config"), ("GITHUB_TOKEN", "t")];
        let (address, credentials) = of(ForgeKind::GitHub, &github).unwrap();
        insta::assert_debug_snapshot!(address, @r#"
        GitHub {
            api: https://api.github.com/,
            owner: "acme",
            repository: "config",
        }
        "#);
        assert_eq!(credentials, Credentials::Bearer(secret("t")));
        let gitlab =
            [("CI_PROJECT_ID", "7"), ("CI_API_V4_URL", "https://gitlab.example/api/v4"), ("PRIVLINK_FORGE_TOKEN", "p")];
        let (address, credentials) = of(ForgeKind::GitLab, &gitlab).unwrap();
        insta::assert_debug_snapshot!(address, @r#"
        GitLab {
            api: https://gitlab.example/api/v4,
            project: "7",
        }
        "#);
        assert_eq!(credentials, Credentials::PrivateToken(secret("p")));
        let azure = [
            ("SYSTEM_COLLECTIONURI", "https://dev.azure.com/acme/"),
            ("SYSTEM_TEAMPROJECT", "Net work"),
            ("BUILD_REPOSITORY_ID", "5f0c"),
            ("SYSTEM_ACCESSTOKEN", "j"),
        ];
        let (address, credentials) = of(ForgeKind::AzureDevOps, &azure).unwrap();
        insta::assert_debug_snapshot!(address, @r#"
        AzureDevOps {
            collection: https://dev.azure.com/acme/,
            project: "Net work",
            repository: "5f0c",
        }
        "#);
        assert_eq!(credentials, Credentials::Bearer(secret("j")));
        let Address::AzureDevOps { collection, project, .. } = address else { unreachable!("{address:?}") };
        assert_eq!(collection.join(&[&project, "_apis"]).as_str(), "https://dev.azure.com/acme/Net%20work/_apis");
    }

    #[test]
    fn the_runners_settings_win() {
        let own = [
            ("PRIVLINK_FORGE_REPOSITORY", "a/b"),
            ("GITHUB_REPOSITORY", "c/d"),
            ("PRIVLINK_FORGE_URL", "https://ghe.example/api/v3"),
            ("PRIVLINK_FORGE_TOKEN", "own"),
            ("GITHUB_TOKEN", "workflow"),
        ];
        let (address, credentials) = of(ForgeKind::GitHub, &own).unwrap();
        assert!(matches!(address, Address::GitHub { owner, repository, .. } if owner == "a" && repository == "b"));
        assert_eq!(credentials, Credentials::Bearer(secret("own")));
        let app = [("PRIVLINK_GITHUB_APP_ID", "12"), ("PRIVLINK_GITHUB_APP_KEY_FILE", "/k.pem")];
        let (_, credentials) = of(ForgeKind::GitHub, &[own.as_slice(), &app].concat()).unwrap();
        assert_eq!(credentials, Credentials::App { id: "12".to_owned(), key_file: "/k.pem".into() });
        let pat = [("PRIVLINK_FORGE_URL", "https://dev.azure.com/a"), ("PRIVLINK_FORGE_REPOSITORY", "p/r")];
        let pat = [pat.as_slice(), &[("PRIVLINK_FORGE_TOKEN", "p"), ("SYSTEM_ACCESSTOKEN", "j")]].concat();
        assert_eq!(of(ForgeKind::AzureDevOps, &pat).unwrap().1, Credentials::Basic(secret("p")));
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        let github = ("GITHUB_REPOSITORY", "a/b");
        let token = ("GITHUB_TOKEN", "t0ken");
        let url = |url: &'static str| why(ForgeKind::GitHub, &[github, token, ("PRIVLINK_FORGE_URL", url)]);
        let said = [
            why(ForgeKind::GitHub, &[]),
            why(ForgeKind::GitHub, &[github]),
            why(ForgeKind::GitHub, &[("GITHUB_REPOSITORY", "a/../b"), token]),
            why(ForgeKind::GitHub, &[github, ("PRIVLINK_GITHUB_APP_ID", "1"), token]),
            url("http://ghe.example/api/v3"),
            url("https://me:t0ken@ghe.example"),
            url("ftp://x"),
            why(ForgeKind::GitLab, &[("CI_PROJECT_ID", "1"), ("CI_JOB_TOKEN", "t0ken")]),
            why(ForgeKind::AzureDevOps, &[("SYSTEM_TEAMPROJECT", "p")]),
            why(
                ForgeKind::AzureDevOps,
                &[("PRIVLINK_FORGE_REPOSITORY", "p/r"), ("PRIVLINK_FORGE_URL", "https://a.example")],
            ),
        ];
        let said = said.join("\n");
        assert!(!said.contains("t0ken"), "{said}");
        insta::assert_snapshot!(said, @r#"
        nobody says the repository of GitHub: set PRIVLINK_FORGE_REPOSITORY or GITHUB_REPOSITORY
        there is no token for GitHub: give the step env: GITHUB_TOKEN: ${{ github.token }}, or set PRIVLINK_FORGE_TOKEN, or PRIVLINK_GITHUB_APP_ID and PRIVLINK_GITHUB_APP_KEY_FILE
        "a/../b" is no repository of GitHub: write owner/name
        PRIVLINK_GITHUB_APP_ID is set and PRIVLINK_GITHUB_APP_KEY_FILE is not: name the file of the app's private key
        PRIVLINK_FORGE_URL is http to ghe.example: a token goes over http only to this machine; use https
        PRIVLINK_FORGE_URL holds credentials: give the token in a variable of its own
        PRIVLINK_FORGE_URL is no address: write https://<host>/<path>
        there is no token for GitLab: set PRIVLINK_FORGE_TOKEN to a project access token with the scope api and the role Developer (GitLab lets the job's own token, CI_JOB_TOKEN, write neither comments nor statuses)
        nobody says the repository of Azure DevOps: set BUILD_REPOSITORY_ID or PRIVLINK_FORGE_REPOSITORY
        there is no token for Azure DevOps: give the step env: SYSTEM_ACCESSTOKEN: $(System.AccessToken), or set PRIVLINK_FORGE_TOKEN to a personal access token with Code (Read & Write)
        "#);
    }

    #[test]
    fn a_token_goes_over_http_to_this_machine_only() {
        for text in ["http://127.0.0.1:80", "http://localhost/api", "http://[::1]:8080", "https://forge.example"] {
            assert!(ApiUrl::parse(text).is_ok(), "{text}");
        }
        for text in ["http://forge.example", "http://localhost.example", "http://127.0.0.1.example", "http://10.0.0.1"]
        {
            assert!(ApiUrl::parse(text).is_err(), "{text}");
        }
    }
}
