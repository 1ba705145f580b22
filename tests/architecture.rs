//! The shape of the source: who imports whom, where async may be, how files begin and how long they are.
//!
//! Words are looked up in the code, not in comments or texts. A test that fails names every place.

mod floors;
mod source;

use std::collections::BTreeSet;
use std::path::Path;

use floors::{EXCEPTIONS, FLOORS};
use source::Source;

/// Lines of a file without its tests.
const MAX_LINES: usize = 500;

/// Where things may wait: adapters, the loop that drives an apply, and what runs them.
const ASYNC: &[&str] = &[
    "apply/driver.rs",
    "apply/lease.rs",
    "apply/mod.rs",
    "azure/",
    "kubernetes/",
    "forge/",
    "reconcile/",
    "reconcile.rs",
    "agent/",
    "agent.rs",
    "cli/",
    "telemetry/otlp.rs",
    "sim/",
];

/// Who may name the crates that read YAML, and the one that writes it.
const YAML: &[(&str, &[&str])] = &[
    ("saphyr", &["repo/yaml.rs", "repo/yaml/", "repo/split.rs"]),
    ("granit", &["repo/yaml.rs", "repo/yaml/", "repo/split.rs"]),
    // The simulator reads its world and writes kubeconfigs; it may import neither repo nor render.
    ("serde_yaml", &["render/yaml.rs", "sim/"]),
];

/// Who may name the simulator.
const SIM: &[&str] = &["sim/", "lib.rs", "cli/simulate.rs", "cli/simulate/", "cli/demo.rs"];

/// Words that promise instead of doing.
const PROMISES: &[&str] = &["todo!", "unimplemented!", "TODO", "FIXME", "XXX", "for now"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn sources() -> Vec<Source> {
    source::read(&root().join("src"))
}

#[track_caller]
fn nothing_found(what: &str, found: &[String]) {
    assert!(found.is_empty(), "{what}:\n  {}", found.join("\n  "));
}

/// `file:line` of every place where a word stands in some text, on its own.
fn places<'a>(path: &'a str, text: &'a str, word: &'a str) -> impl Iterator<Item = (String, usize)> + 'a {
    let is_letter = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word).filter_map(move |(at, _)| {
        let before = text[..at].chars().next_back().is_some_and(is_letter);
        let line = text[..at].matches('\n').count() + 1;
        (!before).then(|| (format!("src/{path}:{line}"), at + word.len()))
    })
}

fn is_in(path: &str, places: &[&str]) -> bool {
    places.iter().any(|place| path == *place || (place.ends_with('/') && path.starts_with(place)))
}

/// The first two words after a `crate::`.
fn imported(after: &str) -> (&str, &str) {
    let word = |text: &str| text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    let (room, rest) = after.split_at(word(after));
    let rest = rest.strip_prefix("::").unwrap_or("");
    (room, &rest[..word(rest)])
}

fn grants(granted: &str, (room, module): (&str, &str)) -> bool {
    match granted.split_once("::") {
        None => granted == room,
        Some((granted_room, granted_module)) => granted_room == room && granted_module == module,
    }
}

/// True if this room may import this; tells which exception it took.
fn allowed(from: &str, import: (&str, &str), used: &mut BTreeSet<(&'static str, &'static str)>) -> bool {
    if from == import.0 {
        return true;
    }
    let Some((_, row)) = FLOORS.iter().find(|(name, _)| *name == from) else { return false };
    if row.iter().any(|granted| grants(granted, import)) {
        return true;
    }
    let mut exceptions = EXCEPTIONS.iter();
    let Some((room, granted, _)) = exceptions.find(|(room, granted, _)| *room == from && grants(granted, import))
    else {
        return false;
    };
    used.insert((room, granted));
    true
}

#[test]
fn rooms_import_what_their_floor_allows() {
    let mut found = Vec::new();
    let mut used = BTreeSet::new();
    for source in sources() {
        for (place, end) in places(&source.path, &source.code, "crate::") {
            let import = imported(&source.code[end..]);
            if import.0.is_empty() {
                found.push(format!("{place}: write one path per line, without braces after `crate::`"));
            } else if !allowed(source.room(), import, &mut used) {
                found.push(format!("{place}: {} -> {}::{}", source.room(), import.0, import.1));
            }
        }
    }
    nothing_found("imports against the floors", &found);
    let gone = EXCEPTIONS.iter().filter(|(room, granted, _)| !used.contains(&(*room, *granted)));
    nothing_found(
        "strike from EXCEPTIONS",
        &gone.map(|(room, granted, _)| format!("{room} -> {granted}")).collect::<Vec<_>>(),
    );
}

#[test]
fn every_room_has_a_floor_and_every_exception_a_reason() {
    let found: Vec<String> = sources()
        .iter()
        .filter(|source| !FLOORS.iter().any(|(name, _)| *name == source.room()))
        .map(|source| source.path.clone())
        .collect();
    nothing_found("files of rooms that are not in the table", &found);
    for (room, granted, reason) in EXCEPTIONS {
        assert!(reason.len() > 20, "{room} -> {granted} needs a reason");
    }
}

/// How many `super::` follow at once.
fn chain(code: &str) -> usize {
    std::iter::successors(code.strip_prefix("super::"), |rest| rest.strip_prefix("super::")).count()
}

