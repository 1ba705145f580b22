//! Which Azure: where the resource manager and Entra are.
//!
//! Nothing in a config repository says an address: a repository names a cloud, and the runner defines a name that is not
//! built in. A bearer token goes over plain http only to this machine itself.

use reqwest::Url;

/// The endpoints of one Azure cloud.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cloud {
    /// Where resources are managed, without a path.
    pub(crate) resource_manager: Url,
    /// Who gives tokens for it; the cloud describes itself where the runner does not say.
    pub(crate) directory: Option<Directory>,
}

/// The directory of a cloud: who gives tokens, and for what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Directory {
    /// Where tokens come from, without a path.
    pub(crate) authority: Url,
    /// What a token is for; its scope is this with `/.default`.
    pub(crate) audience: String,
}

impl Directory {
    /// What a token is asked for.
    pub(crate) fn scope(&self) -> String {
        format!("{}/.default", self.audience)
    }
}

/// A definition of a custom cloud that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the cloud definition {text:?} cannot be used: {reason}; write it as <resource manager URL>, or as \
         <resource manager URL>,<authority URL>, for example \
         https://management.azure.com,https://login.microsoftonline.com"
)]
pub struct InvalidCloud {
    /// What was given.
    pub text: String,
    /// What is wrong with it.
    pub reason: String,
}

impl Cloud {
    /// The public cloud.
    pub fn public() -> Self {
        Self::known("https://management.azure.com", "https://login.microsoftonline.com", "https://management.azure.com")
    }

    /// Azure US Government.
    pub fn us_government() -> Self {
        Self::known(
            "https://management.usgovcloudapi.net",
            "https://login.microsoftonline.us",
            "https://management.core.usgovcloudapi.net",
        )
    }

    /// Azure operated by 21Vianet in China.
    pub fn china() -> Self {
        Self::known(
            "https://management.chinacloudapi.cn",
            "https://login.chinacloudapi.cn",
            "https://management.chinacloudapi.cn",
        )
    }

    fn known(resource_manager: &str, authority: &str, audience: &str) -> Self {
        let url = |text: &str| Url::parse(text).expect("the built-in endpoints are URLs");
        let directory = Directory { authority: url(authority), audience: audience.to_owned() };
        Self { resource_manager: url(resource_manager), directory: Some(directory) }
    }

    /// Reads `<resource manager>` or `<resource manager>,<authority>`, the text of `PRIVLINK_CLOUD_<NAME>`. Without an
    /// authority the cloud's own description of itself is asked for it.
    ///
    /// # Errors
    /// Says what is wrong: URLs without path or credentials are needed, all https; only a resource manager on the loopback
    /// interface may be http.
    pub fn custom(text: &str) -> Result<Self, InvalidCloud> {
        let invalid = |reason: String| InvalidCloud { text: text.to_owned(), reason };
        let (resource_manager, authority) = match text.split_once(',') {
            Some((resource_manager, authority)) => (resource_manager, Some(authority)),
            None => (text, None),
        };
        let resource_manager = origin("the resource manager", resource_manager).map_err(invalid)?;
        if resource_manager.scheme() == "http" && !is_loopback(&resource_manager) {
            return Err(invalid("the resource manager is http, which only loopback addresses may be".to_owned()));
        }
        let audience = resource_manager.as_str().trim_end_matches('/').to_owned();
        let directory = authority.map(|text| Ok(Directory { authority: self::authority(text)?, audience }));
        let directory = directory.transpose().map_err(invalid)?;
        Ok(Self { resource_manager, directory })
    }

    /// Where resources are managed.
    pub fn resource_manager(&self) -> &Url {
        &self.resource_manager
    }

    /// True if either endpoint is on this machine, so that a proxy would only be in the way.
    pub(crate) fn is_local(&self) -> bool {
        is_loopback(&self.resource_manager) || self.directory.as_ref().is_some_and(|own| is_loopback(&own.authority))
    }
}

/// Reads the address of an authority.
pub(crate) fn authority(text: &str) -> Result<Url, String> {
    let url = origin("the authority", text)?;
    if url.scheme() == "https" {
        return Ok(url);
    }
    Err("the authority must be https, because secrets are sent to it".to_owned())
}

/// Reads a URL that is nothing but scheme, host and port.
fn origin(what: &str, text: &str) -> Result<Url, String> {
    let url = Url::parse(text.trim()).map_err(|error| format!("{what} is not a URL ({error})"))?;
    if !matches!(url.scheme(), "https" | "http") || url.host_str().is_none() {
        return Err(format!("{what} is neither https nor http"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(format!("{what} holds a user name or password"));
    }
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
        return Err(format!("{what} has a path or query, where only scheme, host and port belong"));
    }
    Ok(url)
}

/// True if the host of the URL is this machine.
pub(crate) fn is_loopback(url: &Url) -> bool {
    // `host_str` puts an IPv6 address in brackets.
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host.eq_ignore_ascii_case("localhost") || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refused(text: &str, reason: &str) {
        let error = Cloud::custom(text).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }

    #[test]
    fn custom_clouds_are_two_safe_urls() {
        let cloud = Cloud::custom("http://127.0.0.1:8080, https://localhost:8443/").unwrap();
        assert_eq!(cloud.resource_manager.as_str(), "http://127.0.0.1:8080/");
        assert_eq!(cloud.directory.as_ref().unwrap().scope(), "http://127.0.0.1:8080/.default");
        assert!(cloud.is_local());
        assert!(Cloud::custom("http://[::1]:1,https://[::1]:2").is_ok());
        assert_eq!(Cloud::custom("https://a.example").unwrap().directory, None);
        refused("http://a.example,https://b.example", "only loopback");
        refused("https://a.example,http://localhost:1", "must be https");
        refused("https://u:p@a.example,https://b.example", "user name");
        refused("https://a.example/x,https://b.example", "path");
        refused("ftp://a.example,https://b.example", "neither");
        refused("nonsense,https://b.example", "not a URL");
    }

    #[test]
    fn built_in_clouds_are_remote() {
        for cloud in [Cloud::public(), Cloud::us_government(), Cloud::china()] {
            assert!(!cloud.is_local());
            assert_eq!(cloud.directory.unwrap().authority.scheme(), "https");
        }
    }
}
