//! Syntax errors in our own words, and the place where people look for them.

use super::ErrorKind;

// The parser often notices trouble at the end of the text; people look for it at the last thing written.
pub(super) fn visible(text: &str, offset: usize) -> usize {
    let offset = offset.min(text.len());
    match text.get(offset..) {
        Some(rest) if !rest.trim_start().is_empty() => offset,
        _ => text.trim_end().char_indices().next_back().map_or(0, |(last, _)| last),
    }
}

// Most trouble near a tab is the tab: in the line in question, the one before it or the one after.
pub(super) fn indenting_tab(text: &str, offset: usize) -> Option<usize> {
    let offset = (0..=offset.min(text.len())).rev().find(|at| text.is_char_boundary(*at))?;
    let current = text[..offset].matches('\n').count();
    let mut start = 0;
    for (number, line) in text.split_inclusive('\n').enumerate() {
        let indent = &line[..line.len() - line.trim_start_matches([' ', '\t']).len()];
        if number.abs_diff(current) <= 1
            && let Some(tab) = indent.find('\t')
        {
            return Some(start + tab);
        }
        start += line.len();
    }
    None
}

/// A key that cannot be one because of what stands before it.
pub(super) const UNFINISHED: Wording = (
    "this line does not continue the line before it",
    "cannot be a key here",
    "write the line before as `key: value`, and close its quotes and brackets",
);

// True for the colon of `a: b: c`.
pub(super) fn is_second_colon(text: &str, offset: usize) -> bool {
    let before = text.get(..offset).unwrap_or_default();
    before[before.rfind('\n').map_or(0, |newline| newline + 1)..].contains(": ")
}

/// The sentence, what is said at the place, and what to do.
pub(super) type Wording = (&'static str, &'static str, &'static str);

pub(super) fn wording(kind: &ErrorKind) -> Wording {
    of_brackets(kind).or_else(|| of_quotes(kind)).or_else(|| of_lines(kind)).unwrap_or((
        "this is not valid YAML",
        "not expected here",
        "quotes around a value often help",
    ))
}

fn of_brackets(kind: &ErrorKind) -> Option<Wording> {
    use ErrorKind as E;
    Some(match kind {
        E::UnclosedFlowCollection { .. }
        | E::UnexpectedEofFlowSequence
        | E::UnexpectedEofFlowMapping
        | E::UnexpectedEofImplicitFlowMapping => {
            ("a bracket is opened and never closed", "still open here", "close every [ with ] and every { with }")
        }
        E::MisplacedFlowCollectionEnd | E::MismatchedFlowCollectionEnd { .. } => {
            ("a bracket closes nothing", "closes nothing", "text that starts with a bracket needs quotes")
        }
        E::ExpectedFlowMappingSeparator | E::ExpectedFlowSequenceSeparator => (
            "two entries between brackets are not separated",
            "a comma or the closing bracket belongs before this",
            "separate entries with commas and close the bracket",
        ),
        E::BlockEntryInFlowCollection => {
            ("a list item with '-' stands between brackets", "not between brackets", "separate the items with commas")
        }
        _ => return None,
    })
}

fn of_quotes(kind: &ErrorKind) -> Option<Wording> {
    use ErrorKind as E;
    Some(match kind {
        E::UnclosedQuotedScalar | E::DocumentIndicatorInQuotedScalar => {
            ("a quote is opened and never closed", "still open here", "close the quote")
        }
        E::InvalidTrailingSingleQuotedScalar | E::InvalidTrailingDoubleQuotedScalar => {
            ("text follows a closing quote", "after the quote", "put the whole value in one pair of quotes")
        }
        E::UnknownQuotedScalarEscape
        | E::InvalidQuotedScalarHexEscape
        | E::InvalidLowSurrogateHexEscape
        | E::InvalidLowSurrogate
        | E::MissingLowSurrogate
        | E::UnpairedLowSurrogate
        | E::InvalidUnicodeEscape => (
            "an escape in double quotes is not known",
            "not an escape",
            "write \\\\ for a backslash, or use single quotes, in which nothing is an escape",
        ),
        E::UnexpectedCharacter { .. } => {
            ("a value starts with a character that YAML reserves", "reserved", "put the value in quotes")
        }
        _ => return None,
    })
}

fn of_lines(kind: &ErrorKind) -> Option<Wording> {
    use ErrorKind as E;
    Some(match kind {
        E::TabNotAllowed
        | E::TabInBlockIndentation
        | E::TabInIndentation
        | E::TabAtBlockScalarStart
        | E::TabInPlainScalar => {
            ("a tab stands where YAML wants spaces", "a tab near here", "use spaces, or put the value in quotes")
        }
        E::InvalidIndentation
        | E::InvalidBlockScalarIndent
        | E::InvalidQuotedScalarIndent
        | E::InvalidFlowScalarIndent
        | E::ExpectedBlockMappingKey
        | E::ExpectedBlockSequenceEntry
        | E::BlockSequenceEntryNotAllowed => (
            "this line does not fit the lines before it",
            "the indentation is wrong, or a line before is not finished",
            "keys of one mapping, and items of one list, start in the same column",
        ),
        E::MappingValueNotAllowed | E::MappingKeyNotAllowed | E::InvalidColonPlacement => (
            "a ':' stands where no key is possible",
            "a second key here?",
            "put a value that contains ': ' in quotes, or start a new line",
        ),
        E::SimpleKeyExpected | E::InvalidSimpleKey => {
            ("a line has no ':' after its key", "a key without ':'", "write it as `key: value`")
        }
        E::CommentNotSeparated => ("a comment needs a space before its '#'", "no space before it", ""),
        _ => return None,
    })
}
