//! The folder in which mirrors live: one bare repository per remote, rebuilt whenever it cannot be trusted.
//!
//! Everything in it can be fetched again, so nothing is ever mended. A new mirror is built beside its place and renamed
//! into it, so that two processes can start at once.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use sha2::{Digest as _, Sha256};

use crate::git::error::GitError;
use crate::git::repository::Repository;
use crate::git::url::RemoteUrl;

/// Refs of a mirror: what was fetched last. They keep objects reachable and tell the server what we have.
pub(super) const FETCHED: &str = "refs/privlink/fetched/";

/// A mirror with more packs than this is fetched anew: every fetch adds one, and each costs open files.
const MOST_PACKS: usize = 200;

/// A file in a mirror that says: rebuild me.
const DAMAGED: &str = "privlink-damaged";

/// Opens the mirror of a remote, building it where there is none or a useless one.
pub(super) fn open(cache: &Path, url: &RemoteUrl) -> Result<Repository, GitError> {
    let failed = |source: std::io::Error| GitError::Cache { folder: cache.to_owned(), source: source.into() };
    fs::create_dir_all(cache).map_err(failed)?;
    let name = digest(&url.to_string());
    let place = cache.join(format!("{name}.git"));
    if let Some(mirror) = usable(&place) {
        return Ok(mirror);
    }
    if place.exists() {
        let aside = cache.join(format!("{name}.{}.old", unique()));
        // Another process may have been faster; then the next step finds its mirror.
        if fs::rename(&place, &aside).is_ok() {
            fs::remove_dir_all(&aside).map_err(failed)?;
        }
    }
    build(cache, &name, &place)
}

fn build(cache: &Path, name: &str, place: &Path) -> Result<Repository, GitError> {
    let failed = |source: git2::Error| GitError::Cache { folder: cache.to_owned(), source: source.into() };
    let new = cache.join(format!("{name}.{}.new", unique()));
    let mut options = git2::RepositoryInitOptions::new();
    // No template, whose hooks and configuration would be somebody else's; and private, like the repository itself.
    options.bare(true).no_reinit(true).external_template(false).mode(git2::RepositoryInitMode::from_bits_retain(0o700));
    git2::Repository::init_opts(&new, &options).map_err(failed)?;
    if let Err(error) = fs::rename(&new, place) {
        // Nothing is lost if the rest of a mirror that nobody uses stays behind.
        let _ = fs::remove_dir_all(&new);
        if !place.exists() {
            return Err(GitError::Cache { folder: cache.to_owned(), source: error.into() });
        }
    }
    Repository::open_mirror(place).map_err(failed)
}

/// The mirror, if it can be opened, is not marked, and holds what its refs name.
fn usable(place: &Path) -> Option<Repository> {
    if place.join(DAMAGED).exists() || packs(place) > MOST_PACKS {
        return None;
    }
    let mirror = Repository::open_mirror(place).ok()?;
    let whole = mirror.inner.references_glob(&format!("{FETCHED}*")).ok()?.all(|reference| {
        let tree = reference.and_then(|reference| reference.peel_to_tree());
        tree.is_ok()
    });
    whole.then_some(mirror)
}

fn packs(place: &Path) -> usize {
    let entries = fs::read_dir(place.join("objects/pack")).into_iter().flatten().flatten();
    entries.filter(|entry| entry.path().extension().is_some_and(|extension| extension == "pack")).count()
}

/// Marks a mirror, so that the next run builds it anew.
pub(super) fn condemn(mirror: &Path) {
    // If even this cannot be written, the next run fails at the same place and says so again.
    let _ = fs::write(mirror.join(DAMAGED), b"");
}

/// A short name for a text: the first 16 hex digits of its SHA-256.
pub(super) fn digest(text: &str) -> String {
    Sha256::digest(text).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// A name that no other process or thread uses at the same time.
pub(super) fn unique() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// The ref of a mirror that holds what was fetched of `reference`. Its name is flat: two names of a remote, one of which
/// became a folder, must not get in each other's way.
pub(super) fn fetched(reference: &str) -> String {
    format!("{FETCHED}{}", digest(reference))
}
