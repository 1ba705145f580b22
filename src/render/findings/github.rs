//! Workflow commands: GitHub Actions turns each into an annotation beside the line.

use crate::diagnostic::Diagnostic;
use crate::diagnostic::Diagnostics;
use crate::diagnostic::Severity;
use crate::repo::source::Sources;

/// One command per finding.
pub fn github(diagnostics: &Diagnostics, sources: &Sources) -> String {
    diagnostics.iter().map(|diagnostic| command(diagnostic, sources)).collect()
}

fn command(diagnostic: &Diagnostic, sources: &Sources) -> String {
    let Diagnostic { code, severity, message, labels, help, fix: _ } = diagnostic;
    let name = match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "notice",
    };
    let mut properties = Vec::new();
    if let Some(label) = labels.first() {
        properties.push(format!("file={}", property(label.place.file.as_str())));
        if let Some(region) = sources.region(&label.place) {
            properties.push(format!("line={},col={},endColumn={}", region.line, region.column, region.end_column));
        }
    }
    properties.push(format!("title={code}"));
    let help = help.as_ref().map(|help| format!("\n{help}")).unwrap_or_default();
    format!("::{name} {}::{}\n", properties.join(","), data(&format!("{message}{help}")))
}

// Source: "escapeData" and "escapeProperty" of the Actions toolkit.
pub(super) fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

pub(super) fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_end_a_command_or_start_another_one() {
        assert_eq!(data("100%\n::error::x"), "100%25%0A::error::x");
        assert_eq!(property("a,b:c"), "a%2Cb%3Ac");
    }
}
