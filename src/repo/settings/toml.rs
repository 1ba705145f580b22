//! TOML text as a value with places: the only file that names the TOML crate.

use std::sync::Arc;

use serde_json::{Map, Number, Value};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::diagnostic::{Diagnostic, Diagnostics, FileName, Place, Step};
use crate::repo::code;
use crate::repo::source::{Entries, Entry, Index, Source, Sources};

/// The text and index of a TOML file, for rendering places.
pub fn source(text: &str) -> Source {
    let (table, _) = DeTable::parse_recoverable(text);
    let mut reader = Reader { path: Vec::new(), entries: Entries::new(), refused: Vec::new() };
    reader.table(table.get_ref());
    Source { text: Arc::from(text), documents: vec![Index::of_entries(reader.entries)] }
}

pub(super) fn sources(file: &FileName, text: &str) -> Sources {
    let mut sources = Sources::new();
    sources.insert(file.clone(), source(text));
    sources
}

/// Reads the text; `None` if it is not TOML or holds something that settings cannot be.
pub(super) fn read(root: &Place, text: &str, diagnostics: &mut Diagnostics) -> Option<(Value, Index)> {
    let (table, errors) = DeTable::parse_recoverable(text);
    // The parser goes on after an error, but most of what it then finds are echoes.
    if let Some(error) = errors.first() {
        diagnostics.push(syntax(root, text, error));
        return None;
    }
    let mut reader = Reader { path: Vec::new(), entries: Entries::new(), refused: Vec::new() };
    let value = reader.table(table.get_ref());
    let refused = std::mem::take(&mut reader.refused);
    if refused.is_empty() {
        return Some((value, Index::of_entries(reader.entries)));
    }
    diagnostics.extend(refused.into_iter().map(|(path, what)| {
        let place = Place { path, ..root.clone().child("") };
        Diagnostic::error(code::WRONG_TYPE, format!("`{}` is {what}, and nothing here is", place.dotted()))
            .label(place, "")
            .help("put it in quotes if it is text")
    }));
    None
}

fn syntax(root: &Place, text: &str, error: &toml::de::Error) -> Diagnostic {
    let span = error.span().unwrap_or(text.len()..text.len());
    let place = Place::bytes(root.file.clone(), span.start..span.end.max(span.start + 1));
    let message = error.message().lines().next().unwrap_or_default().trim();
    if message.starts_with("duplicate key") {
        let key = text.get(span).unwrap_or_default();
        return Diagnostic::error(code::DUPLICATE_KEY, format!("`{key}` is written twice"))
            .label(place, "the second")
            .help("keep one of the two; it is not clear which one is meant");
    }
    Diagnostic::error(code::SYNTAX, "this is not valid TOML").label(place, message)
}

/// Says that the file is of a version this program does not know: then nothing else about it can be judged.
pub(super) fn other_version(value: &Value, root: &Place) -> Option<Diagnostic> {
    let version = value.get("version")?.as_i64().filter(|version| *version != 1)?;
    Some(
        Diagnostic::error(code::VERSION, format!("version {version} of privlink.toml is not known to this program"))
            .label(root.clone().child("version"), "only 1 is known")
            .help("write version = 1, or use the program that this file was written for"),
    )
}

struct Reader {
    path: Vec<Step>,
    entries: Entries,
    refused: Vec<(Vec<Step>, &'static str)>,
}

impl Reader {
    fn table(&mut self, table: &DeTable<'_>) -> Value {
        let mut entries = Map::new();
        for (key, value) in table {
            let name = key.get_ref().to_string();
            let value = self.entry(Step::Key(name.clone()), Some(key.span()), value);
            entries.insert(name, value);
        }
        Value::Object(entries)
    }

    fn entry(&mut self, step: Step, key: Option<std::ops::Range<usize>>, value: &Spanned<DeValue<'_>>) -> Value {
        self.path.push(step);
        let collection = value.get_ref().is_table() || value.get_ref().is_array();
        self.entries.insert(self.path.clone(), Entry { key, value: value.span(), collection });
        let value = self.value(value.get_ref());
        self.path.pop();
        value
    }

    fn value(&mut self, value: &DeValue<'_>) -> Value {
        match value {
            DeValue::String(text) => Value::String(text.to_string()),
            DeValue::Boolean(value) => Value::Bool(*value),
            DeValue::Integer(integer) => match i64::from_str_radix(integer.as_str(), integer.radix()) {
                Ok(number) => Value::Number(number.into()),
                Err(_) => self.refuse("a number that does not fit"),
            },
            DeValue::Float(float) => match float.as_str().parse::<f64>().ok().and_then(Number::from_f64) {
                Some(number) => Value::Number(number),
                None => self.refuse("not a number"),
            },
            DeValue::Datetime(_) => self.refuse("a date or time"),
            DeValue::Array(items) => {
                let items = items.iter().enumerate();
                Value::Array(items.map(|(index, item)| self.entry(Step::Index(index), None, item)).collect())
            }
            DeValue::Table(table) => self.table(table),
        }
    }

    fn refuse(&mut self, what: &'static str) -> Value {
        self.refused.push((self.path.clone(), what));
        Value::Null
    }
}
