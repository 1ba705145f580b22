//! Turns the value of a document into a wire struct and says, with the path of keys, everything that is wrong with it.
//!
//! serde stops at the first error. So decoding is repeated, each time stepping over what was already found wrong, until it
//! ends or only echoes are left (a field that is "missing" because its value was stepped over). YAML documents and
//! privlink.toml go through the same decoder, so the same mistake reads the same in both.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::Value;

use crate::diagnostic::{Diagnostic, Diagnostics, Fix, On, Place, Step, closest, did_you_mean, dotted};
use crate::repo::code;

mod error;
mod node;

pub(crate) use error::{Problem, WireError};
use node::{Node, Trail};

/// What a key without a value means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nulls {
    /// The same as if it were not written, as the API server sees it.
    Absent,
    /// A mistake.
    Refused,
}

/// Errors told about one document; more would only hide the first ones.
const MAX_ERRORS: usize = 50;

/// What decoding is told besides the value.
#[derive(Debug)]
struct Rules {
    nulls: Nulls,
    skip: BTreeSet<Vec<Step>>,
}

/// Decodes a document, or says everything that is wrong with it. `document` is the place of its root.
pub(crate) fn decode<T: for<'de> Deserialize<'de>>(
    value: &Value,
    nulls: Nulls,
    document: &Place,
    diagnostics: &mut Diagnostics,
) -> Option<T> {
    let (decoded, errors) = decode_all(value, nulls);
    let errors = without_misspelt(errors);
    diagnostics.extend(errors.into_iter().map(|error| error.diagnostic(value, document)));
    decoded
}

fn decode_all<T: for<'de> Deserialize<'de>>(value: &Value, nulls: Nulls) -> (Option<T>, Vec<WireError>) {
    let mut rules = Rules { nulls, skip: BTreeSet::new() };
    let mut errors = Vec::new();
    while errors.len() < MAX_ERRORS {
        let error = match T::deserialize(Node { value, trail: &Trail::Root, rules: &rules }) {
            Ok(decoded) => return (errors.is_empty().then_some(decoded), errors),
            Err(error) => error,
        };
        let wrong = error.path.clone();
        if !error.echoes(&rules.skip) {
            errors.push(error);
        }
        // Nothing can be stepped over at the root; and never twice the same, or this would not end.
        if wrong.is_empty() || !rules.skip.insert(wrong) {
            break;
        }
    }
    (None, errors)
}

// A misspelt key is two errors to serde, an unknown key and a missing one, and one to people.
fn without_misspelt(errors: Vec<WireError>) -> Vec<WireError> {
    let meant: BTreeSet<Vec<Step>> = errors.iter().filter_map(WireError::meant).collect();
    let kept = |error: &WireError| match &error.problem {
        Problem::Missing(field) => !meant.contains(&within(&error.path, field)),
        _ => true,
    };
    errors.into_iter().filter(kept).collect()
}

fn within(path: &[Step], key: &str) -> Vec<Step> {
    path.iter().cloned().chain([Step::Key(key.to_owned())]).collect()
}

impl WireError {
    // The key that an unknown one probably stands for.
    fn meant(&self) -> Option<Vec<Step>> {
        let Problem::UnknownKey { key, known } = &self.problem else { return None };
        let (_, parent) = self.path.split_last()?;
        Some(within(parent, closest(key, known.iter().copied())?))
    }

    // An error about something that was stepped over, or that was made wrong by stepping over a part of it.
    fn echoes(&self, skip: &BTreeSet<Vec<Step>>) -> bool {
        let inside = |path: &[Step]| skip.iter().any(|skipped| skipped.starts_with(path));
        match &self.problem {
            Problem::Missing(field) => inside(&within(&self.path, field)),
            Problem::Invalid(_) => inside(&self.path),
            Problem::UnknownKey { .. } | Problem::WrongType { .. } | Problem::UnknownWord { .. } => false,
        }
    }

