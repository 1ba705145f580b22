//! Sends rows through the steps of a query.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::sim::arm::resource_graph::query::{Comparison, Key, Part, Predicate, Query, Scalar, Step};

/// One row: columns to values; an absent one is null.
pub(super) type Row = Map<String, Value>;

/// What is left of the rows.
pub(super) fn run(query: &Query, rows: Vec<Row>) -> Vec<Row> {
    query.steps.iter().fold(rows, |rows, step| apply(step, rows))
}

fn apply(step: &Step, mut rows: Vec<Row>) -> Vec<Row> {
    match step {
        Step::Where(predicate) => {
            rows.retain(|row| holds(predicate, row));
            rows
        }
        Step::Project(named) => rows.iter().map(|row| pick(named, row)).collect(),
        Step::Extend(named) => {
            for row in &mut rows {
                let added = pick(named, row);
                row.extend(added);
            }
            rows
        }
        Step::Distinct(named) => {
            let mut seen = BTreeSet::new();
            let picked = rows.iter().map(|row| pick(named, row));
            picked.filter(|row| seen.insert(Value::from(row.clone()).to_string())).collect()
        }
        Step::Order(keys) => {
            rows.sort_by(|left, right| order(keys, left, right));
            rows
        }
        Step::Limit(limit) => {
            rows.truncate(*limit);
            rows
        }
        Step::Count => vec![Row::from_iter([("Count".to_owned(), rows.len().into())])],
    }
}

fn pick(named: &[(String, Scalar)], row: &Row) -> Row {
    named.iter().map(|(name, value)| (name.clone(), value_of(value, row))).collect()
}

fn value_of(scalar: &Scalar, row: &Row) -> Value {
    match scalar {
        Scalar::Literal(value) => value.clone(),
        Scalar::ToText(inner) => text(&value_of(inner, row)).into(),
        Scalar::ToLower(inner) => text(&value_of(inner, row)).to_lowercase().into(),
        Scalar::Path { column, parts } => {
            let whole = row.get(column).unwrap_or(&Value::Null);
            let step = |value: &'_ Value, part: &Part| match part {
                Part::Key(key) => value.get(key).cloned(),
                Part::Index(index) => value.get(index).cloned(),
            };
            match parts.split_first() {
                None => whole.clone(),
                Some((first, rest)) => {
                    let found = step(whole, first);
                    rest.iter().fold(found, |value, part| step(&value?, part)).unwrap_or_default()
                }
            }
        }
    }
}

/// A value as text; nothing is the empty text.
fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn holds(predicate: &Predicate, row: &Row) -> bool {
    match predicate {
        Predicate::All(all) => all.iter().all(|own| holds(own, row)),
        Predicate::Any(any) => any.iter().any(|own| holds(own, row)),
        Predicate::Not(inner) => !holds(inner, row),
        Predicate::Holds(value) => value_of(value, row) == Value::Bool(true),
        Predicate::OneOf { value, list, folds_case } => {
            let value = value_of(value, row);
            list.iter().any(|own| equal(&value, own, *folds_case))
        }
        Predicate::Compare { left, how, right } => compare(&value_of(left, row), *how, &value_of(right, row)),
    }
}

fn compare(left: &Value, how: Comparison, right: &Value) -> bool {
    // Two absent values are neither equal nor different.
    let both_absent = left.is_null() && right.is_null();
    let folded = || (text(left).to_lowercase(), text(right).to_lowercase());
    match how {
        Comparison::Equal => equal(left, right, false),
        Comparison::EqualFolded => equal(left, right, true),
        Comparison::NotEqual => !both_absent && !equal(left, right, false),
        Comparison::NotEqualFolded => !both_absent && !equal(left, right, true),
        Comparison::Contains | Comparison::StartsWith | Comparison::Has if left.is_null() => false,
        Comparison::Contains => folded().0.contains(&folded().1),
        Comparison::StartsWith => folded().0.starts_with(&folded().1),
        Comparison::Has => {
            let (whole, term) = folded();
            has_term(&whole, &term)
        }
    }
}

/// Numbers by value, everything else by its text; nothing equals an absent value.
fn equal(left: &Value, right: &Value, folds_case: bool) -> bool {
    match (left, right) {
        (Value::Null, _) | (_, Value::Null) => false,
        (Value::Number(left), Value::Number(right)) => left.as_f64() == right.as_f64(),
        _ if folds_case => text(left).to_lowercase() == text(right).to_lowercase(),
        _ => text(left) == text(right),
    }
}

fn has_term(whole: &str, term: &str) -> bool {
    let is_edge = |letter: Option<char>| letter.is_none_or(|letter| !letter.is_alphanumeric());
    whole
        .match_indices(term)
        .any(|(at, own)| is_edge(whole[..at].chars().next_back()) && is_edge(whole[at + own.len()..].chars().next()))
}

fn order(keys: &[Key], left: &Row, right: &Row) -> Ordering {
    let by_key = |key: &Key| {
        let (left, right) = (value_of(&key.value, left), value_of(&key.value, right));
        match (left.is_null(), right.is_null()) {
            (true, true) => Ordering::Equal,
            (true, false) if key.nulls_first => Ordering::Less,
            (true, false) => Ordering::Greater,
            (false, true) if key.nulls_first => Ordering::Greater,
            (false, true) => Ordering::Less,
            (false, false) if key.is_descending => ranked(&right, &left),
            (false, false) => ranked(&left, &right),
        }
    };
    keys.iter().map(by_key).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
}

fn ranked(left: &Value, right: &Value) -> Ordering {
    match (left.as_f64(), right.as_f64()) {
        (Some(left), Some(right)) => left.total_cmp(&right),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => text(left).cmp(&text(right)),
    }
}
