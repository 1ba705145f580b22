//! The Rust files of a folder, with comments and literals blanked out, so that words are only found in code.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// One file.
pub(super) struct Source {
    /// Its path below the folder, with `/`.
    pub(super) path: String,
    /// As it is written.
    pub(super) text: String,
    /// The same lines with comments, strings and characters blanked out.
    pub(super) code: String,
    /// True if it is compiled for tests only.
    pub(super) is_test: bool,
}

impl Source {
    /// The room it lies in: the first part of its path.
    pub(super) fn room(&self) -> &str {
        let first = self.path.split('/').next().expect("a path has a first part");
        first.strip_suffix(".rs").unwrap_or(first)
    }

    /// Its code before the tests; nothing of a file that is a test.
    pub(super) fn production(&self) -> &str {
        if self.is_test { "" } else { &self.code[..start_of_tests(&self.code)] }
    }

    /// How deep its module lies: 1 for a room.
    pub(super) fn depth(&self) -> usize {
        let parts = self.path.split('/').count();
        if self.path.ends_with("/mod.rs") { parts - 1 } else { parts }
    }
}

/// Every Rust file below a folder, in the order of their paths.
pub(super) fn read(folder: &Path) -> Vec<Source> {
    let mut paths = Vec::new();
    collect(folder, folder, &mut paths);
    paths.sort();
    let mut sources: Vec<Source> = paths
        .into_iter()
        .map(|path| {
            let text = fs::read_to_string(folder.join(&path)).unwrap();
            let code = blank(&text);
            Source { path, text, code, is_test: false }
        })
        .collect();
    let tests: BTreeSet<String> = sources.iter().flat_map(test_modules).collect();
    for source in &mut sources {
        let stem = source.path.strip_suffix(".rs").unwrap_or(&source.path);
        source.is_test = tests.iter().any(|test| stem == test || stem.starts_with(&format!("{test}/")));
    }
    sources
}

fn collect(root: &Path, folder: &Path, paths: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(root, &path, paths);
        } else if path.extension().is_some_and(|it| it == "rs") {
            let parts: Vec<_> = path.strip_prefix(root).unwrap().iter().map(|part| part.to_str().unwrap()).collect();
            paths.push(parts.join("/"));
        }
    }
}

/// Where the modules of a file lie: `plan/mod.rs` → `plan`, `plan/diff.rs` → `plan/diff`, `main.rs` → the folder itself.
pub(super) fn folder_of_modules(path: &str) -> &str {
    let stem = path.strip_suffix(".rs").unwrap_or(path);
    match stem {
        "main" | "lib" => "",
        _ => stem.strip_suffix("/mod").unwrap_or(stem),
    }
}

/// What `mod name;` declares.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Declared {
    /// The name of the module.
    pub(super) name: String,
    /// True if it is compiled for tests only.
    pub(super) for_tests: bool,
    /// The file that `#[path]` names.
    pub(super) path: Option<String>,
}

/// The modules that a text declares.
pub(super) fn declared_modules(text: &str) -> Vec<Declared> {
    let mut found = Vec::new();
    let (mut for_tests, mut path) = (false, None);
    // An attribute stands on a line of its own before what it is about: rustfmt sees to that.
    for (line, code) in text.lines().zip(blank(text).lines()) {
        let (line, code) = (line.trim(), code.trim());
        if code.is_empty() || code.starts_with("#[") {
            for_tests |= line == "#[cfg(test)]";
            path =
                line.strip_prefix("#[path = \"").and_then(|rest| rest.strip_suffix("\"]")).map(str::to_owned).or(path);
            continue;
        }
        let declaration = code.rsplit_once("mod ").filter(|(before, _)| before.is_empty() || before.starts_with("pub"));
        let name = declaration.and_then(|(_, rest)| rest.strip_suffix(';')).map(str::to_owned);
        let (for_tests, path) = (std::mem::take(&mut for_tests), path.take());
        found.extend(name.map(|name| Declared { name, for_tests, path }));
    }
    found
}

fn test_modules(source: &Source) -> Vec<String> {
    let folder = folder_of_modules(&source.path);
    let modules = declared_modules(&source.text).into_iter().filter(|module| module.for_tests);
    modules.map(|module| format!("{folder}/{}", module.name)).collect()
}

// A module that is declared elsewhere is a file of its own: only a body ends the code of this one.
fn start_of_tests(code: &str) -> usize {
    let mut from = 0;
    while let Some(at) = code[from..].find("#[cfg(test)]").map(|at| from + at) {
        let rest = code[at + "#[cfg(test)]".len()..].trim_start();
        let line = rest.lines().next().unwrap_or("");
        if line.contains("mod ") && !line.ends_with(';') {
            return at;
        }
        from = at + 1;
    }
    code.len()
}

/// Blanks comments and literals; keeps the lines.
pub(super) fn blank(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let before = out.chars().last();
        let length = literal(rest, before);
        if length == 0 {
            out.push(first);
            rest = &rest[first.len_utf8()..];
        } else {
            out.extend(rest[..length].chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
            rest = &rest[length..];
        }
    }
    out
}

/// The length of the comment or literal that starts here; 0 if none does.
fn literal(text: &str, before: Option<char>) -> usize {
    let in_word = before.is_some_and(|c| c.is_alphanumeric() || c == '_');
    if text.starts_with("//") {
        return text.find('\n').unwrap_or(text.len());
    }
    if text.starts_with("/*") {
        return block_comment(text);
    }
    if text.starts_with('"') {
        return quoted(text, 1, '"');
    }
    if !in_word && (text.starts_with("r\"") || text.starts_with("r#")) {
        return raw_string(text);
    }
    let mut chars = text.chars().skip(1);
    match (text.starts_with('\''), chars.next(), chars.next()) {
        (true, Some('\\'), _) => quoted(text, 1, '\''),
        // 'a' is a character, 'a a lifetime.
        (true, Some(c), Some('\'')) => 2 + c.len_utf8(),
        _ => 0,
    }
}

fn block_comment(text: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < text.len() {
        let rest = &text[at..];
        if rest.starts_with("/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if rest.starts_with("*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                return at;
            }
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

fn quoted(text: &str, from: usize, end: char) -> usize {
    let mut chars = text.char_indices().skip(from);
    while let Some((at, c)) = chars.next() {
        if c == '\\' {
            chars.next();
        } else if c == end {
            return at + 1;
        }
    }
    text.len()
}

fn raw_string(text: &str) -> usize {
    let hashes = text[1..].chars().take_while(|c| *c == '#').count();
    let open = 1 + hashes;
    // r#type is an identifier.
    if !text[open..].starts_with('"') {
        return 0;
    }
    let end = format!("\"{}", "#".repeat(hashes));
    text[open + 1..].find(&end).map_or(text.len(), |at| open + 1 + at + end.len())
}
