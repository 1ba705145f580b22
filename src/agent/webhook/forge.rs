//! How each forge signs a delivery, and where in it repository and branch are.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::Hmac;
use hmac::Mac as _;
use http::HeaderMap;
use serde_json::Value;
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

use crate::domain::secret::Secret;

/// Who sends a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Forge {
    /// GitHub: HMAC-SHA256 in `X-Hub-Signature-256`.
    GitHub,
    /// GitLab: the secret itself in `X-Gitlab-Token`.
    GitLab,
    /// Azure DevOps: the secret as the password of basic authentication.
    AzureDevOps,
    /// Bitbucket Cloud and Data Center: HMAC-SHA256 in `X-Hub-Signature`.
    Bitbucket,
    /// Gitea and Forgejo: HMAC-SHA256, bare, in a header of their own.
    Gitea,
}

/// A delivery as it came in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Delivery<'a> {
    pub(super) forge: Forge,
    pub(super) headers: &'a HeaderMap,
    pub(super) body: &'a [u8],
}

/// What a delivery tells.
#[derive(Debug, Default)]
pub(super) struct Push {
    /// The delivery's own id.
    pub(super) id: Option<String>,
    /// Addresses of the repository.
    pub(super) repositories: Vec<String>,
    /// The refs that moved, in full; none if it is about something else.
    pub(super) refs: Vec<String>,
}

impl Forge {
    /// Tells by headers that only one of them sends. Gitea and Forgejo send GitHub's too, so they come first.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let signs = [
            ("x-gitea-event", Self::Gitea),
            ("x-forgejo-event", Self::Gitea),
            ("x-github-event", Self::GitHub),
            ("x-gitlab-event", Self::GitLab),
            ("x-event-key", Self::Bitbucket),
            ("authorization", Self::AzureDevOps),
        ];
        signs.into_iter().find(|(name, _)| headers.contains_key(*name)).map(|(_, forge)| forge)
    }
}

impl Delivery<'_> {
    /// True if its sender knows the secret. Compared in a time that says nothing about how much of it was right.
    pub(super) fn is_genuine(&self, secret: &Secret<String>) -> bool {
        let secret = secret.expose().as_bytes();
        match self.forge {
            Forge::GitHub => self.is_signed(secret, "x-hub-signature-256", "sha256="),
            Forge::Bitbucket => self.is_signed(secret, "x-hub-signature", "sha256="),
            Forge::Gitea => {
                ["x-gitea-signature", "x-forgejo-signature"].iter().any(|name| self.is_signed(secret, name, ""))
            }
            Forge::GitLab => self.header("x-gitlab-token").is_some_and(|token| token.as_bytes().ct_eq(secret).into()),
            Forge::AzureDevOps => self.password().is_some_and(|password| password.ct_eq(secret).into()),
        }
    }

    fn is_signed(&self, secret: &[u8], header: &str, prefix: &str) -> bool {
        let signature = self.header(header).and_then(|value| from_hex(value.strip_prefix(prefix)?));
        let Some(signature) = signature else { return false };
        let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("a key of any length will do");
        mac.update(self.body);
        mac.verify_slice(&signature).is_ok()
    }

    fn password(&self) -> Option<Vec<u8>> {
        let credentials = STANDARD.decode(self.header("authorization")?.strip_prefix("Basic ")?).ok()?;
        let colon = credentials.iter().position(|byte| *byte == b':')?;
        Some(credentials[colon + 1..].to_vec())
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Reads the body; `None` if it is not what the forge sends.
    pub(super) fn read(&self) -> Option<Push> {
        let body: Value = serde_json::from_slice(self.body).ok()?;
        let first = |names: &[&str]| names.iter().find_map(|name| self.header(name)).map(ToOwned::to_owned);
        Some(match self.forge {
            Forge::GitHub | Forge::Gitea => Push {
                id: first(&["x-gitea-delivery", "x-forgejo-delivery", "x-github-delivery"]),
                repositories: texts(&body, &["/repository/clone_url", "/repository/ssh_url", "/repository/html_url"]),
                refs: texts(&body, &["/ref"]),
            },
            Forge::GitLab => Push {
                id: first(&["idempotency-key", "x-gitlab-event-uuid"]),
                repositories: texts(&body, &["/project/git_http_url", "/project/git_ssh_url", "/project/web_url"]),
                refs: texts(&body, &["/ref"]),
            },
            Forge::AzureDevOps => azure_devops(&body),
            Forge::Bitbucket => Push { id: first(&["x-request-uuid", "x-request-id"]), ..bitbucket(&body) },
        })
    }
}

fn azure_devops(body: &Value) -> Push {
    let ids = [body.pointer("/subscriptionId"), body.pointer("/notificationId")];
    let id = match ids {
        [Some(subscription), Some(notification)] => Some(format!("{subscription}/{notification}")),
        _ => None,
    };
    let is_push = body.pointer("/eventType").and_then(Value::as_str) == Some("git.push");
    let updates = items(body, "/resource/refUpdates").filter(|_| is_push);
    Push {
        id,
        repositories: texts(body, &["/resource/repository/remoteUrl", "/resource/repository/url"]),
        refs: updates.flat_map(|update| texts(update, &["/name"])).collect(),
    }
}

/// Cloud names branches, and none where one is deleted; Data Center names refs.
fn bitbucket(body: &Value) -> Push {
    let branch = |change: &Value| {
        let names = texts(change, &["/new/name", "/old/name"]);
        names.into_iter().map(|name| format!("refs/heads/{name}")).collect::<Vec<_>>()
    };
    let cloud = items(body, "/push/changes").flat_map(branch);
    let center = items(body, "/changes").flat_map(|change| texts(change, &["/ref/id", "/refId"]));
    let refs = cloud.chain(center).collect();
    let clones = items(body, "/repository/links/clone").flat_map(|link| texts(link, &["/href"]));
    let repositories = texts(body, &["/repository/links/html/href"]).into_iter().chain(clones).collect();
    Push { id: None, repositories, refs }
}

fn texts(body: &Value, pointers: &[&str]) -> Vec<String> {
    let text = |pointer: &&str| body.pointer(pointer).and_then(Value::as_str).map(ToOwned::to_owned);
    pointers.iter().filter_map(text).collect()
}

fn items<'a>(body: &'a Value, pointer: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    body.pointer(pointer).and_then(Value::as_array).into_iter().flatten()
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pair = |pair: &[u8]| Some(digit(*pair.first()?)? << 4 | digit(*pair.get(1)?)?);
    text.as_bytes().chunks(2).map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_of_githubs_own_example_is_right() {
        // "Validating webhook deliveries" in GitHub's documentation gives this secret, payload and signature.
        let secret = Secret::new("It's a Secret to Everybody".to_owned());
        let right = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        for (signature, genuine) in [
            (format!("sha256={right}"), true),
            (right.to_owned(), false),
            (format!("sha256={}", &right[..62]), false),
            (format!("sha256={}8", &right[..63]), false),
            ("sha256=".to_owned(), false),
            ("sha256=é".to_owned(), false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert("x-hub-signature-256", http::HeaderValue::from_bytes(signature.as_bytes()).unwrap());
            let delivery = Delivery { forge: Forge::GitHub, headers: &headers, body: b"Hello, World!" };
            assert_eq!(delivery.is_genuine(&secret), genuine, "{signature}");
        }
    }
}
