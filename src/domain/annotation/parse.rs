//! How the cloud provider reads the text of an annotation: three strictnesses of booleans, two sorts of lists.
//!
//! Source: cloud-provider-azure at 7b31c76ce. Which annotation is read how stands with each rule that asks.

use std::ops::Range;

/// One item of a list, with its bytes in the annotation's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token<'a> {
    /// The item, trimmed.
    pub text: &'a str,
    /// Its bytes in the whole text.
    pub range: Range<usize>,
}

/// `true`, byte for byte: the flag for an internal load balancer.
pub fn is_true_exact(text: &str) -> bool {
    text == "true"
}

/// `true` in any case, but without blanks: most flags.
pub fn is_true_folded(text: &str) -> bool {
    text.eq_ignore_ascii_case("true")
}

/// `true` in any case, blanks around it do not count: `azure-pls-create` and `azure-pls-proxy-protocol`.
pub fn is_true_trimmed(text: &str) -> bool {
    text.trim().eq_ignore_ascii_case("true")
}

/// True for `true` and `false` in any case, without blanks.
pub fn is_boolean_folded(text: &str) -> bool {
    is_true_folded(text) || text.eq_ignore_ascii_case("false")
}

/// A whole number of 32 bits, blanks around it do not count. Empty text is none.
pub fn int32(text: &str) -> Option<i32> {
    text.trim().parse().ok()
}

/// The items of a list that is split at U+0020 only: a comma, a tab or a line break stays inside its item.
pub fn tokens(text: &str) -> impl Iterator<Item = Token<'_>> {
    pieces(text, ' ').filter(|token| !token.text.is_empty())
}

/// The items of a list that is split at commas; empty ones are kept.
pub fn items(text: &str) -> impl Iterator<Item = Token<'_>> {
    pieces(text, ',')
}

fn pieces(text: &str, separator: char) -> impl Iterator<Item = Token<'_>> {
    let mut next = 0;
    text.split(separator).map(move |piece| {
        let start = next + (piece.len() - piece.trim_start().len());
        next += piece.len() + separator.len_utf8();
        let text = piece.trim();
        Token { text, range: start..start + text.len() }
    })
}

/// The number and the rest of a key such as `service.beta.kubernetes.io/port_80_no_lb_rule`.
pub fn port_key(key: &str) -> Option<(&str, &str)> {
    key.strip_prefix(super::PREFIX)?.strip_prefix("port_")?.split_once('_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_blank_ends_an_item_of_a_list() {
        let found: Vec<(&str, Range<usize>)> = tokens(" a  b,c \td ").map(|token| (token.text, token.range)).collect();
        assert_eq!(found, [("a", 1..2), ("b,c", 4..7), ("d", 9..10)]);
    }

    #[test]
    fn only_a_comma_ends_an_item_of_a_comma_list() {
        let found: Vec<(&str, Range<usize>)> = items("a, b c,,").map(|item| (item.text, item.range)).collect();
        assert_eq!(found, [("a", 0..1), ("b c", 3..6), ("", 7..7), ("", 8..8)]);
    }

    #[test]
    fn the_three_strictnesses_of_true() {
        let all = |text| (is_true_exact(text), is_true_folded(text), is_true_trimmed(text));
        assert_eq!(all("true"), (true, true, true));
        assert_eq!(all("True"), (false, true, true));
        assert_eq!(all("true "), (false, false, true));
        assert_eq!(all("yes"), (false, false, false));
    }

    #[test]
    fn numbers_are_whole_and_fit() {
        assert_eq!([int32(" +8 "), int32("8.0"), int32(""), int32("3000000000")], [Some(8), None, None, None]);
    }

    #[test]
    fn the_key_of_a_port_has_a_number_and_a_rest() {
        assert_eq!(port_key("service.beta.kubernetes.io/port_80_health-probe_port"), Some(("80", "health-probe_port")));
        assert_eq!(port_key("service.beta.kubernetes.io/azure-pls-create"), None);
    }
}
