//! One page of a result: how much, from where, and in which of two shapes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::sim::arm::resource_graph::evaluate::Row;
use crate::sim::arm::resource_graph::failure::Failure;
use crate::sim::arm::resource_graph::query::{Query, Step};

/// Rows of a page if nobody says, and at most.
const DEFAULT: usize = 100;
const MOST: u64 = 1000;

/// From this api-version on, rows are objects unless the client asks for a table.
const OBJECTS_SINCE: &str = "2021-03-01";

/// The options of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Page {
    skip: usize,
    top: usize,
    is_table: bool,
}

impl Page {
    /// Reads `options`. A world's page size holds here too, unless the client asks for a number of rows.
    pub(super) fn read(options: &Value, version: &str, page_size: usize) -> Result<Self, Failure> {
        let invalid = |name: &str, wanted: &str| {
            let message = format!("The value {} of options.{name} is invalid: use {wanted}.", options[name]);
            Failure::request("InvalidOptions", &message)
        };
        let top = match &options["$top"] {
            Value::Null if page_size == 0 => DEFAULT,
            Value::Null => page_size.min(DEFAULT),
            top => {
                let top = top.as_u64().filter(|top| (1..=MOST).contains(top));
                let top = top.and_then(|top| usize::try_from(top).ok());
                top.ok_or_else(|| invalid("$top", "a number from 1 to 1000"))?
            }
        };
        let skip = match (&options["$skipToken"], &options["$skip"]) {
            (Value::Null, Value::Null) => 0,
            (Value::Null, skip) => {
                let skip = skip.as_u64().and_then(|skip| usize::try_from(skip).ok());
                skip.ok_or_else(|| invalid("$skip", "a number from 0 on"))?
            }
            (token, _) => {
                token.as_str().and_then(from_token).ok_or_else(|| invalid("$skipToken", "what the last page gave"))?
            }
        };
        let is_table = match options["resultFormat"].as_str().map(str::to_ascii_lowercase).as_deref() {
            None if options["resultFormat"].is_null() => version < OBJECTS_SINCE,
            Some("table") => true,
            Some("objectarray") => false,
            _ => return Err(invalid("resultFormat", "table or objectArray")),
        };
        Ok(Self { skip, top, is_table })
    }

    /// The answer. There is a token for the rest only if the rows can be told apart by `id`, and if the query did not cut
    /// them off itself.
    pub(super) fn cut(self, query: &Query, rows: Vec<Row>) -> Value {
        let total = rows.len();
        let end = self.skip.saturating_add(self.top);
        let is_truncated = end < total;
        let rows: Vec<Row> = rows.into_iter().skip(self.skip).take(self.top).collect();
        let mut body = json!({
            "totalRecords": total,
            "count": rows.len(),
            "resultTruncated": if is_truncated { "true" } else { "false" },
            "facets": [],
        });
        let is_limited = query.steps.iter().any(|step| matches!(step, Step::Limit(_)));
        if is_truncated && !is_limited && query.columns.iter().any(|name| name == "id") {
            body["$skipToken"] = to_token(end).into();
        }
        body["data"] = if self.is_table { table(&query.columns, &rows) } else { objects(&query.columns, rows) };
        body
    }
}

fn objects(columns: &[String], rows: Vec<Row>) -> Value {
    let complete =
        |mut row: Row| columns.iter().map(|name| (name.clone(), row.remove(name).unwrap_or_default())).collect::<Row>();
    rows.into_iter().map(complete).map(Value::from).collect()
}

fn table(columns: &[String], rows: &[Row]) -> Value {
    let cell = |row: &Row, name: &String| row.get(name).cloned().unwrap_or_default();
    let kind = |name: &String| {
        let first = rows.iter().map(|row| cell(row, name)).find(|value| !value.is_null());
        match first {
            Some(Value::Number(_)) => "integer",
            Some(Value::Bool(_)) => "boolean",
            Some(Value::Object(_) | Value::Array(_)) => "object",
            Some(Value::String(_) | Value::Null) | None => "string",
        }
    };
    let heads: Vec<Value> = columns.iter().map(|name| json!({ "name": name, "type": kind(name) })).collect();
    let lines: Vec<Vec<Value>> = rows.iter().map(|row| columns.iter().map(|name| cell(row, name)).collect()).collect();
    json!({ "columns": heads, "rows": lines })
}

fn to_token(skip: usize) -> String {
    STANDARD.encode(json!({ "rowsToSkip": skip }).to_string())
}

fn from_token(token: &str) -> Option<usize> {
    let text = STANDARD.decode(token).ok()?;
    let value: Value = serde_json::from_slice(&text).ok()?;
    usize::try_from(value["rowsToSkip"].as_u64()?).ok()
}
