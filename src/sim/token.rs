//! Access tokens: JWTs signed with a key that lives as long as the simulator.
//!
//! Clients look into them (`tid`, `oid`, `appid`), none checks the signature; the simulator does, so a token that it did
//! not issue is refused.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// Validity of a token in seconds, as Entra ID gives it to applications.
pub(crate) const LIFETIME: i64 = 86_399;

/// Issues and checks tokens.
pub(crate) struct Tokens {
    key: [u8; 32],
}

/// Why a token is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BadToken {
    NotOurs,
    Expired,
    /// It lacks a proof: that it is newer than this.
    Challenged(i64),
}

impl Tokens {
    pub(crate) fn new(key: [u8; 32]) -> Self {
        Self { key }
    }

    /// Signs claims.
    pub(crate) fn issue(&self, claims: &Value) -> String {
        let header = json!({ "typ": "JWT", "alg": "HS256", "kid": "privlink-simulator" });
        let signed = format!("{}.{}", encode(&header), encode(claims));
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(self.sign(signed.as_bytes())))
    }

    /// The claims of a token that this simulator issued and that is still valid.
    pub(crate) fn check(&self, token: &str, now: i64) -> Result<Value, BadToken> {
        let (signed, signature) = token.rsplit_once('.').ok_or(BadToken::NotOurs)?;
        let expected = URL_SAFE_NO_PAD.encode(self.sign(signed.as_bytes()));
        let (_, claims) = signed.split_once('.').ok_or(BadToken::NotOurs)?;
        if signature != expected {
            return Err(BadToken::NotOurs);
        }
        let bytes = URL_SAFE_NO_PAD.decode(claims).map_err(|_| BadToken::NotOurs)?;
        let claims: Value = serde_json::from_slice(&bytes).map_err(|_| BadToken::NotOurs)?;
        if claims["exp"].as_i64().is_none_or(|end| end <= now) {
            return Err(BadToken::Expired);
        }
        Ok(claims)
    }

    /// HMAC-SHA-256 (RFC 2104) with a key of 32 bytes.
    fn sign(&self, message: &[u8]) -> [u8; 32] {
        let pad = |fill: u8| {
            let mut block = [fill; 64];
            block.iter_mut().zip(self.key).for_each(|(byte, key)| *byte ^= key);
            block
        };
        let inner = Sha256::new().chain_update(pad(0x36)).chain_update(message).finalize();
        Sha256::new().chain_update(pad(0x5c)).chain_update(inner).finalize().into()
    }
}

fn encode(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_own_tokens_that_are_not_over_are_accepted() {
        let tokens = Tokens::new([7; 32]);
        let token = tokens.issue(&json!({ "appid": "a", "exp": 100 }));
        assert_eq!(tokens.check(&token, 99).unwrap()["appid"], "a");
        assert_eq!(tokens.check(&token, 100), Err(BadToken::Expired));
        assert_eq!(Tokens::new([8; 32]).check(&token, 99), Err(BadToken::NotOurs));
        assert_eq!(tokens.check("a.b.c", 99), Err(BadToken::NotOurs));
    }

    #[test]
    fn the_signature_is_hmac_sha_256() {
        // RFC 4231 has no case with a key of 32 bytes; this value was computed with Python's hmac module.
        let hex: String = Tokens::new([0x0b; 32]).sign(b"Hi There").iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "198a607eb44bfbc69903a0f1cf2bbdc5ba0aa3f3d9ae3c1c7a3b1696a0b68cf7");
    }
}
