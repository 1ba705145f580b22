//! Public keys in `privlink.toml`: read as far as to know that a signature can be checked against them.
//!
//! A value is never repeated in a message: it might be a private key.

use pgp::composed::{Deserializable as _, SignedPublicKey};
use pgp::types::KeyDetails as _;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

/// A public SSH key: `<type> <base64> [comment]`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ssh(String);

impl Ssh {
    /// Type, key and comment, as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The digest of the key, without its comment: `SHA256:…`.
    pub fn fingerprint(&self) -> String {
        let key = ssh_key::PublicKey::from_openssh(&self.0).expect("it was parsed when it was read");
        key.fingerprint(ssh_key::HashAlg::Sha256).to_string()
    }
}

/// Key types that `ssh-keygen -Y verify` takes.
const KEY_TYPES: [&str; 7] = [
    "ssh-ed25519",
    "ssh-rsa",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
];

const IS_PRIVATE: &str = "this is a private key: remove it, replace the key pair, and write the public key";

impl<'de> Deserialize<'de> for Ssh {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.contains("PRIVATE KEY") {
            return Err(D::Error::custom(IS_PRIVATE));
        }
        let is_known = text.split_ascii_whitespace().next().is_some_and(|kind| KEY_TYPES.contains(&kind));
        if !is_known || text.contains('\n') {
            return Err(D::Error::custom(
                "not a public SSH key: write the line of the .pub file, such as ssh-ed25519 AAAA… name",
            ));
        }
        match ssh_key::PublicKey::from_openssh(&text) {
            Ok(_) => Ok(Self(text)),
            Err(_) => Err(D::Error::custom("what follows its type is no key of that type: copy the whole .pub file")),
        }
    }
}

impl JsonSchema for Ssh {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Ssh".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^(ssh|ecdsa|sk)-[^ ]+ +[A-Za-z0-9+/=]{16,}" })
    }
}

/// A public OpenPGP key in its armor.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct OpenPgp(String);

impl OpenPgp {
    /// The armored text, as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The fingerprint of the primary key.
    pub fn fingerprint(&self) -> String {
        let (key, _) = SignedPublicKey::from_string(&self.0).expect("it was parsed when it was read");
        key.fingerprint().to_string()
    }
}

impl<'de> Deserialize<'de> for OpenPgp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.contains("PRIVATE KEY") {
            return Err(D::Error::custom(IS_PRIVATE));
        }
        match SignedPublicKey::from_string(&text) {
            Ok(_) => Ok(Self(text)),
            Err(_) => Err(D::Error::custom(
                "not a public OpenPGP key: write what `gpg --armor --export NAME` prints, between three quotes",
            )),
        }
    }
}

impl JsonSchema for OpenPgp {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "OpenPgp".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "-----BEGIN PGP PUBLIC KEY BLOCK-----" })
    }
}
