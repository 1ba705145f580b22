//! What can be wrong with a value, as serde tells it, in our words.

use std::fmt;

use serde::de::{Expected, Unexpected};
use serde_json::Value;

use crate::diagnostic::Step;

/// One thing that is wrong, and where.
#[derive(Debug)]
pub(crate) struct WireError {
    /// The keys that lead to it, once known: the innermost level that knows its place fills this in.
    pub(crate) path: Vec<Step>,
    placed: bool,
    /// True if the key is wrong and not its value.
    pub(crate) on_key: bool,
    /// What is wrong.
    pub(crate) problem: Problem,
}

/// What is wrong.
#[derive(Debug)]
pub(crate) enum Problem {
    /// A key that nothing reads; it is the last step of the path.
    UnknownKey {
        /// The key.
        key: String,
        /// What is read here.
        known: &'static [&'static str],
    },
    /// A required key is absent from the mapping at the path.
    Missing(&'static str),
    /// Another type than expected.
    WrongType {
        /// What stands there, with its article.
        found: String,
        /// What should, with its article.
        expected: String,
    },
    /// None of the words that are possible here.
    UnknownWord {
        /// The word.
        word: String,
        /// The possible words.
        known: &'static [&'static str],
    },
    /// A rule of the field is broken; the sentence says which.
    Invalid(String),
}

impl WireError {
    fn new(problem: Problem) -> Self {
        Self { path: Vec::new(), placed: false, on_key: false, problem }
    }

    /// A value of the wrong type.
    pub(crate) fn wrong_type(found: &Value, expected: &str) -> Self {
        Self::new(Problem::WrongType { found: words(unexpected(found)), expected: expected.to_owned() })
    }

    /// A value that is no text, where one of some words belongs.
    pub(crate) fn not_one_of(found: &Value, known: &[&str]) -> Self {
        let known: Vec<String> = known.iter().map(|word| format!("`{word}`")).collect();
        Self::wrong_type(found, &format!("one of {}", known.join(", ")))
    }

    /// Fills in the place as a key, unless a deeper level did.
    #[must_use]
    pub(crate) fn at_key(self, path: impl FnOnce() -> Vec<Step>) -> Self {
        let on_key = !self.placed;
        Self { on_key, ..self.at(path) }
    }

    /// Fills in the place, unless a deeper level did.
    #[must_use]
    pub(crate) fn at(mut self, path: impl FnOnce() -> Vec<Step>) -> Self {
        if !self.placed {
            self.path = path();
            self.placed = true;
            if let Problem::UnknownKey { key, .. } = &self.problem
                && self.path.last() != Some(&Step::Key(key.clone()))
            {
                self.path.push(Step::Key(key.clone()));
            }
        }
        self
    }
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.problem)
    }
}

impl std::error::Error for WireError {}

impl serde::de::Error for WireError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(Problem::Invalid(message.to_string()))
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(Problem::WrongType { found: words(found), expected: plain(&expected.to_string()) })
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(Problem::WrongType { found: words(found), expected: plain(&expected.to_string()) })
    }

    fn invalid_length(length: usize, expected: &dyn Expected) -> Self {
        let expected = plain(&expected.to_string());
        Self::new(Problem::WrongType { found: format!("a list of {length}"), expected })
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        Self::new(Problem::UnknownWord { word: shortened(variant), known: expected })
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        Self::new(Problem::UnknownKey { key: field.to_owned(), known: expected })
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new(Problem::Missing(field))
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::new(Problem::Invalid(format!("`{field}` is written twice")))
    }
}

fn unexpected(value: &Value) -> Unexpected<'_> {
    match value {
        Value::Null => Unexpected::Unit,
        Value::Bool(value) => Unexpected::Bool(*value),
        Value::Number(number) => match (number.as_u64(), number.as_i64()) {
            (Some(number), _) => Unexpected::Unsigned(number),
            (None, Some(number)) => Unexpected::Signed(number),
            (None, None) => Unexpected::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Value::String(text) => Unexpected::Str(text),
        Value::Array(_) => Unexpected::Seq,
        Value::Object(_) => Unexpected::Map,
    }
}

fn words(found: Unexpected<'_>) -> String {
    match found {
        Unexpected::Bool(value) => format!("{value}"),
        Unexpected::Unsigned(value) => format!("the number {value}"),
        Unexpected::Signed(value) => format!("the number {value}"),
        // Not its value: `1.20` would be told as 1.2.
        Unexpected::Float(_) => "a number with a fraction".to_owned(),
        Unexpected::Str("") => "empty text".to_owned(),
        Unexpected::Str(text) => format!("the text {:?}", shortened(text)),
        Unexpected::Unit | Unexpected::Option => "empty".to_owned(),
        Unexpected::Seq => "a list".to_owned(),
        Unexpected::Map => "a mapping".to_owned(),
        other => other.to_string(),
    }
}

// serde's own expectations speak of Rust; those that we write ourselves pass through.
fn plain(expected: &str) -> String {
    match expected {
        "a string" | "a borrowed string" | "string or map" => "text",
        "a boolean" => "true or false",
        "a sequence" => "a list",
        "a map" => "a mapping",
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535",
        "u32" => "a whole number from 0 to 4294967295",
        "i32" => "a whole number from -2147483648 to 2147483647",
        "u64" | "usize" | "i64" => "a whole number",
        text => text,
    }
    .to_owned()
}

fn shortened(text: &str) -> String {
    if text.chars().count() <= 60 { text.to_owned() } else { text.chars().take(60).chain(['…']).collect() }
}
