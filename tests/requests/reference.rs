//! Azure's own lists of operations and properties, as `tests/data/arm` has them.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::Value as Json;

/// An operation as Azure declares it.
pub(super) struct Declared {
    method: &'static str,
    path: &'static str,
    query: Vec<&'static str>,
    headers: Vec<&'static str>,
}

/// What of a kind can be written.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Shape {
    pub(super) settable: BTreeSet<String>,
    pub(super) read_only: BTreeSet<String>,
    /// The api-version that has brought a property.
    pub(super) since: BTreeMap<String, String>,
    /// What the official examples of a write send.
    pub(super) example: BTreeSet<String>,
}

pub(super) fn shapes() -> BTreeMap<String, Shape> {
    serde_json::from_str(include_str!("../data/arm/shapes.json")).unwrap()
}

pub(super) fn operations() -> Vec<Declared> {
    let operation = |line: &'static str| {
        let mut words = line.split(' ');
        let (method, path) = (words.next().unwrap(), words.next().unwrap());
        let rest: Vec<&str> = words.collect();
        let list = |mark: char| {
            let found = rest.iter().find_map(|word| word.strip_prefix(mark)).unwrap_or_default();
            found.split(',').filter(|name| !name.is_empty()).collect()
        };
        Declared { method, path, query: list('?'), headers: list('#') }
    };
    include_str!("../data/arm/operations.txt").lines().map(operation).collect()
}

impl Declared {
    /// True if a call of this method and path, with these parameters and preconditions, is one of the operation.
    pub(super) fn takes(&self, (method, path): (&str, &str), query: &[String], preconditions: &[&str]) -> bool {
        // `If-Match` is taken by all of Azure, declared or not; `If-None-Match` is ignored where it is not.
        let is_taken = |name: &&str| *name == "if-match" || self.headers.contains(name);
        let template: Vec<&str> = self.path.split('/').collect();
        self.method == method
            && fits(&template, &path.split('/').collect::<Vec<_>>())
            && query.iter().all(|name| self.query.contains(&name.as_str()))
            && preconditions.iter().all(is_taken)
    }
}

fn fits(template: &[&str], path: &[&str]) -> bool {
    match (template, path) {
        ([], []) => true,
        // Any number of segments.
        (["{scope}" | "{parentResourcePath}", rest @ ..], _) => (0..=path.len()).any(|skip| fits(rest, &path[skip..])),
        ([first, rest @ ..], [own, others @ ..]) => {
            let is_name = first.starts_with('{') && !own.is_empty();
            (is_name || first.eq_ignore_ascii_case(own)) && fits(rest, others)
        }
        _ => false,
    }
}

/// The properties of a body, as `shapes.json` writes them; an empty list or map counts as one.
pub(super) fn properties(json: &Json) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    collect(json, "", &mut found);
    found
}

fn collect(json: &Json, place: &str, found: &mut BTreeSet<String>) {
    match json {
        Json::Array(items) => items.iter().for_each(|item| collect(item, &format!("{place}[]"), found)),
        Json::Object(map) => {
            for (key, value) in map {
                let is_map = ["tags", "properties.metadata"].contains(&place);
                let dot = if place.is_empty() { "" } else { "." };
                let key = if is_map { "*" } else { key };
                collect(value, &format!("{place}{dot}{key}"), found);
            }
        }
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => drop(found.insert(place.to_owned())),
    }
}

#[test]
fn a_path_fits_what_it_is_a_case_of_and_nothing_else() {
    let fits = |template: &str, path: &str| {
        fits(&template.split('/').collect::<Vec<_>>(), &path.split('/').collect::<Vec<_>>())
    };
    assert!(fits("/subscriptions/{id}/resourcegroups", "/subscriptions/a/resourceGroups"));
    assert!(fits("/{scope}/x/y", "/a/b/x/y") && !fits("/{scope}/x/y", "/a/b/x/z"));
    assert!(!fits("/subscriptions/{id}", "/subscriptions/") && !fits("/subscriptions/{id}", "/subscriptions/a/b"));
}
