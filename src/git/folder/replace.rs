//! Writes a file of a plain folder anew: all of it or nothing, and never over what somebody wrote meanwhile.

use std::fs;
use std::io;
use std::io::Write as _;
use std::path::Path;
use std::path::PathBuf;

use crate::domain::commit::RepoPath;
use crate::git::error::GitError;
use crate::git::repository::Repository;

impl Repository {
    /// Replaces the bytes of a file in a folder, by a new file that takes its place; its mode stays.
    ///
    /// # Errors
    /// If the path leads through a link or is no plain file, if its bytes are not those that it had, or if it cannot be
    /// written. The file then is as it was.
    pub fn replace_in_folder(folder: &Path, path: &RepoPath, before: &[u8], after: &[u8]) -> Result<(), GitError> {
        let file = plain_file(folder, path)?;
        let failed = |source| GitError::Write { path: file.clone(), source };
        let beside = beside(&file);
        let written = write(&beside, &file, after).map_err(failed);
        let replaced = written.and_then(|()| {
            // As late as possible: what an editor saved a moment ago must not be lost.
            if fs::read(plain_file(folder, path)?).map_err(failed)? != before {
                return Err(GitError::Changed { path: file.clone() });
            }
            fs::rename(&beside, &file).map_err(failed)
        });
        if replaced.is_err() {
            let _ = fs::remove_file(&beside);
        }
        replaced
    }
}

/// True for the name of a file that is being written, and for nothing that people write.
pub(super) fn is_temporary(name: &str) -> bool {
    name.starts_with(".privlink-") && name.ends_with(".tmp")
}

fn beside(file: &Path) -> PathBuf {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    file.with_file_name(format!(".privlink-{name}-{}.tmp", std::process::id()))
}

fn write(beside: &Path, file: &Path, bytes: &[u8]) -> io::Result<()> {
    // Not over a file, and through no link, that happens to have this name.
    let mut new = fs::OpenOptions::new().write(true).create_new(true).open(beside)?;
    new.set_permissions(fs::metadata(file)?.permissions())?;
    new.write_all(bytes)?;
    new.sync_all()
}

// Every part of the path is a folder of this tree, and the last one is a file.
fn plain_file(folder: &Path, path: &RepoPath) -> Result<PathBuf, GitError> {
    let mut at = folder.to_owned();
    let parts: Vec<&str> = path.as_str().split('/').collect();
    for (number, part) in parts.iter().enumerate() {
        at.push(part);
        let kind = fs::symlink_metadata(&at).map_err(|source| GitError::Write { path: at.clone(), source })?;
        let is_last = number + 1 == parts.len();
        if if is_last { !kind.is_file() } else { !kind.is_dir() } {
            return Err(GitError::NotPlain { path: at });
        }
    }
    Ok(at)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    struct Scratch(PathBuf);

    impl Scratch {
        fn new() -> Self {
            let folder = std::env::temp_dir().join(format!("privlink-replace-{}", uuid::Uuid::new_v4()));
            fs::create_dir_all(folder.join("a")).unwrap();
            fs::write(folder.join("a/b.yaml"), "old").unwrap();
            Self(folder)
        }

        fn replace(&self, path: &str, before: &str) -> Result<(), GitError> {
            Repository::replace_in_folder(&self.0, &path.parse().unwrap(), before.as_bytes(), b"new")
        }

        /// Every name below the folder, so that nothing is left behind unseen.
        fn names(&self) -> Vec<String> {
            let entries = fs::read_dir(self.0.join("a")).unwrap();
            let mut names: Vec<String> =
                entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
            names.sort();
            names
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_file_gets_new_bytes_and_keeps_its_mode() {
        let scratch = Scratch::new();
        let file = scratch.0.join("a/b.yaml");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        scratch.replace("a/b.yaml", "old").unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "new");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
        assert_eq!(scratch.names(), ["b.yaml"]);
    }

    #[test]
    fn what_changed_meanwhile_is_left_alone() {
        let scratch = Scratch::new();
        let error = scratch.replace("a/b.yaml", "older").unwrap_err();
        assert!(matches!(error, GitError::Changed { .. }), "{error}");
        assert_eq!(fs::read_to_string(scratch.0.join("a/b.yaml")).unwrap(), "old");
        assert_eq!(scratch.names(), ["b.yaml"]);
    }

    #[test]
    fn nothing_is_written_through_a_link() {
        let (scratch, elsewhere) = (Scratch::new(), Scratch::new());
        std::os::unix::fs::symlink(elsewhere.0.join("a"), scratch.0.join("linked")).unwrap();
        std::os::unix::fs::symlink(elsewhere.0.join("a/b.yaml"), scratch.0.join("a/c.yaml")).unwrap();
        for path in ["linked/b.yaml", "a/c.yaml", "a"] {
            let error = scratch.replace(path, "old").unwrap_err();
            assert!(matches!(error, GitError::NotPlain { .. }), "{path}: {error}");
        }
        assert_eq!(fs::read_to_string(elsewhere.0.join("a/b.yaml")).unwrap(), "old");
        assert_eq!(elsewhere.names(), ["b.yaml"]);
    }
}
