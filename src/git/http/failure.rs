//! What a failed request means, in our errors.

use std::io::{self, Read as _};
use std::time::Duration;

use reqwest::Url;
use reqwest::blocking::Response;

use crate::git::error::{GitError, one_line};
use crate::git::http::server;
use crate::git::session::Session;

/// Sorts an answer that is neither success nor redirect.
pub(super) fn refused(session: &Session, target: &Url, response: Response) -> GitError {
    let url = session.endpoint.url.to_string();
    let status = response.status();
    let retry_after = retry_after(&response);
    let http = server(session);
    let had_credentials = http.credentials(target).is_some();
    let server = said(response);
    match status.as_u16() {
        401 if !http.is_home(target) => {
            let host = target.host_str().unwrap_or_default();
            let next = format!("it redirects to {host}, which wants credentials; use that address if you trust it");
            GitError::Denied { url, next, server }
        }
        401 if had_credentials => {
            let next =
                "the credentials are wrong or expired; renew PRIVLINK_GIT_TOKEN or what the credential helper holds";
            GitError::Denied { url, next: next.to_owned(), server }
        }
        401 => {
            let next = "it wants credentials; set PRIVLINK_GIT_TOKEN, or configure a Git credential helper";
            GitError::Denied { url, next: next.to_owned(), server }
        }
        403 => {
            let next = "the account may not do this; give it read and write access to the repository";
            GitError::Denied { url, next: next.to_owned(), server }
        }
        404 | 410 => GitError::NoRepository { url, server },
        429 => GitError::Throttled { url, retry_after },
        status => GitError::Status { url, status, retry_after, server },
    }
}

fn retry_after(response: &Response) -> Option<Duration> {
    let value = response.headers().get("retry-after")?.to_str().ok()?;
    value.trim().parse().ok().map(Duration::from_secs)
}

/// The start of a text answer: a page of HTML says nothing to a reader of a terminal.
fn said(response: Response) -> String {
    let kind = content_type(&response);
    if kind != "text/plain" {
        return String::new();
    }
    let mut start = Vec::new();
    // A message that breaks off is better than none.
    let _ = response.take(2048).read_to_end(&mut start);
    one_line(&start)
}

/// The media type, without parameters.
pub(super) fn content_type(response: &Response) -> String {
    let value = response.headers().get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// Sorts an error of the network.
pub(super) fn broken(session: &Session, error: reqwest::Error) -> GitError {
    let url = session.endpoint.url.to_string();
    let error = error.without_url();
    if error.is_timeout() && !error.is_connect() {
        return GitError::Timeout { url, limit: session.endpoint.access.timeout };
    }
    if is_certificate(&error) {
        let next = "add its certificate authority, or mend its certificate";
        return GitError::Untrusted { url, next, source: error.into() };
    }
    GitError::Unreachable { url, source: error.into() }
}

fn is_certificate(error: &reqwest::Error) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if matches!(error.downcast_ref(), Some(rustls::Error::InvalidCertificate(_))) {
            return true;
        }
        // The source of an io::Error is the source of what it wraps: the wrapped error itself would be skipped.
        let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        cause = wrapped.map(|wrapped| wrapped as _).or_else(|| error.source());
    }
    false
}
