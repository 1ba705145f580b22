//! What a plan still needs, in words.

use crate::approval::Missing;
use crate::approval::News;
use crate::desired::policy::Freeze;
use crate::render::Label;
use crate::render::Text;
use crate::render::shown;
use crate::render::shown::one_line;
use crate::render::terminal;
use crate::render::window;

/// Says what a plan still needs.
pub fn missing(missing: &Missing) -> Text {
    let Missing { needs, refused, unsigned, lost, news, frozen, closed } = missing;
    let mut text = Text::new();
    if let Some(Freeze { reason, until }) = frozen {
        text.line(Label::Notable, format!("  nothing is applied before {until}: {}", one_line(reason)));
    }
    if let Some(closed) = closed {
        text.append(window::closed(closed));
    }
    for (risk, need) in needs {
        let have = match need.have {
            0 => String::new(),
            have => format!(", and {have} counts so far"),
        };
        text.line(Label::Plain, format!("  {risk} changes need {}{have}: {}", need.consent, few(&need.changes)));
    }
    for refused in refused {
        text.line(Label::Plain, format!("  {refused}"));
    }
    for News { approver, plan, differences } in news {
        text.line(Label::Notable, format!("  since {approver} approved plan {}…:", &plan.as_str()[..10]));
        for difference in differences {
            text.line(Label::Plain, format!("    {}", one_line(difference)));
        }
    }
    if !unsigned.is_empty() {
        text.line(Label::Plain, format!("  nobody can tell who made the change: {}", few(unsigned)));
    }
    if let Some(commit) = lost {
        text.line(Label::Notable, format!("  {}", shown::lost(commit)));
        text.line(Label::Hint, format!("  help: {}", shown::WHEN_LOST));
    }
    text
}

/// Names a few things and counts the rest.
pub fn few(names: &[String]) -> String {
    const SHOWN: usize = 3;
    let shown = names.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// The same as one line, for a log.
pub fn in_a_line(needed: &Missing) -> String {
    let text = terminal::render(&missing(needed), false);
    text.lines().map(str::trim).collect::<Vec<_>>().join("; ")
}
