//! People with keys: SSH keys from a seed, OpenPGP keys made anew, and what both sign.

use std::time::Duration;
use std::time::UNIX_EPOCH;

use pgp::composed::ArmorOptions;
use pgp::composed::DetachedSignature;
use pgp::composed::EncryptionCaps;
use pgp::composed::KeyType;
use pgp::composed::SecretKeyParamsBuilder;
use pgp::composed::SignedPublicKey;
use pgp::composed::SignedSecretKey;
use pgp::composed::SubkeyParamsBuilder;
use pgp::crypto::hash::HashAlgorithm;
use pgp::types::Password;
use pgp::types::Timestamp;
use privlink::domain::commit::CommitSignature;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng as _;
use ssh_key::HashAlg;
use ssh_key::LineEnding;
use ssh_key::PrivateKey;
use ssh_key::private::Ed25519Keypair;

/// An SSH key of somebody.
pub(crate) struct Ssh(PrivateKey);

impl Ssh {
    /// The key of a seed: always the same one.
    pub(crate) fn of(seed: u8) -> Self {
        Self(PrivateKey::from(Ed25519Keypair::from_seed(&[seed; 32])))
    }

    /// The line of the `.pub` file.
    pub(crate) fn public(&self) -> String {
        self.0.public_key().to_openssh().unwrap()
    }

    /// The file that `ssh-keygen` reads; nobody else may.
    pub(crate) fn write_to(&self, path: &std::path::Path) {
        std::fs::write(path, self.0.to_openssh(LineEnding::LF).unwrap().as_bytes()).unwrap();
        #[cfg(unix)]
        std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    }

    /// Signs bytes for a purpose; git's is `git`.
    pub(crate) fn sign(&self, purpose: &str, bytes: &[u8]) -> String {
        self.0.sign(purpose, HashAlg::Sha512, bytes).unwrap().to_pem(LineEnding::LF).unwrap()
    }
}

/// An OpenPGP key of somebody: a primary key that signs too, and a subkey that signs.
pub(crate) struct OpenPgp(SignedSecretKey);

impl OpenPgp {
    /// The key of a seed.
    pub(crate) fn of(seed: u8) -> Self {
        // The time of its making is part of what a key is.
        let made = Timestamp::try_from(UNIX_EPOCH + Duration::from_secs(1_767_000_000)).unwrap();
        let mut subkey = SubkeyParamsBuilder::default();
        subkey.created_at(made).key_type(KeyType::Ed25519Legacy).can_sign(true).can_encrypt(EncryptionCaps::None);
        let mut key = SecretKeyParamsBuilder::default();
        key.created_at(made)
            .key_type(KeyType::Ed25519Legacy)
            .can_certify(true)
            .can_sign(true)
            .can_encrypt(EncryptionCaps::None);
        key.primary_user_id("Somebody <somebody@example.com>".to_owned()).subkeys(vec![subkey.build().unwrap()]);
        Self(key.build().unwrap().generate(ChaCha20Rng::from_seed([seed; 32])).unwrap())
    }

    /// The armored public key.
    pub(crate) fn public(&self) -> String {
        SignedPublicKey::from(self.0.clone()).to_armored_string(ArmorOptions::default()).unwrap()
    }

    /// Signs bytes with the primary key.
    pub(crate) fn sign(&self, bytes: &[u8]) -> String {
        self.signed(&self.0.primary_key, bytes)
    }

    /// Signs bytes with the subkey.
    pub(crate) fn sign_by_subkey(&self, bytes: &[u8]) -> String {
        self.signed(&self.0.secret_subkeys[0].key, bytes)
    }

    fn signed(&self, key: &impl pgp::types::SigningKey, bytes: &[u8]) -> String {
        let rng = ChaCha20Rng::from_seed([7; 32]);
        let made = DetachedSignature::sign_binary_data(rng, key, &Password::empty(), HashAlgorithm::Sha256, bytes);
        made.unwrap().to_armored_string(ArmorOptions::default()).unwrap()
    }
}

/// A signature over bytes, as a commit carries it.
pub(crate) fn over(bytes: &[u8], armored: String) -> Option<CommitSignature> {
    Some(CommitSignature { armored, signed: bytes.to_vec() })
}

/// True if the machine has a program; if not, the test says aloud that it did not run.
#[expect(clippy::print_stdout, reason = "whoever reads the log has to see what was not tested")]
pub(crate) fn has(program: &str) -> bool {
    let found = std::process::Command::new(program).arg("--version").output().is_ok();
    if !found {
        println!("NOT TESTED: this machine has no `{program}`");
    }
    found
}
