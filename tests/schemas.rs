//! The JSON Schemas in `schemas/` are those of this program. `PRIVLINK_BLESS=1` writes them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use privlink::{render, repo};

/// The schemas of what people write and of what privlink writes, as files.
fn generated() -> BTreeMap<String, String> {
    let people = repo::schema::schemas().into_iter().map(|(name, schema)| (name.to_owned(), schema));
    let own = render::schema::schemas().into_iter().map(|(kind, schema)| (file_name(kind), schema.to_value()));
    let text = |schema| format!("{}\n", serde_json::to_string_pretty(&schema).unwrap());
    people.chain(own).map(|(name, schema)| (name, text(schema))).collect()
}

/// `SavedPlan` → `saved-plan.json`.
fn file_name(kind: &str) -> String {
    let mut name = String::new();
    for letter in kind.chars() {
        if letter.is_ascii_uppercase() && !name.is_empty() {
            name.push('-');
        }
        name.push(letter.to_ascii_lowercase());
    }
    name + ".json"
}

#[test]
fn schemas_are_fresh() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas");
    let generated = generated();
    if std::env::var("PRIVLINK_BLESS").is_ok() {
        fs::create_dir_all(&folder).unwrap();
        for (name, text) in &generated {
            fs::write(folder.join(name), text).unwrap();
        }
    }
    let names = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let written: BTreeMap<String, String> =
        names.map(|name| (name.clone(), fs::read_to_string(folder.join(&name)).unwrap())).collect();
    let bless = "PRIVLINK_BLESS=1 cargo test schemas_are_fresh writes them";
    assert_eq!(written.keys().collect::<Vec<_>>(), generated.keys().collect::<Vec<_>>(), "{bless}");
    for (name, text) in &generated {
        assert!(written[name] == *text, "schemas/{name} is not what the program generates: {bless}");
    }
}
