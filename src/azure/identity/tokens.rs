//! The current token: kept, replaced before it is over, and replaced once when Azure refuses it.

use std::time::Duration;
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderMap;
use jiff::Timestamp;
use serde_json::Value as Json;
use tokio::sync::Mutex;

use crate::azure::error::AzureError;
use crate::azure::identity::Chain;
use crate::azure::identity::Holder;
use crate::azure::identity::Link;
use crate::azure::identity::Tried;
use crate::azure::identity::managed::Given;
use crate::domain::secret::Secret;

/// A token is replaced this long before it expires, or after half of its life if that is later.
const MARGIN: Duration = Duration::from_secs(300);

/// The current token.
#[derive(Debug)]
pub(crate) struct Tokens {
    chain: Chain,
    // Held while a token is fetched: callers that need one at the same time wait for the same answer.
    current: Mutex<Current>,
}

#[derive(Debug, Default)]
struct Current {
    token: Option<Token>,
    /// Who answered first stays the one that is asked.
    link: Option<Link>,
}

#[derive(Clone, Debug)]
struct Token {
    text: Secret<String>,
    expires: Timestamp,
    refresh_at: Instant,
}

impl Tokens {
    pub(crate) fn new(chain: Chain) -> Self {
        Self { chain, current: Mutex::default() }
    }

    /// The same holder's tokens for something else.
    pub(crate) fn for_scope(&self, scope: &str) -> Self {
        Self::new(Chain { scope: Some(scope.to_owned()), ..self.chain.clone() })
    }

    /// Returns a token that is still good for a while.
    pub(crate) async fn token(&self) -> Result<Secret<String>, AzureError> {
        self.good().await.map(|token| token.text)
    }

    /// Whom the token is for.
    pub(crate) async fn holder(&self) -> Result<Holder, AzureError> {
        self.good().await.map(|token| Holder::of(token.text.expose(), Some(token.expires)))
    }

    async fn good(&self) -> Result<Token, AzureError> {
        let mut current = self.current.lock().await;
        match &current.token {
            Some(token) if Instant::now() < token.refresh_at => Ok(token.clone()),
            _ => self.fetch(&mut current, None).await,
        }
    }

    /// Returns a token other than the one that was refused; `challenge` is what the next one has to prove.
    pub(crate) async fn replace(
        &self,
        refused: &Secret<String>,
        challenge: Option<&str>,
    ) -> Result<Secret<String>, AzureError> {
        let mut current = self.current.lock().await;
        if let Some(token) = &current.token
            && token.text != *refused
        {
            return Ok(token.text.clone());
        }
        let token = self.fetch(&mut current, challenge).await?;
        match current.link {
            // The same token cannot prove what it did not; without a challenge it may be good the second time.
            Some(link) if challenge.is_some() && token.text == *refused => Err(self.chain.refused_again(link)),
            _ => Ok(token.text),
        }
    }

    async fn fetch(&self, current: &mut Current, claims: Option<&str>) -> Result<Token, AzureError> {
        current.token = None;
        let (_, issued) = self.chain.walk(current.link, claims).await;
        let issued = issued?;
        current.link = Some(issued.link);
        tracing::debug!(link = issued.link.name(), "signed in to Azure");
        let Given { text, expires } = issued.given;
        let life = Duration::try_from(expires.duration_since(Timestamp::now())).unwrap_or_default();
        let refresh_at = Instant::now() + life.saturating_sub(MARGIN).max(life / 2);
        let token = Token { text, expires, refresh_at };
        current.token = Some(token.clone());
        Ok(token)
    }

    /// Walks the chain anew and tells what became of every link.
    pub(crate) async fn try_links(&self) -> Vec<Tried> {
        self.chain.walk(None, None).await.0
    }
}

/// Reads the claims challenge of a 401: what the next token has to prove, as JSON. Source: Microsoft's documentation of
/// claims challenges and Continuous Access Evaluation.
pub(crate) fn challenge(headers: &HeaderMap) -> Option<String> {
    let texts = headers.get_all(http::header::WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
    let encoded = texts.filter(|text| text.get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case("bearer ")));
    encoded.filter_map(|text| text.split("claims=\"").nth(1)?.split('"').next()).find_map(|text| {
        let text = text.trim_end_matches('=');
        let bytes = STANDARD_NO_PAD.decode(text).or_else(|_| URL_SAFE_NO_PAD.decode(text)).ok()?;
        let json: Json = serde_json::from_slice(&bytes).ok()?;
        json.is_object().then(|| json.to_string())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn challenge_of(value: &str) -> Option<String> {
        let mut headers = HeaderMap::new();
        headers.insert(http::header::WWW_AUTHENTICATE, value.parse().unwrap());
        challenge(&headers)
    }

    #[test]
    fn only_a_challenge_of_claims_asks_for_more() {
        let claims = "eyJhY2Nlc3NfdG9rZW4iOnsibmJmIjp7ImVzc2VudGlhbCI6dHJ1ZSwidmFsdWUiOiIxIn19fQ==";
        let header = format!("Bearer realm=\"\", error=\"insufficient_claims\", claims=\"{claims}\"");
        let expected = r#"{"access_token":{"nbf":{"essential":true,"value":"1"}}}"#;
        assert_eq!(challenge_of(&header).as_deref(), Some(expected));
        for other in
            ["Bearer error=\"invalid_token\"", "Bearer claims=\"e30x\"", "Basic claims=\"e30=\"", "Bearer claims=\""]
        {
            assert_eq!(challenge_of(other), None, "{other}");
        }
    }
}
