//! OpenPGP signatures (`gpg --detach-sign --armor`), as git writes them by default.
//!
//! A key is believed because it stands in the authority, so its names and what others certify about it do not matter. What
//! its owner said about it does: whether it may sign, until when, and that it is revoked. The time is that of the
//! decision, because whoever holds an expired key can write any time into a signature.

use std::time::Duration;
use std::time::SystemTime;

use jiff::Timestamp;
use pgp::composed::Deserializable as _;
use pgp::composed::DetachedSignature;
use pgp::composed::SignedPublicKey;
use pgp::composed::SignedPublicSubKey;
use pgp::packet::Signature;
use pgp::packet::SignatureType;
use pgp::types::KeyDetails as _;
use pgp::types::Tag;

use super::Signer;
use super::Unverified;
use crate::desired::policy::Keys;
use crate::domain::commit::CommitSignature;

pub(super) fn signer(
    signature: &CommitSignature,
    owners: &[(Signer, &Keys)],
    now: Timestamp,
) -> Result<Signer, Unverified> {
    let (made, _) = DetachedSignature::from_string(&signature.armored).map_err(|_| Unverified::Unreadable)?;
    // A signature over a key or a name is none over a document, whatever bytes it is held against.
    if !matches!(made.signature.typ(), Some(SignatureType::Binary | SignatureType::Text)) {
        return Err(Unverified::Unreadable);
    }
    let key_of = |keys: &Keys| Some(SignedPublicKey::from_string(keys.openpgp.as_ref()?).ok()?.0);
    let mut owners = owners.iter().filter_map(|(owner, keys)| Some((owner.clone(), key_of(keys)?)));
    let Some((owner, key)) = owners.find(|(_, key)| is_of(&made.signature, key)) else {
        return Err(Unverified::UnknownKey { key: claimed(&made.signature) });
    };
    let signed = signature.signed.as_slice();
    let subkey = key.public_subkeys.iter().find(|subkey| names(&made.signature, &subkey.key));
    let fits = match subkey {
        Some(subkey) => made.verify(&subkey.key, signed),
        None => made.verify(&key.primary_key, signed),
    };
    if fits.is_err() {
        return Err(Unverified::Wrong { owner });
    }
    match subkey.map_or_else(|| primary(&key, now), |subkey| primary(&key, now).or_else(|| bound(&key, subkey, now))) {
        Some(why) => Err(Unverified::Invalid { owner, why: why.to_owned() }),
        None if is_over(made.signature.created(), made.signature.signature_expiration_time(), now) => {
            Err(Unverified::Invalid { owner, why: "said that the signature ends, and it has".to_owned() })
        }
        None => Ok(owner),
    }
}

/// True if the signature says that it is by this key or a subkey of it.
fn is_of(signature: &Signature, key: &SignedPublicKey) -> bool {
    names(signature, &key.primary_key) || key.public_subkeys.iter().any(|subkey| names(signature, &subkey.key))
}

/// True if the signature names the key. What it says is no proof: the key then has to fit.
fn names(signature: &Signature, key: &impl pgp::types::KeyDetails) -> bool {
    let fingerprints = signature.issuer_fingerprint();
    if fingerprints.is_empty() {
        return signature.issuer_key_id().into_iter().any(|id| *id == key.legacy_key_id());
    }
    fingerprints.into_iter().any(|fingerprint| *fingerprint == key.fingerprint())
}

/// The key that a signature claims to be by.
fn claimed(signature: &Signature) -> String {
    let fingerprint = signature.issuer_fingerprint().first().map(ToString::to_string);
    let id = || signature.issuer_key_id().first().map(ToString::to_string);
    fingerprint.or_else(id).unwrap_or_else(|| "it does not say which".to_owned())
}

/// Why the primary key may not be used, and so none of its subkeys.
fn primary(key: &SignedPublicKey, now: Timestamp) -> Option<&'static str> {
    let details = &key.details;
    if details.revocation_signatures.iter().any(|revocation| revocation.verify_key(&key.primary_key).is_ok()) {
        return Some("is revoked");
    }
    let direct = details.direct_signatures.iter().filter(|own| own.verify_key(&key.primary_key).is_ok());
    let users = details.users.iter().flat_map(|user| user.signatures.iter().map(move |own| (user, own)));
    let users = users.filter(|(user, own)| {
        own.is_certification() && own.verify_certification(&key.primary_key, Tag::UserId, &user.id).is_ok()
    });
    let newest = direct.chain(users.map(|(_, own)| own)).max_by_key(|own| own.created())?;
    let until = newest.key_expiration_time();
    is_over(Some(key.primary_key.created_at()), until, now).then_some("is expired")
}

/// Why a subkey may not sign.
fn bound(key: &SignedPublicKey, subkey: &SignedPublicSubKey, now: Timestamp) -> Option<&'static str> {
    let by_primary = |own: &&Signature| own.verify_subkey_binding(&key.primary_key, &subkey.key).is_ok();
    let own: Vec<&Signature> = subkey.signatures.iter().filter(by_primary).collect();
    if own.iter().any(|own| own.typ() == Some(SignatureType::SubkeyRevocation)) {
        return Some("is revoked");
    }
    let bindings = own.into_iter().filter(|own| own.typ() == Some(SignatureType::SubkeyBinding));
    let Some(newest) = bindings.max_by_key(|own| own.created()) else {
        return Some("does not belong to their primary key");
    };
    // The subkey has to agree, or somebody could claim another person's key as a subkey.
    let agrees = newest.embedded_signature();
    let agrees = agrees.is_some_and(|own| own.verify_primary_key_binding(&subkey.key, &key.primary_key).is_ok());
    if !newest.key_flags().sign() || !agrees {
        return Some("may not sign");
    }
    is_over(Some(subkey.key.created_at()), newest.key_expiration_time(), now).then_some("is expired")
}

/// True if what began then and lasts so long is over; what has no length, or a length of nothing, does not end.
fn is_over(from: Option<pgp::types::Timestamp>, lasts: Option<pgp::types::Duration>, now: Timestamp) -> bool {
    let (Some(from), Some(lasts)) = (from, lasts) else { return false };
    let lasts = Duration::from(lasts);
    let until = SystemTime::from(from).checked_add(lasts);
    let until = until.and_then(|until| Timestamp::try_from(until).ok());
    !lasts.is_zero() && until.is_some_and(|until| until <= now)
}
