//! `privlink schema`: the JSON Schemas of everything people and programs read or write.

use std::collections::BTreeMap;

use anyhow::bail;
use clap::Args;
use serde_json::Value;

use crate::cli::Exit;
use crate::cli::printer::Printer;
use crate::diagnostic::did_you_mean;
use crate::render;
use crate::repo;

/// Print the JSON Schemas of documents, settings, plans, approvals, status and simulated worlds
#[derive(Debug, Args)]
pub struct SchemaArguments {
    /// One of them; without it the names are printed
    name: Option<String>,
}

/// Every schema, by file name.
pub fn all() -> BTreeMap<String, Value> {
    let own = render::schema::schemas().into_iter().map(|(name, schema)| (file_name(name), schema.to_value()));
    let people = repo::schema::schemas().into_iter().map(|(name, schema)| (name.to_owned(), schema));
    people.chain(own).chain(of_simulator()).collect()
}

/// The schema of a world; a build without the simulator has none.
#[cfg(feature = "sim")]
fn of_simulator() -> Option<(String, Value)> {
    Some(("world.json".to_owned(), crate::cli::simulate::schema()))
}

#[cfg(not(feature = "sim"))]
fn of_simulator() -> Option<(String, Value)> {
    None
}

/// `PrivateLinkServiceStatus` → `private-link-service-status.json`.
fn file_name(kind: &str) -> String {
    let mut name = String::new();
    for (at, c) in kind.chars().enumerate() {
        if c.is_ascii_uppercase() && at > 0 {
            name.push('-');
        }
        name.push(c.to_ascii_lowercase());
    }
    format!("{name}.json")
}

pub(super) fn run(arguments: &SchemaArguments, printer: &mut Printer<'_>) -> anyhow::Result<Exit> {
    let SchemaArguments { name } = arguments;
    let schemas = all();
    let Some(name) = name else {
        for name in schemas.keys() {
            printer.raw_result(&format!("{}\n", name.trim_end_matches(".json")));
        }
        return Ok(Exit::Done);
    };
    let Some(schema) = schemas.get(name).or_else(|| schemas.get(&format!("{name}.json"))) else {
        let known: Vec<&str> = schemas.keys().map(|name| name.trim_end_matches(".json")).collect();
        bail!("there is no schema {name:?}: {}", did_you_mean(name, known));
    };
    printer.raw_result(&text(schema));
    Ok(Exit::Done)
}

/// A schema as it stands in `schemas/`.
pub fn text(schema: &Value) -> String {
    let mut text = serde_json::to_string_pretty(schema).expect("a schema is plain data");
    text.push('\n');
    text
}
