//! The files of a plain folder, in the same form as those of a commit.
//!
//! This is the local exception for `plan DIR`: what is on disk, committed or not. Links are not followed, `.git` is
//! skipped, and what is neither file nor folder is reported and never opened (a pipe would block for ever).

use std::fs;
use std::io::Read as _;
use std::path::Path;

use crate::domain::commit::{File, RepoPath, Snapshot};
use crate::git::error::GitError;
use crate::git::repository::Repository;
use crate::git::snapshot::{DEEPEST, Intake, Limits};

mod replace;

impl Repository {
    /// Reads the files of a plain folder, whether or not it lies in a repository.
    ///
    /// # Errors
    /// If something cannot be read, or the folder holds more than the limits allow.
    pub fn snapshot_folder(folder: &Path, limits: &Limits) -> Result<Snapshot, GitError> {
        let mut intake = Intake::new(limits, folder.display().to_string());
        walk(&mut intake, folder, "", 0)?;
        Ok(intake.snapshot)
    }
}

fn walk(intake: &mut Intake<'_>, folder: &Path, name: &str, depth: usize) -> Result<(), GitError> {
    if depth > DEEPEST {
        return Err(intake.over(format!("{DEEPEST} folders inside each other")));
    }
    let failed = |source| GitError::Folder { path: folder.to_owned(), source };
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let own_name = entry.file_name();
        if own_name.eq_ignore_ascii_case(".git") || own_name.to_str().is_some_and(replace::is_temporary) {
            continue;
        }
        intake.count()?;
        if let Some(path) = intake.path(name, own_name.as_encoded_bytes()) {
            take(intake, &entry, path, depth)?;
        }
    }
    Ok(())
}

fn take(intake: &mut Intake<'_>, entry: &fs::DirEntry, path: RepoPath, depth: usize) -> Result<(), GitError> {
    let on_disk = entry.path();
    let failed = |source| GitError::Folder { path: on_disk.clone(), source };
    // Of a directory entry: does not follow links.
    let kind = entry.file_type().map_err(failed)?;
    if kind.is_dir() && !on_disk.join(".git").exists() {
        return if intake.wants_folder(&path) { walk(intake, &on_disk, path.as_str(), depth + 1) } else { Ok(()) };
    }
    if !intake.wants(&path) {
        return Ok(());
    }
    let file = if kind.is_symlink() {
        File::Symlink
    } else if kind.is_dir() {
        // A repository inside the folder is what a commit would hold as a submodule.
        File::Submodule
    } else if kind.is_file() {
        read(intake, &on_disk)?
    } else {
        let (folder, name) = path.as_str().rsplit_once('/').unwrap_or(("", path.as_str()));
        intake.refuse(folder, name.as_bytes());
        return Ok(());
    };
    intake.snapshot.files.insert(path, file);
    Ok(())
}

fn read(intake: &mut Intake<'_>, path: &Path) -> Result<File, GitError> {
    let failed = |source| GitError::Folder { path: path.to_owned(), source };
    let file = fs::File::open(path).map_err(failed)?;
    let size = file.metadata().map_err(failed)?.len();
    if !intake.admits(size)? {
        return Ok(File::TooLarge { size });
    }
    // The file may grow while it is read.
    let mut bytes = Vec::new();
    file.take(intake.file_limit() + 1).read_to_end(&mut bytes).map_err(failed)?;
    let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    Ok(if length > intake.file_limit() { File::TooLarge { size: length } } else { File::Bytes(bytes) })
}
