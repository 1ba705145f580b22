//! In whose name requests go: a token that the runner brought, or one that an app of GitHub is given for an hour.

use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::PoisonError;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderName;
use http::HeaderValue;
use http::Method;
use http::header::AUTHORIZATION;
use jiff::Timestamp;
use rustls::SignatureScheme;
use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::Value as Json;
use serde_json::json;

use crate::domain::pull_request::ForgeKind;
use crate::domain::secret::Secret;
use crate::forge::address::Address;
use crate::forge::address::ApiUrl;
use crate::forge::address::Credentials;
use crate::forge::error::ForgeError;
use crate::forge::error::Purpose;
use crate::forge::send::Answer;
use crate::forge::send::Call;
use crate::forge::send::Repeat;
use crate::forge::send::Sender;
use crate::forge::send::bearer;
use crate::forge::send::secret_header;

/// How long before its end a token is replaced, in seconds: longer than any call takes.
const EARLY: i64 = 300;
/// How long an app's own assertion is good for, in seconds; GitHub takes at most 600.
const LIFE: i64 = 540;
/// How far its clock may be ahead of GitHub's, in seconds.
const SKEW: i64 = 60;

/// Who signs requests.
#[derive(Debug)]
pub(crate) enum Signer {
    /// A token in a header.
    Header(HeaderName, HeaderValue),
    /// An app of GitHub.
    App(App),
}

/// An app of GitHub, and the token of its installation.
#[derive(Debug)]
pub(crate) struct App {
    id: String,
    key_file: PathBuf,
    api: ApiUrl,
    owner: String,
    repository: String,
    token: Mutex<Option<Granted>>,
}

/// A token of an installation.
#[derive(Clone, Debug)]
struct Granted {
    token: Secret<String>,
    expires: Timestamp,
}

impl Signer {
    pub(crate) fn new(address: &Address, credentials: Credentials) -> Result<Self, ForgeError> {
        let header = |(name, value): (HeaderName, HeaderValue)| Self::Header(name, value);
        match (credentials, address) {
            (Credentials::Bearer(token), _) => bearer(token.expose()).map(header),
            (Credentials::PrivateToken(token), _) => {
                secret_header(HeaderName::from_static("private-token"), token.expose()).map(header)
            }
            (Credentials::Basic(token), _) => {
                let pair = STANDARD.encode(format!(":{}", token.expose()));
                secret_header(AUTHORIZATION, &format!("Basic {pair}")).map(header)
            }
            (Credentials::App { id, key_file }, Address::GitHub { api, owner, repository }) => Ok(Self::App(App {
                id,
                key_file,
                api: api.clone(),
                owner: owner.clone(),
                repository: repository.clone(),
                token: Mutex::new(None),
            })),
            (Credentials::App { .. }, Address::GitLab { .. } | Address::AzureDevOps { .. }) => {
                Err(ForgeError::configuration("only GitHub has apps with a private key: bring a token"))
            }
        }
    }

    /// The header that says who asks.
    pub(crate) async fn headers(&self, sender: &Sender) -> Result<(HeaderName, HeaderValue), ForgeError> {
        match self {
            Self::Header(name, value) => Ok((name.clone(), value.clone())),
            Self::App(app) => bearer(app.token(sender).await?.expose()),
        }
    }

    /// Forgets a token that was refused; true if another one can be had.
    pub(crate) fn forget(&self) -> bool {
        match self {
            Self::Header(..) => false,
            Self::App(app) => app.held().take().is_some(),
        }
    }
}

impl App {
    fn held(&self) -> std::sync::MutexGuard<'_, Option<Granted>> {
        self.token.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn purpose(what: String) -> Purpose {
        let right = "the private key of an app that is installed for the repository";
        Purpose { forge: ForgeKind::GitHub, what, right }
    }

    /// The name of the app, as GitHub's addresses have it.
    pub(crate) async fn slug(&self, sender: &Sender) -> Result<String, ForgeError> {
        let purpose = Self::purpose(format!("read the app {}", self.id));
        let answer = self.ask(sender, (Method::GET, &["app"], None), &purpose).await?;
        let slug = answer.json.get("slug").and_then(Json::as_str);
        slug.map(ToOwned::to_owned).ok_or_else(|| ForgeError::unexpected(&purpose, "the app has no slug"))
    }

    /// The token that is good for a while.
    async fn token(&self, sender: &Sender) -> Result<Secret<String>, ForgeError> {
        let now = Timestamp::now().as_second();
        if let Some(held) = self.held().clone().filter(|held| held.expires.as_second() - EARLY > now) {
            return Ok(held.token);
        }
        let granted = self.grant(sender).await?;
        *self.held() = Some(granted.clone());
        Ok(granted.token)
    }

