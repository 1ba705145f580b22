//! Finds bytes of a text as it is read in the text as it is written, between quotes and through escapes.

use std::ops::Range;

/// Where `part` of the read text stands in the written one; `None` for text that is folded over lines.
pub(super) fn written(raw: &str, part: Range<usize>) -> Option<Range<usize>> {
    if raw.contains('\n') {
        return None;
    }
    let quote = raw.chars().next().filter(|first| matches!(first, '"' | '\''));
    let (mut at, mut read, mut start) = (usize::from(quote.is_some()), 0, None);
    loop {
        if read >= part.start && start.is_none() {
            start = Some(at);
        }
        if read >= part.end {
            return Some(start?..at);
        }
        let (bytes_written, bytes_read) = character(raw.get(at..)?, quote)?;
        at += bytes_written;
        read += bytes_read;
    }
}

// How many bytes the next character takes, as written and as read.
fn character(rest: &str, quote: Option<char>) -> Option<(usize, usize)> {
    let first = rest.chars().next()?;
    match (quote, first) {
        (Some('"'), '\\') => escape(rest),
        (Some('"'), '"') => None,
        (Some('\''), '\'') => rest.starts_with("''").then_some((2, 1)),
        _ => Some((first.len_utf8(), first.len_utf8())),
    }
}

fn escape(rest: &str) -> Option<(usize, usize)> {
    let kind = rest.chars().nth(1)?;
    let digits = match kind {
        'x' => 2,
        'u' => 4,
        'U' => 8,
        'N' | '_' => return Some((2, 2)),
        'L' | 'P' => return Some((2, 3)),
        _ => return Some((1 + kind.len_utf8(), 1)),
    };
    let code = u32::from_str_radix(rest.get(2..2 + digits)?, 16).ok()?;
    Some((2 + digits, char::from_u32(code)?.len_utf8()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn case(raw: &str, part: Range<usize>, expected: Option<&str>) {
        assert_eq!(written(raw, part).map(|range| &raw[range]), expected);
    }

    #[test]
    fn a_part_is_found_between_quotes_and_through_escapes() {
        case("a bc", 2..4, Some("bc"));
        case("'a bc'", 2..4, Some("bc"));
        case("'a''s bc'", 4..6, Some("bc"));
        case(r#""a bc""#, 2..4, Some("bc"));
        case(r#""\t\u00e9 bc""#, 4..6, Some("bc"));
        case(r#""a\tbc d""#, 0..4, Some(r"a\tbc"));
        case("ü☃ bc", 6..8, Some("bc"));
    }

    #[test]
    fn what_is_not_there_is_not_found() {
        case("'a'", 0..9, None);
        case("a\n  b", 2..3, None);
    }
}
