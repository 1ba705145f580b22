//! Which files of a commit hold documents, and their text.

use std::sync::Arc;

use crate::diagnostic::{Diagnostic, Diagnostics, FileName, Place};
use crate::domain::commit::{File, RepoPath, Snapshot};
use crate::domain::name::EnvironmentName;
use crate::repo::code;
use crate::repo::settings::Settings;

/// Bytes of the largest file that is read; a Service has about 1 KiB.
const MAX_FILE: usize = 1024 * 1024;

/// The environment whose folder a file lies in. Folders of environments do not overlap.
pub(crate) fn environment_of<'a>(path: &RepoPath, settings: &'a Settings) -> Option<&'a EnvironmentName> {
    settings.environments.iter().find(|(_, it)| path.is_under(&it.path)).map(|(name, _)| name)
}

/// Says which environments have a folder that lies behind a link or in a submodule: nothing of it is read.
pub(crate) fn hidden_folders(snapshot: &Snapshot, settings: &Settings) -> Vec<Diagnostic> {
    let links = snapshot.files.iter().filter(|(_, file)| matches!(file, File::Symlink | File::Submodule));
    let pairs = links.flat_map(|(path, _)| settings.environments.iter().map(move |environment| (path, environment)));
    let behind = pairs.filter(|(path, (_, environment))| environment.path != **path && environment.path.is_under(path));
    behind
        .map(|(path, (name, environment))| {
            let folder = &environment.path;
            let message = format!("the folder {folder} of `{name}` lies behind {path}, a link or submodule");
            Diagnostic::error(code::NOT_A_FILE, message)
                .label(Place::file(path), "")
                .help("put the folder itself into the repository; links and submodules are not followed")
        })
        .collect()
}

/// Says which entries below an environment's folder have a name that no document can have.
pub(crate) fn unreadable(snapshot: &Snapshot, settings: &Settings) -> Vec<Diagnostic> {
    let below = |name: &&String| {
        let mut folders = settings.environments.values().map(|environment| environment.path.as_str());
        folders.any(|folder| name.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/')))
    };
    let say = |name: &String| {
        Diagnostic::error(code::NOT_A_FILE, format!("{name} cannot be read"))
            .label(Place::file(crate::diagnostic::FileName::outside(name.clone())), "")
            .help("rename it: a path has no `..`, `.git` or backslash, and is UTF-8")
    };
    snapshot.unreadable.iter().filter(below).map(say).collect()
}

/// The text of a file that may hold documents; `None` if it cannot or must not be read.
pub(crate) fn text_of(path: &RepoPath, file: &File, diagnostics: &mut Diagnostics) -> Option<Arc<str>> {
    let yaml = is_yaml(path);
    let place = || Place::file(path);
    match file {
        // A link or submodule without an extension may be meant as a folder of documents.
        File::Symlink if yaml || path.extension().is_none() => diagnostics.push(
            Diagnostic::error(code::NOT_A_FILE, format!("{path} is a symbolic link, and links are not followed"))
                .label(place(), "")
                .help("put the file itself here, or move the link out of the environment's folder"),
        ),
        File::Submodule => diagnostics.push(
            Diagnostic::warning(code::NOT_A_FILE, format!("{path} is a submodule: nothing in it is read"))
                .label(place(), "")
                .help("put the files themselves here, or move the submodule out of the environment's folder"),
        ),
        File::TooLarge { size } if yaml => diagnostics.push(too_large(&path.into(), *size)),
        File::Bytes(bytes) if yaml => return decode(&path.into(), bytes, diagnostics),
        File::Symlink | File::TooLarge { .. } | File::Bytes(_) => {}
    }
    None
}

fn is_yaml(path: &RepoPath) -> bool {
    path.extension().is_some_and(|it| it.eq_ignore_ascii_case("yaml") || it.eq_ignore_ascii_case("yml"))
}

fn too_large(path: &FileName, size: u64) -> Diagnostic {
    Diagnostic::error(code::TOO_LARGE, format!("{path} has {size} bytes, and at most {MAX_FILE} are read"))
        .label(Place::file(path.clone()), "")
        .help("split it: one document is about 1 KiB")
}

/// Reads bytes as the text of a file that people review.
pub(crate) fn decode(path: &FileName, bytes: &[u8], diagnostics: &mut Diagnostics) -> Option<Arc<str>> {
    if bytes.len() > MAX_FILE {
        diagnostics.push(too_large(path, bytes.len() as u64));
        return None;
    }
    match std::str::from_utf8(bytes) {
        Err(error) => {
            diagnostics.push(not_utf8(path, bytes, error.valid_up_to()));
            None
        }
        Ok(text) if text.starts_with(LFS_POINTER) => {
            diagnostics.push(lfs_pointer(path));
            None
        }
        Ok(text) => clean(path, text, diagnostics),
    }
}

/// How every pointer file begins, by the specification of Git LFS; the rest of the address is its version.
const LFS_POINTER: &str = "version https://git-lfs.github.com/spec/";

fn lfs_pointer(path: &FileName) -> Diagnostic {
    Diagnostic::error(code::LFS_POINTER, format!("{path} is a pointer of Git LFS, and what it stands for is not here"))
        .label(Place::file(path.clone()), "")
        .help(format!(
            "commit the text itself: take the pattern that matches it out of .gitattributes, run `git add --renormalize {path}`, and commit"
        ))
}

fn not_utf8(path: &FileName, bytes: &[u8], at: usize) -> Diagnostic {
    let utf16 = bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]);
    let help = if utf16 { "it looks like UTF-16: save it as UTF-8" } else { "save it as UTF-8" };
    let line = bytes[..at].iter().filter(|byte| **byte == b'\n').count() + 1;
    Diagnostic::error(code::NOT_TEXT, format!("{path} is not UTF-8 text (line {line}, byte {at})"))
        .label(Place::file(path.clone()), "")
        .help(help)
}

fn clean(path: &FileName, text: &str, diagnostics: &mut Diagnostics) -> Option<Arc<str>> {
    let text = match text.strip_prefix('\u{feff}') {
        None => text,
        Some(rest) => {
            diagnostics.push(
                Diagnostic::warning(code::NOT_TEXT, format!("{path} starts with a byte order mark"))
                    .label(Place::bytes(path.clone(), 0..1), "")
                    .help("save it as UTF-8 without a byte order mark; some tools stumble over it"),
            );
            rest
        }
    };
    let Some((at, hidden)) = text.char_indices().find(|(_, c)| is_hidden(*c)) else {
        return Some(text.into());
    };
    let line = text[..at].matches('\n').count() + 1;
    let message = format!("{path} holds the invisible character U+{:04X} in line {line}", u32::from(hidden));
    diagnostics.push(Diagnostic::error(code::NOT_TEXT, message).label(Place::file(path.clone()), "").help(
        "remove it: what a reviewer sees must be what is applied; in double quotes an escape such as \\u202e works",
    ));
    None
}

// Control characters, and those that reorder what a reviewer sees (CVE-2021-42574).
fn is_hidden(c: char) -> bool {
    (c.is_control() && !matches!(c, '\n' | '\r' | '\t' | '\u{85}'))
        || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
