//! Patterns of names in a scope: `team-*`.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

/// A name in which `*` stands for any number of any characters. ASCII case does not count: it never does in Azure, and
/// names of Kubernetes have none.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pattern(String);

impl Pattern {
    /// The text as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// True if a name follows the pattern.
    pub fn matches(&self, name: &str) -> bool {
        meet(self.0.as_bytes(), name.as_bytes(), false)
    }

    /// True if there is a name that follows both patterns.
    pub fn overlaps(&self, other: &Self) -> bool {
        meet(self.0.as_bytes(), other.0.as_bytes(), true)
    }
}

// Dynamic programming over both texts: row[j] says whether a[..i] and b[..j] can mean the same. Backtracking would take
// exponential time on a hostile pattern.
fn meet(a: &[u8], b: &[u8], both: bool) -> bool {
    let star = |byte: u8| both && byte == b'*';
    let mut row: Vec<bool> = vec![true];
    for (j, byte) in b.iter().enumerate() {
        row.push(row[j] && star(*byte));
    }
    for &left in a {
        let mut next = vec![row[0] && left == b'*'];
        for (j, &right) in b.iter().enumerate() {
            let stars = (left == b'*' || star(right)) && (next[j] || row[j + 1]);
            let same = left == b'*' || left.eq_ignore_ascii_case(&right);
            next.push(stars || (same && row[j]));
        }
        row = next;
    }
    row[b.len()]
}

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.is_empty() || text.len() > 100 || text.contains(['/', '?', '[', ']', '{', '}', ' ']) {
            return Err(D::Error::custom("a pattern is a name of 1 to 100 characters, in which * stands for anything"));
        }
        Ok(Self(text))
    }
}

impl JsonSchema for Pattern {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Pattern".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "minLength": 1, "maxLength": 100, "examples": ["team-*"] })
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn matches(pattern: &str, name: &str, expected: bool) {
        assert_eq!(Pattern(pattern.to_owned()).matches(name), expected, "{pattern} {name}");
    }

    #[track_caller]
    fn overlaps(a: &str, b: &str, expected: bool) {
        let (a, b) = (Pattern(a.to_owned()), Pattern(b.to_owned()));
        assert_eq!((a.overlaps(&b), b.overlaps(&a)), (expected, expected), "{a} {b}");
    }

    #[test]
    fn a_star_stands_for_anything() {
        matches("team-*", "team-a", true);
        matches("team-*", "team-", true);
        matches("team-*", "teal-a", false);
        matches("RG-*", "rg-net", true);
        matches("*-prod", "a-prod-b", false);
        matches("a*b*c", "axxbyyc", true);
        matches("a", "a*", false);
        matches("*", "", true);
        matches(&"*a".repeat(40), &"a".repeat(39), false);
    }

    #[test]
    fn two_patterns_overlap_if_a_name_follows_both() {
        overlaps("team-*", "team-a", true);
        overlaps("team-*", "*-a", true);
        overlaps("team-a*", "team-b*", false);
        overlaps("a", "b", false);
        overlaps("*", "x", true);
        overlaps("a*c", "ab*", true);
    }
}
