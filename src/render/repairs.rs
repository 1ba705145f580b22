//! Repairs as people and `git apply` read them: what changes in which lines, and what is left to a person.

use std::collections::BTreeMap;

use similar::TextDiff;

use crate::domain::commit::RepoPath;
use crate::render::Label;
use crate::render::Text;
use crate::render::terminal;

/// Unchanged lines around each change.
const CONTEXT: usize = 3;

/// One unified diff of all files, by their bytes before and after. Without colour it can be applied as it is.
pub fn diff(files: &BTreeMap<RepoPath, (Vec<u8>, Vec<u8>)>, colour: bool) -> String {
    let patch: String = files.iter().map(|(path, (before, after))| patch(path, before, after)).collect();
    if colour { coloured(&patch) } else { patch }
}

fn patch(path: &RepoPath, before: &[u8], after: &[u8]) -> String {
    let (before, after) = (String::from_utf8_lossy(before), String::from_utf8_lossy(after));
    let (old, new) = (format!("a/{path}"), format!("b/{path}"));
    TextDiff::from_lines(&*before, &*after).unified_diff().context_radius(CONTEXT).header(&old, &new).to_string()
}

fn coloured(patch: &str) -> String {
    let mut text = Text::new();
    for line in patch.lines() {
        let label = match line.as_bytes().first() {
            _ if line.starts_with("--- ") || line.starts_with("+++ ") => Label::Heading,
            Some(b'+') => Label::Added,
            Some(b'-') => Label::Removed,
            Some(b'@') => Label::Dim,
            _ => Label::Plain,
        };
        text.line(label, line);
    }
    terminal::render(&text, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_diff_keeps_line_ends_and_says_where_the_last_is_missing() {
        let files =
            BTreeMap::from([("a.yaml".parse().unwrap(), (b"a: 1\r\nb: 2".to_vec(), b"a: \"1\"\r\nb: 2".to_vec()))]);
        let expected =
            "--- a/a.yaml\n+++ b/a.yaml\n@@ -1,2 +1,2 @@\n-a: 1\r\n+a: \"1\"\r\n b: 2\n\\ No newline at end of file\n";
        assert_eq!(diff(&files, false), expected);
    }
}
