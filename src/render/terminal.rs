//! Labelled text for a terminal, with or without colour.

use anstyle::{AnsiColor, Style};

use crate::render::{Label, Text, visible};

/// Writes a text out; without colour it is plain text. Control characters in it are shown, not sent.
pub fn render(text: &Text, colour: bool) -> String {
    let mut out = String::new();
    for (index, line) in text.lines().iter().enumerate() {
        if index > 0 {
            out.push('\n');
        }
        for span in line {
            let style = if colour { style(span.label) } else { Style::new() };
            out.push_str(&format!("{style}{}{style:#}", visible(&span.text)));
        }
    }
    out
}

fn style(label: Label) -> Style {
    let colour = |colour: AnsiColor| Style::new().fg_color(Some(colour.into()));
    match label {
        Label::Plain => Style::new(),
        Label::Heading | Label::Id => Style::new().bold(),
        Label::Added | Label::Safe => colour(AnsiColor::Green),
        Label::Removed => colour(AnsiColor::Red),
        Label::Changed | Label::Notable => colour(AnsiColor::Yellow),
        Label::Dim => Style::new().dimmed(),
        Label::Error | Label::Severing => colour(AnsiColor::Red).bold(),
        Label::Warning | Label::Disruptive => colour(AnsiColor::Yellow).bold(),
        Label::Hint => colour(AnsiColor::Cyan),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colour_is_a_choice() {
        let mut text = Text::new();
        text.push(Label::Added, "+ a").end();
        assert_eq!(render(&text, false), "+ a\n");
        assert_eq!(render(&text, true), "\u{1b}[32m+ a\u{1b}[0m\n");
    }
}
