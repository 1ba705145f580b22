//! The address of a remote repository.
//!
//! The scheme is checked here, before libgit2 sees anything: libgit2 takes whatever it does not know for ssh and answers
//! with "invalid argument: 'port'". A user name or password in an https address is kept apart and never shown, since
//! people put tokens into either.

use std::fmt;
use std::net::IpAddr;
use std::path::Path;
use std::path::PathBuf;
use std::str::FromStr;

use reqwest::Url;

use crate::domain::secret::Secret;

/// The address of a remote: `file:///…`, `https://…`, `ssh://user@host/…` or `user@host:path`.
///
/// Its text never contains a password or token.
#[derive(Clone, PartialEq, Eq)]
pub struct RemoteUrl(pub(super) Address);

/// Where a remote is, by the way to get there.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Address {
    /// A repository on this machine.
    Folder(PathBuf),
    /// A smart HTTP server.
    Http(HttpAddress),
    /// An ssh server.
    Ssh(SshAddress),
}

/// A repository behind smart HTTP.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct HttpAddress {
    /// Scheme, host, port and path; no user, query, fragment or closing slash.
    pub(super) base: Url,
    /// The user name of the address.
    pub(super) user: Option<String>,
    /// The password of the address.
    pub(super) password: Option<Secret<String>>,
}

/// A repository behind ssh.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct SshAddress {
    /// The user, if the address names one.
    pub(super) user: Option<String>,
    /// The host, or an alias of the person's ssh configuration.
    pub(super) host: String,
    /// The port, if the address names one.
    pub(super) port: Option<u16>,
    /// The path as the server's shell gets it; not starting with `/` means below the home folder.
    pub(super) path: String,
}

/// Text that is not the address of a remote. It never repeats what was written, because that may hold a token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidUrl {
    /// There is no scheme, and it is not `user@host:path` either.
    #[error(
        "the address of the Git repository has no scheme: write file:///path, https://…, ssh://… or user@host:path"
    )]
    NoScheme,
    /// The scheme is not one of ours.
    #[error("Git over {scheme}:// is not supported: use file://, https:// or ssh://")]
    Scheme {
        /// What stands before `://`.
        scheme: String,
    },
    /// Plain http to another machine.
    #[error("http:// to {host} would send the repository and any token in the clear: use https://")]
    PlainHttp {
        /// The host.
        host: String,
    },
    /// A part is missing or malformed.
    #[error("the address of the Git repository is malformed: {why}")]
    Malformed {
        /// What is wrong and what to write instead.
        why: String,
    },
}

impl InvalidUrl {
    fn malformed(why: impl Into<String>) -> Self {
        Self::Malformed { why: why.into() }
    }
}

impl RemoteUrl {
    /// The folder, if the remote is on this machine.
    pub fn folder(&self) -> Option<&Path> {
        match &self.0 {
            Address::Folder(folder) => Some(folder),
            Address::Http(_) | Address::Ssh(_) => None,
        }
    }
}

impl FromStr for RemoteUrl {
    type Err = InvalidUrl;
    fn from_str(text: &str) -> Result<Self, InvalidUrl> {
        if text.is_empty() || text.chars().any(|c| c.is_control() || c == ' ') {
            return Err(InvalidUrl::malformed("it is empty or contains a space or control character"));
        }
        let Some((scheme, _)) = text.split_once("://") else {
            return scp_like(text).map(Address::Ssh).map(Self);
        };
        let address = match scheme.to_ascii_lowercase().as_str() {
            "file" => Address::Folder(folder(&parse(text)?)?),
            "https" => Address::Http(http(parse(text)?)?),
            "http" => Address::Http(loopback_http(parse(text)?)?),
            "ssh" => Address::Ssh(ssh(&parse(text)?)?),
            // `token:x@host/…://` is not a scheme, and what it holds must not be repeated.
            other if other.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b)) => {
                return Err(InvalidUrl::Scheme { scheme: other.to_owned() });
            }
            _ => return Err(InvalidUrl::NoScheme),
        };
        Ok(Self(address))
    }
}

