//! Whom a token is for, as its claims say. They are shown to people and compared with what is asked for, never trusted:
//! only Azure checks the signature.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde_json::Value as Json;

use crate::domain::azure::ClientId;
use crate::domain::azure::PrincipalId;
use crate::domain::azure::TenantId;

/// Whom a token is for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holder {
    /// The tenant.
    pub tenant: Option<TenantId>,
    /// The application that signed in; of a person, the tool that they used.
    pub application: Option<ClientId>,
    /// The object that roles are given to.
    pub object: Option<PrincipalId>,
    /// True if a person is signed in.
    pub is_person: bool,
    /// What a person signs in as.
    pub name: Option<String>,
    /// When the token is over.
    pub expires: Option<Timestamp>,
}

impl Holder {
    /// Reads the claims of a token. What is not a JWT tells nothing.
    pub(crate) fn of(token: &str, expires: Option<Timestamp>) -> Self {
        let claims = claims(token).unwrap_or_default();
        let text = |name: &str| claims.get(name).and_then(Json::as_str).filter(|text| !text.is_empty());
        Self {
            tenant: text("tid").and_then(|text| text.parse().ok()),
            application: text("appid").or_else(|| text("azp")).and_then(|text| text.parse().ok()),
            object: text("oid").and_then(|text| text.parse().ok()),
            // Only what a person consented to has scopes.
            is_person: text("idtyp") == Some("user") || text("scp").is_some(),
            name: ["upn", "unique_name", "preferred_username"].into_iter().find_map(text).map(ToOwned::to_owned),
            expires,
        }
    }
}

fn claims(token: &str) -> Option<Json> {
    let payload = token.split('.').nth(1)?;
    let bytes = URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?;
    serde_json::from_slice(&bytes).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn token(claims: &Json) -> String {
        format!("e30.{}.x", URL_SAFE_NO_PAD.encode(claims.to_string()))
    }

    #[test]
    fn claims_tell_applications_from_people() {
        let id = "00000000-0000-0000-0000-0000000000a1";
        let application = Holder::of(&token(&json!({"appid": id, "oid": id, "tid": id, "idtyp": "app"})), None);
        assert_eq!((application.application, application.is_person), (Some(id.parse().unwrap()), false));
        let person = Holder::of(&token(&json!({"appid": id, "oid": id, "scp": "x", "upn": "bob@example.com"})), None);
        assert_eq!((person.name.as_deref(), person.is_person), (Some("bob@example.com"), true));
        for opaque in ["", "opaque", "a.b.c", "a.e30.c"] {
            assert_eq!(Holder::of(opaque, None), Holder::default(), "{opaque}");
        }
    }
}
