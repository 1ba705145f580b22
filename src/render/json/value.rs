//! A value of a field, for programs.

use crate::plan::document;
use crate::value::Value;

/// The frozen form of a value: what is not known yet says who makes it.
pub(super) fn value(value: &Value) -> serde_json::Value {
    match value {
        Value::Bool(flag) => (*flag).into(),
        Value::Integer(number) => (*number).into(),
        Value::Text(text) => text.clone().into(),
        Value::Id(id) => id.as_str().into(),
        Value::List(items) => items.clone().into(),
        Value::Set(items) => items.iter().cloned().collect::<Vec<_>>().into(),
        Value::Produced { known: Some(known), .. } => known.clone().into(),
        Value::Produced { by, output, known: None } => {
            serde_json::json!({ "knownAfter": document::key_text(by), "output": output.to_string() })
        }
    }
}
