//! Text of others that stays text: nothing in it means anything to Markdown, HTML, or one of the three forges.
//!
//! A forge looks for people, issues, requests, labels and commits in what it shows: GitHub and GitLab in prose only (their
//! docs on autolinked references), Azure DevOps for `@<id>` in the bytes themselves. GitLab takes a line that begins with `/`
//! for a command, so no line begins with text of others. One spelling serves all three: a forge ignores what another one reads.

use crate::render::shown;

/// What no eye sees and no forge looks through.
const APART: char = '\u{200b}';

/// A code span that no back-tick in the text can close.
pub fn code(text: &str) -> String {
    let text = apart(&shown::one_line(text));
    let ticks = "`".repeat(longest_run(&text) + 1);
    // A span that begins or ends with a back-tick needs a blank, which Markdown takes away again.
    let pad = if text.starts_with('`') || text.ends_with('`') || text.is_empty() { " " } else { "" };
    format!("{ticks}{pad}{text}{pad}{ticks}")
}

/// A code span inside a table.
pub(in crate::render) fn cell_code(text: &str) -> String {
    cell(&code(text))
}

/// A table ends a cell at every `|`, in code spans too.
pub(super) fn cell(markdown: &str) -> String {
    // `inert` escapes it already; a second backslash would set it free again.
    markdown.replace("\\|", "|").replace('|', "\\|")
}

/// A fenced block that no back-tick run in the text can close.
pub(super) fn fence(language: &str, text: &str) -> String {
    fence_exactly(language, &apart(text))
}

/// A command as people copy it: a branch may well be called `fix#1`. Only what reaches people through code is taken apart.
pub(super) fn command(text: &str) -> String {
    fence_exactly("sh", &text.replace("@<", "@\u{200b}<"))
}

fn fence_exactly(language: &str, text: &str) -> String {
    let ticks = "`".repeat((longest_run(text) + 1).max(3));
    format!("{ticks}{language}\n{}\n{ticks}\n", text.trim_end_matches('\n'))
}

/// Takes references apart that Azure DevOps, which reads the bytes of a comment, might find in code too: `@<id>`, `#1`, `!1`.
fn apart(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        out.push(c);
        let is_one = match (c, rest.peek()) {
            ('@', Some(next)) => *next == '<',
            ('#' | '!', Some(next)) => next.is_ascii_digit(),
            _ => false,
        };
        if is_one {
            out.push(APART);
        }
    }
    out
}

/// A word of a command that a person copies: a shell takes nothing in it for anything but text.
pub(super) fn shell_word(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-:".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

fn longest_run(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or_default()
}

/// Prose that means nothing to Markdown, HTML or a forge.
pub fn inert(text: &str) -> String {
    let mut out = String::new();
    let text = shown::one_line(text);
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '&' => out.push_str("&amp;\u{200b}"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' => {
                out.push('\\');
                out.push(c);
            }
            // A forge looks for people, issues, requests, labels, milestones and snippets in the text that is left.
            '@' | '#' | '!' | '~' | '%' | '$' | ':' => {
                if matches!(c, '~' | '$') {
                    out.push('\\');
                }
                out.push(c);
                if rest.peek().is_some_and(|next| *next != ' ') {
                    out.push(APART);
                }
            }
            c => out.push(c),
        }
    }
    out.replace("GH-", "GH-\u{200b}").replace("gh-", "gh-\u{200b}").replace("www.", "www\u{200b}.")
}

/// Text inside an HTML element, where Markdown is not read and a backslash would be seen.
pub(super) fn html(text: &str) -> String {
    let text = shown::one_line(text);
    let mut out = String::new();
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        if c.is_ascii_punctuation() && !"-/.,:()".contains(c) {
            out.push_str(&format!("&#{};", u32::from(c)));
        } else {
            out.push(c);
        }
        // A forge looks for references and addresses after it has read the entities.
        if "@#!&~%$:".contains(c) && rest.peek().is_some_and(|next| *next != ' ') {
            out.push(APART);
        }
    }
    out.replace("GH-", "GH-\u{200b}").replace("gh-", "gh-\u{200b}").replace("www.", "www\u{200b}.")
}
