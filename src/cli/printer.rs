//! The only place that prints. Results go to stdout; progress, questions and errors go to stderr.

use std::io::BufRead;
use std::io::Write;
use std::time::Duration;

use indicatif::ProgressBar;
use indicatif::ProgressDrawTarget;
use indicatif::ProgressStyle;

use crate::apply::report::News;
use crate::apply::report::Progress;
use crate::apply::report::StepReport;
use crate::render::Label;
use crate::render::Text;
use crate::render::terminal;

/// The streams of a run, and what is known about them.
pub struct Io {
    /// Standard output.
    pub out: Box<dyn Write + Send>,
    /// Standard error.
    pub err: Box<dyn Write + Send>,
    /// Standard input.
    pub input: Box<dyn BufRead + Send>,
    /// True if a person reads standard output.
    pub out_is_terminal: bool,
    /// True if a person reads standard error.
    pub err_is_terminal: bool,
    /// True if a person types standard input.
    pub input_is_terminal: bool,
}

impl std::fmt::Debug for Io {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { out: _, err: _, input: _, out_is_terminal, err_is_terminal, input_is_terminal } = self;
        f.debug_struct("Io")
            .field("out_is_terminal", out_is_terminal)
            .field("err_is_terminal", err_is_terminal)
            .field("input_is_terminal", input_is_terminal)
            .finish_non_exhaustive()
    }
}

/// Whether to colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Colour {
    /// Where a person reads, and `NO_COLOR` is not set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// Prints.
#[derive(Debug)]
pub struct Printer<'a> {
    io: &'a mut Io,
    out_colour: bool,
    err_colour: bool,
    bar: Option<ProgressBar>,
}

impl<'a> Printer<'a> {
    /// Decides about colour once.
    pub fn new(io: &'a mut Io, colour: Colour, no_color: bool) -> Self {
        let decide = |is_terminal: bool| match colour {
            Colour::Auto => is_terminal && !no_color,
            Colour::Always => true,
            Colour::Never => false,
        };
        let (out_colour, err_colour) = (decide(io.out_is_terminal), decide(io.err_is_terminal));
        Self { io, out_colour, err_colour, bar: None }
    }

    /// True if a person can be asked.
    pub fn is_interactive(&self) -> bool {
        self.io.input_is_terminal && self.io.err_is_terminal
    }

    /// True if results are coloured.
    pub fn colours_out(&self) -> bool {
        self.out_colour
    }

    /// True if messages are coloured.
    pub fn colours_err(&self) -> bool {
        self.err_colour
    }

    /// Prints a result.
    pub fn result(&mut self, text: &Text) {
        let text = terminal::render(text, self.out_colour);
        self.raw_result(&text);
    }

    /// Prints a result as it is.
    pub fn raw_result(&mut self, text: &str) {
        // A reader that went away (`| head`) is not an error of ours.
        let _ = self.io.out.write_all(text.as_bytes()).and_then(|()| self.io.out.flush());
    }

    /// Prints a message beside the results.
    pub fn message(&mut self, text: &Text) {
        let text = terminal::render(text, self.err_colour);
        self.raw_message(&text);
    }

    /// Prints a message as it is.
    pub fn raw_message(&mut self, text: &str) {
        let bar = self.bar.clone();
        let mut write = || {
            let _ = self.io.err.write_all(text.as_bytes()).and_then(|()| self.io.err.flush());
        };
        match bar {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }

    /// Prints one line beside the results.
    pub fn line(&mut self, label: Label, text: impl AsRef<str>) {
        let mut line = Text::new();
        line.line(label, text);
        self.message(&line);
    }

    /// Asks a question; only `y` and `yes` mean yes, and silence means no.
    pub fn confirm(&mut self, question: &str) -> bool {
        self.ask(&format!("{question} [y/N] ")).is_some_and(|answer| matches!(answer.as_str(), "y" | "yes"))
    }

    fn ask(&mut self, question: &str) -> Option<String> {
        self.raw_message(question);
        let mut answer = String::new();
        let read = self.io.input.read_line(&mut answer).ok()?;
        (read > 0).then(|| answer.trim().to_ascii_lowercase())
    }

    /// Shows news of a running apply: one line a step that ended, and on a terminal one live line for what runs.
    pub fn progress(&mut self, progress: &Progress) {
        let Progress { step: _, key, action, elapsed, news } = progress;
        match news {
            News::Started => self.live(format!("{action} {key}")),
            News::Waits { reason } => {
                self.live(format!("{action} {key}: waits for {reason}"));
                if self.bar.is_none() {
                    self.line(Label::Dim, format!("waits    {action} {key}: for {reason}"));
                }
            }
            News::Retries { message, after } => {
                let after = after.as_secs_f32();
                self.line(Label::Warning, format!("retries  {action} {key} in {after:.1}s: {message}"));
            }
            News::Ended(outcome) => {
                let (key, action, outcome) = (key.clone(), *action, outcome.clone());
                let report = StepReport { key, action, outcome, took: *elapsed };
                self.message(&crate::render::apply::line(&report));
            }
        }
    }

    /// Shows what is going on in one line that is overwritten; on anything but a terminal, not at all.
    pub fn live(&mut self, text: String) {
        if !self.io.err_is_terminal {
            return;
        }
        let bar = self.bar.get_or_insert_with(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            let style = ProgressStyle::with_template("{spinner} {elapsed} {wide_msg}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        });
        bar.set_message(text);
    }

    /// Takes the live line away.
    pub fn end_live(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}
