//! Which repository an address names, whatever way leads to it.

/// A repository as its host and path: addresses for https and ssh, with user, port or `.git`, name the same one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Repository {
    host: String,
    path: String,
}

impl Repository {
    /// Reads `https://user@host:port/path.git`, `ssh://git@host/path` and `git@host:path`.
    pub(super) fn of(url: &str) -> Self {
        let (authority, path) = match url.split_once("://") {
            Some((_, rest)) => rest.split_once('/').unwrap_or((rest, "")),
            None => url.split_once(':').unwrap_or((url, "")),
        };
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        let host =
            host.rsplit_once(':').filter(|(_, port)| port.bytes().all(|b| b.is_ascii_digit())).map_or(host, |it| it.0);
        let path = path.split(['?', '#']).next().unwrap_or_default().trim_matches('/');
        let path = path.strip_suffix(".git").unwrap_or(path).to_lowercase().replace("%20", " ");
        let (host, path) = azure_devops(host.to_lowercase(), path);
        Self { host, path }
    }
}

/// Azure DevOps has another host for ssh, and an older one for each organization.
fn azure_devops(host: String, path: String) -> (String, String) {
    let home = || "dev.azure.com".to_owned();
    if host == "ssh.dev.azure.com" {
        let mut parts = path.split('/').skip(1); // v3
        let (organization, project, name) = (parts.next(), parts.next(), parts.next());
        if let (Some(organization), Some(project), Some(name)) = (organization, project, name) {
            return (home(), format!("{organization}/{project}/_git/{name}"));
        }
    }
    match host.strip_suffix(".visualstudio.com") {
        Some(organization) => {
            let path = path.strip_prefix("defaultcollection/").unwrap_or(&path);
            (home(), format!("{organization}/{path}"))
        }
        // Bitbucket Data Center puts this before the paths of its addresses for https.
        None => (host, path.strip_prefix("scm/").map(ToOwned::to_owned).unwrap_or(path)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_addresses_of_a_repository_name_the_same_one() {
        for (one, other) in [
            ("https://github.com/acme/config", "git@github.com:acme/config.git"),
            ("https://x-access-token@github.com/Acme/Config.git", "ssh://git@github.com:22/acme/config"),
            ("https://acme@dev.azure.com/acme/net/_git/config", "git@ssh.dev.azure.com:v3/acme/net/config"),
            (
                "https://acme.visualstudio.com/DefaultCollection/net/_git/config",
                "https://dev.azure.com/acme/net/_git/config",
            ),
            ("https://dev.azure.com/acme/my%20net/_git/config", "https://dev.azure.com/acme/my net/_git/config"),
            (
                "https://bitbucket.acme.example:8443/scm/net/config.git",
                "ssh://git@bitbucket.acme.example:7999/net/config.git",
            ),
        ] {
            assert_eq!(Repository::of(one), Repository::of(other), "{one} and {other}");
        }
        for (one, other) in [
            ("https://github.com/acme/config", "https://github.com/acme/config2"),
            ("https://github.com/acme/config", "https://github.com.evil.example/acme/config"),
            ("https://github.com/acme/config", "https://github.com@evil.example/acme/config"),
            ("https://github.com/acme/config", "https://evil.example/?https://github.com/acme/config"),
        ] {
            assert_ne!(Repository::of(one), Repository::of(other), "{one} and {other}");
        }
    }
}