    /// Says it to a person.
    pub(crate) fn diagnostic(self, document: &Value, root: &Place) -> Diagnostic {
        let on = if self.on_key { On::Key } else { On::Value };
        let place = Place { path: self.path.clone(), on, ..root.clone() };
        let name = dotted(&self.path);
        match self.problem {
            Problem::UnknownKey { key, known } => {
                let parent = dotted(&self.path[..self.path.len().saturating_sub(1)]);
                let inside = if parent.is_empty() { String::new() } else { format!(" in `{parent}`") };
                Diagnostic::error(code::UNKNOWN_KEY, format!("unknown key `{key}`{inside}"))
                    .label(place.clone().on_key(), "nothing reads this")
                    .help(did_you_mean(&key, known.iter().copied()))
                    .fix(closest(&key, known.iter().copied()).map(|meant| Fix::key(place, meant)))
            }
            Problem::Missing(field) => {
                let thing = if name.is_empty() { "this document".to_owned() } else { format!("`{name}`") };
                let place = if name.is_empty() { Place { on: On::Whole, ..place } } else { place.on_key() };
                Diagnostic::error(code::MISSING_KEY, format!("`{field}` is missing in {thing}"))
                    .label(place, format!("`{field}` belongs in here"))
            }
            Problem::WrongType { found, expected } => {
                let value = at(document, &self.path);
                let fix = wanted(&expected, value, &place);
                wrong_type(&name, found, &expected, value).label(place, format!("not {expected}")).fix(fix)
            }
            Problem::UnknownWord { word, known } => {
                Diagnostic::error(code::INVALID_VALUE, format!("`{name}` cannot be {word:?}"))
                    .label(place.clone(), "not one of the words known here")
                    .help(did_you_mean(&word, known.iter().copied()))
                    .fix(in_another_case(&word, known).map(|meant| Fix::value(place, meant)))
            }
            Problem::Invalid(message) => {
                let (message, rule) = split_rule(&message);
                let message = if name.is_empty() { message.to_owned() } else { format!("`{name}`: {message}") };
                let diagnostic = Diagnostic::error(code::INVALID_VALUE, message).label(place, "");
                rule.into_iter().fold(diagnostic, Diagnostic::help)
            }
        }
    }
}

// The same word but for its case: a word that is only near is a guess, and people make those.
fn in_another_case(word: &str, known: &[&'static str]) -> Option<&'static str> {
    known.iter().copied().find(|known| known.eq_ignore_ascii_case(word))
}

// The value that is text but for its quotes.
fn wanted(expected: &str, value: Option<&Value>, place: &Place) -> Option<Fix> {
    let is_scalar = matches!(value, Some(Value::Bool(_) | Value::Number(_)));
    (expected == "text" && is_scalar && !place.path.is_empty()).then(|| Fix::quote(place.clone()))
}

// The domain says `"x" is not a namespace: use …`; the second half is help.
fn split_rule(message: &str) -> (&str, Option<&str>) {
    let found = message.find("\" is not a").and_then(|at| Some(at + message[at..].find(": ")?));
    match found {
        Some(colon) => (&message[..colon], Some(&message[colon + 2..])),
        None => (message, None),
    }
}

fn wrong_type(name: &str, found: String, expected: &str, value: Option<&Value>) -> Diagnostic {
    let what = if name.is_empty() { "this document".to_owned() } else { format!("`{name}`") };
    let diagnostic = Diagnostic::error(code::WRONG_TYPE, format!("{what} is {found} and must be {expected}"));
    match value {
        Some(Value::Bool(_) | Value::Number(_)) if expected == "text" => {
            diagnostic.help("put it in quotes, so that it is text")
        }
        Some(Value::Null) if expected == "text" => diagnostic.help("write \"\" for empty text, or remove the key"),
        Some(Value::Null) => diagnostic.help("give it a value, or remove the key"),
        Some(Value::String(text)) if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) => {
            diagnostic.help("write the number without quotes and without leading zeros")
        }
        Some(Value::String(text)) if expected == "true or false" && is_yaml_1_1_boolean(text) => {
            diagnostic.help("write true or false")
        }
        _ => diagnostic,
    }
}

fn is_yaml_1_1_boolean(text: &str) -> bool {
    ["y", "n", "yes", "no", "on", "off", "true", "false"].contains(&text.to_ascii_lowercase().as_str())
}

fn at<'a>(value: &'a Value, path: &[Step]) -> Option<&'a Value> {
    path.iter().try_fold(value, |value, step| match step {
        Step::Key(key) => value.get(key),
        Step::Index(index) => value.get(index),
    })
}
