//! The JSON Schemas in `schemas/` are those of this program. `PRIVLINK_BLESS=1` writes them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use privlink::cli::schema;

/// Every schema, as its file holds it.
fn generated() -> BTreeMap<String, String> {
    schema::all().into_iter().map(|(name, schema)| (name, schema::text(&schema))).collect()
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
    // A build without the simulator knows no world.
    let names = names.filter(|name| cfg!(feature = "sim") || name != "world.json");
    let written: BTreeMap<String, String> =
        names.map(|name| (name.clone(), fs::read_to_string(folder.join(&name)).unwrap())).collect();
    let bless = "PRIVLINK_BLESS=1 cargo test schemas_are_fresh writes them";
    assert_eq!(written.keys().collect::<Vec<_>>(), generated.keys().collect::<Vec<_>>(), "{bless}");
    for (name, text) in &generated {
        assert!(written[name] == *text, "schemas/{name} is not what the program generates: {bless}");
    }
}
