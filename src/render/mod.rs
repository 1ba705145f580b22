//! Values of every stage as labelled text: one text goes to a terminal, a pull request or a file.
//!
//! A renderer says what a piece of text *is* (added, a risk, an id); what that looks like is decided by whoever writes it
//! out (`terminal`).

mod affected;
pub mod age;
pub mod apply;
pub mod diagnostic;
pub mod explain;
pub mod findings;
pub mod json;
mod left_out;
pub mod markdown;
pub mod missing;
pub mod page;
pub mod plan;
pub mod rbac;
pub mod repairs;
pub mod review;
pub mod saved_plan;
pub mod schema;
pub mod shown;
pub mod stats;
pub mod status;
pub mod status_files;
mod step;
mod table;
pub mod terminal;
pub mod window;
pub mod yaml;

/// What a piece of text is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Label {
    /// Nothing special.
    #[default]
    Plain,
    /// A heading.
    Heading,
    /// Something that will be there.
    Added,
    /// Something that will be gone.
    Removed,
    /// Something that will be different.
    Changed,
    /// Of less interest.
    Dim,
    /// An error.
    Error,
    /// A warning.
    Warning,
    /// A hint.
    Hint,
    /// An id that people copy.
    Id,
    /// A safe change.
    Safe,
    /// A notable change.
    Notable,
    /// A disruptive change.
    Disruptive,
    /// A severing or exposing change.
    Severing,
}

/// A piece of text and what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// What it is.
    pub label: Label,
    /// The text, without line breaks.
    pub text: String,
}

/// Lines of labelled pieces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text {
    lines: Vec<Vec<Span>>,
}

impl Text {
    /// No lines.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a piece to the last line; each line break in it starts a new line.
    pub fn push(&mut self, label: Label, text: impl AsRef<str>) -> &mut Self {
        for (index, part) in text.as_ref().split('\n').enumerate() {
            if index > 0 || self.lines.is_empty() {
                self.lines.push(Vec::new());
            }
            if let Some(line) = self.lines.last_mut().filter(|_| !part.is_empty()) {
                line.push(Span { label, text: part.to_owned() });
            }
        }
        self
    }

    /// Adds a plain piece.
    pub fn plain(&mut self, text: impl AsRef<str>) -> &mut Self {
        self.push(Label::Plain, text)
    }

    /// Ends the line.
    pub fn end(&mut self) -> &mut Self {
        if self.lines.is_empty() {
            self.lines.push(Vec::new());
        }
        self.lines.push(Vec::new());
        self
    }

    /// Adds a whole line of one label.
    pub fn line(&mut self, label: Label, text: impl AsRef<str>) -> &mut Self {
        self.push(label, text).end()
    }

    /// Adds another text, its first line after our last.
    pub fn append(&mut self, other: Self) -> &mut Self {
        for (index, line) in other.lines.into_iter().enumerate() {
            match self.lines.last_mut() {
                Some(last) if index == 0 => last.extend(line),
                _ => self.lines.push(line),
            }
        }
        self
    }

    /// The lines. A text that ends with a line break has an empty last line.
    pub fn lines(&self) -> &[Vec<Span>] {
        &self.lines
    }

    /// True if there is no text.
    pub fn is_empty(&self) -> bool {
        self.lines.iter().all(Vec::is_empty)
    }
}

/// Shows control characters instead of sending them: a name in a file must not steer somebody's terminal. Nor must it steer a
/// build: Azure Pipelines obeys `##vso[` and GitHub Actions `##[` wherever they stand in a line of a log.
pub fn visible(text: &str) -> std::borrow::Cow<'_, str> {
    let hostile =
        |c: char| (c.is_control() && c != '\n') || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let text: std::borrow::Cow<'_, str> = match text.contains("##") {
        // Twice: of three in a row the first replacement sees two.
        true => text.replace("##", "#\u{200b}#").replace("##", "#\u{200b}#").into(),
        false => text.into(),
    };
    if !text.contains(hostile) {
        return text;
    }
    text.chars()
        .map(|c| if hostile(c) { c.escape_unicode().to_string() } else { c.to_string() })
        .collect::<String>()
        .into()
}

/// "1 error", "2 errors".
pub fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_join_on_a_line_and_breaks_start_new_ones() {
        let mut text = Text::new();
        text.plain("a").push(Label::Id, "b\nc").end().plain("d");
        let shape: Vec<Vec<&str>> =
            text.lines().iter().map(|line| line.iter().map(|span| span.text.as_str()).collect()).collect();
        assert_eq!(shape, [vec!["a", "b"], vec!["c"], vec!["d"]]);
    }

    #[test]
    fn control_characters_are_shown() {
        assert_eq!(visible("a\u{1b}[31mb"), "a\\u{1b}[31mb");
        assert_eq!(visible("ä\n☃"), "ä\n☃");
    }

    #[test]
    fn no_text_of_others_is_a_command_to_a_build() {
        for command in ["##vso[task.setvariable variable=x]y", "a ##[add-path]b", "####vso[x]"] {
            assert!(!visible(command).contains("##"), "{command}");
        }
    }
}
