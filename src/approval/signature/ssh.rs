//! SSH signatures (`ssh-keygen -Y sign -n git`), as git writes them with `gpg.format = ssh`.
//!
//! The format is OpenSSH's PROTOCOL.sshsig: the key is in the signature, and a namespace says what it was made for, so that
//! a signature over a file is none over a commit.

use ssh_key::HashAlg;
use ssh_key::PublicKey;
use ssh_key::SshSig;

use super::Signer;
use super::Unverified;
use crate::desired::policy::Keys;
use crate::domain::commit::CommitSignature;

/// What git signs for.
const NAMESPACE: &str = "git";

/// The flag in a signature by a security key that says that somebody touched it (PROTOCOL.u2f).
const TOUCHED: u8 = 1;

pub(super) fn signer(signature: &CommitSignature, owners: &[(Signer, &Keys)]) -> Result<Signer, Unverified> {
    let made = SshSig::from_pem(signature.armored.trim()).map_err(|_| Unverified::Unreadable)?;
    // The version is not among what is signed, and there is one only.
    if made.version() != SshSig::VERSION {
        return Err(Unverified::Unreadable);
    }
    let key_of = |keys: &Keys| keys.ssh.as_ref().and_then(|key| PublicKey::from_openssh(key).ok());
    let mut owners = owners.iter().filter_map(|(owner, keys)| Some((owner.clone(), key_of(keys)?)));
    let Some((owner, key)) = owners.find(|(_, key)| key.key_data() == made.public_key()) else {
        return Err(Unverified::UnknownKey { key: made.public_key().fingerprint(HashAlg::Sha256).to_string() });
    };
    if made.namespace() != NAMESPACE {
        return Err(Unverified::Namespace { owner, namespace: made.namespace().to_owned() });
    }
    if key.verify(NAMESPACE, &signature.signed, &made).is_err() {
        return Err(Unverified::Wrong { owner });
    }
    if !is_touched(&made) {
        return Err(Unverified::Invalid { owner, why: "nobody touched".to_owned() });
    }
    Ok(owner)
}

/// True if the key needs no touch, or had one.
fn is_touched(made: &SshSig) -> bool {
    let key = made.public_key();
    if !key.is_sk_ed25519() && !key.is_sk_ecdsa_p256() {
        return true;
    }
    // One byte of flags and four of a counter end the signature of a security key.
    made.signature_bytes().iter().rev().nth(4).is_some_and(|flags| flags & TOUCHED != 0)
}