fn parse(text: &str) -> Result<Url, InvalidUrl> {
    let url = Url::parse(text).map_err(|e| InvalidUrl::malformed(e.to_string()))?;
    if url.query().is_some() || url.fragment().is_some() {
        return Err(InvalidUrl::malformed(
            "leave out the part from ? or # on (write %3F or %23 if the path contains them)",
        ));
    }
    Ok(url)
}

fn folder(url: &Url) -> Result<PathBuf, InvalidUrl> {
    if url.host_str().is_some_and(|host| host != "localhost") {
        return Err(InvalidUrl::malformed("file:// has no host: write file:///path, with three slashes"));
    }
    let mut local = url.clone();
    // `to_file_path` knows no host at all, and `localhost` is the one that means none.
    local.set_host(None).map_err(|e| InvalidUrl::malformed(e.to_string()))?;
    local.to_file_path().map_err(|()| InvalidUrl::malformed("file:// needs an absolute path"))
}

fn loopback_http(url: Url) -> Result<HttpAddress, InvalidUrl> {
    if is_loopback(&url) {
        http(url)
    } else {
        Err(InvalidUrl::PlainHttp { host: url.host_str().unwrap_or_default().to_owned() })
    }
}

fn http(mut url: Url) -> Result<HttpAddress, InvalidUrl> {
    let user = Some(decode(url.username())?).filter(|user| !user.is_empty());
    let password = url.password().map(decode).transpose()?.filter(|word| !word.is_empty()).map(Secret::new);
    let path = url.path().trim_end_matches('/').to_owned();
    if path.is_empty() {
        return Err(InvalidUrl::malformed("it names a server but no repository"));
    }
    url.set_path(&path);
    let cleared = url.set_username("").and_then(|()| url.set_password(None));
    cleared.map_err(|()| InvalidUrl::malformed("it has no host"))?;
    Ok(HttpAddress { base: url, user, password })
}

fn ssh(url: &Url) -> Result<SshAddress, InvalidUrl> {
    if url.password().is_some() {
        return Err(InvalidUrl::malformed("ssh takes no password from an address: use a key or an agent"));
    }
    let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    let path = decode(url.path())?;
    // As git does: `/~user/x` reaches the server as `~user/x`, which its shell expands.
    let path = if path.starts_with("/~") { path[1..].to_owned() } else { path };
    let user = Some(decode(url.username())?).filter(|user| !user.is_empty());
    safe_ssh(SshAddress { user, host: host.to_owned(), port: url.port(), path })
}

fn scp_like(text: &str) -> Result<SshAddress, InvalidUrl> {
    let (login, path) = text.split_once(':').ok_or(InvalidUrl::NoScheme)?;
    // A slash before the colon is a folder's name; an @ after it is `user:password@host`.
    if login.contains('/') || path.contains('@') || path.is_empty() {
        return Err(InvalidUrl::NoScheme);
    }
    let (user, host) = match login.rsplit_once('@') {
        Some((user, host)) => (Some(user.to_owned()), host),
        None => (None, login),
    };
    safe_ssh(SshAddress { user, host: host.to_owned(), port: None, path: path.to_owned() })
}

/// Refuses what `ssh` would take for an option (CVE-2017-1000117).
fn safe_ssh(address: SshAddress) -> Result<SshAddress, InvalidUrl> {
    let SshAddress { user, host, port: _, path } = &address;
    let option = |text: &str| text.is_empty() || text.starts_with('-');
    if option(host) || user.as_deref().is_some_and(option) || option(path) || path == "/" {
        return Err(InvalidUrl::malformed("user, host and path must not be empty or start with a dash"));
    }
    if path.contains('\0') || host.contains(['@', '/']) {
        return Err(InvalidUrl::malformed("the host or path contains a character that no repository has"));
    }
    Ok(address)
}