#[test]
fn no_path_of_supers_leaves_its_room() {
    let mut found = Vec::new();
    for source in sources() {
        let tests = source.production().len();
        for (place, end) in places(&source.path, &source.code, "super::") {
            let steps = 1 + chain(&source.code[end..]);
            let depth = source.depth() + usize::from(end > tests && !source.is_test);
            if steps >= depth.max(1) && source.room() != "lib" {
                found.push(place);
            }
        }
    }
    nothing_found("`super::` that reaches the crate's root", &found);
}

#[test]
fn only_the_outside_waits() {
    let mut found = Vec::new();
    for source in sources().iter().filter(|source| !is_in(&source.path, ASYNC)) {
        for word in ["async", "await"] {
            found.extend(places(&source.path, source.production(), word).map(|(place, _)| format!("{place}: {word}")));
        }
    }
    nothing_found("async in a room that is pure or synchronous", &found);
}

#[test]
fn every_file_says_what_it_is() {
    let found: Vec<String> =
        sources().iter().filter(|source| !source.text.starts_with("//! ")).map(|source| source.path.clone()).collect();
    nothing_found("files that do not open with `//! `", &found);
}

#[test]
fn no_file_is_longer_than_a_reader_bears() {
    let lines = |source: &Source| source.production().lines().count();
    let sources = sources();
    let long = sources.iter().filter(|source| lines(source) > MAX_LINES);
    nothing_found(
        "files to split",
        &long.map(|source| format!("{}: {}", source.path, lines(source))).collect::<Vec<_>>(),
    );
}

#[test]
fn yaml_is_read_in_one_place_and_written_in_one() {
    let mut found = Vec::new();
    for source in sources() {
        for (name, rooms) in YAML {
            let is_named = source.production().contains(name) && !is_in(&source.path, rooms);
            found.extend(is_named.then(|| format!("{}: {name}", source.path)));
        }
    }
    nothing_found("files that name a YAML crate", &found);
}

#[test]
fn only_two_commands_know_the_simulator() {
    let mut found = Vec::new();
    for source in sources().iter().filter(|source| !is_in(&source.path, SIM)) {
        for word in ["crate::sim", "privlink::sim", "sim::"] {
            found.extend(places(&source.path, &source.code, word).map(|(place, _)| place));
        }
    }
    nothing_found("files that name the simulator", &found);
}

#[test]
fn only_the_printer_prints() {
    let mut found = Vec::new();
    for source in sources().iter().filter(|source| source.path != "cli/printer.rs") {
        for word in ["println!", "print!", "eprintln!", "eprint!", "dbg!"] {
            found.extend(places(&source.path, source.production(), word).map(|(place, _)| place));
        }
    }
    nothing_found("prints outside cli/printer.rs", &found);
}

#[test]
fn nothing_is_promised() {
    let mut found = Vec::new();
    for source in sources() {
        for word in PROMISES {
            found.extend(places(&source.path, &source.text, word).map(|(place, _)| format!("{place}: {word}")));
        }
    }
    nothing_found("promises", &found);
}

/// Every file that is a module of the integration binary, by the folder its own modules lie in.
fn modules_of_the_tests(sources: &[Source]) -> BTreeSet<String> {
    let join = |folder: &str, name: &str| if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
    let mut open = vec![("main.rs".to_owned(), String::new())];
    let mut known = BTreeSet::new();
    while let Some((path, folder)) = open.pop() {
        let Some(source) = sources.iter().find(|source| source.path == path) else { continue };
        let beside = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        for module in source::declared_modules(&source.text) {
            open.extend(match module.path {
                // Such a file looks for its own modules beside itself.
                Some(named) => {
                    let file = join(beside, &named);
                    let folder = file.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned();
                    vec![(file, folder)]
                }
                None => {
                    let stem = join(&folder, &module.name);
                    vec![(format!("{stem}.rs"), stem.clone()), (format!("{stem}/mod.rs"), stem)]
                }
            });
        }
        known.insert(path);
    }
    known
}

#[test]
fn no_test_is_forgotten() {
    let sources = source::read(&root().join("tests"));
    let known = modules_of_the_tests(&sources);
    // Benchmarks, long runs and fuzz targets are programs of their own.
    let programs = ["bench/", "fuzz/", "soak/"];
    let forgotten = sources.iter().filter(|it| !known.contains(&it.path) && !is_in(&it.path, &programs));
    nothing_found("files that no `mod` names", &forgotten.map(|source| source.path.clone()).collect::<Vec<_>>());
}

#[test]
fn words_are_looked_up_in_code_only() {
    let text = "a /* b /* c */ d */ \"e \\\" f\" 'g' '\\'' r#\"h \" i\"# 'j k // l\nm r#type n";
    let code: Vec<String> = source::blank(text).split_whitespace().map(str::to_owned).collect();
    assert_eq!(code, ["a", "'j", "k", "m", "r#type", "n"]);
    assert_eq!(source::blank(text).lines().count(), 2);
    assert_eq!(imported("domain::azure::ResourceId;"), ("domain", "azure"));
    assert_eq!(imported("{a, b}"), ("", ""));
    let text = "#[cfg(test)]\npub(crate) mod fixture;\npub mod a;\n#[path = \"b/c.rs\"]\nmod c;\nmod b {\n";
    let declared = source::declared_modules(text).into_iter().map(|it| (it.name, it.for_tests, it.path));
    let expected = [("fixture", true, None), ("a", false, None), ("c", false, Some("b/c.rs"))];
    assert!(declared.eq(expected.map(|(name, tests, path)| (name.to_owned(), tests, path.map(str::to_owned)))));
}