    async fn grant(&self, sender: &Sender) -> Result<Granted, ForgeError> {
        let Self { owner, repository, .. } = self;
        let purpose = Self::purpose(format!("find the installation of the app {} for {owner}/{repository}", self.id));
        let path = ["repos", owner, repository, "installation"];
        let answer = self.ask(sender, (Method::GET, &path, None), &purpose).await?;
        let id = answer.json.get("id").and_then(Json::as_u64);
        let id = id.ok_or_else(|| ForgeError::unexpected(&purpose, "the installation has no id"))?.to_string();
        let purpose = Self::purpose(format!("get a token of the app {} for {owner}/{repository}", self.id));
        let path = ["app", "installations", &id, "access_tokens"];
        // For this repository alone, whatever else the app is installed for.
        let answer =
            self.ask(sender, (Method::POST, &path, Some(json!({"repositories": [repository]}))), &purpose).await?;
        let text = |key: &str| answer.json.get(key).and_then(Json::as_str).filter(|text| !text.is_empty());
        match (text("token"), text("expires_at").and_then(|at| at.parse().ok())) {
            (Some(token), Some(expires)) => Ok(Granted { token: Secret::new(token.to_owned()), expires }),
            _ => Err(ForgeError::unexpected(&purpose, "it holds no token and its end")),
        }
    }

    async fn ask(
        &self,
        sender: &Sender,
        (method, path, body): (Method, &[&str], Option<Json>),
        purpose: &Purpose,
    ) -> Result<Answer, ForgeError> {
        let url = self.api.join(path);
        let call = Call { purpose: purpose.clone(), method, url, body, repeat: Repeat::Safe };
        let pem = std::fs::read(&self.key_file).map_err(|error| ForgeError::Configuration {
            reason: format!(
                "cannot read the private key of the app, {}, which PRIVLINK_GITHUB_APP_KEY_FILE names",
                self.key_file.display()
            ),
            source: Some(Box::new(error)),
        })?;
        let assertion = assertion(&self.id, &pem, Timestamp::now()).map_err(|why| {
            ForgeError::configuration(format!("the private key of the app, {}: {why}", self.key_file.display()))
        })?;
        sender.send_as(&call, bearer(assertion.expose())?).await
    }
}

/// What an app shows to be given tokens. Source of its form: GitHub, generating a JSON Web Token for a GitHub App.
fn assertion(id: &str, pem: &[u8], now: Timestamp) -> Result<Secret<String>, &'static str> {
    let key = PrivateKeyDer::from_pem_slice(pem)
        .map_err(|_| "it holds no private key in PEM; take the file as GitHub gives it out")?;
    let key = any_supported_type(&key).map_err(|_| "its kind is not known; GitHub gives out RSA keys")?;
    let signer = key.choose_scheme(&[SignatureScheme::RSA_PKCS1_SHA256]).ok_or("it is not RSA, as GitHub's are")?;
    let now = now.as_second();
    let part = |json: Json| URL_SAFE_NO_PAD.encode(json.to_string());
    let header = part(json!({"alg": "RS256", "typ": "JWT"}));
    let claims = part(json!({"iat": now - SKEW, "exp": now + LIFE, "iss": id}));
    let signed = format!("{header}.{claims}");
    let signature = signer.sign(signed.as_bytes()).map_err(|_| "it cannot sign")?;
    Ok(Secret::new(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A certificate and a key that were made for tests and open nothing.
    const PEM: &str = include_str!("../../tests/data/certificate.pem");

    #[test]
    fn an_app_signs_as_github_wants_it() {
        let made = assertion("12", PEM.as_bytes(), Timestamp::from_second(1_800_000_000).unwrap()).unwrap();
        let parts: Vec<&str> = made.expose().split('.').collect();
        let decoded = |part: &str| serde_json::from_slice::<Json>(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
        assert_eq!(decoded(parts[0]), json!({"alg": "RS256", "typ": "JWT"}));
        // GitHub takes a life of ten minutes at most, counted from the first to the last moment.
        assert_eq!(decoded(parts[1]), json!({"iat": 1_799_999_940, "exp": 1_800_000_540, "iss": "12"}));
        let key = any_supported_type(&PrivateKeyDer::from_pem_slice(PEM.as_bytes()).unwrap()).unwrap();
        let public = key.public_key().unwrap();
        let algorithms = rustls::crypto::ring::default_provider().signature_verification_algorithms;
        let (_, verifiers) =
            algorithms.mapping.iter().find(|(scheme, _)| *scheme == SignatureScheme::RSA_PKCS1_SHA256).unwrap();
        let signature = URL_SAFE_NO_PAD.decode(parts[2]).unwrap();
        // The algorithm and the frame of the bits come before an RSA key of 2,048 bits.
        let verify = |text: String| verifiers[0].verify_signature(&public.as_ref()[24..], text.as_bytes(), &signature);
        assert!(verify(format!("{}.{}", parts[0], parts[1])).is_ok() && verify("else".to_owned()).is_err());
        assert_eq!(
            assertion("12", b"x", Timestamp::UNIX_EPOCH).unwrap_err(),
            "it holds no private key in PEM; take the file as GitHub gives it out"
        );
    }
}
