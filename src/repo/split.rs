//! Cuts the text of a file into its YAML documents, so that one broken document does not lose the others.
//!
//! `---` or `...` at the start of a line, alone or followed by white space, is a document marker wherever it stands: not
//! even a block of text may contain it. So the cut needs no parser.

use std::ops::Range;

/// The bytes of each document, its `---` line included.
pub(crate) fn documents(text: &str) -> Vec<Range<usize>> {
    let mut cuts = vec![0];
    for (start, line) in lines(text) {
        if is_marker(line, "---") {
            cuts.push(start);
        } else if is_marker(line, "...") {
            cuts.push(start + line.len());
        }
    }
    cuts.push(text.len());
    cuts.windows(2).map(|cut| cut[0]..cut[1]).filter(|range| !range.is_empty()).collect()
}

// A carriage return ends a line in YAML, also without a line feed.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.split_inclusive(['\n', '\r']).scan(0, |at, line| {
        let start = *at;
        *at += line.len();
        Some((start, line))
    })
}

fn is_marker(line: &str, marker: &str) -> bool {
    line.strip_prefix(marker).is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\n', '\r']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn case(text: &str, expected: &[&str]) {
        let found: Vec<&str> = documents(text).into_iter().map(|range| &text[range]).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn documents_are_cut_at_markers() {
        case("", &[]);
        case("a: 1\n", &["a: 1\n"]);
        case("---\na: 1\n---\nb: 2\n", &["---\na: 1\n", "---\nb: 2\n"]);
        case("a: 1\r\n--- # x\r\nb: 2", &["a: 1\r\n", "--- # x\r\nb: 2"]);
        case("a: 1\n...\nb: 2\n", &["a: 1\n...\n", "b: 2\n"]);
        case("a: ---\n ---\n----\n", &["a: ---\n ---\n----\n"]);
    }
}