/// Undoes percent-encoding.
fn decode(text: &str) -> Result<String, InvalidUrl> {
    let hex = |b: u8| char::from(b).to_digit(16).and_then(|d| u8::try_from(d).ok());
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digits = rest.next().and_then(hex).zip(rest.next().and_then(hex));
        let (high, low) = digits.ok_or_else(|| InvalidUrl::malformed("a % is not followed by two hex digits"))?;
        bytes.push(high * 16 + low);
    }
    String::from_utf8(bytes).map_err(|_| InvalidUrl::malformed("a percent-encoded part is not UTF-8"))
}

/// True if the host is this machine, so that nothing leaves it.
pub(super) fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

impl fmt::Display for RemoteUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Address::Folder(path) => write!(f, "file://{}", path.display()),
            Address::Http(address) => write!(f, "{}", address.base),
            Address::Ssh(address) => write!(f, "{address}"),
        }
    }
}

impl fmt::Display for SshAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { user, host, port, path } = self;
        let login = user.as_ref().map(|user| format!("{user}@")).unwrap_or_default();
        let port = port.map(|port| format!(":{port}")).unwrap_or_default();
        match path.as_bytes()[0] {
            b'/' => write!(f, "ssh://{login}{host}{port}{path}"),
            b'~' => write!(f, "ssh://{login}{host}{port}/{path}"),
            _ => write!(f, "{login}{host}:{path}"),
        }
    }
}

impl fmt::Debug for RemoteUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        match text.parse::<RemoteUrl>() {
            Ok(url) => url.to_string(),
            Err(error) => format!("error: {error}"),
        }
    }

    #[test]
    fn every_form_that_people_write_is_read() {
        for (text, expected) in [
            ("file:///srv/a%20b.git", "file:///srv/a b.git"),
            ("file://localhost/srv/a.git", "file:///srv/a.git"),
            ("https://github.com/acme/net.git", "https://github.com/acme/net.git"),
            ("https://github.com/acme/net/", "https://github.com/acme/net"),
            ("http://127.0.0.1:3000/net.git", "http://127.0.0.1:3000/net.git"),
            ("http://[::1]:3000/net.git", "http://[::1]:3000/net.git"),
            ("ssh://git@host:2222/srv/net.git", "ssh://git@host:2222/srv/net.git"),
            ("ssh://host/~me/net.git", "ssh://host/~me/net.git"),
            ("git@github.com:acme/net.git", "git@github.com:acme/net.git"),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
    }

    #[test]
    fn userinfo_is_never_shown() {
        for text in ["https://alice:hunter2@host/r", "https://hunter2@host/r", "https://x:hunter2@host/r?y"] {
            assert!(!shown(text).contains("hunter2"), "{text}");
            assert!(!format!("{:?}", text.parse::<RemoteUrl>()).contains("hunter2"), "{text}");
        }
        assert!(!shown("alice:hunter2@host:r").contains("hunter2"));
        assert!(!shown("alice:hunter2@host/r://").contains("hunter2"));
    }

    #[test]
    fn what_is_unsafe_or_unknown_is_refused_by_name() {
        for (text, word) in [
            ("ftp://host/r", "ftp://"),
            ("git://host/r", "git://"),
            ("http://example.com/r", "example.com"),
            ("http://127.0.0.1.example.com/r", "in the clear"),
            ("/srv/repo.git", "file:///path"),
            ("./repo:x", "no scheme"),
            ("ssh://-oProxyCommand=x/r", "malformed"),
            ("-oProxyCommand=x:r", "dash"),
            ("ssh://git:pw@host/r", "key or an agent"),
            ("file://host/r", "three slashes"),
            ("https://host", "no repository"),
            ("", "empty"),
        ] {
            let answer = shown(text);
            assert!(answer.starts_with("error: ") && answer.contains(word), "{text}: {answer}");
        }
    }
}
