//! What lies in `approvals/`: files of one environment that are approvals, and what only looks like one.
//!
//! The place is part of what is said. A file under another plan's, person's or environment's name, a link, or a file that
//! is too large to be read is somebody's mistake or trick: it does not count, and the person is told.

use crate::approval::file::ApprovalFile;
use crate::diagnostic::Code;
use crate::diagnostic::Diagnostic;
use crate::diagnostic::FileName;
use crate::diagnostic::Place;
use crate::domain::commit::File;
use crate::domain::commit::RepoPath;
use crate::domain::commit::Snapshot;
use crate::reconcile::approvals::Approvals;
use crate::reconcile::approvals::Question;
use crate::repo;

/// The folder of all approvals.
pub(super) fn root() -> RepoPath {
    "approvals".parse().expect("a legal path")
}

/// An approval file with its path and bytes.
pub(super) type Found = (RepoPath, Vec<u8>, ApprovalFile);

/// Reads the approvals of the environment, and says what else is there that nobody reads.
pub(super) fn read(snapshot: &Snapshot, question: Question<'_>, approvals: &mut Approvals) -> Vec<Found> {
    let environment = &question.policy.mark.environment;
    let mut found = Vec::new();
    for name in &snapshot.unreadable {
        let place = Place::file(FileName::outside(name.clone()));
        refuse(approvals, repo::code::NOT_A_FILE, place, "its path has `..`, `.git` or a backslash, or is not UTF-8");
    }
    for (path, file) in &snapshot.files {
        let folder = path.as_str().split('/').nth(1).unwrap_or_default();
        if folder == environment.as_str() {
            found.extend(one(path, file, approvals));
        } else if !question.environments.iter().any(|other| other.as_str() == folder) {
            let why = format!("there is no environment {folder:?}");
            refuse(approvals, repo::code::MISPLACED, Place::file(path), &why);
        }
    }
    found
}

fn one(path: &RepoPath, file: &File, approvals: &mut Approvals) -> Option<Found> {
    let place = || Place::file(path);
    let bytes = match file {
        File::Bytes(bytes) => bytes,
        File::TooLarge { size } => {
            let why = format!("it has {size} bytes, and an approval has a few thousand");
            refuse(approvals, repo::code::TOO_LARGE, place(), &why);
            return None;
        }
        File::Symlink | File::Submodule => {
            refuse(approvals, repo::code::NOT_A_FILE, place(), "it is a link, and links are not followed");
            return None;
        }
    };
    if path.extension() != Some("yaml") {
        refuse(approvals, repo::code::MISPLACED, place(), "its name does not end with .yaml");
        return None;
    }
    let (read, diagnostics, sources) = repo::read_one::<ApprovalFile>(path, bytes);
    approvals.diagnostics.extend(diagnostics);
    approvals.sources.merge(sources);
    let read = read?;
    let expected = read.path().ok()?;
    if expected != *path {
        refuse(approvals, repo::code::MISPLACED, place(), &format!("what it says belongs to {expected}"));
        return None;
    }
    Some((path.clone(), bytes.clone(), read))
}

/// Tells that an approval which was taken back is there again: its branch was rewritten.
pub(super) fn refuse_returned(approvals: &mut Approvals, path: &RepoPath) {
    let why = "it was taken back before, and is there again by an older commit";
    refuse(approvals, repo::code::MISPLACED, Place::file(path), why);
}

/// Tells that a file does not count, and why.
fn refuse(approvals: &mut Approvals, code: Code, place: Place, why: &str) {
    let diagnostic = Diagnostic::warning(code, format!("this approval does not count: {why}"));
    approvals.diagnostics.push(diagnostic.label(place, "").help("approve with `privlink approve`"));
}
