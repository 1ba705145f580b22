//! What plain text of YAML means: a value of the core schema of YAML 1.2, and what other readers would make of it.

use serde_json::{Number, Value};

/// The value that plain text stands for; text in quotes is always text.
pub(super) fn typed(text: String) -> Value {
    match text.as_bytes().first() {
        None => Value::Null,
        Some(b'0'..=b'9' | b'-' | b'+' | b'.') => number(&text).map_or(Value::String(text), Value::Number),
        Some(b'~' | b'n' | b'N' | b't' | b'T' | b'f' | b'F') => word(&text).unwrap_or(Value::String(text)),
        Some(_) => Value::String(text),
    }
}

/// True for the words that stand for no value.
pub(super) fn is_null(text: &str) -> bool {
    matches!(text, "" | "~" | "null" | "Null" | "NULL")
}

fn word(text: &str) -> Option<Value> {
    match text {
        "true" | "True" | "TRUE" => Some(Value::Bool(true)),
        "false" | "False" | "FALSE" => Some(Value::Bool(false)),
        text if is_null(text) => Some(Value::Null),
        _ => None,
    }
}

// Leading zeros and underscores are text: readers do not agree on the number.
fn number(text: &str) -> Option<Number> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let leading_zero = digits.len() > 1 && digits.starts_with('0') && digits.bytes().all(|byte| byte.is_ascii_digit());
    if leading_zero || text.contains('_') {
        return None;
    }
    whole(text, digits).or_else(|| text.parse().ok().and_then(Number::from_f64))
}

fn whole(text: &str, digits: &str) -> Option<Number> {
    let (radix, digits) = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, &digits[2..]),
        [b'0', b'o' | b'O', ..] => (8, &digits[2..]),
        [b'0', b'b' | b'B', ..] => (2, &digits[2..]),
        _ => (10, digits),
    };
    // A second sign would be read, too.
    if !digits.starts_with(|c: char| c.is_digit(radix)) {
        return None;
    }
    if text.starts_with('-') {
        i64::from_str_radix(&format!("-{digits}"), radix).ok().map(Number::from)
    } else {
        u64::from_str_radix(digits, radix).ok().map(Number::from)
    }
}

/// True for numbers that JSON, and so the cloud, would not get as they are written.
pub(super) fn rounds(text: &str) -> bool {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if [".inf", ".nan"].iter().any(|word| digits.eq_ignore_ascii_case(word)) {
        return true;
    }
    let all_digits = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if all_digits {
        let leading_zero = digits.len() > 1 && digits.starts_with('0');
        let text = text.strip_prefix('+').unwrap_or(text);
        return !leading_zero && text.parse::<i64>().is_err() && text.parse::<u64>().is_err();
    }
    digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') && text.parse::<f64>().is_ok_and(f64::is_infinite)
}

fn number_of_1_1(text: &str) -> bool {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    digits.bytes().all(|byte| byte.is_ascii_digit()) || number(text).is_some()
}

/// True for text that YAML 1.1, and so kubectl, would not read as text.
pub(super) fn is_ambiguous(text: &str) -> bool {
    const YAML_1_1: [&str; 6] = ["y", "n", "yes", "no", "on", "off"];
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let leading_zero = digits.len() > 1 && digits.starts_with('0') && digits.bytes().all(|byte| byte.is_ascii_digit());
    // kubectl drops the underscores of whatever begins with a digit, and then reads a number.
    let separated = digits.starts_with(|c: char| c.is_ascii_digit())
        && digits.contains('_')
        && number_of_1_1(&text.replace('_', ""));
    leading_zero || separated || YAML_1_1.iter().any(|word| text.eq_ignore_ascii_case(word))
}
