//! Continuous Access Evaluation: Azure refuses a token that has not expired, and says what the next one has to prove.
//!
//! The claims of the challenge go from the refusal through the client into its next request for a token. Only a token that
//! was asked for with them is good again.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// What tokens have to prove, by the application; clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Challenges(Arc<Mutex<BTreeMap<String, i64>>>);

impl Challenges {
    /// Wants every token of an application to be newer than this.
    pub(crate) fn begin(&self, client: &str, newer_than: i64) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(client.to_ascii_lowercase(), newer_than);
    }

    /// What the tokens of an application have to prove.
    pub(crate) fn of(&self, client: &str) -> Option<i64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&client.to_ascii_lowercase()).copied()
    }
}

/// The challenge as a refusal carries it.
pub(crate) fn encoded(newer_than: i64) -> String {
    let value = newer_than.to_string();
    STANDARD.encode(json!({ "access_token": { "nbf": { "essential": true, "value": value } } }).to_string())
}

/// What a request for a token proves, by the claims that it asks for.
pub(crate) fn proved(claims: &str) -> Option<i64> {
    let claims: Value = serde_json::from_str(claims).ok()?;
    claims.pointer("/access_token/nbf/value")?.as_str()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_challenge_wants_is_what_its_claims_prove() {
        let challenges = Challenges::default();
        challenges.begin("AB", 7);
        assert_eq!((challenges.of("ab"), challenges.of("c")), (Some(7), None));
        let claims = String::from_utf8(STANDARD.decode(encoded(7)).unwrap()).unwrap();
        assert_eq!((proved(&claims), proved("{}"), proved("")), (Some(7), None, None));
    }
}
